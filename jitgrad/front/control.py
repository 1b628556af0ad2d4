"""The run-time object that rewritten code calls (see `protocol.Runtime`): plain values do what Python does.

There is one `Control` for each rewritten function: it knows where that function reads its globals and closure variables
from, which is what the guards need. What a traced condition or a loop of symbolic length means is decided in the two
places `Control.branch` and `Control.counted`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from types import CellType, FunctionType, ModuleType
from typing import Any

import numpy as np

from ..errors import ConcretizationError, raise_at
from ..ir.core import Lit, Var
from .builtin import Iteration, iteration
from .calls import boxed_result, callee
from .context import current, tracing
from .guards import CODE
from .protocol import Names, Pattern, Thunk
from .standin import Array, Scalar, StandIn, boxed, describe

UNROLL_CAP = 10_000

COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "Lt": operator.lt, "LtE": operator.le, "Gt": operator.gt, "GtE": operator.ge, "Eq": operator.eq, "NotEq": operator.ne,
    "Is": operator.is_, "IsNot": operator.is_not, "In": lambda a, b: a in b, "NotIn": lambda a, b: a not in b,
}  # fmt: skip

# Modules whose attributes are not watched: their numbers do not change.
FIXED_MODULES = frozenset({"numpy", "scipy", "math", "cmath", "jitgrad", "operator", "itertools", "functools", "numba"})


class Unbound:
    """The content of an empty cell."""


UNBOUND = Unbound()


def get(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return UNBOUND


def cells_of(body: Callable[..., Any], names: Names) -> dict[str, CellType]:
    """The cells of the variables that a body rebinds."""
    every = dict(zip(body.__code__.co_freevars, body.__closure__ or (), strict=True))
    return {n: every[n] for n in names if n in every}


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
            self.branch(t)
        (then if t else orelse)()

    def branch(self, test: Scalar) -> None:
        raise_at(
            ConcretizationError,
            "Python must decide by a value that is computed when the program runs",
            wanted="a condition that is known while tracing: of sizes, bools and other plain Python values",
            got=f"{describe(test)}, which is computed when the program runs",
            repair="np.where(condition, x, y)",
        )

    def for_(self, iterable: Any, body: Callable[[Any], None], names: Names, export: Names, flag: str | None) -> None:
        it = iteration(iterable) if isinstance(iterable, (Iteration, Array)) else None
        if it is not None and not isinstance(it.length, int):
            return self.counted(it)
        flagged = cells_of(body, (flag,)).get(flag) if flag else None
        for k, item in enumerate(iterable):
            if k >= UNROLL_CAP:
                _too_long("`for`")
            body(boxed_result(item) if not isinstance(item, np.ndarray) else boxed(item))
            if flagged is not None and get(flagged) is not UNBOUND and truth_known(get(flagged)):
                return

    def counted(self, it: Iteration) -> None:
        raise_at(
            ConcretizationError,
            f"a `for` over {it.name} of symbolic length {it.length}",
            wanted="a loop whose number of iterations is known while tracing",
            got=f"the length {it.length}, which differs from call to call",
            repair="array operations in the place of the loop",
        )

    def while_(self, test: Thunk, body: Thunk, names: Names, export: Names, flag: str | None) -> None:
        flagged = cells_of(body, (flag,)).get(flag) if flag else None
        for _ in range(UNROLL_CAP):
            t = truth(test())
            if isinstance(t, Scalar):
                self.branch(t)
            if not t:
                return
            body()
            if flagged is not None and get(flagged) is not UNBOUND and truth_known(get(flagged)):
                return
        _too_long("`while`")

    def assert_(self, test: Any, message: Thunk | None) -> None:
        t = truth(test)
        if isinstance(t, Scalar):
            self.branch(t)
        if not t:
            raise AssertionError(*(() if message is None else (message(),)))

    def raise_(self, exception: Any) -> Any:
        return exception

    def returned(self, value: Thunk) -> Any:
        """Falling off the end binds None, so the variable is bound whenever this is reached."""
        return value()

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
            self.branch(t)
        return then() if t else orelse()

    def and_(self, first: Any, *rest: Thunk) -> Any:
        return self._chosen(first, rest, stop_at=False)

    def or_(self, first: Any, *rest: Thunk) -> Any:
        return self._chosen(first, rest, stop_at=True)

    def _chosen(self, x: Any, rest: tuple[Thunk, ...], stop_at: bool) -> Any:
        for thunk in rest:
            t = truth(x)
            if isinstance(t, Scalar):
                self.branch(t)
            if bool(t) is stop_at:
                return x
            x = thunk()
        return x

    def not_(self, x: Any) -> Any:
        t = truth(x)
        return operator.invert(t) if isinstance(t, Scalar) else not t

    def chain(self, operators: Names, left: Any, *rest: Thunk) -> Any:
        result: Any = True
        for k, (name, thunk) in enumerate(zip(operators, rest, strict=True)):
            right = thunk()
            result = COMPARE[name](left, right)
            if k + 1 < len(rest):
                t = truth(result)
                if isinstance(t, Scalar):
                    self.branch(t)
                if not t:
                    return result
            left = right
        return result


def truth(x: Any) -> Any:
    """A Python bool; or a traced one, of what the program computes."""
    if isinstance(x, Array):
        if x.dims:
            return bool(x)  # refuses
        x = Scalar(x.read())
    if not isinstance(x, Scalar):
        return bool(x)
    if isinstance(x.value.atom, Lit) or x.is_size:
        return bool(x)
    return x if x._dtype() == "bool" else x != 0


def truth_known(x: Any) -> bool:
    return bool(truth(x))


def _too_long(what: str) -> None:
    raise_at(
        ConcretizationError,
        f"a {what} runs more than {UNROLL_CAP} times while tracing, and every iteration would be written out",
        wanted=f"at most {UNROLL_CAP} iterations of a Python loop",
        got="more",
        repair="array operations, or a range of a size that is a symbol",
    )


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

__all__ = ["Control", "cells_of", "get", "truth"]
