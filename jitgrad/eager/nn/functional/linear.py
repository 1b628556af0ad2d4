"""Products with weights, and rows of tables: `linear`, `bilinear`, `embedding`, `one_hot`. Each is one kernel."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ....api.derive import stopped
from ... import dtypes
from ...creation import owned
from ...kernel import Aval, Kernel, kernel
from ...op import Op, converted
from ...run import known
from ...tensor import Tensor

# ---- x @ weight.T + bias


def _linear(bias: Any, x: Any, weight: Any) -> Any:
    return x @ weight.T + bias


def _product(x: Any, weight: Any) -> Any:
    return x @ weight.T


def _check_linear(x: Aval, weight: Aval, bias: Aval | None) -> None:
    if len(weight.shape) > 2 or not weight.shape:
        raise RuntimeError(f"linear(): weight must be a matrix, got {len(weight.shape)} axes")
    columns, rows = weight.shape[-1], math.prod(weight.shape[:-1])
    if not x.shape or x.shape[-1] != columns:
        shown = f"{math.prod(x.shape[:-1])}x{x.shape[-1] if x.shape else 1}"
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({shown} and {columns}x{rows})")
    if x.dtype is not weight.dtype:
        if bias is None:
            raise RuntimeError(
                f"expected m1 and m2 to have the same dtype, but got: {x.dtype.spoken} != {weight.dtype.spoken}"
            )
        if bias.dtype is x.dtype:
            raise RuntimeError(f"self and mat2 must have the same dtype, but got {x.dtype.legacy} and {weight.dtype.legacy}")
        raise RuntimeError(f"mat1 and mat2 must have the same dtype, but got {x.dtype.legacy} and {weight.dtype.legacy}")
    if bias is not None and bias.shape not in ((rows,), (1,), ()):
        wanted = [*x.shape[:-1], rows]
        raise RuntimeError(
            f"The expanded size of the tensor ({rows}) must match the existing size ({bias.shape[-1]}) at non-singleton "
            f"dimension {len(wanted) - 1}.  Target sizes: {wanted}.  Tensor sizes: {list(bias.shape)}"
        )


def _choose_linear(*types: Aval) -> Kernel:
    bias, (x, weight) = (types[0] if len(types) == 3 else None), types[-2:]
    _check_linear(x, weight, bias)
    flat = len(x.shape) == 2 and len(weight.shape) == 2
    if bias is None:
        return converted(_product, "Mm" if flat else "UnsafeView", types, x.dtype)
    return converted(_linear, "Addmm" if flat else "View", types, x.dtype)


_linear_op = Op("linear", _choose_linear)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input @ weight.T + bias. input: (..., k); weight: (n, k); bias: (n,); the result: (..., n).

    Raises RuntimeError where shapes or dtypes do not fit.

    >>> import jitgrad.eager as torch
    >>> torch.nn.functional.linear(torch.tensor([1.0, 2.0]), torch.tensor([[3.0, 4.0]]), torch.tensor([0.5]))
    tensor([11.5000])
    """
    return _linear_op(input, weight) if bias is None else _linear_op(bias, input, weight)


# ---- y[..., o] = sum over i, j of x1[..., i] * weight[o, i, j] * x2[..., j], plus bias


def _bilinear(x1: Any, x2: Any, weight: Any, *bias: Any) -> Any:
    o, i, j = weight.shape
    half = (x1 @ weight.transpose(1, 0, 2).reshape(i, o * j)).reshape((*x1.shape[:-1], o, j))
    y = np.sum(half * np.expand_dims(x2, -2), axis=-1)
    return y + bias[0] if bias else y


def _choose_bilinear(x1: Aval, x2: Aval, weight: Aval, *bias: Aval) -> Kernel:
    for k, x in ((1, x1), (2, x2)):
        if x.shape[-1] != weight.shape[k]:
            raise RuntimeError(
                f"bilinear(): input{k} size does not match weight size: got {x.shape[-1]} but expected {weight.shape[k]}"
            )
    if x1.shape[:-1] != x2.shape[:-1]:
        raise RuntimeError(f"bilinear(): input batch dimensions do not match: got {list(x1.shape)} and {list(x2.shape)}")
    return converted(_bilinear, "Add" if bias else "UnsafeView", (x1, x2, weight, *bias), x1.dtype)


_bilinear_op = Op("bilinear", _choose_bilinear)


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input1 times each matrix of weight (n, i, j) times input2, plus bias: (..., i), (..., j) -> (..., n)."""
    return _bilinear_op(input1, input2, weight, *(() if bias is None else (bias,)))


# ---- rows of a table


def _rows(weight: Any, indices: Any, padding: int | None) -> Any:
    rows = weight[indices]
    return rows if padding is None else np.where((indices == padding)[..., None], stopped(rows), rows)


def _choose_rows(weight: Aval, indices: Aval, padding: int | None) -> Kernel:
    return kernel(_rows, "Embedding", (weight.dtype,), padding=padding)


_rows_op = Op("embedding", _choose_rows)


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of weight (n, k) that input (integers, any shape) names: (..., k). The row padding_idx gets no gradient.

    Raises IndexError for an index out of range; NotImplementedError for max_norm, scale_grad_by_freq and sparse.
    """
    if input.dtype not in (dtypes.int64, dtypes.int32):
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got "
            f"torch.{input.dtype.legacy}Tensor instead (while checking arguments for embedding)"
        )
    if max_norm is not None or scale_grad_by_freq or sparse:
        raise NotImplementedError("embedding: max_norm, scale_grad_by_freq and sparse are not supported")
    rows = weight.shape[0]
    values = known(input._value())
    if values.size and (values.min() < 0 or values.max() >= rows):
        raise IndexError("index out of range in self")
    return _rows_op(weight, input, padding=None if padding_idx is None else within(padding_idx, rows))


def within(padding_idx: int, rows: int) -> int:
    """The row, counted from the front."""
    assert -rows <= padding_idx < rows, "Padding_idx must be within num_embeddings"
    return padding_idx % rows


def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """A new last axis with a 1 where input (int64) says, 0 elsewhere.

    >>> import jitgrad.eager as torch
    >>> torch.nn.functional.one_hot(torch.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    if input.dtype is not dtypes.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    values = known(input._value())
    if values.size and values.min() < 0:
        raise RuntimeError("Class values must be non-negative.")
    if num_classes == -1:
        if not values.size:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        num_classes = int(values.max()) + 1
    elif num_classes < 1:
        raise RuntimeError("num_classes should be positive")
    elif values.size and values.max() >= num_classes:
        raise RuntimeError("Class values must be smaller than num_classes.")
    return owned((values[..., None] == np.arange(num_classes)).astype(np.int64), dtypes.int64)


__all__ = ["bilinear", "embedding", "linear", "one_hot"]
