"""A scalar that an inner loop carries and that starts and ends as one of the outer loop is that one.

t = s                                       (nothing)
for j in 0..m { ... t = sin(t) }     ->     for j in 0..m { ... s = sin(s) }
s = t                                       (nothing)
"""

from __future__ import annotations

from collections import Counter
from dataclasses import fields, is_dataclass, replace
from typing import Any

from ..ir.core import Size, Var, atom_of, swap_dim
from ..ir.dims import Dim
from .plan import Block, Buffer, Plan, Set, Stmt, blocks, everywhere
from .tidy import makes, reads


def merged(plan: Plan) -> Plan:
    every = list(everywhere(plan.body))
    mentions = Counter(v for s in every for v in (*reads(s), *makes(s)))
    return replace(plan, body=_merge(plan.body, mentions))


def _merge(block: Block, mentions: Counter[Var]) -> Block:
    out = [_inside(s, mentions) for s in block]
    k = 0
    while k < len(out):
        end = _end(out, k, mentions)
        if end is None:
            k += 1
            continue
        inner, outer = out[k].outs[0], out[k].values[0]  # type: ignore[union-attr]
        out[k : end + 1] = [renamed(s, {inner: outer}) for s in out[k + 1 : end]]
    return tuple(out)


def _inside(s: Stmt, mentions: Counter[Var]) -> Stmt:
    inner = {name: _merge(b, mentions) for name, b in blocks(s)}
    return replace(s, **inner) if inner else s  # type: ignore[type-var]


def _end(block: list[Stmt], k: int, mentions: Counter[Var]) -> int | None:
    """Where `s = t` stands, if `t = s` stands at k, s is not mentioned between, and t not elsewhere."""
    first = block[k]
    if not isinstance(first, Set) or len(first.outs) > 1 or not isinstance(first.values[0], Var):
        return None
    inner, outer = first.outs[0], first.values[0]
    for end in range(k + 1, len(block)):
        last = block[end]
        if isinstance(last, Set) and last.outs == (outer,) and last.values == (inner,):
            inside = Counter(v for s in everywhere(tuple(block[k : end + 1])) for v in (*reads(s), *makes(s)))
            return end if inside[inner] == mentions[inner] and inside[outer] == 2 else None
    return None


def renamed(x: Any, swap: dict[Var, Var]) -> Any:
    """The statement with other variables."""
    if isinstance(x, Var):
        return swap.get(x, x)
    if isinstance(x, Dim):
        return swap_dim(x, swap)
    if isinstance(x, Size):
        return atom_of(swap_dim(x.dim, swap))
    if isinstance(x, (tuple, list)):
        return type(x)(renamed(y, swap) for y in x)
    if is_dataclass(x) and not isinstance(x, (Buffer, type)) and type(x).__module__.endswith(".plan"):
        return replace(x, **{f.name: renamed(getattr(x, f.name), swap) for f in fields(x)})
    return x
