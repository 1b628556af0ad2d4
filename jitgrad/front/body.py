"""A recorded body: the statements that it writes, and the arrays as it sees them.

While it is written a body calls what it takes from outside by its outer name, so that a size means the same wherever it
is asked about. `closed` makes the `Fn` of it, whose last parameters are what it took.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from ..errors import EscapedError, raise_at
from ..ir import build
from ..ir.build import Value
from ..ir.core import Atom, Fn, Let, Type, Var, Where, swap_atom, swap_type, type_vars, vars_of
from ..ir.walk import effectful
from .context import current, line
from .scope import BODY, Box, Ranges, Scope


class Open(build.Scope):
    """The statements of a body that is not closed yet."""

    def atom(self, a: Atom) -> Atom:
        for v in vars_of(a):
            self._need(v)
        return a

    def close(self, t: Type) -> Type:
        for v in type_vars(t):
            self._need(v)
        return t

    def _need(self, v: Var) -> None:
        if v not in self.own and not self.sees(v):
            raise_at(
                EscapedError,
                f"`{v.hint}` was computed inside a recorded loop or branch and is used outside of it",
                wanted="values of this place, or variables, which are carried out",
                got="a value that was kept in something that jitgrad does not follow",
                repair="assign it to a variable that has a value before the loop or branch",
            )


@dataclass(eq=False)
class Body:
    """One attempt at a body. `boxes`: the arrays in it, with what it wrote and what it only read."""

    writing: Open
    boxes: Scope
    where: Where | None

    @contextmanager
    def inside(self) -> Iterator[None]:
        """What is done now belongs to the body."""
        trace = current()
        outer = trace.scope
        with build.entered(self.writing):
            trace.scope = self.boxes
            try:
                yield
            finally:
                trace.scope = outer

    def value(self, box: Box) -> Value:
        """What a box holds at the end."""
        with self.inside():
            return self.boxes.read(box)

    def written(self, outer: Scope) -> list[Box]:
        """The boxes from outside that it wrote, and that may still be used."""
        return [b for b in self.boxes.written if outer.has(b) and b not in self.boxes.poison]

    def raises(self) -> bool:
        """Does a statement in it raise?"""
        return any(map(effectful, self.writing.lets))

    def sees(self, t: Type) -> bool:
        """Is it a type that the place around the body can write?"""
        parent = self.writing.parent
        return parent is not None and all(map(parent.sees, type_vars(t)))


@contextmanager
def recorded(kind: str, ranges: Ranges | None = None) -> Iterator[Body]:
    """Record a body (`kind`: "loop" or "branch") within the scope that is current."""
    trace = current()
    writing = Open()
    writing.where = line()
    body = Body(writing, Scope(BODY, trace.scope, writing=writing, ranges=dict(ranges or {}), what=kind), writing.where)
    with body.inside():
        yield body


def new_param(body: Body, t: Type, hint: str) -> Value:
    return Value(body.writing.param(Var(t, hint)))


def closed(
    writing: Open,
    params: Sequence[Var],
    results: Sequence[Value],
    name: str,
    known: Mapping[Var, Atom] | None = None,
) -> tuple[Fn, tuple[Value, ...]]:
    """The program of a body, and the values that its last parameters stand for. `known`: variables of the body that are
    something from outside."""
    env: dict[Var, Atom] = dict(known or {})
    captured: dict[Var, Var] = {}
    mine = writing.own - env.keys()

    def take(v: Var) -> None:
        if v in mine or v in captured:
            return
        if v in env:
            for w in vars_of(env[v]):
                take(w)
            return
        for w in type_vars(v.type):
            take(w)
        captured[v] = Var(v.type, v.hint)

    atoms = [a for let in writing.lets for a in (*let.args, *let.outs)]
    for a in (*params, *atoms, *(r.atom for r in results)):
        for v in vars_of(a):
            take(v)
    for v, p in captured.items():
        p.type = swap_type(v.type, captured)
    swap: dict[Var, Atom] = {**captured, **{v: swap_atom(a, captured) for v, a in env.items()}}
    for v in mine:
        v.type = swap_type(v.type, swap)
    lets = tuple(renamed(let, swap) for let in writing.lets)
    fn = Fn(name, (*params, *captured.values()), lets, tuple(swap_atom(r.atom, swap) for r in results))
    return fn, tuple(map(Value, captured))


def renamed(let: Let, swap: Mapping[Var, Atom]) -> Let:
    return replace(let, args=tuple(swap_atom(a, swap) for a in let.args))


def constants(body: Body, but: Sequence[Box] = ()) -> dict[Var, Atom]:
    """The boxes that the body only reads: their parameters, and what they hold outside. Asked for outside."""
    scope = current().scope
    entered = {box: p.atom for box, p in body.boxes.entry.items() if box not in but}
    return {p: scope.read(box).atom for box, p in entered.items() if isinstance(p, Var)}


def adopt(body: Body, values: Sequence[Value]) -> list[Value]:
    """Write the statements of a body where it stands: values of it as they are called here."""
    here = build.current()
    swap = constants(body)
    for v in body.writing.own:
        v.type = swap_type(v.type, swap)
    here.own |= body.writing.own
    here.lets += [renamed(let, swap) for let in body.writing.lets]
    return [Value(swap_atom(v.atom, swap)) for v in values]


__all__ = ["Any", "Body", "Open", "adopt", "closed", "constants", "new_param", "recorded"]
