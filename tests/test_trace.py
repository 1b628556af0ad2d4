"""Functions to programs: what is called, what is captured and guarded, what is refused and with which words."""

from __future__ import annotations

import functools
import math
import sys
from dataclasses import dataclass
from typing import Any, NamedTuple

import numba
import numpy as np
import pytest
from scipy.optimize import rosen

from jitgrad.errors import (
    ConcretizationError,
    DTypeError,
    EscapedError,
    JitgradError,
    Unsupported,
)
from jitgrad.front.inline import trace_inline
from jitgrad.front.standin import Array, Scalar
from jitgrad.front.trace import trace_call
from jitgrad.ir.build import replay
from jitgrad.ir.interp import interp
from jitgrad.ir.show import show

from .test_front_array import same

X = np.linspace(0.2, 1.7, 6)
W = np.arange(18.0).reshape(3, 6) / 10


# ---- a program, and its text


def test_text() -> None:
    def f(x: Any) -> Any:
        y = np.sin(x) * x
        total = np.sum(y)
        return total

    assert show(trace_call(f, [X]).fn).replace("  # test_trace.py", "  #") == TEXT % tuple(
        f.__code__.co_firstlineno + k for k in (1, 1, 2)
    )


TEXT = """sizes n >= 5
fn f(x: f64[n]) {
  t: f64[n] = sin(x)  #:%d
  y: f64[n] = mul(t, x)  #:%d
  total: f64 = sum[axes=(0,)](y)  #:%d
  return total
}
"""


# ---- what is called


class Layer:
    def __init__(self, w: Any, scale: float) -> None:
        self.w, self.scale = w, scale

    def __call__(self, x: Any) -> Any:
        return self.forward(x) * self.scale

    def forward(self, x: Any) -> Any:
        return np.tanh(self.w @ x)

    @property
    def total(self) -> Any:
        return self.w.sum()

    @staticmethod
    def half(x: Any) -> Any:
        return x / 2


@dataclass
class State:
    pos: Any
    vel: Any
    name: str = "s"

    def energy(self) -> Any:
        return np.sum(self.vel**2) / 2


class Pair(NamedTuple):
    a: Any
    b: Any


LAYER = Layer(W, 2.0)
PARAMS = [{"w": W, "b": np.ones(3)}, {"w": np.ones((1, 3)), "b": np.zeros(1)}]


@numba.njit
def compiled(x, c):  # type: ignore[no-untyped-def]
    return x * c + 1.0


def helper(x: Any, *rest: Any, scale: float = 2.0, **more: Any) -> Any:
    return x * scale + sum(rest) + more.get("shift", 0.0)


def uses_layer(x: Any) -> Any:
    return LAYER(x) + LAYER.total + Layer.half(x)[:3]


def makes_layer(x: Any) -> Any:
    layer = Layer(np.ones((2, 6)), 3.0)
    layer.scale = x[0]
    return layer(x)


def uses_state(x: Any) -> Any:
    s = State(x, 2 * x)
    s.vel[0] = 5.0
    return s.energy(), s.pos, s.vel


def uses_njit(x: Any) -> Any:
    return compiled(x, 3.0)


def uses_mlp(x: Any) -> Any:
    for p in PARAMS:
        x = np.tanh(p["w"] @ x + p["b"])
    return x[0]


def uses_closures(x: Any) -> Any:
    total = 0.0

    def add(v: Any) -> None:
        nonlocal total
        total = total + v

    def twice(g: Any) -> Any:
        return lambda v: g(g(v))

    for k in range(3):
        add(x[k])
    return twice(lambda v: v * total)(x)


def uses_keywords(x: Any) -> Any:
    return helper(x, 1.0, x[0], scale=3.0, shift=x[1]), helper(*[x], **{"scale": 1.5})


def uses_partial(x: Any) -> Any:
    return functools.partial(helper, scale=x[2])(x) + functools.reduce(lambda a, b: a + b, [x, x])


def uses_cache(x: Any) -> Any:
    return factorial(5) * x


