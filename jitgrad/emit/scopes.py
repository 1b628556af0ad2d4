"""Which arrays of generated text share no memory, told to LLVM.

Before a vectorised loop runs, the ends of all arrays that it reads and writes are compared, and a second loop is kept for the
case that they overlap. But an array that the text itself makes with `empty` or `zeros` overlaps nothing that has another name.
So each is a scope of its own: whoever reads or writes a cell of another array says that he does so outside of that scope
(https://llvm.org/docs/LangRef.html#noalias-and-alias-scope-metadata). A third of the instructions go.

Of what has two names, or is a view, nothing is said: that may overlap everything. Memory that is freed and given out again is
no danger: no access moves across the calls that do so. Nor is a function into which this one is copied: LLVM renames the scopes
of a copy.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from numba.core.ir import Arg, Expr, FreeVar, Global, Var

from . import memory

FRESH = frozenset(getattr(memory, name) for name in memory.__all__)
MOST = 64  # scopes of a function: each access lists all that it is outside of


class Scopes:
    """The scopes of one function, in the module that LLVM is to read."""

    def __init__(self, definitions: dict[str, list[Any]], module: Any, title: str) -> None:
        self.definitions, self.module = definitions, module
        made = dict.fromkeys(r for name in definitions if (r := self.root(name)) and self.is_fresh(r))
        domain = module.add_metadata([title])
        self.scopes = {r: module.add_metadata([f"{r} of {title}", domain]) for r in list(made)[:MOST]}
        self.known: dict[str, dict[str, Any]] = {}

    def mark(self, accesses: Iterable[Any], name: str) -> None:
        """`accesses`: the instructions that read or write a cell of the array of this name."""
        root = self.root(name)
        if root is None:
            return
        if root not in self.known:
            self.known[root] = dict(self.said(root))
        for access in accesses:
            for kind, scopes in self.known[root].items():
                access.set_metadata(kind, scopes)

    def said(self, root: str) -> Iterable[tuple[str, Any]]:
        others = [scope for r, scope in self.scopes.items() if r != root]
        if others:
            yield "noalias", self.module.add_metadata(others)
        if root in self.scopes:
            yield "alias.scope", self.module.add_metadata([self.scopes[root]])

    def root(self, name: str) -> str | None:
        """The name under which the array came into the text: as an argument, or fresh. None: neither, or not one."""
        made = self.definitions[name]
        while len(made) == 1 and isinstance(made[0], Var):
            name = made[0].name
            made = self.definitions[name]
        return name if self.is_fresh(name) or {type(x) for x in made} == {Arg} else None

    def is_fresh(self, name: str) -> bool:
        made = self.definitions[name]
        return bool(made) and all(isinstance(x, Expr) and x.op == "call" and self.value(x.func.name) in FRESH for x in made)

    def value(self, name: str) -> Any:
        """What a name of the module stands for."""
        made = self.definitions[name]
        return made[0].value if len(made) == 1 and isinstance(made[0], (Global, FreeVar)) else None


__all__ = ["Scopes"]
