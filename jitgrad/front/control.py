"""The run-time object that rewritten code calls (see `protocol.Runtime`): plain values do what Python does.

There is one `Control` for each rewritten function: it knows where that function reads its globals and closure variables
from, which is what the guards need. A condition that the program computes is recorded by `merge.py`, a loop by
`unroll.py`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from contextlib import nullcontext
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from ..ir.core import Var
from .calls import callee
from .context import current, tracing
from .guards import CODE
from .handlers import handling, managed
from .logic import conjunction, disjunction
from .merge import choose, chosen
from .patterns import PATTERNS
from .places import Variable, cells_of
from .protocol import Names, Pattern, Thunk
from .raising import asserted, raising
from .record import Names as LoopNames
from .standin import Array, Scalar, StandIn, boxed
from .truth import opposite, truth
from .unbound import explain
from .unroll import plain, run_for, run_while

COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "Lt": operator.lt, "LtE": operator.le, "Gt": operator.gt, "GtE": operator.ge, "Eq": operator.eq, "NotEq": operator.ne,
    "Is": operator.is_, "IsNot": operator.is_not, "In": lambda a, b: a in b, "NotIn": lambda a, b: a not in b,
}  # fmt: skip

# Modules whose attributes are not watched: their numbers do not change.
FIXED_MODULES = frozenset({"numpy", "scipy", "math", "cmath", "jitgrad", "operator", "itertools", "functools", "numba"})


class Control:
    """The run-time object of one rewritten function."""

    def __init__(self, f: FunctionType) -> None:
        self.names = f.__globals__
        self.watched = str(self.names.get("__name__")).partition(".")[0] not in FIXED_MODULES
        self.cells = dict(zip(f.__code__.co_freevars, f.__closure__ or (), strict=True))
        if tracing():
            current().guards.closure(self.cells)

    # -- statements

    def if_(self, test: Any, then: Thunk, orelse: Thunk, names: Names) -> None:
        t = truth(test)
        if isinstance(t, Scalar):
            choose(t, (then, orelse), variables(then, names), (then, orelse))
        else:
            (then if t else orelse)()

    def for_(self, iterable: Any, body: Callable[[Any], None], names: Names, export: Names, flag: str | None) -> None:
        run = run_for if tracing() else plain
        run(loop_names(names, export, flag, body), iterable, body)

    def while_(self, test: Thunk, body: Thunk, names: Names, export: Names, flag: str | None) -> None:
        loop = loop_names(names, export, flag, body, test)
        if not tracing():
            return plain(loop, iter(lambda: bool(test()), False), lambda _: body())
        run_while(loop, test, body)

    def assert_(self, test: Any, message: Thunk | None) -> None:
        t = truth(test)
        if isinstance(t, Scalar):
            asserted(t, message)
        elif not t:
            raise self.raise_(lambda: AssertionError(*(() if message is None else (message(),))))

    def raise_(self, exception: Thunk) -> Any:
        return raising(exception) if tracing() else exception()

    def pattern(self, kind: str, x: Any, *details: Any) -> Any:
        found = PATTERNS[kind](x, *details)
        if kind != "position":
            return found
        return x if found is None else self.attr(x, found)

    def handling(self, kinds: Thunk) -> Any:
        return handling(kinds) if tracing() else nullcontext()

    def manager(self, x: Any) -> Any:
        return managed(x) if tracing() else x

    def returned(self, value: Thunk) -> Any:
        """Falling off the end binds None, so the variable is bound whenever this is reached."""
        try:
            return value()
        except NameError as e:
            explain(e)
            raise

    # -- expressions

    def fn(self, function: Any) -> Any:
        return callee(function, Control) if tracing() else function

    def base(self, x: Any) -> Any:
        return boxed(x) if isinstance(x, np.ndarray) and tracing() else x

    def attr(self, x: Any, name: str) -> Any:
        if isinstance(x, np.ndarray) and tracing():
            x = boxed(x)
        if isinstance(x, StandIn) or not tracing():
            return getattr(x, name)
        guards = current().guards
        if isinstance(x, ModuleType):
            value = getattr(x, name)
            watched = x.__name__.partition(".")[0] not in FIXED_MODULES and not isinstance(value, CODE)
            return guards.take("attr", x, name, value, f"{x.__name__}.{name}") if watched else value
        found = getattr(type(x), name, None)
        if isinstance(found, property) and found.fget is not None:
            return callee(found.fget, Control)(x)
        value = getattr(x, name)
        if id(x) in guards.external or isinstance(x, type):
            if not isinstance(value, CODE):
                known = getattr(x, "__name__", type(x).__name__)
                return guards.take("attr", x, name, value, f"{known}.{name}")
            return value
        return boxed(value) if isinstance(value, np.ndarray) else value

    def load(self, name: str, value: Any) -> Any:
        if isinstance(value, StandIn) or not self.watched or not tracing():
            return value
        guards = current().guards
        if name in self.cells:
            return guards.take("cell", self.cells[name], None, value, name)
        return guards.take("global", self.names, name, value, name)

    def named(self, value: Any, pattern: Pattern) -> Any:
        """A fresh variable takes the user's name."""
        if isinstance(pattern, str):
            _hint(value, pattern)
        elif isinstance(pattern, tuple) and isinstance(value, (tuple, list)) and len(value) == len(pattern):
            for v, p in zip(value, pattern):
                self.named(v, p)
        return boxed(value) if isinstance(value, np.ndarray) and tracing() else value

    def ifexp(self, test: Any, then: Thunk, orelse: Thunk) -> Any:
        t = truth(test)
        if isinstance(t, Scalar):
            return chosen(t, then, orelse)
        return then() if t else orelse()

    def and_(self, first: Any, *rest: Thunk) -> Any:
        if not rest:
            return first
        t = truth(first)
        if not isinstance(t, Scalar):
            return self.and_(rest[0](), *rest[1:]) if t else first
        return conjunction(t, first, lambda *_: self.and_(rest[0](), *rest[1:]))

    def or_(self, first: Any, *rest: Thunk) -> Any:
        if not rest:
            return first
        t = truth(first)
        if not isinstance(t, Scalar):
            return first if t else self.or_(rest[0](), *rest[1:])
        return disjunction(t, first, lambda *_: self.or_(rest[0](), *rest[1:]))

    def not_(self, x: Any) -> Any:
        t = truth(x)
        return opposite(t) if isinstance(t, Scalar) else not t

    def chain(self, operators: Names, left: Any, *rest: Thunk) -> Any:
        right = rest[0]()
        result = COMPARE[operators[0]](left, right)
        if len(rest) == 1:
            return result
        t = truth(result)
        if not isinstance(t, Scalar):
            return self.chain(operators[1:], right, *rest[1:]) if t else result
        return conjunction(t, result, lambda *_: self.chain(operators[1:], right, *rest[1:]))


def variables(body: Callable[..., Any], names: Names) -> list[Variable]:
    return [Variable(n, cell) for n, cell in cells_of(body, names).items()]


def loop_names(names: Names, export: Names, flag: str | None, body: Callable[..., Any], *more: Callable[..., Any]) -> LoopNames:
    cells = variables(body, names)
    found = next((v for v in cells if v.name == flag), None)
    return LoopNames(tuple(cells), frozenset(export), found, (body, *more), body.__code__)


def _hint(value: Any, name: str) -> None:
    """Name a variable that has no name yet."""
    if isinstance(value, Array):
        atom = current().scope.store.get(value.box)
        if atom is not None and value.box.name in GENERIC and isinstance(atom.atom, Var):
            value.box.name = name
            if atom.atom.hint in GENERIC:
                atom.atom.hint = name
        elif value.box.name in GENERIC:
            value.box.name = name
    elif isinstance(value, Scalar) and isinstance(value.value.atom, Var) and value.value.atom.hint in GENERIC:
        value.value.atom.hint = name


GENERIC = ("t", "c", "n")

__all__ = ["Control"]
