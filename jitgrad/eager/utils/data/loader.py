"""`DataLoader`: batches of a data set, in an order of its own or a random one. Batches are loaded where they are asked for."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from ...generator import Generator
from .collate import default_collate, default_convert
from .dataset import IterableDataset
from .sampler import BatchSampler, RandomSampler, SequentialSampler, drawn_seed

EXCLUSIVE = "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last"


class DataLoader:
    """Goes through a data set in batches, as often as one likes.

    dataset: has numbers (`Dataset`, a list) or is gone through (`IterableDataset`). batch_size: None for single samples.
    shuffle: a new random order in each pass, from `generator`. sampler, batch_sampler: the numbers, or lists of them, in an order
    of one's own. collate_fn: makes a batch of a list of samples. num_workers: there are no worker processes, more than 0 warns;
    the options that are about them are taken and have no effect.

    >>> import jitgrad.eager as torch
    >>> from jitgrad.eager.utils.data import DataLoader, TensorDataset
    >>> [x for x, in DataLoader(TensorDataset(torch.arange(5)), batch_size=2)]
    [tensor([0, 1]), tensor([2, 3]), tensor([4])]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Any = None,
        batch_sampler: Any = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        self.dataset, self.num_workers, self.generator, self.timeout = dataset, num_workers, generator, timeout
        self.pin_memory, self.worker_init_fn = pin_memory, worker_init_fn
        self._iterable = isinstance(dataset, IterableDataset)
        if self._iterable:
            check_iterable(shuffle, sampler, batch_sampler)
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
            raise ValueError(EXCLUSIVE)
        if batch_sampler is None and batch_size is None and drop_last:
            raise ValueError("batch_size=None option disables auto-batching and is mutually exclusive with drop_last")
        self.batch_size, self.drop_last = (None, False) if batch_sampler is not None else (batch_size, drop_last)
        if sampler is None and not self._iterable:
            sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        self.sampler, self.batch_sampler = sampler, batch_sampler
        if batch_sampler is None and batch_size is not None:
            self.batch_sampler = BatchSampler(range(0) if sampler is None else sampler, batch_size, drop_last)
        one_by_one = self.batch_sampler is None
        self.collate_fn = collate_fn or (default_convert if one_by_one else default_collate)

    def __iter__(self) -> Iterator[Any]:
        drawn_seed(self.generator)  # the seed of PyTorch's workers: what is drawn later is the same
        return self._iterated() if self._iterable else self._numbered()

    def _iterated(self) -> Iterator[Any]:
        samples = iter(self.dataset)
        if self.batch_size is None:
            yield from map(self.collate_fn, samples)
            return
        while batch := list(islice(samples, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield self.collate_fn(batch)

    def _numbered(self) -> Iterator[Any]:
        dataset, collate = self.dataset, self.collate_fn
        if self.batch_sampler is None:
            yield from (collate(dataset[k]) for k in self.sampler)
            return
        whole = getattr(dataset, "_rows", None) if collate is default_collate else None
        several = getattr(dataset, "__getitems__", None)
        for numbers in self.batch_sampler:
            batch = whole(numbers) if whole is not None else None
            if batch is None:
                batch = collate(several(numbers) if several is not None else [dataset[k] for k in numbers])
            yield batch

    def __len__(self) -> int:
        if not self._iterable:
            return len(self.sampler if self.batch_sampler is None else self.batch_sampler)
        n = len(self.dataset)
        if self.batch_size is None:
            return n
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)


def check_workers(num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool) -> None:
    if num_workers < 0:
        raise ValueError(
            "num_workers option should be non-negative; use num_workers=0 to disable multiprocessing."
        )
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing.let num_workers > 0 to enable multiprocessing, "
            "otherwise set prefetch_factor to None."
        )
    if num_workers == 0 and persistent_workers:
        raise ValueError("persistent_workers option needs num_workers > 0")
    if num_workers:
        warnings.warn(
            f"num_workers={num_workers}: jitgrad.eager has no worker processes, batches are loaded where they are asked for; use "
            "num_workers=0",
            UserWarning,
            stacklevel=3,
        )


def check_iterable(shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
    for name, value in (("shuffle", shuffle or None), ("sampler", sampler), ("batch_sampler", batch_sampler)):
        if value is not None:
            raise ValueError(
                f"DataLoader with IterableDataset: expected unspecified {name} option, but got {name}={value}"
            )


def get_worker_info() -> None:
    """None: there are no workers."""
