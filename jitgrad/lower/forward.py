"""Within an iteration: what was stored in a cell, or read from it, is not read again; what was computed is not computed again.

    k[i] = v;  t = k[i];  x[i] = 2*t        ->        k[i] = v;  x[i] = 2*v

Whoever reads no cell of `k` any more needs no `k` (`tidy.pruned`).
"""

# Known is what a cell holds, and what an operation gives, in the scalars of the iteration. It is forgotten where a scalar that it
# mentions changes, and where a cell is written that is not proven to be another one. A scalar that changes later stands for
# nothing that is used later.

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..ir.affine import differ
from ..ir.core import Atom, Type, Var
from .merge import renamed
from .plan import Block, Buffer, For, Load, Scalar, Set, Stmt, Store, Update, blocks, everywhere, map_blocks
from .pull import scalars_of
from .tidy import dim_vars, makes, reads
from .touches import Ranges

Known = dict[tuple[Any, Any], Atom]  # (buffer, index) -> what the cell holds; (operation, arguments) -> what it gives


def forwarded(body: Block, roots: Mapping[Buffer, Buffer], ranges: Ranges) -> Block:
    """The body of a loop without calls. `roots`: of memory with several names, the first one; `ranges`: of the indices."""
    forward = _Forward(roots, assigned(body))
    return forward.last(forward.block(body, {}, {}, ranges, frozenset()), ranges)


@dataclass(frozen=True)
class _Forward:
    roots: Mapping[Buffer, Buffer]
    changing: frozenset[Var]  # what is assigned, perhaps again

    def block(self, block: Block, known: Known, swap: dict[Var, Atom], ranges: Ranges, beyond: frozenset[Var]) -> Block:
        """`known` is kept up to date. `swap`: the scalars that stand for others; `beyond`: what is read behind the block."""
        out: list[Stmt] = []
        for k, s in enumerate(block):
            if any(True for _ in blocks(s)):
                later = beyond.union(v for t in everywhere(block[k + 1 :]) for v in reads(t))
                out.append(self.around(s, known, swap, ranges, later))
                continue
            s = renamed(s, swap)
            value = known.get(key) if (key := _key(s)) else None
            if isinstance(s, (Load, Scalar)) and value is not None and s.out not in self.changing | beyond:
                if not assigned(block[k + 1 :]) & {*scalars_of(value)}:
                    swap[s.out] = value
                    continue
            self.note(s, known, ranges)
            out.append(s)
        return tuple(out)

    def around(self, s: Stmt, known: Known, swap: dict[Var, Atom], ranges: Ranges, beyond: frozenset[Var]) -> Stmt:
        """A branch, or a loop: in its iterations not more is known than holds in all of them."""
        every = list(everywhere((s,)))
        made = {v for t in every for v in makes(t)}
        written = {self.root(t.buffer) for t in every if isinstance(t, Store)}
        left = {k: a for k, a in known.items() if not _mentioned(k, a) & made and self.root(k[0]) not in written}
        if isinstance(s, For):
            ranges = {**ranges, s.index: (s.lo, s.hi)}
        before = left if isinstance(s, For) else known
        inner = {name: self.block(b, {**before}, {**swap}, ranges, beyond) for name, b in blocks(s)}
        head: Any = renamed(map_blocks(s, lambda _: ()), swap)
        known.clear()
        known.update(left)
        return replace(head, **inner)

    def root(self, b: Any) -> Any:
        return self.roots.get(b, b)

    def note(self, s: Stmt, known: Known, ranges: Ranges) -> None:
        made = {*makes(s)}
        for k in [k for k, a in known.items() if _mentioned(k, a) & made or (isinstance(s, Store) and self.hits(s, k, ranges))]:
            del known[k]
        key = _key(s)
        if isinstance(s, Store) and s.how == "=" and s.value.type == Type(s.buffer.type.dtype):
            known[s.buffer, s.index] = s.value
        elif key is not None and isinstance(s, (Load, Scalar)):
            known[key] = s.out

    def hits(self, s: Store, key: tuple[Any, Any], ranges: Ranges) -> bool:
        """May the cell of that key be the one that is stored?"""
        buffer, index = key
        if buffer is s.buffer:
            return not differ(index, s.index, ranges)
        return self.root(buffer) is self.root(s.buffer)

    def last(self, block: Block, ranges: Ranges) -> Block:
        """Without what is stored and overwritten before anybody reads it."""
        over: list[Store] = []  # what overwrites its cell, which is not read in between
        out: list[Stmt] = []
        for s in reversed(block):
            if isinstance(s, Store) and any((s.buffer, s.index) == (x.buffer, x.index) for x in over):
                continue
            every = list(everywhere((s,)))
            made = {v for t in every for v in makes(t)}
            read = [t for t in every if isinstance(t, Load) or (isinstance(t, Store) and t.how != "=")]
            over = [x for x in over if not made & {*dim_vars(*x.index)}]
            over = [x for x in over if not any(self.hits(x, (t.buffer, t.index), ranges) for t in read)]
            if isinstance(s, Store) and s.how == "=":
                over.append(s)
            out.append(s)
        return tuple(reversed(out))


def assigned(block: Block) -> frozenset[Var]:
    return frozenset(v for s in everywhere(block) if isinstance(s, (Set, Update)) for v in makes(s))


def _key(s: Stmt) -> tuple[Any, Any] | None:
    if isinstance(s, Load):
        return s.buffer, s.index
    return ((s.op, tuple(s.attrs.items())), s.args) if isinstance(s, Scalar) else None


def _mentioned(key: tuple[Any, Any], value: Atom) -> set[Var]:
    of, parts = key
    inside = dim_vars(*parts) if isinstance(of, Buffer) else (v for a in parts for v in scalars_of(a))
    return {*inside, *scalars_of(value)}


__all__ = ["forwarded"]
