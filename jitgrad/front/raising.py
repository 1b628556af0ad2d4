"""Exceptions that the program may raise when it runs: `raise` and `assert` under a condition that it computes."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .. import errors
from ..ops.cond import check
from .context import current, here
from .protocol import Thunk
from .standin import Scalar


def raising(exception: Thunk) -> Any:
    """The exception of a `raise` statement: remembered, so that a branch that ends with it is known to raise."""
    with words():
        e = exception()
        made = e() if isinstance(e, type) and issubclass(e, BaseException) else e
    current().raised.append(made)
    return made


def raised_by_user(e: BaseException) -> bool:
    return any(e is r for r in current().raised)


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
    here()
    check(holds.value, *described(e))


def described(e: BaseException) -> tuple[str, str]:
    """Its message, and the name of the exception to raise: the user's own class becomes the built-in one it derives from."""
    text = str(e)
    for cls in type(e).__mro__:
        name = cls.__name__
        if getattr(errors, name, None) is cls or getattr(builtins, name, None) is cls:
            return (text if cls is type(e) else f"{type(e).__name__}: {text}"), name
    return text, "RuntimeError"


def asserted(holds: Scalar, message: Thunk | None) -> None:
    here()
    check(holds.value, _text(message), "AssertionError")


def _text(message: Thunk | None) -> str:
    if message is None:
        return ""
    with words():
        return str(message())


__all__ = ["asserted", "check_that", "described", "raised_by_user", "raising", "words"]
