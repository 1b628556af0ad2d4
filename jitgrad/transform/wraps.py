"""Remainders of what is at most once around need no division.

    i % n              ->     i                                   where 0 <= i < n
    (i + 1) % n        ->     i + 1 if i + 1 < n else i + 1 - n   where 0 <= i < n
    (i - 1) % n        ->     i + n - 1 if i - 1 < 0 else i - 1

Neighbours on a ring are written like this. A division takes longer than all else that a loop does for a cell, and keeps it
from being vectorised. Until here it was a remainder, whose range is known.
"""

from __future__ import annotations

from ..ir.build import Value, again
from ..ir.core import I64, Fn, Let, dim_of
from ..ir.dims import DimLike, combine
from ..ir.walk import everywhere
from ..ops.scalar import where
from .bounds import Ranges, least, positive
from .rewrite import Outs, Rewriter, rewritten


def wraps(fn: Fn) -> Fn:
    return rewritten(Wrapper(fn)) if any(let.op.name == "mod" and let.outs[0].type == I64 for _, let in everywhere(fn)) else fn


class Wrapper(Rewriter):
    def statement(self, let: Let, ins: Outs) -> Outs:
        outs: Outs = again(let, ins)
        if let.op.name != "mod" or any(x.type != I64 for x in ins):
            return outs
        x, n = ins
        a, m = dim_of(x.atom), dim_of(n.atom)
        if not positive(m, self.ranges):
            return outs
        new = self.around(x, n, a, m)
        self.ranges = {**self.ranges, (outs[0] if new is None else new).atom: (0, m)}
        return outs if new is None else [new]

    def around(self, x: Value, n: Value, a: DimLike, m: DimLike) -> Value | None:
        """x % n, if it takes one step around at most."""
        low, high = least(a, self.ranges) >= 0, below(a, m, self.ranges)
        if low and high:
            return x
        if low and below(combine(a, m, -1), m, self.ranges):
            return where(x < n, x, x - n)
        if high and least(combine(a, m, 1), self.ranges) >= 0:
            return where(x < 0, x + n, x)
        return None


def below(a: DimLike, m: DimLike, ranges: Ranges) -> bool:
    """Is a < m, for m > 0?"""
    gap = combine(m, a, -1)
    return least(gap, ranges) >= 1 or least(combine(gap, m, -1), ranges) >= 0
