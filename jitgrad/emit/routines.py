"""Which routine of `emit/runtime.py` does what a call of a plan says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..ir.core import INTS
from ..lower.plan import Call
from ..lower.rows import MATMUL_ADD


def as_it_is(s: Call) -> tuple[str, Any, Any]:
    return s.name, s.flags, s.ins


def _matmul(s: Call) -> tuple[str, Any, Any]:
    (ta, tb), (a, b) = s.flags, s.ins
    kind = "im" if a.buffer.type.dtype in INTS else "gem"  # type: ignore[union-attr]
    if len(b.shape) == 1:  # type: ignore[union-attr]
        return f"{kind}v", (ta,), (a, b)
    if len(a.shape) == 1:  # type: ignore[union-attr]
        return f"{kind}v", (not tb,), (b, a)
    return f"{kind}m", (ta, tb), (a, b)


def _matmul_add(s: Call) -> tuple[str, Any, Any]:
    name, flags, ins = _matmul(replace(s, ins=s.ins[:2]))
    return f"{name}_add", flags, (*ins, s.ins[2])


def _triangular(s: Call) -> tuple[str, Any, Any]:
    return "trsv" if len(s.ins[1].shape) == 1 else "trsm", s.flags, s.ins  # type: ignore[union-attr]


def _solve(s: Call) -> tuple[str, Any, Any]:
    return "gesv" if len(s.ins[1].shape) == 1 else "gesm", s.flags, s.ins  # type: ignore[union-attr]


# call -> the routine of `emit/runtime.py` that does what it says, the flags, what it reads
ROUTINES: dict[str, Callable[[Call], tuple[str, Any, Any]]] = {
    "matmul": _matmul,
    MATMUL_ADD: _matmul_add,
    "solve": _solve,
    "solve_triangular": _triangular,
}
