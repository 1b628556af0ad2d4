"""Names: closures, scopes, parameters, imports."""

from __future__ import annotations

import math
import os.path

from .cases import SCALE, TABLE, case


@case((4,))
def nonlocal_counter(n):
    count, y = 0, 1.0

    def step(v):
        nonlocal count, y
        count += 1
        if v % 2:
            y = y * 0.5

    for i in range(n):
        step(i)
    while count < 10:
        step(1)
    return count, y


@case((3,))
def nonlocal_two_levels(n):
    total = 0

    def outer(k):
        own = k

        def inner():
            nonlocal total, own
            total += own
            own = -1

        for _ in range(2):
            inner()
        return own

    for k in range(n):
        outer(k)
    return total


@case((3,))
def closures_capture_the_variable(n):
    fs = []
    for i in range(n):
        k = i * 10

        def g():
            return i, k

        fs.append(g)
    gs = [lambda i=i: i for i in range(n)]
    hs = [lambda: i for i in range(n)]
    return [f() for f in fs], [g() for g in gs], [h() for h in hs]


@case((6,))
def recursion(n):
    def fact(k):
        if k <= 1:
            return 1
        return k * fact(k - 1)

    return fact(n) + fib(n)


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


@case((7,))
def global_reads(n):
    s = SCALE
    for k in range(n):
        s += SCALE * len(TABLE["b"])
    return s, TABLE["a"], os.path.join("a", "b"), math.pi


@case((1,), (0,))
def declared_global(n):
    global SCALE
    if n:
        return SCALE
    return SCALE + 1


@case((2,), (0,))
def undefined_global(n):
    s = 0
    for k in range(n):
        s += undefined_name  # noqa
    return s


@case((1,), (-1,))
def one_sided(x):
    if x > 0:
        y = 2
    return y


@case((4,))
def deleting(n):
    s, d, l = 0, {"a": 1, "b": 2}, [1, 2, 3]
    for i in range(n):
        t = i
        s += t
        del t
    del d["a"], l[0]
    if n:
        del s
    return d, l, s


@case((3,))
def comprehension_scopes(n):
    x, i = 10, "outer"
    a = [x * i for i in range(n) if i != 1]
    b = {x for x in [x, x + 1]}
    c = {k: [k + x + j for j in range(k)] for k in range(n)}
    d = sum(i * x for i in range(n) for x in range(i))
    e = [y if y > 1 else -y for y in range(n) if not y == 5]
    f = [(lambda: i + x)() for i in range(2)]
    return a, b, c, d, e, f, i, x


@case((3,), (0,))
def walrus_in_a_comprehension(n):
    if any((last := k) > 1 for k in range(n)):
        return last
    squares = [y := k * k for k in range(n + 1)]
    return y, squares


@case((1.0,), (0.001,))
def walrus_in_while(t):
    s = 0.0
    while (t := t * 0.5) > 0.01:
        if t < 0.05:
            continue
        s += t
    return s, t


@case(([3, 2, 1, 0],), ([3, -1],), ([],))
def walrus_in_while_else(xs):
    xs, out = list(xs), []
    for _ in range(2):
        while xs and (x := xs.pop(0)):
            if x < 0:
                break
            out.append(x)
        else:
            out.append("else")
            continue
        return out, x
    return out


@case((3,), (0,), (-3,))
def walrus_in_conditions(n):
    if (m := n * 2) > 0 and (k := m + 1) > 2:
        return m, k
    r = (q := m) if m else (q := "none")
    return r, q, m


@case((2,), (5,))
def imports(n):
    import math as m
    from os import path

    if n > 3:
        import os.path

        return os.path.basename("a/b"), m.floor(2.5)
    return path.basename("c/d")


@case((3, 4))
def parameters_of_all_kinds(a, /, b, c=3, *rest, d=SCALE, **more):
    for k in rest:
        a += k
    if more:
        d = more
    return a, b, c, rest, d, more


@case(((1, 2, 3, 4, 5), {"d": 7, "e": 8}), ((1, 2), {}))
def calls_with_stars(args, kwargs):
    out = [parameters_of_all_kinds(*args, **kwargs)]

    def inner(x, *y, z=args[0], **w):
        if x > 0:
            return x, y, z, w
        return None

    out.append(inner(*args[:1], *args[1:], **kwargs))
    return out


@case((1,), (20,))
def parameter_rebound_in_a_branch(n):
    if n > 10:
        n = "big"
    return n


@case((3,))
def nested_definitions_in_branches(n):
    if n > 2:

        def g(x):
            return x + 1

        class C:
            k = n

            def m(self):
                return self.k + n
    else:

        def g(x):
            return x - 1

        C = None
    return g(n), C().m()
