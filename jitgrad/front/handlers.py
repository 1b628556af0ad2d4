"""The `try` statements around what is traced.

Python's `try` runs while tracing: a handler sees what is raised then, and nothing of what the program raises when it runs. So
what the program may raise is refused where a handler would catch it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ..errors import ConcretizationError, Where, raise_at, user_frame
from ..ir import build
from ..ir.build import Value, at
from ..ops import cond
from .context import current, tracing


@contextmanager
def handling(kinds: Callable[[], Any]) -> Iterator[None]:
    """Within a `try` whose `except` clauses name these classes."""
    handlers = current().handlers
    handlers.append(kinds)
    try:
        yield
    finally:
        handlers.pop()


class Suppressing:
    """`contextlib.suppress`, as a handler."""

    def __init__(self, manager: Any) -> None:
        self.manager = manager

    def __enter__(self) -> Any:
        current().handlers.append(lambda: self.manager._exceptions)
        return self.manager.__enter__()

    def __exit__(self, *error: Any) -> Any:
        current().handlers.pop()
        return self.manager.__exit__(*error)


def managed(manager: Any) -> Any:
    return Suppressing(manager) if isinstance(manager, suppress) else manager


def handler_of(kind: type[BaseException]) -> Any:
    """The class, or the classes, of the `except` around what is traced that would catch this; None: none would."""
    for classes in current().handlers if tracing() else ():
        found = classes()
        for cls in found if isinstance(found, tuple) else (found,):
            if issubclass(kind, cls):
                return cls
    return None


def refuse_handled(kind: type[BaseException], where: Where | None = None) -> None:
    """Refuse what the program may raise within a `try` that would catch it."""
    cls = handler_of(kind)
    if cls is not None:
        name = next(k.__name__ for k in kind.__mro__ if not k.__module__.startswith("jitgrad"))
        raise_at(
            ConcretizationError,
            f"`except {getattr(cls, '__name__', '(...)')}` would catch {name}, which the program may raise when it runs",
            where,
            wanted="exceptions that leave the function: handlers run while tracing, before the numbers are known",
            got=f"{name} under a condition that the program computes",
            repair="write the condition as an `if`, with what the handler does in it",
        )


def may_raise(kind: type[BaseException]) -> None:
    """What is written now may raise this when it runs."""
    build.current().where = where = user_frame()
    refuse_handled(kind, where)


def check(holds: Value, text: str, error: str = "IndexOutOfBounds") -> None:
    """The program raises an error of ours where this does not hold."""
    where = user_frame()
    refuse_handled(cond.error_class(error), where)
    with at(where):
        cond.check(holds, text, error)


# What Python's own arithmetic raises, and the program does not: its numbers are NumPy's.
DIVIDES = frozenset({operator.truediv, operator.floordiv, operator.mod, operator.pow, divmod, pow})
LIMITED = frozenset({
    "sqrt", "log", "log2", "log10", "log1p", "acos", "asin", "acosh", "atanh", "gamma", "lgamma", "pow", "fmod",
})  # fmt: skip
LARGE = frozenset({"exp", "exp2", "expm1", "pow", "cosh", "sinh", "gamma", "ldexp"})


def refuse_handled_arithmetic(f: Any, name: str, plain_numbers: bool) -> None:
    """Refuse an operation on Python's numbers within a `try` for the error that it raises in Python."""
    module, _, function = name.rpartition(".")
    raises = {
        ZeroDivisionError: plain_numbers and f in DIVIDES,
        ValueError: module == "math" and function in LIMITED,
        OverflowError: module == "math" and function in LARGE,
    }
    for kind, does in raises.items():
        if does and handler_of(kind) not in (None, Exception, BaseException):
            raise_at(
                ConcretizationError,
                f"`except {kind.__name__}` waits for what Python raises here, and the program does not",
                wanted="a result for every number",
                got="numbers that follow NumPy: 1.0 / 0.0 is inf, and math.sqrt(-1.0) is nan",
                repair="write the condition as an `if`, with what the handler does in it",
            )


__all__ = ["check", "handling", "managed", "may_raise", "refuse_handled", "refuse_handled_arithmetic"]
