"""Plan -> Plan: statements that work by rows along one axis run together, a block of rows at a time (`rows.py`: when they may).

    buffer t: f32[n, k]                              rows, blocks = row_blocks(n, bytes of a row, cells of a matrix)
    t = matmul(x, w)                                 buffer t_block: f32[rows, k]
    nest i in 0..n                         ->        for block in 0..blocks
      nest j in 0..k                                   lo = rows*block;  size = min(rows, n - lo);  x_rows = x[lo:lo + size]
        t[i, j] = tanh(t[i, j])                        t = t_block[:size]
    g = matmul(x.T, t)                                 t = matmul(x_rows, w)
                                                       nest i in 0..size { nest j in 0..k { t[i, j] = tanh(t[i, j]) } }
                                                       g = matmul_add(x_rows.T, t, block)           (+= but for block 0)

What only the group uses is as long as a block, and stays in the cache of a core from the statement that makes it to the last one
that reads it. Arrays that are never needed at the same time share memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..ir.core import I64, Type, Var, atom_of, zero_of
from ..ir.dims import DimLike, combine, largest, of_symbol, opaque, smallest
from .merge import renamed
from .plan import Alloc, Block, Buffer, Call, For, Index, Load, Plan, Reshape, Set, Stmt, Store, Window, map_blocks
from .rows import MATMUL_ADD, Names, Work, over_rows, works
from .strips import in_strips
from .write import filled

ROW_BLOCKS = "row_blocks"  # how many rows a block has, and how many blocks there are (`emit/runtime.py`)
BYTES = {"f32": 4, "f64": 8}
SMALL = 16  # an axis of known length below that has no blocks


def blocked(plan: Plan) -> Plan:
    """The plan with the groups along that axis along which most memory shrinks."""
    best: list[Group] = []
    chosen: list[Work] = []
    for d in axes(plan.body):
        found = works(plan.body, d)
        groups = list(grouped(plan, found, d))
        if sum(len(g.rooms) for g in groups) > sum(len(g.rooms) for g in best):
            best, chosen = groups, found
    return replace(plan, body=_arranged(chosen, {g.stage: g for g in best})) if best else plan


def axes(block: Block) -> list[DimLike]:
    """Along which axes products might work by rows."""
    windows = [w for s in block if isinstance(s, Call) and s.name == "matmul" for w in s.ins if isinstance(w, Window)]
    first = dict.fromkeys(w.shape[0] for w in windows if w.shape)
    return [d for d in first if not isinstance(d, int) or d >= SMALL]


@dataclass(frozen=True, eq=False)
class Group:
    """Statements that run together along an axis of length `d`. `rooms`: the arrays of which only a block is needed, with the
    places in the group of the first and the last statement that uses them; `zeros`: those that begin as zeros."""

    stage: int
    d: DimLike
    names: Names
    works: tuple[Work, ...]
    rooms: dict[Buffer, tuple[int, int]]
    zeros: frozenset[Buffer]


def grouped(plan: Plan, found: Sequence[Work], d: DimLike) -> Iterator[Group]:
    """The groups that are worth it: at least two statements, a product among them, with memory that only they use."""
    users: dict[Any, set[int]] = {}
    allocated: dict[Buffer, Alloc] = {}
    for k, w in enumerate(found):
        if isinstance(w.s, Alloc):
            allocated[w.s.buffer] = w.s
            continue
        for key in w.uses:
            users.setdefault(key, set()).add(k)
    kept = {w.buffer for w in plan.results if isinstance(w, Window)}
    for stage in sorted({w.stage for w in found if w.rows}):
        at = [k for k, w in enumerate(found) if w.stage == stage]
        mine = set(at)
        place = {k: p for p, k in enumerate(at)}
        rooms = {}
        for b in allocated:
            who = users.get(b, set())
            inside = bool(who) and who <= mine and b not in kept and b.type.shape[0] == d and b.type.dtype in BYTES
            if inside and all(u.row for k in who for u in found[k].uses[b]):
                rooms[b] = (place[min(who)], place[max(who)])
        if len(at) > 1 and rooms and any(isinstance(found[k].s, Call) for k in at):
            zeros = frozenset(b for b in rooms if allocated[b].zero)
            yield Group(stage, d, Names.of(plan.body), tuple(found[k] for k in at), rooms, zeros)


def _arranged(found: Sequence[Work], groups: dict[int, Group]) -> Block:
    gone = {b for g in groups.values() for b in g.rooms}
    out: list[Stmt] = []
    for stage in sorted({w.stage for w in found}):
        if stage in groups:
            out += _Blocks(groups[stage]).run()
        else:
            out += [w.s for w in found if w.stage == stage and not (isinstance(w.s, Alloc) and w.s.buffer in gone)]
    return tuple(out)


class _Blocks:
    """Writes the loop over the blocks of a group."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.block, self.lo, self.size, self.b, self.count = (Var(I64, h) for h in ("block", "lo", "size", "rows", "blocks"))
        self.rooms = self.shared()
        self.views: dict[Buffer, Buffer] = {}

    def run(self) -> list[Stmt]:
        g = self.group
        body = [t for w in g.works for t in in_strips(tuple(self.statement(w.s)))]
        begin = [t for b in g.rooms if b in g.zeros for t in self.zeroed(b)]
        n, b, s = g.d, of_symbol(self.b), of_symbol(self.block)
        lo = Set((self.lo,), (atom_of(opaque("mul", b, s)),))
        size = Set((self.size,), (atom_of(smallest(b, combine(n, of_symbol(self.lo), -1))),))
        rooms = set(self.rooms.values())
        views = [
            Reshape(v, Window(w, (), v.type.shape, 0 if w in rooms else of_symbol(self.lo))) for w, v in self.views.items()
        ]
        width = total([b.type.shape[1:] for b in self.views], [BYTES.get(b.type.dtype, 8) for b in self.views])
        return [
            Call(ROW_BLOCKS, (atom_of(n), atom_of(width), self.matrix()), scalars=(self.b, self.count)),
            *[Alloc(b) for b in dict.fromkeys(self.rooms.values())],
            For(self.block, 0, of_symbol(self.count), (lo, size, *views, *begin, *body), blocks=True),
        ]

    def matrix(self) -> Any:
        """The cells of the largest matrix that a product reads or adds to in each block."""
        products = [w.s for w in self.group.works if isinstance(w.s, Call)]
        others: list[Any] = [s.outs[0] if over_rows(s, self.group.d) else s.ins[1] for s in products]
        most: DimLike = 1
        for cells in dict.fromkeys(total([w.shape], [1]) for w in others):
            most = largest(most, cells)
        return atom_of(most)

    # ---- memory

    def shared(self) -> dict[Buffer, Buffer]:
        """For each array of which only a block is needed, its memory: one that is free by then, or its own."""
        g = self.group
        out: dict[Buffer, Buffer] = {}
        free: list[tuple[int, Buffer]] = []  # the last use of each
        for b, (first, last) in sorted(g.rooms.items(), key=lambda item: item[1]):
            t = Type(b.type.dtype, (of_symbol(self.b), *b.type.shape[1:]))
            at = next((k for k, (end, r) in enumerate(free) if end < first and r.type == t), None) if b not in g.zeros else None
            room = Buffer(t, f"{b.hint}_block") if at is None else free.pop(at)[1]
            out[b] = room
            if b not in g.zeros:
                free.append((last, room))
        return out

    def rows(self, b: Buffer) -> Buffer:
        """The rows of the block, of a buffer."""
        whole = self.rooms.get(b, b)
        if whole not in self.views:
            hint = b.hint if b in self.rooms else f"{b.hint}_rows"
            self.views[whole] = Buffer(Type(b.type.dtype, (of_symbol(self.size), *b.type.shape[1:])), hint)
        return self.views[whole]

    def zeroed(self, b: Buffer) -> list[Stmt]:
        rows = self.rows(b)
        return filled(Window(rows, (), rows.type.shape), rows.type, zero_of(rows.type))

    # ---- statements

    def statement(self, s: Stmt) -> list[Stmt]:
        return [self.product(s) if isinstance(s, Call) else self.nest(s)]  # type: ignore[arg-type]

    def nest(self, s: For) -> For:
        r = Var(I64, s.index.hint)

        def at(index: Index) -> Index:
            return (of_symbol(r), *index[1:])

        def own(b: Buffer, index: Index) -> bool:
            return self.group.names.own(b, index, s.index)

        def window(w: Any) -> Any:
            if isinstance(w, Window) and own(w.buffer, w.prefix):
                return replace(w, buffer=self.rows(w.buffer), prefix=at(w.prefix))
            return w

        def local(t: Stmt) -> Stmt:
            if isinstance(t, (Load, Store)) and own(t.buffer, t.index):
                return replace(t, buffer=self.rows(t.buffer), index=at(t.index))
            if isinstance(t, Call):
                return replace(t, ins=tuple(map(window, t.ins)), outs=tuple(map(window, t.outs)))
            return map_blocks(t, lambda b: tuple(map(local, b)))

        row = atom_of(combine(of_symbol(self.lo), of_symbol(r), 1))
        body = tuple(renamed(local(t), {s.index: row}) for t in s.body)
        return replace(s, index=r, hi=of_symbol(self.size), body=body)

    def product(self, s: Call) -> Call:
        def rows(w: Any) -> Window:
            part = self.rows(w.buffer)
            return Window(part, (), part.type.shape)

        a, b = s.ins
        if over_rows(s, self.group.d):
            return replace(s, name=MATMUL_ADD, ins=(rows(a), rows(b), self.block))
        return replace(s, ins=(rows(a), b), outs=tuple(map(rows, s.outs)))


def total(shapes: Sequence[tuple[DimLike, ...]], weights: Sequence[int]) -> DimLike:
    """The sum of the weighted numbers of cells."""
    out: DimLike = 0
    for shape, weight in zip(shapes, weights, strict=True):
        n: DimLike = 1
        for d in shape:
            n = opaque("mul", n, d)
        out = combine(out, n, weight)
    return out
