"""Which tasks share loops.

    arrange(tasks, order, depth) -> (Task | Nest)*          Nest: one loop around tasks and nests

Two tasks share the loop at a depth if it runs equally often for both and every cell of memory that both touch is touched
in the same iteration: some index of the cell is that of the loop, equally on both sides. Tasks without further loops come
as early as they can, since they may be what a nest waits for; of the nests that are ready, one that no later task could
still join comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from ..errors import InternalError
from ..ir.dims import Dim, DimLike, Opaque, symbols
from .plan import Index
from .pull import Cells
from .tasks import Order, Task


@dataclass(frozen=True, eq=False)
class Nest:
    depth: int
    size: DimLike
    parts: tuple[Part, ...]
    tasks: tuple[Task, ...]
    reverse: bool = False


Part = Task | Nest


def arrange(tasks: Sequence[Task], order: Order, cells: Cells, depth: int = 0) -> tuple[Part, ...]:
    return _Level(tasks, order, cells, depth).parts()


class _Level:
    """One depth. Sets of tasks are bit masks: `1 << t.k`."""

    def __init__(self, tasks: Sequence[Task], order: Order, cells: Cells, depth: int) -> None:
        self.order, self.cells, self.depth = order, cells, depth
        self.tasks = {t.k: t for t in tasks}
        self.before = {t.k: [p for p in order.before.get(t, ()) if p.k in self.tasks] for t in tasks}
        self.after: dict[int, list[int]] = {k: [] for k in self.tasks}
        for k, ps in self.before.items():
            for p in ps:
                self.after[p.k].append(k)
        self.missing = {k: len(ps) for k, ps in self.before.items()}
        self.points: list[int] = []  # ready, without a loop here: a heap, in the order of the program
        self.ready: dict[int, None] = {}  # ready, with a loop here
        for k in sorted(self.tasks):
            if not self.missing[k]:
                self._is_ready(k)
        self.strict = self._strict() if any(map(self.loops, tasks)) else {}

    def loops(self, t: Task) -> bool:
        return len(t.axes) > self.depth

    def joins(self, p: Task, t: Task) -> bool:
        """May p and t, p before t, share the loop at this depth?"""
        if not (self.loops(p) and self.loops(t) and p.axes[self.depth] == t.axes[self.depth]):
            return False
        pairs = self.order.after[p][t]
        return pairs is not None and all(self.aligned(a, b) for a, b in pairs)

    def aligned(self, a: Index, b: Index) -> bool:
        return any(x == y and self.tells(x) for x, y in zip(a, b, strict=True))

    def tells(self, x: DimLike) -> bool:
        """Does this index differ between any two iterations of the loop at this depth? Integers read from an array, and
        quotients, could be equal."""
        used = list(symbols(x))
        plain = not any(s in self.cells.recipes for s in used) and not (
            isinstance(x, Dim) and any(isinstance(s, Opaque) and self._moves(s) for s in x.terms)
        )
        return plain and self.cells.axes[self.depth] in used and self.cells.depth(x) <= self.depth + 1

    def _moves(self, s: Opaque) -> bool:
        return any(self.cells.depth(d) > 0 for d in s.args)

    def _strict(self) -> dict[int, int]:
        """For each task, those that must be finished before it: in other loops, and earlier."""
        strict: dict[int, int] = {}
        every: dict[int, int] = {}
        for k in self._sorted():
            mine = whole = 0
            for p in self.before[k]:
                up_to = every[p.k] | 1 << p.k
                whole |= up_to
                mine |= strict[p.k] if self.joins(p, self.tasks[k]) else up_to
            strict[k], every[k] = mine, whole
        return strict

    def _sorted(self) -> list[int]:
        missing = dict(self.missing)
        todo = [k for k, n in missing.items() if not n]
        out = []
        while todo:
            k = todo.pop()
            out.append(k)
            for q in self.after[k]:
                missing[q] -= 1
                if not missing[q]:
                    todo.append(q)
        return out

    # ---- the parts, one after the other

    def parts(self) -> tuple[Part, ...]:
        out: list[Part] = []
        while self.points or self.ready:
            if self.points:
                t = self.tasks[heappop(self.points)]
                self._finish([t])
                out.append(t)
                continue
            group, reverse = self._choose()
            self._finish(group)
            inner = arrange(group, self.order, self.cells, self.depth + 1)
            out.append(Nest(self.depth, group[0].axes[self.depth], inner, tuple(group), reverse))
        if self.tasks:
            raise InternalError("tasks wait for each other in a circle")
        return tuple(out)

    def _is_ready(self, k: int) -> None:
        if self.loops(self.tasks[k]):
            self.ready[k] = None
        else:
            heappush(self.points, k)

    def _finish(self, tasks: list[Task]) -> None:
        for t in tasks:
            del self.tasks[t.k]
            self.ready.pop(t.k, None)
        for t in tasks:
            for q in self.after[t.k]:
                self.missing[q] -= 1
                if not self.missing[q] and q in self.tasks:
                    self._is_ready(q)

    def _choose(self) -> tuple[list[Task], bool]:
        """The nest to write next: one that nothing could join later, or the one that the fewest could."""
        best: tuple[int, list[Task], bool] | None = None
        seen: set[int] = set()
        for first in sorted(self.ready):
            if first in seen:
                continue
            group, reverse = self._group(self.tasks[first])
            seen.update(t.k for t in group)
            members = sum(1 << t.k for t in group)
            shapes = {t.axes for t in group}
            later = sum(
                1 for k, t in self.tasks.items() if not members >> k & 1 and t.axes in shapes and not self.strict[k] & members
            )
            if best is None or later < best[0]:
                best = later, group, reverse
            if not later:
                break
        assert best is not None
        return best[1], best[2]

    def _group(self, first: Task) -> tuple[list[Task], bool]:
        """All that can share the loop with `first` now. Of other shapes only what the group reads or is read by: a loop
        within would keep the others from being vectorised."""
        members = {first.k: first}
        shapes = {first.axes}
        reverse = self._direction(first)
        again = True
        while again:
            again = False
            for k, t in self.tasks.items():
                if k in members or not self.loops(t) or t.axes[self.depth] != first.axes[self.depth]:
                    continue
                waits = [p for p in self.before[k] if p.k in self.tasks]
                if not all(p.k in members and self.joins(p, t) for p in waits):
                    continue
                if t.axes not in shapes and not waits and not self._feeds(t, shapes):
                    continue
                way = self._direction(t)
                if way is not None and reverse is not None and way != reverse:
                    continue
                reverse = reverse if way is None else way
                members[k] = t
                shapes.add(t.axes)
                again = True
        return [members[k] for k in sorted(members)], bool(reverse)

    def _feeds(self, t: Task, shapes: set[tuple[DimLike, ...]]) -> bool:
        """Does something of the shapes of the group wait for it, in the same loop?"""
        return any(q in self.tasks and self.tasks[q].axes in shapes and self.joins(t, self.tasks[q]) for q in self.after[t.k])

    def _direction(self, t: Task) -> bool | None:
        return t.run[1] if t.run is not None and t.run[0] == self.depth else None
