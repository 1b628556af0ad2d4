"""Exponentials, logarithms, powers, rounding and roots, written on `Value`s.

Each function states its method above its body. Where no other source is named, methods are those of W. J. Cody and
W. Waite, "Software Manual for the Elementary Functions" (1980), and of Sun's fdlibm, made branch-free: every case is
computed and `select` picks. Clamped arguments keep every intermediate finite, so NaN passes through untouched.
"""

from __future__ import annotations

import math

from . import coefs
from .build import F64, Value, clamp, copysign, fabs, fma, libm, muladd, narrow, poly, rescue, select, sqrt, widen
from .build import intrinsic as llvm

INF, NAN = math.inf, math.nan
LOG2E = 1.4426950408889634
# ln 2 in two parts, as exact as two floats can be; and with a first part short enough that n*LN2_SHORT is exact
LN2 = {64: (0.6931471805599453, 2.3190468138462996e-17), 32: (0.6931471824645996, -1.9046542121259336e-09)}
LN2_SHORT = {64: (0.6931471805601177, -1.7239444525610826e-13), 32: (0.693145751953125, 1.4286197256296873e-06)}
EXP_TOP = {64: 709.782712893384, 32: 88.72283935546875}  # exp is finite up to here
EXP_BOTTOM = {64: -745.2, 32: -103.98}  # and zero below here


def pow2(t: Value) -> Value:
    """2**n for t = n + magic, n within the exponents of normal numbers."""
    return ((t.bits + t.real.bias) << t.real.digits).as_real(t.real)


# exp(x) = 2**n * exp(r), x = n*ln2 + r with abs(r) <= ln2/2; 2**n in two factors, for results beyond the normal range.


def _exp_reduced(x: Value, low: Value | None = None) -> tuple[Value, Value]:
    """n (a float) and exp(r) - 1 for x + low."""
    magic, (hi, lo) = x.real.magic, LN2[x.real.bits]
    n = fma(x, LOG2E, magic) - magic
    r = fma(n, -lo, fma(n, -hi, x))
    if low is not None:
        r = r + low
    return n, muladd(r * r, poly(r, coefs.EXP[x.real.bits]), r)


def exp_times(x: Value, low: Value | None = None, factor: Value | None = None, shift: float = 0.0) -> Value:
    """factor * exp(x + low) * 2**shift without overflow on the way; x within [EXP_BOTTOM, EXP_TOP] or a little more."""
    n, p = _exp_reduced(x, low)
    p = p + 1.0
    if factor is not None:
        p = p * factor
    if shift:
        n = n + shift
    magic = x.real.magic
    half = fma(n, 0.5, magic)
    return p * pow2(half) * pow2((n - (half - magic)) + magic)


def exp(x: Value) -> Value:
    bits = x.real.bits
    return exp_times(clamp(x, EXP_BOTTOM[bits], EXP_TOP[bits] + 1.0))


def expm1(x: Value) -> Value:
    top, magic = EXP_TOP[x.real.bits], x.real.magic
    n, p = _exp_reduced(clamp(x, {64: -40.0, 32: -20.0}[x.real.bits], top))
    h = pow2((n - 1.0) + magic)  # 2**n / 2, for 2**1024 is not a float
    y = fma(p, h, h - 0.5) * 2.0
    return select(x == 0.0, x, select(x > top, INF, y))


def sigmoid(x: Value) -> Value:
    """1/(1 + exp(-x)), by the exponential that does not overflow: relative accuracy in both tails."""
    e = exp(-fabs(x))
    return select(x < 0.0, e, 1.0) / (1.0 + e)


# The positive normal number x = m * 2**k with m in [sqrt(1/2), sqrt(2)): subtracting the bits of sqrt(1/2) makes the
# exponent field count from there. Denormals are scaled first.


def split(x: Value) -> tuple[Value, Value]:
    """m and k, for x > 0."""
    real = x.real
    denormal, up = x < real.tiny, real.digits + 2
    x = select(denormal, x * 2.0**up, x)
    root = {64: 0x3FE6A09E667F3BCD, 32: 0x3F3504F3}[real.bits]
    t = x.bits + ((real.bias << real.digits) - root)
    m = ((t & ((1 << real.digits) - 1)) + root).as_real(real)
    # the exponent field, put under the bits of 2**digits, is a float
    biased = ((t >> real.digits) | ((real.bias + real.digits) << real.digits)).as_real(real)
    k = biased - (2.0**real.digits + real.bias)
    return m, k - select(denormal, x.constant(up), 0.0)


