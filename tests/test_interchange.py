"""Loops that go across memory become outer loops: only where that is proven, and with the same numbers.

The cases are ordinary user functions; what is asked is the order of the loops in the program that is differentiated.
"""

from __future__ import annotations

import linecache
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jitgrad as jg
from jitgrad.front.trace import trace_call
from jitgrad.ir.core import Fn, Let
from jitgrad.ir.interp import interp
from jitgrad.ir.walk import everywhere
from jitgrad.lower.plan import For
from jitgrad.lower.plan import everywhere as statements
from jitgrad.lower.verify import verify_plan
from jitgrad.ops.loop import Loop
from jitgrad.transform import interchange as module
from jitgrad.transform import pipeline
from jitgrad.transform.ad import vjp
from jitgrad.transform.interchange import interchange

EARLIER = pipeline.BEFORE[: pipeline.BEFORE.index("interchange")]


def tidy(f: Callable[..., Any], *args: Any) -> Fn:
    """The program as the pass finds it."""
    return pipeline.run(trace_call(f, args).fn, EARLIER)


def order(let: Let) -> str:
    """The loops of a nest by their indices, outermost first: "j(k)"."""
    view = Loop.of(let)
    inner = "".join(order(x) for x in view.body.lets if x.op.name == "loop")
    return view.index.hint + (f"({inner})" if inner else "")


def nests(fn: Fn) -> list[str]:
    return [order(let) for let in fn.lets if let.op.name == "loop"]


def table(n: int, m: int, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, m))


# ---- where it must happen


def column_sums(a, b):
    n, m = a.shape
    w = np.zeros(m)
    for k in range(m):
        s = 0.0
        for j in range(n):
            s += a[j, k] * b[j, k]
        w[k] = s
    return w


def differences(a, b):
    n, m = a.shape
    w = np.zeros(m)
    for k in range(1, m):
        s = b[0, k] * 2.0
        for j in range(n):
            s -= a[j, k] - a[j, k - 1]
        w[k] += s
    return w


def softmax_over_columns(a, b):
    n, m = a.shape
    w = np.zeros(m)
    for k in range(m):
        top = a[0, k]
        for j in range(1, n):
            top = max(top, a[j, k])
        s = 0.0
        for j in range(n):
            s += np.exp(a[j, k] - top)
        w[k] = top + np.log(s)
    return w


def columns_first(a, b):
    n, m = a.shape
    c = np.zeros((n, m))
    for k in range(m):
        for j in range(n):
            c[j, k] = np.sin(a[j, k]) * b[j, k]
    return c


def one_sum(a, b):
    n, m = a.shape
    s = 0.0
    for k in range(m):
        for j in range(n):
            s += a[j, k] * b[j, k]
    return s


def product(a, b):
    n, m = a.shape
    c = np.zeros((m, m))
    for i in range(m):
        for k in range(m):
            s = 0.0
            for j in range(n):
                s += a[j, i] * b[j, k]
            c[i, k] = s
    return c


def both_ways(a, b):
    """Of two loops within one, the one that goes along memory stays inside."""
    n, m = a.shape
    w = np.zeros(m)
    for k in range(m):
        s = 0.0
        for j in range(n):
            s += a[j, k]
        for i in range(m):
            s += b[0, i] * b[1, k]
        w[k] = s
    return w


def recurrence_inside(a, b):
    """What the inner loop carries is a recurrence, which stays in its order."""
    n, m = a.shape
    w = np.zeros(m)
    for k in range(m):
        x, z = 0.5, 1
        for j in range(n):
            x = np.sin(x) * a[j, k] + 0.1
            z = j - z
        w[k] = x * z
    return w


def rows_of_an_array(a, b):
    """The inner loop adds to cells of which each outer iteration has its own."""
    n, m = a.shape
    c = b.copy()
    for k in range(m):
        for j in range(n):
            c[1, k] += a[j, k] * a[j, 0]
    return c


