"""What the functions of NumPy, SciPy, math and Python become: the one list of what is covered.

    NAMES          function object -> Handler; SciPy's are entered when the user's program has imported SciPy
    lookup(f)      the Handler of a function, or None
    refuse(f)      the error for a library function that is not covered, with the nearest repair

A handler takes operands (and plain Python values) by the parameters of the function that it stands for, and returns
operands: nothing is written in place, and nothing is a view. `out=` and views are the tracer's.
"""

from __future__ import annotations

import difflib
import inspect
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NoReturn

import numpy as np

from ..errors import Unsupported, raise_at
from .repairs import REPAIRS
from .surface import assembly, creation, elementwise, grids, linalg, products, python, reductions, shapes, special

NUMPY = (elementwise, reductions, shapes, assembly, creation, products, grids)
SCIPY: dict[str, dict[str, Callable[..., Any]]] = {"scipy.special": special.TABLE, "scipy.linalg": linalg.SCIPY}


@dataclass(frozen=True)
class Handler:
    """A covered function: its name, and what it is on operands."""

    name: str
    call: Callable[..., Any]

    @cached_property
    def signature(self) -> inspect.Signature:
        return inspect.signature(self.call)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            self.signature.bind(*args, **kwargs)
        except TypeError as e:
            self.refuse_call(args, kwargs, e)
        return self.call(*args, **kwargs)

    def refuse_call(self, args: tuple[Any, ...], kwargs: dict[str, Any], cause: TypeError) -> NoReturn:
        takes = ", ".join(self.signature.parameters)
        unknown = [k for k in kwargs if k not in self.signature.parameters]
        raise_at(
            Unsupported,
            f"{self.name} does not take {' and '.join(map(repr, unknown))} here" if unknown else f"{self.name}: {cause}",
            wanted=f"{self.name}({takes})",
            got=", ".join([f"{len(args)} argument{'s' * (len(args) != 1)}", *[f"{k}=..." for k in kwargs]]),
            cause=cause,
        )


def _numpy() -> dict[Any, Handler]:
    """NumPy's aliases (`np.acos`, `np.concat`) are the same objects; what this version lacks is left out."""
    found = [(np, name, f) for module in NUMPY for name, f in module.TABLE.items()]
    found += [(np.linalg, name, f) for name, f in linalg.TABLE.items()]
    out = {}
    for library, name, f in found:
        prefix = "np." if library is np else "np.linalg."
        if hasattr(library, name):
            out[getattr(library, name)] = Handler(prefix + name, f)
    return out


def _python() -> dict[Any, Handler]:
    out = {getattr(math, n): Handler(f"math.{n}", f) for n, f in python.MATH.items() if hasattr(math, n)}
    out |= {f: Handler(f.__name__, h) for f, h in python.BUILTINS.items()}
    out |= {f: Handler(f"operator.{f.__name__}", h) for f, h in python.OPERATORS.items()}
    return out | {getattr(np, n): Handler(f"np.{n}", f) for n, f in python.CONVERSIONS.items()}


NAMES: dict[Any, Handler] = {**_numpy(), **_python()}
_entered: set[str] = set()  # modules of SciPy whose functions are in NAMES


def _enter_scipy() -> None:
    for module, table in SCIPY.items():
        library = sys.modules.get(module)
        if library is not None and module not in _entered:
            _entered.add(module)
            for name, f in table.items():
                if hasattr(library, name):
                    NAMES.setdefault(getattr(library, name), Handler(f"{module}.{name}", f))


def covered() -> list[str]:
    """The names of everything that is covered."""
    scipy = [f"{module}.{name}" for module, table in SCIPY.items() for name in table]
    return sorted({h.name for h in NAMES.values()} | set(scipy))


def lookup(f: Any) -> Handler | None:
    """The handler of a function, also of `np.add.reduce`, `np.multiply.outer`, ..."""
    try:
        found = NAMES.get(f)
    except TypeError:  # not hashable
        return None
    if found is None and "scipy" in sys.modules:
        _enter_scipy()
        found = NAMES.get(f)
    return found or _of_ufunc(f)


# ---- methods of ufuncs

