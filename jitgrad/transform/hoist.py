"""Loop-invariant statements leave their loop, before differentiation: where a value is computed decides what its adjoint is.

A statement goes to the outermost scope in which everything it uses exists, but never out of a branch, and never out of the
body of a `while` or of a loop that may run no iteration if it could fail there: a `get` leaves only if its index is proven
to be in bounds outside as well.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.affine import within
from ..ir.build import Value, again, entered
from ..ir.core import Fn, Let, Var, dim_of, vars_of
from ..ops.index import axes_of
from .rewrite import Outs, Rewriter, rewritten

SAFE = {"broadcast", "transpose", "reshape", "iota", "concat"}


class Hoister(Rewriter):
    def statement(self, let: Let, ins: Outs) -> Outs:
        home: Rewriter = self
        while home.kind == "loop" and home.parent is not None and self._may_leave(let, ins, home.parent):
            home = home.parent
        if home is self or home.scope is None:
            return again(let, ins)
        with entered(home.scope):
            return again(let, ins)

    def _may_leave(self, let: Let, ins: Outs, to: Rewriter) -> bool:
        scope = to.scope
        if scope is None or not all(scope.sees(v) for a in ins for v in vars_of(a.atom)):
            return False
        if let.op.effect or let.op.construct:
            return False
        if let.op.name == "get":
            return in_bounds(let, ins, to)
        return let.op.elementwise or let.op.name in SAFE


def in_bounds(let: Let, ins: Sequence[Value], at: Rewriter) -> bool:
    """Is every cell of this `get` proven to exist, with the ranges known in that scope?"""
    a, index = ins[0], [v.atom for v in ins[1:]]
    if not all(i.type.dtype == "i64" and not i.type.shape for i in index):
        return False
    for axis, n in zip(axes_of(let.attrs["spec"], let.attrs.get("steps", ()), index), a.shape, strict=True):
        if axis.letter == "i" and not within(dim_of(axis.args[0]), n, at.ranges):
            return False
        if axis.letter == "s":
            start, count = dim_of(axis.args[0]), dim_of(axis.args[1])
            last = start + (count - 1) * axis.step
            if not (within(start, n, at.ranges) and within(last, n, at.ranges)):
                return False
    return True


def hoist(fn: Fn) -> Fn:
    return rewritten(fn, Hoister)


__all__ = ["Hoister", "Var", "hoist"]
