"""Linear algebra."""

from __future__ import annotations

import numpy as np

from .cases import case, spd


@case(lambda r, n: (1.2, 0.7, 0.3, np.sort(r.uniform(0, 5, n)), r.normal(size=n)))
def gaussian_process(amplitude, length, noise, x, y):
    """The log marginal likelihood, by Cholesky."""
    d = x[:, None] - x[None, :]
    k = amplitude**2 * np.exp(-0.5 * (d / length) ** 2) + noise**2 * np.eye(len(x))
    chol = np.linalg.cholesky(k)
    alpha = np.linalg.solve(k, y)
    return -0.5 * y @ alpha - np.sum(np.log(np.diag(chol))) - 0.5 * len(x) * np.log(2 * np.pi)


@case(lambda r, n: (np.array([0.1, -0.3]), np.sort(r.uniform(0, 5, n)), r.normal(size=n)))
def gaussian_process_by_slogdet(log_params, x, y):
    length, noise = np.exp(log_params)
    k = np.exp(-((x[:, None] - x) ** 2) / length) + noise * np.eye(x.size)
    sign, logdet = np.linalg.slogdet(k)
    return 0.5 * (y @ np.linalg.inv(k) @ y + logdet)


def make_kalman(r, n):
    f, h = r.normal(size=(3, 3)) / 2, r.normal(size=(2, 3))
    return r.normal(size=3), spd(r, 3), r.normal(size=(n, 2)), f, h, spd(r, 3), spd(r, 2)


@case(make_kalman, sizes=(5, 6, 8), single=False)
def kalman_filter(mean, cov, ys, f, h, q, r):
    """The log-likelihood of the observations."""
    total = 0.0
    for y in ys:
        mean = f @ mean
        cov = f @ cov @ f.T + q
        s = h @ cov @ h.T + r
        gain = np.linalg.solve(s, h @ cov).T
        v = y - h @ mean
        total -= 0.5 * (v @ np.linalg.inv(s) @ v + np.log(np.linalg.det(s)))
        mean = mean + gain @ v
        cov = (np.eye(3) - gain @ h) @ cov
    return total


@case(lambda r, n: (r.normal(size=(n + 3, n)), r.normal(size=n + 3), 0.1))
def ridge(a, b, lam):
    x = np.linalg.solve(a.T @ a + lam * np.eye(a.shape[1]), a.T @ b)
    return np.sum((a @ x - b) ** 2) + lam * x @ x


@case(lambda r, n: (spd(r, n), r.normal(size=n)))
def power_iteration(a, v):
    for _ in range(12):
        v = a @ v
        v = v / np.linalg.norm(v)
    return v @ a @ v


@case(lambda r, n: (spd(r, n), r.normal(size=n)))
def conjugate_gradients(a, b):
    x = np.zeros_like(b)
    r = b - a @ x
    p = r.copy()
    for _ in range(3):
        ap = a @ p
        alpha = (r @ r) / (p @ ap)
        x = x + alpha * p
        new = r - alpha * ap
        p = new + (new @ new) / (r @ r) * p
        r = new
    return x @ b


@case(lambda r, n: (spd(r, n),), sizes=(5, 6, 8))
def lu_by_hand(m):
    a = m.copy()
    n = a.shape[0]
    for k in range(n):
        for i in range(k + 1, n):
            a[i, k] /= a[k, k]
            for j in range(k + 1, n):
                a[i, j] -= a[i, k] * a[k, j]
    return np.sum(np.log(np.diag(a)))


@case(lambda r, n: (r.normal(size=(n, 3)), r.normal(size=(n, 3))))
def triple_products(a, b):
    c = np.cross(a, b)
    return np.einsum("ij,ij->", c, c) + np.trace(a.T @ b) + np.sum(np.outer(a[0], b[1]))


@case(lambda r, n: (r.normal(size=(n, n + 1)), r.normal(size=n)))
def products_with_constants(a, v):
    ones, zeros = np.ones((3, len(v))), np.zeros((a.shape[1], 2))
    sums = ones @ a
    return np.sum(sums**2) + np.sum((a @ zeros + 1.0) ** 2) + np.sum((a.T @ np.full(len(v), 0.5)) ** 3) + np.ones(len(v)) @ v
