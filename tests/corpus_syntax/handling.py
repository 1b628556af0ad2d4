"""try, with, raise and assert, with jumps out of them."""

from __future__ import annotations

import contextlib
import math

from .cases import XS, case


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
