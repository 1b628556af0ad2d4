"""Layers of `nn`: closed forms, modes, state, containers, and that what they remember of their input is not kept alive."""

import gc
import math
import weakref
from collections import OrderedDict

import numpy as np
import pytest

import jitgrad.eager as torch
from jitgrad.eager import nn
from jitgrad.eager import run as running
from jitgrad.eager.nn import functional as F
from jitgrad.eager.run import settings


@pytest.fixture(params=[0, 1], ids=["compiled", "interpreted"])
def way(request, monkeypatch):
    monkeypatch.setattr(settings, "compile_after", 0 if request.param == 0 else 10**9)
    monkeypatch.setattr(running, "entries", {})


def values(*shape):
    return torch.tensor(np.random.default_rng(5).standard_normal(shape))


# ---- closed forms


def test_a_linear_layer_is_its_formula(way):
    layer = nn.Linear(3, 2).double()
    x = values(4, 3).requires_grad_()
    y = layer(x)
    assert type(y.grad_fn).__name__ == "AddmmBackward0"
    g = np.cos(np.arange(8.0)).reshape(4, 2)
    y.backward(torch.tensor(g))
    w, b = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    np.testing.assert_allclose(y.detach().numpy(), x.detach().numpy() @ w.T + b)
    np.testing.assert_allclose(layer.weight.grad.numpy(), g.T @ x.detach().numpy())
    np.testing.assert_allclose(layer.bias.grad.numpy(), g.sum(0))
    np.testing.assert_allclose(x.grad.numpy(), g @ w)


def by_hand(x, w, b, stride, padding):
    """A convolution as sums over windows."""
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    kh, kw = w.shape[2:]
    rows = range(0, x.shape[2] - kh + 1, stride)
    columns = range(0, x.shape[3] - kw + 1, stride)
    return np.array([
        [[[np.sum(one[:, i : i + kh, j : j + kw] * k) + c for j in columns] for i in rows] for k, c in zip(w, b, strict=True)]
        for one in x
    ])  # fmt: skip


@pytest.mark.parametrize("stride, padding", [(1, 0), (2, 1), (3, 2)])
def test_a_convolution_is_sums_over_windows(stride, padding):
    layer = nn.Conv2d(2, 3, (3, 2), stride=stride, padding=padding).double()
    x = values(2, 2, 6, 7)
    exact = by_hand(x.numpy(), layer.weight.detach().numpy(), layer.bias.detach().numpy(), stride, padding)
    np.testing.assert_allclose(layer(x).detach().numpy(), exact, rtol=1e-12)


@pytest.mark.slow
def test_a_small_convolutional_network_learns():
    """Bars that lie or stand, 6 x 6: the loss falls to a tenth."""
    torch.manual_seed(0)
    images = np.zeros((12, 1, 6, 6), np.float32)
    for k in range(6):
        images[k, 0, k] = 1.0
        images[6 + k, 0, :, k] = 1.0
    x, t = torch.tensor(images), torch.tensor([0] * 6 + [1] * 6)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 2))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
    losses = []
    for _ in range(25):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), t)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]
    assert (net(x).detach().numpy().argmax(1) == t.numpy()).all()


def test_max_pool_gives_the_whole_gradient_to_the_first_of_equals():
    x = torch.tensor([[[1.0, 1.0, 0.0, 2.0], [1.0, 0.0, 2.0, 2.0]]], requires_grad=True)
    y, places = F.max_pool2d(x, 2, return_indices=True)
    y.sum().backward()
    assert y.tolist() == [[[1.0, 2.0]]] and places.tolist() == [[[0, 3]]] and places.dtype is torch.int64
    assert x.grad.tolist() == [[[1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]]]


def test_the_mean_over_uneven_pieces():
    x = torch.arange(5.0).reshape(1, 1, 5)
    assert F.adaptive_avg_pool1d(x, 3).tolist() == [[[0.5, 2.0, 3.5]]]


