"""Expressions, generators, and `match`."""

# ruff: noqa: F842
from __future__ import annotations

import math

from .cases import CASES, SCALE, TABLE, Counting, case

# ---- expressions


@case((1,), (2,), (3,), (0,))
def chained_comparisons(n):
    c = Counting()
    r = c(0) < c(n) <= c(2) != c(5)
    q = c(1) is c(1) is not c(None)
    p = c(n) in [1, 2] not in [[5]]
    return r, q, p, c.log


@case((0, 0), (0, 1), (1, 0), (2, 3))
def boolean_operators(a, b):
    c = Counting()
    return c(a) and c(b) and c("x"), c(a) or c(b) or c([]), not a, not (a and not b), c.log


@case((1,), (0,), (-1,))
def conditional_expressions(a):
    c = Counting()
    return c("pos") if c(a) > 0 else c("zero") if a == 0 else c("neg"), c.log


@case((2,))
def two_lambdas_on_a_line(x):
    f, g = (lambda a: a if a > 1 else -a), (lambda a: a * 2 if a > 1.5 else a)
    return f(x), g(x), (lambda *a, k=SCALE, **kw: (a, k, kw))(x, z=1)


two = (lambda x: x + 1 if x else 7), (lambda x: x - 1 if x else 8)
CASES += [(f, (n,)) for f in two for n in (0, 5)]


@case((3,))
def f_strings(n):
    parts = [f"{k:>{n}} {k!r} {k if k else 'none'}" for k in range(n)]
    return f"{parts[0]} {SCALE=} {math.pi:.2f} {'{}'}"


@case(([1, 2, 3],))
def augmented(xs):
    xs = list(xs)
    d, box = {"k": 1, "l": [1]}, Counting()
    xs[0] += 5
    xs[1:] *= 2
    d["k"] -= 4
    d["l"][0] **= 2
    d["l"] += [1]
    box.log += [3]
    box.n = 0
    box.n |= 6
    alias = xs
    alias += [9]
    n = 2
    n <<= 3
    return xs, d, box.log, box.n, n, alias is xs


@case(([5, 6, 7, 8],))
def slices(xs):
    xs = list(xs)
    xs[1:3], xs[-1] = [0, 0, 0], "last"
    a, *xs[:1], b = 1, 2, 3, 4
    del xs[::2]
    return xs, xs[::-1], a, b


@case((4,))
def unpacking(n):
    a, (b, *c), [d, e] = 1, range(n), "xy"
    f = g = h = [n]
    x, y = y0, x0 = a, b
    p: int = 3
    q: list[int]
    return a, b, c, d, e, f is g is h, x, y, y0, x0, p, {**TABLE, "z": [*c, *c]}


@case((5,), (6,))
def method_chains(n):
    text = (
        " ".join(str(k) for k in range(n))
        .replace("1", "one")
        .upper()
    )  # fmt: skip
    return text.split()[1:], [].append(3), TABLE["b"].index(2)


# ---- generators


@case((5,), (0,))
def uses_generators(n):
    def count(k):
        i = 0
        while i < k:
            if i == 3:
                return
            got = yield (i if i else "zero")
            i += 1 if got is None else got
        else:
            yield "else"

    def both():
        first = yield from count(n)
        for x in count(2):
            yield (x, first)

    total = []
    for v in both():
        if v == 2:
            continue
        total.append(v)
    return total


@case((3,))
def a_generator(n):
    s = 0
    for k in range(n):
        s += k and (yield s) or 1
        if not s > 2:
            continue
        yield SCALE * s if s else None


# ---- match


@case((1,), ((1, 2),), ([3, 4, 5],), ({"x": 1, "y": 2},), ("s",), (Counting(),), (2.5,))
def matching(x):
    for k in range(3):
        match x:
            case 1 | 2:
                r = "small"
            case (a, b) if a < b and k < 2:
                if k:
                    return a, b, k
                continue
            case [a, *rest]:
                r = rest
                break
            case {"x": y, **others}:
                return y, others
            case Counting(log=[]):
                r = "counting"
            case float() as f:
                return -f if f > 2 else f
            case _:
                return "other"
    return r, k
