"""The two loops of a derivative: the forward loop that remembers, and the backward loop that reads it back.

`kept` decides how (`remember.py`) and gives a `Keeper`, which writes both. A value that is remembered is a row of the forward
loop; `rows[i - lo]` is that of iteration i whichever way a loop runs, so the backward loop has the same index and bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ..ir.build import Value, bind, size, trace_open, value
from ..ir.core import I64, Atom, Size, Type, Var, dim_of, swap_dim, swap_type, type_vars
from ..ir.dims import DimLike, Opaque, combine, of_symbol, opaque, symbols, trips
from ..ir.walk import effectful, widen
from ..ops.index import get, put
from ..ops.loop import Loop, loop
from ..ops.while_ import While
from .access import Finals, assuming, chain_of, facts, integers
from .ad import Tangent, push_fn, suggest
from .cut import INFINITE
from .decisions import Kept, reason
from .joint import Joint, make_joint, put_back, undoable
from .remember import Question, Split, cheapest, dependents, emitter, split


@dataclass(frozen=True)
class Kind:
    """How a loop and a while differ for these rules: arguments, and body parameters, before the carries."""

    view: Any
    args: int
    params: int
    outs: int  # results between the carries and the rows (the count of a while)


REDO = ("redo",)
LOOP, WHILE = Kind(Loop, 2, 1, 0), Kind(While, 0, 0, 1)


def known(kind: Kind, view: Any, ins: Sequence[Value]) -> AbstractContextManager[None]:
    """What the body may assume of its constants and its index (`ins`: its parameters, as the joint program calls them)."""
    consts = [v.atom for v in ins[kind.params + view.count :]]
    names = integers(consts, [v.atom for v in view.consts])  # type: ignore[arg-type]
    if kind is WHILE:
        return assuming(names, {})
    return assuming(names, {ins[0].atom: (facts().resolved(view.lo.atom), facts().resolved(view.hi.atom))})


def bind_step(kind: Kind, view: Any, step: Any, init: Sequence[Value], hints: Sequence[str]) -> tuple[Any, Any, Any]:
    """The same loop or while with another step, which captures its constants."""
    types = [v.type for v in init]
    if kind is LOOP:
        body, captured = trace_open(step, [I64, *types], view.body.name, [view.index.hint, *hints])
        last, rows = Loop(view.lo, view.hi, tuple(init), captured, body, view.reverse, view.policy).bind(hints)
        return last, (), rows
    c = view.count
    replay = lambda *s: push_fn(view.test, (*s[:c], *view.consts), [None] * len(view.test.params))[0]
    test, of_test = trace_open(replay, types, "test", hints)
    body, of_body = trace_open(step, types, view.body.name, hints)
    (test, body), captured = widen([test, body], [of_test, of_body], keep=len(init))
    last, count, rows = While(test, body, tuple(init), captured).bind(hints)
    return last, (count,), rows


# ---- deciding


def kept(kind: Kind, view: Any, joint: Joint) -> Keeper:
    """The cheapest way for this joint program, of those that put arrays back as well."""
    places = Places(kind, view, joint)
    if redone(kind, view):
        question = replace(places.question(joint.new_bars), redo=True)
        return Keeper(places, cheapest(split(question)), {}, joint.new_bars)
    finals = places.finals()
    best = cheapest(split(places.question(joint.new_bars), list(finals.values())))
    if best.cost:
        c, p = view.count, kind.params
        more = undoable(joint, joint.primal[p : p + c], range(c), partial(known, kind, view))
        if more.restored:
            more_places = Places(kind, view, more)
            more_finals = more_places.finals()
            way = cheapest(split(more_places.question(more.new_bars), list(more_finals.values())))
            if way.cost < best.cost:
                return Keeper(more_places, way, more_finals, more.new_bars)
    return Keeper(places, best, finals, joint.new_bars)


def redone(kind: Kind, view: Any) -> bool:
    return kind is LOOP and view.policy == REDO


def undone(kind: Kind, view: Any, at: Sequence[int]) -> Keeper | None:
    """A loop that puts the arrays `at` among its carries back, and does nothing else; None: that cannot be done."""
    c, p = view.count, kind.params
    if kind is LOOP and view.policy:
        return None  # the old cells of all iterations are what its policy is to spare
    nothing = make_joint(view.body, [False] * len(view.body.params), (), (), ())
    joint = undoable(nothing, nothing.primal[p : p + c], range(c), partial(known, kind, view))
    wanted = [r for r in joint.restored if r.result in at]
    if len(wanted) < len(at):
        return None
    places = Places(kind, view, joint)
    way = cheapest(split(places.question([r.before for r in wanted])))
    return Keeper(places, way, {}, ()) if way.cost < INFINITE else None


@dataclass(frozen=True)
class Places:
    """What the statements of a joint program may use where they are done again, and how long their rows would be."""

    kind: Kind
    view: Any
    joint: Joint

    @property
    def head(self) -> tuple[Var, ...]:
        return self.joint.primal[: self.kind.params]

    @property
    def carries(self) -> tuple[Var, ...]:
        return self.joint.primal[self.kind.params : self.kind.params + self.view.count]

    @property
    def consts(self) -> tuple[Var, ...]:
        return self.joint.primal[self.kind.params + self.view.count :]

    def question(self, want: Sequence[Atom]) -> Question:
        joint = self.joint
        free = (*self.head, *self.consts, *[self.carries[k] for k in self.counters()])
        carried = (*joint.bars, *[r.after for r in joint.restored])
        storable = lambda t: self.stored(t) is not None
        return Question.of(joint.fn, carried, free, want, storable, joint.restored, self.rows())

    def rows(self) -> dict[Var, int]:
        """Values that the loop keeps in any case, and in which of its rows."""
        kept = self.joint.primal_results[self.view.count :]
        return {r: k for k, r in reversed([*enumerate(kept)]) if isinstance(r, Var)}

    def counters(self) -> dict[int, int]:
        """Carries that grow by the same integer in every iteration: they are known without being remembered."""
        found: dict[int, int] = {}
        for k, p in enumerate(self.carries):
            r = self.joint.primal_results[k]
            if p.type == I64 and isinstance(r, Size):
                step = combine(r.dim, of_symbol(p), -1)
                if isinstance(step, int):
                    found[k] = step
        return found

    def finals(self) -> dict[int, Finals]:
        """The carried arrays whose versions are known from the beginning of an iteration to its end."""
        found: dict[int, Finals] = {}
        if self.kind is WHILE:
            return found
        names = integers(self.consts, [v.atom for v in self.view.consts])
        lo, hi = (facts().resolved(x.atom) for x in (self.view.lo, self.view.hi))
        for k, p in enumerate(self.carries):
            chain = chain_of(self.joint.fn, p, self.joint.primal_results[k]) if p.type.shape else None
            if chain is not None:
                found[k] = Finals(self.joint.fn, chain, self.head[0], lo, hi, self.view.reverse, names)
        return found

    def stored(self, t: Type) -> Type | None:
        """The type of a row that holds such a value: sizes that change from trip to trip become their bound. None: no bound."""
        mentioned = set(type_vars(t))
        if not mentioned <= {*self.consts, *self.head}:
            return None
        if not mentioned & set(self.head):
            return t
        names = {v.atom: p for p, v in zip(self.consts, self.view.consts, strict=True) if isinstance(v.atom, Var)}
        lo, hi = (swap_dim(dim_of(x.atom), names) for x in (self.view.lo, self.view.hi))
        dims = [upper_bound(d, self.head[0], lo, hi) for d in t.shape]
        return None if None in dims else Type(t.dtype, tuple(dims))  # type: ignore[arg-type]


def upper_bound(d: DimLike, index: Var, lo: DimLike, hi: DimLike) -> DimLike | None:
    """The largest value of a size over the iterations lo <= index < hi, by interval arithmetic on its form; None: unknown."""
    if isinstance(d, int):
        return d
    out: DimLike = d.c
    for s, k in d.terms.items():
        bound: DimLike | None = of_symbol(s)
        if s is index:
            bound = combine(hi, 1, -1) if k > 0 else lo
        elif isinstance(s, Opaque) and index in set(symbols(of_symbol(s))):
            sides = [upper_bound(a, index, lo, hi) for a in s.args]
            monotone = k > 0 and s.op in ("max", "min") and None not in sides
            bound = opaque(s.op, *sides) if monotone else None  # type: ignore[arg-type]
        if bound is None:
            return None
        out = combine(out, bound, k)
    return out


# ---- writing


class Keeper:
    """Writes the forward loop that remembers, and the backward loop."""

    def __init__(self, places: Places, way: Split, finals: Mapping[int, Finals], want: Sequence[Atom]) -> None:
        self.places, self.way, self.finals, self.want = places, way, finals, want
        self.kind, self.view, self.joint = places.kind, places.view, places.joint
        have = places.rows()
        self.more = [v for v in way.saved if v not in have]
        places_of = {**have, **{v: len(self.view.rows) + k for k, v in enumerate(self.more)}}
        self.row_of = {v: places_of[v] for v in way.saved}

    def decided(self) -> list[Kept]:
        """What is remembered and why, in the terms of the program around the loop."""
        names = {p: v.atom for p, v in zip(self.places.consts, self.view.consts, strict=True)}
        rows = () if self.kind is WHILE else (self.count(),)
        question = self.places.question(self.want)
        found = []
        for v in self.more:
            t = swap_type(self.places.stored(v.type) or v.type, names)
            found.append(Kept(v.hint, Type(t.dtype, (*rows, *t.shape)), reason(v, question, self.way)))
        return found

    def count(self) -> DimLike:
        return trips(dim_of(self.view.lo.atom), dim_of(self.view.hi.atom), 1)

    def forward(self) -> tuple[Any, Any, Any]:
        """The loop: its last carries, its count (of a while), its rows and then those that are remembered."""
        view, p, joint = self.view, self.kind.params, self.joint

        def step(*args: Value) -> tuple[Value, ...]:
            values = (*args[:p], *args[p:], *view.consts)
            env = {v: x.atom for v, x in zip(joint.primal, values, strict=True)}
            emit = emitter(joint.fn, env)
            write_checks(joint, env, emit)
            outs = [emit(r) for r in joint.primal_results]
            saved = [padded(emit(v), swap_type(self.places.stored(v.type) or v.type, env)) for v in self.more]
            return (*outs, *[suggest(k, v.hint) for k, v in zip(saved, self.more, strict=True)])

        return bind_step(self.kind, view, step, view.init, [v.hint for v in view.carries])

    def backward(
        self,
        last: Sequence[Value],
        middle: Sequence[Value],
        rows: Sequence[Value],
        state: Sequence[Value] = (),
        row_gs: Sequence[Tangent] = (),
        accs: Sequence[Value] = (),
        now: Mapping[int, Value] | None = None,
    ) -> tuple[tuple[Value, ...], dict[int, Value]]:
        """The bars, and the arrays that were put back. The first three are what `forward` gave. `now`: carried arrays as they
        are after the loop, if not `last`."""
        view, joint, p = self.view, self.joint, self.kind.params
        lo, hi, reverse = (view.lo, view.hi, not view.reverse) if self.kind is LOOP else (value(0), middle[0], True)
        touched = self.way.touched
        slots = (*joint.state_bars, *joint.accs, *[r.after for r in touched])
        arrays = [(now or {}).get(r.result, last[r.result]) for r in touched]

        def step(i: Value, *carried: Value) -> tuple[Value, ...]:
            row = size(combine(dim_of(i.atom), dim_of(lo.atom), -1))
            env: dict[Var, Any] = dict(zip(joint.primal[:p], (i.atom,) * p, strict=True))
            env.update(zip(self.places.consts, (q.atom for q in view.consts), strict=True))
            env.update(zip(slots, (b.atom for b in carried), strict=True))
            for k, by in self.places.counters().items():
                env[self.places.carries[k]] = size(combine(dim_of(view.init[k].atom), self._trip(row), by)).atom
            for v, at in self.row_of.items():
                env[v] = cut_out(_row(rows[at], row, v.hint), swap_type(v.type, env), v.hint).atom
            for v, g in zip(joint.row_bars, row_gs, strict=True):
                env[v] = (value(0.0, swap_type(v.type, env)) if g is None else _row(g, row, v.hint)).atom
            for k, f in self.finals.items():
                env.update((v, last[k].atom) for v in f.place if v in self.way.finals)
            emit = emitter(joint.fn, env, self.way)
            return tuple(emit(r) for r in (*self.want, *[r.before for r in touched]))

        hints = [view.index.hint if self.kind is LOOP else "k", *[v.hint for v in slots]]
        policy = REDO if redone(self.kind, view) else None
        done = loop(lo, hi, step, *state, *accs, *arrays, hints=hints, reverse=reverse, policy=policy)
        before = {r.result: b for r, b in zip(touched, done[len(self.want) :], strict=True)}
        return done[: len(self.want)], before

    def _trip(self, row: Value) -> DimLike:
        """Which iteration of the forward loop this is, from 0."""
        if self.kind is LOOP and self.view.reverse:
            last = combine(dim_of(self.view.hi.atom), dim_of(self.view.lo.atom) + 1, -1)
            return combine(last, dim_of(row.atom), -1)
        return dim_of(row.atom)


def write_checks(joint: Joint, env: dict[Var, Any], emit: Callable[[Any], Value]) -> None:
    """Statements of the body that may raise stay in the forward sweep."""
    later = dependents(joint.fn, (*joint.bars, *[r.after for r in joint.restored]))
    for let in joint.fn.lets:
        if let.op.effect:
            bind(let.op, *[emit(a) for a in let.args], where=let.where, **let.attrs)
        elif effectful(let) and not later & set(let.outs):
            for o in let.outs:
                emit(o)


def padded(v: Value, t: Type) -> Value:
    """The value as a row of type t: in a corner of it, where its size changes from trip to trip."""
    if t == v.type:
        return v
    corner = [a for d in v.shape for a in (value(0), size(d))]
    return put(value(0 if not v.type.is_real else 0.0, t), v, *corner, spec="s" * v.rank, steps=(1,) * v.rank)


def cut_out(x: Value, t: Type, hint: str) -> Value:
    """The value of type t in the corner of a row."""
    if x.type == t:
        return x
    corner = [a for d in t.shape for a in (value(0), size(d))]
    return get(x, *corner, spec="s" * x.rank, steps=(1,) * x.rank, hint=hint)


def _row(rows: Value, k: Value, hint: str) -> Value:
    return get(rows, k, spec="i" + ":" * (rows.rank - 1), hint=hint)


__all__ = ["LOOP", "WHILE", "Keeper", "Kind", "bind_step", "kept", "known", "put_back", "undone"]
