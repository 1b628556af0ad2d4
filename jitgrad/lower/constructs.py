"""The tasks of the constructs. A body is a block of its own, scheduled when the construct is written: by then it is
decided where its carries stand.

A carry's next value is written over the carry (in place, or at the end of the body). Where that cannot be (the next value
reads cells of the old one that are overwritten before; or carries are exchanged), the carry is one row of a `Ring`, and the
rows change their owners: `Facts.apart`. So an array is never copied to be carried, and no name of an array ever changes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from ..ir.core import I64, Atom, Let, Lit, Size, Type, Var, dim_of
from ..ir.dims import DimLike, combine
from ..ir.walk import effectful, everywhere
from ..ops.cond import Cond
from ..ops.loop import Loop
from ..ops.while_ import While
from .block import Block, End
from .plan import For, Grow, If, Set, Stmt, Store, Window
from .plan import While as PlanWhile
from .pull import scalars_of
from .tasks import Opaque, Place, Task
from .write import Writer


@dataclass(frozen=True, eq=False)
class Carry:
    """An array that a loop carries: as the body calls it, its next value, as it is before and after the loop."""

    inner: Var
    next: Atom
    first: Var
    out: Var


@dataclass(frozen=True, eq=False)
class Ring:
    """Carries that stand in one memory with a row for each, and one for each next value that none of them is overwritten
    with. After an iteration the rows change their owners: `slots` tell whose is which."""

    room: Place
    slots: dict[Var, Var]  # carry -> the variable that tells its row
    spare: tuple[Var, ...]
    left: dict[Var, Var]  # carry -> where the body leaves its next value


@dataclass(frozen=True, eq=False)
class Carries:
    arrays: tuple[Carry, ...]
    rings: tuple[Ring, ...]

    def ring(self, c: Carry) -> Ring | None:
        return next((r for r in self.rings if c.inner in r.slots), None)

    def moves(self) -> list[tuple[Var, Atom]]:
        """What becomes of the slots after an iteration."""
        out: list[tuple[Var, Atom]] = []
        for r in self.rings:
            unused = [s for s in (*r.slots.values(), *r.spare) if s not in r.left.values()]
            out += [(r.slots[p], s) for p, s in r.left.items()]
            out += list(zip(r.spare, unused, strict=True))
        return out


def _carries(b: Block, inner: Sequence[Var], nexts: Sequence[Atom], init: Sequence[Atom], outs: Sequence[Var]) -> Carries:
    every = [Carry(p, r, Var(a.type, p.hint), o) for p, r, a, o in zip(inner, nexts, init, outs, strict=True) if p.type.shape]
    b.facts.alias.update({o: p for p, o in zip(inner, outs, strict=True) if not p.type.shape})
    rings = _rings(b, every)
    found = Carries(tuple(every), tuple(rings))
    starts = dict(zip(inner, init, strict=True))
    for c in every:
        ring = found.ring(c)
        copy = b.fill(c.first, starts[c.inner])
        if ring is None:
            b.copies[c.first] = copy
            continue
        t = b.facts.type(c.inner.type)
        row = list(ring.slots).index(c.inner)
        b.stand(c.first, Place(t, c.inner.hint, parent=(ring.room, (row,)), fresh=False))
        b.stand(c.out, Place(t, c.inner.hint, parent=(ring.room, (dim_of(ring.slots[c.inner]),)), fresh=False))
    return found


def _rings(b: Block, every: Sequence[Carry]) -> list[Ring]:
    """The carries that cannot be overwritten with their next values, with all that they exchange memory with."""
    facts = b.facts
    of = {c.inner: c for c in every}
    roots = {c.inner: root(b, c.next) for c in every if c.inner not in facts.torn}
    out: list[Ring] = []
    for c in every:
        if c.inner not in facts.apart or any(c.inner in r.slots for r in out):
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
        out.append(Ring(Place(Type(t.dtype, (len(ours) + len(spare), *t.shape)), c.inner.hint, fresh=False), slots, spare, left))
    return out


def _overwrite(b: Block, task: Task, carries: Carries, inits: dict[Var, Atom]) -> None:
    for c in carries.arrays:
        b.order.reads(task, c.first, None)
        if carries.ring(c) is None:
            b.overwrites(task, inits[c.inner], c.out, c.first, b.copies[c.first])


def _ends(w: Writer, b: Block, carries: Carries) -> list[End]:
    """Where the body finds each carried array, and where it leaves it."""
    memory = b.attempt.memory
    for r in carries.rings:
        for k, slot in enumerate([*r.slots.values(), *r.spare]):
            w.put(Set((slot,), (Lit(k, I64),)))
    here: dict[Var, Place] = {}  # slot -> the place that it tells
    out = []
    for c in carries.arrays:
        t = b.facts.type(c.inner.type)
        ring = carries.ring(c)
        if ring is None:
            place = Place(t, c.inner.hint, w.window(c.out), versions=[c.inner], fresh=False)
            memory[c.inner] = place
            continue
        w.window(c.first)
        slot = ring.slots[c.inner]
        parent = (ring.room, (dim_of(slot),))
        memory[c.inner] = here[slot] = Place(t, c.inner.hint, parent=parent, versions=[c.inner], fresh=False)
    for c in carries.arrays:
        ring = carries.ring(c)
        if ring is None:
            out.append(End(c.next, memory[c.inner], c.inner, c.inner))
            continue
        t = b.facts.type(c.inner.type)
        slot = ring.left[c.inner]
        base = next((p for p, s in ring.slots.items() if s is slot), None)
        place = here[slot] if base else Place(t, c.inner.hint, parent=(ring.room, (dim_of(slot),)), fresh=False)
        out.append(End(c.next, place, base, c.inner))
    return out


def _new_rows(b: Block, outs: Sequence[Var], growing: Collection[int]) -> list[Place]:
    """The places of rows; those that grow."""
    found = []
    for k, o in enumerate(outs):
        place = Place(b.facts.type(o.type), o.hint, growing=k in growing)
        b.stand(o, place)
        if place.growing:
            found.append(place)
    return found


def _ragged_end(w: Writer, r: Atom, o: Var, start: DimLike) -> End:
    """Where a value of unknown length is left: from `start` on in what holds all of them."""
    whole, t = w.window(o), w.facts.type(r.type)
    window = Window(whole.buffer, whole.prefix, (t.shape[0], *w.index(t.shape[1:])), combine(whole.offset, start, 1))
    return End(r, Place(t, o.hint, window, fresh=False, growing=True, asked=False))


def _row_ends(
    w: Writer, b: Block, rows: Sequence[Atom], outs: Sequence[Var], at: DimLike, once: bool, starts: Mapping[int, Var]
) -> list[End]:
    out = []
    for k, (r, o) in enumerate(zip(rows, outs, strict=True)):
        if not r.type.shape:
            out.append(End(r))
            continue
        if k in starts:
            out.append(_ragged_end(w, r, o, dim_of(starts[k])))
            continue
        whole = w.window(o)
        t = w.facts.type(r.type)
        window = Window(whole.buffer, whole.cell((at,)), w.index(t.shape))
        whole_place = b.attempt.memory[o].root()
        out.append(End(r, Place(t, o.hint, window, fresh=False, once=once and (whole_place.fresh or whole_place.once))))
    return out


def _store_rows(
    w: Writer, body: Writer, results: Sequence[Atom], outs: Sequence[Var], at: DimLike, carries: Sequence[Var]
) -> None:
    """A carry as it entered is stored at the top, so that it can be overwritten early; the rest where it is known."""
    top = 0
    for r, o in zip(results, outs, strict=True):
        if r.type.shape:
            continue
        whole = w.window(o)
        body.levels[0].insert(top if r in carries else len(body.levels[0]), Store(whole.buffer, whole.cell((at,)), r))
        top += r in carries


def assign(pairs: Sequence[tuple[Var, Atom]]) -> list[Stmt]:
    """All at once: one after the other where none reads what was assigned before, the rest together."""
    todo = [(v, a) for v, a in pairs if v is not a]
    out: list[Stmt] = []
    while todo:
        free = next((p for p in todo if not any(p[0] in scalars_of(a) for v, a in todo if v is not p[0])), None)
        if free is None:
            out.append(Set(tuple(v for v, _ in todo), tuple(a for _, a in todo)))
            break
        out.append(Set((free[0],), (free[1],)))
        todo.remove(free)
    return out


# ---- loop


def _loop(b: Block, let: Let) -> None:
    view = Loop.of(let)
    c = view.count
    outs, rows = let.outs[:c], let.outs[c:]
    carries = _carries(b, view.carries, view.nexts, view.init, outs)
    starts = {k: view.carries[j] for k, j in view.ragged}
    _new_rows(b, rows, starts)
    lo, hi = b.facts.index(view.lo), b.facts.index(view.hi)
    scalars = [(p, r, a) for p, r, a in zip(view.carries, view.nexts, view.init, strict=True) if not p.type.shape]

    def write(w: Writer) -> None:
        for s in assign([(p, w.atom(a)) for p, _, a in scalars]):
            w.put(s)
        start = w.dim(lo)
        at = combine(dim_of(view.index), start, -1)
        ends = [*[End(r) for _, r, _ in scalars], *_ends(w, b, carries), *_row_ends(w, b, view.rows, rows, at, True, starts)]
        body, results = b.inner(view.body, ends).run()
        _store_rows(w, body, results[len(scalars) + len(carries.arrays) :], rows, at, view.carries)
        nexts = [(p, r) for (p, _, _), r in zip(scalars, results, strict=False)]
        for s in assign([*nexts, *carries.moves()]):
            body.put(s)
        w.put(For(view.index, start, w.dim(hi), tuple(body.levels[0]), view.reverse, parallel=view.parallel))

    needs = [view.lo, view.hi, *[a for _, _, a in scalars], *[a for a in view.consts if not a.type.shape]]
    inits = dict(zip(view.carries, view.init, strict=True))
    _construct(b, let, write, needs, view.consts, carries, inits)


def _construct(
    b: Block, let: Let, write: Callable[[Writer], None], needs: Sequence[Atom], consts: Sequence[Atom], carries: Carries,
    inits: dict[Var, Atom],
) -> None:  # fmt: skip
    """The task of a loop. It makes its results, and the scalars that it carries: they keep their last values."""
    made = [*[p for p in inits if not p.type.shape], *let.outs]
    writes = [(v, None if v.type.shape else ()) for v in made]
    task = b.task((), Opaque(write), writes, needs, consts, effects=effectful(let))
    _overwrite(b, task, carries, inits)


# ---- while


def _while(b: Block, let: Let) -> None:
    view = While.of(let)
    c = view.count
    outs, count, rows = let.outs[:c], let.outs[c], let.outs[c + 1 :]
    carries = _carries(b, view.carries, view.nexts, view.init, outs)
    for p, q in zip(view.test.params, view.carries, strict=False):
        b.facts.alias[p] = q
    starts = {k: view.carries[j] for k, j in view.ragged}
    grown = [p for k, p in enumerate(_new_rows(b, rows, range(len(rows)))) if k not in starts]
    scalars = [(p, r, a) for p, r, a in zip(view.carries, view.nexts, view.init, strict=True) if not p.type.shape]

    def write(w: Writer) -> None:
        for s in assign([(p, w.atom(a)) for p, _, a in scalars]):
            w.put(s)
        w.put(Set((count,), (Lit(0, I64),)))
        at = dim_of(count)
        for place in grown:
            w.standing(place)
        mine = _ends(w, b, carries)
        test, (go,) = b.inner(view.test, [End(view.test.results[0])]).run()
        ends = [*[End(r) for _, r, _ in scalars], *mine, *_row_ends(w, b, view.rows, rows, at, False, starts)]
        body, results = b.inner(view.body, ends).run()
        _store_rows(w, body, results[len(scalars) + len(carries.arrays) :], rows, at, view.carries)
        nexts = [(p, r) for (p, _, _), r in zip(scalars, results, strict=False)]
        more = Size(at + 1)  # type: ignore[arg-type]
        for s in assign([*nexts, *carries.moves(), (count, more)]):
            body.put(s)
        grow = [Grow(p.window.buffer, combine(p.window.offset, more.dim, 1)) for p in grown if p.window]
        w.put(PlanWhile(tuple(test.levels[0]), go, (*grow, *body.levels[0])))

    needs = [*[a for _, _, a in scalars], *[a for a in view.consts if not a.type.shape]]
    inits = dict(zip(view.carries, view.init, strict=True))
    _construct(b, let, write, needs, view.consts, carries, inits)


# ---- cond


def _cond(b: Block, let: Let) -> None:
    view = Cond.of(let)
    arrays = [o for o in let.outs if o.type.shape]
    shared = {o: a for k, o in enumerate(let.outs) if o.type.shape and (a := _shared(b, view, k)) is not None}
    numbers = [o for o in let.outs if not o.type.shape]
    taken = list(shared.values())
    ragged = [let.outs[k] for k, _ in view.ragged]
    for o in arrays:
        if o in ragged:
            shared.pop(o, None)
            b.stand(o, Place(b.facts.type(o.type), o.hint, growing=True))
            continue
        if o in shared and (taken.count(shared[o]) > 1 or shared[o] in b.facts.apart):
            del shared[o]
        if o not in shared:
            b.new_place(o)

    def write(w: Writer) -> None:
        predicate = w.atom(view.predicate)
        for o in arrays:
            w.window(o)
        memory = b.attempt.memory
        ours = {o: a for o, a in shared.items() if memory[a] is memory[o]}
        outside = {a: memory[a] for a in ours.values()}
        sides: list[tuple[Stmt, ...]] = []
        for fn in (view.then, view.other):
            pairs = zip(fn.results, let.outs, strict=True)
            ends = [_ragged_end(w, r, o, 0) if o in ragged else _branch_end(w, b, r, o, ours.get(o)) for r, o in pairs]
            side, results = b.inner(fn, ends, loops=0).run()
            memory.update(outside)
            values = [(o, r) for o, r in zip(let.outs, results, strict=True) if o in numbers]
            for s in assign(values):
                side.put(s)
            sides.append(tuple(side.levels[0]))
        w.put(If(predicate, *sides))

    consts = [*view.then_args, *view.other_args]
    needs = [view.predicate, *[a for a in consts if not a.type.shape]]
    writes = [(o, None if o.type.shape else ()) for o in let.outs]
    task = b.task((), Opaque(write), writes, needs, consts, effects=effectful(let))
    for o, a in shared.items():
        b.overwrites(task, a, o, a, None)


def _branch_end(w: Writer, b: Block, r: Atom, o: Var, base: Var | None) -> End:
    if not o.type.shape:
        return End(r)
    if base is not None:
        place = Place(b.facts.type(o.type), base.hint, w.window(o), versions=[base], fresh=False)
        b.attempt.memory[base] = place
        return End(r, place, base)
    return End(r, Place(b.facts.type(o.type), o.hint, w.window(o), fresh=False))


def _shared(b: Block, view: Cond, k: int) -> Var | None:
    """The array outside whose memory a result of both branches could be."""
    roots = [root(b, f.results[k], {o for _, let in everywhere(f) for o in let.outs}) for f in (view.then, view.other)]
    return roots[0] if isinstance(roots[0], Var) and roots[0] is roots[1] and b.facts.stored(roots[0]) else None


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


CONSTRUCTS: dict[str, Callable[[Block, Let], None]] = {"loop": _loop, "while": _while, "cond": _cond}
