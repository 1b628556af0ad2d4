"""Numerical methods: minimised test functions, polynomials, quadrature, roots."""

from __future__ import annotations

import numpy as np
from scipy.optimize import rosen, rosen_der, rosen_hess

from .cases import CASES, Case, case

# As it stands in SciPy.
CASES.append(Case("rosen", rosen, lambda r, n: (r.normal(size=n),), gradient=rosen_der, hessian=rosen_hess))


@case(lambda r, n: (r.normal(size=n), 0.7), single=False)
def horner(coefficients, x):
    y = 0.0
    for c in coefficients:
        y = y * x + c
    return y


@case(lambda r, n: (r.normal(size=n), np.linspace(0, 1, n), 0.37), single=False)
def lagrange(y, nodes, x):
    total = 0.0
    for i in range(len(nodes)):
        term = y[i]
        for j in range(len(nodes)):
            if i != j:
                term *= (x - nodes[j]) / (nodes[i] - nodes[j])
        total += term
    return total


@case(lambda r, n: (np.sort(r.uniform(0, 1, n)), r.normal(size=n), r.uniform(0.1, 0.9, 2 * n)))
def linear_spline(knots, values, x):
    k = np.clip(np.searchsorted(np.linspace(0, 1, len(knots)), x) - 1, 0, len(knots) - 2)
    t = (x - knots[k]) / (knots[k + 1] - knots[k])
    return np.sum(((1 - t) * values[k] + t * values[k + 1]) ** 2)


@case(lambda r, n: (r.uniform(0.5, 2, n), np.linspace(0, 2, 2 * n)))
def trapezoid(a, t):
    y = np.exp(-a[0] * t) * np.cos(a[1] * t)
    return np.sum((y[1:] + y[:-1]) * np.diff(t)) / 2 + a.prod()


@case(lambda r, n: (2.0, 1.0), single=False)
def newton_root(a, x):
    """The cube root, until it settles."""
    while abs(x**3 - a) > 1e-12:
        x -= (x**3 - a) / (3 * x * x)
    return x


@case(lambda r, n: (r.normal(size=n), r.normal(size=n)))
def himmelblau_and_others(x, y):
    himmelblau = (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2
    ackley = -20 * np.exp(-0.2 * np.sqrt(0.5 * (x**2 + y**2))) - np.exp(0.5 * (np.cos(2 * np.pi * x) + np.cos(2 * np.pi * y)))
    return np.sum(himmelblau + ackley)


@case(lambda r, n: (r.normal(size=n),), kinks=True)
def sorted_by_hand(x):
    """Bubble sort, then weights."""
    a = x.copy()
    n = len(a)
    for i in range(n):
        for j in range(n - 1 - i):
            if a[j] > a[j + 1]:
                a[j], a[j + 1] = a[j + 1], a[j]
    return np.sum(a * np.arange(n)) + a[0] ** 3


@case(lambda r, n: (r.normal(size=n), 5.0), single=False)
def fixed_point(x, a):
    y = 1.0
    for _ in range(20):
        new = np.cos(y) / a + np.mean(x)
        if abs(new - y) < 1e-10:
            break
        y = new
    return y * y
