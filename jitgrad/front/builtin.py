"""Python's own functions, and questions about types and shapes, on stand-ins. Iteration is described, not run.

An `Iteration` is what `range(n)`, `enumerate(x)`, `zip(x, y)` of symbolic length give: its length, and its item at an index.
A `for` asks how long it is; a comprehension takes it apart, which fixes the length.
"""

from __future__ import annotations

import builtins
import copy
import functools
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numba
import numpy as np

from ..errors import Unsupported, raise_at
from ..ir.build import apply
from ..ir.dims import DimLike, combine, largest, smallest, trips
from ..ops.cond import check
from . import promote
from .checkpoint import Checkpoint
from .context import current
from .dispatch import OWN, size_in
from .names import NAMES
from .reshape import as_array, in_one_piece
from .settled import ask_type
from .size import known, number_of_elements, proven, same, static_int
from .standin import Array, Scalar, StandIn, boxed, size_of, unwrap, wrap


@dataclass(frozen=True, eq=False)
class Iteration:
    """`item(k)` for k = 0, 1, ... length - 1."""

    length: DimLike
    item: Callable[[Any], Any]
    name: str = "range"
    start: DimLike = 0  # of a range, which a recorded loop counts itself
    step: int = 1
    stop: DimLike | None = None
    policy: tuple[Any, ...] | None = None  # of the loop that records it
    parallel: bool = False  # may threads share its iterations?

    def __iter__(self) -> Iterator[Any]:
        return (self.item(k) for k in builtins.range(static_int(self.length)))

    def __len__(self) -> int:
        return static_int(self.length)

    def __getitem__(self, k: Any) -> Any:
        return list(self)[k]

    def __bool__(self) -> bool:
        return len(self) > 0


LONG = 8  # a range of more items is described: a `for` records it


def iteration(x: Any) -> Iteration | None:
    """What describes an iterable; None for one that Python iterates as it is."""
    if isinstance(x, np.ndarray):
        x = boxed(x)
    if isinstance(x, Iteration):
        return x
    if isinstance(x, Checkpoint):
        it = iteration(x.range)
        return None if it is None else replace(it, policy=x.policy)
    if isinstance(x, builtins.range):
        return Iteration(len(x), lambda k: x.start + k * x.step, "range", x.start, x.step, x.stop)
    if isinstance(x, Array) and x.dims:
        return Iteration(x.dims[0], lambda k: x[k], "an array")
    return None


def described(x: Any) -> bool:
    """Is it better described than run?"""
    x = x.range if isinstance(x, Checkpoint) else x
    return isinstance(x, (Iteration, Array, np.ndarray)) or (isinstance(x, builtins.range) and len(x) > LONG)


def range_(*args: Any) -> Any:
    numbers = [a if isinstance(a, int) else _integer(a) for a in args]
    if all(isinstance(n, int) for n in numbers):
        return builtins.range(*numbers)  # type: ignore[arg-type]
    start, stop = (0, numbers[0]) if len(numbers) == 1 else numbers[:2]
    if len(numbers) == 3 and not known(numbers[2]):
        return _strided(start, stop, size_of(numbers[2]))
    step = static_int(numbers[2]) if len(numbers) == 3 else 1
    if step == 0:
        raise ValueError("range() arg 3 must not be zero")
    length = trips(start, stop, step) if step > 0 else trips(stop, start, -step)
    return Iteration(length, lambda k: _plus(start, k, step), "range", start, step, stop)


def _strided(start: DimLike, stop: DimLike, step: Any) -> Iteration:
    """A range whose step the program computes, upwards: that is checked when it runs."""
    if (proven(step.dim) or 0) < 1:
        check(apply("ge", step.value, 1), "the step of a range is computed, and not positive", "ValueError")
    count = (size_of(combine(stop, start, -1)) + (step - 1)) // step
    return Iteration(largest(0, count.dim), lambda k: _plus(start, k, step))


def prange(*args: Any) -> Iteration:
    """numba.prange: a range whose iterations threads may share."""
    it = iteration(range_(*args))
    assert it is not None
    return replace(it, parallel=True)


