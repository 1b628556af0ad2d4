"""Loops and branches that join, and those that must not; what sinks into a branch; additions that commute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from jitgrad.ir.build import Value, size, trace, value
from jitgrad.ir.core import F64, Absent, Fn, Lit, Type, Var, absent
from jitgrad.ir.dims import Sym, of_symbol
from jitgrad.ir.interp import interp
from jitgrad.ir.walk import everywhere
from jitgrad.ops.array import zeros_like
from jitgrad.ops.cond import check, cond
from jitgrad.ops.index import add_at, get, put
from jitgrad.ops.loop import Loop, loop
from jitgrad.ops.scalar import exp, ge, lt, maximum, sin
from jitgrad.transform import pipeline
from jitgrad.transform.ad import vjp
from jitgrad.transform.combine import combine
from jitgrad.transform.depend import Around, any_order
from jitgrad.transform.fuse import fuse, upwards
from jitgrad.transform.sink import sink

n = Sym("n", 2)
N = of_symbol(n)
VECTOR, MATRIX = Type("f64", (N,)), Type("f64", (N, N))
ZERO, ONE = value(0), value(1)


def fn_of(body: Callable[..., Any], *types: Type) -> Fn:
    names = body.__code__.co_varnames
    return trace(body, [Var(t, h) for t, h in zip(types, names, strict=False)], body.__name__)


def count(fn: Fn, name: str) -> int:
    return sum(let.op.name == name for _, let in everywhere(fn))


def up(step: Callable[..., Any], *init: Any, hi: Value | None = None, reverse: bool = False, lo: Value = ZERO) -> Any:
    hints = step.__code__.co_varnames[: step.__code__.co_argcount]
    out = loop(lo, size(N) if hi is None else hi, step, *init, hints=hints, reverse=reverse)
    return out[0] if len(out) == 1 else out


def same_meaning(before: Fn, after: Fn, *args: Any) -> None:
    for a, b in zip(interp(before, *args), interp(after, *args), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-14)


X = np.random.default_rng(5).uniform(0.5, 1.5, 6)


# ---- loops


def sums(x):
    """Two sums over one range."""
    return up(lambda i, s: s + get(x, i), value(0.0)), up(lambda i, s: s + sin(get(x, i)), value(0.0))


def opposite_sums(x):
    return up(lambda i, s: sin(s) + get(x, i), value(0.0)), up(lambda i, s: s + sin(get(x, i)), value(0.0), reverse=True)


def first_sums(x):
    return up(lambda i, s: s + sin(get(x, i)), value(0.0), reverse=True), up(lambda i, s: sin(s) + get(x, i), value(0.0))


def writes_cells(x):
    """One fills an array, the other way round from a recurrence."""
    s = up(lambda i, s: sin(s) + get(x, i), value(0.0))
    return s, up(lambda i, a: put(a, exp(get(x, i)), i), zeros_like(x), reverse=True)


def something_between(x):
    s = up(lambda i, s: s + get(x, i), value(0.0))
    t = sin(s) * 2.0
    return t, up(lambda i, s: s + sin(get(x, i)), value(0.0))


def needs_the_first(x):
    s = up(lambda i, s: s + get(x, i), value(0.0))
    return up(lambda i, r: r + get(x, i) * s, value(0.0))


def needs_it_on_the_way(x):
    s = sin(up(lambda i, s: s + get(x, i), value(0.0)))
    return up(lambda i, r: r + get(x, i) * s, value(0.0))


def overwrites_what_is_read(x):
    a = x * 2.0
    s = up(lambda i, s: s + get(a, size(N - 1) - i), value(0.0))
    return s, up(lambda i, a: put(a, get(x, i), i), a)


def other_range(x):
    return up(lambda i, s: s + get(x, i), value(0.0)), up(lambda i, s: s + get(x, i), value(0.0), hi=size(N - 1))


def both_in_order(x):
    return up(lambda i, s: sin(s) + get(x, i), value(0.0)), up(lambda i, s: sin(s) + get(x, i), value(0.0), reverse=True)


def may_raise(x):
    def step(i, s):
        check(ge(get(x, i), 0.0), "negative", "ValueError")
        return s + get(x, i)

    return up(step, value(0.0)), up(lambda i, s: s + sin(get(x, i)), value(0.0))


@pytest.mark.parametrize(
    "program, loops",
    [
        (sums, 1), (opposite_sums, 1), (first_sums, 1), (writes_cells, 1), (something_between, 1),
        (needs_the_first, 2), (needs_it_on_the_way, 2), (overwrites_what_is_read, 2), (other_range, 2),
        (both_in_order, 2), (may_raise, 2),
    ],
)  # fmt: skip
def test_which_loops_join(program: Any, loops: int) -> None:
    fn = fn_of(program, VECTOR)
    after = pipeline.run(fn, ("fuse",))
    assert count(after, "loop") == loops
    same_meaning(fn, after, X)


def test_nests_join_inwards() -> None:
    def nests(x):
        def rows(f):
            return up(lambda i, s: up(lambda j, s: s + f(get(x, i, j) * get(x, j, i)), s, lo=i + 1), value(0.0))

        return rows(sin), rows(exp)

    fn = fn_of(nests, MATRIX)
    after = pipeline.run(fn, ("fuse",))
    assert count(after, "loop") == 2
    same_meaning(fn, after, np.random.default_rng(1).normal(size=(4, 4)))


def lennard_jones(x):
    def pairs(i, e):
        def pair(j, e):
            d = [get(x, i, value(k)) - get(x, j, value(k)) for k in range(3)]
            r2 = d[0] * d[0] + d[1] * d[1] + d[2] * d[2]
            inv6 = lambda: 1.0 / (r2 * r2 * r2)
            return cond(lt(r2, 6.25), lambda: e + 4.0 * (inv6() * inv6() - inv6()), lambda: e)[0]

        return up(pair, e, lo=i + 1)

    return up(pairs, value(0.0))


def test_lennard_jones_is_one_nest_that_remembers_nothing_and_touches_memory_within_the_cutoff() -> None:
    fn = vjp(pipeline.prepared(fn_of(lennard_jones, Type("f64", (N, 3)))), seeds=[1.0])
    after = pipeline.finished(fn)
    assert count(after, "loop") == 2 and count(after, "cond") == 1
    assert not any(Loop.of(let).rows for _, let in everywhere(after) if let.op.name == "loop")
    (branch,) = (let for _, let in everywhere(after) if let.op.name == "cond")
    assert [sum(let.op.name == "add_at" for let in f.lets) for f in branch.fns] == [3, 0]
    same_meaning(fn, after, np.random.default_rng(2).uniform(0.0, 4.0, (7, 3)))


# ---- order


def scatter(x):
    return up(lambda i, a: add_at(a, get(x, i), (i * 3) % size(N)), zeros_like(x), reverse=True)


def own_cell(x):
    return up(lambda i, a: put(a, sin(get(a, i)), i), x, reverse=True)


def neighbour(x):
    return up(lambda i, a: put(a, sin(get(a, i + 1)), i), x, hi=size(N - 1), reverse=True)


def last_wins(x):
    return up(lambda i, a: put(a, get(x, i), ZERO), x, reverse=True)


def seen_on_the_way(x):
    return up(lambda i, a, s: (add_at(a, get(x, i), ZERO), s + get(a, ZERO)), x, value(0.0), reverse=True)


def sum_after_the_addition(x):
    """The sum so far, as it is handed on, is also what is added to the array: the adjoint of a moving average."""

    def step(i, a, s):
        t = s + get(x, i)
        return add_at(a, t, i), t

    return up(step, zeros_like(x), value(0.0), reverse=True)


def rows_of_a_sum(x):
    return up(lambda i, s: (s + get(x, i), s), value(0.0), reverse=True)


def largest(x):
    return up(lambda i, s: maximum(s, get(x, i)), value(0.0), reverse=True)


def sum_and_largest(x):
    return up(lambda i, s: maximum(s + get(x, i), get(x, i)), value(0.0), reverse=True)


def anew_in_a_branch(x):
    """An adjoint under a condition: one branch hands the array on, the other one makes a new one of it."""
    return up(lambda i, a, b: cond(lt(i % 2, 1), lambda: (a * x, b + a), lambda: (a, b)), x, zeros_like(x), reverse=True)


def triangle(a):
    """Row k is subtracted from those below it; none is both read and written."""

    def step(i, a):
        return up(lambda j, a: add_at(a, get(a, ZERO, j), i, j), a, lo=ONE, reverse=True)

    return up(step, a, lo=ONE, reverse=True)


@pytest.mark.parametrize(
    "program, kind, free",
    [
        (scatter, VECTOR, True), (own_cell, VECTOR, True), (neighbour, VECTOR, False), (last_wins, VECTOR, False),
        (seen_on_the_way, VECTOR, False), (sum_after_the_addition, VECTOR, False), (rows_of_a_sum, VECTOR, False),
        (largest, VECTOR, True), (sum_and_largest, VECTOR, False), (triangle, MATRIX, True), (anew_in_a_branch, VECTOR, False),
    ],
)  # fmt: skip
def test_which_iterations_may_run_in_any_order(program: Any, kind: Type, free: bool) -> None:
    fn = fn_of(program, kind)
    after = pipeline.run(fn, ("upwards",))
    loops = [let for _, let in everywhere(after) if let.op.name == "loop"]
    assert all(let.attrs["reverse"] is not free for let in loops)
    assert any_order(Loop.of(fn.lets[-1]), Around().within(fn.lets[-1])[0]) is free
    same_meaning(fn, after, X if kind is VECTOR else np.random.default_rng(1).normal(size=(4, 4)))


# ---- branches


def test_branches_on_one_predicate_join_and_the_second_may_use_the_first() -> None:
    def branches(x, z):
        p = lt(x, z)
        a = cond(p, lambda: sin(x), lambda: x)[0]
        return a, cond(p, lambda: a * z, lambda: a + z)[0]

    fn = fn_of(branches, F64, F64)
    after = pipeline.run(fn, ("fuse",))
    assert count(after, "cond") == 1
    for args in ((0.3, 0.7), (0.7, 0.3)):
        same_meaning(fn, after, *args)


def masked(zero: Lit):
    def program(x, z, a):
        w = cond(lt(x, z), lambda: sin(x), lambda: Value(zero))[0]
        return add_at(a, w * exp(z), ZERO), z + w * z

    return fn_of(program, F64, F64, VECTOR)


def test_what_an_absent_derivative_multiplies_moves_into_the_branch() -> None:
    fn = masked(absent(F64))
    after = pipeline.run(fn, ("sink",))
    let = after.lets[-1]
    assert let.op.name == "cond" and not let.fns[1].lets and not any(o.op.name == "add_at" for o in after.lets)
    for args in ((0.3, 0.7), (0.7, 0.3)):
        same_meaning(fn, after, *args, X)


def test_a_zero_that_somebody_wrote_is_a_number() -> None:
    fn = masked(Lit(0.0, F64))
    after = pipeline.run(fn, ("sink",))
    assert len(after.lets) == len(fn.lets)
    with np.errstate(all="ignore"):
        assert np.isnan(interp(after, 2e3, 1e3, X)[1]) or np.isnan(interp(after, 2e3, 1e3, X)[0][0])


def test_loops_that_only_add_what_is_absent_sink() -> None:
    def program(x, s):
        w = cond(lt(s, 0.5), lambda: sin(s), lambda: Value(absent(F64)))[0]
        return up(lambda i, a: add_at(a, get(x, i) * w, i), zeros_like(x) + 1.0)

    fn = fn_of(program, VECTOR, F64)
    after = pipeline.run(fn, ("sink",))
    assert "loop" not in [let.op.name for let in after.lets] and count(after, "loop") == 1
    for s in (0.2, 0.7):
        same_meaning(fn, after, X, s)


def test_absent_is_zero() -> None:
    assert absent(F64) == Lit(0.0, F64) and isinstance(absent(F64).value, Absent)


# ---- cells


def zeroed_then_added(a, v):
    b = put(a, 0.0, ONE)
    return add_at(add_at(add_at(b, sin(v), ZERO), v, ONE), v * v, ZERO)


def test_additions_to_one_cell_combine() -> None:
    fn = fn_of(zeroed_then_added, VECTOR, F64)
    after = pipeline.run(fn, ("combine",))
    assert [let.op.name for let in after.lets if let.op.name in ("put", "add_at")].count("add_at") == 1
    same_meaning(fn, after, X, 0.4)


def test_additions_stay_where_the_array_is_read_between() -> None:
    def program(a, v):
        b = put(a, 0.0, ONE)
        c = add_at(b, v, ZERO)
        return add_at(c, get(c, ONE) + v, ONE)

    fn = fn_of(program, VECTOR, F64)
    assert len(combine(fn).lets) == len(fn.lets)


def test_passes_give_the_program_back_where_there_is_nothing_to_do() -> None:
    fn = fn_of(needs_the_first, VECTOR)
    for f in (fuse, sink, combine, upwards):
        assert [let.op for let in f(fn).lets] == [let.op for let in fn.lets]


# ---- promotion


def row_sums(x, s):
    return up(lambda i, s: up(lambda j, s: add_at(s, get(x, i, j), i), s), s)


def row_recurrence(x, s):
    """s[i] is read, overwritten and added to."""

    def step(j, s, i, x):
        s = put(s, sin(get(s, i)) * get(x, i, j), i)
        return add_at(s, get(x, j, i), i)

    return up(lambda i, s: up(lambda j, s: step(j, s, i, x), s), s)


def pivot_column(x, s):
    """x[i, 0] is read where only x[i, j], j > 0, is written."""

    def step(i, x):
        return up(lambda j, x: put(x, get(x, i, j) - get(x, i, ZERO) * get(x, ZERO, j), i, j), x, lo=ONE)

    return up(step, x, lo=ONE)


def no_trips(x, s):
    return up(lambda i, s: up(lambda j, s: add_at(s, get(x, i, j), i), s, lo=i, hi=i), s)


def also_elsewhere(x, s):
    """s[0] is s[j] in one iteration."""
    return up(lambda j, s: put(add_at(s, get(x, j, j), ZERO), get(s, ZERO), j), s)


def taken_whole(x, s):
    return up(lambda j, s, r: (add_at(s, get(x, j, j), ZERO), r + s), s, zeros_like(s))[1]


def perhaps_no_such_cell(x, s):
    """Nothing tells that s[i + 1] exists if the inner loop runs no iteration."""
    return up(lambda i, s: up(lambda j, s: add_at(s, get(x, i, j), i + 1), s, lo=i + 1), s)


@pytest.mark.parametrize(
    "program, gets, writes",
    [
        (row_sums, 1, 0), (row_recurrence, 2, 0), (pivot_column, 2, 1), (no_trips, 1, 0),
        (also_elsewhere, 2, 2), (taken_whole, 1, 1), (perhaps_no_such_cell, 1, 1),
    ],
)  # fmt: skip
def test_which_cells_become_scalars(program: Any, gets: int, writes: int) -> None:
    """`gets`, `writes`: in the innermost loop."""
    fn = fn_of(program, MATRIX, VECTOR)
    after = pipeline.run(fn, ("promote", "simplify"))
    inner = [let for _, let in everywhere(after) if let.op.name == "loop"][-1].fns[0]
    assert count(inner, "get") == gets
    assert count(inner, "put") + count(inner, "add_at") == writes
    same_meaning(fn, after, np.random.default_rng(1).normal(size=(4, 4)), np.random.default_rng(2).normal(size=4))


def checked_in_the_loop(x, s):
    """Only the check in the loop tells that s[k] exists."""

    def step(j, s, k):
        check(lt(k, size(N)), "too far")
        return add_at(s, get(x, j, j), k)

    return up(lambda j, s: step(j, s, size(N) * 2), s, hi=value(2))


def test_a_cell_that_is_checked_in_the_loop_stays_there() -> None:
    fn = fn_of(checked_in_the_loop, MATRIX, VECTOR)
    after = pipeline.run(fn, ("promote",))
    assert [let.op.name for let in after.lets] == ["loop"]


def test_an_array_computed_anew_in_an_inner_loop_is_not_merely_read() -> None:
    """The order of the outer iterations matters: each hands b on through `b + 0.1 x`, which is no write to a cell."""

    def f(x: Value) -> Any:
        def outer(i: Value, b: Value) -> Value:
            return loop(value(0), i, lambda k, b: put((b + 0.1 * x) * b, get(x, i), k), b, hints=("k", "b"))[0]

        return loop(value(0), size(N), outer, x, hints=("i", "b"), reverse=True)[0]

    fn = trace(f, [Var(Type("f64", (N,)), "x")], "f")
    assert all(let.attrs["reverse"] for let in upwards(fn).lets if let.op.name == "loop")
