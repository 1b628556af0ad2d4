"""What `torch.tensor` may be made from: numbers, nested sequences of numbers and tensors, arrays. The errors are PyTorch's."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import dtypes
from .dtypes import dtype as DType
from .tensor import Tensor

Arrays = (np.ndarray, np.generic)


def values_of(data: Any) -> tuple[np.ndarray, DType]:
    """The values as an array of their own, and the dtype that the data has."""
    if isinstance(data, Arrays):
        return np.array(data), dtypes.of(data.dtype)
    found = plain(data)
    shape_of_data(found)
    kinds = [k for k in kinds_of(found) if k not in dtypes.RANK_OF and not isinstance(k, DType)]
    if kinds:
        raise refused(kinds[0], found)
    try:
        values = np.array(found)
    except OverflowError as e:
        raise ValueError("Overflow when unpacking long long") from e
    if values.dtype.kind == "O":
        raise ValueError("Overflow when unpacking long long")
    return values, natural(found)


def plain(data: Any) -> Any:
    """Nested lists, with the tensors in them as arrays."""
    if isinstance(data, Tensor):
        return data.detach()._buffer()
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return [plain(x) for x in data]
    return data


def kinds_of(data: Any) -> set[Any]:
    """The dtypes of arrays and the Python types of everything else in nested lists."""
    if isinstance(data, list):
        return set().union(*map(kinds_of, data)) if data else set()
    return {dtypes.of(data.dtype)} if isinstance(data, Arrays) else {type(data)}


def natural(data: Any) -> DType:
    """The dtype of data whose dtype was not asked for: arrays and tensors keep theirs, Python's numbers get the default."""
    found = [k if isinstance(k, DType) else dtypes.default_of(dtypes.RANK_OF[k]) for k in kinds_of(data)]
    return functools.reduce(dtypes.promote, found) if found else dtypes.get_default_dtype()


def shape_of_data(data: Any) -> tuple[int, ...]:
    """The shape of nested lists: that of the first of each; the others are compared with it."""
    shape: list[int] = []
    first = data
    while isinstance(first, list):
        shape.append(len(first))
        if not first:
            break
        first = first[0]
    if isinstance(first, Arrays):
        shape += first.shape
    compare(data, shape, 0)
    return tuple(shape)


def compare(data: Any, shape: list[int], axis: int) -> None:
    """Raise where the lists are not those of an array of this shape."""
    if isinstance(data, list):
        if axis == len(shape):
            raise TypeError("'list' object cannot be interpreted as an integer")
        if len(data) != shape[axis]:
            raise ValueError(f"expected sequence of length {shape[axis]} at dim {axis} (got {len(data)})")
        for x in data:
            compare(x, shape, axis + 1)
    elif axis + (data.ndim if isinstance(data, Arrays) else 0) != len(shape):
        raise TypeError("not a sequence")


def refused(kind: type, data: Any) -> Exception:
    """The error for what is no number."""
    if kind is str:
        return ValueError("too many dimensions 'str'") if isinstance(data, list) else TypeError("new(): invalid data type 'str'")
    return RuntimeError(f"Could not infer dtype of {kind.__name__}")
