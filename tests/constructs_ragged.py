"""Programs whose inner loops run an unknown number of times: what they remember has rows of different lengths.

A `while` in a loop, in a loop in a loop, in a `while`, in a branch; loops in branches that are not always taken, once not at
all; arrays for each inner iteration; the loop around running downwards.
"""

from __future__ import annotations

from jitgrad.ir.build import Value, size, value
from jitgrad.ir.core import Type, zero_of
from jitgrad.ops.cond import cond
from jitgrad.ops.index import get, put
from jitgrad.ops.loop import loop
from jitgrad.ops.scalar import cos, gt, lt, sin
from jitgrad.ops.while_ import while_

from .constructs_kit import MATRIX, SCALAR, VECTOR, N, program, whole


def grown(w: Value, t: Value, end: float = 4.0) -> Value:
    """A nonlinear recurrence until `end` is passed; as often as the start and t want."""
    step = lambda w: w * 1.4 + sin(w * t) * 0.1 + 0.2
    return while_(lambda w: lt(w, end), step, w, hints=("w",))[0]


@program(VECTOR)
def while_in_for_nonlinear(x):
    def step(i, s):
        t = get(x, i)
        return s + 0.1 * s * grown(t * t + s * 0.1, t)

    return loop(value(0), size(N), step, value(0.7), hints=("i", "s"))[0]


@program(VECTOR)
def while_in_for_downward(x):
    """and what the `while` gives is used again"""

    def step(i, s):
        w = grown(s * s * 0.3 + 0.1, get(x, i))
        return 0.3 * sin(w) + w * 0.1 * s

    return loop(value(0), size(N), step, value(0.7), hints=("i", "s"), reverse=True)[0]


@program(MATRIX)
def while_in_two_loops(x):
    def outer(i, s):
        def inner(j, s):
            return s + 0.05 * sin(s) * grown(get(x, i, j) * s, get(x, j, i))

        return loop(i, size(N), inner, s, hints=("j", "s"))[0]

    return loop(value(0), size(N), outer, value(0.3), hints=("i", "s"))[0]


@program(SCALAR)
def while_in_while(x):
    def step(s, k):
        return s + 0.2 * grown(cos(s), x) * sin(s) + 0.3, k + 1

    return while_(lambda s, k: lt(s, 6.0), step, x, value(0), hints=("s", "k"))[0]


@program(VECTOR)
def whole_arrays_in_while(x):
    """an array for each inner iteration"""

    def step(i, u):
        inner = lambda v: sin(v) * (v * x * 0.2 + 0.6)
        return while_(lambda v: gt(whole(v * v), 0.4 + 0.1 * whole(x * x)), inner, u, hints=("v",))[0] + sin(x) * u

    return whole(loop(value(0), value(3), step, x * 2.0, hints=("i", "u"))[0])


@program(VECTOR)
def small_array_in_while_in_for(x):
    """two numbers in an array, which the loops carry"""
    two = Type("f64", (2,))

    def step(i, u, s):
        t = get(x, i)

        def inner(u):
            a, b = get(u, value(0)), get(u, value(1))
            return put(put(u, a * 1.3 + 0.1 * sin(b * t) + 0.3, value(0)), cos(a) * b, value(1))

        v = while_(lambda u: lt(get(u, value(0)), 2.0), inner, u, hints=("u",))[0]
        return put(v, sin(get(v, value(1)) + t), value(0)), s + get(v, value(0)) * get(v, value(1))

    start = put(put(value(zero_of(two)), value(0.2), value(0)), value(0.7), value(1))
    return loop(value(0), size(N), step, start, value(0.0), hints=("i", "u", "s"))[1]


@program(VECTOR)
def never_taken(x):
    """a recurrence in a branch that is never taken"""

    def then(s):
        return loop(value(0), size(N), lambda j, s: s + 0.2 * sin(s * get(x, j)), s, hints=("j", "s"))[0]

    def step(i, s):
        return cond(gt(get(x, i), 50.0), lambda: then(s), lambda: sin(s) * get(x, i))[0]

    return loop(value(0), size(N), step, value(0.7), hints=("i", "s"))[0]


@program(VECTOR)
def loops_in_both_branches(x):
    """of different lengths"""

    def swept(lo, hi, s):
        return loop(lo, hi, lambda j, s: s + 0.2 * sin(s * get(x, j)), s, hints=("j", "s"))[0]

    def step(i, s):
        return cond(lt(get(x, i), 0.2), lambda: swept(i, size(N), s), lambda: swept(value(0), i, s * 0.5))[0]

    return loop(value(0), size(N), step, value(0.7), hints=("i", "s"))[0]


@program(VECTOR)
def while_in_branch_in_two_loops(x):
    def outer(i, s):
        def inner(j, s):
            return cond(lt(s * get(x, j), 0.4), lambda: 0.3 * grown(s, get(x, j), 3.0), lambda: s * 0.5)[0]

        return loop(value(0), size(N), inner, s + get(x, i), hints=("j", "s"))[0]

    return loop(value(0), size(N), outer, value(0.7), hints=("i", "s"))[0]


@program(VECTOR)
def array_written_in_while_in_for(x):
    """the cells of an array, overwritten an unknown number of times in each iteration"""

    def step(i, a):
        def inner(k, a):
            j = k % size(N)
            return k + 1, put(a, get(a, j) + 0.3 * sin(get(a, j) * get(a, i)) + 0.4, j)

        return while_(lambda k, a: lt(get(a, i), 1.0), inner, i, a, hints=("k", "a"))[1]

    a = loop(value(0), size(N), step, x * 1.0, hints=("i", "a"))[0]
    return whole(a * a)
