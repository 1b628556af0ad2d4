"""A step that goes straight to its compiled call does what the recorded updates do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import jitgrad.eager as torch


def plain(dtype: Any) -> list[Any]:
    return [torch.tensor([1.0, 2.0], dtype=dtype, requires_grad=True), torch.tensor(3.0, dtype=dtype, requires_grad=True)]


def aliases() -> list[Any]:
    base = torch.tensor([1.0, 2.0])
    return [base.detach().requires_grad_(), base.detach().requires_grad_()]


def overlapping() -> list[Any]:
    base = torch.tensor([1.0, 2.0, 3.0])
    return [base[:2].detach().requires_grad_(), base[1:].detach().requires_grad_()]


def on_one_array() -> list[Any]:
    a = np.array([1.0, 2.0, 3.0])
    return [torch.from_numpy(a[:2]).requires_grad_(), torch.from_numpy(a[1:]).requires_grad_()]


CASES = {
    "float32": lambda: plain(torch.float32), "float16": lambda: plain(torch.float16), "bfloat16": lambda: plain(torch.bfloat16),
    "aliases": aliases, "overlapping": overlapping, "on_one_array": on_one_array,
}  # fmt: skip
OPTIONS = ({}, {"weight_decay": 0.1}, {"maximize": True})


def stepped(make: Any, params: list[Any], options: dict[str, Any]) -> list[Any]:
    optimizer = make(params, lr=0.5, **options)
    for rate in (0.5, 0.25, 0.25, 0.125):
        optimizer.param_groups[0]["lr"] = rate
        for p in params:
            p.grad = (p.detach() * 0.5 + 1.0).clone()
        optimizer.step()
    return [p.detach().float().tolist() for p in params]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("case", CASES)
def test_same_as_recorded(case: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    got = stepped(torch.optim.SGD, CASES[case](), options)
    monkeypatch.setattr("jitgrad.eager.optim.optimizer.updated", lambda *_: False)
    wanted = stepped(torch.optim.SGD, CASES[case](), options)
    close = 1e-2 if "float16" in case else 1e-5  # interpreted and compiled work may round differently
    for x, z in zip(got, wanted, strict=True):
        np.testing.assert_allclose(x, z, rtol=close)


def test_gradient_on_the_memory_of_a_parameter() -> None:
    a, b = torch.tensor([1.0], requires_grad=True), torch.tensor([2.0], requires_grad=True)
    a.grad, b.grad = torch.tensor([1.0]), a.detach()
    torch.optim.SGD([a, b], lr=0.5).step()
    assert (a.tolist(), b.tolist()) == ([0.5], [1.75])  # b sees the new a


def test_views_and_versions() -> None:
    a = torch.tensor([1.0, 2.0], requires_grad=True)
    view, optimizer = a.detach()[:1], torch.optim.SGD([a], lr=1.0)
    for k in range(3):
        a.grad = torch.ones(2)
        optimizer.step()
        assert (a._version, view.tolist()) == (k + 1, [-float(k)])
    loss = (a * a).sum()
    optimizer.step()
    with pytest.raises(RuntimeError, match=r"is at version 4; expected version 3"):
        loss.backward()


def test_own_update_is_used() -> None:
    class Sign(torch.optim.SGD):
        def update(self, p: Any, g: Any, group: Any, state: Any) -> Any:
            p.sub_(torch.sign(g) * group["lr"])
            return [p]

    a = torch.tensor([1.0], requires_grad=True)
    a.grad = torch.tensor([5.0])
    Sign([a], lr=0.5).step()
    assert a.tolist() == [0.5]
