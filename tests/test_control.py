"""Loops and branches: values as in Python at several sizes with one program, derivatives, traps, and what is refused."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from jitgrad.api.derive import Gradient, HessianProduct
from jitgrad.api.match import Matcher
from jitgrad.errors import (
    AliasError,
    ConcretizationError,
    EscapedError,
    IndexOutOfBounds,
    JitgradError,
    UnstableError,
)
from jitgrad.front.trace import Traced, trace_call
from jitgrad.ir.interp import interp
from jitgrad.ir.verify import verify
from jitgrad.transform.pipeline import finished, prepared

from . import control_python  # noqa: F401  (fills the table)
from .control_programs import PROGRAMS, Case

SIZES = (7, 5, 9)
STEP = 1e-4


def copies(args: Any) -> list[Any]:
    return [a.copy() if isinstance(a, np.ndarray) else a for a in args]


def run(traced: Traced, args: Any, fn: Any = None) -> tuple[Any, ...]:
    return interp(fn or traced.fn, *copies(args), *traced.captured)


def floats(args: Any) -> tuple[int, ...]:
    return tuple(k for k, a in enumerate(args) if isinstance(a, float) or (isinstance(a, np.ndarray) and a.dtype.kind == "f"))


def directions(args: Any, seed: int = 0) -> list[Any]:
    r = np.random.default_rng(seed)
    return [r.standard_normal(np.shape(args[k]))[()] for k in floats(args)]


def difference(f: Any, args: Any, dots: Any, h: float = STEP) -> Any:
    """Central differences, extrapolated to order h^4 (Richardson)."""

    def at(e: float) -> Any:
        moved = copies(args)
        for k, d in zip(floats(args), dots):
            moved[k] = moved[k] + e * d
        return f(moved)

    def central(h: float) -> Any:
        return [(a - b) / (2 * h) for a, b in zip(at(h), at(-h))]

    return [(4 * b - a) / 3 for a, b in zip(central(h), central(h / 2))]


each = pytest.mark.parametrize("case", PROGRAMS, ids=lambda c: c.f.__name__)


@each
@pytest.mark.parametrize("small", [True, False])
def test_values(case: Case, small: bool) -> None:
    """The program of one size gives what Python gives at the others, unless a guard says that it must be made anew."""
    traced = trace_call(case.f, copies(case.arguments(SIZES[0])), small_literals=small)
    verify(traced.fn)
    for n in SIZES:
        args = case.arguments(n)
        if Matcher.of(traced).refuses(args):
            traced = trace_call(case.f, copies(args), small_literals=small)
        np.testing.assert_allclose(run(traced, args)[0], case.f(*copies(args)), rtol=1e-12)


@each
def test_gradients(case: Case) -> None:
    args = case.arguments(SIZES[0])
    traced = trace_call(Gradient(case.f, floats(args)), copies(args))
    dots = directions(args)
    got = run(traced, args, finished(prepared(traced.fn)))
    have = sum(np.sum(g * d) for g, d in zip(got, dots))
    want = difference(lambda a: [case.f(*a)], args, dots)[0]
    np.testing.assert_allclose(have, want, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("case", [c for c in PROGRAMS if c.second], ids=lambda c: c.f.__name__)
def test_second_order(case: Case) -> None:
    """Hessian times a vector, against differences of the gradient."""
    args = case.arguments(5)
    which = floats(args)
    dots = directions(args, 1)

    def moving(*xs: Any) -> Any:
        full = list(args)
        for k, x in zip(which, xs):
            full[k] = x
        return case.f(*full)

    xs = [args[k] for k in which]
    traced = trace_call(HessianProduct(moving), [tuple(xs), tuple(dots)])
    got = interp(finished(prepared(traced.fn)), *copies(xs), *dots, *traced.captured)
    gradient = trace_call(Gradient(case.f, which), copies(args))
    fn = finished(prepared(gradient.fn))
    want = difference(lambda a: run(gradient, a, fn), args, dots)
    for g, w in zip(got, want):
        np.testing.assert_allclose(g, w, rtol=1e-5, atol=1e-6)
