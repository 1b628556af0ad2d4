"""What a program is.

    fn    ::= name(var, ...) { let* ; return atom, ... }
    let   ::= var, ... = op[attrs](atom, ...) { fn* }          fn*: the bodies of a construct
    atom  ::= var | literal | size
    type  ::= dtype[dim, ...]
    dim   ::= int | affine form over size symbols, opaque size terms (n*m, n//2) and i64 variables in scope

A program is pure, typed, closed and single-assignment: a `Fn` names every variable it uses (also those in its types), and
so does every `Fn` nested in it; size symbols alone are global to a program. There is no other node type: a loop body is a
`Fn` like any other. A literal with a shape is an array filled with it. Integer index arithmetic that is affine has no
statement: it is a size (`Size(i + 1)`), so that equal indices look equal.

Everything here is immutable, except `Var.hint`, which is a name for the reader and has no meaning.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..errors import Where
from .dims import Dim, DimLike, Sym, of_symbol, substitute, symbols

OPS: dict[str, Op] = {}  # the table of primitives; filled by `jitgrad.ops` at import, read-only afterwards

FLOATS = ("f32", "f64")
EVERY = -1  # in the facts of an op: every argument alike
INTS = ("i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64")
DTYPES = ("bool", *INTS, *FLOATS)


@dataclass(frozen=True)
class Type:
    dtype: str = "f64"
    shape: tuple[DimLike, ...] = ()

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.shape))}]" if self.shape else self.dtype

    @property
    def rank(self) -> int:
        return len(self.shape)

    @cached_property
    def vars(self) -> tuple[Var, ...]:
        """The variables that the shape mentions. (A compilation asks for a hundred thousand times.)"""
        return tuple(s for d in self.shape for s in symbols(d) if isinstance(s, Var))

    @property
    def is_real(self) -> bool:
        """Carries a derivative."""
        return self.dtype in FLOATS

    @property
    def element(self) -> Type:
        return Type(self.dtype)

    def of(self, dtype: str) -> Type:
        return Type(dtype, self.shape)


F64, I64, BOOL = Type("f64"), Type("i64"), Type("bool")


class Var:
    """A variable; equal only to itself. `size`: the symbol that an integer parameter of the program binds."""

    __slots__ = ("hint", "size", "type")

    def __init__(self, type: Type, hint: str = "t", size: Sym | None = None) -> None:
        self.type, self.hint, self.size = type, hint, size

    def __repr__(self) -> str:
        return f"<{self.hint}: {self.type}>"


class Lit:
    """A number; with a shape in its type, the array filled with it. 0.0 and -0.0 differ, nan equals nan, 1 is not True."""

    __slots__ = ("_key", "type", "value")
    hint = "c"

    def __init__(self, value: Any, type: Type) -> None:
        self.value, self.type = value, type
        self._key = (repr(value), type)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lit) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return f"{self.value!r}:{self.type}"

    def has(self, value: float) -> bool:
        """Is it this number? (-0.0 is not 0.0)"""
        return self.value == value and math.copysign(1.0, self.value) == math.copysign(1.0, value)


@dataclass(frozen=True)
class Size:
    """An integer known as an affine form: a size, or an index such as `i + 1`."""

    dim: Dim

    type = I64
    hint = "n"

    @cached_property
    def vars(self) -> tuple[Var, ...]:
        return tuple(s for s in symbols(self.dim) if isinstance(s, Var))

    def __repr__(self) -> str:
        return str(self.dim)


Atom = Var | Lit | Size


@dataclass(frozen=True, eq=False)
class Let:
    outs: tuple[Var, ...]
    op: Op
    args: tuple[Atom, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)  # plain literals: numbers, strings, bools, tuples of these
    fns: tuple[Fn, ...] = ()
    where: Where | None = None


@dataclass(frozen=True, eq=False)
class Fn:
    name: str
    params: tuple[Var, ...]
    lets: tuple[Let, ...]
    results: tuple[Atom, ...]


@dataclass(frozen=True, eq=False)
class Op:
    """One row of the table. A row states facts; how a transform uses them is the transform's business.

    Exactly one fact about derivatives is stated, or the op is a construct (its rules stand in `transform/`):
    `partials`, `linear` with `transposes`, `tangents`, `definition`, or `flat`.
    """

    name: str
    type: Callable[..., tuple[Type, ...]]  # (atoms, fns, **attrs) -> types of the results; raises ShapeError / DTypeError
    numpy: Callable[..., Any]  # (*values, *fns, **attrs): the meaning, and the oracle of every test
    # elementwise: the meaning as Python text over x, z, w, inf, the names of the attributes and those of `emit/vecmath`
    source: str | None = None
    source_ints: str | None = None  # where integers are written differently (vecmath knows floats only)
    sympy: str | Callable[..., Any] | None = None  # and again, in sympy's names, for the cross-check
    # dy/dx_k = partials[k](y, *xs, **attrs); a None among them: zero
    partials: tuple[Callable[..., Any] | None, ...] | None = None
    linear: tuple[tuple[int, ...], ...] = ()  # groups of arguments: the op is linear in each group (multilinear)
    # k -> (g, *args, **attrs): the adjoint of argument k; EVERY -> (k, g, *args, **attrs)
    transposes: Mapping[int, Callable[..., Any]] = field(default_factory=dict)
    # k -> (bar, g, *args, **attrs): the adjoint of argument k added to what there is of it (bar, or None)
    accumulates: Mapping[int, Callable[..., Any]] = field(default_factory=dict)
    # k -> (t, y, *args, **attrs): what a tangent of argument k adds to those of the results, a program linear in t; of
    # several results y is the tuple, and the rule gives a tuple (None: zero). An op may be linear in some arguments and
    # have tangents for others (solve).
    tangents: Mapping[int, Callable[..., Any]] | None = None
    definition: Callable[..., Any] | None = None  # the op as a program of other ops: differentiated in its place
    flat: bool = False  # stated: no derivative (integers, comparisons, floor)
    elementwise: bool = False
    effect: bool = False  # kept even when nothing uses it; never moved out of its branch (check)
    construct: bool = False
    trim: Callable[..., Any] | None = None  # construct: (let, live vars) -> the let without its dead parts
    samples: Any = None  # where the tests of this row are run

    def __repr__(self) -> str:
        return self.name


# ---- atoms, dims and the variables they use


def dim_of(a: Atom) -> DimLike:
    """An integer atom as a dim."""
    if isinstance(a, Lit):
        return int(a.value)
    return a.dim if isinstance(a, Size) else of_symbol(a)


def atom_of(d: DimLike) -> Atom:
    """A dim as an atom: a literal, the variable itself, or a size."""
    if isinstance(d, int):
        return Lit(d, I64)
    if not d.c and len(d.terms) == 1:
        (s, k), = d.terms.items()
        if k == 1 and isinstance(s, Var):
            return s
    return Size(d)


def vars_of(a: Atom) -> Sequence[Var]:
    """The variables that an atom mentions: itself, those of its size, and those of its type."""
    if isinstance(a, Var):
        return (a, *a.type.vars) if a.type.shape else (a,)
    return a.vars if isinstance(a, Size) else a.type.vars


def type_vars(t: Type) -> Sequence[Var]:
    return t.vars


def swap_dim(d: DimLike, env: Mapping[Any, Atom]) -> DimLike:
    return d if isinstance(d, int) else substitute(d, lambda s: dim_of(env[s]) if s in env else None)


def swap_type(t: Type, env: Mapping[Any, Atom]) -> Type:
    """The type with other atoms in the place of its variables."""
    return Type(t.dtype, tuple(swap_dim(d, env) for d in t.shape)) if t.vars else t


def swap_atom(a: Atom, env: Mapping[Any, Atom]) -> Atom:
    if isinstance(a, Var):
        return env.get(a, a)
    if isinstance(a, Size):
        d = swap_dim(a.dim, env)
        return a if d is a.dim else atom_of(d)
    return Lit(a.value, swap_type(a.type, env)) if a.type.vars else a


def zero_of(t: Type) -> Lit:
    return Lit(False if t.dtype == "bool" else 0 if t.dtype in INTS else 0.0, t)


class Absent(float):
    """The zero of an absent derivative: a zero that nobody wrote, so that what multiplies it may be left out."""


def absent(t: Type) -> Lit:
    return Lit(Absent(0.0), t)


def flatten(groups: Iterable[Iterable[Any]]) -> tuple[Any, ...]:
    return tuple(x for g in groups for x in g)
