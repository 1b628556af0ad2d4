"""Operations of two tensors, or of tensors and numbers, cell by cell. (All of one argument are here too, by import.)

Where two functions differ in the slope at a kink only, the body says which side the kink belongs to.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import arrays, comparing, dtypes, functions
from .comparing import *  # noqa: F403
from .complexes import computed, refuse_complex
from .elementwise import INTEGERS, Choose, arithmetic, cast, clone, float_dtype, function, missing  # noqa: F401
from .functions import *  # noqa: F403
from .kernel import Aval, Kernel
from .op import Op, check_broadcast, result_dtype

# ---- sums and products


def _plus(x: Any, z: Any, alpha: Any) -> Any:
    return x + alpha * z


def _minus(x: Any, z: Any, alpha: Any) -> Any:
    return x - alpha * z


NO_MINUS = "Subtraction, the `-` operator, with {}bool tensor{} is not supported."
NO_MINUS_REPAIR = {
    True: NO_MINUS.format("two ", "s") + " Use the `^` or `logical_xor()` operator instead.",
    False: NO_MINUS.format("a ", "")
    + " If you are trying to invert a mask, use the `~` or `logical_not()` operator instead.",
}


def _choose_sub(*types: Any, node: str = "Sub") -> Kernel:
    x, z = types[:2]
    bools = [t.dtype is dtypes.bool if isinstance(t, Aval) else t is bool for t in (x, z)]
    if any(bools):
        raise RuntimeError(NO_MINUS_REPAIR[bools[0] and bools[1]])
    check_broadcast(types)
    node = node if isinstance(x, Aval) else "Rsub.1"
    return computed(np.subtract if len(types) == 2 else _minus, node, types, result_dtype((x, z)))


def _choose_alpha(body: Any, node: str) -> Choose:
    def choose(x: Any, z: Any, alpha: Any) -> Kernel:
        check_broadcast((x, z))
        to = result_dtype((x, z))
        rank = dtypes.RANK_OF[alpha]
        if rank == dtypes.BOOL and to is not dtypes.bool:
            raise RuntimeError("Boolean alpha only supported for Boolean results.")
        if rank >= dtypes.FLOAT and to.rank < dtypes.FLOAT:
            raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
        return computed(body, node, (x, z, alpha), to)

    return choose


plus = arithmetic("add", np.add)
minus = Op("sub", _choose_sub)
_rsub = Op("rsub", lambda x, z: _choose_sub(x, z, node="Rsub"))
_rsub_alpha = Op("rsub", _choose_alpha(_minus, "Rsub"))
_add_alpha, _sub_alpha = Op("add", _choose_alpha(_plus, "Add")), Op("sub", _choose_alpha(_minus, "Sub"))


def add(input: Any, other: Any, *, alpha: Any = 1, out: Any = None) -> Any:
    """input + alpha * other"""
    if out is not None:
        return plus(input, other if alpha == 1 else mul(other, alpha), out=out)
    return plus(input, other) if type(alpha) is int and alpha == 1 else _add_alpha(input, other, alpha)


def sub(input: Any, other: Any, *, alpha: Any = 1, out: Any = None) -> Any:
    """input - alpha * other"""
    if out is not None:
        return minus(input, other if alpha == 1 else mul(other, alpha), out=out)
    return minus(input, other) if type(alpha) is int and alpha == 1 else _sub_alpha(input, other, alpha)


def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """other - alpha * input"""
    return _rsub(other, input) if type(alpha) is int and alpha == 1 else _rsub_alpha(other, input, alpha)


subtract = sub
mul = multiply = arithmetic("mul", np.multiply)


def _addcmul(x: Any, a: Any, b: Any, value: Any) -> Any:
    return x + value * a * b


def _addcdiv(x: Any, a: Any, b: Any, value: Any) -> Any:
    return x + value * (a / b)


def _lerp(x: Any, end: Any, weight: Any) -> Any:
    """From the nearer end, so that weight 1 gives the end exactly."""
    gap = end - x
    return np.where(weight < 0.5, x + weight * gap, end - gap * (1.0 - weight))


def _choose_lerp(x: Aval, end: Aval, weight: Any) -> Kernel:
    for name, t in (("end", end), ("weight", weight)):
        if isinstance(t, Aval) and t.dtype is not x.dtype:
            raise RuntimeError(f"expected dtype {x.dtype.spoken} for `{name}` but got dtype {t.dtype.spoken}")
    check_broadcast((x, end, weight))
    return computed(_lerp, "Lerp.1" if isinstance(weight, Aval) else "Lerp", (x, end, weight), x.dtype)


_addcmuls, _addcdivs = arithmetic("addcmul", _addcmul), arithmetic("addcdiv", _addcdiv)
lerp = Op("lerp", _choose_lerp, names=("input", "end", "weight"))


def addcmul(input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
    """input + value * tensor1 * tensor2"""
    if type(value) is float and not any(x.dtype.differentiable for x in (input, tensor1, tensor2)):
        value = int(value)  # of integers, as in PyTorch
    return _addcmuls(input, tensor1, tensor2, value)


def addcdiv(input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
    """input + value * tensor1 / tensor2"""
    if all(x.dtype.rank < dtypes.FLOAT for x in (tensor1, tensor2)):
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform a true division "
            "of tensor1 and tensor2. The historic addcdiv behavior can be implemented as (input + value * torch.trunc(tensor1 / "
            "tensor2)).to(input.dtype) for integer inputs and as (input + value * tensor1 / tensor2) for float inputs. "
            "The future "
            "addcdiv behavior is just the latter implementation: (input + value * tensor1 / tensor2), for all dtypes."
        )
    return _addcdivs(input, tensor1, tensor2, value)


# ---- quotients


def _truncated(x: Any, z: Any) -> Any:
    return np.trunc(x / z)


def _truncated_ints(x: Any, z: Any) -> Any:
    quotient = x // z
    return quotient + ((quotient < 0) & (quotient * z != x))


def _choose_quotient(x: Any, z: Any) -> Kernel:
    check_broadcast((x, z))
    return computed(np.divide, "Div" if isinstance(x, Aval) else "Mul", (x, z), float_dtype((x, z)))


def _choose_truncated(x: Any, z: Any) -> Kernel:
    check_broadcast((x, z))
    to = result_dtype((x, z))
    if to is dtypes.bool:
        raise missing("div_trunc_cpu", to)
    node = "Div.2" if isinstance(z, Aval) else "Div.3"
    return computed(_truncated if to.rank >= dtypes.FLOAT else _truncated_ints, node, (x, z), to)


quotient = Op("div", _choose_quotient)
_trunc_divide = Op("div", _choose_truncated)
_floor_divide = arithmetic("floor_divide", np.floor_divide, "FloorDivide", lacks=(dtypes.BOOL, dtypes.COMPLEX))
_floor_mode = arithmetic("floor_divide", np.floor_divide, "Div.2", number="Div.3", lacks=(dtypes.BOOL, dtypes.COMPLEX))
_remainder = arithmetic("remainder", np.remainder, "Remainder.1", number="Remainder", lacks=(dtypes.BOOL,))
_fmod = arithmetic("fmod", np.fmod, "Fmod.1", number="Fmod", lacks=(dtypes.BOOL,))


def _of_whole(f: Op) -> Any:
    """An operation that integers have with every number but 0."""

    def apply(input: Any, other: Any) -> Any:
        if type(other) in (int, bool) and other == 0 and input.dtype.rank < dtypes.FLOAT:
            raise RuntimeError("ZeroDivisionError")
        return f(input, other)

    apply.__name__ = f.name
    return apply


floor_divide, remainder, fmod = _of_whole(_floor_divide), _of_whole(_remainder), _of_whole(_fmod)
_ROUNDED = {"floor": _of_whole(_floor_mode), "trunc": _of_whole(_trunc_divide)}
floor_divide.__doc__ = "The quotient, rounded down. (Integers by a tensor that holds 0: 0, as in NumPy.)"
remainder.__doc__ = "What is left of a division rounded down: it has the sign of the divisor."
fmod.__doc__ = "What is left of a division rounded towards 0: it has the sign of the dividend."


def div(input: Any, other: Any, *, rounding_mode: str | None = None, out: Any = None) -> Any:
    """input / other; rounded down ("floor") or towards 0 ("trunc"), where that is asked for."""
    if rounding_mode is None:
        return quotient(input, other) if out is None else quotient(input, other, out=out)
    if rounding_mode not in _ROUNDED:
        raise RuntimeError(f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'")
    return _ROUNDED[rounding_mode](input, other)


divide = div


def true_divide(input: Any, other: Any) -> Any:
    """input / other, of floats."""
    return quotient(input, other)


# ---- powers


# 0 ** y has the slope 0 along y, also at y = 0, where it jumps.
def _power(x: Any, exponent: Any) -> Any:
    return np.power(x, arrays.flat_where((x == 0) & (exponent >= 0), exponent))


def _whole_power(x: Any, exponent: Any) -> Any:
    """Of integers: 0 for what is no integer."""
    below = exponent < 0
    sign = np.where(exponent % 2 == 0, 1, x)
    return np.where(below, np.where(np.abs(x) == 1, sign, 0), np.power(x, np.where(below, 0, exponent)))


def _number_power(x: Any, exponent: float) -> Any:
    if exponent in (0.5, -0.5):  # a root, also of -infinity
        return np.sqrt(x) if exponent > 0 else 1.0 / np.sqrt(x)
    return np.power(x, exponent)


def _doubled(d: dtypes.dtype) -> dtypes.dtype:
    """The dtype of double precision for such numbers."""
    return dtypes.complex128 if d.is_complex else dtypes.float64


def _choose_power(x: Any, z: Any, double: bool = False) -> Kernel:
    check_broadcast((x, z))
    to = result_dtype((x, z))
    if double:
        to = _doubled(to)
    elif to is dtypes.bool and isinstance(z, Aval):
        raise missing("pow", to)
    body = _whole_power if to.rank == dtypes.INTEGER else _power
    return computed(body, "Pow.1" if isinstance(x, Aval) else "Pow.2", (x, z), to)


def _choose_number_power(t: Aval, exponent: Any, double: bool = False) -> Kernel:
    to = result_dtype((t, type(exponent)))
    if to.rank == dtypes.INTEGER and exponent < 0:
        raise RuntimeError("Integers to negative integer powers are not allowed.")
    return computed(_number_power, "Pow", (t,), _doubled(to) if double else to, exponent=exponent)


power = Op("pow", _choose_power, names=("input", "exponent"))
# By the type of the exponent: 2 and 2.0 are equal, but not what integers to these powers are.
number_powers = {kind: Op("pow", _choose_number_power) for kind in (int, float)}


def pow(input: Any, exponent: Any) -> Any:
    """input ** exponent; a number as exponent is part of the program (x ** 2 is x * x)."""
    by_number = number_powers.get(type(exponent))
    if by_number is not None:
        return by_number(input, exponent=exponent)
    return power(input, exponent.item() if isinstance(exponent, np.generic) else exponent)


def float_power(input: Any, exponent: Any) -> Any:
    """input ** exponent, in double precision."""
    by_number = number_powers.get(type(exponent))
    return _float_power(input, exponent) if by_number is None else by_number(input, exponent=exponent, double=True)


_float_power = Op("float_power", lambda x, z: _choose_power(x, z, double=True))


def square(input: Any) -> Any:
    """x * x"""
    return number_powers[int](input, exponent=2)


# ---- the larger, the smaller


def _fmax(x: Any, z: Any) -> Any:
    """Of equal ones the first: so is the slope."""
    return np.where((x >= z) | np.isnan(z), x, z)


def _fmin(x: Any, z: Any) -> Any:
    return np.where((x <= z) | np.isnan(z), x, z)


def extreme(name: str, body: Any, whole: Any) -> Op:
    """A choice of two: of tensors only."""

    def choose(x: Any, z: Any) -> Kernel:
        for at, t in enumerate((x, z)):
            if not isinstance(t, Aval):
                which = ("input", "other")[at]
                raise TypeError(f"{name}(): argument '{which}' (position {at + 1}) must be Tensor, not {t.__name__}")
            if t.dtype.is_complex:
                raise RuntimeError(f"{name} not implemented for complex tensors.")
        check_broadcast((x, z))
        to = result_dtype((x, z))
        return computed(body if to.rank >= dtypes.FLOAT else whole, name.capitalize(), (x, z), to)

    return Op(name, choose)


maximum, minimum = extreme("maximum", np.maximum, np.maximum), extreme("minimum", np.minimum, np.minimum)
fmax, fmin = extreme("fmax", _fmax, np.maximum), extreme("fmin", _fmin, np.minimum)


def _clamp(x: Any, *bounds: Any, lower: bool, upper: bool) -> Any:
    """At a bound the slope is that of x."""
    if lower:
        x = np.where(x < bounds[0], bounds[0], x)
    return np.where(x > bounds[-1], bounds[-1], x) if upper else x


def _clamp_all(x: Any, *bounds: Any, lower: bool, upper: bool) -> Any:
    """Within bounds that may be nan: then so is the result."""
    if lower:
        x = np.where((x < bounds[0]) | np.isnan(bounds[0]), bounds[0], x)
    return np.where((x > bounds[-1]) | np.isnan(bounds[-1]), bounds[-1], x) if upper else x


def _choose_clamp(*types: Any, lower: bool, upper: bool, node: str = "") -> Kernel:
    check_broadcast(types)
    refuse_complex("clamp", types)
    node = node or ("Clamp" if any(isinstance(t, Aval) for t in types[1:]) else "Clamp.1")
    to = result_dtype(types)
    body = _clamp_all if to.is_floating_point and all(isinstance(t, Aval) for t in types[1:]) else _clamp
    return computed(body, node, types, to, lower=lower, upper=upper)


_clamps = Op("clamp", _choose_clamp)


def clamp(input: Any, min: Any = None, max: Any = None) -> Any:
    """x within the bounds (numbers or tensors), the bound outside.

    >>> import jitgrad.eager as torch
    >>> torch.clamp(torch.tensor([-1.0, 0.5, 2.0]), 0, 1)
    tensor([0.0000, 0.5000, 1.0000])
    """
    if min is None:
        if max is None:
            raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
        return _clamps(input, max, lower=False, upper=True)
    return _clamps(input, min, lower=True, upper=False) if max is None else _clamps(input, min, max, lower=True, upper=True)


clip = clamp


def clamp_min(input: Any, min: Any) -> Any:
    """x, or the bound where x is below it."""
    return _clamps(input, min, lower=True, upper=False, node="ClampMin")


def clamp_max(input: Any, max: Any) -> Any:
    """x, or the bound where x is above it."""
    return _clamps(input, max, lower=False, upper=True, node="ClampMax")


# ---- other functions of two


def _ldexp(x: Any, z: Any) -> Any:
    return x * np.exp2(z)


def _heaviside(x: Any, z: Any) -> Any:
    return np.where(x == 0, z, np.where(x > 0, 1, 0))


# No slope at (0, 0).
def _atan2(y: Any, x: Any) -> Any:
    none = (x == 0) & (y == 0)
    return np.arctan2(arrays.flat_where(none, y), arrays.flat_where(none, x))


atan2 = arctan2 = arithmetic("atan2", _atan2, floating=True)
hypot = arithmetic("hypot", np.hypot, lacks=INTEGERS)
logaddexp = arithmetic("logaddexp", np.logaddexp, lacks=INTEGERS)
logaddexp2 = arithmetic("logaddexp2", np.logaddexp2, lacks=INTEGERS)
xlogy = arithmetic("xlogy", arrays.xlogy, floating=True)
copysign = arithmetic("copysign", np.copysign, floating=True)
ldexp = arithmetic("ldexp", _ldexp, floating=True)


def _choose_heaviside(x: Aval, z: Any) -> Kernel:
    if not isinstance(z, Aval):
        raise TypeError(f"heaviside(): argument 'values' (position 2) must be Tensor, not {z.__name__}")
    if x.dtype is not z.dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")
    check_broadcast((x, z))
    refuse_complex("heaviside", (x, z))
    return computed(_heaviside, "Heaviside", (x, z), x.dtype)


heaviside = Op("heaviside", _choose_heaviside, names=("input", "values"))

__all__ = [
    *comparing.__all__, *functions.__all__, "clone",
    "add", "addcdiv", "addcmul", "arctan2", "atan2", "clamp", "clamp_max", "clamp_min", "clip", "copysign", "div",
    "divide", "float_power", "floor_divide", "fmax", "fmin", "fmod", "heaviside", "hypot", "ldexp", "lerp", "logaddexp",
    "logaddexp2", "maximum", "minimum", "mul", "multiply", "pow", "remainder", "rsub", "square", "sub", "subtract",
    "true_divide", "xlogy",
]  # fmt: skip
