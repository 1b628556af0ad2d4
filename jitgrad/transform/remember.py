"""What the return sweep of a body remembers and what it recomputes.

The *joint* program of a body (`joint.py`) is the body and its return sweep in one scope:

    joint: (primal params..., bars of results..., bars of constants gathered so far..., arrays as they are after it...)
        -> (primal results..., new bars..., arrays as they were before it...)

Each of its statements is primal, or an adjoint (it depends on what the return sweep carries). Literals, the index, constants
and sizes are free; elementwise operations, reads, branches of these and loops that fill new arrays with them can be done
again; carries and the results of other loops, `put` and reductions are gone. What is remembered, one row per iteration, is
the minimum vertex cut (`cut.py`) between what is gone and the results of the return sweep (for adjoints: Moses et al., SC
2021). A scalar weighs 1, an array the number of its elements (an axis of unknown size counts 1000); among equal cuts the one
nearest the adjoints wins. A value whose first axis has no bound before the loop (the rows of a `while` within it) is a ragged
row, and with it is remembered how long it is; one that cannot be a row is always computed again, whatever made it.

Where an axis less is remembered then, loops are done again too: the cut weighs their work (`work.py`) like memory.

Arrays that the loop carries are priced in three ways, and the cheapest wins, on ties the first:

    plain   their cells are values of the cut, or the array whole is
    final   cells that are provably not written again are read from the array as the loop left it (`final.py`), and so is
            what was put there
    undo    the return sweep carries the array and puts the overwritten cells back (`joint.py`): what is remembered is the old
            value of each write, and every other read is made from the array that is being restored
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Any

from ..ir.build import Value, again, read
from ..ir.core import Atom, Fn, Let, Type, Var, vars_of
from ..ir.walk import definitions, inputs, needed, uses
from ..ops.index import get
from .cut import INFINITE, vertex_cut
from .final import Finals
from .redo import FEW, recomputable
from .work import UNKNOWN, elements, work

Env = dict[Var, Any]  # variable of the joint -> the atom that stands for it where it is replayed
Reads = Mapping[Var, Let]  # a value -> the statement that puts it into an array


@dataclass(frozen=True)
class Restored:
    """A carried array, the `result` of the body, that the return sweep puts back. `after`: as it is after the iteration;
    `stand`: its versions within the iteration, and what stands for each in the return sweep; `before`: what stands for the
    carry itself."""

    result: int
    after: Var
    stand: Mapping[Var, Atom]
    before: Atom


@dataclass(frozen=True)
class Split:
    """`saved`: what each iteration of the forward loop remembers. `finals`: the versions of carried arrays that the return
    sweep reads as the loop left them. `reads`: values that it reads back from there. `stand`: what stands
    for versions of arrays that are put back, and `touched`: which arrays these are."""

    saved: tuple[Var, ...] = ()
    finals: frozenset[Var] = frozenset()
    reads: Reads = field(default_factory=dict)
    stand: Mapping[Var, Atom] = field(default_factory=dict)
    gone: frozenset[Var] = frozenset()  # cannot be computed again, whatever made them
    touched: tuple[Restored, ...] = ()
    again: Mapping[Var, Let] = field(default_factory=dict)  # results of loops that may be done again: as far as needed
    cost: int = 0
    way: str = "plain"


@dataclass(frozen=True)
class Question:
    """What there is to decide. `free`: what the return sweep has anyway. `want`: its results. `adjoint`: what depends on what
    it carries. `storable`: can a value of that type be a row? `restored`: arrays that could be put back. `given`: results of
    the body, which are to be had without remembering them."""

    joint: Fn
    free: frozenset[Var]
    want: tuple[Atom, ...]
    adjoint: frozenset[Var]
    storable: Callable[[Type], bool]
    restored: tuple[Restored, ...] = ()
    given: frozenset[Var] = frozenset()
    redo: bool = False  # everything can be done again, loops too: only carries are remembered
    along: Callable[[Var], Iterable[Var]] = lambda v: ()  # what is remembered with a value, to find it: its sizes

    @staticmethod
    def of(
        joint: Fn,
        carried: Sequence[Var],
        free: Iterable[Var],
        want: Sequence[Atom],
        storable: Callable[[Type], bool],
        restored: Sequence[Restored] = (),
        given: Iterable[Var] = (),
    ) -> Question:
        """`carried`: what the return sweep carries: bars, and arrays that it puts back."""
        every = frozenset((*free, *carried))
        adjoint = frozenset(dependents(joint, carried))
        return Question(joint, every, tuple(want), adjoint, storable, tuple(restored), frozenset(given))


def split(q: Question, finals: Sequence[Finals] = ()) -> list[Split]:
    """The ways that `q` allows, priced, in the order in which ties are broken. What is free needs no alternative."""
    ways = [priced(q, Split())] if not q.restored else []
    allowed = [f for f in finals if usable(q, f)]
    if not q.restored and allowed and ways[0].cost:
        ways.append(priced(q, with_finals(q, allowed)))
    if q.restored:
        ways.append(priced(q, with_restored(q, q.restored, Split())))
        rest = [r for r in q.restored if not any(v in f.place for f in allowed for v in r.stand)]
        if rest and allowed:
            ways.append(priced(q, with_restored(q, rest, with_finals(q, allowed))))
    return ways


def at_least(q: Question, arrays: Iterable[Var], finals: Sequence[Finals] = ()) -> int:
    """What any way costs that puts these arrays back (`q`: without that): no less than if all their versions were free."""
    free = frozenset(arrays)
    allowed = [f for f in finals if usable(q, f)]
    ways = [Split(), *([with_finals(q, allowed)] if allowed else [])]
    alone = replace(q, along=lambda v: ())
    return min(priced(alone, replace(w, finals=w.finals | free)).cost for w in ways)


def cheapest(ways: Sequence[Split]) -> Split:
    return min(ways, key=lambda w: w.cost)  # the first of equals


def priced(q: Question, way: Split) -> Split:
    """With loops done again where an axis less is remembered then."""
    kept = weighed(q, way)
    if q.redo or way.stand or kept.cost < UNKNOWN**2:
        return kept
    dear = weighed(q, replace(way, again=loops(q, way)))
    return dear if remembered(q, dear) * UNKNOWN // FEW < remembered(q, kept) and dear.cost < kept.cost else kept


def loops(q: Question, way: Split) -> dict[Var, Let]:
    """The results of the loops of the body that can be done again, and the loops as far as the return sweep needs them."""
    found: dict[Var, Let] = {}
    for let in needed(replace(q.joint, results=q.want)).lets:
        if let.op.name == "loop" and not q.adjoint & set(let.outs) and not recomputable(let, q.storable):
            if work(let) is not None and not way.gone & set(let.outs):
                found.update((o, let) for o in let.outs if o not in way.reads)
    return found


def weighed(q: Question, way: Split) -> Split:
    defs = {**definitions(q.joint), **way.again}
    much = {v: work(let) or 0 for v, let in way.again.items()}

    weigh = weigher(q)
    have = q.free | way.finals

    def made_of(v: Var) -> AbstractSet[Var] | None:
        found = sources(v, defs.get(v), q, way)
        if found is None:
            return None
        for r in q.restored:  # an array that is read, or put back beside another, is put back entirely (see `touched`)
            if r.after in found or (v in way.stand and v in r.stand):
                found = found | set(vars_of(r.before))
        return found - have

    wanted = {v for a in q.want for v in vars_of(a)} - have
    price = lambda v: (defs[v].outs[0], much[v]) if v in way.again else None
    saved = vertex_cut(wanted, made_of, weigh, price)
    if saved is None:
        return replace(way, cost=INFINITE)
    saved |= {x for v in saved for x in q.along(v)} - have
    done_again = {defs[v].outs[0]: much[v] for v in reached(wanted, made_of, saved) if v in way.again}
    cost = sum(map(weigh, saved)) + sum(done_again.values())
    done = replace(way, saved=tuple(v for v in program_order(q.joint) if v in saved), cost=cost)
    return replace(done, touched=touched(q, done))


def weigher(q: Question) -> Callable[[Var], int]:
    """What it costs to remember a value."""
    defs = definitions(q.joint)

    def weigh(v: Var) -> int:
        if v in q.adjoint:
            return INFINITE
        return 1 if v in q.given else weight(v, defs.get(v), q.storable)

    return weigh


def remembered(q: Question, way: Split) -> int:
    return min(INFINITE, sum(map(weigher(q), way.saved))) if way.cost < INFINITE else INFINITE


def reached(wanted: Iterable[Var], made_of: Callable[[Var], Iterable[Var] | None], saved: set[Var]) -> set[Var]:
    """What is computed again."""
    seen: set[Var] = set()
    todo = list(wanted)
    while todo:
        v = todo.pop()
        if v not in seen and v not in saved:
            seen.add(v)
            todo += made_of(v) or ()
    return seen


def sources(v: Var, let: Let | None, q: Question, way: Split) -> AbstractSet[Var] | None:
    """The variables from which the return sweep can compute v; None: it is gone."""
    if v in way.stand:
        return set(vars_of(way.stand[v]))
    if v in way.gone:
        return None
    if v in way.reads:
        return {x for a in way.reads[v].args[2:] for x in vars_of(a)}
    if let is None or not (q.redo or v in q.adjoint or v in way.again or recomputable(let, q.storable)):
        return None
    return uses(let)


def touched(q: Question, way: Split) -> tuple[Restored, ...]:
    """The arrays that are read while they are put back: each of them is put back in every iteration, which may read others."""
    defs = {**definitions(q.joint), **way.again}
    found: list[Restored] = []
    seen: set[Var] = set()
    todo = [v for a in q.want for v in vars_of(a)]
    while True:
        while todo:
            v = todo.pop()
            if v in seen:
                continue
            seen.add(v)
            if v not in way.saved and v not in way.finals and v not in q.free:
                todo += sources(v, defs.get(v), q, way) or ()
        new = [r for r in q.restored if r.after in seen and r not in found]
        if not new:
            return tuple(r for r in q.restored if r in found)
        found += new
        todo = [v for r in new for v in vars_of(r.before)]


# ---- final


def usable(q: Question, f: Finals) -> bool:
    """May every adjoint statement that takes a version of the array whole have the final one?"""
    for let in q.joint.lets:
        if q.adjoint & set(let.outs):
            taken = [a for a in let.args if isinstance(a, Var) and a in f.place]
            if not all(f.safe_use(let, a) for a in taken):
                return False
    return True


def with_finals(q: Question, finals: Sequence[Finals]) -> Split:
    """Which values can be read from final arrays."""
    reads: dict[Var, Let] = {}
    unsafe: set[Var] = set()
    for f in finals:
        for let in q.joint.lets:
            if q.adjoint & set(let.outs):
                continue
            if let.op.name == "put" and let.outs[0] in f.place and isinstance(let.args[1], Var) and f.safe_value(let):
                reads[let.args[1]] = let
            taken = [a for a in let.args if isinstance(a, Var) and a in f.place]
            others = {o for o in let.outs if o not in f.place}  # a loop that writes the array may have rows as well
            if taken and others and not all(f.safe_use(let, a) for a in taken):
                unsafe |= others
    versions = frozenset(v for f in finals for v in f.place)
    return Split((), versions, reads, gone=frozenset(unsafe - set(reads)), way="final")


# ---- undo


def with_restored(q: Question, arrays: Sequence[Restored], way: Split) -> Split:
    """Versions of arrays are what stands for them, except where that would need itself: an overwritten cell cannot be read
    from the array that it restores, nor an array whole by what restores it."""
    stand = {v: u for r in arrays for v, u in r.stand.items()}
    open_way = replace(way, stand=stand)
    made_of = {v: _closure(vars_of(u), q, open_way) for v, u in stand.items()}
    gone, lost = set(way.gone), set()
    for let in q.joint.lets:
        for a in let.args:
            if isinstance(a, Var) and a in stand and made_of[a] & set(let.outs):
                if q.adjoint & set(let.outs):
                    lost.add(a)
                else:
                    gone |= set(let.outs)
    kept = {v: u for v, u in stand.items() if v not in lost}
    return replace(way, stand=kept, gone=frozenset(gone), way="undo" if way.way == "plain" else f"{way.way}, undo")


def _closure(roots: Iterable[Var], q: Question, way: Split) -> set[Var]:
    """Everything that these may be computed from."""
    defs = definitions(q.joint)
    seen: set[Var] = set()
    todo = list(roots)
    while todo:
        v = todo.pop()
        if v not in seen:
            seen.add(v)
            if v not in q.free:
                todo += sources(v, defs.get(v), q, way) or ()
    return seen


# ---- facts


def dependents(fn: Fn, roots: Iterable[Var]) -> set[Var]:
    """Everything that depends on the roots."""
    found = set(roots)
    for let in fn.lets:
        if uses(let) & found:
            found |= set(let.outs)
    return found


def weight(v: Var, let: Let | None, storable: Callable[[Type], bool]) -> int:
    """In bytes, of numbers as if they had eight; a bool weighs one, and so does what flags share (`flags.py`). Results of one
    statement are all remembered or all computed again, so that the sizes in their types agree."""
    if not all(storable(o.type) for o in (let.outs if let else (v,))):
        return INFINITE
    return (1 if v.type.dtype in ("bool", "u8") else 8) * max(1, elements(v.type))


def program_order(fn: Fn) -> list[Var]:
    return [*fn.params, *[o for let in fn.lets for o in let.outs]]


# ---- writing it


def emitter(fn: Fn, env: Env, way: Split | None = None) -> Callable[[Any], Value]:
    """`emit(atom)`: the value of an atom of `fn` here, replaying the statements it needs. `env` knows the rest."""
    way = way or Split()
    defs = {**definitions(fn), **way.again}

    def needed_for(v: Var) -> Sequence[Var]:
        if v in way.stand:
            return list(vars_of(way.stand[v]))
        if v in way.reads:
            return [way.reads[v].outs[0], *[x for a in way.reads[v].args[2:] for x in vars_of(a)]]
        return inputs(defs[v])

    def write(v: Var) -> None:
        if v in way.stand:
            env[v] = read(env, (way.stand[v],))[0].atom
        elif v in way.reads:
            put = way.reads[v]
            env[v] = get(*read(env, (put.outs[0], *put.args[2:])), hint=v.hint, **put.attrs).atom
        else:
            let = defs[v]
            for o, out in zip(let.outs, again(let, read(env, let.args)), strict=True):
                env.setdefault(o, out.atom)

    def provide(v: Var) -> None:
        """An explicit stack: chains of statements may be longer than Python's recursion allows."""
        todo = [v]
        while todo:
            u = todo[-1]
            missing = [] if u in env else [a for a in needed_for(u) if a not in env]
            if missing:
                todo += reversed(missing)
                continue
            todo.pop()
            if u not in env:
                write(u)

    def emit(a: Any) -> Value:
        for v in vars_of(a):
            provide(v)
        return read(env, (a,))[0]

    return emit
