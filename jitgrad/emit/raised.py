"""What compiled code raises. It cannot make the user's exceptions, so it raises a built-in one with the number of its place;
here that becomes the user's own, or a message with the user's line, with a traceback that ends at that line.

    raise ValueError('a negative number', 3)      is place 3 of the text
"""

from __future__ import annotations

import ast
import builtins
import functools
import linecache
from collections.abc import Sequence
from dataclasses import dataclass
from types import CodeType
from typing import NoReturn

from .. import errors
from ..errors import Where, message
from ..lower.plan import Call, Check, Plan, Stmt, everywhere
from ..ops.cond import anew

# Routines that may fail, which they tell by returning True, and what is raised then.
FAILURES = {
    "solve": "Singular matrix", "solve_triangular": "Singular matrix", "inv": "Singular matrix",
    "cholesky": "Matrix is not positive definite",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Site:
    """A place of the text that raises. `user`: the user's exception."""

    statement: Stmt
    error: str
    message: str
    where: Where | None
    user: BaseException | None = None


def sites(plan: Plan) -> tuple[Site, ...]:
    """In the order of the text."""
    found = []
    for s in everywhere(plan.body):
        if isinstance(s, Check):
            found.append(Site(s, s.error, s.message, s.where, getattr(s.raised, "exception", None)))
        elif isinstance(s, Call) and s.name in FAILURES:
            found.append(Site(s, "LinAlgError", FAILURES[s.name], s.where))
    return tuple(found)


def exception(name: str) -> str:
    """The built-in exception that compiled code raises for an error of ours."""
    if name == "LinAlgError":
        return "np.linalg.LinAlgError"
    kind = getattr(errors, name, None) or getattr(builtins, name)
    return next(k.__name__ for k in kind.__mro__ if k.__module__ == "builtins")


def throw(e: Exception, places: Sequence[Site]) -> NoReturn:
    """Raise what `e`, raised by compiled code, stands for."""
    if len(e.args) != 2 or type(e.args[1]) is not int or not 0 <= e.args[1] < len(places):
        raise e
    site = places[e.args[1]]
    if site.user is not None:
        _raise_at(site.where, anew(site.user))
    _raise_at(site.where, type(e)(message(site.message, site.where)))


def _raise_at(where: Where | None, e: BaseException) -> NoReturn:
    """Raise it so that the traceback ends at the user's line."""
    if where is not None:
        exec(_raiser(where), {"error": e, "cause": e.__cause__})
    raise e from e.__cause__


@functools.lru_cache(maxsize=256)
def _raiser(where: Where) -> CodeType:
    """`raise error from cause`, as code of the user's line."""
    line = linecache.getline(where.filename, where.lineno).rstrip()
    first = len(line) - len(line.lstrip()) if where.col is None else where.col
    end = max(first, len(line)) if where.end_col is None else where.end_col
    place = {"lineno": where.lineno, "end_lineno": where.end_lineno or where.lineno, "col_offset": first, "end_col_offset": end}
    error, cause = [ast.Name(n, ast.Load(), **place) for n in ("error", "cause")]
    module = ast.Module([ast.Raise(error, cause, **place)], [])
    return compile(module, where.filename, "exec").replace(co_name=where.function)


__all__ = ["FAILURES", "Site", "exception", "sites", "throw"]
