"""checkpoint: a range whose loop needs little memory when it is differentiated."""

from __future__ import annotations

import operator
from typing import Any

from ..errors import ArgumentError, raise_at
from ..front.builtin import Iteration
from ..front.checkpoint import Checkpoint


def checkpoint(iterable: Any, *, every: Any = None, snapshots: Any = None) -> Checkpoint:
    """A range to loop over: the derivative of the loop keeps snapshots of what it carries, and computes iterations again.

    every: a snapshot every so many iterations (then an iteration is computed twice, and n / every snapshots and what `every`
    iterations need are in memory), or "binomial": at most `snapshots` snapshots, placed so that as few iterations as possible
    are computed again (Griewank & Walther, Algorithm 799: with s snapshots and t repetitions, binom(s + t, t) iterations).
    The gradient of a gradient keeps snapshots * snapshots of them; a Hessian times a vector (`hvp`) twice as many.

    The value and the derivatives are those of the loop over the range itself. It cannot be left early.

    >>> import jitgrad as jg
    >>> def heat(u, steps):
    ...     for t in jg.checkpoint(range(steps), every="binomial", snapshots=8):
    ...         u = u + 0.1 * (1.0 - u * u)
    ...     return u
    >>> round(jg.grad(heat)(0.5, 100), 12)
    4.12e-10
    """
    if not isinstance(iterable, (range, Iteration)):
        _refuse("checkpoint wants a range", "range(...)", type(iterable).__name__, "jg.checkpoint(range(n), every=k)")
    if every == "binomial":
        return Checkpoint(iterable, ("binomial", _count(snapshots, "snapshots")))
    if snapshots is not None:
        _refuse("snapshots are those of the binomial schedule", 'every="binomial"', f"every={every!r}", "leave snapshots out")
    return Checkpoint(iterable, ("every", _count(every, "every")))


def _count(x: Any, name: str) -> int:
    try:
        n = operator.index(x) if not isinstance(x, bool) else 0
    except TypeError:
        n = 0
    if n < 1:
        _refuse(f"{name} is not a number of iterations", "a positive int", repr(x), f"{name}=10")
    return n


def _refuse(what: str, wanted: str, got: str, repair: str) -> None:
    raise_at(ArgumentError, what, wanted=wanted, got=got, repair=repair)
