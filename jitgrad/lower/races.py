"""May the iterations of a loop of a plan run at the same time?

    judge(loop, outside) -> Verdict

They may if of every cell of memory that two of them touch neither writes it, if no scalar is handed from one to the next, and
if none may raise. What only adds to a scalar (or to cells of an array that others add to as well) does not forbid it: each
thread can do so in memory of its own. What an iteration allocates is its own.

That two cells differ is proven of their indices: the cells of an iteration i and of a later one (`touches.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..ir.core import Atom, Size, Var
from ..ir.dims import combine, of_symbol, symbols
from .plan import Alloc, Block, Buffer, Call, Check, For, If, Scalar, Set, Stmt, Update, While, blocks, everywhere
from .pull import scalars_of
from .tidy import makes, reads
from .touches import Look, Ranges, Roots, Touch, behind, meeting

SAFE_CALLS = frozenset({"matmul", "matmul_add", "row_blocks", "solve_triangular"})  # library routines that raise nothing


@dataclass(frozen=True)
class Verdict:
    """`why`: what forbids it, in the user's names; "" if nothing. The scalars and arrays that every iteration may add to, and
    how (an `Update`, a `Store`)."""

    why: str = ""
    scalars: Mapping[Var, str] = field(default_factory=dict)
    arrays: Mapping[Buffer, str] = field(default_factory=dict)


def judge(loop: For, outside: Collection[Var], roots: Roots, ranges: Ranges) -> Verdict:
    """`outside`: the scalars that are mentioned elsewhere. `roots`: other names for memory. `ranges`: of the indices around."""
    why = _raises(loop.body)
    if why:
        return Verdict(why)
    scalars = {}
    for v in dict.fromkeys(v for s in everywhere(loop.body) for v in makes(s) if v in outside):
        how = accumulation(loop.body, v)
        if how is None:
            return Verdict(f"`{v.hint}` is handed from one iteration to the next")
        scalars[v] = how
    arrays: dict[Buffer, str] = {}
    for buffer, (now, then) in _touches(loop, roots, ranges).items():
        clash = meeting(now, then, then[0].ranges)
        if clash is None:
            continue
        hows = {t.how for t in now}
        if len(hows) > 1 or not hows <= NEUTRAL or not all(t.direct for t in now):
            return Verdict(_told(*clash))
        arrays[buffer] = hows.pop()
    return Verdict("", scalars, arrays)


NEUTRAL = {"+", "*", "max", "min", "or", "and"}  # of these sums begin with a neutral value


def _raises(block: Block) -> str:
    for s in everywhere(block):
        if isinstance(s, Call) and s.name not in SAFE_CALLS:
            return f"`{s.name}` may raise an error"
        if isinstance(s, While) and any(isinstance(t, Check) for t in everywhere((s,))):
            return "an error may be raised within a `while`"
    return ""


# ---- memory


def _touches(loop: For, roots: Roots, ranges: Mapping[Any, Any]) -> dict[Buffer, tuple[list[Touch], list[Touch]]]:
    """What an iteration and a later one do to each buffer that is written and not their own."""
    known: Ranges = {**ranges, loop.index: (loop.lo, loop.hi)}
    now = Look(roots, known, {})
    later = {loop.index: behind(loop.index, loop.hi, known)}
    later.update((s.index, behind(s.index, s.dealt[1], known)) for s in everywhere(loop.body) if isinstance(s, For) and s.dealt)
    then = Look(roots, known, later)
    for look in (now, then):
        look.block(loop.body)
    own = {s.buffer for s in everywhere(loop.body) if isinstance(s, Alloc)}
    written = dict.fromkeys(b for b, ts in now.found.items() if b not in own and any(t.how != "get" for t in ts))
    return {b: (now.found[b], then.found[b]) for b in written}


def _told(x: Touch, y: Touch) -> str:
    if "get" in (x.how, y.how):
        read, written = (x, y) if x.how == "get" else (y, x)
        return f"an iteration may read {read.name} where another writes {written.name}"
    if x.name == y.name:
        return f"{x.name} may be written by two iterations"
    return f"{x.name} and {y.name} may be one cell, written by two iterations"


# ---- scalars

# op -> how it sums, and which of its arguments may be the sum so far
SUMS: dict[str, tuple[str, tuple[int, ...]]] = {
    "add": ("+", (0, 1)), "sub": ("+", (0,)), "mul": ("*", (0, 1)), "maximum": ("max", (0, 1)), "minimum": ("min", (0, 1)),
    "and": ("and", (0, 1)), "or": ("or", (0, 1)),
}  # fmt: skip


class _Seen(Exception):
    """The sum is used, or set, by what does not add to it."""


def accumulation(body: Block, v: Var) -> str | None:
    """How the body adds to a scalar, if it does nothing else with it."""
    sum_ = _Sum()
    try:
        end = sum_.block(body, v)
    except _Seen:
        return None
    mentions = Counter(x for s in everywhere(body) for x in (*reads(s), *makes(s)))
    return sum_.how if end is v and all(mentions[x] == n for x, n in sum_.steps.items()) else None


class _Sum:
    """Follows the sum through the variables that hold it. `steps`: how often each is mentioned on the way."""

    def __init__(self) -> None:
        self.how: str | None = None
        self.steps: Counter[Var] = Counter()

    def block(self, block: Block, v: Var) -> Var:
        for s in block:
            step = _STEPS.get(type(s))
            if any(True for _ in blocks(s)):
                v = self.inner(s, v)
            elif v in reads(s) or v in makes(s):
                if step is None:
                    raise _Seen
                v = step(self, s, v)
        return v

    def inner(self, s: Stmt, v: Var) -> Var:
        if v in reads(s) or v in makes(s):
            raise _Seen
        ends = {self.block(b, v) for _, b in blocks(s)}
        if len(ends) > 1 or (not isinstance(s, If) and ends != {v}):
            raise _Seen
        return ends.pop()

    def sums(self, how: str) -> None:
        if self.how not in (None, how):
            raise _Seen
        self.how = how

    def scalar(self, s: Scalar, v: Var) -> Var:
        how, places = SUMS.get(s.op.name, ("", ()))
        at = [k for k, a in enumerate(s.args) if v in scalars_of(a)]
        if len(at) != 1 or at[0] not in places or s.args[at[0]] is not v:
            raise _Seen
        self.sums(how)
        self.steps.update((v, s.out))
        return s.out

    def set(self, s: Set, v: Var) -> Var:
        at = [k for k, a in enumerate(s.values) if v in scalars_of(a)]
        if len(at) != 1 or not self.grows(s.values[at[0]], v):
            raise _Seen
        self.steps.update((v, s.outs[at[0]]))
        return s.outs[at[0]]

    def grows(self, a: Atom, v: Var) -> bool:
        """v itself, or an integer sum v + ..."""
        if a is v:
            return True
        rest = combine(a.dim, of_symbol(v), -1) if isinstance(a, Size) else of_symbol(v)
        if v in symbols(rest):
            return False
        self.sums("+")
        return True

    def update(self, s: Update, v: Var) -> Var:
        if s.out is not v or v in reads(s):
            raise _Seen
        self.sums(s.how)
        self.steps.update((v,))
        return v


_STEPS: dict[type, Callable[[_Sum, Any, Var], Var]] = {Scalar: _Sum.scalar, Set: _Sum.set, Update: _Sum.update}
