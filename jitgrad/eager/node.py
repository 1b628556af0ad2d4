"""The recorded graph: values, most of them not computed yet, and the way of their gradients.

    value    ::= Node(buffer)                            a leaf: memory
               | Node(kernel, inputs)                    a recorded operation
               | Node(PICK k, (node of several results,))
    edges    ::= for each input of a node, where its gradient goes: a Node, a Leaf, another Edge, or None

A node is what PyTorch calls a `grad_fn` if it has edges. Values are immutable: writing in place makes a new node (`tensor.py`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from .kernel import Aval, Kernel, kernel

_count = itertools.count().__next__
now = _count  # a mark in the order of recording
E = TypeVar("E", bound="Edge")


class Edge:
    """Something gradients flow through. `edges`: where to; `seq`: later ones come first on the way back."""

    __slots__ = ("__weakref__", "edges", "hooks", "seq", "trace")

    edges: tuple[Edge | None, ...]
    hooks: dict[int, Callable[..., Any]] | None  # of its tensor: gradient -> gradient or None
    seq: int
    trace: Any  # where it was recorded, in anomaly mode
    results = 1  # how many gradients come in
    place = 0  # at which result of the next edge its gradient arrives (of one that picks a result)

    @property
    def label(self) -> str:
        raise NotImplementedError


def joined(edge: E, edges: Sequence[Edge | None]) -> E:
    """A new edge, in the graph: gradients go on to these."""
    edge.edges, edge.hooks, edge.trace, edge.seq = tuple(edges), None, None, _count()
    return edge


class Applied(Edge):
    """A kernel applied to inputs."""

    __slots__ = ("inputs", "kernel", "outs")

    kernel: Kernel
    inputs: tuple[Any, ...]
    outs: tuple[Aval, ...]  # types of all results

    @property
    def results(self) -> int:  # type: ignore[override]
        return len(self.outs)

    @property
    def label(self) -> str:
        return self.kernel.label


class Node(Applied):
    """A value: `buffer` in the storage form of its dtype if it is known, else `kernel` applied to `inputs`: Nodes and Python
    numbers. `aval` is the type of the first result."""

    __slots__ = ("age", "aval", "buffer", "owner", "spent")

    aval: Aval
    buffer: np.ndarray | None
    owner: Any  # whose value it is: a weak reference to a tensor, or HELD (by a storage, or by several); None: nobody's
    spent: Spent | None  # after its return sweep
    age: Age | None  # of what a storage holds: since when, and until when

    def is_held(self) -> bool:
        """Is there a tensor that may be asked for this value?"""
        return self.owner is not None and self.owner() is not None

    @property
    def place(self) -> int:  # type: ignore[override]
        return self.kernel.options["k"] if is_pick(self.kernel) else 0

    def __repr__(self) -> str:
        return f"<node {self.seq} {self.kernel.name} {self.aval}{'' if self.buffer is None else ' known'}>"


class Age:
    """A version of a storage. After the write that ended it, nodes recorded before `ended` must not read its values."""

    __slots__ = ("count", "ended", "version")

    def __init__(self, version: int, count: list[Any]) -> None:
        self.version, self.ended = version, -1
        self.count = count  # shared by all ages: the newest version, and what wrote it ("" where that is not recorded)

    def end(self, since: int, writer: str) -> Age:
        """A write begins the next age."""
        self.ended = since
        self.count[0] += 1
        self.count[1] = writer
        return Age(self.count[0], self.count)


def HELD() -> bool:
    """The owner of a node that somebody holds for good."""
    return True


class Leaf(Edge):
    """Where the gradient of a leaf tensor arrives: `accumulate(gradient)`."""

    __slots__ = ("after", "variable")

    variable: Any  # the tensor
    after: dict[int, Callable[..., Any]] | None  # hooks that run once the gradient is in

    label = "AccumulateGrad"

    def __init__(self, variable: Any) -> None:
        self.variable, self.after = variable, None
        joined(self, ())


class Part(Edge):
    """One of several results of an edge that is no recorded operation."""

    __slots__ = ("_place",)

    def __init__(self, whole: Edge, place: int) -> None:
        self._place = place
        joined(self, (whole,))

    @property
    def place(self) -> int:  # type: ignore[override]
        return self._place

    @property
    def label(self) -> str:
        assert self.edges[0] is not None
        return self.edges[0].label


class Spent(Applied):
    """What remains of a node after its return sweep: the shape of the graph, and types and numbers as inputs, but no values."""

    __slots__ = ()


def _known() -> None:
    """No operation: memory."""


MEMORY = kernel(_known, "Memory")


def leaf(buffer: np.ndarray, aval: Aval) -> Node:
    """A node of known value."""
    n = Node()
    n.kernel, n.inputs, n.edges, n.hooks, n.trace, n.spent, n.age, n.owner = MEMORY, (), (), None, None, None, None, None
    n.buffer, n.aval, n.seq, n.outs = buffer, aval, _count(), (aval,)
    return n


def record(k: Kernel, inputs: Sequence[Any], edges: tuple[Edge | None, ...], outs: tuple[Aval, ...] | None = None) -> Node:
    """The kernel applied to nodes and Python numbers; `edges` is () where no gradient flows; `outs`: types of the results."""
    n = Node()
    n.kernel, n.inputs, n.edges = k, tuple(inputs), edges
    n.hooks = n.buffer = n.trace = n.spent = n.age = n.owner = None
    if outs is None:
        outs = k.infer(types_of(inputs))
    n.outs = outs
    n.aval, n.seq = outs[0], _count()
    return n


def types_of(inputs: Sequence[Any]) -> tuple[Any, ...]:
    """The types of the inputs of a node; of one that is spent, they are types already."""
    return tuple([x.aval if type(x) is Node else x if type(x) is Aval else type(x) for x in inputs])


def _pick(*xs: Any, k: int) -> Any:
    return xs[k]


def is_pick(k: Kernel) -> bool:
    return k.body is _pick


def results(node: Node) -> tuple[Node, ...]:
    """A node for each result of a node."""
    if len(node.outs) == 1:
        return (node,)
    return tuple(_picked(node, k) for k in range(len(node.outs)))


def _picked(node: Node, k: int) -> Node:
    n = Node()
    n.kernel, n.inputs = kernel(_pick, node.kernel.name, k=k), (node,)
    n.hooks = n.buffer = n.trace = n.spent = n.age = n.owner = None
    n.aval, n.seq = node.outs[k], _count()
    n.edges = (node,) if node.edges and n.aval.dtype.differentiable else ()
    n.outs = (n.aval,)
    return n


def spend(node: Node, spent: dict[Edge | None, Edge]) -> None:
    """Let go of what the return sweep needed; `spent` has the nodes recorded before it."""
    s = Spent()
    s.kernel, s.outs, s.hooks, s.seq, s.trace = node.kernel, node.outs, node.hooks, node.seq, None
    s.inputs = tuple([x.aval if type(x) is Node else x for x in node.inputs])
    s.edges = node.edges = tuple(map(spent.get, node.edges, node.edges))  # what is not spent stays
    spent[node] = node.spent = s
    if node.buffer is not None:
        node.inputs = ()
