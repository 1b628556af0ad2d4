"""Cells by index tensors along one axis: gather and scatter.

Indices are known before anything is recorded: their bounds are checked then, with PyTorch's messages.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import dtypes
from .creation import owned
from .elementwise import clone
from .indexing import in_bounds
from .kernel import Aval, Kernel, kernel
from .op import Op, check_shapes
from .reductions import axis_of
from .run import known
from .shapes import expand, reshape, view
from .tensor import Tensor

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
    elif type(src) is complex and not x.dtype.is_complex:
        raise RuntimeError(f"value cannot be converted to type {x.dtype.spoken} without overflow")
    elif not x.dtype.is_floating_point:
        src = owned(np.full(index.shape if x.dtype.is_complex else (), src), x.dtype)
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


GROUPS: dict[str, tuple[float, Any]] = {"prod": (1.0, np.prod), "amax": (-np.inf, np.max), "amin": (np.inf, np.min)}
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
    if reduce in GROUPS and (x.dtype.is_complex or not x.dtype.differentiable):
        repair = "only sums and means are available here" if x.dtype.is_complex else "convert to float64"
        raise NotImplementedError(f"scatter_reduce of {x.dtype} by {reduce}: {repair}")
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
    check_shapes([(*s[:at], 1, *s[at + 1 :]) for s in (x.shape, indices.shape)])
    common = [max(a, b) if 0 not in (a, b) else 0 for a, b in zip(x.shape, indices.shape, strict=True)]
    mine, theirs = list(common), list(common)
    mine[at], theirs[at] = x.shape[at], indices.shape[at]
    return gather(expand(x, mine), at, expand(in_bounds(indices, at, x.shape[at], RuntimeError), theirs))


BOTH = {f.__name__: f for f in (scatter, scatter_add, scatter_reduce)}  # also in place
PLAIN = {f.__name__: f for f in (gather, take_along_dim)}

__all__ = ["gather", "scatter", "scatter_add", "scatter_reduce", "take_along_dim"]
