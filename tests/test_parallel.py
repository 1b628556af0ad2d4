"""Loops over numba.prange: which of them threads share, in the value and in the gradient, and that nothing else changes.

Most programs are not compiled: their text runs as plain Python, with chunks and iterations of parallel loops in an arbitrary
order, and is compared with the function itself, and with its gradient without prange.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import pytest

import jitgrad as jg
from jitgrad.emit.cpu import MODULES
from jitgrad.emit.load import Text
from jitgrad.emit.plain import plain
from jitgrad.emit.python import emit
from jitgrad.emit.raised import sites
from jitgrad.front.trace import trace_call
from jitgrad.ir.core import F64, I64, OPS, Fn, Lit, Type, Var
from jitgrad.ir.dims import Sym, of_symbol
from jitgrad.lower.parallel import THREADS, parallelised
from jitgrad.lower.plan import Buffer, For, Load, Plan, Scalar, Set, Store
from jitgrad.lower.schedule import schedule
from jitgrad.lower.verify import PlanError, verify_plan
from jitgrad.transform.pipeline import finished, prepared

from .parallel_programs import CASES, Case, gather, pairs, rows_on_their_own, until_small

each = pytest.mark.parametrize("case", CASES, ids=lambda c: c.f.__name__)


def serially(f: Any) -> Any:
    """The same function over range."""
    names = {**f.__globals__, "prange": range, "nb": types.SimpleNamespace(prange=range)}
    return types.FunctionType(f.__code__, names, f.__name__, f.__defaults__, f.__closure__)


@dataclass(frozen=True)
class Written:
    """The text of a program, not compiled."""

    plan: Plan
    text: Text

    @property
    def source(self) -> str:
        return self.text.source


def written(fn: Fn) -> Written:
    plan = schedule(fn)
    return Written(plan, emit(plan, MODULES))


def text_of(function: Any, args: tuple[Any, ...]) -> Written:
    """Of the program of a transformed function."""
    return written(finished(prepared(trace_call(function.transformation, args, {}).fn)))


def run(text: Written, args: tuple[Any, ...], threads: int = 3, seed: int = 0) -> Any:
    """As plain Python, with parallel loops in an arbitrary order."""

    def shuffled(*bounds: int) -> Iterator[int]:
        order = [*range(*bounds)]
        random.Random(seed).shuffle(order)
        return iter(order)

    f = plain(text.text, "<text>", sites(text.plan))
    f.__wrapped__.__globals__.update({"prange": shuffled, THREADS: lambda: threads})  # type: ignore[attr-defined]
    return f(*args)


def counted(text: Written) -> int:
    return text.source.count(" in prange(")


def notes(text: Written) -> list[str]:
    return re.findall("# serial: (.*)", text.source)


@each
def test_value_and_gradient(case: Case) -> None:
    args = case.arguments()
    value = text_of(jg.jit(case.f), args)
    both = text_of(jg.value_and_grad(case.f), args)
    alone = text_of(jg.value_and_grad(serially(case.f)), args)
    assert THREADS not in alone.source and not counted(alone)
    want, bar = run(alone, args)
    np.testing.assert_allclose(want, case.f(*args), rtol=1e-12)
    for threads, seed in ((1, 0), (3, 1), (50, 2)):
        np.testing.assert_allclose(run(value, args, threads, seed)[0], want, rtol=1e-12)
        y, x_bar = run(both, args, threads, seed)
        np.testing.assert_allclose(y, want, rtol=1e-12)
        np.testing.assert_allclose(x_bar, bar, rtol=1e-11, atol=1e-13)
    assert bool(counted(value)) == bool(counted(both)) == (not case.why)
    assert notes(value) == [*case.why[:1]] and notes(both) == [*case.why]


@pytest.mark.parametrize("f", [gather, pairs, until_small, rows_on_their_own], ids=lambda f: f.__name__)
def test_other_derivatives(f: Any) -> None:
    """Forward mode and second order share iterations too."""
    case = next(c for c in CASES if c.f is f)
    args = case.arguments()
    dots = (np.random.default_rng(5).standard_normal(args[0].shape),)

    def along(f: Any) -> Any:
        return lambda x, dx, *rest: jg.jvp(lambda x: f(x, *rest), (x,), (dx,))[1]

    def product(f: Any) -> Any:
        return lambda x, dx, *rest: jg.grad(lambda x: np.sum(jg.grad(f)(x, *rest) * dx))(x)

    for of in (along, product):
        shared, alone = (text_of(jg.jit(of(g)), (args[0], *dots, *args[1:])) for g in (f, serially(f)))
        assert counted(shared) and not counted(alone)
        for have, want in zip(*(run(t, (args[0], *dots, *args[1:])) for t in (shared, alone))):
            np.testing.assert_allclose(have, want, rtol=1e-10, atol=1e-12)


# ---- compiled


def with_threads(n: int, call: Callable[[], Any]) -> Any:
    before = numba.get_num_threads()
    numba.set_num_threads(min(n, before))
    try:
        return call()
    finally:
        numba.set_num_threads(before)


@pytest.mark.parametrize("f", [gather, until_small], ids=lambda f: f.__name__)
def test_compiled(f: Any) -> None:
    args = next(c for c in CASES if c.f is f).arguments()
    both = jg.value_and_grad(f)
    want, bar = run(text_of(jg.value_and_grad(serially(f)), args), args)
    for n in (1, 2):
        y, x_bar = with_threads(n, lambda: both(*args))
        np.testing.assert_allclose(y, want, rtol=1e-12)
        np.testing.assert_allclose(x_bar, bar, rtol=1e-11, atol=1e-13)
    assert both.programs[0].compiled.loaded.parallel
    y, x_bar = both.python(*args)
    np.testing.assert_allclose(y, want, rtol=1e-12)


def test_without_prange_nothing_is_parallel() -> None:
    f = jg.grad(lambda x: np.sum(np.sin(x)))
    f(np.ones(7))
    program = f.programs[0].compiled
    assert not program.loaded.parallel and program.entry is program.loaded.entry


PROCESS = """
import json, os, sys, threading
import numba, numpy as np, jitgrad as jg
from tests.parallel_programs import gather

