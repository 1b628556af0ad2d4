"""Cells by truth: `where`, and reading and writing where a mask is set."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import dtypes
from .creation import owned
from .indexing import put_at, take
from .kernel import Aval, Kernel, kernel
from .op import Op, check_broadcast, result_dtype
from .run import known
from .shapes import expand, reshape
from .tensor import Tensor


def _where(condition: Any, a: Any, b: Any, to: Any, tail: bool) -> Any:
    a, b = (x.astype(to) if hasattr(x, "astype") else x for x in (a, b))
    return np.where(condition[..., None] if tail else condition, a, b).astype(to)


def _choose_where(condition: Aval, a: Any, b: Any) -> Kernel:
    check_broadcast((condition, a, b))
    d = result_dtype((a, b))
    return kernel(_where, "Where", (d,), to=d.compute, tail=d.is_complex)


_where_op = Op("where", _choose_where)


def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """input where the condition is true, else other; they broadcast. With the condition alone: the indices of what is set.

    >>> import jitgrad.eager as torch
    >>> x = torch.tensor([-1.0, 2.0])
    >>> torch.where(x > 0, x, 0.0)
    tensor([0., 2.])
    """
    if input is None and other is None:
        return nonzero(condition, as_tuple=True)
    if condition.dtype is not dtypes.bool:
        raise RuntimeError(
            f"where expected condition to be a boolean tensor, but got a tensor with dtype {condition.dtype.legacy}"
        )
    pair = [input, other]
    if any(isinstance(x, Tensor) and x.dtype.is_complex for x in pair) or any(isinstance(x, complex) for x in pair):
        d = result_dtype(tuple(x._node.aval if isinstance(x, Tensor) else type(x) for x in pair))
        pair = [x.to(d) if isinstance(x, Tensor) else owned(np.array(x), d) for x in pair]
    return _where_op(condition, *pair)


def _where_method(x: Tensor, condition: Tensor, other: Any) -> Tensor:
    """x where the condition is true, else other."""
    return where(condition, x, other)


def nonzero(x: Tensor, *, out: Any = None, as_tuple: bool = False) -> Any:
    """The indices of what is not zero: a row for each, or (as_tuple) a tensor for each axis."""
    values = known(x._value())
    if as_tuple:
        return tuple(owned(np.ascontiguousarray(k), dtypes.int64) for k in np.atleast_1d(values).nonzero())
    if not values.ndim:
        return owned(np.zeros((int(bool(values)), 0), np.int64), dtypes.int64)
    return owned(np.argwhere(values), dtypes.int64)


def argwhere(x: Tensor) -> Tensor:
    """The indices of what is not zero, a row for each."""
    return nonzero(x)


def flatnonzero(x: Tensor) -> Tensor:
    """The indices of what is not zero, in all numbers as one row."""
    return owned(np.flatnonzero(known(x._value())), dtypes.int64)


# ---- masks


def _masked_fill(x: Any, mask: Any, value: Any, tail: bool) -> Any:
    return np.where(mask[..., None] if tail else mask, value, x).astype(x.dtype)


def _choose_fill(x: Aval, mask: Aval, value: Any, name: str) -> Kernel:
    check_broadcast((mask, x))
    return kernel(_masked_fill, name, (x.dtype,), tail=x.dtype.is_complex)


_fill = Op("masked_fill", _choose_fill)


def masked_fill(x: Tensor, mask: Tensor, value: Any) -> Tensor:
    """The value (a number, or a tensor without axes) where the mask is set, else x."""
    if mask.dtype is not dtypes.bool:
        raise RuntimeError(f"masked_fill_ only supports boolean masks, but got mask with dtype {mask.dtype.spoken}")
    if isinstance(value, Tensor):
        if value.shape:
            raise RuntimeError(
                f"masked_fill_ only supports a 0-dimensional value tensor, but got tensor with {len(value.shape)} dimension(s)."
            )
        return _fill(x, mask, value.to(x.dtype), name="MaskedFill.1")
    if not x.dtype.is_floating_point:
        value = owned(np.array(value), x.dtype)
    return _fill(x, mask, value, name="MaskedFill")


def masked_select(x: Tensor, mask: Tensor) -> Tensor:
    """What stands where the mask is set, as a row; the two broadcast."""
    if mask.dtype is not dtypes.bool:
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    check_broadcast((mask._node.aval, x._node.aval))
    shape = np.broadcast_shapes(tuple(x.shape), tuple(mask.shape))
    wide = expand(x, shape) if tuple(x.shape) != shape else x
    places = np.broadcast_to(known(mask._value()), shape).nonzero()
    if not shape:
        wide, places = reshape(wide, 1), np.atleast_1d(known(mask._value())).nonzero()
    indices = [owned(np.ascontiguousarray(k), dtypes.int64) for k in places]
    return take(wide, *indices, places=tuple(range(len(indices))), name="MaskedSelect")


def masked_scatter(x: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """Where the mask is set, the numbers of the source one after the other; else x."""
    if source.dtype is not x.dtype:
        raise RuntimeError(
            f"masked_scatter: expected self and source to have same dtypes but got{x.dtype.legacy} and {source.dtype.legacy}"
        )
    if mask.dtype is not dtypes.bool:
        raise RuntimeError(f"masked_scatter_ only supports boolean masks, but got mask with dtype {mask.dtype.name}")
    check_broadcast((mask._node.aval, x._node.aval))
    shape = np.broadcast_shapes(tuple(x.shape), tuple(mask.shape))
    wide = expand(x, shape) if tuple(x.shape) != shape else x
    if not shape:
        return reshape(masked_scatter(reshape(x, 1), reshape(mask, 1), source), ())
    places = np.broadcast_to(known(mask._value()), shape).nonzero()
    count = len(places[0])
    if source.numel() < count:
        raise RuntimeError("Number of elements of source < number of ones in mask")
    indices = [owned(np.ascontiguousarray(k), dtypes.int64) for k in places]
    return put_at(wide, reshape(source, -1)[:count], *indices, places=tuple(range(len(indices))), name="MaskedScatter")


BOTH = {f.__name__: f for f in (masked_fill, masked_scatter)}
PLAIN = {"where": _where_method, "nonzero": nonzero, "argwhere": argwhere, "masked_select": masked_select}

__all__ = [
    "argwhere", "flatnonzero", "masked_fill", "masked_scatter", "masked_select", "nonzero", "where",
]  # fmt: skip
