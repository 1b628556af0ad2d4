"""Calls of every covered NumPy and SciPy function, as plain functions of their arrays: the table behind tests/test_numpy.py.

A case is a function of arrays written with NumPy alone, and the shapes of its arguments. `draw` says from where the
numbers come; `dtypes` which dtypes are tried.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg as sl
from scipy import special as sp

FLOATS = ("f8", "f4")
NUMBERS = ("f8", "f4", "i8", "i4")
ALL = (*NUMBERS, "?")
INTEGERS = ("i8", "i4")


@dataclass(frozen=True)
class Case:
    name: str
    f: Callable[..., Any]
    shapes: Sequence[tuple[int, ...]]
    dtypes: Sequence[str] = ("f8",)
    draw: tuple[float, float] = (-2.0, 2.0)
    smooth: bool = True  # where it is drawn: differences of it are derivatives


CASES: list[Case] = []


def case(
    f: Callable[..., Any],
    *shapes: tuple[int, ...],
    dtypes: Sequence[str] = ("f8",),
    draw: tuple[float, float] = (-2.0, 2.0),
    name: str = "",
    smooth: bool = True,
) -> None:
    CASES.append(Case(name or getattr(f, "__name__", "f"), f, shapes, dtypes, draw, smooth))


A, B, C, V, M, S = (2, 3), (3,), (2, 1), (4,), (3, 3), ()

# ---- cell by cell

for f in "exp expm1 exp2 sin cos sinh cosh tanh arcsinh arctan fabs rint cbrt deg2rad radians rad2deg degrees sinc".split():
    case(getattr(np, f), A, dtypes=FLOATS)
    case(getattr(np, f), S, dtypes=("f8", "i8"))
case(np.signbit, A, dtypes=FLOATS)
case(np.tan, A, dtypes=("f8", "f4", "i8"), draw=(-1.0, 1.0))
for f in "log log2 log10 sqrt arccosh reciprocal log1p".split():
    case(getattr(np, f), A, dtypes=FLOATS, draw=(1.1, 3.0))
for f in "arcsin arccos arctanh".split():
    case(getattr(np, f), A, dtypes=FLOATS, draw=(-0.9, 0.9))
for f in "exp log1p sqrt sin arctan".split():
    case(getattr(np, f), A, dtypes=("i8", "i4"), draw=(0.0, 9.0))
for f in "negative positive sign square absolute isnan isinf isfinite real conjugate".split():
    case(getattr(np, f), A, dtypes=NUMBERS)
for f in "floor ceil trunc fix".split():
    case(getattr(np, f), A, dtypes=NUMBERS, smooth=False)
for f in "absolute isnan square conjugate logical_not invert".split():
    case(getattr(np, f), A, dtypes=("?",))
for f in "logical_not nan_to_num".split():
    case(getattr(np, f), A, dtypes=NUMBERS)
for f in "invert".split():
    case(getattr(np, f), A, dtypes=INTEGERS)
for f in "add subtract multiply divide maximum minimum fmax fmin".split():
    case(getattr(np, f), A, B, dtypes=NUMBERS)
    case(getattr(np, f), C, B, dtypes=("f8",))
    case(getattr(np, f), S, A, dtypes=("f8",))
for f in "add multiply maximum minimum divide equal less logical_xor bitwise_and bitwise_or bitwise_xor fmax".split():
    case(getattr(np, f), A, B, dtypes=("?",))
for f in "floor_divide remainder fmod power".split():
    case(getattr(np, f), A, B, dtypes=NUMBERS, draw=(1.0, 6.0))
    case(getattr(np, f), A, B, dtypes=("?",), draw=(2.0, 3.0)) if f in ("power",) else None
for f in "floor_divide remainder fmod".split():
    case(getattr(np, f), A, B, dtypes=("f8",))
    case(lambda x, z, f=f: getattr(np, f)(x, np.where(z == 0, 1, z)), A, B, dtypes=INTEGERS, draw=(-9.0, 9.0), name=f)
for f in "less less_equal greater greater_equal equal not_equal logical_and logical_or logical_xor".split():
    case(getattr(np, f), A, B, dtypes=NUMBERS)
for f in "arctan2 hypot logaddexp logaddexp2 copysign heaviside isclose".split():
    case(getattr(np, f), A, B, dtypes=FLOATS)
for f in "bitwise_and bitwise_or bitwise_xor".split():
    case(getattr(np, f), A, B, dtypes=INTEGERS, draw=(0.0, 20.0))
for f in "left_shift right_shift".split():
    case(getattr(np, f), A, B, dtypes=INTEGERS, draw=(0.0, 5.0))

# fmt: off
case(lambda x: np.divmod(x, 0.7), A)
case(lambda x: x ** 2, A, dtypes=NUMBERS)
case(lambda x: x ** 3, A, dtypes=NUMBERS)
case(lambda x: x ** -2, A, draw=(0.5, 2.0), dtypes=FLOATS)
case(lambda x: x ** 0, A, dtypes=NUMBERS)
case(lambda x: x ** 0.5, A, draw=(0.5, 2.0), dtypes=FLOATS)
case(lambda x: x ** 2.5, A, draw=(0.5, 2.0), dtypes=FLOATS)
case(lambda x: x ** 100, A, draw=(0.5, 1.5), dtypes=FLOATS, smooth=False)
case(lambda x: 2.0 ** x, A, dtypes=NUMBERS)
case(lambda x: np.float_power(x, 3), A, dtypes=NUMBERS)
case(lambda x, n: np.ldexp(x, n.astype("i8")), A, B)
case(lambda x: np.clip(x, -1.0, 1.0), A, dtypes=FLOATS)
case(lambda x: np.clip(x, -1, 1), A, dtypes=NUMBERS)
case(lambda x, a: np.clip(x, a, None), A, B)
case(lambda x: np.clip(x, max=0.5), A) if np.__version__ >= "2.1" else None
case(lambda x: np.round(x, 2), A, dtypes=FLOATS, smooth=False)
case(lambda x: np.around(x), A, dtypes=NUMBERS)
case(lambda x: np.round(x * 100, -1), A, smooth=False)
case(lambda c, x: np.where(c > 0, x, 0.0), A, B, dtypes=("f8", "f4", "i8"))
case(lambda c, x: np.where(c, x, x + 1), A, B, dtypes=NUMBERS)
case(lambda c: np.where(c > 0, 1.0, 0.0), A, dtypes=("f4",))
case(lambda x: np.nan_to_num(np.where(x > 0, x / 0.0, np.nan), nan=3.0), A, smooth=False)

# ---- Python numbers do not widen; a bool is the weakest
case(lambda x: 2.0 * x + 1, A, dtypes=ALL)
case(lambda x: x / 2, A, dtypes=ALL)
case(lambda x: x + True, A, dtypes=NUMBERS)
case(lambda x: (x > 0) * x, A, dtypes=NUMBERS)
case(lambda x: (x > 0) + (x < 1), A, dtypes=NUMBERS)
case(lambda x: -(x // 1), A, dtypes=NUMBERS)
case(lambda x: x % 2, A, dtypes=NUMBERS)
case(lambda x: np.float64(2.0) * x, A, dtypes=ALL)
case(lambda x: np.float32(2.0) * x, A, dtypes=ALL)
case(lambda x: np.sin(0.5) * x, A, dtypes=FLOATS)
case(lambda x: ~(x > 0) & (x < 1) | (x == 0) ^ (x != 1), A, dtypes=NUMBERS)
case(lambda x: x @ x.T, A, dtypes=ALL)
case(lambda x: np.float32(x), A, dtypes=ALL, smooth=False)
case(lambda x: np.int64(x), A, dtypes=ALL)
case(lambda x: np.bool_(x), A, dtypes=ALL)
for d in "int8 int16 int32 uint8 uint16 uint32 uint64".split():
    case(lambda x, d=d: getattr(np, d)(x), A, dtypes=ALL, draw=(0.0, 90.0), smooth=False)

# ---- reductions
REDUCTIONS = "sum mean prod max min amax amin ptp any all argmax argmin var std count_nonzero cumsum cumprod nansum nanmean"
for f in (*REDUCTIONS.split(), "nanprod", "average"):
    g = getattr(np, f)
    types = NUMBERS if f == "ptp" else ALL
    case(g, A, dtypes=types)
    case(g, B, dtypes=("f8",))
    case(lambda x, g=g: g(x, axis=0), A, dtypes=types, name=f)
    case(lambda x, g=g: g(x, axis=-1), (2, 3, 4), dtypes=("f8",), name=f)
    if f not in ("argmax", "argmin", "cumsum", "cumprod"):
        case(lambda x, g=g: g(x, axis=(0, -1)), (2, 3, 4), dtypes=("f8", "f4"), name=f)
        case(lambda x, g=g: g(x, axis=()), A, name=f) if f in ("sum", "max", "any", "prod") else None
    if f not in ("cumsum", "cumprod"):
        case(lambda x, g=g: g(x, axis=1, keepdims=True), A, dtypes=types, name=f)
        case(lambda x, g=g: g(x, keepdims=True), A, name=f)
for f in ("sum", "max", "mean", "any"):
    case(getattr(np, f), S, dtypes=("f8", "i8"))
case(lambda x: np.var(x, axis=0, ddof=1), A)
case(lambda x: np.std(x, ddof=1), A, dtypes=FLOATS)
case(lambda x: np.var(x, ddof=0.5), A)
case(lambda x: np.sum(x, dtype=np.float64), A, dtypes=ALL)
case(lambda x: np.mean(x, dtype=np.float32), A, dtypes=ALL, smooth=False)
case(lambda x: np.argmax(x == 0), A, dtypes=INTEGERS)
case(lambda x, w: np.average(x, weights=w), A, A, draw=(0.5, 2.0))
case(lambda x, w: np.average(x, axis=1, weights=w), A, B, draw=(0.5, 2.0))
case(lambda x: np.nansum(np.where(x > 0, x, np.nan), axis=1), A)
case(lambda x: np.nanmean(np.where(x > 0, x, np.nan)), A)
case(lambda x: np.add.reduce(x), A, dtypes=ALL)
case(lambda x: np.maximum.reduce(x, axis=1), A, dtypes=NUMBERS)
case(lambda x: np.multiply.accumulate(x), A, dtypes=NUMBERS)
case(lambda x: np.maximum.accumulate(x, axis=1), A, dtypes=ALL)
case(lambda x: np.minimum.accumulate(x), A, dtypes=("f8",))
case(lambda x, z: np.subtract.outer(x, z), A, B)
case(lambda x: np.logaddexp.reduce(x), A)

# ---- shapes
for f in "ravel squeeze atleast_1d atleast_2d atleast_3d transpose copy flip flipud fliplr rot90 ndim shape size".split():
    case(getattr(np, f), (2, 1, 3), dtypes=("f8", "i4"))
for f in "atleast_1d atleast_2d atleast_3d ravel squeeze".split():
    for shape in (S, B, A):
        case(getattr(np, f), shape)
case(lambda x: np.reshape(x, (3, 2)), A)
case(lambda x: np.reshape(x, -1), A)
case(lambda x: np.reshape(x, (-1, 2, 1)), A)
case(lambda x: np.reshape(x, 1), S)
case(lambda x: x.reshape(3, -1), A)
case(lambda x: np.expand_dims(x, (0, -1)), A)
case(lambda x: x[None, ..., None], A)
case(lambda x: np.squeeze(x, 1), C)
case(lambda x: np.transpose(x, (2, 0, 1)), (2, 3, 4))
case(lambda x: np.matrix_transpose(x), (2, 3, 4))
case(lambda x: np.swapaxes(x, 0, -1), (2, 3, 4))
case(lambda x: np.moveaxis(x, 0, -1), (2, 3, 4))
case(lambda x: np.moveaxis(x, (0, 1), (-1, 0)), (2, 3, 4))
case(lambda x: np.rollaxis(x, 2), (2, 3, 4))
case(lambda x: np.rollaxis(x, 0, 3), (2, 3, 4))
case(lambda x: np.broadcast_to(x, (4, 2, 3)), C)
case(lambda x: np.broadcast_to(x, (4,)), S)
case(lambda x, z: np.broadcast_arrays(x, z), C, B)
case(lambda x, z: np.broadcast_shapes(x.shape, z.shape), C, B)
case(lambda x: np.flip(x, (0, 2)), (2, 3, 4))
for k in range(-1, 4):
    case(lambda x, k=k: np.rot90(x, k), A)
case(lambda x: np.rot90(x, 1, (1, 2)), (2, 3, 4))

# ---- joining, repeating, taking
case(lambda x, z: np.concatenate([x, z]), A, M, dtypes=ALL)
case(lambda x, z: np.concatenate((x, z), axis=-1), A, (2, 1))
case(lambda x, z: np.concatenate([x, z], axis=None), A, B)
case(lambda x, z: np.concatenate([x, z > 0]), B, V, dtypes=NUMBERS)
case(lambda x, z: np.stack([x, z, x], axis=1), A, A)
case(lambda x, z: np.stack([x, z], -1), S, S)
for f in "vstack hstack column_stack dstack".split():
    case(lambda x, z, g=getattr(np, f): g([x, z]), B, B, name=f)
    case(lambda x, z, g=getattr(np, f): g((x, z)), A, A, dtypes=("f4",), name=f)
    case(lambda x, g=getattr(np, f): g(x), (2, 2, 3), name=f)
case(lambda x: np.append(x, [1.0, 2.0]), B)
case(lambda x, z: np.append(x, z, axis=0), A, A)
case(lambda a, b: np.block([[a, b], [b, a]]), (2, 2), (2, 2))
case(lambda a, b: np.block([a, b, 3.0]), B, V)
case(lambda x: np.tile(x, 3), A)
case(lambda x: np.tile(x, (2, 1, 2)), A)
case(lambda x: np.tile(x, (2, 2)), B)
case(lambda x: np.repeat(x, 2), A)
case(lambda x: np.repeat(x, 3, axis=0), A)
case(lambda x: np.repeat(x, 2, axis=-1), A)
for s in (-7, -1, 0, 2, 3, 8):
    case(lambda x, s=s: np.roll(x, s), A)
    case(lambda x, s=s: np.roll(x, s, axis=1), A)
case(lambda x: np.roll(x, (1, -1), (0, 1)), A)
case(lambda x: np.roll(x, 1, (0, 1)), A)
case(lambda x: np.pad(x, 1), A, dtypes=NUMBERS)
case(lambda x: np.pad(x, (1, 2), constant_values=3.0), A)
case(lambda x: np.pad(x, ((1, 2), (0, 1)), constant_values=((1, 2), (3, 4))), A)
for mode in ("edge", "wrap", "reflect", "symmetric"):
    case(lambda x, mode=mode: np.pad(x, ((1, 2), (4, 5)), mode=mode), A, dtypes=("f8", "i8"))
case(lambda x: np.split(x, 3, axis=1), A)
case(lambda x: np.split(x, [1, 2, 7]), V)
case(lambda x: np.array_split(x, 3), V)
case(lambda x: np.array_split(x, [1]), V)
case(lambda x: np.hsplit(x, 3), A)
case(lambda x: np.hsplit(x, 2), V)
case(lambda x: np.vsplit(x, 2), A)
case(lambda x: np.dsplit(x, 2), (2, 3, 4))
case(lambda x: np.unstack(x, axis=1), A) if hasattr(np, "unstack") else None
case(lambda x: np.take(x, [0, -1, 1]), A)
case(lambda x: np.take(x, [[0, -1], [1, 1]], axis=1), A)
case(lambda x: np.take(x, 1, axis=0), A)
case(lambda x: np.take(x, [-5, 7], axis=1, mode="clip"), A)
case(lambda x: np.take(x, [-5, 7], axis=1, mode="wrap"), A)
case(lambda x: np.take_along_axis(x, np.argmax(x, axis=1, keepdims=True), axis=1), A)

# ---- making
case(lambda x: np.zeros(x.shape) + x, A)
case(lambda x: (np.zeros(3), np.ones((2, 2), dtype=int), np.empty((1,)) * 0, np.full((2,), 7), x), S)
case(lambda x: np.full((2, 3), x), B)
case(lambda x: np.full_like(x, 2.5), A, dtypes=NUMBERS)
case(lambda x: (np.zeros_like(x), np.ones_like(x), np.empty_like(x) * 0), A, dtypes=NUMBERS)
case(lambda x: np.zeros_like(x, dtype=bool), A)
case(lambda x: np.array([x, 2 * x, 1.0]), S, dtypes=FLOATS)
case(lambda x: np.array([[x, 1], [0, x]]), S, dtypes=NUMBERS)
case(lambda x: np.array([x, x[::-1]]), B)
case(lambda x: np.array([[1.0, 1.0, 2.0], [2.0, 2.0, 3.0]]) + x, B)
case(lambda x: np.array([1, 2, 3], dtype=np.float32) * x, B, dtypes=("f4",))
case(lambda x: (np.asarray(x), np.asanyarray(x), np.array(x, ndmin=3)), A)
case(lambda x: np.ascontiguousarray(x), S)
case(lambda x: x.astype(np.int64), A, dtypes=ALL)
case(lambda x: np.astype(x, np.float32), A, dtypes=ALL, smooth=False) if hasattr(np, "astype") else None
case(lambda x: np.arange(x.shape[1]), A)
case(lambda x: np.arange(2, 9), S)
case(lambda x: np.arange(2, 9, 3), S)
case(lambda x: np.arange(9, 2, -2), S)
case(lambda x: np.arange(5, 2), S)
case(lambda x: np.arange(0.0, 1.0, 0.1), S)
case(lambda x: np.arange(3.0), S)
case(lambda x: np.arange(4, dtype=np.float32), S)
case(lambda x: np.linspace(0, 1, 5), S)
case(lambda x, z: np.linspace(x, z, 7), S, S)
case(lambda x, z: np.linspace(x, z, 4, endpoint=False), B, S)
case(lambda x, z: np.linspace(x, z, 4, axis=-1), B, B)
case(lambda x, z: np.linspace(x, z, 1), S, S)
case(lambda x, z: np.linspace(x, z, 0), S, S)
case(lambda x, z: np.linspace(x, z, 5, retstep=True), S, S)
case(lambda x: np.linspace(0, 7, 4, dtype=int), S)
case(lambda x: np.logspace(0, x, 4), S)
case(lambda x, z: np.meshgrid(x, z), B, V)
case(lambda x, z: np.meshgrid(x, z, indexing="ij"), B, V)
case(lambda x, z, w: np.meshgrid(x, z, w), B, V, (2,))
case(lambda x, z: np.meshgrid(x, z, sparse=True), B, V)
case(lambda x: np.eye(3) + x, B)
case(lambda x: (np.eye(2, 4, 1), np.eye(3, k=-1, dtype=int), np.identity(2), np.tri(3, 4, 1)), S)
for k in (-4, -2, -1, 0, 1, 3):
    case(lambda x, k=k: np.diag(x, k), B)
    case(lambda x, k=k: np.diag(x, k), (3, 4))
    case(lambda x, k=k: np.tril(x, k), (3, 4), dtypes=("f8", "i8", "?"))
    case(lambda x, k=k: np.triu(x, k), (2, 3, 4))
    case(lambda x, k=k: np.trace(x, k), M)
case(lambda x: np.tril(x), B)
case(lambda x: np.diagflat(x, 1), (2, 2))
case(lambda x: np.diagonal(x, 0, 0, 2), (2, 3, 4))
case(lambda x: np.diagonal(x, 1, 2, 1), (2, 3, 4))
case(lambda x: np.trace(x), (3, 3, 2), dtypes=NUMBERS)
case(lambda x: np.vander(x), B)
case(lambda x: np.vander(x, 4, increasing=True), B)

# ---- products
SHAPES = [
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 4)), ((5, 2, 3), (3,)), ((5, 2, 3), (3, 4)), ((3,), (5, 3, 2)),
    ((2, 3), (5, 3, 4)), ((5, 2, 3), (5, 3, 4)), ((5, 1, 2, 3), (6, 3, 4)), ((1, 2, 3), (5, 3, 4)), ((2, 5, 2, 3), (3,)),
]
for s, t in SHAPES:
    case(np.matmul, s, t, dtypes=("f8",))
    case(np.dot, s, t, dtypes=("f8",))
case(np.matmul, A, (3, 2), dtypes=ALL)
case(np.dot, A, (3, 2), dtypes=ALL)
case(np.dot, B, B, dtypes=ALL)
case(np.dot, S, A)
case(np.inner, A, (4, 3), dtypes=NUMBERS)
case(np.inner, B, B)
case(np.inner, S, A)
case(np.inner, (2, 2, 3), (4, 3))
case(np.vdot, A, A)
case(np.outer, A, B, dtypes=NUMBERS)
case(np.vecdot, A, B) if hasattr(np, "vecdot") else None
case(lambda a, b: np.tensordot(a, b), (2, 3, 4), (3, 4, 5))
case(lambda a, b: np.tensordot(a, b, 1), (2, 3), (3, 4))
case(lambda a, b: np.tensordot(a, b, 0), A, B)
case(lambda a, b: np.tensordot(a, b, 2), A, A)
case(lambda a, b: np.tensordot(a, b, ([0, 1], [2, 0])), (2, 3, 4), (3, 5, 2))
EINSUM = [
    ("ij,jk->ik", A, (3, 4)), ("ij,jk", A, (3, 4)), ("ij,kj->ik", A, (4, 3)), ("i,i", B, B), ("i,j->ij", B, V),
    ("i,j->ji", B, V), ("ii->i", M), ("ii", M), ("ij->ji", A), ("ij->", A), ("ij->j", A), ("ij,ij->ij", A, A),
    ("bij,bjk->bik", (5, 2, 3), (5, 3, 4)), ("bij,bij->b", (5, 2, 3), (5, 2, 3)), ("ij,k->j", A, V), ("ij,j,j->i", A, B, B),
    ("ijk,kl,jm->ilm", (2, 3, 4), (4, 5), (3, 6)), ("iij,jk->ik", (3, 3, 2), (2, 4)), ("ia,ib->ab", A, (2, 4)),
    ("bik,kj->jbi", (5, 2, 3), (3, 4)), ("abc,cd,d->ab", (2, 3, 4), (4, 5), (5,)),
]
for text, *shapes in EINSUM:
    case(lambda *xs, text=text: np.einsum(text, *xs), *shapes, name=f"einsum {text}")
case(lambda a, b: np.einsum("ij,jk->ik", a, b), A, (3, 4), dtypes=NUMBERS)
case(np.cross, B, B, dtypes=NUMBERS)
case(np.cross, (4, 3), (3,))
case(lambda a, b: np.cross(a, b, axis=0), (3, 4), (3, 4))
case(np.kron, A, (3, 2))
case(np.kron, B, A)
for mode in ("full", "same", "valid"):
    case(lambda a, b, mode=mode: np.convolve(a, b, mode), (6,), B, dtypes=NUMBERS)
    case(lambda a, b, mode=mode: np.convolve(a, b, mode), B, (4,))
case(lambda p, x: np.polyval(p, x), V, A)

# ---- grids
for kw in ({}, {"n": 2}, {"axis": 0}, {"prepend": 0.0}, {"append": 1, "axis": 0}):
    case(lambda x, kw=kw: np.diff(x, **kw), (3, 4), dtypes=FLOATS)
case(np.diff, A, dtypes=ALL)
case(np.ediff1d, A)
if hasattr(np, "trapezoid"):
    case(np.trapezoid, A, dtypes=("f8", "i8"))
    case(lambda y, x: np.trapezoid(y, x), A, B)
    case(lambda y: np.trapezoid(y, dx=0.5, axis=0), A)
case(np.gradient, (5,))
case(np.gradient, (4, 5))
case(lambda f: np.gradient(f, 0.5, axis=1), (4, 5))
case(lambda f: np.gradient(f, 0.5, 2.0), (4, 5))
case(lambda f, x: np.gradient(f, np.cumsum(x)), (5,), (5,), draw=(0.5, 1.0))
case(lambda f: np.gradient(f, edge_order=2), (5,))
case(lambda f, x: np.gradient(f, np.cumsum(x), edge_order=2), (5,), (5,), draw=(0.5, 1.0))
case(np.gradient, (2,))
case(np.gradient, (4, 5), dtypes=("f4", "i8"))
case(lambda x, xp, fp: np.interp(x, np.cumsum(xp), fp), A, (6,), (6,), draw=(0.0, 4.0))
case(lambda x, xp, fp: np.interp(x, np.cumsum(xp), fp, left=-1.0, right=9.0), S, (4,), (4,), draw=(0.0, 4.0))
case(lambda a, v: np.searchsorted(np.cumsum(a), v), (7,), A, draw=(0.1, 3.0))
case(lambda a, v: np.searchsorted(a, a, side="right"), (1,), S)
case(lambda a, v: np.searchsorted(np.array([1, 2, 2, 3]), v, side="right"), S, A, dtypes=INTEGERS)
case(lambda x: np.cov(x), A)
case(lambda x: np.cov(x, rowvar=False), A)
case(lambda x: np.cov(x, bias=True), B)

# ---- linear algebra (well-conditioned: the identity is added)
L = np.linalg
def spd(a): return a @ np.swapaxes(a, -1, -2) + 3.0 * np.eye(a.shape[-1])
def regular(a): return a + 5.0 * np.eye(a.shape[-1])

case(lambda a, b: L.solve(regular(a), b), M, B)
case(lambda a, b: L.solve(regular(a), b), M, (3, 2))
case(lambda a, b: L.solve(regular(a), b), (4, 3, 3), (4, 3, 2))
case(lambda a, b: L.solve(regular(a), b), (4, 3, 3), (3, 2))
case(lambda a, b: L.solve(regular(a), b), (4, 3, 3), (3,))
case(lambda a, b: L.solve(regular(a).astype(np.float32), b), M, B, dtypes=("f4",))
case(lambda a, b: L.solve(3 * np.eye(3, dtype=int), b), M, B, dtypes=("i8",))
for shape in (M, (4, 3, 3), (1, 1), (2, 2), (5, 5)):
    case(lambda a: L.inv(regular(a)), shape)
    case(lambda a: L.det(a), shape)
    case(lambda a: L.slogdet(regular(a)), shape)
    case(lambda a: L.cholesky(spd(a)), shape)
case(lambda a: L.cholesky(spd(a), upper=True), M) if np.__version__ >= "2" else None
case(lambda a: L.trace(a), (4, 3, 3))
case(lambda a: L.diagonal(a), (4, 3, 3))
for n in (-2, -1, 0, 1, 2, 5):
    case(lambda a, n=n: L.matrix_power(regular(a), n), M)
case(lambda a, b, c: L.multi_dot([a, b, c]), A, (3, 4), (4, 2))
case(lambda a, b, c: L.multi_dot([a, b, c]), A, (3, 4), (4,))
for order in (None, 1, 2, 3, 2.5, 0, np.inf, -np.inf, -1):
    case(lambda x, o=order: L.norm(x, o), B, dtypes=FLOATS)
    case(lambda x, o=order: L.norm(x, o, axis=1), A)
for order in (None, "fro", 1, -1, np.inf, -np.inf):
    case(lambda x, o=order: L.norm(x, o), A, dtypes=FLOATS)
    case(lambda x, o=order: L.norm(x, o, axis=(2, 0), keepdims=True), (2, 3, 4))
case(lambda x: L.norm(x), (2, 3, 4))
case(lambda x: L.norm(x), B, dtypes=("i8",))
case(lambda x: L.norm(x, axis=0, keepdims=True), A)
case(lambda x: L.vector_norm(x, axis=(0, 2)), (2, 3, 4))
case(lambda x: L.matrix_norm(x), (2, 3, 4))
case(lambda x, y: L.matmul(x, y), A, (3, 2))
case(lambda x, y: L.vecdot(x, y), A, A)
case(lambda x, y: L.cross(x, y), B, B)
case(lambda x, y: L.tensordot(x, y), A, A)
case(lambda x: L.matrix_transpose(x), A)
case(lambda x, y: L.outer(x, y), B, V)
case(lambda a, b: sl.solve(regular(a), b), M, B)
case(lambda a: sl.inv(regular(a)), M)
case(lambda a: sl.det(a), M)
case(lambda a: sl.norm(a), M)
case(lambda a: sl.cholesky(spd(a)), M)
case(lambda a: sl.cholesky(spd(a), lower=True), M)
for lower in (False, True):
    for trans in (0, 1):
        case(lambda a, b, l=lower, t=trans: sl.solve_triangular(regular(a), b, trans=t, lower=l), M, B)
    case(lambda a, b, l=lower: sl.cho_solve(sl.cho_factor(spd(a), lower=l), b), M, (3, 2))
case(lambda a, b: sl.solve_triangular(a, b, unit_diagonal=True), M, B)

# ---- scipy.special
for f in "erf erfc expit expm1 exp2 exp10 cbrt log_expit ndtr entr gammasgn".split():
    case(getattr(sp, f), A, dtypes=FLOATS if f not in ("gammasgn", "exp10", "exp2", "cbrt") else ("f8",), smooth=f != "entr")
case(sp.entr, A, draw=(0.1, 3.0))
for f in "gammaln digamma psi gamma log1p".split():
    case(getattr(sp, f), A, draw=(0.2, 5.0))
case(sp.gamma, (20,), draw=(-4.0, 4.0), smooth=False)
case(sp.gamma, (9,), draw=(-0.9, -0.1))
case(sp.gamma, A, dtypes=("i8",), draw=(1.0, 5.0))
case(sp.logit, A, draw=(0.2, 0.8))
case(lambda x: sp.polygamma(2, x), A, draw=(0.2, 5.0))
case(lambda x: sp.polygamma(0, x), A, draw=(0.2, 5.0))
for f in "beta betaln xlogy xlog1py rel_entr".split():
    case(getattr(sp, f), A, B, draw=(0.2, 5.0))
for f in ("softmax", "log_softmax", "logsumexp"):
    case(getattr(sp, f), A, dtypes=FLOATS)
    case(lambda x, g=getattr(sp, f): g(1000.0 * x, axis=1), A, name=f)
case(lambda x: sp.logsumexp(x, axis=0, keepdims=True), A)
case(lambda x, b: sp.logsumexp(x, b=b), A, B, draw=(0.1, 3.0))
# fmt: on
