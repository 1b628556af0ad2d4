"""Kernels as Numba's documentation writes them: scans, rotating buffers, rows as views, union and find, state in objects."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .cases import case


@case(lambda r, n: (r.normal(size=n),))
def hillis_steele(x):
    """Prefix sums in log n rounds, each on a copy."""
    a = x.copy()
    n = len(a)
    d = 1
    while d < n:
        b = a.copy()
        for i in range(d, n):
            b[i] = a[i] + a[i - d] * 0.9
        a = b
        d *= 2
    return np.sum(np.sin(a))


@case(lambda r, n: (r.normal(size=n), 0.3))
def rotating_buffers(u0, c):
    """Three names of three arrays, handed on in a circle."""
    prev, cur, nxt = u0.copy(), u0 * 0.99, np.zeros_like(u0)
    for _ in range(11):
        for i in range(1, len(u0) - 1):
            nxt[i] = 2 * cur[i] - prev[i] + c * (cur[i + 1] - 2 * cur[i] + cur[i - 1])
        prev, cur, nxt = cur, nxt, prev
    return np.dot(cur, prev)


@case(lambda r, n: (r.normal(size=(n, n)),), single=False)
def gauss_jordan(a):
    """Rows are views, written in place; the second matrix begins as a constant."""
    n = a.shape[0]
    m = a + 3.0 * n * np.eye(n)
    inv = np.eye(n)
    for k in range(n):
        p = m[k, k]
        row, irow = m[k], inv[k]
        row /= p
        irow /= p
        for i in range(n):
            if i == k:
                continue
            f = m[i, k]
            m[i] -= f * row
            inv[i] -= f * irow
    return np.sum(inv * inv[::-1])


@case(lambda r, n: (r.normal(size=n), 12345))
def lcg_signs(x, seed):
    """Pseudorandom numbers in integers that wrap around."""
    state = seed
    s = 0.0
    for i in range(len(x)):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        if state & 1:
            s += x[i] ** 2
        else:
            s -= x[i] ** 3
        if state % 7 == 0:
            s *= 0.5
    return s


@case(lambda r, n: (r.uniform(0, 1, n), r.normal(size=n), 5), single=False)
def soft_histogram(x, w, bins):
    """Weights are shared between two bins."""
    h = np.zeros(bins, x.dtype)
    inside = 0
    for v, weight in zip(x, w):
        p = v * (bins - 1)
        k = int(p)
        if k < 0 or k >= bins - 1:
            continue
        inside += 1
        frac = p - k
        h[k] += (1 - frac) * weight
        h[k + 1] += frac * weight
    return np.sum(h * h) / max(inside, 1)


@case(lambda r, n: (r.uniform(0, 1, n), r.integers(0, 6, (n, 2))))
def spanning_weight(w, edges):
    """Union and find, with paths that are halved."""
    parent = np.arange(6)
    total = 0.0
    count = np.zeros(6, np.int64)
    for e in range(len(w)):
        a, b = edges[e]
        while parent[a] != a:
            parent[a] = parent[parent[a]]
            a = parent[a]
        while parent[b] != b:
            parent[b] = parent[parent[b]]
            b = parent[b]
        if a != b:
            parent[a] = b
            total += w[e] ** 2
            count[b] += 1
        else:
            total -= 0.1 * w[e] * count[a]
    return total


@dataclass
class Welford:
    n: int = 0
    mean: float = 0.0
    m2: float = 0.0

    def push(self, v):
        self.n += 1
        d = v - self.mean
        self.mean += d / self.n
        self.m2 += d * (v - self.mean)

    @property
    def var(self):
        return self.m2 / (self.n - 1) if self.n > 1 else 0.0


@case(lambda r, n: (r.normal(size=(3, n)),))
def welford(x):
    """Mean and variance in one pass, the state in an object."""
    w = Welford()
    for v in x.flat:
        w.push(v)
    return w.var + w.mean


@case(lambda r, n: (r.normal(size=n), 0.9))
def nonlocal_filter(x, a):
    """A low pass whose state is in a closure; `push` tells of a new peak."""
    y = 0.0
    peak = -math.inf
    def push(v):
        nonlocal y, peak
        y = a * y + (1 - a) * v
        if y > peak:
            peak = y
            return True
        return False
    n = 0
    for v in x:
        if push(v):
            n += 1
    return y * y + (peak if n else 0.0)


@case(lambda r, n: (np.concatenate([[3.0], r.uniform(-0.5, 0.5, n)]),))
def levinson(acf):
    """Levinson and Durbin: a part whose length grows, and the same part backwards."""
    n = len(acf) - 1
    a = np.zeros(n + 1)
    a[0] = 1.0
    e = acf[0]
    for k in range(1, n + 1):
        lam = 0.0
        for j in range(k):
            lam -= a[j] * acf[k - j]
        lam /= e
        a[: k + 1] += lam * a[: k + 1][::-1]
        e *= 1.0 - lam * lam
    return np.sum(a) * e
