"""Hooks of a module: on its gradients, and how hooks are kept.

A module with hooks on its gradients is called between two identity steps: one over the tensors among its arguments, one over the
tensors that it returns. In the return sweep the outer step comes first and keeps the gradients of the results; the inner one has
the gradients of the arguments, calls the hooks with both, and passes on what they leave.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import Unsupported, raise_at
from ..autograd import traced
from ..autograd.function import Function
from ..hooks import Handle
from ..modes import modes
from ..tensor import Tensor

if TYPE_CHECKING:
    from .module import Module

Hook = Callable[..., Any]
Grads = tuple[Any, ...]

NO_INPUT = (
    "Full backward hook is firing when gradients are computed with respect to module outputs since no inputs require gradients. "
    "See https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html#torch.nn.Module.register_full_backward_hook for more "
    "details."
)


def registered(table: dict[Any, Hook], hook: Hook, prepend: bool = False) -> Handle:
    """A hook after those in the table, or before them."""
    handle = Handle(table, hook)
    if prepend:
        for k in [k for k in table if k != handle.id]:
            table[k] = table.pop(k)
    return handle


class BackwardHookFunction(Function):
    """The tensors as they are; their gradients go through `then`."""

    @staticmethod
    def forward(ctx: Any, then: Callable[[Grads], Grads], fill: bool, *tensors: Tensor) -> Grads:
        ctx.then = then
        ctx.set_materialize_grads(fill)
        ctx.mark_non_differentiable(*[x for x in tensors if not x.requires_grad])
        return tensors

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return (None, None, *ctx.then(grads))


class Passage:
    """One call of a module with hooks on its gradients: `enter` its arguments, `leave` with its results."""

    def __init__(self, module: Module, before: Sequence[Hook], after: Sequence[Hook]) -> None:
        self.module, self.before, self.after = module, before, after
        self.arrived: Grads | None = None  # the gradients of the results, until the hooks have been called
        self.places: list[int] | None = None  # of the tensors among the arguments, if one of them requires a gradient
        self.count = 0

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments, with their gradients going through the hooks."""
        if traced.involved(args):
            raise_at(
                Unsupported,
                "a module with hooks on its gradients cannot be called in traced code",
                wanted="tensors, whose return sweep calls the hooks",
                got=f"{type(self.module).__name__} called with arrays that jitgrad traces",
                repair="remove the hooks, or call it with tensors",
            )
        out, self.places = stepped(args, self._inner, fill=True)
        self.count = len(args)
        return out

    def leave(self, result: Any) -> Any:
        """The result, with its gradients going through the hooks."""
        if not isinstance(result, (Tensor, tuple)):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but received "
                f"{type(result)}",
                UserWarning,
                stacklevel=3,
            )
        several = isinstance(result, tuple)
        results = result if several else (result,)
        places: list[int] = []
        out, found = stepped(results, lambda grads: self._outer(spread(places, grads, len(results)), places), fill=False)
        places += found or ()
        return out if several else out[0]

    def _outer(self, grads: Grads, places: list[int]) -> Grads:
        for hook in self.before:
            new = hook(self.module, grads)
            grads = grads if new is None else checked(new, grads, "Backward pre hook", "grad_output")
        if self.places is not None:
            self.arrived = grads
        else:
            self._without(grads)
        return tuple(grads[k] for k in places)

    def _without(self, grads: Grads) -> None:
        """No argument has a gradient: the hooks see those of the results, and have nothing to replace."""
        warnings.warn(NO_INPUT, UserWarning, stacklevel=2)
        for hook in self.after:
            new = hook(self.module, (None,) * self.count, grads)
            if new is not None and not (isinstance(new, tuple) and all(g is None for g in new)):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always return None or None for all "
                    "gradients."
                )

    def _inner(self, found: Grads) -> Grads:
        if self.arrived is None:  # this gradient did not come through the results
            return found
        assert self.places is not None
        grads = spread(self.places, found, self.count)
        for hook in self.after:
            new = hook(self.module, grads, self.arrived)
            grads = grads if new is None else checked(new, grads, "Backward hook", "grad_input")
        self.arrived = None
        return tuple(grads[k] for k in self.places)


def stepped(values: tuple[Any, ...], then: Callable[[Grads], Grads], fill: bool) -> tuple[tuple[Any, ...], list[int] | None]:
    """The values after an identity step over the tensors among them, and the places of these; None: no gradient flows there."""
    places = [k for k, x in enumerate(values) if isinstance(x, Tensor)]
    if not (modes.grad and any(values[k].requires_grad for k in places)):
        return values, None
    after = list(values)
    for k, x in zip(places, BackwardHookFunction.apply(then, fill, *(values[k] for k in places)), strict=True):
        after[k] = x
    return (tuple(after) if type(values) is tuple else type(values)(*after)), places


def spread(places: Sequence[int], grads: Grads, count: int) -> Grads:
    """The gradients at their places, None elsewhere."""
    found = dict(zip(places, grads, strict=True))
    return tuple(found.get(k) for k in range(count))


def checked(new: Any, old: Grads, hook: str, what: str) -> Grads:
    """What a hook returned, if it is one gradient for each."""
    if len(new) != len(old):
        raise RuntimeError(f"{hook} returned an invalid number of {what}, got {len(new)}, but expected {len(old)}")
    return tuple(new)
