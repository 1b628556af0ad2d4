"""Return sweeps that are found again: how many programs a training step calls, and that a plan gives what recording gives."""

import numpy as np
import pytest

import jitgrad.eager as torch
from jitgrad.eager import engine, plans
from jitgrad.eager import run as running
from jitgrad.eager.entry import Entry, settings


@pytest.fixture(params=[0, 10**9], ids=["compiled", "interpreted"])
def fresh(request, monkeypatch):
    """No structure is known yet; every one is compiled at once, or none is."""
    monkeypatch.setattr(settings, "compile_after", request.param)
    monkeypatch.setattr(running, "entries", {})
    monkeypatch.setattr(plans, "plans", {})
    monkeypatch.setattr(engine, "plans", plans.plans)


@pytest.fixture
def calls(monkeypatch):
    """The entries that were called, in order."""
    made = []
    call = Entry.__call__
    monkeypatch.setattr(Entry, "__call__", lambda self, *given: (made.append(self), call(self, *given))[1])
    return made


@pytest.fixture
def recorded(monkeypatch):
    """How many sweeps recorded pullbacks."""
    made = []
    record = engine.recorded
    monkeypatch.setattr(engine, "recorded", lambda *given: (made.append(1), record(*given))[1])
    return made


def network(x, params):
    return torch.tanh(x @ params[0].t() + params[1]) @ params[2].t() + params[3]


def parameters():
    r = np.random.default_rng(3)
    return [torch.tensor(r.normal(size=s).astype(np.float32), requires_grad=True) for s in ((4, 3), (4,), (1, 4), (1,))]


def test_a_training_step_is_two_calls_of_two_programs(fresh, calls, recorded):
    params = parameters()
    optimizer = torch.optim.Adam(params, lr=0.01)
    counts, losses = [], []
    for k in range(6):
        x = torch.tensor(np.random.default_rng(k).normal(size=(5 + k, 3)).astype(np.float32))
        calls.clear()
        optimizer.zero_grad()
        loss = (network(x, params) ** 2).mean()
        loss.backward()
        optimizer.step()
        counts.append(len(calls))
        losses.append(loss.item())
    assert counts[2:] == [2] * 4  # before: the first state of the optimiser
    assert len({id(e) for e in calls}) == 2
    assert len(recorded) == 1 and len(plans.plans) == 1


STEPS = {
    "value": lambda x, w, c: (x * w * c).sum(),
    "value and its parts, held": lambda x, w, c: sum([x.sin().sum(), (x.sin() * w).sum()], torch.zeros(())),
    "several results": lambda x, w, c: (torch.max(x * w, 0).values * c).sum(),
    "one leaf twice": lambda x, w, c: (x * x + w).sum() * c,
    "a gradient that is the root's": lambda x, w, c: x.sum() + w[0],
    "constants that repeat": lambda x, w, c: ((x * c + 2.0) * 2.0 - c * w).sum(),
    "a view": lambda x, w, c: (x[1:] * w[:-1]).sum() * c,
    "without a gradient in between": lambda x, w, c: (x * w.detach() * c).sum() + w.sum(),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_plan_gives_what_recording_gives(fresh, recorded, name, monkeypatch):
    f = STEPS[name]
    got = []
    for planned in (True, False):
        if not planned:
            monkeypatch.setattr(plans.Region, "_plain", lambda self, targets: False)
        for k in range(4):
            r = np.random.default_rng(k)
            x, w = (torch.tensor(r.normal(size=3), requires_grad=True) for _ in range(2))
            loss = f(x, w, 0.5 + k)
            loss.backward()
            got.append([loss.item(), x.grad.tolist(), w.grad.tolist()])
    for a, b in zip(got[:4], got[4:], strict=True):
        np.testing.assert_allclose(np.hstack(a), np.hstack(b), rtol=1e-12)
    assert len(recorded) == 1 + 4


def test_floats_of_the_plan_are_those_of_the_graph(fresh):
    """A constant that stands at two places, of which one changes later."""
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    for a, b in ((2.0, 2.0), (2.0, 3.0), (4.0, 3.0), (4.0, 4.0), (-0.0, 1.0), (0.0, 1.0)):
        x.grad = None
        ((x * a) * (x * b)).sum().backward()
        assert x.grad.tolist() == [2 * a * b, 4 * a * b]


def test_other_graphs_have_other_plans(fresh):
    x = torch.tensor([3.0], requires_grad=True)
    found = []
    for f in (lambda v: v * v, lambda v: v * v.detach(), lambda v: v.detach() * v, lambda v: v + v):
        for _ in range(2):
            x.grad = None
            f(x).backward()
            found.append(x.grad.item())
    assert found == [6.0, 6.0, 3.0, 3.0, 3.0, 3.0, 2.0, 2.0]


def test_targets_are_part_of_the_plan(fresh):
    x, w = (torch.tensor([v], requires_grad=True) for v in (2.0, 5.0))
    for _ in range(3):
        y = x * w
        z = y * y
        assert [g.item() for g in torch.autograd.grad(z, [x, y], retain_graph=True)] == [100.0, 20.0]
        assert [g.item() for g in torch.autograd.grad(z, [y, w])] == [20.0, 40.0]
        with pytest.raises(RuntimeError, match="second time"):
            torch.autograd.grad(z, x)


@pytest.mark.parametrize(
    "prepare",
    [
        lambda x, y: x.register_hook(lambda g: g * 2),
        lambda x, y: y.register_hook(lambda g: g * 2),
        lambda x, y: x.register_post_accumulate_grad_hook(lambda v: setattr(v, "grad", v.grad * 2)),
        lambda x, y: setattr(x, "grad", torch.tensor([6.0])),
    ],
    ids=["hook of a leaf", "hook in between", "hook after", "a gradient to add to"],
)
def test_where_python_has_a_say_the_sweep_is_recorded(fresh, prepare):
    for said in (False, False, True, True, False):
        x = torch.tensor([3.0], requires_grad=True)
        y = x * x
        if said:
            prepare(x, y)
        (y * 1.0).sum().backward()
        assert x.grad.item() == (12.0 if said else 6.0)


def test_an_overwritten_value_is_an_error_with_a_plan_too(fresh):
    for overwrite in (False, False, True):
        x = torch.tensor([3.0], requires_grad=True)
        w = torch.tensor([2.0])
        loss = (x * w).sum()
        if overwrite:
            w.mul_(2)
            with pytest.raises(RuntimeError, match="modified by an inplace operation"):
                loss.backward()
        else:
            loss.backward()
            assert x.grad.item() == 2.0
