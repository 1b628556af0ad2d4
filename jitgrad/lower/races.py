"""May the iterations of a loop of a plan run at the same time?

    judge(loop, outside) -> Verdict

They may if of every cell of memory that two of them touch neither writes it, if no scalar is handed from one to the next, and
if none may raise. What only adds to a scalar (or to cells of an array that others add to as well) does not forbid it: each
thread can do so in memory of its own. What an iteration allocates is its own.

That two cells differ is proven of their indices (`ir/affine.py`): the cells of an iteration i and of a later one, whose index
is a symbol from i + 1 on. What is computed in the iterations is a symbol of its own in each, about which nothing is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..ir.affine import differ, ranged, unknown
from ..ir.core import I64, Atom, Size, Var, atom_of, swap_dim
from ..ir.dims import DimLike, combine, form, of_symbol, symbols
from .plan import (
    Alloc,
    Block,
    Buffer,
    Call,
    Check,
    For,
    Grow,
    If,
    Load,
    Reshape,
    Scalar,
    Set,
    Stmt,
    Store,
    Update,
    While,
    Window,
    blocks,
    everywhere,
)  # fmt: skip
from .pull import scalars_of
from .tidy import makes, reads

Ranges = dict[Any, tuple[DimLike, DimLike]]
Roots = Mapping[Buffer, Window]

SAFE_CALLS = frozenset({"matmul", "matmul_add", "row_blocks", "solve_triangular"})  # library routines that raise nothing


@dataclass(frozen=True)
class Verdict:
    """`why`: what forbids it, in the user's names; "" if nothing. The scalars and arrays that every iteration may add to, and
    how (an `Update`, a `Store`)."""

    why: str = ""
    scalars: Mapping[Var, str] = field(default_factory=dict)
    arrays: Mapping[Buffer, str] = field(default_factory=dict)


def judge(loop: For, outside: Collection[Var], roots: Roots, ranges: Mapping[Any, tuple[DimLike, DimLike]]) -> Verdict:
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
        clash = _clash(now, then, then[0].ranges)
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


@dataclass(frozen=True)
class Touch:
    """A cell, or some cells, of a buffer. `direct`: by its own name, not by that of a part of it."""

    how: str  # "get", or as in a Store
    cell: tuple[DimLike, ...] | None  # None: any
    name: str
    direct: bool
    ranges: Ranges


def _touches(loop: For, roots: Roots, ranges: Mapping[Any, Any]) -> dict[Buffer, tuple[list[Touch], list[Touch]]]:
    """What an iteration and a later one do to each buffer that is written and not their own."""
    known: Ranges = {**ranges, loop.index: (loop.lo, loop.hi)}
    now = _Look(roots, known, {})
    later = {loop.index: behind(loop.index, loop.hi, known)}
    later.update((s.index, behind(s.index, s.dealt[1], known)) for s in everywhere(loop.body) if isinstance(s, For) and s.dealt)
    then = _Look(roots, known, later)
    for look in (now, then):
        look.block(loop.body)
    own = {s.buffer for s in everywhere(loop.body) if isinstance(s, Alloc)}
    written = dict.fromkeys(b for b, ts in now.found.items() if b not in own and any(t.how != "get" for t in ts))
    return {b: (now.found[b], then.found[b]) for b in written}


def behind(index: Var, hi: DimLike, ranges: Ranges) -> DimLike:
    """The index of any iteration that comes after that of `index`."""
    return ranged(ranges, combine(of_symbol(index), 1, 1), hi)


class _Look:
    """Collects what the statements of one iteration touch."""

    def __init__(self, roots: Roots, ranges: Ranges, later: Mapping[Var, DimLike]) -> None:
        self.roots, self.ranges = roots, ranges
        self.env: dict[Var, Any] = {v: atom_of(d) for v, d in later.items()}
        self.fixed = set(later)
        self.found: dict[Buffer, list[Touch]] = {}

    def block(self, block: Block) -> None:
        for s in everywhere(block):
            for v in makes(s):
                if v.type == I64 and v not in self.env and not (isinstance(s, For) and s.dealt):
                    self.env[v] = atom_of(unknown())
        self.statements(block)

    def statements(self, block: Block) -> None:
        for s in block:
            if isinstance(s, For) and not s.dealt:
                self.env[s.index] = atom_of(ranged(self.ranges, self.dim(s.lo), self.dim(s.hi)))
            elif isinstance(s, For) and s.dealt and s.index not in self.fixed:
                self.ranges[s.index] = s.dealt
            for how, buffer, prefix, rest in _accesses(s):
                self.touch(how, buffer, prefix, rest)
            for _, inner in blocks(s):
                self.statements(inner)

    def dim(self, d: DimLike) -> DimLike:
        return swap_dim(d, self.env)

    def touch(self, how: str, buffer: Buffer, prefix: Sequence[DimLike] | None, rest: Sequence[DimLike]) -> None:
        name = buffer.hint if prefix is None else shown(buffer, (*prefix, *[":"] * len(rest)))
        direct = buffer not in self.roots
        while buffer in self.roots:
            w = self.roots[buffer]
            buffer, prefix, rest = w.buffer, w.prefix, w.shape
        inner = [ranged(self.ranges, 0, self.dim(n)) for n in rest[1:]]
        below = [unknown(), *inner] if rest else []  # from where on, is not said
        cell = None if prefix is None else (*map(self.dim, prefix), *below)
        self.found.setdefault(buffer, []).append(Touch(how, cell, name, direct, self.ranges))


def _accesses(s: Stmt) -> Iterator[tuple[str, Buffer, Sequence[DimLike] | None, Sequence[DimLike]]]:
    """How, which buffer, the leading index (None: anywhere), and the sizes of the axes below it."""
    if isinstance(s, Load):
        yield "get", s.buffer, s.index, ()
    elif isinstance(s, Store):
        yield s.how, s.buffer, s.index, ()
    elif isinstance(s, Grow):
        yield "=", s.buffer, None, ()
    elif isinstance(s, Call):
        for how, windows in (("get", s.ins), ("=", s.outs)):
            for w in windows:
                if isinstance(w, Window):
                    yield how, w.buffer, w.prefix, w.shape


def _clash(now: Sequence[Touch], then: Sequence[Touch], ranges: Ranges) -> tuple[Touch, Touch] | None:
    for x in now:
        for y in then:
            if x.how == y.how == "get":
                continue
            if x.cell is None or y.cell is None or not differ(x.cell, y.cell, ranges):
                return x, y
    return None


def _told(x: Touch, y: Touch) -> str:
    if "get" in (x.how, y.how):
        read, written = (x, y) if x.how == "get" else (y, x)
        return f"an iteration may read {read.name} where another writes {written.name}"
    if x.name == y.name:
        return f"{x.name} may be written by two iterations"
    return f"{x.name} and {y.name} may be one cell, written by two iterations"


def shown(buffer: Buffer, index: Iterable[Any]) -> str:
    parts = [d if isinstance(d, str) else form(d, lambda s: getattr(s, "hint", None) or repr(s)) for d in index]
    return f"{buffer.hint}[{', '.join(parts)}]"


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


def other_names(body: Block) -> dict[Buffer, Window]:
    """Memory that has another name."""
    return {s.buffer: s.source for s in everywhere(body) if isinstance(s, Reshape)}
