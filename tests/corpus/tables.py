"""Dynamic programming, clustering and simulation with state in Python's own structures."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from .cases import case


def softmin(a, b, c, t):
    low = min(a, b, c)
    return low - t * np.log(np.exp((low - a) / t) + np.exp((low - b) / t) + np.exp((low - c) / t))


@case(lambda r, n: (r.normal(size=n), r.normal(size=n + 1), 0.4), single=False)
def dynamic_time_warping(x, y, t):
    n, m = len(x), len(y)
    d = np.full((n + 1, m + 1), 1e3)
    d[0, 0] = 0.0
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            d[i, j] = (x[i - 1] - y[j - 1]) ** 2 + softmin(d[i - 1, j], d[i, j - 1], d[i - 1, j - 1], t)
    return d[n, m]


@case(lambda r, n: (r.normal(size=n), r.normal(size=n + 1), 0.3))
def smith_waterman(p, q, gap):
    """The best local alignment: hard maxima, two rows of the table."""
    best = 0.0
    before = np.zeros(len(q) + 1)
    for i in range(len(p)):
        now = np.zeros(len(q) + 1)
        for j in range(len(q)):
            score = 1.0 - (p[i] - q[j]) ** 2
            now[j + 1] = max(0.0, before[j] + score, before[j + 1] - gap, now[j] - gap)
            if now[j + 1] > best:
                best = now[j + 1]
        before = now
    return best


@case(lambda r, n: (r.normal(size=(n, 3)), r.normal(size=(3, 3))), single=False)
def forward_algorithm(emissions, transitions):
    """A hidden Markov chain, in logarithms."""
    steps, states = emissions.shape
    alpha = emissions[0].copy()
    for t in range(1, steps):
        new = np.empty(states)
        for k in range(states):
            high = -np.inf
            for j in range(states):
                high = max(high, alpha[j] + transitions[j, k])
            s = 0.0
            for j in range(states):
                s += np.exp(alpha[j] + transitions[j, k] - high)
            new[k] = high + np.log(s) + emissions[t, k]
        alpha = new
    return np.log(np.sum(np.exp(alpha - alpha.max()))) + alpha.max()


@case(lambda r, n: (r.normal(size=(n, 3)), r.normal(size=(3, 3))))
def viterbi(emissions, transitions):
    """The best path, followed back through a table of integers."""
    n, k = emissions.shape
    score = emissions[0].copy()
    back = np.zeros((n, k), dtype=np.int64)
    for t in range(1, n):
        new = np.zeros(k)
        for j in range(k):
            best, arg = score[0] + transitions[0, j], 0
            for i in range(1, k):
                if score[i] + transitions[i, j] > best:
                    best, arg = score[i] + transitions[i, j], i
            new[j] = best + emissions[t, j]
            back[t, j] = arg
        score = new
    state = int(np.argmax(score))
    path = emissions[n - 1, state]
    for t in range(n - 1, 0, -1):
        state = back[t, state]
        path += emissions[t - 1, state]
    return score.max() ** 2 + path


@case(lambda r, n: (r.normal(size=(2 * n, 2)), r.normal(size=(3, 2))))
def k_means_step(points, centres):
    """Assignment, new centres, and the distortion of these."""
    k = centres.shape[0]
    for _ in range(2):
        sums, counts = np.zeros_like(centres), np.zeros(k)
        for i in range(points.shape[0]):
            nearest, least = 0, np.inf
            for c in range(k):
                d = 0.0
                for j in range(points.shape[1]):
                    d += (points[i, j] - centres[c, j]) ** 2
                if d < least:
                    nearest, least = c, d
            sums[nearest] += points[i]
            counts[nearest] += 1.0
        centres = (sums + 0.1 * centres) / (counts + 0.1)[:, None]
    total = 0.0
    for i in range(points.shape[0]):
        least = np.inf
        for c in range(k):
            least = min(least, np.sum((points[i] - centres[c]) ** 2))
        total += least
    return total


@case(lambda r, n: (r.uniform(1, 2, n), r.integers(1, 4, n), 2.5), single=False)
def knapsack_relaxed(values, weights, t):
    """Soft maxima; capacities are the inner loop, downwards."""
    capacity = 8
    best = np.zeros(capacity + 1)
    for i in range(len(values)):
        for c in range(capacity, weights[i] - 1, -1):
            a, b = best[c], best[c - weights[i]] + values[i]
            best[c] = np.logaddexp(t * a, t * b) / t
    return best[capacity]


@numba.njit
def gravity(dx, dy, soft):
    r2 = dx * dx + dy * dy + soft
    return dx / r2**1.5, dy / r2**1.5


@case(lambda r, n: (r.normal(size=(n, 2)), r.normal(size=(n, 2)) / 5, r.uniform(0.5, 1, n)))
def leapfrog(x, v, mass):
    """Helpers compiled by Numba, forces written into an output parameter."""

    def forces(x, out):
        out[:] = 0.0
        for i in range(x.shape[0]):
            for j in range(x.shape[0]):
                if i != j:
                    fx, fy = gravity(x[j, 0] - x[i, 0], x[j, 1] - x[i, 1], 0.5)
                    out[i, 0] += mass[j] * fx
                    out[i, 1] += mass[j] * fy

    x, v = x.copy(), v.copy()
    f = np.empty_like(x)
    forces(x, f)
    for _ in range(3):
        v += 0.05 * f
        x += 0.1 * v
        forces(x, f)
        v += 0.05 * f
    return np.sum(mass * np.sum(v**2, axis=1)) + x[0, 0]


@dataclass
class Bank:
    level: float
    tax: float
    history: np.ndarray


@case(lambda r, n: (Bank(10.0, 0.1, r.uniform(0.5, 1, n)), r.normal(size=n)), single=False)
def ledger(bank, flows):
    """A record whose fields change as a loop goes on."""
    stats = {"high": bank.level, "paid": 0.0, "steps": 0}
    for i in range(len(flows)):
        gain = flows[i] * bank.history[i]
        if gain > 0.0:
            stats["paid"] += bank.tax * gain
            gain -= bank.tax * gain
        bank.level += gain
        bank.history[i] = bank.level
        stats["high"] = max(stats["high"], bank.level)
        stats["steps"] += 1
    return stats["high"] + stats["paid"] * bank.level + np.sum(bank.history) / stats["steps"]


class Adam:
    """An optimiser as a class, with its moments as attributes."""

    def __init__(self, like, rate):
        self.m, self.v, self.t, self.rate = np.zeros_like(like), np.zeros_like(like), 0, rate

    def step(self, x, g):
        self.t += 1
        self.m = 0.9 * self.m + 0.1 * g
        self.v = 0.99 * self.v + 0.01 * g * g
        return x - self.rate * self.m / (1 - 0.9**self.t) / (np.sqrt(self.v / (1 - 0.99**self.t)) + 1e-2)


@case(lambda r, n: (r.normal(size=n), 0.3), single=False)
def unrolled_optimiser(x, rate):
    """The derivative through ten steps of another optimisation."""
    adam = Adam(x, rate)
    for _ in range(10):
        x = adam.step(x, 4.0 * x**3 - 2.0 * x + 0.3)
    return np.sum(x**4 - x**2 + 0.3 * x)


@case(lambda r, n: (r.normal(size=2 * n),))
def closure_with_state(x):
    count, mean, m2 = 0, 0.0, 0.0

    def push(v):
        """Welford's update."""
        nonlocal count, mean, m2
        count += 1
        d = v - mean
        mean += d / count
        m2 += d * (v - mean)

    for v in x:
        push(v)
        if v > 0.5:
            push(v * v)
    return m2 / (count - 1) + mean


