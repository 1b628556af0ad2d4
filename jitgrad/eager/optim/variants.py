"""More of Adam's family: Adamax, NAdam, RAdam, Adadelta. x is the parameter, g its gradient, t the number of the step."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor
from .optimizer import Group, Optimizer, options
from .rules import momentum_of, rule, written


def decayed(x: Any, g: Any, lr: float, decay: float, decays: bool, decoupled: bool, up: bool) -> tuple[Any, Any]:
    """Parameter and gradient with the weight decay in one of them. up: to a maximum."""
    g = -g if up else g
    if not decays:
        return x, g
    return (x * (1.0 - lr * decay), g) if decoupled else (x, g + decay * x)


def flags(group: Group) -> dict[str, bool]:
    return {
        "decays": bool(group["weight_decay"]), "decoupled": group.get("decoupled_weight_decay", False), "up": group["maximize"],
    }  # fmt: skip


# ---- Adamax.  m <- b1 m + (1 - b1) g;  u <- max(b2 u, |g| + eps);  x <- x - lr / (1 - b1^t)  m / u.
# Kingma & Ba (2015), section 7.


def _adamax(
    x: Any, g: Any, m: Any, u: Any, lr: float, b1: float, b2: float, eps: float, decay: float, c1: float, **how: bool
) -> Any:
    x, g = decayed(x, g, lr, decay, **how)
    m = b1 * m + (1.0 - b1) * g
    u = np.maximum(b2 * u, np.abs(g) + eps)
    return x - (lr / c1) * m / u, m, u


_adamax_op = rule("adamax", _adamax)


class Adamax(Optimizer):
    """Adam with the largest gradient in the place of the root of the mean square (Kingma & Ba, 2015)."""

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        defaults = options(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, foreach=foreach, maximize=maximize,
            differentiable=differentiable, capturable=capturable,
        )  # fmt: skip
        super().__init__(params, defaults)

    def update(self, p: Tensor, g: Tensor, group: Group, state: dict[str, Any]) -> list[Tensor]:
        state["step"] = t = state.get("step", 0) + 1
        b1, b2 = map(float, group["betas"])
        held = momentum_of(state, ["exp_avg", "exp_inf"], p)
        rates = float(group["lr"]), b1, b2, float(group["eps"]), float(group["weight_decay"])
        return written([p, *held], _adamax_op(p, g, *held, *rates, 1.0 - b1**t, **flags(group)))


# ---- NAdam.  mu_t = b1 (1 - 0.96^(t psi) / 2);  M_t = mu_1 ... mu_t;  m, v as Adam;
# x <- x - lr ((1 - mu_t) / (1 - M_t) g + mu_(t+1) / (1 - M_(t+1)) m) / (sqrt(v / (1 - b2^t)) + eps).  Dozat (2016).


def _nadam(
    x: Any, g: Any, m: Any, v: Any, lr: float, b1: float, b2: float, eps: float, decay: float, kg: float, km: float, c2: float,
    **how: bool,
) -> Any:  # fmt: skip
    x, g = decayed(x, g, lr, decay, **how)
    m = b1 * m + (1.0 - b1) * g
    v = b2 * v + (1.0 - b2) * g * g
    return x - lr * (kg * g + km * m) / (np.sqrt(v / c2) + eps), m, v


_nadam_op = rule("nadam", _nadam)


class NAdam(Optimizer):
    """Adam with Nesterov's momentum (Dozat, 2016)."""

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = options(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay,
            decoupled_weight_decay=decoupled_weight_decay, maximize=maximize, foreach=foreach, capturable=capturable,
            differentiable=differentiable,
        )  # fmt: skip
        super().__init__(params, defaults)

    def update(self, p: Tensor, g: Tensor, group: Group, state: dict[str, Any]) -> list[Tensor]:
        state["step"] = t = state.get("step", 0) + 1
        b1, b2 = map(float, group["betas"])
        psi = float(group["momentum_decay"])
        mu, mu_next = (b1 * (1.0 - 0.5 * 0.96 ** (k * psi)) for k in (t, t + 1))
        state["mu_product"] = product = state.get("mu_product", 1.0) * mu
        held = momentum_of(state, ["exp_avg", "exp_avg_sq"], p)
        rates = float(group["lr"]), b1, b2, float(group["eps"]), float(group["weight_decay"])
        scale = (1.0 - mu) / (1.0 - product), mu_next / (1.0 - product * mu_next), 1.0 - b2**t
        return written([p, *held], _nadam_op(p, g, *held, *rates, *scale, **flags(group)))


