"""What the program raises when it runs: the user's own exceptions with their message, at the user's line, by compiled code, as
plain Python and in the interpreter; and `try` statements around it."""

from __future__ import annotations

import contextlib
import copy
import sys
import traceback
from typing import Any

import numpy as np
import pytest

import jitgrad as jg
from jitgrad.errors import ConcretizationError, TraceError
from jitgrad.front.trace import trace_call
from jitgrad.ir.interp import interp
from jitgrad.ir.parse import parse
from jitgrad.ir.show import show

X = np.linspace(0.5, 2.5, 6)
SPD = X * X[:, None] + np.eye(6)
COLUMNS = sys.version_info >= (3, 11)


class Negative(ValueError):
    """An exception with a constructor of its own."""

    def __init__(self, where: str, *, code: int = 3) -> None:
        super().__init__(f"negative at {where}")
        self.code = code


class Diverged(Exception):
    """One that does not derive from what compiled code can raise."""


def check_positive(v):
    if v < 0:
        raise Negative("the input", code=7)
    return v**0.5


def in_a_loop(x):
    s = 0.0
    for i in range(x.shape[0]):
        s += check_positive(x[i])
    return s


def in_a_while(x):
    s, k = x[0], 0
    while s < 100.0:
        s, k = s * x[1], k + 1
        if k > 50:
            raise Diverged(f"after {k} steps, at {s:.3g}", s, 50)
    return s


def asserted(x):
    total = np.sum(x)
    assert total > 0, f"the sum {total} of {x.shape[0]} numbers"
    return total * x[0]


def in_both_branches(x):
    if x[0] > 0:
        if x[1] > 10.0:
            raise KeyError("large")
        return x[0]
    if x[1] > 10.0:
        raise SystemExit(2)
    return -x[0]


def with_a_cause(x):
    if x[0] < 0:
        raise Negative("start") from KeyError("origin")
    return x[0]


class Sealed(Exception):
    def __new__(cls, *, way):
        made = super().__new__(cls, way)
        made.way = way
        return made

    def __init__(self, *, way):
        super().__init__(f"by {way}")


def that_cannot_be_made_twice(x):
    if x[0] < 0:
        raise Sealed(way="a keyword")
    return x[0]


NUMBER = "<a traced float64>"
Raised = tuple[Any, Any, Any, tuple[Any, ...], str]
RAISED: dict[str, Raised] = {
    "a loop": (in_a_loop, -X, Negative, ("negative at the input",), 'raise Negative("the input", code=7)'),
    "a while": (in_a_while, X / 9, Diverged, (f"after <a traced int64> steps, at {NUMBER}", NUMBER, 50), "raise Diverged("),
    "an assertion": (asserted, -X, AssertionError, (f"the sum {NUMBER} of <the size n> numbers",), "assert total > 0"),
    "a branch": (in_both_branches, X + 20, KeyError, ("large",), 'raise KeyError("large")'),
    "the other branch": (in_both_branches, np.array([-1.0, 11.0, 0.0, 0.0, 0.0]), SystemExit, (2,), "raise SystemExit(2)"),
    "a cause": (with_a_cause, -X, Negative, ("negative at start",), 'raise Negative("start") from KeyError("origin")'),
    "no second one": (that_cannot_be_made_twice, -X, Sealed, ("by a keyword",), 'raise Sealed(way="a keyword")'),
}
GOOD = {"a while": X + 1.0}

HOW: dict[str, Any] = {
    "jit": lambda f: jg.jit(f),
    "grad": lambda f: jg.grad(f),
    "jvp": lambda f: lambda x: jg.jvp(f, (x,), (x,)),
    "hvp": lambda f: lambda x: jg.hvp(f, (x,), (x,)),
    "vmap": lambda f: lambda x: jg.vmap(lambda v: f(v))(np.stack([GOOD.get(f.__name__, abs(x) % 9), x])),
}


def caught(call: Any, *args: Any) -> BaseException:
    with pytest.raises(BaseException) as e:
        call(*args)
    return e.value


def check(e: BaseException, name: str) -> None:
    _, _, kind, args, line = RAISED[name]
    assert type(e) is kind and e.args == args
    last = traceback.extract_tb(e.__traceback__)[-1]
    assert last.filename == __file__ and last.line.startswith(line)


