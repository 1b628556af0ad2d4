"""The scalar functions, one row each: name, meaning in NumPy, in sympy (text), as Python (text), partials.

y is the result and x, z the arguments. Partials are programs of other rows, so every order follows from the first;
equal parts look equal (`1.0 / z` in both partials of `div`), and none is 0 * inf where the derivative exists. A row
without partials states that its derivative is zero wherever there is one.

What holds at kinks and at the edges of domains:

    abs, copysign   0 where x is 0                      sign, floor, //, ...    0, at the jumps too
    maximum, minimum, logaddexp   ties share evenly, 1/2 and 1/2, infinite ties too
    hypot           0 at (0, 0)                         atan2                   NaN at (0, 0)
    sqrt, cbrt      inf at 0, as mathematics has it     mod in z                -(x // z)
    x ** z in x     z * x ** (z - 1); 0 at x = z = 0    x ** z in z             y * log(x); 0 where y is 0
    where           the side not taken contributes nothing, whatever its derivative is there
"""

# mypy: disable-error-code="has-type"
# (partials name rows that stand further down)

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.build import Value, value
from ..ir.core import INTS, Atom, Type
from .array import ones_like
from .table import ARITHMETIC, linear, need, row

LN2, LN10 = math.log(2.0), math.log(10.0)
SLOPE_OF_ERF = 2.0 / math.sqrt(math.pi)

BITS = ("bool", *INTS)
ANY = ("bool", *ARITHMETIC)
POSITIVE = (0.3, 3.0)  # intervals of samples
INSIDE = (-0.9, 0.9)
OVER_1 = (1.3, 3.0)
ROUND = (-3.0, 3.0)


def special(name: str) -> Callable[..., Any]:
    """A function of scipy.special, which is loaded at its first use."""

    def f(*args: Any) -> Any:
        import scipy.special

        return getattr(scipy.special, name)(*args)

    return f


# fmt: off

# ---- arithmetic
add  = row("add",  np.add,         "x + z",  "x + z", lambda y, x, z: 1.0, lambda y, x, z: 1.0,  takes=ARITHMETIC)
sub  = row("sub",  np.subtract,    "x - z",  "x - z", lambda y, x, z: 1.0, lambda y, x, z: -1.0, takes=ARITHMETIC)
mul  = row("mul",  np.multiply,    "x * z",  "x * z", lambda y, x, z: z,   lambda y, x, z: x,    takes=ARITHMETIC)
div  = row("div",  np.true_divide, "x / z",  "x / z", lambda y, x, z: 1.0 / z, lambda y, x, z: -(y * (1.0 / z)),
           on=(ROUND, POSITIVE))
neg  = row("neg",  np.negative,    "-x",     "-x",    lambda y, x: -1.0, takes=ARITHMETIC)
pow_ = row("pow",  np.power,       "x ** z", "pow(x, z)",
           lambda y, x, z: z * pow_(x, one_less(z, x)), lambda y, x, z: y * log(where(eq(y, 0.0), 1.0, x)),
           ints="x ** z", takes=ARITHMETIC, on=(POSITIVE, ROUND))
powi = row("powi", lambda x, *, n: np.power(x, n), "x ** n", "x ** n",
           lambda y, x, *, n: n * power(x, n - 1) if n else 0.0, takes=ARITHMETIC)  # as `power` writes it, n > 2
square     = row("square",     np.square,       "x ** 2", "x * x",   lambda y, x: 2.0 * x, takes=ARITHMETIC)
reciprocal = row("reciprocal", np.reciprocal,   "1 / x",  "1.0 / x", lambda y, x: -(y * y), on=(POSITIVE,))
floordiv   = row("floordiv",   np.floor_divide, "floor(x / z)", "x // z", takes=ARITHMETIC, on=(ROUND, POSITIVE))
mod        = row("mod",        np.mod, "x - z * floor(x / z)",  "x % z",
                 lambda y, x, z: 1.0, lambda y, x, z: -floordiv(x, z), takes=ARITHMETIC, on=(ROUND, POSITIVE))

# ---- pieces
abs_     = row("abs",      np.abs,     "Abs(x)",     "abs(x)",   lambda y, x: sign(x), takes=ARITHMETIC)
sign     = row("sign",     np.sign,    "sign(x)",    "sign(x)",  ints="1 if x > 0 else -1 if x < 0 else 0", takes=ARITHMETIC)
floor    = row("floor",    np.floor,   "floor(x)",   "floor(x)", on=(ROUND,))
ceil     = row("ceil",     np.ceil,    "ceiling(x)", "ceil(x)",  on=(ROUND,))
trunc    = row("trunc",    np.trunc,   "sign(x) * floor(Abs(x))", "trunc(x)", on=(ROUND,))
rint     = row("rint",     np.rint,    None,         "rint(x)",  on=(ROUND,))
maximum  = row("maximum",  np.maximum, "Max(x, z)",  "maximum(x, z)",
               lambda y, x, z: share(x, z), lambda y, x, z: share(z, x), ints="max(x, z)", takes=ARITHMETIC)
