"""Jacobians, Hessians and products with them against closed forms."""

import pytest

import jitgrad.eager as torch

F = torch.autograd.functional
x, y = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
cubes = lambda x: (x**3).sum()


def diagonal(*values):
    return [[v if j == k else 0 for j in range(len(values))] for k, v in enumerate(values)]


@pytest.mark.parametrize("options", [{}, {"vectorize": True}, {"vectorize": True, "strategy": "forward-mode"}], ids=str)
def test_jacobian(options):
    assert F.jacobian(lambda x: x**2, x, **options).tolist() == diagonal(2, 4)
    a, b = F.jacobian(lambda x, y: x * y, (x, y), **options)
    assert a.tolist() == diagonal(3, 4) and b.tolist() == diagonal(1, 2)
    outs = F.jacobian(lambda x: (x**2, x.sum()), x, **options)
    assert outs[0].tolist() == diagonal(2, 4) and outs[1].tolist() == [1, 1]
    m = F.jacobian(lambda m: m @ x, torch.ones(3, 2), **options)
    assert m.shape == (3, 3, 2) and m[1].tolist() == [[0, 0], [1, 2], [0, 0]]
    assert not m.requires_grad


@pytest.mark.parametrize("options", [{}, {"vectorize": True, "outer_jacobian_strategy": "forward-mode"}], ids=str)
def test_hessian(options):
    assert F.hessian(cubes, x, **options).tolist() == diagonal(6, 12)
    h = F.hessian(lambda x, y: (x * y).sum(), (x, y), **options)
    assert [[b.tolist() for b in row] for row in h] == [[diagonal(0, 0), diagonal(1, 1)], [diagonal(1, 1), diagonal(0, 0)]]


def test_products():
    v = torch.tensor([1.0, 10.0])
    value, found = F.vjp(lambda x: x**2, x, v)
    assert value.tolist() == [1, 4] and found.tolist() == [2, 40]
    value, found = F.jvp(lambda x: x**2, x, v)
    assert value.tolist() == [1, 4] and found.tolist() == [2, 40]
    for product in (F.hvp, F.vhp):
        value, found = product(cubes, x, v)
        assert value.item() == 9 and found.tolist() == [6, 120]
    (a, b) = F.vjp(lambda x, y: (x * y).sum(), (x, y))[1]
    assert a.tolist() == [3, 4] and b.tolist() == [1, 2]
    assert F.jvp(lambda x, y: x * y, (x, y), (v, v))[1].tolist() == [3 + 1, 40 + 20]


def test_create_graph():
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    for made in (
        F.jacobian(cubes, w, create_graph=True),
        F.vjp(cubes, w, create_graph=True)[1],
        F.jvp(lambda w: w**3, w, torch.ones(2), create_graph=True)[1],
    ):
        assert made.tolist() == [3, 12]
        assert torch.autograd.grad(made.sum(), w)[0].tolist() == [6, 12]
    h = F.hvp(cubes, w, torch.ones(2), create_graph=True)[1]
    assert torch.autograd.grad(h.sum(), w)[0].tolist() == [6, 6]
    assert torch.autograd.grad(F.hessian(cubes, w, create_graph=True).sum(), w)[0].tolist() == [6, 6]


STRICT = [
    (lambda: F.jacobian(lambda x, y: x, (x, y), strict=True),
     "Output 0 of the user-provided function is independent of input 1."),
    (lambda: F.jacobian(lambda x: y, x, strict=True), "Output 0 of the user-provided function does not require gradients."),
    (lambda: F.vjp(lambda x, y: x.sum(), (x, y), strict=True),
     "The output of the user-provided function is independent of input 1."),
    (lambda: F.hessian(lambda x: x.sum(), x, strict=True), "While computing the hessian, found that the jacobian"),
]


@pytest.mark.parametrize("case", STRICT, ids=range(len(STRICT)))
def test_strict(case):
    with pytest.raises(RuntimeError) as e:
        case[0]()
    assert str(e.value).startswith(case[1])


WRONG = [
    (
        lambda: F.vjp(lambda x: x, 3),
        TypeError,
        "The inputs given to vjp must be either a Tensor or a tuple of Tensors but the given inputs has type <class 'int'>.",
    ),
    (
        lambda: F.jvp(lambda x: x, (x, 3)),
        TypeError,
        "The inputs given to jvp must be either a Tensor or a tuple of Tensors but the value at index 1 has type <class 'int'>.",
    ),
    (
        lambda: F.vjp(lambda x: x, x),
        RuntimeError,
        "The vector v can only be None if the user-provided function returns a single Tensor with a single element.",
    ),
    (
        lambda: F.hvp(cubes, x, torch.ones(3)),
        RuntimeError,
        "v has invalid size: should be torch.Size([2]) but got torch.Size([3]).",
    ),
    (
        lambda: F.hessian(lambda x: x, x),
        RuntimeError,
        "The Tensor returned by the function given to hessian should contain a single element",
    ),
    (
        lambda: F.hessian(lambda x: (x, x), x),
        RuntimeError,
        "The function given to hessian should return a single Tensor",
    ),
]


@pytest.mark.parametrize("case", WRONG, ids=range(len(WRONG)))
def test_wrong_arguments(case):
    with pytest.raises(case[1]) as e:
        case[0]()
    assert str(e.value) == case[2]
