"""Plan -> Plan: neighbouring loops over one range run together.

    for i in 0..n: k[i] = f(x, i)                    nest i in 0..n
    nest j in 0..n: y[j] = x[j] + h*k[j]      ->       v = f(x, i)
                                                       y[i] = x[i] + h*v

Each loop costs: code for vectors, for what they leave over and for the question whether arrays overlap, which LLVM has to write
and every call has to pass through; and memory that one loop writes and the next one reads.
"""

# Let A and B, behind it, run over the same range in the same direction. The text does A(0) A(1) ... B(0) B(1) ..., the joint
# loop A(0) B(0) A(1) B(1) .... Only pairs B(i), A(j) where j comes after i have changed their order. So both do the same if such
# B(i) and A(j) commute:
#
#     memory     each cell that both touch, if one of them writes it, is proven to be another one: for j any later index
#     scalars    what one of them sets outside of its own iterations, the other one neither sets nor reads
#     errors     neither raises, calls, waits or grows memory
#
# What stands between them goes before A if it commutes with A and with what stays. What stays has to commute with B, and must
# not raise: B may need that it did not. (Nothing in A can tell that what goes before it has raised.)
#
# It pays if there is one innermost loop less. Kept apart are innermost loops without a cell in common; those that LLVM takes for
# vectors from those that it does not, and two for which it would not together (one reads the cell that the other one wrote an
# iteration before); those that work on two parts of one array, between which it would have to ask for an overlap; what touches
# more than `MANY` arrays; and float32 sums that would not run in strips any more (`strips.py`).

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

from ..ir.core import INTS, Var
from ..ir.dims import combine
from .facts import is_dear
from .forward import forwarded
from .merge import renamed
from .plan import (
    BLOCKS,
    Block,
    Buffer,
    For,
    If,
    Index,
    Load,
    Plan,
    Scalar,
    Stmt,
    Store,
    While,
    Window,
    everywhere,
    map_blocks,
)  # fmt: skip
from .races import judge
from .rows import PLAIN, Names, Uses, may_raise
from .strips import narrow_sums, pays
from .tidy import dim_vars, makes, narrowed, pruned, read_buffers, reads
from .touches import Look, Ranges, follower, meeting, other_names

REACH = 24  # statements from a loop to the one that it joins
MANY = 12  # arrays: with more, streams from memory and what LLVM asks of pairs of them cost more than the loop


def joined(plan: Plan) -> Plan:
    joiner = _Joiner(plan)
    body = joiner.block(plan.body, Scope(frozenset(v for v in plan.params if isinstance(v, Var))))
    return narrowed(pruned(replace(plan, body=body))) if joiner.count else plan


@dataclass(frozen=True, eq=False)
class Scope:
    """Where a block stands. `outer`: the scalars that are not of the iterations of its loops; `ranges`: of the indices
    around; `within`: is it in a loop?"""

    outer: frozenset[Var]
    ranges: Ranges = field(default_factory=dict)
    within: bool = False
    uses: dict[Stmt, Uses] = field(default_factory=dict)  # what the statements of the block touch

    def of(self, block: Block) -> Scope:
        return Scope(self.outer | binds(block), self.ranges, self.within)

    def inside(self, s: Stmt) -> Scope:
        if isinstance(s, While):
            return Scope(self.outer | binds(s.test), self.ranges, True)
        if not isinstance(s, For):
            return self
        return Scope(self.outer | {s.index}, {**self.ranges, s.index: (s.lo, s.hi)}, True)

    def given(self, s: For) -> set[Var]:
        """What a loop leaves to those behind it."""
        return {v for t in everywhere((s,)) for v in makes(t) if v in self.outer}


def binds(block: Block) -> frozenset[Var]:
    """The scalars that have a value behind the block."""
    of = (binds(s.then) & binds(s.other) if isinstance(s, If) else () if isinstance(s, For) else makes(s) for s in block)
    return frozenset(v for made in of for v in made)


