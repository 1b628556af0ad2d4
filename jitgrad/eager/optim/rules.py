"""The usual optimisers. Above each rule (`update.py`) stands its mathematics; x is the parameter, g its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..creation import full_like, zeros_like
from ..op import Op
from ..tensor import Tensor
from .optimizer import Group, Optimizer, options
from .update import Ruled, State, operation, rates, ways, written

# ---- stochastic gradient descent.  b <- m b + (1 - damp) g;  x <- x - lr (g + m b | b | g)
# Sutskever et al., On the importance of initialization and momentum in deep learning (2013).


def _descent(x: Any, g: Any, held: tuple[()], lr: float) -> tuple[Any, ...]:
    return (x - lr * g,)


def _momentum(x: Any, g: Any, held: tuple[Any], lr: float, m: float, damp: float, nesterov: bool) -> tuple[Any, ...]:
    b = m * held[0] + (1.0 - damp) * g
    return x - lr * (g + m * b if nesterov else b), b


_sgd, _sgd_momentum = operation("sgd", _descent, several=False), operation("sgd_momentum", _momentum)


class SGD(Optimizer):
    """Gradient descent, with momentum (Nesterov's, if asked for) and weight decay.

    >>> import jitgrad.eager as torch
    >>> w = torch.tensor([1.0], requires_grad=True)
    >>> optimizer = torch.optim.SGD([w], lr=0.1)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0.8000], requires_grad=True)
    """

    def __init__(
        self, params: Any, lr: float = 1e-3, momentum: float = 0, dampening: float = 0, weight_decay: float = 0,
        nesterov: bool = False, *, maximize: bool = False, foreach: bool | None = None, differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:  # fmt: skip
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(params, options(
            lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov, maximize=maximize,
            foreach=foreach, differentiable=differentiable, fused=fused,
        ))  # fmt: skip

    def stateless(self, group: Group) -> tuple[Op, tuple[float, ...], dict[str, Any]] | None:
        return None if group["momentum"] else (_sgd, rates(group), {"count": 0, **ways(group)})

    def update(self, p: Tensor, g: Tensor, group: Group, state: State) -> list[Tensor]:
        plain = self.stateless(group)
        if plain is not None:
            op, numbers, how = plain
            return written([p], op(p, g, *numbers, **how))
        b, damp = state.get("momentum_buffer"), float(group["dampening"])
        if b is None:  # PyTorch starts with b = g: no damping in the first step
            b, damp = state.setdefault("momentum_buffer", zeros_like(p)), 0.0
        how = {"count": 1, **ways(group), "nesterov": group["nesterov"]}
        return written([p, b], _sgd_momentum(p, g, b, *rates(group), float(group["momentum"]), damp, **how))


# ---- Adam.  m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;  x <- x - lr / c1  m / (sqrt(v) / sqrt(c2) + eps), c = 1 - b^t.
# AdamW: the weight decay apart from g. AMSGrad: the largest v so far.
# Kingma & Ba (2015); Loshchilov & Hutter (2019); Reddi et al. (2018).


def moments(g: Any, m: Any, v: Any, b1: float, b2: float) -> tuple[Any, Any]:
    """Running means of g and g^2."""
    return b1 * m + (1.0 - b1) * g, b2 * v + (1.0 - b2) * g * g


def adaptive(group: Group) -> tuple[float, float, float, float, float]:
    """lr, the decay, both betas, eps: what all of Adam's family have."""
    b1, b2 = group["betas"]
    return (*rates(group), float(b1), float(b2), float(group["eps"]))


def _adam(
    x: Any, g: Any, held: tuple[Any, ...], lr: float, b1: float, b2: float, eps: float, c1: float, c2: float
) -> tuple[Any, ...]:
    m, v = moments(g, held[0], held[1], b1, b2)
    largest = [np.maximum(w, v) for w in held[2:]]
    return x - (lr / c1) * m / (np.sqrt(largest[0] if largest else v) / c2 + eps), m, v, *largest


