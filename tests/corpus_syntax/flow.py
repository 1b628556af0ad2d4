"""Loops, and jumps out of them."""

# ruff: noqa: F823
from __future__ import annotations

from .cases import SCALE, XS, case


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
