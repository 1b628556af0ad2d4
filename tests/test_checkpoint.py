"""Checkpointed loops: the same derivatives, in bounded memory, with as few iterations again as that allows."""

from __future__ import annotations

from math import comb
from typing import Any

import numpy as np
import pytest

import jitgrad as jg
from jitgrad.emit.cpu import compile_fn
from jitgrad.ir.build import Value, size, trace, value
from jitgrad.ir.core import I64, Fn, Var
from jitgrad.ir.dims import symbols
from jitgrad.ir.interp import interp
from jitgrad.ir.parse import parse
from jitgrad.ir.show import show
from jitgrad.ir.walk import everywhere
from jitgrad.ops.index import get, put
from jitgrad.ops.loop import Loop, loop
from jitgrad.ops.scalar import cos, sin
from jitgrad.transform import pipeline
from jitgrad.transform.ad import jvp, vjp
from jitgrad.transform.checkpoint import binomial_split
from jitgrad.transform.fuse import fuse

from .constructs import SCALAR, VECTOR, N, whole

POLICIES = [("every", 1), ("every", 3), ("every", 50), ("binomial", 1), ("binomial", 2), ("binomial", 4), ("redo",)]
policies = pytest.mark.parametrize("policy", POLICIES, ids=str)


def program(policy: Any, reverse: bool = False) -> Fn:
    """A scalar and an array that is overwritten are carried; `z` and `x` are constants."""

    def f(x: Value, z: Value) -> Value:
        def step(i: Value, s: Value, a: Value) -> tuple[Value, Value]:
            s = sin(s) * get(x, i) + get(a, i)
            return s, put(a, get(a, value(0)) * cos(s) + z, i)

        s, a = loop(value(0), size(N), step, z, x * 1.5, hints=("i", "s", "a"), reverse=reverse, policy=policy)
        return s * whole(a)

    return trace(f, [Var(VECTOR, "x"), Var(SCALAR, "z")], "f")


def gradient(fn: Fn) -> Fn:
    return pipeline.finished(vjp(pipeline.prepared(fn)))


@policies
@pytest.mark.parametrize("reverse", [False, True])
def test_the_same_gradient(policy: Any, reverse: bool) -> None:
    rng = np.random.default_rng(5)
    want, have = gradient(program(None, reverse)), gradient(program(policy, reverse))
    for n in (2, 3, 6, 23):
        args = (rng.normal(size=n), 0.7, 1.3)
        for a, b in zip(interp(have, *args), interp(want, *args)):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)


@policies
def test_second_order_and_compiled(policy: Any) -> None:
    rng = np.random.default_rng(6)
    first = gradient(program(policy))
    args = (rng.normal(size=7), 0.7, 1.3, 0.4, rng.normal(size=7), 0.2)
    want = interp(gradient(gradient(program(None))), *args)
    for a, b in zip(interp(gradient(first), *args), want):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
    for a, b in zip(compile_fn(first).entry(*args[:3]), want):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


def kept(fn: Fn) -> set[str]:
    """The types of what loops that are not within others give as rows, or carry of snapshots."""
    found = set()
    for let in fn.lets:
        if let.op.name == "loop":
            found |= {str(o.type) for o in let.outs[Loop.of(let).count :]}
            found |= {str(o.type) for o in let.outs[: Loop.of(let).count] if o.hint.endswith("_kept")}
        if let.op.name == "while":
            found |= {str(o.type) for o in let.outs}
    return found


@pytest.mark.parametrize(
    ("policy", "types"),
    [
        (("every", 5), {"f64[(n + 4)//5]", "f64[(n + 4)//5,n]"}),  # both carries, for each segment
        (("binomial", 4), {"i64", "i64[4]", "f64[4]", "f64[4,n]"}),  # the stack
    ],
)
def test_memory(policy: Any, types: set[str]) -> None:
    assert kept(gradient(program(policy))) <= types
    assert types & kept(gradient(program(policy)))


