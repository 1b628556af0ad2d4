"""Python's `max(a, x)` is one comparison, and one instruction of the processor.

    where(isnan(x), a, maximum(a, x))     ->     where(x > a, x, a)

Until here it was a maximum, whose derivative is shared by equal arguments and whose NaN is seen; the value is the same, NaN
and equal arguments included. A running maximum waits for nothing but this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..ir.core import OPS, Fn, Let, Var
from ..ir.walk import definitions, map_fns, needed

PICKS = {"maximum": "gt", "minimum": "lt"}


def picks(fn: Fn) -> Fn:
    return map_fns(fn, _here)


def _here(fn: Fn) -> Fn:
    defs = definitions(fn)
    lets = tuple(new for let in fn.lets for new in (_picked(let, defs) if let.op.name == "where" else [let]))
    return fn if lets == fn.lets else needed(replace(fn, lets=lets))


def _picked(let: Let, defs: Mapping[Var, Let]) -> list[Let]:
    p, a, y = let.args
    test, most = defs.get(p), defs.get(y)  # type: ignore[arg-type]
    if test is None or most is None or test.op.name != "isnan" or most.op.name not in PICKS:
        return [let]
    x = test.args[0]
    if most.args not in ((a, x), (x, a)):
        return [let]
    better = Var(test.outs[0].type, test.outs[0].hint)
    return [Let((better,), OPS[PICKS[most.op.name]], (x, a), {}, (), let.where), replace(let, args=(better, x, a))]
