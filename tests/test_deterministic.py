"""The same function gives the same text in every process: otherwise the cache on disk would not find it again."""

from __future__ import annotations

import os
import subprocess
import sys

PRINT = """
from jitgrad.emit.cpu import MODULES
from jitgrad.emit.python import emit
from jitgrad.ir.show import show
from jitgrad.lower.schedule import schedule
from jitgrad.transform import pipeline
from jitgrad.transform.ad import jvp, vjp
from tests.constructs import PROGRAMS

{before}
for p in PROGRAMS:
    first = pipeline.finished(vjp(pipeline.prepared(p.fn())))
    second = pipeline.finished(jvp(pipeline.prepared(first)))
    for fn in (first, second):
        print("#", p.name)
        print(show(fn))
        print(emit(schedule(fn), MODULES).source)
"""


def texts(seed: str, before: str = "") -> str:
    env = {**os.environ, "PYTHONHASHSEED": seed}
    command = [sys.executable, "-c", PRINT.format(before=before)]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout


def test_texts_do_not_depend_on_the_process() -> None:
    one, two = texts("1"), texts("2", "keep = [PROGRAMS[5].fn() for _ in range(7)]")
    for a, b in zip(one.split("# "), two.split("# "), strict=True):
        assert a == b
