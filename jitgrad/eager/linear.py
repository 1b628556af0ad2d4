"""Products of matrices."""

from __future__ import annotations

import numpy as np

from .kernel import Aval, Kernel
from .op import Op, converted, result_dtype
from .tensor import Tensor


def _choose_matmul(a: Aval, b: Aval) -> Kernel:
    check_product(a, b)
    if a.dtype is not b.dtype:
        names = f"{a.dtype.legacy.lower()} != {b.dtype.legacy.lower()}"
        raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {names}")
    node = {(1, 1): "Dot", (2, 1): "Mv", (2, 2): "Mm"}.get((len(a.shape), len(b.shape)), "UnsafeView")
    return converted(np.matmul, node, (a, b), result_dtype((a, b)))


def check_product(a: Aval, b: Aval) -> None:
    """PyTorch's messages where two shapes cannot be multiplied."""
    if not a.shape or not b.shape:
        raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {len(a.shape)}D and {len(b.shape)}D")
    inner = b.shape[-2] if len(b.shape) > 1 else b.shape[0]
    if a.shape[-1] == inner:
        return
    if len(a.shape) == 1 and len(b.shape) == 1:
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor {list(a.shape)} and src {list(b.shape)} to have the same number of "
            f"elements, but got {a.shape[0]} and {b.shape[0]} elements respectively"
        )
    rows = 1
    for n in a.shape[:-1]:
        rows *= n
    columns = b.shape[-1] if len(b.shape) > 1 else 1
    raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({rows}x{a.shape[-1]} and {inner}x{columns})")


_matmul = Op("matmul", _choose_matmul)


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """The product of matrices, vectors, or stacks of matrices."""
    return _matmul(a, b)

__all__ = ["matmul"]
