"""Numbers whose Python type is not known: `s = 0` that a loop turns into a float is a float of the program from the start.

Their value is right, but a question about their type (`isinstance(s, int)`, `s.dtype`) would be answered otherwise than Python
answers it in the first iteration. So it is refused, also for what was computed from such a number.
"""

from __future__ import annotations

from ..errors import ConcretizationError, raise_at
from ..ir import build
from ..ir.build import Value
from ..ir.core import Let, Var, vars_of
from .context import current

# Operations that give an int for ints and a float for floats.
KEEPING = frozenset({"add", "sub", "mul", "neg", "abs", "mod", "floordiv", "pow", "minimum", "maximum", "where", "sign"})


def ask_type(v: Value) -> None:
    """Raise unless the Python type of this number is known."""
    name = unsettled(v)
    if name:
        raise_at(
            ConcretizationError,
            f"the type of `{name}` is asked for, which is an int on one path and a float on another",
            wanted="a variable of one type",
            got=f"`{name}`, which the program computes as a float throughout",
            repair=f"begin with a float: `{name} = 0.0`",
        )


def unsettled(v: Value) -> str:
    """The variable from which the number got its unknown type; "" where its type is known."""
    settled = current().settled
    if not settled:
        return ""
    made = _definitions()
    todo, seen = list(vars_of(v.atom)), set()
    while todo:
        x = todo.pop()
        if x in settled:
            return settled[x]
        let = made.get(x)
        if x not in seen and let is not None and (let.op.construct or let.op.name in KEEPING):
            todo += [w for a in let.args for w in vars_of(a) if not w.type.shape]
        seen.add(x)
    return ""


def _definitions() -> dict[Var, Let]:
    scope: build.Scope | None = build.current()
    found: dict[Var, Let] = {}
    while scope is not None:
        found.update((o, let) for let in scope.lets for o in let.outs)
        scope = scope.parent
    return found


__all__ = ["ask_type", "unsettled"]
