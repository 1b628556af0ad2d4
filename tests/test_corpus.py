"""The corpus, through everything: certified by the interpreter, compiled once for all sizes, float32, second derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import jitgrad as jg
from jitgrad.check.certificate import KINK, NOT_CHECKED, OK
from jitgrad.check.certify import WITHOUT_COMPILING, Point, certified
from jitgrad.check.machine import compiled
from jitgrad.front.trace import trace_call
from jitgrad.front.tree import flatten
from jitgrad.ir.interp import interp

from .corpus import CASES, Case

# Compiling is dear: `make test` compiles these (and takes them in float32), `make test-all` compiles all.
QUICK = {
    "attention", "bound_method", "closure", "control_flow", "dataclass_of_layers", "gradient_penalty",
    "horner", "in_place_everything", "lennard_jones_in_loops", "lu_by_hand", "mlp", "moving_averages", "nearest_larger",
    "newton_root", "products_with_constants", "ridge", "rosen", "softmax_cross_entropy",
}  # fmt: skip
BY_NAME = {c.name: c for c in CASES}



def parametrized(cases: list[Case], quick: set[str]) -> Any:
    marks = lambda c: () if c.name in quick else pytest.mark.slow
    return pytest.mark.parametrize("case", [pytest.param(c, id=c.name, marks=marks(c)) for c in cases])


each = parametrized(CASES, set(BY_NAME))
each_compiled = parametrized(CASES, QUICK)
each_single = parametrized([c for c in CASES if c.single], QUICK)


def accepted(case: Case, row: Any) -> bool:
    """sympy may have nothing to say; kinks only where the case says that there may be some."""
    may = {OK, *([KINK] if case.kinks else []), *([NOT_CHECKED] if row.check == "sympy" or case.kinks else [])}
    return row.status in may


def certify(case: Case, args: tuple[Any, ...]) -> None:
    found = certified(case.f, args, case.kwargs, WITHOUT_COMPILING)
    assert found.ok and all(accepted(case, row) for row in found.rows), str(found)


def single(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments with float32 in the place of float64; Python's floats have no dtype of their own."""
    leaves, tree = flatten(args)
    is_double = lambda x: isinstance(x, np.ndarray) and x.dtype == np.float64
    return tree.unflatten([x.astype(np.float32) if is_double(x) else x for x in leaves])


def check_compiled(case: Case, args: tuple[Any, ...], tolerance: float) -> Any:
    """Against the interpreter; the function that did it."""
    with np.errstate(all="ignore"):
        p = Point.of(case.f, args, case.kwargs)
    (value,), grads = compiled(case.f, args, case.kwargs, p.subject, p.bars)
    size = np.max(np.abs(p.values[0]))
    np.testing.assert_allclose(value, p.values[0], rtol=tolerance, atol=tolerance * size)
    assert len(grads) == len(p.gradient)
    for n, name, x in p.named:
        scale = np.max(np.abs(p.gradient[n]), initial=1e-4 * size)
        np.testing.assert_allclose(grads[n], p.gradient[n], rtol=tolerance, atol=tolerance * scale, err_msg=name)
        assert np.shape(grads[n]) == np.shape(x)
    return grads


def made_for(case: Case) -> list[Any]:
    """The programs that `check_compiled` made."""
    args = case.arguments(case.sizes[0])
    real = lambda x: isinstance(x, (float, np.floating)) or isinstance(x, np.ndarray) and x.dtype.kind == "f"
    which = tuple(k for k, x in (*enumerate(args), *case.kwargs.items()) if any(map(real, flatten(x)[0])))
    return list(jg.value_and_grad(case.f, argnums=which).programs)


@each
def test_certified(case: Case) -> None:
    certify(case, case.arguments(case.sizes[0]))


@each
def test_small_sizes(case: Case) -> None:
    """Sizes up to 4 are numbers, and loops over them are unrolled."""
    args = case.arguments(4)
    with np.errstate(all="ignore"):
        p = Point.of(case.f, args, case.kwargs)
        (written,) = p.subject.written(p.subject.inputs)
    np.testing.assert_allclose(p.values[0], written, rtol=1e-9)


@each_single
def test_certified_in_float32(case: Case) -> None:
    certify(case, single(case.arguments(case.sizes[0])))


@each_compiled
def test_one_program_for_all_sizes(case: Case) -> None:
    before = len(made_for(case))
    for n in case.sizes:
        check_compiled(case, case.arguments(n), 1e-9)
    programs = made_for(case)
    assert len(programs) - before == 1, [p.why for p in programs]


