"""Products and linear algebra: gradients against differences, every pair of ranks, errors; everything against PyTorch (slow)."""

import numpy as np
import pytest

import jitgrad.eager as torch

from .math_cases import cases
from .math_kit import check_as_torch, check_error, check_gradients

ALL = cases("linear")


@pytest.mark.parametrize("expression", ALL)
def test_gradients(expression):
    check_gradients(expression, symmetric=True)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("expression", ALL)
def test_as_torch(expression, dtype):
    check_as_torch(expression, dtype)


LEFT, RIGHT = [(3,), (2, 3), (4, 2, 3), (5, 1, 2, 3)], [(3,), (3, 2), (4, 3, 2), (5, 4, 3, 2), (1, 3, 2)]


@pytest.mark.parametrize("left", LEFT)
@pytest.mark.parametrize("right", RIGHT)
def test_matmul_of_all_ranks(left, right):
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=left), rng.normal(size=right)
    x, z = torch.tensor(a, requires_grad=True), torch.tensor(b, requires_grad=True)
    out = x @ z
    np.testing.assert_allclose(out.detach().numpy(), a @ b, rtol=1e-12)
    w = rng.normal(size=np.shape(a @ b))
    (out * torch.tensor(w)).sum().backward()
    step = 1e-6
    for v, t in ((a, x), (b, z)):
        along = rng.normal(size=v.shape)
        up, down = (((a + s * along) @ b if v is a else a @ (b + s * along)) for s in (step, -step))
        np.testing.assert_allclose((t.grad.numpy() * along).sum(), ((up - down) * w).sum() / (2 * step), rtol=1e-6, atol=1e-8)


ERRORS = [
    ("t.mm(o(2, 3), o(3))", "mat2 must be a matrix"), ("t.mm(o(3), o(3, 2))", "self must be a matrix"),
    ("t.mm(o(2, 3), o(2, 3))", "mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)"),
    ("t.mv(o(2, 3), o(2))", "size mismatch, got input (2), mat (2x3), vec (2)"),
    ("t.dot(o(3), o(2))", "inconsistent tensor size, expected tensor [3] and src [2] to have the same number of elements, but got 3 and 2"),  # noqa: E501
    ("t.dot(o(2, 3), o(3))", "1D tensors expected, but got 2D and 1D tensors"),
    ("t.bmm(o(2, 3), o(3, 2))", "batch1 must be a 3D tensor"),
    ("t.bmm(o(2, 3, 4), o(3, 4, 5))", "Expected size for first two dimensions of batch2 tensor to be: [2, 4] but got: [3, 4]."),
    ("o(4, 2, 3) @ o(4, 2, 3)", "Expected size for first two dimensions of batch2 tensor to be: [4, 3] but got: [4, 2]."),
    ("o(4, 2, 3) @ o(4, 2)", "mat1 and mat2 shapes cannot be multiplied (8x3 and 4x2)"), ("o(3) @ o(4, 2)", "(1x3 and 4x2)"),
    ("o(3, 2, 3) @ o(4, 3, 2)", "The size of tensor a (3) must match the size of tensor b (4) at non-singleton dimension 0"),
    ("o(2, 3) @ o(3, 2).double()", "expected m1 and m2 to have the same dtype, but got: float != double"),
    ("o(3) @ o(3).double()", "dot : expected both vectors to have same dtype, but found Float and Double"),
    ("o() @ o(3)", "both arguments to matmul need to be at least 1D, but they are 0D and 1D"),
    ("t.outer(o(2, 3), o(3))", "outer: Expected 1-D argument self, but got 2-D"),
    ("t.addmm(o(2), o(2, 3), o(3, 4))", "The expanded size of the tensor (4) must match the existing size (2) at non-singleton dimension 1."),  # noqa: E501
    ("t.einsum('ij,jk->ik', o(2, 3), o(2, 3))", "einsum(): subscript j has size 2 for operand 1 which does not broadcast with previously seen size 3"),  # noqa: E501
    ("t.einsum('ijk', o(2, 3))", "einsum(): the number of subscripts in the equation (3) does not match the number of dimensions (2) for operand 0"),  # noqa: E501
    ("t.einsum('ij->k', o(2, 3))", "einsum(): output subscript k does not appear in the equation for any input operand"),
    ("t.trace(o(3))", "trace: expected a matrix, but got tensor with dim 1"),
    ("t.tensordot(o(2, 3), o(2, 3), 1)", "contracted dimensions need to match, but first has size 3 in dim -1 and second has size 2 in dim 0"),  # noqa: E501
    ("t.linalg.inv(o(2, 3))", "linalg.inv: A must be batches of square matrices, but they are 2 by 3 matrices"),
    ("t.linalg.solve(t.eye(2), o(3))", "linalg.solve: Incompatible shapes of A and B for the equation AX = B (2x2 and 3x1)"),
    ("t.linalg.det(o(2))", "linalg.det: The input tensor A must have at least 2 dimensions."),
    ("t.linalg.multi_dot([o(2, 3)])", "multi_dot(): expected at least 2 tensors but got 1"),
    ("t.inner(o(2, 3), o(2))", "inner() the last dimension must match on both input tensors but got shapes [2, 3] and [2]"),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "message"), ERRORS)
def test_errors(expression, message):
    check_error(expression, RuntimeError, message, o=lambda *s: torch.ones(s))


def test_without_a_derivative():
    a = torch.tensor([[2.0, 1.0], [1.0, 3.0]], dtype=torch.float64)
    values, vectors = torch.linalg.eigh(a)
    np.testing.assert_allclose((vectors * values @ vectors.mT).numpy(), a.numpy(), atol=1e-12)
    assert torch.linalg.svdvals(a).shape == (2,) and torch.linalg.matrix_rank(a).item() == 2
    for f in (torch.linalg.eigh, torch.linalg.svd, torch.linalg.qr, torch.linalg.pinv):
        with pytest.raises(NotImplementedError, match="has no derivative here"):
            f(a.clone().requires_grad_())


def test_singular():
    with pytest.raises(torch.linalg.LinAlgError):
        torch.linalg.inv(torch.zeros(2, 2)).tolist()
