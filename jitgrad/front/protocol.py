"""The run-time protocol: what rewritten code calls, and what each call means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

Names = tuple[str, ...]
Pattern = Any  # str | None | tuple of patterns
Thunk = Callable[[], Any]


class Runtime(Protocol):
    """What rewritten code calls. On plain values each entry does exactly what Python does with the original.

    A *body* takes and returns nothing (that of a `for`: takes the item). `names` are the variables it may rebind, by
    its own statements or by nested functions; each has a cell in `body.__closure__`, at its place in
    `body.__code__.co_freevars`. An empty cell is an unbound variable. Names that begin with `_jg_` are jitgrad's:
    `jumps.VALUE` holds what the function will return, all others (`jumps.is_flag`) are bools that say that a jump
    happened.
    """

    # -- statements
    def if_(self, test: Any, then: Thunk, orelse: Thunk, names: Names) -> None:
        """Run one of the two bodies. Both have the same names."""

    def for_(self, iterable: Any, body: Callable[[Any], None], names: Names, export: Names, flag: str | None) -> None:
        """Run the body for each item; after an iteration that leaves the variable `flag` true, stop.

        `export`: those of the names that are read outside the loop too.
        """

    def while_(self, test: Thunk, body: Thunk, names: Names, export: Names, flag: str | None) -> None:
        """Likewise, as long as `test()` holds. A test binds no names."""

    def assert_(self, test: Any, message: Thunk | None) -> None:
        """Raise AssertionError(message()) unless test. Not called under `python -O`."""

    def raise_(self, exception: Thunk) -> Any:
        """What to raise instead: `raise _jg.raise_(lambda: exception) from cause`."""

    def pattern(self, kind: str, x: Any, *details: Any) -> Any:
        """What a pattern of `match` asks of a value (kinds: `patterns.PATTERNS`)."""

    def handling(self, kinds: Thunk) -> Any:
        """The body of a `try` with `except` clauses for these classes is `with _jg.handling(lambda: (kind, ...)): body`."""

    def manager(self, x: Any) -> Any:
        """The context manager of a `with`."""

    def returned(self, value: Thunk) -> Any:
        """The value of a function that returns in several places. The thunk reads `jumps.VALUE`."""

    # -- expressions
    def fn(self, function: Any) -> Any:
        """What to call instead of `function`: every call is `_jg.fn(function)(...)`, save that of `super`."""

    def base(self, x: Any) -> Any:
        """The base of a subscript that is read, written or deleted: `_jg.base(x)[i] = v`."""

    def attr(self, x: Any, name: str) -> Any:
        """x.name, read. Stores, deletes and `x.name += v` stay as they are. Private names come mangled."""

    def load(self, name: str, value: Any) -> Any:
        """The value of a global or closure variable, which the function reads; builtins do not come here.

        Also of one that the function has just rebound by `nonlocal`.
        """

    def named(self, value: Any, pattern: Pattern) -> Any:
        """The value, which is about to be bound to a name, or unpacked: ("a", ("b", None), "*c") is `a, (b, x.y), *c`.

        Where a value is unpacked, anything that unpacks likewise may be given back.
        """

    def ifexp(self, test: Any, then: Thunk, orelse: Thunk) -> Any: ...
    def and_(self, first: Any, *rest: Thunk) -> Any: ...
    def or_(self, first: Any, *rest: Thunk) -> Any: ...
    def not_(self, x: Any) -> Any: ...
    def chain(self, operators: Names, left: Any, *rest: Thunk) -> Any:
        """a < b <= c is chain(("Lt", "LtE"), a, lambda: b, lambda: c). The operators are named as in `ast`."""
