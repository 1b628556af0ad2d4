"""Iterating over the cells of arrays: np.ndindex, np.ndenumerate and `x.flat`, as one loop for each axis (`unroll.py`)."""

from __future__ import annotations

import builtins
import itertools
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from ..errors import AliasError, Unsupported, raise_at
from .builtin import Iteration
from .dispatch import OWN
from .items import number
from .reshape import as_array, flatten, reshape
from .size import counted, number_of_elements
from .standin import METHODS, PROPERTIES, Array, StandIn, size_of

Index = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Grid(Iteration):
    """What `cell` gives for the indices of an array of this shape, the last one running fastest."""

    shape: tuple[Any, ...] = ()
    cell: Callable[[Index], Any] = lambda index: index

    def __iter__(self) -> Iterator[Any]:
        return map(self.cell, itertools.product(*[builtins.range(operator.index(n)) for n in self.shape]))


class Flat(Grid):
    """`x.flat`. What is read at an index or a slice is new, as in NumPy."""

    array: Array

    def __getitem__(self, k: Any) -> Any:
        return flatten(self.array)[k]

    def __setitem__(self, k: Any, x: Any) -> None:
        if not self.array.view.contiguous:
            _refuse_write(self.array)
        reshape(self.array, -1)[k] = x

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise_at(
            Unsupported,
            "`x.flat` is given to a function of NumPy",
            wanted="a loop over it, or an index",
            got="an array",
            repair="x.ravel()",
        )


def of_shape(kind: type[Grid], name: str, shape: Index, cell: Callable[[Index], Any]) -> Any:
    length = number_of_elements(tuple(number(n, "a size") for n in shape))
    return kind(length, lambda k: cell(_unravel(k, shape)), name, shape=shape, cell=cell)


def _unravel(k: Any, shape: Index) -> Index:
    index: list[Any] = []
    for n in reversed(shape[1:]):
        index.append(k % n)
        k = k // n
    return (k, *reversed(index)) if shape else ()


def ndindex(*shape: Any) -> Any:
    """np.ndindex"""
    given = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
    sizes = tuple(size_of(counted(number(n, "a size"), "a size")) for n in given)
    return of_shape(Grid, "np.ndindex", sizes, lambda index: index)


def ndenumerate(x: Any) -> Any:
    """np.ndenumerate"""
    a = as_array(x)
    return of_shape(Grid, "np.ndenumerate", a.shape, lambda index: (index, a[index]))


def flat(x: Any) -> Any:
    a = as_array(x)
    made = of_shape(Flat, "x.flat", a.shape, lambda index: a[index])
    object.__setattr__(made, "array", a)
    return made


def set_flat(a: Array, x: Any) -> None:
    """`a.flat = x`"""
    plain = not isinstance(x, (StandIn, np.ndarray, list, tuple)) or not np.ndim(x)
    a.write(x if plain else reshape(x, a.shape))


def _refuse_write(a: Array) -> NoReturn:
    raise_at(
        AliasError,
        f"a cell of `{a.box.name}.flat` is written, where the array is a part of another, or its transpose",
        wanted="an array whose cells stand one behind the other",
        got="one with gaps, or another order of the axes",
        repair="write to the array itself at its own indices: for i, j in np.ndindex(x.shape): x[i, j] = ...",
    )


OWN.update({np.ndindex: ndindex, np.ndenumerate: ndenumerate})
PROPERTIES["flat"] = flat
METHODS["flat="] = set_flat

__all__ = ["Grid", "ndenumerate", "ndindex"]
