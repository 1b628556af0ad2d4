"""What a branch makes zero, and what only adds that zero, moves into the branch.

Where a branch is not taken, a derivative that went through it is absent (`Absent`); what multiplies it is absent too, and
what adds it leaves a sum, or an array, as it was. So all that happens only where the branch is taken: pairs of particles
beyond the cutoff touch no memory. A zero that somebody wrote is a number like any other, and 0 * inf is not 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ..ir.build import again, read, replay, trace
from ..ir.core import Absent, Atom, Fn, Let, Lit, Var, absent, swap_type, type_vars, vars_of
from ..ir.walk import effectful, inputs, result_vars, uses, with_fns, with_lets
from ..ops.cond import Cond
from ..ops.loop import Loop, kept_pairs
from .ad import members

ABSENT = object()
Known = dict[Var, Any]  # where the branch is not taken: absent, or the same as that atom


def sink(fn: Fn) -> Fn:
    fn = with_lets(fn, [with_fns(let, map(sink, let.fns)) for let in fn.lets])
    sides = [(let, side) for let in fn.lets if let.op.name == "cond" for side in (1, 0)]
    for let, side in sides:
        new = _sunk(fn, let, side)
        if new is not None:
            return sink(new)
    return fn


def _sunk(fn: Fn, c: Let, side: int) -> Fn | None:
    """`side`: the branch that does nothing."""
    results = c.fns[side].results
    known: Known = {o: ABSENT for o, r in zip(c.outs, results, strict=True) if is_absent(r)}
    if not known or effectful(c):
        return None
    at = fn.lets.index(c)
    moved = _movable(fn.lets[at + 1 :], known, set(c.outs) - set(known))
    if not moved:
        return None
    inside = {id(c), *map(id, moved)}
    others = [let for let in fn.lets if id(let) not in inside]
    used = result_vars(fn).union(*[uses(let) for let in others])
    old = [k for k, o in enumerate(c.outs) if o in used]
    new = [o for let in moved for o in let.outs if o in used]
    sides = [_idle(c, k, old, new, known) if k == side else _taken(c, k, old, new, moved) for k in (0, 1)]
    fns, args = zip(*sides, strict=True)
    outs = (*[c.outs[k] for k in old], *new)
    attrs: dict[str, Any] = {"split": len(args[0])}
    if "ragged" in c.attrs:
        attrs["ragged"] = kept_pairs(c.attrs["ragged"], old, old)
    joined = replace(c, outs=outs, args=(c.args[0], *args[0], *args[1]), attrs=attrs, fns=fns)
    return replace(fn, lets=tuple(_placed(others, joined)))


def is_absent(a: Atom) -> bool:
    return isinstance(a, Lit) and isinstance(a.value, Absent)


def _movable(lets: Sequence[Let], known: Known, blocked: set[Var]) -> list[Let]:
    """The statements that do nothing where the branch is not taken; `known` grows by their results."""
    moved = []
    for let in lets:
        used = uses(let)
        if used & blocked:
            blocked |= set(let.outs)
        elif used & set(known):
            values = _at_absent(let, known)
            if values is None:
                blocked |= set(let.outs)
            else:
                known.update(zip(let.outs, values, strict=True))
                moved.append(let)
    return moved


def _placed(others: Sequence[Let], new: Let) -> list[Let]:
    """Behind all that it needs, before all that needs it."""
    made = set(new.outs)
    before: list[Let] = []
    behind: list[Let] = []
    for let in others:
        if uses(let) & made or any(map(effectful, behind)):  # nothing overtakes what may raise
            behind.append(let)
            made |= set(let.outs)
        else:
            before.append(let)
    return [*before, new, *behind]


# ---- the new branches


def _branch(c: Let, k: int) -> tuple[Fn, tuple[Atom, ...]]:
    return Cond.of(c).branches[k]


def _taken(c: Let, k: int, old: Sequence[int], new: Sequence[Var], moved: Sequence[Let]) -> tuple[Fn, tuple[Any, ...]]:
    """The branch, and what moved into it."""
    fn, args = _branch(c, k)
    made = {*c.outs, *[o for let in moved for o in let.outs]}
    more = dict.fromkeys(v for let in moved for v in inputs(let) if v not in made)
    extra = [v for v in more if v not in args]

    def write(*xs: Any) -> tuple[Any, ...]:
        env: dict[Any, Atom] = {v: x.atom for v, x in zip((*args, *extra), xs, strict=True)}
        first = replay(fn, *xs[: len(args)])
        env.update((o, v.atom) for o, v in zip(c.outs, first, strict=True))
        for let in moved:
            env.update((o, v.atom) for o, v in zip(let.outs, again(let, read(env, let.args)), strict=True))
        return (*[first[j] for j in old], *[env[o] for o in new])

    return trace(write, _parameters(fn, args, extra), fn.name), (*args, *extra)


def _idle(c: Let, k: int, old: Sequence[int], new: Sequence[Var], known: Known) -> tuple[Fn, tuple[Any, ...]]:
    """The branch that does nothing: what moved is absent, or what it was."""
    fn, args = _branch(c, k)
    values = [_resolved(o, known) for o in new]
    atoms = [absent(o.type) if v is ABSENT else v for o, v in zip(new, values, strict=True)]
    more = [v for a in atoms for v in vars_of(a)]
    extra = [v for v in dict.fromkeys(more) if v not in args]

    def write(*xs: Any) -> tuple[Any, ...]:
        env: dict[Any, Atom] = {v: x.atom for v, x in zip((*args, *extra), xs, strict=True)}
        first = replay(fn, *xs[: len(args)])
        return (*[first[j] for j in old], *read(env, atoms))

    return trace(write, _parameters(fn, args, extra), fn.name), (*args, *extra)


def _parameters(fn: Fn, args: Sequence[Atom], extra: Sequence[Var]) -> list[Var]:
    """Those of the branch, and what else it takes: the sizes in the types are those that it has."""
    own = {a: p for a, p in zip(args, fn.params, strict=True) if isinstance(a, Var)}
    return [*fn.params, *[Var(swap_type(v.type, own), v.hint) if set(type_vars(v.type)) & set(own) else v for v in extra]]


def _resolved(a: Any, known: Known) -> Any:
    while isinstance(a, Var) and a in known:
        a = known[a]
    return a


# ---- what a statement gives where some of its arguments are absent


def _at_absent(let: Let, known: Known) -> Sequence[Any] | None:
    """For each result: absent, or the atom that it is the same as. None: the statement does something."""
    if effectful(let):
        return None
    rule = _RULES.get(let.op.name, _linear)
    return rule(let, [_resolved(a, known) is ABSENT for a in let.args], known)


def _linear(let: Let, zero: Sequence[bool], known: Known) -> Sequence[Any] | None:
    groups = [members(let.op, group, len(zero)) for group in let.op.linear]
    return [ABSENT] * len(let.outs) if any(all(zero[k] for k in ks) for ks in groups) else None


def _add(let: Let, zero: Sequence[bool], known: Known) -> Sequence[Any] | None:
    a, b = let.args
    if all(zero):
        return [ABSENT]
    if zero[1]:
        return [a]
    return [b] if zero[0] and let.op.name == "add" else None


def _add_at(let: Let, zero: Sequence[bool], known: Known) -> Sequence[Any] | None:
    return [ABSENT if zero[0] else let.args[0]] if zero[1] else None


def _loop(let: Let, zero: Sequence[bool], known: Known) -> Sequence[Any] | None:
    """Every iteration does nothing."""
    view = Loop.of(let)
    if any(zero[:2]):
        return None
    inside: Known = {p: ABSENT for p, z in zip((*view.carries, *view.inner), zero[2:], strict=True) if z}
    values = _body(view.body, inside)
    if values is None:
        return None
    c = view.count
    same = [v is (ABSENT if z else p) for v, p, z in zip(values[:c], view.carries, zero[2 : 2 + c], strict=True)]
    if not all(same) or any(v is not ABSENT for v in values[c:]):
        return None
    return [*[ABSENT if z else a for a, z in zip(view.init, zero[2:], strict=False)], *[ABSENT] * len(view.rows)]


def _cond(let: Let, zero: Sequence[bool], known: Known) -> Sequence[Any] | None:
    """Neither branch does anything."""
    if zero[0]:
        return None
    sides = []
    flags = iter(zero[1:])
    for fn, args in Cond.of(let).branches:
        mine = dict(zip(fn.params, args, strict=True))
        values = _body(fn, {p: ABSENT for p in fn.params if next(flags)})
        if values is None:
            return None
        sides.append([mine.get(v, v) if isinstance(v, Var) else v for v in values])
    outer = set(let.args)
    fits = all(x is y and (x is ABSENT or x in outer) for x, y in zip(*sides, strict=True))
    return sides[0] if fits else None


def _body(fn: Fn, known: Known) -> list[Any] | None:
    """The results of a body, as far as they are known."""
    if any(map(effectful, fn.lets)):
        return None
    _movable(fn.lets, known, set())
    return [ABSENT if is_absent(r) else _resolved(r, known) for r in fn.results]


_RULES: dict[str, Callable[..., Sequence[Any] | None]] = {
    "mul": lambda let, zero, known: [ABSENT] if any(zero) else None,
    "div": lambda let, zero, known: [ABSENT] if zero[0] and let.args[1] not in known else None,
    "neg": lambda let, zero, known: [ABSENT] if zero[0] else None,
    "add": _add,
    "sub": _add,
    "add_at": _add_at,
    "loop": _loop,
    "cond": _cond,
}
