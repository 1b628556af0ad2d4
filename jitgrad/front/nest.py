"""What a variable holds, taken apart: numbers and arrays as leaves, and the tuples, lists, dicts and frozen dataclasses around
them.

What is neither (None, a string, a function, an object) belongs to the structure: two structures are alike if these are the
same, or equal plain values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..ir.build import Value
from ..ir.core import Lit
from . import promote
from .captured import adopt
from .promote import Operand
from .standin import Array, Scalar, StandIn, describe
from .tree import kind_of

PLAIN = (bool, int, float, complex, str, bytes, type(None), range, slice, np.dtype, frozenset)
NUMBERS = (bool, int, float, np.number, np.bool_)

Structure = tuple[Any, ...]  # ("leaf",) | ("static", x) | (kind, what tells it from others, structures)


def is_leaf(x: Any) -> bool:
    return isinstance(x, (StandIn, np.ndarray, *NUMBERS))


def taken_apart(x: Any) -> tuple[list[Any], Structure]:
    """The leaves in order, and the structure."""
    leaves: list[Any] = []
    return leaves, _open(x, leaves)


def _open(x: Any, leaves: list[Any]) -> Structure:
    if is_leaf(x):
        leaves.append(Array(adopt(x)) if isinstance(x, np.ndarray) else x)
        return ("leaf",)
    if type(x) is list or isinstance(x, tuple):
        return ("sequence", type(x), [_open(v, leaves) for v in x])
    if type(x) is dict:
        return ("dict", tuple(x), [_open(v, leaves) for v in x.values()])
    if is_record(x):
        kind = kind_of(type(x))
        static, parts = kind.open(x)  # type: ignore[union-attr]
        return ("record", (kind, static), [_open(v, leaves) for v in parts])
    return ("static", x)


def is_record(x: Any) -> bool:
    """An instance of a frozen dataclass of the user's: what it holds is what it is."""
    made = getattr(type(x), "__dataclass_params__", None)
    return made is not None and made.frozen and type(x).__module__.partition(".")[0] != "jitgrad"


def put_together(s: Structure, leaves: Iterable[Any]) -> Any:
    return _close(s, iter(leaves))


def _close(s: Structure, leaves: Iterator[Any]) -> Any:
    if s[0] == "leaf":
        return next(leaves)
    if s[0] == "static":
        return s[1]
    parts = [_close(p, leaves) for p in s[2]]
    if s[0] == "dict":
        return dict(zip(s[1], parts, strict=True))
    if s[0] == "record":
        kind, static = s[1]
        return kind.close(static, parts)
    return s[1](*parts) if hasattr(s[1], "_fields") else s[1](parts)


def alike(s: Structure, t: Structure) -> bool:
    if s[0] != t[0]:
        return False
    if s[0] == "leaf":
        return True
    if s[0] == "static":
        return same_static(s[1], t[1])
    return s[1] == t[1] and len(s[2]) == len(t[2]) and all(map(alike, s[2], t[2]))


def same_static(x: Any, z: Any) -> bool:
    return x is z or (type(x) is type(z) and isinstance(x, PLAIN) and (x == z or x != x))


def mutable(s: Structure) -> bool:
    """Does it hold a list or a dict, which others may hold too?"""
    return s[0] == "dict" or (s[0] in ("sequence", "record") and (s[1] is list or any(map(mutable, s[2]))))


def held(x: Any) -> set[int]:
    """The identities of the lists and dicts in it."""
    if type(x) is dict:
        return {id(x)}.union(*map(held, x.values()))
    if type(x) is list or isinstance(x, tuple):
        return ({id(x)} if type(x) is list else set()).union(*map(held, x))
    return set().union(*map(held, kind_of(type(x)).open(x)[1])) if is_record(x) else set()  # type: ignore[union-attr]


def same_leaf(x: Any, z: Any) -> bool:
    """The same number or array, however it was come by."""
    if x is z:
        return True
    if isinstance(x, Array) or isinstance(z, Array):
        return isinstance(x, Array) and isinstance(z, Array) and x.box is z.box and x.view == z.view
    a, b = lifted(x), lifted(z)
    return a.value.atom == b.value.atom and a.weak == b.weak


def unchanged(x: Any, z: Any) -> bool:
    """Is it the same value, so that nobody could tell?"""
    if x is z:
        return True
    (xs, s), (zs, t) = taken_apart(x), taken_apart(z)
    return alike(s, t) and not mutable(s) and all(map(same_leaf, xs, zs))


def lifted(x: Any) -> Operand:
    """A leaf as an operand of the body that is being recorded."""
    return x.operand() if isinstance(x, StandIn) else promote.lift(x)


def is_constant(x: Any) -> bool:
    """A number that is known while tracing."""
    return not isinstance(x, StandIn) or (isinstance(x, Scalar) and isinstance(x.value.atom, Lit))


def zero(x: Any) -> Value:
    """Zero of the type of a leaf."""
    from_type = lifted(x).value.type
    return Value(Lit(False if from_type.dtype == "bool" else 0 if not from_type.is_real else 0.0, from_type))


def words(x: Any) -> str:
    """What it is, for a message."""
    if isinstance(x, StandIn):
        return describe(x)
    if isinstance(x, (*NUMBERS, str, type(None))):
        return repr(x)
    return f"a {type(x).__name__}"


__all__ = ["NUMBERS", "Structure", "alike", "held", "is_constant", "is_leaf", "lifted", "mutable", "put_together", "same_leaf"]
__all__ += ["same_static", "taken_apart", "unchanged", "words", "zero"]
