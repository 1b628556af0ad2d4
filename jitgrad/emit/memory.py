"""Fresh arrays in generated code: `empty(n)`, `zeros((n, m), np.float32)`, NumPy's functions for row-major arrays.

The first touch of fresh memory is dear: a page fault for every 4 KiB, up to half of the time of a gradient whose results
are some megabytes. As NumPy does for its own arrays, the system is told that large ones may have pages of 2 MiB
(madvise(2), MADV_HUGEPAGE). Elsewhere than on Linux nothing is told.
"""

from __future__ import annotations

import sys
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

LARGE = 4 << 20  # bytes; NumPy's limit
PAGE = 2 << 20
MADV_HUGEPAGE = 14
SIZE = ir.IntType(64)


def _kind(shape: Any, dtype: Any) -> Any:
    """The type of the array; None: not such arguments."""
    rank = 1 if isinstance(shape, types.Integer) else len(shape)
    cell = types.float64 if dtype is None else getattr(dtype, "dtype", None)
    return None if cell is None else types.Array(cell, rank, "C")


def _fresh(context: Any, builder: Any, kind: Any, shape: Any, value: Any) -> Any:
    """The array, as Numba's structure."""
    from numba.np.arrayobj import _empty_nd_impl  # importing it takes a third of the time of a first compilation

    one = isinstance(shape, types.Integer)
    sizes = [value] if one else cgutils.unpack_tuple(builder, value)
    given = [shape] if one else list(shape)
    cast = [context.cast(builder, n, t, types.intp) for n, t in zip(sizes, given, strict=True)]
    array = _empty_nd_impl(context, builder, kind, cast)
    if sys.platform == "linux" and sys.maxsize > 1 << 32:
        _advise(builder, builder.ptrtoint(array.data, SIZE), builder.mul(array.nitems, array.itemsize))
    return array


def _advise(builder: Any, start: Any, size: Any) -> None:
    """Of the whole huge pages within a large array."""
    with builder.if_then(builder.icmp_unsigned(">=", size, SIZE(LARGE)), likely=False):
        whole = SIZE(-PAGE)
        first = builder.and_(builder.add(start, SIZE(PAGE - 1)), whole)
        last = builder.and_(builder.add(start, size), whole)
        function = ir.FunctionType(ir.IntType(32), [SIZE, SIZE, ir.IntType(32)])
        madvise = cgutils.get_or_insert_function(builder.module, function, "madvise")
        builder.call(madvise, [first, builder.sub(last, first), ir.IntType(32)(MADV_HUGEPAGE)])


@intrinsic
def empty(typingctx, shape, dtype=None):
    """np.empty"""
    kind = _kind(shape, dtype)
    if kind is None:
        return None

    def codegen(context, builder, signature, values):
        return _fresh(context, builder, kind, shape, values[0])._getvalue()

    return kind(shape, dtype or types.Omitted(None)), codegen


@intrinsic
def zeros(typingctx, shape, dtype=None):
    """np.zeros"""
    kind = _kind(shape, dtype)
    if kind is None:
        return None

    def codegen(context, builder, signature, values):
        array = _fresh(context, builder, kind, shape, values[0])
        cgutils.memset(builder, array.data, builder.mul(array.nitems, array.itemsize), 0)
        return array._getvalue()

    return kind(shape, dtype or types.Omitted(None)), codegen


__all__ = ["empty", "zeros"]
