"""A graph of 200 operations cell by cell, eagerly, forward and backward, float32. PyTorch on as many threads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from . import Contestant, Row, race
from ._networks import both
from ._peers import rng


def graph(torch: Any, n: int, wave: bool) -> Contestant:
    x = torch.tensor(rng().random(n).astype(np.float32), requires_grad=True)

    def gradient() -> Any:
        y = x
        for _ in range(25):  # eight operations; the derivative stays near 1
            y = y * 0.99 + 0.02
            z = y / (y * y + 1.0)
            y = y + (torch.sin(z) if wave else -z) * 0.1
        x.grad = None
        y.sum().backward()
        return x.grad.numpy()

    return gradient


def bench() -> Iterator[Row]:
    for name, wave in {"+ * / -": False, "+ * / sin": True}.items():
        for n in (1_000, 100_000):
            ours, peers = both(graph, n, wave)
            yield race(f"{name}, n = {n:,}", ours, peers, seconds=3.0, rtol=1e-4)
