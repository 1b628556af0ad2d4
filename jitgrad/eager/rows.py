"""Rows and cells by lists of their numbers: `index_*`, take and put; and a part of a tensor replaced."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import dtypes
from .creation import owned
from .elementwise import clone
from .indexing import MASKS, in_bounds, put_at, put_tensors
from .indexing import take as take_rows
from .kernel import Aval, Kernel, kernel
from .op import Op
from .pointwise import mul
from .reductions import axis_of
from .run import known
from .scatter import check_integer, with_axis
from .shapes import FULL, expand, reshape, view
from .tensor import Tensor
from .views import _diagonal, _index, _strided, put_kernel

# ---- rows by an index tensor


def rows_of(index: Tensor, at: int, n: int, name: str, error: type[Exception] = IndexError) -> Tensor:
    """The numbers of rows: a vector, in bounds."""
    check_integer(index, name, "int32 or int64")
    if len(index.shape) > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector")
    return in_bounds(with_axis(index)[0], at, n, error, wraps=False)


def index_select(x: Tensor, dim: int, index: Tensor) -> Tensor:
    """The rows along `dim` that the index lists."""
    at = axis_of(dim, len(x.shape))
    if not x.shape:
        return reshape(index_select(view(x, 1), 0, index), ())
    try:
        rows = rows_of(index, at, x.shape[at], "index_select")
    except IndexError as e:
        raise IndexError("index out of range in self" if "out of bounds" in str(e) else str(e)) from None
    return take_rows(x, rows, places=(at,), name="IndexSelect")


def index_add(x: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """x with the rows of the source added to the rows that the index lists."""
    at = axis_of(dim, len(x.shape))
    if source.dtype is not x.dtype:
        raise RuntimeError(
            f"index_add_(): self ({x.dtype.legacy}) and source ({source.dtype.legacy}) must have the same scalar type"
        )
    x_, source = with_axis(x, source)
    rows = rows_of(index, at, x_.shape[at], "index_add_", RuntimeError)
    if source.shape[at] != rows.numel():
        raise RuntimeError(
            f"index_add_(): Number of indices ({rows.numel()}) should be equal to source.size(dim): ({source.shape[at]}), for "
            f"dim: {at}"
        )
    if without(x_.shape, at) != without(source.shape, at):
        raise RuntimeError(
            "source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = "
            f"{list(x.shape)} source.shape = {list(source.shape)}"
        )
    source = source if alpha == 1 else mul(source, alpha)
    return reshape_like(put_at(x_, source, rows, places=(at,), add=True, name="IndexAdd"), x)


def without(shape: Sequence[int], at: int) -> tuple[int, ...]:
    return (*shape[:at], *shape[at + 1 :])


def reshape_like(y: Tensor, x: Tensor) -> Tensor:
    return y if y.shape == x.shape else reshape(y, tuple(x.shape))


def index_copy(x: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """x with the rows of the source in the place of the rows that the index lists."""
    at = axis_of(dim, len(x.shape))
    x_, source = with_axis(x, source)
    if source.dtype is not x.dtype:
        raise RuntimeError(
            f"index_copy_(): self and source expected to have the same dtype, but got (self) {x.dtype.legacy} and (source) "
            f"{source.dtype.legacy}"
        )
    if without(x_.shape, at) != without(source.shape, at):
        mine, theirs = (" ".join(map(str, without(s, at))) for s in (x_.shape, source.shape))
        raise RuntimeError(
            f"index_copy_(): Source/destination tensor must have same slice shapes. Destination slice shape: {mine} at "
            f"dimension {at} and source slice shape: {theirs} at dimension 0."
        )
    rows = rows_of(index, at, x_.shape[at], "index_copy_")
    if source.shape[at] != rows.numel():
        raise IndexError(
            f"index_copy_(): Number of indices ({rows.numel()}) should be equal to source.size(dim) ({source.shape[at]})"
        )
    return reshape_like(put_at(x_, source, rows, places=(at,), name="IndexCopy"), x)


def index_fill(x: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """x with one value in the rows that the index lists."""
    at = axis_of(dim, len(x.shape))
    if isinstance(value, Tensor) and value.shape:
        raise RuntimeError(
            f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with {len(value.shape)} dimension(s)."
        )
    name = "IndexFill.1" if isinstance(value, Tensor) else "IndexFill"
    new = value.to(x.dtype) if isinstance(value, Tensor) else owned(np.array(value), x.dtype)
    x_ = with_axis(x)[0]
    rows = rows_of(index, at, x_.shape[at], "index_fill_")
    shape = (*x_.shape[:at], rows.numel(), *x_.shape[at + 1 :])
    return reshape_like(put_at(x_, expand(new, shape), rows, places=(at,), name=name), x)


def listed(indices: Any) -> list[tuple[int, Tensor]]:
    """Index tensors with the axes they begin at; None stands for all of an axis."""
    if isinstance(indices, Tensor):
        raise TypeError("index_put(): argument 'indices' (position 1) must be tuple of Tensors, not Tensor")
    out, at = [], 0
    for t in indices:
        if t is not None:
            out.append((at, t))
        at += max(len(t.shape), 1) if t is not None and t.dtype in MASKS else 1
    return out


def index_put(x: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """x with values at the cells that the index tensors (one for each axis) point to; accumulate: added, repeated cells too."""
    return index_put_(clone(x), indices, values, accumulate)


def index_put_(x: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """Write values at the cells that the index tensors point to."""
    return put_tensors(x, listed(indices), values, None, accumulate)


# ---- all numbers as one row


def flat_index(x: Tensor, index: Tensor, name: str) -> Tensor:
    if index.dtype is not dtypes.int64:
        raise RuntimeError(f"{name}(): Expected a long tensor for index, but got {index.dtype.legacy}")
    values, n = known(index._value()), x.numel()
    if values.size and not (-n <= values.min() and values.max() < n):
        bad = int(values.max()) if values.max() >= n else int(values.min())
        raise IndexError(f"out of range: tried to access index {bad} on a tensor of {n} elements.")
    return in_bounds(index, 0, n)


def take(x: Tensor, index: Tensor) -> Tensor:
    """The numbers at these places, all numbers of x as one row."""
    return take_rows(reshape(x, -1), flat_index(x, index, "take"), places=(0,), name="Take")


def put(x: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """x with the source at these places, all numbers of x as one row."""
    at = flat_index(x, index, "put_")
    if source.numel() != index.numel():
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got source.numel() = "
            f"{source.numel()}, index.numel() = {index.numel()}"
        )
    if source.dtype is not x.dtype:
        raise RuntimeError(
            f"put_(): self and source expected to have the same dtype, but got self.dtype = {x.dtype.legacy} and source.dtype = "
            f"{source.dtype.legacy}"
        )
    return _put_flat(x, source, at, add=bool(accumulate))


def _flat_put(x: Any, source: Any, at: Any, add: bool, tail: bool) -> Any:
    end = (2,) if tail else ()
    out = x.copy().reshape((-1, *end))
    if add:
        np.add.at(out, at.reshape(-1), source.reshape((-1, *end)))
    else:
        out[at.reshape(-1)] = source.reshape((-1, *end))
    return out.reshape(x.shape)


_put_flat = Op("put", lambda x, s, at, add: kernel(_flat_put, "Put", (x.dtype,), add=add, tail=x.dtype.is_complex))


# ---- a part replaced


def _scattered(name: str) -> Op:
    """A new tensor: the old one with what a view of it shows replaced."""

    def choose(x: Aval, src: Aval, body: Any, **options: Any) -> Kernel:
        path = (kernel(body, "", (x.dtype,) if x.dtype.is_complex else None, **options),)
        wanted = path[0].infer((x,))[0]
        if src.shape != wanted.shape:
            raise RuntimeError(
                f"expected src to have a size equal to the slice of self. src size = {list(src.shape)}, slice size = "
                f"{list(wanted.shape)}"
            )
        return kernel(put_kernel(path, x, wanted).body, name, (x.dtype,), path=path)

    return Op(name, choose)


_select_scatter, _slice_scatter = _scattered("SelectScatter"), _scattered("SliceScatter")
_diagonal_scatter, _strided_scatter = _scattered("DiagonalScatter"), _scattered("AsStridedScatter")


def select_scatter(x: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """x with one row along `dim` replaced."""
    at = axis_of(dim, len(x.shape))
    if not -x.shape[at] <= index < x.shape[at]:
        raise IndexError(f"select(): index {index} out of range for tensor of size {list(x.shape)} at dimension {at}")
    return _select_scatter(x, src, body=_index, key=(*(FULL,) * at, int(index)))


def slice_scatter(
    x: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """x with a slice along `dim` replaced."""
    key = (*(FULL,) * axis_of(dim, len(x.shape)), ("slice", start, end, step))
    return _slice_scatter(x, src, body=_index, key=key)


def diagonal_scatter(x: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """x with a diagonal replaced."""
    a, b = axis_of(dim1, len(x.shape)), axis_of(dim2, len(x.shape))
    length = max(min(x.shape[a] + min(offset, 0), x.shape[b] - max(offset, 0)), 0)
    options = {"offset": offset, "axis1": a, "axis2": b, "length": length, "tail": x.dtype.is_complex}
    return _diagonal_scatter(x, src, body=_diagonal, **options)


def as_strided_scatter(
    x: Tensor, src: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """x, whose memory is contiguous, with cells replaced that are given by their strides."""
    offset = int(storage_offset or 0)
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if last >= math.prod(x.shape):
        raise RuntimeError(f"as_strided_scatter: cell {last} is outside of a tensor of {x.numel()} elements")
    return _strided_scatter(x, src, body=_strided, shape=tuple(size), strides=tuple(stride), offset=offset)


BOTH = {f.__name__: f for f in (index_add, index_copy, index_fill, put)}  # also in place
PLAIN = {
    f.__name__: f
    for f in (
        index_select, index_put, index_put_, take, select_scatter, slice_scatter, diagonal_scatter, as_strided_scatter,
    )
}  # fmt: skip

__all__ = [
    "as_strided_scatter", "diagonal_scatter", "index_add", "index_copy", "index_fill", "index_put", "index_select", "put",
    "select_scatter", "slice_scatter", "take",
]  # fmt: skip
