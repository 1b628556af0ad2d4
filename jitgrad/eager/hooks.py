"""Hooks: functions that are called when a gradient is known, and may replace it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any
from weakref import ref

from .engine import STEPS, StepHooks
from .grad_fn import GradFn
from .tensor import Tensor

LAST = math.inf  # the place of what runs after all other hooks


class Handle:
    """A registered hook; `remove()` takes it away."""

    count = 0

    def __init__(self, hooks: dict[Any, Any], hook: Any, place: float | None = None) -> None:
        Handle.count += 1
        self.hooks, self.id = hooks, Handle.count if place is None else place
        hooks[self.id] = hook

    def remove(self) -> None:
        self.hooks.pop(self.id, None)

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def hooks_of(x: Tensor) -> dict[Any, Any]:
    """Those on the present gradient of the tensor: an in-place operation gives it another one."""
    edge = x._gradient_edge()
    assert edge is not None
    if x._current_edge() is None:  # the edge of a leaf comes and goes
        if x._hooks is None:
            x._hooks = {}
        edge.hooks = x._hooks
    elif edge.hooks is None:
        edge.hooks = {}
    return edge.hooks


def register_hook(self: Tensor, hook: Callable[[Tensor], Tensor | None]) -> Handle:
    """Call `hook(gradient)` when the gradient of this tensor is known; what it returns replaces the gradient.

    >>> import jitgrad.eager as torch
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> handle = x.register_hook(lambda g: 10 * g)
    >>> (x * x).backward(); x.grad
    tensor(40.)
    """
    if not self.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    return Handle(hooks_of(self), hook)


def register_post_accumulate_grad_hook(self: Tensor, hook: Callable[[Tensor], None]) -> Handle:
    """Call `hook(tensor)` after the gradient of this leaf was added to its `.grad`."""
    if not self.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if self._current_edge() is not None:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    if self._after is None:
        self._after = {}
    return Handle(self._after, hook)


def retain_grad(self: Tensor) -> None:
    """Add the gradient of this result to its `.grad`: as it is after the hooks."""
    if not self.requires_grad:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if self._current_edge() is None or self._retains:
        return
    self._retains = True
    me = ref(self)

    def keep(g: Tensor) -> None:
        x = me()
        if x is not None:
            x._grad = g if x._grad is None else x._grad + g

    Handle(hooks_of(self), keep, LAST)


# ---- on a step of the graph


def of_step(step: GradFn) -> StepHooks:
    edge = step._edge
    if edge not in STEPS:
        STEPS[edge] = StepHooks({}, {})
        if edge.hooks is None:
            edge.hooks = {}
        edge.hooks.setdefault(0, lambda g: None)  # a sweep by a plan sees no steps: there is none for edges with hooks
    return STEPS[edge]


def step_hook(self: GradFn, hook: Callable[..., Any]) -> Handle:
    """Call `hook(grad_inputs, grad_outputs)` when this step of the return sweep is done; a tuple that it returns replaces the
    gradients of the inputs."""
    return Handle(of_step(self).after, hook)


def step_prehook(self: GradFn, hook: Callable[..., Any]) -> Handle:
    """Call `hook(grad_outputs)` before this step; a tuple that it returns replaces the gradients."""
    return Handle(of_step(self).before, hook)


GradFn.register_hook, GradFn.register_prehook = step_hook, step_prehook  # type: ignore[attr-defined]

METHODS = (register_hook, register_post_accumulate_grad_hook, retain_grad)
