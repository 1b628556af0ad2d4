"""Starting Numba, once, under its compiler lock, and cheaper than it starts itself.

What a process needs depends on what it does first. To run machine code found on disk: an empty target and the
symbols that the code may call (`to_load`, some milliseconds). To compile: also the whole registry of typed
functions (`to_compile`), without two of its expenses, each about as dear as a compilation: importing
`scipy.linalg`, which only matrix products need and which Numba imports again when it meets one, and 250 nested
refreshes of a registry that is being filled. A Numba whose insides have moved starts in its own way.

Note [Names of helpers]
Numba tells functions of one qualified name apart, closures of one factory say, by a number counted from 1 in every
process. Machine code from disk brings the numbers of another process along, and where two functions have one
symbol LLVM silently calls the first that it met: a wrong result (https://github.com/numba/numba/issues/10486).
Numbers drawn at random do not meet; drawn one by one, they do not meet after a fork either.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import llvmlite.binding as llvm
from numba.core.bytecode import FunctionIdentity
from numba.core.compiler_lock import global_compiler_lock
from numba.core.imputils import builtin_registry
from numba.core.registry import cpu_target

from . import pool

# A loop over many arrays is vectorised behind checks that they do not overlap; LLVM gives up on more than 128
# checks, which derivatives with ten inputs and ten results exceed. The options hold for the whole process.
LLVM_OPTIONS = ("-runtime-memory-check-threshold=1000", "-vectorize-memory-check-threshold=1000")

_started: set[str] = set()


def target() -> Any:
    """Numba's context of the CPU."""
    return cpu_target.target_context


def to_load() -> None:
    """Make this process able to run machine code that another process compiled."""
    with global_compiler_lock:
        if "load" in _started:
            return
        for option in LLVM_OPTIONS:
            llvm.set_option("", option)
        target()
        if not _runtime_symbols():
            target().refresh()
        pool.start()
        _started.add("load")


def to_compile() -> None:
    """Make this process able to compile."""
    with global_compiler_lock:
        to_load()
        if "compile" in _started:
            return
        with _without_scipy_linalg():
            target().load_additional_registries()
        with _without_nested_refresh():
            target().typing_context.refresh()
        target().refresh()
        _started.add("compile")


def _runtime_symbols() -> bool:
    """Tell LLVM where the functions of Numba's run-time library are, as its own initialisation does."""
    from numba.core.runtime import nrt

    helpers = getattr(getattr(nrt, "_nrt", None), "c_helpers", None)
    if not helpers:
        return False
    for name, address in helpers.items():
        llvm.add_symbol(name if name.startswith("_") else "NRT_" + name, address)
    return True


@contextmanager
def _without_scipy_linalg() -> Iterator[None]:
    """While Numba imports its array functions, answer its question "is there a BLAS?" without loading it."""
    import numba.np.linalg as linalg

    name = "numba.np.arraymath"
    if name in sys.modules or not hasattr(linalg, "ensure_blas"):
        yield
        return
    ensure_blas = linalg.ensure_blas
    linalg.ensure_blas = _ensure_scipy
    try:
        yield
    finally:
        linalg.ensure_blas = ensure_blas
        for module in list(sys.modules.values()):
            if getattr(module, "__dict__", {}).get("ensure_blas") is _ensure_scipy:
                module.ensure_blas = ensure_blas  # type: ignore[attr-defined]


def _ensure_scipy() -> None:
    if importlib.util.find_spec("scipy") is None:
        raise ImportError("no scipy, hence no BLAS")


@contextmanager
def _without_nested_refresh() -> Iterator[None]:
    """Every typed function asks for a refresh while it is registered: one refresh at the end does for all."""
    context = target()
    context.install_registry(builtin_registry)
    context.refresh = lambda: None
    try:
        yield
    finally:
        del context.refresh


# See Note [Names of helpers]. Whoever has put another source of numbers in place had the same reason.
if isinstance(FunctionIdentity._unique_ids, itertools.count):
    FunctionIdentity._unique_ids = iter(lambda: int.from_bytes(os.urandom(7), "little"), None)  # type: ignore[assignment]

# A fork waits for a compilation in another thread to end: the child would inherit a lock that nobody releases.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )
