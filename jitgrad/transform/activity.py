"""Which values of a program carry a derivative of the chosen parameters.

A result is active if it is real and some active argument reaches it through an op that is not flat. What is not active has
no tangent and no adjoint: an absent derivative is `None` everywhere in this package, never a zero that has to be removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..ir.core import Fn, Let, Var
from ..ops.cond import Cond
from ..ops.loop import Loop
from ..ops.while_ import While


def active_vars(fn: Fn, params: Iterable[Var]) -> set[Var]:
    """The variables of `fn` (not those within constructs) that depend on `params`."""
    active = {p for p in params if p.type.is_real}
    for let in fn.lets:
        flags = [isinstance(a, Var) and a in active for a in let.args]
        if any(flags) and not let.op.flat:
            rule = _CONSTRUCTS.get(let.op.name)
            outs = rule(let, flags) if rule else [True] * len(let.outs)
            active |= {o for o, on in zip(let.outs, outs, strict=True) if on and o.type.is_real}
    return active


def active_results(fn: Fn, flags: Iterable[bool]) -> list[bool]:
    """For each result: is it active, given which parameters are?"""
    active = active_vars(fn, [p for p, on in zip(fn.params, flags, strict=True) if on])
    return [r in active for r in fn.results]


def carried(body: Fn, first: int, carries: list[bool], consts: list[bool]) -> tuple[list[bool], list[bool]]:
    """The fixpoint: which carries are active, and then which results of the body. `first`: parameters before the carries."""
    while True:
        out = active_results(body, [*[False] * first, *carries, *consts])
        grown = [a or b for a, b in zip(carries, out, strict=False)]
        if grown == carries:
            return carries, out
        carries = grown


def _loop(let: Let, flags: list[bool]) -> list[bool]:
    c = Loop.of(let).count
    carries, out = carried(let.fns[0], 1, flags[2 : 2 + c], flags[2 + c :])
    return [*carries, *out[c:]]


def _while(let: Let, flags: list[bool]) -> list[bool]:
    c = While.of(let).count
    carries, out = carried(let.fns[1], 0, flags[:c], flags[c:])
    return [*carries, False, *out[c:]]


def _cond(let: Let, flags: list[bool]) -> list[bool]:
    k = 1 + let.attrs["split"]
    view = Cond.of(let)
    sides = active_results(view.then, flags[1:k]), active_results(view.other, flags[k:])
    return [a or b for a, b in zip(*sides, strict=True)]


_CONSTRUCTS: dict[str, Callable[[Let, list[bool]], list[bool]]] = {"loop": _loop, "while": _while, "cond": _cond}
