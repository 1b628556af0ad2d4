"""What LLVM is told of arrays that share no memory: loops over fresh arrays need no comparison of addresses before they run, and
what has two names, or is a view, is taken to overlap everything."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import jitgrad as jg
from jitgrad.emit.load import Loaded, Text, load
from jitgrad.emit.scopes import MOST

HEAD = "from jitgrad.emit.memory import empty, zeros\n\n\n"


def compiled(body: str, types: str = "(f8[::1],)") -> Loaded:
    lines = "\n".join(f"    {line}" for line in body.strip("\n").splitlines())
    return load(Text("f", f"{HEAD}def f(x):\n    n = x.shape[0]\n{lines}\n", types))


def read_by_llvm(loaded: Loaded) -> str:
    (text,) = loaded.entry.inspect_llvm().values()
    return str(text)


@pytest.fixture(autouse=True)
def fresh_folder(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("JITGRAD_CACHE_DIR", str(tmp_path))


TIMES = """
a = empty(n)
b = zeros(n)
c = empty(n)
for i in range(n):
    a[i] = x[i] + 1.0
for t in range(9, -1, -1):
    for i in range(n):
        b[i] = {} * a[i]
        c[i] = b[i] + x[i]
return (a, b, c)
"""


def test_fresh_arrays_are_compared_with_nothing():
    llvm = read_by_llvm(compiled(TIMES.format("t")))
    assert "vector.body" in llvm
    assert "vector.memcheck" not in llvm
    assert "!noalias" in llvm


def test_rows_that_fall_are_vectorised():
    """LLVM compares addresses before the loop outside only where rows rise: it has nothing to compare."""
    llvm = read_by_llvm(compiled("""
rows = empty((10, n))
out = zeros(n)
for t in range(10):
    for i in range(n):
        rows[t, i] = x[i] * t
for t in range(9, -1, -1):
    for i in range(n):
        out[i] = out[i] * rows[t, i] + 1.0
return (out,)
"""))
    assert "vector.memcheck" not in llvm
    assert llvm.count("vector.body") > 1


NAMES = {
    "another name": """
a = zeros(n)
b = a
for i in range(n - 1):
    a[i + 1] = b[i] + x[i]
return (a,)
""",
    "one of two names": """
a = zeros(n)
b = zeros(n)
if x[0] > 0.0:
    b = a
for i in range(n - 1):
    a[i + 1] = b[i] + x[i]
return (a,)
""",
    "two names that are swapped": """
a = zeros(n)
b = empty(n)
for t in range(3):
    for i in range(n):
        b[i] = a[i] + x[i]
    a, b = (b, a)
for i in range(n - 1):
    a[i + 1] = b[i] + x[i]
c = a
for i in range(n - 1):
    c[i + 1] = a[i] + x[i]
return (a, b)
""",
    "a name for two arrays, one after the other": """
a = zeros(n)
for i in range(n):
    a[i] = x[i]
b = a
a = zeros(n)
for i in range(n - 1):
    b[i + 1] = b[i] + a[i]
    a[i + 1] = b[i]
return (a, b)
""",
    "a view": """
a = zeros(n)
b = a.reshape((n, 1))
c = a[1:]
for i in range(n - 1):
    a[i + 1] = b[i, 0] + x[i]
for i in range(n - 1):
    c[i] = a[i] + x[i]
return (a, b, c)
""",
    "an argument": """
a = x
b = zeros(n)
for i in range(n - 1):
    b[i] = x[i]
    a[i + 1] = x[i] + b[i]
return (a, b)
""",
    "an argument and a fresh array": """
a = zeros(n)
if n > 3:
    a = x
for i in range(n - 1):
    a[i + 1] = x[i] + 1.0
return (a,)
""",
    "arrays of an inner loop, freed and made again": """
s = 0.0
for t in range(4):
    a = empty(n)
    for i in range(n):
        a[i] = x[i] * t
    b = zeros(n)
    for i in range(n):
        b[i] += a[i]
    for i in range(n):
        s += b[i]
return (s,)
""",
}


@pytest.mark.parametrize("name", NAMES)
def test_names(name):
    loaded = compiled(NAMES[name])
    x = np.arange(1.0, 40.0)
    scope: dict[str, Any] = {"empty": np.empty, "zeros": np.zeros}
    exec(loaded.text.source.removeprefix(HEAD), scope)
    for got, wanted in zip(loaded(x.copy()), scope["f"](x.copy()), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-15)


@pytest.mark.parametrize("kind", ["f4", "c16", "b1", "i8"])
def test_kinds_of_cells(kind):
    loaded = compiled("""
a = empty(n, x.dtype)
for i in range(n):
    a[i] = x[n - 1 - i]
return (a,)
""", f"({kind}[::1],)")  # fmt: skip
    x = np.arange(9).astype(kind)
    np.testing.assert_array_equal(loaded(x)[0], x[::-1])


def test_more_arrays_than_scopes():
    count = MOST + 6
    made = "\n".join(f"a{k} = empty(n)" for k in range(count))
    filled = "\n".join(f"    a{k}[i] = x[i] + {k}.0" for k in range(count))
    given = ", ".join(f"a{k}" for k in range(count))
    loaded = compiled(f"{made}\nfor i in range(n):\n{filled}\nreturn ({given})")
    x = np.arange(20.0)
    np.testing.assert_array_equal(loaded(x), [x + k for k in range(count)])


def test_a_caller_that_copies_the_function():
    """The result of one call is the argument of the next: the scopes of the copies are not the same."""
    import numba

    step = compiled("""
a = empty(n)
for i in range(n):
    a[i] = x[i] + 1.0
return (a,)
""").entry

    @numba.njit
    def twice(x):
        (y,) = step(x)
        for i in range(y.shape[0] - 1):
            y[i + 1] += y[i]
        (z,) = step(y)
        return z

    x = np.arange(30.0)
    np.testing.assert_allclose(twice(x), np.cumsum(x + 1.0) + 1.0)


def test_a_return_sweep_is_compared_with_nothing():
    def f(x):
        u = x.copy()
        for _t in range(10):
            for i in range(1, u.shape[0] - 1):
                u[i] = u[i] * u[i]
        return np.sum(u)

    df = jg.grad(f)
    df(np.linspace(0.5, 1.0, 20))
    assert "vector.memcheck" not in read_by_llvm(df.programs[0].compiled.loaded)
