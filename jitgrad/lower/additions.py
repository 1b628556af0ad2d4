"""x = b[i]; y = x + v; b[i] = y     ->     b[i] += v        where x and y are not used elsewhere

So that it is seen that nothing is done to the cell but adding to it: the order of additions is free.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from ..ir.core import OPS, Var
from .plan import Block, Buffer, Call, Grow, Load, Scalar, Stmt, Store, Window, everywhere, map_blocks
from .races import SUMS
from .tidy import dim_vars, makes


def additions(block: Block, mentions: Counter[Var], roots: dict[Buffer, Window]) -> Block:
    """`mentions`: how often each scalar is made or read in the plan."""
    out = [map_blocks(s, lambda b: additions(b, mentions, roots)) for s in block]
    for store in [s for s in out if isinstance(s, Store) and s.how == "="]:
        found = _sum(out, store, mentions, roots)
        if found is not None:
            load, total = found
            at = out.index(total)
            out[out.index(store)] = _added(store, load, total)
            out[at : at + 1] = _negated(load, total)
            out.remove(load)
    return tuple(out)


def _sum(
    block: list[Stmt], store: Store, mentions: Counter[Var], roots: dict[Buffer, Window]
) -> tuple[Load, Scalar] | None:
    """The sum that is stored, and the old value in it."""
    total = next((s for s in block if isinstance(s, Scalar) and s.out is store.value), None)
    if total is None or total.op.name not in SUMS or mentions[total.out] != 2:
        return None
    for k in SUMS[total.op.name][1]:
        x = total.args[k]
        load = next((s for s in block if isinstance(s, Load) and s.out is x), None)
        if load is None or mentions[load.out] != 2 or (load.buffer, load.index) != (store.buffer, store.index):
            continue
        between = list(everywhere(tuple(block[block.index(load) + 1 : block.index(store)])))
        if not any(_writes(s, store, roots) or set(makes(s)) & set(dim_vars(*store.index)) for s in between):
            return load, total
    return None


def _writes(s: Stmt, store: Store, roots: dict[Buffer, Window]) -> bool:
    """Might it change the cell?"""
    buffers = [w.buffer for w in s.outs] if isinstance(s, Call) else [s.buffer] if isinstance(s, (Store, Grow)) else []
    return any(b is store.buffer or b in roots for b in buffers) or (bool(buffers) and store.buffer in roots)


def _added(store: Store, load: Load, total: Scalar) -> Store:
    how = SUMS[total.op.name][0]
    if total.op.name == "sub":
        return replace(store, how=how)
    return replace(store, how=how, value=next(a for a in total.args if a is not load.out))


def _negated(load: Load, total: Scalar) -> list[Stmt]:
    """b[i] - v is b[i] + (-v)"""
    return [replace(total, op=OPS["neg"], args=total.args[1:])] if total.op.name == "sub" else []
