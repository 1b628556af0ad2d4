"""Every op of the table, by existing: rows against differences, sympy and their own source text; the rest by examples."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping
from typing import Any

import numba
import numpy as np
import pytest
import scipy.special

from jitgrad.emit.vecmath import TABLE as VECMATH
from jitgrad.errors import InternalError
from jitgrad.ir.build import trace, value
from jitgrad.ir.core import BOOL, DTYPES, F64, OPS, Op, Type
from jitgrad.ir.interp import LETTERS, interp, interp_sympy, sympy_function
from jitgrad.ops import linalg, scalar
from jitgrad.ops.table import row as new_row
from jitgrad.transform import ad

from . import harness, programs
from .harness import differentiable, draw, facts, rng, run_jvp, run_vjp
from .mutate import missed, unmutated
from .programs import ATTRIBUTES, EXAMPLES, Example, arity, examples_of, intervals, is_row, row_examples

ROWS = [name for name in OPS if is_row(name)]
SMOOTH = [name for name in ROWS if differentiable(OPS[name])]
F32 = Type("f32")


def accepts(op: Op, dtype: str) -> bool:
    try:
        op.type(*[value(1, Type(dtype)).atom] * arity(op.name))
    except InternalError:
        return False
    return True


CASES = [(name, dtype) for name in ROWS for dtype in DTYPES if accepts(OPS[name], dtype)]
REAL_ROWS = [name for name, dtype in CASES if dtype == "f64"]


def ids(e: Example) -> str:
    return e.name


# ---- the table as a whole


def test_every_op_states_its_derivative() -> None:
    for op in OPS.values():
        stated = op.flat or op.construct or differentiable(op)
        assert stated, f"`{op.name}` states neither a derivative nor that it has none"
        assert not (op.flat and differentiable(op)), f"`{op.name}` is flat and has derivative rules"


def test_every_op_has_an_example() -> None:
    assert not [name for name in OPS if not examples_of(name)]


def test_every_example_uses_its_op() -> None:
    for e in EXAMPLES:
        assert e.op in {let.op.name for let in e.program().lets}, e.name


def test_rows_have_a_partial_for_each_argument() -> None:
    for name in ROWS:
        assert len(OPS[name].partials or range(arity(name))) == arity(name)
        assert len(OPS[name].samples) in (1, arity(name))


def test_linear_ops_have_a_rule_for_each_argument_of_a_group() -> None:
    for op in OPS.values():
        for k in (k for group in op.linear for k in group):
            assert k in op.transposes or k in op.accumulates, f"`{op.name}` is linear in {k} without a transpose"


# ---- rows


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("t", [F64, Type("f64", (3,))], ids=str)
def test_row(name: str, t: Type) -> None:
    for e in row_examples(name, t):
        e.check()


@pytest.mark.parametrize("name", [name for name in REAL_ROWS if name not in SMOOTH])
def test_flat_row_is_flat(name: str) -> None:
    """A row without partials: its value does not change near the samples, and both modes give zero."""
    for e in row_examples(name, F64):
        fn, args, dots = e.program(), e.values(), [1.0] * arity(name)
        near = [x + 1e-9 for x in args]
        assert interp(fn, *args) == interp(fn, *near)
        assert all(t == 0 for t in run_jvp(fn, args, dots))
        assert all(np.all(t == 0) for t in run_vjp(fn, args, [1.0] if fn.results[0].type.is_real else []))


@pytest.mark.parametrize("name", ROWS)
def test_dtypes(name: str) -> None:
    """Of every dtype that a row takes, the type rule says what NumPy gives, for scalars and vectors."""
    taken = [dtype for case, dtype in CASES if case == name]
    assert taken
    for dtype in taken:
        for shape in ((), (3,)):
            t = Type(dtype, shape)
            for e in row_examples(name, t):
                fn, args = e.program(), e.values()
                got = np.asarray(interp(fn, *args)[0])
                with np.errstate(all="ignore"):
                    raw = OPS[name].numpy(*args, **e.attrs)
                assert np.asarray(raw).dtype.kind == got.dtype.kind and np.shape(raw) == shape
                np.testing.assert_array_equal(got, np.asarray(raw).astype(got.dtype))


@pytest.mark.parametrize("name", SMOOTH)
def test_f32_stays_f32(name: str) -> None:
    """Both modes keep float32, and agree with float64 to its precision."""
    for e32, e64 in zip(row_examples(name, F32), row_examples(name, F64)):
        args = e32.values()
        wide = [np.float64(x) for x in args]
        one, many = np.float32(1), [np.float32(0.5)] * len(args)
        for got, want in (
            (run_vjp(e32.program(), args, [one]), run_vjp(e64.program(), wide, [1.0])),
            (run_jvp(e32.program(), args, many), run_jvp(e64.program(), wide, [0.5] * len(args))),
        ):
            assert all(g.dtype == np.float32 for g in got)
            np.testing.assert_allclose(got, want, rtol=2e-4, atol=1e-5)


# ---- rows: the source text says what NumPy says

SPECIAL = {"sigmoid": "expit", "lgamma": "gammaln", "erf": "erf", "erfc": "erfc", "digamma": "digamma", "polygamma": "polygamma"}
RENAMED = {
    "pow": "power", "asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2", "asinh": "arcsinh",
    "acosh": "arccosh", "atanh": "arctanh",
}  # fmt: skip
BUILTIN = {"abs": abs, "max": max, "min": min, "inf": math.inf}


def meaning(name: str) -> Any:
    if name in BUILTIN:
        return BUILTIN[name]
    return getattr(scipy.special, SPECIAL[name]) if name in SPECIAL else getattr(np, RENAMED.get(name, name))


def names_in(text: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}


def source_of(name: str, dtype: str) -> str:
    op = OPS[name]
    return op.source_ints if op.source_ints and dtype[0] in "iu" else op.source


@pytest.mark.parametrize("name", ROWS)
def test_source_uses_known_names(name: str) -> None:
    for text in (OPS[name].source, OPS[name].source_ints or "x"):
        free = names_in(text) - set(LETTERS) - set().union(*ATTRIBUTES.get(name, [{}]))
        assert free <= set(VECMATH) | set(BUILTIN)


EDGES = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, math.inf, -math.inf, math.nan, 2.0]


@pytest.mark.parametrize(("name", "dtype"), [c for c in CASES if c[1] in ("f64", "i64", "bool")])
def test_source_means_the_same_as_numpy(name: str, dtype: str) -> None:
    text = source_of(name, dtype)
    r = rng(name)
    points = [[draw(r, Type(dtype), on) for on in intervals(name)] for _ in range(5)]
    if dtype == "f64":
        points += [[np.float64(v) for v in np.roll(EDGES, k)[: arity(name)]] for k in range(len(EDGES))]
        points += [[np.float64(v)] * arity(name) for v in EDGES]
    for args in points:
        for attrs in ATTRIBUTES.get(name, [{}]):
            scope = {k: meaning(k) for k in names_in(text) - set(LETTERS) - set(attrs)}
            with np.errstate(all="ignore"):
                got = eval(text, {**scope, **dict(zip(LETTERS, args)), **attrs})
                want = OPS[name].numpy(*args, **attrs)
            if name == "powi":  # inf ** 3 and the like only: Python's power and NumPy's round alike
                np.testing.assert_allclose(got, want, rtol=1e-15)
            else:
                np.testing.assert_array_equal(got, want, err_msg=f"{text} at {args}")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "dtype"), [c for c in CASES if c[1] in ("f64", "f32", "i64", "u8", "bool")])
def test_source_compiles_to_what_numpy_says(name: str, dtype: str) -> None:
    for e in row_examples(name, Type(dtype)):
        text, args = source_of(name, dtype), e.values()
        scope = {**VECMATH, "inf": math.inf}
        exec(f"def f({', '.join(LETTERS[: len(args)])}):\n    return {with_numbers(text, e.attrs)}\n", scope)
        want = np.asarray(interp(e.program(), *args)[0])
        got = np.asarray(numba.njit(scope["f"])(*args)).astype(want.dtype)  # small integers are i64 in between
        rtol = 1e-5 if dtype == "f32" else 1e-13
        np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol)


def with_numbers(text: str, attrs: Mapping[str, Any]) -> str:
    """The text with the attributes as literals, as the emitter prints it."""
    return re.sub(r"\b[a-z]\b", lambda m: repr(attrs.get(m[0], m[0])).strip("'"), text)


# ---- rows: sympy


SYMBOLIC = [name for name in REAL_ROWS if OPS[name].sympy]
NO_SYMPY = {"rint", "isnan", "isinf", "isfinite", "lshift", "rshift"}


def test_rows_without_a_sympy_fact_are_these() -> None:
    assert {name for name in ROWS if not OPS[name].sympy} == NO_SYMPY


@pytest.mark.parametrize("name", SYMBOLIC)
def test_sympy(name: str) -> None:
    """The text for sympy has the value and the derivatives that the row has."""
    import sympy

    for e in row_examples(name, F64):
        fn, args = e.program(), e.values()
        symbols = sympy.symbols("x z w", real=True)[: len(args)]
        point = dict(zip(symbols, map(float, args)))
        (expr,) = interp_sympy(fn, *symbols)
        (got,) = interp(fn, *args)
        symbolic = expr.subs(point)
        if fn.results[0].type == BOOL:
            assert bool(symbolic) == got
            continue
        assert float(got) == pytest.approx(float(sympy.N(symbolic)), rel=1e-12)
        if not differentiable(OPS[name]):
            continue
        # a jump is constant around the point
        expr = expr.replace(lambda a: isinstance(a, (sympy.floor, sympy.ceiling)), lambda a: a.subs(point))
        want = [float(sympy.N(sympy.diff(expr, s).doit().subs(point))) for s in symbols]
        np.testing.assert_allclose(run_vjp(fn, args, [1.0]), want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["and", "or", "xor", "not"])
def test_sympy_of_logic(name: str) -> None:
    import sympy

    f = sympy_function(OPS[name].sympy, LETTERS[: arity(name)])
    for args in np.ndindex(*[2] * arity(name)):
        want = OPS[name].numpy(*map(np.bool_, args))
        assert bool(f(*[sympy.true if a else sympy.false for a in args])) == want


def test_partials_are_those_of_sympy_as_formulas() -> None:
    """A derivative program runs on sympy symbols: here the second derivative of tanh, simplified."""
    import sympy

    fn = trace(lambda x: scalar.tanh(x), [F64], "f")
    x = sympy.symbols("x", real=True)
    second = ad.vjp(ad.vjp(fn, seeds=[1.0]), seeds=[0.0, 1.0])
    got = interp_sympy(second, x)[-1]
    assert sympy.simplify(got - sympy.diff(sympy.tanh(x), x, 2)) == 0


# ---- what docs/adding-a-primitive.md promises


def test_a_new_row_is_all_that_a_new_function_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function with an attribute, and a partial by other rows."""
    monkeypatch.setattr(programs, "ATTRIBUTES", {"swish": [{"b": 2.0}]})
    try:

        def f(x: Any, *, b: float) -> Any:
            return x / (1 + np.exp(-b * x))

        swish = new_row(
            "swish", f, "x / (1 + exp(-b * x))", "x * sigmoid(b * x)",
            lambda y, x, *, b: scalar.expit(b * x) + b * y * (1.0 - scalar.expit(b * x)),
        )  # fmt: skip
        test_row("swish", Type("f64", (3,)))
        test_f32_stays_f32("swish")
        assert not missed(["swish"]) and swish.args == ("swish",)
        with pytest.raises(InternalError, match="declared twice"):
            new_row("swish", f, None, "x")
    finally:
        OPS.pop("swish")


