"""From an update rule, a pure function, to an optimiser.

    rule(x, g, held, lr, *numbers, **flags) -> (new x, *new held)

x is the parameter, g its gradient, `held` what is remembered between steps. Which side is down, and what weight decay does to x
or to g, is the same for all and decided before the rule.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..creation import zeros_like
from ..kernel import kernel
from ..op import Op
from ..tensor import Tensor
from .optimizer import Group, Optimizer

Rule = Callable[..., tuple[Any, ...]]
State = dict[str, Any]


def _updated(
    x: Any, g: Any, *rest: Any, rule: Rule, count: int, decays: bool, decoupled: bool, up: bool, **flags: bool
) -> Any:
    """The rule, after the weight decay of x or of g. rest: `count` tensors that are held, lr, the decay, the other numbers."""
    held, (lr, decay, *numbers) = rest[:count], rest[count:]
    g = -g if up else g
    if decays:
        x, g = (x * (1.0 - lr * decay), g) if decoupled else (x, g + decay * x)
    out = rule(x, g, held, lr, *numbers, **flags)
    return out if len(out) > 1 else out[0]


def operation(name: str, rule: Rule, several: bool = True) -> Op:
    """(x, g, *held, lr, decay, *numbers) -> (new x, *new held), recorded; the results have the dtypes of the first inputs."""

    def choose(*types: Any, **options: Any) -> Any:
        return kernel(_updated, name, None, rule=rule, **options)

    return Op(name, choose, several)


def rates(group: Group) -> tuple[float, float]:
    """The numbers that every rule has: lr and the decay."""
    return float(group["lr"]), float(group["weight_decay"])


def ways(group: Group) -> dict[str, bool]:
    """The options that every rule has."""
    return {
        "decays": bool(group["weight_decay"]), "decoupled": group.get("decoupled_weight_decay", False), "up": group["maximize"],
    }  # fmt: skip


class Ruled(Optimizer):
    """An optimiser with a rule. `op`: its operation; `names`: of what is held.

    What depends on the options or on the step (`state["step"]`) is said by the methods `held`, `numbers` and `flags`.
    """

    op: Op
    names: tuple[str, ...] = ()

    def held(self, group: Group) -> tuple[str, ...]:
        """The names of the tensors that the rule holds."""
        return self.names

    def first(self, p: Tensor, group: Group) -> Tensor:
        """What is held before the first step."""
        return zeros_like(p)

    def numbers(self, group: Group, state: State) -> tuple[float, ...]:
        """lr, the decay, and the other numbers of the rule."""
        raise NotImplementedError

    def flags(self, group: Group, state: State) -> dict[str, bool]:
        """The options of the rule."""
        return {}

    def update(self, p: Tensor, g: Tensor, group: Group, state: State) -> list[Tensor]:
        state["step"] = state.get("step", 0) + 1
        numbers, names = self.numbers(group, state), self.held(group)
        for name in names:
            if state.get(name) is None:
                state[name] = self.first(p, group)
        held = [state[name] for name in names]
        how = {"count": len(held), **ways(group), **self.flags(group, state)}
        return written([p, *held], self.op(p, g, *held, *numbers, **how))


def written(targets: list[Tensor], values: Any) -> list[Tensor]:
    for t, v in zip(targets, values if isinstance(values, tuple) else (values,), strict=True):
        t._write(v)
    return targets
