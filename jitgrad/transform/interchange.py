"""The loop that goes from each number in memory to its neighbour becomes the inner one.

    for k:                                        for k: t[k] = c[0, k]
        t = c[0, k]                               for j:
        for j: t = max(t, c[j, k])       ->           for k: t[k] = max(t[k], c[j, k])
        w[k] = log(t)                             for k: w[k] = log(t[k])

A loop is *parted* at the inner loops that go across memory (`strides.py`), and each of these is interchanged with its part.
A scalar that one part makes and another needs becomes an array, with a cell for each iteration; what is only read is read
again. This happens before differentiation: the return sweep, and what is remembered, have the order of the forward sweep.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..ir.build import Value, again, at, read, replay, size, trace, value
from ..ir.core import OPS, Atom, Fn, Let, Lit, Type, Var, dim_of, type_vars, vars_of, zero_of
from ..ir.dims import combine, trips
from ..ir.walk import definitions, inputs, map_fns, needed, use_counts, with_fns, with_lets
from ..ops.index import add_at, get, put
from ..ops.loop import Loop, loop
from .depend import Around, any_order
from .hoist import hoist
from .strides import Depends, goes_along, pays, short
from .versions import chain_of
from .work import LIGHT

NOWHERE = Around()
MOST = 12  # scalars that become arrays; more of them are more traffic than the order of the loops is worth


def interchange(fn: Fn, around: Around = NOWHERE) -> Fn:
    done = _inner(fn, around)
    return fn if done is fn else hoist(done)


def _inner(fn: Fn, around: Around) -> Fn:
    fn = with_lets(fn, [_within(let, around) for let in fn.lets])
    plans = {id(let): p for let in fn.lets if let.op.name == "loop" and (p := planned(let, around)) is not None}
    if not plans:
        return fn

    def each(let: Let, ins: Sequence[Value]) -> Sequence[Value]:
        plan = plans.get(id(let))
        if plan is None:
            return again(let, ins)
        with at(let.where):
            return _Writer(plan, Loop.of(plan.let, ins)).run()

    return needed(trace(lambda *xs: replay(fn, *xs, each=each), fn.params, fn.name))


def _within(let: Let, around: Around) -> Let:
    return with_fns(let, [_inner(f, a) for f, a in zip(let.fns, around.within(let), strict=True)])


# ---- the plan
#
# Let S_1(k), ..., S_r(k) be the parts of the body of `for k`, and S_p(k) itself `for j: B_p(j, k)`, with bounds that do not
# change with k. The program runs the instances (p, j, k) in the order of (k, p, j); written anew, in that of (p, j, k). Of two
# instances of one iteration k, the first is that with the smaller (p, j) either way. So the two programs do the same if no
# two instances of different iterations k, k' depend on each other:
#
#     for all k != k', for all x in cells(k) and y in cells(k') that can be one cell: both only read it, or both only add to it
#
# which is what `any_order` proves. (Kennedy and Allen, "Optimizing Compilers for Modern Architectures", 5.2-5.3: a loop that
# carries no dependence may be distributed and moved inwards; scalar expansion takes care of what is private to an iteration.)
# What an inner loop carries for an iteration k has its terms in the old order. A sum over k may have them in another, if parts
# on both sides of an interchanged loop, or that loop, add to it.


@dataclass(frozen=True)
class Part:
    """`turned`: its only statement is a loop, which becomes the outer one. `advances`: the carries that it changes, and what
    they are behind it."""

    lets: tuple[Let, ...]
    turned: bool
    advances: Mapping[int, Var]


@dataclass(frozen=True)
class Plan:
    """`let`: the loop. `spread`: the scalars that become arrays. `reread`: what is read again wherever it is needed."""

    let: Let
    parts: tuple[Part, ...]
    spread: frozenset[Var]
    reread: Mapping[Var, Let]


def planned(let: Let, around: Around) -> Plan | None:
    """None: the loop stays as it is."""
    view = Loop.of(let)
    if special(view) or not any(x.op.name == "loop" for x in view.body.lets) or not _turned(view, around.within(let)[0]):
        return None
    for way in (let, replace(let, fns=(map_fns(view.body, with_sums),))):
        if any_order(Loop.of(way), around.within(way)[0]):
            return _parted(way, around.within(way)[0])
    return None


def _turned(view: Loop, around: Around) -> list[Let]:
    """The inner loops that go across memory, where the outer one would not."""
    moving = made(view)
    loops = [let for let in view.body.lets if let.op.name == "loop" and straight(Loop.of(let), {view.index, *moving})]
    return [let for let in loops if pays(Loop.of(let), view.index, moving, around.within(let)[0])]


def _parted(let: Let, around: Around) -> Plan | None:
    view = Loop.of(let)
    moving = made(view)
    if any({view.index, *moving} & set(type_vars(o.type)) for x in view.body.lets for o in x.outs):
        return None  # arrays whose sizes change from iteration to iteration
    links = linked(view)
    reread = {
        x.outs[0]: x
        for x in view.body.lets
        if x.op.name == "get" and not moving.keys() & set(inputs(x)) and goes_along(x, view.index, moving, around)
    }
    return None if links is None else _dealt(let, _turned(view, around), links, reread)


def made(view: Loop) -> Depends:
    """What changes with the index."""
    return dict.fromkeys((*view.carries, *[o for let in view.body.lets for o in let.outs]), frozenset({view.index}))


def with_sums(fn: Fn) -> Fn:
    """`put(a, a[I] + v, I)`, as a user's `a[I] += v` is traced, says that it adds: additions may come in any order."""
    defs, counts = definitions(fn), use_counts(fn)

    def summed(let: Let) -> list[Let]:
        total = defs.get(let.args[1]) if let.op.name == "put" and "a" not in let.attrs["spec"] else None  # type: ignore[arg-type]
        if total is None or total.op.name not in ("add", "sub") or not total.outs[0].type.is_real:
            return [let]
        pairs = [total.args, total.args[::-1]] if total.op.name == "add" else [total.args]
        for old, new in pairs:
            cell = defs.get(old)  # type: ignore[arg-type]
            same = cell and cell.op.name == "get" and cell.attrs == let.attrs and cell.args == (let.args[0], *let.args[2:])
            if same and counts[old] == counts[total.outs[0]] == 1:  # type: ignore[index]
                v = Var(new.type, new.hint)
                minus = [Let((v,), OPS["neg"], (new,), {}, (), let.where)] if total.op.name == "sub" else []
                return [*minus, replace(let, op=OPS["add_at"], args=(let.args[0], v if minus else new, *let.args[2:]))]
        return [let]

    return needed(replace(fn, lets=tuple(x for let in fn.lets for x in summed(let))))


