"""Functions that only rearrange: reshape, transpose, and what is made of them.

As values: the result is a new operand. That the same functions of a whole array give views of it is the tracer's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ...errors import ShapeError, Unsupported, raise_at
from ...ir.build import Value, size
from ...ir.dims import Dim, DimLike, parts
from ...ops import array
from ...ops.index import get
from ..promote import (
    Operand,
    axes_of,
    axis_of,
    broadcast_shapes,
    counts,
    dims,
    is_one,
    lift,
    shape_text,
    sized,
    spread,
    static_int,
)
from ..size import counted, number_of_elements, same


def row_major(order: Any, name: str) -> None:
    if order not in (None, "C", "K", "A"):
        raise_at(Unsupported, f"{name} in the order {order!r} is not supported", wanted="order='C'", repair="transpose first")


# ---- reshape


def new_shape(old: tuple[DimLike, ...], given: tuple[DimLike, ...]) -> tuple[DimLike, ...]:
    """`given` with its -1 worked out. The two shapes have one number of elements."""
    unknown = [k for k, d in enumerate(given) if d == -1]
    if len(unknown) > 1:
        raise_at(ShapeError, "only one size of a new shape can be -1", got=shape_text(given))
    for d in given:
        if d != -1:
            counted(d, "a size of the new shape")
    have, want = _cancelled(old, [d for d in given if d != -1])
    if not unknown:
        if not same(number_of_elements(tuple(have)), want):
            _no_fit(old, given)
        return given
    rest = _quotient(have, want)
    if rest is None:
        _no_fit(old, given)
    return tuple(rest if d == -1 else d for d in given)  # type: ignore[misc]


def _cancelled(old: Sequence[DimLike], new: Sequence[DimLike]) -> tuple[list[DimLike], DimLike]:
    """The sizes of the one, the number of elements of the other, without the symbolic factors that both have."""
    left, right = list(old), []
    for d in new:
        if isinstance(d, Dim) and d in left:
            left.remove(d)
        else:
            right.append(d)
    return left, number_of_elements(tuple(right))


def _quotient(factors: list[DimLike], by: DimLike) -> DimLike | None:
    """The product of the factors divided by a size; None where that is not whole."""
    if not isinstance(by, int):
        have = number_of_elements(tuple(factors))
        return None if same(by, 0) or not same(have % by, 0) else have // by
    if by == 0:
        return None
    for p in _primes(by):
        k = next((k for k, d in enumerate(factors) if exactly(d, p) is not None), None)
        k = next((k for k, d in enumerate(factors) if same(d % p, 0)), None) if k is None else k
        if k is None:
            return None
        exact = exactly(factors[k], p)
        factors = [*factors[:k], factors[k] // p if exact is None else exact, *factors[k + 1 :]]
    return number_of_elements(tuple(factors))


def _primes(n: int) -> Iterator[int]:
    p = 2
    while n > 1:
        while n % p == 0:
            yield p
            n //= p
        p += 1


def exactly(d: DimLike, k: int) -> DimLike | None:
    """d / k where every coefficient divides."""
    terms, c = parts(d)
    if c % k or any(v % k for v in terms.values()):
        return None
    return Dim({s: v // k for s, v in terms.items()}, c // k) if terms else c // k


def _no_fit(old: tuple[DimLike, ...], given: tuple[DimLike, ...]) -> None:
    raise_at(
        ShapeError, "an array cannot be reshaped so", wanted=f"as many elements as {shape_text(old)} has",
        got=shape_text(given), note=sized((*old, *given)),
    )  # fmt: skip


def reshape(a: Any, /, shape: Any, order: Any = "C", *, copy: Any = None) -> Operand:
    row_major(order, "np.reshape")
    x = lift(a).value
    return Operand(array.reshape(x, new_shape(x.shape, dims(shape))))


def ravel(a: Any, order: Any = "C") -> Operand:
    row_major(order, "np.ravel")
    x = lift(a).value
    return Operand(array.reshape(x, (number_of_elements(x.shape),)))


def expand_dims(a: Any, axis: Any) -> Operand:
    x = lift(a).value
    given = axis if isinstance(axis, (tuple, list)) else (axis,)
    rank = x.rank + len(given)
    new = axes_of(tuple(given), rank, "np.expand_dims")
    old = iter(x.shape)
    return Operand(array.reshape(x, tuple(1 if k in new else next(old) for k in range(rank))))


def squeeze(a: Any, axis: Any = None) -> Operand:
    x = lift(a).value
    if axis is None:
        gone = tuple(k for k, d in enumerate(x.shape) if is_one(d))
    else:
        gone = axes_of(axis, x.rank, "np.squeeze")
        for k in gone:
            if not is_one(x.shape[k]):
                raise_at(ShapeError, f"axis {k} cannot be squeezed", wanted="an axis of size 1", got=shape_text(x.shape))
    return Operand(array.reshape(x, tuple(d for k, d in enumerate(x.shape) if k not in gone)))


def atleast(rank: int) -> Callable[..., Any]:
    """atleast_1d, atleast_2d, atleast_3d: an array, or a tuple of them."""
    places = {(0, 1): (1,), (0, 2): (1, 1), (1, 2): (1, -1), (0, 3): (1, 1, 1), (1, 3): (1, -1, 1), (2, 3): (-1, -1, 1)}

    def one(a: Any) -> Operand:
        x = lift(a).value
        if x.rank >= rank:
            return Operand(x)
        old = iter(x.shape)
        return Operand(array.reshape(x, tuple(next(old) if d == -1 else d for d in places[x.rank, rank])))

    return lambda *arys: one(arys[0]) if len(arys) == 1 else tuple(map(one, arys))


atleast_1d, atleast_2d, atleast_3d = atleast(1), atleast(2), atleast(3)


# ---- transpose


def transpose(a: Any, axes: Any = None) -> Operand:
    x = lift(a).value
    if axes is None:
        return Operand(array.transpose(x, tuple(reversed(range(x.rank)))))
    perm = tuple(axis_of(k, x.rank, "np.transpose") for k in axes)
    if sorted(perm) != list(range(x.rank)):
        raise_at(ShapeError, "np.transpose wants every axis once", wanted=f"the axes 0 to {x.rank - 1}", got=str(perm))
    return Operand(array.transpose(x, perm))


def matrix_transpose(x: Any, /) -> Operand:
    v = lift(x).value
    if v.rank < 2:
        raise_at(ShapeError, "the transpose of a matrix", wanted="two dimensions or more", got=shape_text(v.shape))
    return Operand(array.swap_last(v))


def swapaxes(a: Any, axis1: Any, axis2: Any) -> Operand:
    x = lift(a).value
    i, j = axis_of(axis1, x.rank, "np.swapaxes"), axis_of(axis2, x.rank, "np.swapaxes")
    swap = {i: j, j: i}
    return Operand(array.transpose(x, tuple(swap.get(k, k) for k in range(x.rank))))


def moveaxis(a: Any, source: Any, destination: Any) -> Operand:
    x = lift(a).value
    pairs = [[s] if not isinstance(s, (tuple, list)) else s for s in (source, destination)]
    old, new = ([axis_of(k, x.rank, "np.moveaxis") for k in side] for side in pairs)
    if len(old) != len(new) or len(set(old)) != len(old) or len(set(new)) != len(new):
        raise_at(ShapeError, "np.moveaxis wants as many new places as axes", got=f"{source} to {destination}")
    rest = iter(k for k in range(x.rank) if k not in old)
    goes = dict(zip(new, old))
    return Operand(array.transpose(x, tuple(goes[k] if k in goes else next(rest) for k in range(x.rank))))


# ---- broadcasting


def broadcast_to(array: Any, shape: Any, subok: Any = False) -> Operand:
    return widened(lift(array).value, counts(shape))


def widened(x: Value, want: tuple[DimLike, ...]) -> Operand:
    if len(want) < x.rank or broadcast_shapes("np.broadcast_to", [x.shape, want]) != want:
        raise_at(
            ShapeError, "np.broadcast_to cannot shrink", wanted=f"a shape that {shape_text(x.shape)} fits", got=shape_text(want)
        )
    return Operand(spread(x, want))


def broadcast_arrays(*args: Any) -> tuple[Operand, ...]:
    xs = [lift(a).value for a in args]
    shape = broadcast_shapes("np.broadcast_arrays", [x.shape for x in xs])
    return tuple(Operand(spread(x, shape)) for x in xs)


def broadcast_shapes_(*shapes: Any) -> tuple[Operand, ...]:
    out = broadcast_shapes("np.broadcast_shapes", [dims(s) for s in shapes])
    return tuple(Operand(size(d), weak=True) for d in out)


# ---- slices


def cut(x: Value, axis: int, start: DimLike, count: DimLike, step: int = 1) -> Value:
    """`count` cells along one axis, from `start`. In bounds: the caller's promise."""
    if (start, count, step) == (0, x.shape[axis], 1):
        return x
    spec = "".join("s" if k == axis else ":" for k in range(x.rank))
    return get(x, size(start), size(count), spec=spec, steps=(step,))


