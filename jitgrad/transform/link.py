"""The derivative of `link`: what the user says it is. `unlinked`: a program without links, ready to be lowered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import NotDifferentiable
from ..ir.build import Value, again, replay, trace, trace_open
from ..ir.core import Fn, Let, zero_of
from ..ir.walk import everywhere, map_fns
from ..ops.link import Link
from .ad import PULL, PUSH, Back, Take, Tangent, sweep, tangent_or_zero


def _captured(view: Link, outs: Sequence[Value]) -> list[Value]:
    """What `pull` captured; a result as it is after the link, so that it is differentiated as the user says again."""
    linked = {y.atom: o for y, o in zip(view.ys, outs, strict=True)}
    return [linked.get(c.atom, c) for c in view.captured]


def _pulled(view: Link, outs: Sequence[Value], gs: Sequence[Tangent]) -> tuple[Value, ...]:
    given = [tangent_or_zero(g, o) for g, o in zip(gs, outs, strict=True) if o.type.is_real]
    return replay(view.pull, *given, *_captured(view, outs))


def pull_link(let: Let, ins: Sequence[Value], want: Sequence[bool]) -> tuple[Sequence[Value], Back]:
    view = Link.of(let, ins)
    outs = again(let, ins)
    first = len(view.ys)

    for k in range(first + len(view.xs), first + len(view.xs) + len(view.others)):
        if want[k]:
            raise unspoken(let, ins[k])

    def back(gs: Sequence[Tangent], take: Take) -> Mapping[int, Tangent]:
        if not any(want[first : first + len(view.xs)]):
            return {}
        bars = _pulled(view, outs, gs)
        return {first + k: b for k, b in enumerate(bars) if want[first + k]}

    return outs, back


def push_link(
    let: Let, ins: Sequence[Value], tans: Sequence[Tangent]
) -> tuple[Sequence[Value], Sequence[Tangent]]:
    """The pullback is linear in g; its transpose, applied to the tangents of the x, is the tangent of the results."""
    view = Link.of(let, ins)
    outs = again(let, ins)
    dots = tans[len(view.ys) : len(view.ys) + len(view.xs)]
    real = [k for k, o in enumerate(outs) if o.type.is_real]
    for t, z in zip(tans[len(view.ys) + len(view.xs) :], view.others, strict=False):
        if t is not None:
            raise unspoken(let, z)
    if all(t is None for t in dots):
        return outs, [None] * len(outs)
    pull = lambda *gs: replay(view.pull, *gs, *_captured(view, outs))
    of_g, captured = trace_open(pull, [outs[k].type for k in real], "tangent")
    zeros = [Value(zero_of(outs[k].type)) for k in real]
    _, back = sweep(of_g, [*zeros, *captured], [*[True] * len(real), *[False] * len(captured)])
    found = dict(zip(real, back(dots), strict=False))
    return outs, [found.get(k) for k in range(len(outs))]


def unspoken(let: Let, z: Value) -> NotDifferentiable:
    """A custom rule says nothing about a value that the function uses besides its arguments."""
    place = f" ({let.where.filename}:{let.where.lineno})" if let.where else ""
    return NotDifferentiable(
        f"a custom rule gives no derivative with respect to `{z.atom.hint}`, which its function uses without being "
        f"given it{place}"
    )


def unlinked(fn: Fn) -> Fn:
    """Without its links: their results are what was linked."""
    if not any(let.op.name == "link" for _, let in everywhere(fn)):
        return fn

    def each(let: Let, ins: tuple[Value, ...]) -> Sequence[Value]:
        return Link.of(let, ins).ys if let.op.name == "link" else again(let, ins)

    return map_fns(fn, lambda f: trace(lambda *xs: replay(f, *xs, each=each), f.params, f.name))


PULL["link"], PUSH["link"] = pull_link, push_link
