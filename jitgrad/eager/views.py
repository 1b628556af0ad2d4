"""Views: functions of arrays that choose cells, what a write through one of them does, and where its cells lie in memory.

A path of such kernels leads from a storage to each tensor on it. Along the path a value is read (the kernels, one after the
other), the whole is written (`WRITES`: the new whole from the old one and the new part), and the strides are known (`LAYOUTS`).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided as strided

from .kernel import Aval, Kernel, kernel

Path = tuple[Kernel, ...]
Layout = tuple[tuple[int, ...], tuple[int, ...], int]  # shape, strides and offset in elements

OVERLAP = (
    "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
    "Please clone() the tensor before performing the operation."
)


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of an array of this shape, row after row."""
    out: list[int] = []
    step = 1
    for n in reversed(shape):
        out.append(step)
        step *= max(n, 1)
    return tuple(reversed(out))


# ---- bodies


def _reshape(x: Any, shape: tuple[int, ...]) -> Any:
    return x.reshape(shape)


def _permute(x: Any, axes: tuple[int, ...]) -> Any:
    return x.transpose(axes)


def _expand(x: Any, shape: tuple[int, ...]) -> Any:
    return np.broadcast_to(x, shape)


def _index(x: Any, key: tuple[Any, ...]) -> Any:
    return x[_parts(key)]


@functools.lru_cache(maxsize=4096)
def _parts(key: tuple[Any, ...]) -> tuple[Any, ...]:
    """The key as NumPy takes it; with a `...`, so that a single cell is a view too."""
    parts = tuple(slice(*k[1:]) if isinstance(k, tuple) else k for k in key)
    return (*parts, ...)


def _diagonal(x: Any, offset: int, axis1: int, axis2: int, length: int, tail: bool) -> Any:
    """The diagonal is the last axis, before the pairs of complex numbers (`tail`)."""
    at = np.arange(length)
    out = np.moveaxis(x, (axis1, axis2), (0, 1))[at + max(-offset, 0), at + max(offset, 0)]
    return np.moveaxis(out, 0, -2 if tail else -1)


def _same(x: Any) -> Any:
    return x


