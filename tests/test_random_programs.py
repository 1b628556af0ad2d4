"""Random imperative programs: their values are those of plain Python at several sizes, their gradients those of dual numbers.

A program may be refused, at a line of its own; it may never be wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from jitgrad.api.derive import Gradient
from jitgrad.api.match import Matcher
from jitgrad.errors import AliasError, EscapedError, NotDifferentiable, UnstableError
from jitgrad.front.trace import trace_call
from jitgrad.ir.interp import interp
from jitgrad.ir.verify import verify
from jitgrad.transform.pipeline import finished, prepared

from .imperative import Maths, derivative, program
from .plain_runtime import from_text

FLOATS = (0, 1, 2, 3)
REFUSALS = (AliasError, EscapedError, UnstableError)


def arguments(n: int, seed: int) -> list[Any]:
    r = np.random.default_rng(seed)
    vector = lambda *shape: r.uniform(-1.2, 1.2, shape)
    return [vector(n), vector(n), vector(n, n), float(r.uniform(-1, 1)), 6]


def copies(args: list[Any]) -> list[Any]:
    return [a.copy() if isinstance(a, np.ndarray) else a for a in args]


def value(f: Any, args: list[Any]) -> Any:
    """What Python computes; None where it raises IndexError."""
    try:
        return f(*copies(args))
    except IndexError:
        return None


def check(text: str, small: bool, seed: int) -> None:
    f = from_text(text, "<random program>", np=np)["f"]
    on_duals = from_text(text, "<random program of dual numbers>", np=Maths())["f"]
    args = arguments(6, seed)
    assume(value(f, args) is not None)
    try:
        traced = trace_call(f, copies(args), small_literals=small)
    except REFUSALS:
        return
    verify(traced.fn)
    try:
        gradient = trace_call(Gradient(f, FLOATS), copies(args), small_literals=small)
    except NotDifferentiable:  # no argument reaches the result
        return
    fn = finished(prepared(gradient.fn))
    for n in (6, 8, 5):
        args = arguments(n, seed + n)
        want = value(f, args)
        if want is None or Matcher.of(traced).refuses(args):
            continue
        np.testing.assert_allclose(interp(traced.fn, *copies(args), *traced.captured)[0], want, rtol=1e-9, atol=1e-11)
        r = np.random.default_rng(seed)
        dots = [r.standard_normal(np.shape(args[k]))[()] for k in FLOATS]
        have = sum(np.sum(g * d) for g, d in zip(interp(fn, *copies(args), *gradient.captured), dots))
        np.testing.assert_allclose(have, derivative(on_duals, args, dots)[1], rtol=1e-7, atol=1e-8)


def drawn(data: Any) -> str:
    return program(lambda options: data.draw(st.sampled_from(list(options))))


OPTIONS = settings(
    deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck), print_blob=False
)


@settings(OPTIONS, max_examples=100)
@given(st.data(), st.booleans(), st.integers(0, 1000))
def test_random_programs(data: Any, small: bool, seed: int) -> None:
    check(drawn(data), small, seed)


@pytest.mark.slow
@settings(OPTIONS, max_examples=1500)
@given(st.data(), st.booleans(), st.integers(0, 1000))
def test_many_random_programs(data: Any, small: bool, seed: int) -> None:
    check(drawn(data), small, seed)
