"""Dropout: cells set to zero at random, the others scaled so that the mean stays. Which cells, is drawn at once."""

from __future__ import annotations

from typing import Any

from ... import dtypes
from ...creation import owned
from ...kernel import Aval, Kernel
from ...op import Op, converted
from ...run import known
from ...tensor import Tensor
from ..draws import uniform

# For alpha dropout: what selu gives to minus infinity.
ALPHA = -1.7580993408473766


def keep_mask(shape: tuple[int, ...], p: float) -> Tensor:
    """Which cells are kept: each with probability 1 - p."""
    return owned(known(uniform(shape)._value()) >= p, dtypes.bool)


def _dropped(x: Any, keep: Any, scale: float) -> Any:
    return x * (keep.astype(x.dtype) * scale)


def _alpha_dropped(x: Any, keep: Any, a: float, b: float) -> Any:
    """Dropped cells become ALPHA; a and b restore mean 0 and variance 1."""
    kept = keep.astype(x.dtype)
    return (x * kept + ALPHA * (1.0 - kept)) * a + b


def _op(body: Any, node: str) -> Op:
    def choose(x: Aval, keep: Aval, **options: Any) -> Kernel:
        return converted(body, node, (x,), x.dtype, **options)

    return Op("dropout", choose)


_dropout, _alpha = _op(_dropped, "Mul"), _op(_alpha_dropped, "Add")


def _checked(p: float) -> float:
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    return float(p)


def _drop(x: Tensor, p: float, training: bool, inplace: bool, shape: tuple[int, ...], alpha: bool = False) -> Tensor:
    p = _checked(p)
    if not training or p == 0 or not x.numel():
        return x
    keep = keep_mask(shape, p)
    if alpha:
        q = 1.0 - p
        a = (q + ALPHA * ALPHA * q * p) ** -0.5 if q else 0.0
        y = _alpha(x, keep, a=a, b=-a * ALPHA * p)
    else:
        y = _dropout(x, keep, scale=1.0 / (1.0 - p) if p < 1 else 0.0)
    return x._write(y) if inplace else y


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Each cell zero with probability p, else divided by 1 - p. Not in training: the input itself."""
    return _drop(input, p, training, inplace, tuple(input.shape))


def _channels(x: Tensor) -> tuple[int, ...]:
    return (*x.shape[:2], *(1,) * (len(x.shape) - 2))


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Whole channels of (n, c, length) or (c, length) zero with probability p."""
    return _features(input, p, training, inplace, 1)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Whole channels of (n, c, h, w) zero with probability p."""
    return _features(input, p, training, inplace, 2)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Whole channels of (n, c, d, h, w) zero with probability p."""
    return _features(input, p, training, inplace, 3)


def _features(x: Tensor, p: float, training: bool, inplace: bool, n: int) -> Tensor:
    single = n == 1 and len(x.shape) == 2
    return _drop(x, p, training, inplace, (x.shape[0], 1) if single else _channels(x))


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout for `selu`: mean 0 and variance 1 stay."""
    return _drop(input, p, training, inplace, tuple(input.shape), alpha=True)


__all__ = ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d"]
