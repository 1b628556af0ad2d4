"""What the disk cache promises to several processes: nothing is compiled twice, nobody's death is felt."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from jitgrad.emit.load import load
from tests.test_load import SOURCE, expected, text

ROOT = Path(__file__).parents[1]

PROBE = f"""
import json, sys
import numpy as np
from jitgrad.emit import cache
from jitgrad.emit.load import Text, load
x = np.arange(6.0)
f = load(Text("total", {SOURCE!r} + "# probe\\n", "(f8[::1], f8[::1], f8)"))
value = f.entry(x, np.empty(6), 2.0)
print(json.dumps([cache.compilations, cache.loads, value, f.file, "scipy.linalg" in sys.modules]))
"""


def python(code: str, **environment: str) -> subprocess.Popen:
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code], env=env, stdout=pipe, stderr=pipe, text=True)


def result(process: subprocess.Popen) -> list:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert not err
    return json.loads(out)


def test_a_second_process_compiles_nothing(tmp_path):
    where = {"JITGRAD_CACHE_DIR": str(tmp_path)}
    assert result(python(PROBE, **where))[:2] == [1, 0]
    compiled, loaded, value, _, scipy_linalg = result(python(PROBE, PYTHONHASHSEED="7", **where))
    assert (compiled, loaded) == (0, 1) and value == pytest.approx(expected()) and not scipy_linalg


def test_a_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    compiled, _, value, file, _ = result(python(PROBE, JITGRAD_CACHE_DIR=str(tmp_path / "file" / "cache")))
    assert compiled == 1 and value == pytest.approx(expected()) and file.startswith("<jitgrad ")


DYING = """
import os, signal
replace, count = os.replace, [0]
def die(source, target):
    count[0] += 1
    if count[0] == WHICH:
        os.truncate(source, os.path.getsize(source) // 2)
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)
os.replace = die
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_concurrent_processes_of_which_some_are_killed_while_writing(tmp_path):
    where = {"JITGRAD_CACHE_DIR": str(tmp_path)}
    victims = [python(DYING.replace("WHICH", which) + PROBE, **where) for which in "12"]
    for victim in victims[:1]:
        victim.communicate()
    processes = [python(PROBE, **where) for _ in range(8)]
    victims[1].communicate()
    assert victims[0].returncode == -signal.SIGKILL
    for process in processes:
        compiled, loaded, value, _, _ = result(process)
        assert compiled + loaded == 1 and value == pytest.approx(expected())
    assert result(python(PROBE, **where))[:2] == [0, 1]


def test_a_changed_helper_is_compiled_anew(tmp_path):
    package = tmp_path / "helping"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "outer.py").write_text(
        "import numba\nfrom .inner import (\n    SCALE,\n)\n\n@numba.njit\ndef scaled(x):\n    return SCALE * x\n"
    )
    inner = package / "inner.py"
    code = textwrap.dedent("""
        import json, sys
        sys.path.insert(0, WHERE)
        from jitgrad.emit import cache
        from jitgrad.emit.load import Text, load
        f = load(Text("f", "from helping import outer\\ndef f(x):\\n    return outer.scaled(x)\\n", "(f8,)"))
        print(json.dumps([cache.compilations, f.entry(1.0)]))
        """).replace("WHERE", repr(str(tmp_path)))
    seen = []
    for scale in (2.0, 2.0, 3.0):
        inner.write_text(f"SCALE = {scale}\n")
        os.utime(inner, (1e9, 1e9))
        seen.append(result(python(code, JITGRAD_CACHE_DIR=str(tmp_path / "cache"), PYTHONDONTWRITEBYTECODE="1")))
    assert seen == [[1, 2.0], [0, 2.0], [1, 3.0]]


