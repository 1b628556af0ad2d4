"""Sums and their kin: PyTorch's `dim` and `keepdim`."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import dtypes
from .kernel import Aval, Kernel
from .op import Op, converted
from .tensor import Tensor

Dims = int | tuple[int, ...] | None


def dims_of(dim: Any, rank: int) -> tuple[int, ...] | None:
    """The axes, counted from the front; None for all."""
    if dim is None or dim == () or dim == []:
        return None
    return tuple(axis_of(d, rank) for d in (dim if isinstance(dim, (tuple, list)) else (dim,)))


def axis_of(dim: int, rank: int) -> int:
    """One axis, counted from the front. A tensor without axes has one for this purpose."""
    wide = max(rank, 1)
    if not -wide <= dim < wide:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-wide}, {wide - 1}], but got {dim})")
    return int(dim) % wide


def _reduced(x: Any, fold: Any, dim: Any, keepdim: bool, options: tuple[tuple[str, Any], ...] = ()) -> Any:
    if not x.ndim:
        return fold(x.reshape(1), **dict(options)).reshape(())
    return fold(x, axis=dim, keepdims=keepdim, **dict(options))


def reduction(name: str, f: Any, result: str, node: str = "", saves: str = "") -> Op:
    """result: "sum" (integers and bools become int64), "float" (they become floats), "same" or "bool"."""

    def choose(t: Aval, dim: Any = None, keepdim: bool = False, dtype: Any = None, **options: Any) -> Kernel:
        to = dtype or RESULT[result](t.dtype)
        axes = dims_of(dim, len(t.shape))
        out = dtypes.bool if result == "bool" else None
        inside = dtypes.bool if result == "bool" else to
        return converted(
            _reduced, node or name.capitalize(), (t,), inside, out, saves,
            fold=f, dim=axes, keepdim=bool(keepdim), options=tuple(options.items()),
        )  # fmt: skip

    return Op(name, choose)


RESULT = {
    "sum": lambda d: d if d.rank >= dtypes.FLOAT else dtypes.int64,
    "float": lambda d: d if d.rank >= dtypes.FLOAT else dtypes.get_default_dtype(),
    "same": lambda d: d,
    "bool": lambda d: dtypes.bool,
}

_sum = reduction("sum", np.sum, "sum")
_mean = reduction("mean", np.mean, "float")
_amax = reduction("amax", np.max, "same", saves="result")
_amin = reduction("amin", np.min, "same", saves="result")


def key(dim: Any) -> Any:
    """A list of axes as a tuple, so that it can be a key."""
    return tuple(dim) if isinstance(dim, list) else dim


def sum(x: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The sum over all axes, or over `dim`."""
    return _sum(x) if dim is None and dtype is None else _sum(x, dim=key(dim), keepdim=keepdim, dtype=dtype)


def mean(x: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The mean over all axes, or over `dim`."""
    if dtype is None and x.dtype.rank < dtypes.FLOAT:
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: "
            f"{x.dtype.legacy}"
        )
    return _mean(x) if dim is None and dtype is None else _mean(x, dim=key(dim), keepdim=keepdim, dtype=dtype)

__all__ = ["mean", "sum"]
