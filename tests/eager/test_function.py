"""Custom `Function`s: the protocol, its errors, what is kept, second order; and jitgrad's functions on tensors."""

import gc
import math
import weakref

import numpy as np
import pytest

import jitgrad as jg
import jitgrad.eager as torch

from .own_functions import CustomReLU

TWICE = "Trying to backward through the graph a second time (or directly access saved tensors after they have already been freed"
Function = torch.autograd.Function


def leaf(*values, dtype=torch.float64):
    return torch.tensor(list(values), dtype=dtype, requires_grad=True)


class Cube(Function):
    @staticmethod
    def forward(ctx, x, factor=1.0):
        ctx.save_for_backward(x)
        ctx.factor = factor
        return factor * x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * ctx.factor * x**2 * g, None


class Relu(CustomReLU):
    """Under a name of its own."""


def made(backward, forward=lambda ctx, x, n: x * n):
    """A Function of (tensor, number) with these rules."""

    class G(Function):
        pass

    G.forward, G.backward = staticmethod(forward), staticmethod(backward)
    return G


def test_the_articles_relu():
    x = torch.tensor([-2.0, -0.5, 0.0, 0.5, 2.0], requires_grad=True)
    y = Relu.apply(x)
    assert repr(y) == "tensor([0.0000, 0.0000, 0.0000, 0.5000, 2.0000], grad_fn=<ReluBackward>)"
    y.sum().backward()
    assert x.grad.tolist() == [0, 0, 1, 1, 1]


def test_ctx():
    x = leaf(1.0, 2.0)
    y = Cube.apply(x, 2.0)
    step = y.grad_fn
    assert step.name() == type(step).__name__ == "CubeBackward"
    assert step.factor == 2.0 and step.needs_input_grad == (True, False)
    assert isinstance(step.saved_tensors, tuple) and step.saved_tensors[0] is x
    assert [f.name() for f, _ in step.next_functions] == ["AccumulateGrad"]
    y.sum().backward()
    assert x.grad.tolist() == [6.0, 24.0]
    with pytest.raises(RuntimeError) as e:
        step.saved_tensors
    assert str(e.value).startswith(TWICE)


def test_the_graph_is_freed_unless_retained():
    x = leaf(2.0)
    y = Cube.apply(x)
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [24.0]
    with pytest.raises(RuntimeError) as e:
        y.backward()
    assert str(e.value).startswith(TWICE)


def test_forward_is_not_recorded():
    seen = []

    def forward(ctx, x, n):
        seen.append((torch.is_grad_enabled(), (x * n).requires_grad))
        return x * n

    made(lambda ctx, g: (g, None), forward).apply(leaf(1.0), 2.0)
    assert seen == [(False, False)]