class Adam(Ruled):
    """Adam (Kingma & Ba, 2015), with amsgrad, and weight decay in the gradient or (decoupled_weight_decay) apart from it."""

    op = operation("adam", _adam)

    def __init__(
        self, params: Any, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0, amsgrad: bool = False, *, foreach: bool | None = None, maximize: bool = False,
        capturable: bool = False, differentiable: bool = False, fused: bool | None = None, decoupled_weight_decay: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, options(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, maximize=maximize, foreach=foreach,
            capturable=capturable, differentiable=differentiable, fused=fused, decoupled_weight_decay=decoupled_weight_decay,
        ))  # fmt: skip

    def held(self, group: Group) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq", *(["max_exp_avg_sq"] if group["amsgrad"] else []))

    def numbers(self, group: Group, state: State) -> tuple[float, ...]:
        lr, decay, b1, b2, eps = adaptive(group)
        return lr, decay, b1, b2, eps, 1.0 - b1 ** state["step"], (1.0 - b2 ** state["step"]) ** 0.5


class AdamW(Adam):
    """Adam with weight decay apart from the gradient (Loshchilov & Hutter, 2019)."""

    def __init__(
        self, params: Any, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 1e-2, amsgrad: bool = False, **more: Any,
    ) -> None:  # fmt: skip
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, **more, decoupled_weight_decay=True)


# ---- RMSprop.  v <- a v + (1 - a) g^2;  centred: k <- a k + (1 - a) g, v - k^2;  b <- m b + g / (sqrt(v) + eps);  x <- x - lr b
# Tieleman & Hinton, lecture 6.5 (2012); Graves, Generating sequences with recurrent neural networks (2013).


def _rmsprop(
    x: Any, g: Any, held: tuple[Any, ...], lr: float, a: float, eps: float, m: float, centered: bool
) -> tuple[Any, ...]:
    v = a * held[0] + (1.0 - a) * g * g
    means = [a * held[1] + (1.0 - a) * g] if centered else []
    step = g / (np.sqrt(v - means[0] * means[0] if centered else v) + eps)
    momenta = [m * b + step for b in held[1 + len(means) :]]
    return x - lr * (momenta[0] if momenta else step), v, *means, *momenta


class RMSprop(Ruled):
    """Gradients divided by a running mean of their size (Tieleman & Hinton, 2012)."""

    op = operation("rmsprop", _rmsprop)

    def __init__(
        self, params: Any, lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0,
        momentum: float = 0, centered: bool = False, capturable: bool = False, foreach: bool | None = None,
        maximize: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, options(
            lr=lr, momentum=momentum, alpha=alpha, eps=eps, centered=centered, weight_decay=weight_decay, capturable=capturable,
            foreach=foreach, maximize=maximize, differentiable=differentiable,
        ))  # fmt: skip

    def held(self, group: Group) -> tuple[str, ...]:
        means, momenta = ["grad_avg"] * bool(group["centered"]), ["momentum_buffer"] * bool(group["momentum"])
        return ("square_avg", *means, *momenta)

    def numbers(self, group: Group, state: State) -> tuple[float, ...]:
        return (*rates(group), float(group["alpha"]), float(group["eps"]), float(group["momentum"]))

    def flags(self, group: Group, state: State) -> dict[str, bool]:
        return {"centered": group["centered"]}


# ---- Adagrad.  s <- s + g^2;  x <- x - lr / (1 + (t - 1) decay)  g / (sqrt(s) + eps).  Duchi, Hazan & Singer (2011).


def _adagrad(x: Any, g: Any, held: tuple[Any], rate: float, eps: float) -> tuple[Any, ...]:
    s = held[0] + g * g
    return x - rate * g / (np.sqrt(s) + eps), s


class Adagrad(Ruled):
    """Gradients divided by the root of the sum of their squares (Duchi, Hazan & Singer, 2011)."""

    op, names = operation("adagrad", _adagrad), ("sum",)

    def __init__(
        self, params: Any, lr: float = 1e-2, lr_decay: float = 0, weight_decay: float = 0, initial_accumulator_value: float = 0,
        eps: float = 1e-10, foreach: bool | None = None, *, maximize: bool = False, differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:  # fmt: skip
        super().__init__(params, options(
            lr=lr, lr_decay=lr_decay, eps=eps, weight_decay=weight_decay, initial_accumulator_value=initial_accumulator_value,
            foreach=foreach, maximize=maximize, differentiable=differentiable, fused=fused,
        ))  # fmt: skip

    def first(self, p: Tensor, group: Group) -> Tensor:
        return full_like(p, float(group["initial_accumulator_value"]))

    def numbers(self, group: Group, state: State) -> tuple[float, ...]:
        lr, decay = rates(group)
        return lr / (1.0 + (state["step"] - 1) * float(group["lr_decay"])), decay, float(group["eps"])