@functools.lru_cache
def factorial(n: int) -> int:
    return 1 if n < 2 else n * factorial(n - 1)


def uses_math(x: Any) -> Any:
    a = float(x[0])
    return math.sin(a) + math.pi * max(a, 0.5, x[1]) - min(a, 3) + abs(-a) + round(a) + int(a * 3) + pow(a, 2), divmod(a, 0.3)


def uses_python(x: Any) -> Any:
    parts = {k: x[k] ** 2 for k in range(3)}
    rows = [v for _, v in sorted(parts.items())]
    first, *rest = rows
    y = np.array(rows) if len(rows) == 3 and isinstance(x, np.ndarray) else None
    kind = "float" if isinstance(first, float) else "other"
    return first, rest, y, np.stack([x, 2 * x]), kind == "float", 0 < len(rows) < 9, x.dtype == np.float64


def uses_default(x: Any, w: Any = W) -> Any:
    return w @ x


def early(x: Any, mode: str = "a") -> Any:
    for k in range(10):
        if k == 2 and mode == "a":
            return x * k
        if k > 5:
            break
    else:
        return x
    while k > 0:
        k -= 1
    return x + k


FUNCTIONS = [uses_layer, makes_layer, uses_state, uses_njit, uses_mlp, uses_closures, uses_keywords, uses_partial]
FUNCTIONS += [uses_cache, uses_math, uses_python, uses_default, early, rosen, LAYER, LAYER.forward, np.sin]
FUNCTIONS += [functools.partial(early, mode="b"), lambda x: x @ x]


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: getattr(f, "__name__", type(f).__name__))
@pytest.mark.parametrize("small", [True, False])
def test_calls(f: Any, small: bool) -> None:
    same(f, X, small_literals=small)


def test_nested_arguments() -> None:
    def f(p: Any, s: Any, x: Any, flag: Any, *rest: Any) -> Any:
        out = x @ p["w"][0] + s.a if flag == "yes" else x
        return Pair(out, {"z": s.b * rest[0], "k": "kept" if rest[1] else ""}), None

    args = ({"w": [W.T, 1.0]}, Pair(np.float32(2.0), np.ones(3)), X, "yes", 3.0, True)
    traced = trace_call(f, args)
    assert traced.names == ("p['w'][0]", "p['w'][1]", "s.a", "s.b", "x", "flag", "rest[0]", "rest[1]")
    assert [p.hint for p in traced.fn.params] == ["p_w_0", "p_w_1", "s_a", "s_b", "x", "rest_0"]
    assert [str(p.type) for p in traced.fn.params] == ["f64[n,3]", "f64", "f32", "f64[3]", "f64[n]", "f64"]
    assert [(o.kind, o.dtype, o.value) for o in traced.outs] == [
        ("array", "f64", None),
        ("array", "f64", None),
        ("static", "", "kept"),
    ]
    assert traced.out_tree.unflatten([1, 2, 3]) == (Pair(1, {"z": 2, "k": 3}), None)


def test_keyword_arguments() -> None:
    traced = trace_call(lambda x, *, y, k=2: x * y + k, [X], {"y": 2.0, "k": 3})
    assert traced.names == ("x", "y", "k")
    np.testing.assert_allclose(interp(traced.fn, X, 2.0, 3)[0], X * 2 + 3)


# ---- captured state


FACTOR = 2.0
CONFIG = {"on": True, "shift": 1.0}


def test_guards() -> None:
    local = 3.0

    def f(x: Any) -> Any:
        y = x * FACTOR * local + (CONFIG["shift"] if CONFIG["on"] else 0.0)
        return LAYER.w @ y * LAYER.scale

    traced = same(f, X)
    holds = lambda: traced.guards.arrays(traced.captured)
    assert [a is W for a in holds()] == [True]

    other = W + 1.0
    LAYER.w = other
    assert holds()[0] is other
    LAYER.w = np.ones((2, 6))
    assert holds() is None
    LAYER.w = W
    assert holds() is not None
    for change, undo in [
        (lambda: setattr(LAYER, "scale", 3.0), lambda: setattr(LAYER, "scale", 2.0)),
        (lambda: CONFIG.update(shift=2.0), lambda: CONFIG.update(shift=1.0)),
        (lambda: CONFIG.update(on=1), lambda: CONFIG.update(on=True)),
        (lambda: globals().update(FACTOR=2), lambda: globals().update(FACTOR=2.0)),
    ]:
        change()
        assert holds() is None
        undo()
        assert holds() is not None
    local = 4.0
    assert holds() is None


