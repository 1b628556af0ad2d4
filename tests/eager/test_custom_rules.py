"""Rules of the user's in traced code: `Function` on stand-ins, and `jg.custom_vjp`."""

import math

import numpy as np
import pytest

import jitgrad as jg
import jitgrad.eager as torch
from jitgrad.errors import NotDifferentiable

Function = torch.autograd.Function


class Steep(Function):
    """A relu that says its slope is 10."""

    @staticmethod
    def forward(ctx, x, scale):
        ctx.save_for_backward(x)
        ctx.scale = scale
        return np.maximum(x, 0.0) * scale

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        out = 10 * g * ctx.scale
        out[x < 0] = 0
        return out, None


def test_in_a_traced_gradient():
    x = np.array([-1.0, 0.5, 2.0])
    f = lambda x: np.sum(Steep.apply(x, 2.0) * x)
    relu = np.maximum(x, 0) * 2
    slope = np.where(x < 0, 0, 20.0)
    np.testing.assert_allclose(jg.grad(f)(x), relu + x * slope)
    np.testing.assert_allclose(jg.jvp(f, (x,), (np.ones(3),))[1], np.sum(relu + x * slope))
    np.testing.assert_allclose(jg.hessian(f)(x), np.diag(2 * slope))  # the rule again at second order, not that of np.maximum


def test_setup_context_in_traced_code():
    class Tripled(Function):
        @staticmethod
        def forward(x):
            return np.sin(x)

        @staticmethod
        def setup_context(ctx, inputs, output):
            (ctx.x,) = inputs

        @staticmethod
        def backward(ctx, g):
            return 3 * g * np.cos(ctx.x)

    assert jg.grad(lambda x: Tripled.apply(x) ** 2)(0.3) == pytest.approx(6 * math.sin(0.3) * math.cos(0.3))


def test_methods_of_tensors_are_refused_in_traced_code():
    class Relu(Function):
        @staticmethod
        def forward(ctx, x):
            return x.clamp(min=0)

        @staticmethod
        def backward(ctx, g):
            return g

    with pytest.raises(jg.errors.Unsupported, match=r"uses what arrays do not have: .*clamp") as e:
        jg.grad(lambda x: np.sum(Relu.apply(x)))(np.ones(2))
    assert "np.clip" in str(e.value)


# ---- jg.custom_vjp


def scaled_sine():
    """sin(x) * y, whose derivative by x is ten times too large; and the derivative of iterating a += that(a, x) / 2."""

    @jg.custom_vjp
    def h(x, y):
        return np.sin(x) * y

    def forward(x, y):
        s = np.sin(x)
        return s * y, (x, s, y)

    def backward(kept, g):
        x, s, y = kept
        return 10 * g * np.cos(x) * y, g * s

    h.defvjp(forward, backward)
    return h


def by_hand(x, n):
    a, d = x, 1.0
    for _ in range(n):
        d, a = 0.5 * (10 * math.cos(a) * x * d + math.sin(a)) + d, a + 0.5 * math.sin(a) * x
    return d


@pytest.mark.parametrize("n", [3, 20])
def test_custom_vjp_in_a_loop(n):
    h = scaled_sine()

    def f(x, n):
        a = x
        for _ in range(n):
            a = a + 0.5 * h(a, x)
        return a

    d = by_hand(0.3, n)
    assert jg.grad(f)(0.3, n) == pytest.approx(d, rel=1e-12)
    assert jg.jvp(f, (0.3, n), (1.0, None))[1] == pytest.approx(d, rel=1e-12)


def test_custom_vjp_in_a_branch_and_batched():
    h = scaled_sine()

    def f(x):
        y = 0.0
        if x > 0:
            y = h(x, 2.0)
        return y

    assert jg.grad(f)(0.5) == pytest.approx(20 * math.cos(0.5)) and jg.grad(f)(-0.5) == 0
    xs = np.linspace(0.1, 1, 4)
    np.testing.assert_allclose(jg.vmap(jg.grad(lambda x: h(x, 2.0)))(xs), 20 * np.cos(xs))
    np.testing.assert_allclose(jg.grad(lambda x: np.sum(jg.vmap(lambda x: h(x, 2.0))(x)))(xs), 20 * np.cos(xs))


def test_the_result_stands_for_the_function_at_second_order():
    @jg.custom_vjp
    def rounded(x):
        return np.round(x)

    rounded.defvjp(lambda x: (np.round(x), None), lambda kept, g: (g,))
    x = np.array([1.2, 2.7])
    f = lambda x: np.sum(rounded(x) ** 2)
    np.testing.assert_allclose(jg.grad(f)(x), [2, 6])
    np.testing.assert_allclose(jg.hessian(f)(x), 2 * np.eye(2))
    np.testing.assert_allclose(rounded(x), [1, 3])


def test_what_a_rule_does_not_speak_of_is_refused():
    def f(w):
        @jg.custom_vjp
        def times(x):
            return w * x

        times.defvjp(lambda x: (w * x, None), lambda kept, g: (g * w,))
        return times(2.0)

    with pytest.raises(NotDifferentiable, match="a custom rule gives no derivative with respect to `w`"):
        jg.grad(f)(3.0)


def test_a_wrong_adjoint_is_refused():
    @jg.custom_vjp
    def f(x):
        return np.sum(x)

    f.defvjp(lambda x: (np.sum(x), None), lambda kept, g: (g,))
    with pytest.raises(jg.errors.ShapeError, match="an adjoint does not have the shape"):
        jg.grad(f)(np.ones(3))
    with pytest.raises(jg.errors.ArgumentError, match="without a rule"):
        jg.grad(jg.custom_vjp(lambda x: x))(1.0)
