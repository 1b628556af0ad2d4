"""memory_plan: what a derivative will remember, in bytes, and why, and what threads have for themselves; a table when printed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numba
import numpy as np

from ..errors import ArgumentError, Where, raise_at
from ..front.trace import Traced, trace_call
from ..front.tree import flatten
from ..ir.core import Fn, Type
from ..ir.dims import DimLike, Sym, evaluate, symbols
from ..ir.interp import NUMPY, bind_sizes
from ..ir.walk import everywhere
from ..lower.parallel import copies
from ..lower.plan import everywhere as statements
from ..lower.schedule import schedule
from ..transform.decisions import Decision, recorded
from .programs import Function
from .report import table

UNKNOWN = "?"  # a size that is known only when the program runs
OWN_COPY = "each thread adds to a copy of its own"


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
    not listed; the copies for each thread of arrays that a `prange` adds to are (there may be fewer).

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
    kept = [r for d in decisions if d.root is last for r in rows_of(d, sizes, 0)]
    return MemoryPlan([*kept, *copy_rows(traced.fn, sizes)])


def copy_rows(fn: Fn, sizes: dict[Sym, int]) -> Iterator[Row]:
    """Arrays that the iterations of a parallel loop add to: each thread adds to a copy of its own."""
    if not any(let.attrs.get("parallel") for _, let in everywhere(fn)):
        return
    for loop, copy in copies(schedule(fn).body):
        t = copy.type
        if t.rank > 1:  # (one axis: a number for each thread)
            where = next((w for s in statements(loop.body) if (w := getattr(s, "where", None))), None)
            shape = (numba.get_num_threads(), *[number_or_form(d, sizes) for d in t.shape[1:]])
            yield Row(place_of(where), "prange", "copies", copy.hint, t.dtype, shape, bytes_of(shape, t), OWN_COPY)


def sizes_of(traced: Traced, args: Sequence[Any], kwargs: dict[str, Any]) -> dict[Sym, int]:
    leaves, _ = flatten((args, kwargs), "args")
    return bind_sizes(traced.fn, [*[leaves[k] for k in traced.dynamic], *map(np.asarray, traced.captured)])


def rows_of(d: Decision, sizes: dict[Sym, int], depth: int) -> Iterator[Row]:
    for kept in d.kept:
        numbers = tuple(number_or_form(n, sizes) for n in kept.type.shape)
        shape = (UNKNOWN, *numbers) if kept.each else numbers
        size = bytes_of(numbers, kept.type)
        yield Row(place_of(d.where), d.what, d.way, kept.name, kept.type.dtype, shape, size, kept.why, depth)
    for inner in d.inner:
        yield from rows_of(inner, sizes, depth + 1)


def place_of(where: Where | None) -> str:
    return f"{os.path.basename(where.filename)}:{where.lineno}" if where else ""


def bytes_of(shape: Sequence[int | str], t: Type) -> int | None:
    numbers = [n for n in shape if isinstance(n, int)]
    return prod(numbers) * NUMPY[t.dtype]().itemsize if len(numbers) == len(shape) else None


def number_or_form(d: DimLike, sizes: dict[Sym, int]) -> int | str:
    """The number where the arguments decide it, the form otherwise."""
    known = all(s in sizes for s in symbols(d))
    return evaluate(d, sizes.__getitem__) if known else str(d)


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
