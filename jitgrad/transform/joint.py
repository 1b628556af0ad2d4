"""The joint program of a body: the body and its return sweep in one scope, tidied, so that what they share is found.

    joint: (head..., carries..., constants..., bars of carries..., bars of rows..., bars of constants so far...)
        -> (results of the body..., bars of carries..., bars of constants...)

The bar of a ragged row is that of the rows of all iterations (and, as the last parameter, its length); the program cuts its
part out.

`head` is the index of a loop. The body of a `while` has none, a branch has constants only. If the arrays that the body
writes are to be put back (`undoable`), further parameters are these arrays as they are after the body, and further results
pairs of a version of the array and what stands for it in the return sweep.

A loop within the body that puts an array back while it runs backwards says so (`put_back`): what the array was before the
loop is then known, and nothing more is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, replace

from ..ir.build import Scope, Value, again, current, replay, size, trace, value
from ..ir.core import I64, Atom, Fn, Let, Type, Var
from ..ir.dims import of_symbol
from ..ir.walk import definitions
from ..ops.index import get, put
from .ad import sweep, tangent_or_zero
from .remember import Restored
from .simplify import simplify
from .versions import Chain, chain_of

Assuming = Callable[[Sequence[Value]], AbstractContextManager[None]]  # what the body may assume of its parameters


@dataclass(frozen=True)
class Joint:
    """The program, and where its groups of parameters and results are."""

    fn: Fn
    primal: tuple[Var, ...]  # the parameters of the body
    state_bars: tuple[Var, ...] = ()  # of the active carries, as the next iteration gives them
    row_bars: tuple[Var, ...] = ()  # of the active rows
    accs: tuple[Var, ...] = ()  # of the active constants, gathered so far
    primal_results: tuple[Atom, ...] = ()
    new_bars: tuple[Atom, ...] = ()  # of the active carries, then of the active constants
    totals: tuple[Var, ...] = ()  # how long the bars of ragged rows are, of all iterations
    pairs: tuple[tuple[Atom, Atom], ...] = ()  # an array after an inner loop, and before it, put back by its return sweep
    restored: tuple[Restored, ...] = ()

    @property
    def bars(self) -> tuple[Var, ...]:
        return (*self.state_bars, *self.row_bars, *self.accs)


def make_joint(
    body: Fn,
    want: Sequence[bool],
    state: Sequence[int],
    rows: Sequence[int],
    consts: Sequence[int],
    assuming: Assuming = lambda ins: nullcontext(),
    starts: Mapping[int, int | None] = {},
) -> Joint:
    """`want`: which parameters are active. `state`, `rows`: the active results whose bars are carried, and those whose bars
    come in rows; `consts`: the active parameters whose bars are gathered. The other active parameters are carries.
    `starts`: the results that are ragged rows, and which parameter tells where such a row begins (None: at 0)."""
    n, m = len(body.params), len(body.results)
    slots = [k for k in range(n) if want[k] and k not in consts]
    totals = {k: Var(I64, "total") for k in rows if k in starts}
    types = {k: body.results[k].type for k in rows}
    types.update((k, Type(types[k].dtype, (of_symbol(t), *types[k].shape[1:]))) for k, t in totals.items())
    names = [body.params[k].hint for k in slots] if len(slots) == len(state) else [body.results[k].hint for k in state]
    extra = [
        *[Var(body.results[k].type, h + "_bar") for k, h in zip(state, names, strict=True)],
        *[Var(types[k], body.results[k].hint + "_bar") for k in rows],
        *[Var(body.params[k].type, body.params[k].hint + "_bar") for k in consts],
        *totals.values(),
    ]
    a, b = len(state), len(state) + len(rows)
    found: list[tuple[Value, Value]] = []

    def write(*args: Value) -> tuple[Value, ...]:
        ins, bars = args[:n], args[n : len(args) - len(totals)]
        gs = dict(zip([*state, *rows], bars[:b], strict=True))
        accs = dict(zip(consts, bars[b:], strict=True))
        with assuming(ins), noting(current()) as pairs:
            outs, back = sweep(body, ins, want)
            for k in totals:
                start = starts[k]
                gs[k] = part(gs[k], ins[start] if start is not None else value(0), outs[k])
            new = back([gs.get(k) for k in range(m)], [accs.get(k) for k in range(n)])
        found[:] = pairs
        return (*outs, *[tangent_or_zero(new[k], ins[k]) for k in (*slots, *consts)], *[v for p in pairs for v in p])

    fn = simplify(trace(write, [*body.params, *extra], body.name + "_joint"))
    q, r = fn.params, fn.results
    end = m + len(slots) + len(consts)
    pairs = tuple(zip(r[end::2], r[end + 1 :: 2], strict=True))
    e = len(q) - len(totals)
    return Joint(fn, q[:n], q[n : n + a], q[n + a : n + b], q[n + b : e], r[:m], r[m:end], q[e:], pairs)


def alone(body: Fn) -> Joint:
    """That of a body of which nothing is differentiated: the body, which is tidy as all within a joint program is."""
    return Joint(body, body.params, primal_results=body.results)


def part(rows: Value, start: Value, like: Value) -> Value:
    """As many rows as `like` has, from `start` on."""
    return get(rows, start, size(like.shape[0]), spec="s" + ":" * (rows.rank - 1), steps=(1,), hint=like.atom.hint)


# ---- arrays that inner return sweeps put back

_notes: ContextVar[tuple[Scope, list[tuple[Value, Value]]] | None] = ContextVar("notes", default=None)


@contextmanager
def noting(scope: Scope) -> Iterator[list[tuple[Value, Value]]]:
    """Within: pairs (array after a loop, array before it) that return sweeps written into `scope` put back."""
    pairs: list[tuple[Value, Value]] = []
    token = _notes.set((scope, pairs))
    try:
        yield pairs
    finally:
        _notes.reset(token)


def put_back(after: Value, before: Value) -> None:
    noted = _notes.get()
    if noted is not None and noted[0] is current():
        noted[1].append((after, before))


# ---- the arrays of a body put back

Restore = Callable[[dict[int, Value]], dict[int, Value]]  # arrays after a statement, by result -> as they were before it
Undo = Callable[[Let, Sequence[Value], Sequence[int]], "tuple[Sequence[Value], Restore] | None"]

# How a statement is undone: it is written here, with what that takes remembered; None: it cannot be.
UNDO: dict[str, Undo] = {}


def _undo_write(let: Let, ins: Sequence[Value], at: Sequence[int]) -> tuple[Sequence[Value], Restore]:
    """a' = put(a, v, index) or add_at: the old cells are put back (also of an addition: subtracting would round)."""
    old = get(ins[0], *ins[2:], hint=let.outs[0].hint + "_old", **let.attrs)
    hint = let.outs[0].hint
    return again(let, ins), lambda now: {0: put(now[0], old, *ins[2:], hint=hint, **let.attrs)}


