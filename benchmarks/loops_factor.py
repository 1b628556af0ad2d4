"""Factorizations in place, as loops: the log of a determinant by LU and by Cholesky, n = 200; a tridiagonal system."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import jitgrad as jg
from jitgrad.emit.vecmath import log, sqrt

from . import Row, race
from ._peers import compiled_by_jax, hand, rng


def lu(a):
    a = a.copy()
    n = a.shape[0]
    for k in range(n):
        for i in range(k + 1, n):
            a[i, k] /= a[k, k]
            for j in range(k + 1, n):
                a[i, j] -= a[i, k] * a[k, j]
    s = 0.0
    for i in range(n):
        s += np.log(a[i, i])
    return s


@hand
def lu_by_hand(given):
    a = given.copy()
    n = a.shape[0]
    for k in range(n):
        pivot = a[k, k]
        for i in range(k + 1, n):
            ratio = a[i, k] / pivot
            a[i, k] = ratio
            for j in range(k + 1, n):
                a[i, j] -= ratio * a[k, j]
    s = 0.0
    a_bar = np.zeros((n, n))
    for i in range(n):
        s += log(a[i, i])
        a_bar[i, i] = 1.0 / a[i, i]
    for k in range(n - 1, -1, -1):
        pivot = a[k, k]
        pivot_bar = 0.0
        for i in range(k + 1, n):
            ratio = a[i, k]
            ratio_bar = a_bar[i, k]
            for j in range(k + 1, n):
                g = a_bar[i, j]
                a_bar[k, j] -= ratio * g
                ratio_bar -= a[k, j] * g
            a_bar[i, k] = ratio_bar / pivot
            pivot_bar -= ratio_bar * ratio / pivot
        a_bar[k, k] += pivot_bar
    return s, a_bar


def lu_for_jax(jax, np):
    def logdet(a):
        n = a.shape[0]
        at = np.arange(n)

        def step(a, k):
            ratio = np.where(at > k, a[:, k] / a[k, k], 0.0)
            row = np.where(at > k, a[k], 0.0)
            return (a - ratio[:, None] * row[None, :]).at[:, k].set(np.where(at > k, ratio, a[:, k])), None

        a, _ = jax.lax.scan(step, a, at)
        return np.sum(np.log(np.diag(a)))

    return logdet


def cholesky(a):
    a = a.copy()
    n = a.shape[0]
    for j in range(n):
        for k in range(j):
            a[j, j] -= a[j, k] * a[j, k]
        a[j, j] = np.sqrt(a[j, j])
        for i in range(j + 1, n):
            for k in range(j):
                a[i, j] -= a[i, k] * a[j, k]
            a[i, j] /= a[j, j]
    s = 0.0
    for i in range(n):
        s += 2.0 * np.log(a[i, i])
    return s


@hand
def cholesky_by_hand(given):
    a = given.copy()
    n = a.shape[0]
    for j in range(n):
        d = a[j, j]
        for k in range(j):
            d -= a[j, k] * a[j, k]
        d = sqrt(d)
        a[j, j] = d
        for i in range(j + 1, n):
            v = a[i, j]
            for k in range(j):
                v -= a[i, k] * a[j, k]
            a[i, j] = v / d
    s = 0.0
    a_bar = np.zeros((n, n))
    for i in range(n):
        s += 2.0 * log(a[i, i])
        a_bar[i, i] = 2.0 / a[i, i]
    for j in range(n - 1, -1, -1):
        d = a[j, j]
        d_bar = a_bar[j, j]
        for i in range(j + 1, n):
            g = a_bar[i, j] / d
            d_bar -= g * a[i, j]
            for k in range(j):
                a_bar[i, k] -= g * a[j, k]
                a_bar[j, k] -= g * a[i, k]
            a_bar[i, j] = g
        g = 0.5 * d_bar / d
        for k in range(j):
            a_bar[j, k] -= 2.0 * g * a[j, k]
        a_bar[j, j] = g
    return s, a_bar


def thomas(a, b, c, d):
    n = b.shape[0]
    p = np.zeros(n)
    x = np.zeros(n)
    p[0] = c[0] / b[0]
    x[0] = d[0] / b[0]
    for i in range(1, n):
        m = b[i] - a[i] * p[i - 1]
        p[i] = c[i] / m
        x[i] = (d[i] - a[i] * x[i - 1]) / m
    for i in range(n - 2, -1, -1):
        x[i] -= p[i] * x[i + 1]
    s = 0.0
    for i in range(n):
        s += x[i] * x[i]
    return s


@hand
def thomas_by_hand(a, b, c, d):
    n = b.shape[0]
    p, x, y, m = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    m[0] = b[0]
    p[0] = c[0] / b[0]
    y[0] = d[0] / b[0]
    for i in range(1, n):
        m[i] = b[i] - a[i] * p[i - 1]
        p[i] = c[i] / m[i]
        y[i] = (d[i] - a[i] * y[i - 1]) / m[i]
    x[n - 1] = y[n - 1]
    for i in range(n - 2, -1, -1):
        x[i] = y[i] - p[i] * x[i + 1]
    s = 0.0
    for i in range(n):
        s += x[i] * x[i]
    a_bar, b_bar, c_bar, d_bar = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    y_bar, p_bar = np.zeros(n), np.zeros(n)
    carry = 0.0
    for i in range(n - 1):
        g = 2.0 * x[i] + carry
        y_bar[i] = g
        p_bar[i] = -g * x[i + 1]
        carry = -g * p[i]
    y_bar[n - 1] = 2.0 * x[n - 1] + carry
    for i in range(n - 1, 0, -1):
        g = y_bar[i] / m[i]
        h = p_bar[i] / m[i]
        m_bar = -g * y[i] - h * p[i]
        d_bar[i] = g
        c_bar[i] = h
        b_bar[i] = m_bar
        a_bar[i] = -g * y[i - 1] - m_bar * p[i - 1]
        y_bar[i - 1] -= g * a[i]
        p_bar[i - 1] -= m_bar * a[i]
    d_bar[0] = y_bar[0] / b[0]
    c_bar[0] = p_bar[0] / b[0]
    b_bar[0] = -(y_bar[0] * y[0] + p_bar[0] * p[0]) / b[0]
    return s, (a_bar, b_bar, c_bar, d_bar)


def thomas_for_jax(jax, np):
    def solve(a, b, c, d):
        def down(carry, row):
            p, x = carry
            a, b, c, d = row
            m = b - a * p
            new = c / m, (d - a * x) / m
            return new, new

        def up(x, row):
            p, y = row
            x = y - p * x
            return x, x

        zero = np.zeros(())
        _, (p, y) = jax.lax.scan(down, (zero, zero), (a.at[0].set(0.0), b, c, d))
        _, x = jax.lax.scan(up, zero, (p.at[-1].set(0.0), y), reverse=True)
        return np.sum(x * x)

    return solve


def bench() -> Iterator[Row]:
    a = rng().uniform(size=(200, 200)) + 200.0 * np.eye(200)
    ours_lu, ours_cholesky = jg.value_and_grad(lu), jg.value_and_grad(cholesky)
    jax_lu = compiled_by_jax(lu_for_jax, (a,))
    yield race("LU", lambda: ours_lu(a), {"by hand": lambda: lu_by_hand(a), "jax": jax_lu})
    yield race("Cholesky", lambda: ours_cholesky(a), {"by hand": lambda: cholesky_by_hand(a)})
    bands = tuple(rng().uniform(size=100_000) + (4.0 if k == 1 else 0.0) for k in range(4))
    every = (0, 1, 2, 3)
    ours = jg.value_and_grad(thomas, argnums=every)
    jax_thomas = compiled_by_jax(thomas_for_jax, bands, every)
    yield race("tridiagonal, 100,000", lambda: ours(*bands), {"by hand": lambda: thomas_by_hand(*bands), "jax": jax_thomas})
    for name, f, args in (("LU", lu, (a,)), ("Cholesky", cholesky, (a,)), ("tridiagonal, 100,000", thomas, bands)):
        value, hand_value = jg.jit(f), hand(f)
        yield race(f"{name}: the value", lambda: value(*args), {"by hand": lambda: hand_value(*args)})
