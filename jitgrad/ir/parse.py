"""The text of a program back into the program: `show(parse(text)) == text`."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..errors import InternalError, Where
from .build import literal
from .core import DTYPES, OPS, Atom, Fn, Let, Lit, Type, Var, atom_of
from .dims import DimLike, Sym, of_symbol, opaque

NUMBERS = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}


def parse(text: str) -> Fn:
    """The program that `show` printed. Raises InternalError with the line that is not understood."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    sizes: dict[str, Sym] = {}
    if lines and lines[0].startswith("sizes "):
        for part in lines[0][len("sizes ") :].split(","):
            name, low = part.split(">=")
            sizes[name.strip()] = Sym(name.strip(), int(low))
        lines = lines[1:]
    rest = iter(lines)
    return _Parser(rest, sizes).fn(next_line(rest))


def next_line(lines: Iterator[str]) -> str:
    line = next(lines, None)
    if line is None:
        raise InternalError("the text of a program ends too early")
    return line


class _Parser:
    def __init__(self, lines: Iterator[str], sizes: Mapping[str, Sym]) -> None:
        self.lines, self.sizes = lines, sizes

    def fn(self, head: str) -> Fn:
        """The program whose head line is given; the rest of it is taken from the lines."""
        found = re.fullmatch(r"(?:fn )?([^\s(]+)\((.*)\) \{", head)
        if not found:
            raise InternalError(f"not the head of a program: {head}")
        scope: dict[str, Var] = {}
        params = self.declare(found[2], scope)
        lets: list[Let] = []
        while not (line := next_line(self.lines)).startswith("return"):
            lets.append(self.let(line, scope))
        results = tuple(self.atom(t, scope) for t in split(line[len("return") :]))
        if next_line(self.lines) != "}":
            raise InternalError(f"`}}` expected after: {line}")
        return Fn(found[1], params, tuple(lets), results)

    def declare(self, text: str, scope: dict[str, Var]) -> tuple[Var, ...]:
        """`x: f64[n], k: i64 = k`: the variables first, since their types may mention one another."""
        parts = [re.fullmatch(r"(\w+): (.+?)(?: = (\w+))?", p) for p in split(text)]
        if not all(parts):
            raise InternalError(f"not a list of typed variables: {text}")
        new = [Var(Type(), p[1], self.sizes[p[3]] if p[3] else None) for p in parts if p]
        scope.update((v.hint, v) for v in new)
        for v, p in zip(new, parts, strict=True):
            v.type = self.type(p[2], scope)  # type: ignore[index]
        return tuple(new)

    def let(self, line: str, scope: dict[str, Var]) -> Let:
        line, where = place(line)
        has_fns = line.endswith("{")
        line = line.removesuffix("{").strip()
        at = assignment(line)
        head, body = (line[:at], line[at + 3 :]) if at >= 0 else ("", line)
        found = re.match(r"\w+", body)
        if not found or found[0] not in OPS:
            raise InternalError(f"not a statement: {line}")
        rest = body[found.end() :]
        attrs: dict[str, Any] = {}
        if rest.startswith("["):
            end = closing(rest, 0)
            pairs = (p.split("=", 1) for p in split(rest[1:end]))
            attrs = {k: ast.literal_eval(v) for k, v in pairs}
            rest = rest[end + 1 :]
        args = tuple(self.atom(t, scope) for t in split(rest[1:-1]))
        fns: list[Fn] = []
        while has_fns and (nested := next_line(self.lines)) != "}":
            fns.append(self.fn(nested))
        return Let(self.declare(head, scope), OPS[found[0]], args, attrs, tuple(fns), where)

    def type(self, text: str, scope: Mapping[str, Var]) -> Type:
        dtype, bracket, dims = text.partition("[")
        if dtype not in DTYPES:
            raise InternalError(f"not a type: {text}")
        return Type(dtype, tuple(self.dim(d, scope) for d in split(dims[:-1])) if bracket else ())

    def atom(self, text: str, scope: Mapping[str, Var]) -> Atom:
        value, colon, type_text = text.rpartition(":")
        if colon:
            return Lit(constant(value), self.type(type_text, scope))
        if text in scope:
            return scope[text]
        if re.fullmatch(r"-?\d+", text) or not re.search(r"[A-Za-z_]", text) or text in ("True", "False", *NUMBERS):
            return literal(constant(text))
        if re.fullmatch(r"-?[\d.]+e[-+]?\d+", text):
            return literal(float(text))
        return atom_of(self.dim(text, scope))

    def dim(self, text: str, scope: Mapping[str, Var]) -> DimLike:
        def walk(node: ast.AST) -> DimLike:
            if isinstance(node, ast.Constant):
                return int(node.value)  # type: ignore[arg-type]
            if isinstance(node, ast.Name):
                return of_symbol(scope.get(node.id) or self.sizes[node.id])
            if isinstance(node, ast.UnaryOp):
                return -walk(node.operand)
            if isinstance(node, ast.Call):
                return opaque(node.func.id, *map(walk, node.args))  # type: ignore[attr-defined]
            return DIM_OPERATORS[type(node.op)](walk(node.left), walk(node.right))  # type: ignore[attr-defined]

        return walk(ast.parse(text.strip(), mode="eval").body)


DIM_OPERATORS: dict[type, Callable[[Any, Any], DimLike]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


def constant(text: str) -> Any:
    return NUMBERS[text] if text in NUMBERS else ast.literal_eval(text)


def place(line: str) -> tuple[str, Where | None]:
    """The statement, and the place in its comment."""
    found = re.search(r"  # (\S+):(\d+)$", line)
    if not found:
        return line, None
    return line[: found.start()].rstrip(), Where(found[1], int(found[2]), "")


def split(text: str) -> list[str]:
    """The parts between commas that are not within brackets or quotes."""
    out, depth, start, quote = [], 0, 0, ""
    for k, c in enumerate(text):
        if quote:
            quote = "" if c == quote and text[k - 1] != "\\" else quote
        elif c in "'\"":
            quote = c
        elif c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
        elif c == "," and not depth:
            out.append(text[start:k].strip())
            start = k + 1
    rest = text[start:].strip()
    return [*out, rest] if rest else out


def closing(text: str, at: int) -> int:
    """Where the bracket that opens at `at` closes."""
    depth, quote = 0, ""
    for k in range(at, len(text)):
        c = text[k]
        if quote:
            quote = "" if c == quote and text[k - 1] != "\\" else quote
        elif c in "'\"":
            quote = c
        elif c in "([":
            depth += 1
        elif c in ")]":
            depth -= 1
            if not depth:
                return k
    raise InternalError(f"a bracket does not close: {text}")


def assignment(line: str) -> int:
    """Where ` = ` stands between the results and the op; -1 for a statement without results."""
    depth = 0
    for k, c in enumerate(line):
        depth += (c in "([") - (c in ")]")
        if not depth and line.startswith(" = ", k):
            return k
    return -1
