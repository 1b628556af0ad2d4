"""Final cells: what a loop leaves as it is now, so that nothing of it needs to be remembered.

A cell that is provably not written later in this iteration, nor in any later one, can be read from the array as the loop left
it (LU, triangular solves, trajectories that the user keeps); `depend.py` has the proof. What is known about the integers around
a nested loop comes from the return sweeps within which it is differentiated (`assuming`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property

from ..ir.core import Fn, Let, Var
from .depend import Access, Around, Env, Look, Ranges, another, apart, behind
from .versions import Chain

_known: ContextVar[Around] = ContextVar("known", default=Around())  # noqa: B039  (immutable)


def known() -> Around:
    return _known.get()


@contextmanager
def assuming(around: Around) -> Iterator[None]:
    token = _known.set(around)
    try:
        yield
    finally:
        _known.reset(token)


@dataclass(frozen=True, eq=False)
class Finals:
    """For one carried array of a loop: which reads may be made from the array as the loop left it. `around`: what is known
    within the body."""

    body: Fn
    chain: Chain
    index: Var
    reverse: bool
    around: Around

    @cached_property
    def place(self) -> dict[Var, int]:
        return {v: m for m, v in enumerate(self.chain.versions)}

    def safe_value(self, put: Let) -> bool:
        """Can what this `put` wrote be read back when the loop has ended?"""
        return set(put.attrs["spec"]) <= {"i", ":"} and self._final(self._looked([put], put.args[0]), self.place[put.outs[0]])  # type: ignore[arg-type]

    def safe_use(self, let: Let, version: Var) -> bool:
        """May this statement have the final array in the place of that version? (It reads it, and writes nothing of it.)"""
        found = self._looked([let], version)
        return all(x.kind == "get" for x in found) and self._final(found, self.place[version])

    def _final(self, found: Sequence[Access], m: int) -> bool:
        """Are these apart from what comes after the m-th version?"""
        written = [*self._later, *[y for link in self._now[m:] for y in link]]
        return all(apart(x, y, self._ranges) for x in found for y in written)

    @cached_property
    def _behind(self) -> tuple[Env, Ranges]:
        later, ranges = behind(self.index, self.around, self.reverse)
        return another(self.body, self.index, self.around, later), ranges

    @property
    def _ranges(self) -> Ranges:
        return self._behind[1]

    @cached_property
    def _now(self) -> list[list[Access]]:
        """What each link writes in this iteration."""
        pairs = zip(self.chain.versions, self.chain.links, strict=False)
        return [_writes(self._looked([link], v)) for v, link in pairs]

    @cached_property
    def _later(self) -> list[Access]:
        """What they write in a later one."""
        return _writes(self._looked(self.chain.links, self.chain.carry, self._behind[0]))

    def _looked(self, lets: Sequence[Let], version: Var, env: Env | None = None) -> list[Access]:
        look = Look({version}, self._ranges)
        look.statements(lets, self.around.names if env is None else env)
        return look.found


def _writes(found: Sequence[Access]) -> list[Access]:
    return [x for x in found if x.kind != "get"]
