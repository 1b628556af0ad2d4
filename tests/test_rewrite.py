"""Rewritten functions do what the functions do: results, exceptions, lines; and what the run time gets to see."""

import copy
import gc
import sys
import traceback
import types

import pytest

from jitgrad.front import rewrite
from jitgrad.front.rewrite import convert, is_converted, show

from . import corpus_syntax
from .corpus_syntax import CASES
from .plain_runtime import PlainRuntime, from_text

CORPUS = corpus_syntax.__path__[0]


def run(f, arguments):
    """-> ("value", result) or ("error", type, line, function)"""
    try:
        result = f(*copy.deepcopy(arguments))
        if isinstance(result, types.GeneratorType):
            result = list(result)
        return "value", result
    except Exception as e:
        inner = [frame for frame in traceback.extract_tb(e.__traceback__) if frame.filename.startswith(CORPUS)]
        # A variable of a closure raises NameError where a local one raises its subclass UnboundLocalError.
        kind = NameError if isinstance(e, NameError) else type(e)
        return "error", kind, e.args if kind is not NameError else (), inner[-1].lineno, inner[-1].name


@pytest.mark.parametrize("follow", [False, True], ids=["alone", "with its callees"])
@pytest.mark.parametrize("f, arguments", CASES, ids=[f"{k}-{f.__name__}" for k, (f, _) in enumerate(CASES)])
def test_corpus(f, arguments, follow):
    g = convert(f, PlainRuntime(follow))
    if getattr(f, "__closure__", None):  # twins share their cells: put back what the first run changed
        before = [c.cell_contents for c in f.__closure__]
        expected = run(f, arguments)
        for c, v in zip(f.__closure__, before):
            c.cell_contents = v
    else:
        expected = run(f, arguments)
    assert run(g, arguments) == expected


# ---- what the run-time object sees -----------------------------------------------------------------------------------


def logged(f, *args, kinds):
    runtime = PlainRuntime()
    convert(f, runtime)(*args)
    return [entry for entry in runtime.log if entry[0] in kinds]


K, ARRAY = 2.0, [1, 2, 3]


def test_globals_and_closure_variables_are_loaded_once_a_read():
    free = 5

    def f(n):
        s = K + free
        for i in range(n):
            s += K * len(ARRAY) + ARRAY[i]
        return max([s, *(K for K in range(2))]) + undefined if s < 0 else s  # noqa: F821

    assert logged(f, 2, kinds=["load"]) == [
        ("load", "K"), ("load", "free"),
        ("load", "K"), ("load", "ARRAY"), ("load", "ARRAY"),
        ("load", "K"), ("load", "ARRAY"), ("load", "ARRAY"),
    ]  # fmt: skip


def test_a_builtin_that_is_hidden_by_a_global_is_loaded():
    text = "def f(x):\n    return max(x, min(x, 1))\n"
    f = from_text(text, "<hiding>", max=lambda a, b: "mine")["f"]
    assert logged(f, 3, kinds=["load"]) == [("load", "max")]
    g = types.FunctionType(f.__code__, {**f.__globals__, "min": lambda a, b: "also mine"})
    assert logged(g, 3, kinds=["load"]) == [("load", "max"), ("load", "min")]


def test_named_gets_the_pattern_of_the_target():
    def f(x):
        a = b = x
        c, (d, *e), x[0] = a
        for i, v in enumerate([1]):
            e: int = v
            e += 1
        (x[1], x[2]) = b[:2]
        if (w := x) and [q := 1]:
            return [z for z in w]

    patterns = ["a", ("c", ("d", "*e"), None), ("i", "v"), "e", "e", "w", "q"]
    assert logged(f, [1, (2, 3), 4], kinds=["named"]) == [("named", p) for p in patterns]


def test_bases_and_attributes():
    def f(d, o):
        d["a"][0] = d["b"]
        d["a"][0] += o.x.real
        o.x = o.x + 1
        o.x += 1
        del d["b"]
        return d["a"][:1]

    d, o = {"a": [0], "b": 1}, types.SimpleNamespace(x=1)
    log = logged(f, d, o, kinds=["base", "attr"])
    assert log == [
        ("base", "dict"), ("base", "dict"), ("base", "list"),
        ("base", "dict"), ("base", "list"), ("attr", "x"), ("attr", "real"),
        ("attr", "x"),
        ("base", "dict"), ("base", "dict"), ("base", "list"),
    ]  # fmt: skip


def test_names_exports_and_flags():
    def f(xs):
        s, last = 0.0, None
        for x in xs:
            t = x * x
            s += t
            for k in range(2):
                u = k + s
                if u > 100:
                    return u
            last = u
            if s > 3:
                break
        return s, last, [x for x in (1, 2)]

    log = logged(f, [1.0], kinds=["for_"])
    outer, inner = "_jg_break_1", "_jg_return_3"
    assert log == [
        (
            "for_",
            ("x", "t", "s", inner, "k", "u", "_jg_value", "_jg_return_2", outer, "last"),
            ("x", "s", "_jg_value", "_jg_return_2", "last"),
            outer,
        ),
        ("for_", ("k", "u", "_jg_value", inner), ("u", "_jg_value", inner), inner),
    ]


