"""Python's builtins, operators and `math` on traced numbers: what Python gives, and Python's numbers (weak) again."""

from __future__ import annotations

import builtins
import math
import operator

import numpy as np
import pytest

import jitgrad as jg
from jitgrad.front.promote import Operand
from jitgrad.front.trace import trace_call
from jitgrad.ir.build import trace
from jitgrad.ir.core import Type
from jitgrad.ir.interp import interp
from jitgrad.ir.verify import verify

from .surface_run import Probe, call, operands_of

NAN, INF = math.nan, math.inf

# fmt: off
PYTHON = [
    *[(getattr(math, f), 0.6) for f in (
        "exp", "expm1", "log1p", "log2", "log10", "sqrt", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh",
        "asinh", "atanh", "erf", "erfc", "gamma", "lgamma", "degrees", "radians", "fabs", "floor", "ceil", "trunc", "isnan",
        "isinf", "isfinite", "log", "modf")],
    *[(getattr(math, f), -2.5) for f in ("floor", "ceil", "trunc", "fabs", "gamma", "modf", "exp")],
    *[(getattr(math, f), 0.6) for f in ("cbrt", "exp2") if hasattr(math, f)],
    *[(f, x, z) for f in (math.atan2, math.copysign, math.fmod, math.hypot) for x in (-7.3, 2.5) for z in (-1.5, 0.7)],
    (math.acosh, 1.6), (math.pow, 1.5, -2.5), (math.pow, 2, 3), (math.log, 3.0, 2.0), (math.log, 8), (math.hypot, 3.0),
    (math.hypot, 1.0, 2.0, 2.0), (math.ldexp, 1.5, 3), (math.isclose, 1.0, 1.0 + 1e-10), (math.isclose, 1.0, 2.0),
    (lambda x, z: math.dist([x, z], [1.0, 2.0]), 0.5, 0.6), (lambda x, z: math.fsum([x, z, 1]), 0.5, 0.6),
    (lambda x, z: math.prod([x, z, 2]), 0.5, 0.6), (lambda x, z: math.prod([x, z], start=3), 2, 3), (math.floor, 3),
    (math.sqrt, 4),
    *([(lambda x, z: math.sumprod([x, z], [z, x]), 0.5, 0.6)] if hasattr(math, "sumprod") else []),
    (abs, -2.5), (abs, -3), (abs, True), (float, 3), (float, 2.5), (int, -2.7), (int, 3), (bool, 0.0), (bool, 2), (round, 2.5),
    (round, -3.5), (round, 3), (pow, 2.0, 3),
    (lambda x: pow(x, -1), 2), (lambda x: pow(x, 3), 2), (pow, 2, 5), (divmod, 7.5, -2.0), (divmod, -7, 2),
    (lambda x, z: sum([x, z, 1]), 2, 3), (lambda x, z: sum([x, z], start=1.5), 2, 3), (lambda x: sum([x > 1, x > 2]), 3.0),
    (lambda x: any([x > 1, x > 2]), 1.5), (lambda x: all([x > 1, x > 2]), 1.5), (lambda x: max([x, 2, x + 1]), 1.5),
    *[(f, x, z) for f in (max, min) for x in (1.0, NAN, -0.5, INF) for z in (1.0, NAN, 2.0)],
    (lambda x: max(x, 0.0), NAN), (lambda x: max(0.0, x), NAN), (lambda x: min(x, 3), 2), (lambda x, z: min(x, z, 0.5), 1.0, 2.0),
    *[(f, x, z) for f in (operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod)
      for x, z in ((7, -2), (7.5, -2.0), (True, True), (True, 2.0))],
    *[(f, x, z) for f in (operator.lt, operator.le, operator.eq, operator.ne, operator.gt, operator.ge)
      for x, z in ((1, 2.0), (True, 1))],
    (operator.pow, 2, 10), (operator.pow, 2.0, 0.5), (operator.pow, 3, 0), (lambda x: x ** -2, 7), (operator.neg, True),
    (operator.neg, 2.5), (operator.pos, 2), (operator.invert, 5), (operator.invert, True), (operator.and_, True, False),
    (operator.or_, 6, 3), (operator.xor, 6, 3), (operator.lshift, 3, 2), (operator.rshift, -9, 1), (operator.not_, 0.0),
]
# fmt: on
DTYPE_OF = {bool: "bool", int: "i64", float: "f64"}


def of_python(f, *xs):
    """`f` of traced Python numbers: results that are Python numbers too."""
    outs = []

    def body(*vs):
        made = operands_of(call_all(f, *[Probe(Operand(v, weak=True)) for v in vs]))
        outs.extend(made)
        return tuple(o.value for o in made)

    fn = verify(trace(body, [Type(DTYPE_OF[type(x)]) for x in xs], "f"))
    return outs, interp(fn, *xs)


def call_all(f, *xs):
    """The builtins and `math`, called as a rewritten function calls them."""
    if getattr(f, "__name__", "") != "<lambda>":
        return call(f, *xs)
    space = {n: (lambda *a, g=getattr(builtins, n), **k: call(g, *a, **k)) for n in ("sum", "any", "all", "max", "min", "pow")}

    class Math:
        def __getattr__(self, name):
            return lambda *a, **k: call(getattr(math, name), *a, **k)

    return type(f)(f.__code__, {**f.__globals__, **space, "math": Math()}, "f", f.__defaults__, f.__closure__)(*xs)


@pytest.mark.parametrize(("f", "xs"), [(f, xs) for f, *xs in PYTHON])
def test_python(f, xs):
    outs, got = of_python(f, *xs)
    want = f(*xs)
    want = want if isinstance(want, tuple) else (want,)
    assert len(got) == len(want)
    for o, g, w in zip(outs, got, want):
        assert o.weak
        assert o.dtype == DTYPE_OF[type(w)]
        np.testing.assert_allclose(g, w, rtol=1e-14)


# ---- integers that the program computes have 64 bits


def linear_congruence(x, h):
    out = 0.0
    for i in range(len(x)):
        h = h * 6364136223846793005 + 1442695040888963407
        out += x[h % 5] * x[i] * ((h >> 33) & 7)
    return out


def shifts(x, h):
    out = 0.0
    for i in range(len(x)):
        h ^= h << 13
        h ^= h >> 7
        h ^= h << 17
        out += x[abs(h) % len(x)] * x[i]
    return out


def unsigned(x, h):
    h = np.uint64(h)
    out = 0.0
    for i in range(len(x)):
        h = h * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
        out += x[i] * float(h >> np.uint64(40)) / 2**24
    return out


@pytest.mark.parametrize("f", [linear_congruence, shifts, unsigned], ids=lambda f: f.__name__)
def test_integers_wrap_around_as_those_of_numba(f):
    x = np.linspace(0.5, 2.0, 9)
    with np.errstate(over="ignore"):
        want = f(x, np.int64(12345))
    traced = trace_call(f, [x, 12345])
    np.testing.assert_allclose(jg.jit(f)(x, 12345), want, rtol=1e-14)
    np.testing.assert_allclose(interp(traced.fn, x, 12345), [want], rtol=1e-14)
