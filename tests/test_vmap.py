"""vmap against a Python loop over the rows: values, gradients both ways, every rule and the loop that stands in for one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import jitgrad as jg
from jitgrad.errors import ArgumentError, ShapeError
from jitgrad.front.trace import trace_call
from jitgrad.ir.interp import interp
from jitgrad.ir.verify import verify

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(6, 6)), RNG.normal(size=(6, 7))
SPD = A @ A.T + 6 * np.eye(6)
ROWS, MATRICES, WEIGHTS = RNG.normal(size=(9, 6)), RNG.normal(size=(9, 6, 6)), RNG.normal(size=(9, 7))
INDEX = RNG.integers(0, 6, 9)



def squared_until(x):
    s, k = x[0], 0
    while s < 3.0 and k < 9:
        s = s * s + abs(x[k % len(x)])
        k += 1
    return s


def shared_between(x, w):
    s, k = x[0], 0
    while s < 2.0 and k < 5:
        s = s * s + abs(w[k])
        k += 1
    z = np.sin(w)
    return np.sum(z * w) * s + z[k]


def first_above(x):
    s = x[0]
    for t in range(2):
        for i in range(len(x)):
            if x[i] > 0.5:
                break
            s = np.sin(s) * x[i] + s
    return s


FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...], Any]] = {
    "elementwise": (lambda x, c: np.sin(x) * c + x[0], (ROWS, 2.0), (0, None)),
    "sums": (lambda x: (np.sum(x), np.max(x), np.cumsum(x), np.argmax(x)), (ROWS,), 0),
    "shared matrix, row": (lambda x: A @ x, (ROWS,), 0),
    "row, shared matrix": (lambda x: x @ B, (ROWS,), 0),
    "matrices, shared vector": (lambda m, x: m @ x, (MATRICES, ROWS[0]), (0, None)),
    "matrices, shared matrix": (lambda m: m @ B, (MATRICES,), 0),
    "shared matrix, matrices": (lambda m: A @ m, (MATRICES,), 0),
    "matrices, matrices": (lambda m: m @ m.T, (MATRICES,), 0),
    "matrices, rows": (lambda m, x: m @ x, (MATRICES, ROWS), 0),
    "row, matrices": (lambda x, m: x @ m, (ROWS, MATRICES), 0),
    "shared row, matrices": (lambda m: A[1] @ m, (MATRICES,), 0),
    "turned matrices, shared": (lambda m: m.T @ B, (MATRICES,), 0),
    "shared, turned matrices": (lambda m: B.T @ m.T, (MATRICES,), 0),
    "turned, shared vector": (lambda m, x: m.T @ x, (MATRICES, ROWS[0]), (0, None)),
    "batches of matrices": (lambda m: np.matmul(np.stack([m, m.T]), np.stack([m, m])), (MATRICES,), 0),
    "shared batches of matrices": (lambda m: np.matmul(np.stack([A, A.T]), np.stack([m, m])), (MATRICES,), 0),
    "shapes": (lambda x: np.concatenate([np.outer(x, x).reshape(-1), x[::-1], np.outer(x, x[:2]).T.ravel()]), (ROWS,), 0),
    "cells": (lambda x: x[1:4] * x[0] + np.stack([x[5], x[4], x[3]]), (ROWS,), 0),
    "index of the row": (lambda x, k: x[k] * 2.0, (ROWS, INDEX), 0),
    "index of a shared array": (lambda k: A[k] + A[:, k], (INDEX,), 0),
    "solve, shared": (lambda x: np.linalg.solve(SPD, x), (ROWS,), 0),
    "solve": (lambda m, x: np.linalg.solve(m + 9 * np.eye(6), x), (MATRICES, ROWS), 0),
    "cholesky": (lambda x: np.linalg.cholesky(SPD + np.outer(x, x)), (ROWS,), 0),
    "where": (lambda x: np.where(x > 0, x * x, 0.0), (ROWS,), 0),
    "a tree": (lambda p, s: {"y": p["a"] * np.sum(p["b"]) * s}, ({"a": ROWS, "b": WEIGHTS}, 3.0), (0, None)),
    "nothing of the row": (lambda x: np.ones(3), (ROWS,), 0),
    "a while": (squared_until, (ROWS,), 0),
    "shared by a while and others": (shared_between, (ROWS, ROWS[0]), (0, None)),
    "exits": (first_above, (ROWS,), 0),
    "other axis": (lambda x: np.sum(x * np.arange(9.0)), (ROWS,), 1),
}


def pick(x: Any, axis: Any, k: int) -> Any:
    if axis is None:
        return x
    return {n: pick(v, axis, k) for n, v in x.items()} if isinstance(x, dict) else np.take(x, k, axis)


def by_hand(f: Any, args: tuple[Any, ...], axes: Any) -> Any:
    axes = axes if isinstance(axes, tuple) else (axes,) * len(args)
    first = next(v for x, a in zip(args, axes) if a is not None for v in (x.values() if isinstance(x, dict) else [x]))
    n = first.shape[next(a for a in axes if a is not None)]
    results = [f(*[pick(x, a, k) for x, a in zip(args, axes)]) for k in range(n)]
    if isinstance(results[0], tuple):
        return tuple(np.stack(c) for c in zip(*results))
    if isinstance(results[0], dict):
        return {n: np.stack([r[n] for r in results]) for n in results[0]}
    return np.stack(results)


def close(a: Any, b: Any) -> None:
    if isinstance(b, dict):
        a, b = [a[n] for n in b], list(b.values())
    if isinstance(b, (tuple, list)):
        for x, y in zip(a, b, strict=True):
            close(x, y)
    else:
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values(name: str) -> None:
    f, args, axes = FUNCTIONS[name]
    close(jg.vmap(f, in_axes=axes)(*args), by_hand(f, args, axes))


def scalar(f: Any) -> Any:
    def g(*args: Any) -> Any:
        y = f(*args)
        parts = y.values() if isinstance(y, dict) else y if isinstance(y, tuple) else (y,)
        return sum(np.sum(np.sin(p)) for p in parts)

    return g


GRADIENTS = [
    "sums", "shared matrix, row", "matrices, rows", "cells", "index of the row", "solve", "a while",
    "shared by a while and others", "exits",
]  # fmt: skip


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_both_ways(name: str) -> None:
    f, args, axes = FUNCTIONS[name]
    inside = jg.vmap(jg.grad(scalar(f)), in_axes=axes)(*args)
    close(inside, by_hand(jg.grad(scalar(f)), args, axes))
    outside = jg.grad(lambda *xs: np.sum(jg.vmap(scalar(f), in_axes=axes)(*xs)))(*args)
    close(outside, inside)


PRODUCTS = [n for n in FUNCTIONS if "matri" in n or "turned" in n]


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_are_one(name: str) -> None:
    """A product in each row is one product in the program, and so are those of its derivative."""
    f, args, axes = FUNCTIONS[name]
    mapped = jg.vmap(f, in_axes=axes)
    mapped(*args)
    assert mapped.show().count("matmul") == 1 and "loop" not in mapped.show()
    slope = jg.grad(lambda *xs: np.sum(np.sin(jg.vmap(f, in_axes=axes)(*xs))), argnums=tuple(range(len(args))))
    slope(*args)
    assert slope.show().count("matmul") <= 3 and "loop" not in slope.show()


def test_out_axes_and_nesting() -> None:
    close(jg.vmap(lambda x: x * 2.0, out_axes=1)(ROWS), 2 * ROWS.T)
    outer = jg.vmap(jg.vmap(lambda a, b: a * b, in_axes=(None, 0)), in_axes=(0, None))
    close(outer(ROWS[0], WEIGHTS[0]), np.outer(ROWS[0], WEIGHTS[0]))


def test_axes_of_containers() -> None:
    p = {"w": MATRICES, "c": np.arange(9.0)}

    def f(p, x):
        return {"y": p["w"] @ x, "z": (np.sum(x), p["c"] * x[0])}, 2.0

    y, two = jg.vmap(f, in_axes=({"w": 0, "c": None}, 1))({"w": MATRICES, "c": 3.0}, ROWS.T)
    close(y, {"y": np.einsum("rij,rj->ri", MATRICES, ROWS), "z": (ROWS.sum(1), 3.0 * ROWS[:, 0])})
    close(two, np.full(9, 2.0))
    y, two = jg.vmap(f, out_axes=({"y": -1, "z": (0, 0)}, None))(p, ROWS)
    close(y, {"y": np.einsum("rij,rj->ir", MATRICES, ROWS), "z": (ROWS.sum(1), p["c"] * ROWS[:, 0])})
    assert two == 2.0
    close(jg.vmap(lambda x: x * x[0], in_axes=-1)(ROWS), (ROWS * ROWS[0]).T)
    assert jg.vmap(lambda x: np.sum(x))(ROWS[:0]).shape == (0,)


# ---- rows that take different ways


def ode(k, y0):
    """Heun's method with step control: each row takes its own steps, some of them in vain."""
    y, t, h = y0, 0.0, 0.3
    while t < 2.0:
        h = min(h, 2.0 - t)
        f0 = -k * y + np.sin(t)
        f1 = -k * (y + h * f0) + np.sin(t + h)
        error = np.max(np.abs(f1 - f0)) * h / 2
        if error < 1e-2:
            y = y + 0.5 * h * (f0 + f1)
            t += h
        h *= min(2.0, max(0.3, 0.9 * np.sqrt(1e-2 / (error + 1e-9))))
    return np.sum(y)


