"""Norms and distances."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import dtypes
from .complexes import computed
from .elementwise import float_dtype
from .functions import absolute
from .kernel import Aval, Kernel
from .op import Op, check_broadcast, result_dtype
from .reductions import dims_of, key
from .tensor import Tensor

# ---- of vectors


def _norm(x: Any, order: float, axes: Any, keepdim: bool) -> Any:
    if not x.ndim:
        return _norm(x.reshape(1), order, None, False).reshape(())
    size = np.abs(x)
    if order == math.inf or order == -math.inf:
        return (np.max if order > 0 else np.min)(size, axis=axes, keepdims=keepdim)
    if order == 0:
        return np.sum((x != 0).astype(x.dtype), axis=axes, keepdims=keepdim)
    if order == 1:
        return np.sum(size, axis=axes, keepdims=keepdim)
    powers = x * x if order == 2 else size**order if not 0 < order < 1 else _root(size, 1.0 / order)
    return _root(np.sum(powers, axis=axes, keepdims=keepdim), order)


def _root(total: Any, order: float) -> Any:
    """The root of a sum of powers, or of a size; without slope at 0."""
    none = total == 0
    safe = np.where(none, 1.0, total)
    return np.where(none, 0.0, np.sqrt(safe) if order == 2 else safe ** (1.0 / order))


def _floats(name: str, t: Aval, dtype: Any) -> dtypes.dtype:
    if not t.dtype.differentiable:
        raise RuntimeError(f"linalg.{name}: Expected a floating point or complex tensor as input. Got {t.dtype.legacy}")
    return t.dtype if dtype is None else dtypes.of(dtype)


def _choose_vector(t: Aval, order: float, dim: Any, keepdim: bool, dtype: Any) -> Kernel:
    to = _floats("vector_norm", t, dtype)
    axes = dims_of(dim, len(t.shape))
    return computed(_norm, "LinalgVectorNorm", (t,), to, saves="", order=order, axes=axes, keepdim=bool(keepdim))


_vector = Op("vector_norm", _choose_vector)


def vector_norm(x: Tensor, ord: Any = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """(sum |x|^ord)^(1/ord) over all, or over `dim`; ord may be 0 (how many are not 0), inf or -inf."""
    x = absolute(x) if x.dtype.is_complex else x
    return _vector(x, order=float(ord), dim=key(dim), keepdim=keepdim, dtype=dtype)


# ---- of matrices


def _frobenius(x: Any, axes: Any, keepdim: bool) -> Any:
    return _norm(x, 2.0, axes, keepdim)


def _row_sums(x: Any, order: float, axes: tuple[int, int], keepdim: bool) -> Any:
    """1, -1: over columns; inf, -inf: over rows."""
    add, pick = axes if abs(order) == 1 else axes[::-1]
    sums = np.sum(np.abs(x), axis=add, keepdims=True)
    out = (np.max if order > 0 else np.min)(sums, axis=pick, keepdims=True)
    return out if keepdim else np.squeeze(out, axis=axes)


def _choose_matrix(t: Aval, order: Any, dim: Any, keepdim: bool, dtype: Any) -> Kernel:
    to = _floats("matrix_norm", t, dtype)
    if len(t.shape) < 2:
        raise RuntimeError("linalg.matrix_norm: The input tensor A must have at least 2 dimensions.")
    axes = dims_of(dim, len(t.shape))
    if axes is None or len(axes) != 2:
        raise RuntimeError("linalg.matrix_norm: dim must be a 2-tuple. Got " + " ".join(str(d) for d in dim))
    if order == "fro":
        return computed(_frobenius, "LinalgVectorNorm", (t,), to, axes=axes, keepdim=bool(keepdim))
    if order in (1.0, -1.0, math.inf, -math.inf):
        node = "Amax" if order > 0 else "Amin"
        return computed(_row_sums, node, (t,), to, order=order, axes=axes, keepdim=bool(keepdim))
    raise NotImplementedError(
        f"linalg.matrix_norm: order {order} needs singular values, which have no derivative here; 'fro', 1, -1, inf "
        "and -inf are covered"
    )


_matrix = Op("matrix_norm", _choose_matrix)


def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The norm of matrices: "fro", 1, -1, inf or -inf. (2, -2 and "nuc" need singular values and are refused.)"""
    return _matrix(A, order=ord if isinstance(ord, str) else float(ord), dim=key(dim), keepdim=keepdim, dtype=dtype)


