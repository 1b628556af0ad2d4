"""Products of vectors, matrices and stacks of matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import dtypes, einsums
from .complexes import computed
from .kernel import Aval, Kernel
from .op import Op, check_shapes, result_dtype
from .reductions import axis_of
from .tensor import Tensor

# ---- what fits together


def same_dtype(a: Aval, b: Aval) -> None:
    if a.dtype is not b.dtype:
        if len(a.shape) == len(b.shape) == 1:
            raise RuntimeError(f"dot : expected both vectors to have same dtype, but found {a.dtype.legacy} and {b.dtype.legacy}")
        raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {a.dtype.spoken} != {b.dtype.spoken}")


def check_product(a: Aval, b: Aval) -> None:
    """PyTorch's messages where two shapes cannot be multiplied."""
    ranks = len(a.shape), len(b.shape)
    if 0 in ranks:
        raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {ranks[0]}D and {ranks[1]}D")
    inner = b.shape[-2] if ranks[1] > 1 else b.shape[0]
    if ranks[0] > 2 and ranks[1] > 2:
        check_shapes([a.shape[:-2], b.shape[:-2]])
    if a.shape[-1] == inner:
        return
    if ranks == (1, 1):
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor {list(a.shape)} and src {list(b.shape)} to have the same number of "
            f"elements, but got {a.shape[0]} and {inner} elements respectively"
        )
    if ranks == (2, 1):
        raise RuntimeError(f"size mismatch, got input ({a.shape[0]}), mat ({a.shape[0]}x{a.shape[1]}), vec ({inner})")
    if ranks[0] > 2 and ranks[1] > 2:
        batch = math.prod(np.broadcast_shapes(a.shape[:-2], b.shape[:-2]))
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{batch}, {a.shape[-1]}] but got: "
            f"[{batch}, {inner}]."
        )
    rows = math.prod(a.shape[:-1])
    columns = b.shape[-1] if ranks[1] > 1 else 1
    raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({rows}x{a.shape[-1]} and {inner}x{columns})")


def ranked(t: Aval, rank: int, message: str) -> None:
    if len(t.shape) != rank:
        raise RuntimeError(message)


# ---- matmul and its special cases

NODES = {(1, 1): "Dot", (2, 1): "Mv", (2, 2): "Mm", (1, 2): "Squeeze.4"}


def _node(a: Aval, b: Aval) -> str:
    ranks = len(a.shape), len(b.shape)
    return NODES.get(ranks) or ("Clone" if ranks[0] == 2 else "UnsafeView")


def _choose_matmul(a: Aval, b: Aval) -> Kernel:
    check_product(a, b)
    same_dtype(a, b)
    return computed(np.matmul, _node(a, b), (a, b), a.dtype)


def _product(name: str, check: Any, node: str) -> Op:
    def choose(a: Aval, b: Aval) -> Kernel:
        check(a, b)
        check_product(a, b)
        same_dtype(a, b)
        return computed(np.matmul, node, (a, b), a.dtype)

    return Op(name, choose)


def _check_mm(a: Aval, b: Aval) -> None:
    ranked(a, 2, "self must be a matrix")
    ranked(b, 2, "mat2 must be a matrix")


def _check_mv(a: Aval, b: Aval) -> None:
    if (len(a.shape), len(b.shape)) != (2, 1):
        raise RuntimeError(f"vector + matrix @ vector expected, got 1, {len(a.shape)}, {len(b.shape)}")


def _check_dot(a: Aval, b: Aval) -> None:
    if (len(a.shape), len(b.shape)) != (1, 1):
        raise RuntimeError(f"1D tensors expected, but got {len(a.shape)}D and {len(b.shape)}D tensors")


def _check_bmm(a: Aval, b: Aval) -> None:
    ranked(a, 3, "batch1 must be a 3D tensor")
    ranked(b, 3, "batch2 must be a 3D tensor")
    if b.shape[:2] != (a.shape[0], a.shape[2]):
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{a.shape[0]}, {a.shape[2]}] but got: "
            f"[{b.shape[0]}, {b.shape[1]}]."
        )


