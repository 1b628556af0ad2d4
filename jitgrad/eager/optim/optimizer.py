"""What all optimisers share: groups of parameters, their state, and a step that is one compiled call.

A step records an update of every parameter (`update`, from the table of the optimiser) and runs all of them together. Numbers
that change from step to step are parameters of the compiled program, the others are literals (`run.py`).
"""

from __future__ import annotations

import functools
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from typing import Any

import numpy as np

from ..creation import tensor
from ..interop import from_torch, is_torch
from ..methods import Handle
from ..modes import enable_grad, no_grad
from ..op import Op
from ..run import run
from ..tensor import Tensor
from .together import updated

Group = dict[str, Any]

COUNTS = ("step", "mu_product")  # Python numbers of the state that stand as tensors in `state_dict`, as PyTorch has them
DUPLICATES = (
    "optimizer contains a parameter group with duplicate parameters; in future, this will cause an error; see "
    "github.com/pytorch/pytorch/issues/40967 for more information"
)


def hooked(step: Callable[..., Any]) -> Callable[..., Any]:
    """A step with the hooks of the optimiser around it; one that calls the step of its base counts once."""

    @functools.wraps(step)
    def call(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        if self._stepping:
            return step(self, *args, **kwargs)
        self._stepping = True
        try:
            for before in list(self._before.values()):
                new = before(self, args, kwargs)
                if new is not None:
                    args, kwargs = new
            out = step(self, *args, **kwargs)
            self._stepped = True
            for after in list(self._after.values()):
                after(self, args, kwargs)
        finally:
            self._stepping = False
        return out

    return call


class Optimizer:
    """The base: `param_groups` (parameters with their options) and `state` (what is remembered of each parameter).

    An optimiser of one's own has `__init__(params, ...)` that passes its options as `defaults`, and either `update`, which
    records what happens to one parameter, or `step`.
    """

    _stepping = False
    _stepped = False  # has there been a step? Schedulers ask

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = hooked(cls.step)  # type: ignore[method-assign]
        if "update" in cls.__dict__ and "stateless" not in cls.__dict__:
            cls.stateless = Optimizer.stateless  # type: ignore[method-assign]  # that of a base is of another update

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.param_groups: list[Group] = []
        self.state: dict[Any, dict[str, Any]] = defaultdict(dict)
        self._before: dict[int, Callable[..., Any]] = {}
        self._after: dict[int, Callable[..., Any]] = {}
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got torch.FloatTensor"
            )
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        for g in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(g)

    def add_param_group(self, param_group: Group) -> None:
        """More parameters, with options of their own: {"params": [...], "lr": ...}."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        if isinstance(param_group["params"], set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets will "
                "change between runs. Please use a list instead."
            )
        given = param_group["params"]
        given = [given] if isinstance(given, Tensor) else list(given)
        params = [p[1] if isinstance(p, tuple) else p for p in given]
        for p in params:
            check_parameter(p)
        if len(set(params)) < len(params):
            warnings.warn(DUPLICATES, stacklevel=3)
        if any(p in set(params) for g in self.param_groups for p in g["params"]):
            raise ValueError("some parameters appear in more than one parameter group")
        group: Group = {**param_group, "params": params}
        if given and all(isinstance(p, tuple) for p in given):
            group["param_names"] = [p[0] for p in given]
        elif any(isinstance(p, tuple) for p in given):
            raise ValueError("all optimizer params should be with/without names. Some param names are missing")
        self.param_groups.append({**group, **{n: x for n, x in self.defaults.items() if n not in group}})

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients (with set_to_none=False they become zeros)."""
        for group in self.param_groups:
            for p in group["params"]:
                p._forget_grad(set_to_none)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient. closure: computes the loss again and returns it."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        written: list[Tensor] = []
        with no_grad():
            for group in self.param_groups:
                params = [p for p in group["params"] if p._grad is not None]
                rule = self.stateless(group)
                if rule is not None and updated(rule[0], params, *rule[1:]):
                    continue
                for p in params:
                    written += self.update(p, p._grad, group, self.state[p])
            if written:
                run([x._value() for x in written])
        return loss

    step = hooked(step)

    def update(self, p: Tensor, g: Tensor, group: Group, state: dict[str, Any]) -> list[Tensor]:
        """Record the update of one parameter; all tensors that it wrote."""
        raise NotImplementedError

    def stateless(self, group: Group) -> tuple[Op, tuple[float, ...], dict[str, Any]] | None:
        """(op, numbers, options) where all that `update` does to a parameter is x <- op(x, g, *numbers, **options)."""
        return None

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call `hook(optimizer, args, kwargs)` before each step; what it returns replaces (args, kwargs)."""
        return Handle(self._before, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call `hook(optimizer, args, kwargs)` after each step."""
        return Handle(self._after, hook)

    # ---- saving

    def state_dict(self) -> dict[str, Any]:
        """State and options, with the parameters as numbers in the order of the groups."""
        number = {p: k for k, p in enumerate(p for g in self.param_groups for p in g["params"])}
        groups = [
            {**{n: x for n, x in g.items() if n != "params"}, "params": [number[p] for p in g["params"]]}
            for g in self.param_groups
        ]
        state = {number[p]: {n: shown(n, x) for n, x in s.items()} for p, s in self.state.items() if s and p in number}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over a state, of this optimiser or of PyTorch's; the groups must have as many parameters as those here."""
        given = state_dict["param_groups"]
        if len(given) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(len(a["params"]) != len(b["params"]) for a, b in zip(given, self.param_groups, strict=True)):
            raise ValueError("loaded state dict contains a parameter group that doesn't match the size of optimizer's group")
        mine = (p for g in self.param_groups for p in g["params"])
        by_number = dict(zip((k for g in given for k in g["params"]), mine, strict=True))
        state: dict[Any, dict[str, Any]] = defaultdict(dict)
        for k, s in state_dict["state"].items():
            p = by_number[k]
            state[p] = {n: taken(n, x, p) for n, x in s.items()}
        self.state = state
        self.param_groups = [
            {**{n: deepcopy(x) for n, x in a.items() if n != "params"}, "params": b["params"]}
            for a, b in zip(given, self.param_groups, strict=True)
        ]

    def __repr__(self) -> str:
        groups = []
        for k, g in enumerate(self.param_groups):
            groups.append("\n".join([f"Parameter Group {k}", *(f"    {n}: {g[n]}" for n in sorted(g) if n != "params")]))
        return f"{type(self).__name__} (\n" + "\n\n".join(groups) + "\n)"


