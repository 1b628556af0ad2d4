"""`numba.vectorize`, `numba.guvectorize` and `np.vectorize` functions as they are: values and dtypes as without jitgrad,
derivatives, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import pytest

import jitgrad as jg
from jitgrad.check.certificate import OK
from jitgrad.check.certify import WITHOUT_COMPILING, certified
from jitgrad.errors import ConcretizationError, DTypeError, ShapeError, Unsupported

RNG = np.random.default_rng(3)
X, Y, V = RNG.normal(size=(5, 6)), RNG.normal(size=(5, 6)), RNG.normal(size=6)
K = np.arange(6)
SCALE = np.array([2.0, 3.0])


@numba.vectorize
def straight(a, b):
    return np.sin(a) * b + SCALE[1]


@numba.vectorize
def branches(a, b):
    if a > b:
        return a * a
    return a * b


@numba.vectorize
def escape(re, im):
    x = y = 0.0
    for k in range(12):
        if x * x + y * y > 4.0:
            return k + 1 - np.log2(np.log(x * x + y * y))
        x, y = x * x - y * y + re, 2 * x * y + im
    return 0.0


@numba.vectorize
def newton(a):
    x = 1.0
    while abs(x * x - a * a - 1.0) > 1e-13:
        x = 0.5 * (x + (a * a + 1.0) / x)
    return x


@numba.vectorize(["float64(float64)"])
def typed(a):
    return 3 if a > 0.5 else a


@numba.vectorize(["float32(float32)", "float64(float64)", "int64(int64)"])
def many(a):
    return a * a


@numba.vectorize(["int64(float64, float64)"])
def truncated(a, b):
    return a + b


@numba.vectorize
def half(a):
    return a * 0.5


@numba.vectorize
def picked(mask, a):
    if mask:
        return a
    return -a


@numba.guvectorize(["(float64[:], float64[:], float64[:])"], "(n),(n)->()")
def inner(a, b, out):
    s = 0.0
    for i in range(a.shape[0]):
        s += a[i] * b[i]
    out[0] = s


@numba.guvectorize(["(float64[:], float64[:], float64[:], float64[:])"], "(n),()->(n),()")
def scaled(a, b, out, total):
    for i in range(a.shape[0]):
        out[i] = a[i] * b[0]
    total[0] = np.sum(out)


@numba.guvectorize(["(float64[:,:], float64[:,:], float64[:,:])"], "(m,n),(n,p)->(m,p)")
def product(a, b, c):
    for i in range(c.shape[0]):
        for j in range(c.shape[1]):
            c[i, j] = 0.0
            for k in range(a.shape[1]):
                c[i, j] += a[i, k] * b[k, j]


@numba.guvectorize("(n),()->(n)")
def added(a, b, out):
    for i in range(a.shape[0]):
        out[i] += a[i] * b


@numba.guvectorize(["(float64[:], float64, float64[:])"], "(n),()->(n)")
def whole(a, b, out):
    out[:] = a * b


plain = np.vectorize(lambda a, b: a * b if a > 0 else np.exp(a) + b)
single = np.vectorize(lambda a: a * 2.0)
as_float = np.vectorize(lambda a: a if a > 0 else 0, otypes=[float])
two = np.vectorize(lambda a, b: (a + b, a * b))


def in_a_loop(x, y):
    s = 0.0
    for i in range(x.shape[0]):
        s += straight(x[i, 0], y[i, 1]) + np.sum(branches(x[i], s))
    return s


def with_out(x, y):
    z = np.zeros(x.shape)
    straight(x, y, z)
    w = np.zeros(x.shape)
    straight(x, 2.0, out=w)
    return z * w


def accumulated(x, y):
    out = np.ones(x.shape)
    added(x, y[:, 0], out)
    added(x, 2.0, out)
    return out


def into_a_view(x, v):
    out = np.zeros((x.shape[0] + 1, x.shape[1]))
    whole(x, v[0], out[1:])
    return out


CASES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "straight": (lambda x, y: straight(x, y), (X, Y)),
    "straight, numbers": (lambda x, y: straight(x, y), (0.3, 0.4)),
    "straight, broadcast": (lambda x, v: straight(x[:, :1], v) + straight(1.5, v), (X, V)),
    "branches": (lambda x, y: branches(x, y), (X, Y)),
    "branches, outer": (lambda v, y: branches(v[:, None], y[0]), (V, Y)),
    "branches, numbers": (lambda x, y: branches(x, y), (0.3, 0.4)),
    "escape": (lambda x, y: escape(x[None, :], y[:, None]), (np.linspace(-2.0, 0.5, 7), np.linspace(-1.0, 1.0, 6))),
    "newton": (lambda x: newton(x), (X,)),
    "typed": (lambda x: typed(x), (X,)),
    "typed, integers": (lambda k: typed(k) * 2.0 + typed(3), (K,)),
    "many, integers": (lambda k: many(k), (K,)),
    "many, float32": (lambda x: many(x), (X.astype(np.float32),)),
    "many, small integers": (lambda k: many(k), (K.astype(np.int8),)),
    "truncated": (lambda x, y: truncated(x * 9, y), (X, Y)),
    "half, float32": (lambda x: half(x), (X.astype(np.float32),)),
    "half, integers": (lambda k: half(k), (K,)),
    "half, small integers": (lambda k: half(k), (K.astype(np.int16),)),
    "picked": (lambda x: picked(x > 0, x), (X,)),
    "inner": (lambda x, y: inner(x, y), (X, Y)),
    "inner, one row": (lambda x, y: inner(x, y), (V, V + 1)),
    "inner, shared": (lambda x, v: inner(x, v), (X, V)),
    "scaled": (lambda x, y: scaled(x, y[:, 0]), (X, Y)),
    "product": (lambda x, y: product(x, y.T), (X, Y)),
    "products": (lambda x, y: product(x.reshape(2, 5, 3), y[0].reshape(3, 2)), (X, Y)),
    "whole": (lambda x, y: whole(x, y[:, 1]), (X, Y)),
    "accumulated": (accumulated, (X, Y)),
    "into a view": (into_a_view, (X, V)),
    "in a loop": (in_a_loop, (X, Y)),
    "out": (with_out, (X, Y)),
    "np.vectorize": (lambda x, y: plain(x, y), (X, Y)),
    "np.vectorize, float32": (lambda x: single(x), (X.astype(np.float32),)),
    "np.vectorize, of a function of math": (lambda x: np.vectorize(math.sin)(x), (X,)),
    "np.vectorize, otypes": (lambda x: as_float(x), (X,)),
    "np.vectorize, two results": (lambda x, v: two(x, v), (X, V)),
}
each = pytest.mark.parametrize("name", CASES)


def leaves(x: Any) -> list[Any]:
    return list(x) if isinstance(x, tuple) else [x]


@each
def test_values_and_dtypes(name: str) -> None:
    f, args = CASES[name]
    for got, want in zip(leaves(jg.jit(f)(*args)), leaves(f(*args)), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-6 if np.asarray(want).dtype == np.float32 else 1e-13)
        assert np.asarray(got).dtype == np.asarray(want).dtype and type(got) is type(want)


DOUBLE = [n for n, (_, args) in CASES.items() if all(np.asarray(a).dtype == float for a in args) and n != "truncated"]


@pytest.mark.parametrize("name", DOUBLE)
def test_derivatives(name: str) -> None:
    """Differences, forward against reverse, second order, by the interpreter."""
    f, args = CASES[name]
    found = certified(lambda *a: sum(np.sum(np.sin(y)) for y in leaves_of(f(*a))), args, {}, WITHOUT_COMPILING)
    assert found.ok and all(row.status == OK for row in found.rows if row.check != "sympy"), str(found)


def leaves_of(x: Any) -> Any:
    return x if isinstance(x, tuple) else (x,)


@pytest.mark.parametrize("name", ["straight, broadcast", "branches", "escape", "scaled", "accumulated", "in a loop"])
def test_compiled_derivatives(name: str) -> None:
    f, args = CASES[name]

    def loss(*a):
        return sum(np.sum(np.sin(y)) for y in leaves_of(f(*a)))

    dots = tuple(np.cos(np.arange(a.size)).reshape(a.shape) for a in args)
    slope = lambda a: sum(np.sum(g * d) for g, d in zip(jg.grad(loss, argnums=(0, 1))(*a), dots))
    along = jg.jvp(loss, args, dots)[1]
    np.testing.assert_allclose(slope(args), along, rtol=1e-12)
    h = 1e-6
    ahead, back = [[a + s * d for a, d in zip(args, dots)] for s in (h, -h)]
    np.testing.assert_allclose(along, (loss(*ahead) - loss(*back)) / (2 * h), rtol=1e-6)
    second = sum(np.sum(g * d) for g, d in zip(jg.hvp(loss, args, dots), dots))
    np.testing.assert_allclose(second, (slope(ahead) - slope(back)) / (2 * h), rtol=1e-6, atol=1e-8)


def test_straight_functions_are_plain_operations() -> None:
    f = jg.jit(lambda x, y: straight(x, y))
    f(X, Y)
    assert " loop" not in f.show() and "sin" in f.show()
    assert f(X[:2], Y[:2]).shape == (2, 6) and f(X[:0], Y[:0]).shape == (0, 6)
    g = jg.jit(lambda x, y: branches(x, y))
    assert g(X[:0], Y[:0]).shape == (0, 6)


def test_the_users_object_stays_as_it_is() -> None:
    @numba.vectorize
    def lazy(a):
        return a * 2.0

    jg.grad(lambda x: np.sum(lazy(x)))(X)
    assert jg.jit(lambda x: lazy(x))(X.astype(np.float32)).dtype == np.float64
    assert lazy.types == []
    assert jg.grad(lambda x: x * lazy(3.0))(1.0) == 6.0 and lazy.types == ["d->d"]  # plain values: called as it is


def test_raised_in_a_row() -> None:
    @numba.vectorize
    def root(a):
        if a < 0:
            raise ValueError("a negative number")
        return np.sqrt(a)

    f = jg.grad(lambda x: np.sum(root(x)))
    np.testing.assert_allclose(f(np.array([1.0, 4.0, 9.0, 16.0, 25.0])), 0.5 / np.arange(1.0, 6.0))
    with pytest.raises(ValueError, match="a negative number"):
        f(X[0])


def within_vmap(x, y):
    return jg.vmap(lambda v: np.sum(branches(v, y)))(x)


def test_composes() -> None:
    np.testing.assert_allclose(jg.jit(within_vmap)(X, V), [np.sum(branches(v, V)) for v in X])
    g = jg.grad(lambda x: np.sum(jg.vmap(lambda v: newton(v))(x)))(V)
    np.testing.assert_allclose(g, V / np.sqrt(V * V + 1), rtol=1e-10)


SEEN: list[float] = []


@numba.guvectorize(["(float64[:], float64[:])"], "(n)->(n)")
def writes_its_input(a, out):
    a[0] = 1.0
    out[:] = a


@numba.guvectorize(["(float64[:], float64[:])"], "(n)->(n)", target="parallel")
def parallel_rows(a, out):
    out[:] = a


@numba.vectorize(["float64(float64)"], target="parallel")
def parallel(a):
    return a


@numba.vectorize
def returns_nothing(a):
    a + 1


def remembers(a):
    SEEN.append(a)
    return a


remembering = np.vectorize(remembers)
either = np.vectorize(lambda a: a if a > 0 else 0)
layout = np.vectorize(lambda a: a.sum(), signature="(n)->()")

REFUSED: dict[str, tuple[Any, tuple[Any, ...], Any, str]] = {
    "parallel": (lambda x: parallel(x), (X,), Unsupported, "repair: leave the target out"),
    "parallel rows": (lambda x: parallel_rows(x), (X,), Unsupported, "`parallel_rows` is a compiled ufunc"),
    "reduce": (lambda x: straight.reduce(x), (X,), Unsupported, "`straight.reduce` is not supported"),
    "at": (lambda x: straight.at(np.zeros(3), [0], x), (V,), Unsupported, r"`straight.at` is not supported"),
    "outer": (lambda x: straight.outer(x, x), (V,), Unsupported, r"repair: straight\(x\[:, None\], y\)"),
    "where": (lambda x: straight(x, x, where=x > 0), (X,), Unsupported, "`straight` does not take 'where' here"),
    "too few": (lambda x: straight(x), (X,), Unsupported, "wanted: 2 arguments, and out="),
    "no signature": (lambda k: typed_only(k), (X,), DTypeError, "no signature of `typed_only` takes these arguments"),
    "unsigned": (lambda k: half(k), (K.astype(np.uint8),), DTypeError, "Numba computes with uint8 otherwise"),
    "shapes": (lambda x: straight(x, x[:, :5]), (X,), ShapeError, "shapes do not fit in straight"),
    "core shapes": (lambda x: inner(x, x[:, :5]), (X,), ShapeError, r"\(n\) as its last axes, of \(n\),\(n\)->\(\)"),
    "too few axes": (lambda x: inner(x, x[0, 0]), (X,), ShapeError, "an argument of `inner` does not fit its layout"),
    "no array for the result": (lambda x: added(x, 1.0), (X,), Unsupported, r"repair: added\(..., out\)"),
    "writes its input": (lambda x: writes_its_input(x), (X,), Exception, "an input of `writes_its_input`"),
    "no number": (lambda x: returns_nothing(x), (X,), DTypeError, "is the `return` missing?"),
    "state": (lambda x: remembering(x), (X,), Exception, "`SEEN`"),
    "int or float": (lambda x: either(x), (X,), DTypeError, r"np.vectorize\(function, otypes=\[float\]\)"),
    "signature": (lambda x: layout(x), (X,), Unsupported, "np.vectorize with signature is not supported"),
    "integer result into": (lambda x: straight(x, x, np.zeros(6, int)), (V,), DTypeError, "does not go into"),
}


@numba.vectorize(["int64(int64)"])
def typed_only(a):
    return a


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    f, args, kind, text = REFUSED[name]
    with pytest.raises(kind, match=text) as e:
        jg.jit(f)(*args)
    assert isinstance(e.value, (Unsupported, DTypeError, ShapeError, ConcretizationError, jg.errors.TraceError))
    assert "test_vectorized.py" in str(e.value)
