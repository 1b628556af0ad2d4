"""What a user sees of the graph: `tensor.grad_fn`, with PyTorch's names."""

from __future__ import annotations

from typing import Any

from .kernel import Kernel
from .node import Edge, Leaf, Node, Part, is_pick, types_of

# What PyTorch calls the operation whose result a pullback's first result is, by the last primitive of the pullback.
NAMES = {
    "mul": "Mul", "add": "Add", "sub": "Sub", "neg": "Neg", "div": "Div", "sum": "Sum", "broadcast": "Expand", "matmul": "Mm",
    "transpose": "T", "reshape": "View", "where": "Where", "cast": "ToCopy", "pow": "Pow", "exp": "Exp", "cos": "Cos",
    "sin": "Sin",
}  # fmt: skip


class GradFn:
    """A step of the graph; equal to another one that stands for the same step."""

    __slots__ = ("_edge",)

    def __init__(self, edge: Edge) -> None:
        self._edge = edge

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GradFn) and other._edge is self._edge

    def __hash__(self) -> int:
        return hash(self._edge)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} object at {id(self._edge):#x}>"

    def name(self) -> str:
        """PyTorch's name of the step."""
        return type(self).__name__

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """Where the gradients go: (step, which of its results) for each input; (None, 0) where none goes."""
        return tuple(pair(e) for e in self._edge.edges)

    @property
    def variable(self) -> Any:
        """The leaf, of an AccumulateGrad."""
        if isinstance(self._edge, Leaf):
            return self._edge.variable
        raise AttributeError(f"'{type(self).__name__}' object has no attribute 'variable'")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._edge, name)


_classes: dict[str, type] = {}


def grad_fn(edge: Edge) -> GradFn:
    """The step of which a tensor with this edge is a result."""
    seen = edge.edges[0] if isinstance(edge, Part) or (isinstance(edge, Node) and is_pick(edge.kernel)) else edge
    assert seen is not None
    name = label(seen)
    if name not in _classes:
        _classes[name] = type(name, (GradFn,), {"__slots__": ()})
    return _classes[name](seen)


def pair(edge: Edge | None) -> tuple[Any, int]:
    return (None, 0) if edge is None else (grad_fn(edge), edge.place)


def label(edge: Edge) -> str:
    """The name of a step; that of a pullback after the last thing it does."""
    k = getattr(edge, "kernel", None)
    if not isinstance(k, Kernel) or k.primal is None:
        return edge.label
    held = edge.spent if isinstance(edge, Node) and edge.spent is not None else edge
    op = k.last_op(types_of(held.inputs))  # type: ignore[attr-defined]
    return (NAMES.get(op, op.capitalize()) if op else k.name) + "Backward0"
