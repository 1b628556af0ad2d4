"""The state of random numbers: a Mersenne twister, as PyTorch's CPU generator is one.

Uniform and normal numbers and integers are made from its words in the way of PyTorch, so that the same seed gives the same
numbers (normal ones up to rounding).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .creation import owned
from .device import checked, device
from .dtypes import uint8
from .tensor import Tensor

WORDS = 624


class Generator:
    """A stream of random numbers of its own: `rand(..., generator=g)`.

    >>> import jitgrad.eager as torch
    >>> g = torch.Generator().manual_seed(1)
    >>> torch.rand(1, generator=g).item() == torch.rand(1, generator=g.manual_seed(1)).item()
    True
    """

    def __init__(self, device: Any = "cpu") -> None:
        checked(device)
        self.twister = np.random.MT19937()
        self.spare: float | None = None  # the second of a pair of normal numbers
        self.seed()

    @property
    def device(self) -> device:
        return checked("cpu")

    def manual_seed(self, seed: int) -> Generator:
        """Start again from this seed."""
        seed = int(seed)
        if not -(2**63) <= seed < 2**64:
            raise RuntimeError("Overflow when unpacking long long")
        self._seed = seed % 2**64
        self.twister._legacy_seeding(self._seed % 2**32)
        self.spare = None
        return self

    def seed(self) -> int:
        """Start from a seed that is not foreseeable; returns it."""
        self.manual_seed(secrets.randbits(63))
        return self._seed

    def initial_seed(self) -> int:
        """The seed that it was started from."""
        return self._seed

    def get_state(self) -> Tensor:
        """All of the state, as bytes."""
        s = self.twister.state["state"]
        has, spare = (0.0, 0.0) if self.spare is None else (1.0, self.spare)
        numbers = np.array([float(s["pos"]), has, spare], np.float64)
        words = np.concatenate([s["key"].astype(np.uint32).view(np.uint8), numbers.view(np.uint8)])
        return owned(np.concatenate([words, np.array([self._seed], np.uint64).view(np.uint8)]), uint8)

    def set_state(self, new_state: Tensor) -> Generator:
        """Go on from a state that `get_state` gave."""
        raw = np.array(new_state._buffer(), np.uint8)
        if raw.size != 4 * WORDS + 32:
            raise RuntimeError("RNG state is wrong size")
        pos, has, spare = raw[4 * WORDS : 4 * WORDS + 24].copy().view(np.float64)
        key = raw[: 4 * WORDS].copy().view(np.uint32)
        self.twister.state = {"bit_generator": "MT19937", "state": {"key": key, "pos": int(pos)}}
        self.spare, self._seed = (float(spare) if has else None), int(raw[-8:].copy().view(np.uint64)[0])
        return self

    # ---- numbers

    def words(self, n: int) -> np.ndarray:
        """n random words of 32 bits."""
        return self.twister.random_raw(n)

    def double_words(self, n: int) -> np.ndarray:
        """n random words of 64 bits."""
        pairs = self.words(2 * n).reshape(n, 2)
        return (pairs[:, 0] << np.uint64(32)) | pairs[:, 1]

    def uniform(self, n: int, bits: int = 24) -> np.ndarray:
        """n numbers in [0, 1) with this many bits, as many as the mantissa of the dtype that they are for."""
        if bits == 53:
            return (self.double_words(n) & np.uint64(2**53 - 1)) * 2.0**-53
        return (self.words(n) & np.uint64(2**bits - 1)) * 2.0**-bits

    def integers(self, n: int, low: int, high: int) -> np.ndarray:
        """n integers in [low, high)."""
        span = high - low
        words = self.words(n) if span < 2**32 else self.double_words(n)
        return (words % np.uint64(span)).astype(np.int64) + low

    def normal(self, n: int, bits: int = 24) -> np.ndarray:
        """n numbers of the standard normal distribution."""
        return self._few_normal(n) if n < BLOCK else self._many_normal(n, bits)

    # Box and Muller (1958): with u, v uniform, sqrt(-2 log u) (cos, sin)(2 pi v) are two independent normal numbers.

    def _many_normal(self, n: int, bits: int) -> np.ndarray:
        """In blocks of 16, of which the first half gives the radius; what is left over is drawn again with its block."""
        u = self.uniform(n, bits)
        whole = n // BLOCK * BLOCK
        out = np.empty(n)
        out[:whole] = block_normal(u[:whole])
        if whole < n:
            out[-BLOCK:] = block_normal(self.uniform(BLOCK, bits))
        return out

    def _few_normal(self, n: int) -> np.ndarray:
        out = []
        for _ in range(n):
            if self.spare is not None:
                out.append(self.spare)
                self.spare = None
                continue
            v, u = self.uniform(2, 53)
            radius, angle = np.sqrt(-2.0 * np.log1p(-u)), 2.0 * np.pi * v
            out.append(radius * np.cos(angle))
            self.spare = float(radius * np.sin(angle))
        return np.array(out)


BLOCK = 16


def block_normal(u: np.ndarray) -> np.ndarray:
    half = BLOCK // 2
    parts = u.reshape(-1, BLOCK)
    radius, angle = np.sqrt(-2.0 * np.log(1.0 - parts[:, :half])), 2.0 * np.pi * parts[:, half:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Start the random numbers from this seed; returns the generator of all that name no other."""
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Start the random numbers from a seed that is not foreseeable; returns it."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed that the random numbers were started from."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the random numbers, as bytes."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Go on from a state that `get_rng_state` gave."""
    default_generator.set_state(new_state)


@contextmanager
def fork_rng(devices: Any = None, enabled: bool = True) -> Iterator[None]:
    """What is drawn within does not change what is drawn after."""
    state = get_rng_state()
    try:
        yield
    finally:
        if enabled:
            set_rng_state(state)

__all__ = ["Generator", "default_generator", "get_rng_state", "initial_seed", "manual_seed", "seed", "set_rng_state"]