# log m = f - f**2/2 + s*(f**2/2 + R(s**2)), f = m - 1, s = f/(2 + f); log x = k*ln2 + log m, summed smallest first.


def _log_reduced(x: Value) -> tuple[Value, Value, Value, Value]:
    """k, f, f**2/2 and s*(f**2/2 + R)."""
    m, k = split(x)
    f = m - 1.0
    s = f / (2.0 + f)
    z, hf = s * s, 0.5 * f * f
    return k, f, hf, s * (hf + z * poly(z, coefs.LOG[x.real.bits]))


def _log_specials(x: Value, y: Value) -> Value:
    """y, but what a logarithm is at 0, below 0, at infinity and NaN."""
    y = select(x == 0.0, -INF, y)
    return select(x < 0.0, NAN, select(x < INF, y, x))


def log_plus(x: Value, c: Value | None = None) -> Value:
    """log(x) + c for a small correction c."""
    hi, lo = LN2_SHORT[x.real.bits]
    k, f, hf, rest = _log_reduced(x)
    small = k * lo if c is None else muladd(k, lo, c)
    return _log_specials(x, k * hi - ((hf - (rest + small)) - f))


def log(x: Value) -> Value:
    return log_plus(x)


def rounded_one_plus(x: Value) -> tuple[Value, Value]:
    """u and c with log(1 + x) = log(u) + c: u = 1 + x as rounded, c what rounding lost, over u."""
    u = 1.0 + x
    c = (x - (u - 1.0)) / u
    return u, select(fabs(c) < 1.0, c, 0.0)


def log1p(x: Value) -> Value:
    return select(x == 0.0, x, log_plus(*rounded_one_plus(x)))


# Logarithms to another base: log m as hi + lo, times 1/ln(base) as a sum of two floats, and k times log_base(2).


def _log_base(x: Value, inverse: tuple[float, float], two: tuple[float, float]) -> Value:
    k, f, hf, rest = _log_reduced(x)
    hi = f - hf
    lo = ((f - hi) - hf) + rest
    whole, part = k * two[0], hi * inverse[0]
    small = fma(hi, inverse[0], -part) + fma(hi, inverse[1], fma(lo, inverse[0], k * two[1]))
    total = whole + part
    # abs(whole) >= abs(part) unless whole is zero, so this is what rounding `total` lost
    return _log_specials(x, total + (((whole - total) + part) + small))


def log2(x: Value) -> Value:
    return narrow(_log_base(widen(x), (1.4426950408889634, 2.0355273740931033e-17), (1.0, 0.0)), x.real)


def log10(x: Value) -> Value:
    inverse, two = (0.4342944819032518, 1.098319650216765e-17), (0.30102999566383914, 1.42050232272661e-13)
    return narrow(_log_base(widen(x), inverse, two), x.real)


def logaddexp(x: Value, z: Value) -> Value:
    """log(exp(x) + exp(z)) = the larger + log1p(exp(-distance)); equal infinities have no distance."""
    top = select(x > z, x, z)
    y = top + log1p(exp(-fabs(x - z)))
    y = select(x == z, x + math.log(2.0), y)
    return select((x == x) & (z == z), y, x + z)


# pow(x, z) = exp(z*log(x)) with log(x) to twice the precision, since an error of 1e-16 in an exponent of 700 is one of
# 1e-13 in the result. Anything but a positive normal base and a normal result is libm's.


def pow(x: Value, z: Value) -> Value:
    y = _pow64(x, z) if x.real is F64 else _pow32(x, z)
    y = rescue("pow", y, _pow_libm, x, z)
    return select((z == 0.0) | (x == 1.0), 1.0, y)


def _pow_libm(x: Value, z: Value) -> Value:
    return libm(math.pow, x, z)


