"""Fresh arrays in generated code: `empty(n)`, `zeros((n, m), np.float32)`, NumPy's functions for row-major arrays.

The first touch of fresh memory is dear: a page fault for every 4 KiB, up to half of the time of a gradient whose results
are some megabytes. As NumPy does for its own arrays, the system is told that large ones may have pages of 2 MiB
(madvise(2), MADV_HUGEPAGE). Elsewhere than on Linux nothing is told.

Arrays begin with a line of the cache. Numba's begin at multiples of 32 bytes: where vectors have 64, every load of an array
that begins in the middle of a line takes two lines, and loops over rows of whole lines run at two thirds of their speed.
"""

from __future__ import annotations

import sys
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from . import pool

LARGE = 4 << 20  # bytes; NumPy's limit
PAGE = 2 << 20
LINE = 64  # bytes
MADV_HUGEPAGE = 14
SIZE = ir.IntType(64)
TOO_LARGE = "array is too big; `arr.size * arr.dtype.itemsize` is larger than the maximum possible size."


def _kind(shape: Any, dtype: Any) -> Any:
    """The type of the array; None: not such arguments."""
    rank = 1 if isinstance(shape, types.Integer) else len(shape)
    cell = types.float64 if dtype is None else getattr(dtype, "dtype", None)
    return None if cell is None else types.Array(cell, rank, "C")


def _fresh(context: Any, builder: Any, kind: Any, shape: Any, value: Any) -> Any:
    """The array, as Numba's structure. What Numba has for this compiles a function of its own, and reads all back."""
    one = isinstance(shape, types.Integer)
    given = [shape] if one else list(shape)
    sizes = [value] if one else cgutils.unpack_tuple(builder, value)
    sizes = [context.cast(builder, n, t, types.intp) for n, t in zip(sizes, given, strict=True)]
    item = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    strides, large = [item], ir.Constant(ir.IntType(1), 0)
    for n in reversed(sizes):
        product = builder.smul_with_overflow(n, strides[0])
        strides.insert(0, builder.extract_value(product, 0))
        large = builder.or_(large, builder.extract_value(product, 1))
    with builder.if_then(large, likely=False):
        context.call_conv.return_user_exc(builder, ValueError, (TOO_LARGE,))
    array = cgutils.create_struct_proxy(kind)(context, builder)  # of zeros: it has no parent
    array.meminfo = _owner(context, builder, strides[0], LINE)
    array.data = builder.bitcast(context.nrt.meminfo_data(builder, array.meminfo), array.data.type)
    array.nitems = builder.sdiv(strides[0], item)
    array.itemsize = item
    array.shape = cgutils.pack_array(builder, sizes)
    array.strides = cgutils.pack_array(builder, strides[1:])
    if sys.platform == "linux" and sys.maxsize > 1 << 32:
        _advise(builder, builder.ptrtoint(array.data, SIZE), strides[0])
    return array


def _owner(context: Any, builder: Any, size: Any, align: int) -> Any:
    """Numba's object that owns the memory. Of a large array, one that leaves it to `pool` in the end."""
    if not pool.SUPPORTED:
        return context.nrt.meminfo_alloc_aligned(builder, size, align)
    owner = cgutils.alloca_once(builder, cgutils.voidptr_t)
    with builder.if_else(builder.icmp_unsigned(">=", size, SIZE(LARGE)), likely=False) as (large, small):
        with large:
            made = builder.call(_allocate(context, builder), [size, _blocks(builder.module)])
            with builder.if_then(cgutils.is_null(builder, made), likely=False):
                context.call_conv.return_user_exc(builder, MemoryError, ("Allocation failed (probably too large).",))
            builder.store(made, owner)
        with small:
            builder.store(context.nrt.meminfo_alloc_aligned(builder, size, align), owner)
    return builder.load(owner)


def _allocate(context: Any, builder: Any) -> Any:
    """`allocate_external` of the table of Numba's functions (numba/core/runtime/nrt_external.h)."""
    table = builder.bitcast(context.nrt.get_nrt_api(builder), cgutils.voidptr_t.as_pointer())
    found = builder.load(builder.gep(table, [SIZE(1)]))
    alike = ir.FunctionType(cgutils.voidptr_t, [SIZE, cgutils.voidptr_t])
    return builder.bitcast(found, alike.as_pointer())


def _blocks(module: Any) -> Any:
    pool.start()
    return module.globals.get(pool.SYMBOL) or cgutils.add_global_variable(module, ir.IntType(8), pool.SYMBOL)


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
