"""Functions of single numbers, or of rows, that their user made functions of arrays: by `numba.vectorize`,
`numba.guvectorize` and `np.vectorize`. What is traced is their Python, applied to every row (`rows.py`).

The dtypes are what they are without jitgrad. Of compiled signatures NumPy says which one is taken (`resolve_dtypes`):
arguments are converted to its dtypes, the result to its result. Where Numba compiles for the arguments of a call, numbers of
64 bits and bools mean the same there and here; for other dtypes Numba is asked, on a copy: the user's object stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NoReturn

import numpy as np

from ..errors import DTypeError, ShapeError, Unsupported, raise_at
from ..ir.build import Value
from ..ir.build import value as literal
from ..ir.core import Type
from ..ir.dims import DimLike
from ..ops.array import cast, reshape
from .dispatch import into
from .names import is_known_ufunc
from .promote import NAME_OF, NUMPY, Operand, broadcast_shapes, convert, lift, shape_text
from .rows import over_rows
from .scope import Box
from .settled import unsettled
from .size import same
from .standin import Array, Scalar, describe, unwrap

Function = Callable[..., Any]

SIGNED = ("i8", "i16", "i32")  # Numba computes with these in 64 bits
UNSIGNED = ("u8", "u16", "u32", "u64")


def special(f: Any, callee: Callable[[Any], Any]) -> Function | None:
    """What to do instead of `f`, on traced arguments, if it is one of these. `callee(g)`: what to call instead of a function."""
    kind = type(f)
    make = MAKERS.get((kind.__module__, kind.__name__))
    if make is not None:
        return partial(make, f, callee)
    owner = f if isinstance(f, np.ufunc) else getattr(f, "__self__", None)
    if isinstance(owner, np.ufunc) and not is_known_ufunc(owner):
        return partial(_refuse_method, f) if f is not owner else partial(_refuse_compiled, f)
    found = (type(owner).__module__, type(owner).__name__) in MAKERS
    return partial(_refuse_method, f) if found and f.__name__ != "__call__" else None


# ---- numba.vectorize


def _elementwise(f: Any, callee: Callable[[Any], Any], *args: Any, **kwargs: Any) -> Any:
    given, outs = _arguments(f, args, kwargs, f.nin, f.nin + 1)
    dtypes, result = _signature(f, given) if f._frozen else _compiled_for(f, given)
    values = [convert(o, d) for o, d in zip(given, dtypes, strict=True)]
    lead = broadcast_shapes(f.__name__, [v.shape for v in (*given, *outs)])
    run = callee(f._dispatcher.py_func)

    def row(xs: Sequence[Value]) -> list[Value]:
        y = _number(f, run(*map(_argument, xs)))
        return [convert(y, result or y.dtype)]

    values = over_rows(row, f.__name__, f._dispatcher.py_func, values, [0] * len(values), lead)
    return _delivered(values, args[f.nin :] or kwargs.get("out", ()))


def _compiled_for(f: Any, given: Sequence[Operand]) -> tuple[list[str], str | None]:
    """The dtypes of the arguments, and of the result where it is not that of the same operations in NumPy."""
    dtypes = [o.dtype for o in given]
    if all(d in ("f64", "i64", "bool") for d in dtypes):
        return dtypes, None
    import numba

    copy = numba.vectorize(f._dispatcher.py_func)
    copy.add(tuple(numba.from_dtype(np.dtype(NUMPY[d])) for d in dtypes))
    return dtypes, NAME_OF[np.dtype(copy.types[-1][-1])]


def _signature(f: Any, given: Sequence[Operand]) -> tuple[list[str], str]:
    """The dtypes of the arguments and of the result, of the compiled signature that NumPy takes."""
    *dtypes, result = _resolved(f, given, 1)
    return dtypes, result


def _resolved(f: Any, given: Sequence[Operand], outs: int) -> list[str]:
    try:
        found = f.ufunc.resolve_dtypes((*map(_asked, given), *[None] * outs))
    except TypeError:
        found = ()
    names = [NAME_OF[d] for d in found if d in NAME_OF]
    if not names or len(names) < len(found):
        raise_at(
            DTypeError,
            f"no signature of `{f.__name__}` takes these arguments",
            wanted=", ".join(f.types),
            got=", ".join(f"a Python number ({o.dtype})" if o.weak else o.dtype for o in given),
            repair="convert the arguments, or give the function one more signature",
        )
    return names


def _asked(o: Operand) -> Any:
    return {"i64": int, "f64": float}.get(o.dtype if o.weak else "", np.dtype(NUMPY[o.dtype]))


def _argument(v: Value) -> Scalar:
    """A number as Numba's code sees it."""
    if v.dtype in UNSIGNED:
        raise_at(
            DTypeError,
            f"Numba computes with {NUMPY[v.dtype].__name__} otherwise than NumPy",
            wanted="floats, bools or signed integers",
            got=NUMPY[v.dtype].__name__,
            repair="x.astype(np.int64)",
        )
    return Scalar(cast(v, "i64") if v.dtype in SIGNED else v, weak=v.dtype == "bool")


