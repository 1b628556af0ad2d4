"""The checker checked: errors are honest, right derivatives pass, wrong ones fail by the check meant for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pytest

from jitgrad.check import certify, differences
from jitgrad.check.certify import WITHOUT_COMPILING, certified
from jitgrad.check.differences import slopes
from jitgrad.errors import NotCertified, NotDifferentiable
from jitgrad.ir.core import OPS

from .harness import facts

NOISE = np.random.default_rng(0)

# fmt: off
SMOOTH = [  # g(t) near 0, and its slope
    ("sine",             lambda t: np.sin(1 + t),                       np.cos(1)),
    ("fast sine",        lambda t: np.sin(1000 * (1 + t)),              1000 * np.cos(1000)),
    ("great and small",  lambda t: 1e8 + np.sin(1 + t),                 np.cos(1)),
    ("cancellation",     lambda t: (1 + 1e8 * np.sin(t)) - 1e8 * np.sin(t) + t, 1.0),
    ("near an edge",     lambda t: np.log(1e-5 + t),                    1e5),
    ("noisy",            lambda t: np.sin(1 + t) + 1e-9 * NOISE.random(), np.cos(1)),
    ("kink at 1e-3",     lambda t: abs(t - 1e-3),                       -1.0),
    ("half a parabola",  lambda t: max(t, 0.0) ** 2 + t,                1.0),
    ("constant",         lambda t: 7.0,                                 0.0),
    ("a spike here",     lambda t: 1 / (1e-8 + (t - 3e-5) ** 2),       -2 * -3e-5 / (1e-8 + 9e-10) ** 2),
    ("pole nearby",      lambda t: 1 / (0.01 - t),                      1e4),
    ("many numbers",     lambda t: [np.exp(t), t * t, 5.0, 1 / (1 + t)], [1.0, 0.0, 0.0, -1.0]),
]
KINKS = [
    ("abs",            abs,                             "a kink"),
    ("abs at 1e-7",    lambda t: abs(t - 1e-7),         "a kink"),
    ("slopes 1 and 3", lambda t: t + 2 * max(t, 0.0),   "a kink"),
    ("floor",          np.floor,                        "a jump"),
    ("step",           lambda t: 3.0 + (t >= 0) * 1e-3, "a jump"),
]
# fmt: on


@pytest.mark.parametrize("name, g, true", SMOOTH, ids=[s[0] for s in SMOOTH])
def test_errors_are_honest(name, g, true):
    with np.errstate(invalid="ignore"):
        s = slopes(g)
    assert not s.kink and not s.why
    assert np.all(np.abs(s.value - true) <= 5 * s.error)
    assert np.all(s.error <= 1e-5 * np.maximum(np.abs(true), 1.0))


@pytest.mark.parametrize("name, g, what", KINKS, ids=[s[0] for s in KINKS])
def test_kinks_are_seen(name, g, what):
    s = slopes(g)
    assert s.kink and s.why == what


def test_where_there_are_no_differences():
    with np.errstate(invalid="ignore"):
        assert slopes(np.sqrt).why == "the function is not finite nearby"
        assert slopes(lambda t: np.float64(t) * np.inf).why == "the function is not finite here"

    def picky(t):
        if t > 0:
            raise KeyError(t)
        return t

    assert slopes(picky).why == "nearby the function raises KeyError"


def test_directional_derivatives():
    x, d = np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, -1.0])
    found = differences(lambda x, k, z: (x * z, np.sum(x**k)), (x, 2, 4.0), (d, None, 0.5))
    np.testing.assert_allclose(found.values[0], 4.0 * d + 0.5 * x, rtol=1e-10)
    np.testing.assert_allclose(found.values[1], 2 * (1 - 3), rtol=1e-10)
    assert found.values[0].shape == (3,) and not found.kink


# ---- certificates


def quick(f, *args):
    return certified(f, args, {}, WITHOUT_COMPILING)


def statuses(certificate, check):
    return {r.of: r.status for r in certificate.rows if r.check == check}


def test_a_table():
    found = certify(lambda a, b: a * b**2 + np.sin(a), 1.0, b=2.0)
    assert found.ok and found.complete and found.require() is found
    assert {r.check for r in found.rows} == {
        "program = function", "differences", "forward = reverse", "second order", "symmetric", "sympy", "compiled = interpreted",
    }  # fmt: skip
    lines = str(found).split("\n")
    assert lines[0] == "<lambda>: certified (13 ok)" and len(lines) == 3 + len(found.rows)
    row = next(line for line in lines if line.startswith("sympy") and " b " in line)
    assert row.split() == ["sympy", "b", "4", "4", "0.0e+00", "4.0e-09", "ok"]
    assert found._repr_html_().count("<tr>") == 1 + len(found.rows)


class Pair(NamedTuple):
    u: np.ndarray
    v: float


@dataclass
class Model:
    w: np.ndarray
    name: str = "m"


def test_inputs_have_the_names_of_the_user():
    def f(params, pair, model, n, scale=1.0):
        return np.sum(params["w"][0] * pair.u) * pair.v * scale + n * np.sum(model.w) ** 2

    args = {"w": [np.ones(6), 3.0]}, Pair(np.arange(6.0), 2.0), Model(np.ones(5)), 3
    found = certify(f, *args, scale=0.5).require()
    names = ["params['w'][0]", "params['w'][1]", "pair.u", "pair.v", "model.w", "scale"]
    assert list(statuses(found, "differences")) == names


def test_trees_of_results():
    def f(x, k):
        return {"a": np.outer(x, x), "b": (np.sum(x) * 2.0, "text", k), "c": np.sin(x)}

    found = certify(f, np.linspace(0.5, 1.5, 5), 7).require()
    assert list(statuses(found, "program = function")) == ["value 0", "value 1", "value 2"]
    assert statuses(found, "compiled = interpreted") == {n: "ok" for n in ("value 0", "value 1", "value 2", "x")}


@pytest.mark.parametrize("op", ["sin", "mul", "broadcast", "sum", "tanh"])
def test_a_wrong_rule_fails(op, monkeypatch):
    """One percent in any fact, and the differences tell."""
    for wrong in facts(OPS[op]).values():
        monkeypatch.setitem(OPS, op, replace(OPS[op], **wrong))
        found = quick(lambda x: np.sum(np.sin(x) * x[0] + np.tanh(x)), np.array([0.3, 0.7, 1.1]))
        assert not found.ok and statuses(found, "differences") == {"x": "FAIL"}
        assert "NOT certified" in str(found)
        with pytest.raises(NotCertified, match="FAIL"):
            found.require()
        monkeypatch.undo()


def test_sympy_alone_finds_it_too(monkeypatch):
    wrong = facts(OPS["exp"])["partials", 0]
    monkeypatch.setitem(OPS, "exp", replace(OPS["exp"], **wrong))
    assert statuses(quick(lambda x: np.exp(x) * x, 0.5), "sympy") == {"x": "FAIL"}


def test_a_wrong_second_derivative_fails(monkeypatch):
    wrong = facts(OPS["cos"])["partials", 0]
    monkeypatch.setitem(OPS, "cos", replace(OPS["cos"], **wrong))
    found = quick(lambda x: np.sum(np.sin(x)), np.array([0.3, 0.7]))
    assert statuses(found, "differences") == {"x": "ok"} and statuses(found, "second order") == {"x": "FAIL"}


def test_kinks_are_said():
    found = quick(lambda x: np.sum(np.abs(x)), np.array([1.0, 0.0, -2.0]))
    assert found.ok and not found.complete
    assert statuses(found, "differences") == {"x": "kink"}
    assert "the slopes of the two sides are -1 and 1" in str(found)


def test_a_convention_that_is_no_slope_fails():
    """relu(x) - relu(-x) is x, and the conventions at 0 give 0."""
    relu = lambda x: np.where(x > 0.0, x, 0.0)
    found = quick(lambda x: relu(x) - relu(-x), 0.0)
    assert statuses(found, "differences") == {"x": "FAIL"}


def test_edges_of_the_domain_are_said():
    found = quick(lambda x: np.sum(np.sqrt(x)), np.array([0.0, 1.0]))
    assert statuses(found, "differences") == {"x": "not checked"} and not found.complete
    assert "not finite nearby" in str(found)


def test_float32_is_checked_in_float64():
    x = np.linspace(0.5, 1.5, 12).astype(np.float32)
    found = certify(lambda x: np.sum(np.sin(x) * np.exp(x)), x).require()
    by = {r.check: r for r in found.rows}
    assert by["differences"].tolerance < 1e-7 and by["compiled = interpreted"].tolerance > 1e-4
    assert by["compiled = interpreted"].difference > 0  # it is float32 that runs


def test_inputs_of_any_scale():
    """b1 is about 1e2 and b2 about 1e-4: each has steps of its own."""
    x = np.linspace(77.6, 760.0, 10)
    found = quick(lambda b1, b2: np.sum((x / 9 - b1 * (1 - np.exp(-b2 * x))) ** 2), 500.0, 1e-4).require()
    assert all(r.difference <= 1e-9 * abs(r.reference) for r in found.rows if r.check == "differences")


def test_the_arguments_stay_as_they_are():
    def f(x):
        x[1:] *= 2.0
        return np.sum(x**2)

    x = np.arange(6.0)
    certify(f, x).require()
    np.testing.assert_array_equal(x, np.arange(6.0))


@pytest.mark.parametrize(
    "f, args, reason",
    [
        (lambda x: np.sum(x**2), (np.ones(9),), "9 numbers go in"),
        (lambda x: np.sum(np.linalg.cholesky(x @ x.T)), (np.eye(2) + 0.1,), "`cholesky` has no symbolic meaning"),
    ],
)
def test_why_sympy_is_not_asked(f, args, reason):
    found = quick(f, *args).require()
    assert statuses(found, "sympy") == {"all inputs": "not checked"} and reason in str(found)


def test_nothing_to_quick():
    with pytest.raises(NotDifferentiable, match="no float among its arguments"):
        quick(lambda n: n * 2.0, 3)
    with pytest.raises(NotDifferentiable, match="no float among its results"):
        quick(lambda x: x > 0, 3.0)
