"""Ordinary Python functions, chosen for their syntax: each runs as written and rewritten, and must do the same.

`CASES` lists (function, arguments, ...). Some raise, on purpose.
"""

# ruff: noqa: F823, F842
from __future__ import annotations

import contextlib
import functools
import math
import os.path

CASES = []
SCALE = 3.0
TABLE = {"a": 1, "b": [1, 2, 3]}


def case(*argument_lists):
    def register(f):
        CASES.extend((f, arguments) for arguments in argument_lists)
        return f

    return register


XS = [0.5, 1.5, -2.0, 3.0, 0.0, 4.0]


# ---- loops, and jumps out of them


@case((XS,), ([],))
def sum_positive(xs):
    s = 0.0
    for x in xs:
        if x > 0:
            s += x
    return s


@case((XS, 1.0), (XS, 100.0), ([], 1.0))
def early_return(xs, lim):
    s = 0.0
    for x in xs:
        s += x
        if s > lim:
            return s * 2
        s *= 1.1
    return -s


@case(([[1, 2], [3, 4], [-5, 6]], 5), ([[1, 2], [3, 4]], 500), ([], 1))
def early_return_nested(rows, lim):
    s = 0
    for row in rows:
        for v in row:
            if v < 0:
                continue
            s += v
            if s > lim:
                return ("found", s)
        s = s + 1
    return s


@case((1,), (-1,), (0,))
def returns_or_falls_off(x):
    if x > 0:
        return x
    elif x < 0:
        return


@case((XS,), ([1, 2],), ([],))
def for_else(xs):
    for i, x in enumerate(xs):
        if x > 2:
            r = (i, x)
            break
    else:
        r = None
    return r


@case((XS, 3.0), (XS, 7.0))
def for_else_return(xs, wanted):
    for x in xs:
        if x == wanted:
            return "there"
    else:
        found = "not there"
    return found


@case((12,), (13,), (2,), (1,))
def prime(n):
    k = 2
    while k * k <= n:
        if n % k == 0:
            break
        k += 1
    else:
        return n > 1
    return False


@case(([[1, 2], [3, 0], [4, 5]],), ([[1, 2]],), ([],))
def break_and_return_in_one_loop(rows):
    out = []
    for row in rows:
        for v in row:
            if v == 0:
                break
            if v == 4:
                return out, "four"
            out.append(v)
        else:
            out.append("-")
    return out


@case((27,), (1,), (3,))
def collatz(n):
    c = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        c += 1
        if c > 20:
            continue
        c += 0
    return c


@case((2.0,), (9.0,))
def bisection(a):
    lo, hi, k = 0.0, 10.0, 0
    while True:
        mid = 0.5 * (lo + hi)
        if hi - lo < 1e-10 or k > 200:
            break
        if mid * mid > a:
            hi = mid
        else:
            lo = mid
        k += 1
    return mid


@case(([0, 1, 5, 2],), ([0, 1],), ([],))
def endless_with_returns(xs):
    i = 0
    while True:
        if i >= len(xs):
            return -1
        if xs[i] > 4:
            return i
        i += 1


@case(([[1, 2, 3], [4, 5], [6]],), ([[]],))
def while_in_for(rows):
    c, total = 0.0, 0
    for row in rows:
        j = 0
        while j < len(row):
            j += 1
            if row[j - 1] < 2:
                continue
            if row[j - 1] > 4:
                break
            c += row[j - 1]
            total += 1
        else:
            c -= 1
    return c * total


@case(([1.0, 1.0],), ([1.0, 2.0],), ([2.0, 1.0],), ([2.0, 2.0],))
def return_in_the_middle_of_an_if(x):
    if x[0] > 1:
        if x[1] > 1.5:
            return x[0]
        y = 2.0
    else:
        y = 3.0
    return y * x[1]


@case((XS,), ([9],), ([],))
def continue_in_the_middle(xs):
    out = []
    for x in xs:
        if x > 0:
            if x > 2:
                continue
            y = x
        else:
            y = -x
            if y == 0:
                break
        out.append(y)
    return out


@case((3,), (0,))
def loop_variable_after_the_loop(n):
    i = "never"
    for i in range(n):
        if i == 1:
            break
    return i


@case((3,), (0,))
def unbound_after_no_trip(n):
    for i in range(n):
        last = i
    return last


