"""The harness of the benchmarks: it must not compare wrong results, lose a peer, or lose a section of the report."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import benchmarks
from benchmarks import peer, race
from benchmarks.__main__ import HEAD, seconds, table, with_section

ROOT = Path(__file__).parent.parent


class Clock:
    """A clock that moves only when a contestant works, so that a busy machine changes nothing."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        return self.now

    def worker(self, *costs):
        turns = itertools.cycle(costs)

        def work():
            self.now += next(turns)
            return 1.0

        return work


def test_a_race_measures_each_and_keeps_the_absent(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(benchmarks, "time", clock)
    row = race("n = 1", clock.worker(0.01), {"twice": clock.worker(0.03, 0.02, 0.02), "jax": None}, seconds=0.6)
    assert row.name == "n = 1" and list(row.peers) == ["twice", "jax"] and row.peers["jax"] is None
    measured = [row.ours, row.peers["twice"]]
    assert [t.best for t in measured] == pytest.approx([0.01, 0.02])
    assert [t.median for t in measured] == pytest.approx([0.01, 0.02])
    assert [t.ratio for t in measured] == pytest.approx([1.0, 2.0])


def test_a_quick_contestant_is_called_often_enough_for_the_clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(benchmarks, "time", clock)
    row = race("tiny", clock.worker(1e-7), {"slow": clock.worker(5e-3)}, seconds=0.1)
    assert row.ours.best == pytest.approx(1e-7) and row.peers["slow"].ratio == pytest.approx(5e4)


# fmt: off
WRONG = [
    (lambda: 1.0 + 1e-5,                            lambda: 1.0,            "differs from jitgrad by 1e-05"),
    (lambda: np.nan,                                lambda: 1.0,            "differs from jitgrad by nan"),
    (lambda: np.ones(2),                            lambda: np.ones(3),     "returned shape (2,), jitgrad (3,)"),
    (lambda: (1.0,),                                lambda: (1.0, 2.0),     "returned 1 results, jitgrad 2"),
    (lambda: {"a": 1.0, "b": [0.0, 1.0]},           lambda: {"b": [0.0, 2.0], "a": 1.0},    "case: peer[0][1] differs"),
]
# fmt: on


@pytest.mark.parametrize("theirs, ours, message", WRONG)
def test_a_race_is_called_off_when_the_results_differ(theirs, ours, message):
    with pytest.raises(AssertionError) as e:
        race("case", ours, {"peer": theirs})
    assert message in str(e.value)


def test_a_peer_that_is_not_installed_and_one_that_is_broken(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "broken_peer.py").write_text("import no_such_thing_at_all\n")
    assert peer("no_such_peer_at_all") is None and peer("no_such_peer_at_all.sub") is None
    assert peer("numpy") is np
    with pytest.raises(ModuleNotFoundError, match="no_such_thing_at_all"):
        peer("broken_peer")


def test_the_table():
    t = {"best": 1.5e-6, "median": 2e-6, "ratio": 3.0}
    rows = [{"name": "a", "ours": t, "peers": {"jax": None}}, {"name": "b", "ours": t, "peers": {"jax": t, "hand": t}}]
    assert table(rows).splitlines() == [
        "| case | jitgrad       | jax                   | hand                  |",
        "|------|---------------|-----------------------|-----------------------|",
        "| a    | 1.5 us (2 us) | not installed         |                       |",
        "| b    | 1.5 us (2 us) | 1.5 us (2 us), 3.00 x | 1.5 us (2 us), 3.00 x |",
    ]


def test_seconds():
    assert [seconds(t) for t in (12.0, 0.0123, 1e-6, 2.5e-7)] == ["12 s", "12.3 ms", "1 us", "250 ns"]


def test_a_section_is_replaced_and_the_others_stay():
    text = with_section(with_section(HEAD, "ode", "old"), "lstm", "kept\n\n| a |")
    text = with_section(text, "ode", "new")
    assert text == f"{HEAD.strip()}\n\n## lstm\n\nkept\n\n| a |\n\n## ode\n\nnew\n"


def test_the_command_line_refuses_an_unknown_benchmark():
    done = subprocess.run([sys.executable, "-m", "benchmarks", "no_such"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "no benchmark called no_such; there are:" in done.stderr
