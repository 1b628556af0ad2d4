"""Joining, repeating, splitting, padding; taking by index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...errors import ShapeError, Unsupported, raise_at
from ...ir.build import Value, apply, size, value
from ...ir.core import INTS, Type
from ...ir.dims import DimLike, largest, low
from ...ops import array
from ...ops.index import get, put
from ..index import Each, in_range, span
from ..promote import (
    Operand,
    axis_of,
    broadcast_shapes,
    convert,
    count,
    dim,
    dtype_name,
    fit,
    kind_of,
    lift,
    result_dtype,
    shape_text,
    spread,
    static_int,
    strong,
)
from ..size import same
from .shapes import atleast_1d, atleast_2d, atleast_3d, cut, exactly, ravel, reshape, transpose

Function = Callable[..., Any]


# ---- joining


def sequence(arrays: Any, name: str) -> list[Operand]:
    """The arrays to join: a list, or the rows of one array."""
    if isinstance(arrays, Operand):
        if not arrays.rank:
            raise_at(ShapeError, f"{name} wants a sequence of arrays", got=kind_of(arrays))
        n = static_int(arrays.shape[0], f"the number of arrays in {name}")
        rest = ":" * (arrays.rank - 1)
        return [Operand(get(arrays.value, k, spec="i" + rest)) for k in range(n)]
    xs = [strong(a) for a in arrays]
    if not xs:
        raise_at(ShapeError, f"{name} of nothing", wanted="at least one array", got="an empty sequence")
    return xs


def concatenate(arrays: Any, axis: Any = 0, *, dtype: Any = None) -> Operand:
    return joined(arrays, axis, dtype, "np.concatenate")


def joined(arrays: Any, axis: Any, dtype: Any, name: str) -> Operand:
    xs = sequence(arrays, name)
    if axis is None:
        xs, axis = [ravel(x) for x in xs], 0
    if any(x.rank != xs[0].rank for x in xs) or not xs[0].rank:
        _no_join(name, xs, "arrays of one number of dimensions, at least 1")
    k = axis_of(axis, xs[0].rank, name)
    target = result_dtype(*xs) if dtype is None else dtype_name(dtype)
    values = [convert(x, target) for x in xs]
    first = values[0].shape
    for v in values:
        if not all(j == k or same(d, first[j]) for j, d in enumerate(v.shape)):
            _no_join(name, xs, f"equal sizes along every axis but {k}")
    return Operand(array.concat([fit(v, (*first[:k], v.shape[k], *first[k + 1 :])) for v in values], k))


def _no_join(name: str, xs: Sequence[Operand], wanted: str) -> None:
    raise_at(ShapeError, f"shapes do not fit in {name}", wanted=wanted, got=" and ".join(shape_text(x.shape) for x in xs))


def stack(arrays: Any, axis: Any = 0, *, dtype: Any = None) -> Operand:
    xs = sequence(arrays, "np.stack")
    shape = broadcast_shapes("np.stack", [x.shape for x in xs], stretch=False)
    k = axis_of(axis, len(shape) + 1, "np.stack")
    rows = [Operand(array.reshape(fit(x.value, shape), (*shape[:k], 1, *shape[k:]))) for x in xs]
    return joined(rows, k, dtype, "np.stack")


def vstack(tup: Any, *, dtype: Any = None) -> Operand:
    return joined([atleast_2d(x) for x in sequence(tup, "np.vstack")], 0, dtype, "np.vstack")


def hstack(tup: Any, *, dtype: Any = None) -> Operand:
    xs = [atleast_1d(x) for x in sequence(tup, "np.hstack")]
    return joined(xs, 0 if xs[0].rank == 1 else 1, dtype, "np.hstack")


def dstack(tup: Any) -> Operand:
    return joined([atleast_3d(x) for x in sequence(tup, "np.dstack")], 2, None, "np.dstack")


def column_stack(tup: Any) -> Operand:
    xs = sequence(tup, "np.column_stack")
    return joined([transpose(atleast_2d(x)) if x.rank < 2 else x for x in xs], 1, None, "np.column_stack")


def append(arr: Any, values: Any, axis: Any = None) -> Operand:
    return joined([lift(arr), lift(values)], axis, None, "np.append")


def block(arrays: Any) -> Operand:
    """Nested lists of blocks: the innermost are joined along the last axis, the next along the one before, ..."""
    depth, x = 0, arrays
    while isinstance(x, (list, tuple)):
        depth, x = depth + 1, x[0]
    rank = max(depth, *_ranks(arrays))

    def join(x: Any, level: int) -> Operand:
        if not isinstance(x, (list, tuple)):
            o = lift(x)
            return reshape(o, (1,) * (rank - o.rank) + o.shape)
        return joined([join(y, level - 1) for y in x], -level, None, "np.block")

    return join(arrays, depth) if depth else Operand(lift(arrays).value)


def _ranks(x: Any) -> list[int]:
    return [r for y in x for r in _ranks(y)] if isinstance(x, (list, tuple)) else [lift(x).rank]


# ---- repeating


def tile(A: Any, reps: Any) -> Operand:
    x = lift(A).value
    times = tuple(count(r) for r in (reps if isinstance(reps, (tuple, list)) else (reps,)))
    rank = max(x.rank, len(times))
    times = (1,) * (rank - len(times)) + times
    shape = (1,) * (rank - x.rank) + x.shape
    if all(r == 1 for r in times):
        return Operand(array.reshape(x, shape))
    wide = tuple(d for r, n in zip(times, shape) for d in (r, n))
    copies = array.broadcast(array.reshape(x, shape), wide, tuple(range(1, 2 * rank, 2)))
    return Operand(array.reshape(copies, tuple(r * n for r, n in zip(times, shape))))


def repeat(a: Any, repeats: Any, axis: Any = None) -> Operand:
    o = lift(a)
    x = ravel(o).value if axis is None else o.value
    k = 0 if axis is None else axis_of(axis, x.rank, "np.repeat")
    if lift(repeats).rank:
        raise_at(
            Unsupported, "np.repeat with a count for each element", wanted="one count for all", got=kind_of(lift(repeats)),
            repair="make the index array outside of the function: x[np.repeat(np.arange(n), counts)]",
        )  # fmt: skip
    r = count(repeats, "the number of repeats")
    wide = (*x.shape[: k + 1], r, *x.shape[k + 1 :])
    copies = array.broadcast(x, wide, tuple(j for j in range(len(wide)) if j != k + 1))
    return Operand(array.reshape(copies, (*x.shape[:k], x.shape[k] * r, *x.shape[k + 1 :])))


# ---- rolling, padding


def roll(a: Any, shift: Any, axis: Any = None) -> Operand:
    o = lift(a)
    if axis is None:
        return Operand(array.reshape(_rolled(ravel(o).value, shift, 0), o.shape))
    pairs = zip(*_paired(shift, axis))
    x = o.value
    for s, k in pairs:
        x = _rolled(x, s, axis_of(k, x.rank, "np.roll"))
    return Operand(x)


def _paired(shift: Any, axis: Any) -> tuple[list[Any], list[Any]]:
    shifts, axes = (list(p) if isinstance(p, (tuple, list)) else [p] for p in (shift, axis))
    n = max(len(shifts), len(axes))
    return (shifts * n if len(shifts) == 1 else shifts), (axes * n if len(axes) == 1 else axes)


def _rolled(x: Value, shift: Any, k: int) -> Value:
    """Two slices where the shift is known and below the size; else by index."""
    n, s = x.shape[k], dim(shift, "the shift of np.roll")
    bound = low(n)
    if isinstance(s, int) and isinstance(n, int):
        s = s % n if n else 0
    if isinstance(s, int) and bound is not None and abs(s) <= bound:
        if s == 0:
            return x
        head, tail = (n - s, s) if s > 0 else (-s, n + s)
        return array.concat([cut(x, k, head, tail), cut(x, k, 0, head)], k)
    index = array.iota(n)
    back = apply("mod", index - array.fill(size(s), (n,)), array.fill(size(n), (n,)))
    return along(x, k, back)


def along(x: Value, k: int, index: Value) -> Value:
    """The cells of these places along an axis."""
    return get(x, index, spec=":" * k + "a" + ":" * (x.rank - k - 1))


Widths = list[tuple[DimLike, DimLike]]


def pad(array: Any, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0) -> Operand:
    return padded(lift(array), pad_width, mode, constant_values)


def padded(o: Operand, pad_width: Any, mode: str, constant_values: Any) -> Operand:
    widths: Widths = [(count(a, "a width of np.pad"), count(b, "a width of np.pad")) for a, b in _pairs(pad_width, o.rank)]
    if any(isinstance(d, int) and d < 0 for pair in widths for d in pair):
        raise_at(ShapeError, "np.pad by a negative number", wanted="widths of at least 0", got=str(pad_width))
    if mode == "constant":
        return Operand(_in_constants(o, widths, _pairs(constant_values, o.rank)))
    if mode not in MIRRORS:
        raise_at(Unsupported, f"np.pad has no mode {mode!r} here", wanted=f"'constant', {', '.join(map(repr, MIRRORS))}")
    v = o.value
    for k, (a, b) in enumerate(widths):
        if (a, b) != (0, 0):
            n = v.shape[k]
            place = array.iota(n + a + b)
            v = along(v, k, MIRRORS[mode](place - array.fill(size(a), place.shape), n))
    return Operand(v)


def _pairs(given: Any, rank: int) -> list[tuple[Any, Any]]:
    """2, (1, 2), [(1, 2), (0, 3)] -> before and after, for each axis."""
    if not isinstance(given, (tuple, list)):
        return [(given, given)] * rank
    rows = [r if isinstance(r, (tuple, list)) else None for r in given]
    if None in rows:
        one = (given[0], given[-1])
        return [one] * rank
    pairs = [(r[0], r[-1]) for r in rows if r is not None]
    pairs = pairs * rank if len(pairs) == 1 else pairs
    if len(pairs) != rank:
        raise_at(ShapeError, "np.pad wants a pair for each axis", wanted=f"{rank} pairs", got=f"{len(pairs)}")
    return pairs


def _in_constants(o: Operand, widths: Widths, constants: Sequence[tuple[Any, Any]]) -> Value:
    """Around every axis, one after the other; in one step where the constants are all one."""
    flat = [lift(c) for pair in constants for c in pair]
    first = flat[0].value.atom
    if hasattr(first, "value") and all(c.value.atom == first for c in flat):
        whole = tuple(d + a + b for d, (a, b) in zip(o.shape, widths))
        around = value(first.value, Type(o.dtype, whole))
        index = [size(d) for (a, _), n in zip(widths, o.shape) for d in (a, n)]
        return put(around, o.value, *index, spec="s" * o.rank, steps=(1,) * o.rank) if o.rank else o.value
    v = o.value
    for k, ((a, b), pair) in enumerate(zip(widths, constants)):
        shapes = [(*v.shape[:k], n, *v.shape[k + 1 :]) for n in (a, b)]
        sides = [spread(convert(lift(c), o.dtype), s) for c, s in zip(pair, shapes)]
        v = array.concat([sides[0], v, sides[1]], k)
    return v


# Which cell of 0 ... n - 1 stands at the place i (any integer).


def _edge(i: Value, n: DimLike) -> Value:
    return apply("minimum", apply("maximum", i, 0), array.fill(size(n - 1), i.shape))


def _wrap(i: Value, n: DimLike) -> Value:
    return apply("mod", i, array.fill(size(n), i.shape))


def _reflect(i: Value, n: DimLike) -> Value:
    last, period = (array.fill(size(d), i.shape) for d in (n - 1, largest(1, 2 * n - 2)))
    return last - apply("abs", last - apply("mod", i, period))


def _symmetric(i: Value, n: DimLike) -> Value:
    last, period = (array.fill(size(d), i.shape) for d in (2 * n - 1, 2 * n))
    j = apply("mod", i, period)
    return apply("minimum", j, last - j)


MIRRORS = {"edge": _edge, "wrap": _wrap, "reflect": _reflect, "symmetric": _symmetric}


# ---- splitting


def split(ary: Any, indices_or_sections: Any, axis: Any = 0) -> list[Operand]:
    return parts_of(ary, indices_or_sections, axis, "np.split")


def parts_of(ary: Any, indices_or_sections: Any, axis: Any, name: str) -> list[Operand]:
    x = lift(ary).value
    k = axis_of(axis, x.rank, name)
    n = x.shape[k]
    if isinstance(indices_or_sections, (tuple, list)):
        return _split_at(x, k, [dim(i) for i in indices_or_sections])
    parts = static_int(indices_or_sections, "the number of sections")
    if parts < 1 or not same(n % parts, 0):
        raise_at(ShapeError, f"{name} wants equal parts", wanted=f"a size divisible by {parts}", got=shape_text(x.shape))
    exact = exactly(n, parts)
    each = n // parts if exact is None else exact
    return [Operand(cut(x, k, each * i, each)) for i in range(parts)]


def _split_at(x: Value, k: int, at: list[DimLike]) -> list[Operand]:
    bounds = [None, *at, None]
    spans = [span(slice(a, b), x.shape[k]) for a, b in zip(bounds, bounds[1:])]
    return [Operand(cut(x, k, s.start, s.size)) for s in spans]


def array_split(ary: Any, indices_or_sections: Any, axis: Any = 0) -> list[Operand]:
    x = lift(ary).value
    k = axis_of(axis, x.rank, "np.array_split")
    if isinstance(indices_or_sections, (tuple, list)):
        return _split_at(x, k, [dim(i) for i in indices_or_sections])
    parts = static_int(indices_or_sections, "the number of sections")
    n = static_int(x.shape[k], "the size of what np.array_split divides")
    each, extra = divmod(n, parts)
    starts = [each * i + min(i, extra) for i in range(parts + 1)]
    return [Operand(cut(x, k, a, b - a)) for a, b in zip(starts, starts[1:])]


def split_along(axis: int, name: str) -> Function:
    def function(ary: Any, indices_or_sections: Any) -> list[Operand]:
        k = 0 if axis == 1 and lift(ary).rank == 1 else axis
        return parts_of(ary, indices_or_sections, k, name)

    return function


def unstack(x: Any, /, *, axis: Any = 0) -> tuple[Operand, ...]:
    v = lift(x).value
    k = axis_of(axis, v.rank, "np.unstack")
    n = static_int(v.shape[k], "the number of arrays that np.unstack makes")
    spec = "".join("i" if j == k else ":" for j in range(v.rank))
    return tuple(Operand(get(v, i, spec=spec)) for i in range(n))


# ---- taking


def indices_of(x: Any, n: DimLike, axis: int, name: str) -> Value:
    o = lift(x)
    if o.dtype not in INTS:
        raise_at(ShapeError, f"{name} wants integer indices", got=kind_of(o))
    return in_range(Each(array.cast(o.value, "i64")), n, axis)


def take(a: Any, indices: Any, axis: Any = None, *, mode: str = "raise") -> Operand:
    o = lift(a)
    x = ravel(o).value if axis is None else o.value
    k = 0 if axis is None else axis_of(axis, x.rank, "np.take")
    n = x.shape[k]
    if mode != "raise" and mode not in ("clip", "wrap"):
        raise_at(Unsupported, f"np.take has no mode {mode!r}", wanted="'raise', 'clip' or 'wrap'")
    if mode == "raise":
        index = indices_of(indices, n, k, "np.take")
    else:
        raw = array.cast(lift(indices).value, "i64")
        index = MIRRORS["edge" if mode == "clip" else "wrap"](raw, n)
    spec = ":" * k + ("a" if index.rank else "i") + ":" * (x.rank - k - 1)
    return Operand(get(x, index, spec=spec))


def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Operand:
    o, given = lift(arr), lift(indices)
    if axis is None:
        return take(ravel(o), ravel(given))
    k = axis_of(axis, o.rank, "np.take_along_axis")
    if given.rank != o.rank:
        raise_at(
            ShapeError,
            "np.take_along_axis wants as many dimensions of both",
            got=f"{shape_text(o.shape)}, {shape_text(given.shape)}",
        )
    own = tuple(1 if j == k else d for j, d in enumerate(o.shape))
    theirs = tuple(1 if j == k else d for j, d in enumerate(given.shape))
    common = broadcast_shapes("np.take_along_axis", [own, theirs])
    shape = (*common[:k], given.shape[k], *common[k + 1 :])
    x = spread(o.value, (*common[:k], o.shape[k], *common[k + 1 :]))
    index = spread(indices_of(given, o.shape[k], k, "np.take_along_axis"), shape)
    places = [index if j == k else array.broadcast(array.iota(d), shape, (j,)) for j, d in enumerate(shape)]
    return Operand(get(x, *places, spec="a" * len(shape)))


def axis_like(x: Value, k: int, cells: Value) -> Value:
    """A row of numbers, shaped to stand along an axis of x."""
    return array.reshape(cells, tuple(cells.shape[0] if j == k else 1 for j in range(x.rank)))


# fmt: off
TABLE: dict[str, Function] = {
    "concatenate": concatenate, "stack": stack, "vstack": vstack, "hstack": hstack, "dstack": dstack,
    "column_stack": column_stack, "append": append, "block": block, "tile": tile, "repeat": repeat, "roll": roll,
    "pad": pad, "split": split, "array_split": array_split, "hsplit": split_along(1, "np.hsplit"),
    "vsplit": split_along(0, "np.vsplit"), "dsplit": split_along(2, "np.dsplit"), "unstack": unstack,
    "take": take, "take_along_axis": take_along_axis,
}
# fmt: on
