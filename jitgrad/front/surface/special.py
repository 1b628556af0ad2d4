"""scipy.special on operands. SciPy itself is not imported: `front/names.py` knows these by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ...errors import Unsupported, raise_at
from ...ir.build import Value, apply, value
from ...ops import array
from ..promote import Operand, axes_of, spread, static_int, to_float
from .elementwise import floats_together, on_floats
from .reductions import keep, not_empty, sum_

Function = Callable[..., Any]
MAX_ORDER = 20


def polygamma(n: Any, x: Any) -> Operand:
    order = static_int(n, "the order of polygamma")
    if not 0 <= order <= MAX_ORDER:
        raise_at(Unsupported, "polygamma of this order is not supported", wanted=f"0 to {MAX_ORDER}", got=str(order))
    v = to_float(x)
    return Operand(apply("polygamma", v, n=order) if order else apply("digamma", v))


# |gamma(x)| = exp(gammaln(x)); for x < 0 the sign is that of (-1)^floor(x), and there is no value at the integers.
def gamma(x: Any) -> Operand:
    v = to_float(x)
    down = apply("floor", v)
    pole = apply("and", apply("lt", v, 0.0), apply("eq", v, down))
    size = apply("exp", apply("gammaln", apply("where", pole, array.ones_like(v), v)))
    return Operand(
        apply("where", pole, value(math.nan, v.type), apply("copysign", size, zero_sign(gammasgn(Operand(v)).value, v)))
    )


def gammasgn(x: Any) -> Operand:
    v = to_float(x)
    odd = apply("ne", apply("mod", apply("floor", v), 2.0), 0.0)
    return Operand(apply("where", apply("and", apply("lt", v, 0.0), odd), value(-1.0, v.type), array.ones_like(v)))


def zero_sign(sign: Value, v: Value) -> Value:
    """The sign; that of v where v is 0."""
    return apply("where", apply("eq", v, 0.0), v, sign)


def betaln(a: Any, b: Any) -> Operand:
    x, z = floats_together(a, b, name="betaln")
    return Operand(apply("gammaln", x) + apply("gammaln", z) - apply("gammaln", x + z))


def beta(a: Any, b: Any) -> Operand:
    x, z = floats_together(a, b, name="beta")
    sign = gammasgn(Operand(x)).value * gammasgn(Operand(z)).value * gammasgn(Operand(x + z)).value
    return Operand(sign * apply("exp", betaln(Operand(x), Operand(z)).value))


def logit(x: Any) -> Operand:
    p = to_float(x)
    return Operand(apply("log", p / (1.0 - p)))


# log(1 / (1 + exp(-x))) = -log(exp(0) + exp(-x))
def log_expit(x: Any) -> Operand:
    v = to_float(x)
    return Operand(-apply("logaddexp", array.zeros_like(v), -v))


def ndtr(x: Any) -> Operand:
    return Operand(apply("erfc", to_float(x) * -math.sqrt(0.5)) * 0.5)


# x log z, and 0 where x is 0, also at z = 0 and z = inf. The derivative in x is log z, that in z is x / z; both are 0
# where x = 0 meets a z whose log is infinite.
def x_times(log: str, edge: float) -> Function:
    def function(x: Any, z: Any) -> Operand:
        a, b = floats_together(x, z, name=f"x * {log}(y)")
        bad = apply("or", apply("le", b, edge), apply("eq", b, math.inf))
        none = apply("and", apply("eq", a, 0.0), bad)
        safe = apply("where", none, array.ones_like(b), b)
        return Operand(apply("where", none, array.zeros_like(a), a * apply(log, safe)))

    return function


xlogy = x_times("log", 0.0)
xlog1py = x_times("log1p", -1.0)


def entr(x: Any) -> Operand:
    v = to_float(x)
    return Operand(apply("where", apply("lt", v, 0.0), value(-math.inf, v.type), -xlogy(Operand(v), Operand(v)).value))


# x log(x / z)
def rel_entr(x: Any, z: Any) -> Operand:
    a, b = floats_together(x, z, name="rel_entr")
    zero, inside = array.zeros_like(a), apply("and", apply("gt", a, 0.0), apply("gt", b, 0.0))
    one = array.ones_like(a)
    ratio = apply("where", inside, a, one) / apply("where", inside, b, one)
    none = apply("and", apply("eq", a, 0.0), apply("ge", b, 0.0))
    wrong = apply("where", none, zero, value(math.inf, a.type))
    out = apply("where", inside, a * apply("log", ratio), wrong)
    nan = apply("or", apply("isnan", a), apply("isnan", b))
    return Operand(apply("where", nan, value(math.nan, a.type), out))


# ---- over an axis; the largest exponent is taken out first, so that nothing overflows


def shifted(x: Value, axes: tuple[int, ...]) -> tuple[Value, Value]:
    """x - m, and m = max x (with axes of size 1), a constant for derivatives; 0 where it is infinite."""
    top = array.stop(keep(apply("max", x, axes=axes) if axes else x, x, axes, True).value)
    top = apply("where", apply("isfinite", top), top, array.zeros_like(top))
    return x - spread(top, x.shape), top


def logsumexp(a: Any, axis: Any = None, b: Any = None, keepdims: Any = False) -> Operand:
    if b is None:
        x, weight = to_float(a), None
    else:
        x, weight = floats_together(a, b, name="logsumexp")
    axes = axes_of(axis, x.rank, "logsumexp")
    not_empty(x, axes, "logsumexp")
    rest, top = shifted(x, axes)
    cells = apply("exp", rest)
    if weight is not None:
        cells = cells * weight
    total = array.sum_(cells, axes)
    return keep(apply("log", total) + array.reshape(top, total.shape), x, axes, keepdims)


def softmax(x: Any, axis: Any = None) -> Operand:
    v = to_float(x)
    axes = axes_of(axis, v.rank, "softmax")
    cells = apply("exp", shifted(v, axes)[0])
    return Operand(cells / spread(sum_(Operand(cells), axes, keepdims=True).value, v.shape))


def log_softmax(x: Any, axis: Any = None) -> Operand:
    v = to_float(x)
    axes = axes_of(axis, v.rank, "log_softmax")
    rest = shifted(v, axes)[0]
    total = sum_(Operand(apply("exp", rest)), axes, keepdims=True).value
    return Operand(rest - spread(apply("log", total), v.shape))


def exp10(x: Any) -> Operand:
    v = to_float(x)
    return Operand(apply("pow", value(10.0, v.type), v))


# fmt: off
TABLE: dict[str, Function] = {
    **{name: on_floats(name) for name in ("erf", "erfc", "expit", "gammaln", "digamma")},
    **{name: on_floats(name) for name in ("expm1", "log1p", "exp2", "cbrt")},
    "polygamma": polygamma, "gamma": gamma,
    "betaln": betaln, "beta": beta, "gammasgn": gammasgn,
    "logit": logit, "log_expit": log_expit, "ndtr": ndtr, "xlogy": xlogy, "xlog1py": xlog1py, "entr": entr,
    "rel_entr": rel_entr, "logsumexp": logsumexp, "softmax": softmax, "log_softmax": log_softmax, "exp10": exp10,
}
# fmt: on
