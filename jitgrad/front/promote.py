"""Operands, NumPy 2 promotion and broadcasting: what every function of the NumPy surface does first.

An `Operand` is a value of the program and whether it is *weak*: it came from a Python number, so it takes the dtype of
its partner (`2.0 * x` is float32 for a float32 `x`). `together` brings operands to one dtype and one shape, writing every
conversion and every broadcast as a statement. Promotion asks NumPy itself, so that it cannot differ from it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import ConcretizationError, DTypeError, ShapeError, Unsupported, raise_at
from ..ir.build import Value, literal, size, value
from ..ir.core import FLOATS, INTS, Lit, Size, Type, dim_of
from ..ir.dims import Dim, DimLike, parts, substitute
from ..ir.interp import NUMPY
from ..ops import array
from . import size as sizes
from .size import same

MAX_CONSTANT = 4096  # elements of a NumPy array that is written into the program number by number

NAME_OF: dict[np.dtype[Any], str] = {np.dtype(t): name for name, t in NUMPY.items()}
PYTHON = {"bool": False, "i64": 0, "f64": 0.0}  # the Python number that a weak operand stands for


@dataclass(frozen=True, eq=False)
class Operand:
    """A value of the program; `weak`: it came from a Python number, and does not widen its partners."""

    value: Value
    weak: bool = False

    @property
    def shape(self) -> tuple[DimLike, ...]:
        return self.value.shape

    @property
    def rank(self) -> int:
        return self.value.rank

    @property
    def dtype(self) -> str:
        return self.value.dtype

    @property
    def is_real(self) -> bool:
        return self.value.type.is_real

    def __bool__(self) -> bool:
        """Of an option such as `keepdims`: it must be known."""
        atom = self.value.atom
        if isinstance(atom, Lit) and not self.rank:
            return bool(atom.value)
        raise_at(
            ConcretizationError,
            "an option is computed when the program runs",
            wanted="True or False",
            got=kind_of(self),
            repair="make it a static argument: a Python bool",
        )


# ---- from Python to operands


def lift(x: Any) -> Operand:
    """An operand of an operand, a number, a size, an array of numbers, or nested lists of these."""
    if isinstance(x, Operand):
        return x
    for kinds, convert in LIFTS:
        if isinstance(x, kinds):
            return convert(x)
    raise_at(DTypeError, "this is not a number or an array", wanted="a number, an array, or lists of these", got=kind_of(x))


def strong(x: Any) -> Operand:
    """What `np.asarray(x)` is: there a Python number counts as float64, int64 or bool."""
    o = lift(x)
    return Operand(o.value) if o.weak else o


def kind_of(x: Any) -> str:
    """How a message calls a value."""
    if isinstance(x, Operand):
        return f"{NUMPY[x.dtype].__name__}" + (f" of shape {shape_text(x.shape)}" if x.rank else "")
    return f"{x!r} ({type(x).__name__})" if isinstance(x, (str, int, float, tuple, type(None))) else type(x).__name__


def shape_text(shape: Sequence[DimLike]) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def _python_number(x: Any) -> Operand:
    return Operand(Value(literal(x)), weak=True)


def _numpy_number(x: Any) -> Operand:
    return Operand(Value(literal(x.item(), Type(dtype_name(x.dtype)))))


def _complex(x: Any) -> Operand:
    raise_at(DTypeError, "complex numbers are not supported here", got=repr(x), repair="carry the real and imaginary parts")


def _ndarray(x: np.ndarray) -> Operand:
    """A small array that NumPy made while the function was traced, written out."""
    if x.size > MAX_CONSTANT:
        raise_at(
            Unsupported,
            f"an array of {x.size} constants would be written into the program",
            wanted=f"at most {MAX_CONSTANT} elements",
            repair="make it outside of the function, or pass it as an argument",
        )
    return array_of(x.tolist() if x.ndim else x[()], dtype_name(x.dtype)) if x.size else _empty(x)


def _empty(x: np.ndarray) -> Operand:
    return Operand(value(0, Type(dtype_name(x.dtype), x.shape)))


LIFTS: list[tuple[Any, Callable[[Any], Operand]]] = [
    (np.generic, _numpy_number),  # before float: np.float64 is one, and is not weak
    ((bool, int, float), _python_number),
    (Dim, lambda d: Operand(size(d), weak=True)),
    (Value, Operand),
    (np.ndarray, _ndarray),
    ((list, tuple), lambda x: array_of(x)),
    (complex, _complex),
]


def array_of(x: Any, dtype: str | None = None) -> Operand:
    """`np.array(x)` of nested lists of numbers, operands and arrays."""
    leaves: list[Operand] = []
    shape = _flatten(x, leaves)
    if not leaves:
        return Operand(value(0, Type(dtype or "f64", shape)))
    dtype = dtype or result_dtype(*leaves)
    cells = [convert(o, dtype) for o in leaves]
    inner = broadcast_shapes("np.array", [c.shape for c in cells], stretch=False)
    if not shape:
        return Operand(cells[0])
    return Operand(array.reshape(array.concat(_runs([fit(c, inner) for c in cells]), 0), (*shape, *inner)))


def _flatten(x: Any, leaves: list[Operand]) -> tuple[int, ...]:
    """The operands in nested lists, in order, and the shape of the nest."""
    if not isinstance(x, (list, tuple)):
        leaves.append(strong(x))
        return ()
    shapes = [_flatten(y, leaves) for y in x]
    if any(s != shapes[0] for s in shapes):
        raise_at(ShapeError, "np.array of lists of different lengths", wanted="rows of equal length", got=f"{shapes}")
    return (len(x), *(shapes[0] if shapes else ()))


def _runs(cells: Sequence[Value]) -> list[Value]:
    """The cells, each with a leading axis of 1; equal literals that follow each other are one literal."""
    out: list[Value] = []
    for c in cells:
        last = out[-1].atom if out else None
        if isinstance(c.atom, Lit) and isinstance(last, Lit) and Lit(last.value, c.type) == c.atom:
            out[-1] = Value(Lit(last.value, Type(c.dtype, (last.type.shape[0] + 1, *c.shape))))
        else:
            out.append(array.reshape(c, (1, *c.shape)))
    return out


# ---- what must be known when the program is traced


def static_int(x: Any, what: str) -> int:
    """An integer that is known while tracing, such as an axis. Of a size its number is taken, which is guarded."""
    d: Any = x
    if isinstance(x, Operand) and not x.rank and x.dtype in INTS:
        d = dim_of(array.cast(x.value, "i64").atom)
    if isinstance(d, Dim) and sizes.known(d):
        return sizes.static_int(d)
    try:
        return operator.index(d)
    except TypeError:
        pass
    computed = isinstance(x, (Operand, Dim))
    raise_at(
        ConcretizationError if computed else DTypeError,
        f"{what} must be {'known when the function is traced' if computed else 'an integer'}",
        wanted="a Python integer",
        got=kind_of(x),
        repair="write the number, or make it a size or an integer argument" if computed else "",
    )


def dim(x: Any, what: str = "a size") -> DimLike:
    """An integer, known or not, as a size."""
    if isinstance(x, (int, Dim)) and not isinstance(x, bool):
        return x
    o = lift(x)
    if o.rank or o.dtype not in INTS:
        raise_at(DTypeError, f"{what} must be an integer", wanted="an integer", got=kind_of(x))
    return dim_of(array.cast(o.value, "i64").atom)


def dims(shape: Any, what: str = "a shape") -> tuple[DimLike, ...]:
    """`n`, `(n, m)`, or an array of a known number of them, as a shape."""
    return tuple(dim(d, what) for d in shape) if isinstance(shape, (tuple, list)) else (dim(shape, what),)


def count(x: Any, what: str = "a size") -> DimLike:
    """How many elements there are to be along an axis: not negative."""
    return sizes.counted(dim(x, what), what)


def counts(shape: Any) -> tuple[DimLike, ...]:
    """The shape of a new array."""
    return tuple(sizes.counted(d, "a size") for d in dims(shape))


def known(x: Any) -> int | float | None:
    """The number of a rank-0 literal; None if the program computes it."""
    atom = lift(x).value.atom
    return atom.value if isinstance(atom, Lit) and not atom.type.shape else None


# ---- dtypes


def dtype_name(dtype: Any) -> str:
    """The IR's name of a NumPy dtype, however it is written."""
    if isinstance(dtype, str) and dtype in NUMPY:
        return dtype
    try:
        d = np.dtype(dtype)
    except TypeError:
        d = None
    if d not in NAME_OF:
        raise_at(DTypeError, f"the dtype {dtype!r} is not supported", wanted=", ".join(t.__name__ for t in NUMPY.values()))
    return NAME_OF[d]


