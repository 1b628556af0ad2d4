"""Shallow water in one dimension, as loops: limited slopes, Rusanov fluxes (n = 2000, 500 steps)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import jitgrad as jg

from . import Row, race
from ._peers import compiled_by_jax, hand, rng

N, STEPS = 2000, 500
G, R = 9.81, 0.01


@hand
def minmod(a, b):
    if a * b <= 0.0:
        return 0.0
    if abs(a) < abs(b):
        return a
    return b


@hand
def step(h, q, fh, fq):
    """In place; fh, fq: room for the fluxes."""
    n = h.shape[0]
    for i in range(1, n - 2):
        hl = h[i] + 0.5 * minmod(h[i] - h[i - 1], h[i + 1] - h[i])
        hr = h[i + 1] - 0.5 * minmod(h[i + 1] - h[i], h[i + 2] - h[i + 1])
        ql = q[i] + 0.5 * minmod(q[i] - q[i - 1], q[i + 1] - q[i])
        qr = q[i + 1] - 0.5 * minmod(q[i + 1] - q[i], q[i + 2] - q[i + 1])
        speed = max(abs(ql / hl) + np.sqrt(G * hl), abs(qr / hr) + np.sqrt(G * hr))
        fh[i] = 0.5 * (ql + qr) - 0.5 * speed * (hr - hl)
        fq[i] = 0.5 * (ql * ql / hl + qr * qr / hr + 0.5 * G * (hl * hl + hr * hr)) - 0.5 * speed * (qr - ql)
    for i in range(2, n - 2):
        h[i] -= R * (fh[i] - fh[i - 1])
        q[i] -= R * (fq[i] - fq[i - 1])


def water(h, q):
    h, q = h.copy(), q.copy()
    n = h.shape[0]
    fh, fq = np.zeros(n), np.zeros(n)
    for t in range(STEPS):
        step(h, q, fh, fq)
    s = 0.0
    for i in range(n):
        s += h[i] * h[i]
    return s


@hand
def minmod_back(a, b, g):
    """The adjoints of a and b."""
    if a * b <= 0.0:
        return 0.0, 0.0
    if abs(a) < abs(b):
        return g, 0.0
    return 0.0, g


@hand
def water_by_hand(h0, q0):
    n = h0.shape[0]
    hs, qs = np.empty((STEPS, n)), np.empty((STEPS, n))
    h, q = h0.copy(), q0.copy()
    fh, fq = np.zeros(n), np.zeros(n)
    for t in range(STEPS):
        for i in range(n):
            hs[t, i] = h[i]
            qs[t, i] = q[i]
        step(h, q, fh, fq)
    s = 0.0
    h_bar, q_bar = np.zeros(n), np.zeros(n)
    for i in range(n):
        s += h[i] * h[i]
        h_bar[i] = 2.0 * h[i]
    fh_bar, fq_bar = np.zeros(n), np.zeros(n)
    for t in range(STEPS - 1, -1, -1):
        for i in range(2, n - 2):
            fh_bar[i] -= R * h_bar[i]
            fh_bar[i - 1] += R * h_bar[i]
            fq_bar[i] -= R * q_bar[i]
            fq_bar[i - 1] += R * q_bar[i]
        for i in range(1, n - 2):
            a, b, c = hs[t, i] - hs[t, i - 1], hs[t, i + 1] - hs[t, i], hs[t, i + 2] - hs[t, i + 1]
            d, e, f = qs[t, i] - qs[t, i - 1], qs[t, i + 1] - qs[t, i], qs[t, i + 2] - qs[t, i + 1]
            hl, hr = hs[t, i] + 0.5 * minmod(a, b), hs[t, i + 1] - 0.5 * minmod(b, c)
            ql, qr = qs[t, i] + 0.5 * minmod(d, e), qs[t, i + 1] - 0.5 * minmod(e, f)
            ul, ur = ql / hl, qr / hr
            cl, cr = np.sqrt(G * hl), np.sqrt(G * hr)
            left, right = abs(ul) + cl, abs(ur) + cr
            speed = max(left, right)
            g, k = fh_bar[i], fq_bar[i]
            fh_bar[i] = fq_bar[i] = 0.0
            speed_bar = -0.5 * (g * (hr - hl) + k * (qr - ql))
            left_bar, right_bar = (speed_bar, 0.0) if left >= right else (0.0, speed_bar)
            hl_bar = 0.5 * speed * g + 0.5 * k * (G * hl - ul * ul) + left_bar * (0.5 * G / cl - np.sign(ul) * ul / hl)
            hr_bar = -0.5 * speed * g + 0.5 * k * (G * hr - ur * ur) + right_bar * (0.5 * G / cr - np.sign(ur) * ur / hr)
            ql_bar = 0.5 * g + k * ul + 0.5 * speed * k + left_bar * np.sign(ul) / hl
            qr_bar = 0.5 * g + k * ur - 0.5 * speed * k + right_bar * np.sign(ur) / hr
            a_bar, b_bar = minmod_back(a, b, 0.5 * hl_bar)
            b_bar2, c_bar = minmod_back(b, c, -0.5 * hr_bar)
            b_bar += b_bar2
            h_bar[i - 1] -= a_bar
            h_bar[i] += hl_bar + a_bar - b_bar
            h_bar[i + 1] += hr_bar + b_bar - c_bar
            h_bar[i + 2] += c_bar
            d_bar, e_bar = minmod_back(d, e, 0.5 * ql_bar)
            e_bar2, f_bar = minmod_back(e, f, -0.5 * qr_bar)
            e_bar += e_bar2
            q_bar[i - 1] -= d_bar
            q_bar[i] += ql_bar + d_bar - e_bar
            q_bar[i + 1] += qr_bar + e_bar - f_bar
            q_bar[i + 2] += f_bar
    return s, (h_bar, q_bar)


def water_for_jax(jax, np):
    def limited(x):
        a, b = x[1:-1] - x[:-2], x[2:] - x[1:-1]
        return np.where(a * b <= 0.0, 0.0, np.where(abs(a) < abs(b), a, b))

    def energy(h, q):
        def step(state, _):
            h, q = state
            dh, dq = limited(h), limited(q)
            hl, hr = h[1:-2] + 0.5 * dh[:-1], h[2:-1] - 0.5 * dh[1:]
            ql, qr = q[1:-2] + 0.5 * dq[:-1], q[2:-1] - 0.5 * dq[1:]
            speed = np.maximum(abs(ql / hl) + np.sqrt(G * hl), abs(qr / hr) + np.sqrt(G * hr))
            fh = 0.5 * (ql + qr) - 0.5 * speed * (hr - hl)
            fq = 0.5 * (ql * ql / hl + qr * qr / hr + 0.5 * G * (hl * hl + hr * hr)) - 0.5 * speed * (qr - ql)
            return (h.at[2:-2].add(-R * np.diff(fh)), q.at[2:-2].add(-R * np.diff(fq))), None

        (h, q), _ = jax.lax.scan(step, (h, q), None, length=STEPS)
        return np.sum(h * h)

    return energy


def bench() -> Iterator[Row]:
    both = (0, 1)
    ours, value, hand_value = jg.value_and_grad(water, argnums=both), jg.jit(water), hand(water)
    args = 1.0 + 0.2 * rng().uniform(size=N), 0.1 * rng().uniform(size=N)
    by_jax = compiled_by_jax(water_for_jax, args, both)
    yield race("shallow water", lambda: ours(*args), {"by hand": lambda: water_by_hand(*args), "jax": by_jax}, seconds=3.0)
    yield race("shallow water: the value", lambda: value(*args), {"by hand": lambda: hand_value(*args)})
