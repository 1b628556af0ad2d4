"""Return sweeps that are found again: what a sweep records follows from the structure of the graph that it walks.

    Region(graph) -- key --> Plan: an entry (`entry.py`), and which of its values are whose gradients

The sweep (`engine.py`) stays the meaning. It records pullbacks, they run, and a plan of that is kept under the key of the
region. The next region of this key needs no recording: its leaves and floats go into the entry. Where Python has a say in the
sweep (hooks, custom functions, anomaly mode), where gradients are added to earlier ones, or graphs are made of the gradients,
there is no plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .entry import Entry, stored
from .kernel import Aval
from .node import Edge, Leaf, Node, leaf
from .run import Graph, latest, loaded, settle

PLANS = 512  # that are remembered
plans: dict[Any, Plan] = {}


class Region:
    """What a sweep depends on: the nodes that it comes by or computes, in order; the memory they read; the key of all that.

    `key` is None where there is no plan for such a graph.
    """

    __slots__ = ("ends", "floats", "key", "leaves", "nodes", "order", "places")

    def __init__(self, roots: Sequence[tuple[Edge, Node]], targets: Sequence[Edge] | None, keep: Sequence[Node]) -> None:
        self.order = reached([e for e, _ in roots])
        self.leaves: list[Node] = []
        self.floats: list[float] = []
        self.ends: dict[Edge, int] = {}
        self.places: dict[Node, int] = {}
        self.nodes: list[Node] = []
        self.key = self._key(roots, targets, keep) if self._plain(targets) else None

    def _plain(self, targets: Sequence[Edge] | None) -> bool:
        """Is everything on the way a recorded operation or a leaf, and has Python no say in what happens there?"""
        for e in self.order:
            if e.hooks:
                return False
            if type(e) is Leaf:
                x = e.variable
                if x._after or not x._needs or (targets is None and x._grad is not None):
                    return False
                self.ends[e] = len(self.ends)
            elif type(e) is not Node or e.spent is not None:
                return False
        return True

    def _collect(self, more: list[Node]) -> set[Node]:
        """Puts the tape, and what has to be computed for its values, in `nodes`; the tape."""
        tape: set[Any] = {e for e in self.order if type(e) is Node}
        found = set(tape)
        todo = [n for n in more if n.buffer is None]
        for node in tape:
            for x in node.inputs:
                if type(x) is Node and x.buffer is None and x not in found:
                    todo.append(x)
        while todo:
            node = todo.pop()
            if node not in found:
                found.add(node)
                todo += [x for x in node.inputs if type(x) is Node and x.buffer is None and x not in found]
        self.nodes = sorted(found, key=latest) if len(found) > len(tape) else [e for e in reversed(self.order) if type(e) is Node]
        return tape

    def _key(self, roots: Sequence[tuple[Edge, Node]], targets: Sequence[Edge] | None, keep: Sequence[Node]) -> Any:
        """The kernels and how they hang together, forwards (inputs) and backwards (edges). None: a value has been overwritten."""
        tape = self._collect([*[g for _, g in roots], *keep])
        key: list[Any] = []
        put = key.append
        places, ends, floats, read = self.places, self.ends, self.floats, self._read
        for at, node in enumerate(self.nodes):
            on_tape = node in tape
            owner = node.owner
            put(node.kernel)
            put((4 if on_tape else 0) + (2 if node.buffer is not None else 1 if owner is not None and owner() is not None else 0))
            if on_tape and node.age is not None and node.age.ended >= 0 and node.kernel.saves == "result":
                return None
            for x in node.inputs:
                t = type(x)
                if t is Node:
                    place = places.get(x)
                    put(read(x, key) if place is None else place)
                    if x.age is not None and node.seq < x.age.ended:
                        return None
                elif t is float:
                    floats.append(x)
                    put(t)
                else:
                    put(t)
                    put(x)
            if on_tape:
                for e in node.edges:
                    put(None if e is None else places[e] if type(e) is Node else (ends[e],))
            places[node] = at
        for e, g in roots:
            put(places[e] if type(e) is Node else (ends[e],))
            put(places[g] if g in places else read(g, key))
        for n in keep:
            put(places[n] if n in places else read(n, key))
        if targets is not None:
            put(tuple([places.get(e, -1) if type(e) is Node else (ends.get(e),) for e in targets]))
        put((len(roots), len(keep)))
        return tuple(key)

    def _read(self, x: Node, key: list[Any]) -> int:
        """The place of memory that is read for the first time."""
        place = self.places[x] = ~len(self.leaves)
        self.leaves.append(x)
        key.append(x.aval.dtype)
        key.append(len(x.aval.shape))
        return place

    def at(self, place: int) -> Node:
        return self.nodes[place] if place >= 0 else self.leaves[~place]


@dataclass(frozen=True)
class Plan:
    """How to get the gradients of a region from an entry.

    leaves, floats: those of the region that the entry takes. values: the place in the region of each result of the entry; None: a
    gradient, or nothing of interest. grads: (which leaf edge or target, which result; or the place of the root's gradient that it
    is). dtypes: of the results.
    """

    entry: Entry
    leaves: tuple[int, ...]
    floats: tuple[int, ...]
    values: tuple[int | None, ...]
    grads: tuple[tuple[int, int], ...]
    dtypes: tuple[Any, ...]

    def given(self, region: Region) -> tuple[tuple[Aval, ...], list[np.ndarray], list[float]]:
        """What the entry takes."""
        leaves = [region.at(k) for k in self.leaves]
        floats = region.floats
        return tuple([n.aval for n in leaves]), [loaded(n) for n in leaves], [floats[k] for k in self.floats]

    def settle(self, region: Region, values: Sequence[Any]) -> list[Node]:
        """What was wanted of the region is known; the nodes of the gradients."""
        made: dict[int, Node] = {}
        for at, value in zip(self.values, values, strict=True):
            if at is not None:
                settle(region.nodes[at], value)
        out = []
        for _, k in self.grads:
            if k < 0:
                out.append(region.leaves[~k])
                continue
            at = self.values[k]
            if at is not None:
                out.append(region.nodes[at])
                continue
            if k not in made:
                buffer = stored(values[k], self.dtypes[k])
                made[k] = leaf(buffer, Aval.of(self.dtypes[k], buffer.shape))
            out.append(made[k])
        return out


def remember(
    region: Region, graph: Graph, entry: Entry, pulls: Sequence[tuple[Node, Node]], grads: Sequence[tuple[int, Node]]
) -> None:
    """Keep the plan of what was recorded.

    pulls: the recorded pullbacks, each with the node that it is of; grads: (which leaf edge or target, its node).
    """
    numbers: dict[tuple[Node, int], int] = {}
    for node in region.nodes:
        for k, x in enumerate(node.inputs):
            if type(x) is float:
                numbers[node, k] = len(numbers)
    of = dict(pulls)
    floats = [numbers.get((of.get(n, n), k)) for n in graph.nodes for k, x in enumerate(n.inputs) if type(x) is float]
    leaves = [region.places.get(n) for n in graph.leaves]
    outs = {graph.nodes[at]: k for k, at in enumerate(graph.outs)}
    places = {**{n: k for n, k in region.places.items() if k < 0}, **outs}  # a gradient may be a root's
    found = [(which, places.get(n)) for which, n in grads]
    if None in floats or None in leaves or any(k is None for _, k in found):
        return
    values = tuple([region.places.get(n) for n in outs])
    while len(plans) >= PLANS:
        plans.pop(next(iter(plans)), None)
    plans[region.key] = Plan(entry, tuple(leaves), tuple(floats), values, tuple(found), tuple([n.aval.dtype for n in outs]))  # type: ignore[arg-type]


def reached(roots: Iterable[Edge]) -> list[Edge]:
    """All edges behind the roots, latest first: an edge stands behind those whose gradients it receives."""
    found: set[Edge] = set()
    todo = list(roots)
    while todo:
        e = todo.pop()
        if e not in found:
            found.add(e)
            for n in e.edges:
                if n is not None and n not in found:
                    todo.append(n)
    return sorted(found, key=latest, reverse=True)