def _number(f: Any, y: Any) -> Operand:
    if isinstance(y, (Scalar, bool, int, float, np.generic)) or (isinstance(y, Array) and not y.dims):
        return lift(unwrap(y))
    raise_at(
        DTypeError,
        f"`{getattr(f, '__name__', 'the function')}` does not return a number",
        wanted="one number for each element",
        got=describe(y),
        repair="is the `return` missing?" if y is None else "return one number",
    )


# ---- arguments and results


def _arguments(
    f: Any, args: tuple[Any, ...], kwargs: dict[str, Any], nin: int, most: int
) -> tuple[list[Operand], list[Operand]]:
    """Those of a ufunc: its inputs, and the arrays that it is to write."""
    unknown = kwargs.keys() - {"out"}
    if unknown or not nin <= len(args) <= most or (len(args) > nin and "out" in kwargs):
        raise_at(
            Unsupported,
            f"`{f.__name__}` {f'does not take {min(unknown)!r} here' if unknown else 'has other arguments than these'}",
            wanted=f"{nin} arguments, and out=",
            got=", ".join([f"{len(args)} arguments", *[f"{k}=..." for k in kwargs]]),
        )
    return [lift(unwrap(x)) for x in args[:nin]], [lift(unwrap(x)) for x in _outs(args[nin:] or kwargs.get("out", ()))]


def _outs(out: Any) -> tuple[Any, ...]:
    return tuple(x for x in out if x is not None) if isinstance(out, tuple) else () if out is None else (out,)


def _delivered(values: Sequence[Value], out: Any) -> Any:
    made = [Array.new(v) if v.rank else Scalar(v) for v in values]
    targets = _outs(out)
    if targets:
        made = [into(t, y) for t, y in zip(targets, made, strict=True)]
    return made[0] if len(made) == 1 else tuple(made)


# ---- numba.guvectorize


def _by_rows(f: Any, callee: Callable[[Any], Any], *args: Any, **kwargs: Any) -> Any:
    builder = f.gufunc_builder
    cores, made = builder.sin, builder.sout
    out = args[len(cores) :] or kwargs.get("out", ())
    given, outs = _arguments(f, args, kwargs, len(cores), len(cores) + len(made))
    dtypes, single = _row_types(f, given, outs)
    sizes: dict[str, DimLike] = {}
    for core, o in zip((*cores, *made), (*given, *outs), strict=False):
        _fix(f, sizes, core, o)
    inputs = [convert(o, d) for o, d in zip(given, dtypes, strict=False)]
    shapes = [tuple(sizes[s] if s in sizes else _unknown_size(f, s) for s in core) for core in made]
    begin = [convert(o, d) for o, d in zip(outs, dtypes[len(cores) :], strict=False)]  # what a given array holds is seen
    ranks = [len(c) for c in (*cores, *made[: len(outs)])]
    own = [v.shape[: v.rank - r] for v, r in zip((*inputs, *begin), ranks, strict=True)]
    lead = broadcast_shapes(f.__name__, own)
    run = callee(builder.py_func)

    def row(xs: Sequence[Value]) -> list[Value]:
        ins = [_row_argument(f, x, one) for x, one in zip(xs, single, strict=False)]
        results = xs[len(cores) :] or [literal(0, Type(d, s)) for d, s in zip(dtypes[len(cores) :], shapes, strict=True)]
        boxes = [Array.new(reshape(v, v.shape or (1,)), "out") for v in results]
        run(*ins, *boxes)
        return [reshape(b.read(), s) for b, s in zip(boxes, shapes, strict=True)]

    return _delivered(over_rows(row, f.__name__, builder.py_func, [*inputs, *begin], ranks, lead), out)


def _row_types(f: Any, given: Sequence[Operand], outs: Sequence[Operand]) -> tuple[list[str], list[bool]]:
    """The dtypes of inputs and outputs; and which inputs of no axes are given as arrays of one element."""
    builder = f.gufunc_builder
    if f.is_dynamic:
        if len(outs) < len(builder.sout):
            raise_at(
                Unsupported,
                f"`{f.__name__}` has no signature of dtypes, so it must be given the arrays that it writes",
                wanted=f"{len(builder.sin)} arguments and {len(builder.sout)} arrays for the results",
                got=f"{len(given)} arguments",
                repair=f"{f.__name__}(..., out)",
            )
        return [o.dtype for o in (*given, *outs)], [False] * len(given)
    names = _resolved(f, given, len(builder.sout))
    kinds = [np.dtype(NUMPY[d]) for d in names]
    for signature in builder._sigs:
        if [np.dtype(str(getattr(t, "dtype", t))) for t in signature.args] == kinds:
            return names, [hasattr(t, "ndim") and not core for t, core in zip(signature.args, builder.sin, strict=False)]
    raise_at(Unsupported, f"`{f.__name__}` has no signature for {', '.join(names)}", got=", ".join(f.types))


