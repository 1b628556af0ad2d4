"""The nonlinear functions with the arguments that they have here (`inplace`, a `dim` that may be missing, noise)."""

from __future__ import annotations

import warnings
from typing import Any

from ... import activations
from ...activations import (
    _out,
    _prelu,
    celu,
    elu,
    gelu,
    glu,
    hardshrink,
    hardtanh,
    leaky_relu,
    logsigmoid,
    prelu,
    relu6,
    selu,
    softplus,
    softshrink,
    softsign,
    tanhshrink,
    threshold,
)  # fmt: skip
from ...op import Op, converted
from ...tensor import Tensor
from ..draws import uniform

IMPLICIT = "Implicit dimension choice for {} has been deprecated. Change the call to include dim=X as an argument."


def _axis(name: str, rank: int, dim: int | None) -> int:
    if dim is None:
        warnings.warn(IMPLICIT.format(name), UserWarning, stacklevel=3)
        return 0 if rank in (0, 1, 3) else 1
    return dim


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """exp(x) divided by its sum over an axis."""
    return activations.softmax(input, _axis("softmax", len(input.shape), dim), dtype)


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """The logarithm of `softmax`, without overflow."""
    return activations.log_softmax(input, _axis("log_softmax", len(input.shape), dim), dtype)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """`softmax` of -x."""
    return activations.softmin(input, _axis("softmin", len(input.shape), dim), dtype)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """x where it is positive, else 0."""
    return _out(input, activations.relu(input), inplace)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x times sigmoid(x)."""
    return _out(input, activations.silu(input), inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x tanh(softplus(x))"""
    return _out(input, activations.mish(input), inplace)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """x / 6 + 1 / 2 between 0 and 1."""
    return _out(input, activations.hardsigmoid(input), inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x times hardsigmoid(x)."""
    return _out(input, activations.hardswish(input), inplace)


_rrelu = Op("rrelu", lambda x, slope: converted(_prelu, "RreluWithNoise", (x, slope), x.dtype))


def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """x where it is positive, else x times a slope drawn between the bounds (not in training: their mean)."""
    if not training:
        return leaky_relu(input, (lower + upper) / 2.0, inplace)
    slopes = uniform(tuple(input.shape), dtype=input.dtype) * (upper - lower) + lower
    return _out(input, _rrelu(input, slopes), inplace)


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """Draws from the distribution of softmax(logits), softened: softmax((logits + g) / tau) with Gumbel noise g.

    hard: one-hot draws, with the gradient of the soft ones.
    """
    noise = -((-(uniform(tuple(logits.shape), dtype=logits.dtype).clamp(1e-20)).log()).log())
    soft = activations.softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    values = soft.detach()
    chosen = (values == values.amax(dim, keepdim=True)).to(logits.dtype)
    return chosen - values + soft


__all__ = [
    "celu", "elu", "gelu", "glu", "gumbel_softmax", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu",
    "log_softmax", "logsigmoid", "mish", "prelu", "relu", "relu6", "rrelu", "selu", "silu", "softmax", "softmin", "softplus",
    "softshrink", "softsign", "tanhshrink", "threshold",
]  # fmt: skip
