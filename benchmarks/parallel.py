"""Loops over numba.prange, value and gradient: pairs of particles (private sums) and a step on a grid. Run with --threads 2."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
from numba import prange

import jitgrad as jg
from jitgrad.emit.vecmath import tanh

from . import Contestant, Row, race
from ._peers import FLAGS, rng
from .loops_particles import box, pairs_of
from .loops_particles import by_hand as pairs_by_hand

shared = numba.njit(**FLAGS, parallel=True)


def energy(x):
    n = x.shape[0]
    e = 0.0
    for i in prange(n):
        for j in range(i + 1, n):
            dx = x[i, 0] - x[j, 0]
            dy = x[i, 1] - x[j, 1]
            dz = x[i, 2] - x[j, 2]
            r2 = dx * dx + dy * dy + dz * dz
            if r2 < 6.25:
                inv6 = 1.0 / (r2 * r2 * r2)
                e += 4.0 * (inv6 * inv6 - inv6)
    return e


@shared
def energy_by_hand(x):
    """Forces in a copy for each thread."""
    n = x.shape[0]
    parts = numba.get_num_threads()
    x_bars = np.zeros((parts, n, 3))
    e = 0.0
    for c in prange(parts):
        for i in range(n * c // parts, n * (c + 1) // parts):
            e += pairs_of(x, i, x_bars[c])
    for c in range(1, parts):
        x_bars[0] += x_bars[c]
    return e, x_bars[0]


def step(u, w):
    """Mean square of a nonlinear step on a grid."""
    n, m = u.shape
    s = 0.0
    for i in prange(1, n - 1):
        for j in range(1, m - 1):
            v = u[i, j] + 0.1 * np.tanh(u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] - 4.0 * u[i, j])
            s += w[i, j] * v * v
    return s


@shared
def step_by_hand(u, w):
    """The adjoint as a loop over the cells that gather, after one that keeps what they need."""
    n, m = u.shape
    u_bar = np.empty((n, m))
    t_bar = np.zeros((n, m))
    s = 0.0
    for i in prange(1, n - 1):
        for j in range(1, m - 1):
            t = tanh(u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] - 4.0 * u[i, j])
            v = u[i, j] + 0.1 * t
            s += w[i, j] * v * v
            g = 2.0 * w[i, j] * v
            u_bar[i, j] = g
            t_bar[i, j] = 0.1 * g * (1.0 - t * t)
    for i in prange(1, n - 1):
        for j in range(1, m - 1):
            u_bar[i, j] += t_bar[i - 1, j] + t_bar[i + 1, j] + t_bar[i, j - 1] + t_bar[i, j + 1] - 4.0 * t_bar[i, j]
        u_bar[i, 0] = t_bar[i, 1]
        u_bar[i, m - 1] = t_bar[i, m - 2]
    for j in range(m):
        u_bar[0, j] = t_bar[1, j]
        u_bar[n - 1, j] = t_bar[n - 2, j]
    return s, u_bar


def alone(f: Any, *args: Any) -> Contestant:
    """On one thread."""

    def call() -> Any:
        before = numba.get_num_threads()
        numba.set_num_threads(1)
        try:
            return f(*args)
        finally:
            numba.set_num_threads(before)

    return call


def contest(name: str, f: Any, by_hand: Any, args: tuple[Any, ...], **peers: Contestant) -> Row:
    ours = jg.value_and_grad(f)
    rest = {"on one thread": alone(ours, *args), "by hand": lambda: by_hand(*args), "by hand, one thread": alone(by_hand, *args)}
    return race(name, lambda: ours(*args), {**rest, **peers})


def bench() -> Iterator[Row]:
    x = box(2000)
    yield contest("2,000 particles", energy, energy_by_hand, (x,), **{"by hand, range": lambda: pairs_by_hand(x)})
    u, w = rng().standard_normal((2, 1000, 1000))
    yield contest("grid 1000 x 1000", step, step_by_hand, (u, w))