def test_two_names_of_one_array() -> None:
    a = b = np.ones(6)

    def f(x: Any) -> Any:
        return a * x + b

    traced = same(f, X)
    assert len(traced.captured) == 1
    a = np.zeros(6)
    assert traced.guards.arrays(traced.captured) is None
    b = a
    assert traced.guards.arrays(traced.captured)[0] is a


def test_what_is_kept_outside_is_refused_and_undone() -> None:
    seen: list[Any] = []
    total = 0.0

    def appends(x: Any) -> Any:
        seen.append(x.sum())
        return x

    def rebinds(x: Any) -> Any:
        nonlocal total
        total += x.sum()
        return x

    def sets(x: Any) -> Any:
        LAYER.last = x
        return LAYER(x)

    for f in (appends, rebinds, sets):
        with pytest.raises(EscapedError):
            trace_call(f, [X])
    assert seen == [] and total == 0.0 and not hasattr(LAYER, "last")


def test_an_escaped_stand_in_is_refused() -> None:
    class Hidden:
        __slots__ = ("x",)

    hidden = Hidden()

    def f(x: Any) -> Any:
        hidden.x = x + 1
        return x

    trace_call(f, [X])
    with pytest.raises(EscapedError, match="a trace that is over"):
        hidden.x * 2


# ---- a function within a function


def test_inline() -> None:
    def inner(y: Any, c: Any) -> Any:
        y[0] = 1.0
        return np.sum(y * y) * c

    def outer(x: Any) -> Any:
        z = x * 2.0

        def g(y: Any) -> Any:
            return inner(y, z[1]) + np.sum(z) + GLOBAL_ARRAY[0]

        made = Inlined(g)(x)
        return made, x, z

    class Inlined:
        def __init__(self, f: Any) -> None:
            self.f = f

        def _jitgrad_trace_(self) -> None: ...

        def __call__(self, x: Any) -> Any:
            if not isinstance(x, Array):
                return self.f(x.copy())
            inline = trace_inline(self.f, [x])
            (out,) = replay(inline.fn, *inline.args, *inline.captured)
            return Scalar(out)

    GLOBAL_ARRAY = np.arange(3.0)
    traced = same(outer, X)
    assert len(traced.captured) == 1


def test_inline_does_not_write_outside() -> None:
    class Inlined:
        def _jitgrad_trace_(self) -> None: ...

        def __call__(self, f: Any, x: Any) -> Any:
            return trace_inline(f, [x])

    inline = Inlined()

    def f(x: Any) -> Any:
        z = np.zeros(3)

        def g(y: Any) -> Any:
            z[0] = y[0]
            return y

        return inline(g, x)

    with pytest.raises(JitgradError, match="`z` is written inside a function that is differentiated"):
        trace_call(f, [X])


# ---- refusals, word by word


def masks(x: Any) -> Any:
    return x[x > 0]


def formats(x: Any) -> Any:
    return "{:.3f}".format(x.sum())


def foreign(x: Any) -> Any:
    return sys.getsizeof(x)


def draws(x: Any) -> Any:
    return x + np.random.normal(size=6)


def sorts(x: Any) -> Any:
    x.sort()
    return x


