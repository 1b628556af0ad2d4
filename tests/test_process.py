"""Processes: a second one compiles nothing, eight at once do not disturb each other, forks and threads go on, what cannot be
kept is compiled anew."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import jitgrad as jg

PROGRAM = """
import json, sys
import numpy as np, jitgrad as jg

def energy(x, w, scale=2.0):
    return scale * np.sum(np.sin(x) * w)

x = np.linspace(0.0, 1.0, int(sys.argv[1]))
out = [jg.grad(energy)(x, x).sum(), jg.jit(energy)(x, x)]
print(json.dumps([[float(v) for v in out], jg.cache.compilations, jg.cache.loads]))
"""


def started(folder: Path, size: int = 7, **env: str) -> subprocess.Popen[str]:
    env = {**os.environ, "JITGRAD_CACHE_DIR": str(folder), **env}
    command = [sys.executable, "-c", PROGRAM, str(size)]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def told(process: subprocess.Popen[str]) -> tuple[list[float], int, int]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0 and not err, err
    values, compilations, loads = json.loads(out)
    return values, compilations, loads


def test_a_second_process_compiles_nothing(tmp_path: Path) -> None:
    values, compilations, loads = told(started(tmp_path))
    assert (compilations, loads) == (2, 0)
    assert told(started(tmp_path)) == (values, 0, 2)
    other_values, *counts = told(started(tmp_path, 11))
    assert counts == [0, 2] and other_values != values
    broken = next(iter(tmp_path.glob("*.bin")))
    broken.write_bytes(broken.read_bytes()[:-100])
    assert told(started(tmp_path)) == (values, 1, 1)
    plain, *_ = told(started(tmp_path, NUMBA_DISABLE_JIT="1"))
    np.testing.assert_allclose(plain, values, rtol=1e-13)


def test_eight_processes_at_once(tmp_path: Path) -> None:
    results = [told(p) for p in [started(tmp_path, size) for size in (5, 6, 7, 8) * 2]]
    assert [r[0] for r in results[:4]] == [r[0] for r in results[4:]]
    assert told(started(tmp_path, 9))[1:] == (0, 2)


def slope(x: np.ndarray) -> np.ndarray:
    return jg.grad(lambda x: np.sum(np.sin(x) * x))(x)


def expected(x: np.ndarray) -> np.ndarray:
    return np.cos(x) * x + np.sin(x)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_goes_on() -> None:
    """Also one that is made while another thread compiles."""
    x = np.linspace(0.0, 1.0, 6)
    g = jg.grad(lambda x: np.sum(np.sin(x) * x))
    g(x)
    busy = threading.Thread(target=lambda: [slope(np.ones((6,) * k)) for k in (1, 2, 3)])
    busy.start()
    pid = os.fork()
    if pid == 0:
        fine = np.allclose(g(x), expected(x)) and np.allclose(slope(x[1:]), expected(x[1:]))
        os._exit(0 if fine else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    busy.join()


def test_eight_threads_call_one_function() -> None:
    g = jg.grad(lambda x: np.sum(np.sin(x) * x))
    shapes = [(5,), (2,), (1,), (0,), (5, 6), (3, 2), (2, 9), (1, 7)]
    wrong: list[object] = []
    gate = threading.Barrier(8)

    def work(k: int) -> None:
        gate.wait()
        for j in range(16):
            x = np.full(shapes[(k + j) % 8], 0.1 * k)
            if not np.array_equal(g(x), expected(x)) and not np.allclose(g(x), expected(x)):
                wrong.append((k, j))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong and len(g.programs) == len(shapes)  # each is made once
