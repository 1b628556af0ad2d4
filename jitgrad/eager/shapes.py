"""Shapes: views of a tensor. A view sees what is written to what it is a view of, and the other way round."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

from .kernel import Aval, kernel
from .op import Op
from .reductions import axis_of
from .tensor import Tensor
from .views import (
    _diagonal,
    _expand,
    _index,
    _layout_reshape,
    _permute,
    _reshape,
    _same,
    _strided,
    _unfold,
    contiguous,
    view_of,
)

VIEW = (
    "view size is not compatible with input tensor's size and stride (at least one dimension spans across two contiguous "
    "subspaces). Use .reshape(...) instead."
)
FULL = ("slice", None, None, None)


def viewed(x: Tensor, body: Any, name: str, **options: Any) -> Tensor:
    """A view by one of the bodies; `name` is PyTorch's for the node."""
    return x._view(*view_of(x._node.aval, body, name, **options))


def deep(x: Tensor, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that computation sees: complex numbers are pairs."""
    return (*shape, 2) if x._node.aval.dtype.is_complex else shape


def sizes(given: tuple[Any, ...]) -> tuple[int, ...]:
    """`f(2, 3)` and `f((2, 3))` mean the same."""
    if len(given) == 1 and type(given[0]) is not int and isinstance(given[0], Sequence):
        given = tuple(given[0])
    return tuple(map(int, given))


# ---- the same numbers in another shape


@functools.lru_cache(maxsize=4096)
def reshaped(shape: tuple[int, ...], count: int) -> tuple[int, ...]:
    """The shape with its -1 found."""
    if shape.count(-1) > 1:
        raise RuntimeError("only one dimension can be inferred")
    for n in shape:
        if n < -1:
            raise RuntimeError(f"invalid shape dimension {n}")
    known = math.prod(n for n in shape if n != -1)
    if -1 not in shape:
        if known != count:
            raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {count}")
        return shape
    if not known and not count:
        raise RuntimeError(
            f"cannot reshape tensor of 0 elements into shape {list(shape)} because the unspecified dimension size -1 can be any "
            "value and is ambiguous"
        )
    if not known or count % known:
        raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {count}")
    return tuple(count // known if n == -1 else n for n in shape)


def fits(x: Tensor, shape: tuple[int, ...]) -> bool:
    """Can this shape be a view of the tensor?"""
    s = x._storage
    return s is None or (not x._path and s.shared is None) or _layout_reshape(x._layout(), shape) is not None


def view(x: Tensor, *shape: Any) -> Tensor:
    """The same memory in another shape (one size may be -1); RuntimeError if the strides do not allow it.

    >>> import jitgrad.eager as torch
    >>> torch.arange(6).view(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    if len(shape) == 1 and not isinstance(shape[0], (int, Sequence)) and not hasattr(shape[0], "__index__"):
        raise NotImplementedError("view(dtype) is not supported: use x.numpy().view(...)")
    found = reshaped(sizes(shape), x._node.aval.numel)
    if not fits(x, found):
        raise RuntimeError(VIEW)
    return viewed(x, _reshape, "View", shape=deep(x, found))


_copied = Op("reshape", lambda t, shape: kernel(_reshape, "UnsafeView", (t.dtype,), shape=shape))


def reshape(x: Tensor, *shape: Any) -> Tensor:
    """The same numbers in another shape (one size may be -1): a view where that is possible, else a copy."""
    return in_shape(x, reshaped(sizes(shape), x._node.aval.numel))


def in_shape(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The same numbers in another shape, which has as many."""
    if fits(x, shape):
        whole = not x._path or x._layout()[1] == contiguous(x._node.aval.shape)
        return viewed(x, _reshape, "View" if whole else "ReshapeAlias", shape=deep(x, shape))
    return _copied(x, shape=deep(x, shape))


def view_as(x: Tensor, other: Tensor) -> Tensor:
    """A view in the shape of another tensor."""
    return view(x, tuple(other.shape))


def reshape_as(x: Tensor, other: Tensor) -> Tensor:
    """The tensor in the shape of another one."""
    return reshape(x, tuple(other.shape))


def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The axes from start_dim to end_dim as one."""
    shape = x._node.aval.shape
    first, last = axis_of(start_dim, len(shape)), axis_of(end_dim, len(shape))
    if first > last:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if not shape:
        return reshape(x, 1)
    if first == last:
        return x
    return in_shape(x, (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))


def unflatten(x: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """One axis as several of these sizes."""
    shape = tuple(x.shape)
    at = axis_of(dim, len(shape))
    known = math.prod(n for n in sizes if n != -1)
    if (known != shape[at] and -1 not in sizes) or (-1 in sizes and (not known or shape[at] % known)):
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {at} ({shape[at]}) in the input tensor"
        )
    return view(x, (*shape[:at], *(shape[at] // known if n == -1 else n for n in sizes), *shape[at + 1 :]))


def ravel(x: Tensor) -> Tensor:
    """All numbers as one row."""
    return reshape(x, -1)


def unsqueeze(x: Tensor, dim: int) -> Tensor:
    """With an axis of size one more."""
    shape = x._node.aval.shape
    at = axis_of(dim, len(shape) + 1)
    return viewed(x, _reshape, "Unsqueeze", shape=deep(x, (*shape[:at], 1, *shape[at:])))


def squeeze(x: Tensor, dim: Any = None) -> Tensor:
    """Without axes of size one (those in `dim` only)."""
    old = x._node.aval.shape
    which: Sequence[int]
    if dim is None:
        name, which = "Squeeze", range(len(old))
    elif isinstance(dim, (tuple, list)):
        name, which = "Squeeze.2", [axis_of(d, len(old)) for d in dim]
    else:
        name, which = "Squeeze.1", (axis_of(dim, len(old)),)
    return viewed(x, _reshape, name, shape=deep(x, tuple([n for k, n in enumerate(old) if n != 1 or k not in which])))


# ---- axes in another order


def permuted(x: Tensor, axes: Sequence[int], name: str) -> Tensor:
    tail = (len(axes),) if x._node.aval.dtype.is_complex else ()
    return viewed(x, _permute, name, axes=(*axes, *tail))


def permute(x: Tensor, *dims: Any) -> Tensor:
    """The axes in another order."""
    return permuted(x, order_of(sizes(dims), len(x._node.aval.shape)), "Permute")


@functools.lru_cache(maxsize=4096)
def order_of(dims: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """The axes counted from the front."""
    if len(dims) != rank:
        raise RuntimeError(
            "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired ordering of "
            f"dimensions i.e. input.dim() = {rank} is not equal to len(dims) = {len(dims)}"
        )
    axes = tuple(axis_of(d, rank) for d in dims)
    if len(set(axes)) != rank:
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return axes


def transpose(x: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two axes swapped."""
    rank = len(x._node.aval.shape)
    a, b = axis_of(dim0, rank), axis_of(dim1, rank)
    axes = list(range(rank))
    if rank:
        axes[a], axes[b] = axes[b], axes[a]
    return permuted(x, axes, "Transpose")


def t(x: Tensor) -> Tensor:
    """The transposed matrix."""
    rank = len(x._node.aval.shape)
    if rank > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {rank}D")
    return permuted(x, tuple(reversed(range(rank))), "T")


def movedim(x: Tensor, source: Any, destination: Any) -> Tensor:
    """Axes at other places; the others keep their order."""
    rank = len(x.shape)
    froms, tos = ([*k] if isinstance(k, (tuple, list)) else [k] for k in (source, destination))
    if len(froms) != len(tos):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({froms} dims) should contain the same number of dims as "
            f"destination ({tos} dims)"
        )
    for label, given in (("source", froms), ("destination", tos)):
        if len({axis_of(d, rank) for d in given}) != len(given):
            raise RuntimeError(f"movedim: repeated dim in `{label}` ({given})")
    if not rank:
        return permuted(x, (), "Alias")
    order = [k for k in range(rank) if k not in {axis_of(d, rank) for d in froms}]
    for a, b in sorted(zip((axis_of(d, rank) for d in tos), (axis_of(d, rank) for d in froms), strict=True)):
        order.insert(a, b)
    return permuted(x, order, "Permute")


def adjoint(x: Tensor) -> Tensor:
    """The last two axes swapped, conjugated."""
    return conjugated(x, "adjoint()")


def conjugated(x: Tensor, name: str) -> Tensor:
    return matrix_transpose(x, name).conj() if x.dtype.is_complex else matrix_transpose(x, name)


def matrix_transpose(x: Tensor, name: str = "mT") -> Tensor:
    """The last two axes swapped."""
    if len(x.shape) < 2:
        raise RuntimeError(f"tensor.{name} is only supported on matrices or batches of matrices. Got {len(x.shape)}-D tensor.")
    return transpose(x, -2, -1)


def hermitian(x: Tensor) -> Tensor:
    """`x.H`"""
    rank = len(x.shape)
    if rank not in (0, 2):
        more = " For batches of matrices, consider using tensor.mH" if rank > 2 else ""
        raise RuntimeError(f"tensor.H is only supported on matrices (2-D tensors). Got {rank}-D tensor.{more}")
    return conjugated(x, "H") if rank else x.conj()


REVERSE = (
    "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and it will throw an error in a "
    "future release. Consider `x.mT` to transpose batches of matrices or `x.permute(*torch.arange(x.ndim - 1, -1, -1))` to "
    "reverse the dimensions of a tensor."
)


def reversed_axes(x: Tensor) -> Tensor:
    """`x.T`"""
    rank = len(x.shape)
    if rank not in (0, 2):
        warnings.warn(REVERSE, UserWarning, stacklevel=3)
    return permuted(x, tuple(reversed(range(rank))), "Permute")


# ---- repeated without memory


def expand(x: Tensor, *shape: Any) -> Tensor:
    """Axes of size one repeated without memory; -1: as it is."""
    aval = x._node.aval
    full = expanded(aval, sizes(shape))
    if aval.dtype.is_complex and len(full) > len(aval.shape):  # NumPy would take the pairs for an axis of the tensor
        x = viewed(x, _reshape, "View", shape=(*(1,) * (len(full) - len(x.shape)), *x.shape, 2))
    return viewed(x, _expand, "Expand", shape=deep(x, full))


@functools.lru_cache(maxsize=4096)
def expanded(t: Aval, wanted: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that a tensor of this type gets, with each -1 found."""
    have = t.shape
    new = len(wanted) - len(have)
    if new < 0:
        raise RuntimeError(
            f"expand(torch.{t.dtype.legacy}Tensor{{{list(have)}}}, size={list(wanted)}): the number of sizes provided "
            f"({len(wanted)}) must be greater or equal to the number of dimensions in the tensor ({len(have)})"
        )
    full = []
    for k, w in enumerate(wanted):
        h = have[k - new] if k >= new else 1
        if w == -1 and k < new:
            raise RuntimeError(f"The expanded size of the tensor ({w}) isn't allowed in a leading, non-existing dimension {k}")
        if w not in (-1, h) and h != 1:
            raise RuntimeError(
                f"The expanded size of the tensor ({w}) must match the existing size ({h}) at non-singleton dimension {k}.  "
                f"Target sizes: {list(wanted)}.  Tensor sizes: {list(have)}"
            )
        full.append(h if w == -1 else w)
    return tuple(full)


def expand_as(x: Tensor, other: Tensor) -> Tensor:
    """Repeated to the shape of another tensor."""
    return expand(x, tuple(other.shape))


def broadcast_to(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Repeated to this shape."""
    return expand(x, tuple(shape))


# ---- parts


def sliced(x: Tensor, axis: int, start: int, stop: int, name: str = "Slice", step: int | None = None) -> Tensor:
    return viewed(x, _index, name, key=(*(FULL,) * axis, ("slice", start, stop, step)))


def narrow(x: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """`length` rows along an axis, from `start` on."""
    shape = x._node.aval.shape
    at, first = axis_of(dim, len(shape)), int(start)
    n = shape[at]
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if not -n <= first <= n:
        raise IndexError(f"start out of range (expected to be in range of [{-n}, {n}], but got {first})")
    first = first + n if first < 0 else first
    if first + length > n:
        raise RuntimeError(f"start ({first}) + length ({length}) exceeds dimension size ({n}).")
    return sliced(x, at, first, first + length)


def select(x: Tensor, dim: int, index: int) -> Tensor:
    """One row along an axis; the axis goes."""
    shape = x._node.aval.shape
    if not shape:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    at, k = axis_of(dim, len(shape)), int(index)
    if not -shape[at] <= k < shape[at]:
        raise IndexError(f"select(): index {k} out of range for tensor of size {list(shape)} at dimension {at}")
    return viewed(x, _index, "Select", key=(*(FULL,) * at, k))


def unbind(x: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """All rows along an axis."""
    if not x.shape:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    at = axis_of(dim, len(x.shape))
    return numbered(viewed(x, _index, "Unbind", key=(*(FULL,) * at, k)) for k in range(x.shape[at]))


def numbered(views: Iterable[Tensor]) -> tuple[Tensor, ...]:
    """Views that come several at a time; each knows its place."""
    out = tuple(views)
    for k, x in enumerate(out):
        x._place = k
    return out


def diagonal(x: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of two axes, as the last axis of a view."""
    rank = len(x.shape)
    a, b = axis_of(dim1, rank), axis_of(dim2, rank)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    tail = x._node.aval.dtype.is_complex
    length = max(min(x.shape[a] + min(offset, 0), x.shape[b] - max(offset, 0)), 0)
    return viewed(x, _diagonal, "Diagonal", offset=int(offset), axis1=a, axis2=b, length=length, tail=tail)


def unfold(x: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """All windows of `size` along an axis, `step` apart, with the places in the window as a last axis: a view."""
    at = axis_of(dimension, len(x.shape))
    n = x.shape[at] if x.shape else 1
    if size > n:
        raise RuntimeError(f"maximum size for tensor at dimension {at} is {n} but size is {size}")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    if not x.shape:
        return viewed(view(x, 1), _index, "Unfold", key=(("slice", 0, int(size), None),))
    tail, count = x._node.aval.dtype.is_complex, (n - size) // step + 1
    return viewed(x, _unfold, "Unfold", axis=at, size=int(size), step=int(step), count=count, tail=tail)


def as_strided(x: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> Tensor:
    """Cells of the memory of the tensor by their strides: a view."""
    start = x._layout()[2] if storage_offset is None else int(storage_offset)
    while x._base is not None and not x._needs:
        x = x._base
    shape, strides, offset = x._layout()
    if x.dtype.is_complex or strides != contiguous(shape):
        raise NotImplementedError("as_strided of complex tensors, or of memory that is not contiguous: use x.contiguous()")
    shape, strides = tuple(map(int, size)), tuple(map(int, stride))
    if len(shape) != len(strides):
        raise RuntimeError(f"mismatch in length of strides and shape: {len(strides)} and {len(shape)}")
    if any(s < 0 for s in strides):
        raise RuntimeError(f"as_strided: Negative strides are not supported at the moment, got strides: {list(strides)}")
    need = 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) if math.prod(shape) else 0
    if start < offset or start - offset + need > x.numel():
        raise RuntimeError(
            f"setStorage: sizes {list(shape)}, strides {list(strides)}, storage offset {start}, and itemsize {x.dtype.itemsize} "
            f"requiring a storage size of {(need + start) * x.dtype.itemsize} are out of bounds for storage of size "
            f"{(x.numel() + offset) * x.dtype.itemsize}"
        )
    return viewed(x, _strided, "AsStrided", shape=shape, strides=strides, offset=start - offset)


def alias(x: Tensor) -> Tensor:
    """The whole as a view."""
    return viewed(x, _same, "Alias")

swapaxes = swapdims = transpose
moveaxis = movedim

FUNCTIONS = {
    f.__name__: f
    for f in (
        reshape, flatten, unflatten, ravel, unsqueeze, squeeze, permute, transpose, t, movedim, adjoint, broadcast_to, narrow,
        select, unbind, diagonal, as_strided,
    )
} | {"swapaxes": transpose, "swapdims": transpose, "moveaxis": movedim}  # fmt: skip
METHODS = FUNCTIONS | {
    f.__name__: f for f in (view, view_as, reshape_as, expand, expand_as, unfold)
}
PROPERTIES = {"T": reversed_axes, "mT": matrix_transpose, "mH": lambda x: conjugated(x, "mH"), "H": hermitian}

__all__ = [
    "adjoint", "as_strided", "broadcast_to", "diagonal", "flatten", "moveaxis", "movedim", "narrow", "permute", "ravel",
    "reshape", "select", "squeeze", "swapaxes", "swapdims", "t", "transpose", "unbind", "unflatten", "unsqueeze",
]  # fmt: skip