def test_pickle_in_a_fresh_process(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("JITGRAD_CACHE_DIR", str(folder))
    f = load(text("pickle"), parallel=False)
    (tmp_path / "f.pickle").write_bytes(pickle.dumps(f))
    code = f"""
import json, pickle
import numpy as np
f = pickle.load(open({str(tmp_path / "f.pickle")!r}, "rb"))
print(json.dumps([f.compiled, f.parallel, f.entry(np.arange(6.0), np.empty(6), 2.0)]))
"""
    compiled, parallel, value = result(python(code, JITGRAD_CACHE_DIR=str(folder)))
    assert not compiled and not parallel and value == pytest.approx(expected())


CALLER = """
import json, sys
import numpy as np
import numba
sys.path.insert(0, WHERE)
import caller
from jitgrad.emit import cache
value = caller.twice(np.arange(6.0), np.empty(6))
print(json.dumps([cache.compilations, sum(caller.twice.stats.cache_hits.values()), value]))
"""


def test_loaded_machine_code_inside_other_compiled_code(tmp_path):
    """A user's cached function calls ours: its machine code refers to our module, in the second process too."""
    (tmp_path / "caller.py").write_text(
        "import numba\nfrom jitgrad.emit.load import Text, load\n"
        f"f = load(Text('total', {SOURCE!r}, '(f8[::1], f8[::1], f8)'))\ninner = f.entry\n\n"
        "@numba.njit(cache=True)\ndef twice(x, y):\n    return 2.0 * inner(x, y, 2.0)\n"
    )
    where = {"JITGRAD_CACHE_DIR": str(tmp_path / "cache")}
    code = CALLER.replace("WHERE", repr(str(tmp_path)))
    first, second = result(python(code, **where)), result(python(code, **where))
    assert first[:2] == [1, 0] and second[:2] == [0, 1]
    assert first[2] == second[2] == pytest.approx(2 * expected())


FACTORY = """import numba

def make(scale):
    @numba.njit(error_model="numpy")
    def f(x):  # long enough for LLVM not to inline it
        s = 0.0
        for i in range(1000):
            for j in range(i):
                s = s + scale * x / (i + 1) if x > s else s - x * scale
        if s > 1e300:
            raise ValueError("big")
        t = 0.0
        for i in range(50):
            for j in range(i):
                t = t + scale * x / (i + 2) if t > s else t - s * scale
        for i in range(50):
            for j in range(i):
                t = t + scale * x / (i + 3) if t > s else t - s * scale * scale
        return s + t
    return f

one, two = make(1.0), make(2.0)
"""


def test_helpers_of_one_name_are_not_confused(tmp_path):
    """One compiled elsewhere and one compiled here, of the same name, in the order of compilation of each process."""
    (tmp_path / "factory.py").write_text(FACTORY)
    code = """
import json, sys
sys.path.insert(0, WHERE)
from jitgrad.emit.load import Text, load
source = "from factory import {0}\\ndef f(x):\\n    return {0}(x) + {0}(x + 1.0), {0}(x + 2.0) * {0}(x + 3.0)\\n"
found = [load(Text("f", source.format(name), "(f8,)")) for name in NAMES]
print(json.dumps([[f.compiled, list(f.entry(1.0)) == list(f.entry.py_func(1.0))] for f in found]))
""".replace("WHERE", repr(str(tmp_path)))
    where = {"JITGRAD_CACHE_DIR": str(tmp_path / "cache"), "PYTHONHASHSEED": "0"}  # names show the order of sets
    assert result(python(code.replace("NAMES", "['one']"), **where)) == [[True, True]]
    assert result(python(code.replace("NAMES", "['two', 'one']"), **where)) == [[True, True], [False, True]]


def test_compiled_text_with_matrix_products_and_loops_in_parallel(tmp_path):
    """What the shortened start leaves out comes when it is needed: BLAS, allocation, threads."""
    source = (
        "import numpy as np\nfrom numba import prange\n\n"
        "def f(a, b):\n    c = np.empty_like(a)\n    np.dot(a, b, c)\n    s = np.zeros(a.shape[0])\n"
        "    for i in prange(a.shape[0]):\n        s[i] = c[i, 0] + np.sin(b[i, 0])\n    return c, s\n"
    )
    code = f"""
import json
import numpy as np
from jitgrad.emit.load import Text, load
f = load(Text("f", {source!r}, "(f8[:, ::1], f8[:, ::1])"), parallel=True)
a = np.arange(9.0).reshape(3, 3)
c, s = f.entry(a, a)
print(json.dumps([f.compiled, bool(np.allclose(c, a @ a) and np.allclose(s, (a @ a)[:, 0] + np.sin(a[:, 0])))]))
"""
    where = {"JITGRAD_CACHE_DIR": str(tmp_path)}
    assert [result(python(code, **where)) for _ in range(2)] == [[True, True], [False, True]]