# ---- RAdam.  m, v as Adam;  rho = 2 / (1 - b2) - 1,  rho_t = rho - 2 t b2^t / (1 - b2^t);  where rho_t > 5
# x <- x - lr m / (1 - b1^t) r sqrt(1 - b2^t) / (sqrt(v) + eps),  r^2 = (rho_t - 4)(rho_t - 2) rho / ((rho - 4)(rho - 2) rho_t),
# before that  x <- x - lr m / (1 - b1^t).  Liu et al., On the variance of the adaptive learning rate and beyond (2020).


def _radam(
    x: Any, g: Any, m: Any, v: Any, lr: float, b1: float, b2: float, eps: float, decay: float, c1: float, r: float,
    rectified: bool, **how: bool,
) -> Any:  # fmt: skip
    x, g = decayed(x, g, lr, decay, **how)
    m = b1 * m + (1.0 - b1) * g
    v = b2 * v + (1.0 - b2) * g * g
    step = lr * m / c1
    return x - (step * r / (np.sqrt(v) + eps) if rectified else step), m, v


_radam_op = rule("radam", _radam)


class RAdam(Optimizer):
    """Adam that adapts only once the variance of its scale is known (Liu et al., 2020)."""

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = options(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, maximize=maximize, foreach=foreach, capturable=capturable,
            decoupled_weight_decay=decoupled_weight_decay, differentiable=differentiable,
        )  # fmt: skip
        super().__init__(params, defaults)

    def update(self, p: Tensor, g: Tensor, group: Group, state: dict[str, Any]) -> list[Tensor]:
        state["step"] = t = state.get("step", 0) + 1
        b1, b2 = map(float, group["betas"])
        held = momentum_of(state, ["exp_avg", "exp_avg_sq"], p)
        rates = float(group["lr"]), b1, b2, float(group["eps"]), float(group["weight_decay"])
        c2 = 1.0 - b2**t
        rho = 2.0 / (1.0 - b2) - 1.0
        now = rho - 2.0 * t * b2**t / c2
        sure = now > 5.0
        r = ((now - 4.0) * (now - 2.0) * rho * c2 / ((rho - 4.0) * (rho - 2.0) * now)) ** 0.5 if sure else 1.0
        return written([p, *held], _radam_op(p, g, *held, *rates, 1.0 - b1**t, r, rectified=sure, **flags(group)))


# ---- Adadelta.  v <- a v + (1 - a) g^2;  d = sqrt(u + eps) / sqrt(v + eps) g;  u <- a u + (1 - a) d^2;  x <- x - lr d.
# Zeiler, ADADELTA: an adaptive learning rate method (2012).


def _adadelta(x: Any, g: Any, v: Any, u: Any, lr: float, a: float, eps: float, decay: float, **how: bool) -> Any:
    x, g = decayed(x, g, lr, decay, **how)
    v = a * v + (1.0 - a) * g * g
    d = np.sqrt(u + eps) / np.sqrt(v + eps) * g
    return x - lr * d, v, a * u + (1.0 - a) * d * d


_adadelta_op = rule("adadelta", _adadelta)


class Adadelta(Optimizer):
    """Steps in the unit of the parameter: past steps over past gradients (Zeiler, 2012)."""

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        defaults = options(
            lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, maximize=maximize, capturable=capturable, foreach=foreach,
            differentiable=differentiable,
        )  # fmt: skip
        super().__init__(params, defaults)

    def update(self, p: Tensor, g: Tensor, group: Group, state: dict[str, Any]) -> list[Tensor]:
        state["step"] = state.get("step", 0) + 1
        held = momentum_of(state, ["square_avg", "acc_delta"], p)
        rates = float(group["lr"]), float(group["rho"]), float(group["eps"]), float(group["weight_decay"])
        return written([p, *held], _adadelta_op(p, g, *held, *rates, **flags(group)))
