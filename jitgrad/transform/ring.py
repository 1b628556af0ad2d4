"""Indices that go around: an affine form that a remainder, or a choice between two sides of the seam, agrees with.

    x[(i + 1) % n]            i + 1
    x[i - 2], written         i - 2
      x[i - 2 + n if i - 2 < 0 else i - 2]

Both are in the array, as all indices are, so that on an axis with n cells the form modulo n is all that there is to know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ..ir.core import I64, Fn, Let, Var
from ..ir.dims import Dim, DimLike, combine, substitute
from .depend import Around

Steps = Mapping[Var, Let]


def steps_of(fns: Sequence[Fn]) -> dict[Var, Let]:
    """The statements of these bodies that go around, by what they make."""
    return {let.outs[0]: let for fn in fns for let in fn.lets if let.op.name in _FORMS and let.outs[0].type == I64}


def congruent(d: DimLike, n: DimLike, steps: Steps, here: Around) -> DimLike:
    """The same modulo n, without the statements that go around n cells."""

    def form(v: object) -> DimLike | None:
        let = steps.get(v) if isinstance(v, Var) else None
        return None if let is None else _FORMS[let.op.name](let, n, here)

    while isinstance(d, Dim):  # `((i + 1) % n + 1) % n`
        new = substitute(d, form)
        if new == d:
            break
        d = new
    return d


# x % n = x (mod n).
def _remainder(let: Let, n: DimLike, here: Around) -> DimLike | None:
    x, m = map(here.dim, let.args)
    return x if m == n else None


# Whatever the condition: x + n = x (mod n).
def _choice(let: Let, n: DimLike, here: Around) -> DimLike | None:
    x, z = map(here.dim, let.args[1:])
    gap = combine(x, z, -1)
    return z if gap in (n, combine(0, n, -1)) else None


_FORMS: dict[str, Callable[[Let, DimLike, Around], DimLike | None]] = {"mod": _remainder, "where": _choice}
