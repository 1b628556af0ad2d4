"""Likelihoods and prices."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import erf, gammaln, logsumexp

from .cases import case


def lower_factors(r, k, d):
    return np.tril(0.3 * r.normal(size=(k, d, d))) + np.eye(d)


@case(lambda r, n: (r.normal(size=3), r.normal(size=(3, 2)), lower_factors(r, 3, 2), r.normal(size=(n, 2))))
def gaussian_mixture(weights, means, factors, x):
    """The log-likelihood; the precisions are given by Cholesky factors."""
    log_w = weights - logsumexp(weights)
    logs = []
    for k in range(3):
        z = (x - means[k]) @ factors[k]
        logs.append(log_w[k] - 0.5 * np.sum(z**2, axis=1) + np.sum(np.log(np.abs(np.diag(factors[k])))))
    return np.sum(logsumexp(np.stack(logs), axis=0)) - len(x) * math.log(2 * math.pi)


def normal_cdf(x):
    return 0.5 * (1 + erf(x / np.sqrt(2)))


@case(lambda r, n: (r.uniform(80, 120, n), r.uniform(80, 120, n), 0.03, r.uniform(0.1, 0.4, n), r.uniform(0.5, 2, n)))
def black_scholes(spot, strike, rate, sigma, maturity):
    root = sigma * np.sqrt(maturity)
    d1 = (np.log(spot / strike) + (rate + sigma**2 / 2) * maturity) / root
    d2 = d1 - root
    return np.sum(spot * normal_cdf(d1) - strike * np.exp(-rate * maturity) * normal_cdf(d2))


@case(lambda r, n: (105.0, 100.0, 0.03, 0.25, 1.5), single=False)
def black_scholes_in_math(spot, strike, rate, sigma, maturity):
    root = sigma * math.sqrt(maturity)
    d1 = (math.log(spot / strike) + (rate + sigma**2 / 2) * maturity) / root
    cdf = lambda x: 0.5 * (1 + math.erf(x / math.sqrt(2)))
    return spot * cdf(d1) - strike * math.exp(-rate * maturity) * cdf(d1 - root)


@case(lambda r, n: (2.3, 0.8, r.uniform(0.2, 4, n)))
def gamma_likelihood(shape, scale, x):
    return np.sum((shape - 1) * np.log(x) - x / scale) - x.size * (gammaln(shape) + shape * np.log(scale))


@case(lambda r, n: (np.array([0.1, 0.5, 0.3]), r.normal(size=n + 5)), kinks=True)
def garch(params, returns):
    """A variance that feeds on itself."""
    omega, alpha, beta = params
    var = returns.var()
    total = 0.0
    for r in returns:
        total += np.log(var) + r * r / var
        var = omega + alpha * r**2 + beta * var
    return 0.5 * total


@case(lambda r, n: (r.normal(size=n), r.normal(size=n), 0.2, 1.3))
def student_t(x, z, rho, nu):
    q = (x * x - 2 * rho * x * z + z * z) / (1 - rho**2)
    return -(nu / 2 + 1) * np.log1p(q / nu).sum() - len(x) * 0.5 * np.log(1 - rho**2)


@case(lambda r, n: (np.array([0.2, -0.4]), r.integers(0, 6, n), r.normal(size=n)))
def poisson_regression(beta, counts, x):
    eta = beta[0] + beta[1] * x
    return np.sum(np.exp(eta) - counts * eta + gammaln(counts + 1.0))


@case(lambda r, n: (r.normal(size=5) / 3, r.normal(size=(n, 5)), r.random(n) < 0.6))
def cox_regression(beta, x, died):
    """The partial likelihood; rows are sorted by time."""
    eta = x @ beta
    at_risk = np.cumsum(np.exp(eta)[::-1])[::-1]
    return -np.sum(np.where(died, eta - np.log(at_risk), 0.0))


@case(lambda r, n: (r.uniform(0.5, 2, n), r.normal(size=(n, n)), r.normal(size=(n + 9, n))))
def portfolio(holdings, tilt, returns):
    w = holdings / holdings.sum()
    cov = np.cov(returns, rowvar=False)
    risk = np.sqrt(w @ cov @ w)
    return returns.mean(0).dot(w) / risk - 0.01 * np.abs(tilt @ w).sum()


@case(lambda r, n: (r.uniform(0.5, 1.5, (n, n + 1)), r.uniform(0.1, 1, n), r.uniform(0.1, 1, n + 1)))
def sinkhorn(cost, a, b, eps=0.3):
    """Optimal transport."""
    a, b = a / np.sum(a), b / np.sum(b)
    f, g = np.zeros_like(a), np.zeros_like(b)
    for _ in range(5):
        f = eps * (np.log(a) - logsumexp((g[None, :] - cost) / eps, axis=1))
        g = eps * (np.log(b) - logsumexp((f[:, None] - cost) / eps, axis=0))
    plan = np.exp((f[:, None] + g - cost) / eps)
    return np.sum(plan * cost)


@case(lambda r, n: (r.normal(size=(n, 3)), r.uniform(0.5, 1.5, 3), r.dirichlet(np.ones(3), n)))
def dirichlet(logits, alpha, p):
    a = alpha + np.exp(logits)
    return np.sum(gammaln(a.sum(1)) - gammaln(a).sum(1) + ((a - 1) * np.log(p)).sum(1))


@case(lambda r, n: (r.normal(size=(3, 3)), r.normal(size=3), r.integers(0, 3, n)))
def hidden_markov_model(transitions, start, observed):
    """The forward algorithm, in logs."""
    log_t = transitions - logsumexp(transitions, axis=1, keepdims=True)
    emit = np.log(np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.2, 0.7]]))
    alpha = start - logsumexp(start) + emit[:, observed[0]]
    for o in observed[1:]:
        alpha = logsumexp(alpha[:, None] + log_t, axis=0) + emit[:, o]
    return logsumexp(alpha)
