"""Shapes: broadcast, transpose, reshape, concatenation, conversion. Each is linear; each row names its transpose.

Shapes come as integer arguments (`broadcast(x, n, m)`), so that sizes stand only in atoms and types.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..ir.build import Value, apply, size, value
from ..ir.core import EVERY, FLOATS, Atom, Type, dim_of, zero_of
from ..ir.dims import DimLike
from ..ir.interp import NUMPY as NUMPY_DTYPE
from .table import flat, is_index, linear, need

DTYPE_NAME = {np.dtype(t): name for name, t in NUMPY_DTYPE.items()}


def sizes(dims: tuple[DimLike, ...]) -> list[Value]:
    return [size(d) for d in dims]


# ---- broadcast: axis k of x becomes axis axes[k] of the result


def _broadcast_type(x: Atom, *dims: Atom, axes: tuple[int, ...]) -> Type:
    shape = tuple(map(dim_of, dims))
    need(all(map(is_index, dims)), "broadcast", "integer sizes", dims)
    need(tuple(shape[k] for k in axes) == x.type.shape and list(axes) == sorted(set(axes)), "broadcast", f"axes {axes}", (x,))
    return Type(x.type.dtype, shape)


def _broadcast_numpy(x: Any, *dims: int, axes: tuple[int, ...]) -> Any:
    aligned = np.reshape(x, [dims[k] if k in axes else 1 for k in range(len(dims))])
    return np.broadcast_to(aligned, dims)


_broadcast = linear(
    "broadcast",
    _broadcast_type,
    _broadcast_numpy,
    transposes={0: lambda g, x, *dims, axes: sum_(g, axes=tuple(k for k in range(len(dims)) if k not in axes))},
)


def broadcast(x: Value, shape: tuple[DimLike, ...], axes: tuple[int, ...]) -> Value:
    """`x` along new axes; `axes[k]` is where its axis k goes. A literal stays a literal."""
    from_type = x.type
    if shape == from_type.shape:
        return x
    if not from_type.shape and hasattr(x.atom, "value"):
        return value(x.atom.value, Type(from_type.dtype, shape))
    return _broadcast(x, *sizes(shape), axes=tuple(axes))


def fill(x: Value, shape: tuple[DimLike, ...]) -> Value:
    """A scalar in every cell."""
    return broadcast(x, shape, ())


def zeros_like(x: Value) -> Value:
    return Value(zero_of(x.type))


def ones_like(x: Value) -> Value:
    return value(1.0, x.type)


# ---- transpose: axis k of the result is axis perm[k] of x


def _inverse(perm: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(perm.index(k) for k in range(len(perm)))


_transpose = linear(
    "transpose",
    lambda x, *, perm: Type(x.type.dtype, tuple(x.type.shape[k] for k in perm)),
    lambda x, *, perm: np.transpose(x, perm),
    transposes={0: lambda g, x, *, perm: transpose(g, _inverse(perm))},
)


def transpose(x: Value, perm: tuple[int, ...]) -> Value:
    return x if tuple(perm) == tuple(range(x.rank)) else _transpose(x, perm=tuple(perm))


def swap_last(x: Value) -> Value:
    """The matrix transpose of the last two axes."""
    return transpose(x, (*range(x.rank - 2), x.rank - 1, x.rank - 2))


# ---- reshape: row-major; the number of elements is the tracer's to prove or guard

_reshape = linear(
    "reshape",
    lambda x, *dims: Type(x.type.dtype, tuple(map(dim_of, dims))),
    lambda x, *dims: np.reshape(x, dims),
    transposes={0: lambda g, x, *dims: reshape(g, x.shape)},
)


def reshape(x: Value, shape: tuple[DimLike, ...]) -> Value:
    if shape == x.shape:
        return x
    if hasattr(x.atom, "value"):
        return value(x.atom.value, Type(x.dtype, shape))
    return _reshape(x, *sizes(shape))


# ---- concat along an axis


def _concat_type(*xs: Atom, axis: int) -> Type:
    shapes = [x.type.shape for x in xs]
    rest = [(*s[:axis], *s[axis + 1 :]) for s in shapes]
    need(all(r == rest[0] for r in rest) and len({x.type.dtype for x in xs}) == 1, "concat", "equal other axes", xs)
    total: DimLike = 0
    for s in shapes:
        total = total + s[axis]
    return Type(xs[0].type.dtype, (*shapes[0][:axis], total, *shapes[0][axis + 1 :]))


def _concat_back(k: int, g: Value, *xs: Value, axis: int) -> Value:
    start: DimLike = 0
    for x in xs[:k]:
        start = start + x.shape[axis]
    spec = "".join("s" if a == axis else ":" for a in range(g.rank))
    return apply("get", g, size(start), size(xs[k].shape[axis]), spec=spec, steps=(1,))


_concat = linear(
    "concat",
    _concat_type,
    lambda *xs, axis: np.concatenate(xs, axis),
    groups=((EVERY,),),
    transposes={EVERY: _concat_back},
)


def concat(xs: list[Value], axis: int) -> Value:
    return xs[0] if len(xs) == 1 else _concat(*xs, axis=axis)


# ---- dtype conversion. Between floats it is linear; a conversion from or to integers carries no derivative.

_cast = linear(
    "cast",
    lambda x, *, dtype: x.type.of(dtype),
    lambda x, *, dtype: np.asarray(x).astype(NUMPY_DTYPE[dtype])[()],
    transposes={0: lambda g, x, *, dtype: cast(g, x.dtype)},
    elementwise=True,
    sympy="x",
)


def cast(x: Value, dtype: str) -> Value:
    if x.dtype == dtype:
        return x
    if hasattr(x.atom, "value") and (dtype in FLOATS or math.isfinite(x.atom.value)):
        return value(x.atom.value, x.type.of(dtype))
    return _cast(x, dtype=dtype)


# ---- iota: 0, 1, ..., n - 1 (i64)

_iota = flat("iota", lambda n: Type("i64", (dim_of(n),)), lambda n: np.arange(n))


def iota(n: DimLike) -> Value:
    return _iota(size(n))


stop = flat("stop_gradient", lambda x: x.type, lambda x: x, sympy="x", source="x", elementwise=True)


def sum_(x: Value, axes: tuple[int, ...]) -> Value:
    return x if not axes else apply("sum", x, axes=tuple(axes))

