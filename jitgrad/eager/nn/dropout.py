"""Dropout as modules: active in training, the identity in evaluation."""

from __future__ import annotations

from collections.abc import Callable

from ..tensor import Tensor
from . import functional as F
from .module import Module


class _Dropout(Module):
    """p: the probability of a cell (or channel) to be dropped."""

    function: Callable[..., Tensor]

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p, self.inplace = p, inplace

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """Each cell zero with probability p, else divided by 1 - p."""

    function = staticmethod(F.dropout)


class Dropout1d(_Dropout):
    """Channels of (n, c, length)."""

    function = staticmethod(F.dropout1d)


class Dropout2d(_Dropout):
    """Channels of (n, c, h, w)."""

    function = staticmethod(F.dropout2d)


class Dropout3d(_Dropout):
    """Channels of (n, c, d, h, w)."""

    function = staticmethod(F.dropout3d)


class AlphaDropout(_Dropout):
    """Dropout for `SELU`."""

    function = staticmethod(F.alpha_dropout)


__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d"]