@case(([(1, (2, 3)), (4, (5, 6))],))
def nested_target(pairs):
    out = []
    for a, (b, *c) in pairs:
        out.append((a, b, c))
    return out, a, b, c


@case((4,))
def target_is_a_subscript_or_an_attribute(n):
    class Box:
        pass

    box, d = Box(), {}
    for d["k"] in range(n):
        for box.v in "xy":
            pass
    return d, box.v


@case((5,), (0,))
def dead_code(n):
    for i in range(n):
        return i
        n = 17
    return "end"
    local = 5


@case((1,), (0,))
def dead_assignment_makes_it_local(n):
    if n:
        return n
    return SCALE
    SCALE = 5


@case((0,), (1,), (2,), (3,))
def if_ladder(n):
    if n == 0:
        return "zero"
    elif n == 1:
        r = "one"
    elif n == 2:
        return "two"
    else:
        r = "many"
    r += "!"
    return r


# ---- try, with, raise, assert


@case((XS, 1.0), (XS, 1e9))
def return_in_try_finally(xs, lim):
    s = 0.0
    try:
        for x in xs:
            if x > lim:
                return s
            s += x
    finally:
        s = 5
    return s


@case((0,), (1,), (2,), (3,))
def try_except_else_finally(n):
    log = []
    try:
        log.append("try")
        if n == 1:
            return log
        if n == 2:
            raise KeyError("k")
        if n == 3:
            1 / 0
    except KeyError as e:
        log.append(str(e))
    except ZeroDivisionError as e:
        log.append(type(e).__name__)
        return log
    else:
        log.append("else")
    finally:
        log.append("finally")
    log.append("end")
    return log


@case((0,), (1,))
def abandoned_return(n):
    try:
        try:
            if n:
                return "abandoned"
        finally:
            raise ValueError
    except ValueError:
        pass
    return "right"


class Raising:
    def __enter__(self):
        return self

    def __exit__(self, *a):
        raise ValueError("exit")


@case((3,))
def abandoned_jumps_in_with(n):
    out = []
    for i in range(n):
        with contextlib.suppress(ValueError):
            with Raising():
                if i == 1:
                    break
                out.append(i)
                continue
        out.append("after")
        with contextlib.suppress(ValueError), Raising():
            return "abandoned"
    return out


@case((0,), (1,))
def with_suppresses(n):
    with contextlib.suppress(ZeroDivisionError):
        1 / n
        return "returned"
    return "suppressed"


