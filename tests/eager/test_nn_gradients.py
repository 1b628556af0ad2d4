"""Derivatives of the functions of `nn`, first and second order, beside differences in double precision."""

import numpy as np
import pytest

import jitgrad.eager as torch
from jitgrad.eager import nn
from jitgrad.eager.autograd import gradcheck, gradgradcheck
from jitgrad.eager.nn import functional as F
from jitgrad.eager.run import settings

RNG = np.random.default_rng(3)


@pytest.fixture(autouse=True)
def uncompiled(monkeypatch):
    """Each structure runs a few dozen times on a few numbers."""
    monkeypatch.setattr(settings, "compile_after", 10**9)


def x(*shape, scale=1.0, shift=0.0):
    return torch.tensor(RNG.standard_normal(shape) * scale + shift, requires_grad=True)


def constant(values):
    return torch.tensor(np.asarray(values))


SIGNS = constant([[1.0, -1.0, 1.0], [-1.0, 1.0, 1.0]])
CLASSES = constant([2, 0])

CASES = {
    "linear": (F.linear, x(2, 3), x(4, 3), x(4)),
    "bilinear": (F.bilinear, x(2, 2), x(2, 3), x(2, 2, 3), x(2)),
    "embedding": (lambda w: F.embedding(constant([[0, 2], [2, 1]]), w), x(3, 2)),
    "layer_norm": (lambda a, w, b: F.layer_norm(a, (4,), w, b), x(2, 4), x(4), x(4)),
    "rms_norm": (lambda a, w: F.rms_norm(a, (4,), w), x(2, 4), x(4)),
    "batch_norm": (lambda a, w, b: F.batch_norm(a, None, None, w, b, True), x(4, 2), x(2), x(2)),
    "batch_norm, fixed": (lambda a, w: F.batch_norm(a, constant([0.5, 1.0]), constant([2.0, 1.0]), w), x(3, 2), x(2)),
    "group_norm": (lambda a, w, b: F.group_norm(a, 2, w, b), x(2, 4, 2), x(4), x(4)),
    "instance_norm": (F.instance_norm, x(2, 2, 4)),
    "normalize": (F.normalize, x(2, 3)),
    "conv1d": (lambda a, w, b: F.conv1d(a, w, b, stride=2, padding=1), x(2, 2, 5), x(2, 2, 3), x(2)),
    "conv2d": (lambda a, w, b: F.conv2d(a, w, b, padding=1, dilation=2), x(1, 2, 4, 4), x(2, 2, 2, 2), x(2)),
    "conv2d, groups": (lambda a, w: F.conv2d(a, w, groups=2, stride=2), x(1, 2, 4, 4), x(2, 1, 2, 2)),
    "conv_transpose2d": (lambda a, w, b: F.conv_transpose2d(a, w, b, stride=2), x(1, 2, 2, 2), x(2, 1, 2, 2), x(1)),
    "unfold": (lambda a: F.unfold(a, 2), x(1, 2, 3, 3)),
    "max_pool2d": (lambda a: F.max_pool2d(a, 2, 1), x(1, 2, 3, 3)),
    "avg_pool2d": (lambda a: F.avg_pool2d(a, 2, 1, 1), x(1, 2, 3, 3)),
    "adaptive_avg_pool2d": (lambda a: F.adaptive_avg_pool2d(a, (2, 3)), x(1, 2, 3, 3)),
    "pad": (lambda a: F.pad(a, (1, 2), mode="reflect"), x(1, 2, 4)),
    "interpolate": (lambda a: F.interpolate(a, size=(3, 4)), x(1, 1, 2, 2)),
    "attention": (F.scaled_dot_product_attention, x(1, 1, 2), x(1, 3, 2), x(1, 3, 1)),
    "attention, causal": (lambda q: F.scaled_dot_product_attention(q, q, q, is_causal=True), x(1, 3, 2)),
    "mse": (F.mse_loss, x(2, 3), x(2, 3)),
    "l1": (F.l1_loss, x(2, 3), x(2, 3)),
    "smooth_l1": (lambda a, b: F.smooth_l1_loss(a, b, beta=0.7), x(2, 3), x(2, 3)),
    "huber": (lambda a, b: F.huber_loss(a, b, delta=0.7), x(2, 3), x(2, 3)),
    "bce": (lambda a, b: F.binary_cross_entropy(torch.sigmoid(a), torch.sigmoid(b)), x(2, 3), x(2, 3)),
    "bce with logits": (
        lambda a, b: F.binary_cross_entropy_with_logits(a, b, pos_weight=constant([2.0, 1.0, 0.5])), x(2, 3), x(2, 3),
    ),
    "kl_div": (lambda a, b: F.kl_div(a, b, reduction="batchmean", log_target=True), x(2, 3), x(2, 3)),
    "cross_entropy": (lambda a: F.cross_entropy(a, CLASSES), x(2, 3)),
    "cross_entropy, weights": (lambda a: F.cross_entropy(a, CLASSES, constant([1.0, 2.0, 0.5]), label_smoothing=0.2), x(2, 3)),
    "cross_entropy, probabilities": (lambda a, b: F.cross_entropy(a, torch.softmax(b, 1)), x(2, 3), x(2, 3)),
    "cosine_embedding": (lambda a, b: F.cosine_embedding_loss(a, b, constant([1.0, -1.0])), x(2, 3), x(2, 3)),
    "triplet": (lambda a, b, c: F.triplet_margin_loss(a, b, c, margin=5.0), x(2, 3), x(2, 3), x(2, 3)),
    "soft_margin": (lambda a: F.soft_margin_loss(a, SIGNS), x(2, 3)),
    "poisson": (lambda a: F.poisson_nll_loss(a, constant([[1.0, 0.0, 3.0]])), x(1, 3)),
    "gaussian": (lambda a, v: F.gaussian_nll_loss(a, constant([[1.0, 0.0, 3.0]]), torch.exp(v)), x(1, 3), x(1, 3)),
    "clip": (lambda a: a * nn.utils.get_total_norm([constant([3.0, 4.0])]), x(2)),
}  # fmt: skip
CELLS = {
    "RNNCell": (nn.RNNCell, 1), "LSTMCell": (nn.LSTMCell, 2), "GRUCell": (nn.GRUCell, 1),
    "RNN": (nn.RNN, 0), "LSTM": (nn.LSTM, 0), "GRU": (nn.GRU, 0),
}  # fmt: skip
LINEAR = {
    "embedding", "l1", "unfold", "max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "pad", "interpolate", "clip",
    "batch_norm, fixed",
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore")
def test_first_order(name):
    f, *inputs = CASES[name]
    assert gradcheck(f, tuple(inputs))


@pytest.mark.parametrize("name", sorted(CASES.keys() - LINEAR))
@pytest.mark.filterwarnings("ignore")
def test_second_order(name):
    f, *inputs = CASES[name]
    assert gradgradcheck(f, tuple(inputs))


@pytest.mark.parametrize("name", CELLS)
def test_recurrent(name):
    """Of the input, the weights and the states at the beginning."""
    kind, states = CELLS[name]
    layer = kind(2, 2).double()
    given = x(1, 2) if states else x(3, 1, 2)
    begin = [x(1, 2) for _ in range(states)] or [x(1, 1, 2) for _ in range(2 if name == "LSTM" else 1)]
    weights = list(layer.parameters())

    def run(a, *more):
        out = layer(a, tuple(begin) if len(begin) > 1 else begin[0])
        return out[0] if isinstance(out, tuple) else out

    assert gradcheck(run, (given, *begin, *weights))


def test_second_order_of_a_sequence():
    layer = nn.GRU(2, 2).double()
    given = x(3, 1, 2)
    assert gradgradcheck(lambda a: layer(a)[0], (given,))


def test_attention_of_a_module():
    layer = nn.MultiheadAttention(4, 2).double()
    given = x(3, 1, 4)
    assert gradcheck(lambda a, *w: layer(a, a, a)[0], (given, *layer.parameters()))


def test_a_gradient_penalty_through_a_network():
    """The derivative of a gradient with respect to weights: of sum over W of (d out / d x)^2, by differences."""
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()

    def penalty(*weights):
        a = torch.tensor([[0.3, -0.5, 1.0]], dtype=torch.float64, requires_grad=True)
        with torch.enable_grad():
            (g,) = torch.autograd.grad(net(a).sum(), a, create_graph=True)
            return (g * g).sum()

    *weights, _ = net.parameters()  # the last bias has no part in it
    assert gradcheck(penalty, tuple(weights))
