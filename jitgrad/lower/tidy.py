"""Plan -> Plan: memory that nobody reads goes, with all that fills it; an axis along which a buffer is used by one iteration
at a time goes (`tidy`); allocations go out of loops (`hoisted`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ..ir.core import Type, Var, dim_of, zero_of
from ..ir.dims import DimLike, largest, symbols
from ..transform.keep import upper_bound
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
    Plan,
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
    map_blocks,
)  # fmt: skip
from .pull import scalars_of
from .write import filled


def tidy(plan: Plan, zeroed: set[Buffer]) -> Plan:
    """`zeroed`: the buffers that are to be allocated with zeros."""
    body = _zero(plan.body, zeroed) if zeroed else plan.body
    return narrowed(pruned(replace(plan, body=body)))


def _zero(block: Block, zeroed: set[Buffer]) -> Block:
    out = []
    for s in block:
        if isinstance(s, Alloc) and s.buffer in zeroed:
            s = replace(s, zero=True)
        out.append(map_blocks(s, lambda b: _zero(b, zeroed)))
    return tuple(out)


# ---- what a statement reads


def dim_vars(*dims: DimLike) -> Sequence[Var]:
    return [s for d in dims for s in symbols(d) if isinstance(s, Var)]


def window_vars(w: Any) -> Sequence[Var]:
    return dim_vars(*w.prefix, *w.shape, w.offset) if isinstance(w, Window) else scalars_of(w)


READS: dict[type, Callable[[Any], Sequence[Var]]] = {
    Scalar: lambda s: [v for a in s.args for v in scalars_of(a)],
    Load: lambda s: dim_vars(*s.index),
    Store: lambda s: [*dim_vars(*s.index), *scalars_of(s.value)],
    Set: lambda s: [v for a in s.values for v in scalars_of(a)],
    Update: lambda s: scalars_of(s.value),
    Alloc: lambda s: dim_vars(*s.buffer.type.shape),
    Reshape: lambda s: [*dim_vars(*s.buffer.type.shape), *window_vars(s.source)],
    For: lambda s: dim_vars(s.lo, s.hi),
    While: lambda s: scalars_of(s.go),
    If: lambda s: scalars_of(s.predicate),
    Call: lambda s: [v for w in (*s.ins, *s.outs) for v in window_vars(w)],
    Check: lambda s: scalars_of(s.predicate),
    Grow: lambda s: dim_vars(s.count),
}

MAKES: dict[type, Callable[[Any], tuple[Var, ...]]] = {
    Scalar: lambda s: (s.out,),
    Load: lambda s: (s.out,),
    Set: lambda s: s.outs,
    Update: lambda s: (s.out,),
    For: lambda s: (s.index,),
    Call: lambda s: s.scalars,
}


def reads(s: Stmt) -> Sequence[Var]:
    """The scalars that a statement reads itself (not those within)."""
    return READS[type(s)](s)


def makes(s: Stmt) -> tuple[Var, ...]:
    rule = MAKES.get(type(s))
    return rule(s) if rule else ()


def read_buffers(s: Stmt) -> Iterator[Buffer]:
    if isinstance(s, Load):
        yield s.buffer
    elif isinstance(s, Call):
        yield from (w.buffer for w in s.ins if isinstance(w, Window))


# ---- what nobody needs


SILENT = frozenset({"matmul"})  # routines that raise nothing: without use, they go


def pruned(plan: Plan) -> Plan:
    """Without stores to memory that is not read, and scalars that are not used; until nothing changes."""
    while True:
        buffers, scalars = _live(plan)
        body = _without(plan.body, buffers, scalars)
        if _size(body) == _size(plan.body):
            return plan
        plan = replace(plan, body=body)


def _size(block: Block) -> int:
    return sum(1 for _ in everywhere(block))


def _live(plan: Plan) -> tuple[set[Buffer], set[Var]]:
    every = list(everywhere(plan.body))
    buffers = {w.buffer for w in plan.results if isinstance(w, Window)}
    buffers |= {b for s in every for b in read_buffers(s)}
    buffers |= {s.source.buffer for s in every if isinstance(s, Reshape)}
    for s in every:  # another name for memory that lives: its stores count
        if isinstance(s, Reshape) and s.source.buffer in buffers:
            buffers.add(s.buffer)
    buffers |= {w.buffer for s in every if isinstance(s, Call) and s.name not in SILENT for w in s.outs}
    scalars = {v for r in plan.results for v in window_vars(r)}
    scalars |= {v for b in plan.sizes for v in dim_vars(b.rest)}
    scalars |= {v for s in every for v in reads(s)}
    return buffers, scalars


def _without(block: Block, buffers: set[Buffer], scalars: set[Var]) -> Block:
    out = []
    for s in block:
        if isinstance(s, (Alloc, Store, Grow, Reshape)) and s.buffer not in buffers:
            continue
        if isinstance(s, (Scalar, Load, Update)) and s.out not in scalars:
            continue
        if isinstance(s, Call) and s.name in SILENT and not any(w.buffer in buffers for w in s.outs):
            continue
        if isinstance(s, Set):
            kept = [k for k, v in enumerate(s.outs) if v in scalars]
            if not kept:
                continue
            s = Set(tuple(s.outs[k] for k in kept), tuple(s.values[k] for k in kept))
        s = map_blocks(s, lambda b: _without(b, buffers, scalars))
        if isinstance(s, (For, If)) and not any(b for _, b in blocks(s)):
            continue
        out.append(s)
    return tuple(out)


# ---- axes that nobody needs


def narrowed(plan: Plan) -> Plan:
    """Without the leading axis of each buffer that lives within the iterations of one loop, `t[i]` in `for i`."""
    while True:
        user: dict[Buffer, Any] = {}  # the index of the one loop in which it is used; None: no such loop
        _uses(plan.body, (), user)
        for r in plan.results:
            if isinstance(r, Window):
                user[r.buffer] = None
        swap = {b: Buffer(Type(b.type.dtype, b.type.shape[1:]), b.hint) for b, i in user.items() if i is not None}
        if not swap:
            return plan
        plan = replace(plan, body=_narrow(plan.body, swap))


def _uses(block: Block, loops: tuple[For, ...], user: dict[Buffer, Any]) -> None:
    for s in block:
        if isinstance(s, (Load, Store)):
            first = s.index[0]
            at = next((f for f in loops if not isinstance(first, int) and first == dim_of(f.index)), None)
            fits = at is not None and len(s.index) > 1 and not s.buffer.param
            loop = at if fits and (s.buffer not in user or user[s.buffer] is at) else None
            user[s.buffer] = loop
        elif isinstance(s, Call):
            user.update((w.buffer, None) for w in (*s.ins, *s.outs) if isinstance(w, Window))
        elif isinstance(s, Reshape):
            user.update({s.buffer: None, s.source.buffer: None})
        elif isinstance(s, Grow) or (isinstance(s, Alloc) and (s.zero or loops)):
            user[s.buffer] = None
        for _, inner in blocks(s):
            _uses(inner, (*loops, s) if isinstance(s, For) and s.nest else loops, user)


def _narrow(block: Block, swap: dict[Buffer, Buffer]) -> Block:
    out = []
    for s in block:
        if isinstance(s, Alloc) and s.buffer in swap:
            s = replace(s, buffer=swap[s.buffer])
        elif isinstance(s, (Load, Store)) and s.buffer in swap:
            s = replace(s, buffer=swap[s.buffer], index=s.index[1:])
        out.append(map_blocks(s, lambda b: _narrow(b, swap)))
    return tuple(out)


# ---- allocations


def hoisted(plan: Plan) -> Plan:
    """Every allocation outside of all loops that do not tell its size, but within the parallel loop; where a loop tells how
    long it is by its index alone, outside of it with the largest length."""
    hoist = _Hoist(by_cells(plan), {})
    body, _ = hoist.block(plan.body, set(), False)
    return replace(plan, body=_swapped(body, hoist.swap) if hoist.swap else body)


def by_cells(plan: Plan) -> set[Buffer]:
    """The buffers that are used cell by cell: nobody sees how long they are."""
    every = list(everywhere(plan.body))
    whole = {w.buffer for w in plan.results if isinstance(w, Window)}
    for s in every:
        if isinstance(s, Call):
            whole |= {w.buffer for w in (*s.ins, *s.outs) if isinstance(w, Window)}
        elif isinstance(s, Reshape):
            whole |= {s.buffer, s.source.buffer}
        elif isinstance(s, Grow):
            whole.add(s.buffer)
    return {s.buffer for s in every if isinstance(s, Alloc)} - whole


@dataclass(frozen=True)
class _Hoist:
    by_cells: set[Buffer]
    swap: dict[Buffer, Buffer]  # what has become longer

    def block(self, block: Block, bound: set[Var], in_loop: bool) -> tuple[Block, list[Alloc]]:
        """The block, and the allocations that its loop may make before. `bound`: what the loop and its body bind."""
        out: list[Stmt] = []
        leaving: list[Alloc] = []
        for s in block:
            if isinstance(s, Alloc) and in_loop and not _told(s, bound):
                leaving.append(replace(s, zero=False))
                if s.zero:
                    out += zeros(s.buffer)
                continue
            if isinstance(s, For) and s.parallel:
                out.append(replace(s, body=self.block(s.body, set(), False)[0]))
                continue
            loop = isinstance(s, (For, While))
            names = {v for t in everywhere((s,)) for v in makes(t)} if loop else bound
            found: list[Alloc] = []
            s = map_blocks(s, partial(self._inner, found, names, in_loop or loop, s if isinstance(s, For) else None))
            for a in found:
                (out if not in_loop or _told(a, bound) else leaving).append(a)
            out.append(s)
        return tuple(out), leaving

    def _inner(self, found: list[Alloc], bound: set[Var], in_loop: bool, loop: For | None, block: Block) -> Block:
        body, leaving = self.block(block, bound, in_loop)
        found += leaving
        return body if loop is None else self._longer(body, found, bound, loop)

    def _longer(self, body: Block, found: list[Alloc], bound: set[Var], loop: For) -> Block:
        """Without the allocations that the loop may make before at the largest length that one of its iterations needs."""
        out: list[Stmt] = []
        for s in body:
            longest = self._longest(s.buffer, loop) if isinstance(s, Alloc) and s.buffer in self.by_cells else None
            if not isinstance(s, Alloc) or longest is None or _told(Alloc(longest), bound):
                out.append(s)
                continue
            self.swap[s.buffer] = longest
            self.by_cells.add(longest)
            found.append(Alloc(longest))
            if s.zero:
                out += zeros(s.buffer)
        return tuple(out)

    def _longest(self, b: Buffer, loop: For) -> Buffer | None:
        first = upper_bound(b.type.shape[0], loop.index, loop.lo, loop.hi)
        return None if first is None else Buffer(Type(b.type.dtype, (largest(0, first), *b.type.shape[1:])), b.hint)


def _told(s: Alloc, bound: set[Var]) -> bool:
    return bool(set(dim_vars(*s.buffer.type.shape)) & bound)


def _swapped(block: Block, swap: dict[Buffer, Buffer]) -> Block:
    out = []
    for s in block:
        if isinstance(s, (Load, Store)):
            b = s.buffer
            while b in swap:
                b = swap[b]
            s = replace(s, buffer=b)
        out.append(map_blocks(s, lambda b: _swapped(b, swap)))
    return tuple(out)


def zeros(buffer: Buffer) -> list[Stmt]:
    t = buffer.type
    return filled(Window(buffer, (), t.shape), t, zero_of(Type(t.dtype, t.shape)))
