"""Forward mode: dual tensors.

`make_dual(x, x_dot)` starts a recording like any other; `unpack_dual(y)` goes over the operations between in their order, each
with its pushforward, which is traced from its program like the pullback. Operations are recorded as for the return sweep, so
within a level `no_grad` is an error where it would lose a tangent.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

from .. import printing
from ..engine import PULL
from ..modes import modes
from ..node import Edge, Leaf, Node, Part, Spent, is_pick, joined, record, results
from ..plans import reached
from ..tensor import Tensor, zeros_of
from .function import Custom

Tangents = list["Tensor | None"]  # one for each result of an edge


class UnpackedDualTensor(NamedTuple):
    """A tensor, and its directional derivative (None: it does not depend on a dual tensor)."""

    primal: Tensor
    tangent: Tensor | None


class Dual(Edge):
    """Where a tangent comes in; gradients pass through."""

    __slots__ = ("level", "tangent")

    tangent: Tensor
    level: int

    label = "MakeDualBackward0"


PULL[Dual] = lambda edge, grads, wanted: grads


@contextlib.contextmanager
def dual_level() -> Iterator[int]:
    """Within, tensors can be dual.

    >>> import jitgrad.eager as torch, jitgrad.eager.autograd.forward_ad as fwAD
    >>> with fwAD.dual_level():
    ...     x = fwAD.make_dual(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0]))
    ...     fwAD.unpack_dual(x * x).tangent
    tensor([2., 0.])
    """
    level = enter_dual_level()
    try:
        yield level
    finally:
        exit_dual_level(level=level)


def enter_dual_level() -> int:
    """Open a level."""
    if modes.duals:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    modes.duals += 1
    return modes.duals - 1


def exit_dual_level(*, level: int | None = None) -> None:
    """Close the level."""
    if not modes.duals:
        raise RuntimeError("Trying to exit a forward AD level but no level is currently active")
    modes.duals -= 1
    _serial[0] += 1


_serial = [0]  # which level is open: tangents of an older one are gone


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """The tensor with a tangent of its type and shape. It shares its memory."""
    if not modes.duals:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first."
        )
    for name, x in (("primal", tensor), ("tangent", tangent)):
        if not x.dtype.differentiable:
            raise ValueError(f"Expected {name} to be floating point or complex, but got: {x.dtype}")
    if tensor.shape != tangent.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original Tensor, this is not "
            "supported. Tensor "
            f"is of size {list(tensor.shape)} while the given forward gradient is of size {list(tangent.shape)}."
        )
    if tensor.dtype is not tangent.dtype:
        raise RuntimeError(f"Expected tangent to have the dtype of the tensor, {tensor.dtype}, but got {tangent.dtype}")
    edge = joined(Dual(), (tensor._gradient_edge(),))
    edge.tangent, edge.level = tangent, _serial[0]
    out = tensor.detach()
    out._edge = edge
    return out


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """The tensor without its tangent, and the tangent (None if it has none, or if its level is closed)."""
    edge = tensor._current_edge()
    if edge is None:
        return UnpackedDualTensor(tensor, None)
    found = tangent_of(edge) if modes.duals else None
    return UnpackedDualTensor(tensor if is_tracked(tensor) else tensor.detach(), found)


printing.UNPACK[0] = unpack_dual


def tangent_of(edge: Edge) -> Tensor | None:
    """The forward sweep: the tangent at this edge."""
    dots: dict[Edge, Tangents] = {}
    for e in reversed(reached([edge])):
        if isinstance(e, Dual):
            if e.level == _serial[0]:
                dots[e] = [e.tangent]
            continue
        found = [dots[n][e.place if n.results > 1 else 0] if n in dots else None for n in e.edges if n is not None]
        if any(t is not None for t in found):
            ins = iter(found)
            dots[e] = push(e, [None if n is None else next(ins) for n in e.edges])
    return dots[edge][0] if edge in dots else None


def push(e: Edge, dots: Tangents) -> Tangents:
    """The tangents of the results, given those that come in along the edges."""
    if isinstance(e, Part):
        return dots
    if isinstance(e, Custom):
        return push_custom(e, dots)
    if isinstance(e, Spent) or (isinstance(e, Node) and e.spent is not None):
        raise RuntimeError("unpack_dual after a return sweep has freed the graph: call it before, or retain the graph")
    if not isinstance(e, Node):
        raise NotImplementedError(f"forward mode through {e.label} is not supported")
    return dots if is_pick(e.kernel) else push_node(e, dots)


def push_node(node: Node, dots: Tangents) -> Tangents:
    """The pushforward of the node's kernel, recorded."""
    wrt = tuple(k for k, t in enumerate(dots) if t is not None)
    given = [t for t in dots if t is not None]
    k = node.kernel.pushforward(wrt)
    edges: tuple[Edge | None, ...] = (*outer(node.edges), *[t._gradient_edge() for t in given])
    made = record(k, (*node.inputs, *[t._value() for t in given]), edges if any(e is not None for e in edges) else ())
    found = iter(results(made))
    moving = [o.dtype.differentiable for o in node.outs]
    nodes = [next(found) if on else None for on in moving]
    return [None if n is None else Tensor(n, n if n.edges else None) for n in nodes]


def outer(edges: tuple[Edge | None, ...]) -> tuple[Edge | None, ...]:
    """The way of gradients, where it leads to a leaf: the tangent may be differentiated too."""
    return tuple(e if e is not None and leads_to_leaf(e) else None for e in edges)


def push_custom(edge: Custom, dots: Tangents) -> Tangents:
    """By the user's `jvp`."""
    count = len(edge.ctx.needs_input_grad)
    given: list[Tensor | None] = [None] * count
    for k, t, dot in zip(edge.places, edge.inputs, dots, strict=True):
        given[k] = dot if dot is not None or not edge.ctx.materialize_grads else zeros_of(t)
    got = edge.cls.jvp(edge.ctx, *given)
    found = list(got) if isinstance(got, (tuple, list)) else [got]
    if len(found) != len(edge.outs):
        raise RuntimeError(
            f"{edge.cls.__name__}.jvp returned {len(found)} tangents for {len(edge.outs)} results"
        )
    return [t if t is None or is_tracked(t) else t.detach() for t in found]


def is_tracked(t: Tensor) -> bool:
    """Does its gradient go to a leaf? That of what was computed from dual tensors may end there."""
    edge = t._gradient_edge()
    return edge is not None and leads_to_leaf(edge)


def leads_to_leaf(edge: Edge) -> bool:
    return any(isinstance(e, Leaf) for e in reached([edge]))


__all__ = [
    "UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual", "unpack_dual",
]  # fmt: skip
