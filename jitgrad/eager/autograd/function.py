"""Operations with a derivative of the user's: `torch.autograd.Function`.

`forward` runs with recording off; what it keeps on its `ctx` is there for `backward`, which is called with the gradients of the
results and whose operations are recorded where `create_graph` asks for it. On stand-ins, in code that jitgrad compiles, the same
class is a custom rule (`traced.py`).
"""

from __future__ import annotations

import functools
import inspect
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from ..engine import PULL, TWICE, Grads, Releasable
from ..kernel import Aval
from ..modes import Mode, modes
from ..node import Edge, Part, joined
from ..tensor import Tensor, zeros_of
from . import traced
from .saved import Saved, with_edge

LEGACY = (
    "Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd function with static "
    "forward method. (Example: https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)"
)
VIEW = (
    "Output {k} of {name} is a view and is being modified inplace. This view was created inside a custom Function (or because an "
    "input was returned as-is) and the autograd logic to handle view+inplace would override the custom backward associated with "
    "the custom Function, leading to incorrect gradients. This behavior is forbidden. You can fix this by cloning the output of "
    "the custom Function."
)


class FunctionCtx:
    """What `forward` leaves for `backward`: tensors by `save_for_backward`, anything else as attributes."""

    needs_input_grad: tuple[bool, ...]
    materialize_grads = True
    dirty: tuple[Tensor, ...] = ()
    non_differentiable: tuple[Tensor, ...] = ()
    to_save: tuple[Tensor | None, ...] = ()
    saved_for_forward: tuple[Tensor | None, ...] = ()
    _kept: tuple[Saved | None, ...] | None = ()

    def __init__(self, needs: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep inputs and results (or anything computed) for `backward`, which finds them in `saved_tensors`."""
        for k, x in enumerate(tensors):
            if x is not None and not isinstance(x, Tensor):
                raise TypeError(f"save_for_backward can only save variables, but argument {k} is of type {type(x).__name__}")
        self.to_save = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for `jvp`."""
        self.saved_for_forward = tensors

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What was kept. Let go of after the return sweep."""
        if self._kept is None:
            raise RuntimeError(TWICE)
        return tuple(None if s is None else s.read() for s in self._kept)

    def mark_dirty(self, *tensors: Tensor) -> None:
        """These inputs were written in place; they must be returned."""
        self.dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """These results have no gradient."""
        self.non_differentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """False: a result that nothing was computed from gets None, not zeros."""
        self.materialize_grads = value


class Custom(Releasable):
    """A call of a `Function` in the graph: an edge for each argument that is a tensor."""

    __slots__ = ("cls", "ctx", "inputs", "outs", "places")

    cls: type[Function]
    ctx: FunctionCtx
    inputs: tuple[Aval, ...]  # types of the tensors among the arguments
    places: tuple[int, ...]  # which arguments these are
    outs: tuple[Aval | None, ...]  # types of the results; None: no tensor

    @property
    def results(self) -> int:  # type: ignore[override]
        return len(self.outs)

    @property
    def label(self) -> str:
        return self.cls.__name__ + "Backward"

    def release(self) -> None:
        self.ctx._kept = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ctx, name)


class FunctionMeta(type):
    """Calling an instance is an error of its own."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        warnings.warn(
            f"{cls} should not be instantiated. Methods on autograd functions are all static, so you should invoke them on the "
            "class itself. Instantiating an autograd function will raise an error in a future version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )
        return super().__call__(*args, **kwargs)


class Function(metaclass=FunctionMeta):
    """An operation with a derivative of one's own. Subclass it, and call `apply`.

    forward(ctx, *args): the value; or forward(*args) with setup_context(ctx, inputs, output). backward(ctx, *grads): the gradient
    of each argument, None for what is no tensor. jvp(ctx, *tangents): the tangent of each result, for forward mode.

    Inputs, results and gradients are tensors; where the function is used in code that `jitgrad.grad` traces, they are arrays.

    >>> import jitgrad.eager as torch
    >>> class Cube(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x**3
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return 3 * x**2 * g
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> Cube.apply(x)
    tensor([1., 8.], grad_fn=<CubeBackward>)
    """

    generate_vmap_rule = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(LEGACY)

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with backward "
            "mode AD."
        )

    vjp = backward

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """The value of `forward` for these arguments, differentiated by `backward`."""
        if kwargs:
            args = positional(cls, args, kwargs)
        if traced.involved(args):
            return traced.apply(cls, args)
        return apply(cls, args)