def by_columns(a, b):
    """Every iteration adds to every cell, which may be in any order."""
    n, m = a.shape
    u = b[:, 0].copy()
    for k in range(m):
        for j in range(n):
            u[j] -= a[j, k] * b[0, k]
    return u


def chosen(a, b):
    n, m = a.shape
    w = np.zeros(m)
    for k in range(m):
        top, at = a[0, k], 0
        for j in range(1, n):
            c = a[j, k] * b[j, k]
            if c > top:
                top, at = c, j
        w[k] = top * at
    return w


def as_it_was_before(a, b):
    """The inner loop reads an array that it overwrites, as it was when the iteration began."""
    n, m = a.shape
    c = a.copy()
    for k in range(m):
        d = c.copy()
        for j in range(1, n):
            c[j, k] = d[j - 1, k] * b[j, k]
    return c


def handed_on(a, b):
    """Scalars before, between and behind: what is made is handed on, what is read is read again."""
    n, m = a.shape
    w = np.zeros(m)
    total = 0.0
    for k in range(m):
        p = np.tanh(b[0, k]) * 0.5
        s = p
        for j in range(n):
            s += a[j, k] * p
        q = np.cos(s)
        r = s
        for j in range(n - 1, -1, -1):
            r = r * 0.5 + q * a[j, k] + b[1, k]
        w[k] = r * q
        total += r
    return w * total


LEGAL = {
    column_sums: ["j(k)", "k"],
    differences: ["k", "j(k)", "k"],
    softmax_over_columns: ["k", "j(k)", "j(k)", "k"],
    columns_first: ["j(k)"],
    one_sum: ["j(k)"],
    product: ["i(j(k)k)"],
    both_ways: ["j(k)", "k(i)"],
    recurrence_inside: ["j(k)", "k"],
    rows_of_an_array: ["j(k)"],
    by_columns: ["j(k)"],
    as_it_was_before: ["j(k)"],
    chosen: ["k", "j(k)", "k"],
    handed_on: ["k", "j(k)", "k", "j(k)", "k"],
}


