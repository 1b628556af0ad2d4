"""Writing in place: values, gradients, versions and errors; memory shared by views and with NumPy."""

import random

import numpy as np
import pytest

import jitgrad.eager as torch
from jitgrad.eager.run import settings

from .gradients import check
from .said import said, table


@pytest.mark.parametrize(("source", "expected"), table("inplace"))
def test_as_pytorch_says(source, expected):
    assert said(torch, source) == expected


# ---- gradients through writes


def written(write):
    """A function of arrays or tensors from one that writes into a copy."""

    def apply(x):
        y = x * 1
        write(y, x)
        return y

    return apply


def through_views(y, x):
    y[1:][:, 0] *= x[0, 0]
    y[..., 1:3] += 2


def twice(y, x):
    row = y[0]
    row *= 3
    y *= y
    row += x[1]


def swapped(y, x):
    part = y[0] * 1
    y[0] = y[1]
    y[1] = part


def from_itself(y, x):
    y[1:] = y[:-1] * 2


CASES = {"through_views": through_views, "twice": twice, "swapped": swapped, "from_itself": from_itself}
OWN = {
    "transposed": (lambda y, x: y.t()[1].mul_(x[:, 0]), lambda a: np.stack([a[:, 0], a[:, 1] * a[:, 0], *a[:, 2:].T], 1)),
    "flat": (lambda y, x: y.view(-1)[::5].zero_(), lambda a: a * (np.arange(12).reshape(3, 4) % 5 > 0)),
    "diagonal": (lambda y, x: y.diagonal(1).copy_(x[0, 1:]), lambda a: np.where(np.eye(3, 4, 1) == 1, a[0], a)),
    "below": (lambda y, x: y.diagonal(-1).mul_(3), lambda a: np.where(np.eye(3, 4, -1) == 1, 3 * a, a)),
    "masked": (lambda y, x: y.masked_fill_(y > 0.5, 2.0), lambda a: np.where(a > 0.5, 2.0, a)),
    "copied": (lambda y, x: y.copy_(x[0]), lambda a: np.broadcast_to(a[0], (3, 4))),
    "filled": (lambda y, x: y[1].fill_(x.sum()), lambda a: np.stack([a[0], np.full(4, a.sum()), a[2]])),
    "diagonal_filled": (lambda y, x: y.fill_diagonal_(2.0), lambda a: np.where(np.eye(3, 4) == 1, 2.0, a)),
    "triangle": (lambda y, x: y.tril_(), np.tril),
    "windows": (lambda y, x: y.unfold(1, 2, 2)[:, 1].mul_(2), lambda a: a * [1, 1, 2, 2]),
    "cells": (lambda y, x: y.as_strided((2,), (5,), 1).mul_(2), lambda a: a * (np.isin(np.arange(12), [1, 6]).reshape(3, 4) + 1)),
    "one_of_expanded": (lambda y, x: y[:, :1].expand(3, 4)[:, 2].mul_(2), lambda a: a * [2, 1, 1, 1]),
    "rows": (lambda y, x: y.index_add_(0, torch.tensor([1]), x[:1]), lambda a: np.stack([a[0], a[1] + a[0], a[2]])),
}  # fmt: skip


@pytest.mark.parametrize("name", [*CASES, *OWN])
def test_gradients(name):
    if name in CASES:
        check(written(CASES[name]), written(CASES[name]))
    else:
        write, of_arrays = OWN[name]
        check(written(write), of_arrays)


# ---- sharing


def same_memory(a, x):
    return np.shares_memory(a, x.detach().numpy())


