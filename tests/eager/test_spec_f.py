"""The acceptance rows F: gradient checks, anomalies, modes, NumPy, tapes, optimizers, initialisation, in-place errors."""

import inspect
import math
import warnings

import numpy as np
import pytest

import jitgrad.eager as torch
import jitgrad.eager.nn as nn
from jitgrad.eager import autograd
from jitgrad.eager.tape import GradientTape, Variable

from .own_functions import WrongCube


def leaf(value, **options):
    return torch.tensor(value, requires_grad=True, **options)


def test_F1():
    x = leaf([1.0, 2.0], dtype=torch.double)
    assert autograd.gradcheck(lambda x: x**3, (x,)) is True
    assert autograd.gradgradcheck(lambda x: x**3, (x,)) is True
    with pytest.raises(RuntimeError) as e:
        autograd.gradcheck(WrongCube.apply, (x,))
    assert type(e.value).__name__ == "GradcheckError"
    assert str(e.value).rstrip("\n") == (
        "Jacobian mismatch for output 0 with respect to input 0,\n"
        "numerical:tensor([[ 3.0000,  0.0000],\n        [ 0.0000, 12.0000]], dtype=torch.float64)\n"
        "analytical:tensor([[2., 0.],\n        [0., 4.]], dtype=torch.float64)"
    )
    assert autograd.gradcheck(WrongCube.apply, (x,), raise_exception=False) is False
    single = leaf([1.0, 2.0])
    message = "Input #0 requires gradient and is not a double precision floating point or complex. This check will likely fail"
    with pytest.warns(UserWarning, match=message), pytest.raises(RuntimeError, match="Jacobian mismatch"):
        autograd.gradcheck(lambda x: x**3, (single,))


def silent():
    x = leaf(0.0)
    y = torch.sqrt(x) * 0
    y.backward()
    return x.grad


def test_F2():
    with warnings.catch_warnings(record=True) as seen, pytest.raises(RuntimeError) as e:
        warnings.simplefilter("always")
        with autograd.detect_anomaly():
            x = leaf(0.0)
            y = torch.sqrt(x) * 0
            y.backward()
    assert str(e.value) == "Function 'SqrtBackward0' returned nan values in its 0th output."
    first, second = (str(w.message) for w in seen)
    assert first == (
        "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for debugging."
    )
    lines = second.splitlines()
    assert lines[0] == "Error detected in SqrtBackward0. Traceback of forward call that caused the error:"
    here = inspect.currentframe().f_code
    number = inspect.getsourcelines(here)[1] + next(
        k for k, line in enumerate(inspect.getsource(here).splitlines()) if "torch.sqrt(x)" in line
    )
    assert lines[-2] == f'  File "{__file__}", line {number}, in test_F2'
    assert lines[-1].strip() == "y = torch.sqrt(x) * 0"
    assert math.isnan(silent().item())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with autograd.set_detect_anomaly(True, check_nan=False):
            assert math.isnan(silent().item())
        with autograd.set_detect_anomaly(True), pytest.raises(RuntimeError, match="returned nan values"):
            silent()
    assert math.isnan(silent().item())


def test_F3():
    x = leaf([1.0, 2.0])

    @torch.no_grad()
    def double(t):
        return t * 2, torch.is_grad_enabled()

    with torch.no_grad():
        results = [(x * 2, torch.is_grad_enabled())]
        with torch.enable_grad():
            assert (x * 2).requires_grad and torch.is_grad_enabled()
    results.append(double(x))
    with torch.set_grad_enabled(False):
        results.append((x * 2, torch.is_grad_enabled()))
    for y, enabled in results:
        assert (y.requires_grad, y.grad_fn, y.is_leaf, enabled) == (False, None, True, False)
    assert torch.is_grad_enabled()
    with torch.inference_mode():
        t = x * 2
    assert t.is_inference() and not x.is_inference()
    with pytest.raises(RuntimeError, match=r"^Inference tensors cannot be saved for backward\."):
        (t * x).sum().backward()


