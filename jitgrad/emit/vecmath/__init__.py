"""Mathematical functions for Numba's CPU target that LLVM vectorises: `from jitgrad.emit.vecmath import exp`.

Each name of `TABLE` is one function for float64 and float32 scalars inside `@njit` code; integers are taken as float64.
Results at NaN, infinities, signed zeros and denormals are NumPy's (SciPy's for the special functions), and errors are
a few units in the last place. Calls in loops become vector instructions (Note [Width of vectors]). Nothing is typed or
compiled until used, and each use costs well under a millisecond.

Note [Width of vectors]
LLVM prefers 256 bits on most CPUs that have 512, for fear of lower clocks. Loops bound by computing, as opposed to by
memory, then lose up to half of their speed. So a function that calls any of these asks for 512, unless all it calls are
as cheap as an addition. Without AVX-512 that has no effect.

`fingerprint()` is a hash of the sources of this package, for keys of caches of what was compiled with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from . import build, circular, elementary, special
from .build import F32, F64, Real, Value, define, fingerprint, seal

__all__ = ["TABLE", "fingerprint"]

# See Note [Width of vectors]. Not one of the attributes that llvmlite's own `add` knows.
WIDE = '"prefer-vector-width"="512"'
CHEAP = {"sqrt", "fabs", "sign", "floor", "ceil", "trunc", "rint", "maximum", "minimum", "copysign", "fma"}


def _real(*args: types.Type) -> Real | None:
    """The float type of a call with these arguments; None: not numbers."""
    if not all(isinstance(a, (types.Integer, types.Boolean)) or a in (types.float32, types.float64) for a in args):
        return None
    return F32 if all(a == types.float32 for a in args) else F64


def _lowered(name: str, body: Callable[..., Value], *args: types.Type) -> tuple[Any, Callable] | None:
    """Signature and code of a call of the function with this body; None: not for these types."""
    real = _real(*args)
    if real is None:
        return None

    def codegen(context: Any, builder: ir.IRBuilder, signature: Any, values: list[ir.Value]) -> ir.Value:
        function = define(context, builder.module, name, real, len(args), body, "alwaysinline")
        call = builder.call(function, values[-len(args) :])
        seal(call)
        if name not in CHEAP:
            set.add(builder.function.attributes, WIDE)
        return call

    return real.numba(*[real.numba] * len(args)), codegen


def _export(name: str, arity: int, body: Callable[..., Value]) -> Any:
    def one(typingctx, x):
        return _lowered(name, body, x)

    def two(typingctx, x, z):
        return _lowered(name, body, x, z)

    def three(typingctx, x, z, w):
        return _lowered(name, body, x, z, w)

    typer = (one, two, three)[arity - 1]
    typer.__name__ = typer.__qualname__ = name
    return intrinsic(typer)


def _polygamma(typingctx, n, x):
    if not (isinstance(n, types.IntegerLiteral) and 1 <= n.literal_value <= special.MAX_ORDER):
        raise TypingError(f"polygamma(n, x) wants a literal n from 1 to {special.MAX_ORDER}, got {n}")
    order = n.literal_value
    lowered = _lowered(f"polygamma{order}", lambda x: special.polygamma(order, x), x)
    return lowered and (lowered[0].return_type(n, *lowered[0].args), lowered[1])


# fmt: off
TABLE: dict[str, Any] = {
    **{body.__name__: _export(body.__name__, 1, body) for body in (
        elementary.exp, elementary.expm1, elementary.log, elementary.log1p, elementary.log2, elementary.log10,
        circular.sin, circular.cos, circular.tan, circular.asin, circular.acos, circular.atan,
        circular.sinh, circular.cosh, circular.tanh, circular.asinh, circular.acosh, circular.atanh,
        elementary.cbrt, elementary.sign, elementary.sigmoid, build.sqrt, build.fabs,
        special.erf, special.erfc, special.lgamma, special.digamma,
    )},
    **{name: _export(name, 1, getattr(elementary, name)) for name in ("floor", "ceil", "trunc", "rint")},
    **{body.__name__: _export(body.__name__, 2, body) for body in (
        circular.atan2, elementary.hypot, elementary.logaddexp, elementary.pow, elementary.maximum, elementary.minimum,
        build.copysign,
    )},
    "fma": _export("fma", 3, build.fma),
    "polygamma": intrinsic(prefer_literal=True)(_polygamma),
}
# fmt: on


def __getattr__(name: str) -> Any:
    if name in TABLE:
        return TABLE[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
