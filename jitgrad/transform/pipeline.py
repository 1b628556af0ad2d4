"""The named passes, in the order in which a program goes through them; each is a pure function. What it changed is verified."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ..ir.core import Fn
from ..ir.verify import verify
from ..ir.walk import needed, same
from . import checkpoint, cond, link, loop  # noqa: F401  (the rules of the constructs register themselves)
from .cleared import cleared
from .collect import collect
from .combine import combine
from .forget import forget
from .fuse import fuse, upwards
from .gather import gather
from .hoist import hoist
from .interchange import interchange
from .order import order
from .picks import picks
from .promote import promote
from .scalars import scalars
from .simplify import simplify
from .sink import sink
from .windows import windows
from .wraps import wraps

Pass = Callable[[Fn], Fn]

PASSES: dict[str, Pass] = {
    "order": order, "hoist": hoist, "simplify": simplify, "needed": needed, "combine": combine,
    "cleared": cleared, "forget": forget, "gather": gather, "fuse": fuse,
    "promote": promote, "scalars": scalars, "sink": sink, "unlinked": link.unlinked, "upwards": upwards,
    "windows": windows, "picks": picks, "interchange": interchange, "collect": collect, "wraps": wraps,
}  # fmt: skip

# What is differentiated is tidy and in order, small arrays in loops are scalars, invariants are hoisted: all of that decides
# what the adjoint is.
BEFORE = ("simplify", "scalars", "order", "hoist", "windows", "interchange", "simplify")
# What is compiled: rules leave `1.0 * t` and dead primal work behind, and the return sweep apart from the forward sweep.
AFTER = (
    "unlinked", "simplify", "hoist", "combine", "order", "promote", "cleared", "forget", "simplify", "gather", "cleared", "fuse",
    "sink", "combine", "collect", "simplify", "picks", "wraps", "upwards", "order",
)  # fmt: skip


def run(fn: Fn, names: Sequence[str], seconds: dict[str, float] | None = None) -> Fn:
    """The program after these passes. `seconds`: where to add what each took."""
    for name in names:
        start = time.perf_counter()
        done = PASSES[name](fn)
        fn = fn if same(fn, done) else verify(done)  # a program that did not change is known to be well formed, and simple
        if seconds is not None:
            seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - start
    return fn


def prepared(fn: Fn) -> Fn:
    """Ready to be differentiated."""
    return run(fn, BEFORE)


def finished(fn: Fn, seconds: dict[str, float] | None = None) -> Fn:
    """Ready to be compiled."""
    return run(fn, AFTER, seconds)
