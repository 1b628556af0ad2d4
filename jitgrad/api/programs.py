"""How a transformation runs: `Function` finds the program made for arguments like these, or makes one, and calls it.

A program is kept under the structure of the arguments, their dtypes and ranks, and what is static. It serves every call whose
sizes answer the questions that tracing asked, and for which what the function took from outside is what it was.
"""

from __future__ import annotations

import functools
import sys
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..emit.cpu import Compiled, compile_fn
from ..emit.raised import throw
from ..errors import AliasError, ArgumentError, DTypeError, Unsupported, message, raise_at
from ..front.calls import callee
from ..front.context import tracing
from ..front.control import Control
from ..front.guards import CODE, VALUES
from ..front.trace import Traced, is_dynamic, is_integer, trace_call
from ..front.tree import flatten
from ..ir.core import Fn
from ..ir.interp import NUMPY
from ..ir.show import show
from ..lower import show as _show  # noqa: F401  (a plan prints as text)
from ..lower.plan import Plan
from ..transform.pipeline import finished, prepared
from .making import making
from .match import Matcher
from .quick import key_of, maker
from .report import Programs

ndarray = np.ndarray
FAILED = object()
MANY = 64  # programs kept for one kind of arguments
QUICK = 1024  # calls remembered by the exact shapes of their arguments
INT64 = np.iinfo(np.int64)


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
    def python(self) -> Any:
        """The generated Python as a function, uncompiled: `breakpoint(); f.python(x)` steps through it."""
        return self.compiled.python

    @property
    def plan(self) -> Plan:
        """The loop nests and buffers; prints as text."""
        return self.compiled.plan

    def show(self) -> str:
        """The program that was compiled, as text."""
        return show(self.fn)

    def captured(self) -> Sequence[Any] | None:
        """The captured arrays as compiled code takes them; None where something taken from outside has changed."""
        for names, key, expected in self.globals:
            if names.get(key, FAILED) is not expected:
                break
        else:
            if not self.others:
                return ()
        arrays = self.traced.guards.arrays(self.traced.captured)
        return None if arrays is None else list(map(argument, arrays))


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
        elif out.kind == "array" and not traced.fn.results[at].type.shape:
            names |= {"array": np.array, "dtype" + out.dtype: NUMPY[out.dtype]}
            text = f"array({text}, dtype{out.dtype})"
        leaves.append(text)
        at += out.kind != "static"
    return maker(traced.out_tree, leaves, names)


class Foreign(DTypeError):
    """An argument is of a type that says itself how functions are called on it: by `__jitgrad_function__`, a static method of
    (the `Function`, args, kwargs) that gives the result of the call. So layers above put arrays of theirs under functions."""

    theirs: Any  # the type


def foreign(theirs: type) -> Foreign:
    name = theirs.__name__
    error = Foreign(
        message(
            f"a {name} is given where only numbers and arrays are taken",
            wanted="numbers, arrays, and containers of these",
            got=f"a {name}",
            repair="call jitgrad.jit(f) or jitgrad.grad(f) on it, or jitgrad.eager.from_jitgrad(f): their results are tensors, "
            "and backward() goes through them",
        )
    )
    error.theirs = theirs
    return error


class Taken:
    """What a call took from outside of the function, as it was then: arrays are copied."""

    def __init__(self, program: Program) -> None:
        self.program = program
        arrays = program.traced.guards.arrays(program.traced.captured) if program.others else None
        self.copies = {id(x): (x, x.copy()) for x in arrays or ()}

    def still(self) -> bool:
        """Is all of it what it was? (What is in an array may have changed.)"""
        return not self.copies and self.program.captured() is not None

    def instead(self, f: Any, program: Program) -> Sequence[Any]:
        """What another program of the same function captured, as it was then."""
        same, now = (p.traced.guards.arrays(p.traced.captured) for p in (self.program, program))
        if same is None or now is None or any(id(x) not in self.copies for x in (*same, *now)):
            raise_at(
                Unsupported,
                f"what `{getattr(f, '__qualname__', f)}` uses from outside is another object than when vjp was called",
                wanted="the globals, closure variables and attributes of that call (what is in arrays may change)",
                got="another value, or another array, in one of them",
                repair="call vjp again, or pass what changes as an argument",
            )
        return [argument(self.copies[id(x)][1]) for x in now]


