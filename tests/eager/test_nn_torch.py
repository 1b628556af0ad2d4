"""Every layer and function of `nn` beside PyTorch: the same weights and inputs, then values, all gradients, names of the
graph, texts, keys of the state."""

import inspect
import warnings

import numpy as np
import pytest

import jitgrad.eager as ours

peer = pytest.importorskip("torch")
pytestmark = pytest.mark.slow

RNG = np.random.default_rng(7)


def NN(T):
    return T.nn.functional


def floats(*shape):
    return RNG.standard_normal(shape).astype(np.float64)


def labels(n, *shape):
    return RNG.integers(0, n, shape)


# name: (what to call, given T = the package; the inputs). The first inputs that are floats get gradients.
FUNCTIONS = {
    "linear": (lambda T, x, w, b: NN(T).linear(x, w, b), [floats(4, 3), floats(2, 3), floats(2)]),
    "linear, no bias": (lambda T, x, w: NN(T).linear(x, w), [floats(4, 3), floats(2, 3)]),
    "linear, three axes": (lambda T, x, w, b: NN(T).linear(x, w, b), [floats(2, 4, 3), floats(2, 3), floats(2)]),
    "linear, one axis": (lambda T, x, w, b: NN(T).linear(x, w, b), [floats(3), floats(2, 3), floats(2)]),
    "bilinear": (lambda T, *a: NN(T).bilinear(*a), [floats(5, 2), floats(5, 3), floats(4, 2, 3), floats(4)]),
    "embedding": (lambda T, w, i: NN(T).embedding(i, w), [floats(6, 3), labels(6, 4, 2)]),
    "embedding, padding": (lambda T, w, i: NN(T).embedding(i, w, padding_idx=2), [floats(6, 3), labels(6, 4, 5)]),
    "layer_norm": (lambda T, x, w, b: NN(T).layer_norm(x, (3, 5), w, b), [floats(4, 3, 5), floats(3, 5), floats(3, 5)]),
    "layer_norm, plain": (lambda T, x: NN(T).layer_norm(x, (5,)), [floats(4, 5)]),
    "rms_norm": (lambda T, x, w: NN(T).rms_norm(x, (5,), w, 1e-5), [floats(4, 5), floats(5)]),
    "batch_norm": (
        lambda T, x, w, b: NN(T).batch_norm(x, None, None, w, b, True), [floats(6, 3), floats(3), floats(3)],
    ),
    "batch_norm, images": (lambda T, x: NN(T).batch_norm(x, None, None, training=True), [floats(2, 3, 4, 4)]),
    "batch_norm, fixed": (
        lambda T, x, w, b, m, v: NN(T).batch_norm(x, m.detach(), (v * v).detach(), w, b),
        [floats(2, 3, 4), floats(3), floats(3), floats(3), floats(3)],
    ),
    "group_norm": (lambda T, x, w, b: NN(T).group_norm(x, 2, w, b), [floats(3, 4, 5), floats(4), floats(4)]),
    "instance_norm": (
        lambda T, x, w, b: NN(T).instance_norm(x, weight=w, bias=b), [floats(3, 4, 5), floats(4), floats(4)],
    ),
    "normalize": (lambda T, x: NN(T).normalize(x), [floats(3, 4)]),
    "normalize, p = 3": (lambda T, x: NN(T).normalize(x, p=3.0, dim=-1), [floats(3, 4)]),
    "conv1d": (lambda T, *a: NN(T).conv1d(*a, stride=2, padding=1), [floats(2, 3, 9), floats(4, 3, 3), floats(4)]),
    "conv1d, single": (lambda T, *a: NN(T).conv1d(*a, dilation=2), [floats(3, 9), floats(4, 3, 3)]),
    "conv2d": (lambda T, *a: NN(T).conv2d(*a), [floats(2, 3, 7, 6), floats(4, 3, 3, 2), floats(4)]),
    "conv2d, strides": (
        lambda T, *a: NN(T).conv2d(*a, stride=(2, 1), padding=(1, 2), dilation=(1, 2)),
        [floats(2, 3, 8, 7), floats(4, 3, 3, 2), floats(4)],
    ),
    "conv2d, groups": (lambda T, *a: NN(T).conv2d(*a, groups=2), [floats(2, 4, 5, 5), floats(6, 2, 3, 3), floats(6)]),
    "conv2d, same": (lambda T, *a: NN(T).conv2d(*a, padding="same"), [floats(2, 2, 5, 5), floats(3, 2, 4, 3)]),
    "conv2d, 1 x 1": (lambda T, *a: NN(T).conv2d(*a), [floats(2, 2, 5, 5), floats(3, 2, 1, 1)]),
    "conv_transpose1d": (
        lambda T, *a: NN(T).conv_transpose1d(*a, stride=2, padding=1), [floats(2, 3, 5), floats(3, 4, 3), floats(4)],
    ),
    "conv_transpose2d": (
        lambda T, *a: NN(T).conv_transpose2d(*a, stride=2, padding=1, output_padding=1, groups=2),
        [floats(2, 4, 3, 4), floats(4, 3, 3, 3), floats(6)],
    ),
    "unfold": (lambda T, x: NN(T).unfold(x, (2, 3), padding=1, stride=2), [floats(2, 3, 6, 7)]),
    "fold": (lambda T, x: NN(T).fold(x, (4, 5), 2), [floats(2, 8, 12)]),
    "max_pool1d": (lambda T, x: NN(T).max_pool1d(x, 2), [floats(2, 3, 7)]),
    "max_pool2d": (lambda T, x: NN(T).max_pool2d(x, 2), [floats(2, 3, 6, 7)]),
    "max_pool2d, padded": (lambda T, x: NN(T).max_pool2d(x, 3, 2, 1), [floats(2, 3, 6, 7)]),
    "max_pool2d, ceil": (lambda T, x: NN(T).max_pool2d(x, 3, 2, 1, ceil_mode=True), [floats(2, 3, 6, 8)]),
    "max_pool2d, ties": (lambda T, x: NN(T).max_pool2d(x, 2), [np.round(floats(2, 3, 6, 6))]),
    "max_pool2d, places": (
        lambda T, x: NN(T).max_pool2d(x, 3, 2, 1, return_indices=True)[1] * 1.0, [floats(2, 3, 6, 7)],
    ),
    "avg_pool1d": (lambda T, x: NN(T).avg_pool1d(x, 3, 2, 1), [floats(2, 3, 7)]),
    "avg_pool2d": (lambda T, x: NN(T).avg_pool2d(x, 2), [floats(2, 3, 6, 7)]),
    "avg_pool2d, inside": (
        lambda T, x: NN(T).avg_pool2d(x, 3, 2, 1, True, count_include_pad=False), [floats(2, 3, 6, 7)],
    ),
    "avg_pool2d, ceil": (lambda T, x: NN(T).avg_pool2d(x, 3, 2, 1, True), [floats(2, 3, 6, 8)]),
    "avg_pool2d, divisor": (lambda T, x: NN(T).avg_pool2d(x, 3, divisor_override=2), [floats(2, 3, 6, 8)]),
    "adaptive_avg_pool1d": (lambda T, x: NN(T).adaptive_avg_pool1d(x, 3), [floats(2, 3, 7)]),
    "adaptive_avg_pool2d": (lambda T, x: NN(T).adaptive_avg_pool2d(x, (2, 3)), [floats(2, 3, 6, 6)]),
    "adaptive_avg_pool2d, all": (lambda T, x: NN(T).adaptive_avg_pool2d(x, 1), [floats(2, 3, 6, 6)]),
    "adaptive_avg_pool2d, uneven": (lambda T, x: NN(T).adaptive_avg_pool2d(x, (4, None)), [floats(2, 3, 6, 5)]),
    "adaptive_max_pool2d": (lambda T, x: NN(T).adaptive_max_pool2d(x, 2), [floats(2, 3, 6, 6)]),
    "pad": (lambda T, x: NN(T).pad(x, (1, 2, 0, 1), value=2.5), [floats(2, 3)]),
    "pad, less": (lambda T, x: NN(T).pad(x, (-1, 2)), [floats(2, 4)]),
    "pad, reflect": (lambda T, x: NN(T).pad(x, (1, 2, 2, 1), mode="reflect"), [floats(2, 2, 4, 4)]),
    "pad, replicate": (lambda T, x: NN(T).pad(x, (1, 2), mode="replicate"), [floats(2, 2, 4)]),
    "pad, circular": (lambda T, x: NN(T).pad(x, (1, 2), mode="circular"), [floats(2, 2, 4)]),
    "interpolate": (lambda T, x: NN(T).interpolate(x, scale_factor=2), [floats(2, 2, 3, 4)]),
    "interpolate, size": (lambda T, x: NN(T).interpolate(x, size=(5, 3)), [floats(2, 2, 3, 4)]),
    "pixel_shuffle": (lambda T, x: NN(T).pixel_shuffle(x, 2), [floats(2, 8, 3, 4)]),
    "attention": (
        lambda T, *a: NN(T).scaled_dot_product_attention(*a), [floats(2, 2, 3, 4), floats(2, 2, 5, 4), floats(2, 2, 5, 4)],
    ),
    "attention, causal": (
        lambda T, *a: NN(T).scaled_dot_product_attention(*a, is_causal=True, scale=0.3),
        [floats(2, 3, 4), floats(2, 3, 4), floats(2, 3, 4)],
    ),
    "attention, mask": (
        lambda T, q, k, v, m: NN(T).scaled_dot_product_attention(q, k, v, m > -1),
        [floats(2, 3, 4), floats(2, 3, 4), floats(2, 3, 4), floats(3, 3)],
    ),
    "cosine_similarity": (lambda T, *a: NN(T).cosine_similarity(*a), [floats(3, 4), floats(3, 4)]),
    "pairwise_distance": (lambda T, *a: NN(T).pairwise_distance(*a), [floats(3, 4), floats(3, 4)]),
    "relu6": (lambda T, x: NN(T).relu6(x * 5), [floats(3, 4)]),
    "softmax": (lambda T, x: NN(T).softmax(x), [floats(3, 4)]),
    "softmin": (lambda T, x: NN(T).softmin(x, 1), [floats(3, 4)]),
    "rrelu": (lambda T, x: NN(T).rrelu(x), [floats(3, 4)]),
}  # fmt: skip

