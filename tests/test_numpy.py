"""Every covered function of NumPy and SciPy against the library itself: values, shapes, dtypes, first derivatives, also with
symbolic sizes; Python's numbers; promotion, broadcasting and axes as properties; refusals; and that the page of covered
functions lists what is covered."""

from __future__ import annotations

import inspect
import math
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jitgrad.errors import ConcretizationError, DTypeError, ShapeError, Unsupported
from jitgrad.front import names
from jitgrad.front.promote import Operand, lift
from jitgrad.front.trace import trace_call
from jitgrad.ir.build import trace
from jitgrad.ir.core import F64, I64, Type
from jitgrad.ir.interp import interp
from jitgrad.ir.verify import verify

from . import harness
from .surface_cases import CASES, Case
from .surface_run import call, called, program, run
from .test_python_numbers import PYTHON, of_python

DOCS = Path(__file__).parent.parent / "docs" / "numpy.md"
TOLERANCE = {"f4": 2e-5}


def drawn(case: Case, dtype: str):
    rng = np.random.default_rng(zlib.crc32(case.name.encode()))
    cells = [rng.uniform(*case.draw, s) for s in case.shapes]
    return [(np.asarray(x) > 0 if dtype == "?" else np.asarray(x).astype(dtype))[()] for x in cells]


def flat(x):
    return [z for y in x for z in flat(y)] if isinstance(x, (list, tuple)) else [np.asarray(x)]


def wanted(f, *args):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return flat(f(*args))


def check(got, want, tolerance=1e-12):
    got = flat(tuple(got))
    assert len(got) == len(want)
    for g, w in zip(got, want):
        assert (g.shape, g.dtype) == (w.shape, w.dtype)
        np.testing.assert_allclose(g, w, rtol=tolerance, atol=tolerance)


def table(cases):
    return {"argvalues": cases, "ids": [f"{c.name}-{d}-{k}" for k, (c, d) in enumerate(cases)]}


EVERY = [(c, d) for c in CASES for d in c.dtypes]
ONCE = [(c, c.dtypes[0]) for c in CASES]
SMOOTH = [(c, "f8") for c in CASES if c.smooth and "f8" in c.dtypes]


@pytest.mark.parametrize(("case", "dtype"), **table(EVERY))
def test_as_numpy(case, dtype):
    args = drawn(case, dtype)
    check(run(case.f, *args), wanted(case.f, *args), TOLERANCE.get(dtype, 1e-12))


@pytest.mark.parametrize(("case", "dtype"), **table(ONCE))
def test_traced_with_symbolic_sizes(case, dtype):
    args = drawn(case, dtype)
    t = trace_call(lambda *xs: case.f(*xs), args, small_literals=False)
    values = iter(interp(verify(t.fn), *[args[k] for k in t.dynamic], *t.captured))
    got = [next(values) if o.kind in ("array", "scalar", "constant") else o.value for o in t.outs]
    check(got, wanted(case.f, *args), TOLERANCE.get(dtype, 1e-12))


