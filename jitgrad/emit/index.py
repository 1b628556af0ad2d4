"""The index of a loop that runs downwards, for LLVM.

Before it runs a vectorised loop LLVM asks whether the arrays overlap, and it asks before the loop around if it can follow
the addresses there. But then it demands that they rise: within a loop that runs downwards through the rows of an array, as
return sweeps do, the scalar loop runs, always. `falling(t)` is t, but LLVM cannot see how it moves from row to row.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic


@intrinsic
def falling(typingctx, i):
    """The same index. It is not negative."""
    if not isinstance(i, types.Integer):
        return None

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        kind = values[0].type
        same = builder.asm(ir.FunctionType(kind, [kind]), "", "=r,0", values, False)
        builder.assume(builder.icmp_signed(">=", same, kind(0)))
        return same

    return i(i), codegen


__all__ = ["falling"]
