"""Random programs that sweep over the rows of a matrix, as factorisations do: reverse against forward, after every pass, and
as text. Their return sweeps are what loops that leave work to each other, and memory that is kept, are for."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from jitgrad.emit.cpu import MODULES
from jitgrad.emit.python import emit
from jitgrad.ir.build import Value, size, trace, value
from jitgrad.ir.core import Fn, Type, Var
from jitgrad.ir.dims import Sym, of_symbol
from jitgrad.ir.interp import interp
from jitgrad.ir.verify import verify
from jitgrad.lower import trails
from jitgrad.lower.schedule import schedule
from jitgrad.ops.index import add_at, get, put
from jitgrad.ops.loop import loop
from jitgrad.ops.reduce import sum_
from jitgrad.ops.scalar import sin, tanh
from jitgrad.transform import collect, fuse, pipeline
from jitgrad.transform.ad import jvp, vjp

from . import plain_text

n, m = Sym("n", 1), Sym("m", 1)
N, M = size(of_symbol(n)), size(of_symbol(m))
MATRIX = Type("f64", (of_symbol(n), of_symbol(m)))
SEEDS = range(40)

Sweep = Callable[[Value, Value, Value, Value], tuple[Value, Value]]  # of rows i and j, the matrix and a number


def row(step: Callable[[Value, Value], Value], *, lo: int = 0, reverse: bool = False) -> Callable[[Value], Value]:
    return lambda a: loop(value(lo), M, step, a, hints=("k", "a"), reverse=reverse)[0]


def dot(i: Value, j: Value, a: Value, r: Value) -> tuple[Value, Value]:
    return a, loop(value(0), M, lambda k, s: s + get(a, j, k) * get(a, i, k), 0.3 * r, hints=("k", "s"))[0]


def less(i: Value, j: Value, a: Value, r: Value) -> tuple[Value, Value]:
    return row(lambda k, a: put(a, get(a, i, k) - 0.2 * r * get(a, j, k), i, k))(a), r


def scaled(i: Value, j: Value, a: Value, r: Value) -> tuple[Value, Value]:
    return row(lambda k, a: put(a, 0.7 * get(a, i, k) * r, i, k), reverse=True)(a), r


def added(i: Value, j: Value, a: Value, r: Value) -> tuple[Value, Value]:
    return row(lambda k, a: add_at(a, 0.3 * get(a, j, M - 1 - k) * r, i, k))(a), r


def but_the_first(i: Value, j: Value, a: Value, r: Value) -> tuple[Value, Value]:
    return row(lambda k, a: put(a, tanh(get(a, i, k) * get(a, j, k - 1)), i, k), lo=1)(a), r


def from_the_left(i: Value, j: Value, a: Value, r: Value) -> tuple[Value, Value]:
    return row(lambda k, a: put(a, tanh(get(a, i, k) + get(a, i, k - 1) * r), i, k), lo=1)(a), r


SWEEPS: list[Sweep] = [*[dot] * 3, *[less] * 3, scaled, added, but_the_first, from_the_left]


def program(seed: int) -> Fn:
    rng = random.Random(seed)
    within, behind = ([rng.choice(SWEEPS) for _ in range(k)] for k in (rng.randint(1, 4), rng.randint(0, 2)))
    bounds = rng.choice([lambda i: (value(0), i), lambda i: (value(0), i), lambda i: (i + 1, N)])
    downwards = rng.random() < 0.2

    def each(i: Value, s: Value, a: Value) -> tuple[Value, ...]:
        def pair(j: Value, s: Value, a: Value) -> tuple[Value, ...]:
            r = value(0.5)
            for sweep in within:
                a, r = sweep(i, j, a, r)
            return s + r * r, a

        s, a = loop(*bounds(i), pair, s, a, hints=("j", "s", "a"), reverse=downwards)
        for sweep in behind:
            a, s = sweep(i, i, a, s)
        return tanh(s), a

    def f(x: Value) -> Value:
        s, a = loop(value(0), N, each, value(0.1), tanh(x), hints=("i", "s", "a"))
        return s + sum_(sin(a), (0, 1))

    return verify(trace(f, [Var(MATRIX, "x")], "f"))


@pytest.mark.parametrize("seed", SEEDS)
def test_reverse_is_the_transpose_of_forward(seed: int) -> None:
    ready = pipeline.prepared(program(seed))
    forward, reverse = jvp(ready), vjp(ready)
    done = pipeline.finished(reverse)
    text = emit(schedule(done), MODULES)
    rng = np.random.default_rng(seed)
    for shape in ((1, 1), (4, 3)):
        x, x_dot = rng.normal(size=(2, *shape))
        y, y_dot = interp(forward, x, x_dot)
        for ran in (interp(reverse, x, 1.0), interp(done, x, 1.0), plain_text.run(text, [x.copy(), 1.0])):
            np.testing.assert_allclose(ran[0], y, rtol=1e-9)
            np.testing.assert_allclose(np.sum(ran[1] * x_dot), y_dot, rtol=1e-7, atol=1e-9)


def test_the_programs_are_of_the_kind_that_is_meant(monkeypatch: Any) -> None:
    """Something is left to the next loop, kept as it is overwritten, and lives there."""
    found = {"left": 0, "kept": 0, "there": 0}

    def counting(what: str, f: Callable[..., Any], counts: Callable[..., bool] = lambda *_: True) -> Callable[..., Any]:
        def wrapped(*args: Any) -> Any:
            out = f(*args)
            found[what] += out is not None and counts(*args)
            return out

        return wrapped

    monkeypatch.setattr(fuse, "_left_to", counting("left", fuse._left_to))
    monkeypatch.setattr(collect, "_kept", counting("kept", collect._kept, lambda body, p, becomes, cell: not cell))
    monkeypatch.setattr(trails.Trail, "joint", counting("there", trails.Trail.joint))
    for seed in (0, 1, 38):
        schedule(pipeline.finished(vjp(pipeline.prepared(program(seed)))))
    assert all(found.values()), found
