"""The derivatives of `loop` and `while`, forward and reverse side by side.

Forward: the tangents of the carries are carries, those of the constants are constants.

    c_{i+1} = F(i, c_i, q)             c_dot_{i+1} = dF/dc c_dot_i + dF/dq q_dot

Reverse: a loop over the same range, the other way round. Its carries are the bars of the carries and, for each constant, an
accumulator; what it needs of the primal is remembered in rows (`remember.py`), so the tape is an explicit value.

    c_bar_i = (dF/dc)^T c_bar_{i+1}    q_bar += (dF/dq)^T c_bar_{i+1}

A `while` is a loop whose number of trips is known once it has run.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from ..ir.build import Value, bind, size, trace, trace_open, value
from ..ir.core import I64, Fn, Let, Size, Type, Var, dim_of, swap_dim, swap_type, type_vars
from ..ir.dims import DimLike, Opaque, combine, of_symbol, opaque, symbols
from ..ir.walk import widen
from ..ops.index import get, put
from ..ops.loop import Loop, loop
from ..ops.while_ import While
from .access import Finals, assuming, chain_of, facts, integers
from .activity import carried
from .ad import PULL, PUSH, Back, Take, Tangent, push_fn, suggest, sweep, tangent_or_zero
from .remember import Question, emitter, split
from .simplify import simplify


@dataclass(frozen=True)
class Kind:
    """How a loop and a while differ for these rules: arguments, and body parameters, before the carries."""

    view: Any
    args: int
    params: int
    outs: int  # results between the carries and the rows (the count of a while)


LOOP, WHILE = Kind(Loop, 2, 1, 0), Kind(While, 0, 0, 1)


# ---- forward


def push_loop(kind: Kind, let: Let, ins: Sequence[Value], tans: Sequence[Tangent]) -> tuple[Any, Any]:
    view = kind.view.of(let, ins)
    c, h, p = view.count, kind.args, kind.params
    carries, out_on = carried(view.body, p, [t is not None for t in tans[h : h + c]], [t is not None for t in tans[h + c :]])
    moving = [k for k in range(c) if carries[k]]
    rows = [k for k in range(c, len(out_on)) if out_on[k]]
    with_tangent = [k for k in range(len(view.consts)) if tans[h + c + k] is not None]
    init_dots = [tangent_or_zero(tans[h + k], view.init[k]) for k in moving]
    const_dots = [tans[h + c + k] for k in with_tangent]

    def step(*args: Value) -> tuple[Value, ...]:
        head, state, dots = args[:p], args[p : p + c], args[p + c :]
        d: dict[int, Tangent] = dict(zip([p + k for k in moving], dots, strict=True))
        d.update(zip([p + c + k for k in with_tangent], const_dots, strict=True))
        outs, touts = push_fn(view.body, (*head, *state, *view.consts), [d.get(k) for k in range(len(view.body.params))])
        new = [tangent_or_zero(touts[k], outs[k]) for k in moving]
        return (*outs[:c], *new, *outs[c:], *[tangent_or_zero(touts[k], outs[k]) for k in rows])

    hints = [*[v.hint for v in view.carries], *[view.carries[k].hint + "_dot" for k in moving]]
    last, middle, all_rows = _bind(kind, view, step, (*view.init, *init_dots), hints)
    n_rows = len(view.rows)
    dots = dict(zip([*moving, *[kind.outs + k for k in rows]], (*last[c:], *all_rows[n_rows:]), strict=True))
    outs = (*last[:c], *middle, *all_rows[:n_rows])
    return outs, [dots.get(k) for k in range(len(outs))]


def _bind(kind: Kind, view: Any, step: Any, init: Sequence[Value], hints: Sequence[str]) -> tuple[Any, Any, Any]:
    """The same loop or while with another step, which captures its constants."""
    types = [v.type for v in init]
    if kind is LOOP:
        body, captured = trace_open(step, [I64, *types], view.body.name, [view.index.hint, *hints])
        last, rows = Loop(view.lo, view.hi, tuple(init), captured, body, view.reverse).bind(hints)
        return last, (), rows
    c = view.count
    test, of_test = trace_open(lambda *s: _replay(view.test, (*s[:c], *view.consts)), types, "test", hints)
    body, of_body = trace_open(step, types, view.body.name, hints)
    (test, body), captured = widen([test, body], [of_test, of_body], keep=len(init))
    last, count, rows = While(test, body, tuple(init), captured).bind(hints)
    return last, (count,), rows


def _replay(fn: Fn, args: Sequence[Any]) -> tuple[Value, ...]:
    return push_fn(fn, args, [None] * len(args))[0]


# ---- reverse


@dataclass(frozen=True)
class Joint:
    """The body and its return sweep as one program, and where its groups of parameters and results are."""

    fn: Fn
    primal: tuple[Var, ...]  # index, carries, constants
    state_bars: tuple[Var, ...]  # of the active carries, as the next iteration gives them
    row_bars: tuple[Var, ...]  # of the active rows
    accs: tuple[Var, ...]  # of the active constants, gathered so far
    primal_results: tuple[Any, ...]
    new_bars: tuple[Any, ...]  # of the active carries, then of the active constants


def make_joint(
    kind: Kind, view: Any, want: Sequence[bool], state: Sequence[int], rows: Sequence[int], consts: Sequence[int]
) -> Joint:
    """`state`, `rows`: positions of active results; `consts`: positions of active constants among the parameters; `want`:
    which parameters are active."""
    body = view.body
    n, m = len(body.params), len(body.results)
    slots = [p for p, w in zip(body.params, want, strict=True) if w and body.params.index(p) not in consts]
    extra = [
        *[Var(body.results[k].type, slots[j].hint + "_bar") for j, k in enumerate(state)],
        *[Var(body.results[k].type, body.results[k].hint + "_bar") for k in rows],
        *[Var(body.params[k].type, body.params[k].hint + "_bar") for k in consts],
    ]
    a, b = len(state), len(state) + len(rows)
    state_params = [k for k in range(n) if want[k] and k not in consts]

    def write(*args: Value) -> tuple[Value, ...]:
        ins, bars = args[:n], args[n:]
        gs = dict(zip([*state, *rows], bars[:b], strict=True))
        accs = dict(zip(consts, bars[b:], strict=True))
        with known(kind, view, ins):
            outs, back = sweep(body, ins, want)
            new = back([gs.get(k) for k in range(m)], [accs.get(k) for k in range(n)])
        return (*outs, *[tangent_or_zero(new[k], ins[k]) for k in (*state_params, *consts)])

    fn = simplify(trace(write, [*body.params, *extra], body.name + "_joint"))
    q = fn.params
    return Joint(fn, q[:n], q[n : n + a], q[n + a : n + b], q[n + b :], fn.results[:m], fn.results[m:])


def known(kind: Kind, view: Any, ins: Sequence[Value]) -> AbstractContextManager[None]:
    """What the body may assume of its constants and its index (`ins`: its parameters, as the joint program calls them)."""
    consts = [v.atom for v in ins[kind.params + view.count :]]
    names = integers(consts, [v.atom for v in view.consts])  # type: ignore[arg-type]
    if kind is WHILE:
        return assuming(names, {})
    return assuming(names, {ins[0].atom: (facts().resolved(view.lo.atom), facts().resolved(view.hi.atom))})


def pull_loop(kind: Kind, let: Let, ins: Sequence[Value], want: Sequence[bool]) -> tuple[Sequence[Value], Back]:
    view = kind.view.of(let, ins)
    c, h, p = view.count, kind.args, kind.params
    carries, out_on = carried(view.body, p, list(want[h : h + c]), list(want[h + c :]))
    state = [k for k in range(c) if carries[k]]
    rows = [k for k in range(c, len(out_on)) if out_on[k]]
    consts = [p + c + k for k in range(len(view.consts)) if want[h + c + k]]
    joint = make_joint(kind, view, [*[False] * p, *carries, *want[h + c :]], state, rows, consts)
    keep = Keeper(kind, view, joint)
    last, middle, all_rows = keep.forward()
    n_rows = len(view.rows)
    outs = (*last, *middle, *all_rows[:n_rows])
    saved = all_rows[n_rows:]

    def back(gs: Sequence[Tangent], take: Take) -> dict[int, Tangent]:
        state_init = [tangent_or_zero(gs[k], last[k]) for k in state]
        row_gs = [gs[kind.outs + k] for k in rows]
        accs = [tangent_or_zero(take(h + k - p), view.consts[k - p - c]) for k in consts]
        done = keep.backward(last, middle, saved, state_init, row_gs, accs)
        bars: dict[int, Tangent] = dict(zip([h + k for k in state], done, strict=False))
        bars.update(zip([h + k - p for k in consts], done[len(state) :], strict=True))
        return bars

    return outs, back


class Keeper:
    """The forward loop that remembers, and the backward loop that reads it back."""

    def __init__(self, kind: Kind, view: Any, joint: Joint) -> None:
        self.kind, self.view, self.joint = kind, view, joint
        p, c = kind.params, view.count
        self.consts = joint.primal[p + c :]
        bars = (*joint.state_bars, *joint.row_bars, *joint.accs)
        self.counters = counters(joint, p, c)
        free = (*joint.primal[:p], *self.consts, *[joint.primal[p + k] for k in self.counters])
        question = Question.of(joint.fn, bars, free, joint.new_bars, lambda t: self.stored(t) is not None)
        self.finals = self._finals() if kind is LOOP else {}
        self.split = split(question, list(self.finals.values()))
        self.saved = self.split.saved
        self.types = [self.stored(v.type) for v in self.saved]

    def _finals(self) -> dict[int, Finals]:
        """The carried arrays whose versions are known from the beginning of an iteration to its end."""
        found: dict[int, Finals] = {}
        names = integers(self.consts, [v.atom for v in self.view.consts])
        lo, hi = (facts().resolved(x.atom) for x in (self.view.lo, self.view.hi))
        for k, p in enumerate(self.joint.primal[1 : 1 + self.view.count]):
            chain = chain_of(self.joint.fn, p, self.joint.primal_results[k]) if p.type.shape else None
            if chain is not None:
                found[k] = Finals(self.joint.fn, chain, self.joint.primal[0], lo, hi, self.view.reverse, names)
        return found

    def stored(self, t: Type) -> Type | None:
        """The type of a row that holds such a value: sizes that change from trip to trip become their bound. None: no bound."""
        outside = {*self.consts, *self.joint.primal[: self.kind.params]}
        if not set(type_vars(t)) <= outside:
            return None
        if not self.kind.params or self.joint.primal[0] not in set(type_vars(t)):
            return t
        names = dict(zip(self.consts, self.view.consts, strict=True))
        lo, hi = (self._inner(x, names) for x in (self.view.lo, self.view.hi))
        dims = [upper_bound(d, self.joint.primal[0], lo, hi) for d in t.shape]
        return None if None in dims else Type(t.dtype, tuple(dims))  # type: ignore[arg-type]

    def _inner(self, bound: Value, consts: dict[Var, Value]) -> DimLike:
        """A bound of the loop in the body's own variables, where it is one of its constants."""
        from_outer = {v.atom: p for p, v in consts.items() if isinstance(v.atom, Var)}
        d = dim_of(bound.atom)
        return swap_dim(d, from_outer)

    def forward(self) -> tuple[Any, Any, Any]:
        view, p, c = self.view, self.kind.params, self.view.count
        joint = self.joint

        def step(*args: Value) -> tuple[Value, ...]:
            values = (*args[:p], *args[p : p + c], *view.consts)
            env = {v: x.atom for v, x in zip(joint.primal, values, strict=True)}
            emit = emitter(joint.fn, env)
            self._checks(emit)
            outs = [emit(r) for r in joint.primal_results]
            kept = [self._store(emit(v), t, env) for v, t in zip(self.saved, self.types, strict=True)]
            return (*outs, *[suggest(k, v.hint) for k, v in zip(kept, self.saved, strict=True)])

        return _bind(self.kind, view, step, view.init, [v.hint for v in view.carries])

    def _checks(self, emit: Any) -> None:
        """Statements that may raise stay in the forward sweep."""
        for let in self.joint.fn.lets:
            if let.op.effect:
                bind(let.op, *[emit(a) for a in let.args], where=let.where, **let.attrs)

    def _store(self, v: Value, t: Type, env: dict[Var, Any]) -> Value:
        bound = swap_type(t, env)
        if bound == v.type:
            return v
        spec, args = _corner(v)
        return put(value(0 if not v.type.is_real else 0.0, bound), v, *args, spec=spec, steps=(1,) * v.rank)

    def backward(
        self, last: Any, middle: Any, saved: Sequence[Value], state: Sequence[Value], row_gs: Sequence[Tangent], accs: Sequence[Value]
    ) -> tuple[Value, ...]:
        view, joint, c, p = self.view, self.joint, self.view.count, self.kind.params
        lo, hi, reverse = (view.lo, view.hi, not view.reverse) if self.kind is LOOP else (value(0), middle[0], True)
        start = dim_of(lo.atom)

        def step(i: Value, *bars: Value) -> tuple[Value, ...]:
            row = size(combine(dim_of(i.atom), start, -1))
            env: dict[Var, Any] = dict(zip(joint.primal[:p], (i.atom,) * p, strict=True))
            env.update(zip(joint.primal[p + c :], (q.atom for q in view.consts), strict=True))
            env.update(zip((*joint.state_bars, *joint.accs), (b.atom for b in bars), strict=True))
            for k, step_ in self.counters.items():
                env[joint.primal[p + k]] = size(combine(dim_of(view.init[k].atom), self._trip(row), step_)).atom
            for v, rows in zip(self.saved, saved, strict=True):
                env[v] = self._load(rows, row, v, env).atom
            for v, rows in zip(joint.row_bars, row_gs, strict=True):
                env[v] = (value(0.0, v.type) if rows is None else _row(rows, row, v.hint)).atom
            for k, f in self.finals.items():
                env.update((v, last[k].atom) for v in f.place if v in self.split.finals)
            emit = emitter(joint.fn, env, self.split.reads)
            return tuple(emit(r) for r in joint.new_bars)

        hints = [view.index.hint if self.kind is LOOP else "k", *[v.hint for v in (*joint.state_bars, *joint.accs)]]
        return loop(lo, hi, step, *state, *accs, hints=hints, reverse=reverse)

    def _trip(self, row: Value) -> DimLike:
        """Which iteration of the forward loop this is, from 0."""
        if self.kind is LOOP and self.view.reverse:
            last = combine(dim_of(self.view.hi.atom), dim_of(self.view.lo.atom) + 1, -1)
            return combine(last, dim_of(row.atom), -1)
        return dim_of(row.atom)

    def _load(self, rows: Value, row: Value, v: Var, env: dict[Var, Any]) -> Value:
        x = _row(rows, row, v.hint)
        t = swap_type(v.type, env)
        if x.type == t:
            return x
        args = [a for d in t.shape for a in (value(0), size(d))]
        return get(x, *args, spec="s" * x.rank, steps=(1,) * x.rank, hint=v.hint)


