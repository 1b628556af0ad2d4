"""Plain NumPy functions on operands, without the tracer: enough of its protocol to call the surface and nothing else."""

from __future__ import annotations

import operator
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from jitgrad.front import names
from jitgrad.front.promote import NAME_OF, Operand
from jitgrad.ir.build import size, trace
from jitgrad.ir.core import Fn, Type
from jitgrad.ir.interp import interp
from jitgrad.ir.verify import verify

from . import surface_cases


class Probe:
    """An operand that calls handlers."""

    __array_priority__ = 1000.0

    def __init__(self, operand: Operand) -> None:
        self.operand = operand

    @property
    def shape(self) -> tuple[Any, ...]:
        return tuple(d if isinstance(d, int) else Probe(Operand(size(d), weak=True)) for d in self.operand.shape)

    @property
    def T(self) -> Probe:
        return call(np.transpose, self)

    def astype(self, dtype: Any) -> Probe:
        return wrap(names.creation.astype(self.operand, dtype))

    def reshape(self, *shape: Any) -> Probe:
        return call(np.reshape, self, shape)

    def __getitem__(self, key: Any) -> Probe:
        if key == slice(None, None, -1):
            return call(np.flip, self, 0)
        assert key == (None, ..., None), "other indices are the tracer's"
        return call(np.expand_dims, self, (0, -1))

    def __array_function__(self, f: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return call(f, *args, **kwargs)

    def __array_ufunc__(self, f: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        return call(f if method == "__call__" else getattr(f, method), *args, **kwargs)


def _operators() -> None:
    two = "add sub mul truediv floordiv mod pow matmul and_ or_ xor lt le gt ge eq ne lshift rshift".split()
    for name in two:
        f, plain = getattr(operator, name), name.rstrip("_")
        setattr(Probe, f"__{plain}__", lambda x, z, f=f: call(f, x, z))
        setattr(Probe, f"__r{plain}__", lambda x, z, f=f: call(f, z, x))
    for name in ("neg", "pos", "abs", "invert"):
        setattr(Probe, f"__{name}__", lambda x, f=getattr(operator, name): call(f, x))


_operators()


called: set[str] = set()  # the names of the handlers that ran


def call(f: Any, *args: Any, **kwargs: Any) -> Any:
    handler = names.lookup(f) or names.refuse(f)
    called.add(handler.name)
    return wrap(handler(*unwrap(args), **unwrap(kwargs)))


def unwrap(x: Any) -> Any:
    if isinstance(x, Probe):
        return x.operand
    if isinstance(x, (list, tuple)):
        return type(x)(map(unwrap, x))
    return {k: unwrap(v) for k, v in x.items()} if isinstance(x, dict) else x


def wrap(x: Any) -> Any:
    if isinstance(x, Operand):
        return Probe(x)
    if isinstance(x, (list, tuple)):
        return tuple(map(wrap, x))
    return x


def operands_of(x: Any) -> list[Operand]:
    """The results, flat."""
    if isinstance(x, (list, tuple)):
        return [o for y in x for o in operands_of(y)]
    return [x.operand if isinstance(x, Probe) else names.elementwise.lift(x)]


class Library:
    """A module whose covered functions call their handlers."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def __getattr__(self, name: str) -> Any:
        return routed(getattr(self.module, name))


def routed(x: Any) -> Any:
    """The same, with calls of library functions going to their handlers, as a traced function makes them."""
    if isinstance(x, ModuleType):
        return Library(x)
    if isinstance(x, FunctionType) and x.__module__ == surface_cases.__name__:
        space = {**x.__globals__, **{k: Library(v) for k, v in x.__globals__.items() if isinstance(v, ModuleType)}}
        space |= {k: FunctionType(x.__globals__[k].__code__, space) for k in ("spd", "regular")}
        copy = FunctionType(x.__code__, space, x.__name__, tuple(map(routed, x.__defaults__ or ())), x.__closure__)
        copy.__kwdefaults__ = x.__kwdefaults__
        return copy
    if isinstance(x, type) or not names.is_library(x):
        return Converter(x) if isinstance(x, type) and issubclass(x, np.generic) else x
    return Function(x)


class Function:
    """A library function, with the methods of a ufunc."""

    def __init__(self, f: Any) -> None:
        self.f = f

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _either(self.f, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return Function(getattr(self.f, name))


class Converter:
    """np.float64 and its like: a dtype and a function."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = np.dtype(dtype)

    def __call__(self, x: Any) -> Any:
        return _either(self.dtype.type, x)


def _either(f: Any, *args: Any, **kwargs: Any) -> Any:
    return call(f, *args, **kwargs) if involved((args, kwargs)) or names.lookup(f) else f(*args, **kwargs)


def involved(x: Any) -> bool:
    if isinstance(x, (list, tuple)):
        return any(map(involved, x))
    return any(map(involved, x.values())) if isinstance(x, dict) else isinstance(x, Probe)


def program(f: Callable[..., Any], *types: Type) -> Fn:
    """`f` as a program. Covered functions go to their handlers, also where no argument is an operand."""
    f = routed(f)
    return verify(trace(lambda *xs: tuple(o.value for o in operands_of(f(*[Probe(Operand(x)) for x in xs]))), types, "f"))


def run(f: Callable[..., Any], *args: Any) -> tuple[Any, ...]:
    args = tuple(map(np.asarray, args))
    fn = program(f, *[Type(NAME_OF[a.dtype], a.shape) for a in args])
    return interp(fn, *[a if a.ndim else a[()] for a in args])
