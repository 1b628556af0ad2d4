"""Losses of machine learning."""

from __future__ import annotations

import numpy as np

from .cases import case


def layer(r, n, m):
    return r.normal(size=(n, m)) / np.sqrt(n), 0.1 * r.normal(size=m)


def make_mlp(r, n):
    (w1, b1), (w2, b2), (w3, b3) = layer(r, 5, 8), layer(r, 8, 7), layer(r, 7, 1)
    params = {"w1": w1, "b1": b1, "w2": w2, "b2": b2, "w3": w3, "b3": b3}
    return params, r.normal(size=(n + 7, 5)), r.normal(size=n + 7)


@case(make_mlp)
def mlp(params, x, y):
    h = np.tanh(x @ params["w1"] + params["b1"])
    h = np.tanh(h @ params["w2"] + params["b2"])
    out = (h @ params["w3"] + params["b3"])[:, 0]
    return np.mean((out - y) ** 2)


@case(make_mlp, kinks=True)
def relu_mlp(params, x, y):
    h = x
    for k in ("1", "2"):
        h = np.maximum(h @ params["w" + k] + params["b" + k], 0)
    out = h @ params["w3"] + params["b3"]
    return 0.5 * ((out[:, 0] - y) ** 2).mean() + 1e-3 * sum(np.sum(w**2) for w in params.values())


@case(lambda r, n: (r.normal(size=n), 0.3, r.normal(size=(2 * n, n)), r.integers(0, 2, 2 * n).astype(float)))
def logistic_regression(w, b, x, y):
    p = 1 / (1 + np.exp(-(x @ w + b)))
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)) + 0.01 * np.dot(w, w)


@case(lambda r, n: (r.normal(size=(n, 5)), r.integers(0, 5, n)))
def softmax_cross_entropy(logits, labels):
    z = logits - logits.max(axis=1, keepdims=True)
    log_p = z - np.log(np.sum(np.exp(z), axis=1, keepdims=True))
    return -np.mean(log_p[np.arange(len(labels)), labels])


@case(lambda r, n: (r.normal(size=(n, 6)), r.normal(size=(6, 6)) / 2, r.normal(size=(6, 6)) / 2, r.normal(size=(6, 5)) / 2))
def attention(x, wq, wk, wv):
    q, k, v = x @ wq, x @ wk, x @ wv
    scores = q @ k.T / np.sqrt(q.shape[1])
    scores = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
    weights = scores / scores.sum(axis=-1, keepdims=True)
    return np.sum((weights @ v) ** 2)


@case(lambda r, n: (r.normal(size=(n + 3, 6)), r.uniform(0.5, 1.5, 6), r.normal(size=6)))
def batch_norm(x, gamma, beta, eps=1e-5):
    mean = x.mean(axis=0)
    var = np.var(x, axis=0)
    y = gamma * (x - mean) / np.sqrt(var + eps) + beta
    return np.sum(np.tanh(y) ** 2)


@case(lambda r, n: (r.normal(size=(n, 5)), r.normal(size=(5,)), r.random((n, 5)) < 0.7))
def masked_loss(x, target, mask):
    err = np.where(mask, x - target, 0.0)
    huber = np.where(np.abs(err) < 1.0, 0.5 * err**2, np.abs(err) - 0.5)
    return huber.sum() / np.maximum(mask.sum(), 1)


@case(lambda r, n: (r.normal(size=(5, 6)), r.normal(size=(n + 2, 6))))
def reconstruction(w, x):
    """As in principal components."""
    codes = x @ w.T
    return np.mean(np.sum((x - codes @ w) ** 2, axis=1)) + np.linalg.norm(w @ w.T - np.eye(5)) ** 2


@case(lambda r, n: (r.normal(size=(n + 4, n + 6)), r.normal(size=(3, 3)), 0.1))
def convolution(image, kernel, bias):
    h, w = kernel.shape
    out = np.zeros((image.shape[0] - h + 1, image.shape[1] - w + 1))
    for i in range(h):
        for j in range(w):
            out += kernel[i, j] * image[i : i + out.shape[0], j : j + out.shape[1]]
    return np.sum(np.tanh(out + bias))


@case(lambda r, n: (r.normal(size=(n, 3)), r.normal(size=(6, 3))))
def nearest_centroid(x, centers):
    d2 = ((x[:, None, :] - centers[None]) ** 2).sum(-1)
    return np.sum(np.min(d2, axis=1))


