"""The two loops of a derivative: the forward loop that remembers, and the backward loop that reads it back.

`kept` decides how (`remember.py`) and gives a `Keeper`, which writes both. A value that is remembered is a row of the forward
loop; `rows[i - lo]` is that of iteration i whichever way a loop runs, so the backward loop has the same index and bounds. Of
a ragged row, one whose length no bound is known for, the forward loop counts how many there were before, and remembers that.
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
from ..ops.loop import Loop, Ragged, loop
from ..ops.while_ import While
from .ad import Tangent, push_fn, suggest
from .cut import INFINITE
from .decisions import Kept, reason
from .depend import Around
from .final import Finals, assuming, known
from .flags import BYTE, grouped, packed, unpacked
from .joint import Joint, alone, chains, put_back, undoable
from .remember import Question, Split, at_least, cheapest, dependents, emitter, split
from .versions import chain_of


@dataclass(frozen=True)
class Kind:
    """How a loop and a while differ for these rules: arguments, and body parameters, before the carries."""

    view: Any
    args: int
    params: int
    outs: int  # results between the carries and the rows (the count of a while)


REDO = ("redo",)
LOOP, WHILE = Kind(Loop, 2, 1, 0), Kind(While, 0, 0, 1)


def around(kind: Kind, view: Any, params: Sequence[Any]) -> Around:
    """What is known of the constants and the index within the body, whose parameters are called so."""
    consts = list(zip(params[kind.params + view.count :], [v.atom for v in view.consts], strict=True))
    return known().inside(consts, params[0], (view.lo.atom, view.hi.atom)) if kind is LOOP else known().inside(consts)


def within(kind: Kind, view: Any, ins: Sequence[Value]) -> AbstractContextManager[None]:
    """`ins`: the parameters of the body, as the joint program calls them."""
    return assuming(around(kind, view, [v.atom for v in ins]))


def bind_step(
    kind: Kind, view: Any, step: Any, init: Sequence[Value], hints: Sequence[str], ragged: Ragged
) -> tuple[Any, Any, Any]:
    """The same loop or while with another step, which captures its constants."""
    types = [v.type for v in init]
    if kind is LOOP:
        body, captured = trace_open(step, [I64, *types], view.body.name, [view.index.hint, *hints])
        view = replace(view, init=tuple(init), consts=captured, body=body, ragged=ragged)
        last, rows = view.bind(hints)
        return last, (), rows
    c = view.count
    replay = lambda *s: push_fn(view.test, (*s[:c], *view.consts), [None] * len(view.test.params))[0]
    test, of_test = trace_open(replay, types, "test", hints)
    body, of_body = trace_open(step, types, view.body.name, hints)
    (test, body), captured = widen([test, body], [of_test, of_body], keep=len(init))
    last, count, rows = While(test, body, tuple(init), captured, ragged).bind(hints)
    return last, (count,), rows


# ---- deciding


def kept(kind: Kind, view: Any, joint: Joint) -> Keeper:
    """The cheapest way for this joint program, of those that put arrays back as well."""
    places = Places(kind, view, joint)
    if redone(kind, view):
        question = replace(places.question(joint.new_bars), redo=True)
        return Keeper(places, cheapest(split(question)), {}, joint.new_bars)
    finals, question = places.finals(), places.question(joint.new_bars)
    best = cheapest(split(question, list(finals.values())))
    arrays = chains(joint, places.carries, range(view.count)) if best.cost else []
    versions = [v for _, chain in arrays for v in chain.versions]
    if arrays and at_least(question, versions, list(finals.values())) < best.cost:
        more = undoable(joint, places.carries, range(view.count), partial(within, kind, view))
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
    nothing = alone(view.body)
    joint = undoable(nothing, nothing.primal[p : p + c], range(c), partial(within, kind, view))
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
        free = (*self.head, *self.consts, *joint.totals, *[self.carries[k] for k in self.counters()])
        carried = (*joint.bars, *[r.after for r in joint.restored])
        storable = lambda t: self.stored(t) is not None
        found = Question.of(joint.fn, carried, free, want, storable, joint.restored, self.rows())
        return replace(found, along=self.along)

    def rows(self) -> dict[Var, int]:
        """Values that the loop keeps in any case, and in which of its rows."""
        kept = self.joint.primal_results[self.view.count :]
        return {r: k for k, r in reversed([*enumerate(kept)]) if isinstance(r, Var)}

    def counter_of(self, v: Var) -> Var | None:
        """Of a value that is a ragged row in any case: the carry that tells where."""
        j = dict(self.view.ragged).get(self.rows().get(v))
        return None if j is None else self.carries[j]

    def ragged(self, t: Type) -> bool:
        """Has a row of such values another length in each iteration, and no bound?"""
        return bool(t.shape) and self.rectangle(t) is None

    def along(self, v: Var) -> list[Var]:
        """The length and, if it is another row's place, the beginning of a ragged row."""
        if not self.ragged(v.type):
            return []
        start = self.counter_of(v)
        return [*type_vars(Type(I64.dtype, v.type.shape[:1])), *([start] if start is not None else [])]

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
        here = around(self.kind, self.view, self.joint.primal)
        for k, p in enumerate(self.carries):
            chain = chain_of(self.joint.fn, p, self.joint.primal_results[k]) if p.type.shape else None
            if chain is not None:
                found[k] = Finals(self.joint.fn, chain, self.head[0], self.view.reverse, here)
        return found

    def stored(self, t: Type) -> Type | None:
        """The type of what holds such a value. The first axis of a ragged row is as it is. None: it cannot be a row: where the
        rows of iterations that threads share begin would depend on each other."""
        whole = self.rectangle(t)
        if whole is not None or not t.shape or (self.kind is LOOP and self.view.parallel):
            return whole
        rest = self.rectangle(Type(t.dtype, t.shape[1:]))
        return None if rest is None else Type(t.dtype, (t.shape[0], *rest.shape))

    def rectangle(self, t: Type) -> Type | None:
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
        self.rows = grouped(self.more)
        places_of = {**have, **{v: len(self.view.rows) + k for k, vs in enumerate(self.rows) for v in vs}}
        self.row_of = {v: places_of[v] for v in way.saved}
        self.bit = {v: k for vs in self.rows if len(vs) > 1 for k, v in enumerate(vs)}
        # The lengths of the ragged rows that are remembered; each is counted once, and where a row begins is a row behind.
        self.lengths = list(dict.fromkeys(v.type.shape[0] for v in self.more if places.ragged(v.type)))
        self.begin = {n: len(self.view.rows) + len(self.rows) + q for q, n in enumerate(self.lengths)}

    def decided(self) -> list[Kept]:
        """What is remembered and why, in the terms of the program around the loop."""
        names = {p: v.atom for p, v in zip(self.places.consts, self.view.consts, strict=True)}
        rows = () if self.kind is WHILE else (self.count(),)
        question = self.places.question(self.want)
        found = []
        for v, *others in self.rows:
            ragged = self.places.ragged(v.type)
            t = BYTE if others else self.places.stored(v.type) or v.type
            t = swap_type(Type(t.dtype, t.shape[1:]) if ragged else t, names)
            t = Type(t.dtype, t.shape if ragged else (*rows, *t.shape))
            name = ", ".join(x.hint for x in (v, *others))
            found.append(Kept(name, t, reason(v, question, self.way), ragged or self.kind is WHILE))
        begin = Kept("begin", Type(I64.dtype, rows), "where each of the rows of unknown length begins", self.kind is WHILE)
        return [*found, *[begin] * len(self.lengths)]

    def count(self) -> DimLike:
        return trips(dim_of(self.view.lo.atom), dim_of(self.view.hi.atom), 1)

    def forward(self) -> tuple[Any, Any, Any]:
        """The loop: its last carries, its count (of a while), its rows and then those that are remembered."""
        view, p, joint = self.view, self.kind.params, self.joint
        c, e = view.count, p + view.count

        def step(*args: Value) -> tuple[Value, ...]:
            values = (*args[:e], *view.consts)
            env = {v: x.atom for v, x in zip(joint.primal, values, strict=True)}
            emit = emitter(joint.fn, env)
            write_checks(joint, env, emit)
            outs = [emit(r) for r in joint.primal_results]
            saved = []
            for v, *others in self.rows:
                x = packed([emit(f) for f in (v, *others)]) if others else emit(v)
                t = x.type if others else swap_type(self.places.stored(v.type) or v.type, env)
                saved.append(suggest(padded(x, t), v.hint))
            counted = [size(combine(dim_of(x.atom), swap_dim(n, env), 1)) for x, n in zip(args[e:], self.lengths, strict=True)]
            return (*outs[:c], *counted, *outs[c:], *saved, *args[e:])

        init = (*view.init, *[value(0)] * len(self.lengths))
        hints = [*[v.hint for v in view.carries], *["begin"] * len(self.lengths)]
        new = [(k, v.type.shape[0]) for k, (v, *_) in enumerate(self.rows, len(view.rows)) if self.places.ragged(v.type)]
        ragged = (*view.ragged, *[(k, c + self.lengths.index(n)) for k, n in new])
        last, middle, rows = bind_step(self.kind, view, step, init, hints, ragged)
        return last[:c], middle, rows

    def backward(
        self,
        last: Sequence[Value],
        middle: Sequence[Value],
        rows: Sequence[Value],
        state: Sequence[Value] = (),
        row_gs: Sequence[Tangent] = (),
        row_outs: Sequence[Value] = (),
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
            for v, at in sorted(self.row_of.items(), key=lambda x: x[0].type.rank):  # sizes first
                env[v] = self.read_back(v, rows, at, row, env).atom
            totals = iter(joint.totals)
            for v, g, y in zip(joint.row_bars, row_gs, row_outs, strict=True):
                whole = v.type.rank == y.type.rank  # of a ragged row: of all iterations
                if whole:
                    env[next(totals)] = size(y.shape[0]).atom
                bar = value(0.0, swap_type(v.type, env)) if g is None else g if whole else _row(g, row, v.hint)
                env[v] = bar.atom
            for k, f in self.finals.items():
                env.update((v, last[k].atom) for v in f.place if v in self.way.finals)
            emit = emitter(joint.fn, env, self.way)
            return tuple(emit(r) for r in (*self.want, *[r.before for r in touched]))

        hints = [view.index.hint if self.kind is LOOP else "k", *[v.hint for v in slots]]
        policy = REDO if redone(self.kind, view) else None
        wishes: dict[str, Any] = {"policy": policy, "parallel": self.kind is LOOP and view.parallel}
        done = loop(lo, hi, step, *state, *accs, *arrays, hints=hints, reverse=reverse, **wishes)
        before = {r.result: b for r, b in zip(touched, done[len(self.want) :], strict=True)}
        return done[: len(self.want)], before

    def read_back(self, v: Var, rows: Sequence[Value], at: int, row: Value, env: dict[Var, Any]) -> Value:
        t = swap_type(v.type, env)
        if v in self.bit:
            return unpacked(_row(rows[at], row, "flags"), self.bit[v])
        if not self.places.ragged(v.type):
            return cut_out(_row(rows[at], row, v.hint), t, v.hint)
        counter = self.places.counter_of(v)
        start = Value(env[counter]) if counter is not None else _row(rows[self.begin[v.type.shape[0]]], row, "begin")
        return cut_out(rows[at], t, v.hint, start)

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


def cut_out(x: Value, t: Type, hint: str, start: Value | None = None) -> Value:
    """The value of type t in the corner of a row; or from `start` on."""
    if x.type == t and start is None:
        return x
    corner = [a for d in t.shape for a in (value(0), size(d))]
    corner[0] = corner[0] if start is None else start
    return get(x, *corner, spec="s" * x.rank, steps=(1,) * x.rank, hint=hint)


def _row(rows: Value, k: Value, hint: str) -> Value:
    return get(rows, k, spec="i" + ":" * (rows.rank - 1), hint=hint)


__all__ = ["LOOP", "WHILE", "Keeper", "Kind", "bind_step", "kept", "put_back", "undone", "within"]
