"""Log likelihood of a Gaussian mixture, d = 32, K = 50, N = 10,000, full covariances: value and gradient.

The precision of component k is W^T W, W lower triangular with the exponential of q[k] on its diagonal (the parameters
of the benchmark suite ADBench: Srajer, Kukelova, Fitzgibbon, Optimization Methods and Software 33, 2018).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import jitgrad as jg

from . import Row, race
from ._peers import jax, jax_gradient, rng


def likelihood(alpha, mu, q, L, x):
    """One component after the other: for each, all points."""
    K, N = mu.shape[0], x.shape[0]
    terms = np.zeros((K, N))
    for k in range(K):
        W = np.tril(L[k], -1) + np.diag(np.exp(q[k]))
        y = (x - mu[k]) @ W.T
        terms[k] = alpha[k] + np.sum(q[k]) - 0.5 * np.sum(y * y, axis=1)
    top = np.max(terms, axis=0)
    mixed = np.sum(top + np.log(np.sum(np.exp(terms - top), axis=0)))
    peak = np.max(alpha)
    return mixed - N * (peak + np.log(np.sum(np.exp(alpha - peak))))


def likelihood_at_once(alpha, mu, q, L, x):
    """The same, as one writes it for JAX: all components at once."""
    N, d = x.shape
    W = np.tril(L, -1) + np.exp(q)[:, :, None] * np.eye(d)
    y = (x[None] - mu[:, None]) @ np.swapaxes(W, 1, 2)
    terms = (alpha + np.sum(q, axis=1))[:, None] - 0.5 * np.sum(y * y, axis=2)
    top = np.max(terms, axis=0)
    mixed = np.sum(top + np.log(np.sum(np.exp(terms - top), axis=0)))
    peak = np.max(alpha)
    return mixed - N * (peak + np.log(np.sum(np.exp(alpha - peak))))


def mixture(d: int, K: int, N: int) -> tuple[np.ndarray, ...]:
    r = rng()
    q, L = 0.1 * r.normal(size=(K, d)), 0.1 * r.normal(size=(K, d, d))
    return r.normal(size=K), r.normal(size=(K, d)), q, L, r.normal(size=(N, d))


def bench() -> Iterator[Row]:
    ours = jg.value_and_grad(likelihood, argnums=(0, 1, 2, 3))
    for d, K, N in ((4, 5, 1_000), (32, 50, 10_000)):
        args = mixture(d, K, N)
        theirs = jax_gradient(likelihood_at_once, args, (0, 1, 2, 3)) if jax else None
        yield race(f"d = {d}, K = {K}, N = {N:,}", lambda: ours(*args), {"jax": theirs})
