"""What is known about integers while a program is rewritten: comparisons that are decided, ranges of remainders.

With these, indices such as `(i + 1) % n` need no check, and loops around them may be moved and joined.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..ir.affine import at_least
from ..ir.core import I64, Atom, dim_of
from ..ir.dims import DimLike, combine

Ranges = Mapping[Any, tuple[DimLike, DimLike]]


def decided(name: str, atoms: Sequence[Atom], ranges: Ranges) -> bool | None:
    """Is the comparison true, or false, whatever the sizes and indices are? None: that depends."""
    rule = _COMPARE.get(name)
    if rule is None or any(a.type != I64 for a in atoms):
        return None
    a, b = map(dim_of, atoms)
    less, more = least(combine(b, a, -1), ranges), least(combine(a, b, -1), ranges)
    return rule(less, more)


def least(d: DimLike, ranges: Ranges) -> int:
    """A lower bound."""
    bound = at_least(d, ranges)
    return -(1 << 62) if bound is None else bound


def _opposite(rule: Callable[[int, int], bool | None]) -> Callable[[int, int], bool | None]:
    def not_(less: int, more: int) -> bool | None:
        out = rule(less, more)
        return None if out is None else not out

    return not_


def _lt(less: int, more: int) -> bool | None:
    return True if less >= 1 else False if more >= 0 else None


def _eq(less: int, more: int) -> bool | None:
    return False if less >= 1 or more >= 1 else None


# Of a and b: the least that b - a and a - b can be.
_COMPARE: dict[str, Callable[[int, int], bool | None]] = {
    "lt": _lt,
    "ge": _opposite(_lt),
    "gt": lambda less, more: _lt(more, less),
    "le": _opposite(lambda less, more: _lt(more, less)),
    "eq": _eq,
    "ne": _opposite(_eq),
}


def range_of(name: str, atoms: Sequence[Atom], ranges: Ranges) -> tuple[DimLike, DimLike] | None:
    """The range of the result of a statement: of x % n, with n positive."""
    if name != "mod" or any(a.type != I64 for a in atoms):
        return None
    n = dim_of(atoms[1])
    return (0, n) if positive(n, ranges) else None


def positive(n: DimLike, ranges: Ranges) -> bool:
    """n > 0: proven, or because a loop around runs, which has at most n iterations."""
    return least(n, ranges) >= 1 or any(least(combine(n, combine(hi, lo, -1), -1), ranges) >= 0 for lo, hi in ranges.values())
