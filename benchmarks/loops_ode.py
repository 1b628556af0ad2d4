"""Runge-Kutta, 10,000 steps, the gradient by the initial state and the parameters: Lotka-Volterra, Lorenz-96 (n = 40)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import jitgrad as jg

from . import Row, race
from ._peers import compiled_by_jax, hand, rng

STEPS = 10_000


def populations(y0, p):
    y, z = y0[0], y0[1]
    a, b, c, d = p[0], p[1], p[2], p[3]
    h = 0.001
    for t in range(STEPS):
        k1 = a * y - b * y * z
        l1 = d * y * z - c * z
        y2, z2 = y + 0.5 * h * k1, z + 0.5 * h * l1
        k2 = a * y2 - b * y2 * z2
        l2 = d * y2 * z2 - c * z2
        y3, z3 = y + 0.5 * h * k2, z + 0.5 * h * l2
        k3 = a * y3 - b * y3 * z3
        l3 = d * y3 * z3 - c * z3
        y4, z4 = y + h * k3, z + h * l3
        k4 = a * y4 - b * y4 * z4
        l4 = d * y4 * z4 - c * z4
        y, z = y + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4), z + h / 6.0 * (l1 + 2.0 * l2 + 2.0 * l3 + l4)
    return 0.5 * ((y - 1.0) ** 2 + (z - 1.0) ** 2)


@hand
def populations_by_hand(y0, p):
    y, z = y0[0], y0[1]
    a, b, c, d = p[0], p[1], p[2], p[3]
    h = 0.001
    ys, zs = np.empty(STEPS), np.empty(STEPS)
    for t in range(STEPS):
        ys[t], zs[t] = y, z
        k1, l1 = a * y - b * y * z, d * y * z - c * z
        y2, z2 = y + 0.5 * h * k1, z + 0.5 * h * l1
        k2, l2 = a * y2 - b * y2 * z2, d * y2 * z2 - c * z2
        y3, z3 = y + 0.5 * h * k2, z + 0.5 * h * l2
        k3, l3 = a * y3 - b * y3 * z3, d * y3 * z3 - c * z3
        y4, z4 = y + h * k3, z + h * l3
        k4, l4 = a * y4 - b * y4 * z4, d * y4 * z4 - c * z4
        y, z = y + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4), z + h / 6.0 * (l1 + 2.0 * l2 + 2.0 * l3 + l4)
    loss = 0.5 * ((y - 1.0) ** 2 + (z - 1.0) ** 2)
    yb, zb = y - 1.0, z - 1.0
    ab = bb = cb = db = 0.0
    for t in range(STEPS - 1, -1, -1):
        y, z = ys[t], zs[t]
        y2, z2 = y + 0.5 * h * (a * y - b * y * z), z + 0.5 * h * (d * y * z - c * z)
        y3, z3 = y + 0.5 * h * (a * y2 - b * y2 * z2), z + 0.5 * h * (d * y2 * z2 - c * z2)
        y4, z4 = y + h * (a * y3 - b * y3 * z3), z + h * (d * y3 * z3 - c * z3)
        k, l = h / 6.0 * yb, h / 6.0 * zb
        u, v = k * (a - b * z4) + l * d * z4, -k * b * y4 + l * (d * y4 - c)
        ab, bb, cb, db = ab + k * y4, bb - k * y4 * z4, cb - l * z4, db + l * y4 * z4
        ny, nz = yb + u, zb + v
        k, l = h / 3.0 * yb + h * u, h / 3.0 * zb + h * v
        u, v = k * (a - b * z3) + l * d * z3, -k * b * y3 + l * (d * y3 - c)
        ab, bb, cb, db = ab + k * y3, bb - k * y3 * z3, cb - l * z3, db + l * y3 * z3
        ny, nz = ny + u, nz + v
        k, l = h / 3.0 * yb + 0.5 * h * u, h / 3.0 * zb + 0.5 * h * v
        u, v = k * (a - b * z2) + l * d * z2, -k * b * y2 + l * (d * y2 - c)
        ab, bb, cb, db = ab + k * y2, bb - k * y2 * z2, cb - l * z2, db + l * y2 * z2
        ny, nz = ny + u, nz + v
        k, l = h / 6.0 * yb + 0.5 * h * u, h / 6.0 * zb + 0.5 * h * v
        u, v = k * (a - b * z) + l * d * z, -k * b * y + l * (d * y - c)
        ab, bb, cb, db = ab + k * y, bb - k * y * z, cb - l * z, db + l * y * z
        yb, zb = ny + u, nz + v
    return loss, (np.array([yb, zb]), np.array([ab, bb, cb, db]))


def populations_for_jax(jax, np):
    def f(x, p):
        return np.stack([p[0] * x[0] - p[1] * x[0] * x[1], p[3] * x[0] * x[1] - p[2] * x[1]])

    def loss(x, p):
        x = runge_kutta(jax, lambda x: f(x, p), x, 0.001)
        return 0.5 * np.sum((x - 1.0) ** 2)

    return loss


def runge_kutta(jax, f, x, h):
    def step(x, _):
        k1 = f(x)
        k2 = f(x + 0.5 * h * k1)
        k3 = f(x + 0.5 * h * k2)
        k4 = f(x + h * k3)
        return x + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4), None

    return jax.lax.scan(step, x, None, length=STEPS)[0]


def slope(x, F):
    n = x.shape[0]
    k = np.zeros(n)
    for i in range(n):
        k[i] = (x[(i + 1) % n] - x[i - 2]) * x[i - 1] - x[i] + F
    return k


def weather(x, F):
    h = 0.001
    for t in range(STEPS):
        k1 = slope(x, F)
        k2 = slope(x + 0.5 * h * k1, F)
        k3 = slope(x + 0.5 * h * k2, F)
        k4 = slope(x + h * k3, F)
        x = x + h / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
    s = 0.0
    for i in range(x.shape[0]):
        s += x[i] * x[i]
    return s


@hand
def slope_of(x, F, k):
    n = x.shape[0]
    for i in range(n):
        k[i] = (x[(i + 1) % n] - x[i - 2]) * x[i - 1] - x[i] + F


@hand
def slope_back(x, k_bar, x_bar):
    """x_bar += (dk/dx)^T k_bar; the adjoint of F."""
    n = x.shape[0]
    F_bar = 0.0
    for i in range(n):
        g = k_bar[i]
        x_bar[(i + 1) % n] += g * x[i - 1]
        x_bar[i - 2] -= g * x[i - 1]
        x_bar[i - 1] += g * (x[(i + 1) % n] - x[i - 2])
        x_bar[i] -= g
        F_bar += g
    return F_bar


@hand
def three_slopes(x, F, h, k1, x2, k2, x3, k3):
    n = x.shape[0]
    slope_of(x, F, k1)
    for i in range(n):
        x2[i] = x[i] + 0.5 * h * k1[i]
    slope_of(x2, F, k2)
    for i in range(n):
        x3[i] = x[i] + 0.5 * h * k2[i]
    slope_of(x3, F, k3)


@hand
def weather_by_hand(x0, F):
    n = x0.shape[0]
    h = 0.001
    x = x0.copy()
    xs = np.empty((STEPS, n))
    k1, k2, k3, k4 = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    x2, x3, x4 = np.empty(n), np.empty(n), np.empty(n)
    for t in range(STEPS):
        for i in range(n):
            xs[t, i] = x[i]
        three_slopes(x, F, h, k1, x2, k2, x3, k3)
        for i in range(n):
            x4[i] = x[i] + h * k3[i]
        slope_of(x4, F, k4)
        for i in range(n):
            x[i] += h / 6.0 * (k1[i] + 2.0 * k2[i] + 2.0 * k3[i] + k4[i])
    s = 0.0
    x_bar = np.empty(n)
    for i in range(n):
        s += x[i] * x[i]
        x_bar[i] = 2.0 * x[i]
    F_bar = 0.0
    k_bar, u = np.empty(n), np.empty(n)
    new = np.empty(n)
    for t in range(STEPS - 1, -1, -1):
        x = xs[t]
        three_slopes(x, F, h, k1, x2, k2, x3, k3)
        for i in range(n):
            x4[i] = x[i] + h * k3[i]
            k_bar[i] = h / 6.0 * x_bar[i]
            new[i] = x_bar[i]
            u[i] = 0.0
        F_bar += slope_back(x4, k_bar, u)
        for i in range(n):
            new[i] += u[i]
            k_bar[i] = h / 3.0 * x_bar[i] + h * u[i]
            u[i] = 0.0
        F_bar += slope_back(x3, k_bar, u)
        for i in range(n):
            new[i] += u[i]
            k_bar[i] = h / 3.0 * x_bar[i] + 0.5 * h * u[i]
            u[i] = 0.0
        F_bar += slope_back(x2, k_bar, u)
        for i in range(n):
            new[i] += u[i]
            k_bar[i] = h / 6.0 * x_bar[i] + 0.5 * h * u[i]
            u[i] = 0.0
        F_bar += slope_back(x, k_bar, u)
        for i in range(n):
            x_bar[i] = new[i] + u[i]
    return s, (x_bar, F_bar)


def weather_for_jax(jax, np):
    def f(x, F):
        return (np.roll(x, -1) - np.roll(x, 2)) * np.roll(x, 1) - x + F

    def loss(x, F):
        x = runge_kutta(jax, lambda x: f(x, F), x, 0.001)
        return np.sum(x * x)

    return loss


def starts() -> tuple[np.ndarray, np.ndarray]:
    """The populations and the rates."""
    return np.array([1.2, 0.8]), np.array([1.1, 0.4, 0.4, 0.1])


def bench() -> Iterator[Row]:
    both = (0, 1)
    ours = jg.value_and_grad(populations, argnums=both)
    args = starts()
    by_jax = compiled_by_jax(populations_for_jax, args, both)
    yield race("Lotka-Volterra", lambda: ours(*args), {"by hand": lambda: populations_by_hand(*args), "jax": by_jax})
    value, hand_value = jg.jit(populations), hand(populations)
    yield race("Lotka-Volterra: the value", lambda: value(*args), {"by hand": lambda: hand_value(*args)})
    ours_weather = jg.value_and_grad(weather, argnums=both)
    state = 8.0 + rng().normal(size=40), 8.0
    by_jax = compiled_by_jax(weather_for_jax, state, both)
    yield race("Lorenz-96", lambda: ours_weather(*state), {"by hand": lambda: weather_by_hand(*state), "jax": by_jax}, rtol=1e-5)
    value_weather = jg.jit(weather)
    yield race("Lorenz-96: the value", lambda: value_weather(*state), {})
