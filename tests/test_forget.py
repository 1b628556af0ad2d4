"""Writes that nobody sees, arrays that are kept by the loops that overwrite them, and comparisons of indices that are decided."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from jitgrad.ir.build import size, trace, value
from jitgrad.ir.core import Fn, Type, Var
from jitgrad.ir.dims import Sym, of_symbol
from jitgrad.ir.interp import interp
from jitgrad.ir.walk import everywhere
from jitgrad.ops.cond import check
from jitgrad.ops.index import add_at, get, put
from jitgrad.ops.loop import Loop, loop
from jitgrad.ops.scalar import eq, ge, gt, le, lt, ne, sin, where
from jitgrad.transform import pipeline

n, m = Sym("n", 0), Sym("m", 1)
N, M = size(of_symbol(n)), size(of_symbol(m))
VECTOR, TABLE = Type("f64", (of_symbol(n),)), Type("f64", (of_symbol(n), of_symbol(m)))
ZERO = value(0)
X = np.random.default_rng(1).normal(size=6)


def program(f: Any, *types: Type) -> Fn:
    return trace(f, [Var(t, h) for t, h in zip(types, f.__code__.co_varnames, strict=False)], "f")


def count(fn: Fn, *names: str) -> int:
    return sum(let.op.name in names for _, let in everywhere(fn))


def over(step: Any, *init: Any, lo: Any = ZERO, reverse: bool = False) -> Any:
    return loop(lo, N, step, *init, hints=("i", "a", "s")[: 1 + len(init)], reverse=reverse)


def zeroed(a):
    return over(lambda i, a, s: (put(a, 0.0, i), s + get(a, i)), a, value(0.0))[1]


def zeroed_and_added_to(a):
    return over(lambda i, a, s: (add_at(put(a, 0.0, i), s, i), s + get(a, i)), a, value(0.0))[1]


def seen_by_the_next(a):
    """Iteration i reads what iteration i - 1 wrote."""
    return over(lambda i, a, s: (put(a, sin(s), i), s + get(a, i - 1)), a, value(0.0), lo=value(1))[1]


def seen_in_the_same(a):
    def step(i, a, s):
        b = put(a, sin(s), i)
        return b, s + get(b, i)

    return over(step, a, value(0.3))[1]


def used_behind(a):
    return over(lambda i, a, s: (put(a, 0.0, i), s + get(a, i)), a, value(0.0))


def some_cell_twice(a):
    return over(lambda i, a, s: (put(a, 0.0, (i * 3) % N), s + get(a, i)), a, value(0.0))[1]


@pytest.mark.parametrize(
    "f, writes",
    [(zeroed, 0), (zeroed_and_added_to, 0), (seen_by_the_next, 1), (seen_in_the_same, 1), (used_behind, 1), (some_cell_twice, 1)],
)
def test_writes_that_nobody_sees_go(f: Any, writes: int) -> None:
    fn = program(f, VECTOR)
    after = pipeline.run(fn, ("forget", "needed"))
    assert count(after, "put", "add_at") == writes
    for have, want in zip(interp(after, X), interp(fn, X), strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-12)


# ---- what is kept of what is overwritten


def kept(each: Any, whole: Any = lambda i, a, step: over(step, a)[0]) -> Any:
    """For each i: all of `a` is a row; then it is overwritten."""

    def f(a):
        return over(lambda i, a: (whole(i, a, lambda k, b: each(i, k, a, b)), a), a)

    return f


def table(a):
    """All cells, by rows, in reverse."""

    def row(i, b):
        return loop(ZERO, M, lambda k, b: put(b, sin(get(b, i, k)) * get(b, i, ZERO), i, k), b, hints=("k", "b"), reverse=True)[0]

    return over(lambda t, a: (over(row, a)[0], a), a)


def columns_first(a):
    column = lambda k, b: over(lambda i, b: put(b, get(b, i, k) + get(b, ZERO, k), i, k), b)[0]
    return over(lambda t, a: (loop(ZERO, M, column, a, hints=("k", "b"))[0], a), a)


def put_twice(i, k, a, b):
    return put(put(b, get(b, ZERO) * 0.5, k), get(b, k) + 1.0, k)


KEPT = [
    (kept(lambda i, k, a, b: put(b, sin(get(b, k)) + get(b, ZERO), k)), True),
    (kept(lambda i, k, a, b: add_at(b, get(b, N - 1 - k), k)), True),
    (kept(lambda i, k, a, b: put(b, sin(get(b, k)), k), lambda i, a, step: over(step, a, lo=value(1))[0]), False),
    (kept(lambda i, k, a, b: put(b, sin(get(b, k)), N - 1 - k)), False),
    (kept(lambda i, k, a, b: put(b, sin(get(b, k)), i)), False),
    (kept(put_twice), False),
    (kept(lambda i, k, a, b: put(b, get(a, k) * get(b, ZERO), k)), False),
    (kept(lambda i, k, a, b: put(b, get(b, k) * 0.5, k), lambda i, a, step: put(over(step, a)[0], get(a, i), ZERO)), True),
    (table, True),
    (columns_first, False),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(KEPT)))
def test_what_is_overwritten_is_kept_on_the_way(case: int) -> None:
    f, there = KEPT[case]
    shape = (6, 3) if f in (table, columns_first) else (6,)
    fn = program(f, TABLE if len(shape) > 1 else VECTOR)
    after = pipeline.run(fn, ("collect", "simplify"))
    (outer,) = (let for let in after.lets if let.op.name == "loop")
    view = Loop.of(outer)
    assert (view.rows[-1] not in view.carries) is there
    x = np.random.default_rng(2).normal(size=shape)
    for have, want in zip(interp(after, x), interp(fn, x), strict=True):
        np.testing.assert_allclose(have, want, rtol=1e-12)


# ---- comparisons of indices

COMPARISONS = [
    (lambda i: lt(i, N), True), (lambda i: ge(i, ZERO), True), (lambda i: lt(i, ZERO), False),
    (lambda i: gt(N, i), True), (lambda i: le(i + 1, N), True), (lambda i: ne(i, N), True), (lambda i: eq(i, N), False),
    (lambda i: lt((i + 1) % N, N), True), (lambda i: lt((i + 1) % N, ZERO), False),
    (lambda i: lt(i - 1, ZERO), None), (lambda i: lt(i, M), None), (lambda i: eq(i, ZERO), None),
    (lambda i: lt((i + 1) % (N - M), ZERO), None),
]  # fmt: skip


@pytest.mark.parametrize("compare, known", COMPARISONS)
def test_comparisons_of_indices(compare: Any, known: bool | None) -> None:
    def f(a, z):
        return loop(ZERO, N, lambda i, s: s + where(compare(i), get(a, ZERO), 7.0), value(0.0), hints=("i", "s"))[0]

    fn = program(f, VECTOR, Type("f64", (of_symbol(m),)))
    after = pipeline.run(fn, ("simplify",))
    assert (count(after, "where") == 1) is (known is None)
    args = X, np.zeros(3)
    np.testing.assert_allclose(interp(after, *args), interp(fn, *args), rtol=1e-12)


def test_a_remainder_is_in_range_only_where_the_divisor_is_positive() -> None:
    def f(a, k: Any) -> Any:
        return where(lt(k % N, ZERO), get(a, ZERO), 2.0)

    assert count(pipeline.run(program(f, VECTOR, Type("i64")), ("simplify",)), "where") == 1


def test_a_check_that_holds_is_gone_and_another_stays() -> None:
    def checked(bound: Any) -> Fn:
        def step(i, s):
            check(lt(i, bound), "too far")
            return s + get(N_ARRAY[0], i)

        def f(a, z):
            N_ARRAY[:] = [a]
            return loop(ZERO, N, step, value(0.0), hints=("i", "s"))[0]

        return program(f, VECTOR, Type("f64", (of_symbol(m),)))

    N_ARRAY: list[Any] = []
    assert count(pipeline.run(checked(N), ("simplify",)), "check") == 0
    assert count(pipeline.run(checked(M), ("simplify",)), "check") == 1
