"""Comparisons, logic and bits: what has no gradient."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from . import dtypes
from .complexes import RULES, computed, refuse_complex
from .elementwise import missing
from .kernel import Aval, Kernel
from .op import Op, check_broadcast, converted, result_dtype
from .tensor import Tensor


def comparison(name: str, body: Any) -> Op:
    """Two in their common dtype; the result is bool."""

    def choose(*types: Any) -> Kernel:
        check_broadcast(types)
        to = result_dtype(types)
        if to.is_complex and body not in RULES:
            raise missing(name + "_cpu", to)
        return computed(body, name.capitalize(), types, to, dtypes.bool)

    return Op(name, choose)


eq, ne = comparison("eq", np.equal), comparison("ne", np.not_equal)
lt, le = comparison("lt", np.less), comparison("le", np.less_equal)
gt, ge = comparison("gt", np.greater), comparison("ge", np.greater_equal)
not_equal, less, less_equal, greater, greater_equal = ne, lt, le, gt, ge

# ---- what kind of number


def predicate(name: str, body: Any) -> Op:
    """Of floats; integers are looked at as floats."""

    def choose(t: Aval) -> Kernel:
        to = t.dtype if t.dtype.rank >= dtypes.FLOAT else dtypes.float32
        return computed(body, name.capitalize(), (t,), to, dtypes.bool)

    return Op(name, choose)


def _isposinf(x: Any) -> Any:
    return x == np.inf


def _isneginf(x: Any) -> Any:
    return x == -np.inf


isnan, isinf, isfinite = predicate("isnan", np.isnan), predicate("isinf", np.isinf), predicate("isfinite", np.isfinite)
isposinf, isneginf, signbit = predicate("isposinf", _isposinf), predicate("isneginf", _isneginf), predicate("signbit", np.signbit)

# ---- logic


def logical(name: str, body: Any) -> Op:
    def choose(*types: Any) -> Kernel:
        for at, t in enumerate(types):
            if not isinstance(t, Aval):
                raise TypeError(f"{name}(): argument 'other' (position {at + 1}) must be Tensor, not {t.__name__}")
        refuse_complex(name, types)
        check_broadcast(types)
        return converted(body, name.capitalize(), types, dtypes.bool)

    return Op(name, choose)


logical_and, logical_or = logical("logical_and", np.logical_and), logical("logical_or", np.logical_or)
logical_xor, logical_not = logical("logical_xor", np.logical_xor), logical("logical_not", np.logical_not)

# ---- bits


def bits(name: str, body: Any, shown: str = "") -> Op:
    """Operations on the bits of integers; those of bools but for shifts."""

    def choose(*types: Any) -> Kernel:
        to = result_dtype(types)
        if to.rank >= dtypes.FLOAT or (shown and to is dtypes.bool):
            raise missing((shown or name) + "_cpu", to)
        check_broadcast(types)
        return converted(body, name.capitalize(), types, to)

    return Op(name, choose)


bitwise_and, bitwise_or = bits("bitwise_and", operator.and_), bits("bitwise_or", operator.or_)
bitwise_xor, bitwise_not = bits("bitwise_xor", operator.xor), bits("bitwise_not", operator.invert)
bitwise_left_shift = bits("bitwise_left_shift", operator.lshift, "lshift")
bitwise_right_shift = bits("bitwise_right_shift", operator.rshift, "rshift")


def invert(x: Tensor) -> Tensor:
    """~x"""
    if x.dtype.rank >= dtypes.FLOAT:
        raise TypeError("~ (operator.invert) is only implemented on integer and Boolean-type tensors")
    return bitwise_not(x)


# ---- alike?


def equal(input: Tensor, other: Tensor) -> bool:
    """Do two tensors have the same shape and values?"""
    if not isinstance(other, Tensor):
        raise TypeError(f"equal(): argument 'other' (position 2) must be Tensor, not {type(other).__name__}")
    return input.shape == other.shape and bool(np.array_equal(eq(input, other)._buffer(), np.ones(input.shape, bool)))


def _isclose(x: Any, z: Any, rtol: float, atol: float, equal_nan: bool) -> Any:
    near = (x == z) | (np.isfinite(x) & np.isfinite(z) & (np.abs(x - z) <= atol + np.abs(rtol * z)))
    return near | ((x != x) & (z != z)) if equal_nan else near


def _choose_isclose(x: Aval, z: Aval, rtol: float, atol: float, equal_nan: bool) -> Kernel:
    if x.dtype is not z.dtype:
        raise RuntimeError(f"{x.dtype.legacy} did not match {z.dtype.legacy}")
    check_broadcast((x, z))
    refuse_complex("isclose", (x, z))
    to = x.dtype if x.dtype.rank >= dtypes.FLOAT else dtypes.float64
    return converted(_isclose, "Isclose", (x, z), to, dtypes.bool, rtol=rtol, atol=atol, equal_nan=bool(equal_nan))


_iscloses = Op("isclose", _choose_isclose)


def isclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Tensor:
    """Where |input - other| <= atol + rtol * |other|."""
    return _iscloses(input, other, rtol=float(rtol), atol=float(atol), equal_nan=equal_nan)


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Is `isclose` true everywhere?"""
    return bool(isclose(input, other, rtol, atol, equal_nan)._buffer().all())

__all__ = [
    "allclose", "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "eq",
    "equal", "ge", "greater", "greater_equal", "gt", "isclose", "isfinite", "isinf", "isnan", "isneginf", "isposinf", "le",
    "less",
    "less_equal", "logical_and", "logical_not", "logical_or", "logical_xor", "lt", "ne", "not_equal", "signbit",
]  # fmt: skip
