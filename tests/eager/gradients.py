"""Values and gradients of a function of one tensor against NumPy: the value, the gradient by differences of the NumPy function,
and second derivatives by differences of the gradient."""

from __future__ import annotations

import numpy as np

import jitgrad.eager as torch

STEP = 1e-5


def check(f, g, shape=(3, 4), seed=0):
    """f: of a tensor; g: the same of an array. What is differentiated is sum(weights * sin(f(cos(x))))."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=shape)
    want = np.asarray(g(np.cos(a)))
    x = torch.tensor(a, requires_grad=True)
    y = f(torch.cos(x))
    assert tuple(y.shape) == want.shape
    np.testing.assert_allclose(y.detach().numpy(), want, rtol=1e-12, atol=1e-12)
    weights = rng.normal(size=want.shape)

    def slope(values, create=False):
        at = torch.tensor(values, requires_grad=True)
        loss = (torch.sin(f(torch.cos(at))) * torch.tensor(weights)).sum()
        (found,) = torch.autograd.grad(loss, at, create_graph=create)
        return at, found

    def loss(values):
        return float(np.sum(np.sin(g(np.cos(values))) * weights))

    at, found = slope(a, create=True)
    expected = np.zeros(shape)
    for k in np.ndindex(*shape):
        e = np.zeros(shape)
        e[k] = STEP
        expected[k] = (loss(a + e) - loss(a - e)) / (2 * STEP)
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-6, atol=1e-8)
    v = rng.normal(size=shape)
    (second,) = torch.autograd.grad((found * torch.tensor(v)).sum(), at)
    ahead, behind = (slope(a + s * STEP * v)[1].numpy() for s in (1, -1))
    np.testing.assert_allclose(second.numpy(), (ahead - behind) / (2 * STEP), rtol=1e-5, atol=1e-7)
