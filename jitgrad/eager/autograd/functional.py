"""`torch.autograd.functional`: Jacobians, Hessians and products with them, of functions of tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..interop import from_numpy
from ..joining import stack
from ..kernel import Aval
from ..modes import Mode
from ..tensor import Tensor, zeros_of
from .forward_ad import dual_level, make_dual, unpack_dual
from .gradients import grad

Tensors = tuple[Tensor, ...]


def as_tuple(x: Any, name: str, function: str) -> tuple[bool, Tensors]:
    """Was it a tuple? And as a tuple."""
    several = isinstance(x, tuple)
    found = x if several else (x,)
    for k, t in enumerate(found):
        if not isinstance(t, Tensor):
            which = f"value at index {k}" if several else f"given {name}"
            raise TypeError(
                f"The {name} given to {function} must be either a Tensor or a tuple of Tensors but the {which} has type "
                f"{type(t)}."
            )
    return several, found


def fresh(inputs: Tensors, create: bool) -> Tensors:
    """The inputs as the function gets them: with a graph of their own, joined to the caller's where that is asked for."""
    if create:
        return tuple(x.view_as(x) if x.requires_grad else x.detach().requires_grad_() for x in inputs)
    return tuple(x.detach().requires_grad_() for x in inputs)


def outcome(x: Any, create: bool) -> Any:
    """A result as it is handed out."""
    if isinstance(x, tuple):
        return tuple(outcome(t, create) for t in x)
    return x if create else x.detach()


def called(func: Callable[..., Any], inputs: Tensors, function: str) -> tuple[bool, Tensors]:
    return as_tuple(func(*inputs), "outputs of the user-provided function", function)


def unpacked(several: bool, x: Tensors) -> Any:
    return x if several else x[0]


def strictly(on: bool, what: Sequence[Any], message: str) -> None:
    """strict=True: what does not depend on the inputs is an error."""
    for k, x in enumerate(what):
        if on and x is None:
            raise RuntimeError(message.format(k=k))


def check_outputs(strict: bool, outs: Tensors) -> None:
    strictly(
        strict, [y if y.requires_grad else None for y in outs],
        "Output {k} of the user-provided function does not require gradients. The outputs must be computed in a differentiable "
        "manner from the input when running in strict mode.",
    )  # fmt: skip


def gradients(
    outs: Sequence[Tensor], ins: Tensors, gs: Sequence[Tensor | None], create: bool, strict: bool, message: str
) -> Tensors:
    """Vector times Jacobian; zeros where there is no dependence."""
    pairs = [(y, g) for y, g in zip(outs, gs, strict=True) if y.requires_grad]
    got: tuple[Any, ...] = (None,) * len(ins)
    if pairs:
        ys, weights = zip(*pairs, strict=True)
        got = grad(ys, ins, weights, retain_graph=True, create_graph=create, allow_unused=True)
    strictly(strict, got, message)
    return tuple(zeros_of(x._node.aval) if g is None else g for g, x in zip(got, ins, strict=True))


INDEPENDENT = (
    "The output of the user-provided function is independent of input {k}. This is not allowed in strict mode."
)


LINEAR = (
    "While computing the hessian, found that the jacobian of the user-provided function with respect to input {k} is "
    "independent of "
    "the input. This is not allowed in strict mode. You should ensure that your function is twice differentiable and that the "
    "jacobian depends on the inputs (this would be violated by a linear function for example)."
)


def like(v: Any, xs: Tensors, of: str, function: str) -> Tensors:
    """The vectors, of the shapes of what they belong to; ones for a single number."""
    if v is None:
        if len(xs) != 1 or xs[0].numel() != 1:
            raise RuntimeError(f"The vector v can only be None if {of} a single Tensor with a single element.")
        return (from_numpy(np.ones(tuple(xs[0].shape), xs[0].dtype.storage)),)
    _, vs = as_tuple(v, "v", function)
    if len(vs) != len(xs):
        raise RuntimeError(f"v is a tuple of invalid length: should be {len(xs)} but got {len(vs)}.")
    for k, (a, x) in enumerate(zip(vs, xs, strict=True)):
        if a.shape != x.shape:
            where = f"Entry {k} in " if len(xs) > 1 else ""
            raise RuntimeError(f"{where}v has invalid size: should be {x.shape} but got {a.shape}.")
    return vs


