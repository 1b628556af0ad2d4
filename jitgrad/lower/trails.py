"""Plan -> Plan: an array that a loop keeps, cell by cell, as it overwrites it, lives in what it is kept in.

    x = buffer[m]; fill x                               rows = buffer[t + 1, m]; fill rows[0]
    for j in 0..t:                                      for j in 0..t:
        .. x ..                                             .. rows[j] ..
        for k in 0..m:                          ->          for k in 0..m:
            v = x[k]; rows[j, k] = v; x[k] = f(v)               v = rows[j, k]; rows[j + 1, k] = f(v)
    .. x ..                                             .. rows[t] ..

Each cell is stored once where it was stored twice.
"""

# Let x_j be the array where iteration j begins. Nothing but the inner loop writes x or `rows`, and it writes all of both. So
# rows[j] = x_j when iteration j has ended, and x is x_j before the inner loop and x_{j+1} behind it. In the joint memory r,
#
#     r[0] = x_0,     and if r[j] = x_j where iteration j begins, it leaves r[j + 1] = x_{j+1}, and writes nothing else:
#
# r[j] = x_j for all j <= t, whoever reads the rows reads what was there, and x behind the loop is r[t]. Within the inner loop
# x is only read at the cell that is about to be written.

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..ir.core import Type
from ..ir.dims import DimLike, combine, largest, of_symbol
from .plan import Alloc, Block, Buffer, For, Load, Plan, Stmt, Store, everywhere, map_blocks
from .tidy import by_cells, dim_vars, makes


def trailed(plan: Plan) -> Plan:
    return replace(plan, body=_trailed(plan.body, by_cells(plan)))


def _trailed(block: Block, plain: set[Buffer]) -> Block:
    block = tuple(map_blocks(s, lambda b: _trailed(b, plain)) for s in block)
    while True:
        trail = next(_trails(block, plain), None)
        if trail is None:
            return block
        block = trail.joint(block)


@dataclass(frozen=True, eq=False)
class Trail:
    """`x` and `rows`, the loop that keeps, the one that overwrites, and there the store of what is kept."""

    x: Buffer
    rows: Buffer
    loop: For
    inner: For
    kept: Store

    def proven(self, block: Block) -> bool:
        t, cell = self.rows.type, (of_symbol(self.inner.index),)
        if (self.x.type, self.inner.hi) != (Type(t.dtype, t.shape[1:]), t.shape[1]) or t.shape[0] != largest(0, self.loop.hi):
            return False
        writes = [s for s in everywhere(self.loop.body) if isinstance(s, Store) and s.buffer is self.x]
        used = [s for s in everywhere((self.inner,)) if isinstance(s, (Load, Store)) and s.buffer is self.x]
        mine = all(s in self.inner.body and s.index == cell for s in used)
        rows = [s for s in everywhere(block) if isinstance(s, Store) and s.buffer is self.rows]
        whole = mine and writes == used[-1:] and writes[0].how == "="
        return whole and rows == [self.kept] and self._begins(block) is not None

    def _begins(self, block: Block) -> int | None:
        """Where the memory of both can be allocated: before the loop, where all that tells its size is known."""
        at = {s.buffer: k for k, s in enumerate(block) if isinstance(s, Alloc) and not s.zero}
        if self.x not in at or self.rows not in at or max(at[self.x], at[self.rows]) > block.index(self.loop):
            return None
        first = min(at[self.x], at[self.rows])
        made = {v for s in everywhere(block[first : at[self.rows]]) for v in makes(s)}
        return None if made & set(dim_vars(*self.rows.type.shape)) else first

    def joint(self, block: Block) -> Block:
        n, m = self.rows.type.shape
        memory = Buffer(Type(self.rows.type.dtype, (combine(n, 1, 1), m)), self.rows.hint)
        begins, loop, j = self._begins(block), block.index(self.loop), of_symbol(self.loop.index)
        out: list[Stmt] = []
        for k, s in enumerate(block):
            if k == begins:
                out.append(Alloc(memory))
            if isinstance(s, Alloc) and s.buffer in (self.x, self.rows):
                continue
            if k == loop:
                s = replace(self.loop, body=self._within(memory, j))
            out += self._moved((s,), memory, 0 if k < loop else n)
        return tuple(out)

    def _within(self, memory: Buffer, j: DimLike) -> Block:
        """The body, with `x` where it stands: in row j before it is overwritten, in row j + 1 from then on."""
        out: list[Stmt] = []
        row = j
        for s in self.loop.body:
            if s is not self.inner:
                out += self._moved((s,), memory, row)
                continue
            here: list[Stmt] = []
            for t in self.inner.body:
                if isinstance(t, Store) and t.buffer is self.x:
                    row = combine(j, 1, 1)
                if t is not self.kept:
                    here += self._moved((t,), memory, row)
            out.append(replace(self.inner, body=tuple(here)))
        return tuple(out)

    def _moved(self, block: Block, memory: Buffer, row: DimLike) -> Block:
        out = []
        for s in block:
            if isinstance(s, (Load, Store)) and s.buffer is self.x:
                s = replace(s, buffer=memory, index=(row, *s.index))
            elif isinstance(s, (Load, Store)) and s.buffer is self.rows:
                s = replace(s, buffer=memory)
            out.append(map_blocks(s, lambda b: self._moved(b, memory, row)))
        return tuple(out)


def _trails(block: Block, plain: set[Buffer]) -> Iterator[Trail]:
    for loop in _upwards_from_0(block):
        for inner in _upwards_from_0(loop.body):
            cell = (of_symbol(loop.index), of_symbol(inner.index))
            read = {s.out: s.buffer for s in inner.body if isinstance(s, Load)}
            for s in inner.body:
                if isinstance(s, Store) and s.index == cell and s.how == "=" and s.value in read:
                    trail = Trail(read[s.value], s.buffer, loop, inner, s)  # type: ignore[index]
                    if {trail.x, trail.rows} <= plain and trail.proven(block):
                        yield trail


def _upwards_from_0(block: Block) -> Iterator[For]:
    return (s for s in block if isinstance(s, For) and s.lo == 0 and not s.reverse and not s.parallel)


__all__ = ["trailed"]
