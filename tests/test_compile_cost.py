"""What the first gradient costs, counted and not timed: statements of the text, walks over the program, instructions for LLVM;
and that the compiler of generated text, which leaves out most of Numba's, gives what Numba gives.
"""

from __future__ import annotations

from collections import Counter

import numba
import numpy as np
import pytest
from numba.core import types
from numba.core.codegen import CPUCodeLibrary
from numba.core.runtime import _nrt_python

import jitgrad as jg
from benchmarks._first_loops import CASES, compiled
from jitgrad.emit import load, start
from jitgrad.emit.compiler import Compiler, asked_once
from jitgrad.emit.cpu import MODULES
from jitgrad.emit.python import emit
from jitgrad.front.trace import trace_call
from jitgrad.lower.schedule import schedule
from jitgrad.transform import simplify as simplify_module
from jitgrad.transform.pipeline import finished, prepared
from jitgrad.transform.simplify import simplify

# ---- the program: statements of the generated text, and how often `simplify` writes a program again on the way

# fmt: off
COSTS = {  # a fifth more than what it is
    "Lennard-Jones":    (55, 16),
    "Lotka-Volterra":   (130, 5),
    "Lorenz-96":        (208, 26),
    "heat":             (75, 40),
    "Gauss-Seidel":     (50, 15),
    "LU":               (45, 17),
    "Cholesky":         (56, 21),
    "tridiagonal":      (80, 14),
    "shallow water":    (315, 45),
    "Gram-Schmidt":     (85, 26),
    "Viterbi":          (112, 38),
    "hares":            (175, 11),
    "hares, Hessian":   (400, 15),
}
# fmt: on


@pytest.mark.parametrize("name", COSTS)
def test_programs_stay_small_and_are_not_walked_over_and_over(name, monkeypatch):
    walks = Counter()
    rewritten = simplify_module.rewritten

    def counted(rewriter):
        walks[type(rewriter).__name__] += 1
        return rewritten(rewriter)

    monkeypatch.setattr(simplify_module, "rewritten", counted)
    case = CASES[name]
    traced = trace_call(compiled("jitgrad", case).transformation, case.args(), {})
    text = emit(schedule(finished(prepared(traced.fn))), MODULES)
    statements, again = COSTS[name]
    assert len(text.source.splitlines()) <= statements
    assert walks.total() <= again


def test_what_is_simple_is_not_simplified_again(monkeypatch):
    traced = trace_call(jg.grad(lambda x: np.sum(x * x) * 1.0).transformation, (np.ones(3),), {})
    fn = prepared(traced.fn)
    monkeypatch.setattr(simplify_module, "rewritten", lambda *_: pytest.fail("walked again"))
    assert simplify(fn) is fn


# ---- the compiler

SUM = """import numpy as np


def total(x, n):
    s = 0.0
    for i in range(n):
        for j in range(3):
            s += x[i, j] * x[i, 0]
    return s
"""


def text(source: str, signature: str) -> load.Text:
    return load.Text(source.split("def ")[1].split("(")[0], source, signature)


def test_a_statement_is_few_instructions(monkeypatch, tmp_path):
    """Numba's own way takes the whole array apart for each cell, and divides for each loop."""
    monkeypatch.setenv("JITGRAD_CACHE_DIR", str(tmp_path))
    modules = []
    add = CPUCodeLibrary.add_ir_module
    monkeypatch.setattr(CPUCodeLibrary, "add_ir_module", lambda self, m: [modules.append((self.name, str(m))), add(self, m)][-1])

    def instructions(name, **options):
        program = text(SUM.replace("total", name), "(float64[:, ::1], int64)")
        if options:
            scope = {}
            exec(program.source, scope)
            numba.njit(**options)(scope[name]).compile(program.signature)
        else:
            load.load(program)
        return len(next(module for owner, module in modules if owner == name).splitlines())

    assert 2 * instructions("ours") < instructions("numbas", error_model="numpy")


def test_the_type_of_an_operation_is_searched_once():
    start.to_compile()
    kind = types.functions.BaseFunction
    own = kind.get_call_type
    add = numba.core.registry.cpu_target.typing_context.resolve_value_type(np.add)
    context = numba.core.registry.cpu_target.typing_context
    with asked_once():
        first = add.get_call_type(context, (types.float64, types.float64), {})
        assert add.get_call_type(context, (types.float64, types.float64), {}) is first
        assert add.get_call_type(context, (types.int64, types.int64), {}) is not first
    assert kind.get_call_type is own


