"""Fresh arrays in compiled code: NumPy's shapes, dtypes and errors; large ones may have huge pages."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

from jitgrad.emit import memory
from jitgrad.emit.memory import empty, zeros

SMAPS = Path("/proc/self/smaps")
HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def compiled(call: str):
    scope = {"np": np, "empty": empty, "zeros": zeros}
    exec(f"def f(n, m):\n    return {call}", scope)
    return numba.njit(scope["f"])


@pytest.mark.parametrize(
    "args",
    ["n", "(n,)", "(n, m)", "(n, 3, m)", "n, np.float32", "(m, n), np.int64", "m, np.bool_", "(2, n), np.float64", "0"],
)
@pytest.mark.parametrize("n, m", [(5, 2), (0, 4), (1, 1)])
def test_shapes_and_dtypes_are_those_of_numpy(args, n, m):
    wanted = eval(f"np.zeros({args})")
    for name in ("zeros", "empty"):
        got = compiled(f"{name}({args})")(n, m)
        assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype)
        assert got.strides == wanted.strides or not got.size
        assert got.flags.c_contiguous and got.flags.writeable
        assert name == "empty" or np.array_equal(got, wanted)


@pytest.mark.parametrize("call", ["empty(n)", "zeros((n, m))"])
def test_an_array_begins_with_a_line_of_the_cache(call):
    f = compiled(call)
    held = [f(n, m) for n in (1, 3, 100, 30_000) for m in range(1, 9)]
    assert not any(x.ctypes.data % memory.LINE for x in held)


def test_too_large():
    with pytest.raises(ValueError, match="array is too big"):
        compiled("empty((n, m))")(1 << 40, 1 << 40)
    with pytest.raises(MemoryError):
        compiled("empty((n, m))")(1 << 29, 1 << 29)


def test_large_arrays_are_zero_and_hold_what_is_written():
    n = 3 * memory.LARGE // 8 + 5
    f, g = compiled("zeros(n)"), compiled("empty(n)")
    for _ in range(3):
        x, y = f(n, 0), g(n, 0)
        assert not x.any()
        x[:], y[:] = 1.0, 2.0
        assert x.sum() == n and y.sum() == 2 * n


def flags(address: int) -> set[str]:
    """Of the mapping that holds the address."""
    for part in re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", SMAPS.read_text()):
        found = re.match(r"([0-9a-f]+)-([0-9a-f]+) ", part)
        if found and int(found[1], 16) <= address < int(found[2], 16):
            return set(re.findall(r"(?m)^VmFlags: (.*)$", part)[0].split())
    raise AssertionError("no mapping holds the address")


@pytest.mark.skipif(sys.platform != "linux" or not HUGE_PAGES.exists(), reason="no transparent huge pages")
def test_large_arrays_may_have_huge_pages():
    f = compiled("empty((n, m))")
    large = f(64, memory.LARGE // 64)
    assert "hg" in flags(large.ctypes.data + large.nbytes // 2)