@pytest.mark.parametrize("part", [
    lambda x: x, lambda x: x.t(), lambda x: x[1:, ::2], lambda x: x[1, 2], lambda x: x.view(-1)[3:], lambda x: x.diagonal(),
    lambda x: x[None].transpose(0, 2), lambda x: x.detach()[0], lambda x: x.data[:, 1],
])  # fmt: skip
def test_numpy_sees_a_view_and_is_seen(part):
    x = torch.arange(12.0).reshape(3, 4)
    a = part(x).numpy()
    a[...] = -1
    assert (x == -1).sum() == part(x).numel()
    x.mul_(2)
    assert (a == -2).all()
    part(x).add_(1)
    assert (a == -1).all()


@pytest.mark.parametrize("make", [
    lambda: np.arange(12.0).reshape(3, 4), lambda: np.arange(12.0).reshape(4, 3).T, lambda: np.arange(24.0).reshape(3, 8)[:, ::2],
    lambda: np.array(1.0),
])  # fmt: skip
def test_from_numpy_shares_both_ways(make):
    a = make()
    x = torch.from_numpy(a)
    assert x.stride() == tuple(s // 8 for s in a.strides)
    a += 1
    assert x.tolist() == a.tolist()
    x.mul_(2)
    if a.ndim:
        x[0].add_(3)
    assert x.tolist() == a.tolist()
    assert np.shares_memory(a, x.numpy())


def test_memory_that_numpy_gave_back_is_a_value_again():
    x = torch.zeros(3)
    before = x * 1
    a = x.numpy()
    a += 1
    after = x * 1
    part = a[1:]
    del a
    part += 1  # a view of the array keeps the memory lent
    assert x.tolist() == [1, 2, 2]
    del part
    assert x.tolist() == [1, 2, 2] and x._storage.shared is None
    assert before.tolist() == [0, 0, 0] and after.tolist() == [1, 1, 1]


def test_lending_keeps_the_graph():
    w = torch.ones(3, requires_grad=True)
    y = w * 2
    part = y[1:]
    assert y.detach().numpy().tolist() == [2, 2, 2]
    assert part.grad_fn.name() == "SliceBackward0" and part._version == 0
    (part * part).sum().backward()
    assert w.grad.tolist() == [0, 8, 8]


def test_other_values_keep_their_memory():
    x = torch.arange(4.0)
    same, part = x.clone(), (x * 1)[1:]
    same.tolist(), part.tolist()
    x.numpy()[...] = 7
    assert same.tolist() == [0, 1, 2, 3] and part.tolist() == [1, 2, 3]


def test_data_has_no_version():
    w = torch.ones(3, requires_grad=True)
    w.data.mul_(2)
    assert w.tolist() == [2, 2, 2] and w._version == 0
    w.data = torch.zeros(2)
    assert w.shape == (2,) and w.requires_grad and w.is_leaf
    d = w.detach()
    d += 1
    assert w._version == 1 and w.tolist() == [1, 1]


def test_views_of_what_is_written_without_gradient():
    w = torch.ones(4, requires_grad=True)
    with torch.no_grad():
        w[1:3].mul_(5)
        w.view(2, 2)[0] -= 1
    assert w.tolist() == [0, 4, 5, 1] and w.is_leaf and w.grad_fn is None
    (w * w).sum().backward()
    assert w.grad.tolist() == [0, 8, 10, 2]


def test_an_old_read_keeps_its_value():
    x = torch.arange(3.0)
    old = x[1:] * 10
    x.zero_()
    assert old.tolist() == [10, 20]


@pytest.mark.parametrize("write", ["resize_", "set_", "t_", "squeeze_", "unsqueeze_"])
def test_what_changes_the_memory_is_refused(write):
    with pytest.raises(NotImplementedError, match=write):
        getattr(torch.ones(2), write)()


# ---- random sequences, beside NumPy


def diagonal(a, off):
    n = max(min(a.shape[0] + min(off, 0), a.shape[1] - max(off, 0)), 0)
    start = a[max(-off, 0) :, max(off, 0) :]
    return np.lib.stride_tricks.as_strided(start, (n,), (sum(a.strides),)) if n else a.reshape(-1)[:0]


class Player:
    """Pairs of a tensor and an array that show the same memory; each move does the same to both."""

    def __init__(self, seed):
        self.rng, self.numbers = random.Random(seed), np.random.default_rng(seed)
        base = self.numbers.integers(-5, 6, (3, 4)).astype(float)
        base = np.ascontiguousarray(base.T).T if self.rng.random() < 0.3 else base
        shared = self.rng.random() < 0.4
        self.pairs = [(torch.from_numpy(base), base)] if shared else [(torch.tensor(base), np.array(base, order="C"))]
        self.lent = []

    def move(self):
        t, a = self.rng.choice(self.pairs)
        found = self.rng.choice(self.VIEWS + self.WRITES)(self, t, a)
        if found is not None:
            self.pairs.append(found)

    def slice(self, t, a):
        if a.ndim:
            n = a.shape[-1]
            s = slice(self.rng.randint(0, n), self.rng.choice([None, n]), self.rng.choice([None, 2]))
            return t[..., s], a[..., s]

    def select(self, t, a):
        if a.ndim and len(a):
            k = self.rng.randrange(-len(a), len(a))
            return t[k], a[k, ...]

    def permute(self, t, a):
        axes = self.rng.sample(range(a.ndim), a.ndim)
        return t.permute(*axes), a.transpose(axes)

    def flat(self, t, a):
        b = a.view()
        try:
            b.shape = (a.size,)
        except AttributeError:
            with pytest.raises(RuntimeError, match="view size is not compatible"):
                t.view(a.size)
            return None
        return t.view(a.size), b

    def diagonal(self, t, a):
        if a.ndim == 2:
            off = self.rng.randint(-1, 1)
            return t.diagonal(off), diagonal(a, off)

    def unsqueeze(self, t, a):
        return t.unsqueeze(0), a[None]

    def detach(self, t, a):
        return (t.detach() if self.rng.random() < 0.5 else t.data), a

    def copy(self, t, a):
        return t.clone(), a.copy()

    def add(self, t, a):
        t.add_(0.5)
        a += 0.5

    def scale(self, t, a):
        t.mul_(-1.5)
        a *= -1.5

    def fill(self, t, a):
        t.fill_(3.0)
        a[...] = 3.0

    def mask(self, t, a):
        m = np.array(a > 0)
        t[torch.tensor(m)] = 2.25
        a[m] = 2.25

    def rows(self, t, a):
        if a.ndim and len(a) > 1:
            i = np.array([0, -1])
            v = self.numbers.normal(size=(2, *a.shape[1:]))
            t[torch.tensor(i)] = torch.tensor(v)
            a[i] = v

    def lend(self, t, a):
        self.lent.append((t.numpy(), a))

    def write_lent(self, t, a):
        if self.lent:
            x, b = self.rng.choice(self.lent)
            if b.size:
                x += 1.25
                b += 1.25

    def give_back(self, t, a):
        if self.lent:
            self.lent.pop(self.rng.randrange(len(self.lent)))

    def read(self, t, a):
        assert t.tolist() == a.tolist()

    VIEWS = [slice, select, permute, flat, diagonal, unsqueeze, detach, copy]
    WRITES = [add, scale, fill, mask, rows, lend, write_lent, give_back, read]


@pytest.mark.parametrize("seed", range(150))
def test_random_sequences_are_those_of_numpy(seed):
    player = Player(seed)
    for _ in range(player.rng.randint(5, 25)):
        player.move()
    for t, a in player.pairs:
        np.testing.assert_array_equal(t.detach().numpy(), a)
        if all(n > 1 for n in a.shape):
            assert t.stride() == tuple(s // 8 for s in a.strides)
    for x, a in player.lent:
        np.testing.assert_array_equal(x, a)


@pytest.mark.parametrize("seed", range(3))
def test_random_sequences_compiled(seed, monkeypatch):
    monkeypatch.setattr(settings, "compile_after", 0)
    test_random_sequences_are_those_of_numpy(seed)
