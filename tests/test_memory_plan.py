"""memory_plan: what it says is what the program keeps, and it says why."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest

import jitgrad as jg


def sines(x: Any) -> Any:
    for _ in range(1000):
        x = np.sin(x)
    return x


def field(u: Any, steps: int) -> Any:
    u = u.copy()
    for _ in range(steps):
        for i in range(1, u.shape[0]):
            for j in range(u.shape[1]):
                u[i, j] += 0.1 * np.sin(u[i - 1, j]) * u[i, j]
    return np.sum(u)


def snapshots(u: Any, steps: int) -> Any:
    for _ in jg.checkpoint(range(steps), every="binomial", snapshots=6):
        u = u + np.sin(u) * np.sum(u)
    return np.sum(u)


def segments(u: Any, steps: int) -> Any:
    for _ in jg.checkpoint(range(steps), every=10):
        u = u + np.sin(u) * np.sum(u)
    return np.sum(u)


def squares(x: Any) -> Any:
    s = 0.0
    for i in range(x.shape[0]):
        s += x[i] * x[i]
    return s


def newton(a: Any) -> Any:
    x = a
    while abs(x * x - a) > 1e-9:
        x = 0.5 * (x + a / x)
    return x


def newtons(a: Any) -> Any:
    s = 0.0
    for i in range(a.shape[0]):
        s += newton(a[i])
    return s


def branches(x: Any) -> Any:
    s = 1.0
    for i in range(x.shape[0]):
        if x[i] < 0.5:
            for j in range(x.shape[0]):
                s = s + 0.1 * np.sin(s * x[j])
        else:
            s = s * x[i]
    return s


U = np.ones((20, 30))

# function, arguments, bytes in all, and a line of the table
CASES = [
    (sines, (0.3,), 8000, "8 kB"),
    (field, (U, 50), 50 * 19 * 30 * 8, "f64[50, 19, 30]  228 kB"),
    (snapshots, (U, 50), 6 * 20 * 30 * 8, "snapshots of what the loop carries"),
    (segments, (U, 50), 5 * 20 * 30 * 8, "the next iteration overwrites it"),
    (squares, (U[0],), 0, "nothing is remembered"),
    (newton, (2.0,), 8, "f64[?]  8 B each time  the next iteration overwrites it"),
    (branches, (np.linspace(0, 1, 40),), 3 * 40 * 8 + 8, "8 B each time  the result of a branch in which there is a loop"),
    (newtons, (np.ones(40),), 2 * 40 * 8 + 8, "f64[?]   8 B each time  the result of a loop"),
]


@pytest.mark.parametrize(("f", "args", "total", "line"), CASES, ids=lambda c: getattr(c, "__name__", ""))
def test_plans(f: Any, args: Any, total: int, line: str) -> None:
    plan = jg.memory_plan(jg.grad(f), *args)
    assert plan.bytes == total
    assert line in repr(plan)


@pytest.mark.parametrize(("f", "args"), [(sines, (0.3,)), (field, (U, 50))])
def test_the_program_keeps_that(f: Any, args: Any) -> None:
    """The rows of the compiled program have these types."""
    df = jg.grad(f)
    df(*args)
    for row in jg.memory_plan(df, *args):
        if not row.depth:
            assert any(f"_rows: {row.dtype}[" in line for line in df.show().splitlines())


def test_wants_a_derivative() -> None:
    with pytest.raises(jg.errors.ArgumentError, match="memory_plan wants a derivative"):
        jg.memory_plan(np.sin, 1.0)


def scattered(x: Any, where: Any) -> Any:
    total, h = 0.0, np.zeros(3)
    for i in numba.prange(where.shape[0]):
        total += np.sin(x[where[i]])
        h[where[i] % 3] += x[i] ** 2
    return total + np.sum(h * h)


def test_copies_for_each_thread() -> None:
    """Sums into arrays: of the loop, and of its return sweep. A sum into a number takes no memory worth a row."""
    plan = jg.memory_plan(jg.grad(scattered), np.linspace(0.5, 1.0, 9), np.arange(9) % 5)
    threads = numba.get_num_threads()
    assert [(r.name, r.shape) for r in plan] == [("h_parts", (threads, 3)), ("x_bar_parts", (threads, 9))]
    assert plan.bytes == 8 * threads * 12
    assert {r.loop for r in plan} == {"prange"} and "each thread adds to a copy of its own" in repr(plan)
    assert not jg.memory_plan(jg.grad(lambda x: sum(x[i] ** 2 for i in numba.prange(9))), np.ones(9))
