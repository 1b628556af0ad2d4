"""Pooling: the largest or the mean of each window; with a given number of windows (`adaptive_*`).

Where several cells of a window are the largest, the first one gets the whole gradient, as in PyTorch.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from ... import dtypes
from ...arrays import arange
from ...kernel import Aval, Kernel, kernel
from ...op import Op, converted
from ...tensor import Tensor
from .patches import Axes, padded, per_axis, windows

# ---- bodies


def _largest(x: Any, cells: Axes, stride: Axes, dilation: Axes, before: Axes, after: Axes) -> Any:
    first: Any
    first, *rest = windows(padded(x, before, after, -math.inf), cells, stride, dilation)
    for c in rest:
        first = np.where((c > first) | (c != c), c, first)
    return first


def _where_largest(x: Any, cells: Axes, stride: Axes, dilation: Axes, before: Axes, after: Axes) -> Any:
    """The place of the largest in the flattened last axes of x."""
    n, sizes = len(cells), x.shape[-len(cells) :]
    parts = windows(padded(x, before, after, -math.inf), cells, stride, dilation)
    best: Any = parts[0]
    found: Any = None
    for part, cell in zip(parts, itertools.product(*map(range, cells)), strict=True):
        at: Any = 0
        for k in range(n):
            along = arange(part.shape[k - n]) * stride[k] + (cell[k] * dilation[k] - before[k])
            at = at * sizes[k] + along.reshape((-1, *(1,) * (n - 1 - k)))
        at = np.broadcast_to(at, part.shape)
        better = (part > best) | (part != part)
        found = at if found is None else np.where(better, at, found)
        best = np.where(better, part, best)
    return found


def _mean(x: Any, cells: Axes, stride: Axes, before: Axes, after: Axes, divisors: tuple[Axes, ...] | None, divisor: int) -> Any:
    parts = windows(padded(x, before, after), cells, stride, (1,) * len(cells))
    total = parts[0]
    for p in parts[1:]:
        total = total + p
    for k, counts in enumerate(divisors or ()):
        total = total / np.array(counts, np.float64).astype(total.dtype).reshape((-1, *(1,) * (len(cells) - 1 - k)))
    return total / divisor if divisors is None else total


def _blocks(x: Any, counts: Axes) -> Any:
    """The mean of each block, where the blocks have the same size."""
    n = len(counts)
    shape = list(x.shape[:-n])
    for size, c in zip(x.shape[-n:], counts, strict=True):
        shape += [c, size // c]
    return np.mean(x.reshape(tuple(shape)), axis=tuple(range(x.ndim - n + 1, x.ndim + n, 2)))


def _pieces(x: Any, pieces: tuple[tuple[tuple[int, int], ...], ...]) -> Any:
    """The mean of x[..., a:b] for the pieces of each of the last axes in turn."""
    n = len(pieces)
    for k, ends in enumerate(pieces):
        axis = x.ndim - n + k
        lead = (slice(None),) * axis
        x = np.stack([np.mean(x[(*lead, slice(a, b))], axis=axis) for a, b in ends], axis=axis)
    return x


# ---- operations


def _geometry(x: Aval, cells: Axes, stride: Axes, padding: Axes, dilation: Axes, ceil: bool) -> tuple[Axes, Axes]:
    """How many windows there are, and how many cells to add behind."""
    counts, after = [], []
    for size, k, s, p, d in zip(x.shape[-len(cells) :], cells, stride, padding, dilation, strict=True):
        span = d * (k - 1) + 1
        free = size + 2 * p - span
        count = (-(-free // s) if ceil else free // s) + 1
        if ceil and (count - 1) * s >= size + p:  # a window has to begin within x or in what is added before it
            count -= 1
        counts.append(count)
        after.append(max((count - 1) * s + span - size - p, 0) if ceil else p)
    return tuple(counts), tuple(after)


def _check(x: Aval, cells: Axes, stride: Axes, padding: Axes, dilation: Axes, counts: Axes, name: str) -> None:
    n = len(cells)
    if len(x.shape) not in (n + 1, n + 2):
        raise RuntimeError(f"non-empty {n + 1}D or {n + 2}D (batch mode) tensor expected for input")
    if not x.dtype.is_floating_point:
        raise NotImplementedError(f"\"{name}\" not implemented for '{x.dtype.legacy}'")
    if min(stride) <= 0:
        raise RuntimeError("stride should not be zero")
    for p, k, d in zip(padding, cells, dilation, strict=True):
        if 2 * p > d * (k - 1) + 1 or p < 0:
            raise RuntimeError(
                f"pad should be at most half of effective kernel size, but got pad={p}, kernel_size={k} and dilation={d}"
            )
    if min(counts) <= 0:
        sizes = ["x".join(map(str, v)) for v in (x.shape[-n - 1 :], (x.shape[-n - 1], *counts))]
        raise RuntimeError(
            f"Given input size: ({sizes[0]}). Calculated output size: ({sizes[1]}). Output size is too small"
        )


def _choose_max(
    x: Aval, cells: Axes, stride: Axes, padding: Axes, dilation: Axes, ceil: bool, places: bool = False, kind: str = "max"
) -> Kernel:
    counts, after = _geometry(x, cells, stride, padding, dilation, ceil)
    _check(x, cells, stride, padding, dilation, counts, f"max_pool{len(cells)}d")
    options: dict[str, Any] = {"cells": cells, "stride": stride, "dilation": dilation, "before": padding, "after": after}
    if places:
        return kernel(_where_largest, "", (dtypes.int64,), **options)
    return converted(_largest, NODES[kind, len(cells)], (x,), x.dtype, **options)


NODES = {
    ("max", 1): "Squeeze.1", ("max", 2): "MaxPool2DWithIndices", ("avg", 1): "Squeeze.1", ("avg", 2): "AvgPool2D",
    ("adaptive max", 2): "AdaptiveMaxPool2D", ("adaptive", 1): "Squeeze.1", ("adaptive", 2): "AdaptiveAvgPool2D",
}  # fmt: skip
_max = Op("max_pool", _choose_max)


def _max_pool(
    n: int, x: Tensor, size: Any, stride: Any, padding: Any, dilation: Any, ceil: bool, indices: bool, kind: str = "max"
) -> Any:
    cells = per_axis(size, n, "kernel_size")
    options = {
        "cells": cells, "stride": cells if stride is None else per_axis(stride, n, "stride"),
        "padding": per_axis(padding, n, "padding"), "dilation": per_axis(dilation, n, "dilation"), "ceil": bool(ceil),
    }  # fmt: skip
    y = _max(x, kind=kind, **options)
    return (y, _max(x, places=True, **options)) if indices else y


def max_pool1d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest of each window over the last axis; windows follow each other unless `stride` says otherwise."""
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest of each window over the last two axes. return_indices: also its place in the flattened axes.

    >>> import jitgrad.eager as torch
    >>> torch.nn.functional.max_pool2d(torch.tensor([[[1.0, 2.0], [4.0, 3.0]]]), 2)
    tensor([[[4.]]])
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def _choose_avg(
    x: Aval, cells: Axes, stride: Axes, padding: Axes, ceil: bool, include: bool, divisor: int | None
) -> Kernel:
    ones = (1,) * len(cells)
    counts, after = _geometry(x, cells, stride, padding, ones, ceil)
    _check(x, cells, stride, padding, ones, counts, f"avg_pool{len(cells)}d")
    per: list[Axes] = []
    for size, k, s, p, c in zip(x.shape[-len(cells) :], cells, stride, padding, counts, strict=True):
        low, high = (-p, size + p) if include else (0, size)
        per.append(tuple(min(i * s - p + k, high) - max(i * s - p, low) for i in range(c)))
    whole = all(set(v) == {k} for v, k in zip(per, cells, strict=True))
    same = divisor or (math.prod(cells) if whole else 0)
    return converted(
        _mean, NODES["avg", len(cells)], (x,), x.dtype, cells=cells, stride=stride, before=padding, after=after,
        divisors=None if same else tuple(per), divisor=same,
    )  # fmt: skip