REDUCTIONS = ("mean", "sum", "none")
T01 = RNG.random((4, 5))
SIGNS = np.sign(floats(4, 5))
LOSSES = {
    "mse_loss": [floats(4, 5), floats(4, 5)], "l1_loss": [floats(4, 5), floats(4, 5)],
    "smooth_l1_loss": [floats(4, 5), floats(4, 5)], "huber_loss": [floats(4, 5), floats(4, 5)],
    "binary_cross_entropy": [RNG.random((4, 5)), T01], "binary_cross_entropy_with_logits": [floats(4, 5), T01],
    "kl_div": [floats(4, 5), T01], "soft_margin_loss": [floats(4, 5), SIGNS.astype(np.int64)],
    "poisson_nll_loss": [floats(4, 5), T01 * 4],
    "gaussian_nll_loss": [floats(4, 5), floats(4, 5), T01], "hinge_embedding_loss": [floats(4, 5), SIGNS],
    "margin_ranking_loss": [floats(4, 5), floats(4, 5), SIGNS], "triplet_margin_loss": [floats(4, 5), floats(4, 5), floats(4, 5)],
    "cosine_embedding_loss": [floats(4, 5), floats(4, 5), SIGNS[:, 0]], "cross_entropy": [floats(4, 5), labels(5, 4)],
    "nll_loss": [floats(4, 5), labels(5, 4)],
}  # fmt: skip
for _name, _given in LOSSES.items():
    for _reduction in REDUCTIONS:
        FUNCTIONS[f"{_name}, {_reduction}"] = (
            lambda T, *a, n=_name, r=_reduction: getattr(NN(T), n)(*a, reduction=r), _given,
        )  # fmt: skip
