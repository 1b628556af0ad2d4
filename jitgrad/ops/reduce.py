"""Reductions over axes, and running sums.

    sum[axes](x)   prod   max   min   any   all        the axes disappear
    argmax[axis](x)   argmin                           i64; the first of equals; a NaN wins, as in NumPy
    cumsum[axis, reverse](x)                           reverse: from the end
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.build import Value, apply, size, value
from ..ir.core import Atom, Type
from ..ir.dims import DimLike
from .array import broadcast, cast, reshape, sum_, transpose
from .index import get
from .loop import loop
from .table import ARITHMETIC, flat, linear, need, program


def kept(x: Any, axes: tuple[int, ...]) -> tuple[int, ...]:
    """The axes that stay."""
    return tuple(k for k in range(len(x.type.shape)) if k not in axes)


def _type(name: str, takes: tuple[str, ...]) -> Any:
    def type(x: Atom, *, axes: tuple[int, ...]) -> Type:
        need(x.type.dtype in takes and all(0 <= k < x.type.rank for k in axes), name, f"axes {axes} of an array", (x,))
        return Type(x.type.dtype, tuple(x.type.shape[k] for k in kept(x, axes)))

    return type


def spread(y: Value, x: Value, axes: tuple[int, ...]) -> Value:
    """A reduced value along the axes that it lost."""
    return broadcast(y, x.shape, kept(x, axes))


linear(
    "sum",
    _type("sum", ARITHMETIC),
    lambda x, *, axes: np.sum(x, axes, dtype=np.asarray(x).dtype),
    transposes={0: lambda g, x, *, axes: spread(g, x, axes)},
    sympy=lambda x, *, axes: np.sum(x, axes),
)


# y = max x. The subgradient with even shares: y_dot = sum(x_dot over the cells equal to y) / how many these are.
def _share(t: Value, y: Value, x: Value, *, axes: tuple[int, ...]) -> Value:
    hit = cast(apply("eq", x, spread(y, x, axes)), x.dtype)
    return sum_(hit / spread(sum_(hit, axes), x, axes) * t, axes)


program("max", _type("max", ARITHMETIC), lambda x, *, axes: np.max(x, axes), tangents={0: _share})
program("min", _type("min", ARITHMETIC), lambda x, *, axes: np.min(x, axes), tangents={0: _share})


# y = prod x has the derivative y / x only where x is not 0. As a running product it is right everywhere, to every order.
def _prod(x: Value, *, axes: tuple[int, ...]) -> Value:
    rest = kept(x, axes)
    count: DimLike = 1
    for k in axes:
        count = count * x.shape[k]
    shape = tuple(x.shape[k] for k in rest)
    rows = reshape(transpose(x, (*axes, *rest)), (count, *shape))

    def step(i: Value, p: Value) -> Value:
        return p * get(rows, i, spec="i" + ":" * len(rest))

    return loop(value(0), size(count), step, value(1.0, Type(x.dtype, shape)), hints=("k", "p"))[0]


program("prod", _type("prod", ARITHMETIC), lambda x, *, axes: np.prod(x, axes, dtype=np.asarray(x).dtype), definition=_prod)

flat("any", _type("any", ("bool",)), lambda x, *, axes: np.any(x, axes))
flat("all", _type("all", ("bool",)), lambda x, *, axes: np.all(x, axes))


def _arg_type(x: Atom, *, axis: int) -> Type:
    return Type("i64", tuple(d for k, d in enumerate(x.type.shape) if k != axis))


flat("argmax", _arg_type, lambda x, *, axis: np.argmax(x, axis))
flat("argmin", _arg_type, lambda x, *, axis: np.argmin(x, axis))


def _cumsum(x: Any, *, axis: int, reverse: bool = False) -> Any:
    return np.flip(np.cumsum(np.flip(x, axis), axis), axis) if reverse else np.cumsum(x, axis)


linear(
    "cumsum",
    lambda x, *, axis, reverse=False: x.type,
    _cumsum,
    transposes={0: lambda g, x, *, axis, reverse=False: apply("cumsum", g, axis=axis, reverse=not reverse)},
)
