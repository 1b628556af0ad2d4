"""What the eager benchmarks train: programs for `torch`, which is PyTorch or `jitgrad.eager`, with one set of numbers for both.

PyTorch for the CPU alone: `pip install torch --index-url https://download.pytorch.org/whl/cpu`. Without it, its column says so.
A contestant is one step (or one training) and returns the numbers that must agree, as NumPy arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import jitgrad.eager

from . import Contestant, peer
from ._peers import rng

pytorch = peer("torch")


def both(make: Callable[..., Contestant], *args: Any) -> tuple[Contestant, dict[str, Contestant | None]]:
    """Our contestant and PyTorch's, made by the same function."""
    return make(jitgrad.eager, *args), {"torch": pytorch and make(pytorch, *args)}


def weights(sizes: Sequence[int]) -> list[tuple[np.ndarray, np.ndarray]]:
    """(matrix, bias) of each layer, float32."""
    r = rng()
    layers = zip(sizes, sizes[1:], strict=False)
    drawn = [(r.normal(size=(b, a)) / np.sqrt(a), 0.1 * r.normal(size=b)) for a, b in layers]
    return [(w.astype(np.float32), c.astype(np.float32)) for w, c in drawn]


def parameters(torch: Any, sizes: Sequence[int]) -> list[Any]:
    """The weights as leaves: matrix, bias, matrix, ..."""
    return [torch.tensor(w, requires_grad=True) for layer in weights(sizes) for w in layer]


def network(x: Any, params: Sequence[Any], activation: Callable[[Any], Any]) -> Any:
    last = len(params) - 2
    for k in range(0, len(params), 2):
        x = x @ params[k].t() + params[k + 1]
        x = x if k == last else activation(x)
    return x


def arrays(tensors: Sequence[Any]) -> list[np.ndarray]:
    return [t.detach().numpy() for t in tensors]
