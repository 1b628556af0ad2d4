"""Example programs of every op that is not a scalar row, and of the rows that have attributes.

A new op without an example fails `test_table.py`. An example is a function on Values, the types of its parameters, and
numbers for them (drawn if not given).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jitgrad.ir.build import apply, size, trace, value
from jitgrad.ir.core import F64, I64, OPS, Fn, Type
from jitgrad.ir.dims import Sym, of_symbol
from jitgrad.ops import array, index, linalg, link, loop, scalar, while_
from jitgrad.ops import cond as branches

from .harness import TOLERANCE, check, draw, rng

N, M = Sym("n", 1, 4), Sym("m", 1, 3)
n, m = of_symbol(N), of_symbol(M)
VECTOR, MATRIX, SQUARE = Type("f64", (n,)), Type("f64", (n, m)), Type("f64", (n, n))
CUBE = Type("f64", (2, n, m))
INDICES = Type("i64", (3,))


@dataclass(frozen=True)
class Example:
    op: str
    f: Callable[..., Any]
    types: tuple[Type, ...]
    args: Callable[..., list[Any]] | None = None  # of a random generator
    note: str = ""
    order: int = 2
    tolerance: float = TOLERANCE
    attrs: Mapping[str, Any] = field(default_factory=dict)  # of a row

    @property
    def name(self) -> str:
        return f"{self.op}-{self.note}" if self.note else self.op

    def program(self) -> Fn:
        return trace(self.f, self.types, self.op, ("x", "z", "w")[: len(self.types)])

    def check(self, order: int = 2) -> None:
        """Both modes of it, against differences and each other."""
        check(self.program(), self.values(), self.name, min(order, self.order), self.tolerance)

    def values(self) -> list[Any]:
        r = rng(self.name)
        return self.args(r) if self.args else [draw(r, t) for t in self.types]


TWICE = np.array([2, 0, 2])  # one cell named twice


def well(r: np.random.Generator, *shape: int) -> Any:
    """Square matrices far from singular."""
    return r.uniform(-1, 1, shape) + 3 * np.eye(shape[-1])


def ex(op: str, f: Callable[..., Any], *types: Type, **more: Any) -> Example:
    return Example(op, f, types, **more)


def reducer(name: str, *axes: int) -> Callable[..., Any]:
    return lambda x: apply(name, x, axes=axes)


def product(ta: bool, tb: bool) -> Callable[..., Any]:
    return lambda a, b: linalg.matmul(a, b, ta=ta, tb=tb)


def batch(*shape: Any) -> Type:
    return Type("f64", shape)


BOTH = (False, True)


def turned(t: bool, rows: Any, columns: Any, *lead: int) -> Type:
    """A matrix, or batch of them, given transposed."""
    return batch(*lead, *((columns, rows) if t else (rows, columns)))


def triangular(lower: bool, trans: bool) -> Callable[..., Any]:
    return lambda l, b: linalg.solve_triangular(l, b, lower, trans)


def spd(a: Any) -> Any:
    return linalg.matmul(a, a, tb=True)


def recurrence(x: Any) -> Any:
    step = lambda i, s, a: (s * index.get(a, i) + scalar.sin(s), index.put(a, s * s, i), s)
    return loop.loop(0, size(n), step, value(0.5), x)


def newton(a: Any) -> Any:
    """A square root by Newton's method."""
    step = lambda x: (0.5 * (x + a / x), x)
    last, _, rows = while_.while_(lambda x: scalar.abs_(x * x - a) > 1e-14, step, a)
    return last, apply("sum", rows, axes=(0,))


def linked(x: Any, z: Any) -> Any:
    """sin(x) * z with its derivative as a rule: the same numbers, by another way."""
    y = scalar.sin(x) * z
    pull = lambda g, x, z, y: (g * scalar.cos(x) * z, g * scalar.sin(x) + 0.0 * y)
    t = x.type
    fn = trace(pull, [t, t, t, t], "pull", ("g", "x", "z", "y"))
    return link.Link((y,), (x, z), (), (x, z, y), fn).bind()[0]


def guarded(x: Any) -> Any:
    """A branch, and a condition that must hold."""
    branches.check(x > -10.0, "too small", "ValueError")
    return branches.cond(x > 0.0, lambda: scalar.log(x) * x, lambda: x * x)