CE = {
    "weight": (
        lambda T, x, t, w, r: NN(T).cross_entropy(x, t, w.exp().detach(), reduction=r), [floats(4, 5), labels(5, 4), floats(5)],
    ),
    "ignored": (
        lambda T, x, t, r: NN(T).cross_entropy(x, t, ignore_index=2, reduction=r), [floats(9, 5), np.arange(9) % 5],
    ),
    "smoothed": (
        lambda T, x, t, w, r: NN(T).cross_entropy(x, t, w.exp().detach(), ignore_index=2, label_smoothing=0.1, reduction=r),
        [floats(9, 5), np.arange(9) % 5, floats(5)],
    ),
    "images": (lambda T, x, t, r: NN(T).cross_entropy(x, t, reduction=r), [floats(2, 5, 3, 3), labels(5, 2, 3, 3)]),
    "probabilities": (
        lambda T, x, t, w, r: NN(T).cross_entropy(x, t.softmax(1), w.exp().detach(), label_smoothing=0.2, reduction=r),
        [floats(4, 5), floats(4, 5), floats(5)],
    ),
    "one": (lambda T, x, t, r: NN(T).cross_entropy(x, t, reduction=r), [floats(5), labels(5)]),
    "nll": (
        lambda T, x, t, w, r: NN(T).nll_loss(x, t, w.exp().detach(), reduction=r), [floats(2, 5, 3), labels(5, 2, 3), floats(5)],
    ),
    "positive": (
        lambda T, x, t, w, r: NN(T).binary_cross_entropy_with_logits(
            x, t.detach(), w.exp().detach(), pos_weight=(w * w).detach(), reduction=r
        ),
        [floats(4, 5), T01, floats(5)],
    ),
    "kl of logs": (lambda T, x, t, r: NN(T).kl_div(x, t, log_target=True, reduction=r), [floats(4, 5), floats(4, 5)]),
    "weighted": (
        lambda T, x, t, w, r: NN(T).mse_loss(x, t, weight=w.exp().detach(), reduction=r),
        [floats(4, 5), floats(4, 5), floats(4, 5)],
    ),
}  # fmt: skip
for _name, (_f, _given) in CE.items():
    for _reduction in REDUCTIONS:
        FUNCTIONS[f"{_name}, {_reduction}"] = (lambda T, *a, f=_f, r=_reduction: f(T, *a, r), _given)


