"""Random tensors: PyTorch's numbers for the same seed (stored), distributions, states, bounds."""

import math

import numpy as np
import pytest

import jitgrad.eager as torch

from .math_kit import check_error

# What PyTorch 2.13 draws first after manual_seed(42).
STORED = [
    ("t.rand(3)", [0.882269263, 0.915003955, 0.38286376]), ("t.rand(2, dtype=t.float64)", [0.058154486, 0.0629101674]),
    ("t.randn(3)", [0.336690366, 0.128809407, 0.234462366]),
    ("t.randn(17)[[0, 7, 8, 16]]", [1.92691529, 1.68062055, 0.355859905, -0.309726775]),
    ("t.randint(10, (5,))", [2, 7, 6, 4, 6]), ("t.randint(-5, 2**40, (2,))", [441476371554, 395845085946]),
    ("t.randperm(6)", [0, 3, 2, 4, 1, 5]),
    ("t.empty(3).uniform_(-2, 3)", [2.41134644, 2.57501984, -0.0856812]),
    ("t.empty(2, dtype=t.float64).normal_(2, 3)", [3.01007106, 2.38642822]),
    ("t.rand(2, dtype=t.bfloat16).float()", [0.8828125, 0.9140625]), ("t.normal(0.0, 1.0, (2,))", [0.336690366, 0.128809407]),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(42)


@pytest.mark.parametrize(("expression", "wanted"), STORED)
def test_the_numbers_of_torch(expression, wanted):
    np.testing.assert_allclose(eval(expression, {"t": torch}).tolist(), wanted, rtol=2e-6, atol=1e-6)


N = 20000
MOMENTS = [  # mean and standard deviation
    ("t.rand(n)", 0.5, math.sqrt(1 / 12)), ("t.randn(n)", 0, 1), ("t.empty(n).exponential_(2.0)", 0.5, 0.5),
    ("t.bernoulli(t.full((n,), 0.3))", 0.3, math.sqrt(0.21)), ("t.empty(n).bernoulli_(0.7)", 0.7, math.sqrt(0.21)),
    ("t.randint(0, 10, (n,)).float()", 4.5, math.sqrt(99 / 12)), ("t.empty(n).log_normal_(0, 0.5)", math.exp(0.125), 0.604),
    ("t.empty(n).geometric_(0.4)", 2.5, math.sqrt(0.6) / 0.4),
    ("t.multinomial(t.tensor([1.0, 0, 3.0]), n, True).float()", 1.5, math.sqrt(0.75)),
    ("t.empty(n).random_(5)", 2, math.sqrt(2)),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "mean", "spread"), MOMENTS)
def test_moments(expression, mean, spread):
    x = eval(expression, {"t": torch, "n": N}).numpy().astype(float)
    assert abs(x.mean() - mean) < 5 * spread / math.sqrt(N) and abs(x.std() - spread) < 0.05 * spread


def test_same_seed_same_numbers():
    a = torch.rand(3)
    assert torch.initial_seed() == 42 and not torch.equal(a, torch.rand(3))
    torch.manual_seed(42)
    assert torch.equal(a, torch.rand(3))


def test_states_and_generators():
    state = torch.get_rng_state()
    torch.randn(3)  # leaves one number over
    middle = torch.get_rng_state()
    b = torch.randn(2)
    torch.set_rng_state(middle)
    assert torch.equal(b, torch.randn(2))
    torch.set_rng_state(state)
    with torch.random.fork_rng():
        torch.rand(100)
    a = torch.rand(2)
    g = torch.Generator().manual_seed(42)
    assert torch.equal(a, torch.rand(2, generator=g)) and g.initial_seed() == 42


def test_multinomial_without_putting_back():
    at = torch.multinomial(torch.tensor([[0.0, 1.0, 2.0, 3.0]] * 50), 3)
    assert at.shape == (50, 3) and all(sorted(row) == [1, 2, 3] for row in at.tolist())


def test_drawn_at_once():
    x = torch.rand(2)
    assert x._node.buffer is not None
    w = torch.empty(2, 3, requires_grad=True)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad is being used in an in-place operation"):
        w.uniform_()
    with torch.no_grad():
        assert w.uniform_(-1, 1) is w and w.requires_grad


def test_shapes_and_dtypes():
    x = torch.zeros(2, 3, dtype=torch.float64)
    assert torch.rand_like(x).dtype is torch.float64 and torch.randn_like(x).shape == (2, 3)
    assert torch.randint_like(x, 3).dtype is torch.float64 and torch.rand(()).shape == () and torch.rand(2, requires_grad=True).is_leaf  # noqa: E501
    assert torch.randn(3, dtype=torch.complex64).dtype is torch.complex64


ERRORS = [
    ("t.randint(5, 2, (2,))", RuntimeError, "random_ expects 'from' to be less than 'to', but got from=5 >= to=2"),
    ("t.normal(0.0, -1.0, (2,))", RuntimeError, "normal expects std >= 0.0, but found std -1"),
    ("t.bernoulli(t.tensor([2.0]))", RuntimeError, "Expected p_in >= 0 && p_in <= 1 to be true, but got false."),
    ("t.multinomial(t.tensor([1.0, 0]), 3)", RuntimeError, "cannot sample n_sample > prob_dist.size(-1) samples without replacement"),  # noqa: E501
    ("t.rand(2, dtype=t.int64)", NotImplementedError, "\"check_uniform_bounds\" not implemented for 'Long'"),
    ("t.ones(2).uniform_(2, 1)", RuntimeError, "uniform_ expects to return a [from, to) range, but found from=2 > to=1"),
    ("t.ones(2).exponential_(-1)", RuntimeError, "exponential_ expects lambda > 0.0, but found lambda=-1"),
    ("t.randn(2, -1)", RuntimeError, "Trying to create tensor with negative dimension -1: [2, -1]"),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "kind", "message"), ERRORS)
def test_errors(expression, kind, message):
    check_error(expression, kind, message)
