"""The acceptance rows G: a linear model step by step, and a Function of the user's own."""

import numpy as np
import pytest

import jitgrad.eager as torch
import jitgrad.eager.nn as nn
import jitgrad.eager.optim as optim

from .own_functions import CustomReLU

custom_relu = CustomReLU.apply


def close(x, expected, digits=4):
    np.testing.assert_allclose(x.detach().numpy().reshape(-1), np.reshape(expected, -1), atol=0.6 * 10.0**-digits)


def model_and_input():
    model = nn.Linear(10, 1)
    with torch.no_grad():
        model.weight.copy_(torch.linspace(-1, 1, 10).reshape(1, 10))
        model.bias.fill_(0.1)
    return model, (torch.arange(10).reshape(1, 10) / 10).requires_grad_()


def test_G1():
    model, x = model_and_input()
    criterion = nn.MSELoss()
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    target = torch.tensor([[1.]])
    optimizer.zero_grad()
    output = model(x)
    loss = criterion(output, target)
    loss.backward()
    close(output, 1.9333333, 6)
    close(loss, 0.8711110, 6)
    close(model.weight.grad, [0, .1867, .3733, .56, .7467, .9333, 1.12, 1.3067, 1.4933, 1.68])
    close(model.bias.grad, 1.8667)
    close(x.grad, [-1.8667, -1.4519, -1.0370, -.6222, -.2074, .2074, .6222, 1.0370, 1.4519, 1.8667])
    before = model.weight.detach().clone()
    optimizer.step()
    close(model.weight, [-1., -.7796, -.5593, -.3389, -.1186, .1018, .3221, .5425, .7628, .9832])
    close(model.bias, 0.0813)
    np.testing.assert_allclose(
        model.weight.detach().numpy(), (before - 0.01 * model.weight.grad).numpy(), rtol=1e-6, atol=1e-8
    )


def test_G2():
    model = nn.Linear(10, 1)
    input_tensor = torch.randn(1, 10, requires_grad=True)
    nn.MSELoss()(model(input_tensor), torch.tensor([[1.]])).backward()
    assert input_tensor.grad.shape == (1, 10)


def test_G3(capsys):
    input_tensor = torch.randn(5, requires_grad=True)
    output = custom_relu(input_tensor)
    loss = output.sum()
    loss.backward()
    print("Input tensor:", input_tensor); print("Gradient of input tensor:", input_tensor.grad)
    values = input_tensor.detach().numpy()
    assert output.tolist() == np.maximum(values, 0).tolist()
    assert input_tensor.grad.tolist() == (values >= 0).astype(float).tolist()
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("Input tensor: tensor([") and second.startswith("Gradient of input tensor: tensor([")


def test_G4():
    seen = []

    class Keeps(torch.autograd.Function):
        @staticmethod
        def forward(ctx, input):
            ctx.save_for_backward(input)
            return input * 2

        @staticmethod
        def backward(ctx, g):
            seen.append(ctx.saved_tensors)
            return g * 2

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = Keeps.apply(x).sum()
    y.backward()
    assert type(seen[0]) is tuple and len(seen[0]) == 1 and seen[0][0].tolist() == [1.0, 2.0]
    with pytest.raises(RuntimeError, match=r"^Trying to backward through the graph a second time"):
        y.backward()


def test_G5():
    assert torch.tensor([-1.0, 2.0]).clamp(min=0).tolist() == [0.0, 2.0]


def test_G6():
    g = torch.tensor([1.0, 2.0, 3.0])
    x = torch.tensor([-1.0, 0.0, 1.0])
    h = g.clone()
    h[x < 0] = 0
    assert h.tolist() == [0.0, 2.0, 3.0] and g.tolist() == [1.0, 2.0, 3.0]


def test_G7():
    f = CustomReLU.apply
    assert callable(f) and f(torch.tensor([-1.0, 1.0])).tolist() == [0.0, 1.0]
    assert list(map(lambda t: t.item(), map(f, torch.tensor([-1.0, 1.0])))) == [0.0, 1.0]


def test_G8():
    out = custom_relu(torch.tensor([1.0], requires_grad=True))
    assert repr(out) == "tensor([1.], grad_fn=<CustomReLUBackward>)"


def test_G9():
    x = torch.tensor([-2.0, -0.5, 0.0, 0.5, 2.0], requires_grad=True)
    out = custom_relu(x)
    assert out.tolist() == [0, 0, 0, 0.5, 2]
    out.sum().backward()
    assert x.grad.tolist() == [0, 0, 1, 1, 1]


def test_G10():
    with pytest.warns(DeprecationWarning, match="should not be instantiated"), pytest.raises(RuntimeError) as e:
        CustomReLU()(torch.ones(2))
    assert str(e.value).startswith("Legacy autograd function with non-static forward method is deprecated.")


def test_G11():
    x = torch.tensor([-2.0, -0.5, 0.5, 2.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(custom_relu, (x,)) is True


def test_G12():
    """The rule of the user is used, and the forward part runs without recording."""
    seen = []

    class Odd(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x * x
            seen.append((torch.is_grad_enabled(), y.requires_grad))
            return y

        @staticmethod
        def backward(ctx, g):
            return g * 100

    x = torch.tensor([3.0], requires_grad=True)
    Odd.apply(x).sum().backward()
    assert seen == [(False, False)] and x.grad.tolist() == [100.0]
