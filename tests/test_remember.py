"""What the return sweep remembers, read off the program: the rows of the forward loops."""

from __future__ import annotations

from typing import Any

import pytest

from jitgrad.ir.build import Value, size, trace, value
from jitgrad.ir.core import Fn, Var
from jitgrad.ir.walk import everywhere
from jitgrad.ops.index import get
from jitgrad.ops.loop import Loop, loop
from jitgrad.ops.scalar import sin
from jitgrad.transform import pipeline
from jitgrad.transform.ad import vjp

from .constructs import PROGRAMS, VECTOR, N

BY_NAME = {p.name: p for p in PROGRAMS}


def remembered(name: str) -> list[str]:
    """The types of the rows of all loops, outermost first."""
    fn: Fn = pipeline.finished(vjp(pipeline.prepared(BY_NAME[name].fn())))
    found: list[str] = []
    for _, let in everywhere(fn):
        if let.op.name == "loop":
            found += [str(o.type) for o in let.outs[Loop.of(let).count :]]
    return found


EXPECTED: dict[str, list[str]] = {
    "straight": [],
    "accumulate": ["f64[n]"],  # s, since sin(x) * s needs it
    "downward": ["f64[n]"],
    "time_loop": ["f64[3,n]", "f64[3,n]"],  # u, and K u: a product is not done again
}


@pytest.mark.parametrize("name", EXPECTED)
def test_rows(name: str) -> None:
    assert remembered(name) == EXPECTED[name]


def test_a_plain_sum_remembers_nothing() -> None:
    def total(x: Value) -> Any:
        return loop(value(0), size(N), lambda i, s: s + sin(get(x, i)), value(0.0))[0]

    fn = pipeline.finished(vjp(pipeline.prepared(trace(total, [Var(VECTOR, "x")], "total"))))
    assert not [o for _, let in everywhere(fn) if let.op.name == "loop" for o in let.outs[Loop.of(let).count :]]
