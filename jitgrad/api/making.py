"""One program is made at a time, in whatever thread, and the collector of garbage has no full rounds meanwhile.

A program is made of a few hundred thousand objects, most of which are gone at once or stay for ever, and Numba brings
as many along. Python's collector answers to such numbers by full rounds, walks over all objects of the process: a tenth
of a second each, and in vain. Young garbage is collected as ever, in larger portions.
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

PORTION = 10_000  # new objects between two collections of young garbage
NEVER = 1 << 30  # so many rounds over what those left before a full one

_lock = threading.RLock()

# A fork waits: the child would inherit a lock that nobody releases.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


@contextmanager
def making() -> Iterator[None]:
    """Within, this thread alone makes programs."""
    with _lock:
        before = gc.get_threshold()
        if before[0]:  # 0: the collector does not run by itself, and shall not
            gc.set_threshold(max(before[0], PORTION), before[1], NEVER)
        try:
            yield
        finally:
            gc.set_threshold(*before)
