"""Algebra, common subexpressions, dead code: what cleans up after every rule, once, for all of them.

A scalar rule is a pair of programs, tested by running both sides; it holds for arrays too (literals fill their shape). The
rules about cells and shapes are functions, one for each op. `0 * x` is not 0: x may be infinite. An absent derivative never
reaches this pass, because it was never written.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from weakref import WeakSet

import numpy as np

from ..ir.build import Value, again, current, literal, replay, trace, value
from ..ir.core import F64, FLOATS, Atom, Fn, Let, Lit, Op, Type, Var
from ..ir.interp import NUMPY
from ..ir.walk import alike, everywhere, use_counts
from ..ops.scalar import neg, not_
from .bounds import decided, range_of
from .cells import CELLS
from .congruence import COMMUTATIVE
from .order import overwritten
from .rewrite import Outs, Rewriter, rewritten
from .settled import Asked, settled

# ---- the rules: left side, right side; `once`: only where the inner value has no other use

Side = Callable[..., Any]
Head = Op | type[Lit] | None  # of an argument: the op that it is the result of, or that it is a literal


@dataclass(frozen=True)
class Rule:
    left: Side
    right: Side
    once: bool = False


# fmt: off
RULES = [
    Rule(lambda x: x + 0.0,             lambda x: x),
    Rule(lambda x: 0.0 + x,             lambda x: x),
    Rule(lambda x: x - 0.0,             lambda x: x),
    Rule(lambda x: 0.0 - x,             lambda x: -x),
    Rule(lambda x: x * 1.0,             lambda x: x),
    Rule(lambda x: 1.0 * x,             lambda x: x),
    Rule(lambda x: x / 1.0,             lambda x: x),
    Rule(lambda x: x * -1.0,            lambda x: -x),
    Rule(lambda x: -1.0 * x,            lambda x: -x),
    Rule(lambda x: neg(-x),             lambda x: x),
    Rule(lambda x, z: x + -z,           lambda x, z: x - z),
    Rule(lambda x, z: -x + z,           lambda x, z: z - x),
    Rule(lambda x, z: x - -z,           lambda x, z: x + z),
    Rule(lambda x, z: -(x - z),         lambda x, z: z - x,         once=True),
    Rule(lambda x, z: -x * z,           lambda x, z: -(x * z),      once=True),
    Rule(lambda x, z: x * -z,           lambda x, z: -(x * z),      once=True),
    Rule(lambda x, z: -x / z,           lambda x, z: -(x / z),      once=True),
    Rule(lambda x, z: (1.0 / x) * z,    lambda x, z: z / x,         once=True),
    Rule(lambda x, z: z * (1.0 / x),    lambda x, z: z / x,         once=True),
]
BOOL_RULES = [
    Rule(lambda p: not_(not_(p)),       lambda p: p),
    Rule(lambda p: p & False,           lambda p: value(False, p.type)),
    Rule(lambda p: False & p,           lambda p: value(False, p.type)),
    Rule(lambda p: p & True,            lambda p: p),
    Rule(lambda p: True & p,            lambda p: p),
    Rule(lambda p: p | True,            lambda p: value(True, p.type)),
    Rule(lambda p: True | p,            lambda p: value(True, p.type)),
    Rule(lambda p: p | False,           lambda p: p),
    Rule(lambda p: False | p,           lambda p: p),
]
# fmt: on


@dataclass(frozen=True)
class Pattern:
    """A rule as two programs, and the statement that the left one ends in."""

    left: Fn
    right: Fn
    once: bool
    inner: dict[Atom, Let]  # the statements before, by what they give

    @property
    def root(self) -> Let:
        return self.left.lets[-1]

    def possible(self, heads: Sequence[Head]) -> bool:
        """For arguments that are these: literals where the rule has them, and the results of its ops."""
        return all(
            head is Lit if isinstance(want, Lit) else want not in self.inner or head is self.inner[want].op
            for want, head in zip(self.root.args, heads, strict=True)
        )


@cache
def patterns() -> dict[str, list[Pattern]]:
    """The rules by the op that their left side ends in."""
    table: dict[str, list[Pattern]] = {}
    for rules, t in ((RULES, F64), (BOOL_RULES, Type("bool"))):
        for rule in rules:
            names = rule.left.__code__.co_varnames[: rule.left.__code__.co_argcount]
            left, right = (trace(side, [t] * len(names), "rule", names) for side in (rule.left, rule.right))
            pattern = Pattern(left, right, rule.once, {let.outs[0]: let for let in left.lets[:-1]})
            table.setdefault(pattern.root.op.name, []).append(pattern)
    return table


@cache
def candidates(name: str, heads: tuple[Head, ...]) -> list[Pattern]:
    """The rules that a statement may match, by its op and by what its arguments are."""
    return [p for p in patterns()[name] if p.possible(heads)]


Key = tuple[Any, ...]


def key_of(op: Op, args: tuple[Atom, ...], attrs: Any) -> Key:
    """Equal keys: equal values."""
    return (op.name, frozenset(args) if op.name in COMMUTATIVE else args, tuple(sorted(attrs.items())))


class Simplifier(Rewriter):
    merged = True  # equal statements are one, so that uses can be counted

    def __init__(self, fn: Fn, parent: Simplifier | None = None, kind: str = "root") -> None:
        super().__init__(fn, parent, kind)
        # What is known of the variables written so far, here and in all other bodies: no two have a variable in common.
        self.defs: dict[Atom, tuple[Op, tuple[Atom, ...], Any]] = parent.defs if parent else {}
        self.asked: Asked = parent.asked if parent else Asked()
        self.seen: dict[Key, Outs] = {}
        self.uses: dict[Var, int] = {}
        self.counts = use_counts(fn)
        self.consumed = overwritten(fn)
        self.lost: set[Atom] = set()  # arrays, as they are called here, in whose memory something else may be written

    def chain(self) -> Any:
        """This body's rewriter and those around it."""
        at: Any = self
        while at is not None:
            yield at
            at = at.parent

    def define(self, v: Atom) -> tuple[Op, tuple[Atom, ...], Any] | None:
        """The statement that made a variable: op, arguments, attributes."""
        return self.defs.get(v) if isinstance(v, Var) else None

    def head(self, a: Atom) -> Head:
        """Whether it is a literal, or else the op that it is the result of."""
        made = self.define(a)
        return Lit if isinstance(a, Lit) else None if made is None else made[0]

    def run(self, *args: Any) -> tuple[Value, ...]:
        self.lost |= {value(a, p.type).atom for p, a in zip(self.fn.params, args, strict=True) if p in self.consumed}
        return super().run(*args)

    def is_overwritten(self, v: Atom) -> bool:
        lost = any(v in at.lost for at in self.chain())
        self.asked.again |= lost
        return lost

    def used_once(self, v: Atom) -> bool:
        once = sum(at.uses.get(v, 0) for at in self.chain()) <= 1
        if not (once and self.merged):  # as far as is known now
            self.asked.shared.add(v)
        return once

    def statement(self, let: Let, ins: Outs) -> Outs:
        atoms = tuple(v.atom for v in ins)
        if let.op.name == "check" and isinstance(atoms[0], Lit) and atoms[0].value is True:
            return []
        new = self.shorter(let, ins, atoms)
        if new is not None:
            self.note_uses(let, new)
            return new
        key = key_of(let.op, atoms, let.attrs)
        for at in self.chain():
            if key in at.seen and not let.op.effect:
                self.note_uses(let, at.seen[key])
                return at.seen[key]
        outs = again(let, ins)
        self.seen[key] = outs
        for v in outs:
            self.defs[v.atom] = (let.op, atoms, let.attrs)
        known = range_of(let.op.name, atoms, self.ranges)
        if known is not None:
            self.ranges = {**self.ranges, outs[0].atom: known}
        self.note_uses(let, outs)
        return outs

    def note_uses(self, let: Let, outs: Outs) -> None:
        for o, v in zip(let.outs, outs, strict=True):
            if isinstance(v.atom, Var):
                if o in self.consumed:
                    self.lost.add(v.atom)
                self.uses[v.atom] = self.uses.get(v.atom, 0) + self.counts[o]

    def shorter(self, let: Let, ins: Outs, atoms: Sequence[Atom]) -> Outs | None:
        """The same value said more simply, or None."""
        folded = fold(let, atoms)
        if folded is not None:
            return [Value(folded)]
        known = decided(let.op.name, atoms, self.ranges)
        if known is not None:
            return [value(known)]
        for pattern in candidates(let.op.name, tuple(map(self.head, atoms))) if let.op.name in patterns() else ():
            found = match(pattern, atoms, self)
            if found is not None:
                return list(replay(typed(pattern.right, let.outs[0].type.dtype, ins), *found, each=self.each))
        return self.by_rule(let, ins) if let.op.name in CELLS else None

    def by_rule(self, let: Let, ins: Outs) -> Outs | None:
        """What a rule about cells and shapes writes."""
        lets = current().lets
        before = len(lets)
        new = CELLS[let.op.name](self, let, ins)
        self.asked.again |= len(lets) > before
        return None if new is None else [new]

    def wrote(self, let: Let, ins: Outs, outs: Outs) -> None:
        self.note_uses(let, outs)


