"""Plan -> Plan: loops around a ring begin where all seams are at their beginning.

    for i in 0..n:                                        for j in 0..n:
        r = i + 1 if i + 1 < n else i + 1 - n      ->         i = j - 1 + n if j - 1 < 0 else j - 1
        l = i - 1 + n if i - 1 < 0 else i - 1                 l = j - 2 + n if j - 2 < 0 else j - 2
        y[i] = x[r] - x[l]                                    y[i] = x[j] - x[l]

LLVM takes the first iterations, where `j - 2 < 0`, out of the loop, and what is left reads and stores neighbouring cells. A seam
at the end stays in the loop: each vector is collected cell by cell, which takes longer than all the rest.
"""

# For 0 <= i < n and |d| <= n, let i (+) d be i + d modulo n, in 0..n. With c the largest d of a body and i = j (+) (-c),
#
#     i (+) d = j (+) (d - c),     d - c <= 0,
#
# and while j runs through 0..n so does i, in another order: it begins with n - c. So the iterations must be free to run in any
# order, sums apart, which are in the order of no one. j (+) e is `j + e + n if j + e < 0 else j + e` as long as -e <= n, which
# is to be proven: n is at least so large.

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TypeGuard

from ..ir.affine import at_least
from ..ir.core import I64, Var, atom_of, dim_of
from ..ir.dims import DimLike, combine, of_symbol
from .joined import Scope, innermost, plain
from .merge import renamed
from .plan import BLOCKS, Block, Buffer, For, Plan, Scalar, Stmt, Window, everywhere, map_blocks
from .races import judge
from .tidy import pruned
from .touches import other_names

FARTHEST = 6  # iterations that LLVM takes out of the beginning of a loop

Windows = Mapping[Buffer, Window]


def turned(plan: Plan) -> Plan:
    if not any(_chooses(s) for s in everywhere(plan.body)):
        return plan
    scope = Scope(frozenset(v for v in plan.params if isinstance(v, Var)))
    return pruned(replace(plan, body=_block(other_names(plan.body), plan.body, scope)))


def _chooses(s: Stmt) -> TypeGuard[Scalar]:
    return isinstance(s, Scalar) and s.op.name == "where" and s.out.type == I64


def _block(windows: Windows, block: Block, scope: Scope) -> Block:
    scope = scope.of(block)
    inside = [map_blocks(s, partial(_block, windows, scope=scope.inside(s))) if type(s) in BLOCKS else s for s in block]
    return tuple(_turn(s, scope, windows) if isinstance(s, For) else s for s in inside)


def _turn(s: For, scope: Scope, windows: Windows) -> For:
    steps = steps_of(s)
    c = max(steps.values(), default=0)
    farthest = c - min(0, min(steps.values(), default=0))
    if c <= 0 or farthest > min(FARTHEST, at_least(s.hi, scope.ranges) or 0):
        return s
    verdict = judge(s, scope.given(s), windows, scope.ranges)
    if verdict.why or verdict.arrays:
        return s
    j = Var(I64, "j")
    some = next(t for t in s.body if _chooses(t) and t.out in steps)
    out: list[Stmt] = [*_around(j, -c, s.hi, replace(some, out=s.index, where=None), s)]
    for t in s.body:
        if _chooses(t) and t.out in steps:
            out += _around(j, steps[t.out] - c, s.hi, t, s)
        else:
            out.append(t)
    same = {v: j for v, d in steps.items() if d == c}
    return replace(s, index=j, body=tuple(renamed(t, same) for t in out))


def steps_of(s: For) -> dict[Var, int]:
    """What a body, that of a plain loop through all of 0..n, makes by so many steps around the ring of n cells."""
    if s.lo != 0 or s.reverse or not innermost(s) or not plain(s):
        return {}
    tests = {t.out: t for t in s.body if isinstance(t, Scalar) and t.op.name == "lt"}
    found = {t.out: _step(t, tests, s) for t in s.body if _chooses(t)}
    return {v: d for v, d in found.items() if d is not None}


def _step(t: Scalar, tests: Mapping[Var, Scalar], s: For) -> int | None:
    """The d of `i + d if i + d < n else i + d - n`, or of `i + d + n if i + d < 0 else i + d`."""
    test, then, other = t.args
    if not isinstance(test, Var) or test not in tests:
        return None
    (x, limit), a, b = map(dim_of, tests[test].args), dim_of(then), dim_of(other)
    d = combine(x, of_symbol(s.index), -1)
    if not isinstance(d, int):
        return None
    above = d > 0 and limit == s.hi and a == x and b == combine(x, s.hi, -1)
    below = d < 0 and limit == 0 and a == combine(x, s.hi, 1) and b == x
    return d if above or below else None


def _around(j: Var, e: int, n: DimLike, like: Scalar, s: For) -> list[Stmt]:
    """`like.out` = j (+) e, by statements like those that were there; nothing for j itself."""
    if e == 0:
        return []
    less = next(t for t in s.body if isinstance(t, Scalar) and t.out is like.args[0])
    x = combine(of_symbol(j), e, 1)
    test = Var(less.out.type, less.out.hint)
    return [
        replace(less, out=test, args=(atom_of(x), atom_of(0))),
        replace(like, args=(test, atom_of(combine(x, n, 1)), atom_of(x))),
    ]


__all__ = ["turned"]
