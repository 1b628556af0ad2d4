"""What is certified: a function at a point, as it is written and as a program, with its inputs by name.

All is on flat lists: `inputs` are the values of the program's parameters, in float64 also where the function takes float32
(then the programs are too: `in_f64`, and differences are of the program, not of the function).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from time import perf_counter
from typing import Any

import numpy as np

from ..errors import NotDifferentiable, raise_at
from ..front.trace import Traced, trace_call
from ..front.tree import flatten
from ..ir.core import Atom, Fn, Let, Lit, Type, Var, swap_atom, swap_type
from ..ir.interp import interp
from ..ir.walk import map_fns
from ..transform.ad import jvp, real_positions, vjp
from ..transform.pipeline import prepared

SLOW = 0.02  # seconds


@dataclass(frozen=True, eq=False)
class Subject:
    name: str
    fn: Fn
    inputs: tuple[Any, ...]  # of the parameters, captured arrays included
    names: dict[int, str]  # the inputs that carry derivatives: number of the parameter -> path
    written: Callable[[Sequence[Any]], list[Any]]  # the function itself, on such inputs: its real results
    single: bool  # float32 is among the dtypes

    @property
    def reals(self) -> list[int]:
        """The results that carry derivatives."""
        return real_positions(self.fn.results)

    @cached_property
    def value(self) -> Callable[[Sequence[Any]], list[Any]]:
        """The real results: by the function as it is written, unless that is in float32 or slow (a function that makes and
        compiles derivatives whenever it is called); then by its program."""
        if self.single:
            return self.interpreted
        start = perf_counter()
        self.written(self.inputs)
        written = perf_counter() - start
        self.interpreted(self.inputs)
        return self.interpreted if written > max(SLOW, 4 * (perf_counter() - start - written)) else self.written

    def interpreted(self, inputs: Sequence[Any]) -> list[Any]:
        outs = interp(self.fn, *inputs)
        return [outs[k] for k in self.reals]


def subject(f: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Subject:
    """The function at this point."""
    traced = trace_call(f, args, kwargs)
    leaves, _ = flatten((args, dict(kwargs)), "args")
    own = [leaves[k] for k in traced.dynamic]
    paths = {n: traced.names[k] for n, k in enumerate(traced.dynamic)}
    names = {n: paths[n] for n in real_positions(traced.fn.params) if n in paths and np.size(own[n])}
    name = getattr(f, "__name__", type(f).__name__)
    if not names or not real_positions(traced.fn.results):
        raise_at(
            NotDifferentiable,
            f"`{name}` has no derivative to certify",
            wanted="a function of floats that returns floats",
            got="no float among its " + ("results" if names else "arguments"),
        )
    single = any(p.type.dtype == "f32" for p in traced.fn.params)
    inputs = tuple(in_double(x) for x in (*own, *traced.captured))
    fn = in_f64(traced.fn) if single else traced.fn
    return Subject(name, fn, inputs, names, as_written(f, traced, leaves), single)


def in_double(x: Any) -> Any:
    return np.asarray(x, np.float64)[()] if np.asarray(x).dtype == np.float32 else x


def as_written(f: Callable[..., Any], traced: Traced, leaves: Sequence[Any]) -> Callable[[Sequence[Any]], list[Any]]:
    """The function without a trace, on copies: what it writes into its arguments stays here."""
    numbers = [k for k, o in enumerate(traced.outs) if o.kind != "static"]
    floats = [k for k, r in zip(numbers, traced.fn.results, strict=True) if r.type.is_real]

    def call(inputs: Sequence[Any]) -> list[Any]:
        given = list(leaves)
        for k, x in zip(traced.dynamic, inputs, strict=False):  # the captured arrays come last: they are where they are
            given[k] = like(x, leaves[k])
        args, kwargs = traced.in_tree.unflatten(given)
        with np.errstate(all="ignore"):
            found, _ = flatten(f(*args, **kwargs), "result")
        return [found[k] for k in floats]

    return call


def like(x: Any, leaf: Any) -> Any:
    """A copy of the number or array in the type that the user passed."""
    if isinstance(leaf, np.ndarray):
        return np.array(x, leaf.dtype)
    return type(leaf)(x)


# ---- the program in float64


def in_f64(fn: Fn) -> Fn:
    """The program with f64 in the place of f32, everywhere."""
    return map_fns(fn, _level_in_f64)


def _level_in_f64(fn: Fn) -> Fn:
    own = [*fn.params, *(o for let in fn.lets for o in let.outs)]
    env = {v: Var(_wide(v.type), v.hint, v.size) for v in own}
    for v in env.values():
        v.type = swap_type(v.type, env)

    def atom(a: Atom) -> Atom:
        a = swap_atom(a, env)
        return Lit(a.value, _wide(a.type)) if isinstance(a, Lit) else a

    def wide(let: Let) -> Let:
        attrs = {k: "f64" if v == "f32" else v for k, v in let.attrs.items()}
        return replace(let, outs=tuple(env[o] for o in let.outs), args=tuple(map(atom, let.args)), attrs=attrs)

    return Fn(fn.name, tuple(env[p] for p in fn.params), tuple(map(wide, fn.lets)), tuple(map(atom, fn.results)))


def _wide(t: Type) -> Type:
    return t.of("f64") if t.dtype == "f32" else t


# ---- its derivatives, as functions on the same flat lists


@dataclass(frozen=True, eq=False)
class Derivatives:
    """Forward, reverse, and forward over reverse, by the interpreter."""

    subject: Subject
    tangent: Fn
    gradient: Fn
    second: Fn

    @staticmethod
    def of(s: Subject) -> Derivatives:
        fn = prepared(s.fn)
        wrt = list(s.names)
        gradient = vjp(fn, wrt)
        return Derivatives(s, jvp(fn, wrt), gradient, jvp(prepared(gradient), wrt))

    def forward(self, inputs: Sequence[Any], dots: Sequence[Any]) -> list[Any]:
        """The tangents of the real results."""
        return list(interp(self.tangent, *inputs, *dots)[len(self.subject.fn.results) :])

    def reverse(self, inputs: Sequence[Any], bars: Sequence[Any]) -> list[Any]:
        """The adjoints of the inputs."""
        return list(interp(self.gradient, *inputs, *bars)[len(self.subject.fn.results) :])

    def forward_over_reverse(self, inputs: Sequence[Any], bars: Sequence[Any], dots: Sequence[Any]) -> list[Any]:
        """The tangents of the adjoints."""
        outs = interp(self.second, *inputs, *bars, *dots)
        return list(outs[len(outs) - len(self.subject.names) :])


__all__ = ["Derivatives", "Subject", "in_f64", "subject"]
