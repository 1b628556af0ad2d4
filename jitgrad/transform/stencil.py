"""Where loops add to an array at constant distances: which array, which loops, which distances. `gather.py` uses it.

    for i: for j: ... ; a[i+1, j] += w; a[i-1, j] += w; a[i, j] += v

A `Nest` is loops one in the other, each with bounds that only the sizes tell, and the arrays that all of them carry and
that nothing in them touches but additions in the innermost. The index of such an addition is `s * i + rest` on one axis for
each loop of the nest, and on the other axes something that the nest does not change. Additions with the same `s` and with
rests that differ by multiples of `s` form a *group*: two of them meet in a cell only at a constant distance of iterations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..ir.affine import within
from ..ir.core import Atom, Let, Var, atom_of
from ..ir.dims import Dim, DimLike, Sym, combine, of_symbol, symbols
from ..ir.walk import everywhere
from ..ops.loop import Loop
from .depend import Around

FEW = 16  # iterations that are not worth a loop more
FAR = 32  # the widest stencil
BUFFERS = 8


@dataclass(frozen=True)
class Span:
    """The iterations of a loop of the nest."""

    lo: DimLike
    hi: DimLike


@dataclass(frozen=True)
class Spot:
    """An addition: the statement, and how many iterations of each loop its cell is away from that of the group."""

    let: Let
    distance: tuple[int, ...]

    @property
    def value(self) -> Atom:
        return self.let.args[1]


@dataclass(frozen=True)
class Group:
    """Additions that may meet. The cell of iteration `index` at distance 0 is `scale * index + rest` on each axis (`level`:
    which loop's index; None: no index)."""

    levels: tuple[int | None, ...]
    scales: tuple[int, ...]
    rests: tuple[DimLike, ...]
    spots: tuple[Spot, ...]
    kept: Spot | None  # the addition that stays where it is

    @property
    def moved(self) -> tuple[Spot, ...]:
        return tuple(s for s in self.spots if s is not self.kept)

    def reach(self) -> tuple[tuple[int, int], ...]:
        """The least and the largest distance of what moves, for each loop."""
        return tuple((min(d), max(d)) for d in zip(*[s.distance for s in self.moved], strict=True))

    def cell(self, index: Sequence[DimLike]) -> tuple[DimLike, ...]:
        parts = zip(self.levels, self.scales, self.rests, strict=True)
        return tuple(r if k is None else combine(r, index[k], s) for k, s, r in parts)


@dataclass(frozen=True)
class Sum:
    """An array that the nest adds to: which carry of its outermost loop, and its groups."""

    carry: int
    groups: tuple[Group, ...]

    @property
    def moved(self) -> tuple[Spot, ...]:
        return tuple(s for g in self.groups for s in g.moved)


@dataclass(frozen=True, eq=False)
class Nest:
    path: tuple[Let, ...]  # the loops, the outermost first
    spans: tuple[Span, ...]
    sums: tuple[Sum, ...]


def nest_of(let: Let, around: Around, inside: bool) -> Nest | None:
    """The nest whose outermost loop this is. `inside`: it stands in a loop, so that memory for all its cells is little."""
    found: dict[int, tuple[Let, ...]] = {}
    adds: dict[int, list[Let]] = {}
    for k, p in enumerate(Loop.of(let).carries):
        if p.type.shape and p.type.is_real:
            path: list[Let] = []
            mine = additions(let, k, path)
            if mine:
                found[k], adds[k] = tuple(path), mine
    for path_ in dict.fromkeys(found.values()):
        if len(path_) > 1 and not inside:
            continue
        spans = _spans(path_, around)
        if spans is None:
            continue
        sums = [s for k in found if found[k] == path_ and (s := _sum(let, k, path_, spans, adds[k], around)) is not None]
        values = {s.value for x in sums for s in x.moved}
        if sums and len(values) <= BUFFERS:
            return Nest(path_, spans, tuple(sums))
    return None


def additions(let: Let, k: int, path: list[Let]) -> list[Let] | None:
    """The statements that add to the carry k, if nothing else touches it; `path`: the loops down to them."""
    view = Loop.of(let)
    path.append(let)
    v: Atom = view.carries[k]
    adds: list[Let] = []
    while v is not view.nexts[k]:
        users = [x for x in view.body.lets if v in x.args]
        if len(users) != 1 or users[0].args.count(v) != 1 or v in view.body.results:
            return None
        (user,) = users
        if user.op.name == "add_at" and user.args[0] is v and set(user.attrs["spec"]) == {"i"}:
            adds.append(user)
            v = user.outs[0]
        elif user.op.name == "loop" and not adds:
            at = user.args.index(v) - 2
            if not 0 <= at < user.attrs["carry"] or user.outs[at] is not view.nexts[k]:
                return None
            return additions(user, at, path) if _last(view, user.outs[at]) else None
        else:
            return None
    return adds if _last(view, v) else None


def _last(view: Loop, v: Atom) -> bool:
    """Is it the next value of one carry, and used for nothing else?"""
    return view.body.results.count(v) == 1 and not any(v in x.args for x in view.body.lets)


def _spans(path: Sequence[Let], around: Around) -> tuple[Span, ...] | None:
    """The bounds in terms of the sizes of the program; None where they depend on something else, or are few."""
    out = []
    for let in path:
        view = Loop.of(let)
        lo, hi = around.dim(view.lo), around.dim(view.hi)
        if not all(isinstance(s, Sym) for d in (lo, hi) for s in symbols(d)):
            return None
        trips = combine(hi, lo, -1)
        if isinstance(trips, int) and trips < FEW:
            return None
        out.append(Span(lo, hi))
        around = around.within(let)[0]
    return tuple(out)


def _sum(let: Let, k: int, path: Sequence[Let], spans: Sequence[Span], adds: Sequence[Let], around: Around) -> Sum | None:
    by_key: dict[Any, list[tuple[Let, tuple[DimLike, ...]]]] = {}
    for x in adds:
        cell = cell_of(path, x)
        if cell is None:
            return None
        levels, scales, rests = zip(*cell, strict=True)
        key = tuple((level, s, _residue(r, s)) for level, s, r in cell)
        by_key.setdefault(key, []).append((x, rests))
    groups = _keep_one([_group(key, xs) for key, xs in by_key.items()])
    if all(len({s.distance for s in g.spots}) == 1 for g in groups):
        return None  # no two iterations meet
    moving = [g for g in groups if g.moved]
    if not all(_fits(g, spans, Loop.of(let).init[k], around) for g in moving):
        return None
    return Sum(k, groups)


Axis = tuple["int | None", int, DimLike]


def cell_of(path: Sequence[Let], add: Let) -> list[Axis] | None:
    """For each axis which loop's index it has, the factor, and the rest, which nothing in the nest changes and which is in
    the terms of the block where the nest stands. None: not of that form, or not one axis for each loop: iterations meet."""
    here = Around()
    for x in path:
        here = here.within(x)[0]
    indices = [Loop.of(x).index for x in path]
    bound = {v for f in path[0].fns for v in f.params}
    bound |= {v for _, x in everywhere(path[0].fns[0]) for v in (*x.outs, *[p for f in x.fns for p in f.params])}
    cell = [_axis(here.dim(a), indices, bound) for a in add.args[2:]]
    axes = [c for c in cell if c is not None]
    levels = sorted(level for level, _, _ in axes if level is not None)
    return axes if len(axes) == len(cell) and levels == list(range(len(path))) else None


def apart(path: Sequence[Let], add: Let) -> bool:
    """Does every iteration add to a cell of its own?"""
    return cell_of(path, add) is not None


def _axis(d: DimLike, indices: Sequence[Var], bound: set[Var]) -> Axis | None:
    """Which index, its factor, and the rest; None: not of that form."""
    level, scale, rest = None, 0, d
    for k, i in enumerate(indices):
        s = d.terms.get(i, 0) if isinstance(d, Dim) else 0
        if s:
            if level is not None:
                return None
            level, scale, rest = k, s, combine(rest, of_symbol(i), -s)
    return None if bound & set(symbols(rest)) else (level, scale, rest)


def _residue(rest: DimLike, scale: int) -> DimLike:
    """What two rests have in common if they differ by a multiple of the factor."""
    if not scale:
        return rest
    c = rest.c if isinstance(rest, Dim) else rest
    return combine(rest, c - c % abs(scale), -1)


def _group(key: Any, xs: Sequence[tuple[Let, tuple[DimLike, ...]]]) -> Group:
    levels, scales, origin = zip(*key, strict=True)
    spots = []
    for let, rests in xs:
        distance = [0] * len([level for level in levels if level is not None])
        for level, s, r, r0 in zip(levels, scales, rests, origin, strict=True):
            if level is not None:
                distance[level] = combine(r, r0, -1) // s
        spots.append(Spot(let, tuple(distance)))
    return Group(levels, scales, origin, tuple(spots), None)


def _keep_one(groups: Sequence[Group]) -> tuple[Group, ...]:
    """Of the additions to an array one may stay where it is: it reads and writes a cell of its own in each iteration.
    That whose value nothing else adds, and whose cell is that of the iteration if there is such a one."""
    values = [s.value for g in groups for s in g.spots]

    def cost(pair: tuple[Group, Spot]) -> tuple[int, int]:
        g, spot = pair
        return values.count(spot.value), sum(d != 0 for d in spot.distance)

    owner, best = min(((g, s) for g in groups for s in g.spots), key=cost)
    return tuple(replace(g, kept=best if g is owner else None) for g in groups)


def _fits(g: Group, spans: Sequence[Span], array: Atom, around: Around) -> bool:
    """Is every cell between the least and the largest in the array, also where the nest has no iterations?"""
    reach = g.reach()
    if any(high - low > FAR for low, high in reach):
        return False
    index = [Sym("m", -(1 << 62)) for _ in spans]
    ranges: dict[Any, Any] = dict(around.ranges)
    for m, span, (low, high) in zip(index, spans, reach, strict=True):
        ranges[m] = (combine(span.lo, low, 1), combine(span.hi, high, 1))
    cell = g.cell([of_symbol(m) for m in index])
    outside = [around.dim(atom_of(c)) for c in cell]
    shape = [around.dim(atom_of(d)) for d in array.type.shape]
    return all(within(c, d, ranges) for c, d in zip(outside, shape, strict=True))