def _fix(f: Any, sizes: dict[str, DimLike], core: Sequence[str], o: Operand) -> None:
    """The sizes that the layout names, by the last axes of one argument."""
    mine = o.shape[o.rank - len(core) :] if o.rank >= len(core) else None
    if mine is None or not all(same(sizes.setdefault(s, d), d) for s, d in zip(core, mine, strict=True)):
        raise_at(
            ShapeError,
            f"an argument of `{f.__name__}` does not fit its layout",
            wanted=f"({', '.join(core)}) as its last axes, of {f.gufunc_builder.signature}",
            got=f"the shape {shape_text(o.shape)}",
            note=", ".join(f"{s} = {d}" for s, d in sizes.items()),
        )


def _unknown_size(f: Any, s: str) -> NoReturn:
    raise_at(
        ShapeError,
        f"the size `{s}` of a result of `{f.__name__}` is not known",
        wanted=f"a size that an argument has, of {f.gufunc_builder.signature}",
        got="a result that is to be made",
        repair="pass the array for the result as the last argument",
    )


def _row_argument(f: Any, v: Value, one: bool) -> Any:
    if not v.rank and not one:
        return _argument(v)
    held = v if v.rank else reshape(v, (1,))
    return Array(Box(held, "a", frozen=f"an input of `{f.__name__}`"))


# ---- np.vectorize


def _python(f: Any, callee: Callable[[Any], Any], *args: Any, **kwargs: Any) -> Any:
    """The first result, of NumPy's numbers, decides about the dtype, unless `otypes` does: one that the data would decide about
    is refused."""
    odd = next((k for k in ("signature", "excluded") if getattr(f, k, None)), "a keyword" if kwargs else "")
    if odd:
        raise_at(
            Unsupported,
            f"np.vectorize with {odd} is not supported",
            wanted="np.vectorize(function)(x, ...), perhaps with otypes",
            got=odd,
            repair="loop over the rows" if odd == "signature" else "fix the others in a lambda: np.vectorize(lambda v: f(v, k))",
        )
    name = getattr(f.pyfunc, "__name__", "the function")
    given = [lift(unwrap(x)) for x in args]
    lead = broadcast_shapes(name, [o.shape for o in given])
    run = callee(f.pyfunc)
    several = False

    def row(xs: Sequence[Value]) -> list[Value]:
        nonlocal several
        y = run(*map(Scalar, xs))
        several = isinstance(y, tuple)
        numbers = [_number(f.pyfunc, v) for v in (y if several else (y,))]
        if f.otypes:
            return [convert(o, NAME_OF[np.dtype(c)]) for o, c in zip(numbers, f.otypes, strict=True)]
        return [_decided(name, o.value) for o in numbers]

    made = [Array.new(v) for v in over_rows(row, name, f.pyfunc, [o.value for o in given], [0] * len(given), lead)]
    return tuple(made) if several else made[0]


def _decided(name: str, v: Value) -> Value:
    if unsettled(v):
        raise_at(
            DTypeError,
            f"`{name}` gives an int on one path and a float on another",
            wanted="one dtype: np.vectorize takes that of its first result for all of them",
            got="int or float, by the data",
            repair="np.vectorize(function, otypes=[float]), or return floats throughout",
        )
    return v


# ---- refusals


def _refuse_compiled(f: np.ufunc, *args: Any, **kwargs: Any) -> NoReturn:
    raise_at(
        Unsupported,
        f"`{f.__name__}` is a compiled ufunc, which does not tell the Python function that it was made from",
        wanted="a function by numba.vectorize or numba.guvectorize with target='cpu', or a plain Python function",
        got="a bare ufunc, as target='parallel' and np.frompyfunc make",
        repair="leave the target out, or call the Python function itself on the elements",
    )


def _refuse_method(f: Any, *args: Any, **kwargs: Any) -> NoReturn:
    owner, method = getattr(f.__self__, "__name__", "the function"), f.__name__
    raise_at(
        Unsupported,
        f"`{owner}.{method}` is not supported",
        wanted=f"a call of `{owner}` itself",
        got=f"its method `{method}`",
        repair=METHODS.get(method, "write the loop over the elements").format(owner),
    )


METHODS = {"outer": "{0}(x[:, None], y)", "reduce": "s = x[0]; for i in range(1, len(x)): s = {0}(s, x[i])"}
MAKERS: dict[tuple[str, str], Callable[..., Any]] = {
    ("numba.np.ufunc.dufunc", "DUFunc"): _elementwise,
    ("numba.np.ufunc.gufunc", "GUFunc"): _by_rows,
    ("numpy", "vectorize"): _python,
}

__all__ = ["special"]
