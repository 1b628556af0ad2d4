"""More programs of `constructs.py`: arrays that loops carry and write; what of them is final, what is put back."""

from __future__ import annotations

from jitgrad.ir.build import size, value
from jitgrad.ops.array import zeros_like
from jitgrad.ops.cond import cond
from jitgrad.ops.index import get, put
from jitgrad.ops.loop import loop
from jitgrad.ops.scalar import and_, gt, lt, sin, sqrt
from jitgrad.ops.while_ import while_

from .constructs_kit import MATRIX, SCALAR, VECTOR, N, program, whole


@program(VECTOR)
def sum_of_squares(x):
    return loop(value(0), size(N), lambda i, s: s + get(x, i) * sin(get(x, i)), value(0.0), hints=("i", "s"))[0]


@program(VECTOR)
def pairs_with_cutoff(x):
    """Lennard-Jones"""

    def outer(i, e):
        def inner(j, e):
            r = get(x, i) - get(x, j)
            r2 = r * r + 0.8
            inv = 1.0 / (r2 * r2 * r2)
            return cond(lt(r2, 2.0), lambda: e + 4.0 * (inv * inv - inv), lambda: e)[0]

        return loop(i + 1, size(N), inner, e, hints=("j", "e"))[0]

    return loop(value(0), size(N), outer, value(0.0), hints=("i", "e"))[0]


@program(VECTOR)
def linear_stencil(x):
    """in place, downwind: u[i] = 0.5 u[i] + 0.3 u[i - 1] + 0.2 u[i + 1], three sweeps"""

    def step(i, u):
        return put(u, 0.5 * get(u, i) + 0.3 * get(u, i - 1) + 0.2 * get(u, i + 1), i)

    u = loop(value(0), value(3), lambda t, u: loop(value(1), size(N - 1), step, u, hints=("i", "u"))[0], x, hints=("t", "u"))[0]
    return whole(u * u)


@program(MATRIX, VECTOR, positive=True)
def triangular_solve(a, b):
    """forward substitution in place"""

    def outer(i, b):
        row = lambda j, s: s - get(a, i, j) * get(b, j)
        s = loop(value(0), i, row, get(b, i), hints=("j", "s"))[0]
        return put(b, s / (1.0 + get(a, i, i)), i)

    return whole(loop(value(0), size(N), outer, b, hints=("i", "b"))[0])


@program(VECTOR)
def kept_trajectory(x):
    """y[t + 1] = y[t] + 0.1 sin(y[t]) x[t]"""

    def step(t, y):
        now = get(y, t)
        return put(y, now + 0.1 * sin(now) * get(x, t), t + 1)

    y = loop(value(0), size(N - 1), step, put(zeros_like(x), get(x, value(0)), value(0)), hints=("t", "y"))[0]
    return whole(y * y)


@program(SCALAR)
def sines(x):
    return loop(value(0), value(7), lambda i, x: sin(x), x, hints=("i", "x"))[0]


@program(MATRIX)
def in_place_stencil(u):
    """four steps of u[i, j] += 0.1 sin(u[i - 1, j] + u[i, j - 1]) u[i, j]"""

    def row(i, u):
        def cell(j, u):
            c = get(u, i, j)
            return put(u, c + 0.1 * sin(get(u, i - 1, j) + get(u, i, j - 1)) * c, i, j)

        return loop(value(1), size(N), cell, u, hints=("j", "u"))[0]

    def step(t, u):
        return loop(value(1), size(N), row, u, hints=("i", "u"))[0]

    return whole(loop(value(0), value(4), step, u, hints=("t", "u"))[0])


@program(MATRIX)
def double_buffer(u):
    """v = f(u), then u[i, j] = v[i, j], three times"""

    def step(t, u):
        def row(i, v):
            cell = lambda j, v: put(v, get(u, i, j) * (1.0 + 0.2 * sin(get(u, i - 1, j))), i, j)
            return loop(value(0), size(N), cell, v, hints=("j", "v"))[0]

        v = loop(value(1), size(N), row, zeros_like(u), hints=("i", "v"))[0]

        def back(i, u):
            return loop(value(0), size(N), lambda j, u: put(u, get(v, i, j), i, j), u, hints=("j", "u"))[0]

        return loop(value(1), size(N), back, u, hints=("i", "u"))[0]

    return whole(loop(value(0), value(3), step, u, hints=("t", "u"))[0])


@program(MATRIX, positive=True)
def elimination_in_time(x):
    """three times: LU in place, then cells in the diagonal grow"""
    n_ = size(N)

    def outer(k, a):
        def middle(i, a):
            ratio = get(a, i, k) / get(a, k, k)
            a = put(a, ratio, i, k)
            row = lambda j, a: put(a, get(a, i, j) - ratio * get(a, k, j), i, j)
            return loop(k + 1, n_, row, a, hints=("j", "a"))[0]

        return loop(k + 1, n_, middle, a, hints=("i", "a"))[0]

    def step(t, a):
        a = loop(value(0), n_, lambda i, a: put(a, sqrt(get(a, i, i) * get(a, i, i) + 9.0), i, i), a, hints=("i", "a"))[0]
        return loop(value(0), n_, outer, a, hints=("k", "a"))[0]

    return whole(loop(value(0), value(3), step, x, hints=("t", "a"))[0])


