"""More of Adam's family: Adamax, NAdam, RAdam, Adadelta. x is the parameter, g its gradient, t the number of the step."""

from __future__ import annotations

from typing import Any

import numpy as np

from .optimizer import Group, options
from .rules import adaptive, moments
from .update import Ruled, State, operation, rates

# ---- Adamax.  m <- b1 m + (1 - b1) g;  u <- max(b2 u, |g| + eps);  x <- x - lr / (1 - b1^t)  m / u.
# Kingma & Ba (2015), section 7.


def _adamax(
    x: Any, g: Any, held: tuple[Any, Any], lr: float, b1: float, b2: float, eps: float, c1: float
) -> tuple[Any, ...]:
    m, u = b1 * held[0] + (1.0 - b1) * g, np.maximum(b2 * held[1], np.abs(g) + eps)
    return x - (lr / c1) * m / u, m, u


class Adamax(Ruled):
    """Adam with the largest gradient in the place of the root of the mean square (Kingma & Ba, 2015)."""

    op, names = operation("adamax", _adamax), ("exp_avg", "exp_inf")

    def __init__(
        self, params: Any, lr: float = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0, foreach: bool | None = None, *, maximize: bool = False, differentiable: bool = False,
        capturable: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, options(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, foreach=foreach, maximize=maximize,
            differentiable=differentiable, capturable=capturable,
        ))  # fmt: skip

    def numbers(self, group: Group, state: State) -> tuple[float, ...]:
        lr, decay, b1, b2, eps = adaptive(group)
        return lr, decay, b1, b2, eps, 1.0 - b1 ** state["step"]


# ---- NAdam.  mu_t = b1 (1 - 0.96^(t psi) / 2);  M_t = mu_1 ... mu_t;  m, v as Adam;
# x <- x - lr ((1 - mu_t) / (1 - M_t) g + mu_(t+1) / (1 - M_(t+1)) m) / (sqrt(v / (1 - b2^t)) + eps).  Dozat (2016).


def _nadam(
    x: Any, g: Any, held: tuple[Any, Any], lr: float, b1: float, b2: float, eps: float, kg: float, km: float, c2: float
) -> tuple[Any, ...]:
    m, v = moments(g, *held, b1, b2)
    return x - lr * (kg * g + km * m) / (np.sqrt(v / c2) + eps), m, v


class NAdam(Ruled):
    """Adam with Nesterov's momentum (Dozat, 2016)."""

    op, names = operation("nadam", _nadam), ("exp_avg", "exp_avg_sq")

    def __init__(
        self, params: Any, lr: float = 2e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0, momentum_decay: float = 4e-3, decoupled_weight_decay: bool = False, *,
        foreach: bool | None = None, maximize: bool = False, capturable: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, options(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay,
            decoupled_weight_decay=decoupled_weight_decay, maximize=maximize, foreach=foreach, capturable=capturable,
            differentiable=differentiable,
        ))  # fmt: skip

    def numbers(self, group: Group, state: State) -> tuple[float, ...]:
        lr, decay, b1, b2, eps = adaptive(group)
        t, psi = state["step"], float(group["momentum_decay"])
        mu, after = (b1 * (1.0 - 0.5 * 0.96 ** (k * psi)) for k in (t, t + 1))
        state["mu_product"] = product = state.get("mu_product", 1.0) * mu
        return lr, decay, b1, b2, eps, (1.0 - mu) / (1.0 - product), after / (1.0 - product * after), 1.0 - b2**t


# ---- RAdam.  m, v as Adam;  rho = 2 / (1 - b2) - 1,  rho_t = rho - 2 t b2^t / (1 - b2^t);  where rho_t > 5
# x <- x - lr m / (1 - b1^t) r sqrt(1 - b2^t) / (sqrt(v) + eps),  r^2 = (rho_t - 4)(rho_t - 2) rho / ((rho - 4)(rho - 2) rho_t),
# before that  x <- x - lr m / (1 - b1^t).  Liu et al., On the variance of the adaptive learning rate and beyond (2020).


def _radam(
    x: Any, g: Any, held: tuple[Any, Any], lr: float, b1: float, b2: float, eps: float, c1: float, r: float, rectified: bool
) -> tuple[Any, ...]:
    m, v = moments(g, *held, b1, b2)
    step = lr * m / c1
    return x - (step * r / (np.sqrt(v) + eps) if rectified else step), m, v


def _rectified(b2: float, t: int) -> float:
    """r sqrt(1 - b2^t); 0 as long as it is not to be used."""
    c2, rho = 1.0 - b2**t, 2.0 / (1.0 - b2) - 1.0
    now = rho - 2.0 * t * b2**t / c2
    return ((now - 4.0) * (now - 2.0) * rho * c2 / ((rho - 4.0) * (rho - 2.0) * now)) ** 0.5 if now > 5.0 else 0.0


class RAdam(Ruled):
    """Adam that adapts only once the variance of its scale is known (Liu et al., 2020)."""

    op, names = operation("radam", _radam), ("exp_avg", "exp_avg_sq")

    def __init__(
        self, params: Any, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0, decoupled_weight_decay: bool = False, *, foreach: bool | None = None, maximize: bool = False,
        capturable: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, options(
            lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, maximize=maximize, foreach=foreach, capturable=capturable,
            decoupled_weight_decay=decoupled_weight_decay, differentiable=differentiable,
        ))  # fmt: skip

    def numbers(self, group: Group, state: State) -> tuple[float, ...]:
        lr, decay, b1, b2, eps = adaptive(group)
        return lr, decay, b1, b2, eps, 1.0 - b1 ** state["step"], _rectified(b2, state["step"])

    def flags(self, group: Group, state: State) -> dict[str, bool]:
        return {"rectified": _rectified(float(group["betas"][1]), state["step"]) > 0.0}


# ---- Adadelta.  v <- a v + (1 - a) g^2;  d = sqrt(u + eps) / sqrt(v + eps) g;  u <- a u + (1 - a) d^2;  x <- x - lr d.
# Zeiler, ADADELTA: an adaptive learning rate method (2012).


def _adadelta(x: Any, g: Any, held: tuple[Any, Any], lr: float, a: float, eps: float) -> tuple[Any, ...]:
    v, u = held
    v = a * v + (1.0 - a) * g * g
    d = np.sqrt(u + eps) / np.sqrt(v + eps) * g
    return x - lr * d, v, a * u + (1.0 - a) * d * d


class Adadelta(Ruled):
    """Steps in the unit of the parameter: past steps over past gradients (Zeiler, 2012)."""

    op, names = operation("adadelta", _adadelta), ("square_avg", "acc_delta")

    def __init__(
        self, params: Any, lr: float = 1.0, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0,
        foreach: bool | None = None, *, capturable: bool = False, maximize: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, options(
            lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, maximize=maximize, capturable=capturable, foreach=foreach,
            differentiable=differentiable,
        ))  # fmt: skip

    def numbers(self, group: Group, state: State) -> tuple[float, ...]:
        return (*rates(group), float(group["rho"]), float(group["eps"]))
