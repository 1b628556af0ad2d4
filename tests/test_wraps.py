"""Remainders of what goes around at most once: one comparison in what is compiled, no division, the same number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import jitgrad as jg
from jitgrad.ir.build import Value, size, trace
from jitgrad.ir.core import Type, Var
from jitgrad.ir.dims import Sym, of_symbol
from jitgrad.ir.interp import interp
from jitgrad.ir.walk import everywhere
from jitgrad.ops.index import add_at, get
from jitgrad.ops.loop import loop
from jitgrad.transform.wraps import wraps

n = Sym("n", 1)
VECTOR = Type("f64", (of_symbol(n),))


def ring(at: Any) -> Any:
    """y[at(i, n)] += x[i] * (i + 1)"""

    def f(x: Value) -> Value:
        length = size(x.type.shape[0])

        def step(i: Value, y: Value, x: Value) -> Value:
            return add_at(y, get(x, i), at(i, length))

        return loop(0, length, lambda i, y, x: (step(i, y, x), x), 0.0 * x, x, hints=("i", "y", "x"))[0]

    return trace(f, [Var(VECTOR, "x")], "f")


def divisions(fn: Any) -> int:
    return sum(let.op.name == "mod" for _, let in everywhere(fn))


@pytest.mark.parametrize(
    ("at", "left"),
    [
        (lambda i, n: i % n, 0),
        (lambda i, n: (i + 1) % n, 0),
        (lambda i, n: (i - 1) % n, 0),
        (lambda i, n: (i + n - 1) % n, 0),
        (lambda i, n: (n - 1 - i) % n, 0),
        (lambda i, n: (-i) % n, 0),
        (lambda i, n: (i + n) % n, 0),
        (lambda i, n: ((i + 1) % n + 1) % n, 0),
        (lambda i, n: (i + 2) % n, 1),  # of one cell, that is twice around
        (lambda i, n: (i - 1 + 2 * n) % n, 1),
        (lambda i, n: (i - n - 1) % n, 1),
        (lambda i, n: (3 * i) % n, 1),
    ],
)
def test_rings(at: Any, left: int) -> None:
    fn = ring(at)
    done = wraps(fn)
    assert divisions(done) == left
    for k in (1, 2, 3, 7):
        x = np.arange(1.0, k + 1.0)
        np.testing.assert_array_equal(interp(done, x)[0], interp(fn, x)[0])


def neighbours(x):
    s = 0.0
    for i in range(x.shape[0]):
        s += x[i] * x[(i + 1) % x.shape[0]] + np.sin(x[(i - 2) % x.shape[0]])
    return s


def test_compiled() -> None:
    f = jg.value_and_grad(neighbours)
    for k in (7, 8):
        x = np.random.default_rng(k).normal(size=k)
        y, x_bar = f(x)
        np.testing.assert_allclose(y, np.sum(x * np.roll(x, -1) + np.sin(x)))
        np.testing.assert_allclose(x_bar, np.roll(x, -1) + np.roll(x, 1) + np.cos(x))
    assert "%" not in f.source
