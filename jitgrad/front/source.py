"""Finding the source of a function: the node of the AST that its code was compiled from.

A file is parsed whole, once for each version of its text, and functions are looked up by line and name. The node found
is compiled and compared with the code that runs: two lambdas on one line are told apart so, and a file that was edited
after it was imported is noticed. The text comes from `linecache`, which also knows notebook cells and, from 3.13 on,
what was typed at the prompt; that of `python -c` from the command line.
"""

from __future__ import annotations

import ast
import linecache
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any, NoReturn

from ..errors import NoSource, Where, raise_at
from .assemble import compile_function, fingerprint
from .bindings import FUNCTIONS, FunctionNode, bound
from .nodes import children, walk


@dataclass(frozen=True)
class Source:
    """A function as written. The node belongs to the cached tree: copy it before changing it."""

    node: FunctionNode
    filename: str
    private: str | None  # the class whose private names (`self.__x`) are the function's
    name: str
    imports: tuple[str, ...]  # the names that its module imports at the top


@dataclass(frozen=True, eq=False)
class File:
    """A file as it was parsed, from these lines. `imports`: the names that it imports at the top."""

    lines: list[str]
    tree: ast.Module
    imports: tuple[str, ...]


_files: dict[str, File] = {}


def find(f: FunctionType) -> Source:
    """The source of a function; raises NoSource."""
    code = f.__code__
    candidates = list(_candidates(_file(code, f), code))
    for source in candidates:
        if fingerprint(_compiled(source, code)) == fingerprint(code):
            return source
    if code.co_filename == "<string>":  # the command's text is not the one: `exec` made it
        _no_source(code, "no text for the file '<string>'", ELSEWHERE)
    if not candidates:
        _no_source(code, "no function of this name begins on this line of the file", _EDITED)
    # Test runners rewrite `assert`, so such a function differs from its source by right. Only its signature can tell.
    asserting = [s for s in candidates if any(isinstance(x, ast.Assert) for x in ast.walk(s.node))]
    for source in asserting:
        if _signature(_compiled(source, code)) == _signature(code):
            return source
    _no_source(code, "the text of the file is not what was compiled", _EDITED)


_EDITED = "the file was edited after the import, or an import hook changes code: import it again"
ELSEWHERE = "put the function in a file or a notebook cell: what `exec` made has no text, nor had Python's prompt before 3.13"


def _no_source(code: CodeType, got: str, repair: str) -> NoReturn:
    raise_at(
        NoSource,
        f"the source of `{code.co_name}` cannot be found",
        Where(code.co_filename, code.co_firstlineno, code.co_name),
        wanted="the text that the function was compiled from",
        got=got,
        repair=repair,
    )


def _file(code: CodeType, f: FunctionType) -> File:
    filename = code.co_filename
    linecache.checkcache(filename)
    lines = linecache.getlines(filename, f.__globals__) or _of_command(filename)
    if not lines:
        _no_source(code, f"no text for the file {filename!r}", ELSEWHERE)
    known = _files.get(filename)
    if known is None or known.lines != lines:
        try:
            # A notebook cell may `await` at its top.
            flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            tree: Any = compile("".join(lines), filename, "exec", flags=flags, dont_inherit=True)
        except SyntaxError as e:
            _no_source(code, f"text that is not Python: {e.msg}, line {e.lineno}", _EDITED)
        top = walk(tree.body, lambda x: [] if isinstance(x, (ast.expr, *FUNCTIONS, ast.ClassDef)) else children(x))
        imports = bound(x for x in top if isinstance(x, (ast.Import, ast.ImportFrom)))
        known = _files[filename] = File(lines, tree, tuple(imports))
    return known


def _of_command(filename: str) -> list[str]:
    """The text of `python -c text`."""
    after = [b for a, b in zip(sys.orig_argv, sys.orig_argv[1:]) if a.startswith("-") and a.endswith("c")]
    return after[0].splitlines(True) if filename == "<string>" and after else []


def _candidates(file: File, code: CodeType) -> Iterator[Source]:
    """The functions of a name that begin on a line, each with the class around it that its private names belong to."""
    line = code.co_firstlineno
    todo: list[tuple[ast.AST, str | None]] = [(file.tree, None)]
    while todo:
        node, private = todo.pop()
        if isinstance(node, ast.ClassDef):
            private = node.name if node.name.strip("_") else None
        if isinstance(node, FUNCTIONS) and _first_line(node) == line:
            name = getattr(node, "name", "<lambda>")
            if name == code.co_name:
                yield Source(node, code.co_filename, private, name, file.imports)
        todo += [(child, private) for child in children(node) if _first_line(child) <= line <= _last_line(child, line)]


def _first_line(node: Any) -> int:
    """Parts without a place (arguments, say) begin before all others."""
    return min([getattr(node, "lineno", 0), *[d.lineno for d in getattr(node, "decorator_list", ())]])


def _last_line(node: Any, unknown: int) -> int:
    return getattr(node, "end_lineno", None) or unknown


def _compiled(source: Source, code: CodeType) -> CodeType:
    return compile_function(source.node, code.co_freevars, source.private, code, source.imports)


def _signature(code: CodeType) -> tuple[object, ...]:
    n = code.co_argcount + code.co_kwonlyargcount
    return (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_varnames[:n], code.co_freevars)
