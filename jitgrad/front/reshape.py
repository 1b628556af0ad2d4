"""Functions that show an array in another shape: views where NumPy makes views.

A reshape of a whole array is a view (the box in another form), and so is one that only adds or drops axes of size 1. Where
NumPy decides by strides whether it copies, the result is a box of its own that *may* share memory: it can be read and
written freely until one of the two is written and the other used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError, Unsupported, raise_at
from ..ir.dims import DimLike, opaque
from ..ops import array
from . import promote
from .dispatch import OWN
from .items import number
from .size import counted, number_of_elements, same, static_int
from .standin import METHODS, PROPERTIES, Array, Scalar, StandIn, boxed, size_of, unwrap, wrap
from .surface import creation
from .surface.shapes import new_shape
from .view import NEW, Cell, Span, View


def as_array(x: Any) -> Array:
    """An array-like as an array: itself, or a new one."""
    if isinstance(x, Array):
        return x
    return boxed(x) if isinstance(x, np.ndarray) else Array.new(promote.lift(unwrap(x)).value)


def row_major(order: Any) -> None:
    if order not in ("C", "K", "A", None):
        raise_at(Unsupported, f"order={order!r} is not supported", wanted="order='C'", repair="reshape the transpose")


# ---- reshape


def reshape(x: Any, shape: Any, order: str = "C", *, copy: bool | None = None) -> Array:
    """np.reshape."""
    row_major(order)
    a = as_array(x)
    dims = shape if isinstance(shape, (tuple, list)) else (shape,)
    new = new_shape(a.dims, tuple(number(d, "a size") for d in dims))
    out = _reshaped(a, new)
    return Array.new(out.read()) if copy else out


def _reshaped(a: Array, shape: tuple[DimLike, ...]) -> Array:
    if shape == a.dims:
        return Array(a.box, a.view)
    if a.view.contiguous:
        return Array(a.box, View.of(shape))
    ones = _of_ones(a.view, shape)
    if ones is not None:
        return Array(a.box, ones)
    v = array.reshape(a.read(), shape)
    return Array.new(v, a.box.name, () if a.view.scattered else (a.box,))


def _of_ones(view: View, shape: tuple[DimLike, ...]) -> View | None:
    """The view with other axes of size 1, if that is all that changes."""
    wide = [n for n in view.shape if n != 1]
    if wide != [n for n in shape if n != 1]:
        return None
    bare = view.select([Cell(0) if n == 1 else Span(0, n) for n in view.shape])
    return bare and bare.select([NEW if n == 1 else Span(0, n) for n in shape])


def ravel(x: Any, order: str = "C") -> Array:
    """In one piece, so what has gaps is copied."""
    row_major(order)
    a = as_array(x)
    shape = (number_of_elements(a.dims),)
    if a.view.contiguous or (a.view.block and shape == a.dims):
        return _reshaped(a, shape)
    return in_one_piece(a, shape)


def in_one_piece(a: Array, shape: tuple[DimLike, ...]) -> Array:
    """A copy; or the memory itself, if NumPy finds that it has no gaps."""
    return Array.new(array.reshape(a.read(), shape), a.box.name, () if a.view.gaps else (a.box,))


def flatten(a: Array, order: str = "C") -> Array:
    row_major(order)
    return Array.new(array.reshape(a.read(), (number_of_elements(a.dims),)), a.box.name)


# ---- axes


def transpose(x: Any, axes: Any = None) -> Array:
    a = as_array(x)
    rank = len(a.dims)
    perm = [promote.axis_of(k, rank, "transpose") for k in axes] if axes is not None else list(reversed(range(rank)))
    if sorted(perm) != list(range(rank)):
        raise_at(ShapeError, "the axes of a transpose do not fit", wanted=f"each of {rank} axes once", got=str(axes))
    return Array(a.box, a.view.permute(perm))


def _method_transpose(a: StandIn, *axes: Any) -> Any:
    if not a.shape:
        return a
    given = axes[0] if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list))) else axes or None
    return transpose(a, given)


def matrix_transpose(x: Any) -> Array:
    return swapaxes(x, -1, -2)


def swapaxes(x: Any, axis1: Any, axis2: Any) -> Array:
    a = as_array(x)
    rank = len(a.dims)
    perm = list(range(rank))
    i, j = (promote.axis_of(k, rank, "swapaxes") for k in (axis1, axis2))
    perm[i], perm[j] = j, i
    return transpose(a, perm)


def moveaxis(x: Any, source: Any, destination: Any) -> Array:
    a = as_array(x)
    rank = len(a.dims)
    lists = [k if isinstance(k, (tuple, list)) else (k,) for k in (source, destination)]
    src, dst = ([promote.axis_of(k, rank, "moveaxis") for k in ks] for ks in lists)
    if len(src) != len(dst) or len({*src}) != len(src) or len({*dst}) != len(dst):
        raise_at(ShapeError, "moveaxis wants as many places as axes", got=f"{source} and {destination}")
    perm = [k for k in range(rank) if k not in src]
    for d, s in sorted(zip(dst, src, strict=True)):
        perm.insert(d, s)
    return transpose(a, perm)


def rollaxis(x: Any, axis: Any, start: Any = 0) -> Array:
    a = as_array(x)
    rank = len(a.dims)
    k = promote.axis_of(axis, rank, "rollaxis")
    to = promote.static_int(start, "the start of rollaxis")
    to = to + rank if to < 0 else to
    return moveaxis(a, k, to - 1 if k < to else to)


def expand_dims(x: Any, axis: Any) -> Array:
    a = as_array(x)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    rank = len(a.dims) + len(axes)
    at = promote.axes_of(tuple(axes), rank, "expand_dims")
    sizes = iter(a.dims)
    return _selected(a, [NEW if k in at else Span(0, next(sizes)) for k in range(rank)])


def squeeze(x: Any, axis: Any = None) -> Any:
    if isinstance(x, Scalar):
        return x
    a = as_array(x)
    if axis is None:
        axes = [k for k, n in enumerate(a.dims) if promote.is_one(n)]
    else:
        axes = list(promote.axes_of(axis, len(a.dims), "squeeze"))
        if not all(promote.is_one(a.dims[k]) for k in axes):
            raise_at(ShapeError, "an axis that is squeezed is not of size 1", got=promote.shape_text(a.dims))
    return _selected(a, [Cell(0) if k in axes else Span(0, n) for k, n in enumerate(a.dims)])


def _selected(a: Array, selection: Sequence[Any]) -> Array:
    view = a.view.select(selection)
    assert view is not None  # nothing is emptied
    return Array(a.box, view)


def at_least(rank: int) -> Any:
    """np.atleast_1d, _2d, _3d. Rows become (1, n) and (1, n, 1), matrices (n, m, 1)."""

    def one(x: Any) -> Array:
        a = as_array(x)
        have = len(a.dims)
        missing = max(rank - have, 0)
        before = min(missing, {1: 1, 2: 0}.get(have, rank))
        return _selected(a, [NEW] * before + [Span(0, n) for n in a.dims] + [NEW] * (missing - before))

    return lambda *xs: one(xs[0]) if len(xs) == 1 else tuple(map(one, xs))


# ---- views by slices


def flip(x: Any, axis: Any = None) -> Array:
    a = as_array(x)
    axes = promote.axes_of(axis, len(a.dims), "flip")
    return a[tuple(slice(None, None, -1) if k in axes else slice(None) for k in range(len(a.dims)))]


def rot90(x: Any, k: Any = 1, axes: Any = (0, 1)) -> Array:
    a = as_array(x)
    i, j = (promote.axis_of(axis, len(a.dims), "rot90") for axis in axes)
    turns = promote.static_int(unwrap(k), "k of rot90") % 4
    if turns == 2:
        return flip(flip(a, i), j)
    if turns == 1:
        return swapaxes(flip(a, j), i, j)
    return flip(swapaxes(a, i, j), j) if turns == 3 else a[...]


def split(even: bool, axis_default: int = 0) -> Any:
    """np.split (equal parts only) and np.array_split; with a list, at these places."""

    def function(x: Any, indices_or_sections: Any, axis: Any = axis_default) -> list[Array]:
        a = as_array(x)
        k = promote.axis_of(axis, len(a.dims), "split")
        n = a.dims[k]
        if isinstance(indices_or_sections, (list, tuple)):
            cuts: list[Any] = [0, *indices_or_sections, None]
        else:
            parts = promote.static_int(unwrap(indices_or_sections), "the number of parts")
            size, more = opaque("floordiv", n, parts), opaque("mod", n, parts)
            if even and not same(more, 0):
                raise_at(ShapeError, "np.split wants equal parts", got=f"{n} in {parts} parts", repair="np.array_split")
            longer = 0 if even else static_int(more)
            cuts = [size_of(size * p + min(p, longer)) for p in range(parts + 1)]
        full = (slice(None),) * k
        return [a[(*full, slice(lo, hi))] for lo, hi in zip(cuts, cuts[1:], strict=False)]

    return function


def unstack(x: Any, /, *, axis: Any = 0) -> tuple[Any, ...]:
    a = as_array(x)
    k = promote.axis_of(axis, len(a.dims), "np.unstack")
    return tuple(a[(*[slice(None)] * k, i)] for i in range(static_int(a.dims[k])))


def broadcast_to(x: Any, shape: Any, subok: bool = False) -> Array:
    """Read-only in NumPy, and shares memory with what it repeats."""
    a = as_array(x)
    dims = tuple(counted(number(d, "a size"), "a size") for d in (shape if isinstance(shape, (tuple, list)) else (shape,)))
    common = promote.broadcast_shapes("np.broadcast_to", [dims, a.dims])
    if common != dims:
        raise_at(ShapeError, "an array does not broadcast", wanted=f"a shape that fits {a.dims}", got=str(dims))
    out = Array.new(promote.spread(a.read(), dims), a.box.name, (a.box,))
    out.box.frozen = "the result of np.broadcast_to, in which one cell stands in many places"
    return out


def broadcast_arrays(*xs: Any, subok: bool = False) -> tuple[Array, ...]:
    arrays = [as_array(x) for x in xs]
    shape = promote.broadcast_shapes("np.broadcast_arrays", [a.dims for a in arrays])
    return tuple(broadcast_to(a, shape) if a.dims != shape else a for a in arrays)


def diagonal(x: Any, offset: Any = 0, axis1: Any = 0, axis2: Any = 1) -> Array:
    """A read-only view in NumPy."""
    a = as_array(x)
    v = creation.diagonal(a.operand(), unwrap(offset), axis1, axis2)
    out = Array.new(v.value, a.box.name, (a.box,))
    out.box.frozen = "the result of np.diagonal, which NumPy makes read-only"
    return out


def diag(v: Any, k: Any = 0) -> Any:
    a = as_array(v)
    return diagonal(a, k) if len(a.dims) == 2 else wrap(creation.diag(a.operand(), unwrap(k)))


# fmt: off
OWN.update({
    np.reshape: reshape, np.ravel: ravel, np.transpose: transpose, np.permute_dims: transpose,
    np.matrix_transpose: matrix_transpose, np.linalg.matrix_transpose: matrix_transpose,
    np.swapaxes: swapaxes, np.moveaxis: moveaxis, np.rollaxis: rollaxis, np.expand_dims: expand_dims, np.squeeze: squeeze,
    np.atleast_1d: at_least(1), np.atleast_2d: at_least(2), np.atleast_3d: at_least(3),
    np.flip: flip, np.flipud: lambda m: flip(m, 0), np.fliplr: lambda m: flip(m, 1), np.rot90: rot90,
    np.split: split(even=True), np.array_split: split(even=False),
    np.vsplit: split(even=True), np.dsplit: split(even=True, axis_default=2),
    np.hsplit: lambda x, parts: split(even=True)(x, parts, min(1, len(as_array(x).dims) - 1)),
    np.broadcast_to: broadcast_to, np.broadcast_arrays: broadcast_arrays, np.diagonal: diagonal, np.diag: diag,
    np.linalg.diagonal: lambda x, /, *, offset=0: diagonal(x, offset, -2, -1),
})

if hasattr(np, "unstack"):  # NumPy 2.1
    OWN[np.unstack] = unstack

METHODS.update({
    "reshape": lambda a, *shape, order="C", copy=None: reshape(
        a, shape[0] if len(shape) == 1 else shape, order, copy=copy),
    "ravel": ravel, "flatten": flatten, "transpose": _method_transpose, "swapaxes": swapaxes, "squeeze": squeeze,
    "diagonal": diagonal,
})

PROPERTIES.update({"T": _method_transpose, "mT": matrix_transpose})
# fmt: on
