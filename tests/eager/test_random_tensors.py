"""Random programs of tensors beside PyTorch: views, writes, hooks, several sweeps, second derivatives, mixed dtypes.

A program is a list of lines of Python, drawn while PyTorch runs them, so that most are valid. Both run it: each line must end in
the same way (the same type of error), and then all tensors must have the same values, types and gradients. What differs on
purpose (docs/from-pytorch.md) is not drawn.
"""

import math
import random
import re

import numpy as np
import pytest

import jitgrad.eager as torch
from jitgrad.eager.run import settings

peer = pytest.importorskip("torch")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SETUP = """
F = torch.nn.functional
class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x
    @staticmethod
    def backward(ctx, g):
        return 2 * ctx.saved_tensors[0] * g
def put(x, key, value):
    x[key] = value
"""

# {x}: a tensor, {y}: one that it broadcasts with, {w}: one that is broadcast to it, {l}, {m}: some that require a gradient,
# {d}: an axis, {k}: a key, {c}: a number
RESULTS = """
{x}.sin() | {x}.tanh() | {x}.sigmoid() | {x}.relu() | {x}.abs() | {x} ** 2 | 2 - {x} | {x}.clamp(-0.5, 0.5)
({x} * {x} + 1).sqrt() | F.softplus({x}) | F.gelu({x}) | F.leaky_relu({x}) | {x}.sign() | {x}.double() | {x}.float()
{x}.long() | {x} > 0 | {x}.clone() | {x} + {y} | {x} - {y} | {x} * {y} | {x} / ({y} * {y} + 1) | torch.maximum({x}, {y})
torch.where({x} > 0, {x}, {y}) | {x}.atan2({y}) | torch.lerp({x}, {y}, 0.3) | F.mse_loss({x}, {y})
torch.addcmul({x}, {y}, {y}, value=2) | F.smooth_l1_loss({x}, {y}) | {x} @ {x}.mT | torch.einsum('...i,...i->...', {x}, {x})
torch.outer({x}, {x}) | F.layer_norm({x}, {x}.shape[-1:]) | {x}.sum({d}) | {x}.mean({d}, keepdim=True) | {x}.amax({d})
{x}.max({d})[0] | {x}.prod({d}) | {x}.var({d}) | {x}.logsumexp({d}) | {x}.sum() | {x}.norm() | {x}.min() | {x}.argmax({d})
{x}.any({d}) | {x}.amin({d}) | {x}.std() | F.normalize({x}, dim={d}) | {x}.softmax({d}) | {x}.log_softmax({d})
{x}.cumsum({d}) | {x}.cumprod({d}) | {x}.sort({d})[0] | {x}.flip({d}) | {x}.roll(1, {d}) | torch.cat([{x}, {x}], {d})
torch.stack([{x}, {x} * 2], {d}) | {x}.repeat_interleave(2, {d}) | {x}.tril() | {x}.cummax({d})[0] | {x}[{k}] | {x}[{k}]
{x}[{k}] | {x}[{k}] | {x}.transpose(0, {d}) | {x}.unsqueeze({d}) | {x}.squeeze() | {x}.reshape(-1) | {x}.flatten()
{x}.unbind()[0] | {x}.split(1)[0] | {x}.chunk(2, {d})[0] | {x}.diagonal() | {x}.narrow({d}, 0, 1)
{x}.expand(2, *{x}.shape) | {x}.movedim({d}, 0) | {x}.unflatten({d}, (-1, 1)) | {x}.unfold({d}, 1, 1)
{x}[{x}.detach() > 0] | {x}.view_as({x}) | {x}.detach() | {x}.index_select(0, torch.tensor([0, 0]))
{x}.masked_fill({x} > 0, -1.0) | {x}.index_add(0, torch.tensor([0, 0]), {x}[:1].repeat(2, 1))
{x}.detach().clone().requires_grad_() | Square.apply({l}) | {l}.grad
torch.utils.checkpoint.checkpoint(torch.sin, {l}, use_reentrant=False)
torch.autograd.grad({l}.sum(), {l}, create_graph=True)[0].clone()
torch.autograd.grad(({l} ** 2).sum(), {m}, create_graph=True, allow_unused=True)[0].clone()
"""
ACTIONS = """
{x}.add_({w}) | {x}.mul_({w}) | {x}.copy_({w}) | {x}.zero_() | {x}.fill_({c}) | {x}.sin_() | {x}.clamp_(-1, 1) | {x}.neg_()
{x}.pow_(2) | put({x}, {x}.detach() > 0, {c}) | put({x}, ({k}), {c}) | put({x}, ({k}), torch.tensor(0.75))
put({x}, 0, {x}.sum().clone()) | {x}.index_fill_(0, torch.tensor([0]), 3.0)
{x}.index_add_(0, torch.tensor([0, 0]), {x}[:1].clone().expand(2, *{x}.shape[1:])) | {l}.retain_grad()
({l} * 1).register_hook(lambda g: g * 2) | {l}.sum().backward(retain_graph=True)
({l} * {l}).sum().backward(retain_graph=True) | {l}.sum().backward(inputs=[{m}], retain_graph=True)
"""


def choices(text):
    return [part.strip() for line in text.strip().splitlines() for part in line.split(" | ")]


