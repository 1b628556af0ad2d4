"""Particles, fields, and differential equations."""

from __future__ import annotations

import numpy as np

from .cases import case


def lattice(r, n):
    return (np.stack([np.arange(n) * 1.1, r.normal(size=n) / 5, r.normal(size=n) / 5], axis=1),)


@case(lattice)
def lennard_jones(x):
    """By broadcasting."""
    d = x[:, None] - x[None, :]
    r2 = np.sum(d * d, axis=-1) + np.eye(len(x))
    inv6 = 1 / r2**3
    return np.sum(np.triu(4 * (inv6**2 - inv6), 1))


@case(lattice, single=False)
def lennard_jones_in_loops(x):
    e = 0.0
    for i in range(x.shape[0]):
        for j in range(i + 1, x.shape[0]):
            r2 = np.sum((x[i] - x[j]) ** 2)
            if r2 < 9.0:
                e += 4.0 * (r2**-6 - r2**-3)
    return e


@case(lambda r, n: (r.normal(size=n + 4), 0.2, r.normal(size=n + 4)))
def heat_equation(u0, alpha, target):
    """Explicit steps, the interior written in place; the ends are kept."""
    u = u0.copy()
    for _ in range(6):
        u[1:-1] += alpha * (u[2:] - 2 * u[1:-1] + u[:-2])
    return 0.5 * np.sum((u - target) ** 2)


@case(lambda r, n: (r.normal(size=(n + 3, n + 4)), 1.3, 0.1, 0.05))
def wave_residual(u, c, dx, dt):
    u_tt = (u[2:, 1:-1] - 2 * u[1:-1, 1:-1] + u[:-2, 1:-1]) / dt**2
    u_xx = (u[1:-1, 2:] - 2 * u[1:-1, 1:-1] + u[1:-1, :-2]) / dx**2
    return np.mean((u_tt - c**2 * u_xx) ** 2)


def lotka_volterra(state, params):
    prey, predator = state
    a, b, c, d = params
    return np.array([a * prey - b * prey * predator, d * prey * predator - c * predator])


def rk4(f, y, h, *args):
    k1 = f(y, *args)
    k2 = f(y + h / 2 * k1, *args)
    k3 = f(y + h / 2 * k2, *args)
    k4 = f(y + h * k3, *args)
    return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


@case(lambda r, n: (np.array([1.5, 1.0, 3.0, 1.0]), np.array([10.0, 5.0]), r.uniform(1, 10, (n, 2))), sizes=(5, 6, 8))
def predators(params, y0, data):
    y, loss = y0, 0.0
    for k in range(len(data)):
        for _ in range(3):
            y = rk4(lotka_volterra, y, 0.01, params)
        loss += np.sum((y - data[k]) ** 2)
    return loss


@case(lambda r, n: (np.array([120.0, 36.0, 0.3]), r.uniform(0, 20, n + 10)), single=False)
def hodgkin_huxley(conductances, current):
    g_na, g_k, g_l = conductances
    v, m, h, n = -65.0, 0.05, 0.6, 0.32
    energy = 0.0
    for i in current:
        a_m = 0.1 * (v + 40) / (1 - np.exp(-(v + 40) / 10))
        b_m = 4 * np.exp(-(v + 65) / 18)
        a_h, b_h = 0.07 * np.exp(-(v + 65) / 20), 1 / (1 + np.exp(-(v + 35) / 10))
        a_n = 0.01 * (v + 55) / (1 - np.exp(-(v + 55) / 10))
        b_n = 0.125 * np.exp(-(v + 65) / 80)
        ionic = g_na * m**3 * h * (v - 50) + g_k * n**4 * (v + 77) + g_l * (v + 54.4)
        v = v + 0.01 * (i - ionic)
        m += 0.01 * (a_m * (1 - m) - b_m * m)
        h += 0.01 * (a_h * (1 - h) - b_h * h)
        n += 0.01 * (a_n * (1 - n) - b_n * n)
        energy += v**2
    return energy / len(current)


def normalize(v):
    return v / np.linalg.norm(v)


@case(lambda r, n: (r.normal(size=3) / 10, np.array([0.1, 0.2, 5.0]), 2.0, r.normal(size=(n, 3)) / 20 + [0, 0, 1.0]))
def ray_and_sphere(origin, center, radius, directions):
    """The light that falls on a sphere, seen along some rays."""
    light = normalize(np.array([1.0, 1.0, -1.0]))
    total = 0.0
    for k in range(len(directions)):
        d = normalize(directions[k])
        oc = origin - center
        b = np.dot(oc, d)
        disc = b * b - (np.dot(oc, oc) - radius**2)
        if disc > 0:
            t = -b - np.sqrt(disc)
            normal = (origin + t * d - center) / radius
            total += max(np.dot(normal, light), 0.0)
    return total


@case(lambda r, n: (np.array([1.0, 0.5]), 9.81, r.normal(size=n)))
def double_pendulum(lengths, g, forces):
    state = np.array([0.3, -0.2, 0.0, 0.0])
    for f in forces:
        a, b, u, v = state
        du = -g / lengths[0] * np.sin(a) + f * np.cos(a - b)
        dv = -g / lengths[1] * np.sin(b) - u * u * np.sin(b - a)
        state = state + 0.01 * np.array([u, v, du, dv])
    return state @ state


@case(lambda r, n: (r.normal(size=(n, 2)), r.uniform(0.5, 2, n), r.normal(size=(n, 2)) / 3), sizes=(5, 6, 8))
def n_body_steps(x, mass, v):
    """Leapfrog; softened gravity."""
    x, v = x.copy(), v.copy()
    for _ in range(2):
        for i in range(len(mass)):
            for j in range(len(mass)):
                if i != j:
                    d = x[j] - x[i]
                    v[i] += 0.01 * mass[j] * d / (d @ d + 0.1) ** 1.5
        x += 0.01 * v
    return 0.5 * np.sum(mass[:, None] * v**2) + np.sum(x[:, 0])


@case(lambda r, n: (r.normal(size=n), 0.1))
def ising_energy(spins, field):
    s = np.tanh(spins)
    return -np.sum(s * np.roll(s, 1)) - field * s.sum()
