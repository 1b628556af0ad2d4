"""Jacobians and Hessians: one column (forward) or one row (reverse) for each trip of a recorded loop.

Forward mode: column k of J is the tangent of the results for the k-th unit tangent. Reverse mode: row k is the adjoint of the
arguments for the k-th unit cotangent. What does not depend on k leaves the loop (`transform/hoist.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ..errors import NotDifferentiable, raise_at
from ..front import size as sizes
from ..ir.build import Value, size, value
from ..ir.core import Type
from ..ir.dims import DimLike
from ..ops.array import reshape, transpose
from ..ops.index import put
from ..ops.loop import loop
from ..transform.ad import push_fn, tangent_or_zero
from .chosen import Argnums, choose, name_of
from .derive import Transformation, returned, reverse
from .inner import Inner, inner

Blocks = dict[int, dict[int, Value]]  # result -> parameter -> the derivative, of shape (*result, *parameter)


@dataclass(frozen=True)
class Jacobian(Transformation):
    """(arguments) -> for each leaf of the result, a tree like the chosen argument"""

    argnums: Argnums = 0
    mode: str = "auto"

    suffix: ClassVar[str] = "jacobian"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        chosen = choose(self.f, self.argnums, args, kwargs)
        inside = inner(self.f, args, kwargs)
        chosen.check(self.f, inside)
        real = inside.real_results()
        results = sorted({j for j in real if j is not None})
        if not results:
            raise_at(
                NotDifferentiable,
                f"`{name_of(self.f)}` returned nothing that has a derivative",
                wanted="floats or arrays of floats, computed from the arguments",
                got=returned(inside),
            )
        wrt = chosen.wrt(inside)
        blocks = (columns if self._forward(inside, wrt, results) else rows)(inside, wrt, results)
        return inside.out_tree.unflatten([None if j is None else chosen.tree(inside, blocks[j]) for j in real])

    def _forward(self, inside: Inner, wrt: Sequence[int], results: Sequence[int]) -> bool:
        if self.mode != "auto":
            return self.mode == "forward"
        into = total(inside.args[k].type for k in wrt)
        return sizes.bool_of("le", into, total(inside.fn.results[j].type for j in results))


def count(t: Type) -> DimLike:
    return sizes.number_of_elements(t.shape)


def total(types: Any) -> DimLike:
    out: DimLike = 0
    for t in types:
        out = out + count(t)
    return out


def unit(t: Type, k: Value) -> Value:
    """The array of that type which is 1 in cell k (row-major), and 0 elsewhere."""
    flat = value(0.0, Type(t.dtype, (count(t),)))
    return reshape(put(flat, 1.0, k), t.shape)


def columns(inside: Inner, wrt: Sequence[int], results: Sequence[int]) -> Blocks:
    blocks: Blocks = {j: {} for j in results}
    for p in wrt:
        t = inside.args[p].type

        def column(seed: Value, p: int = p) -> tuple[Value, ...]:
            outs, dots = push_fn(inside.fn, inside.args, [seed if k == p else None for k in range(len(inside.args))])
            return tuple(tangent_or_zero(dots[j], outs[j]) for j in results)

        for j, b in zip(results, stacked(t, column), strict=True):
            blocks[j][p] = last_first(b, t) if t.shape else b
    return blocks


def rows(inside: Inner, wrt: Sequence[int], results: Sequence[int]) -> Blocks:
    outs, back = reverse(inside, wrt)
    blocks: Blocks = {}
    for j in results:
        t = outs[j].type

        def row(seed: Value, j: int = j) -> tuple[Value, ...]:
            found = back({j: seed})
            return tuple(found[k] for k in wrt)

        found = [reshape(r, (*t.shape, *r.shape[1:])) if t.shape else r for r in stacked(t, row)]
        blocks[j] = dict(zip(wrt, found, strict=True))
    return blocks


def stacked(t: Type, of: Any) -> Sequence[Value]:
    """`of(seed)` for every unit seed of that type, one below the other; of a number, for the seed 1."""
    if not t.shape:
        return of(value(1.0, t))
    return loop(value(0), size(count(t)), lambda k: of(unit(t, k)), hints=("k",))


def last_first(b: Value, t: Type) -> Value:
    """(cells of the parameter, *result) to (*result, *parameter)."""
    moved = transpose(b, (*range(1, b.rank), 0))
    return reshape(moved, (*b.shape[1:], *t.shape))