_matmul = Op("matmul", _choose_matmul)
_mm, _mv = _product("mm", _check_mm, "Mm"), _product("mv", _check_mv, "Mv")
_dot, _bmm = _product("dot", _check_dot, "Dot"), _product("bmm", _check_bmm, "Bmm")


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """The product of matrices, vectors, or stacks of matrices (the axes before the last two broadcast).

    >>> import jitgrad.eager as torch
    >>> torch.matmul(torch.ones(2, 3), torch.ones(3))
    tensor([3., 3.])
    """
    return _matmul(input, other)


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices."""
    return _mm(input, mat2)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """A matrix times a vector."""
    return _mv(input, vec)


def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The inner product of two vectors."""
    return _dot(input, tensor)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The products of two stacks of matrices, (b, n, m) and (b, m, k)."""
    return _bmm(input, mat2)


def _outer(a: Any, b: Any) -> Any:
    return a[:, None] * b


def _choose_outer(a: Aval, b: Aval) -> Kernel:
    for t, name in ((a, "self"), (b, "vec2")):
        ranked(t, 1, f"outer: Expected 1-D argument {name}, but got {len(t.shape)}-D")
    return computed(_outer, "Mul", (a, b), result_dtype((a, b)))


_outers = Op("outer", _choose_outer)


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """All products of an element of one vector and one of another."""
    return _outers(input, vec2)


ger = outer


def _inner(a: Any, b: Any) -> Any:
    return np.tensordot(a, b, axes=((a.ndim - 1,), (b.ndim - 1,))) if a.ndim and b.ndim else a * b


def _choose_inner(a: Aval, b: Aval) -> Kernel:
    if a.shape and b.shape and a.shape[-1] != b.shape[-1]:
        raise RuntimeError(
            f"inner() the last dimension must match on both input tensors but got shapes {list(a.shape)} and {list(b.shape)}"
        )
    same_dtype(a, b)
    return computed(_inner, "View", (a, b), a.dtype)


_inners = Op("inner", _choose_inner)


def inner(input: Tensor, other: Tensor) -> Tensor:
    """Sums of products over the last axes."""
    return _inners(input, other)


# ---- a product added to something


def _added(x: Any, a: Any, b: Any, beta: Any, alpha: Any, total: bool = False) -> Any:
    product = np.matmul(a, b)
    product = np.sum(product, axis=0) if total else product
    product = product if alpha == 1 else alpha * product
    return product + np.broadcast_to(x if beta == 1 else beta * x, product.shape) if beta else product


def _adding(name: str, check: Any, shape: Any, total: bool = False) -> Any:
    def choose(x: Aval, a: Aval, b: Aval, beta: Any, alpha: Any) -> Kernel:
        check(a, b)
        check_product(a, b)
        same_dtype(a, b)
        check_expand(x.shape, shape(a.shape, b.shape))
        if x.dtype is not a.dtype:
            raise RuntimeError(f"self and mat2 must have the same dtype, but got {x.dtype.legacy} and {b.dtype.legacy}")
        if beta == 0:
            x = Aval.of(a.dtype, x.shape)
        return computed(_added, name.capitalize(), (x, a, b), a.dtype, beta=beta, alpha=alpha, total=total)

    return Op(name, choose)


def check_expand(have: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    """What is added must broadcast to the shape of the product."""
    new = len(wanted) - len(have)
    if new < 0:
        raise RuntimeError(
            f"The expanded size of the tensor ({wanted[0] if wanted else 1}) must match the existing size ({have[0]}): "
            "the number "
            f"of sizes provided ({len(wanted)}) must be greater or equal to the number of dimensions in the tensor ({len(have)})"
        )
    for k, n in reversed(list(enumerate(have))):
        if n not in (1, wanted[k + new]):
            raise RuntimeError(
                f"The expanded size of the tensor ({wanted[k + new]}) must match the existing size ({n}) at non-singleton "
                f"dimension {k + new}.  Target sizes: {list(wanted)}.  Tensor sizes: {list(have)}"
            )


_addmm = _adding("addmm", _check_mm, lambda a, b: (a[0], b[1]))
_addmv = _adding("addmv", _check_mv, lambda a, b: (a[0],))
_baddbmm = _adding("baddbmm", _check_bmm, lambda a, b: (*a[:2], b[2]))
_addbmm = _adding("addbmm", _check_bmm, lambda a, b: (a[1], b[2]), total=True)


def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * mat1 @ mat2"""
    return _addmm(input, mat1, mat2, beta=beta, alpha=alpha)