@case((3,), (30,))
def break_and_continue_in_try(n):
    out = []
    for i in range(n):
        try:
            if i % 2:
                continue
            if i > 6:
                break
            out.append(10 // (i - 2))
        except ZeroDivisionError:
            out.append("zero")
            continue
        finally:
            out.append("f")
        out.append("end")
    return out


@case((0,), (2,))
def except_variable_is_deleted(n):
    for k in range(n):
        try:
            raise ValueError(k)
        except ValueError as error:
            seen = error.args
    if n:
        seen = (seen, "n")
    try:
        return error
    except NameError:
        return "unbound", n


@case((0,), (1,), (2,))
def bare_raise(n):
    try:
        if n == 1:
            raise ValueError("one")
        if n == 2:
            raise KeyError("two")
    except ValueError:
        if n:
            raise
    return n


@case((-1,), (4,))
def raise_from(n):
    try:
        math.sqrt(n)
    except ValueError as e:
        raise RuntimeError("negative") from e
    return n


@case(([1, 2],), ([1, -1],), ([],))
def raising_in_a_loop(xs):
    s = 0
    for x in xs:
        if x < 0:
            raise ValueError(
                "negative",
            )
        s += x
    if not xs:
        raise TypeError
    return s


@case((1,), (-1,))
def asserting(x):
    for k in range(3):
        assert x > 0, f"{x} at {k}"
    assert x
    return x


@case((0,))
def asserting_without_message(x):
    assert x
    return x


@case((3,))
def with_targets(n):
    stack = []

    @contextlib.contextmanager
    def push(k):
        stack.append(k)
        yield k, -k
        stack.append("pop")

    d = {}
    for k in range(n):
        with push(k) as (a, b), push(a + b) as d["x"]:
            if k == 1:
                continue
            stack.append((a, b))
    return stack, d


# ---- names, closures, scopes


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


# ---- expressions


class Counting:
    def __init__(self):
        self.log = []

    def __call__(self, k):
        self.log.append(k)
        return k


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


# ---- classes


class Base:
    k = 2.0

    def go(self, x):
        return x * self.k if x > 1 else x

    @property
    def double(self):
        return self.k * 2

    @classmethod
    def make(cls, *a):
        return cls(*a)


class _Der(Base):
    __count = 0

    def __init__(self, p=3.0):
        super().__init__()
        self.__p = p
        self.q = self.__hidden(p)

    def __hidden(self, x):
        def inner():
            return self.__p + x

        if x > 1:
            return inner()
        return -x

    def go(self, x, *, w=1.5):
        if x > 1.2:
            for _ in range(2):
                x = super().go(x) * self.__p
                __local = x
                if __local > 1e6:
                    return __local
            return x + __local
        return w * x

    @staticmethod
    def twice(x):
        return 2 * x if x else None

    def bump(self):
        for _ in range(3):
            self.__count += 1
            if self.__count > 2:
                _Der.k += 0.0
        return self.__count, __class__.__name__

    def generic(self, f):
        while True:
            return [f(v) for v in (self.__p, self.double, super().double)], (lambda: super(_Der, self).k)()


@case((0.5,), (1.1,), (2.0,), (1e9,))
def classes(x):
    d = _Der.make(2.0)
    return d.go(x), d.go(x, w=2.0), d.twice(x), d.bump(), d.q, d.double, d.generic(_Der.twice), _Der(0).q


CASES += [(f, (_Der(4.0), 2.0)) for f in (_Der.go, Base.go)] + [(_Der.bump, (_Der(),)), (_Der.generic, (_Der(), abs))]


def decorate(k):
    def wrap(f):
        @functools.wraps(f)
        def g(*a, **kw):
            r = f(*a, **kw)
            if isinstance(r, float):
                return r * k
            return r

        return g

    return wrap


@case(([1.0, 2.0],), (None,))
@decorate(3)
@decorate(
    k=2,
)
def decorated(xs, scale=2.0):
    """Has a docstring."""
    s = 0.0
    for v in xs:
        if v > 1:
            s += v * scale
    return s


@case((3,))
def decorators_inside(n):
    @decorate(2)
    def g(x):
        if x > 1:
            return float(x)
        return x

    @functools.lru_cache(None)
    def h(x):
        return 1 if x < 2 else h(x - 1) + h(x - 2)

    return g(n), h(20)


def make_adder(k):
    def add(x):
        nonlocal k
        if x > 0:
            k += x
        return k

    return add


CASES += [(make_adder(2), (3,)), (make_adder(2), (-3,))]


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


# ---- where it breaks


@case(([1, 2, 0],), ([1, 2],))
def division(xs):
    total = 0
    for x in xs:
        if x < 5:
            total += (
                1
                / x
            )  # fmt: skip
    return total


@case(([1, 2],), ([1, 2, 3, 4],))
def index_error(xs):
    k = 0
    while True:
        if k > 2:
            return xs[0], xs[k]
        k += len(xs[k : k + 1]) and xs[k] and 1
        xs[k] if k < 3 else None


@case((None,), ("x",))
def attribute_error(x):
    return [
        x
        .strip()
        .nothing
    ]  # fmt: skip


@case((3,))
def error_in_a_multiline_call(n):
    for k in range(n):
        if k == 1:
            return max(
                1,
                k - "x",
            )


@case(("3",), ("x",), (None,))
def error_in_a_multiline_method(text):
    r = (
        text.strip()
        .zfill(3)
        .index(
            "3",
        )
    )  # fmt: skip
    return r if int(text) else 0


@case((2,))
def error_in_a_thunk(n):
    return n > 1 and (
        n < 5
        and n + "x"
    )  # fmt: skip


@case((2,))
def error_in_the_test_of_a_while(n):
    while (
        n > 0
        and
        10 / (n - 1) > 0
    ):  # fmt: skip
        n -= 1
    return n


@case((2,))
def error_in_the_iterable(n):
    def bad():
        yield 1
        raise KeyError(n)

    for k in bad():
        n += k
    return n


@case((3,))
def calling_what_is_no_function(n):
    return n(
        4
    )  # fmt: skip


@case(
    (1, 2, 3),
)
def wrong_arguments(n, m, k):
    return sum_positive(n, m)