# fmt: off
EXAMPLES: list[Example] = [
    # ---- shapes
    ex("broadcast", lambda x, z: array.broadcast(x, (n, m), (0,)) * z, VECTOR, MATRIX),
    ex("broadcast", lambda x: array.broadcast(x, (2, n, m), (1, 2)), MATRIX, note="front"),
    ex("broadcast", lambda x, z: array.fill(x, (n,)) * z, F64, VECTOR, note="scalar"),
    ex("transpose", lambda x: array.transpose(x, (2, 0, 1)), CUBE),
    ex("reshape",   lambda x: array.reshape(x, (n * 2, m)), CUBE),
    ex("concat",    lambda x, z: array.concat([x, z * z, x], 1), MATRIX, MATRIX),
    ex("cast",      lambda x: array.cast(array.cast(x, "f32"), "f64"), VECTOR, tolerance=1e-3),
    ex("iota",      lambda x: array.cast(array.iota(n), "f64") * x, VECTOR),
    ex("stop_gradient", lambda x: array.stop(x) * x, VECTOR, order=0),  # differences do not know about it
    # ---- cells
    ex("get",    lambda x: index.get(x, 2), VECTOR),
    ex("get",    lambda x: index.get(x, 1, spec=":i"), MATRIX, note="column"),
    ex("get",    lambda x: index.get(x, 3, 2, 1, spec="si", steps=(-2,)), MATRIX, note="slice"),
    ex("get",    lambda x, i: index.get(x, i, spec="a:"), MATRIX, INDICES, note="gather",
       args=lambda r: [r.normal(size=(4, 3)), TWICE]),
    ex("get",    lambda x, i: index.get(x, i, i, spec=":aa"), CUBE, INDICES, note="pairs",
       args=lambda r: [r.normal(size=(2, 4, 3)), TWICE]),
    ex("put",    lambda x, z: index.put(x, z * z, 2), VECTOR, F64),
    ex("put",    lambda x, z: index.put(x, z, 1, spec=":i"), MATRIX, VECTOR, note="column"),
    ex("put",    lambda x, z, i: index.put(x, z, i, spec="a"), VECTOR, Type("f64", (3,)), INDICES, note="the last one wins",
       args=lambda r: [r.normal(size=4), r.normal(size=3), TWICE]),
    ex("add_at", lambda x, z: index.add_at(x, z * z, 0, 2, spec="s", steps=(2,)), VECTOR, Type("f64", (2,))),
    ex("add_at", lambda x, z, i: index.add_at(x, z, i, spec="a"), VECTOR, Type("f64", (3,)), INDICES, note="repeated",
       args=lambda r: [r.normal(size=4), r.normal(size=3), TWICE]),
    ex("where",  lambda x, z: scalar.where(x > z, x * z, z), VECTOR, VECTOR),
    ex("only",   lambda x, z: scalar.only(x > z, x * z), VECTOR, VECTOR),
    # ---- reductions
    ex("sum",  reducer("sum", 0, 2), CUBE),
    ex("max",  reducer("max", 1), MATRIX),
    ex("min",  reducer("min", 0, 1), MATRIX),
    ex("prod", reducer("prod", 1), MATRIX),
    ex("prod", reducer("prod", 0), VECTOR, note="with zeros", args=lambda r: [np.array([0.0, 1.3, 0.0, -0.7])]),
    ex("prod", reducer("prod", 0), VECTOR, note="with one zero", args=lambda r: [np.array([0.4, 1.3, 0.0, -0.7])]),
    ex("any",  lambda x: scalar.where(apply("any", x > 0.0, axes=(0,)), 2.0, apply("sum", x, axes=(0,))), VECTOR),
    ex("all",  lambda x: scalar.where(apply("all", x > 0.0, axes=(0,)), 2.0, apply("sum", x, axes=(0,))), VECTOR),
    ex("argmax", lambda x: index.get(x, apply("argmax", x, axis=0)), VECTOR),
    ex("argmin", lambda x: index.get(x, apply("argmin", x, axis=0)), VECTOR),
    ex("cumsum", lambda x: apply("cumsum", x, axis=1, reverse=False), MATRIX),
    ex("cumsum", lambda x: apply("cumsum", x, axis=0, reverse=True), MATRIX, note="reverse"),
    # ---- linear algebra
    *[ex("matmul", product(ta, tb), turned(ta, n, m), turned(tb, m, 2), note=f"22{ta:d}{tb:d}") for ta in BOTH for tb in BOTH],
    *[ex("matmul", product(ta, False), turned(ta, n, m), batch(m), note=f"21{ta:d}") for ta in BOTH],
    *[ex("matmul", product(False, tb), batch(m), turned(tb, m, n), note=f"12{tb:d}") for tb in BOTH],
    *[ex("matmul", product(ta, tb), turned(ta, n, m, 2), turned(tb, m, 2, 2), note=f"33{ta:d}{tb:d}")
      for ta in BOTH for tb in BOTH],
    ex("solve", lambda a, b: linalg.solve(a, b), SQUARE, VECTOR, args=lambda r: [well(r, 4, 4), r.normal(size=4)]),
    ex("solve", lambda a, b: linalg.solve(a, b), SQUARE, MATRIX, note="columns",
       args=lambda r: [well(r, 4, 4), r.normal(size=(4, 3))]),
    ex("solve", lambda a, b: linalg.solve(a, b), batch(2, n, n), CUBE, note="batch",
       args=lambda r: [well(r, 2, 4, 4), r.normal(size=(2, 4, 3))]),
    *[ex("solve_triangular", triangular(lower, trans), SQUARE, b, note=f"{lower:d}{trans:d}{b.rank}",
         args=lambda r, b=b: [well(r, 4, 4), draw(r, b)])
      for lower in BOTH for trans in BOTH for b in (VECTOR, MATRIX)],
    ex("solve_triangular", triangular(True, True), batch(2, n, n), CUBE, note="batch",
       args=lambda r: [well(r, 2, 4, 4), r.normal(size=(2, 4, 3))]),
    ex("inv",      linalg.inv, SQUARE, args=lambda r: [well(r, 4, 4)]),
    ex("inv",      linalg.inv, batch(2, n, n), note="batch", args=lambda r: [well(r, 2, 4, 4)]),
    ex("cholesky", lambda a: linalg.cholesky(spd(a)), SQUARE, args=lambda r: [well(r, 4, 4)]),
    ex("cholesky", lambda a: linalg.cholesky(spd(a)), batch(2, n, n), note="batch", args=lambda r: [well(r, 2, 4, 4)]),
    ex("slogdet",  linalg.slogdet, SQUARE, args=lambda r: [well(r, 4, 4)]),
    ex("slogdet",  linalg.slogdet, batch(2, n, n), note="batch", args=lambda r: [well(r, 2, 4, 4) * [[[-1.0]], [[1.0]]]]),
    # ---- constructs
    ex("loop",  recurrence, VECTOR),
    ex("while", newton, F64, args=lambda r: [np.float64(2.3)]),
    ex("link",  linked, VECTOR, VECTOR),
    ex("cond",  guarded, F64, args=lambda r: [np.float64(0.7)]),
    ex("cond",  guarded, F64, note="else", args=lambda r: [np.float64(-0.7)]),
    ex("check", guarded, F64, args=lambda r: [np.float64(1.7)]),
]
# fmt: on

