"""A condition that the program computes: both sides are recorded, and what they leave in variables and arrays is merged.

    the same on both sides          stays as it is
    numbers                         one number, in the join of their dtypes
    arrays                          a new array, which may share memory with what it may be
    tuples, lists, dicts, records   leaf by leaf, if they are built alike (records: frozen dataclasses)
    anything else                   the variable has no value afterwards; an error says why if it is read

A side that has jumped (`return`, `break`, `continue`: a flag is True there) owes nothing: the code that still runs is behind
the flag, so what it leaves unbound is filled with zeros. What `break` and `continue` leave so does not outlive the
iteration: `Trace.filled`. A side that raises becomes a `check`, and the other side is simply run.

A variable that gets its value just before a `break` has none afterwards, but where the flag of the `break` is tested
(`for ... else`): `Trace.left_with` has the flags, the variable and the value by the key of the variable.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import CellType, CodeType
from typing import Any

from ..errors import UnstableError, raise_at
from ..ir.build import Value, value
from ..ir.core import Lit, Type, Var
from ..ops.cond import Cond
from . import promote
from .body import Body, adopt, closed, constants, recorded
from .context import current, here
from .jumps import HIDDEN, VALUE, is_flag
from .nest import alike, held, is_constant, lifted, put_together, same_leaf, taken_apart, words, zero
from .places import UNBOUND, Place, Snapshot, Variable
from .raising import check_that, raised_by_user
from .scope import Box
from .size import known, same
from .standin import Array, Scalar
from .truth import opposite, together

Thunk = Callable[[], Any]
Built = Callable[[Sequence[Value]], Any]  # the results of the `cond` -> what a variable holds

FEW = 8  # statements that are written in the place of a branch


class Differs(Exception):
    """The two sides leave what cannot be one value."""


@dataclass(eq=False)
class Side:
    body: Body
    values: dict[Place, Any]
    changed: list[Place]
    dead: BaseException | None = None
    left_with: dict[Any, tuple[Any, Any, Any]] = field(default_factory=dict)

    @property
    def flags(self) -> list[str]:
        return [p.name for p, x in self.values.items() if is_flag(p.name) and x is True]

    @property
    def returned(self) -> bool:
        return any(f.startswith(HIDDEN + "return") for f in self.flags)

    def where(self, flag: Place, p: Place, x: Any) -> Any:
        """What the variable `p`, here `x`, holds where the flag is True; UNBOUND: the flag is False."""
        f = self.values[flag]
        if f is False or x is not UNBOUND:
            return UNBOUND if f is False else x
        atoms, _, held = self.left_with.get(p.key, ((), None, None))
        if not isinstance(f, Scalar) or f.value.atom not in atoms:
            raise Differs(f"{p.name} has no value on a side that breaks")
        return held


def choose(test: Scalar, sides: Sequence[Thunk], places: Sequence[Place], closures: Sequence[Callable[..., Any]]) -> None:
    """Run `sides[0]` where the test holds, else `sides[1]`. `closures`: the user's functions behind them."""
    here()
    given = [(p, x) for flags, p, x in current().left_with.values() if test.value.atom in flags and p.get() is UNBOUND]
    if given:
        sides, places = (_given(given, sides[0]), sides[1]), list(dict.fromkeys((*places, *[p for p, _ in given])))
    first = 0 if _weight(closures[0].__code__) <= _weight(closures[1].__code__) else 1
    done: dict[int, Side] = {}
    for k in (first, 1 - first):
        done[k] = side = _side(sides[k], places, closures)
        if side.dead is not None:
            check_that(opposite(test) if k == 0 else test, side.dead)
            sides[1 - k]()
            return
    Merge(test, done[0], done[1]).write()


def _given(values: Sequence[tuple[Place, Any]], run: Thunk) -> Thunk:
    def side() -> None:
        for p, x in values:
            p.put(x)
        run()

    return side


def chosen(test: Scalar, then: Thunk, orelse: Thunk) -> Any:
    """The value of `then()` or of `orelse()`."""
    cell = CellType()
    place = Variable("t", cell)

    def into(f: Thunk) -> Thunk:
        def run() -> None:
            cell.cell_contents = f()

        return run

    choose(test, (into(then), into(orelse)), [place], (then, orelse))
    if place.get() is UNBOUND:
        raise_at(
            UnstableError,
            "the two sides of a condition do not give one kind of value",
            wanted="two numbers, or two arrays of one shape",
            got=current().unset.get("t", ""),
            repair="an `if` statement, with the code that uses the value in it",
        )
    return place.get()