class _Joiner:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.count = 0  # of the loops that have gone
        self.arrays: dict[For, frozenset[Buffer]] = {}

    @cached_property
    def windows(self) -> dict[Buffer, Window]:
        return other_names(self.plan.body)

    @cached_property
    def roots(self) -> Mapping[Buffer, Buffer]:
        return Names.of(self.plan.body).roots

    @cached_property
    def loads(self) -> Counter[Buffer]:
        """How often an array is read, or could be."""
        found = Counter(self.root(b) for s in everywhere(self.plan.body) for b in read_buffers(s))
        found.update(self.root(w.buffer) for w in self.plan.results if isinstance(w, Window))
        found.update(map(self.root, self.windows))
        return found

    def root(self, b: Buffer) -> Buffer:
        return self.roots.get(b, b)

    def block(self, block: Block, scope: Scope) -> Block:
        scope = scope.of(block)
        out = [map_blocks(s, partial(self.block, scope=scope.inside(s))) if type(s) in BLOCKS else s for s in block]
        k = 1
        while k < len(out):
            near = (j for j in range(k - 1, max(-1, k - REACH), -1) if alike(out[j], out[k]))
            found = next(((j, new) for j in near if (new := self.tried(out[j : k + 1], scope))), None)
            if found is None:
                k += 1
            else:
                j, out[j : k + 1] = found
                self.count += 1
                k = j + 1
        return tuple(out)

    def tried(self, part: Sequence[Stmt], scope: Scope) -> list[Stmt] | None:
        """The statements with the last one joined to the first one, or None."""
        a, *between, b = part
        if not (isinstance(a, For) and isinstance(b, For) and self.meet(a, b)):
            return None
        mine = [self.uses(a, scope)]
        before: list[Stmt] = []
        behind: list[Stmt] = []
        for s in between:
            uses = self.uses(s, scope)
            stays = any(clash(uses, other) for other in mine)
            (behind if stays else before).append(s)
            if stays:
                mine.append(uses)
        if any(may_raise(s) or clash(self.uses(b, scope), self.uses(s, scope)) for s in behind):
            return None
        joint = self.joint(a, b, scope)
        return None if joint is None else [*before, joint, *behind]

    def uses(self, s: Stmt, scope: Scope) -> Uses:
        if s not in scope.uses:
            scope.uses[s] = Names(self.roots, scope.outer).uses(s)
        return scope.uses[s]

    # ---- two loops

    def meet(self, a: For, b: For) -> bool:
        """Are they plain loops that both touch an array?"""
        return not self.touched(a).isdisjoint(self.touched(b))

    def touched(self, s: For) -> frozenset[Buffer]:
        """The arrays of a plain loop; nothing if it is none."""
        if s not in self.arrays:
            self.arrays[s] = frozenset(map(self.root, buffers(s))) if plain(s) else frozenset()
        return self.arrays[s]

    def joint(self, a: For, b: For, scope: Scope) -> For | None:
        """The loop that does in each iteration what both do."""
        own = {v for t in everywhere((a,)) for v in makes(t)}
        twice = {v: Var(v.type, v.hint) for t in everywhere(b.body) for v in makes(t) if v in own}
        if innermost(a) != innermost(b) or not self.apart(scope, a, b) or any(v in scope.outer for v in twice):
            return None
        b = replace(b, index=a.index, body=tuple(renamed(s, {**twice, b.index: a.index}) for s in b.body))
        if innermost(a) and not cells(a) & cells(b):
            return None
        if not self.in_turn(a, b, scope.ranges) or not self.suits(a, b, scope):
            return None
        inside = scope.inside(a)
        whole = replace(a, body=self.block((*a.body, *b.body), inside), nest=a.nest and b.nest)
        whole = replace(whole, body=forwarded(whole.body, self.roots, inside.ranges))
        if innermost(whole) and self.kind(whole, scope) != self.kind(a, scope):
            return None
        fewer = loops(whole) < loops(a) + loops(b)
        return whole if fewer and self.few(whole, a, b) and keeps_sums(whole, a, b, scope.within) else None

    def apart(self, scope: Scope, a: For, b: For) -> bool:
        """Does neither need, nor set, a scalar that the other one sets?"""
        for x, z in ((a, b), (b, a)):
            given = scope.given(x)
            if given and any(not given.isdisjoint((*reads(t), *makes(t))) for t in everywhere((z,))):
                return False
        return True

    def in_turn(self, a: For, b: For, ranges: Ranges) -> bool:
        """Is what the first one does in later iterations apart from what the second one does in this one?"""
        known: Ranges = {**ranges, a.index: (a.lo, a.hi)}
        windows = self.by_two_names(a, b)
        now = Look(windows, known, {})
        then = Look(windows, known, {a.index: follower(a, known)})
        now.block(b.body)
        then.block(a.body)
        return all(meeting(now.found[k], then.found[k], known) is None for k in now.found if k in then.found)

    def by_two_names(self, *loops: For) -> dict[Buffer, Window]:
        """The parts of memory that they know by another name too. (By one name, two indices are two cells.)"""
        count = Counter(map(self.root, {b for s in loops for b in buffers(s)}))
        return {b: w for b, w in self.windows.items() if count[self.root(b)] > 1}

    def suits(self, a: For, b: For, scope: Scope) -> bool:
        """Of loops without loops within: are they of one kind? Of others, those within will be asked."""
        if not innermost(a):
            return True
        known = isinstance(combine(a.hi, a.lo, -1), int)
        return (known or self.plainly(a, b)) and self.kind(a, scope) == self.kind(b, scope)

    def plainly(self, a: For, b: For) -> bool:
        """Does one of them meet only cells that the other one meets too, in each array that is written? Else LLVM will ask
        of parts of one array, whenever the loop begins, whether they overlap."""
        every = [t for s in (a, b) for t in everywhere(s.body)]
        for x in {self.root(t.buffer) for t in every if isinstance(t, Store)}:
            mine, his = ({c for c in met(s) if self.root(c[0]) is x} for s in (a, b))
            if not (mine <= his or his <= mine):
                return False
        return True

    def kind(self, s: For, scope: Scope) -> tuple[bool, bool, bool]:
        """May LLVM take it for vectors, has it to mask accesses to memory then, and are they vectors of float64?"""
        verdict = judge(s, scope.given(s), self.by_two_names(s), scope.ranges)
        free = not verdict.why and not verdict.arrays and set(verdict.scalars.values()) <= {"+", "*"}
        every = list(everywhere(s.body))
        slow = any(isinstance(t, Scalar) and t.out.type.dtype in INTS and is_dear(t.op) for t in every)
        masked = any(isinstance(u, (Load, Store)) for t in every if isinstance(t, If) for u in everywhere((t,)))
        strips = narrow_sums(s) if pays(s, scope.within) else []
        wide = any(v.type.dtype == "f64" and v not in strips for t in every for v in makes(t))
        return free and not slow, masked, wide

    def few(self, whole: For, a: For, b: For) -> bool:
        """Are they not too many arrays? What only the loop itself would read is none."""
        every = [t for s in (a, b) for t in everywhere((s,))]
        elsewhere = self.loads - Counter(self.root(t.buffer) for t in every if isinstance(t, Load))
        read = {self.root(t.buffer) for t in everywhere((whole,)) if isinstance(t, Load)}
        live = [x for x in {*map(self.root, buffers(whole))} if x in read or elsewhere[x]]
        return len(live) <= MANY


