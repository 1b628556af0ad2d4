"""What comes from outside or is asked once, while tracing: clocks, chance and texts would be stale at every later call; arrays of
constants are new each time."""

from __future__ import annotations

import datetime
import functools
import os
import random
import secrets
import time
import uuid
from typing import Any

import numba
import numpy as np
import pytest

import jitgrad as jg
from jitgrad.errors import AliasError, ConcretizationError, EscapedError, Unsupported
from jitgrad.front.places import Snapshot
from jitgrad.front.trace import trace_call

X = np.linspace(0.5, 2.0, 9)
GENERATOR = np.random.default_rng(0)

MOMENTS: dict[str, Any] = {
    "time.time": lambda x: x[0] * time.time(),
    "time.perf_counter": lambda x: x[0] + 0 * time.perf_counter(),
    "now": lambda x: x[0] * datetime.datetime.now().second,
    "today": lambda x: x[0] * datetime.date.today().day,
    "input": lambda x: x[0] * float(input()),
    "urandom": lambda x: x[0] * os.urandom(1)[0],
    "random": lambda x: x[0] * random.random(),
    "gauss": lambda x: x[0] * random.gauss(0, 1),
    "shuffle": lambda x: random.shuffle([1, 2]) or x[0],
    "rand": lambda x: x[0] * np.random.rand(),
    "normal": lambda x: x[0] * GENERATOR.normal(),
    "default_rng": lambda x: x[0] * np.random.default_rng(0).normal(),
    "token_bytes": lambda x: x[0] * secrets.token_bytes(1)[0],
    "uuid4": lambda x: x[0] * uuid.uuid4().int,
}


@pytest.mark.parametrize("name", MOMENTS)
def test_moments_are_refused(name: str) -> None:
    with pytest.raises(Unsupported, match=f"{name}` .* while the function is traced, once for all calls"):
        trace_call(MOMENTS[name], [X.copy()])


def test_a_date_that_is_given_is_a_value() -> None:
    f = lambda x: x[0] * datetime.date(2020, 1, 2).day
    assert jg.grad(f)(X)[0] == 2.0


TEXTS: list[Any] = [
    lambda x: x[0] * len(f"{x[1]}"),
    lambda x: x[0] * len("%s" % x[1]),
    lambda x: x[0] * len("%r %s" % (2, x)),
    lambda x: x[0] * len(str(x[1])),
    lambda x: x[0] * len(repr(x[1])),
    lambda x: x[0] * len("{:.3f}".format(x[1])),
]


@pytest.mark.parametrize("f", TEXTS)
def test_texts_of_computed_numbers_are_refused(f: Any) -> None:
    with pytest.raises(ConcretizationError, match="a text asks for the number(.|\n)*write the text outside"):
        trace_call(f, [X.copy()])


def test_texts_of_sizes_are_theirs() -> None:
    f = jg.grad(lambda x: x[0] * len(f"{len(x)} {x.shape[0]!s}"))
    assert f(X)[0] == 3.0 and f(np.ones(12))[0] == 5.0


def test_what_is_printed_says_what_it_is(capsys: Any) -> None:
    def f(x):
        print("x", x, x[0], len(x))
        return x[0]

    jg.grad(f)(X)
    assert capsys.readouterr().out == "x <a float64 array of shape (n,)> <a traced float64> <the size n>\n"


def test_errors_may_tell_of_computed_numbers() -> None:
    def f(x):
        s = 0.0
        for i in range(len(x)):
            if x[i] < 0.0:
                raise ValueError(f"x[{i}] = {x[i]:.3f} is negative")
            s += np.sqrt(x[i])
        assert s < 20.0, f"{s} is large"
        return s

    g = jg.value_and_grad(f)
    np.testing.assert_allclose(g(X)[1], 0.5 / np.sqrt(X))
    with pytest.raises(ValueError, match="<a traced float64> is negative"):
        g(-X)
    with pytest.raises(AssertionError, match="<a traced float64> is large"):
        g(100 * X)


