"""Reductions: over `axis` (None: everything; an integer; several), with `keepdims`.

What stands behind an `out` in NumPy's order of parameters is keyword-only here: so a fourth argument is never taken for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import ShapeError, raise_at
from ...ir.build import Value, apply, size, value
from ...ir.core import FLOATS, INTS, Type
from ...ir.dims import DimLike, largest, low
from ...ir.interp import NUMPY
from ...ops import array
from ...ops.index import get
from ...ops.loop import loop
from ..promote import Operand, axes_of, axis_of, convert, dtype_name, float_dtype, known, lift, shape_text, spread
from ..size import number_of_elements as count
from ..size import same
from .elementwise import floats_dtype, to_bool


def keep(y: Value, x: Value, axes: tuple[int, ...], keepdims: Any) -> Operand:
    """The reduced value, with axes of size 1 in the place of those that went."""
    if not keepdims:
        return Operand(y)
    return Operand(array.reshape(y, tuple(1 if k in axes else d for k, d in enumerate(x.shape))))


def wide(o: Operand) -> str:
    """The dtype in which NumPy adds: short integers in the widest ones."""
    if o.dtype in FLOATS:
        return o.dtype
    return "u64" if o.dtype.startswith("u") else "i64"


def accumulate(op: str, name: str) -> Callable[..., Operand]:
    """sum, prod"""

    def function(a: Any, axis: Any = None, dtype: Any = None, *, keepdims: Any = False) -> Operand:
        o = lift(a)
        x = convert(o, dtype_name(dtype) if dtype is not None else wide(o))
        axes = axes_of(axis, x.rank, name)
        return keep(apply(op, x, axes=axes) if axes else x, x, axes, keepdims)

    return function


sum_ = accumulate("sum", "np.sum")
prod = accumulate("prod", "np.prod")


def extreme(op: str, of_bools: str, name: str) -> Callable[..., Operand]:
    """max, min: NaN wins; of nothing, an error."""

    def function(a: Any, axis: Any = None, *, keepdims: Any = False) -> Operand:
        x = lift(a).value
        axes = axes_of(axis, x.rank, name)
        not_empty(x, axes, name)
        row = of_bools if x.dtype == "bool" else op
        return keep(apply(row, x, axes=axes) if axes else x, x, axes, keepdims)

    return function


max_ = extreme("max", "any", "np.max")
min_ = extreme("min", "all", "np.min")


def not_empty(x: Value, axes: tuple[int, ...], name: str) -> None:
    for k in axes:
        d = x.shape[k]
        bound = low(d)
        if (bound is None or bound < 1) and same(d, 0):
            raise_at(ShapeError, f"{name} of an empty array", wanted="at least one element", got=shape_text(x.shape))


def ptp(a: Any, axis: Any = None, *, keepdims: Any = False) -> Operand:
    return Operand(max_(a, axis, keepdims=keepdims).value - min_(a, axis, keepdims=keepdims).value)


def truth(op: str, name: str) -> Callable[..., Operand]:
    """any, all"""

    def function(a: Any, axis: Any = None, *, keepdims: Any = False) -> Operand:
        x = to_bool(a)
        axes = axes_of(axis, x.rank, name)
        return keep(apply(op, x, axes=axes) if axes else x, x, axes, keepdims)

    return function


any_ = truth("any", "np.any")
all_ = truth("all", "np.all")


def count_nonzero(a: Any, axis: Any = None, *, keepdims: Any = False) -> Operand:
    return sum_(Operand(array.cast(to_bool(a), "i64")), axis, keepdims=keepdims)


def arg(op: str, name: str) -> Callable[..., Operand]:
    """argmax, argmin"""

    def function(a: Any, axis: Any = None, *, keepdims: Any = False) -> Operand:
        o = lift(a)
        x = array.cast(o.value, "i8") if o.dtype == "bool" else o.value
        flat = array.reshape(x, (count(x.shape),)) if axis is None else x
        k = 0 if axis is None else axis_of(axis, x.rank, name)
        not_empty(flat, (k,), name)
        axes = tuple(range(x.rank)) if axis is None else (k,)
        return keep(apply(op, flat, axis=k), x, axes, keepdims)

    return function


argmax = arg("argmax", "np.argmax")
argmin = arg("argmin", "np.argmin")


# ---- moments


def number_of(n: DimLike, dtype: str) -> Value:
    return array.cast(size(n), dtype)


def over(x: Value, n: DimLike) -> Value:
    """x / n"""
    return x / array.fill(number_of(n, x.dtype), x.shape)


def cells(x: Value, axes: tuple[int, ...]) -> DimLike:
    return count(tuple(x.shape[k] for k in axes))


def mean(a: Any, axis: Any = None, dtype: Any = None, *, keepdims: Any = False) -> Operand:
    o = lift(a)
    x = convert(o, dtype_name(dtype) if dtype is not None else float_dtype(o))
    axes = axes_of(axis, x.rank, "np.mean")
    return keep(over(array.sum_(x, axes), cells(x, axes)), x, axes, keepdims)


def var(a: Any, axis: Any = None, dtype: Any = None, *, ddof: Any = 0, keepdims: Any = False, correction: Any = None) -> Operand:
    """The mean of the squares of what is left when the mean is taken off (two passes, as NumPy)."""
    o = lift(a)
    x = convert(o, dtype_name(dtype) if dtype is not None else float_dtype(o))
    axes = axes_of(axis, x.rank, "np.var")
    n = cells(x, axes)
    centre = over(array.sum_(x, axes), n)
    away = x - spread(keep(centre, x, axes, True).value, x.shape)
    total = array.sum_(away * away, axes)
    return keep(_divided(total, n, ddof if correction is None else correction), x, axes, keepdims)


def _divided(total: Value, n: DimLike, ddof: Any) -> Value:
    off = known(ddof)
    if off is not None and off == int(off):
        return over(total, largest(0, n - int(off)))
    left = number_of(n, total.dtype) - convert(lift(ddof), total.dtype)
    return total / array.fill(apply("maximum", left, 0.0), total.shape)


def std(a: Any, axis: Any = None, dtype: Any = None, *, ddof: Any = 0, keepdims: Any = False, correction: Any = None) -> Operand:
    return Operand(apply("sqrt", var(a, axis, dtype, ddof=ddof, keepdims=keepdims, correction=correction).value))


def average(a: Any, axis: Any = None, weights: Any = None, *, keepdims: Any = False) -> Operand:
    if weights is None:
        return mean(a, axis, keepdims=keepdims)
    dtype = floats_dtype(a, weights)
    x, w = convert(lift(a), dtype), convert(lift(weights), dtype)
    axes = axes_of(axis, x.rank, "np.average")
    if w.rank != x.rank:
        if w.rank != 1 or len(axes) != 1:
            raise_at(
                ShapeError, "the weights of np.average do not fit",
                wanted="weights of the shape of the array, or one weight for each place along one axis",
                got=f"{shape_text(x.shape)} and weights {shape_text(w.shape)}",
            )  # fmt: skip
        w = array.reshape(w, tuple(w.shape[0] if k in axes else 1 for k in range(x.rank)))
    w = spread(w, x.shape)
    return keep(array.sum_(x * w, axes) / array.sum_(w, axes), x, axes, keepdims)


# ---- running


def flat_along(a: Any, axis: Any, name: str) -> tuple[Operand, int]:
    """The operand and its axis; without one, the operand as one row."""
    o = lift(a)
    if axis is None:
        return Operand(array.reshape(o.value, (count(o.shape),)), o.weak), 0
    return o, axis_of(axis, o.rank, name)


def cumsum(a: Any, axis: Any = None, dtype: Any = None) -> Operand:
    o, k = flat_along(a, axis, "np.cumsum")
    return Operand(apply("cumsum", convert(o, dtype_name(dtype) if dtype is not None else wide(o)), axis=k))


def cumprod(a: Any, axis: Any = None, dtype: Any = None) -> Operand:
    o, k = flat_along(a, axis, "np.cumprod")
    x = convert(o, dtype_name(dtype) if dtype is not None else wide(o))
    return Operand(running(x, k, lambda p, row: p * row, 1))


def running(x: Value, axis: int, combine: Callable[[Value, Value], Value], first: float) -> Value:
    """combine(... combine(combine(first, x[0]), x[1]) ..., x[k]) for every k along the axis."""
    front = (axis, *[k for k in range(x.rank) if k != axis])
    rows = array.transpose(x, front)

    def step(k: Value, p: Value) -> tuple[Value, Value]:
        p = combine(p, get(rows, k, spec="i" + ":" * (x.rank - 1)))
        return p, p

    start = value(first, Type(x.dtype, rows.shape[1:]))
    out = loop(value(0), size(x.shape[axis]), step, start, hints=("k", "p"))[1]
    return array.transpose(array.reshape(out, rows.shape), tuple(front.index(k) for k in range(x.rank)))


def extreme_so_far(op: str, name: str) -> Callable[..., Operand]:
    """maximum.accumulate, minimum.accumulate"""

    def function(a: Any, axis: Any = 0) -> Operand:
        o, k = flat_along(a, axis, name)
        if o.dtype == "bool":
            return Operand(to_bool(function(Operand(array.cast(o.value, "i8")), k)))
        info = np.iinfo(NUMPY[o.dtype]) if o.dtype in INTS else None
        least, most = (info.min, info.max) if info else (-np.inf, np.inf)
        first = least if op == "maximum" else most
        return Operand(running(o.value, k, lambda p, row: apply(op, p, row), first))

    return function


def nan_free(reduce: Callable[..., Operand], neutral: float) -> Callable[..., Operand]:
    """nansum, nanprod: a NaN counts as the neutral number."""

    def function(a: Any, axis: Any = None, *, keepdims: Any = False) -> Operand:
        o = lift(a)
        if o.is_real:
            o = Operand(apply("where", apply("isnan", o.value), value(neutral, o.value.type), o.value))
        return reduce(o, axis, keepdims=keepdims)

    return function


nansum = nan_free(sum_, 0.0)


def nanmean(a: Any, axis: Any = None, *, keepdims: Any = False) -> Operand:
    o = lift(a)
    if not o.is_real:
        return mean(o, axis, keepdims=keepdims)
    real = sum_(Operand(apply("not", apply("isnan", o.value))), axis, keepdims=keepdims)
    return Operand(nansum(o, axis, keepdims=keepdims).value / array.cast(real.value, o.dtype))


# fmt: off
TABLE: dict[str, Callable[..., Any]] = {
    "sum": sum_, "prod": prod, "max": max_, "amax": max_, "min": min_, "amin": min_, "ptp": ptp, "any": any_, "all": all_,
    "count_nonzero": count_nonzero, "argmax": argmax, "argmin": argmin, "mean": mean, "var": var, "std": std,
    "average": average, "cumsum": cumsum, "cumprod": cumprod, "nansum": nansum, "nanprod": nan_free(prod, 1.0),
    "nanmean": nanmean,
}
# fmt: on