@pytest.mark.parametrize(("case", "dtype"), **table(SMOOTH))
def test_derivative(case, dtype):
    args = drawn(case, dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fn = program(case.f, *[Type("f64", np.shape(a)) for a in args])
        harness.check(fn, args, name=case.name, order=1)


def test_every_covered_function_is_called():
    called.clear()
    for case, dtype in ONCE:
        run(case.f, *drawn(case, dtype))
    for f, *xs in PYTHON:
        of_python(f, *xs)
    missing = {n for n in names.covered() if n.startswith(("np.", "scipy.", "math.")) and n not in called}
    assert not missing


# ---- properties

DTYPES = ("f8", "f4", "i8", "i4", "u1", "?")
SCALARS = (True, 2, 0.5, np.float32(0.5), np.float64(0.5), np.int32(2), np.bool_(True))
JOINS = {
    "add": np.add, "multiply": np.multiply, "divide": np.divide, "maximum": np.maximum, "less": np.less, "hypot": np.hypot,
    "where": lambda x, z: np.where(True, x, z), "concatenate": lambda x, z: np.concatenate([x, z]),
    "stack": lambda x, z: np.stack([x, z]), "clip": lambda x, z: np.clip(x, z, None),
}  # fmt: skip
SHORT = (np.float16, np.uint8, np.int8)  # what NumPy computes in 16 bits, or in 8, is float64 here


def promoted(name, *args):
    """dtypes, ours and NumPy's; None where it refuses."""
    f = JOINS[name]
    run_f = lambda *xs: call_all_numpy(name, *xs)
    try:
        want = np.asarray(f(*args)).dtype
    except TypeError:
        return None
    return run(run_f, *args)[0].dtype, want


def call_all_numpy(name, x, z):
    if name == "where":
        return call(np.where, True, x, z)
    if name in ("concatenate", "stack"):
        return call(getattr(np, name), [x, z])
    return call(np.clip, x, z, None) if name == "clip" else call(getattr(np, name), x, z)


@pytest.mark.parametrize("name", JOINS)
@pytest.mark.parametrize("a", DTYPES)
@pytest.mark.parametrize("b", DTYPES)
def test_promotion_of_arrays(name, a, b):
    pair = promoted(name, np.ones(2, a), np.ones(2, b))
    if pair and not (pair[1] == np.float16 or (pair[1] == np.float32 and "f" not in a + b)):
        assert pair[0] == pair[1]


@pytest.mark.parametrize("name", [n for n in JOINS if n not in ("concatenate", "stack")])
@pytest.mark.parametrize("a", DTYPES)
@pytest.mark.parametrize("z", SCALARS, ids=lambda z: f"{type(z).__name__}")
def test_promotion_with_a_number(name, a, z):
    x = np.ones(2, a)
    try:
        want = np.asarray(JOINS[name](x, z)).dtype
    except TypeError:
        return
    if want == np.float16 or (want == np.float32 and a[0] != "f" and not isinstance(z, np.float32)):
        want = np.dtype("f8")  # of short integers
    assert run(lambda v: call_all_numpy(name, v, z), x)[0].dtype == want


@given(hnp.mutually_broadcastable_shapes(num_shapes=3, max_dims=4, max_side=4, min_side=0))
def test_broadcasting(shapes):
    args = [np.arange(math.prod(s), dtype=float).reshape(s) for s in shapes.input_shapes]
    f = lambda x, y, z: call(np.add, call(np.multiply, x, y), z)
    check(run(f, *args), [args[0] * args[1] + args[2]])


@given(hnp.array_shapes(max_dims=3, max_side=3), hnp.array_shapes(max_dims=3, max_side=3))
def test_shapes_that_do_not_fit_are_refused(s, t):
    x, z = np.ones(s), np.ones(t)
    try:
        want = np.add(x, z)
    except ValueError:
        with pytest.raises(ShapeError, match=r"shapes do not fit"):
            run(lambda a, b: call(np.add, a, b), x, z)
    else:
        check(run(lambda a, b: call(np.add, a, b), x, z), [want])


@given(st.data(), hnp.array_shapes(max_dims=4, min_side=0, max_side=3), st.booleans())
@pytest.mark.parametrize("name", ["sum", "prod", "mean", "max", "any", "var", "argmin", "ptp"])
def test_axes(name, data, shape, keepdims):
    one = st.integers(-len(shape) - 1, len(shape))
    axis = data.draw(st.none() | one if name == "argmin" else st.none() | one | st.lists(one, max_size=3).map(tuple))
    x = np.arange(math.prod(shape), dtype=float).reshape(shape) % 5
    f = getattr(np, name)
    try:
        want = wanted(lambda v: f(v, axis=axis, keepdims=keepdims), x)
    except ValueError:
        with pytest.raises(ShapeError):
            run(lambda v: call(f, v, axis=axis, keepdims=keepdims), x)
    else:
        check(run(lambda v: call(f, v, axis=axis, keepdims=keepdims), x), want)


@given(st.data(), hnp.array_shapes(max_dims=4, min_side=0, max_side=4))
def test_reshape(data, shape):
    total = math.prod(shape)
    target = data.draw(st.permutations([*shape, 1]).map(tuple) | st.just((-1, 2)) | st.just((2, -1, 3)) | st.just((total, -1)))
    x = np.arange(total, dtype=float).reshape(shape)
    try:
        want = np.reshape(x, target)
    except ValueError:
        with pytest.raises(ShapeError):
            run(lambda v: call(np.reshape, v, target), x)
    else:
        check(run(lambda v: call(np.reshape, v, target), x), [want])


# ---- derivatives where a careless program gives NaN


def gradient(f, *args):
    fn = program(f, *[Type("f64", np.shape(a)) for a in args])
    return harness.run_vjp(fn, args, [np.ones(np.shape(interp(fn, *args)[0]))])


LARGE = np.array([1e4, 0.0])

# fmt: off
KINKS = [
    ("norm at 0", lambda x: call(np.linalg.norm, x), [np.zeros(3)], [np.zeros(3)]),
    ("norm of rows", lambda x: call(np.linalg.norm, x, axis=1), [np.array([[0.0, 0.0], [3.0, 4.0]])],
     [np.array([[0, 0], [0.6, 0.8]])]),
    ("3-norm at 0", lambda x: call(np.linalg.norm, x, 3), [np.zeros(3)], [np.zeros(3)]),
    ("math.hypot at 0", lambda x, z: call(math.hypot, x, z, 0.0), [0.0, 0.0], [0.0, 0.0]),
    ("xlogy at (0, 2)", lambda x, z: call(scipy.special.xlogy, x, z), [0.0, 2.0], [math.log(2.0), 0.0]),
    ("xlogy at (0, 0)", lambda x, z: call(scipy.special.xlogy, x, z), [0.0, 0.0], [0.0, 0.0]),
    ("sinc at 0", lambda x: call(np.sinc, x), [0.0], [0.0]),
    ("a guarded root", lambda x: call(np.where, x > 0, call(np.sqrt, call(np.where, x > 0, x, 1.0)), 0.0), [0.0], [0.0]),
    ("softmax of large numbers", lambda x: call(np.take, call(scipy.special.softmax, x), 0), [LARGE], [np.zeros(2)]),
    ("logsumexp of large numbers", lambda x: call(scipy.special.logsumexp, x), [LARGE], [np.array([1.0, 0.0])]),
    ("prod with a zero", lambda x: call(np.prod, x), [np.array([2.0, 0.0, 3.0])], [np.array([0.0, 6.0, 0.0])]),
    ("det, singular", lambda x: call(np.linalg.det, x), [np.array([[1.0, 2], [2, 4]])], [np.array([[4.0, -2], [-2, 1]])]),
    ("max(x, z) at a tie", lambda x, z: call(max, x, z), [1.0, 1.0], [0.5, 0.5]),
    ("fmod at 0", lambda x, z: call(np.fmod, x, z), [0.0, 2.0], [1.0, 0.0]),
    ("x ** 2 at 0", lambda x: x**2, [0.0], [0.0]),
    ("x ** 1 at 0", lambda x: x**1, [0.0], [1.0]),
]
# fmt: on


@pytest.mark.parametrize(("name", "f", "args", "want"), KINKS, ids=[k[0] for k in KINKS])
def test_derivative_at_an_edge(name, f, args, want):
    for got, w in zip(gradient(f, *args), want):
        np.testing.assert_allclose(got, w, atol=1e-12)


# ---- programs: what is static stays static, what is cheap stays cheap


def ops(f, *types):
    return [let.op.name for let in program(f, *types).lets]


def test_cheap_forms():
    x = Type("f64", (5,))
    assert ops(lambda v: v**3, x) == ["powi"]
    assert ops(lambda v: v**0.5, x) == ["sqrt"]
    assert ops(lambda v: call(np.zeros_like, v), x) == []
    assert ops(lambda v: 2.0 * v, x) == ["mul"]
    assert ops(lambda v: call(np.float64, call(np.reshape, v, 5)), x) == []
    batch = ops(lambda a, b: call(np.matmul, a, b), Type("f64", (7, 5, 2)), Type("f64", (2, 3)))
    assert batch == ["reshape", "matmul", "reshape"]
    assert ops(lambda v: call(np.array, [1.0, 1.0, 1.0, 2.0]) * 1.0, x) == ["concat", "mul"]


def test_negative_integer_powers():
    with pytest.raises(ValueError, match="negative power"):
        run(lambda n: call(np.power, 2, n), np.array([1, -1]))
    with pytest.raises(DTypeError, match="negative power"):
        run(lambda n: n**-1, np.array([1, 2]))


# ---- refusals

REFUSED = [
    (lambda x: call(np.where, x > 0), Unsupported, "np.where(condition, x, y)"),
    (lambda x: call(np.sum, x, where=x > 0), Unsupported, "np.sum does not take 'where' here"),
    (lambda x: call(np.sum, x, axis=2), ShapeError, "np.sum has no axis 2"),
    (lambda x: call(np.sum, x, axis=(0, 0)), ShapeError, "repeated"),
    (lambda x: call(np.median, x), Unsupported, "np.median is not supported"),
    (lambda x: call(np.linalg.svd, x), Unsupported, "np.linalg.svd is not supported"),
    (lambda x: call(np.fft.fft, x), Unsupported, "np.fft"),
    (lambda x: call(sorted, x), Unsupported, "sorted is not supported"),
    (lambda x: call(np.reshape, x, (5, 5)), ShapeError, "as many elements as (2, 3) has"),
    (lambda x: call(np.matmul, x, x), ShapeError, "(2, 3) and (2, 3)"),
    (lambda x: call(np.concatenate, [x, call(np.ravel, x)]), ShapeError, "(2, 3) and (6,)"),
    (lambda x: call(np.linalg.inv, x), ShapeError, "square matrix"),
    (lambda x: call(np.linalg.norm, x, "nuc"), Unsupported, "singular value"),
    (lambda x: call(np.arange, call(np.sum, x)), ConcretizationError, "the size of this np.arange depends on the data"),
    (lambda x: call(np.reciprocal, call(np.argmax, x)), DTypeError, "1.0 / x"),
    (lambda x: call(np.subtract, x > 0, x > 1), DTypeError, "booleans"),
    (lambda x: call(np.invert, x), DTypeError, "integers or booleans"),
    (lambda x: call(np.einsum, "...i->...", x), Unsupported, "ij,jk->ik"),
    (lambda x: call(np.einsum, "ij,jk->ik", x, x), ShapeError, "axes 'j'"),
    (lambda x: call(np.max, call(np.reshape, call(np.take, x, np.zeros(0, int)), (0,))), ShapeError, "empty array"),
    (lambda x: call(np.ravel, x, order="F"), Unsupported, "order 'F'"),
    (lambda x: call(np.take, x, [9], axis=1), IndexError, "out of bounds"),
    (lambda x: call(np.repeat, x, call(np.argmax, x, axis=1)), Unsupported, "one count for all"),
    (lambda x: call(round, call(np.sum, x), 2), Unsupported, "np.round"),
    (lambda x: call(float, x), ShapeError, "one number"),
    (lambda x: call(np.add, x, 1j), DTypeError, "complex"),
    (lambda x: call(np.add, x, "a"), DTypeError, "'a'"),
    (lambda x: call(np.zeros_like, x, dtype=complex), DTypeError, "complex"),
]


@pytest.mark.parametrize(("f", "error", "text"), REFUSED, ids=[t for _, _, t in REFUSED])
def test_refused(f, error, text):
    with pytest.raises(error) as caught:
        run(f, np.arange(6.0).reshape(2, 3))
    assert text in str(caught.value)


def test_a_python_integer_that_does_not_fit():
    with pytest.raises(DTypeError, match="does not fit uint8"):
        run(lambda x: x + 300, np.zeros(2, np.uint8))


@pytest.mark.parametrize("name", names.REPAIRS)
def test_repairs_are_for_what_is_not_covered(name):
    assert name not in names.covered()


@pytest.mark.parametrize(
    ("f", "name"),
    [
        (np.sort, "np.sort"),
        (np.linalg.qr, "np.linalg.qr"),
        (np.frexp, "np.frexp"),
        (np.frexp.reduce, "np.frexp.reduce"),
        (scipy.special.erfinv, "scipy.special.erfinv"),
        (scipy.linalg.expm, "scipy.linalg.expm"),
        (math.gcd, "math.gcd"),
        (sorted, "sorted"),
    ],
)
def test_names_of_what_is_refused(f, name):
    assert names.is_library(f)
    with pytest.raises(Unsupported) as caught:
        names.refuse(f)
    assert f"{name} is not supported" in str(caught.value)
    assert "repair:" in str(caught.value)


def test_near_names_are_suggested():
    with pytest.raises(Unsupported, match=r"did you mean np\.argmin"):
        names.refuse(np.nanargmin)


# ---- calls: an argument is never taken for another one

FREE = {"np.array", "np.asarray", "np.asanyarray", "np.ascontiguousarray", "np.einsum", "np.zeros_like", "np.empty_like"}


def positional(signature):
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in signature.parameters.values() if p.kind in kinds]


