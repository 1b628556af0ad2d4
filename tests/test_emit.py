"""Texts, compiled: they agree with the interpreter, and read as a person would have written them."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest

from jitgrad.emit.cpu import MODULES, compile_fn
from jitgrad.emit.python import emit
from jitgrad.errors import Where
from jitgrad.ir.build import apply, at, size, trace, value
from jitgrad.ir.core import F64, INTS, OPS, Fn, Lit, Type, Var
from jitgrad.ir.interp import NUMPY, interp
from jitgrad.lower.schedule import schedule
from jitgrad.ops import scalar
from jitgrad.ops.array import broadcast, cast, sum_
from jitgrad.ops.cond import check
from jitgrad.ops.index import get, put
from jitgrad.ops.linalg import cholesky, inv, matmul, slogdet, solve, solve_triangular
from jitgrad.ops.loop import loop
from jitgrad.transform import ad, pipeline

from . import constructs, plain_text
from .array_programs import MATRIX, PROGRAMS, SIZES, VECTOR, Program, m, n
from .programs import ATTRIBUTES, arity, intervals, well

# Of the programs of arrays, those whose texts Numba could see differently than Python does: products, growing rows, rings of
# carries, integers, index arrays, reshaped memory, branches. `test_lower.py` runs all of them as Python.
COMPILED = [
    "reductions_share_a_loop", "locate", "running_sums", "integers_and_bools", "softmax_rows", "gathers", "scatters",
    "column_appended", "scalars_stacked", "ravelled", "unravelled", "constant_results", "counted", "guarded", "products",
    "matrix_vector", "products_of_windows", "nested_rows", "padded_rows", "no_trips", "waves", "carries_rotate",
    "while_with_rows", "while_with_array_rows", "rows_of_a_while_as_arrays",
    "while_in_loop", "branch_results", "loop_in_branch", "slices_of_moving_size",
    "solved_in_a_loop",
]  # fmt: skip


def agrees(fn: Fn, argument_lists: list[list[Any]]) -> None:
    compiled = compile_fn(fn)
    for args in argument_lists:
        before = [np.copy(a) for a in args]
        plain_text.same(compiled(*args), interp(fn, *args), args, before)


@pytest.mark.parametrize("program", [PROGRAMS[name] for name in COMPILED], ids=lambda p: p.name)
def test_arrays(program: Program) -> None:
    agrees(program.fn(), [program.arguments(s) for s in SIZES])


LOOPS = [
    "in_place",
    "swapped",
    "data_dependent_cells",
    "triangular_chain",
    "elimination",
    "time_loop",
    "newton",
    "branch_with_put",
]


@pytest.mark.parametrize("name", LOOPS)
def test_adjoints_of_loops(name: str) -> None:
    program = next(p for p in constructs.PROGRAMS if p.name == name)
    fn = pipeline.finished(ad.vjp(pipeline.prepared(program.fn())))
    agrees(fn, [[*program.arguments(k), 1.3] for k in (5, 2)])


# ---- every row, in every dtype


def rows_of(dtype: str) -> list[tuple[str, dict[str, Any]]]:
    out = []
    for name in OPS:
        if OPS[name].samples is None:
            continue
        for attrs in ATTRIBUTES.get(name, [{}]):
            try:
                trace(lambda *xs, name=name, attrs=attrs: apply(name, *xs, **attrs), [Type(dtype)] * arity(name), name)
            except Exception:
                continue  # this row does not take that dtype
            out.append((name, attrs))
    return out


def all_rows(dtype: str) -> tuple[Fn, list[Any]]:
    """One program that applies every row to vectors of that dtype, and arguments for it."""
    rng = np.random.default_rng(3)
    rows = rows_of(dtype)
    types, args = [], []
    for name, _ in rows:
        for interval in (intervals(name) * arity(name))[: arity(name)] if len(intervals(name)) == 1 else intervals(name):
            types.append(Type(dtype, (n,)))
            args.append(sample(dtype, rng, interval))

    def body(*xs: Any) -> Any:
        rest = list(xs)
        return tuple(apply(name, *[rest.pop(0) for _ in range(arity(name))], **attrs) for name, attrs in rows)

    return trace(body, types, "rows"), args


def sample(dtype: str, rng: np.random.Generator, interval: tuple[float, float]) -> Any:
    if dtype in ("f32", "f64"):
        return rng.uniform(*interval, 9).astype(NUMPY[dtype])
    return rng.integers(0 if dtype == "bool" else 1, 2 if dtype == "bool" else 5, 9).astype(NUMPY[dtype])


@pytest.mark.parametrize("dtype", ["f64", "f32", "i64", "i32", "u8", "bool"])
def test_every_row_in(dtype: str) -> None:
    fn, args = all_rows(dtype)
    tolerance = {"f64": 1e-12, "f32": 2e-5}.get(dtype, 0.0)
    for name, got, want in zip(rows_of(dtype), compile_fn(fn)(*args), interp(fn, *args), strict=True):
        assert got.dtype == want.dtype, name
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance, err_msg=str(name))


def inferred(fn: Fn) -> dict[str, str]:
    """The type that Numba gives each variable of the text."""
    text = emit(schedule(fn), MODULES)
    scope: dict[str, Any] = {}
    exec(text.source, scope)
    dispatcher = numba.njit(error_model="numpy")(scope[text.name])
    dispatcher.compile(text.signature)
    (overload,) = dispatcher.overloads.values()
    return {name: str(t) for name, t in overload.type_annotation.typemap.items()}


def test_float32_stays_float32() -> None:
    wide = {name: t for name, t in inferred(all_rows("f32")[0]).items() if "float64" in t}
    assert not wide


def test_float32_sums_run_in_float64() -> None:
    """A million equal numbers: a float32 sum, one by one, would be off by some per cent."""
    x = np.full(1_000_000, 0.1, np.float32)
    fn = trace(lambda x: (sum_(x, (0,)), sum_(x * 2.0, (0,)), apply("cumsum", x, axis=0)), [Type("f32", (n,))], "f")
    s, t, running = compile_fn(fn)(x)
    exact = float(x[0]) * len(x)
    np.testing.assert_allclose([s, t, running[-1]], [exact, 2 * exact, exact], rtol=1e-7)
    assert running.dtype == np.float32


def test_extremes() -> None:
    fn = trace(lambda x: tuple(apply(op, x, axes=(0,)) for op in ("max", "min")) + (apply("argmax", x, axis=0),), [VECTOR], "f")
    compiled = compile_fn(fn)
    for x in ([1.0, np.nan, 3.0], [-np.inf, -np.inf], [np.inf, 1.0, np.inf], [-0.0, 0.0]):
        np.testing.assert_array_equal(compiled(np.array(x)), interp(fn, np.array(x)))


# ---- errors


def test_a_check_raises_at_the_users_line() -> None:
    def body(x):
        with at(Where("model.py", 12, "loss")):
            check(sum_(x, (0,)) > 0.0, "the sum must be positive", "ValueError")
            check(x > -5.0, "too small", "IndexOutOfBounds")
        return x * 2.0

    compiled = compile_fn(trace(body, [VECTOR], "f"))
    np.testing.assert_array_equal(compiled(np.ones(3))[0], [2.0, 2.0, 2.0])
    with pytest.raises(ValueError, match=r'positive\n  File "model.py", line 12'):
        compiled(-np.ones(3))
    with pytest.raises(IndexError, match="too small"):
        compiled(np.array([100.0, -9.0]))


SQUARE = Type("f64", (n, n))
SINGULAR = [
    ("solve", lambda a, x: solve(a, x), (SQUARE, VECTOR)),
    ("inv", inv, (SQUARE,)),
    ("cholesky", cholesky, (SQUARE,)),
    ("triangular", lambda a, x: solve_triangular(a, x, lower=True), (SQUARE, VECTOR)),
]


@pytest.mark.parametrize(("name", "body", "types"), SINGULAR, ids=[c[0] for c in SINGULAR])
def test_singular(name: str, body: Any, types: Any) -> None:
    compiled = compile_fn(trace(body, types, "f"))
    with pytest.raises(np.linalg.LinAlgError):
        compiled(np.zeros((3, 3)), *[np.ones(3)] * (len(types) - 1))


def test_linear_algebra_in_float32_and_of_nothing() -> None:
    square, vector = Type("f32", (n, n)), Type("f32", (n,))
    body = lambda a, x: (matmul(a, a, tb=True), matmul(a, x), solve(a, x), inv(a), *slogdet(a), cholesky(matmul(a, a, tb=True)))
    fn = trace(body, [square, vector], "f")
    compiled = compile_fn(fn)
    rng = np.random.default_rng(0)
    for k in (4, 60):
        a, x = well(rng, k, k).astype(np.float32), rng.normal(size=k).astype(np.float32)
        for got, want in zip(compiled(a, x), interp(fn, a, x), strict=True):
            np.testing.assert_allclose(got, want, rtol=2e-3, atol=2e-3)
            assert np.ndim(got) == 0 or got.dtype == np.float32
    nothing = compiled(np.zeros((0, 0), np.float32), np.zeros(0, np.float32))
    assert [np.shape(g) for g in nothing] == [(0, 0), (0,), (0,), (0, 0), (), (), (0, 0)]
    assert nothing[4:6] == (1.0, 0.0)


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("trans", [True, False])
def test_large_triangles(lower: bool, trans: bool) -> None:
    """More rows than a block has."""
    fn = trace(lambda l, b: solve_triangular(l, b, lower=lower, trans=trans), [SQUARE, MATRIX], "f")
    rng = np.random.default_rng(1)
    agrees(fn, [[well(rng, 130, 130) + 20 * np.eye(130), rng.normal(size=(130, 3))]])


def test_integer_products() -> None:
    ints = Type("i64", (n, m))
    fn = trace(lambda a, x: (matmul(a, a, tb=True), matmul(a, x)), [ints, Type("i64", (m,))], "f")
    rng = np.random.default_rng(2)
    agrees(fn, [[rng.integers(-9, 9, (4, 3)), rng.integers(-9, 9, 3)]])


# ---- texts

PLAIN = {name: module for name, module in MODULES.items() if not module.endswith(".memory")}  # np.empty, as on any target


def source(body: Any, *types: Type, name: str = "f") -> str:
    names = body.__code__.co_varnames
    fn = trace(body, [Var(t, h) for t, h in zip(types, names, strict=False)], name)
    return emit(schedule(fn), PLAIN).source


def test_text_of_a_value_and_its_gradient() -> None:
    def loss(x, w):
        t = x * w
        return sum_(scalar.sin(t) + 0.5 * w * w, (0,)), scalar.cos(t) * w, scalar.cos(t) * x + w

    assert (
        source(loss, VECTOR, VECTOR, name="loss")
        == """\
