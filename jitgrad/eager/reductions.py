"""Sums and their kin: PyTorch's `dim` and `keepdim`."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from . import arrays, dtypes
from .complexes import computed
from .kernel import Aval, Kernel, kernel
from .op import Op
from .tensor import Tensor


def dims_of(dim: Any, rank: int) -> tuple[int, ...] | None:
    """The axes, counted from the front; None for all."""
    if dim is None or dim == () or dim == []:
        return None
    axes = tuple(axis_of(d, rank) for d in (dim if isinstance(dim, (tuple, list)) else (dim,)))
    for k, a in enumerate(axes):
        if a in axes[:k]:
            raise RuntimeError(f"dim {a} appears multiple times in the list of dims")
    return axes


def axis_of(dim: int, rank: int) -> int:
    """One axis, counted from the front. A tensor without axes has one for this purpose."""
    wide = rank or 1
    if not -wide <= dim < wide:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-wide}, {wide - 1}], but got {dim})")
    return int(dim) % wide


def _reduced(x: Any, fold: Any, dim: Any, keepdim: bool, options: tuple[tuple[str, Any], ...] = ()) -> Any:
    if not x.ndim:
        return fold(x.reshape(1), **dict(options)).reshape(())
    return fold(x, axis=dim, keepdims=keepdim, **dict(options))


def reduction(name: str, f: Any, result: str, node: str = "", saves: str = "", along: str = "") -> Op:
    """result: "sum" (integers and bools become int64), "float" (they become floats), "same", "bool" or "count".

    along: the name of the node where axes were given.
    """
    node = node or name.capitalize()

    def choose(t: Aval, dim: Any = None, keepdim: bool = False, dtype: Any = None, **options: Any) -> Kernel:
        to = RESULT[result](t.dtype) if dtype is None else dtypes.of(dtype)
        if result == "float" and not to.differentiable:
            raise RuntimeError(f"{name}(): expected input to have floating point or complex dtype but got {to.legacy}")
        axes = dims_of(dim, len(t.shape))
        inside = dtypes.bool if result in ("bool", "count") else to
        out = {"bool": dtypes.bool, "count": dtypes.int64}.get(result)
        return computed(
            _reduced, along if along and dim is not None else node, (t,), inside, out, saves,
            fold=f, dim=axes, keepdim=bool(keepdim), options=tuple(options.items()),
        )  # fmt: skip

    return Op(name, choose)


RESULT = {
    "sum": lambda d: d if d.rank >= dtypes.FLOAT else dtypes.int64,
    "float": lambda d: d,
    "same": lambda d: d,
    "bool": lambda d: dtypes.bool,
    "count": lambda d: dtypes.int64,
}

_sum = reduction("sum", np.sum, "sum", along="Sum.1")
_mean = reduction("mean", np.mean, "float", along="Mean.1")
_nansum = reduction("nansum", np.nansum, "sum")
_nanmean = reduction("nanmean", np.nanmean, "float", "Div")
_all = reduction("all", np.all, "bool")
_any = reduction("any", np.any, "bool")
_count = reduction("count_nonzero", np.count_nonzero, "count")


def key(dim: Any) -> Any:
    """A list of axes as a tuple, so that it can be a key."""
    return tuple(dim) if isinstance(dim, list) else dim


def sum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The sum over all axes, or over `dim`."""
    return _sum(input) if dim is None and dtype is None else _sum(input, dim=key(dim), keepdim=keepdim, dtype=dtype)


def mean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The mean over all axes, or over `dim`."""
    to = input.dtype if dtype is None else dtypes.of(dtype)
    if to.rank < dtypes.FLOAT:
        what, which = ("infer output", "Input dtype") if dtype is None else ("infer output", "Optional dtype")
        raise RuntimeError(
            f"mean(): could not {what} dtype. {which} must be either a floating point or complex dtype. Got: {to.legacy}"
        )
    return _mean(input) if dim is None and dtype is None else _mean(input, dim=key(dim), keepdim=keepdim, dtype=dtype)


def nansum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The sum without the NaNs."""
    return _nansum(input, dim=key(dim), keepdim=keepdim, dtype=dtype)


def nanmean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The mean of what is not NaN."""
    return _nanmean(input, dim=key(dim), keepdim=keepdim, dtype=dtype)


def all(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Is everything true: in all, or over `dim`?"""
    return _all(input, dim=key(dim), keepdim=keepdim)


