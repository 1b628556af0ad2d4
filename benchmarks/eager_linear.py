"""The tutorial's linear regression, eagerly: 11 points, a module, SGD, 1,000 epochs. PyTorch on as many threads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from . import Contestant, Row, race
from ._networks import arrays, both


def training(torch: Any, epochs: int) -> Contestant:
    class Line(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = torch.nn.Parameter(torch.tensor([[0.5]]))
            self.b = torch.nn.Parameter(torch.tensor([0.0]))

        def forward(self, x: Any) -> Any:
            return x @ self.w.t() + self.b

    x = np.arange(11, dtype=np.float32).reshape(-1, 1)
    y = 2.0 * x + np.float32(1.0)

    def train() -> Any:
        model = Line()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        for _ in range(epochs):
            inputs, labels = torch.from_numpy(x), torch.from_numpy(y)
            optimizer.zero_grad()
            loss = ((model(inputs) - labels) ** 2).mean()
            loss.backward()
            optimizer.step()
        return arrays([model.w, model.b])

    return train


def bench() -> Iterator[Row]:
    ours, peers = both(training, 1000)
    yield race("1,000 epochs", ours, peers, seconds=8.0, rtol=1e-4)
