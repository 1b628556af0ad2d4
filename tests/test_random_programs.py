"""Random imperative programs: their values are those of plain Python at several sizes, their derivatives those of dual numbers.

A program may be refused, at a line of its own; it may never be wrong. `imperative.py` writes them, `imperative_modes.py` says
what is asked of them.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from .imperative import program
from .imperative_modes import MODES, Program


def drawn(data: Any) -> str:
    return program(lambda options: data.draw(st.sampled_from(list(options))))


def check(p: Program, *modes: str) -> None:
    assume(p.value(6) is not None)
    if MODES["value"](p):
        for mode in modes:
            MODES[mode](p)


OPTIONS = settings(
    deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck), print_blob=False
)


@settings(OPTIONS, max_examples=60)
@given(st.data(), st.booleans(), st.integers(0, 1000))
def test_random_programs(data: Any, small: bool, seed: int) -> None:
    """`text`: what is compiled, run as plain Python."""
    check(Program.of(drawn(data), seed, small), "text")


@pytest.mark.slow
@settings(OPTIONS, max_examples=1500)
@given(st.data(), st.booleans(), st.integers(0, 1000))
def test_many_random_programs(data: Any, small: bool, seed: int) -> None:
    check(Program.of(drawn(data), seed, small), "gradient", "text")


# The same programs in every run, drawn evenly: Hypothesis prefers small ones.


def numbered(seed: int) -> Program:
    r = random.Random(seed)
    return Program.of(program(lambda options: r.choice(list(options))), seed, seed % 2 == 0)


EVERY = [m for m in MODES if m not in ("value", "compiled")]


@pytest.mark.parametrize("seed", range(24))
def test_every_mode(seed: int) -> None:
    p = numbered(seed)
    if p.value(6) is not None:
        for mode in ("forward text", "float32 text", EVERY[seed % len(EVERY)]):
            MODES[mode](p)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100))
@pytest.mark.parametrize("mode", [*EVERY, "compiled"])
def test_many_in_every_mode(mode: str, seed: int) -> None:
    p = numbered(1000 + seed)
    if p.value(6) is not None:
        MODES[mode](p)


def test_few_programs_are_refused() -> None:
    """A generator of which most is refused would test nothing."""
    programs = [p for p in map(numbered, range(100, 130)) if p.value(6) is not None]
    taken = [MODES["value"](p) for p in programs]
    assert len(programs) > 25 and sum(taken) > 0.8 * len(taken)
