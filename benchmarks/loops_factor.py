"""Factorizations in place, as loops: LU and Cholesky, n = 200, Gram-Schmidt, 150 x 200, a tridiagonal system."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

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


def cholesky_for_jax(jax, np):
    """By columns, each with all the columns before it, and zeros in the place of those behind it."""

    def logdet(a):
        at = np.arange(a.shape[0])

        def column(l, j):
            c = a[:, j] - l @ l[j]
            d = np.sqrt(c[j])
            return l.at[:, j].set(np.where(at > j, c / d, np.where(at == j, d, 0.0))), None

        l, _ = jax.lax.scan(column, np.zeros_like(a), at)
        return 2.0 * np.sum(np.log(np.diag(l)))

    return logdet


def gram_schmidt(a):
    q = a.copy()
    n, m = q.shape
    s = 0.0
    for i in range(n):
        for j in range(i):
            r = 0.0
            for k in range(m):
                r += q[j, k] * q[i, k]
            for k in range(m):
                q[i, k] -= r * q[j, k]
            s += r * r
        r = 0.0
        for k in range(m):
            r += q[i, k] * q[i, k]
        r = np.sqrt(r)
        for k in range(m):
            q[i, k] /= r
        s += np.log(r)
    return s


@hand
def gram_schmidt_by_hand(a):
    """What is overwritten is pushed: each row as often as there are rows before it."""
    q = a.copy()
    n, m = q.shape
    pushed, ratios = np.empty((n * (n + 1) // 2, m)), np.empty(n * (n + 1) // 2)
    top = 0
    s = 0.0
    for i in range(n):
        for j in range(i):
            r = 0.0
            for k in range(m):
                r += q[j, k] * q[i, k]
            ratios[top] = r
            for k in range(m):
                pushed[top, k] = q[i, k]
                q[i, k] -= r * q[j, k]
            top += 1
            s += r * r
        r = 0.0
        for k in range(m):
            r += q[i, k] * q[i, k]
        r = sqrt(r)
        ratios[top] = r
        for k in range(m):
            pushed[top, k] = q[i, k]
            q[i, k] /= r
        top += 1
        s += log(r)
    q_bar = np.zeros((n, m))
    for i in range(n - 1, -1, -1):
        top -= 1
        r = ratios[top]
        r_bar = 1.0 / r
        for k in range(m):
            g = q_bar[i, k] / r
            r_bar -= g * q[i, k]
            q_bar[i, k] = g
        for k in range(m):
            q[i, k] = pushed[top, k]
            q_bar[i, k] += r_bar / r * q[i, k]
        for j in range(i - 1, -1, -1):
            top -= 1
            r = ratios[top]
            r_bar = 2.0 * r
            for k in range(m):
                g = q_bar[i, k]
                r_bar -= g * q[j, k]
                q_bar[j, k] -= r * g
            for k in range(m):
                q[i, k] = pushed[top, k]
                q_bar[i, k] += r_bar * q[j, k]
                q_bar[j, k] += r_bar * q[i, k]
    return s, q_bar


def gram_schmidt_for_jax(jax, np):
    """Every row against all rows, with zeros in the place of those behind it."""

    def total(a):
        at = np.arange(a.shape[0])

        def row(q, i):
            def project(carry, j):
                x, s = carry
                r = np.where(j < i, q[j] @ x, 0.0)
                return (x - r * q[j], s + r * r), None

            (x, s), _ = jax.lax.scan(project, (q[i], 0.0), at)
            r = np.sqrt(x @ x)
            return q.at[i].set(x / r), s + np.log(r)

        _, s = jax.lax.scan(row, a, at)
        return np.sum(s)

    return total


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


def diagonal() -> np.ndarray:
    return rng().uniform(size=(200, 200)) + 200.0 * np.eye(200)


def rows() -> np.ndarray:
    return rng().normal(size=(150, 200))


def bands() -> tuple[np.ndarray, ...]:
    return tuple(rng().uniform(size=100_000) + (4.0 if k == 1 else 0.0) for k in range(4))


EVERY = (0, 1, 2, 3)
# name: function, argnums, arguments, by hand, for JAX
CASES: dict[str, Any] = {
    "LU": (lu, 0, (diagonal(),), lu_by_hand, lu_for_jax),
    "Cholesky": (cholesky, 0, (diagonal(),), cholesky_by_hand, cholesky_for_jax),
    "Gram-Schmidt": (gram_schmidt, 0, (rows(),), gram_schmidt_by_hand, gram_schmidt_for_jax),
    "tridiagonal, 100,000": (thomas, EVERY, bands(), thomas_by_hand, thomas_for_jax),
}


def bench() -> Iterator[Row]:
    for name, (f, argnums, args, by_hand, for_jax) in CASES.items():
        ours = jg.value_and_grad(f, argnums=argnums)
        by_jax = compiled_by_jax(for_jax, args, argnums)
        peers = {"by hand": partial(by_hand, *args), "jax": by_jax}
        yield race(name, partial(ours, *args), peers, rtol=1e-5)
    for name, (f, _, args, *_) in CASES.items():
        yield race(f"{name}: the value", partial(jg.jit(f), *args), {"by hand": partial(hand(f), *args)})
