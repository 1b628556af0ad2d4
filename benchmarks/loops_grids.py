"""Stencils on grids, as loops: nonlinear heat in place (512 x 512, 200 steps), Gauss-Seidel (200 x 200, 50 sweeps)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import jitgrad as jg

from . import Row, race
from ._peers import compiled_by_jax, hand, rng

STEPS, SWEEPS = 200, 50


def heat(u, nu):
    u = u.copy()
    n, m = u.shape
    v = u.copy()
    for t in range(STEPS):
        for i in range(1, n - 1):
            for j in range(1, m - 1):
                c = u[i, j]
                lap = u[i + 1, j] + u[i - 1, j] + u[i, j + 1] + u[i, j - 1] - 4.0 * c
                v[i, j] = c + 0.05 * nu * (1.0 + c * c) * lap
        for i in range(1, n - 1):
            for j in range(1, m - 1):
                u[i, j] = v[i, j]
    s = 0.0
    for i in range(n):
        for j in range(m):
            s += 0.5 * u[i, j] * u[i, j]
    return s


@hand
def heat_by_hand(u0, nu):
    n, m = u0.shape
    k = 0.05 * nu
    us = np.empty((STEPS + 1, n, m))
    for i in range(n):
        for j in range(m):
            us[0, i, j] = u0[i, j]
    for t in range(STEPS):
        for i in range(n):
            us[t + 1, i, 0], us[t + 1, i, m - 1] = us[t, i, 0], us[t, i, m - 1]
        for j in range(m):
            us[t + 1, 0, j], us[t + 1, n - 1, j] = us[t, 0, j], us[t, n - 1, j]
        for i in range(1, n - 1):
            for j in range(1, m - 1):
                c = us[t, i, j]
                lap = us[t, i + 1, j] + us[t, i - 1, j] + us[t, i, j + 1] + us[t, i, j - 1] - 4.0 * c
                us[t + 1, i, j] = c + k * (1.0 + c * c) * lap
    s = 0.0
    u_bar, v_bar = np.zeros((n, m)), np.zeros((n, m))
    for i in range(n):
        for j in range(m):
            s += 0.5 * us[STEPS, i, j] * us[STEPS, i, j]
            u_bar[i, j] = us[STEPS, i, j]
    k_bar = 0.0
    for t in range(STEPS - 1, -1, -1):
        for i in range(1, n - 1):
            for j in range(1, m - 1):
                v_bar[i, j] = u_bar[i, j]
                u_bar[i, j] = 0.0
        for i in range(1, n - 1):
            for j in range(1, m - 1):
                g = v_bar[i, j]
                c = us[t, i, j]
                lap = us[t, i + 1, j] + us[t, i - 1, j] + us[t, i, j + 1] + us[t, i, j - 1] - 4.0 * c
                w = k * (1.0 + c * c) * g
                k_bar += (1.0 + c * c) * lap * g
                u_bar[i, j] += g + k * 2.0 * c * lap * g - 4.0 * w
                u_bar[i + 1, j] += w
                u_bar[i - 1, j] += w
                u_bar[i, j + 1] += w
                u_bar[i, j - 1] += w
    return s, (u_bar, 0.05 * k_bar)


def heat_for_jax(jax, np):
    def energy(u, nu):
        def step(u, _):
            c = u[1:-1, 1:-1]
            lap = u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4.0 * c
            return u.at[1:-1, 1:-1].set(c + 0.05 * nu * (1.0 + c * c) * lap), None

        u, _ = jax.lax.scan(step, u, None, length=STEPS)
        return 0.5 * np.sum(u * u)

    return energy


@hand
def sweep(a):
    """In place."""
    n = a.shape[0]
    for i in range(1, n - 1):
        for j in range(1, n - 1):
            above = a[i - 1, j - 1] + a[i - 1, j] + a[i - 1, j + 1]
            beside = a[i, j - 1] + a[i, j] + a[i, j + 1]
            a[i, j] = (above + beside + a[i + 1, j - 1] + a[i + 1, j] + a[i + 1, j + 1]) / 9.0


def seidel(a):
    a = a.copy()
    n = a.shape[0]
    for t in range(SWEEPS):
        sweep(a)
    s = 0.0
    for i in range(n):
        for j in range(n):
            s += a[i, j] * a[i, j]
    return s


@hand
def seidel_by_hand(given):
    a = given.copy()
    n = a.shape[0]
    for t in range(SWEEPS):
        sweep(a)
    s = 0.0
    a_bar = np.empty((n, n))
    for i in range(n):
        for j in range(n):
            s += a[i, j] * a[i, j]
            a_bar[i, j] = 2.0 * a[i, j]
    for t in range(SWEEPS):
        for i in range(n - 2, 0, -1):
            for j in range(n - 2, 0, -1):
                g = a_bar[i, j] / 9.0
                a_bar[i, j] = 0.0
                for p in range(-1, 2):
                    for q in range(-1, 2):
                        a_bar[i + p, j + q] += g
    return s, a_bar


def seidel_for_jax(jax, np):
    """By rows, each of which waits for the one above, and in a row by cells: of all ways, JAX's fastest (rows as products with
    a triangular matrix take three times as long, rows by `associative_scan` half as long again)."""

    def cell(left, rest):
        x = left / 9.0 + rest
        return x, x

    def row(above, rows):
        here, below = rows
        known = above[:-2] + above[1:-1] + above[2:] + here[1:-1] + here[2:] + below[:-2] + below[1:-1] + below[2:]
        new = here.at[1:-1].set(jax.lax.scan(cell, here[0], known / 9.0)[1])
        return new, new

    def energy(a):
        def step(a, _):
            return a.at[1:-1].set(jax.lax.scan(row, a[0], (a[1:-1], a[2:]))[1]), None

        a, _ = jax.lax.scan(step, a, None, length=SWEEPS)
        return np.sum(a * a)

    return energy


def bench() -> Iterator[Row]:
    both = (0, 1)
    ours, value, hand_value = jg.value_and_grad(heat, argnums=both), jg.jit(heat), hand(heat)
    args = rng().uniform(size=(512, 512)), 0.5
    by_jax = compiled_by_jax(heat_for_jax, args, both)
    yield race("heat", lambda: ours(*args), {"by hand": lambda: heat_by_hand(*args), "jax": by_jax}, seconds=3.0)
    yield race("heat: the value", lambda: value(*args), {"by hand": lambda: hand_value(*args)})
    a = rng().uniform(size=(200, 200))
    ours_seidel, value_seidel, hand_seidel = jg.value_and_grad(seidel), jg.jit(seidel), hand(seidel)
    by_jax = compiled_by_jax(seidel_for_jax, (a,))
    yield race("Gauss-Seidel", lambda: ours_seidel(a), {"by hand": lambda: seidel_by_hand(a), "jax": by_jax})
    yield race("Gauss-Seidel: the value", lambda: value_seidel(a), {"by hand": lambda: hand_seidel(a)})
