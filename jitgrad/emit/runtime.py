"""What generated texts call beside scalar functions: BLAS, LAPACK, growing arrays. Nothing here is loaded unless a text uses it.

A routine fills the last of its arguments. Operands are row-major with a contiguous last axis; of products, any row stride
will do, so a window of memory needs no copy. Numba's own helper library makes the calls: they can be kept on disk, and
compile in a tenth of the time of `np.linalg`. What may fail (a singular matrix) returns whether it did.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.linalg import F_INT_nptype as FORTRAN_INT
from numba.np.linalg import ensure_blas, ensure_lapack

OPTIONS: dict[str, Any] = {"error_model": "numpy", "nogil": True}

# ---- routines of the helper library: (kind, ..., matrices), all matrices column-major


def _routine(name: str, pattern: str, *kinds: Any) -> tuple[Any, Any]:
    """Signature and code of a call of a helper. A letter of the pattern for each of its parameters:

    k  "s" or "d", by the dtype of the first array      c  a letter (ord)      n  a size
    a  an array, by address                             0, 1  that number, by address; b: 0 or 1, by address
    """
    arrays = [t for t in kinds if isinstance(t, types.Array)]
    real = arrays[0].dtype
    given = iter(kinds)
    takes = [{"c": types.int32, "n": types.intp, "b": types.intp}.get(p) or next(given) for p in _given(pattern, given)]

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        (ensure_blas if name in ("numba_xxgemm", "numba_xxgemv") else ensure_lapack)()
        rest = iter(zip(signature.args, values, strict=True))
        byte = ir.IntType(8)
        args = []
        for p in pattern:
            if p == "k":
                args.append(ir.Constant(byte, ord("s" if real == types.float32 else "d")))
            elif p in "01":
                slot = cgutils.alloca_once_value(builder, context.get_constant(real, float(p)))
                args.append(builder.bitcast(slot, byte.as_pointer()))
            else:
                kind, value = next(rest)
                if p == "b":
                    zero, one = context.get_constant(real, 0.0), context.get_constant(real, 1.0)
                    chosen = builder.select(builder.icmp_signed("!=", value, value.type(0)), one, zero)
                    slot = cgutils.alloca_once_value(builder, chosen)
                    args.append(builder.bitcast(slot, byte.as_pointer()))
                elif p == "c":
                    args.append(builder.trunc(value, byte))
                elif p == "n":
                    args.append(value)
                else:
                    data = context.make_array(kind)(context, builder, value).data
                    args.append(builder.bitcast(data, byte.as_pointer()))
        function = ir.FunctionType(ir.IntType(32), [a.type for a in args])
        return builder.call(cgutils.get_or_insert_function(builder.module, function, name), args)

    return types.int32(*takes), codegen


def _given(pattern: str, kinds: Any) -> Any:
    """The letters that stand for arguments; the types of those that have a fixed one are dropped from `kinds`."""
    for p in pattern:
        if p in "cnb":
            next(kinds)
        if p in "cnba":
            yield p


@intrinsic
def _gemm(typingctx, ta, tb, m, n, k, a, lda, b, ldb, more, c, ldc):
    return _routine("numba_xxgemm", "kccnnn1ananban", ta, tb, m, n, k, a, lda, b, ldb, more, c, ldc)


@intrinsic
def _gemv(typingctx, ta, m, n, a, lda, x, more, y):
    return _routine("numba_xxgemv", "kcnn1anaba", ta, m, n, a, lda, x, more, y)


@intrinsic
def _gesv(typingctx, n, columns, a, lda, pivots, b, ldb):
    return _routine("numba_xgesv", "knnanaan", n, columns, a, lda, pivots, b, ldb)


@intrinsic
def _getrf(typingctx, m, n, a, lda, pivots):
    return _routine("numba_xxgetrf", "knnana", m, n, a, lda, pivots)


@intrinsic
def _potrf(typingctx, triangle, n, a, lda):
    return _routine("numba_xxpotrf", "kcnan", triangle, n, a, lda)


NO, YES, UPPER = ord("n"), ord("t"), ord("U")

# ---- products


@numba.njit(**OPTIONS)
def _stride(a):
    """From row to row, in cells; BLAS wants it positive."""
    return max(a.strides[0] // a.itemsize, 1)


@numba.njit(**OPTIONS)
def gemm(ta, tb, a, b, out):
    """out = op(a) @ op(b)"""
    gemm_add(ta, tb, a, b, 0, out)


@numba.njit(**OPTIONS)
def gemv(ta, a, x, out):
    """out = op(a) @ x"""
    gemv_add(ta, a, x, 0, out)


@numba.njit(**OPTIONS)
def gemm_add(ta, tb, a, b, more, out):
    """out = op(a) @ op(b), and if there is more, added to what stands in out"""
    m, n = out.shape
    k = a.shape[0] if ta else a.shape[1]
    if k == 0:
        if more == 0:
            for i in range(m):
                for j in range(n):
                    out[i, j] = 0
    elif m > 0 and n > 0:  # row-major out is column-major out^T = op(b)^T op(a)^T
        kinds = YES if tb else NO, YES if ta else NO
        _gemm(kinds[0], kinds[1], n, m, k, b, _stride(b), a, _stride(a), more, out, _stride(out))  # type: ignore[call-arg]


@numba.njit(**OPTIONS)
def gemv_add(ta, a, x, more, out):
    """out = op(a) @ x, and if there is more, added to what stands in out"""
    m, n = a.shape
    if m == 0 or n == 0:
        if more == 0:
            for i in range(out.shape[0]):
                out[i] = 0
    else:  # row-major a is column-major a^T
        _gemv(NO if ta else YES, n, m, a, _stride(a), x, more, out)  # type: ignore[call-arg]


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


# ---- blocks of rows

CACHE = 3 << 19  # bytes of a core's cache that a block may fill
FAST = 10**6  # multiplications: BLAS does a product of so few by a shorter way
FEWEST = 64  # rows, below which a block is not worth it


@numba.njit(**OPTIONS)
def row_blocks(n, width, matrix):
    """How many of n rows a block has, and how many blocks there are, one at least. Of a row, `width` bytes are in use; `matrix`:
    the cells of the largest matrix that is multiplied with a block."""
    b = min(CACHE // max(width, 1), max(FAST // max(matrix, 1), 1))
    b -= b % 16
    if b < FEWEST or b >= n:
        return n, 1
    return b, (n + b - 1) // b


# ---- solves and factorisations


@numba.njit(**OPTIONS)
def _turned(a):
    """The column-major copy: its memory is the transpose."""
    n, m = a.shape
    out = np.empty((m, n), a.dtype)
    for i in range(n):
        for j in range(m):
            out[j, i] = a[i, j]
    return out


@numba.njit(**OPTIONS)
def _factor_and_solve(a, columns, b):
    n = a.shape[0]
    if n == 0 or columns == 0:
        return False
    return _gesv(n, columns, _turned(a), n, np.empty(n, FORTRAN_INT), b, n) > 0  # type: ignore[call-arg]


@numba.njit(**OPTIONS)
def gesv(a, b, out):
    """The vector x with a x = b."""
    for i in range(b.shape[0]):
        out[i] = b[i]
    return _factor_and_solve(a, 1, out)


@numba.njit(**OPTIONS)
def gesm(a, b, out):
    """The matrix x with a x = b."""
    x = _turned(b)
    failed = _factor_and_solve(a, b.shape[1], x)
    for i in range(b.shape[0]):
        for j in range(b.shape[1]):
            out[i, j] = x[j, i]
    return failed


@numba.njit(**OPTIONS)
def inv(a, out):
    n = a.shape[0]
    x = np.zeros((n, n), a.dtype)
    for i in range(n):
        x[i, i] = 1
    failed = _factor_and_solve(a, n, x)
    for i in range(n):
        for j in range(n):
            out[i, j] = x[j, i]
    return failed


@numba.njit(**OPTIONS)
def cholesky(a, out):
    """The lower factor, from the lower triangle."""
    n = a.shape[0]
    for i in range(n):
        for j in range(n):
            out[i, j] = a[i, j] if j <= i else 0
    # Row-major lower is column-major upper.
    return n > 0 and _potrf(UPPER, n, out, n) > 0  # type: ignore[call-arg]


@numba.njit(**OPTIONS)
def slogdet(a):
    """The sign and the logarithm of the absolute value of the determinant, which the transpose has too."""
    n = a.shape[0]
    sign, log = a.dtype.type(1), a.dtype.type(0)
    if n == 0:
        return sign, log
    lu = np.empty((n, n), a.dtype)
    for i in range(n):
        for j in range(n):
            lu[i, j] = a[i, j]
    pivots = np.empty(n, FORTRAN_INT)
    if _getrf(n, n, lu, n, pivots) > 0:  # type: ignore[call-arg]
        return a.dtype.type(0), a.dtype.type(-np.inf)
    for i in range(n):
        x = lu[i, i]
        if (x < 0) != (pivots[i] != i + 1):
            sign = -sign
        log += np.log(abs(x))
    return sign, log


@numba.njit(**OPTIONS)
def _singular(l):
    zeros = 0
    for i in range(l.shape[0]):
        zeros += l[i, i] == 0
    return zeros > 0


@numba.njit(**OPTIONS)
def trsv(lower, trans, l, b, out):
    """The vector x with op(l) x = b, of the triangle of l."""
    n = l.shape[0]
    if _singular(l):
        return True
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
    return False


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
    if _singular(l):
        return True
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
    return False


@numba.njit(**OPTIONS)
def grow(a, count):
    """The same rows in room for `count`, or twice the room."""
    out = np.empty((max(2 * a.shape[0], count),) + a.shape[1:], a.dtype)  # (Numba takes no star here)
    old, new = a.reshape(-1), out.reshape(-1)
    for i in range(old.shape[0]):
        new[i] = old[i]
    return out
