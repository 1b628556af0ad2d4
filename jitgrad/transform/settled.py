"""Would another pass of `simplify` find something to do? Answered without making it, which is dearer.

A pass goes forwards, and of what stands before a statement it knows all. What it cannot know is what becomes of the program
that it is still writing:

    which values have one use in it         rules that take statements apart ask; those they asked about are noted
    which arrays are overwritten in it      rules that read through a window ask
    what rules write themselves             nobody has looked at these statements yet
    what its loops hand on                  carries that do not change any more, or are equal now; rows that nobody reads
    what its bodies use first               constants are numbered in that order

Where none of this has changed, another pass does what this one did last: it writes the same statements.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain

from ..ir.core import Atom, Fn, Let, Var, dim_of, type_vars, vars_of
from ..ir.walk import use_counts
from ..ops.loop import Loop
from ..ops.while_ import While
from .congruence import congruent, steady
from .rewrite import idle


@dataclass
class Asked:
    """What a pass was asked about the program that it was still writing."""

    shared: set[Atom] = field(default_factory=set)  # values that had more than one use, or perhaps had
    again: bool = False  # something that only another pass can tell


def settled(fn: Fn, asked: Asked) -> bool:
    """`fn`: what the pass wrote."""
    return not asked.again and _settled(fn, asked.shared)


def _settled(fn: Fn, shared: set[Atom]) -> bool:
    if shared:
        counts = use_counts(fn)
        if any(o in shared and counts[o] <= 1 for let in fn.lets for o in let.outs):
            return False
    return all(
        _CONSTRUCTS.get(let.op.name, _nothing)(let) and all(_settled(f, shared) for f in let.fns) for let in fn.lets
    )


def _nothing(let: Let) -> bool:
    return True


def _loop(let: Let) -> bool:
    view = Loop.of(let)
    if idle(dim_of(view.lo), dim_of(view.hi), view.rows) or any(steady(view.carries, view.nexts, view.init)):
        return False
    return congruent(view, view.init, view.consts) == list(range(view.count)) and in_order([view.body], 1 + view.count)


def _while(let: Let) -> bool:
    view = While.of(let)
    return in_order([view.test, view.body], view.count)


def _cond(let: Let) -> bool:
    return all(in_order([f], 0) for f in let.fns)


_CONSTRUCTS: dict[str, Callable[[Let], bool]] = {"loop": _loop, "while": _while, "cond": _cond}


def in_order(fns: Sequence[Fn], keep: int) -> bool:
    """Are the parameters of these bodies, but for the first `keep`, numbered by their first use, as `trace_open` numbers them?"""
    found: dict[int, None] = {}
    for fn in fns:
        number = {p: k for k, p in enumerate(fn.params[keep:])}
        for a in chain(*(let.args for let in fn.lets), fn.results):
            for v in vars_of(a):
                _note(v, number, found)
    return list(found) == list(range(len(fns[0].params) - keep))


def _note(v: Var, number: dict[Var, int], found: dict[int, None]) -> None:
    """The sizes in its type first."""
    if v in number and number[v] not in found:
        for w in type_vars(v.type):
            _note(w, number, found)
        found[number[v]] = None


__all__ = ["Asked", "settled"]
