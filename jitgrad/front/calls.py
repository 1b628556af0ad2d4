"""What is called in the place of a function: rewritten for the user's, a table entry for NumPy's, itself for Python's."""

from __future__ import annotations

import datetime
import functools
import os
import random
import types
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from ..errors import HIDDEN_PACKAGES, ConcretizationError, NoSource, Unsupported, raise_at
from .builtin import Iteration, prange
from .captured import adopt, constant
from .context import current, here
from .dispatch import OWN, call, call_ufunc
from .grids import ndenumerate, ndindex
from .names import is_library, lookup, name_of, refuse
from .rewrite import convert, is_converted
from .scope import Box
from .standin import Array, StandIn, boxed, describe, involved
from .vectorized import special

# C functions that use what they are given as Python does: through operators and methods.
PYTHON_MODULES = frozenset({
    "builtins", "operator", "_operator", "itertools", "functools", "_functools", "collections", "_collections", "copy",
    "types", "typing", "math", "contextlib", "dataclasses", "enum", "abc", "warnings",
})  # fmt: skip

Function = Callable[..., Any]

OURS = os.path.dirname(os.path.dirname(__file__)) + os.sep  # our own files; the examples in their docstrings are not


def callee(f: Any, runtime: Callable[[types.FunctionType], Any]) -> Any:
    """What to call instead of `f`. `runtime(f)`: the run-time object of a function that is rewritten."""
    if isinstance(f, types.FunctionType):
        return _of_function(f, runtime)
    if hasattr(f, "_jitgrad_trace_"):
        return f
    made = special(f, lambda g: callee(g, runtime))
    if made is not None:
        return functools.partial(_where_traced, f, made)
    if isinstance(f, types.MethodType):
        if isinstance(f.__self__, StandIn):
            return f
        g = callee(f.__func__, runtime)
        return f if g is f.__func__ else functools.partial(g, f.__self__)
    if isinstance(f, functools.partial):
        if isinstance(f.func, types.FunctionType) and f.args and isinstance(f.args[0], StandIn):
            return f  # a method of a stand-in
        held = [current().guards.argument(x, "an argument of functools.partial") for x in (*f.args, *f.keywords.values())]
        words = dict(zip(f.keywords, held[len(f.args) :]))
        return functools.partial(callee(f.func, runtime), *held[: len(f.args)], **words)
    if isinstance(f, np.ufunc) or _in_tables(f):
        return functools.partial(_table, f)
    owner = getattr(f, "__self__", None)
    if isinstance(owner, np.ufunc):
        return functools.partial(_ufunc_method, owner, f.__name__)
    if isinstance(owner, np.ndarray):
        return getattr(boxed(owner), f.__name__)
    if isinstance(f, type):
        return _of_class(f, runtime)
    if _random(f, owner):
        return functools.partial(_refuse_random, f)
    if _moment(f, owner):
        return functools.partial(_refuse_moment, f)
    inner = getattr(f, "py_func", None)  # a function compiled by Numba
    if inner is not None:
        return callee(inner, runtime)
    if isinstance(f, functools._lru_cache_wrapper):
        return functools.partial(_cached, f, callee(f.__wrapped__, runtime))
    if isinstance(f, (types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType)):
        return f if _like_python(f, owner) else functools.partial(_native, f)
    if type(f).__module__ == "numpy" and not hasattr(f, "__name__"):  # an instance, of np.poly1d say
        return functools.partial(_numpy_object, f)
    method = getattr(type(f), "__call__", None)  # noqa: B004
    if isinstance(method, types.FunctionType):
        return functools.partial(callee(method, runtime), f)
    return functools.partial(_native, f)


def _of_function(f: types.FunctionType, runtime: Callable[[types.FunctionType], Any]) -> Any:
    if _in_tables(f):
        return functools.partial(_table, f)
    package = (f.__module__ or "").partition(".")[0]
    if is_converted(f) or f.__code__.co_filename.startswith(OURS):
        return f
    if package in OUTSIDE:
        return functools.partial(OUTSIDE[package], f)
    if package in PYTHON_MODULES or package in HIDDEN_PACKAGES - {"jitgrad", "scipy"}:
        return f
    try:
        g = convert(f, runtime(f))
    except NoSource:
        current().unread.add(f.__code__.co_name)
        return f  # run as it is: its operators are traced
    guards = current().guards
    if f.__defaults__:
        g.__defaults__ = guards.take("attr", f, "__defaults__", f.__defaults__, f"{f.__name__}.__defaults__")
    if f.__kwdefaults__:
        g.__kwdefaults__ = guards.take("attr", f, "__kwdefaults__", f.__kwdefaults__, f"{f.__name__}.__kwdefaults__")
    return g


def _of_class(cls: type, runtime: Callable[[types.FunctionType], Any]) -> Any:
    """Making an instance: the `__init__` of the user is rewritten."""
    init = cls.__init__  # type: ignore[misc]
    plain = type(cls).__call__ is type.__call__ and cls.__new__ is object.__new__
    if not plain or not isinstance(init, types.FunctionType) or cls.__module__ in PYTHON_MODULES:
        return cls if cls.__module__ != "numpy" else functools.partial(_native, cls)
    convertible = callee(init, runtime)
    if convertible is init:
        return cls

    def construct(*args: Any, **kwargs: Any) -> Any:
        made: Any = object.__new__(cls)
        convertible(made, *args, **kwargs)
        return made

    return construct


