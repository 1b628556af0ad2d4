"""Where the arrays stand that a loop carries.

A carry's next value is written over the carry (in place, or at the end of the body). Where that cannot be, or need not be,
the carry is one row of a room (`Home`), and the next value is another row:

- in a *ring*, if the next value reads cells of the old one that are overwritten before, or if carries are exchanged. The ring
  has a row for each carry, and one for each next value that none of them is overwritten with; after an iteration the rows
  change their owners (`Facts.apart`).
- in the *tape*, if each iteration remembers the carry as it came: the next value is the next row of what is remembered.

So an array is never copied to be carried, and no name of an array ever changes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ..ir.core import I64, Atom, Lit, Type, Var, dim_of
from ..ir.dims import DimLike, combine
from ..ops.loop import Loop
from .block import Block, End
from .plan import Set
from .tasks import Place, Task
from .write import Writer


@dataclass(frozen=True, eq=False)
class Carry:
    """An array that a loop carries: as the body calls it, its next value, as it is before and after the loop."""

    inner: Var
    next: Atom
    first: Var
    out: Var


@dataclass(frozen=True, eq=False)
class Home:
    """The rows of a room where a carry is before the loop, in an iteration (given its number), where that leaves it, and where
    the loop does. `base`: the carry whose row the next value takes."""

    room: Place
    first: DimLike
    now: Callable[[DimLike], DimLike]
    next: Callable[[DimLike], DimLike]
    last: DimLike
    base: Var | None = None


@dataclass(frozen=True, eq=False)
class Ring:
    slots: dict[Var, Var]  # carry -> the variable that tells its row
    spare: tuple[Var, ...]
    left: dict[Var, Var]  # carry -> where the body leaves its next value


@dataclass(frozen=True, eq=False)
class Carries:
    arrays: tuple[Carry, ...]
    rings: tuple[Ring, ...]
    homes: Mapping[Var, Home] = field(default_factory=dict)  # of the carries that are not overwritten with their next values

    def moves(self) -> list[tuple[Var, Atom]]:
        """What becomes of the slots after an iteration."""
        out: list[tuple[Var, Atom]] = []
        for r in self.rings:
            unused = [s for s in (*r.slots.values(), *r.spare) if s not in r.left.values()]
            out += [(r.slots[p], s) for p, s in r.left.items()]
            out += list(zip(r.spare, unused, strict=True))
        return out


def carries(
    b: Block, inner: Sequence[Var], nexts: Sequence[Atom], init: Sequence[Atom], outs: Sequence[Var], taped: Mapping[Var, Var],
) -> Carries:  # fmt: skip
    """`taped`: carries that live in the rows that a loop gives -> those rows."""
    every = [Carry(p, r, Var(a.type, p.hint), o) for p, r, a, o in zip(inner, nexts, init, outs, strict=True) if p.type.shape]
    b.facts.alias.update({o: p for p, o in zip(inner, outs, strict=True) if not p.type.shape})
    homes = {p: _tape(b, p, rows) for p, rows in taped.items()}
    rings = _rings(b, [c for c in every if c.inner not in taped], homes)
    starts = dict(zip(inner, init, strict=True))
    for c in every:
        copy = b.fill(c.first, starts[c.inner])
        home = homes.get(c.inner)
        if home is None:
            b.copies[c.first] = copy
        else:
            b.stand(c.first, _row(b, c, home, home.first))
            b.stand(c.out, _row(b, c, home, home.last))
    return Carries(tuple(every), tuple(rings), homes)


def _row(b: Block, c: Carry, home: Home, k: DimLike) -> Place:
    return Place(b.facts.type(c.inner.type), c.inner.hint, parent=(home.room, (k,)), fresh=False)


def _rings(b: Block, every: Sequence[Carry], homes: dict[Var, Home]) -> list[Ring]:
    """The carries that cannot be overwritten with their next values, with all that they exchange memory with."""
    facts = b.facts
    of = {c.inner: c for c in every}
    roots = {c.inner: root(b, c.next) for c in every if c.inner not in facts.torn}
    out: list[Ring] = []
    for c in every:
        if c.inner not in facts.apart or c.inner in homes:
            continue
        members = {c.inner}
        while True:
            near = {p for p, r in roots.items() if r in of and (p in members or r in members)}
            near |= {roots[p] for p in near}  # type: ignore[misc]
            if near <= members:
                break
            members |= near
        ours = [x.inner for x in every if x.inner in members]
        slots = {p: Var(I64, "at") for p in ours}
        left: dict[Var, Var] = {}
        for p in sorted(ours, key=lambda p: roots.get(p) is not p):  # its own memory first
            r = roots.get(p)
            if r in slots and slots[r] not in left.values():  # type: ignore[index]
                left[p] = slots[r]  # type: ignore[index]
        spare = tuple(Var(I64, "spare") for _ in range(len(ours) - len(left)))
        left.update(zip([p for p in ours if p not in left], spare, strict=True))
        t = facts.type(c.inner.type)
        room = Place(Type(t.dtype, (len(ours) + len(spare), *t.shape)), c.inner.hint, fresh=False)
        owner = {s: p for p, s in slots.items()}
        homes.update({p: _slot(room, k, slots[p], left[p], owner.get(left[p])) for k, p in enumerate(ours)})
        out.append(Ring(slots, spare, left))
    return out


def _slot(room: Place, first: int, mine: Var, left: Var, base: Var | None) -> Home:
    return Home(room, first, lambda _: dim_of(mine), lambda _: dim_of(left), dim_of(mine), base)


# ---- the tape


def _tape(b: Block, p: Var, rows: Var) -> Home:
    """The rows are all but the last one of the room."""
    t = b.facts.type(rows.type)
    room = Place(Type(t.dtype, (combine(t.shape[0], 1, 1), *t.shape[1:])), rows.hint, fresh=False)
    b.stand(rows, Place(t, rows.hint, parent=(room, ()), fresh=False))
    return Home(room, 0, lambda at: at, lambda at: combine(at, 1, 1), t.shape[0])


def taped(b: Block, view: Loop, outs: Sequence[Var]) -> dict[Var, Var]:
    """The carries that live in rows, and these. Not what exchanges memory with others, nor rows that are wanted elsewhere."""
    elsewhere = {b.facts.atom(e.atom) for e in b.ends if e.place is not None} | {outs[k] for k, _ in view.ragged}
    roots = {p: root(b, r) for p, r in zip(view.carries, view.nexts, strict=True) if p.type.shape}
    found = {}
    for p in view.remembered:
        alone = all((p is q) == (p is r) or r not in roots for q, r in roots.items())
        rows = outs[view.rows.index(p)]
        if alone and rows not in elsewhere:
            found[p] = rows
    return found


# ---- around and in the body


def overwrite(b: Block, task: Task, found: Carries, inits: Mapping[Var, Atom]) -> None:
    for c in found.arrays:
        b.order.reads(task, c.first, None)
        if c.inner not in found.homes:
            b.overwrites(task, inits[c.inner], c.out, c.first, b.copies[c.first])


def ends(w: Writer, b: Block, found: Carries, at: DimLike) -> list[End]:
    """Where the body finds each carried array, and where it leaves it. `at`: the number of the iteration."""
    memory = b.attempt.memory
    for r in found.rings:
        for k, slot in enumerate([*r.slots.values(), *r.spare]):
            w.put(Set((slot,), (Lit(k, I64),)))
    for c in found.arrays:
        home = found.homes.get(c.inner)
        window = w.window(c.out if home is None else c.first)
        t = b.facts.type(c.inner.type)
        place = Place(t, c.inner.hint, window, fresh=False) if home is None else _row(b, c, home, home.now(at))
        place.versions.append(c.inner)
        memory[c.inner] = place
    out = []
    for c in found.arrays:
        home = found.homes.get(c.inner)
        base = c.inner if home is None else home.base
        place = memory[base] if base is not None else _row(b, c, home, home.next(at))  # type: ignore[arg-type,union-attr]
        out.append(End(c.next, place, base, c.inner))
    return out


def root(b: Block, a: Atom, within: Collection[Var] | None = None) -> Atom | None:
    """The array on which a value was built by writing cells. `within`: the first that is none of these."""
    while True:
        a = b.facts.atom(a)
        let = b.facts.defs.get(a) if isinstance(a, Var) else None
        if let is None or (within is not None and a not in within):
            return a
        if let.op.name in ("put", "add_at"):
            a = let.args[0]
        elif let.op.name == "loop" and let.outs.index(a) < let.attrs["carry"]:
            a = let.args[2 + let.outs.index(a)]
        elif let.op.name == "while" and let.outs.index(a) < let.attrs["carry"]:
            a = let.args[let.outs.index(a)]
        elif let.op.name == "cond":
            sides = [root(b, f.results[let.outs.index(a)], within) for f in let.fns]
            return sides[0] if sides[0] is sides[1] else a
        else:
            return a
