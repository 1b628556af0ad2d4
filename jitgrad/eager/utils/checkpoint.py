"""`torch.utils.checkpoint`: a part of a graph that keeps its inputs only, and is computed again for the return sweep."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from ..engine import PULL, TWICE, Grads, Releasable, sweep
from ..generator import get_rng_state, set_rng_state
from ..kernel import Aval
from ..modes import Mode, modes
from ..node import Edge, Part, joined, now
from ..plans import reached
from ..run import known, run
from ..tensor import Tensor, of_buffer

Function = Callable[..., Any]


class Gate(Edge):
    """The way of a gradient out of the part that is computed again."""

    __slots__ = ()
    label = "CheckpointInput"


PULL[Gate] = lambda edge, grads, wanted: grads


class Again(Releasable):
    """A call that is computed again. Its edges: those of the arguments, then those of what the function uses besides."""

    __slots__ = ("args", "f", "kwargs", "outs", "places", "state")

    f: Function
    args: tuple[Any, ...] | None
    kwargs: dict[str, Any]
    outs: tuple[Aval | None, ...]
    places: tuple[int, ...]  # which arguments are tensors
    state: Any  # of the random numbers

    label = "CheckpointBackward"

    @property
    def results(self) -> int:  # type: ignore[override]
        return len(self.outs)

    def release(self) -> None:
        self.args = None


def checkpoint(
    function: Function, *args: Any, use_reentrant: bool | None = None, context_fn: Any = None, determinism_check: str = "default",
    debug: bool = False, preserve_rng_state: bool = True, **kwargs: Any,
) -> Any:  # fmt: skip
    """`function(*args, **kwargs)`, of which the graph keeps the arguments only; the return sweep calls it again.

    preserve_rng_state: the second call draws the same random numbers. Parameters that the function uses without being given
    them get their gradients too.

    >>> import jitgrad.eager as torch
    >>> from jitgrad.eager.utils.checkpoint import checkpoint
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> checkpoint(lambda x: (x.exp() * x).sum(), x, use_reentrant=False).backward()
    >>> x.grad
    tensor([ 5.4366, 22.1672])
    """
    if not modes.grad:
        return function(*args, **kwargs)
    state = get_rng_state() if preserve_rng_state else None
    at = tuple(k for k, x in enumerate(args) if isinstance(x, Tensor))
    since = now()
    given, _ = inside(args, at)
    out = function(*given, **kwargs)
    outs = list(out) if isinstance(out, (tuple, list)) else [out]
    differ = [isinstance(y, Tensor) and y._gradient_edge() is not None for y in outs]
    if not any(differ):
        return out
    order = reached([y._gradient_edge() for y, on in zip(outs, differ, strict=True) if on])
    edge = joined(Again(), (*[args[k]._gradient_edge() for k in at], *outside(order, since)))
    edge.f, edge.args, edge.kwargs, edge.places, edge.state = function, args, kwargs, at, state
    edge.outs = tuple(y._node.aval if on else None for y, on in zip(outs, differ, strict=True))
    run([y._value() for y, on in zip(outs, differ, strict=True) if on])
    each = enumerate(zip(outs, differ, strict=True))
    made = [without(y, Part(edge, k) if len(outs) > 1 else edge) if on else y for k, (y, on) in each]
    return type(out)(made) if isinstance(out, (tuple, list)) else made[0]


def inside(args: tuple[Any, ...], at: Sequence[int]) -> tuple[list[Any], list[Gate | None]]:
    """The arguments as the function gets them: what it makes of them ends at gates."""
    given: list[Any] = list(args)
    gates: list[Gate | None] = []
    for k in at:
        to = args[k]._gradient_edge()
        gate = None if to is None else joined(Gate(), (to,))
        given[k] = args[k].detach()
        given[k]._edge = gate
        gates.append(gate)
    return given, gates


def outside(order: Sequence[Edge], since: int) -> list[Edge]:
    """The edges recorded before, to which the function leads past its arguments: in the order in which it comes by them."""
    found: dict[Edge, None] = {}
    for e in order:
        if e.seq >= since and not isinstance(e, Gate) and e.edges:
            found.update((n, None) for n in e.edges if n is not None and (n.seq < since or not n.edges))
    return list(found)


def without(y: Tensor, edge: Edge) -> Tensor:
    """The value of a result, without the graph behind it."""
    out = of_buffer(known(y._value()), y._node.aval)
    out._edge = edge
    return out


def pull_again(edge: Again, grads: Grads, wanted: Sequence[bool]) -> Grads:
    """Compute it again, with its graph, and sweep through that."""
    if edge.args is None:
        raise RuntimeError(TWICE)
    create = modes.grad
    given, gates = inside(edge.args, edge.places)
    with Mode(grad=True), drawing(edge.state):
        out = edge.f(*given, **edge.kwargs)
    outs = list(out) if isinstance(out, (tuple, list)) else [out]
    roots = [(y._gradient_edge(), g) for y, g, t in zip(outs, grads, edge.outs, strict=True) if t is not None and g is not None]
    targets = [*gates, *edge.edges[len(gates) :]]
    chosen = [t for t, w in zip(targets, wanted, strict=True) if t is not None and w]
    caught = sweep(roots, True, create, chosen)
    return [caught.get(t) if t is not None and w else None for t, w in zip(targets, wanted, strict=True)]


PULL[Again] = pull_again


@contextlib.contextmanager
def drawing(state: Any) -> Any:
    """Within, random numbers are drawn as they were; after it, as if nothing had been drawn."""
    if state is None:
        yield
        return
    here = get_rng_state()
    set_rng_state(state)
    try:
        yield
    finally:
        set_rng_state(here)


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, preserve_rng_state: bool = True
) -> Any:
    """The functions one after the other, in so many segments, each but the last of which is computed again."""
    every = list(functions.children()) if hasattr(functions, "children") else list(functions)
    size = max(len(every) // segments, 1)
    cuts = [size * k for k in range(segments)]

    def part(start: int, end: int) -> Function:
        def call(x: Any) -> Any:
            for f in every[start:end]:
                x = f(x)
            return x

        return call

    for start, end in zip(cuts[:-1], cuts[1:], strict=True):
        input = checkpoint(part(start, end), input, use_reentrant=use_reentrant, preserve_rng_state=preserve_rng_state)
    return part(cuts[-1], len(every))(input)


__all__ = ["checkpoint", "checkpoint_sequential"]
