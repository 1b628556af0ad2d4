"""`Variable`: PyTorch's old name of a tensor that tracks gradients. Every tensor is one; making one gives a tensor."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor


class _Meta(type):
    def __instancecheck__(cls, x: object) -> bool:
        return isinstance(x, Tensor)


class Variable(metaclass=_Meta):
    """`Variable(tensor, requires_grad=True)` is a tensor on the memory of `tensor`.

    >>> import jitgrad.eager as torch
    >>> v = torch.autograd.Variable(torch.ones(2), requires_grad=True)
    >>> type(v) is torch.Tensor, isinstance(torch.ones(1), torch.autograd.Variable)
    (True, True)
    """

    def __new__(cls, data: Tensor, requires_grad: bool = False, volatile: Any = None) -> Any:
        if not isinstance(data, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        return data.detach().requires_grad_(requires_grad)


__all__ = ["Variable"]