def test_F4():
    x = leaf(10.0)
    seen = []
    for _ in range(3):
        f = x**2 + 20
        f.backward()
        slope = x.grad.item()
        x.data = x.data - 0.1 * x.grad.data
        x.grad.zero_()
        seen.append((x.item(), slope))
    assert seen == [pytest.approx(p, rel=1e-6) for p in ((8.0, 20), (6.4, 16), (5.12, 12.8))]
    x = leaf(5.12)
    (x**2 + 20).backward()
    with torch.no_grad():
        x -= 0.1 * x.grad
    assert x.item() == pytest.approx(5.12 * 0.8)
    x = leaf(4.8)
    (x**2 + 20).backward()
    with torch.no_grad():
        x -= 0.1 * x.grad
    assert x.item() == pytest.approx(3.84) and x.requires_grad and x.is_leaf


def test_F5():
    x = leaf([1.0, 2.0])
    for convert in (lambda: x.numpy(), lambda: np.asarray(x)):
        with pytest.raises(RuntimeError) as e:
            convert()
        assert str(e.value) == "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
    d = x.detach()
    assert (d.requires_grad, d.is_leaf) == (False, True)
    array = d.numpy()
    array[0] = 7
    assert x.tolist() == [7, 2] == d.tolist()
    assert d.data_ptr() == x.data_ptr()


def test_F6():
    s, v = leaf(3.0), leaf([1.0, 2.0])
    (s**2).backward()
    (v**2).backward(torch.tensor([1.0, 10.0]))
    assert s.grad.item() == 6.0 and v.grad.tolist() == [2.0, 40.0]


def test_F7():
    x = Variable(3.0)
    with GradientTape() as t:
        y = x * x
    assert t.gradient(y, x).item() == 6.0
    with pytest.raises(RuntimeError):
        t.gradient(y, x)
    with GradientTape(persistent=True) as t:
        y = x * x
        z = y * y
    assert [t.gradient(z, x).item(), t.gradient(y, x).item()] == [108.0, 6.0]
    c = torch.tensor(2.0)
    with GradientTape() as t:
        t.watch(c)
        y = c * c * c
    assert t.gradient(y, c).item() == 12.0


OPTIMIZERS = [
    ("SGD", {"lr": 0.1}, [8.0, 6.4]),
    ("SGD", {"lr": 0.1, "momentum": 0.9}, [8.0, 4.6]),
    ("Adam", {"lr": 0.1}, [9.9, 9.8]),
    ("AdamW", {"lr": 0.1}, [9.89, 9.78]),
    ("RMSprop", {"lr": 0.1}, [9.0, 8.329]),
    ("Adagrad", {"lr": 0.1}, [9.9, 9.83]),
    ("LBFGS", {"lr": 1.0, "max_iter": 20}, [0.0, 0.0]),
]


@pytest.mark.parametrize("name, options, path", OPTIMIZERS, ids=[n + "-momentum" * ("momentum" in o) for n, o, _ in OPTIMIZERS])
def test_F8(name, options, path):
    x = leaf(10.0)
    optimizer = getattr(torch.optim, name)([x], **options)

    def closure():
        optimizer.zero_grad()
        loss = x**2
        loss.backward()
        return loss

    seen = []
    for _ in path:
        optimizer.step(closure)
        seen.append(x.item())
    assert seen == pytest.approx(path, abs=5e-3)


def test_F9():
    """Forward, gradient, backward, update: a small network learns exclusive or."""
    torch.manual_seed(0)
    x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = torch.tensor([[0.0], [1.0], [1.0], [0.0]])
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        loss = nn.MSELoss()(model(x), y)
        loss.backward()
        optimizer.step()
    assert loss.item() < 1e-2 and (model(x) > 0.5).tolist() == (y > 0.5).tolist()


def test_F10():
    torch.manual_seed(1)
    w = torch.empty(200, 100)
    fan_in, fan_out = 100, 200
    for fill, deviation in [
        (nn.init.xavier_uniform_, math.sqrt(2 / (fan_in + fan_out))),
        (nn.init.xavier_normal_, math.sqrt(2 / (fan_in + fan_out))),
        (lambda t: nn.init.kaiming_uniform_(t, nonlinearity="relu"), math.sqrt(2 / fan_in)),
        (lambda t: nn.init.kaiming_normal_(t, nonlinearity="relu"), math.sqrt(2 / fan_in)),
        (lambda t: nn.init.uniform_(t, -1.0, 1.0), math.sqrt(1 / 3)),
        (lambda t: nn.init.normal_(t, 0.0, 0.5), 0.5),
    ]:
        assert fill(w) is w
        assert w.numpy().std() == pytest.approx(deviation, rel=0.03) and abs(w.numpy().mean()) < 0.05 * deviation
    assert set(nn.init.constant_(torch.empty(5), 3.0).tolist()) == {3.0}


