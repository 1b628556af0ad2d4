"""Linear algebra: products, solves, factorisations. Arguments may have leading batch dimensions, equal in all of them.

    matmul[ta, tb](a, b)               op(a) @ op(b); ta, tb: the last two axes are taken transposed
                                       ranks (2, 2), (2, 1), (1, 2), and (r, r) with r >= 3
    solve(a, b)                        a^-1 b;  b is a vector (with a matrix a), or of the rank of a
    solve_triangular[lower, trans](l, b)   the other triangle of l is not read; trans: with l^T
    inv(a)   cholesky(a)               cholesky: the lower factor; reads the lower triangle of a
    slogdet(a) -> sign, log of abs     of the determinant

A singular matrix raises np.linalg.LinAlgError. `solve` is linear in b and not in a: b has a transpose, a has a tangent.
Source of the derivatives: M. B. Giles, Collected matrix derivative results for forward and reverse mode AD (2008), and
for Cholesky, I. Murray, arXiv:1602.07527.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.build import Value, bind
from ..ir.core import FLOATS, OPS, Atom, Type
from ..ir.dims import DimLike
from .array import broadcast, iota, sum_, swap_last, zeros_like
from .scalar import ge, gt, where
from .table import ARITHMETIC, OpFunction, linear, need, program

# ---- matmul


def _flipped(shape: tuple[DimLike, ...], t: bool) -> tuple[DimLike, ...]:
    return (*shape[:-2], shape[-1], shape[-2]) if t else shape


def _matmul_type(a: Atom, b: Atom, *, ta: bool = False, tb: bool = False) -> Type:
    ranks = (a.type.rank, b.type.rank)
    ok = ranks in ((2, 2), (2, 1), (1, 2)) or (ranks[0] == ranks[1] >= 3)
    ok = ok and not (ta and ranks[0] == 1) and not (tb and ranks[1] == 1)
    need(ok, "matmul", f"two matrices, or a matrix and a vector (ta={ta}, tb={tb})", (a, b))
    left, right = _flipped(a.type.shape, ta), _flipped(b.type.shape, tb)
    inner = right[0] if ranks[1] == 1 else right[-2]
    fit = left[-1] == inner and a.type.dtype == b.type.dtype and (ranks[0] < 3 or left[:-2] == right[:-2])
    need(fit and a.type.dtype in ARITHMETIC, "matmul", f"matching shapes and dtypes (ta={ta}, tb={tb})", (a, b))
    return Type(a.type.dtype, (*left[:-1], *(right[-1:] if ranks[1] > 1 else ())))


def _matmul_numpy(a: Any, b: Any, *, ta: bool = False, tb: bool = False) -> Any:
    return np.matmul(np.swapaxes(a, -1, -2) if ta else a, np.swapaxes(b, -1, -2) if tb else b)


# y = A B with A = a or a^T: the adjoint of A is g B^T, that of B is A^T g; those of a and b are these, or transposed.
def _matmul_a(g: Value, a: Value, b: Value, *, ta: bool = False, tb: bool = False) -> Value:
    if b.rank == 1:
        return outer(b, g) if ta else outer(g, b)
    if a.rank == 1:
        return matmul(b, g, ta=tb)
    return matmul(b, g, ta=tb, tb=True) if ta else matmul(g, b, tb=not tb)


def _matmul_b(g: Value, a: Value, b: Value, *, ta: bool = False, tb: bool = False) -> Value:
    if a.rank == 1:
        return outer(g, a) if tb else outer(a, g)
    if b.rank == 1:
        return matmul(a, g, ta=not ta)
    return matmul(g, a, ta=True, tb=ta) if tb else matmul(a, g, ta=not ta)


_matmul = linear(
    "matmul", _matmul_type, _matmul_numpy, groups=((0,), (1,)), transposes={0: _matmul_a, 1: _matmul_b}
)  # fmt: skip


def matmul(a: Value, b: Value, ta: bool = False, tb: bool = False) -> Value:
    return _matmul(a, b, ta=ta, tb=tb)


def outer(x: Value, z: Value) -> Value:
    shape = (*x.shape, *z.shape)
    return broadcast(x, shape, (0,)) * broadcast(z, shape, (1,))


# ---- triangles


def _rows_and_columns(x: Value) -> tuple[Value, Value]:
    n, m, r = x.shape[-2], x.shape[-1], x.rank
    return broadcast(iota(n), x.shape, (r - 2,)), broadcast(iota(m), x.shape, (r - 1,))


def triangle(x: Value, lower: bool) -> Value:
    """The matrix with zeros in its other triangle."""
    row, column = _rows_and_columns(x)
    return where(ge(row, column) if lower else ge(column, row), x, zeros_like(x))


def half_triangle(x: Value) -> Value:
    """The lower triangle with half of the diagonal: Murray's Phi."""
    row, column = _rows_and_columns(x)
    return where(gt(row, column), x, where(ge(row, column), 0.5 * x, zeros_like(x)))