def test_layer_norm(way):
    x = values(3, 4)
    y = nn.LayerNorm(4).double()(x)
    v = x.numpy()
    np.testing.assert_allclose(
        y.detach().numpy(), (v - v.mean(1, keepdims=True)) / np.sqrt(v.var(1, keepdims=True) + 1e-5), rtol=1e-12
    )


def test_an_embedding_row_of_padding_gets_no_gradient():
    layer = nn.Embedding(4, 2, padding_idx=-2)
    assert layer.weight[2].tolist() == [0.0, 0.0]
    layer(torch.tensor([0, 2, 2, 3, 3])).sum().backward()
    assert layer.weight.grad.tolist() == [[1.0, 1.0], [0.0, 0.0], [0.0, 0.0], [2.0, 2.0]]
    with torch.no_grad():
        layer.weight[2] = 5.0
    assert layer(torch.tensor([2])).tolist() == [[5.0, 5.0]]


def test_lstm_is_its_cell_step_after_step():
    layer, cell = nn.LSTM(3, 4).double(), nn.LSTMCell(3, 4).double()
    cell.load_state_dict({k: v for k, v in zip(cell.state_dict(), layer.state_dict().values(), strict=True)})
    x = values(5, 2, 3)
    outs, (h_end, c_end) = layer(x)
    h = c = torch.zeros(2, 4, dtype=torch.float64)
    for t in range(5):
        h, c = cell(x[t], (h, c))
        np.testing.assert_allclose(outs[t].detach().numpy(), h.detach().numpy(), rtol=1e-10)
    np.testing.assert_allclose(h_end[0].detach().numpy(), h.detach().numpy(), rtol=1e-10)
    np.testing.assert_allclose(c_end[0].detach().numpy(), c.detach().numpy(), rtol=1e-10)


def test_the_length_of_a_sequence_is_no_part_of_the_program(monkeypatch):
    monkeypatch.setattr(running, "entries", {})
    layer = nn.GRU(2, 3)
    for length in (7, 9, 12):
        layer(torch.ones(length, 1, 2))[0].sum().backward()
    assert max(e.seen for e in running.entries.values()) >= 2


def test_causal_attention_does_not_look_ahead():
    layer = nn.MultiheadAttention(4, 2).double().eval()
    mask = torch.tensor(np.triu(np.ones((3, 3), bool), 1))
    x = values(3, 1, 4)
    first = layer(x, x, x, attn_mask=mask)[0]
    changed = x.clone()
    changed[2] = 7.0
    second, weights = layer(changed, changed, changed, attn_mask=mask)
    np.testing.assert_allclose(first[:2].detach().numpy(), second[:2].detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(weights.detach().numpy().sum(-1), 1.0)
    assert weights.shape == (1, 3, 3) and weights[0, 0, 1].item() == 0.0


def test_padding_is_not_attended_to():
    layer = nn.MultiheadAttention(4, 2, batch_first=True).double()
    x = values(2, 3, 4)
    hidden = torch.tensor([[False, False, True], [False, False, False]])
    out, weights = layer(x, x, x, key_padding_mask=hidden)
    assert out.shape == (2, 3, 4) and (weights[0, :, 2].detach().numpy() == 0).all() and (weights[1].detach().numpy() > 0).all()


# ---- modes


def test_dropout_drops_in_training_only():
    torch.manual_seed(0)
    layer, x = nn.Dropout(0.25), torch.ones(4000, requires_grad=True)
    y = layer(x)
    y.sum().backward()
    kept = y.detach().numpy() != 0
    assert abs(kept.mean() - 0.75) < 0.03
    np.testing.assert_allclose(y.detach().numpy()[kept], 1 / 0.75, rtol=1e-6)
    np.testing.assert_array_equal(x.grad.numpy(), y.detach().numpy())
    assert layer.eval()(x) is x
    assert nn.Dropout(1.0)(x).detach().numpy().sum() == 0
    channels = nn.Dropout2d(0.5)(torch.ones(20, 10, 3, 3)).numpy()
    assert {len(np.unique(c)) for image in channels for c in image} == {1} and len(np.unique(channels)) == 2


def test_dropout_draws_again_at_each_call():
    layer, x = nn.Dropout(0.5), torch.ones(100)
    assert (layer(x).numpy() != layer(x).numpy()).any()


def test_batch_norm_remembers_what_it_has_seen(way):
    layer = nn.BatchNorm1d(2).double()
    mean, var = np.zeros(2), np.ones(2)
    for k in range(3):
        x = values(6, 2) * (k + 1) + k
        y = layer(x)
        v = x.numpy()
        np.testing.assert_allclose(y.detach().numpy(), (v - v.mean(0)) / np.sqrt(v.var(0) + 1e-5), rtol=1e-10)
        mean, var = 0.9 * mean + 0.1 * v.mean(0), 0.9 * var + 0.1 * v.var(0, ddof=1)
    np.testing.assert_allclose(layer.running_mean.numpy(), mean, rtol=1e-10)
    np.testing.assert_allclose(layer.running_var.numpy(), var, rtol=1e-10)
    assert layer.num_batches_tracked.item() == 3
    x = values(6, 2)
    np.testing.assert_allclose(layer.eval()(x).detach().numpy(), (x.numpy() - mean) / np.sqrt(var + 1e-5), rtol=1e-10)
    assert layer.num_batches_tracked.item() == 3
    assert list(layer.state_dict()) == ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]


