"""Python's own functions and operators, and `math`, on traced numbers.

Python numbers stay Python numbers (weak operands), as when the function runs without jitgrad; so the result of a `math`
function is weak, and of an operator on weak operands too. `math` raises where a function has no value; here it is NaN or
infinite, as in NumPy.
"""

from __future__ import annotations

import builtins
import functools
import operator
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ...errors import DTypeError, ShapeError, Unsupported, raise_at
from ...ir.build import Value, apply, value
from ...ir.core import FLOATS, INTS
from ...ir.interp import NUMPY
from ...ops import array
from ..promote import Operand, all_weak, convert, kind_of, lift, shape_text, to_float
from . import elementwise, linalg, products, reductions, special

Function = Callable[..., Any]


# ---- operators


def infix(f: Function, bools_count: bool = True) -> Function:
    """NumPy's function; between Python numbers Python's, where True is 1 (`bools_count`) and the result is weak."""

    def function(*xs: Any) -> Any:
        operands = [lift(x) for x in xs]
        if not all_weak(*operands):
            return f(*operands)
        if bools_count:
            operands = [Operand(convert(o, "i64"), True) if o.dtype == "bool" else o for o in operands]
        return weakened(f(*operands))

    return function


def weakened(out: Any) -> Any:
    return tuple(map(weakened, out)) if isinstance(out, tuple) else Operand(out.value, weak=True)


def power(x: Any, z: Any) -> Operand:
    return elementwise.power(x, z, root=True)


E = elementwise.TABLE
add, multiply = infix(E["add"]), infix(E["multiply"])

# fmt: off
OPERATORS: dict[Any, Function] = {
    operator.add: add, operator.sub: infix(E["subtract"]), operator.mul: multiply, operator.truediv: infix(E["divide"]),
    operator.floordiv: infix(E["floor_divide"]), operator.mod: infix(E["remainder"]), operator.pow: infix(power),
    operator.neg: infix(E["negative"]), operator.pos: infix(E["positive"]), operator.abs: infix(E["absolute"]),
    operator.invert: infix(E["invert"]), operator.matmul: products.matmul,
    operator.lshift: infix(E["left_shift"]), operator.rshift: infix(E["right_shift"]),
    **{getattr(operator, name): infix(E[f], bools_count=False) for name, f in {
        "lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal", "ne": "not_equal",
        "and_": "bitwise_and", "or_": "bitwise_or", "xor": "bitwise_xor", "not_": "logical_not",
    }.items()},
}
# fmt: on


# ---- builtins


def number(x: Any, name: str) -> Operand:
    """A single number."""
    o = lift(x)
    if o.rank:
        raise_at(
            ShapeError, f"{name} of an array", wanted="one number", got=f"an array of shape {shape_text(o.shape)}",
            repair="take an element, x[0], or use the function of NumPy",
        )  # fmt: skip
    return o


def as_float(x: Any = 0.0) -> Operand:
    return Operand(convert(number(x, "float()"), "f64"), weak=True)


def as_int(x: Any = 0) -> Operand:
    """Towards zero. The result carries no derivative, as that of `np.trunc` is zero."""
    return Operand(convert(number(x, "int()"), "i64"), weak=True)


def as_bool(x: Any = False) -> Operand:
    return Operand(elementwise.to_bool(number(x, "bool()")), weak=True)


def elements(xs: tuple[Any, ...], name: str) -> list[Operand]:
    """The arguments of max(a, b, ...) or max([a, b, ...])."""
    given = list(xs[0]) if len(xs) == 1 and isinstance(xs[0], Iterable) else list(xs)
    if not given:
        raise_at(ShapeError, f"{name} of nothing", wanted="at least one number", got="an empty sequence")
    return [number(x, name) for x in given]


# Python's max keeps its first argument unless the second is greater, so a NaN in the second place loses.
def later(op: str) -> Function:
    def function(x: Operand, z: Operand) -> Operand:
        best = E[op](x, z).value
        if z.is_real and not hasattr(z.value.atom, "value"):
            best = apply("where", apply("isnan", z.value), convert(x, best.dtype), best)
        return Operand(best)

    return infix(function)


def extreme(op: str, reduce: Function, name: str) -> Function:
    step = later(op)

    def function(*xs: Any) -> Operand:
        if len(xs) == 1 and isinstance(xs[0], Operand):
            if xs[0].rank != 1:
                raise_at(
                    ShapeError, f"{name} of an array", wanted="an array of one dimension", got=kind_of(xs[0]),
                    repair=f"np.{name}(x)",
                )  # fmt: skip
            return reduce(xs[0])
        return functools.reduce(step, elements(xs, name))

    return function


def sum_(xs: Any, /, start: Any = 0) -> Operand:
    """An array adds up along its first axis, as Python does."""
    if not isinstance(xs, Operand):
        return functools.reduce(add, map(lift, xs), lift(start))
    if not xs.rank:
        raise_at(DTypeError, "sum of a number", wanted="an array, or an iterable of numbers", got=kind_of(xs))
    dtype = "i64" if xs.dtype == "bool" else xs.dtype
    return add(reductions.sum_(xs, 0, dtype), start)


def pow_(base: Any, exp: Any, mod: Any = None) -> Operand:
    if mod is not None:
        raise_at(Unsupported, "pow(x, n, m) is not supported", wanted="pow(x, n)", repair="write pow(x, n) % m")
    return OPERATORS[operator.pow](base, exp)


def round_(x: Any, ndigits: Any = None) -> Operand:
    o = number(x, "round()")
    if ndigits is not None:
        raise_at(Unsupported, "round(x, n) is not supported", wanted="round(x)", repair="write np.round(x, n)")
    return Operand(array.cast(apply("rint", o.value), "i64"), weak=True) if o.is_real else weakened(o)