# ---- the other ops, by example


@pytest.mark.parametrize("e", [e for e in EXAMPLES if e.order], ids=ids)
def test_example(e: Example) -> None:
    e.check()


def test_cast_between_floats_is_linear() -> None:
    """Both modes convert as the primal does; 1/3 has another value in float32."""
    (e,) = examples_of("cast")
    third, x = np.full(4, 1 / 3), np.ones(4)
    rounded = np.float32(third).astype(np.float64)
    np.testing.assert_array_equal(run_jvp(e.program(), [x], [third])[0], rounded)
    np.testing.assert_array_equal(run_vjp(e.program(), [x], [third])[0], rounded)


def test_stop_gradient_stops() -> None:
    (e,) = examples_of("stop_gradient")
    x = np.arange(4.0)
    np.testing.assert_array_equal(run_vjp(e.program(), [x], [np.ones(4)])[0], x)


# ---- linear algebra


def test_cholesky_reads_the_lower_triangle_alone() -> None:
    a = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]])
    fn = trace(linalg.cholesky, [Type("f64", (3, 3))], "f")
    (bar,) = run_vjp(fn, [a], [rng("cholesky").normal(size=(3, 3))])
    np.testing.assert_array_equal(np.triu(bar, 1), 0.0)
    upper = a + np.triu(np.full((3, 3), 7.0), 1)  # not read
    np.testing.assert_array_equal(interp(fn, a)[0], interp(fn, upper)[0])


