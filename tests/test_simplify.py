"""Both sides of every rule; the rules about cells; common subexpressions; what must not be simplified."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from jitgrad.ir.build import Value, size, trace, value
from jitgrad.ir.core import F64, Fn, Type, Var
from jitgrad.ir.dims import Sym, of_symbol
from jitgrad.ir.interp import interp
from jitgrad.ir.show import show
from jitgrad.ir.verify import verify
from jitgrad.ops.array import broadcast, cast, fill, iota, reshape, sum_, transpose, zeros_like
from jitgrad.ops.index import add_at, get, put
from jitgrad.ops.linalg import matmul
from jitgrad.ops.loop import loop
from jitgrad.ops.scalar import exp, not_, sin, where
from jitgrad.transform import pipeline
from jitgrad.transform.ad import vjp
from jitgrad.transform.hoist import hoist
from jitgrad.transform.simplify import BOOL_RULES, RULES, simplify

N = of_symbol(Sym("n", 5))
VECTOR, MATRIX = Type("f64", (N,)), Type("f64", (N, N))


def program(f: Any, *types: Type) -> Fn:
    names = f.__code__.co_varnames
    return verify(trace(f, [Var(t, h) for t, h in zip(types, names)], f.__name__))


def lines(fn: Fn) -> list[str]:
    return [line.strip() for line in show(fn).splitlines()]


@pytest.mark.parametrize("rule", RULES + BOOL_RULES)
def test_both_sides_are_equal(rule: Any) -> None:
    t = F64 if rule in RULES else Type("bool")
    n = rule.left.__code__.co_argcount
    left, right = (trace(side, [t] * n, "rule") for side in (rule.left, rule.right))
    rng = np.random.default_rng(0)
    for _ in range(20):
        args = rng.uniform(-3, 3, n) if rule in RULES else rng.integers(0, 2, n).astype(bool)
        np.testing.assert_allclose(interp(left, *args)[0], interp(right, *args)[0], rtol=1e-14)
    shorter = simplify(left)
    assert len(shorter.lets) <= len(right.lets), show(shorter)


@pytest.mark.parametrize("rule", RULES)
def test_rules_hold_for_arrays(rule: Any) -> None:
    n = rule.left.__code__.co_argcount
    right = trace(rule.right, [VECTOR] * n, "rule")
    shorter = verify(simplify(trace(rule.left, [VECTOR] * n, "rule")))
    assert len(shorter.lets) <= len(right.lets)


def test_zero_times_a_value_stays() -> None:
    """It may be 0 * inf."""
    fn = simplify(program(lambda x: x * 0.0, F64))
    assert np.isnan(interp(fn, np.inf)[0])


def test_a_reciprocal_used_twice_is_shared() -> None:
    def f(x: Value, z: Value) -> Any:
        r = 1.0 / x
        return r * z + r

    text = show(simplify(program(f, F64, F64)))
    assert text.count("div(") == 1


def test_equal_statements_are_one() -> None:
    fn = simplify(program(lambda x: sin(x) * sin(x) + exp(x) * exp(x), VECTOR))
    assert show(fn).count("sin(") == 1 and show(fn).count("exp(") == 1


def test_commuted_arguments_are_equal() -> None:
    assert show(simplify(program(lambda x, z: sin(x * z) + sin(z * x), F64, F64))).count("sin(") == 1


CELLS: dict[str, tuple[Any, tuple[Type, ...], int]] = {
    "get of put, same cell": (lambda x, v: get(put(x, v, value(1)), value(1)), (VECTOR, F64), 0),
    "get of put, other cell": (lambda x, v: get(put(x, v, value(1)), value(2)), (VECTOR, F64), 1),
    "get of the whole": (lambda x: get(x, value(0), size(N), spec="s", steps=(1,)), (VECTOR,), 0),
    "put of what is there": (lambda x: put(x, get(x, value(1)), value(1)), (VECTOR,), 0),
    "put over put": (lambda x, v: put(put(x, 1.0, value(1)), v, value(1)), (VECTOR, F64), 1),
    "get of add_at, same cell": (lambda x, v: get(add_at(x, v, value(1)), value(1)), (VECTOR, F64), 2),
    "get of add_at, other cell": (lambda x, v: get(add_at(x, v, value(1)), value(2)), (VECTOR, F64), 1),
    "put over add_at": (lambda x, v: put(add_at(x, 1.0, value(1)), v, value(1)), (VECTOR, F64), 1),
    "add to nothing": (lambda x, v: add_at(zeros_like(x), v, value(1)), (VECTOR, F64), 1),
    "sum of copies": (lambda x: sum_(broadcast(x, (N, N), (1,)), (0,)), (VECTOR,), 3),
    "two transposes": (lambda x: transpose(transpose(x, (1, 0)), (1, 0)), (MATRIX,), 0),
    "two reshapes": (lambda x: reshape(reshape(x, (N * N,)), (N, N)), (MATRIX,), 0),
    "two casts": (lambda x: cast(cast(x, "f64"), "f32"), (Type("f32", (N,)),), 0),
    "where of one value": (lambda x: where(x < 1.0, x, x), (VECTOR,), 0),
    "where not": (lambda x: where(not_(x < 1.0), x, sin(x)), (VECTOR,), 3),
    "product of a transpose": (lambda x, z: matmul(transpose(x, (1, 0)), z), (MATRIX, MATRIX), 1),
    "get of iota": (lambda x: get(iota(N), value(3)), (VECTOR,), 0),
    "get of a fill": (lambda x, v: get(fill(v, (N,)), value(3)), (VECTOR, F64), 0),
    "literals": (lambda x: x + (value(2.0) * 3.0), (F64,), 1),
}


@pytest.mark.parametrize("name", CELLS)
def test_cells(name: str) -> None:
    f, types, left = CELLS[name]
    fn = program(f, *types)
    shorter = verify(simplify(fn))
    assert len(shorter.lets) <= left, show(shorter)
    rng = np.random.default_rng(1)
    args = [rng.normal(size=[6 if d == N else d for d in t.shape]).astype("f4" if t.dtype == "f32" else "f8")[()] for t in types]
    np.testing.assert_allclose(interp(shorter, *args)[0], interp(fn, *args)[0], rtol=1e-6)


def test_unchanged_carries_become_constants() -> None:
    def f(x: Value) -> Any:
        return loop(value(0), size(N), lambda i, s, c: (s + c, c), value(0.0), x)[0]

    assert "carry=1" in show(simplify(program(f, F64)))


def test_invariants_leave_loops() -> None:
    def f(x: Value, w: Value) -> Any:
        return loop(value(0), size(N), lambda i, s: s + sin(w) * get(x, value(2)), value(0.0))[0]

    text = show(simplify(hoist(program(f, VECTOR, F64))))
    assert text.index("sin(") < text.index("loop") and text.index("get") < text.index("loop")


def test_a_read_that_may_be_out_of_bounds_stays() -> None:
    def f(x: Value, k: Value) -> Any:
        return loop(value(0), k, lambda i, s: s + get(x, k - 1), value(0.0))[0]

    text = show(simplify(hoist(program(f, VECTOR, Type("i64")))))
    assert text.index("get") > text.index("loop")


def test_both_partials_of_a_quotient_share_one_reciprocal() -> None:
    def f(x: Value, z: Value, g: Value) -> Any:
        return (1.0 / z) * g, -((x / z) * (1.0 / z)) * g

    shorter = simplify(program(f, F64, F64, F64))
    assert show(shorter).count("div(") == 2 and "div(1.0" in show(shorter)
    args = (3.0, 0.7, 1.1)
    np.testing.assert_allclose(interp(shorter, *args), (1.1 / 0.7, -3.0 / 0.7**2 * 1.1), rtol=1e-14)


def test_a_slice_that_is_the_whole_axis_is_written_so() -> None:
    def f(x: Value, z: Value) -> Any:
        part = get(x, value(0), size(N), value(1), value(2), spec="ss", steps=(1, 1))
        return part, put(z, sum_(part, (1,)), value(0), size(N), value(0), spec="si", steps=(1,))

    fn = program(f, MATRIX, MATRIX)
    short = verify(simplify(fn))
    assert [let.attrs["spec"] for let in short.lets if "spec" in let.attrs] == [":s", ":i"]
    args = [np.random.default_rng(k).normal(size=(5, 5)) for k in (1, 2)]
    for have, want in zip(interp(short, *args), interp(fn, *args), strict=True):
        np.testing.assert_array_equal(have, want)


def test_passes_that_change_nothing_give_the_program_itself() -> None:
    """So it is neither verified nor simplified again."""

    def f(x: Value, z: Value) -> Any:
        return loop(value(0), size(N), lambda i, s: s + sin(get(x, i) * s) * z, value(0.5), hints=("i", "s"))[0]

    fn = pipeline.finished(vjp(pipeline.prepared(program(f, VECTOR, F64))))
    fn = pipeline.run(fn, ("simplify", "order"))
    assert pipeline.run(fn, (*pipeline.BEFORE, *pipeline.AFTER)) is fn
