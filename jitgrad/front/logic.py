"""`and`, `or` and chained comparisons of conditions that the program computes: the second is computed only if it is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .merge import both, chosen
from .standin import Scalar
from .truth import opposite, truth


def conjunction(t: Scalar, first: Any, second: Callable[..., Any]) -> Any:
    """`first and second()`, where t is the truth of `first`."""
    if t is first or _is_bool(first):
        quick = both(t, second)
        if quick is not None:
            return quick
        return chosen(t, lambda *_: _bool(second()), lambda *_: False)
    return chosen(t, second, lambda *_: first)


def disjunction(t: Scalar, first: Any, second: Callable[..., Any]) -> Any:
    """`first or second()`"""
    if t is first or _is_bool(first):
        quick = both(opposite(t), lambda *_: _not(second()))
        if quick is not None:
            return opposite(quick) if isinstance(quick, Scalar) else not quick
        return chosen(t, lambda *_: True, lambda *_: _bool(second()))
    return chosen(t, lambda *_: first, second)


def _is_bool(x: Any) -> bool:
    return isinstance(x, Scalar) and x._dtype() == "bool"


def _bool(x: Any) -> Any:
    """The operand as it is, unless only its truth can be merged with a bool."""
    return x if isinstance(x, (bool, Scalar)) else truth(x)


def _not(x: Any) -> Any:
    t = truth(x)
    return opposite(t) if isinstance(t, Scalar) else not t
