"""Memory: what one call adds to the resident set at its peak, results included, in bytes; 10^6 cells, and loops.

JAX keeps its memory between calls; the number is the sum of results and temporaries that its compiler states.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from . import OURS, Row, Timing
from ._weigh import CASES, CONTESTANTS, ENVIRONMENT, RESET


def weighed(case: str, who: str) -> dict | None:
    """In a process of its own."""
    command = [sys.executable, "-m", "benchmarks._weigh", case, who]
    env = {**os.environ, **ENVIRONMENT}
    done = subprocess.run(command, env=env, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{case}, {who}, failed:\n{done.stderr}")
    return json.loads(done.stdout)


def bench() -> Iterator[Row]:
    if not RESET.exists():
        raise OSError("peaks of the resident set are read from /proc, which this system has not")
    for case in CASES:
        found = {who: weighed(case, who) for who in CONTESTANTS}
        sizes = {who: x["added"] for who, x in found.items() if x}
        sizes["the results alone"] = [found[OURS]["results"]]
        ours = statistics.median(sizes[OURS])
        rows = {k: Timing(min(s), statistics.median(s), statistics.median(s) / ours) for k, s in sizes.items()}
        yield Row(case, rows.pop(OURS), {k: rows.get(k) for k in ("the results alone", *CONTESTANTS[1:])}, unit="B")
