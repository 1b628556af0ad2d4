"""Parts of arrays that are overwritten again and again: as arrays of their own, and only where that is proven; and loops that
the return sweep does again rather than remember an axis more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from jitgrad.ir.build import Value, replay, size, trace, value
from jitgrad.ir.core import Fn, Type, Var
from jitgrad.ir.dims import Sym, of_symbol
from jitgrad.ir.interp import interp
from jitgrad.ir.show import show
from jitgrad.ir.verify import verify
from jitgrad.ir.walk import everywhere
from jitgrad.ops.cond import cond
from jitgrad.ops.index import add_at, get, put
from jitgrad.ops.loop import Loop, loop
from jitgrad.ops.reduce import sum_
from jitgrad.ops.scalar import exp, gt, sin
from jitgrad.transform import pipeline
from jitgrad.transform.ad import jvp, vjp
from jitgrad.transform.cut import vertex_cut
from jitgrad.transform.windows import windows

n, m = Sym("n", 0), Sym("m", 1)
N, M = size(of_symbol(n)), size(of_symbol(m))
TABLE = Type("f64", (of_symbol(n), of_symbol(m)))
A = np.random.default_rng(5).normal(size=(5, 4))


def program(f: Callable[[Value], Value]) -> Fn:
    return verify(trace(f, [Var(TABLE, "a")], f.__name__))


def over(hi: Value, step: Callable[..., Any], *init: Value, lo: Any = 0) -> Any:
    out = loop(value(lo), hi, step, *init, hints=("i", "a", "s")[: 1 + len(init)])
    return out if len(init) > 1 else out[0]


def rows(each: Callable[[Value, Value, Value], Value], hi: Value = N) -> Callable[[Value], Value]:
    """For each row i, for each row j before it: `each(i, j, a)`; then something nonlinear of the array."""

    def f(a: Value) -> Value:
        out = over(hi, lambda i, a: over(i, lambda j, a: each(i, j, a), a), a)
        return sum_(sin(out), (0, 1))

    return f


def less(i: Value, j: Value, a: Value, other: Any = None, to: Any = None) -> Value:
    """Row `to` (i) less a multiple of the row `other` (j), cell by cell."""
    other, to = j if other is None else other, i if to is None else to
    r = over(M, lambda k, r: r + get(a, other, k) * get(a, to, k), value(0.0))
    return over(M, lambda k, a: put(a, get(a, to, k) - sin(r) * get(a, other, k), to, k), a)


def columns(a: Value) -> Value:
    def each(j: Value, i: Value, a: Value) -> Value:
        return over(N, lambda k, a: put(a, get(a, k, i) * sin(get(a, k, j)), k, i), a)

    return sum_(sin(over(M, lambda i, a: over(i, lambda j, a: each(j, i, a), a), a)), (0, 1))


def in_a_branch(i: Value, j: Value, a: Value) -> Value:
    return cond(gt(get(a, j, 0), 0.0), lambda: less(i, j, a), lambda: over(M, lambda k, a: add_at(a, get(a, j, k), i, k), a))


def as_it_was(i: Value, j: Value, a: Value) -> Value:
    """Reads what has been overwritten since."""
    return over(M, lambda k, b: put(b, get(a, i, k) * get(b, i, (k + 1) % M) + get(b, j, k), i, k), a)


def whole_row(i: Value, j: Value, a: Value) -> Value:
    return put(a, get(a, i, spec="i:") * sin(get(a, j, spec="i:")), i, spec="i:")


def part_of_a_row(i: Value, j: Value, a: Value) -> Value:
    half = (value(0), size(of_symbol(m)) - 1)
    return put(a, sin(get(a, i, *half, spec="is", steps=(1,))), i, *half, spec="is", steps=(1,))


def written_once(a: Value) -> Value:
    out = over(N, lambda i, a: over(M, lambda k, a: put(a, sin(get(a, i, k)), i, k), a), a)
    return sum_(out, (0, 1))


def a_cell(i: Value, j: Value, a: Value) -> Value:
    return put(a, sin(get(a, i, 0) * get(a, j, 0)), i, 0)


def seen_whole(i: Value, j: Value, a: Value) -> Value:
    return put(less(i, j, a), sin(sum_(a, (0, 1))), i, 0)


TAKEN = {
    "rows": rows(less),
    "columns": columns,
    "in a branch": rows(in_a_branch),
    "an old version": rows(as_it_was),
    "from the other end": rows(lambda i, j, a: less(i, j, a, N - 1 - j, N - 1 - i)),
    "whole rows": rows(whole_row),
    "part of a row": rows(part_of_a_row),
}  # fmt: skip
LEFT = {
    "each cell once": written_once,
    "a single cell": rows(a_cell),
    "the row may be that one": rows(lambda i, j, a: less(i, j, a, (i + j) % N)),
    "another row is written too": rows(lambda i, j, a: less(j, i, less(i, j, a))),
    "the row may not exist": rows(lambda i, j, a: less(i, j, a, to=i - 2), size(of_symbol(n))),
    "read whole": rows(seen_whole),
}  # fmt: skip


def check_values(fn: Fn, done: Fn) -> None:
    for shape in ((5, 4), (1, 1), (2, 3)):
        a = A[: shape[0], : shape[1]]
        np.testing.assert_allclose(interp(done, a)[0], interp(fn, a)[0], rtol=1e-12)


@pytest.mark.parametrize("name", TAKEN)
def test_windows_are_arrays(name: str) -> None:
    fn = program(TAKEN[name])
    done = verify(windows(fn))
    check_values(fn, done)
    inner = [let for body, let in everywhere(done) if let.op.name == "loop" and body is not done]
    assert all(a.type.rank < 2 for let in inner for a in Loop.of(let).init)


@pytest.mark.parametrize("name", [k for k in LEFT if k != "the row may not exist"])
def test_what_is_not_proven_is_left(name: str) -> None:
    fn = program(LEFT[name])
    check_values(fn, windows(fn))
    assert show(windows(fn)) == show(fn)


def test_a_window_that_may_not_exist() -> None:
    """Iteration 0 writes nothing: there is no row -2."""
    fn = program(LEFT["the row may not exist"])
    assert show(windows(fn)) == show(fn)


@pytest.mark.parametrize("name", [*TAKEN, *(k for k in LEFT if k != "the row may not exist")])
@pytest.mark.parametrize("order", [1, 2])
def test_derivatives(name: str, order: int) -> None:
    fn = pipeline.prepared(program({**TAKEN, **LEFT}[name]))
    if order == 2:
        g = vjp(fn)
        square = lambda a: sum_(sin(Value(call(g, a))), (0, 1))
        fn = pipeline.prepared(trace(square, [Var(TABLE, "a")], "square"))
    rng = np.random.default_rng(3)
    a_dot = rng.normal(size=A.shape)
    _, y_dot = interp(jvp(fn), A, a_dot)
    for back in (vjp(fn), pipeline.finished(vjp(fn))):
        _, a_bar = interp(back, A, 1.0)
        np.testing.assert_allclose(np.sum(a_bar * a_dot), y_dot, rtol=1e-8)


def call(g: Fn, a: Value) -> Any:
    return replay(g, a, value(1.0))[1].atom


# ---- what is done again


def kept(f: Callable[[Value], Value]) -> list[int]:
    """How many axes each row has that the loops that are not within others remember."""
    back = pipeline.finished(vjp(pipeline.prepared(program(f))))
    loops = [let for let in back.lets if let.op.name == "loop"]
    return [o.type.rank for let in loops for o in let.outs[Loop.of(let).count :]]


def test_an_axis_less_is_remembered() -> None:
    """Only each row as it was: the inner loop is done again, and the rows before are read as they are in the end."""
    assert kept(rows(less)) == [2]


def test_dear_work_is_not_done_twice() -> None:
    def dear(i: Value, j: Value, a: Value) -> Value:
        y = lambda k: exp(sin(exp(get(a, i, k)) / (get(a, j, k) + 9.0)))
        return over(M, lambda k, a: put(a, sin(y(k)) / (y(k) + 3.0), i, k), a)

    assert kept(rows(dear)) == [3]


@pytest.mark.parametrize(("price", "cut"), [(1, {"x"}), (30, {"y", "z"})])
def test_the_cut_weighs_work(price: int, cut: set[str]) -> None:
    """y and z are made of x by one statement, whose price is paid once."""
    made = {"y": ["x"], "z": ["x"], "x": None}
    weight = {"x": 10, "y": 8, "z": 8}
    assert vertex_cut(["y", "z"], made.get, weight.get, lambda v: ("s", price) if v != "x" else None) == cut  # type: ignore[arg-type]
