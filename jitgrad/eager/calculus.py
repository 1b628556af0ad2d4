"""Sequences of numbers: differences, integrals, covariance, and other sums that NumPy has."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import arrays, dtypes
from .complexes import computed
from .joining import cat
from .kernel import Aval, Kernel
from .norms import _norm
from .op import Op, result_dtype
from .reductions import axis_of
from .tensor import Tensor

# ---- differences and integrals


def _diff(x: Any, n: int, axis: int) -> Any:
    return np.diff(x, n=n, axis=axis) if n else np.positive(x)


def _choose_diff(t: Aval, n: int, dim: int) -> Kernel:
    if not t.shape:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    axis = axis_of(dim, len(t.shape))
    return computed(_diff, "Sub", (t,), t.dtype, n=min(n, t.shape[axis]) if t.shape[axis] else 0, axis=axis)


_diffs = Op("diff", _choose_diff)


def diff(input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None) -> Tensor:
    """The n-th differences of neighbours along an axis; first put before and behind what is given."""
    parts = [x for x in (prepend, input, append) if x is not None]
    whole = input if len(parts) == 1 else cat(parts, dim)
    return _diffs(whole, n=int(n), dim=dim)


def _trapezoid(y: Any, *x: Any, dx: float, axis: int, sums: bool) -> Any:
    y = np.moveaxis(y, axis, -1)
    width = np.diff(np.moveaxis(x[0], axis, -1) if x[0].ndim > 1 else x[0], axis=-1) if x else dx
    parts = 0.5 * (y[..., 1:] + y[..., :-1]) * width
    return np.moveaxis(np.cumsum(parts, axis=-1), -1, axis) if sums else np.sum(parts, axis=-1)


def _choose_trapezoid(y: Aval, *x: Aval, dx: float, dim: int, sums: bool) -> Kernel:
    to = result_dtype((y, *x))
    to = to if to.differentiable else dtypes.get_default_dtype()
    node = "Cumsum" if sums else "Mul.1"
    return computed(_trapezoid, node, (y, *x), to, dx=dx, axis=axis_of(dim, len(y.shape)), sums=sums)


_trapezoids = Op("trapezoid", _choose_trapezoid)


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1.0, dim: int = -1) -> Tensor:
    """The integral by the trapezoidal rule, at places x or at distances dx."""
    return _trapezoids(y, *(() if x is None else (x,)), dx=float(dx), dim=dim, sums=False)


def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1.0, dim: int = -1) -> Tensor:
    """The integrals up to each place, by the trapezoidal rule."""
    return _trapezoids(y, *(() if x is None else (x,)), dx=float(dx), dim=dim, sums=True)


# ---- covariance


def _cov(x: Any, correction: int) -> Any:
    rows = x if x.ndim > 1 else x.reshape(1, -1)
    centred = rows - np.mean(rows, axis=1, keepdims=True)
    out = centred @ centred.T / (rows.shape[1] - correction)
    return out if x.ndim > 1 else out.reshape(())


def _corrcoef(x: Any) -> Any:
    c = _cov(x, 1)
    if not c.ndim:
        return c / c
    size = np.sqrt(np.diagonal(c))
    return c / size[:, None] / size


def _choose_cov(t: Aval, correction: int) -> Kernel:
    if len(t.shape) > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with {len(t.shape)} "
            "dimensions"
        )
    to = t.dtype if t.dtype.differentiable else dtypes.get_default_dtype()
    return computed(_cov, "Squeeze", (t,), to, correction=correction)


_covs = Op("cov", _choose_cov)
_corrcoefs = Op("corrcoef", lambda t: computed(_corrcoef, "Div", (t,), t.dtype))


def cov(input: Tensor, *, correction: int = 1) -> Tensor:
    """The covariances of the rows."""
    return _covs(input, correction=int(correction))


def corrcoef(input: Tensor) -> Tensor:
    """The correlations of the rows."""
    return _corrcoefs(input)


# ---- logarithms of sums so far


# y_i = log sum over j <= i of exp(x_j), with the largest x_j so far taken out. All pairs i, j are looked at.
def _logcumsumexp(x: Any, axis: int) -> Any:
    if not x.ndim:
        return x.copy()
    rows = np.moveaxis(x, axis, -1)
    n = rows.shape[-1]
    places = arrays.arange(n)
    later = places[:, None] < places
    pairs = np.where(later, -np.inf, rows[..., None, :])
    top = np.max(pairs, axis=-1)
    top = np.where(np.isfinite(top), top, 0.0)
    sums = np.sum(np.exp(np.where(later, -np.inf, rows[..., None, :] - top[..., None])), axis=-1)
    return np.moveaxis(top + np.log(sums), -1, axis)


def _choose_logcumsumexp(t: Aval, dim: int) -> Kernel:
    if not t.dtype.is_floating_point:
        raise NotImplementedError(f"\"logcumsumexp_out_cpu\" not implemented for '{t.dtype.legacy}'")
    if not t.numel:
        return computed(np.positive, "Logcumsumexp", (t,), t.dtype)
    return computed(_logcumsumexp, "Logcumsumexp", (t,), t.dtype, saves="result", axis=axis_of(dim, len(t.shape)))


_logcumsumexps = Op("logcumsumexp", _choose_logcumsumexp)


def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """log(sum(exp(x))) of the elements so far, along an axis. (Memory grows with the square of its size.)"""
    return _logcumsumexps(input, dim=dim)


# ---- renorm


def _renorm(x: Any, order: float, axes: tuple[int, ...], most: float) -> Any:
    size = _norm(x, order, axes, True)
    return np.where(size > most, x * (most / (size + 1e-7)), x)


def _choose_renorm(t: Aval, p: float, dim: int, maxnorm: float) -> Kernel:
    axis = axis_of(dim, len(t.shape))
    axes = tuple(k for k in range(len(t.shape)) if k != axis)
    return computed(_renorm, "Renorm", (t,), t.dtype, order=p, axes=axes, most=maxnorm)


_renorms = Op("renorm", _choose_renorm)


def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Each part along an axis, scaled down so that its norm is at most `maxnorm`."""
    return _renorms(input, p=float(p), dim=dim, maxnorm=float(maxnorm))


METHODS = (diff, cov, corrcoef, logcumsumexp, renorm)
__all__ = ["corrcoef", "cov", "cumulative_trapezoid", "diff", "logcumsumexp", "renorm", "trapezoid"]
