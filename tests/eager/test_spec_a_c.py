"""The acceptance rows A and C, with D5 and D6: what two introductions to automatic differentiation with tensors show."""

import re
import warnings

import pytest

import jitgrad.eager as torch

NON_LEAF = (
    "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't be populated during "
    "autograd.backward(). If you indeed want the .grad field to be populated for a non-leaf Tensor, use .retain_grad() on the "
    "non-leaf Tensor. If you access the non-leaf Tensor by mistake, make sure you access the leaf Tensor instead. See "
    "github.com/pytorch/pytorch/pull/30531 for more informations."
)


def first():
    """The snippet of the first text."""
    x = torch.tensor([2.0], requires_grad=True)
    y = torch.tensor([3.0], requires_grad=True)
    z = x ** 2 + 3 * y
    return x, y, z


def figure():
    """The snippet of the second text, before its backward."""
    x = torch.tensor([1., 2.])
    y = torch.tensor([5., 7.])
    w = torch.tensor(1.0, requires_grad=True)
    b = torch.tensor(0.0, requires_grad=True)
    wx = w*x
    wx_b = wx + b
    loss = (wx_b - y)
    loss2 = loss**2
    loss2_sum = sum(loss2)
    return (x, y, w, b), (wx, wx_b, loss, loss2, loss2_sum)


def silent_grad(t):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return t.grad


def test_A1():
    x, _, _ = first()
    assert x.requires_grad is True and x.dtype is torch.float32


def test_A2():
    assert str(first()[2]) == "tensor([13.], grad_fn=<AddBackward0>)"


def test_A3():
    _, _, z = first()
    assert z.shape == (1,)
    assert z.backward() is None


def test_A4(capsys):
    x, y, z = first()
    z.backward()
    print(x.grad)
    print(y.grad)
    assert capsys.readouterr().out == "tensor([4.])\ntensor([3.])\n"


def test_A5():
    _, _, z = first()
    z.backward()
    with pytest.warns(UserWarning) as seen:
        assert z.grad is None
    assert [str(w.message) for w in seen] == [NON_LEAF]


def test_A6():
    """The gradients are what an update needs: the first steps of a descent."""
    x = torch.tensor([2.0], requires_grad=True)
    seen = []
    for _ in range(3):
        x.grad = None
        (x**2 + 1).backward()
        with torch.no_grad():
            x -= 0.25 * x.grad
        seen.append(x.item())
    assert seen == [1.0, 0.5, 0.25]


def test_A7():
    x, y, z = first()
    inner = (x**2).exp()
    inner.sum().backward()
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        inner.sum().backward()
    p = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    (p * p / 2).sum().backward()
    norm = torch.nn.utils.clip_grad_norm_([p], 1.0)
    assert norm.item() == pytest.approx(5.0)
    assert p.grad.tolist() == pytest.approx([0.6, 0.8], rel=1e-5)
    torch.nn.utils.clip_grad_value_([p], 0.7)
    assert p.grad.tolist() == pytest.approx([0.6, 0.7], rel=1e-5)


# ---- C


def test_C1():
    (x, y, w, b), _ = figure()
    assert (x.grad, x.grad_fn, x.is_leaf, y.grad, y.grad_fn, y.is_leaf) == (None, None, True, None, None, True)
    assert (w.grad, w.grad_fn, w.is_leaf, b.grad, b.grad_fn, b.is_leaf) == (None, None, True, None, None, True)


def test_C2():
    _, results = figure()
    assert [r.tolist() for r in results] == [[1, 2], [1, 2], [-4, -5], [16, 25], 41]


def test_C3():
    assert tuple(r.is_leaf for r in figure()[1]) == (False, False, False, False, False)


def test_C4():
    found = [re.sub(r"0x[0-9a-f]+", "0x", repr(r.grad_fn)) for r in figure()[1]]
    names = ["MulBackward0", "AddBackward0", "SubBackward0", "PowBackward0", "AddBackward0"]
    assert found == [f"<{name} object at 0x>" for name in names]


def test_D5():
    results = figure()[1]
    results[-1].backward()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert [r.grad for r in results] == [None] * 5
    assert [(w.category, str(w.message)) for w in seen] == [(UserWarning, NON_LEAF)] * 5


