"""Derivatives by sympy, of programs that are scalar enough: an oracle that shares nothing with the rules of this package.

The program runs on symbols, sympy differentiates the expression, and the derivative is evaluated at the point with more
digits than a double has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..ir.core import FLOATS, Fn, Let, Type, Var
from ..ir.dims import Sym, evaluate
from ..ir.interp import bind_sizes, interp_sympy
from .subject import Subject

MAX_SYMBOLS, MAX_NUMBERS, MAX_TERMS = 6, 64, 2000
DIGITS = 30

# Ops that move numbers about, or add and multiply them: their meaning in NumPy is one on arrays of expressions too.
STRUCTURE = ("broadcast", "reshape", "transpose", "concat", "get", "put", "sum", "matmul")


def obstacle(s: Subject) -> str:
    """Why sympy is not asked; empty where it is."""
    symbols = sum(np.size(s.inputs[k]) for k in s.names)
    numbers = sum(np.size(x) for x in s.inputs) - symbols
    if symbols > MAX_SYMBOLS or numbers > MAX_NUMBERS:
        return f"not scalar enough: {symbols + numbers} numbers go in"
    strange = [let.op.name for let in s.fn.lets if not symbolic(let)]
    if strange:
        return f"not scalar enough: `{strange[0]}` has no symbolic meaning"
    terms = count_terms(s.fn, s.inputs, s.reals)
    return f"not scalar enough: an expression of {terms} terms" if terms > MAX_TERMS else ""


def symbolic(let: Let) -> bool:
    if let.op.name == "cast":
        return let.args[0].type.dtype != "bool" and let.outs[0].type.dtype in FLOATS
    return let.op.sympy is not None or let.op.name in STRUCTURE


def count_terms(fn: Fn, inputs: Sequence[Any], results: Sequence[int]) -> int:
    """The size of the results written out as trees."""
    sizes = bind_sizes(fn, inputs)
    terms: dict[Any, int] = {}

    def elements(t: Type) -> int:
        return int(np.prod([evaluate(d, lambda s: sizes[s] if isinstance(s, Sym) else 1) for d in t.shape], initial=1))

    for let in fn.lets:
        used = [a for a in let.args if isinstance(a, Var)]
        gathers = let.op.name in ("sum", "matmul")
        each = max((elements(a.type) for a in used), default=1) // max(elements(let.outs[0].type), 1) if gathers else 1
        for o in let.outs:
            terms[o] = 1 + max(each, 1) * sum(terms.get(a, 1) for a in used)
    return sum(terms.get(fn.results[k], 1) * elements(fn.results[k].type) for k in results)


def derivatives(s: Subject, bars: Sequence[Any]) -> Mapping[int, np.ndarray] | str:
    """The adjoint of each named input, in doubles; or why there is none."""
    import sympy

    point: dict[Any, Any] = {}

    def symbol(x: Any) -> Any:
        new = sympy.Symbol(f"x{len(point)}", real=True)
        point[new] = exact(x)
        return new

    def exact(x: Any) -> Any:
        return sympy.Integer(int(x)) if isinstance(x, (int, np.integer, np.bool_)) else sympy.Rational(float(x))

    inputs = [each(symbol if k in s.names else exact, x) for k, x in enumerate(s.inputs)]
    try:
        outs = interp_sympy(s.fn, *inputs)
        results = [outs[k] for k in s.reals]
        whole = sum(sympy.Rational(float(b)) * y for c, r in zip(bars, results) for b, y in zip(np.ravel(c), np.ravel(r)))
        return {k: each(lambda x: real(sympy.diff(whole, x).evalf(DIGITS, subs=point)), inputs[k], float) for k in s.names}
    except (TypeError, ValueError, NotImplementedError, AttributeError, RecursionError) as e:
        return f"sympy stops: {type(e).__name__}: {str(e).splitlines()[0][:60] if str(e) else ''}"


def real(x: Any) -> float:
    return float(x) if x.is_number and x.is_real and x.is_finite else np.nan


def each(f: Any, x: Any, dtype: Any = object) -> Any:
    """`f` on a number, or on each number of an array."""
    if not np.ndim(x):
        return f(x)
    out = np.empty(np.shape(x), dtype)
    for place in np.ndindex(out.shape):
        out[place] = f(x[place])
    return out


__all__ = ["derivatives", "obstacle"]
