"""Which names a piece of source binds, reads and declares: Python's scoping rules, on the AST.

A comprehension, a lambda, a nested function and a class body are scopes of their own; `own` walks one scope only. What
a nested function evaluates in the scope around it (decorators, defaults) belongs to the scope around it.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from .nodes import children, walk

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def own(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """The nodes of one scope in source order: not those of functions and classes in it, but those of comprehensions."""
    return walk(nodes, _outside)


def _outside(node: ast.AST) -> Sequence[ast.AST]:
    """The children of a node that are evaluated in the scope in which the node stands."""
    if isinstance(node, FUNCTIONS):
        defaults = [d for d in (*node.args.defaults, *node.args.kw_defaults) if d is not None]
        return (*getattr(node, "decorator_list", ()), *defaults)
    if isinstance(node, ast.ClassDef):
        return (*node.decorator_list, *node.bases, *node.keywords)
    return children(node)


# The names that a node binds by itself. `match` patterns included; parameters are not here (see `parameters`).
_BINDS: dict[type[ast.AST], Callable[..., Iterable[str | None]]] = {
    ast.Name: lambda n: () if isinstance(n.ctx, ast.Load) else (n.id,),
    ast.FunctionDef: lambda n: (n.name,),
    ast.AsyncFunctionDef: lambda n: (n.name,),
    ast.ClassDef: lambda n: (n.name,),
    ast.Import: lambda n: [a.asname or a.name.partition(".")[0] for a in n.names],
    ast.ImportFrom: lambda n: [a.asname or a.name for a in n.names],
    ast.ExceptHandler: lambda n: (n.name,),
    ast.MatchAs: lambda n: (n.name,),
    ast.MatchStar: lambda n: (n.name,),
    ast.MatchMapping: lambda n: (n.rest,),
}


def bound(nodes: Iterable[ast.AST]) -> list[str]:
    """The names that these statements bind or delete in their own scope, in source order, each once."""
    found: dict[str | None, None] = {}

    def visit(node: ast.AST) -> None:
        if isinstance(node, COMPREHENSIONS):  # its targets are its own, but `:=` binds in the scope around it
            found.update((w.target.id, None) for w in own([node]) if isinstance(w, ast.NamedExpr))
            return
        if type(node) in _BINDS:
            found.update(dict.fromkeys(_BINDS[type(node)](node)))
        for child in _outside(node):
            visit(child)

    for node in nodes:
        visit(node)
    return [name for name in found if name is not None]


def loads(nodes: Iterable[ast.AST]) -> Counter[str]:
    """How often each name is read (or needed bound: `+=`, `del`), nested scopes included."""
    count: Counter[str] = Counter()
    for x in walk(nodes):
        if isinstance(x, ast.Name) and not isinstance(x.ctx, ast.Store):
            count[x.id] += 1
        elif isinstance(x, ast.AugAssign) and isinstance(x.target, ast.Name):
            count[x.target.id] += 1
    return count


def parameters(args: ast.arguments) -> list[str]:
    """All parameter names of a function, in order."""
    stars = [a for a in (args.vararg, args.kwarg) if a is not None]
    return [a.arg for a in (*args.posonlyargs, *args.args, *args.kwonlyargs, *stars)]


def declared(nodes: Iterable[ast.AST], kind: type[ast.Global] | type[ast.Nonlocal]) -> list[str]:
    """The names that the `global` or `nonlocal` statements among these nodes list."""
    return list(dict.fromkeys(n for x in nodes if isinstance(x, kind) for n in x.names))


def statements(function: FunctionNode) -> list[ast.stmt]:
    """The body of a function; of a lambda, the `return` that it stands for."""
    if isinstance(function, ast.Lambda):
        return [ast.copy_location(ast.Return(function.body), function.body)]
    return function.body


@dataclass(frozen=True)
class Scope:
    """The names of one function: its parameters and locals, and those that it declares to live elsewhere."""

    parameters: tuple[str, ...]
    locals: frozenset[str]  # parameters included
    globals: frozenset[str]
    nonlocals: frozenset[str]
    shared: tuple[str, ...]  # not its locals only: what functions nested in it rebind by `nonlocal`

    @staticmethod
    def of(function: FunctionNode) -> Scope:
        body, params = statements(function), parameters(function.args)
        nodes = list(own(body))
        outer, world = declared(nodes, ast.Nonlocal), declared(nodes, ast.Global)
        local = {*params, *bound(body)} - {*outer, *world}
        return Scope(tuple(params), frozenset(local), frozenset(world), frozenset(outer), _rebound_inside(nodes))


def _rebound_inside(nodes: Iterable[ast.AST]) -> tuple[str, ...]:
    """The names that functions nested in a scope of these nodes rebind in it, or in a function around it."""
    names: dict[str, None] = {}
    for node in nodes:
        if isinstance(node, FUNCTIONS):
            inner = Scope.of(node)
            names.update(dict.fromkeys(n for n in (*inner.nonlocals, *inner.shared) if n not in inner.locals))
        elif isinstance(node, ast.ClassDef):
            names.update(dict.fromkeys(n for x in walk([node]) if isinstance(x, ast.Nonlocal) for n in x.names))
    return tuple(sorted(names))
