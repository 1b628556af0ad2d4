"""`torch.special`: functions of mathematical physics and statistics."""

from __future__ import annotations

import math
from typing import Any

from . import arrays
from .activations import log_softmax as _log_softmax
from .activations import softmax as _softmax
from .elementwise import arithmetic, function
from .pointwise import digamma, erf, erfc, exp2, expm1, lgamma, log1p, logit, round, sigmoid, sinc, xlogy
from .reductions import logsumexp
from .tensor import Tensor

expit, gammaln, psi = sigmoid, lgamma, digamma


def softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """exp(x) divided by its sum over an axis."""
    return _softmax(input, dim, dtype)


def log_softmax(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """The logarithm of `softmax`."""
    return _log_softmax(input, dim, dtype)


def _polygamma(x: Any, n: int) -> Any:
    return arrays.polygamma(n, x)


entr = function("entr", arrays.entr, "SpecialEntr")
ndtr = function("ndtr", arrays.ndtr, "Mul.1")
xlog1py = arithmetic("xlog1py", arrays.xlog1py, "SpecialXlog1Py", floating=True)
_polygammas = function("polygamma", _polygamma)


def polygamma(n: int, input: Tensor) -> Tensor:
    """The n-th derivative of `digamma`."""
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    return _polygammas(input, n=int(n))


# log of the gamma function of p variables = p (p - 1) / 4 log(pi) + sum over j of gammaln(x - j / 2)
def _multigammaln(x: Any, p: int) -> Any:
    out = arrays.gammaln(x) + p * (p - 1) / 4.0 * math.log(math.pi)
    for j in range(1, p):
        out = out + arrays.gammaln(x - j / 2.0)
    return out


_multigammalns = function("mvlgamma", _multigammaln)


def multigammaln(input: Tensor, p: int) -> Tensor:
    """The logarithm of the gamma function of p variables."""
    return _multigammalns(input, p=int(p))


mvlgamma = multigammaln

__all__ = [
    "digamma", "entr", "erf", "erfc", "exp2", "expit", "expm1", "gammaln", "log1p", "log_softmax", "logit", "logsumexp",
    "multigammaln", "ndtr", "polygamma", "psi", "round", "sinc", "softmax", "xlog1py", "xlogy",
]  # fmt: skip
