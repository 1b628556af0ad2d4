"""Operations cell by cell, as tables: PyTorch's name, the NumPy program, and how dtypes promote.

`saves="result"`: PyTorch keeps the result for the return sweep, so that overwriting it is an error and overwriting the input
is not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from . import dtypes
from .kernel import Aval, Kernel, kernel
from .op import Op, check_broadcast, converted, result_dtype


def floating(types: tuple[Any, ...]) -> dtypes.dtype:
    """The promoted dtype; integers become the default float."""
    d = result_dtype(types)
    return d if d.rank >= dtypes.FLOAT else dtypes.get_default_dtype()


def function(name: str, body: Any, node: str = "", saves: str = "") -> Op:
    """A function of floats: integers become floats."""
    node = node or name.capitalize()
    return Op(name, lambda *types, **options: converted(body, node, types, floating(types), saves=saves, **options))


def arithmetic(name: str, body: Any, node: str = "", floating: bool = False, saves: str = "") -> Op:
    """An operation of two or more that broadcast, in their common dtype."""
    node = node or name.capitalize()

    def choose(*types: Any, **options: Any) -> Kernel:
        check_broadcast(types)
        to = floating(types) if floating else result_dtype(types)
        return converted(body, node, types, to, saves=saves, **options)

    return Op(name, choose)


def comparison(name: str, body: Any) -> Op:
    """Two in their common dtype; the result is bool."""

    def choose(*types: Any) -> Kernel:
        check_broadcast(types)
        return converted(body, name.capitalize(), types, result_dtype(types), out=dtypes.bool)

    return Op(name, choose)


def kept(name: str, body: Any, node: str = "") -> Op:
    """A function that keeps the dtype."""
    node = node or name.capitalize()
    return Op(name, lambda *types, **options: kernel(body, node, (types[0].dtype,), **options))


# ---- two arguments


def _power(x: Any, exponent: Any) -> Any:
    return x**exponent


def _number_power(x: Any, exponent: float) -> Any:
    return np.power(x, exponent) if not isinstance(x, (int, float)) else x**exponent


add = arithmetic("add", np.add)
sub = arithmetic("sub", np.subtract)
mul = arithmetic("mul", np.multiply)
div = arithmetic("div", np.divide, floating=True)
floor_divide = arithmetic("floor_divide", np.floor_divide, "FloorDivide")
remainder = arithmetic("remainder", np.remainder)
fmod = arithmetic("fmod", np.fmod)
maximum = arithmetic("maximum", np.maximum)
minimum = arithmetic("minimum", np.minimum)
fmax = arithmetic("fmax", np.fmax)
fmin = arithmetic("fmin", np.fmin)
atan2 = arithmetic("atan2", np.arctan2, floating=True)
hypot = arithmetic("hypot", np.hypot)
logaddexp = arithmetic("logaddexp", np.logaddexp)
xlogy = arithmetic("xlogy", special.xlogy, floating=True)
power = arithmetic("pow", _power, "Pow")


def _choose_number_power(t: Aval, exponent: Any) -> Kernel:
    raised = result_dtype((t, type(exponent)))
    return converted(_number_power, "Pow", (t,), raised, exponent=exponent)


number_power = Op("pow", _choose_number_power)


def pow(x: Any, exponent: Any) -> Any:
    """x ** exponent; a number as exponent is part of the program (x ** 2 is x * x)."""
    if type(exponent) in (int, float):
        return number_power(x, exponent=exponent)
    return power(x, exponent)


# ---- comparisons

eq = comparison("eq", np.equal)
ne = comparison("ne", np.not_equal)
lt = comparison("lt", np.less)
le = comparison("le", np.less_equal)
gt = comparison("gt", np.greater)
ge = comparison("ge", np.greater_equal)

# ---- one argument

exp = function("exp", np.exp, saves="result")
expm1 = function("expm1", np.expm1, saves="result")
exp2 = function("exp2", np.exp2, saves="result")
log = function("log", np.log)
log1p = function("log1p", np.log1p)
log2 = function("log2", np.log2)
log10 = function("log10", np.log10)
sqrt = function("sqrt", np.sqrt, saves="result")
sin = function("sin", np.sin)
cos = function("cos", np.cos)
tan = function("tan", np.tan, saves="result")
sinh = function("sinh", np.sinh)
cosh = function("cosh", np.cosh)
tanh = function("tanh", np.tanh, saves="result")
asin = function("asin", np.arcsin)
acos = function("acos", np.arccos)
atan = function("atan", np.arctan)
asinh = function("asinh", np.arcsinh)
acosh = function("acosh", np.arccosh)
atanh = function("atanh", np.arctanh)
sigmoid = function("sigmoid", special.expit, saves="result")
erf = function("erf", special.erf)
erfc = function("erfc", special.erfc)
lgamma = function("lgamma", special.gammaln)
digamma = function("digamma", special.digamma)
neg = kept("neg", np.negative)
sign = kept("sign", np.sign, "Sign")
floor = kept("floor", np.floor)
ceil = kept("ceil", np.ceil)
round = kept("round", np.round)
trunc = kept("trunc", np.trunc)
absolute = kept("abs", np.abs)
square = kept("square", np.square, "Pow")


def _reciprocal(x: Any) -> Any:
    return 1.0 / x


def _rsqrt(x: Any) -> Any:
    return 1.0 / np.sqrt(x)


def _copied(x: Any) -> Any:
    return x.copy()


reciprocal = function("reciprocal", _reciprocal, saves="result")
rsqrt = function("rsqrt", _rsqrt, saves="result")
clone = kept("clone", _copied)

# ---- bounds


def _clamp(x: Any, *bounds: Any, lower: bool, upper: bool) -> Any:
    """At a bound the slope is that of x."""
    if lower:
        x = np.where(x < bounds[0], bounds[0], x)
    return np.where(x > bounds[-1], bounds[-1], x) if upper else x


def _choose_clamp(*types: Any, lower: bool, upper: bool, node: str = "") -> Kernel:
    check_broadcast(types)
    node = node or ("Clamp" if any(isinstance(t, Aval) for t in types[1:]) else "Clamp.1")
    return converted(_clamp, node, types, result_dtype(types), lower=lower, upper=upper)


_clamps = Op("clamp", _choose_clamp)


def clamp(input: Any, min: Any = None, max: Any = None) -> Any:
    """x within the bounds (numbers or tensors), the bound outside."""
    if min is None:
        if max is None:
            raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
        return _clamps(input, max, lower=False, upper=True)
    return _clamps(input, min, lower=True, upper=False) if max is None else _clamps(input, min, max, lower=True, upper=True)


clip = clamp


def clamp_min(input: Any, min: Any) -> Any:
    """x, or the bound where x is below it."""
    return _clamps(input, min, lower=True, upper=False, node="ClampMin")


def clamp_max(input: Any, max: Any) -> Any:
    """x, or the bound where x is above it."""
    return _clamps(input, max, lower=False, upper=True, node="ClampMax")

# ---- conversion


def _cast(x: Any, to: Any) -> Any:
    return x.astype(to)


def _choose_cast(t: Aval, dtype: dtypes.dtype) -> Kernel:
    return kernel(_cast, "ToCopy", (dtype,), to=dtype.compute)


cast = Op("to", _choose_cast)

__all__ = [
    "acos", "acosh", "add", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "clamp", "clamp_max", "clamp_min", "clip", "clone", "cos", "cosh", "digamma", "div", "eq", "erf",
    "erfc", "exp", "exp2", "expm1", "floor", "floor_divide", "fmax", "fmin", "fmod", "ge", "gt", "hypot", "le", "lgamma",
    "log", "log10", "log1p", "log2", "logaddexp", "lt", "maximum", "minimum", "mul", "ne", "neg", "pow", "reciprocal",
    "remainder", "round", "rsqrt", "sigmoid", "sign", "sin", "sinh", "sqrt", "square", "sub", "tan", "tanh", "trunc",
    "xlogy",
]  # fmt: skip
