"""Value and gradient of a sum of cells, one loop over 10^6 of them: ours, by hand, and JAX."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import jitgrad as jg
from jitgrad.emit.vecmath import cos, exp, log, sin, tanh

from . import Row, race
from ._peers import hand, jax_gradient, rng


def chain(x, z):
    a = np.exp(-0.5 * x * x)
    b = np.tanh(x * z)
    c = np.log(2.0 + b)
    return np.sum(a * c / (1.0 + z * z))


def waves(m, w):
    return np.sum(np.sin(m * w) + 0.5 * w * w)


@hand
def chain_by_hand(x, z):
    x_bar, z_bar = np.empty_like(x), np.empty_like(z)
    total = 0.0
    for i in range(x.shape[0]):
        a = exp(-0.5 * x[i] * x[i])
        b = tanh(x[i] * z[i])
        s = 2.0 + b
        c = log(s)
        q = 1.0 / (1.0 + z[i] * z[i])
        y = a * c * q
        total += y
        xz_bar = a * q / s * (1.0 - b * b)
        x_bar[i] = xz_bar * z[i] - y * x[i]
        z_bar[i] = xz_bar * x[i] - 2.0 * z[i] * q * y
    return total, (x_bar, z_bar)


@hand
def waves_by_hand(m, w):
    w_bar = np.empty_like(w)
    total = 0.0
    for i in range(w.shape[0]):
        t = m[i] * w[i]
        total += sin(t) + 0.5 * w[i] * w[i]
        w_bar[i] = cos(t) * m[i] + w[i]
    return total, w_bar


def cells(n: int, dtype: type = np.float64) -> tuple[np.ndarray, np.ndarray]:
    r = rng()
    return r.normal(size=n).astype(dtype), r.normal(size=n).astype(dtype)


def bench() -> Iterator[Row]:
    for n in (1_000, 1_000_000):
        args = cells(n)
        ours = jg.value_and_grad(chain, argnums=(0, 1))
        peers = {"by hand": lambda: chain_by_hand(*args), "jax": jax_gradient(chain, args, (0, 1))}
        yield race(f"exp, tanh, log, /: n = {n:,}", lambda: ours(*args), peers)
        ours_waves = jg.value_and_grad(waves, argnums=1)
        peers = {"by hand": lambda: waves_by_hand(*args), "jax": jax_gradient(waves, args, 1)}
        yield race(f"sum(sin(m w) + w w / 2): n = {n:,}", lambda: ours_waves(*args), peers)