def any(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Is anything true: in all, or over `dim`?"""
    return _any(input, dim=key(dim), keepdim=keepdim)


def count_nonzero(input: Tensor, dim: Any = None) -> Tensor:
    """How many elements are not 0: in all, or over `dim`."""
    return _count(input, dim=key(dim))


# ---- prod: over all, or over one axis


def _prods(x: Any, axis: Any, keepdim: bool) -> Any:
    return _reduced(x, np.prod, axis, keepdim)


def _choose_prod(t: Aval, dim: int | None = None, keepdim: bool = False, dtype: Any = None) -> Kernel:
    to = RESULT["sum"](t.dtype) if dtype is None else dtypes.of(dtype)
    axis = None if dim is None else axis_of(dim, len(t.shape))
    return computed(_prods, "Prod" if dim is None else "Prod.1", (t,), to, axis=axis, keepdim=bool(keepdim))


_prod = Op("prod", _choose_prod)


def prod(input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The product of all elements, or along one axis. Its gradient is right also where factors are 0."""
    return _prod(input, dim=dim, keepdim=keepdim, dtype=dtype)


# ---- spread


def _variance(x: Any, axes: Any, keepdim: bool, correction: float) -> Any:
    centred = x - np.mean(x, axis=axes, keepdims=True)
    count = x.size if axes is None else math.prod(x.shape[a] for a in axes)
    squares = np.sum(centred * centred, axis=axes, keepdims=keepdim)
    return squares / (count - correction if count > math.floor(correction) else 0.0)


def _spread(x: Any, axes: Any, keepdim: bool, correction: float, root: bool, mean: bool) -> Any:
    x = x if x.ndim else x.reshape(1)
    out = _variance(x, axes, keepdim, correction)
    if root:  # no slope where there is no spread, as in PyTorch
        flat = out == 0
        out = np.where(flat, 0.0, np.sqrt(np.where(flat, 1.0, out)))
    return (out, np.mean(x, axis=axes, keepdims=keepdim)) if mean else out


def _choose_spread(name: str, t: Aval, dim: Any, keepdim: bool, correction: float) -> Kernel:
    if not t.dtype.is_floating_point:
        raise RuntimeError(f"{'std and var' if name in ('std', 'var') else name} only support floating point and complex dtypes")
    axes = dims_of(dim, len(t.shape))
    if not t.shape:
        axes, keepdim = None, False
    count = math.prod(t.shape) if axes is None else math.prod(t.shape[a] for a in axes)
    if count - correction <= 0:
        warnings.warn(
            f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the reduction factor (input numel "
            "divided by output numel).", UserWarning, stacklevel=5,
        )  # fmt: skip
    node = "".join(part.capitalize() for part in name.split("_"))
    root, mean = name.startswith("std"), name.endswith("mean")
    return kernel(
        _spread, node, (t.dtype,) * (1 + mean), "result" if root else "", axes=axes, keepdim=bool(keepdim),
        correction=correction, root=root, mean=mean,
    )  # fmt: skip


def _spreads(name: str) -> Any:
    pair = name.endswith("mean")
    op = Op(name, lambda t, **options: _choose_spread(name, t, **options), several=pair)

    def apply(input: Tensor, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None) -> Any:
        if isinstance(dim, bool):  # var(x, False)
            dim, unbiased = None, dim
        if unbiased is not None and correction is not None:
            raise TypeError(f"{name}() takes `unbiased` or `correction`, not both")
        by = correction if correction is not None else 1 if unbiased is None else int(unbiased)
        return op(input, dim=key(dim), keepdim=keepdim, correction=by)

    apply.__name__ = name
    what = {"var": "The variance", "std": "The standard deviation"}[name[:3]] + (" and the mean" if pair else "")
    apply.__doc__ = f"{what}: of all, or over `dim`. `correction` (1) is taken off the count that squares are divided by."
    return apply


var, std, var_mean, std_mean = map(_spreads, ("var", "std", "var_mean", "std_mean"))

# ---- logsumexp, cumulative


def _logsumexp(x: Any, axes: Any, keepdim: bool) -> Any:
    return _reduced(x, arrays.logsumexp, axes, keepdim)


def _log_of_none(x: Any, axes: Any, keepdim: bool) -> Any:
    """`logsumexp` of empty rows, which have no largest element: log 0."""
    return np.log(np.sum(np.exp(x), axis=axes, keepdims=keepdim))


def _choose_logsumexp(t: Aval, dim: Any, keepdim: bool) -> Kernel:
    to = t.dtype if t.dtype.differentiable else dtypes.get_default_dtype()
    body = _logsumexp if t.numel else _log_of_none
    return computed(body, "Logsumexp", (t,), to, saves="result", axes=dims_of(dim, len(t.shape)), keepdim=bool(keepdim))


_logsumexps = Op("logsumexp", _choose_logsumexp)


def logsumexp(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """log(sum(exp(x))) over `dim`, without overflow."""
    return _logsumexps(input, dim=key(dim), keepdim=keepdim)


def _cumulative(x: Any, fold: Any, axis: int) -> Any:
    return fold(x, axis=axis) if x.ndim else x.copy()


def _along(name: str, fold: Any) -> Any:
    def choose(t: Aval, dim: int, dtype: Any = None) -> Kernel:
        to = RESULT["sum"](t.dtype) if dtype is None else dtypes.of(dtype)
        return computed(_cumulative, name.capitalize(), (t,), to, fold=fold, axis=axis_of(dim, len(t.shape)))

    return Op(name, choose)


_cumsum, _cumprod = _along("cumsum", np.cumsum), _along("cumprod", np.cumprod)


def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The sums of the elements so far, along an axis."""
    return _cumsum(input, dim=dim, dtype=dtype)


def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The products of the elements so far, along an axis."""
    return _cumprod(input, dim=dim, dtype=dtype)

__all__ = [
    "all", "any", "count_nonzero", "cumprod", "cumsum", "logsumexp", "mean", "nanmean", "nansum", "prod", "std",
    "std_mean", "sum",
    "var", "var_mean",
]  # fmt: skip