def _strided(x: Any, shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> Any:
    """Cells of a contiguous array by their strides."""
    return x.reshape(-1)[cells(shape, strides, offset)].reshape(shape)


def cells(shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> np.ndarray:
    """The numbers of the cells, in order."""
    grid = np.full(shape, offset, np.int64)
    for k, (n, s) in enumerate(zip(shape, strides, strict=True)):
        grid += (np.arange(n) * s).reshape((n, *(1,) * (len(shape) - k - 1)))
    return grid.reshape(-1)


def _unfold(x: Any, axis: int, size: int, step: int, count: int, tail: bool) -> Any:
    return np.moveaxis(x[(*(slice(None),) * axis, _windows(size, step, count))], axis + 1, -2 if tail else -1)


def _windows(size: int, step: int, count: int) -> np.ndarray:
    return np.arange(count)[:, None] * step + np.arange(size)


# ---- writing


def _write_index(x: Any, new: Any, key: tuple[Any, ...]) -> Any:
    out = x.copy()
    out[_parts(key)] = new
    return out


def _write_permute(x: Any, new: Any, axes: tuple[int, ...]) -> Any:
    return new.transpose(tuple(int(k) for k in np.argsort(axes)))


def _write_diagonal(x: Any, new: Any, offset: int, axis1: int, axis2: int, length: int, tail: bool) -> Any:
    out = np.moveaxis(x, (axis1, axis2), (0, 1)).copy()
    new = np.moveaxis(new, -2 if tail else -1, 0)
    at = np.arange(length)
    out[at + max(-offset, 0), at + max(offset, 0)] = new
    return np.moveaxis(out, (0, 1), (axis1, axis2))


def _write_strided(x: Any, new: Any, shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> Any:
    out = x.copy().reshape(-1)
    out[cells(shape, strides, offset)] = new.reshape(-1)
    return out.reshape(x.shape)


def _write_unfold(x: Any, new: Any, axis: int, size: int, step: int, count: int, tail: bool) -> Any:
    out = x.copy()
    out[(*(slice(None),) * axis, _windows(size, step, count))] = np.moveaxis(new, -2 if tail else -1, axis + 1)
    return out


# For the body of each view: (what it is a view of, the new part, **options) -> the new whole.
WRITES: dict[Any, Callable[..., Any]] = {
    _reshape: lambda x, new, shape: new.reshape(x.shape),
    _permute: _write_permute,
    _index: _write_index,
    _diagonal: _write_diagonal,
    _same: lambda x, new: new,
    _strided: _write_strided,
    _unfold: _write_unfold,
}


@functools.lru_cache(maxsize=4096)
def view_of(whole: Aval, body: Any, name: str, **options: Any) -> tuple[Kernel, tuple[Aval, ...]]:
    """The kernel of a view of this type by one of the bodies, and the type of the view; `name` is PyTorch's for the node."""
    k = kernel(body, name, (whole.dtype,) if whole.dtype.is_complex else None, **options)
    return k, k.infer((whole,))


# Views that may hold a cell several times. Their inverse writes would mix old and new cells.
REPEATING = (_expand, _unfold, _strided)


def put_kernel(path: Path, whole: Aval, part: Aval) -> Kernel:
    """(the whole, its new part) -> the new whole"""
    if any(k.body in REPEATING for k in path):  # but at the end of the path no cell is there twice: this was checked
        shape, strides, offset = _layout_in_kernels(whole, None, path)
        path = (kernel(_strided, "AsStrided", shape=shape, strides=strides, offset=offset),)
    return kernel(_put, "CopySlices", (whole.dtype,), path=path)


def _put(base: Any, value: Any, path: Path) -> Any:
    """The whole, with the value at the end of the path."""
    if not path:
        return value
    first, rest = path[0], path[1:]
    part = _put(first(base), value, rest) if rest else value
    return WRITES[first.body](base, part, **first.options)


# ---- where the cells lie


@functools.lru_cache(maxsize=4096)
def _layout_reshape(at: Layout, shape: tuple[int, ...]) -> Layout | None:
    """The strides of a reshaped array, None if it takes a copy.

    Axes that follow each other in memory form a block; the new axes must divide the blocks.
    """
    old, strides, offset = at
    if not math.prod(old):
        return shape, contiguous(shape), offset
    blocks: list[tuple[int, int]] = []  # size, stride of the innermost axis
    for n, s in zip(old, strides, strict=True):
        if n == 1:
            continue
        if blocks and blocks[-1][1] == n * s:
            blocks[-1] = (blocks[-1][0] * n, s)
        else:
            blocks.append((n, s))
    out: list[int] = []
    size, step = blocks.pop() if blocks else (1, 1)
    left = size
    for n in reversed(shape):
        if n == 1:
            out.append(step * (size // left) if left else step)
            continue
        if left == 1:
            if not blocks:
                return None
            size, step = blocks.pop()
            left = size
        if left % n:
            return None
        out.append(step * (size // left))
        left //= n
    return shape, tuple(reversed(out)), offset


def _layout_permute(at: Layout, axes: tuple[int, ...]) -> Layout:
    shape, strides, offset = at
    return tuple(shape[k] for k in axes), tuple(strides[k] for k in axes), offset


def _layout_expand(at: Layout, shape: tuple[int, ...]) -> Layout:
    old, strides, offset = at
    new = len(shape) - len(old)
    return shape, tuple(0 if k < new or old[k - new] != n else strides[k - new] for k, n in enumerate(shape)), offset


def _layout_index(at: Layout, key: tuple[Any, ...]) -> Layout:
    shape, strides, offset = at
    sizes: list[int] = []
    steps: list[int] = []
    axis = 0
    for k in key:
        if k is None:
            sizes.append(1)
            steps.append(shape[axis] * strides[axis] if axis < len(shape) else 1)
            continue
        n, s = shape[axis], strides[axis]
        axis += 1
        if isinstance(k, tuple):
            start, stop, step = slice(*k[1:]).indices(n)
            sizes.append(len(range(start, stop, step)))
            steps.append(s * step)
            offset += start * s
        else:
            offset += (k % n) * s
    return (*sizes, *shape[axis:]), (*steps, *strides[axis:]), offset


def _layout_diagonal(at: Layout, offset: int, axis1: int, axis2: int, length: int, tail: bool) -> Layout:
    shape, strides, start = at
    if length:
        start += max(-offset, 0) * strides[axis1] + max(offset, 0) * strides[axis2]
    rest = [k for k in range(len(shape)) if k not in (axis1, axis2)]
    sizes, steps = [shape[k] for k in rest], [strides[k] for k in rest]
    end = len(rest) - tail
    sizes.insert(end, length)
    steps.insert(end, strides[axis1] + strides[axis2])
    return tuple(sizes), tuple(steps), start


def _layout_unfold(at: Layout, axis: int, size: int, step: int, count: int, tail: bool) -> Layout:
    shape, strides, offset = list(at[0]), list(at[1]), at[2]
    end = len(shape) - tail
    shape.insert(end, size)
    strides.insert(end, strides[axis])
    shape[axis], strides[axis] = count, strides[axis] * step
    return tuple(shape), tuple(strides), offset


LAYOUTS: dict[Any, Callable[..., Layout | None]] = {
    _reshape: _layout_reshape,
    _permute: _layout_permute,
    _expand: _layout_expand,
    _index: _layout_index,
    _diagonal: _layout_diagonal,
    _same: lambda at: at,
    _strided: lambda at, shape, strides, offset: (shape, strides, offset + at[2]),
    _unfold: _layout_unfold,
}


@functools.lru_cache(maxsize=4096)
def layout(whole: Aval, strides: tuple[int, ...] | None, path: Path, part: Aval) -> Layout:
    """Where the cells at the end of the path lie; strides: of the whole, None if it is contiguous."""
    at = _layout_in_kernels(whole, strides, path)
    if part.dtype.is_complex:
        at = (at[0][:-1], tuple(s // 2 for s in at[1][:-1]), at[2] // 2)
    return at


def _layout_in_kernels(whole: Aval, strides: tuple[int, ...] | None, path: Path) -> Layout:
    """The same as the kernels of a path have it: for them complex numbers are pairs on a last axis."""
    shape = whole.shape
    at: Layout = (shape, contiguous(shape) if strides is None else strides, 0)
    if whole.dtype.is_complex:
        at = ((*shape, 2), (*(2 * s for s in at[1]), 1), 0)
    for k in path:
        led = LAYOUTS[k.body](at, **k.options)
        assert led is not None, f"{k} is no view"
        at = led
    return at


def along(array: np.ndarray, path: Path, whole: Aval, part: Aval) -> np.ndarray:
    """The view of an array, which holds the whole, that the path leads to."""
    if not path:
        return array
    shape, strides, offset = layout(whole, element_strides(array), path, part)
    d = part.dtype.storage
    if d != array.dtype:  # reals as the pairs that they are, or the other way round
        array = array[..., None].view(d) if d.itemsize < array.itemsize else np.ascontiguousarray(array).reshape(-1).view(d)
    cell = d.itemsize
    if not array.size:
        return strided(array, shape, [s * cell for s in strides])
    start = strided(array, (offset + 1,), (cell,))[offset:]
    return strided(start, shape, [s * cell for s in strides])


def element_strides(array: np.ndarray) -> tuple[int, ...] | None:
    """The strides in elements; None of a contiguous array."""
    return None if array.flags.c_contiguous else tuple(s // array.itemsize for s in array.strides)


def overlaps(at: Layout) -> bool:
    """May two of the cells be the same?"""
    reach = 0
    for s, n in sorted((s, n) for n, s in zip(*at[:2], strict=True) if n > 1):
        if s <= reach:
            return True
        reach += s * (n - 1)
    return False
