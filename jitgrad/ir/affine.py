"""Proofs about integers: lower bounds of affine forms whose variables run over known ranges; cells that differ.

Ranges are an argument, not a global: `{index: (lo, hi)}` says lo <= index < hi, and that the index exists only then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .dims import Dim, DimLike, Sym, combine, low, of_symbol, symbols

Ranges = Mapping[Any, tuple[DimLike, DimLike]]

DEPTH = 12
LOWEST = -(1 << 62)


def unknown() -> DimLike:
    """An integer of which nothing is known."""
    return of_symbol(Sym("any", LOWEST))


def ranged(ranges: dict[Any, tuple[DimLike, DimLike]], lo: DimLike, hi: DimLike) -> DimLike:
    """An integer of which only the range is known, which is noted in `ranges`."""
    s = Sym("k", LOWEST)
    ranges[s] = (lo, hi)
    return of_symbol(s)


def at_least(d: DimLike, ranges: Ranges, depth: int = 0) -> int | None:
    """A proven lower bound of `d`, or None. Variables are replaced by the end of their range that makes `d` least,
    innermost first (those on which no other range that is still to be used depends)."""
    if isinstance(d, int) or depth > DEPTH:
        return low(d)
    for s in _innermost(d, ranges):
        lo, hi = ranges[s]
        k = d.terms[s]
        rest = combine(d, Dim({s: 1}), -k)
        end = lo if k > 0 else combine(hi, 1, -1)
        bound = at_least(combine(rest, end, k), ranges, depth + 1)
        if bound is not None:
            return bound
    return low(d)


def _innermost(d: Dim, ranges: Ranges) -> list[Any]:
    mine = [s for s in d.terms if s in ranges]
    used = {t for s in mine for end in ranges[s] for t in symbols(end)}
    return [s for s in mine if s not in used] or mine


def within(i: DimLike, n: DimLike, ranges: Ranges) -> bool:
    """Is 0 <= i < n proven?"""
    below = at_least(i, ranges)
    above = at_least(combine(combine(n, i, -1), 1, -1), ranges)
    return below is not None and below >= 0 and above is not None and above >= 0


def differ(a: Sequence[DimLike], b: Sequence[DimLike], ranges: Ranges) -> bool:
    """Are the two cells proven to be different? (Some index differs by at least 1.)"""
    for x, y in zip(a, b, strict=True):
        for d in (combine(x, y, -1), combine(y, x, -1)):
            bound = at_least(d, ranges)
            if bound is not None and bound >= 1:
                return True
    return False
