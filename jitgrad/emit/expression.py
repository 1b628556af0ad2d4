"""Scalar statements as Python expressions (`ast` nodes; `ast.unparse` knows the parentheses), and literals of each dtype.

Nothing is promoted by accident: a number in a float32 expression is a float32 constant of the module, and the result of
an operation on small integers is converted back to their dtype.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from ..errors import InternalError
from ..ir.core import INTS, Lit, Op, Type

NUMPY = {
    "bool": "np.bool_", "f64": "np.float64", "f32": "np.float32",
    **{k: f"np.{'u' if k[0] == 'u' else ''}int{k[1:]}" for k in INTS},
}  # fmt: skip
NATIVE = ("f64", "i64", "bool")  # dtypes whose Python literals Numba takes as they are
CASTS = {"f64": "float(x)", "i64": "int(x)", "bool": "x != 0"}
STABLE = frozenset({"where", "only", "stop_gradient"})  # the result is one of the arguments, or 0


class Literals:
    """Numbers as expressions; those without a literal in Python are constants of the module."""

    def __init__(self, fresh: Callable[[str], str]) -> None:
        self.fresh = fresh
        self.lines: dict[tuple[str, str], tuple[str, str]] = {}  # (dtype, repr) -> name, text

    def node(self, x: Lit) -> ast.expr:
        if x.type.dtype in NATIVE:
            return number(x.value)
        key = x.type.dtype, repr(x.value)
        if key not in self.lines:
            text = f"{NUMPY[x.type.dtype]}({ast.unparse(number(x.value))})"
            self.lines[key] = self.fresh("c0"), text
        return ast.Name(self.lines[key][0])


def number(x: Any) -> ast.expr:
    """A minus is an operator, so that powers of negative numbers get their parentheses."""
    if isinstance(x, bool):
        return ast.Constant(x)
    if math.isnan(x):
        return ast.Name("nan")
    if math.copysign(1.0, x) < 0:
        return ast.UnaryOp(ast.USub(), number(-x))
    return ast.Name("inf") if math.isinf(x) else ast.Constant(x)


@cache
def parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


class _Fill(ast.NodeTransformer):
    """The names of a row replaced by its arguments, and its numbers by those of the dtype."""

    def __init__(self, holes: dict[str, ast.expr], constant: Callable[[Any], ast.expr]) -> None:
        self.holes, self.constant = holes, constant

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.holes.get(node.id, node)

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return self.constant(node.value) if isinstance(node.value, float) else node

    def generic_visit(self, node: ast.AST) -> Any:
        """Copies: the parsed text is shared."""
        fields = {k: self._field(v) for k, v in ast.iter_fields(node)}
        return type(node)(**fields)

    def _field(self, v: Any) -> Any:
        if isinstance(v, list):
            return [self.visit(x) for x in v]
        return self.visit(v) if isinstance(v, ast.AST) else v


def filled(node: ast.expr, holes: dict[str, ast.expr]) -> ast.expr:
    """The expression with others in the place of names."""
    return _Fill(holes, number).visit(node)


def expression(op: Op, args: Sequence[ast.expr], types: Sequence[Type], out: Type, attrs: Any, literals: Literals) -> ast.expr:
    """The row's text with its arguments in place."""
    if op.name == "cast":
        return cast(args[0], types[0].dtype, out.dtype, literals)
    dtype = types[-1].dtype
    source = op.source_ints if op.source_ints and dtype in INTS else op.source
    if source is None:
        raise InternalError(f"`{op.name}` has no text")
    holes = dict(zip("xzw", args, strict=False))
    if "inf" in names_in(parsed(source)):
        holes["inf"] = literals.node(Lit(math.inf, Type("f32" if dtype == "f32" else "f64")))
    holes.update({k: number(v) for k, v in attrs.items() if isinstance(v, (int, float))})
    node = _Fill(holes, lambda v: literals.node(Lit(v, Type(dtype if dtype == "f32" else "f64")))).visit(parsed(source))
    narrow = out.dtype not in (*NATIVE, "f32") or (out.dtype == "f32" and promotes(source))
    return call(NUMPY[out.dtype], node) if narrow and op.name not in STABLE else node


@cache
def promotes(source: str) -> bool:
    """May Numba widen float32 here? Sums, products and calls of the functions of `vecmath` it leaves alone."""
    return any(isinstance(n, (ast.Mod, ast.FloorDiv)) for n in ast.walk(parsed(source)))


def cast(x: ast.expr, of: str, to: str, literals: Literals) -> ast.expr:
    if of == "bool" and to != "bool":
        one, zero = (literals.node(Lit(v if to in INTS else float(v), Type(to))) for v in (1, 0))
        return ast.IfExp(x, one, zero)
    if to in CASTS:
        return filled(parsed(CASTS[to]), {"x": x})
    return call(NUMPY[to], x)


def call(name: str, *args: ast.expr) -> ast.expr:
    return ast.Call(parsed(name), list(args), [])


def _parts(node: ast.AST) -> list[ast.AST]:
    """The nodes directly within, in no order."""
    out: list[ast.AST] = []
    for x in vars(node).values():
        if isinstance(x, ast.AST):
            out.append(x)
        elif isinstance(x, list):
            out += [y for y in x if isinstance(y, ast.AST)]
    return out


def same(a: ast.AST, b: ast.AST) -> bool:
    """Are they one text?"""
    if type(a) is not type(b):
        return False
    if isinstance(a, ast.Constant):
        return repr(a.value) == repr(b.value)  # type: ignore[attr-defined]
    return all(_same(getattr(a, f, None), getattr(b, f, None)) for f in a._fields if f != "ctx")


def _same(a: object, b: object) -> bool:
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_same, a, b))
    return same(a, b) if isinstance(a, ast.AST) and isinstance(b, ast.AST) else a == b


def names_in(node: ast.AST) -> frozenset[str]:
    """The names that an expression mentions. What is found is kept on the node: expressions are built of others."""
    found: frozenset[str] | None = getattr(node, "names", None)
    if found is None:
        own = [node.id] if isinstance(node, ast.Name) else []
        found = frozenset(own).union(*map(names_in, _parts(node)))
        node.names = found  # type: ignore[attr-defined]
    return found


COUNTED = (ast.BinOp, ast.UnaryOp, ast.Call, ast.Compare, ast.IfExp, ast.BoolOp)


def weight(node: ast.AST) -> int:
    """How much there is to read: operations and calls."""
    found: int | None = getattr(node, "weight", None)
    if found is None:
        found = isinstance(node, COUNTED) + sum(map(weight, _parts(node)))
        node.weight = found  # type: ignore[attr-defined]
    return found
