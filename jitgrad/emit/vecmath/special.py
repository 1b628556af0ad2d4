"""The error function, the logarithm of gamma, and digamma with all its derivatives, written on `Value`s."""

from __future__ import annotations

import math

from . import coefs
from .build import Value, clamp, copysign, fabs, fma, libm, muladd, narrow, poly, rescue, select, widen
from .build import intrinsic as llvm
from .circular import _reduce_angle, _sin_cos_reduced
from .elementary import INF, NAN, exp, exp_times, log

MAX_ORDER = 100  # of polygamma: beyond, factorials leave the range of float64


def _erf_small(x: Value) -> Value:
    return muladd(x, poly(x * x, coefs.ERF[x.real.bits]), x)


def erf(x: Value) -> Value:
    a = fabs(x)
    b = clamp(a, None, {64: 6.0, 32: 4.0}[x.real.bits])
    tail = exp(fma(-b, b, poly(b - 2.0, coefs.ERF_TAIL[x.real.bits])))
    y = select(a < 1.0, _erf_small(x), copysign(1.0 - tail, x))
    return select(x == x, y, x)


# erfc(x) = exp(-x**2) * g(x), g smooth. x**2 is needed to twice the precision: it is exp's exponent.
# g is fitted as (1 + 2*x)*g in (x - 3)/(x + 3) (M. M. Shepherd and J. G. Laframboise, Math. Comp. 36, 1981).


def erfc(x: Value) -> Value:
    a = widen(x)
    b = clamp(fabs(a), None, 27.5)
    square = b * b
    g = poly((b - 3.0) / (b + 3.0), coefs.ERFCX[64]) / (1.0 + 2.0 * b)
    tail = exp_times(-square, -fma(b, b, -square), g)
    y = select(a < 0.0, 2.0 - tail, tail)
    y = select(fabs(a) < 0.5, 1.0 - _erf_small(a), y)
    return narrow(select(a == a, y, a), x.real)


def lgamma(x: Value) -> Value:
    """log(abs(gamma(x))), by libm: one lane at a time."""
    return narrow(libm(math.lgamma, widen(x)), x.real)


# psi(x) ~ log x - 1/(2x) - sum B(2k)/(2k x**2k) for x >= 8 (Abramowitz and Stegun 6.3.18). Below, psi(x) = psi(x + 8) -
# sum 1/(x + k), k < 8, where k and 7 - k together give (2x + 7)/(w + k*(7 - k)), w = x*(x + 7). Below zero by
# reflection, psi(x) = psi(1 - x) - pi/tan(pi*x) (6.3.7).


def digamma(x: Value) -> Value:
    a = widen(x)
    left = a < 0.0
    b = select(left, 1.0 - a, a)
    low = b < 8.0
    w = b * (b + 7.0)
    skipped = (2.0 * b + 7.0) * (1.0 / w + 1.0 / (w + 6.0) + 1.0 / (w + 10.0) + 1.0 / (w + 12.0))
    b = select(low, b + 8.0, b)
    v = 1.0 / b
    y = log(b) - 0.5 * v - v * v * poly(v * v, coefs.DIGAMMA[64])
    y = y - select(low, skipped, 0.0)
    r = a - llvm("rint", a)
    angle, angle_lo, quadrant = _reduce_angle(r * math.pi)
    s, c = _sin_cos_reduced(angle, angle_lo)
    odd = (quadrant & 1) != 0
    cot = select(odd, -s, c) / select(odd, c, s)
    y = select(left, y - math.pi * cot, y)
    y = select(left & (r == 0.0), NAN, y)
    return narrow(select(a == 0.0, copysign(a.constant(INF), -a), y), x.real)


# The n-th derivative of digamma is (-1)**(n+1) * n! * zeta(n + 1, x) (6.4.10). Hurwitz's zeta(s, x) is a sum of
# (x + k)**-s: directly for the first, by Euler and Maclaurin for the rest (23.1.30 with their remainder). Left of zero
# zeta(s, x) = T(r) - (-1)**s zeta(s, 1 - x), where T is the sum over all integers k, of period 1:
# T(r) = zeta(s, r) + (-1)**s zeta(s, 1 - r), r = x - rint(x).


def _power(x: Value, n: int) -> Value:
    """x**n, n >= 1, by repeated squaring."""
    if n == 1:
        return x
    half = _power(x, n // 2)
    return half * half * x if n % 2 else half * half


def _power_times(factor: float, x: Value, n: int) -> Value:
    """factor * x**n for factor >= 1. x**n alone may vanish where the product does not: factorials are that large."""
    if n == 1:
        return factor * x
    half = _power(x, n // 2)
    return (factor * half) * (half * x if n % 2 else half)


def _hurwitz(s: int, x: Value) -> Value:
    """(s - 1)! * zeta(s, x) for x > -1, or so."""
    direct, factor = 10 + s // 2, float(math.factorial(s - 1))
    total = _power_times(factor, 1.0 / x, s)
    for k in range(1, direct):
        total = total + _power_times(factor, 1.0 / (x + float(k)), s)
    v = 1.0 / (x + float(direct))
    rising, terms = float(s), []
    for j, c in enumerate(coefs.EULER[64]):
        terms.append(c * rising)
        rising *= (s + 2 * j + 1.0) * (s + 2 * j + 2.0)
    z = v * v
    tail = 1.0 / (s - 1.0) + v * 0.5 + z * poly(z, terms)
    return total + _power_times(factor, v, s - 1) * tail


def _hurwitz_left(s: int, x: Value) -> Value:
    mirror = -1.0 if s % 2 else 1.0
    r = x - llvm("rint", x)
    y = _hurwitz(s, r) + mirror * (_hurwitz(s, 1.0 - r) - _hurwitz(s, 1.0 - x))
    return select(r == 0.0, INF, y)


def polygamma(n: int, x: Value) -> Value:
    """The n-th derivative of digamma, 1 <= n <= MAX_ORDER. NaN at -inf, which has no limit (SciPy: an infinity)."""
    s, a = n + 1, widen(x)
    y = select(a > 0.0, _hurwitz(s, a), NAN)
    y = rescue(f"hurwitz{s}", y, lambda a: _hurwitz_left(s, a), a)
    return narrow(y if s % 2 == 0 else -y, x.real)
