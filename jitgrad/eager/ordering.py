"""Order: sorting, medians, the largest k, what occurs how often.

The order depends on the values, so it is found at once, with NumPy; what is recorded is the choice of the cells, which has a
gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import dtypes, return_types
from .complexes import reals
from .creation import owned
from .engine import ruleless
from .joining import stack
from .kernel import Aval, Kernel, kernel
from .op import Op
from .reductions import axis_of
from .tensor import Tensor

# ---- choosing cells along an axis


def _choose_cells(t: Aval, at: Aval, node: str, axis: int, keepdim: bool) -> Kernel:
    return kernel(_chosen, node, (t.dtype,), axis=axis, keepdim=bool(keepdim))


def _chosen(x: Any, at: Any, axis: int, keepdim: bool) -> Any:
    if not x.ndim:
        return x.copy()
    out = np.take_along_axis(x, at, axis)
    return out if keepdim else np.squeeze(out, axis)


_cells = Op("order", _choose_cells)


def cells(name: str, x: Tensor, at: np.ndarray, axis: int, keepdim: bool = True, node: str = "") -> tuple[Tensor, Tensor]:
    """(the cells of x at these places along an axis, the places)"""
    where = owned(np.asarray(at, np.int64), dtypes.int64)
    chosen = _cells(x, where, node=node or name.capitalize(), axis=axis, keepdim=keepdim)
    return chosen, owned(np.asarray(at if keepdim or not x.shape else np.squeeze(at, axis), np.int64), dtypes.int64)


def looked_at(name: str, input: Tensor, dim: int, picks: bool = False) -> tuple[np.ndarray, int]:
    """The numbers and the axis. picks: one number of each row is wanted, so that there must be one."""
    axis = axis_of(dim, len(input.shape))
    if picks and input.shape and not input.shape[axis]:
        raise IndexError(f"{name}(): Expected reduction dim {axis} to have non-zero size.")
    return np.atleast_1d(reals(name, input)), axis


def order(x: np.ndarray, axis: int, descending: bool) -> np.ndarray:
    """The places in order; equal ones stay in theirs. NaN is the largest."""
    if not descending:
        return np.argsort(x, axis=axis, kind="stable")
    back = np.flip(x, axis)
    return x.shape[axis] - 1 - np.flip(np.argsort(back, axis=axis, kind="stable"), axis)


def shaped(at: np.ndarray, input: Tensor) -> np.ndarray:
    """Without the axis that a tensor without axes was given."""
    return at if input.shape else at.reshape(())


# ---- sorting


def sort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """(values in order along an axis, where they were). Equal ones stay in their order.

    >>> import jitgrad.eager as torch
    >>> torch.sort(torch.tensor([3, 1, 2])).values
    tensor([1, 2, 3])
    """
    x, axis = looked_at("sort", input, dim)
    return return_types.sort(*cells("sort", input, shaped(order(x, axis, descending), input), axis))


def argsort(input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """Where the values in order along an axis are."""
    x, axis = looked_at("argsort", input, dim)
    return owned(shaped(order(x, axis, descending), input), dtypes.int64)


def msort(input: Tensor) -> Tensor:
    """The values in order along the first axis."""
    return sort(input, 0)[0]


def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """The k largest (or smallest) values along an axis, in order, and their places."""
    x, axis = looked_at("topk", input, dim)
    if not 0 <= k <= x.shape[axis]:
        raise RuntimeError("selected index k out of range")
    at = np.take(order(x, axis, largest), np.arange(k), axis)
    return return_types.topk(*cells("topk", input, shaped(at, input), axis))


def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """The k-th smallest value along an axis, and its place."""
    x, axis = looked_at("kthvalue", input, dim, picks=True)
    if not 1 <= k <= x.shape[axis]:
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {axis}")
    at = np.take(order(x, axis, False), [k - 1], axis)
    return return_types.kthvalue(*cells("kthvalue", input, shaped(at, input), axis, keepdim))


# ---- the middle


def _middle(x: np.ndarray, axis: int, skip_nan: bool) -> np.ndarray:
    """Where the lower median is; a NaN, if there is one and it is not skipped."""
    places, nans = order(x, axis, False), np.isnan(x).sum(axis=axis, keepdims=True)
    n = x.shape[axis]
    of = np.where(nans > 0, n - 1, (n - 1) // 2) if not skip_nan else np.maximum(n - nans - 1, 0) // 2
    return np.take_along_axis(places, of, axis)


def _median(name: str, node: str, skip_nan: bool) -> Callable[..., Any]:
    kind = getattr(return_types, name)

    def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
        if dim is None:
            flat = input.reshape(-1)
            if not input.numel():
                return owned(np.array(np.nan), input.dtype)
            return cells(name, flat, _middle(reals(name, flat), 0, skip_nan), 0, False, node)[0]
        x, axis = looked_at(name, input, dim, picks=True)
        return kind(*cells(name, input, shaped(_middle(x, axis, skip_nan), input), axis, keepdim, node + ".1"))

    median.__name__ = name
    which = " of those that are no NaN" if skip_nan else ""
    median.__doc__ = f"The lower of the two middle values{which}: of all, or along an axis with its place."
    return median


median, nanmedian = _median("median", "Median", False), _median("nanmedian", "Nanmedian", True)


def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """The value that occurs most often along an axis (the smallest of those), and its last place."""
    x, axis = looked_at("mode", input, dim, picks=True)
    rows = np.moveaxis(x, axis, -1)
    at = np.empty((*rows.shape[:-1], 1), np.int64)
    for k in np.ndindex(*rows.shape[:-1]):
        found, counts = np.unique(rows[k], return_counts=True)
        at[k] = np.flatnonzero(rows[k] == found[counts.argmax()])[-1]
    return return_types.mode(*cells("mode", input, shaped(np.moveaxis(at, -1, axis), input), axis, keepdim))


def quantile(input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear") -> Tensor:
    """The value below which a part q of the numbers lies, between neighbours by interpolation: of all, or along an axis."""
    if not input.dtype.is_floating_point:
        raise RuntimeError("quantile() input tensor must be either float or double dtype")
    if isinstance(q, Tensor) and q.shape:
        from_each = [quantile(input, float(v), dim, keepdim, interpolation=interpolation) for v in q.tolist()]
        return stack(from_each)
    if not input.numel():
        raise RuntimeError("quantile() input tensor must be non-empty")
    part = float(q)
    if not 0 <= part <= 1:
        raise RuntimeError(f"quantile() q must be in the range [0, 1] but got {part:g}")
    x = input.reshape(-1) if dim is None else input
    values, axis = looked_at("quantile", x, 0 if dim is None else dim)
    places, n = order(values, axis, False), values.shape[axis]
    low, high, weight = WAYS[interpolation](part * (n - 1))
    spoilt = np.isnan(values).any(axis, keepdims=True)
    at = [np.take_along_axis(places, np.where(spoilt, n - 1, k), axis) for k in (low, high)]
    ends = [cells("quantile", x, shaped(k, x), axis, keepdim, "Lerp")[0] for k in at]
    out = ends[0].lerp(ends[1], weight)
    return out.reshape((1,) * len(input.shape)) if dim is None and keepdim else out


# (lower place, upper place, weight of the upper one)
WAYS: dict[str, Callable[[float], tuple[int, int, float]]] = {
    "linear": lambda p: (int(p), int(np.ceil(p)), p - int(p)),
    "lower": lambda p: (int(p), int(p), 0.0),
    "higher": lambda p: (int(np.ceil(p)), int(np.ceil(p)), 0.0),
    "nearest": lambda p: (int(np.round(p)), int(np.round(p)), 0.0),
    "midpoint": lambda p: (int(p), int(np.ceil(p)), 0.5 if p != int(p) else 0.0),
}


# ---- the largest so far


def _so_far(name: str, better: Any) -> Callable[..., Any]:
    kind = getattr(return_types, name)

    def found(input: Tensor, dim: int) -> Any:
        x, axis = looked_at(name, input, dim)
        rows = np.moveaxis(x, axis, -1)
        at = np.zeros(rows.shape, np.int64)
        best = rows[..., 0] if rows.shape[-1] else rows.sum(-1)
        for k in range(1, rows.shape[-1]):
            now = rows[..., k]
            take = np.isnan(now) | (~np.isnan(best) & better(now, best))
            at[..., k] = np.where(take, k, at[..., k - 1])
            best = np.where(take, now, best)
        return kind(*cells(name, input, shaped(np.moveaxis(at, -1, axis), input), axis))

    found.__name__ = name
    found.__doc__ = f"The {name[3:]}imum of the elements so far along an axis, and where it is (the last of equal ones)."
    return found


cummax, cummin = _so_far("cummax", np.greater_equal), _so_far("cummin", np.less_equal)

# ---- counting: no gradient


def unique(
    input: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The different values in order (or slices along an axis); with them, which of them each was, and how often each occurs."""
    axis = None if dim is None else axis_of(dim, len(input.shape))
    values, inverse, counts = np.unique(reals("unique", input), return_inverse=True, return_counts=True, axis=axis)
    inverse = inverse.reshape(input.shape if dim is None else -1)
    return _several(input, "_unique2", values, inverse if return_inverse else None, counts if return_counts else None)


