"""The versions of an array: a statement that writes cells makes the next one of the one before.

That holds for `put` and `add_at`, for loops whose iterations make the next version of what they are handed, and for branches
that both begin with one array. What is computed anew, replaced or swapped is another array.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..ir.core import Atom, Fn, Let, Var
from ..ir.walk import definitions
from ..ops.cond import Cond
from ..ops.loop import Loop
from ..ops.while_ import While


@dataclass(frozen=True)
class Chain:
    """The versions of a carried array within an iteration, from the carry to what it becomes, and the statements between."""

    carry: Var
    versions: tuple[Var, ...]
    links: tuple[Let, ...]


def chain_of(body: Fn, carry: Var, last: Atom) -> Chain | None:
    """None where the array is replaced, swapped or computed anew."""
    defs = definitions(body)
    versions: list[Var] = []
    links: list[Let] = []
    v: Any = last
    while isinstance(v, Var):
        versions.append(v)
        if v is carry:
            return Chain(carry, tuple(reversed(versions)), tuple(reversed(links)))
        let = defs.get(v)
        if let is None:
            return None
        before = _before(let, v)
        if before is None:
            return None
        links.append(let)
        v = before
    return None


def _before(let: Let, v: Var) -> Atom | None:
    """The version of the array from which the statement makes `v`, if it does so by writing cells."""
    k = let.outs.index(v)
    rule = _BEFORE.get(let.op.name)
    return rule(let, k) if rule else None


def _before_loop(view: Loop | While, k: int) -> Atom | None:
    if k >= view.count or chain_of(view.body, view.carries[k], view.nexts[k]) is None:
        return None
    return view.init[k]


def _before_cond(let: Let, k: int) -> Atom | None:
    """Both branches begin with one array."""
    found: set[Atom | None] = set()
    for fn, args in Cond.of(let).branches:
        names = dict(zip(fn.params, args, strict=True))
        found.add(names.get(root_of(fn, fn.results[k])))  # type: ignore[arg-type]
    return found.pop() if len(found) == 1 else None


def root_of(fn: Fn, a: Atom) -> Atom:
    """The array on which a value was built by writing cells."""
    defs = definitions(fn)
    while isinstance(a, Var) and a in defs:
        before = _before(defs[a], a)
        if before is None:
            break
        a = before
    return a


_BEFORE: dict[str, Callable[[Let, int], Atom | None]] = {
    "put": lambda let, k: let.args[0],
    "add_at": lambda let, k: let.args[0],
    "loop": lambda let, k: _before_loop(Loop.of(let), k),
    "while": lambda let, k: _before_loop(While.of(let), k),
    "cond": _before_cond,
}
