"""`backward` and `grad`: what is asked of a return sweep, and what it gives."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine import settle, sweep
from ..entry import stored
from ..joining import stack
from ..kernel import Aval
from ..node import Edge, Leaf
from ..tensor import Tensor, of_buffer, zeros_of

CYCLE = (
    "Using backward() with create_graph=True will create a reference cycle between the parameter and its gradient which can "
    "cause a memory leak. We recommend using autograd.grad when creating the graph to avoid this. If you have to use this "
    "function, make sure to reset the .grad fields of your parameters to None after use to break the cycle and avoid the leak."
)


def listed(x: Any) -> list[Any]:
    """One or several, as a list."""
    return [x] if isinstance(x, Tensor) or x is None else list(x)


def roots_of(outputs: Sequence[Tensor], given: Sequence[Tensor | None], create: bool) -> list[tuple[Edge, Tensor]]:
    """The edges to start from, each with the gradient that comes in."""
    roots = []
    if len(outputs) != len(given):
        raise RuntimeError(f"got {len(outputs)} tensors and {len(given)} gradients")
    for k, (y, g) in enumerate(zip(outputs, given, strict=True)):
        edge = y._gradient_edge()
        if edge is None:
            raise RuntimeError(f"element {k} of tensors does not require grad and does not have a grad_fn")
        if g is None:
            g = implicit(y)
        elif g.shape != y.shape:
            raise RuntimeError(
                f"Mismatch in shape: grad_output[{k}] has a shape of {g.shape} and output[{k}] has a shape of {y.shape}."
            )
        elif g.dtype.is_complex != y.dtype.is_complex:
            raise RuntimeError(
                "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in dtype: "
                f"grad_output[{k}] has a dtype of {g.dtype} and output[{k}] has a dtype of {y.dtype}."
            )
        else:
            g = g if create else g.detach()
            g = g if g.dtype is y.dtype else g.to(y.dtype)
        roots.append((edge, g))
    return roots


def targets_of(xs: Sequence[Tensor]) -> list[Edge]:
    """Where the gradients of the inputs arrive."""
    targets = [x._gradient_edge() for x in xs]
    if None in targets:
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    return targets  # type: ignore[return-value]


def implicit(y: Tensor) -> Tensor:
    """The gradient of a scalar with respect to itself."""
    if y.numel() != 1:
        raise RuntimeError("grad can be implicitly created only for scalar outputs")
    if y.dtype.is_complex:
        raise RuntimeError(f"grad can be implicitly created only for real scalar outputs but got {y.dtype}")
    return of_buffer(ones(y._node.aval).copy(), y._node.aval)


@functools.cache
def ones(aval: Aval) -> np.ndarray:
    return stored(np.ones(aval.shape, aval.dtype.compute), aval.dtype)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """The gradients of the outputs (weighted by `grad_outputs`, summed) by each input: a tuple, in the order of the inputs.

    grad_outputs: for each output a tensor of its shape; None for outputs of one element. retain_graph: keep the graph for
    another call (default: create_graph). create_graph: the gradients can be differentiated. allow_unused: None for an input that
    the outputs do not depend on, instead of an error; materialize_grads: zeros.

    >>> import jitgrad.eager as torch
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> torch.autograd.grad((x**2).sum(), x)
    (tensor([2., 4.]),)
    """
    if not only_inputs:
        warnings.warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). To accumulate gradient for other parts of "
            "the graph, please use torch.autograd.backward.",
            FutureWarning,
            stacklevel=2,
        )
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    ys, xs = listed(outputs), listed(inputs)
    given = [None] * len(ys) if grad_outputs is None else listed(grad_outputs)
    if not xs:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    if is_grads_batched:
        return batched(ys, xs, given, retain_graph, create_graph, allow_unused, materialize_grads)
    targets = targets_of(xs)
    roots = roots_of(ys, given, create_graph)
    caught = sweep(roots, create_graph if retain_graph is None else retain_graph, create_graph, targets, held(ys))
    pairs = zip(xs, targets, strict=True)
    return tuple(found(caught.get(e), x, k, allow_unused, materialize_grads) for k, (x, e) in enumerate(pairs))


def held(ys: Sequence[Tensor]) -> list[Any]:
    """The values of the outputs are likely to be read: they are computed with the gradients."""
    return [y._value() for y in ys]


def found(g: Tensor | None, x: Tensor, k: int, allow_unused: bool | None, materialize: bool) -> Tensor | None:
    if g is not None:
        return g
    if materialize:
        return zeros_of(x._node.aval)
    if not allow_unused:
        raise RuntimeError(
            f"The differentiated Tensor at index {k} appears to not have been used in the graph. Set allow_unused=True if this "
            "is the desired behavior."
        )
    return None


def batched(
    ys: list[Tensor],
    xs: list[Tensor],
    given: list[Any],
    retain: bool | None,
    create: bool,
    unused: bool | None,
    materialize: bool,
) -> tuple[Any, ...]:
    """`grad` for each row of `grad_outputs`; the results are stacked."""
    rows = max(g.shape[0] for g in given if g is not None)
    out = []
    for r in range(rows):
        last = r == rows - 1 and not (create if retain is None else retain)
        row = [None if g is None else g[r] for g in given]
        out.append(grad(ys, xs, row, not last, create, True, unused, False, materialize))
    return tuple(None if column[0] is None else stack(list(column)) for column in zip(*out, strict=True))


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Add the gradients of the tensors to the `.grad` of the leaves they depend on (of `inputs` only, if given).

    >>> import jitgrad.eager as torch
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> torch.autograd.backward((x * x).sum())
    >>> x.grad
    tensor([2., 4.])
    """
    if grad_tensors is not None and grad_variables is not None:
        raise RuntimeError(
            "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to `backward()`. Please only use "
            "`grad_tensors`."
        )
    if create_graph:
        warnings.warn(CYCLE, UserWarning, stacklevel=3)
    ys = listed(tensors)
    given = grad_tensors if grad_tensors is not None else grad_variables
    roots = roots_of(ys, [None] * len(ys) if given is None else listed(given), create_graph)
    retain = create_graph if retain_graph is None else retain_graph
    if inputs is None:
        sweep(roots, retain, create_graph, None, held(ys))
        return
    xs = listed(inputs)
    if not xs:
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    targets = targets_of(xs)
    for x in xs:
        x.retain_grad()  # of a leaf nothing, of a result from now on, as in PyTorch
    caught = sweep(roots, retain, create_graph, targets, held(ys))
    for e in dict.fromkeys(targets):
        if isinstance(e, Leaf):
            settle(e, caught.get(e), create_graph)


