"""A loop that reads each cell of an array before it overwrites it, and whose array nobody reads behind it, needs not write.

    for i: g = b[i]; b[i] = 0; ...     ->     for i: g = b[i]; ...        if b is not used any more

Return sweeps write this: the adjoint of what is overwritten is zeroed. The array becomes a constant of the loop.
"""

from __future__ import annotations

from dataclasses import replace

from ..ir.build import Value, again, replay, trace
from ..ir.core import Fn, Let, Var
from ..ir.walk import result_vars, uses, with_fns, with_lets
from ..ops.loop import Loop
from .depend import Around, Look, another, apart, behind

NOWHERE = Around()


def forget(fn: Fn, around: Around = NOWHERE) -> Fn:
    live = result_vars(fn)
    lets: list[Let] = []
    for let in reversed(fn.lets):
        let = with_fns(let, [forget(f, a) for f, a in zip(let.fns, around.within(let), strict=True)])
        if let.op.name == "loop":
            let = _forgetful(let, live, around)
        lets.append(let)
        live |= uses(let)
    return with_lets(fn, reversed(lets))


def _forgetful(let: Let, live: set[Var], around: Around) -> Let:
    view = Loop.of(let)
    for k, p in enumerate(view.carries):
        if p.type.shape and let.outs[k] not in live and view.nexts[k] is not p:
            writes = _writes(view, k, around.within(let)[0])
            if writes is not None:
                return _forgetful(_without(let, view, k, writes), live, around)
    return let


def _writes(view: Loop, k: int, around: Around) -> list[Let] | None:
    """The statements that write the array, if no read, in this iteration or another, could see what they write."""
    p = view.carries[k]
    later, ranges = behind(view.index, around)
    now, then = Look({p}, ranges), Look({p}, ranges)
    writes: list[Let] = []
    for let in view.body.lets:
        used = [a for a in let.args if isinstance(a, Var) and a in now.arrays]
        if let.op.name in ("put", "add_at") and used == [let.args[0]]:
            writes.append(let)
        elif any(a is not p for a in used):
            return None
        now.statements([let], around.names)
    then.statements(view.body.lets, another(view.body, view.index, around, later))
    results = [r for r in view.body.results if isinstance(r, Var) and r in now.arrays]
    if not writes or results != [view.nexts[k]] or view.nexts[k] not in {let.outs[0] for let in writes}:
        return None
    pairs = ((x, y) for x in now.found for y in then.found if "get" in (x.kind, y.kind))
    return writes if all(apart(x, y, ranges) for x, y in pairs) else None


def _without(let: Let, view: Loop, k: int, writes: list[Let]) -> Let:
    """The loop with the array as it came; that it is carried unchanged makes it a constant."""
    mine = set(map(id, writes))

    def each(inner: Let, ins: tuple[Value, ...]) -> tuple[Value, ...]:
        return (ins[0],) if id(inner) in mine else again(inner, ins)

    body = trace(lambda *xs: replay(view.body, *xs, each=each), view.body.params, view.body.name)
    return replace(let, fns=(body,))