minimum  = row("minimum",  np.minimum, "Min(x, z)",  "minimum(x, z)",
               lambda y, x, z: share(z, x), lambda y, x, z: share(x, z), ints="min(x, z)", takes=ARITHMETIC)
copysign = row("copysign", np.copysign, "Abs(x) * Piecewise((1, z >= 0), (-1, True))", "copysign(x, z)",
               lambda y, x, z: sign(x) * copysign(1.0, z), None)

# ---- exponentials, logarithms, roots
exp   = row("exp",   np.exp,   "exp(x)",     "exp(x)",      lambda y, x: y)
exp2  = row("exp2",  np.exp2,  "2 ** x",     "pow(2.0, x)", lambda y, x: LN2 * y)
expm1 = row("expm1", np.expm1, "exp(x) - 1", "expm1(x)",    lambda y, x: exp(x))
log   = row("log",   np.log,   "log(x)",     "log(x)",      lambda y, x: 1.0 / x,                 on=(POSITIVE,))
log1p = row("log1p", np.log1p, "log(1 + x)", "log1p(x)",    lambda y, x: 1.0 / (1.0 + x),         on=(INSIDE,))
log2  = row("log2",  np.log2,  "log(x, 2)",  "log2(x)",     lambda y, x: (1.0 / LN2) * (1.0 / x),  on=(POSITIVE,))
log10 = row("log10", np.log10, "log(x, 10)", "log10(x)",    lambda y, x: (1.0 / LN10) * (1.0 / x), on=(POSITIVE,))
sqrt  = row("sqrt",  np.sqrt,  "sqrt(x)",    "sqrt(x)",     lambda y, x: 0.5 / y,                 on=(POSITIVE,))
cbrt  = row("cbrt",  np.cbrt,  "sign(x) * Abs(x) ** Rational(1, 3)", "cbrt(x)", lambda y, x: (1.0 / 3.0) / (y * y),
            on=(POSITIVE,))
hypot = row("hypot", np.hypot, "sqrt(x ** 2 + z ** 2)", "hypot(x, z)",
            lambda y, x, z: x / where(eq(y, 0.0), math.inf, y), lambda y, x, z: z / where(eq(y, 0.0), math.inf, y))
logaddexp = row("logaddexp", np.logaddexp, "log(exp(x) + exp(z))", "logaddexp(x, z)",
                lambda y, x, z: expit(gap(x, z)), lambda y, x, z: expit(gap(z, x)))
expit = row("expit", special("expit"), "1 / (1 + exp(-x))", "sigmoid(x)", lambda y, x: y * (1.0 - y))

# ---- circular and hyperbolic
sin   = row("sin",   np.sin,     "sin(x)",   "sin(x)",   lambda y, x: cos(x))
cos   = row("cos",   np.cos,     "cos(x)",   "cos(x)",   lambda y, x: -sin(x))
tan   = row("tan",   np.tan,     "tan(x)",   "tan(x)",   lambda y, x: 1.0 + y * y,                         on=(INSIDE,))
asin  = row("asin",  np.arcsin,  "asin(x)",  "asin(x)",  lambda y, x: 1.0 / sqrt((1.0 - x) * (1.0 + x)),   on=(INSIDE,))
acos  = row("acos",  np.arccos,  "acos(x)",  "acos(x)",  lambda y, x: -1.0 / sqrt((1.0 - x) * (1.0 + x)),  on=(INSIDE,))
atan  = row("atan",  np.arctan,  "atan(x)",  "atan(x)",  lambda y, x: 1.0 / (1.0 + x * x))
atan2 = row("atan2", np.arctan2, "atan2(x, z)", "atan2(x, z)",
            lambda y, x, z: z * (1.0 / (x * x + z * z)), lambda y, x, z: -(x * (1.0 / (x * x + z * z))))
sinh  = row("sinh",  np.sinh,    "sinh(x)",  "sinh(x)",  lambda y, x: cosh(x))
cosh  = row("cosh",  np.cosh,    "cosh(x)",  "cosh(x)",  lambda y, x: sinh(x))
tanh  = row("tanh",  np.tanh,    "tanh(x)",  "tanh(x)",  lambda y, x: 1.0 - y * y)
asinh = row("asinh", np.arcsinh, "asinh(x)", "asinh(x)", lambda y, x: 1.0 / sqrt(1.0 + x * x))
acosh = row("acosh", np.arccosh, "acosh(x)", "acosh(x)", lambda y, x: 1.0 / sqrt((x - 1.0) * (x + 1.0)), on=(OVER_1,))
atanh = row("atanh", np.arctanh, "atanh(x)", "atanh(x)", lambda y, x: 1.0 / ((1.0 - x) * (1.0 + x)),       on=(INSIDE,))

