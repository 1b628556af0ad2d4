"""A `Function` in code that jitgrad traces: its `forward` and `backward` run on stand-ins, as a custom rule of the program.

There they see arrays, not tensors: they are written with NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...api.custom import Rewritten, ruled
from ...errors import Unsupported, raise_at
from ...front.standin import StandIn, involved


class TracedCtx:
    """The `ctx` of a call on stand-ins."""

    def __init__(self, needs: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs
        self.saved_tensors: tuple[Any, ...] = ()

    def save_for_backward(self, *arrays: Any) -> None:
        self.saved_tensors = arrays

    def save_for_forward(self, *arrays: Any) -> None:
        """Forward mode transposes `backward`: nothing has to be kept."""

    def mark_non_differentiable(self, *arrays: Any) -> None:
        """Gradients of what is no float are None anyhow; that of a float is given to `backward`."""

    def set_materialize_grads(self, value: bool) -> None:
        """An adjoint that is absent is a zero of the program, which costs nothing."""

    def mark_dirty(self, *arrays: Any) -> None:
        raise_at(
            Unsupported,
            "a Function that writes its inputs cannot be used in traced code",
            wanted="a forward that returns new arrays",
            got="ctx.mark_dirty",
            repair="write into a copy",
        )


@dataclass(frozen=True)
class _Forward:
    """(arguments) -> (result, what is kept)"""

    cls: Any

    _jitgrad_trace_ = True

    @property
    def __name__(self) -> str:
        return self.cls.__name__

    def __call__(self, *args: Any) -> Any:
        ctx = TracedCtx(tuple(isinstance(x, StandIn) for x in args))
        if self.cls.setup_context is base(self.cls).setup_context:
            out = called(self.cls.forward, ctx, *args)
        else:
            out = called(self.cls.forward, *args)
            Rewritten(self.cls.setup_context)(ctx, args, out)
        return out, dict(vars(ctx))


@dataclass(frozen=True)
class _Backward:
    """(what is kept, gradients of the results) -> gradients of the arguments"""

    cls: Any

    _jitgrad_trace_ = True

    def __call__(self, kept: dict[str, Any], grads: Any) -> Any:
        ctx = TracedCtx(())
        vars(ctx).update(kept)
        gs = grads if isinstance(grads, (tuple, list)) else (grads,)
        rule = self.cls.backward if self.cls.backward is not base(self.cls).backward else self.cls.vjp
        return called(rule, ctx, *gs)


def called(f: Any, *args: Any) -> Any:
    """A rule on stand-ins; what tensors have and arrays have not is said to be that."""
    try:
        return Rewritten(f)(*args)
    except AttributeError as e:
        raise_at(
            Unsupported,
            f"`{f.__qualname__}` uses what arrays do not have: {e}",
            wanted="NumPy functions and the methods of arrays: in traced code a Function sees arrays, not tensors",
            repair="np.clip(x, 0, None) for x.clamp(min=0), x.copy() for x.clone()",
            cause=e,
        )


def base(cls: Any) -> Any:
    """`Function`, which all of them come from."""
    return cls.__mro__[-2]


def apply(cls: Any, args: tuple[Any, ...]) -> Any:
    """A call on stand-ins."""
    return ruled(_Forward(cls), _Backward(cls), args)


__all__ = ["TracedCtx", "apply", "involved"]