# ---- arrays that NumPy makes while tracing: of numbers that are all known, too many to be written into the program


def in_each_iteration(x):
    """What each iteration makes is new."""
    s = 0.0
    for k in range(x.shape[0]):
        w = np.eye(5)
        w[0, 0] += x[k]
        w[k % 5] *= x[0]
        s += np.sum(w * w)
    return s


def in_a_branch(x):
    w = np.arange(20.0)
    if x[0] < 1.0:
        w = np.arange(20.0)[::-1].copy()
        w[3:] *= x[1]
    w[0] = x[2]
    return np.sum(w * w)


def by_a_helper(x):
    def ramp(v):
        w = np.linspace(0.0, 1.0, 30)
        w[3] *= v
        return w

    a, b = ramp(x[0]), ramp(x[1])
    return a.sum() * b.sum()


def by_a_view(x):
    w = np.eye(6)
    for k in range(len(x)):
        row = w[k % 6]
        row /= x[k]
    return np.sum(w)


MADE = [in_each_iteration, in_a_branch, by_a_helper, by_a_view]


@pytest.mark.parametrize("f", MADE, ids=lambda f: f.__name__)
def test_arrays_of_constants_are_new_and_may_be_written(f: Any) -> None:
    np.testing.assert_allclose(jg.jit(f)(X), f(X), rtol=1e-13)
    g = jg.grad(f)
    steps = 1e-6 * np.eye(X.size)
    np.testing.assert_allclose(g(X), [(f(X + h) - f(X - h)) / 2e-6 for h in steps], rtol=1e-6, atol=1e-6)
    v = np.cos(X)
    second = (g(X + 1e-6 * v) - g(X - 1e-6 * v)) / 2e-6
    np.testing.assert_allclose(jg.hvp(f, (X,), (v,))[0], second, rtol=1e-6, atol=1e-6)


@functools.cache
def cached(n: int) -> Any:
    return np.arange(float(n))


@functools.cache
def cached_ones(n: int) -> Any:
    return np.ones(n)


def test_arrays_in_a_cache_are_read() -> None:
    f = lambda x: sum(cached(20)[k] * x[k] for k in range(9)) + cached(20)[0] * x[0] + np.sum(cached(3))
    np.testing.assert_allclose(jg.grad(f)(X), np.arange(9.0))


@pytest.mark.parametrize("table", [cached, cached_ones])
@pytest.mark.parametrize("n", [3, 20])
def test_arrays_in_a_cache_are_not_written(table: Any, n: int) -> None:
    def f(x):
        a = table(n)
        a[0] = x[0]
        return table(n).sum()

    with pytest.raises(AliasError, match="an array from outside of the function"):
        jg.grad(f)(X)


# ---- what Numba compiled is the function that was compiled: its registries are no state of the user's


@numba.njit
def doubled(x):
    return 2.0 * x


@pytest.mark.parametrize("where", ["global", "closure"])
def test_what_numba_keeps_is_not_looked_into(where: str, monkeypatch: Any) -> None:
    seen: list[str] = []
    changed = Snapshot.changed
    monkeypatch.setattr(Snapshot, "changed", lambda s: seen.extend(h.name for h in s.held) or changed(s))
    g, counts = doubled, {"calls": 0.0}

    def from_closure(x):
        for k in range(len(x)):
            counts["calls"] += g(x[k])
        return counts["calls"]

    def from_global(x):
        s = 0.0
        for k in range(len(x)):
            s += doubled(x[k])
        return s

    if where == "global":
        np.testing.assert_allclose(jg.grad(from_global)(X), np.full(9, 2.0))
    else:
        with pytest.raises(EscapedError, match="`counts`"):  # what hangs on a closure is looked at as ever
            jg.grad(from_closure)(X)
        assert "counts" in seen
    assert not any("typingctx" in name for name in seen), seen
