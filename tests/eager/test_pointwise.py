"""Operations cell by cell and activations: gradients against differences, kinks, errors; everything against PyTorch (slow)."""

import numpy as np
import pytest

import jitgrad.eager as torch
from jitgrad.eager import activations as f
from jitgrad.eager import run as running
from jitgrad.eager.run import settings

from .math_cases import cases
from .math_kit import check_as_torch, check_error, check_gradients

ALL = [*cases("pointwise"), *cases("activations")]


@pytest.mark.parametrize("expression", ALL)
def test_gradients(expression):
    check_gradients(expression)


@pytest.mark.parametrize("expression", ["x * y + p", "f.gelu(x)", "x.clamp(-0.5, 0.5)"])
def test_gradients_compiled(expression, monkeypatch):
    monkeypatch.setattr(settings, "compile_after", 0)
    monkeypatch.setattr(running, "entries", {})
    check_gradients(expression)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("expression", ALL)
def test_as_torch(expression, dtype):
    check_as_torch(expression, dtype)


# x, function, slope: PyTorch's choice at the kink
KINKS = [
    (0.0, torch.relu, 0.0), (0.0, torch.abs, 0.0), (0.0, lambda x: x.clamp(min=0), 1.0), (1.0, lambda x: x.clamp(0, 1), 1.0),
    (0.0, lambda x: f.leaky_relu(x, 0.1), 0.1), (1.0, f.hardtanh, 0.0), (0.0, torch.selu, f.SELU_SCALE * f.SELU_ALPHA),
    (0.0, lambda x: torch.maximum(x, torch.zeros(())), 0.5), (0.0, lambda x: torch.fmax(x, torch.zeros(())), 1.0),
    (0.0, torch.sign, 0.0), (0.0, lambda x: torch.threshold(x, 0, 0), 0.0), (0.0, lambda x: x.norm(), 0.0), (6.0, f.relu6, 0.0),
    (0.5, lambda x: f.hardshrink(x, 0.5), 0.0), (3.0, f.hardswish, 1.0), (0.0, lambda x: x**2.0, 0.0), (0.0, torch.sqrt, np.inf),
]  # fmt: skip


@pytest.mark.parametrize(("at", "function", "slope"), KINKS)
def test_kinks(at, function, slope):
    x = torch.tensor(at, requires_grad=True)
    (g,) = torch.autograd.grad(function(x), x)
    np.testing.assert_allclose(g.item(), slope, rtol=1e-6)


def test_nan_stays():
    x = torch.tensor([float("nan")])
    for function in (torch.relu, lambda v: v.clamp(0, 1), f.leaky_relu, f.hardtanh, torch.selu, f.softplus, f.hardswish, torch.fmod):  # noqa: E501
        got = function(x, 2.0) if function is torch.fmod else function(x)
        assert torch.isnan(got).item()


INTS = [
    ("t.div(a, b, rounding_mode='trunc')", [-3, 3, -2]), ("t.div(a, b, rounding_mode='floor')", [-4, 3, -3]),
    ("a // b", [-4, 3, -3]),
    ("a % b", [1, 1, -1]), ("t.fmod(a, b)", [-1, 1, 1]), ("a & 3", [1, 3, 1]), ("a | b", [-5, 7, -1]),
    ("a ^ b", [-5, 5, -5]), ("~a", [6, -8, -6]),
    ("a << 1", [-14, 14, 10]), ("a >> 1", [-4, 3, 2]), ("2 ** t.abs(b)", [4, 4, 4]), ("a ** 2", [49, 49, 25]),
    ("a.clamp(-1, 6)", [-1, 6, 5]),
    ("-a", [7, -7, -5]), ("a.square()", [49, 49, 25]), ("t.maximum(a, b)", [2, 7, 5]), ("a.sign()", [-1, 1, 1]),
    ("t.bitwise_not(a)", [6, -8, -6]),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "wanted"), INTS)