def _in_tables(f: Any) -> bool:
    try:
        return f in OWN or lookup(f) is not None
    except TypeError:  # unhashable
        return False


def _like_python(f: Any, owner: Any) -> bool:
    module = getattr(f, "__module__", None)
    if owner is not None and not isinstance(owner, types.ModuleType):
        module = type(owner).__module__
    objclass = getattr(f, "__objclass__", None)
    return (objclass.__module__ if objclass is not None else module or "") in PYTHON_MODULES


def _table(f: Any, *args: Any, **kwargs: Any) -> Any:
    """A function of the tables: on plain values NumPy or Python itself."""
    if f in DECIDE and args and isinstance(args[0], types.GeneratorType):
        args = (list(args[0]), *args[1:])
    if involved(args) or involved(kwargs):
        return call_ufunc(f, "__call__", args, kwargs) if isinstance(f, np.ufunc) else call(f, args, kwargs)
    if any(isinstance(a, Iteration) for a in args) and f in ITERATES:
        return call(f, args, kwargs)
    return boxed_result(PLAIN.get(f, f)(*args, **kwargs))


ITERATES = frozenset({enumerate, zip, reversed, len})  # what they make of a range of computed length is described like it
DECIDE: tuple[Any, ...] = (all, any, max, min)  # by the values that a generator brings, which may be traced
PLAIN: dict[Any, Any] = {  # what memory holds is no constant; which range it was, or which grid, is told
    np.empty: np.zeros, np.empty_like: np.zeros_like, numba.prange: prange, np.ndindex: ndindex, np.ndenumerate: ndenumerate,
}  # fmt: skip


def _ufunc_method(ufunc: np.ufunc, method: str, *args: Any, **kwargs: Any) -> Any:
    if involved(args) or involved(kwargs):
        here()
        return call_ufunc(ufunc, method, args, kwargs)
    return boxed_result(getattr(ufunc, method)(*args, **kwargs))


def _native(f: Any, *args: Any, **kwargs: Any) -> Any:
    """A function that is not known, on plain values."""
    given = [(f"argument {k + 1}", x) for k, x in enumerate(args)] + [(f"`{k}`", x) for k, x in kwargs.items()]
    for name, x in given:
        if involved(x):
            if is_library(f):
                refuse(f, got=f"{describe(x)} as {name}")
            raise_at(
                ConcretizationError,
                f"`{name_of(f)}` is compiled code, which cannot be traced",
                wanted="functions of NumPy and SciPy that jitgrad knows, or plain Python functions",
                got=f"{describe(x)} as {name}",
                repair="give it a derivative as a custom rule, or write it in Python",
            )
    return boxed_result(f(*args, **kwargs))


def _numpy_object(f: Any, *args: Any, **kwargs: Any) -> Any:
    """np.poly1d(c)"""
    if involved(args) or involved(kwargs):
        refuse(type(f))
    return boxed_result(f(*args, **kwargs))


def _where_traced(f: Any, traced: Function, *args: Any, **kwargs: Any) -> Any:
    """`f`, or on traced arguments what is done in its place."""
    if involved(args) or involved(kwargs):
        here()
        return traced(*args, **kwargs)
    return boxed_result(f(*args, **kwargs))


def _cached(f: Any, inner: Function, *args: Any, **kwargs: Any) -> Any:
    """functools.cache: keys are plain values. What it holds, later calls see: an array in it is not the function's own."""
    return inner(*args, **kwargs) if involved(args) or involved(kwargs) else boxed_result(f(*args, **kwargs), adopt)


def boxed_result(x: Any, box: Callable[[np.ndarray], Box] = constant) -> Any:
    """Inside a trace there are no bare arrays: what NumPy made is a constant in a box of its own."""
    if isinstance(x, np.ndarray):
        return Array(box(x))
    if isinstance(x, (tuple, list)) and any(isinstance(v, (np.ndarray, tuple, list)) for v in x):
        parts = [boxed_result(v, box) for v in x]
        return type(x)(*parts) if hasattr(x, "_fields") else type(x)(parts)
    return x


def _random(f: Any, owner: Any) -> bool:
    kinds = (np.random.RandomState, np.random.Generator, np.random.BitGenerator, random.Random)
    return isinstance(owner, kinds) or (getattr(f, "__module__", None) or "").startswith("numpy.random")


def _refuse_random(f: Any, *args: Any, **kwargs: Any) -> Any:
    raise_at(
        Unsupported,
        f"`{getattr(f, '__name__', f)}` draws random numbers while the function is traced, once for all calls",
        wanted="the same function at every call",
        got="a random number generator",
        repair="draw the numbers outside, and pass them as an argument",
    )


def _moment(f: Any, owner: Any) -> bool:
    """Does it tell the time, or what the user types?"""
    if isinstance(owner, type) and issubclass(owner, datetime.date):
        return f.__name__ in ("now", "utcnow", "today")
    return getattr(f, "__module__", None) == "time" or f is input or f is os.urandom


def _refuse_moment(f: Any, *args: Any, **kwargs: Any) -> Any:
    raise_at(
        Unsupported,
        f"`{name_of(f)}` is called while the function is traced, once for all calls",
        wanted="the same function at every call",
        got="the moment of tracing",
        repair="call it outside, and pass what it gives as an argument",
    )


# Python's functions of other packages.
OUTSIDE: dict[str, Callable[..., Any]] = {
    "random": _refuse_random, "secrets": _refuse_random, "uuid": _refuse_random, "numpy": _native,
}  # fmt: skip
