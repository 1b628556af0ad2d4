"""What an eager operation is: a program of NumPy calls, and everything that follows from it by tracing.

A `Kernel` is a body (a Python function of arrays, in plain NumPy) with its options fixed. The tracer that serves
`@jitgrad.grad` traces it; the types of its results, its meaning on buffers and its pullback (a kernel again, so that it can be
differentiated again) are read off the program. No derivative is written here or in any table of operations.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..api import derive
from ..api.match import Matcher
from ..front.trace import Traced, trace_call
from ..ir.core import Lit, Type
from ..ir.dims import evaluate, solve
from ..ir.interp import NUMPY, interp
from ..ir.walk import definitions, needed, used_in
from ..transform.pipeline import prepared
from . import dtypes
from .dtypes import dtype as DType

Body = Callable[..., Any]

class Aval:
    """The type of a tensor: dtype and shape. Interned: equal ones are the same object."""

    __slots__ = ("compute", "dtype", "numel", "shape", "zero")
    known: dict[tuple[DType, tuple[int, ...]], Aval] = {}

    dtype: DType
    shape: tuple[int, ...]
    compute: tuple[Any, ...]  # dtype and shape of the array that computation sees
    numel: int
    zero: np.ndarray | None

    @staticmethod
    def of(d: DType, shape: tuple[int, ...]) -> Aval:
        found = Aval.known.get((d, shape))
        if found is None:
            found = Aval()
            found.dtype, found.shape, found.zero = d, shape, None
            found.numel = math.prod(shape)
            found.compute = (d.compute, (*shape, 2) if d.is_complex else shape)
            Aval.known[d, shape] = found
        return found

    @property
    def example(self) -> np.ndarray:
        """An array of this type that takes no memory, to trace with."""
        if self.zero is None:
            d, shape = self.compute
            self.zero = np.broadcast_to(np.zeros((), d), shape)
        return self.zero

    def __repr__(self) -> str:
        return f"{self.dtype.name}{list(self.shape)}"


Types = tuple[Any, ...]  # of the inputs: an Aval, or of a Python number its type


class Kernel:
    """A body with its options: `body(*arrays, **options)`. Make one with `kernel`, which interns.

    name: of the node of the graph, as PyTorch calls it: "Add" for AddBackward0, "Sum.1" for SumBackward1. dtypes: of the
    results; None: what the body computes in (low precision is kept if all inputs are low). saves: "result" where
    PyTorch keeps the result for the return
    sweep instead of the inputs. primal, wrt: of a pullback, what it is the pullback of.
    """

    __slots__ = (
        "body", "dtypes", "label", "name", "options", "primal", "pullbacks", "saved", "saves",
        "traces", "types", "wrt", "zeros",
    )  # fmt: skip

    def __init__(self, body: Body, options: dict[str, Any], name: str, out: tuple[DType | None, ...] | None, saves: str) -> None:
        self.body, self.options, self.dtypes, self.saves = body, options, out, saves
        self.name, _, number = name.partition(".")
        self.label = name if name in ("CopySlices", "CopyBackwards") else f"{self.name}Backward{number or 0}"
        self.types: dict[Types, tuple[Aval, ...]] = {}
        self.traces: dict[Any, list[_Trace]] = {}
        self.pullbacks: dict[Any, Kernel] = {}
        self.saved: dict[Types, tuple[bool, ...]] = {}
        self.zeros: dict[Types, tuple[bool, ...]] = {}
        self.primal: Kernel | None = None
        self.wrt: tuple[int, ...] = ()

    def __repr__(self) -> str:
        return f"<kernel {self.name} {self.options or ''}>"

    def __call__(self, *arrays: Any) -> Any:
        """On stand-ins of a running trace, or on arrays."""
        return self.body(*arrays, **self.options) if self.options else self.body(*arrays)

    def infer(self, types: Types) -> tuple[Aval, ...]:
        """The types of the results."""
        found = self.types.get(types)
        if found is None:
            found = self.types[types] = self._infer(types)
        return found

    def _infer(self, types: Types) -> tuple[Aval, ...]:
        if self.primal is not None:
            return self.body.types(types)  # type: ignore[attr-defined]
        low = _low(types)
        examples = [_example(t) for t in types]
        results = self.trace(examples).results(examples)
        outs = []
        for k, (computed, shape) in enumerate(results):
            d = self.dtypes[k] if self.dtypes else None
            if d is None:
                d = low if low is not None and computed == np.float32 else dtypes.BY_NUMPY[computed]
            outs.append(Aval.of(d, shape[:-1] if d.is_complex else shape))
        return tuple(outs)

    def trace(self, arrays: Sequence[Any]) -> _Trace:
        """The program for arrays like these."""
        key = tuple((x.dtype, x.ndim) if isinstance(x, np.ndarray) else type(x) for x in arrays)
        known = self.traces.setdefault(key, [])
        for t in known:
            if not t.matcher.refuses(arrays):
                return t
        known.append(_Trace(trace_call(_Plain(self), tuple(arrays), small_literals=False)))
        return known[-1]

    def run(self, arrays: Sequence[Any]) -> tuple[np.ndarray, ...]:
        """The results for these arrays, computed one primitive after the other."""
        return self.trace(arrays).run(arrays)

    def pullback(self, wrt: tuple[int, ...], given: tuple[bool, ...]) -> Kernel:
        """(inputs, cotangents of the results that are `given`) -> cotangents of the inputs `wrt`."""
        found = self.pullbacks.get((wrt, given))
        if found is None:
            found = self.pullbacks[wrt, given] = Kernel(_Pull(self, wrt, given), {}, self.name + "Backward", None, "")
            found.primal, found.wrt = self, wrt
        return found

    def pushforward(self, wrt: tuple[int, ...]) -> Kernel:
        """(inputs, tangents of the inputs `wrt`) -> tangents of the results that can have one"""
        found = self.pullbacks.get(wrt)
        if found is None:
            found = self.pullbacks[wrt] = Kernel(_Push(self, wrt), {}, self.name + "Forward", None, "")
            found.primal, found.wrt = self, wrt
        return found

    def last_op(self, types: Types) -> str | None:
        """The primitive that computes the first result."""
        fn = self.trace([_example(t) for t in types]).traced.fn
        found = definitions(fn).get(fn.results[0])  # type: ignore[arg-type]
        return None if found is None else found.op.name

    def inputs_saved(self, types: Types) -> tuple[bool, ...]:
        """Which inputs the return sweep reads: what an optimised pullback uses of them beyond their shapes."""
        found = self.saved.get(types)
        if found is None:
            found = self.saved[types] = self._inputs_saved(types)
        return found

    def absent(self, types: Types) -> tuple[bool, ...]:
        """Which results are zero, whatever the inputs are. Of the pullback of a pullback: what does not depend on an input."""
        found = self.zeros.get(types)
        if found is None:
            fn = self.trace([_example(t) for t in types]).traced.fn
            found = self.zeros[types] = tuple(isinstance(r, Lit) and r.has(0.0) for r in prepared(fn).results)
        return found

    def _inputs_saved(self, types: Types) -> tuple[bool, ...]:
        wrt = tuple(k for k, t in enumerate(types) if isinstance(t, Aval) and t.dtype.differentiable)
        outs = self.infer(types)
        given = tuple(o.dtype.differentiable for o in outs)
        if not wrt or not any(given):
            return (False,) * len(types)
        examples = [_example(t) for t in (*types, *(o for o, g in zip(outs, given, strict=True) if g))]
        traced = self.pullback(wrt, given).trace(examples).traced
        fn = needed(prepared(traced.fn))
        used = used_in(fn)
        read = {leaf for leaf, p in zip(traced.dynamic, fn.params, strict=False) if p in used}
        return tuple(isinstance(t, Aval) and k in read for k, t in enumerate(types))


class _Plain:
    """A kernel as the tracer takes it: as it is, without rewriting its source."""

    _jitgrad_trace_ = True

    def __init__(self, k: Callable[..., Any]) -> None:
        self.k, self.__name__ = k, getattr(k, "name", "kernel")

    def __call__(self, *arrays: Any) -> Any:
        return self.k(*arrays)


class _Pull:
    """The body of a pullback."""

    def __init__(self, primal: Kernel, wrt: tuple[int, ...], given: tuple[bool, ...]) -> None:
        self.primal, self.wrt, self.given = primal, wrt, given

    def types(self, types: Types) -> tuple[Aval, ...]:
        return tuple(types[k] for k in self.wrt)

    def __call__(self, *arrays: Any) -> Any:
        n = len(arrays) - sum(self.given)
        xs, gs = arrays[:n], iter(arrays[n:])
        within = [xs[k] for k in self.wrt]

        def varied(*some: Any) -> Any:
            full = list(xs)
            for k, x in zip(self.wrt, some, strict=True):
                full[k] = x
            return self.primal(*full)

        bars = [next(gs) if g else None for g in self.given]
        # A zero derivative is nothing to warn of in a graph: relu has one of second order.
        _, pull = derive.Forward(_Plain(varied), warn=False)(*within)
        out = tuple(pull(tuple(bars) if len(bars) > 1 else bars[0]))
        return out if len(out) > 1 else out[0]


class _Push:
    """The body of a pushforward."""

    def __init__(self, primal: Kernel, wrt: tuple[int, ...]) -> None:
        self.primal, self.wrt = primal, wrt

    def types(self, types: Types) -> tuple[Aval, ...]:
        outs = self.primal.infer(types[: len(types) - len(self.wrt)])
        return tuple(o for o in outs if o.dtype.differentiable)

    def __call__(self, *arrays: Any) -> Any:
        n = len(arrays) - len(self.wrt)
        dots: list[Any] = [None] * n
        for k, dot in zip(self.wrt, arrays[n:], strict=True):
            dots[k] = dot
        moved = derive.Tangent(_Plain(self.primal))(arrays[:n], tuple(dots))[1]
        if not isinstance(moved, tuple):
            return moved
        out = tuple(t for t in moved if t is not None)
        return out if len(out) > 1 else out[0]


class _Trace:
    """A traced kernel, for one rank and dtype of each input and the sizes that its guards admit."""

    def __init__(self, traced: Traced) -> None:
        self.traced, self.matcher = traced, Matcher.of(traced)
        at = iter(range(len(traced.fn.results)))
        self.places = [None if o.kind == "static" else next(at) for o in traced.outs]

    def results(self, arrays: Sequence[Any]) -> list[tuple[np.dtype, tuple[int, ...]]]:
        """dtype and shape of the results for arrays of these shapes."""
        given = [(d, int(arrays[k]) if axis is None else arrays[k].shape[axis]) for k, axis, d in self.traced.bindings]
        sizes = solve(given)
        types = [Type(o.dtype) if k is None else self.traced.fn.results[k].type for o, k in self._outs()]
        return [(np.dtype(NUMPY[t.dtype]), tuple(evaluate(d, sizes.__getitem__) for d in t.shape)) for t in types]

    def run(self, arrays: Sequence[Any]) -> tuple[np.ndarray, ...]:
        out = interp(self.traced.fn, *[arrays[k] for k in self.traced.dynamic], *self.traced.captured)
        return tuple(np.asarray(o.value if k is None else out[k]) for o, k in self._outs())

    def _outs(self) -> Iterator[tuple[Any, int | None]]:
        return zip(self.traced.outs, self.places, strict=True)


def _example(t: Any) -> Any:
    """What to trace with in the place of an input of this type."""
    return t.example if isinstance(t, Aval) else t(1)


def _low(types: Types) -> DType | None:
    """The one dtype of low precision that all floating inputs have, if they do."""
    found = {t.dtype for t in types if isinstance(t, Aval) and t.dtype.is_floating_point}
    only = next(iter(found)) if len(found) == 1 else None
    return only if only in (dtypes.float16, dtypes.bfloat16) else None


_interned: dict[Any, Kernel] = {}


def kernel(body: Body, name: str = "", out: tuple[DType | None, ...] | None = None, saves: str = "", **options: Any) -> Kernel:
    """The kernel of this body with these options (hashable)."""
    key = (body, name, out, tuple(options.items()))
    found = _interned.get(key)
    if found is None:
        found = _interned[key] = Kernel(body, options, name or body.__name__.strip("_").capitalize(), out, saves)
    return found
