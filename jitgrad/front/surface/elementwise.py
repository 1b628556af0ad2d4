"""NumPy's functions of numbers, cell by cell: promotion, broadcasting, then one row of `ops/scalar.py` or a few.

Integers become float64 where the row wants floats (also the short ones, for which NumPy would choose float16 or float32).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import DTypeError, Unsupported, raise_at
from ...ir.build import Value, apply, value
from ...ir.core import FLOATS, INTS, Type
from ...ir.interp import NUMPY
from ...ops import array
from ...ops.scalar import power as raised
from ..handlers import check
from ..promote import (
    Operand,
    all_weak,
    broadcast_shapes,
    convert,
    float_dtype,
    kind_of,
    known,
    lift,
    result_dtype,
    spread,
    static_int,
    to_float,
    together,
)

Function = Callable[..., Any]
MAX_POWER = 64  # a literal integer exponent up to here is repeated multiplication


# ---- one argument


def on_floats(op: str) -> Function:
    def function(x: Any) -> Operand:
        return Operand(apply(op, to_float(x)))

    return function


def on_numbers(op: str, name: str, of_bool: Function | None = None, of_int: Function | None = None) -> Function:
    """Integers stay integers; `of_bool` and `of_int` say what other dtypes do, where they are special."""

    def function(x: Any) -> Operand:
        o = lift(x)
        if o.dtype == "bool":
            return of_bool(o) if of_bool else refuse_bool(name, o)
        if o.dtype in INTS and of_int:
            return of_int(o)
        return Operand(apply(op, o.value))

    return function


def same(o: Operand) -> Operand:
    return Operand(o.value)


def as_i8(o: Operand) -> Operand:
    return Operand(array.cast(o.value, "i8"))


def refuse_bool(name: str, o: Operand) -> Operand:
    raise_at(DTypeError, f"{name} is not defined for booleans", got=kind_of(o), repair="convert it: x.astype(float)")


def _integer_reciprocal(o: Operand) -> Operand:
    raise_at(DTypeError, "np.reciprocal of integers rounds towards zero", got=kind_of(o), repair="write 1.0 / x")


def to_bool(x: Any) -> Value:
    """Is it not zero?"""
    v = lift(x).value
    return v if v.dtype == "bool" else apply("ne", v, array.zeros_like(v))


def scaled(factor: float) -> Function:
    def function(x: Any) -> Operand:
        v = to_float(x)
        return Operand(v * factor)

    return function


def predicate(op: str, of_integers: bool) -> Function:
    """isnan, isinf, isfinite: integers have one answer."""

    def function(x: Any) -> Operand:
        o = lift(x)
        return Operand(apply(op, o.value) if o.is_real else value(of_integers, Type("bool", o.shape)))

    return function


def signbit(x: Any) -> Operand:
    v = to_float(x)
    return Operand(apply("lt", apply("copysign", array.ones_like(v), v), 0.0))


# ---- two arguments


def two_floats(op: str, name: str) -> Function:
    def function(x: Any, z: Any) -> Operand:
        return Operand(apply(op, *floats_together(x, z, name=name)))

    return function


def floats_together(*xs: Any, name: str) -> list[Value]:
    return together(*xs, name=name, dtype=floats_dtype(*xs))


def floats_dtype(*xs: Any) -> str:
    dtype = result_dtype(*map(lift, xs))
    return dtype if dtype in FLOATS else "f64"


def two_numbers(op: str, name: str, of_bools: str | None = None) -> Function:
    """`of_bools`: the row that NumPy's function is on booleans; without one they are refused."""

    def function(x: Any, z: Any) -> Operand:
        a, b = together(x, z, name=name)
        if a.dtype != "bool":
            return Operand(apply(op, a, b))
        return Operand(apply(of_bools, a, b)) if of_bools else refuse_bool(name, Operand(a))

    return function


def two_numbers_or_i8(op: str, name: str) -> Function:
    """Booleans become int8, as in NumPy."""

    def function(x: Any, z: Any) -> Operand:
        dtype = result_dtype(lift(x), lift(z))
        return Operand(apply(op, *together(x, z, name=name, dtype="i8" if dtype == "bool" else dtype)))

    return function


