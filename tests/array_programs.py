"""Programs of array operations, built by hand: what lowering must get right. Each is a function on Values and the types of
its parameters, over the sizes n and m; one compile serves all sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import jitgrad.ops  # noqa: F401  fills OPS
from jitgrad.ir.build import Value, apply, size, trace, value
from jitgrad.ir.core import F64, Fn, Lit, Type, Var
from jitgrad.ir.dims import Sym, evaluate, of_symbol
from jitgrad.ir.verify import verify
from jitgrad.ops import array, scalar
from jitgrad.ops.array import broadcast, concat, iota, reshape, sum_, transpose
from jitgrad.ops.cond import check, cond
from jitgrad.ops.index import add_at, get, put
from jitgrad.ops.linalg import matmul, solve
from jitgrad.ops.loop import loop
from jitgrad.ops.while_ import while_

N, M = Sym("n", 2), Sym("m", 2)
n, m = of_symbol(N), of_symbol(M)
VECTOR, ROW, MATRIX, CUBE = (Type("f64", s) for s in ((n,), (m,), (n, m), (n, m, 3)))
SQUARE, FLAT, CELLS = Type("f64", (n, n)), Type("f64", (n * m,)), Type("i64", (m,))
INTS, BOOLS = Type("i64", (n,)), Type("bool", (n,))
SIZES = ((4, 3), (2, 2), (7, 5))


@dataclass(frozen=True)
class Program:
    name: str
    body: Callable[..., Any]
    types: tuple[Type, ...]

    def fn(self) -> Fn:
        names = self.body.__code__.co_varnames
        return verify(trace(self.body, [Var(t, h) for t, h in zip(self.types, names, strict=False)], self.name))

    def arguments(self, sizes: tuple[int, int]) -> list[Any]:
        rng = np.random.default_rng(sum(sizes))
        return [draw(t, rng, sizes) for t in self.types]


def draw(t: Type, rng: np.random.Generator, sizes: tuple[int, int]) -> Any:
    numbers = dict(zip((N, M), sizes, strict=True))
    shape = [evaluate(d, lambda s: numbers[s]) for d in t.shape]
    if t.dtype == "bool":
        return rng.random(shape) < 0.5
    if t.dtype == "i64":
        return rng.integers(0, 2, shape) if t is CELLS else rng.integers(-3, 4, shape)
    return rng.normal(size=shape).astype(np.float32 if t.dtype == "f32" else float) if shape else float(rng.normal())


PROGRAMS: dict[str, Program] = {}


def program(*types: Type) -> Callable[[Any], Any]:
    def register(body: Any) -> Any:
        PROGRAMS[body.__name__] = Program(body.__name__, body, types)
        return body

    return register


def zeros(*shape: Any) -> Value:
    return Value(Lit(0.0, Type("f64", shape)))


def part(x: Value, start: Any, count: Any, step: int = 1) -> Value:
    return get(x, start, count, spec="s", steps=(step,))


# ---- reductions


def _reduction(name: str, axes: tuple[int, ...]) -> None:
    def body(x, z):
        return apply(name, scalar.sin(x) * z, axes=axes), x * 2.0

    title = f"{name}_over_{''.join(map(str, axes))}"
    PROGRAMS[title] = Program(title, body, (CUBE, CUBE))


for _axes in ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)):
    for _name in ("sum", "max", "prod"):
        _reduction(_name, _axes)


@program(VECTOR, VECTOR)
def reductions_share_a_loop(x, z):
    return sum_(x * z, (0,)), apply("max", x + z, axes=(0,)), x * z, apply("argmin", z, axis=0)


@program(MATRIX)
def locate(x):
    return apply("argmax", x, axis=0), apply("argmin", x, axis=1)


@program(MATRIX)
def running_sums(x):
    return tuple(apply("cumsum", x * 2.0, axis=a, reverse=r) for a in (0, 1) for r in (False, True))


@program(INTS, BOOLS)
def integers_and_bools(i, b):
    ints = (i * 2 - 1, sum_(i, (0,)), apply("max", i, axes=(0,)), apply("prod", i, axes=(0,)), i // 2, i % 3)
    return (*ints, apply("any", b, axes=(0,)), apply("all", b, axes=(0,)), array.cast(b, "i64") + i, ~b, b & (i > 0))


@program(MATRIX, ROW)
def softmax_rows(x, w):
    s = sum_(scalar.exp(x), (1,))
    return scalar.exp(x) / broadcast(s, (n, m), (0,)) * broadcast(w, (n, m), (1,)), scalar.log(s)


@program(MATRIX)
def normalised_rows(x):
    norm = scalar.sqrt(sum_(x * x, (1,)))
    return x / broadcast(norm, (n, m), (0,)), norm


@program(MATRIX, VECTOR, ROW)
def dear_vectors_in_a_matrix(x, v, w):
    columns, rows = broadcast(scalar.exp(v), (n, m), (0,)), broadcast(scalar.exp(w), (n, m), (1,))
    return x * columns * rows, scalar.exp(v), sum_(scalar.exp(w), (0,))


# ---- cells


@program(VECTOR)
def flipped(x):
    return part(x, n - 1, n, -1) + x


@program(VECTOR)
def strided(x):
    return part(x, 1, n // 2, 2) * 3.0


@program(MATRIX, CELLS)
def gathers(x, i):
    return get(x, i, spec="a:") * 2.0, get(x, i, spec=":a"), get(x, i, i, spec="aa"), get(scalar.exp(x), i, spec="a:")


@program(VECTOR, CELLS, ROW)
def scatters(x, i, w):
    y, z = add_at(x, w * w, i, spec="a"), put(x * 2.0, w, i, spec="a")
    return y, z, add_at(y, w, i, spec="a")


@program(VECTOR)
def shift_within(x):
    a = x * 1.0
    return put(a, part(a, 0, n - 1), 1, n - 1, spec="s", steps=(1,))


@program(VECTOR)
def reverse_within(x):
    a = x * 1.0
    return put(a, part(a, n - 1, n, -1), spec=":")


@program(VECTOR)
def double_within(x):
    a = x * 1.0
    return put(a, part(a, 1, n - 1) * 2.0, 1, n - 1, spec="s", steps=(1,))


@program(VECTOR)
def old_version_is_used(x):
    a = x * 1.0
    b = put(a, 5.0, 0)
    return a + b, b


@program(VECTOR)
def old_version_is_read_lazily(x):
    a = x * 1.0
    c = scalar.sin(a)
    b = put(a, 5.0, 0)
    return c + put(b, 6.0, 1), b * 2.0


@program(VECTOR)
def adjoint_of_slices(x):
    z = add_at(zeros(n), part(x, 0, n - 1), 1, n - 1, spec="s", steps=(1,))
    z = add_at(z, scalar.sin(part(x, 1, n - 1)), 0, n - 1, spec="s", steps=(1,))
    return add_at(z, 1.5, 0)


@program(VECTOR)
def dear_stencil(x):
    y = scalar.exp(x)
    return part(y, 0, n - 1) + part(y, 1, n - 1)


@program(VECTOR)
def dear_points(x):
    y = scalar.exp(x)
    return get(y, 0) + get(y, 1) * get(y, n - 1)


@program(VECTOR)
def rows_of_a_matrix(x):
    return loop(value(0), size(n), lambda i, a: put(a, scalar.sin(x) * 2.0, i, spec="i:"), zeros(n, n))[0]


# ---- shapes


@program(VECTOR, VECTOR)
def concatenation(x, z):
    return concat([x, z * z, x], 0), sum_(concat([x, z], 0), (0,))


@program(MATRIX)
def column_appended(x):
    return concat([x, reshape(sum_(x, (1,)), (n, 1))], 1)


@program(F64, F64)
def scalars_stacked(a, b):
    return concat([reshape(a * b, (1,)), reshape(scalar.sin(a), (1,))], 0)


@program(MATRIX)
def ravelled(x):
    return reshape(x * 2.0, (n * m,)), reshape(x, (n * m,)) * 2.0, reshape(transpose(x, (1, 0)), (n * m,))


@program(FLAT, MATRIX)
def unravelled(x, a):
    return reshape(x, (n, m)) * a, reshape(scalar.sin(x), (n, m)) + a


@program(MATRIX)
def transposes(x):
    return transpose(x, (1, 0)) * 2.0, sum_(transpose(x, (1, 0)), (0,))


@program(VECTOR)
def results_twice(x):
    y = x * 2.0
    return y, y, x, x


@program(VECTOR, F64)
def constant_results(x, a):
    return zeros(n), Value(Lit(2.5, VECTOR)), a, value(3.0), a


@program(VECTOR)
def counted(x):
    return array.cast(iota(n), "f64") * x, iota(n)


@program(VECTOR)
def guarded(x):
    check(x > -100.0, "too small", "ValueError")
    return scalar.where(x > 0.0, scalar.sqrt(scalar.abs_(x)), x * x), x > 0.0


# ---- products


@program(MATRIX, MATRIX)
def products(a, b):
    return matmul(transpose(a, (1, 0)), b) + matmul(a, b, ta=True), matmul(a, b, tb=True)


@program(MATRIX, VECTOR)
def matrix_vector(a, x):
    return matmul(a, x, ta=True) * 2.0, matmul(transpose(a, (1, 0)), x), matmul(x, a)


@program(CUBE)
def products_of_windows(c):
    return matmul(get(c, 0, spec="i::"), get(c, 1, spec="i::"), ta=True), matmul(get(c, 1, 1, spec=":ii"), get(c, 0, spec=":i:"))


# ---- loops


@program(VECTOR)
def row_is_the_carry(x):
    return loop(value(0), size(n), lambda i, a: (put(a, get(a, i) * 2.0, i), a), x)


@program(MATRIX)
def nested_rows(a):
    def outer(i, s):
        return loop(value(0), size(m), lambda j, t: (t * get(a, i, j), scalar.sin(t)), s)

    return loop(value(0), size(n), outer, value(1.1))


@program(MATRIX)
def padded_rows(x):
    def outer(i, s):
        t, r = loop(value(0), i, lambda j, t: (t * 0.5 + get(x, j, 0), t), s)
        return t, put(zeros(n), r, 0, r.shape[0], spec="s", steps=(1,))

    return loop(value(0), size(n), outer, value(1.0))


@program(VECTOR)
def no_trips(x):
    return loop(value(3), value(3), lambda i, s, a: (s * 2.0, put(a, s, 0), s, a), value(1.5), x)


@program(VECTOR)
def one_array_two_carries(x):
    return loop(value(0), size(n), lambda i, a, b: (put(a, get(b, i) * 2.0, i), put(b, get(a, i) + 1.0, 0)), x, x)


@program(VECTOR)
def carry_returned_twice(x):
    a = loop(value(0), size(n), lambda i, a: put(a, get(a, i) * 2.0, i), x)[0]
    return a, a


@program(VECTOR)
def constant_and_carry(x):
    y = x * 2.0
    a = loop(value(0), size(n), lambda i, a: put(a, get(a, i) * get(y, size(n - 1) - i), i), y)[0]
    return a, y


@program(VECTOR)
def constant_and_carry_then_dead(x):
    y = x * 2.0
    return loop(value(0), size(n), lambda i, a: put(a, get(a, i) * get(y, size(n - 1) - i), i), y)[0]


@program(VECTOR)
def new_cell_by_cell(x):
    return loop(value(0), value(4), lambda i, a: scalar.sin(a) * 2.0, x)[0]


@program(VECTOR)
def new_from_other_cells(x):
    return loop(value(0), value(4), lambda i, a: a + part(a, n - 1, n, -1), x)[0]


@program(VECTOR, VECTOR)
def waves(x, z):
    def step(t, u0, u):
        lap = part(u, 0, n - 2) + part(u, 2, n - 2) - 2.0 * part(u, 1, n - 2)
        new = 2.0 * u - u0
        return u, put(new, part(new, 1, n - 2) + 0.1 * lap, 1, n - 2, spec="s", steps=(1,))

    return loop(value(0), value(7), step, x, z)


@program(VECTOR, VECTOR, VECTOR)
def carries_rotate(x, y, z):
    return loop(value(0), value(5), lambda i, a, b, c: (b, c, a), x, y, z)


@program(VECTOR, VECTOR)
def carries_become_one(x, y):
    return loop(value(0), value(3), lambda i, a, b: (b, b), x, y)


@program(VECTOR, VECTOR)
def carry_becomes_a_constant(x, y):
    return loop(value(0), value(3), lambda i, a: (y, sum_(a, (0,))), x)


@program(VECTOR)
def triangle_downwards(x):
    def outer(i, e):
        return loop(i + 1, size(n), lambda j, e: e + get(x, i) * get(x, j), e, reverse=True)[0]

    return loop(value(0), size(n), outer, value(0.0), reverse=True)[0]


@program(VECTOR)
def slices_of_moving_size(x):
    def step(i, s):
        return s + sum_(scalar.sin(part(x, i, size(n) - i)), (0,))

    return loop(value(0), size(n), step, value(0.0))[0]


@program(MATRIX)
def slice_of_size_one(a):
    step = lambda i, s: s + sum_(get(a, i, i, 1, spec="is", steps=(1,)), (0,))
    return loop(value(0), value(2), step, value(0.0))[0]


@program(F64)
def while_with_rows(a):
    return while_(lambda x, k: x > 1e-3, lambda x, k: (x * 0.9, k + 1, x * x), a * 0.0 + 1000.0, value(0))


@program(VECTOR)
def while_with_array_rows(x):
    return while_(lambda a, k: k < 3, lambda a, k: (a * 0.9, k + 1, a), x, value(0))


@program(VECTOR)
def rows_of_a_while_as_arrays(x):
    """The memory of the rows has more room than they need."""
    *_, count, rows = while_(lambda a, k: k < 3, lambda a, k: (a * 0.9, k + 1, a), x, value(0))
    return reshape(rows, (rows.shape[0] * n,)) * 2.0, matmul(rows, x), matmul(rows, rows, ta=True), count


@program(VECTOR)
def while_in_loop(x):
    def outer(i, s):
        t, count = while_(lambda t: t > 0.5, lambda t: t * 0.7, s + 5.0)
        return t, array.cast(count, "f64") * get(x, i)

    return loop(value(0), size(n), outer, value(1.0))


# ---- branches


@program(VECTOR, F64)
def branch_results(x, a):
    return cond(a > 0.0, lambda: (x * 2.0, put(x, a, 0)), lambda: (x, scalar.sin(x)))


@program(VECTOR, F64)
def branch_in_place(x, a):
    y = x * 2.0
    return cond(a > 0.0, lambda: put(y, a, 0), lambda: y)


@program(VECTOR, F64)
def branch_keeps_the_old(x, a):
    y = x * 2.0
    return cond(a > 0.0, lambda: put(y, a, 0), lambda: y)[0] + y


@program(VECTOR, VECTOR)
def branch_in_loop(x, z):
    step = lambda i, a: cond(get(z, i) > 0.0, lambda: put(a, get(a, i) * 2.0, i), lambda: a)[0]
    return loop(value(0), size(n), step, x)[0]


@program(VECTOR, VECTOR)
def loop_in_branch(x, z):
    y = x * 1.0
    then = lambda: loop(value(0), size(n), lambda i, a: put(a, get(z, i), i), y)[0]
    return cond(get(z, 0) > 0.0, then, lambda: y)


@program(VECTOR, VECTOR)
def branch_swaps(x, z):
    return cond(get(z, 0) > 0.0, lambda: (x * 1.0, z * 1.0), lambda: (z, x))


@program(SQUARE, VECTOR)
def solved_in_a_loop(a, x):
    """n steps of an implicit scheme"""
    big = a + broadcast(value(9.0), (n, n), ()) * array.cast(_diagonal(), "f64")
    return loop(value(0), value(3), lambda t, u: (solve(big, u), u), x)


def _diagonal() -> Value:
    return apply("eq", broadcast(iota(n), (n, n), (0,)), broadcast(iota(n), (n, n), (1,)))
