"""Stencils: additions at constant distances that become a gather, arrays that every iteration clears, loops in a row that join.

Random programs of stencils, in place and from buffer to buffer, with strides, borders, directions and branches, are compared
with forward mode before and after the passes, at sizes at which the loops run many times, once, and never.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest

from jitgrad.emit.cpu import MODULES
from jitgrad.emit.python import emit
from jitgrad.ir.build import Value, size, trace, value
from jitgrad.ir.core import Fn, Type, Var
from jitgrad.ir.dims import DimLike, Sym, of_symbol
from jitgrad.ir.interp import interp
from jitgrad.ir.verify import verify
from jitgrad.ir.walk import everywhere
from jitgrad.lower.schedule import schedule
from jitgrad.ops.array import zeros_like
from jitgrad.ops.cond import cond
from jitgrad.ops.index import add_at, get, put
from jitgrad.ops.loop import loop
from jitgrad.ops.scalar import lt, sin, tanh, where
from jitgrad.transform import pipeline
from jitgrad.transform.ad import jvp, vjp
from jitgrad.transform.fuse import fuse
from jitgrad.transform.gather import gather

from . import plain_text
from .constructs_kit import whole

n = Sym("n", 5)
N = of_symbol(n)
VECTOR, MATRIX = Type("f64", (N,)), Type("f64", (N, N))
SIZES = (5, 6, 7, 12)
MARGIN = 2
ROUND = size(N)


def wrapped(i: Value) -> Value:
    """How a negative index is read."""
    return where(lt(i, 0), i + ROUND, i)


def after(i: Value, k: int = 1) -> Value:
    return where(lt(i + k, ROUND), i + k, i + k - ROUND)


# ---- random programs


class Stencils:
    """Time steps of stencils over arrays of one rank. `ring`: whose neighbours go around."""

    def __init__(self, seed: int, ring: bool = False) -> None:
        self.random = random.Random(seed)
        self.rank = self.random.choice([1, 1, 2])
        self.type = VECTOR if self.rank == 1 else MATRIX
        self.ring = ring
        self.borders = [0] if ring else [MARGIN] if self.random.random() < 0.6 else [MARGIN, MARGIN + 1]

    def over(self, cells: Callable[..., tuple[Value, ...]], *init: Value) -> tuple[Value, ...]:
        """A nest of loops, each with some border; `cells(index, *arrays)` gives the arrays after an iteration."""

        def level(index: Sequence[Value], arrays: Sequence[Value]) -> tuple[Value, ...]:
            if len(index) == self.rank:
                return cells(index, *arrays)
            ends = self.random.choice(self.borders), self.random.choice(self.borders)
            reverse = self.random.random() < 0.3
            step = lambda i, *now: level([*index, i], now)
            return loop(value(ends[0]), size(N - ends[1]), step, *arrays, hints=["i", *["a"] * len(arrays)], reverse=reverse)

        return level([], init)

    def near(self, index: Sequence[Value]) -> list[Value]:
        return [self.beside(i, self.random.randint(-MARGIN, MARGIN)) for i in index]

    def beside(self, i: Value, k: int) -> Value:
        if not self.ring:
            return i + k
        return (i + k) % ROUND if self.random.random() < 0.5 else after(i, k) if k > 0 else wrapped(i + k)

    def value_at(self, arrays: Sequence[Value], index: Sequence[Value]) -> Value:
        total = get(self.random.choice(arrays), *index)
        for _ in range(self.random.randint(1, 4)):
            total = total + get(self.random.choice(arrays), *self.near(index)) * self.random.uniform(-0.4, 0.4)
        kind = self.random.random()
        if kind < 0.3:
            return total
        if kind < 0.6:
            return sin(total)
        other = get(self.random.choice(arrays), *self.near(index))
        return tanh(total * other) if kind < 0.85 else cond(lt(total, other), lambda: sin(total), lambda: other * 0.5)[0]

    def sweep(self, arrays: list[Value]) -> list[Value]:
        """One nest: a stencil of some arrays written to, or added to, another or one of them."""
        to = self.random.randrange(len(arrays))
        others = [a for k, a in enumerate(arrays) if k != to]
        in_place = self.random.random() < 0.3
        adds = self.random.randint(1, 3) if self.random.random() < 0.4 else 0

        def cells(index: Sequence[Value], a: Value) -> tuple[Value, ...]:
            now = self.value_at([a, *others] if in_place else others, index)
            if not adds:
                return (put(a, now, *index),)
            for _ in range(adds):
                a = add_at(a, now * self.random.uniform(-0.4, 0.4), *self.near(index))
            return (a,)

        return [*arrays[:to], self.over(cells, arrays[to])[0], *arrays[to + 1 :]]

    def copy(self, arrays: list[Value]) -> list[Value]:
        """One array stored in another, cell by cell."""
        a, b = self.random.sample(range(len(arrays)), 2)
        new = self.over(lambda index, to: (put(to, get(arrays[a], *index), *index),), arrays[b])[0]
        return [*arrays[:b], new, *arrays[b + 1 :]]

    def buffered(self, arrays: list[Value], of: tuple[int, ...] = ()) -> list[Value]:
        """A stencil written to a buffer, and that stored back."""
        a, b = of or self.random.sample(range(len(arrays)), 2)
        new = list(arrays)
        new[b] = self.over(lambda index, to: (put(to, self.value_at([arrays[a]], index), *index),), arrays[b])[0]
        new[a] = self.over(lambda index, to: (put(to, get(new[b], *index), *index),), arrays[a])[0]
        return new

    def strided(self, arrays: list[Value]) -> list[Value]:
        """Every second cell gets something of its neighbours (of vectors)."""
        if self.rank > 1:
            return self.sweep(arrays)
        a, b = self.random.sample(range(len(arrays)), 2)

        def step(i: Value, to: Value) -> tuple[Value, ...]:
            g = get(arrays[a], i * 2 + 1) * get(arrays[a], i * 2)
            return (add_at(add_at(to, g, i * 2), sin(g) * 0.3, i * 2 + 1),)

        new = loop(value(0), size(N // 2), step, arrays[b], hints=["i", "a"])[0]
        return [*arrays[:b], new, *arrays[b + 1 :]]

    def program(self) -> Fn:
        kinds = [self.sweep, self.sweep, self.copy, self.strided, self.buffered, self.buffered]
        stages = [self.random.choice(kinds) for _ in range(self.random.randint(1, 3))]
        if self.random.random() < 0.3:  # a buffer that nothing else uses
            stages = [partial(self.buffered, of=(0, 2)), partial(self.buffered, of=(1, 2))][: len(stages)]
        times = self.random.choice([1, 3])

        def step(t: Value, *arrays: Value) -> tuple[Value, ...]:
            now = list(arrays)
            for stage in stages:
                now = stage(now)
            return tuple(now)

        def f(x: Value, z: Value) -> Value:
            arrays = [x * 1.1, z * 0.9, zeros_like(x)]
            hints = ["t", "u", "v", "w"]
            out = loop(value(0), value(times), step, *arrays, hints=hints) if times > 1 else step(value(0), *arrays)
            y = whole(sin(out[0])) + whole(out[1] * z)
            return y + whole(out[2] * out[2]) if self.random.random() < 0.5 else y

        return verify(trace(f, [Var(self.type, "x"), Var(self.type, "z")], "f"))


def arguments(seed: int, rank: int, size: int, count: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(size,) * rank) for _ in range(count)]


@pytest.mark.parametrize(("seed", "ring"), [*[(s, False) for s in range(40)], *[(s, True) for s in range(200, 230)]])
def test_random_stencils(seed: int, ring: bool) -> None:
    made = Stencils(seed, ring)
    fn = made.program()
    ready = pipeline.prepared(fn)
    forward, reverse = jvp(ready), vjp(ready)
    done = pipeline.finished(reverse)
    text = emit(schedule(done), MODULES)
    for count in SIZES:
        x, z, x_dot, z_dot = arguments(seed, made.rank, count, 4)
        y, y_dot = interp(forward, x, z, x_dot, z_dot)
        for back in (partial(interp, reverse), partial(interp, done), lambda *args: plain_text.run(text, args)):
            got, x_bar, z_bar = back(x, z, 1.0)
            np.testing.assert_allclose(got, y, rtol=1e-9)
            np.testing.assert_allclose(np.sum(x_bar * x_dot) + np.sum(z_bar * z_dot), y_dot, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("seed", range(100, 108))
def test_random_stencils_second_order(seed: int) -> None:
    made = Stencils(seed)
    reverse = vjp(pipeline.prepared(made.program()))
    both = [f(pipeline.prepared(reverse)) for f in (jvp, vjp)]
    x, z, x_dot, z_dot, y_dot, *bars = arguments(seed, made.rank, 7, 8)
    for fn, args in ((both[0], (x, z, 1.0, x_dot, z_dot, 0.3)), (both[1], (x, z, 1.0, 0.7, *bars[:2]))):
        for a, b in zip(interp(fn, *args), interp(pipeline.finished(fn), *args), strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-8, atol=1e-9)


# ---- which loops there are afterwards


def heat(u):
    """A stencil from u to v, stored back into u, three times."""

    def cells(i, j, u, v):
        c = get(u, i, j)
        lap = get(u, i + 1, j) + get(u, i - 1, j) + get(u, i, j + 1) + get(u, i, j - 1) - c * 4.0
        return put(v, c + sin(c) * lap, i, j)

    def step(t, u, v):
        v = inner(lambda i, j, v: cells(i, j, u, v), v)
        return inner(lambda i, j, u: put(u, get(v, i, j), i, j), u), v

    return whole(sin(loop(value(0), value(3), step, u, u)[0]))


def inner(cell: Callable[..., Value], a: Value) -> Value:
    row = lambda i, a: (loop(value(1), size(N - 1), lambda j, a: (cell(i, j, a),), a, hints=["j", "a"])[0],)
    return loop(value(1), size(N - 1), row, a, hints=["i", "a"])[0]


def ops(fn: Fn) -> list[str]:
    return [let.op.name for _, let in everywhere(fn) if let.op.name in ("put", "add_at")]


def test_the_return_sweep_of_heat_is_two_nests() -> None:
    done = pipeline.finished(vjp(pipeline.prepared(trace(heat, [Var(MATRIX, "u")], "f"))))
    sweeps = [let for let in done.lets if let.op.name == "loop" and let.attrs["reverse"]]
    assert len(sweeps) == 1
    (body,) = sweeps[0].fns
    nests = [let for let in body.lets if let.op.name == "loop"]
    assert [ops(let.fns[0]) for let in nests] == [["put", "put"], ["add_at"]]  # what is kept, its own cell; then the gather
    assert not any(let.attrs["reverse"] for let in nests)
    assert {let.attrs["carry"] for let in sweeps} == {2}  # the adjoint, and what is kept


def adding(fn: Callable[..., Value]) -> Fn:
    """A loop over the time around a loop over the cells of a vector, which adds to another one."""
    around = lambda t, a, x: loop(value(1), size(N - 1), lambda i, a: (fn(i, a, x),), a, hints=["i", "a"])[0]
    body = lambda x, z: loop(value(0), value(2), lambda t, a: (around(t, a, x),), z, hints=["t", "a"])[0]
    return verify(trace(body, [Var(VECTOR, "x"), Var(VECTOR, "z")], "f"))


# fmt: off
GATHERED = {
    "neighbours": (lambda i, a, x: add_at(add_at(a, get(x, i), i - 1), sin(get(x, i)), i + 1), True),
    "three": (lambda i, a, x: add_at(add_at(add_at(a, get(x, i), i - 1), get(x, i), i), get(x, i), i + 1), True),
    "mirrored": (lambda i, a, x: add_at(add_at(a, get(x, i), size(N - 1) - i), sin(get(x, i)), size(N) - i), True),
    "one": (lambda i, a, x: add_at(a, get(x, i), i - 1), False),
    "is read": (lambda i, a, x: add_at(add_at(a, get(a, i), i - 1), sin(get(x, i)), i + 1), False),
    "is read elsewhere": (lambda i, a, x: add_at(add_at(a, get(a, value(0)), i - 1), sin(get(x, i)), i + 1), False),
    "one cell of all": (lambda i, a, x: add_at(add_at(a, get(x, i), value(0)), sin(get(x, i)), i), False),
    "cells of data": (lambda i, a, x: add_at(add_at(a, get(x, i), (i * i) % size(N)), sin(get(x, i)), i), False),
    "both ways": (lambda i, a, x: add_at(add_at(a, get(x, i), i), sin(get(x, i)), size(N - 1) - i), False),
    "in a branch": (lambda i, a, x: cond(lt(get(x, i), 0.0), lambda: add_at(add_at(a, get(x, i), i), get(x, i), i + 1),
                                         lambda: a)[0], False),
    "stored in between": (lambda i, a, x: put(add_at(add_at(a, get(x, i), i - 1), get(x, i), i + 1), get(x, i), i), False),
}
# fmt: on


@pytest.mark.parametrize("name", GATHERED)
def test_gathers(name: str) -> None:
    body, expected = GATHERED[name]
    fn = adding(body)
    new = verify(gather(fn))
    assert (new is not fn) is expected
    for count in SIZES:
        x, z = arguments(1, 1, count, 2)
        np.testing.assert_allclose(interp(new, x, z)[0], interp(fn, x, z)[0], rtol=1e-12)


def on_ring(cells: Callable[[Value, Value, Value], Value], lo: DimLike = 0, hi: DimLike = N, reverse: bool = False) -> Fn:
    """A loop over the time around a loop over lo..hi that adds to cells of a ring."""
    around = lambda t, a, x: loop(lo, size(hi), lambda i, a: (cells(i, a, x),), a, hints=["i", "a"], reverse=reverse)
    body = lambda x, z: loop(value(0), value(2), lambda t, a: around(t, a, x), z, hints=["t", "a"])[0]
    return verify(trace(body, [Var(VECTOR, "x"), Var(VECTOR, "z")], "f"))


def add(a: Value, x: Value, i: Value, *to: Value) -> Value:
    for k, at in enumerate(to):
        a = add_at(a, get(x, i) if k % 2 else sin(get(x, i)), at)
    return a


# fmt: off
RINGS = {
    "neighbours": (on_ring(lambda i, a, x: add(a, x, i, (i + 1) % ROUND, (i - 1) % ROUND)), True),
    "and the cell": (on_ring(lambda i, a, x: add(a, x, i, (i + 1) % ROUND, i, (i - 2) % ROUND)), True),
    "backwards": (on_ring(lambda i, a, x: add(a, x, i, (i + 1) % ROUND, (i - 1) % ROUND), reverse=True), True),
    "minus and plus": (on_ring(lambda i, a, x: add_at(add_at(a, -get(x, i), wrapped(i - 1)), get(x, i), i)), True),
    "all minus": (on_ring(lambda i, a, x: add_at(add_at(a, -get(x, i), wrapped(i - 1)), -get(x, i), after(i))), True),
    "negative indices": (on_ring(lambda i, a, x: add(a, x, i, wrapped(i - 1), wrapped(i - 2), i)), True),
    "on both sides": (on_ring(lambda i, a, x: add(a, x, i, after(i), wrapped(i - 1))), True),
    "mirrored": (on_ring(lambda i, a, x: add(a, x, i, (-i) % ROUND, ROUND - 1 - i, (2 - i) % ROUND)), True),
    "twice": (on_ring(lambda i, a, x: add(a, x, i, ((i + 1) % ROUND + 1) % ROUND, (i + 1) % ROUND)), True),
    "farther than around": (on_ring(lambda i, a, x: add(a, x, i, (i + 13) % ROUND, (i - 17) % ROUND)), True),
    "one cell": (on_ring(lambda i, a, x: add(a, x, i, (i + 1) % ROUND)), False),
    "not the first": (on_ring(lambda i, a, x: add(a, x, i, (i + 1) % ROUND, (i - 1) % ROUND), lo=1), False),
    "not the last": (on_ring(lambda i, a, x: add(a, x, i, (i + 1) % ROUND, (i - 1) % ROUND), hi=N - 1), False),
    "more than once around": (on_ring(lambda i, a, x: add(a, x, i % ROUND, (i + 1) % ROUND, (i - 1) % ROUND), hi=N + N), False),
    "in steps": (on_ring(lambda i, a, x: add(a, x, i, (2 * i + 1) % ROUND, (2 * i - 1) % ROUND)), False),
    "another ring": (on_ring(lambda i, a, x: add(a, x, i, (i + 1) % (ROUND - 1), (i - 1) % (ROUND - 1))), False),
    "a choice of others": (on_ring(lambda i, a, x: add(a, x, i, where(lt(i, 2), i, i - 2), wrapped(i - 1))), False),
    "a cell for all": (on_ring(lambda i, a, x: add(a, x, i, (i + 1) % ROUND, value(1))), False),
    "cells of data": (on_ring(lambda i, a, x: add(a, x, i, (i + 1) % ROUND, (i * i) % ROUND)), False),
}
# fmt: on


@pytest.mark.parametrize("name", RINGS)
def test_gathers_on_a_ring(name: str) -> None:
    fn, expected = RINGS[name]
    new = verify(gather(fn))
    assert (new is not fn) is expected
    for done in (new, verify(pipeline.finished(fn))):
        for count in SIZES:
            x, z = arguments(1, 1, count, 2)
            np.testing.assert_allclose(interp(done, x, z)[0], interp(fn, x, z)[0], rtol=1e-12)


@pytest.mark.parametrize("k", range(-3, 4))
def test_rings_of_few_cells(k: int) -> None:
    """Where the distance is more than once around, the cells are found by a remainder."""
    m = Sym("m", 0)
    length = size(of_symbol(m))
    both = lambda x: lambda i, a: (add_at(add_at(a, get(x, i), (i + k) % length), sin(get(x, i)), (i + k + 2) % length),)
    vector = Type("f64", (of_symbol(m),))
    fn = verify(trace(lambda x, z: loop(0, length, both(x), z, hints=["i", "a"])[0], [Var(vector, "x"), Var(vector, "z")], "f"))
    new = verify(gather(fn))
    assert new is not fn
    for done in (new, verify(pipeline.finished(fn))):
        for count in range(6):
            x, z = arguments(1, 1, count, 2)
            np.testing.assert_allclose(interp(done, x, z)[0], interp(fn, x, z)[0], rtol=1e-12)


def weather(x: Value) -> Value:
    """k[i] = (x[i + 1] - x[i - 2]) * x[i - 1] - x[i] on a ring, added to x, three times."""

    def slope(i: Value, x: Value, to: Value) -> Value:
        k = (get(x, (i + 1) % ROUND) - get(x, wrapped(i - 2))) * get(x, wrapped(i - 1)) - get(x, i)
        return put(to, k, i)

    def step(t: Value, x: Value) -> Value:
        return x + loop(0, ROUND, lambda i, k: (slope(i, x, k),), zeros_like(x), hints=["i", "k"])[0]

    return whole(sin(loop(0, 3, step, x, hints=["t", "x"])[0]))


def test_the_return_sweep_of_a_ring_is_two_nests() -> None:
    done = pipeline.finished(vjp(pipeline.prepared(trace(weather, [Var(VECTOR, "x")], "f"))))
    (sweep,) = [let for let in done.lets if let.op.name == "loop" and let.attrs["reverse"] and let.attrs["carry"] > 1]
    nests = [ops(let.fns[0]) for let in sweep.fns[0].lets if let.op.name == "loop"]
    assert nests[-2:] == [["add_at", "put", "put"], ["add_at"]]  # x[i - 1] g is kept once, for two cells
    assert not any(let.op.name == "mod" for _, let in everywhere(done))


def test_no_gather_where_the_cells_are_not_known_to_exist() -> None:
    """The gather runs over all cells between the least and the largest, so they must be in the array."""
    m = Sym("m", 5)
    both = lambda x: lambda i, a: (add_at(add_at(a, get(x, i), i - 1), get(x, i), i),)
    body = lambda x, z: loop(value(1), size(of_symbol(m)), both(x), z, hints=["i", "a"])[0]
    fn = trace(body, [Var(Type("f64", (of_symbol(m),)), "x"), Var(VECTOR, "z")], "f")
    assert gather(fn) is fn


# ---- what every iteration clears


def clearing(second: Callable[..., Value], first: Callable[..., Value] | None = None, lo: int = 1) -> Fn:
    """for t: { for i in 1..n-1: b[i] += ..; for i in lo..n-1: y += b[i]; b[i] = .. }"""
    first = first or (lambda i, b, x: add_at(b, get(x, i), i))

    def step(t: Value, y: Value, b: Value, x: Value) -> tuple[Value, ...]:
        b = loop(value(1), size(N - 1), lambda i, b: (first(i, b, x),), b, hints=["i", "b"])[0]
        both = lambda i, y, b: (add_at(y, get(b, i) * get(x, i), i), second(i, b, x))
        return loop(value(lo), size(N - 1), both, y, b, hints=["i", "y", "b"])

    body = lambda x, z: loop(value(0), value(3), lambda t, y, b: step(t, y, b, x), z, zeros_like(z), hints=["t", "y", "b"])
    return verify(trace(body, [Var(VECTOR, "x"), Var(VECTOR, "z")], "f"))


# fmt: off
CLEARED = {
    "all": (clearing(lambda i, b, x: put(b, 0.0, i)), True),
    "more than all": (clearing(lambda i, b, x: put(b, 0.0, i), lo=0), True),
    "not the first": (clearing(lambda i, b, x: put(b, 0.0, i), lo=2), False),
    "with another number": (clearing(lambda i, b, x: put(b, 1.0, i)), False),
    "if": (clearing(lambda i, b, x: cond(lt(get(x, i), 0.0), lambda: put(b, 0.0, i), lambda: b)[0]), False),
    "the neighbour": (clearing(lambda i, b, x: put(b, 0.0, i - 1)), False),
    "the first neighbour's too": (clearing(lambda i, b, x: put(b, 0.0, i), lambda i, b, x: add_at(b, get(x, i), i - 1)), False),
    "and then not": (clearing(lambda i, b, x: add_at(put(b, 0.0, i), get(x, i), i + 1)), False),
    "every second": (clearing(lambda i, b, x: put(b, 0.0, (i * 2) % size(N))), False),
}
# fmt: on


@pytest.mark.parametrize("name", CLEARED)
def test_clears(name: str) -> None:
    fn, expected = CLEARED[name]
    new = pipeline.run(fn, ("cleared", "simplify"))
    assert [let.attrs["carry"] for let in new.lets if let.op.name == "loop"] == [1 if expected else 2]
    for count in SIZES:
        x, z = arguments(2, 1, count, 2)
        for a, b in zip(interp(new, x, z), interp(fn, x, z), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)


# ---- loops in a row


def row(first: Callable[..., tuple[Value, ...]], second: Callable[..., tuple[Value, ...]]) -> Fn:
    """Two loops over 1..n-1 that carry (a, b)."""

    def f(x: Value, z: Value) -> tuple[Value, ...]:
        a, b = loop(value(1), size(N - 1), lambda i, a, b: first(i, a, b, x), x * 0.5, z, hints=["i", "a", "b"])
        return loop(value(1), size(N - 1), lambda i, a, b: second(i, a, b, x), a, b, hints=["i", "a", "b"])

    return verify(trace(f, [Var(VECTOR, "x"), Var(VECTOR, "z")], "f"))


def moved(i, a, b, x):
    return put(a, 0.0, i), put(b, get(a, i), i)


# fmt: off
ROWS = {
    "own cells": (row(moved, lambda i, a, b, x: (add_at(a, sin(get(b, i)), i), b)), 1),
    "the cell before": (row(moved, lambda i, a, b, x: (put(a, get(b, i - 1), i), b)), 1),
    "the cell behind": (row(moved, lambda i, a, b, x: (put(a, get(b, i + 1), i), b)), 2),
    "written before it is read": (row(moved, lambda i, a, b, x: (put(a, get(b, i), i + 1), b)), 2),
    "written behind": (row(moved, lambda i, a, b, x: (put(a, get(b, i), i - 1), b)), 1),
    "any cell": (row(moved, lambda i, a, b, x: (put(a, get(b, (i * i) % size(N)), i), b)), 2),
    "the last": (row(moved, lambda i, a, b, x: (put(a, get(b, size(N - 2)), i), b)), 2),
    "a recurrence": (row(moved, lambda i, a, b, x: (put(a, sin(get(a, i - 1)) + get(b, i), i), b)), 2),
}
# fmt: on


@pytest.mark.parametrize("name", ROWS)
def test_loops_in_a_row(name: str) -> None:
    fn, loops = ROWS[name]
    new = verify(fuse(fn))
    assert sum(let.op.name == "loop" for let in new.lets) == loops
    for count in SIZES:
        x, z = arguments(3, 1, count, 2)
        for a, b in zip(interp(new, x, z), interp(fn, x, z), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)


# ---- what one loop leaves to the next


def dot_and_more(i, s, b, a, x):
    """The sum, which the second loop needs, and additions to b, which it adds to too."""
    return s + get(a, i) * get(x, i), add_at(b, 0.3 * get(a, i), i)


def waiting(
    first: Callable[..., tuple[Value, Value]],
    second: Callable[..., tuple[Value, Value]] = lambda i, b, a, s, x: (add_at(b, s * get(x, i), i), add_at(a, s, i)),
    between: Callable[[Value, Value], Value] = lambda s, b: sin(s),
) -> Fn:
    """for i: s += ..; b[i] += ..        for i: b[i] += .. s ..; a[i] += .."""

    def f(x: Value, z: Value) -> tuple[Value, ...]:
        a = sin(z)
        s, b = loop(value(1), size(N - 1), lambda i, s, b: first(i, s, b, a, x), value(0.0), x * 0.5, hints=["i", "s", "b"])
        s = between(s, b)
        return loop(value(1), size(N - 1), lambda i, b, a: second(i, b, a, s, x), b, a, hints=["i", "b", "a"])

    return verify(trace(f, [Var(VECTOR, "x"), Var(VECTOR, "z")], "f"))


def other_cells(i, b, a, s, x):
    return add_at(b, s * get(a, i), i - 1), put(a, s, i + 1)


# fmt: off
WAITING = {
    "what waits for nothing": (waiting(dot_and_more), True),
    "the sum sees the array": (waiting(lambda i, s, b, a, x: (s + get(b, i), add_at(b, get(a, i), i))), False),
    "the array sees the sum": (waiting(lambda i, s, b, a, x: (s + get(a, i), add_at(b, s, i))), False),
    "dear, and in both": (waiting(lambda i, s, b, a, x: (lambda y: (s + y, add_at(b, y, i)))(sin(get(a, i)))), False),
    "dear, but in one": (waiting(lambda i, s, b, a, x: (s + get(a, i), add_at(b, sin(get(a, i)), i))), True),
    "read between": (waiting(dot_and_more, between=lambda s, b: s * get(b, value(1))), False),
    "what it reads is overwritten too early": (waiting(dot_and_more, other_cells), False),
    "a recurrence": (waiting(lambda i, s, b, a, x: (s + get(a, i), add_at(b, get(b, i - 1), i))), False),
}
# fmt: on


@pytest.mark.parametrize("name", WAITING)
def test_what_one_loop_leaves_to_the_next(name: str) -> None:
    fn, expected = WAITING[name]
    new = verify(fuse(fn))
    first = next(let for let in new.lets if let.op.name == "loop")
    assert (first.attrs["carry"] == 1) is expected
    for count in SIZES:
        x, z = arguments(3, 1, count, 2)
        for a, b in zip(interp(new, x, z), interp(fn, x, z), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12)
