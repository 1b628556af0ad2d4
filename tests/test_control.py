"""Loops and branches: values as in Python at several sizes with one program, derivatives, traps, and what is refused."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from jitgrad.api.derive import Gradient, HessianProduct
from jitgrad.api.match import Matcher
from jitgrad.errors import (
    AliasError,
    ConcretizationError,
    EscapedError,
    IndexOutOfBounds,
    JitgradError,
    UnstableError,
    ZeroDerivativeWarning,
)
from jitgrad.front.trace import Traced, trace_call
from jitgrad.ir.interp import interp
from jitgrad.ir.show import show
from jitgrad.ir.verify import verify
from jitgrad.transform.pipeline import finished, prepared

from . import control_python  # noqa: F401  (fills the table)
from .control_programs import PROGRAMS, Case

SIZES = (7, 5, 9)
STEP = 1e-4


def copies(args: Any) -> list[Any]:
    return [a.copy() if isinstance(a, np.ndarray) else a for a in args]


def run(traced: Traced, args: Any, fn: Any = None) -> tuple[Any, ...]:
    return interp(fn or traced.fn, *copies(args), *traced.captured)


def floats(args: Any) -> tuple[int, ...]:
    return tuple(k for k, a in enumerate(args) if isinstance(a, float) or (isinstance(a, np.ndarray) and a.dtype.kind == "f"))


def directions(args: Any, seed: int = 0) -> list[Any]:
    r = np.random.default_rng(seed)
    return [r.standard_normal(np.shape(args[k]))[()] for k in floats(args)]


def difference(f: Any, args: Any, dots: Any, h: float = STEP) -> Any:
    """Central differences, extrapolated to order h^4 (Richardson)."""

    def at(e: float) -> Any:
        moved = copies(args)
        for k, d in zip(floats(args), dots):
            moved[k] = moved[k] + e * d
        return f(moved)

    def central(h: float) -> Any:
        return [(a - b) / (2 * h) for a, b in zip(at(h), at(-h))]

    return [(4 * b - a) / 3 for a, b in zip(central(h), central(h / 2))]


each = pytest.mark.parametrize("case", PROGRAMS, ids=lambda c: c.f.__name__)


@each
@pytest.mark.parametrize("small", [True, False])
def test_values(case: Case, small: bool) -> None:
    """The program of one size gives what Python gives at the others, unless a guard says that it must be made anew."""
    traced = trace_call(case.f, copies(case.arguments(SIZES[0])), small_literals=small)
    verify(traced.fn)
    for n in SIZES:
        args = case.arguments(n)
        if Matcher.of(traced).refuses(args):
            traced = trace_call(case.f, copies(args), small_literals=small)
        np.testing.assert_allclose(run(traced, args)[0], case.f(*copies(args)), rtol=1e-12)


@each
def test_gradients(case: Case) -> None:
    args = case.arguments(SIZES[0])
    traced = trace_call(Gradient(case.f, floats(args)), copies(args))
    dots = directions(args)
    got = run(traced, args, finished(prepared(traced.fn)))
    have = sum(np.sum(g * d) for g, d in zip(got, dots))
    want = difference(lambda a: [case.f(*a)], args, dots)[0]
    np.testing.assert_allclose(have, want, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("case", [c for c in PROGRAMS if c.second], ids=lambda c: c.f.__name__)
def test_second_order(case: Case) -> None:
    """Hessian times a vector, against differences of the gradient."""
    args = case.arguments(5)
    which = floats(args)
    dots = directions(args, 1)

    def moving(*xs: Any) -> Any:
        full = list(args)
        for k, x in zip(which, xs):
            full[k] = x
        return case.f(*full)

    xs = [args[k] for k in which]
    traced = trace_call(HessianProduct(moving), [tuple(xs), tuple(dots)])
    got = interp(finished(prepared(traced.fn)), *copies(xs), *dots, *traced.captured)
    gradient = trace_call(Gradient(case.f, which), copies(args))
    fn = finished(prepared(gradient.fn))
    want = difference(lambda a: run(gradient, a, fn), args, dots)
    for g, w in zip(got, want):
        np.testing.assert_allclose(g, w, rtol=1e-5, atol=1e-6)


# ---- traps: each of these was once silently wrong, or is one step from being so

X = np.linspace(0.5, 2.0, 7)


def plain(f: Any, *args: Any, **options: Any) -> Any:
    """The value of the program, which must be that of Python."""
    args = args or (X,)
    traced = trace_call(f, copies(args), **options)
    got = run(traced, args)[0]
    np.testing.assert_allclose(got, f(*copies(args)), rtol=1e-12)
    return got


def test_w1_finally_keeps_what_was_returned() -> None:
    def f(x):
        s = 0.0
        try:
            for i in range(len(x)):
                if x[i] > 1.0:
                    return s
                s += x[i]
        finally:
            s = 5.0
        return s

    assert plain(f) == pytest.approx(2.25)
    assert plain(f, X / 4) == 5.0  # no early return


def test_w2_none_is_read_without_a_trace() -> None:
    def f(x):
        best = None
        for i in range(len(x)):
            if best is None or x[i] < best:
                best = x[i]
        return best

    plain(f)
    plain(f, X[::-1].copy())


def test_w3_a_settled_variable_has_no_type() -> None:
    def asks(x):
        s = 0
        for i in range(len(x)):
            if isinstance(s, int):
                s = s + 1
            else:
                s = s + x[i]
            s = s * 1.0
        return s

    def derived(x):
        s = 0
        for i in range(len(x)):
            t = s + 1
            s = s + x[i] * (2 if type(t) is int else 3)
        return s

    def computes(x):
        s = 7
        for i in range(len(x)):
            s = s // 2 + s % 2 + x[i]
        return s / 2

    for f in (asks, derived):
        with pytest.raises(ConcretizationError, match="the type of `s` is asked for"):
            trace_call(f, [X.copy()])
    plain(computes)


def test_w3_written_out_loops_know_their_types() -> None:
    def f(x):
        s = 0
        for i in range(3):
            s = s + 1 if isinstance(s, int) else s + x[i]
            s = s * 1.0
        return s

    plain(f)


def test_w4_names_that_are_swapped_may_be_either_array() -> None:
    def outside(x):
        u, v = x, np.zeros(len(x))
        for t in range(9):
            v[0] = u[1]
            u, v = v, u
        return x[0] + u[0]

    def read_only(x):
        u, v = x, 2 * x
        for t in range(9):
            u, v = v, u
        return x[0] + u[0]

    with pytest.raises(AliasError, match="may share memory"):
        trace_call(outside, [X.copy()])
    plain(read_only)


def test_w4_a_write_in_one_iteration_is_read_in_the_next() -> None:
    def f(x):
        u = x.copy()
        v = u if x[0] > 1.0 else x
        s = 0.0
        for i in range(len(x)):
            s += v[0]
            u[0] = 5.0
        return s

    def choice(x):
        a, b = x.copy(), x.copy()
        c = a if x[0] > 1 else b
        c[0] = 100.0
        return a[0] + b[0]

    def one_side(x):
        a = np.zeros(len(x))
        b = a
        if x[0] > 1:
            b = x
        a[0] = 5.0
        return b[0]

    for g in (f, choice, one_side):
        with pytest.raises(AliasError, match="may share memory"):
            trace_call(g, [X.copy()])


def test_w4_two_names_end_an_iteration_with_one_array() -> None:
    def f(x):
        u, v = x.copy(), 2 * x
        for i in range(len(x)):
            v = v + u[0]
            u = v
            u[0] = u[0] * 0.5
            v = v * 0.9
        return u[0] + v[0]

    def refused(x):
        u, v = x.copy(), 2 * x
        for i in range(len(x)):
            u[0] = 0.5 * v[0]
            v = u
        return u[0] + v[0]

    plain(f)
    with pytest.raises(AliasError):
        trace_call(refused, [X.copy()])


OUTER = np.ones(3)


def test_w5_captured_arrays_are_not_written() -> None:
    def f(x):
        for i in range(len(x)):
            OUTER[0] = x[i]
        return OUTER[0]

    with pytest.raises(AliasError, match="`OUTER` is written"):
        trace_call(f, [X.copy()])
    assert OUTER[0] == 1.0


def test_what_break_leaves_without_a_value_has_none() -> None:
    def f(x):
        for i in range(len(x)):
            if x[i] > 1.6:
                break
            y = x[i] ** 2
        return y

    def g(x):
        for i in range(3):
            if x[i] > 1.6:
                break
            y = x[i] ** 2
        return y

    for h in (f, g):
        with pytest.raises(EscapedError, match="`y` has no value here"):
            trace_call(h, [X.copy()])


def test_static_state_of_conditional_expressions() -> None:
    def f(x):
        seen = 0

        def note():
            nonlocal seen
            seen = 1
            return 2.0

        y = note() if x[0] > 1 else 1.0
        return y * seen

    assert plain(f) == 0.0
    assert plain(f, X + 1) == 2.0


def test_loops_of_no_iterations() -> None:
    def f(x, n):
        s, k = 1.0, 7
        for i in range(n):
            k = i
            s *= x[i] / (n - 3)
        return s + k

    plain(f, X, 4)
    traced = trace_call(f, [X.copy(), 4])
    assert run(traced, [X, 0])[0] == 8.0
    assert run(traced, [X, -2])[0] == 8.0


def test_indices_are_proven() -> None:
    """No check, no wrapping where the ranges of the loops say that the cell exists."""

    def f(x):
        s = 0.0
        for i in range(1, len(x) - 1):
            for j in range(i, len(x)):
                s += x[i - 1] * x[i + 1] * x[j] * x[j - i] + x[-1 - i]
        return s

    plain(f)
    assert "check" not in show(trace_call(f, [X.copy()]).fn)
    assert "where" not in show(trace_call(f, [X.copy()]).fn)


def test_indices_are_checked_when_the_program_runs() -> None:
    def f(x, k):
        s = 0.0
        for i in range(k):
            s += x[i - 2]
        return s

    traced = trace_call(f, [X.copy(), 4])
    np.testing.assert_allclose(run(traced, [X, 6])[0], f(X, 6))
    with pytest.raises(IndexOutOfBounds):
        run(traced, [X, 12])


def test_raised_when_the_program_runs() -> None:
    class Negative(ValueError): ...

    def f(x):
        s = 0.0
        for v in x:
            if v < 0:
                raise Negative("a negative number")
            s += v**0.5
        assert s < 100, "too large"
        return s

    traced = trace_call(f, [X.copy()])
    with pytest.raises(Negative, match="a negative number"):
        run(traced, [-X])
    with pytest.raises(AssertionError, match="too large"):
        run(traced, [1e6 * X])


def test_exceptions_that_the_branch_handles() -> None:
    def f(x):
        y = 0.0
        if x[0] > 1.0:
            try:
                raise KeyError("k")
            except KeyError:
                y = x[1]
        return y

    plain(f)
    plain(f, X + 1)


def bisection(a):
    lo, hi, k = 0.0, 10.0, 0
    while True:
        mid = 0.5 * (lo + hi)
        if hi - lo < 1e-10 or k > 200:
            break
        if mid * mid > a:
            hi = mid
        else:
            lo = mid
        k += 1
    return mid


def test_bisection_has_no_derivative_and_says_so() -> None:
    plain(bisection, 2.0)
    with pytest.warns(ZeroDerivativeWarning, match="depends on `a` through comparisons only: its derivative is 0"):
        traced = trace_call(Gradient(bisection), [2.0])
    assert run(traced, [2.0]) == (0.0,)


# ---- what is refused, and with which words


def one_sided(x):
    if x[0] > 1:
        y = 2.0
    return y


def grows(x):
    out = []
    for i in range(len(x)):
        out.append(x[i] ** 2)
    return np.sum(np.array(out))


def new_key(x):
    keep = {}
    for i in range(len(x)):
        keep["last"] = x[i]
    return keep["last"]


def breaks_with(x):
    for i in range(len(x)):
        if x[i] > 1:
            y = x[i]
            break
    return y


def breaks_and_deletes(x):
    for i in range(len(x)):
        if x[i] > 1:
            y = x[i]
            break
    else:
        y = x[0]
    del y
    return y  # noqa: F821


def returns_none(x):
    if x[0] > 1:
        return None
    return x[0]


def shapes(x):
    if x[0] > 1:
        y = x
    else:
        y = x[1:]
    return y.sum()


def shrinks(x):
    y = x
    while y[0] > 0.1:
        y = y[1:] * 0.5
    return y[0]


def iterates(x):
    it = iter([1.0, 2.0, 3.0])
    s = 0.0
    for i in range(len(x)):
        s += x[i] * next(it)
    return s


def swapped(x):
    u, v = x, np.zeros(len(x))
    for t in range(9):
        v[0] = u[1]
        u, v = v, u
    return x[0] + u[0]


REFUSED = [
    (
        one_sided,
        EscapedError,
        3,
        """`y` has no value here: it gets a value on one side of an `if` only
  File "{file}", line {line}, in one_sided
    return y
           ^
  wanted: a variable that has a value on every path
  got:    `y`, which the program would have to compute on one path and not on another
  repair: give `y` a value of its final kind before""",
    ),
    (
        grows,
        ConcretizationError,
        2,
        """`out`, a list, grows or shrinks in a loop or branch that is recorded
  File "{file}", line {line}, in grows
    for i in range(len(x)):
  wanted: state of a fixed size: the body is recorded once, however often it runs
  got:    0 items before, 1 after
  repair: make it an array of its final size before, and write to its elements""",
    ),
    (
        new_key,
        ConcretizationError,
        2,
        """`keep`, a dict, grows or shrinks in a loop or branch that is recorded
  File "{file}", line {line}, in new_key
    for i in range(len(x)):
  wanted: state of a fixed size: the body is recorded once, however often it runs
  got:    the new key 'last'
  repair: give every key a value before""",
    ),
    (
        returns_none,
        UnstableError,
        3,
        """the function returns different kinds of results, depending on values that the program computes
  File "{file}", line {line}, in returns_none
    return x[0]
    ^^^^^^^^^^^
  wanted: numbers, or arrays of one shape, on every path
  got:    None on one side of an `if`, a traced float64 on the other
  repair: return the same kind of result everywhere""",
    ),
    (
        shapes,
        EscapedError,
        5,
        """`y` has no value here: a float64 array of shape (n,) on one side of an `if`, {other}
  File "{file}", line {line}, in shapes
    return y.sum()
           ^
  wanted: a variable that has a value on every path
  got:    `y`, which the program would have to compute on one path and not on another
  repair: give `y` a value of its final kind before""",
    ),
    (
        shrinks,
        UnstableError,
        2,
        """`y` is a float64 array of shape (n,) before the loop and a float64 array of shape (n - 1,) after an iteration
  File "{file}", line {line}, in shrinks
    while y[0] > 0.1:
    ^
  wanted: a variable of one kind: a number, or an array of one shape
  got:    a loop that is recorded once, and cannot begin otherwise than it goes on
  repair: give the variable its final kind before the loop""",
    ),
    (
        iterates,
        UnstableError,
        3,
        """`it`, an iterator, is used in a loop or branch that is recorded
  File "{file}", line {line}, in iterates
    for i in range(len(x)):
    ^
  wanted: a body that does the same in every iteration: it is recorded once, however often it runs
  got:    an iterator that is made outside of it, and moves on in each iteration
  repair: loop over the values themselves, with zip or an index""",
    ),
    (
        swapped,
        AliasError,
        5,
        """`x` may share memory with `v`, which a loop writes
  File "{file}", line {line}, in swapped
    return x[0] + u[0]
           ^^^^
  wanted: an array of which it is known whether the write reached it
  got:    `x` is used after the write
  repair: copy one of the two before it is written: `.copy()`""",
    ),
]


@pytest.mark.parametrize("f", [breaks_with, breaks_and_deletes])
def test_what_only_a_break_binds_is_bound_where_it_is_known_to_be(f: Any) -> None:
    with pytest.raises((EscapedError, UnboundLocalError), match="`y` has no value here|'y'"):
        trace_call(f, [X.copy()])


@pytest.mark.parametrize("f, kind, line, text", REFUSED, ids=lambda v: getattr(v, "__name__", ""))
def test_refused(f: Any, kind: Any, line: int, text: str) -> None:
    with pytest.raises(kind) as caught:
        trace_call(f, [X.copy()])
    other = "a float64 array of shape (n - 1,) on the other"
    want = text.format(other=other, file=f.__code__.co_filename, line=f.__code__.co_firstlineno + line)
    drop = lambda t: [row for row in t.splitlines() if sys.version_info >= (3, 11) or set(row) - {" ", "^"}]
    assert drop(str(caught.value)) == drop(want)
    assert isinstance(caught.value, JitgradError)
