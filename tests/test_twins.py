"""Carries that are always equal are one; a recurrence that is run for its results and again for its return sweep runs once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jitgrad.eager as torch
from jitgrad.eager import run as running
from jitgrad.ir.build import Value, size, trace, value
from jitgrad.ir.core import F64, Fn, Type, Var
from jitgrad.ir.dims import Sym, of_symbol
from jitgrad.ir.interp import interp
from jitgrad.ir.walk import everywhere
from jitgrad.ops.cond import check
from jitgrad.ops.index import get, put
from jitgrad.ops.loop import Loop, loop
from jitgrad.ops.scalar import lt, sin
from jitgrad.transform.fuse import fuse
from jitgrad.transform.simplify import simplify

N = of_symbol(Sym("n", 2))
VECTOR = Type("f64", (N,))
ZERO = value(0)
X = np.random.default_rng(5).uniform(0.5, 1.5, 6)


def fn_of(body: Callable[..., Any], *types: Type) -> Fn:
    return trace(body, [Var(t, h) for t, h in zip(types, body.__code__.co_varnames, strict=False)], body.__name__)


def loops(fn: Fn) -> list[Loop]:
    return [Loop.of(let) for _, let in everywhere(fn) if let.op.name == "loop"]


def up(step: Callable[..., Any], *init: Any, reverse: bool = False) -> Any:
    return loop(ZERO, size(N), step, *init, reverse=reverse)


def same_meaning(before: Fn, after: Fn, *args: Any) -> None:
    for a, b in zip(interp(before, *args), interp(after, *args), strict=True):
        np.testing.assert_array_equal(b, a)


# ---- carries


def equal(x, s):
    return up(lambda i, a, b: (sin(a) * get(x, i), get(x, i) * sin(b)), s, s)


def crossed(x, s):
    return up(lambda i, a, b: (sin(b), sin(a) * 1.0), s, s)


def counters(x, s):
    return up(lambda i, a, b, c: (a + get(x, i), b + get(x, i), c + get(x, i) * get(x, i)), s, s, s)


def different(x, s):
    return up(lambda i, a, b: (sin(a), sin(b) + 1.0), s, s)


def different_later(x, s):
    """b differs from a after the first iteration, so c differs from d after the second."""
    return up(lambda i, a, b, c, d: (a + 1.0, b + 2.0, sin(a), sin(b)), s, s, s, s)


def other_start(x, s):
    return up(lambda i, a, b: (sin(a), sin(b)), s, s + 1.0)


@pytest.mark.parametrize(
    ("program", "carries"), [(equal, 1), (crossed, 1), (counters, 2), (different, 2), (different_later, 4), (other_start, 2)]
)
def test_carries_that_are_always_equal_are_one(program: Any, carries: int) -> None:
    fn = fn_of(program, VECTOR, F64)
    after = simplify(fn)
    assert loops(after)[0].count == carries
    same_meaning(fn, after, X, np.float64(0.3))


# ---- loops. Each iteration makes the array h anew.


def twice(h, x):
    """Once for the result, and once for what a return sweep would read."""
    (last,) = up(lambda i, now: (sin(now) * x,), h)
    doubled = last + last
    return (doubled, *up_with_rows(h, x))


def up_with_rows(h: Any, x: Any) -> Any:
    return loop(ZERO, size(N), lambda i, now: (x * sin(now), get(now, i)), h)


def of_the_first(h, x):
    (last,) = up(lambda i, now: (sin(now) * x,), h)
    return (last, *up_with_rows(last, x))


def another_one(h, x):
    return (*up(lambda i, now: (sin(now) * x,), h), *up(lambda i, now: (sin(now) + x,), h))


def the_other_way(h, x):
    def step(i: Value, now: Value) -> Any:
        return (put(sin(now), get(x, i), i),)

    return (*up(step, h), *up(step, h, reverse=True))


def raising(h, x):
    def step(i: Value, now: Value) -> Any:
        check(lt(get(now, i), 5.0), "too large")
        return (sin(now) * x,)

    return (*up(step, h), *up(step, h))


@pytest.mark.parametrize(
    ("program", "count", "steps"),
    [(twice, 1, 1), (of_the_first, 2, 2), (another_one, 2, 2), (the_other_way, 2, 2), (raising, 2, 2)],
)
def test_iterations_that_are_the_same_run_once(program: Any, count: int, steps: int) -> None:
    fn = fn_of(program, VECTOR, VECTOR)
    after = simplify(fuse(simplify(fn)))
    assert len(loops(after)) == count
    assert sum(let.op.name == "sin" for _, let in everywhere(after)) == steps
    same_meaning(fn, after, X, X[::-1].copy())


@pytest.mark.parametrize("module", ["RNN", "LSTM", "GRU"])
def test_a_recurrent_network_has_two_loops(module: str, monkeypatch: Any) -> None:
    """The value and the gradient: one loop that also remembers, and one back."""
    monkeypatch.setattr(running, "entries", {})
    monkeypatch.setattr(running.settings, "compile_after", 0)
    torch.manual_seed(0)
    out, _ = getattr(torch.nn, module)(2, 6)(torch.randn(5, 3, 2))
    (out * out).sum().backward()
    (entry,) = [e for e in running.entries.values() if e.function is not None]
    (program,) = entry.function.programs
    assert [v.reverse for v in loops(program.fn)] == [False, True]
