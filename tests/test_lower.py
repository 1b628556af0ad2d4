"""Lowering: plans say where everything is computed. Texts are run as plain Python here; `test_emit.py` compiles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from jitgrad.emit.cpu import MODULES
from jitgrad.emit.python import emit
from jitgrad.ir.build import apply, size, trace, value
from jitgrad.ir.core import F64, Fn, Type, Var
from jitgrad.ir.dims import Sym, of_symbol
from jitgrad.ir.interp import interp
from jitgrad.lower.plan import Alloc, Block, Buffer, Call, For, Load, Plan, Store, While, blocks, everywhere
from jitgrad.lower.schedule import schedule
from jitgrad.lower.show import show_plan
from jitgrad.lower.verify import PlanError, verify_plan
from jitgrad.ops import scalar
from jitgrad.ops.array import broadcast, reshape, sum_
from jitgrad.ops.index import add_at, get, put
from jitgrad.ops.linalg import matmul
from jitgrad.ops.loop import loop

from . import constructs, plain_text, random_programs
from .array_programs import CUBE, MATRIX, PROGRAMS, ROW, SIZES, VECTOR, Program, draw, m, n

RANDOM = 150


def agrees(fn: Fn, argument_lists: list[list[Any]]) -> None:
    text = emit(schedule(fn), MODULES)
    for args in argument_lists:
        before = [np.copy(a) for a in args]
        plain_text.same(plain_text.run(text, args), interp(fn, *args), args, before)


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=lambda p: p.name)
def test_plan_means_what_the_program_means(program: Program) -> None:
    agrees(program.fn(), [program.arguments(s) for s in SIZES])


@pytest.mark.parametrize("program", constructs.PROGRAMS, ids=lambda p: p.name)
def test_constructs(program: constructs.Program) -> None:
    agrees(program.fn(), [program.arguments(s) for s in (2, 5)])


@pytest.mark.parametrize("first", range(0, RANDOM, 10))
def test_random_programs(first: int) -> None:
    for seed in range(first, first + 10):
        rng = np.random.default_rng(seed)
        agrees(random_programs.make(seed), [[draw(t, rng, s) for t in random_programs.TYPES] for s in SIZES[:2]])


# ---- what is allocated, and which loops there are


def allocs(plan: Plan) -> list[Buffer]:
    return [s.buffer for s in everywhere(plan.body) if isinstance(s, Alloc)]


def nests(block: Block) -> list[str]:
    """The loops of a block from outside in: `i(j j)` has two loops in one."""
    return [s.index.hint + (f"({' '.join(nests(s.body))})" if nests(s.body) else "") for s in block if isinstance(s, For)]


def planned(body: Any, *types: Type) -> Plan:
    names = body.__code__.co_varnames
    return schedule(trace(body, [Var(t, h) for t, h in zip(types, names, strict=False)], "f"))


# fmt: off
SHAPE_OF_PLANS = [
    # the loops, and how many buffers
    ("value and gradient of a sum", lambda x, w: (sum_(scalar.sin(x * w) + 0.5 * w * w, (0,)), scalar.cos(x * w) * x + w),
        (VECTOR, VECTOR), ["i"], 1),
    ("reductions over different axes of one array", lambda x: (sum_(x, (0,)), sum_(x, (1,)), sum_(x * x, (0, 1))),
        (MATRIX,), ["i(j)"], 2),
    ("a row is used where its sum is known", lambda x: x / broadcast(sum_(x, (1,)), (n, m), (0,)),
        (MATRIX,), ["i(j j)"], 1),
    ("a column sum is finished before it is used", lambda x: x / broadcast(sum_(x, (0,)), (n, m), (1,)),
        (MATRIX,), ["i(j)", "i(j)"], 2),
    ("a middle axis", lambda x: sum_(x, (1,)), (CUBE,), ["i(j(k))"], 1),
    ("dear values are computed once", lambda w, x: x * broadcast(scalar.exp(w), (n, m), (1,)),
        (ROW, MATRIX), ["i", "i(j)"], 2),
    ("cheap ones again", lambda w, x: x * broadcast(w + 1.0, (n, m), (1,)), (ROW, MATRIX), ["i(j)"], 1),
    ("what is dear and used at two distances is stored", lambda x: (lambda y: get(y, 0, n - 1, spec="s", steps=(1,))
        * get(y, 1, n - 1, spec="s", steps=(1,)))(scalar.exp(x)), (VECTOR,), ["i", "i"], 2),
    ("an exp in two loops around a sum is stored in a row", lambda x: (lambda e: e / broadcast(sum_(e, (1,)), (n, m), (0,)))(
        scalar.exp(x)), (MATRIX,), ["i(j j)"], 2),
    ("a scalar program", lambda x, w: get(x, 0) * get(w, 1), (VECTOR, VECTOR), [], 0),
    ("a product reads a row of memory, turned", lambda x, w: matmul(get(x, 1, spec="i::"), w, ta=True),
        (Type("f64", (3, n, m)), VECTOR), [], 1),
    ("put into what is ours", lambda x: put(put(x * 2.0, 1.0, 0), 2.0, 1), (VECTOR,), ["i"], 1),
    ("put into a parameter", lambda x: put(x, 1.0, 0), (VECTOR,), ["i"], 1),
    ("the old version lives", lambda x: (lambda a: (a, put(a, 1.0, 0)))(x * 2.0), (VECTOR,), ["i"], 2),
    ("in-place loop", lambda x: loop(value(0), size(n), lambda i, a: put(a, get(a, i) * 2.0, i), x * 2.0)[0],
        (VECTOR,), ["i"], 1),
    ("rows of rows are one allocation", PROGRAMS["nested_rows"].body, (MATRIX,), ["i(j)"], 1),
    ("rows put into a longer row are made there", PROGRAMS["padded_rows"].body, (MATRIX,), ["i(j)"], 1),
    ("exchanged carries change their owners", PROGRAMS["carries_rotate"].body, (VECTOR,) * 3, ["i", "i", "i"], 4),
    ("results twice", lambda x: (lambda y: (y, y))(x * 2.0), (VECTOR,), ["i"], 2),
]
# fmt: on


@pytest.mark.parametrize(("name", "body", "types", "loops", "buffers"), SHAPE_OF_PLANS, ids=[c[0] for c in SHAPE_OF_PLANS])
def test_loops_and_buffers(name: str, body: Any, types: Any, loops: list[str], buffers: int) -> None:
    plan = planned(body, *types)
    assert (nests(plan.body), len(allocs(plan))) == (loops, buffers), show_plan(plan)


def test_growth_of_rows_and_a_branch_in_place() -> None:
    assert len(allocs(schedule(PROGRAMS["while_with_rows"].fn()))) == 2  # the growing rows, and the result
    assert len(allocs(schedule(PROGRAMS["branch_in_place"].fn()))) == 1


@pytest.mark.parametrize("name", ["new_cell_by_cell", "while_with_array_rows", "constant_and_carry"])
def test_what_reads_its_own_cell_is_written_in_place(name: str) -> None:
    """No ring of two for `a = f(a)`."""
    plan = schedule(PROGRAMS[name].fn())
    assert not any(2 in b.type.shape for b in allocs(plan)), show_plan(plan)


def depths(block: Block, depth: int = 0) -> Iterator[tuple[int, Any]]:
    """Statements with the number of loops of the program (not of arrays) around them."""
    for s in block:
        yield depth, s
        for _, inner in blocks(s):
            yield from depths(inner, depth + (isinstance(s, While) or (isinstance(s, For) and not s.nest)))


# Programs whose loops write single cells: then no loop over an array, and no allocation, stands inside a loop.
CELLWISE = ["in_place", "cell_read_after_overwriting", "cell_written_twice", "swapped", "constant_and_carry", "elimination",
            "data_dependent_cells", "branch_in_loop", "triangular", "nested"]  # fmt: skip


@pytest.mark.parametrize("name", CELLWISE)
def test_nothing_is_copied_in_a_loop(name: str) -> None:
    program = next(p for p in constructs.PROGRAMS if p.name == name)
    plan = schedule(program.fn())
    inside = [s for depth, s in depths(plan.body) if depth and (isinstance(s, Alloc) or (isinstance(s, For) and s.nest))]
    assert not inside, show_plan(plan)


def test_allocations_leave_loops() -> None:
    step = lambda i, u: u + scalar.sin(matmul(get(a_of[0], i, spec="i::"), u))
    a_of: list[Any] = []

    def body(a, u):
        a_of[:] = [a]
        return loop(value(0), size(n), step, u)[0]

    plan = planned(body, Type("f64", (n, m, m)), ROW)
    assert all(depth == 0 for depth, s in depths(plan.body) if isinstance(s, Alloc)), show_plan(plan)


def triangle(lo: Any, hi: Any, used: Any = None, **how: Any) -> Any:
    """For each i a row over lo..hi, which is read from its end."""

    def body(a: Any, z: Any) -> Any:
        def step(i: Any, s: Any) -> Any:
            first, last = lo(i, z), hi(i, z)
            r, rows = loop(first, last, lambda k, r: (scalar.sin(r + get(a, k - first)), r), s)
            t = used(rows) if used else r
            return loop(first, last, lambda k, t: t + scalar.sin(t) * get(rows, k - first), t, reverse=True)[0]

        return loop(value(0), size(n), step, value(1.0), **how)[0]

    return body


UP_TO_I = (lambda i, z: value(0), lambda i, z: i)
# fmt: off
LENGTHS = [
    ("up to the index", triangle(*UP_TO_I), 0),
    ("in a loop that runs downwards", triangle(*UP_TO_I, reverse=True), 0),
    ("from the index on", triangle(lambda i, z: i + 1, lambda i, z: size(n)), 0),
    ("in both directions", triangle(lambda i, z: i, lambda i, z: i * 2), 0),
    ("told by data", triangle(UP_TO_I[0], lambda i, z: scalar.minimum(get(z, i), size(n))), 1),
    ("used whole", triangle(*UP_TO_I, lambda rows: get(matmul(reshape(rows, (1, *rows.shape)), rows), 0)), 1),
]
# fmt: on


@pytest.mark.parametrize(("name", "body", "depth"), LENGTHS, ids=[c[0] for c in LENGTHS])
def test_allocations_of_changing_length_leave_loops_at_the_largest(name: str, body: Any, depth: int) -> None:
    fn = trace(body, [Var(VECTOR, "a"), Var(Type("i64", (n,)), "z")], "f")
    plan = schedule(fn)
    assert max(d for d, s in depths(plan.body) if isinstance(s, Alloc)) == depth, show_plan(plan)
    agrees(fn, [[np.linspace(0.1, 1.0, k), np.arange(k)[::-1].copy()] for k in (1, 2, 5)])


def keeping(each: Any, around: Any = lambda i, x, step: step(x), behind: Any = lambda x: sum_(x, (0,)), lo: Any = 0) -> Any:
    """For each i all of x is kept, cell by cell, as it is overwritten; then x and what was kept are read."""

    def body(a: Any, b: Any) -> Any:
        def step(i: Any, x: Any) -> Any:
            def inner(k: Any, x: Any) -> Any:
                old = get(x, k)
                return put(x, each(i, k, x, a), k), old

            return around(i, x, lambda x: loop(value(0), size(n), inner, x))

        x, rows = loop(value(lo), size(m), step, scalar.sin(a), hints=("i", "x"))
        t = loop(value(lo), size(m), lambda i, t: t + scalar.sin(t * get(rows, i - lo, value(0))), value(0.5), reverse=True)[0]
        return behind(x), t

    return body


def read_before(i: Any, x: Any, step: Any) -> Any:
    x, row = step(add_at(x, 0.5, 0))
    return x, row


def read_behind(i: Any, x: Any, step: Any) -> Any:
    x, row = step(x)
    return put(x, get(x, 0) + get(row, 0), 0), row


own = lambda i, k, x, a: scalar.sin(get(x, k)) + get(a, k)
# fmt: off
TRAILS = [
    ("its own cell", keeping(own), True),
    ("it is overwritten behind the loop", keeping(own, behind=lambda x: sum_(put(x, get(x, 0) * 2.0, 0), (0,))), True),
    ("a cell before", keeping(lambda i, k, x, a: get(x, 0) * get(x, k)), False),
    ("a cell behind", keeping(lambda i, k, x, a: get(x, size(n) - 1) + get(x, k)), False),
    ("changed before", keeping(own, read_before), False),
    ("changed behind", keeping(own, read_behind), False),
    ("not from 0 on", keeping(own, lo=1), False),
]
# fmt: on


@pytest.mark.parametrize(("name", "body", "there"), TRAILS, ids=[c[0] for c in TRAILS])
def test_what_is_kept_as_it_is_overwritten_lives_there(name: str, body: Any, there: bool) -> None:
    fn = trace(body, [Var(VECTOR, "a"), Var(ROW, "b")], "f")
    plan = schedule(fn)
    kept = [b for b in allocs(plan) if b.type.rank == 2]
    assert ([b.type.shape[0] for b in kept] == [m + 1]) is there, show_plan(plan)
    agrees(fn, [[np.linspace(0.1, 1.0, k), np.ones(j)] for k in (1, 4) for j in (1, 3)])


# ---- golden plans


def test_shown() -> None:
    plan = planned(lambda x, w: sum_(scalar.exp(x * broadcast(w, (n, m), (1,))), (1,)), MATRIX, ROW)
    assert (
        show_plan(plan)
        == """\
