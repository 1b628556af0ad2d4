"""`x[key]` and `x[key] = v`: what is basic is a view, what has index arrays is copied, a mask is a `where`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import DTypeError, ShapeError, raise_at
from ..ir.build import Value, value
from ..ir.core import INTS, dim_of, zero_of
from ..ir.dims import Dim, DimLike
from ..ops import array, index
from ..ops.scalar import where
from . import promote
from .context import current, here
from .index import Each, Selection, refuse_mixed_mask, selection
from .masked import Masked, single
from .size import same
from .standin import METHODS, Array, Scalar, StandIn, boxed, describe, unwrap, wrap
from .view import View


def getitem(a: Array, key: Any) -> Any:
    """NumPy's `a[key]`: a view, a copy of what index arrays select, or a number."""
    here()
    parts, copies = parts_of(key)
    if any(isinstance(k, Each) and k.value.dtype == "bool" for k in parts):
        return Masked(Array.new(a.read()), _mask(a, parts))
    s = selection(parts, a.dims)
    view = a.view.select(s.basic)
    if view is None:
        return _nothing(a, s)
    part = Array(a.box, view)
    if s.arrays:
        return wrap(promote.Operand(_gather(part.read(), s)))
    if not view.order and not any(k is Ellipsis for k in parts):
        return Scalar(part.read())
    return Array.new(part.read()) if copies else part


def setitem(a: Array, key: Any, x: Any) -> None:
    """NumPy's `a[key] = x`."""
    here()
    parts, _ = parts_of(key)
    if any(isinstance(k, Each) and k.value.dtype == "bool" for k in parts):
        return _set_at_mask(a, parts, x)
    s = selection(parts, a.dims)
    view = a.view.select(s.basic)
    if view is None:
        return
    part = Array(a.box, view)
    if not s.arrays:
        if not (isinstance(x, Array) and x.box is a.box and x.view == view):  # `a[i:] += v` has written already
            part.write(x)
        return
    part.write(wrap(promote.Operand(scatter(part.read(), s, x, a))))


def parts_of(key: Any) -> tuple[list[Any], bool]:
    """The parts of a key in the forms that `index` knows. True: a 0-d array stands among them, so NumPy copies."""
    items = key if isinstance(key, tuple) else (key,)
    parts = [_part(k) for k in items]
    return parts, any(isinstance(k, Array) and not k.dims for k in items)


def _part(k: Any) -> Any:
    if k is None or k is Ellipsis:
        return k
    if isinstance(k, slice):
        return slice(*[None if x is None else number(x, "a bound of a slice") for x in (k.start, k.stop, k.step)])
    if isinstance(k, (list, tuple)):
        return _index_array(k)
    if isinstance(k, np.ndarray):
        k = boxed(k)
    if isinstance(k, Array) and k.dims:
        return _each(k.read())
    return number(k, "an index")


def number(k: Any, what: str) -> DimLike:
    """An integer as a size."""
    if isinstance(k, Dim):
        return k
    if isinstance(k, (int, np.integer)) and not isinstance(k, bool):
        return int(k)
    if isinstance(k, StandIn) and not k.shape and k._dtype() in INTS:
        return dim_of(array.cast(k.operand().value, "i64").atom)
    raise_at(
        DTypeError,
        f"{what} is not an integer",
        wanted="integers, slices, `...`, None and arrays of integers",
        got=describe(k) if isinstance(k, StandIn) else f"{k!r} ({type(k).__name__})",
        repair="int(i)" if not isinstance(k, bool) else "",
    )


def _index_array(k: Sequence[Any]) -> Each:
    v = promote.lift(unwrap(list(k))).value
    if not k:
        return Each(value(0, v.type.of("i64")), ())
    static = tuple(k) if all(isinstance(i, int) and not isinstance(i, bool) for i in k) else None
    each = _each(v)
    return Each(each.value, static)


def _each(v: Value) -> Each:
    if v.dtype != "bool" and v.dtype not in INTS:
        raise_at(DTypeError, "an index array is not of integers", wanted="integers or bools", got=v.dtype)
    return Each(v if v.dtype == "bool" else array.cast(v, "i64"))


def _nothing(a: Array, s: Selection) -> Array:
    shape = tuple(1 if k is None else k.size for k in s.basic if not hasattr(k, "at"))  # type: ignore[union-attr]
    return Array.new(Value(zero_of(View.of(shape).type(a._dtype()))))


# ---- index arrays


def _joint(s: Selection) -> list[Value]:
    """The index arrays, broadcast against each other."""
    arrays = [v for _, v in s.arrays]
    shape = promote.broadcast_shapes("index arrays", [v.shape for v in arrays])
    return [promote.spread(v, shape) for v in arrays]