def pick(x: Value, axis: int, index: DimLike) -> Value:
    """One cell along an axis, which goes."""
    return get(x, size(index), spec="".join("i" if k == axis else ":" for k in range(x.rank)))


def flip(m: Any, axis: Any = None) -> Operand:
    x = lift(m).value
    for k in axes_of(axis, x.rank, "np.flip"):
        x = cut(x, k, x.shape[k] - 1, x.shape[k], -1)
    return Operand(x)


def flip_one(axis: int, name: str) -> Callable[..., Operand]:
    def function(m: Any) -> Operand:
        axis_of(axis, lift(m).rank, name)
        return flip(m, axis)

    return function


def rot90(m: Any, k: Any = 1, axes: Any = (0, 1)) -> Operand:
    x = lift(m)
    i, j = (axis_of(a, x.rank, "np.rot90") for a in axes)
    turns = static_int(k, "the number of turns") % 4
    steps: list[Callable[[Operand], Operand]] = [lambda y: flip(y, j), lambda y: swapaxes(y, i, j)]
    if turns == 2:
        steps = [lambda y: flip(y, (i, j))]
    for step in {0: [], 1: steps, 2: steps, 3: steps[::-1]}[turns]:
        x = step(x)
    return Operand(x.value)


def copy(a: Any, order: Any = "K", subok: bool = False) -> Operand:
    return Operand(lift(a).value)


