"""get, put and add_at against a cell-by-cell reading of their notation, and both modes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jitgrad.errors import IndexOutOfBounds
from jitgrad.ir.build import Value, trace
from jitgrad.ir.core import I64, Type
from jitgrad.ir.interp import interp
from jitgrad.ir.verify import verify
from jitgrad.ops import index

from .harness import check_first_order, rng

SHAPE = (3, 4, 2)


@st.composite
def indices(draw: Any) -> tuple[str, tuple[int, ...], list[Any], tuple[Any, ...]]:
    """spec, steps, the arguments, and for each axis the numbers along it."""
    spec, steps, args, plain = "", [], [], []
    count = draw(st.integers(0, 3))
    for size_ in SHAPE:
        letter = draw(st.sampled_from("i:sa"))
        spec += letter
        if letter == "i":
            args.append(draw(st.integers(0, size_ - 1)))
            plain.append(args[-1])
        elif letter == "s":
            step = draw(st.sampled_from([1, 2, -1]))
            length = draw(st.integers(0, (size_ - 1) // abs(step) + 1))
            span = (length - 1) * abs(step) if length else 0
            start = draw(st.integers(0, size_ - 1 - span)) + (span if step < 0 else 0)
            steps.append(step)
            args += [start, length]
            plain.append(np.arange(length) * step + start)
        elif letter == "a":
            args.append(np.array([draw(st.integers(0, size_ - 1)) for _ in range(count)], np.int64))
            plain.append(args[-1])
        else:
            plain.append(np.arange(size_))
    return spec, tuple(steps), args, tuple(plain)


def cells(spec: str, plain: tuple[Any, ...]) -> Any:
    """The cells that an index names, one by one. Its axes in order; the arrays share one, where the first of them stands."""
    axes: list[list[int]] = []  # for each axis of the result, the axes of the array that it runs along
    joint: list[int] = []
    for k, letter in enumerate(spec):
        mine = joint if letter == "a" else [k]
        mine += [k] if letter == "a" else []
        if letter != "i" and mine not in axes:
            axes.append(mine)
    out = np.empty([len(plain[mine[0]]) for mine in axes], object)
    for at in np.ndindex(*out.shape):
        cell = [int(p) if np.ndim(p) == 0 else -1 for p in plain]
        for i, mine in zip(at, axes):
            for k in mine:
                cell[k] = int(plain[k][i])
        out[at] = tuple(cell)
    return out


@given(indices())
def test_cells(case: Any) -> None:
    spec, steps, args, plain = case
    a = np.arange(24.0).reshape(SHAPE)
    types = [I64 if np.ndim(x) == 0 else Type("i64", (len(x),)) for x in args]
    # lengths of slices stand in types, so they are literals here
    fixed = [x if np.ndim(x) == 0 else None for x in args]
    arrays = [x for x in args if np.ndim(x)]

    def given_args(vs: tuple[Value, ...]) -> list[Any]:
        rest = iter(vs)
        return [f if f is not None else next(rest) for f in fixed]

    array_types = [t for t in types if t.rank]
    read = lambda a, *vs: index.get(a, *given_args(vs), spec=spec, steps=steps)
    fn = verify(trace(read, [Type("f64", SHAPE), *array_types], "get"))
    (got,) = interp(fn, a, *arrays)
    check_first_order(fn, [a, *arrays], rng("get"))
    where = cells(spec, plain)
    want = np.array([a[w] for w in where.ravel()]).reshape(where.shape)
    np.testing.assert_array_equal(got, want)

    v = np.arange(100.0, 100.0 + got.size).reshape(got.shape)
    for op, f in (("put", index.put), ("add_at", index.add_at)):
        fn = trace(
            lambda a, v, *vs, f=f: f(a, v, *given_args(vs), spec=spec, steps=steps),
            [Type("f64", SHAPE), Type("f64", got.shape), *array_types], op,
        )  # fmt: skip
        want = a.copy()
        for w, x in zip(where.ravel(), v.ravel()):
            want[w] = x if op == "put" else want[w] + x
        np.testing.assert_array_equal(interp(verify(fn), a, v, *arrays)[0], want)
        check_first_order(fn, [a, v, *arrays], rng(op))
    assert a[0, 0, 0] == 0 and a[2, 3, 1] == 23  # arrays are values


@pytest.mark.parametrize("i", [4, -1])
def test_indices_out_of_bounds_are_noticed(i: int) -> None:
    fn = trace(lambda a, i: index.get(a, i), [Type("f64", (4,)), I64], "f")
    with pytest.raises(IndexOutOfBounds):
        interp(fn, np.zeros(4), i)
