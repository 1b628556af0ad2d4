"""Boxes: where arrays live while a function is traced, so that writing one is seen by every name and view of it.

A `Box` is a place; what is in it is a value of the program, kept by the `Scope`. Each recorded body has a scope of its
own: leaving it undoes its writes, what it wrote is its carries, and what it only read its constants. In a body an
outer box becomes a parameter for that *place* (two boxes may hold one value, and be written differently).

What may share memory without the tracer knowing for sure is kept in `Box.may`: writing one poisons the others, and
using a poisoned box is an error. The poison lives in the scope, so that an attempt that is given up leaves none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..errors import AliasError, EscapedError, raise_at
from ..ir import build
from ..ir.build import Value
from ..ir.core import Type, Var, Where
from ..ir.dims import DimLike
from .context import current, line

FUNCTION, INLINE, BODY = "function", "inline", "body"

Ranges = dict[Any, tuple[DimLike, DimLike]]  # the index of a loop: lo <= index < hi


class Box:
    """A place for an array. `frozen`: why it must not be written."""

    __slots__ = ("frozen", "may", "name", "type")

    def __init__(
        self, value: Value, name: str = "a", may: Iterable[Box] = (), frozen: str = "", scope: Scope | None = None
    ) -> None:
        self.type: Type = value.type
        self.name, self.frozen = name, frozen
        self.may: set[Box] = set()
        (scope or current().scope).store[self] = value
        for other in {*may, *(b for m in may for b in m.may)}:
            self.may.add(other)
            other.may.add(self)

    def __repr__(self) -> str:
        return f"<{self.type} {self.name}>"

    def link(self, others: Iterable[Box]) -> None:
        """It may share memory with each of these, which says nothing about them among each other."""
        for other in others:
            if other is not self:
                self.may.add(other)
                other.may.add(self)


@dataclass(eq=False)
class Scope:
    """The boxes as one body sees them. `kind`: the function, a function traced inside it, or a recorded body."""

    kind: str = FUNCTION
    parent: Scope | None = None
    store: dict[Box, Value] = field(default_factory=dict)
    entry: dict[Box, Value] = field(default_factory=dict)  # outer boxes: the parameter that stands for what they held
    written: dict[Box, Where | None] = field(default_factory=dict)
    poison: dict[Box, str] = field(default_factory=dict)
    writing: build.Scope | None = None  # of a recorded body: where its statements stand
    ranges: Ranges = field(default_factory=dict)  # of a recorded loop
    what: str = ""  # of a recorded body: "loop" or "branch"

    def read(self, box: Box) -> Value:
        self._usable(box)
        if box not in self.store:
            if self.parent is None:
                raise_at(
                    EscapedError,
                    f"the array `{box.name}` is used outside of the body that made it",
                    wanted="an array of this function",
                    got="one that was made inside a function that is differentiated, a loop or a branch",
                    repair="return it, or make the array before",
                )
            outer = self.parent.read(box)
            self.store[box] = self._enter(box, outer)
        return self.store[box]

    def _enter(self, box: Box, outer: Value) -> Value:
        if self.kind != BODY:
            return outer
        assert self.writing is not None
        self.entry[box] = Value(self.writing.param(Var(outer.type, box.name)))
        return self.entry[box]

    def write(self, box: Box, value: Value) -> None:
        self._usable(box)
        self._writable(box)
        if box not in self.store:
            self.read(box)
        for other in box.may:
            self.poison[other] = (
                f"`{other.name}` may share memory with `{box.name}`, which was written at {_place(line())}"
            )
        self.store[box] = value
        self.written[box] = line()

    def own(self, box: Box) -> bool:
        """Was it made here?"""
        return box in self.store and box not in self.entry and (self.parent is None or not self.parent.has(box))

    def has(self, box: Box) -> bool:
        return box in self.store or (self.parent is not None and self.parent.has(box))

    def known_ranges(self) -> Ranges:
        """The indices of the loops around, with their ranges."""
        return {**(self.parent.known_ranges() if self.parent else {}), **self.ranges}

    def within(self, what: str) -> bool:
        """Is this inside a recorded loop, or branch?"""
        return self.what == what or (self.parent is not None and self.parent.within(what))

    def _usable(self, box: Box) -> None:
        scope: Scope | None = self
        while scope is not None:
            if box in scope.poison:
                raise_at(
                    AliasError,
                    scope.poison[box],
                    wanted="an array of which it is known whether the write reached it",
                    got=f"`{box.name}` is used after the write",
                    repair="copy one of the two before it is written: `.copy()`",
                )
            scope = scope.parent

    def _writable(self, box: Box) -> None:
        if box.frozen:
            raise_at(
                AliasError,
                f"`{box.name}` is written",
                wanted="a write to an argument, or to an array made in the function",
                got=box.frozen,
                repair=f"pass `{box.name}` as an argument, or write to `{box.name}.copy()`",
            )
        around = self.parent.has if self.parent is not None else lambda b: False
        if self.kind == INLINE and (not self.own(box) or any(map(around, box.may))):
            raise_at(
                AliasError,
                f"`{box.name}` is written inside a function that is differentiated",
                wanted="writes to its own arguments and arrays",
                got="an array of the function around it",
                repair="pass it as an argument and return it, or write to a copy",
            )


def _place(where: Where | None) -> str:
    return f"{where.filename}:{where.lineno}" if where else "an unknown line"
