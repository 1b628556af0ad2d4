"""What a traced function took from outside: globals, closure variables, attributes, containers.

A program is right only as long as these are what they were. Each is recorded with the way to read it again, and a call
compares first: numbers and strings by value, everything else by identity. An array is a parameter: another array of its
dtype and shape in its place needs no new trace.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import BuiltinFunctionType, CellType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from numba.core.dispatcher import Dispatcher

from ..errors import EscapedError, Unsupported, raise_at
from .captured import adopt as capture
from .context import current
from .standin import Array, StandIn, involved

MISSING = object()
MAX_ITEMS, MAX_DEPTH = 2000, 6


def _cell(cell: CellType, key: None) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


READ: dict[str, Callable[[Any, Any], Any]] = {
    "global": lambda names, key: names.get(key, MISSING),
    "cell": _cell,
    "attr": lambda x, key: getattr(x, key, MISSING),
    "item": lambda x, key: x[key] if (key < len(x) if isinstance(x, (list, tuple)) else key in x) else MISSING,
    "keys": lambda x, key: tuple(x),
    "len": lambda x, key: len(x),
    "set": lambda x, key: frozenset(x),
}

VALUES = (bool, int, float, complex, str, bytes, np.generic, tuple, frozenset, range, slice, np.dtype)
CODE = (FunctionType, BuiltinFunctionType, MethodType, ModuleType, type)
FIXED = (*VALUES, *CODE, type(None), Dispatcher)  # without attributes that a function may change: Numba's are its own affair


@dataclass(frozen=True, eq=False)
class Guard:
    """`READ[kind](holder, key)` is `expected`; or the captured array of this number."""

    kind: str
    holder: Any
    key: Any
    expected: Any
    slot: int | None = None

    def now(self) -> Any:
        return READ[self.kind](self.holder, self.key)


def unchanged(now: Any, expected: Any) -> bool:
    if now is expected:
        return True
    if type(now) is not type(expected) or not isinstance(now, VALUES):
        return False
    if isinstance(now, tuple):
        return len(now) == len(expected) and all(map(unchanged, now, expected))
    return bool(now == expected) or (now != now and expected != expected)


@dataclass(eq=False)
class Guards:
    records: list[Guard] = field(default_factory=list)
    seen: set[tuple[Any, ...]] = field(default_factory=set)
    external: dict[int, Any] = field(default_factory=dict)  # objects from outside, by identity
    shadows: dict[int, Any] = field(default_factory=dict)  # containers: what the function sees instead
    snapshots: list[tuple[Any, Any, str]] = field(default_factory=list)  # what may be changed, as it was, its name
    cells: dict[int, tuple[CellType, Any, str]] = field(default_factory=dict)  # closure variables, likewise

    def arrays(self, captured: list[np.ndarray]) -> list[np.ndarray] | None:
        """The captured arrays as they are now; None where a guard does not hold."""
        found, fixed = list(captured), set()
        for g in self.records:
            now = g.now()
            if g.slot is None:
                if not unchanged(now, g.expected):
                    return None
                continue
            if now is not found[g.slot]:
                if g.slot in fixed or not _alike(now, found[g.slot]):
                    return None
                found[g.slot] = now
            fixed.add(g.slot)
        return found

    # -- reading from outside

    def take(self, kind: str, holder: Any, key: Any, value: Any, name: str, depth: int = 0) -> Any:
        """What the function sees of a value that it reads there."""
        if isinstance(value, StandIn):
            return value
        if isinstance(value, np.ndarray):
            box = capture(value, name.split(".")[-1] if name.replace(".", "").isidentifier() else "")
            slot = list(current().captures).index(id(value))
            self.record(Guard(kind, holder, key, value, slot))
            return Array(box)
        self.record(Guard(kind, holder, key, value))
        if isinstance(value, (list, dict, set)) or (isinstance(value, tuple) and value):
            return self.container(value, name, depth)
        if not isinstance(value, FIXED):
            self.mark(value, name)
        return value

    def argument(self, x: Any, name: str) -> Any:
        """A static argument: the program is made for it, so only what it holds is guarded."""
        if isinstance(x, np.ndarray):
            return Array(capture(x))
        if isinstance(x, (list, dict, set, tuple)):
            return self.container(x, name, 0)
        if not isinstance(x, (*FIXED, StandIn)):
            self.mark(x, name)
        return x

    def closure(self, cells: dict[str, CellType]) -> None:
        """The closure variables of a function, which it may rebind."""
        for name, cell in cells.items():
            self.cells.setdefault(id(cell), (cell, _cell(cell, None), name))

    def record(self, g: Guard) -> None:
        key = (g.kind, id(g.holder), g.key)
        if key not in self.seen:
            self.seen.add(key)
            self.records.append(g)

    def mark(self, x: Any, name: str) -> None:
        """An object from outside: its attributes are guarded where they are read."""
        if id(x) not in self.external:
            self.external[id(x)] = x
            own = getattr(x, "__dict__", None)
            if isinstance(own, dict):
                self.snapshots.append((own, dict(own), name))

    def container(self, x: Any, name: str, depth: int) -> Any:
        """A container from outside, with its items guarded; arrays in it are stand-ins."""
        if id(x) in self.shadows:
            return self.shadows[id(x)]
        if depth > MAX_DEPTH or len(x) > MAX_ITEMS:
            raise_at(
                Unsupported,
                f"the {type(x).__name__} `{name}` from outside of the function is too large to be watched",
                wanted=f"at most {MAX_ITEMS} items",
                got=f"{len(x)} items",
                repair="make it an array, or pass it as an argument",
            )
        self.external[id(x)] = x
        if isinstance(x, set):
            self.record(Guard("set", x, None, frozenset(x)))
            self.snapshots.append((x, set(x), name))
            return x
        items: list[tuple[Any, Any]] = list(x.items()) if isinstance(x, dict) else list(enumerate(x))
        if not isinstance(x, tuple):
            keys = tuple(x) if isinstance(x, dict) else len(x)
            self.record(Guard("keys" if isinstance(x, dict) else "len", x, None, keys))
        seen = [(k, self.take("item", x, k, v, f"{name}[{k!r}]", depth + 1)) for k, v in items]
        self.shadows[id(x)] = shadow = _with_items(x, seen)
        if not isinstance(shadow, tuple):
            self.snapshots.append((shadow, copy.copy(shadow), name))
        return shadow

    # -- writing outside

    def changed(self) -> Iterator[tuple[Any, Any, str]]:
        """The containers and objects from outside that the function has changed."""
        for x, before, name in self.snapshots:
            if not _same_items(x, before):
                yield x, before, name

    def restore(self) -> None:
        """Undo what the function did to things outside, and refuse it where it needs values of the program."""
        leaked = ""
        shadows = {id(s) for k, s in self.shadows.items() if s is not self.external.get(k)}
        for x, before, name in list(self.changed()):
            if id(x) in shadows or involved(list(x.values()) if isinstance(x, dict) else list(x)):
                leaked = name
                x.clear()
                x.extend(before) if isinstance(x, list) else x.update(before)
        for cell, before, name in self.cells.values():
            now = _cell(cell, None)
            if now is not before and involved(now):
                leaked = name
                if before is MISSING:
                    del cell.cell_contents
                else:
                    cell.cell_contents = before
        if leaked:
            raise_at(
                EscapedError,
                f"`{leaked}`, which is made outside of the function, is changed in it",
                wanted="results that are returned",
                got="a traced value in something that outlives the call",
                repair="return the value; pass what changes as an argument",
            )


def _with_items(x: Any, items: list[tuple[Any, Any]]) -> Any:
    old = list(x.values()) if isinstance(x, dict) else list(x)
    if all(new is v for (_, new), v in zip(items, old, strict=True)):
        return x
    if isinstance(x, tuple):
        cells = [v for _, v in items]
        return type(x)(*cells) if hasattr(x, "_fields") else tuple(cells)
    out = copy.copy(x)
    for k, v in items:
        out[k] = v
    return out


def _same_items(x: Any, before: Any) -> bool:
    if len(x) != len(before):
        return False
    if isinstance(x, dict):
        return all(k in x and x[k] is v for k, v in before.items())
    return x == before if isinstance(x, set) else all(a is b for a, b in zip(x, before, strict=True))


def _alike(now: Any, was: np.ndarray) -> bool:
    return isinstance(now, np.ndarray) and now.dtype == was.dtype and now.shape == was.shape
