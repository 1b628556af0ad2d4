"""Programs with loops, whiles and branches, built by hand: what every transform and target must get right.

Each is a function on Values, the types of its parameters (over the size n), and how to draw arguments. They are the ways in
which a return sweep goes wrong: zero trips, a cell read after it was overwritten, swapped carries, an array that is constant
and carry at once, sizes that change from trip to trip.
"""

from __future__ import annotations

from jitgrad.ir.build import Value, size, value
from jitgrad.ops.array import iota, zeros_like
from jitgrad.ops.cond import cond
from jitgrad.ops.index import add_at, get, put
from jitgrad.ops.linalg import matmul
from jitgrad.ops.loop import loop
from jitgrad.ops.scalar import and_, cos, exp, gt, lt, sin, sqrt
from jitgrad.ops.while_ import while_

from . import constructs_arrays, constructs_ragged  # noqa: F401  (register their programs)
from .constructs_kit import MATRIX, PROGRAMS, SCALAR, VECTOR, N, Program, program, whole

__all__ = ["MATRIX", "PROGRAMS", "SCALAR", "VECTOR", "N", "Program", "whole"]


@program(SCALAR)
def straight(x):
    return sin(x) * x + exp(x) / (x + 3.0)


@program(VECTOR)
def accumulate(x):
    return loop(value(0), size(N), lambda i, s: s + sin(get(x, i)) * s, value(1.0), hints=("i", "s"))[0]


@program(VECTOR)
def downward(x):
    return loop(value(0), size(N), lambda i, s: sin(s) + get(x, i), value(0.3), hints=("i", "s"), reverse=True)[0]


@program(VECTOR)
def zero_trips(x):
    s = loop(size(N), size(N), lambda i, s: s * get(x, value(0)), value(2.0))[0]
    return s * get(x, value(1))


@program(SCALAR)
def one_trip(x):
    return loop(value(3), value(4), lambda i, s: sin(s) * x, x)[0]


@program(VECTOR)
def rows(x):
    s, kept = loop(value(0), size(N), lambda i, s: (sin(s + get(x, i)), s * get(x, i)), value(0.5))
    return whole(kept * kept * x) + s


@program(VECTOR)
def in_place(x):
    """a[i] = sin(a[i - 1]) * a[i]"""
    a = loop(value(1), size(N), lambda i, a: put(a, sin(get(a, i - 1)) * get(a, i), i), x * 1.0)[0]
    return whole(a * a)


@program(VECTOR)
def cell_read_after_overwriting(x):
    def step(i, a, s):
        old = get(a, i)
        new = put(a, sin(old) * 2.0, i)
        return put(new, get(new, i) * old, i), s + get(a, i) * get(new, i)

    a, s = loop(value(0), size(N), step, x * 2.0, value(0.0))
    return whole(a) * s


@program(VECTOR)
def cell_written_twice(x):
    def step(i, a):
        return put(put(a, sin(get(a, value(0))), value(0)), cos(get(a, i)) * get(a, value(0)), value(0))

    return get(loop(value(0), size(N), step, x * 1.5)[0], value(0))


@program(VECTOR, VECTOR)
def swapped(x, z):
    u, v = loop(value(0), value(3), lambda i, u, v: (v, put(u, get(v, i % 2) * get(u, value(1)), value(0))), x, z)
    return whole(u * v)


@program(VECTOR)
def constant_and_carry(x):
    a = loop(value(0), size(N), lambda i, a: put(a, get(a, i) * get(x, size(N - 1) - i), i), x)[0]
    return whole(a * x)


@program(VECTOR)
def data_dependent_cells(x):
    """a[(3 i) % n] += x[i] a[0]"""

    def step(i, a):
        k = apply_mod(i * 3)
        return add_at(a, get(x, i) * get(a, value(0)), k)

    return whole(sin(loop(value(0), size(N), step, zeros_like(x) + 1.0)[0]))


def apply_mod(i: Value) -> Value:
    return i % size(N)


@program(MATRIX)
def nested(x):
    """s += sin(s x[i, j]) over all cells"""

    def outer(i, s):
        return loop(value(0), size(N), lambda j, s: s + sin(s * get(x, i, j)), s, hints=("j", "s"))[0]

    return loop(value(0), size(N), outer, value(0.2), hints=("i", "s"))[0]


@program(VECTOR)
def triangular(x):
    """pairs i < j, as particles do"""

    def outer(i, e):
        def inner(j, e):
            r = get(x, i) - get(x, j)
            return e + exp(-(r * r)) * e

        return loop(i + 1, size(N), inner, e, hints=("j", "e"))[0]

    return loop(value(0), size(N), outer, value(1.0), hints=("i", "e"))[0]


@program(VECTOR)
def triangular_chain(x):
    """an inner recurrence of length i, remembered"""

    def outer(i, s):
        b = loop(value(0), i, lambda j, b: sin(b) * get(x, j), get(x, i), hints=("j", "b"))[0]
        return s + b * s

    return loop(value(0), size(N), outer, value(1.0), hints=("i", "s"))[0]


@program(MATRIX)
def row_views(x):
    """whole rows in a loop: s = sin(s) + x[i] * s"""

    def step(i, s):
        return sin(s) + get(x, i, spec="i:") * s

    return whole(loop(value(0), size(N), step, get(x, value(0), spec="i:"))[0])


