"""Additions to the same cell become one, additions to cells commute, and what is overwritten is not added to before.

    put(b, v, I); add_at(.., J)...; add_at(.., w, I)      ->  put(b, v + w, I); add_at(.., J)...
    add_at(b, v, I); add_at(.., J)...; add_at(.., w, I)   ->  add_at(b, v + w, I); add_at(.., J)...

Return sweeps write this: the adjoint of an overwritten cell is zeroed, and then the cell itself is one of those read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..ir.core import OPS, Fn, Let, Lit, Var
from ..ir.walk import definitions, use_counts, with_fns, with_lets


def combine(fn: Fn) -> Fn:
    fn = with_lets(fn, [with_fns(let, map(combine, let.fns)) for let in fn.lets])
    while True:
        counts, defs = use_counts(fn), definitions(fn)
        found = next((c for let in fn.lets if (c := _chain(let, defs, counts)) is not None), None)
        if found is None:
            return fn
        fn = replace(fn, lets=tuple(_without(fn.lets, found)))


@dataclass(frozen=True)
class Chain:
    """`first` and `last` write the same cell; the additions `between` (in order) write others."""

    first: Let
    between: tuple[Let, ...]
    last: Let


def _chain(last: Let, defs: dict[Var, Let], counts: dict[Var, int]) -> Chain | None:
    if last.op.name != "add_at" or "a" in last.attrs["spec"]:
        return None
    between: list[Let] = []
    v = last.args[0]
    while isinstance(v, Var) and v in defs and counts[v] == 1:
        let = defs[v]
        if let.op.name in ("put", "add_at") and let.attrs == last.attrs and let.args[2:] == last.args[2:]:
            return Chain(let, tuple(reversed(between)), last)
        if let.op.name != "add_at":
            return None
        between.append(let)
        v = let.args[0]
    return None


def _without(lets: tuple[Let, ...], c: Chain) -> list[Let]:
    """Where the last one stood stands the whole chain, in which the first one writes the sum."""
    v, w = c.first.args[1], c.last.args[1]
    new: list[Let] = []
    if isinstance(v, Lit) and v.has(0.0):
        total = w
    else:
        total = Var(w.type, w.hint)
        new.append(Let((total,), OPS["add"], (v, w)))
    links = (replace(c.first, args=(c.first.args[0], total, *c.first.args[2:])), *c.between)
    a = links[0].args[0]
    for k, link in enumerate(links):
        out = c.last.outs[0] if k == len(links) - 1 else Var(a.type, c.last.outs[0].hint)
        new.append(replace(link, outs=(out,), args=(a, *link.args[1:])))
        a = out
    gone = {id(let) for let in (c.first, *c.between)}
    out_lets: list[Let] = []
    for let in lets:
        if let is c.last:
            out_lets += new
        elif id(let) not in gone:
            out_lets.append(let)
    return out_lets