def _integer(x: Any) -> DimLike:
    d = x.dim if isinstance(x, Scalar) else None
    if d is None:
        return operator.index(x)
    return d


def _plus(start: DimLike, k: Any, step: Any) -> Any:
    base = size_of(start)
    return base + k * step


def enumerate_(x: Any, start: Any = 0) -> Any:
    it = iteration(x) if described(x) else None
    if it is None:
        return builtins.enumerate(x, start)
    return Iteration(it.length, lambda k: (start + k, it.item(k)), "enumerate")


def zip_(*xs: Any, strict: bool = False) -> Any:
    if not any(map(described, xs)):
        return builtins.zip(*xs, strict=strict)
    parts = [_of_sequence(x) if (it := iteration(x)) is None else it for x in xs]
    length = parts[0].length
    for p in parts[1:]:
        if not same(length, p.length):
            if strict:
                raise ValueError("zip() arguments have different lengths")
            length = smallest(length, p.length)
    return Iteration(length, lambda k: tuple(p.item(k) for p in parts), "zip")


def _of_sequence(x: Any) -> Iteration:
    items = list(x)
    return Iteration(len(items), lambda k: items[k], "a sequence")


def reversed_(x: Any) -> Any:
    it = iteration(x) if described(x) else None
    if it is None:
        return builtins.reversed(x)
    last = combine(it.length, 1, -1)
    if it.stop is not None and abs(it.step) == 1:
        start, stop = combine(it.stop, it.step, -1), combine(it.start, it.step, -1)
        return Iteration(it.length, lambda k: it.item(size_of(last) - k), "range", start, -it.step, stop)
    return Iteration(it.length, lambda k: it.item(size_of(last) - k), "reversed")


def len_(x: Any) -> Any:
    if isinstance(x, Iteration):
        return size_of(x.length)
    return size_of(x._first()) if isinstance(x, Array) else builtins.len(x)


# ---- types


KINDS: dict[str, tuple[tuple[type, ...], tuple[type, ...]]] = {  # weak, strong
    "f64": ((float,), (np.float64, float)),
    "f32": ((), (np.float32,)),
    "bool": ((bool, int), (np.bool_,)),
    "i64": ((int,), (np.int64,)),
}


def isinstance_(x: Any, kinds: Any) -> bool:
    """As if the stand-in were what it stands for."""
    if not isinstance(x, StandIn):
        return builtins.isinstance(x, kinds)
    return builtins.isinstance(x, kinds) or any(builtins.issubclass(t, kinds) for t in types_of(x))


def types_of(x: StandIn) -> tuple[type, ...]:
    if isinstance(x, Array):
        return (np.ndarray,)
    assert isinstance(x, Scalar)
    ask_type(x.value)
    weak, strong = KINDS.get(x._dtype(), ((), (promote.NUMPY[x._dtype()],)))
    return weak if x.weak else strong


def type_(x: Any, *rest: Any) -> Any:
    return types_of(x)[0] if isinstance(x, StandIn) and not rest else builtins.type(x, *rest)


# ---- sizes


def extreme(pick: Callable[[DimLike, DimLike], DimLike], f: Callable[..., Any]) -> Callable[..., Any]:
    """min and max: of sizes a size."""

    def function(*xs: Any, **kwargs: Any) -> Any:
        cells = list(xs[0]) if len(xs) == 1 and isinstance(xs[0], (list, tuple)) else list(xs)
        dims = [size_in(c) for c in cells]
        if cells and not kwargs and all(d is not None for d in dims):
            return size_of(functools.reduce(pick, dims))  # type: ignore[arg-type]
        if "key" in kwargs:
            raise_at(Unsupported, f"{f.__name__}(..., key=...) of traced values is not supported", repair="np.argmax")
        default = {"default": kwargs["default"]} if "default" in kwargs and not cells else {}
        return f(*xs, **default) if default else wrap(NAMES[f](*map(unwrap, xs)))

    return function


def int_(x: Any = 0, *rest: Any) -> Any:
    return x if size_in(x) is not None else wrap(NAMES[int](unwrap(x), *rest))


def shape_(a: Any) -> tuple[Any, ...]:
    return a.shape if isinstance(a, StandIn) else as_array(a).shape


