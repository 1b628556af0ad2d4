"""The recorded graph of a tensor as text that draws it: `dot` for Graphviz, `mermaid` for Markdown.

Boxes are steps of the return sweep (`grad_fn`), ellipses tensors; arrows go as the values went, gradients the other way.
"""

from __future__ import annotations

from collections.abc import Mapping

from .grad_fn import grad_fn
from .node import Edge, Leaf
from .tensor import Tensor

Drawn = tuple[list[str], list[tuple[str, list[str]]], list[tuple[str, str]]]  # steps; tensors and what they say; arrows


def graph(x: Tensor, names: Mapping[str, Tensor] | None = None) -> Drawn:
    """The steps from the result back, n0 first; the tensors at its ends, t0 the result; the arrows, forwards."""
    named = {id(t): name for name, t in (names or {}).items()}
    first = x._gradient_edge()
    steps: list[Edge] = [] if first is None else [grad_fn(first)._edge]
    places = {e: k for k, e in enumerate(steps)}
    arrows: list[tuple[str, str]] = [] if first is None else [("n0", "t0")]
    tensors: list[tuple[str, Tensor]] = [("result", x)]
    for k, step in enumerate(steps):  # grows
        for e in step.edges:
            if e is None:
                continue
            behind = grad_fn(e)._edge
            if behind not in places:
                places[behind] = len(steps)
                steps.append(behind)
            arrow = f"n{places[behind]}", f"n{k}"
            if arrow not in arrows:
                arrows.append(arrow)
    for k, step in enumerate(steps):
        if isinstance(step, Leaf) and step.variable is not None:
            tensors.append(("leaf", step.variable))
            arrows.append((f"t{len(tensors) - 1}", f"n{k}"))
    said = [(f"t{k}", _said(t, kind, named.get(id(t)))) for k, (kind, t) in enumerate(tensors)]
    return [grad_fn(e).name() for e in steps], said, arrows


def _said(t: Tensor, kind: str, name: str | None) -> list[str]:
    """Name, kind and type of a tensor."""
    shape = str(tuple(t.shape))
    what = f"leaf {shape}" if t.is_leaf else f"tensor {shape}"
    first = name if name is not None else "result" if kind == "result" else None
    return [*([first] if first is not None else []), what, t.dtype.name]


def dot(x: Tensor, names: Mapping[str, Tensor] | None = None) -> str:
    r"""The graph of a tensor in Graphviz's language; `names`: what to call some tensors.

    >>> import jitgrad.eager as torch
    >>> w = torch.tensor(2.0, requires_grad=True)
    >>> print(torch.viz.dot(w * w, names={"w": w}))
    digraph {
      rankdir=BT
      node [shape=box fontname="monospace"]
      n0 [label="MulBackward0"]
      n1 [label="AccumulateGrad"]
      t0 [label="result\ntensor ()\nfloat32" shape=ellipse]
      t1 [label="w\nleaf ()\nfloat32" shape=ellipse]
      n0 -> t0
      n1 -> n0
      t1 -> n1
    }
    <BLANKLINE>
    """
    steps, tensors, arrows = graph(x, names)
    lines = [f"n{k} [label={_quoted(label)}]" for k, label in enumerate(steps)]
    lines += [f"{at} [label={_quoted(*said)} shape=ellipse]" for at, said in tensors]
    lines += [f"{a} -> {b}" for a, b in arrows]
    return "\n".join(["digraph {", *("  " + s for s in ("rankdir=BT", 'node [shape=box fontname="monospace"]', *lines)), "}\n"])


def _quoted(*lines: str) -> str:
    return '"' + "\\n".join(s.replace("\\", "\\\\").replace('"', '\\"') for s in lines) + '"'


def mermaid(x: Tensor, names: Mapping[str, Tensor] | None = None) -> str:
    """The graph as a Mermaid flowchart, which many Markdown viewers draw."""
    steps, tensors, arrows = graph(x, names)
    lines = [f'n{k}["{label}"]' for k, label in enumerate(steps)]
    lines += [f'{at}(["{"<br>".join(s.replace(chr(34), "&quot;") for s in said)}"])' for at, said in tensors]
    lines += [f"{a} --> {b}" for a, b in arrows]
    return "\n".join(["flowchart BT", *("  " + s for s in lines)]) + "\n"


__all__ = ["dot", "graph", "mermaid"]
