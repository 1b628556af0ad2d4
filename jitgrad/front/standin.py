"""What the user's function computes with while it is traced: stand-ins for numbers and arrays.

A `Scalar` is a number of the program; an `Array` is a view of a box, with NumPy's aliasing. What is done to them goes
through `dispatch.call`, which also installs their operators. What needs the number itself (`float(x)`, `if x:`) is
refused, unless it is a size, which is guarded.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from ..errors import ConcretizationError, ShapeError, Unsupported, raise_at
from ..ir.build import Value, size
from ..ir.core import INTS, Lit, dim_of
from ..ir.dims import DimLike
from ..ir.interp import NUMPY
from . import promote
from .captured import adopt
from .context import current, here, line, tracing
from .promote import Operand
from .scope import Box
from .settled import ask_type
from .size import bool_of, known, number_of_elements, static_int
from .source import ELSEWHERE
from .view import View

METHODS: dict[str, Callable[..., Any]] = {}  # of arrays and NumPy's numbers, by name; filled by methods.py
PROPERTIES: dict[str, Callable[[Any], Any]] = {}


class StandIn:
    """What scalars and arrays share: methods by name, and refusals. The operators are installed by `dispatch`."""

    __slots__ = ()
    __array_priority__ = 1000.0

    def operand(self) -> Operand:
        raise NotImplementedError

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(NUMPY[self._dtype()])

    def _dtype(self) -> str:
        raise NotImplementedError

    def __getattr__(self, name: str) -> Any:
        if name in METHODS:
            return partial(METHODS[name], self)
        if name in PROPERTIES:
            here()
            return PROPERTIES[name](self)
        if name.startswith("_") or not hasattr(np.ndarray, name):
            raise AttributeError(f"{describe(self)} has no attribute {name!r}")
        raise_at(Unsupported, f"`.{name}` of an array is not supported", got=describe(self))

    @property
    def _numba_type_(self) -> Any:
        """Asked for by compiled functions, where they are called by code that is not rewritten."""
        refuse_number(
            self,
            "a function compiled by Numba is called on a traced value",
            repair="call it from a function whose source can be read: there its Python is traced",
        )

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        refuse_number(self, "NumPy asks for the numbers of an array")

    def __complex__(self) -> Any:
        refuse_number(self, "complex() asks for a number")

    def __bool__(self) -> bool:
        where = line()
        unread = tracing() and where is not None and where.function in current().unread
        refuse_number(
            self,
            "Python must decide by a value that is computed when the program runs"
            + (f": the source of `{where.function}` cannot be found" if unread and where else ""),
            wanted="a condition that is known while tracing: of sizes, bools and other plain Python values",
            repair=ELSEWHERE if unread else "np.where(condition, x, y)",
        )
        return False

    def __float__(self) -> float:
        return float(self._number("float() asks for a number"))

    def __int__(self) -> int:
        return int(self._number("int() asks for a number"))

    def __index__(self) -> int:
        repair = "index an array, not a list or a tuple; loop over `range`, which is recorded"
        return operator.index(self._number("Python asks for an integer", repair))

    def __hash__(self) -> int:
        return hash(self._number("a dictionary or a set asks for the number"))

    def __format__(self, spec: str) -> str:
        return repr(self) if telling() else format(self._text(), spec)

    def __str__(self) -> str:
        return repr(self) if telling() else str(self._text())

    def _text(self) -> Any:
        return self._number("a text asks for the number", "return the value, and write the text outside of the function")

    def _number(self, headline: str, repair: str = "") -> Any:
        refuse_number(self, headline, repair=repair)

    def __repr__(self) -> str:
        return f"<{describe(self)}>"


class Scalar(StandIn):
    """A number of the program. `weak`: a Python number, which takes the dtype of its partner."""

    __slots__ = ("value", "weak")

    shape: tuple[int, ...] = ()
    ndim = 0
    size = 1

    def __init__(self, value: Value, weak: bool = False) -> None:
        self.value, self.weak = value, weak

    def operand(self) -> Operand:
        return Operand(self.value, self.weak)

    def _dtype(self) -> str:
        return self.value.dtype

    @property
    def dtype(self) -> np.dtype[Any]:
        ask_type(self.value)
        return np.dtype(NUMPY[self._dtype()])

    @property
    def dim(self) -> DimLike | None:
        """The affine form of an integer."""
        return dim_of(self.value.atom) if self.value.dtype == "i64" else None

    @property
    def is_size(self) -> bool:
        """Do the shapes and integer arguments determine it?"""
        d = self.dim
        return d is not None and known(d)

    def __bool__(self) -> bool:
        atom = self.value.atom
        if isinstance(atom, Lit):
            return bool(atom.value)
        return bool_of("ne", self.dim, 0) if self.is_size else super().__bool__()  # type: ignore[arg-type]

    def _number(self, headline: str, repair: str = "") -> Any:
        atom = self.value.atom
        if isinstance(atom, Lit):
            return atom.value
        return static_int(self.dim) if self.is_size else super()._number(headline, repair)  # type: ignore[arg-type]

    def __getitem__(self, key: Any) -> Any:
        if key == () or key is Ellipsis:
            return self
        raise_at(ShapeError, "a number is indexed", wanted="an array", got=describe(self))


class Array(StandIn):
    """A box and what of it is seen."""

    __slots__ = ("box", "view")

    def __init__(self, box: Box, view: View | None = None) -> None:
        self.box, self.view = box, view or View.of(box.type.shape)

    @staticmethod
    def new(value: Value, name: str = "", may: tuple[Box, ...] = ()) -> Array:
        return Array(Box(value, name or value.atom.hint, may))

    def read(self) -> Value:
        return self.view.read(current().scope.read(self.box))

    def operand(self) -> Operand:
        return Operand(self.read())

    def _dtype(self) -> str:
        return self.box.type.dtype

    @property
    def dims(self) -> tuple[DimLike, ...]:
        return self.view.shape

    @property
    def shape(self) -> tuple[Any, ...]:
        return tuple(map(size_of, self.dims))

    @property
    def ndim(self) -> int:
        return len(self.dims)

    @property
    def size(self) -> Any:
        return size_of(number_of_elements(self.dims))

    @property
    def flat(self) -> Any:
        return PROPERTIES["flat"](self)

    @flat.setter
    def flat(self, x: Any) -> None:
        METHODS["flat="](self, x)

    def write(self, x: Any) -> None:
        """`self[...] = x`: converted to the dtype of the array and broadcast to its shape, as NumPy does."""
        here()
        o = unwrap(x)
        o = o if isinstance(o, Operand) else promote.lift(o)
        if o.is_real and self._dtype() in INTS:
            current().note(f"a float is written into `{self.box.name}`, an array of {NUMPY[self._dtype()].__name__}")
        v = _fitted(promote.convert(o, self._dtype()), self.dims, self.box.name)
        scope = current().scope
        scope.write(self.box, self.view.write(scope.read(self.box), v))

    def __len__(self) -> int:
        return static_int(self._first())

    def __iter__(self) -> Iterator[Any]:
        return (self[k] for k in range(static_int(self._first())))

    def _first(self) -> DimLike:
        if not self.dims:
            raise_at(ShapeError, "an array without axes has no length", wanted="an array", got=describe(self))
        return self.dims[0]

    def __bool__(self) -> bool:
        if not self.dims:
            return super().__bool__()
        raise_at(
            ConcretizationError,
            "the truth of an array with more than one element is ambiguous",
            wanted="one bool",
            got=describe(self),
            repair="np.any(x) or np.all(x)",
        )

    def __getitem__(self, key: Any) -> Any:
        return METHODS["__getitem__"](self, key)

    def __setitem__(self, key: Any, x: Any) -> None:
        METHODS["__setitem__"](self, key, x)


def _fitted(v: Value, shape: tuple[DimLike, ...], name: str) -> Value:
    """The value broadcast to a shape that must not grow."""
    while v.rank > len(shape) and promote.is_one(v.shape[0]):
        v = promote.fit(v, v.shape[1:])
    if v.shape == shape:
        return v
    if v.rank <= len(shape) and promote.broadcast_shapes(f"the write to `{name}`", [shape, v.shape]) == shape:
        return promote.spread(v, shape)
    raise_at(
        ShapeError,
        f"what is written does not fit `{name}`",
        wanted=f"the shape {promote.shape_text(shape)}, or one that broadcasts to it",
        got=f"the shape {promote.shape_text(v.shape)}",
    )


def telling() -> bool:
    """May a text tell what a stand-in is? In error messages and what is printed, and where no function is traced."""
    return not tracing() or current().telling


def size_of(d: DimLike) -> Any:
    """A size as the user sees it: a Python int, or a stand-in for one."""
    return d if isinstance(d, int) else Scalar(size(d), weak=True)


def describe(x: Any) -> str:
    if isinstance(x, Array):
        return f"a {x.dtype} array of shape {promote.shape_text(x.dims)}"
    if isinstance(x, Scalar):
        return f"the size {x.dim}" if x.is_size else f"a traced {x.dtype}"
    return type(x).__name__


def refuse_number(x: Any, headline: str, wanted: str = "", repair: str = "") -> Any:
    raise_at(
        ConcretizationError,
        headline,
        wanted=wanted or "a number that is known while tracing",
        got=f"{describe(x)}, which is computed when the program runs",
        repair=repair or "stay with NumPy's functions and operators, which are traced",
    )


# ---- operands and back


def unwrap(x: Any) -> Any:
    """Stand-ins, also in lists, tuples and dicts, as operands. A NumPy array that the trace meets is captured."""
    if isinstance(x, StandIn):
        return x.operand()
    if isinstance(x, np.ndarray):
        return unwrap(boxed(x))
    if isinstance(x, (list, tuple)):
        parts = [unwrap(v) for v in x]
        return type(x)(*parts) if hasattr(x, "_fields") else type(x)(parts)
    if isinstance(x, dict):
        return {k: unwrap(v) for k, v in x.items()}
    return x


def wrap(x: Any) -> Any:
    """Operands as new stand-ins: what has a shape gets a box of its own."""
    if isinstance(x, Operand):
        return Array.new(x.value) if x.rank else _scalar(x)
    if isinstance(x, (list, tuple)):
        parts = [wrap(v) for v in x]
        return type(x)(*parts) if hasattr(x, "_fields") else type(x)(parts)
    return boxed(x) if isinstance(x, np.ndarray) else x


def _scalar(x: Operand) -> Any:
    """A size that folded to a number is a Python number again."""
    atom = x.value.atom
    return atom.value if x.weak and isinstance(atom, Lit) else Scalar(x.value, x.weak)


def boxed(x: np.ndarray) -> Any:
    """An array from outside: a stand-in that reads it, and must not be written."""
    box = adopt(x)
    return Array(box)


def involved(x: Any) -> bool:
    """Is it, or does it hold, a stand-in?"""
    if isinstance(x, (list, tuple)):
        return any(map(involved, x))
    return any(map(involved, x.values())) if isinstance(x, dict) else isinstance(x, StandIn)
