"""Variables that have no value after a recorded loop or branch: Python's NameError at the line that reads one, explained."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import NoReturn

from ..errors import EscapedError, UnstableError, Where, raise_at, user_frame, where_of
from .context import current
from .jumps import VALUE


def missing(e: NameError) -> str:
    """The variable that has no value."""
    quoted = re.findall(r"'(\w+)'", str(e))
    return getattr(e, "name", None) or (quoted[0] if quoted else "")


@contextmanager
def explained() -> Iterator[None]:
    try:
        yield
    except NameError as e:
        explain(e)
        raise


def explain(e: NameError) -> None:
    """Raise the explanation, if it was a loop or branch that left the variable without a value."""
    name = missing(e)
    why = current().unset.get(name)
    if why is None:
        return
    if name == VALUE:
        refuse_value(why, e)
    raise_at(
        EscapedError,
        f"`{name}` has no value here: {why}",
        _place(e.__traceback__),
        wanted="a variable that has a value on every path",
        got=f"`{name}`, which the program would have to compute on one path and not on another",
        repair=f"give `{name}` a value of its final kind before",
        cause=e,
    )


def refuse_value(why: str, e: NameError) -> NoReturn:
    raise_at(
        UnstableError,
        "the function returns different kinds of results, depending on values that the program computes",
        user_frame(),
        wanted="numbers, or arrays of one shape, on every path",
        got=why,
        repair="return the same kind of result everywhere",
        cause=e,
    )


def _place(tb: TracebackType | None) -> Where | None:
    """The line that read the variable."""
    while tb is not None and tb.tb_next is not None:
        tb = tb.tb_next
    return where_of(tb.tb_frame) if tb is not None else None