def unique_consecutive(input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None) -> Any:
    """The values without repetitions of the one before."""
    if dim is not None:
        raise NotImplementedError("unique_consecutive: dim is not available here; unique(x, dim=...) is")
    x = reals("unique", input).reshape(-1)
    first = np.concatenate([np.ones(min(x.size, 1), bool), x[1:] != x[:-1]])
    inverse = (np.cumsum(first) - 1).reshape(input.shape)
    counts = np.diff(np.append(np.flatnonzero(first), x.size))
    return _several(input, "unique_consecutive", x[first], inverse if return_inverse else None, counts if return_counts else None)


def _several(input: Tensor, name: str, values: np.ndarray, *more: np.ndarray | None) -> Any:
    counted = [owned(m.astype(np.int64), dtypes.int64) for m in more if m is not None]
    out = [ruleless(owned(values, input.dtype), name, input), *counted]
    return out[0] if len(out) == 1 else tuple(out)


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each of 0, 1, 2, ... occurs (or the sum of the weights there)."""
    x = reals("bincount", input)
    if x.ndim != 1 or (x < 0).any() or input.dtype.rank != dtypes.INTEGER:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if weights is None:
        return owned(np.bincount(x, minlength=minlength), dtypes.int64)
    d = weights.dtype if weights.dtype is dtypes.float32 else dtypes.float64
    return owned(np.bincount(x, reals("bincount", weights), minlength=minlength), d)


def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many numbers lie in each of `bins` equal parts between min and max (by default those of the numbers)."""
    x = reals("histc", input).reshape(-1)
    low, high = (x.min(initial=np.inf), x.max(initial=-np.inf)) if min == max == 0 and x.size else (min, max)
    if low == high:
        low, high = low - 1, high + 1
    if low > high:
        raise RuntimeError("torch.histc: max must be larger than min")
    return owned(np.histogram(x[(x >= low) & (x <= high)], bins, (low, high))[0], input.dtype)


