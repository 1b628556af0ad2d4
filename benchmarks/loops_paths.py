"""Dynamic programming: the log of the sum over all paths through 1,000 steps of 32 states, by both tables."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import jitgrad as jg
from jitgrad.emit.vecmath import exp, log

from . import Row, race
from ._peers import compiled_by_jax, hand, rng

STEPS, STATES = 1_000, 32


def paths(score, step):
    n, m = score.shape
    v = np.zeros(m)
    w = np.zeros(m)
    for k in range(m):
        v[k] = score[0, k]
    for t in range(1, n):
        for k in range(m):
            top = v[0] + step[0, k]
            for j in range(1, m):
                top = max(top, v[j] + step[j, k])
            s = 0.0
            for j in range(m):
                s += np.exp(v[j] + step[j, k] - top)
            w[k] = score[t, k] + top + np.log(s)
        for k in range(m):
            v[k] = w[k]
    s = 0.0
    for k in range(m):
        s += np.exp(v[k])
    return np.log(s)


@hand
def paths_by_hand(score, step):
    n, m = score.shape
    v, tops, sums = np.empty((n, m)), np.empty((n, m)), np.empty((n, m))
    taken = np.empty((n, m, m), np.bool_)
    for k in range(m):
        v[0, k] = score[0, k]
    for t in range(1, n):
        for k in range(m):
            top = v[t - 1, 0] + step[0, k]
            for j in range(1, m):
                c = v[t - 1, j] + step[j, k]
                taken[t, k, j] = c > top
                if c > top:
                    top = c
            s = 0.0
            for j in range(m):
                s += exp(v[t - 1, j] + step[j, k] - top)
            v[t, k] = score[t, k] + top + log(s)
            tops[t, k], sums[t, k] = top, s
    s = 0.0
    for k in range(m):
        s += exp(v[n - 1, k])
    v_bar, u_bar = np.empty(m), np.empty(m)
    score_bar, step_bar = np.zeros((n, m)), np.zeros((m, m))
    for k in range(m):
        v_bar[k] = exp(v[n - 1, k]) / s
    for t in range(n - 1, 0, -1):
        u_bar[:] = 0.0
        for k in range(m):
            g, top = v_bar[k], tops[t, k]
            score_bar[t, k] = g
            top_bar = g
            g /= sums[t, k]
            for j in range(m):
                c_bar = g * exp(v[t - 1, j] + step[j, k] - top)
                u_bar[j] += c_bar
                step_bar[j, k] += c_bar
                top_bar -= c_bar
            for j in range(m - 1, 0, -1):
                if taken[t, k, j]:
                    u_bar[j] += top_bar
                    step_bar[j, k] += top_bar
                    top_bar = 0.0
            u_bar[0] += top_bar
            step_bar[0, k] += top_bar
        v_bar, u_bar = u_bar, v_bar
    for k in range(m):
        score_bar[0, k] = v_bar[k]
    return log(s), (score_bar, step_bar)


def paths_for_jax(jax, np):
    def total(score, step):
        def advance(v, row):
            c = v[:, None] + step
            top = np.max(c, axis=0)
            return row + top + np.log(np.sum(np.exp(c - top), axis=0)), None

        v, _ = jax.lax.scan(advance, score[0], score[1:])
        return np.log(np.sum(np.exp(v)))

    return total


def tables() -> tuple[np.ndarray, np.ndarray]:
    """Such that the sum neither grows nor shrinks much from step to step."""
    return 0.01 * rng().uniform(size=(STEPS, STATES)), rng().uniform(size=(STATES, STATES)) - np.log(STATES * (np.e - 1.0))


def bench() -> Iterator[Row]:
    args, both = tables(), (0, 1)
    ours, value, hand_value = jg.value_and_grad(paths, argnums=both), jg.jit(paths), hand(paths)
    by_jax = compiled_by_jax(paths_for_jax, args, both)
    yield race("value and gradient", lambda: ours(*args), {"by hand": lambda: paths_by_hand(*args), "jax": by_jax})
    yield race("the value", lambda: value(*args), {"by hand": lambda: hand_value(*args)})