def _pow32(x: Value, z: Value) -> Value:
    a = widen(x)
    power = widen(z) * log_plus(a)
    fine = (x > 0.0) & (x < INF) & (fabs(power) < 200.0)
    return narrow(select(fine, exp_times(clamp(power, -700.0, 700.0)), NAN), x.real)


def _pow64(x: Value, z: Value) -> Value:
    hi, lo = _log_twice(x)
    power = z * hi
    low = fma(z, hi, -power) + z * lo
    fine = (x >= x.real.tiny) & (x < INF) & (fabs(power) < 700.0)
    return select(fine, exp_times(clamp(power, -701.0, 701.0), low), NAN)


def _log_twice(x: Value) -> tuple[Value, Value]:
    """log(x) as hi + lo: s and 2*s + s**3*(2/3 + ...) carried with their rounding errors (T. J. Dekker, 1971)."""
    m, k = split(x)
    num, den = m - 1.0, m + 1.0
    den_lo = m - (den - 1.0)
    s = num / den
    s_lo = (fma(-s, den, num) - s * den_lo) / den
    z = s * s
    z_lo = fma(s, s, -z) + 2.0 * s * s_lo
    cube = s * z
    cube_lo = fma(s, z, -cube) + s * z_lo + s_lo * z
    two_thirds = coefs.LOG_POW[64][0]
    term = cube * two_thirds
    rest = fma(z, poly(z, coefs.LOG_POW[64][1:]), z.constant(3.700743415417188e-17))  # 2/3 - two_thirds, and the tail
    term_lo = fma(cube, two_thirds, -term) + (cube_lo * two_thirds + cube * rest)
    ln2_hi, ln2_lo = LN2_SHORT[64]
    h, e = _two_sum(k * ln2_hi, 2.0 * s)
    h, e2 = _two_sum(h, term)
    lo = e + e2 + (2.0 * s_lo + term_lo + k * ln2_lo)
    top = h + lo
    return top, (h - top) + lo


def _two_sum(a: Value, b: Value) -> tuple[Value, Value]:
    """a + b as rounded, and the error of that (D. E. Knuth, TAOCP 4.2.2)."""
    total = a + b
    back = total - a
    return total, (a - (total - back)) + (b - back)


def _rounding(name: str):
    return lambda x: llvm(name, x)


floor, ceil, trunc, rint = map(_rounding, ("floor", "ceil", "trunc", "rint"))


def sign(x: Value) -> Value:
    y = select(x > 0.0, 1.0, select(x < 0.0, x.constant(-1.0), x))
    return select(x == 0.0, 0.0, y)


def maximum(x: Value, z: Value) -> Value:
    return llvm("maximum", x, z)


def minimum(x: Value, z: Value) -> Value:
    return llvm("minimum", x, z)


# cbrt(m * 2**(3q)) = 2**q * cbrt(m), m in [sqrt(1/2)/2, 2*sqrt(2)], by two of Halley's steps, each tripling the digits.


def cbrt(x: Value) -> Value:
    a = widen(x)
    m, k = split(fabs(a))
    magic = a.real.magic
    t = fma(k, 1.0 / 3.0, magic)
    q = t - magic
    r = k - 3.0 * q
    m = m * select(r > 0.5, m.constant(2.0), select(r < -0.5, m.constant(0.5), 1.0))
    y = poly(m, coefs.CBRT[64])
    for _ in range(2):
        cube = y * y * y
        y = y - y * ((cube - m) / (2.0 * cube + m))
    y = copysign(y * pow2(t), a)
    y = select((a == 0.0) | (fabs(a) == INF) | (a != a), a, y)
    return narrow(y, x.real)


# Both arguments are scaled by the power of two that brings the larger to [1, 2).


def hypot(x: Value, z: Value) -> Value:
    a, b = fabs(widen(x)), fabs(widen(z))
    big, small = select(a < b, b, a), select(a < b, a, b)
    one = 1 << F64.digits
    e = big.bits & (2047 * one)
    e = select(e < one, e.constant(one), select(e > 2045 * one, e.constant(2045 * one), e))
    scale, back = (e.constant(2046 * one) - e).as_real(F64), e.as_real(F64)
    big, small = big * scale, small * scale
    y = sqrt(fma(big, big, small * small)) * back
    return narrow(select((a == INF) | (b == INF), INF, y), x.real)
