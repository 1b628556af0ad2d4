"""Plan -> Plan: memory whose cells are all overwritten before anybody reads one need not begin as zeros.

    k = zeros(n, m)                          k = buffer(n, m)
    for i in 0..n: for j in 0..m:     ->     for i in 0..n: for j in 0..m:
        k[i, j] = x                              k[i, j] = x

Whoever fills an array in a loop writes the first form.
"""

# The first statement behind the allocation that mentions the memory is a nest of loops, one over each axis from its begin to its
# end. Each has one statement that mentions it first, without a condition: the next loop, or the store of the cell that the
# indices are. So where the nest ends all cells are stored, and before that they are read only where they are stored.

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from ..ir.dims import DimLike, of_symbol
from .plan import Alloc, Block, Buffer, Call, For, Grow, Load, Plan, Reshape, Stmt, Store, Window, everywhere, map_blocks


def overwritten(plan: Plan) -> Plan:
    return replace(plan, body=_overwritten(plan.body))


def _overwritten(block: Block) -> Block:
    out: list[Stmt] = []
    for k, s in enumerate(block):
        if isinstance(s, Alloc) and s.zero and _filled(block, k + 1, s.buffer, ()):
            s = replace(s, zero=False)
        out.append(map_blocks(s, _overwritten))
    return tuple(out)


def _filled(block: Block, begin: int, b: Buffer, loops: tuple[For, ...]) -> bool:
    """Do the statements from there on store a cell for each iteration of the loops before they mention others?"""
    users: Iterator[Stmt] = (s for s in islice(block, begin, None) if any(b in _mentioned(t) for t in everywhere((s,))))
    first = next(users, None)
    if isinstance(first, For) and len(loops) < len(b.type.shape):
        return (not loops or next(users, None) is None) and _filled(first.body, 0, b, (*loops, first))
    if not isinstance(first, Store) or first.how != "=" or not _whole(first.index, b, loops):
        return False
    return all(_at(t, b, first.index) for s in users for t in everywhere((s,)))


def _whole(index: tuple[DimLike, ...], b: Buffer, loops: tuple[For, ...]) -> bool:
    """Is it one of the loops' indices on each axis, each from the begin of the axis to its end?"""
    over: dict[DimLike, For] = {of_symbol(f.index): f for f in loops}
    axes = [over.pop(i, None) for i in index]
    spans = zip(axes, b.type.shape, strict=True)
    return not over and all(f is not None and (f.lo, f.hi) == (0, n) and f.dealt is None for f, n in spans)


def _at(s: Stmt, b: Buffer, index: tuple[DimLike, ...]) -> bool:
    """Does it touch that cell, if any?"""
    return b not in _mentioned(s) or (isinstance(s, (Load, Store)) and s.index == index)


def _mentioned(s: Stmt) -> Iterator[Buffer]:
    if isinstance(s, (Load, Store, Alloc, Grow, Reshape)):
        yield s.buffer
    if isinstance(s, Reshape):
        yield s.source.buffer
    if isinstance(s, Call):
        yield from (w.buffer for w in (*s.ins, *s.outs) if isinstance(w, Window))