UNDO["put"] = UNDO["add_at"] = _undo_write


def chains(joint: Joint, roots: Sequence[Atom], results: Sequence[int]) -> list[tuple[int, Chain]]:
    """The versions of those of the arrays `roots`, which the body leaves in its `results`, that are written cell by cell."""
    pairs = [(k, p) for p, k in zip(roots, results, strict=True) if p.type.shape and isinstance(p, Var)]
    found = [(k, chain_of(joint.fn, p, joint.primal_results[k])) for k, p in pairs]
    return [(k, chain) for k, chain in found if chain is not None]


def undoable(
    joint: Joint, roots: Sequence[Atom], results: Sequence[int], assuming: Assuming = lambda ins: nullcontext()
) -> Joint:
    """The joint program with what puts the arrays `roots` back, which the body leaves in its `results`, as far as that can
    be done."""
    every = chains(joint, roots, results)
    if not every:
        return joint
    fn, n, end = joint.fn, len(joint.fn.params), len(joint.primal_results) + len(joint.new_bars)
    versions = [v for _, c in every for v in c.versions]
    kept: list[int] = []

    def write(*args: Value) -> tuple[Value, ...]:
        undo = _Undoing(joint, [c for _, c in every])
        with assuming(args[: len(joint.primal)]):
            out = replay(replace(fn, results=(*fn.results, *versions)), *args[:n], each=undo.each)
        values = dict(zip(versions, out[len(fn.results) :], strict=True))
        before = out[end + 1 : len(fn.results) : 2]
        paired = {a: u for (a, _), u in zip(joint.pairs, before, strict=True) if isinstance(a, Var)}
        stand = undo.stand(args[n:], paired)
        kept[:] = [j for j, (_, c) in enumerate(every) if all(v in stand for v in c.versions)]
        pairs = [(values[v], stand[v]) for j in kept for v in every[j][1].versions]
        return (*out[: len(fn.results)], *[x for pair in pairs for x in pair])

    afters = [Var(joint.primal_results[k].type, c.carry.hint) for k, c in every]
    new = simplify(trace(write, [*fn.params, *afters], fn.name))
    return _located(joint, new, [(every[j][0], every[j][1], new.params[n + j]) for j in kept])


