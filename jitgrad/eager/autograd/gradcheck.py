"""`gradcheck` and `gradgradcheck`: derivatives against central differences, with PyTorch's messages.

For a real result r of a complex input x + iy both sides are dr/dx + i dr/dy; complex results are checked by their imaginary and
their real part.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import dtypes
from ..engine import PULL
from ..interop import from_numpy
from ..modes import Mode
from ..node import Part
from ..tensor import Tensor
from .forward_ad import dual_level, make_dual, unpack_dual
from .function import Custom
from .gradients import grad

DETERMINISM = """Backward is not reentrant, i.e., running backward with same input and grad_output multiple times gives different values, although analytical gradient matches numerical gradient.The tolerance for nondeterminism was {tol}.

NOTE: If your op relies on non-deterministic operations i.e., it is listed here:
https://pytorch.org/docs/stable/generated/torch.use_deterministic_algorithms.html
this failure might be expected.

If you are adding a new operator, please file an issue and then use one of the
workarounds. The workaround depends on how your test invokes gradcheck/gradgradcheck.
If the test
- manually invokes gradcheck/gradgradcheck, then call gradcheck/gradgradcheck
  with `nondet_tol=<tol>` as a keyword argument.
- is OpInfo-based (e.g., in test_ops_gradients.py), then modify the OpInfo for the test
  to have `gradcheck_nondet_tol=<tol>`.
- is a Module test (e.g., in common_nn.py), then modify the corresponding
  module_test entry to have `gradcheck_nondet_tol=<tol>`
"""  # noqa: E501
NOTES = "Please look at 'Notes about undefined output gradients' in 'tools/autograd/derivatives.yaml'"


class GradcheckError(RuntimeError):
    """A derivative that is not that of the function."""


@dataclass(frozen=True)
class Check:
    """What is checked: a function at its inputs."""

    f: Callable[..., Any]
    inputs: tuple[Any, ...]
    eps: float
    atol: float
    rtol: float

    @property
    def differentiable(self) -> list[tuple[int, Tensor]]:
        return [(k, x) for k, x in enumerate(self.inputs) if isinstance(x, Tensor) and x.requires_grad]

    def outputs(self) -> tuple[Tensor, ...]:
        got = self.f(*self.inputs)
        return tuple(got) if isinstance(got, (tuple, list)) else (got,)

    def values(self, places: Sequence[int]) -> list[np.ndarray]:
        with Mode(grad=False):
            outs = self.outputs()
        return [np.array(outs[k].detach().numpy()) for k in places]

    def numerical(self, x: Tensor, places: Sequence[int]) -> list[np.ndarray]:
        """For each result the matrix (cells of x, cells of the result) of central differences."""
        memory = x.detach().numpy()
        rows = [self._row(memory, at, places) for at in np.ndindex(*memory.shape)]
        sizes = [y.size for y in self.values(places)]
        parts = 2 if memory.dtype.kind == "c" else 1
        return [np.array([r[k] for r in rows]).reshape(len(rows), parts * n) for k, n in enumerate(sizes)]

    def _row(self, memory: np.ndarray, at: tuple[int, ...], places: Sequence[int]) -> list[np.ndarray]:
        real = self._differences(memory, at, places, self.eps)
        if memory.dtype.kind != "c":
            return real
        imaginary = self._differences(memory, at, places, self.eps * 1j)
        return [np.stack([a, b]) for a, b in zip(real, imaginary, strict=True)]

    def _differences(self, memory: np.ndarray, at: tuple[int, ...], places: Sequence[int], step: Any) -> list[np.ndarray]:
        old = memory[at]
        memory[at] = old - step
        low = self.values(places)
        memory[at] = old + step
        high = self.values(places)
        memory[at] = old
        return [((b - a) / (2 * self.eps)).reshape(-1) for a, b in zip(low, high, strict=True)]


def analytical(y: Tensor, xs: Sequence[Tensor], seed: complex) -> list[np.ndarray]:
    """For each input the matrix of its gradients, one column for each cell of the result."""
    columns: list[list[np.ndarray]] = [[] for _ in xs]
    for at in np.ndindex(*y.shape):
        g = np.zeros(tuple(y.shape), y.dtype.storage)
        g[at] = seed
        for column, found, x in zip(columns, grad(y, list(xs), from_numpy(g), True, allow_unused=True), xs, strict=True):
            column.append(np.zeros(x.numel(), x.dtype.storage) if found is None else found.detach().numpy().reshape(-1))
    return [np.array(c).reshape(-1, x.numel()).T for c, x in zip(columns, xs, strict=True)]


def forward(check: Check, x: Tensor, places: Sequence[int]) -> list[np.ndarray]:
    """For each result the matrix of directional derivatives, one row for each cell of the input."""
    rows: list[list[np.ndarray]] = [[] for _ in places]
    for at in np.ndindex(*x.shape):
        v = np.zeros(tuple(x.shape), x.dtype.storage)
        v[at] = 1
        with dual_level():
            given = tuple(make_dual(x.detach(), from_numpy(v)) if z is x else z for z in check.inputs)
            outs = replace(check, inputs=given).outputs()
            for row, k in zip(rows, places, strict=True):
                dot = unpack_dual(outs[k]).tangent
                row.append(np.zeros(outs[k].numel()) if dot is None else dot.detach().numpy().reshape(-1))
    return [np.array(r) for r in rows]


def gradcheck(
    func: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Do the gradients of `func` agree with central differences? Raises `GradcheckError` (or gives False) if not.

    inputs: a tensor or a tuple; those that require a gradient are checked, in double precision. Every cell is checked, with
    `fast_mode` too. check_forward_ad: forward mode as well.

    >>> import jitgrad.eager as torch
    >>> torch.autograd.gradcheck(torch.sin, torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True))
    True
    """
    if not (check_backward_ad or check_forward_ad):
        raise AssertionError("Expected at least one of check_forward_ad or check_backward_ad to be True")
    given = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    check = Check(func, given, eps, atol, rtol)
    run = functools.partial(_gradcheck, check, nondet_tol, check_undefined_grad, check_forward_ad, check_backward_ad)
    if raise_exception:
        run()
        return True
    try:
        run()
    except GradcheckError:
        return False
    return True