def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * mat @ vec"""
    return _addmv(input, mat, vec, beta=beta, alpha=alpha)


def baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * bmm(batch1, batch2)"""
    return _baddbmm(input, batch1, batch2, beta=beta, alpha=alpha)


def addbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * (the sum of bmm(batch1, batch2) over the stack)"""
    return _addbmm(input, batch1, batch2, beta=beta, alpha=alpha)


def _addr(x: Any, a: Any, b: Any, beta: Any, alpha: Any) -> Any:
    product = _outer(a, b) * alpha
    return np.broadcast_to(x * beta, product.shape) + product if beta else product


_addrs = Op("addr", lambda x, a, b, **options: computed(_addr, "Addr", (x, a, b), result_dtype((x, a, b)), **options))


def addr(input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Any = 1, alpha: Any = 1) -> Tensor:
    """beta * input + alpha * outer(vec1, vec2)"""
    return _addrs(input, vec1, vec2, beta=beta, alpha=alpha)


# ---- sums of products over named or numbered axes


def _einsum(*xs: Any, equation: str) -> Any:
    return np.einsum(equation, *xs)


def _choose_einsum(*types: Aval, equation: str) -> Kernel:
    equation = einsums.expanded(equation, [len(t.shape) for t in types])
    einsums.check(equation, [t.shape for t in types])
    for t in types[1:]:
        same_dtype(types[0], t)
    return computed(_einsum, einsums.node(equation), types, types[0].dtype, equation=equation)


_einsums = Op("einsum", _choose_einsum)


def einsum(*args: Any) -> Tensor:
    """Sums of products over named axes: `einsum("ij,jk->ik", a, b)`, or `einsum(a, [0, 1], b, [1, 2], [0, 2])`.

    >>> import jitgrad.eager as torch
    >>> torch.einsum("ij->j", torch.ones(2, 3))
    tensor([2., 2., 2.])
    """
    equation, operands = einsums.parsed(args)
    if not operands:
        raise RuntimeError("einsum(): must provide at least one operand")
    return _einsums(*operands, equation=equation)


def _tensordot(a: Any, b: Any, axes: Any) -> Any:
    return np.tensordot(a, b, axes=axes)


def _choose_tensordot(a: Aval, b: Aval, dims: Any) -> Kernel:
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(len(a.shape), len(b.shape)):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        left, right = tuple(range(-dims, 0)), tuple(range(dims))
    else:
        left, right = dims
    if len(left) != len(right):
        raise RuntimeError("both dimension lists should have same length")
    for i, j in zip(left, right, strict=True):
        n, m = a.shape[i], b.shape[j]
        if n != m and 1 not in (n, m):
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {n} in dim {i} and second has size {m} in dim {j}"
            )
    same_dtype(a, b)
    axes = (tuple(axis_of(i, len(a.shape)) for i in left), tuple(axis_of(j, len(b.shape)) for j in right))
    return computed(_tensordot, "View", (a, b), a.dtype, axes=axes)


_tensordots = Op("tensordot", _choose_tensordot)


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Sums of products over the last axes of a and the first of b (a number of them), or over two lists of axes."""
    if isinstance(dims, Tensor):
        dims = dims.tolist()
    if isinstance(dims, Sequence):
        left, right = dims
        dims = (_axes(left), _axes(right))
    return _tensordots(a, b, dims=dims)


def _axes(given: Any) -> tuple[int, ...]:
    return (int(given),) if isinstance(given, int) else tuple(int(k) for k in given)


def _kron(a: Any, b: Any) -> Any:
    return np.kron(a, b)


_krons = Op("kron", lambda a, b: computed(_kron, "UnsafeView", (a, b), result_dtype((a, b))))


def kron(input: Tensor, other: Tensor) -> Tensor:
    """The Kronecker product."""
    return _krons(input, other)


def _trace(x: Any) -> Any:
    return np.trace(x)


def _choose_trace(t: Aval) -> Kernel:
    ranked(t, 2, f"trace: expected a matrix, but got tensor with dim {len(t.shape)}")
    return computed(_trace, "Trace", (t,), t.dtype if t.dtype.differentiable else dtypes.int64)


_traces = Op("trace", _choose_trace)


def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal."""
    return _traces(input)

__all__ = [
    "addbmm", "addmm", "addmv", "addr", "baddbmm", "bmm", "dot", "einsum", "ger", "inner", "kron", "matmul", "mm", "mv", "outer",
    "tensordot", "trace",
]  # fmt: skip
