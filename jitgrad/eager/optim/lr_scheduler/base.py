"""What all schedules share: epochs, the rates of the groups, saving; and those that multiply the rate by a function of the epoch.

A `Factor` has a function f of the epoch; the rate is multiplied by f(t) / f(t - 1) in each step, so that several schedules of one
optimiser multiply.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from ...tensor import Tensor
from ..optimizer import Optimizer

MORE = "See more details at https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate"
ORDER = (
    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. In PyTorch 1.1.0 and later, you should call them in the "
    "opposite order: `optimizer.step()` before `lr_scheduler.step()`.  Failure to do this will result in PyTorch skipping the "
    f"first value of the learning rate schedule. {MORE}"
)
EPOCH = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. Please use "
    "`scheduler.step()` to step the scheduler. During the deprecation, if epoch is different from None, the closed form is used "
    "instead of the new chainable form, where available. Please open an issue if you are unable to replicate your use case: "
    "https://github.com/pytorch/pytorch/issues/new/choose."
)
LAST = "To get the last learning rate computed by the scheduler, please use `get_last_lr()`."


def rates_of(optimizer: Optimizer) -> list[float]:
    return [float(g["lr"]) for g in optimizer.param_groups]


def put_rates(optimizer: Optimizer, rates: Iterable[float]) -> list[float]:
    """Write the rates of the groups; one that is a tensor keeps being that tensor."""
    for group, lr in zip(optimizer.param_groups, rates, strict=True):
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(lr)
        else:
            group["lr"] = lr
    return rates_of(optimizer)


def each(optimizer: Optimizer, x: Any, name: str) -> list[Any]:
    """One value for each group: a list of them, or one for all."""
    groups = len(optimizer.param_groups)
    if not isinstance(x, (list, tuple)):
        return [x] * groups
    if len(x) != groups:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has {len(x)} values, param_groups has {groups}."
        )
    return list(x)


class LRScheduler:
    """The base: `get_lr` gives the rates of the epoch `last_epoch`; `step` goes on to the next epoch and writes them."""

    _unsaved: tuple[str, ...] = ("optimizer",)

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
        self.optimizer = optimizer
        for k, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", float(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{k}] when resuming scheduler with last_epoch >= 0.\n"
                    "This typically happens when:\n1. You're trying to resume training from a checkpoint but haven't properly "
                    "loaded the optimizer state\n2. You're using last_epoch >= 0 for a fresh training run (not recommended)"
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._step_count = 0
        self._is_initial, self._get_lr_called_within_step = True, False
        self.step()
        self._is_initial = False

    def step(self, epoch: int | None = None) -> None:
        """Go on to the next epoch (or to this one)."""
        if self._step_count == 1 and not self.optimizer._stepped:
            warnings.warn(ORDER, UserWarning, stacklevel=2)
        self._step_count += 1
        if epoch is not None:
            warnings.warn(EPOCH, UserWarning, stacklevel=2)
        self._go(self.last_epoch + 1 if epoch is None else epoch, epoch is not None)

    def _go(self, epoch: int, there: bool = False) -> None:
        """Be at an epoch and write its rates. there: it may be any, not only the next."""
        self.last_epoch = epoch
        self._get_lr_called_within_step = True
        try:
            rates = self._at() if there else self.get_lr()
        finally:
            self._get_lr_called_within_step = False
        self._last_lr = put_rates(self.optimizer, rates)

    def get_lr(self) -> list[float]:
        """The rates of the groups in this epoch, from those of the epoch before."""
        raise NotImplementedError

    def _at(self) -> list[float]:
        """The rates of the groups in this epoch, whatever was before, where there is a way to know."""
        return self.get_lr()

    def get_last_lr(self) -> list[float]:
        """The rates that were written last."""
        return self._last_lr

    def _check_within(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(LAST, UserWarning, stacklevel=3)

    def state_dict(self) -> dict[str, Any]:
        """All of the schedule but the optimiser (and functions)."""
        return {name: x for name, x in self.__dict__.items() if name not in self._unsaved}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.__dict__.update(state_dict)


class Factor(LRScheduler):
    """Rates multiplied by a function of the epoch."""

    _jumps = False  # resumed at an epoch (`last_epoch`), one that jumps takes its step to that epoch, the others leave the rate

    def factor(self, t: int) -> float:
        raise NotImplementedError

    def get_lr(self) -> list[float]:
        self._check_within()
        t = self.last_epoch
        if self._is_initial and t > 0 and not self._jumps:
            return rates_of(self.optimizer)
        before = self.factor(t - 1) if t > 0 else 1.0
        ratio = self.factor(t) / before if before else 0.0
        return [lr * ratio for lr in rates_of(self.optimizer)]

    def _at(self) -> list[float]:
        return [lr * self.factor(self.last_epoch) for lr in self.base_lrs]
