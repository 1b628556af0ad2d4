"""Fn -> compiled function on the CPU: schedule, print, load."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from ..ir.core import Fn
from ..lower.parallel import THREADS, is_parallel
from ..lower.plan import Plan
from ..lower.schedule import schedule
from . import memory, vecmath
from .load import Loaded, Text, load
from .plain import plain
from .python import emit
from .raised import Site, sites, throw
from .threads import shared

# Where the functions that a text calls by bare names come from on the CPU.
RUNTIME = (
    *("gemm", "gemv", "gemm_add", "gemv_add", "row_blocks", "imm", "imv"),
    *("gesv", "gesm", "trsv", "trsm", "inv", "cholesky", "slogdet", "grow"),
)
MODULES: dict[str, str] = {
    **dict.fromkeys(vecmath.TABLE, "jitgrad.emit.vecmath"),
    **dict.fromkeys(RUNTIME, "jitgrad.emit.runtime"),
    **dict.fromkeys(memory.__all__, "jitgrad.emit.memory"),
    **dict.fromkeys(("prange", THREADS), "numba"),
}


@dataclass(frozen=True, eq=False)
class Compiled:
    """A program with everything that was made of it on the way; `entry(*args)` gives the tuple of its results."""

    fn: Fn
    plan: Plan
    text: Text
    loaded: Loaded
    sites: tuple[Site, ...] = ()  # that raise
    seconds: dict[str, float] = field(default_factory=dict)  # per station

    @property
    def entry(self) -> Any:
        compiled = self.loaded.entry
        if not hasattr(compiled, "compile"):  # NUMBA_DISABLE_JIT=1
            return self.python
        return shared(self.loaded) if self.loaded.parallel else compiled

    @property
    def python(self) -> Any:
        """The text as a plain Python function."""
        return plain(self.text, self.loaded.file, self.sites)

    @property
    def source(self) -> str:
        return self.text.source

    def __call__(self, *args: Any) -> Any:
        try:
            return self.entry(*args)
        except Exception as e:
            throw(e, self.sites)


def compile_fn(fn: Fn) -> Compiled:
    start = time.perf_counter()
    plan = schedule(fn)
    scheduled = time.perf_counter()
    text = emit(plan, MODULES)
    printed = time.perf_counter()
    loaded = load(text, parallel=is_parallel(plan))
    numba = time.perf_counter() - printed
    seconds = {"schedule": scheduled - start, "print": printed - scheduled, "numba": numba}
    return Compiled(fn, plan, text, loaded, sites(plan), seconds)