def tensors(T, given):
    return [T.tensor(x, requires_grad=x.dtype == np.float64) for x in given]


def gradients(T, out, inputs):
    weights = T.tensor(np.cos(np.arange(out.numel())).reshape(tuple(out.shape)))
    (out * weights).sum().backward()
    return [None if x.grad is None else x.grad.detach().numpy() for x in inputs]


def same(a, b, rtol=1e-9):
    if a is not None and b is None:  # a derivative that is zero; PyTorch does not compute it
        assert not a.any()
    elif a is not None:
        np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-10)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.filterwarnings("ignore")
def test_a_function(name):
    f, given = FUNCTIONS[name]
    got, wanted = (tensors(T, given) for T in (ours, peer))
    out, exact = f(ours, *got), f(peer, *wanted)
    assert tuple(out.shape) == tuple(exact.shape)
    same(out.detach().numpy(), exact.detach().numpy())
    if exact.requires_grad:
        for a, b in zip(gradients(ours, out, got), gradients(peer, exact, wanted), strict=True):
            same(a, b)


# What differs, on purpose: several steps of PyTorch's are one here, named after the last one that matters.
NAMES_DIFFER = {"rrelu", "instance_norm"}


@pytest.mark.parametrize("name", [n for n in FUNCTIONS if "," not in n and n not in NAMES_DIFFER] + [
    f"{n}, {r}" for n in ("mse_loss", "l1_loss", "cross_entropy", "nll_loss", "kl_div", "huber_loss") for r in REDUCTIONS
])  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_the_name_in_the_graph(name):
    f, given = FUNCTIONS[name]
    given = [x.astype(np.float32) if x.dtype == np.float64 else x for x in given]
    names = []
    for T in (ours, peer):
        inputs = [T.tensor(x, requires_grad=k == 0 and x.dtype == np.float32) for k, x in enumerate(given)]
        names.append(type(f(T, *inputs).grad_fn).__name__)
    assert names[0] == names[1]