@pytest.mark.parametrize("order", [1, 2, 3])
def test_higher_order(order):
    x = leaf(2.0)
    y = Cube.apply(x)
    for _ in range(order):
        (y,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    assert y.tolist() == [[12.0], [12.0], [6.0]][order - 1]


def test_results_that_are_kept_lead_back_to_the_function():
    class Exp(Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, g):
            (y,) = ctx.saved_tensors
            return y * g

    x = leaf(0.5)
    assert torch.autograd.gradcheck(Exp.apply, (x,)) and torch.autograd.gradgradcheck(Exp.apply, (x,))
    y = Exp.apply(x)
    inner = weakref.ref(y.grad_fn._edge)
    del y
    assert inner() is None, "the step holds itself"


def test_several_results():
    class Two(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, x * 3, "text"

        @staticmethod
        def backward(ctx, a, b, c):
            seen.append((a.tolist(), b.tolist(), c))
            return 2 * a + 3 * b

    seen = []
    x = leaf(1.0, 1.0)
    a, b, text = Two.apply(x)
    assert text == "text" and a.grad_fn == b.grad_fn
    (b * 10).sum().backward(retain_graph=True)
    (a + b).sum().backward()
    assert seen == [([0, 0], [10, 10], None), ([1, 1], [1, 1], None)] and x.grad.tolist() == [35, 35]


def test_materialize_grads():
    class Two(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, a, b):
            assert a is None
            return 3 * b

    x = leaf(1.0)
    Two.apply(x)[1].backward()
    assert x.grad.tolist() == [3]


def test_mark_non_differentiable():
    class Split(Function):
        @staticmethod
        def forward(ctx, x):
            low, high = x * 1, x * 2
            ctx.mark_non_differentiable(low)
            return low, high

        @staticmethod
        def backward(ctx, a, b):
            return b * 2

    low, high = Split.apply(leaf(1.0))
    assert not low.requires_grad and high.requires_grad


def test_mark_dirty():
    class Double(Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return 2 * g

    x = leaf(1.0, 2.0)
    y = x * 1
    z = Double.apply(y)
    assert z is y and y.grad_fn.name() == "DoubleBackward"
    z.sum().backward()
    assert x.grad.tolist() == [2, 2] and z.tolist() == [2, 4]
    whole = x * 1
    Double.apply(whole[0])
    (whole * torch.tensor([1.0, 10.0], dtype=torch.float64)).sum().backward()
    assert whole.tolist() == [2, 2] and x.grad.tolist() == [4, 12]
    with pytest.raises(RuntimeError, match=r"^a leaf Variable that requires grad has been used in an in-place operation\.$"):
        Double.apply(x)


def test_setup_context():
    class Square(Function):
        @staticmethod
        def forward(x, n):
            return x**n

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, ctx.n = inputs
            ctx.save_for_backward(x)

        @staticmethod
        def backward(ctx, g):
            return ctx.n * ctx.saved_tensors[0] * g, None

    assert torch.autograd.gradcheck(lambda x: Square.apply(x, 2), (leaf(1.0, 3.0),))
    x = leaf(3.0)
    Square.apply(x, n=2).backward()
    assert x.grad.tolist() == [6]


def test_once_differentiable():
    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**2

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, g):
            return 2 * ctx.saved_tensors[0] * g

    x = leaf(3.0)
    weight = leaf(1.0)
    (d,) = torch.autograd.grad(Square.apply(x) * weight, x, create_graph=True)
    assert d.tolist() == [6]
    with pytest.raises(RuntimeError) as e:
        d.backward()
    assert str(e.value) == "trying to differentiate twice a function that was marked with @once_differentiable"


def test_a_gradient_is_summed_and_converted_to_its_input():
    x = leaf(1.0, 2.0, dtype=torch.float32)
    G = made(lambda ctx, g: (g.expand(3, 2).to(torch.float64), None))
    G.apply(x, 2.0).sum().backward()
    assert x.grad.tolist() == [3, 3] and x.grad.dtype is torch.float32


WRONG = {
    "too few": (lambda c, g: g, "function GBackward returned an incorrect number of gradients (expected 2, got 1)"),
    "too many": (lambda c, g: (g, None, g), "function GBackward returned an incorrect number of gradients (expected 2, got 3)"),
    "for a number": (
        lambda c, g: (g, g),
        "function GBackward returned a gradient different than None at position 2, but the corresponding forward input was not a "
        "Variable",
    ),
    "no tensor": (lambda c, g: (1, None), "expected Variable or None (got int)"),
    "shape": (
        lambda c, g: (g[:1].expand(3), None),
        "Function GBackward returned an invalid gradient at index 0 - got [3] but expected shape compatible with [2]",
    ),
    "rank": (
        lambda c, g: (g.sum(), None),
        "Function GBackward returned an invalid gradient at index 0 - got [] but expected shape compatible with [2]",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_backward_must_return(name):
    backward, text = WRONG[name]
    with pytest.raises(RuntimeError) as e:
        made(backward).apply(leaf(1.0, 2.0), 2.0).sum().backward()
    assert str(e.value) == text


def test_a_trailing_none_is_no_gradient():
    x = leaf(1.0, 2.0)
    made(lambda c, g: (g, None, None)).apply(x, 2.0).sum().backward()
    assert x.grad.tolist() == [1, 1]


def test_other_errors():
    x = leaf(1.0, 2.0)
    with pytest.raises(TypeError) as e:
        made(None, lambda ctx, x, n: ctx.save_for_backward(3)).apply(x, 2.0)
    assert str(e.value) == "save_for_backward can only save variables, but argument 0 is of type int"
    with pytest.raises(NotImplementedError, match="You must implement the forward function"):
        type("Empty", (Function,), {}).apply(x)
    with pytest.raises(NotImplementedError, match="You must implement either the backward or vjp method"):
        type("Half", (Function,), {"forward": staticmethod(lambda ctx, x: x * 2)}).apply(x).sum().backward()
    with pytest.warns(DeprecationWarning, match="should not be instantiated"), pytest.raises(RuntimeError) as e:
        Cube()(x)
    assert str(e.value).startswith("Legacy autograd function with non-static forward method is deprecated.")


def test_writing_what_is_kept_is_seen():
    x = leaf(1.0, 2.0)
    z = x * 1
    y = Cube.apply(z)
    z.add_(1)
    with pytest.raises(RuntimeError) as e:
        y.sum().backward()
    assert str(e.value).startswith(
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        "[torch.DoubleTensor [2]], "
        "which is output 0 of Add, is at version 1; expected version 0 instead."
    )


def test_an_input_that_is_returned():
    G = made(lambda ctx, g: (5 * g, None), lambda ctx, x, n: x)
    x = leaf(1.0)
    y = G.apply(x, 1.0)
    assert y is not x
    with pytest.raises(RuntimeError, match="This view was created inside a custom Function"):
        y.mul_(2)
    y.backward()
    assert x.grad.tolist() == [5]


def test_in_no_grad_nothing_is_kept():
    x = leaf(1.0)
    with torch.no_grad():
        y = Cube.apply(x)
    assert not y.requires_grad and y.grad_fn is None
    held = torch.ones(3)
    gone = weakref.ref(held)
    Cube.apply(held)
    del held
    gc.collect()
    assert gone() is None


def test_hooks_and_anomaly_mode():
    x = leaf(1.0)
    y = Cube.apply(x)
    y.register_hook(lambda g: g * 10)
    y.backward()
    assert x.grad.tolist() == [30]
    G = made(lambda ctx, g: (g * float("nan"), None))
    with pytest.warns(UserWarning, match="Anomaly Detection"), torch.autograd.detect_anomaly():
        y = G.apply(x, 1.0)
        with pytest.warns(UserWarning) as w, pytest.raises(RuntimeError) as e:
            y.backward()
    assert str(e.value) == "Function 'GBackward' returned nan values in its 0th output."
    assert "test_function.py" in str(w[0].message) and "y = G.apply(x, 1.0)" in str(w[0].message)


# ---- jitgrad's functions on tensors


def test_from_jitgrad():
    def total(x, k):
        s = 0.0
        for i in range(x.shape[0]):
            s += x[i] ** 3 * k
        return s, {"twice": 2 * x}

    f = torch.from_jitgrad(total)
    x = leaf(1.0, 2.0)
    s, more = f(x, 2.0)
    assert s.item() == 18 and s.grad_fn.name() == "TotalBackward"
    (g,) = torch.autograd.grad(s + more["twice"].sum(), x, create_graph=True)
    assert g.tolist() == [8, 26]
    assert torch.autograd.grad(g.sum(), x)[0].tolist() == [12, 24]
    assert torch.autograd.gradgradcheck(lambda x: f(x, 2.0)[0], (x,))
    assert not f(x.detach(), 2.0)[0].requires_grad


def test_from_jitgrad_of_a_gradient_in_float32():
    x = leaf(1.0, 2.0, dtype=torch.float32)
    f = torch.from_jitgrad(jg.grad(lambda x: np.sum(np.sin(x))))
    (g,) = torch.autograd.grad(f(x).sum(), x)
    assert g.dtype is torch.float32 and g.tolist() == pytest.approx([-math.sin(1), -math.sin(2)], rel=1e-6)


def test_from_jitgrad_sees_changes():
    scale = 2.0

    def f(x):
        return np.sum(x * scale)

    g = torch.from_jitgrad(f)
    x = leaf(1.0)
    assert g(x).item() == 2
    scale = 5.0
    assert g(x).item() == 5
    y = g(x)
    with torch.no_grad():
        x.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


# ---- what jitgrad's functions return, called on tensors


def cubes(x, k=1.0):
    s = 0.0
    for i in range(x.shape[0]):
        s += x[i] ** 3 * k
    return s


@pytest.mark.parametrize("function", [cubes, lambda x, k=1.0: np.sum(x**3) * k], ids=["loop", "numpy"])
def test_functions_of_jitgrad_take_tensors(function):
    x = leaf(1.0, 2.0)
    y = jg.jit(function)(x, 2.0)
    assert y.item() == 18
    y.backward()
    assert x.grad.tolist() == [6, 24]
    g = jg.grad(function)(x)
    assert g.tolist() == [3, 12] and g.requires_grad
    (h,) = torch.autograd.grad(g.sum(), x, create_graph=True)
    assert h.tolist() == [6, 12]
    assert torch.autograd.grad(h.sum(), x)[0].tolist() == [6, 6]
    value, g = jg.value_and_grad(function)(x, k=3.0)
    assert (value.item(), g.tolist()) == (27, [9, 36])
    assert torch.autograd.grad(value + g.sum(), x)[0].tolist() == [9 + 18, 36 + 36]
    assert jg.hessian(function)(x).tolist() == [[6, 0], [0, 12]]


def test_tensors_arrays_numbers_and_names_are_mixed():
    f = jg.jit(lambda p, x, *, k: {"y": np.sum(p["w"] * x) * k, "n": x.shape[0]})
    w, k = leaf(1.0, 2.0), leaf(4.0)[0]
    for _ in range(2):
        found = f({"w": w}, np.array([3.0, 5.0]), k=k)
        assert found["n"] == 2 and found["y"].item() == 52
    by_w, by_k = torch.autograd.grad(found["y"], (w, k))
    assert by_w.tolist() == [12, 20] and by_k.item() == 13
    g = jg.grad(lambda a, x: np.sum(a * x * x))(2.0, w)  # by a number: what it gives depends on the tensor
    assert torch.autograd.grad(g, w)[0].tolist() == [2, 4]
    assert jg.jvp(lambda x: x * x, (w,), (np.ones(2),))[1].tolist() == [2, 4]


def test_a_call_on_a_tensor_takes_its_values_of_now():
    x = torch.tensor([1.0, 2.0])
    f = jg.jit(lambda x: x * 2.0)
    assert f(x).tolist() == [2, 4]
    x.mul_(10)
    assert f(x).tolist() == [20, 40] and f(x).dtype is torch.float32
    assert f(torch.nn.Parameter(x)).requires_grad
    assert not jg.grad(lambda x: np.sum(x * x))(x).requires_grad
    assert isinstance(f(np.ones(2)), np.ndarray)


def test_what_cannot_take_tensors_names_the_way():
    x = leaf(1.0, 2.0)
    with pytest.raises(TypeError, match=r"a Tensor is given(.|\n)*jitgrad\.eager\.from_jitgrad\(f\)"):
        jg.vjp(cubes, x)

    def write(x):
        x[0] = 5.0
        return np.sum(x)

    for f in (jg.jit(write), torch.from_jitgrad(write)):
        with pytest.raises(jg.errors.Unsupported, match="`write` writes into its argument `x`, which is a tensor"):
            f(x)
