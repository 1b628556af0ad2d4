"""The return sweep over a recorded graph.

Edges are visited latest first; what arrives is added up, passed to the hooks, and taken on by the pullback of the node's
kernel, which is recorded like any operation: so a gradient is a value like any other, computed when the sweep is over, in one
program with the forward part, and it has a graph of its own where `create_graph` asks for one.
"""

from __future__ import annotations

import os
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from .kernel import Aval
from .modes import Mode, modes
from .node import Edge, Leaf, Node, Part, Spent, is_pick, leaf, now, record, results, spend, types_of
from .plans import Plan, Region, plans, reached, remember
from .pointwise import add
from .run import Graph, also, graphs, known, run, settings
from .tensor import Tensor
from .views import WRITES

TWICE = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they have already been freed). "
    "Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify retain_graph=True if "
    "you need to backward through the graph a second time or if you need to access saved tensors after calling backward."
)
PART = 256  # edges between two looks at how much waits

Grads = list["Tensor | None"]  # one for each result of an edge
Hooks = dict[Any, Callable[..., Any]]


@dataclass(frozen=True)
class StepHooks:
    """Hooks on a step of the graph: before it, on what comes in; after it, on what goes out."""

    before: Hooks
    after: Hooks

    def enter(self, grads: Grads) -> Grads:
        for hook in list(self.before.values()):
            new = hook(tuple(grads))
            grads = grads if new is None else list(new)
        return grads

    def leave(self, got: Grads, grads: Grads) -> Grads:
        for hook in list(self.after.values()):
            new = hook(tuple(got), tuple(grads))
            got = got if new is None else list(new)
        return got


STEPS: WeakKeyDictionary[Edge, StepHooks] = WeakKeyDictionary()


def sweep(
    roots: Sequence[tuple[Edge, Tensor]],
    retain: bool,
    create: bool,
    targets: Sequence[Edge] | None,
    keep: Sequence[Node] = (),
) -> dict[Edge, Tensor]:
    """From the roots with their gradients back. To the leaves, if `targets` is None; else what arrives at the targets.

    keep: values that are made known together with the gradients.
    """
    region = None
    keep = [*keep, *also()] if not create else keep
    if not create and not modes.anomaly:
        with graphs:
            region = Region([(e, g._value()) for e, g in roots], targets, keep)
            plan = None if region.key is None else plans.get(region.key)
            given = None if plan is None else plan.given(region)
        if plan is not None and given is not None:
            return planned(plan, region, plan.entry(*given), targets, retain)
    order = reached([e for e, _ in roots]) if region is None else region.order
    grads, pulls = recorded(order, roots, create, targets)
    if not create:
        run_all(region, [*keep, *(g._value() for g in grads.values())], pulls, grads, targets)
    if not retain:
        free(order)
    return {} if targets is None else grads


def planned(
    plan: Plan, region: Region, values: Sequence[Any], targets: Sequence[Edge] | None, retain: bool
) -> dict[Edge, Tensor]:
    """The sweep, with the values that the entry of the plan gave."""
    caught: dict[Edge, Tensor] = {}
    with graphs:
        nodes = plan.settle(region, values)
        ends = list(region.ends) if targets is None else targets
        for (which, _), node in zip(plan.grads, nodes, strict=True):
            if targets is None:
                ends[which].variable._grad = Tensor(node)  # type: ignore[attr-defined]
            else:
                caught[ends[which]] = Tensor(node)
        if not retain:
            free(region.order)
    return caught


def run_all(
    region: Region | None,
    wanted: list[Node],
    pulls: list[tuple[Node, Node]],
    grads: dict[Edge, Tensor],
    targets: Sequence[Edge] | None,
) -> None:
    """Run what was recorded, and keep the plan of it."""
    with graphs:
        graph = Graph(wanted)
        given = graph.given()
        entry = graph.entry() if graph.nodes else None
    if entry is None:
        return
    if region is not None and region.key is not None and len(region.order) <= settings.longest:
        ends = region.ends if targets is None else {e: k for k, e in enumerate(targets)}
        remember(region, graph, entry, pulls, [(ends[e], g._node) for e, g in grads.items()])
    graph.settle(entry(*given))


