"""The generated source as plain Python: equal to the compiled function, and a debugger sees its lines."""

from __future__ import annotations

import bdb
import inspect
import math
from typing import Any

import numpy as np
import pytest
from scipy import special

import jitgrad as jg
from jitgrad.emit import memory, vecmath
from jitgrad.emit.plain import meanings

X = np.array([0.3, 1.2, 0.7, 2.0, 1.1])
A = np.cos(np.outer(np.arange(5.0), np.arange(1.0, 6.0))) + 3 * np.eye(5)

FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "elementwise": (lambda x: np.sum(np.tanh(x) ** x + np.arctan2(x, 2.0) * np.exp2(x)), (X,)),
    "special": (lambda x: np.sum(special.gammaln(x) + special.expit(x) * special.polygamma(1, x)), (X,)),
    "where": (lambda x: np.sum(np.where(x > 1.0, np.log(x - 1.0), np.maximum(x, 0.7))), (X,)),
    "numbers": (lambda x, n: math.sin(x) ** n / x, (2.0, 3)),
    "float32": (lambda x: np.sum(np.sqrt(x) % 0.5), (X.astype(np.float32),)),
    "matmul": (lambda a, x: np.sum(np.sin(a @ (a.T @ x)) * (x @ a)), (A, X)),
    "solve": (lambda a, x: np.sum(np.linalg.solve(a, x) ** 2) + np.sum(np.linalg.inv(a)), (A, X)),
    "matrices": (lambda a: np.linalg.slogdet(a)[1] + np.sum(np.linalg.cholesky(a @ a.T) ** 3), (A,)),
    "nothing": (lambda x: np.mean(x), (X[:0],)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_python_is_what_was_compiled(name: str) -> None:
    f, args = FUNCTIONS[name]
    g = jg.value_and_grad(f)
    value, slope = g(*args)
    results = g.python(*args)
    tolerance = 1e-5 if name == "float32" else 1e-12
    np.testing.assert_allclose(results[0], value, rtol=tolerance)
    np.testing.assert_allclose(results[1], slope, rtol=tolerance, atol=tolerance)
    assert inspect.getsource(g.python) in g.source
    assert g.python.__wrapped__.__code__.co_filename == g.programs[0].compiled.loaded.file


class Stepper(bdb.Bdb):
    """Notes the lines of one file as they run."""

    def __init__(self, file: str) -> None:
        super().__init__()
        self.file, self.lines = self.canonic(file), []

    def user_line(self, frame: Any) -> None:
        if self.canonic(frame.f_code.co_filename) == self.file:
            self.lines.append(self.text(frame.f_code.co_filename, frame.f_lineno))

    def text(self, file: str, line: int) -> str:
        import linecache

        return linecache.getline(file, line).strip()


def test_a_debugger_steps_through_it() -> None:
    g = jg.grad(FUNCTIONS["elementwise"][0])
    g(X)
    stepper = Stepper(g.programs[0].compiled.loaded.file)
    stepper.runcall(g.python, X)
    lines = [line.strip() for line in g.source.splitlines()]
    assert len(stepper.lines) > 2 * X.size and set(stepper.lines) <= set(lines)
    assert any(line.startswith("for ") for line in stepper.lines)


def test_every_function_of_texts_has_a_meaning() -> None:
    known = meanings()
    assert not [name for name in (*vecmath.TABLE, *memory.__all__) if name not in known and not hasattr(np, name)
                and name != "fma"]  # fmt: skip


def test_a_plan_prints() -> None:
    g = jg.grad(lambda x: np.sum(np.sin(x)))
    g(X)
    assert str(g.plan).startswith("plan lambda__grad(x: f64[n])") and "cos(" in repr(g.plan)