def clash(a: Uses, b: Uses) -> bool:
    """Do they touch something that one of them writes?"""
    return any(not x.how == y.how == "get" for key in a.keys() & b.keys() for x in a[key] for y in b[key])


def alike(a: Stmt, b: Stmt) -> bool:
    """Loops over one range, in one direction."""
    return isinstance(a, For) and isinstance(b, For) and (a.hi, a.lo, a.reverse) == (b.hi, b.lo, b.reverse)


def plain(s: For) -> bool:
    every = list(everywhere((s,)))
    special = (t.parallel or t.dealt or t.blocks or t.note for t in every if isinstance(t, For))
    return all(isinstance(t, PLAIN) for t in every) and not any(special)


def buffers(s: Stmt) -> set[Buffer]:
    return {t.buffer for t in everywhere((s,)) if isinstance(t, (Load, Store))}


def loops(s: Stmt) -> int:
    """How many loops without loops within."""
    return sum(isinstance(t, For) and innermost(t) for t in everywhere((s,)))


def innermost(s: For) -> bool:
    return not any(isinstance(t, For) for t in everywhere(s.body))


def met(s: For) -> set[tuple[Buffer, Index]]:
    return {(t.buffer, t.index) for t in everywhere(s.body) if isinstance(t, (Load, Store))}


def cells(s: For) -> set[tuple[Buffer, Index]]:
    """The cells that differ from one iteration to the next."""
    return {c for c in met(s) if s.index in dim_vars(*c[1])}


def keeps_sums(whole: For, a: For, b: For, within: bool) -> bool:
    """Are float32 sums that would run in strips still such sums?"""
    sums = {v for s in (a, b) if pays(s, within) for v in narrow_sums(s)}
    return not sums or (pays(whole, within) and sums <= set(narrow_sums(whole)))