def check_parameter(p: Any) -> None:
    if not isinstance(p, Tensor):
        raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}")
    if not (p.is_leaf or p._retains):
        raise ValueError("can't optimize a non-leaf Tensor")


def shown(name: str, x: Any) -> Any:
    """An entry of the state as `state_dict` has it."""
    return tensor(float(x)) if name in COUNTS and not isinstance(x, Tensor) else x


def taken(name: str, x: Any, p: Tensor) -> Any:
    """An entry of a loaded state for the parameter p: counts as numbers, floating tensors in the dtype of p, all else copied."""
    if name in COUNTS:
        return int(x) if name == "step" else float(x)
    if isinstance(x, list):
        return [taken(name, y, p) for y in x]
    if isinstance(x, np.ndarray) or is_torch(x):
        x = tensor(x) if isinstance(x, np.ndarray) else from_torch(x.detach())
    if isinstance(x, Tensor):
        own = x.detach().clone()
        return own.to(p.dtype) if p.dtype.is_floating_point and own.dtype.is_floating_point else own
    return deepcopy(x)


# ---- options

# How PyTorch calls an option in the error for a negative value.
NAMES = {
    "lr": "learning rate", "eps": "epsilon value",
    **{n: f"{n} value" for n in (
        "momentum", "weight_decay", "alpha", "rho", "lr_decay", "initial_accumulator_value", "momentum_decay",
    )},
}  # fmt: skip


def options(**given: Any) -> dict[str, Any]:
    """The options of an optimiser, checked: ValueError for a negative rate, a beta that is not in [0, 1) and so on."""
    for name, what in NAMES.items():
        x = given.get(name, 0)
        if isinstance(x, Tensor) and x.numel() != 1:
            raise ValueError(f"Tensor {name} must be 1-element")
        if x < 0 or (name == "rho" and x > 1):
            raise ValueError(f"Invalid {what}: {x}")
    for k, b in enumerate(given.get("betas", ())):
        if not 0 <= b < 1:
            raise ValueError(f"Invalid beta parameter at index {k}: {b}")
    if given.get("differentiable"):
        raise NotImplementedError(
            "differentiable=True is not supported: step() writes the parameters without recording. To differentiate through an "
            "update, write it as an expression, p - lr * g, with g from torch.autograd.grad(..., create_graph=True)"
        )
    if given.get("fused") and given.get("foreach"):
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
    return given