def escape(c):
    z = 0.0
    for i in range(50):
        z = z * z + c
        if z > 10.0:
            return z + i
    return z


def counted(x, n):
    s = 0.0
    for i in range(n):
        s = np.sin(s + x * i)
    return s


def table(x):
    """Written in place; which cells depends on the row."""
    a = np.zeros(len(x))
    top = 0
    for v in x:
        while top > 0 and a[top - 1] < v:
            top -= 1
            a[top] *= v
        a[top] = v
        top += 1
    return np.sum(a * a)


RATES, STARTS, VECTORS = RNG.uniform(1, 30, 9), RNG.normal(size=9), RNG.normal(size=(9, 5))
WAYS: dict[str, tuple[Any, tuple[Any, ...], Any]] = {
    "ode": (ode, (RATES, STARTS), 0),
    "ode, shared rate": (ode, (3.0, VECTORS), (None, 0)),
    "escape": (escape, (np.linspace(-0.9, 1.5, 9),), 0),
    "counted": (counted, (np.linspace(0.1, 0.9, 9), RNG.integers(0, 20, 9)), 0),
    "table": (table, (VECTORS,), 0),
}


def run(f: Any, args: tuple[Any, ...]) -> Any:
    """The program of a transformed function, interpreted."""
    traced = trace_call(f.transformation, list(args))
    return interp(verify(traced.fn), *args, *traced.captured)