@program(MATRIX, positive=True)
def elimination(x):
    """LU without pivoting, in place; the log of the determinant of a diagonally dominant matrix"""
    n_ = size(N)
    a = loop(value(0), n_, lambda i, a: put(a, get(a, i, i) + 4.0, i, i), x)[0]

    def outer(k, a):
        def middle(i, a):
            ratio = get(a, i, k) / get(a, k, k)
            a = put(a, ratio, i, k)
            row = lambda j, a: put(a, get(a, i, j) - ratio * get(a, k, j), i, j)
            return loop(k + 1, n_, row, a, hints=("j", "a"))[0]

        return loop(k + 1, n_, middle, a, hints=("i", "a"))[0]

    a = loop(value(0), n_, outer, a, hints=("k", "a"))[0]
    return loop(value(0), n_, lambda i, s: s + sqrt(get(a, i, i)), value(0.0))[0]


@program(MATRIX, VECTOR)
def time_loop(k, u):
    """u = u + 0.1 sin(K u)"""
    return whole(loop(value(0), value(3), lambda t, u: u + 0.1 * sin(matmul(k, u)), u, hints=("t", "u"))[0])


@program(SCALAR)
def newton(a):
    """sqrt(a) by Newton's method, until it no longer moves much"""

    def test(x):
        r = x * x - a
        return gt(r * r, 1e-12)

    return while_(test, lambda x: 0.5 * (x + a / x), a + 1.0)[0]


@program(VECTOR)
def while_in_for(x):
    def outer(i, s):
        w = while_(lambda w: lt(w, 4.0), lambda w: w * 1.5 + sin(get(x, i)), value(1.0) + get(x, i) * get(x, i))[0]
        return s + w

    return loop(value(0), size(N), outer, value(0.0))[0]


@program(SCALAR, SCALAR)
def branch(x, z):
    return cond(lt(x, z), lambda: sin(x) * z, lambda: exp(z) - x)[0]


@program(SCALAR)
def guarded_branch(x):
    """the branch not taken divides by zero"""
    zero = x - x
    return cond(gt(zero, 0.0), lambda: x / zero, lambda: x * 3.0)[0]


@program(VECTOR)
def branch_in_loop(x):
    """pairs within a cutoff"""

    def step(i, s):
        r = get(x, i)
        return cond(lt(r, 0.1), lambda: s + sin(s) * r, lambda: s)[0]

    return loop(value(0), size(N), step, value(1.0), hints=("i", "s"))[0]


@program(VECTOR)
def branch_with_put(x):
    def step(i, a):
        return cond(lt(get(a, i), 0.2), lambda: put(a, sin(get(a, i)) * get(a, value(0)), i), lambda: a)[0]

    return whole(loop(value(0), size(N), step, x * 1.0)[0])


@program(VECTOR)
def loop_in_branch(x):
    def then():
        return loop(value(0), size(N), lambda i, s: s * get(x, i) + 1.0, value(1.0))[0]

    return cond(gt(get(x, value(0)), -5.0), then, lambda: get(x, value(1)))[0]


@program(VECTOR)
def nested_branches(x):
    a, b = get(x, value(0)), get(x, value(1))
    inner = lambda: cond(gt(b, 0.0), lambda: a * b, lambda: sin(a) - b)[0]
    return cond(gt(a, -0.3), inner, lambda: cos(a * b))[0]


@program(VECTOR)
def integer_carry(x):
    """the index is itself a carry"""

    def step(i, k, s):
        return (k + 2) % size(N), s + get(x, k) * s

    return loop(value(0), size(N), step, value(0), value(1.0))[1]


@program(VECTOR)
def for_with_break(x):
    """sum of sin(s x[i]) until it exceeds 1.5: a `while` whose index is a carry"""

    def test(i, s):
        return and_(lt(i, size(N)), lt(s, 1.5))

    return while_(test, lambda i, s: (i + 1, s + sin(s * get(x, i)) + 0.3), value(0), value(0.2))[1]


@program(VECTOR)
def ahead_of_a_counter(x):
    """s += sin(s a[k + 1]); a[k] = 2 s; k += 1: the cell that is read is overwritten by the next iteration"""

    def step(i, k, s, a):
        return k + 1, s + sin(get(a, k + 1) * s), put(a, s * 2.0, k)

    _, s, a = loop(value(0), size(N - 1), step, value(0), value(0.3), x * 1.0, hints=("i", "k", "s", "a"))
    return s + whole(a * a)


@program(MATRIX)
def table_that_is_written(x):
    """s += sum(x[p, i]) s; p[i] = n - 1 - i: what is carried and written is an index"""

    def step(i, s, p):
        return s + whole(get(x, p, i, spec="ai")) * s * 0.1, put(p, size(N - 1) - i, i)

    s, p = loop(value(0), size(N), step, value(0.3), iota(N), hints=("i", "s", "p"))
    return s + whole(get(x, p, value(0), spec="ai"))


@program(VECTOR)
def counter_in_downward_loop(x):
    def step(i, k, s):
        return k + 2, s + sin(s) * get(x, k % size(N))

    return loop(value(0), size(N), step, value(1), value(0.4), reverse=True)[1]


@program(VECTOR)
def shared_sum(x):
    """threads may share the iterations"""
    return loop(value(0), size(N), lambda i, s: s + sin(get(x, i)) * get(x, i), value(0.5), parallel=True)[0]


@program(VECTOR, VECTOR)
def shared_rows(x, z):
    kept = loop(value(0), size(N), lambda i: (sin(get(x, i)) * get(z, i),), parallel=True)[0]
    return whole(loop(value(1), size(N), lambda i, a: add_at(a, get(kept, i) * get(x, i - 1), i - 1), z, parallel=True)[0])


@program(VECTOR)
def shared_in_name(x):
    """each iteration needs what the one before it wrote"""
    step = lambda i, a: put(a, sin(get(a, i - 1)) * get(a, i), i)
    return whole(loop(value(1), size(N), step, x * 1.0, parallel=True)[0])
