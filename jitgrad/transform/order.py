"""Every read of an array stands before the statement that overwrites it, wherever the data flow allows.

A value that is read after its buffer was taken over would force a copy; and in a body that is differentiated, an old version
read late has an adjoint of its own, whose sum with the other is dense. So this runs before `vjp` and before lowering.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from ..ir.core import Fn, Let, Var
from ..ir.walk import definitions, fact, uses, with_fns, with_lets
from ..ops.cond import Cond
from ..ops.loop import Loop
from ..ops.while_ import While


@fact
def consumes(let: Let) -> AbstractSet[Var]:
    """The arrays in whose buffer the statement would like to write."""
    rule = _CONSUMES.get(let.op.name)
    return {a for a in rule(let) if isinstance(a, Var) and a.type.shape} if rule else set()


@fact
def overwritten(fn: Fn) -> AbstractSet[Var]:
    return {a for let in fn.lets for a in consumes(let)}


def _cond(let: Let) -> list[object]:
    found: list[object] = []
    for fn, args in Cond.of(let).branches:
        lost = overwritten(fn)
        found += [a for p, a in zip(fn.params, args, strict=True) if p in lost]
    return found


_CONSUMES = {
    "put": lambda let: let.args[:1],
    "add_at": lambda let: let.args[:1],
    "loop": lambda let: Loop.of(let).init,
    "while": lambda let: While.of(let).init,
    "cond": _cond,
}


def order(fn: Fn) -> Fn:
    fn = with_lets(fn, [with_fns(let, map(order, let.fns)) for let in fn.lets])
    lets, defs = fn.lets, definitions(fn)
    position = {id(let): k for k, let in enumerate(lets)}
    before = [{position[id(defs[v])] for v in uses(let) if v in defs} for let in lets]
    _keep_effects_in_order(lets, before)
    for k, let in enumerate(lets):
        for a in consumes(let):
            for j, other in enumerate(lets):
                if j != k and a in uses(other) and a not in consumes(other) and not _leads(k, j, before):
                    before[k].add(j)
    return with_lets(fn, [lets[k] for k in _stable(before)])


def _keep_effects_in_order(lets: Sequence[Let], before: list[set[int]]) -> None:
    """What raises stays in its order, and what follows it stays behind it: a read must not overtake its check."""
    last: int | None = None
    for k, let in enumerate(lets):
        if last is not None:
            before[k].add(last)
        if let.op.effect:
            last = k


def _leads(a: int, b: int, before: list[set[int]]) -> bool:
    """Must a stand before b?"""
    seen: set[int] = set()
    todo = [b]
    while todo:
        k = todo.pop()
        if k == a:
            return True
        if k not in seen:
            seen.add(k)
            todo += before[k]
    return False


def _stable(before: list[set[int]]) -> list[int]:
    """A topological order; among what is ready, the order of the program."""
    done: list[int] = []
    placed: set[int] = set()
    todo = list(range(len(before)))
    while todo:
        k = next(k for k in todo if before[k] <= placed)
        done.append(k)
        placed.add(k)
        todo.remove(k)
    return done
