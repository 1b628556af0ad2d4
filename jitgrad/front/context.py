"""The trace that is running: what it asked of the sizes, what it captured, where the user's program is.

A `Trace` lives for one attempt. Where the example shows that two sizes of different form are equal, one symbol is
solved for the others and the trace starts again with it replaced (`Restart`): so equal sizes have equal forms, and the
bodies that were written before the discovery need no repair.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING, Any

from ..errors import (
    HIDDEN_PACKAGES,
    IndexOutOfBounds,
    JitgradError,
    NoSource,
    ShapeError,
    listener,
)
from ..ir import build
from ..ir.core import Where
from ..ir.dims import Dim, DimLike, Sym, substitute

if TYPE_CHECKING:
    from .captured import Captured
    from .guards import Guards
    from .scope import Box, Scope

_trace: ContextVar[Trace | None] = ContextVar("trace", default=None)

# A size question, answered by the example: `dim op number`, with op one of == != < <= > >=.
SizeGuard = tuple[Dim, str, int]


class Restart(BaseException):
    """Trace again with `symbol` replaced by `dim`. Not an Exception: the user's `except` must not catch it."""

    def __init__(self, symbol: Sym, dim: DimLike, note: str = "") -> None:
        super().__init__(f"{symbol} = {dim}")
        self.symbol, self.dim, self.note = symbol, dim, note


@dataclass(eq=False)
class Trace:
    """One attempt. `replaced`: what earlier attempts found out about the sizes."""

    replaced: dict[Sym, DimLike] = field(default_factory=dict)
    size_guards: dict[SizeGuard, None] = field(default_factory=dict)
    numbers: set[int] = field(default_factory=set)  # how many sizes Python took as numbers
    notes: dict[str, None] = field(default_factory=dict)
    restart: Restart | None = None  # also where the user's bare `except:` swallowed it
    refusal: JitgradError | None = None  # likewise
    record_sizes: bool = False  # comparisons of sizes are recorded, not guarded (the condition of a `while`)
    scope: Scope = None  # type: ignore[assignment]
    guards: Guards = None  # type: ignore[assignment]
    root: build.Scope = None  # type: ignore[assignment]  # of the program; what is captured becomes its parameters
    captures: dict[int, Captured] = field(default_factory=dict)  # by the identity of the array
    unset: dict[str, str] = field(default_factory=dict)  # variables without a value after a loop or branch: why
    settled: dict[Any, str] = field(default_factory=dict)  # atoms whose type in Python is not known: of which variable
    filled: set[Any] = field(default_factory=set)  # places that a side which jumped left without a value
    left_with: dict[Any, tuple[Any, Any, Any]] = field(default_factory=dict)  # see `merge.Merge.left_with`
    raised: list[tuple[BaseException, Where | None]] = field(default_factory=list)  # by `raise` statements of the user's, where
    handlers: list[Callable[[], Any]] = field(default_factory=list)  # the classes that the `try` statements around catch
    plans: dict[Any, Any] = field(default_factory=dict)  # what is known of the variables of a loop, by its place
    telling: bool = False  # the text of an error is being made, or printed
    unread: set[str] = field(default_factory=set)  # functions whose source was not found: they run as they are
    touched: set[Box] = field(default_factory=set)  # of which a function traced within writes a copy

    def now(self, d: DimLike) -> DimLike:
        """A size as this attempt knows it."""
        return substitute(d, self.replaced.get) if self.replaced else d

    def again(self, symbol: Sym, dim: DimLike, note: str = "") -> None:
        """Leave this attempt: in the next one `dim` stands in the place of `symbol`."""
        self.restart = Restart(symbol, dim, note)
        raise self.restart

    def heard(self, error: JitgradError) -> None:
        """Python, too, raises errors of shapes and indices, which a program may catch; what we refuse it may not."""
        if not isinstance(error, (ShapeError, IndexOutOfBounds, NoSource)):
            self.refusal = self.refusal or error

    def note(self, text: str) -> None:
        self.notes[text] = None


def replace_symbol(replaced: dict[Sym, DimLike], symbol: Sym, dim: DimLike) -> dict[Sym, DimLike]:
    """The replacements with one more, which also applies to the old ones."""
    one = {symbol: dim}
    return {**{s: substitute(d, one.get) for s, d in replaced.items()}, symbol: dim}


def tracing() -> bool:
    return _trace.get() is not None


def current() -> Trace:
    trace = _trace.get()
    if trace is None:
        build.refuse_outside()
    return trace


@contextmanager
def running(trace: Trace | None) -> Iterator[Trace | None]:
    """Stand-ins used here belong to `trace`; None: no trace (the transforms, and what they call)."""
    token, hearing = _trace.set(trace), listener.set(trace.heard if trace else None)
    try:
        yield trace
    finally:
        _trace.reset(token)
        listener.reset(hearing)


def unbroken(trace: Trace, result: Any) -> Any:
    """The result of an attempt, unless a restart or a refusal was swallowed on its way by the user's `except`."""
    if trace.restart is not None:
        raise trace.restart
    if trace.refusal is not None:
        raise trace.refusal
    return result


# ---- the user's line, cheaply: once for each recorded operation


def here() -> None:
    """The statements written from now on belong to the user's line that is running."""
    build.current().where = line()


def line() -> Where | None:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _hidden(frame.f_globals.get("__name__") or ""):
        frame = frame.f_back
    if frame is None:
        return None
    return Where(frame.f_code.co_filename, frame.f_lineno, function=frame.f_code.co_name)


_hidden_modules: dict[str, bool] = {}


def _hidden(module: str) -> bool:
    known = _hidden_modules.get(module)
    if known is None:
        known = _hidden_modules[module] = module.partition(".")[0] in HIDDEN_PACKAGES
    return known


__all__ = ["Restart", "SizeGuard", "Trace", "current", "here", "line", "replace_symbol", "running"]
__all__ += ["tracing", "unbroken"]