def ndim(a: Any) -> int:
    return lift(a).rank


def shape_of(a: Any) -> tuple[Operand, ...]:
    return tuple(Operand(size(d), weak=True) for d in lift(a).shape)


def size_of(a: Any, axis: Any = None) -> Operand:
    o = lift(a)
    picked = o.shape if axis is None else (o.shape[axis_of(axis, o.rank, "np.size")],)
    return Operand(size(number_of_elements(picked)), weak=True)


def axis_rolled(a: Any, axis: Any, start: Any = 0) -> Operand:
    """np.rollaxis"""
    rank = lift(a).rank
    k, to = axis_of(axis, rank, "np.rollaxis"), static_int(start, "start")
    to = to + rank if to < 0 else to
    return moveaxis(a, k, to - 1 if k < to else to)


# fmt: off
TABLE: dict[str, Callable[..., Any]] = {
    "reshape": reshape, "ravel": ravel, "expand_dims": expand_dims, "squeeze": squeeze,
    "atleast_1d": atleast_1d, "atleast_2d": atleast_2d, "atleast_3d": atleast_3d,
    "transpose": transpose, "matrix_transpose": matrix_transpose, "swapaxes": swapaxes, "moveaxis": moveaxis,
    "rollaxis": axis_rolled, "broadcast_to": broadcast_to, "broadcast_arrays": broadcast_arrays,
    "broadcast_shapes": broadcast_shapes_,
    "flip": flip, "fliplr": flip_one(1, "np.fliplr"), "flipud": flip_one(0, "np.flipud"), "rot90": rot90, "copy": copy,
    "ndim": ndim, "shape": shape_of, "size": size_of,
}
# fmt: on
