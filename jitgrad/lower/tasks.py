"""What a block has to do, before it is decided in which loops: tasks, and what must come before what.

    task     its loops (`axes`: how often each runs, outermost first), what it does at each point, what it reads and makes
    access   an array version and the index of the cell, over the loop indices; None: any of its cells
    before   (p, q): p comes before q, and which cells of memory they share: pairs of indices, or None

Each version of an array is a variable; versions that follow each other in one memory (`Place`) are a chain: whoever reads
a version stands behind all writers up to it, and before all later ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..ir.core import Atom, Lit, Type, Var, Where
from ..ir.dims import DimLike
from .plan import Index, Window


@dataclass(eq=False)
class Place:
    """The memory of a chain of versions. `window`: None until it is allocated."""

    type: Type
    hint: str
    window: Window | None = None
    parent: tuple[Place, Index] | None = None  # a part of another place: its rows below a leading index
    versions: list[Var] = field(default_factory=list)
    fresh: bool = True  # made by this block, for these versions alone: another place may stand in for it
    growing: bool = False  # nobody knows beforehand how many rows it has
    asked: bool = True  # is there room for it? (a part of a growing place must ask for it)
    once: bool = False  # memory that a loop has just allocated, and in which each iteration has a part of its own

    @property
    def free(self) -> bool:
        """Can it still be put elsewhere?"""
        return self.fresh and self.window is None and self.parent is None

    def root(self) -> Place:
        """The place for which it stands, all of it."""
        place = self
        while place.parent is not None and not place.parent[1]:
            place = place.parent[0]
        return place


@dataclass(frozen=True, eq=False)
class Compute:
    """A scalar of the block."""

    out: Var


@dataclass(frozen=True, eq=False)
class Write:
    """A cell of an array: its version `out` after the nest."""

    out: Var
    index: Index
    value: Atom
    how: str = "="
    where: Where | None = None


@dataclass(frozen=True, eq=False)
class Fill:
    """The whole array, with a literal."""

    out: Var
    value: Lit


@dataclass(frozen=True, eq=False)
class Reduce:
    """`out[index]`, index over the axes that stay. From depth `begin` on, all axes are reduced: a scalar sums these up.
    `running`: the array of the partial results (a cumulative sum), with the depth of its axis."""

    out: Var
    index: Index
    value: Atom
    how: str
    begin: int
    reduced: frozenset[int]
    initial: Lit
    running: Write | None = None
    where: Where | None = None


@dataclass(frozen=True, eq=False)
class Locate:
    """The index of the largest or smallest value along the innermost axis."""

    out: Var
    index: Index
    value: Atom
    how: str
    begin: int
    where: Where | None = None


@dataclass(frozen=True, eq=False)
class Opaque:
    """A construct, a call, a check: `write(writer)` appends its statements."""

    write: Callable[[Any], None]


Effect = Compute | Write | Fill | Reduce | Locate | Opaque


@dataclass(eq=False)
class Task:
    axes: tuple[DimLike, ...]
    effect: Effect
    reads: list[tuple[Var, Index | None]] = field(default_factory=list)
    writes: list[tuple[Var, Index | None]] = field(default_factory=list)
    run: tuple[int, bool] | None = None  # the depth of an axis that must run in one direction, and whether downwards
    dropped: bool = False
    k: int = 0


Touch = tuple[Task, Index | None]
Pairs = dict[tuple[Index, Index], None] | None


class Order:
    """Which task must come before which, and who makes and reads which version."""

    def __init__(self) -> None:
        self.after: dict[Task, dict[Task, Pairs]] = {}  # p -> {q: cells that both touch; None: never in one loop}
        self.before: dict[Task, set[Task]] = {}
        self.makers: dict[Var, list[Touch]] = {}
        self.readers: dict[Var, list[Touch]] = {}

    def add(self, p: Task, q: Task, cells: tuple[Index | None, Index | None] = (None, None)) -> None:
        mine = self.after.setdefault(p, {})
        a, b = cells
        if a is None or b is None or len(a) != len(b):
            mine[q] = None
        else:
            pairs = mine.setdefault(q, {})
            if pairs is not None:
                pairs[a, b] = None
        self.before.setdefault(q, set()).add(p)

    def leads(self, p: Task, q: Task) -> bool:
        """Must p come before q?"""
        seen, todo = {p}, [p]
        while todo:
            for t in self.after.get(todo.pop(), ()):
                if t is q:
                    return True
                if t not in seen:
                    seen.add(t)
                    todo.append(t)
        return False

    # ---- data flow: makers before users

    def made(self, t: Task) -> None:
        for v, at in t.writes:
            self.makers.setdefault(v, []).append((t, at))

    def uses(self, t: Task, v: Var) -> None:
        """A scalar."""
        for m, _ in self.makers.get(v, ()):
            if m is not t:
                self.add(m, t)

    def reads(self, t: Task, v: Var, at: Index | None) -> None:
        """A cell of an array; None: any cell."""
        t.reads.append((v, at))
        self.readers.setdefault(v, []).append((t, at))
        for m, written in self.makers.get(v, ()):
            if m is not t:
                self.add(m, t, (written, at))

    def touches(self, which: dict[Var, list[Touch]], v: Var) -> list[Touch]:
        return [(t, at) for t, at in which.get(v, ()) if not t.dropped]

    # ---- memory: within a place, readers of a version behind its writers and before the next ones

    def chain(self, place: Place, since: int = 0) -> None:
        """Between the versions from number `since` on and all before. Where one side has no loops, an order that follows
        from others need not be stated; loops must know every cell that they share."""
        earlier: list[tuple[int, Task, Index | None]] = []
        wrote: list[tuple[int, Task, Index | None]] = []
        for k, v in enumerate(place.versions):
            writers = self.touches(self.makers, v)
            readers = self.touches(self.readers, v)
            if k >= since:
                for w, at in writers:
                    last = max((j for j, _, _ in earlier), default=k)
                    for j, t, index in earlier:
                        if t is not w and (j == last or (t.axes and w.axes)):
                            self.add(t, w, (index, at))
            wrote += [(k, w, at) for w, at in writers]
            if k >= since:
                last = max((j for j, _, _ in wrote), default=k)
                for t, index in readers:
                    for j, w, at in wrote:
                        if w is not t and (j == last or (t.axes and w.axes)):
                            self.add(w, t, (at, index))
            earlier += [(k, t, at) for t, at in (*writers, *readers)]