x, idx = np.linspace(0.1, 1.0, 300), np.arange(20000) * 7919 % 300
g = jg.grad(gather)
first = g(x, idx)
out = {"layer": numba.threading_layer()}

wrong = []
def work():
    for _ in range(40):
        if not np.allclose(g(x, idx), first, rtol=1e-12):
            wrong.append(1)
threads = [threading.Thread(target=work) for _ in range(4)]
for t in threads: t.start()
for t in threads: t.join()
out["wrong"] = len(wrong)

try:
    g(x, np.where(np.arange(20000) > 15000, 300, idx))
except IndexError as e:
    out["error"] = str(e).splitlines()[0]

pid = os.fork()
if pid == 0:
    new = jg.value_and_grad(gather)(x, idx)[1]  # compiled here
    os._exit(0 if np.allclose(g(x, idx), first, rtol=1e-12) and np.allclose(new, first, rtol=1e-12) else 1)
out["child"] = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
out["after"] = bool(np.allclose(g(x, idx), first, rtol=1e-12))
print(json.dumps(out))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("layer", ["omp", "workqueue"])
def test_threads_and_forks(layer: str, tmp_path: Any) -> None:
    """Many Python threads call at once, an index is wrong, a child goes on: with each threading layer of Numba."""
    env = {**os.environ, "NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "2", "JITGRAD_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", PROCESS], env=env, capture_output=True, text=True, timeout=300)
    if "No threading layer could be loaded" in done.stderr:
        pytest.skip(f"{layer} is not installed")
    assert done.returncode == 0, done.stderr
    error = "index is out of bounds for axis 0 of size n"
    assert json.loads(done.stdout) == {"layer": layer, "wrong": 0, "error": error, "child": 0, "after": True}


# ---- errors


def test_the_first_error_is_raised() -> None:
    """That of the first iteration which has one, though a later chunk may find another before."""

    def f(x, i, j):
        s = 0.0
        for k in numba.prange(i.shape[0]):
            if k % 2:
                s += x[i[k]]
            else:
                for m in range(2):
                    s += x[j[k] + m] ** 2
                s += 1.0
        return s

    x, i, j = np.arange(9.0), np.zeros(12, np.int64), np.zeros(12, np.int64)
    text = text_of(jg.value_and_grad(f), (x, i, j))
    assert counted(text) == 2
    np.testing.assert_allclose(run(text, (x, i, j))[0], f(x, i, j))
    places = text.source.count("raise IndexError")
    for wrong_i, wrong_j in ((3, 8), (9, 2), (11, 4)):
        i2, j2 = i.copy(), j.copy()
        i2[wrong_i], j2[wrong_j] = 90, 80
        with pytest.raises(IndexError) as e:
            f(x, i2, j2)
        line = e.traceback[-1].lineno + 1
        for seed in range(3):
            with pytest.raises(IndexError, match=rf"line {line}\b"):
                run(text, (x, i2, j2), seed=seed)
    assert places >= 2


# ---- the check of plans


n = Sym("n", 5)
N = of_symbol(n)


def loop_over(write: Callable[..., Any], hi: Any = N, **kind: bool) -> Plan:
    """A plan of one parallel loop. `write(i, x, v, w)`: its body; x is a parameter, v and w are made before."""
    from jitgrad.lower.plan import Alloc, Bind

    i = Var(I64, "i")
    x, v, w = (Buffer(Type("f64", (N, N)), h, param=h == "x") for h in "xvw")
    body = tuple(write(i, x, v, w))
    before = (Alloc(v, True), Alloc(w, True))
    return Plan("f", (x,), (Bind(n, x),), (*before, For(i, 0, hi, body, parallel=True)), ())


def stores(*cells: Any, value: Any = Lit(1.0, F64), how: str = "=") -> Any:
    return lambda i, x, v, w: [Store(v, tuple(c(of_symbol(i)) for c in cells), value, how)]


SAFE = {
    "its own row": stores(lambda i: i, lambda i: 0),
    "a stride": stores(lambda i: 2 * i + 1, lambda i: 0),
    "downwards": stores(lambda i: N - i - 1, lambda i: i),
    "two of a row": lambda i, x, v, w: [
        Store(v, (of_symbol(i), 0), Lit(1.0, F64)),
        Store(v, (of_symbol(i), 1), Lit(1.0, F64), "+"),
    ],
}
UNSAFE = {
    "one cell": (stores(lambda i: 0, lambda i: 0), "v[0, 0] may be written by two iterations"),
    "neighbours": (
        lambda i, x, v, w: [
            Store(v, (of_symbol(i), 0), Lit(1.0, F64)),
            Store(v, (of_symbol(i) + 1, 0), Lit(1.0, F64), "+"),
        ],
        "v[i + 1, 0] and v[i, 0] may be one cell, written by two iterations",
    ),
    "half of the index": (stores(lambda i: i // 2, lambda i: i % 2), "may be written by two iterations"),
    "computed": (
        lambda i, x, v, w: [
            Scalar(k := Var(I64, "k"), OPS["mul"], (i, i)),
            Store(v, (of_symbol(k), 0), Lit(1.0, F64)),
        ],
        "v[k, 0] may be written by two iterations",
    ),
    "read and written": (
        lambda i, x, v, w: [Load(t := Var(F64), v, (of_symbol(i) + 1, 0)), Store(v, (of_symbol(i), 0), t)],
        "an iteration may read v[i + 1, 0] where another writes v[i, 0]",
    ),
}


@pytest.mark.parametrize("name", SAFE)
def test_iterations_that_do_not_meet(name: str) -> None:
    plan = loop_over(SAFE[name])
    assert parallelised(plan).body[-1].parallel
    verify_plan(plan)


@pytest.mark.parametrize("name", UNSAFE)
def test_iterations_that_meet(name: str) -> None:
    write, why = UNSAFE[name]
    plan = loop_over(write)
    last = parallelised(plan).body[-1]
    assert not last.parallel and why in last.note
    with pytest.raises(PlanError, match=re.escape(why)):
        verify_plan(plan)


def test_sums_have_memory_of_their_own() -> None:
    """An array that all iterations add to is given to no two threads."""
    plan = loop_over(stores(lambda i: 0, lambda i: i, how="+"))
    assert parallelised(loop_over(stores(lambda i: 0, lambda i: i, how="+"))).body[-1].parallel
    clash = loop_over(stores(lambda i: 0, lambda i: i % 2, how="+"))
    with pytest.raises(PlanError, match=r"add to the same \['v'\]"):
        verify_plan(clash)
    shared = parallelised(clash)
    assert [s.parallel for s in shared.body if isinstance(s, For)] == [True, False]
    verify_plan(shared)
    verify_plan(plan)


@pytest.mark.parametrize(
    "body, how",
    [
        (lambda s, t: [Scalar(t, OPS["add"], (s, Lit(1.0, F64))), Set((s,), (t,))], "+"),
        (lambda s, t: [Scalar(t, OPS["sub"], (s, Lit(1.0, F64))), Set((s,), (t,))], "+"),
        (lambda s, t: [Scalar(t, OPS["sub"], (Lit(1.0, F64), s)), Set((s,), (t,))], None),
        (lambda s, t: [Scalar(t, OPS["add"], (s, s)), Set((s,), (t,))], None),
        (lambda s, t: [Scalar(t, OPS["maximum"], (s, Lit(1.0, F64))), Set((s,), (t,))], "max"),
        (lambda s, t: [Scalar(t, OPS["mul"], (s, Lit(2.0, F64))), Set((s,), (t,))], "*"),
        (lambda s, t: [Set((s,), (Lit(2.0, F64),))], None),
        (lambda s, t: [Scalar(t, OPS["sin"], (s,)), Set((s,), (t,))], None),
    ],
)  # fmt: skip
def test_sums_of_scalars(body: Any, how: str | None) -> None:
    from jitgrad.lower.races import accumulation

    s, t = Var(F64, "s"), Var(F64, "t")
    assert accumulation(tuple(body(s, t)), s) == how


def test_a_sum_that_is_seen_is_not_one() -> None:
    """Its values on the way are used: here they are stored."""

    def f(x):
        out, s = np.empty_like(x), 0.0
        for i in numba.prange(x.shape[0]):
            s += x[i]
            out[i] = s
        return np.sum(out * out)

    text = text_of(jg.value_and_grad(f), (np.arange(9.0),))
    assert "`s` is handed from one iteration to the next" in notes(text)[0]
    assert counted(text) == 0