def compare(op: str, name: str) -> Function:
    def function(x: Any, z: Any) -> Operand:
        return Operand(apply(op, *together(x, z, name=name)))

    return function


def two_bools(op: str, name: str) -> Function:
    def function(x: Any, z: Any) -> Operand:
        return Operand(apply(op, *together(Operand(to_bool(x)), Operand(to_bool(z)), name=name)))

    return function


def two_bits(op: str, name: str, takes: tuple[str, ...] = ("bool", *INTS)) -> Function:
    def function(x: Any, z: Any) -> Operand:
        a, b = together(x, z, name=name)
        if a.dtype not in takes:
            raise_at(DTypeError, f"{name} wants integers{' or booleans' if 'bool' in takes else ''}", got=kind_of(Operand(a)))
        return Operand(apply(op, a, b))

    return function


def invert(x: Any) -> Operand:
    o = lift(x)
    if o.is_real:
        raise_at(DTypeError, "np.invert wants integers or booleans", got=kind_of(o))
    return Operand(apply("not", o.value))


def power(x: Any, z: Any, root: bool = False) -> Operand:
    """x ** z. A literal integer exponent multiplies; `root`: an exponent of 0.5 is sqrt, as the operator does on arrays."""
    base, exponent = lift(x), lift(z)
    dtype = result_dtype(base, exponent)
    dtype = "i8" if dtype == "bool" else dtype
    n = known(exponent)
    if dtype in INTS:
        return _integer_power(base, exponent, dtype, n)
    if n is not None and math.isfinite(n) and n == int(n) and abs(n) <= MAX_POWER:
        return Operand(raised(convert(base, dtype), int(n)))
    if root and n == 0.5:
        return Operand(apply("sqrt", convert(base, dtype)))
    return Operand(apply("pow", *together(base, exponent, name="power")))


def _integer_power(base: Operand, exponent: Operand, dtype: str, n: Any) -> Operand:
    if n is not None and n < 0:
        if all_weak(base, exponent):
            return Operand(raised(convert(base, "f64"), int(n)))
        raise_at(DTypeError, "an integer to a negative power", got=f"{kind_of(base)} ** {n}", repair="write float(x) ** n")
    if n is not None and n <= MAX_POWER:
        return Operand(raised(convert(base, dtype), int(n)))
    a, b = together(base, exponent, name="power", dtype=dtype)
    if n is None and not exponent.dtype.startswith("u"):
        negative = apply("lt", exponent.value, array.zeros_like(exponent.value))
        message = "an integer to a negative power: write float(x) ** n"
        check(apply("not", any_of(negative)), message, "ValueError")
    return Operand(apply("pow", a, b))


def any_of(c: Value) -> Value:
    return apply("any", c, axes=tuple(range(c.rank))) if c.rank else c


def float_power(x: Any, z: Any) -> Operand:
    return power(Operand(convert(lift(x), "f64")), z)


# fmod takes the sign of x, mod that of z; on numbers >= 0 they agree, and both are exact.
def fmod(x: Any, z: Any) -> Operand:
    a, b = together(x, z, name="np.fmod")
    if a.dtype == "bool":
        a, b = array.cast(a, "i8"), array.cast(b, "i8")
    size = apply("abs", b)
    down = apply("neg", apply("mod", apply("neg", a), size))
    return Operand(apply("where", apply("lt", a, array.zeros_like(a)), down, apply("mod", a, size)))


def divmod_(x: Any, z: Any) -> tuple[Operand, Operand]:
    return floor_divide(x, z), remainder(x, z)


def nan_ignoring(op: str, name: str) -> Function:
    """fmax and fmin: a NaN loses."""

    def function(x: Any, z: Any) -> Operand:
        a, b = together(x, z, name=name)
        if not a.type.is_real:
            return (maximum if op == "maximum" else minimum)(Operand(a), Operand(b))
        either = apply("where", apply("isnan", a), b, apply(op, a, b))
        return Operand(apply("where", apply("isnan", b), a, either))

    return function


# log2(2^x + 2^z) = log(exp(x log 2) + exp(z log 2)) / log 2
def logaddexp2(x: Any, z: Any) -> Operand:
    a, b = floats_together(x, z, name="np.logaddexp2")
    ln2 = math.log(2.0)
    return Operand(apply("logaddexp", a * ln2, b * ln2) * (1.0 / ln2))


