"""Errors of a loop whose iterations threads share: an exception does not leave a thread, so it is raised after the loop.

    check p; rest              ->    if p { rest } else { bad = 1 }
    for j in 0..m { ... }; rest    ->    for j in 0..m { unless bad { ... } }; unless bad { rest }      where a check is within
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ..ir.core import BOOL, I64, OPS, Atom, Lit, Var, zero_of
from ..ir.dims import of_symbol
from .plan import Block, Buffer, Check, For, If, Load, Scalar, Set, Stmt, everywhere, map_blocks
from .tidy import makes


def fewer(block: Block, known: frozenset[Atom] = frozenset()) -> Block:
    """Without the checks of what has been checked before."""
    out: list[Stmt] = []
    for s in block:
        if isinstance(s, Check):
            if s.predicate in known:
                continue
            known |= {s.predicate}
        out.append(map_blocks(s, partial(fewer, known=known)))
    return tuple(out)


@dataclass(frozen=True)
class Guard:
    """`bad`: the number of the check that failed, from 1. `made`: how often the body makes each scalar, and what it makes that
    has a value before."""

    checks: Sequence[Check]
    bad: Var
    made: Counter[Var]

    @staticmethod
    def of(body: Block, bad: Var, before: Iterable[Var]) -> Guard:
        found = Counter(v for s in everywhere(body) for v in makes(s))
        found.update([*before])
        return Guard([s for s in everywhere(body) if isinstance(s, Check)], bad, found)

    def block(self, block: Block) -> Block:
        """The statements, of which none runs once a check has failed."""
        out: list[Stmt] = []
        for k, s in enumerate(block):
            rest = block[k + 1 :]
            if isinstance(s, Check):
                found = Set((self.bad,), (Lit(self.checks.index(s) + 1, I64),))
                return (*out, If(s.predicate, self.block(rest), (found,)))
            if any(isinstance(t, Check) for t in everywhere((s,))):
                out += self.begun(s)
                s = map_blocks(s, self.block)
                if isinstance(s, For):
                    s = replace(s, body=unless(self.bad, s.body))
                return (*out, s, *(unless(self.bad, self.block(rest)) if rest else ()))
            out.append(s)
        return tuple(out)

    def begun(self, s: Stmt) -> list[Stmt]:
        """What a branch alone sets has a value, though the branch may be left before."""
        mine = Counter(v for t in everywhere((s,)) if isinstance(t, Set) for v in t.outs)
        return [Set((v,), (zero_of(v.type),)) for v, n in mine.items() if isinstance(s, If) and n == self.made[v]]


def unless(bad: Var, block: Block) -> Block:
    fine = Var(BOOL, "fine")
    return Scalar(fine, OPS["eq"], (bad, Lit(0, I64))), If(fine, block)


def raised(checks: Sequence[Check], bads: Buffer, chunks: Var) -> Stmt:
    """After the loop: the error of the first chunk that found one."""
    c, found = Var(I64, "c"), Var(I64, "bad")
    asked: list[Stmt] = []
    for k, s in enumerate(checks):
        fine = Var(BOOL, "fine")
        asked += [Scalar(fine, OPS["ne"], (found, Lit(k + 1, I64))), replace(s, predicate=fine)]
    return For(c, 0, of_symbol(chunks), (Load(found, bads, (of_symbol(c),)), *asked))