MODULES = {
    "Linear": ("Linear(3, 2)", [floats(4, 3)]),
    "Linear, no bias": ("Linear(3, 2, bias=False)", [floats(4, 3)]),
    "Bilinear": ("Bilinear(3, 2, 4)", [floats(5, 3), floats(5, 2)]),
    "Flatten": ("Flatten()", [floats(2, 3, 4)]),
    "Unflatten": ("Unflatten(1, (2, 3))", [floats(2, 6)]),
    "Conv1d": ("Conv1d(2, 4, 3, padding=1)", [floats(2, 2, 6)]),
    "Conv2d": ("Conv2d(2, 4, 3, 2, 1, 2, 2, False)", [floats(2, 2, 8, 8)]),
    "Conv2d, reflect": ("Conv2d(2, 4, 3, padding='same', padding_mode='reflect')", [floats(2, 2, 5, 5)]),
    "Conv2d, circular": ("Conv2d(2, 4, (3, 1), padding=(2, 1), padding_mode='circular')", [floats(2, 2, 5, 5)]),
    "ConvTranspose2d": ("ConvTranspose2d(2, 4, 3, 2, 1, 1)", [floats(2, 2, 5, 5)]),
    "MaxPool1d": ("MaxPool1d(2)", [floats(2, 3, 6)]),
    "MaxPool2d": ("MaxPool2d((2, 3), 1)", [floats(2, 3, 6, 6)]),
    "AvgPool1d": ("AvgPool1d(2)", [floats(2, 3, 6)]),
    "AvgPool2d": ("AvgPool2d(2)", [floats(2, 3, 6, 6)]),
    "AdaptiveAvgPool2d": ("AdaptiveAvgPool2d((1, None))", [floats(2, 3, 6, 6)]),
    "Embedding": ("Embedding(5, 3, 0)", [labels(5, 4, 2)]),
    "LayerNorm": ("LayerNorm((2, 3))", [floats(4, 2, 3)]),
    "LayerNorm, no bias": ("LayerNorm(3, bias=False)", [floats(4, 2, 3)]),
    "RMSNorm": ("RMSNorm(3)", [floats(4, 2, 3)]),
    "BatchNorm1d": ("BatchNorm1d(3)", [floats(5, 3)]),
    "BatchNorm2d": ("BatchNorm2d(3, affine=False, momentum=None)", [floats(5, 3, 2, 2)]),
    "GroupNorm": ("GroupNorm(2, 4)", [floats(5, 4, 3)]),
    "InstanceNorm1d": ("InstanceNorm1d(3, affine=True)", [floats(5, 3, 4)]),
    "Dropout, eval": ("Dropout(0.3).eval()", [floats(5, 3)]),
    "RNNCell": ("RNNCell(3, 4, nonlinearity='relu')", [floats(5, 3), floats(5, 4)]),
    "LSTMCell": ("LSTMCell(3, 4)", [floats(5, 3)]),
    "GRUCell": ("GRUCell(3, 4, bias=False)", [floats(5, 3), floats(5, 4)]),
    "GRUCell, single": ("GRUCell(3, 4)", [floats(3), floats(4)]),
    "RNN": ("RNN(3, 4, nonlinearity='relu')", [floats(6, 2, 3)]),
    "RNN, single": ("RNN(3, 4, bias=False)", [floats(6, 3), floats(1, 4)]),
    "LSTM": ("LSTM(3, 4, 2, batch_first=True)", [floats(2, 6, 3)]),
    "LSTM, both ways": ("LSTM(3, 4, 2, bidirectional=True, dropout=0.5).eval()", [floats(6, 2, 3)]),
    "GRU": ("GRU(3, 4, 2)", [floats(6, 2, 3), floats(2, 2, 4)]),
    "GRU, both ways": ("GRU(3, 4, bidirectional=True, bias=False)", [floats(6, 2, 3)]),
    "MultiheadAttention": ("MultiheadAttention(4, 2)", [floats(3, 2, 4), floats(5, 2, 4), floats(5, 2, 4)]),
    "MultiheadAttention, sizes": (
        "MultiheadAttention(4, 2, kdim=3, vdim=5)", [floats(3, 2, 4), floats(5, 2, 3), floats(5, 2, 5)],
    ),
    "MultiheadAttention, single": ("MultiheadAttention(4, 2, batch_first=True, bias=False)", [floats(3, 4)] * 3),
    "TransformerEncoderLayer": ("TransformerEncoderLayer(4, 2, 8, dropout=0.0)", [floats(3, 2, 4)]),
    "TransformerEncoderLayer, first": (
        "TransformerEncoderLayer(4, 2, 8, 0.0, 'gelu', batch_first=True, norm_first=True)", [floats(3, 2, 4)],
    ),
    "TransformerEncoder": ("TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, 0.0), 2)", [floats(3, 2, 4)]),
    "Sequential": ("Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Sequential(nn.Linear(4, 2), nn.Tanh()))", [floats(5, 3)]),
    "PReLU": ("PReLU(3)", [floats(5, 3, 2)]),
    "ZeroPad2d": ("ZeroPad2d(1)", [floats(1, 2, 3, 3)]),
    "ConstantPad1d": ("ConstantPad1d((1, 2), 2.0)", [floats(1, 2, 3)]),
    "ReflectionPad2d": ("ReflectionPad2d((1, 2, 2, 1))", [floats(1, 2, 3, 3)]),
    "Upsample": ("Upsample(scale_factor=2)", [floats(1, 2, 3, 3)]),
    "PixelShuffle": ("PixelShuffle(2)", [floats(1, 4, 3, 3)]),
    "Unfold": ("Unfold(2)", [floats(1, 2, 3, 3)]),
    "Fold": ("Fold((3, 3), 2)", [floats(1, 8, 4)]),
    "CosineSimilarity": ("CosineSimilarity()", [floats(3, 4), floats(3, 4)]),
}  # fmt: skip
ACTIVATIONS = (
    "ReLU() ReLU(True) ReLU6() ELU() ELU(0.5) SELU() CELU(2.0) GELU() GELU('tanh') SiLU() Mish() Softplus() Softplus(2.0,3.0) "
    "Softsign() Softshrink() Hardshrink(0.1) Tanhshrink() Hardtanh() Hardtanh(-2.0,0.5) Hardsigmoid() Hardswish() LeakyReLU() "
    "LeakyReLU(0.2) LogSigmoid() Sigmoid() Tanh() GLU() Softmax(1) LogSoftmax(dim=0) Softmin(1) Threshold(0.1,2.0) PReLU()"
).split()
MODULES |= {text: (text, [floats(4, 6)]) for text in ACTIVATIONS if text != "ReLU(True)"}
LOSS_MODULES = (
    "MSELoss() L1Loss('none') SmoothL1Loss(beta=0.5) HuberLoss(delta=0.3) CrossEntropyLoss() CrossEntropyLoss(ignore_index=2) "
    "NLLLoss() BCELoss() BCEWithLogitsLoss() KLDivLoss(reduction='batchmean') CosineEmbeddingLoss() TripletMarginLoss()"
).split()


