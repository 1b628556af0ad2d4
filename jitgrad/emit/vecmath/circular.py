"""Trigonometric and hyperbolic functions and their inverses, written on `Value`s.

Methods as in `elementary`: reduce the argument, one polynomial, put together. float32 angles are reduced in float64.
Angles too large for the reduction are rescued by libm.
"""

from __future__ import annotations

import math

from . import coefs
from .build import F64, Value, clamp, copysign, fabs, fma, libm, muladd, narrow, poly, rescue, select, sqrt, widen
from .elementary import EXP_TOP, NAN, exp_times, expm1, log_plus, rounded_one_plus

PI_2 = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33)  # pi/2 as a sum of three floats
PI_4 = (0.7853981633974483, 3.061616997868383e-17)
LARGE_ANGLE = 1e14
TAN_PI_8 = 0.41421356237309503

# x = n*pi/2 + r + r_lo with abs(r) <= pi/4. n*PI_2[0] cancels against x without rounding inside the fma; what the
# second part loses is kept in r_lo. The low two bits of n, the quadrant, choose sin or cos, and the sign.


def _reduce_angle(x: Value) -> tuple[Value, Value | float, Value]:
    """r, r_lo and the bits of n."""
    a = widen(x)
    t = fma(a, 2.0 / math.pi, F64.magic)
    n = t - F64.magic
    r1 = fma(n, -PI_2[0], a)
    quadrant = t.bits.low_bits(x.real)
    if x.real is not F64:
        return narrow(fma(n, -PI_2[1], r1), x.real), 0.0, quadrant
    w = n * PI_2[1]
    r = r1 - w
    return r, fma(n, -PI_2[2], ((r1 - r) - w) - fma(n, PI_2[1], -w)), quadrant


def _sin_cos_reduced(r: Value, r_lo: Value | float) -> tuple[Value, Value]:
    """sin and cos of r + r_lo, abs(r) <= pi/4."""
    bits = r.real.bits
    z = r * r
    half = 0.5 * z
    cubic = r * z * poly(z, coefs.SIN[bits])
    top = 1.0 - half
    lost = (1.0 - top) - half
    quartic = z * z * poly(z, coefs.COS[bits])
    if isinstance(r_lo, Value):
        cubic, quartic = muladd(r_lo, top, cubic), quartic - r * r_lo
    return r + cubic, top + (lost + quartic)


def _flip(v: Value, quadrant: Value) -> Value:
    """v, negated where bit 1 of the quadrant is set."""
    real = v.real
    return (v.bits ^ ((quadrant & 2) << (real.bits - 2))).as_real(real)


def _moderate(x: Value, y: Value) -> Value:
    return select(fabs(x) < LARGE_ANGLE, y, NAN)


def sin(x: Value) -> Value:
    r, r_lo, quadrant = _reduce_angle(x)
    s, c = _sin_cos_reduced(r, r_lo)
    y = select(x == 0.0, x, _flip(select((quadrant & 1) != 0, c, s), quadrant))
    return rescue("sin", _moderate(x, y), lambda x: libm(math.sin, x), x)


def cos(x: Value) -> Value:
    r, r_lo, quadrant = _reduce_angle(x)
    s, c = _sin_cos_reduced(r, r_lo)
    y = _flip(select((quadrant & 1) != 0, s, c), quadrant + 1)
    return rescue("cos", _moderate(x, y), lambda x: libm(math.cos, x), x)


def tan(x: Value) -> Value:
    a = widen(x)
    r, r_lo, quadrant = _reduce_angle(a)
    s, c = _sin_cos_reduced(r, r_lo)
    odd = (quadrant & 1) != 0
    y = select(a == 0.0, a, select(odd, -c, s) / select(odd, s, c))
    return narrow(rescue("tan", _moderate(a, y), lambda x: libm(math.tan, x), a), x.real)


# The exponential is halved in its exponent, so that sinh and cosh overflow only where they should.


def _half_exp(a: Value) -> Value:
    return exp_times(clamp(a, None, EXP_TOP[a.real.bits] + 2.0), shift=-1.0)


def sinh(x: Value) -> Value:
    a, z = fabs(x), x * x
    e = _half_exp(a)
    large = copysign(e - 0.25 / e, x)
    return select(a < 1.0, muladd(x * z, poly(z, coefs.SINH[x.real.bits]), x), large)


def cosh(x: Value) -> Value:
    e = _half_exp(fabs(x))
    return e + 0.25 / e


def tanh(x: Value) -> Value:
    e = expm1(2.0 * clamp(fabs(x), None, {64: 22.0, 32: 10.0}[x.real.bits]))
    return copysign(e / (e + 2.0), x)


