"""The minimum vertex cut: the lightest set of values from which everything that is wanted can be computed.

Each value is a pair of nodes (v, 0) -> (v, 1) of capacity weight(v), with an infinite edge from what it is computed from, or
from the source if it is gone; what is wanted leads to the sink. Maximum flow by shortest augmenting paths (Edmonds & Karp
1972); by Ford & Fulkerson (1956) the border of what cannot be reached is a lightest cut. Among equal ones this is the cut
nearest what is wanted.

What a dear statement makes can be computed again, but at a price, once for all its results: an edge from the source to the
statement, and infinite ones from there to each result. So the cut weighs what is remembered and what is computed again alike.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import Any

INFINITE = 1 << 60

Graph = dict[Any, dict[Any, int]]


Price = Callable[[Any], "tuple[Hashable, int] | None"]


def vertex_cut(
    wanted: Iterable[Hashable],
    sources: Callable[[Any], Iterable[Any] | None],
    weight: Callable[[Any], int],
    price: Price = lambda v: None,
) -> set[Any] | None:
    """`sources(v)`: what v is computed from; None: v is gone. `price(v)`: the statement that makes it, and what it costs;
    None: nothing. The cut, or None if every one has an infinite weight."""
    graph = _flow_graph(wanted, sources, weight, price)
    while (path := _augmenting_path(graph)) is not None:
        room = min(graph[a][b] for a, b in path)
        if room > INFINITE // 2:
            return None
        for a, b in path:
            graph[a][b] -= room
            graph[b][a] += room
    reaches_sink = _backwards(graph)
    nodes = [k[0] for k in graph if isinstance(k, tuple) and k[1] == 0]
    return {v for v in nodes if (v, 1) in reaches_sink and (v, 0) not in reaches_sink}


def _flow_graph(
    wanted: Iterable[Any], sources: Callable[[Any], Iterable[Any] | None], weight: Callable[[Any], int], price: Price
) -> Graph:
    graph: Graph = {"source": {}, "sink": {}}

    def edge(a: Any, b: Any, capacity: int) -> None:
        graph.setdefault(a, {})[b] = capacity
        graph.setdefault(b, {}).setdefault(a, 0)

    seen: set[Any] = set()
    todo = list(wanted)
    for v in todo:
        edge((v, 1), "sink", INFINITE)
    while todo:
        v = todo.pop()
        if v in seen:
            continue
        seen.add(v)
        edge((v, 0), (v, 1), weight(v))
        made_of = sources(v)
        if made_of is None:
            edge("source", (v, 0), INFINITE)
            continue
        if (dear := price(v)) is not None:
            edge("source", ("statement", dear[0]), dear[1])
            edge(("statement", dear[0]), (v, 0), INFINITE)
        for a in made_of:
            edge((a, 1), (v, 0), INFINITE)
            todo.append(a)
    return graph


def _augmenting_path(graph: Graph) -> list[tuple[Any, Any]] | None:
    before: dict[Any, Any] = {"source": None}
    queue: deque[Any] = deque(["source"])
    while queue and "sink" not in before:
        a = queue.popleft()
        for b, room in graph[a].items():
            if room > 0 and b not in before:
                before[b] = a
                queue.append(b)
    if "sink" not in before:
        return None
    path, b = [], "sink"
    while before[b] is not None:
        path.append((before[b], b))
        b = before[b]
    return path


def _backwards(graph: Graph) -> set[Any]:
    """The nodes from which the sink can still be reached."""
    seen: set[Any] = {"sink"}
    queue: deque[Any] = deque(["sink"])
    while queue:
        b = queue.popleft()
        for a in graph[b]:
            if graph[a].get(b, 0) > 0 and a not in seen:
                seen.add(a)
                queue.append(a)
    return seen
