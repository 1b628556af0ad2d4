"""Random loops that ask for threads: whatever is shared, the order of iterations and the number of chunks change nothing.

And every program of the construct tables, with all its loops asking.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from jitgrad.ir.build import Value, size, trace, value
from jitgrad.ir.core import Fn, Type, Var
from jitgrad.ir.interp import interp
from jitgrad.ops.cond import cond
from jitgrad.ops.index import add_at, get, put
from jitgrad.ops.loop import loop
from jitgrad.ops.scalar import cos, lt, sin, tanh
from jitgrad.transform.ad import jvp, vjp
from jitgrad.transform.pipeline import finished, prepared

from .constructs import PROGRAMS, VECTOR, N, Program, whole
from .test_parallel import counted, notes, run, written

SEEDS = range(60)
FUNCTIONS: list[Callable[[Value], Value]] = [sin, cos, tanh, lambda x: x * 0.5, lambda x: x * x]
WHOLE = Type("i64", (N,))


class Writer:
    """Writes one loop: it sums, adds to cells, writes cells, of which most are its own."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.wild = self.random.random() < 0.4  # cells of others are read, or written

    def index(self, i: Value, at: Value, j: Value | None) -> Value:
        forms = [i, i, get(at, i), size(N - 1) - i, (i + 1) % size(N), *([j] if j is not None else [])]
        return self.random.choice(forms)

    def expression(self, i: Value, at: Value, x: Value, a: Value, j: Value | None, depth: int = 0) -> Value:
        kind = self.random.random()
        if kind < 0.3 or depth > 2:
            return get(x, self.index(i, at, j))
        if kind < 0.4:
            return get(a, self.index(i, at, j) if self.wild else i)
        if kind < 0.7:
            return self.random.choice(FUNCTIONS)(self.expression(i, at, x, a, j, depth + 1))
        return self.expression(i, at, x, a, j, depth + 1) * self.expression(i, at, x, a, j, depth + 1)

    def body(
        self, i: Value, at: Value, x: Value, state: Sequence[Value], depth: int = 0, j: Value | None = None
    ) -> tuple[Value, ...]:
        s, a, b = state
        for _ in range(self.random.randint(1, 3)):
            kind = self.random.random()
            if kind < 0.25:
                s = s + self.expression(i, at, x, a, j)
            elif kind < 0.5:
                a = put(a, self.expression(i, at, x, a, j), self.index(i, at, j) if self.wild and depth else i)
            elif kind < 0.75:
                b = add_at(b, self.expression(i, at, x, a, j), self.index(i, at, j))
            elif kind < 0.9 and depth < 2:
                lo, hi = self.random.choice([(value(0), size(N)), (value(0), i), (i + 1, size(N)), (value(1), value(3))])
                step = lambda k, *now: self.body(i, at, x, now, depth + 1, k)
                s, a, b = loop(lo, hi, step, s, a, b, hints=("j", "s", "a", "b"), parallel=self.random.random() < 0.3)
            elif depth < 2:
                now, p = (s, a, b), lt(self.expression(i, at, x, a, j), self.random.uniform(-0.5, 0.5))
                s, a, b = cond(p, lambda now=now: self.body(i, at, x, now, depth + 1, j), lambda now=now: now)
        return s, a, b

    def program(self) -> Fn:
        reverse, bounds = self.random.random() < 0.3, self.random.choice([(0, N), (1, N - 1), (0, N)])

        def f(x: Value, z: Value, at: Value) -> Value:
            step = lambda i, *now: self.body(i, at, x, now)
            s, a, b = loop(
                *map(size, bounds), step, value(0.5), z * 1.1, x * 0.3, hints=("i", "s", "a", "b"), reverse=reverse, parallel=True
            )
            return s + whole(sin(a)) + whole(b * x)

        return trace(f, [Var(VECTOR, "x"), Var(VECTOR, "z"), Var(WHOLE, "at")], "f")


def agrees(fn: Fn, arguments: Callable[[int], list[Any]]) -> tuple[int, int]:
    """How many loops are shared, and how many are not."""
    text = written(fn)
    for n in (5, 9):
        args = arguments(n)
        want = interp(fn, *args)
        for threads, seed in ((1, 0), (3, 1), (20, 2)):
            for h, w in zip(run(text, tuple(args), threads, seed), want, strict=True):
                np.testing.assert_allclose(h, w, rtol=1e-9, atol=1e-11, err_msg=text.source)
    return counted(text), len(notes(text))


def drawn(n: int) -> list[Any]:
    rng = np.random.default_rng(n)
    return [*rng.normal(size=(2, n)), rng.integers(0, n, n)]


MODES = {
    "value": (lambda fn: fn, lambda args: args),
    "reverse": (vjp, lambda args: [*args, 0.7]),
    "forward": (jvp, lambda args: [*args, *[np.cos(a) for a in args if np.asarray(a).dtype.kind == "f"]]),
}
each_mode = pytest.mark.parametrize("mode", MODES)


@pytest.mark.parametrize("seed", SEEDS)
@each_mode
def test_random_loops(seed: int, mode: str) -> None:
    transform, more = MODES[mode]
    agrees(finished(transform(prepared(Writer(seed).program()))), lambda n: more(drawn(n)))


def test_many_of_them_are_shared() -> None:
    shared = 0
    for seed in SEEDS:
        shared += counted(written(finished(vjp(prepared(Writer(seed).program()))))) > 0
    assert shared > len(SEEDS) // 3


def asking(fn: Fn) -> Fn:
    """With every loop parallel, if that may be."""
    lets = []
    for let in fn.lets:
        attrs = {**let.attrs, "parallel": True} if let.op.name == "loop" else let.attrs
        lets.append(replace(let, fns=tuple(map(asking, let.fns)), attrs=attrs))
    return replace(fn, lets=tuple(lets))


@pytest.mark.parametrize("program", [p for p in PROGRAMS if "while_in" not in p.name], ids=lambda p: p.name)
@each_mode
def test_constructs(program: Program, mode: str) -> None:
    transform, more = MODES[mode]
    agrees(finished(transform(prepared(asking(program.fn())))), lambda n: more(program.arguments(n)))
