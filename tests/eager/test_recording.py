"""Recording and running: what is computed when, what is found again, what is let go."""

import gc
import weakref

import numpy as np
import pytest

import jitgrad.eager as torch
from jitgrad.eager import run as running
from jitgrad.eager.run import settings


@pytest.fixture(params=[0, 1], ids=["compiled", "interpreted"])
def way(request, monkeypatch):
    """Every structure compiled at once, or run primitive by primitive."""
    monkeypatch.setattr(settings, "compile_after", 0 if request.param == 0 else 10**9)
    monkeypatch.setattr(running, "entries", {})
    return request.param


@pytest.fixture
def entries(monkeypatch):
    fresh = {}
    monkeypatch.setattr(running, "entries", fresh)
    return fresh


def test_nothing_is_computed_before_it_is_asked_for(entries):
    x = torch.tensor([1.0, 2.0])
    y = torch.sin(x) * 2
    assert y._node.buffer is None and not entries
    assert y.tolist() == pytest.approx([2 * np.sin(1.0), 2 * np.sin(2.0)], rel=1e-6)
    assert y._node.buffer is not None and len(entries) == 1


def test_what_nobody_holds_has_no_memory():
    x = torch.ones(3)
    middle = x + 1
    y = torch.exp(torch.cos(middle) * 2)
    y.tolist()
    assert middle._node.buffer is not None  # a tensor holds it
    assert all(n.buffer is not None or n.owner is None or n.owner() is None for n in y._node.inputs if hasattr(n, "buffer"))


def test_a_loop_is_one_structure_whatever_the_sizes_and_numbers(entries):
    w = torch.ones(3, requires_grad=True)
    for step in range(6):
        x = torch.full((5 + step, 3), 0.5 + step)
        ((x @ w - 0.1 * step) ** 2).sum().backward()
        w.grad = None
    assert len(entries) == 1
    (entry,) = entries.values()
    assert entry.seen == 6 and entry.changing and len(entry.function.programs) == 1


@pytest.mark.parametrize("take", [lambda x, k: x[k], lambda x, k: x[k : k + 2], lambda x, k: x[k, 1:], lambda x, k: x[k][None]])
def test_a_loop_over_rows_of_data_is_one_structure(entries, take):
    values = np.random.default_rng(0).normal(size=(5, 3))
    for data in (torch.tensor(values), torch.from_numpy(values)):
        entries.clear()
        for k in range(3):
            assert torch.sin(take(data, k) * 2.0).sum().item() == pytest.approx(np.sin(take(values, k) * 2.0).sum())
        assert len(entries) == 1


def test_parts_of_known_values_share_memory_and_see_writes():
    x = torch.tensor(np.arange(6.0).reshape(2, 3))
    row, column = x[1], x[:, 1]
    assert row._node.buffer is not None and np.shares_memory(row._node.buffer, x._node.buffer)
    assert column._node.buffer is None, "that would have to be copied"
    x.mul_(10.0)
    row[0] = 7.0
    assert row.tolist() == [7.0, 40.0, 50.0] and x.tolist() == [[0.0, 10.0, 20.0], [7.0, 40.0, 50.0]]
    assert column.tolist() == [10.0, 40.0]


def test_of_memory_that_is_numpys_only_the_part_is_copied():
    shared = np.zeros((4, 3))
    row = torch.from_numpy(shared)[2]
    assert row._node.buffer.shape == (3,)
    shared[2] = 5.0
    assert row.tolist() == [5.0] * 3


def test_the_type_of_an_exponent_counts():
    x = torch.tensor([2])
    assert [(x**2).dtype, (x**2.0).dtype, torch.float_power(x, 2).dtype] == [torch.int64, torch.float32, torch.float64]


def test_floats_are_literals_until_they_change(entries, monkeypatch):
    monkeypatch.setattr(settings, "compile_after", 0)
    x = torch.tensor([1.0, 2.0, 3.0])
    got = [(x * factor + 1.5).tolist() for factor in (2.0, 2.0, 3.0, 4.0)]
    assert got == [[3.5, 5.5, 7.5]] * 2 + [[4.5, 7.5, 10.5], [5.5, 9.5, 13.5]]
    (entry,) = entries.values()
    assert entry.changing == (0,)


@pytest.mark.parametrize("value", [0.0, -0.0, float("nan"), float("inf")])
def test_special_floats_are_told_apart(way, value):
    x = torch.tensor([1.0, -1.0])
    for v in (0.0, value, 1.0, value):
        np.testing.assert_array_equal((x * v).numpy(), np.array([1.0, -1.0]) * v)


def test_gradients_are_those_of_the_formula(way):
    x = torch.tensor([0.3, -1.2, 2.0], requires_grad=True, dtype=torch.float64)
    y = (torch.tanh(x) * torch.exp(-x * x)).sum()
    y.backward()
    v = np.array([0.3, -1.2, 2.0])
    exact = np.exp(-v * v) * ((1 - np.tanh(v) ** 2) - 2 * v * np.tanh(v))
    np.testing.assert_allclose(x.grad.numpy(), exact, rtol=1e-12)


def test_second_order(way):
    x = torch.tensor([0.5, 1.5], requires_grad=True, dtype=torch.float64)
    (g,) = torch.autograd.grad((x**3 * torch.sin(x)).sum(), x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x)
    v = np.array([0.5, 1.5])
    np.testing.assert_allclose(h.numpy(), 6 * v * np.sin(v) + 6 * v**2 * np.cos(v) - v**3 * np.sin(v), rtol=1e-12)


def test_backward_lets_the_graph_go():
    w = torch.ones(4, requires_grad=True)
    h = torch.sin(w)
    inner = weakref.ref(h._node)
    loss = (h * h).sum()
    del h
    loss.backward()
    gc.collect()
    assert inner() is None
    assert loss._node.inputs == ()


def test_a_long_graph_is_run_in_parts(monkeypatch):
    monkeypatch.setattr(settings, "longest", 300)
    x = torch.tensor([1.0], requires_grad=True, dtype=torch.float64)
    y = x
    for _ in range(2000):
        y = y * 1.001
    assert len(running.pending([y._node])) <= 300 + 256
    y.backward()
    assert x.grad.item() == pytest.approx(1.001**2000, rel=1e-9)
    assert y.item() == pytest.approx(1.001**2000, rel=1e-9)


def test_values_are_those_of_their_time(way):
    """A write replaces a value; what was recorded before keeps the old one."""
    x = torch.tensor([1.0, 2.0])
    before = x * 10
    x.add_(1)
    assert before.tolist() == [10.0, 20.0] and x.tolist() == [2.0, 3.0]
    memory = np.array([1.0, 2.0], np.float32)
    t = torch.from_numpy(memory)
    before = t * 10
    memory[0] = 7
    assert before.tolist() == [10.0, 20.0] and t.tolist() == [7.0, 2.0]
    t[1] = 5
    assert memory.tolist() == [7.0, 5.0]


def test_views_and_numpy_share(way):
    x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    row, column = x[1], x.t()[2]
    column.mul_(10)
    assert x.tolist() == [[1, 2, 30], [4, 5, 60]] and row.tolist() == [4, 5, 60]
    array = x.numpy()
    array[1, 0] = -1
    row += 1
    assert x.tolist() == [[1, 2, 30], [0, 6, 61]] and array[1].tolist() == [0, 6, 61]


def test_writing_through_a_view_is_differentiated(way):
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 1
    y[1:] *= y[0]
    y.sum().backward()
    assert x.grad.tolist() == [1 + 2 + 3, 1, 1]
