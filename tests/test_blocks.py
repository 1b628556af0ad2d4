"""Blocks of rows: which statements run together, what memory they share, what they compute."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import jitgrad as jg
import jitgrad.eager as torch
from jitgrad.eager.entry import settings
from jitgrad.eager.run import entries
from jitgrad.emit import runtime
from jitgrad.ir.core import Var, dim_of
from jitgrad.ir.interp import interp
from jitgrad.lower.blocks import ROW_BLOCKS
from jitgrad.lower.plan import Alloc, Call, For, Load, Plan, Store, Window, everywhere
from jitgrad.lower.rows import MATMUL_ADD, Use, commute
from jitgrad.lower.show import show_plan
from jitgrad.lower.verify import PlanError, verify_plan

N, K, M = 11, 7, 5  # rows, columns of x, columns of w


def argument(name: str, rows: int = N, dtype: str = "float32") -> np.ndarray:
    shape = {"x": (rows, K), "w": (K, M), "v": (M, M), "y": (rows,), "u": (K,), "k": (rows,)}[name]
    r = np.random.default_rng(sum(map(ord, name)))
    return r.integers(0, max(rows, 1), shape) if name == "k" else r.normal(size=shape).astype(dtype)


def arguments(f: Any, rows: int = N, dtype: str = "float32") -> list[np.ndarray]:
    names = f.__code__.co_varnames[: f.__code__.co_argcount]
    return [argument(name, rows, dtype) for name in names]


def compiled(f: Any, dtype: str = "float32") -> Any:
    program = jg.jit(f)
    program(*arguments(f, dtype=dtype))
    return program.programs[-1].compiled


def loops(plan: Plan) -> list[For]:
    return [s for s in plan.body if isinstance(s, For) and s.blocks]


def calls(block: Any) -> list[str]:
    return [s.name for s in everywhere(block) if isinstance(s, Call)]


def long_arrays(plan: Plan) -> list[str]:
    """The arrays with all rows that are neither given nor wanted."""
    n = next(dim_of(s.ins[0]) for s in plan.body if isinstance(s, Call) and s.name == ROW_BLOCKS)  # type: ignore[arg-type]
    wanted = [w.buffer for w in plan.results if isinstance(w, Window)]
    made = [s.buffer for s in everywhere(plan.body) if isinstance(s, Alloc)]
    return [b.hint for b in made if b.type.shape[0] == n and b not in wanted]


def normalised(x, w, v):
    t = x @ w
    return np.tanh((t - np.mean(t, 0)) @ v) @ v


def softmax(x, w, v):
    t = np.exp(x @ w)
    return (t / np.sum(t, 1, keepdims=True)) @ v


def running(x, w, v):
    return np.cumsum(np.tanh(x @ w), 0) @ v


def zeros(x, w, v):
    t = np.zeros((x.shape[0], v.shape[0]), x.dtype)
    t[:, 0] = x @ w[:, 1]
    return t @ v


def by_hand(x, w, v):
    t = x @ w
    s = 0.0
    for i in range(x.shape[0]):
        s = 0.5 * s + t[i, 0]
        for j in range(t.shape[1]):
            t[i, j] = s + i * np.sin(t[i, j])
    return t @ v


def taken(x, w, v, k):
    t = np.tanh(x @ w)
    return (t @ v)[k] @ v


# What runs together: of each loop over blocks its products; and how many arrays with all rows are left.
# fmt: off
GROUPS: list[tuple[str, Any, list[list[str]], int]] = [
    ("two layers", lambda x, w, v: np.tanh(np.tanh(x @ w) @ v), [["matmul", "matmul"]], 0),
    ("a gradient", lambda x, w: x.T @ np.tanh(x @ w), [["matmul", MATMUL_ADD]], 0),
    ("several sums", lambda x, w, v: (np.sum(np.tanh(t := x @ w)), np.sum(t @ v, 0), np.max(np.sin(t))), [["matmul"] * 2], 0),
    ("all rows before the next product", lambda x, w: x @ (x.T @ (x @ w)), [["matmul", MATMUL_ADD]], 0),
    ("vectors", lambda x, u, y: x.T @ (1.0 / (1.0 + np.exp(-y * (x @ u)))), [["matmul", MATMUL_ADD]], 0),
    ("a vector first", lambda x, u: np.sin(x @ u) @ x, [["matmul", MATMUL_ADD]], 0),
    ("sums along a row", softmax, [["matmul", "matmul"]], 0),
    ("in a result too", lambda x, w, v: (t := np.tanh(x @ w), t @ v @ v), [["matmul"] * 3], 0),
    ("rows begin as zeros", zeros, [["matmul", "matmul"]], 0),
    ("a statement that goes from row to row", running, [["matmul", "matmul"]], 0),
    ("a loop of the user's, with a number that is handed on", by_hand, [["matmul", "matmul"]], 0),
    ("two groups around a mean", normalised, [["matmul", "matmul"]], 1),
    ("rows that were picked", taken, [["matmul", "matmul"], ["matmul"]], 1),
]
APART: list[tuple[str, Any]] = [
    ("all pairs of rows", lambda x, w: (t := x @ w) @ t.T),
    ("no product", lambda x: np.sin(x) * np.sum(np.cos(x), 0)),
    ("one product", lambda x, w: x @ w),
    ("integers", lambda k: np.stack((k, k), 1) @ np.ones((2, 2), int) @ np.ones((2, 2), int)),
    ("an error comes first", lambda x, w, v: np.linalg.solve(v, np.tanh(x @ w).T)),
]
# fmt: on


@pytest.mark.parametrize(("f", "products", "left"), [g[1:] for g in GROUPS], ids=[g[0] for g in GROUPS])
def test_groups(f: Any, products: list[list[str]], left: int) -> None:
    plan = compiled(f).plan
    assert [calls(s.body) for s in loops(plan)] == products, show_plan(plan)
    assert len(long_arrays(plan)) == left, show_plan(plan)


@pytest.mark.parametrize("f", [g[1] for g in APART], ids=[g[0] for g in APART])
def test_what_is_no_group(f: Any) -> None:
    plan = compiled(f).plan
    assert not loops(plan) and ROW_BLOCKS not in calls(plan.body), show_plan(plan)


def test_a_mean_stands_between() -> None:
    """What all rows are needed for comes before the loop that needs it."""
    plan = compiled(normalised).plan
    (loop,) = loops(plan)
    at = plan.body.index(loop)
    sums = [s.buffer for s in everywhere(plan.body[:at]) if isinstance(s, Store) and s.how == "+"]
    assert len(sums) == 1 and not any(isinstance(s, Store) and s.buffer in sums for s in everywhere(loop.body)), show_plan(plan)
    means = {s.buffer for s in everywhere(plan.body[:at]) if isinstance(s, Store) and s.how == "="}
    assert means & {s.buffer for s in everywhere(loop.body) if isinstance(s, Load)}, show_plan(plan)


def test_memory_is_used_again() -> None:
    """Of eight layers, what one does not need any more is where the next one goes."""

    def deep(x, v):
        for _ in range(8):
            x = np.tanh(x @ v)
        return x

    program = jg.jit(deep)
    program(np.ones((9, 5)), np.ones((5, 5)))
    plan = program.programs[0].compiled.plan
    assert len(calls(loops(plan)[0].body)) == 8
    assert len([s for s in plan.body if isinstance(s, Alloc)]) <= 3, show_plan(plan)


# ---- numbers

# How many rows: none, one, fewer than a block, many blocks and some rows more. The blocks of compiled programs are long, since
# these rows are short; the same text in Python can have any.
ROWS = (0, 1, 3, 100_001)
FEW = (0, 1, 6, 7, 8, 30)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("f", [g[1] for g in GROUPS], ids=[g[0] for g in GROUPS])
def test_numbers(f: Any, dtype: str) -> None:
    c = compiled(f, dtype)
    assert loops(c.plan)
    python = c.python
    python.__wrapped__.__globals__[ROW_BLOCKS] = lambda n, width, matrix: (7, max(1, -(-n // 7)))
    for rows, run in [*[(rows, c) for rows in ROWS], *[(rows, python) for rows in FEW]]:
        if rows > 1000 and f is by_hand:  # cell by cell in Python
            continue
        if rows or not {"max", "mean", "k"} & {*f.__code__.co_names, *f.__code__.co_varnames}:
            args = arguments(f, rows, dtype)
            same(run(*args), interp(c.fn, *args), 1e-4 if dtype == "float32" else 1e-12)


def same(got: Any, want: Any, tolerance: float) -> None:
    """To `tolerance` of the largest number."""
    for a, b in zip(got, want, strict=True):
        assert np.shape(a) == np.shape(b) and (not np.shape(a) or a.dtype == b.dtype)
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * float(np.max(np.abs(b), initial=1e-30)))


@pytest.mark.parametrize(
    ("n", "width", "matrix"), [(10_000, 5000, 4096), (10_000, 5000, 1 << 20), (100, 8, 1), (0, 0, 0), (10**6, 1 << 20, 1)]
)
def test_sizes_of_blocks(n: int, width: int, matrix: int) -> None:
    """They hold all rows, and fit a cache, or are one."""
    for f in (runtime.row_blocks, runtime.row_blocks.py_func):
        b, count = f(n, width, matrix)
        assert count >= 1 and (count - 1) * b <= max(n - 1, 0) and count * b >= n
        assert count == 1 or (b >= runtime.FEWEST and b * width <= runtime.CACHE and b * matrix <= runtime.FAST)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("more", [0, 1, 5])
@pytest.mark.parametrize("k", [0, 3])
def test_products_that_are_added(dtype: str, more: int, k: int) -> None:
    a, b, x = (argument("x", 6, dtype)[:k], argument("x", 6, dtype)[:k, :4], argument("y", 6, dtype)[:k])
    out, row = np.full((7, 4), 2.0, dtype), np.full(7, 2.0, dtype)
    runtime.gemm_add(True, False, a, b, more, out)
    runtime.gemv_add(True, a, x, more, row)
    same((out, row), (a.T @ b + 2.0 * (more > 0), a.T @ x + 2.0 * (more > 0)), 1e-6 if dtype == "float32" else 1e-15)


# ---- whole derivatives


def loss(w, v, x, y):
    t = np.tanh(np.tanh(x @ w) @ v)
    return np.mean((t[:, 0] - y) ** 2) + 0.1 * np.sum(w * w)


def test_gradient() -> None:
    """One loop over the blocks does the forward and the return sweep."""
    x, y, w, v = (argument(name, 5003, "float64") for name in "xywv")
    program = jg.value_and_grad(loss, argnums=(0, 1))
    value, slopes = program(w, v, x, y)
    plan = program.programs[0].compiled.plan
    (loop,) = loops(plan)
    assert sorted(calls(loop.body)) == ["matmul"] * 3 + [MATMUL_ADD] * 2 and not long_arrays(plan), show_plan(plan)
    assert value == pytest.approx(loss(w, v, x, y), rel=1e-13)
    for k, at in [(0, (2, 3)), (1, (1, 4))]:
        step = [np.zeros_like(w), np.zeros_like(v)]
        step[k][at] = 1e-6
        slope = (loss(w + step[0], v + step[1], x, y) - loss(w - step[0], v - step[1], x, y)) / 2e-6
        assert slopes[k][at] == pytest.approx(slope, rel=1e-6)
    rows = slice(0, 4000)
    again = program(w, v, x[rows], y[rows])
    assert len(program.programs) == 1 and again[0] == pytest.approx(loss(w, v, x[rows], y[rows]), rel=1e-13)


def penalty(x: Any, params: list[Any]) -> list[np.ndarray]:
    """A second derivative: the gradient, by the weights, of a function of the slope by the points."""
    w, v = params
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(torch.tanh(torch.tanh(x @ w) @ v).sum(), x, create_graph=True)
    ((slope * slope).sum(1).sqrt() - 1.0).square().mean().backward()
    found = [p.grad.numpy().copy() for p in params]
    for p in params:
        p.grad = None
    return found


def test_second_derivative_of_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    params = [torch.tensor(argument(name), requires_grad=True) for name in "wv"]
    x = torch.tensor(argument("x", 40_000))
    monkeypatch.setattr(settings, "compile_after", 10**9)
    want = penalty(x, params)
    monkeypatch.setattr(settings, "compile_after", 0)
    got = penalty(x, params)
    same(got, want, 1e-4)
    plans = [p.compiled.plan for e in list(entries.values()) if e.function for p in e.function.programs]
    assert max(len(calls(s.body)) for plan in plans for s in loops(plan)) >= 6


# ---- legality

ROW, ALL = True, False


@pytest.mark.parametrize(
    ("earlier", "later", "may"),
    [
        (("get", ALL), ("get", ALL), True),
        (("=", ROW), ("get", ROW), True),
        (("get", ROW), ("=", ROW), True),
        (("+", ROW), ("max", ROW), True),
        (("=", ROW), ("get", ALL), False),
        (("get", ALL), ("=", ROW), False),
        (("+", ALL), ("+", ALL), True),
        (("max", ALL), ("max", ALL), True),
        (("+", ALL), ("max", ALL), False),
        (("+", ALL), ("get", ALL), False),
        (("=", ALL), ("=", ALL), False),
        (("sum", ALL), ("get", ALL), False),
        (("sum", ALL), ("sum", ALL), False),
    ],
)
def test_what_commutes(earlier: tuple[str, bool], later: tuple[str, bool], may: bool) -> None:
    assert commute(frozenset([Use(*earlier)]), frozenset([Use(*later)])) is may
    both = [frozenset([Use(*earlier), Use("get", ROW)]), frozenset([Use(*later), Use("get", ROW)])]
    assert commute(*both) is (may and all(u == ("get", ALL) or u[1] for u in (earlier, later)))


def gradient_plan() -> tuple[Plan, For]:
    plan = compiled(lambda x, w: x.T @ np.tanh(x @ w)).plan
    (loop,) = loops(plan)
    return plan, loop


def changed(plan: Plan, loop: For, body: Any) -> Plan:
    return replace(plan, body=tuple(replace(s, body=tuple(body)) if s is loop else s for s in plan.body))


def test_verifier_sees_rows_of_the_block_before() -> None:
    """What a statement reads was made for this block."""
    plan, loop = gradient_plan()
    at = next(k for k, s in enumerate(loop.body) if isinstance(s, Call))
    late = [*loop.body[:at], *loop.body[at + 1 :], loop.body[at]]
    with pytest.raises(PlanError, match="blocks of rows meet in `t_block`"):
        verify_plan(changed(plan, loop, late))


def test_verifier_sees_a_sum_that_is_not_complete() -> None:
    plan, loop = gradient_plan()
    product = next(s for s in loop.body if isinstance(s, Call) and s.name == MATMUL_ADD)
    x = Var(product.outs[0].buffer.type.element, "x")
    peek = Load(x, product.outs[0].buffer, (0, 0))
    assert verify_plan(changed(plan, loop, loop.body))
    with pytest.raises(PlanError, match="blocks of rows meet in"):
        verify_plan(changed(plan, loop, [*loop.body, peek]))
