"""Loops around rings: they begin where their seams are, if their iterations may run in any order, and give what they gave."""

from __future__ import annotations

import types
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import jitgrad as jg
from jitgrad.emit.cpu import MODULES
from jitgrad.emit.python import emit
from jitgrad.lower import schedule as scheduling
from jitgrad.lower.plan import For, Plan, Scalar, everywhere
from jitgrad.lower.show import show_plan
from jitgrad.lower.turned import turned

from .plain_text import run


def neighbours(x):
    n = x.shape[0]
    y = np.empty(n)
    for i in range(n):
        y[i] = (x[(i + 1) % n] - x[i - 2]) * x[i - 1] - x[i]
    return y


def ahead(x):
    n = x.shape[0]
    y = np.zeros(n)
    for i in range(n):
        y[i] = x[(i + 1) % n] * x[(i + 2) % n] + i * x[i]
    return y


def in_steps(x):
    """Time steps over rings: the return sweep gathers at i - 1, i + 1 and i + 2."""
    for _t in range(3):
        x = x + 0.1 * neighbours(x)
    return x


def sums(x):
    n = x.shape[0]
    s, m = 0.0, 0.0
    y = np.zeros(n)
    for i in range(n):
        y[i] = x[(i + 3) % n]
        s += x[(i + 1) % n] * x[i]
    for i in range(n):
        m += y[i] * x[(i + 1) % n]
    return y * s + m


def by_branches(x):
    n = x.shape[0]
    y = np.zeros(n)
    for i in range(n):
        k = i + 1 if i + 1 < n else i + 1 - n
        y[i] = x[k] - 0.5 * x[i]
    return y


def of_rows(x):
    n = x.shape[0]
    u = np.empty((n, n))
    for i in range(n):
        for j in range(n):
            u[i, j] = x[i] * x[(j + 1) % n] - x[(i + 1) % n] * x[j - 1]
    return np.sum(np.sin(u), axis=1)


def in_place(x):
    """Each cell needs the one before: it stays as it is."""
    y = x.copy()
    n = y.shape[0]
    for i in range(n):
        y[i] = 0.5 * y[(i + 1) % n] + 0.25 * y[i - 1]
    return y


def backwards(x):
    n = x.shape[0]
    y = np.zeros(n)
    for i in range(n - 1, -1, -1):
        y[i] = x[(i + 1) % n] * x[i - 1]
    return y


def inner_ring(x):
    """The loop is longer than the ring."""
    n = x.shape[0] - 1
    y = np.zeros(n + 1)
    for i in range(n + 1):
        y[i] = x[(i + 1) % n] * x[i]
    return y


def from_one(x):
    n = x.shape[0]
    y = np.zeros(n)
    for i in range(1, n):
        y[i] = x[(i + 1) % n] * x[i]
    return y


TURNED = [neighbours, ahead, in_steps, sums, of_rows, backwards]
AS_THEY_ARE = [in_place, inner_ring, from_one, by_branches]


def plan_of(f: Any, n: int = 9, how: Any = jg.jit) -> Plan:
    g = how(types.FunctionType(f.__code__, f.__globals__, f.__name__, f.__defaults__, f.__closure__))  # nothing is known of it
    g(np.linspace(0.5, 1.5, n))
    return g.programs[0].compiled.plan


def seams_at_the_end(plan: Plan) -> int:
    """Choices of an index between `i + d` and `i + d - n`."""
    found = 0
    for s in everywhere(plan.body):
        if isinstance(s, For) and not any(isinstance(t, For) for t in s.body):
            tests = {t.out for t in s.body if isinstance(t, Scalar) and t.op.name == "lt" and str(t.args[1]) != "0:i64"}
            found += sum(isinstance(t, Scalar) and t.op.name == "where" and t.args[0] in tests for t in s.body)
    return found


