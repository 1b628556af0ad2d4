"""How the contestants of the speed benchmarks are made: by hand in Numba, and by JAX from the same function.

The hand-written adjoints have the options of generated code and its vector mathematics, so that a race shows what the
generated program costs, not what a better `exp` gains.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from . import Contestant, peer

jax = peer("jax")

FLAGS: dict[str, Any] = {"error_model": "numpy", "fastmath": {"contract", "reassoc", "nsz"}}
hand = numba.njit(**FLAGS)


def on_jax(f: Callable[..., Any]) -> Callable[..., Any]:
    """The same function with `np` standing for `jax.numpy`, and `erf` for JAX's."""
    names = {**f.__globals__, "np": jax.numpy, "erf": jax.scipy.special.erf}
    return types.FunctionType(f.__code__, names, f.__name__, f.__defaults__, f.__closure__)


def jax_gradient(f: Callable[..., Any], args: tuple[Any, ...], argnums: Any = 0, *, moved: bool = True) -> Contestant | None:
    """A call of JAX's compiled value and gradient; None without JAX. `moved`: with the arguments as arrays of JAX."""
    if jax is None:
        return None
    compiled = jax_compiled(f, argnums)
    given = jax.tree.map(jax.numpy.asarray, args) if moved else args
    return lambda: jax.block_until_ready(compiled(*given))


def jax_compiled(f: Callable[..., Any], argnums: Any) -> Any:
    return jax.jit(jax.value_and_grad(on_jax(f), argnums=argnums))


def compiled_by_jax(make: Callable[..., Any], args: tuple[Any, ...], argnums: Any = 0) -> Contestant | None:
    """JAX's value and gradient of the function `make(jax, jax.numpy)`, written as JAX wants its loops."""
    if jax is None:
        return None
    compiled = jax.jit(jax.value_and_grad(make(jax, jax.numpy), argnums=argnums))
    given = jax.tree.map(jax.numpy.asarray, args)
    return lambda: jax.block_until_ready(compiled(*given))


def rng() -> np.random.Generator:
    return np.random.default_rng(1)
