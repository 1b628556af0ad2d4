"""`python -m benchmarks._weigh CASE CONTESTANT` prints, as JSON, what single calls add to the resident set, in bytes.

Run with the environment `ENVIRONMENT`, which makes malloc, and jitgrad, return large blocks to the system at once: the next
call then counts them again.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

import jitgrad as jg

from . import OURS, Contestant
from ._peers import jax, jax_compiled, rng
from .blackscholes import EVERY, options, prices
from .blackscholes import by_hand as prices_by_hand
from .elementwise import cells, chain, chain_by_hand, waves, waves_by_hand
from .logistic import by_hand as loss_by_hand
from .logistic import data, loss
from .loops_factor import CASES as FACTORS
from .loops_grids import heat, heat_by_hand, heat_for_jax
from .loops_ode import populations, populations_by_hand, populations_for_jax, starts, weather, weather_by_hand, weather_for_jax
from .loops_particles import box, energy, masked
from .loops_particles import by_hand as forces_by_hand
from .loops_paths import paths, paths_by_hand, paths_for_jax, tables

ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536", "JITGRAD_KEEP_MEMORY": "0"}
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
ROUNDS = 5
N = 1_000_000

# name: function, argnums, arguments, by hand, and for JAX, if that is another function
CASES: dict[str, tuple[Any, ...]] = {
    "exp, tanh, log, /": (chain, (0, 1), lambda: cells(N), chain_by_hand),
    "sum(sin(m w) + w w / 2)": (waves, 1, lambda: cells(N), waves_by_hand),
    "Black-Scholes": (prices, EVERY, lambda: options(N), prices_by_hand),
    "logistic, 10 features": (loss, 0, lambda: data(N, 10), loss_by_hand),
    "sum(x x)": (lambda x: np.sum(x * x), 0, lambda: (rng().normal(size=N),), lambda x: (x @ x, 2.0 * x)),
    "2,000 particles": (energy, 0, lambda: (box(2000),), forces_by_hand, masked),
    **{k: (f, argnums, lambda args=args: args, *rest) for k, (f, argnums, args, *rest) in FACTORS.items()},
    "Lotka-Volterra": (populations, (0, 1), starts, populations_by_hand, populations_for_jax),
    "Lorenz-96": (weather, (0, 1), lambda: (8.0 + rng().normal(size=40), 8.0), weather_by_hand, weather_for_jax),
    "heat": (heat, (0, 1), lambda: (rng().uniform(size=(512, 512)), 0.5), heat_by_hand, heat_for_jax),
    "paths": (paths, (0, 1), tables, paths_by_hand, paths_for_jax),
}
CONTESTANTS = (OURS, "by hand", "jax")


def weigh(case: str, who: str) -> dict[str, Any] | None:
    """`results`: the bytes of the results. `added`: of single calls. JAX keeps its memory, so it is asked instead."""
    f, argnums, args, by_hand, *for_jax = CASES[case]
    given = args()
    if who == "jax":
        if jax is None:
            return None
        compiled = jax.jit(jax.value_and_grad(for_jax[0](jax, jax.numpy), argnums)) if for_jax else jax_compiled(f, argnums)
        account = compiled.lower(*given).compile().memory_analysis()
        results = account.output_size_in_bytes
        return {"results": results, "added": [results + account.temp_size_in_bytes]}
    function = jg.value_and_grad(f, argnums=argnums) if who == OURS else by_hand
    call = lambda: function(*given)
    results = size(call())
    call()
    return {"results": results, "added": [added(call) for _ in range(ROUNDS)]}


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


def size(result: Any) -> int:
    """The bytes of the results."""
    parts = result if isinstance(result, (tuple, list)) else [result]
    return sum(size(p) if isinstance(p, (tuple, list)) else np.asarray(p).nbytes for p in parts)


if __name__ == "__main__":
    print(json.dumps(weigh(*sys.argv[1:3])))
