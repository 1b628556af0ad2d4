"""Loops that run downwards around loops that are to be vectorised; `emit/index.py` says what their trouble is."""

from __future__ import annotations

from .plan import For, Load, Store, everywhere
from .tidy import dim_vars


def falls(s: For) -> bool:
    """Does it run downwards, and tell nothing to the loops directly within but which rows they work on?"""
    if not s.reverse or s.parallel:
        return False
    inner = [f for f in s.body if isinstance(f, For)]
    return any(_by_rows(s, f) for f in inner) and not any(s.index in dim_vars(f.lo, f.hi) for f in inner)


def _by_rows(s: For, f: For) -> bool:
    """Is it an innermost loop, with accesses of which the index outside has an axis of its own?"""
    every = list(everywhere(f.body))
    if any(isinstance(x, For) for x in every):
        return False
    axes = [d for x in every if isinstance(x, (Load, Store)) for d in x.index]
    mixed = any(s.index in dim_vars(d) and len(set(dim_vars(d))) > 1 for d in axes)
    return not mixed and any(s.index in dim_vars(d) for d in axes)



