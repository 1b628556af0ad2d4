"""How a transformation runs: `Function` finds the program made for arguments like these, or makes one, and calls it.

A program is kept under the structure of the arguments, their dtypes and ranks, and what is static. It serves every call whose
sizes answer the questions that tracing asked, and for which what the function took from outside is what it was.
"""

from __future__ import annotations

import functools
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..emit.cpu import Compiled, compile_fn
from ..errors import ArgumentError, raise_at
from ..front.calls import callee
from ..front.context import tracing
from ..front.control import Control
from ..front.trace import Traced, is_dynamic, trace_call
from ..front.tree import flatten
from ..ir.core import Fn
from ..ir.interp import NUMPY
from ..ir.show import show
from ..transform.pipeline import finished, prepared
from .match import Matcher
from .quick import key_of, maker
from .report import Programs

ndarray = np.ndarray
FAILED = object()
MANY = 64  # programs kept for one kind of arguments
QUICK = 1024  # calls remembered by the exact shapes of their arguments


@dataclass(eq=False)
class Program:
    """One compiled program. `why`: what it was made for. `seconds`: how long each station took."""

    traced: Traced
    fn: Fn
    compiled: Compiled
    why: str
    seconds: dict[str, float]
    matcher: Matcher
    entry: Callable[..., tuple[Any, ...]]  # the compiled code
    result: Callable[[Sequence[Any]], Any]  # of what that returns: what the user's function would return
    calls: int = 0
    globals: tuple[tuple[dict[str, Any], str, Any], ...] = field(default=())
    others: bool = False  # guards that are not globals, or captured arrays

    @property
    def source(self) -> str:
        """The generated Python."""
        return self.compiled.text.source

    @property
    def plan(self) -> Any:
        """The loop nests and buffers."""
        return self.compiled.plan

    def show(self) -> str:
        """The program that was compiled, as text."""
        return show(self.fn)

    def arrays(self) -> list[np.ndarray] | None:
        """The captured arrays; None where something taken from outside has changed."""
        for names, key, expected in self.globals:
            if names.get(key, FAILED) is not expected:
                return self.traced.guards.arrays(self.traced.captured)
        return self.traced.guards.arrays(self.traced.captured) if self.others else []


def result_of(traced: Traced) -> Callable[[Sequence[Any]], Any]:
    """What makes of the results of compiled code what NumPy would give, in the structure of the user's result."""
    names: dict[str, Any] = {}
    leaves = []
    at = 0
    for k, out in enumerate(traced.outs):
        text = f"r[{at}]"
        if out.kind in ("static", "constant"):
            text = f"value{k}"
            names[text] = out.value
        elif out.kind == "scalar" and not out.weak:
            names[out.dtype] = NUMPY[out.dtype]
            text = f"{out.dtype}({text})"
        leaves.append(text)
        at += out.kind != "static"
    return maker(traced.out_tree, leaves, names)


