"""Which statements of a block work row by row along one axis, and which of these can run together, a block of rows at a time.

    works(block, d)     the statements with their stages: those by rows with one number can run together

Note [Blocks of rows]

A statement S works *by rows* along an axis of length n if it is a sequence S(0), ..., S(n-1): a nest over the rows, a product
`A[n, k] @ W`, which makes row i of its result from row i of A, and a product `A[n, k].T @ G[n, m]`, a sum over the rows of
terms A[i].T G[i]. Then

    for i: S(i); for i: T(i)       and       for blocks I of rows, upwards: { for i in I: S(i); for i in I: T(i) }

are the same if T(i) and S(i') commute for i < i', since no other pair changes its order (those of one statement keep theirs).
They do if of every cell that both touch one of these holds:

    neither writes it (a weight);
    it belongs to a row, and either touches rows with its own number only: then for i < i' there is no such cell;
    both only add to it, in one way (a sum over all rows): equal up to rounding.

Otherwise T runs in a later group: after a mean over all rows, for one. What is no work by rows runs between the groups, as soon
as what it depends on has run. So each dependence, a pair of statements that do not commute, goes from a stage to the same stage
(where the order of the text is kept) or to a later one:

    by rows -> by rows         same stage if they commute as above, else two later
    by rows -> other           one later
    other   -> by rows         one later
    other   -> other           same stage

What may raise an error depends on all that stands before it, and all that stands behind depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..ir.core import INTS, Var, dim_of
from ..ir.dims import DimLike, symbols
from .plan import (
    Alloc,
    Block,
    Buffer,
    Call,
    Check,
    For,
    Grow,
    If,
    Index,
    Load,
    Reshape,
    Scalar,
    Set,
    Stmt,
    Store,
    Update,
    Window,
    everywhere,
)  # fmt: skip
from .races import NEUTRAL, SAFE_CALLS
from .tidy import makes, reads


@dataclass(frozen=True)
class Use:
    """`how`: "get", as in a Store, or "sum": set to a sum over all rows. `row`: only cells of the row that is worked on."""

    how: str
    row: bool = False


GET, PUT, SUM = Use("get"), Use("="), Use("sum")
Touched = Buffer | Var
Uses = Mapping[Touched, frozenset[Use]]


@dataclass(frozen=True, eq=False)
class Work:
    """What a statement touches; `stage`: when it can run."""

    s: Stmt
    rows: bool
    uses: Uses
    stage: int


def works(block: Block, d: DimLike) -> list[Work]:
    """The statements of a block with their stages, along an axis of length d."""
    names = Names.of(block)
    done: dict[Touched, list[Work]] = {}
    out: list[Work] = []
    least = 0
    for s in block:
        found = names.by_rows(s, d)
        uses = names.uses(s) if found is None else found
        rows = found is not None
        raises = found is None and may_raise(s)
        before = out if raises else [w for key in uses for w in done.get(key, ()) if depends(w, uses, key)]
        near = {id(w): _distance(w, rows, uses) for w in before}
        stage = max([least + rows, *[w.stage + near[id(w)] for w in before]])
        work = Work(s, rows, uses, stage)
        out.append(work)
        for key in uses:
            done.setdefault(key, []).append(work)
        if raises:
            least = stage
    return out


def depends(earlier: Work, uses: Uses, key: Touched) -> bool:
    """Do they touch something that one of them writes?"""
    return any(not x.how == y.how == "get" for x in earlier.uses[key] for y in uses[key])


def _distance(earlier: Work, rows: bool, uses: Uses) -> int:
    if earlier.rows and rows:
        return 0 if all(commute(earlier.uses[key], uses[key]) for key in uses if key in earlier.uses) else 2
    return 1 if earlier.rows or rows else 0


def commute(earlier: frozenset[Use], later: frozenset[Use]) -> bool:
    """Note [Blocks of rows]: of what both touch, may other rows come first?"""
    return all(
        x.how == y.how == "get" or (x.row and y.row) or (x.how == y.how and x.how in NEUTRAL) for x in earlier for y in later
    )


def may_raise(s: Stmt) -> bool:
    return any(isinstance(t, (Check, Grow)) or (isinstance(t, Call) and t.name not in SAFE_CALLS) for t in everywhere((s,)))


# ---- what a statement touches

MATMUL_ADD = "matmul_add"  # a product that is added to what stands in its result, but for the first block
PLAIN = (Scalar, Load, Store, Set, Update, For, If)


@dataclass(frozen=True, eq=False)
class Names:
    """`roots`: of memory with several names, the first one. `outer`: scalars that are known outside of loops."""

    roots: Mapping[Buffer, Buffer]
    outer: frozenset[Var]

    @staticmethod
    def of(block: Block) -> Names:
        roots: dict[Buffer, Buffer] = {}
        for s in everywhere(block):
            if isinstance(s, Reshape):
                root = roots.setdefault(s.source.buffer, s.source.buffer)
                roots[s.buffer] = root
        outer = {v for s in block if not isinstance(s, For) for t in everywhere((s,)) for v in makes(t)}
        return Names(roots, frozenset(outer))

    def uses(self, s: Stmt, index: Var | None = None) -> Uses:
        """`index`: the row on which the statement works."""
        found: dict[Touched, set[Use]] = {}
        for t in everywhere((s,)):
            for how, buffer, at in accesses(t):
                row = index is not None and self.own(buffer, at, index)
                found.setdefault(self.roots.get(buffer, buffer), set()).add(Use(how, row))
            for v in reads(t):
                found.setdefault(v, set()).add(GET)
            for v in makes(t):
                found.setdefault(v, set()).add(PUT)
            if isinstance(t, Update):
                found.setdefault(t.out, set()).add(Use(t.how))
        loop = isinstance(s, For)
        return {k: frozenset(u) for k, u in found.items() if not loop or k in self.outer or isinstance(k, Buffer)}

    def own(self, b: Buffer, at: Index, index: Var) -> bool:
        """Does this lie in the row of that number, by the only name of the memory?"""
        return b not in self.roots and bool(at) and at[0] == dim_of(index)

    def by_rows(self, s: Stmt, d: DimLike) -> Uses | None:
        """What it touches if it works by rows."""
        rule = BY_ROWS.get(type(s))
        return rule(self, s, d) if rule is not None else None

    def nest(self, s: For, d: DimLike) -> Uses | None:
        every = list(everywhere((s,)))
        serial = not any(isinstance(t, For) and (t.parallel or t.dealt) for t in every)
        plain = all(isinstance(t, PLAIN) or (isinstance(t, Call) and t.name == "matmul") for t in every)
        return self.uses(s, s.index) if plain and serial and not s.reverse and s.lo == 0 and s.hi == d else None

    def product(self, s: Call, d: DimLike) -> Uses | None:
        if s.name != "matmul" or any(not isinstance(w, Window) or not self.whole(w) for w in (*s.ins, *s.outs)):
            return None
        sums = over_rows(s, d)
        if sums is None:
            return None
        a, b = (w.buffer for w in s.ins)  # type: ignore[union-attr]
        given = [(a, "row"), (b, "row" if sums else "all")]
        found: dict[Touched, frozenset[Use]] = {}
        for buffer, which in given:
            found[buffer] = found.get(buffer, frozenset()) | {Use("get", which == "row")}
        found[s.outs[0].buffer] = frozenset({SUM if sums else Use("=", True)})
        return found

    def whole(self, w: Window) -> bool:
        return w.whole and w.buffer not in self.roots


def over_rows(s: Call, d: DimLike) -> bool | None:
    """Of a product of matrices or vectors of floats: is it a sum over rows (True), of one result for each row (False), or
    neither (None)?"""
    (a, b), (ta, tb) = s.ins, s.flags
    if a.buffer.type.dtype in INTS:  # type: ignore[union-attr]
        return None
    left, right = a.shape, b.shape  # type: ignore[union-attr]
    if left[0] == d and len(left) == 2 and not ta:
        return False
    summed = left[0] == d and (len(left) == 1 or ta) and right[0] == d and (len(right) == 1 or not tb)
    return True if summed else None


BY_ROWS: dict[type, Callable[[Names, Any, DimLike], Uses | None]] = {For: Names.nest, Call: Names.product}


def accesses(s: Stmt) -> Iterator[tuple[str, Buffer, Index]]:
    """How, which buffer, below which leading index."""
    if isinstance(s, Load):
        yield "get", s.buffer, s.index
    elif isinstance(s, Store):
        yield s.how, s.buffer, s.index
    elif isinstance(s, (Alloc, Grow)):
        yield "=", s.buffer, ()
    elif isinstance(s, Reshape):
        yield "get", s.source.buffer, ()
        yield "=", s.buffer, ()
    elif isinstance(s, Call):
        for how, windows in (("get", s.ins), ("=", s.outs)):
            for w in windows:
                if isinstance(w, Window):
                    yield "sum" if how == "=" and s.name == MATMUL_ADD else how, w.buffer, w.prefix


# ---- what was made of it


def clash(loop: For) -> str:
    """Note [Blocks of rows], asked of a loop over blocks: what do its statements touch that another block may not touch in
    between? \"\": nothing."""
    views: dict[Touched, Touched] = {s.buffer: s.source.buffer for s in loop.body if isinstance(s, Reshape)}
    moving = {s.source.buffer for s in loop.body if isinstance(s, Reshape) and s.source.offset != 0}
    size = {v for s in loop.body if isinstance(s, Set) for v in s.outs}
    found: dict[Touched, list[tuple[int, Use]]] = {}
    for k, s in enumerate(loop.body):
        for key, use in () if isinstance(s, Reshape) else _touches(s, size):
            found.setdefault(views.get(key, key), []).append((k, use))
    for key, uses in found.items():
        hows = {u.how for _, u in uses}
        alone = len({k for k, _ in uses}) == 1 or (len(hows) == 1 and hows <= NEUTRAL) or hows == {"get"}
        begins = uses[0][1].how == "="
        by_rows = isinstance(key, Buffer) and all(u.row for _, u in uses) and (begins or key in moving)
        if not (alone or by_rows or (isinstance(key, Var) and begins)):
            return f"blocks of rows meet in `{key.hint}`"
    return ""


def _touches(s: Stmt, size: Collection[Var]) -> Iterator[tuple[Touched, Use]]:
    """In the order of the text, with the rows of the block that is worked on."""
    loops = [t for t in everywhere((s,)) if isinstance(t, For)]
    rows = {dim_of(t.index) for t in loops if any(v in size for v in symbols(t.hi))}
    for t in everywhere((s,)):
        yield from ((v, GET) for v in reads(t))
        parts = {b for w in (*t.ins, *t.outs) for b in _part(w, size)} if isinstance(t, Call) else set()
        for how, buffer, at in accesses(t):
            yield buffer, Use(how, bool(at) and at[0] in rows or buffer in parts)
        yield from ((v, PUT) for v in makes(t))
        if isinstance(t, Update):
            yield t.out, Use(t.how)


def _part(w: Any, size: Collection[Var]) -> Iterator[Buffer]:
    """The buffer of which a window is the rows of the block."""
    if isinstance(w, Window) and not w.prefix and w.shape and any(s in size for s in symbols(w.shape[0])):
        yield w.buffer
