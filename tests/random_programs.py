"""Random programs over vectors, matrices and scalars: operations, cells, reductions, loops and branches, nested."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from jitgrad.ir.build import Value, apply, trace, value
from jitgrad.ir.core import F64, Fn
from jitgrad.ir.verify import verify
from jitgrad.ops import scalar
from jitgrad.ops.array import broadcast, concat, reshape, transpose
from jitgrad.ops.cond import cond
from jitgrad.ops.index import add_at, get, put
from jitgrad.ops.linalg import matmul
from jitgrad.ops.loop import loop

from .array_programs import MATRIX, ROW, VECTOR, m, n, part

SHAPES = [(), (n,), (n,), (n, m), (m,)]
TYPES = (VECTOR, VECTOR, MATRIX, ROW, F64)
DEEPEST = 2

Values = list[Value]


class Impossible(Exception):
    """No value of the shape that was drawn."""


def make(seed: int) -> Fn:
    """The program of that number."""

    def body(x, z, a, w, s):
        draw = random.Random(seed)
        values = grown([x, z, a, w, s], draw, draw.randrange(4, 16), 0)
        return (*values[-4:], draw.choice(values), draw.choice(values))

    return verify(trace(body, TYPES, f"program{seed}", ("x", "z", "a", "w", "s")))


def grown(values: Values, draw: random.Random, steps: int, depth: int) -> Values:
    """The values, and some more computed from them."""
    values = list(values)
    for _ in range(steps):
        rule = draw.choice(RULES if depth < DEEPEST else FLAT)
        try:
            values += rule(values, draw, depth)
        except Impossible:
            continue
    return values


def pick(values: Values, draw: random.Random, shape: Any) -> Value:
    fit = [v for v in values if v.shape == shape and v.dtype == "f64"]
    if not fit:
        raise Impossible
    return draw.choice(fit)


def _unary(values: Values, draw: random.Random, depth: int) -> Values:
    x = pick(values, draw, draw.choice(SHAPES))
    return [draw.choice([scalar.sin, scalar.tanh, lambda x: scalar.exp(scalar.sin(x)), lambda x: -x])(x)]


def _binary(values: Values, draw: random.Random, depth: int) -> Values:
    shape = draw.choice(SHAPES)
    x, z = pick(values, draw, shape), pick(values, draw, shape)
    return [draw.choice([scalar.add, scalar.mul, scalar.sub, scalar.maximum, lambda x, z: scalar.where(x > z, x, z)])(x, z)]


def _reduction(values: Values, draw: random.Random, depth: int) -> Values:
    x = pick(values, draw, draw.choice(SHAPES[1:]))
    axes = tuple(a for a in range(x.rank) if draw.random() < 0.6) or (0,)
    return [apply(draw.choice(["sum", "max"]), x, axes=axes)]


def _spread(values: Values, draw: random.Random, depth: int) -> Values:
    shape, axes = draw.choice([((n,), (0,)), ((m,), (1,)), ((), ())])
    return [broadcast(pick(values, draw, shape), (n, m), axes)]


def _shape(values: Values, draw: random.Random, depth: int) -> Values:
    x = pick(values, draw, (n, m))
    back = lambda: transpose(transpose(x, (1, 0)) * 2.0, (1, 0))
    flat = lambda: reshape(reshape(x, (n * m,)) * 2.0, (n, m))
    return [draw.choice([back, flat])()]


def _cells(values: Values, draw: random.Random, depth: int) -> Values:
    x, a = pick(values, draw, (n,)), pick(values, draw, (n, m))
    i, j = draw.choice([0, 1, n - 1]), draw.choice([0, 1, m - 1])
    reads: list[Callable[[], Value]] = [
        lambda: get(x, i),
        lambda: part(x, n - 1, n, -1),
        lambda: get(a, i, j),
        lambda: get(a, i, spec="i:"),
        lambda: get(a, j, spec=":i"),
        lambda: part(concat([x, x * 2.0], 0), 1, n),
    ]
    return [draw.choice(reads)()]


def _writes(values: Values, draw: random.Random, depth: int) -> Values:
    x, z, s = pick(values, draw, (n,)), pick(values, draw, (n,)), pick(values, draw, ())
    a, b, w = pick(values, draw, (n, m)), pick(values, draw, (n, m)), pick(values, draw, (m,))
    i, j = draw.choice([0, 1, n - 1]), draw.choice([0, 1, m - 1])
    write = draw.choice([put, add_at])
    writes: list[Callable[[], Value]] = [
        lambda: write(x, s, i),
        lambda: write(x, part(z, 0, n - 1) * 2.0, 1, n - 1, spec="s", steps=(1,)),
        lambda: write(a, w, i, spec="i:"),
        lambda: write(a, x, j, spec=":i"),
        lambda: write(a, get(b, 0, n - 1, spec="s:", steps=(1,)), 1, n - 1, spec="s:", steps=(1,)),
    ]
    return [draw.choice(writes)()]


def _whole(values: Values, draw: random.Random, depth: int) -> Values:
    a, w = pick(values, draw, (n, m)), pick(values, draw, (m,))
    axis = draw.randrange(2)
    return [draw.choice([lambda: matmul(a, w), lambda: apply("cumsum", a, axis=axis, reverse=draw.random() < 0.5)])()]


def _branch(values: Values, draw: random.Random, depth: int) -> Values:
    shapes = [draw.choice([(), (n,), (n, m)]) for _ in range(draw.randrange(1, 3))]
    for s in shapes:
        pick(values, draw, s)

    def side(seed: float) -> Callable[[], Any]:
        def run() -> Any:
            own = random.Random(seed)
            mine = grown(values, own, 4, depth + 1)
            return tuple(latest(mine, own, s) for s in shapes)

        return run

    return list(cond(pick(values, draw, ()) > 0.1, side(draw.random()), side(draw.random())))


def latest(values: Values, draw: random.Random, shape: Any) -> Value:
    """Rather one of the last."""
    try:
        return pick(values[-6:], draw, shape)
    except Impossible:
        return pick(values, draw, shape)


def _loop(values: Values, draw: random.Random, depth: int) -> Values:
    shapes = [draw.choice([(), (n,), (n, m)]) for _ in range(draw.randrange(1, 4))]
    kinds = [draw.choice([(), (n,), (m,)]) for _ in range(draw.randrange(0, 3))]
    init = [pick(values, draw, s) for s in shapes]
    for s in kinds:
        pick(values, draw, s)
    seed = draw.random()

    def step(i: Value, *carries: Value) -> Any:
        own = random.Random(seed)
        mine = grown([*values, *carries * 3], own, 5, depth + 1)
        near = [*carries, *mine[-5:]]
        out = [latest([*mine, *near], own, s) for s in (*shapes, *kinds)]
        return tuple(scalar.tanh(x) if k < len(shapes) and own.random() < 0.3 else x for k, x in enumerate(out))

    hints = ["i", *[f"c{k}" for k in range(len(init))]]
    trips, reverse = value(draw.choice([0, 1, 3])), draw.random() < 0.3
    out = loop(value(0), trips, step, *init, hints=hints, reverse=reverse)
    return [*out[: len(init)], *[apply("sum", rows, axes=(0,)) for rows in out[len(init) :]]]


FLAT = [_unary, _binary, _binary, _reduction, _spread, _shape, _cells, _writes, _writes, _whole]
RULES = [*FLAT, _branch, _loop, _loop]