LOOPS = """import numpy as np


def loops(x, n):
    y = np.zeros(7)
    for i in range(n):
        y[0] += x[i]
    for i in range(2, n):
        y[1] += i * x[i]
    for i in range(n - 1, -1, -1):
        y[2] = 0.5 * y[2] + x[i]
    for i in range(0, n, 2):
        y[3] += x[i]
    for i in range(n, 2, -3):
        y[4] += i
    for i in range(n):
        if x[i] < 0.0:
            break
        for j in range(i, n):
            y[5] += x[j]
    i = n
    for i in range(3, 3):
        y[6] = 1.0
    y[6] += i
    return y
"""

CELLS = """import numpy as np


def cells(x, k, flags):
    y = x.copy()
    z = y
    for i in range(k.shape[0]):
        flags[i] = x[k[i], 1] > z[0, k[i]]
        z[k[i], 0], z[0, 1] = z[0, 1], z[k[i], 0]
    y, z = z, y
    z = z.copy()
    z[-1, 0] = 7
    return y, z[1], x[0, 1], flags[0], x[0][1]
"""


@pytest.mark.parametrize("n", (0, 1, 2, 5))
def test_loops_run_as_in_python(n):
    x = np.array([1.0, 2.5, 0.5, -1.0, 4.0])
    f = load.load(text(LOOPS, "(float64[::1], int64)")).entry
    np.testing.assert_allclose(f(x, n), f.py_func(x, n))


@pytest.mark.parametrize("dtype, k", [("float64", "int64"), ("float32", "int32"), ("int8", "uint8"), ("bool", "uint64")])
@pytest.mark.parametrize("layout", ("::1", ":"))
def test_cells_are_those_of_numpy(dtype, k, layout):
    x = np.array([[3, 1, 2], [0, 5, 1], [1, 1, 0]]).astype(dtype)
    name = {"bool": "boolean"}.get(dtype, dtype)
    f = load.load(text(CELLS, f"({name}[:, {layout}], {k}[::1], boolean[::1])")).entry
    ours, flags = np.array([2, 1, 2], k), np.zeros((2, 3), bool)
    got, want = f(x, ours, flags[0]), f.py_func(x, ours, flags[1])
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(flags[0], flags[1])


def test_arrays_that_are_dropped_are_freed():
    source = """from jitgrad.emit.memory import zeros


def swapped(n):
    a = zeros(n)
    b = zeros((2, n))
    for i in range(n):
        c = zeros(4)
        c[1] = i
        d = b[0] if c[1] > 2.0 else a
        a, d = d, a
        b[1, i] = c[1] + a[0]
    return b
"""
    f = load.load(text(source, "(int64,)")).entry
    _nrt_python.memsys_enable_stats()
    before = numba.core.runtime.rtsys.get_allocation_stats()
    for _ in range(5):
        np.testing.assert_array_equal(f(6)[1], np.arange(6.0))
    after = numba.core.runtime.rtsys.get_allocation_stats()
    _nrt_python.memsys_disable_stats()
    assert after.alloc - before.alloc == after.free - before.free >= 40


def test_a_fresh_array_that_is_too_large_raises():
    source = "from jitgrad.emit.memory import empty\n\n\ndef large(n):\n    return empty((n, n)).shape[0]\n"
    f = load.load(text(source, "(int64,)")).entry
    with pytest.raises(ValueError, match="array is too big"):
        f(1 << 40)
    with pytest.raises(MemoryError):
        f(1 << 29)


def test_checks_of_bounds_are_numbas(monkeypatch):
    made = []
    monkeypatch.setattr(Compiler, "define_pipelines", lambda self: made.append(self))
    monkeypatch.setattr(numba.core.config, "BOUNDSCHECK", 1)
    f = load.load(text(SUM.replace("total", "checked"), "(float64[:, ::1], int64)")).entry
    with pytest.raises(IndexError):
        f(np.ones((2, 3)), 3)
    assert not made
