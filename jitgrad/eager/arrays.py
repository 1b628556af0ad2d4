"""NumPy's functions on the sizes of what is traced, and SciPy's on traced arrays: NumPy and SciPy themselves would look for
numbers there. (NumPy's functions of arrays dispatch by themselves.)

SciPy is imported by the first of its functions that is traced: that takes as long as a third of this package.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from ..api.public import stop_gradient
from ..front.dispatch import call


def arange(n: Any) -> Any:
    """0, 1, ... n - 1"""
    return call(np.arange, (n,), {})


def zeros(shape: tuple[Any, ...], like: Any) -> Any:
    """Zeros of a shape, with the dtype of an array."""
    return call(np.zeros, (shape, like.dtype), {})


def flat_where(none: Any, x: Any) -> Any:
    """x, without a slope where `none` says so: there the slope would be 0 times infinity, and is 0."""
    return np.where(none, stop_gradient(x), x)


def of_scipy(name: str) -> Callable[..., Any]:
    """A function of `scipy.special`."""

    def body(*xs: Any, **options: Any) -> Any:
        return call(getattr(importlib.import_module("scipy.special"), name), xs, options)

    body.__name__, body.__doc__ = name, f"scipy.special.{name}"
    return body


digamma, entr, erf, erfc, expit, gammaln = map(of_scipy, ("digamma", "entr", "erf", "erfc", "expit", "gammaln"))
log_softmax, logsumexp, ndtr, polygamma = map(of_scipy, ("log_softmax", "logsumexp", "ndtr", "polygamma"))
softmax, xlog1py, xlogy = map(of_scipy, ("softmax", "xlog1py", "xlogy"))
