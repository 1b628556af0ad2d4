"""A loop nest that adds to cells at constant distances keeps the values instead, and a second nest gathers them.

    for i: for j: ... ; a[i+1, j] += w; a[i-1, j] += w; a[i, j] += v

    for i: for j: ... ; a[i, j] += v; w_at[i, j] = w
    for i: for j: a[i, j] += w_at[i-1, j] + w_at[i+1, j]

Return sweeps of stencils write the first form, whose iterations meet in memory, so that nothing of it is vectorised. On a
ring, `a[(i+1) % n] += w` for all its n cells, the second nest reads `w_at[(i-1) % n]`.

The values stand in a buffer with a border of zeros around the cells of the iterations, as wide as the largest distance
between two additions; so the second nest runs over all cells that any iteration adds to and asks nothing. (It adds zeros to
some that none adds to.) The order of the additions to a cell changes, which is free. The border is zero for good: the buffer
is carried by the loops around, from zeros, unless their iterations may run in any order: then each has its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..ir.build import Value, again, at, environment, read, replay, size, trace, trace_open, value
from ..ir.core import I64, Atom, Fn, Let, Type, Var, dim_of, swap_dim, zero_of
from ..ir.dims import combine, largest
from ..ops.index import add_at, get, put
from ..ops.loop import Loop, loop
from .depend import Around, any_order
from .simplify import simplify
from .stencil import Group, Nest, Spot, nest_of

Reach = tuple[tuple[int, int], ...]
ROUNDS = 4


@dataclass(frozen=True, eq=False)
class Room:
    """The buffer of the values of one variable, with its border."""

    nest: Nest
    value: Atom
    reach: Reach
    type: Type

    def at(self, index: Sequence[Any]) -> list[Value]:
        """Where the value of an iteration stands."""
        spans = zip(index, self.nest.spans, self.reach, strict=True)
        return [value(i) - size(span.lo) + (high - low) for i, span, (low, high) in spans]


def room_of(nest: Nest, v: Atom, reach: Reach) -> Room:
    widths = [combine(combine(s.hi, s.lo, -1), 2 * (high - low), 1) for s, (low, high) in zip(nest.spans, reach, strict=True)]
    return Room(nest, v, reach, Type(v.type.dtype, tuple(largest(0, w) for w in widths)))


Rooms = dict[tuple[Atom, Reach], Room]


def rooms_of(nest: Nest) -> Rooms:
    keys = ((spot.value, g.reach()) for s in nest.sums for g in s.groups if g.moved for spot in g.moved)
    return {(v, reach): room_of(nest, v, reach) for v, reach in dict.fromkeys(keys)}


@dataclass
class Found:
    """The nests of a program and their rooms, and which rooms which loops carry; by the identity of their statements."""

    nests: dict[int, tuple[Nest, Rooms]] = field(default_factory=dict)
    carried: dict[int, list[Room]] = field(default_factory=dict)

    def block(self, fn: Fn, around: Around, inside: bool) -> list[Room]:
        """The rooms that the statements of a block need, and do not have of their own. `inside`: it stands in a loop."""
        out: list[Room] = []
        for let in fn.lets:
            nest = nest_of(let, around, inside) if let.op.name == "loop" else None
            if nest is not None:
                rooms = rooms_of(nest)
                self.nests[id(let)] = nest, rooms
                out += rooms.values()
                continue
            within = inside or let.op.name in ("loop", "while")
            for f, a in zip(let.fns, around.within(let), strict=True):
                mine = self.block(f, a, within)
                if mine and let.op.name == "loop" and not any_order(Loop.of(let), a):
                    self.carried[id(let)] = mine
                    out += mine
        return out


def gather(fn: Fn) -> Fn:
    for _ in range(ROUNDS):  # loops that stand in a nest beside those of its path come after it
        found = Found()
        found.block(fn, Around(), False)
        if not found.nests:
            break
        fn = simplify(Gatherer(found).closed(fn))
    return fn


class Gatherer:
    def __init__(self, found: Found) -> None:
        self.found = found
        self.rooms: dict[Room, Value] = {}  # as they are now
        self.env: dict[Var, Atom] = {}  # what the variables of this block are called here

    def closed(self, fn: Fn) -> Fn:
        return trace(lambda *xs: self.run(fn, *xs), fn.params, fn.name)

    def run(self, fn: Fn, *args: Value, rooms: Mapping[Room, Value] | None = None) -> tuple[Value, ...]:
        """Write a block. Rooms that are not given begin in it."""
        before = self.rooms, self.env
        self.rooms, self.env = dict(rooms or {}), environment(fn, args)
        for let in fn.lets:
            outs = self.each(let, read(self.env, let.args))
            self.env.update(zip(let.outs, (o.atom for o in outs), strict=True))
        out = read(self.env, fn.results)
        if rooms is not None:
            out = (*out, *[self.rooms[r] for r in rooms])
        self.rooms, self.env = before
        return out

    def each(self, let: Let, ins: Sequence[Value]) -> Sequence[Value]:
        if id(let) in self.found.nests:
            return self.nest(let, ins)
        if id(let) in self.found.carried:
            return self.loop(let, ins)
        return again(replace(let, fns=tuple(map(self.closed, let.fns))), ins)

    def loop(self, let: Let, ins: Sequence[Value]) -> Sequence[Value]:
        """A loop that carries rooms."""
        view, rooms = Loop.of(let, ins), self.found.carried[id(let)]
        c = view.count

        def step(i: Value, *state: Value) -> tuple[Value, ...]:
            out = self.run(view.body, i, *state[:c], *view.consts, rooms=dict(zip(rooms, state[c:], strict=True)))
            rows = len(out) - len(rooms)
            return (*out[:c], *out[rows:], *out[c:rows])

        outs, after = with_rooms(let, view, step, [self.room(r) for r in rooms])
        self.rooms.update(zip(rooms, after, strict=True))
        return outs

    def room(self, r: Room) -> Value:
        return self.rooms.get(r, Value(zero_of(r.type)))

    def nest(self, let: Let, ins: Sequence[Value]) -> Sequence[Value]:
        nest, rooms = self.found.nests[id(let)]
        keeper = Keeper(nest, tuple(rooms.values()))
        outs, after = keeper.loop(0, let, ins, [self.room(r) for r in rooms.values()], [])
        out = list(outs)
        self.rooms.update(zip(rooms.values(), after, strict=True))
        for s in nest.sums:
            for g in s.groups:
                if g.moved:
                    out[s.carry] = self.gathered(nest, g, rooms, out[s.carry])
        return out

    def gathered(self, nest: Nest, g: Group, rooms: Rooms, array: Value) -> Value:
        """The array with what moved from the nest."""
        reach = g.reach()

        def kept(spot: Spot, index: Sequence[Value]) -> Value:
            r = rooms[spot.value, reach]
            return get(self.rooms[r], *r.at(self.source(nest, g, spot, index)), hint=r.value.hint)

        def cells(a: Value, index: Sequence[Value]) -> Value:
            k = len(index)
            if k < len(nest.spans):
                span, (low, high) = nest.spans[k], reach[k]
                lo, hi = size(combine(span.lo, low, 1)), size(combine(span.hi, high, 1))
                view = Loop.of(nest.path[k])
                hints = [view.index.hint, array.atom.hint]
                return loop(lo, hi, lambda i, now: cells(now, [*index, i]), a, hints=hints, parallel=view.parallel)[0]
            first, *others = sorted(g.moved, key=lambda spot: spot.minus)
            total = -kept(first, index) if first.minus else kept(first, index)
            for spot in others:
                total = total - kept(spot, index) if spot.minus else total + kept(spot, index)
            cell = g.cell([dim_of(i.atom) for i in index])
            return add_at(a, total, *[size(swap_dim(d, self.env)) for d in cell])

        with at(g.moved[0].let.where):
            return cells(array, [])

    # On a ring of n cells, where s = 1 or s = -1:
    #
    #     cell = s (i + distance) + rest  (mod n)    <=>    i = s (cell - rest) - distance  (mod n)
    def source(self, nest: Nest, g: Group, spot: Spot, index: Sequence[Value]) -> list[Value]:
        """The iteration that adds this to where the second nest is."""
        out = [i - d for i, d in zip(index, spot.distance, strict=True)]
        for x in g.axes:
            if x.ring and x.level is not None:
                cell = dim_of(index[x.level].atom)
                i = combine(-spot.distance[x.level], combine(cell, swap_dim(x.rest, self.env), -1), x.scale)
                out[x.level] = size(i) if i == cell else size(i) % size(nest.spans[x.level].hi)
        return out


@dataclass(frozen=True)
class Keeper:
    """Writes the nest again, with the values of the additions that move kept in rooms."""

    nest: Nest
    rooms: tuple[Room, ...]

    def loop(
        self, level: int, let: Let, ins: Sequence[Value], now: Sequence[Value], index: Sequence[Value]
    ) -> tuple[Sequence[Value], Sequence[Value]]:
        """What the loop gives, and the rooms after it."""
        view = Loop.of(let, ins)
        c = view.count

        def step(i: Value, *state: Value) -> tuple[Value, ...]:
            inner = Statements(self, level, [*index, i], state[c:])
            out = replay(view.body, i, *state[:c], *view.consts, each=inner.each)
            return (*out[:c], *inner.now, *out[c:])

        return with_rooms(let, view, step, now)


class Statements:
    """The statements of one loop of the nest."""

    def __init__(self, keeper: Keeper, level: int, index: Sequence[Value], now: Sequence[Value]) -> None:
        self.keeper, self.level, self.index, self.now = keeper, level, index, now
        self.moved = {id(spot.let): spot for s in keeper.nest.sums for spot in s.moved}
        self.kept: set[Room] = set()

    def each(self, let: Let, ins: Sequence[Value]) -> Sequence[Value]:
        path = self.keeper.nest.path
        if let in path[self.level + 1 :]:
            outs, self.now = self.keeper.loop(self.level + 1, let, ins, self.now, self.index)
            return outs
        if id(let) not in self.moved:
            return again(let, ins)
        rooms, spot = self.keeper.rooms, self.moved[id(let)]
        v = -ins[1] if spot.minus else ins[1]
        self.now = [self.keep(r, w, v) if r.value == spot.value else w for r, w in zip(rooms, self.now, strict=True)]
        return (ins[0],)

    def keep(self, r: Room, now: Value, v: Value) -> Value:
        if r in self.kept:
            return now
        self.kept.add(r)
        return put(now, v, *r.at(self.index))


def with_rooms(
    let: Let, view: Loop, step: Callable[..., tuple[Value, ...]], now: Sequence[Value]
) -> tuple[Sequence[Value], Sequence[Value]]:
    """The loop, carrying rooms behind its carries: what it gives, and the rooms after it."""
    c = view.count
    init = (*view.init, *now)
    hints = [view.index.hint, *[p.hint for p in view.carries], *["kept"] * len(now)]
    body, captured = trace_open(step, [I64, *[v.type for v in init]], view.body.name, hints)
    names = [*[o.hint for o in let.outs[:c]], *["kept"] * len(now)]
    with at(let.where):
        last, rows = replace(view, init=init, consts=captured, body=body).bind(names)
    return (*last[:c], *rows), last[c:]
