"""jitgrad's functions on tensors: `torch.from_jitgrad(f)` for a function of arrays, a plain one or say `jg.grad(f)`.

The function is compiled as it is called on arrays, with the guards of that; its gradient is jitgrad's pullback of it, called on
tensors in the same way, so any order.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..api import derive
from ..api.public import made
from ..front.tree import TreeDef, flatten
from . import dtypes
from .engine import PULL, TWICE, Grads, Releasable, outdated
from .kernel import Aval
from .modes import modes
from .node import Edge, Part, joined
from .tensor import Tensor, numbers, of_buffer, zeros_of

Function = Callable[..., Any]


class Foreign(Releasable):
    """A call in the graph. `leaves`: of its arguments, tensors and others; None when they are let go."""

    __slots__ = ("f", "leaves", "outs", "places", "result", "tree", "versions")

    f: Function
    leaves: Sequence[Any] | None
    places: tuple[int, ...]  # which leaves are tensors
    versions: tuple[int, ...]
    tree: TreeDef
    result: TreeDef
    outs: tuple[Aval | None, ...]  # types of the leaves of the result that have a derivative

    @property
    def results(self) -> int:  # type: ignore[override]
        return len(self.outs)

    @property
    def label(self) -> str:
        return "".join(w.capitalize() for w in name_of(self.f).split("_")) + "Backward"

    def release(self) -> None:
        self.leaves = None


def name_of(f: Function) -> str:
    name = getattr(f, "__name__", "function")
    return name if name.isidentifier() else "lambda"


def from_jitgrad(f: Function) -> Function:
    """The function of arrays `f` as a function of tensors, differentiable to any order.

    Arguments and results are as those of `f`, with tensors in the place of arrays; numbers stay numbers. Real dtypes only.

    >>> import jitgrad.eager as torch
    >>> def total(x):
    ...     s = 0.0
    ...     for i in range(x.shape[0]):
    ...         s += x[i] ** 3
    ...     return s
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> y = torch.from_jitgrad(total)(x)
    >>> y.backward(); x.grad
    tensor([ 3., 12.])
    """

    @functools.wraps(f, updated=())
    def call(*args: Any) -> Any:
        return apply(f, args)

    return call


def apply(f: Function, args: tuple[Any, ...]) -> Any:
    """The value of `f` on tensors, recorded."""
    leaves, tree = flatten(args, "args")
    places = tuple(k for k, x in enumerate(leaves) if isinstance(x, Tensor))
    arrays = [array(x) if isinstance(x, Tensor) else x for x in leaves]
    value = made(f, "value", lambda: f)(*tree.unflatten(arrays))
    found, result = flatten(value, "result")
    outs = [tensor(y) if isinstance(y, (np.ndarray, np.generic)) else y for y in found]
    edges = tuple(leaves[k]._gradient_edge() for k in places)
    if modes.grad and any(e is not None for e in edges):
        join(f, leaves, tree, places, edges, outs, result)
    return result.unflatten(outs)


def array(x: Tensor) -> np.ndarray:
    if x.dtype.is_complex:
        raise TypeError("jitgrad's functions take real arrays; got a complex tensor (torch.view_as_real gives a real one)")
    return numbers(x)


def tensor(y: Any) -> Tensor:
    buffer = np.array(y, order="C")
    return of_buffer(buffer, Aval.of(dtypes.BY_NUMPY[buffer.dtype], buffer.shape))


def join(
    f: Function, leaves: list[Any], tree: TreeDef, places: tuple[int, ...], edges: tuple[Edge | None, ...], outs: list[Any],
    result: TreeDef,
) -> None:  # fmt: skip
    """Give the results their way back."""
    edge = joined(Foreign(), edges)
    edge.f, edge.leaves, edge.tree, edge.places, edge.result = f, leaves, tree, places, result
    edge.versions = tuple(leaves[k]._version for k in places)
    differ = [isinstance(y, Tensor) and y.dtype.differentiable for y in outs]
    edge.outs = tuple(y._node.aval if on else None for y, on in zip(outs, differ, strict=True))
    for k, (y, on) in enumerate(zip(outs, differ, strict=True)):
        if on:
            y._edge = Part(edge, k) if len(outs) > 1 else edge


def pull_foreign(edge: Foreign, grads: Grads, wanted: Sequence[bool]) -> Grads:
    """jitgrad's pullback, called on tensors."""
    if edge.leaves is None:
        raise RuntimeError(TWICE)
    for k, version in zip(edge.places, edge.versions, strict=True):
        if edge.leaves[k]._version != version:
            outdated(edge.leaves[k], version)
    given = [None if t is None else zeros_of(t) if g is None else g for g, t in zip(grads, edge.outs, strict=True)]
    f = edge.f
    back = made(f, "vjp", lambda: derive.Pullback(f))
    bars = apply(back, (edge.tree.unflatten(list(edge.leaves)), edge.result.unflatten(given)))
    found = flatten(bars, "bars")[0]
    return [as_tensor(found[k], edge.leaves[k]) if w else None for k, w in zip(edge.places, wanted, strict=True)]


def as_tensor(bar: Any, x: Tensor) -> Tensor | None:
    if bar is None:
        return None
    found = bar if isinstance(bar, Tensor) else tensor(bar)
    return found if found.dtype is x.dtype else found.to(x.dtype)


PULL[Foreign] = pull_foreign

__all__ = ["from_jitgrad"]
