"""memory_plan: what a derivative will remember, in bytes, and why; a table when printed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ..errors import ArgumentError, raise_at
from ..front.trace import Traced, trace_call
from ..front.tree import flatten
from ..ir.dims import Sym, evaluate, symbols
from ..ir.interp import NUMPY, bind_sizes
from ..transform.decisions import Decision, Kept, recorded
from .programs import Function
from .report import table

UNKNOWN = "?"  # a size that is known only when the program runs


@dataclass(frozen=True)
class Row:
    """A value that is remembered for the return sweep. `shape` and `bytes` of all its rows; None: known only when it runs.
    `depth`: 0 counts; what is remembered within iterations that are computed again, or is part of a row above, does not."""

    place: str
    loop: str
    way: str
    name: str
    dtype: str
    shape: tuple[int | str, ...]
    bytes: int | None
    why: str
    depth: int = 0


class MemoryPlan(tuple):
    """The rows of a plan; `bytes` is their sum."""

    @property
    def bytes(self) -> int:
        return sum(r.bytes or 0 for r in self if not r.depth)

    def __repr__(self) -> str:
        if not self:
            return "nothing is remembered"
        head = ["at", "loop", "arrays", "remembers", "shape", "bytes", "because"]
        rows = [
            [r.place, "  " * r.depth + r.loop, r.way, r.name, f"{r.dtype}[{', '.join(map(str, r.shape))}]", _bytes(r), r.why]
            for r in self
        ]
        return f"{table([head, *rows])}\nin all: {_human(self.bytes)}{_rest(self)}"

    def _repr_html_(self) -> str:
        return f"<pre>{self!r}</pre>"


def memory_plan(df: Any, *args: Any, **kwargs: Any) -> MemoryPlan:
    """What `df(*args)` will remember on its way forward for its way back: a table of names, shapes, bytes and reasons.

    df: a function made by `grad`, `value_and_grad`, `vjp`, ... Nothing runs and nothing is compiled. Rows of a `while` have
    a length that is known only when it runs: their size is that of one iteration. Arrays that the function itself makes are
    not listed.

    >>> import numpy as np, jitgrad as jg
    >>> def f(x):
    ...     for i in range(1000):
    ...         x = np.sin(x)
    ...     return x
    >>> jg.memory_plan(jg.grad(f), 0.3).bytes
    8000
    """
    if not isinstance(df, Function):
        raise_at(
            ArgumentError,
            "memory_plan wants a derivative and its arguments",
            wanted="a function made by grad, value_and_grad, hvp, ...",
            got=type(df).__name__,
            repair="jg.memory_plan(jg.grad(f), x)",
        )
    with recorded() as decisions:
        traced = trace_call(df.transformation, args, kwargs)
    last = decisions[-1].root if decisions else None
    sizes = sizes_of(traced, args, kwargs)
    return MemoryPlan(r for d in decisions if d.root is last for r in rows_of(d, sizes, 0))


def sizes_of(traced: Traced, args: Sequence[Any], kwargs: dict[str, Any]) -> dict[Sym, int]:
    leaves, _ = flatten((args, kwargs), "args")
    return bind_sizes(traced.fn, [*[leaves[k] for k in traced.dynamic], *map(np.asarray, traced.captured)])


def rows_of(d: Decision, sizes: dict[Sym, int], depth: int) -> Iterator[Row]:
    place = f"{os.path.basename(d.where.filename)}:{d.where.lineno}" if d.where else ""
    for kept in d.kept:
        shape = shape_of(kept, sizes)
        known = all(isinstance(n, int) for n in shape[int(kept.each) :])
        size = prod(shape[int(kept.each) :]) * NUMPY[kept.type.dtype]().itemsize if known else None
        yield Row(place, d.what, d.way, kept.name, kept.type.dtype, shape, size, kept.why, depth)
    for inner in d.inner:
        yield from rows_of(inner, sizes, depth + 1)


def shape_of(kept: Kept, sizes: dict[Sym, int]) -> tuple[int | str, ...]:
    """Numbers where the arguments decide them, the form otherwise."""

    known = lambda d: all(s in sizes for s in symbols(d))
    numbers = [evaluate(d, sizes.__getitem__) if known(d) else str(d) for d in kept.type.shape]
    return (UNKNOWN, *numbers) if kept.each else tuple(numbers)


def _bytes(r: Row) -> str:
    if r.bytes is None:
        return UNKNOWN
    return _human(r.bytes) + (" each time" if r.shape[:1] == (UNKNOWN,) else "")


def _human(n: float) -> str:
    for unit in ("B", "kB", "MB"):
        if n < 1000:
            return f"{n:.3g} {unit}"
        n /= 1000
    return f"{n:.3g} GB"


def _rest(rows: Sequence[Row]) -> str:
    return ", and what is known only when it runs" if any(UNKNOWN in map(str, r.shape) or r.bytes is None for r in rows) else ""
