"""The only way to make a program: run a Python function on `Value`s.

A `Scope` is a program being written. `bind` appends a statement to it; what a nested body takes from outside is captured
by `trace_open` and becomes its last parameters, with the sizes in its types. `replay` writes a finished program again
into the one being written, which is how every transform works.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn, TypeVar

from ..errors import EscapedError, InternalError, raise_at
from .core import (
    I64,
    INTS,
    OPS,
    Atom,
    Fn,
    Let,
    Lit,
    Op,
    Size,
    Type,
    Var,
    Where,
    atom_of,
    dim_of,
    swap_atom,
    swap_type,
    type_vars,
    vars_of,
)
from .dims import Dim, DimLike, low, opaque, symbols

S = TypeVar("S", bound="Scope")

_scope: ContextVar[Scope | None] = ContextVar("scope", default=None)


class Scope:
    """The program being written: its variables, its statements, and what it took from outside."""

    def __init__(self) -> None:
        self.own: set[Var] = set()
        self.lets: list[Let] = []
        self.captured: dict[Var, Var] = {}  # outer variable -> the parameter that stands for it
        self.names: dict[Var, Var] = {}  # the same, by every name that a scope around has for it
        self.where: Where | None = None
        self.parent = _scope.get()

    def param(self, like: Var) -> Var:
        v = Var(self.close(like.type), like.hint, like.size)
        self.own.add(v)
        return v

    def parameters(self, like: Sequence[Var]) -> list[Var]:
        """Parameters like those of another program, whose types may mention each other."""
        own = {p: Var(p.type, p.hint, p.size) for p in like}
        self.own.update(own.values())
        for v in own.values():
            v.type = self.close(swap_type(v.type, own))
        return list(own.values())

    def atom(self, a: Atom) -> Atom:
        """The atom as it is called here."""
        if isinstance(a, Var) and a in self.own and not a.type.vars:
            return a
        for v in vars_of(a):
            if v not in self.own:
                self.capture(v)
        return swap_atom(a, self.names)

    def capture(self, v: Var) -> None:
        if v in self.names:
            return
        if not self.sees(v):
            raise EscapedError(f"`{v.hint}` was computed inside a recorded body and is used outside of it")
        first = self.origin(v)
        if first is not v:
            self.capture(first)
            self.names[v] = self.names[first]
        else:
            self.captured[v] = self.names[v] = self.param(Var(v.type, v.hint))

    def origin(self, v: Var) -> Var:
        """A parameter that stands for a variable further out is that variable: one size, one name."""
        scope = self.parent
        while scope is not None:
            v = next((outer for outer, p in scope.captured.items() if p is v), v)
            scope = scope.parent
        return v

    def sees(self, v: Var) -> bool:
        scope: Scope | None = self
        while scope is not None:
            if v in scope.own:
                return True
            scope = scope.parent
        return False

    def close(self, t: Type) -> Type:
        for v in type_vars(t):
            if v not in self.own:
                self.capture(v)
        return swap_type(t, self.names)


def refuse_outside() -> NoReturn:
    """There is no trace in this thread."""
    raise_at(
        EscapedError,
        "a traced value is used outside of its trace",
        wanted="values that stay in the function that is traced, and in its thread",
        got="one that was stored elsewhere, or given to another thread",
        repair="return it",
    )


def current() -> Scope:
    scope = _scope.get()
    if scope is None:
        refuse_outside()
    return scope


def tracing() -> bool:
    return _scope.get() is not None


@contextmanager
def entered(scope: S) -> Iterator[S]:
    token = _scope.set(scope)
    try:
        yield scope
    finally:
        _scope.reset(token)


@contextmanager
def at(where: Where | None) -> Iterator[None]:
    """Statements written here belong to that place of the user's source."""
    scope = current()
    before, scope.where = scope.where, where or scope.where
    try:
        yield
    finally:
        scope.where = before


