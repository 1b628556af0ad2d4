"""Dual tensors: tangents through every kind of operation, and together with the return sweep."""

import numpy as np
import pytest

import jitgrad.eager as torch
from jitgrad.eager.autograd import forward_ad as fw

x0, v0 = np.array([0.3, -1.2, 2.0]), np.array([1.0, 0.5, -2.0])


def tensor(a):
    return torch.tensor(a, dtype=torch.float64)


def dual():
    return fw.make_dual(tensor(x0), tensor(v0))


CASES = {
    "cells": lambda x: torch.tanh(x) * torch.exp(-x * x) / (2 + x),
    "sums": lambda x: (x * x).sum() * x + x.mean(),
    "views": lambda x: torch.stack([x[1:], x[:-1] * 2]).t().reshape(-1),
    "products": lambda x: torch.outer(x, x.sin()) @ x,
    "writing": lambda x: written(x),
    "choice": lambda x: torch.where(x > 0, x * 3, x**2),
    "several results": lambda x: torch.sort(x * x)[0] * x,
    "numbers": lambda x: 2.0 - x * 3,
}


def written(x):
    y = x * 1
    y[1:] *= y[0]
    y.add_(x)
    return y


@pytest.mark.parametrize("name", CASES)
def test_tangents_are_differences(name):
    f = CASES[name]
    with fw.dual_level():
        y, t = fw.unpack_dual(f(dual()))
    h = 1e-6
    want = (f(tensor(x0 + h * v0)).numpy() - f(tensor(x0 - h * v0)).numpy()) / (2 * h)
    np.testing.assert_allclose(t.numpy(), want, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(y.numpy(), f(tensor(x0)).numpy())
    assert not y.requires_grad and not t.requires_grad


def test_a_tangent_can_be_differentiated():
    w = tensor([1.0, 3.0, 2.0]).requires_grad_()
    with fw.dual_level():
        y, t = fw.unpack_dual((dual() * w).sin())
        (g,) = torch.autograd.grad(t.sum(), w)
    a = np.array([1.0, 3.0, 2.0])
    np.testing.assert_allclose(g.numpy(), v0 * (np.cos(x0 * a) - a * x0 * np.sin(x0 * a)))
    assert y.requires_grad


def test_the_primal_may_be_a_leaf():
    x = tensor(x0).requires_grad_()
    with fw.dual_level():
        d = fw.make_dual(x, tensor(v0))
        _, t = fw.unpack_dual((d**3).sum())
        (hv,) = torch.autograd.grad(t, x)
    np.testing.assert_allclose(hv.numpy(), 6 * x0 * v0)  # forward, then reverse: the Hessian times v


def test_jvp_of_a_function():
    class Sine(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, n):
            ctx.save_for_backward(x)
            ctx.n = n
            return x.sin() * n

        @staticmethod
        def backward(ctx, g):
            raise AssertionError("forward mode does not ask for it")

        @staticmethod
        def jvp(ctx, t, n):
            assert n is None
            return ctx.n * ctx.saved_tensors[0].cos() * t

    with fw.dual_level():
        t = fw.unpack_dual(Sine.apply(dual(), 2.0)).tangent
    np.testing.assert_allclose(t.numpy(), 2 * np.cos(x0) * v0)


def test_levels():
    with fw.dual_level():
        x = dual()
        with pytest.raises(RuntimeError, match="Nested forward mode AD is not supported"):
            fw.enter_dual_level()
        y = x * x
    assert fw.unpack_dual(y).tangent is None and not fw.unpack_dual(y).primal.requires_grad
    with fw.dual_level():
        assert fw.unpack_dual(y).tangent is None, "that level is closed"
    with pytest.raises(RuntimeError, match="no level exists"):
        dual()
    with pytest.raises(RuntimeError, match="no level is currently active"):
        fw.exit_dual_level()


def test_no_grad_would_lose_tangents():
    with fw.dual_level(), pytest.raises(RuntimeError, match="would lose its tangent"), torch.no_grad():
        pass
    assert torch.is_grad_enabled()


def test_wrong_tangents():
    with fw.dual_level():
        with pytest.raises(RuntimeError, match="has a different size than that of the original Tensor"):
            fw.make_dual(torch.ones(2), torch.ones(3))
        with pytest.raises(ValueError, match="Expected primal to be floating point or complex"):
            fw.make_dual(torch.ones(2, dtype=torch.int64), torch.ones(2))
        assert fw.unpack_dual(torch.ones(2)).tangent is None
