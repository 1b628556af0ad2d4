"""Loops over one range run together where no iteration needs what another one does later, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from jitgrad.api.match import Matcher
from jitgrad.emit.cpu import MODULES
from jitgrad.emit.python import emit
from jitgrad.front.trace import trace_call
from jitgrad.ir.core import F64, I64, OPS, Lit, Type, Var, atom_of
from jitgrad.ir.dims import Sym, combine, of_symbol
from jitgrad.lower import joined as joining
from jitgrad.lower.plan import (
    Alloc,
    Bind,
    Block,
    Buffer,
    Check,
    For,
    Load,
    Plan,
    Reshape,
    Scalar,
    Set,
    Stmt,
    Store,
    Update,
    Window,
    everywhere,
)
from jitgrad.lower.schedule import schedule
from jitgrad.lower.show import show_plan
from jitgrad.lower.verify import verify_plan

from . import plain_text
from .imperative_modes import MODES
from .test_random_programs import numbered

# ---- programs: as users write them, before any pass that would join loops itself


def slope(x):
    k = np.zeros(x.shape[0])
    for i in range(x.shape[0]):
        k[i] = np.sin(x[i - 1]) * x[i]
    return k


def step(x, z):
    return x + 0.5 * slope(x)


def two_steps(x, z):
    y = x + 0.5 * slope(x)
    return y + 0.5 * slope(y)


def kept_as_well(x, z):
    k = slope(x)
    return k, x * k


def neighbour_behind(x, z):
    k = slope(x)
    y = np.zeros(x.shape[0])
    for i in range(1, x.shape[0]):
        y[i] = k[i] + z[i]
    return y


def neighbour_ahead(x, z):
    k, y = np.zeros(x.shape[0]), np.zeros(x.shape[0])
    for i in range(x.shape[0]):
        k[i] = x[i] * z[i]
    for i in range(x.shape[0]):
        y[i] = k[(i + 1) % x.shape[0]] * x[i]
    return y


def the_other_way(x, z):
    k, y = np.zeros(x.shape[0]), np.zeros(x.shape[0])
    for i in range(x.shape[0]):
        k[i] = x[i] * z[i]
    for i in range(x.shape[0] - 1, -1, -1):
        y[i] = k[i] * x[i]
    return y


def both_downwards(x, z):
    k, y = np.zeros(x.shape[0]), np.zeros(x.shape[0])
    for i in range(x.shape[0] - 1, -1, -1):
        k[i] = x[i] * z[i]
    for i in range(x.shape[0] - 1, -1, -1):
        y[i] = k[i] + np.sin(x[i])
    return k, y


def a_sum_is_read(x, z):
    s = 0.0
    for i in range(x.shape[0]):
        s += x[i] * z[i]
    return x * s


def a_sum_on_the_way(x, z):
    s = 0.0
    k = np.zeros(x.shape[0])
    for i in range(x.shape[0]):
        k[i] = np.sin(x[i])
        s += k[i]
    return k * z, s


def two_sums(x, z):
    s = t = 0.0
    for i in range(x.shape[0]):
        s += x[i] * z[i]
    for i in range(x.shape[0]):
        t += np.cos(x[i])
    return s * t


def a_recurrence(x, z):
    k = np.zeros(x.shape[0])
    c = 0.5
    for i in range(x.shape[0]):
        c = np.tanh(c + x[i])
        k[i] = c
    return np.exp(k) * z


def two_recurrences(x, z):
    k, y = np.zeros(x.shape[0]), np.zeros(x.shape[0])
    c = d = 0.5
    for i in range(x.shape[0]):
        c = np.tanh(c + x[i])
        k[i] = c
    for i in range(x.shape[0]):
        d = np.sin(d + k[i])
        y[i] = d
    return y


def vectors_from_a_shift(x, z):
    """Together the cell of one iteration would be read by the next one."""
    y = np.zeros(x.shape[0] + 1)
    for i in range(x.shape[0]):
        y[i + 1] = x[i] * z[i]
    for i in range(x.shape[0]):
        y[i] += np.sin(x[i])
    return y


def nothing_in_common(x, z):
    k, y = np.zeros(x.shape[0]), np.zeros(x.shape[0])
    for i in range(x.shape[0]):
        k[i] = np.sin(x[i])
    for i in range(x.shape[0]):
        y[i] = np.cos(z[i])
    return k, y


def in_place(x, z):
    x = x.copy()
    for i in range(x.shape[0]):
        x[i] = np.sin(x[i]) * z[i]
    for i in range(x.shape[0]):
        x[i] = np.cos(x[i]) + z[i]
    return x


def something_in_between(x, z):
    k = slope(x)
    t = z[0] * 2.0
    w = z * t
    return (x + k) * w.sum(), k


def tables(x, z):
    n = x.shape[0]
    k = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            k[i, j] = np.sin(x[i]) * z[j]
    return k + np.outer(x, z)


def table_of_neighbours(x, z):
    n = x.shape[0]
    k, y = np.zeros((n, n)), np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            k[i, j] = np.sin(x[i]) * z[j]
    for i in range(n):
        for j in range(n):
            y[i, j] = k[i, j - 1] + z[j]
    return y


def table_of_rows_above(x, z):
    n = x.shape[0]
    k, y = np.zeros((n, n)), np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            k[i, j] = np.sin(x[i]) * z[j]
    for i in range(n):
        for j in range(n):
            y[i, j] = k[(i + 1) % n, j] + z[j]
    return y


def wide_sum_of_rows(x, z):
    """The sum of a row runs in float64: of float32 cells, what only makes cells stays alone."""
    n = x.shape[0]
    k = np.zeros((n, n), x.dtype)
    for i in range(n):
        for j in range(n):
            k[i, j] = np.sin(x[i]) * z[j]
    return np.sum(k * z, axis=1), k


def within_a_loop(x, z):
    for _ in range(3):
        x = x + 0.1 * slope(x) * z
    return x


# fmt: off
PROGRAMS: list[tuple[Callable[..., Any], int, int]] = [
    # the loops, and the arrays
    (step, 1, 1), (two_steps, 2, 2), (kept_as_well, 1, 2), (neighbour_behind, 2, 2), (neighbour_ahead, 2, 2),
    (the_other_way, 2, 2), (both_downwards, 1, 2), (a_sum_is_read, 2, 1), (a_sum_on_the_way, 1, 1), (two_sums, 1, 0),
    (a_recurrence, 2, 2), (two_recurrences, 1, 1), (vectors_from_a_shift, 2, 1), (nothing_in_common, 2, 2), (in_place, 1, 1),
    (something_in_between, 2, 2), (tables, 1, 1), (table_of_neighbours, 2, 2), (table_of_rows_above, 2, 2), (within_a_loop, 3, 3),
    (wide_sum_of_rows, 1, 2),
]
# fmt: on


def arguments(n: int, dtype: Any = np.float64) -> list[Any]:
    r = np.random.default_rng(n)
    return [r.uniform(-1.0, 1.0, n).astype(dtype) for _ in range(2)]


def loops(block: Block) -> int:
    return sum(isinstance(s, For) and joining.innermost(s) for s in everywhere(block))


@pytest.mark.parametrize(("f", "count", "arrays"), PROGRAMS, ids=[f.__name__ for f, *_ in PROGRAMS])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_programs(f: Callable[..., Any], count: int, arrays: int, dtype: Any) -> None:
    traced = trace_call(f, arguments(6, dtype))
    plan = schedule(traced.fn)
    text = emit(plan, MODULES)
    for n in (6, 0, 1, 2, 9):
        args = arguments(n, dtype)
        if Matcher.of(traced).refuses(args) or (f is something_in_between and not n):
            continue
        want = f(*args)
        for have, y in zip(plain_text.run(text, args), want if isinstance(want, tuple) else (want,), strict=True):
            np.testing.assert_allclose(have, y, rtol=1e-5 if dtype is np.float32 else 1e-12)
    count += f is wide_sum_of_rows and dtype is np.float32
    made = sum(isinstance(s, Alloc) for s in everywhere(plan.body))
    assert (loops(plan.body), made) == (count, arrays), show_plan(plan)


# ---- plans: what programs seldom show

n, m = Sym("n", 0), Sym("m", 0)
N = of_symbol(n)
MUL, ADD, CAST, LT, SIN = (OPS[k] for k in ("mul", "add", "cast", "lt", "sin"))


def vector(hint: str, size: Any = N, dtype: str = "f64") -> Buffer:
    return Buffer(Type(dtype, (size,)), hint)


def at(i: Var, k: int = 0) -> tuple[Any, ...]:
    return (combine(of_symbol(i), k, 1),)


def copy(to: Buffer, of: Buffer, i: Var, k: int = 0, shift: int = 0, by: float = 2.0, how: str = "=") -> list[Stmt]:
    """to[i + k] = by * of[i + shift]"""
    v, w = Var(F64, "v"), Var(F64, "w")
    scaled = Scalar(w, MUL, (v, literal(by)))
    return [Load(v, of, at(i, shift)), scaled, Store(to, at(i, k), w, how)]


def literal(x: float) -> Any:
    return Lit(x, F64)


def over(*body: Stmt, i: Var, hi: Any = N, **more: Any) -> For:
    return For(i, 0, hi, body, **more)


X, Z = Buffer(Type("f64", (N,)), "x", param=True), Buffer(Type("f64", (N,)), "z", param=True)
I, J = Var(I64, "i"), Var(I64, "j")


def plan_of(make: Callable[[Buffer, Buffer], list[Stmt]]) -> Plan:
    """A plan of two parameters and two results, which are longer by two cells."""
    a, b = vector("a", combine(N, 2, 1)), vector("b", combine(N, 2, 1))
    first = [Alloc(a, True), Alloc(b, True)]
    results = tuple(Window(r, (), r.type.shape) for r in (a, b))
    return Plan("f", (X, Z), (Bind(n, X),), (*first, *make(a, b)), results)


def checked_between(a: Buffer, b: Buffer) -> list[Stmt]:
    """The check needs what the first loop leaves: the second one stays behind it."""
    v, fine = Var(F64, "v"), Var(Type("bool"), "fine")
    check = [Load(v, a, (0,)), Scalar(fine, LT, (v, literal(9.0))), Check(fine, "ValueError", "no")]
    return [over(*copy(a, X, I), i=I), *check, over(*copy(b, a, J), i=J)]


def checked_before(a: Buffer, b: Buffer) -> list[Stmt]:
    v, fine = Var(F64, "v"), Var(Type("bool"), "fine")
    check = [Load(v, Z, (0,)), Scalar(fine, LT, (v, literal(9.0))), Check(fine, "ValueError", "no")]
    return [over(*copy(a, X, I), i=I), *check, over(*copy(b, a, J), i=J)]


def check_within(a: Buffer, b: Buffer) -> list[Stmt]:
    v, fine = Var(F64, "v"), Var(Type("bool"), "fine")
    check = [Load(v, a, at(I)), Scalar(fine, LT, (v, literal(9.0))), Check(fine, "ValueError", "no")]
    return [over(*copy(a, X, I), *check, i=I), over(*copy(b, a, J), i=J)]


def other_name(a: Buffer, b: Buffer) -> list[Stmt]:
    """A part of `a` that begins at its second cell."""
    part = vector("part")
    view = Reshape(part, Window(a, (), (N,), 1))
    return [view, over(*copy(a, X, I), i=I), over(*copy(b, part, J), i=J)]


def same_part(a: Buffer, b: Buffer) -> list[Stmt]:
    part = vector("part")
    view = Reshape(part, Window(a, (), (N,), 1))
    return [view, over(*copy(part, X, I), i=I), over(*copy(b, part, J), i=J)]


def scalar_left(a: Buffer, b: Buffer) -> list[Stmt]:
    """What the last iteration of the first loop leaves in `s`, the second one adds."""
    s, u, v, w = (Var(F64, h) for h in "suvw")
    first = [*copy(a, X, I), Load(u, X, at(I)), Set((s,), (u,))]
    second = [Load(v, a, at(J)), Scalar(w, ADD, (v, s)), Store(b, at(J), w)]
    return [Set((s,), (literal(0.0),)), over(*first, i=I), over(*second, i=J)]


def scalar_set_behind(a: Buffer, b: Buffer) -> list[Stmt]:
    """The first loop reads what the second one sets."""
    s, u, v, w = (Var(F64, h) for h in "suvw")
    first = [Load(v, X, at(I)), Scalar(w, ADD, (v, s)), Store(a, at(I), w)]
    second = [*copy(b, a, J), Load(u, Z, at(J)), Update(s, "+", u)]
    return [Set((s,), (literal(1.0),)), over(*first, i=I), over(*second, i=J), Store(b, (0,), s)]


def scalar_between(a: Buffer, b: Buffer) -> list[Stmt]:
    """Set between the loops for the second one, of what the first one does not touch."""
    s, t, v, w = (Var(F64, h) for h in "stvw")
    second = [Load(v, a, at(J)), Scalar(w, ADD, (v, t)), Store(b, at(J), w)]
    return [Set((s,), (literal(1.0),)), over(*copy(a, X, I), i=I), Set((t,), (s,)), over(*second, i=J)]


def bound_between(a: Buffer, b: Buffer) -> list[Stmt]:
    """The same letters, another number: the bound of both is set again between the loops."""
    k = Var(I64, "k")
    upto = of_symbol(k)
    first, second = over(*copy(a, X, I), i=I, hi=upto), over(*copy(b, a, J), i=J, hi=upto)
    return [Set((k,), (atom_of(N),)), first, Set((k,), (Lit(0, I64),)), second]


def one_name_twice(a: Buffer, b: Buffer) -> list[Stmt]:
    """Scalars of one name in both loops, and one index."""
    first = copy(a, X, I)
    v, u, w = first[0].out, Var(F64, "u"), Var(F64, "w")  # type: ignore[union-attr]
    second = [Load(v, Z, at(I)), Load(u, a, at(I)), Scalar(w, ADD, (u, v)), Store(b, at(I), w)]
    return [over(*first, i=I), over(*second, i=I)]


def changed_since(a: Buffer, b: Buffer) -> list[Stmt]:
    """What `a` holds is the sum so far; the sum goes on before the cell is read."""
    s, u, v, w = (Var(F64, h) for h in "suvw")
    first = [Load(u, X, at(I)), Update(s, "+", u), Store(a, at(I), s), Update(s, "+", u)]
    second = [Load(v, a, at(J)), Scalar(w, SIN, (v,)), Store(b, at(J), w)]
    return [Set((s,), (literal(0.0),)), over(*first, i=I), over(*second, i=J)]


def changed_later(a: Buffer, b: Buffer) -> list[Stmt]:
    """What is read from `a` is used when the sum that was stored there has gone on."""
    s, u, v, w = (Var(F64, h) for h in "suvw")
    first = [Load(u, X, at(I)), Store(a, at(I), s), Load(v, a, at(I)), Update(s, "+", u), Store(b, at(I), v)]
    second = [Load(w, a, at(J)), Store(b, at(J), w, "+")]
    return [Set((s,), (literal(0.0),)), over(*first, i=I), over(*second, i=J)]


def downwards_behind(a: Buffer, b: Buffer) -> list[Stmt]:
    return [over(*copy(a, X, I, k=1), i=I, reverse=True), over(*copy(b, a, J), i=J, reverse=True)]


def downwards_ahead(a: Buffer, b: Buffer) -> list[Stmt]:
    return [over(*copy(a, X, I), i=I, reverse=True), over(*copy(b, a, J, shift=1), i=J, reverse=True)]


def narrowed_by_memory(a: Buffer, b: Buffer) -> list[Stmt]:
    """A float32 cell does not give back the float64 that was stored in it."""
    short, v, w = vector("short", N, "f32"), Var(Type("f32"), "v"), Var(F64, "w")
    second = [Load(v, short, at(J)), Scalar(w, CAST, (v,), {"dtype": "f64"}), Store(b, at(J), w)]
    return [Alloc(short), over(*copy(short, X, I), i=I), over(*second, i=J)]


def forked(a: Buffer, b: Buffer) -> list[Stmt]:
    """In between `b` is written where the first loop has written: nothing may pass."""
    return [over(*copy(a, X, I), i=I), Store(a, (0,), literal(7.0)), over(*copy(b, a, J), i=J)]


def reads_ahead(a: Buffer, b: Buffer) -> list[Stmt]:
    return [over(*copy(a, X, I), i=I), over(*copy(b, a, J, shift=1), *copy(b, a, J, k=1, how="+"), i=J)]


def overwrites_what_was_read(a: Buffer, b: Buffer) -> list[Stmt]:
    """The first loop reads cell i + 1 before the second one writes it."""
    return [over(*copy(b, a, I, shift=1), *copy(b, X, I, how="+"), i=I), over(*copy(a, X, J), *copy(a, b, J, how="+"), i=J)]


def threads(a: Buffer, b: Buffer) -> list[Stmt]:
    return [over(*copy(a, X, I), i=I, parallel=True), over(*copy(b, a, J), i=J, parallel=True)]


def too_many(a: Buffer, b: Buffer) -> list[Stmt]:
    """Two loops over eight arrays each, that a third one reads downwards."""
    every = [vector(f"c{k}") for k in range(14)]
    first = [t for k in range(7) for t in copy(every[k], X, I, by=float(k))]
    second = [t for k in range(7, 14) for t in copy(every[k], X, J, by=float(k))]
    sums = [t for c in every for t in copy(b, c, I, how="+")]
    return [*map(Alloc, every), over(*first, i=I), over(*second, i=J), over(*sums, i=I, reverse=True)]


# fmt: off
PLANS: list[tuple[Callable[[Buffer, Buffer], list[Stmt]], int]] = [
    (checked_between, 2), (checked_before, 1), (check_within, 2), (other_name, 2), (same_part, 1), (scalar_left, 2),
    (scalar_set_behind, 2), (scalar_between, 1), (bound_between, 2), (one_name_twice, 1), (changed_since, 2), (changed_later, 2),
    (downwards_behind, 2), (downwards_ahead, 2),
    (narrowed_by_memory, 1), (forked, 2), (reads_ahead, 2), (overwrites_what_was_read, 2), (threads, 2), (too_many, 3),
]
# fmt: on


@pytest.mark.parametrize(("make", "count"), PLANS, ids=[make.__name__ for make, _ in PLANS])
@pytest.mark.parametrize("always", [False, True])
def test_plans(make: Any, count: int, always: bool, monkeypatch: Any) -> None:
    """`always`: wherever it may be, not only where it pays."""
    if always:
        wherever_legal(monkeypatch)
    before = plan_of(make)
    after = verify_plan(joining.joined(verify_plan(before)))
    if not always:
        assert loops(after.body) == count, show_plan(after)
    for k in (0, 1, 5):
        args = arguments(max(k, 1) if make in (checked_before,) else k)
        want = plain_text.run(emit(before, MODULES), args)
        for x, y in zip(plain_text.run(emit(after, MODULES), args), want, strict=True):
            np.testing.assert_array_equal(x, y)


def wherever_legal(monkeypatch: Any) -> None:
    for name in ("suits", "few", "meet"):
        monkeypatch.setattr(joining._Joiner, name, lambda *_: True)
    monkeypatch.setattr(joining._Joiner, "kind", lambda *_: 0)
    monkeypatch.setattr(joining, "loops", lambda _: 1)
    monkeypatch.setattr(joining, "cells", lambda _: {0})


@pytest.mark.parametrize("seed", range(20))
def test_random_programs_wherever_legal(seed: int, monkeypatch: Any) -> None:
    wherever_legal(monkeypatch)
    p = numbered(5000 + seed)
    if p.value(6) is not None:
        MODES["forward text"](p)
        MODES["text"](p)