def special(view: Loop) -> bool:
    return bool(view.rows or view.ragged or view.policy or view.parallel or short(view))


def straight(view: Loop, moving: set[Var]) -> bool:
    """A loop over straight code, between bounds that do not change. A branch that only chooses is straight."""
    bounds = {v for a in (view.lo, view.hi) for v in vars_of(a)}
    return not (special(view) or moving & bounds) and all(not let.fns or chooses(let) for let in view.body.lets)


def chooses(let: Let) -> bool:
    """`if c > t: t = c`: both sides may as well be computed."""
    inner = [x for fn in let.fns for x in fn.lets]
    return let.op.name == "cond" and all(x.op.name in LIGHT and not x.outs[0].type.shape for x in inner) and _scalars(let.outs)


def _scalars(vs: Iterable[Var]) -> bool:
    return not any(v.type.shape for v in vs)


@dataclass(frozen=True)
class Link:
    """A statement that makes of a version of carry `k` the next one."""

    k: int
    let: Let
    before: Var
    after: Var


def linked(view: Loop) -> list[Link] | None:
    """What the carries go through. None: one of them is not one array, or not one sum."""
    found: list[Link] = []
    for k, (p, r) in enumerate(zip(view.carries, view.nexts, strict=True)):
        if p.type.shape:
            chain = chain_of(view.body, p, r)
            if chain is None:
                return None
            found += [Link(k, *x) for x in zip(chain.links, chain.versions, chain.versions[1:], strict=False)]
            continue
        v = p
        for let in view.body.lets:
            if v in inputs(let):
                after = _sum_after(let, v)
                if after is None:
                    return None
                found.append(Link(k, let, v, after))
                v = after
        if v is not r:
            return None
    return found


def _sum_after(let: Let, v: Var) -> Var | None:
    """What a sum, seen by nobody (`any_order`), is called after a statement that adds to it."""
    if let.op.name == "loop":
        view = Loop.of(let)
        return let.outs[view.init.index(v)] if v in view.init else None
    return let.outs[0] if len(let.outs) == 1 else None