def test_no_flag_where_the_rest_of_a_block_can_move():
    def f(xs):
        for x in xs:
            if x < 0:
                continue
            if x == 0:
                y = 1
            else:
                continue
            xs = y
        if xs:
            return 1
        elif xs is None:
            return 2
        return 3

    assert "_jg_return" not in show(f) and "_jg_continue" not in show(f) and "_jg_break" not in show(f)


def test_variables_rebound_by_nested_functions_are_among_the_names():
    def f(xs):
        n = m = 0

        def g():
            nonlocal n
            own = 1

            def h():
                nonlocal n, own
                n, own = n + own, 2

            h()

        for x in xs:
            if x:
                g()
        return n, m

    log = logged(f, [1], kinds=["for_", "if_"])
    assert log == [("for_", ("x", "n"), ("n",), None), ("if_", ("n",))]


class Private:
    __k = 2

    def f(self, __n):
        for __i in range(__n):
            __s = self.__k + K
        return __s


def test_private_names_come_mangled():
    log = logged(Private.f, Private(), 1, kinds=["for_", "attr", "named"])
    assert log[0][1] == ("_Private__i", "_Private__s")
    assert log[1:] == [("named", "_Private__i"), ("attr", "_Private__k"), ("named", "_Private__s")]


def test_a_private_global_is_loaded_by_its_mangled_name():
    text = "class C:\n    def f(self):\n        return __x\n_C__x = 7\n"
    assert logged(from_text(text, "<private>")["C"].f, None, kinds=["load"]) == [("load", "_C__x")]


def test_the_twin_is_the_function():
    cell = 1

    def f(a, b=[], *, c=K) -> int:
        """Doc."""
        b.append(a)
        return cell, c

    f.mark = "kept"
    g = convert(f, PlainRuntime())
    for name in ("__name__", "__qualname__", "__module__", "__doc__", "__defaults__", "__kwdefaults__", "__dict__"):
        assert getattr(g, name) == getattr(f, name), name
    assert g.__globals__ is f.__globals__ and g.__annotations__ == f.__annotations__
    assert g.__defaults__[0] is f.__defaults__[0]
    assert (g.__code__.co_filename, g.__code__.co_name) == (f.__code__.co_filename, "f")
    cell = 2  # the same cell
    assert g(1) == (2, K)
    assert is_converted(g) and not is_converted(f) and convert(g, PlainRuntime()) is g


def test_conversion_is_cached_and_forgotten_with_the_code():
    gc.collect()
    f = from_text("def f(x):\n    return x[0]\n", "<cached>")["f"]
    assert convert(f, PlainRuntime()).__code__ is convert(f, PlainRuntime()).__code__
    size = len(rewrite._converted)
    del f
    gc.collect()
    assert len(rewrite._converted) == size - 1


def test_equal_cells_of_a_notebook_keep_their_own_file_names():
    text = "def f(x):\n    return 1 / x[0]\n"
    one, two = (from_text(text, f"<cell {k}>")["f"] for k in (1, 2))
    assert one.__code__ == two.__code__
    assert [convert(f, PlainRuntime()).__code__.co_filename for f in (one, two)] == ["<cell 1>", "<cell 2>"]


def test_nested_functions_have_their_own_names():
    def f(n):
        for _ in range(n):

            def g():
                pass

            class C:
                def m(self):
                    pass

        return g, C, C.m, (lambda: 0) if n else None

    def names(xs):
        return [(x.__name__, x.__qualname__) for x in xs]

    g = convert(f, PlainRuntime())
    made, expected = names(g(1)), names(f(1))
    # a lambda in a conditional expression stands in the thunk of the expression
    assert made[:3] == expected[:3] and made[3][0] == "<lambda>"


def test_methods_of_a_class_in_a_function_are_found_and_converted():
    """The class body is left as it is; what is defined in it is converted when it is called."""

    def f(x):
        class C:
            def __m(self, y):
                return copy.copy(self.__n(y) if y else x)

            def __n(self, y):
                return K * y

            __call__ = __m

        return C().__call__(x)

    runtime = PlainRuntime(follow=True)

    def fn(function):  # a bound method, converted
        return types.MethodType(convert(function.__func__, runtime), function.__self__) if bound(function) else function

    def bound(function):
        return isinstance(function, types.MethodType)

    runtime.fn = fn
    assert convert(f, runtime)(3) == 6.0
    assert [e for e in runtime.log if e[0] == "load"] == [("load", "copy"), ("load", "K")]


def test_a_traceback_names_the_users_functions_only():
    def f(xs):
        for x in xs:
            if x > 1:
                return x and [1 / k for k in (0,)]

    try:
        convert(f, PlainRuntime())([2])
    except ZeroDivisionError as e:
        frames = [fr for fr in traceback.extract_tb(e.__traceback__) if fr.filename == __file__]
    assert {fr.name for fr in frames} - {"<listcomp>"} == {"test_a_traceback_names_the_users_functions_only", "f"}
    assert "1 / k" in frames[-1].line


@pytest.mark.skipif(sys.version_info < (3, 11), reason="no columns before")
def test_columns_are_the_users():
    def f(x):
        return x.real + x.nothing(1)[2]

    try:
        convert(f, PlainRuntime())(1)
    except AttributeError as e:
        frame = [fr for fr in traceback.extract_tb(e.__traceback__) if fr.filename == __file__][-1]
    assert frame.line == "return x.real + x.nothing(1)[2]"
    indent = 8
    assert (frame.colno, frame.end_colno) == (indent + len("return x.real + "), indent + len("return x.real + x.nothing"))
