"""What a program of `constructs.py` is: a function on Values, the types of its parameters (over the size n), and how to draw
arguments. `program` registers one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from jitgrad.ir.build import Value, trace
from jitgrad.ir.core import F64, Fn, Type, Var
from jitgrad.ir.dims import Sym, of_symbol
from jitgrad.ops.array import sum_

n = Sym("n", 2)
N = of_symbol(n)
VECTOR, MATRIX, SCALAR = Type("f64", (N,)), Type("f64", (N, N)), F64


@dataclass(frozen=True)
class Program:
    name: str
    body: Callable[..., Any]
    types: tuple[Type, ...]
    positive: bool = False  # arguments in (0.5, 1.5) rather than (-1, 1)

    def fn(self) -> Fn:
        names = self.body.__code__.co_varnames
        return trace(self.body, [Var(t, h) for t, h in zip(self.types, names, strict=False)], self.name)

    def arguments(self, size: int) -> list[Any]:
        rng = np.random.default_rng(sum(map(ord, self.name)) + size)
        low = 0.5 if self.positive else -1.0
        shapes = [tuple(size if d == N else d for d in t.shape) for t in self.types]
        return [rng.uniform(low, low + (1.0 if self.positive else 2.0), s) if s else rng.uniform(0.5, 1.5) for s in shapes]


PROGRAMS: list[Program] = []


def program(*types: Type, positive: bool = False) -> Callable[[Any], Any]:
    def register(body: Any) -> Any:
        PROGRAMS.append(Program(body.__name__, body, types, positive))
        return body

    return register


def whole(x: Value) -> Value:
    return sum_(x, tuple(range(x.rank)))
