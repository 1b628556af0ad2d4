"""Fresh processes: the import, and the first gradient of twenty operations, the cache on disk empty and then full.

"by hand" is the adjoint written in Numba with its own disk cache. Bracketed is the median; it is what counts here.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from . import OURS, Row, Timing

HERE = Path(__file__).parent
ROUNDS = 5
NAMES = {OURS: "jitgrad", "by hand": "numba", "jax": "jax"}


def fresh(contestant: str, cache: str, bytecode: str) -> dict[str, float]:
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
    command = [sys.executable, str(HERE / "_fresh.py"), contestant]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{contestant} failed in a fresh process:\n{done.stderr}")
    return json.loads(done.stdout)


def once(contestant: str, bytecode: str) -> dict[str, float]:
    """An empty cache, then the same again."""
    with tempfile.TemporaryDirectory() as cache:
        cold, warm = fresh(contestant, cache, bytecode), fresh(contestant, cache, bytecode)
    return {"import": warm["import"], "cold": cold["first"], "warm": warm["first"], "value": warm["value"]}


def bench() -> Iterator[Row]:
    present = {k: v for k, v in NAMES.items() if find_spec(v)}
    times: dict[str, list[dict[str, float]]] = {k: [] for k in present}
    with tempfile.TemporaryDirectory() as bytecode:
        for _ in range(1 + ROUNDS):
            for k, contestant in present.items():
                times[k].append(once(contestant, bytecode))
    times = {k: t[1:] for k, t in times.items()}  # the first round left the byte code of all modules on disk
    values = {k: t[0]["value"] for k, t in times.items()}
    if any(abs(v - values[OURS]) > 1e-9 * abs(v) for v in values.values()):
        raise AssertionError(f"the contestants do not agree: {values}")

    def timing(k: str, what: str) -> Timing:
        mine = [t[what] for t in times[k]]
        ratios = [t / our[what] for t, our in zip(mine, times[OURS], strict=True)]
        return Timing(min(mine), statistics.median(mine), statistics.median(ratios))

    rows = {
        "import": "import",
        "first gradient, empty cache": "cold",
        "first gradient, full cache": "warm",
    }
    for name, what in rows.items():
        peers = {k: timing(k, what) if k in present else None for k in NAMES if k != OURS}
        yield Row(name, timing(OURS, what), peers)
