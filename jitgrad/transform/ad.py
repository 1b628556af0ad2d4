"""Forward and reverse mode: the two contractions of the table of facts. Names no op.

    jvp(f): (x..., x_dot...) -> (y..., y_dot...)           y_dot = sum_k  dy/dx_k * x_dot_k
    vjp(f): (x..., y_bar...) -> (y..., x_bar...)           x_bar_k = (dy/dx_k)^T y_bar

`None` stands for an absent (structurally zero) derivative. Constructs register their rules in `PUSH` and `PULL`; everything
else follows from what its row states. An adjoint of an array is accumulated into what there is of it: `take(k)` hands the
adjoint gathered so far for argument k over to the rule, which returns it increased (see Griewank & Walther, Evaluating
Derivatives, 2008, ch. 3, for the incremental reverse mode).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from ..errors import NotDifferentiable
from ..ir.build import Value, again, at, environment, read, replay, trace, trace_open, value
from ..ir.core import EVERY, Fn, Let, Op, Type, Var, absent, zero_of
from ..ir.verify import verify
from ..ir.walk import needed
from ..ops.array import zeros_like
from .activity import active_vars

Tangent = Value | None
Take = Callable[[int], Tangent]
Back = Callable[[Sequence[Tangent], Take], Mapping[int, Tangent]]  # bars of the results -> bars of the arguments

PUSH: dict[str, Callable[[Let, Sequence[Value], Sequence[Tangent]], tuple[Sequence[Value], Sequence[Tangent]]]] = {}
PULL: dict[str, Callable[[Let, Sequence[Value], Sequence[bool]], tuple[Sequence[Value], Back]]] = {}


# ---- the facts of one statement


def members(op: Op, group: Sequence[int], count: int) -> list[int]:
    return list(range(count)) if EVERY in group else list(group)


def tangent_program(op: Op, k: int) -> Callable[..., Any] | None:
    return (op.tangents or {}).get(k)


def is_linear_in(op: Op, k: int) -> bool:
    return any(k in group or EVERY in group for group in op.linear)


def undifferentiable(let: Let) -> NotDifferentiable:
    place = f" ({let.where.filename}:{let.where.lineno})" if let.where else ""
    return NotDifferentiable(f"`{let.op.name}` has no derivative rule for this argument{place}")


def plus(a: Tangent, b: Tangent) -> Tangent:
    if a is None or b is None:
        return b if a is None else a
    return a + b


def tangent_or_zero(t: Tangent, like: Value) -> Value:
    if t is not None:
        return t
    return Value(absent(like.type)) if like.type.is_real else zeros_like(like)


def total(terms: Sequence[Tangent]) -> Tangent:
    out: Tangent = None
    for t in terms:
        out = plus(out, t)
    return out


def scaled(partial: Any, t: Value) -> Value:
    """partial * t, for a partial that may be a Python number."""
    return value(partial, t.type) * t


def spell_out(let: Let) -> Fn:
    """The definition of an op as a program of its arguments."""
    args = [Var(a.type, a.hint) for a in let.args]
    return trace(lambda *xs: let.op.definition(*xs, **let.attrs), args, let.op.name)  # type: ignore[misc]


# ---- forward


def push(let: Let, ins: Sequence[Value], tans: Sequence[Tangent]) -> tuple[Sequence[Value], Sequence[Tangent]]:
    """The statement, and the tangents of its results."""
    op = let.op
    if op.flat or all(t is None for t in tans):
        return again(let, ins), [None] * len(let.outs)
    if op.name in PUSH:
        return PUSH[op.name](let, ins, tans)
    if op.definition is not None:
        return push_fn(spell_out(let), ins, tans)
    outs = again(let, ins)
    if op.partials is not None:
        return outs, [_push_partials(let, outs[0], ins, tans)]
    sums: list[Tangent] = [None] * len(outs)
    for terms in (*_push_linear(let, ins, tans), *_push_programs(let, outs, ins, tans)):
        sums = [plus(s, t) for s, t in zip(sums, terms, strict=True)]
    return outs, [s if o.type.is_real else None for s, o in zip(sums, outs, strict=True)]


def _push_partials(let: Let, y: Value, ins: Sequence[Value], tans: Sequence[Tangent]) -> Tangent:
    if not y.type.is_real:
        return None
    pairs = zip(let.op.partials or (), tans, strict=True)
    return total([scaled(p(y, *ins, **let.attrs), t) for p, t in pairs if p is not None and t is not None])


def _push_linear(let: Let, ins: Sequence[Value], tans: Sequence[Tangent]) -> list[Sequence[Tangent]]:
    """op(..., t, ...) for each group of arguments in which the op is linear."""
    terms: list[Sequence[Tangent]] = []
    for group in let.op.linear:
        ks = members(let.op, group, len(ins))
        if all(tans[k] is None for k in ks):
            continue
        args = list(ins)
        for k in ks:
            args[k] = tangent_or_zero(tans[k], ins[k])
        terms.append(again(let, args))
    return terms


def _push_programs(
    let: Let, outs: Sequence[Value], ins: Sequence[Value], tans: Sequence[Tangent]
) -> list[Sequence[Tangent]]:
    terms: list[Sequence[Tangent]] = []
    for k, t in enumerate(tans):
        if t is None or is_linear_in(let.op, k):
            continue
        rule = tangent_program(let.op, k)
        if rule is None:
            raise undifferentiable(let)
        terms.append(as_tuple(rule(t, one_or_all(outs), *ins, **let.attrs)))
    return terms


def one_or_all(outs: Sequence[Value]) -> Any:
    return outs[0] if len(outs) == 1 else tuple(outs)


def as_tuple(x: Any) -> tuple[Any, ...]:
    return x if isinstance(x, tuple) else (x,)


def push_fn(fn: Fn, ins: Sequence[Any], tans: Sequence[Tangent]) -> tuple[tuple[Value, ...], list[Tangent]]:
    """Replay `fn` here with tangents riding along; its results and their tangents."""
    env = environment(fn, ins)
    dots: dict[Any, Tangent] = {p: t for p, t in zip(fn.params, tans, strict=True) if t is not None}
    for let in fn.lets:
        with at(let.where):
            outs, touts = push(let, read(env, let.args), [dots.get(a) for a in let.args])
        env.update((o, v.atom) for o, v in zip(let.outs, outs, strict=True))
        for o, t in zip(let.outs, touts, strict=True):
            if t is not None:
                dots[o] = suggest(t, o.hint + "_dot")
    return read(env, fn.results), [dots.get(r) for r in fn.results]


def suggest(v: Value, hint: str) -> Value:
    """Name a nameless variable."""
    if isinstance(v.atom, Var) and v.atom.hint == "t":
        v.atom.hint = hint
    return v


def jvp(fn: Fn, wrt: Sequence[int] | None = None) -> Fn:
    """(x..., x_dot for each of `wrt`) -> (y..., y_dot for each real y)."""
    wrt = real_positions(fn.params) if wrt is None else list(wrt)
    n = len(fn.params)

    def body(*args: Value) -> tuple[Value, ...]:
        tans = dict(zip(wrt, args[n:], strict=True))
        outs, dots = push_fn(fn, args[:n], [tans.get(k) for k in range(n)])
        return (*outs, *[tangent_or_zero(t, y) for y, t in zip(outs, dots, strict=True) if y.type.is_real])

    extra = [Var(fn.params[k].type, fn.params[k].hint + "_dot") for k in wrt]
    return close(body, fn, extra, "jvp")


# ---- reverse


def pull(let: Let, ins: Sequence[Value], want: Sequence[bool]) -> tuple[Sequence[Value], Back]:
    """The statement, and the map from the bars of its results to the bars of the arguments in `want`."""
    op = let.op
    if op.flat or not any(want):
        return again(let, ins), lambda gs, take: {}
    if op.name in PULL:
        return PULL[op.name](let, ins, want)
    if op.definition is not None:
        return _pull_definition(let, ins, want)
    outs = again(let, ins)
    if op.partials is not None:
        return outs, partial(_pull_partials, let, outs[0], ins, want)
    return outs, partial(_pull_facts, let, outs, ins, want)


def _pull_partials(
    let: Let, y: Value, ins: Sequence[Value], want: Sequence[bool], gs: Sequence[Tangent], take: Take
) -> dict[int, Tangent]:
    g = gs[0]
    if g is None:
        return {}
    rules = enumerate(let.op.partials or ())
    return {k: scaled(p(y, *ins, **let.attrs), g) for k, p in rules if p is not None and want[k]}


def _pull_facts(
    let: Let, outs: Sequence[Value], ins: Sequence[Value], want: Sequence[bool], gs: Sequence[Tangent], take: Take
) -> dict[int, Tangent]:
    bars: dict[int, Tangent] = {}
    for k, wanted in enumerate(want):
        if wanted:
            bars[k] = _pull_argument(let, k, outs, ins, gs, take)
    return bars


def _pull_argument(
    let: Let, k: int, outs: Sequence[Value], ins: Sequence[Value], gs: Sequence[Tangent], take: Take
) -> Tangent:
    op, g = let.op, gs[0]
    if k in op.accumulates:
        return op.accumulates[k](take(k), g, *ins, **let.attrs)
    if k in op.transposes:
        return op.transposes[k](g, *ins, **let.attrs)
    if EVERY in op.transposes:
        return op.transposes[EVERY](k, g, *ins, **let.attrs)
    rule = tangent_program(op, k)
    if rule is None:
        raise undifferentiable(let)
    return transpose_program(lambda t: as_tuple(rule(t, one_or_all(outs), *ins, **let.attrs)), ins[k].type, gs)


def transpose_program(f: Callable[[Value], tuple[Any, ...]], t: Type, gs: Sequence[Tangent]) -> Tangent:
    """The transpose, applied to gs, of a program that is linear in its one argument."""
    kept: list[int] = []

    def some(x: Value) -> tuple[Value, ...]:
        outs = f(x)
        kept[:] = [k for k, y in enumerate(outs) if y is not None and gs[k] is not None]
        return tuple(outs[k] for k in kept)

    fn, captured = trace_open(some, [t], "tangent", ("t",))
    _, back = sweep(fn, [Value(zero_of(fn.params[0].type)), *captured], [True, *[False] * len(captured)])
    return back([gs[k] for k in kept])[0]


def _pull_definition(let: Let, ins: Sequence[Value], want: Sequence[bool]) -> tuple[Sequence[Value], Back]:
    outs, back = sweep(spell_out(let), ins, want)

    def through(gs: Sequence[Tangent], take: Take) -> dict[int, Tangent]:
        bars = back(gs)
        return {k: bars[k] for k, wanted in enumerate(want) if wanted}

    return outs, through


Sweep = Callable[..., list[Tangent]]


def sweep(fn: Fn, ins: Sequence[Any], want: Sequence[bool]) -> tuple[tuple[Value, ...], Sweep]:
    """Replay `fn` forward here: its results, and `back(gs, accs)`, which writes the return sweep here and gives the bar of
    each parameter in `want`. `accs`: adjoints that these parameters have already."""
    active = active_vars(fn, [p for p, w in zip(fn.params, want, strict=True) if w])
    env = environment(fn, ins)
    pulls: list[tuple[Let, Back]] = []
    for let in fn.lets:
        with at(let.where):
            outs, pulled = pull(let, read(env, let.args), [a in active for a in let.args])
        env.update((o, v.atom) for o, v in zip(let.outs, outs, strict=True))
        pulls.append((let, pulled))

    def back(gs: Sequence[Tangent], accs: Sequence[Tangent] | None = None) -> list[Tangent]:
        bars: dict[Any, Tangent] = {}
        if accs is not None:
            bars.update((p, g) for p, g in zip(fn.params, accs, strict=True) if g is not None)

        def give(a: Any, g: Tangent) -> None:
            if g is not None and a in active:
                bars[a] = suggest(plus(bars.get(a), g), a.hint + "_bar")  # type: ignore[arg-type]

        for r, g in zip(fn.results, gs, strict=True):
            give(r, g)
        for let, pulled in reversed(pulls):
            if not any(o in bars for o in let.outs):
                continue
            with at(let.where):
                take = lambda k, let=let: bars.pop(let.args[k], None)
                for k, g in pulled([bars.pop(o, None) for o in let.outs], take).items():
                    give(let.args[k], g)
        return [bars.get(p) if w else None for p, w in zip(fn.params, want, strict=True)]

    return read(env, fn.results), back


def vjp(fn: Fn, wrt: Sequence[int] | None = None, seeds: Sequence[float] | None = None) -> Fn:
    """(x..., y_bar for each real y) -> (y..., x_bar for each of `wrt`). With `seeds` the y_bar are these literals."""
    wrt = real_positions(fn.params) if wrt is None else list(wrt)
    n = len(fn.params)
    reals = real_positions(fn.results)

    def body(*args: Value) -> tuple[Value, ...]:
        outs, back = sweep(fn, args[:n], [k in wrt for k in range(n)])
        given = args[n:] if seeds is None else [value(s, fn.results[k].type) for s, k in zip(seeds, reals, strict=True)]
        gs = dict(zip(reals, given, strict=True))
        bars = back([gs.get(k) for k in range(len(outs))])
        return (*outs, *[tangent_or_zero(bars[k], args[k]) for k in wrt])

    extra = [Var(fn.results[k].type, fn.results[k].hint + "_bar") for k in reals] if seeds is None else []
    return close(body, fn, extra, "vjp")


def close(body: Callable[..., Any], fn: Fn, extra: Sequence[Var], what: str) -> Fn:
    return verify(needed(trace(body, [*fn.params, *extra], f"{what}_{fn.name}")))


def real_positions(atoms: Sequence[Any]) -> list[int]:
    return [k for k, a in enumerate(atoms) if a.type.is_real]


__all__ = ["PULL", "PUSH", "jvp", "pull", "push", "push_fn", "replay", "sweep", "vjp"]
