"""Loop-invariant statements leave their loop, before differentiation: where a value is computed decides what its adjoint is.

A statement goes to the outermost scope in which everything it uses exists, but never out of a branch or of a `while`. Out of
a loop that may run no iteration, or whose body may raise, only what cannot fail leaves; a `get` only if its index is proven
to be in bounds outside as well. Out of a loop that runs at least once everything pure leaves: inner loops too.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..ir.affine import at_least, within
from ..ir.build import Value, again, entered
from ..ir.core import Fn, Let, dim_of, vars_of
from ..ir.dims import combine
from ..ir.walk import effectful
from ..ops.index import axes_of
from .rewrite import Outs, Rewriter, rewritten

SAFE = {"broadcast", "transpose", "reshape", "iota", "concat"}


class Hoister(Rewriter):
    def __init__(self, fn: Fn, parent: Hoister | None = None, kind: str = "root") -> None:
        super().__init__(fn, parent, kind)
        self.raises = any(map(effectful, fn.lets))
        self.moved: list[Let] = parent.moved if parent else []

    def each(self, let: Let, ins: Outs) -> Outs:
        home: Rewriter = self
        while home.kind == "loop" and home.parent is not None and may_leave(let, ins, home, home.parent):
            home = home.parent
        if home is self or home.scope is None:
            return super().each(let, ins)
        self.moved.append(let)
        with entered(home.scope):
            return super(Hoister, home).each(let, ins)  # type: ignore[misc]

    def statement(self, let: Let, ins: Outs) -> Outs:
        return again(let, ins)


def may_leave(let: Let, ins: Outs, out_of: Rewriter, to: Rewriter) -> bool:
    scope = to.scope
    if scope is None or effectful(let) or not all(scope.sees(v) for a in ins for v in vars_of(a.atom)):
        return False
    if let.op.elementwise or let.op.name in SAFE:
        return True
    if let.op.name == "get" and in_bounds(let, ins, to):
        return True
    return runs(out_of) and not out_of.raises  # type: ignore[attr-defined]


def runs(body: Rewriter) -> bool:
    """Is the loop proven to run at least once?"""
    lo, hi = body.ranges[body.index]
    least = at_least(combine(hi, lo, -1), body.parent.ranges if body.parent else {})
    return least is not None and least >= 1


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
    root = Hoister(fn)
    new = rewritten(root)
    return new if root.moved else fn