def _located(joint: Joint, fn: Fn, kept: Sequence[tuple[int, Chain, Var]]) -> Joint:
    """The groups of the extended program."""
    sizes = [len(g) for g in (joint.primal, joint.state_bars, joint.row_bars, joint.accs, joint.totals)]
    p, s, r, a, t = [fn.params[sum(sizes[:k]) : sum(sizes[: k + 1])] for k in range(5)]
    m, b = len(joint.primal_results), len(joint.new_bars)
    at = len(joint.fn.results)
    restored: list[Restored] = []
    for k, chain, after in kept:
        mine = fn.results[at : at + 2 * len(chain.versions)]
        at += len(mine)
        stand = {v: u for v, u in zip(mine[::2], mine[1::2], strict=True) if isinstance(v, Var)}
        restored.append(Restored(k, after, stand, mine[1]))
    return Joint(fn, p, s, r, a, fn.results[:m], fn.results[m : m + b], t, (), tuple(restored))


class _Undoing:
    """Replays a joint program, and notes how its writes are undone."""

    def __init__(self, joint: Joint, chains: Sequence[Chain]) -> None:
        self.chains = chains
        self.defs = definitions(joint.fn)
        self.paired = {a for a, _ in joint.pairs}
        self.undo: dict[int, Restore] = {}
        self.links: dict[int, list[int]] = {}  # statement -> the results that are versions of arrays
        for chain in chains:
            for v, let in zip(chain.versions[1:], chain.links, strict=True):
                self.links.setdefault(id(let), []).append(let.outs.index(v))

    def each(self, let: Let, ins: Sequence[Value]) -> Sequence[Value]:
        at = [k for k in self.links.get(id(let), ()) if let.outs[k] not in self.paired]
        found = UNDO[let.op.name](let, ins, at) if at else None
        if found is None:
            return again(let, ins)
        outs, self.undo[id(let)] = found
        return outs

    def stand(self, afters: Sequence[Value], paired: dict[Var, Value]) -> dict[Var, Value]:
        """What stands for each version: backwards from the arrays as they are after the body."""
        stand = {c.versions[-1]: u for c, u in zip(self.chains, afters, strict=True)}
        lets = {id(let): let for c in self.chains for let in c.links}
        for let in reversed([let for let in _in_order(self.defs) if id(let) in lets]):
            now = {k: stand[let.outs[k]] for k in self.links[id(let)] if let.outs[k] in stand}
            undo = self.undo.get(id(let))
            before = undo(now) if undo is not None and now else {}
            for chain in self.chains:
                for m, link in enumerate(chain.links):
                    if link is not let:
                        continue
                    after, earlier = chain.versions[m + 1], chain.versions[m]
                    k = let.outs.index(after)
                    if after in paired:
                        stand[earlier] = paired[after]
                    elif k in before:
                        stand[earlier] = before[k]
        return stand


def _in_order(defs: dict[Var, Let]) -> list[Let]:
    return list({id(let): let for let in defs.values()}.values())
