"""Other words for arguments that PyTorch takes: NumPy's `axis` and `keepdims`, `input` for the first one, and a size, a shape or
axes by name where they may also be given one by one (`flip(x, dims=(0,))`)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType
from typing import Any

WORDS = {"axis": "dim", "keepdims": "keepdim"}
FIRST, REST = "the first", "the rest"
ONE_BY_ONE = ("size", "shape", "dims", "repeats")
VARARGS = 0x04  # the flag of a function that has `*args`


def words_of(f: Any) -> dict[str, str]:
    """For each other word that a function may be given: the name of the parameter, or which of those without a name."""
    if not isinstance(f, FunctionType):
        return {}
    code = f.__code__
    own = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    words = {there: here for there, here in WORDS.items() if here in own and "axis" not in own}
    if own[:1] == ("x",) and "input" not in own:
        words["input"] = FIRST
    if code.co_flags & VARARGS:
        words.update({w: REST for w in ONE_BY_ONE if w not in own})
    return words


def translated(name: str, words: dict[str, str], args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
    """The arguments without a name; `named` is changed."""
    for there in [w for w in words if w in named]:
        here, value = words[there], named.pop(there)
        if here in named or (here == FIRST and args):
            raise TypeError(f"{name}(): got two values for one argument, one of them as '{there}'")
        if here == FIRST:
            args = (value,)
        elif here == REST:
            args = (*args, value)
        else:
            named[here] = value
    return args


def with_words(f: Callable[..., Any], words: dict[str, str], name: str, module: str) -> Callable[..., Any]:
    """The function of this name in a module that takes other words too."""

    @functools.wraps(f)
    def call(*args: Any, **named: Any) -> Any:
        if named:
            args = translated(name, words, args, named)
        return f(*args, **named)

    call.__module__, call.__name__, call.__qualname__ = module, name, name  # where it is found, for pickle
    return call


def take_words(names: dict[str, Any], module: str) -> None:
    """Let the public functions of a namespace take other words."""
    for name, f in list(names.items()):
        if not name.startswith("_") and (words := words_of(f)):
            names[name] = with_words(f, words, name, module)
