"""Programs of loops whose first gradient `first.py` times: `python -m benchmarks._first_loops jitgrad | numba | jax CASE`.

Run so, it prints as JSON the seconds from the call to the result, in this fresh process, and the value. What is imported is
not counted. The sizes are small: it is compilation that counts.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

rng = np.random.default_rng(1)
STEPS = 20


@dataclass(frozen=True)
class Case:
    """`by_hand` and `for_jax`: names of the adjoint, and of what makes the function for JAX, if there are such."""

    module: str
    function: str
    by_hand: str | None
    for_jax: str | None
    args: Callable[[], tuple[Any, ...]]
    argnums: tuple[int, ...] = (0,)
    what: str = "value_and_grad"


def square(n: int) -> np.ndarray:
    return rng.uniform(size=(n, n)) + n * np.eye(n)


def bands() -> tuple[np.ndarray, ...]:
    return tuple(rng.uniform(size=50) + 4.0 * (k == 1) for k in range(4))


def pelts() -> tuple[Any, ...]:
    hares = importlib.import_module("examples.hares")
    return hares.START, hares.HARES, hares.LYNXES


ODE, GRIDS, FACTOR = "benchmarks.loops_ode", "benchmarks.loops_grids", "benchmarks.loops_factor"
PARTICLES, WATER, PATHS = "benchmarks.loops_particles", "benchmarks.loops_water", "benchmarks.loops_paths"
CASES = {
    "Lennard-Jones": Case(PARTICLES, "energy", "by_hand", "masked", lambda: (4.0 * rng.uniform(size=(50, 3)),)),
    "Lotka-Volterra": Case(
        ODE, "populations", "populations_by_hand", "populations_for_jax",
        lambda: (np.array([1.2, 0.8]), np.array([1.1, 0.4, 0.4, 0.1])), (0, 1),
    ),
    "Lorenz-96": Case(ODE, "weather", "weather_by_hand", "weather_for_jax", lambda: (8.0 + rng.normal(size=40), 8.0), (0, 1)),
    "heat": Case(GRIDS, "heat", "heat_by_hand", "heat_for_jax", lambda: (rng.uniform(size=(20, 20)), 0.5), (0, 1)),
    "Gauss-Seidel": Case(GRIDS, "seidel", "seidel_by_hand", "seidel_for_jax", lambda: (rng.uniform(size=(20, 20)),)),
    "LU": Case(FACTOR, "lu", "lu_by_hand", "lu_for_jax", lambda: (square(9),)),
    "Cholesky": Case(FACTOR, "cholesky", "cholesky_by_hand", "cholesky_for_jax", lambda: (square(9),)),
    "tridiagonal": Case(FACTOR, "thomas", "thomas_by_hand", "thomas_for_jax", bands, (0, 1, 2, 3)),
    "shallow water": Case(
        WATER, "water", "water_by_hand", "water_for_jax",
        lambda: (1.0 + 0.1 * rng.uniform(size=50), 0.1 * rng.uniform(size=50)), (0, 1),
    ),
    "Gram-Schmidt": Case(
        FACTOR, "gram_schmidt", "gram_schmidt_by_hand", "gram_schmidt_for_jax", lambda: (rng.normal(size=(5, 8)),),
    ),
    "Viterbi": Case(
        PATHS, "paths", "paths_by_hand", "paths_for_jax",
        lambda: (rng.uniform(size=(9, 8)), rng.uniform(size=(8, 8))), (0, 1),
    ),
    "hares": Case("examples.hares", "loss", None, None, pelts),
    "hares, Hessian": Case("examples.hares", "loss", None, None, pelts, what="hessian"),
}  # fmt: skip


def contestants(case: Case) -> list[str]:
    return ["jitgrad", *["numba"] * bool(case.by_hand), *["jax"] * bool(case.for_jax)]


def compiled(contestant: str, case: Case) -> Callable[..., Any]:
    """What compiles when it is called."""
    module = importlib.import_module(case.module)
    module.STEPS = STEPS  # type: ignore[attr-defined]
    if contestant == "numba":
        import numba

        from benchmarks._peers import FLAGS

        return numba.njit(cache=True, **FLAGS)(getattr(module, case.by_hand or "").py_func)
    if contestant == "jax":
        import jax

        run = jax.jit(jax.value_and_grad(getattr(module, case.for_jax or "")(jax, jax.numpy), argnums=case.argnums))
        return lambda *args: jax.block_until_ready(run(*args))
    import jitgrad as jg

    f = getattr(module, case.function)
    return jg.hessian(f) if case.what == "hessian" else jg.value_and_grad(f, argnums=case.argnums)


def main(contestant: str, name: str) -> dict[str, float]:
    case = CASES[name]
    f, args = compiled(contestant, case), case.args()
    start = time.perf_counter()
    result = f(*args)
    seconds = time.perf_counter() - start
    value = result[0] if case.what == "value_and_grad" else np.sum(result)
    return {"first": seconds, "value": float(value)}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