def test_integers(expression, wanted):
    a, b = torch.tensor([-7, 7, 5]), torch.tensor([2, 2, -2])
    got = eval(expression, {"t": torch, "a": a, "b": b})
    assert got.tolist() == wanted and got.dtype is torch.int64


ERRORS = [
    ("x + t.ones(3)", RuntimeError, "The size of tensor a (2) must match the size of tensor b (3) at non-singleton dimension 0"),
    ("x.clamp()", RuntimeError, "torch.clamp: At least one of 'min' or 'max' must not be None"),
    ("t.add(x, 'a')", TypeError, "add(): argument 'other' (position 2) must be Tensor, not str"),
    ("t.add(i, 1, alpha=0.5)", RuntimeError, "For integral input tensors, argument alpha must not be a floating point number."),
    ("-m", RuntimeError, "Negation, the `-` operator, on a bool tensor is not supported."),
    ("m - m", RuntimeError, "Subtraction, the `-` operator, with two bool tensors is not supported."),
    ("i ** -1", RuntimeError, "Integers to negative integer powers are not allowed."),
    ("t.div(x, 2, rounding_mode='x')", RuntimeError, "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found 'x'"),  # noqa: E501
    ("i // 0", RuntimeError, "ZeroDivisionError"),
    ("~x", TypeError, "~ (operator.invert) is only implemented on integer and Boolean-type tensors"),
    ("x & x", NotImplementedError, "\"bitwise_and_cpu\" not implemented for 'Float'"),
    ("t.ceil(m)", NotImplementedError, "\"ceil_vml_cpu\" not implemented for 'Bool'"),
    ("t.abs(m)", NotImplementedError, "\"abs_cpu\" not implemented for 'Bool'"),
    ("t.hypot(i, i)", NotImplementedError, "\"hypot_cpu\" not implemented for 'Long'"),
    ("t.maximum(x, 2)", TypeError, "maximum(): argument 'other' (position 2) must be Tensor, not int"),
    ("t.equal(x, 1)", TypeError, "equal(): argument 'other' (position 2) must be Tensor, not int"),
    ("t.logical_and(x, 1)", TypeError, "logical_and(): argument 'other' (position 2) must be Tensor, not int"),
    ("t.relu(m)", RuntimeError, "Boolean inputs not supported for relu"),
    ("t.softmax(i, 0)", NotImplementedError, "\"softmax_lastdim_kernel_impl\" not implemented for 'Long'"),
    ("x.softmax(2)", IndexError, "Dimension out of range (expected to be in range of [-1, 0], but got 2)"),
    ("t.add(x, x, out=t.zeros(3))", RuntimeError, "a tensor is not resized here"),
    ("t.exp(x * t.ones(2, requires_grad=True), out=x)", RuntimeError, "don't support automatic differentiation"),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "kind", "message"), ERRORS)
def test_errors(expression, kind, message):
    names = {"x": torch.ones(2), "i": torch.tensor([1, 2]), "m": torch.tensor([True, False])}
    check_error(expression, kind, message, **names)


def test_numbers_of_numpy_names_and_out():
    x = torch.tensor([1.0, 2.0])
    assert (np.float64(2.0) * x).dtype is torch.float32 and (x + np.int64(1)).tolist() == [2.0, 3.0]
    assert torch.mul(x, other=3).tolist() == [3.0, 6.0] and torch.add(input=x, other=x, alpha=2).tolist() == [3.0, 6.0]
    out = torch.zeros(2)
    assert torch.mul(x, x, out=out) is out and out.tolist() == [1.0, 4.0]
    assert (x + True).tolist() == [2.0, 3.0]


def test_alike():
    x = torch.tensor([1.0, float("nan")])
    assert torch.equal(x[:1], torch.tensor([1.0])) and not torch.equal(x, x)
    assert torch.allclose(x, x, equal_nan=True) and not torch.allclose(x, x)
    assert torch.isclose(torch.tensor([1.0, 1.1]), torch.tensor([1.0, 1.0])).tolist() == [True, False]