def test_batch_norm_does_not_keep_its_inputs():
    layer = nn.BatchNorm1d(2)
    seen = []
    for _ in range(3):
        x = torch.randn(8, 2)
        seen.append(weakref.ref(x._node))
        layer(x).sum().backward()
        del x
    gc.collect()
    assert [r() for r in seen] == [None] * 3
    assert layer.running_mean._node.buffer is not None


# ---- modules


def test_containers():
    net = nn.Sequential(OrderedDict(a=nn.Linear(2, 3), b=nn.ReLU()))
    assert list(net.state_dict()) == ["a.weight", "a.bias"] and net[0] is net.a and net[-1] is net.b
    assert isinstance(net[:1], nn.Sequential) and len(net[:1]) == 1
    net = nn.Sequential(nn.Linear(2, 3)).append(nn.ReLU()).extend([nn.Linear(3, 1)])
    net.insert(1, nn.Tanh())
    assert [type(m).__name__ for m in net] == ["Linear", "Tanh", "ReLU", "Linear"] and list(net._modules) == ["0", "1", "2", "3"]
    del net[1]
    assert list(net.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    layers = nn.ModuleList([nn.Linear(1, 1) for _ in range(2)])
    layers += [nn.Linear(1, 1)]
    assert len(layers) == 3 and len(list(layers.parameters())) == 6 and layers[-1] is layers[2]
    named = nn.ModuleDict({"x": nn.Linear(1, 1)})
    named["y"] = nn.ReLU()
    assert list(named.keys()) == ["x", "y"] and "y" in named and list(named.state_dict()) == ["x.weight", "x.bias"]
    some = nn.ParameterList([torch.ones(2), torch.ones(3)])
    some.append(nn.Parameter(torch.zeros(1)))
    assert [tuple(p.shape) for p in some.parameters()] == [(2,), (3,), (1,)] and isinstance(some[0], nn.Parameter)
    pairs = nn.ParameterDict({"w": torch.ones(2)})
    assert pairs["w"].requires_grad and list(pairs.state_dict()) == ["w"]
    with pytest.raises(KeyError):
        pairs["v"]


def test_gradients_are_clipped_together():
    a, b = torch.ones(2, requires_grad=True), torch.ones(1, requires_grad=True)
    (3 * a[0] + 4 * b).sum().backward()
    assert nn.utils.clip_grad_norm_([a, b], 1.0).item() == 5.0
    np.testing.assert_allclose([*a.grad.tolist(), *b.grad.tolist()], [0.6, 0.0, 0.8], rtol=1e-5)
    assert nn.utils.clip_grad_norm_([a, b], 10.0).item() == pytest.approx(1.0, rel=1e-5)
    assert a.grad[0].item() == pytest.approx(0.6, rel=1e-5)
    assert nn.utils.clip_grad_norm_([a, b], 10.0, math.inf).item() == pytest.approx(0.8, rel=1e-5)
    nn.utils.clip_grad_value_([a, b], 0.7)
    assert [*a.grad.tolist(), *b.grad.tolist()] == pytest.approx([0.6, 0.0, 0.7], rel=1e-5)
    a.grad = torch.tensor([math.nan, 0.0])
    with pytest.raises(RuntimeError, match="non-finite, so it cannot be clipped"):
        nn.utils.clip_grad_norm_([a], 1.0, error_if_nonfinite=True)


def test_parameters_as_a_vector_and_back():
    net = nn.Linear(2, 2)
    vector = nn.utils.parameters_to_vector(net.parameters())
    assert vector.shape == (6,) and vector.requires_grad
    nn.utils.vector_to_parameters(torch.arange(6.0), net.parameters())
    assert net.weight.tolist() == [[0.0, 1.0], [2.0, 3.0]] and net.bias.tolist() == [4.0, 5.0] and net.weight.requires_grad


def test_what_is_not_supported_says_so():
    for call in (
        lambda: nn.LSTM(2, 3, proj_size=1), lambda: nn.MultiheadAttention(4, 2, add_bias_kv=True),
        lambda: nn.InstanceNorm1d(2, track_running_stats=True), lambda: F.interpolate(torch.ones(1, 1, 2, 2), 4, mode="bicubic"),
        lambda: F.embedding(torch.tensor([0]), torch.ones(2, 2), max_norm=1.0),
    ):  # fmt: skip
        with pytest.raises(NotImplementedError, match="not supported"):
            call()
    with pytest.raises(TypeError, match="packed sequences are not supported"):
        nn.GRU(2, 3)("sequence")


# ---- weights


@pytest.mark.parametrize("text, first", [
    ("Linear(3, 2)", [-0.00429, 0.30968, -0.47524]), ("Conv2d(1, 1, 2)", [-0.0037, 0.2682, -0.4115]),
    ("Embedding(2, 2)", [1.5410, -0.2934, -2.1788]), ("GRUCell(1, 4)", [-0.0037, 0.2682, -0.4115]),
])  # fmt: skip
def test_weights_are_those_of_the_same_seed(text, first):
    """PyTorch's numbers for seed 0."""
    torch.manual_seed(0)
    layer = eval("nn." + text)
    np.testing.assert_allclose(next(layer.parameters()).detach().numpy().ravel()[:3], first, atol=6e-5)


def test_an_orthogonal_matrix_is_one():
    for shape in ((5, 3), (3, 5), (2, 3, 4)):
        w = nn.init.orthogonal_(torch.empty(*shape), gain=2.0).numpy().reshape(shape[0], -1)
        product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
        np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-5)


def test_other_initialisations():
    w = nn.init.trunc_normal_(torch.empty(4000), 1.0, 2.0, 0.0, 3.0).numpy()
    assert w.min() >= 0 and w.max() <= 3 and abs(w.mean() - 1.3954) < 0.05
    x = values(2, 4, 5, 5)
    same = F.conv2d(x, nn.init.dirac_(torch.empty(4, 4, 3, 3, dtype=torch.float64)), padding=1)
    np.testing.assert_array_equal(same.numpy(), x.numpy())
    assert nn.init.eye_(torch.empty(2, 3)).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    assert (nn.init.sparse_(torch.empty(10, 4), 0.3).numpy() == 0).sum(0).tolist() == [3] * 4
    assert nn.init.zeros_(nn.Linear(1, 1).weight).requires_grad
    assert nn.init.calculate_gain("leaky_relu", 1.0) == 1.0 and nn.init.calculate_gain("relu") == math.sqrt(2)
