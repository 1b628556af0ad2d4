"""Second derivatives by create_graph=True, eagerly: tanh network 2-64-64-64-1 on 10,000 points. PyTorch on as many threads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from . import Contestant, Row, race
from ._networks import arrays, both, network, parameters
from ._peers import rng

SIZES = (2, 64, 64, 64, 1)


def residual(torch: Any, n: int) -> Contestant:
    """Burgers' equation, u_t + u u_x = 0.01 u_xx: the squared residual and its gradient by the weights."""
    params = parameters(torch, SIZES)
    points = torch.tensor(rng().random((n, 2)).astype(np.float32), requires_grad=True)

    def gradient() -> Any:
        for p in params:
            p.grad = None
        u = network(points, params, torch.tanh)
        (slope,) = torch.autograd.grad(u.sum(), points, create_graph=True)
        (bend,) = torch.autograd.grad(slope[:, 0].sum(), points, create_graph=True)
        left = slope[:, 1] + u[:, 0] * slope[:, 0] - 0.01 * bend[:, 0]
        (left * left).mean().backward(inputs=params)
        return arrays([p.grad for p in params])

    return gradient


def penalty(torch: Any, n: int) -> Contestant:
    """The loss of a critic with a gradient penalty (Gulrajani et al., 2017), and its gradient by the weights."""
    r = rng()
    params = parameters(torch, SIZES)
    real, fake, mix = (torch.tensor(r.random((n, k)).astype(np.float32)) for k in (2, 2, 1))

    def critic(x: Any) -> Any:
        return network(x, params, torch.tanh)

    def gradient() -> Any:
        for p in params:
            p.grad = None
        between = (mix * real + (1.0 - mix) * fake).requires_grad_()
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        norm = torch.sqrt((slope * slope).sum(1) + 1e-12)
        loss = critic(fake).mean() - critic(real).mean() + 10.0 * ((norm - 1.0) ** 2).mean()
        loss.backward()
        return arrays([p.grad for p in params])

    return gradient


def bench() -> Iterator[Row]:
    for name, make in {"residual of a PDE": residual, "gradient penalty": penalty}.items():
        ours, peers = both(make, 10_000)
        yield race(name, ours, peers, seconds=5.0, rtol=1e-3)
