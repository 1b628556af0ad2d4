"""Functions of samples on a grid: differences, integrals, interpolation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import ShapeError, Unsupported, raise_at
from ...ir.build import Value, apply, size, value
from ...ir.core import Type
from ...ir.dims import DimLike, low
from ...ops import array
from ...ops.index import get
from ...ops.while_ import while_
from ..promote import (
    Operand,
    axes_of,
    axis_of,
    convert,
    float_dtype,
    lift,
    result_dtype,
    shape_text,
    spread,
    static_int,
    strong,
    together,
)
from ..size import bool_of, same
from .assembly import axis_like, concatenate
from .elementwise import floats_dtype
from .reductions import count, not_empty, over
from .shapes import cut, pick


def diff(a: Any, n: Any = 1, axis: Any = -1, prepend: Any = None, append: Any = None) -> Operand:
    o = lift(a)
    k = axis_of(axis, o.rank, "np.diff")
    parts = [strong(p) for p in (prepend, o, append) if p is not None]
    if len(parts) > 1:
        ends = tuple(1 if j == k else d for j, d in enumerate(o.shape))
        parts = [p if p.rank else Operand(spread(p.value, ends)) for p in parts]
        o = concatenate(parts, k)
    x = o.value
    for _ in range(static_int(n, "the order of np.diff")):
        not_empty(x, (k,), "np.diff")
        m = x.shape[k] - 1
        high, low_ = cut(x, k, 1, m), cut(x, k, 0, m)
        x = apply("ne", high, low_) if x.dtype == "bool" else high - low_
    return Operand(x)


def ediff1d(ary: Any) -> Operand:
    o = lift(ary)
    return diff(Operand(array.reshape(o.value, (count(o.shape),))))


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: Any = -1) -> Operand:
    o = lift(y)
    v = convert(o, float_dtype(o))
    k = axis_of(axis, v.rank, "np.trapezoid")
    n = v.shape[k] - 1
    pairs = cut(v, k, 1, n) + cut(v, k, 0, n)
    if x is None:
        width = lift(dx)
    else:
        width = diff(x, axis=-1 if lift(x).rank == 1 else k)
        width = Operand(axis_like(v, k, width.value)) if width.rank == 1 else width
    cells, widths = together(Operand(pairs), width, name="np.trapezoid", dtype=floats_dtype(Operand(v), width))
    return Operand(array.sum_(cells * widths * 0.5, (k,)))


# ---- gradient: second order inside, first (or second) order at the two ends


def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: Any = 1) -> Any:
    o = lift(f)
    v = convert(o, float_dtype(o))
    axes = axes_of(axis, v.rank, "np.gradient")
    if axis is not None and isinstance(axis, (tuple, list)):
        axes = tuple(axis_of(k, v.rank, "np.gradient") for k in axis)
    steps = [lift(h) for h in varargs] or [lift(1.0)]
    steps = steps * len(axes) if len(steps) == 1 else steps
    order = static_int(edge_order, "edge_order")
    if len(steps) != len(axes) or order not in (1, 2):
        raise_at(
            ShapeError,
            "np.gradient wants one spacing for each axis",
            wanted=f"{len(axes)}, edge_order 1 or 2",
            got=f"{len(steps)}",
        )
    slopes = [Operand(_slope(v, k, h, order)) for k, h in zip(axes, steps)]
    return slopes[0] if len(slopes) == 1 else tuple(slopes)


def _slope(v: Value, k: int, spacing: Operand, order: int) -> Value:
    n = v.shape[k]
    bound = low(n)
    if (bound is None or bound <= order) and bool_of("le", n, order):
        raise_at(ShapeError, "np.gradient of too few points", wanted=f"more than {order} along axis {k}", got=shape_text(v.shape))
    h = _widths(v, k, spacing)
    left, right = [_edge(v, k, h, order, last) for last in (False, True)]
    if same(n, 2):
        return array.concat([left, right], k)
    before, at, after = (cut(v, k, s, n - 2) for s in (0, 1, 2))
    a, b = cut(h, k, 0, n - 2), cut(h, k, 1, n - 2)
    # f' = (a^2 f_+ + (b^2 - a^2) f - b^2 f_-) / (a b (a + b)), with a the width on the left and b that on the right
    if not spacing.rank:
        inside = (after - before) / (2.0 * a)
    else:
        inside = (a * a * after + (b * b - a * a) * at - b * b * before) / (a * b * (a + b))
    return array.concat([left, inside, right], k)


def _widths(v: Value, k: int, spacing: Operand) -> Value:
    """The distances between neighbours along the axis, in every cell."""
    shape = tuple(d - 1 if j == k else d for j, d in enumerate(v.shape))
    if not spacing.rank:
        return spread(convert(spacing, v.dtype), shape)
    if spacing.rank != 1 or not same(spacing.shape[0], v.shape[k]):
        raise_at(
            ShapeError, "the coordinates of np.gradient do not fit", wanted=f"one for each point along axis {k}",
            got=f"{shape_text(v.shape)} and {shape_text(spacing.shape)}",
        )  # fmt: skip
    return spread(axis_like(v, k, diff(Operand(convert(spacing, v.dtype))).value), shape)


def _edge(v: Value, k: int, h: Value, order: int, last: bool) -> Value:
    """The one-sided slope at an end; seen from there, f0 is the end and f1, f2 are its neighbours."""
    n, m = v.shape[k], h.shape[k]

    def point(j: int) -> Value:
        return cut(v, k, n - 1 - j if last else j, 1)

    def width(j: int) -> Value:
        return cut(h, k, m - 1 - j if last else j, 1)

    sign = -1.0 if last else 1.0
    a = width(0)
    if order == 1:
        return sign * (point(1) - point(0)) / a
    b = width(1)
    slope = -((2.0 * a + b) / (a * (a + b))) * point(0) + ((a + b) / (a * b)) * point(1) - (a / (b * (a + b))) * point(2)
    return sign * slope


# ---- searching: all at once by bisection; the loop carries integers only, so that it has no derivative


def places(xp: Value, x: Value, right: bool) -> Value:
    """How many of the sorted xp are < x (`right`: <= x), for each cell of x. A NaN is above everything."""
    n = xp.shape[0]

    def test(lo: Value, hi: Value) -> Value:
        open_ = apply("lt", lo, hi)
        return apply("any", open_, axes=tuple(range(open_.rank))) if open_.rank else open_

    def step(lo: Value, hi: Value) -> tuple[Value, Value]:
        mid = apply("floordiv", lo + hi, 2)
        inside = apply("minimum", mid, array.fill(size(n - 1), mid.shape))
        at = get(xp, inside, spec="a" if inside.rank else "i")
        under = apply("le" if right else "lt", at, x)
        if x.type.is_real:
            under = apply("or", under, apply("isnan", x))
        more = apply("and", under, apply("lt", lo, hi))
        return apply("where", more, mid + 1, lo), apply("where", more, hi, apply("minimum", mid, hi))

    zero = value(0, Type("i64", x.shape))
    return while_(test, step, zero, array.fill(size(n), x.shape), hints=("lo", "hi"))[0]


def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Operand:
    if sorter is not None or side not in ("left", "right"):
        raise_at(Unsupported, "np.searchsorted takes side='left' or 'right', and no sorter", got=repr(side))
    xp, x = lift(a), lift(v)
    if xp.rank != 1:
        raise_at(ShapeError, "np.searchsorted wants a sorted array of one dimension", got=shape_text(xp.shape))
    not_empty(xp.value, (0,), "np.searchsorted")
    dtype = result_dtype(xp, x)
    return Operand(places(convert(xp, dtype), convert(x, dtype), side == "right"))


def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Operand:
    """Linear between the points, constant outside. The derivative at a point is that of the piece to its right."""
    if period is not None:
        raise_at(Unsupported, "np.interp with a period is not supported", repair="take x % period and repeat the end points")
    at, grid, values = (array.cast(lift(a).value, "f64") for a in (x, xp, fp))
    if grid.rank != 1 or values.rank != 1 or not same(grid.shape[0], values.shape[0]):
        raise_at(
            ShapeError, "np.interp wants as many values as points", got=f"{shape_text(grid.shape)} and {shape_text(values.shape)}"
        )
    not_empty(grid, (0,), "np.interp")
    n: DimLike = grid.shape[0]
    first, last = pick(values, 0, 0), pick(values, 0, n - 1)
    low_ = array.fill(first if left is None else array.cast(lift(left).value, "f64"), at.shape)
    high = array.fill(last if right is None else array.cast(lift(right).value, "f64"), at.shape)
    under = apply("lt", at, array.fill(pick(grid, 0, 0), at.shape))
    above = apply("gt", at, array.fill(pick(grid, 0, n - 1), at.shape))
    if same(n, 1):
        middle = array.fill(first, at.shape)
    else:
        top = array.fill(size(n - 2), at.shape)
        k = apply("maximum", apply("minimum", places(grid, array.stop(at), True) - 1, top), 0)
        spec = "a" if k.rank else "i"
        x0, x1, f0, f1 = (get(v, j, spec=spec) for v in (grid, values) for j in (k, k + 1))
        middle = f0 + (f1 - f0) / (x1 - x0) * (at - x0)
    return Operand(apply("where", under, low_, apply("where", above, high, middle)))


def cov(m: Any, y: Any = None, rowvar: Any = True, bias: Any = False, ddof: Any = None) -> Operand:
    """Of the rows of a matrix (`rowvar`), each a variable."""
    if y is not None:
        raise_at(Unsupported, "np.cov of two arguments is not supported", wanted="one matrix", repair="np.cov(np.vstack([m, y]))")
    x = convert(lift(m), "f64")
    if x.rank > 2 or not x.rank:
        raise_at(ShapeError, "np.cov wants one or two dimensions", got=shape_text(x.shape))
    flat = x.rank == 1
    x = array.reshape(x, (1, x.shape[0])) if flat else x if rowvar else array.transpose(x, (1, 0))
    n = x.shape[1]
    centre = over(array.sum_(x, (1,)), n)
    away = x - array.broadcast(centre, x.shape, (0,))
    taken = static_int((0 if bias else 1) if ddof is None else ddof, "ddof")
    out = over(apply("matmul", away, away, tb=True), n - taken)
    return Operand(array.reshape(out, () if flat else out.shape))


# fmt: off
TABLE: dict[str, Callable[..., Any]] = {
    "diff": diff, "ediff1d": ediff1d, "trapezoid": trapezoid, "gradient": gradient, "searchsorted": searchsorted,
    "interp": interp, "cov": cov,
}
# fmt: on