_avg = Op("avg_pool", _choose_avg)


def _avg_pool(n: int, x: Tensor, size: Any, stride: Any, padding: Any, ceil: bool, include: bool, divisor: Any) -> Tensor:
    cells = per_axis(size, n, "kernel_size")
    if divisor == 0:
        raise RuntimeError("divisor must be not zero")
    return _avg(
        x, cells=cells, stride=cells if stride is None else per_axis(stride, n, "stride"),
        padding=per_axis(padding, n, "padding"), ceil=bool(ceil), include=bool(include), divisor=divisor,
    )  # fmt: skip


def avg_pool1d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False, count_include_pad: bool = True
) -> Tensor:
    """The mean of each window over the last axis."""
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window over the last two axes. count_include_pad: the cells of the padding count."""
    return _avg_pool(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


# ---- a given number of windows


def _pieces_of(size: int, count: int) -> tuple[tuple[int, int], ...]:
    """Piece i of `count`: from i * size // count up to (i + 1) * size / count, rounded up."""
    return tuple((i * size // count, -(-(i + 1) * size // count)) for i in range(count))


def _choose_adaptive(x: Aval, counts: Axes) -> Kernel:
    sizes = x.shape[-len(counts) :]
    node = "Mean.1" if len(counts) == 2 and counts == (1, 1) else NODES["adaptive", len(counts)]
    if all(size % c == 0 for size, c in zip(sizes, counts, strict=True)):
        return converted(_blocks, node, (x,), x.dtype, counts=counts)
    return converted(_pieces, node, (x,), x.dtype, pieces=tuple(map(_pieces_of, sizes, counts)))


_adaptive = Op("adaptive_avg_pool", _choose_adaptive)


def _counts(x: Tensor, output_size: Any, n: int) -> Axes:
    if len(x.shape) not in (n + 1, n + 2):
        raise RuntimeError(f"adaptive_avg_pool{n}d(): Expected {n + 1}D or {n + 2}D tensor, but got {list(x.shape)}")
    wanted = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,) * n
    return tuple(int(x.shape[k - n]) if w is None else int(w) for k, w in enumerate(wanted))


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """The means of `output_size` windows over the last axis."""
    return _adaptive(input, counts=_counts(input, output_size, 1))


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The means of `output_size` windows over the last two axes (a number, or two; None: as many as cells)."""
    return _adaptive(input, counts=_counts(input, output_size, 2))


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest of each of `output_size` windows, which have to be of equal size here."""
    counts = _counts(input, output_size, 2)
    cells = []
    for size, c in zip(input.shape[-2:], counts, strict=True):
        if size % c:
            raise NotImplementedError(f"adaptive_max_pool2d: {size} cells do not divide into {c} equal windows")
        cells.append(size // c)
    return _max_pool(2, input, tuple(cells), None, 0, 1, False, return_indices, "adaptive max")


__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool2d", "avg_pool1d", "avg_pool2d", "max_pool1d", "max_pool2d",
]  # fmt: skip
