"""A range whose loop spares memory when it is differentiated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Checkpoint:
    """Iterates as `range` does. `policy`: that of the loop that records it (`ops.loop`)."""

    range: Any
    policy: tuple[Any, ...]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.range)

    def __len__(self) -> int:
        return len(self.range)
