"""Loops that spare memory: their return sweep computes iterations again from snapshots of the carries.

("every", k)      Segments of k iterations: a loop over segments, and one over the iterations of a segment. The outer one
                  remembers the carries only (policy "redo"), so n / k snapshots and the rows of k iterations exist, and each
                  iteration is computed twice.

("binomial", s)   At most s snapshots at any time, as few iterations again as that allows: with t repetitions, binom(s + t, t)
                  iterations can be swept back. The snapshots are a stack. Before step i is swept back the top snapshot is
                  advanced to i; on the way further ones are pushed while there is room (Griewank & Walther, Algorithm 799:
                  revolve, ACM TOMS 26, 2000).

The second derivative is bounded too. Of "every", what is differentiated again is the loop over segments, in the same way. Of
"binomial", the loops that advance and the one that sweeps back are "binomial" themselves; the latter carries the stack, so
that the second derivative in reverse mode over reverse mode keeps s stacks of s snapshots. (Forward over reverse keeps one
stack, of snapshots and their tangents.)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ..errors import InternalError
from ..ir.build import Value, apply, size, trace_open, value
from ..ir.core import I64, Type, Var, dim_of, zero_of
from ..ir.dims import DimLike, combine, opaque, smallest, trips
from ..ops.index import get, put
from ..ops.loop import Loop, Policy, loop
from ..ops.scalar import and_, ge, gt, lt, maximum
from ..ops.while_ import while_
from .activity import carried
from .ad import Back, Take, Tangent, tangent_or_zero
from .decisions import Kept, inside, note
from .joint import Joint, make_joint
from .keep import LOOP, REDO, within
from .loop import SPARE, pull_view
from .remember import emitter


def _bounds(view: Loop) -> tuple[DimLike, DimLike, DimLike]:
    """First and last index, and the number of iterations."""
    if view.rows:
        raise InternalError("a checkpointed loop has no rows")
    lo, hi = dim_of(view.lo.atom), dim_of(view.hi.atom)
    return lo, hi, trips(lo, hi, 1)


def part(view: Loop, a: Value, b: Value, state: Sequence[Value], policy: Policy = None) -> tuple[Value, ...]:
    """The iterations from the a-th to before the b-th, in the order in which they run."""
    lo, hi, _ = _bounds(view)
    first, end = (lo, dim_of(a.atom)), (lo, dim_of(b.atom))
    if view.reverse:
        start, stop = combine(hi, end[1], -1), combine(hi, first[1], -1)
    else:
        start, stop = combine(lo, first[1], 1), combine(lo, end[1], 1)
    return Loop(size(start), size(stop), tuple(state), view.consts, view.body, view.reverse, policy).bind()[0]


# ---- every k


def segments(view: Loop, k: int) -> Loop:
    """The loop over segments of k iterations."""
    _, _, n = _bounds(view)

    def step(c: Value, *state: Value) -> tuple[Value, ...]:
        a = combine(0, dim_of(c.atom), k)
        return part(view, size(a), size(smallest(n, combine(a, k, 1))), state)

    hints = ["segment", *[v.hint for v in view.carries]]
    body, captured = trace_open(step, [I64, *[v.type for v in view.init]], "segment", hints)
    count = opaque("floordiv", combine(n, k - 1, 1), k)
    return Loop(value(0), size(count), view.init, captured, body, False, REDO)


def pull_every(view: Loop, want: Sequence[bool]) -> tuple[Sequence[Value], Back]:
    c = view.count
    outer = segments(view, view.policy[1])  # type: ignore[index]
    place = {q.atom: 2 + c + k for k, q in reversed([*enumerate(view.consts)])}
    at = [0, 1, *range(2, 2 + c), *[place.get(q.atom) for q in outer.consts]]  # arguments of the outer loop -> of this one
    outs, pulled = pull_view(LOOP, outer, [k is not None and want[k] for k in at])

    def back(gs: Sequence[Tangent], take: Take) -> dict[int, Tangent]:
        bars = pulled(gs, lambda k: take(at[k]))
        return {at[k]: g for k, g in bars.items()}

    return outs, back


# ---- binomial


def binomial_split(length: Value, room: Value) -> Value:
    """How far to advance before the next snapshot, if `length` steps are to be swept back with `room` snapshots, the one
    before the first step included (room >= 2, length >= 2).

    With B(s, t) = binom(s + t, t) and t the least number of repetitions with B(room, t) >= length, every m between
    max(B(room, t - 2), length - B(room - 1, t)) and min(B(room, t - 1), length - B(room - 1, t - 1)) is best (Griewank &
    Walther, Evaluating Derivatives, Prop. 12.3).
    """
    more = lambda t, b: lt(b, length)
    t, b = while_(more, lambda t, b: (t + 1, (b * (room + t + 1)) // (t + 1)), value(0), value(1), hints=("t", "b"))[:2]
    once_less = b * t // (room + t)  # B(room, t - 1)
    twice_less = once_less * (t - 1) // (room + t - 1)  # B(room, t - 2)
    rest = length - b * room // (room + t)  # length - B(room - 1, t)
    return maximum(maximum(twice_less, rest), 1)


class Stack:
    """Snapshots of the carries, and before which step each was taken."""

    def __init__(self, view: Loop, room: int) -> None:
        self.view, self.room = view, room

    def decided(self) -> list[Kept]:
        types = [(v.hint, Type(a.type.dtype, (self.room, *a.shape))) for v, a in zip(self.view.carries, self.view.init)]
        return [Kept(name, t, "snapshots of what the loop carries") for name, t in types]

    def empty(self) -> tuple[Value, ...]:
        """With the initial values, before step 0, as the only snapshot."""
        rows = [Value(zero_of(Type(v.dtype, (self.room, *v.shape)))) for v in self.view.init]
        first = [_write(r, value(0), v) for r, v in zip(rows, self.view.init, strict=True)]
        return (value(0), put(Value(zero_of(Type("i64", (self.room,)))), value(0), value(0)), *first)

    def descend(self, i: Value, stack: Sequence[Value]) -> tuple[Value, ...]:
        """The stack with snapshots taken on the way to step i."""

        def test(top: Value, at: Value, *rows: Value) -> Value:
            return and_(lt(top, self.room - 1), lt(get(at, top), i))

        def push(top: Value, at: Value, *rows: Value) -> tuple[Value, ...]:
            p = get(at, top)
            q = p + binomial_split(i + 1 - p, self.room - top)
            state = part(self.view, p, q, [_row(r, top) for r in rows], self.view.policy)
            new = [_write(r, top + 1, v) for r, v in zip(rows, state, strict=True)]
            return (top + 1, put(at, q, top + 1), *new)

        hints = ("top", "at", *[v.hint + "_kept" for v in self.view.carries])
        return while_(test, push, *stack, hints=hints)[: 2 + self.view.count]

    def advance(self, i: Value, stack: Sequence[Value]) -> tuple[Value, ...]:
        """The carries before step i, from the top snapshot."""
        top, at, *rows = stack
        return part(self.view, get(at, top), i, [_row(r, top) for r in rows], self.view.policy)

    def drop(self, i: Value, stack: Sequence[Value]) -> tuple[Value, ...]:
        """Step i has been swept back: a snapshot before it has served."""
        top, at, *rows = stack
        served = and_(ge(get(at, top), i), gt(top, 0))
        return (apply("where", served, top - 1, top), at, *rows)


def _row(rows: Value, k: Value) -> Value:
    return get(rows, k, spec="i" + ":" * (rows.rank - 1))


def _write(rows: Value, k: Value, v: Value) -> Value:
    return put(rows, v, k, spec="i" + ":" * (rows.rank - 1))


def pull_binomial(view: Loop, want: Sequence[bool]) -> tuple[Sequence[Value], Back]:
    c = view.count
    lo, hi, n = _bounds(view)
    carries, _ = carried(view.body, 1, list(want[2 : 2 + c]), list(want[2 + c :]))
    state = [k for k in range(c) if carries[k]]
    consts = [k for k in range(len(view.consts)) if want[2 + c + k]]
    active = [False, *carries, *want[2 + c :]]
    gathered = [1 + c + k for k in consts]
    joint, inner = inside(lambda: make_joint(view.body, active, state, (), gathered, partial(within, LOOP, view)))
    stack = Stack(view, max(1, view.policy[1]))  # type: ignore[index]
    note(f"for {view.index.hint}", "binomial", stack.decided(), inner)
    first = stack.descend(size(combine(n, 1, -1)), stack.empty())
    last = stack.advance(size(n), first)

    def back(gs: Sequence[Tangent], take: Take) -> dict[int, Tangent]:
        bars = [tangent_or_zero(gs[k], last[k]) for k in state]
        accs = [tangent_or_zero(take(2 + c + k), view.consts[k]) for k in consts]
        m = len(bars) + len(accs)

        def step(i: Value, *args: Value) -> tuple[Value, ...]:
            now = stack.descend(i, args[m:])
            new = step_back(view, joint, i, stack.advance(i, now), args[:m])
            return (*new, *stack.drop(i, now))

        hints = ["step", *[v.hint for v in joint.bars], "top", "at", *[v.hint + "_kept" for v in view.carries]]
        done = loop(0, size(n), step, *bars, *accs, *first, hints=hints, reverse=True, policy=view.policy)
        places = [*[2 + k for k in state], *[2 + c + k for k in consts]]
        return dict(zip(places, done, strict=False))

    return last, back


def step_back(view: Loop, joint: Joint, i: Value, state: Sequence[Value], bars: Sequence[Value]) -> list[Value]:
    """The return sweep of the i-th iteration, from the carries before it."""
    lo, hi, _ = _bounds(view)
    index = size(combine(combine(hi, 1, -1), dim_of(i.atom), -1) if view.reverse else combine(lo, dim_of(i.atom), 1))
    env: dict[Var, Any] = {v: x.atom for v, x in zip(joint.primal, (index, *state, *view.consts), strict=True)}
    env.update((v, x.atom) for v, x in zip(joint.bars, bars, strict=True))
    emit = emitter(joint.fn, env)
    return [emit(r) for r in joint.new_bars]


SPARE["every"] = pull_every
SPARE["binomial"] = pull_binomial
