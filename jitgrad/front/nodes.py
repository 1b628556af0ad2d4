"""Making AST nodes, and giving them a place in the user's source."""

from __future__ import annotations

import ast
from typing import Any, TypeVar

Node = TypeVar("Node", bound=ast.AST)


def put(new: Node, old: ast.AST) -> Node:
    """Give those nodes of `new` that have no place yet the place of `old`: on its first line only.

    One line, since CPython gives a method call that is spread over lines the last line of its `.name`.
    """
    place = {"lineno": old.lineno, "col_offset": old.col_offset, "end_lineno": old.lineno}  # type: ignore[attr-defined]
    place["end_col_offset"] = old.end_col_offset if old.end_lineno == old.lineno else old.col_offset + 1  # type: ignore[attr-defined]
    for node in ast.walk(new):
        if "lineno" in node._attributes and getattr(node, "lineno", None) is None:
            for attribute, value in place.items():
                setattr(node, attribute, value)
    return new


def copy_place(new: Node, old: ast.AST) -> Node:
    """`new` stands for the expression `old`: it covers all its lines, and what is made anew inside it, the first."""
    return ast.copy_location(put(new, old), old)


def name(id: str, ctx: ast.expr_context | None = None) -> ast.Name:
    return ast.Name(id, ctx or ast.Load())


def assign(target: str, value: bool) -> ast.Assign:
    return ast.Assign([name(target, ast.Store())], ast.Constant(value))


def constant(value: Any) -> ast.Constant:
    """A constant of any kind that code can hold: tuples, too, which the grammar of source text does not have."""
    return ast.Constant(value)


def arguments(*names: str, star: str | None = None) -> ast.arguments:
    vararg = ast.arg(star) if star else None
    return ast.arguments([], [ast.arg(n) for n in names], vararg, [], [], None, [])


def function(name: str, args: ast.arguments, body: list[ast.stmt]) -> ast.FunctionDef:
    return _plain(ast.FunctionDef(name, args, body or [ast.Pass()], [], None))


def class_(name: str, body: list[ast.stmt]) -> ast.ClassDef:
    return _plain(ast.ClassDef(name, [], [], body, []))


def _plain(definition: Node) -> Node:
    if "type_params" in definition._fields:  # Python 3.12
        definition.type_params = []  # type: ignore[attr-defined]
    return definition
