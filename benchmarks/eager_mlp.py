"""A network 784-256-10 trained eagerly, float32: forward, backward and Adam's step. PyTorch on as many threads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from . import Contestant, Row, race
from ._networks import both, network, parameters
from ._peers import rng


def step(torch: Any, batch: int) -> Contestant:
    r = rng()
    params = parameters(torch, (784, 256, 10))
    x = torch.tensor(r.normal(size=(batch, 784)).astype(np.float32))
    labels = torch.tensor(np.eye(10, dtype=np.float32)[r.integers(0, 10, batch)])
    optimizer = torch.optim.Adam(params, lr=1e-3)
    zero = torch.zeros(())

    def one() -> float:
        optimizer.zero_grad()
        z = network(x, params, lambda h: torch.maximum(h, zero))
        log_p = z - torch.log(torch.sum(torch.exp(z), 1, keepdim=True))
        loss = -(log_p * labels).sum() / batch
        loss.backward()
        optimizer.step()
        return loss.item()

    return one


def bench() -> Iterator[Row]:
    for batch in (128, 1024):
        ours, peers = both(step, batch)
        yield race(f"batch of {batch:,}", ours, peers, seconds=3.0, rtol=1e-4)
