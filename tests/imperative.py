"""Random small programs as users write them: nested loops, branches, early exits, writes in place, views, helpers.

`program(choose)` is the text of a function `f(x, y, M, c, steps)` of two vectors, a square matrix, a number and an integer;
`choose(options)` decides everything. Numbers stay small (`np.tanh` around what could grow), and loops end.

`Dual` is the oracle of derivatives: the same text run on dual numbers takes exactly the branches that floats take.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Choose = Callable[[Sequence[Any]], Any]

DEEPEST = 3
SCALARS, ARRAYS = ("s", "t", "u"), ("a", "b")
UNARY = ("np.sin({})", "np.cos({})", "np.tanh({})", "0.5 * {}", "-{}", "abs({})", "({}) ** 2 / 4")
BINARY = ("{} + {}", "{} - {}", "{} * {}", "max({}, {})", "min({}, {})", "{} / (1.5 + abs({}))")
HELPERS = '''
def bump(v, w):
    for q in range(1, len(v)):
        v[q] = 0.5 * v[q] + w * v[q - 1]


def shrink(z):
    if z > 1.0:
        return 1.0 / z
    if z < -1.0:
        z = -1.0 / z
    return z

'''


class Writer:
    """The lines of one program. `loops`: the indices of the loops around, outermost first."""

    def __init__(self, choose: Choose) -> None:
        self.choose = choose
        self.lines: list[str] = []
        self.loops: list[str] = []
        self.depth = 0
        self.count = 0

    def put(self, text: str) -> None:
        self.lines.append("    " * (self.depth + 1) + text)

    def maybe(self, odds: int = 2) -> bool:
        return self.choose(range(odds)) == 0

    # -- expressions

    def index(self) -> str:
        fixed = ("0", "-1", "2", "n - 1", "n // 2")
        if not self.loops or self.maybe(4):
            return self.choose(fixed)
        i = self.choose(self.loops)
        return self.choose((i, i, f"{i} - 1", f"n - 1 - {i}", f"{i} // 2", f"-{i}", f"({i} + 1) % n"))

    def cell(self) -> str:
        if self.maybe(3):
            return f"A[{self.index()}, {self.index()}]"
        return f"{self.choose(ARRAYS)}[{self.index()}]"

    def scalar(self, deep: int = 2) -> str:
        kind = self.choose(range(6 if deep else 3))
        if kind == 0:
            return self.choose((*SCALARS, "c"))
        if kind == 1:
            return self.cell()
        if kind == 2:
            return self.choose(("0.7", "0.3", "1.2", *[f"{i} * 0.1" for i in self.loops]))
        if kind == 3:
            return self.choose(UNARY).format(self.scalar(deep - 1))
        if kind == 4:
            return self.choose(BINARY).format(self.scalar(deep - 1), self.scalar(deep - 1))
        return self.choose(("np.sum({})", "np.max({})")).format(self.vector(1)) + " / n"

    def vector(self, deep: int = 1) -> str:
        kind = self.choose(range(4 if deep else 1))
        if kind == 0:
            return self.choose((*ARRAYS, "x", "A[0]", "A[:, 1]", *[f"A[{i}]" for i in self.loops]))
        if kind == 1:
            return f"({self.vector(0)} * {self.scalar(0)} + {self.vector(0)})"
        if kind == 2:
            return f"np.sin({self.vector(0)})"
        return f"np.where({self.vector(0)} > {self.scalar(0)}, {self.vector(0)}, {self.vector(0)} * 0.5)"

    def condition(self) -> str:
        tests = [f"{self.scalar(1)} > {self.scalar(0)}", f"{self.cell()} < {self.scalar(0)}", f"0.1 < {self.scalar(0)} < 0.9"]
        tests += [f"{i} % 2 == 0" for i in self.loops] + [f"{i} > 1" for i in self.loops]
        first = self.choose(tests)
        if self.maybe(4):
            return f"not ({first})"
        return f"{first} {self.choose(('and', 'or'))} {self.choose(tests)}" if self.maybe(3) else first

    # -- statements

    def block(self, size: int) -> None:
        for _ in range(size):
            self.statement()

    def statement(self) -> None:
        compound = (self.branch, self.loop, self.loop, self.while_) if self.depth < DEEPEST else ()
        simple = (self.assign, self.update, self.write, self.write, self.slices, self.rebind, self.call, self.jump, self.pair)
        self.choose((*simple, *compound))()

    def assign(self) -> None:
        self.put(f"{self.choose(SCALARS)} = {self.scalar()}")

    def update(self) -> None:
        self.put(f"{self.choose(SCALARS)} = np.tanh({self.choose(SCALARS)} {self.choose('+-*')} {self.scalar(1)})")

    def write(self) -> None:
        op = self.choose(("=", "=", "+=", "*="))
        value = self.scalar() if op == "=" else f"0.1 * np.tanh({self.scalar(1)})"
        self.put(f"{self.cell()} {op} {value}")

    def slices(self) -> None:
        a, b = self.choose(ARRAYS), self.choose(ARRAYS)
        i = self.choose(self.loops) if self.loops else "1"
        self.put(
            self.choose(
                (
                    f"{a}[1:] = 0.5 * {b}[:-1] + {self.scalar(0)}",
                    f"{a}[::2] *= 0.5",
                    f"{a}[::-1] += 0.1 * {b}",
                    f"{a}[{i}:] = {a}[{i}:] * 0.5 + {self.scalar(0)}",
                    f"A[{i}, 1:] -= 0.1 * {a}[1:]",
                    f"A[:, 0] = {self.vector(0)}",
                    f"w = {a}[1:-1]; w[0] = {self.scalar(0)}; w *= 0.9",
                    f"A.T[0] += 0.1 * {a}",
                )
            )
        )

    def rebind(self) -> None:
        self.put(self.choose(("a, b = b, a", f"a = {self.vector()}.copy()", "b = a * 0.5", "a = np.tanh(a + b)")))

    def call(self) -> None:
        self.put(
            self.choose(
                (
                    f"bump({self.choose(ARRAYS)}, {self.choose(('0.2', 'c'))})",
                    f"bump({self.choose(ARRAYS)}[1:], 0.1)",
                    f"s = shrink({self.scalar(0)})",
                    f"add({self.scalar(0)})",
                    f"t = s if {self.condition()} else {self.scalar(0)}",
                )
            )
        )

    def pair(self) -> None:
        self.put("p = (np.tanh(p[0] + 0.1 * s), 0.5 * p[1])" if self.maybe() else "d['k'] = 0.5 * d['k'] + p[0]")

    def jump(self) -> None:
        """Only under a condition: what follows must be reachable."""
        what = f"return {self.scalar()}"
        if self.loops:
            what = self.choose(("break", "continue", what))
        self.put(f"if {self.condition()}:")
        self.depth += 1
        if self.maybe():
            self.assign()
        self.put(what)
        self.depth -= 1

    def inside(self, size: int) -> None:
        self.depth += 1
        self.block(size)
        self.depth -= 1

    def branch(self) -> None:
        self.put(f"if {self.condition()}:")
        self.inside(self.choose((1, 2)))
        if self.maybe(3):
            self.put(f"elif {self.condition()}:")
            self.inside(1)
        if self.maybe():
            self.put("else:")
            self.inside(self.choose((1, 2)))

    def loop(self) -> None:
        self.count += 1
        i = f"i{self.count}"
        ranges = ("n", "n", "1, n", "n - 1, -1, -1", "0, n, 2", "3", "steps", "1, n - 1", "n - 2, 0, -2")
        span = self.choose(ranges)
        if self.loops and self.maybe(3):
            outer = self.choose(self.loops)
            span = self.choose((f"{outer}, n", f"{outer}", f"max(0, {outer} - 1), min(n, {outer} + 2)"))
        head = f"for {i} in range({span}):"
        if self.maybe(6):
            head = f"for {i}, u in enumerate({self.choose(ARRAYS)}.copy()):"
        self.put(head)
        self.around(i, self.choose((1, 2, 3)))

    def around(self, i: str, size: int) -> None:
        self.loops.append(i)
        self.inside(size)
        self.loops.pop()

    def while_(self) -> None:
        self.count += 1
        k = f"k{self.count}"
        self.put(f"{k} = 0")
        self.put(f"while {k} < {self.choose(('n', '3', 'steps'))} and ({self.condition()}):")
        self.depth += 1
        self.put(f"{k} += 1")
        self.depth -= 1
        self.inside(self.choose((1, 2)))


def program(choose: Choose) -> str:
    w = Writer(choose)
    for line in (
        "n = len(x)",
        "a = x.copy(); b = 0.5 * y; A = M.copy()",
        "s = 0; t = 0.5 * c; u = x[1]",
        "p = (s, t); d = {'k': 0.0}",
        "def add(z):",
        "    nonlocal t",
        "    t = np.tanh(t + z)",
    ):
        w.put(line)
    w.block(choose((2, 3, 4)))
    w.put("return s + t * u + np.sum(a * y) + np.sum(b) + np.sum(A * A) / n + p[0] * p[1] + d['k']")
    return HELPERS + "def f(x, y, M, c, steps):\n" + "\n".join(w.lines) + "\n"


class Dual:
    """v + e * epsilon, with epsilon ** 2 = 0. Compares by its value."""

    __slots__ = ("e", "v")

    def __init__(self, v: float, e: float = 0.0) -> None:
        self.v, self.e = v, e

    def __repr__(self) -> str:
        return f"({self.v} + {self.e} eps)"

    def chain(self, v: float, slope: float) -> Dual:
        return Dual(v, slope * self.e if slope else 0.0)

    # fmt: off
    def __add__(self, z): return Dual(self.v + dual(z).v, self.e + dual(z).e)
    def __sub__(self, z): return Dual(self.v - dual(z).v, self.e - dual(z).e)
    def __mul__(self, z): return Dual(self.v * dual(z).v, self.e * dual(z).v + self.v * dual(z).e)
    def __truediv__(self, z): return Dual(self.v / dual(z).v, (self.e - self.v / dual(z).v * dual(z).e) / dual(z).v)
    def __pow__(self, k): return self.chain(self.v**k, k * self.v ** (k - 1))
    def __radd__(self, z): return dual(z) + self
    def __rsub__(self, z): return dual(z) - self
    def __rmul__(self, z): return dual(z) * self
    def __rtruediv__(self, z): return dual(z) / self
    def __neg__(self): return Dual(-self.v, -self.e)
    def __abs__(self): return self.chain(abs(self.v), math.copysign(1.0, self.v) if self.v else 0.0)
    def __lt__(self, z): return self.v < dual(z).v
    def __le__(self, z): return self.v <= dual(z).v
    def __gt__(self, z): return self.v > dual(z).v
    def __ge__(self, z): return self.v >= dual(z).v
    def __eq__(self, z): return self.v == dual(z).v
    def __ne__(self, z): return self.v != dual(z).v
    def sin(self): return self.chain(math.sin(self.v), math.cos(self.v))
    def cos(self): return self.chain(math.cos(self.v), -math.sin(self.v))
    def tanh(self): return self.chain(math.tanh(self.v), 1.0 - math.tanh(self.v) ** 2)
    # fmt: on

    __hash__ = None  # type: ignore[assignment]


def dual(z: Any) -> Dual:
    return z if isinstance(z, Dual) else Dual(float(z))


class Maths:
    """The functions of NumPy that programs call, also on dual numbers and arrays of them."""

    @staticmethod
    def each(name: str, x: Any) -> Any:
        if isinstance(x, Dual):
            return getattr(x, name)()
        if isinstance(x, np.ndarray):
            return apart(x, lambda v: Maths.each(name, v))
        return getattr(math, name)(x)

    def sin(self, x: Any) -> Any:
        return self.each("sin", x)

    def cos(self, x: Any) -> Any:
        return self.each("cos", x)

    def tanh(self, x: Any) -> Any:
        return self.each("tanh", x)

    sum, max = staticmethod(np.sum), staticmethod(np.max)

    @staticmethod
    def where(c: Any, x: Any, z: Any) -> Any:
        return np.where(c, x, z)


def apart(x: np.ndarray, f: Callable[[Any], Any]) -> np.ndarray:
    out = np.empty(x.shape, object)
    for k in np.ndindex(x.shape):
        out[k] = f(x[k])
    return out


def derivative(f: Callable[..., Any], args: Sequence[Any], dots: Sequence[Any]) -> tuple[float, float]:
    """The value of `f` and its derivative along `dots` (one for each float argument), on dual numbers."""
    moving = iter(dots)
    duals: list[Any] = []
    for a in args:
        if isinstance(a, int):
            duals.append(a)
            continue
        dot = next(moving)
        if isinstance(a, float):
            duals.append(Dual(a, dot))
            continue
        out = np.empty(a.shape, object)
        for k in np.ndindex(a.shape):
            out[k] = Dual(float(a[k]), float(dot[k]))
        duals.append(out)
    got = dual(f(*duals))
    return got.v, got.e


__all__ = ["Dual", "Maths", "derivative", "program"]
