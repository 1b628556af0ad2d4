"""What the return sweep remembers, read off the program: the rows of the forward loops; and that no derivative does more
work than its primal, counted in nested loops, nor makes arrays deeper in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from jitgrad.ir.build import Value, size, trace, value
from jitgrad.ir.core import I64, Fn, Var
from jitgrad.ir.dims import symbols
from jitgrad.ir.interp import interp
from jitgrad.lower.plan import Alloc, Block, Buffer, Call, For, Grow, If, Load, Stmt, Store, While, Window, blocks, everywhere
from jitgrad.lower.schedule import schedule
from jitgrad.ops.array import zeros_like
from jitgrad.ops.index import get, put
from jitgrad.ops.loop import Loop, loop
from jitgrad.ops.scalar import sin
from jitgrad.transform import pipeline
from jitgrad.transform.ad import vjp

from .constructs import PROGRAMS, VECTOR, Program
from .constructs_kit import N

BY_NAME = {p.name: p for p in PROGRAMS}
each = pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.name)


def gradient(program: Program, order: int = 1) -> Fn:
    fn = program.fn()
    for _ in range(order):
        fn = pipeline.finished(vjp(pipeline.prepared(fn)))
    return fn


def remembered(fn: Fn) -> list[str]:
    """The types of the rows of the loops that are not within others."""
    found: list[str] = []
    for let in fn.lets:
        if let.op.name in ("loop", "while"):
            first = Loop.of(let).count if let.op.name == "loop" else let.attrs["carry"] + 1
            found += [str(o.type) for o in let.outs[first:]]
    return found


EXPECTED: dict[str, list[str]] = {
    "straight": [],
    # sums, and arrays of which what is needed is still there
    "sum_of_squares": [],
    "pairs_with_cutoff": [],
    "linear_stencil": [],
    "elimination": [],
    "triangular_solve": [],
    "kept_trajectory": [],
    # one scalar each time
    "accumulate": ["f64[n]"],
    "downward": ["f64[n]"],
    "sines": ["f64[7]"],
    "in_place": ["f64[n - 1]"],
    "constant_and_carry": ["f64[n]"],
    "data_dependent_cells": ["f64[n]"],
    "cell_written_twice": ["f64[n]"],
    "two_arrays_written": ["f64[n]", "f64[n]"],  # two writes
    "branch_with_put": ["f64[n]", "f64[n]"],  # the cell that decides, and the cell overwritten
    "branch_in_loop": ["f64[n]"],
    "swapped": ["f64[3]", "f64[3]"],
    # a field for each step
    "in_place_stencil": ["f64[4,n - 1,n - 1]"],  # the cells overwritten
    "double_buffer": ["f64[3,n,n]"],
    "constant_and_carry_inside": ["f64[3,n]"],
    "slices_written": ["f64[3,n - 1]"],
    "time_loop": ["f64[3,n]", "f64[3,n]"],  # u, and K u: a product is not done again
    "elimination_in_time": ["f64[3,n]", "f64[3,n,n]"],  # the diagonal before it grows, the array after LU
    "row_then_whole": ["f64[n,n]"],  # rows overwritten, not the array n times
    "nested": ["f64[n,n]"],
    "triangular": ["f64[n,n - 1]"],
    # unknown numbers of iterations
    "newton": ["f64[count]"],
    "while_writes": ["f64[count]"],
    "for_with_break": ["f64[count]"],
    "while_in_for": ["i64[n]"],  # only how often
    # ragged rows (`begin`: as many as there are inner iterations in all), where those of each iteration begin, how many
    "while_in_for_nonlinear": ["f64[begin]", "i64[n]", "i64[n]", "f64[n]", "f64[n]"],  # and s, w
    "while_in_two_loops": ["f64[begin]", "i64[n]", "i64[n,n]", "i64[n,n]", "f64[n,n]", "f64[n,n]"],
    "while_in_while": ["f64[begin]", "i64[count]", "i64[count]", "f64[count]", "f64[count]"],
    "array_written_in_while_in_for": ["f64[begin]", "i64[n]", "i64[n]"],  # the cells overwritten
    "whole_arrays_in_while": ["f64[begin,n]", "i64[3]", "i64[3]", "f64[3,n]"],
    # loops in branches: ragged too, nothing where the branch is not taken
    "loop_in_branch_in_loop": ["f64[begin]", "i64[n]"],
    "loop_writes_in_branch": ["f64[begin]", "i64[n]", "f64[n]"],
    "while_in_branch_in_loop": ["f64[begin]", "i64[n]", "i64[n]"],
    "loops_in_both_branches": ["f64[begin]", "f64[begin]", "i64[n]", "i64[n]"],
    "never_taken": ["f64[begin]", "i64[n]", "f64[n]"],
    "branches_and_loops_alternate": ["f64[begin]", "f64[begin]", "i64[begin]", "i64[n]", "i64[n]", "i64[n]"],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_rows(name: str) -> None:
    fn = gradient(BY_NAME[name])
    assert sorted(remembered(fn)) == sorted(EXPECTED[name])


# ---- arrays written by loops of their own


def stages(x: Value) -> Value:
    """A step in two stages, each of them an array that a loop fills."""

    def slope(y: Value) -> Value:
        return loop(0, size(N), lambda i, k: put(k, sin(get(y, i)) * get(y, size(N) - i - 1), i), zeros_like(y))[0]

    return loop(0, 5, lambda t, y: y + slope(y + slope(y)), x)[0]


def products(x: Value) -> Value:
    """The same, but each cell is a sum over all others: that costs more than it takes to remember."""

    def slope(y: Value) -> Value:
        total = lambda i: loop(0, size(N), lambda j, s: s + get(y, j) * get(y, i), value(0.0))[0]
        return loop(0, size(N), lambda i, k: put(k, total(i), i), zeros_like(y))[0]

    return loop(0, 5, lambda t, y: y + slope(y + slope(y)), x)[0]


@pytest.mark.parametrize(("f", "arrays"), [(stages, 1), (products, 2)], ids=["stages", "products"])
def test_arrays_that_loops_fill(f: Callable[[Value], Value], arrays: int) -> None:
    fn = trace(f, [Var(VECTOR, "x")], f.__name__)
    gradient = pipeline.finished(vjp(pipeline.prepared(fn)))
    assert sum(t == "f64[5,n]" for t in remembered(gradient)) == arrays
    x, v, h = np.array([0.3, -0.2, 0.5]), np.array([1.0, 0.5, -2.0]), 1e-6
    moved = (interp(fn, x + h * v)[0] - interp(fn, x - h * v)[0]) / (2 * h)
    bar = interp(gradient, x, np.ones(3))[1]
    assert np.sum(bar * v) == pytest.approx(np.sum(moved), rel=1e-7)


# ---- ragged rows


def statements(block: Block, kinds: tuple[type, ...]) -> list[Any]:
    return [s for s in everywhere(block) if isinstance(s, kinds)]


@pytest.mark.parametrize("name", ["never_taken", "loop_in_branch_in_loop", "while_in_branch_in_loop"])
def test_a_branch_that_is_not_taken_costs_nothing(name: str) -> None:
    """Only what is taken writes rows, or asks for room for them."""
    plan = schedule(gradient(BY_NAME[name]))
    branches = statements(plan.body, (If,))
    assert any(statements(s.then, (Grow,)) for s in branches)
    assert not any(statements(s.other, (Grow, Store, For, While)) for s in branches)


@pytest.mark.parametrize("name", ["while_in_for_nonlinear", "while_in_two_loops", "while_in_while", "whole_arrays_in_while"])
def test_ragged_rows_are_written_where_they_stay(name: str) -> None:
    """Each inner iteration stores into the one memory of all; nothing is copied behind the `while`."""
    forward = next(s for s in schedule(gradient(BY_NAME[name])).body if isinstance(s, (For, While)) and not is_nest(s))
    grown = {s.buffer for s in statements((forward,), (Grow,))}
    flat = grown & {s.buffer for w in statements(forward.body, (While,)) for s in statements(w.body, (Store,))}
    assert len(flat) == 1
    stores = [s for s in statements((forward,), (Store,)) if s.buffer in flat]
    loads = [s for s in statements((forward,), (Load,)) if s.buffer in flat]
    assert len(stores) == 1 and not loads


def is_nest(s: Any) -> bool:
    return isinstance(s, For) and s.nest


# ---- no derivative of a higher order of work


def work(block: Block, depth: int = 0) -> int:
    """How deep the loops are, those of library calls and of filling an array with zeros included."""
    deepest = 0
    for s in block:
        here = depth
        if isinstance(s, Alloc) and s.zero:
            here += s.buffer.type.rank
        if isinstance(s, Call):
            here += sum(len(w.shape) for w in s.ins if isinstance(w, Window)) - 1  # a product
        inside = [work(inner, depth + (isinstance(s, (For, While)) and not over_chunks(s))) for _, inner in blocks(s)]
        deepest = max(deepest, here, *inside)
    return deepest


def over_chunks(s: Stmt) -> bool:
    """A loop over the shares of threads: there are few."""
    return isinstance(s, For) and any(isinstance(v, Var) and v.hint == "chunks" for v in symbols(s.hi))


def made(block: Block, depth: int = 0) -> int:
    """How deep in loops memory is asked for."""
    deepest = 0
    for s in block:
        inside = [made(inner, depth + isinstance(s, (For, While))) for _, inner in blocks(s)]
        deepest = max(deepest, depth if isinstance(s, Alloc) else 0, *inside)
    return deepest


@each
@pytest.mark.parametrize("order", [1, 2])
def test_no_more_work_than_the_primal(program: Program, order: int) -> None:
    primal, derived = schedule(pipeline.finished(program.fn())).body, schedule(gradient(program, order)).body
    arguments = max(t.rank for t in program.types)  # their adjoints are filled
    assert work(derived) <= max(work(primal), arguments)
    assert made(derived) <= made(primal)


def test_what_is_counted() -> None:
    """The measures see a product in a loop, and memory asked for in one."""
    body = lambda name: schedule(pipeline.finished(BY_NAME[name].fn())).body
    assert (work(body("time_loop")), work(body("double_buffer"))) == (3, 3)
    alloc = Alloc(Buffer(VECTOR))
    assert made((*body("sines"), alloc)) == 0
    assert made((*body("sines"), For(Var(I64), 0, 3, (alloc,)))) == 1
