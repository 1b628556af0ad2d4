"""custom_vjp: a function with a derivative of the user's, in both modes and of any order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import ArgumentError, raise_at
from ..front import context
from ..front.calls import callee
from ..front.control import Control
from ..front.inline import trace_inline
from ..front.standin import Array, Scalar, StandIn
from ..front.tree import TreeDef, flatten, flatten_like
from ..ir.build import Value, replay
from ..ir.core import zero_of
from ..ops.link import Link
from ..transform.ad import tangent_or_zero
from .derive import like
from .inner import inner

Rule = Callable[..., Any]


@dataclass(frozen=True)
class _Back:
    """(adjoints of the real results) -> an adjoint for each real argument."""

    backward: Rule
    residuals: Any
    result: TreeDef
    real: Sequence[int]  # the leaves of the result that have adjoints
    args: TreeDef
    xs: dict[int, Value]  # the leaves of the arguments that have them

    _jitgrad_trace_ = True
    __name__ = "backward"

    def __call__(self, *gs: Any) -> tuple[Any, ...]:
        leaves: list[Any] = [None] * self.result.size
        for k, g in zip(self.real, gs, strict=True):
            leaves[k] = g
        bars = self.backward(self.residuals, self.result.unflatten(leaves))
        bars = tuple(bars) if isinstance(bars, (tuple, list)) else (bars,)
        found = flatten_like(self.args, bars, "what the backward rule returned")
        return tuple(adjoint(found[k], x) for k, x in self.xs.items())


def adjoint(bar: Any, x: Value) -> Any:
    v = tangent_or_zero(None, x) if bar is None else like(bar, x, "an adjoint")
    return Array.new(v)


def ruled(forward: Rule, backward: Rule, args: tuple[Any, ...]) -> Any:
    """Within a trace: `forward(*args) -> (result, residuals)`, differentiated by `backward(residuals, cotangent of the result)`,
    which gives a tuple: for each argument its cotangent, None for none."""
    inside = inner(forward, args, {})
    result, residuals = inside.rebuild(replay(inside.fn, *inside.args))
    leaves, tree = flatten(result, "result")
    places = [k for k, y in enumerate(leaves) if isinstance(y, StandIn)]
    ys = [value_of(leaves[k]) for k in places]
    real = [k for k, y in zip(places, ys, strict=True) if y.type.is_real]
    xs = {k: inside.args[j] for k, j in enumerate(inside.params) if j is not None and inside.is_float(k)}
    if not xs or not real:
        return result
    given = sum(j is not None for j in inside.params)
    others = tuple(v for v in inside.args[given:] if v.type.is_real)
    back = _Back(backward, residuals, tree, real, flatten(args, "args")[1], xs)
    pull = trace_inline(back, tuple(like_leaf(leaves[k], Value(zero_of(value_of(leaves[k]).type))) for k in real))
    outs = Link(tuple(ys), tuple(xs.values()), others, pull.captured, pull.fn).bind()
    for k, y in zip(places, outs, strict=True):
        leaves[k] = like_leaf(leaves[k], y)
    return tree.unflatten(leaves)


def value_of(x: Any) -> Value:
    return x.read() if isinstance(x, Array) else x.value


def like_leaf(leaf: Any, v: Value) -> Any:
    return Array.new(v) if isinstance(leaf, Array) else Scalar(v, leaf.weak)


@dataclass(eq=False)
class CustomVJP:
    """A function whose derivative is given by `defvjp`."""

    f: Callable[..., Any]
    forward: Rule | None = field(default=None)
    backward: Rule | None = field(default=None)

    _jitgrad_trace_ = True

    @property
    def __name__(self) -> str:
        return getattr(self.f, "__name__", "custom")

    def defvjp(self, forward: Rule, backward: Rule) -> None:
        """forward(*args) -> (result, residuals); backward(residuals, cotangent) -> a tuple with one cotangent for each argument
        (None for what has none)."""
        self.forward, self.backward = forward, backward

    def __call__(self, *args: Any) -> Any:
        if not context.tracing():
            return self.f(*args)
        if self.forward is None or self.backward is None:
            raise_at(
                ArgumentError,
                f"`{self.__name__}` is a custom_vjp without a rule",
                wanted="f.defvjp(forward, backward)",
                got="no rule so far",
                repair="call defvjp before differentiating, or leave custom_vjp out",
            )
        return ruled(Rewritten(self.forward), Rewritten(self.backward), args)


@dataclass(frozen=True)
class Rewritten:
    """A function of the user's, called by code of ours within a trace."""

    f: Callable[..., Any]

    _jitgrad_trace_ = True

    @property
    def __name__(self) -> str:
        return getattr(self.f, "__name__", "rule")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return callee(self.f, Control)(*args, **kwargs)


def custom_vjp(f: Callable[..., Any]) -> CustomVJP:
    """A function with a derivative of your own: for what is computed by iteration and differentiated by a formula, for gradients
    that are to be clipped, for straight-through estimators.

    The rule is used in reverse mode; forward mode transposes it; higher derivatives differentiate `backward`, where the
    result stands for the function with this rule. What `f` uses without being given it has no derivative: an error if it is asked
    for.

    >>> import numpy as np, jitgrad as jg
    >>> @jg.custom_vjp
    ... def rounded(x):
    ...     return np.round(x)
    >>> rounded.defvjp(lambda x: (np.round(x), None), lambda _, g: (g,))
    >>> jg.grad(lambda x: np.sum(rounded(x) ** 2))(np.array([1.2, 2.7]))
    array([2., 6.])
    """
    return CustomVJP(f)


__all__ = ["CustomVJP", "Rewritten", "custom_vjp", "ruled"]
