"""jitgrad: derivatives of plain Python and NumPy functions, compiled by Numba, in source one can read.

>>> import numpy as np, jitgrad as jg
>>> @jg.value_and_grad
... def loss(w):
...     return np.sum(np.sin(w) + 0.5 * w * w)
>>> loss(np.zeros(3))
(np.float64(0.0), array([1., 1., 1.]))
"""

import importlib
from typing import Any

from . import errors
from .api import (
    checkpoint,
    custom_vjp,
    grad,
    hessian,
    hvp,
    jacobian,
    jit,
    jvp,
    memory_plan,
    stop_gradient,
    value_and_grad,
    vjp,
    vmap,
)
from .emit import cache
from .front.tree import register

__version__ = "0.1.0"

__all__ = ["cache", "check", "checkpoint", "custom_vjp", "errors", "grad", "hessian", "hvp", "jacobian", "jit", "jvp"]
__all__ += ["memory_plan", "register", "stop_gradient", "value_and_grad", "vjp", "vmap"]


def __getattr__(name: str) -> Any:
    """`jitgrad.check` loads when it is asked for."""
    if name == "check":
        return importlib.import_module("jitgrad.check")
    raise AttributeError(f"module 'jitgrad' has no attribute {name!r}")