def typed(right: Fn, dtype: str, ins: Outs) -> Fn:
    """The right side of a rule for arrays: its literals fill their shape."""
    like = Type(dtype, ins[0].shape)
    lets = [
        Let(
            tuple(o for o in let.outs),
            let.op,
            tuple(literal(a.value, like) if isinstance(a, Lit) else a for a in let.args),
            let.attrs,
        )
        for let in right.lets
    ]
    results = tuple(literal(r.value, like) if isinstance(r, Lit) else r for r in right.results)
    return Fn(right.name, right.params, tuple(lets), results)


def match(pattern: Pattern, atoms: Sequence[Atom], rw: Simplifier) -> list[Value] | None:
    """The values of the pattern's parameters for which its root has these arguments, or None."""
    inner = pattern.inner
    found: dict[Var, Atom] = {}

    def same(want: Atom, have: Atom) -> bool:
        if isinstance(want, Lit):
            if want.type.dtype == "bool":
                return isinstance(have, Lit) and have.value is want.value
            return isinstance(have, Lit) and have.type.is_real and have.has(want.value)
        if want in inner:
            made = rw.define(have)
            if made is None or made[0] is not inner[want].op or not all(map(same, inner[want].args, made[1])):
                return False
            return not pattern.once or (rw.used_once(have) and rw.merged)
        return found.setdefault(want, have) == have  # type: ignore[arg-type]

    if not all(map(same, pattern.root.args, atoms)):
        return None
    return [Value(found[p]) for p in pattern.left.params]


