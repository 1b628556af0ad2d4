"""The derivatives of `cond`, forward and reverse side by side.

Only the branch that is taken has tangents and a return sweep, so a branch that guards 1 / x is safe: the other contributes
nothing, not 0 * inf. The return sweep is a `cond` on the same predicate; it recomputes its branch from what the branch
captured, and hands the adjoints of captured values in and out (an adjoint the branch does not touch passes through).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..ir.build import Value, again
from ..ir.core import Fn, Let
from ..ops.cond import Cond, cond
from .activity import active_results
from .ad import PULL, PUSH, Back, Take, Tangent, push_fn, sweep, tangent_or_zero


def _sides(let: Let, ins: Sequence[Value], extra: Sequence[Any]) -> list[tuple[Fn, Sequence[Value], Sequence[Any]]]:
    """For each branch: its program, its arguments, and its part of `extra` (one for each argument of the let)."""
    view = Cond.of(let, ins)
    k = 1 + len(view.then_args)
    return [(view.then, view.then_args, extra[1:k]), (view.other, view.other_args, extra[k:])]


def push_cond(let: Let, ins: Sequence[Value], tans: Sequence[Tangent]) -> tuple[Any, Any]:
    sides = _sides(let, ins, tans)
    flags = [active_results(fn, [t is not None for t in ts]) for fn, _, ts in sides]
    on = [k for k in range(len(let.outs)) if any(f[k] for f in flags)]

    def branch(fn: Fn, args: Sequence[Value], ts: Sequence[Tangent]) -> Callable[[], tuple[Value, ...]]:
        def run() -> tuple[Value, ...]:
            outs, dots = push_fn(fn, args, ts)
            new = [dots[k] for k in on]
            return (*outs, *[tangent_or_zero(d, outs[k]) for k, d in zip(on, new, strict=True)])

        return run

    hints = [*[o.hint for o in let.outs], *[let.outs[k].hint + "_dot" for k in on]]
    out = cond(ins[0], branch(*sides[0]), branch(*sides[1]), hints)
    n = len(let.outs)
    dots = dict(zip(on, out[n:], strict=True))
    return out[:n], [dots.get(k) for k in range(n)]


def pull_cond(let: Let, ins: Sequence[Value], want: Sequence[bool]) -> tuple[Sequence[Value], Back]:
    sides = _sides(let, ins, want)
    outs = again(let, ins)
    at: dict[Any, int] = {}  # captured value -> its first position among the arguments
    for k, (a, wanted) in enumerate(zip(let.args, want, strict=True)):
        if wanted:
            at.setdefault(a, k)

    def back(gs: Sequence[Tangent], take: Take) -> dict[int, Tangent]:
        taken = {k: take(k) for k in at.values()}
        accs = {k: tangent_or_zero(t, ins[k]) for k, t in taken.items()}
        args = [let.args[1 : 1 + len(sides[0][1])], let.args[1 + len(sides[0][1]) :]]

        def branch(side: int) -> Callable[[], tuple[Value, ...]]:
            fn, mine, wanted = sides[side]
            position = [at[a] if w else None for a, w in zip(args[side], wanted, strict=True)]

            def run() -> tuple[Value, ...]:
                _, pulled = sweep(fn, mine, wanted)
                bars = pulled(gs, [None if k is None else accs[k] for k in _first(position)])
                new = dict(accs)
                for k, b in zip(position, bars, strict=True):
                    if k is not None and b is not None:
                        new[k] = b if new[k] is accs[k] else new[k] + b
                return tuple(new.values())

            return run

        hints = [let.args[k].hint + "_bar" for k in accs]
        return dict(zip(accs, cond(ins[0], branch(0), branch(1), hints), strict=True))

    return outs, back


def _first(position: Sequence[int | None]) -> list[int | None]:
    """Each adjoint is handed to the first parameter that stands for it; the others start from nothing."""
    seen: set[int] = set()
    out: list[int | None] = []
    for k in position:
        out.append(None if k is None or k in seen else k)
        seen |= {k} if k is not None else set()
    return out


PUSH["cond"] = push_cond
PULL["cond"] = pull_cond