def both(test: Scalar, second: Thunk) -> Any | None:
    """`test and second()` as one bool, if the second can be computed whatever the test says; else None."""
    side = _side(lambda: cell_put(cell, second()), [place := Variable("t", cell := CellType())], (second,))
    x = side.values[place]
    lets = side.body.writing.lets
    calm = side.dead is None and not side.body.raises() and not side.body.boxes.written and not side.changed
    if not calm or len(lets) > FEW or any(let.fns for let in lets):
        return None
    if isinstance(x, bool):
        return test if x else False
    if not isinstance(x, Scalar) or x._dtype() != "bool":
        return None
    return together(test, Scalar(adopt(side.body, [x.value])[0], x.weak))


def cell_put(cell: CellType, x: Any) -> None:
    cell.cell_contents = x


def _weight(code: CodeType) -> int:
    return len(code.co_code) + sum(_weight(c) for c in code.co_consts if isinstance(c, CodeType))


def _side(run: Thunk, places: Sequence[Place], closures: Sequence[Callable[..., Any]]) -> Side:
    """Record one side, and undo what it did to Python's state."""
    snapshot = Snapshot(closures, places)
    entry = [(p, p.get()) for p in places]
    trace, dead = current(), None
    left_with = dict(trace.left_with)
    try:
        with recorded("branch") as body:
            try:
                run()
            except BaseException as e:
                if not raised_by_user(e):
                    raise
                dead = e
            changed = [] if dead else snapshot.changed()
            values = {p: p.get() for p in (*places, *changed)}
        return Side(body, values, changed, dead, trace.left_with)
    finally:
        trace.left_with = left_with
        for p, x in entry:
            p.put(x)
        snapshot.restore()


