"""`torch.autograd.graph`: the steps of a recorded graph, and hooks on what they keep."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..grad_fn import GradFn as Node
from ..grad_fn import pair
from ..modes import Mode
from ..tensor import Tensor
from . import packing  # noqa: F401  (registers itself)
from .saved import saved_tensors_hooks


class GradientEdge(NamedTuple):
    """A step of the graph, and one of its results."""

    node: Any
    output_nr: int


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """Where the gradient of a tensor goes."""
    edge = tensor._gradient_edge()
    if edge is None:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    return GradientEdge(*pair(edge))


@contextlib.contextmanager
def save_on_cpu(pin_memory: bool = False, device_type: str = "cpu") -> Iterator[None]:
    """Tensors live on the CPU: nothing is done."""
    yield


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Within, `saved_tensors_hooks` is an error with this message."""
    with Mode(refused=error_message):
        yield


def increment_version(tensor: Tensor) -> None:
    """Mark a tensor as written, as if it were overwritten with its own value."""
    with Mode(grad=False):
        tensor._write(tensor.detach().clone())


__all__ = [
    "GradientEdge", "Node", "disable_saved_tensors_hooks", "get_gradient_edge", "increment_version", "save_on_cpu",
    "saved_tensors_hooks",
]  # fmt: skip
