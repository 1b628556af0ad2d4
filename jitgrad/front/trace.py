"""A function and an example of its arguments -> a program.

    args  --flatten-->  leaves  --stand-ins-->  f runs on them  -->  Fn

A float or an array is a parameter of the program; an integer is a size of it; everything else is static: the program is
made for that value. The sizes of the example are symbols, equal ones the same; up to SMALL_SIZE they are numbers.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import ConcretizationError, DTypeError, EscapedError, raise_at
from ..ir import build
from ..ir.build import Value, size
from ..ir.core import F64, I64, Fn, Type, Var
from ..ir.dims import Dim, DimLike, Sym, of_symbol
from . import builtin, inplace, promote, reshape  # noqa: F401  (fill the tables of dispatch)
from .body import Open, closed
from .calls import callee
from .context import Restart, SizeGuard, Trace, replace_symbol, running, unbroken
from .control import Control
from .guards import Guards
from .promote import NAME_OF
from .scope import Box, Scope
from .size import LOWEST
from .standin import Array, Scalar, StandIn, boxed
from .tree import TreeDef, flatten
from .unbound import explained

SMALL_SIZE = 4  # sizes up to this are numbers, so that `for k in range(3)` unrolls
MAX_RESTARTS = 64
LETTERS = "nmpqrsuvw"

# One for each size that a call brings: (leaf, axis) has this size; axis None: the leaf is the integer itself.
Binding = tuple[int, "int | None", DimLike]


@dataclass(frozen=True, eq=False)
class Out:
    """A leaf of the result. `value`: what is no number of the program (a string, an object) as it is."""

    kind: str  # "array", "scalar", "constant" (a Python number) or "static"
    dtype: str = ""
    weak: bool = False
    value: Any = None


@dataclass(frozen=True, eq=False)
class Traced:
    """The program of a function. Its parameters are the dynamic leaves of (args, kwargs), then the captured arrays."""

    fn: Fn
    in_tree: TreeDef
    names: tuple[str, ...]  # of all leaves, as the user would write them
    dynamic: tuple[int, ...]  # the leaves that are parameters
    out_tree: TreeDef
    outs: tuple[Out, ...]
    guards: Guards
    captured: list[np.ndarray]
    bindings: tuple[Binding, ...]
    size_guards: tuple[SizeGuard, ...]
    written: tuple[int, ...]  # the leaves whose arrays the function writes
    touched: tuple[int, ...]  # these, and those of which a function traced within writes a copy
    notes: tuple[str, ...] = ()
    restarts: int = 0


@dataclass(eq=False)
class _Entry:
    """What the first attempt fixed about the arguments."""

    f: Callable[..., Any]
    leaves: list[Any]
    tree: TreeDef
    names: list[str]
    sizes: dict[tuple[int, int | None], Dim | int] = field(default_factory=dict)  # (leaf, axis) -> its size


def trace_call(
    f: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None = None,
    *,
    small_literals: bool = True,
    keep_writes: bool = False,
) -> Traced:
    """The program of `f(*args, **kwargs)`. `keep_writes`: its last results are the arguments that `f` writes."""
    entry = _entry(f, tuple(args), dict(kwargs or {}), small_literals)
    replaced: dict[Sym, DimLike] = {}
    notes: dict[str, None] = {}
    for restarts in range(MAX_RESTARTS):
        trace = Trace(replaced, notes=dict(notes))
        try:
            return unbroken(trace, _attempt(entry, trace, restarts, keep_writes))
        except (Restart, Exception):
            again = trace.restart
            if again is None:
                raise
        replaced = replace_symbol(replaced, again.symbol, trace.now(again.dim))
        notes |= {again.note: None} if again.note else {}
    raise_at(
        ConcretizationError,
        "the sizes of this program do not settle",
        wanted=f"at most {MAX_RESTARTS} equations between sizes",
        got="more",
        repair="pass sizes that follow from each other as one argument",
    )


# ---- arguments


def _entry(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], small_literals: bool) -> _Entry:
    leaves, tree = flatten((args, kwargs), "args")
    roots = [*parameter_names(f, args), *kwargs]
    names = [path for root, x in zip(roots, (*args, *kwargs.values()), strict=True) for path in flatten(x, root)[1].paths(root)]
    entry = _Entry(f, leaves, tree, names)
    symbols: dict[int, Dim] = {}
    letters = (c for c in _letters() if c not in names)
    for k, x in enumerate(leaves):
        if isinstance(x, np.ndarray):
            _supported(x, names[k])
            for axis, n in enumerate(x.shape):
                if small_literals and n <= SMALL_SIZE:
                    entry.sizes[k, axis] = n
                    continue
                if n not in symbols:
                    symbols[n] = of_symbol(Sym(next(letters), SMALL_SIZE + 1 if small_literals else 0, n))
                entry.sizes[k, axis] = symbols[n]
        elif is_integer(x):
            entry.sizes[k, None] = of_symbol(Sym(names[k], LOWEST, int(x)))
    return entry


def _letters() -> Iterator[str]:
    yield from LETTERS
    k = 0
    while True:
        yield f"n{k}"
        k += 1


def parameter_names(f: Callable[..., Any], args: tuple[Any, ...]) -> list[str]:
    """What the function calls its positional arguments."""
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        return [f"x{k}" for k in range(len(args))]
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    rest = next((p.name for p in parameters if p.kind is p.VAR_POSITIONAL), "args")
    return [names[k] if k < len(names) else f"{rest}[{k - len(names)}]" for k in range(len(args))]


def is_integer(x: Any) -> bool:
    """Is it a size? NumPy's other integers are numbers like any other: they wrap around, and their dtype counts."""
    return isinstance(x, (int, np.int64)) and not isinstance(x, bool)


