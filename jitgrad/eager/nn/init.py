"""`nn.init`: filling weights. Each function writes its tensor, without recording, and returns it."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from .. import creation
from ..dtypes import float64
from ..modes import no_grad
from ..tensor import Tensor
from . import draws

GAINS: dict[str, float] = {
    "linear": 1.0, "conv1d": 1.0, "conv2d": 1.0, "conv3d": 1.0, "conv_transpose1d": 1.0, "conv_transpose2d": 1.0,
    "conv_transpose3d": 1.0, "sigmoid": 1.0, "tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 3.0 / 4,
}  # fmt: skip


def calculate_gain(nonlinearity: str, param: Any = None) -> float:
    """By how much a nonlinear function shrinks the standard deviation. param: of leaky_relu, its slope.

    >>> import jitgrad.eager as torch
    >>> torch.nn.init.calculate_gain("tanh")
    1.6666666666666667
    """
    if nonlinearity == "leaky_relu":
        if param is not None and (isinstance(param, bool) or not isinstance(param, (int, float))):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in GAINS:
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}")
    return GAINS[nonlinearity]


def fans(tensor: Tensor) -> tuple[int, int]:
    """How many numbers each result is made of, and how many results each number goes into."""
    if len(tensor.shape) < 2:
        raise ValueError("Fan in and fan out can not be computed for tensor with fewer than 2 dimensions")
    rows, columns, *cells = tensor.shape
    return columns * math.prod(cells), rows * math.prod(cells)


def _fan(tensor: Tensor, mode: str) -> int:
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']")
    return fans(tensor)[mode == "fan_out"]


@no_grad()
def _written(tensor: Tensor, new: Tensor) -> Tensor:
    return tensor._write(new.to(tensor.dtype))


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Tensor:
    """Uniformly between a and b."""
    return _written(tensor, draws.uniform(tuple(tensor.shape), a, b, tensor.dtype, generator))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """From the normal distribution."""
    return _written(tensor, draws.normal(tuple(tensor.shape), mean, std, tensor.dtype, generator))


def trunc_normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0, generator: Any = None
) -> Tensor:
    """From the normal distribution within [a, b]."""
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of values may be incorrect.",
            stacklevel=2,
        )
    from scipy import special

    low, high = special.ndtr((a - mean) / std), special.ndtr((b - mean) / std)
    u = draws.uniform(tuple(tensor.shape), float(low), float(high), float64, generator)._buffer()
    return _written(tensor, creation.owned(np.clip(special.ndtri(u) * std + mean, a, b), float64))


def constant_(tensor: Tensor, val: float) -> Tensor:
    """One value."""
    with no_grad():
        return tensor.fill_(val)


def zeros_(tensor: Tensor) -> Tensor:
    """Zeros."""
    return constant_(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Ones."""
    return constant_(tensor, 1.0)


def eye_(tensor: Tensor) -> Tensor:
    """The identity matrix."""
    if len(tensor.shape) != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    return _written(tensor, creation.eye(*tensor.shape, dtype=tensor.dtype))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A convolution that keeps its input: in each group, as many channels as there are."""
    rank = len(tensor.shape)
    if rank not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    rows, columns, *cells = tensor.shape
    if rows % groups:
        raise ValueError("dim 0 must be divisible by groups")
    values = np.zeros(tuple(tensor.shape))
    per = rows // groups
    for g in range(groups):
        for k in range(min(per, columns)):
            values[(g * per + k, k, *[n // 2 for n in cells])] = 1.0
    return _written(tensor, creation.owned(values, tensor.dtype))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Uniformly between +-gain sqrt(6 / (fan in + fan out))."""
    bound = math.sqrt(3.0) * gain * math.sqrt(2.0 / float(sum(fans(tensor))))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Normally with the standard deviation gain sqrt(2 / (fan in + fan out))."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / float(sum(fans(tensor)))), generator)


NOTHING = "Initializing zero-element tensors is a no-op"


def _kaiming(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    """gain / sqrt(fan); 0, with a warning, where there are no elements."""
    if 0 in tensor.shape:
        warnings.warn(NOTHING, stacklevel=3)
        return 0.0
    return calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode))


def kaiming_uniform_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> Tensor:
    """Uniformly between +-gain sqrt(3 / fan), with the gain of leaky_relu with slope a (or of another function)."""
    scale = _kaiming(tensor, a, mode, nonlinearity) * math.sqrt(3.0)
    return uniform_(tensor, -scale, scale, generator) if scale else tensor


def kaiming_normal_(
    tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu", generator: Any = None
) -> Tensor:
    """Normally with the standard deviation gain / sqrt(fan)."""
    scale = _kaiming(tensor, a, mode, nonlinearity)
    return normal_(tensor, 0.0, scale, generator) if scale else tensor


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Any = None) -> Tensor:
    """A matrix with orthonormal rows or columns, whichever are fewer (axes after the first taken together), times gain."""
    if len(tensor.shape) < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if not tensor.numel():
        return tensor
    rows = tensor.shape[0]
    columns = tensor.numel() // rows
    flat = draws.normal((rows, columns), dtype=tensor.dtype, generator=generator)._buffer().astype(np.float64)
    q, r = np.linalg.qr(flat.T if rows < columns else flat)
    q = q * np.sign(np.diagonal(r))  # so that each such matrix is equally likely
    q = (q.T if rows < columns else q) * gain
    return _written(tensor, creation.owned(np.ascontiguousarray(q).reshape(tuple(tensor.shape)), float64))


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Any = None) -> Tensor:
    """Normally, and in each column a fraction `sparsity` of zeros."""
    if len(tensor.shape) != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    values = draws.normal((rows, columns), 0.0, std, generator=generator)._buffer().copy()
    order = np.argsort(draws.uniform((rows, columns), generator=generator)._buffer(), axis=0)[: math.ceil(sparsity * rows)]
    np.put_along_axis(values, order, 0.0, axis=0)
    return _written(tensor, creation.owned(values, tensor.dtype))


__all__ = [
    "calculate_gain", "constant_", "dirac_", "eye_", "kaiming_normal_", "kaiming_uniform_", "normal_", "ones_", "orthogonal_",
    "sparse_", "trunc_normal_", "uniform_", "xavier_normal_", "xavier_uniform_", "zeros_",
]  # fmt: skip
