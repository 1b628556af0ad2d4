"""What a loop does to an array that the next loop works on too, it leaves to that one.

    for k: s += a[k] * u[k]; b[k] -= r * u[k]              for k: s += a[k] * u[k]
    for k: b[k] += c[k] * s; u[k] += a[k] * s       ->     for k: b[k] -= r * u[k]; b[k] += c[k] * s; u[k] += a[k] * s

Return sweeps write this: the adjoint of a dot product must wait for the adjoint of the product, not so what else is added to
the same row. The array is passed over once where it was passed over twice.
"""

# A loop takes (x, y) to (X_n(x), Y_n(y)) if, in its body, what x becomes depends on x, on the index and on constants only, and
# so does what y becomes on y. Then it is two loops, in any order (loop distribution, as between components of the graph of
# dependences: Allen, Kennedy, Optimizing Compilers for Modern Architectures, 2001, 5.2). The second of them may stand behind
# all that does not use x and does not overwrite what it reads. There `chain.py` joins it.

from __future__ import annotations

from ..ir.core import Let, Var
from ..ops.loop import Loop
from .chain import copied
from .work import LIGHT

FREE = LIGHT | {"get"}  # may be done in both


def parted(let: Let, x: Var) -> tuple[Let, Let] | None:
    """The loop without the array `x` that it leaves, and a loop of its own for that; None: they depend on each other, or
    the same work would be done twice."""
    rest = {o for o in let.outs if o is not x}
    trim = let.op.trim
    if trim is None or not rest or Loop.of(let).ragged:
        return None
    one, two = trim(let, rest), trim(let, {x})
    if x in one.outs or two.outs != (x,):
        return None
    mine = {id(s) for s in one.fns[0].lets}
    if any(s.fns or (id(s) in mine and s.op.name not in FREE) for s in two.fns[0].lets):
        return None
    return one, Let(two.outs, two.op, two.args, two.attrs, (copied(two.fns[0]),), two.where)


__all__ = ["parted"]
