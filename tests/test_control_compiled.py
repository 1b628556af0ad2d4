"""The control programs compiled: value and gradient in one program, and forward mode, at several sizes."""

from __future__ import annotations

import numpy as np
import pytest

from jitgrad.api.derive import Gradient, Tangent
from jitgrad.api.match import Matcher
from jitgrad.emit.cpu import compile_fn
from jitgrad.front.trace import trace_call
from jitgrad.transform.pipeline import finished, prepared

from . import control_python  # noqa: F401  (fills the table)
from .control_programs import PROGRAMS, Case
from .test_control import SIZES, copies, difference, directions, floats


@pytest.mark.parametrize("case", PROGRAMS, ids=lambda c: c.f.__name__)
def test_compiled(case: Case) -> None:
    args = case.arguments(SIZES[0])
    which = floats(args)
    reverse = trace_call(Gradient(case.f, which, with_value=True), copies(args))
    run = compile_fn(finished(prepared(reverse.fn))).entry
    for n in SIZES:
        args = case.arguments(n)
        if Matcher.of(reverse).refuses(args):
            continue
        dots = directions(args)
        y, *bars = run(*copies(args), *reverse.captured)
        np.testing.assert_allclose(y, case.f(*copies(args)), rtol=1e-11)
        want = difference(lambda a: [case.f(*a)], args, dots)[0]
        np.testing.assert_allclose(sum(np.sum(g * d) for g, d in zip(bars, dots)), want, rtol=1e-6, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("case", PROGRAMS, ids=lambda c: c.f.__name__)
def test_forward_compiled(case: Case) -> None:
    args = case.arguments(SIZES[0])
    which, dots = floats(args), iter(directions(args))
    tangents = [next(dots) if k in which else None for k in range(len(args))]
    forward = trace_call(Tangent(case.f), [tuple(args), tuple(tangents)])
    y, y_dot = compile_fn(finished(prepared(forward.fn))).entry(*copies(args), *directions(args), *forward.captured)
    np.testing.assert_allclose(y, case.f(*copies(args)), rtol=1e-11)
    want = difference(lambda a: [case.f(*a)], args, directions(args))[0]
    np.testing.assert_allclose(y_dot, want, rtol=1e-6, atol=1e-7)
