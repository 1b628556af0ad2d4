"""The acceptance rows B: variables, their graph, and the first network."""

import re

import numpy as np
import pytest

import jitgrad.eager as torch
import jitgrad.eager.nn as nn
from jitgrad.eager import autograd
from jitgrad.eager.autograd import Variable


def summed():
    x = torch.randn(3, 4, requires_grad=True)
    b = torch.randn(3, 4, requires_grad=True)
    t = x + b
    y = t.sum()
    return x, b, t, y


def test_B1():
    x = torch.randn(3, 4, requires_grad=True)
    assert x.shape == (3, 4) and x.dtype is torch.float32 and x.is_leaf
    assert repr(x).startswith("tensor([[") and repr(x).endswith("requires_grad=True)")


def test_B2():
    v = autograd.Variable(torch.ones(2), requires_grad=True)
    assert v.requires_grad and isinstance(torch.ones(1), Variable) and type(v) is torch.Tensor


def test_B3():
    """Each iteration may differ: the graph is what Python did."""

    def f(x, n):
        y = x
        for k in range(n):
            y = y * x if k % 2 else y + x
        return y

    def closed(v, n):  # value and slope by hand
        y, dy = v, 1.0
        for k in range(n):
            y, dy = (y * v, dy * v + y) if k % 2 else (y + v, dy + 1)
        return y, dy

    for n in (0, 1, 3, 5, 2):
        x = Variable(torch.tensor(1.5), requires_grad=True)
        y = f(x, n)
        y.backward()
        assert (y.item(), x.grad.item()) == pytest.approx(closed(1.5, n))


def test_B4():
    v = Variable(torch.tensor(3.0), requires_grad=True)
    (v * v).backward()
    assert v.grad.item() == 6.0


def test_B5():
    a = torch.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError) as e:
        (a * 2).backward()
    assert str(e.value) == "grad can be implicitly created only for scalar outputs"
    with pytest.raises(RuntimeError) as e:
        (a * 2).backward(torch.ones(3))
    assert str(e.value) == (
        "Mismatch in shape: grad_output[0] has a shape of torch.Size([3]) and output[0] has a shape of torch.Size([2])."
    )
    q = a * 2
    q.backward(torch.tensor([1.0, 3.0]))
    assert a.grad.tolist() == [2.0, 6.0]


def test_B6():
    x, b, t, y = summed()
    assert x.grad_fn is None
    assert type(y.grad_fn).__name__ == "SumBackward0" and y.grad_fn.name() == "SumBackward0"
    assert y.grad_fn.next_functions == ((t.grad_fn, 0),)
    assert re.fullmatch(r"\(\(<AddBackward0 object at 0x[0-9a-f]+>, 0\),\)", repr(y.grad_fn.next_functions))
    ends = t.grad_fn.next_functions
    assert [type(f).__name__ for f, _ in ends] == ["AccumulateGrad"] * 2
    assert ends[0][0].variable is x and ends[1][0].variable is b
    assert ends[0][0].next_functions == ()
    assert (torch.ones(4) * x[0]).grad_fn.next_functions[0] == (None, 0)


def test_B7():
    v = Variable(torch.tensor([1.0, 2.0]), requires_grad=True)
    assert v.data.requires_grad is False
    v.data[0] = 9.0
    assert v.tolist() == [9.0, 2.0]
    with pytest.raises(AttributeError) as e:
        v.creator
    assert str(e.value).startswith("'Tensor' object has no attribute 'creator'") and ".grad_fn" in str(e.value)


def test_B8(capsys):
    x, b, t, y = summed()
    print(y)
    assert re.fullmatch(r"tensor\(-?\d+\.\d{4}, grad_fn=<SumBackward0>\)\n", capsys.readouterr().out)
    assert y.item() == pytest.approx(float((x.detach().numpy() + b.detach().numpy()).sum()), abs=1e-5)


def test_B9():
    _, _, _, y = summed()
    with pytest.warns(UserWarning, match="not a leaf Tensor is being accessed"):
        assert y.grad is None