def made(T, text):
    return eval("nn." + text, {"nn": T.nn}).double()


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.filterwarnings("ignore")
def test_a_module(name):
    text, given = MODULES[name]
    mine, theirs = made(ours, text), made(peer, text)
    assert repr(mine) == repr(theirs)
    assert list(mine.state_dict()) == list(theirs.state_dict())
    shapes = [[(n, tuple(p.shape)) for n, p in m.named_parameters()] for m in (mine, theirs)]
    assert shapes[0] == shapes[1]
    mine.load_state_dict({k: ours.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    got, wanted = (tensors(T, given) for T in (ours, peer))
    out, exact = mine(*got), theirs(*wanted)
    all_out, all_exact = (leaves(x) for x in (out, exact))
    assert len(all_out) == len(all_exact)
    for a, b in zip(all_out, all_exact, strict=True):
        assert tuple(a.shape) == tuple(b.shape)
        same(a.detach().numpy(), b.detach().numpy())
    if all_exact[0].requires_grad:
        gradients(ours, all_out[0], got), gradients(peer, all_exact[0], wanted)
        for a, b in zip([*got, *mine.parameters()], [*wanted, *theirs.parameters()], strict=True):
            same(*[None if x.grad is None else x.grad.numpy() for x in (a, b)], rtol=1e-7)
    for (n, a), (_, b) in zip(mine.named_buffers(), theirs.named_buffers(), strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-9, err_msg=n)


def leaves(x):
    return [y for part in x for y in leaves(part)] if isinstance(x, (tuple, list)) else [] if x is None else [x]


TEXTS = ("ReLU(True)", "ParameterList([])", "ModuleList([nn.ReLU(), nn.ReLU(), nn.Tanh()])", "ModuleDict({'a': nn.ReLU(True)})")


@pytest.mark.parametrize("text", [*TEXTS, *LOSS_MODULES, "ModuleList()"])
def test_the_text_of_a_module(text):
    assert repr(eval("nn." + text, {"nn": ours.nn})) == repr(eval("nn." + text, {"nn": peer.nn}))


def test_signatures_have_the_same_names():
    """The public functions take what PyTorch's take, by the same names and in the same order."""
    for name in sorted({n.split(",")[0] for n in FUNCTIONS}):
        mine, theirs = getattr(ours.nn.functional, name, None), getattr(peer.nn.functional, name, None)
        if mine is None or not inspect.isfunction(theirs):
            continue
        wanted = list(inspect.signature(theirs).parameters)
        if wanted != ["args", "kwargs"]:
            assert list(inspect.signature(mine).parameters) == [n for n in wanted if n != "out"], name


F = "nn.functional."
ERRORS = {
    "linear": lambda T: NN(T).linear(T.ones(2, 3), T.ones(4, 5), T.ones(4)),
    "linear, three axes": lambda T: NN(T).linear(T.ones(2, 2, 3), T.ones(4, 5)),
    "linear, bias": lambda T: NN(T).linear(T.ones(2, 3), T.ones(4, 3), T.ones(5)),
    "linear, dtypes": lambda T: NN(T).linear(T.ones(2, 3), T.ones(4, 3).double()),
    "linear, dtypes, bias": lambda T: NN(T).linear(T.ones(2, 3), T.ones(4, 3).double(), T.ones(4)),
    "linear, integers": lambda T: NN(T).linear(T.ones(2, 3, dtype=T.int64), T.ones(4, 3), T.ones(4)),
    "embedding": lambda T: NN(T).embedding(T.tensor([5]), T.ones(3, 2)),
    "embedding of floats": lambda T: NN(T).embedding(T.tensor([0.5]), T.ones(3, 2)),
    "padding_idx": lambda T: T.nn.Embedding(3, 2, padding_idx=7),
    "layer_norm": lambda T: NN(T).layer_norm(T.ones(2, 8), (7,)),
    "layer_norm, weight": lambda T: NN(T).layer_norm(T.ones(2, 8), (8,), T.ones(7)),
    "batch_norm": lambda T: NN(T).batch_norm(T.ones(1, 3), None, None, training=True),
    "BatchNorm1d": lambda T: T.nn.BatchNorm1d(3)(T.ones(2, 4)),
    "BatchNorm1d, rank": lambda T: T.nn.BatchNorm1d(3)(T.ones(2, 3, 4, 4)),
    "BatchNorm2d, rank": lambda T: T.nn.BatchNorm2d(3)(T.ones(2, 3)),
    "group_norm": lambda T: NN(T).group_norm(T.ones(2, 4), 3),
    "GroupNorm": lambda T: T.nn.GroupNorm(3, 4),
    "dropout": lambda T: NN(T).dropout(T.ones(2), 1.5),
    "Dropout": lambda T: T.nn.Dropout(-1),
    "one_hot": lambda T: NN(T).one_hot(T.tensor([1, 2]), 2),
    "one_hot, negative": lambda T: NN(T).one_hot(T.tensor([-1, 2])),
    "one_hot of floats": lambda T: NN(T).one_hot(T.tensor([1.0])),
    "reduction": lambda T: NN(T).mse_loss(T.ones(2), T.ones(2), reduction="foo"),
    "class": lambda T: NN(T).cross_entropy(T.ones(2, 3), T.tensor([0, 3])),
    "class, negative": lambda T: NN(T).cross_entropy(T.ones(2, 3), T.tensor([0, -1])),
    "class, float": lambda T: NN(T).cross_entropy(T.ones(2, 3), T.tensor([0.0, 1.0])),
    "batch": lambda T: NN(T).cross_entropy(T.ones(2, 3), T.tensor([0, 1, 2])),
    "weight": lambda T: NN(T).cross_entropy(T.ones(2, 3), T.tensor([0, 1]), weight=T.ones(5)),
    "smoothing": lambda T: NN(T).cross_entropy(T.ones(2, 3), T.tensor([0, 1]), label_smoothing=2.0),
    "images": lambda T: NN(T).cross_entropy(T.ones(2, 4, 8, 8), T.zeros(2, 8, 7, dtype=T.int64)),
    "bce": lambda T: NN(T).binary_cross_entropy(T.ones(4, 6), T.ones(4, 1)),
    "bce, dtype": lambda T: NN(T).binary_cross_entropy(T.ones(2), T.ones(2, dtype=T.int64)),
    "bce with logits": lambda T: NN(T).binary_cross_entropy_with_logits(T.ones(4, 6), T.ones(4, 1)),
    "beta": lambda T: NN(T).smooth_l1_loss(T.ones(2), T.ones(2), beta=-1.0),
    "delta": lambda T: NN(T).huber_loss(T.ones(2), T.ones(2), delta=0.0),
    "mse of integers": lambda T: NN(T).mse_loss(T.ones(2, dtype=T.int64), T.ones(2, dtype=T.int64)),
    "conv2d, channels": lambda T: NN(T).conv2d(T.ones(2, 4, 8, 8), T.ones(4, 3, 3, 3)),
    "conv2d, size": lambda T: NN(T).conv2d(T.ones(2, 4, 8, 8), T.ones(4, 4, 9, 9)),
    "conv2d, rank": lambda T: NN(T).conv2d(T.ones(8, 8), T.ones(4, 4, 3, 3)),
    "conv1d, rank": lambda T: NN(T).conv1d(T.ones(2, 4, 8, 8), T.ones(4, 4, 3)),
    "conv2d, bias": lambda T: NN(T).conv2d(T.ones(2, 4, 8, 8), T.ones(4, 4, 3, 3), T.ones(5)),
    "conv2d, same": lambda T: NN(T).conv2d(T.ones(2, 4, 8, 8), T.ones(4, 4, 3, 3), stride=2, padding="same"),
    "conv2d, stride": lambda T: NN(T).conv2d(T.ones(2, 4, 8, 8), T.ones(4, 4, 3, 3), stride=0),
    "conv2d, dtypes": lambda T: NN(T).conv2d(T.ones(2, 4, 8, 8), T.ones(4, 4, 3, 3).double()),
    "Conv2d, groups": lambda T: T.nn.Conv2d(3, 4, 3, groups=2),
    "Conv2d, groups of results": lambda T: T.nn.Conv2d(4, 3, 3, groups=2),
    "Conv2d, same": lambda T: T.nn.Conv2d(4, 4, 3, padding="same", stride=2),
    "max_pool2d, size": lambda T: NN(T).max_pool2d(T.ones(2, 4, 8, 8), 9),
    "max_pool2d, padding": lambda T: NN(T).max_pool2d(T.ones(2, 4, 8, 8), 2, padding=2),
    "pad, odd": lambda T: NN(T).pad(T.ones(2, 4), (1,)),
    "pad, too many": lambda T: NN(T).pad(T.ones(2), (1, 1, 1, 1)),
    "pad, reflect": lambda T: NN(T).pad(T.ones(2, 4, 8, 8), (9, 9), mode="reflect"),
    "LSTM, rank": lambda T: T.nn.LSTM(2, 3)(T.ones(2)),
    "LSTM, features": lambda T: T.nn.LSTM(2, 3)(T.ones(4, 1, 5)),
    "LSTM, states": lambda T: T.nn.LSTM(2, 3)(T.ones(4, 1, 2), (T.ones(1, 2, 3), T.ones(1, 1, 3))),
    "GRU, states": lambda T: T.nn.GRU(2, 3)(T.ones(4, 1, 2), T.ones(1, 2, 3)),
    "RNN": lambda T: T.nn.RNN(2, 3, nonlinearity="sin"),
    "LSTMCell": lambda T: T.nn.LSTMCell(2, 3)(T.ones(4, 5)),
    "MultiheadAttention": lambda T: T.nn.MultiheadAttention(5, 2),
    "module, attribute": lambda T: T.nn.Linear(1, 1).foo,
    "module, parameter": lambda T: setattr(T.nn.Linear(1, 1), "weight", 3),
    "index": lambda T: T.nn.Sequential(T.nn.ReLU())[3],
    "gain": lambda T: T.nn.init.calculate_gain("sine"),
    "fans": lambda T: T.nn.init.xavier_uniform_(T.ones(3)),
    "fan mode": lambda T: T.nn.init.kaiming_normal_(T.ones(3, 3), mode="fan"),
    "keys": lambda T: T.nn.Linear(1, 2).load_state_dict({"weight": T.ones(2, 1), "b": T.ones(2)}),
    "sizes": lambda T: T.nn.Linear(1, 2).load_state_dict({"weight": T.ones(2, 2), "bias": T.ones(2)}),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_an_error(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(Exception) as wanted:
            ERRORS[name](peer)
        with pytest.raises(type(wanted.value)) as got:
            ERRORS[name](ours)
    assert str(got.value).strip("'\"") == str(wanted.value).strip("'\"")