def fold(let: Let, atoms: Sequence[Atom]) -> Lit | None:
    """An elementwise op of literals is a literal, where the result is finite."""
    if not let.op.elementwise or not atoms or not all(isinstance(a, Lit) for a in atoms):
        return None
    with np.errstate(all="ignore"):
        y = let.op.numpy(*[NUMPY[a.type.dtype](a.value) for a in atoms], **let.attrs)  # type: ignore[union-attr]
    t = Type(let.outs[0].type.dtype, atoms[0].type.shape)
    y = NUMPY[t.dtype](y)
    if t.dtype in FLOATS and not math.isfinite(y):
        return None
    return Lit(y.item(), t)


class First(Simplifier):
    """The first pass: what it meets may have a twin further down, `1.0 / z` in both partials of `div` say."""

    merged = False


def simplify(fn: Fn) -> Fn:
    """Until nothing changes. What comes out is known, and goes in again for nothing; what was simple is the same object."""
    if fn in _simple:
        return fn
    for kind in (First, *[Simplifier] * 8):
        simplifier = kind(fn)
        new = rewritten(simplifier)
        done = settled(new, simplifier.asked) or (simplifier.merged and statements(new) == statements(fn))
        fn = fn if alike(fn, new) else new
        if done:
            _simple.add(fn)
            break
    return fn


_simple: WeakSet[Fn] = WeakSet()


def statements(fn: Fn) -> int:
    return sum(1 for _ in everywhere(fn))


__all__ = ["BOOL_RULES", "RULES", "Simplifier", "simplify"]