# ---- special functions
erf     = row("erf",     special("erf"),     "erf(x)",      "erf(x)",     lambda y, x: SLOPE_OF_ERF * exp(-(x * x)))
erfc    = row("erfc",    special("erfc"),    "erfc(x)",     "erfc(x)",    lambda y, x: -SLOPE_OF_ERF * exp(-(x * x)))
gammaln = row("gammaln", special("gammaln"), "loggamma(x)", "lgamma(x)",  lambda y, x: digamma(x),        on=(POSITIVE,))
digamma = row("digamma", special("digamma"), "digamma(x)",  "digamma(x)", lambda y, x: polygamma(x, n=1), on=(POSITIVE,))
polygamma = row("polygamma", lambda x, *, n: special("polygamma")(n, x), "polygamma(n, x)", "polygamma(n, x)",
                lambda y, x, *, n: polygamma(x, n=n + 1), on=(POSITIVE,))

# ---- predicates and bits
lt = row("lt", np.less,          "Lt(x, z)", "x < z",  gives="bool", takes=ANY)
le = row("le", np.less_equal,    "Le(x, z)", "x <= z", gives="bool", takes=ANY)
gt = row("gt", np.greater,       "Gt(x, z)", "x > z",  gives="bool", takes=ANY)
ge = row("ge", np.greater_equal, "Ge(x, z)", "x >= z", gives="bool", takes=ANY)
eq = row("eq", np.equal,         "Eq(x, z)", "x == z", gives="bool", takes=ANY)
ne = row("ne", np.not_equal,     "Ne(x, z)", "x != z", gives="bool", takes=ANY)
isnan    = row("isnan",    np.isnan,    None, "x != x",        gives="bool")
isinf    = row("isinf",    np.isinf,    None, "abs(x) == inf", gives="bool")
isfinite = row("isfinite", np.isfinite, None, "abs(x) < inf",  gives="bool")
and_   = row("and",    np.bitwise_and, "And(x, z)", "x & z",  takes=BITS)
or_    = row("or",     np.bitwise_or,  "Or(x, z)",  "x | z",  takes=BITS)
xor    = row("xor",    np.bitwise_xor, "Xor(x, z)", "x ^ z",  takes=BITS)
not_   = row("not",    np.invert,      "Not(x)",    "not x",  takes=BITS, ints="~x")
lshift = row("lshift", np.left_shift,  None,        "x << z", takes=INTS)
rshift = row("rshift", np.right_shift, None,        "x >> z", takes=INTS)

# fmt: on


# ---- where(c, x, z): x where c holds, else z; linear in both at once


def _where_type(c: Atom, x: Atom, z: Atom) -> Type:
    ok = c.type.dtype == "bool" and x.type == z.type and c.type.shape == x.type.shape
    need(ok, "where", "a bool and two values of one dtype, all of one shape", (c, x, z))
    return x.type


_where = linear(
    "where",
    _where_type,
    np.where,
    groups=((1, 2),),
    transposes={
        1: lambda g, c, x, z: only(c, g),
        2: lambda g, c, x, z: only(not_(c), g),
    },
    elementwise=True,
    source="z if x else w",
    sympy="Piecewise((z, x), (w, True))",
)


def where(c: Value, x: Any, z: Any) -> Value:
    """`x` where `c` holds, else `z`; a Python number takes the type of the other side."""
    like = x.type if isinstance(x, Value) else z.type
    return _where(c, value(x, like), value(z, like))


def _only_type(c: Atom, x: Atom) -> Type:
    ok = c.type.dtype == "bool" and x.type.is_real and c.type.shape == x.type.shape
    need(ok, "only", "a bool and a float of one shape", (c, x))
    return x.type


# The adjoint of a side of `where`: x where c holds; elsewhere it is absent, and stays so whatever it is multiplied by.
# where(x > 0, log(x), 0) has the derivative 0 at x = 0, although 1 / x is infinite there: `transform/cells.py` moves the
# choice outwards, only(c, g) * p = only(c, g * p). A zero of the user's, where(c, g, 0) * p, is no such absence.
only = linear(
    "only",
    _only_type,
    lambda c, x: np.where(c, x, np.zeros_like(x)),
    groups=((1,),),
    transposes={1: lambda g, c, x: only(c, g)},
    elementwise=True,
    source="z if x else 0.0",
    sympy="Piecewise((z, x), (0, True))",
)


def power(x: Value, n: int) -> Value:
    """x ** n for an integer n. Of negative powers the reciprocal is the part that they share."""
    if n < 0:
        return power(1.0 / x, -n)
    if n < 3:
        return (ones_like, lambda x: x, square)[n](x)
    return powi(x, n=n)


# ---- parts of partials


def one_less(z: Value, x: Value) -> Value:
    """The exponent of x in z * x ** (z - 1), which is 0 where both are 0."""
    return where(and_(eq(x, 0.0), eq(z, 0.0)), 1.0, z - 1.0)


def share(x: Value, z: Value) -> Value:
    """d max(x, z) / dx. By two comparisons, which the other argument shares: loops may have to remember them."""
    return where(ge(x, z), where(ge(z, x), value(0.5, x.type), 1.0), 0.0)


# d log(exp(x) + exp(z)) / dx = 1 / (1 + exp(z - x))
def gap(x: Value, z: Value) -> Value:
    """x - z, also between equal infinities."""
    return where(and_(and_(isinf(x), isinf(z)), eq(x, z)), 0.0, x - z)
