"""How two nested loops go through memory: which of them should be the inner one.

A loop whose index is the last of every array that it meets goes from each number to its neighbour: such a loop is fast, and
LLVM makes vectors of it. One whose index is another goes from row to row, and the vectoriser leaves it alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..ir.core import Let, Var
from ..ir.dims import Dim, DimLike, symbols
from ..ir.walk import inputs
from ..ops.index import axes_of
from ..ops.loop import Loop
from .depend import Around

FIRST = {"get": 1, "put": 2, "add_at": 2}  # where the index begins
FEW = 8  # trips: a loop that is known to be shorter is unrolled, or is not worth it

Depends = Mapping[Any, frozenset[Any]]
NEITHER: frozenset[Any] = frozenset()


def short(view: Loop) -> bool:
    return isinstance(view.trips, int) and view.trips < FEW


def pays(inner: Loop, outer: Var, moving: Depends, around: Around) -> bool:
    """Is it better to have the loop over `outer`, which now is around, within? `moving`: values of the outer body that change
    with its index; `around`: what is known within `inner`.

    An index goes through an array
        not at all    no axis depends on it
        along         the last axis alone depends on it, as +-1 times the index
        across        otherwise
    and the loops are interchanged if the inner one goes across some array, and the outer one along some and across none.
    """
    ways = {i: set[str]() for i in (inner.index, outer)}
    depends = _depends(inner, outer, moving)
    for let in inner.body.lets:
        if let.op.name not in FIRST:
            continue
        if set(let.attrs["spec"]) != {"i"}:
            return False
        cell = [around.dim(a) for a in let.args[FIRST[let.op.name] :]]
        for i in ways:
            ways[i].add(_way(cell, i, depends))
    return "across" in ways[inner.index] and "along" in ways[outer] and "across" not in ways[outer]


def goes_along(let: Let, index: Var, moving: Depends, around: Around) -> bool:
    """Does this `get` meet neighbours, or always the same cell, as the index grows?"""
    if set(let.attrs["spec"]) != {"i"}:
        return False
    axes = axes_of(let.attrs["spec"], (), let.args[1:])
    return _way([around.dim(ax.args[0]) for ax in axes], index, {**moving, index: frozenset({index})}) != "across"


def _depends(inner: Loop, outer: Var, moving: Depends) -> Depends:
    """On which of the two indices the variables of the inner body depend."""
    depends: dict[Any, frozenset[Any]] = {**moving, inner.index: frozenset({inner.index}), outer: frozenset({outer})}
    depends.update((p, frozenset({inner.index, outer})) for p in inner.carries)
    pairs = zip(inner.inner, inner.consts, strict=True)
    depends.update({p: NEITHER.union(*[depends.get(s, NEITHER) for s in _mentions(a)]) for p, a in pairs})
    for let in inner.body.lets:
        mine = NEITHER.union(*[depends.get(v, NEITHER) for v in inputs(let)])
        depends.update((o, mine) for o in let.outs)
    return depends


def _mentions(a: Any) -> list[Any]:
    return [a] if isinstance(a, Var) else list(symbols(getattr(a, "dim", 0)))


def _way(cell: list[DimLike], index: Var, depends: Depends) -> str:
    on = [k for k, d in enumerate(cell) if any(index in depends.get(s, NEITHER) for s in symbols(d))]
    if not on:
        return "not at all"
    last = cell[-1]
    if on != [len(cell) - 1] or not isinstance(last, Dim) or abs(last.terms.get(index, 0)) != 1:
        return "across"
    others = [s for term in last.terms if term is not index for s in symbols(Dim({term: 1}))]
    return "across" if any(index in depends.get(s, NEITHER) for s in others) else "along"


__all__ = ["Depends", "goes_along", "pays", "short"]
