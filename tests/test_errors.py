"""The exception tree and its one formatter: messages, verbatim."""

import linecache
import pickle
import re
import sys
import threading

import pytest

from jitgrad import errors
from jitgrad.errors import JitgradError, ShapeError, TraceError, Where, message, raise_at, user_frame

COLUMNS = sys.version_info >= (3, 11)


def user(text, **names):
    """A module of the user's with this text, in the file `user.py`."""
    linecache.cache["user.py"] = (len(text), None, text.splitlines(True), "user.py")
    space = {"__name__": "user", **names}
    exec(compile(text, "user.py", "exec"), space)
    return space


def test_the_docstring_draws_the_tree():
    drawn = {}
    for line in errors.__doc__.split("\n"):
        if m := re.match(
            r"    (?:[| ]*[|`]-- )?(\w+(?:Error|Source|Refused|Unsupported|Bounds|Differentiable)?) *(?:\((.*?)\))?", line
        ):
            drawn[m[1]] = {b for b in (m[2] or "").split(", ") if b}
    classes = {n: c for n, c in vars(errors).items() if isinstance(c, type) and issubclass(c, JitgradError)}
    assert drawn.keys() - classes.keys() <= {"Every"} and classes.keys() <= drawn.keys()
    for name, c in classes.items():
        builtin = {b.__name__ for b in c.__bases__ if b.__module__ == "builtins"} - {"Exception"}
        assert builtin == drawn[name] and c.__doc__
        if name not in ("JitgradError", "InternalError", "NotCertified"):
            assert issubclass(c, TraceError)


def inner_of(package):
    """A function of another package that asks for the user's line."""
    space = {"__name__": package, "raise_at": raise_at, "E": ShapeError}
    exec("def fail(x): raise_at(E, 'shapes do not fit', wanted='(3,)', got='(4,)', repair='reshape it')", space)
    return space["fail"]


@pytest.mark.parametrize("package", ["jitgrad.front.x", "numpy.core", "numba", "statistics"])
def test_the_users_line(package):
    f = user("def loss(x):\n    z = 1\n    return z + fail(x) * 2\n", fail=inner_of(package))["loss"]
    with pytest.raises(ShapeError) as e:
        f(1)
    lines = [
        "shapes do not fit",
        '  File "user.py", line 3, in loss',
        "    return z + fail(x) * 2",
        "               ^^^^^^^",
        "  wanted: (3,)",
        "  got:    (4,)",
        "  repair: reshape it",
    ]
    assert str(e.value).split("\n") == [line for line in lines if COLUMNS or "^" not in line]
    assert isinstance(e.value, ValueError)


def test_the_innermost_line_of_the_users_counts():
    text = "def inner(x):\n    return fail(x)\ndef outer(x):\n    return inner(x)\n"
    with pytest.raises(ShapeError, match="line 2, in inner"):
        user(text, fail=inner_of("jitgrad"))["outer"](1)
    with pytest.raises(ShapeError, match="line 2, in inner"):  # a package that is only named alike is the user's
        user(text, fail=inner_of("jitgrad"), __name__="jitgradual")["outer"](1)


def test_a_call_over_several_lines():
    text = "def loss(x):\n    return 1 + fail(\n        x,\n    )\n"
    with pytest.raises(ShapeError) as e:
        user(text, fail=inner_of("jitgrad"))["loss"](1)
    assert str(e.value).split("\n")[2:4] == ["    return 1 + fail(", "               ^^^^^" if COLUMNS else "  wanted: (3,)"]


def test_user_frame():
    where = user(
        "def f(here):\n    return here()\n",
    )["f"](lambda: user_frame(sys._getframe(1)))
    assert (where.filename, where.lineno, where.function) == ("user.py", 2, "f")
    assert (where.col, where.end_lineno, where.end_col) == ((11, 2, 17) if COLUMNS else (None, None, None))


def test_no_frame_of_the_users():
    found = []
    space = {"__name__": "numpy", "user_frame": user_frame, "found": found}
    exec("def f(): found.append(user_frame())", space)
    thread = threading.Thread(target=space["f"])  # below it there is nothing but the standard library
    thread.start()
    thread.join()
    assert found == [None]
    assert message("headline", None, got="x") == "headline\n  got:    x"


@pytest.mark.parametrize(
    "where, lines",
    [
        (Where("user.py", 2, "f", 4, 2, 10), ["    aé = b; c", "    ^^^^^"]),
        (Where("user.py", 2, "f", 13, 2, 14), ["    aé = b; c", "            ^"]),
        (Where("user.py", 2, "f", 4, 3, 1), ["    aé = b; c", "    ^^^^^^^^^"]),
        (Where("user.py", 2, "f"), ["    aé = b; c"]),
        (Where("user.py", 9, "f", 4, 9, 10), []),
    ],
)
def test_carets_count_characters(where, lines):
    user("def f():\n    aé = b; c\n")
    head = f'  File "user.py", line {where.lineno}, in f'
    assert message("h", where).split("\n") == ["h", head, *lines]


def test_remarks_of_several_lines_are_indented():
    text = message("h", wanted="a", got="b\nc", repair="d", note="e")
    assert text == "h\n  wanted: a\n  got:    b\n          c\n  repair: d\n  note:   e"


def test_a_cause_is_kept_and_errors_pickle():
    with pytest.raises(errors.Unsupported) as e:
        raise_at(errors.Unsupported, "unknown", Where("user.py", 1, "f"), cause=KeyError("k"))
    assert isinstance(e.value.__cause__, KeyError)
    again = pickle.loads(pickle.dumps(e.value))
    assert type(again) is errors.Unsupported and str(again) == str(e.value)
