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


@dataclass(frozen=True, eq=False)
class Captured:
    array: np.ndarray  # held, so that its identity stays its own
    box: Box
    param: Var


def adopt(x: np.ndarray, name: str = "") -> Box:
    """The box of an array from outside."""
    trace = current()
    known = trace.captures.get(id(x))
    if known is None:
        known = capture(x, name, frozen="an array from outside of the function, which is not an argument")
    return known.box


def constant(x: np.ndarray) -> Box:
    """A new box for an array that NumPy made while tracing."""
    if id(x) in current().captures:
        return current().captures[id(x)].box
    cells = x.ravel()
    if cells.size and _uniform(cells):
        return Box(Value(literal(cells[0].item(), Type(_dtype(x), x.shape))), "c")
    if 0 < cells.size <= SMALL or not x.ndim:
        return Box(promote.lift(x).value, "c")
    return capture(x, "c", frozen="").box


def _uniform(cells: np.ndarray) -> bool:
    first = cells[0]
    same = cells == first if first == first else np.isnan(cells)
    signs = np.signbit(cells) == np.signbit(first) if cells.dtype.kind == "f" else True
    return bool(np.all(same & signs))


def capture(x: np.ndarray, name: str, frozen: str) -> Captured:
    trace = current()
    hint = name or f"c{len(trace.captures)}"
    param = trace.root.param(Var(Type(_dtype(x), x.shape), hint))
    box = Box(Value(param), hint, frozen=frozen, scope=_root(trace.scope))
    trace.captures[id(x)] = Captured(x, box, param)
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


__all__ = ["Captured", "adopt", "capture", "constant"]
