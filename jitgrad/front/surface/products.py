"""Products of arrays: matmul, dot, tensordot, einsum, ... through the `matmul` row wherever something is contracted."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from ...errors import ShapeError, Unsupported, raise_at
from ...ir.build import Value, apply, size, value
from ...ir.core import Type
from ...ir.dims import DimLike, largest, smallest
from ...ops import array
from ...ops.index import get, put
from ...ops.loop import loop
from ..promote import (
    Operand,
    axis_of,
    broadcast_shapes,
    convert,
    fit,
    lift,
    result_dtype,
    shape_text,
    spread,
    static_int,
    strong,
)
from ..size import number_of_elements, same
from .elementwise import multiply, to_bool
from .reductions import not_empty
from .shapes import cut, flip, pick


def one_dtype(*xs: Any) -> tuple[list[Value], bool]:
    """Values of one dtype that adds and multiplies; whether the result is to be a truth again."""
    operands = [strong(x) for x in xs]
    dtype = result_dtype(*operands)
    return [convert(o, "i64" if dtype == "bool" else dtype) for o in operands], dtype == "bool"


def back(y: Value, truth: bool) -> Operand:
    return Operand(to_bool(Operand(y)) if truth else y)


def meet(name: str, a: Value, k: int, b: Value, j: int) -> Value:
    """`b`, its axis j written like axis k of `a`: they must be equal."""
    n, m = a.shape[k], b.shape[j]
    if not same(n, m):
        raise_at(
            ShapeError, f"shapes do not fit in {name}", wanted=f"axis {j} of the second as long as axis {k} of the first",
            got=f"{shape_text(a.shape)} and {shape_text(b.shape)}",
        )  # fmt: skip
    return fit(b, tuple(n if i == j % b.rank else d for i, d in enumerate(b.shape)))


def matmul(a: Any, b: Any, /) -> Operand:
    (x, z), truth = one_dtype(a, b)
    if not x.rank or not z.rank:
        raise_at(
            ShapeError, "a number in np.matmul", wanted="arrays", got=f"{shape_text(x.shape)} and {shape_text(z.shape)}",
            repair="write a * b",
        )  # fmt: skip
    return back(product(x, meet("np.matmul", x, -1, z, -2 if z.rank > 1 else 0)), truth)


def product(x: Value, z: Value) -> Value:
    """The matrix product; the inner sizes are equal."""
    if x.rank == z.rank == 1:
        return array.sum_(x * z, (0,))
    if x.rank <= 2 and z.rank <= 2:
        return apply("matmul", x, z)
    if z.rank <= 2:  # one product for all of the batch
        rows = array.reshape(x, (number_of_elements(x.shape[:-1]), x.shape[-1]))
        return array.reshape(apply("matmul", rows, z), (*x.shape[:-1], *z.shape[1:]))
    if x.rank == 1:
        out = product(array.reshape(x, (1, *x.shape)), z)
        return array.reshape(out, (*out.shape[:-2], out.shape[-1]))
    lead = broadcast_shapes("np.matmul", [x.shape[:-2], z.shape[:-2]])
    return apply("matmul", spread(x, (*lead, *x.shape[-2:])), spread(z, (*lead, *z.shape[-2:])))


def dot(a: Any, b: Any) -> Operand:
    x, z = strong(a), strong(b)
    if not x.rank or not z.rank:
        return multiply(x, z)
    return matmul(x, z) if x.rank <= 2 and z.rank <= 2 or z.rank == 1 else tensordot(x, z, ((-1,), (-2,)))


def inner(a: Any, b: Any, /) -> Operand:
    x, z = strong(a), strong(b)
    if not x.rank or not z.rank:
        return multiply(x, z)
    return tensordot(x, z, ((-1,), (-1,)))


def flat(x: Any) -> Operand:
    o = lift(x)
    return Operand(array.reshape(o.value, (number_of_elements(o.shape),)))


def vdot(a: Any, b: Any, /) -> Operand:
    return matmul(flat(a), flat(b))


def vecdot(x1: Any, x2: Any, /, *, axis: Any = -1) -> Operand:
    (x, z), truth = one_dtype(x1, x2)
    shape = broadcast_shapes("np.vecdot", [x.shape, z.shape])
    return back(array.sum_(spread(x, shape) * spread(z, shape), (axis_of(axis, len(shape), "np.vecdot"),)), truth)


def outer(a: Any, b: Any) -> Operand:
    x, z = flat(a).value, flat(b).value
    return multiply(Operand(array.reshape(x, (*x.shape, 1))), Operand(array.reshape(z, (1, *z.shape))))


def tensordot(a: Any, b: Any, axes: Any = 2) -> Operand:
    (x, z), truth = one_dtype(a, b)
    left, right = _contracted(axes, x.rank, z.rank)
    for k, j in zip(left, right):
        z = meet("np.tensordot", x, k, z, j)
    rest, others = [k for k in range(x.rank) if k not in left], [k for k in range(z.rank) if k not in right]
    return back(contract(array.transpose(x, (*rest, *left)), array.transpose(z, (*right, *others)), len(left)), truth)


def _contracted(axes: Any, r: int, s: int) -> tuple[list[int], list[int]]:
    if isinstance(axes, (tuple, list)):
        sides = [list(side) if isinstance(side, (tuple, list)) else [side] for side in axes]
    else:
        n = static_int(axes, "the axes of np.tensordot")
        sides = [list(range(r - n, r)), list(range(n))]
    if len(sides) != 2 or len(sides[0]) != len(sides[1]):
        raise_at(ShapeError, "np.tensordot wants as many axes of the one as of the other", got=str(axes))
    return [axis_of(k, r, "np.tensordot") for k in sides[0]], [axis_of(k, s, "np.tensordot") for k in sides[1]]


def contract(x: Value, z: Value, n: int) -> Value:
    """The last n axes of x with the first n of z."""
    rows, inner, columns = x.shape[: x.rank - n], z.shape[:n], z.shape[n:]
    if not n:
        shape = (*rows, *columns)
        return array.broadcast(x, shape, tuple(range(x.rank))) * array.broadcast(z, shape, tuple(range(x.rank, len(shape))))
    count = number_of_elements(inner)
    left = array.reshape(x, (*([number_of_elements(rows)] if rows else []), count))
    right = array.reshape(z, (count, *([number_of_elements(columns)] if columns else [])))
    return array.reshape(product(left, right), (*rows, *columns))


# ---- einsum: operands meet two at a time, from the left


def einsum(subscripts: Any, /, *operands: Any, optimize: Any = False) -> Operand:
    if not isinstance(subscripts, str) or "." in subscripts:
        raise_at(
            Unsupported, "this form of np.einsum is not supported", wanted="subscripts such as 'ij,jk->ik'", got=repr(subscripts)
        )
    left, arrow, out = subscripts.replace(" ", "").partition("->")
    labels = left.split(",")
    if not arrow:
        out = "".join(sorted(c for c in set(left) - {","} if left.count(c) == 1))
    values, truth = one_dtype(*operands)
    _check_labels(subscripts, labels, out, values)
    terms = _one_size(subscripts, [_diagonals(s, v) for s, v in zip(labels, values)])
    (s, x), *rest = terms
    while rest:
        (t, z), *rest = rest
        needed = {*out}.union(*[u for u, _ in rest])
        s, x = _pair(*_alone(s, x, {*t} | needed), *_alone(t, z, {*s} | needed), needed)
    s, x = _alone(s, x, {*out})
    return back(array.transpose(x, tuple(s.index(c) for c in out)), truth)


def _check_labels(subscripts: str, labels: Sequence[str], out: str, values: Sequence[Value]) -> None:
    fits = len(labels) == len(values) and all(len(s) == v.rank for s, v in zip(labels, values))
    if not fits or len(set(out)) != len(out) or not set(out) <= set("".join(labels)):
        raise_at(
            ShapeError, "the subscripts of np.einsum do not fit", wanted="one letter for each axis of each array",
            got=f"{subscripts!r} for {' and '.join(shape_text(v.shape) for v in values)}",
        )  # fmt: skip


def _diagonals(s: str, x: Value) -> tuple[str, Value]:
    """With each letter once: ii is the diagonal."""
    for c in sorted(set(s)):
        while s.count(c) > 1:
            i = s.index(c)
            j = s.index(c, i + 1)
            x = array.transpose(x, (*[k for k in range(x.rank) if k not in (i, j)], i, j))
            s = s[:i] + s[i + 1 : j] + s[j + 1 :] + c
            index = array.iota(x.shape[-2])
            if not same(x.shape[-2], x.shape[-1]):
                raise_at(ShapeError, f"the axes {c!r} of np.einsum differ", got=shape_text(x.shape))
            x = get(x, index, index, spec=":" * (x.rank - 2) + "aa")
    return s, x


def _one_size(subscripts: str, terms: list[tuple[str, Value]]) -> list[tuple[str, Value]]:
    sizes: dict[str, DimLike] = {}
    for s, x in terms:
        for c, d in zip(s, x.shape):
            if not same(sizes.setdefault(c, d), d):
                raise_at(ShapeError, f"the axes {c!r} of np.einsum differ", wanted="one size", got=f"{sizes[c]} and {d}")
    return [(s, fit(x, tuple(sizes[c] for c in s))) for s, x in terms]


def _alone(s: str, x: Value, needed: set[str]) -> tuple[str, Value]:
    """Without the letters that nobody else has: summed."""
    gone = tuple(k for k, c in enumerate(s) if c not in needed)
    return "".join(c for c in s if c in needed), array.sum_(x, gone)


def _pair(s: str, x: Value, t: str, z: Value, needed: set[str]) -> tuple[str, Value]:
    both = [c for c in s if c in t]
    batch, summed = [c for c in both if c in needed], [c for c in both if c not in needed]
    rows, columns = [c for c in s if c not in t], [c for c in t if c not in s]
    sizes = {**dict(zip(s, x.shape)), **dict(zip(t, z.shape))}
    out = [*batch, *rows, *columns]
    if not summed or not (rows or columns):
        whole = [*out, *summed]
        shape = tuple(sizes[c] for c in whole)
        y = _aligned(s, x, whole, shape) * _aligned(t, z, whole, shape)
        return "".join(out), array.sum_(y, tuple(range(len(out), len(whole))))

    def grouped(u: str, v: Value, first: list[str], second: list[str]) -> Value:
        v = array.transpose(v, tuple(u.index(c) for c in (*batch, *first, *second)))
        parts = [[sizes[c] for c in group] for group in ((batch,) if batch else ()) + (first, second)]
        return array.reshape(v, tuple(number_of_elements(tuple(p)) for p in parts))

    y = apply("matmul", grouped(s, x, rows, summed), grouped(t, z, summed, columns))
    return "".join(out), array.reshape(y, tuple(sizes[c] for c in out))


def _aligned(s: str, x: Value, whole: Sequence[str], shape: tuple[DimLike, ...]) -> Value:
    order = sorted(range(len(s)), key=lambda k: whole.index(s[k]))
    return array.broadcast(array.transpose(x, tuple(order)), shape, tuple(whole.index(s[k]) for k in order))


# ---- others


def cross(a: Any, b: Any, axisa: Any = -1, axisb: Any = -1, axisc: Any = -1, axis: Any = None) -> Operand:
    (x, z), _ = one_dtype(a, b)
    pa, pb, pc = (axisa, axisb, axisc) if axis is None else (axis,) * 3
    i, j = axis_of(pa, x.rank, "np.cross"), axis_of(pb, z.rank, "np.cross")
    if not (same(x.shape[i], 3) and same(z.shape[j], 3)):
        raise_at(
            ShapeError, "np.cross wants vectors of three components", got=f"{shape_text(x.shape)} and {shape_text(z.shape)}",
            repair="of plane vectors: a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]",
        )  # fmt: skip
    u, v = [pick(x, i, k) for k in range(3)], [pick(z, j, k) for k in range(3)]
    shape = broadcast_shapes("np.cross", [u[0].shape, v[0].shape])
    u, v = [spread(c, shape) for c in u], [spread(c, shape) for c in v]
    cells = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]]
    k = axis_of(pc, len(shape) + 1, "np.cross")
    return Operand(array.concat([array.reshape(c, (*shape[:k], 1, *shape[k:])) for c in cells], k))


def kron(a: Any, b: Any) -> Operand:
    x, z = strong(a), strong(b)
    r = max(x.rank, z.rank)
    s, t = (1,) * (r - x.rank) + x.shape, (1,) * (r - z.rank) + z.shape
    left = array.reshape(x.value, tuple(d for n in s for d in (n, 1)))
    right = array.reshape(z.value, tuple(d for n in t for d in (1, n)))
    y = multiply(Operand(left), Operand(right)).value
    return Operand(array.reshape(y, tuple(n * m for n, m in zip(s, t))))


# y[k] = sum_j x[k - j] z[j]: the rows of a matrix of shifted copies of x, zeros around it, times z.
def convolve(a: Any, v: Any, mode: str = "full") -> Operand:
    (x, z), _ = one_dtype(a, v)
    if x.rank != 1 or z.rank != 1:
        raise_at(ShapeError, "np.convolve wants arrays of one dimension", got=f"{shape_text(x.shape)} and {shape_text(z.shape)}")
    not_empty(x, (0,), "np.convolve")
    not_empty(z, (0,), "np.convolve")
    n, m = x.shape[0], z.shape[0]
    count = n + m - 1
    around = put(value(0, Type(x.dtype, (n + 2 * (m - 1),))), x, size(m - 1), size(n), spec="s", steps=(1,))
    shape = (count, m)
    at = array.broadcast(array.iota(count), shape, (0,)) + array.broadcast(array.iota(m), shape, (1,))
    y = product(get(around, at, spec="a"), flip(Operand(z)).value)
    return Operand(_part_of(y, n, m, mode))


def _part_of(y: Value, n: DimLike, m: DimLike, mode: str) -> Value:
    if mode == "full":
        return y
    short, long = smallest(n, m), largest(n, m)
    if mode == "same":
        return cut(y, 0, (short - 1) // 2, long)
    if mode == "valid":
        return cut(y, 0, short - 1, long - short + 1)
    raise_at(Unsupported, f"np.convolve has no mode {mode!r}", wanted="'full', 'same' or 'valid'")


def polyval(p: Any, x: Any) -> Operand:
    """Horner's rule."""
    c, at = one_dtype(p, x)[0]
    if c.rank != 1:
        raise_at(ShapeError, "np.polyval wants coefficients in one dimension", got=shape_text(c.shape))
    n, nothing = c.shape[0], array.zeros_like(at)

    def step(k: Value, y: Value) -> Value:
        return y * at + array.fill(get(c, k), at.shape)

    if isinstance(n, int):
        return Operand(functools.reduce(lambda y, k: step(value(k), y), range(n), nothing))
    return Operand(loop(value(0), size(n), step, nothing, hints=("k", "y"))[0])


# fmt: off
TABLE: dict[str, Callable[..., Any]] = {
    "matmul": matmul, "dot": dot, "inner": inner, "outer": outer, "vdot": vdot, "vecdot": vecdot, "tensordot": tensordot,
    "einsum": einsum, "cross": cross, "kron": kron, "convolve": convolve, "polyval": polyval,
}
# fmt: on
