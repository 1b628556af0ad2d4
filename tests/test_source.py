"""Finding the source of a function, and saying what to do where there is none."""

import ast
import doctest
import linecache
import os
import subprocess
import sys
import textwrap

import pytest

from jitgrad.errors import NoSource
from jitgrad.front.source import find


def module(path, text):
    path.write_text(textwrap.dedent(text))
    space = {"__name__": "user"}
    exec(compile(path.read_text(), str(path), "exec"), space)
    return space


def test_the_node_of_a_function(tmp_path):
    space = module(
        tmp_path / "m.py",
        """
        def deco(f): return f
        class A:
            @deco
            @(lambda f:
                f)
            def f(self): return 1
            class _B:
                def f(self):
                    def g(): return self.__x
                    return g
            def f(self, x): return 3
        def f(): return 4
        f4 = f
        def f(): return 5
        """,
    )
    for f, lineno, private in [
        (space["A"].f, 12, "A"),
        (space["A"]._B.f, 9, "_B"),
        (space["A"]._B().f(), 10, "_B"),
        (space["f4"], 13, None),
        (space["f"], 15, None),
    ]:
        source = find(f)
        assert (source.node.lineno, source.private, source.name) == (lineno, private, f.__name__)


def test_lambdas_on_one_line(tmp_path):
    text = "fs = [lambda a: a + 1, lambda a: a - 1, (lambda a, b=lambda: 7: (lambda: a)), lambda a: a + 1.0]\n"
    fs = module(tmp_path / "m.py", text)["fs"]
    found = [ast.unparse(find(f).node).replace(" :", ":") for f in [*fs, fs[2].__defaults__[0], fs[2](1)]]
    assert found == [
        "lambda a: a + 1",
        "lambda a: a - 1",
        "lambda a, b=lambda: 7: lambda: a",
        "lambda a: a + 1.0",
        "lambda: 7",
        "lambda: a",
    ]


def test_an_edited_file_is_noticed_and_a_reloaded_one_found(tmp_path):
    path = tmp_path / "m.py"
    old = module(path, "def f(x):\n    return x + 1\n")["f"]
    assert find(old)
    new = module(path, "def f(x):\n    return x + 22\n")["f"]
    os.utime(path, (1, 1))
    assert ast.unparse(find(new).node.body[0]) == "return x + 22"
    with pytest.raises(NoSource) as e:
        find(old)
    assert str(e.value) == (
        "the source of `f` cannot be found\n"
        f'  File "{path}", line 1, in f\n'
        "    def f(x):\n"
        "  wanted: the text that the function was compiled from\n"
        "  got:    the text of the file is not what was compiled\n"
        "  repair: the file was edited after the import, or an import hook changes code: import it again"
    )
    path.write_text("def g(x): pass\n")
    with pytest.raises(NoSource, match="no function of this name begins on this line"):
        find(new)
    path.write_text("def f(x:\n")
    with pytest.raises(NoSource, match="text that is not Python"):
        find(new)


def test_asserts_that_the_test_runner_rewrote():
    def f(x):
        assert x > 0
        return x

    assert find(f).node.lineno == f.__code__.co_firstlineno


def test_no_text_at_all():
    space = {}
    exec("def f(x): return x", space)
    with pytest.raises(NoSource) as e:
        find(space["f"])
    assert str(e.value) == (
        "the source of `f` cannot be found\n"
        '  File "<string>", line 1, in f\n'
        "  wanted: the text that the function was compiled from\n"
        "  got:    no text for the file '<string>'\n"
        "  repair: put the function in a file or a notebook cell: what `exec` made has no text, nor had Python's prompt "
        "before 3.13"
    )


def test_a_notebook_cell_that_awaits():
    text = "import asyncio\nawait asyncio.sleep(0)\ndef f(x):\n    return asyncio.sleep(x)\n"
    linecache.cache["<cell>"] = (len(text), None, text.splitlines(True), "<cell>")
    code = compile(text, "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    f = next(c for c in code.co_consts if hasattr(c, "co_code"))
    assert find(type(find)(f, {})).node.lineno == 3


def test_doctests(tmp_path):
    test = doctest.DocTestParser().get_doctest(
        ">>> def f(x):\n...     return x + 1\n>>> find(f).node.name\n'f'\n", {"find": find}, "t", None, 0
    )
    runner = doctest.DocTestRunner(verbose=False)
    runner.run(test)
    assert runner.summarize(verbose=False) == (0, 2)


def test_a_module_in_a_zip_file(tmp_path, monkeypatch):
    import zipfile

    with zipfile.ZipFile(tmp_path / "z.zip", "w") as z:
        z.writestr("zipped_module.py", "import math\ndef f(x):\n    return math.sin(x)\n")
    monkeypatch.syspath_prepend(str(tmp_path / "z.zip"))
    import zipped_module

    assert find(zipped_module.f).node.lineno == 2


@pytest.mark.skipif(sys.version_info < (3, 13), reason="the prompt keeps its text from 3.13 on")
def test_the_prompt():
    typed = "from jitgrad.front.source import find\ndef f(x):\n    return x\n\nprint(find(f).node.name)\n"
    done = subprocess.run([sys.executable, "-i", "-q"], input=typed, capture_output=True, text=True, timeout=60)
    assert "f" in done.stdout.split(), done
