"""Largest and smallest values, and where they are.

Along one axis the gradient goes to the place that was found (the first of equal ones); over all elements, and with `amax`, it is
shared evenly.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import dtypes, return_types
from .complexes import computed, refuse_complex
from .kernel import Aval, Kernel, kernel
from .op import Op
from .pointwise import maximum, minimum
from .reductions import axis_of, key, reduction
from .tensor import Tensor

# ---- bodies


def _found(x: Any, find: Any, axis: int, keepdim: bool) -> Any:
    """(the values, their places)"""
    if not x.ndim:
        return x.copy(), np.zeros((), np.int64)
    at = np.expand_dims(find(x, axis=axis), axis)
    values = np.take_along_axis(x, at, axis)
    return (values, at) if keepdim else (np.squeeze(values, axis), np.squeeze(at, axis))


def _place(x: Any, find: Any, axis: int | None, keepdim: bool) -> Any:
    if not x.ndim:
        return np.zeros((), np.int64)
    return find(x, axis=axis, keepdims=keepdim)


def _both(x: Any, axis: int | None, keepdim: bool) -> Any:
    if not x.ndim:
        return x.copy(), x.copy()
    return np.min(x, axis=axis, keepdims=keepdim), np.max(x, axis=axis, keepdims=keepdim)


# ---- choosing


def _checked_axis(name: str, t: Aval, dim: int) -> int:
    axis = axis_of(dim, len(t.shape))
    if t.shape and not t.shape[axis]:
        raise IndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")
    return axis


def _with_places(name: str, find: Any) -> Op:
    def choose(t: Aval, dim: int, keepdim: bool) -> Kernel:
        refuse_complex(name, (t,))
        axis = _checked_axis(name, t, dim)
        out = (t.dtype, dtypes.int64)
        return kernel(_found, name.capitalize(), out, find=find, axis=axis, keepdim=bool(keepdim))

    return Op(name, choose, several=True)


def _place_of(name: str, find: Any) -> Op:
    def choose(t: Aval, dim: int | None = None, keepdim: bool = False) -> Kernel:
        if dim is None and 0 in t.shape:
            raise IndexError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0.")
        if t.dtype is dtypes.bool:
            raise RuntimeError(f"{name}(): does not support bool input")
        axis = None if dim is None else _checked_axis(name, t, dim)
        return computed(_place, name, (t,), t.dtype, dtypes.int64, find=find, axis=axis, keepdim=bool(keepdim))

    return Op(name, choose)


_max_at, _min_at = _with_places("max", np.argmax), _with_places("min", np.argmin)
_argmax, _argmin = _place_of("argmax", np.argmax), _place_of("argmin", np.argmin)
_max, _min = reduction("max", np.max, "same", "Max.1", saves="result"), reduction("min", np.min, "same", "Min.1", saves="result")
_amax, _amin = reduction("amax", np.max, "same", saves="result"), reduction("amin", np.min, "same", saves="result")


def _extreme(name: str, whole: Op, along: Op, pairwise: Op) -> Any:
    kind = getattr(return_types, name)

    def apply(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
        if dim is None and other is None:
            if not input.numel():
                raise RuntimeError(
                    f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with "
                    "the 'dim' argument."
                )
            return whole(input)
        if isinstance(dim, Tensor) or other is not None:
            return pairwise(input, dim if other is None else other)
        return kind(*along(input, dim=dim, keepdim=keepdim))

    apply.__name__ = name
    apply.__doc__ = f"""The {name}imum: `{name}(x)` of all; `{name}(x, dim)` along an axis as (values, indices); `{name}(x, y)` of
    each pair.

    >>> import jitgrad.eager as torch
    >>> torch.{name}(torch.tensor([3.0, 3.0])).item()
    3.0
    """
    return apply


max = _extreme("max", _max, _max_at, maximum)
min = _extreme("min", _min, _min_at, minimum)


def amax(input: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
    """The largest values over the axes `dim` (all, if none is given)."""
    return _amax(input, dim=key(dim), keepdim=keepdim)


def amin(input: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
    """The smallest values over the axes `dim` (all, if none is given)."""
    return _amin(input, dim=key(dim), keepdim=keepdim)


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the largest value stands: along an axis, or in the flattened tensor."""
    return _argmax(input, dim=dim, keepdim=keepdim)


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the smallest value stands: along an axis, or in the flattened tensor."""
    return _argmin(input, dim=dim, keepdim=keepdim)


def _choose_both(t: Aval, dim: int | None, keepdim: bool) -> Kernel:
    refuse_complex("aminmax", (t,))
    axis = None if dim is None else _checked_axis("aminmax", t, dim)
    return kernel(_both, "Aminmax", (t.dtype, t.dtype), axis=axis, keepdim=bool(keepdim))


_aminmax = Op("aminmax", _choose_both, several=True)


def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> Any:
    """(the smallest values, the largest values): of all, or along an axis."""
    return return_types.aminmax(*_aminmax(input, dim=dim, keepdim=keepdim))

__all__ = ["amax", "amin", "aminmax", "argmax", "argmin", "max", "min"]