import numpy as np
from jitgrad.emit.vecmath import cos, sin


def loss(x, w):
    n = x.shape[0]
    t = 0.0
    t1 = np.empty(n)
    t2 = np.empty(n)
    for i in range(n):
        x_i = x[i]
        w_i = w[i]
        t3 = x_i * w_i
        t += sin(t3) + 0.5 * w_i * w_i
        t4 = cos(t3)
        t1[i] = t4 * w_i
        t2[i] = t4 * x_i + w_i
    return (t, t1, t2)
"""
    )


def test_text_of_nested_loops() -> None:
    def pairs(x):
        def outer(i, e):
            return loop(i + 1, size(n), lambda j, e: e + 1.0 / (get(x, i) - get(x, j)), e, hints=("j", "e"))[0]

        return loop(value(0), size(n), outer, value(0.0), hints=("i", "e"))[0]

    assert (
        source(pairs, VECTOR, name="pairs")
        == """\


def pairs(x):
    n = x.shape[0]
    e = 0.0
    for i in range(n):
        for j in range(i + 1, n):
            e += 1.0 / (x[i] - x[j])
    return (e,)
""".lstrip("\n")
    )


def test_text_of_a_while_and_a_branch() -> None:
    from jitgrad.ops.cond import cond
    from jitgrad.ops.while_ import while_

    def body(a):
        x, count = while_(lambda x: scalar.abs_(x * x - a) > 1e-12, lambda x: 0.5 * (x + a / x), a)
        return cond(x > 1.0, lambda: (x,), lambda: (-x,), hints=("y",))[0], count

    assert (
        source(body, F64, name="root")
        == """\
