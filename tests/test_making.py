"""While a program is made, the collector of garbage has no full rounds; afterwards it is as the user left it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

import jitgrad as jg
from jitgrad.api.making import making


@pytest.fixture
def thresholds() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


@pytest.mark.parametrize("mine", [(50, 2, 1), (700, 10, 10), (50_000, 20, 5), (0, 10, 10)])
def test_the_collector_is_put_back(thresholds: None, mine: tuple[int, int, int]) -> None:
    gc.set_threshold(*mine)
    mine = gc.get_threshold()  # some of these numbers mean nothing to some versions of Python
    seen: list[tuple[int, ...]] = []

    def watched(x: Any) -> Any:
        seen.append(gc.get_threshold())
        return x * x

    def refused(x: Any) -> Any:
        seen.append(gc.get_threshold())
        return str(x)

    assert jg.grad(watched)(3.0) == 6.0
    assert gc.get_threshold() == mine
    with pytest.raises(jg.errors.JitgradError):
        jg.grad(refused)(3.0)
    assert gc.get_threshold() == mine
    for young, *_ in seen:
        assert young == 0 if mine[0] == 0 else young >= max(mine[0], 10_000)


def test_young_garbage_is_collected_and_there_is_no_full_round(thresholds: None) -> None:
    gc.set_threshold(50, 1, 1)
    rounds: list[int] = []
    note = lambda phase, info: rounds.append(info["generation"]) if phase == "stop" else None
    gc.callbacks.append(note)
    try:
        with making():
            rounds.clear()
            kept = [[k] for k in range(200_000)]
            within = list(rounds)
    finally:
        gc.callbacks.remove(note)
    assert len(kept) == 200_000
    assert 0 in within
    assert 2 not in within
