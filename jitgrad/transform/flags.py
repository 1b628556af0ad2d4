"""Flags that are remembered together share a byte: eight bits of memory for up to eight of them, where each took a byte.

    code = f0 | f1 << 1 | f2 << 2 | ...          fk = code >> k & 1
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from ..ir.build import Value, value
from ..ir.core import BOOL, Type, Var
from ..ops.scalar import and_, ne, or_, where

BYTE, BITS = Type("u8"), 8


def grouped(remembered: Sequence[Var]) -> list[tuple[Var, ...]]:
    """What is remembered, in rows: most values have one of their own."""
    flags = [v for v in remembered if v.type == BOOL]
    rows: list[tuple[Var, ...]] = []
    for v in remembered:
        if v not in flags:
            rows.append((v,))
        elif flags.index(v) % BITS == 0:
            at = flags.index(v)
            rows.append(tuple(flags[at : at + BITS]))
    return rows


def packed(flags: Sequence[Value]) -> Value:
    return reduce(or_, [where(f, value(1 << k, BYTE), value(0, BYTE)) for k, f in enumerate(flags)])


def unpacked(code: Value, k: int) -> Value:
    return ne(and_(code, value(1 << k, BYTE)), value(0, BYTE))
