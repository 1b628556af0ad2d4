"""`nn.utils`: norms of gradients, and parameters as one vector."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..creation import tensor
from ..joining import cat
from ..kernel import Aval, Kernel
from ..modes import no_grad
from ..op import Op, converted, result_dtype
from ..tensor import Tensor


def _norm(*gradients: Any, p: float) -> Any:
    """The p-norm of all numbers together."""
    if p == math.inf:
        total = np.max(np.abs(gradients[0]))
        for g in gradients[1:]:
            total = np.maximum(total, np.max(np.abs(g)))
        return total
    total = 0.0
    for g in gradients:
        total = total + (np.sum(g * g) if p == 2 else np.sum(np.abs(g) ** p))
    return np.sqrt(total) if p == 2 else total ** (1.0 / p)


def _choose_norm(*types: Aval, p: float) -> Kernel:
    return converted(_norm, "LinalgVectorNorm", types, result_dtype(types), p=p)


def _factor(norm: Any, bound: Any) -> Any:
    """What to multiply by, so that a norm above the bound becomes the bound."""
    factor = bound / (norm + 1e-6)
    return np.where(factor < 1.0, factor, 1.0)


_norm_op = Op("norm", _choose_norm)
_factor_op = Op("factor", lambda norm, bound: converted(_factor, "Clamp", (norm, bound), norm.dtype))


def _gradients(parameters: Any) -> list[Tensor]:
    given = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return [p._grad for p in given if p._grad is not None]


@no_grad()
def get_total_norm(tensors: Any, norm_type: float = 2.0, error_if_nonfinite: bool = False) -> Tensor:
    """The norm of all tensors as one vector."""
    given = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if not given:
        return tensor(0.0)
    norm = _norm_op(*given, p=float(norm_type))
    if error_if_nonfinite and not math.isfinite(norm.item()):
        raise RuntimeError(
            f"The total norm of order {float(norm_type)} for gradients from `parameters` is non-finite, so it cannot be clipped. "
            "To disable this error and scale the gradients by the non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return norm


@no_grad()
def clip_grad_norm_(
    parameters: Any, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: Any = None
) -> Tensor:
    """Scale the gradients, in place, so that their norm (of all together) is at most max_norm; returns the norm before.

    >>> import jitgrad.eager as torch
    >>> w = torch.ones(4, requires_grad=True)
    >>> (w * 2).sum().backward()
    >>> torch.nn.utils.clip_grad_norm_([w], 1.0), w.grad
    (tensor(4.), tensor([0.5000, 0.5000, 0.5000, 0.5000]))
    """
    gradients = _gradients(parameters)
    norm = get_total_norm(gradients, norm_type, error_if_nonfinite)
    if gradients:
        factor = _factor_op(norm, float(max_norm))
        for g in gradients:
            g.mul_(factor.to(g.dtype))
    return norm


@no_grad()
def clip_grad_value_(parameters: Any, clip_value: float, foreach: Any = None) -> None:
    """Move each number of the gradients, in place, to the nearest in [-clip_value, clip_value]."""
    bound = float(clip_value)
    for g in _gradients(parameters):
        g.clamp_(-bound, bound)


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters one behind the other."""
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Write the parts of a vector to the parameters."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec).__name__}")
    at = 0
    for p in parameters:
        n = p.numel()
        p._replace(vec.detach()[at : at + n].reshape(tuple(p.shape)))
        at += n


__all__ = ["clip_grad_norm_", "clip_grad_value_", "get_total_norm", "parameters_to_vector", "vector_to_parameters"]