def _letters(s: Selection, rank: int) -> str:
    axes = {k for k, _ in s.arrays}
    return "".join("a" if k in axes else ":" for k in range(rank))


def _to_front(s: Selection, rank: int, joint: int) -> tuple[int, ...]:
    """The permutation that brings the axes of the index arrays first, where NumPy puts them first."""
    at = s.arrays[0][0]
    moved = range(at, at + joint)
    return (*moved, *[k for k in range(rank) if k not in moved]) if s.front else tuple(range(rank))


def _gather(v: Value, s: Selection) -> Value:
    arrays = _joint(s)
    cells = index.get(v, *arrays, spec=_letters(s, v.rank), hint=v.atom.hint)
    return array.transpose(cells, _to_front(s, cells.rank, arrays[0].rank))


def scatter(v: Value, s: Selection, x: Any, a: Array, op: str = "put") -> Value:
    """`v` with `x` put in (or added to) the selected cells."""
    arrays = _joint(s)
    spec = _letters(s, v.rank)
    joint = arrays[0].shape
    rest = [n for n, letter in zip(v.shape, spec, strict=True) if letter == ":"]
    at = s.arrays[0][0]
    cells = (*rest[:at], *joint, *rest[at:])
    perm = _to_front(s, len(cells), len(joint))
    o = promote.lift(unwrap(x))
    new = _broadcast(promote.convert(o, a._dtype()), tuple(cells[k] for k in perm), a)
    new = array.transpose(new, tuple(perm.index(k) for k in range(len(perm))))
    return (index.put if op == "put" else index.add_at)(v, new, *arrays, spec=spec, hint=v.atom.hint)


def _broadcast(v: Value, shape: tuple[DimLike, ...], a: Array) -> Value:
    name = f"the write to `{a.box.name}`"
    while v.rank > len(shape) and promote.is_one(v.shape[0]):
        v = promote.fit(v, v.shape[1:])
    if v.rank > len(shape) or promote.broadcast_shapes(name, [shape, v.shape]) != shape:
        raise_at(ShapeError, f"what is written does not fit {name}", wanted=str(shape), got=str(v.shape))
    return promote.spread(v, shape)


# ---- masks


def _set_at_mask(a: Array, parts: Sequence[Any], x: Any) -> None:
    """`a[mask] = x` with a mask of the leading axes: where(mask, x, a)."""
    mask = _mask(a, parts)
    rank = mask.rank
    if isinstance(x, Masked):
        if x.mask.atom != mask.atom:
            single(x, x)
        return _write_where(a, mask, promote.convert(x.whole.operand(), a._dtype()))
    v = promote.convert(promote.lift(unwrap(x)), a._dtype())
    trailing = a.dims[rank:]
    if v.rank > len(trailing) and not (v.rank == len(trailing) + 1 and promote.is_one(v.shape[0])):
        raise_at(
            ShapeError,
            "an array is written at a mask: how many elements it needs depends on the data",
            wanted="one value, or one for each trailing axis",
            got=f"an array of shape {promote.shape_text(v.shape)}",
            repair="x[:] = np.where(mask, values, x), with values for every element",
        )
    if v.rank > len(trailing):
        v = promote.fit(v, v.shape[1:])
    return _write_where(a, mask, promote.spread(_broadcast(v, trailing, a), a.dims))


def _mask(a: Array, parts: Sequence[Any]) -> Value:
    """The one mask among the parts of a key; it must be of the leading axes."""
    masks = [k for k in parts if isinstance(k, Each)]
    if len(parts) != 1 and not (len(masks) == 1 and all(k is Ellipsis for k in parts[1:]) and parts[0] is masks[0]):
        refuse_mixed_mask()
    mask = masks[0].value
    rank = mask.rank
    if rank > len(a.dims) or not all(same(d, n) for d, n in zip(mask.shape, a.dims, strict=False)):
        raise_at(
            ShapeError,
            "a mask does not fit the array",
            wanted=f"a mask of shape {promote.shape_text(a.dims[:rank])}",
            got=f"one of shape {promote.shape_text(mask.shape)}",
        )
    return mask


def _write_where(a: Array, mask: Value, new: Value) -> None:
    on = array.broadcast(promote.fit(mask, a.dims[: mask.rank]), a.dims, tuple(range(mask.rank)))
    scope = current().scope
    scope.write(a.box, a.view.write(scope.read(a.box), where(on, new, a.read())))


METHODS["__getitem__"] = getitem
METHODS["__setitem__"] = setitem