def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(*inputs), v times the Jacobian): a gradient for each input, of its shape. v: like the results of `func`.

    >>> import jitgrad.eager as torch
    >>> torch.autograd.functional.vjp(lambda x: x**2, torch.tensor([1.0, 2.0]), torch.tensor([1.0, 10.0]))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    with Mode(grad=True):
        several, given = as_tuple(inputs, "inputs", "vjp")
        ins = fresh(given, create_graph)
        many, outs = called(func, ins, "vjp")
        check_outputs(strict, outs)
        vs = like(v, outs, "the user-provided function returns", "vjp")
        found = gradients(outs, ins, vs, create_graph, strict, INDEPENDENT)
    return outcome(unpacked(many, outs), create_graph), outcome(unpacked(several, found), create_graph)


def jvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(*inputs), the Jacobian times v), by forward mode: a tangent for each result, of its shape. v: like the inputs.

    >>> import jitgrad.eager as torch
    >>> torch.autograd.functional.jvp(lambda x: x**2, torch.tensor([1.0, 2.0]), torch.tensor([1.0, 10.0]))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    with Mode(grad=True):
        _, given = as_tuple(inputs, "inputs", "jvp")
        ins = fresh(given, create_graph) if create_graph else given
        vs = like(v, given, "the input to the user-provided function is", "jvp")
        many, outs, dots = pushed(func, ins, vs, "jvp")
        strictly(strict, dots, INDEPENDENT.replace("input {k}", "the inputs"))
        found = tuple(zeros_of(y._node.aval) if t is None else t for t, y in zip(dots, outs, strict=True))
    return outcome(unpacked(many, outs), create_graph), outcome(unpacked(many, found), create_graph)


def pushed(func: Callable[..., Any], ins: Tensors, vs: Tensors, function: str) -> tuple[bool, Tensors, list[Any]]:
    """The results of the function, and their tangents."""
    with dual_level():
        many, duals = called(func, tuple(make_dual(x, v) for x, v in zip(ins, vs, strict=True)), function)
        pairs = [unpack_dual(y) for y in duals]
    return many, tuple(p.primal for p in pairs), [p.tangent for p in pairs]


