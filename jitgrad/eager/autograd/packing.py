"""What `saved_tensors_hooks` does with recorded operations: what the return sweep reads of their inputs is packed at once.

The value is computed at once, and the node lets its inputs go; what the pullback needs of them comes from `unpack`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..engine import PULL, TWICE, Grads, Releasable, pulled
from ..kernel import Aval
from ..node import Applied, Node, Part, joined, leaf, types_of
from ..node import results as parts
from ..op import PACK
from ..run import known, run
from ..tensor import of_buffer
from .saved import Saved


class Packed(Applied, Releasable):
    """A recorded operation whose inputs are packed. `inputs`: for each a `Saved`, a type, or a number; None when let go."""

    __slots__ = ()

    inputs: tuple[Any, ...] | None  # type: ignore[assignment]

    def release(self) -> None:
        self.inputs = None


def packed(node: Node, given: Sequence[Any], several: bool) -> Any:
    """The results of a node, with what it keeps packed."""
    read = node.kernel.inputs_saved(types_of(node.inputs))
    edge = joined(Packed(), node.edges)
    edge.kernel, edge.outs, edge.trace, edge.seq = node.kernel, node.outs, node.trace, node.seq
    edge.inputs = tuple(
        x if type(x) is not Node else Saved(z) if on else x.aval for x, z, on in zip(node.inputs, given, read, strict=True)
    )
    if not several:
        out = of_buffer(known(node), node.aval)
        out._edge = edge
        return out
    nodes = parts(node)
    run(nodes)
    outs = tuple(of_buffer(known(n), n.aval) for n in nodes)
    for k, t in enumerate(outs):
        t._edge = Part(edge, k) if t.dtype.differentiable else None
    return outs


def pull_packed(edge: Packed, grads: Grads, wanted: Sequence[bool]) -> Grads:
    """The pullback of the kernel, on what was unpacked."""
    if edge.inputs is None:
        raise RuntimeError(TWICE)
    inputs = [
        x.read()._value() if isinstance(x, Saved) else leaf(x.example, x) if isinstance(x, Aval) else x for x in edge.inputs
    ]
    return pulled(edge, inputs, edge.edges, grads, wanted)  # type: ignore[arg-type]


PULL[Packed] = pull_packed
PACK.append(packed)

__all__ = ["Packed"]
