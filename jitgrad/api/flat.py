"""Results that depend on an argument only through comparisons: their derivative is 0 wherever it exists, which is seldom meant.

Bisection is the example: each step is chosen by comparing, and no arithmetic leads from the argument to the root. The program's
derivative is exactly 0; what is wanted is that of the root, by the implicit function theorem.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from ..errors import ZeroDerivativeWarning, message
from ..ir.core import Fn, Let, Var
from ..ir.walk import everywhere, used_in
from ..transform.activity import active_vars

PREDICATES = frozenset({"lt", "le", "gt", "ge", "eq", "ne"})


def warn_if_flat(fn: Fn, name: str, wrt: Sequence[int]) -> None:
    """Warn of each parameter that the program compares, and does not compute with."""
    used = used_in(fn)
    for k in wrt:
        p = fn.params[k]
        predicate = _predicate(fn) if p in used and not active_vars(fn, [p]) & set(fn.results) else None
        if predicate is not None:
            text = message(
                f"`{name}` depends on `{p.hint}` through comparisons only: its derivative is 0",
                predicate.where,
                wanted="arithmetic that leads from the argument to the result",
                got="a comparison that decides which way the program takes",
                repair="differentiate the equation that is solved (the implicit function theorem), or end with a Newton step",
            )
            warnings.warn(text, ZeroDerivativeWarning, stacklevel=2)


def _predicate(fn: Fn) -> Let | None:
    """The first comparison of floats."""
    compares = (let for _, let in everywhere(fn) if let.op.name in PREDICATES)
    return next((let for let in compares if isinstance(let.args[0], Var) and let.args[0].type.is_real), None)


__all__ = ["warn_if_flat"]
