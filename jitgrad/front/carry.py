"""The variables of one loop: which of them its iterations hand on, and what they hold afterwards.

A number is a parameter of the body at once (unchanged, it is a constant again). Everything else is a constant until the end
of the body shows that it was rebound; then the body is recorded again with parameters in its place (`Again`). What is found
out about a loop is its `Plan`. Rules, with the value at the beginning and after an iteration:

    number, number                  carried, in the join of their dtypes
    array, another of its shape     carried; within the body it may share memory with what it was at the beginning
    tuples, lists, dicts            leaf by leaf, if they are built alike
    nothing, a value                carried from zeros if it is read after the loop, which must run at least once then
    a value, one of another kind    likewise, if the body assigns it before it reads it; else the loop is `Unstable`

Flags of jumps are False where an iteration begins: a loop that has been left does not run its body.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ..errors import UnstableError, raise_at
from ..ir.build import Value
from ..ir.core import Type, Var
from . import promote
from .alias import Leaf, aliases, may_be
from .body import Body, new_param
from .context import current
from .jumps import HIDDEN, VALUE, is_flag
from .merge import leave_with, number, related, zero_like
from .nest import NUMBERS, alike, held, is_constant, lifted, put_together, same_leaf, taken_apart, unchanged, words
from .places import UNBOUND, Place, Variable
from .promote import Operand
from .scope import Box
from .size import known, same
from .standin import Array, Scalar, StandIn

Built = Callable[[Sequence[Value]], Any]
WIDE = ("f64", "i64", "bool")


class Again(Exception):
    """Record the body again: the plan has changed."""


class Unstable(Exception):
    """A variable changes its kind from one iteration to the next. Peeling the first iteration may help."""


@dataclass(eq=False)
class Plan:
    """What the attempts have found out about the variables of one loop. Places are known by their keys."""

    places: list[Place]
    kinds: dict[Any, tuple[str, bool]] = field(default_factory=dict)  # (key, leaf) -> dtype, weak
    apart: set[Any] = field(default_factory=set)  # their numbers are parameters
    moved: set[Any] = field(default_factory=set)  # (key, leaf): arrays that are rebound, parameters too
    dead: set[Any] = field(default_factory=set)  # assigned before they are read
    alive: set[Any] = field(default_factory=set)  # of changing kind, and tried as dead
    linked: set[frozenset[Any]] = field(default_factory=set)  # leaves that may be one array
    eager: bool = True


@dataclass(eq=False)
class Row:
    """A carry: its parameter, the value after an iteration, and the leaf from which it starts (None: zeros)."""

    param: Value
    result: Value
    start: Any
    hint: str


@dataclass(eq=False)
class Carries:
    plan: Plan
    body: Body
    entry: dict[Place, Any]
    export: frozenset[str]
    runs: Callable[[], bool]  # does the loop run at least once?
    begin: dict[Any, Any] = field(default_factory=dict)  # by key: what the place holds where an iteration begins
    params: dict[Any, list[Value | None]] = field(default_factory=dict)
    fresh: dict[Box, Leaf] = field(default_factory=dict)  # boxes of parameters: their leaves
    rows: list[Row] = field(default_factory=list)
    known: dict[Var, Any] = field(default_factory=dict)  # parameters that turned out to be constants: their leaves
    after: dict[Place, Built | None] = field(default_factory=dict)  # None: no value
    anew: set[int] = field(default_factory=set)  # lists and dicts that are put together anew
    ends: dict[Any, Any] = field(default_factory=dict)
    flags: dict[Any, Row] = field(default_factory=dict)
    reach: dict[Leaf, set[Box]] = field(default_factory=dict)  # the outer arrays that a rebound name may be
    made: list[tuple[Box, set[Box]]] = field(default_factory=list)  # arrays after the loop, and what they were in it
    left_with: list[tuple[list[Place], Place, Built]] = field(default_factory=list)  # see `merge.Merge.left_with`

    # -- where an iteration begins

    def enter(self) -> None:
        for p, x in self.entry.items():
            if x is not UNBOUND and is_flag(p.name):
                p.put(False)
            elif p.key in self.plan.dead:
                p.put(UNBOUND)
            elif x is not UNBOUND and p.name != VALUE and self._parameters(p, x):
                p.put(self._enter(p, x))
            self.begin[p.key] = p.get()
        for pair in self.plan.linked:
            boxes = [b for b, leaf in self.fresh.items() if leaf in pair]
            for b in boxes:
                b.link(boxes)

    def _parameters(self, p: Place, x: Any) -> bool:
        number = isinstance(p, Variable) and isinstance(x, (Scalar, *NUMBERS))
        return p.key in self.plan.apart or (self.plan.eager and number)

    def _enter(self, p: Place, x: Any) -> Any:
        leaves, s = taken_apart(x)
        self.params[p.key] = []
        return put_together(s, [self._leaf(p, k, leaf) for k, leaf in enumerate(leaves)])

    def _leaf(self, p: Place, k: int, x: Any) -> Any:
        hint = hint_of(p.name)
        if isinstance(x, Array) and (p.key, k) not in self.plan.moved:
            self.params[p.key].append(None)
            return x
        if isinstance(x, Array):
            param = new_param(self.body, Type(x._dtype(), x.dims), hint)
            box = Box(param, hint)
            box.link({x.box, *x.box.may})
            self.fresh[box] = (p.key, k)
            self.params[p.key].append(param)
            return Array(box)
        o = lifted(x)
        dtype, weak = self.plan.kinds.get((p.key, k), (o.dtype, o.weak))
        param = new_param(self.body, Type(dtype), hint)
        self.params[p.key].append(param)
        return number(param, o.weak and weak, p.name if dtype != o.dtype else "")

    # -- where it ends

    def leave(self) -> None:
        self.ends = {p.key: p.get() for p in self.entry}
        for p, e in self.entry.items():
            self.after[p] = self._leave(p, e, self.ends[p.key])
        aliases(self)

    def _leave(self, p: Place, e: Any, x: Any) -> Built | None:
        begin = self.begin[p.key]
        keep: Built | None = None if e is UNBOUND else lambda outs: e
        if is_flag(p.name) or p.name == VALUE:
            return self._flag(p, e, x, keep)
        if begin is UNBOUND:
            return self._first_assigned(p, x)
        if p.key in self.params:
            return self._carried(p, e, x)
        if x is begin or (x is not UNBOUND and unchanged(x, begin)):
            return keep
        return self._rebound(p, e, x)

    def _flag(self, p: Place, e: Any, x: Any, keep: Built | None) -> Built | None:
        if x is UNBOUND or x is e or (x is False and is_flag(p.name)):
            return keep
        leaves, s = taken_apart(x)
        if e is not UNBOUND:
            starts, t = taken_apart(e)
            if not alike(s, t) or not all(map(self._compatible, leaves, starts)):
                current().unset[p.name] = f"{words(e)} on one path, {words(x)} on another"
                return None
        else:
            starts = [None] * len(leaves)
        if not all(self.body.sees(lifted(leaf).value.type) for leaf in leaves):
            current().unset[p.name] = f"{words(x)}, whose size is computed inside of a loop"
            return None
        build = self._together(s, [self._output(p, leaf, start) for leaf, start in zip(leaves, starts, strict=True)])
        self.flags[p.key] = self.rows[-1]
        return build

    @staticmethod
    def _compatible(x: Any, z: Any) -> bool:
        a, b = lifted(x).value.type, lifted(z).value.type
        return a.shape == b.shape and (isinstance(x, Array) == isinstance(z, Array))

    def _output(self, p: Place, x: Any, start: Any) -> Built:
        """A result that the next iteration does not read."""
        hint = hint_of(p.name) if not p.name.startswith(HIDDEN) else "result" if p.name == VALUE else "done"
        o = lifted(x)
        if start is None:
            dtype, weak = o.dtype, o.weak
        else:
            dtype, weak = promote.result_dtype(o, lifted(start)), o.weak and lifted(start).weak
        v = promote.convert(o, dtype)
        k = self._row(Row(new_param(self.body, v.type, hint), v, start, hint))
        if isinstance(x, Array):
            return self._array(k, hint, [x.box, *([start.box] if start is not None else [])])
        return lambda outs: number(outs[k], weak, p.name if dtype != o.dtype else "")

    def _row(self, row: Row) -> int:
        self.rows.append(row)
        return len(self.rows) - 1

    def _together(self, s: Any, parts: list[Built]) -> Built:
        return lambda outs: put_together(s, [part(outs) for part in parts])

    def _first_assigned(self, p: Place, x: Any) -> Built | None:
        """Without a value where an iteration begins."""
        unset = current().unset
        if x is UNBOUND:
            self._left_with(p)
            return None
        if p.key in current().filled:
            unset[p.name] = "it is first assigned inside of a loop, not on every path"
            return None
        if p.name not in self.export:
            unset[p.name] = "it is first assigned inside of a loop"
            return None
        leaves, s = taken_apart(x)
        if not all(self.body.sees(lifted(leaf).value.type) for leaf in leaves):
            unset[p.name] = f"it is {words(x)} inside of a loop, and its size changes from iteration to iteration"
            return None
        if not self.runs():
            unset[p.name] = "it is first assigned inside of a loop, which may run no iteration at all"
            return None
        return self._together(s, [self._constant(leaf) or self._output(p, leaf, None) for leaf in leaves])

    def _left_with(self, p: Place) -> None:
        """It may have a value where a `break` leaves the loop."""
        atoms, _, held = current().left_with.get(p.key, ((), None, None))
        flags = [f for f in self.entry if isinstance(x := self.ends[f.key], Scalar) and x.value.atom in atoms]
        if not flags or p.name not in self.export:
            return
        leaves, s = taken_apart(held)
        if all(self.body.sees(lifted(leaf).value.type) for leaf in leaves):
            parts = [self._constant(leaf) or self._output(p, leaf, None) for leaf in leaves]
            self.left_with.append((flags, p, self._together(s, parts)))

    def _constant(self, x: Any) -> Built | None:
        outside = isinstance(x, Array) and self.outside(x.box)
        return (lambda outs: x) if outside or (is_constant(x) and not isinstance(x, Array)) else None

    def again(self) -> NoReturn:
        raise Again

    def outside(self, box: Box) -> bool:
        parent = self.body.boxes.parent
        return parent is not None and parent.has(box)

    def _rebound(self, p: Place, e: Any, x: Any) -> Built | None:
        """Not a parameter yet."""
        if x is not UNBOUND:
            (xs, s), (es, t) = taken_apart(x), taken_apart(e)
            if alike(s, t) and all(map(self._kind_of, xs, es)):
                self.plan.apart.add(p.key)
                self._moved(p, xs, es)
                raise Again
        self._unstable(p, e, x)

    def _moved(self, p: Place, xs: Sequence[Any], begins: Sequence[Any]) -> bool:
        """Take note of the arrays that were rebound; are there new ones?"""
        pairs = enumerate(zip(xs, begins, strict=True))
        new = {(p.key, k) for k, (x, b) in pairs if isinstance(x, Array) and not same_leaf(x, b)}
        new -= self.plan.moved
        self.plan.moved |= new
        return bool(new)

    @staticmethod
    def _kind_of(x: Any, z: Any) -> bool:
        """Two numbers, or two arrays of one dtype and shape?"""
        if not isinstance(x, Array) or not isinstance(z, Array):
            return not isinstance(x, Array) and not isinstance(z, Array)
        if x._dtype() != z._dtype() or len(x.dims) != len(z.dims):
            return False
        return all(d == n or (known(d) and known(n) and same(d, n)) for d, n in zip(x.dims, z.dims, strict=True))

    def _unstable(self, p: Place, e: Any, x: Any) -> NoReturn:
        why = f"`{p.name}` is {words(e)} before the loop and {words(x)} after an iteration"
        if x is UNBOUND:
            why = f"`{p.name}` may have no value after an iteration: {current().unset.get(p.name, 'it is deleted')}"
        if isinstance(p, Variable) and p.key not in self.plan.alive:
            self.plan.dead.add(p.key)
            self.plan.alive.add(p.key)
            raise Again
        raise Unstable(why)

    def _carried(self, p: Place, e: Any, x: Any) -> Built | None:
        if x is UNBOUND:
            self._unstable(p, e, x)
        (xs, s), (es, t) = taken_apart(x), taken_apart(e)
        begins, _ = taken_apart(self.begin[p.key])
        if not alike(s, t) or not all(map(self._kind_of, xs, es)):
            self._unstable(p, e, x)
        if self._moved(p, xs, begins):
            raise Again
        parts, carried = [], False
        for k, (leaf, begin, start, param) in enumerate(zip(xs, begins, es, self.params[p.key], strict=True)):
            if param is None:
                parts.append(self._same(start))
            elif same_leaf(leaf, begin) and not (isinstance(begin, Array) and begin.box in self.body.boxes.written):
                self.known[param.atom] = start  # type: ignore[index]
                parts.append(self._same(start))
            else:
                carried = True
                parts.append(self._next(p, k, leaf, start, param))
        if not carried and s[0] == "leaf":
            return self._same(e)
        mine = held(x)
        if mine & self.anew:
            raise Unstable(f"`{p.name}` holds a list or dict that another variable holds too")
        self.anew |= mine
        return self._together(s, parts)

    @staticmethod
    def _same(x: Any) -> Built:
        return lambda outs: x

    def _next(self, p: Place, k: int, x: Any, start: Any, param: Value) -> Built:
        hint = hint_of(p.name)
        if isinstance(x, Array):
            v = promote.fit(x.read(), param.shape)
            row = self._row(Row(param, v, start, hint))
            return self._array(row, hint, [x.box, start.box])
        o = lifted(x)
        begin = Operand(param, lifted(start).weak and self.plan.kinds.get((p.key, k), ("", True))[1])
        dtype = promote.result_dtype(o, begin)
        weak = o.weak and begin.weak
        if dtype != param.dtype or (weak != begin.weak and self._narrow()):
            self.plan.kinds[p.key, k] = (dtype, weak)
            raise Again
        row = self._row(Row(param, promote.convert(o, dtype), start, hint))
        uneven = lifted(start).dtype != dtype or o.dtype != dtype
        return lambda outs: number(outs[row], weak, p.name if uneven else "")

    def _narrow(self) -> bool:
        """Does it matter whether a number is Python's or NumPy's? Only beside narrower dtypes."""
        return any(v.type.dtype not in WIDE for v in self.body.writing.own)

    def _array(self, row: int, hint: str, boxes: Sequence[Box]) -> Built:
        """The array after the loop, which may share memory with what the name held on its way."""

        def build(outs: Sequence[Value]) -> Array:
            scope = current().scope
            made = Box(outs[row], hint)
            may = {m for b in boxes for m in may_be(self, b) if scope.has(m)}
            made.link(may)
            for other, theirs in self.made:
                if any(related(b, c) for b in theirs for c in boxes):
                    made.link([other])
            self.made.append((made, set(boxes)))
            return Array(made)

        return build

    # -- outside again

    def starts(self) -> list[Value]:
        """The initial values, as the place around the loop computes them."""
        out = []
        for r in self.rows:
            if r.start is None:
                out.append(Value(zero_like(r.param.type)))
            else:
                o = lifted(r.start)
                out.append(promote.fit(promote.convert(o, r.param.dtype), r.param.shape))
        return out

    def constants(self) -> dict[Var, Any]:
        found = {}
        for v, x in self.known.items():
            found[v] = promote.fit(promote.convert(lifted(x), v.type.dtype), v.type.shape).atom
        return found

    def put(self, outs: Sequence[Value]) -> None:
        for p, build in self.after.items():
            p.put(UNBOUND if build is None else build(outs))
        for flags, p, build in self.left_with:
            leave_with(flags, p, build(outs))


def hint_of(name: str) -> str:
    """`a.s` and `d['k']` as names: a_s, d_k."""
    return "_".join(re.findall(r"\w+", name)) or "t"


def refuse_unstable(why: str) -> None:
    raise_at(
        UnstableError,
        why,
        wanted="a variable of one kind: a number, or an array of one shape",
        got="a loop that is recorded once, and cannot begin otherwise than it goes on",
        repair="give the variable its final kind before the loop",
    )


__all__ = ["Again", "Carries", "Plan", "Row", "StandIn", "Unstable", "refuse_unstable"]
