"""Scalars that a loop carries only to add to them (or to take the largest): the order of its iterations is free then.

A sum is followed from the carry to what it becomes, through additions, inner loops that accumulate and branches of which both
do. Nobody else may see it on the way: in another order it would be another number.
"""

from __future__ import annotations

from typing import Any

from ..ir.core import Atom, Fn, Let, Var
from ..ir.walk import uses
from ..ops.cond import Cond
from ..ops.loop import Loop

CHAINS = {"add": (0, 1), "sub": (0,), "maximum": (0, 1), "minimum": (0, 1)}  # through which arguments a sum runs
FAMILY = {"add": "+", "sub": "+", "maximum": "max", "minimum": "min"}


def accumulates(fn: Fn, p: Atom, r: Atom, how: str | None = None) -> bool:
    """Does `p` become `r` by sums alone (or by maxima alone), seen by nobody else on the way?"""
    return _sum_of(fn, p, r, how) is not None


def _sum_of(fn: Fn, p: Atom, r: Atom, how: str | None) -> str | None:
    """The kind of the accumulation; "" where nothing is added, None where it is none."""
    v, kind = p, how or ""
    while v is not r:
        users = [(let, k) for let in fn.lets for k, a in enumerate(let.args) if v in _mentioned(a)]
        if len({id(let) for let, _ in users}) != 1 or any(v in _mentioned(x) for x in fn.results):
            return None
        let, k = users[0]
        if len(users) > 1 and let.op.name != "cond":
            return None
        step = _step(let, k, kind or None)
        if step is None:
            return None
        v, mine = step
        kind = kind or mine
    seen = any(v in uses(let) for let in fn.lets)  # the sum so far, in whatever order it comes about
    return kind if not seen and sum(v in _mentioned(x) for x in fn.results) == 1 else None


def _mentioned(a: Atom) -> set[Any]:
    from_size = {s for s in getattr(getattr(a, "dim", None), "terms", ())}
    return {a} | from_size if isinstance(a, Var) or from_size else set()


def _step(let: Let, k: int, how: str | None) -> tuple[Var, str] | None:
    """What the sum is called after this statement, and its kind."""
    name = let.op.name
    if name in CHAINS:
        fits = k in CHAINS[name] and (how is None or how == FAMILY[name])
        return (let.outs[0], FAMILY[name]) if fits else None
    if name == "loop":
        view = Loop.of(let)
        if not 2 <= k < 2 + view.count:
            return None
        kind = _sum_of(view.body, view.carries[k - 2], view.nexts[k - 2], how)
        return None if kind is None else (let.outs[k - 2], kind)
    if name == "cond" and k:
        return _branches(let, k, how)
    return None


def _branches(let: Let, k: int, how: str | None) -> tuple[Var, str] | None:
    """Both branches accumulate into the same result."""
    taken = [[p for p, a in zip(fn.params, args, strict=True) if a == let.args[k]] for fn, args in Cond.of(let).branches]
    if any(len(ps) != 1 for ps in taken):
        return None
    sides = [p for (p,) in taken]
    for j, o in enumerate(let.outs):
        kind: str | None = how or ""
        for fn, p in zip(let.fns, sides, strict=True):
            kind = None if kind is None else _sum_of(fn, p, fn.results[j], kind or None)
        if kind is not None:
            return o, kind
    return None
