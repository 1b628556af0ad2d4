"""vmap: a function of one row becomes a function of many."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ..errors import ArgumentError, ShapeError, raise_at
from ..front import size as sizes
from ..front.standin import Array, Scalar, StandIn, boxed, describe
from ..front.tree import flatten
from ..ir.build import Value
from ..ir.dims import DimLike
from ..ops.array import transpose
from ..ops.index import get
from ..transform.batch import batch, spread
from .chosen import name_of
from .derive import Transformation
from .inner import Inner, inner

Axes = int | None | tuple[int | None, ...]


@dataclass(frozen=True)
class Vectorised(Transformation):
    """(arguments with rows) -> results with rows"""

    in_axes: Axes = 0
    out_axes: int = 0

    suffix: ClassVar[str] = "vmap"

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self.f)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        leaves, tree = flatten(args, "args")
        axes = leaf_axes(self.f, args, self.in_axes)
        columns = [x if a is None else rows_first(self.f, x, a) for x, a in zip(leaves, axes, strict=True)]
        n = common_size(self.f, [x.operand().value.shape[0] for x, a in zip(columns, axes, strict=True) if a is not None])
        first = [x if a is None else row(x) for x, a in zip(columns, axes, strict=True)]
        inside = inner(self.f, tree.unflatten(first), kwargs)
        given, flags = whole(inside, columns, axes)
        outs, on = batch(inside.fn, given, flags, n)
        full = [y if b else spread(y, n) for y, b in zip(outs, on, strict=True)]
        return rebuilt(inside, [moved(y, self.out_axes) for y in full])


def leaf_axes(f: Any, args: tuple[Any, ...], in_axes: Axes) -> list[int | None]:
    """For each leaf of the arguments the axis that is mapped over; None: shared by all rows."""
    per_argument = in_axes if isinstance(in_axes, tuple) else (in_axes,) * len(args)
    if len(per_argument) != len(args):
        raise_at(
            ArgumentError,
            f"in_axes of vmap does not fit the arguments of `{name_of(f)}`",
            wanted=f"one axis (or None) for each of {len(args)} arguments",
            got=repr(in_axes),
        )
    return [a for x, a in zip(args, per_argument, strict=True) for _ in flatten(x, "args")[0]]


def rows_first(f: Any, x: Any, axis: int) -> Array:
    """The array with its mapped axis first."""
    x = boxed(x) if not isinstance(x, StandIn) and hasattr(x, "shape") and x.shape else x
    if not isinstance(x, Array) or not -x.ndim <= axis < x.ndim:
        raise_at(
            ShapeError,
            f"vmap maps `{name_of(f)}` over axis {axis} of an argument",
            wanted=f"an array with axis {axis}",
            got=describe(x),
            repair="give its place in in_axes as None, to share it between the rows",
        )
    v = x.read()
    k = axis % v.rank
    return Array.new(transpose(v, (k, *[a for a in range(v.rank) if a != k])))


def common_size(f: Any, found: Sequence[DimLike]) -> DimLike:
    if not found:
        raise_at(ArgumentError, f"vmap of `{name_of(f)}` maps over nothing", wanted="an in_axes that is not None", got="None")
    for n in found[1:]:
        if not sizes.same(found[0], n):
            raise_at(
                ShapeError,
                f"vmap of `{name_of(f)}` maps over axes of different sizes",
                wanted="one number of rows",
                got=", ".join(map(str, found)),
            )
    return found[0]


def row(x: Array) -> Any:
    """The first row: an example for the trace, which no program computes."""
    v = x.read()
    return like(get(v, 0, spec="i" + ":" * (v.rank - 1)))


def like(v: Value) -> Any:
    return Array.new(v) if v.rank else Scalar(v, weak=False)


def whole(inside: Inner, columns: Sequence[Any], axes: Sequence[int | None]) -> tuple[list[Value], list[bool]]:
    """What the parameters of the program are: all rows of the mapped leaves, everything else as it is."""
    given, flags = list(inside.args), [False] * len(inside.args)
    for leaf, (x, a) in enumerate(zip(columns, axes, strict=True)):
        k = inside.params[leaf]
        if a is not None and k is not None:
            given[k], flags[k] = x.operand().value, True
    return given, flags


def moved(y: Value, axis: int) -> Value:
    """The rows, which are the first axis, moved to where the caller wants them."""
    k = axis % y.rank
    order = [*range(1, y.rank)]
    return transpose(y, (*order[:k], 0, *order[k:]))


def rebuilt(inside: Inner, values: Sequence[Value]) -> Any:
    leaves = []
    for o, j in zip(inside.outs, inside.results, strict=True):
        leaves.append(o.value if j is None else Array.new(values[j]))
    return inside.out_tree.unflatten(leaves)