plan f(x: f64[n, m], w: f64[m])
  buffer t: f64[n]
  nest i in 0..n
    t1 = 0.0
    nest j in 0..m
      x_ij = x[i, j]
      w_j = w[j]
      t2 = mul(x_ij, w_j)
      t3 = exp(t2)
      t1 += t3
    t[i] = t1
  return t
"""
    )


def test_shown_loop() -> None:
    step = lambda i, s, a: (s * get(a, i), put(a, s, i), s)
    plan = planned(lambda x: loop(value(0), size(n), step, value(0.5), x, hints=("i", "s", "a")), VECTOR)
    assert (
        show_plan(plan)
        == """\
plan f(x: f64[n])
  buffer a: f64[n]
  nest i in 0..n
    x_i = x[i]
    a[i] = x_i
  s = 0.5
  buffer s_rows: f64[n]
  for i1 in 0..n
    s_rows[i1] = s
    t = a[i1]
    t1 = mul(s, t)
    a[i1] = s
    s = t1
  return s, a, s_rows
"""
    )


# ---- sizes


def test_sizes_are_found_in_any_dimension() -> None:
    k = of_symbol(Sym("k", 1))
    body = lambda x, z: (sum_(x, (0,)), array_of(k), z)
    array_of = lambda d: broadcast(value(2.0), (d,), ())
    plan = schedule(trace(body, [Type("f64", (2 * k + 1,)), F64], "f"))
    (bind,) = plan.sizes
    assert (bind.scale, bind.rest) == (2, 1)
    agrees(trace(body, [Type("f64", (2 * k + 1,)), F64], "f"), [[np.arange(7.0), 1.5]])


def test_a_size_may_be_a_parameter() -> None:
    k = Sym("k", 1)
    count = Var(Type("i64"), "count", k)
    fn = trace(lambda count, x: broadcast(x, (of_symbol(k),), ()) * 2.0, [count, F64], "f")
    agrees(fn, [[3, 1.5], [5, 0.5]])


# ---- the verifier


def _broken(plan: Plan, **changes: Any) -> Plan:
    return Plan(**{**{f: getattr(plan, f) for f in ("name", "params", "sizes", "body", "results")}, **changes})


def test_verifier_refuses() -> None:
    plan = planned(lambda x: x * 2.0, VECTOR)
    alloc, nest = plan.body
    assert isinstance(nest, For)
    with pytest.raises(PlanError, match="before it is allocated"):
        verify_plan(_broken(plan, body=(nest,)))
    with pytest.raises(PlanError, match="allocated twice"):
        verify_plan(_broken(plan, body=(alloc, alloc, nest)))
    with pytest.raises(PlanError, match="unbound"):
        verify_plan(_broken(plan, body=(alloc, *nest.body)))
    with pytest.raises(PlanError, match="parameter `x` is written"):
        store = next(s for s in nest.body if isinstance(s, Store))
        bad = Store(plan.params[0], store.index, store.value)  # type: ignore[arg-type]
        verify_plan(_broken(plan, body=(alloc, For(nest.index, 0, nest.hi, (*nest.body, bad)))))
    with pytest.raises(PlanError, match="read before it is written"):
        load = next(s for s in nest.body if isinstance(s, Load))
        early = Load(Var(F64), alloc.buffer, load.index)  # type: ignore[union-attr]
        verify_plan(_broken(plan, body=(alloc, For(nest.index, 0, nest.hi, (early, *nest.body)))))
    with pytest.raises(PlanError, match="share memory"):
        verify_plan(_broken(plan, results=plan.results * 2))


def test_unused_products_go_and_unused_solves_stay() -> None:
    """A product raises nothing; a singular matrix must still be found."""
    unused = lambda name: lambda a, x: (apply(name, a, x), x * 2.0)[1]
    calls = lambda name: [
        s.name for s in everywhere(planned(unused(name), Type("f64", (n, n)), VECTOR).body) if isinstance(s, Call)
    ]
    assert calls("matmul") == []
    assert calls("solve") == ["solve"]


def test_a_row_that_is_a_carry_as_it_came_is_stored_before_the_carry_is_overwritten() -> None:
    """One memory for the carry: no second place, no copy in each iteration but that of the row."""

    def body(x: Any) -> Any:
        def step(t: Any, a: Any) -> Any:
            return loop(value(0), size(n), lambda i, a: put(a, scalar.sin(get(a, i)), i), a)[0], a

        return loop(value(0), value(3), step, x)

    fn = trace(body, [VECTOR], "keeps")
    agrees(fn, [[np.linspace(0.0, 1.0, k)] for k in (1, 4)])
    assert len(allocs(schedule(fn))) == 2
