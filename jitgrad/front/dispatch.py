"""The one way in: every operation on stand-ins, from operators, NumPy's protocols or rewritten code, is a `call`.

    OWN[f](*args)            functions of stand-ins: views, writing in place, Python's iteration
    names.NAMES[f](*args)    pure functions of operands: their results are new arrays

This file also installs the operators and NumPy's protocols on the stand-ins.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import DTypeError, EscapedError, Unsupported, raise_at
from ..ir.dims import DimLike
from .context import current, here, tracing
from .handlers import refuse_handled_arithmetic
from .masked import Masked, call_masked
from .names import lookup, name_of, of_ufunc, refuse
from .size import bool_of, static_int
from .standin import Array, Scalar, StandIn, boxed, describe, involved, unwrap, wrap

OWN: dict[Any, Callable[..., Any]] = {}  # functions of stand-ins; filled by views.py, inplace.py, builtin.py

COMPARISONS = {
    operator.lt: "lt", operator.le: "le", operator.gt: "gt", operator.ge: "ge", operator.eq: "eq", operator.ne: "ne",
}  # fmt: skip


def call(f: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`f(*args, **kwargs)` on stand-ins."""
    if not tracing():
        raise_at(
            EscapedError,
            f"`{name_of(f)}` is called on a value of a trace that is over",
            wanted="values of the function that runs",
            got="a stand-in that was kept in a global, an attribute or a list",
            repair="return the value instead",
        )
    here()
    if f in OWN:
        return OWN[f](*args, **kwargs)
    if any(isinstance(x, Masked) for x in args):
        return call_masked(call, f, args, kwargs)
    handler = lookup(f)
    if handler is None:
        refuse(f, got=f"a call with {_what(args, kwargs)}")
    if current().handlers:
        refuse_handled_arithmetic(f, handler.name, all(isinstance(x, (int, float)) or getattr(x, "weak", False) for x in args))
    out = kwargs.pop("out", None) if isinstance(f, np.ufunc) or "out" in kwargs else None
    result = wrap(handler(*map(unwrap, args), **{k: unwrap(v) for k, v in kwargs.items()}))
    return result if out is None else into(out, result)


def into(out: Any, result: Any) -> Any:
    """`out=`: the result is written into an array, which is the result."""
    target = out[0] if isinstance(out, tuple) and len(out) == 1 else out
    if isinstance(target, np.ndarray):
        target = boxed(target)
    if not isinstance(target, Array):
        raise_at(DTypeError, "out= must be an array", wanted="one array", got=describe(target))
    wanted = result.dtype if isinstance(result, StandIn) else np.result_type(result)
    same_kind(wanted, target)
    target.write(result)
    return target


def same_kind(dtype: np.dtype[Any], target: Array) -> None:
    """An in-place operation may not turn floats into integers."""
    if not np.can_cast(dtype, target.dtype, "same_kind"):
        raise_at(
            DTypeError,
            f"a {dtype} result does not go into `{target.box.name}`",
            wanted=f"a dtype that casts to {target.dtype}",
            got=str(dtype),
            repair="make the array with dtype=float",
        )


def call_ufunc(ufunc: np.ufunc, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A universal function and its methods."""
    if method == "__call__":
        if len(args) > ufunc.nin:  # np.add(x, y, out)
            args, kwargs = args[: ufunc.nin], {**kwargs, "out": args[ufunc.nin :]}
        where = kwargs.pop("where", True)
        if where is True:
            return call(ufunc, args, kwargs)
        out = kwargs.pop("out", (None,))
        target = out[0] if isinstance(out, tuple) else out
        if target is None:
            raise_at(Unsupported, f"np.{ufunc.__name__}(..., where=mask) without out= leaves cells undefined")
        return into(target, call(np.where, (where, call(ufunc, args, kwargs), target), {}))
    if method in OWN:
        return OWN[method](ufunc, *args, **kwargs)
    handler = of_ufunc(ufunc, method) if lookup(ufunc) else None
    if handler is None:
        refuse(getattr(ufunc, method), got=f"a call with {_what(args, kwargs)}")
    here()
    out = kwargs.pop("out", None)
    result = wrap(handler(*map(unwrap, args), **{k: unwrap(v) for k, v in kwargs.items()}))
    return result if out is None else into(out, result)


def _what(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    found = [describe(x) for x in (*args, *kwargs.values()) if involved(x)]
    return ", ".join(found) or "plain values"


# ---- operators

MAX_POWER = 4
NUMBERS = (StandIn, bool, int, float, complex, np.generic, np.ndarray)


def operate(op: Any, x: Any, z: Any) -> Any:
    """`x op z`. A comparison of sizes is a Python bool, guarded."""
    if op in COMPARISONS and not current().record_sizes:
        a, b = size_in(x), size_in(z)
        if a is not None and b is not None:
            return bool_of(COMPARISONS[op], a, b)
    if op is operator.pow and size_in(x) is not None and size_in(z) is not None:
        return _power_of_size(x, static_int(size_in(z)))  # type: ignore[arg-type]
    return call(op, (x, z), {})


def _power_of_size(x: Any, n: int) -> Any:
    """A size to a known power stays a size while that is short."""
    if not isinstance(x, Scalar) or not 0 <= n <= MAX_POWER:
        return x**n if not isinstance(x, Scalar) else call(operator.pow, (x, n), {})
    out: Any = 1
    for _ in range(n):
        out = x * out
    return out


def size_in(x: Any) -> DimLike | None:
    """A size, or a Python integer, as a dim."""
    if isinstance(x, Scalar):
        return x.dim if x.is_size else None
    return int(x) if isinstance(x, int) and not isinstance(x, bool) else None


def _fits(x: Any, z: Any) -> bool:
    return isinstance(z, NUMBERS) or (isinstance(z, (list, tuple)) and isinstance(x, Array))


def _binary(op: Any) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    def forward(self: Any, z: Any) -> Any:
        return operate(op, self, z) if _fits(self, z) else NotImplemented

    def reflected(self: Any, x: Any) -> Any:
        return operate(op, x, self) if _fits(self, x) else NotImplemented

    def in_place(self: Any, z: Any) -> Any:
        if not _fits(self, z):
            return NotImplemented
        return into(self, operate(op, self, z))

    return forward, reflected, in_place


INFIX = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift")
PREFIX = {"neg": operator.neg, "pos": operator.pos, "abs": abs, "invert": operator.invert, "round": round}
for _name in INFIX:
    _op = getattr(operator, _name if _name not in ("and", "or") else _name + "_")
    _forward, _reflected, _in_place = _binary(_op)
    setattr(StandIn, f"__{_name}__", _forward)
    setattr(StandIn, f"__r{_name}__", _reflected)
    setattr(Array, f"__i{_name}__", _in_place)
for _op, _name in COMPARISONS.items():
    setattr(StandIn, f"__{_name}__", _binary(_op)[0])
for _name, _f in PREFIX.items():
    setattr(StandIn, f"__{_name}__", lambda self, *args, f=_f: call(f, (self, *args), {}))
StandIn.__divmod__ = lambda self, z: call(divmod, (self, z), {})  # type: ignore[operator]
StandIn.__rdivmod__ = lambda self, z: call(divmod, (z, self), {})  # type: ignore[attr-defined]
StandIn.__array_ufunc__ = lambda self, f, method, *args, **kwargs: call_ufunc(f, method, args, kwargs)  # type: ignore[attr-defined]
StandIn.__array_function__ = lambda self, f, types, args, kwargs: call(f, args, kwargs)  # type: ignore[attr-defined]
