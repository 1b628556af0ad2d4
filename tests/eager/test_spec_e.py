"""The acceptance rows E: `autograd.grad` and `backward`, argument by argument."""

import inspect
import warnings

import pytest

import jitgrad.eager as torch

TWICE = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they have already been freed). "
    "Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify retain_graph=True if "
    "you need to backward through the graph a second time or if you need to access saved tensors after calling backward."
)
NO_GRAPH = "element 0 of tensors does not require grad and does not have a grad_fn"
grad = torch.autograd.grad


def leaf(value):
    return torch.tensor(value, requires_grad=True)


def refused(f, text, error=RuntimeError):
    with pytest.raises(error) as e:
        f()
    assert str(e.value) == text


def test_E0():
    """The derivative of a network by its input, and back through it to the weights."""
    w1, w2 = leaf([[0.3], [-0.7]]), leaf([[0.5, 1.1]])
    x = leaf([[0.2], [0.9]])
    u = torch.tanh(x @ w1.t()) @ w2.t()
    (u_x,) = grad(u.sum(), x, create_graph=True)
    (u_xx,) = grad(u_x.sum(), x, create_graph=True)
    ((u_xx + u_x) ** 2).mean().backward()
    t = torch.tanh(x @ w1.t()).detach().numpy()
    a, b = w1.detach().numpy()[:, 0], w2.detach().numpy()[0]
    first, second = (1 - t**2) * a * b, -2 * t * (1 - t**2) * a * a * b
    assert u_x.reshape(-1).tolist() == pytest.approx(first.sum(1).tolist(), rel=1e-5)
    assert u_xx.reshape(-1).tolist() == pytest.approx(second.sum(1).tolist(), rel=1e-4)
    residual = (first + second).sum(1)
    by_w2 = (2 * residual[:, None] * (first + second) / b).mean(0)
    assert w2.grad.reshape(-1).tolist() == pytest.approx(by_w2.tolist(), rel=1e-4)


def test_E1():
    x = leaf([1.0, 2.0, 3.0])
    y = (x**2).sum()
    got = grad(y, x)
    assert repr(got) == "(tensor([2., 4., 6.]),)"


def test_E2():
    x = leaf([1.0, 2.0, 3.0])
    assert grad(x**2, x, grad_outputs=torch.ones(3))[0].tolist() == [2, 4, 6]
    assert grad(x**2, x, grad_outputs=torch.tensor([1.0, 2.0, 3.0]))[0].tolist() == [2, 8, 18]


def test_E3():
    x = leaf([1.0, 2.0, 3.0])
    y = torch.stack([x**2, x**3])
    assert grad(y, x, grad_outputs=torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 2.0]]))[0].tolist() == [5.0, 4.0, 60.0]


def test_E4():
    x = leaf([[1.0, 2.0], [3.0, 4.0]])
    assert grad(x @ x, x, grad_outputs=torch.ones(2, 2))[0].tolist() == [[7, 11], [9, 13]]


def test_E5():
    p, r = leaf(2.0), leaf([1.0, 2.0])
    gg = grad((p * r).sum(), [p, r])
    assert isinstance(gg, tuple) and len(gg) == 2
    assert [g.tolist() for g in gg] == [3.0, [2.0, 2.0]]
    assert [g.tolist() for g in grad((p * r).sum(), [r, p])] == [[2.0, 2.0], 3.0]
    deep = torch.ones(2, 3, 4, 5, requires_grad=True)
    assert grad((deep**2).sum(), deep)[0].shape == deep.shape


def test_E6():
    names = ["outputs", "inputs", "grad_outputs", "retain_graph", "create_graph", "only_inputs", "allow_unused"]
    found = inspect.signature(grad).parameters
    assert list(found)[:7] == names
    defaults = [found[n].default for n in names[2:]]
    assert defaults[:4] == [None, None, False, True] and not defaults[4]
    assert {"is_grads_batched", "materialize_grads"} <= set(found)
    x = leaf([1.0, 2.0])
    y = (x**2).sum()
    got = grad(
        outputs=y, inputs=x, grad_outputs=None, retain_graph=True, create_graph=False, only_inputs=True, allow_unused=False
    )
    assert got[0].tolist() == [2, 4]
    with pytest.warns(FutureWarning) as seen:
        grad(y, x, only_inputs=False)
    assert str(seen[0].message) == (
        "only_inputs argument is deprecated and is ignored now (defaults to True). To accumulate gradient for other parts of the "
        "graph, please use torch.autograd.backward."
    )