def root(a):
    x = a
    count = 0
    while abs(x * x - a) > 1e-12:
        x = 0.5 * (x + a / x)
        count += 1
    if x > 1.0:
        y = x
    else:
        y = -x
    return (y, count)
"""
    )


def test_names_do_not_clash() -> None:
    """With builtins, keywords, imports, sizes, or each other."""
    types = [Var(VECTOR, h) for h in ("range", "lambda", "np", "sin", "n", "x", "x")]
    fn = trace(lambda *xs: sum_(sum((scalar.sin(x) for x in xs), xs[0]), (0,)), types, "print")
    rng = np.random.default_rng(0)
    agrees(fn, [[rng.normal(size=4) for _ in types]])


def test_a_load_never_moves_behind_a_store() -> None:
    def body(x):
        a = x * 1.0
        old = get(a, 0)
        return put(a, 7.0, 0), old * 2.0

    agrees(trace(body, [VECTOR], "f"), [[np.arange(3.0) + 1.0]])


def test_powers_of_negative_literals() -> None:
    fn = trace(lambda x: (scalar.power(value(-2.0), 3) * x, value(-2.0) * -x, x - value(-3.0)), [F64], "f")
    agrees(fn, [[1.5]])


def test_places_in_the_source() -> None:
    def body(x):
        with at(Where("/tmp/model.py", 3, "f")):
            y = scalar.exp(x)
        with at(Where("/tmp/model.py", 4, "f")):
            return scalar.sin(y * y) * y

    lines = source(body, VECTOR).splitlines()
    assert sum("# model.py:3" in line for line in lines) == 1
    assert sum("# model.py:4" in line for line in lines) == 1


def test_seconds_of_each_station() -> None:
    compiled = compile_fn(trace(lambda x: x * 2.0, [VECTOR], "f"))
    assert set(compiled.seconds) == {"schedule", "print", "numba"}
    assert compiled.entry(np.ones(2))[0].tolist() == [2.0, 2.0]


def test_literals_of_small_dtypes() -> None:
    small = [d for d in INTS if d not in ("u64",)]
    types = [Type(d, (n,)) for d in small]
    fn = trace(lambda *xs: tuple(x * value(3, x.type) + Lit_(1, x.type) for x in xs), types, "f")
    args = [np.arange(4).astype(NUMPY[d]) for d in small]
    agrees(fn, [args])


def Lit_(x: Any, t: Type) -> Any:
    return value(Lit(x, t))


def test_casts() -> None:
    kinds = ("f64", "f32", "i64", "i32", "bool")
    types = [Type(d, (n,)) for d in kinds]
    fn = trace(lambda *xs: tuple(cast(x, to) for x in xs for to in kinds if to != x.dtype), types, "f")
    args = [np.array([0, 1, 2, 3]).astype(NUMPY[d]) for d in kinds]
    for got, want in zip(compile_fn(fn)(*args), interp(fn, *args), strict=True):
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)


def test_rows_of_small_arrays() -> None:
    """Axes of size 1 need no loop, and a literal extent no size."""
    fn = trace(lambda x: (sum_(x * 2.0, (1,)), broadcast(sum_(x, (0,)), (4, 3), (1,))), [Type("f64", (1, 3))], "f")
    agrees(fn, [[np.arange(3.0)[None]]])