def linalg_norm(A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The norm of a vector or a matrix, by `ord` and `dim` as in NumPy."""
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, dtype=dtype)
    axes = dims_of(key(dim), len(A.shape))
    if axes is not None and len(axes) not in (1, 2):
        raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dim)}")
    if axes is None and len(A.shape) not in (1, 2):
        raise RuntimeError(
            f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {len(A.shape)}D."
        )
    if len(axes if axes is not None else A.shape) == 1:
        return vector_norm(A, ord, dim, keepdim, dtype=dtype)
    return matrix_norm(A, ord, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)


def norm(input: Tensor, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Tensor:
    """The norm of all elements, or over `dim`: of order p, where "fro" and None mean 2."""
    if p == "nuc":
        return matrix_norm(input, "nuc", (-2, -1) if dim is None else dim, keepdim, dtype=dtype)
    if isinstance(p, str) and p != "fro":
        raise RuntimeError(f"only valid string values are 'fro' and 'nuc', found {p}")
    return vector_norm(input, 2 if p in ("fro", None) else p, dim, keepdim, dtype=dtype)


# ---- distances


def _dist(x: Any, z: Any, order: float) -> Any:
    return _norm(x - z, order, None, False)


def _choose_dist(x: Aval, z: Aval, order: float) -> Kernel:
    check_broadcast((x, z))
    to = result_dtype((x, z))
    if not to.differentiable:
        raise RuntimeError(f"norm(): input dtype should be either floating point or complex. Got {to.legacy} instead.")
    return computed(_dist, "Dist", (x, z), to, order=order)


_dists = Op("dist", _choose_dist)


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The norm of the difference."""
    return _dists(input, other, order=float(p))


def _cosine(x: Any, z: Any, axis: int, eps: float) -> Any:
    x, z = np.broadcast_arrays(x, z)
    lengths = [np.maximum(_norm(v, 2.0, axis, False), eps) for v in (x, z)]
    return np.sum(x * z, axis=axis) / (lengths[0] * lengths[1])


def _choose_cosine(x: Aval, z: Aval, dim: int, eps: float) -> Kernel:
    check_broadcast((x, z))
    rank = max(len(x.shape), len(z.shape))
    (axis,) = dims_of(dim, rank) or (0,)
    to = result_dtype((x, z))
    if not to.is_floating_point:
        raise RuntimeError(f"expected common dtype to be floating point, yet common dtype is {to.legacy}")
    return computed(_cosine, "Sum.1", (x, z), to, axis=axis, eps=eps)


_cosines = Op("cosine_similarity", _choose_cosine)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors along an axis."""
    return _cosines(x1, x2, dim=dim, eps=float(eps))


def _pairwise(x: Any, z: Any, order: float, eps: float, keepdim: bool) -> Any:
    return _norm(x - z + eps, order, -1, keepdim)


def _choose_pairwise(x: Aval, z: Aval, **options: Any) -> Kernel:
    check_broadcast((x, z))
    return computed(_pairwise, "Norm.1", (x, z), float_dtype((x, z)), **options)


_pairwises = Op("pairwise_distance", _choose_pairwise)


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The norm of the differences along the last axis; eps is added to each of them."""
    return _pairwises(x1, x2, order=float(p), eps=float(eps), keepdim=bool(keepdim))


def _cdist(x: Any, z: Any, order: float) -> Any:
    return _norm(np.expand_dims(x, -2) - np.expand_dims(z, -3), order, -1, False)


def _choose_cdist(x: Aval, z: Aval, order: float) -> Kernel:
    for t, name in ((x, "X1"), (z, "X2")):
        if len(t.shape) < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {len(t.shape)}D")
    if x.shape[-1] != z.shape[-1]:
        raise RuntimeError(f"X1 and X2 must have the same number of columns. X1: {x.shape[-1]} X2: {z.shape[-1]}")
    return computed(_cdist, "Cdist", (x, z), result_dtype((x, z)), order=order)


_cdists = Op("cdist", _choose_cdist)


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = "") -> Tensor:
    """All distances between a row of x1 and a row of x2. (Differences are taken; `compute_mode` changes nothing.)"""
    return _cdists(x1, x2, order=float(p))


def _normalized(x: Any, order: float, axes: Any, eps: float) -> Any:
    return x / np.maximum(_norm(x, order, axes, True), eps)


def _choose_normalized(t: Aval, order: float, dim: Any, eps: float) -> Kernel:
    to = t.dtype if t.dtype.differentiable else dtypes.get_default_dtype()
    return computed(_normalized, "Div", (t,), to, order=order, axes=dims_of(dim, len(t.shape)), eps=eps)


_normalizes = Op("normalize", _choose_normalized)


def normalize(input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Tensor:
    """Vectors along an axis divided by their norm (or by eps, where that is smaller)."""
    return _normalizes(input, order=float(p), dim=key(dim), eps=float(eps))

__all__ = ["cdist", "cosine_similarity", "dist", "norm", "pairwise_distance"]
