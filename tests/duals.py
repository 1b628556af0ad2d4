"""Dual numbers: the oracle of derivatives. A program run on them, as plain Python, takes exactly the branches that floats take.

Duals of duals give second derivatives. Ties of `max` and `min` share evenly, as the table of kinks says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


class Dual:
    """v + e * epsilon, with epsilon ** 2 = 0. Compares by its value. `v` and `e` may be duals of another epsilon."""

    __slots__ = ("e", "v")
    nearest = math.inf  # how close a comparison was to the other answer; what is equal does not count

    def __init__(self, v: Any, e: Any = 0.0) -> None:
        self.v, self.e = v, e

    def __repr__(self) -> str:
        return f"({self.v} + {self.e} eps)"

    def chain(self, v: Any, slope: Any) -> Dual:
        return Dual(v, slope * self.e if number(slope) else 0.0)

    def minus(self, z: Any) -> float:
        """For comparisons."""
        apart = number(self) - number(z)
        if apart:
            Dual.nearest = min(Dual.nearest, abs(apart))
        return apart

    def __int__(self) -> int:
        x = number(self)
        Dual.nearest = min(Dual.nearest, abs(x - round(x)) or math.inf)
        return int(x)

    # fmt: off
    def __add__(self, z): return Dual(self.v + dual(z).v, self.e + dual(z).e)
    def __sub__(self, z): return Dual(self.v - dual(z).v, self.e - dual(z).e)
    def __mul__(self, z): return Dual(self.v * dual(z).v, self.e * dual(z).v + self.v * dual(z).e)
    def __truediv__(self, z): return Dual(self.v / dual(z).v, (self.e - self.v / dual(z).v * dual(z).e) / dual(z).v)
    def __floordiv__(self, k): return Dual(number(self) // k)
    def __pow__(self, k): return self.chain(self.v**k, k * self.v ** (k - 1))
    def __radd__(self, z): return dual(z) + self
    def __rsub__(self, z): return dual(z) - self
    def __rmul__(self, z): return dual(z) * self
    def __rtruediv__(self, z): return dual(z) / self
    def __neg__(self): return Dual(-self.v, -self.e)
    def __abs__(self): return self.chain(abs(self.v), math.copysign(1.0, number(self)) if number(self) else 0.0)
    def __lt__(self, z): return self.minus(z) < 0
    def __le__(self, z): return self.minus(z) <= 0
    def __gt__(self, z): return self.minus(z) > 0
    def __ge__(self, z): return self.minus(z) >= 0
    def __eq__(self, z): return self.minus(z) == 0
    def __ne__(self, z): return self.minus(z) != 0
    def sin(self): return self.chain(one("sin", self.v), one("cos", self.v))
    def cos(self): return self.chain(one("cos", self.v), -one("sin", self.v))
    def tanh(self): return self.chain(one("tanh", self.v), 1.0 - one("tanh", self.v) ** 2)
    # fmt: on

    __hash__ = None  # type: ignore[assignment]


def number(x: Any) -> float:
    """The value, whatever it is wrapped in."""
    while isinstance(x, Dual):
        x = x.v
    return float(x)


def dual(z: Any) -> Dual:
    return z if isinstance(z, Dual) else Dual(float(z))


def one(name: str, x: Any) -> Any:
    return getattr(x, name)() if isinstance(x, Dual) else getattr(math, name)(x)


def apart(x: np.ndarray, f: Callable[[Any], Any]) -> np.ndarray:
    out = np.empty(x.shape, object)
    for k in np.ndindex(x.shape):
        out[k] = f(x[k])
    return out


def shared(xs: Sequence[Any], best: Callable[[Any], Any]) -> Any:
    """The largest or smallest; where several are, the mean of their derivatives."""
    top = best(xs)
    ties = [x for x in xs if x == top]
    return top if len(ties) < 2 or not any(isinstance(x, Dual) for x in ties) else sum(ties[1:], ties[0]) / len(ties)


class Maths:
    """The functions of NumPy that programs call, also on dual numbers and arrays of them."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    @staticmethod
    def each(name: str, x: Any, out: Any = None) -> Any:
        if not isinstance(x, np.ndarray):
            return one(name, x)
        y = apart(x, lambda v: one(name, v))
        if out is None:
            return y
        out[...] = y
        return out

    def sin(self, x: Any, out: Any = None) -> Any:
        return self.each("sin", x, out)

    def cos(self, x: Any, out: Any = None) -> Any:
        return self.each("cos", x, out)

    def tanh(self, x: Any, out: Any = None) -> Any:
        return self.each("tanh", x, out)

    def zeros(self, shape: Any) -> Any:
        return apart(np.zeros(shape), dual)

    def zeros_like(self, x: Any) -> Any:
        return self.zeros(x.shape)

    @staticmethod
    def max(x: Any) -> Any:
        return shared(list(np.ravel(x)), max)

    @staticmethod
    def min(x: Any) -> Any:
        return shared(list(np.ravel(x)), min)


BUILTINS = {"max": lambda *xs: shared(xs, max), "min": lambda *xs: shared(xs, min)}


def moved(args: Sequence[Any], dots: Sequence[Any]) -> list[Any]:
    """The arguments as duals: `dots` has one tangent for each that is not an integer."""
    moving = iter(dots)

    def one_of(a: Any) -> Any:
        if isinstance(a, int):
            return a
        dot = next(moving)
        if not isinstance(a, np.ndarray):
            return Dual(a, dot)
        out = np.empty(a.shape, object)
        for k in np.ndindex(a.shape):
            out[k] = Dual(a[k], dot[k])
        return out

    return [one_of(a) for a in args]


def plain(args: Sequence[Any]) -> list[Any]:
    """With numbers of Python, which are never those of NumPy."""
    return [a if isinstance(a, int) else a.astype(object) if isinstance(a, np.ndarray) else float(a) for a in args]


def derivative(f: Callable[..., Any], args: Sequence[Any], dots: Sequence[Any]) -> tuple[float, float]:
    """The value of `f` and its derivative along `dots` (one for each float argument)."""
    got = dual(f(*moved(plain(args), plain(dots))))
    return number(got.v), number(got.e)


def second(f: Callable[..., Any], args: Sequence[Any], dots: Sequence[Any], others: Sequence[Any]) -> float:
    """The second derivative, along `dots` and `others`."""
    inner = moved(plain(args), plain(others))
    got = dual(f(*moved(inner, plain(dots)))).e
    return number(got.e) if isinstance(got, Dual) else 0.0


__all__ = ["BUILTINS", "Dual", "Maths", "derivative", "dual", "number", "second"]
