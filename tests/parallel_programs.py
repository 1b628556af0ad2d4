"""Loops over numba.prange, as a user writes them, with what is expected of them. They also run as plain Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np
from numba import prange


@dataclass(frozen=True)
class Case:
    """`why`: the notes of the loops that threads do not share, in value and gradient, that of the value first; () if they
    share all of them."""

    f: Callable[..., Any]
    draw: Callable[[np.random.Generator], tuple[Any, ...]]
    why: tuple[str, ...] = ()

    def arguments(self) -> tuple[Any, ...]:
        return self.draw(np.random.default_rng(sum(map(ord, self.f.__name__))))


CASES: list[Case] = []


def case(draw: Any, *why: str) -> Any:
    def register(f: Any) -> Any:
        CASES.append(Case(f, draw, why))
        return f

    return register


vector = lambda rng: (rng.uniform(0.2, 1.2, 23),)
matrix = lambda rng: (rng.uniform(0.2, 1.2, (21, 13)),)
gathers = lambda rng: (rng.uniform(0.2, 1.2, 23), rng.integers(-23, 23, 57))


@case(vector)
def sum_of_sines(x):
    s = 0.0
    for i in prange(x.shape[0]):
        s += np.sin(x[i]) * x[i]
    return s


@case(vector)
def another_name_for_prange(x):
    s = 2.0
    for i in nb.prange(1, x.shape[0] - 1):
        s -= x[i] * x[i]
    return s


@case(vector)
def by_numbers(x):
    s = 0.0
    for i in prange(23):
        s += x[i] ** 3
    return s


@case(vector)
def downwards_with_step(x):
    s = 0.0
    for i in prange(20, 0, -2):
        s += np.exp(-x[i])
    return s


@case(vector)
def own_cells(x):
    v = np.empty_like(x)
    for i in prange(x.shape[0]):
        v[i] = np.sin(x[i]) * x[i]
    return np.sum(v * v)


@case(vector)
def stencil(u):
    v = np.zeros_like(u)
    for i in prange(1, u.shape[0] - 1):
        v[i] = u[i - 1] * u[i] - 2.0 * u[i] * u[i + 1]
    return np.sum(v * v)


@case(matrix)
def stencil_of_a_grid(u):
    n, m = u.shape
    v = np.zeros_like(u)
    for i in prange(1, n - 1):
        for j in range(1, m - 1):
            v[i, j] = u[i - 1, j] * u[i + 1, j] + u[i, j - 1] * u[i, j + 1] - u[i, j] ** 2
    return np.sum(v * v)


@case(matrix)
def rows_on_their_own(a):
    out = np.empty(a.shape[0])
    for i in prange(a.shape[0]):
        s = 0.0
        for j in range(a.shape[1]):
            s += a[i, j] ** 2
        out[i] = np.sqrt(s)
    return np.sum(out * np.sin(out))


@case(matrix)
def array_expressions(a):
    s = 0.0
    for i in prange(a.shape[0]):
        e = np.exp(a[i] - np.max(a[i]))
        s += np.log(np.sum(e)) + e[0]
    return s


@case(matrix)
def matrix_times_vector(a):
    x = a[0]
    s = 0.0
    for i in prange(a.shape[0]):
        t = 0.0
        for j in range(a.shape[1]):
            t += a[i, j] * x[j]
        s += t * t
    return s


@case(gathers)
def gather(u, idx):
    s = 0.0
    for i in prange(idx.shape[0]):
        s += np.sin(u[idx[i]]) * u[idx[i]]
    return s


@case(gathers)
def histogram(u, idx):
    h = np.zeros(u.shape[0])
    for i in prange(idx.shape[0]):
        h[idx[i]] += u[i % u.shape[0]] ** 2
    return np.sum(h * h)


READ = "an iteration may read {} where another writes {}"
HANDED = "`{}` is handed from one iteration to the next"


@case(gathers, "h[t] may be written by two iterations", READ.format("h_bar[t]", "h_bar[t]"))
def scatter(u, idx):
    h = np.zeros(u.shape[0])
    for i in prange(idx.shape[0]):
        h[idx[i]] = u[i % u.shape[0]] ** 2
    return np.sum(h * h)


@case(vector, HANDED.format("s"), HANDED.format("s_bar"))
def recurrence(x):
    s = 0.5
    for i in prange(x.shape[0]):
        s = np.sin(s) + x[i]
    return s


@case(vector, READ.format("a[i - 1]", "a[i]"), READ.format("a_bar[i]", "a_bar[i - 1]"))
def in_place(x):
    a = x * 1.0
    for i in prange(1, x.shape[0]):
        a[i] = np.sin(a[i - 1]) * a[i]
    return np.sum(a)


@case(vector)
def last_value(x):
    """reads what is not written: the other half"""
    n = x.shape[0] // 2
    a = x * 1.0
    for i in prange(n):
        a[i] = a[i] * a[i + n]
    return np.sum(a * a)


@case(matrix)
def nested(a):
    """the inner one runs in the threads of the outer one"""
    s = 0.0
    for i in prange(a.shape[0]):
        for j in prange(a.shape[1]):
            s += np.sin(a[i, j] * a[i, 0])
    return s


@case(matrix)
def within_a_serial_loop(a):
    u = a[0] * 1.0
    for t in range(a.shape[0]):
        v = np.empty_like(u)
        for j in prange(u.shape[0]):
            v[j] = np.sin(u[j]) + a[t, j]
        u = v
    return np.sum(u * u)


@case(vector)
def branches(x):
    s = 0.0
    for i in prange(x.shape[0]):
        if x[i] > 0.7:
            s += np.log(x[i])
        elif x[i] > 0.4:
            s += x[i] ** 2
    return s


@case(vector)
def pairs(x):
    e = 0.0
    for i in prange(x.shape[0]):
        for j in range(i + 1, x.shape[0]):
            r = x[i] - x[j]
            if r * r < 0.3:
                e += r**4 - r * r
    return e


@case(vector)
def until_small(x):
    out = np.empty_like(x)
    for i in prange(x.shape[0]):
        y = x[i]
        while y > 0.1:
            y = 0.5 * y + 0.01 * np.sin(y)
        out[i] = y
    return np.sum(out * out)


@case(matrix)
def scratch(a):
    s = 0.0
    for i in prange(a.shape[0]):
        w = np.zeros(a.shape[1])
        for j in range(1, a.shape[1]):
            w[j] = w[j - 1] + a[i, j] ** 2
        s += w[a.shape[1] - 1] * w[1]
    return s


@case(matrix)
def two_sums(a):
    s, p = 0.0, 0.0
    for i in prange(a.shape[0]):
        s += a[i, 0]
        p += a[i, 1] * a[i, 0]
    return s * p


@case(matrix)
def columns(a):
    h = np.zeros(a.shape[1])
    for i in prange(a.shape[0]):
        h += a[i] * a[i]
    return np.sum(np.sqrt(h))
