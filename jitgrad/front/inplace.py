"""Functions that write into an array they are given, and the methods that stand for functions of NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import DTypeError, Unsupported, raise_at
from ..ir.build import Value
from ..ir.dims import smallest
from ..ops import array, index
from . import promote
from .dispatch import OWN, call, same_kind
from .index import Each, selection
from .items import parts_of, scatter
from .names import NAMES
from .reshape import as_array
from .standin import METHODS, PROPERTIES, Array, Scalar, StandIn, boxed, describe, unwrap, wrap

Function = Callable[..., Any]


def target(x: Any, name: str) -> Array:
    """The array that a function writes."""
    if isinstance(x, np.ndarray):
        return boxed(x)
    if not isinstance(x, Array):
        raise_at(DTypeError, f"{name} writes into an array", wanted="an array", got=describe(x))
    return x


def at(ufunc: np.ufunc, a: Any, key: Any, x: Any = None) -> None:
    """np.add.at: unlike `a[key] += x`, repeated cells add up."""
    a = target(a, f"np.{ufunc.__name__}.at")
    parts, _ = parts_of(key)
    arrays = [k for k in parts if isinstance(k, Each)]
    if any(k.value.dtype == "bool" for k in arrays) or not arrays:  # no cell is repeated
        if arrays:
            a[key] = call(np.where, (key, call(ufunc, (a, x), {}), a), {})
        else:
            a[key] = call(ufunc, (a[key],) if x is None else (a[key], x), {})
        return
    if ufunc not in (np.add, np.subtract):
        raise_at(
            Unsupported,
            f"np.{ufunc.__name__}.at is not supported",
            wanted="np.add.at or np.subtract.at",
            repair="loop over the indices",
        )
    s = selection(parts, a.dims)
    view = a.view.select(s.basic)
    if view is None:
        return
    part = Array(a.box, view)
    dtype = promote.result_dtype(promote.lift(unwrap(x)), a.operand())
    same_kind(np.dtype(promote.NUMPY[dtype]), a)
    x = call(np.negative, (x,), {}) if ufunc is np.subtract else x
    part.write(wrap(promote.Operand(scatter(part.read(), s, x, a, "add_at"))))


def outer(ufunc: np.ufunc, a: Any, b: Any, **kwargs: Any) -> Any:
    a, b = as_array(a), as_array(b)
    spread = a[(..., *[None] * len(b.dims))] if b.dims else a
    return call(ufunc, (spread, b), kwargs)


def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    a = target(dst, "np.copyto")
    same_kind(np.dtype(promote.NUMPY[promote.result_dtype(promote.lift(unwrap(src)), a.operand())]), a)
    a.write(src if where is True else call(np.where, (where, src, a), {}))


def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    a = target(a, "np.fill_diagonal")
    if len(a.dims) != 2 or wrap:
        raise_at(Unsupported, "np.fill_diagonal of this array", wanted="two axes, wrap=False", got=describe(a))
    i = array.iota(smallest(*a.dims))
    v = promote.convert(promote.lift(unwrap(val)), a._dtype())
    v = promote.spread(v, i.shape)
    a.write(_array(index.put(a.read(), v, i, i, spec="aa")))


def _array(v: Value) -> Any:
    return wrap(promote.Operand(v))


def nan_to_num(x: Any, copy: bool = True, **kwargs: Any) -> Any:
    made = wrap(NAMES[np.nan_to_num](unwrap(x), **{k: unwrap(v) for k, v in kwargs.items()}))
    if copy or not isinstance(x, Array):
        return made
    x.write(made)
    return x


def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    raise_at(Unsupported, "np.put_along_axis is not supported", repair="a[index arrays] = values")


# ---- methods


def astype(x: StandIn, dtype: Any, order: str = "K", casting: str = "unsafe", subok: bool = True, copy: bool = True) -> Any:
    name = promote.dtype_name(dtype)
    if not copy and name == x._dtype():
        return x
    v = array.cast(x.operand().value, name)
    return Array.new(v, x.box.name) if isinstance(x, Array) else Scalar(v)


def copy(x: StandIn, order: str = "C") -> Any:
    return Array.new(x.read(), x.box.name) if isinstance(x, Array) else x


def item(x: StandIn, *key: Any) -> Any:
    """A Python number."""
    if key:
        return item(x[key[0] if len(key) == 1 else key])  # type: ignore[index]
    v = x.operand().value
    for d in v.shape:
        if not promote.is_one(d):
            raise_at(DTypeError, ".item() of several elements", wanted="an array of one element", got=describe(x))
    return Scalar(array.reshape(v, ()), weak=x._dtype() in promote.PYTHON)


def tolist(x: StandIn) -> Any:
    return [tolist(row) for row in x] if x.shape else item(x)  # type: ignore[attr-defined]


def sort(x: StandIn, *args: Any, **kwargs: Any) -> Any:
    raise_at(Unsupported, "`.sort()` is not supported", wanted="a function that returns a new array", repair="np.sort(x)")


def by_function(f: Any) -> Function:
    """The method that is the function with the array as its first argument."""
    return lambda x, *args, **kwargs: call(f, (x, *args), kwargs)


# fmt: off
SAME = (
    "sum", "prod", "mean", "std", "var", "max", "min", "argmax", "argmin", "any", "all", "cumsum", "cumprod", "dot", "clip",
    "round", "trace", "argsort", "repeat", "take", "compress", "nonzero", "searchsorted", "choose",
)
METHODS.update({name: by_function(getattr(np, name)) for name in SAME})
METHODS.update({
    "astype": astype, "copy": copy, "item": item, "tolist": tolist, "sort": sort, "partition": sort,
    "conj": lambda x: x, "conjugate": lambda x: x, "fill": lambda a, x: a.write(x),
    "__copy__": copy, "__deepcopy__": lambda x, memo: copy(x),
    "is_integer": lambda x: call(np.equal, (x, call(np.floor, (x,), {})), {}),
})
PROPERTIES.update({
    "real": lambda x: x, "itemsize": lambda x: x.dtype.itemsize, "nbytes": lambda x: x.size * x.dtype.itemsize,
    "imag": lambda x: call(np.zeros_like, (x,), {}),
})

OWN.update({
    "at": at, "outer": outer, np.copyto: copyto, np.fill_diagonal: fill_diagonal, np.put_along_axis: put_along_axis,
    np.nan_to_num: nan_to_num,
    np.copy: lambda x, order="K", subok=False: copy(as_array(x)),
    np.outer: lambda a, b, out=None: outer(np.multiply, *[as_array(v).ravel() for v in (a, b)], out=out),
})
# fmt: on
