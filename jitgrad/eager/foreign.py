"""jitgrad's functions on tensors: `jg.grad(f)(tensor)`, and `torch.from_jitgrad(f)` for a plain function of arrays.

The function is compiled as it is called on arrays, with the guards of that; its gradient is jitgrad's pullback of it, called on
tensors in the same way, so any order.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..api import derive
from ..api.programs import Function as Compiled
from ..api.public import made
from ..errors import Unsupported, raise_at
from ..front.trace import Out
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

    Arguments are as those of `f`, tensors, arrays and numbers mixed. In the results tensors stand for arrays and computed
    floats; integers stay integers. Real dtypes only. A function that writes into a tensor is refused.

    What `jitgrad.jit`, `grad`, `value_and_grad`, `jacobian`, `vmap` and the like return takes tensors without it.

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
    def call(*args: Any, **kwargs: Any) -> Any:
        return apply(f, args, kwargs)

    return call


@dataclass(frozen=True)
class Named:
    """`f` with the last of its arguments under these names."""

    f: Function
    names: tuple[str, ...]

    _jitgrad_trace_: ClassVar[bool] = True

    @property
    def __name__(self) -> str:
        return name_of(self.f)

    def __call__(self, *args: Any) -> Any:
        n = len(args) - len(self.names)
        return self.f(*args[:n], **dict(zip(self.names, args[n:], strict=True)))


def apply(f: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The value of `f` on tensors, recorded. It is `Tensor.__jitgrad_function__`."""
    if kwargs:
        f, args = Named(f, tuple(kwargs)), (*args, *kwargs.values())
    leaves, tree = flatten(args, "args")
    places = tuple(k for k, x in enumerate(leaves) if isinstance(x, Tensor))
    arrays = [array(x) if isinstance(x, Tensor) else x for x in leaves]
    # What `jit` returns would write into the memory of tensors.
    function = f if isinstance(f, Compiled) and f.what != "jit" else made(f, "value", lambda: f)
    program, value = function.with_program(*tree.unflatten(arrays))
    traced = program.traced
    for k in traced.written:
        if k in places:
            raise_at(
                Unsupported,
                f"`{name_of(f)}` writes into its argument `{traced.names[k]}`, which is a tensor",
                wanted="a function of tensors that returns what is new",
                got="an assignment to its elements",
                repair="write into a copy (x = x.copy()) and return it",
            )
    found, result = flatten(value, "result")
    outs = [tensor(y) if is_computed(y, o) else y for y, o in zip(found, traced.outs, strict=True)]
    edges = tuple(leaves[k]._gradient_edge() for k in places)
    if modes.grad and any(e is not None for e in edges):
        join(f, leaves, tree, places, edges, outs, result)
    return result.unflatten(outs)


def is_computed(y: Any, out: Out) -> bool:
    """Is the leaf of a result an array, or a float that may depend on one?"""
    return isinstance(y, (np.ndarray, np.generic)) or (isinstance(y, float) and out.kind == "scalar")


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
    bars = apply(back, (edge.tree.unflatten(list(edge.leaves)), edge.result.unflatten(given)), {})
    found = flatten(bars, "bars")[0]
    return [as_tensor(found[k], edge.leaves[k]) if w else None for k, w in zip(edge.places, wanted, strict=True)]


def as_tensor(bar: Any, x: Tensor) -> Tensor | None:
    if bar is None:
        return None
    found = bar if isinstance(bar, Tensor) else tensor(bar)
    return found if found.dtype is x.dtype else found.to(x.dtype)


PULL[Foreign] = pull_foreign

__all__ = ["from_jitgrad"]