def test_second_order_of_segments_keeps_snapshots_only() -> None:
    assert all("//" in t for t in kept(gradient(gradient(program(("every", 5))))))


def steps(policy: Any, inner: Any = None) -> Fn:
    """As often as an argument says: s = sin(s) x[k] + s for the k of x, in each step."""

    def f(x: Value, z: Value, trips: Value) -> Value:
        def step(t: Value, s: Value, a: Value) -> tuple[Value, Value]:
            each = lambda k, s: sin(s * get(a, k)) * get(x, k) + s
            s = loop(value(0), size(N), each, s, hints=("k", "s"), policy=inner)[0]
            return s * z, sin(a) + x

        s, a = loop(value(0), trips, step, z, x * 1.5, hints=("t", "s", "a"), policy=policy)
        return s * whole(a)

    return trace(f, [Var(VECTOR, "x"), Var(SCALAR, "z"), Var(I64, "trips")], "f")


def long(fn: Fn) -> set[str]:
    """The types of arrays, also within loops, that grow with the number of steps. (Rows of one segment do not.)"""
    grows = lambda d: any(getattr(s, "hint", "") == "trips" for s in symbols(d)) and "5*segment" not in str(d)
    types = {str(o.type) for _, let in everywhere(fn) for o in let.outs if any(map(grows, o.type.shape))}
    return {t.replace("max(0, trips)", "trips") for t in types}


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(
    ("policy", "types"),
    [
        (None, {"f64[trips]", "f64[trips,n]"}),
        (("every", 5), {"f64[(trips + 4)//5]", "f64[(trips + 4)//5,n]"}),
        (("binomial", 3), set()),
    ],
    ids=["plain", "every", "binomial"],
)
def test_memory_grows_as_the_policy_says(policy: Any, types: set[str], order: int) -> None:
    fn = steps(policy)
    for _ in range(order):
        fn = gradient(fn)
    assert long(fn) >= types if policy is None else long(fn) == types


def test_forward_over_reverse_keeps_one_stack() -> None:
    assert long(jvp(gradient(steps(("binomial", 3))))) == set()
    assert {"f64[3]", "f64[3,n]", "i64[3]", "i64"} >= kept(pipeline.finished(jvp(gradient(steps(("binomial", 3))))))


def test_loops_within_checkpointed_loops() -> None:
    """The inner loop has a policy of its own: what is kept of it are snapshots after each 2 of the n inner steps."""
    fn = gradient(steps(("every", 5), ("every", 2)))
    assert long(fn) == {"f64[(trips + 4)//5]", "f64[(trips + 4)//5,n]"}
    of_each = {str(o.type).split("5*segment)")[-1] for _, let in everywhere(fn) for o in let.outs if "segment)," in str(o.type)}
    assert of_each == {",(n + 1)//2]", ",n]"}  # s, and the array that the outer loop carries
    args = (np.linspace(0.2, 0.9, 6), 0.7, 11, 1.3)
    want = interp(gradient(steps(None)), *args)
    for policy in (("every", 5), ("binomial", 3)):
        for within in (("every", 2), ("binomial", 2)):
            for a, b in zip(interp(gradient(steps(policy, within)), *args), want):
                np.testing.assert_allclose(a, b, rtol=1e-10)


# ---- a policy stays with its loop


def policies_of(fn: Fn) -> list[Any]:
    return [let.attrs.get("policy") for _, let in everywhere(fn) if let.op.name == "loop"]


def test_text_keeps_the_policy() -> None:
    fn = pipeline.prepared(program(("every", 5)))
    assert policies_of(parse(show(fn))) == [("every", 5)]


@pytest.mark.parametrize("name", pipeline.PASSES)
def test_passes_keep_the_policy(name: str) -> None:
    fn = steps(("every", 5), ("binomial", 3))
    assert sorted(policies_of(pipeline.PASSES[name](fn))) == [("binomial", 3), ("every", 5)]


def test_forward_mode_keeps_the_policy() -> None:
    assert policies_of(jvp(program(("every", 5)))) == [("every", 5)]