class Value:
    """An atom with operators on it. Both sides have one dtype and shape; a Python number takes those of the other side."""

    __slots__ = ("atom",)
    __array_ufunc__ = None

    def __init__(self, atom: Atom) -> None:
        self.atom = atom

    @property
    def type(self) -> Type:
        return self.atom.type

    @property
    def shape(self) -> tuple[DimLike, ...]:
        return self.atom.type.shape

    @property
    def dtype(self) -> str:
        return self.atom.type.dtype

    @property
    def rank(self) -> int:
        return len(self.atom.type.shape)

    def __repr__(self) -> str:
        return f"Value({self.atom})"

    def __bool__(self) -> bool:
        raise InternalError("a value of a program has no truth value")

    def __index__(self) -> int:
        raise InternalError("a value of a program is not a number")

    # fmt: off
    def __add__(self, z: Any) -> Value: return apply("add", self, z)
    def __sub__(self, z: Any) -> Value: return apply("sub", self, z)
    def __mul__(self, z: Any) -> Value: return apply("mul", self, z)
    def __mod__(self, z: Any) -> Value: return apply("mod", self, z)
    def __truediv__(self, z: Any) -> Value: return apply("div", self, z)
    def __floordiv__(self, z: Any) -> Value: return apply("floordiv", self, z)
    def __pow__(self, z: Any) -> Value: return apply("pow", self, z)
    def __and__(self, z: Any) -> Value: return apply("and", self, z)
    def __or__(self, z: Any) -> Value: return apply("or", self, z)
    def __rand__(self, x: Any) -> Value: return apply("and", x, self)
    def __ror__(self, x: Any) -> Value: return apply("or", x, self)
    def __radd__(self, x: Any) -> Value: return apply("add", x, self)
    def __rsub__(self, x: Any) -> Value: return apply("sub", x, self)
    def __rmul__(self, x: Any) -> Value: return apply("mul", x, self)
    def __rmod__(self, x: Any) -> Value: return apply("mod", x, self)
    def __rtruediv__(self, x: Any) -> Value: return apply("div", x, self)
    def __rfloordiv__(self, x: Any) -> Value: return apply("floordiv", x, self)
    def __rpow__(self, x: Any) -> Value: return apply("pow", x, self)
    def __lt__(self, z: Any) -> Value: return apply("lt", self, z)
    def __le__(self, z: Any) -> Value: return apply("le", self, z)
    def __gt__(self, z: Any) -> Value: return apply("gt", self, z)
    def __ge__(self, z: Any) -> Value: return apply("ge", self, z)
    def __neg__(self) -> Value: return apply("neg", self)
    def __invert__(self) -> Value: return apply("not", self)
    # fmt: on


def value(x: Any, like: Type | None = None) -> Value:
    """A Value of a Value, an atom, a dim or a Python number (which takes the type `like`)."""
    if isinstance(x, Value):
        return x
    if isinstance(x, (Var, Lit, Size)):
        return Value(x)
    if isinstance(x, Dim):
        return Value(atom_of(x))
    return Value(literal(x, like))


def literal(x: Any, like: Type | None = None) -> Lit:
    """A Python number as a literal of the type `like`, or of its own natural type."""
    if like is None:
        like = Type("bool" if isinstance(x, bool) else "i64" if isinstance(x, int) else "f64")
    if like.dtype == "bool":
        return Lit(bool(x), like)
    return Lit(int(x), like) if like.dtype in INTS else Lit(float(x), like)


def size(d: DimLike) -> Value:
    """A dim as an i64 Value."""
    return Value(atom_of(d))


def apply(name: str, *args: Any, hint: str = "t", **attrs: Any) -> Value:
    """One statement with one result. Python numbers take the dtype and shape of the first Value."""
    like = next((a.type for a in args if isinstance(a, Value)), None)
    values = [value(a, like) if isinstance(a, (bool, int, float)) else value(a) for a in args]
    folded = fold_int(name, [v.atom for v in values])
    if folded is not None:
        return Value(folded)
    return bind(OPS[name], *values, hints=(hint,), **attrs)[0]


def bind(
    op: Op,
    *args: Value,
    fns: Sequence[Fn] = (),
    hints: Sequence[str] = ("t",),
    where: Where | None = None,
    **attrs: Any,
) -> tuple[Value, ...]:
    """Append one statement to the program being written; its types come from the op's own rule."""
    scope = current()
    atoms = tuple([scope.atom(a.atom) for a in args])
    types = op.type(*atoms, *fns, **attrs)
    names = [*hints, *[hints[-1] if hints else "t"] * len(types)]
    # A rule whose result types mention a result (the rows of a `while` have as many as its count) gives that Var itself.
    outs = [t if isinstance(t, Var) else Var(t, name) for t, name in zip(types, names, strict=False)]
    scope.own.update(outs)
    scope.lets.append(Let(tuple(outs), op, atoms, attrs, tuple(fns), where or scope.where))
    return tuple(map(Value, outs))


