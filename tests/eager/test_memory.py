"""What stays after a training step: leaves, gradients, and nothing that grows."""

import gc
import threading
import tracemalloc

import numpy as np
import pytest

import jitgrad.eager as torch
from jitgrad.eager.node import Leaf, Node, Spent
from jitgrad.eager.tensor import Tensor

RECORDS = (Node, Spent, Leaf, Tensor)


def live():
    """How many of the objects of a graph there are. They are found by the collector, which does not run."""
    return sum(issubclass(type(x), RECORDS) for x in gc.get_objects())  # (a dead proxy of other tests has no class to ask)


@pytest.fixture
def uncollected():
    """Only counting references frees anything."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def trainer(optimizer):
    w = torch.tensor(np.ones((3, 3), np.float32), requires_grad=True)
    b = torch.zeros(3, requires_grad=True)
    steps = optimizer([w, b])
    x = torch.tensor(np.linspace(0, 1, 12, dtype=np.float32).reshape(4, 3))

    def step():
        steps.zero_grad()
        loss = ((torch.tanh(x @ w + b) - 0.5) ** 2).mean()
        loss.backward()
        steps.step()
        return loss

    return step


OPTIMIZERS = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "Adam": lambda p: torch.optim.Adam(p, lr=0.1),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_steps_leave_nothing_behind(uncollected, name):
    step = trainer(OPTIMIZERS[name])
    for _ in range(5):
        step()
    before = live()
    for _ in range(20):
        step()
    assert live() == before


@pytest.mark.slow
def test_ten_thousand_steps_take_no_more_memory(uncollected):
    step = trainer(OPTIMIZERS["Adam"])
    tracemalloc.start()
    try:
        for _ in range(2_000):  # Python keeps some freed tuples
            step()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(10_000):
            step()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 2_000


def test_losses_that_are_kept_keep_no_values(uncollected):
    """As in `losses.append(loss)`: the shape of the graph stays, the arrays behind it do not."""
    x = torch.ones(1000, requires_grad=True)

    def step():
        data = torch.ones(1000) * 2.0
        loss = torch.exp(data * x).sum()
        x.grad = None
        loss.backward()
        return loss

    losses = [step() for _ in range(5)]
    held = {id(n) for n in gc.get_objects() if type(n) is Node and n.buffer is not None and n.aval.numel == 1000}
    losses += [step() for _ in range(20)]
    again = {id(n) for n in gc.get_objects() if type(n) is Node and n.buffer is not None and n.aval.numel == 1000}
    assert len(again) == len(held)


def test_second_derivatives_leave_nothing_behind(uncollected):
    x = torch.tensor([1.0, 2.0], requires_grad=True)

    def step():
        (g,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
        (h,) = torch.autograd.grad((g * g).sum(), x)
        return h

    for _ in range(4):
        step()
    before = live()
    for _ in range(20):
        assert step().tolist() == [36.0, 288.0]
    assert live() == before


def test_threads_share_recorded_values():
    """Two threads differentiate graphs that have a part in common, again and again."""
    wrong = []

    def work(x, factor):
        for _ in range(50):
            w = torch.tensor([factor, 1.0], requires_grad=True)
            shared = x * 2.0
            (torch.sin(shared) * w).sum().backward()
            if not np.allclose(w.grad.numpy(), np.sin([2.0, 4.0]), rtol=1e-6):
                wrong.append(w.grad)

    x = torch.tensor([1.0, 2.0])
    threads = [threading.Thread(target=work, args=(x, float(k))) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong
