"""Loops over one range become one, and branches on one predicate.

A forward and a return sweep of a loop that remembers nothing are then one sweep: the loop that one writes by hand.

Two statements of a block join if the second needs nothing of the first, no array is read by one and overwritten by the
other, and (of loops) both run the same way, or the iterations of one may run in any order. What stands between goes before
the joint statement, or, if it depends on the first, behind it. A branch may also use what the branch before it gives.
Loops that both overwrite one array join where it is one carry: the same recurrence, run twice.

`upwards`: a loop whose iterations may run in any order runs upwards, as memory and the vectoriser like it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..ir.build import Value, replay, trace
from ..ir.core import Fn, Let, Var, atom_of
from ..ir.dims import symbols
from ..ir.walk import effectful, fact, use_counts, uses, with_fns, with_lets
from ..ops.cond import Cond
from ..ops.loop import Loop, Ragged
from .chain import chained, copied, in_terms_of
from .congruence import congruent
from .depend import Around, any_order
from .order import consumes
from .parted import parted
from .simplify import simplify


@dataclass
class Block:
    """What stays as it is while statements of a block join. `roots`: views -> the array whose memory they show."""

    fn: Fn
    around: Around
    kept: Collection[Var]
    roots: Mapping[Var, Var]
    free: dict[Let, bool] = field(default_factory=dict)  # loops that were asked about: may their iterations run in any order?

    def any_order(self, let: Let) -> bool:
        if let not in self.free:
            self.free[let] = any_order(Loop.of(let), self.around.within(let)[0])
        return self.free[let]

    def arrays(self, let: Let) -> set[Var]:
        return {self.roots.get(v, v) for v in uses(let) if v.type.shape}

    def lost(self, let: Let) -> set[Var]:
        return {self.roots.get(v, v) for v in consumes(let)}

    def overwrites(self, a: Let, b: Let) -> bool:
        """Does the first write over memory that the second reads?"""
        return bool(self.lost(a) & self.arrays(b))

    def meet(self, a: Let, b: Let) -> bool:
        """Does one of them write over memory that the other reads?"""
        return self.overwrites(a, b) or self.overwrites(b, a)


VIEWS = {"get", "reshape", "transpose", "broadcast"}  # pulls: another look at the memory of their first argument


def fuse(fn: Fn, around: Around = Around(), kept: Collection[Var] = ()) -> Fn:  # noqa: B008  (immutable)
    """`kept`: arrays that stay as they are, whoever overwrites them."""
    lets = [_inside(let, around) for let in fn.lets]
    block = Block(fn, around, kept, _roots(lets))
    k = 1
    while k < len(lets):
        joined = None
        if lets[k].op.name in _JOIN:
            ways = ((j, way) for way in (_try, _left_to) for j in range(k))
            joined = next((new for j, way in ways if (new := way(block, lets, j, k)) is not None), None)
        lets, k = (lets, k + 1) if joined is None else (joined, 1)
    return with_lets(fn, lets)


def upwards(fn: Fn, around: Around = Around()) -> Fn:  # noqa: B008
    return with_lets(fn, [_upwards(let, around) for let in fn.lets])


def _upwards(let: Let, around: Around) -> Let:
    let = with_fns(let, [upwards(f, a) for f, a in zip(let.fns, around.within(let), strict=True)])
    if let.op.name == "loop" and let.attrs["reverse"] and any_order(Loop.of(let), around.within(let)[0]):
        return replace(let, attrs={**let.attrs, "reverse": False})
    return let


def _inside(let: Let, around: Around) -> Let:
    kept = Loop.of(let).remembered if let.op.name == "loop" else ()
    return with_fns(let, [fuse(f, a, kept) for f, a in zip(let.fns, around.within(let), strict=True)])


def _try(block: Block, lets: list[Let], j: int, k: int) -> list[Let] | None:
    """The statements with the j-th and the k-th joined, or None."""
    a, b = lets[j], lets[k]
    if a.op is not b.op or not _MAY[a.op.name](a, b):
        return None
    before, behind = _split(block, lets[j:k])
    mine = behind[1:]  # but the first statement itself
    if any(map(effectful, mine)) or uses(b) & {o for let in mine for o in let.outs}:
        return None
    if any(block.meet(b, let) for let in mine):
        return None
    new = _JOIN[a.op.name](block, a, b)
    if new is None and a.op.name == "loop":
        new = _in_a_row(block, lets, a, b)
    return None if new is None else [*lets[:j], *before, new, *mine, *lets[k + 1 :]]


def _left_to(block: Block, lets: list[Let], j: int, k: int) -> list[Let] | None:
    """The statements with the k-th, a loop, doing too what the j-th does to an array that both work on; or None."""
    a, b = lets[j], lets[k]
    if a.op.name != "loop" or b.op.name != "loop" or not _same_range(a, b):
        return None
    between = lets[j + 1 : k]
    for x in [o for o in a.outs[: Loop.of(a).count] if o in Loop.of(b).init]:
        found = parted(a, x)
        if found is None:
            continue
        rest, mine = found
        if any(block.meet(let, mine) for let in (rest, *between)):
            continue
        new = _in_a_row(block, [*lets[:j], rest, *between, mine, *lets[k:]], mine, b)
        if new is not None:
            return [*lets[:j], rest, *between, new, *lets[k + 1 :]]
    return None


def _split(block: Block, lets: Sequence[Let]) -> tuple[list[Let], list[Let]]:
    """What may stand before the first of these statements, and what must stay behind it (itself included)."""
    behind, before = [lets[0]], []
    made, read, lost = set(lets[0].outs), block.arrays(lets[0]), block.lost(lets[0])
    for let in lets[1:]:
        stays = uses(let) & made or block.lost(let) & read or block.arrays(let) & lost
        if stays or any(map(effectful, behind)):  # nothing overtakes what may raise
            behind.append(let)
            made.update(let.outs)
            read |= block.arrays(let)
            lost |= block.lost(let)
        else:
            before.append(let)
    return before, behind


def _roots(lets: Sequence[Let]) -> dict[Var, Var]:
    """Views -> the array whose memory they show."""
    out: dict[Var, Var] = {}
    for let in lets:
        a = let.args[0] if let.args else None
        if let.op.name in VIEWS and isinstance(a, Var) and let.outs[0].type.shape:
            out[let.outs[0]] = out.get(a, a)
    return out


# ---- loops


def _loops(block: Block, a: Let, b: Let) -> Let | None:
    if uses(b) & set(a.outs):
        return None
    if block.meet(a, b):
        return _twins(a, b, block.around)
    reverse = _direction(block, a, b)
    return None if reverse is None else _inside(_beside(a, b, reverse), block.around)


def _twins(a: Let, b: Let, around: Around) -> Let | None:
    """The same iterations twice, say that of a recurrence: for its results, and for what its return sweep reads. Both write over
    what they begin with; where that is one carry of the joint loop, it is written once."""
    if Loop.of(a).reverse != Loop.of(b).reverse:
        return None
    new = _beside(a, b, Loop.of(a).reverse)
    view, c = Loop.of(new), Loop.of(a).count
    like = congruent(view, view.init, view.consts)
    one = [k for k in range(c, view.count) if like[k] < c and view.nexts[k] is not view.carries[k]]
    return _inside(new, around) if any(view.carries[k].type.shape for k in one) else None


def _beside(a: Let, b: Let, reverse: bool) -> Let:
    """The loop that does in each iteration what both do."""
    one, two = Loop.of(a), Loop.of(b)
    consts = list(dict.fromkeys((*one.consts, *two.consts)))
    names = {q: k for k, q in enumerate(consts)}
    body = _body(one, _renamed(two), [names[q] for q in one.consts], [names[q] for q in two.consts], len(consts))
    c, d = one.count, two.count
    outs = (*a.outs[:c], *b.outs[:d], *a.outs[c:], *b.outs[d:])
    args = (one.lo, one.hi, *one.init, *two.init, *consts)
    attrs = {**a.attrs, "carry": c + d, "reverse": reverse}
    if one.ragged or two.ragged:
        attrs["ragged"] = (*one.ragged, *[(len(one.rows) + k, c + j) for k, j in two.ragged])
    return Let(outs, a.op, args, attrs, (simplify(body),), a.where)


def _in_a_row(block: Block, lets: Sequence[Let], a: Let, b: Let) -> Let | None:
    """The second works on what the first leaves. (What may run in any order is not tied to what may not: it is vectorised.)"""
    if block.overwrites(a, b) or not (block.any_order(a) and block.any_order(b)):
        return None
    counts = use_counts(with_lets(block.fn, lets))
    new = chained(a, b, Loop.of(a).reverse, block.around, counts, block.roots, block.kept)
    return None if new is None else _inside(with_fns(new, map(simplify, new.fns)), block.around)


def _same_range(a: Let, b: Let) -> bool:
    """Do both run over one range, so that they may be one loop? (If the first raises, nothing of the second has been done.)"""
    return _bounds(a) == _bounds(b) and not effectful(a)


@fact
def _bounds(let: Let) -> tuple[Any, ...]:
    view = Loop.of(let)
    return view.lo, view.hi, view.policy, view.parallel


def _direction(block: Block, a: Let, b: Let) -> bool | None:
    ways = [Loop.of(let).reverse for let in (a, b)]
    if ways[0] == ways[1]:
        return ways[0]
    if block.any_order(b):
        return ways[0]
    return ways[1] if block.any_order(a) else None


def _renamed(view: Loop) -> Loop:
    return replace(view, body=copied(view.body))


def _body(one: Loop, two: Loop, first: list[int], second: list[int], count: int) -> Fn:
    """Both bodies, one after the other. `first`, `second`: which of the `count` constants are theirs."""
    owner: dict[int, Var] = {}
    for view, at in ((one, first), (two, second)):
        for p, k in zip(view.inner, at, strict=True):
            owner.setdefault(k, p)
    c, d = one.count, two.count

    def write(i: Value, *rest: Value) -> tuple[Value, ...]:
        consts = rest[c + d :]
        x = replay(one.body, i, *rest[:c], *[consts[k] for k in first])
        y = replay(two.body, i, *rest[c : c + d], *[consts[k] for k in second])
        return (*x[:c], *y[:d], *x[c:], *y[d:])

    like = [one.index, *one.carries, *two.carries, *[owner[k] for k in range(count)]]
    swap = dict(zip(two.inner, (owner[k] for k in second), strict=True))
    return trace(write, [in_terms_of(p, swap) for p in like], one.body.name)


# ---- branches


def _same_predicate(a: Let, b: Let) -> bool:
    return bool(Cond.of(a).predicate == Cond.of(b).predicate)


def _conds(block: Block, a: Let, b: Let) -> Let | None:
    one, two = Cond.of(a), Cond.of(b)
    fns, args = [], []
    for (f, mine), (g, his) in zip(one.branches, two.branches, strict=True):
        at = {o: k for k, o in enumerate(a.outs)}
        every = list(dict.fromkeys((*mine, *[x for x in his if x not in at])))
        fns.append(simplify(_branch(f, mine, copied(g), his, every, at)))
        args.append(every)
    joined = (one.predicate, *args[0], *args[1])
    pairs = _pairs(a, b)
    if pairs is None:
        return None
    attrs: dict[str, Any] = {"split": len(args[0]), **({"ragged": pairs} if pairs else {})}
    return _inside(Let((*a.outs, *b.outs), a.op, joined, attrs, tuple(fns), a.where), block.around)


def _pairs(a: Let, b: Let) -> Ragged | None:
    """Which results of both are as long as which others say; None where more of their shape than the length does."""
    n = len(a.outs)
    of_b = {k: n + j for k, j in Cond.of(b).ragged}
    for k, o in enumerate(b.outs):
        if any(v in a.outs for d in o.type.shape[1:] for v in symbols(d)):
            return None
        if k not in of_b and o.type.shape and any(v in a.outs for v in symbols(o.type.shape[0])):
            size = atom_of(o.type.shape[0])
            if not isinstance(size, Var):
                return None
            of_b[k] = a.outs.index(size)
    return (*Cond.of(a).ragged, *[(n + k, j) for k, j in of_b.items()])


def _branch(f: Fn, mine: Sequence[Any], g: Fn, his: Sequence[Any], every: list[Any], at: dict[Any, int]) -> Fn:
    """Two branches that are taken together; the second may use what the first gives (`at`: its results outside)."""
    like = {x: p for fn, xs in ((g, his), (f, mine)) for p, x in zip(fn.params, xs, strict=True)}

    def write(*xs: Value) -> tuple[Value, ...]:
        env = dict(zip(every, xs, strict=True))
        first = replay(f, *[env[x] for x in mine])
        second = replay(g, *[first[at[x]] if x in at else env[x] for x in his])
        return (*first, *second)

    swap = {q: like[x] for q, x in zip(g.params, his, strict=True)}
    return trace(write, [in_terms_of(like[x], swap) for x in every], f.name)


_MAY = {"loop": _same_range, "cond": _same_predicate}  # what is asked first, because it costs nothing
_JOIN = {"loop": _loops, "cond": _conds}
