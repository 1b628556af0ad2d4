"""What `match` asks of a value, as Python asks it, on stand-ins as if they were what they stand for. `matching.py` asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import Unsupported, raise_at
from .builtin import Iteration, isinstance_
from .standin import Scalar
from .truth import opposite

# Their one positional pattern is for the value itself.
THEMSELVES = (bool, bytearray, bytes, dict, float, frozenset, int, list, set, str, tuple)


def singleton(x: Any, constant: Any) -> Any:
    """`x is constant`: a traced bool of Python's may be True; NumPy's never is."""
    if constant is None or not isinstance(x, Scalar):
        return x is constant
    if not isinstance_(x, bool):
        return False
    return x if constant else opposite(x)


def sequence(x: Any, count: int, exact: bool) -> bool:
    """A sequence of so many items, or of more. Text and arrays are none."""
    if isinstance(x, Iteration):
        raise_at(
            Unsupported,
            f"`{x.name}` is matched with the items of a sequence",
            wanted="a tuple, a list, or a dataclass",
            got=f"`{x.name}`",
            repair="match its length and items by `if`",
        )
    if not isinstance(x, Sequence) or isinstance(x, (str, bytes, bytearray)):
        return False
    return len(x) == count if exact else len(x) >= count


def mapping(x: Any, *keys: Any) -> bool:
    missing = object()
    return isinstance(x, Mapping) and all(x.get(k, missing) is not missing for k in keys)


def rest(x: Any, *keys: Any) -> dict[Any, Any]:
    return {k: v for k, v in x.items() if k not in keys}


def instance(x: Any, cls: Any, positional: int, *attributes: str) -> bool:
    """An instance of the class with these attributes, and those for so many positional patterns."""
    if not isinstance(cls, type):
        raise TypeError("called match pattern must be a class")
    if not isinstance_(x, cls):
        return False
    places = () if cls in THEMSELVES and positional == 1 else [place(cls, k, positional) for k in range(positional)]
    return all(hasattr(x, a) for a in (*places, *attributes))


def place(cls: type, k: int, positional: int) -> str:
    """The attribute for the k-th positional pattern."""
    names = getattr(cls, "__match_args__", ())
    takes = 1 if cls in THEMSELVES else len(names)
    if positional > takes:
        raise TypeError(f"{cls.__name__}() accepts {takes} positional sub-pattern{'s' * (takes != 1)} ({positional} given)")
    return str(names[k])


def position(x: Any, cls: type, k: int) -> str | None:
    """The attribute for the k-th positional pattern; None: the value itself."""
    return None if cls in THEMSELVES else place(cls, k, k + 1)


PATTERNS: dict[str, Callable[..., Any]] = {
    "singleton": singleton, "sequence": sequence, "mapping": mapping, "rest": rest, "class": instance,
    "position": position,
}  # fmt: skip

__all__ = ["PATTERNS"]
