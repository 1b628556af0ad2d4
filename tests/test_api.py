"""The public functions: what they return, how they compose, what is compiled again and what is not."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple

import numpy as np
import pytest

import jitgrad as jg
from jitgrad.errors import ArgumentError, DTypeError, JitgradError, NotDifferentiable, ShapeError

X = np.array([0.3, -1.2, 0.7, 2.0, 1.1, -0.4])


def total(x: Any) -> Any:
    return np.sum(np.sin(x) * x)


def total_grad(x: Any) -> Any:
    return np.cos(x) * x + np.sin(x)


def test_grad_as_decorator_and_as_function() -> None:
    @jg.grad
    def f(x):
        return np.sum(np.sin(x) * x)

    @jg.grad(argnums=1)
    def g(x, w):
        return np.sum(x * w * w)

    np.testing.assert_allclose(f(X), total_grad(X))
    np.testing.assert_allclose(jg.grad(total)(X), total_grad(X))
    np.testing.assert_allclose(g(X, X), 2 * X * X)


def test_one_array_passed_twice_is_two_arguments() -> None:
    g = jg.grad(lambda x, w: np.sum(x * x * w), argnums=(0, 1))
    dx, dw = g(X, X)
    np.testing.assert_allclose(dx, 2 * X * X)
    np.testing.assert_allclose(dw, X * X)


@pytest.mark.parametrize(
    ("argnums", "expected"),
    [(0, 12.0), (1, 9.0), (-1, 9.0), ("x", 12.0), ("y", 9.0), ((0, 1), (12.0, 9.0)), (("y", "x"), (9.0, 12.0)), ([1], (9.0,))],
)
def test_argnums(argnums: Any, expected: Any) -> None:
    def f(x, y):
        return x * x * y

    # d/dx = 2 x y = 12 and d/dy = x^2 = 9 at (3, 2)
    assert jg.grad(f, argnums=argnums)(3.0, 2.0) == expected


def test_argnums_of_keywords() -> None:
    def f(x, *, scale=2.0):
        return x * scale**2

    assert jg.grad(f, argnums="scale")(3.0, scale=5.0) == 30.0
    assert jg.grad(f)(3.0) == 4.0
    assert jg.grad(f)(3.0, scale=3.0) == 9.0


def test_results_are_what_python_and_numpy_would_give() -> None:
    value, slope = jg.value_and_grad(lambda x: x * x)(3.0)
    assert type(value) is float and type(slope) is float
    value, slope = jg.value_and_grad(np.sum)(X)
    assert type(value) is np.float64 and slope.dtype == np.float64
    value, slope = jg.value_and_grad(total)(X.astype(np.float32))
    assert type(value) is np.float32 and slope.dtype == np.float32


def test_has_aux() -> None:
    def f(x):
        y = np.sum(x * x)
        return y, {"half": y / 2, "name": "norm"}

    (value, aux), g = jg.value_and_grad(f, has_aux=True)(X)
    np.testing.assert_allclose([value, aux["half"]], [np.sum(X * X), np.sum(X * X) / 2])
    assert aux["name"] == "norm"
    np.testing.assert_allclose(g, 2 * X)
    g, aux = jg.grad(f, has_aux=True)(X)
    np.testing.assert_allclose(g, 2 * X)


class Point(NamedTuple):
    x: Any
    y: Any


@dataclasses.dataclass
class Model:
    w: Any
    b: float
    name: str = "linear"
    depth: int = 2


def test_trees_in_and_out() -> None:
    def f(p):
        return np.sum(p["a"] * p["b"][0]) + p["c"].x * p["c"].y ** 2

    g = jg.grad(f)({"a": X, "b": [2 * X, "text"], "c": Point(1.0, 3.0)})
    np.testing.assert_allclose(g["a"], 2 * X)
    np.testing.assert_allclose(g["b"][0], X)
    assert g["b"][1] is None and g["c"] == Point(9.0, 6.0)


def test_dataclasses() -> None:
    def f(m, x):
        y = x
        for _ in range(2):
            y = m.w * y + m.b
        return np.sum(y)

    g = jg.grad(f)(Model(0.5 * X, 0.1), X)
    assert isinstance(g, Model) and g.name is None and g.depth is None
    np.testing.assert_allclose(g.b, np.sum(1 + 0.5 * X))


class Spring:
    def __init__(self, k: float) -> None:
        self.k = k

    @jg.grad
    def force(self, x):
        return 0.5 * self.k * np.sum(x * x)

    def energy(self, x):
        return 0.5 * self.k * np.sum(x * x)


def test_methods() -> None:
    a, b = Spring(2.0), Spring(3.0)
    np.testing.assert_allclose(a.force(X), 2 * X)
    np.testing.assert_allclose(b.force(X), 3 * X)
    a.k = 5.0
    np.testing.assert_allclose(a.force(X), 5 * X)
    np.testing.assert_allclose(jg.grad(b.energy)(X), 3 * X)
    assert a.force is a.force


def test_grad_of_grad_and_of_a_function_that_calls_grad() -> None:
    def f(x):
        return x**3 * math.sin(x)

    d2 = jg.grad(jg.grad(f))
    x = 1.3
    np.testing.assert_allclose(d2(x), 6 * x * math.sin(x) + 6 * x**2 * math.cos(x) - x**3 * math.sin(x))

    def residual(x, a):
        u = jg.grad(lambda z: z**3 * a)(x)  # captures a: 3 x^2 a
        return u * x

    dx, da = jg.grad(residual, argnums=(0, 1))(2.0, 5.0)
    assert (dx, da) == (pytest.approx(9 * 4.0 * 5.0), pytest.approx(3 * 8.0))


def test_perturbations_are_not_confused() -> None:
    """d/dx (x d/dy (x + y)) = 1"""
    f = jg.grad(lambda x: x * jg.grad(lambda y: x + y)(1.0))
    assert f(1.0) == 1.0


def test_jvp_of_grad_is_hvp_is_hessian_times_vector() -> None:
    def f(x):
        return np.sum(x**3) * x[0]

    v = np.arange(6.0)
    h = jg.hessian(f)(X) @ v
    np.testing.assert_allclose(jg.jvp(jg.grad(f), (X,), (v,))[1], h)
    np.testing.assert_allclose(jg.hvp(f, (X,), (v,))[0], h)
    np.testing.assert_allclose(jg.vjp(jg.grad(f), X)[1](v)[0], h)


def test_vjp_owns_its_primals() -> None:
    x = X.copy()
    y, pullback = jg.vjp(lambda x: x**2, x)
    x[:] = 100.0
    np.testing.assert_allclose(pullback(np.ones(6))[0], 2 * X)


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
def test_jacobian(mode: str) -> None:
    def f(x, a):
        return {"y": np.outer(np.sin(x), x[:2]) * a, "s": x @ x}

    j = jg.jacobian(f, argnums=(0, 1), mode=mode)(X, 2.0)
    eps = np.eye(6) * 1e-6
    for k in range(6):
        d = (f(X + eps[k], 2.0)["y"] - f(X - eps[k], 2.0)["y"]) / 2e-6
        np.testing.assert_allclose(j["y"][0][:, :, k], d, atol=1e-8)
    np.testing.assert_allclose(j["y"][1], np.outer(np.sin(X), X[:2]))
    np.testing.assert_allclose(j["s"][0], 2 * X)
    assert j["s"][1] == 0.0


def test_hessian_of_a_tree() -> None:
    def f(p):
        return p["a"] ** 2 * np.sum(p["b"] ** 2)

    h = jg.hessian(f)({"a": 3.0, "b": X})
    np.testing.assert_allclose(h["a"]["a"], 2 * np.sum(X**2))
    np.testing.assert_allclose(h["a"]["b"], 12 * X)
    np.testing.assert_allclose(h["b"]["b"], 18 * np.eye(6))


def test_stop_gradient() -> None:
    assert jg.grad(lambda x: x * jg.stop_gradient(x))(3.0) == 3.0
    assert jg.stop_gradient({"a": 1.0}) == {"a": 1.0}


# ---- what is compiled again


def test_one_program_for_all_sizes() -> None:
    f = jg.grad(lambda x, w: np.sum(np.sin(x[1:] - x[:-1]) * w))
    for n in range(6, 46):
        x = np.linspace(0, 1, n)
        d = np.cos(np.diff(x)) * 0.5
        expected = np.concatenate([[0], d]) - np.concatenate([d, [0]])
        np.testing.assert_allclose(f(x, np.full(n - 1, 0.5)), expected)
    assert len(f.programs) == 1


SCALE = 2.0
OFFSET = np.ones(6)


def test_a_rebound_global_is_seen() -> None:
    global SCALE
    f = jg.grad(lambda x: np.sum(SCALE * x * x))
    np.testing.assert_allclose(f(X), 4 * X)
    SCALE = 3.0
    np.testing.assert_allclose(f(X), 6 * X)
    SCALE = 2.0
    np.testing.assert_allclose(f(X), 4 * X)
    assert len(f.programs) == 2


def test_a_rebound_closure_variable_is_seen() -> None:
    a = 2.0

    def f(x):
        return np.sum(a * x)

    g = jg.grad(f)
    np.testing.assert_allclose(g(X), np.full(6, 2.0))
    a = 5.0
    np.testing.assert_allclose(g(X), np.full(6, 5.0))


def test_captured_arrays_are_arguments() -> None:
    global OFFSET
    f = jg.grad(lambda x: np.sum((x - OFFSET) ** 2))
    np.testing.assert_allclose(f(X), 2 * (X - 1))
    OFFSET[:] = 3.0
    np.testing.assert_allclose(f(X), 2 * (X - 3))
    OFFSET = np.zeros(6)
    np.testing.assert_allclose(f(X), 2 * X)
    assert len(f.programs) == 1
    OFFSET = np.ones(6)


def test_integer_arguments_are_sizes() -> None:
    f = jg.jit(lambda n: np.sum(np.zeros(n) + 2.0))
    for n in (6, 7, 30):
        assert f(n) == 2.0 * n
    assert len(f.programs) == 1


def test_static_arguments() -> None:
    f = jg.grad(lambda x, kind: np.sum(x * x) if kind == "square" else np.sum(x))
    np.testing.assert_allclose(f(X, "square"), 2 * X)
    np.testing.assert_allclose(f(X, "plain"), np.ones(6))


def test_not_contiguous_and_rank_0_arguments() -> None:
    m = np.arange(24.0).reshape(4, 6)
    f = jg.grad(lambda x: np.sum(x * x))
    np.testing.assert_allclose(f(m.T), 2 * m.T)
    np.testing.assert_allclose(f(m[::2, ::3]), 2 * m[::2, ::3])
    np.testing.assert_allclose(f(np.array(3.0)), 6.0)


def test_a_derivative_never_writes_its_arguments() -> None:
    def f(x):
        x[0] = 2.0
        x *= 2.0
        return np.sum(x * x)

    x = X.copy()
    g = jg.grad(f)(x)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_allclose(g, np.where(np.arange(6) == 0, 0, 8 * X))


def test_jit_writes_like_python() -> None:
    def f(x, out):
        out[1:] = x[1:] * 2.0
        return np.sum(out)

    out = np.ones(6)
    assert jg.jit(f)(X, out) == pytest.approx(1 + 2 * np.sum(X[1:]))
    np.testing.assert_allclose(out[1:], 2 * X[1:])


# ---- what is refused


def refusal(f: Any, *args: Any) -> str:
    with pytest.raises(JitgradError) as e:
        f(*args)
    return str(e.value)


def test_refusals() -> None:
    with pytest.raises(ShapeError, match=r"did not return one real number"):
        jg.grad(lambda x: x)(X)
    with pytest.raises(ShapeError, match=r"is the `return` missing"):
        jg.grad(lambda x: None)(X)
    with pytest.raises(NotDifferentiable, match="returned a constant"):
        jg.grad(lambda x: 3.0)(X)
    with pytest.raises(DTypeError, match="which has no derivative"):
        jg.grad(lambda n: n * 2.0)(3)
    with pytest.raises(DTypeError, match="which has no derivative"):
        jg.grad(lambda s: 1.0)("text")
    with pytest.raises(ArgumentError, match="has no argument 2"):
        jg.grad(lambda x, y: x * y, argnums=2)(1.0, 2.0)
    with pytest.raises(ArgumentError, match="has no argument 'z'"):
        jg.grad(lambda x, y: x * y, argnums="z")(1.0, 2.0)
    with pytest.raises(ArgumentError, match="argnums does not name"):
        jg.grad(lambda x: x, argnums=1.5)
    with pytest.raises(ArgumentError, match="did not return a pair"):
        jg.grad(lambda x: x * x, has_aux=True)(2.0)
    with pytest.raises(ArgumentError, match="unknown mode"):
        jg.jacobian(lambda x: x, mode="sideways")
    with pytest.raises(ArgumentError, match="two tuples of equal length"):
        jg.jvp(lambda x: x, (1.0,), (1.0, 2.0))
    with pytest.raises(ShapeError, match="a tangent does not have the shape"):
        jg.jvp(lambda x: x, (X,), (np.ones(3),))
    with pytest.raises(ShapeError):
        jg.grad(lambda x: np.sum(x + np.ones(5)))(X)
    with pytest.raises(ArgumentError, match="has no program yet"):
        _ = jg.grad(lambda x: x).source


def test_a_message_verbatim() -> None:
    text = refusal(jg.grad(lambda x: np.sum(np.fft.fft(x))), X)
    assert "np.fft" in text or "fft" in text
    assert __file__ in text and "wanted" in text or "got" in text