@pytest.mark.parametrize("f", TURNED, ids=lambda f: f.__name__)
def test_no_seam_is_left_at_the_end(f):
    assert seams_at_the_end(plan_of(f)) == 0


@pytest.mark.parametrize("f", AS_THEY_ARE, ids=lambda f: f.__name__)
def test_what_has_an_order_or_is_no_whole_ring_stays(f, monkeypatch):
    mine = show_plan(plan_of(f))
    monkeypatch.setattr(scheduling, "turned", lambda plan: plan)
    assert mine == show_plan(plan_of(f))


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7, 8, 11, 40])
@pytest.mark.parametrize("f", TURNED + AS_THEY_ARE, ids=lambda f: f.__name__)
def test_values(f, n):
    if f is inner_ring and n == 1:
        pytest.skip("a ring of no cells")
    x = np.random.default_rng(n).uniform(0.5, 1.5, n)
    if f in (neighbours, in_steps, of_rows) and n < 2:
        pytest.skip("x[-2] is not there")
    np.testing.assert_allclose(jg.jit(f)(x), f(x), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("n", [2, 3, 5, 6, 7, 9])
@pytest.mark.parametrize("f", TURNED + AS_THEY_ARE, ids=lambda f: f.__name__)
def test_gradients(f, n):
    """Against differences of plain Python, forward against reverse, and second order."""
    rng = np.random.default_rng(n)
    x, w = rng.uniform(0.5, 1.5, n), rng.normal(size=n)

    def loss(x):
        return np.sum(w * f(x))

    wanted = [(loss(x + 1e-6 * e) - loss(x - 1e-6 * e)) / 2e-6 for e in np.eye(n)]
    np.testing.assert_allclose(jg.grad(loss)(x), wanted, rtol=1e-6, atol=1e-7)
    v = rng.normal(size=n)
    np.testing.assert_allclose(jg.jvp(loss)((x,), (v,))[1], np.dot(jg.grad(loss)(x), v), rtol=1e-12)
    np.testing.assert_allclose(jg.hvp(loss)((x,), (v,))[0], jg.hessian(loss)(x) @ v, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("n", [5, 6, 9])
@pytest.mark.parametrize("f", TURNED, ids=lambda f: f.__name__)
def test_the_same_with_and_without(f, n, monkeypatch):
    """The texts of both plans, run as plain Python: bit by bit the same where nothing is summed."""
    x = np.random.default_rng(n).uniform(0.5, 1.5, n)
    mine = run(emit(plan_of(f, n), MODULES), [x])
    monkeypatch.setattr(scheduling, "turned", lambda plan: plan)
    other = plan_of(f, n)
    assert seams_at_the_end(other) > 0
    rtol = 1e-14 if f in (sums, of_rows) else 0
    np.testing.assert_allclose(mine[0], run(emit(other, MODULES), [x])[0], rtol=rtol)


def test_gradients_gather_without_seams():
    """The return sweep reads at i + 1 and i + 2: it begins two cells earlier."""
    plan = plan_of(lambda x: np.sum(in_steps(x)), how=jg.grad)
    assert seams_at_the_end(plan) == 0


def test_too_far_for_the_ring():
    """Sizes up to 4 are numbers; a step of 5 on a ring of 5 cells or more is not proven to fit together with one of -1."""

    def f(x):
        n = x.shape[0]
        y = np.zeros(n)
        for i in range(n):
            y[i] = x[(i + 4) % n] * x[i - 2]
        return y

    for n in (5, 6, 7, 20):
        x = np.random.default_rng(n).uniform(0.5, 1.5, n)
        np.testing.assert_allclose(jg.jit(f)(x), f(x), rtol=1e-14)
    assert seams_at_the_end(plan_of(f)) > 0


def test_a_plan_without_rings_is_the_same_object():
    plan = plan_of(lambda x: np.sum(np.sin(x)))
    assert turned(plan) is plan
    assert turned(replace(plan)) is not plan
