"""A network 784-256-10, batch of 2,048, float32: cross entropy and its gradient by the weights."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import jitgrad as jg

from . import Row, race
from ._peers import jax_gradient, rng


def loss(params, x, labels):
    """labels: one-hot."""
    W1, b1, W2, b2 = params
    h = np.maximum(x @ W1 + b1, 0.0)
    z = h @ W2 + b2
    top = np.max(z, axis=1)
    log_sum = top + np.log(np.sum(np.exp(z - top[:, None]), axis=1))
    return np.mean(log_sum - np.sum(labels * z, axis=1))


def by_hand(params, x, labels):
    """What one writes in NumPy."""
    W1, b1, W2, b2 = params
    h = x @ W1
    h += b1
    np.maximum(h, 0.0, out=h)
    z = h @ W2
    z += b2
    z -= z.max(axis=1, keepdims=True)
    e = np.exp(z)
    s = e.sum(axis=1, keepdims=True)
    value = np.mean(np.log(s[:, 0]) - (labels * z).sum(axis=1))
    e /= s
    e -= labels
    e /= np.float32(len(x))
    h_bar = e @ W2.T
    h_bar *= h > 0.0
    return value, (x.T @ h_bar, h_bar.sum(axis=0), h.T @ e, e.sum(axis=0))


def network(batch: int, sizes: tuple[int, int, int]):
    r = rng()
    a, b, c = sizes
    params = [0.1 * r.normal(size=shape) for shape in ((a, b), (b,), (b, c), (c,))]
    x, labels = r.normal(size=(batch, a)), np.eye(c)[r.integers(0, c, size=batch)]
    return tuple(p.astype(np.float32) for p in params), x.astype(np.float32), labels.astype(np.float32)


def bench() -> Iterator[Row]:
    ours = jg.value_and_grad(loss)
    for batch, sizes in ((32, (20, 16, 4)), (2_048, (784, 256, 10))):
        args = network(batch, sizes)
        name = f"{'-'.join(map(str, sizes))}, batch of {batch:,}"
        peers = {"NumPy by hand": lambda: by_hand(*args), "jax": jax_gradient(loss, args)}
        yield race(name, lambda: ours(*args), peers, rtol=1e-4)
