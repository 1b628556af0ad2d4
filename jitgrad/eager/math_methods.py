"""Which functions of numbers are methods of tensors: `BOTH` also write in place (`x.exp_()`), `PLAIN` do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import activations, extremes, linear, norms, pointwise, reductions

Table = dict[str, Callable[..., Any]]


def named(module: Any, names: str) -> Table:
    return {n: getattr(module, n) for n in names.split()}


BOTH: Table = {
    **named(
        pointwise,
        """exp expm1 exp2 log log1p log2 log10 sqrt sin cos tan sinh cosh tanh asin acos atan asinh acosh atanh sigmoid erf erfc
        lgamma digamma neg sign floor ceil round trunc square reciprocal rsqrt add sub mul div pow remainder fmod atan2 clamp clip
        clamp_min clamp_max floor_divide hypot xlogy""",
    ),
    **named(activations, "relu celu threshold"),
    **named(linear, "addmm addmv addbmm baddbmm addr"),
    **named(reductions, "cumsum cumprod"),
    "abs": pointwise.absolute,
}  # fmt: skip
PLAIN: Table = {
    **named(pointwise, "eq ne lt le gt ge maximum minimum fmax fmin logaddexp clone"),
    **named(activations, "softmax log_softmax prelu hardshrink"),
    **named(reductions, " ".join(reductions.__all__)),
    **named(extremes, " ".join(extremes.__all__)),
    **named(norms, "norm dist"),
    **named(linear, "matmul mm mv dot bmm outer ger inner kron trace"),
}
