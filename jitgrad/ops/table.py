"""How a row of the table is declared. Each declaration returns the function that transforms and rules call on `Value`s.

    row(...)        a scalar function, applied to each element: its partials
    linear(...)     linear in groups of arguments: its transposes (or accumulators)
    program(...)    neither: its tangent as a program that is linear in the tangent, or its definition by other ops
    flat(...)       stated to have no derivative
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ..errors import InternalError
from ..ir.build import Value, apply
from ..ir.core import BOOL, DTYPES, FLOATS, I64, INTS, OPS, Atom, Op, Type

ARITHMETIC = (*INTS, *FLOATS)

OpFunction = Callable[..., Value]


def declare(op: Op) -> OpFunction:
    if op.name in OPS:
        raise InternalError(f"the op `{op.name}` is declared twice")
    OPS[op.name] = op
    return partial(apply, op.name)


def row(
    name: str,
    numpy: Callable[..., Any],
    sympy: str | None,
    source: str,
    *partials: Callable[..., Any] | None,
    ints: str | None = None,
    on: Sequence[tuple[float, float]] = ((-1.5, 1.5),),
    gives: str | None = None,
    takes: Sequence[str] = FLOATS,
) -> OpFunction:
    """A scalar function of one to three arguments of one dtype and shape. y: the result; x, z, w: the arguments.

    `source` and `sympy` are texts over these and the names of the attributes; `ints`: the source for integers, where it
    differs. `partials[k](y, x, ..., **attrs)` is dy/d(argument k), a Value or a Python number; without any, the row
    states that it has no derivative. `on`: the intervals from which the tests draw the arguments (one: for all).
    """
    facts: dict[str, Any] = {"partials": partials} if partials else {"flat": True}
    type = elementwise_type(name, gives, takes)
    return declare(Op(name, type, numpy, source, ints, sympy, elementwise=True, samples=tuple(on), **facts))


def elementwise_type(name: str, gives: str | None, takes: Sequence[str]) -> Callable[..., tuple[Type]]:
    taken = f"a dtype of {', '.join(takes)}"

    def type(*atoms: Atom, **attrs: Any) -> tuple[Type]:
        t = atoms[0].type
        for a in atoms:
            need(a.type is t or a.type == t, name, "one dtype and shape", atoms)
        need(t.dtype in takes, name, taken, atoms)
        return (t.of(gives) if gives else t,)

    return type


def linear(
    name: str,
    type: Callable[..., Any],
    numpy: Callable[..., Any],
    groups: Sequence[Sequence[int]] = ((0,),),
    transposes: dict[int, Callable[..., Any]] | None = None,
    accumulates: dict[int, Callable[..., Any]] | None = None,
    **more: Any,
) -> OpFunction:
    """Linear in each group of arguments. `transposes[k](g, *args, **attrs)` is the adjoint of argument k;
    `accumulates[k](bar, g, *args, **attrs)` instead adds it to the adjoint already there. An op may have `tangents`
    too, as in `program`, for the arguments in which it is not linear."""
    return declare(
        Op(
            name,
            single(type),
            numpy,
            linear=tuple(map(tuple, groups)),
            transposes=transposes or {},
            accumulates=accumulates or {},
            **more,
        )
    )


def program(
    name: str,
    type: Callable[..., Any],
    numpy: Callable[..., Any],
    tangents: dict[int, Callable[..., Any]] | None = None,
    definition: Callable[..., Any] | None = None,
    **more: Any,
) -> OpFunction:
    """`tangents[k](t, y, *args, **attrs)`: what the tangent t of argument k adds to that of the result, linear in t;
    the reverse mode transposes it. Or `definition(*args, **attrs)`: the op by other ops."""
    return declare(Op(name, single(type), numpy, tangents=tangents, definition=definition, **more))


def flat(name: str, type: Callable[..., Any], numpy: Callable[..., Any], **more: Any) -> OpFunction:
    return declare(Op(name, single(type), numpy, flat=True, **more))


def single(type: Callable[..., Any]) -> Callable[..., tuple[Type, ...]]:
    """A type rule may give one type or a tuple of them."""

    def rule(*args: Any, **attrs: Any) -> tuple[Type, ...]:
        t = type(*args, **attrs)
        return t if isinstance(t, tuple) else (t,)

    return rule


def need(ok: bool, name: str, wanted: str, got: Sequence[Atom]) -> None:
    """Types are decided before a statement is written: a mismatch here is our bug, not the user's."""
    if not ok:
        raise InternalError(f"`{name}` wants {wanted}; got {', '.join(str(a.type) for a in got)}")


def is_index(a: Atom) -> bool:
    return a.type == I64


__all__ = ["ARITHMETIC", "BOOL", "DTYPES", "FLOATS", "I64", "INTS", "Type"]
__all__ += ["declare", "flat", "is_index", "linear", "need", "program", "row"]
