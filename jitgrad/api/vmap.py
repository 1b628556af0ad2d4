"""vmap: a function of one row becomes a function of many."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

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


@dataclass(frozen=True)
class Entries:
    """Axes for the entries of a dict, by key."""

    axes: tuple[tuple[Hashable, Axes], ...]


Axes = int | None | tuple["Axes", ...] | Entries


def settled(axes: Any, name: str) -> Axes:
    """Axes as the user gives them: an int or None for everything below, or a container of such like that of the values."""
    if isinstance(axes, dict):
        return Entries(tuple((k, settled(a, name)) for k, a in axes.items()))
    if isinstance(axes, (tuple, list)):
        return tuple(settled(a, name) for a in axes)
    if axes is None or (isinstance(axes, (int, np.integer)) and not isinstance(axes, bool)):
        return None if axes is None else int(axes)
    raise_at(ArgumentError, f"{name} of vmap is no axis", wanted="an int, None, or containers of these", got=repr(axes))


@dataclass(frozen=True)
class Vectorised(Transformation):
    """(arguments with rows) -> results with rows"""

    in_axes: Axes = 0
    out_axes: Axes = 0

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
        axes = each_leaf(self.f, "out_axes", self.out_axes, inside.out_tree.unflatten(range(len(inside.outs))))
        return rebuilt(inside, [partial(placed, self.f, n, y, b) for y, b in zip(outs, on, strict=True)], axes)


def leaf_axes(f: Any, args: tuple[Any, ...], in_axes: Axes) -> list[int | None]:
    """For each leaf of the arguments the axis that is mapped over; None: shared by all rows."""
    if isinstance(in_axes, tuple) and len(in_axes) != len(args):
        raise_at(
            ArgumentError,
            f"in_axes of vmap does not fit the arguments of `{name_of(f)}`",
            wanted=f"one axis (or None) for each of {len(args)} arguments",
            got=repr(in_axes),
        )
    per_argument = in_axes if isinstance(in_axes, tuple) else (in_axes,) * len(args)
    return [a for x, axes in zip(args, per_argument, strict=True) for a in each_leaf(f, "in_axes", axes, x)]


def each_leaf(f: Any, name: str, axes: Axes, x: Any) -> list[int | None]:
    """The axis of each leaf of `x`."""
    if isinstance(axes, Entries):
        by_key = dict(axes.axes)
        fits = isinstance(x, dict) and x.keys() == by_key.keys()
        pairs = [(by_key[k], v) for k, v in x.items()] if fits else []
    elif isinstance(axes, tuple):
        fits = isinstance(x, (tuple, list)) and len(x) == len(axes)
        pairs = list(zip(axes, x)) if fits else []
    else:
        return [axes] * len(flatten(x, "args")[0])
    if not fits:
        raise_at(
            ArgumentError,
            f"{name} of vmap does not fit what `{name_of(f)}` {'takes' if name == 'in_axes' else 'returns'}",
            wanted="axes in containers like those of the values, or one axis for a whole container",
            got=f"axes for {'a dict' if isinstance(axes, Entries) else f'{len(axes)} parts'}, and {type(x).__name__}",
        )
    return [a for inner_axes, v in pairs for a in each_leaf(f, name, inner_axes, v)]


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


def placed(f: Any, n: DimLike, y: Value, batched: bool, axis: int | None) -> Value:
    """A result with its rows along the axis that the caller wants."""
    if axis is None:
        if batched:
            raise_at(
                ArgumentError,
                f"out_axes of vmap says None for a result of `{name_of(f)}` that differs from row to row",
                wanted="an axis for the rows",
                got="None",
            )
        return y
    y = y if batched else spread(y, n)
    if not -y.rank <= axis < y.rank:
        raise_at(
            ShapeError,
            f"out_axes of vmap is out of range for a result of `{name_of(f)}`",
            wanted=f"an axis of an array with {y.rank} axes",
            got=str(axis),
        )
    order = [*range(1, y.rank)]
    return transpose(y, (*order[: axis % y.rank], 0, *order[axis % y.rank :]))


def rebuilt(inside: Inner, values: Sequence[Callable[[int | None], Value]], axes: Sequence[int | None]) -> Any:
    leaves = []
    for o, j, axis in zip(inside.outs, inside.results, axes, strict=True):
        leaves.append(o.value if j is None else like(values[j](axis)))
    return inside.out_tree.unflatten(leaves)
