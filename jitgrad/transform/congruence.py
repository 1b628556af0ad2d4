"""Which carries of a loop are one value: they begin as one, and leave an iteration as one if they entered it as one.

All that begin alike are taken for one; a class of which two members leave the body as different values is split, until none is.
Alpern, Wegman & Zadeck, Detecting equality of variables in programs (1988).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ir.core import Atom, Let, Lit, Var, swap_atom, swap_type
from ..ops.loop import Loop

COMMUTATIVE = {"add", "mul", "maximum", "minimum", "eq", "ne", "and", "or", "xor"}


def steady(carries: Sequence[Var], nexts: Sequence[Atom], init: Sequence[Atom]) -> list[bool]:
    """Carries that come out of every iteration as they went in."""
    return [r is p or (isinstance(r, Lit) and r == a) for p, r, a in zip(carries, nexts, init, strict=True)]


def congruent(view: Loop, init: Sequence[Atom], consts: Sequence[Atom]) -> list[int]:
    """For each carry, the first one that is always equal to it. `init`, `consts`: of the loop, as they are called outside."""
    counters = {j for _, j in view.ragged}  # they say where rows begin
    firsts: dict[Any, int] = {}
    like = [
        k if k in counters else firsts.setdefault((a, type(getattr(a, "value", None)), p.type), k)  # an absent zero is no 0.0
        for k, (a, p) in enumerate(zip(init, view.carries, strict=True))
    ]
    first_const: dict[Atom, Var] = {}
    given = {p: first_const.setdefault(a, p) for p, a in zip(view.inner, consts, strict=True)}
    while len(set(like)) < len(like):
        nexts = leaving(view, {**given, **{p: view.carries[k] for p, k in zip(view.carries, like, strict=True)}})
        firsts = {}
        split = [firsts.setdefault((k, r), at) for at, (k, r) in enumerate(zip(like, nexts, strict=True))]
        if split == like:
            break
        like = split
    return like


def leaving(view: Loop, names: dict[Var, Var]) -> list[Atom]:
    """The next carries, each by the first name that its value has in the body. `names`: those of the parameters."""
    seen: dict[Any, Let] = {}
    for let in view.body.lets:
        if not let.op.effect:
            first = seen.setdefault(_key(let, names), let)
            names.update(zip(let.outs, first.outs, strict=True))
    return [swap_atom(r, names) for r in view.nexts]


def _key(let: Let, names: dict[Var, Var]) -> Any:
    """Equal for statements that give the same. (Bodies of constructs: for one body only.)"""
    args: Any = tuple([swap_atom(a, names) for a in let.args])
    if let.op.name in COMMUTATIVE and args[0] != args[1]:
        args = frozenset(args)
    types = tuple([swap_type(o.type, names) for o in let.outs])
    return let.op.name, args, tuple(sorted(let.attrs.items())), let.fns, types


__all__ = ["COMMUTATIVE", "congruent", "steady"]