def ldexp(x: Any, n: Any) -> Operand:
    a, b = together(Operand(to_float(x)), n, name="np.ldexp", dtype=float_dtype(lift(x)))
    return Operand(a * apply("exp2", b))


# ---- choices


def where(condition: Any, x: Any = None, y: Any = None) -> Operand:
    if x is None or y is None:
        raise_at(
            Unsupported,
            "np.where(condition) has a result whose size depends on the data",
            wanted="np.where(condition, x, y)",
            repair="loop over the cells, or multiply by the mask",
        )
    return choose(Operand(to_bool(condition)), lift(x), lift(y))


def choose(c: Operand, x: Operand, y: Operand) -> Operand:
    dtype = result_dtype(x, y)
    shape = broadcast_shapes("np.where", [c.shape, x.shape, y.shape])
    return Operand(apply("where", spread(c.value, shape), spread(convert(x, dtype), shape), spread(convert(y, dtype), shape)))


def clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Operand:
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    out = lift(a)
    if low is not None:
        out = maximum(out, low)
    return minimum(out, high) if high is not None else Operand(out.value)


def nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Operand:
    o = lift(x)
    if not o.is_real:
        return Operand(o.value)
    v, info = o.value, np.finfo(NUMPY[o.dtype])
    instead = (nan, float(info.max) if posinf is None else posinf, float(info.min) if neginf is None else neginf)
    of_nan, top, bottom = (spread(convert(lift(n), o.dtype), v.shape) for n in instead)
    out = apply("where", apply("eq", v, math.inf), top, v)
    out = apply("where", apply("eq", v, -math.inf), bottom, out)
    return Operand(apply("where", apply("isnan", v), of_nan, out))


def heaviside(x: Any, h: Any) -> Operand:
    a, b = floats_together(x, h, name="np.heaviside")
    zero, one = array.zeros_like(a), array.ones_like(a)
    out = apply("where", apply("gt", a, zero), one, apply("where", apply("lt", a, zero), zero, b))
    return Operand(apply("where", apply("isnan", a), a, out))


# sin(u) / u with u = pi x. Near 0 by its series, so that derivatives of every order that matters are right there too:
# at |u| < 0.03 the first omitted term is below 2e-18, and that of the second derivative below 2e-13.
def sinc(x: Any) -> Operand:
    u = to_float(x) * math.pi
    near = apply("lt", apply("abs", u), 0.03)
    u2 = u * u
    series = 1.0 - u2 * (1.0 / 6.0 - u2 * (1.0 / 120.0 - u2 * (1.0 / 5040.0)))
    safe = apply("where", near, array.ones_like(u), u)
    return Operand(apply("where", near, series, apply("sin", safe) / safe))


def isclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08) -> Operand:
    x, z, relative, absolute = floats_together(a, b, rtol, atol, name="np.isclose")
    near = apply("le", apply("abs", x - z), apply("abs", z) * relative + absolute)
    return Operand(apply("or", apply("and", near, apply("isfinite", z)), apply("eq", x, z)))


def round_(a: Any, decimals: Any = 0) -> Operand:
    """As NumPy does: scaled, rounded to even, scaled back."""
    o = lift(a)
    n = static_int(decimals, "the number of decimals")
    if not o.is_real:
        if n >= 0:
            return Operand(array.cast(o.value, "i64") if o.dtype == "bool" else o.value)
        raise_at(Unsupported, "rounding integers to tens", repair="convert them to floats first")
    if n == 0:
        return Operand(apply("rint", o.value))
    scale = 10.0 ** abs(n)
    up, down = ("mul", "div") if n > 0 else ("div", "mul")
    return Operand(apply(down, apply("rint", apply(up, o.value, scale)), scale))