def test_D6():
    w = torch.tensor(2.0, requires_grad=True)
    m = w * 3
    m.retain_grad()
    (m * m).backward()
    assert (m.grad.item(), w.grad.item(), m.retains_grad) == (12.0, 36.0, True)


def test_C7():
    results = figure()[1]
    results[-1].backward()
    assert tuple(silent_grad(r) for r in results) == (None,) * 5


def test_C8():
    (x, y, w, b), results = figure()
    results[-1].backward()
    assert repr((w.grad, b.grad, x.grad, y.grad)) == "(tensor(-28.), tensor(-18.), None, None)"


def test_C9():
    (x, y, w, b), results = figure()
    results[-1].backward()
    assert w.grad.item() == 2*(1*1+0-5)*1+2*(1*2+0-7)*2 == -28
    assert b.grad.item() == 2*(1*1+0-5)+2*(1*2+0-7) == -18
    losses, ws, bs = [], [], []
    for _ in range(3):
        loss = sum((w * x + b - y) ** 2)
        w.grad = b.grad = None
        loss.backward()
        with torch.no_grad():
            w -= 0.01 * w.grad
            b -= 0.01 * b.grad
        losses.append(loss.item())
        ws.append(w.item())
        bs.append(b.item())
    assert losses == pytest.approx([41, 30.6792, 22.9932], rel=2e-6)
    assert ws == pytest.approx([1.28, 1.5212, 1.72892], rel=1e-6)
    assert bs == pytest.approx([0.18, 0.336, 0.471288], rel=1e-6)


def test_C10():
    for values in ([1, 2], [True, False]):
        with pytest.raises(RuntimeError) as e:
            torch.tensor(values, requires_grad=True)
        assert str(e.value) == "Only Tensors of floating point and complex dtype can require gradients"
    for dtype in (torch.half, torch.float, torch.double, torch.bfloat16, torch.cfloat, torch.cdouble):
        x = torch.tensor([1, 2], dtype=dtype, requires_grad=True)
        assert x.requires_grad and x.dtype is dtype
        (x * x).sum().abs().backward()
        assert x.grad.dtype is dtype and x.grad.tolist() == [2, 4]


def test_C11():
    x = torch.tensor([1.0, 2.0])
    w = torch.tensor(2.0, requires_grad=True)
    (w * x).sum().backward()
    assert x.grad is None and w.grad.item() == 3.0
    with pytest.raises(RuntimeError) as e:
        (x * x).sum().backward()
    assert str(e.value) == "element 0 of tensors does not require grad and does not have a grad_fn"


@pytest.mark.parametrize("shape", [(), (2,), (2, 3), (2, 1, 3), (1, 2, 1, 2, 1)])
def test_C12(shape):
    x = torch.full(shape, 3.0, requires_grad=True)
    assert x.data.shape == shape
    (x * x).sum().backward()
    assert x.grad.shape == shape and set(x.grad.reshape(-1).tolist()) == {6.0}


def test_C13():
    v = torch.autograd.Variable(torch.tensor([1.0]), requires_grad=True)
    assert type(v) is torch.Tensor and isinstance(torch.ones(1), torch.autograd.Variable)


def test_C14():
    """The figure of the graph: steps, leaves, and which way the gradients go."""
    (x, y, w, b), results = figure()
    text = torch.viz.dot(results[-1], names={"w": w, "b": b})
    assert text.startswith("digraph")
    for label in ("AddBackward0", "PowBackward0", "SubBackward0", "MulBackward0", "w\\n", "b\\n"):
        assert label in text, label
    assert text.count("AccumulateGrad") == 2
    x, y, z = first()
    assert torch.viz.dot(z, names={"x": x, "y": y}) == FIRST


FIRST = """\
digraph {
  rankdir=BT
  node [shape=box fontname="monospace"]
  n0 [label="AddBackward0"]
  n1 [label="PowBackward0"]
  n2 [label="MulBackward0"]
  n3 [label="AccumulateGrad"]
  n4 [label="AccumulateGrad"]
  t0 [label="result\\ntensor (1,)\\nfloat32" shape=ellipse]
  t1 [label="x\\nleaf (1,)\\nfloat32" shape=ellipse]
  t2 [label="y\\nleaf (1,)\\nfloat32" shape=ellipse]
  n0 -> t0
  n1 -> n0
  n2 -> n0
  n3 -> n1
  n4 -> n2
  t1 -> n3
  t2 -> n4
}
"""