@pytest.mark.parametrize("f", [linalg.inv, lambda a: linalg.solve(a, a), lambda a: linalg.solve_triangular(a, a, True)])
def test_singular_matrices_raise(f: Any) -> None:
    fn = trace(f, [Type("f64", (2, 2))], "f")
    with pytest.raises(np.linalg.LinAlgError):
        interp(fn, np.array([[1.0, 0.0], [0.0, 0.0]]))


def test_indefinite_matrix_has_no_cholesky() -> None:
    fn = trace(linalg.cholesky, [Type("f64", (2, 2))], "f")
    with pytest.raises(np.linalg.LinAlgError):
        interp(fn, -np.eye(2))


@pytest.mark.parametrize("shapes", [((2, 3), (2, 3)), ((3,), (3,)), ((2, 2, 3), (3, 2)), ((2, 4, 3), (5, 3, 2))])
def test_matmul_refuses_shapes(shapes: Any) -> None:
    with pytest.raises(InternalError, match="matmul"):
        trace(lambda a, b: linalg.matmul(a, b), [Type("f64", s) for s in shapes], "f")


def test_mutations_exist_for_every_differentiable_op() -> None:
    """What `mutate` perturbs covers the table: at least one fact of every op that is neither flat nor a construct."""
    for op in OPS.values():
        assert bool(facts(op)) == (not op.flat and not op.construct), op.name


def test_mutations_are_noticed() -> None:
    assert not unmutated() and not missed()


def test_what_is_not_wrong_goes_unnoticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "WRONG", 1.0)
    assert missed(["tanh", "matmul"]) == ["tanh.partials[0]", "matmul.transposes[0]", "matmul.transposes[1]"]