class Function:
    """A transformation of a user's function: call it with the arguments of the function.

    `programs` lists what was compiled, why, and how long each station took; `source`, `plan` and `show()` are those of the
    program that was used last.
    """

    _jitgrad_trace_ = True
    __qualname__: str  # that of the user's function

    def __init__(self, f: Callable[..., Any], what: str, run: Callable[..., Any]) -> None:
        self.f, self.what, self.transformation = f, what, run
        self._programs: dict[Any, list[Program]] = {}
        self._quick: dict[Any, Program] = {}
        self._last: Program | None = None
        self._bound: dict[int, tuple[Any, Function]] = {}
        functools.update_wrapper(self, f, assigned=("__module__", "__name__", "__qualname__", "__doc__"), updated=())

    def __repr__(self) -> str:
        return f"<{self.what} of {getattr(self.f, '__qualname__', self.f)}>"

    def __reduce__(self) -> Any:
        """By its name if it is a decorated function of a module, as Python does; else by what it is made of."""
        found: Any = sys.modules.get(self.__module__)
        for name in self.__qualname__.split("."):
            found = getattr(found, name, None)
        return self.__qualname__ if found is self else (type(self), (self.f, self.what, self.transformation))

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
            captured = program.captured()
            if captured is not None:
                self._last = program
                program.calls += 1
                try:
                    return program.result(program.entry(*leaves, *captured))
                except Exception as e:
                    throw(e, program.compiled.sites)
        try:
            return self._call(args, kwargs, key)[1]
        except Foreign as e:
            theirs = e.theirs
        return theirs.__jitgrad_function__(self, args, kwargs)

    def held(self, *args: Any) -> tuple[Any, Taken]:
        """The result, and what the function took from outside."""
        key, leaves = key_of(args, {})
        program = self._quick.get(key)
        captured = None if program is None else program.captured()
        if program is None or captured is None:
            program, result = self._call(args, {}, key)
        else:
            program.calls += 1
            result = program.result(program.compiled(*leaves, *captured))
        return result, Taken(program)

    def with_program(self, *args: Any) -> tuple[Program, Any]:
        """The result, and the program that gave it."""
        return self._call(args, {}, None)

    def as_then(self, then: Taken, *args: Any) -> Any:
        """The result, with what a call took from outside as it was then."""
        return self(*args) if then.still() else self._call(args, {}, None, then)[1]

    def _call(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], quick: Any, then: Taken | None = None
    ) -> tuple[Program, Any]:
        leaves, tree = flatten((args, kwargs), "args")
        program, captured = self._find(args, kwargs, leaves, (tree, *map(leaf_key, leaves)))
        if then is not None:
            captured = then.instead(self.f, program)
        self._last = program
        if program.traced.touched:
            check_apart(self.f, program.traced, leaves)
        elif quick is not None:
            if len(self._quick) >= QUICK:
                self._quick.clear()
            self._quick[quick] = program
        dynamic = [argument(leaves[k]) for k in program.traced.dynamic]
        program.calls += 1
        results = program.compiled(*dynamic, *captured)
        if self.what == "jit":
            write_back(program.traced.written, leaves, results)
        return program, program.result(results)

    def _find(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], leaves: Sequence[Any], key: Any
    ) -> tuple[Program, Sequence[Any]]:
        found, _ = self._search(leaves, key)
        if found is not None:
            return found
        for x in leaves:
            if hasattr(type(x), "__jitgrad_function__"):
                raise foreign(type(x))
        with making():
            found, why = self._search(leaves, key)  # another thread may have made it meanwhile
            if found is not None:
                return found
            program = self._make(args, kwargs, why)
            self._programs[key] = [program, *self._programs.get(key, [])[: MANY - 1]]
        return program, list(map(argument, program.traced.captured))

    def _search(self, leaves: Sequence[Any], key: Any) -> tuple[tuple[Program, Sequence[Any]] | None, str]:
        """A program that serves this call, with the arrays it captured; or why there is none."""
        known = self._programs.get(key, [])
        why = "first call" if not self._programs else "other types"
        for program in known:
            why = program.matcher.refuses(leaves) or ""
            if not why:
                captured = program.captured()
                if captured is not None:
                    return (program, captured), ""
                why = "what the function uses from outside has changed"
        return None, why

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
    def python(self) -> Any:
        """That as a plain Python function of arrays and numbers, to step through with a debugger."""
        return self._used().python

    @property
    def plan(self) -> Plan:
        """Its loop nests and buffers; prints as text."""
        return self._used().plan

    def show(self) -> str:
        """Its intermediate representation, as text that `jitgrad.ir.parse.parse` reads back."""
        return self._used().show()


def leaf_key(x: Any) -> Any:
    """What of a leaf decides about the program, apart from sizes. Equal objects may hold what differs: identity decides."""
    if isinstance(x, ndarray):
        return (type(x), x.dtype, x.ndim)
    if is_dynamic(x):
        if is_integer(x) and not INT64.min <= x <= INT64.max:
            raise_at(ArgumentError, "an integer is too large", wanted="64 bits", got=str(x), repair=f"float({x})")
        return type(x)
    return (type(x), x if isinstance(x, (*VALUES, *CODE)) else id(x))


def argument(x: Any) -> Any:
    """A dynamic leaf, or a captured array, as compiled code takes it: contiguous, aligned, of a type that may be written."""
    if not isinstance(x, ndarray):
        return x
    if not x.ndim:
        return x[()]
    plain = np.require(x, requirements=["C", "A"])
    return plain if plain.flags.writeable else np.asarray(_Writable(plain))


class _Writable:
    """Read-only memory under a type without that mark. Compiled code writes to no argument."""

    def __init__(self, x: np.ndarray) -> None:
        self.x = x  # owns the memory
        self.__array_interface__ = {**x.__array_interface__, "data": (x.ctypes.data, False)}


def check_apart(f: Any, traced: Traced, leaves: Sequence[Any]) -> None:
    """What the function writes must be no other of its arrays: the program was made for arrays that are apart."""
    hints = [p.hint for p in traced.fn.params[len(traced.dynamic) :]]
    captured = zip(hints, traced.guards.arrays(traced.captured) or (), strict=False)
    arrays = [(k, traced.names[k], x) for k, x in enumerate(leaves) if isinstance(x, ndarray)]
    arrays += [(-1, name, x) for name, x in captured]
    for k in traced.touched:
        for j, name, x in arrays:
            if j != k and overlap(x, leaves[k]):
                raise_at(
                    AliasError,
                    f"`{traced.names[k]}`, which `{getattr(f, '__name__', f)}` writes, shares memory with `{name}`",
                    wanted="arrays that are apart",
                    got="one array, or two views of one, under two names",
                    repair="pass a copy of one of them",
                )


def overlap(x: np.ndarray, y: np.ndarray) -> bool:
    try:
        return np.shares_memory(x, y, max_work=10_000)  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return True


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