# ---- solves


def _square(name: str, a: Atom) -> None:
    ok = a.type.rank >= 2 and a.type.shape[-1] == a.type.shape[-2] and a.type.dtype in FLOATS
    need(ok, name, "a square matrix of floats", (a,))


def _solve_type(a: Atom, b: Atom, **_: bool) -> Type:
    _square("solve", a)
    vector = a.type.rank == 2 and b.type.rank == 1
    ok = b.type.dtype == a.type.dtype and (vector or b.type.rank == a.type.rank)
    n = b.type.shape[:1] if vector else b.type.shape[:-1]
    need(ok and n == a.type.shape[:-1], "solve", "a right-hand side of as many rows", (a, b))
    return b.type


# a y = b  =>  a y_dot = b_dot - a_dot y. The sign stands within, so that the adjoints of a and b share one solve.
solve: OpFunction = linear(
    "solve",
    _solve_type,
    np.linalg.solve,
    groups=((1,),),
    transposes={1: lambda g, a, b: solve(swap_last(a), g)},
    tangents={0: lambda t, y, a, b: solve(a, -matmul(t, y))},
)


def _solve_triangular(l: Any, b: Any, *, lower: bool, trans: bool) -> Any:
    from scipy.linalg import solve_triangular

    if np.ndim(l) == 2:
        return solve_triangular(l, b, lower=lower, trans=int(trans), check_finite=False)
    cells = [_solve_triangular(x, z, lower=lower, trans=trans) for x, z in zip(l, b, strict=True)]
    return np.stack(cells) if cells else np.asarray(b)


def _solve_triangular_tangent(t: Value, y: Value, l: Value, b: Value, *, lower: bool, trans: bool) -> Value:
    return solve_triangular(l, -matmul(triangle(t, lower), y, ta=trans), lower, trans)


_triangular = linear(
    "solve_triangular",
    _solve_type,
    _solve_triangular,
    groups=((1,),),
    transposes={1: lambda g, l, b, *, lower, trans: solve_triangular(l, g, lower, not trans)},
    tangents={0: _solve_triangular_tangent},
)


def solve_triangular(l: Value, b: Value, lower: bool, trans: bool = False) -> Value:
    return _triangular(l, b, lower=lower, trans=trans)


# ---- inverse, Cholesky, determinant


def _matrix_type(name: str) -> Any:
    def type(a: Atom) -> Type:
        _square(name, a)
        return a.type

    return type


inv = program("inv", _matrix_type("inv"), np.linalg.inv, tangents={0: lambda t, y, a: -matmul(y, matmul(t, y))})


# a = y y^T  =>  y_dot = y Phi(y^-1 a_dot y^-T). Only the lower triangle of a is read, and its mirror image stands for the
# upper one: so it is for a_dot too, and the adjoint has zeros above the diagonal.
def _cholesky_tangent(t: Value, y: Value, a: Value) -> Value:
    below = half_triangle(t)
    half = solve_triangular(y, below + swap_last(below), lower=True)
    return matmul(y, half_triangle(solve_triangular(y, swap_last(half), lower=True)))


cholesky = program("cholesky", _matrix_type("cholesky"), np.linalg.cholesky, tangents={0: _cholesky_tangent})


def _slogdet_type(a: Atom) -> tuple[Type, Type]:
    _square("slogdet", a)
    t = Type(a.type.dtype, a.type.shape[:-2])
    return t, t


# d log|det a| = tr(a^-1 a_dot); the sign is constant between singular matrices
def _slogdet_tangent(t: Value, y: tuple[Value, Value], a: Value) -> tuple[None, Value]:
    return None, sum_(swap_last(inv(a)) * t, (a.rank - 2, a.rank - 1))


program("slogdet", _slogdet_type, lambda a: tuple(np.linalg.slogdet(a)), tangents={0: _slogdet_tangent})


def slogdet(a: Value) -> tuple[Value, Value]:
    sign, logdet = bind(OPS["slogdet"], a, hints=("sign", "logdet"))
    return sign, logdet


__all__ = ["cholesky", "inv", "matmul", "outer", "slogdet", "solve", "solve_triangular", "triangle"]