@case(lambda r, n: (r.normal(size=n),), kinks=True)
def odd_even_sort(x):
    """Passes with swaps until nothing moves."""
    a = x.copy()
    moved = True
    while moved:
        moved = False
        for start in (0, 1):
            for i in range(start, len(a) - 1, 2):
                if a[i] > a[i + 1]:
                    a[i], a[i + 1] = a[i + 1], a[i]
                    moved = True
    s = 0.0
    for i, v in enumerate(a):
        s += (i + 1) * v * abs(v)
    return s


@case(lambda r, n: (r.normal(size=n),))
def sum_of_pairs_by_stack(x):
    """A stack in an array, with its height in an integer."""
    stack = np.zeros(len(x))
    top, total = 0, 0.0
    for v in x:
        while top > 0 and stack[top - 1] < v:
            top -= 1
            total += stack[top] * v
        stack[top] = v
        top += 1
    while top > 0:
        top -= 1
        total += stack[top] ** 2
    return total


@case(lambda r, n: (r.normal(size=n), r.integers(0, 3, 3 * n)), kinks=True)
def stack_machine(x, code):
    """Opcodes choose what is done: match on integers of the program."""
    a, b = 1.0, 0.5
    for k in range(len(code)):
        v = x[k % len(x)]
        op = code[k]
        if op == 0:
            a = np.tanh(a + v)
        elif op == 1:
            a, b = b, a
        else:
            b = b * np.cos(v) + 0.1 * a
    return a * b


@case(lambda r, n: (r.uniform(0.5, 1.5, n), 0.2, 3.0), single=False)
def adaptive_steps(k, tolerance, horizon):
    """Heun's method with step control: a while loop whose length depends on the data, rejected steps included."""
    y, t, h = np.ones_like(k), 0.0, 0.5
    steps = 0
    while t < horizon and steps < 200:
        h = min(h, horizon - t)
        f0 = -k * y + np.sin(t)
        f1 = -k * (y + h * f0) + np.sin(t + h)
        error = np.max(np.abs(f1 - f0)) * h / 2
        if error < tolerance:
            y = y + 0.5 * h * (f0 + f1)
            t += h
        h *= min(2.0, max(0.3, 0.9 * np.sqrt(tolerance / (error + 1e-9))))
        steps += 1
    return np.sum(y * y)


@case(lambda r, n: (r.normal(size=2 * n),))
def nearest_larger(x):
    """for/else, continue, and an index that outlives its loop."""
    total = 0.0
    for i in range(len(x)):
        if x[i] < -1.0:
            continue
        for j in range(i + 1, len(x)):
            if x[j] > x[i]:
                gap = j - i
                break
        else:
            gap = len(x)
        total += x[i] * x[i] / gap
    return total


@case(lambda r, n: (r.uniform(0.2, 1.0, (n, n)),))
def shortest_paths(w):
    """Floyd and Warshall, and the mean of what they find."""
    d = w.copy()
    n = d.shape[0]
    for i in range(n):
        d[i, i] = 0.0
    for k in range(n):
        for i in range(n):
            for j in range(n):
                via = d[i, k] + d[k, j]
                if via < d[i, j]:
                    d[i, j] = via
    return d.mean()


@case(lambda r, n: (r.uniform(0.5, 1.5, n), np.arange(n) // 3), kinks=True)
def segments(x, label):
    """Sums by group, a group being a run of one label."""
    total, i, n = 0.0, 0, len(x)
    while i < n:
        j, s = i, 0.0
        while j < n and label[j] == label[i]:
            s += x[j]
            j += 1
        total += np.log(s) * (j - i)
        i = j
    return total
