"""Settings that scripts for PyTorch make. What they ask for is so here anyhow, or concerns devices that do not exist.

Results are the same in every run, whatever `use_deterministic_algorithms` and `backends.cudnn` say.
"""

from __future__ import annotations

from types import SimpleNamespace

import numba


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Nothing to do: programs give the same numbers in every run."""


def are_deterministic_algorithms_enabled() -> bool:
    """They are."""
    return True


def set_num_threads(n: int) -> None:
    """How many threads parallel loops use (`numba.set_num_threads`); at most as many as there are cores."""
    if n < 1:
        raise RuntimeError("set_num_threads expects a positive integer")
    numba.set_num_threads(min(n, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]


def get_num_threads() -> int:
    """How many threads parallel loops use."""
    return numba.get_num_threads()


class cuda:
    """`torch.cuda`, as far as scripts ask it whether there is one, and what they do to be the same with and without."""

    @staticmethod
    def is_available() -> bool:
        """No: eager tensors live on the CPU."""
        return False

    @staticmethod
    def device_count() -> int:
        return 0

    @staticmethod
    def manual_seed(seed: int) -> None:
        """Without a device there is nothing to seed; `torch.manual_seed` is what counts."""

    manual_seed_all = manual_seed

    @staticmethod
    def empty_cache() -> None:
        """Nothing is cached."""

    @staticmethod
    def is_initialized() -> bool:
        return False


_absent = SimpleNamespace(is_available=lambda: False)
backends = SimpleNamespace(
    cudnn=SimpleNamespace(is_available=lambda: False, enabled=False, deterministic=True, benchmark=False),
    cuda=SimpleNamespace(is_built=lambda: False),
    mps=SimpleNamespace(is_available=lambda: False, is_built=lambda: False),
)
mps = xpu = _absent

__all__ = [
    "are_deterministic_algorithms_enabled", "backends", "cuda", "get_num_threads", "mps", "set_num_threads",
    "use_deterministic_algorithms", "xpu",
]  # fmt: skip
