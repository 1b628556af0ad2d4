"""Sums, extremes, norms, order: gradients against differences, ties, errors; everything against PyTorch (slow)."""

import numpy as np
import pytest

import jitgrad.eager as torch

from .math_cases import cases
from .math_kit import check_as_torch, check_error, check_gradients

ALL = cases("reductions")


@pytest.mark.parametrize("expression", ALL)
def test_gradients(expression):
    check_gradients(expression)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("expression", ALL)
def test_as_torch(expression, dtype):
    check_as_torch(expression, dtype)


def slopes(function, *x):
    v = torch.tensor(x, requires_grad=True)
    return torch.autograd.grad(function(v), v)[0].tolist()


def test_ties():
    assert slopes(lambda x: x.max(), 2.0, 2.0, 1.0) == [0.5, 0.5, 0.0]
    assert slopes(lambda x: x.amax(0), 2.0, 2.0, 1.0) == [0.5, 0.5, 0.0]
    assert slopes(lambda x: x.max(0).values, 2.0, 2.0, 1.0) == [1.0, 0.0, 0.0]
    assert slopes(lambda x: x.std(), 2.0, 2.0) == [0.0, 0.0]
    assert slopes(lambda x: x.prod(), 2.0, 0.0, 3.0) == [0.0, 6.0, 0.0]


def test_named_results():
    x = torch.tensor([[1.0, 5.0], [7.0, 2.0]])
    found = x.max(1)
    assert repr(found) == "torch.return_types.max(\nvalues=tensor([5., 7.]),\nindices=tensor([1, 0]))"
    assert found.indices.dtype is torch.int64 and x.argmax().item() == 2 and x.argmin(1).tolist() == [0, 1]
    low, high = torch.aminmax(x)
    assert (low.item(), high.item()) == (1.0, 7.0)


ORDER = [
    ("x.sort().values", [1, 1, 2, 3]), ("x.sort(descending=True).indices", [0, 3, 1, 2]), ("x.argsort()", [1, 2, 3, 0]),
    ("x.topk(2).values", [3, 2]), ("x.kthvalue(3).values", 2), ("x.median()", 1), ("x.median(0).indices", 2),
    ("x.mode().values", 1),
    ("x.mode().indices", 2), ("x.cummax(0).values", [3, 3, 3, 3]), ("x.cummin(0).indices", [0, 1, 2, 2]),
    ("x.unique()", [1, 2, 3]),
    ("t.unique_consecutive(x)", [3, 1, 2]), ("t.bincount(x)", [0, 2, 1, 1]),
    ("t.isin(x, t.tensor([3]))", [True, False, False, False]),
    ("t.searchsorted(t.tensor([1, 2, 3]), x)", [2, 0, 0, 1]), ("t.bucketize(x, t.tensor([1, 2, 3]), right=True)", [3, 1, 1, 2]),
    ("x.sum()", 7), ("x.cumsum(0)", [3, 4, 5, 7]), ("x.prod()", 6), ("t.count_nonzero(x - 1)", 2), ("(x > 1).all()", False),
    ("(x > 1).any()", True), ("x.unique(return_counts=True)[1]", [2, 1, 1]), ("x.msort()", [1, 1, 2, 3]),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "wanted"), ORDER)
def test_order_and_counts(expression, wanted):
    got = eval(expression, {"t": torch, "x": torch.tensor([3, 1, 1, 2])})
    assert got.tolist() == wanted


def test_nan_in_order():
    x = torch.tensor([2.0, float("nan"), 1.0])
    assert x.argsort().tolist() == [2, 0, 1] and x.argsort(descending=True).tolist() == [1, 0, 2]
    assert np.isnan(x.median().item()) and torch.nanmedian(x).item() == 1.0 and np.isnan(torch.quantile(x, 0.5).item())


ERRORS = [
    ("i.mean()", RuntimeError, "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: Long"),  # noqa: E501
    ("x.sum((0, 0))", RuntimeError, "dim 0 appears multiple times in the list of dims"),
    ("x.sum(3)", IndexError, "Dimension out of range (expected to be in range of [-1, 0], but got 3)"),
    ("i.var()", RuntimeError, "std and var only support floating point and complex dtypes"),
    ("t.zeros(0).max()", RuntimeError, "max(): Expected reduction dim to be specified for input.numel() == 0."),
    ("t.zeros(0, 3).max(0)", IndexError, "max(): Expected reduction dim 0 to have non-zero size."),
    ("t.zeros(0).argmax()", IndexError, "argmax(): Expected reduction dim to be specified for input.numel() == 0."),
    ("i.norm()", RuntimeError, "linalg.vector_norm: Expected a floating point or complex tensor as input. Got Long"),
    ("x.topk(9)", RuntimeError, "selected index k out of range"),
    ("t.linalg.norm(t.ones(2, 2), 2)", NotImplementedError, "singular values"),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "kind", "message"), ERRORS)
def test_errors(expression, kind, message):
    check_error(expression, kind, message, x=torch.ones(2), i=torch.tensor([1, 2]))


def test_too_few_for_a_spread():
    with pytest.warns(UserWarning, match="degrees of freedom is <= 0"):
        assert np.isnan(torch.tensor([1.0]).var().item())
