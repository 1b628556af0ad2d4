"""Which functions of numbers are methods of tensors: `BOTH` also write in place (`x.exp_()`), `PLAIN` do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import (
    activations,
    calculus,
    comparing,
    complex_tensors,
    conversion,
    extremes,
    linalg,
    linear,
    norms,
    ordering,
    pointwise,
    reductions,
    special,
)

Table = dict[str, Callable[..., Any]]


def named(module: Any, names: str) -> Table:
    return {n: getattr(module, n) for n in names.split()}


BOTH: Table = {
    **named(
        pointwise,
        """abs absolute acos acosh add addcdiv addcmul arccos arccosh arcsin arcsinh arctan arctan2 arctanh asin asinh atan atan2
        atanh bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_xor ceil clamp clamp_max clamp_min
        clip copysign cos cosh deg2rad digamma div divide eq erf erfc exp exp2 expm1 fix float_power floor floor_divide fmod frac
        ge greater greater_equal gt heaviside hypot ldexp le lerp less less_equal lgamma log log10 log1p log2 logical_and
        logical_not logical_or logical_xor logit lt mul multiply nan_to_num ne neg negative not_equal pow rad2deg reciprocal
        remainder round rsqrt sigmoid sign sin sinc sinh sqrt square sub subtract tan tanh true_divide trunc xlogy""",
    ),
    **named(special, "mvlgamma"),
    **named(complex_tensors, "sgn"),
    **named(activations, "relu"),
    **named(linear, "addmm addmv addbmm baddbmm addr"),
    **named(reductions, "cumsum cumprod"),
}
_TYPED: Table = {}
for _table in (conversion.METHODS, linalg.METHODS, complex_tensors.METHODS):
    _TYPED.update(_table)  # type: ignore[arg-type]
PLAIN: Table = {
    **named(
        pointwise,
        """allclose clone equal fmax fmin isclose isfinite isinf isnan isneginf isposinf logaddexp logaddexp2 maximum minimum
        positive signbit""",
    ),
    **named(activations, "softmax log_softmax prelu hardshrink"),
    **named(reductions, " ".join(reductions.__all__)),
    **named(extremes, " ".join(extremes.__all__)),
    **named(norms, "norm dist"),
    **named(linear, "matmul mm mv dot bmm outer ger inner kron trace"),
    "polygamma": lambda x, n: special.polygamma(n, x),
    **_TYPED,
    **{f.__name__: f for f in (*ordering.METHODS, *calculus.METHODS)},
}
# The operators, by the names of their methods; `BINARY` also from the right and in place.
BINARY: Table = {
    "add": pointwise.plus, "sub": pointwise.minus, "mul": pointwise.mul, "truediv": pointwise.quotient, "pow": pointwise.pow,
    "floordiv": pointwise.floor_divide, "mod": pointwise.remainder, "matmul": linear.matmul, "and": pointwise.bitwise_and,
    "or": pointwise.bitwise_or, "xor": pointwise.bitwise_xor, "lshift": pointwise.bitwise_left_shift,
    "rshift": pointwise.bitwise_right_shift,
}  # fmt: skip
COMPARE: Table = named(pointwise, "eq ne lt le gt ge")
UNARY: Table = {"neg": pointwise.neg, "abs": pointwise.abs, "invert": comparing.invert, "pos": pointwise.positive}
PROPERTIES: dict[str, property] = complex_tensors.PROPERTIES
