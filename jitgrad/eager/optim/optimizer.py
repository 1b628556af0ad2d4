"""What all optimisers share: groups of parameters, their state, and a step that is one compiled call.

A step records an update of every parameter (`update`, from the table of the optimiser) and runs all of them together. Numbers
that change from step to step are parameters of the compiled program, the others are literals (`run.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from typing import Any

from ..modes import enable_grad, no_grad
from ..run import run
from ..tensor import Tensor

Group = dict[str, Any]


class Optimizer:
    """The base: `param_groups` (parameters with their options) and `state` (what is remembered of each parameter)."""

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.param_groups: list[Group] = []
        self.state: dict[Any, dict[str, Any]] = defaultdict(dict)
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                f"torch.{type(params).__name__}"
            )
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        for g in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(g)

    def add_param_group(self, param_group: Group) -> None:
        """More parameters, with options of their own."""
        group = dict(param_group)
        given = group["params"]
        group["params"] = [given] if isinstance(given, Tensor) else [p[1] if isinstance(p, tuple) else p for p in given]
        for p in group["params"]:
            if not isinstance(p, Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}")
            if not p.is_leaf:
                raise ValueError("can't optimize a non-leaf Tensor")
        known = {p for g in self.param_groups for p in g["params"]}
        if known & set(group["params"]):
            raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append({**self.defaults, **group})

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients (with set_to_none=False they become zeros)."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none or p._grad is None:
                    p._grad = None
                else:
                    p._grad = p._grad.detach().zero_()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient. closure: computes the loss again and returns it."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        written: list[Tensor] = []
        with no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    if p._grad is not None:
                        written += self.update(p, p._grad.detach(), group, self.state[p])
            run([x._value() for x in written])
        return loss

    def update(self, p: Tensor, g: Tensor, group: Group, state: dict[str, Any]) -> list[Tensor]:
        """Record the update of one parameter; all tensors that it wrote."""
        raise NotImplementedError

    # ---- saving

    def state_dict(self) -> dict[str, Any]:
        """State and options, with the parameters as numbers in the order of the groups."""
        number = {p: k for k, p in enumerate(p for g in self.param_groups for p in g["params"])}
        groups = [{**g, "params": [number[p] for p in g["params"]]} for g in self.param_groups]
        return {"state": {number[p]: dict(s) for p, s in self.state.items() if p in number}, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over a state; the groups must have as many parameters as those here."""
        given = state_dict["param_groups"]
        if len(given) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(len(a["params"]) != len(b["params"]) for a, b in zip(given, self.param_groups, strict=True)):
            raise ValueError("loaded state dict contains a parameter group that doesn't match the size of optimizer's group")
        flat = [p for g in self.param_groups for p in g["params"]]
        self.state = defaultdict(dict, {flat[k]: {n: copied(x) for n, x in s.items()} for k, s in state_dict["state"].items()})
        self.param_groups = [
            {**deepcopy({k: v for k, v in a.items() if k != "params"}), "params": b["params"]}
            for a, b in zip(given, self.param_groups, strict=True)
        ]

    def __repr__(self) -> str:
        lines = []
        for k, g in enumerate(self.param_groups):
            lines += [f"Parameter Group {k}", *(f"    {n}: {g[n]}" for n in sorted(g) if n != "params")]
        return f"{type(self).__name__} (\n" + "\n".join(lines) + "\n)"


def copied(x: Any) -> Any:
    return x.detach().clone() if isinstance(x, Tensor) else deepcopy(x)


def checked(name: str, value: float, below: float | None = None) -> float:
    """An option that must not be negative (and must be less than `below`)."""
    if value < 0 or (below is not None and value >= below):
        raise ValueError(f"Invalid {name}: {value}")
    return value