@pytest.mark.parametrize("name", WAYS)
def test_rows_go_their_own_ways(name: str) -> None:
    f, args, axes = WAYS[name]
    close(run(jg.vmap(f, in_axes=axes), args), [by_hand(f, args, axes)])
    which = tuple(k for k, x in enumerate(args) if np.asarray(x).dtype.kind == "f")
    slope = jg.grad(f, argnums=which)
    each = by_hand(lambda *xs: tuple(run(slope, xs)), args, axes)
    close(tuple(run(jg.vmap(slope, in_axes=axes), args)), each)
    outside = jg.grad(lambda *xs: np.sum(jg.vmap(f, in_axes=axes)(*xs)), argnums=which)
    shared = [isinstance(axes, tuple) and axes[k] is None for k in which]
    close(tuple(run(outside, args)), tuple(g.sum(0) if s else g for g, s in zip(each, shared)))


def test_rows_of_rows_go_their_own_ways() -> None:
    k, y = RATES.reshape(3, 3), STARTS[:3]
    want = np.array([[ode(a, b) for a, b in zip(row, y)] for row in k])
    nested = jg.vmap(jg.vmap(ode), in_axes=(0, None), out_axes=1)
    close(nested(k, y), want.T)
    close(run(jg.vmap(jg.vmap(ode, in_axes=(0, None)), in_axes=(1, 0)), (k, y)), [want.T])
    slope = jg.grad(ode)
    each = np.array([[run(slope, (a, b))[0] for a, b in zip(row, y)] for row in k])
    close(run(jg.grad(lambda k: np.sum(nested(k, y))), (k,)), [each])
    close(run(jg.vmap(jg.vmap(slope), in_axes=(0, None)), (k, y)), [each])


def test_second_derivatives_of_rows() -> None:
    c = np.linspace(0.3, 1.5, 9)
    close(run(jg.vmap(jg.hessian(escape)), (c,)), [[run(jg.hessian(escape), (x,))[0] for x in c]])
    x = ROWS[:, :3]
    close(jg.vmap(lambda x: jg.hvp(lambda z: np.sum(z**3), (x,), (np.ones(3),))[0])(x), 6 * x)
    close(jg.vmap(jg.jacobian(np.cumsum))(x), [np.tril(np.ones((3, 3)))] * 9)


def test_refusals() -> None:
    with pytest.raises(ShapeError, match="different sizes"):
        jg.vmap(lambda x, y: x * y)(np.ones(6), np.ones(7))
    with pytest.raises(ShapeError, match="an array with axis 0"):
        jg.vmap(lambda x, y: x * y)(np.ones(6), 2.0)
    with pytest.raises(ArgumentError, match="one axis"):
        jg.vmap(lambda x: x, in_axes=(0, 0))(np.ones(6))
    with pytest.raises(ArgumentError, match="in_axes of vmap does not fit what .* takes"):
        jg.vmap(lambda p: p["a"], in_axes=({"b": 0},))({"a": np.ones(6)})
    with pytest.raises(ArgumentError, match="differs from row to row"):
        jg.vmap(lambda x: x, out_axes=None)(np.ones(6))
    with pytest.raises(ArgumentError, match="in_axes of vmap is no axis"):
        jg.vmap(lambda x: x, in_axes="rows")
    with pytest.raises(ShapeError, match="out_axes of vmap is out of range"):
        jg.vmap(lambda x: x, out_axes=1)(np.ones(6))
    with pytest.raises(ArgumentError, match="maps over nothing"):
        jg.vmap(lambda x: x, in_axes=None)(np.ones(6))
