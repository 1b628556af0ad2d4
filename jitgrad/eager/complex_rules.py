"""What the operations are on complex numbers: the table `complexes.RULES`, filled."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import arrays, linear, pointwise, reductions
from .complexes import RULES, Pair, absolute, componentwise, exp, log, over, rule, times
from .functions import _reciprocal, _rsqrt

LONGEST_PRODUCT = 16  # integer powers up to here are products

# ---- arithmetic

RULES[np.negative] = componentwise(np.negative)
RULES[np.multiply], RULES[np.divide] = times, over
RULES[np.exp], RULES[np.log] = exp, log
RULES[np.abs] = absolute
for fold, body in ((np.sum, reductions._reduced), (np.mean, reductions._reduced), (np.cumsum, reductions._cumulative)):
    RULES[fold] = componentwise(body)
RULES[linear._trace] = componentwise(linear._trace)


@rule(np.add)
def add(z: Pair, w: Pair) -> Pair:
    return z[0] + w[0], z[1] + w[1]


@rule(np.subtract)
def subtract(z: Pair, w: Pair) -> Pair:
    return z[0] - w[0], z[1] - w[1]


@rule(pointwise._plus)
def plus(z: Pair, w: Pair, alpha: Pair) -> Pair:
    return add(z, times(alpha, w))


@rule(pointwise._minus)
def minus(z: Pair, w: Pair, alpha: Pair) -> Pair:
    return subtract(z, times(alpha, w))


@rule(pointwise._addcmul)
def addcmul(z: Pair, a: Pair, b: Pair, value: Pair) -> Pair:
    return add(z, times(value, times(a, b)))


@rule(pointwise._addcdiv)
def addcdiv(z: Pair, a: Pair, b: Pair, value: Pair) -> Pair:
    return add(z, times(value, over(a, b)))


@rule(_reciprocal)
def reciprocal(z: Pair) -> Pair:
    return over((np.ones_like(z[0]), np.zeros_like(z[0])), z)


@rule(np.equal)
def equal(z: Pair, w: Pair) -> Any:
    return (z[0] == w[0]) & (z[1] == w[1])


@rule(np.not_equal)
def not_equal(z: Pair, w: Pair) -> Any:
    return (z[0] != w[0]) | (z[1] != w[1])


@rule(np.isnan)
def isnan(z: Pair) -> Any:
    return np.isnan(z[0]) | np.isnan(z[1])


@rule(np.isinf)
def isinf(z: Pair) -> Any:
    return np.isinf(z[0]) | np.isinf(z[1])


@rule(np.isfinite)
def isfinite(z: Pair) -> Any:
    return np.isfinite(z[0]) & np.isfinite(z[1])


# ---- products: bilinear functions f of reals on complex numbers


def bilinear(f: Callable[..., Any]) -> Callable[..., Pair]:
    """(a + bi)(c + di) = f(a, c) - f(b, d) + i (f(a, d) + f(b, c))"""

    def apply(z: Pair, w: Pair, **options: Any) -> Pair:
        re = f(z[0], w[0], **options) - f(z[1], w[1], **options)
        return re, f(z[0], w[1], **options) + f(z[1], w[0], **options)

    return apply


RULES[np.matmul] = matmul = bilinear(np.matmul)
RULES.update({body: bilinear(body) for body in (linear._outer, linear._inner, linear._tensordot, linear._kron)})


@rule(linear._einsum)
def einsum(*zs: Pair, equation: str) -> Pair:
    if len(zs) == 1:
        return componentwise(linear._einsum)(*zs, equation=equation)
    if len(zs) == 2:
        return bilinear(linear._einsum)(*zs, equation=equation)
    raise NotImplementedError("einsum of more than two complex tensors is not available here: multiply them in pairs")


@rule(linear._added)
def added(z: Pair, a: Pair, b: Pair, beta: Any, alpha: Any, total: bool) -> Pair:
    re, im = matmul(a, b)
    if total:
        re, im = np.sum(re, axis=0), np.sum(im, axis=0)
    re, im = times((re, im), number(alpha))
    if not beta:
        return re, im
    x = times(z, number(beta))
    return re + x[0], im + x[1]


def number(x: Any) -> Pair:
    """A Python number as a pair."""
    return complex(x).real, complex(x).imag


# ---- functions. Roots and powers by modulus and angle, which keeps their derivatives right on the axes.


def polar(size: Any, angle: Any) -> Pair:
    return size * np.cos(angle), size * np.sin(angle)


@rule(np.sqrt)
def sqrt(z: Pair) -> Pair:
    return polar(np.sqrt(absolute(z)), 0.5 * np.arctan2(z[1], z[0]))


@rule(_rsqrt)
def rsqrt(z: Pair) -> Pair:
    return reciprocal(sqrt(z))


@rule(pointwise._number_power)
def number_power(z: Pair, exponent: Any) -> Pair:
    if exponent == int(exponent) and abs(exponent) <= LONGEST_PRODUCT:
        out = (np.ones_like(z[0]), np.zeros_like(z[0]))
        for _ in range(abs(int(exponent))):
            out = times(out, z)
        return out if exponent >= 0 else reciprocal(out)
    return polar(absolute(z) ** exponent, exponent * np.arctan2(z[1], z[0]))


# z^w = exp(w log z), and 0 for z = 0
@rule(pointwise._power)
def power(z: Pair, w: Pair) -> Pair:
    if isinstance(z[0], (int, float)):
        z = (z[0] + np.zeros_like(w[0]), np.zeros_like(w[0]))
    none = (z[0] == 0) & (z[1] == 0)
    re, im = exp(times(w, log((np.where(none, 1.0, z[0]), z[1]))))
    return np.where(none, 0.0, re), np.where(none, 0.0, im)


@rule(np.sin)
def sin(z: Pair) -> Pair:
    return np.sin(z[0]) * np.cosh(z[1]), np.cos(z[0]) * np.sinh(z[1])


@rule(np.cos)
def cos(z: Pair) -> Pair:
    return np.cos(z[0]) * np.cosh(z[1]), -np.sin(z[0]) * np.sinh(z[1])


@rule(np.sinh)
def sinh(z: Pair) -> Pair:
    return np.sinh(z[0]) * np.cos(z[1]), np.cosh(z[0]) * np.sin(z[1])


@rule(np.cosh)
def cosh(z: Pair) -> Pair:
    return np.cosh(z[0]) * np.cos(z[1]), np.sinh(z[0]) * np.sin(z[1])


# tanh(a + bi) = (t (1 + s^2) + i s (1 - t^2)) / (1 + t^2 s^2) with t = tanh a, s = tan b
@rule(np.tanh)
def tanh(z: Pair) -> Pair:
    t, s = np.tanh(z[0]), np.tan(z[1])
    whole = 1.0 + t * t * s * s
    return t * (1.0 + s * s) / whole, s * (1.0 - t * t) / whole


# tan z = -i tanh(iz)
@rule(np.tan)
def tan(z: Pair) -> Pair:
    re, im = tanh((-z[1], z[0]))
    return im, -re


@rule(arrays.expit)
def sigmoid(z: Pair) -> Pair:
    re, im = exp((-z[0], -z[1]))
    return reciprocal((1.0 + re, im))


def _logarithm(base: float) -> Callable[[Pair], Pair]:
    def apply(z: Pair) -> Pair:
        re, im = log(z)
        return re / math.log(base), im / math.log(base)

    return apply


RULES[np.log2], RULES[np.log10] = _logarithm(2.0), _logarithm(10.0)
