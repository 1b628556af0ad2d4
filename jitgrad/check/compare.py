"""One number against another, with a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .certificate import FAIL, KINK, NOT_CHECKED, OK, Row
from .differences import Slopes, vector

EXACT = 1e-9  # relative: two ways of computing one number in float64
SINGLE = 2e-3  # the same where one of them is in float32
MARGIN = 10.0  # what is believed of an estimated error
TELLING = 1e-3  # a tolerance beyond this, relatively, tells nothing


@dataclass(frozen=True)
class Compared:
    found: float
    reference: float
    tolerance: float
    status: str
    note: str = ""

    @property
    def badness(self) -> tuple[int, float]:
        """For choosing the worst."""
        order = (OK, KINK, NOT_CHECKED, FAIL).index(self.status)
        return order, abs(self.found - self.reference) / self.tolerance if self.tolerance else 0.0

    def row(self, check: str, of: str, note: str = "") -> Row:
        return Row(check, of, self.found, self.reference, self.tolerance, self.status, "; ".join(filter(None, (self.note, note))))


def equal(found: float, reference: float, tolerance: float) -> Compared:
    """Two numbers that should be one."""
    if np.isnan(found) and np.isnan(reference) or found == reference:
        finite = bool(np.isfinite(found))
        return Compared(found, reference, tolerance, OK if finite else NOT_CHECKED, "" if finite else "not finite")
    good = abs(found - reference) <= tolerance
    return Compared(found, reference, tolerance, OK if good else FAIL)


def worst_equal(found: Any, reference: Any, tolerance: Any) -> Compared:
    """Arrays that should be one; the worst place."""
    tolerance = vector(np.broadcast_to(np.where(np.isfinite(tolerance), tolerance, 0.0), np.shape(reference)))
    each = zip(vector(found), vector(reference), tolerance, strict=True)
    return max((equal(float(a), float(b), float(t)) for a, b, t in each), key=lambda c: c.badness)


def along(found: float, s: Slopes, k: int, weight: float) -> Compared:
    """A derivative and the k-th of the slopes; `weight`: the size of what was summed to give it."""
    reference, error, size = float(s.value[k]), float(s.error[k]), float(s.size[k])
    tolerance = MARGIN * error + EXACT * weight
    if s.why and not s.kink:
        return Compared(found, np.nan, np.nan, NOT_CHECKED, s.why)
    if not np.isfinite(found):
        return Compared(found, reference, tolerance, FAIL, "not finite, and the function has a slope")
    if s.kink:
        return at_kink(found, s, k, tolerance)
    if abs(found - reference) > tolerance:
        return Compared(found, reference, tolerance, FAIL)
    if tolerance > max(TELLING * max(weight, abs(reference)), 1e-6 * size):
        return Compared(found, reference, tolerance, NOT_CHECKED, "the differences do not settle")
    return Compared(found, reference, tolerance, OK)


def at_kink(found: float, s: Slopes, k: int, tolerance: float) -> Compared:
    """Where the two sides have slopes of their own, a derivative is one of those between them."""
    left, right = float(s.left[k]), float(s.right[k])
    low, high = sorted((left, right))
    note = f"{s.why} here or very near: the slopes of the two sides are {left:.6g} and {right:.6g}"
    slack = EXACT * max(abs(low), abs(high)) + min(tolerance, 1e-3 * (high - low))
    within = low - slack <= found <= high + slack
    jump = s.why == "a jump"
    return Compared(found, float(s.value[k]), tolerance, KINK if within or jump else FAIL, s.why if jump else note)


__all__ = ["EXACT", "SINGLE", "Compared", "along", "equal", "worst_equal"]
