"""How much work a loop is, in the unit in which memory is weighed (`remember.py`): an eighth of a scalar that is remembered.

A scalar that is written and read again goes through main memory twice, and the first time its page has to be made: about as
long as eight additions of vectorised code. So an addition weighs 1, and a division or a function 8. Reads and writes of cells
go with the operations. An unknown number of trips counts as an axis of unknown size does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from ..ir.core import Fn, Let, Type
from ..ir.dims import DimLike
from ..ir.walk import effectful
from ..ops.cond import Cond
from ..ops.loop import Loop

UNKNOWN = 1000
ADDITION, FUNCTION = 1, 8
LIGHT = {
    "add", "sub", "mul", "neg", "abs", "maximum", "minimum", "where", "only", "sign", "cast", "and", "or", "not", "xor",
    "lt", "le", "gt", "ge", "eq", "ne",
}  # fmt: skip
MOVES = {"get", "put", "add_at", "broadcast", "transpose", "reshape", "iota", "concat", "stop"}


def elements(t: Type) -> int:
    """How many; an axis of unknown size counts as UNKNOWN."""
    return math.prod(_count(d) for d in t.shape)


def work(let: Let) -> int | None:
    """None: more than is worth knowing (library calls, loops of unknown length), or what must not be done twice."""
    return None if effectful(let) else _of(let)


def _of(let: Let) -> int | None:
    name = let.op.name
    if name == "loop":
        view = Loop.of(let)
        return None if view.policy or view.ragged else _times(_count(view.trips), _all(view.body))
    if name == "cond":
        branch = Cond.of(let)
        return None if branch.ragged else _sum(_all(fn) for fn, _ in branch.branches)
    if name in MOVES:
        return 0
    if let.op.elementwise:
        return (ADDITION if name in LIGHT else FUNCTION) * elements(let.outs[0].type)
    return None


def _all(fn: Fn) -> int | None:
    return _sum(_of(let) for let in fn.lets)


def _sum(parts: Iterable[int | None]) -> int | None:
    total = 0
    for x in parts:
        if x is None:
            return None
        total += x
    return total


def _times(n: int, x: int | None) -> int | None:
    return None if x is None else n * x


def _count(d: DimLike) -> int:
    return d if isinstance(d, int) else UNKNOWN
