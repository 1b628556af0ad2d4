"""Shapes: views, joining, taking apart. A view sees what is written to what it is a view of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .kernel import Aval, Kernel, kernel
from .op import Op, converted, result_dtype
from .reductions import axis_of
from .tensor import Tensor
from .views import _expand, _permute, _reshape

def reshaped(shape: tuple[int, ...], count: int) -> tuple[int, ...]:
    """The shape with its -1 found."""
    known = 1
    for n in shape:
        known *= n if n != -1 else 1
    if -1 not in shape:
        if known != count:
            raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {count}")
        return shape
    if not known or count % known:
        raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {count}")
    return tuple(count // known if n == -1 else n for n in shape)


def sizes(given: tuple[Any, ...]) -> tuple[int, ...]:
    """`f(2, 3)` and `f((2, 3))` mean the same."""
    found = tuple(given[0]) if len(given) == 1 and isinstance(given[0], Sequence) else given
    return tuple(int(n) for n in found)


def reshape(x: Tensor, *shape: Any) -> Tensor:
    """The same numbers in another shape (one size may be -1)."""
    return x._view(kernel(_reshape, "View", shape=reshaped(sizes(shape), x.numel())))


def permute(x: Tensor, *dims: Any) -> Tensor:
    """The axes in another order."""
    rank = len(x.shape)
    axes = tuple(axis_of(d, rank) for d in sizes(dims))
    if len(axes) != rank:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired ordering of "
            f"dimensions i.e. input.dim() = {rank} is not equal to len(dims) = {len(axes)}"
        )
    if len(set(axes)) != rank:
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return x._view(kernel(_permute, "Permute", axes=axes))


def transpose(x: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two axes swapped."""
    rank = len(x.shape)
    a, b = axis_of(dim0, rank), axis_of(dim1, rank)
    axes = list(range(rank))
    if rank:
        axes[a], axes[b] = axes[b], axes[a]
    return x._view(kernel(_permute, "Transpose", axes=tuple(axes)))


def t(x: Tensor) -> Tensor:
    """The transposed matrix."""
    if len(x.shape) > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {len(x.shape)}D")
    return x._view(kernel(_permute, "T", axes=tuple(reversed(range(len(x.shape))))))


def unsqueeze(x: Tensor, dim: int) -> Tensor:
    """With an axis of size one more."""
    at = axis_of(dim, len(x.shape) + 1)
    shape = list(x.shape)
    shape.insert(at, 1)
    return x._view(kernel(_reshape, "Unsqueeze", shape=tuple(shape)))


def squeeze(x: Tensor, dim: Any = None) -> Tensor:
    """Without axes of size one (those in `dim` only)."""
    rank = len(x.shape)
    which = range(rank) if dim is None else [axis_of(d, rank) for d in (dim if isinstance(dim, (tuple, list)) else (dim,))]
    shape = tuple(n for k, n in enumerate(x.shape) if n != 1 or k not in which)
    return x._view(kernel(_reshape, "Squeeze", shape=shape))


def expand(x: Tensor, *shape: Any) -> Tensor:
    """Axes of size one repeated without memory; -1: as it is."""
    return x._view(kernel(_expand, "Expand", shape=expanded(tuple(x.shape), sizes(shape))))


def expanded(have: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that a tensor gets, with each -1 found."""
    new = len(wanted) - len(have)
    if new < 0:
        raise RuntimeError(
            f"expand(torch.FloatTensor{{{list(have)}}}, size={list(wanted)}): the number of sizes provided ({len(wanted)}) must "
            f"be greater or equal to the number of dimensions in the tensor ({len(have)})"
        )
    full = []
    for k, w in enumerate(wanted):
        h = have[k - new] if k >= new else 1
        if w == -1 and k < new:
            raise RuntimeError(
                f"The expanded size of the tensor ({w}) isn't allowed in a leading, non-existing dimension {k}"
            )
        if w not in (-1, h) and h != 1:
            raise RuntimeError(
                f"The expanded size of the tensor ({w}) must match the existing size ({h}) at non-singleton dimension {k}.  "
                f"Target sizes: {list(wanted)}.  Tensor sizes: {list(have)}"
            )
        full.append(h if w == -1 else w)
    return tuple(full)


# ---- joining


def _cat(*xs: Any, dim: int) -> Any:
    return np.concatenate(xs, axis=dim)


def _stack(*xs: Any, dim: int) -> Any:
    return np.stack(xs, axis=dim)


def _choose_cat(*types: Aval, dim: int) -> Kernel:
    return converted(_cat, "Cat", types, result_dtype(types), dim=axis_of(dim, len(types[0].shape)))


def _choose_stack(*types: Aval, dim: int) -> Kernel:
    for k, t in enumerate(types):
        if t.shape != types[0].shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(types[0].shape)} at entry 0 and {list(t.shape)} at "
                f"entry {k}"
            )
    return converted(_stack, "Stack", types, result_dtype(types), dim=axis_of(dim, len(types[0].shape) + 1))


_cat_op, _stack_op = Op("cat", _choose_cat), Op("stack", _choose_stack)


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors one behind the other along an axis."""
    return _cat_op(*tensors, dim=dim)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors beside each other along a new axis."""
    if not len(tensors):
        raise RuntimeError("stack expects a non-empty TensorList")
    return _stack_op(*tensors, dim=dim)

__all__ = [
    "cat", "permute", "reshape", "squeeze", "stack", "t", "transpose", "unsqueeze",
]  # fmt: skip
