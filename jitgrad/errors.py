"""The exceptions of jitgrad, and the one formatter that points at the user's line.

    JitgradError
    |-- InternalError                              our bug, never yours: please report it
    |-- NotCertified                               a derivative and its check disagree
    `-- TraceError                                 your program cannot be taken as it is; the message says why
        |-- SyntaxRefused                          syntax outside the fence
        |-- NoSource                               the text of a function cannot be found
        |-- Unsupported                            a function or an option that jitgrad does not know
        |-- ShapeError          (ValueError)       shapes do not fit
        |-- DTypeError          (TypeError)        an integer where a float is needed, a dtype that is not handled
        |-- ArgumentError       (TypeError, ValueError)     wrong call of a function of jitgrad
        |   `-- StructureError                     nested arguments that changed, or hold what is no number
        |-- ConcretizationError (TypeError)        a traced value where Python needs the number itself
        |-- UnstableError       (TypeError)        a variable that changes its kind between iterations or branches
        |-- AliasError                             which of two arrays is written cannot be known
        |-- EscapedError                           a value used outside the loop, branch or call that made it
        |-- IndexOutOfBounds    (IndexError)       an index that no array of this size has
        `-- NotDifferentiable                      no derivative exists, or none is known

Every message has one layout: a headline, the user's line with carets, then wanted / got / repair / note.
"""

from __future__ import annotations

import itertools
import linecache
import sys
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn


class JitgradError(Exception):
    """Everything that jitgrad raises on purpose."""


class InternalError(JitgradError):
    """A bug of jitgrad."""


class NotCertified(JitgradError):
    """A derivative and its check disagree: the certificate says where."""


class TraceError(JitgradError):
    """The user's program cannot be taken as it is."""


class SyntaxRefused(TraceError):
    """Syntax outside the fence."""


class NoSource(TraceError):
    """The text of a function cannot be found, or is not what runs."""


class Unsupported(TraceError):
    """A function, or an option of one, that jitgrad does not know."""


class ShapeError(TraceError, ValueError):
    """Shapes do not fit."""


class DTypeError(TraceError, TypeError):
    """A dtype that is not handled here."""


class ArgumentError(TraceError, TypeError, ValueError):
    """A wrong call of a function of jitgrad."""


class StructureError(ArgumentError):
    """Nested arguments that are not what they were, or that hold what is no number."""


class ConcretizationError(TraceError, TypeError):
    """A traced value where Python needs the number itself."""


class UnstableError(TraceError, TypeError):
    """A variable that changes its kind between iterations or branches."""


class AliasError(TraceError):
    """Two names may be one array, and it matters."""


class EscapedError(TraceError):
    """A traced value used outside the body that made it."""


class IndexOutOfBounds(TraceError, IndexError):
    """An index that no array of this size has."""


class NotDifferentiable(TraceError):
    """No derivative exists, or none is known."""


class ZeroDerivativeWarning(UserWarning):
    """A result depends on an argument through comparisons only, so that its derivative is 0."""


# ---- the user's line -------------------------------------------------------------------------------------------------

# Frames of these packages are never "the user's line".
HIDDEN_PACKAGES = sys.stdlib_module_names - {"__main__"} | {"jitgrad", "numpy", "numba", "llvmlite", "scipy"}


@dataclass(frozen=True)
class Where:
    """A place in the user's source. Columns count UTF-8 bytes from 0, as in `ast` and `co_positions`; None: unknown."""

    filename: str
    lineno: int
    function: str
    col: int | None = None
    end_lineno: int | None = None
    end_col: int | None = None


def user_frame(frame: FrameType | None = None) -> Where | None:
    """The innermost line of the user's that is running now (seen from `frame` outwards); None where there is none."""
    frame = frame or sys._getframe(1)
    while frame is not None and _hidden(frame):
        frame = frame.f_back
    return where_of(frame) if frame is not None else None


def where_of(frame: FrameType) -> Where:
    """The place of a frame's current instruction; its columns from Python 3.11 on."""
    code = frame.f_code
    if sys.version_info >= (3, 11) and frame.f_lasti >= 0:
        line, end_line, col, end_col = next(itertools.islice(code.co_positions(), frame.f_lasti // 2, None))
        if line is not None:
            return Where(code.co_filename, line, code.co_name, col, end_line, end_col)
    return Where(code.co_filename, frame.f_lineno, code.co_name)


def _hidden(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in HIDDEN_PACKAGES


# ---- messages --------------------------------------------------------------------------------------------------------


def message(
    headline: str, where: Where | None = None, *, wanted: str = "", got: str = "", repair: str = "", note: str = ""
) -> str:
    """The text of an error: headline, the user's line with carets, and those of the four remarks that are given."""
    lines = [headline, *(_quote(where) if where else ())]
    remarks = (("wanted", wanted), ("got", got), ("repair", repair), ("note", note))
    for label, text in remarks:
        if text:
            lines.append(f"  {label + ':':<8}" + text.replace("\n", "\n" + " " * 10))
    return "\n".join(lines)


def raise_at(
    kind: type[JitgradError],
    headline: str,
    where: Where | None = None,
    *,
    wanted: str = "",
    got: str = "",
    repair: str = "",
    note: str = "",
    cause: BaseException | None = None,
) -> NoReturn:
    """Raise `kind` at `where`: by default the line of the user's that is running now."""
    place = where or user_frame(sys._getframe(1))
    error = kind(message(headline, place, wanted=wanted, got=got, repair=repair, note=note))
    heard = listener.get()
    if heard is not None:
        heard(error)
    raise error from cause


# Told of every error that `raise_at` raises: a trace must know of refusals that the user's own `except` catches.
listener: ContextVar[Callable[[JitgradError], None] | None] = ContextVar("listener", default=None)


def _quote(where: Where) -> list[str]:
    """`File ..., line ..., in ...`, the line itself, and the carets under what is meant: as in a traceback."""
    head = f'  File "{where.filename}", line {where.lineno}, in {where.function}'
    raw = linecache.getline(where.filename, where.lineno).rstrip()
    text = raw.lstrip()
    if not text:
        return [head]
    if where.col is None:
        return [head, "    " + text]
    indent = len(raw) - len(text)
    one_line = where.end_col is not None and where.end_lineno in (None, where.lineno)
    start = max(_chars(raw, where.col), indent)
    end = _chars(raw, where.end_col) if one_line and where.end_col is not None else len(raw)
    return [head, "    " + text, "    " + " " * (start - indent) + "^" * max(end - start, 1)]


def _chars(line: str, column: int) -> int:
    """A column in UTF-8 bytes as a number of characters."""
    return len(line.encode()[:column].decode(errors="replace"))