def is_float(x: Any) -> bool:
    return isinstance(x, (float, np.floating))


def is_number(x: Any) -> bool:
    return is_float(x) or (isinstance(x, np.integer) and x.dtype in NAME_OF)


def is_dynamic(x: Any) -> bool:
    """Does the leaf become a parameter of the program?"""
    return isinstance(x, np.ndarray) or is_integer(x) or is_number(x)


def _supported(x: np.ndarray, name: str) -> None:
    if type(x) not in (np.ndarray, np.memmap):
        raise_at(DTypeError, f"`{name}` is a {type(x).__name__}", wanted="a plain NumPy array", repair="np.asarray(x)")
    if x.dtype not in NAME_OF:
        raise_at(
            DTypeError,
            f"`{name}` has the dtype {x.dtype}",
            wanted="floats of 32 or 64 bits, integers or bools, in the machine's byte order",
            got=str(x.dtype),
            repair="x.astype(np.float64)" if x.dtype.kind in "fV" else "",
        )


def _stand_in(entry: _Entry, k: int, trace: Trace, params: list[Var]) -> Any:
    """What stands for a leaf; its parameter is appended."""
    x, name = entry.leaves[k], entry.names[k]
    if isinstance(x, np.ndarray):
        shape = tuple(trace.now(entry.sizes[k, axis]) for axis in range(x.ndim))
        params.append(trace.root.param(Var(Type(NAME_OF[x.dtype], shape), variable_name(name))))
        return Array(Box(Value(params[-1]), name))
    if is_integer(x):
        d = trace.now(entry.sizes[k, None])
        own = next(iter(d.terms)) if isinstance(d, Dim) and d.atomic else None
        bound = own if isinstance(own, Sym) and own.name == name else None
        params.append(trace.root.param(Var(I64, variable_name(name), bound)))
        return Scalar(size(d), weak=not isinstance(x, np.generic))
    if is_number(x):
        dtype = NAME_OF.get(np.result_type(x) if isinstance(x, np.generic) else np.dtype(float))
        if dtype is None:
            raise_at(DTypeError, f"`{name}` has the dtype {x.dtype}", wanted="float64 or float32", got=str(x.dtype))
        params.append(trace.root.param(Var(F64.of(dtype), variable_name(name))))
        return Scalar(Value(params[-1]), weak=not isinstance(x, np.generic))
    if isinstance(x, complex):
        raise_at(DTypeError, f"`{name}` is complex", wanted="a real number", got=repr(x), repair="pass two real numbers")
    return trace.guards.argument(x, name)


def variable_name(name: str) -> str:
    """`params['w'][0]` as a name: params_w_0."""
    text = "".join(c if c.isalnum() or c == "_" else "_" for c in name.replace("']", "").replace("['", "_").replace("]", ""))
    return text.strip("_") or "x"