class Drawn:
    """A program while it is drawn."""

    def __init__(self, seed):
        self.rng, self.lines, self.names, self.env = random.Random(seed), [], [], {"torch": peer}
        exec(SETUP, self.env)

    def add(self, line):
        try:
            exec(line, self.env)
        except Exception:  # part of the program: both must say no
            pass
        self.lines.append(line)
        name = line.partition(" = ")[0]
        if isinstance(self.env.get(name), peer.Tensor):
            self.names.append(name)

    def one(self, fits=lambda t: True):
        found = [n for n in self.names if fits(self.env[n])]
        return self.rng.choice(found[-5:] if found and self.rng.random() < 0.5 else found or ["nothing"])

    def leaf(self):
        rng = self.rng
        kind = rng.choice(["float64"] * 5 + ["float32", "complex128", "int64"])
        shape = [rng.choice([1, 2, 3, 2, 3, 0 if rng.random() < 0.1 else 4]) for _ in range(rng.choice([0, 1, 2, 2, 3]))]
        cells = [rng.randint(-6, 6) for _ in range(math.prod(shape))]
        values = np.array(cells).reshape(shape) * {"int64": 1, "complex128": 0.25 + 0.5j}.get(kind, 0.25)
        tracked = kind != "int64" and rng.random() < 0.8
        made = f"torch.zeros({shape}" if 0 in shape else f"torch.tensor({values.tolist()}"
        self.add(f"t{len(self.lines)} = {made}, dtype=torch.{kind}, requires_grad={tracked})")

    def key(self, shape):
        rng, parts = self.rng, []
        for n in shape:
            cells = [str(rng.randrange(n)), "[0]"] if n else []
            parts.append(rng.choice([":", "::2", "1:", "-1:", ":2", "None", *cells]))
        return ", ".join(parts[: rng.randint(1, 4)]) or "..."

    def step(self):
        rng = self.rng
        text = rng.choice(choices(RESULTS if rng.random() < 0.7 else ACTIONS))
        x = self.one()
        shape = tuple(self.env[x].shape)
        tracked = lambda t: t.requires_grad
        line = text.format(
            x=x, y=self.one(lambda t: fit(t.shape, shape)), w=self.one(lambda t: fit(t.shape, shape) == shape),
            l=self.one(tracked), m=self.one(tracked), d=rng.randrange(max(len(shape), 1)) - rng.choice([0, max(len(shape), 1)]),
            k=self.key(shape), c=rng.choice([0.5, -1.5, 2]),
        )  # fmt: skip
        if text in choices(RESULTS):
            line = f"t{len(self.lines)} = {line}"
        elif rng.random() < 0.2:
            line = f"with torch.no_grad(): {line}"
        self.add(line)


def fit(a, b):
    try:
        return np.broadcast_shapes(tuple(a), tuple(b))
    except ValueError:
        return None


def drawn(seed):
    program = Drawn(seed)
    for _ in range(3):
        program.leaf()
    for _ in range(program.rng.randint(4, 20)):
        try:
            program.step()
        except (RuntimeError, KeyError):  # PyTorch refuses to look at one of several views after a write
            continue
    return program.lines


def played(M, lines):
    env, told = {"torch": M}, []
    exec(SETUP, env)
    for line in lines:
        try:
            exec(line, env)
            told.append("")
        except Exception as e:
            told.append(type(e).__name__)
    return {k: v for k, v in env.items() if re.fullmatch(r"t\d+", k)}, told


def agreed(lines):
    """What both do: lines that one of them refuses are left out, for both."""
    while True:
        (theirs, told), (ours, said) = played(peer, lines), played(torch, lines)
        kept = [line for line, a, b in zip(lines, told, said, strict=True) if not a and not b]
        if len(kept) == len(lines):
            return theirs, ours, lines
        lines = kept


def numbers(M, t):
    t = t.detach()
    return np.array((t.resolve_conj() if M is peer else t).tolist()).reshape(tuple(t.shape))


def same(a, b, tolerance, message):
    assert tuple(a.shape) == tuple(b.shape) and str(a.dtype) == str(b.dtype), message
    x = numbers(peer, a)
    finite = np.abs(x[np.isfinite(x)]).max(initial=1) if x.dtype.kind in "fc" else 1
    np.testing.assert_allclose(numbers(torch, b), x, rtol=tolerance, atol=tolerance * finite, err_msg=message)


@pytest.mark.parametrize("after, seeds", [(10**9, range(k, k + 25)) for k in range(0, 500, 25)] + [(0, range(500, 505))])
def test_as_pytorch(after, seeds, monkeypatch):
    monkeypatch.setattr(settings, "compile_after", after)
    for seed in seeds:
        theirs, ours, lines = agreed(drawn(seed))
        low = any(isinstance(a, peer.Tensor) and a.dtype in (peer.float32, peer.complex64) for a in theirs.values())
        tolerance = 1e-3 if low else 1e-8
        for name, a in theirs.items():
            b, message = ours[name], "\n".join([f"seed {seed}, {name}:", *lines])
            if not isinstance(a, peer.Tensor):
                assert a == b, message
                continue
            try:
                kept = a.is_leaf or a.retains_grad
                numbers(peer, a)
            except RuntimeError:  # one of several views after a write
                continue
            same(a, b, tolerance, message)
            assert a.requires_grad == b.requires_grad, message
            if kept:
                assert (a.grad is None) == (b.grad is None), message
                if a.grad is not None:
                    same(a.grad, b.grad, tolerance, message)
