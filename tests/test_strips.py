"""Float32 sums in strips: which loops are cut, what they compute, how exact it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import jitgrad as jg
from jitgrad.ir.build import trace
from jitgrad.ir.core import I64, OPS, Lit, Type, Var
from jitgrad.ir.dims import Sym, of_symbol
from jitgrad.lower.plan import Block, For, Load, Plan, Scalar, Set, Update, everywhere
from jitgrad.lower.schedule import schedule
from jitgrad.lower.show import show_plan
from jitgrad.lower.strips import STRIP, stripped
from jitgrad.ops import scalar
from jitgrad.ops.array import sum_

n, m = of_symbol(Sym("n")), of_symbol(Sym("m"))
ROW, ROWS, LONG = Type("f32", (n,)), Type("f32", (n, m)), Type("f64", (n,))


def planned(body: Any, *types: Type) -> Plan:
    names = body.__code__.co_varnames
    return schedule(trace(body, [Var(t, h) for t, h in zip(types, names, strict=False)], "f"))


def partial_sums(plan: Plan) -> list[tuple[int, str]]:
    """Of each sum of a part: how many loops stand around what adds to it, and its type."""
    found: list[tuple[int, str]] = []

    def look(block: Block, depth: int) -> None:
        for s in block:
            if isinstance(s, Update) and s.out.hint.endswith("_part"):
                found.append((depth, s.out.type.dtype))
            if isinstance(s, For):
                look(s.body, depth + 1)

    look(plan.body, 0)
    return found


def sized(k: int, *more: int) -> Type:
    return Type("f32", (*more, k))


# fmt: off
CUT = [
    # the sums of parts, each with the number of loops around it
    ("a chain of operations", lambda x: sum_(scalar.sin(x) * x, (0,)), (ROW,), [2]),
    ("results beside it", lambda x: (sum_(scalar.sin(x), (0,)), scalar.cos(x)), (ROW,), [2]),
    ("two sums", lambda x, w: (sum_(x * w, (0,)), sum_(x * x, (0,))), (ROW, ROW), [2, 2]),
    ("a known length", lambda x: sum_(x * x, (0,)), (sized(1000),), [2]),
    ("one strip of known length", lambda x: sum_(x * x, (0,)), (sized(STRIP),), [1]),
    ("rows of known length", lambda x: sum_(x * x, (1,)), (sized(64, 3),), [2]),
    ("long rows of known length", lambda x: sum_(x * x, (1,)), (sized(1000, 3),), [3]),
]
LEFT = [
    ("float64", lambda x: sum_(x * x, (0,)), (LONG,)),
    ("nothing is computed", lambda x: sum_(x, (0,)), (ROW,)),
    ("rows may be short", lambda x: sum_(x * x, (1,)), (ROWS,)),
    ("a short loop", lambda x: sum_(x * x, (0,)), (sized(16),)),
    ("something else is float64", lambda x, w: (sum_(x * x, (0,)), w * 2.0), (ROW, LONG)),
]
# fmt: on


@pytest.mark.parametrize(("name", "body", "types", "depths"), CUT, ids=[c[0] for c in CUT])
def test_cut(name: str, body: Any, types: Any, depths: list[int]) -> None:
    plan = planned(body, *types)
    assert partial_sums(plan) == [(d, "f32") for d in depths], show_plan(plan)
    inner = [s for s in everywhere(plan.body) if isinstance(s, For) and not any(isinstance(t, For) for t in s.body)]
    wide = [s for f in inner for s in everywhere(f.body) if isinstance(s, (Update, Scalar, Load)) and s.out.type.dtype == "f64"]
    assert not wide, show_plan(plan)  # what is vectorised is float32 throughout


@pytest.mark.parametrize(("name", "body", "types"), LEFT, ids=[c[0] for c in LEFT])
def test_left(name: str, body: Any, types: Any) -> None:
    plan = planned(body, *types)
    assert not partial_sums(plan), show_plan(plan)


F32, F64 = Type("f32"), Type("f64")
I, T, X, P = Var(I64, "i"), Var(F64, "t"), Var(F32, "x"), Var(F32, "p")


def computed(dtype: str, *args: Var) -> Scalar:
    return Scalar(Var(Type(dtype), "y"), OPS["mul"], args)


def loop_of(*body: Any, **how: Any) -> Plan:
    """A loop that adds x * x to `t`, and does what `body` says."""
    term = (Scalar(P, OPS["mul"], (X, X)), Update(T, "+", P))
    loop = For(I, 0, n, (*term, *body), **{"nest": True, **how})
    return Plan("f", (X,), (), (Set((T,), (Lit(0.0, F64),)), loop), (T,))


@pytest.mark.parametrize(
    ("body", "how", "cut"),
    [
        ((), {}, True),
        ((), {"parallel": True}, False),
        ((), {"reverse": True}, False),
        ((), {"dealt": (0, n)}, False),
        ((), {"nest": False}, False),
        ((computed("f32", P, T),), {}, False),  # the running sum is read
        ((computed("f32", P, P),), {}, True),
        ((computed("f64", P, P),), {}, False),
        ((computed("f32", P, I),), {}, False),  # the index is a number of eight bytes
        ((For(Var(I64, "j"), 0, m, ()),), {}, False),
        ((Update(T, "*", P),), {}, False),
        ((Set((Var(F32, "y"),), (P,)),), {}, False),
        ((Update(Var(F32, "most"), "max", P),), {}, True),
    ],
)
def test_only_plain_sums_of_array_loops(body: Any, how: Any, cut: bool) -> None:
    assert bool(partial_sums(stripped(loop_of(*body, **how)))) is cut


@pytest.mark.parametrize("length", [20, 50, STRIP - 1, STRIP, STRIP + 1, 2 * STRIP, 1000])
def test_every_term_is_added_once(length: int) -> None:
    x = np.arange(length, dtype=np.float32) % 7
    program = jg.jit(lambda x: (np.sum(x * x), x * np.float32(2)))
    total, twice = program(x)
    assert "_part" in program.source and total == np.sum(x.astype(float) ** 2) and np.array_equal(twice, x * 2)
    program = jg.value_and_grad(lambda x: np.sum(x * x * x))
    total, x_bar = program(x)
    assert total == np.sum(x.astype(float) ** 3) and np.array_equal(x_bar, 3 * x * x)


@pytest.mark.parametrize("terms", ["random", "equal", "growing"])
def test_ten_million_terms(terms: str) -> None:
    size = 10**7
    x = {
        "random": lambda: np.random.default_rng(5).random(size, dtype=np.float32),
        "equal": lambda: np.full(size, 0.1, np.float32),
        "growing": lambda: np.linspace(0, 1, size, dtype=np.float32),
    }[terms]()
    program = jg.jit(lambda x: np.sum(x * x))
    want = np.sum(x * x, dtype=np.float64)
    assert abs(program(x) - want) <= 1e-6 * want and "_part" in program.source


def test_text() -> None:
    program = jg.jit(lambda x: np.sum(x * x))
    program(np.ones(300, np.float32))
    lines = [line for line in program.source.splitlines() if line.startswith("    ")]
    assert lines[:5] == [
        "    n = x.shape[0]",
        "    t = 0.0",
        "    for b in range((n + 255) // 256):  # 256 terms at a time, added up in float32",
        "        t_part = c0",
        "        for i in range(256 * b, min(256 * b + 256, n)):",
    ], program.source
    assert lines[-2:] == ["        t += t_part", "    return (np.float32(t),)"]


def test_integers_that_are_read_are_as_wide_as_a_float64() -> None:
    program = jg.jit(lambda x, k: np.sum(x[k] * x))
    x = np.arange(5, dtype=np.float32)
    assert program(x, np.array([4, 0, 0, 1, 2])) == 3 * 1 + 4 * 2 and "_part" not in program.source
