"""`torch.linalg`: matrices. What has a gradient is a program of the products, solutions and factors that jitgrad differentiates.

Eigenvalues, singular values, QR and least squares have no derivative here: they are computed with NumPy, of tensors that need no
gradient, and refused of others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..front.dispatch import call
from . import dtypes, return_types
from .complexes import computed, refuse_complex
from .creation import owned
from .kernel import Aval, Kernel, kernel
from .linear import matmul
from .modes import modes
from .norms import linalg_norm as norm
from .norms import matrix_norm, vector_norm
from .op import Op, check_broadcast, result_dtype
from .reductions import axis_of
from .run import known
from .tensor import Tensor, numbers

LinAlgError = np.linalg.LinAlgError


def checked(name: str, t: Aval, square: bool = True) -> None:
    """PyTorch's messages for what is no matrix of floats."""
    if len(t.shape) < 2:
        raise RuntimeError(f"{name}: The input tensor A must have at least 2 dimensions.")
    if square and t.shape[-1] != t.shape[-2]:
        raise RuntimeError(f"{name}: A must be batches of square matrices, but they are {t.shape[-2]} by {t.shape[-1]} matrices")
    if not t.dtype.differentiable:
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got {t.dtype.legacy}")


def of_matrix(name: str, body: Any, node: str, several: bool = False) -> Op:
    """A function of square matrices."""

    def choose(t: Aval, **options: Any) -> Kernel:
        checked(name, t)
        return computed(body, node, (t,), t.dtype, **options)

    return Op(name, choose, several)


def _logdet(a: Any) -> Any:
    sign, size = np.linalg.slogdet(a)
    return np.where(sign < 0, np.nan, size)


def _slogdet(a: Any) -> Any:
    sign, size = np.linalg.slogdet(a)
    return sign, size


def _cholesky(a: Any, upper: bool) -> Any:
    lower = np.linalg.cholesky(0.5 * (a + np.swapaxes(a, -1, -2)))
    return np.swapaxes(lower, -1, -2) if upper else lower


inv = inverse = of_matrix("linalg.inv", np.linalg.inv, "LinalgInvEx")
det = of_matrix("linalg.det", np.linalg.det, "LinalgDet")
logdet = of_matrix("logdet", _logdet, "Where")
_choleskys = of_matrix("linalg.cholesky", _cholesky, "LinalgCholeskyEx")


def _choose_slogdet(t: Aval) -> Kernel:
    checked("linalg.slogdet", t)
    refuse_complex("linalg.slogdet", (t,))
    return kernel(_slogdet, "LinalgSlogdet", (t.dtype, t.dtype))


_slogdets = Op("slogdet", _choose_slogdet, several=True)


def slogdet(A: Tensor) -> Any:
    """(the sign of the determinant, the logarithm of its size)"""
    return return_types.linalg_slogdet(*_slogdets(A))


def torch_slogdet(input: Tensor) -> Any:
    """(the sign of the determinant, the logarithm of its size)"""
    return return_types.slogdet(*_slogdets(input))


def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """The triangular L with A = L L^T, of a positive definite matrix. (Of A, the symmetric part is taken.)"""
    return _choleskys(A, upper=bool(upper))


# ---- systems


def _solve(a: Any, b: Any, vector: bool) -> Any:
    if vector:
        return np.linalg.solve(a, np.expand_dims(b, -1))[..., 0]
    return np.linalg.solve(a, b)


def _choose_solve(a: Aval, b: Aval, left: bool) -> Kernel:
    checked("linalg.solve", a)
    if a.dtype is not b.dtype:
        raise RuntimeError(
            f"linalg.solve: Expected A and B to have the same dtype, but found A of type {a.dtype.legacy} and B of "
            f"type {b.dtype.legacy} instead"
        )
    vector = len(b.shape) == 1 or (len(a.shape) - 1 == len(b.shape) and b.shape == a.shape[:-1])
    rows = b.shape if vector else b.shape[:-1] if left else (*b.shape[:-2], b.shape[-1])
    if not rows or rows[-1] != a.shape[-1]:
        shape = "x".join(map(str, (*b.shape, 1) if vector else b.shape[-2:]))
        equation = "AX = B" if left else "XA = B"
        raise RuntimeError(
            f"linalg.solve: Incompatible shapes of A and B for the equation {equation} ({a.shape[-2]}x{a.shape[-1]} and {shape})"
        )
    if not left:
        return computed(_solve_right, "LinalgSolveEx", (a, b), a.dtype)
    return computed(_solve, "LinalgSolveEx", (a, b), a.dtype, vector=vector)


def _solve_right(a: Any, b: Any) -> Any:
    return np.swapaxes(np.linalg.solve(np.swapaxes(a, -1, -2), np.swapaxes(b, -1, -2)), -1, -2)


_solves = Op("solve", _choose_solve, names=("A", "B"))


