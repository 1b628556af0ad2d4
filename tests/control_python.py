"""More programs with loops and branches: what happens to Python's variables, containers, objects and functions in them."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, NamedTuple

import numba
import numpy as np

import jitgrad

from .control_programs import MATRIX, SIGNED, VECTOR, case


@case(VECTOR)
def conditions(x):
    s = 0.0
    for i in range(len(x)):
        s += x[i] if 0.6 < x[i] < 1.5 and i > 0 and x[i - 1] > 0.7 else -x[i] if not (i == 2 or x[i] > 1.8) else 0
    return s


@case(VECTOR)
def kinds_of_iteration(x):
    s = 0.0
    for i, v in enumerate(x):
        s += i * v
    for a, b in zip(x, x[::-1]):
        s += a * b
    for i in reversed(range(len(x))):
        s = s * 0.5 + x[i]
    for k in range(len(x) - 1, 0, -2):
        s = np.sin(s) + x[k] * k
    for (i,) in np.ndindex(x.shape):
        s += x[i] ** 2
    for i in np.arange(1, len(x)):
        s = s * 0.9 + x[i - 1]
    return s


@case(VECTOR)
def iteration_over_computed_ranges(x):
    n, s = len(x), 0.0
    for i in range(n):
        for k, j in enumerate(range(i, n)):
            s = s * 0.9 + x[j] ** 2 * k
        for a, b in zip(range(i, n), range(n - i)):
            s += x[a] * x[b]
        for j in reversed(range(i, n)):
            s = s * 0.7 + np.sin(x[j])
        for j in jitgrad.checkpoint(range(i, n), every=2):
            s = s * 0.9 + x[j]
        s += len(range(i, n))
    return s


@case(SIGNED)
def masks_written_in_loops(y):
    a, s = y.copy(), 0.0
    for i in range(len(a)):
        m = a > 0.1 * i
        a[m] -= 0.2 * a[m] ** 2
        a[a < -0.3] *= 0.5
        s += np.sum(a[m]) + a[m].sum() * i
    return s + np.sum(a)


@case(MATRIX)
def rows_are_views(A):
    B = A.copy()
    for row in B:
        row[0] = np.sum(row[1:])
        row *= 0.5
    for i, j in np.ndindex(B.shape):
        if i < j:
            B[i, j] += B[j, i] ** 2
    return np.sum(B)


@case(MATRIX)
def cells_by_their_indices(A):
    """Loops over grids, left early and counted."""
    table, s = np.arange(40.0).reshape(5, 8), 0.0
    for k, (i, j) in enumerate(np.ndindex(A.shape)):
        s += A[i, j] * A[i, 0] * k
    for (i, j), v in np.ndenumerate(A):
        if v < 0.0 or i == j:
            continue
        s += v * v * (i - j)
        if s > 1e3:
            break
    for (i, j), w in np.ndenumerate(table):
        s += w * A[i % 2, j % 2]
    for i, j in np.ndindex(2, 12):
        s += A[i, i] ** j
    return s


@case(MATRIX)
def flat_cells(A):
    B, s = A.copy(), 0.0
    for v, w in zip(A.T.flat, A[::-1].flat):
        s += np.sin(v) * w
    for k in range(1, B.size):
        B.flat[k] += 0.5 * B.flat[k - 1]
    B.flat[::3] = A.flat[-1]
    C = np.empty(B.T.shape)
    C.flat = B
    for v in C.flat:
        s = 0.9 * s + v * v
    C.T.flat = 2.0
    return s + np.sum(C) * len(A.flat) + A.T.flat[1:4].sum()


@case(VECTOR)
def triangular(x):
    n, s = len(x), 0.0
    for i in range(n):
        row = x[i:]
        for j in range(i, n):
            s += row[j - i] * x[j]
        for j in range(max(0, i - 1), min(n, i + 2)):
            s += x[j] ** 2
    return s


@case(VECTOR)
def windows(x):
    s = 0.0
    for i in range(1, len(x) - 1):
        w = x[i - 1 : i + 2]
        s += w.max() * np.sum(w * np.array([1.0, 2.0, 3.0]))
    return s


@case(VECTOR)
def strides_of_computed_parts(x):
    s, y = 0.0, x.copy()
    for k in range(len(x)):
        s += np.sum(x[k::2] ** 2) * x[: k + 1 : 3].sum() + np.dot(x[k::-1], x[: k + 1])
        y[k::-2] *= 0.9
        y[:k][::-1] += 0.1 * x[:k]
        s += x[len(x) - 1 : k : -1].sum() + np.sum(y[k:][::-3])
    return s


@case(VECTOR)
def helpers_that_write(x):
    y = np.zeros(x.shape[0])

    def put(k, v):
        y[k] = v

    def smooth(a, w):
        for i in range(1, a.shape[0] - 1):
            a[i] = (a[i - 1] + w * a[i] + a[i + 1]) / (2 + w)

    for i in range(x.shape[0]):
        put(i, x[i] ** 2)
    smooth(y, 2.0)
    smooth(y[1:-1], 3.0)
    return y[2] + y.sum()


@numba.njit
def compiled(x, y):
    if x > y:
        return x
    return y * y


@numba.vectorize
def damped(x, w):
    k = 0
    while x > 0.4 and k < 6:
        x, k = x * w, k + 1
    return x * k if k > 1 else x * x


@numba.guvectorize(["(float64[:], float64[:], float64[:])"], "(n),()->(n)")
def smoothed(x, w, out):
    out[0] = x[0]
    for i in range(1, x.shape[0]):
        out[i] = w[0] * out[i - 1] + (1.0 - w[0]) * x[i]


@case(MATRIX, VECTOR, second=True)
def ufuncs_of_the_user(A, x):
    s = np.sum(damped(A, 0.1 + 0.3 * x))
    for i in range(A.shape[0]):
        s += damped(x[i], 0.45) + np.sum(smoothed(A[i:], x[i])) * 0.01
    return s + np.sum(smoothed(A, x) * damped(x[:, None], 0.45))


@dataclasses.dataclass
class Weight:
    w: float

    def f(self, z):
        if z > 1:
            return z * self.w
        return z


@case(VECTOR)
def called_functions(x):
    p = Weight(3.0)
    g = functools.partial(p.f)
    s = 0.0
    for v in x:
        s = s + p.f(v) * g(v) + (lambda u: u if u > 1 else -u)(v) + compiled(v, 1.0)
    return s


@case(VECTOR)
def nonlocal_variable(x):
    n, y = 0.0, x * 1.0

    def add(v):
        nonlocal n, y
        n += v
        y = y * 0.9

    for i in range(len(x)):
        if x[i] > 1:
            add(x[i])
    return n * np.sum(y)


class State(NamedTuple):
    s: Any
    v: Any


@case(VECTOR)
def containers(x):
    state, d, pair = State(0.0, np.zeros(3)), {"a": 0, "b": 1.0}, [0.0, 1.0]
    for i in range(len(x)):
        s, v = state
        v = v + x[i]
        state = State(s + v[1], v)
        d = {"a": d["a"] + x[i], "b": d["b"] * x[i]}
        pair[0] += x[i]
        pair[1] *= x[i]
    return state.s + state.v[0] + d["a"] * d["b"] + pair[0] * pair[1]


@dataclasses.dataclass(frozen=True)
class Body:
    place: Any
    speed: float
    name: str = "moon"

    def moved(self, h):
        return dataclasses.replace(self, place=self.place + h * self.speed)


@case(VECTOR, second=True)
def frozen_records(x):
    """A new record in each iteration, or on one side of a branch."""
    a, far = Body(x[:2], 0.0), None
    for i in range(len(x)):
        a = Body(a.place, a.speed - 0.1 * a.place[0] * x[i], a.name).moved(0.2)
        far = a if far is None or a.place[1] > far.place[1] else Body(far.place * 0.9, a.speed)
        if a.speed < -0.4 and a.name == "moon":
            a = dataclasses.replace(a, speed=-a.speed)
    return np.sum(a.place**2) + a.speed + far.speed * far.place[0]


class Counter:
    def __init__(self):
        self.s, self.last, self.sizes = 0.0, 1, {"k": 0.0}


@case(VECTOR)
def objects(x):
    a = Counter()
    for i in range(len(x)):
        a.s += x[i] * a.last
        if x[i] > 1:
            a.last = x[i]
            a.sizes["k"] += a.last**2
    return a.s * a.last + a.sizes["k"]


@case(VECTOR)
def static_recursion(x):
    def power(v, k):
        return v * 0 + 1.0 if k == 0 else v * power(v, k - 1)

    s = 0.0
    for v in x:
        s += power(v, 4)
    return s


@case(VECTOR)
def none_at_first(x):
    best = None
    for i in range(len(x)):
        if best is None or x[i] > best:
            best = x[i]
    return best


@case(VECTOR)
def number_that_becomes_an_array(x):
    s = 0
    for i in range(len(x)):
        s = s + x * i
    return np.sum(s * s)


@case(VECTOR)
def last_of_the_loop(x):
    for i in range(len(x)):
        t = x[i] * i
    return t + i


@case(VECTOR)
def walrus(x):
    s, t = 0.0, x[0]
    while (t := t * 0.5) > 0.01:
        s += t
    return s + t


@case(VECTOR)
def generator(x):
    def halves():
        for i in range(len(x)):
            yield x[i] / 2

    s = 0.0
    for v in halves():
        if v > 0.5:
            s += v
    return s


@case(VECTOR, -1.0)
def raising(x, w):
    s = 0.0
    for v in x:
        if v < 0:
            raise ValueError("negative")
        s += v**0.5
    assert s > 0, "s"
    if w > 0:
        raise ValueError("w")
    return s * w


@case(VECTOR)
def index_of_the_largest(x):
    k = 0
    for i in range(1, len(x)):
        if x[i] > x[k]:
            k = i
    return x[k] * k


@case(VECTOR)
def views_of_branches(x):
    y = x.copy()
    r = y[1:4] if x[0] > 1.1 else y[2:5]
    s = r.sum()
    for i in range(len(x)):
        if x[i] > 1:
            w = y[i:]
            w[0] = 3.0
        elif x[i] > 0.8:
            y[i] *= 2
        else:
            y[0] += 1
    return y.sum() + s


@case(VECTOR)
def strings_and_layers(x):
    layers = [lambda z, k=k: np.sin(z * k) for k in range(10)]
    h, mode = x, "first"
    for i in range(10):
        h = h + layers[i](x)
        if mode == "first":
            h = h * 0.5
        mode = "later"
    return h.sum()


@case(VECTOR, SIGNED)
def slices_of_outer_loops(x, y):
    a, s = x.copy(), 0.3
    for i in range(len(a)):
        for j in range(i):
            if a[j - 1] < y[i]:
                continue
            for k in range(i, len(a)):
                a[j:] = a[j:] * 0.5 + s
    return np.sum(a * y)
