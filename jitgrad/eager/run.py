"""Recorded values become known: the graph behind them is run as one program.

A program is found again by the structure of the graph: its kernels and how they hang together; sizes and the values of
floats are not part of it. A structure that is seen for the first time runs primitive by primitive, without compiling
(exploring in a notebook costs nothing); from `settings.compile_after` repetitions on it is one compiled program, fused.
Floats are literals of the program until one of them changes; from then on that one is a parameter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..api.programs import Function
from .kernel import Aval, Kernel
from .node import MEMORY, Node, is_pick


@dataclass
class Settings:
    """compile_after: how often a structure runs uncompiled. longest: nodes that may wait before they are run anyhow."""

    compile_after: int = 1
    longest: int = 2000
    programs: int = 512  # structures that are remembered


settings = Settings()


def known(node: Node) -> np.ndarray:
    """The value, in the storage form of its dtype."""
    if node.buffer is None:
        run([node])
    assert node.buffer is not None
    return node.buffer


def run(wanted: Sequence[Node]) -> None:
    """Make these nodes known, and all between them and what is known that somebody still holds."""
    graph = Graph(wanted)
    if graph.nodes:
        graph.run()


class Graph:
    """The nodes that have to be computed, in order; the memory they read; and the key of their structure."""

    def __init__(self, wanted: Sequence[Node]) -> None:
        self.nodes = pending(wanted)
        self.leaves: list[Node] = []
        self.floats: list[float] = []
        self.key = self._number()
        self.outs = self._held(wanted)

    def _number(self) -> tuple[Any, ...]:
        """The key, and with it `leaves` and `floats` in the order in which the program takes them.

        A node is its place; a leaf is the complement of its place among the leaves, named by rank and dtype at its first use.
        """
        places: dict[Node, int] = {}
        key: list[Any] = []
        leaves, floats = self.leaves, self.floats
        for at, node in enumerate(self.nodes):
            key.append(node.kernel)
            for x in node.inputs:
                t = type(x)
                if t is Node:
                    place = places.get(x)
                    if place is None:
                        place = places[x] = ~len(leaves)
                        leaves.append(x)
                        key.append(x.aval.dtype)
                        key.append(len(x.aval.shape))
                    key.append(place)
                elif t is float:
                    floats.append(x)
                    key.append(float)
                else:
                    key.append(t)
                    key.append(x)
            places[node] = at
        self.places = places
        return tuple(key)

    def _held(self, wanted: Sequence[Node]) -> list[int]:
        """The places of the nodes to keep: those wanted, and those that a tensor still holds."""
        keep = set(wanted)
        return [at for at, node in enumerate(self.nodes) if node in keep or node.is_held()]

    def run(self) -> None:
        key = (self.key, tuple(self.outs))
        entry = entries.get(key)
        if entry is None:
            while len(entries) >= settings.programs:
                entries.pop(next(iter(entries)))
            entry = entries[key] = Entry(list(self.floats))
        entry.seen += 1
        compiled = entry.seen > settings.compile_after
        for at, value in zip(self.outs, entry.call(self) if compiled else interpreted(self), strict=True):
            self.settle(self.nodes[at], value)

    def settle(self, node: Node, value: Any) -> None:
        node.buffer = stored(value, node.aval)
        if not node.edges:
            node.kernel, node.inputs = MEMORY, ()


def pending(wanted: Sequence[Node]) -> list[Node]:
    """What has to be computed, in the order in which it was recorded."""
    found: set[Node] = set()
    todo = [n for n in wanted if n.buffer is None]
    while todo:
        node = todo.pop()
        if node not in found:
            found.add(node)
            todo += [x for x in node.inputs if type(x) is Node and x.buffer is None and x not in found]
    return sorted(found, key=lambda n: n.seq)


def stored(value: Any, aval: Aval) -> np.ndarray:
    """A computed value in the storage form of its dtype."""
    d = aval.dtype
    out = np.asarray(value) if d.store is None else d.store(np.asarray(value, d.compute))
    return out if out.dtype == d.storage else out.astype(d.storage)


def loaded(node: Node) -> np.ndarray:
    """A known value as computation takes it."""
    load = node.aval.dtype.load
    assert node.buffer is not None
    return node.buffer if load is None else load(node.buffer)


# ---- without compiling


def interpreted(graph: Graph) -> list[Any]:
    """The values of the nodes that are kept; the others are forgotten after their last use."""
    last: dict[Node, int] = {}
    for at, node in enumerate(graph.nodes):
        for x in node.inputs:
            if type(x) is Node:
                last[x] = at
    keep = {graph.nodes[at] for at in graph.outs}
    values: dict[Node, Any] = {}
    for at, node in enumerate(graph.nodes):
        arrays = [_value(x, values) for x in node.inputs]
        got = arrays[0][node.kernel.options["k"]] if is_pick(node.kernel) else node.kernel.run(arrays)
        values[node] = got if is_pick(node.kernel) or len(node.outs) > 1 else got[0]
        for x in node.inputs:
            if type(x) is Node and last[x] == at and x not in keep:
                values.pop(x, None)
    return [values[graph.nodes[at]] for at in graph.outs]


def _value(x: Any, values: dict[Node, Any]) -> Any:
    if type(x) is not Node:
        return x
    return values[x] if x in values else loaded(x)


# ---- compiled


@dataclass(eq=False)
class Entry:
    """The programs of one structure: `function` takes the leaves, then the floats in `changing`; the others are literals."""

    floats: list[float]
    seen: int = 0
    changing: tuple[int, ...] = ()
    function: Function | None = field(default=None)

    def call(self, graph: Graph) -> Sequence[Any]:
        if graph.floats != self.floats:
            self._admit(graph.floats)
        if self.function is None:
            replay = Replay(graph, self.floats, self.changing)
            self.function = Function(replay, "eager", replay)
        arrays = [loaded(n) for n in graph.leaves]
        return self.function(*[x if x.ndim else x.reshape(1) for x in arrays], *[graph.floats[k] for k in self.changing])

    def _admit(self, floats: list[float]) -> None:
        """Floats that differ from the literals of the program become parameters."""
        differ = tuple(k for k, (a, b) in enumerate(zip(floats, self.floats, strict=True)) if not same(a, b))
        if not set(differ) <= set(self.changing):
            self.changing = tuple(sorted({*self.changing, *differ}))
            self.function = None


def same(a: float, b: float) -> bool:
    """Are they one literal? (nan is itself; 0.0 and -0.0 differ.)"""
    return (a == b and math.copysign(1.0, a) == math.copysign(1.0, b)) or (a != a and b != b)


class Replay:
    """A recorded graph as a function of arrays, for the tracer. It holds kernels and numbers, no nodes."""

    _jitgrad_trace_ = True
    __name__ = __qualname__ = "eager"
    __module__ = __name__
    __doc__ = None

    def __init__(self, graph: Graph, floats: Sequence[float], changing: Sequence[int]) -> None:
        self.flat = [not n.aval.compute[1] for n in graph.leaves]
        self.steps: list[tuple[Kernel, list[tuple[str, Any]]]] = []
        self.outs = graph.outs
        number = 0
        for node in graph.nodes:
            inputs: list[tuple[str, Any]] = []
            for x in node.inputs:
                if type(x) is Node:
                    at = graph.places[x]
                    inputs.append(("leaf", ~at) if at < 0 else ("node", at))
                elif type(x) is float:
                    inputs.append(("float", changing.index(number)) if number in changing else ("number", floats[number]))
                    number += 1
                else:
                    inputs.append(("number", x))
            self.steps.append((node.kernel, inputs))

    def __call__(self, *given: Any) -> tuple[Any, ...]:
        n = len(self.flat)
        leaves = [x.reshape(()) if flat else x for x, flat in zip(given[:n], self.flat, strict=True)]
        values: list[Any] = []
        read = {"leaf": leaves, "float": given[n:], "node": values}
        for k, inputs in self.steps:
            arrays = [x if kind == "number" else read[kind][x] for kind, x in inputs]
            values.append(k(*arrays) if not is_pick(k) else arrays[0][k.options["k"]])
        return tuple(values[at] for at in self.outs)


entries: dict[Any, Entry] = {}