@pytest.mark.parametrize(
    ("one", "two", "joint"),
    [
        (None, None, [None]),
        (("every", 5), ("every", 5), [("every", 5)]),
        (("every", 5), ("every", 4), [("every", 5), ("every", 4)]),
        (("every", 5), None, [("every", 5), None]),
        (None, ("every", 5), [None, ("every", 5)]),
    ],
)
def test_loops_of_one_policy_join(one: Any, two: Any, joint: list[Any]) -> None:
    def f(x: Value) -> Value:
        first = loop(value(0), size(N), lambda i, s: s * sin(get(x, i)), value(1.0), policy=one)[0]
        return first + loop(value(0), size(N), lambda i, s: s + cos(get(x, i)), value(1.0), policy=two)[0]

    assert policies_of(fuse(trace(f, [Var(VECTOR, "x")], "f"))) == joint


def least(length: int, snapshots: int) -> int:
    """The fewest iterations that sweeping back `length` of them computes again (Griewank & Walther 2000, (2))."""
    r = 0
    while comb(snapshots + r, r) < length:
        r += 1
    return r * length - comb(snapshots + r, r - 1) if r else 0


@pytest.mark.parametrize("snapshots", [1, 2, 3, 5])
def test_the_schedule_is_the_best(snapshots: int) -> None:
    """Sweeping back with the program's own splits takes the least number of iterations."""
    fn = trace(binomial_split, [Var(I64, "length"), Var(I64, "room")], "split")
    splits: dict[tuple[int, int], int] = {}

    def split(length: int, room: int) -> int:
        if (length, room) not in splits:
            splits[length, room] = int(interp(fn, length, room)[0])
        return splits[length, room]

    for n in (1, 2, 3, 7, 20, 41):
        at, again = [0], 0
        for i in reversed(range(n)):
            while len(at) < snapshots and at[-1] < i:
                q = at[-1] + split(i + 1 - at[-1], snapshots - len(at) + 1)
                again += q - at[-1]
                at.append(q)
            again += i - at[-1]
            if at[-1] == i and i:
                at.pop()
        assert again == least(n, snapshots)


# ---- as users call it


def stepped(u: Any, f: Any, steps: int) -> Any:
    v = u.copy()
    for t in f(range(steps)):
        for i in range(1, v.shape[0]):
            v[i] += 0.1 * np.sin(v[i - 1] * v[i]) + 0.01 * t
    return np.sum(v)


@pytest.mark.parametrize("options", [{"every": 4}, {"every": "binomial", "snapshots": 3}], ids=str)
def test_public(options: Any) -> None:
    u = np.linspace(0.1, 1.0, 7)
    want = jg.grad(lambda u: stepped(u, lambda r: r, 20))(u)
    have = jg.grad(lambda u: stepped(u, lambda r: jg.checkpoint(r, **options), 20))(u)
    np.testing.assert_allclose(have, want, rtol=1e-12)
    assert stepped(u, lambda r: jg.checkpoint(r, **options), 20) == stepped(u, lambda r: r, 20)  # without a derivative


def left_early(u: Any) -> Any:
    for _ in jg.checkpoint(range(20), every=4):
        u = np.sin(u)
        if u < 0.1:
            break
    return u


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: jg.grad(left_early)(0.5), jg.errors.Unsupported, "a checkpointed loop is left early"),
        (lambda: jg.checkpoint([1], every=2), jg.errors.ArgumentError, "checkpoint wants a range"),
        (lambda: jg.checkpoint(range(3)), jg.errors.ArgumentError, "every is not a number of iterations"),
        (lambda: jg.checkpoint(range(3), every=2, snapshots=3), jg.errors.ArgumentError, "leave snapshots out"),
        (lambda: jg.checkpoint(range(3), every="binomial"), jg.errors.ArgumentError, "snapshots is not a number"),
    ],
    ids=["early", "list", "nothing", "both", "how many"],
)
def test_refusals(call: Any, kind: Any, words: str) -> None:
    with pytest.raises(kind, match=words):
        call()
