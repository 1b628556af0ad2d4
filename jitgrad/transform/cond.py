"""The derivatives of `cond`, forward and reverse side by side.

Only the branch that is taken has tangents and a return sweep, so a branch that guards 1 / x is safe: the other contributes
nothing, not 0 * inf. The return sweep is a `cond` on the same predicate. It has what its branch captured, and computes the
branch again from that; what cannot be done again straight away (the results of loops) the forward `cond` gives as further
results, which are zero in the other branch; of arrays, no cells: such a result is as long as another says (`ragged`).

Adjoints of captured values are handed in and out; one that the branch does not touch passes through. The adjoint of an array
that the branch writes comes from that of the result: handed in, it would be a dense sum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ..ir.build import Value, again, size, value
from ..ir.core import Atom, Fn, Let, Type, Var, swap_type, type_vars, zero_of
from ..ir.walk import definitions
from ..ops.cond import Cond, cond
from .activity import active_results
from .ad import PULL, PUSH, Back, Take, Tangent, push_fn, suggest, tangent_or_zero
from .cut import INFINITE
from .decisions import Decision, Kept, inside, note, reason
from .joint import UNDO, Joint, Restore, alone, make_joint, put_back, undoable
from .keep import cut_out, write_checks
from .redo import small
from .remember import Question, Split, cheapest, emitter, split
from .versions import root_of


def _sides(let: Let, ins: Sequence[Value], extra: Sequence[Any]) -> list[tuple[Fn, Sequence[Value], Sequence[Any]]]:
    """For each branch: its program, its arguments, and its part of `extra` (one for each argument of the let)."""
    view = Cond.of(let, ins)
    k = 1 + len(view.then_args)
    return [(view.then, view.then_args, extra[1:k]), (view.other, view.other_args, extra[k:])]


def push_cond(let: Let, ins: Sequence[Value], tans: Sequence[Tangent]) -> tuple[Any, Any]:
    sides = _sides(let, ins, tans)
    flags = [active_results(fn, [t is not None for t in ts]) for fn, _, ts in sides]
    on = [k for k in range(len(let.outs)) if any(f[k] for f in flags)]

    def branch(fn: Fn, args: Sequence[Value], ts: Sequence[Tangent]) -> Callable[[], tuple[Value, ...]]:
        def run() -> tuple[Value, ...]:
            outs, dots = push_fn(fn, args, ts)
            new = [dots[k] for k in on]
            return (*outs, *[tangent_or_zero(d, outs[k]) for k, d in zip(on, new, strict=True)])

        return run

    hints = [*[o.hint for o in let.outs], *[let.outs[k].hint + "_dot" for k in on]]
    n = len(let.outs)
    by = dict(let.attrs.get("ragged", ()))
    pairs = (*by.items(), *[(n + m, by[k]) for m, k in enumerate(on) if k in by])
    out = cond(ins[0], branch(*sides[0]), branch(*sides[1]), hints, pairs)
    dots = dict(zip(on, out[n:], strict=True))
    return out[:n], [dots.get(k) for k in range(n)]


# ---- reverse


@dataclass(frozen=True)
class Side:
    """A branch whose return sweep is decided: what it remembers, and from what the rest is computed again."""

    args: Sequence[Value]
    joint: Joint
    way: Split
    want: tuple[Atom, ...]

    @staticmethod
    def of(args: Sequence[Value], joint: Joint, want: Sequence[Atom], without: Sequence[Var] = ()) -> Side:
        return Side(args, joint, cheapest(split(Side.question(joint, want, without))), tuple(want))

    @staticmethod
    def question(joint: Joint, want: Sequence[Atom], without: Sequence[Var]) -> Question:
        """`without`: captured arrays that the return sweep does not have."""
        sizes = set(joint.primal)
        storable = lambda t: set(type_vars(Type(t.dtype, t.shape[1:]))) <= sizes
        along = lambda v: [n for n in type_vars(Type("i64", v.type.shape[:1])) if n not in sizes]
        free = [*[p for p in joint.primal if p not in without], *joint.totals]
        carried = (*joint.bars, *[r.after for r in joint.restored])
        given = [r for r in joint.primal_results if isinstance(r, Var)]
        return replace(Question.of(joint.fn, carried, free, want, storable, joint.restored, given), along=along)

    @property
    def more(self) -> list[Var]:
        """What is remembered and is not a result of the branch."""
        return [v for v in self.way.saved if v not in self.joint.primal_results]

    def decided(self) -> list[Kept]:
        question = self.question(self.joint, self.want, ())
        types = [Type(v.type.dtype, v.type.shape[1:]) if ragged(v.type) else v.type for v in self.more]
        reasons = [reason(v, question, self.way) for v in self.more]
        return [Kept(v.hint, self.outer(t), why, ragged(v.type)) for v, t, why in zip(self.more, types, reasons, strict=True)]

    def outer(self, t: Type) -> Type:
        return swap_type(t, dict(self.env()))

    def nothing(self, v: Var) -> list[Value]:
        """What the other branch gives for it."""
        if not ragged(v.type):
            return [Value(zero_of(self.outer(v.type)))]
        rest = self.outer(Type(v.type.dtype, v.type.shape[1:]))
        return [value(0), Value(zero_of(Type(v.type.dtype, (0, *rest.shape))))]

    def env(self) -> dict[Var, Atom]:
        return {p: a.atom for p, a in zip(self.joint.primal, self.args, strict=True)}

    def forward(self) -> tuple[list[Value], list[Value]]:
        """Write the branch: its results, and what is remembered."""
        env: dict[Var, Any] = self.env()
        emit = emitter(self.joint.fn, env)
        write_checks(self.joint, env, emit)
        outs = [emit(r) for r in self.joint.primal_results]
        more: list[Value] = []
        for v in self.more:
            x = emit(v)
            more += [size(x.shape[0])] if ragged(v.type) else []
            more.append(suggest(x, v.hint))
        return outs, more

    def backward(self, outs: Sequence[Value], more: Sequence[Value], carried: Mapping[Var, Value]) -> list[Value]:
        env: dict[Var, Any] = self.env()
        env.update((v, x.atom) for v, x in carried.items())
        left = iter(more)
        given = {v: next(left) if not ragged(v.type) else (next(left), next(left))[1] for v in self.more}
        results = zip(self.joint.primal_results, outs, strict=True)
        given.update((r, y) for r, y in results if isinstance(r, Var) and r in self.way.saved)
        env.update((v, x.atom) for v, x in given.items() if not v.type.shape)
        emit = emitter(self.joint.fn, env, self.way)
        for v in [v for v in (*self.joint.primal, *definitions(self.joint.fn)) if v in given and v.type.shape]:
            for n in type_vars(v.type):  # a length may be computed again
                emit(n)
            env[v] = cut_out(given[v], swap_type(v.type, env), v.hint).atom
        return [emit(r) for r in self.want]


def forward(let: Let, ins: Sequence[Value], sides: Sequence[Side]) -> tuple[Sequence[Value], list[Sequence[Value]]]:
    """The `cond` with its results, and for each side what it remembers."""
    then, other = sides
    if not then.more and not other.more:
        return again(let, ins), [(), ()]
    zeros = [[x for v in s.more for x in s.nothing(v)] for s in sides]

    def branch(k: int) -> tuple[Value, ...]:
        outs, more = sides[k].forward()
        return (*outs, *(more if k == 0 else zeros[0]), *(more if k == 1 else zeros[1]))

    hints = [o.hint for o in let.outs]
    pairs = list(let.attrs.get("ragged", ()))
    for v in [v for s in sides for v in s.more]:
        if ragged(v.type):
            pairs.append((len(hints) + 1, len(hints)))
            hints.append("length")
        hints.append(v.hint)
    out = cond(ins[0], lambda: branch(0), lambda: branch(1), hints, tuple(pairs))
    n, m = len(let.outs), len(let.outs) + len(zeros[0])
    return out[:n], [out[n:m], out[m:]]


def ragged(t: Type) -> bool:
    """Is a value of that type remembered as a result of unknown length? All arrays but those of a few elements are."""
    return bool(t.shape) and not small(t)


def pull_cond(let: Let, ins: Sequence[Value], want: Sequence[bool]) -> tuple[Sequence[Value], Back]:
    branches = _sides(let, ins, want)
    args = [let.args[1 : 1 + len(branches[0][1])], let.args[1 + len(branches[0][1]) :]]
    at: dict[Any, int] = {}  # captured active value -> its first position among the arguments
    for k, (a, wanted) in enumerate(zip(let.args, want, strict=True)):
        if wanted:
            at.setdefault(a, k)
    written = {a for (fn, _, _), mine in zip(branches, args, strict=True) for a in _written(fn, mine)} & set(at)
    on = [[k for k, real in enumerate(active_results(fn, flags)) if real] for fn, _, flags in branches]
    gathered = [
        [k for k, (a, wanted) in enumerate(zip(mine, flags, strict=True)) if wanted and a not in written and mine.index(a) == k]
        for (_, _, flags), mine in zip(branches, args, strict=True)
    ]
    sides: Sequence[Side] = []
    inner: list[Decision] = []
    for (fn, values, flags), rows, accs in zip(branches, on, gathered, strict=True):
        starts = dict.fromkeys(k for k, _ in let.attrs.get("ragged", ()))
        joint, within = inside(partial(make_joint, fn, flags, (), rows, accs, starts=starts))
        sides = [*sides, Side.of(values, joint, joint.new_bars)]
        inner += within
    sides, put = restoring(sides, args)
    if inner or any(s.more for s in sides):
        note("if", sides[0].way.way, [k for s in sides for k in s.decided()], tuple(inner))
    outs, more = forward(let, ins, sides)

    def back(gs: Sequence[Tangent], take: Take) -> dict[int, Tangent]:
        accs = {a: tangent_or_zero(take(k), ins[k]) for a, k in at.items() if a not in written}

        def branch(k: int) -> tuple[Value, ...]:
            side, mine, flags = sides[k], args[k], branches[k][2]
            joint = side.joint
            carried = {v: tangent_or_zero(gs[r], outs[r]) for v, r in zip(joint.row_bars, on[k], strict=True)}
            whole = [g for v, g in carried.items() if set(type_vars(v.type)) & set(joint.totals)]
            carried.update(zip(joint.totals, [size(g.shape[0]) for g in whole], strict=True))
            carried.update((v, accs[mine[j]]) for v, j in zip(joint.accs, gathered[k], strict=True))
            order = [*[j for j, w in enumerate(flags) if w and j not in gathered[k]], *gathered[k]]
            new: dict[Any, Value] = {}
            carried.update((r.after, outs[r.result]) for r in joint.restored)
            done = side.backward(outs, more[k], carried)
            for j, bar in zip(order, done, strict=False):
                new[mine[j]] = new[mine[j]] + bar if mine[j] in new else bar
            bars = [new.get(a, accs.get(a, Value(zero_of(ins[j].type)))) for a, j in at.items()]
            return (*bars, *done[len(order) :])

        hints = [*[a.hint + "_bar" for a in at], *[outs[k].atom.hint for k in put]]
        done = cond(ins[0], lambda: branch(0), lambda: branch(1), hints)
        for k, before in zip(put, done[len(at) :], strict=True):
            put_back(outs[k], before)
        return dict(zip(at.values(), done, strict=False))

    return outs, back


def restoring(sides: Sequence[Side], args: Sequence[Sequence[Atom]]) -> tuple[Sequence[Side], list[int]]:
    """Where the return sweep of a branch needs an array as the branch left it (that of a loop within does), it puts it back
    as well: the array as it was before need not exist beside it. The branches, and which results they put back."""
    results = [s.joint.primal_results for s in sides]
    if not any(r in s.way.saved and r.type.shape for s, mine in zip(sides, results, strict=True) for r in mine):
        return sides, []
    names: list[dict[Any, Atom]] = [dict(zip(s.joint.primal, mine, strict=True)) for s, mine in zip(sides, args, strict=True)]
    roots = [[root_of(s.joint.fn, r) for r in mine] for s, mine in zip(sides, results, strict=True)]
    outer = [[own.get(r) for r in mine] for own, mine in zip(names, roots, strict=True)]
    put = [k for k, (a, b) in enumerate(zip(*outer, strict=True)) if a is not None and a == b and a.type.shape]
    new = []
    for s, mine in zip(sides, roots, strict=True):
        joint = undoable(s.joint, [mine[k] for k in put], put)
        lost = [p for p, q in zip(joint.primal, s.joint.primal, strict=True) if q in {mine[k] for k in put}]
        side = Side.of(s.args, joint, (*joint.new_bars, *[r.before for r in joint.restored]), lost)
        if [r.result for r in joint.restored] != put or side.way.cost >= INFINITE:
            return sides, []
        new.append(side)
    return new, put


def _written(fn: Fn, args: Sequence[Atom]) -> set[Atom]:
    """The captured arrays on which results are built by writing cells."""
    names = dict(zip(fn.params, args, strict=True))
    roots = {root_of(fn, r) for r in fn.results if r.type.shape and isinstance(r, Var) and r not in fn.params}
    return {names[p] for p in roots if p in names}  # type: ignore[index]


def undo_cond(let: Let, ins: Sequence[Value], at: Sequence[int]) -> tuple[Sequence[Value], Restore] | None:
    """The branch that was taken puts back what it wrote into the arrays `at`."""
    sides = []
    for fn, values, _ in _sides(let, ins, ins):
        nothing = alone(fn)
        roots = [root_of(nothing.fn, nothing.primal_results[k]) for k in at]
        joint = undoable(nothing, roots, at)
        if len(joint.restored) < len(at):
            return None
        lost = [p for p, q in zip(joint.primal, nothing.primal, strict=True) if q in roots]
        side = Side.of(values, joint, [r.before for r in joint.restored], lost)
        if side.way.cost >= INFINITE:
            return None
        sides.append(side)
    outs, more = forward(let, ins, sides)

    def restore(now: dict[int, Value]) -> dict[int, Value]:
        def branch(k: int) -> tuple[Value, ...]:
            restored = sides[k].joint.restored
            carried = {r.after: now.get(r.result, outs[r.result]) for r in restored}
            return tuple(sides[k].backward(outs, more[k], carried))

        done = cond(ins[0], lambda: branch(0), lambda: branch(1), [outs[k].atom.hint for k in at])
        return dict(zip(at, done, strict=True))

    return outs, restore


PUSH["cond"] = push_cond
PULL["cond"] = pull_cond
UNDO["cond"] = undo_cond
