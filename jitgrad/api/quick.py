"""The call path, made short: a key of the exact shapes, and a function that puts results together.

`key_of` takes arguments apart and describes them so exactly, sizes and integers included, that calls of equal keys are
served by one program without further questions. `maker` writes, as Python text, what `unflatten` and the conversions
of a program's results come to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..front.tree import DICT, KINDS, LIST, NONE, TUPLE, Spec, TreeDef

ndarray = np.ndarray
KIND = KINDS.get

BY_TYPE = frozenset({float, np.float64, np.float32})
BY_VALUE = frozenset({int, np.int64, np.int32})
STATIC = frozenset({bool, str})
DEPTH = 20  # of nesting; what is deeper goes the long way


def key_of(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[tuple[Any, ...] | None, list[Any]]:
    """The key of a call, None where there is none, and the leaves as compiled code takes them."""
    key: list[Any] = []
    leaves: list[Any] = []
    known = _look(args, key, leaves, DEPTH)
    if known and kwargs:
        key.append(tuple(kwargs))
        known = _look(kwargs.values(), key, leaves, DEPTH)
    return (tuple(key) if known else None), leaves


def _look(xs: Any, key: list[Any], leaves: list[Any], depth: int) -> bool:
    for x in xs:
        t = type(x)
        if t is ndarray:
            if not x.flags.carray or not x.ndim:
                return False
            key.append(x.dtype)
            key.append(x.shape)
            leaves.append(x)
        elif t in BY_TYPE:
            key.append(t)
            leaves.append(x)
        elif t in BY_VALUE:
            key.append(t)
            key.append(x)
            leaves.append(x)
        elif t in STATIC:
            key.append(t)
            key.append(x)
        else:
            kind = KIND(t)
            if kind is None or not depth:
                return False
            static, children = kind.open(x)
            key.append(kind)
            key.append(static)
            key.append(len(children))
            if not _look(children, key, leaves, depth - 1):
                return False
    return True


def maker(tree: TreeDef, leaves: Sequence[str], names: dict[str, Any]) -> Callable[[Any], Any]:
    """A function of `r` that returns the value of this structure with these expressions, in `r` and `names`, as leaves."""
    names = dict(names)
    try:
        return eval(f"lambda r: {_text(tree.spec, iter(leaves), names, DEPTH)}", names)
    except _TooDeep:
        parts = eval(f"lambda r: [{', '.join(leaves)}]", names)
        return lambda r: tree.unflatten(parts(r))


class _TooDeep(Exception):
    pass


def _text(spec: Spec, leaves: Iterator[str], names: dict[str, Any], depth: int) -> str:
    if not spec:
        return next(leaves)
    if not depth:
        raise _TooDeep
    kind, static, specs = spec
    parts = [_text(s, leaves, names, depth - 1) for s in specs]
    if kind in LITERAL and (kind is not DICT or all(type(k) is str for k in static)):
        return LITERAL[kind](static, parts)
    name = f"close{len(names)}"
    names[name] = lambda children: kind.close(static, children)
    return f"{name}([{', '.join(parts)}])"


LITERAL: dict[Any, Callable[[Any, list[str]], str]] = {
    TUPLE: lambda static, parts: f"({''.join(p + ', ' for p in parts)})",
    LIST: lambda static, parts: f"[{', '.join(parts)}]",
    DICT: lambda static, parts: "{" + ", ".join(f"{k!r}: {p}" for k, p in zip(static, parts, strict=True)) + "}",
    NONE: lambda static, parts: "None",
}

__all__ = ["key_of", "maker"]
