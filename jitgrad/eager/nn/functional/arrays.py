"""NumPy's functions on the sizes of what is traced, and SciPy's on traced arrays: NumPy and SciPy themselves would look for
numbers there. (Functions of arrays dispatch by themselves.)"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from ....front.dispatch import call


def arange(n: Any) -> Any:
    """0, 1, ... n - 1"""
    return call(np.arange, (n,), {})


def zeros(shape: tuple[Any, ...], like: Any) -> Any:
    """Zeros of a shape, with the dtype of an array."""
    return call(np.zeros, (shape, like.dtype), {})


def logistic(x: Any) -> Any:
    """1 / (1 + exp(-x))"""
    return call(special.expit, (x,), {})


def softmax(x: Any, axis: int) -> Any:
    """exp(x) divided by its sum over an axis."""
    return call(special.softmax, (x,), {"axis": axis})


def log_softmax(x: Any, axis: int) -> Any:
    """The logarithm of `softmax`."""
    return call(special.log_softmax, (x,), {"axis": axis})


def xlogy(x: Any, y: Any) -> Any:
    """x log(y), 0 where x is 0."""
    return call(special.xlogy, (x, y), {})
