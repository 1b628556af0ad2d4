"""The update rules. Above each kernel stands its mathematics; x is the parameter, g its gradient."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..creation import zeros_like
from ..kernel import kernel
from ..op import Op
from ..tensor import Tensor
from .optimizer import Group, Optimizer, options


def rule(name: str, body: Any, several: bool = True) -> Op:
    """A body whose results have the dtypes of its first inputs."""

    def choose(*types: Any, **options: Any) -> Any:
        return kernel(body, name, None, **options)

    return Op(name, choose, several)


def momentum_of(state: dict[str, Any], names: Iterable[str], p: Tensor) -> list[Tensor]:
    """The tensors of the state, zeros at first."""
    for name in names:
        if state.get(name) is None:
            state[name] = zeros_like(p)
    return [state[name] for name in names]


def written(targets: list[Tensor], values: Any) -> list[Tensor]:
    for t, v in zip(targets, values if isinstance(values, tuple) else (values,), strict=True):
        t._write(v)
    return targets


# ---- stochastic gradient descent.  d = g + decay x;  b <- m b + (1 - damp) d;  x <- x - lr (d + m b | b | d)
# Sutskever et al., On the importance of initialization and momentum in deep learning (2013).


def _sgd(x: Any, g: Any, lr: float, decay: float, decays: bool, up: bool) -> Any:
    d = -g if up else g
    d = d + decay * x if decays else d
    return x - lr * d


def _sgd_momentum(
    x: Any, g: Any, b: Any, lr: float, decay: float, m: float, damp: float, decays: bool, up: bool, nesterov: bool
) -> Any:
    d = -g if up else g
    d = d + decay * x if decays else d
    b = m * b + (1.0 - damp) * d
    return x - lr * (d + m * b if nesterov else b), b


_sgd_op, _sgd_momentum_op = rule("sgd", _sgd, several=False), rule("sgd_momentum", _sgd_momentum)


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
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = options(
            lr=lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov, maximize=maximize,
            foreach=foreach, differentiable=differentiable, fused=fused,
        )  # fmt: skip
        super().__init__(params, defaults)

    def stateless(self, group: Group) -> tuple[Op, tuple[float, ...], dict[str, Any]] | None:
        if group["momentum"]:
            return None
        lr, decay = float(group["lr"]), float(group["weight_decay"])
        return _sgd_op, (lr, decay), {"decays": decay != 0.0, "up": group["maximize"]}

    def update(self, p: Tensor, g: Tensor, group: Group, state: dict[str, Any]) -> list[Tensor]:
        plain = self.stateless(group)
        if plain is not None:
            op, numbers, options = plain
            return written([p], op(p, g, *numbers, **options))
        lr, decay, m = float(group["lr"]), float(group["weight_decay"]), float(group["momentum"])
        flags = {"decays": decay != 0.0, "up": group["maximize"]}
        first = state.get("momentum_buffer") is None  # PyTorch starts with b = d: no damping in the first step
        (b,) = momentum_of(state, ["momentum_buffer"], p)
        damp = 0.0 if first else float(group["dampening"])
        return written([p, b], _sgd_momentum_op(p, g, b, lr, decay, m, damp, nesterov=group["nesterov"], **flags))


# ---- Adam.  m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;  x <- x - lr / c1  m / (sqrt(v) / sqrt(c2) + eps),
# c = 1 - b^t.  AdamW: x <- (1 - lr decay) x first, instead of g + decay x. AMSGrad: the largest v so far.
# Kingma & Ba (2015); Loshchilov & Hutter (2019); Reddi et al. (2018).


def _adam(
    x: Any, g: Any, m: Any, v: Any, w: Any, lr: float, b1: float, b2: float, eps: float, decay: float, c1: float, c2: float,
    decoupled: bool, decays: bool, ams: bool, up: bool,
) -> Any:  # fmt: skip
    g = -g if up else g
    if decays:
        x, g = (x * (1.0 - lr * decay), g) if decoupled else (x, g + decay * x)
    m = b1 * m + (1.0 - b1) * g
    v = b2 * v + (1.0 - b2) * g * g
    w = np.maximum(w, v) if ams else w
    largest = w if ams else v
    x = x - (lr / c1) * m / (np.sqrt(largest) / c2 + eps)
    return (x, m, v, w) if ams else (x, m, v)


_adam_op = rule("adam", _adam)


class Adam(Optimizer):
    """Adam (Kingma & Ba, 2015), with amsgrad, and weight decay in the gradient or (decoupled_weight_decay) apart from it."""

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        defaults = options(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad, maximize=maximize, foreach=foreach,
            capturable=capturable, differentiable=differentiable, fused=fused, decoupled_weight_decay=decoupled_weight_decay,
        )  # fmt: skip
        super().__init__(params, defaults)

    def update(self, p: Tensor, g: Tensor, group: Group, state: dict[str, Any]) -> list[Tensor]:
        state["step"] = t = state.get("step", 0) + 1
        b1, b2 = map(float, group["betas"])
        ams, decay = group["amsgrad"], float(group["weight_decay"])
        names = ["exp_avg", "exp_avg_sq", *(["max_exp_avg_sq"] if ams else [])]
        held = momentum_of(state, names, p)
        new = _adam_op(
            p, g, held[0], held[1], held[2] if ams else held[1], float(group["lr"]), b1, b2, float(group["eps"]), decay,
            1.0 - b1**t, (1.0 - b2**t) ** 0.5, decoupled=group["decoupled_weight_decay"], decays=decay != 0.0,
            ams=ams, up=group["maximize"],
        )  # fmt: skip
        return written([p, *held], new)


class AdamW(Adam):
    """Adam with weight decay apart from the gradient (Loshchilov & Hutter, 2019)."""

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        **more: Any,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, **more, decoupled_weight_decay=True)


# ---- RMSprop.  v <- a v + (1 - a) g^2;  centred: k <- a k + (1 - a) g, v - k^2;  b <- m b + g / (sqrt(v) + eps);  x <- x - lr b
# Tieleman & Hinton, lecture 6.5 (2012); Graves, Generating sequences with recurrent neural networks (2013).


def _rmsprop(
    x: Any, g: Any, v: Any, k: Any, b: Any, lr: float, a: float, eps: float, decay: float, m: float, decays: bool, centered: bool,
    momentum: bool, up: bool,
) -> Any:  # fmt: skip
    g = -g if up else g
    g = g + decay * x if decays else g
    v = a * v + (1.0 - a) * g * g
    k = a * k + (1.0 - a) * g if centered else k
    step = g / ((np.sqrt(v - k * k) if centered else np.sqrt(v)) + eps)
    b = m * b + step if momentum else b
    out = [x - lr * (b if momentum else step), v, *([k] if centered else []), *([b] if momentum else [])]
    return tuple(out)


_rmsprop_op = rule("rmsprop", _rmsprop)


class RMSprop(Optimizer):
    """Gradients divided by a running mean of their size (Tieleman & Hinton, 2012)."""

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = options(
            lr=lr, momentum=momentum, alpha=alpha, eps=eps, centered=centered, weight_decay=weight_decay, capturable=capturable,
            foreach=foreach, maximize=maximize, differentiable=differentiable,
        )  # fmt: skip
        super().__init__(params, defaults)

    def update(self, p: Tensor, g: Tensor, group: Group, state: dict[str, Any]) -> list[Tensor]:
        state["step"] = state.get("step", 0) + 1
        decay, m, centered = float(group["weight_decay"]), float(group["momentum"]), group["centered"]
        names = ["square_avg", *(["grad_avg"] if centered else []), *(["momentum_buffer"] if m else [])]
        held = momentum_of(state, names, p)
        k, b = (held[1] if centered else held[0]), (held[-1] if m else held[0])
        new = _rmsprop_op(
            p, g, held[0], k, b, float(group["lr"]), float(group["alpha"]), float(group["eps"]), decay, m, decays=decay != 0.0,
            centered=centered, momentum=m != 0.0, up=group["maximize"],
        )  # fmt: skip
        return written([p, *held], new)


# ---- Adagrad.  s <- s + g^2;  x <- x - lr / (1 + (t - 1) decay)  g / (sqrt(s) + eps).  Duchi, Hazan & Singer (2011).


def _adagrad(x: Any, g: Any, s: Any, lr: float, eps: float, decay: float, decays: bool, up: bool) -> Any:
    g = -g if up else g
    g = g + decay * x if decays else g
    s = s + g * g
    return x - lr * g / (np.sqrt(s) + eps), s


_adagrad_op = rule("adagrad", _adagrad)


class Adagrad(Optimizer):
    """Gradients divided by the root of the sum of their squares (Duchi, Hazan & Singer, 2011)."""

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        defaults = options(
            lr=lr, lr_decay=lr_decay, eps=eps, weight_decay=weight_decay, initial_accumulator_value=initial_accumulator_value,
            foreach=foreach, maximize=maximize, differentiable=differentiable, fused=fused,
        )  # fmt: skip
        super().__init__(params, defaults)

    def update(self, p: Tensor, g: Tensor, group: Group, state: dict[str, Any]) -> list[Tensor]:
        state["step"] = t = state.get("step", 0) + 1
        if "sum" not in state:
            state["sum"] = zeros_like(p) + float(group["initial_accumulator_value"])
        decay = float(group["weight_decay"])
        rate = float(group["lr"]) / (1.0 + (t - 1) * float(group["lr_decay"]))
        new = _adagrad_op(p, g, state["sum"], rate, float(group["eps"]), decay, decays=decay != 0.0, up=group["maximize"])
        return written([p, state["sum"]], new)
