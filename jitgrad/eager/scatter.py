"""Cells by index tensors along one axis: gather and scatter, `index_*`, take and put.

Indices are known before anything is recorded: their bounds are checked then, with PyTorch's messages.
"""

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
from .shapes import FULL, expand, reshape, view
from .tensor import Tensor
from .views import _diagonal, _index, _strided, put_kernel

INTEGERS = (dtypes.int32, dtypes.int64)


def with_axis(*xs: Any) -> list[Any]:
    """Tensors without axes with one."""
    return [view(x, 1) if isinstance(x, Tensor) and not x.shape else x for x in xs]


def check_integer(index: Tensor, name: str, text: str = "int32/int64") -> None:
    if index.dtype not in INTEGERS:
        raise RuntimeError(f"{name}(): Expected dtype {text} for index")


# ---- gather and scatter


def _mesh(index: Any, shape: tuple[int, ...], dim: int) -> tuple[Any, ...]:
    """The key that stands for (i, j, ...) with the index in the place of the number along `dim`."""
    own = [np.arange(n).reshape((n, *(1,) * (len(shape) - k - 1))) for k, n in enumerate(shape)]
    return tuple(index if k == dim else a for k, a in enumerate(own))


def _gather(x: Any, index: Any, shape: tuple[int, ...], dim: int) -> Any:
    return x[_mesh(index, shape, dim)]


def _gather_rows(x: Any, index: Any, dim: int) -> Any:
    return np.take_along_axis(x, index, dim)


def _choose_gather(x: Aval, index: Aval, dim: int) -> Kernel:
    if x.dtype.is_complex or any(n != m for k, (n, m) in enumerate(zip(x.shape, index.shape, strict=True)) if k != dim):
        return kernel(_gather, "Gather", (x.dtype,), shape=index.shape, dim=dim)
    return kernel(_gather_rows, "Gather", (x.dtype,), dim=dim)


def _cut(src: Any, shape: tuple[int, ...]) -> Any:
    """The part of the source that the index covers; numbers are as they are."""
    return src[tuple(slice(0, n) for n in shape)] if getattr(src, "ndim", 0) else src


def _scatter(x: Any, src: Any, index: Any, shape: tuple[int, ...], dim: int) -> Any:
    out = x.copy()
    out[_mesh(index, shape, dim)] = _cut(src, shape)
    return out


def _scatter_add(x: Any, src: Any, index: Any, shape: tuple[int, ...], dim: int) -> Any:
    out = x.copy()
    np.add.at(out, _mesh(index, shape, dim), _cut(src, shape))
    return out


def _scatter_op(name: str, body: Any, node: str) -> Op:
    def choose(x: Aval, src: Any, index: Aval, dim: int, node: str = node) -> Kernel:
        label = node + (".1" if not isinstance(src, Aval) and node == "Scatter" else "")
        return kernel(body, label, (x.dtype,), shape=index.shape, dim=dim)

    return Op(name, choose)


_gather_op = Op("gather", _choose_gather)
_put_op, _add_op = _scatter_op("scatter", _scatter, "Scatter"), _scatter_op("scatter_add", _scatter_add, "ScatterAdd")