# ---- integers that are affine forms need no statement

MAX_TERMS, MAX_COEFFICIENT = 8, 1 << 31


def fold_int(name: str, atoms: Sequence[Atom]) -> Atom | None:
    """add, sub, mul, neg, floordiv, mod of i64 scalars as a size, where that stays small and exact."""
    if name not in _FOLDS or any(a.type != I64 for a in atoms):
        return None
    out = _FOLDS[name](*map(dim_of, atoms))
    if out is None or (isinstance(out, Dim) and not _small(out)):
        return None
    if isinstance(out, int) and abs(out) >= 1 << 62:
        return None  # would wrap around at run time
    return atom_of(out)


def _small(d: Dim) -> bool:
    return len(d.terms) <= MAX_TERMS and max(abs(d.c), *map(abs, d.terms.values())) < MAX_COEFFICIENT


def _has_var(*dims: DimLike) -> bool:
    return any(isinstance(s, Var) for d in dims for s in symbols(d))


def _product(a: DimLike, b: DimLike) -> DimLike | None:
    if isinstance(a, int) or isinstance(b, int):
        return a * b
    return None if _has_var(a, b) else a * b


def _quotient(op: str) -> Callable[[DimLike, DimLike], DimLike | None]:
    def fold(a: DimLike, b: DimLike) -> DimLike | None:
        bound = low(b)
        if bound is None or bound <= 0 or _has_var(a, b):
            return None
        return opaque(op, a, b)

    return fold


_FOLDS: dict[str, Callable[..., DimLike | None]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "neg": lambda a: -a,
    "mul": _product,
    "floordiv": _quotient("floordiv"),
    "mod": _quotient("mod"),
}


# ---- programs from functions, and functions from programs


def trace(f: Callable[..., Any], params: Sequence[Var | Type], name: str, hints: Sequence[str] = ()) -> Fn:
    """A closed program: `f` on one Value per parameter. `f` may not use values of an enclosing trace."""
    fn, captured = trace_open(f, params, name, hints)
    if captured:
        raise InternalError(f"`{name}` uses {[v.atom.hint for v in captured]} of an enclosing trace")
    return fn


def trace_open(
    f: Callable[..., Any], params: Sequence[Var | Type], name: str, hints: Sequence[str] = ()
) -> tuple[Fn, tuple[Value, ...]]:
    """Trace `f`; what it captured becomes its last parameters, and is returned too."""
    hints = [*hints, *["x"] * (len(params) - len(hints))]
    like = [p if isinstance(p, Var) else Var(p, h) for p, h in zip(params, hints, strict=True)]
    with entered(Scope()) as scope:
        own = scope.parameters(like)
        return finish(scope, own, f(*map(Value, own)), name)


def finish(scope: Scope, params: Sequence[Var], out: Any, name: str) -> tuple[Fn, tuple[Value, ...]]:
    """Close the scope: results, then the captured variables as parameters."""
    outs = out if isinstance(out, tuple) else (out,)
    results = tuple(scope.atom(value(o).atom) for o in outs)
    fn = Fn(name, (*params, *scope.captured.values()), tuple(scope.lets), results)
    return fn, tuple(map(Value, scope.captured))


Each = Callable[[Let, tuple[Value, ...]], Sequence[Value]]


def replay(fn: Fn, *args: Any, each: Each | None = None) -> tuple[Value, ...]:
    """Write `fn` again into the program being written; `each(let, ins)` may write something else instead."""
    env = environment(fn, args)
    write = each or again
    for let in fn.lets:
        for o, v in zip(let.outs, write(let, read(env, let.args)), strict=True):
            env[o] = v.atom
    return read(env, fn.results)


def environment(fn: Fn, args: Sequence[Any]) -> dict[Var, Atom]:
    return {p: value(a, p.type).atom for p, a in zip(fn.params, args, strict=True)}


def again(let: Let, ins: Sequence[Value]) -> tuple[Value, ...]:
    """The same statement on other arguments."""
    return bind(let.op, *ins, fns=let.fns, hints=[o.hint for o in let.outs], where=let.where, **let.attrs)


def read(env: Mapping[Var, Atom], atoms: Sequence[Atom]) -> tuple[Value, ...]:
    return tuple([Value(swap_atom(a, env)) for a in atoms])
