"""Cells: get, put, add_at. One notation of an index serves all three.

`spec` has a letter per axis of the array; the integer arguments follow in the order of the axes:

    i    one cell: its index                        the axis disappears
    :    the whole axis                             no argument
    s    a slice: its start and its size            `steps` has one entry for each `s`, non-zero
    a    an index array (i64)                       all of them have one shape, which stands where the first `a` stands

Every index is in bounds and not negative: whoever writes the statement has proved or checked that.

    get(a, *index)          the cells
    put(a, v, *index)       a, with these cells replaced by v (with repeated cells the last one wins)
    add_at(a, v, *index)    a, with v added to these cells (repeated cells add up)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import IndexOutOfBounds
from ..ir.build import Value, apply, value
from ..ir.core import Atom, Type, dim_of
from ..ir.dims import DimLike
from .array import fill, iota, reshape, zeros_like
from .table import is_index, linear, need


@dataclass(frozen=True)
class Axis:
    """One axis of an index: its letter, and its part of the arguments."""

    letter: str
    args: tuple[Any, ...]
    step: int = 1


def axes_of(spec: str, steps: Sequence[int], args: Sequence[Any]) -> list[Axis]:
    """The arguments, dealt out to the axes. The one place that knows the layout."""
    rest, step = iter(args), iter(steps)
    out = []
    for letter in spec:
        if letter == "s":
            out.append(Axis("s", (next(rest), next(rest)), next(step)))
        else:
            out.append(Axis(letter, () if letter == ":" else (next(rest),)))
    return out


def cells_type(a: Atom, *args: Atom, spec: str, steps: tuple[int, ...] = ()) -> Type:
    """The type of the cells that an index names."""
    need(len(spec) == a.type.rank, "get", f"an index of {len(spec)} axes", (a,))
    shape: list[DimLike] = []
    seen = False
    for axis, d in zip(axes_of(spec, steps, args), a.type.shape, strict=True):
        if axis.letter == ":":
            shape.append(d)
        elif axis.letter == "s":
            need(all(map(is_index, axis.args)), "get", "integer bounds", axis.args)
            shape.append(dim_of(axis.args[1]))
        elif axis.letter == "i":
            need(is_index(axis.args[0]), "get", "an integer index", axis.args)
        elif not seen:
            seen = True
            shape += axis.args[0].type.shape
    return Type(a.type.dtype, tuple(shape))


def decode(
    spec: str, steps: Sequence[int], args: Sequence[Any], shape: Sequence[int]
) -> tuple[tuple[Any, ...], tuple[Any, ...], int]:
    """NumPy's index in two stages: basic (cells and slices), then the arrays on what is left, and where their axes go.
    (One NumPy index with both would move the axes of the arrays to the front.)"""
    basic: list[Any] = []
    arrays: list[Any] = []
    first = -1
    for axis, n in zip(axes_of(spec, steps, args), shape, strict=True):
        if axis.letter == "i":
            basic.append(in_bounds(int(axis.args[0]), n))
            continue
        if axis.letter == "a":
            in_bounds(axis.args[0], n)
            first = len(arrays) if first < 0 else first
            arrays.append(np.asarray(axis.args[0]))
        else:
            arrays.append(slice(None))
        basic.append(slice(None) if axis.letter != "s" else _slice(int(axis.args[0]), int(axis.args[1]), axis.step, n))
    return tuple(basic), tuple(arrays), first


def in_bounds(i: Any, n: int) -> Any:
    bad = np.asarray(i)[(np.asarray(i) < 0) | (np.asarray(i) >= n)]
    if bad.size:
        raise IndexOutOfBounds(f"index {bad.ravel()[0]} is out of bounds for axis of size {n}")
    return i


def _slice(start: int, count: int, step: int, n: int) -> slice:
    if count <= 0:
        return slice(0, 0)
    last = start + (count - 1) * step
    in_bounds(start, n), in_bounds(last, n)
    end = last + (1 if step > 0 else -1)
    return slice(start, end if end >= 0 else None, step)


def _joint_axes(arrays: tuple[Any, ...]) -> int:
    return next(a.ndim for a in arrays if not isinstance(a, slice))


def _canonical(arrays: tuple[Any, ...]) -> tuple[Any, tuple[int, ...]]:
    """The index arrays alone, and the axes they index."""
    where = tuple(k for k, a in enumerate(arrays) if not isinstance(a, slice))
    return tuple(arrays[k] for k in where), where


def _get(a: Any, *args: Any, spec: str, steps: tuple[int, ...] = ()) -> Any:
    basic, arrays, at = decode(spec, steps, args, np.shape(a))
    cells = np.asarray(a)[basic]
    if at < 0:
        return cells
    index, where = _canonical(arrays)
    picked = np.moveaxis(cells, where, range(len(where)))[index]
    r = _joint_axes(arrays)
    return np.moveaxis(picked, range(r), range(at, at + r))


def _put(combine: bool) -> Any:
    def put(a: Any, v: Any, *args: Any, spec: str, steps: tuple[int, ...] = ()) -> Any:
        out = np.array(a)
        basic, arrays, at = decode(spec, steps, args, np.shape(a))
        if at < 0:
            out[basic] = out[basic] + v if combine else v
            return out
        index, where = _canonical(arrays)
        cells = np.moveaxis(out[basic], where, range(len(where)))  # a view: written in place
        v = np.moveaxis(np.asarray(v), range(at, at + _joint_axes(arrays)), range(_joint_axes(arrays)))
        if combine:
            np.add.at(cells, index, v)
        else:
            cells[index] = v
        return out

    return put


def _put_type(a: Atom, v: Atom, *args: Atom, spec: str, steps: tuple[int, ...] = ()) -> Type:
    need(cells_type(a, *args, spec=spec, steps=steps) == v.type, "put", f"cells of the type {v.type}", (a, *args))
    return a.type


def get(a: Value, *index: Any, spec: str | None = None, steps: tuple[int, ...] = (), hint: str = "t") -> Value:
    """The cells of an index; by default one scalar index per axis."""
    return apply("get", a, *map(value, index), hint=hint, **notation(spec, steps, index))


def put(a: Value, v: Any, *index: Any, spec: str | None = None, steps: tuple[int, ...] = (), hint: str = "t") -> Value:
    return apply("put", a, cell(a, v), *map(value, index), hint=hint, **notation(spec, steps, index))


def add_at(a: Value, v: Any, *index: Any, spec: str | None = None, steps: tuple[int, ...] = (), hint: str = "t") -> Value:
    return apply("add_at", a, cell(a, v), *map(value, index), hint=hint, **notation(spec, steps, index))


def notation(spec: str | None, steps: tuple[int, ...], index: Sequence[Any]) -> dict[str, Any]:
    """The attributes of an index; `steps` only where there is a slice."""
    return {"spec": spec or "i" * len(index), **({"steps": tuple(steps)} if steps else {})}


def cell(a: Value, v: Any) -> Any:
    """A Python number as a scalar of the array's dtype (not filling the array's shape)."""
    return value(v, Type(a.dtype)) if isinstance(v, (bool, int, float)) else v


def _like(a: Value, bar: Value | None) -> Value:
    return zeros_like(a) if bar is None else bar


linear(
    "get",
    cells_type,
    _get,
    accumulates={0: lambda bar, g, a, *i, spec, steps=(): add_at(_like(a, bar), g, *i, spec=spec, steps=steps)},
)

def _put_value_back(g: Value, a: Value, v: Value, *i: Any, spec: str, steps: tuple[int, ...] = ()) -> Value:
    """Of several values put into one cell only the last counts: with an index array, ask the cells who wrote them."""
    cells = get(g, *i, spec=spec, steps=steps)
    if "a" not in spec:
        return cells
    count: DimLike = 1
    for d in v.shape:
        count = count * d
    me = reshape(iota(count), v.shape)
    writer = put(fill(value(-1), a.shape), me, *i, spec=spec, steps=steps)
    return apply("where", apply("eq", get(writer, *i, spec=spec, steps=steps), me), cells, zeros_like(v))


linear(
    "put",
    _put_type,
    _put(combine=False),
    groups=((0, 1),),
    transposes={
        0: lambda g, a, v, *i, spec, steps=(): put(g, zeros_like(v), *i, spec=spec, steps=steps),
        1: _put_value_back,
    },
)

linear(
    "add_at",
    _put_type,
    _put(combine=True),
    groups=((0, 1),),
    transposes={
        0: lambda g, a, v, *i, spec, steps=(): g,
        1: lambda g, a, v, *i, spec, steps=(): get(g, *i, spec=spec, steps=steps),
    },
)