ATTRIBUTES: dict[str, list[dict[str, Any]]] = {
    "powi": [{"n": 3}, {"n": 0}, {"n": 1}, {"n": 6}],
    "polygamma": [{"n": 1}, {"n": 2}],
}


def examples_of(op: str) -> list[Example]:
    """The examples of an op; those of a row are made from it."""
    mine = [e for e in EXAMPLES if e.op == op]
    return mine if mine or not is_row(op) else row_examples(op)


def is_row(op: str) -> bool:
    """A scalar function stated in text."""
    return OPS[op].samples is not None


def arity(op: str) -> int:
    names = compile(OPS[op].source, op, "eval").co_names
    return max("xzw".index(name) + 1 for name in names if name in ("x", "z", "w"))


def intervals(op: str) -> list[tuple[float, float]]:
    on = list(OPS[op].samples)
    return on if len(on) == arity(op) else on * arity(op)


def row_examples(op: str, t: Type = VECTOR) -> list[Example]:
    on = intervals(op)

    def args(r: np.random.Generator) -> list[Any]:
        return [draw(r, t, o) for o in on]

    def f(attrs: dict[str, Any]) -> Callable[..., Any]:
        return lambda *xs: apply(op, *xs, **attrs)

    every = ATTRIBUTES.get(op, [{}])
    return [Example(op, f(a), (t,) * len(on), args, f"{t}{a or ''}", attrs=a) for a in every]


__all__ = ["ATTRIBUTES", "EXAMPLES", "I64", "Example", "examples_of", "is_row", "row_examples"]
