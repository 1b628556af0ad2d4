"""Plan -> Plan: threads share the iterations of the loops of which the user asks it (`numba.prange`), where that provably
changes nothing but the rounding of sums. Where it might, the loop stays what it is, and a note says why.

    for i in 0..n { v[i] = f(u, i) }     ->     parallel for i in 0..n { v[i] = f(u, i) }

Where iterations add to one scalar or array, allocate scratch memory or may raise, each thread has a chunk of the iterations
(Note [Chunks]). Within a parallel loop all others run as they are written.

Note [Chunks]

    for i in 0..n { s += g(i); u[k(i)] += h(i); check p(i) }
->
    parallel for c in 0..chunks {
        s_c = 0; u_parts[c, :] = 0; bad = 0
        for i in n*c//chunks..n*(c + 1)//chunks { unless bad { s_c += g(i); u_parts[c, k(i)] += h(i); unless p(i), bad = 1 } }
        s_parts[c] = s_c; bads[c] = bad
    }
    for c in 0..chunks { check bads[c] != 1; s += s_parts[c]; u[:] += u_parts[c, :] }

There are as many chunks as threads, or fewer, if filling and adding up the copies of an array would be more work than the
loop. The sums depend on the number of chunks by their rounding alone. An error is not raised where it is found, since an
exception does not leave a thread: the chunk does nothing more, and of the first chunk that found one it is raised after the
loop. That is the error of the first iteration that has one, as if these had run one after the other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ..ir.core import I64, Lit, Type, Var, atom_of, swap_dim
from ..ir.dims import DimLike, combine, largest, of_symbol, opaque, smallest, symbols, trips
from .additions import additions
from .defer import Guard, fewer, raised, unless
from .merge import renamed
from .plan import (
    Alloc,
    Block,
    Buffer,
    Call,
    Check,
    For,
    Load,
    Plan,
    Set,
    Stmt,
    Store,
    Update,
    Window,
    blocks,
    everywhere,
    map_blocks,
)  # fmt: skip
from .races import Verdict, judge
from .tidy import makes, reads, window_vars
from .touches import Ranges, other_names
from .write import filled, least

THREADS = "get_num_threads"


def parallelised(plan: Plan) -> Plan:
    if not is_parallel(plan):
        return plan
    return _Parallel(replace(plan, body=_added_to(plan.body, outside(plan), other_names(plan.body)))).run()


def _added_to(block: Block, total: Counter[Var], roots: dict[Buffer, Window]) -> Block:
    """With the additions of parallel loops in sight."""

    def inner(s: Stmt) -> Stmt:
        if isinstance(s, For) and s.parallel:
            return replace(s, body=additions(s.body, total, roots))
        return map_blocks(s, lambda b: tuple(map(inner, b)))

    return tuple(map(inner, block))


def is_parallel(plan: Plan) -> bool:
    return any(isinstance(s, For) and s.parallel for s in everywhere(plan.body))


def mentions(block: Block) -> Counter[Var]:
    return Counter(v for s in everywhere(block) for v in (*reads(s), *makes(s)))


def outside(plan: Plan) -> Counter[Var]:
    """How often each scalar is mentioned in a plan."""
    found = mentions(plan.body)
    found.update(v for r in plan.results for v in window_vars(r))
    return found


class _Parallel:
    def __init__(self, plan: Plan) -> None:
        self.plan, self.mentions, self.roots = plan, outside(plan), other_names(plan.body)
        self.threads = Var(I64, "threads")
        self.first: list[Stmt] = []  # what can be computed before everything else
        self.made = {v for s in everywhere(plan.body) for v in makes(s)}

    def run(self) -> Plan:
        body = self.block(self.plan.body, {})
        if any(self.threads in reads(s) for s in (*self.first, *everywhere(body))):
            self.first.insert(0, Call(THREADS, (), scalars=(self.threads,)))
        return replace(self.plan, body=(*self.first, *body))

    def block(self, block: Block, ranges: Ranges) -> Block:
        out: list[Stmt] = []
        for s in block:
            inside = {**ranges, s.index: (s.lo, s.hi)} if isinstance(s, For) else ranges
            if isinstance(s, For) and s.parallel:
                out += self.loop(s, ranges, inside)
            else:
                out.append(map_blocks(s, partial(self.block, ranges=inside)))
        return tuple(out)

    def loop(self, s: For, ranges: Ranges, inside: Ranges) -> Sequence[Stmt]:
        s = replace(s, body=additions(s.body, self.mentions, self.roots))
        mine = mentions((s,))
        verdict = judge(s, {v for v, n in self.mentions.items() if n > mine[v]}, self.roots, ranges)
        if verdict.why:
            return [replace(s, parallel=False, note=f"serial: {verdict.why}", body=self.block(s.body, inside))]
        s = replace(s, body=_serial(s.body), reverse=False)
        every = list(everywhere(s.body))
        if verdict.scalars or verdict.arrays or any(isinstance(t, (Alloc, Check)) for t in every):
            number, *rest = chunked(s, verdict, self.threads)
            if self.made & set(reads(number)):
                return [number, *rest]
            self.first.append(number)
            return rest
        return [s]


def _serial(block: Block) -> Block:
    return tuple(
        replace(t, parallel=False) if isinstance(t := map_blocks(s, _serial), For) and t.parallel else t for s in block
    )


# ---- chunks


def chunked(s: For, verdict: Verdict, threads: Var) -> list[Stmt]:
    """The loop in chunks, one for each thread."""
    c, chunks, bad = Var(I64, "c"), Var(I64, "chunks"), Var(I64, "bad")
    count, at = trips(s.lo, s.hi, 1), (of_symbol(c),)
    sums = {v: Var(v.type, v.hint) for v in verdict.scalars}
    shared: list[Any] = [*verdict.scalars, *verdict.arrays]
    parts = {v: _parts(v.type, v.hint, chunks) for v in shared}
    bads = Buffer(Type("i64", (of_symbol(chunks),)), "bad_parts")
    s = replace(s, body=fewer(s.body))
    guard = Guard.of(s.body, bad, verdict.scalars)
    body = unless(bad, guard.block(s.body)) if guard.checks else s.body
    body = _swapped(body, sums, {b: parts[b] for b in verdict.arrays}, c)
    begin: list[Stmt] = [Set((sums[v],), (neutral(v.type, how),)) for v, how in verdict.scalars.items()]
    for b, how in verdict.arrays.items():
        begin += filled(Window(parts[b], at, b.type.shape), b.type, neutral(b.type, how))
    bound = lambda k: combine(s.lo, opaque("floordiv", opaque("mul", count, k), of_symbol(chunks)), 1)
    dealt = replace(s, lo=bound(at[0]), hi=bound(at[0] + 1), body=body, parallel=False, dealt=(s.lo, s.hi))
    end: list[Stmt] = [Store(parts[v], at, x) for v, x in sums.items()]
    stored = [*parts.values()]
    if guard.checks:
        begin.append(Set((bad,), (Lit(0, I64),)))
        end.append(Store(bads, at, bad))
        stored.append(bads)
    return [
        Set((chunks,), (atom_of(how_many(s, count, threads, list(verdict.arrays))),)),
        *[Alloc(b) for b in stored],
        For(c, 0, of_symbol(chunks), (*begin, dealt, *end), parallel=True),
        *([raised(guard.checks, bads, chunks)] if guard.checks else []),
        *[added(v, how, parts[v], chunks) for v, how in (*verdict.scalars.items(), *verdict.arrays.items())],
    ]


def copies(block: Block) -> Iterator[tuple[For, Buffer]]:
    """The arrays of which each thread has a copy, and the loop that makes them. Their first axis is that of the copies."""
    for s in block:
        if isinstance(s, For) and s.parallel:
            yield from ((s, a.buffer) for a in block if isinstance(a, Alloc) and a.buffer.type.shape[:1] == (s.hi,))
        for _, inner in blocks(s):
            yield from copies(inner)


def _parts(t: Type, hint: str, chunks: Var) -> Buffer:
    return Buffer(Type(t.dtype, (of_symbol(chunks), *t.shape)), f"{hint}_parts")


def neutral(t: Type, how: str) -> Lit:
    """What changes nothing when it is added."""
    one = {"+": 0, "*": 1, "or": False, "and": True}
    x: Any = least(t.dtype, how) if how in ("max", "min") else one[how]
    return Lit(float(x) if t.is_real else x, t.element)


def _swapped(block: Block, sums: dict[Var, Var], parts: Mapping[Buffer, Buffer], c: Var) -> Block:
    """The statements, on the sums of the chunk."""

    def swap(s: Stmt) -> Stmt:
        if isinstance(s, Store) and s.buffer in parts:
            return replace(s, buffer=parts[s.buffer], index=(of_symbol(c), *s.index))
        return map_blocks(s, lambda b: tuple(map(swap, b)))

    return tuple(swap(renamed(s, sums)) for s in block)


def added(v: Any, how: str, parts: Buffer, chunks: Var) -> Stmt:
    """The sums of all chunks, one after the other."""
    c, t = Var(I64, "c"), Var(v.type.element, v.hint)
    axes = [Var(I64, h) for h in "ijklpq"[: v.type.rank]]
    index = tuple(map(of_symbol, axes))
    last: Stmt = Store(v, index, t, how) if isinstance(v, Buffer) else Update(v, how, t)
    block: Block = (Load(t, parts, (of_symbol(c), *index)), last)
    for a, d in zip(reversed(axes), reversed(v.type.shape), strict=True):
        block = (For(a, 0, d, block, nest=True),)
    return For(c, 0, of_symbol(chunks), block)


def how_many(s: For, count: DimLike, threads: Var, arrays: Sequence[Buffer]) -> DimLike:
    """Of a chunk, filling and adding up its arrays should be less work than its iterations."""
    few = smallest(of_symbol(threads), count)
    if arrays:
        cells: DimLike = 0
        for b in arrays:
            n: DimLike = 1
            for d in b.type.shape:
                n = opaque("mul", n, d)
            cells = combine(cells, n, 1)
        made = {v for t in everywhere(s.body) for v in makes(t)}
        middle = opaque("floordiv", combine(s.lo, s.hi, 1), 2)
        all_work = opaque("mul", count, work(s.body, {s.index: atom_of(middle)}, made))
        few = smallest(few, opaque("floordiv", all_work, largest(1, cells)))
    return largest(1, few)


def work(block: Block, env: Mapping[Var, Any], made: set[Var]) -> DimLike:
    """About how many statements run. The index of a loop counts as the middle of its range; a loop whose range is computed in
    the block counts as one iteration."""
    total: DimLike = 0
    for s in block:
        if isinstance(s, For):
            lo, hi = swap_dim(s.lo, env), swap_dim(s.hi, env)
            n = 1 if made & {*symbols(lo), *symbols(hi)} else trips(lo, hi, 1)
            middle = opaque("floordiv", combine(lo, hi, 1), 2)
            total = combine(total, opaque("mul", n, work(s.body, {**env, s.index: atom_of(middle)}, made)), 1)
        else:
            inner = [work(b, env, made) for _, b in blocks(s)]
            for n in inner or [1]:
                total = combine(total, n, 1)
    return total
