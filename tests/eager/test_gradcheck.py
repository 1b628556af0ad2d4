"""gradcheck and gradgradcheck: what is found, and PyTorch's messages."""

import pytest

import jitgrad.eager as torch

from .own_functions import WrongCube, saving

gradcheck, gradgradcheck = torch.autograd.gradcheck, torch.autograd.gradgradcheck


def double(*values):
    return torch.tensor(list(values), dtype=torch.float64, requires_grad=True)


MISMATCH = (
    "Jacobian mismatch for output 0 with respect to input 0,\n"
    "numerical:tensor([[ 3.0000,  0.0000],\n        [ 0.0000, 12.0000]], dtype=torch.float64)\n"
    "analytical:tensor([[2., 0.],\n        [0., 4.]], dtype=torch.float64)\n"
)


def refused(f, text, error=torch.autograd.GradcheckError):
    with pytest.raises(error) as e:
        f()
    assert str(e.value) == text


def test_right_ones():
    assert gradcheck(lambda x: x**3, (double(1.0, 2.0),)) is True
    assert gradcheck(lambda x, y: (x * y, x.sum()), (double(1.0, 2.0), double(3.0, 4.0)))
    assert gradcheck(lambda x, n: x * n, (double(1.0), 3))
    assert gradcheck(torch.tanh, double(0.3), check_forward_ad=True)
    assert gradgradcheck(lambda x: x**3, (double(1.0, 2.0),))
    assert gradgradcheck(lambda x: x.exp(), double(1.0), torch.ones(1, dtype=torch.float64, requires_grad=True))


def test_a_wrong_one():
    x = double(1.0, 2.0)
    refused(lambda: gradcheck(WrongCube.apply, (x,)), MISMATCH)
    refused(lambda: gradcheck(WrongCube.apply, (x,), fast_mode=True), MISMATCH)
    assert gradcheck(WrongCube.apply, (x,), raise_exception=False) is False
    assert x.tolist() == [1, 2], "the input is put back"


def test_a_wrong_second_derivative():
    half = saving(lambda x: x**2, lambda g, x: 2 * g * x.detach())
    assert gradcheck(half.apply, (double(1.0),))
    with pytest.raises(torch.autograd.GradcheckError, match="^Jacobian mismatch for output 0 with respect to input 0"):
        gradgradcheck(half.apply, (double(1.0),))


def test_single_precision_is_warned_of_and_fails():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with pytest.warns(UserWarning) as w, pytest.raises(torch.autograd.GradcheckError):
        gradcheck(lambda x: x**3, (x,))
    assert str(w[0].message) == (
        "Input #0 requires gradient and is not a double precision floating point or complex. This check will likely "
        "fail if all the "
        "inputs are not of double precision floating point or complex. "
    )


def test_wrong_inputs():
    refused(
        lambda: gradcheck(lambda x: x, (torch.ones(2, dtype=torch.float64),)),
        "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True.",
        ValueError,
    )
    with pytest.raises(RuntimeError, match=r"^The 0th input has a dimension with stride 0\."):
        gradcheck(lambda x: x, (double(1.0, 2.0).expand(3, 2),))
    refused(lambda: gradcheck(lambda x: x.detach(), (double(1.0),)), "Numerical gradient for function expected to be zero")


def test_a_backward_that_differs_from_call_to_call():
    class Drift(torch.autograd.Function):
        calls = 0

        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            Drift.calls += 1
            return 2 * g + 1e-9 * Drift.calls

    text = r"^Backward is not reentrant.*The tolerance for nondeterminism was 0\.0\."
    with pytest.raises(torch.autograd.GradcheckError, match=text):
        gradcheck(Drift.apply, (double(1.0),))
    assert gradcheck(Drift.apply, (double(1.0),), nondet_tol=1e-6, check_undefined_grad=False)


def test_undefined_gradients():
    class Two(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    with pytest.raises(torch.autograd.GradcheckError, match="^Expected backward function to handle undefined output grads"):
        gradcheck(Two.apply, (double(1.0),))
    assert gradcheck(Two.apply, (double(1.0),), check_undefined_grad=False)


def test_complex():
    z = torch.tensor([1 + 2j, 0.5 - 1j], dtype=torch.complex128, requires_grad=True)
    assert gradcheck(lambda z: z * z, (z,))
    assert gradcheck(lambda z: z.abs(), (z,))

    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, z):
            return z * 2

        @staticmethod
        def backward(ctx, g):
            return g * 3

    with pytest.raises(torch.autograd.GradcheckError) as e:
        gradcheck(Wrong.apply, (z,))
    assert str(e.value).startswith("While considering the imaginary part of complex outputs only, Jacobian mismatch for output 0")


def test_forward_mode_is_checked():
    class Slope(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return 2 * g

        @staticmethod
        def jvp(ctx, t):
            return 3 * t

    with pytest.raises(torch.autograd.GradcheckError, match="^Jacobian computed with forward mode mismatch for output 0"):
        gradcheck(Slope.apply, (double(1.0),), check_forward_ad=True)
