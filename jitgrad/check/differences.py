"""Derivatives by differences, with an estimate of their error.

    slopes(g)                      of a function of one number, at 0: the slope, its error, the slopes of the two sides
    differences(f, args, dots)     the directional derivatives of a function of arrays

Differences of shrinking steps are extrapolated to the step 0. No step is right for every function: too long, and the
function bends; too short, and its rounding shows. So all of them are tried, and each entry of the table is believed as far
as it agrees with its neighbours (C. J. F. Ridders, Accurate computation of F'(x) and F'(x) F''(x), 1982).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

LONGEST, LEVELS, FEWEST = 2.0**-4, 20, 5  # steps are LONGEST, LONGEST / 2, ...: at most LEVELS of them
SETTLED = 1e-11  # relative error at which no shorter step is tried
IDLE = 4  # nor after so many steps that improved nothing
EPS = 2.0**-52
KINK = 1e-5  # the slopes of the two sides differ by this much, relatively


@dataclass(frozen=True)
class Slopes:
    """At 0, for each number that the function returns. `why`: why there are none, or they are not to be trusted."""

    value: np.ndarray
    error: np.ndarray
    left: np.ndarray
    right: np.ndarray
    size: np.ndarray  # of the function's values here
    kink: bool = False
    why: str = ""


def slopes(g: Callable[[float], Any]) -> Slopes:
    """The slope of each number in `g(t)`, an array of floats, at t = 0."""
    here = vector(g(0.0))
    if not np.all(np.isfinite(here)):
        return nowhere(here, "the function is not finite here")
    ladder = Ladder(here)
    for k in range(LEVELS):
        step = LONGEST / 2**k
        (up, fault), (down, other) = attempt(g, step), attempt(g, -step)
        if up is None or down is None or not np.all(np.isfinite([up, down])):
            ladder = Ladder(here, fault or other or "the function is not finite nearby")
            continue
        ladder.add(step, up, down)
        if ladder.settled():
            break
    return ladder.result()


def vector(x: Any) -> np.ndarray:
    return np.atleast_1d(np.asarray(x, float)).ravel()


def attempt(g: Callable[[float], Any], t: float) -> tuple[np.ndarray | None, str]:
    """The function near 0. What it raises there is an answer: it is not defined so far out."""
    try:
        return vector(g(t)), ""
    except Exception as e:
        return None, f"nearby the function raises {type(e).__name__}"


def nowhere(here: np.ndarray, why: str) -> Slopes:
    nan = np.full(here.shape, np.nan)
    return Slopes(nan, np.full(here.shape, np.inf), nan, nan, np.abs(here), why=why)


class Table:
    """Neville's scheme for values at the steps h, h/2, h/4, ...; `base`: the ratio of successive terms of the error.

    Entry (k, j) is free of the first j terms:  T[k, j] = T[k, j-1] + (T[k, j-1] - T[k-1, j-1]) / (base^j - 1).
    Its error: how far it is from the three entries that it came from or stands beside, and the rounding of its step.
    """

    def __init__(self, base: float) -> None:
        self.base = base
        self.row: list[np.ndarray] = []
        self.value: Any = None
        self.error: Any = np.inf

    def add(self, first: np.ndarray, rounding: np.ndarray) -> None:
        above, row = self.row, [first]
        for j, old in enumerate(above, 1):
            new = row[-1] + (row[-1] - old) / (self.base**j - 1.0)
            near = [row[-1], old, *above[j : j + 1]]
            self.take(new, np.max([np.abs(new - x) for x in near], axis=0) + rounding)
            row.append(new)
        if not above:
            self.take(first, np.full(first.shape, np.inf))
        self.row = row

    def take(self, value: np.ndarray, error: np.ndarray) -> None:
        if self.value is None:
            self.value, self.error = value, error
        better = error < self.error
        self.value = np.where(better, value, self.value)
        self.error = np.where(better, error, self.error)


class Ladder:
    """The three tables (of both sides, and of each side) as the steps shrink."""

    def __init__(self, here: np.ndarray, why: str = "") -> None:
        self.here, self.why = here, why
        self.both, self.right, self.left = Table(4.0), Table(2.0), Table(2.0)
        self.central: list[np.ndarray] = []
        self.step, self.size, self.idle = LONGEST, np.abs(here), 0

    def add(self, h: float, up: np.ndarray, down: np.ndarray) -> None:
        self.step = h
        rounding = 4.0 * EPS * np.max([self.size, np.abs(up), np.abs(down)], axis=0) / h
        self.central.append((up - down) / (2.0 * h))
        before = self.both.error
        self.both.add(self.central[-1], rounding)
        self.idle = 0 if np.any(self.both.error < 0.5 * before) else self.idle + 1
        self.rounding = rounding
        self.right.add((up - self.here) / h, rounding)
        self.left.add((self.here - down) / h, rounding)

    def settled(self) -> bool:
        """Shorter steps would not help."""
        if len(self.central) < FEWEST:
            return False
        scale = np.maximum(np.abs(self.both.value), np.sqrt(EPS) * self.size)
        enough = np.maximum(SETTLED * scale, 16.0 * self.rounding)
        if np.all(self.both.error <= enough):
            return self.sides_settled() and not self.kink()
        close = bool(np.all(self.both.error <= 1e-3 * scale))
        return close and self.sides_settled() and self.idle >= IDLE and len(self.central) >= 2 * FEWEST

    def sides_settled(self) -> bool:
        """Far from here a function may look smooth, whatever it does near here: only the sides know its value here."""
        limit = np.maximum(100.0 * KINK * np.maximum(np.abs(self.both.value), np.sqrt(EPS) * self.size), 16.0 * self.rounding)
        return bool(np.all(self.right.error <= limit) and np.all(self.left.error <= limit))

    def kink(self) -> bool:
        """The two sides have slopes that differ by much more than their errors."""
        gap = np.abs(self.right.value - self.left.value)
        scale = np.max([np.abs(self.right.value), np.abs(self.left.value), np.sqrt(EPS) * self.size], axis=0)
        return bool(np.any(gap > np.maximum(KINK * scale, 10.0 * (self.right.error + self.left.error))))

    def jump(self) -> bool:
        """The differences double with every halving of the step."""
        if len(self.central) < 8:
            return False
        a, b, c = (np.abs(x) for x in self.central[-3:])
        return bool(np.any((b > 1.9 * a) & (c > 1.9 * b) & (c * self.step > 1e3 * EPS * self.size)))

    def result(self) -> Slopes:
        if len(self.central) < 3:
            return nowhere(self.here, self.why or "the function is not finite nearby")
        kink, jump = self.kink(), self.jump()
        why = "a kink" if kink else "a jump" if jump else ""
        return Slopes(
            self.both.value, self.both.error, self.left.value, self.right.value, self.size, kink or jump, why
        )


@dataclass(frozen=True)
class Differences:
    """One array for each result of the function: derivatives, and estimates of their errors."""

    values: list[Any]
    errors: list[Any]
    kink: bool
    why: str = ""


def differences(f: Callable[..., Any], args: Sequence[Any], dots: Sequence[Any]) -> Differences:
    """The derivative of `f(*args)`, an array or a sequence of arrays, in the direction `dots` (None: that one is fixed)."""
    moved = [k for k, d in enumerate(dots) if d is not None]
    shapes = [np.shape(y) for y in sequence(f(*args))]

    def along(t: float) -> np.ndarray:
        xs = list(args)
        for k in moved:
            xs[k] = args[k] + t * np.asarray(dots[k])
        return np.concatenate([vector(y) for y in sequence(f(*xs))])

    found = slopes(along)
    ends = np.cumsum([int(np.prod(s)) for s in shapes])[:-1]
    split = lambda v: [part.reshape(s) for part, s in zip(np.split(v, ends), shapes, strict=True)]
    return Differences(split(found.value), split(found.error), found.kink, found.why)


def sequence(y: Any) -> Sequence[Any]:
    return y if isinstance(y, (tuple, list)) else (y,)


__all__ = ["Differences", "Slopes", "differences", "slopes"]