def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """X with A X = B (left=False: X A = B). A singular A is an error when the result is needed.

    >>> import jitgrad.eager as torch
    >>> torch.linalg.solve(torch.eye(2) * 2, torch.ones(2))
    tensor([0.5000, 0.5000])
    """
    return _solves(A, B, left=bool(left))


def _solve_triangular(a: Any, b: Any, upper: bool, left: bool, unitriangular: bool) -> Any:
    from scipy.linalg import solve_triangular as f

    if unitriangular:
        a = a - a * np.eye(a.shape[-1], dtype=a.dtype) + np.eye(a.shape[-1], dtype=a.dtype)
    if left:
        return call(f, (a, b), {"lower": not upper})
    back = call(f, (np.swapaxes(a, -1, -2), np.swapaxes(b, -1, -2)), {"lower": upper})
    return np.swapaxes(back, -1, -2)


def _choose_triangular(a: Aval, b: Aval, **options: Any) -> Kernel:
    checked("linalg.solve_triangular", a)
    checked("linalg.solve_triangular", b, square=False)
    if b.shape[-2 if options["left"] else -1] != a.shape[-1]:
        raise RuntimeError(
            "linalg.solve_triangular: Incompatible shapes of A and B for the equation "
            f"{'AX = B' if options['left'] else 'XA = B'} ({a.shape[-2]}x{a.shape[-1]} and {b.shape[-2]}x{b.shape[-1]})"
        )
    return computed(_solve_triangular, "LinalgSolveTriangular", (a, b), a.dtype, **options)


_triangulars = Op("solve_triangular", _choose_triangular, names=("A", "B"))