REDUCES: dict[str, Callable[..., Any]] = {
    "add": reductions.sum_, "multiply": reductions.prod, "maximum": reductions.max_, "minimum": reductions.min_,
    "logical_and": reductions.all_, "logical_or": reductions.any_, "logaddexp": special.logsumexp,
}  # fmt: skip
ACCUMULATES: dict[str, Callable[..., Any]] = {
    "add": reductions.cumsum, "multiply": reductions.cumprod,
    "maximum": reductions.extreme_so_far("maximum", "np.maximum.accumulate"),
    "minimum": reductions.extreme_so_far("minimum", "np.minimum.accumulate"),
}  # fmt: skip


def _of_ufunc(f: Any) -> Handler | None:
    ufunc = getattr(f, "__self__", None)
    if not isinstance(ufunc, np.ufunc) or ufunc not in NAMES:
        return None
    return of_ufunc(ufunc, f.__name__)


def of_ufunc(ufunc: np.ufunc, method: str) -> Handler | None:
    """The handler of `ufunc.reduce`, `.accumulate` (along axis 0 by default) and `.outer`."""
    name = f"np.{ufunc.__name__}.{method}"
    if method == "outer" and ufunc.nin == 2:
        return Handler(name, partial(_outer, NAMES[ufunc].call))
    table = {"reduce": REDUCES, "accumulate": ACCUMULATES}.get(method, {})
    call = table.get(ufunc.__name__)
    return Handler(name, _from_first(call)) if call else None


def _from_first(call: Callable[..., Any]) -> Callable[..., Any]:
    def function(array: Any, axis: Any = 0, **options: Any) -> Any:
        return call(array, axis, **options)

    return function


def _outer(call: Callable[..., Any], a: Any, b: Any) -> Any:
    x, z = elementwise.lift(a), elementwise.lift(b)
    return call(shapes.reshape(x, x.shape + (1,) * z.rank), z)


# ---- refusals


def name_of(f: Any) -> str:
    """How the user calls a library function."""
    ufunc = getattr(f, "__self__", None)
    if isinstance(ufunc, np.ufunc):
        return f"np.{ufunc.__name__}.{f.__name__}"
    name = getattr(f, "__name__", None) or repr(f)
    module = getattr(f, "__module__", None) or ("numpy" if isinstance(f, np.ufunc) else "")
    if isinstance(f, np.ufunc):
        module = next((m for m in SCIPY if getattr(sys.modules.get(m), name, None) is f), "numpy")
    if module.startswith("scipy."):
        module = ".".join(p for p in module.split(".") if not p.startswith("_"))
    prefix = {"builtins": "", "_operator": "operator.", "": "", "numpy": "np."}.get(module)
    return (f"{module}.".replace("numpy.", "np.", 1) if prefix is None else prefix) + name


def is_known_ufunc(f: np.ufunc) -> bool:
    """Is it one of NumPy's or SciPy's own, covered or not?"""
    libraries = (np, sys.modules.get("scipy.special"))
    return f in NAMES or any(getattr(library, f.__name__, None) is f for library in libraries)


def is_library(f: Any) -> bool:
    """Is it a function of NumPy, SciPy, math or Python, which is handled here or not at all?"""
    if isinstance(f, np.ufunc) or isinstance(getattr(f, "__self__", None), np.ufunc):
        return True
    module = getattr(f, "__module__", None) or ""
    return module.partition(".")[0] in ("numpy", "scipy", "math", "builtins", "_operator", "cmath", "random", "statistics")


def refuse(f: Any, got: str = "") -> NoReturn:
    """Raise Unsupported for a library function that is not covered."""
    name = name_of(f)
    by_last = {n.rpartition(".")[2]: n for n in covered()}
    near = [by_last[n] for n in difflib.get_close_matches(name.rpartition(".")[2], by_last, n=2, cutoff=0.75)]
    repair = REPAIRS.get(name) or REPAIRS.get(name.rpartition(".")[0] + ".*") or ""
    if not repair:
        repair = f"did you mean {' or '.join(near)}?" if near else "write it with functions that are covered, or as a loop"
    raise_at(Unsupported, f"{name} is not supported", got=got, repair=repair, note="docs/numpy.md lists what is covered")