def test_E7():
    x = leaf([1.0, 2.0])
    refused(lambda: grad(x**2, x), "grad can be implicitly created only for scalar outputs")
    refused(
        lambda: grad(x**2, x, grad_outputs=torch.ones(3)),
        "Mismatch in shape: grad_output[0] has a shape of torch.Size([3]) and output[0] has a shape of torch.Size([2]).",
    )


def test_E8():
    x = torch.tensor(2., requires_grad=True); y = x**2; z = y**3
    grad1 = torch.autograd.grad(z, y)
    assert repr(grad1) == "(tensor(48.),)"
    refused(lambda: torch.autograd.grad(z, x), TWICE)


def test_E9():
    x = torch.tensor(2., requires_grad=True)
    y = x**2; z = y**3
    grad1 = torch.autograd.grad(z, y, retain_graph=True); grad2 = torch.autograd.grad(z, x)
    assert repr((grad1, grad2)) == "((tensor(48.),), (tensor(192.),))"
    refused(lambda: torch.autograd.grad(z, x), TWICE)


def test_E10():
    x = leaf(2.0)
    y = x**2
    y.backward(retain_graph=True)
    y.backward()
    assert repr(x.grad) == "tensor(8.)"
    refused(y.backward, TWICE)
    a = leaf([1.0, 2.0])
    (a * 2).sum().backward()
    (a * 2).sum().backward()
    assert a.grad.tolist() == [4.0, 4.0]


def test_E11():
    x = torch.tensor(3., requires_grad=True); y = x**3
    d1 = torch.autograd.grad(y, x, create_graph=True)[0]; d2 = torch.autograd.grad(d1, x)[0]
    assert repr(d1) == "tensor(27., grad_fn=<MulBackward0>)" and repr(d2) == "tensor(18.)"
    (plain,) = grad(x**3, x)
    refused(lambda: grad(plain, x), NO_GRAPH)


def test_E12():
    x, u = leaf(3.0), leaf(1.0)
    refused(
        lambda: grad(x**2, [x, u]),
        "The differentiated Tensor at index 1 appears to not have been used in the graph. Set allow_unused=True if this is the "
        "desired behavior.",
    )
    assert repr(grad(x**2, [x, u], allow_unused=True)) == "(tensor(6.), None)"
    assert repr(grad(x**2, [x, u], materialize_grads=True)) == "(tensor(6.), tensor(0.))"


def test_E13():
    x = leaf(3.0)
    refused(lambda: grad(x**2, torch.tensor(1.0)), "One of the differentiated Tensors does not require grad")


def test_E14():
    names = [n for n in inspect.signature(torch.Tensor.backward).parameters if n != "self"]
    assert names == ["gradient", "retain_graph", "create_graph", "inputs"]
    x, u = leaf(3.0), leaf(2.0)
    (x * u).backward(inputs=[x])
    assert repr((x.grad, u.grad)) == "(tensor(2.), None)"
    with pytest.warns(UserWarning) as seen:
        (leaf(1.0) ** 2).backward(create_graph=True)
    assert str(seen[0].message) == (
        "Using backward() with create_graph=True will create a reference cycle between the parameter and its gradient which can "
        "cause a memory leak. We recommend using autograd.grad when creating the graph to avoid this. If you have to use this "
        "function, make sure to reset the .grad fields of your parameters to None after use to break the cycle and avoid the "
        "leak."
    )


def test_E15():
    x, u = leaf(3.0), leaf(2.0)
    torch.autograd.backward(x * u, inputs=[x])
    assert repr((x.grad, u.grad)) == "(tensor(2.), None)"
    a = leaf([1.0, 2.0])
    torch.autograd.backward([a * 2, a**2], [torch.tensor([1.0, 3.0]), torch.ones(2)])
    assert a.grad.tolist() == [2 + 2, 6 + 4]


def test_E16():
    x = torch.tensor([1.0])
    assert x.requires_grad_(True) is x and x.requires_grad
    assert torch.tensor([1.0], requires_grad=True).requires_grad
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (x * 2).requires_grad_(True)
    refused(
        lambda: (x * 2).requires_grad_(False),
        "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in a subgraph that "
        "doesn't require differentiation use var_no_grad = var.detach().",
    )