@pytest.mark.parametrize("f", LEGAL, ids=lambda f: f.__name__)
@pytest.mark.parametrize("shape", [(9, 10), (10, 9)], ids=["low", "wide"])
def test_along_memory(f: Callable[..., Any], shape: tuple[int, int]) -> None:
    a, b = table(*shape), table(*shape, seed=4)
    before = tidy(f, a, b)
    after = interchange(before)
    assert nests(after) == LEGAL[f]
    np.testing.assert_allclose(interp(after, a, b)[0], interp(before, a, b)[0], rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(interp(after, a, b)[0], f(a.copy(), b.copy()), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("f", [f for f in LEGAL if f is not one_sum], ids=lambda f: f.__name__)
def test_sums_keep_their_order(f: Callable[..., Any]) -> None:
    """A sum over the inner index has its terms in the order that the user wrote: not a bit differs."""
    a, b = table(11, 9), table(11, 9, seed=4)
    before = tidy(f, a, b)
    (y,), (z,) = interp(interchange(before), a, b), interp(before, a, b)
    assert f is handed_on or np.array_equal(y, z)
    np.testing.assert_allclose(y, z, rtol=1e-14, atol=1e-14)


def test_nothing_to_do_twice() -> None:
    a = table(9, 10)
    for f in LEGAL:
        once = interchange(tidy(f, a, a))
        assert nests(interchange(once)) == nests(once)


@pytest.mark.parametrize("f", LEGAL, ids=lambda f: f.__name__)
def test_other_sizes(f: Callable[..., Any]) -> None:
    fn = interchange(tidy(f, table(9, 10), table(9, 10)))
    for shape in ((5, 6), (6, 5), (17, 30)):
        a, b = table(*shape), table(*shape, seed=4)
        np.testing.assert_allclose(interp(fn, a, b)[0], f(a.copy(), b.copy()), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("ends", [(0, 0), (10, 0), (12, 3), (3, 9), (4, 11), (0, 2)])
def test_without_iterations(ends: tuple[int, int]) -> None:
    def part(a, p, q):
        n, m = a.shape
        w = np.zeros(m)
        for k in range(p.size, m):
            s = 0.25
            for j in range(q.size, n):
                s += a[j, k]
            w[k] = s
        return w

    a, (p, q) = table(9, 10), map(np.zeros, ends)
    fn = interchange(tidy(part, a, np.zeros(7), np.zeros(8)))
    assert nests(fn) == ["j(k)", "k"]
    np.testing.assert_allclose(interp(fn, a, p, q)[0], part(a, p, q), rtol=1e-14)


# ---- where it must not


def carried_by_the_outer(a, b):
    n, m = a.shape
    c = a.copy()
    for k in range(1, m):
        for j in range(n - 1):
            c[j, k] = c[j + 1, k - 1] * b[j, k]
    return c


def recurrence_over_columns(a, b):
    n, m = a.shape
    x = 0.3
    w = np.zeros(m)
    for k in range(m):
        s = 0.0
        for j in range(n):
            s += a[j, k] * x
        x = np.sin(s)
        w[k] = x
    return w


def reads_what_others_write(a, b):
    n, m = a.shape
    w = b[0].copy()
    for k in range(1, m):
        s = 0.0
        for j in range(n):
            s += a[j, k] * w[k - 1]
        w[k] = s
    return w


def through_a_row(a, b):
    n, m = a.shape
    w = b[:, 0].copy()
    for k in range(m):
        for j in range(n - 1):
            w[j] = w[j + 1] * 0.5 + a[j, k]
    return w


CARRIED = (carried_by_the_outer, recurrence_over_columns, reads_what_others_write, through_a_row)


def triangle(a, b):
    n, m = a.shape
    w = np.zeros(m)
    for k in range(m):
        s = 0.0
        for j in range(k):
            s += a[j % 9, k]
        w[k] = s
    return w


def left_early(a, b):
    n, m = a.shape
    w = np.zeros(m)
    for k in range(m):
        s = 0.0
        for j in range(n):
            s += a[j, k]
            if s > 1.0:
                break
        w[k] = s
    return w


def outer_left_early(a, b):
    n, m = a.shape
    w = np.zeros(m)
    for k in range(m):
        s = 0.0
        for j in range(n):
            s += a[j, k]
        if s > 2.0:
            break
        w[k] = s
    return w


def raises(a, b):
    n, m = a.shape
    w = np.zeros(m)
    for k in range(m):
        s = 0.0
        for j in range(n):
            s += a[j, k]
        if s > 1e9:
            raise ValueError("too much")
        w[k] = s
    return w


def few_columns(a, b):
    n, m = a.shape
    w = np.zeros(3)
    for k in range(3):
        s = 0.0
        for j in range(n):
            s += a[j, k]
        w[k] = s
    return w


def few_rows(a, b):
    n, m = a.shape
    w = np.zeros(m)
    for k in range(m):
        s = 0.0
        for j in range(3):
            s += a[j, k]
        w[k] = s
    return w


def row_sums(a, b):
    n, m = a.shape
    w = np.zeros(n)
    for k in range(n):
        s = 0.0
        for j in range(m):
            s += a[k, j]
        w[k] = s
    return w


def across_either_way(a, b):
    n, m = a.shape
    w = np.zeros(n)
    for k in range(n):
        s = 0.0
        for j in range(n):
            s += a[j, k] * b[k, j]
        w[k] = s
    return w


def row_of_its_own(a, b):
    """Each iteration makes an array, which the next parts would need."""
    n, m = a.shape
    w = np.zeros(m)
    for k in range(m):
        u = np.zeros(n)
        for i in range(n):
            u[i] = np.sin(a[i, k])
        s = 0.0
        for j in range(n):
            s += a[j, k] * u[n - 1 - j]
        w[k] = s
    return w


ILLEGAL = (triangle, left_early, outer_left_early, raises)
USELESS = (few_columns, few_rows, row_sums, across_either_way)


@pytest.mark.parametrize("f", [*CARRIED, *ILLEGAL, *USELESS, row_of_its_own], ids=lambda f: f.__name__)
def test_as_it_was(f: Callable[..., Any]) -> None:
    shape = (9, 9) if f is across_either_way else (9, 10)
    fn = tidy(f, table(*shape), table(*shape, seed=4))
    assert interchange(fn) is fn


@pytest.mark.parametrize("f", CARRIED, ids=lambda f: f.__name__)
def test_the_proof_is_needed(f: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """With a proof that says yes to everything these come out wrong, or in one case cannot be written."""
    a, b = table(9, 10), table(9, 10, seed=4)
    before = tidy(f, a, b)
    monkeypatch.setattr(module, "any_order", lambda *_: True)
    after = interchange(before)
    assert f is recurrence_over_columns or not np.allclose(interp(after, a, b)[0], interp(before, a, b)[0])
    assert f is not recurrence_over_columns or after is before


# ---- what comes of it


def test_return_sweep_and_rows_follow() -> None:
    """Both sweeps go along memory, and what is remembered has their order."""
    a = table(9, 10)
    f = lambda a: np.sum(softmax_over_columns(a, a))
    ours = jg.value_and_grad(f)
    y, g = ours(a)
    e = np.exp(a - a.max(0))
    np.testing.assert_allclose(y, np.sum(np.log(e.sum(0)) + a.max(0)))
    np.testing.assert_allclose(g, e / e.sum(0))
    loops = [s for s in statements(ours.plan.body) if isinstance(s, For)]
    within = {(s.index.hint, x.index.hint) for s in loops for x in s.body if isinstance(x, For)}
    assert within == {("j", "k")}
    verify_plan(ours.plan)


def test_two_flags_share_a_byte() -> None:
    """A running maximum over columns remembers who was larger, and whether they were equal: two bits."""
    a = table(9, 10)
    ready = pipeline.prepared(trace_call(softmax_over_columns, (a, a)).fn)
    rows = [o.type.dtype for _, let in everywhere(vjp(ready)) if let.op.name == "loop" for o in let.outs]
    assert "u8" in rows and "bool" not in rows


def test_ties_share_the_derivative() -> None:
    a = np.zeros((3, 10))
    g = jg.grad(lambda a: np.sum(maxima(a)))(a)
    np.testing.assert_array_equal(g, np.broadcast_to([[0.25], [0.25], [0.5]], (3, 10)))


def maxima(a):
    n, m = a.shape
    w = np.zeros(m)
    for k in range(m):
        top = a[0, k]
        for j in range(1, n):
            top = max(top, a[j, k])
        w[k] = top
    return w


# ---- random nests


class Nest:
    """A function of two tables: loops over rows within a loop over columns, with statements before, between and behind."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lines: list[str] = []
        self.names = ["0.5"]
        self.count = 0

    def term(self, row: str) -> str:
        choices = [*[f"a[{row}, k]", f"b[{row}, k]"] * 3, "v[k]", "a[0, k]", f"b[{row}, 0]", "b[1, k - 1]", *self.names]
        return self.random.choice(choices)

    def expression(self, row: str) -> str:
        x, z = self.term(row), self.term(row)
        form = self.random.choice(["{x} * {z}", "np.sin({x}) + {z}", "np.exp(-{x} * {x}) - {z}", "max({x}, {z})"])
        return form.format(x=x, z=z)

    def new(self, text: str, deep: int = 2) -> str:
        name = f"s{self.count}"
        self.count += 1
        self.lines.append("    " * deep + f"{name} = {text}")
        return name

    def point(self) -> None:
        kind = self.random.random()
        if kind < 0.5:
            self.names.append(self.new(self.expression("2")))
        elif kind < 0.7:
            self.lines.append(f"        w[k] = {self.expression('1')}")
        elif kind < 0.85:
            self.lines.append(f"        total += {self.expression('0')}")
        else:
            self.lines.append(f"        c[k % 3, k] += {self.expression('1')}")

    def rows(self) -> None:
        s = self.new(self.random.choice(["0.0", self.expression("1")]))
        t = self.new("1.0") if self.random.random() < 0.3 else None
        lo, hi = self.random.choice([("0", "n"), ("1", "n"), ("0", "n - 1")])
        self.lines.append(f"        for j in range({lo}, {hi}):")
        x = self.expression("j")
        inside = [self.random.choice([f"{s} += {x}", f"{s} = max({s}, {x})", f"{s} = {s} * 0.5 + {x}"])]
        if t:
            inside.append(f"{t} -= np.tanh({s}) * {self.term('j')}")
        if self.random.random() < 0.3:
            inside.append(f"c[j, k] += np.sin({self.expression('j')})")
        if self.random.random() < 0.2:
            self.lines.insert(len(self.lines) - 1, "        d = c.copy()")
            inside.append(f"c[j, k] = d[n - 1 - j, k] * 0.5 + {self.term('j')}")
        if self.random.random() < 0.2:
            inside.append(f"u[j] += {self.expression('j')}")
        self.lines += ["            " + x for x in inside]
        self.names += [s, *([t] if t else [])]

    def text(self) -> str:
        for _ in range(self.random.randint(1, 3)):
            for _ in range(self.random.randint(0, 2)):
                self.point()
            self.rows()
        self.lines.append(f"        w[k] += {' * '.join(self.random.sample(self.names[1:], 1) + self.names[-1:])} * 0.25")
        start = ["def f(a, b, v):", "    n, m = a.shape", "    w, u, c, total = np.zeros(m), np.zeros(n), b * 0.5, 0.0"]
        way = self.random.choice(["range(1, m)", "range(1, m)", "range(m - 1, 0, -1)"])
        end = ["    return np.sum(np.sin(w)) + np.sum(np.cos(u)) + np.sum(c * c) * 0.1 + np.sin(total)"]
        return "\n".join([*start, f"    for k in {way}:", *self.lines, *end]) + "\n"


def random_nest(seed: int) -> Callable[..., Any]:
    text = Nest(seed).text()
    names: dict[str, Any] = {"np": np}
    file = f"<random nest {seed}>"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    exec(compile(text, file, "exec"), names)
    return names["f"]


def inputs(seed: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(9, 10)), rng.normal(size=(9, 10)), rng.normal(size=10)


@pytest.mark.parametrize("seed", range(60))
def test_random_nests(seed: int) -> None:
    f, args = random_nest(seed), inputs(seed)
    before = tidy(f, *args)
    after = interchange(before)
    (y,), (z,) = interp(after, *args), interp(before, *args)
    np.testing.assert_allclose(y, f(*args), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(y, z, rtol=1e-12, atol=1e-12)


def test_most_random_nests_change() -> None:
    changed = sum(interchange(fn) is not fn for fn in (tidy(random_nest(seed), *inputs(seed)) for seed in range(60)))
    assert changed > 50


@pytest.mark.parametrize("seed", range(0, 60, 6))
def test_random_nests_compiled(seed: int) -> None:
    """Value and gradient as generated text, against the program that was not interchanged, interpreted."""
    f, args = random_nest(seed), inputs(seed)
    y, bars = jg.value_and_grad(f, argnums=(0, 1, 2))(*args)
    z, *wanted = interp(vjp(tidy(f, *args)), *args, 1.0)
    np.testing.assert_allclose(y, z, rtol=1e-10)
    for got, want in zip(bars, wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-8, atol=1e-10)
