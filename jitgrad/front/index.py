"""NumPy's indexing notation -> a selection for each axis.

A key comes with its parts in one of these forms: None, Ellipsis, a slice, a `Whole` number (a size, or an integer that
the program computes), or an `Each` (an array of integers or of bools). What sizes decide is decided here: a slice is
clipped as NumPy clips it, an index out of range is an IndexError at once. What the program computes is checked when it
runs: an index wraps as NumPy's does; the bounds of a slice neither wrap nor clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from ..errors import ConcretizationError, IndexOutOfBounds, Unsupported, Where, raise_at
from ..ir.build import Value, apply, size
from ..ir.core import Lit, dim_of
from ..ir.dims import DimLike, combine, opaque
from ..ops.scalar import where
from .handlers import check
from .size import bool_of, known, proven, static_int
from .view import NEW, Axis, Cell, Span


@dataclass(frozen=True)
class Each:
    """An index array (i64) or a mask (bool)."""

    value: Value
    static: tuple[int, ...] | None = None  # the numbers, where they are known (a list of integers)


@dataclass(frozen=True)
class Selection:
    """`basic` has a cell, a span or NEW for each axis; what index arrays take is spanned whole there. `arrays`: which
    axes of the *result* of the basic part they index. `front`: NumPy puts their axes first."""

    basic: tuple[Axis | None, ...]
    arrays: tuple[tuple[int, Value], ...] = ()
    front: bool = False


def selection(key: Sequence[Any], shape: tuple[DimLike, ...]) -> Selection:
    """What a key without masks selects from an array of this shape."""
    basic: list[Axis | None] = []
    arrays: list[tuple[int, Value]] = []
    advanced: list[int] = []  # positions in the key of what NumPy counts as an index array
    axis = along = 0
    items = _filled(key, shape)
    has_arrays = any(isinstance(k, Each) for k in items)
    for position, k in enumerate(items):
        if k is None:
            basic.append(NEW)
            along += 1
            continue
        n = shape[axis]
        if isinstance(k, slice):
            basic.append(span(k, n))
            along += 1
        elif isinstance(k, Each):
            basic.append(Span(0, n))
            arrays.append((along, in_range(k, n, axis)))
            advanced.append(position)
            along += 1
        else:
            basic.append(Cell(cell(k, n, axis)))
            if has_arrays:
                advanced.append(position)
        axis += 1
    front = bool(advanced) and advanced != list(range(advanced[0], advanced[0] + len(advanced)))
    return Selection(tuple(basic), tuple(arrays), front)


def _filled(key: Sequence[Any], shape: tuple[DimLike, ...]) -> list[Any]:
    """The key with `...` written out: as many parts as axes, newaxes aside."""
    dots = [k for k, x in enumerate(key) if x is Ellipsis]
    count = sum(x is not None and x is not Ellipsis for x in key)
    if len(dots) > 1:
        raise_at(IndexOutOfBounds, "an index has more than one `...`", wanted="at most one", got=f"{len(dots)}")
    if count > len(shape):
        raise_at(
            IndexOutOfBounds,
            f"too many indices: the array has {len(shape)} axes, and {count} were indexed",
            wanted=f"at most {len(shape)} indices",
            got=f"{count}",
        )
    at = dots[0] if dots else len(key)
    rest = [slice(None)] * (len(shape) - count)
    return [*key[:at], *rest, *key[at + len(dots) :]]


# ---- one number


def cell(k: DimLike, n: DimLike, axis: int) -> DimLike:
    """A non-negative index in range."""
    if not known(k) or not known(n):
        return _checked(k, n, axis)
    if not (bool_of("ge", k, combine(0, n, -1)) and bool_of("lt", k, n)):
        _out_of_bounds(k, n, axis)
    return combine(n, k, 1) if bool_of("lt", k, 0) else k


def _checked(k: DimLike, n: DimLike, axis: int) -> DimLike:
    """An index that the program computes: in range when it runs, and wrapped as NumPy wraps. What is known of the indices of
    loops proves most of them."""
    wrapped = combine(n, k, 1)
    if not (not_negative(wrapped) and below(k, n)):
        inside = _all([(size(wrapped), 0), (size(n), size(combine(k, 1, 1)))])
        check(inside, f"index is out of bounds for axis {axis} of size {n}")
    if not_negative(k):
        return k
    if below(k, 0):
        return wrapped
    i = size(k)
    return dim_of(where(apply("lt", i, 0), i + size(n), i).atom)


def not_negative(d: DimLike) -> bool:
    bound = proven(d)
    return bound is not None and bound >= 0


def below(a: DimLike, b: DimLike) -> bool:
    """Is a < b proven?"""
    return not_negative(combine(combine(b, a, -1), 1, -1))


def _all(pairs: Sequence[tuple[Any, Any]]) -> Value:
    """One bool: a >= b for every pair."""
    holds = [apply("ge", a, b) for a, b in pairs]
    for h in holds[1:]:
        holds[0] = apply("and", holds[0], h)
    return holds[0]


def _out_of_bounds(k: DimLike, n: DimLike, axis: int) -> None:
    raise_at(
        IndexOutOfBounds,
        f"index {k} is out of bounds for axis {axis} of size {n}",
        wanted=f"-{n} <= index < {n}" if isinstance(n, int) else f"-({n}) <= index < {n}",
        got=str(k),
    )


# ---- index arrays


def in_range(k: Each, n: DimLike, axis: int) -> Value:
    """The index array with every entry in range and not negative."""
    v = k.value
    if k.static is not None and known(n):
        for i in k.static:
            cell(i, n, axis)
        if all(i >= 0 for i in k.static):
            return v
    elif isinstance(v.atom, Lit) and known(n):
        return Value(Lit(v.atom.value, v.type)) if cell(v.atom.value, n, axis) == v.atom.value else _wrapped(v, n)
    else:
        d = _spread(size(n), v)
        inside = apply("and", apply("ge", v, _spread(size(combine(0, n, -1)), v)), apply("lt", v, d))
        every = apply("all", inside, axes=tuple(range(v.rank))) if v.rank else inside
        check(every, f"an index is out of bounds for axis {axis} of size {n}")
    return _wrapped(v, n)


def _wrapped(v: Value, n: DimLike) -> Value:
    return where(apply("lt", v, 0), v + _spread(size(n), v), v)


def _spread(x: Value, like: Value) -> Value:
    from_scalar = apply("broadcast", x, *map(size, like.shape), axes=())
    return from_scalar if like.rank else x


# ---- slices


def span(s: slice, n: DimLike) -> Span:
    """start, size and step of a slice of an axis of size n."""
    step = 1 if s.step is None else static_int(s.step)
    if step == 0:
        raise_at(IndexOutOfBounds, "a slice has step 0", wanted="a step that is not 0", got="0")
    if not all(known(d) for d in (s.start, s.stop, n) if d is not None):
        return _computed(s, n, step)
    if step > 0:
        first = 0 if s.start is None else _clip(s.start, n, 0, n)
        stop = n if s.stop is None else _clip(s.stop, n, 0, n)
        length = combine(stop, first, -1)
    else:
        last = combine(n, 1, -1)
        first = last if s.start is None else _clip(s.start, n, -1, last)
        stop = -1 if s.stop is None else _clip(s.stop, n, -1, last)
        length = combine(first, stop, -1)
    if not bool_of("ge", length, 0):
        return Span(0, 0, step)
    count = abs(step)
    return Span(first, length if count == 1 else opaque("floordiv", combine(length, count - 1, 1), count), step)


def _clip(x: DimLike, n: DimLike, lowest: DimLike, highest: DimLike) -> DimLike:
    if bool_of("lt", x, 0):
        x = combine(n, x, 1)
        return lowest if bool_of("lt", x, 0) else x
    return highest if bool_of("gt", x, highest) else x


def _computed(s: slice, n: DimLike, step: int) -> Span:
    """Bounds neither wrap around nor are they clipped: the program checks that they are in order."""
    last = combine(n, 1, -1)
    if step > 0:
        first, stop = 0 if s.start is None else s.start, n if s.stop is None else s.stop
        order = [(first, 0), (n, stop), (stop, first)]  # each first one is at least the second
        length = combine(stop, first, -1)
    else:
        first, stop = last if s.start is None else s.start, -1 if s.stop is None else s.stop
        order = [(last, first), (first, stop), *[(d, 0) for d in (s.start, s.stop) if d is not None]]
        length = combine(first, stop, -1)
    open_ = [(size(a), size(b)) for a, b in order if not not_negative(combine(a, b, -1))]
    if open_:
        rule = f"0 <= start <= stop <= {n}" if step > 0 else f"{n} > start >= stop >= 0"
        check(_all(open_), f"slice bounds are not in {rule}")
    count = abs(step)
    return Span(first, length if count == 1 else opaque("floordiv", combine(length, count - 1, 1), count), step)


def refuse_mask_read(where: Where | None = None) -> NoReturn:
    raise_at(
        ConcretizationError,
        "an array is read at a mask: how many elements that gives depends on the data",
        where,
        wanted="a result whose shape the shapes of the arguments determine",
        got="x[mask]",
        repair="np.where(mask, x, 0.0) keeps the shape; to change elements: x[:] = np.where(mask, new, x)",
    )


def refuse_mixed_mask() -> None:
    raise_at(
        Unsupported,
        "a mask stands among other indices",
        wanted="x[mask] = value with a mask of the leading axes",
        got="an index with a mask and something else",
        repair="x[:] = np.where(mask, value, x)",
    )


__all__ = ["Each", "Selection", "cell", "refuse_mask_read", "refuse_mixed_mask", "selection", "span"]
