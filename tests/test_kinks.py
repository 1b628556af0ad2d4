"""What derivatives are at kinks and at the edges of domains, to second order: the table in the docstring of ops/scalar.py."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from jitgrad.ir.build import apply, trace
from jitgrad.ir.core import BOOL, F64, I64, Type
from jitgrad.ir.interp import interp
from jitgrad.ops import scalar
from jitgrad.transform import ad
from jitgrad.transform.simplify import simplify

from .harness import check_first_order, close, rng, run_jvp, run_vjp
from .programs import row_examples

INF, NAN = math.inf, math.nan
# fmt: off
KINKS: list[tuple[str, tuple[float, ...], tuple[float, ...]]] = [
    ("abs",       (0.0,),        (0.0,)),
    ("abs",       (-0.0,),       (0.0,)),
    ("copysign",  (0.0, -1.0),   (0.0, 0.0)),
    ("copysign",  (2.0, -1.0),   (-1.0, 0.0)),
    ("sign",      (0.0,),        (0.0,)),
    ("floor",     (2.0,),        (0.0,)),
    ("rint",      (0.5,),        (0.0,)),
    ("floordiv",  (4.0, 2.0),    (0.0, 0.0)),
    ("mod",       (7.0, 2.0),    (1.0, -3.0)),
    ("mod",       (-7.0, 2.0),   (1.0, 4.0)),
    ("maximum",   (1.0, 1.0),    (0.5, 0.5)),
    ("maximum",   (INF, INF),    (0.5, 0.5)),
    ("maximum",   (2.0, -INF),   (1.0, 0.0)),
    ("minimum",   (1.0, 1.0),    (0.5, 0.5)),
    ("minimum",   (2.0, -INF),   (0.0, 1.0)),
    ("logaddexp", (1.0, 1.0),    (0.5, 0.5)),
    ("logaddexp", (-INF, -INF),  (0.5, 0.5)),
    ("logaddexp", (INF, INF),    (0.5, 0.5)),
    ("logaddexp", (-INF, 3.0),   (0.0, 1.0)),
    ("logaddexp", (900.0, 0.0),  (1.0, 0.0)),
    ("hypot",     (0.0, 0.0),    (0.0, 0.0)),
    ("hypot",     (3.0, 0.0),    (1.0, 0.0)),
    ("atan2",     (0.0, 0.0),    (NAN, NAN)),
    ("atan2",     (0.0, -2.0),   (-0.5, 0.0)),
    ("sqrt",      (0.0,),        (INF,)),
    ("cbrt",      (0.0,),        (INF,)),
    ("pow",       (0.0, 0.0),    (0.0, -INF)),
    ("pow",       (0.0, 1.0),    (1.0, 0.0)),
    ("pow",       (0.0, 2.0),    (0.0, 0.0)),
    ("pow",       (0.0, 0.5),    (INF, 0.0)),
    ("pow",       (-2.0, 3.0),   (12.0, NAN)),
    ("pow",       (INF, -1.0),   (0.0, 0.0)),
    ("powi",      (0.0,),        (0.0,)),
    ("expit",     (-800.0,),     (0.0,)),
    ("tanh",      (800.0,),      (0.0,)),
    ("expm1",     (-40.0,),      (math.exp(-40.0),)),
    ("log",       (0.0,),        (INF,)),
]
# fmt: on


@pytest.mark.parametrize(("name", "at", "want"), KINKS, ids=lambda v: str(v))
def test_kinks(name: str, at: tuple[float, ...], want: tuple[float, ...]) -> None:
    fn = row_examples(name, F64)[0].program()
    got = run_vjp(fn, at, [1.0])
    np.testing.assert_allclose(got, want, rtol=1e-14)
    for k, w in enumerate(want):
        dots = [0.0] * len(at)
        dots[k] = 1.0
        if all(map(math.isfinite, want)):  # the other partials are multiplied by 0
            np.testing.assert_allclose(run_jvp(fn, at, dots), [w], rtol=1e-14)


# fmt: off
SECOND: list[tuple[str, tuple[float, ...], list[list[float]]]] = [
    ("logaddexp", (1.0, 1.0),   [[0.25, -0.25], [-0.25, 0.25]]),
    ("logaddexp", (-INF, -INF), [[0.0, 0.0], [0.0, 0.0]]),
    ("hypot",     (0.0, 0.0),   [[0.0, 0.0], [0.0, 0.0]]),
    ("hypot",     (3.0, 0.0),   [[0.0, 0.0], [0.0, 1 / 3]]),
    ("maximum",   (1.0, 1.0),   [[0.0, 0.0], [0.0, 0.0]]),
    ("pow",       (0.5, 0.0),   [[0.0, 2.0], [2.0, math.log(0.5) ** 2]]),
    ("powi",      (0.0,),       [[0.0]]),
    ("square",    (0.0,),       [[2.0]]),
    ("abs",       (0.0,),       [[0.0]]),
]
# fmt: on


@pytest.mark.parametrize(("name", "at", "want"), SECOND, ids=lambda v: str(v))
def test_second_order_at_kinks(name: str, at: tuple[float, ...], want: list[list[float]]) -> None:
    gradient = ad.vjp(row_examples(name, F64)[0].program(), seeds=[1.0])
    for k, row in enumerate(want):
        seeds = [0.0] * (1 + len(at))
        seeds[1 + k] = 1.0
        got = interp(ad.vjp(gradient, seeds=seeds), *at)[1 + len(at) :]
        np.testing.assert_allclose(got, row, rtol=1e-14)


def test_second_order_of_pow_at_zero_base() -> None:
    """x ** 2 at x = 0 with the exponent a run-time value: the derivatives by x exist and are 0 and 2."""
    fn = trace(lambda x, z: apply("pow", x, z), [F64, F64], "f")
    second = ad.vjp(ad.vjp(fn, wrt=[0], seeds=[1.0]), wrt=[0], seeds=[0.0, 1.0])
    assert interp(second, 0.0, 2.0) == (0.0, 0.0, 2.0)


# ---- where


def test_where_keeps_the_other_side_out() -> None:
    """sqrt(x) has the derivative inf at 0; where it is not taken it contributes nothing, to the selected zero at least."""
    fn = trace(lambda x: scalar.where(x > 0.0, x, -1.0 * x), [F64], "f")
    assert run_vjp(fn, [2.0], [1.0]) == [1.0] and run_vjp(fn, [-2.0], [1.0]) == [-1.0]
    select = trace(lambda c, x, z: scalar.where(c, x, z), [BOOL, F64, F64], "f")
    assert run_vjp(select, [True, 1.0, NAN], [INF]) == [INF, 0.0]
    assert run_vjp(select, [False, 1.0, NAN], [INF]) == [0.0, INF]


TRAPS: list[tuple[Callable[[Any], Any], float, float]] = [
    (lambda x: scalar.where(x > 0.0, scalar.log(x), 0.0), 0.0, 0.0),
    (lambda x: scalar.where(x > 0.0, scalar.sqrt(x), x), 0.0, 1.0),
    (lambda x: scalar.where(x > 0.0, x * scalar.log(scalar.sqrt(x)), 3.0 * x), 0.0, 3.0),
    (lambda x: scalar.where(scalar.eq(x, 0.0), 1.0, scalar.sin(x) / x), 0.0, 0.0),
    (lambda x: scalar.where(x > 0.0, -(1.0 / x), 0.0) * 2.0, 0.0, 0.0),
]


@pytest.mark.parametrize(("f", "at", "want"), TRAPS)
def test_the_side_of_where_that_is_not_taken_may_have_no_derivative(f: Callable[[Any], Any], at: float, want: float) -> None:
    fn = trace(f, [F64], "f")
    gradient = simplify(ad.vjp(fn, seeds=[1.0]))
    with np.errstate(all="ignore"):
        assert interp(gradient, at)[-1] == want
        assert interp(simplify(ad.vjp(gradient, seeds=[0.0, 1.0])), at)[-1] == 0.0


def test_a_zero_of_the_user_is_a_number() -> None:
    """0 * inf is NaN, as written."""
    fn = simplify(trace(lambda x: scalar.where(x > 0.0, x, 0.0) * (1.0 / x), [F64], "f"))
    with np.errstate(all="ignore"):
        assert math.isnan(interp(fn, 0.0)[0])


# ---- integer powers


@pytest.mark.parametrize("n", [-12, -6, -3, -2, -1, 0, 1, 2, 3, 4, 7, 12])
def test_power(n: int) -> None:
    fn = trace(lambda x: scalar.power(x, n), [F64], "f")
    for x in (0.7, -1.3, 2.0):
        close(interp(fn, x)[0], x**n, "power", 1e-14)
        close(run_vjp(fn, [x], [1.0])[0], n * x ** (n - 1), "its slope", 1e-14)
        check_first_order(fn, [x], rng("power"))


def test_power_of_integers() -> None:
    fn = trace(lambda k: scalar.power(k, 3), [I64], "f")
    assert interp(fn, -3) == (-27,)


# ---- reductions


@pytest.mark.parametrize(("name", "sign"), [("max", 1.0), ("min", -1.0)])
def test_reduction_ties_share_evenly(name: str, sign: float) -> None:
    fn = trace(lambda x: apply(name, x, axes=(1,)), [Type("f64", (4, 3))], name)
    x = sign * np.array([[1.0, 2.0, 2.0], [3.0, 3.0, 3.0], [0.0, -1.0, 5.0], [4.0, 4.0, 1.0]])
    got = run_vjp(fn, [x], [np.ones(4)])[0]
    np.testing.assert_allclose(got, [[0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3], [0, 0, 1], [0.5, 0.5, 0]])
