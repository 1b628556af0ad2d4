"""Random numbers for weights and dropout, from the generator that `manual_seed` sets."""

from __future__ import annotations

import numpy as np

from .. import dtypes
from ..creation import owned
from ..dtypes import dtype as DType
from ..tensor import Tensor

_generator = np.random.default_rng(0)


def uniform(shape: tuple[int, ...], low: float = 0.0, high: float = 1.0, dtype: DType = dtypes.float32) -> Tensor:
    """Numbers between low and high."""
    return owned(_generator.uniform(low, high, shape).astype(dtype.compute), dtype)


def normal(shape: tuple[int, ...], mean: float = 0.0, std: float = 1.0, dtype: DType = dtypes.float32) -> Tensor:
    """Numbers from the normal distribution."""
    return owned(_generator.normal(mean, std, shape).astype(dtype.compute), dtype)