def _gradcheck(check: Check, nondet_tol: float, undefined: bool, forward_ad: bool, backward_ad: bool) -> None:
    check_inputs(check)
    outs = check.outputs()
    places = [k for k, y in enumerate(outs) if y.requires_grad]
    if not places:
        check_flat(check, [k for k, y in enumerate(outs) if y.dtype.differentiable])
        return
    numerical = [check.numerical(x, places) for _, x in check.differentiable]
    for part in ("imaginary", "real", ""):
        for j, k in enumerate(places):
            if outs[k].dtype.is_complex != bool(part):
                continue
            wanted = [part_of(n[j], part, x) for n, (_, x) in zip(numerical, check.differentiable, strict=True)]
            if backward_ad:
                check_backward(check, outs[k], k, wanted, part, nondet_tol)
            if forward_ad:
                check_forward(check, k, wanted, part)
    if undefined and backward_ad:
        check_undefined(outs)


def part_of(n: np.ndarray, part: str, x: Tensor) -> np.ndarray:
    """The derivative of a part of the result: dr/dx + i dr/dy of a complex input."""
    if x.dtype.is_complex:
        n = n.reshape(x.numel(), 2, -1)
    r = n.imag if part == "imaginary" else n.real if part == "real" else n
    return r[:, 0] + 1j * r[:, 1] if x.dtype.is_complex else r


def check_inputs(check: Check) -> None:
    if not check.differentiable:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True."
        )
    for k, x in check.differentiable:
        if x.dtype not in (dtypes.float64, dtypes.complex128):
            warnings.warn(
                f"Input #{k} requires gradient and is not a double precision floating point or complex. This check will likely "
                "fail if all the inputs are not of double precision floating point or complex. ",
                UserWarning,
                stacklevel=4,
            )
        if any(n > 1 and s == 0 for n, s in zip(*x._layout()[:2], strict=True)):
            raise RuntimeError(
                f"The {k}th input has a dimension with stride 0. gradcheck only supports inputs that are "
                f"non-overlapping to be able "
                "to compute the numerical gradients correctly. You should call .contiguous on the input before passing it to "
                "gradcheck."
            )


def check_flat(check: Check, places: Sequence[int]) -> None:
    for _, x in check.differentiable:
        if any(np.any(np.abs(n) > check.atol) for n in check.numerical(x, places)):
            raise GradcheckError("Numerical gradient for function expected to be zero")