@program(MATRIX)
def row_then_whole(a):
    """each iteration writes one row and reads every cell: the rows are put back, the array is not kept"""

    def step(i, a, s):
        cell = lambda j, a: put(a, get(a, i, j) * 0.7 + 0.1 * get(a, value(0), j), i, j)
        a = loop(value(0), size(N), cell, a, hints=("j", "a"))[0]
        return a, s * 0.3 + whole(sin(a))

    a, s = loop(value(0), size(N), step, a, value(0.5), hints=("i", "a", "s"))
    return s + get(a, value(1), value(1))


@program(VECTOR)
def constant_and_carry_inside(x):
    """the inner loop reads the array as it was before it, while writing into it"""

    def step(t, a):
        return loop(value(0), size(N), lambda i, b: put(b, sin(get(b, i)) * get(a, size(N - 1) - i), i), a, hints=("i", "b"))[0]

    return whole(loop(value(0), value(3), step, x + 1.0, hints=("t", "a"))[0])


@program(VECTOR)
def two_arrays_written(x):
    """each array is written from the other"""

    def step(i, a, b):
        a = put(a, sin(get(b, i)) * get(a, value(0)), i)
        b = put(b, get(a, i) * get(b, value(1)) + get(b, i), value(1))
        return a, b

    a, b = loop(value(0), size(N), step, x + 1.0, x * 0.5, hints=("i", "a", "b"))
    return whole(a * b)


@program(VECTOR)
def slices_written(x):
    """whole slices overwritten in a loop"""

    def step(i, a):
        old = get(a, value(0), size(N - 1), spec="s", steps=(1,))
        return put(a, sin(old) * old + 0.1, value(1), size(N - 1), spec="s", steps=(1,))

    return whole(loop(value(0), value(3), step, x + 1.0, hints=("i", "a"))[0])


@program(VECTOR)
def while_writes(x):
    """an unknown number of iterations, each of which overwrites a cell that depends on data"""

    def step(k, a, s):
        return k + 1, put(a, sin(get(a, k % size(N))) + 0.2, k % size(N)), s + get(a, k % size(N)) * get(a, value(0))

    k, a, s = while_(lambda k, a, s: and_(lt(s, 3.0), lt(k, 40)), step, value(0), x * 1.0, value(0.0))[:3]
    return whole(a) * s


@program(VECTOR)
def loop_in_branch_in_loop(x):
    """a recurrence in a branch of a loop"""

    def step(i, s):
        inner = lambda: loop(value(0), size(N), lambda j, s: s + 0.2 * sin(s * get(x, j)), s, hints=("j", "s"))[0]
        return cond(lt(get(x, i), 0.3), inner, lambda: s * 0.5)[0]

    return loop(value(0), size(N), step, value(0.7), hints=("i", "s"))[0]


@program(VECTOR)
def loop_writes_in_branch(x):
    """a branch of a loop that overwrites the array in a loop"""

    def step(i, a):
        cell = lambda j, a: put(a, sin(get(a, j)) * get(a, j - 1), j)
        inner = lambda: loop(value(1), size(N), cell, a, hints=("j", "a"))[0]
        return cond(lt(get(x, i), 0.3), inner, lambda: put(a, get(a, i) * get(a, i), i))[0]

    return whole(loop(value(0), size(N), step, x + 1.0, hints=("i", "a"))[0])


@program(VECTOR)
def while_in_branch_in_loop(x):
    def step(i, s):
        grow = lambda: while_(lambda w: lt(w, 3.0), lambda w: w * 1.4 + 0.1 * sin(w * get(x, i)) + 0.2, s + 1.0)[0]
        return 0.5 * cond(lt(get(x, i), 0.3), grow, lambda: s)[0]

    return loop(value(0), size(N), step, value(0.7), hints=("i", "s"))[0]


@program(MATRIX)
def branches_and_loops_alternate(x):
    """three levels, each a branch in a loop"""
    n_ = size(N)

    def third(i, j):
        return lambda k, s: cond(lt(get(x, k, i), 0.6), lambda: s + 0.1 * sin(s * get(x, j, k)), lambda: s)[0]

    def second(i):
        def step(j, s):
            inner = lambda: loop(value(0), n_, third(i, j), s, hints=("k", "s"))[0]
            return cond(gt(get(x, i, j), -0.6), inner, lambda: s * get(x, j, j))[0]

        return step

    def first(i, s):
        inner = lambda: loop(value(0), n_, second(i), s, hints=("j", "s"))[0]
        return cond(lt(get(x, i, i), 0.7), inner, lambda: s + 0.1)[0]

    return loop(value(0), n_, first, value(0.9), hints=("i", "s"))[0]