@case(lambda r, n: (r.normal(size=n + 4), r.normal(size=5), r.normal(size=(5, 5)) / 3, r.normal(size=5)))
def recurrent_network(xs, w_in, w, w_out):
    h = np.zeros(5)
    loss = 0.0
    for t in range(len(xs) - 1):
        h = np.tanh(w_in * xs[t] + w @ h)
        loss += (w_out @ h - xs[t + 1]) ** 2
    return loss / len(xs)


def make_lstm(r, n):
    return {"w": r.normal(size=(5, 24)) / 3, "u": r.normal(size=(6, 24)) / 3, "b": np.zeros(24)}, r.normal(size=(3, n, 5))


def sigmoid(x):
    return 0.5 * (np.tanh(0.5 * x) + 1)


@case(make_lstm)
def lstm(params, xs):
    h = c = np.zeros((xs.shape[1], 6))
    for x in xs:
        gates = x @ params["w"] + h @ params["u"] + params["b"]
        i, f, g, o = np.split(gates, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    return np.sum(h**2)


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def layer_norm(x, scale):
    x = x - x.mean(-1, keepdims=True)
    return scale * x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6)


def make_transformer(r, n):
    w = lambda *s: r.normal(size=s) / 3
    block = {"qkv": w(8, 3, 2, 4), "out": w(2, 4, 8), "up": w(8, 12), "down": w(12, 8), "scale": np.ones(8)}
    return block, r.normal(size=(3, n, 8))


@case(make_transformer)
def transformer_block(p, x):
    """Two heads, causal."""
    q, k, v = np.einsum("bnd,dchk->cbhnk", layer_norm(x, p["scale"]), p["qkv"])
    scores = np.einsum("bhik,bhjk->bhij", q, k) / np.sqrt(k.shape[-1])
    n = x.shape[1]
    scores = np.where(np.tril(np.ones((n, n), bool)), scores, -1e9)
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    mixed = np.einsum("bhij,bhjk->bihk", scores / scores.sum(-1, keepdims=True), v)
    x = x + np.einsum("bihk,hkd->bid", mixed, p["out"])
    x = x + gelu(layer_norm(x, p["scale"]) @ p["up"]) @ p["down"]
    return np.mean(x**2)


@case(lambda r, n: (r.normal(size=(n, 5)) / 2, r.normal(size=(n, 5)) / 2, r.integers(0, n, 20), r.integers(0, n, (20, 3))))
def skip_gram(inner, outer, words, negatives):
    """Word vectors with negative sampling."""
    v = inner[words]
    good = np.sum(v * outer[words[::-1]], axis=1)
    bad = np.einsum("bd,bkd->bk", v, outer[negatives])
    return np.mean(np.log1p(np.exp(-good))) + np.mean(np.logaddexp(0, bad))


@case(lambda r, n: (r.normal(size=(n, 5)), r.normal(size=(5, 6)), r.integers(0, n, (2, 30))))
def message_passing(h, w, edges):
    """On a graph."""
    sender, receiver = edges
    messages = np.tanh(h[sender] @ w)
    total = np.zeros((h.shape[0], w.shape[1]))
    np.add.at(total, receiver, messages)
    return np.sum(total**2) / edges.shape[1]


@case(lambda r, n: (r.normal(size=(n, 6)), r.normal(size=(n, 6)), r.normal(size=(n, 6))), kinks=True)
def triplet_loss(anchor, good, bad, margin=0.5):
    near = np.linalg.norm(anchor - good, axis=1)
    far = np.linalg.norm(anchor - bad, axis=1)
    return np.maximum(near - far + margin, 0).mean()


def make_vae(r, n):
    return (r.normal(size=(6, 8)) / 3, r.normal(size=(4, 6)) / 3), r.normal(size=(n, 6)), r.normal(size=(n, 4))


@case(make_vae)
def variational_autoencoder(params, x, noise):
    encode, decode = params
    mean, log_var = np.hsplit(x @ encode, 2)
    z = mean + np.exp(0.5 * log_var) * noise
    error = np.sum((np.tanh(z @ decode) - x) ** 2, axis=1)
    kl = -0.5 * np.sum(1 + log_var - mean**2 - np.exp(log_var), axis=1)
    return (error + kl).mean()
