"""A record of what return sweeps remember, and why: for the user to read (`jitgrad.memory_plan`).

Within `recorded()` each differentiated loop and branch notes its decision, with those of the constructs within it. Nothing is
kept otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from ..errors import Where
from ..ir.build import current
from ..ir.core import Let, Type, Var, vars_of
from ..ir.walk import definitions
from .remember import Question, Split


@dataclass(frozen=True)
class Kept:
    """A value that is remembered: of which name, of which type (that of all its rows), and why. `each`: of one row, of which
    there is an unknown number."""

    name: str
    type: Type
    why: str
    each: bool = False


@dataclass(frozen=True)
class Decision:
    """`way`: how carried arrays are had again (`remember.py`). `inner`: the decisions about constructs within the body."""

    what: str
    way: str
    kept: tuple[Kept, ...]
    where: Where | None
    inner: tuple[Decision, ...] = ()
    root: Any = None  # the trace it belongs to: one that is started again begins anew


_record: ContextVar[list[Decision] | None] = ContextVar("record", default=None)


@contextmanager
def recorded() -> Iterator[list[Decision]]:
    """Within: decisions are noted in this list."""
    found: list[Decision] = []
    token = _record.set(found)
    try:
        yield found
    finally:
        _record.reset(token)


def inside(make: Callable[[], Any]) -> tuple[Any, tuple[Decision, ...]]:
    """What `make` gives, and the decisions that were made on the way."""
    if _record.get() is None:
        return make(), ()
    with recorded() as inner:
        made = make()
    return made, tuple(inner)


def note(what: str, way: str, kept: Sequence[Kept], inner: tuple[Decision, ...]) -> None:
    record = _record.get()
    if record is not None:
        scope = root = current()
        while root.parent is not None:
            root = root.parent
        record.append(Decision(what, way, tuple(kept), scope.where, inner, root))


# ---- why

BY_OP = {
    "loop": "the result of a loop",
    "while": "the result of a loop",
    "cond": "the result of a branch in which there is a loop",
    "put": "an array that is written",
    "add_at": "an array that is written",
}


def reason(v: Var, q: Question, way: Split) -> str:
    """Why this value is not computed again."""
    let = definitions(q.joint).get(v)
    if let is None:
        return "the next iteration overwrites it"
    if let.op.name == "get" and (v in way.gone or not _free(let, q)):
        return "its cell is overwritten"
    if let.op.name in BY_OP:
        return BY_OP[let.op.name]
    if not let.op.elementwise:
        return f"`{let.op.name}` is not done twice"
    return f"is made of {_names(let, q)}, which would have to be kept"


def _free(let: Let, q: Question) -> bool:
    return let.args[0] in q.free


def _names(let: Let, q: Question) -> str:
    found = {x.hint for a in let.args for x in vars_of(a) if x not in q.free}
    return ", ".join(sorted(found)) or "values"
