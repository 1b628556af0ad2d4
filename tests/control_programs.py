"""Programs with loops, branches and early exits, as users write them. Each is a function and how to draw its arguments."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

PROGRAMS: list[Any] = []

Draw = Callable[[np.random.Generator, int], Any]
VECTOR: Draw = lambda r, n: r.uniform(0.5, 2.0, n)
SIGNED: Draw = lambda r, n: r.normal(size=n)
MATRIX: Draw = lambda r, n: r.uniform(0.5, 2.0, (n, n)) + 5 * np.eye(n)
GRID: Draw = lambda r, n: r.uniform(0.0, 1.0, (n, n + 1))


@dataclasses.dataclass(frozen=True)
class Case:
    f: Callable[..., Any]
    draws: tuple[Any, ...]
    second: bool  # is it worth the second order?

    def arguments(self, n: int) -> list[Any]:
        r = np.random.default_rng(sum(map(ord, self.f.__name__)) + n)
        return [d(r, n) if callable(d) else d for d in self.draws]


def case(*draws: Any, second: bool = False) -> Callable[[Any], Any]:
    def register(f: Any) -> Any:
        PROGRAMS.append(Case(f, draws, second))
        return f

    return register


# ---- numerical methods


@case(GRID, 4, second=True)
def heat(u0, steps):
    u = u0.copy()
    for t in range(steps):
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                u[i, j] += 0.1 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1] - 4 * u[i, j]) * (1 + u[i, j] ** 2)
    return np.sum(u * u)


@case(GRID, 5, second=True)
def heat_with_swap(u0, steps):
    u, v = u0.copy(), u0.copy()
    for t in range(steps):
        v[1:-1, 1:-1] = u[1:-1, 1:-1] + 0.1 * (u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4 * u[1:-1, 1:-1])
        u, v = v, u
    return np.sum(u * u)


@case(VECTOR, lambda r, n: r.uniform(4.0, 5.0, n), VECTOR, VECTOR, second=True)
def thomas(a, b, c, d):
    n = len(d)
    cp, dp, x = np.zeros(n), np.zeros(n), np.empty(n)
    cp[0] = c[0] / b[0]
    dp[0] = d[0] / b[0]
    for i in range(1, n):
        m = b[i] - a[i] * cp[i - 1]
        cp[i] = c[i] / m
        dp[i] = (d[i] - a[i] * dp[i - 1]) / m
    x[n - 1] = dp[n - 1]
    for i in range(n - 2, -1, -1):
        x[i] = dp[i] - cp[i] * x[i + 1]
    return np.sum(x * x)


@case(SIGNED, lambda r, n: r.normal(size=n + 2), 0.7, 0.3, second=True)
def needleman_wunsch(p, q, gap, temperature):
    """Alignment with soft minima."""
    n, m = p.shape[0], q.shape[0]
    F = np.zeros((n + 1, m + 1))
    for i in range(1, n + 1):
        F[i, 0] = gap * i
    for j in range(1, m + 1):
        F[0, j] = gap * j
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            a, b, c = F[i - 1, j - 1] + (p[i - 1] - q[j - 1]) ** 2, F[i - 1, j] + gap, F[i, j - 1] + gap
            low = min(a, b, c)
            e = np.exp((low - a) / temperature) + np.exp((low - b) / temperature) + np.exp((low - c) / temperature)
            F[i, j] = low - temperature * np.log(e)
    return F[n, m]


@case(1.7, second=True)
def newton(a):
    x, k = a, 0
    while abs(x * x - a) > 1e-12 and k < 50:
        x = 0.5 * (x + a / x)
        k += 1
    return x


@case(MATRIX, second=True)
def lu_scalar(M):
    A = M.copy()
    n = A.shape[0]
    for i in range(n):
        for k in range(i + 1, n):
            A[k, i] /= A[i, i]
            for j in range(i + 1, n):
                A[k, j] -= A[k, i] * A[i, j]
    d = 0.0
    for i in range(n):
        d += np.log(A[i, i])
    return d


@case(MATRIX, second=True)
def lu_with_slices(M):
    A = M.copy()
    n = A.shape[0]
    for j in range(n - 1):
        A[j + 1 :, j] /= A[j, j]
        A[j + 1 :, j + 1 :] -= A[j + 1 :, j][:, None] * A[j, j + 1 :]
    return np.sum(np.log(np.abs(A)))


@case(MATRIX)
def lu_with_rows(M):
    A = M.copy()
    n = A.shape[0]
    for i in range(n):
        for k in range(i + 1, n):
            A[k, i] /= A[i, i]
            A[k, i + 1 :] -= A[k, i] * A[i, i + 1 :]
    d = 1.0
    for i in range(n):
        d *= A[i, i] / 5
    return d


@case(lambda r, n: r.normal(size=(n, 3)), second=True)
def lennard_jones(x):
    e = 0.0
    for i in range(x.shape[0]):
        for j in range(i + 1, x.shape[0]):
            r2 = np.sum((x[i] - x[j]) ** 2) + 0.8
            if r2 < 9.0:
                e += 4.0 * (r2**-6 - r2**-3)
    return e


@case(lambda r, n: r.normal(size=(n, 2)) * 0.3, 30)
def mandelbrot(c, limit):
    """The distance after escape, smoothed."""
    total = 0.0
    for p in c:
        a, b = 0.0, 0.0
        for k in range(limit):
            a, b = a * a - b * b + p[0] * 3, 2 * a * b + p[1] * 3
            if a * a + b * b > 4.0:
                total += k + 0.1 * np.log(a * a + b * b)
                break
    return total


@case(0.3, 1.1, lambda r, n: r.normal(size=4 * n))
def random_walk(drift, scale, noise):
    x, high = 0.0, 0.0
    for z in noise:
        x = x + drift + scale * z
        if x > high:
            high = x
        elif x < -1.0:
            x = -2.0 - x
    return x + high


@case(lambda r, n: r.uniform(0.1, 3.8, 3 * n), VECTOR)
def particle_deposition(x, q):
    rho = np.zeros(5)
    for i in range(len(x)):
        k = int(x[i])
        w = x[i] - k
        rho[k] += q[i % len(q)] * (1 - w)
        rho[k + 1] += q[i % len(q)] * w
    return np.sum(rho * rho)


@case(VECTOR, VECTOR)
def weighted_histogram(x, w):
    h = np.zeros(4)
    for v, u in zip(x, w):
        for k in range(4):
            h[k] += u * np.exp(-((v - 0.5 * k) ** 2))
    return np.sum(h**3)


@case(VECTOR)
def prefix_sums(x):
    c = np.zeros(len(x) + 1)
    for i in range(len(x)):
        c[i + 1] = c[i] + x[i] ** 2
    return np.sum((c[2:] - c[:-2]) * x[1:] * x[:-1])


# ---- exits


@case(VECTOR, 3.0)
def early_return(x, limit):
    s = 0.0
    for i in range(x.shape[0]):
        s += x[i]
        if s > limit:
            return s * x[i]
        s = s * 1.1
    return -s


@case(MATRIX, 18.0)
def early_return_of_two(a, limit):
    s = 0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            if a[i, j] < 0.8:
                continue
            s += a[i, j]
            if s > limit:
                return s * 2
        s = s + 1
    return s


@case(VECTOR)
def early_return_of_arrays(x):
    def scaled(v):
        for i in range(len(v)):
            if v[i] > 1.5:
                return v * v[i], i
        return 2.0 * v, -1

    y, k = scaled(x)
    return np.sum(y) + k * y[k]


@case(VECTOR)
def return_in_while(x):
    i = 0
    while True:
        if x[i] > 1.4:
            return x[i] * i
        i += 1
        if i >= len(x):
            return -1.0 * x[0]


@case(MATRIX)
def while_in_for(A):
    c, total = 0.0, 0
    for i in range(A.shape[0]):
        j = 0
        while j < A.shape[1]:
            j += 1
            if A[i, j - 1] < 0.7:
                continue
            if A[i, j - 1] > 5:
                break
            c += A[i, j - 1]
            total += 1
        else:
            c -= 1
    return c * total


@case(VECTOR)
def try_finally(x):
    s = 0.0
    try:
        for i in range(len(x)):
            if x[i] > 1.5:
                return s * x[i]
            s += x[i]
    finally:
        s = 5
    return s * x[0]


@case(VECTOR)
def jump_within_a_branch(x):
    if x[0] > 1:
        if x[1] > 1.5:
            return x[0]
        y = 2.0
    else:
        y = 3.0
    return y * x[1]


@case(VECTOR)
def index_after_break(x):
    i = 0
    for i in range(len(x)):
        if x[i] > 1.2:
            break
    return x[i] * i


@case(VECTOR)
def bubble_sort(x):
    a = x.copy()
    for i in range(len(a)):
        for j in range(len(a) - 1 - i):
            if a[j] > a[j + 1]:
                a[j], a[j + 1] = a[j + 1], a[j]
    return a[0] + 2 * a[3]


@case(VECTOR, 0.9, second=True)
def bounds_that_are_computed(b, c):
    """Cells are written again by later iterations of the outer loop, in an inner loop whose length is not affine."""
    b = b.copy()
    n = len(b)
    for i in range(n):
        for q in range(max(0, i - 1), min(n, i + 2)):
            b[q] = np.sin(b[q]) * c
    return np.sum(b * b)


# ---- variables that a `break` leaves: `else` gives the others


@case(VECTOR, second=True)
def break_with_values(x):
    for j in range(len(x)):
        if x[j] > 0.7:
            if x[j - 1] < 1.8:
                v, w = x[j] * j, x[1:3]
                break
        if x[j] > 1.9:
            v, w = x[0], x[:2] * x[2]
            break
    else:
        v, w = 0, x[2:4]
    return v * x[1] + w.sum()


@case(VECTOR)
def break_or_return(x):
    for j in range(len(x)):
        if x[j] > 1.5:
            v = x[j] * j
            break
    else:
        return -x[0]
    return v * x[1]


@case(VECTOR)
def break_through_finally(x):
    s, j = 0.0, 0
    while j < len(x):
        try:
            if x[j] > 1.4:
                v = x[j] * j
                break
        finally:
            s += x[j]
            j += 1
        s += 1
    else:
        v = s
    return v * x[1] + s


@case(MATRIX)
def break_of_two(a):
    """In a loop that Python runs, and in one that is recorded."""
    s = 0.0
    for k in range(3):
        for j in range(len(a)):
            if a[k, j] > 1.2 + 0.1 * k:
                v = a[k, j] * j
                break
        else:
            break
        s += v
    else:
        s = 2.0 * s
    return s


@case(SIGNED, VECTOR, second=True)
def array_anew_in_every_other_step(a, m):
    """What the condition leaves alone is handed on, in the return sweep too."""
    for i in range(2 * len(m)):
        if i % 3 != 1:
            a = np.tanh(a * m)
    return np.sum(a * a)
