"""Tensors put together, taken apart, repeated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import dtypes
from .creation import owned
from .elementwise import clone
from .kernel import Aval, Kernel, kernel
from .op import Op, check_broadcast, paired, result_dtype
from .reductions import axis_of
from .run import known
from .shapes import expand, numbered, reshape, sizes, sliced, unsqueeze, view
from .tensor import Size, Tensor

# ---- joining


def _cat(*xs: Any, dim: int) -> Any:
    return np.concatenate(xs, axis=dim)


def _stack(*xs: Any, dim: int) -> Any:
    return np.stack(xs, axis=dim)


def _choose_cat(*types: Aval, dim: int) -> Kernel:
    first = types[0].shape
    at = axis_of(dim, len(first))
    for k, t in enumerate(types):
        if len(t.shape) != len(first):
            raise RuntimeError(f"Tensors must have same number of dimensions: got {len(first)} and {len(t.shape)}")
        for a, (n, m) in enumerate(zip(first, t.shape, strict=True)):
            if n != m and a != at:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {at}. Expected size {n} but got size {m} for tensor number "
                    f"{k} in the list."
                )
    return paired(_cat, "Cat", types, result_dtype(types), dim=at)


def _choose_stack(*types: Aval, dim: int) -> Kernel:
    for k, t in enumerate(types):
        if t.shape != types[0].shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(types[0].shape)} at entry 0 and {list(t.shape)} at "
                f"entry {k}"
            )
    return paired(_stack, "Stack", types, result_dtype(types), dim=axis_of(dim, len(types[0].shape) + 1))


_cat_op, _stack_op = Op("cat", _choose_cat), Op("stack", _choose_stack)


def several(tensors: Any, name: str) -> list[Tensor]:
    if isinstance(tensors, Tensor) or not all(isinstance(x, Tensor) for x in tensors):
        got = "Tensor" if isinstance(tensors, Tensor) else "tuple of other things"
        raise TypeError(f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not {got}")
    return list(tensors)


def cat(tensors: Sequence[Tensor], dim: int = 0, *, axis: int | None = None) -> Tensor:
    """The tensors one behind the other along an axis.

    >>> import jitgrad.eager as torch
    >>> torch.cat([torch.tensor([1, 2]), torch.tensor([3])])
    tensor([1, 2, 3])
    """
    xs = several(tensors, "cat")
    if not xs:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    for k, x in enumerate(xs):
        if not x._node.aval.shape:
            raise RuntimeError(f"zero-dimensional tensor (at position {k}) cannot be concatenated")
    dim = dim if axis is None else axis
    full = [x for x in xs if x._node.aval.shape != (0,)]  # an empty row goes with everything
    if full and len(full) < len(xs) and any(len(x.shape) > 1 for x in full):
        d = result_dtype(tuple(x._node.aval for x in xs))
        return _cat_op(*[x.to(d) for x in full], dim=dim)
    return _cat_op(*xs, dim=dim)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """The tensors beside each other along a new axis."""
    xs = several(tensors, "stack")
    if not xs:
        raise RuntimeError("stack expects a non-empty TensorList")
    return _stack_op(*xs, dim=dim)


def of_one(f: Any) -> Any:
    """A function of a tensor as one of a tensor, several tensors, or a sequence of them."""

    def apply(*tensors: Any) -> Any:
        if len(tensors) == 1:
            return f(tensors[0]) if isinstance(tensors[0], Tensor) else tuple(f(x) for x in tensors[0])
        return tuple(f(x) for x in tensors)

    apply.__name__, apply.__doc__ = f.__name__, f.__doc__
    return apply


@of_one
def atleast_1d(x: Tensor) -> Tensor:
    """With one axis at least."""
    return x if x.shape else view(x, 1)


@of_one
def atleast_2d(x: Tensor) -> Tensor:
    """With two axes at least, new ones in front."""
    return x if len(x.shape) > 1 else unsqueeze(atleast_1d(x), 0)


@of_one
def atleast_3d(x: Tensor) -> Tensor:
    """With three axes at least."""
    return x if len(x.shape) > 2 else unsqueeze(atleast_2d(x), -1)


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Side by side: along the second axis, or the first of rows."""
    xs = [atleast_1d(x) for x in several(tensors, "hstack")]
    return cat(xs, 0 if len(xs[0].shape) == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """One above the other."""
    return cat([atleast_2d(x) for x in several(tensors, "vstack")], 0)


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """One behind the other, along the third axis."""
    return cat([atleast_3d(x) for x in several(tensors, "dstack")], 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Side by side; rows become columns."""
    xs = several(tensors, "column_stack")
    return hstack([x if len(x.shape) > 1 else reshape(x, (x.numel(), 1)) for x in xs])


def block_diag(*tensors: Tensor) -> Tensor:
    """The matrices along the diagonal of a matrix of zeros."""
    xs = [atleast_2d(x) for x in tensors]
    wide = sum(x.shape[1] for x in xs)
    rows, before = [], 0
    d = result_dtype(tuple(x._node.aval for x in xs))
    for x in xs:
        left, right = (np.zeros((x.shape[0], n), d.storage) for n in (before, wide - before - x.shape[1]))
        rows.append(cat([owned(left, d), x, owned(right, d)], 1))
        before += x.shape[1]
    return cat(rows, 0)


# ---- taking apart


def split(x: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Parts of one size (the last may be smaller), or of these sizes: views."""
    if not x.shape:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    at = axis_of(dim, len(x.shape))
    n = x.shape[at]
    if isinstance(split_size_or_sections, (list, tuple)):
        return split_with_sizes(x, split_size_or_sections, dim)
    size = int(split_size_or_sections)
    if size < 0:
        raise RuntimeError(f"split expects split_size be non-negative, but got split_size={size}")
    if size == 0 and n:
        raise RuntimeError(f"split_size can only be 0 if dimension size is 0, but got dimension size of {n}")
    ends = range(0, n, size) if size and n else [0]
    return numbered(sliced(x, at, k, min(k + size, n), "Split") for k in ends)


def split_with_sizes(x: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Parts of these sizes: views."""
    at = axis_of(dim, len(x.shape))
    given = [int(k) for k in split_sizes]
    if any(k < 0 for k in given):
        raise RuntimeError(f"split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={given}")
    if sum(given) != x.shape[at]:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {x.shape[at]} (input tensor's size at dimension {at}), but "
            f"got split_sizes={given}"
        )
    starts = np.cumsum([0, *given]).tolist()
    return numbered(sliced(x, at, a, b, "SplitWithSizes") for a, b in zip(starts, starts[1:], strict=False))


def chunk(x: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most so many parts of one size (the last may be smaller): views."""
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    if not x.shape:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    n = x.shape[axis_of(dim, len(x.shape))]
    return split(x, -(-n // chunks), dim) if n else split_with_sizes(x, [0] * chunks, dim)


def tensor_split(x: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """So many parts, as equal as possible; or parts that end at these places."""
    if not x.shape:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    at = axis_of(dim, len(x.shape))
    n = x.shape[at]
    if isinstance(indices_or_sections, Tensor):
        indices_or_sections = indices_or_sections.tolist()
    if isinstance(indices_or_sections, int):
        count = indices_or_sections
        if count <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {count}")
        ends = np.cumsum([n // count + (k < n % count) for k in range(count)]).tolist()
    else:
        ends = [*map(int, indices_or_sections), n]
    return tuple(sliced(x, at, a, max(a, b) if b >= 0 else b) for a, b in zip([0, *ends], ends, strict=False))


def _splitter(name: str, least: int, axis: Any) -> Any:
    def apply(x: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
        if len(x.shape) < least:
            raise RuntimeError(
                f"torch.{name} requires a tensor with at least {least} dimension{'s' * (least > 1)}, but got a tensor with "
                f"{len(x.shape)} dimensions!"
            )
        at = axis(x)
        count = indices_or_sections
        if isinstance(count, int) and (count == 0 or x.shape[at] % count):
            raise RuntimeError(
                f"torch.{name} attempted to split along dimension {at}, but the size of the dimension {x.shape[at]} is not "
                f"divisible by the split_size {count}!"
            )
        return tensor_split(x, count, at)

    apply.__name__, apply.__doc__ = name, f"Parts along an axis, as numpy.{name}."
    return apply


hsplit = _splitter("hsplit", 1, lambda x: 0 if len(x.shape) == 1 else 1)
vsplit = _splitter("vsplit", 2, lambda x: 0)
dsplit = _splitter("dsplit", 3, lambda x: 2)


# ---- repeating


def _tile(x: Any, counts: tuple[int, ...]) -> Any:
    return np.tile(x, counts)


def _repeat(x: Any, count: int, axis: int) -> Any:
    return np.repeat(x, count, axis=axis)


_repeat_op = Op("repeat", lambda t, counts: kernel(_tile, "Repeat", (t.dtype,), counts=counts))
_interleave = Op("repeat_interleave", lambda t, count, axis: kernel(_repeat, "View", (t.dtype,), count=count, axis=axis))


def repeat(x: Tensor, *repeats: Any) -> Tensor:
    """The whole tensor so often along each axis; more numbers than axes: new axes in front."""
    counts = sizes(repeats)
    extra = len(counts) - len(x.shape)
    if extra < 0:
        raise RuntimeError("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor")
    if any(n < 0 for n in counts):
        raise RuntimeError(f"Trying to create tensor with negative dimension: {list(counts)}")
    if x.dtype.is_complex:
        x = reshape(x, (*(1,) * extra, *x.shape))
        counts = (*counts, 1)
    return _repeat_op(x, counts=counts) if counts else clone(x)


def tile(x: Tensor, *dims: Any) -> Tensor:
    """As `repeat`; fewer numbers than axes: the last axes are meant."""
    counts = sizes(dims)
    return repeat(x, (*(1,) * (len(x.shape) - len(counts)), *counts))


def repeat_interleave(x: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None) -> Tensor:
    """Each row so often, one after the other; repeats: a number, or one for each row. `x` alone: the numbers of the rows."""
    if repeats is None:
        return owned(np.repeat(np.arange(x.numel()), known(x._value())), dtypes.int64)
    if dim is None:
        x, dim = reshape(x, -1), 0
    if not x.shape:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    at = axis_of(dim, len(x.shape))
    if isinstance(repeats, int):
        return _interleave(x, count=repeats, axis=at)
    counts = known(repeats._value())
    if counts.ndim and counts.shape[0] not in (1, x.shape[at]):
        raise RuntimeError(
            f"repeats must have the same size as input along dim, but got repeats.size(0) = {counts.shape[0]} and "
            f"input.size({at}) = {x.shape[at]}"
        )
    if counts.size == 1:
        return _interleave(x, count=int(counts.reshape(())), axis=at)
    return x.index_select(at, owned(np.repeat(np.arange(x.shape[at]), counts), dtypes.int64))


def broadcast_shapes(*shapes: Any) -> Any:
    """The shape that all of these broadcast to."""
    out: list[int] = []
    for place, given in enumerate(shapes):
        shape = (given,) if isinstance(given, int) else tuple(given)
        out = [1] * (len(shape) - len(out)) + out
        for k in range(-1, -1 - len(shape), -1):
            if shape[k] != out[k] and 1 not in (shape[k], out[k]):
                raise RuntimeError(
                    f"Attempting to broadcast a dimension of length {shape[k]} at {k}! Mismatching argument at index {place} had "
                    f"{shape}; but expected shape should be broadcastable to {out}"
                )
            out[k] = shape[k] if out[k] == 1 else out[k]
    return Size(out)


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """The tensors, repeated to one shape."""
    xs = list(tensors[0]) if len(tensors) == 1 and not isinstance(tensors[0], Tensor) else list(tensors)
    check_broadcast(tuple(x._node.aval for x in xs))
    shape = np.broadcast_shapes(*[tuple(x.shape) for x in xs])
    return tuple(x if tuple(x.shape) == shape else expand(x, shape) for x in xs)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Of n rows, n grids with n axes: in the k-th, the k-th row varies along axis k ("xy": the first two swapped)."""
    xs = list(tensors[0]) if len(tensors) == 1 and not isinstance(tensors[0], Tensor) else list(tensors)
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    for x in xs:
        if len(x.shape) > 1:
            raise RuntimeError(f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {x!r}")
    order = list(range(len(xs)))  # the axis along which each varies
    if indexing == "xy" and len(xs) > 1:
        order[:2] = [1, 0]
    shape = [0] * len(xs)
    for k, x in zip(order, xs, strict=True):
        shape[k] = x.numel()
    rows = [view(x, (*(1,) * k, x.numel(), *(1,) * (len(xs) - k - 1))) for k, x in zip(order, xs, strict=True)]
    return tuple(expand(x, shape) for x in rows)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All combinations of one number of each row, as rows."""
    if len(tensors) == 1:
        return tensors[0]
    return stack([reshape(x, -1) for x in meshgrid(*tensors)], 1)

concat = concatenate = cat
row_stack = vstack
FUNCTIONS = {
    f.__name__: f
    for f in (split, split_with_sizes, chunk, tensor_split, hsplit, vsplit, dsplit, tile, repeat_interleave)
}
METHODS = FUNCTIONS | {"repeat": repeat}

__all__ = [
    "atleast_1d", "atleast_2d", "atleast_3d", "block_diag", "broadcast_shapes", "broadcast_tensors", "cartesian_prod", "cat",
    "chunk", "column_stack", "concat", "concatenate", "dsplit", "dstack", "hsplit", "hstack", "meshgrid", "repeat_interleave",
    "row_stack", "split", "split_with_sizes", "stack", "tensor_split", "tile", "vsplit", "vstack",
]  # fmt: skip
