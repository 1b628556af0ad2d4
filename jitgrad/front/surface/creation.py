"""Functions that make arrays, and those that take diagonals and triangles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import ConcretizationError, ShapeError, Unsupported, raise_at
from ...ir.build import Value, apply, size, value
from ...ir.core import INTS, Type
from ...ir.dims import DimLike, largest, smallest, trips
from ...ops import array
from ...ops.index import get
from ..promote import (
    Operand,
    axis_of,
    convert,
    count,
    counts,
    dim,
    dtype_name,
    kind_of,
    known,
    lift,
    result_dtype,
    shape_text,
    spread,
    static_int,
    together,
)
from .elementwise import floats_dtype
from .reductions import sum_
from .shapes import moveaxis, ravel, row_major

Function = Callable[..., Any]


# ---- filled


def filled(number: float) -> Function:
    """zeros, ones, empty (zeros too: a cell read before it is written is 0, not garbage)"""

    def function(shape: Any, dtype: Any = float, order: Any = "C") -> Operand:
        row_major(order, "a new array")
        return Operand(value(number, Type(dtype_name(dtype), counts(shape))))

    return function


def filled_like(number: float) -> Function:
    def function(a: Any, /, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None) -> Operand:
        o = lift(a)
        row_major(order, "a new array")
        t = Type(o.dtype if dtype is None else dtype_name(dtype), o.shape if shape is None else counts(shape))
        return Operand(value(number, t))

    return function


def full(shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C") -> Operand:
    row_major(order, "a new array")
    o = lift(fill_value)
    return Operand(spread(convert(o, o.dtype if dtype is None else dtype_name(dtype)), counts(shape)))


def full_like(a: Any, fill_value: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None) -> Operand:
    o = lift(a)
    return full(o.shape if shape is None else shape, fill_value, o.dtype if dtype is None else dtype, order)


def make(a: Any, /, dtype: Any = None, **options: Any) -> Operand:
    """np.array, np.asarray, np.ascontiguousarray of nested lists of numbers and arrays."""
    row_major(options.pop("order", None), "np.array")
    ndmin = options.pop("ndmin", 0)
    for ignored in ("copy", "subok", "like", "device"):
        options.pop(ignored, None)
    if options:
        raise_at(Unsupported, f"np.array does not take {', '.join(options)} here")
    o = lift(a)
    out = convert(o, o.dtype if dtype is None else dtype_name(dtype))
    return Operand(array.reshape(out, (*[1] * (ndmin - out.rank), *out.shape)))


def contiguous(a: Any, /, dtype: Any = None) -> Operand:
    return make(a, dtype, ndmin=1)


def astype(x: Any, dtype: Any, /, order: Any = "K", casting: Any = "unsafe", subok: bool = True, copy: Any = True) -> Operand:
    o = lift(x)
    return Operand(array.cast(o.value, dtype_name(dtype)))


def astype_(x: Any, dtype: Any, /, *, copy: bool = True) -> Operand:
    """np.astype; the method has other options."""
    return astype(x, dtype)


# ---- ranges


def arange(*args: Any, dtype: Any = None, start: Any = None, stop: Any = None, step: Any = None) -> Operand:
    given = [None, *args] if len(args) == 1 else list(args)
    given += [None] * (3 - len(given))
    named = (start, stop, step)
    first, last, by = (n if g is None else g for g, n in zip(given, named))
    if last is None:
        first, last = None, first
    bounds = (lift(0 if first is None else first), lift(last), lift(1 if by is None else by))
    natural = result_dtype(*bounds)
    out = _whole_range(*bounds) if natural in INTS else _float_range(bounds, natural)
    return Operand(array.cast(out, natural if dtype is None else dtype_name(dtype)))


def _whole_range(start: Operand, stop: Operand, step: Operand) -> Value:
    by = static_int(step, "the step of np.arange")
    lo, hi = dim(start), dim(stop)
    if by == 0:
        raise_at(ShapeError, "np.arange with a step of 0", wanted="a step that is not 0")
    n = trips(lo, hi, by) if by > 0 else trips(hi, lo, -by)
    i = array.iota(n)
    i = i if by == 1 else i * by
    return i if lo == 0 else i + array.fill(size(lo), (n,))


def _float_range(bounds: tuple[Operand, ...], dtype: str) -> Value:
    numbers = [n for n in map(known, bounds) if n is not None]
    if len(numbers) < 3:
        raise_at(
            ConcretizationError,
            "the size of this np.arange depends on the data",
            wanted="integers, or numbers that are known when the function is traced",
            got=", ".join(map(kind_of, bounds)),
            repair="write start + step * np.arange(n), or np.linspace",
        )
    lo, hi, by = map(float, numbers)
    index = array.cast(array.iota(len(np.arange(lo, hi, by))), dtype)
    return value(lo, index.type) + index * value((lo + by) - lo, index.type)


def linspace(
    start: Any, stop: Any, num: Any = 50, endpoint: Any = True, retstep: Any = False, dtype: Any = None, axis: Any = 0
) -> Any:
    """start + k * step, and the end itself at the end. `num` may be a size."""
    n = count(num, "the number of points")
    lo, hi = together(start, stop, name="np.linspace", dtype=floats_dtype(start, stop))
    last = largest(1, n - 1) if endpoint else n
    step = (hi - lo) / array.fill(array.cast(size(last), lo.dtype), lo.shape)
    shape = (n, *lo.shape)
    rest = tuple(range(1, len(shape)))
    index = array.iota(n)
    far = array.broadcast(hi, shape, rest)
    at = array.broadcast(array.cast(index, lo.dtype), shape, (0,))
    out = array.broadcast(lo, shape, rest) + at * array.broadcast(step, shape, rest)
    if endpoint:
        ends = apply("eq", index, array.fill(size(last), (n,)))
        out = apply("where", array.broadcast(ends, shape, (0,)), far, out)
    if dtype is not None:
        name = dtype_name(dtype)
        out = array.cast(apply("floor", out) if name in INTS else out, name)
    points = moveaxis(Operand(out), 0, axis)
    return (points, Operand(step)) if retstep else points


def logspace(start: Any, stop: Any, num: Any = 50, endpoint: Any = True, base: Any = 10.0, dtype: Any = None) -> Operand:
    y = linspace(start, stop, num, endpoint).value
    out = apply("pow", *together(base, Operand(y), name="np.logspace"))
    return Operand(out if dtype is None else array.cast(out, dtype_name(dtype)))


def meshgrid(*xi: Any, copy: Any = True, sparse: Any = False, indexing: str = "xy") -> tuple[Operand, ...]:
    if indexing not in ("xy", "ij"):
        raise_at(Unsupported, f"np.meshgrid has no indexing {indexing!r}", wanted="'xy' or 'ij'")
    rows = [lift(x).value for x in xi]
    rows = [array.reshape(r, (1,)) if not r.rank else r for r in rows]
    places = list(range(len(rows)))
    if indexing == "xy" and len(rows) > 1:
        places[:2] = [1, 0]
    shape: list[DimLike] = [1] * len(rows)
    for place, r in zip(places, rows):
        if r.rank != 1:
            raise_at(ShapeError, "np.meshgrid wants arrays of one dimension", got=shape_text(r.shape))
        shape[place] = r.shape[0]
    if sparse:
        return tuple(
            Operand(array.reshape(r, tuple(r.shape[0] if k == p else 1 for k in range(len(rows))))) for p, r in zip(places, rows)
        )
    return tuple(Operand(array.broadcast(r, tuple(shape), (place,))) for place, r in zip(places, rows))


# ---- diagonals and triangles


def band(n: DimLike, m: DimLike, compare: str, k: DimLike) -> Value:
    """A matrix of truths: column `compare` row + k."""
    row, column = array.broadcast(array.iota(n), (n, m), (0,)), array.broadcast(array.iota(m), (n, m), (1,))
    shifted = row if k == 0 else row + array.fill(size(k), (n, m))
    return apply(compare, column, shifted)


def eye(N: Any, M: Any = None, k: Any = 0, dtype: Any = float, order: Any = "C") -> Operand:
    row_major(order, "np.eye")
    n = count(N)
    return Operand(array.cast(band(n, n if M is None else count(M), "eq", dim(k)), dtype_name(dtype)))


def identity(n: Any, dtype: Any = None) -> Operand:
    return eye(n, dtype=float if dtype is None else dtype)


def tri(N: Any, M: Any = None, k: Any = 0, dtype: Any = float) -> Operand:
    n = count(N)
    return Operand(array.cast(band(n, n if M is None else count(M), "le", dim(k)), dtype_name(dtype)))


def triangle(compare: str) -> Function:
    """tril, triu"""

    def function(m: Any, k: Any = 0) -> Operand:
        x = lift(m).value
        if x.rank == 1:  # NumPy: the vector is every row
            x = array.broadcast(x, (x.shape[0], x.shape[0]), (1,))
        if x.rank < 2:
            raise_at(ShapeError, "a triangle of an array", wanted="one dimension or more", got=shape_text(x.shape))
        kept = band(x.shape[-2], x.shape[-1], compare, dim(k))
        return Operand(apply("where", array.broadcast(kept, x.shape, (x.rank - 2, x.rank - 1)), x, array.zeros_like(x)))

    return function


def diagonal(a: Any, offset: Any = 0, axis1: Any = 0, axis2: Any = 1) -> Operand:
    x = lift(a).value
    if x.rank < 2:
        raise_at(ShapeError, "the diagonal of an array", wanted="two dimensions or more", got=shape_text(x.shape))
    i, j, k = axis_of(axis1, x.rank, "diagonal"), axis_of(axis2, x.rank, "diagonal"), static_int(offset, "the offset")
    x = array.transpose(x, (*[d for d in range(x.rank) if d not in (i, j)], i, j))
    rows, columns = x.shape[-2] - max(0, -k), x.shape[-1] - max(0, k)
    index = array.iota(largest(0, smallest(rows, columns)))
    row, column = (index + max(0, -k) if k < 0 else index), (index + max(0, k) if k > 0 else index)
    return Operand(get(x, row, column, spec=":" * (x.rank - 2) + "aa"))


def diag(v: Any, k: Any = 0) -> Operand:
    x = lift(v).value
    if x.rank == 2:
        return diagonal(Operand(x), k)
    if x.rank != 1:
        raise_at(ShapeError, "np.diag of an array", wanted="one or two dimensions", got=shape_text(x.shape))
    return diagflat(Operand(x), k)


def diagflat(v: Any, k: Any = 0) -> Operand:
    o, off = lift(v).value, static_int(k, "the offset")
    x = ravel(Operand(o)).value
    n = x.shape[0] + abs(off)
    blank = value(0, Type(x.dtype, (abs(off),)))
    along = array.concat([x, blank] if off >= 0 else [blank, x], 0) if off else x
    return Operand(apply("where", band(n, n, "eq", off), array.broadcast(along, (n, n), (0,)), value(0, Type(x.dtype, (n, n)))))


def trace(a: Any, offset: Any = 0, axis1: Any = 0, axis2: Any = 1, dtype: Any = None) -> Operand:
    return sum_(diagonal(a, offset, axis1, axis2), -1, dtype)


def vander(x: Any, N: Any = None, increasing: Any = False) -> Operand:
    v = lift(x).value
    n = static_int(v.shape[0] if N is None else N, "the number of columns of np.vander")
    powers = [apply("powi", v, n=k) if k > 1 else [array.ones_like(v), v][k] for k in range(n)]
    columns = [array.reshape(p, (*p.shape, 1)) for p in (powers if increasing else powers[::-1])]
    return Operand(array.concat(columns, 1))


# fmt: off
TABLE: dict[str, Function] = {
    "zeros": filled(0.0), "ones": filled(1.0), "empty": filled(0.0), "full": full,
    "zeros_like": filled_like(0.0), "ones_like": filled_like(1.0), "empty_like": filled_like(0.0), "full_like": full_like,
    "array": make, "asarray": make, "asanyarray": make, "ascontiguousarray": contiguous, "astype": astype_,
    "arange": arange, "linspace": linspace, "logspace": logspace, "meshgrid": meshgrid,
    "eye": eye, "identity": identity, "tri": tri, "tril": triangle("le"), "triu": triangle("ge"),
    "diag": diag, "diagflat": diagflat, "diagonal": diagonal, "trace": trace, "vander": vander,
}
# fmt: on