def solve_triangular(A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Tensor:
    """X with A X = B, where A is triangular: the other half of A is not read."""
    return _triangulars(A, B, upper=bool(upper), left=bool(left), unitriangular=bool(unitriangular))


def cholesky_solve(input: Tensor, L: Tensor, upper: bool = False) -> Tensor:
    """X with A X = input, from the Cholesky factor of A."""
    half = solve_triangular(L.mT if upper else L, input, upper=False)
    return solve_triangular(L if upper else L.mT, half, upper=True)


# ---- products


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of matrices (the first and the last may be vectors): where two share the largest size, first."""
    if len(tensors) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(tensors)}")
    parts = list(tensors)
    while len(parts) > 1:
        costs = [math.prod(a.shape) * (b.shape[-1] if len(b.shape) > 1 else 1) for a, b in zip(parts, parts[1:], strict=False)]
        inner = [a.shape[-1] for a in parts[:-1]]
        at = max(range(len(inner)), key=lambda k: (inner[k], -costs[k])) if len(parts) > 2 else 0
        parts[at : at + 2] = [matmul(parts[at], parts[at + 1])]
    return parts[0]


def chain_matmul(*matrices: Tensor) -> Tensor:
    """The product of matrices."""
    return multi_dot(matrices)


def matrix_power(A: Tensor, n: int) -> Tensor:
    """A multiplied with itself n times; of its inverse, where n is negative."""
    checked("linalg.matrix_power", Aval.of(A.dtype, tuple(A.shape)))
    if n == 0:
        return owned(np.broadcast_to(np.eye(A.shape[-1]), A.shape).copy(), A.dtype)
    base, out, n = (A if n > 0 else inv(A)), None, abs(n)
    while n:
        if n & 1:
            out = base if out is None else matmul(out, base)
        n >>= 1
        base = matmul(base, base) if n else base
    return out if out is not A else A.clone()  # type: ignore[return-value]


def _cross(a: Any, b: Any, axis: int) -> Any:
    a, b = np.broadcast_arrays(a, b)
    x, y, z = (np.take(a, k, axis=axis) for k in range(3))
    u, v, w = (np.take(b, k, axis=axis) for k in range(3))
    return np.stack([y * w - z * v, z * u - x * w, x * v - y * u], axis=axis)


def _choose_cross(a: Aval, b: Aval, dim: int) -> Kernel:
    check_broadcast((a, b))
    axis = axis_of(dim, max(len(a.shape), len(b.shape)))
    back = axis - max(len(a.shape), len(b.shape))
    if (n := a.shape[back]) != 3 or b.shape[back] != 3:
        raise RuntimeError(f"linalg.cross: inputs dimension {dim} must have length 3. Got {n} and {b.shape[back]}")
    return computed(_cross, "LinalgCross", (a, b), result_dtype((a, b)), axis=axis)


_crosses = Op("cross", _choose_cross)


def cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The vector product along an axis of size 3."""
    return _crosses(input, other, dim=dim)


def torch_cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The vector product along an axis of size 3 (by default the first one of that size)."""
    axes = [k for k, n in enumerate(input.shape) if n == 3]
    if dim is None and not axes:
        raise RuntimeError("no dimension of size 3 in input")
    return _crosses(input, other, dim=axes[0] if dim is None else dim)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Sums of products along an axis, the first factor conjugated."""
    return ((x.conj() if x.dtype.is_complex else x) * y).sum(dim)


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of matrices, as a view."""
    return A.diagonal(offset, dim1, dim2)


def vander(x: Tensor, N: int | None = None) -> Tensor:
    """The powers 0, 1, ..., N - 1 of the elements, on a last axis."""
    n = x.shape[-1] if N is None else N
    return x.unsqueeze(-1) ** owned(np.arange(n), dtypes.int64)


# ---- without a gradient


def ungraded(
    name: str, f: Callable[..., Any], fields: str = "", doc: str = "", said: str = "", square: bool = False
) -> Callable[..., Any]:
    """A function of NumPy, of matrices that need no gradient. said: the name in messages, if it is another."""
    kind = return_types.made(f"linalg_{name}", fields) if fields else None

    def apply(*args: Any, **options: Any) -> Any:
        tensors = [x for x in args if isinstance(x, Tensor)]
        checked(f"linalg.{said or name}", Aval.of(tensors[0].dtype, tuple(tensors[0].shape)), square)
        if modes.grad and any(x.requires_grad for x in tensors):
            raise NotImplementedError(
                f"linalg.{name} has no derivative here: call it on x.detach(), or use solve, inv, det, slogdet or "
                "cholesky, which have one"
            )
        got = f(*map(_values, args), **options)
        parts = [owned(np.asarray(v), _dtype(np.asarray(v), tensors[0])) for v in (got if isinstance(got, tuple) else (got,))]
        return kind(*parts) if kind is not None else parts[0]

    apply.__name__, apply.__doc__ = name, doc + " (Without a gradient.)"
    return apply


def _values(x: Any) -> Any:
    """The numbers as NumPy's functions take them: complex ones as such, not as pairs."""
    return known(x._value()) if isinstance(x, Tensor) and x.dtype.is_complex else numbers(x)


def _dtype(values: np.ndarray, like: Tensor) -> dtypes.dtype:
    return like.dtype if values.dtype.kind == "f" and not like.dtype.is_complex else dtypes.of(values.dtype)


def _complex(x: Any) -> Any:
    return x.astype(np.result_type(x, np.complex64))


def _qr(a: Any, mode: Any = "reduced") -> Any:
    if mode == "r":
        return np.zeros(0, a.dtype), np.linalg.qr(a, "r")
    if mode not in ("reduced", "complete"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'"
        )
    return tuple(np.linalg.qr(a, mode))


def _lstsq(a: Any, b: Any, rcond: float | None = None, *, driver: str | None = None) -> Any:
    x, residuals, rank, values = np.linalg.lstsq(a, b, rcond)
    return x, residuals, np.int64(rank), values


eigh = ungraded(
    "eigh", lambda a, UPLO="L": tuple(np.linalg.eigh(a, UPLO)), "eigenvalues eigenvectors",
    "Eigenvalues and vectors of a symmetric matrix.", square=True,
)  # fmt: skip
eigvalsh = ungraded("eigvalsh", np.linalg.eigvalsh, "", "Eigenvalues of a symmetric matrix.", "eigh", square=True)
eig = ungraded(
    "eig", lambda a: tuple(map(_complex, np.linalg.eig(a))), "eigenvalues eigenvectors", "Eigenvalues and vectors.", square=True
)
eigvals = ungraded("eigvals", lambda a: _complex(np.linalg.eigvals(a)), "", "Eigenvalues.", square=True)
svd = ungraded(
    "svd", lambda a, full_matrices=True: tuple(np.linalg.svd(a, full_matrices)), "U S Vh", "Singular values and vectors."
)
svdvals = ungraded("svdvals", lambda a: np.linalg.svd(a, compute_uv=False), "", "Singular values.", "svd")
qr = ungraded("qr", _qr, "Q R", "An orthogonal matrix times a triangular one.")
lstsq = ungraded("lstsq", _lstsq, "solution residuals rank singular_values", "The solution with the smallest squared error.")
pinv = ungraded("pinv", np.linalg.pinv, "", "The pseudoinverse.")
matrix_rank = ungraded("matrix_rank", lambda a, tol=None: np.asarray(np.linalg.matrix_rank(a, tol)), "", "The rank.")
cond = ungraded("cond", lambda a, p=None: np.asarray(np.linalg.cond(a, p)), "", "The condition number.")

METHODS = {
    "inverse": inverse, "det": det, "logdet": logdet, "slogdet": torch_slogdet, "cholesky_solve": cholesky_solve,
    "cross": torch_cross, "chain_matmul": chain_matmul, "cholesky": lambda A, upper=False: cholesky(A, upper=upper),
    "matrix_power": matrix_power, "pinverse": pinv,
}  # fmt: skip

__all__ = [
    "LinAlgError", "cholesky", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh", "inv", "lstsq", "matmul",
    "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv", "qr", "slogdet", "solve",
    "solve_triangular", "svd",
    "svdvals", "vander", "vecdot", "vector_norm",
]  # fmt: skip
