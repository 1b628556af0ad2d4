"""Black-Scholes, 10^6 options, five inputs each: the sum of the prices and all its sensitivities."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import erf

import jitgrad as jg
from jitgrad.emit import vecmath
from jitgrad.emit.vecmath import exp, log, sqrt

from . import Row, race
from ._peers import hand, jax_gradient, rng

erf_of_cell = vecmath.erf
EVERY = (0, 1, 2, 3, 4)


def prices(S, K, T, r, v):
    root = v * np.sqrt(T)
    d1 = (np.log(S / K) + (r + 0.5 * v * v) * T) / root
    d2 = d1 - root
    n1 = 0.5 + 0.5 * erf(d1 * 0.7071067811865476)
    n2 = 0.5 + 0.5 * erf(d2 * 0.7071067811865476)
    return np.sum(S * n1 - K * np.exp(-r * T) * n2)


@hand
def by_hand(S, K, T, r, v):
    S_bar, K_bar, T_bar = np.empty_like(S), np.empty_like(S), np.empty_like(S)
    r_bar, v_bar = np.empty_like(S), np.empty_like(S)
    total = 0.0
    for i in range(S.shape[0]):
        root_T = sqrt(T[i])
        root = v[i] * root_T
        rate = r[i] + 0.5 * v[i] * v[i]
        top = log(S[i] / K[i]) + rate * T[i]
        one = 1.0 / root
        d1 = top * one
        d2 = d1 - root
        n1 = 0.5 + 0.5 * erf_of_cell(d1 * 0.7071067811865476)
        n2 = 0.5 + 0.5 * erf_of_cell(d2 * 0.7071067811865476)
        e = exp(-r[i] * T[i])
        Ke = K[i] * e
        total += S[i] * n1 - Ke * n2
        d2_bar = -Ke * 0.3989422804014327 * exp(-0.5 * d2 * d2)
        d1_bar = S[i] * 0.3989422804014327 * exp(-0.5 * d1 * d1) + d2_bar
        top_bar = d1_bar * one
        root_bar = -d2_bar - top_bar * d1
        Ken2 = Ke * n2
        S_bar[i] = n1 + top_bar / S[i]
        K_bar[i] = -e * n2 - top_bar / K[i]
        T_bar[i] = Ken2 * r[i] + top_bar * rate + 0.5 * root_bar * v[i] / root_T
        r_bar[i] = Ken2 * T[i] + top_bar * T[i]
        v_bar[i] = top_bar * T[i] * v[i] + root_bar * root_T
    return total, (S_bar, K_bar, T_bar, r_bar, v_bar)


def options(n: int) -> tuple[np.ndarray, ...]:
    g = rng()
    lo_hi = ((80.0, 120.0), (80.0, 120.0), (0.2, 2.0), (0.01, 0.05), (0.1, 0.5))
    return tuple(g.uniform(lo, hi, size=n) for lo, hi in lo_hi)


def bench() -> Iterator[Row]:
    ours = jg.value_and_grad(prices, argnums=EVERY)
    for n in (1_000, 1_000_000):
        args = options(n)
        yield race(
            f"{n:,} options", lambda: ours(*args), {"by hand": lambda: by_hand(*args), "jax": jax_gradient(prices, args, EVERY)}
        )