def _dealt(whole: Let, turned: Sequence[Let], links: Sequence[Link], reread: Mapping[Var, Let]) -> Plan | None:
    """The statements dealt out to parts, if each then finds arrays as they are at that time, and makes scalars only."""
    view = Loop.of(whole)
    lets = [let for let in view.body.lets if let.outs[0] not in reread]
    versions = {*view.carries, *[x.after for x in links]}
    place = _places(lets, turned, versions)
    home = {o: place[id(let)] for let in lets for o in let.outs}
    for k, p in enumerate(view.carries):
        mine = [x for x in links if x.k == k]
        for let in lets:
            q = place[id(let)]
            now = next((x.after for x in reversed(mine) if home[x.after] < q), p)
            stale = {p, *[x.after for x in mine if home[x.after] < q]} - {now}
            if stale & set(inputs(let)):
                return None
    advanced = {(x.before, x.after) for x in links}
    for let in turned:
        if any(a.type.shape and (a, o) not in advanced for a, o in zip(Loop.of(let).init, let.outs, strict=True)):
            return None
    spread = {v for let in lets for v in inputs(let) if home.get(v, place[id(let)]) < place[id(let)]}
    spread |= {o for let in turned for o in let.outs}
    spread -= versions
    if not _scalars(spread) or len(spread) > MOST:
        return None
    parts = []
    for q in range(2 * len(turned) + 1):
        mine_now = tuple(let for let in lets if place[id(let)] == q)
        if mine_now:
            parts.append(Part(mine_now, q % 2 == 1, {x.k: x.after for x in links if home[x.after] == q}))
    return Plan(whole, tuple(parts), frozenset(spread), reread)


def _places(lets: Sequence[Let], turned: Sequence[Let], versions: set[Var]) -> dict[int, int]:
    """In which part each statement is, by identity: the q-th interchanged loop is part 2q + 1. What does not work on the
    carries waits for the first part that needs it: less is handed on from part to part."""
    place: dict[int, int] = {}
    q = 0
    for let in lets:
        is_turned = any(let is t for t in turned)
        place[id(let)] = q + is_turned
        q += 2 * is_turned
    needed_in: dict[Var, int] = {}
    for let in reversed(lets):
        here = place[id(let)]
        users = [needed_in[o] for o in let.outs if o in needed_in]
        if here % 2 == 0 and users and not versions & {*inputs(let), *let.outs}:
            here = place[id(let)] = min(users) // 2 * 2
        for v in inputs(let):
            needed_in[v] = min(needed_in.get(v, here), here)
    return place


# ---- writing it

Env = dict[Var, Atom]


