"""What the statements of an iteration touch in memory, and whether an iteration and a later one may meet there.

    Look(roots, ranges, later)     collects the cells; `later`: where the iteration is another one, its indices
    meeting(now, then, ranges)     two touches, one of them a write, that are not proven to be of different cells

The index of the later iteration is a symbol (`behind`). What is computed in an iteration is a symbol of its own in each, about
which nothing is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..ir.affine import differ, ranged, unknown
from ..ir.core import I64, Var, atom_of, swap_dim
from ..ir.dims import DimLike, combine, form, of_symbol
from .plan import Block, Buffer, Call, For, Grow, Load, Reshape, Stmt, Store, Window, blocks, everywhere
from .tidy import makes

Ranges = dict[Any, tuple[DimLike, DimLike]]
Roots = Mapping[Buffer, Window]


@dataclass(frozen=True)
class Touch:
    """A cell, or some cells, of a buffer. `direct`: by its own name, not by that of a part of it."""

    how: str  # "get", or as in a Store
    cell: tuple[DimLike, ...] | None  # None: any
    name: str
    direct: bool
    ranges: Ranges


def behind(index: Var, hi: DimLike, ranges: Ranges) -> DimLike:
    """The index of any iteration that comes after that of `index`."""
    return ranged(ranges, combine(of_symbol(index), 1, 1), hi)


def follower(loop: For, ranges: Ranges) -> DimLike:
    """The index of any iteration that runs after that of `loop.index`, upwards or downwards."""
    return ranged(ranges, loop.lo, of_symbol(loop.index)) if loop.reverse else behind(loop.index, loop.hi, ranges)


class Look:
    """Collects what the statements of one iteration touch."""

    def __init__(self, roots: Roots, ranges: Ranges, later: Mapping[Var, DimLike]) -> None:
        self.roots, self.ranges = roots, ranges
        self.env: dict[Var, Any] = {v: atom_of(d) for v, d in later.items()}
        self.fixed = set(later)
        self.found: dict[Buffer, list[Touch]] = {}

    def block(self, block: Block) -> None:
        for s in everywhere(block):
            for v in makes(s):
                if v.type == I64 and v not in self.env and not (isinstance(s, For) and s.dealt):
                    self.env[v] = atom_of(unknown())
        self.statements(block)

    def statements(self, block: Block) -> None:
        for s in block:
            if isinstance(s, For) and not s.dealt:
                self.env[s.index] = atom_of(ranged(self.ranges, self.dim(s.lo), self.dim(s.hi)))
            elif isinstance(s, For) and s.dealt and s.index not in self.fixed:
                self.ranges[s.index] = s.dealt
            for how, buffer, prefix, rest in accesses(s):
                self.touch(how, buffer, prefix, rest)
            for _, inner in blocks(s):
                self.statements(inner)

    def dim(self, d: DimLike) -> DimLike:
        return swap_dim(d, self.env)

    def touch(self, how: str, buffer: Buffer, prefix: Sequence[DimLike] | None, rest: Sequence[DimLike]) -> None:
        name = buffer.hint if prefix is None else shown(buffer, (*prefix, *[":"] * len(rest)))
        direct = buffer not in self.roots
        while buffer in self.roots:
            w = self.roots[buffer]
            buffer, prefix, rest = w.buffer, w.prefix, w.shape
        inner = [ranged(self.ranges, 0, self.dim(n)) for n in rest[1:]]
        below = [unknown(), *inner] if rest else []  # from where on, is not said
        cell = None if prefix is None else (*map(self.dim, prefix), *below)
        self.found.setdefault(buffer, []).append(Touch(how, cell, name, direct, self.ranges))


def accesses(s: Stmt) -> Iterator[tuple[str, Buffer, Sequence[DimLike] | None, Sequence[DimLike]]]:
    """How, which buffer, the leading index (None: anywhere), and the sizes of the axes below it."""
    if isinstance(s, Load):
        yield "get", s.buffer, s.index, ()
    elif isinstance(s, Store):
        yield s.how, s.buffer, s.index, ()
    elif isinstance(s, Grow):
        yield "=", s.buffer, None, ()
    elif isinstance(s, Call):
        for how, windows in (("get", s.ins), ("=", s.outs)):
            for w in windows:
                if isinstance(w, Window):
                    yield how, w.buffer, w.prefix, w.shape


def meeting(now: Sequence[Touch], then: Sequence[Touch], ranges: Ranges) -> tuple[Touch, Touch] | None:
    for x in now:
        for y in then:
            if x.how == y.how == "get":
                continue
            if x.cell is None or y.cell is None or not differ(x.cell, y.cell, ranges):
                return x, y
    return None


def shown(buffer: Buffer, index: Iterable[Any]) -> str:
    parts = [d if isinstance(d, str) else form(d, lambda s: getattr(s, "hint", None) or repr(s)) for d in index]
    return f"{buffer.hint}[{', '.join(parts)}]"


def other_names(body: Block) -> dict[Buffer, Window]:
    """Memory that has another name."""
    return {s.buffer: s.source for s in everywhere(body) if isinstance(s, Reshape)}