def quantifier(op: str) -> Function:
    """any, all of an iterable, or of an array of one dimension."""

    def function(xs: Any, /) -> Operand:
        if isinstance(xs, Operand):
            if xs.rank != 1:
                raise_at(ShapeError, "the truth of an array is ambiguous", got=kind_of(xs), repair="write np.any(x) or np.all(x)")
            return weakened((reductions.any_ if op == "or" else reductions.all_)(xs))
        cells = [elementwise.to_bool(number(x, "any or all")) for x in xs]
        first = Value(lift(op == "and").value.atom)
        return Operand(functools.reduce(lambda x, z: apply(op, x, z), cells, first), weak=True)

    return function


def dtype_call(dtype: str) -> Function:
    """np.float64(x), np.int32(x), ..."""

    def function(x: Any = 0, /) -> Operand:
        o = lift(x)
        return Operand(array.cast(o.value, dtype))

    return function


# ---- math


def of_float(x: Any, name: str = "a function of math") -> Value:
    return convert(number(x, name), "f64")


def math_float(f: Function) -> Function:
    """A function of NumPy on float64 numbers; the result is a Python float (or bool, ...)."""

    def function(*xs: Any) -> Any:
        return weakened(f(*[Operand(of_float(x)) for x in xs]))

    return function


def to_integer(op: str, name: str) -> Function:
    def function(x: Any, /) -> Operand:
        o = number(x, name)
        return Operand(array.cast(apply(op, o.value) if o.is_real else o.value, "i64"), weak=True)

    return function


def log(x: Any, base: Any = None, /) -> Operand:
    y = apply("log", of_float(x))
    return Operand(y if base is None else y / apply("log", of_float(base)), weak=True)


def hypot(*xs: Any) -> Operand:
    cells = [of_float(x) for x in xs]
    if len(cells) == 1:
        return Operand(apply("abs", cells[0]), weak=True)
    return Operand(functools.reduce(lambda x, z: apply("hypot", x, z), cells) if cells else lift(0.0).value, weak=True)


def dist(p: Any, q: Any, /) -> Operand:
    away = elementwise.subtract(Operand(convert(lift(p), "f64")), q)
    return weakened(linalg.norm(away))


def fsum(xs: Any, /) -> Operand:
    """Python's is exact to the last bit; this one rounds after every addition."""
    if isinstance(xs, Operand):
        return weakened(reductions.sum_(Operand(to_float(xs)), dtype=np.float64))
    return functools.reduce(add, map(as_float, xs), lift(0.0))


def prod(xs: Any, /, *, start: Any = 1) -> Operand:
    if isinstance(xs, Operand):
        return multiply(reductions.prod(xs), start)
    return functools.reduce(multiply, map(lift, xs), lift(start))


def sumprod(p: Any, q: Any, /) -> Operand:
    return products.dot(p, q)


def modf(x: Any, /) -> tuple[Operand, Operand]:
    v = of_float(x)
    whole = apply("trunc", v)
    infinite = apply("isinf", v)
    part = apply("where", infinite, value(0.0), v - whole)
    return Operand(apply("copysign", part, v), True), Operand(whole, True)


def isclose(a: Any, b: Any, *, rel_tol: Any = 1e-09, abs_tol: Any = 0.0) -> Operand:
    x, z, relative, absolute = map(of_float, (a, b, rel_tol, abs_tol))
    reach = apply("maximum", relative * apply("maximum", apply("abs", x), apply("abs", z)), absolute)
    near = apply("and", apply("le", apply("abs", x - z), reach), apply("isfinite", x - z))
    return Operand(apply("or", near, apply("eq", x, z)), weak=True)


# fmt: off
BUILTINS: dict[Any, Function] = {
    builtins.abs: OPERATORS[operator.abs], builtins.max: extreme("maximum", reductions.max_, "max"),
    builtins.min: extreme("minimum", reductions.min_, "min"), builtins.sum: sum_, builtins.pow: pow_,
    builtins.divmod: infix(E["divmod"]), builtins.round: round_, builtins.float: as_float, builtins.int: as_int,
    builtins.bool: as_bool, builtins.any: quantifier("or"), builtins.all: quantifier("and"),
}

MATH: dict[str, Function] = {
    **{name: math_float(E[f]) for name, f in {
        "exp": "exp", "expm1": "expm1", "exp2": "exp2", "log1p": "log1p", "log2": "log2", "log10": "log10", "sqrt": "sqrt",
        "cbrt": "cbrt", "sin": "sin", "cos": "cos", "tan": "tan", "asin": "arcsin", "acos": "arccos", "atan": "arctan",
        "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh",
        "atan2": "arctan2", "copysign": "copysign", "fabs": "fabs", "fmod": "fmod", "pow": "power",
        "degrees": "degrees", "radians": "radians", "isnan": "isnan", "isinf": "isinf", "isfinite": "isfinite",
        "ldexp": "ldexp",
    }.items()},
    **{name: math_float(special.TABLE[f]) for name, f in {
        "erf": "erf", "erfc": "erfc", "gamma": "gamma", "lgamma": "gammaln",
    }.items()},
    "floor": to_integer("floor", "math.floor"), "ceil": to_integer("ceil", "math.ceil"),
    "trunc": to_integer("trunc", "math.trunc"),
    "log": log, "hypot": hypot, "dist": dist, "fsum": fsum, "prod": prod, "sumprod": sumprod, "modf": modf,
    "isclose": isclose,
}
# fmt: on

# np.float64(x), ... : the dtypes as functions
CONVERSIONS: dict[str, Function] = {NUMPY[d].__name__: dtype_call(d) for d in ("bool", *INTS, *FLOATS)}
