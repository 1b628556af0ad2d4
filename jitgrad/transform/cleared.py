"""An array of zeros that a loop carries and that every iteration leaves as zeros is made by each iteration.

    a = zeros; for t: { for i: a[i] += x; for i: y = a[i]; a[i] = 0; ... }
    for t: { a = zeros; for i: a[i] += x; for i: y = a[i]; a[i] = 0; ... }

Return sweeps write the first form: it is the adjoint of an array that is overwritten in every iteration. In the second, the
last zeros are written for nobody (`forget`), the first addition to a cell is a store, and loops join over what is left.

The proof: what an iteration does to the array is a row of statements, each on what the one before left. All that write
something else than zero stand before some that write zeros, without a condition, over at least the same cells.

    a = zeros; for i: a[i] += x        ->     for i: a[i] = x         where no two iterations add to one cell
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..ir.affine import at_least
from ..ir.core import OPS, Atom, Fn, Let, Lit, Var, atom_of, zero_of
from ..ir.dims import Dim, DimLike, combine, of_symbol, symbols
from ..ir.walk import with_fns, with_lets
from ..ops.index import axes_of
from ..ops.loop import Loop
from .depend import Around
from .stencil import additions, own_cell
from .versions import chain_of

NOWHERE = Around()
Ends = tuple[DimLike, DimLike]  # the first and the last cell of an axis
Box = tuple[Ends, ...]


def cleared(fn: Fn, around: Around = NOWHERE) -> Fn:
    lets: list[Let] = []
    for let in fn.lets:
        if let.op.name == "loop":
            let = _with_zeros(let, around.within(let)[0])
        let = with_fns(let, [cleared(f, a) for f, a in zip(let.fns, around.within(let), strict=True)])
        lets.append(_stored(let) if let.op.name == "loop" else let)
    return with_lets(fn, lets)


def _with_zeros(let: Let, around: Around) -> Let:
    """The loop, with zeros for the arrays that every iteration clears: as they came, and as they are left. That a carry is
    not used makes it go."""
    view = Loop.of(let)
    ks = [k for k, (p, a) in enumerate(zip(view.carries, view.init, strict=True)) if _zeros(a) and _clears(view, p, k, around)]
    if not ks:
        return let
    zeros: dict[Atom, Atom] = {view.carries[k]: zero_of(view.carries[k].type) for k in ks}
    lets = tuple(replace(x, args=tuple(zeros.get(a, a) for a in x.args)) for x in view.body.lets)
    results = [zero_of(r.type) if k in ks else r for k, r in enumerate(view.body.results)]
    return replace(let, fns=(replace(view.body, lets=lets, results=tuple(results)),))


def _zeros(a: Atom) -> bool:
    return isinstance(a, Lit) and bool(a.type.shape) and a.has(0.0)


@dataclass
class Write:
    """`zero`: stores 0. `always`: under no condition. `box`: its cells, None: any."""

    zero: bool
    always: bool
    box: Box | None


def _clears(view: Loop, p: Var, k: int, around: Around) -> bool:
    steps = _steps(view.body, p, view.nexts[k])
    if not steps or view.body.results.count(view.nexts[k]) != 1:
        return False
    writes = [_writes(let, v, around) for let, v in steps]
    if any(w is None for w in writes):
        return False
    last = len(writes)
    while last and all(w.zero for w in writes[last - 1]):  # type: ignore[union-attr]
        last -= 1
    clearing = [w.box for ws in writes[last:] for w in ws if w.always and w.box is not None]  # type: ignore[union-attr]
    dirty = [w for ws in writes[:last] for w in ws if not w.zero]  # type: ignore[union-attr]
    return all(w.box is not None and any(_covers(box, w.box, around.ranges) for box in clearing) for w in dirty)


def _steps(fn: Fn, p: Var, last: Atom) -> list[tuple[Let, Var]]:
    """The statements that make the last version of the array of the first, each with the version that it takes."""
    chain = chain_of(fn, p, last)
    return list(zip(chain.links, chain.versions, strict=False)) if chain else []


def _writes(let: Let, v: Atom, around: Around) -> list[Write] | None:
    """What a statement stores in the array; None: what we do not follow."""
    if let.op.name not in ("put", "add_at", "loop"):
        return None
    if let.op.name != "loop":
        value = let.args[1]
        zero = let.op.name == "put" and isinstance(value, Lit) and value.has(0.0)
        return [Write(zero, True, _box(let, around))]
    view = Loop.of(let)
    if view.init.count(v) != 1:
        return None
    k = view.init.index(v)
    inner = around.within(let)[0]
    steps = _steps(view.body, view.carries[k], view.nexts[k])
    if view.nexts[k] is not view.carries[k] and not steps:
        return None
    found = [_writes(x, w, inner) for x, w in steps]
    if any(ws is None for ws in found):
        return None
    out = [w for ws in found for w in ws]  # type: ignore[union-attr]
    ends = inner.ranges[view.index]
    return [replace(w, box=_along(w.box, view.index, ends), always=w.always and _exact(w.box, view.index)) for w in out]


def _box(let: Let, around: Around) -> Box | None:
    out: list[Ends] = []
    axes = axes_of(let.attrs["spec"], let.attrs.get("steps", ()), let.args[2:])
    for axis, n in zip(axes, let.args[0].type.shape, strict=True):
        if axis.letter == "i":
            d = around.dim(axis.args[0])
            out.append((d, d))
        elif axis.letter == ":":
            out.append((0, combine(around.dim(atom_of(n)), 1, -1)))
        else:
            return None
    return tuple(out)


def _along(box: Box | None, index: Var, ends: Ends) -> Box | None:
    """The cells of all iterations; more than these, where the ends of an axis move with the index."""
    return None if box is None else tuple((_end(a, index, ends, 0), _end(b, index, ends, 1)) for a, b in box)


def _end(d: DimLike, index: Var, ends: Ends, side: int) -> DimLike:
    s = _factor(d, index)
    lo, hi = ends
    end = lo if (s > 0) == (side == 0) else combine(hi, 1, -1)
    return combine(combine(d, of_symbol(index), -s), end, s) if s else d


def _factor(d: DimLike, index: Var) -> int:
    return d.terms.get(index, 0) if isinstance(d, Dim) else 0


def _exact(box: Box | None, index: Var) -> bool:
    """Are the cells of all iterations a box without holes, whose ends no index moves?"""
    if box is None:
        return False
    moving = [(a, b) for a, b in box if index in symbols(a) or index in symbols(b)]
    return len(moving) == 1 and moving[0][0] == moving[0][1] and abs(_factor(moving[0][0], index)) == 1


def _covers(big: Box, small: Box, ranges: Mapping[Any, tuple[DimLike, DimLike]]) -> bool:
    def ordered(a: DimLike, b: DimLike) -> bool:
        least = at_least(combine(b, a, -1), ranges)
        return least is not None and least >= 0

    return all(ordered(a, c) and ordered(d, b) for (a, b), (c, d) in zip(big, small, strict=True))


# ---- the first addition to a cell


def _stored(let: Let) -> Let:
    """With a store in the place of the one addition to an array of zeros, if each cell is added to once."""
    for k, a in enumerate(Loop.of(let).init):
        if _zeros(a) and a.type.is_real:
            path: list[Let] = []
            adds = additions(let, k, path)
            if adds is not None and len(adds) == 1 and own_cell(path, adds[0]):
                return _stored(_with_store(let, adds[0]))
    return let


def _with_store(let: Let, add: Let) -> Let:
    if let is add:
        return replace(let, op=OPS["put"])
    return with_fns(let, [with_lets(f, [_with_store(x, add) for x in f.lets]) for f in let.fns])
