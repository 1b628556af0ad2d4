"""Recorded values become known: the graph behind them is run as one program.

A program is found again by the structure of the graph: its kernels and how they hang together; sizes and the values of
floats are not part of it (`entry.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from .entry import Entry, Step, Structure, settings, stored
from .node import MEMORY, Node

entries: dict[Any, Entry] = {}
latest = attrgetter("seq")

# Threads may share recorded values. Whoever reads the graph, or lets go of parts of it, holds this; computing goes on without.
graphs = threading.RLock()


def known(node: Node) -> np.ndarray:
    """The value, in the storage form of its dtype."""
    if node.buffer is None:
        run([node])
    assert node.buffer is not None
    return node.buffer


def run(wanted: Sequence[Node]) -> None:
    """Make these nodes known, and all between them and what is known that somebody still holds."""
    with graphs:
        graph = Graph([*wanted, *also()])
        given = graph.given() if graph.nodes else None
    if given is not None:
        graph.settle(graph.entry()(*given))


_soon: list[Node] = []


def soon(node: Node) -> None:
    """Make this node known together with whatever is run next: what a layer remembers of its input, say, which otherwise would
    hold on to the input for as long as nobody asks."""
    _soon.append(node)


def also() -> list[Node]:
    """What has to be made known soon."""
    found = _soon[:]
    _soon.clear()
    return found


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

    def _held(self, wanted: Sequence[Node]) -> tuple[int, ...]:
        """The places of the nodes to keep: those wanted, and those that a tensor still holds."""
        keep = set(wanted)
        return tuple([at for at, node in enumerate(self.nodes) if node in keep or node.is_held()])

    def entry(self) -> Entry:
        """What is remembered of this structure."""
        key = (self.key, self.outs)
        found = entries.get(key)
        if found is None:
            while len(entries) >= settings.programs:
                entries.pop(next(iter(entries)), None)
            found = entries[key] = Entry(self.structure(), self.floats)
        return found

    def structure(self) -> Structure:
        steps: list[Step] = []
        number = 0
        for node in self.nodes:
            inputs: list[tuple[str, Any]] = []
            for x in node.inputs:
                if type(x) is Node:
                    at = self.places[x]
                    inputs.append(("leaf", ~at) if at < 0 else ("node", at))
                elif type(x) is float:
                    inputs.append(("float", number))
                    number += 1
                else:
                    inputs.append(("number", x))
            steps.append((node.kernel, tuple(inputs)))
        return Structure(tuple(steps), tuple(not n.aval.compute[1] for n in self.leaves), self.outs)

    def given(self) -> tuple[tuple[Any, ...], list[np.ndarray], list[float]]:
        """What the entry takes."""
        return tuple([n.aval for n in self.leaves]), [loaded(n) for n in self.leaves], self.floats

    def settle(self, values: Sequence[Any]) -> None:
        with graphs:
            for at, value in zip(self.outs, values, strict=True):
                settle(self.nodes[at], value)


def settle(node: Node, value: Any) -> None:
    """The value of the node has been computed."""
    node.buffer = stored(value, node.aval.dtype)
    if not node.edges and node.spent is None:
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
    return sorted(found, key=latest)


def loaded(node: Node) -> np.ndarray:
    """A known value as computation takes it."""
    load = node.aval.dtype.load
    assert node.buffer is not None
    return node.buffer if load is None else load(node.buffer)
