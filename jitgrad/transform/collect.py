"""What a loop keeps of an array that it overwrites cell by cell, the loop that overwrites it keeps.

    for j:                                           for j:
        rows[j] = x                                      for k: rows[j, k] = x[k]; x[k] = f(x[k])
        for k: x[k] = f(x[k])                ->

Return sweeps that compute an inner loop again keep the array as it was before each of its iterations. It is then not copied
in a pass of its own.
"""

# Let the nest over k_1, ..., k_r run over all cells of x, 0 <= k_d < n_d, and let each innermost iteration write the one cell
# x[k_1, ..., k_r]. No other iteration writes that cell, so what stands there before the writing is what stood there before the
# nest, and the rows of these values, by k_1, ..., k_r, are the array x as it was.

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ..ir.core import OPS, Atom, Fn, Let, Type, Var, dim_of
from ..ir.dims import of_symbol
from ..ir.walk import with_fns, with_lets
from ..ops.loop import Loop, row_name
from .order import consumes

Kept = tuple[tuple[Let, ...], Var]  # statements, and what stood in an array before them


def collect(fn: Fn) -> Fn:
    lets = []
    for let in fn.lets:
        let = with_fns(let, map(collect, let.fns))
        lets.append(_collected(let) if let.op.name == "loop" else let)
    return with_lets(fn, lets)


def _collected(let: Let) -> Let:
    view = Loop.of(let)
    body, ragged = view.body, {k for k, _ in view.ragged}
    for k, p in enumerate(view.rows):
        if isinstance(p, Var) and p in view.carries and p.type.shape and k not in ragged:
            kept = _kept(body, p, None, ())
            if kept is not None:
                lets, row = kept
                at = view.count + k
                body = replace(body, lets=lets, results=(*body.results[:at], row, *body.results[at + 1 :]))
    return with_fns(let, [body])


def _kept(body: Fn, p: Var, becomes: Atom | None, cell: Sequence[Var]) -> Kept | None:
    """The statements of a body that overwrite the array (all of it, or this cell), which `becomes` that; and what was there."""
    writers = [n for n, let in enumerate(body.lets) if p in consumes(let)]
    if len(writers) != 1:
        return None
    n, let = writers[0], body.lets[writers[0]]
    kept = _KEPT[let.op.name](let, p, cell) if let.op.name in _KEPT else None
    if kept is None or (becomes is not None and becomes not in let.outs):
        return None
    return (*body.lets[:n], *kept[0], *body.lets[n + 1 :]), kept[1]


def _write(let: Let, p: Var, cell: Sequence[Var]) -> Kept | None:
    if set(let.attrs["spec"]) != {"i"} or [dim_of(a) for a in let.args[2:]] != [of_symbol(i) for i in cell]:
        return None
    old = Var(Type(p.type.dtype), p.hint)
    return (Let((old,), OPS["get"], (p, *let.args[2:]), let.attrs, (), let.where), let), old


def _nest(let: Let, p: Var, cell: Sequence[Var]) -> Kept | None:
    view = Loop.of(let)
    whole = p.type.shape[len(cell) :]
    if let.args.count(p) != 1 or not whole or (dim_of(view.lo), dim_of(view.hi), view.trips) != (0, whole[0], whole[0]):
        return None
    k = view.init.index(p)
    outer = [q for i in cell for q, a in zip(view.inner, view.consts, strict=True) if a is i]
    kept = _kept(view.body, view.carries[k], view.nexts[k], (*outer, view.index)) if len(outer) == len(cell) else None
    if kept is None:
        return None
    body = replace(view.body, lets=kept[0], results=(*view.body.results, kept[1]))
    row = Var(Type(p.type.dtype, whole), row_name(p.hint))
    return (replace(let, outs=(*let.outs, row), fns=(body,)),), row


_KEPT: dict[str, Callable[[Let, Var, Sequence[Var]], Kept | None]] = {"put": _write, "add_at": _write, "loop": _nest}

__all__ = ["collect"]