# ---- one attempt


def _attempt(entry: _Entry, trace: Trace, restarts: int, keep_writes: bool) -> Traced:
    trace.guards, trace.scope = Guards(), Scope()
    with running(trace), build.entered(Open()) as root:
        trace.root = root
        params: list[Var] = []
        inputs = [_stand_in(entry, k, trace, params) for k in range(len(entry.leaves))]
        args, kwargs = entry.tree.unflatten(inputs)
        f = innermost(entry.f)
        owner = getattr(f, "__self__", f)
        trace.guards.argument(owner, type(owner).__name__)
        try:
            with explained():
                out = callee(entry.f, Control)(*args, **kwargs)
            out_tree, outs, values = results_of(out)
        finally:
            trace.guards.restore()
        if keep_writes:
            _check_kept(entry, (args, kwargs), inputs)
        dynamic = tuple(k for k, x in enumerate(entry.leaves) if is_dynamic(x))
        boxes = {x.box: k for k, x in enumerate(inputs) if isinstance(x, Array)}
        written = tuple(k for box, k in boxes.items() if box in trace.scope.written)
        touched = tuple(k for box, k in boxes.items() if box in trace.scope.written or box in trace.touched)
        if keep_writes:
            values += [trace.scope.store[box] for box, k in boxes.items() if k in written]
        params += [c.param for c in trace.captures.values()]
        fn, captured = closed(root, params, values, function_name(entry.f))
        if captured:
            raise_at(
                EscapedError,
                f"`{function_name(entry.f)}` uses `{captured[0].atom.hint}` of another trace",
                wanted="a function of its arguments and of plain values",
                got="a traced value of the function around it",
                repair="pass it as an argument",
            )
    return Traced(
        fn,
        entry.tree,
        tuple(entry.names),
        dynamic,
        out_tree,
        outs,
        trace.guards,
        [c.array for c in trace.captures.values()],
        tuple((k, axis, trace.now(d)) for (k, axis), d in entry.sizes.items()),
        tuple(trace.size_guards),
        written,
        touched,
        tuple(trace.notes),
        restarts,
    )


def _check_kept(entry: _Entry, given: Any, inputs: list[Any]) -> None:
    """Arrays are written in place; what else the caller's containers hold cannot be replaced."""
    now, tree = flatten(given, "args")
    if tree != entry.tree or any(x is not was for x, was in zip(now, inputs, strict=True)):
        raise_at(
            EscapedError,
            f"`{function_name(entry.f)}` changes what a container among its arguments holds",
            wanted="writes into arrays, and results that are returned",
            got="a container of the caller's that would have to hold other values",
            repair="return the new values, or write into an array: x[...] = value",
        )


def innermost(f: Any) -> Any:
    """The user's function within transformations of it."""
    while hasattr(f, "_jitgrad_trace_") and hasattr(f, "f"):
        f = f.f
    return f


def function_name(f: Any) -> str:
    name = getattr(f, "__name__", None) or type(getattr(f, "func", f)).__name__
    return name if name.isidentifier() else "lambda_" if "lambda" in name else "f"


def results_of(out: Any) -> tuple[TreeDef, tuple[Out, ...], list[Value]]:
    leaves, tree = flatten(out, "result")
    outs, values = [], []
    for x in leaves:
        described, value = _result(x)
        outs.append(described)
        if value is not None:
            values.append(value)
    return tree, tuple(outs), values


def _result(x: Any) -> tuple[Out, Value | None]:
    if isinstance(x, np.ndarray):
        x = boxed(x)
    if isinstance(x, Array):
        v = x.read()
        return Out("array", v.dtype), v
    if isinstance(x, Scalar):
        return Out("scalar", x.value.dtype, x.weak), x.value
    if isinstance(x, StandIn):  # elements at a mask: an operand of none but their like
        x.operand()
    if isinstance(x, (bool, int, float, np.number, np.bool_)):
        o = promote.lift(x)
        return Out("constant", o.dtype, o.weak, x), o.value
    return Out("static", value=x), None


__all__ = ["Out", "Traced", "is_dynamic", "trace_call"]
__all__ += ["function_name", "is_float", "parameter_names", "results_of", "variable_name"]  # for `inline.py`
