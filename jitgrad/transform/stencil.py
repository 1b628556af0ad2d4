"""Where loops add to an array at constant distances: which array, which loops, which distances. `gather.py` uses it.

    for i: for j: ... ; a[i+1, j] += w; a[i-1, j] += w; a[i, j] += v

A `Nest` is loops one in the other, each with bounds that only the sizes tell, and the arrays that all of them carry and
that nothing in them touches but additions in the innermost. The index of such an addition is `s * i + rest` on one axis for
each loop of the nest, and on the other axes something that the nest does not change. Additions with the same `s` and with
rests that differ by multiples of `s` form a *group*: two of them meet in a cell only at a constant distance of iterations.

An axis may be a *ring*, whose cells are written `(s * i + rest) % n`:

    for i in 0..n: ... ; a[(i+1) % n] += w; a[(i-1) % n] += w; a[i] += v

Of n cells, with n iterations from 0 and s = 1 or s = -1, i -> (s * i + rest) % n takes each cell once: what is added to a cell
at one distance comes from one iteration, that of the same form solved for i. So there is no border, and no distance is too
far. Where the loop runs over less than the ring, or in steps, nothing is done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..ir.affine import within
from ..ir.core import Atom, Let, Var, atom_of
from ..ir.dims import Dim, DimLike, Sym, combine, of_symbol, symbols
from ..ir.walk import everywhere
from ..ops.loop import Loop
from .depend import Around
from .ring import congruent, steps_of

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
    """An addition: the statement, what it adds (`minus`: subtracts), and how many iterations of each loop its cell is away from
    that of the group. `around`: its cell is the result of a remainder."""

    let: Let
    value: Atom
    minus: bool
    distance: tuple[int, ...]
    around: bool


@dataclass(frozen=True)
class Axis:
    """The cells of an addition on one axis, `scale * index + rest`. `level`: which loop's index; None: no index. `ring`: modulo
    the length of the axis. `whole`: that length, where the loop runs over 0..length and the scale is 1 or -1."""

    level: int | None
    scale: int
    rest: DimLike
    ring: bool = False
    whole: DimLike | None = None


@dataclass(frozen=True)
class Group:
    """Additions that may meet. The cell of an iteration at distance 0 is what the axes say."""

    axes: tuple[Axis, ...]
    spots: tuple[Spot, ...]
    kept: Spot | None  # the addition that stays where it is

    @property
    def moved(self) -> tuple[Spot, ...]:
        return tuple(s for s in self.spots if s is not self.kept)

    def reach(self) -> tuple[tuple[int, int], ...]:
        """The least and the largest distance of what moves, for each loop. On a ring there is no border."""
        rings = {x.level for x in self.axes if x.ring}
        distances = zip(*[s.distance for s in self.moved], strict=True)
        return tuple((0, 0) if k in rings else (min(d), max(d)) for k, d in enumerate(distances))

    def cell(self, index: Sequence[DimLike]) -> tuple[DimLike, ...]:
        """Of what the second nest runs over: iterations, and the cells of a ring."""
        at = lambda x: x.rest if x.level is None else index[x.level] if x.ring else combine(x.rest, index[x.level], x.scale)
        return tuple(map(at, self.axes))


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
    cells = [cell for x in adds if (cell := cell_of(path, x)) is not None]
    if len(cells) < len(adds):
        return None
    rings = [any(x.ring for x in axis) for axis in zip(*cells, strict=True)]
    if any(ring and x.whole is None for cell in cells for x, ring in zip(cell, rings, strict=True)):
        return None
    cells = [[_around(x) if ring else replace(x, whole=None) for x, ring in zip(cell, rings, strict=True)] for cell in cells]
    by_key: dict[tuple[Axis, ...], list[tuple[Let, Sequence[Axis]]]] = {}
    for add, cell in zip(adds, cells, strict=True):
        key = tuple(replace(x, rest=_residue(x.rest, x.scale), ring=x.whole is not None) for x in cell)
        by_key.setdefault(key, []).append((add, cell))
    negated: dict[Atom, Atom] = {x.outs[0]: x.args[0] for x in path[-1].fns[0].lets if x.op.name == "neg"}
    groups = _keep_one([_group(key, xs, negated) for key, xs in by_key.items()])
    if all(len({s.distance for s in g.spots}) == 1 for g in groups):
        return None  # no two iterations meet
    moving = [g for g in groups if g.moved]
    if not all(_fits(g, spans, Loop.of(let).init[k], around) for g in moving):
        return None
    return Sum(k, groups)


def cell_of(path: Sequence[Let], add: Let) -> list[Axis] | None:
    """For each axis which loop's index it has, the factor, and the rest, which nothing in the nest changes and which is in
    the terms of the block where the nest stands. None: not of that form, or not one axis for each loop: iterations meet."""
    here = Around()
    for x in path:
        here = here.within(x)[0]
    indices = [Loop.of(x).index for x in path]
    bound = {v for f in path[0].fns for v in f.params}
    bound |= {v for _, x in everywhere(path[0].fns[0]) for v in (*x.outs, *[p for f in x.fns for p in f.params])}
    steps = steps_of([x.fns[0] for x in path])
    cell = []
    for a, length in zip(add.args[2:], add.args[0].type.shape, strict=True):
        d, n = here.dim(a), here.dim(atom_of(length))
        plain = congruent(d, n, steps, here)
        cell.append(_axis(plain, n, indices, here, ring=plain != d))
    axes = [x for x in cell if x is not None and not bound & set(symbols(x.rest)) and (x.whole is not None or not x.ring)]
    levels = sorted(x.level for x in axes if x.level is not None)
    return axes if len(axes) == len(cell) and levels == list(range(len(path))) else None


def own_cell(path: Sequence[Let], add: Let) -> bool:
    """Does every iteration add to a cell of its own?"""
    return cell_of(path, add) is not None


def _axis(d: DimLike, n: DimLike, indices: Sequence[Var], here: Around, ring: bool) -> Axis | None:
    """None: several indices."""
    factors = {k: s for k, i in enumerate(indices) if isinstance(d, Dim) and (s := d.terms.get(i, 0))}
    if not factors:
        return Axis(None, 0, d, ring)
    if len(factors) > 1:
        return None
    ((level, scale),) = factors.items()
    i = indices[level]
    whole = abs(scale) == 1 and here.ranges[i] == (0, n)
    return Axis(level, scale, combine(d, of_symbol(i), -scale), ring, n if whole else None)


def _around(x: Axis) -> Axis:
    """On a ring of n cells, `n - 1 - i` is `-1 - i`."""
    if not isinstance(x.whole, Dim) or not isinstance(x.rest, Dim):
        return x
    s, k = next(iter(x.whole.terms.items()))
    return replace(x, rest=combine(x.rest, x.whole, -(x.rest.terms.get(s, 0) // k)))


def _residue(rest: DimLike, scale: int) -> DimLike:
    """What two rests have in common if they differ by a multiple of the factor."""
    if not scale:
        return rest
    c = rest.c if isinstance(rest, Dim) else rest
    return combine(rest, c - c % abs(scale), -1)


def _group(key: tuple[Axis, ...], xs: Sequence[tuple[Let, Sequence[Axis]]], negated: Mapping[Atom, Atom]) -> Group:
    spots = []
    for let, cell in xs:
        distance: list[Any] = [0] * sum(x.level is not None for x in key)
        for x, origin in zip(cell, key, strict=True):
            if x.level is not None:
                distance[x.level] = combine(x.rest, origin.rest, -1) // x.scale
        v = let.args[1]
        spots.append(Spot(let, negated.get(v, v), v in negated, tuple(distance), any(x.ring for x in cell)))
    return Group(key, tuple(spots), None)


def _keep_one(groups: Sequence[Group]) -> tuple[Group, ...]:
    """Of the additions to an array one may stay where it is: it reads and writes a cell of its own in each iteration.
    That whose value nothing else adds, and whose cell is that of the iteration if there is such a one. None on a ring that goes
    around: whoever compiles it does not know that no two iterations meet."""
    values = [s.value for g in groups for s in g.spots]

    def cost(pair: tuple[Group, Spot]) -> tuple[bool, int, int]:
        g, spot = pair
        return spot.around, values.count(spot.value), sum(d != 0 for d in spot.distance)

    owner, best = min(((g, s) for g in groups for s in g.spots), key=cost)
    return tuple(replace(g, kept=best if g is owner and not best.around else None) for g in groups)


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
