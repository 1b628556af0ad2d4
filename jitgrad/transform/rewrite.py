"""Replaying a program while changing it: the way down into loops, whiles and branches, shared by `simplify` and `hoist`.

A nested body is written again with the *outer* values in the place of its constants, and captures what it still uses. So a
rewriter sees through scopes: the definition of an outer value, the ranges of the indices around it. On the way a carry that
no iteration changes becomes a constant, carries that are always equal become one (`congruence.py`), a loop without iterations
its initial values, and a branch on a literal that branch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ..ir.build import Scope, Value, current, replay, trace, trace_open
from ..ir.core import I64, Atom, Fn, Let, Lit, dim_of
from ..ir.dims import DimLike
from ..ir.walk import effectful, needed, widen
from ..ops.cond import Cond
from ..ops.loop import Loop, kept_pairs
from ..ops.while_ import While
from .congruence import congruent, steady

Outs = Sequence[Value]


class Rewriter:
    """One body being rewritten. Subclasses say what becomes of a plain statement, and how a body's rewriter is made."""

    def __init__(self, fn: Fn, parent: Rewriter | None = None, kind: str = "root") -> None:
        self.fn, self.parent, self.kind = fn, parent, kind
        self.scope: Scope | None = None
        self.index: Any = None  # of a loop: its index here
        self.ranges: dict[Any, tuple[DimLike, DimLike]] = parent.ranges if parent else {}

    def statement(self, let: Let, ins: Outs) -> Outs:
        raise NotImplementedError

    def wrote(self, let: Let, ins: Outs, outs: Outs) -> None:
        """A construct has been written again."""

    def child(self, fn: Fn, kind: str) -> Rewriter:
        return type(self)(fn, self, kind)

    def run(self, *args: Any) -> tuple[Value, ...]:
        """Write the body here."""
        self.scope = current()
        return replay(self.fn, *args, each=self.each)

    def each(self, let: Let, ins: Outs) -> Outs:
        way = _CONSTRUCTS.get(let.op.name)
        return way(self, let, ins) if way else self.statement(let, ins)


def rewritten(rewriter: Rewriter) -> Fn:
    fn = rewriter.fn
    return needed(trace(rewriter.run, fn.params, fn.name))


def idle(lo: DimLike, hi: DimLike, rows: Sequence[Atom]) -> bool:
    """Does a loop with these bounds and rows give what it began with?"""
    return isinstance(lo, int) and isinstance(hi, int) and hi <= lo and not rows


def _loop(self: Rewriter, let: Let, ins: Outs) -> Outs:
    view = Loop.of(let, ins)
    c = view.count
    lo, hi = dim_of(view.lo.atom), dim_of(view.hi.atom)
    if idle(lo, hi, view.rows):
        return view.init
    first, consts = ([v.atom for v in group] for group in (view.init, view.consts))
    same = steady(view.carries, view.nexts, first)
    for _, j in view.ragged:
        same[j] = False
    like = congruent(view, first, consts)
    keep = [k for k in range(c) if not same[k] and like[k] == k]
    child = self.child(view.body, "loop")

    def step(i: Value, *state: Value) -> tuple[Value, ...]:
        child.index, child.ranges = i.atom, {**self.ranges, i.atom: (lo, hi)}
        now = dict(zip(keep, state, strict=True))
        out = child.run(i, *[now.get(like[k], view.init[k]) for k in range(c)], *view.consts)
        return (*[out[k] for k in keep], *out[c:])

    hints = [view.index.hint, *[view.carries[k].hint for k in keep]]
    body, captured = trace_open(step, [I64, *[view.init[k].type for k in keep]], view.body.name, hints)
    init = tuple(view.init[k] for k in keep)
    ragged = kept_pairs(view.ragged, range(len(view.rows)), keep)
    new = replace(view, init=init, consts=captured, body=needed(body), ragged=ragged)
    last, rows = new.bind([let.outs[k].hint for k in keep])
    done = dict(zip(keep, last, strict=True))
    outs = (*[done.get(like[k], view.init[k]) for k in range(c)], *rows)
    self.wrote(let, ins, outs)
    return outs


def _while(self: Rewriter, let: Let, ins: Outs) -> Outs:
    view = While.of(let, ins)
    c = view.count
    types = [a.type for a in view.init]
    sides = []
    for fn in (view.test, view.body):
        child = self.child(fn, "while")
        hints = [p.hint for p in fn.params[:c]]
        sides.append(trace_open(lambda *s, child=child: child.run(*s, *view.consts), types, fn.name, hints))
    fns, captured = widen([needed(fn) for fn, _ in sides], [values for _, values in sides], keep=c)
    last, count, rows = While(fns[0], fns[1], view.init, captured, view.ragged).bind([o.hint for o in let.outs[:c]])
    outs = (*last, count, *rows)
    self.wrote(let, ins, outs)
    return outs


def _cond(self: Rewriter, let: Let, ins: Outs) -> Outs:
    view = Cond.of(let, ins)
    if isinstance(view.predicate.atom, Lit):
        fn, args = view.branches[0 if view.predicate.atom.value else 1]
        inlined = self.child(fn, self.kind)
        inlined.ranges = self.ranges
        return inlined.run(*args)
    sides = []
    for fn, args in view.branches:
        child = self.child(fn, "branch")
        sides.append(trace_open(lambda child=child, args=args: child.run(*args), [], fn.name))
    equal = [_outer(sides[0], k) is not None and _outer(sides[0], k) == _outer(sides[1], k) for k in range(len(let.outs))]
    for pair in view.ragged:
        for k in pair:
            equal[k] = False
    ks = [k for k, same in enumerate(equal) if not same]
    (a, of_a), (b, of_b) = sides
    written: Outs = ()
    if ks or any(map(effectful, (*a.lets, *b.lets))):
        a, b = (needed(replace(fn, results=tuple(fn.results[k] for k in ks))) for fn in (a, b))
        ragged = kept_pairs(view.ragged, ks, ks)
        written = Cond(view.predicate, a, of_a, b, of_b, ragged).bind([let.outs[k].hint for k in ks])
    done = dict(zip(ks, written, strict=True))
    outs = tuple(done[k] if k in done else Value(_outer(sides[0], k)) for k in range(len(let.outs)))  # type: ignore[arg-type]
    self.wrote(let, ins, outs)
    return outs


def _outer(side: tuple[Fn, Sequence[Value]], k: int) -> Atom | None:
    """The result k of a branch, if it is a literal or a value of the enclosing scope: as that is called there."""
    fn, captured = side
    r = fn.results[k]
    if isinstance(r, Lit):
        return r if not r.type.shape else None
    names = dict(zip(fn.params, captured, strict=True))
    return names[r].atom if r in names else None


_CONSTRUCTS: dict[str, Callable[[Rewriter, Let, Outs], Outs]] = {"loop": _loop, "while": _while, "cond": _cond}
