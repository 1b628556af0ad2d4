"""One update of many parameters without recording it: x <- op(x, g, *numbers) for every parameter x with its gradient g.

Where all of the values are known and no memory is there twice, what would be recorded follows from their types. So it is
recorded once, and later steps go straight to the entry that was found then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..entry import Entry, stored
from ..node import Node, leaf
from ..op import Op
from ..run import Graph, graphs, loaded
from ..tensor import Tensor

LIMIT = 256  # entries that are remembered
_entries: dict[Any, Entry] = {}


def updated(op: Op, params: Sequence[Tensor], numbers: Sequence[float], options: dict[str, Any]) -> bool:
    """Update all of them at once, if that can be done; False: nothing has been done, record the updates."""
    with graphs:
        nodes = independent(params)
        if not nodes:
            return False
        avals = tuple([n.aval for n in nodes])
        arrays = [loaded(n) for n in nodes]
    key = (op, avals, *options.items())
    entry = _entries.get(key) or _found(key, op, nodes, numbers, options)
    values = entry(avals, arrays, [*numbers] * len(params))
    for p, aval, value in zip(params, avals[::2], values, strict=True):
        p._check_writable()
        node = leaf(stored(value, aval.dtype), aval)
        p._put(node, None, node.seq)
    return True


def independent(params: Sequence[Tensor]) -> list[Node]:
    """The values of the parameters, each with its gradient; none, if something has to be computed first, or is not of the type of
    its parameter, or if a write to one of the tensors may reach another one."""
    nodes: list[Node] = []
    apart: set[Any] = set()
    for p in params:
        for t in (p, p._grad):
            node, s = t._value(), t._storage
            if node.buffer is None or node in apart or s in apart or (s is not None and s.shared is not None):
                return []
            apart.add(node)
            if s is not None:
                apart.add(s)
            nodes.append(node)
        if nodes[-1].aval is not nodes[-2].aval:
            return []
    return nodes


def _found(key: Any, op: Op, nodes: Sequence[Node], numbers: Sequence[float], options: dict[str, Any]) -> Entry:
    """The entry of what is recorded for such nodes."""
    new = [op(Tensor(x), Tensor(g), *numbers, **options)._value() for x, g in zip(nodes[::2], nodes[1::2], strict=True)]
    with graphs:
        entry = Graph(new).entry()
    if len(_entries) >= LIMIT:
        _entries.clear()
    _entries[key] = entry
    return entry
