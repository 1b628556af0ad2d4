"""Large blocks of memory that compiled code has freed, for the next large arrays.

The first touch of fresh memory is dear: the system finds and clears every page, which for a gradient that remembers or
returns hundreds of megabytes is a third of its time (more in a virtual machine whose host has taken the pages back). So what
is freed stays here, at most `LIMIT` bytes in at most `SLOTS` blocks, and the system is told that it may take the pages when it
is short of memory (madvise(2), MADV_FREE). Larger blocks, and the ones that have been here for longest, are given back.

A block belongs to whoever has taken it out of its slot by an atomic exchange: no locks, so any thread may allocate, one
without Python's lock as well, and a fork finds the slots as they were. $JITGRAD_KEEP_MEMORY is another limit, in bytes; 0: none
is kept. Only on Linux with 64 bits, where memory.py asks for it.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

import llvmlite.binding as llvm

SYMBOL = "jitgrad_large_blocks"  # Numba's structure of an allocator: malloc, realloc, free, data
SLOTS = 8
HEADER = 16  # before each block: its size. Numba's 48 bytes follow, then the array, at a multiple of 64
PAGE = 2 << 20
MADV_FREE = 8
SUPPORTED = sys.platform == "linux" and sys.maxsize > 1 << 32

# swap: a block, or none, into a slot, out of which goes what stood there. take: the first block that fits, and wastes at most a
# quarter; else a new one. put: into the next slot in turn. evict: out of slots, the oldest first, until so many bytes are kept.
# The pages of what is kept are told to be free but for the first, in which the size stands.
TEXT = f"""
declare ptr @aligned_alloc(i64, i64)
declare void @free(ptr)
declare i32 @madvise(ptr, i64, i32)

@slots = internal global [{SLOTS} x ptr] zeroinitializer
@turn = internal global i64 0
@kept = internal global i64 0
@limit = global i64 0

define internal void @drop(ptr %block) {{
  %size = load i64, ptr %block
  %before = atomicrmw sub ptr @kept, i64 %size seq_cst
  call void @free(ptr %block)
  ret void
}}

define internal void @swap(ptr %slot, ptr %block) {{
  %old = atomicrmw xchg ptr %slot, ptr %block seq_cst
  %none = icmp eq ptr %old, null
  br i1 %none, label %done, label %full
full:
  call void @drop(ptr %old)
  br label %done
done:
  ret void
}}

define internal void @evict(i64 %limit) {{
  br label %next
next:
  %k = phi i64 [ 0, %0 ], [ %more, %out ]
  %sum = load atomic i64, ptr @kept seq_cst, align 8
  %over = icmp ugt i64 %sum, %limit
  %left = icmp ult i64 %k, {SLOTS}
  %go = and i1 %over, %left
  br i1 %go, label %out, label %done
out:
  %turn = load atomic i64, ptr @turn seq_cst, align 8
  %oldest = add i64 %turn, %k
  %at = urem i64 %oldest, {SLOTS}
  %slot = getelementptr ptr, ptr @slots, i64 %at
  call void @swap(ptr %slot, ptr null)
  %more = add i64 %k, 1
  br label %next
done:
  ret void
}}

define internal void @put(ptr %block) {{
  %turn = atomicrmw add ptr @turn, i64 1 seq_cst
  %k = urem i64 %turn, {SLOTS}
  %slot = getelementptr ptr, ptr @slots, i64 %k
  call void @swap(ptr %slot, ptr %block)
  ret void
}}

define ptr @take(i64 %wanted, ptr %data) {{
  %padded = add i64 %wanted, {HEADER + 63}
  %need = and i64 %padded, -64
  br label %next
next:
  %k = phi i64 [ 0, %0 ], [ %more, %on ]
  %slot = getelementptr ptr, ptr @slots, i64 %k
  %block = atomicrmw xchg ptr %slot, ptr null seq_cst
  %none = icmp eq ptr %block, null
  br i1 %none, label %on, label %look
look:
  %size = load i64, ptr %block
  %quarter = lshr i64 %size, 2
  %least = sub i64 %size, %quarter
  %fits = icmp uge i64 %size, %need
  %tight = icmp ule i64 %least, %need
  %good = and i1 %fits, %tight
  br i1 %good, label %found, label %back
found:
  %rest = atomicrmw sub ptr @kept, i64 %size seq_cst
  br label %have
back:
  %place = cmpxchg ptr %slot, ptr null, ptr %block seq_cst seq_cst
  %stands = extractvalue {{ ptr, i1 }} %place, 1
  br i1 %stands, label %on, label %elsewhere
elsewhere:
  call void @put(ptr %block)
  br label %on
on:
  %more = add i64 %k, 1
  %again = icmp ult i64 %more, {SLOTS}
  br i1 %again, label %next, label %fresh
fresh:
  %made = call ptr @aligned_alloc(i64 64, i64 %need)
  %failed = icmp eq ptr %made, null
  br i1 %failed, label %short, label %new
short:
  call void @evict(i64 0)
  %late = call ptr @aligned_alloc(i64 64, i64 %need)
  %never = icmp eq ptr %late, null
  br i1 %never, label %fail, label %new
new:
  %first = phi ptr [ %made, %fresh ], [ %late, %short ]
  store i64 %need, ptr %first
  br label %have
have:
  %it = phi ptr [ %block, %found ], [ %first, %new ]
  %inside = getelementptr i8, ptr %it, i64 {HEADER}
  ret ptr %inside
fail:
  ret ptr null
}}

define void @give(ptr %inside, ptr %data) {{
  %block = getelementptr i8, ptr %inside, i64 -{HEADER}
  %size = load i64, ptr %block
  %limit = load i64, ptr @limit
  %large = icmp ugt i64 %size, %limit
  br i1 %large, label %away, label %keep
away:
  call void @free(ptr %block)
  ret void
keep:
  %before = atomicrmw add ptr @kept, i64 %size seq_cst
  call void @evict(i64 %limit)
  %begin = ptrtoint ptr %block to i64
  %up = add i64 %begin, {HEADER + PAGE - 1}
  %first = and i64 %up, -{PAGE}
  %end = add i64 %begin, %size
  %last = and i64 %end, -{PAGE}
  %bytes = sub i64 %last, %first
  %start = inttoptr i64 %first to ptr
  %told = call i32 @madvise(ptr %start, i64 %bytes, i32 {MADV_FREE})
  call void @put(ptr %block)
  ret void
}}
"""

_engines: list[Any] = []  # whose code is called as long as the process lives


def limit() -> int:
    """An eighth of the memory, at most 1 GiB."""
    chosen = os.environ.get("JITGRAD_KEEP_MEMORY")
    if chosen is not None:
        return int(chosen)
    return min(1 << 30, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 8)


def start() -> None:
    """Make the allocator known under its symbol; once, before machine code that may call it is linked."""
    if _engines or not SUPPORTED:
        return
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = llvm.parse_assembly(TEXT)
    machine = llvm.Target.from_default_triple().create_target_machine(opt=0, jit=True)  # 3 ms
    engine = llvm.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    ctypes.c_int64.from_address(engine.get_global_value_address("limit")).value = limit()
    take, give = map(engine.get_function_address, ("take", "give"))
    table = (ctypes.c_void_p * 4)(take, None, give, None)
    llvm.add_symbol(SYMBOL, ctypes.addressof(table))
    _engines.extend((engine, table))


__all__ = ["SUPPORTED", "SYMBOL", "start"]
