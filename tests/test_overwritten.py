"""Memory whose cells are all stored before anybody reads one does not begin as zeros, and all other memory does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from jitgrad.emit.cpu import MODULES
from jitgrad.emit.python import emit
from jitgrad.ir.build import Value, size, trace
from jitgrad.ir.core import Type, Var
from jitgrad.ir.dims import DimLike, Sym, of_symbol
from jitgrad.ir.interp import interp
from jitgrad.lower.plan import Alloc, everywhere
from jitgrad.lower.schedule import schedule
from jitgrad.ops.array import zeros_like
from jitgrad.ops.cond import cond
from jitgrad.ops.index import add_at, get, put
from jitgrad.ops.loop import loop
from jitgrad.ops.scalar import lt, sin

from . import plain_text

n = Sym("n", 1)
N = of_symbol(n)
VECTOR, MATRIX = Type("f64", (N,)), Type("f64", (N, N))


def cells(a: Value, cell: Callable[[Value, Value], Value], lo: DimLike = 0, hi: DimLike = N, reverse: bool = False) -> Value:
    return loop(lo, size(hi), lambda i, a: (cell(i, a),), a, hints=["i", "k"], reverse=reverse)[0]


def table(a: Value, cell: Callable[[Value, Value, Value], Value], columns: DimLike = N) -> Value:
    return cells(a, lambda i, a: cells(a, lambda j, a: cell(i, j, a), hi=columns))


# fmt: off
FILLED = {
    "all": (VECTOR, lambda x, k: cells(k, lambda i, k: put(k, sin(get(x, i)), i)), True),
    "downwards": (VECTOR, lambda x, k: cells(k, lambda i, k: put(k, sin(get(x, i)), i), reverse=True), True),
    "a table": (MATRIX, lambda x, k: table(k, lambda i, j, k: put(k, sin(get(x, j, i)), i, j)), True),
    "a table by columns": (MATRIX, lambda x, k: table(k, lambda i, j, k: put(k, sin(get(x, i, j)), j, i)), True),
    "and then more": (VECTOR, lambda x, k: cells(k, lambda i, k: add_at(put(k, sin(get(x, i)), i), get(x, i), i)), True),
    "without the first": (VECTOR, lambda x, k: cells(k, lambda i, k: put(k, get(x, i), i), lo=1), False),
    "without the last": (VECTOR, lambda x, k: cells(k, lambda i, k: put(k, get(x, i), i), hi=N - 1), False),
    "added": (VECTOR, lambda x, k: cells(k, lambda i, k: add_at(k, get(x, i), size(N - 1) - i)), False),
    "if": (VECTOR, lambda x, k: cells(k, lambda i, k: cond(lt(get(x, i), 0.0), lambda: put(k, 1.0, i), lambda: k)[0]), False),
    "the cell before": (VECTOR, lambda x, k: cells(k, lambda i, k: put(k, get(k, wrap(i)) + get(x, i), i)), False),
    "that before, later": (VECTOR, lambda x, k: cells(k, lambda i, k: add_at(put(k, get(x, i), i), get(x, i), wrap(i))), False),
    "a row twice": (MATRIX, lambda x, k: table(k, lambda i, j, k: put(k, get(x, i, j), i, i)), False),
    "half of a row": (MATRIX, lambda x, k: table(k, lambda i, j, k: put(k, get(x, i, j), i, j), N - 1), False),
    "one row": (MATRIX, lambda x, k: cells(k, lambda i, k: put(k, get(x, i, i), 0, i)), False),
    "perhaps never": (MATRIX, lambda x, k: cells(k, lambda t, k: table(k, lambda i, j, k: put(k, 1.0, i, j)), lo=1), False),
}
# fmt: on


def wrap(i: Value) -> Value:
    return (i - 1) % size(N)


@pytest.mark.parametrize("name", FILLED)
def test_zeros(name: str) -> None:
    t, body, expected = FILLED[name]
    fn = trace(lambda x: body(x, zeros_like(x)), [Var(t, "x")], "f")
    plan = schedule(fn)
    assert any(s.zero for s in everywhere(plan.body) if isinstance(s, Alloc)) is not expected
    text = emit(plan, MODULES)
    for count in (1, 2, 5):
        x = np.random.default_rng(count).normal(size=(count,) * len(t.shape))
        np.testing.assert_allclose(plain_text.run(text, (x,))[0], interp(fn, x)[0])


def test_no_loop_of_zeros_in_a_loop() -> None:
    slope = lambda x: cells(zeros_like(x), lambda i, k: put(k, get(x, (i + 1) % size(N)) - get(x, i), i))
    fn = trace(lambda x: loop(0, 3, lambda t, x: (x + slope(x),), x, hints=["t", "x"])[0], [Var(VECTOR, "x")], "f")
    source = emit(schedule(fn), MODULES).source
    assert "empty(" in source and "0.0" not in source and "zeros" not in source
