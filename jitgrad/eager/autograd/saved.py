"""What is kept for the return sweep of a custom `Function`, and the hooks that see it come and go.

A tensor is kept with its version: reading it after it was overwritten is an error. `saved_tensors_hooks(pack, unpack)` keeps
`pack(x)` instead, and `unpack` of that is read.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from weakref import ref

from ..engine import outdated
from ..modes import Mode, modes
from ..node import Edge
from ..tensor import Tensor

Hook = Callable[[Any], Any]


class Saved:
    """One tensor that is kept. `edge`: where the gradient of what is read goes."""

    __slots__ = ("edge", "packed", "tensor", "unpack", "version")

    def __init__(self, x: Tensor, result_of: Edge | None = None) -> None:
        """result_of: where the gradient of a result will go. Its value is kept, not itself: it holds the graph that holds us."""
        self.version, self.unpack, self.packed = x._version, None, None
        self.tensor: Tensor | None = x if result_of is None else x.detach()
        self.edge: Callable[[], Edge | None] | None = None if result_of is None else ref(result_of)
        if modes.saved:
            pack, self.unpack = modes.saved[-1]
            if result_of is None:
                found = x._gradient_edge()
                self.edge = partial(_same, found)
            with Mode(grad=False, saved=()):
                self.packed = pack(x.detach())
            self.tensor = None

    def read(self) -> Tensor:
        if self.unpack is not None:
            with Mode(saved=()):
                x = self.unpack(self.packed)
            if not isinstance(x, Tensor):
                raise TypeError(f"Output of saved tensor unpack_hook expected to be a Tensor but got result of type {type(x)}")
            return with_edge(x, self._edge())
        x = self.tensor
        assert x is not None
        if x._version != self.version:
            outdated(x, self.version)
        return x if self.edge is None else with_edge(x, self._edge())

    def _edge(self) -> Edge | None:
        return None if self.edge is None else self.edge()


def _same(x: Any) -> Any:
    return x


def with_edge(x: Tensor, edge: Edge | None) -> Tensor:
    """The value of a tensor, with its gradient going there."""
    out = x.detach()
    out._edge = edge
    return out


@contextlib.contextmanager
def saved_tensors_hooks(pack_hook: Hook, unpack_hook: Hook) -> Iterator[None]:
    """Within, what operations keep for the return sweep goes through `pack_hook`, and through `unpack_hook` when it is read.

    >>> import jitgrad.eager as torch
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> with torch.autograd.graph.saved_tensors_hooks(lambda t: t.numpy(), torch.from_numpy):
    ...     y = (x * x).sum()
    >>> y.backward(); x.grad
    tensor([2., 4.])
    """
    if modes.refused:
        raise RuntimeError(modes.refused)
    with Mode(saved=(*modes.saved, (pack_hook, unpack_hook)), watch=True):
        yield


__all__ = ["Saved", "saved_tensors_hooks", "with_edge"]
