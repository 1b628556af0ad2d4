"""np.linalg and scipy.linalg on operands. Everything is a matrix in the last two axes; leading axes are a batch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...errors import ShapeError, Unsupported, raise_at
from ...ir.build import Value, apply, bind
from ...ir.core import OPS
from ...ops import array
from ...ops import linalg as rows
from ...ops.scalar import power as raised
from ..handlers import may_raise
from ..promote import (
    Operand,
    axes_of,
    broadcast_shapes,
    convert,
    fit,
    known,
    lift,
    shape_text,
    spread,
    static_int,
    to_float,
)
from ..size import number_of_elements, same
from . import creation, products
from .elementwise import floats_dtype, to_bool
from .reductions import keep, max_, min_
from .shapes import matrix_transpose, pick

Function = Callable[..., Any]


SlogdetResult = type(np.linalg.slogdet(np.ones((1, 1))))  # a named tuple


def square(a: Any, name: str) -> Value:
    """A square matrix of floats (or a batch of them), its two sizes written alike."""
    x = to_float(a)
    if x.rank < 2 or not same(x.shape[-2], x.shape[-1]):
        raise_at(ShapeError, f"{name} wants a square matrix", wanted="(..., n, n)", got=shape_text(x.shape))
    return fit(x, (*x.shape[:-1], x.shape[-2]))


def system(a: Any, b: Any, name: str) -> tuple[Value, Value, Function]:
    """The matrix and the right-hand side as `solve` wants them, and what makes the answer of its result."""
    dtype = floats_dtype(a, b)
    x, z = convert(Operand(square(a, name)), dtype), convert(lift(b), dtype)
    vector = z.rank == 1
    z = products.meet(name, x, -1, z, 0 if vector else -2) if z.rank else z
    if not z.rank:
        raise_at(ShapeError, f"{name} wants a right-hand side", wanted="a vector or a matrix", got="a number")
    if x.rank == 2 and z.rank <= 2:
        return x, z, Operand
    columns = array.reshape(z, (*z.shape, 1)) if vector else z
    lead = broadcast_shapes(name, [x.shape[:-2], columns.shape[:-2]])
    x, z = spread(x, (*lead, *x.shape[-2:])), spread(columns, (*lead, *columns.shape[-2:]))
    return x, z, (lambda y: Operand(array.reshape(y, y.shape[:-1]))) if vector else Operand


def solve(a: Any, b: Any) -> Operand:
    may_raise(np.linalg.LinAlgError)
    x, z, answer = system(a, b, "solve")
    return answer(rows.solve(x, z))


def inv(a: Any) -> Operand:
    may_raise(np.linalg.LinAlgError)
    return Operand(apply("inv", square(a, "inv")))


def cholesky(a: Any, /, *, upper: Any = False) -> Operand:
    """Of the lower triangle; `upper`: of the upper one."""
    may_raise(np.linalg.LinAlgError)
    x = square(a, "cholesky")
    return Operand(array.swap_last(apply("cholesky", array.swap_last(x))) if upper else apply("cholesky", x))


def slogdet(a: Any) -> Any:
    return SlogdetResult(*map(Operand, bind(OPS["slogdet"], square(a, "slogdet"), hints=("sign", "logdet"))))


# Up to 3 x 3 the determinant is written out: it is a polynomial, with derivatives also where the matrix is singular.
def det(a: Any) -> Operand:
    x = square(a, "det")
    n = x.shape[-1]
    if isinstance(n, int) and 1 <= n <= 3:
        return Operand(_written_out([[_entry(x, i, j) for j in range(n)] for i in range(n)]))
    sign, logdet = slogdet(Operand(x))
    return Operand(sign.value * apply("exp", logdet.value))


def _entry(x: Value, i: int, j: int) -> Value:
    return pick(pick(x, x.rank - 1, j), x.rank - 2, i)


def _written_out(m: list[list[Value]]) -> Value:
    if len(m) == 1:
        return m[0][0]
    if len(m) == 2:
        return m[0][0] * m[1][1] - m[0][1] * m[1][0]
    minors = [[row[:k] + row[k + 1 :] for row in m[1:]] for k in range(3)]
    terms = [m[0][k] * _written_out(minors[k]) for k in range(3)]
    return terms[0] - terms[1] + terms[2]


def matrix_power(a: Any, n: Any) -> Operand:
    x, k = lift(a), static_int(n, "the exponent of matrix_power")
    if x.rank < 2 or not same(x.shape[-2], x.shape[-1]):
        raise_at(ShapeError, "matrix_power wants a square matrix", wanted="(..., n, n)", got=shape_text(x.shape))
    if k < 0:
        x, k = inv(x), -k
    out = None
    while k:
        if k & 1:
            out = x if out is None else products.matmul(out, x)
        k >>= 1
        x = products.matmul(x, x) if k else x
    if out is None:
        one = creation.eye(x.shape[-1], dtype=x.dtype).value
        return Operand(spread(one, x.shape))
    return Operand(out.value)


def multi_dot(arrays: Sequence[Any]) -> Operand:
    """From the side where a vector stands, else from the left."""
    xs = [lift(a) for a in arrays]
    if xs[-1].rank == 1:
        return functools.reduce(lambda z, x: products.dot(x, z), xs[::-1])
    return functools.reduce(products.dot, xs)


# ---- norms. The 2-norm has the derivative 0 at the zero vector (a subgradient; the root alone would give 0 * inf).


def safe_root(square_: Value) -> Value:
    zero = apply("eq", square_, 0.0)
    root = apply("sqrt", apply("where", zero, array.ones_like(square_), square_))
    return apply("where", zero, array.zeros_like(square_), root)


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Operand:
    v = to_float(x)
    if axis is None and ord is None:
        v, given = array.reshape(v, (number_of_elements(v.shape),)), v
        return keep(vector(v, 2, (0,)), given, tuple(range(given.rank)), keepdims)
    axes = axes_of(axis, v.rank, "np.linalg.norm")
    if len(axes) == 1:
        return keep(vector(v, 2 if ord is None else ord, axes), v, axes, keepdims)
    if len(axes) != 2:
        raise_at(ShapeError, "a norm over these axes", wanted="one axis (a vector) or two (a matrix)", got=shape_text(v.shape))
    pair = tuple(k % v.rank for k in axis) if isinstance(axis, (tuple, list)) else axes
    return keep(matrix(v, "fro" if ord is None else ord, pair), v, axes, keepdims)


def vector(v: Value, ord: Any, axes: tuple[int, ...]) -> Value:
    """The norm of order p of vectors along axes."""
    p = known(ord) if not isinstance(ord, str) else None
    if p is None:
        raise_at(
            Unsupported,
            "a vector norm of this order is not supported",
            wanted="1, 2, another number, inf or -inf",
            got=f"{ord!r}",
        )
    if p == 2:
        return safe_root(array.sum_(v * v, axes))
    size = apply("abs", v)
    if p == 1:
        return array.sum_(size, axes)
    if abs(p) == np.inf:
        return (max_ if p > 0 else min_)(Operand(size), axes).value
    if p == 0:
        return array.sum_(array.cast(to_bool(Operand(v)), v.dtype), axes)
    total = array.sum_(raised(size, int(p)) if p == int(p) else apply("pow", size, float(p)), axes)
    none = apply("eq", total, 0.0)
    root = apply("pow", apply("where", none, array.ones_like(total), total), 1.0 / p)
    return apply("where", none, array.zeros_like(total), root)


def matrix(v: Value, ord: Any, axes: tuple[int, int]) -> Value:
    i, j = axes
    if ord == "fro":
        return vector(v, 2, tuple(sorted(axes)))
    p = None if isinstance(ord, str) else known(ord)
    if p is None or abs(p) not in (1, np.inf):
        raise_at(
            Unsupported,
            "a matrix norm of this order is not supported",
            wanted="'fro', 1, -1, inf or -inf",
            got=repr(ord),
            repair="the others need a singular value decomposition",
        )
    summed, left = (i, j) if abs(p) == 1 else (j, i)
    total = Operand(array.sum_(apply("abs", v), (summed,)))
    return (max_ if p > 0 else min_)(total, left - (summed < left)).value


def vector_norm(x: Any, /, *, axis: Any = None, ord: Any = 2, keepdims: Any = False) -> Operand:
    v = to_float(x)
    axes = axes_of(axis, v.rank, "np.linalg.vector_norm")
    return keep(vector(v, ord, axes), v, axes, keepdims)


def matrix_norm(x: Any, /, *, ord: Any = "fro", keepdims: Any = False) -> Operand:
    return norm(x, ord, (-2, -1), keepdims)


def trace(x: Any, /, *, offset: Any = 0, dtype: Any = None) -> Operand:
    return creation.trace(x, offset, -2, -1, dtype)


# ---- scipy.linalg, where it differs

TRANSPOSED = {0: False, "N": False, 1: True, "T": True, 2: True, "C": True}


def solve_triangular(
    a: Any, b: Any, trans: Any = 0, lower: Any = False, unit_diagonal: Any = False, overwrite_b: Any = False,
    check_finite: Any = True,
) -> Operand:  # fmt: skip
    may_raise(np.linalg.LinAlgError)
    x, z, answer = system(a, b, "solve_triangular")
    if unit_diagonal:
        one = spread(creation.eye(x.shape[-1], dtype=x.dtype).value, x.shape)
        x = apply("where", apply("eq", one, 1.0), one, x)
    return answer(rows.solve_triangular(x, z, lower=bool(lower), trans=TRANSPOSED[trans]))


def scipy_cholesky(a: Any, lower: Any = False, overwrite_a: Any = False, check_finite: Any = True) -> Operand:
    return cholesky(a, upper=not lower)


def cho_factor(a: Any, lower: Any = False, overwrite_a: Any = False, check_finite: Any = True) -> tuple[Operand, bool]:
    return scipy_cholesky(a, lower), bool(lower)


def cho_solve(c_and_lower: Any, b: Any, overwrite_b: Any = False, check_finite: Any = True) -> Operand:
    c, lower = c_and_lower
    half = solve_triangular(c, b, 0 if lower else 1, lower)
    return solve_triangular(c, half, 1 if lower else 0, lower)


def scipy_plain(f: Function) -> Function:
    def function(a: Any, overwrite_a: Any = False, check_finite: Any = True) -> Operand:
        return f(a)

    return function


ASSUMED = ("gen", "general", None)


def scipy_solve(
    a: Any, b: Any, lower: Any = False, overwrite_a: Any = False, overwrite_b: Any = False, check_finite: Any = True,
    assume_a: Any = None, transposed: Any = False,
) -> Operand:  # fmt: skip
    if assume_a not in ASSUMED:
        raise_at(
            Unsupported, f"scipy.linalg.solve with assume_a={assume_a!r} is not supported", wanted="a general matrix",
            repair="use cho_factor and cho_solve for a positive definite one",
        )  # fmt: skip
    return solve(matrix_transpose(a) if transposed else a, b)


# fmt: off
TABLE: dict[str, Function] = {
    "solve": solve, "inv": inv, "cholesky": cholesky, "slogdet": slogdet, "det": det, "norm": norm, "multi_dot": multi_dot,
    "matrix_power": matrix_power, "trace": trace, "vector_norm": vector_norm, "matrix_norm": matrix_norm,
    "vecdot": products.vecdot, "matrix_transpose": matrix_transpose,
    "matmul": lambda x1, x2, /: products.matmul(x1, x2),
    "outer": lambda x1, x2, /: products.outer(x1, x2),
    "cross": lambda x1, x2, /, *, axis=-1: products.cross(x1, x2, axis=axis),
    "tensordot": lambda x1, x2, /, *, axes=2: products.tensordot(x1, x2, axes),
    "diagonal": lambda x, /, *, offset=0: creation.diagonal(x, offset, -2, -1),
}
SCIPY: dict[str, Function] = {
    "solve": scipy_solve, "inv": scipy_plain(inv), "det": scipy_plain(det), "norm": norm, "cholesky": scipy_cholesky,
    "solve_triangular": solve_triangular, "cho_factor": cho_factor, "cho_solve": cho_solve,
}
# fmt: on