def positional(cls: type[Function], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """All arguments in the order of `forward`."""
    ctx = () if with_setup(cls) else (None,)
    bound = inspect.signature(cls.forward).bind(*ctx, *args, **kwargs)
    bound.apply_defaults()
    if bound.kwargs:
        raise TypeError(f"{cls.__name__}.forward has keyword-only arguments ({', '.join(bound.kwargs)}), which apply cannot pass")
    return bound.args[len(ctx) :]


def with_setup(cls: type[Function]) -> bool:
    """Does it separate `setup_context` from `forward`?"""
    return cls.setup_context is not Function.setup_context


def backward_of(cls: type[Function]) -> Callable[..., Any]:
    if cls.backward is not Function.backward and cls.vjp is not Function.vjp:
        raise RuntimeError(
            "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should only implement one of them."
        )
    return cls.backward if cls.backward is not Function.backward else cls.vjp


def run_forward(cls: type[Function], ctx: Any, args: tuple[Any, ...]) -> Any:
    if not with_setup(cls):
        return cls.forward(ctx, *args)
    output = cls.forward(*args)
    cls.setup_context(ctx, args, output)
    return output


def apply(cls: type[Function], args: tuple[Any, ...]) -> Any:
    """A call on tensors."""
    at = tuple(k for k, x in enumerate(args) if isinstance(x, Tensor))
    ctx = FunctionCtx(tuple(isinstance(x, Tensor) and x.requires_grad for x in args))
    edges = tuple(args[k]._gradient_edge() for k in at)
    inputs = tuple(args[k]._node.aval for k in at)
    with Mode(grad=False):
        output = run_forward(cls, ctx, args)
    outs = list(output) if isinstance(output, (tuple, list)) else [output]
    if not modes.grad or all(e is None for e in edges):
        ctx.to_save = ()
        return output
    edge = joined(Custom(), edges)
    edge.cls, edge.ctx, edge.inputs, edge.places = cls, ctx, inputs, at
    edge.outs = tuple(y._node.aval if isinstance(y, Tensor) else None for y in outs)
    if modes.anomaly:
        edge.trace = traceback.extract_stack()[:-2]
    wrapped = [result(edge, k, y, args, len(outs) > 1) for k, y in enumerate(outs)]
    keep(edge, outs, wrapped, args)
    return type(output)(wrapped) if isinstance(output, (tuple, list)) else wrapped[0]


def among(x: Any, some: Sequence[Any]) -> bool:
    return any(x is y for y in some)


def result(edge: Custom, k: int, y: Any, args: tuple[Any, ...], several: bool) -> Any:
    """A result with its gradient going to the call."""
    if not isinstance(y, Tensor) or not y.dtype.differentiable:
        return y
    if among(y, edge.ctx.non_differentiable):
        return y.detach() if among(y, args) else y
    to: Edge = Part(edge, k) if several else edge
    if among(y, edge.ctx.dirty):
        if y._needs and y._edge is None:
            raise RuntimeError("a leaf Variable that requires grad has been used in an in-place operation.")
        if y._base is None:
            y._edge = to
            return y
        return y._write(with_edge(y, to))
    if y._base is not None or among(y, args):
        out = with_edge(y, to)
        out._forbidden = VIEW.format(k=k, name=edge.cls.__name__)
        return out
    y._edge = to
    return y


def keep(edge: Custom, outs: list[Any], wrapped: list[Any], args: tuple[Any, ...]) -> None:
    """What `forward` wants to be kept."""
    kept: list[Saved | None] = []
    for x in edge.ctx.to_save:
        at = next((k for k, y in enumerate(outs) if y is x), None)
        if x is None or at is None or wrapped[at]._edge is None:
            kept.append(None if x is None else Saved(x))
        else:
            kept.append(Saved(x if not among(x, args) else wrapped[at], wrapped[at]._edge))
    edge.ctx._kept, edge.ctx.to_save = tuple(kept), ()


# ---- the return sweep


def pull_custom(edge: Custom, grads: Grads, wanted: Sequence[bool]) -> Grads:
    """The gradients of the tensors among the arguments, by the user's `backward`."""
    pairs = zip(grads, edge.outs, strict=True)
    given = [zeros_of(t) if g is None and t is not None and edge.ctx.materialize_grads else g for g, t in pairs]
    got = backward_of(edge.cls)(edge.ctx, *given)
    found = list(got) if isinstance(got, (tuple, list)) else [got]
    count = len(edge.ctx.needs_input_grad)
    if len(found) > count and all(g is None for g in found[count:]):
        found = found[:count]
    if len(found) != count:
        raise RuntimeError(
            f"function {edge.label} returned an incorrect number of gradients (expected {count}, got {len(found)})"
        )
    for k, g in enumerate(found):
        if g is not None and k not in edge.places:
            raise RuntimeError(
                f"function {edge.label} returned a gradient different than None at position {k + 1}, but the corresponding "
                "forward input was not a Variable"
            )
        if g is not None and not isinstance(g, Tensor):
            raise RuntimeError(f"expected Variable or None (got {type(g).__name__})")
    each = enumerate(zip(edge.places, edge.inputs, wanted, strict=True))
    return [fitted(edge, j, found[k], t) if w else None for j, (k, t, w) in each]


def fitted(edge: Custom, k: int, g: Tensor | None, t: Aval) -> Tensor | None:
    """A gradient in the type of its input: summed over axes that were broadcast, converted."""
    if g is None:
        return None
    if tuple(g.shape) != t.shape:
        extra = len(g.shape) - len(t.shape)
        fits = extra >= 0 and all(n in (m, 1) for n, m in zip(t.shape, g.shape[extra:], strict=True))
        if not fits:
            raise RuntimeError(
                f"Function {edge.label} returned an invalid gradient at index {k} - got {list(g.shape)} but expected shape "
                f"compatible with {list(t.shape)}"
            )
        axes = [*range(extra), *(extra + j for j, n in enumerate(t.shape) if n == 1 and g.shape[extra + j] != 1)]
        g = g.sum(axes).reshape(t.shape)
    if g.dtype is not t.dtype:
        if g.dtype.is_complex and not t.dtype.is_complex:
            raise RuntimeError(f"Function {edge.label} returned a complex gradient at index {k} for a real input")
        g = g.to(t.dtype)
    return g


PULL[Custom] = pull_custom


class _Twice(Edge):
    """Where the gradient of a gradient arrives that a `once_differentiable` backward made."""

    __slots__ = ()
    label = "DelayedErrorBackward"


def _refuse(edge: _Twice, grads: Grads, wanted: Sequence[bool]) -> Grads:
    raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")


PULL[_Twice] = _refuse


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """A `backward` whose operations are not recorded: differentiating its result is an error.

    >>> import jitgrad.eager as torch
    >>> class Double(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return 2 * x
    ...     @staticmethod
    ...     @torch.autograd.function.once_differentiable
    ...     def backward(ctx, g):
    ...         return 2 * g
    """

    @functools.wraps(backward)
    def wrapped(ctx: Any, *grads: Any) -> Any:
        with Mode(grad=False):
            got = backward(ctx, *grads)
        reached = [g._gradient_edge() for g in grads if isinstance(g, Tensor)]
        if not modes.grad or all(e is None for e in reached):
            return got
        edge = joined(_Twice(), reached)
        found = got if isinstance(got, tuple) else (got,)
        marked = tuple(with_edge(g, edge) if isinstance(g, Tensor) else g for g in found)
        return marked if isinstance(got, tuple) else marked[0]

    return wrapped


class InplaceFunction(Function):
    """A `Function` that may work in place (kept for its name)."""


class NestedIOFunction(Function):
    """A `Function` of nested arguments: not supported."""

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("NestedIOFunction is not supported: pass tensors as arguments of their own")


__all__ = ["Custom", "Function", "FunctionCtx", "InplaceFunction", "NestedIOFunction", "once_differentiable"]
