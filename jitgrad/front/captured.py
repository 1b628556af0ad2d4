"""Arrays that come from outside of the traced function: globals, closures, attributes, constants.

Each becomes a parameter of the program, one for each ndarray: what the user changes in it is seen by later calls. The
function itself must not write it. What NumPy makes while tracing is a constant: a small one is written into the
program, a larger one is a parameter too, but the function's own to write.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import DTypeError, raise_at
from ..ir.build import Value, literal
from ..ir.core import Type, Var
from . import promote
from .context import current
from .promote import NAME_OF
from .scope import Box, Scope

SMALL = 16  # elements
OUTSIDE = "an array from outside of the function, which is not an argument"


@dataclass(eq=False)
class Captured:
    array: np.ndarray  # held, so that its identity stays its own
    param: Var
    box: Box | None = None  # of an array from outside


def adopt(x: np.ndarray, name: str = "") -> Box:
    """The box of an array from outside."""
    trace = current()
    known = _captured(x, name)
    if known.box is None:
        known.box = Box(Value(known.param), known.param.hint, frozen=OUTSIDE, scope=_root(trace.scope))
    return known.box


def constant(x: np.ndarray) -> Box:
    """A new box, of the scope that is running, for an array that NumPy made while tracing."""
    known = current().captures.get(id(x))
    if known is not None and known.box is not None:
        return known.box
    cells = x.ravel()
    if cells.size and _uniform(cells):
        return Box(Value(literal(cells[0].item(), Type(_dtype(x), x.shape))), "c")
    if 0 < cells.size <= SMALL or not x.ndim:
        return Box(promote.lift(x).value, "c")
    return Box(Value(_captured(x, "c").param), "c")


def _uniform(cells: np.ndarray) -> bool:
    first = cells[0]
    same = cells == first if first == first else np.isnan(cells)
    signs = np.signbit(cells) == np.signbit(first) if cells.dtype.kind == "f" else True
    return bool(np.all(same & signs))


def _captured(x: np.ndarray, name: str) -> Captured:
    """The parameter for it."""
    trace = current()
    if id(x) not in trace.captures:
        param = trace.root.param(Var(Type(_dtype(x), x.shape), name or f"c{len(trace.captures)}"))
        trace.captures[id(x)] = Captured(x, param)
    return trace.captures[id(x)]


def _root(scope: Scope) -> Scope:
    while scope.parent is not None:
        scope = scope.parent
    return scope


def _dtype(x: np.ndarray) -> str:
    name = NAME_OF.get(x.dtype)
    if name is None:
        raise_at(
            DTypeError,
            f"an array of dtype {x.dtype} is used in a traced function",
            wanted="floats, integers or bools of the machine's byte order",
            got=f"{x.dtype}",
            repair="convert it outside of the function",
        )
    return name


__all__ = ["Captured", "adopt", "constant"]
