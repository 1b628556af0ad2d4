"""A carry that is remembered as it came lives in the tape: it has no memory beside that, and what is wholly new is not copied."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import jitgrad as jg
from jitgrad.emit.cpu import MODULES
from jitgrad.emit.python import emit
from jitgrad.ir.build import Value, size, trace
from jitgrad.ir.core import Fn, Type, Var
from jitgrad.ir.dims import Sym, of_symbol
from jitgrad.ir.interp import interp
from jitgrad.lower.plan import Alloc, Buffer, Plan, everywhere
from jitgrad.lower.schedule import schedule
from jitgrad.ops.array import broadcast
from jitgrad.ops.cond import cond
from jitgrad.ops.index import get, put
from jitgrad.ops.loop import loop
from jitgrad.transform import pipeline
from jitgrad.transform.ad import jvp, vjp

from . import plain_text

n, m = Sym("n", 1), Sym("m", 0)
N = of_symbol(n)
VECTOR = Type("f64", (N,))
PARAMS = [Var(Type("i64"), "steps", m), Var(VECTOR, "x"), Var(VECTOR, "y")]


def each(f: Any) -> Any:
    """In place, cell by cell."""
    return lambda t, x, y: loop(0, size(N), lambda i, x: put(x, f(get(x, i)), i), x, hints=("i", "x"))[0]


def shifted(t: Value, x: Value, y: Value) -> Value:
    """Reads cells that are overwritten before."""
    new = lambda i, z, x: (put(z, get(x, (i + 1) % size(N)) + get(x, i), i), x)
    return loop(0, size(N), new, x, x, hints=("i", "z", "x"))[0]


def chosen(t: Value, x: Value, y: Value) -> Value:
    return cond(get(x, 0) < 0.5, lambda: put(x, 2.0 * get(x, 0), 0), lambda: x)[0]


STEPS = {
    "wholly new": lambda t, x, y: x * y + 1.0,
    "in place": each(lambda v: 0.5 * v + 0.1),
    "one cell": lambda t, x, y: put(x, get(x, 0) + get(y, 0), 0),
    "neighbours": shifted,
    "a branch": chosen,
    "another array": lambda t, x, y: y,
    "a number": lambda t, x, y: broadcast(get(x, 0) * 0.5, (N,), ()),
}


def remembers(step: Any, reverse: bool = False, whole: bool = False) -> Fn:
    """The last x, and of the x before each iteration the double; or, `whole`, these as they are."""

    def f(steps: Value, x: Value, y: Value) -> Any:
        body = lambda t, x: (step(t, x, y), x)
        last, rows = loop(0, steps, body, x, hints=("t", "x"), reverse=reverse)
        return last, rows if whole else 2.0 * rows

    return trace(f, PARAMS, "f")


def buffers(plan: Plan) -> list[Buffer]:
    return [s.buffer for s in everywhere(plan.body) if isinstance(s, Alloc)]


def tapes(plan: Plan) -> list[Buffer]:
    """Buffers with one row more than there are iterations."""
    return [b for b in buffers(plan) if b.type.rank == 2 and repr(b.type.shape[0]).endswith("+ 1")]


def agrees(fn: Fn) -> None:
    text = emit(schedule(fn), MODULES)
    for steps, k in ((0, 3), (1, 1), (4, 2), (3, 6)):
        rng = np.random.default_rng(k)
        args = [steps, rng.uniform(size=k), rng.uniform(size=k)]
        before = [np.copy(a) for a in args]
        plain_text.same(plain_text.run(text, args), interp(fn, *args), args, before)


@pytest.mark.parametrize("name", STEPS)
def test_upwards(name: str) -> None:
    fn = remembers(STEPS[name])
    agrees(fn)
    assert len(tapes(schedule(fn))) == 1


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("kind", [{"reverse": True}, {"whole": True}], ids=str)
def test_others(name: str, kind: dict[str, bool]) -> None:
    """What is wanted as a result is memory of its own."""
    fn = remembers(STEPS[name], **kind)
    agrees(fn)
    assert not tapes(schedule(fn))


def test_no_copy() -> None:
    """The tape, and what is returned: no memory for the carry."""
    plan = schedule(remembers(STEPS["wholly new"]))
    assert len(buffers(plan)) == 3


def test_exchanged() -> None:
    """Carries that change places."""

    def f(steps: Value, x: Value, y: Value) -> Any:
        body = lambda t, x, y: (put(y, get(x, 0) + 1.0, 0), x, x)
        a, b, rows = loop(0, steps, body, x, y, hints=("t", "x", "y"))
        return a, b, 2.0 * rows

    fn = trace(f, PARAMS, "f")
    agrees(fn)
    assert not tapes(schedule(fn))


def test_two() -> None:
    """Both are remembered, each in rows of its own; of the next value of one the other needs what it was."""

    def f(steps: Value, x: Value, y: Value) -> Any:
        body = lambda t, x, y: (x + y, x - y, x, y)
        a, b, xs, ys = loop(0, steps, body, x, y, hints=("t", "x", "y"))
        return a, b, xs * ys

    fn = trace(f, PARAMS, "f")
    agrees(fn)
    assert len(tapes(schedule(fn))) == 2


@pytest.mark.parametrize("name", ["wholly new", "in place", "one cell", "neighbours"])
def test_derivatives(name: str) -> None:
    """As they are without lowering, second ones too."""
    f = lambda steps, x, y: loop(0, steps, lambda t, x: STEPS[name](t, x * x * y, y), x, hints=("t", "x"))[0]
    first = vjp(pipeline.prepared(trace(f, PARAMS, "f")))
    for fn in (first, jvp(first)):
        fn = pipeline.finished(fn)
        text = emit(schedule(fn), MODULES)
        rng = np.random.default_rng(1)
        shapes = [(), *[(3,)] * (len(fn.params) - 1)]
        args = [2 if p.type.dtype == "i64" else rng.uniform(size=s) for p, s in zip(fn.params, shapes, strict=True)]
        plain_text.same(plain_text.run(text, args), interp(fn, *args), args, [np.copy(a) for a in args])


def heat(u, nu):
    u = u.copy()
    n, m = u.shape
    v = u.copy()
    for _ in range(20):
        for i in range(1, n - 1):
            for j in range(1, m - 1):
                c = u[i, j]
                v[i, j] = c + nu * (1.0 + c * c) * (u[i + 1, j] + u[i - 1, j] + u[i, j + 1] + u[i, j - 1] - 4.0 * c)
        for i in range(1, n - 1):
            for j in range(1, m - 1):
                u[i, j] = v[i, j]
    return np.sum(u * u)


def test_forward_sweep_of_a_stencil_writes_one_row() -> None:
    """From the row before, at once: neither the second array nor the first has memory."""
    f = jg.value_and_grad(heat)
    u = np.random.default_rng(0).uniform(size=(7, 6))
    y, u_bar = f(u, 0.1)
    step = 1e-6 * np.random.default_rng(1).normal(size=u.shape)
    np.testing.assert_allclose(heat(u + step, 0.1) - heat(u - step, 0.1), 2.0 * np.sum(u_bar * step), rtol=1e-6)
    np.testing.assert_allclose(y, heat(u, 0.1))
    forward = f.source[f.source.index("def ") : f.source.index("range(19, -1, -1)")]
    assert forward.count(" = empty(") <= 2 and "u_rows = empty((21, n, m))" in forward
    assert len(re.findall(r"u_rows\[\w+ \+ 1, \w, \w\] =", forward)) == 2  # a copy, and the new cells