@pytest.mark.parametrize(
    ("f", "handler"),
    [(f, h) for f, h in names.NAMES.items() if h.name.startswith("np.") and inspect.isroutine(f) and h.name not in FREE],
    ids=lambda x: getattr(x, "name", ""),
)
def test_parameters_stand_where_they_stand_in_numpy(f, handler):
    theirs, ours = positional(inspect.signature(f)), positional(handler.signature)
    only = [p.name for p in handler.signature.parameters.values() if p.kind is p.POSITIONAL_ONLY]
    assert ours[len(only) :] == theirs[len(only) : len(ours)]


def test_an_option_must_be_known():
    with pytest.raises(ConcretizationError, match="an option is computed"):
        run(lambda x, c: call(np.sum, x, keepdims=c), np.ones(3), np.asarray(True))


def test_what_does_not_fit_a_new_shape_is_refused():
    with pytest.raises(ShapeError):
        run(lambda x: call(np.full, (2, 3), x), np.ones(4))


# ---- constants and the page


def test_nested_lists_of_numbers():
    def body(x):
        return lift([[1.0, 1.0, 1.0], [Operand(x), 2, 2]]).value

    fn = verify(trace(body, [F64], "f"))
    np.testing.assert_array_equal(interp(fn, 7.0)[0], [[1, 1, 1], [7, 2, 2]])
    assert sum(let.op.name == "concat" for let in fn.lets) == 1


def test_sizes_become_floats_where_they_must():
    fn = verify(trace(lambda n: names.lookup(np.divide)(Operand(n, True), 2).value, [I64], "f"))
    assert interp(fn, 7)[0] == 3.5


def test_scipy_is_found_when_the_user_has_it():
    assert names.lookup(scipy.special.softmax).name == "scipy.special.softmax"
    assert names.lookup(scipy.linalg.cholesky).name == "scipy.linalg.cholesky"
    assert names.lookup(np.linalg.cholesky).name == "np.linalg.cholesky"
    assert names.lookup(np.add.reduce).name == "np.add.reduce"
    assert names.lookup([]) is None
    assert names.lookup(np.sort) is None


def test_the_page_lists_what_is_covered():
    text = DOCS.read_text()
    assert not [n for n in names.covered() if f"`{n.rpartition('.')[2]}`" not in text]
