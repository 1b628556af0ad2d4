"""Small arrays within loops are their cells: the position of a particle, the state of two populations, a 2 x 2 matrix.

    for t: x = x + h * f(x)     ->     for t: x0, x1 = x0 + h * f0(x0, x1), x1 + h * f1(x0, x1)

An array of a few elements, their number known beforehand, is followed cell by cell: what an op does to the cells is what its
`numpy` does to an array of objects. The array itself is written as well, and dies unless somebody takes it whole. A loop
carries the cells of such an array if each iteration gives them and none takes the array whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..ir.build import Value, again, at, bind, trace_open
from ..ir.core import I64, Fn, Let, Lit, Type, Var, dim_of, zero_of
from ..ir.dims import DimLike
from ..ir.walk import everywhere, needed, used_in, widen
from ..ops.cond import Cond
from ..ops.index import get, put
from ..ops.loop import Loop, Ragged
from ..ops.while_ import While
from .cells import through
from .rewrite import Outs, Rewriter, rewritten

FEW = 9  # a 3 x 3 matrix
MOST = 300  # statements that a loop may become; a long body of small arrays stays as it is

Cells = Any  # an array of objects: a Value for each element


def scalars(fn: Fn) -> Fn:
    return rewritten(Splitter(fn)) if any(_concerned(let) for let in fn.lets) else fn


def _concerned(let: Let) -> bool:
    """Does a loop in it work on small arrays, few enough?"""
    if let.op.name not in ("loop", "while"):
        return any(_concerned(inner) for f in let.fns for inner in f.lets)
    sizes = [few(o.type) for f in let.fns for _, inner in everywhere(f) for o in inner.outs]
    return 0 < sum(sizes) <= MOST


def few(t: Type) -> int:
    """How many elements a small array has; 0: it is none."""
    n = math.prod(t.shape) if t.shape and all(isinstance(d, int) for d in t.shape) else 0
    return n if n <= FEW else 0  # type: ignore[return-value, operator]


class Splitter(Rewriter):
    """`cells`: arrays of this body whose cells are known. `loops`: is it within a loop that is to be split?"""

    def __init__(self, fn: Fn, parent: Splitter | None = None, kind: str = "root", loops: bool = False) -> None:
        super().__init__(fn, parent, kind)
        self.loops: bool = loops or (parent is not None and parent.loops)
        self.trips: tuple[DimLike, DimLike] = (0, 0)  # of a loop: its bounds
        self.cells: dict[Var, Cells] = {}

    def each(self, let: Let, ins: Outs) -> Outs:
        way = _CONSTRUCTS.get(let.op.name)
        if way is None or let.attrs.get("ragged") or not (self.loops or _concerned(let)):
            return super().each(let, ins)
        with at(let.where):
            return way(self, let, ins)

    def statement(self, let: Let, ins: Outs) -> Outs:
        if not self.loops:
            return again(let, ins)
        with at(let.where):
            rule = _each_cell if let.op.elementwise else _RULES.get(let.op.name)
            found = rule(self, let, ins) if rule is not None else None
        if isinstance(found, Value):
            return (found,)
        outs = again(let, ins)
        if found is not None:
            self.know(outs[0], found)
        return outs

    def know(self, v: Value, cells: Cells) -> None:
        if isinstance(v.atom, Var):
            self.cells[v.atom] = cells

    def known(self, v: Value) -> Cells | None:
        """The cells of an array, if what computed it gave them."""
        if isinstance(v.atom, Lit):
            return _filled(v.shape, lambda _: Value(Lit(v.atom.value, v.type.element)))  # type: ignore[union-attr]
        home: Any = self
        while home is not None:
            if v.atom in home.cells:
                return home.cells[v.atom]
            home = home.parent
        return None

    def of(self, v: Value) -> Cells:
        """The cells of an array, read from it if need be."""
        found = self.known(v) if v.shape else _filled((), lambda _: v)
        if found is None:
            found = _filled(v.shape, lambda index: get(v, *index, hint=v.atom.hint))
            self.know(v, found)
        return found

    def whole(self, cells: Cells, like: Type, hint: str) -> Value:
        """An array of these cells."""
        v = Value(zero_of(like))
        for index in np.ndindex(cells.shape):
            v = put(v, cells[index], *index, hint=hint)
        self.know(v, cells)
        return v


def _filled(shape: Sequence[Any], cell: Callable[[tuple[int, ...]], Value]) -> Cells:
    out = np.empty(tuple(shape), object)
    for index in np.ndindex(out.shape):
        out[index] = cell(index)
    return out


# ---- statements

Found = Any  # the cells of the result, or the result, or None: the statement stays as it is


def _each_cell(self: Splitter, let: Let, ins: Outs) -> Found:
    if not few(let.outs[0].type):
        return None
    args = [self.of(v) for v in ins]
    hint = let.outs[0].hint
    return _filled(args[0].shape, lambda k: bind(let.op, *[a[k] for a in args], hints=(hint,), **let.attrs)[0])


def _reduced(self: Splitter, let: Let, ins: Outs) -> Found:
    """Sums and products of cells. (What `max` gives each of several equal cells is more than a chain of maxima says.)"""
    if not few(ins[0].type):
        return None
    ufunc = np.add if let.op.name == "sum" else np.multiply
    return _unwrapped(ufunc.reduce(self.of(ins[0]), let.attrs["axes"]))


def _shaped(self: Splitter, let: Let, ins: Outs) -> Found:
    x, dims = ins[0], [dim_of(d.atom) for d in ins[1:]]
    if not few(let.outs[0].type) or (x.shape and not few(x.type)):
        return None
    return let.op.numpy(self.of(x), *dims, **let.attrs)


def _concat(self: Splitter, let: Let, ins: Outs) -> Found:
    return let.op.numpy(*map(self.of, ins), **let.attrs) if few(let.outs[0].type) else None


def _matmul(self: Splitter, let: Let, ins: Outs) -> Found:
    a, b, t = *ins, let.outs[0].type
    if not (few(a.type) and few(b.type) and (few(t) or not t.shape)):
        return None
    return _unwrapped(let.op.numpy(self.of(a), self.of(b), **let.attrs))


def _unwrapped(x: Any) -> Found:
    """An array without axes is a scalar."""
    return x[()] if isinstance(x, np.ndarray) else x


def _get(self: Splitter, let: Let, ins: Outs) -> Found:
    a, index, out = ins[0], ins[1:], let.outs[0].type
    if few(a.type) and _static(index):
        if not out.shape and self.known(a) is None:
            return None
        return _unwrapped(let.op.numpy(self.of(a), *[dim_of(v.atom) for v in index], **let.attrs))
    if few(out) and "a" not in let.attrs["spec"]:
        return _filled(out.shape, lambda k: get(a, *_place(a, index, let, k), hint=let.outs[0].hint))
    return None


def _write(self: Splitter, let: Let, ins: Outs) -> Found:
    a, v, index = ins[0], ins[1], ins[2:]
    if few(a.type):
        if not _static(index):
            return None
        value = self.of(v) if v.shape else v
        return let.op.numpy(self.of(a), value, *[dim_of(x.atom) for x in index], **let.attrs)
    if not few(v.type) or "a" in let.attrs["spec"] or self.known(v) is None:
        return None
    cells = self.of(v)
    for k in np.ndindex(cells.shape):
        place = _place(a, index, let, k)
        a = bind(let.op, a, cells[k], *place, hints=(let.outs[0].hint,), spec="i" * len(place))[0]
    return a


def _place(a: Value, index: Outs, let: Let, k: Sequence[int]) -> list[Value]:
    """Where the cell k of a window of `a` is."""
    found = through(((a.atom, *[v.atom for v in index]), let.attrs), [Value(Lit(x, I64)) for x in k])
    assert found is not None  # there are no index arrays
    return found


def _static(index: Sequence[Value]) -> bool:
    return all(v.type == I64 and isinstance(dim_of(v.atom), int) for v in index)


_RULES: dict[str, Callable[[Splitter, Let, Outs], Found]] = {
    "get": _get,
    "put": _write,
    "add_at": _write,
    "sum": _reduced,
    "prod": _reduced,
    "broadcast": _shaped,
    "transpose": _shaped,
    "reshape": _shaped,
    "concat": _concat,
    "matmul": _matmul,
}


# ---- constructs


@dataclass(frozen=True)
class Slots:
    """The carries of a loop, and which of them it hands on cell by cell."""

    like: tuple[Var, ...]
    split: frozenset[int]

    def flat(self, values: Outs, cells_of: Callable[[Value], Cells]) -> list[Value]:
        return [x for k, v in enumerate(values) for x in (cells_of(v).flat if k in self.split else (v,))]

    def types(self) -> list[Var]:
        """Each of `flat`, as a parameter."""
        one = lambda v: [Var(v.type.element, v.hint) for _ in range(few(v.type))]
        return [p for k, v in enumerate(self.like) for p in (one(v) if k in self.split else (v,))]

    def counted(self, ragged: Ragged) -> Ragged:
        """Ragged rows, by the new places of the carries that count them."""
        before = lambda j: sum(few(v.type) if k in self.split else 1 for k, v in enumerate(self.like[:j]))
        return tuple((k, before(j)) for k, j in ragged)

    def grouped(self, flat: Outs, here: Splitter) -> list[Value]:
        """The carries again."""
        rest = iter(flat)
        whole = lambda v: here.whole(_filled(v.type.shape, lambda _: next(rest)), v.type, v.hint)
        return [whole(v) if k in self.split else next(rest) for k, v in enumerate(self.like)]


Side = tuple[Fn, tuple[Value, ...]]  # a body, and what it captured


def _side(child: Splitter, slots: Slots, head: Sequence[Var], consts: Outs, ends: bool) -> tuple[Side, set[int]]:
    """The body of a loop, or (if it `ends` nothing) the test of one, with cells for carries; and the carries that it takes
    whole after all, or leaves as arrays whose cells it does not know."""
    n, c = len(head), len(slots.like)
    entered: list[Value] = []
    unknown: set[int] = set()

    def step(*args: Value) -> tuple[Value, ...]:
        if head:
            child.index, child.ranges = args[0].atom, {**child.ranges, args[0].atom: child.trips}
        entered[:] = slots.grouped(args[n:], child)
        out = child.run(*args[:n], *entered, *consts)
        if not ends:
            return out
        unknown.update(k for k in slots.split if child.known(out[k]) is None)
        return (*slots.flat(out[:c], child.of), *out[c:])

    fn, captured = trace_open(step, [*head, *slots.types()], child.fn.name)
    fn = needed(fn)
    used = used_in(fn)
    return (fn, captured), unknown | {k for k in slots.split if entered[k].atom in used}


def _settled(carries: Sequence[Var], write: Callable[[Slots], tuple[list[Side], set[int]]]) -> tuple[Slots, list[Side]]:
    """As many carries cell by cell as can be."""
    split = frozenset(k for k, v in enumerate(carries) if few(v.type))
    while True:
        slots = Slots(tuple(carries), split)
        sides, whole = write(slots)
        if not whole:
            return slots, sides
        split -= whole


def _loop(self: Splitter, let: Let, ins: Outs) -> Outs:
    view = Loop.of(let, ins)

    def write(slots: Slots) -> tuple[list[Side], set[int]]:
        child = Splitter(view.body, self, "loop", loops=True)
        child.trips = (dim_of(view.lo.atom), dim_of(view.hi.atom))
        side, whole = _side(child, slots, [view.index], view.consts, ends=True)
        return [side], whole

    slots, [(body, captured)] = _settled(view.carries, write)
    init = tuple(slots.flat(view.init, self.of))
    new = replace(view, init=init, consts=captured, body=body, ragged=slots.counted(view.ragged))
    last, rows = new.bind([p.hint for p in slots.types()])
    return (*slots.grouped(last, self), *rows)


def _while(self: Splitter, let: Let, ins: Outs) -> Outs:
    view = While.of(let, ins)

    def write(slots: Slots) -> tuple[list[Side], set[int]]:
        children = [Splitter(fn, self, "while", loops=True) for fn in (view.test, view.body)]
        (test, a), (body, b) = (_side(x, slots, [], view.consts, ends=x is children[1]) for x in children)
        return [test, body], a | b

    slots, sides = _settled(view.carries, write)
    init = tuple(slots.flat(view.init, self.of))
    fns, captured = widen([fn for fn, _ in sides], [values for _, values in sides], keep=len(init))
    new = While(fns[0], fns[1], init, captured, slots.counted(view.ragged))
    last, count, rows = new.bind([p.hint for p in slots.types()])
    return (*slots.grouped(last, self), count, *rows)


def _cond(self: Splitter, let: Let, ins: Outs) -> Outs:
    """The branches give the cells as well; what nobody reads of either is left out."""
    view = Cond.of(let, ins)
    ks = [k for k, o in enumerate(let.outs) if few(o.type)]
    (a, known), (b, too) = (_branch(Splitter(fn, self, "branch"), args, ks) for fn, args in view.branches)
    hints = [*[o.hint for o in let.outs], *[let.outs[k].hint for k in ks for _ in range(few(let.outs[k].type))]]
    written = Cond(view.predicate, a[0], a[1], b[0], b[1], view.ragged).bind(hints)
    outs, rest = written[: len(let.outs)], iter(written[len(let.outs) :])
    for k in ks:
        cells = _filled(outs[k].shape, lambda _: next(rest))
        if k in known | too:
            self.know(outs[k], cells)
    return outs


def _branch(child: Splitter, args: Outs, ks: Sequence[int]) -> tuple[Side, set[int]]:
    """With the cells of its results `ks` behind the results; and those whose cells it knew."""
    known: set[int] = set()

    def run() -> tuple[Value, ...]:
        out = child.run(*args)
        known.update(k for k in ks if child.known(out[k]) is not None)
        return (*out, *[x for k in ks for x in child.of(out[k]).flat])

    return trace_open(run, [], child.fn.name), known


_CONSTRUCTS: dict[str, Callable[[Splitter, Let, Outs], Outs]] = {"loop": _loop, "while": _while, "cond": _cond}
