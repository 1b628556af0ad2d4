"""What one call of a small gradient costs from Python: numbers, arrays of three and ten cells, a dict of arrays."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

import jitgrad as jg

from . import Row, race
from ._peers import hand, jax_gradient, rng


def product(x, y):
    return x * y + x / y


def norm(x):
    return np.sum(x * x)


def three(x, y, z):
    return np.sum(x * y * z)


def layer(params):
    return np.sum(params["w"] * params["w"]) * np.sum(params["b"]) + np.sum(params["s"])


@hand
def product_by_hand(x, y):
    return x * y + x / y, (y + 1.0 / y, x - x / y**2)


@hand
def norm_by_hand(x):
    x_bar = np.empty_like(x)
    total = 0.0
    for i in range(x.shape[0]):
        total += x[i] * x[i]
        x_bar[i] = 2.0 * x[i]
    return total, x_bar


@hand
def three_by_hand(x, y, z):
    x_bar, y_bar, z_bar = np.empty_like(x), np.empty_like(x), np.empty_like(x)
    total = 0.0
    for i in range(x.shape[0]):
        total += x[i] * y[i] * z[i]
        x_bar[i], y_bar[i], z_bar[i] = y[i] * z[i], x[i] * z[i], x[i] * y[i]
    return total, (x_bar, y_bar, z_bar)


@hand
def layer_by_hand(w, b, s):
    w_bar, b_bar, s_bar = np.empty_like(w), np.empty_like(b), np.empty_like(s)
    ww = bb = ss = 0.0
    for i in range(w.shape[0]):
        ww += w[i] * w[i]
    for i in range(b.shape[0]):
        bb += b[i]
        b_bar[i] = ww
    for i in range(s.shape[0]):
        ss += s[i]
        s_bar[i] = 1.0
    for i in range(w.shape[0]):
        w_bar[i] = 2.0 * w[i] * bb
    return ww * bb + ss, w_bar, b_bar, s_bar


def layer_in_a_dict(params):
    value, w_bar, b_bar, s_bar = layer_by_hand(params["w"], params["b"], params["s"])
    return value, {"w": w_bar, "b": b_bar, "s": s_bar}


def bench() -> Iterator[Row]:
    r = rng()
    both = jg.value_and_grad(product, argnums=(0, 1))
    x, y = 1.5, math.pi
    yield race(
        "f(x, y), two Python floats",
        lambda: both(x, y),
        {
            "by hand": lambda: product_by_hand(x, y),
            "jax": jax_gradient(product, (x, y), (0, 1), moved=False),
            "jax, its own arrays": jax_gradient(product, (x, y), (0, 1)),
        },
    )
    for n in (3, 10):
        cells = r.normal(size=n)
        ours_norm = jg.value_and_grad(norm)
        yield race(
            f"one array, n = {n}",
            lambda: ours_norm(cells),
            {
                "by hand": lambda: norm_by_hand(cells),
                "jax": jax_gradient(norm, (cells,), moved=False),
                "jax, its own arrays": jax_gradient(norm, (cells,)),
            },
        )
        arrays = tuple(r.normal(size=(3, n)))
        ours_three = jg.value_and_grad(three, argnums=(0, 1, 2))
        yield race(
            f"three arrays, n = {n}",
            lambda: ours_three(*arrays),
            {
                "by hand": lambda: three_by_hand(*arrays),
                "jax": jax_gradient(three, arrays, (0, 1, 2), moved=False),
                "jax, its own arrays": jax_gradient(three, arrays, (0, 1, 2)),
            },
        )
    params = {"w": r.normal(size=10), "b": r.normal(size=10), "s": r.normal(size=3)}
    ours_layer = jg.value_and_grad(layer)
    yield race(
        "a dict of three arrays",
        lambda: ours_layer(params),
        {
            "by hand": lambda: layer_in_a_dict(params),
            "jax": jax_gradient(layer, (params,), moved=False),
            "jax, its own arrays": jax_gradient(layer, (params,)),
        },
    )
