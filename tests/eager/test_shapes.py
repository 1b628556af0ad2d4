"""Shapes, joining, taking apart: what PyTorch says of them, values and gradients."""

import numpy as np
import pytest

import jitgrad.eager as torch
from jitgrad.eager import run as running
from jitgrad.eager.run import settings

from .gradients import check
from .said import said, table


@pytest.mark.parametrize(("source", "expected"), table("shapes"))
def test_as_pytorch_says(source, expected):
    assert said(torch, source) == expected


def rows(a, count, axis):
    return np.array_split(a, count, axis)


# name: (of a tensor, of an array, shape)
CASES = {
    "view": (lambda x: x.view(2, -1), lambda a: a.reshape(2, -1)),
    "reshape_copy": (lambda x: x.t().reshape(2, 6), lambda a: a.T.reshape(2, 6)),
    "flatten": (lambda x: x.flatten(1), lambda a: a.reshape(2, 6), (2, 3, 2)),
    "unflatten": (lambda x: x.unflatten(1, (2, -1)), lambda a: a.reshape(3, 2, 2)),
    "permute": (lambda x: x.permute(2, 0, 1), lambda a: a.transpose(2, 0, 1), (2, 3, 2)),
    "movedim": (lambda x: x.movedim((0, 1), (2, 0)), lambda a: np.moveaxis(a, (0, 1), (2, 0)), (2, 3, 2)),
    "mT": (lambda x: x.mT, lambda a: np.swapaxes(a, -1, -2), (2, 3, 2)),
    "unsqueeze": (lambda x: x.unsqueeze(1), lambda a: a[:, None]),
    "squeeze": (lambda x: x.squeeze(), lambda a: a[:, 0], (3, 1)),
    "expand": (lambda x: x.expand(2, 3, -1), lambda a: np.broadcast_to(a, (2, 3, 4)), (1, 4)),
    "repeat": (lambda x: x.repeat(2, 1, 2), lambda a: np.tile(a, (2, 1, 2)), (2, 2)),
    "tile": (lambda x: x.tile(2), lambda a: np.tile(a, 2), (2, 2)),
    "repeat_interleave": (lambda x: x.repeat_interleave(2, 1), lambda a: np.repeat(a, 2, 1)),
    "repeat_by": (
        lambda x: torch.repeat_interleave(x, torch.tensor([2, 0, 1]), 0), lambda a: np.repeat(a, [2, 0, 1], 0),
    ),
    "narrow": (lambda x: x.narrow(1, 1, 2), lambda a: a[:, 1:3]),
    "narrow_end": (lambda x: x.narrow(1, -2, 2), lambda a: a[:, 2:]),
    "select": (lambda x: x.select(1, -1), lambda a: a[:, -1]),
    "unbind": (lambda x: x.unbind(1)[1] * x.unbind(1)[3], lambda a: a[:, 1] * a[:, 3]),
    "iteration": (lambda x: sum(row * k for k, row in enumerate(x)), lambda a: a[1] + 2 * a[2]),
    "split": (lambda x: x.split(3, 1)[1], lambda a: a[:, 3:]),
    "split_sizes": (lambda x: torch.split(x, [1, 2])[1], lambda a: a[1:]),
    "chunk": (lambda x: x.chunk(2, 1)[1], lambda a: a[:, 2:]),
    "tensor_split": (lambda x: x.tensor_split(2)[0], lambda a: np.array_split(a, 2)[0]),
    "cat": (lambda x: torch.cat([x, x * 2, x[:1]]), lambda a: np.concatenate([a, a * 2, a[:1]])),
    "stack": (lambda x: torch.stack([x, x**2], 1), lambda a: np.stack([a, a**2], 1)),
    "hstack": (lambda x: torch.hstack([x[0], x[1]]), lambda a: np.hstack([a[0], a[1]])),
    "vstack": (lambda x: torch.vstack([x[0], x]), lambda a: np.vstack([a[0], a])),
    "dstack": (lambda x: torch.dstack([x, x * x]), lambda a: np.dstack([a, a * a])),
    "column_stack": (lambda x: torch.column_stack([x[:, 0], x]), lambda a: np.column_stack([a[:, 0], a])),
    "block_diag": (
        lambda x: torch.block_diag(x[:2, :2], x[2]),
        lambda a: np.block([[a[:2, :2], np.zeros((2, 4))], [np.zeros((1, 2)), a[2:]]]),
    ),
    "flip": (lambda x: x.flip(0, 1), lambda a: a[::-1, ::-1]),
    "roll": (lambda x: x.roll((1, -2), (0, 1)), lambda a: np.roll(a, (1, -2), (0, 1))),
    "roll_flat": (lambda x: x.roll(5), lambda a: np.roll(a, 5)),
    "rot90": (lambda x: torch.rot90(x, 3, (0, 1)), lambda a: np.rot90(a, 3)),
    "diagonal": (lambda x: x.diagonal(1, 2, 0), lambda a: np.diagonal(a, 1, 2, 0), (3, 2, 3)),
    "diagonal_below": (lambda x: x.diagonal(-1), lambda a: np.diagonal(a, -1)),
    "diag": (lambda x: torch.diag(x, -1), lambda a: np.diag(a, -1), (3,)),
    "diag_of": (lambda x: torch.diag(x, 2), lambda a: np.diag(a, 2)),
    "diag_embed": (lambda x: x.diag_embed(1), lambda a: np.stack([np.diag(r, 1) for r in a]), (2, 3)),
    "diag_embed_axes": (
        lambda x: x.diag_embed(0, 0, 2), lambda a: np.moveaxis(np.stack([np.diag(r) for r in a]), (1, 2), (0, 2)), (2, 3),
    ),
    "tril": (lambda x: x.tril(1), lambda a: np.tril(a, 1), (2, 3, 4)),
    "triu": (lambda x: torch.triu(x, -1), lambda a: np.triu(a, -1)),
    "meshgrid": (lambda x: torch.meshgrid(x, x**2, indexing="xy")[1], lambda a: np.meshgrid(a, a**2)[1], (3,)),
    "cartesian_prod": (
        lambda x: torch.cartesian_prod(x, x), lambda a: np.stack([np.repeat(a, 3), np.tile(a, 3)], 1), (3,),
    ),
    "unfold": (
        lambda x: x.unfold(1, 2, 1), lambda a: np.lib.stride_tricks.sliding_window_view(a, 2, 1),
    ),
    "unfold_first": (
        lambda x: x.unfold(0, 2, 2), lambda a: np.lib.stride_tricks.sliding_window_view(a, 2, 0)[::2], (5, 2),
    ),
    "as_strided": (lambda x: x.as_strided((2, 3), (4, 1), 2), lambda a: a.reshape(-1)[[[2, 3, 4], [6, 7, 8]]]),
    "broadcast_tensors": (lambda x: torch.broadcast_tensors(x, x[:, :1])[1], lambda a: np.broadcast_to(a[:, :1], (3, 4))),
    "contiguous": (lambda x: x.t().contiguous().view(-1), lambda a: a.T.reshape(-1)),
    "atleast_3d": (lambda x: torch.atleast_3d(x[0]), lambda a: a[0][None, :, None]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name):
    check(*CASES[name])


@pytest.mark.parametrize("name", ["reshape_copy", "expand", "split", "cat", "roll", "diagonal", "diag_embed", "unfold", "tril"])
def test_compiled(name, monkeypatch):
    monkeypatch.setattr(settings, "compile_after", 0)
    monkeypatch.setattr(running, "entries", {})
    f, g, *shape = CASES[name]
    a = np.random.default_rng(1).normal(size=shape[0] if shape else (3, 4))
    x = torch.tensor(a, requires_grad=True)
    y = f(x)
    np.testing.assert_allclose(y.detach().numpy(), g(a))
    (y * y).sum().backward()
    plain = torch.tensor(a, requires_grad=True)
    monkeypatch.setattr(settings, "compile_after", 10**9)
    z = f(plain)
    (z * z).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), plain.grad.numpy(), rtol=1e-12)