class _Writer:
    """Writes the parts, one after the other, in the place of the loop."""

    def __init__(self, plan: Plan, view: Loop) -> None:
        self.plan, self.view = plan, view  # a view of Values
        self.names: Env = dict(zip(view.inner, (v.atom for v in view.consts), strict=True))
        self.state: list[tuple[Var, Value]] = list(zip(view.carries, view.init, strict=True))  # how it is called, what it is
        self.arrays: dict[Var, Value] = {}

    def run(self) -> tuple[Value, ...]:
        for part in self.plan.parts:
            ks = sorted(part.advances)
            done = self.turned(part, ks) if part.turned else self.plain(part.lets, part.advances, ks)
            for k, x in zip(ks, done, strict=True):
                self.state[k] = part.advances[k], x
        return tuple(x for _, x in self.state)

    def over(self, step: Any, *init: Value, hints: Sequence[str]) -> tuple[Value, ...]:
        """The loop over what was the outer index."""
        names = (self.view.index.hint, *hints)
        return loop(self.view.lo, self.view.hi, step, *init, hints=names, reverse=self.view.reverse)

    def cell(self, i: Value) -> Value:
        return size(combine(dim_of(i.atom), dim_of(self.view.lo.atom), -1))

    def row(self, v: Any, x: Any = None) -> Value:
        """An array with a cell for each iteration."""
        count = trips(dim_of(self.view.lo.atom), dim_of(self.view.hi.atom), 1)
        return value(zero_of(Type(v.type.dtype, (count,))) if x is None else Lit(x, Type(v.type.dtype, (count,))))

    def env(self, i: Value, now: Mapping[int, Value]) -> Env:
        """What the body has at its beginning. `now`: carries, where they are not as the part before has left them."""
        versions = {v: now.get(k, x).atom for k, (v, x) in enumerate(self.state)}
        return {**self.names, self.view.index: i.atom, **versions}

    def provide(self, env: Env, wanted: Iterable[Var], i: Value) -> None:
        for v in wanted:
            if v in env:
                continue
            if v in self.arrays:
                env[v] = get(self.arrays[v], self.cell(i), hint=v.hint).atom
            elif v in self.plan.reread:
                self.replay(env, (self.plan.reread[v],), i)

    def replay(self, env: Env, lets: Sequence[Let], i: Value) -> None:
        for let in lets:
            self.provide(env, inputs(let), i)
            env.update(zip(let.outs, (o.atom for o in again(let, read(env, let.args))), strict=True))

    def plain(self, lets: Sequence[Let], advances: Mapping[int, Var], ks: Sequence[int]) -> tuple[Value, ...]:
        new = [o for let in lets for o in let.outs if o in self.plan.spread]

        def step(i: Value, *state: Value) -> tuple[Value, ...]:
            env = self.env(i, dict(zip(ks, state, strict=False)))
            self.replay(env, lets, i)
            rows = zip(new, state[len(ks) :], strict=True)
            filled = [put(row, Value(env[v]), self.cell(i), hint=v.hint) for v, row in rows]
            return (*[Value(env[advances[k]]) for k in ks], *filled)

        hints = [*[self.state[k][0].hint for k in ks], *[v.hint for v in new]]
        done = self.over(step, *[self.state[k][1] for k in ks], *map(self.row, new), hints=hints)
        self.arrays.update(zip(new, done[len(ks) :], strict=True))
        return done[: len(ks)]

    def turned(self, part: Part, ks: Sequence[int]) -> tuple[Value, ...]:
        (let,) = part.lets
        inner = Loop.of(let)
        which = {part.advances[k]: k for k in ks}
        carry = [which.get(o) for o in let.outs]
        hints = [p.hint for p in inner.carries]
        starts = zip(inner.init, hints, carry, strict=True)
        init = [self.initial(a, hint) if k is None else self.state[k][1] for a, hint, k in starts]
        with_sum = [None if k is not None else added(inner, n) for n, k in enumerate(carry)]

        def step(i: Value, j: Value, state: Sequence[Value]) -> tuple[Value, ...]:
            env = self.env(i, {})  # an array that the loop also reads is as it was before the loop
            self.provide(env, [v for a in inner.consts for v in vars_of(a)], i)
            body: Env = {inner.index: j.atom, **dict(zip(inner.inner, (v.atom for v in read(env, inner.consts)), strict=True))}
            at = self.cell(i)
            for p, k, x in zip(inner.carries, carry, state, strict=True):
                body[p] = x.atom if k is not None else get(x, at, hint=p.hint).atom
            for each in inner.body.lets:
                body.update(zip(each.outs, (o.atom for o in again(each, read(body, each.args))), strict=True))
            outs = read(body, inner.nexts)
            terms = [None if a is None else read(body, (a[1],))[0] for a in with_sum]
            return tuple(
                y if k is not None else put(x, y, at, hint=x.atom.hint) if t is None or a is None
                else add_at(x, -t if a[0] == "sub" else t, at, hint=x.atom.hint)
                for x, y, k, a, t in zip(state, outs, carry, with_sum, terms, strict=True)
            )  # fmt: skip

        lo, hi = (read(self.names, (a,))[0] for a in (inner.lo, inner.hi))
        across = lambda j, *state: self.over(lambda i, *now: step(i, j, now), *state, hints=hints)
        done = loop(lo, hi, across, *init, hints=(inner.index.hint, *hints), reverse=inner.reverse)
        self.arrays.update((o, x) for o, k, x in zip(let.outs, carry, done, strict=True) if k is None)
        return tuple(x for k, x in sorted((k, x) for k, x in zip(carry, done, strict=True) if k is not None))

    def initial(self, a: Atom, hint: str) -> Value:
        """The array of what a scalar begins with."""
        if isinstance(a, Lit):
            return self.row(a, a.value)
        if a in self.arrays:
            return self.arrays[a]

        def step(i: Value, row: Value) -> Value:
            env = self.env(i, {})
            self.provide(env, vars_of(a), i)
            return put(row, read(env, (a,))[0], self.cell(i), hint=hint)

        return self.over(step, self.row(a), hints=[hint])[0]


def added(view: Loop, k: int) -> tuple[str, Atom] | None:
    """What each iteration adds to carry `k` (or subtracts), if it does nothing else with it."""
    p, let = view.carries[k], definitions(view.body).get(view.nexts[k])  # type: ignore[arg-type]
    if let is None or let.op.name not in ("add", "sub") or not p.type.is_real:
        return None
    uses = [a for x in view.body.lets for a in x.args if a is p]
    if len(uses) != 1 or let.outs[0] in [a for x in view.body.lets for a in x.args] or p in view.body.results:
        return None
    if let.args[0] is p:
        return let.op.name, let.args[1]
    return ("add", let.args[0]) if let.op.name == "add" and let.args[1] is p else None
