"""Memory: what one call adds to the resident set at its peak, results included, in bytes."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jitgrad as jg

from . import OURS, Contestant, Row, Timing
from ._peers import jax_gradient
from .elementwise import cells, chain, chain_by_hand, waves, waves_by_hand

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
ROUNDS = 7


def resident(field: str) -> int:
    """VmRSS: the resident set now. VmHWM: its peak since the last reset."""
    found = re.search(rf"{field}:\s*(\d+) kB", STATUS.read_text())
    assert found is not None
    return 1024 * int(found.group(1))


def added(call: Contestant) -> int:
    """The peak of the resident set during the call, above what it was before."""
    RESET.write_text("5")
    before = resident("VmRSS")
    result = call()
    peak = resident("VmHWM")
    del result
    return peak - before


def weigh(name: str, ours: Contestant, results: int, peers: dict[str, Contestant | None]) -> Row:
    """`results`: the bytes of the results alone, which nobody can do without."""
    field = {OURS: ours, **{k: f for k, f in peers.items() if f is not None}}
    for f in field.values():
        f()
        f()
    sizes = {k: [added(f) for _ in range(ROUNDS)] for k, f in field.items()}

    def weight(k: str) -> Timing:
        ratio = statistics.median(sizes[k]) / max(statistics.median(sizes[OURS]), 1)
        return Timing(min(sizes[k]), statistics.median(sizes[k]), ratio)

    alone = Timing(results, results, results / max(statistics.median(sizes[OURS]), 1))
    rest = {k: weight(k) if k in sizes else None for k in peers}
    return Row(name, weight(OURS), {"the results alone": alone, **rest}, unit="B")


def bench() -> Iterator[Row]:
    if not RESET.exists():
        raise OSError("peaks of the resident set are read from /proc, which this system has not")
    n = 1_000_000
    args = cells(n)
    cases: list[tuple[str, Callable[..., Any], Any, Callable[..., Any], int]] = [
        (f"exp, tanh, log, /: n = {n:,}", chain, (0, 1), chain_by_hand, 2),
        (f"sum(sin(m w) + w w / 2): n = {n:,}", waves, 1, waves_by_hand, 1),
    ]
    for name, f, argnums, hand, arrays in cases:
        ours = jg.value_and_grad(f, argnums=argnums)
        peers = {"by hand": lambda: hand(*args), "jax": jax_gradient(f, args, argnums)}
        yield weigh(name, lambda: ours(*args), 8 * n * arrays, peers)
