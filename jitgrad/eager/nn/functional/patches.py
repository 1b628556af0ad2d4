"""Windows that slide over the last axes: where they lie, and as arrays. Convolutions and pooling are made of them.

A window of k cells at n places is k strided slices of n cells: the tracer differentiates slices, and they fuse.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...arrays import zeros

Axes = tuple[int, ...]  # one number for each axis that windows slide over


def per_axis(value: Any, n: int, name: str = "") -> Axes:
    """A number for all axes, or one for each."""
    if isinstance(value, Sequence):
        found = tuple(int(v) for v in value)
        if len(found) == 1:
            return found * n
        if len(found) != n:
            raise RuntimeError(f"expected {name} to be a single integer value or a list of {n} values to match the convolution "
                               f"dimensions, but got {name}={list(found)}")  # fmt: skip
        return found
    return (int(value),) * n


def places(size: Any, kernel: int, stride: int, padding: int, dilation: int) -> Any:
    """How many windows an axis has."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def padded(x: Any, before: Axes, after: Axes, value: float = 0.0) -> Any:
    """The last axes with cells added at both ends."""
    if not any(before) and not any(after):
        return x
    widths = ((0, 0),) * (x.ndim - len(before)) + tuple(zip(before, after, strict=True))
    return np.pad(x, widths, constant_values=value)


def windows(x: Any, kernel: Axes, stride: Axes, dilation: Axes) -> list[Any]:
    """For each cell of the kernel, row after row: that cell of all windows, as a strided slice of x."""
    n = len(kernel)
    counts = [places(x.shape[k - n], kernel[k], stride[k], 0, dilation[k]) for k in range(n)]
    found = []
    for cell in itertools.product(*map(range, kernel)):
        parts = [
            slice(at * d, at * d + s * (c - 1) + 1, s) for at, d, s, c in zip(cell, dilation, stride, counts, strict=True)
        ]
        found.append(x[(..., *parts)])
    return found


def spread(parts: Sequence[Any], size: Sequence[Any], kernel: Axes, stride: Axes, dilation: Axes) -> Any:
    """The transposed map of `windows`: each part added where its cells came from, in an array with these last axes."""
    n = len(kernel)
    first = parts[0]
    out = zeros((*first.shape[:-n], *size), first)
    for part, cell in zip(parts, itertools.product(*map(range, kernel)), strict=True):
        at = [
            slice(a * d, a * d + s * (c - 1) + 1, s)
            for a, d, s, c in zip(cell, dilation, stride, first.shape[-n:], strict=True)
        ]
        out[(..., *at)] += part
    return out