def result_dtype(*xs: Operand) -> str:
    """The dtype of an operation on them, by NumPy's own rule (weak operands as Python numbers)."""
    return _result(tuple((x.dtype, x.weak and x.dtype in PYTHON) for x in xs))


@lru_cache(maxsize=4096)
def _result(kinds: tuple[tuple[str, bool], ...]) -> str:
    found = np.result_type(*[PYTHON[d] if weak else np.dtype(NUMPY[d]) for d, weak in kinds])
    return dtype_name(found)


def all_weak(*xs: Operand) -> bool:
    return all(x.weak for x in xs)


def convert(x: Operand, dtype: str) -> Value:
    """The value in another dtype. A Python integer that does not fit is refused, as NumPy does."""
    atom = x.value.atom
    if x.weak and dtype in INTS and isinstance(atom, Lit) and not _fits(atom.value, dtype):
        raise_at(DTypeError, f"the Python integer {atom.value} does not fit {NUMPY[dtype].__name__}")
    return array.cast(x.value, dtype)


def _fits(n: Any, dtype: str) -> bool:
    info = np.iinfo(NUMPY[dtype])
    return not isinstance(n, int) or info.min <= n <= info.max


def float_dtype(x: Operand) -> str:
    """Floats stay what they are; everything else becomes float64."""
    return x.dtype if x.dtype in FLOATS else "f64"


