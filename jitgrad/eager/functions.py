"""Functions of one tensor, cell by cell."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import arrays, dtypes
from .complexes import computed
from .elementwise import INTEGERS, _copied, function, kept, missing
from .kernel import Aval, Kernel
from .op import Op

exp = function("exp", np.exp, saves="result")
expm1 = function("expm1", np.expm1, saves="result")
exp2 = function("exp2", np.exp2)
log = function("log", np.log)
log1p = function("log1p", np.log1p, "Log1P")
log2 = function("log2", np.log2)
log10 = function("log10", np.log10)
sqrt = function("sqrt", np.sqrt, saves="result")
sin = function("sin", np.sin)
cos = function("cos", np.cos)
tan = function("tan", np.tan, saves="result")
sinh = function("sinh", np.sinh)
cosh = function("cosh", np.cosh)
tanh = function("tanh", np.tanh, saves="result")
asin = arcsin = function("asin", np.arcsin)
acos = arccos = function("acos", np.arccos)
atan = arctan = function("atan", np.arctan)
asinh = arcsinh = function("asinh", np.arcsinh)
acosh = arccosh = function("acosh", np.arccosh)
atanh = arctanh = function("atanh", np.arctanh)
sigmoid = function("sigmoid", arrays.expit, saves="result")
sinc = function("sinc", np.sinc)


def _sign(x: Any) -> Any:
    """Of no number: 0."""
    return np.where(x != x, 0, np.sign(x))


def choose_sign(t: Aval, node: str = "Sign") -> Kernel:
    """Of reals: of bools, themselves."""
    body = _sign if t.dtype.rank >= dtypes.FLOAT else _copied if t.dtype is dtypes.bool else np.sign
    return computed(body, node, (t,), t.dtype)


def _choose_real_sign(t: Aval) -> Kernel:
    if t.dtype.is_complex:
        raise NotImplementedError(
            "Unlike NumPy, torch.sign is not intended to support complex numbers. Please use torch.sgn instead."
        )
    return choose_sign(t)


sign = Op("sign", _choose_real_sign)
floor = kept("floor", np.floor, lacks=(dtypes.BOOL,))
ceil = kept("ceil", np.ceil, lacks=(dtypes.BOOL,))
trunc = fix = kept("trunc", np.trunc, lacks=(dtypes.BOOL,))

NO_NEGATION = (
    "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the `~` or "
    "`logical_not()` operator instead."
)


def _choose_neg(t: Aval) -> Kernel:
    if t.dtype is dtypes.bool:
        raise RuntimeError(NO_NEGATION)
    return computed(np.negative, "Neg", (t,), t.dtype)


def _choose_abs(t: Aval) -> Kernel:
    if t.dtype is dtypes.bool:
        raise missing("abs_cpu", t.dtype)
    return computed(np.abs, "Abs", (t,), t.dtype, real_of(t.dtype))


def real_of(d: dtypes.dtype) -> dtypes.dtype:
    """The dtype of a size or a part of such numbers."""
    return {dtypes.complex64: dtypes.float32, dtypes.complex128: dtypes.float64}.get(d, d)


neg = negative = Op("neg", _choose_neg)
abs = absolute = Op("abs", _choose_abs)


def _round(x: Any, scale: float) -> Any:
    return np.round(x * scale) / scale


_rounds = kept("round", np.round, lacks=(dtypes.BOOL, dtypes.COMPLEX))
_rounds_to = kept("round", _round, "Round.1", lacks=(*INTEGERS, dtypes.COMPLEX))


def round(input: Any, *, decimals: int = 0) -> Any:
    """To the nearest integer (or to a number of decimals), halves to the even one."""
    return _rounds(input) if not decimals else _rounds_to(input, scale=10.0**decimals)


def _reciprocal(x: Any) -> Any:
    return 1.0 / x


def _rsqrt(x: Any) -> Any:
    return 1.0 / np.sqrt(x)


def _frac(x: Any) -> Any:
    return x - np.trunc(x)


def _scaled(x: Any, by: float) -> Any:
    return x * by


reciprocal = function("reciprocal", _reciprocal, saves="result")
rsqrt = function("rsqrt", _rsqrt, saves="result")
frac = kept("frac", _frac, lacks=(*INTEGERS, dtypes.COMPLEX), suffix="_cpu")
_degrees, _radians = function("rad2deg", _scaled, "Rad2Deg"), function("deg2rad", _scaled, "Deg2Rad")


def deg2rad(input: Any) -> Any:
    """Degrees as radians."""
    return _radians(input, by=math.pi / 180.0)


def rad2deg(input: Any) -> Any:
    """Radians as degrees."""
    return _degrees(input, by=180.0 / math.pi)


erf = function("erf", arrays.erf)
erfc = function("erfc", arrays.erfc)
lgamma = function("lgamma", arrays.gammaln)
digamma = function("digamma", arrays.digamma)


def _logit(x: Any, eps: float | None) -> Any:
    p = x if eps is None else np.where(x < eps, eps, np.where(x > 1.0 - eps, 1.0 - eps, x))
    return np.log(p / (1.0 - p))


_logits = function("logit", _logit)


def logit(input: Any, eps: float | None = None) -> Any:
    """log(x / (1 - x)); with `eps`, x is first brought between eps and 1 - eps."""
    return _logits(input, eps=eps)


def _nan_to_num(x: Any, nan: float, posinf: float, neginf: float) -> Any:
    return np.where(x != x, nan, np.where(x == np.inf, posinf, np.where(x == -np.inf, neginf, x)))


def _choose_nan_to_num(t: Aval, nan: Any, posinf: Any, neginf: Any) -> Kernel:
    if not t.dtype.is_floating_point:
        return computed(_copied, "NanToNum", (t,), t.dtype)
    top = dtypes.finfo(t.dtype).max
    limits = (0.0 if nan is None else nan, top if posinf is None else posinf, -top if neginf is None else neginf)
    return computed(_nan_to_num, "NanToNum", (t,), t.dtype, nan=limits[0], posinf=limits[1], neginf=limits[2])


_nan_to_nums = Op("nan_to_num", _choose_nan_to_num)


def nan_to_num(input: Any, nan: Any = None, posinf: Any = None, neginf: Any = None) -> Any:
    """NaN as a number (0), infinities as the largest numbers of the dtype or as those given."""
    return _nan_to_nums(input, nan=nan, posinf=posinf, neginf=neginf)


def positive(input: Any) -> Any:
    """The tensor itself."""
    if input.dtype is dtypes.bool:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input

__all__ = [
    "abs", "absolute", "acos", "acosh", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "asin", "asinh",
    "atan", "atanh", "ceil", "cos", "cosh", "deg2rad", "digamma", "erf", "erfc", "exp", "exp2", "expm1", "fix", "floor",
    "frac", "log", "log10",
    "log1p", "log2", "logit", "lgamma", "nan_to_num", "neg", "negative", "positive", "rad2deg", "reciprocal", "round",
    "rsqrt", "sigmoid", "sign", "sin",
    "sinc", "sinh", "sqrt", "tan", "tanh", "trunc",
]  # fmt: skip
