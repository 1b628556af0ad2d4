"""A function that is traced within a trace, as a program of its own: what the transformations differentiate.

It works on copies of its arguments, and writes only these and what it makes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import AliasError, raise_at
from ..ir import build
from ..ir.build import Value
from ..ir.core import Fn, Var
from . import promote
from .body import Open, closed
from .calls import callee
from .context import Trace, current, here
from .control import Control
from .scope import INLINE, Box, Scope
from .standin import Array, Scalar, boxed
from .trace import Out, function_name, is_float, parameter_names, results_of, variable_name
from .tree import TreeDef, flatten
from .unbound import explained


@dataclass(frozen=True, eq=False)
class Inline:
    """A function traced within a trace: `fn(*args, *captured)`."""

    fn: Fn
    args: tuple[Value, ...]
    captured: tuple[Value, ...]
    out_tree: TreeDef
    outs: tuple[Out, ...]
    dynamic: tuple[int, ...]
    in_tree: TreeDef


@contextmanager
def _inner(trace: Trace) -> Iterator[Scope]:
    outer = trace.scope
    trace.scope = Scope(INLINE, outer)
    try:
        yield trace.scope
    finally:
        trace.scope = outer


def trace_inline(f: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any] | None = None) -> Inline:
    """The program of `f` on arguments like these stand-ins (or plain values), within the trace that is running."""
    trace = current()
    here()
    positional = tuple(args)
    leaves, tree = flatten((positional, dict(kwargs or {})), "args")
    roots = [*parameter_names(f, positional), *(kwargs or {})]
    values = (*positional, *(kwargs or {}).values())
    names = [path for root, x in zip(roots, values, strict=True) for path in flatten(x, root)[1].paths(root)]
    outside = [_outer_value(x) for x in leaves]
    with _inner(trace), build.entered(Open()) as writing:
        writing.where = writing.parent.where if writing.parent else None
        params: list[Var] = []
        inputs = []
        for x, v, name in zip(leaves, outside, names, strict=True):
            inputs.append(x if v is None else _parameter(x, v, name, writing, params))
        inner_args, inner_kwargs = tree.unflatten(inputs)
        with explained():
            out = callee(f, Control)(*inner_args, **inner_kwargs)
        out_tree, outs, results = results_of(out)
        _check_apart(trace, function_name(f), names, leaves, inputs)
        fn, captured = closed(writing, params, results, function_name(f))
    dynamic = tuple(k for k, v in enumerate(outside) if v is not None)
    return Inline(fn, tuple(v for v in outside if v is not None), captured, out_tree, outs, dynamic, tree)


def _check_apart(trace: Trace, f: str, names: list[str], leaves: list[Any], inputs: list[Any]) -> None:
    """A function traced within works on copies: what it writes must be no other array that it uses."""
    pairs = list(zip(names, leaves, inputs, strict=True))
    for name, x, own in pairs:
        if not isinstance(own, Array) or not (own.box in trace.scope.written or own.box in trace.touched):
            continue
        box = boxed(x).box if isinstance(x, np.ndarray) else x.box
        trace.touched.add(box)
        same = {box, *box.may}
        twins = [other for other, z, mine in pairs if mine is not own and isinstance(z, Array) and z.box in same]
        twins += [b.name for b in same if b in trace.scope.store]
        if twins:
            raise_at(
                AliasError,
                f"`{name}`, which `{f}` writes, is also `{twins[0]}`",
                wanted="arrays that are apart",
                got="one array, or two views of one, under two names",
                repair="pass a copy of one of them",
            )


def _outer_value(x: Any) -> Value | None:
    """The value that a leaf has outside; None: it goes in as it is (sizes, static values)."""
    if isinstance(x, np.ndarray):
        x = boxed(x)
    if isinstance(x, Array):
        return x.read()
    if isinstance(x, Scalar):
        return None if x.is_size else x.value
    return promote.lift(x).value if is_float(x) else None


def _parameter(x: Any, v: Value, name: str, writing: build.Scope, params: list[Var]) -> Any:
    p = writing.param(Var(v.type, variable_name(name)))
    params.append(p)
    if v.rank or isinstance(x, Array):
        return Array(Box(Value(p), name))
    return Scalar(Value(p), weak=x.weak if isinstance(x, Scalar) else not isinstance(x, np.generic))


__all__ = ["Inline", "trace_inline"]
