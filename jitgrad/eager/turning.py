"""Triangles, diagonals, and tensors turned round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import dtypes
from .creation import owned
from .elementwise import clone
from .kernel import kernel
from .op import Op
from .reductions import axis_of
from .shapes import diagonal as diagonal_
from .shapes import reshape, sizes
from .tensor import Tensor

# ---- turning


def _flip(x: Any, axes: tuple[int, ...]) -> Any:
    return np.flip(x, axes)


def _roll(x: Any, shifts: tuple[int, ...], axes: tuple[int, ...], tail: bool) -> Any:
    if axes:
        return np.roll(x, shifts, axis=axes)
    return np.roll(x.reshape((-1, 2) if tail else (-1,)), shifts[0], axis=0).reshape(x.shape)


def _rot90(x: Any, k: int, axes: tuple[int, int]) -> Any:
    return np.rot90(x, k, axes)


_flip_op = Op("flip", lambda t, axes: kernel(_flip, "Flip", (t.dtype,), axes=axes))
_roll_op = Op("roll", lambda t, **options: kernel(_roll, "Roll", (t.dtype,), tail=t.dtype.is_complex, **options))
_rot90_op = Op("rot90", lambda t, k, axes: kernel(_rot90, "Rot90", (t.dtype,), k=k, axes=axes))


def flip(x: Tensor, *dims: Any) -> Tensor:
    """The order along these axes turned round (a copy)."""
    axes = tuple(axis_of(d, len(x.shape)) for d in sizes(dims))
    for k in axes:
        if axes.count(k) > 1:
            raise RuntimeError(f"dim {k} appears multiple times in the list of dims")
    return _flip_op(x, axes=axes) if axes and x.shape else clone(x)


def fliplr(x: Tensor) -> Tensor:
    """Columns turned round."""
    if len(x.shape) < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip(x, 1)


def flipud(x: Tensor) -> Tensor:
    """Rows turned round."""
    if not x.shape:
        raise RuntimeError("Input must be >= 1-d.")
    return flip(x, 0)


def roll(x: Tensor, shifts: Any, dims: Any = ()) -> Tensor:
    """Rows moved on along axes; what leaves at the end comes in at the front. Without `dims`: of all numbers as one row."""
    by = tuple(shifts) if isinstance(shifts, (tuple, list)) else (shifts,)
    axes = tuple(dims) if isinstance(dims, (tuple, list)) else (dims,)
    if not axes and len(by) == 1:
        return _roll_op(x, shifts=by, axes=())
    if len(by) != len(axes):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(by)}, dims:{len(axes)}")
    if not x.shape:
        raise IndexError(f"Dimension specified as {axes[0]} but tensor has no dimensions")
    return _roll_op(x, shifts=by, axes=tuple(axis_of(d, len(x.shape)) for d in axes))


def rot90(x: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turned k times by 90 degrees, from the first of two axes towards the second."""
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    a, b = (axis_of(d, len(x.shape)) for d in dims)
    if a == b:
        raise RuntimeError(f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}")
    return _rot90_op(x, k=int(k) % 4, axes=(a, b))


# ---- triangles and diagonals


def _tri(x: Any, k: int, lower: bool, tail: bool) -> Any:
    keep = np.tril if lower else np.triu
    return np.moveaxis(keep(np.moveaxis(x, -1, 0), k), 0, -1) if tail else keep(x, k)


def _diag_embed(x: Any, size: int, offset: int, axis1: int, axis2: int, tail: bool) -> Any:
    if tail:
        x = np.moveaxis(x, -1, 0)
    if offset:
        x = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, abs(offset))])
    out = np.where(np.eye(size, k=offset, dtype=np.bool_), x[..., None] if offset >= 0 else x[..., None, :], 0).astype(x.dtype)
    return np.moveaxis(np.moveaxis(out, 0, -1), (-3, -2), (axis1, axis2)) if tail else np.moveaxis(out, (-2, -1), (axis1, axis2))


def _triangle(name: str, lower: bool) -> Any:
    op = Op(name, lambda t, k: kernel(_tri, name.capitalize(), (t.dtype,), k=k, lower=lower, tail=t.dtype.is_complex))

    def apply(x: Tensor, diagonal: int = 0) -> Tensor:
        if len(x.shape) < 2:
            raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
        return op(x, k=int(diagonal))

    apply.__name__ = name
    apply.__doc__ = f"The {'lower' if lower else 'upper'} triangle of matrices; `diagonal` of them below or above included."
    return apply


tril, triu = _triangle("tril", True), _triangle("triu", False)
_embed = Op(
    "diag_embed", lambda t, **options: kernel(_diag_embed, "DiagEmbed", (t.dtype,), tail=t.dtype.is_complex, **options)
)


def diag_embed(x: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices with the last axis of x as diagonal, and zeros elsewhere."""
    rank = len(x.shape) + 1
    a, b = axis_of(dim1, rank), axis_of(dim2, rank)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return _embed(x, size=x.shape[-1] + abs(offset), offset=int(offset), axis1=a, axis2=b)


def diag(x: Tensor, diagonal: int = 0) -> Tensor:
    """Of a row, the matrix with this diagonal; of a matrix, its diagonal (a copy)."""
    if len(x.shape) == 1:
        return diag_embed(x, diagonal)
    if len(x.shape) != 2:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {len(x.shape)}D")
    return clone(diagonal_(x, diagonal))


def diagflat(x: Tensor, offset: int = 0) -> Tensor:
    """The matrix with all numbers of the tensor on its diagonal."""
    return diag_embed(reshape(x, -1), offset)


def _indices(f: Any, row: int, col: int, offset: int, dtype: Any) -> Tensor:
    d = dtypes.int64 if dtype is None else dtypes.of(dtype)
    return owned(np.array(f(np.ones((row, col), np.bool_), offset).nonzero()), d)


def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Rows and columns of the cells of the lower triangle."""
    return _indices(np.tril, row, col, offset, dtype)


def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None) -> Tensor:
    """Rows and columns of the cells of the upper triangle."""
    return _indices(np.triu, row, col, offset, dtype)

FUNCTIONS = {f.__name__: f for f in (flip, fliplr, flipud, roll, rot90, tril, triu, diag, diag_embed, diagflat)}

__all__ = [
    "diag", "diag_embed", "diagflat", "flip", "fliplr", "flipud", "roll", "rot90", "tril", "tril_indices", "triu",
    "triu_indices",
]  # fmt: skip