def check_backward(check: Check, y: Tensor, k: int, wanted: Sequence[np.ndarray], part: str, tol: float) -> None:
    xs = [x for _, x in check.differentiable]
    seed = 1j if part == "imaginary" else 1
    found, once_more = analytical(y, xs, seed), analytical(y, xs, seed)
    for (i, _), a, n in zip(check.differentiable, found, wanted, strict=True):
        compare(check, a, n, k, i, part, "")
    for a, b in zip(found, once_more, strict=True):
        # A structure runs interpreted the first time and compiled from then on, which rounds differently.
        rounding = 64 * np.finfo(a.dtype).eps * np.max(np.abs(a), initial=0.0)
        if np.max(np.abs(a - b), initial=0.0) > tol + rounding:
            raise GradcheckError(DETERMINISM.format(tol=tol))


def check_forward(check: Check, k: int, wanted: Sequence[np.ndarray], part: str) -> None:
    for (i, x), n in zip(check.differentiable, wanted, strict=True):
        if x.dtype.is_complex or part:
            raise NotImplementedError("check_forward_ad of complex inputs or results is not supported; check backward mode")
        (found,) = forward(check, x, [k])
        compare(check, found, n, k, i, part, "computed with forward mode ")


def compare(check: Check, a: np.ndarray, n: np.ndarray, k: int, i: int, part: str, mode: str) -> None:
    if np.allclose(n, a, check.rtol, check.atol):
        return
    prefix = f"While considering the {part} part of complex outputs only, " if part else ""
    raise GradcheckError(
        f"{prefix}Jacobian {mode}mismatch for output {k} with respect to input {i},\n"
        f"numerical:{from_numpy(np.ascontiguousarray(n))}\nanalytical:{from_numpy(np.ascontiguousarray(a))}\n"
    )


def check_undefined(outs: Sequence[Tensor]) -> None:
    """A backward of the user's must take None where a result has no gradient."""
    for y in outs:
        edge = y._gradient_edge()
        whole = edge.edges[0] if isinstance(edge, Part) else edge
        if not isinstance(whole, Custom):
            continue
        try:
            got = PULL[Custom](whole, [None] * whole.results, [True] * len(whole.edges))
        except Exception as e:
            raise GradcheckError(f"Expected backward function to handle undefined output grads. {NOTES}") from e
        if any(g is not None and np.any(g.detach().numpy() != 0) for g in got):
            raise GradcheckError(
                f"Expected all input grads to be undefined or zero when all output grads are undefined or zero. {NOTES}"
            )


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Do the second derivatives of `func` agree with central differences of the first? As `gradcheck`.

    >>> import jitgrad.eager as torch
    >>> torch.autograd.gradgradcheck(torch.sin, torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True))
    True
    """
    if not (check_fwd_over_rev or check_rev_over_rev):
        raise AssertionError("Expected at least one of check_fwd_over_rev or check_rev_over_rev to be True")
    given = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    outs = Check(func, given, eps, atol, rtol).outputs()
    places = [k for k, y in enumerate(outs) if y.requires_grad]
    if grad_outputs is None:
        gs = tuple(random_like(outs[k], k) for k in places)
    else:
        gs = (grad_outputs,) if isinstance(grad_outputs, Tensor) else tuple(grad_outputs)
    n = len(gs)

    def gradients(*args: Any) -> Any:
        with Mode(grad=True):
            every = Check(func, args[:-n], eps, atol, rtol)
            found = every.outputs()
            xs = [x for _, x in every.differentiable]
            got = grad([found[k] for k in places], xs, list(args[-n:]), create_graph=True, allow_unused=True)
        return tuple(g for g in got if g is not None)

    return gradcheck(
        gradients, (*given, *gs), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception, nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad, check_forward_ad=check_fwd_over_rev, check_backward_ad=check_rev_over_rev,
    )  # fmt: skip


def random_like(y: Tensor, seed: int) -> Tensor:
    """A tensor of the type of `y` with numbers that are always the same."""
    draw = np.random.default_rng(seed).standard_normal
    g = draw(tuple(y.shape)) + (1j * draw(tuple(y.shape)) if y.dtype.is_complex else 0)
    return from_numpy(np.asarray(g, y.dtype.storage)).requires_grad_()


__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]
