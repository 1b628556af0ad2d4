"""Recording one operation on a tensor of 3 x 4 that tracks gradients: what is computed later. PyTorch computes at once.

The line to hold is 3 microseconds an operation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import Contestant, Row, race
from ._networks import both

OPERATIONS = """
x + y | x * 2.0 | x / 2.0 | -x | x > 0 | x.sin() | x @ w | x**2 | x.clamp(0.0, 1.0) | torch.relu(x) | torch.softmax(x, 1)
x.sum() | x.sum(1) | x.mean() | x.mean(0) | x.amax(1) | x[0] | x[0, 1] | x[1:] | x[:, 1] | x[..., 0] | x.t() | x.T
x.view(12) | x.view(2, -1) | x.reshape(2, 6) | x.flatten() | x.unsqueeze(0) | x.squeeze(0) | x.permute(1, 0)
x.transpose(0, 1) | x.expand(2, 3, 4) | x.narrow(0, 0, 2) | torch.cat([x, y]) | torch.stack([x, y])
"""


def recording(torch: Any, text: str) -> Contestant:
    x, y, w = torch.ones(3, 4, requires_grad=True), torch.ones(3, 4), torch.ones(4, 2)
    return eval(f"lambda: {text}", {"torch": torch, "x": x, "y": y, "w": w})


def bench() -> Iterator[Row]:
    for text in OPERATIONS.replace("\n", "|").split("|"):
        if text.strip():
            ours, peers = both(recording, text.strip())
            yield race(text.strip(), ours, peers, seconds=0.4, rtol=None)
