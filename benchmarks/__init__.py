"""What a benchmark is made of: `race` measures, `Row` is what came out, `peer` imports a competitor if there is one.

A benchmark is a module `benchmarks/NAME.py` with a docstring whose first line says what is measured, and a function
`bench() -> Iterator[Row]` that yields what `race` returns:

    jax = peer("jax")

    def bench():
        for n in (10, 1000):
            x = np.linspace(0.0, 1.0, n)
            yield race(f"n = {n}", lambda: grad_f(x), {"by hand": lambda: hand(x), "jax": jax and make_jax(jax, x)})

A contestant is a function of no arguments that returns its result when it is done (`block_until_ready` for JAX).
`python -m benchmarks NAME` runs it, in a process of its own whose threads are limited before anything is imported.
"""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

Contestant = Callable[[], Any]
OURS = "jitgrad"


@dataclass(frozen=True)
class Timing:
    """Seconds a call (or bytes) over the rounds of a race, and the median, over the rounds, of this one's / ours."""

    best: float
    median: float
    ratio: float


@dataclass(frozen=True)
class Row:
    """One case of a benchmark. `ours` and `peers` by name; None stands for a peer that is not installed.

    `unit` is "s" or "B": a row may say what a call takes in memory.
    """

    name: str
    ours: Timing
    peers: dict[str, Timing | None]
    unit: str = "s"


def peer(module: str) -> ModuleType | None:
    """The module, or None where its package is not installed. One that is installed but broken raises."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as e:
        if e.name is None or e.name.split(".")[0] != module.split(".")[0]:
            raise
        return None


def race(
    name: str,
    ours: Contestant,
    peers: Mapping[str, Contestant | None],
    *,
    seconds: float = 1.0,
    rtol: float | None = 1e-6,
) -> Row:
    """Measures all contestants in turns, so that what slows the machine down slows all of them.

    The first call of each (compilation) is not counted, and its result must agree with ours to `rtol` of the largest
    entry (None: not comparable). A round times each contestant once, starting with another one each time; `seconds` is
    for each contestant.
    """
    field = {OURS: ours, **{k: f for k, f in peers.items() if f is not None}}
    results = {k: f() for k, f in field.items()}
    if rtol is not None:
        for k, result in results.items():
            _agree(f"{name}: {k}", result, results[OURS], rtol)
    del results
    repeats = {k: _repeats(f) for k, f in field.items()}
    rounds = max(5, min(200, int(seconds / max(_sample(f, repeats[k]) * repeats[k] for k, f in field.items()))))
    order = list(field)
    times: dict[str, list[float]] = {k: [] for k in field}
    for _ in range(rounds):
        for k in order:
            times[k].append(_sample(field[k], repeats[k]))
        order = order[1:] + order[:1]

    def timing(k: str) -> Timing:
        ratios = [t / our for t, our in zip(times[k], times[OURS], strict=True)]
        return Timing(min(times[k]), statistics.median(times[k]), statistics.median(ratios))

    return Row(name, timing(OURS), {k: timing(k) if k in times else None for k in peers})


def _sample(f: Contestant, repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        f()
    return (time.perf_counter() - start) / repeats


def _repeats(f: Contestant, at_least: float = 2e-3) -> int:
    """How many calls make a sample long enough for the clock, and for the frame of the loop not to count."""
    repeats = 1
    while _sample(f, repeats) * repeats < at_least:
        repeats *= 2
    return repeats


def _agree(who: str, got: Any, ours: Any, rtol: float) -> None:
    """Raises unless the results, arrays or nested tuples, lists and dicts of them, are the same numbers."""
    if isinstance(ours, dict):
        got, ours = [got[k] for k in ours], list(ours.values())
    if isinstance(ours, (tuple, list)):
        if len(got) != len(ours):
            raise AssertionError(f"{who} returned {len(got)} results, {OURS} {len(ours)}")
        for i, (a, b) in enumerate(zip(got, ours, strict=True)):
            _agree(f"{who}[{i}]", a, b, rtol)
        return
    a, b = np.asarray(got), np.asarray(ours)
    if a.shape != b.shape:
        raise AssertionError(f"{who} returned shape {a.shape}, {OURS} {b.shape}")
    scale = max(float(np.max(np.abs(b), initial=0.0)), np.finfo(float).tiny)
    worst = float(np.max(np.abs(a - b), initial=0.0)) / scale
    if not worst <= rtol:
        raise AssertionError(f"{who} differs from {OURS} by {worst:.2g} of the largest entry; allowed are {rtol:.2g}")
