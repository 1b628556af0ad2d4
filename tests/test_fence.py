"""The fence: what is refused, where, and in which words; and that its tables cover the language."""

import ast
import linecache
import sys

import pytest

from jitgrad.errors import SyntaxRefused
from jitgrad.front import fence
from jitgrad.front.rewrite import convert

from .plain_runtime import PlainRuntime


def function(text, filename="user.py"):
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
    space = {}
    exec(compile(text, filename, "exec"), space)
    return space["f"]


REFUSED = [
    ("async def f(x):\n    return x\n", 1, "async def f(x):", "async functions"),
    ("def f(x):\n    async def g(): pass\n", 2, "async def g(): pass", "async functions"),
    ("def f(x):\n    global N\n    N = x\n", 2, "global N", "the global variable `N` is assigned"),
    ("def f(x):\n    def g():\n        global N, M\n        M += 1\n", 3, "global N, M", "the global variable `M`"),
    ("def f(x):\n    global N\n    for N in x: pass\n", 2, "global N", "the global variable `N` is assigned"),
    ("def f(x):\n    return 1 + eval('x')\n", 2, "eval('x')", "`eval`"),
    ("def f(x):\n    exec('x = 1')\n", 2, "exec('x = 1')", "`exec`"),
    ("def f(x):\n    return [locals() for _ in x]\n", 2, "locals()", "`locals()`"),
    ("def f(x):\n    return lambda: globals()['x']\n", 2, "globals()", "`globals()`"),
    ("def f(x):\n    return vars()\n", 2, "vars()", "`vars()` without an object"),
    ("def f(x):\n    return dir(), dir(x)\n", 2, "dir()", "`dir()` without an object"),
    ("def f(x):\n    try: pass\n    finally:\n        if x: return 1\n", 4, "return 1", "a jump out of `finally`"),
    ("def f(x):\n    for _ in x:\n        try: pass\n        finally: break\n", 4, "break", "a jump out of `finally`"),
    ("def f(x):\n    _jg_value = x\n", 1, "def f(x):", "a variable named `_jg_value`"),
    ("f = lambda _jg: _jg\n", 1, "lambda _jg: _jg", "a variable named `_jg`"),
]
if sys.version_info >= (3, 11):
    text = "def f(x):\n    try: pass\n    except* ValueError: pass\n"
    REFUSED.append((text, 2, "try: pass", "`except*`"))
if sys.version_info >= (3, 12):
    REFUSED.append(("def f(x):\n    type T = int\n", 2, "type T = int", "`type` statements"))


@pytest.mark.parametrize("text, line, marked, got", REFUSED, ids=[r[3] for r in REFUSED])
def test_refused(text, line, marked, got):
    with pytest.raises(SyntaxRefused) as e:
        convert(function(text), PlainRuntime())
    head, place, quoted, carets, wanted, got_line, repair = str(e.value).split("\n")
    assert head == "this syntax cannot be traced"
    assert place.startswith(f'  File "user.py", line {line}, in ')
    start = carets.index("^")
    assert quoted[start : start + carets.count("^")] == marked
    assert got_line.startswith(f"  got:    {got}") and repair.startswith("  repair: ")


def test_the_message():
    with pytest.raises(SyntaxRefused) as e:
        convert(function("def f(é, x):\n    y = é; exec(x)\n"), PlainRuntime())
    assert str(e.value) == (
        "this syntax cannot be traced\n"
        '  File "user.py", line 2, in f\n'
        "    y = é; exec(x)\n"
        "           ^^^^^^^\n"
        "  wanted: plain Python functions: see the list in jitgrad/front/fence.py\n"
        "  got:    `exec`\n"
        "  repair: write the code out"
    )


ALLOWED = [
    "def f(x):\n    global N\n    return N\n",
    "def f(x):\n    class C:\n        async def g(self): await x\n    return C\n",
    "def f(x):\n    try: pass\n    finally:\n        for _ in x: break\n",
    "def f(x):\n    yield vars(x), dir(x)\n",
    "def f(x):\n    def locals_(): return 1\n    return x.eval(locals_())\n",
]


@pytest.mark.parametrize("text", ALLOWED)
def test_allowed(text):
    assert convert(function(text), PlainRuntime()).__name__ == "f"


def test_the_tables_cover_the_language():
    """Every kind of statement and expression of this Python is in one of the tables, and none is in both."""
    kinds = [k for base in (ast.stmt, ast.expr, ast.pattern) for k in base.__subclasses__()]
    kinds += [ast.excepthandler, ast.withitem, ast.match_case, ast.comprehension, ast.arguments, ast.arg, ast.keyword]
    outdated = {"Num", "Str", "Bytes", "NameConstant", "Ellipsis", "excepthandler"}  # kept by ast for old programs
    names = {k.__name__ for k in kinds} - outdated
    assert names <= fence.SUPPORTED.keys() | fence.REFUSED.keys(), names - fence.SUPPORTED.keys() - fence.REFUSED.keys()
    assert not fence.SUPPORTED.keys() & fence.REFUSED.keys()


def test_syntax_of_a_python_to_come_is_refused(monkeypatch):
    monkeypatch.delitem(fence.SUPPORTED, "Starred")
    with pytest.raises(SyntaxRefused, match="Starred, syntax that jitgrad does not know"):
        convert(function("def f(x):\n    return [*x]\n", "<to come>"), PlainRuntime())
