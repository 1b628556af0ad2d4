"""The fence: the Python that jitgrad takes, as a list one can read. Checked before anything is rewritten.

What stands in neither table is refused too, so that syntax of a Python to come is never passed on unread. Class bodies
inside a function are left as they are and are not looked into.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from ..errors import SyntaxRefused, Where, raise_at
from .bindings import FunctionNode, bound, declared, own, parameters, statements
from .jumps import leaving
from .nodes import children, walk
from .source import Source

# fmt: off
SUPPORTED: dict[str, str] = {
    # statements
    "Assign": "", "AnnAssign": "", "AugAssign": "", "Delete": "", "Expr": "", "Pass": "", "Nonlocal": "",
    "Global": "reading only",
    "If": "recorded when its condition is traced", "For": "with else", "While": "with else",
    "Return": "", "Break": "", "Continue": "",
    "Try": "tracing runs it; a recorded operation raises nothing", "ExceptHandler": "", "Raise": "", "Assert": "",
    "With": "", "withitem": "",
    "Match": "as a chain of `if`", "match_case": "", "MatchValue": "",
    "MatchSingleton": "", "MatchSequence": "", "MatchMapping": "", "MatchClass": "", "MatchStar": "", "MatchAs": "",
    "MatchOr": "",
    "FunctionDef": "rewritten with the function around it", "ClassDef": "left as it is",
    "Import": "", "ImportFrom": "", "alias": "",
    # expressions
    "BoolOp": "", "NamedExpr": "", "BinOp": "", "UnaryOp": "", "Lambda": "", "IfExp": "", "Compare": "", "Call": "",
    "Dict": "", "Set": "", "List": "", "Tuple": "", "Starred": "", "Subscript": "", "Slice": "", "Attribute": "",
    "Name": "", "Constant": "", "JoinedStr": "", "FormattedValue": "", "TemplateStr": "", "Interpolation": "",
    "ListComp": "run by Python", "SetComp": "run by Python", "DictComp": "run by Python",
    "GeneratorExp": "run by Python", "comprehension": "",
    "Yield": "generators: only their expressions are rewritten", "YieldFrom": "likewise",
    # parts
    "arguments": "", "arg": "", "keyword": "",
    "TypeVar": "", "ParamSpec": "", "TypeVarTuple": "",
}

REFUSED: dict[str, tuple[str, str]] = {
    "AsyncFunctionDef": ("async functions",        "make it a plain `def`"),
    "AsyncFor":         ("`async for`",            "make it a plain `for`"),
    "AsyncWith":        ("`async with`",           "make it a plain `with`"),
    "Await":            ("`await`",                "await outside of the differentiated function, pass the result in"),
    "TryStar":          ("`except*`",              "use a plain `except`"),
    "TypeAlias":        ("`type` statements",      "move it out of the function"),
}

# Calls by name that need the frame of the function as written, whose variables the rewritten one keeps elsewhere.
REFUSED_CALLS: dict[str, tuple[str, str]] = {
    "exec":    ("`exec`",                      "write the code out"),
    "eval":    ("`eval`",                      "write the expression out"),
    "locals":  ("`locals()`",                  "name the variables, or keep them in a dict"),
    "globals": ("`globals()`",                 "name the variable"),
    "vars":    ("`vars()` without an object",  "name the variables, or keep them in a dict"),
    "dir":     ("`dir()` without an object",   "name the variables"),
}
# fmt: on


class Refusal(NamedTuple):
    node: ast.AST
    got: str
    repair: str


def check(source: Source) -> None:
    """Raise SyntaxRefused at the first place of a function that lies outside the fence."""
    for node, got, repair in _refusals(source.node):
        where = Where(
            source.filename,
            getattr(node, "lineno", source.node.lineno),
            source.name,
            getattr(node, "col_offset", None),
            getattr(node, "end_lineno", None),
            getattr(node, "end_col_offset", None),
        )
        raise_at(SyntaxRefused, "this syntax cannot be traced", where, wanted=WANTED, got=got, repair=repair)


WANTED = "plain Python functions: see the list in jitgrad/front/fence.py"


def _refusals(function: FunctionNode) -> Iterator[Refusal]:
    yield from _unknown(function)
    for node in _functions(function):
        yield from _in_function(node)


def _functions(function: FunctionNode) -> Iterator[FunctionNode]:
    yield function
    for node in own(statements(function)):
        if isinstance(node, FunctionNode):
            yield from _functions(node)


def _unknown(function: FunctionNode) -> Iterator[Refusal]:
    """Nodes that are not in the table of supported ones. Operators and contexts are none: they need no row."""
    for node in walk([function], lambda x: () if isinstance(x, ast.ClassDef) else children(x)):
        kind = type(node).__name__
        if kind in REFUSED:
            yield Refusal(node, *REFUSED[kind])
        elif kind not in SUPPORTED:
            yield Refusal(node, f"{kind}, syntax that jitgrad does not know", "write it in older Python")
        if isinstance(node, ast.comprehension) and node.is_async:
            yield Refusal(node.target, "an asynchronous comprehension", "make it a plain `for`")


def _in_function(function: FunctionNode) -> Iterator[Refusal]:
    """What is refused for its surroundings rather than for its kind."""
    body = statements(function)
    nodes = list(own(body))
    names = bound(body)
    written = set(names).intersection(declared(nodes, ast.Global))
    reserved = [name for name in (*parameters(function.args), *names) if name.startswith("_jg")]
    if reserved:
        yield Refusal(function, f"a variable named `{reserved[0]}`", "rename it: names in `_jg` are jitgrad's own")
    for node in nodes:
        if isinstance(node, ast.Global) and written.intersection(node.names):
            name = next(n for n in node.names if n in written)
            yield Refusal(node, f"the global variable `{name}` is assigned", f"return `{name}`, assign it outside")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in REFUSED_CALLS:
            if node.func.id not in ("vars", "dir") or not (node.args or node.keywords):
                yield Refusal(node, *REFUSED_CALLS[node.func.id])
        elif isinstance(node, ast.Try) and leaving(node.finalbody):
            jump = next(x for x in own(node.finalbody) if isinstance(x, (ast.Return, ast.Break, ast.Continue)))
            yield Refusal(jump, "a jump out of `finally`, which drops the exception", "jump after the `try` statement")
