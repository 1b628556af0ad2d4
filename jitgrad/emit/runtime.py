"""What generated texts call beside scalar functions: BLAS, LAPACK, growing arrays. Nothing here is loaded unless a text uses it.

A routine fills the last of its arguments. Operands are row-major with a contiguous last axis; any row stride will do, so
a window of memory needs no copy. Numba's own helper library gives the products: its calls can be kept on disk.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.linalg import ensure_blas

OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True}


def _chars(builder: Any, values: Any) -> list[Any]:
    return [builder.trunc(v, ir.IntType(8)) for v in values]


def _data(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """The address of the first cell of an array."""
    return builder.bitcast(context.make_array(kind)(context, builder, value).data, ir.IntType(8).as_pointer())


def _helper(builder: Any, name: str, args: list[Any]) -> Any:
    function = ir.FunctionType(ir.IntType(32), [a.type for a in args])
    return builder.call(cgutils.get_or_insert_function(builder.module, function, name), args)


def _number(context: Any, builder: Any, kind: Any, value: float) -> Any:
    slot = cgutils.alloca_once_value(builder, context.get_constant(kind, value))
    return builder.bitcast(slot, ir.IntType(8).as_pointer())


# Both take column-major matrices: (kind, ..., sizes, alpha, a, lda, b, ldb, beta, c, ldc), numbers by address.


@intrinsic
def _xgemm(typingctx, ta, tb, m, n, k, a, lda, b, ldb, c, ldc):
    size = types.intp
    signature = types.int32(types.int32, types.int32, size, size, size, a, size, b, size, c, size)

    def codegen(context, builder, sig, args):
        ensure_blas()
        ta, tb, m, n, k, a, lda, b, ldb, c, ldc = args
        kinds = dict(zip("abc", (sig.args[5], sig.args[7], sig.args[9]), strict=True))
        kind = context.get_constant(types.int8, ord("s" if sig.args[5].dtype == types.float32 else "d"))
        one, zero = (_number(context, builder, sig.args[5].dtype, x) for x in (1.0, 0.0))
        values = [
            kind, *_chars(builder, (ta, tb)), m, n, k, one, _data(context, builder, kinds["a"], a), lda,
            _data(context, builder, kinds["b"], b), ldb, zero, _data(context, builder, kinds["c"], c), ldc,
        ]  # fmt: skip
        return _helper(builder, "numba_xxgemm", values)

    return signature, codegen


@intrinsic
def _xgemv(typingctx, ta, m, n, a, lda, x, y):
    signature = types.int32(types.int32, types.intp, types.intp, a, types.intp, x, y)

    def codegen(context, builder, sig, args):
        ensure_blas()
        ta, m, n, a, lda, x, y = args
        kind = context.get_constant(types.int8, ord("s" if sig.args[3].dtype == types.float32 else "d"))
        one, zero = (_number(context, builder, sig.args[3].dtype, v) for v in (1.0, 0.0))
        values = [
            kind, *_chars(builder, (ta,)), m, n, one, _data(context, builder, sig.args[3], a), lda,
            _data(context, builder, sig.args[5], x), zero, _data(context, builder, sig.args[6], y),
        ]  # fmt: skip
        return _helper(builder, "numba_xxgemv", values)

    return signature, codegen


NO, YES = ord("n"), ord("t")


@numba.njit(**OPTIONS)
def _stride(a):
    """From row to row, in cells; BLAS wants it positive."""
    return max(a.strides[0] // a.itemsize, 1)


@numba.njit(**OPTIONS)
def gemm(ta, tb, a, b, out):
    """out = op(a) @ op(b)"""
    m, n = out.shape
    k = a.shape[0] if ta else a.shape[1]
    if m == 0 or n == 0 or k == 0:
        out[:] = 0
        return
    # Row-major out is column-major out^T = op(b)^T op(a)^T.
    _xgemm(
        YES if tb else NO, YES if ta else NO, n, m, k,
        b, _stride(b), a, _stride(a), out, _stride(out),
    )  # fmt: skip


@numba.njit(**OPTIONS)
def gemv(ta, a, x, out):
    """out = op(a) @ x"""
    m, n = a.shape
    if m == 0 or n == 0:
        out[:] = 0
        return
    # Row-major a is column-major a^T.
    _xgemv(NO if ta else YES, n, m, a, _stride(a), x, out)


@numba.njit(**OPTIONS)
def imm(ta, tb, a, b, out):
    """out = op(a) @ op(b), of integers"""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            s = out.dtype.type(0)
            for k in range(a.shape[0] if ta else a.shape[1]):
                s += (a[k, i] if ta else a[i, k]) * (b[j, k] if tb else b[k, j])
            out[i, j] = s


@numba.njit(**OPTIONS)
def imv(ta, a, x, out):
    """out = op(a) @ x, of integers"""
    for i in range(out.shape[0]):
        s = out.dtype.type(0)
        for k in range(x.shape[0]):
            s += (a[k, i] if ta else a[i, k]) * x[k]
        out[i] = s


@numba.njit(**OPTIONS)
def solve(a, b, out):
    out[...] = np.linalg.solve(np.ascontiguousarray(a), np.ascontiguousarray(b))


@numba.njit(**OPTIONS)
def inv(a, out):
    out[:] = np.linalg.inv(np.ascontiguousarray(a))


@numba.njit(**OPTIONS)
def cholesky(a, out):
    out[:] = np.linalg.cholesky(np.ascontiguousarray(a))


@numba.njit(**OPTIONS)
def slogdet(a):
    return np.linalg.slogdet(np.ascontiguousarray(a))


@numba.njit(**OPTIONS)
def _pivots(l):
    for i in range(l.shape[0]):
        if l[i, i] == 0:
            raise np.linalg.LinAlgError("singular matrix")


@numba.njit(**OPTIONS)
def trsv(lower, trans, l, b, out):
    """The vector x with op(l) x = b, of the triangle of l."""
    n = l.shape[0]
    _pivots(l)
    down = lower != trans
    for i in range(n):
        out[i] = b[i]
    for s in range(n):
        i = s if down else n - 1 - s
        lo, hi = (0, i) if lower else (i + 1, n)
        if trans:  # column-oriented: row i of l is column i of its transpose
            out[i] /= l[i, i]
            x = out[i]
            for j in range(lo, hi):
                out[j] -= l[i, j] * x
        else:
            x = out[i]
            for j in range(lo, hi):
                x -= l[i, j] * out[j]
            out[i] = x / l[i, i]


BLOCK = 48


@numba.njit(**OPTIONS)
def _trsm_block(lower, trans, l, out, lo, hi):
    """Solve the rows lo..hi of `out` in place with the diagonal block."""
    m = out.shape[1]
    down = lower != trans
    for s in range(hi - lo):
        i = lo + s if down else hi - 1 - s
        first, last = (lo, i) if down else (i + 1, hi)
        for j in range(first, last):
            c = l[j, i] if trans else l[i, j]
            for k in range(m):
                out[i, k] -= c * out[j, k]
        d = l[i, i]
        for k in range(m):
            out[i, k] /= d


@numba.njit(**OPTIONS)
def trsm(lower, trans, l, b, out):
    """The matrix x with op(l) x = b, block by block: the rest of the rows by a product."""
    n, m = b.shape
    _pivots(l)
    for i in range(n):
        for k in range(m):
            out[i, k] = b[i, k]
    down = lower != trans
    blocks = (n + BLOCK - 1) // BLOCK
    for s in range(blocks):
        at = s if down else blocks - 1 - s
        lo, hi = at * BLOCK, min((at + 1) * BLOCK, n)
        _trsm_block(lower, trans, l, out, lo, hi)
        first, last = (hi, n) if down else (0, lo)
        for i in range(first, last):
            for j in range(lo, hi):
                c = l[j, i] if trans else l[i, j]
                for k in range(m):
                    out[i, k] -= c * out[j, k]


@numba.njit(**OPTIONS)
def grow(a):
    """The same rows in twice the room."""
    out = np.empty((2 * a.shape[0], *a.shape[1:]), a.dtype)
    out[: a.shape[0]] = a
    return out
