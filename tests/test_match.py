"""`match` on values that the program computes: the value is Python's, the derivative that of the branch that is taken."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import jitgrad as jg
from jitgrad.errors import ConcretizationError, EscapedError, Unsupported
from jitgrad.front.trace import trace_call
from jitgrad.ir.interp import interp

X = np.linspace(0.3, 2.1, 10)


@dataclasses.dataclass
class Event:
    kind: int
    size: Any


def values(x):
    s = 0.0
    for i in range(len(x)):
        match i % 4:
            case 0:
                s += x[i]
            case 1 | 2 as k:
                s -= k * x[i] ** 2
            case _:
                s *= x[i]
    return s


def computed_number(x):
    match int(x[4] * 3):
        case 1:
            return x[1]
        case 2 | 3:
            return x[2] * x[4]
        case _:
            return x[3]


def guards(x):
    s = 0.0
    for v in x:
        match v:
            case u if u > 1.5:
                s += u * u
            case u if u > 1.0:
                s += u
            case 0.3:
                s -= 100.0
            case u:
                s -= u
    return s


def tuples(x):
    s = 0.0
    for i in range(len(x)):
        match (i % 2, x[i], i > 5):
            case (0, y, True) if y > 1.0:
                s += y
            case (0, y, _):
                s += 2.0 * y
            case (1, *rest):
                s += rest[0] * len(rest)
    return s


def fields(x):
    s = 0.0
    for i in range(len(x)):
        match Event(i % 3, x[i]):
            case Event(0, size):
                s += size
            case Event(kind=1, size=z):
                s += z * z
            case Event():
                s += 1
    return s


def dictionaries(x):
    s = 0.0
    for i in range(len(x)):
        match {"op": i % 2, "value": x[i], "more": 2.0}:
            case {"op": 0, "value": v, **others}:
                s += v * len(others)
            case {"value": v}:
                s *= v
    return s


def classes(x):
    match x:
        case [first, *_]:
            return first
        case np.ndarray():
            s = x.sum()
    match x[0], 2, s > 1.0:
        case (int(), _, _):
            return s
        case (float(v), int(k), True):  # what NumPy compares is no `True`
            return v * k
        case (float(v), _, _):
            return v * s


def jumps(x):
    s = 0.0
    for i in range(len(x)):
        match i % 5:
            case 1:
                continue
            case 3 if s > 2.5:
                break
            case 4 if s > 100.0:
                return -s
        s += x[i]
    return s


def alternatives(x):
    s = 0.0
    for i in range(len(x)):
        match (i % 3, x[i]):
            case (0, v) | (1, v):
                s += v
            case (k, v):
                s += k * v * v
    return s


PROGRAMS = [values, computed_number, guards, tuples, fields, dictionaries, classes, jumps, alternatives]


@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("n", [10, 3])
def test_as_python_matches(f: Any, n: int) -> None:
    x = np.resize(X, max(n, 5)) if f is computed_number else X[:n]
    traced = trace_call(f, [x.copy()])
    np.testing.assert_allclose(interp(traced.fn, x, *traced.captured)[0], f(x), rtol=1e-14)
    slope = jg.jvp(f, (x,), (np.cos(x),))[1]
    h = 1e-6
    want = (f(x + h * np.cos(x)) - f(x - h * np.cos(x))) / (2 * h)
    if f is not guards:  # it jumps at x[0]
        np.testing.assert_allclose(slope, want, rtol=1e-7)


def test_what_cannot_be_matched() -> None:
    def names(x):
        match (int(x[0]), x[1]):
            case (0, y) if y > 1.0:
                return y
        return y

    def items(x):
        match range(len(x)):
            case [first, *_]:
                return x[first]

    def text(x):
        match x[0]:
            case "a":
                return x[1]
            case v:
                return v

    with pytest.raises(EscapedError, match="`y` has no value here"):
        trace_call(names, [X.copy()])
    with pytest.raises(Unsupported, match="is matched with the items of a sequence"):
        trace_call(items, [X.copy()])
    trace_call(text, [X.copy()])
    with pytest.raises(ConcretizationError, match="truth of an array"):
        trace_call(lambda x: arrays(x), [X.copy()])


def arrays(x):
    match x:
        case 1.0:
            return x[0]
    return x[1]
