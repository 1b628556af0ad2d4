"""Calling compiled code whose loops run on Numba's threads, so that the process survives it.

Numba has three threading layers (`numba.threading_layer()`). Of these

    workqueue    aborts the process when two Python threads enter parallel loops at once: calls of ours take turns
    omp          terminates a child that was forked after the threads were started: there the same text runs on one thread
    tbb          has neither trouble

What does not go through here is not protected: two threads, of which one runs a parallel function compiled by the user.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numba
from numba.np.ufunc import parallel

from .load import Loaded, load

_turn = threading.Lock()
_orphan = False  # forked from a process that had started its threads


def shared(loaded: Loaded) -> Callable[..., Any]:
    """What to call in the place of a compiled function with parallel loops."""
    layer = numba.threading_layer()
    alone: list[Any] = []

    def call(*args: Any) -> Any:
        if _orphan and layer == "omp":
            if not alone:
                alone.append(load(loaded.text).entry)
            return alone[0](*args)
        with turn(layer):
            return loaded.entry(*args)

    return call


def turn(layer: str) -> AbstractContextManager[Any]:
    return _turn if layer == "workqueue" else nullcontext()


def _in_child() -> None:
    global _turn, _orphan
    _turn = threading.Lock()  # whoever held it is not here
    _orphan = _orphan or parallel._is_initialized


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
