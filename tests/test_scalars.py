"""Small arrays in loops become scalars, where nobody takes them whole; what is left of them says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jitgrad as jg
from jitgrad.ir.build import Value, size, trace, value
from jitgrad.ir.core import Fn, Type, Var
from jitgrad.ir.dims import Sym, of_symbol
from jitgrad.ir.interp import interp
from jitgrad.ir.walk import everywhere
from jitgrad.ops.array import broadcast, concat, fill, reshape, transpose
from jitgrad.ops.cond import cond
from jitgrad.ops.index import add_at, get, put
from jitgrad.ops.linalg import matmul
from jitgrad.ops.loop import loop
from jitgrad.ops.reduce import sum_
from jitgrad.ops.scalar import lt, sin
from jitgrad.ops.while_ import while_
from jitgrad.transform import pipeline
from jitgrad.transform.ad import vjp
from jitgrad.transform.scalars import MOST, few, scalars

n = Sym("n", 2)
N = of_symbol(n)
PAIR, TRIPLE, SQUARE, ROWS, VECTOR = (Type("f64", s) for s in ((2,), (3,), (2, 2), (N, 2), (N,)))
X = np.random.default_rng(3).uniform(0.5, 1.5, (5, 2))


def fn_of(body: Callable[..., Any], *types: Type) -> Fn:
    return trace(body, [Var(t, h) for t, h in zip(types, body.__code__.co_varnames, strict=False)], body.__name__)


def small(fn: Fn) -> list[str]:
    """The statements within loops that give small arrays."""
    inside = [f for _, let in everywhere(fn) if let.op.name in ("loop", "while") for f in let.fns]
    return [let.op.name for f in inside for _, let in everywhere(f) for o in let.outs if few(o.type)]


def steps(step: Callable[..., Any], *init: Any) -> Any:
    hints = step.__code__.co_varnames[: step.__code__.co_argcount]
    out = loop(value(0), size(N), step, *init, hints=hints)
    return out[0] if len(out) == 1 else out


# ---- programs whose loops have scalars only afterwards


def elementwise(x, v):
    return steps(lambda i, a: a * sin(a) + fill(get(v, i), (2,)), x)


def matrix(m, x, v):
    return steps(lambda i, a: matmul(m, a) + matmul(transpose(m, (1, 0)), a, ta=True) * fill(get(v, i), (2,)), x)


def cells(x, v):
    def step(i: Value, a: Value) -> Value:
        b = put(put(value(0.0, PAIR), get(a, value(1)), value(0)), get(a, value(0)) * get(v, i), value(1))
        return add_at(b, get(a, value(0)), value(1))

    return steps(step, x)


def rows_of(x):
    def step(i: Value, s: Value) -> Value:
        d = get(x, i, spec="i:") - get(x, value(0), spec="i:")
        return s + sum_(d * d, (0,))

    return steps(step, value(0.0))


def written(x, y):
    def step(i: Value, a: Value) -> Value:
        return put(a, get(a, i, spec="i:") * get(y, i, spec="i:"), i, spec="i:")

    return steps(step, x)


def shapes(x, m, v):
    def step(i: Value, a: Value) -> Value:
        b = reshape(broadcast(a, (2, 2), (0,)) + m, (4,))
        return concat([get(b, value(1), value(1), spec="s", steps=(1,)), get(b, value(2), value(1), spec="s", steps=(1,))], 0)

    return steps(step, x)


def branches(x, v):
    def step(i: Value, a: Value) -> Value:
        return cond(lt(get(v, i), value(1.0)), lambda: (a * a,), lambda: (a,))[0]

    return steps(step, x)


def until(x):
    return while_(lambda a: lt(sum_(a, (0,)), value(9.0)), lambda a: (a + a * a,), x)[0]


def nested(x, v):
    return steps(lambda i, a: steps(lambda j, b: b + sin(b) * fill(get(v, j), (2,)), a * a), x)


SPLIT = {
    elementwise: ((PAIR, VECTOR), (X[0], X[:, 0])),
    matrix: ((SQUARE, PAIR, VECTOR), (0.3 * X[:2], X[2], X[:, 0])),
    cells: ((PAIR, VECTOR), (X[0], X[:, 0])),
    rows_of: ((ROWS,), (X,)),
    written: ((ROWS, ROWS), (X, X[::-1])),
    shapes: ((PAIR, SQUARE, VECTOR), (X[0], X[1:3], X[:, 0])),
    branches: ((PAIR, VECTOR), (X[0], X[:, 0])),
    until: ((PAIR,), (X[0],)),
    nested: ((PAIR, VECTOR), (X[0], X[:, 0])),
}


@pytest.mark.parametrize("program", SPLIT, ids=lambda f: f.__name__)
def test_loops_have_scalars_only(program):
    types, args = SPLIT[program]
    fn = fn_of(program, *types)
    after = scalars(fn)
    assert small(fn) and not small(after)
    for a, b in zip(interp(fn, *args), interp(after, *args), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-14)


@pytest.mark.parametrize("program", SPLIT, ids=lambda f: f.__name__)
def test_return_sweeps_too(program):
    types, args = SPLIT[program]
    fn = fn_of(program, *types)
    g = np.ones_like(interp(fn, *args)[0])
    gradient = vjp(pipeline.prepared(fn))
    plain = vjp(fn)
    if program is not branches:  # the branch gives the cells of one side or the other
        assert not small(gradient)
    for a, b in zip(interp(plain, *args, g), interp(gradient, *args, g), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-12)


# ---- arrays that somebody takes whole stay


def by_index(x, k):
    """Which cell is known at run time only."""
    return steps(lambda i, a: put(a, sin(get(a, get(k, i))), get(k, i)), x)


def in_a_row(x, v):
    """Each iteration gives the array."""
    return steps(lambda i, a: (a * fill(get(v, i), (2,)), a), x)[1]


def outside(x):
    """No loop."""
    return x * sin(x)


KEPT = {
    by_index: ((PAIR, Type("i64", (N,))), (X[0], np.array([0, 1, 1, 0, 1]))),
    outside: ((PAIR,), (X[0],)),
}


@pytest.mark.parametrize("program", KEPT, ids=lambda f: f.__name__)
def test_arrays_taken_whole_stay(program):
    types, args = KEPT[program]
    fn = fn_of(program, *types)
    after = scalars(fn)
    assert [let.op.name for _, let in everywhere(after)] == [let.op.name for _, let in everywhere(fn)]
    np.testing.assert_array_equal(interp(after, *args)[0], interp(fn, *args)[0])


def test_a_carry_that_is_a_row_too():
    fn = fn_of(in_a_row, PAIR, VECTOR)
    after = scalars(fn)
    np.testing.assert_array_equal(interp(after, X[0], X[:, 0])[0], interp(fn, X[0], X[:, 0])[0])


def test_long_bodies_stay():
    def long(x):
        def step(i: Value, a: Value) -> Value:
            for _ in range(MOST):
                a = sin(a)
            return a

        return steps(step, x)

    fn = fn_of(lambda x, v: long(x), PAIR, VECTOR)
    assert scalars(fn) is fn


def test_larger_arrays_stay():
    t = Type("f64", (10,))
    fn = fn_of(lambda x, v: steps(lambda i, a: a * fill(get(v, i), (10,)), x), t, VECTOR)
    assert scalars(fn) is fn


# ---- what users write


def slope(x, p):
    k = np.empty(2)
    k[0] = p[0] * x[0] - p[1] * x[0] * x[1]
    k[1] = p[3] * x[0] * x[1] - p[2] * x[1]
    return k


def populations(x, p):
    h = 0.01
    for _ in range(50):
        k1 = slope(x, p)
        k2 = slope(x + h * k1, p)
        x = x + 0.5 * h * (k1 + k2)
    return np.sum((x - 1.0) ** 2)


def pairs(x):
    e = 0.0
    for i in range(x.shape[0]):
        for j in range(i):
            d = x[i] - x[j]
            r2 = np.dot(d, d)
            if r2 < 0.5:
                e += r2 * r2 + d[0]
    return e


USERS = {
    populations: (np.array([1.2, 0.8]), np.array([1.1, 0.4, 0.4, 0.1])),
    pairs: (np.random.default_rng(4).uniform(size=(12, 3)),),
}


@pytest.mark.parametrize("f", USERS, ids=lambda f: f.__name__)
def test_users_programs_have_no_small_arrays_in_loops(f):
    args = USERS[f]
    every = tuple(range(len(args)))
    g = jg.value_and_grad(f, argnums=every)
    v, bars = g(*args)
    assert v == pytest.approx(f(*args), rel=1e-12)
    h = 1e-6
    for k, x in enumerate(args):
        d = np.random.default_rng(k).normal(size=x.shape)
        up, down = ([a + s * h * d if j == k else a for j, a in enumerate(args)] for s in (1, -1))
        assert np.sum(bars[k] * d) == pytest.approx((f(*up) - f(*down)) / (2 * h), rel=1e-6)
    loops = [line for line in g.source.splitlines() if line.startswith("        ") and "empty(" in line]
    assert not loops and "np.empty(2)" not in g.source and "empty((2" not in g.source
