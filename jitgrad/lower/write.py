"""Arranged tasks -> statements of a plan: every scalar at the level of the loops it depends on, once.

`levels[d]` collects the statements of the loop at depth d that is being written; a cell that depends on the first d
indices alone goes there, which is before the loop within. What was stored in this iteration is used as the scalar it is
(`known`), so that an array that nobody reads elsewhere needs no memory (`tidy.py` drops it).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from ..ir.core import I64, INTS, OPS, Atom, Lit, Op, Size, Type, Var, atom_of, dim_of, swap_dim
from ..ir.dims import DimLike, combine, symbols
from .facts import Facts
from .nests import Nest, Part
from .plan import Alloc, Block, Buffer, For, Grow, If, Index, Load, Reshape, Scalar, Set, Stmt, Store, Update, Window
from .pull import Cells, Fetch, scalars_of
from .tasks import Compute, Fill, Locate, Opaque, Place, Reduce, Task, Write

FIRST_ROWS = 64  # room for the rows of a while, and for ragged rows


@dataclass
class Attempt:
    """One try to schedule a program: where its arrays are, and what was computed where."""

    facts: Facts
    rules: dict[str, Callable[..., None]]  # op -> (block, let): its tasks
    memory: dict[Var, Place] = field(default_factory=dict)
    seen: dict[Var, set[tuple[int, Var]]] = field(default_factory=dict)  # array -> loops and cells that compute it
    thin: set[Var] = field(default_factory=set)  # computed again and again in a loop on which it does not depend
    zeroed: set[Buffer] = field(default_factory=set)  # to be allocated with zeros
    loops: Any = field(default_factory=count)


class Writer:
    def __init__(self, attempt: Attempt, cells: Cells) -> None:
        self.attempt, self.facts, self.cells = attempt, attempt.facts, cells
        self.levels: list[list[Stmt]] = [[]]
        self.path = [next(attempt.loops)]
        self.known: dict[Var, Atom] = {}
        self.scopes: list[list[Var]] = [[]]  # what is known within each level
        self.sums: dict[Task, tuple[Var, ...]] = {}
        self.views: dict[Any, Buffer] = {}

    # ---- scalars

    def put(self, s: Stmt) -> None:
        self.levels[-1].append(s)

    def atom(self, a: Atom) -> Atom:
        """The atom, with all that it needs computed."""
        a = self.facts.atom(a)
        for v in list(scalars_of(a)):
            self._need(v)
        if isinstance(a, Var):
            return self.known.get(a, a)
        return atom_of(swap_dim(a.dim, self.known)) if isinstance(a, Size) else a

    def dim(self, d: DimLike) -> DimLike:
        return d if isinstance(d, int) else dim_of(self.atom(atom_of(d)))

    def index(self, index: Iterable[DimLike]) -> Index:
        return tuple(map(self.dim, index))

    def know(self, v: Var, a: Atom, level: int) -> None:
        self.known[v] = a
        self.scopes[level].append(v)

    def _need(self, v: Var) -> None:
        todo = [v]
        while todo:
            v = todo[-1]
            recipe = self.cells.recipes.get(v)
            if recipe is None or v in self.known:
                todo.pop()
                continue
            missing = [x for x in self._uses(recipe) if x not in self.known and x in self.cells.recipes]
            if missing:
                todo += reversed(missing)
            else:
                todo.pop()
                self._compute(v)

    def _uses(self, recipe: Any) -> list[Var]:
        if isinstance(recipe, Fetch):
            return [s for d in recipe.index for s in symbols(d) if isinstance(s, Var)]
        return [s for a in recipe.args for s in scalars_of(a)]

    def _compute(self, v: Var) -> None:
        recipe = self.cells.recipes[v]
        level = min(self.cells.depth(v), len(self.levels) - 1)
        self.know(v, v, level)
        if isinstance(recipe, Fetch):
            self.levels[level].append(self._load(recipe))
            return
        args = tuple(map(self.atom, recipe.args))
        self.levels[level].append(Scalar(v, recipe.op, args, recipe.attrs, recipe.where))
        source = self.cells.origin.get(v)
        if source is not None and level:
            self.attempt.seen.setdefault(source, set()).add((self.path[level], v))
            if len(self.cells.level[v]) < level:
                self.attempt.thin.add(source)

    def _load(self, f: Fetch) -> Load:
        index = self.index(f.index)
        if f.shape is not None:
            return Load(f.out, self.reshaped(self.view(f.source), f.shape), index)
        window = self.window(f.source)
        return Load(f.out, window.buffer, window.cell(index))

    # ---- memory

    def window(self, v: Var) -> Window:
        """The memory of a stored array, allocated if it has none yet."""
        return self.standing(self.attempt.memory[v])

    def standing(self, place: Place) -> Window:
        if place.window is None:
            self.allocate(place)
        assert place.window is not None
        if not place.asked:
            place.asked = True
            self.levels[0].append(Grow(place.window.buffer, combine(place.window.offset, self.dim(place.type.shape[0]), 1)))
        return place.window

    def allocate(self, place: Place, zero: bool = False) -> None:
        shape = tuple(map(self.dim, place.type.shape))
        if place.parent is not None:
            whole, prefix = place.parent
            if whole.window is None:
                self.allocate(whole, zero)
            whole.asked |= place.growing  # it asks itself
            place.window = part(self.standing(whole), self.index(prefix), shape)
            return
        if place.growing:
            shape = (FIRST_ROWS, *shape[1:])
        buffer = Buffer(Type(place.type.dtype, shape), place.hint)
        place.window = Window(buffer, (), shape)
        self.levels[0].append(Alloc(buffer, zero))

    def fill(self, place: Place, x: Lit) -> None:
        if place.growing and 0 in place.type.shape:
            return
        zero = not x.value and math.copysign(1.0, x.value) > 0
        root = place.root()
        if zero and root.window is None and root.parent is None:
            self.allocate(place, True)
            return
        window = self.standing(place)
        if zero and root.once:
            self.attempt.zeroed.add(window.buffer)
        else:
            self.levels[0] += filled(window, place.type, x)

    def reshaped(self, window: Window, shape: Index) -> Buffer:
        """Another name for memory, with another shape."""
        key = (window, shape)
        if key not in self.views:
            buffer = Buffer(Type(window.buffer.type.dtype, tuple(map(self.dim, shape))), window.buffer.hint)
            self.views[key] = buffer
            self.levels[0].append(Reshape(buffer, window))
        return self.views[key]

    def view(self, a: Atom) -> Window:
        """An array as a window, for what reads it whole."""
        a = self.facts.atom(a)
        assert isinstance(a, Var)
        if self.facts.stored(a):
            w = self.window(a)
            return Window(w.buffer, w.prefix, self.index(self.facts.shape(a.type)), w.offset)
        let = self.facts.defs[a]
        base = self.view(let.args[0])
        shape = self.index(self.facts.shape(a.type))
        if let.op.name == "reshape":
            return Window(self.reshaped(base, shape), (), shape)
        leading = let.attrs["spec"].count("i")
        return part(base, tuple(map(self.dim, map(self.facts.index, let.args[1 : 1 + leading]))), shape)

    # ---- parts

    def run(self, parts: Iterable[Part]) -> None:
        for p in parts:
            if isinstance(p, Nest):
                self.nest(p)
            else:
                POINT[type(p.effect)](self, p, p.effect)

    def nest(self, n: Nest) -> None:
        started = [t for t in n.tasks if isinstance(t.effect, (Reduce, Locate)) and t.effect.begin == n.depth]
        if not n.depth:
            for t in n.tasks:
                if isinstance(t.effect, Reduce) and in_memory(t.effect):
                    self.fill(self.attempt.memory[t.effect.out], t.effect.initial)
        for t in started:
            START[type(t.effect)](self, t, t.effect)
        self.open()
        self.run(n.parts)
        body = self.close()
        self.put(For(self.cells.axes[n.depth], 0, self.dim(n.size), body, n.reverse, nest=True))
        for t in started:
            STOP[type(t.effect)](self, t, t.effect)

    def open(self) -> None:
        self.levels.append([])
        self.scopes.append([])
        self.path.append(next(self.attempt.loops))

    def close(self) -> Block:
        for v in self.scopes.pop():
            self.known.pop(v, None)
        self.path.pop()
        return tuple(self.levels.pop())

    def store(self, v: Var, index: Index, value: Atom, how: str = "=", where: Any = None) -> None:
        window = self.window(v)
        cell = self.cells.fetched(v, index)
        self.put(Store(window.buffer, window.cell(self.index(index)), value, how, where))
        if how == "=" and cell is not None:
            self.know(cell, value, len(self.levels) - 1)


def part(base: Window, prefix: Index, shape: tuple[DimLike, ...]) -> Window:
    """The part of an array below a leading index."""
    return Window(base.buffer, base.cell(prefix), shape, 0 if prefix else base.offset)


def filled(window: Window, t: Type, x: Lit) -> list[Stmt]:
    """Loops that store a literal in every cell."""
    axes = [Var(I64, h) for h in "ijklpq"[: t.rank]]
    s: Stmt = Store(window.buffer, window.cell(tuple(map(dim_of, axes))), Lit(x.value, x.type.element))
    for a, d in zip(reversed(axes), reversed(t.shape), strict=True):
        s = For(a, 0, d, (s,), nest=True)
    return [s]


# ---- points: what a task does where its loops are all open


def _compute(w: Writer, t: Task, e: Compute) -> None:
    w.atom(e.out)


def _write(w: Writer, t: Task, e: Write) -> None:
    w.store(e.out, e.index, w.atom(e.value), e.how, e.where)


def _fill(w: Writer, t: Task, e: Fill) -> None:
    w.fill(w.attempt.memory[e.out], e.value)


def _opaque(w: Writer, t: Task, e: Opaque) -> None:
    e.write(w)


def _reduce(w: Writer, t: Task, e: Reduce) -> None:
    value = w.atom(e.value)
    if t in w.sums:
        w.put(Update(w.sums[t][0], e.how, value))
        now: Atom = w.sums[t][0]
    else:
        w.store(e.out, e.index, value, e.how, e.where)
        if e.running is None:
            return
        window = w.window(e.out)
        now = Var(Type(e.initial.type.dtype), e.out.hint)
        w.put(Load(now, window.buffer, window.cell(w.index(e.index))))
    if e.running is not None:
        w.store(e.running.out, e.running.index, narrowed(w, now, e.running.out.type.element), "=", e.where)


def _locate(w: Writer, t: Task, e: Locate) -> None:
    at, best = w.sums[t]
    value = w.atom(e.value)
    better = Var(Type("bool"), "better")
    w.put(Scalar(better, BEYOND[e.how, value.type.dtype in INTS], (value, best)))
    w.put(If(better, (Set((at,), (w.cells.axes[len(t.axes) - 1],)), Set((best,), (value,)))))


POINT: dict[type, Callable[[Writer, Task, Any], None]] = {
    Compute: _compute, Write: _write, Fill: _fill, Opaque: _opaque, Reduce: _reduce, Locate: _locate,
}  # fmt: skip


def _beyond(sign: str, ints: bool) -> Op:
    """Is x to be preferred to z? A NaN is, to all but a NaN before it."""
    source = f"x {sign} z" if ints else f"x {sign} z or (x != x and z == z)"
    return Op(f"beyond{sign}", lambda *a: (Type("bool"),), lambda *a: None, source=source)


BEYOND = {(how, ints): _beyond(sign, ints) for how, sign in (("argmax", ">"), ("argmin", "<")) for ints in (True, False)}


# ---- sums in scalars: what happens before and after the loop in which they run


def in_memory(e: Reduce) -> bool:
    """An axis outside of one that stays is reduced, so that the sums stand in memory while they grow."""
    return any(d < e.begin for d in e.reduced)


def wide(t: Type, how: str) -> Type:
    """In which type a scalar sum runs: float32 in float64 (NumPy sums pairwise), small integers in int64."""
    if how not in ("+", "*"):
        return t
    return Type("f64") if t.dtype == "f32" else Type("i64") if t.dtype in ("i8", "i16", "i32") else t


def narrowed(w: Writer, a: Atom, t: Type) -> Atom:
    if a.type == t:
        return a
    v = Var(t, a.hint)
    w.put(Scalar(v, OPS["cast"], (a,), {"dtype": t.dtype}))
    return v


def _start_reduce(w: Writer, t: Task, e: Reduce) -> None:
    kind = wide(e.initial.type.element, e.how)
    whole = not e.out.type.shape and kind == e.out.type and e.running is None
    v = e.out if whole else Var(kind, e.out.hint)
    w.sums[t] = (v,)
    w.put(Set((v,), (Lit(e.initial.value, kind),)))


def _stop_reduce(w: Writer, t: Task, e: Reduce) -> None:
    if e.running is not None and not in_memory(e):
        return
    value = narrowed(w, w.sums[t][0], e.out.type.element)
    if e.out.type.shape:
        w.store(e.out, e.index, value, e.how if in_memory(e) else "=", e.where)
    elif value is not e.out:
        w.know(e.out, value, len(w.levels) - 1)
        w.facts.alias[e.out] = value


def _start_locate(w: Writer, t: Task, e: Locate) -> None:
    at, best = Var(I64, e.out.hint), Var(e.value.type, "best")
    w.sums[t] = at, best
    worst = Lit(least(best.type.dtype, e.how), best.type)
    w.put(Set((at,), (Lit(0, I64),)))
    w.put(Set((best,), (worst,)))


def least(dtype: str, how: str) -> Any:
    """What every value is beyond, or equal to: the start of a maximum (or minimum)."""
    up = how in ("max", "argmax")
    if dtype in INTS:
        bits = int(dtype[1:])
        low = 0 if dtype[0] == "u" else -(1 << (bits - 1))
        return low if up else low + (1 << bits) - 1
    return -math.inf if up else math.inf


def _stop_locate(w: Writer, t: Task, e: Locate) -> None:
    at = w.sums[t][0]
    if e.out.type.shape:
        w.store(e.out, e.index, at, "=", e.where)
    else:
        w.facts.alias[e.out] = at


START: dict[type, Callable[[Writer, Task, Any], None]] = {Reduce: _start_reduce, Locate: _start_locate}
STOP: dict[type, Callable[[Writer, Task, Any], None]] = {Reduce: _stop_reduce, Locate: _stop_locate}
