"""Two loops over one range, of which the second works on arrays that the first leaves, as one loop.

    for i: b[i] = f(a[i]); a[i] = 0            for i: b[i] = f(a[i]); a[i] = 0; c[i] = g(b[i]); a[i] += b[i]
    for i: c[i] = g(b[i]); a[i] += b[i]   ->

They join if no iteration of the first touches a cell that an earlier iteration of the second touches too, if one of the two
writes it. What an iteration stores and reads again is then a scalar, and memory is passed over once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..ir.build import Value, replay, trace
from ..ir.core import Atom, Fn, Let, Var, swap_type
from ..ir.dims import of_symbol
from ..ir.walk import uses
from ..ops.loop import Loop
from .depend import Around, Look, another, apart, behind

MANY = 16  # arrays: a loop with more of them is not vectorised


@dataclass(frozen=True)
class Shared:
    """An array that both loops work on: as which carry or which constant of the first, and of the second."""

    carry: tuple[int | None, int | None]
    const: tuple[int | None, int | None]

    def inner(self, k: int, view: Loop) -> Var:
        c = self.carry[k]
        return view.carries[c] if c is not None else view.inner[self.const[k]]  # type: ignore[index]


def chained(
    a: Let, b: Let, reverse: bool, around: Around, counts: Counter[Var], roots: Mapping[Var, Var], kept: Collection[Var] = ()
) -> Let | None:
    """The joint loop. `counts`: how often the block mentions a variable; `roots`: views -> the array that they show; `kept`:
    arrays that stay as they are, because what overwrites them does so in a copy."""
    one, two = Loop.of(a), Loop.of(b)
    shared = _shared(a, one, two, counts, kept)
    if not any(s.carry[0] is not None for s in shared) or _views_meet(one, two, roots):
        return None
    if one.ragged or two.ragged or len({v for v in uses(a) | uses(b) if v.type.shape}) > MANY:
        return None
    two = replace(two, body=copied(two.body))
    if not all(_in_turn(s, one, two, a, replace(b, fns=(two.body,)), reverse, around) for s in shared):
        return None
    return _joint(a, b, one, two, shared, reverse)


def _shared(a: Let, one: Loop, two: Loop, counts: Counter[Var], kept: Collection[Var]) -> list[Shared]:
    """None of them: the second needs what only the whole first loop gives, or somebody else needs what it overwrites."""
    c = one.count
    out = []
    for k, o in enumerate(a.outs):
        first, second = two.init.count(o), two.consts.count(o)
        if not first + second:
            if o in (two.lo, two.hi):
                return []
            continue
        if k >= c or not o.type.shape or first + second > 1 or (first and counts[o] > 1):
            return []
        out.append(Shared((k, two.init.index(o) if first else None), (None, None if first else two.consts.index(o))))
    for k, x in enumerate(one.consts):
        if x in two.init and isinstance(x, Var) and x.type.shape and x not in kept:
            if two.init.count(x) + two.consts.count(x) > 1 or one.consts.count(x) > 1 or x in one.init:
                return []
            out.append(Shared((None, two.init.index(x)), (k, None)))
    if set(one.init) & {x for x in (*two.init, *two.consts) if isinstance(x, Var) and x.type.shape}:
        return []  # the second works on what the array was before
    return out


def _views_meet(one: Loop, two: Loop, roots: Mapping[Var, Var]) -> bool:
    """Does one of the two see, through a view, memory that the other overwrites?"""
    def seen(xs: Iterable[Atom]) -> set[Var]:
        return {roots[x] for x in xs if isinstance(x, Var) and x in roots}

    return bool(seen((*one.init, *one.consts)) & set(two.init) or seen((*two.init, *two.consts)) & set(one.init))


def _in_turn(s: Shared, one: Loop, two: Loop, a: Let, b: Let, reverse: bool, around: Around) -> bool:
    """Is what the first does in a later iteration apart from what the second does in this one?"""
    now, then = around.within(b)[0], around.within(a)[0]
    later, ranges = behind(two.index, now, reverse)
    mine, his = Look({s.inner(0, one)}, ranges), Look({s.inner(1, two)}, ranges)
    mine.statements(one.body.lets, another(one.body, one.index, then, later))
    his.statements(two.body.lets, another(two.body, two.index, now, of_symbol(two.index)))
    written = {x.kind for x in (*mine.found, *his.found)} != {"get"}
    left = [(k, v, look) for k, v, look in ((0, one, mine), (1, two, his)) if s.carry[k] is not None]
    if not all(v.nexts[s.carry[k]] in look.arrays for k, v, look in left):  # type: ignore[index,operator]
        return False  # it is not that array that is handed on
    return not written or all(apart(x, y, ranges) for x in mine.found for y in his.found)


def _joint(a: Let, b: Let, one: Loop, two: Loop, shared: Sequence[Shared], reverse: bool) -> Let:
    c, d = one.count, two.count
    back = {s.carry[0]: s.carry[1] for s in shared if None not in s.carry}  # carry of the first -> of the second
    merged = {j: k for k, j in back.items()}
    forwarded = {s.const[1]: s.carry[0] for s in shared if s.const[1] is not None}  # constant of the second -> carry of the first
    entering = {s.const[0]: s.carry[1] for s in shared if s.const[0] is not None}  # constant of the first -> carry of the second
    own = [k for k in range(d) if k not in merged]
    every = [x for k, x in enumerate(one.consts) if k not in entering]
    every += [x for k, x in enumerate(two.consts) if k not in forwarded]
    consts = list(dict.fromkeys(every))
    like: dict[Atom, Var] = {}
    for view, gone in ((one, entering), (two, forwarded)):
        for k, (p, x) in enumerate(zip(view.inner, view.consts, strict=True)):
            if k not in gone:
                like.setdefault(x, p)

    def write(i: Value, *rest: Value) -> tuple[Value, ...]:
        mine, his = rest[:c], dict(zip(own, rest[c : c + len(own)], strict=True))
        env = dict(zip(consts, rest[c + len(own) :], strict=True))
        of_one = [his[entering[k]] if k in entering else env[x] for k, x in enumerate(one.consts)]  # type: ignore[index]
        x = replay(one.body, i, *mine, *of_one)
        state = [x[merged[k]] if k in merged else his[k] for k in range(d)]  # type: ignore[index]
        of_two = [x[forwarded[k]] if k in forwarded else env[q] for k, q in enumerate(two.consts)]  # type: ignore[index]
        y = replay(two.body, i, *state, *of_two)
        nexts = [y[back[k]] if k in back else x[k] for k in range(c)]  # type: ignore[index]
        return (*nexts, *[y[k] for k in own], *x[c:], *y[d:])

    outs = [b.outs[back[k]] if k in back else o for k, o in enumerate(a.outs[:c])]  # type: ignore[index]
    swap = {p: like[x] for x, p in zip(two.consts, two.inner, strict=True) if x in like}
    params = [one.index, *one.carries, *[two.carries[k] for k in own], *[like[x] for x in consts]]
    body = trace(write, [in_terms_of(p, swap) for p in params], one.body.name)
    args = (one.lo, one.hi, *one.init, *[two.init[k] for k in own], *consts)
    attrs = {**a.attrs, "carry": c + len(own), "reverse": reverse}
    return Let((*outs, *[b.outs[k] for k in own], *a.outs[c:], *b.outs[d:]), a.op, args, attrs, (body,), a.where)


def copied(fn: Fn) -> Fn:
    """The same program in variables of its own."""
    return trace(lambda *xs: replay(fn, *xs), fn.params, fn.name)


def in_terms_of(p: Var, swap: dict[Var, Var]) -> Var:
    """A parameter whose type mentions parameters that are the same as others."""
    t = swap_type(p.type, swap)
    return p if t is p.type else Var(t, p.hint, p.size)
