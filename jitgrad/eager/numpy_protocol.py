"""What NumPy asks of tensors: `__array__`, and `__array_ufunc__` for its functions cell by cell.

`np.sin(tensor)` is the operation of tensors: recorded, differentiable, its result a tensor. So is what PyTorch has no name for
but the tracer knows (`np.cbrt`, functions of `scipy.special`). What NumPy computes otherwise (`reduce`, `out=` an array,
functions that are not cell by cell) it computes on the memory, which a tensor that requires a gradient refuses.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import Unsupported
from . import creation, elementwise, linear, pointwise
from .interop import from_numpy
from .op import NUMBERS
from .tensor import Tensor

NAMES = {
    "absolute": "absolute", "subtract": "sub", "multiply": "mul", "divide": "div", "negative": "neg", "power": "pow",
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arctan2": "atan2", "arcsinh": "asinh", "arccosh": "acosh",
    "arctanh": "atanh", "equal": "eq", "not_equal": "ne", "less": "lt", "less_equal": "le", "greater": "gt",
    "greater_equal": "ge", "rint": "round", "expit": "sigmoid", "psi": "digamma", "gammaln": "lgamma",
}  # fmt: skip


@functools.cache
def operation(f: Any) -> Callable[..., Any] | None:
    """The operation of tensors that a ufunc is; None if it is none."""
    if f is np.matmul:
        return linear.matmul
    name = NAMES.get(f.__name__, f.__name__)
    found = getattr(pointwise, name, None)
    if callable(found) and name in (*pointwise.__all__, "absolute"):
        return found
    if f.nout == 1 and "f" * f.nin + "->f" in f.types:
        return elementwise.function(f.__name__, f) if f.nin == 1 else elementwise.arithmetic(f.__name__, f, floating=True)
    return None


def ufunc(self: Tensor, f: Any, way: str, *inputs: Any, **options: Any) -> Any:
    """`__array_ufunc__`."""
    op = operation(f) if way == "__call__" and not options else None
    if op is not None and not any(isinstance(x, Tensor) and x.dtype.is_complex for x in inputs):
        try:
            return op(*map(operand, inputs))
        except Unsupported:
            pass  # the tracer does not know it
    outs = options.get("out", ())
    arrays = {k: _array(v) if k != "out" else tuple(map(_array, v)) for k, v in options.items()}
    got = getattr(f, way)(*map(_array, inputs), **arrays)
    if outs:
        return outs[0] if len(outs) == 1 else outs
    return tuple(map(_tensor, got)) if isinstance(got, tuple) else _tensor(got)


def operand(x: Any) -> Any:
    """An input of a ufunc as operations take it."""
    if isinstance(x, Tensor) or type(x) in NUMBERS:
        return x
    if isinstance(x, np.generic):
        return x.item()
    return from_numpy(x) if isinstance(x, np.ndarray) else creation.tensor(x)


def _array(x: Any) -> Any:
    return x.numpy() if isinstance(x, Tensor) else x


def _tensor(x: Any) -> Any:
    return from_numpy(np.asarray(x)) if isinstance(x, (np.ndarray, np.generic)) else x


def array(self: Tensor, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
    """`__array__`: the memory of the tensor, or a copy where one is asked for."""
    found = self.numpy()
    if copy is False and dtype is not None and found.dtype != dtype:
        raise ValueError(f"Unable to avoid copy while creating an array of {np.dtype(dtype)} from a tensor of {self.dtype}")
    converted = found if dtype is None else found.astype(dtype, copy=False)
    return converted.copy() if copy and converted is found else converted


METHODS = {"__array__": array, "__array_ufunc__": ufunc}