def to_float(x: Any) -> Value:
    o = lift(x)
    return convert(o, float_dtype(o))


# ---- shapes


def is_one(d: DimLike) -> bool:
    return d == 1 if isinstance(d, int) else sizes.known(d) and same(d, 1)


def broadcast_shapes(name: str, shapes: Sequence[tuple[DimLike, ...]], stretch: bool = True) -> tuple[DimLike, ...]:
    """The common shape; without `stretch` they must be equal."""
    rank = max(map(len, shapes), default=0)
    if not stretch and any(len(s) != rank for s in shapes):
        _mismatch(name, shapes)
    out: list[DimLike] = []
    for k in range(rank, 0, -1):
        here = [s[-k] for s in shapes if len(s) >= k]
        out.append(_common(name, here, shapes, stretch))
    return tuple(out)


def _common(name: str, here: Sequence[DimLike], shapes: Sequence[tuple[DimLike, ...]], stretch: bool) -> DimLike:
    first = here[0]
    if all(d == first for d in here):
        return first
    wide = [d for d in here if not (stretch and is_one(d))] or [1]
    if not all(d == wide[0] or same(d, wide[0]) for d in wide):
        _mismatch(name, shapes)
    return next((d for d in wide if isinstance(d, int)), wide[0])


def _mismatch(name: str, shapes: Sequence[tuple[DimLike, ...]]) -> None:
    raise_at(
        ShapeError,
        f"shapes do not fit in {name}",
        wanted="equal sizes along every axis, or 1" if name != "np.array" else "elements of one shape",
        got=" and ".join(map(shape_text, dict.fromkeys(shapes))),
        note=sized([d for s in shapes for d in s]),
    )


def sized(shape: Sequence[DimLike]) -> str:
    """What the symbols in a shape were in the call being traced: `n = 3, m = 4`."""
    seen: dict[str, int] = {}

    def look(s: Any) -> None:
        if getattr(s, "example", None) is not None:
            seen[s.name] = s.example

    for d in shape:
        substitute(d, look) if parts(d)[0] else None
    return ", ".join(f"{name} = {n}" for name, n in seen.items())


def fit(x: Value, shape: tuple[DimLike, ...]) -> Value:
    """The value with its sizes written like those of `shape`, to which they are equal."""
    return x if x.shape == shape else array.reshape(x, shape)


def spread(x: Value, shape: tuple[DimLike, ...]) -> Value:
    """`x` broadcast to a shape that `broadcast_shapes` gave: axes of size 1 go, new axes come."""
    if x.shape == shape:
        return x
    first = len(shape) - x.rank
    kept = [k for k, d in enumerate(x.shape) if d == shape[first + k] or not is_one(d)]
    if first < 0 or not all(same(x.shape[k], shape[first + k]) for k in kept):
        _mismatch("a broadcast", (x.shape, shape))
    if isinstance(x.atom, Lit):
        return value(x.atom.value, Type(x.dtype, shape))
    body = array.reshape(x, tuple(shape[first + k] for k in kept))
    return array.broadcast(body, shape, tuple(first + k for k in kept))


def together(*xs: Any, name: str = "the operation", dtype: str | None = None) -> list[Value]:
    """The values in one dtype (by default NumPy's result type) and one shape."""
    operands = [lift(x) for x in xs]
    dtype = dtype or result_dtype(*operands)
    shape = broadcast_shapes(name, [o.shape for o in operands])
    return [spread(convert(o, dtype), shape) for o in operands]


def axis_of(axis: Any, rank: int, name: str) -> int:
    k = static_int(axis, f"the axis of {name}")
    if not -rank <= k < rank:
        raise_at(ShapeError, f"{name} has no axis {k} here", wanted=f"an axis of an array of {rank} dimensions", got=str(k))
    return k % rank


def axes_of(axis: Any, rank: int, name: str) -> tuple[int, ...]:
    """`None` (every axis), an axis, or a tuple of them; sorted."""
    if axis is None:
        return tuple(range(rank))
    given = axis if isinstance(axis, (tuple, list)) else (axis,)
    out = [axis_of(k, rank, name) for k in given]
    if len(set(out)) != len(out):
        raise_at(ShapeError, f"an axis is repeated in {name}", got=str(tuple(given)))
    return tuple(sorted(out))


__all__ = ["Operand", "Size", "lift", "together"]
