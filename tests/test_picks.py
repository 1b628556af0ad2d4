"""Python's max and min of floats: one comparison in what is compiled, with NaN and ties as Python has them; the derivatives
are those of a maximum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from jitgrad.ir.build import Value, size, trace
from jitgrad.ir.core import Type, Var
from jitgrad.ir.dims import Sym, of_symbol
from jitgrad.ir.interp import interp
from jitgrad.ir.walk import everywhere
from jitgrad.ops.index import get
from jitgrad.ops.loop import loop
from jitgrad.ops.scalar import isnan, maximum, minimum, where
from jitgrad.transform import pipeline
from jitgrad.transform.ad import vjp
from jitgrad.transform.picks import picks

n = Sym("n", 0)
VECTOR = Type("f64", (of_symbol(n),))
CASES = [[1.0, 2.0, 2.0], [np.nan, 1.0, 2.0], [1.0, np.nan, -3.0], [0.0, -0.0], [-0.0, 0.0], [np.inf, -np.inf, 5.0], [3.0]]


def running(op: Any, swapped: bool = False) -> Any:
    def step(i: Value, top: Value, x: Value) -> tuple[Value, Value]:
        t = get(x, i)
        return where(isnan(t), top, op(t, top) if swapped else op(top, t)), x

    def f(x: Value) -> Value:
        return loop(0, size(x.type.shape[0]), step, get(x, 0), x, hints=("i", "top", "x"))[0]

    return trace(f, [Var(VECTOR, "x")], "f")


def names(fn: Any) -> list[str]:
    return [let.op.name for _, let in everywhere(fn)]


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize(("op", "python"), [(maximum, max), (minimum, min)], ids=["max", "min"])
def test_as_python(op: Any, python: Any, swapped: bool) -> None:
    done = picks(running(op, swapped))
    assert not {"isnan", "maximum", "minimum"} & set(names(done))
    for case in CASES:
        top = case[0]
        for x in case:
            top = python(top, x)
        (y,) = interp(done, np.array(case))
        np.testing.assert_array_equal(y, top)
        assert np.signbit(y) == np.signbit(top) or np.isnan(top)


def test_ties_share_the_derivative() -> None:
    fn = pipeline.prepared(running(maximum))
    back = pipeline.finished(vjp(fn))
    x = np.array([1.0, 4.0, 4.0, 2.0])
    np.testing.assert_allclose(interp(back, x, 1.0)[1], [0.0, 0.5, 0.5, 0.0])


def test_other_choices_stay() -> None:
    """The NaN of what is not tested is seen."""

    def f(x: Value) -> Value:
        a, b = get(x, 0), get(x, 1)
        return where(isnan(a), a, maximum(a, b)) + where(isnan(b), b, maximum(a, b))

    fn = trace(f, [Var(VECTOR, "x")], "f")
    assert names(picks(fn)) == names(fn)
