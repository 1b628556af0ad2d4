"""The places in which a body may leave values: the user's variables, and items of containers and objects that it can reach.

A body is recorded once, however often it runs, so that every change it makes to Python's own state must be seen: a
`Snapshot` is taken before and compared after. What changed at a fixed place (`a.s`, `d["k"]`, `l[0]`) is treated as a
variable is. A container that grew or shrank is `Grown`: it cannot be recorded.
"""

from __future__ import annotations

import functools
import operator
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import BuiltinFunctionType, CellType, FunctionType, GeneratorType, MethodType, ModuleType
from typing import Any, NoReturn

import numpy as np
from numba.core.dispatcher import Dispatcher

from ..errors import ConcretizationError, UnstableError, message, raise_at
from .context import current, line
from .protocol import Names
from .standin import StandIn

MAX_DEPTH = 6
ATOMS = (bool, int, float, complex, str, bytes, type(None), StandIn, np.ndarray, np.generic, ModuleType, type, range)


class Unbound:
    """The content of an empty cell."""

    def __repr__(self) -> str:
        return "nothing"


UNBOUND = Unbound()


class Grown(ConcretizationError):
    """A container changed its length in a recorded body."""


def get(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return UNBOUND


def cells_of(body: Callable[..., Any], names: Names) -> dict[str, CellType]:
    """The cells of the variables that a body rebinds."""
    every = dict(zip(body.__code__.co_freevars, body.__closure__ or (), strict=True))
    return {n: every[n] for n in names if n in every}


class Keyed:
    """Places are equal if they are the same place, whatever they hold."""

    key: Any

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.key == self.key

    def __hash__(self) -> int:
        return hash(self.key)


@dataclass(frozen=True, eq=False)
class Variable(Keyed):
    name: str
    cell: CellType

    def get(self) -> Any:
        return get(self.cell)

    def put(self, x: Any) -> None:
        if x is not UNBOUND:
            self.cell.cell_contents = x
        elif self.get() is not UNBOUND:
            del self.cell.cell_contents

    @property
    def key(self) -> Any:
        return id(self.cell)


@dataclass(frozen=True, eq=False)
class Item(Keyed):
    """`holder[key]`: of a list, or of a dict (also the attributes of an object)."""

    name: str
    holder: Any
    at: Any

    def get(self) -> Any:
        return self.holder[self.at]

    def put(self, x: Any) -> None:
        self.holder[self.at] = x

    @property
    def key(self) -> Any:
        return (id(self.holder), self.at)


@dataclass(frozen=True, eq=False)
class Slot(Keyed):
    """An attribute in `__slots__`."""

    name: str
    holder: Any
    at: str

    def get(self) -> Any:
        return getattr(self.holder, self.at, UNBOUND)

    def put(self, x: Any) -> None:
        object.__setattr__(self.holder, self.at, x) if x is not UNBOUND else object.__delattr__(self.holder, self.at)

    @property
    def key(self) -> Any:
        return (id(self.holder), self.at)


Place = Variable | Item | Slot


@dataclass(frozen=True)
class Advancing:
    """An iterator, which cannot be put back."""

    iterator: Any


def position(x: Any) -> Any:
    """What changes when an iterator moves on; something new each time, where it does not tell."""
    if isinstance(x, GeneratorType):
        return x.gi_frame and x.gi_frame.f_lasti, x.gi_frame and id(x.gi_frame)
    left = operator.length_hint(x, -1)
    return left if left >= 0 else object()


def refuse_iterator(name: str) -> NoReturn:
    raise_at(
        UnstableError,
        f"`{name}`, an iterator, is used in a loop or branch that is recorded",
        wanted="a body that does the same in every iteration: it is recorded once, however often it runs",
        got="an iterator that is made outside of it, and moves on in each iteration",
        repair="loop over the values themselves, with zip or an index",
    )


@dataclass(eq=False)
class Held:
    """One container, cell or slot that can be reached, and what it held."""

    name: str
    holder: Any
    before: Any

    def now(self) -> Any:
        return self.holder.get() if isinstance(self.holder, (Variable, Slot)) else self.holder

    def changed(self) -> Iterator[Place]:
        x, before = self.now(), self.before
        if isinstance(self.holder, Advancing):
            return
        if isinstance(self.holder, (Variable, Slot)):
            if x is not before:
                yield self.holder
        elif isinstance(x, (list, deque)):
            if len(x) != len(before):
                self.grown()
            yield from (Item(f"{self.name}[{k}]", x, k) for k, v in enumerate(before) if x[k] is not v)
        elif isinstance(x, dict):
            if x.keys() != before.keys():
                self.grown()
            yield from (Item(self.item(k), x, k) for k, v in before.items() if x[k] is not v)
        elif x != before:
            self.grown()

    def advanced(self) -> bool:
        return isinstance(self.holder, Advancing) and position(self.holder.iterator) != self.before

    def item(self, k: Any) -> str:
        owner, dot, _ = self.name.rpartition(".__dict__")
        return f"{owner}.{k}" if dot else f"{self.name}[{k!r}]"

    def restore(self) -> None:
        x = self.now()
        if isinstance(self.holder, Advancing):
            if self.advanced():
                refuse_iterator(self.name)
        elif isinstance(self.holder, (Variable, Slot)):
            if x is not self.before:
                self.holder.put(self.before)
        elif isinstance(x, (list, deque)):
            if len(x) != len(self.before) or any(a is not b for a, b in zip(x, self.before, strict=True)):
                x.clear()
                x.extend(self.before)
        elif isinstance(x, dict):
            if x.keys() != self.before.keys() or any(x[k] is not v for k, v in self.before.items()):
                x.clear()
                x.update(self.before)
        elif x != self.before:
            x.clear()
            x.update(self.before)

    def grown(self) -> None:
        new = [repr(k) for k in self.now() if k not in self.before] if isinstance(self.before, dict) else []
        kind = "an object" if self.name.endswith(".__dict__") else f"a {type(self.before).__name__}"
        text = message(
            f"`{self.name.removesuffix('.__dict__')}`, {kind}, grows or shrinks in a loop or branch that is recorded",
            line(),
            wanted="state of a fixed size: the body is recorded once, however often it runs",
            got=f"the new key {new[0]}" if new else f"{len(self.before)} items before, {len(self.now())} after",
            repair="make it an array of its final size before, and write to its elements"
            if not isinstance(self.before, dict)
            else "give every key a value before",
        )
        raise Grown(text)


class Snapshot:
    """The Python state that functions with these closures can reach, as it is now. `but`: cells that are looked after."""

    def __init__(self, bodies: Iterable[Callable[..., Any]], but: Iterable[Place] = ()) -> None:
        self.held: list[Held] = []
        self.seen: set[int] = set()
        self.but = {id(p.cell) for p in but if isinstance(p, Variable)}
        for body in bodies:
            for name, cell in zip(body.__code__.co_freevars, body.__closure__ or (), strict=True):
                self._cell(cell, name, MAX_DEPTH)
        self.guards = current().guards
        for x, _, name in self.guards.snapshots:
            self._reach(x, name, MAX_DEPTH)
        self.known = len(self.guards.snapshots)

    def _cell(self, cell: CellType, name: str, depth: int) -> None:
        if id(cell) in self.seen:
            return
        self.seen.add(id(cell))
        x = get(cell)
        if id(cell) not in self.but and not name.startswith("_jg"):
            self.held.append(Held(name, Variable(name, cell), x))
        if isinstance(x, Iterator) and depth == MAX_DEPTH and not isinstance(x, StandIn):
            self.held.append(Held(name, Advancing(x), position(x)))
        self._reach(x, name, depth)

    def _reach(self, x: Any, name: str, depth: int) -> None:
        if isinstance(x, (*ATOMS, Unbound)) or depth == 0 or id(x) in self.seen:
            return
        if str(type(x).__module__).partition(".")[0] == "jitgrad":  # (a class may have a slot of that name)
            return
        self.seen.add(id(x))
        if isinstance(x, (list, deque)):
            self.held.append(Held(name, x, list(x)))
            self._every(((f"{name}[{k}]", v) for k, v in enumerate(x)), depth)
        elif isinstance(x, dict):
            self.held.append(Held(name, x, dict(x)))
            self._every(((f"{name}[{k!r}]", v) for k, v in x.items()), depth)
        elif isinstance(x, (set, bytearray)):
            self.held.append(Held(name, x, x.copy()))
        elif isinstance(x, tuple):
            self._every(((f"{name}[{k}]", v) for k, v in enumerate(x)), depth)
        elif isinstance(x, FunctionType):
            for n, cell in zip(x.__code__.co_freevars, x.__closure__ or (), strict=True):
                self._cell(cell, n, depth - 1)
        elif isinstance(x, MethodType):
            self._every([(name, x.__self__), (name, x.__func__)], depth)
        elif isinstance(x, Dispatcher):  # compiled by Numba, whose registries hang on it: the function is meant
            self._every([(name, x.py_func)], depth)
        elif isinstance(x, functools.partial):
            self._every([(name, x.func), *[(name, a) for a in (*x.args, *x.keywords.values())]], depth)
        elif not isinstance(x, BuiltinFunctionType):
            self._object(x, name, depth)

    def _every(self, parts: Iterable[tuple[str, Any]], depth: int) -> None:
        for name, v in parts:
            if not isinstance(v, ATOMS):
                self._reach(v, name, depth - 1)

    def _object(self, x: Any, name: str, depth: int) -> None:
        own = getattr(x, "__dict__", None)
        if isinstance(own, dict):
            self.seen.add(id(own))
            self.held.append(Held(f"{name}.__dict__", own, dict(own)))
            self._every(((f"{name}.{k}", v) for k, v in own.items()), depth)
        for cls in type(x).__mro__:
            slots = cls.__dict__.get("__slots__", ())
            for s in (slots,) if isinstance(slots, str) else slots:
                at = f"_{cls.__name__.lstrip('_')}{s}" if s.startswith("__") and not s.endswith("__") else s
                if at not in ("__dict__", "__weakref__") and hasattr(x, at):
                    place = Slot(f"{name}.{at}", x, at)
                    self.held.append(Held(place.name, place, place.get()))
                    self._every([(place.name, place.get())], depth)

    def changed(self) -> list[Place]:
        """The places that hold something else now."""
        new = [Held(name, x, before) for x, before, name in self.guards.snapshots[self.known :] if id(x) not in self.seen]
        self.held += new
        self.known = len(self.guards.snapshots)
        return [p for h in self.held for p in h.changed()]

    def restore(self) -> None:
        for h in self.held:
            h.restore()


__all__ = ["UNBOUND", "Grown", "Item", "Place", "Slot", "Snapshot", "Variable", "cells_of", "get"]
