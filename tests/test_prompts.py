"""Functions that are defined where there is no file: at a prompt, on the command line, in cells of a notebook."""

from __future__ import annotations

import linecache
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import jitgrad as jg
from jitgrad.errors import ConcretizationError

LOOPS = """
import numpy as np, jitgrad as jg

def clipped(x):
    s = 0.0
    for i in range(len(x)):
        if x[i] > 0.5:
            s += x[i] ** 2
    return s

class Model:
    rate = 2.0
    def run(self, x):
        t = 0.0
        for v in x:
            if v > 0.5:
                t += self.rate * v
        self.rate = self.rate + 0.0
        return t

@jg.grad
def decorated(x):
    while x[0] < 3.0:
        x = x * 2
    return x[0]

def outer(x):
    n = 0.0
    def step(v):
        nonlocal n
        if v > 0.5:
            n = n + v
    for v in x:
        step(v)
    return n * n

def checked(f, want):
    got = jg.grad(f)(np.arange(9.0)) if f is not decorated else f(np.ones(2))
    assert np.allclose(got, want), (got, want)

checked(clipped, 2 * np.arange(9.0))
checked(lambda x: np.sum(x * x) if x[0] > 1 else 2 * np.sum(x), np.full(9, 2.0))
checked(Model().run, 2.0 * (np.arange(9) > 0))
checked(decorated, [4.0, 0.0])
checked(outer, 72.0 * (np.arange(9) > 0))
print("fine")
"""


def run(*command: str, text: str = "") -> str:
    done = subprocess.run([sys.executable, *command], input=text, capture_output=True, text=True, timeout=300)
    return done.stdout + done.stderr


def test_the_command_line() -> None:
    assert run("-c", LOOPS).strip() == "fine"


def test_the_prompt() -> None:
    """Python's prompt keeps what was typed from 3.13 on; before, the error says so."""
    at_the_prompt = LOOPS.replace("\n    \n", "\n")
    out = run("-i", "-q", text=at_the_prompt)
    if sys.version_info >= (3, 13) and "fine" in out:
        return
    assert "the source of `clipped` cannot be found" in out and "put the function in a file or a notebook cell" in out


CELLS = [
    ("f = lambda x: np.sum(x * x) if x[0] > 1 else np.sum(x)", [1.0, 1.0, 1.0]),
    ("def f(x):\n    s = 0.0\n    for v in x:\n        if v > 0.5:\n            s += v * v\n    return s", [0.0, 2.0, 4.0]),
    ("k = 3.0\ndef f(x):\n    return k * x[1] if x[1] > 0 else x[0]", [0.0, 3.0, 0.0]),
    ("k = 5.0", [0.0, 5.0, 0.0]),
]


def test_cells_of_a_notebook() -> None:
    """As IPython runs them: each has a file name of its own, which linecache knows; names are rebound."""
    space: dict[str, Any] = {"np": np, "__name__": "__main__"}
    for k, (text, want) in enumerate(CELLS):
        name = f"<ipython-input-{k}-test>"
        linecache.cache[name] = (len(text), None, text.splitlines(True), name)
        exec(compile(text, name, "exec"), space)
        np.testing.assert_allclose(jg.grad(space["f"])(np.arange(3.0)), want)


def test_a_function_without_text() -> None:
    space: dict[str, Any] = {}
    exec("def f(x):\n    return x[0] if x[0] > 1 else x[1]\ndef g(x):\n    return x[0] * x[1]", space)
    np.testing.assert_allclose(jg.grad(space["g"])(np.array([2.0, 3.0])), [3.0, 2.0])
    with pytest.raises(ConcretizationError, match="the source of `f` cannot be found(.|\n)*put the function in a file"):
        jg.grad(space["f"])(np.ones(2))