def gather(x: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """out[i, j, ...] = x[i, ..., index[i, j, ...], ...]: along `dim`, the row that the index says.

    >>> import jitgrad.eager as torch
    >>> torch.tensor([[1, 2], [3, 4]]).gather(1, torch.tensor([[0, 0], [1, 0]]))
    tensor([[1, 1],
            [4, 3]])
    """
    at = axis_of(dim, len(x.shape))
    check_integer(index, "gather")
    if not x.shape and len(index.shape) < 2:
        return reshape(gather(view(x, 1), 0, *with_axis(index)), tuple(index.shape))
    if len(index.shape) != len(x.shape):
        raise RuntimeError("Index tensor must have the same number of dimensions as input tensor")
    for k, (n, m) in enumerate(zip(x.shape, index.shape, strict=True)):
        if m > n and k != at:
            raise RuntimeError(
                f"Size does not match at dimension {k} expected index {list(index.shape)} to be no larger than self "
                f"{list(x.shape)} apart from dimension {at}"
            )
    return _gather_op(x, in_bounds(index, at, x.shape[at], RuntimeError, wraps=False), dim=at)


def prepared(x: Tensor, dim: int, index: Tensor, src: Any, name: str) -> tuple[int, Tensor, Any]:
    """The axis, the index in bounds, and the source: checked."""
    at = axis_of(dim, len(x.shape))
    check_integer(index, name)
    if isinstance(src, Tensor):
        if src.dtype is not x.dtype:
            raise RuntimeError(f"{name}(): Expected self.dtype to be equal to src.dtype")
        if index.numel() and (len(index.shape) != len(x.shape) or len(src.shape) != len(x.shape)):
            raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")
    elif index.numel() and len(index.shape) != len(x.shape):
        raise RuntimeError("Index tensor must have the same number of dimensions as self tensor")
    elif not x.dtype.is_floating_point:
        src = owned(np.array(src), x.dtype)
    sources = src.shape if isinstance(src, Tensor) and src.shape else index.shape
    for k, (n, m) in enumerate(zip(x.shape, index.shape, strict=True)):
        if (m > n and k != at) or m > sources[k]:
            raise RuntimeError(
                f"Expected index {list(index.shape)} to be no larger than self {list(x.shape)} apart from dimension {at}"
                + (f" and to be no larger size than src {list(src.shape)}" if isinstance(src, Tensor) else "")
            )
    return at, in_bounds(index, at, x.shape[at], RuntimeError, wraps=False), src


def scatter(x: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None, reduce: str | None = None) -> Tensor:
    """x with src[i, j, ...] (or a number) at [i, ..., index[i, j, ...], ...]. reduce: "add" or "multiply" instead."""
    src = value if src is None else src
    if reduce is not None:
        if reduce not in ("add", "multiply"):
            raise RuntimeError("reduce argument must be either add or multiply.")
        if not isinstance(src, Tensor):
            src = owned(np.full(tuple(index.shape), src), x.dtype)
        return scatter_reduce(x, dim, index, src, "sum" if reduce == "add" else "prod")
    if not x.shape:
        return reshape(scatter(*with_axis(x, dim, index, src)), ())
    at, index, src = prepared(x, dim, index, src, "scatter")
    return _put_op(x, src, index, dim=at) if index.numel() else clone(x)


def scatter_add(x: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """x with src[i, j, ...] added at [i, ..., index[i, j, ...], ...]; repeated cells add up."""
    if not isinstance(src, Tensor):
        raise TypeError(f"scatter_add(): argument 'src' (position 3) must be Tensor, not {type(src).__name__}")
    if not x.shape:
        return reshape(scatter_add(*with_axis(x, dim, index, src)), ())
    at, index, src = prepared(x, dim, index, src, "scatter_add")
    return _add_op(x, src, index, dim=at) if index.numel() else clone(x)


def _grouped(x: Any, src: Any, table: Any, used: Any, shape: tuple[int, ...], how: str, include: bool) -> Any:
    """Every cell of x with the sources that its row of the table lists; the fold's neutral element where it lists none."""
    neutral, fold = GROUPS[how]
    own, flat = x.reshape(-1), _cut(src, shape).reshape(-1)
    found = np.where(used, flat[table], neutral)
    both = np.concatenate((own[:, None], found), axis=1) if include else found
    folded = fold(both, axis=1)
    out = folded if include else np.where(used[:, 0], folded, own)
    return out.reshape(x.shape).astype(x.dtype)


GROUPS = {"prod": (1.0, np.prod), "amax": (-np.inf, np.max), "amin": (np.inf, np.min)}
_grouped_op = Op(
    "scatter_reduce",
    lambda x, src, table, used, **options: kernel(_grouped, "ScatterReduce", (x.dtype,), **options),
)
REDUCES = ("sum", "prod", "mean", "amax", "amin")


def scatter_reduce(
    x: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """x with what src brings to each cell folded in: "sum", "prod", "mean", "amax" or "amin".

    include_self: the old value of a cell counts too; else cells to which nothing comes keep theirs.
    """
    if reduce not in REDUCES:
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    if x.dtype.is_complex or (not x.dtype.differentiable and reduce in GROUPS):
        raise NotImplementedError(f"scatter_reduce of {x.dtype} by {reduce}: convert to float64")
    if not x.shape:
        return reshape(scatter_reduce(*with_axis(x, dim, index, src, reduce), include_self=include_self), ())
    at, index, src = prepared(x, dim, index, src, "scatter")
    if not index.numel():
        return clone(x)
    places = np.ravel_multi_index(_mesh(known(index._value()), tuple(index.shape), at), tuple(x.shape)).reshape(-1)
    if reduce in GROUPS:
        table, used = grouped(places, x.numel())
        return _grouped_op(x, src, table, used, shape=tuple(index.shape), how=reduce, include=include_self)
    hits = np.bincount(places, minlength=x.numel()).reshape(tuple(x.shape))
    base = x if include_self else x * owned((hits == 0).astype(x.dtype.compute), x.dtype)
    out = _add_op(base, src, index, dim=at, node="ScatterReduce")
    if reduce == "sum":
        return out
    count = owned(np.maximum(hits + include_self, 1), x.dtype)
    return out / count if x.dtype.differentiable else out // count


def grouped(places: np.ndarray, cells: int) -> tuple[Tensor, Tensor]:
    """For each cell a row with the numbers of the sources that go there, and which of the row's entries there are."""
    counts = np.bincount(places, minlength=cells)
    order = np.argsort(places, kind="stable")
    start = np.cumsum(counts) - counts
    table = np.zeros((cells, max(int(counts.max()), 1)), np.int64)
    used = np.arange(table.shape[1]) < counts[:, None]
    table[places[order], np.arange(len(places)) - start[places[order]]] = order
    return owned(table, dtypes.int64), owned(used, dtypes.bool)


# ---- rows by an index tensor


def rows_of(index: Tensor, at: int, n: int, name: str, error: type[Exception] = IndexError) -> Tensor:
    """The numbers of rows: a vector, in bounds."""
    if index.dtype not in INTEGERS:
        raise RuntimeError(f"{name}(): Expected dtype int32 or int64 for index")
    if len(index.shape) > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector")
    return in_bounds(*with_axis(index), at, n, error, wraps=False)


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


def take_along_dim(x: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """As `gather`, where the index and x broadcast along the other axes, and negative indices count from the end."""
    if dim is None:
        x, indices, dim = reshape(x, -1), reshape(indices, -1), 0
    at = axis_of(dim, len(x.shape))
    if len(indices.shape) != len(x.shape):
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, but got "
            f"{len(x.shape)} dimensions for input, and {len(indices.shape)} dimensions for indices"
        )
    for k in reversed(range(len(x.shape))):
        if k != at and x.shape[k] != indices.shape[k] and 1 not in (x.shape[k], indices.shape[k]):
            raise RuntimeError(
                f"The size of tensor a ({x.shape[k]}) must match the size of tensor b ({indices.shape[k]}) at non-singleton "
                f"dimension {k}"
            )
    common = [max(a, b) if 0 not in (a, b) else 0 for a, b in zip(x.shape, indices.shape, strict=True)]
    mine, theirs = list(common), list(common)
    mine[at], theirs[at] = x.shape[at], indices.shape[at]
    return gather(expand(x, mine), at, expand(in_bounds(indices, at, x.shape[at], RuntimeError), theirs))


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
        return kernel(put_kernel(path, x.dtype).body, name, (x.dtype,), path=path)

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
    options = {"shape": tuple(size), "strides": tuple(stride), "offset": int(storage_offset or 0)}
    last = options["offset"] + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    if last >= math.prod(x.shape):
        raise RuntimeError(f"as_strided_scatter: cell {last} is outside of a tensor of {x.numel()} elements")
    return _strided_scatter(x, src, body=_strided, **options)


BOTH = {
    f.__name__: f for f in (scatter, scatter_add, scatter_reduce, index_add, index_copy, index_fill, put)
}  # also as in-place
PLAIN = {
    f.__name__: f
    for f in (
        gather, index_select, index_put, index_put_, take, take_along_dim, select_scatter, slice_scatter, diagonal_scatter,
        as_strided_scatter,
    )
}  # fmt: skip

__all__ = [
    "as_strided_scatter", "diagonal_scatter", "gather", "index_add", "index_copy", "index_fill", "index_put", "index_select",
    "put", "scatter", "scatter_add", "scatter_reduce", "select_scatter", "slice_scatter", "take", "take_along_dim",
]  # fmt: skip
