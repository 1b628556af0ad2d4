"""Fresh processes: the import, and the first gradient, the cache on disk empty and then full: twenty operations, and loops.

"by hand" is the adjoint written in Numba with its own disk cache. Bracketed is the median; it is what counts here.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from . import OURS, Row, Timing
from ._first_loops import CASES, contestants

HERE = Path(__file__).parent
ROUNDS, ROUNDS_OF_LOOPS = 5, 3
NAMES = {OURS: "jitgrad", "by hand": "numba", "jax": "jax"}
Seconds = dict[str, float]


def fresh(command: Sequence[str], cache: str, bytecode: str) -> Seconds:
    """What a process of its own measured, with its caches in these folders."""
    settings = {
        **os.environ,
        "PYTHONPATH": str(HERE.parent),
        "PYTHONPYCACHEPREFIX": bytecode,
        "PYTHONDONTWRITEBYTECODE": "",
        "JITGRAD_CACHE_DIR": cache,
        "NUMBA_CACHE_DIR": cache,
        "JAX_COMPILATION_CACHE_DIR": cache,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    done = subprocess.run([sys.executable, *command], env=settings, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command} failed in a fresh process:\n{done.stderr}")
    return json.loads(done.stdout)


def once(command: Sequence[str], bytecode: str) -> Seconds:
    """An empty cache, then the same again."""
    with tempfile.TemporaryDirectory() as cache:
        cold, warm = fresh(command, cache, bytecode), fresh(command, cache, bytecode)
    return {**warm, "cold": cold["first"], "warm": warm["first"]}


def measured(commands: dict[str, Sequence[str]], rounds: int) -> dict[str, list[Seconds]]:
    """What the contestants, in turns, needed in each round, after one that leaves the byte code of all modules on disk."""
    times: dict[str, list[Seconds]] = {k: [] for k in commands}
    with tempfile.TemporaryDirectory() as bytecode:
        for _ in range(1 + rounds):
            for k, command in commands.items():
                times[k].append(once(command, bytecode))
    values = {k: t[0]["value"] for k, t in times.items()}
    if any(abs(v - values[OURS]) > 1e-9 * abs(v) for v in values.values()):
        raise AssertionError(f"the contestants do not agree: {values}")
    return {k: t[1:] for k, t in times.items()}


def row(name: str, what: str, times: dict[str, list[Seconds]], absent: Sequence[str] = ()) -> Row:
    def timing(k: str) -> Timing:
        mine = [t[what] for t in times[k]]
        ratios = [t / our[what] for t, our in zip(mine, times[OURS], strict=True)]
        return Timing(min(mine), statistics.median(mine), statistics.median(ratios))

    peers = {k: timing(k) if k in times else None for k in NAMES if k != OURS and (k in times or k in absent)}
    return Row(name, timing(OURS), peers)


def bench() -> Iterator[Row]:
    present = {k: v for k, v in NAMES.items() if find_spec(v)}
    absent = [k for k in NAMES if k not in present]
    times = measured({k: (str(HERE / "_fresh.py"), v) for k, v in present.items()}, ROUNDS)
    yield row("import", "import", times, absent)
    yield row("first gradient, empty cache", "cold", times, absent)
    yield row("first gradient, full cache", "warm", times, absent)
    for name, case in CASES.items():
        field = {k: v for k, v in NAMES.items() if v in contestants(case)}
        times = measured(
            {k: ("-m", "benchmarks._first_loops", v, name) for k, v in field.items() if k in present}, ROUNDS_OF_LOOPS
        )
        yield row(f"{name}, empty cache", "cold", times, [k for k in field if k in absent])
        yield row(f"{name}, full cache", "warm", times, [k for k in field if k in absent])
