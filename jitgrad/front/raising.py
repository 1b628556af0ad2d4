"""Exceptions of the user's that the program may raise when it runs: `raise` and `assert` under a condition that it computes.

The exception is made while tracing, once: of numbers of the program it tells what they are (`<a traced float64>`), not which.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import user_frame
from ..ir.build import at
from ..ops.cond import Raised, anew, check
from .context import current
from .handlers import refuse_handled
from .protocol import Thunk
from .standin import Scalar, StandIn

# What compiled code can raise; in the place of all others, too.
PLAIN = (
    AssertionError, KeyError, IndexError, LookupError, ZeroDivisionError, OverflowError, FloatingPointError, ArithmeticError,
    NotImplementedError, RuntimeError, TypeError, ValueError,
)  # fmt: skip


def raising(exception: Thunk) -> Any:
    """The exception of a `raise` statement: remembered, so that a branch that ends with it is known to raise."""
    with words():
        e = exception()
        made = e() if isinstance(e, type) and issubclass(e, BaseException) else e
    if isinstance(made, BaseException):
        made.args = tuple(map(_plain, made.args))
        vars(made).update((k, _plain(x)) for k, x in vars(made).items() if isinstance(x, StandIn))
    current().raised.append((made, user_frame()))
    return made


def _plain(x: Any) -> Any:
    """What an exception holds: no number of the program."""
    return repr(x) if isinstance(x, StandIn) else x


def raised_by_user(e: BaseException) -> bool:
    return any(e is r for r, _ in current().raised)


@contextmanager
def words() -> Iterator[None]:
    """Within, a text may tell of a value that the program computes what it is."""
    trace = current()
    before, trace.telling = trace.telling, True
    try:
        yield
    finally:
        trace.telling = before


def check_that(holds: Scalar, e: BaseException) -> None:
    """The program raises `e` where this does not hold."""
    raised = current().raised
    number = next(k for k in reversed(range(len(raised))) if raised[k][0] is e)  # one object may be raised in several places
    where = raised[number][1]
    refuse_handled(type(e), where)
    kind = next((k.__name__ for k in PLAIN if isinstance(e, k)), "RuntimeError")
    text = str(e) if type(e).__name__ == kind else f"{type(e).__name__}: {e}".rstrip(": ")
    with at(where):
        check(holds.value, text, kind, Raised.of(number, anew(e)))


def asserted(holds: Scalar, message: Thunk | None) -> None:
    e = raising(lambda: AssertionError(*(() if message is None else (message(),))))
    check_that(holds, e)


__all__ = ["asserted", "check_that", "raised_by_user", "raising", "words"]