def recorded(
    order: Sequence[Edge], roots: Sequence[tuple[Edge, Tensor]], create: bool, targets: Sequence[Edge] | None
) -> tuple[dict[Edge, Tensor], list[tuple[Node, Node]]]:
    """The gradients at the leaves or targets, and the recorded pullbacks with the nodes that they are of."""
    useful = None if targets is None else leading(order, set(targets))
    arrived: dict[Edge, Grads] = {}
    caught: dict[Edge, Tensor] = {}
    touched: list[Leaf] = []
    pulls: list[tuple[Node, Node]] = []
    for edge, g in roots:
        arrive(arrived, edge, 0, g)
    with Mode(grad=create):
        for at, edge in enumerate(order):
            grads = arrived.pop(edge, None)
            if grads is None or (useful is not None and edge not in useful):
                continue
            if edge.hooks:
                grads = [hooked(edge, grads[0]), *grads[1:]]
                if edge in STEPS:
                    grads = STEPS[edge].enter(grads)
            if targets is not None and edge in targets:
                caught[edge] = grads[0]  # type: ignore[assignment]
            if isinstance(edge, Leaf):
                if targets is None:
                    touched.append(edge)
                    settle(edge, grads[0], create)
                    if edge in STEPS:
                        STEPS[edge].leave([], grads)
                continue
            pass_on(arrived, edge, grads, useful, pulls)
            if at % PART == PART - 1 and len(order) > settings.longest:
                run([g._value() for gs in arrived.values() for g in gs if g is not None])
    here: dict[Edge, Tensor] = {e: e.variable._grad for e in touched if e.variable._grad is not None}  # a hook may take it away
    return here if targets is None else caught, pulls


def leading(order: Sequence[Edge], ends: set[Edge]) -> set[Edge]:
    """The edges from which one of the ends is reached."""
    useful: set[Edge] = set()
    for e in reversed(order):
        if e in ends or any(n in useful for n in e.edges if n is not None):
            useful.add(e)
    return useful


def arrive(arrived: dict[Edge, Grads], edge: Edge, place: int, g: Tensor) -> None:
    grads = arrived.get(edge)
    if grads is None:
        grads = arrived[edge] = [None] * edge.results
    old = grads[place]
    grads[place] = g if old is None else add(old, g)


def pass_on(
    arrived: dict[Edge, Grads], edge: Edge, grads: Grads, useful: set[Edge] | None, pulls: list[tuple[Node, Node]]
) -> None:
    wanted = [e is not None and (useful is None or e in useful) for e in edge.edges]
    if not any(wanted):
        return
    got = watched(edge, grads, wanted) if modes.anomaly else PULL[type(edge)](edge, grads, wanted)
    if edge in STEPS:
        got = STEPS[edge].leave(got, grads)
    if type(edge) is Node and not is_pick(edge.kernel):
        made = next((g._node for g in got if g is not None), None)
        if made is not None:
            pulls.append((made.inputs[0] if is_pick(made.kernel) else made, edge))
    for e, g in zip(edge.edges, got, strict=True):
        if g is not None and e is not None:
            arrive(arrived, e, edge.place, g)


def pull_node(node: Node, grads: Grads, wanted: Sequence[bool]) -> Grads:
    """The pullback of the node's kernel, recorded."""
    if node.spent is not None:
        return pull_spent(node.spent, grads, wanted)
    if is_pick(node.kernel):
        return grads
    check_versions(node)
    return pulled(node, node.inputs, node.edges, grads, wanted)


def pulled(
    edge: Node | Spent, inputs: Sequence[Any], edges: Sequence[Edge | None], grads: Grads, wanted: Sequence[bool]
) -> Grads:
    wrt = tuple([k for k, w in enumerate(wanted) if w])
    gs = [g for g in grads if g is not None]
    k = edge.kernel.pullback(wrt, tuple([g is not None for g in grads]))
    every: tuple[Edge | None, ...] = ()
    if modes.grad:
        read = edge.kernel.inputs_saved(types_of(inputs))  # what it does not read, it does not depend on
        every = (*[e if r else None for e, r in zip(edges, read, strict=True)], *[g._gradient_edge() for g in gs])
        every = every if any(e is not None for e in every) else ()
    node = record(k, (*inputs, *[g._value() for g in gs]), every)
    absent = (False,) * len(wrt)
    if edge.kernel.primal is not None:
        absent = k.absent(types_of(node.inputs))
    out: Grads = [None] * len(wanted)
    for place, n, no in zip(wrt, results(node), absent, strict=True):
        out[place] = None if no else Tensor(n, n if n.edges else None)
    return out


def pull_spent(edge: Spent, grads: Grads, wanted: Sequence[bool]) -> Grads:
    """A second sweep through a freed node: possible where the pullback needs no value, only types."""
    if is_pick(edge.kernel):
        return grads
    if edge.kernel.saves == "result" or any(edge.kernel.inputs_saved(types_of(edge.inputs))):
        raise RuntimeError(TWICE)
    ghosts = [leaf(x.example, x) if isinstance(x, Aval) else x for x in edge.inputs]
    return pulled(edge, ghosts, (None,) * len(ghosts), grads, wanted)


Pull = Callable[[Any, Grads, Sequence[bool]], Grads]
# What a gradient becomes, for each kind of edge.
PULL: dict[type, Pull] = {Node: pull_node, Spent: pull_spent, Part: lambda edge, grads, wanted: grads}


class Ruleless(Edge):
    """A step that has no derivative: there is an error if a gradient comes by."""

    __slots__ = ("name",)

    def __init__(self, name: str, source: Edge) -> None:
        self.name, self.edges, self.hooks, self.trace, self.seq = name, (source,), None, None, now()

    @property
    def label(self) -> str:
        return self.name.strip("_").title().replace("_", "") + "Backward0"


