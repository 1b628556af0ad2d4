"""One block: the statements of a program, or of a body, become tasks; tasks become statements of a plan.

1. each statement gives its tasks (`rules`); pulls give none, unless they are kept
2. each result of the block is brought to where it is wanted (`End`)
3. statements that overwrite an array take over its memory if that is ours and nobody reads the old version later;
   else they copy it first
4. tasks share loops (`nests.py`) and are written (`write.py`)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..errors import InternalError
from ..ir.core import I64, Atom, Fn, Let, Lit, Type, Var, dim_of
from ..ir.dims import DimLike, symbols
from .facts import Again, is_pull
from .nests import arrange
from .plan import Index
from .pull import Cells
from .tasks import Compute, Effect, Fill, Order, Place, Task, Write
from .write import Attempt, Writer

LETTERS = "ijklpqrs"


@dataclass(frozen=True, eq=False)
class End:
    """A result of a block. An array is wanted in `place`, where at present `base` stands, if anything; that is ours.
    `carry`: whose next value it is, in the body of a loop."""

    atom: Atom
    place: Place | None = None
    base: Var | None = None
    carry: Var | None = None


@dataclass(frozen=True, eq=False)
class Takeover:
    """`task` overwrites `old` and makes `out`: in place, or (if there is a `copy`) in a copy of its own, `new`."""

    task: Task
    old: Atom
    out: Var
    new: Var
    copy: Task | None
    value: Atom | None = None  # what it writes, if that can be stored before
    rows: Index | None = None  # the leading index, if what it writes is a contiguous part of memory


class Block:
    def __init__(self, attempt: Attempt, fn: Fn, ends: Sequence[End], depth: int = 0) -> None:
        self.attempt, self.facts, self.fn, self.ends, self.depth = attempt, attempt.facts, fn, ends, depth
        self.axes = tuple(Var(I64, h) for h in (LETTERS * 3)[depth : depth + 8])
        self.cells = Cells(self.facts, self.axes)
        self.tasks: list[Task] = []
        self.order = Order()
        self.places: dict[Place, None] = {}
        self.takeovers: list[Takeover] = []
        self.ours: set[Var] = {e.base for e in ends if e.base is not None}  # arrays that may be overwritten
        self.copies: dict[Var, Task] = {}  # first version of a carry -> the task that copies its initial value
        self.barrier: Task | None = None
        for e in ends:
            if e.base is not None and e.place is not None:
                self.places[e.place] = None

    def run(self) -> tuple[Writer, tuple[Atom, ...]]:
        """The writer, with the statements, and the scalar results (an array result stands in its place)."""
        for let in self.fn.lets:
            self.statement(let)
        arrays = [e for e in self.ends if e.place is not None]
        # What is computed for its place, and a carry as it came, is stored before that is overwritten.
        bases = {e.base for e in arrays}
        atoms = {e: self.facts.atom(e.atom) for e in arrays}
        stored = [e for e in arrays if self.facts.stored(atoms[e]) and not (e.base is None and atoms[e] in bases)]
        brought = {e: self.fill_new(e.atom) for e in arrays if e not in stored}
        self.take_over({atoms[e] for e in stored})
        for e in arrays:
            if e in brought or not self.lands(e):
                self.bring(e, *(brought.get(e) or self.fill_new(e.atom)))
        for place in self.places:
            self.order.chain(place)
        writer = Writer(self.attempt, self.cells)
        writer.run(arrange([t for t in self.tasks if not t.dropped], self.order, self.cells))
        return writer, tuple(writer.atom(e.atom) if e.place is None else e.atom for e in self.ends)

    def inner(self, fn: Fn, ends: Sequence[End], loops: int = 1) -> Block:
        return Block(self.attempt, fn, ends, self.depth + loops)

    # ---- tasks

    def statement(self, let: Let) -> None:
        rule = self.attempt.rules.get(let.op.name)
        if rule is not None:
            rule(self, let)
        elif not is_pull(let):
            raise InternalError(f"`{let.op.name}` has no lowering")
        elif not let.outs[0].type.shape:
            self.scalar(let)
        elif let.outs[0] in self.facts.kept:
            out = let.outs[0]
            axes, index = self.over(out.type)
            self.new_place(out)
            self.task(axes, Write(out, index, self.cells.pull(out, index), where=let.where), [(out, index)])

    def scalar(self, let: Let) -> None:
        """A scalar statement; equal ones are one."""
        out = let.outs[0]
        base = self.facts.atom(let.args[0])
        if let.op.name == "get" and self.facts.stored(base):
            assert isinstance(base, Var)
            cell: Atom = self.cells.fetch(base, self.target(let.args[1:], let.attrs, ()), None, out)
        elif let.op.elementwise:
            cell = self.cells.scalar(let, map(self.facts.atom, let.args), out)
        else:
            cell = self.cells.pull(out)
        self.define(out, cell)

    def define(self, out: Var, cell: Atom) -> None:
        """A scalar of the block is this cell."""
        if cell is not out:
            self.facts.alias[out] = cell
        if isinstance(cell, Var) and cell in self.cells.recipes and cell not in self.cells.tasked:
            self.task((), Compute(cell), [(cell, ())], [cell])
            self.cells.tasked.add(cell)

    def task(
        self,
        axes: tuple[DimLike, ...],
        effect: Effect,
        writes: Sequence[tuple[Var, Index | None]] = (),
        needs: Iterable[Atom] = (),
        whole: Iterable[Atom] = (),
        effects: bool = False,
    ) -> Task:
        """Append a task. What it reads is found from its cells (`needs`, and the value of its effect) and from the arrays
        that it reads at any cell (`whole`). `effects`: it may raise, and what follows must not overtake it."""
        t = Task(axes, effect, writes=list(writes), k=len(self.tasks))
        atoms = [*needs, *([effect.value] if hasattr(effect, "value") else [])]
        dims = [*axes, *[d for v, index in writes for d in (*(index or ()), *v.type.shape)]]
        atoms += [s for d in dims for s in symbols(self.facts.dim(d)) if isinstance(s, Var)]
        fetches, scalars = self.cells.reach(atoms, effect.out if isinstance(effect, Compute) else None)
        leaves = set().union(*map(self.facts.leaves, whole))
        scalars += self.cells.reach([v for v in leaves if not v.type.shape])[1]
        self.order.made(t)
        for v in scalars:
            self.order.uses(t, v)
        for f in fetches:
            self.order.reads(t, f.source, f.index if f.shape is None else None)
        for v in leaves:
            if v.type.shape:
                self.order.reads(t, v, None)
        if self.barrier is not None:
            self.order.add(self.barrier, t)
        if effects:
            self.barrier = t
        self.tasks.append(t)
        return t

    def over(self, t: Type) -> tuple[tuple[DimLike, ...], Index]:
        """The loops over the cells of an array, and the index of a cell; axes of size 1 need no loop."""
        shape = self.facts.shape(t)
        fresh = iter(self.axes)
        index = tuple(0 if d == 1 else dim_of(next(fresh)) for d in shape)
        return tuple(d for d in shape if d != 1), index

    def target(self, args: Iterable[Atom], attrs: object, index: Index) -> Index:
        """The cell of the array that a put or add_at writes."""
        return self.cells.cell_of(tuple(args), attrs, index)

    # ---- memory

    def new_place(self, v: Var) -> Place:
        place = Place(self.facts.type(v.type), v.hint)
        self.stand(v, place)
        return place

    def stand(self, v: Var, place: Place) -> None:
        """The next version in a place."""
        place.versions.append(v)
        self.attempt.memory[v] = place
        self.places[place] = None
        self.ours.add(v)

    def fill_new(self, a: Atom, hint: str = "") -> tuple[Var, Task]:
        """An array of its own with these cells, and the task that makes it."""
        a = self.facts.atom(a)
        new = Var(a.type, hint or a.hint)
        return new, self.fill(new, a)

    def fill(self, new: Var, a: Atom) -> Task:
        """The task that gives an array the cells of another."""
        a = self.facts.atom(a)
        if isinstance(a, Lit):
            return self.task((), Fill(new, Lit(a.value, a.type)), [(new, None)], whole=[a])
        axes, index = self.over(a.type)
        let = self.facts.defs.get(a) if isinstance(a, Var) and not self.facts.stored(a) else None
        return self.task(axes, Write(new, index, self.cells.at(a, index), where=let.where if let else None), [(new, index)])

    def overwrites(
        self, task: Task, old: Atom, out: Var, new: Var, copy: Task | None, value: Atom | None = None, rows: Index | None = None
    ) -> None:
        self.takeovers.append(Takeover(task, self.facts.atom(old), out, new, copy, value, rows))

    def take_over(self, results: set[Atom]) -> None:
        """Decide for every statement that overwrites an array whether it does so in place."""
        for t in self.takeovers:
            old = t.old
            if isinstance(old, Var) and old in self.ours and old not in results and self.in_place(t, old):
                place = self.attempt.memory[old]
                if t.copy is not None:
                    t.copy.dropped = True
                    for v, at in [r for r in t.task.reads if r[0] is t.new]:
                        t.task.reads.remove((v, at))
                        self.order.reads(t.task, old, at)
            else:
                place = Place(self.facts.type(t.out.type), t.out.hint)
                if t.copy is not None:
                    self.stand(t.new, place)
            since = len(place.versions) - 1
            self.made_there(t, place, results)
            self.stand(t.out, place)
            self.order.chain(place, since)

    def in_place(self, t: Takeover, old: Var) -> bool:
        """May the task write over this version? All who read it must be done by then, and the task itself may read of it
        but the cell that it is about to write."""
        if self.attempt.memory[old].versions[-1] is not old:
            return False
        for other, _ in self.order.touches(self.order.readers, old):
            if other is t.copy:
                continue
            if other is not t.task:
                if self.order.leads(t.task, other):
                    return False
            elif t.copy is None:  # a cond: its branches see to it
                continue
            elif not self.same_cell(other, old):
                if t.value is not None and self.facts.keep(t.value):
                    raise Again
                return False
        return True

    def made_there(self, t: Takeover, place: Place, results: set[Atom]) -> None:
        """What a put writes can be made where it is put, if nothing else reads it, and if what the place held before was
        written and read by then. The put is then done."""
        v = self.facts.atom(t.value) if t.value is not None else None
        part = self.attempt.memory.get(v) if isinstance(v, Var) and v in self.ours else None
        if t.rows is None or v in results or part is None or not part.free or part.versions[-1] is not v or part is place:
            return
        tasks = lambda which, versions: {x for w in versions for x, _ in self.order.touches(which, w) if x is not t.task}
        makers = tasks(self.order.makers, part.versions)
        before = tasks(self.order.readers, place.versions) | tasks(self.order.makers, place.versions)
        others = tasks(self.order.readers, part.versions) - makers
        late = any(s in self.cells.recipes or s in self.order.makers for d in t.rows for s in symbols(d))
        if others or late or any(m in before or self.order.leads(m, b) for m in makers for b in before):
            return
        part.parent, part.fresh = (place, t.rows), False
        t.task.dropped = True
        del self.places[part]
        place.versions += part.versions

    def same_cell(self, task: Task, old: Var) -> bool:
        """Does it read of that array only the cell that it writes, and no cell twice?"""
        if not task.axes and isinstance(task.effect, Write):
            return True
        at = task.writes[0][1]
        return (
            at is not None
            and not any(s in self.cells.recipes for d in at for s in symbols(d))
            and all(index == at for v, index in task.reads if v is old)
        )

    # ---- results

    def lands(self, e: End) -> bool:
        """Is the result where it is wanted, or can the place where it is made be that one?"""
        r, place = self.facts.atom(e.atom), e.place
        assert place is not None
        here = self.attempt.memory.get(r) if isinstance(r, Var) and r in self.ours else None
        if here is place:
            return True
        if here is None or not here.free or here.type != self.facts.type(place.type) or here.growing > place.growing:
            return False
        if e.base is not None and e.carry is not None:  # made apart from its carry: no need to copy it there
            self.part(e)
        if e.base is not None or place.versions:
            return False
        here.parent = place, ()
        place.versions += here.versions
        return True

    def bring(self, e: End, new: Var, task: Task) -> None:
        """Store the result where it is wanted."""
        place = e.place
        assert place is not None
        self.stand(new, place)
        if e.base is None:
            return
        for p in self.places:
            self.order.chain(p)
        safe = not task.axes or all(index == task.writes[0][1] for v, index in task.reads if v in place.versions)
        if not safe or self.order.leads(task, task):
            self.part(e)

    def part(self, e: End) -> None:
        """Begin again, with another place for this result."""
        torn = e.base in self.facts.apart and e.carry is not None
        (self.facts.torn.add(e.carry) if torn else self.facts.apart.add(e.base))  # type: ignore[arg-type]
        raise Again
