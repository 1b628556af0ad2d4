"""Large blocks that compiled code has freed are there for the next ones: bounded, for any thread."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numba
import numpy as np
import pytest

from jitgrad.emit import memory, pool

pytestmark = pytest.mark.skipif(not pool.SUPPORTED, reason="only on Linux with 64 bits")

LARGE = memory.LARGE // 8 + 1000  # numbers
SETUP = """
import numba
from jitgrad.emit import memory, pool
from jitgrad.emit.memory import empty
fresh = numba.njit(lambda n: empty(n))
LARGE = memory.LARGE // 8 + 1000
fresh(LARGE)
"""


@numba.njit(nogil=True)
def fresh(n):
    return memory.empty(n)


@numba.njit(nogil=True)
def hammer(seed, rounds, sizes):
    """Arrays that come and go; how many cells of them somebody else has written."""
    wrong = 0
    for k in range(rounds):
        x, y = memory.empty(sizes[(seed + k) % sizes.size]), memory.empty(sizes[(seed + 3 * k + 1) % sizes.size])
        for a in (x, y):
            for i in range(0, a.size, 512):
                a[i] = seed
            a[a.size - 1] = seed
        for a in (x, y):
            for i in range(0, a.size, 512):
                wrong += a[i] != seed
            wrong += a[a.size - 1] != seed
    return wrong


def elsewhere(code: str, **env: str) -> str:
    """What a process of its own prints."""
    done = subprocess.run(
        [sys.executable, "-c", SETUP + code], env={**os.environ, **env}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_next_array_stands_where_the_last_one_was() -> None:
    """And whoever holds one keeps it."""
    code = """
places = set()
for k in range(5):
    x = fresh(LARGE)
    x[0] = x[-1] = 1.0
    places.add(x.ctypes.data)
    del x
held = [fresh(LARGE) for _ in range(3)]
print(len(places), len({x.ctypes.data for x in held}), {x.ctypes.data % 64 for x in held})
"""
    assert elsewhere(code) == "1 3 {0}"


def test_at_most_a_quarter_is_wasted() -> None:
    code = """
def same(part):
    x = fresh(10 * LARGE)
    held = x.ctypes.data
    del x
    return fresh(int(part * 10 * LARGE)).ctypes.data == held
print(*map(same, (1.0, 0.8, 0.7, 1.2)))
"""
    assert elsewhere(code) == "True True False False"


FAULTS = """
import resource
def faults(n):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    x = fresh(n)
    x[:] = 1.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
def least(n):
    return min(faults(n) for _ in range(4))
"""


@pytest.mark.parametrize(("keep", "kept"), [(None, True), ("0", False), (str(1 << 25), False)])
def test_limit(keep: str | None, kept: bool) -> None:
    """In bytes. (These blocks are too large for malloc to keep them.)"""
    env = {} if keep is None else {"JITGRAD_KEEP_MEMORY": keep}
    assert (elsewhere(FAULTS + "print(least(10 * LARGE))", **env) == "0") is kept


def test_old_blocks_make_room() -> None:
    """Of other sizes than what is wanted now; and the system sees that it need not write the pages anywhere."""
    code = """
for k in range(2, 30):
    fresh(k * LARGE)
print(least(10 * LARGE))
with open("/proc/self/smaps_rollup") as f:
    print(sum(int(line.split()[1]) // 1024 for line in f if line.startswith("LazyFree")) >= 30)
"""
    assert elsewhere(FAULTS + code, JITGRAD_KEEP_MEMORY=str(130 << 20)) == "0\nTrue"


def test_threads() -> None:
    """Blocks have one owner at a time."""
    sizes = np.array([LARGE, LARGE + 7, 2 * LARGE, 3 * LARGE, LARGE])
    wrong = []
    threads = [threading.Thread(target=lambda k=k: wrong.append(hammer(k, 300, sizes))) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == [0] * 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_fork() -> None:
    x = fresh(LARGE)
    x[:] = 1.0
    del x
    child = os.fork()
    if not child:
        y = fresh(LARGE)
        y[:] = 2.0
        os._exit(0 if y.sum() == 2.0 * LARGE else 1)
    y = fresh(LARGE)
    y[:] = 3.0
    assert os.waitpid(child, 0)[1] == 0
    assert y.sum() == 3.0 * LARGE


def test_zeros_are_zeros() -> None:
    zeros = numba.njit(lambda n: memory.zeros(n))
    for _ in range(3):
        x = fresh(LARGE)
        x[:] = 1.0
        del x
        assert not zeros(LARGE).any()
