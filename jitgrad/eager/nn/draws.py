"""Random numbers for weights and dropout, from the generator that `manual_seed` sets: PyTorch's numbers for the same seed."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..creation import owned
from ..dtypes import dtype as DType
from ..random import drawn_normal, drawn_uniform
from ..tensor import Tensor


def uniform(
    shape: tuple[int, ...], low: float = 0.0, high: float = 1.0, dtype: DType | None = None, generator: Any = None
) -> Tensor:
    """Numbers between low and high."""
    d = dtypes.get_default_dtype() if dtype is None else dtype
    return owned(drawn_uniform(shape, d, generator, low, high), d)


def normal(
    shape: tuple[int, ...], mean: float = 0.0, std: float = 1.0, dtype: DType | None = None, generator: Any = None
) -> Tensor:
    """Numbers from the normal distribution."""
    d = dtypes.get_default_dtype() if dtype is None else dtype
    return owned(np.asarray(drawn_normal(shape, d, generator) * std + mean, d.compute), d)