# Inverse hyperbolic functions as log(1 + u) without cancellation; beyond 2**28, where their arguments would overflow
# when squared, as log(2*a).


def _log_2a_or_1p(large: Value, a: Value, u: Value) -> Value:
    """log(2*a) where a is large, else log(1 + u)."""
    v, c = rounded_one_plus(u)
    return log_plus(select(large, a, v), select(large, 0.0, c)) + select(large, a.constant(math.log(2.0)), 0.0)


def asinh(x: Value) -> Value:
    a = fabs(widen(x))
    z = a * a
    y = _log_2a_or_1p(a > 2.0**28, a, a + z / (1.0 + sqrt(1.0 + z)))
    return copysign(narrow(select(a == 0.0, a, y), x.real), x)


def acosh(x: Value) -> Value:
    a = widen(x)
    t = a - 1.0
    y = _log_2a_or_1p(a > 2.0**28, a, t + sqrt(2.0 * t + t * t))
    return narrow(select(a < 1.0, NAN, y), x.real)


def atanh(x: Value) -> Value:
    a = fabs(widen(x))
    u = 2.0 * a / (1.0 - a)
    y = select(a == 0.0, a, 0.5 * log_plus(*rounded_one_plus(u)))
    return copysign(narrow(select(a > 1.0, NAN, y), x.real), x)


# asin(a) = pi/2 - 2*asin(sqrt((1 - a)/2)) takes a > 1/2 to below 1/2, where the polynomial is good.


def _asin_reduced(a: Value) -> tuple[Value, Value]:
    """Whether a = abs(x) was above 1/2, and asin of what it then is."""
    large = a > 0.5
    z = select(large, (1.0 - a) * 0.5, a * a)
    s = select(large, sqrt(z), a)
    return large, muladd(s * z, poly(z, coefs.ASIN[64]), s)


def asin(x: Value) -> Value:
    large, p = _asin_reduced(fabs(widen(x)))
    y = select(large, PI_2[0] - (2.0 * p - PI_2[1]), p)
    return copysign(narrow(y, x.real), x)


def acos(x: Value) -> Value:
    a = widen(x)
    large, p = _asin_reduced(fabs(a))
    p = copysign(p, a)
    above = select(a < 0.0, 2.0 * PI_2[0] + (2.0 * p + 2.0 * PI_2[1]), 2.0 * p)
    return narrow(select(large, above, PI_2[0] - (p - PI_2[1])), x.real)


# atan(num/den) by tan(b + t) = (tan b + tan t)/(1 - tan b*tan t) with b a multiple of pi/4, so that the polynomial's
# argument stays within tan(pi/8). The multiple of pi/4 is added in two parts.


def _turned(quarters: Value, p: Value) -> Value:
    """quarters*pi/4 + p."""
    hi = quarters * PI_4[0]
    return hi + (fma(quarters, PI_4[1], fma(quarters, PI_4[0], -hi)) + p)


def _atan_reduced(t: Value) -> Value:
    z = t * t
    return muladd(t * z, poly(z, coefs.ATAN[64]), t)


def atan(x: Value) -> Value:
    a = fabs(widen(x))
    middle, large = a > TAN_PI_8, a > 1.0 / TAN_PI_8
    num = select(large, a.constant(-1.0), select(middle, a - 1.0, a))
    den = select(large, a, select(middle, a + 1.0, 1.0))
    quarters = select(large, a.constant(2.0), select(middle, a.constant(1.0), 0.0))
    return copysign(narrow(_turned(quarters, _atan_reduced(num / den)), x.real), x)


def atan2(y: Value, x: Value) -> Value:
    """The angle of (x, y). Zeros of both, infinities and numbers that overflow when added are libm's."""
    b, a = widen(y), widen(x)
    tall = fabs(b) > fabs(a)
    big, small = select(tall, fabs(b), fabs(a)), select(tall, fabs(a), fabs(b))
    middle = small > TAN_PI_8 * big
    p = _atan_reduced(select(middle, small - big, small) / select(middle, small + big, big))
    quarters = select(middle, p.constant(1.0), 0.0)
    quarters, p = select(tall, 2.0 - quarters, quarters), select(tall, -p, p)
    left = a < 0.0
    quarters, p = select(left, 4.0 - quarters, quarters), select(left, -p, p)
    angle = copysign(_turned(quarters, p), b)
    angle = select((big > 0.0) & (big < 2.0**1022), angle, select((a == a) & (b == b), NAN, a + b))
    return narrow(rescue("atan2", angle, lambda b, a: libm(math.atan2, b, a), b, a), y.real)
