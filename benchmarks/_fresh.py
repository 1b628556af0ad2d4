"""What a fresh process does once: `python benchmarks/_fresh.py jitgrad | numba | jax` prints the seconds of it as JSON.

`import`: everything that a user of the contestant imports. `first`: the first gradient of a function of twenty
operations, tracing and compilation included. Not imported as part of the package: that would import NumPy first.
"""

from __future__ import annotations

import json
import sys
import time


def twenty(np, x, z):
    a = np.sin(x) * z
    b = np.exp(-a * a)
    c = np.tanh(b + x)
    d = np.sqrt(1.0 + c * c)
    e = np.log(d + z * z)
    g = np.cos(e) / d
    return np.sum(g * a + c * x)


def with_jitgrad():
    start = time.perf_counter()
    import numpy as np

    import jitgrad as jg

    imported = time.perf_counter()
    args = np.linspace(0.1, 1.0, 1000), np.linspace(1.0, 2.0, 1000)
    result = jg.value_and_grad(lambda x, z: twenty(np, x, z), argnums=(0, 1))(*args)
    return start, imported, result


def with_jax():
    start = time.perf_counter()
    import jax
    import jax.numpy as jnp
    import numpy as np

    imported = time.perf_counter()
    args = np.linspace(0.1, 1.0, 1000), np.linspace(1.0, 2.0, 1000)
    f = jax.jit(jax.value_and_grad(lambda x, z: twenty(jnp, x, z), argnums=(0, 1)))
    return start, imported, jax.block_until_ready(f(*args))


def with_numba():
    """The adjoint by hand, with the mathematics and the disk cache that Numba brings."""
    start = time.perf_counter()
    import math

    import numba
    import numpy as np

    imported = time.perf_counter()
    args = np.linspace(0.1, 1.0, 1000), np.linspace(1.0, 2.0, 1000)

    @numba.njit(cache=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})
    def by_hand(xs, zs):
        xs_bar, zs_bar = np.empty_like(xs), np.empty_like(zs)
        total = 0.0
        for i in range(xs.shape[0]):
            x, z = xs[i], zs[i]
            s = math.sin(x)
            a = s * z
            b = math.exp(-a * a)
            c = math.tanh(b + x)
            d = math.sqrt(1.0 + c * c)
            inner = d + z * z
            e = math.log(inner)
            cos_e = math.cos(e)
            g = cos_e / d
            total += g * a + c * x
            inner_bar = -math.sin(e) * a / d / inner
            d_bar = inner_bar - a * g / d
            c_bar = x + d_bar * c / d
            t_bar = c_bar * (1.0 - c * c)
            a_bar = g - 2.0 * a * b * t_bar
            xs_bar[i] = c + t_bar + a_bar * z * math.cos(x)
            zs_bar[i] = a_bar * s + 2.0 * z * inner_bar
        return total, (xs_bar, zs_bar)

    return start, imported, by_hand(*args)


CONTESTANTS = {"jitgrad": with_jitgrad, "jax": with_jax, "numba": with_numba}

if __name__ == "__main__":
    start, imported, (value, _) = CONTESTANTS[sys.argv[1]]()
    done = time.perf_counter()
    print(json.dumps({"import": imported - start, "first": done - imported, "value": float(value)}))
