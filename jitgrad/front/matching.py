"""`match` as a chain of `if`: so that patterns see values that the program computes, and a match on one is recorded.

    match p:                                       _jgs1 = p
        case (0, y):   A                           if <p is a sequence of two> and _jgs1[0] == 0: y = _jgs1[1]; A
        case [x, *_] if x > 1:  B      ->          else: <names>; if x > 1: B
        case _:        C                               else: C

A pattern is a test (None: it always fits) and the names that it binds, each with the expression of its value. What has no
expression of its own goes through `_jg.pattern`: see `patterns.py`.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Iterable, Sequence

from .assemble import RUNTIME
from .nodes import copied, name, put

Path = Callable[[], ast.expr]  # a fresh expression of what a pattern is compared with
Found = tuple[ast.expr | None, list[tuple[str, Path]]]  # the test, the names


def without_match(function: ast.FunctionDef) -> ast.FunctionDef:
    """The function, and those nested in it, with an `if` in the place of each `match`; class bodies stay as they are."""
    made: ast.FunctionDef = _Writer().visit(function)
    return made


class _Writer(ast.NodeTransformer):
    def __init__(self) -> None:
        self.count = itertools.count(1)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        return node

    def visit_Match(self, s: ast.Match) -> list[ast.stmt]:
        self.generic_visit(s)
        subject = self.fresh()
        first = put(ast.Assign([name(subject, ast.Store())], s.subject), s)
        return [first, *self.chain(s.cases, lambda: name(subject))]

    def fresh(self) -> str:
        return f"_jgs{next(self.count)}"

    def chain(self, cases: Sequence[ast.match_case], subject: Path) -> list[ast.stmt]:
        if not cases:
            return []
        case, rest = cases[0], self.chain(cases[1:], subject)
        test, names = fitting(case.pattern, subject)
        binds: Callable[[], list[ast.stmt]] = lambda: [ast.Assign([name(n, ast.Store())], path()) for n, path in names]
        out: list[ast.stmt]
        if case.guard is None:
            out = [*binds(), *case.body] if test is None else [ast.If(test, [*binds(), *case.body], rest)]
        elif test is None or not names:
            guarded = case.guard if test is None else ast.BoolOp(ast.And(), [test, case.guard])
            out = [*binds(), ast.If(guarded, case.body, rest)]
        else:  # the guard reads the names; what the program computes is not bound any more behind the first `if`
            fits = self.fresh()
            asked = [*binds(), ast.Assign([name(fits, ast.Store())], case.guard)]
            no = ast.Assign([name(fits, ast.Store())], ast.Constant(False))
            out = [no, ast.If(test, asked, []), ast.If(name(fits), [*binds(), *case.body], rest)]
        return [put(s, case.pattern) for s in out]


def fitting(p: ast.pattern, x: Path) -> Found:
    """When `x` fits the pattern, and what it binds."""
    return _PATTERNS[type(p)](p, x)


def both(tests: Iterable[ast.expr | None]) -> ast.expr | None:
    some = [t for t in tests if t is not None]
    return ast.BoolOp(ast.And(), some) if len(some) > 1 else some[0] if some else None


def asked(kind: str, x: Path, *details: ast.expr) -> ast.Call:
    """`_jg.pattern(kind, x, *details)`"""
    return ast.Call(ast.Attribute(name(RUNTIME), "pattern", ast.Load()), [ast.Constant(kind), x(), *details], [])


def item(x: Path, key: ast.expr) -> Path:
    return lambda: ast.Subscript(x(), copied(key), ast.Load())


def parts(test: ast.expr, pairs: Iterable[tuple[ast.pattern, Path]]) -> Found:
    """A test, and patterns within."""
    found = [fitting(p, path) for p, path in pairs]
    return both([test, *[t for t, _ in found]]), [n for _, names in found for n in names]


def _value(p: ast.MatchValue, x: Path) -> Found:
    return ast.Compare(x(), [ast.Eq()], [p.value]), []


def _singleton(p: ast.MatchSingleton, x: Path) -> Found:
    return asked("singleton", x, ast.Constant(p.value)), []


def _as(p: ast.MatchAs, x: Path) -> Found:
    test, names = fitting(p.pattern, x) if p.pattern is not None else (None, [])
    return test, names if p.name is None else [*names, (p.name, x)]


def _or(p: ast.MatchOr, x: Path) -> Found:
    found = [fitting(q, x) for q in p.patterns]
    tests = [t for t, _ in found]
    test = None if tests[-1] is None else ast.BoolOp(ast.Or(), [t for t in tests if t is not None])
    first = dict(found[0][1])

    def chosen(n: str) -> Path:
        def path() -> ast.expr:
            *others, last = [(t and copied(t), dict(names)[n]()) for t, names in found]
            out = last[1]
            for t, value in reversed(others):
                out = ast.IfExp(t, value, out) if t is not None else value
            return out

        return path

    return test, [(n, chosen(n)) for n in first]


def _sequence(p: ast.MatchSequence, x: Path) -> Found:
    star = next((k for k, q in enumerate(p.patterns) if isinstance(q, ast.MatchStar)), None)
    count = len(p.patterns)
    least = count - (star is not None)
    test = asked("sequence", x, ast.Constant(least), ast.Constant(star is None))
    plain = [k for k in range(count) if k != star]
    at = {k: ast.Constant(k) if star is None or k < star else ast.UnaryOp(ast.USub(), ast.Constant(count - k)) for k in plain}
    found = parts(test, [(p.patterns[k], item(x, at[k])) for k in plain])
    if star is None or p.patterns[star].name is None:  # type: ignore[attr-defined]
        return found
    end = ast.UnaryOp(ast.USub(), ast.Constant(count - 1 - star)) if star < count - 1 else None
    rest = lambda: ast.Subscript(
        ast.List([ast.Starred(x(), ast.Load())], ast.Load()),
        ast.Slice(ast.Constant(star), end and copied(end)),
        ast.Load(),
    )
    return found[0], [*found[1], (p.patterns[star].name, rest)]  # type: ignore[attr-defined]


def _mapping(p: ast.MatchMapping, x: Path) -> Found:
    keys = lambda: [copied(k) for k in p.keys]
    test, names = parts(asked("mapping", x, *keys()), [(q, item(x, k)) for k, q in zip(p.keys, p.patterns, strict=True)])
    return test, names if p.rest is None else [*names, (p.rest, lambda: asked("rest", x, *keys()))]


def _class(p: ast.MatchClass, x: Path) -> Found:
    count = ast.Constant(len(p.patterns))
    test = asked("class", x, p.cls, count, *map(ast.Constant, p.kwd_attrs))
    place = lambda k: lambda: asked("position", x, copied(p.cls), ast.Constant(k))
    attribute = lambda a: lambda: ast.Attribute(x(), a, ast.Load())
    positional = [(q, place(k)) for k, q in enumerate(p.patterns)]
    named = [(q, attribute(a)) for a, q in zip(p.kwd_attrs, p.kwd_patterns, strict=True)]
    return parts(test, [*positional, *named])


_PATTERNS: dict[type[ast.pattern], Callable[..., Found]] = {
    ast.MatchValue: _value, ast.MatchSingleton: _singleton, ast.MatchAs: _as, ast.MatchOr: _or,
    ast.MatchSequence: _sequence, ast.MatchMapping: _mapping, ast.MatchClass: _class,
}  # fmt: skip

__all__ = ["without_match"]