def _corner(v: Value) -> tuple[str, list[Value]]:
    return "s" * v.rank, [a for d in v.shape for a in (value(0), size(d))]


def _row(rows: Value, k: Value, hint: str) -> Value:
    return get(rows, k, spec="i" + ":" * (rows.rank - 1), hint=hint)


def counters(joint: Joint, first: int, count: int) -> dict[int, int]:
    """Carries that grow by the same integer in every iteration: they are known without being remembered."""
    found: dict[int, int] = {}
    for k in range(count):
        p, r = joint.primal[first + k], joint.primal_results[k]
        if p.type == I64 and isinstance(r, Size):
            step = combine(r.dim, of_symbol(p), -1)
            if isinstance(step, int):
                found[k] = step
    return found


def upper_bound(d: DimLike, index: Var, lo: DimLike, hi: DimLike) -> DimLike | None:
    """The largest value of a size over the iterations lo <= index < hi, by interval arithmetic on its form; None: unknown."""
    if isinstance(d, int):
        return d
    out: DimLike = d.c
    for s, k in d.terms.items():
        bound: DimLike | None = of_symbol(s)
        if s is index:
            bound = combine(hi, 1, -1) if k > 0 else lo
        elif isinstance(s, Opaque) and index in set(symbols(of_symbol(s))):
            sides = [upper_bound(a, index, lo, hi) for a in s.args]
            monotone = k > 0 and s.op in ("max", "min") and None not in sides
            bound = opaque(s.op, *sides) if monotone else None  # type: ignore[arg-type]
        if bound is None:
            return None
        out = combine(out, bound, k)
    return out


def _register(name: str, kind: Kind) -> None:
    PUSH[name] = lambda let, ins, tans: push_loop(kind, let, ins, tans)
    PULL[name] = lambda let, ins, want: pull_loop(kind, let, ins, want)


_register("loop", LOOP)
_register("while", WHILE)
