"""Schedules along cosines: annealing, warm restarts, one cycle.

r(t) = low + (high - low) (1 + cos(pi t / T)) / 2.  Loshchilov & Hutter, SGDR (2017).
"""

from __future__ import annotations

import math
from typing import Any

from ..optimizer import Optimizer
from .base import LRScheduler, each, rates_of


def cosine(low: float, high: float, part: float) -> float:
    """From high (part = 0) to low (part = 1)."""
    return low + (high - low) * (1 + math.cos(math.pi * part)) / 2


class CosineAnnealingLR(LRScheduler):
    """Down to eta_min and up again along a cosine of half-period T_max."""

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        self._check_within()
        t, end = self.last_epoch, self.T_max
        rates = rates_of(self.optimizer)
        if t == 0 or self._is_initial:
            return rates
        if (t - 1 - end) % (2 * end) == 0:  # from the lowest point nothing can be multiplied
            return [lr + (cosine(0, base - self.eta_min, (t % (2 * end)) / end)) for lr, base in zip(rates, self.base_lrs)]
        ratio = cosine(0, 1, t / end) / cosine(0, 1, (t - 1) / end)
        return [self.eta_min + ratio * (lr - self.eta_min) for lr in rates]

    def _at(self) -> list[float]:
        return [cosine(self.eta_min, base, self.last_epoch / self.T_max) for base in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Down to eta_min along a cosine, and again from the top: after T_0 epochs, then T_mult times as many, and so on."""

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        for name, n in (("T_0", T_0), ("T_mult", T_mult)):
            if not isinstance(n, int) or n < 1:
                what = "integer >= 1" if name == "T_mult" else "positive integer"
                raise ValueError(f"Expected {what} {name}, but got {n}")
        self.T_0, self.T_i, self.T_mult, self.eta_min = T_0, T_0, T_mult, eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        self._check_within()
        return [cosine(self.eta_min, base, self.T_cur / self.T_i) for base in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go on to the next epoch, or to this one, which may be a fraction: epoch + batch / batches."""
        at = self.last_epoch + 1 if epoch is None else epoch
        if at < 0:
            raise ValueError(f"Expected non-negative epoch, but got {epoch}")
        start, length = 0.0, self.T_0
        while at >= start + length:
            if self.T_mult == 1:
                start = at // length * length
                break
            start, length = start + length, length * self.T_mult
        self.T_cur, self.T_i = at - start if isinstance(at, float) else int(at - start), length
        self._go(math.floor(at))


class OneCycleLR(LRScheduler):
    """Up to max_lr and far down again in total_steps, the momentum the other way round (Smith & Topin, 2018)."""

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: Any,
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: Any = 0.85,
        max_momentum: Any = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self.total_steps = steps_of(total_steps, epochs, steps_per_epoch)
        if not 0 <= pct_start <= 1 or not isinstance(pct_start, float):
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}")
        up = pct_start * self.total_steps - 1
        ends = [up, 2 * up, self.total_steps - 1] if three_phase else [up, self.total_steps - 1]
        turns = ["initial_lr", "max_lr", *(["initial_lr"] if three_phase else []), "min_lr"]
        others = ["max_momentum", "base_momentum", *(["max_momentum"] * 2 if three_phase else ["max_momentum"])]
        self._schedule_phases: list[dict[str, Any]] = [
            dict(end_step=float(e) if k < len(ends) - 1 else e, start_lr=a, end_lr=b, start_momentum=c, end_momentum=d)
            for k, (e, a, b, c, d) in enumerate(zip(ends, turns, turns[1:], others, others[1:], strict=False))
        ]
        self._anneal_func_type, self.cycle_momentum = anneal_strategy, cycle_momentum
        if last_epoch == -1:
            for group, top in zip(optimizer.param_groups, each(optimizer, max_lr, "max_lr"), strict=True):
                group.update(initial_lr=top / div_factor, max_lr=top, min_lr=top / div_factor / final_div_factor)
        if cycle_momentum:
            self._prepare_momentum(optimizer, base_momentum, max_momentum, last_epoch)
        super().__init__(optimizer, last_epoch)

    def _prepare_momentum(self, optimizer: Optimizer, low: Any, high: Any, last_epoch: int) -> None:
        if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
            raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")
        self.use_beta1 = "betas" in optimizer.defaults
        if last_epoch == -1:
            lows, highs = each(optimizer, low, "base_momentum"), each(optimizer, high, "max_momentum")
            for group, a, b in zip(optimizer.param_groups, lows, highs, strict=True):
                group.update(base_momentum=a, max_momentum=b)
                self._put_momentum(group, b)

    def _put_momentum(self, group: dict[str, Any], m: float) -> None:
        if self.use_beta1:
            group["betas"] = (m, *group["betas"][1:])
        else:
            group["momentum"] = m

    def get_lr(self) -> list[float]:
        self._check_within()
        t = self.last_epoch
        if t > self.total_steps:
            raise ValueError(f"Tried to step {t} times. The total number of steps is {self.total_steps}")
        starts = [0.0, *(p["end_step"] for p in self._schedule_phases)]
        k = next((k for k, p in enumerate(self._schedule_phases) if t <= p["end_step"]), len(self._schedule_phases) - 1)
        phase = self._schedule_phases[k]
        part = (t - starts[k]) / (phase["end_step"] - starts[k])
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(self._between(group[phase["start_lr"]], group[phase["end_lr"]], part))
            if self.cycle_momentum:
                m = self._between(group[phase["start_momentum"]], group[phase["end_momentum"]], part)
                self._put_momentum(group, m)
        return rates

    def _between(self, start: float, end: float, part: float) -> float:
        return cosine(end, start, part) if self._anneal_func_type == "cos" else start + (end - start) * part


def steps_of(total: int | None, epochs: int | None, steps: int | None) -> int:
    """The number of steps, given as such or as epochs of so many steps."""
    if total is not None:
        if total <= 0 or not isinstance(total, int):
            raise ValueError(f"Expected positive integer total_steps, but got {total}")
        return total
    if epochs is None or steps is None:
        raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
    for name, n in (("epochs", epochs), ("steps_per_epoch", steps)):
        if not isinstance(n, int) or n <= 0:
            raise ValueError(f"Expected positive integer {name}, but got {n}")
    return epochs * steps