def pull_ruleless(edge: Ruleless, grads: Grads, wanted: Sequence[bool]) -> Grads:
    raise NotImplementedError(f"the derivative for '{edge.name}' is not implemented.")


PULL[Ruleless] = pull_ruleless


def ruleless(out: Tensor, name: str, source: Tensor) -> Tensor:
    """A result that was computed from `source` by something without a derivative."""
    edge = source._gradient_edge() if modes.grad and out.dtype.differentiable else None
    if edge is not None:
        out._edge = Ruleless(name, edge)
    return out


def check_versions(node: Node) -> None:
    """A value that the pullback reads must not have been overwritten since."""
    if node.kernel.saves == "result":
        if node.age is not None and node.age.ended >= 0:
            overwritten(node)
        return
    for k, x in enumerate(node.inputs):
        if type(x) is Node and x.age is not None and node.seq < x.age.ended:
            if node.kernel.inputs_saved(types_of(node.inputs))[k]:
                overwritten(x)


def overwritten(node: Node) -> None:
    assert node.age is not None
    version, writer = node.age.count
    if node.kernel.body in WRITES and node.edges:
        writer = "AsStrided"
    elif node.kernel.saves == "result" or not writer:
        writer = node.kernel.name if node.edges else ""
    modified(node.aval, writer, version, node.age.version)


def outdated(x: Tensor, expected: int) -> None:
    """A tensor that was kept with its version is at another one."""
    edge = x._current_edge()
    modified(x._node.aval, None if edge is None else edge.label.partition("Backward")[0], x._version, expected)


def modified(aval: Aval, source: str | None, version: int, expected: int) -> None:
    of = f", which is output 0 of {source}," if source else ""
    raise RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"[torch.{aval.dtype.legacy}Tensor {list(aval.shape)}]{of} is at version {version}; expected version {expected} instead. "
        "Hint: " + HINTS[modes.anomaly]
    )


HINTS = {
    False: "enable anomaly detection to find the operation that failed to compute its gradient, with "
    "torch.autograd.set_detect_anomaly(True, check_nan=False).",
    True: "the backtrace further above shows the operation that failed to compute its gradient. The variable in question was "
    "changed in there or anywhere later. Good luck!",
}


def hooked(edge: Edge, g: Tensor | None) -> Tensor | None:
    """The gradient after the hooks of the tensor."""
    for _, hook in sorted((edge.hooks or {}).items()):
        if g is None:
            return None
        new = hook(g)
        if new is not None:
            g = new
    return g


def settle(edge: Leaf, g: Tensor | None, create: bool) -> None:
    """The gradient of a leaf is complete."""
    x = edge.variable
    if g is None or not x._needs:  # it may have been told so after it was used
        return
    x._accumulate(g, create)
    for hook in list((x._after or {}).values()):
        said = hook(x)
        if isinstance(said, Tensor):
            raise RuntimeError("Tensor post accumulate grad hooks should return None.")
        if said is not None:
            raise TypeError(f"expected Variable, but hook returned '{type(said).__name__}'")


def free(order: Sequence[Edge]) -> None:
    """Let go of the graph. Values that somebody holds are known by now; nothing else has to be computed from it."""
    spent: dict[Edge | None, Edge] = {}
    for e in reversed(order):
        if type(e) is Node:
            if e.spent is None:
                spend(e, spent)
        elif isinstance(e, Releasable):
            e.release()


class Releasable(Edge):
    """An edge of another kind that keeps values for its return sweep."""

    __slots__ = ()

    def release(self) -> None:
        """Let go of them."""
        raise NotImplementedError


def watched(edge: Edge, grads: Grads, wanted: Sequence[bool]) -> Grads:
    """Anomaly mode: an error of a return step, and a nan that it made, is shown with the line of its forward step."""
    try:
        got = PULL[type(edge)](edge, grads, wanted)
        for k, g in enumerate(got):
            if modes.check_nan and g is not None and np.isnan(known(g._value())).any():
                raise RuntimeError(f"Function '{edge.label}' returned nan values in its {k}th output.")
    except Exception:
        where = "".join(traceback.format_list(users(edge.trace))) if edge.trace is not None else ""
        found = f"Traceback of forward call that caused the error:\n{where}" if where else NO_TRACE
        warnings.warn(f"Error detected in {edge.label}. {found}", UserWarning, stacklevel=2)
        raise
    return got


NO_TRACE = (
    "No forward pass information available. Enable detect anomaly during forward pass for more information."
)
OURS = os.path.dirname(__file__) + os.sep


def users(frames: Sequence[traceback.FrameSummary]) -> Sequence[traceback.FrameSummary]:
    """The frames up to the last that is not ours."""
    last = max((k for k, f in enumerate(frames) if not f.filename.startswith(OURS)), default=-1)
    return frames[: last + 1]
