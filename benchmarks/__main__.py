"""python -m benchmarks [NAME ...] [--write] [--threads N] [--list]: runs benchmarks and prints tables.

Each benchmark runs in a process of its own, whose threads are limited by environment and by affinity before it
imports anything. `--write` puts the tables into benchmarks/results/cpu.md, replacing the sections of the
benchmarks that ran and keeping the others.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "cpu.md"
PACKAGES = ("numba", "numpy", "scipy", "jax", "torch")
HEAD = """# Results on the CPU

Written by `python -m benchmarks --write`. Seconds a call (bytes where it says so): the best, in brackets the median,
and the median over the rounds of that time divided by ours of the same round (above 1: jitgrad is faster). All
contestants of a row take turns in one process.
"""


def names() -> list[str]:
    return sorted(p.stem for p in HERE.glob("*.py") if not p.stem.startswith("_"))


def environment(threads: int) -> dict[str, str]:
    """What makes NumPy's BLAS, Numba and XLA use this many threads; read when they are imported."""
    n = str(threads)
    counts = [f"{lib}_NUM_THREADS" for lib in ("OMP", "OPENBLAS", "MKL", "NUMBA")] + ["VECLIB_MAXIMUM_THREADS"]
    eigen = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"} if threads == 1 else {}
    return {**os.environ, **dict.fromkeys(counts, n), **eigen, "JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1"}


def run_here(name: str, threads: int, out: str) -> None:
    """The child process: measures one benchmark and leaves its rows in the file `out`."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    module = importlib.import_module(f"benchmarks.{name}")
    rows = []
    for row in module.bench():
        rows.append(asdict(row))
        print(f"  {row.name}", file=sys.stderr, flush=True)
    about = (module.__doc__ or name).strip().splitlines()[0]
    Path(out).write_text(json.dumps({"about": about, "rows": rows}))


def run_apart(name: str, threads: int) -> dict[str, Any] | None:
    """The parent's side: the rows of one benchmark, or None where it failed (its traceback is on stderr)."""
    print(f"{name}: measuring", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "rows.json")
        command = [sys.executable, "-m", "benchmarks", name, "--child", out, "--threads", str(threads)]
        done = subprocess.run(command, env=environment(threads), cwd=HERE.parent, check=False)
        return json.loads(Path(out).read_text()) if done.returncode == 0 else None


def seconds(t: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if t >= size:
            return f"{t / size:.3g} {unit}"
    return f"{t / 1e-9:.3g} ns"


def size(b: float) -> str:
    return f"{b / 1e6:.2f} MB"


WORDS = {"s": seconds, "B": size}


def cell(t: dict[str, float] | None, unit: str = "s", ours: bool = False) -> str:
    if t is None:
        return "not installed"
    words = WORDS[unit]
    times = f"{words(t['best'])} ({words(t['median'])})"
    return times if ours else f"{times}, {t['ratio']:.2f} x"


def table(rows: list[dict[str, Any]]) -> str:
    """Rows of one benchmark, aligned. A peer that a row does not have stays blank."""
    peers = list(dict.fromkeys(p for row in rows for p in row["peers"]))
    lines = [["case", "jitgrad", *peers]]
    for row in rows:
        unit = row.get("unit", "s")
        others = [cell(row["peers"][p], unit) if p in row["peers"] else "" for p in peers]
        lines.append([row["name"], cell(row["ours"], unit, ours=True), *others])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ["| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in lines]
    return "\n".join([text[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *text[1:]])


def version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def machine(threads: int) -> str:
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        model = re.search(r"model name\s*:\s*(.*)", info.read_text())
        cpu = model.group(1) if model else cpu
    installed = {p: v for p in PACKAGES for v in [version(p)] if v}
    versions = ", ".join(f"{p} {v}" for p, v in installed.items())
    return f"{cpu}, {threads} thread{'s' * (threads > 1)}; Python {platform.python_version()}, {versions}."


def with_section(text: str, name: str, body: str) -> str:
    """The report `text` with the section `name` replaced, or added in alphabetical order."""
    head, *parts = re.split(r"(?m)^## ", text)
    sections = {part.split("\n", 1)[0].strip(): part.split("\n", 1)[1].strip() for part in parts}
    sections[name] = body.strip()
    return "\n\n".join([head.strip(), *(f"## {k}\n\n{v}" for k, v in sorted(sections.items()))]) + "\n"


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="which benchmarks (default: all)")
    parser.add_argument("--write", action="store_true", help=f"update {RESULTS.relative_to(HERE.parent)}")
    parser.add_argument("--threads", type=int, default=1, help="threads for every contestant (default: 1)")
    parser.add_argument("--list", action="store_true", help="list the benchmarks")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    unknown = sorted(set(options.names) - set(names()))
    if unknown:
        parser.error(f"no benchmark called {', '.join(unknown)}; there are: {', '.join(names()) or 'none'}")
    if options.list:
        print("\n".join(names()))
        return 0
    if options.child:
        run_here(options.names[0], options.threads, options.child)
        return 0
    failed = []
    for name in options.names or names():
        result = run_apart(name, options.threads)
        if result is None:
            failed.append(name)
            continue
        print(f"\n{name}: {result['about']}\n{table(result['rows'])}\n", flush=True)
        if options.write:
            body = f"{result['about']}\n\n{table(result['rows'])}\n\n{machine(options.threads)}"
            RESULTS.parent.mkdir(exist_ok=True)
            RESULTS.write_text(with_section(RESULTS.read_text() if RESULTS.exists() else HEAD, name, body))
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
