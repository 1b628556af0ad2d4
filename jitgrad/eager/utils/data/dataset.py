"""Data sets: samples by number (`Dataset`), or one after the other (`IterableDataset`).

A data set of tensors gives whole batches at once (`_rows`), so that a batch is one copy of memory and not a record of many.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Generic, TypeVar

import numpy as np

from ...creation import owned
from ...generator import Generator
from ...interop import looked_at
from ...random import randperm
from ...tensor import Tensor

T = TypeVar("T")


class Dataset(Generic[T]):
    """Samples by number: `dataset[k]`, and `len(dataset)` where there is an end."""

    def __getitem__(self, index: Any) -> T:
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    def __add__(self, other: Dataset[T]) -> ConcatDataset:
        return ConcatDataset([self, other])

    def _rows(self, indices: Sequence[int]) -> list[Tensor] | None:
        """The samples with these numbers as one batch, as `default_collate` makes it; None where there is no faster way."""
        return None


class IterableDataset(Dataset[T], ABC):
    """Samples one after the other: write `__iter__`."""

    @abstractmethod
    def __iter__(self) -> Iterator[T]: ...

    def __add__(self, other: Dataset[T]) -> ChainDataset:  # type: ignore[override]
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Sample k is row k of each tensor.

    >>> import jitgrad.eager as torch
    >>> data = torch.utils.data.TensorDataset(torch.arange(3), torch.tensor([1.0, 4.0, 9.0]))
    >>> data[1]
    (tensor(1), tensor(4.))
    """

    def __init__(self, *tensors: Tensor) -> None:
        if any(t.shape[0] != tensors[0].shape[0] for t in tensors):
            raise AssertionError("Size mismatch between tensors")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])

    def _rows(self, indices: Sequence[int]) -> list[Tensor] | None:
        if any(t.requires_grad for t in self.tensors) or type(self).__getitem__ is not TensorDataset.__getitem__:
            return None
        at = np.asarray(indices, np.int64)
        return [owned(looked_at(t)[at], t.dtype) for t in self.tensors]


class StackDataset(Dataset[Any]):
    """Sample k is a tuple (or, of keywords, a dict) of the samples k of several data sets."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            raise ValueError(
                "Supported either ``tuple``- (via ``args``) or``dict``- (via ``kwargs``) like input/output, but both types are "
                "given."
                if args
                else "At least one dataset should be passed"
            )
        self.datasets: Any = args or kwargs
        each = list(args or kwargs.values())
        if any(len(d) != len(each[0]) for d in each):
            raise ValueError("Size mismatch between datasets")
        self._length = len(each[0])

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: d[index] for name, d in self.datasets.items()}
        return tuple(d[index] for d in self.datasets)

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset[T]):
    """The samples of several data sets, one set after the other."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        if any(isinstance(d, IterableDataset) for d in self.datasets):
            raise AssertionError("ConcatDataset does not support IterableDataset")
        self.cumulative_sizes = list(accumulate(len(d) for d in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, idx: int) -> T:
        if idx < -len(self):
            raise ValueError("absolute value of index should not exceed dataset length")
        at = idx + len(self) if idx < 0 else idx
        which = bisect_right(self.cumulative_sizes, at)
        return self.datasets[which][at - (self.cumulative_sizes[which - 1] if which else 0)]


class ChainDataset(IterableDataset[T]):
    """The samples of several iterable data sets, one set after the other."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = datasets

    def __iter__(self) -> Iterator[T]:
        for d in self.datasets:
            if not isinstance(d, IterableDataset):
                raise AssertionError("ChainDataset only supports IterableDataset")
            yield from d

    def __len__(self) -> int:
        return sum(len(d) for d in self.datasets)


class Subset(Dataset[T]):
    """The samples of a data set with these numbers."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, idx: Any) -> T:
        return self.dataset[[self.indices[k] for k in idx] if isinstance(idx, list) else self.indices[idx]]

    def __len__(self) -> int:
        return len(self.indices)

    def _rows(self, indices: Sequence[int]) -> list[Tensor] | None:
        known = getattr(self.dataset, "_rows", None)
        if known is None or type(self).__getitem__ is not Subset.__getitem__:
            return None
        return known([self.indices[k] for k in indices])


def random_split(dataset: Any, lengths: Sequence[float], generator: Generator | None = None) -> list[Subset]:
    """Parts of these lengths (or, if they sum to 1, of these fractions), the samples drawn without replacement.

    >>> import jitgrad.eager as torch
    >>> parts = torch.utils.data.random_split(range(10), [0.7, 0.3], torch.Generator().manual_seed(0))
    >>> [len(p) for p in parts]
    [7, 3]
    """
    sizes = list(lengths)
    if math.isclose(sum(sizes), 1) and sum(sizes) <= 1:
        for k, part in enumerate(sizes):
            if not 0 <= part <= 1:
                raise ValueError(f"Fraction at index {k} is not between 0 and 1")
        sizes = [math.floor(len(dataset) * part) for part in lengths]
        for k in range(len(dataset) - int(sum(sizes))):  # what is left over goes round
            sizes[k % len(sizes)] += 1
    if sum(sizes) != len(dataset):
        raise ValueError("Sum of input lengths does not equal the length of the input dataset!")
    order = randperm(int(sum(sizes)), generator=generator).tolist()
    ends = [int(n) for n in accumulate(sizes)]
    return [Subset(dataset, order[start:end]) for start, end in zip([0, *ends], ends, strict=False)]
