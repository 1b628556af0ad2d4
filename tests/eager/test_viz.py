"""The graph as text: every step once, arrows as the values went, the same before and after the return sweep."""

import re

import jitgrad.eager as torch


def parsed(text):
    labels = dict(re.findall(r'(\w+) \[label="([^"]*)"', text))
    return labels, [(labels[a], labels[b]) for a, b in re.findall(r"(\w+) -> (\w+)", text)]


def made():
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    shared = w.exp()
    return w, (shared * shared).sum() + torch.ones(2).sum()


def test_steps_and_arrows():
    w, y = made()
    labels, arrows = parsed(torch.viz.dot(y, names={"w": w, "y": y}))
    steps = ["AccumulateGrad", "ExpBackward0", "MulBackward0", "SumBackward0", "AddBackward0"]
    chain = [r"w\nleaf (2,)\nfloat32", *steps, r"y\ntensor ()\nfloat32"]
    assert sorted(labels.values()) == sorted(chain)
    assert sorted(arrows) == sorted(zip(chain, chain[1:]))


def test_after_the_return_sweep():
    w, y = made()
    before = torch.viz.dot(y)
    y.backward()
    assert torch.viz.dot(y) == before


class Both(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2, x * 3

    @staticmethod
    def backward(ctx, g, h):
        return 2 * g + 3 * h


def test_results_of_one_step_are_one_box():
    x = torch.tensor([3.0, 1.0, 2.0], requires_grad=True)
    a, b = Both.apply(x)
    labels, arrows = parsed(torch.viz.dot(a * b))
    assert sorted(labels.values())[:3] == ["AccumulateGrad", "BothBackward", "MulBackward0"]
    assert arrows.count(("BothBackward", "MulBackward0")) == 1


def test_a_tensor_without_a_graph():
    assert parsed(torch.viz.dot(torch.ones(2))) == ({"t0": r"result\nleaf (2,)\nfloat32"}, [])


def test_names_are_quoted():
    x = torch.tensor(1.0)
    assert r'label="a \"b\" \\c\nleaf' in torch.viz.dot(x, names={'a "b" \\c': x})
    assert "a &quot;b&quot;<br>leaf" in torch.viz.mermaid(x, names={'a "b"': x})


def test_mermaid():
    x = torch.tensor([2.0], requires_grad=True)
    assert torch.viz.mermaid(x * 3, names={"x": x}) == (
        "flowchart BT\n"
        '  n0["MulBackward0"]\n'
        '  n1["AccumulateGrad"]\n'
        '  t0(["result<br>tensor (1,)<br>float32"])\n'
        '  t1(["x<br>leaf (1,)<br>float32"])\n'
        "  n0 --> t0\n  n1 --> n0\n  t1 --> n1\n"
    )
