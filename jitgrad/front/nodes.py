"""Walking AST nodes, making them, and giving them a place in the user's source."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

Node = TypeVar("Node", bound=ast.AST)


def children(node: ast.AST) -> list[ast.AST]:
    """The nodes directly within, in source order; not `Load`, `Add` and their like, which have neither parts nor a place."""
    out: list[ast.AST] = []
    for field in node._fields:
        value = getattr(node, field, None)
        if isinstance(value, ast.AST):
            if value._attributes or value._fields:
                out.append(value)
        elif isinstance(value, list):
            out += [x for x in value if isinstance(x, ast.AST) and (x._attributes or x._fields)]
    return out


def walk(nodes: Iterable[ast.AST], within: Callable[[ast.AST], Sequence[ast.AST]] = children) -> Iterator[ast.AST]:
    """The nodes and all that is within, in source order."""
    todo = list(nodes)[::-1]
    while todo:
        node = todo.pop()
        yield node
        todo += within(node)[::-1]


def copied(node: Node) -> Node:
    """The node and all nodes within, made anew; but what has no parts (`Load`, `Add`) is shared, as the parser does."""
    if not (node._fields or node._attributes):
        return node
    new = node.__new__(type(node))
    for name, x in vars(node).items():
        setattr(new, name, [_copied(y) for y in x] if isinstance(x, list) else _copied(x))
    return new


def _copied(x: Any) -> Any:
    return copied(x) if isinstance(x, ast.AST) else x


def put(new: Node, old: ast.AST) -> Node:
    """Give those nodes of `new` that have no place yet the place of `old`: on its first line only.

    One line, since CPython gives a method call that is spread over lines the last line of its `.name`. What has a place
    has places within.
    """
    place = {"lineno": old.lineno, "col_offset": old.col_offset, "end_lineno": old.lineno}  # type: ignore[attr-defined]
    place["end_col_offset"] = old.end_col_offset if old.end_lineno == old.lineno else old.col_offset + 1  # type: ignore[attr-defined]
    todo: list[ast.AST] = [new]
    while todo:
        node = todo.pop()
        if "lineno" in node._attributes:
            if getattr(node, "lineno", None) is None:
                vars(node).update(place)
            elif node is not new:
                continue
        todo += children(node)
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
