"""Every construct through every mode: differences, the transpose identity, second order, and after every pass."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from jitgrad.ir.interp import interp
from jitgrad.ir.parse import parse
from jitgrad.ir.show import show
from jitgrad.ir.verify import verify
from jitgrad.transform import pipeline
from jitgrad.transform.ad import jvp, vjp

from .constructs import PROGRAMS, Program

SIZES = (2, 5)
each = pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)


def differences(f: Any, args: list[Any], dots: list[Any], h: float = 1e-3) -> list[Any]:
    """Directional derivative: central differences, extrapolated (Richardson) to order h^4."""

    def central(h: float) -> list[Any]:
        up = f(*[a + h * d for a, d in zip(args, dots)])
        down = f(*[a - h * d for a, d in zip(args, dots)])
        return [(p - m) / (2 * h) for p, m in zip(up, down)]

    return [(4 * b - a) / 3 for a, b in zip(central(h), central(h / 2))]


def drawn(program: Program, size: int, seed: int, like: list[Any]) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=np.shape(a)) for a in like]


def dot(a: Any, b: Any) -> float:
    return float(sum(np.sum(x * y) for x, y in zip(a, b)))


@each
@pytest.mark.parametrize("size", SIZES)
def test_first_order(program: Program, size: int) -> None:
    fn = verify(program.fn())
    forward, reverse = jvp(pipeline.prepared(fn)), vjp(pipeline.prepared(fn))
    args = program.arguments(size)
    dots = drawn(program, size, 1, args)
    (y,) = interp(fn, *args)
    y1, y_dot = interp(forward, *args, *dots)
    y2, *bars = interp(reverse, *args, 1.0)
    np.testing.assert_allclose([y1, y2], y, rtol=1e-12)
    np.testing.assert_allclose(y_dot, differences(lambda *a: interp(fn, *a), args, dots)[0], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(dot(bars, dots), y_dot, rtol=1e-9, atol=1e-11)


@each
def test_second_order(program: Program) -> None:
    """jvp of vjp against differences; vjp of vjp as its transpose."""
    gradient = pipeline.prepared(vjp(pipeline.prepared(program.fn())))
    args = [*program.arguments(5), 1.3]
    dots = drawn(program, 5, 2, args)
    out = interp(gradient, *args)
    bars = drawn(program, 5, 3, list(out))
    tangents = interp(jvp(gradient), *args, *dots)[len(out) :]
    for t, d in zip(tangents, differences(lambda *a: interp(gradient, *a), args, dots)):
        np.testing.assert_allclose(t, d, rtol=1e-5, atol=1e-7)
    back = interp(vjp(gradient), *args, *bars)[len(out) :]
    np.testing.assert_allclose(dot(back, dots), dot(bars, tangents), rtol=1e-9, atol=1e-10)


@each
def test_passes_keep_the_meaning(program: Program) -> None:
    fn = vjp(program.fn())
    args = [*program.arguments(5), 0.7]
    want = interp(fn, *args)
    for passes in (*[(name,) for name in pipeline.PASSES], pipeline.BEFORE, pipeline.AFTER):
        for have, w in zip(interp(pipeline.run(fn, passes), *args), want):
            np.testing.assert_allclose(have, w, rtol=1e-9, atol=1e-12, err_msg=str(passes))


@each
def test_text_parses_back(program: Program) -> None:
    for fn in (program.fn(), pipeline.finished(vjp(program.fn()))):
        text = show(fn)
        again = verify(parse(text))
        assert show(again) == text
        args = [*program.arguments(5), 0.7][: len(fn.params)]
        for a, b in zip(interp(fn, *args), interp(again, *args)):
            np.testing.assert_array_equal(a, b)