LOSSES = [  # of x = [0.5, -1, 2] against [1, 0, 0]; the last two of logits and log-probabilities
    (lambda x, t: nn.MSELoss()(x, t), 1.75),
    (lambda x, t: nn.L1Loss()(x, t), 3.5 / 3),
    (lambda x, t: nn.SmoothL1Loss()(x, t), (0.125 + 0.5 + 1.5) / 3),
    (lambda x, t: nn.HuberLoss(delta=0.5)(x, t), (0.125 + 0.375 + 0.875) / 3),
    (lambda x, t: nn.CrossEntropyLoss()(x.reshape(1, 3), torch.tensor([0])), 1.7413193),
    (lambda x, t: nn.NLLLoss()(x.reshape(1, 3), torch.tensor([2])), -2.0),
    (lambda x, t: nn.BCELoss()(torch.sigmoid(x), t), (0.4740770 + 0.3132617 + 2.1269280) / 3),
    (lambda x, t: nn.BCEWithLogitsLoss()(x, t), (0.4740770 + 0.3132617 + 2.1269280) / 3),
    (lambda x, t: nn.KLDivLoss(reduction="sum")(x, t), -0.5),
]


@pytest.mark.parametrize("loss, expected", LOSSES, ids="MSE L1 SmoothL1 Huber CrossEntropy NLL BCE logits KLDiv".split())
def test_F10_losses(loss, expected):
    x = leaf([0.5, -1.0, 2.0])
    value = loss(x, torch.tensor([1.0, 0.0, 0.0]))
    assert value.item() == pytest.approx(expected, rel=1e-5)
    value.backward()
    assert x.grad.shape == (3,)


def test_F11():
    for name in (
        "Function", "backward", "grad", "gradcheck", "gradgradcheck", "detect_anomaly", "set_detect_anomaly", "no_grad",
        "enable_grad", "set_grad_enabled", "inference_mode",
    ):  # fmt: skip
        assert callable(getattr(autograd, name)), name
    for name in ("jacobian", "hessian", "jvp", "vjp", "hvp", "vhp"):
        assert callable(getattr(autograd.functional, name)), name


def test_F12():
    with pytest.raises(RuntimeError) as e:
        leaf([1.0, 2.0]).add_(1)
    assert str(e.value) == "a leaf Variable that requires grad is being used in an in-place operation."
    x = leaf([1.0, 2.0])
    y = x + 1
    z = y**2
    y.add_(1)
    with pytest.raises(RuntimeError) as e:
        z.sum().backward()
    assert str(e.value) == (
        "one of the variables needed for gradient computation has been modified by an inplace operation: [torch.FloatTensor "
        "[2]], which is output 0 of Add, is at version 1; expected version 0 instead. Hint: enable anomaly detection to find the "
        "operation that failed to compute its gradient, with torch.autograd.set_detect_anomaly(True, check_nan=False)."
    )


def test_F13():
    with pytest.raises(RuntimeError) as e:
        torch.ones(2).item()
    assert str(e.value) == "a Tensor with 2 elements cannot be converted to Scalar"
    with pytest.warns(UserWarning) as seen:
        assert float(leaf(1.5)) == 1.5
    assert str(seen[0].message).startswith(
        "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\n"
        "Consider using tensor.detach() first."
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert float(torch.tensor(1.5)) == 1.5 and leaf(1.5).item() == 1.5


def test_F14():
    x = torch.tensor([1.0, 2.0])
    assert autograd.functional.jacobian(lambda x: x**2, x).tolist() == [[2, 0], [0, 4]]
    assert autograd.functional.hessian(lambda x: (x**3).sum(), x).tolist() == [[6, 0], [0, 12]]