REFUSED = [
    (
        masks,
        ConcretizationError,
        """an array is read at a mask: how many elements that gives depends on the data
  File "{file}", line {line}, in masks
    return x[x > 0]
           ^^^^^^^^
  wanted: a result whose shape the shapes of the arguments determine
  got:    x[mask]
  repair: np.where(mask, x, 0.0) keeps the shape; to change elements: x[:] = np.where(mask, new, x)""",
    ),
    (
        formats,
        ConcretizationError,
        """a text asks for the number
  File "{file}", line {line}, in formats
    return "{{:.3f}}".format(x.sum())
           ^^^^^^^^^^^^^^^^^^^^^^^^
  wanted: a number that is known while tracing
  got:    a traced float64, which is computed when the program runs
  repair: return the value, and write the text outside of the function""",
    ),
    (
        foreign,
        ConcretizationError,
        """`sys.getsizeof` is compiled code, which cannot be traced
  File "{file}", line {line}, in foreign
    return sys.getsizeof(x)
           ^^^^^^^^^^^^^^^^
  wanted: functions of NumPy and SciPy that jitgrad knows, or plain Python functions
  got:    a float64 array of shape (n,) as argument 1
  repair: give it a derivative as a custom rule, or write it in Python""",
    ),
    (
        draws,
        Unsupported,
        """`normal` draws random numbers while the function is traced, once for all calls
  File "{file}", line {line}, in draws
    return x + np.random.normal(size=6)
               ^^^^^^^^^^^^^^^^^^^^^^^^
  wanted: the same function at every call
  got:    a random number generator
  repair: draw the numbers outside, and pass them as an argument""",
    ),
    (
        sorts,
        Unsupported,
        """`.sort()` is not supported
  File "{file}", line {line}, in sorts
    x.sort()
    ^^^^^^^^
  wanted: a function that returns a new array
  repair: np.sort(x)""",
    ),
]


@pytest.mark.parametrize("f, kind, text", REFUSED, ids=lambda v: getattr(v, "__name__", ""))
def test_refused(f: Any, kind: Any, text: str) -> None:
    with pytest.raises(kind) as caught:
        trace_call(f, [X.copy()])
    want = text.format(file=f.__code__.co_filename, line=f.__code__.co_firstlineno + 1)
    if sys.version_info < (3, 11):  # no columns
        drop = lambda t: [line for line in t.splitlines() if set(line) - {" ", "^"}]
        assert drop(str(caught.value)) == drop(want)
    else:
        assert str(caught.value) == want


@pytest.mark.parametrize(
    "f",
    [
        lambda x: float(x[0].sum() * 1j),
        lambda x: {x[0]: 1},
        lambda x: bool(x),
        lambda x: range(int(x[0]))[0],
        lambda x: x.tobytes(),
        lambda x: np.linalg.svd(W * x[0]),
        lambda x: x.reshape(4, 2),
        lambda x: x + np.ones(4),
        lambda x: x[0.5],
        lambda x: x[x.astype(int) > 0, 0],
        lambda x: np.argmax(x).reshape(2),
    ],
)
def test_other_refusals(f: Any) -> None:
    with pytest.raises((JitgradError, TypeError)):
        trace_call(f, [X])


@pytest.mark.parametrize(
    "x", [np.ones(3, complex), np.array([None]), np.ones(3, ">f8"), np.float16(1.0), 1j, np.ma.masked_array([1.0])]
)
def test_unsupported_arguments(x: Any) -> None:
    with pytest.raises(DTypeError):
        trace_call(lambda x: x, [x])


def test_a_refusal_cannot_be_caught_and_passed_over() -> None:
    def f(x: Any) -> Any:
        try:
            scale = float(x[0])
        except Exception:
            scale = 0.0
        return x * scale

    def g(x: Any) -> Any:
        try:
            return f"{x[0]}"
        except:  # noqa: E722
            return x

    def h(x: Any) -> Any:  # Python raises this, too
        try:
            return x.reshape(4, 4)
        except ValueError:
            return x[1:] * np.ones(5)

    same(f, X)
    with pytest.raises(ConcretizationError, match="a text asks for the number"):
        trace_call(g, [X])
    for small in (True, False):
        same(h, X, small_literals=small)


def test_wrong_call() -> None:
    with pytest.raises(TypeError, match="positional argument"):
        trace_call(lambda x: x, [X, X])