def test_B10():
    x, b, t, y = summed()
    y.backward()
    assert b.grad.tolist() == [[1.0] * 4] * 3 == x.grad.tolist()


def test_B11():
    x, b, t, _ = summed()
    assert (x.requires_grad, b.requires_grad, t.requires_grad) == (True, True, True)


class LinearRegressionModel(nn.Module):
    def __init__(self, input_dim, output_dim):
        super(LinearRegressionModel, self).__init__()
        self.Linear = nn.Linear(input_dim, output_dim)
    def forward(self, x):
        out = self.Linear(x)
        return out


def test_B12():
    model = LinearRegressionModel(1, 1)
    assert list(model.state_dict()) == ["Linear.weight", "Linear.bias"]
    assert len(list(model.parameters())) == 2
    assert model(torch.ones(5, 1)).shape == (5, 1)


def test_B13():
    layer = nn.Linear(3, 2)
    assert layer.weight.shape == (2, 3) and layer.bias.shape == (2,)


def test_B14():
    for name in ("CPU", "cpu"):
        device = torch.device("cuda:0" if torch.cuda.is_available() else name)
        assert str(device) == "cpu"
        assert LinearRegressionModel(1, 1).to(device)(torch.ones(1, 1).to(device)).device == device
    with pytest.raises(RuntimeError, match="^Expected one of cpu, cuda.* device type at start of device string: abacus"):
        torch.device("abacus")
    with pytest.raises(RuntimeError, match="cuda"):
        torch.ones(1).to("cuda:0")


def test_B15():
    loss = nn.MSELoss()(torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([0.0, 4.0]))
    assert repr(loss) == "tensor(2.5000, grad_fn=<MseLossBackward0>)"


def test_B16():
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    before = [p.detach().numpy().copy() for p in model.parameters()]
    model(torch.tensor([[1.0, 2.0]])).sum().backward()
    optimizer.step()
    for p, old in zip(model.parameters(), before):
        np.testing.assert_allclose(p.detach().numpy(), old - 0.01 * p.grad.numpy(), rtol=1e-6)
    optimizer.zero_grad()
    assert [p.grad for p in model.parameters()] == [None, None]


def test_B17():
    array = np.arange(3.0)
    t = torch.from_numpy(array)
    assert t.dtype is torch.float64
    array[0] = 7
    t[1] = 8
    assert t.tolist() == [7, 8, 2] == array.tolist()


def test_B18():
    value = (torch.tensor(2.0, requires_grad=True) * 3).item()
    assert type(value) is float and value == 6.0


def test_B19(capsys):
    x_train = np.arange(11, dtype=np.float32).reshape(-1, 1); y_train = 2 * x_train + 1
    model = LinearRegressionModel(1, 1)
    with torch.no_grad():
        model.Linear.weight.fill_(0.5)
        model.Linear.bias.fill_(0.0)
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    model.to(device)
    criterion = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    losses = {}
    for epoch in range(1000):
        epoch += 1
        inputs = torch.from_numpy(x_train).to(device); labels = torch.from_numpy(y_train).to(device)
        optimizer.zero_grad()
        outputs = model(inputs)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        losses[epoch] = loss.item()
        if epoch % 50 == 0:
            print('epoch {},loss {}'.format(epoch, loss.item()))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 20 and re.fullmatch(r"epoch 50,loss 0\.09723\d+", lines[0])
    wanted = {1: 94.75, 2: 7.881398, 50: 0.09723397, 100: 0.05545868, 500: 6.2113e-4}
    for epoch, value in wanted.items():
        assert losses[epoch] == pytest.approx(value, rel=1e-4), epoch
    assert losses[1000] == pytest.approx(2.2635e-06, rel=2e-2)  # a difference of float32 close to its resolution
    assert model.Linear.weight.item() == pytest.approx(2.0004, abs=1e-4)
    assert model.Linear.bias.item() == pytest.approx(0.9972, abs=1e-4)
