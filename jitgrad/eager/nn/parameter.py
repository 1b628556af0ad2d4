"""Tensors that a module learns."""

from __future__ import annotations

from typing import Any

from ..creation import empty
from ..tensor import Tensor


class Parameter(Tensor):
    """A leaf tensor that a module lists among its parameters. Shares the memory of the tensor it is made from.

    >>> import jitgrad.eager as torch
    >>> torch.nn.Parameter(torch.zeros(2))
    Parameter containing:
    tensor([0., 0.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None:
        source = empty(0) if data is None else data
        super().__init__(source._node)
        self._replace(source)
        self.requires_grad_(requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class Buffer(Tensor):
    """A tensor of a module that is part of its state and is not learnt."""

    __slots__ = ()

    def __init__(self, data: Tensor, persistent: bool = True) -> None:
        super().__init__(data._node)
        self._replace(data)
        self.persistent: Any = persistent