@pytest.mark.parametrize("name", RAISED)
@pytest.mark.parametrize("how", ["jit", "grad"])
def test_raised(name: str, how: str) -> None:
    f, x, *_ = RAISED[name]
    g = HOW[how](f)
    for _ in range(2):  # the second time by the short way
        e = caught(g, x)
        check(e, name)
    assert e is not caught(g, x) or name == "no second one"
    if hasattr(g, "python"):
        check(caught(g.python, x), name)
    np.testing.assert_allclose(jg.jit(f)(GOOD.get(name, X)), f(GOOD.get(name, X)))


@pytest.mark.parametrize("how", ["jvp", "hvp", "vmap"])
def test_raised_in_every_transformation(how: str) -> None:
    check(caught(HOW[how](in_a_loop), -X), "a loop")


@pytest.mark.parametrize("name", RAISED)
def test_raised_by_the_interpreter(name: str) -> None:
    f, x, kind, args, _ = RAISED[name]
    fn = trace_call(f, [x]).fn
    e = caught(interp, fn, x)
    assert type(e) is kind and e.args == args
    text = show(fn)
    assert show(parse(text)) == text
    assert isinstance(caught(interp, parse(text), x), Exception)  # of a text only the number is known


def test_what_is_raised_is_what_the_program_made() -> None:
    e = caught(jg.jit(in_a_loop), -X)
    assert isinstance(e, Negative) and e.code == 7 and e.__cause__ is None and e.__suppress_context__
    assert isinstance(caught(jg.jit(with_a_cause), -X).__cause__, KeyError)
    again = caught(jg.jit(in_a_loop), -X)
    again.note = "written by whoever caught it"
    assert not hasattr(caught(jg.jit(in_a_loop), -X), "note")


def test_texts_do_not_depend_on_the_place_of_the_file() -> None:
    g = jg.jit(in_a_loop)
    g(X)
    assert "raise ValueError('Negative: negative at the input', 0)" in g.source and __file__ not in g.source


SHARED = Diverged("one object")


def one_object_in_two_places(x):
    if x[0] < 0:
        raise SHARED
    if x[1] < 0:
        raise SHARED
    return x[0]


def test_one_object_raised_in_two_places() -> None:
    g = jg.jit(one_object_in_two_places)
    lines = [traceback.extract_tb(caught(g, x).__traceback__)[-1].lineno for x in (-X, X * np.array([1, -1, 1, 1, 1, 1]))]
    assert lines[1] == lines[0] + 2


# ---- errors of ours


def out_of_bounds(x, k):
    return np.sum(x) * x[k + 1]


def singular(a):
    return np.sum(np.linalg.solve(a, a[0]))


def indefinite(a):
    b = a * 2.0
    return np.sum(np.linalg.cholesky(b))


def inverse(a):
    return np.sum(np.linalg.inv(a)) + np.linalg.inv(a + np.eye(6))[0, 0]


