"""A function of one row, applied to every row: what `np.vectorize` and Numba's ufuncs are.

The leading axes of the arguments are broadcast as NumPy broadcasts them; what is left of each is a *row*. The function is
recorded once. One that is straight-line is written for all rows at once, statement by statement, so that it becomes plain
array operations; one with loops or branches is written in loops over the leading axes, each row on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import Unsupported, raise_at
from ..ir.build import Value, again, replay, size, trace_open, value
from ..ir.core import Fn, Type
from ..ir.dims import DimLike
from ..ops.array import reshape
from ..ops.index import get
from ..ops.loop import loop
from ..transform.batch import batch, spread
from ..transform.pipeline import prepared
from .body import closed, constants, new_param, recorded
from .context import current, here
from .places import Snapshot
from .promote import is_one

Row = Callable[[Sequence[Value]], Sequence[Value]]


@dataclass(frozen=True, eq=False)
class Column:
    """An argument. `on`: for each of the leading axes, does it run along? It has just these axes, then those of a row."""

    value: Value
    on: tuple[bool, ...]

    @staticmethod
    def of(x: Value, rank: int, lead: Sequence[DimLike]) -> Column:
        """`rank`: that of a row."""
        own = x.rank - rank
        kept = [not is_one(d) for d in x.shape[:own]]
        left = tuple(n for n, keep in zip(lead[len(lead) - own :], kept, strict=True) if keep)
        return Column(reshape(x, (*left, *x.shape[own:])), (*[False] * (len(lead) - own), *kept))

    @property
    def row(self) -> Type:
        return Type(self.value.dtype, self.value.shape[sum(self.on) :])


def over_rows(
    run: Row, name: str, state: Any, args: Sequence[Value], ranks: Sequence[int], lead: Sequence[DimLike]
) -> list[Value]:
    """The results of `run` for every row, with the axes `lead` first. `ranks`: of the rows of each argument; `state`: the
    user's function, whose Python state must not change."""
    if not lead:
        return list(run(args))
    columns = [Column.of(x, rank, lead) for x, rank in zip(args, ranks, strict=True)]
    fn, captured = _recorded(run, name, state, [c.row for c in columns])
    here()
    every = [*columns, *[Column(v, (False,) * len(lead)) for v in captured]]
    write = _looped if any(let.fns for let in fn.lets) else _straight
    return list(write(fn, [c.value for c in every], [c.on for c in every], lead))


def _recorded(run: Row, name: str, state: Any, types: Sequence[Type]) -> tuple[Fn, tuple[Value, ...]]:
    snapshot = Snapshot([state] if hasattr(state, "__code__") else [])
    try:
        with recorded("loop") as body:
            params = [new_param(body, t, "t") for t in types]
            results = run(params)
        changed = [p.name for p in snapshot.changed()] + [b.name for b in body.written(current().scope)]
    finally:
        snapshot.restore()
    if changed:
        raise_at(
            Unsupported,
            f"`{name}`, which is applied to every row of an array, changes `{changed[0]}`",
            wanted="a function that only returns values: it is recorded once, for all rows",
            got="one that hands something on from row to row",
            repair="write the loop over the rows",
        )
    fn, captured = closed(body.writing, [p.atom for p in params], results, name, constants(body))  # type: ignore[misc]
    return prepared(fn), captured


def _straight(fn: Fn, args: Sequence[Value], on: Sequence[tuple[bool, ...]], lead: Sequence[DimLike]) -> Sequence[Value]:
    """One axis after the other, the last one first."""
    n, flags = lead[0], [f[0] for f in on]
    if len(lead) > 1:
        types = [Type(x.dtype, x.shape[1:] if f else x.shape) for x, f in zip(args, flags, strict=True)]
        rest = [f[1:] for f in on]
        hints = [p.hint for p in fn.params]
        whole = fn
        fn, captured = trace_open(lambda *xs: tuple(_straight(whole, xs, rest, lead[1:])), types, fn.name, hints)
        args, flags = [*args, *captured], [*flags, *[False] * len(captured)]
    outs, batched = batch(fn, args, flags, n)
    return [y if b else spread(y, n) for y, b in zip(outs, batched, strict=True)]


def _looped(fn: Fn, args: Sequence[Value], on: Sequence[tuple[bool, ...]], lead: Sequence[DimLike]) -> Sequence[Value]:
    if not lead:
        return replay(fn, *args, each=again)
    rest = [f[1:] for f in on]

    def step(i: Value) -> tuple[Value, ...]:
        row = [get(x, i, spec="i" + ":" * (x.rank - 1)) if f[0] else x for x, f in zip(args, on, strict=True)]
        return tuple(_looped(fn, row, rest, lead[1:]))

    if is_one(lead[0]) and not any(f[0] for f in on):
        return [spread(y, 1) for y in _looped(fn, args, rest, lead[1:])]
    return loop(value(0), size(lead[0]), step, hints=("row",))


__all__ = ["over_rows"]
