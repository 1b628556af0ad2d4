"""The user's function as a program of its own, traced within the running trace: what every transformation starts from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..front.inline import Inline, trace_inline
from ..front.promote import shape_text
from ..front.standin import Array, Scalar
from ..front.trace import Out
from ..front.tree import TreeDef, flatten
from ..ir.build import Value
from ..ir.core import Fn, Type
from ..transform.pipeline import prepared

Kept = Value | None


@dataclass(frozen=True, eq=False)
class Inner:
    """`params` and `results` say for each leaf of the call, and of the result, where it stands in the program; None: it is
    no number of it. Leaves are told apart by place, not by identity: `f(x, x)` has two parameters."""

    fn: Fn  # ready to be differentiated
    args: tuple[Value, ...]  # what its parameters are here: the leaves, then what it captured
    leaves: tuple[Any, ...]
    params: tuple[int | None, ...]
    out_tree: TreeDef
    outs: tuple[Out, ...]
    results: tuple[int | None, ...]

    def is_float(self, leaf: int) -> bool:
        """Does this leaf of the call carry a derivative?"""
        k = self.params[leaf]
        return k is not None and self.fn.params[k].type.is_real

    def real_results(self) -> list[int | None]:
        """For each leaf of the result its place in the program, if it carries a derivative."""
        places = zip(self.results, self.outs, strict=True)
        return [j if j is not None and self.fn.results[j].type.is_real and o.kind != "constant" else None for j, o in places]

    def rebuild(self, values: Sequence[Value]) -> Any:
        """The result of the function, as the values of the program's results give it."""
        return self.out_tree.unflatten([stand_in(o, None if j is None else values[j]) for o, j in self._places()])

    def tangents(self, values: Sequence[Kept]) -> Any:
        """A tree like the result: tangents, 0.0 of constants, None of what has none."""
        return self.out_tree.unflatten([tangent(o, None if j is None else values[j]) for o, j in self._places()])

    def _places(self) -> list[tuple[Out, int | None]]:
        return list(zip(self.outs, self.results, strict=True))

    def like_leaf(self, leaf: int, v: Value) -> Any:
        """A derivative as the user sees it: of a Python number a Python number."""
        x = self.leaves[leaf]
        weak = x.weak if isinstance(x, Scalar) else type(x) is float
        return Array.new(v) if isinstance(x, Array) or v.rank else Scalar(v, weak)


def inner(f: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Inner:
    inline: Inline = trace_inline(f, tuple(args), dict(kwargs))
    leaves, _ = flatten((tuple(args), dict(kwargs)), "args")
    places = {leaf: k for k, leaf in enumerate(inline.dynamic)}
    at = iter(range(len(inline.fn.results)))
    results = tuple(None if o.kind == "static" else next(at) for o in inline.outs)
    return Inner(
        prepared(inline.fn),
        (*inline.args, *inline.captured),
        tuple(leaves),
        tuple(places.get(k) for k in range(len(leaves))),
        inline.out_tree,
        inline.outs,
        results,
    )


def stand_in(o: Out, v: Kept) -> Any:
    if o.kind in ("static", "constant") or v is None:
        return o.value
    return Array.new(v) if o.kind == "array" else Scalar(v, o.weak)


def tangent(o: Out, v: Kept) -> Any:
    if o.kind == "constant" and isinstance(o.value, (float, np.floating)):
        return type(o.value)(0.0)
    return None if v is None or o.kind in ("static", "constant") else stand_in(o, v)


def shown(t: Type) -> str:
    """A type as an error message gives it."""
    return f"an array of shape {shape_text(t.shape)}" if t.shape else f"a number ({t.dtype})"


__all__ = ["Inner", "inner", "shown", "stand_in"]
