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
from .plan import Block, Buffer, If, Load, Plan, Scalar, Set, Stmt, blocks, everywhere, map_blocks
from .tidy import makes, reads


def merged(plan: Plan) -> Plan:
    every = list(everywhere(plan.body))
    mentions = Counter(v for s in every for v in (*reads(s), *makes(s)))
    return replace(plan, body=_merge(plan.body, mentions))


def _merge(block: Block, mentions: Counter[Var]) -> Block:
    out = [map_blocks(s, lambda b: _merge(b, mentions)) for s in block]
    k = 0
    while k < len(out):
        end = _end(out, k, mentions)
        if end is None:
            k += 1
            continue
        inner, outer = out[k].outs[0], out[k].values[0]  # type: ignore[union-attr]
        out[k : end + 1] = [renamed(s, {inner: outer}) for s in out[k + 1 : end]]
    return tuple(out)


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


def renamed(x: Any, swap: dict[Any, Any]) -> Any:
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


# ---- variables that can share a name


def destinations(plan: Plan) -> dict[Var, Var]:
    """For a value that is computed to be the next value of a variable, that variable, if the value can be assigned to it
    at once: `y1 = f(y); ...; y = y1` is `y = f(y); ...` if the old y is not read in between."""
    out: dict[Var, Var] = {}
    _destinations(plan.body, out, {r for r in plan.results if isinstance(r, Var)})
    return out


def _destinations(block: Block, out: dict[Var, Var], kept: set[Var]) -> None:
    for end, s in enumerate(block):
        if not isinstance(s, Set) or len(s.outs) > 1:
            continue
        target, v = s.outs[0], s.values[0]
        if not isinstance(v, Var) or v in out or v is target or v in kept:
            continue
        start = next((k for k in range(end) if _defines(block[k], v)), None)
        names = {target, out.get(target, target)}
        if start is not None and _can_share(block, start, end, v, names):
            out[v] = out.get(target, target)
    for s in block:
        for _, inner in blocks(s):
            _destinations(inner, out, kept)


def _defines(s: Stmt, v: Var) -> bool:
    """Directly, or at the end of both arms of a branch."""
    if isinstance(s, If):
        return all(any(isinstance(t, Set) and v in t.outs for t in arm) for arm in (s.then, s.other))
    return isinstance(s, (Scalar, Load)) and s.out is v


def _can_share(block: Block, start: int, end: int, v: Var, names: set[Var]) -> bool:
    between = list(everywhere(block[start + 1 : end]))
    after = list(everywhere(block[end + 1 :]))
    if any(names & {*reads(t), *makes(t)} for t in between) or any(v in reads(t) for t in after):
        return False
    first = block[start]
    return not isinstance(first, If) or all(_arm(arm, v, names) for arm in (first.then, first.other))


def _arm(arm: Block, v: Var, names: set[Var]) -> bool:
    at = next(k for k, t in enumerate(arm) if isinstance(t, Set) and v in t.outs)
    set_alone = isinstance(arm[at], Set) and len(arm[at].outs) == 1  # type: ignore[union-attr]
    late = any(names & set(reads(t)) for t in everywhere(arm[at + 1 :]))
    return set_alone and not late and not any(names & set(makes(t)) for t in everywhere(arm))