# From NumPy 2.1 on the floor of an integer is an integer.
WHOLE = same if np.floor(1).dtype.kind == "i" else lambda o: Operand(convert(o, "f64"))
add = two_numbers("add", "np.add", "or")
subtract = two_numbers("sub", "np.subtract")
multiply = two_numbers("mul", "np.multiply", "and")
divide = two_floats("div", "np.divide")
floor_divide = two_numbers_or_i8("floordiv", "np.floor_divide")
remainder = two_numbers_or_i8("mod", "np.remainder")
maximum = two_numbers("maximum", "np.maximum", "or")
minimum = two_numbers("minimum", "np.minimum", "and")
negative = on_numbers("neg", "np.negative")
absolute = on_numbers("abs", "np.absolute", of_bool=same)
sign = on_numbers("sign", "np.sign")
square = on_numbers("square", "np.square", of_bool=as_i8)


def positive(x: Any) -> Operand:
    o = lift(x)
    return refuse_bool("np.positive", o) if o.dtype == "bool" else Operand(o.value)


# fmt: off
FLOAT_ROWS = {
    "exp": "exp", "expm1": "expm1", "exp2": "exp2", "log": "log", "log1p": "log1p", "log2": "log2", "log10": "log10",
    "sqrt": "sqrt", "cbrt": "cbrt", "sin": "sin", "cos": "cos", "tan": "tan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh",
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh",
    "fabs": "abs", "rint": "rint",
}
COMPARISONS = {
    "less": "lt", "less_equal": "le", "greater": "gt", "greater_equal": "ge", "equal": "eq", "not_equal": "ne",
}

TABLE: dict[str, Function] = {
    **{name: on_floats(op) for name, op in FLOAT_ROWS.items()},
    **{name: compare(op, f"np.{name}") for name, op in COMPARISONS.items()},
    "add": add, "subtract": subtract, "multiply": multiply, "divide": divide, "floor_divide": floor_divide,
    "remainder": remainder, "fmod": fmod, "divmod": divmod_, "power": power, "float_power": float_power,
    "negative": negative, "positive": positive, "absolute": absolute, "sign": sign, "square": square,
    "reciprocal": on_numbers("reciprocal", "np.reciprocal", of_int=_integer_reciprocal),
    "floor": on_numbers("floor", "np.floor", of_bool=WHOLE, of_int=WHOLE),
    "ceil": on_numbers("ceil", "np.ceil", of_bool=WHOLE, of_int=WHOLE),
    "trunc": on_numbers("trunc", "np.trunc", of_bool=WHOLE, of_int=WHOLE),
    "fix": on_numbers("trunc", "np.fix", of_bool=WHOLE, of_int=WHOLE),
    "round": round_, "around": round_,
    "maximum": maximum, "minimum": minimum,
    "fmax": nan_ignoring("maximum", "np.fmax"), "fmin": nan_ignoring("minimum", "np.fmin"),
    "arctan2": two_floats("atan2", "np.arctan2"), "hypot": two_floats("hypot", "np.hypot"),
    "logaddexp": two_floats("logaddexp", "np.logaddexp"), "logaddexp2": logaddexp2,
    "copysign": two_floats("copysign", "np.copysign"), "ldexp": ldexp,
    "deg2rad": scaled(math.pi / 180.0), "radians": scaled(math.pi / 180.0),
    "rad2deg": scaled(180.0 / math.pi), "degrees": scaled(180.0 / math.pi),
    "logical_and": two_bools("and", "np.logical_and"), "logical_or": two_bools("or", "np.logical_or"),
    "logical_xor": two_bools("xor", "np.logical_xor"), "logical_not": lambda x: Operand(apply("not", to_bool(x))),
    "bitwise_and": two_bits("and", "np.bitwise_and"), "bitwise_or": two_bits("or", "np.bitwise_or"),
    "bitwise_xor": two_bits("xor", "np.bitwise_xor"), "invert": invert,
    "left_shift": two_bits("lshift", "np.left_shift", INTS), "right_shift": two_bits("rshift", "np.right_shift", INTS),
    "isnan": predicate("isnan", False), "isinf": predicate("isinf", False), "isfinite": predicate("isfinite", True),
    "signbit": signbit, "isclose": isclose,
    "where": where, "clip": clip, "nan_to_num": nan_to_num, "heaviside": heaviside, "sinc": sinc,
    "real": lambda val: same(lift(val)), "conjugate": lambda x: as_i8(lift(x)) if lift(x).dtype == "bool" else same(lift(x)),
}
# fmt: on
