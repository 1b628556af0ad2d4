"""Which statements a return sweep does again rather than remember what they gave.

Elementwise operations, reads, branches of these, and loops that fill new arrays with them: array expressions, written as
loops. Of reductions and products those of a few elements. What other loops give is remembered, or weighed (`work.py`).
"""

from __future__ import annotations

from collections.abc import Callable

from ..ir.core import Fn, Let, Lit, Type, Var, vars_of
from ..ops.loop import Loop
from .work import elements

CHEAP = {"broadcast", "transpose", "reshape", "get", "iota", "cast", "concat"}  # reads: done again rather than kept
SMALL = {"sum", "prod", "max", "min", "any", "all", "cumsum", "matmul"}  # of a few elements: done again too
FEW = 16


def straight(let: Let) -> bool:
    """No loop, no reduction, no library call, no write: also within its branches."""
    if let.op.name == "cond":
        return all(straight(inner) for f in let.fns for inner in f.lets)
    return let.op.elementwise or let.op.name in CHEAP or (let.op.name in SMALL and all(small(a.type) for a in let.args))


def fills(let: Let) -> bool:
    """A loop that writes the cells of new arrays one by one: an array expression, written as a loop."""
    if let.op.name != "loop" or let.attrs.get("ragged"):
        return False
    view = Loop.of(let)
    return all(isinstance(a, Lit) and a.type.shape for a in view.init) and _fills(view.body, {view.index})


def _fills(body: Fn, indices: set[Var]) -> bool:
    """Straight statements, and writes whose cells are others in each iteration of each of the loops of `indices`."""
    for let in body.lets:
        if let.op.name == "put":
            if set(let.attrs["spec"]) != {"i"} or not indices <= {v for a in let.args[2:] for v in vars_of(a)}:
                return False
        elif let.op.name == "loop":
            view = Loop.of(let)
            here = {p for p, a in zip(view.inner, view.consts, strict=True) if a in indices}
            new = all(a.type.shape for a in view.init) and not view.ragged and len(here) == len(indices)
            if not (new and _fills(view.body, here | {view.index})):
                return False
        elif not straight(let):
            return False
    return True


def small(t: Type) -> bool:
    """A few elements, known beforehand: the coordinates of a point, a 3 x 3 matrix."""
    return all(isinstance(d, int) for d in t.shape) and elements(t) <= FEW


def recomputable(let: Let, storable: Callable[[Type], bool]) -> bool:
    """Done again from its arguments rather than remembered; or it must be."""
    return straight(let) or fills(let) or not all(storable(o.type) for o in let.outs)
