"""What the return sweep of a body remembers and what it recomputes.

The *joint* program of a body is the body and its return sweep in one scope:

    joint: (primal params..., bars of results..., bars of constants gathered so far...)
        -> (primal results..., new bars...)

Each of its statements is primal, or an adjoint (it depends on a bar). A *need* is a primal value that an adjoint statement
uses. Literals, the index, constants and sizes are free; elementwise operations and reads can be done again; carries and the
results of loops, `put` and reductions are gone. What is remembered, one row per iteration, is the minimum vertex cut
between what is gone and the needs (Ford & Fulkerson 1956; for adjoints: Moses et al., SC 2021). A scalar weighs 1, an array
of rank r 1000^r; among equal cuts the one nearest the needs wins. A value whose size has no bound before the loop (the rows
of a `while` within it) cannot be a row: it is always computed again, whatever made it.

Arrays that the loop carries are priced in two ways, and the cheaper wins, *plain* on ties: *plain*, their cells are values of
the cut, or the array whole is; *final*, cells that are provably not written again are read from the array as the loop left
it (`access.py`), also what was put there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..ir.build import Value, again, read
from ..ir.core import Fn, Let, Type, Var, vars_of
from ..ir.walk import definitions, uses
from ..ops.index import get
from .access import Finals

Env = dict[Var, Any]  # variable of the joint -> the atom that stands for it where it is replayed

CHEAP = {"broadcast", "transpose", "reshape", "get", "iota", "cast", "concat"}  # reads: done again rather than kept


@dataclass(frozen=True)
class Split:
    """`saved`: what each iteration of the forward loop remembers. `finals`: the versions of carried arrays that the return
    sweep reads as the loop left them. `reads`: values that it reads back from there: (version, index)."""

    saved: tuple[Var, ...]
    finals: frozenset[Var] = frozenset()
    reads: Mapping[Var, tuple[Var, tuple[Any, ...]]] = field(default_factory=dict)
    cost: int = 0


@dataclass(frozen=True)
class Question:
    """What there is to decide. `free`: what the return sweep has anyway. `want`: its results. `storable`: can a value of
    that type be a row?"""

    joint: Fn
    free: frozenset[Var]
    needs: frozenset[Var]
    adjoint: frozenset[Var]
    storable: Callable[[Type], bool]

    @staticmethod
    def of(
        joint: Fn, bars: Sequence[Var], free: Iterable[Var], want: Sequence[Any], storable: Callable[[Type], bool]
    ) -> Question:
        adjoint = dependents(joint, bars)
        needs = find_needs(want, definitions(joint), adjoint)
        return Question(joint, frozenset((*free, *bars)), frozenset(needs), frozenset(adjoint), storable)


def split(q: Question, finals: Sequence[Finals] = ()) -> Split:
    """The cheapest way."""
    plain = priced(q, Split(()))
    allowed = [f for f in finals if usable(q, f)]
    if not plain.cost or not allowed:
        return plain
    other = priced(q, with_finals(q, allowed))
    return other if other.cost < plain.cost else plain


def priced(q: Question, way: Split) -> Split:
    saved = minimum_cut(q, way)
    defs = definitions(q.joint)
    cost = sum(weight(v, defs.get(v), q.storable) for v in saved)
    return replace(way, saved=tuple(v for v in program_order(q.joint) if v in saved), cost=cost)


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
    reads: dict[Var, tuple[Var, tuple[Any, ...]]] = {}
    for f in finals:
        for let in q.joint.lets:
            if q.adjoint & set(let.outs):
                continue
            if let.op.name == "put" and let.outs[0] in f.place and isinstance(let.args[1], Var) and f.safe_value(let):
                reads[let.args[1]] = (let.outs[0], let.args[2:])
    versions = frozenset(v for f in finals for v in f.place)
    unsafe = {
        let.outs[0]
        for f in finals
        for let in q.joint.lets
        if let.op.name == "get" and let.args[0] in f.place and not f.safe_get(let)
    }
    return Split((), versions, {**reads, **{v: (v, ()) for v in unsafe if v not in reads}})


def dependents(fn: Fn, roots: Iterable[Var]) -> set[Var]:
    """Everything that depends on the roots."""
    found = set(roots)
    for let in fn.lets:
        if uses(let) & found:
            found |= set(let.outs)
    return found


def find_needs(want: Sequence[Any], defs: dict[Var, Let], adjoint: set[Var]) -> set[Var]:
    """The primal values that the adjoint statements behind `want` use."""
    needs: set[Var] = set()
    seen: set[Var] = set()
    todo = [v for a in want for v in vars_of(a)]
    while todo:
        v = todo.pop()
        if v in seen:
            continue
        seen.add(v)
        if v not in adjoint:
            needs.add(v)
        elif v in defs:
            todo += uses(defs[v])
    return needs


INFINITE = 1 << 60


def recomputable(let: Let, storable: Callable[[Type], bool]) -> bool:
    """Done again from its arguments rather than remembered: no loop, no reduction, no library call; unless it must be."""
    return let.op.elementwise or let.op.name in CHEAP or not all(storable(o.type) for o in let.outs)


def weight(v: Var, let: Let | None, storable: Callable[[Type], bool]) -> int:
    """In eighths of a scalar: a bool weighs one. Results of one statement are all remembered or all computed again, so that
    the sizes in their types agree."""
    if not all(storable(o.type) for o in (let.outs if let else (v,))):
        return INFINITE
    return (1 if v.type.dtype == "bool" else 8) * 1000**v.type.rank


def minimum_cut(q: Question, way: Split) -> set[Var]:
    """The lightest set of variables whose values, with what is free, determine the needs.

    The graph has a pair of nodes (v, 0) -> (v, 1) of capacity weight(v) for each variable, and an infinite edge from what
    `v` is computed from, or from the source if v is gone. Maximum flow by shortest augmenting paths (Edmonds & Karp 1972).
    """
    graph = _flow_graph(q, way)
    while (path := _augmenting_path(graph)) is not None:
        room = min(graph[a][b] for a, b in path)
        for a, b in path:
            graph[a][b] -= room
            graph[b][a] = graph[b].get(a, 0) + room
    reaches_sink = _backwards(graph)
    nodes = {v for v, side in (k for k in graph if isinstance(k, tuple)) if side == 0}
    return {v for v in nodes if (v, 1) in reaches_sink and (v, 0) not in reaches_sink}


def sources(v: Var, let: Let | None, q: Question, way: Split) -> set[Var] | None:
    """The variables from which the return sweep can compute v; None: it is gone."""
    if v in way.reads:
        version, index = way.reads[v]
        return None if version is v else {x for a in index for x in vars_of(a)}
    if let is None or not recomputable(let, q.storable):
        return None
    return uses(let) - way.finals


def _flow_graph(q: Question, way: Split) -> dict[Any, dict[Any, int]]:
    graph: dict[Any, dict[Any, int]] = {"source": {}, "sink": {}}
    defs = definitions(q.joint)
    have = q.free | way.finals

    def edge(a: Any, b: Any, capacity: int) -> None:
        graph.setdefault(a, {})[b] = capacity
        graph.setdefault(b, {}).setdefault(a, 0)

    seen: set[Var] = set()
    todo = [v for v in q.needs if v not in have]
    for v in todo:
        edge((v, 1), "sink", INFINITE)
    while todo:
        v = todo.pop()
        if v in seen:
            continue
        seen.add(v)
        let = defs.get(v)
        edge((v, 0), (v, 1), weight(v, let, q.storable))
        made_of = sources(v, let, q, way)
        if made_of is None:
            edge("source", (v, 0), INFINITE)
            continue
        for a in made_of - have:
            edge((a, 1), (v, 0), INFINITE)
            todo.append(a)
    return graph


def _augmenting_path(graph: dict[Any, dict[Any, int]]) -> list[tuple[Any, Any]] | None:
    before: dict[Any, Any] = {"source": None}
    queue = deque(["source"])
    while queue:
        a: Any = queue.popleft()
        for b, room in graph[a].items():
            if room > 0 and b not in before:
                before[b] = a
                queue.append(b)
    if "sink" not in before:
        return None
    path, b = [], "sink"
    while before[b] is not None:
        path.append((before[b], b))
        b = before[b]
    return path


def _backwards(graph: dict[Any, dict[Any, int]]) -> set[Any]:
    """The nodes from which the sink can still be reached: their border is the cut nearest the needs."""
    seen: set[Any] = {"sink"}
    queue = deque(["sink"])
    while queue:
        b: Any = queue.popleft()
        for a in graph[b]:
            if graph[a].get(b, 0) > 0 and a not in seen:
                seen.add(a)
                queue.append(a)
    return seen


def program_order(fn: Fn) -> list[Var]:
    return [*fn.params, *[o for let in fn.lets for o in let.outs]]


def emitter(fn: Fn, env: Env, reads: Mapping[Var, tuple[Var, tuple[Any, ...]]] | None = None) -> Callable[[Any], Value]:
    """`emit(atom)`: the value of an atom of `fn` here, replaying the statements it needs. `env` knows the rest."""
    defs = definitions(fn)
    back = {v: r for v, r in (reads or {}).items() if r[0] is not v}

    def needed_for(v: Var) -> set[Var]:
        if v in back:
            return {x for a in back[v][1] for x in vars_of(a)}
        return uses(defs[v])

    def write(v: Var) -> None:
        if v in back:
            version, index = back[v]
            env[v] = get(read(env, (version,))[0], *read(env, index), hint=v.hint).atom
            return
        let = defs[v]
        for o, out in zip(let.outs, again(let, read(env, let.args)), strict=True):
            env[o] = out.atom

    def provide(v: Var) -> None:
        """An explicit stack: chains of statements may be longer than Python's recursion allows."""
        todo = [v]
        while todo:
            u = todo[-1]
            missing = [] if u in env else [a for a in needed_for(u) if a not in env]
            if missing:
                todo += missing
                continue
            todo.pop()
            if u not in env:
                write(u)

    def emit(a: Any) -> Value:
        for v in vars_of(a):
            provide(v)
        return read(env, (a,))[0]

    return emit
