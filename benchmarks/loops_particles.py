"""Lennard-Jones energy and forces, 2,000 particles in a box, pairs within a cutoff: loops and a branch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import jitgrad as jg

from . import Row, race
from ._peers import compiled_by_jax, hand, rng


def energy(x):
    n = x.shape[0]
    e = 0.0
    for i in range(n):
        for j in range(i + 1, n):
            dx = x[i, 0] - x[j, 0]
            dy = x[i, 1] - x[j, 1]
            dz = x[i, 2] - x[j, 2]
            r2 = dx * dx + dy * dy + dz * dz
            if r2 < 6.25:
                inv6 = 1.0 / (r2 * r2 * r2)
                e += 4.0 * (inv6 * inv6 - inv6)
    return e


value_by_hand = hand(energy)


@hand
def pairs_of(x, i, x_bar):
    """The energy of the pairs that particle i makes with those behind it; its gradient is added to x_bar."""
    xi, yi, zi = x[i, 0], x[i, 1], x[i, 2]
    e = fx = fy = fz = 0.0
    for j in range(i + 1, x.shape[0]):
        dx = xi - x[j, 0]
        dy = yi - x[j, 1]
        dz = zi - x[j, 2]
        r2 = dx * dx + dy * dy + dz * dz
        if r2 < 6.25:
            inv2 = 1.0 / r2
            inv6 = inv2 * inv2 * inv2
            e += 4.0 * (inv6 * inv6 - inv6)
            g = -24.0 * (2.0 * inv6 * inv6 - inv6) * inv2
            fx += g * dx
            fy += g * dy
            fz += g * dz
            x_bar[j, 0] -= g * dx
            x_bar[j, 1] -= g * dy
            x_bar[j, 2] -= g * dz
    x_bar[i, 0] += fx
    x_bar[i, 1] += fy
    x_bar[i, 2] += fz
    return e


@hand
def by_hand(x):
    n = x.shape[0]
    x_bar = np.zeros((n, 3))
    e = 0.0
    for i in range(n):
        e += pairs_of(x, i, x_bar)
    return e, x_bar


def masked(jax, np):
    """All pairs at once: JAX has no loop that a branch leaves."""

    def energy(x):
        d = x[:, None, :] - x[None, :, :]
        r2 = np.sum(d * d, axis=-1)
        near = (r2 < 6.25) & (np.arange(x.shape[0])[:, None] < np.arange(x.shape[0]))
        r2 = np.where(near, r2, 1.0)
        inv6 = 1.0 / (r2 * r2 * r2)
        return np.sum(np.where(near, 4.0 * (inv6 * inv6 - inv6), 0.0))

    return energy


def box(n: int) -> np.ndarray:
    """Particles near the points of a grid, at density 0.8."""
    side = (n / 0.8) ** (1 / 3)
    k = int(np.ceil(n ** (1 / 3)))
    grid = np.stack(np.meshgrid(*[np.arange(k)] * 3), -1).reshape(-1, 3)[:n] * (side / k)
    return grid + rng().uniform(-0.05, 0.05, (n, 3))


def bench() -> Iterator[Row]:
    ours, value = jg.value_and_grad(energy), jg.jit(energy)
    x = box(2000)
    yield race("2,000 particles", lambda: ours(x), {"by hand": lambda: by_hand(x), "jax": compiled_by_jax(masked, (x,))})
    yield race("of it the value", lambda: value(x), {"by hand": lambda: value_by_hand(x)})
