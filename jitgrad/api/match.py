"""Do the sizes of a call answer as the example did when the program was traced?"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..front.trace import Binding, Traced
from ..ir.dims import Dim, evaluate, solve, symbols

HOLDS: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


@dataclass(frozen=True)
class Matcher:
    bindings: tuple[Binding, ...]
    guards: tuple[tuple[Dim, str, int], ...]
    names: tuple[str, ...]

    @staticmethod
    def of(traced: Traced) -> Matcher:
        return Matcher(traced.bindings, traced.size_guards, traced.names)

    def refuses(self, leaves: Sequence[Any]) -> str | None:
        """Why the program does not serve these leaves; None if it does."""
        given = [(leaf, axis, d, self._size(leaves[leaf], axis)) for leaf, axis, d in self.bindings]
        sizes = solve((d, n) for _, _, d, n in given)
        for leaf, axis, d, n in given:
            if any(s not in sizes for s in symbols(d)) or evaluate(d, sizes.__getitem__) != n:
                return f"{self._name(leaf, axis)} is {n}, not {d}"
        for s, n in sizes.items():
            if n < s.low:
                return f"{s} is {n}, not {s.low} or more"
        for d, op, number in self.guards:
            if not HOLDS[op](evaluate(d, sizes.__getitem__), number):
                return f"{d} {op} {number} does not hold"
        return None

    def _size(self, leaf: Any, axis: int | None) -> int:
        return int(leaf) if axis is None else np.shape(leaf)[axis]

    def _name(self, leaf: int, axis: int | None) -> str:
        return self.names[leaf] if axis is None else f"{self.names[leaf]}.shape[{axis}]"