def searchsorted(
    sorted_sequence: Tensor, input: Any, *, out_int32: bool = False, right: bool = False, side: str | None = None
) -> Tensor:
    """Where numbers would have to be put in rows that are in order."""
    row, x = (np.asarray(reals("searchsorted", t)) for t in (sorted_sequence, input))
    way: Any = side or ("right" if right else "left")
    if row.ndim == 1:
        at = np.searchsorted(row, x, way)
    else:
        rows = zip(row.reshape(-1, row.shape[-1]), x.reshape(-1, x.shape[-1]), strict=True)
        flat = [np.searchsorted(r, v, way) for r, v in rows]
        at = np.stack(flat).reshape(x.shape) if x.size else np.zeros(x.shape, np.int64)
    return owned(np.asarray(at), dtypes.int32 if out_int32 else dtypes.int64)


def bucketize(input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False) -> Tensor:
    """In which of the parts between the boundaries each number lies."""
    if len(boundaries.shape) != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({len(boundaries.shape)})")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Tensor:
    """Which of the elements are among the others."""
    x, among = reals("isin", elements), reals("isin", test_elements)
    return owned(np.isin(x, among, assume_unique=assume_unique, invert=invert), dtypes.bool)


METHODS = (
    sort, argsort, msort, topk, kthvalue, median, nanmedian, mode, quantile, cummax, cummin, unique, unique_consecutive, bincount,
    histc,
)

__all__ = [
    "argsort", "bincount", "bucketize", "cummax", "cummin", "histc", "isin", "kthvalue", "median", "mode", "msort", "nanmedian",
    "quantile", "searchsorted", "sort", "topk", "unique", "unique_consecutive",
]  # fmt: skip
