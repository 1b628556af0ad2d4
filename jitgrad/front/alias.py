"""What rebound array names may be in the iterations of a loop, and the loops that are refused because it matters.

Within one iteration a rebound name has a box of its own. Over the iterations it may be any array that the names hand on to each
other: the least fixed point of "what it was before the loop, or what it is at the end of an iteration".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import AliasError, raise_at
from .nest import taken_apart
from .places import UNBOUND
from .scope import Box
from .standin import Array

if TYPE_CHECKING:
    from .carry import Carries

Leaf = tuple[Any, int]  # the key of a place, and which leaf of what it holds


def may_be(c: Carries, box: Box) -> set[Box]:
    """The outer arrays that a box of the body may be, in some iteration."""
    if box in c.fresh:
        return c.reach[c.fresh[box]]
    handed = (m for b in box.may if b in c.fresh for m in c.reach[c.fresh[b]])
    return {b for b in (box, *box.may) if c.outside(b)} | set(handed)


def aliases(c: Carries) -> None:
    """What each rebound name may be, over all iterations; and whether that was known when the body was recorded."""
    if not c.fresh:
        return _poisoned(c)
    ends = {leaf: _end(c, leaf) for leaf in c.fresh.values()}
    c.reach = {leaf: {b for b in box.may if c.outside(b)} for box, leaf in c.fresh.items()}
    for _ in c.fresh:
        for leaf, box in ends.items():
            if box is not None:
                c.reach[leaf] = c.reach[leaf] | may_be(c, box)
    _held_twice(c, ends)
    boxes = c.body.boxes
    for box, leaf in c.fresh.items():
        used = {o for o in c.reach[leaf] if o in boxes.entry}
        if box in boxes.written:
            for o in c.reach[leaf]:
                boxes.poison.setdefault(o, f"`{o.name}` may share memory with `{box.name}`, which a loop writes")
            if used:
                _refuse(c, box, next(iter(used)))
        for o in used & boxes.written.keys():
            _refuse(c, o, box)
    _poisoned(c)
    return None


def _end(c: Carries, leaf: Leaf) -> Box | None:
    x = c.ends[leaf[0]]
    end = taken_apart(x)[0][leaf[1]] if x is not UNBOUND else None
    return end.box if isinstance(end, Array) else None


def _held_twice(c: Carries, ends: dict[Leaf, Box | None]) -> None:
    """Two names that end an iteration with one array begin the next with it."""
    if not any(b in c.body.boxes.written for b in c.fresh):
        return
    held = [(leaf, b) for leaf, b in ends.items() if b is not None]
    found = {
        frozenset((u, v))
        for k, (u, b) in enumerate(held)
        for v, other in held[:k]
        if (b is other or other in b.may) and frozenset((u, v)) not in c.plan.linked
    }
    if found:
        c.plan.linked |= found
        c.again()


def _poisoned(c: Carries) -> None:
    """What a write in one iteration may have changed is read in the next."""
    boxes = c.body.boxes
    for b, why in boxes.poison.items():
        if b in boxes.entry:
            raise_at(
                AliasError,
                why,
                c.body.where,
                wanted="an array of which it is known whether the write reached it",
                got=f"`{b.name}` is used in every iteration, also after the write",
                repair="copy one of the two before the loop: `.copy()`",
            )


def _refuse(c: Carries, written: Box, used: Box) -> None:
    raise_at(
        AliasError,
        f"the loop writes to `{written.name}` and uses `{used.name}`: in some iteration they may be one array",
        c.body.where,
        wanted="an array of which it is known whether the write reached it",
        got=f"`{used.name}` is used in the loop",
        repair="copy one of the two before the loop: `.copy()`",
    )


__all__ = ["Leaf", "aliases", "may_be"]
