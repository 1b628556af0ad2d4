"""Random programs of loops, branches and `while`s that read and overwrite cells: reverse against forward, after every pass."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from jitgrad.ir.build import Value, size, trace, value
from jitgrad.ir.core import Fn, Var
from jitgrad.ir.interp import interp
from jitgrad.ir.verify import verify
from jitgrad.ops.cond import cond
from jitgrad.ops.index import add_at, get, put
from jitgrad.ops.loop import loop
from jitgrad.ops.scalar import and_, cos, lt, sin, tanh
from jitgrad.ops.while_ import while_
from jitgrad.transform import pipeline
from jitgrad.transform.ad import jvp, vjp

from .constructs import VECTOR, N, whole

DEPTH, SEEDS = 3, range(48)
FUNCTIONS: list[Callable[[Value], Value]] = [sin, cos, tanh, lambda x: x * 0.5, lambda x: x + 0.3]
PAIRS: list[Callable[[Value, Value], Value]] = [lambda a, b: a * b * 0.7, lambda a, b: a + b, lambda a, b: a - b * 0.5]


@dataclass(frozen=True)
class State:
    """What a body has: a scalar, arrays, which of them it may write, and the indices around it (of 0 .. n - 1)."""

    s: Value
    arrays: dict[str, Value]
    writable: list[str]
    indices: list[Value] = field(default_factory=list)

    def values(self, names: Sequence[str]) -> tuple[Value, ...]:
        return (self.s, *[self.arrays[k] for k in names])

    def put(self, names: Sequence[str], values: Sequence[Value]) -> State:
        return replace(self, s=values[0], arrays={**self.arrays, **dict(zip(names, values[1:], strict=True))})


class Writer:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def index(self, st: State) -> Value:
        i = self.random.choice(st.indices) if st.indices else value(0)
        forms = [i, i, value(0), size(N - 1), size(N - 1) - i, (i * 2 + 1) % size(N), (i + 1) % size(N)]
        return self.random.choice(forms)

    def expression(self, st: State, depth: int = 0) -> Value:
        kind = self.random.random()
        if kind < 0.35 or depth > 2:
            return get(self.random.choice(list(st.arrays.values())), self.index(st)) if kind < 0.25 else st.s
        if kind < 0.6:
            return self.random.choice(FUNCTIONS)(self.expression(st, depth + 1))
        return self.random.choice(PAIRS)(self.expression(st, depth + 1), self.expression(st, depth + 1))

    def body(self, st: State, depth: int, count: int) -> State:
        loops = [self.counted, self.counted, self.until] if depth < DEPTH else []
        kinds = [self.write, self.write, self.add, self.scalar, self.branch, self.anew, *loops]
        for _ in range(count):
            st = self.random.choice(kinds)(st, depth)
        return st

    def write(self, st: State, depth: int) -> State:
        k = self.random.choice(st.writable)
        return st.put([k], (st.s, put(st.arrays[k], tanh(self.expression(st)), self.index(st))))

    def add(self, st: State, depth: int) -> State:
        k = self.random.choice(st.writable)
        return st.put([k], (st.s, add_at(st.arrays[k], sin(self.expression(st)) * 0.3, self.index(st))))

    def scalar(self, st: State, depth: int) -> State:
        return replace(st, s=tanh(self.expression(st)) + st.s * 0.1)

    def anew(self, st: State, depth: int) -> State:
        """An array that is computed as a whole, or two that change places."""
        k, other = self.random.choice(st.writable), self.random.choice(list(st.arrays))
        if other in st.writable and self.random.random() < 0.4:
            return replace(st, arrays={**st.arrays, k: st.arrays[other], other: st.arrays[k]})
        return st.put([k], (st.s, self.random.choice(PAIRS)(tanh(st.arrays[k]), st.arrays[other])))

    def some(self, st: State) -> list[str]:
        return self.random.sample(st.writable, self.random.randint(1, len(st.writable)))

    def branch(self, st: State, depth: int) -> State:
        names, p = self.some(st), lt(self.expression(st), self.random.uniform(-0.5, 0.5))
        side = lambda count: self.body(replace(st, writable=names), depth + 1, count).values(names)
        most = 2 if depth < DEPTH else 0
        return st.put(names, cond(p, lambda: side(self.random.randint(1, 2)), lambda: side(self.random.randint(0, most))))

    def counted(self, st: State, depth: int) -> State:
        names, count = self.some(st), self.random.randint(1, 3)
        i = st.indices[-1] if st.indices else value(0)
        fixed = [(value(0), size(N)), (value(1), size(N)), (value(0), value(3))]
        lo, hi = self.random.choice([*fixed, (i, size(N)), (i + 1, size(N)), (value(0), i)])

        def step(j: Value, *now: Value) -> tuple[Value, ...]:
            inner = replace(st.put(names, now), writable=names, indices=[*st.indices, j])
            return self.body(inner, depth + 1, count).values(names)

        policy = self.random.choice([None, None, None, None, ("every", 2), ("binomial", 2)])
        reverse = self.random.random() < 0.3
        return st.put(names, loop(lo, hi, step, *st.values(names), hints=["i", "s", *names], reverse=reverse, policy=policy))

    def until(self, st: State, depth: int) -> State:
        names, most, limit = self.some(st), self.random.randint(1, 4), self.random.uniform(0, 1)

        def step(k: Value, *now: Value) -> tuple[Value, ...]:
            inner = replace(st.put(names, now), writable=names, indices=[*st.indices, k % size(N)])
            done = self.body(inner, depth + 1, 2)
            return (k + 1, done.s + 0.2, *[done.arrays[n] for n in names])

        test = lambda k, s, *arrays: and_(lt(k, most), lt(s, limit))
        out = while_(test, step, value(0), *st.values(names), hints=["k", "s", *names])
        return st.put(names, out[1 : 2 + len(names)])

    def program(self) -> Fn:
        def f(x: Value, z: Value) -> Value:
            st = State(value(0.3), {"a": x * 1.1, "b": z, "x": x}, ["a", "b"])
            st = self.body(st, 0, self.random.randint(1, 3))
            return st.s + whole(sin(st.arrays["a"])) + whole(st.arrays["b"] * x)

        return verify(trace(f, [Var(VECTOR, "x"), Var(VECTOR, "z")], "f"))


@pytest.mark.parametrize("seed", SEEDS)
def test_reverse_is_the_transpose_of_forward(seed: int) -> None:
    fn = Writer(seed).program()
    ready = pipeline.prepared(fn)
    forward, reverse = jvp(ready), vjp(ready)
    rng = np.random.default_rng(seed)
    for n in (3, 5):
        x, z, x_dot, z_dot = (rng.normal(size=n) for _ in range(4))
        y, y_dot = interp(forward, x, z, x_dot, z_dot)
        np.testing.assert_allclose(y, interp(fn, x, z)[0], rtol=1e-9)
        for back in (reverse, pipeline.finished(reverse)):
            _, x_bar, z_bar = interp(back, x, z, 1.0)
            np.testing.assert_allclose(x_bar @ x_dot + z_bar @ z_dot, y_dot, rtol=1e-7, atol=1e-9)
