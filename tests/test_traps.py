"""Where derivatives of programs are known to go wrong, one named case each: what loops overwrite, accumulators that are used on
the way, jumps, Python's own state; and arrays that change between the two halves of reverse mode.

Reverse mode compiled, forward mode interpreted, against the same program on dual numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import jitgrad as jg
from jitgrad.api.derive import Gradient, Tangent
from jitgrad.errors import AliasError, ConcretizationError, Unsupported
from jitgrad.front.trace import trace_call
from jitgrad.ir.interp import interp
from jitgrad.transform.pipeline import finished, prepared

from .duals import BUILTINS, Maths, derivative, second


def on_duals(f: Any) -> Any:
    return type(f)(f.__code__, {**f.__globals__, "np": Maths(), **BUILTINS}, f.__name__)


X = np.array([0.4, -1.3, 0.9, 1.7, -0.2, 1.1])


def accumulator_used_nonlinearly(x, w):
    s = 0.0
    for v in x:
        s = s * s * w + v
    return s * s


def accumulator_read_on_the_way(x, w):
    s, t = 0.0, 0.0
    for i in range(len(x)):
        s += x[i] * w
        t += s * s
    return t * s


def accumulator_in_an_array(x, w):
    s = np.zeros(2)
    for i in range(len(x)):
        s[0] += x[i] ** 2
        s[1] += s[0] * w
        s[0] *= 0.5
    return s[0] * s[1]


def product_with_a_zero(x, w):
    p = 1.0
    for i in range(len(x)):
        p *= x[i] - x[2]
        p += w
    return p


def variable_overwritten(x, w):
    s = 0.0
    for v in x:
        z = v * w
        z = z * z
        z = np.sin(z)
        s += z * v
    return s


def cell_overwritten(x, w):
    a = x.copy()
    for k in range(4):
        a[1] = a[1] * a[1] * w
        a[2] = a[1] + a[2]
        a[1] = np.cos(a[2])
    return a[1] * a[2]


def neighbours_overwritten(x, w):
    a = x.copy()
    for k in range(3):
        for i in range(1, len(a) - 1):
            a[i] = w * a[i - 1] * a[i] + np.sin(a[i + 1])
    return np.sum(a * a)


def scratch_overwritten(x, w):
    scratch, s = np.zeros(3), 0.0
    for i in range(len(x)):
        for j in range(3):
            scratch[j] = x[i] ** (j + 1) * w
        for j in range(3):
            s += scratch[j] * scratch[2 - j] * (1 if s < 1 else s)
    return s


def argument_overwritten(x, w):
    s = np.sum(x * x)
    x[0] = x[1] * w
    x *= 2.0
    return s * np.sum(x * x)


def continues(x, w):
    s = 0.0
    for i in range(len(x)):
        if x[i] < 0:
            continue
        s = s * w + x[i] ** 2
        if s > 2.5:
            continue
        s += 0.1 * x[i]
    return s


def breaks(x, w):
    s, i = 0.0, 0
    while True:
        s = s * w + np.sin(x[i])
        if s > 1.0 or i + 1 == len(x):
            break
        i += 1
    return s * x[i]


def step_of_a_while_overwrites_its_test(x, w):
    a, k = x.copy(), 0
    while a[k] < 1.5 and k < len(x) - 1:
        a[k + 1] = a[k + 1] * a[k] * w + 0.3
        k += 1
    return np.sum(a * a) * k


def swapped_arrays(x, w):
    u, v = x.copy(), np.zeros(len(x))
    for k in range(5):
        v[1:] = u[:-1] * w + u[1:] ** 2
        u, v = v, u
    return np.sum(u) + 0.5 * np.sum(v)


def a_view_and_its_array(x, w):
    a = x.copy()
    b = a[1:]
    for i in range(len(b)):
        a[i] = b[i] * w
        b[i] = np.sin(a[i]) + b[i]
    return np.sum(a * a)


def last_iteration_only(x, w):
    for i in range(len(x)):
        z = x[i] * w
    return z * i


def w1_finally_after_return(x, w):
    s = 0.0
    try:
        for i in range(len(x)):
            if x[i] > 1.0:
                return s * w * x[i]
            s += x[i] ** 2
    finally:
        s = 5.0
    return s * x[0]


def w2_none_is_read_without_a_trace(x, w):
    best = None
    for i in range(len(x)):
        if best is None or x[i] * w < best:
            best = x[i] * w
    return best * best


def w3_integer_that_becomes_a_float(x, w):
    s = 7
    for i in range(len(x)):
        s = s // 2 * w + s * x[i]
    return s / 2


def w4_swapped_and_only_read(x, w):
    u, v = x, x * w
    for t in range(5):
        u, v = v, u
    return x[0] * u[1] + v[2]


PROGRAMS = [
    accumulator_used_nonlinearly, accumulator_read_on_the_way, accumulator_in_an_array, product_with_a_zero,
    variable_overwritten, cell_overwritten, neighbours_overwritten, scratch_overwritten, argument_overwritten, continues, breaks,
    step_of_a_while_overwrites_its_test, swapped_arrays, a_view_and_its_array, last_iteration_only, w1_finally_after_return,
    w2_none_is_read_without_a_trace, w3_integer_that_becomes_a_float, w4_swapped_and_only_read,
]  # fmt: skip


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_derivative(f: Any) -> None:
    rng = np.random.default_rng(0)
    both = jg.value_and_grad(f, argnums=(0, 1))
    for x in (X, -X[:5], rng.normal(size=9)):
        dots = [rng.normal(size=len(x)), 0.7]
        want, slope = derivative(on_duals(f), [x, 0.8], dots)
        y, (x_bar, w_bar) = both(x.copy(), 0.8)
        np.testing.assert_allclose([y, x_bar @ dots[0] + w_bar * dots[1]], [want, slope], rtol=1e-10)
    forward = trace_call(Tangent(f), [(x.copy(), 0.8), tuple(dots)])
    np.testing.assert_allclose(interp(prepared(forward.fn), x.copy(), 0.8, *dots)[1], slope, rtol=1e-10)


# ---- second order: the return sweep of a return sweep


def rows_swapped_after_an_exit(x, w):
    A = np.outer(x, x)
    for i in range(len(x)):
        if x[i] > 2.0:
            return x[i] * w
    A[[0, 2]] = A[[2, 0]] * w
    return np.sum(A * A) + A[0, 1] ** 3


def while_in_a_branch(x, w):
    s, k = x[0], 0
    if x[1] < 0.1:
        while s < 3.0 and k < 9:
            s = s * s * w + x[2]
            k += 1
    return s * s


@pytest.mark.parametrize("f", [rows_swapped_after_an_exit, while_in_a_branch, cell_overwritten], ids=lambda f: f.__name__)
def test_second_derivative(f: Any) -> None:
    rng = np.random.default_rng(1)
    dots, others = [(rng.normal(size=len(X)), rng.normal()) for _ in range(2)]

    def slope(x: Any, w: Any) -> Any:
        x_bar, w_bar = Gradient(f, (0, 1))(x, w)
        return np.sum(x_bar * dots[0]) + w_bar * dots[1]

    traced = trace_call(Gradient(slope, (0, 1)), [X.copy(), 0.8])
    x_bar, w_bar = interp(finished(prepared(traced.fn)), X.copy(), 0.8, *traced.captured)
    want = second(on_duals(f), [X, 0.8], dots, others)
    np.testing.assert_allclose(x_bar @ others[0] + w_bar * others[1], want, rtol=1e-10)


# ---- what is refused, rather than wrong


def w3_asks_for_a_type(x):
    s = 0
    for i in range(len(x)):
        s = s + x[i] * (2 if isinstance(s, int) else 3)
    return s


def w4_swapped_and_written(x):
    u, v = x, np.zeros(len(x))
    for t in range(9):
        v[0] = u[1]
        u, v = v, u
    return x[0] + u[0]


OUTER = np.ones(3)


def w5_captured_array_is_written(x):
    for i in range(3):
        OUTER[i] = x[i]
    return np.sum(OUTER * OUTER)


REFUSED = {w3_asks_for_a_type: ConcretizationError, w4_swapped_and_written: AliasError, w5_captured_array_is_written: AliasError}


@pytest.mark.parametrize("f", REFUSED, ids=lambda f: f.__name__)
def test_refused(f: Any) -> None:
    with pytest.raises(REFUSED[f]):
        jg.grad(f)(X.copy())
    assert OUTER.tolist() == [1.0, 1.0, 1.0]


# ---- between vjp and its pullback


class Model:
    def __init__(self) -> None:
        self.w, self.scale = X.copy(), 2.0

    def loss(self, x: Any, parts: Any) -> Any:
        return np.sum(self.w * x**3) * self.scale + np.sum(parts["a"] ** 2 * x) + np.sum(weights * x * x)


weights = X.copy()


def test_a_pullback_is_of_the_arrays_as_they_were() -> None:
    global weights
    weights = X.copy()
    model, x, parts = Model(), X.copy(), {"a": X.copy()}
    want = (6 * X**3 + X**2 + 2 * X * X, {"a": 2 * X * X})
    out, pullback = jg.vjp(model.loss, x, parts)
    assert out == model.loss(X, parts)
    for change in (lambda: x.fill(9.0), lambda: parts["a"].fill(9.0), lambda: parts.clear(), lambda: model.w.fill(9.0)):
        change()
        got = pullback(1.0)
        np.testing.assert_allclose(got[0], want[0], rtol=1e-14)
        np.testing.assert_allclose(got[1]["a"], want[1]["a"], rtol=1e-14)
    weights *= 0.0
    np.testing.assert_allclose(pullback(1.0)[0], want[0], rtol=1e-14)
    got[0][:] = 5.0  # what was given is the caller's
    np.testing.assert_allclose(pullback(2.0)[0], 2 * want[0], rtol=1e-14)


def rebound_global() -> None:
    global weights
    weights = 2.0 * X


CHANGES = {
    "attribute": lambda model: setattr(model, "scale", 3.0),
    "array in an attribute": lambda model: setattr(model, "w", 2.0 * X),
    "global": lambda model: rebound_global(),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_pullback_of_something_else_is_refused(name: str) -> None:
    model = Model()
    _, pullback = jg.vjp(model.loss, X.copy(), {"a": X.copy()})
    before = pullback(1.0)[0]
    CHANGES[name](model)
    with pytest.raises(Unsupported, match="is another object than when vjp was called"):
        pullback(1.0)
    _, again = jg.vjp(model.loss, X.copy(), {"a": X.copy()})
    assert not np.allclose(again(1.0)[0], before)