@pytest.mark.slow
@each_single
def test_compiled_in_float32(case: Case) -> None:
    args = single(case.arguments(case.sizes[0]))
    grads = check_compiled(case, args, 1e-2)
    floats = lambda x: isinstance(x, float) or isinstance(x, np.ndarray) and x.dtype.kind == "f"
    reals = [x for x in flatten((args, case.kwargs))[0] if floats(x)]
    assert [type(g) for g in grads.values()] == [type(x) for x in reals]
    assert all(g.dtype == np.float32 for g in grads.values() if isinstance(g, np.ndarray))


# ---- many rows at once: loops that run as long as the data of their row say

LOOPS = [c for c in CASES if c.f.__module__.rpartition(".")[2] in ("loops", "tables", "kernels")]
QUICK_ROWS = {"kepler", "barrier_option", "nearest_larger", "weighted_bins", "largest_three", "matrix_power"}


def in_rows(case: Case) -> tuple[Any, list[Any], list[list[Any]]]:
    """A function of the floats of the case alone, their rows one below the other, and the rows."""
    leaves, tree = flatten(case.arguments(7))
    which = [k for k, x in enumerate(leaves) if np.asarray(x).dtype.kind == "f"]

    def f(*floats: Any) -> Any:
        now = dict(zip(which, floats))
        return case.f(*tree.unflatten([now.get(k, x) for k, x in enumerate(leaves)]), **case.kwargs)

    r = np.random.default_rng(3)
    rows = [[leaves[k] * (1.0 + 0.05 * r.normal(size=np.shape(leaves[k]))) for k in which] for _ in range(6)]
    return f, [np.stack(column) for column in zip(*rows)], rows


def interpreted(f: Any, args: list[Any]) -> list[Any]:
    traced = trace_call(f.transformation, [np.copy(x)[()] for x in args])
    return list(interp(traced.fn, *args, *traced.captured))


@parametrized(LOOPS, QUICK_ROWS)
def test_many_rows(case: Case) -> None:
    f, columns, rows = in_rows(case)
    with np.errstate(all="ignore"):
        want = [f(*[np.copy(x)[()] for x in row]) for row in rows]
        np.testing.assert_allclose(interpreted(jg.vmap(f), columns)[0], want, rtol=1e-9)
        which = tuple(range(len(columns)))
        slope = jg.grad(f, argnums=which)
        each = [np.stack(g) for g in zip(*[interpreted(slope, row) for row in rows])]
        inside = interpreted(jg.vmap(slope), columns)
        outside = interpreted(jg.grad(lambda *xs: np.sum(jg.vmap(f)(*xs)), argnums=which), columns)
    for a, b, c in zip(each, inside, outside, strict=True):
        scale = np.max(np.abs(a), initial=1e-300)
        np.testing.assert_allclose(b, a, rtol=1e-8, atol=1e-9 * scale)
        np.testing.assert_allclose(c, a, rtol=1e-8, atol=1e-9 * scale)


# ---- derivatives by hand


@pytest.mark.parametrize("case", [c for c in CASES if c.gradient], ids=lambda c: c.name)
def test_gradients_by_hand(case: Case) -> None:
    for n in case.sizes:
        args = case.arguments(n)
        np.testing.assert_allclose(jg.grad(case.f)(*args), case.gradient(*args), rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(jg.hessian(case.f)(*args), case.hessian(*args), rtol=1e-10, atol=1e-10)
    assert len(jg.grad(case.f).programs) == len(jg.hessian(case.f).programs) == 1


# ---- second derivatives, compiled

SECOND = ["rosen", "lennard_jones_in_loops", "gaussian_process_by_slogdet", "recurrent_network"]


@pytest.mark.slow
@pytest.mark.parametrize("case", [BY_NAME[name] for name in SECOND], ids=lambda c: c.name)
def test_hessians(case: Case) -> None:
    """Forward over reverse, reverse over reverse, and the product with a vector are one matrix."""
    x, *rest = case.arguments(case.sizes[0])
    v = np.random.default_rng(1).normal(size=x.shape)
    f = lambda x: case.f(x, *rest)
    h = jg.hessian(f)(x).reshape(x.size, x.size)
    np.testing.assert_allclose(h, h.T, rtol=1e-9, atol=1e-9 * np.max(np.abs(h)))
    (hv,) = jg.hvp(f, (x,), (v,))
    again = jg.grad(lambda x: np.sum(jg.grad(f)(x) * v))(x)
    for found in (hv, again):
        np.testing.assert_allclose(found.ravel(), h @ v.ravel(), rtol=1e-8, atol=1e-9 * np.max(np.abs(h)))


def test_gradient_of_gradient() -> None:
    x = np.array([0.3, -0.7, 1.1, 0.2, 0.9])
    f = lambda x: np.sum(np.sin(x) * x[0])
    rows = [jg.grad(lambda x: jg.grad(f)(x)[k])(x) for k in range(2)]
    np.testing.assert_allclose(rows, jg.hessian(f)(x)[:2], rtol=1e-12)
