"""Random small programs as users write them: nested loops, branches, early exits, writes in place, views, helpers, state.

`program(choose)` is the text of a function `f(x, y, M, c, steps)` of two vectors, a square matrix, a number and an integer;
`choose(options)` decides everything. Numbers stay small (`np.tanh` around what could grow), and loops end. Expressions begin
with arrays where they have some, so that the text runs on dual numbers too (`duals.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

Choose = Callable[[Sequence[Any]], Any]

DEEPEST = 3
SCALARS, ARRAYS = ("s", "t", "u"), ("a", "b")
UNARY = ("np.sin({})", "np.cos({})", "np.tanh({})", "0.5 * {}", "-{}", "abs({})", "({}) ** 2 / 4")
BINARY = ("{} + {}", "{} - {}", "{} * {}", "max({}, {})", "min({}, {})", "{} / (1.5 + abs({}))")
HELPERS = '''
class State:
    def __init__(self, v, a):
        self.v, self.a = v, a

    def step(self, z):
        self.v = np.tanh(self.v + z)
        self.a[0] = 0.5 * self.a[0] + self.v


def bump(v, w):
    for q in range(1, len(v)):
        v[q] = 0.5 * v[q] + w * v[q - 1]


def shrink(z):
    if z > 1.0:
        return 1.0 / z
    if z < -1.0:
        z = -1.0 / z
    return z


def find(v, z):
    for q in range(len(v)):
        if v[q] > z:
            return q
    return 0


def tail(v):
    v *= 0.5
    return v[1:]

'''


# Statements by kind. A slot is drawn once for all its places: {a} {b} vectors, {i} {j} indices, {s} {r} simple scalars,
# {S} a deeper one, {v} a vector, {p} a condition, {l} an index of a loop around, {N} a name of a scalar, {k} a new number.
STATEMENTS: dict[str, tuple[str, ...]] = {
    "slices": (
        "{a}[1:] = 0.5 * {b}[:-1] + {s}", "{a}[1:] += 0.3 * {a}[:-1]", "{a}[::2] *= 0.5", "{a}[::-1] += 0.1 * {b}",
        "{a}[{l}:] = {a}[{l}:] * 0.5 + {s}", "{a}[m:] *= 0.9", "{a}[:m] = {s}", "{a}[:{l}] -= 0.1",
        "A[{l}, 1:] -= 0.1 * {a}[1:]", "A[:, 0] = {v}", "A.T[0] += 0.1 * {a}", "A[{i}] = {v}", "A[1:, :-1] = A[:-1, 1:] * 0.5",
        "A[{i}, :] *= {b}",
    ),
    "whole": (
        "{a} += 0.1 * {b}", "{a} *= 0.9", "A -= 0.1 * {a}[:, None] * {b}", "A += np.outer({a}, {b}) * 0.1", "A = np.tanh(A @ M)",
        "A = A.T.copy()", "A[...] = A.T * 0.5", "A = A * 0.5",
    ),
    "rebind": (
        "a, b = b, a", "a = {v}.copy()", "b = a * 0.5", "a = np.tanh(a + b)", "b = a", "a = a + 0.1 * b", "b = np.zeros(n)",
        "a = np.zeros_like(x)",
    ),
    "swaps": (
        "{a}[{i}], {a}[{j}] = {a}[{j}], {a}[{i}]", "A[{i}], A[{j}] = A[{j}].copy(), A[{i}].copy()", "s, t = t, s",
        "{a}[{i}], s = s, {b}[{j}]", "A[[0, 2]] = A[[2, 0]]", "A[{i}, {j}], A[{j}, {i}] = A[{j}, {i}], A[{i}, {j}]",
    ),
    "masks": ("{a}[{a} > {s}] = {r}", "{a}[{b} < 0.1] = {s}", "A[A > 1.0] = {s}", "{a}[({a} > {s}) & ({b} < {r})] = 0.2"),
    "fancy": (
        "{a}[[0, 2]] = {s}", "{a}[[2, 0]] += 0.1 * {b}[[0, 1]]", "{a}[[0, 2, 0]] = {b}[[1, 2, 3]]", "A[:, [0, 1]] *= 0.5",
        "np.add.at({a}, [0, 2, 0], {s})", "{a}[[{i}, {j}]] = 0.5 * {b}[[0, 1]]", "A[[0, 1], [1, 2]] = {s}",
    ),
    "out": (
        "np.sin({a}, out={a})", "np.add({a}, 0.1 * {b}, out={a})", "np.multiply({a}[1:], 0.5, out={b}[:-1])",
        "np.tanh({a} + {b}, out={b})", "np.add({a}[1:], {a}[:-1] * 0.3, out={a}[1:])", "np.cos({a}, out=A[{i}])",
    ),
    "call": (
        "bump({a}, {s})", "bump({a}[1:], 0.1)", "bump(A[{i}], 0.2)", "bump(A[:, 1], {s})", "s = shrink({s})", "add({s})",
        "t = s if {p} else {s}", "w = tail({a}); w[0] = {s}", "m = find({a}, {s})", "s = tail({a}.copy())[0]",
    ),
    "state": (
        "p = (np.tanh(p[0] + 0.1 * s), 0.5 * p[1])", "d['k'] = 0.5 * d['k'] + p[0]", "o.v = np.tanh(o.v + {s})",
        "o.a[{i}] = {s}", "o.step({s})", "o.a = 0.5 * o.a", "l[0] = np.tanh(l[0] + {s})", "l[1] += 0.1 * {s}", "s = np.tanh(o.v)",
        "d = {{'k': np.tanh(d['k'] + {s})}}", "l = [l[1], l[0]]", "o.a = {a}", "m = (m + 1) % n", "m = {l} % n",
    ),
    "many": (
        "if {p}:\n    z{k} = {s}\nelse:\n    z{k} = {r}\ns = np.tanh(s + z{k})",
        "try:\n    if {p}:\n        return {s}\n    s = {S}\nfinally:\n    t = np.tanh(t + s)",
        "for v{k}, w{k} in zip({a}, {b}):\n    s = np.tanh(s + v{k} * w{k})",
        "for v{k} in {a}:\n    if v{k} > {s}:\n        continue\n    t = 0.5 * t + v{k}",
        "for w{k} in A:\n    w{k} *= 0.9\n    s = np.tanh(s + w{k}[0] * {b}[1])",
        "for j{k} in range(int(3 * abs(np.tanh({s})))):\n    {a}[j{k}] = {r}",
        "q{k} = 0\nfor j{k} in range(n):\n    q{k} = 0.5 * q{k} * q{k} + {a}[j{k}]\n    {b}[j{k}] = np.sin(q{k})",
        "for j{k} in range(n - 1):\n    if {a}[j{k}] > {a}[j{k} + 1]:\n"
        "        {a}[j{k}], {a}[j{k} + 1] = {a}[j{k} + 1], {a}[j{k}]",
        "for j{k} in reversed(range(m, n)):\n    {a}[j{k}] = 0.5 * {a}[j{k}] + {b}[j{k} - m]",
        "while True:\n    s = 0.5 * s + 0.1\n    if s < 0.3 or {p}:\n        break\n    {a}[{i}] *= 0.9",
        "for j{k} in range(1, n):\n    if {a}[j{k}] > {s}:\n        s = {a}[j{k}] * j{k}\n        break\n"
        "else:\n    s = {r}\ns = np.tanh(s)",
    ),
}
VIEWS = (
    "{a}", "{a}[1:]", "{a}[:-1]", "{a}[::2]", "{a}[::-1]", "{a}[m:]", "A[{i}]", "A[:, {i}]", "A.T[{i}]", "A[1:, 0]", "A[{i}, 1:]",
    "A[{i}][::-1]", "A.reshape(-1)", "o.a", "o.a[1:]",
)
OF_VIEWS = (
    "{w}[0] = {s}", "{w}[-1] += 0.1 * {s}", "{w} *= 0.9", "s = np.tanh(np.sum({w}))", "{w}[:] = np.sin({w})", "bump({w}, 0.2)",
    "t = {w}[0] * {w}[-1]", "np.sin({w}, out={w})", "{w}[1:] = {s}", "{w}[{w} > {s}] = 0.3", "s = {w} @ {w} / n",
)


class Writer:
    """The lines of one program. `loops`: the indices of the loops around, outermost first; `views`: names of views that are
    bound here."""

    def __init__(self, choose: Choose) -> None:
        self.choose = choose
        self.lines: list[str] = []
        self.loops: list[str] = []
        self.views: list[str] = []
        self.stays = False  # in a loop that may not be left: it is checkpointed
        self.depth = 0
        self.count = 0

    def put(self, text: str) -> None:
        self.lines += ["    " * (self.depth + 1) + line for line in text.split("\n")]

    def fill(self, template: str, **known: str) -> str:
        """The template with its slots drawn."""
        draw: dict[str, Callable[[], Any]] = {
            **dict.fromkeys("ab", lambda: self.choose(ARRAYS)),
            **dict.fromkeys("ij", self.index),
            **dict.fromkeys("sr", lambda: self.scalar(0)),
            "S": self.scalar,
            "v": lambda: self.vector(0),
            "p": self.condition,
            "l": lambda: self.choose(self.loops) if self.loops else "1",
            "N": lambda: self.choose(SCALARS),
            "k": self.number,
        }
        for name in re.findall(r"(?<!\{)\{(\w)\}", template):
            if name not in known:
                known[name] = str(draw[name]())
        return template.format(**known)

    def number(self) -> int:
        self.count += 1
        return self.count

    def maybe(self, odds: int = 2) -> bool:
        return self.choose(range(odds)) == 0

    # -- expressions

    def index(self) -> str:
        fixed = ("0", "-1", "2", "n - 1", "n // 2", "m")
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
            return self.choose(("0.7", "0.3", "1.2", "o.v", "l[0]", *[f"{i} * 0.1" for i in self.loops]))
        if kind == 3:
            return self.choose(UNARY).format(self.scalar(deep - 1))
        if kind == 4:
            return self.choose(BINARY).format(self.scalar(deep - 1), self.scalar(deep - 1))
        return self.choose(("np.sum({})", "np.max({})", "np.min({})", "({}).sum()", "(({}) @ y)")).format(self.vector(1)) + " / n"

    def vector(self, deep: int = 1) -> str:
        kind = self.choose(range(5 if deep else 1))
        if kind == 0:
            return self.choose((*ARRAYS, "x", "A[0]", "A[:, 1]", "A[m]", "o.a", *[f"A[{i} % n]" for i in self.loops]))
        if kind == 1:
            return f"({self.vector(0)} * {self.scalar(0)} + {self.vector(0)})"
        if kind == 2:
            return f"np.sin({self.vector(0)})"
        if kind == 3:
            return self.choose(("A @ ({})", "({}) @ A", "A.sum(axis=0) - {}", "({} + A[:, 0])")).format(self.vector(0)) + " * 0.2"
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
        bound = len(self.views)
        for _ in range(size):
            self.statement()
        del self.views[bound:]

    def statement(self) -> None:
        compound = (self.branch, self.loop, self.loop, self.while_) if self.depth < DEEPEST else ()
        simple = (self.assign, self.update, self.write, self.write, self.table, self.table, self.table, self.jump, self.view)
        self.choose((*simple, *compound))()

    def table(self) -> None:
        kinds = list(STATEMENTS) if self.depth < DEEPEST and not self.stays else [k for k in STATEMENTS if k != "many"]
        self.put(self.fill(self.choose(STATEMENTS[self.choose(kinds)])))

    def view(self) -> None:
        """A new view, or something done with one that is bound."""
        if not self.views or self.maybe(3):
            self.views.append(f"w{self.number()}")
            self.put(f"{self.views[-1]} = {self.fill(self.choose(VIEWS))}")
        self.put(self.fill(self.choose(OF_VIEWS), w=self.choose(self.views)))

    def assign(self) -> None:
        self.put(f"{self.choose(SCALARS)} = {self.scalar()}")

    def update(self) -> None:
        self.put(f"{self.choose(SCALARS)} = np.tanh({self.choose(SCALARS)} {self.choose('+-*')} {self.scalar(1)})")

    def write(self) -> None:
        op = self.choose(("=", "=", "+=", "*="))
        value = self.scalar() if op == "=" else f"0.1 * np.tanh({self.scalar(1)})"
        self.put(f"{self.cell()} {op} {value}")

    def jump(self) -> None:
        """Only under a condition: what follows must be reachable."""
        if self.stays:
            return self.assign()
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
        i = f"i{self.number()}"
        ranges = ("n", "n", "1, n", "n - 1, -1, -1", "0, n, 2", "3", "steps", "1, n - 1", "n - 2, 0, -2", "m", "m, n")
        span = self.choose(ranges)
        if self.loops and self.maybe(3):
            outer = self.choose(self.loops)
            span = self.choose((f"{outer}, n", f"{outer}", f"max(0, {outer} - 1), min(n, {outer} + 2)"))
        head = f"for {i} in range({span}):"
        stays, self.stays = self.stays, self.stays or (span[0] not in "im(" and self.maybe(8))
        if self.stays and not stays:
            head = f"for {i} in checkpoint(range({span}), every={self.choose((2, 3))}):"
        elif self.maybe(6):
            head = f"for {i}, u in enumerate({self.choose(ARRAYS)}.copy()):"
        self.put(head)
        self.around(i, self.choose((1, 2, 3)))
        self.stays = stays
        self.otherwise()

    def otherwise(self) -> None:
        if self.maybe(8):
            self.put("else:")
            self.inside(1)

    def around(self, i: str, size: int) -> None:
        self.loops.append(i)
        self.inside(size)
        self.loops.pop()

    def while_(self) -> None:
        k = f"k{self.number()}"
        self.put(f"{k} = 0")
        self.put(f"while {k} < {self.choose(('n', '3', 'steps'))} and ({self.condition()}):")
        self.depth += 1
        self.put(f"{k} += 1")
        self.depth -= 1
        self.around(f"({k} - 1)", self.choose((1, 2)))
        self.otherwise()


def program(choose: Choose) -> str:
    w = Writer(choose)
    for line in (
        "n = len(x)",
        "a = x.copy(); b = 0.5 * y; A = M.copy()",
        "s = 0; t = 0.5 * c; u = x[1]",
        "p = (s, t); d = {'k': 0.0}; l = [0.2 * c, t]; o = State(0.1 * c, 0.3 * y); m = 0",
        "def add(z):",
        "    nonlocal t",
        "    t = np.tanh(t + z)",
    ):
        w.put(line)
    w.block(choose((2, 3, 4, 5)))
    w.put("r = s + t * u + np.sum(a * y) + np.sum(b) + np.sum(A * A) / n + p[0] * p[1]")
    w.put("return r + d['k'] + o.v * np.sum(o.a) + l[0] - l[1] + 0.1 * m")
    return HELPERS + "def f(x, y, M, c, steps):\n" + "\n".join(w.lines) + "\n"


__all__ = ["program"]
