"""From a list of samples to a batch."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...creation import as_tensor, owned, tensor
from ...dtypes import float64
from ...joining import stack
from ...tensor import Tensor

FOUND = "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"


def default_collate(batch: Sequence[Any]) -> Any:
    """Samples put together along a new first axis: tensors and arrays stacked, numbers as a tensor, in tuples, lists and dicts
    part by part; texts stay a list.

    >>> import jitgrad.eager as torch
    >>> torch.utils.data.default_collate([(1, "a"), (2, "b")])
    [tensor([1, 2]), ['a', 'b']]
    """
    first = batch[0]
    for kinds, together in TABLE:
        if isinstance(first, kinds):
            return together(list(batch))
    raise TypeError(FOUND.format(type(first)))


def tensors(batch: list[Tensor]) -> Tensor:
    plain = all(not x.requires_grad and x.dtype is batch[0].dtype and x.shape == batch[0].shape for x in batch)
    return owned(np.stack([x._buffer() for x in batch]), batch[0].dtype) if plain else stack(batch)


def arrays(batch: list[Any]) -> Tensor:
    if batch[0].dtype.kind in "SUOV":
        raise TypeError(FOUND.format(batch[0].dtype))
    return tensors([as_tensor(x) for x in batch])


def mappings(batch: list[Any]) -> Any:
    parts = {key: default_collate([x[key] for x in batch]) for key in batch[0]}
    try:
        if hasattr(batch[0], "update"):
            out = copy.copy(batch[0])
            out.update(parts)
            return out
        return type(batch[0])(parts)
    except TypeError:  # a mapping that is not made from a dict
        return parts


def sequences(batch: list[Any]) -> Any:
    if any(len(x) != len(batch[0]) for x in batch):
        raise RuntimeError("each element in list of batch should be of equal size")
    parts = [default_collate(list(x)) for x in zip(*batch, strict=True)]
    return type(batch[0])(*parts) if hasattr(batch[0], "_fields") else parts


# The first kind that fits. Texts are sequences too, and NumPy's numbers may be Python's, so the order counts.
TABLE: tuple[tuple[Any, Any], ...] = (
    (Tensor, tensors),
    ((np.ndarray, np.generic), arrays),
    (float, lambda batch: tensor(batch, dtype=float64)),
    (int, tensor),
    ((str, bytes), list),
    (Mapping, mappings),
    (Sequence, sequences),
)


def default_convert(data: Any) -> Any:
    """Arrays as tensors, in tuples, lists and dicts part by part; all else as it is."""
    if isinstance(data, (np.ndarray, np.generic)) and data.dtype.kind not in "SUOV":
        return as_tensor(data)
    if isinstance(data, Mapping):
        return {key: default_convert(x) for key, x in data.items()}
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(x) for x in data))
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return [default_convert(x) for x in data]
    return data