@dataclass(eq=False)
class Merge:
    """The two sides, and the pairs of values that become results of a `cond`."""

    test: Scalar
    a: Side
    b: Side
    rows: list[tuple[Value, Value, str]] = field(default_factory=list)
    merged: dict[tuple[Box, Box], int] = field(default_factory=dict)  # whole boxes that became one: their row
    anew: set[int] = field(default_factory=set)  # lists and dicts that are put together anew
    made: list[tuple[Box, Box, Box]] = field(default_factory=list)  # a new box, and what it is on the two sides
    left_with: list[tuple[list[Place], Place, Built]] = field(default_factory=list)  # flags, variable, value where they hold

    def write(self) -> None:
        scope = current().scope
        places = list(dict.fromkeys((*self.a.values, *self.b.values)))
        after = {p: self._place(p) for p in places}
        count = len(self.rows)
        boxes = list(dict.fromkeys((*self.a.body.written(scope), *self.b.body.written(scope))))
        boxes = [b for b in boxes if b not in self.a.body.boxes.poison and b not in self.b.body.boxes.poison]
        for box in boxes:
            self.rows.append((self.a.body.value(box), self.b.body.value(box), box.name))
        outs = self._cond()
        for box, out in zip(boxes, outs[count:], strict=True):
            scope.write(box, out)
        new = {p: build(outs) if build else UNBOUND for p, build in after.items()}
        self._link()
        for side in (self.a, self.b):
            for box, why in side.body.boxes.poison.items():
                if scope.has(box):
                    scope.poison.setdefault(box, why)
        for p, x in new.items():
            p.put(x)
        for flags, p, build in self.left_with:
            leave_with(flags, p, build(outs))

    def _cond(self) -> tuple[Value, ...]:
        bodies = (self.a.body, self.b.body)
        if not self.rows and not any(body.raises() for body in bodies):
            return ()
        (then, of_then), (other, of_other) = [
            closed(body.writing, [], values, name, constants(body))
            for body, name, values in (
                (bodies[0], "then", [v for v, _, _ in self.rows]),
                (bodies[1], "else", [w for _, w, _ in self.rows]),
            )
        ]
        return Cond(self.test.value, then, of_then, other, of_other).bind([row[2] for row in self.rows])

    # -- one variable

    def _place(self, p: Place) -> Built | None:
        x, z = [side.values[p] if p in side.values else p.get() for side in (self.a, self.b)]
        mark = len(self.rows), len(self.made)
        try:
            if x is UNBOUND and z is UNBOUND:
                self._leave_with(p, x, z)
                return None
            if x is not UNBOUND and z is not UNBOUND:
                try:
                    return self._join(p.name, x, z)
                except Differs:
                    if not self.a.flags and not self.b.flags:
                        raise
            return self._one_sided(p, x, z)
        except Differs as e:
            self._undo(mark)
            if not isinstance(p, Variable):
                raise_at(
                    UnstableError,
                    f"`{p.name}` is changed in one way or another, depending on a value that the program computes",
                    wanted="a number, or arrays of one shape, on both sides",
                    got=str(e),
                    repair="give it the same kind of value on both sides",
                )
            current().unset[p.name] = str(e)
            self._leave_with(p, x, z)
            return None

    def _undo(self, mark: tuple[int, int]) -> None:
        del self.rows[mark[0] :], self.made[mark[1] :]
        self.merged = {k: row for k, row in self.merged.items() if row < mark[0]}

    def _leave_with(self, p: Place, x: Any, z: Any) -> None:
        """It may have a value where the flag of a `break` is True."""
        held: tuple[Any, Any] = (UNBOUND, UNBOUND)
        flags: list[Place] = []
        for flag in (f for f in self.a.values if f in self.b.values):
            if flag.name.startswith(f"{HIDDEN}break"):
                with suppress(Differs):
                    u, v = self.a.where(flag, p, x), self.b.where(flag, p, z)
                    if (u is not UNBOUND or v is not UNBOUND) and (not flags or (u is held[0] and v is held[1])):
                        held = (u, v)
                        flags.append(flag)
        if not flags:
            return
        mark = len(self.rows), len(self.made)
        try:
            whole = held[0] is not UNBOUND and held[1] is not UNBOUND
            self.left_with.append((flags, p, (self._join if whole else self._fill)(p.name, *held)))
        except Differs:
            self._undo(mark)

    def _one_sided(self, p: Place, x: Any, z: Any) -> Built:
        """A value that one side leaves; the other has jumped, or it is what the function will return."""
        if p.name == VALUE or is_flag(p.name):
            if x is not UNBOUND and z is not UNBOUND:
                raise Differs(f"{words(x)} on one path, {words(z)} on another")
            return self._fill(p.name, x, z)
        for jumped, mine, other in ((self.a, x, z), (self.b, z, x)):
            if jumped.flags and other is not UNBOUND:
                if not jumped.returned:
                    current().filled.add(p.key)
                del mine
                return self._fill(p.name, *((UNBOUND, z) if jumped is self.a else (x, UNBOUND)))
        if x is UNBOUND or z is UNBOUND:
            raise Differs("it gets a value on one side of an `if` only")
        raise Differs(f"{words(x)} on one side of an `if`, {words(z)} on the other")

    def _join(self, name: str, x: Any, z: Any) -> Built:
        if x is z:
            return lambda outs: x
        (xs, s), (zs, t) = taken_apart(x), taken_apart(z)
        if not alike(s, t):
            raise Differs(f"{words(x)} on one side of an `if`, {words(z)} on the other")
        self._made_anew(x, z)
        parts = [self._leaf(name, u, v) for u, v in zip(xs, zs, strict=True)]
        return lambda outs: put_together(s, [part(outs) for part in parts])

    def _made_anew(self, x: Any, z: Any) -> None:
        """Lists and dicts that differ on the two sides are new ones afterwards: no other variable may hold them."""
        mine = held(x) | held(z)
        if mine & self.anew:
            raise Differs("it holds a list or dict that another variable holds too")
        self.anew |= mine

    def _leaf(self, name: str, x: Any, z: Any) -> Built:
        if isinstance(x, Array) and isinstance(z, Array):
            return self._arrays(name, x, z)
        if isinstance(x, Array) or isinstance(z, Array):
            raise Differs(f"{words(x)} on one side of an `if`, {words(z)} on the other")
        if same_leaf(x, z):
            return lambda outs: x
        a, b = lifted(x), lifted(z)
        weak = a.weak and b.weak
        first, second = a.value.atom, b.value.atom
        if isinstance(first, Lit) and isinstance(second, Lit) and first.type.dtype == second.type.dtype == "bool":
            return lambda outs: Scalar((self.test if first.value else opposite(self.test)).value, weak)
        dtype = promote.result_dtype(a, b)
        k = self._row(lambda: promote.convert(a, dtype), lambda: promote.convert(b, dtype), name)
        return lambda outs: number(outs[k], weak, name if a.dtype != b.dtype else "")

    def _row(self, first: Callable[[], Value], second: Callable[[], Value], name: str) -> int:
        with self.a.body.inside():
            v = first()
        with self.b.body.inside():
            w = second()
        self.rows.append((v, w, name.rpartition(".")[2] if not name.startswith(HIDDEN) else "result"))
        return len(self.rows) - 1

    def _arrays(self, name: str, x: Array, z: Array) -> Built:
        if x.box is z.box and x.view == z.view:
            return lambda outs: x
        same_kind = x._dtype() == z._dtype() and len(x.dims) == len(z.dims)
        fits = same_kind and all(d == e or (known(d) and known(e) and same(d, e)) for d, e in zip(x.dims, z.dims, strict=True))
        if not fits or not self.a.body.sees(Type(x._dtype(), x.dims)):
            raise Differs(f"{words(x)} on one side of an `if`, {words(z)} on the other")
        whole = x.view == z.view and x.view.is_whole and x.box.type.shape == x.dims
        if whole and (x.box, z.box) in self.merged:
            k = self.merged[x.box, z.box]
        else:
            k = self._row(x.read, lambda: promote.fit(z.read(), x.dims), name)
            if whole:
                self.merged[x.box, z.box] = k
        return lambda outs: self._new(outs[k], name, x.box, z.box)

    def _new(self, v: Value, name: str, x: Box, z: Box) -> Array:
        for box, of_x, of_z in self.made:
            if of_x is x and of_z is z and current().scope.store.get(box) is v:
                return Array(box)
        made = Array(Box(v, name))
        self.made.append((made.box, x, z))
        return made

    def _link(self) -> None:
        scope = current().scope
        for k, (box, x, z) in enumerate(self.made):
            box.link(b for m in (x, z) for b in (m, *m.may) if scope.has(b))
            for other, u, w in self.made[:k]:
                if related(x, u) or related(z, w):
                    box.link([other])

    def _fill(self, name: str, x: Any, z: Any) -> Built:
        """The value of the side that has one; zeros on the other."""
        there = x if z is UNBOUND else z
        leaves, s = taken_apart(there)
        parts = [self._filled(name, leaf, first=z is UNBOUND) for leaf in leaves]
        return lambda outs: put_together(s, [part(outs) for part in parts])

    def _filled(self, name: str, x: Any, first: bool) -> Built:
        mine = self.a if first else self.b
        if is_constant(x) and not isinstance(x, Array):
            return lambda outs: x
        if isinstance(x, Array) and current().scope.has(x.box):
            return lambda outs: x
        with mine.body.inside():
            o = lifted(x)
        if not mine.body.sees(o.value.type):
            raise Differs(f"{words(x)}, whose size is computed inside of the `if`")
        blank = lambda: Value(zero_like(o.value.type))
        k = self._row(lambda: o.value if first else blank(), lambda: blank() if first else o.value, name)
        if isinstance(x, Array):
            return lambda outs: self._new(outs[k], name, x.box, x.box)
        return lambda outs: Scalar(outs[k], o.weak)


def leave_with(flags: Sequence[Place], p: Place, x: Any) -> None:
    """Where these flags hold, the variable has this value."""
    atoms = [f.value.atom for flag in flags if isinstance(f := flag.get(), Scalar)]
    current().left_with[p.key] = ([a for a in atoms if isinstance(a, Var)], p, x)


def zero_like(t: Type) -> Lit:
    return Lit(False if t.dtype == "bool" else 0.0 if t.is_real else 0, t)


def number(v: Value, weak: bool, unsettled: str = "") -> Scalar:
    """A number of a variable. `unsettled`: its name, if Python's type of it depends on the way it was come by."""
    if unsettled:
        current().settled[v.atom] = unsettled
    return Scalar(v, weak)


def related(x: Box, z: Box) -> bool:
    return x is z or z in x.may


__all__ = ["both", "choose", "chosen", "number", "related", "value", "zero"]
