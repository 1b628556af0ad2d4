"""Logistic regression, 100,000 x 100: value and gradient, against two BLAS calls and the nest between them by hand."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import jitgrad as jg
from jitgrad.emit.vecmath import exp, log1p

from . import Row, race
from ._peers import hand, jax_gradient, rng


def loss(w, X, y):
    """Labels are 1 and -1."""
    return np.mean(np.log1p(np.exp(-y * (X @ w)))) + 1e-3 * np.sum(w * w)


@hand
def middle(z, y):
    """The sum of the losses, and its derivative by z, which takes the place of z."""
    total = 0.0
    n = z.shape[0]
    for i in range(n):
        e = exp(-y[i] * z[i])
        total += log1p(e)
        z[i] = -y[i] * e / (1.0 + e) / n
    return total / n


def by_hand(w, X, y):
    z = X @ w
    value = middle(z, y) + 1e-3 * (w @ w)
    return value, X.T @ z + 2e-3 * w


def data(n: int, d: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    r = rng()
    X = r.normal(size=(n, d))
    y = np.sign(X @ r.normal(size=d) + r.normal(size=n))
    return 0.1 * r.normal(size=d), X, y


def bench() -> Iterator[Row]:
    ours = jg.value_and_grad(loss)
    for n, d in ((1_000, 10), (100_000, 100)):
        args = data(n, d)
        _, X, y = args
        r, v = np.ones(n), np.ones(d)
        call = lambda: ours(*args)
        size = f"{n:,} x {d}"
        yield race(size, call, {"by hand": lambda: by_hand(*args), "jax": jax_gradient(loss, args)})
        yield race(f"{size}, the products alone", call, {"X @ v, X.T @ r": lambda: (X @ v, X.T @ r)}, rtol=None)