def jacobian(
    func: Callable[..., Any], inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """The Jacobian: for a result of shape S and an input of shape T a tensor of shape S + T; a tuple over the results where there
    are several, each a tuple over the inputs where these are a tuple.

    strategy: "reverse-mode" (a sweep for each cell of the results) or "forward-mode" (one for each cell of the inputs; with
    vectorize=True, as in PyTorch). strict: what does not depend on an input is an error, not zeros.

    >>> import jitgrad.eager as torch
    >>> torch.autograd.functional.jacobian(lambda x: x**2, torch.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your function has more outputs '
            'than inputs, '
            '"forward-mode" tends to be more performant. Otherwise, prefer to use "reverse-mode".'
        )
    if strategy == "forward-mode":
        if create_graph:
            raise NotImplementedError(
                'torch.autograd.functional.jacobian: `create_graph=True` and `strategy="forward-mode"` are not '
                'supported together '
                '(yet). Please either set `create_graph=False` or `strategy="reverse-mode"`.'
            )
        if strict:
            raise RuntimeError(
                'torch.autograd.functional.jacobian: `strict=True` and `strategy="forward-mode"` are not supported '
                'together (yet). '
                'Please either set `strict=False` or `strategy="reverse-mode"`.'
            )
        if not vectorize:
            raise NotImplementedError(
                'Computing Jacobian using forward-AD or forward-over-reverse Hessian is only implemented for `vectorize=True`.'
            )
        return forward_jacobian(func, inputs)
    with Mode(grad=True):
        several, given = as_tuple(inputs, "inputs", "jacobian")
        ins = fresh(given, create_graph)
        many, outs = called(func, ins, "jacobian")
        check_outputs(strict, outs)
        blocks = tuple(rows(y, ins, create_graph, strict, k) for k, y in enumerate(outs))
    made = tuple(outcome(unpacked(several, b), create_graph) for b in blocks)
    return made if many else made[0]


def rows(y: Tensor, ins: Tensors, create: bool, strict: bool, k: int) -> Tensors:
    """The Jacobian of one result by each input."""
    found: list[list[Tensor]] = [[] for _ in ins]
    for at in np.ndindex(*y.shape):
        g = np.zeros(tuple(y.shape), y.dtype.storage)
        g[at] = 1
        message = f"Output {k} of the user-provided function is independent of input {{k}}. This is not allowed in strict mode."
        for row, one in zip(found, gradients([y], ins, [from_numpy(g)], create, strict, message), strict=True):
            row.append(one)
    shapes = [(*y.shape, *x.shape) for x in ins]
    pairs = zip(found, shapes, strict=True)
    return tuple(stack(row).reshape(shape) if row else zeros_of(Aval.of(y.dtype, shape)) for row, shape in pairs)


def forward_jacobian(func: Callable[..., Any], inputs: Any) -> Any:
    """One forward sweep for each cell of the inputs."""
    several, ins = as_tuple(inputs, "inputs", "jacobian")
    columns: list[list[list[Tensor]]] = []
    outs: Tensors = ()
    many = False
    for j, x in enumerate(ins):
        mine: list[list[Tensor]] = []
        for at in np.ndindex(*x.shape):
            vs = [np.zeros(tuple(z.shape), z.dtype.storage) for z in ins]
            vs[j][at] = 1
            many, outs, dots = pushed(func, tuple(z.detach() for z in ins), tuple(map(from_numpy, vs)), "jacobian")
            mine.append([zeros_of(y._node.aval) if t is None else t for t, y in zip(dots, outs, strict=True)])
        columns.append(mine)
    blocks = tuple(
        unpacked(several, tuple(
            stack([c[k].detach() for c in mine], -1).reshape(*y.shape, *x.shape) for mine, x in zip(columns, ins, strict=True)
        ))
        for k, y in enumerate(outs)
    )  # fmt: skip
    return blocks if many else blocks[0]


def one_number(outs: Tensors, many: bool, function: str) -> Tensor:
    if many and len(outs) != 1 or outs[0].numel() != 1:
        raise RuntimeError(
            f"The function given to {function} should return a single Tensor"
            if many else f"The Tensor returned by the function given to {function} should contain a single element"
        )
    return outs[0].squeeze() if outs[0].shape else outs[0]


def hessian(
    func: Callable[..., Any], inputs: Any, create_graph: bool = False, strict: bool = False, vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """The Hessian of a function of one element: for an input of shape T a tensor of shape T + T; for a tuple, a tuple of tuples.

    >>> import jitgrad.eager as torch
    >>> torch.autograd.functional.hessian(lambda x: (x**3).sum(), torch.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    several, given = as_tuple(inputs, "inputs", "hessian")

    def gradient(*xs: Tensor) -> Tensors:
        many, outs = called(func, xs, "hessian")
        y = one_number(outs, many, "hessian")
        first = gradients([y], xs, [None], True, False, INDEPENDENT)
        strictly(strict, [g if g.requires_grad else None for g in first], LINEAR)
        return first

    def row(*xs: Tensor) -> Tensors:
        ins = xs if outer_jacobian_strategy == "forward-mode" else tuple(x.view_as(x) for x in xs)
        return gradient(*ins)

    out = jacobian(row, given, create_graph, strict, vectorize, outer_jacobian_strategy)
    return out if several else out[0][0]


def hvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(*inputs), the Hessian times v): forward over reverse. Shapes: those of the inputs.

    >>> import jitgrad.eager as torch
    >>> torch.autograd.functional.hvp(lambda x: (x**3).sum(), torch.tensor([1.0, 2.0]), torch.tensor([1.0, 1.0]))
    (tensor(9.), tensor([ 6., 12.]))
    """
    return _second(func, inputs, v, create_graph, strict, "hvp")


def vhp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(*inputs), v times the Hessian): the same numbers as `hvp`.

    >>> import jitgrad.eager as torch
    >>> torch.autograd.functional.vhp(lambda x: (x**3).sum(), torch.tensor([1.0, 2.0]), torch.tensor([1.0, 1.0]))
    (tensor(9.), tensor([ 6., 12.]))
    """
    return _second(func, inputs, v, create_graph, strict, "vhp")


def _second(func: Callable[..., Any], inputs: Any, v: Any, create: bool, strict: bool, function: str) -> tuple[Any, Any]:
    """The gradient, once more differentiated with the weights v."""
    with Mode(grad=True):
        several, given = as_tuple(inputs, "inputs", function)
        ins = fresh(given, create)
        vs = like(v, ins, "the input to the user-provided function is", function)
        many, outs = called(func, ins, function)
        y = one_number(outs, many, function)
        check_outputs(strict, (y,))
        first = gradients([y], ins, [None], True, strict, INDEPENDENT)
        strictly(strict, [g if g.requires_grad else None for g in first], LINEAR)
        found = gradients(first, ins, vs, create, strict, INDEPENDENT)
    return outcome(unpacked(many, outs), create), outcome(unpacked(several, found), create)


__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]
