"""Do the sizes of a call answer as the example did when the program was traced?"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..front.trace import Binding, Traced
from ..ir.dims import Dim, Sym, evaluate, symbols

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
        sizes: dict[Sym, int] = {}
        given = [(leaf, axis, d, self._size(leaves[leaf], axis)) for leaf, axis, d in self.bindings]
        waiting = given
        while waiting:
            left = []
            for item in waiting:
                leaf, axis, d, n = item
                unknown = [] if isinstance(d, int) else [s for s in symbols_of(d) if s not in sizes]
                if not unknown:
                    if evaluate(d, sizes.__getitem__) != n:
                        return f"{self._name(leaf, axis)} is {n}, not {d}"
                elif len(unknown) == 1 and isinstance(d, Dim) and _alone(unknown[0], d):
                    s = unknown[0]
                    rest = evaluate(d, lambda t, s=s: 0 if t is s else sizes[t])
                    value, odd = divmod(n - rest, d.terms[s])
                    if odd or value < s.low:
                        return f"{self._name(leaf, axis)} is {n}, not {d} with {s} >= {s.low}"
                    sizes[s] = value
                else:
                    left.append(item)
            if len(left) == len(waiting):
                return "sizes that do not determine each other"
            waiting = left
        for d, op, number in self.guards:
            if not HOLDS[op](evaluate(d, sizes.__getitem__), number):
                return f"{d} {op} {number} does not hold"
        return None

    def _size(self, leaf: Any, axis: int | None) -> int:
        return int(leaf) if axis is None else np.shape(leaf)[axis]

    def _name(self, leaf: int, axis: int | None) -> str:
        return self.names[leaf] if axis is None else f"{self.names[leaf]}.shape[{axis}]"


def symbols_of(d: Dim) -> list[Sym]:
    return list(dict.fromkeys(symbols(d)))


def _alone(s: Sym, d: Dim) -> bool:
    """Does the symbol stand in a term of its own, and nowhere else?"""
    return s in d.terms and list(symbols(d)).count(s) == 1