COMPLEX = {
    "view": (lambda x: x.view(2, 6), lambda a: a.reshape(2, 6)),
    "permute": (lambda x: x.permute(1, 0), lambda a: a.T),
    "slice": (lambda x: x[1:, ::2], lambda a: a[1:, ::2]),
    "dots": (lambda x: x[..., 1], lambda a: a[..., 1]),
    "new_axis": (lambda x: x[:, None], lambda a: a[:, None]),
    "expand": (lambda x: x[:, None].expand(3, 2, 4), lambda a: np.broadcast_to(a[:, None], (3, 2, 4))),
    "expand_front": (lambda x: x.expand(2, 3, 4), lambda a: np.broadcast_to(a, (2, 3, 4))),
    "cat": (lambda x: torch.cat([x, x], 1), lambda a: np.concatenate([a, a], 1)),
    "stack": (lambda x: torch.stack([x, x], -1), lambda a: np.stack([a, a], -1)),
    "split": (lambda x: x.split(3, 1)[1], lambda a: a[:, 3:]),
    "repeat": (lambda x: x.repeat(2, 1), lambda a: np.tile(a, (2, 1))),
    "flip": (lambda x: x.flip(1), lambda a: a[:, ::-1]),
    "roll": (lambda x: x.roll(5), lambda a: np.roll(a, 5)),
    "tril": (lambda x: x.tril(), lambda a: np.tril(a)),
    "diagonal": (lambda x: x.diagonal(1), lambda a: np.diagonal(a, 1)),
    "diag": (lambda x: torch.diag(x[0], 1), lambda a: np.diag(a[0], 1)),
    "unfold": (lambda x: x.unfold(1, 2, 1), lambda a: np.lib.stride_tricks.sliding_window_view(a, 2, 1)),
    "index": (lambda x: x[torch.tensor([0, -1]), 1:], lambda a: a[[0, -1], 1:]),
    "mask": (lambda x: x[torch.tensor([True, False, True])], lambda a: a[[True, False, True]]),
    "gather": (lambda x: x.gather(1, torch.tensor([[1], [0], [3]])), lambda a: a[[[0], [1], [2]], [[1], [0], [3]]]),
    "where": (lambda x: torch.where(torch.tensor([True, False, True, False]), x, 0), lambda a: a * [1, 0, 1, 0]),
}


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_numbers(name):
    rng = np.random.default_rng(0)
    a = rng.normal(size=(3, 4)) + 1j * rng.normal(size=(3, 4))
    f, g = COMPLEX[name]
    y = f(torch.tensor(a))
    assert y.dtype is torch.complex128
    np.testing.assert_array_equal(y.numpy(), g(a))


@pytest.mark.parametrize("d", [torch.float16, torch.bfloat16, torch.int8, torch.bool, torch.uint8])
def test_other_dtypes_are_kept(d):
    x = torch.tensor([[1.0, 0.0, 3.0], [4.0, 5.0, 0.0]]).to(d)
    results = [
        x.t(), x[1], x[:, 1:], torch.cat([x, x]), x.flip(0), x.tril(), x.repeat(2, 1), x.roll(1), x.diagonal(),
        x.gather(1, torch.tensor([[0], [2]])), x[torch.tensor([1, 0])], x.unfold(1, 2, 1), x.expand(2, 2, 3), x.rot90(),
    ]  # fmt: skip
    assert [r.dtype for r in results] == [d] * len(results)
    assert x.flip(0).to(torch.float32).tolist() == x.to(torch.float32).flip(0).tolist()