def size_(a: Any, axis: Any = None) -> Any:
    a = as_array(a)
    return a.shape[promote.axis_of(axis, len(a.dims), "np.size")] if axis is not None else size_of(number_of_elements(a.dims))


def asarray(a: Any, dtype: Any = None, order: Any = None, **kwargs: Any) -> Array:
    """np.asarray: the array itself where it can be."""
    x = as_array(a)
    if dtype is None or promote.dtype_name(dtype) == x._dtype():
        return x.copy() if kwargs.get("copy") else x
    return x.astype(dtype)


def contiguous(order: str) -> Callable[..., Array]:
    """The array itself where it lies so in memory; what cannot be known *may* share memory."""

    def function(a: Any, dtype: Any = None) -> Array:
        x = asarray(a, dtype)
        if not x.dims:
            return x[None]
        if (x.view.is_whole or x.view.block) and (order == "C" or len(x.dims) == 1):
            return x
        return in_one_piece(x, x.dims) if order == "C" else Array.new(x.read(), x.box.name, (x.box,))

    return function


def array_(a: Any, dtype: Any = None, *, copy: Any = True, ndmin: int = 0, **kwargs: Any) -> Array:
    x = asarray(a, dtype)
    while len(x.dims) < ndmin:
        x = x[None]
    return x.copy() if copy is True else x


def of_dtypes(f: Any) -> Callable[..., Any]:
    """Questions about dtypes: asked about empty arrays of these dtypes, or about Python numbers."""

    def ask(x: Any) -> Any:
        if isinstance(x, Scalar):
            ask_type(x.value)
        if isinstance(x, Scalar) and x.weak:
            return promote.PYTHON[x._dtype()]
        return np.empty(0, x.dtype) if isinstance(x, StandIn) else x

    return lambda *xs, **kwargs: f(*map(ask, xs), **kwargs)


def shares_memory(a: Any, b: Any, *args: Any) -> bool:
    return isinstance(a, Array) and isinstance(b, Array) and (a.box is b.box or b.box in a.box.may)


# ---- text


def print_(*xs: Any, **kwargs: Any) -> None:
    """Once, while tracing: what a value is that the program computes, not its number."""
    trace = current()
    before, trace.telling = trace.telling, True
    try:
        builtins.print(*xs, **kwargs)
    finally:
        trace.telling = before


def text(x: Any) -> str:
    """repr: as refused as str."""
    return builtins.str(x) if isinstance(x, StandIn) else builtins.repr(x)


# fmt: off
OWN.update({
    builtins.print: print_, builtins.repr: text, builtins.ascii: text,
    builtins.range: range_, builtins.enumerate: enumerate_, builtins.zip: zip_, builtins.reversed: reversed_,
    numba.prange: prange, builtins.len: len_, builtins.isinstance: isinstance_, builtins.type: type_,
    builtins.min: extreme(smallest, min), builtins.max: extreme(largest, max), builtins.int: int_,
    operator.index: lambda x: x if size_in(x) is not None else operator.index(x),
    copy.copy: lambda x: x.copy(), copy.deepcopy: lambda x, memo=None: x.copy(),
    np.shape: shape_, np.size: size_, np.ndim: lambda a: len(as_array(a).dims),
    np.array: array_, np.asarray: asarray, np.asanyarray: asarray, np.ascontiguousarray: contiguous("C"),
    np.asfortranarray: contiguous("F"),
    np.asarray_chkfinite: asarray, np.require: lambda a, dtype=None, requirements=None: asarray(a, dtype),
    np.iterable: lambda x: bool(x.shape), np.real: lambda x: x, np.isscalar: lambda x: isinstance(x, Scalar),
    np.iscomplexobj: lambda x: False,
    np.isrealobj: lambda x: True, np.shares_memory: shares_memory, np.may_share_memory: shares_memory,
    np.result_type: of_dtypes(np.result_type), np.can_cast: of_dtypes(np.can_cast),
    np.min_scalar_type: of_dtypes(np.min_scalar_type), np.common_type: of_dtypes(np.common_type),
})
# fmt: on

