"""What is asked of a random imperative program: every mode and target against plain Python, on floats and on dual numbers.

    `Program.of(text, seed)`     the program, and its truth at any size
    `MODES[name](program)`       AssertionError where it is wrong; False where it is refused
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import jitgrad as jg
from jitgrad.api.derive import Gradient, HessianProduct, Tangent
from jitgrad.api.match import Matcher
from jitgrad.api.vmap import Vectorised
from jitgrad.emit.cpu import MODULES, compile_fn
from jitgrad.emit.python import emit
from jitgrad.errors import AliasError, EscapedError, JitgradError, NotDifferentiable, UnstableError
from jitgrad.front.trace import Traced, trace_call
from jitgrad.ir.core import Fn
from jitgrad.ir.interp import interp
from jitgrad.ir.verify import verify
from jitgrad.lower.schedule import schedule
from jitgrad.transform.pipeline import finished, prepared

from . import plain_runtime, plain_text
from .duals import BUILTINS, Dual, Maths, derivative, second

SIZES = (6, 8, 5)  # traced at the first
FLOATS = (0, 1, 2, 3)
REFUSALS = (AliasError, EscapedError, UnstableError)


def copies(args: Any) -> list[Any]:
    return [a.copy() if isinstance(a, np.ndarray) else a for a in args]


@dataclass(frozen=True)
class Program:
    text: str
    f: Any
    on_duals: Any
    seed: int
    small: bool = True
    dtype: Any = np.float64

    @staticmethod
    def of(text: str, seed: int, small: bool = True, dtype: Any = np.float64) -> Program:
        f = plain_runtime.from_text(text, f"<random program {seed}>", np=np, checkpoint=jg.checkpoint)["f"]
        names = {"np": Maths(), "checkpoint": lambda steps, every: steps, **BUILTINS}
        return Program(text, f, plain_runtime.from_text(text, "<on duals>", **names)["f"], seed, small, dtype)

    def arguments(self, n: int) -> list[Any]:
        r = np.random.default_rng(self.seed + n)
        vector = lambda *shape: r.uniform(-1.2, 1.2, shape).astype(self.dtype)
        return [vector(n), vector(n), vector(n, n), self.number(r.uniform(-1, 1)), 6]

    def number(self, x: float) -> Any:
        return float(x) if self.dtype is np.float64 else self.dtype(x)

    def directions(self, n: int, which: int = 0) -> list[Any]:
        r = np.random.default_rng([self.seed, n, which])
        vector = lambda *shape: r.standard_normal(shape).astype(self.dtype)
        return [vector(n), vector(n), vector(n, n), self.number(r.standard_normal())]

    def value(self, n: int) -> Any:
        """What Python computes; None where it raises IndexError."""
        try:
            return self.f(*copies(self.arguments(n)))
        except IndexError:
            return None

    def trace(self, what: Any, args: Any) -> Traced:
        traced = trace_call(what, args, small_literals=self.small)
        verify(traced.fn)
        return traced


Run = Callable[[Fn], Callable[..., Any]]


def interpreted(fn: Fn) -> Callable[..., Any]:
    return lambda *args: interp(fn, *args)


def as_text(fn: Fn) -> Callable[..., Any]:
    """The generated text, as plain Python in memory full of NaN."""
    text = emit(schedule(fn), MODULES)
    return lambda *args: plain_text.run(text, list(args))


def compiled(fn: Fn) -> Callable[..., Any]:
    return compile_fn(fn).entry


def close(have: Any, want: Any, tolerance: float = 1e-8) -> None:
    np.testing.assert_allclose(have, want, rtol=tolerance, atol=tolerance)


def dot(xs: Any, dots: Any) -> Any:
    return sum(np.sum(x * d) for x, d in zip(xs, dots))


def sizes(p: Program, traced: Traced, leaves: Any = lambda args, dots: args) -> Any:
    """The sizes that the program serves, with the arguments. `leaves`: all arguments of the program."""
    for n in SIZES:
        args = p.arguments(n)
        if p.value(n) is not None and not Matcher.of(traced).refuses(leaves(args, p.directions(n))):
            yield n, args


def refusable(mode: Callable[..., Any]) -> Callable[..., bool]:
    """Refused while tracing is allowed, for the reasons listed. (No argument may reach the result at all.)"""

    def run(p: Program, *more: Any) -> bool:
        assert p.value(SIZES[0]) is not None
        try:
            mode(p, *more)
        except (*REFUSALS, NotDifferentiable):
            return False
        return True

    return run


@refusable
def value(p: Program) -> None:
    traced = p.trace(p.f, p.arguments(SIZES[0]))
    for n, args in sizes(p, traced):
        close(interp(traced.fn, *copies(args), *traced.captured)[0], p.value(n), 1e-9)


@refusable
def gradient(p: Program, run: Run = interpreted) -> None:
    traced = p.trace(Gradient(p.f, FLOATS, with_value=True), p.arguments(SIZES[0]))
    call = run(finished(prepared(traced.fn)))
    for n, args in sizes(p, traced):
        y, *grads = call(*copies(args), *traced.captured)
        dots = p.directions(n)
        want, slope = derivative(p.on_duals, args, dots)
        close(want, p.value(n), 1e-9)
        close(y, want, 1e-9)
        close(dot(grads, dots), slope)


@refusable
def forward(p: Program, run: Run = interpreted) -> None:
    n = SIZES[0]
    traced = p.trace(Tangent(p.f), [tuple(p.arguments(n)), (*p.directions(n), None)])
    call = run(finished(prepared(traced.fn)))
    for n, args in sizes(p, traced, lambda args, dots: [*args, *dots, None]):
        dots = p.directions(n)
        _, slope = call(*copies(args), *dots, *traced.captured)
        close(slope, derivative(p.on_duals, args, dots)[1])


@refusable
def twice(p: Program, reverse: bool = False, run: Run = interpreted) -> None:
    """Hessian times a vector: forward over reverse, or reverse over reverse."""
    n = SIZES[0]

    def slope(x: Any, y: Any, M: Any, c: Any, steps: int, dots: Any) -> Any:
        return dot(Gradient(p.f, FLOATS)(x, y, M, c, steps), dots)

    what = Gradient(slope, FLOATS) if reverse else HessianProduct(p.f)
    apart = lambda args, dots: [*args, dots] if reverse else [tuple(args), (*dots, None)]
    traced = p.trace(what, apart(p.arguments(n), tuple(p.directions(n))))
    call = run(finished(prepared(traced.fn)))
    for n, args in sizes(p, traced, lambda args, dots: [*args, *dots, None]):
        dots, others = p.directions(n), p.directions(n, 1)
        have = dot(call(*copies(args), *dots, *traced.captured), others)
        close(have, second(p.on_duals, args, dots, others), 1e-6)


@refusable
def rows(p: Program, run: Run = interpreted) -> None:
    """vmap of the gradient, over vectors and numbers; the matrix is shared."""
    n, many = SIZES[0], range(3)
    draws = [Program(**{**vars(p), "seed": p.seed + 100 * k}) for k in many]

    def stacked(n: int) -> list[Any]:
        x, y, _, c, _ = zip(*[d.arguments(n) for d in draws])
        return [np.stack(x), np.stack(y), p.arguments(n)[2], np.array(c), 6]

    if any(d.value(n) is None for d in draws):
        return
    traced = p.trace(Vectorised(Gradient(p.f, (0, 1, 3)), (0, 0, None, 0, None)), stacked(n))
    call = run(finished(prepared(traced.fn)))
    args = stacked(n)
    got = call(*copies(args), *traced.captured)
    for k in many:
        x, y, M, c, steps = args
        dots = p.directions(n)
        dots[2] *= 0
        _, want = derivative(p.on_duals, [x[k], y[k], M, float(c[k]), steps], dots)
        close(dot([g[k] for g in got], [dots[0], dots[1], dots[3]]), want)


@refusable
def single(p: Program, run: Run = interpreted) -> None:
    """float32, where no comparison is so close that its rounding decides."""
    p = Program(**{**vars(p), "dtype": np.float32})
    if p.value(SIZES[0]) is None:
        return
    traced = p.trace(Gradient(p.f, FLOATS, with_value=True), p.arguments(SIZES[0]))
    call = run(finished(prepared(traced.fn)))
    for n, args in sizes(p, traced):
        y, *grads = call(*copies(args), *traced.captured)
        dots = p.directions(n)
        Dual.nearest = np.inf
        want, slope = derivative(p.on_duals, args, dots)
        if Dual.nearest > 1e-4:
            assert all(g.dtype == np.float32 for g in grads)
            close(y, want, 1e-3)
            close(dot(grads, dots) / n, slope / n, 2e-3)


MODES: dict[str, Callable[[Program], bool]] = {
    "value": value,
    "gradient": gradient,
    "forward": forward,
    "text": lambda p: gradient(p, as_text),
    "forward text": lambda p: forward(p, as_text),
    "second": twice,
    "reverse over reverse": lambda p: twice(p, True),
    "second text": lambda p: twice(p, False, as_text),
    "vmap": rows,
    "vmap text": lambda p: rows(p, as_text),
    "float32": single,
    "float32 text": lambda p: single(p, as_text),
    "compiled": lambda p: gradient(p, compiled),
}

__all__ = ["MODES", "REFUSALS", "JitgradError", "Program"]