OURS: dict[str, tuple[Any, tuple[Any, ...], Any, str, str]] = {
    "an index": (
        out_of_bounds, (X, np.int32(9)), IndexError, "index is out of bounds for axis 0 of size n",
        "    return np.sum(x) * x[k + 1]\n                       ^^^^^^^^",
    ),
    "solve": (
        singular, (np.ones((6, 6)),), np.linalg.LinAlgError, "Singular matrix",
        "    return np.sum(np.linalg.solve(a, a[0]))\n                  ^^^^^^^^^^^^^^^^^^^^^^^^",
    ),
    "cholesky": (
        indefinite, (-SPD,), np.linalg.LinAlgError, "Matrix is not positive definite",
        "    return np.sum(np.linalg.cholesky(b))\n                  ^^^^^^^^^^^^^^^^^^^^^",
    ),
    "inv": (
        inverse, (-np.eye(6),), np.linalg.LinAlgError, "Singular matrix",
        "    return np.sum(np.linalg.inv(a)) + np.linalg.inv(a + np.eye(6))[0, 0]\n"
        "                                      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("how", ["jit", "grad"])
def test_errors_of_ours_show_the_line(name: str, how: str) -> None:
    f, args, kind, headline, quoted = OURS[name]
    e = caught(HOW[how](f), *args)
    last = traceback.extract_tb(e.__traceback__)[-1]
    place = f'  File "{__file__}", line {last.lineno}, in {f.__name__}'
    want = [headline, place, *quoted.split("\n")]
    assert type(e) is kind and str(e).split("\n") == (want if COLUMNS else want[:-1])
    assert last.name == f.__name__ and last.line in quoted


# ---- try statements


def handles_its_own(x):
    try:
        if x[0] < 0:
            raise Negative("start")
        y = x[0]
    except ValueError:
        y = 0.0
    return y


def handled_by_the_caller(x):
    try:
        return in_a_loop(x)
    except (KeyError, Exception):
        return 0.0


def handled_by_all(x):
    try:
        assert x[0] > 0
    except:  # noqa: E722
        return 0.0
    return x[0]


def suppressed(x):
    with contextlib.suppress(ValueError):
        if x[0] < 0:
            raise ValueError("negative")
    return x[0]


def index_error(x, k):
    try:
        return x[k]
    except LookupError:
        return 0.0


def not_invertible(a):
    for shift in (0.0, 1.0):
        try:
            return np.linalg.inv(a + shift * np.eye(a.shape[0]))[0, 0]
        except np.linalg.LinAlgError:
            continue
    return 0.0


def divides(x):
    try:
        return 1.0 / x
    except ZeroDivisionError:
        return 0.0


HANDLED: dict[str, tuple[Any, tuple[Any, ...], str]] = {
    "its own": (handles_its_own, (X,), "`except ValueError` would catch Negative, which the program may raise when it runs"),
    "the caller's": (handled_by_the_caller, (X,), "`except Exception` would catch Negative"),
    "all": (handled_by_all, (X,), "`except BaseException` would catch AssertionError"),
    "suppress": (suppressed, (X,), "`except ValueError` would catch ValueError"),
    "an index": (index_error, (X, np.int32(3)), "`except LookupError` would catch IndexError"),
    "a matrix": (not_invertible, (SPD,), "`except LinAlgError` would catch LinAlgError"),
    "a division": (divides, (2.0,), "`except ZeroDivisionError` waits for what Python raises here"),
}


@pytest.mark.parametrize("name", HANDLED)
def test_what_a_handler_would_catch_is_refused(name: str) -> None:
    f, args, text = HANDLED[name]
    with pytest.raises(ConcretizationError, match=text) as e:
        jg.jit(f)(*args)
    assert "repair: write the condition as an `if`" in str(e.value) and "test_raising.py" in str(e.value)


def test_the_refusal_verbatim() -> None:
    e = caught(jg.jit(handles_its_own), X)
    line = handles_its_own.__code__.co_firstlineno + 3
    want = [
        "`except ValueError` would catch Negative, which the program may raise when it runs",
        f'  File "{__file__}", line {line}, in handles_its_own',
        '    raise Negative("start")',
        "    ^^^^^^^^^^^^^^^^^^^^^^^",
        "  wanted: exceptions that leave the function: handlers run while tracing, before the numbers are known",
        "  got:    Negative under a condition that the program computes",
        "  repair: write the condition as an `if`, with what the handler does in it",
    ]
    assert isinstance(e, TraceError)
    assert str(e).split("\n") == (want if COLUMNS else [w for w in want if "^" not in w])


def other_handler(x):
    try:
        return in_a_loop(x)
    except KeyError:
        return 0.0
    finally:
        x = None


def static_exception(x, table):
    try:
        scale = table["scale"]
    except KeyError:
        scale = 2.0
    try:
        if x.shape[0] > 100:
            raise Negative("size")
    except Negative:
        scale = 0.0
    return np.sum(x) * scale


def in_the_handler(x):
    try:
        raise KeyError("a")
    except KeyError:
        return in_a_loop(x)


def raised_again(x):
    try:
        return in_a_loop(x)
    except Negative:
        raise


def guarded_division(x):
    try:
        return 1.0 / x
    except Exception as e:
        raise Diverged("no") from e


def after_the_try(x):
    try:
        y = float("no number")
    except ValueError:
        y = x[0]
    return y * in_a_loop(x)


FINE: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "another handler": (other_handler, (X,)),
    "static": (static_exception, (X, {})),
    "in the handler": (in_the_handler, (X,)),
    "raised again": (raised_again, (X,)),
    "any error of a division": (guarded_division, (2.0,)),
    "after the try": (after_the_try, (X,)),
}


@pytest.mark.parametrize("name", FINE)
def test_other_handlers_are_no_matter(name: str) -> None:
    f, args = FINE[name]
    np.testing.assert_allclose(jg.jit(f)(*copy.deepcopy(args)), f(*args))
    if f in (other_handler, raised_again):
        check(caught(jg.jit(f), -X), "a loop")


def test_computed_bounds_of_a_slice_that_runs_backwards_are_checked() -> None:
    def f(x):
        s = 0.0
        for k in range(len(x)):
            s += x[k - 1 :: -1].sum()
        return s

    with pytest.raises(IndexError, match=r"slice bounds are not in n > start >= stop >= 0(.|\n)*x\[k - 1 :: -1\]"):
        jg.jit(f)(np.ones(7))
