"""A cell that a loop works on in every iteration becomes a scalar that the loop carries.

    for j: a[i, k] += x[j] * a[k, j]     ->     s = 0; for j: s += x[j] * a[k, j]; a[i, k] += s

The index of the cell must not change in the loop, and everything else that the loop does to the array must provably happen
elsewhere. A cell that is only added to starts from 0 and is added to once; one that is read is read before the loop; one
that is overwritten is written after it. The loop may run no iteration, so the cell must provably exist.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ..ir.affine import at_least, differ, within
from ..ir.build import Value, again, replay, trace
from ..ir.core import OPS, Atom, Fn, Let, Lit, Var, atom_of, swap_atom, vars_of
from ..ir.dims import combine
from ..ir.walk import effectful, with_fns, with_lets
from ..ops.loop import Loop
from .depend import Around, Cell, Look

NOWHERE = Around()


def promote(fn: Fn, around: Around = NOWHERE) -> Fn:
    lets: list[Let] = []
    for let in fn.lets:
        let = with_fns(let, [promote(f, a) for f, a in zip(let.fns, around.within(let), strict=True)])
        lets += _promoted(let, around) if let.op.name == "loop" else [let]
    return with_lets(fn, lets)


def _promoted(let: Let, around: Around) -> list[Let]:
    """The loop, with what stands before and behind it."""
    view = Loop.of(let)
    for k in range(view.count):
        for cell in _candidates(view, k):
            if _alone(view, k, cell, around.within(let)[0]) and _exists(view, k, cell, around):
                before, loop, behind = _with_scalar(let, view, k, cell)
                return [*before, *_promoted(loop, around), *behind]
    return [let]


@dataclass(frozen=True)
class Spot:
    """A cell of a carried array: its index, as the body calls it, and the statements that work on it."""

    index: tuple[Atom, ...]
    lets: tuple[Let, ...]

    @property
    def only_added(self) -> bool:
        return all(let.op.name == "add_at" for let in self.lets)

    @property
    def only_read(self) -> bool:
        return all(let.op.name == "get" for let in self.lets)


FIRST = {"get": 1, "put": 2, "add_at": 2}  # where the index begins


def _candidates(view: Loop, k: int) -> list[Spot]:
    """The cells at which statements of the body work on the array, and whose index no iteration changes."""
    if not view.carries[k].type.shape:
        return []
    steady = set(view.inner)
    found: dict[tuple[Atom, ...], list[Let]] = {}
    for let in _touching(view, k):
        at = FIRST.get(let.op.name)
        if at is not None and set(let.attrs["spec"]) == {"i"} and all(v in steady for a in let.args[at:] for v in vars_of(a)):
            found.setdefault(let.args[at:], []).append(let)
    return [Spot(index, tuple(lets)) for index, lets in found.items()]


def _touching(view: Loop, k: int) -> list[Let]:
    """The statements that work on a version of the array."""
    look = Look({view.carries[k]}, {})
    out = []
    for let in view.body.lets:
        if any(a in look.arrays for a in let.args if isinstance(a, Var)):
            out.append(let)
            look.statements([let], {})
    return out


def _alone(view: Loop, k: int, spot: Spot, around: Around) -> bool:
    """Does everything else happen to other cells, nobody take the array whole, and nobody read what it was before a write?"""
    look = Look({view.carries[k]}, dict(around.ranges))
    cell: Cell = tuple(around.dim(a) for a in spot.index)
    latest = {view.carries[k]}
    for let in _touching(view, k):
        known, arrays = len(look.found), set(look.arrays)
        if arrays & {a for a in let.args if isinstance(a, Var)} != latest:
            return False
        look.statements([let], dict(around.names))
        latest = look.arrays - arrays or latest
        if let in spot.lets:
            continue
        if not all(x.cell is not None and differ(x.cell, cell, look.ranges) for x in look.found[known:]):
            return False
    results = [r for r in view.body.results if isinstance(r, Var) and r in look.arrays]
    return len(results) == 1 and results[0] is view.nexts[k]


def _exists(view: Loop, k: int, spot: Spot, around: Around) -> bool:
    """Is there such a cell, also if no iteration runs, and before anything in the loop has been checked?"""
    least = at_least(combine(around.dim(view.hi), around.dim(view.lo), -1), around.ranges)
    if least is not None and least >= 1 and not any(map(effectful, view.body.lets)):
        return True
    names = dict(zip(view.inner, view.consts, strict=True))
    index = [around.dim(swap_atom(a, names)) for a in spot.index]
    shape = view.init[k].type.shape
    return all(within(i, around.dim(atom_of(d)), around.ranges) for i, d in zip(index, shape, strict=True))


def _with_scalar(let: Let, view: Loop, k: int, spot: Spot) -> tuple[list[Let], Let, list[Let]]:
    names = dict(zip(view.inner, view.consts, strict=True))
    index = tuple(swap_atom(a, names) for a in spot.index)
    element = view.carries[k].type.element
    array = view.init[k]
    attrs = {"spec": "i" * len(index)}
    before: list[Let] = []
    start: Atom = Lit(0.0 if element.is_real else 0, element)
    if not spot.only_added:
        start = Var(element, view.carries[k].hint)
        before.append(Let((start,), OPS["get"], (array, *index), attrs, (), spot.lets[0].where))
    last = Var(element, view.carries[k].hint)
    c = view.count
    body = _body(view, spot, last)
    outs = list(let.outs)
    behind: list[Let] = []
    if not spot.only_read:
        outs[k] = Var(let.outs[k].type, let.outs[k].hint)
        op = OPS["add_at" if spot.only_added else "put"]
        behind.append(Let((let.outs[k],), op, (outs[k], last, *index), attrs, (), spot.lets[-1].where))
    args = (view.lo, view.hi, *view.init, start, *view.consts)
    new = replace(let, outs=(*outs[:c], last, *outs[c:]), args=args, attrs={**let.attrs, "carry": c + 1}, fns=(body,))
    return before, new, behind


def _body(view: Loop, spot: Spot, scalar: Var) -> Fn:
    """The body with the cell in a scalar, carried behind the other carries."""
    c = view.count
    params = view.body.params
    mine = set(map(id, spot.lets))

    def write(*args: Value) -> tuple[Value, ...]:
        now = args[1 + c]

        def each(let: Let, ins: Sequence[Value]) -> Sequence[Value]:
            nonlocal now
            if id(let) not in mine:
                return again(let, ins)
            now, out = _CELL[let.op.name](now, ins)
            return [out]

        out = replay(view.body, *args[: 1 + c], *args[2 + c :], each=each)
        return (*out[:c], now, *out[c:])

    return trace(write, [*params[: 1 + c], scalar, *params[1 + c :]], view.body.name)


# What becomes of the scalar, and what the statement gives.
_CELL: dict[str, Callable[[Value, Sequence[Value]], tuple[Value, Value]]] = {
    "get": lambda now, ins: (now, now),
    "put": lambda now, ins: (ins[1], ins[0]),
    "add_at": lambda now, ins: (now + ins[1], ins[0]),
}
