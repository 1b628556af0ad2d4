"""What users ran into, one row each: programs that gave a wrong number, or a message that was not ours."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import jitgrad as jg
from jitgrad.errors import AliasError, ArgumentError, DTypeError, EscapedError, ShapeError

X = np.array([0.3, -1.2, 0.7, 2.0, 1.1, -0.4])
M = np.arange(24.0).reshape(4, 6)


def frozen(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.flags.writeable = False
    return x


def unaligned(x: np.ndarray) -> np.ndarray:
    y = np.zeros(8 * x.size + 1, np.uint8)[1:].view(np.float64)
    y[:] = x
    return y


# ---- memory that is not the usual: as an argument, and from outside

MEMORY = {
    "plain": X, "read-only": frozen(X), "unaligned": unaligned(X), "transposed": M.T[:, 1], "backwards": X[::-1],
    "broadcast": np.broadcast_to(2.0, 6), "every other": np.arange(12.0)[::2],
}  # fmt: skip


@pytest.mark.parametrize("name", MEMORY)
def test_any_memory(name: str) -> None:
    x = MEMORY[name]
    g = jg.grad(lambda z: np.sum(x * z * z))  # captured
    for _ in range(2):
        np.testing.assert_array_equal(jg.grad(square)(x), 2 * x)
        np.testing.assert_array_equal(g(X), 2 * x * X)


def square(x: Any) -> Any:
    return np.sum(x * x)


def test_one_program_for_captured_arrays_in_any_memory() -> None:
    w = X

    def f(x):
        return np.sum(w * x)

    g = jg.grad(f)
    for x in MEMORY.values():
        w = x
        np.testing.assert_array_equal(g(X), x)
    assert len(g.programs) == 1
    for x in (np.array(3.0), 4.0, 5, np.float32(6)):
        w = x
        np.testing.assert_array_equal(g(X), np.full(6, float(x)))


# ---- numbers of NumPy keep their dtype, and wrap around


@pytest.mark.parametrize("n", [np.int8(120), np.uint8(250), np.int32(7), np.uint64(2**63 + 5), np.int64(3), 3, np.float32(2.5)])
def test_numbers_keep_their_type(n: Any) -> None:
    f = jg.jit(lambda x, n: (n + n, n * x))
    with np.errstate(over="ignore"):
        wanted = (n + n, n * 2.0)
    got = f(2.0, n)
    assert got == wanted and [*map(type, got)] == [*map(type, wanted)]


def test_arrays_without_axes_come_back_as_they_went() -> None:
    x = np.array(3.0, np.float32)
    g = jg.grad(lambda x: x * x)(x)
    assert type(g) is np.ndarray and g.shape == () and g.dtype == np.float32 and g == 6


# ---- tangents and cotangents with None


def test_none_for_any_part() -> None:
    f = lambda t, y: t["a"] * t["b"] * y
    t = {"a": X, "b": 2 * X}
    out, dot = jg.jvp(f, (t, 3.0), ({"a": None, "b": X}, None))
    np.testing.assert_allclose(dot, 3 * X * X)
    np.testing.assert_allclose(jg.jvp(f, (t, 3.0), (None, 1.0))[1], 2 * X * X)
    np.testing.assert_array_equal(jg.jvp(f, (t, 3.0), (None, None))[1], np.zeros(6))
    pullback = jg.vjp(lambda x: (x, [x * x]), X)[1]
    np.testing.assert_allclose(pullback((None, [X]))[0], 2 * X * X)
    np.testing.assert_array_equal(pullback((X, None))[0], X)


def test_gradients_are_tangents() -> None:
    """A gradient has None where there is nothing to differentiate; so may a tangent."""
    p = {"w": X, "n": 3, "name": "net"}
    f = lambda p: np.sum(p["w"] ** p["n"])
    g = jg.grad(f)(p)
    np.testing.assert_allclose(jg.jvp(f, (p,), (g,))[1], np.sum(g["w"] ** 2))


def test_hessian_product_beside_integers() -> None:
    f = lambda x, n, s: np.sum(x**n) if s == "sum" else 0.0
    products = jg.hvp(f, (X, 3, "sum"), (X, None, None))
    np.testing.assert_allclose(products[0], 6 * X * X)
    assert products[1:] == (None, None)


# ---- two names for one memory


def fill_first(a: Any, b: Any) -> Any:
    a[0] = 5.0
    return np.sum(a * b)


def two_of_one(x: Any) -> Any:
    return jg.grad(fill_first)(x, x)[1]


def captured_too(x: Any) -> Any:
    def f(a: Any) -> Any:
        a[0] = 5.0
        return np.sum(a * x)

    return jg.grad(f)(x)[1]


def threaded(x: Any) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return sum(pool.map(lambda k: x[k] * 2.0, range(2)))


def shared(transform: Callable[..., Any]) -> Any:
    x = X.copy()
    return transform(fill_first)(x[1:], x[:-1])


# ---- refusals: what is called, the error, what its message says

REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "write to shared memory": (lambda: shared(jg.jit), AliasError, "`a`, which `fill_first` writes, shares memory with `b`"),
    "derivative of such": (lambda: shared(jg.grad), AliasError, "shares memory with `b`"),
    "one array twice": (lambda: jg.grad(fill_first)(X, X), AliasError, "shares memory with `b`"),
    "the same in a trace": (lambda: jg.grad(two_of_one)(X), AliasError, "`a`, which `fill_first` writes, is also `b`"),
    "captured and written": (lambda: jg.grad(captured_too)(X), AliasError, "`a`, which `f` writes, is also `x`"),
    "an integer of 70 bits": (lambda: jg.jit(lambda x, n: x * n)(2.0, 2**70), ArgumentError, "an integer is too large"),
    "tangent of an integer": (lambda: jg.jvp(lambda x: x * 2.0, (3,), (1.0,)), DTypeError, "a tangent is given for what has no"),
    "cotangent of one": (lambda: jg.vjp(np.argmax, X)[1](1.0), DTypeError, "a cotangent is given for what has no"),
    "in another thread": (lambda: jg.grad(threaded)(X), EscapedError, "a traced value is used outside of its trace"),
    "replaced in a dict": (lambda: jg.jit(lambda d: d.update(x=1.0))({"x": 2.0}), EscapedError, "changes what a container"),
    "appended to a list": (lambda: jg.jit(lambda xs: xs.append(xs[0]))([2.0]), EscapedError, "changes what a container"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    call, kind, text = REFUSED[name]
    with pytest.raises(kind) as e:
        call()
    assert text in str(e.value)


def test_shared_memory_that_is_not_written_is_fine() -> None:
    x = np.arange(12.0)
    np.testing.assert_array_equal(jg.grad(lambda a, b: np.sum(a * b))(x[1:], x[:-1]), x[:-1])
    assert jg.jit(fill_first)(x[::2], x[1::2]) == fill_first(np.arange(12.0)[::2], np.arange(12.0)[1::2])


def test_vjp_does_not_write_its_primals() -> None:
    x = X.copy()
    out, pullback = jg.vjp(fill_first, x, X)
    assert out == fill_first(X.copy(), X)
    np.testing.assert_array_equal(x, X)


# ---- what tells programs apart


class Named:
    """Equal by name, whatever it holds."""

    def __init__(self, w: float) -> None:
        self.w = w

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Named)

    def __hash__(self) -> int:
        return 1


def test_equal_objects_are_not_one_object() -> None:
    g = jg.grad(lambda x, o: x * o.w)
    assert [g(1.0, Named(2.0)), g(1.0, Named(3.0))] == [2.0, 3.0]


# ---- results have the classes of NumPy


def test_slogdet_is_a_named_tuple_of_numpy() -> None:
    got, want = jg.jit(np.linalg.slogdet)(-np.eye(3)), np.linalg.slogdet(-np.eye(3))
    assert type(got) is type(want) and got == want


# ---- pickles

cubed = jg.grad(lambda x: x**3)
decorated = jg.grad(square)


@jg.grad
def by_name(x):
    return np.sum(x * x)


def test_pickles_and_copies() -> None:
    assert pickle.loads(pickle.dumps(by_name)) is by_name
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(decorated))(X), 2 * X)
    np.testing.assert_array_equal(copy.deepcopy(decorated)(X), 2 * X)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(cubed)


# ---- sizes that are no sizes

NEW = {
    "zeros": np.zeros, "full": lambda n: np.full((2, n), 3.0), "linspace": lambda n: np.linspace(0.0, 1.0, n), "eye": np.eye,
    "tile": lambda n: np.tile(np.ones(3), n), "repeat": lambda n: np.repeat(np.ones(3), n),
    "broadcast_to": lambda n: np.broadcast_to(2.0, (n,)) * 1.0, "pad": lambda n: np.pad(np.ones(3), n),
}  # fmt: skip


@pytest.mark.parametrize("name", NEW)
def test_negative_sizes(name: str) -> None:
    """Refused, at first and when the program is there already: it would write outside of its memory."""
    f = jg.jit(NEW[name])
    for n in (6, 0, 3):
        np.testing.assert_allclose(f(n), NEW[name](n), rtol=1e-15)
    for g in (f, jg.jit(lambda n: NEW[name](n))):
        with pytest.raises(ShapeError, match="is negative"):
            g(-2)
    g = jg.jit(lambda x: NEW[name](int(x[0])))
    with pytest.raises(ValueError, match="is negative"):
        g(np.array([-2.0, 1.0]))


def test_a_new_shape_of_negative_sizes() -> None:
    """(-2) (-3) = 6 is the right number of elements."""
    f = jg.jit(lambda x, n, m: x.reshape(n, m) * 1.0)
    assert f(X, 2, 3).shape == (2, 3)
    with pytest.raises(ShapeError, match="is negative"):
        f(X, -2, -3)


# ---- errors of what nobody uses


def reads_in_a_loop_in_a_branch(x: np.ndarray, k: int) -> Any:
    if x[0] > 0.0:
        for j in range(k):
            x[j]
    return x[0] * 2.0


def reads_in_a_while_in_a_branch(x: np.ndarray, k: int) -> Any:
    if x[0] > 0.0:
        j = 0
        while j < k:
            x[j]
            j += 1
    return x[0] * 2.0


@pytest.mark.parametrize("f", [reads_in_a_loop_in_a_branch, reads_in_a_while_in_a_branch])
@pytest.mark.parametrize("what", [jg.jit, jg.grad])
def test_a_read_out_of_bounds_raises_though_nobody_uses_what_is_read(f: Any, what: Any) -> None:
    g = what(f)
    g(X, 6)
    with pytest.raises(IndexError):
        f(X, 7)
    with pytest.raises(IndexError):
        g(X, 7)