class Function:
    """A transformation of a user's function: call it with the arguments of the function.

    `programs` lists what was compiled, why, and how long each station took; `source`, `plan` and `show()` are those of the
    program that was used last.
    """

    _jitgrad_trace_ = True

    def __init__(self, f: Callable[..., Any], what: str, run: Callable[..., Any]) -> None:
        self.f, self.what, self.transformation = f, what, run
        self._programs: dict[Any, list[Program]] = {}
        self._quick: dict[Any, Program] = {}
        self._last: Program | None = None
        self._lock = threading.RLock()
        self._bound: dict[int, tuple[Any, Function]] = {}
        functools.update_wrapper(self, f, assigned=("__module__", "__name__", "__qualname__", "__doc__"), updated=())

    def __repr__(self) -> str:
        return f"<{self.what} of {getattr(self.f, '__qualname__', self.f)}>"

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """As a method: the instance is static, its attributes are watched."""
        if instance is None:
            return self
        known = self._bound.get(id(instance))
        if known is None or known[0]() is not instance:
            bound = type(self)(self.f.__get__(instance, owner), self.what, rebound(self.transformation, self.f, instance))
            known = self._bound[id(instance)] = (reference(instance, self._bound), bound)
        return known[1]

    # ---- the call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if tracing():
            return callee(self.transformation, Control)(*args, **kwargs)
        key, leaves = key_of(args, kwargs)
        program = self._quick.get(key)
        if program is not None:
            captured = program.arrays()
            if captured is not None:
                self._last = program
                program.calls += 1
                return program.result(program.entry(*leaves, *captured))
        return self._call(args, kwargs, key)

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any], quick: Any) -> Any:
        leaves, tree = flatten((args, kwargs), "args")
        program, captured = self._find(args, kwargs, leaves, (tree, *map(leaf_key, leaves)))
        self._last = program
        if quick is not None and not program.traced.written:
            if len(self._quick) >= QUICK:
                self._quick.clear()
            self._quick[quick] = program
        dynamic = [argument(leaves[k]) for k in program.traced.dynamic]
        program.calls += 1
        results = program.entry(*dynamic, *captured)
        if self.what == "jit":
            write_back(program.traced.written, leaves, results)
        return program.result(results)

    def _find(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: Sequence[Any], key: Any
    ) -> tuple[Program, Sequence[np.ndarray]]:
        known = self._programs.get(key, [])
        why = "first call" if not self._programs else "other types" if not known else ""
        for program in known:
            why = program.matcher.refuses(leaves) or ""
            if not why:
                captured = program.arrays()
                if captured is not None:
                    return program, captured
                why = "what the function uses from outside has changed"
        with self._lock:
            program = self._make(args, kwargs, why)
            self._programs[key] = [program, *known[: MANY - 1]]
        return program, program.traced.captured

    def _make(self, args: tuple[Any, ...], kwargs: dict[str, Any], why: str) -> Program:
        seconds: dict[str, float] = {}
        start = time.perf_counter()
        traced = trace_call(self.transformation, args, kwargs, keep_writes=self.what == "jit")
        seconds["trace"] = time.perf_counter() - start
        fn = finished(prepared(traced.fn), seconds)
        compiled = compile_fn(fn)
        seconds.update(compiled.seconds)
        records = traced.guards.records
        plain = tuple((g.holder, g.key, g.expected) for g in records if g.kind == "global" and g.slot is None)
        others = len(plain) < len(records) or bool(traced.captured)
        return Program(
            traced, fn, compiled, why, seconds, Matcher.of(traced), compiled.entry, result_of(traced), 0, plain, others
        )

    # ---- what was made

    @property
    def programs(self) -> Programs:
        """The compiled programs, the newest first; prints as a table."""
        return Programs(p for ps in self._programs.values() for p in ps)

    def _used(self) -> Program:
        if self._last is None:
            raise_at(
                ArgumentError,
                f"{self!r} has no program yet",
                wanted="a call with example arguments first",
                got="no call so far",
                repair="call it once",
            )
        return self._last

    @property
    def source(self) -> str:
        """The generated Python of the program that was used last."""
        return self._used().source

    @property
    def plan(self) -> Any:
        """Its loop nests and buffers."""
        return self._used().plan

    def show(self) -> str:
        """Its intermediate representation, as text that `jitgrad.ir.parse.parse` reads back."""
        return self._used().show()


def leaf_key(x: Any) -> Any:
    """What of a leaf decides about the program, apart from sizes."""
    if isinstance(x, ndarray):
        return (type(x), x.dtype, x.ndim)
    if is_dynamic(x):
        return type(x)
    try:
        hash(x)
        return (type(x), x)
    except TypeError:
        return (type(x), id(x))


def argument(x: Any) -> Any:
    """A dynamic leaf as compiled code takes it."""
    if isinstance(x, ndarray):
        return np.ascontiguousarray(x) if x.ndim else x[()]
    return x


def write_back(written: Sequence[int], leaves: Sequence[Any], results: Sequence[Any]) -> None:
    """The caller's arrays get what the function wrote into them: the last results of the program."""
    for leaf, new in zip(reversed(written), reversed(results), strict=False):
        np.copyto(leaves[leaf], new)


def plain_copy(tree: Any) -> Any:
    """The tree with its arrays copied."""
    leaves, treedef = flatten(tree, "args")
    return treedef.unflatten([x.copy() if isinstance(x, ndarray) else x for x in leaves])


def reference(x: Any, table: dict[int, Any]) -> Callable[[], Any]:
    """A weak reference that forgets its entry in the table; a strong one where none can be made."""
    key = id(x)
    try:
        return weakref.ref(x, lambda _: table.pop(key, None))
    except TypeError:
        return lambda: x


def rebound(transformation: Any, f: Any, instance: Any) -> Any:
    """The transformation of the bound method."""
    method = f.__get__(instance, type(instance))
    if transformation is f:
        return method
    inside = rebound(transformation.f, f, instance) if transformation.f is not f else method
    return type(transformation)(**{**vars(transformation), "f": inside})


__all__ = ["Function", "Program", "plain_copy"]
