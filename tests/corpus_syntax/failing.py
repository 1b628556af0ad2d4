"""Functions that raise: on which line."""

from __future__ import annotations

from .cases import case
from .flow import sum_positive


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
