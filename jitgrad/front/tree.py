"""Nested arguments <-> flat leaves.

A program takes and returns a flat row of numbers and arrays; users pass tuples, lists, dicts, named tuples, dataclasses
and classes they `register`. `flatten` takes such a value apart into its leaves and a `TreeDef`, what is left of it
without them: hashable, so that it can be part of the key of a compiled program, and able to `unflatten` other leaves
and to name each leaf as the user would write it (`params['w1']`, `state.pos[0]`).

`None` is a container of nothing. A dict keeps the order it has. A dataclass is put together again without its
`__init__`, from everything that the instance holds. Whatever is not a container is a leaf; that it is of a
supported type is for the caller to check.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from ..errors import StructureError, raise_at

C = TypeVar("C", bound=type)

# The limit on nesting turns a container that contains itself into an error. A chain of this length is no argument
# of a numerical function, and Python's own stack still has room for it.
MAX_DEPTH = 200


@dataclass(frozen=True, eq=False)
class Kind:
    """How one type of container comes apart and goes together. `static` is what it holds besides its children."""

    name: str
    open: Callable[[Any], tuple[Hashable, Sequence[Any]]]  # x -> static, children
    close: Callable[[Any, list[Any]], Any]  # static, children -> x
    places: Callable[[Any, int], Sequence[str]]  # static, how many -> what follows the container's name: "[0]", ".pos"


# Structure as nested plain tuples, so that comparing and hashing run in C: () is a leaf, else (kind, static, specs).
Spec = tuple[Any, ...]
LEAF: Spec = ()


class TreeDef:
    """The structure of a nested value: everything but its leaves. Made by `flatten`."""

    __slots__ = ("_hash", "size", "spec")

    def __init__(self, spec: Spec, size: int) -> None:
        self.spec = spec
        self.size = size
        self._hash = hash(spec)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, TreeDef) and self._hash == other._hash and self.spec == other.spec

    def __repr__(self) -> str:
        return f"TreeDef({_show(self.spec)})"

    def unflatten(self, leaves: Sequence[Any]) -> Any:
        """The nested value of this structure with these leaves."""
        if len(leaves) != self.size:
            wanted = f"{self.size} leaves for {self!r}"
            raise_at(StructureError, "these leaves do not fit the structure", wanted=wanted, got=str(len(leaves)))
        return _close(self.spec, iter(leaves)) if self.spec else leaves[0]

    def paths(self, root: str = "x") -> list[str]:
        """A name for each leaf, as one would write it where the whole is called `root`."""
        return list(_paths(self.spec, root))

    def arg_paths(self, names: Sequence[str]) -> list[str]:
        """A name for each leaf of a tuple of arguments, the parameters having these names."""
        specs = self.spec[2]
        if len(names) != len(specs):
            wanted = f"one for each of {len(specs)}"
            raise_at(StructureError, "these names do not fit the arguments", wanted=wanted, got=", ".join(names))
        return [path for name, spec in zip(names, specs, strict=True) for path in _paths(spec, name)]


def flatten(x: Any, root: str = "x") -> tuple[list[Any], TreeDef]:
    """The leaves of a nested value in order, and its structure. `root` names the value in errors.

    >>> leaves, tree = flatten({"w": [1.0, 2.0], "b": None, "n": 3})
    >>> leaves, tree.paths("params")
    ([1.0, 2.0, 3], ["params['w'][0]", "params['w'][1]", "params['n']"])
    >>> tree.unflatten([10.0, 20.0, 30])
    {'w': [10.0, 20.0], 'b': None, 'n': 30}
    """
    leaves: list[Any] = []
    try:
        spec = _open(x, leaves, MAX_DEPTH)
    except _TooDeep:
        headline, repair = _what_is_too_deep(x, root, {})
        raise_at(StructureError, headline, repair=repair)
    return leaves, TreeDef(spec, len(leaves))


def flatten_args(args: tuple[Any, ...]) -> tuple[Sequence[Any], TreeDef]:
    """`flatten` of a tuple of arguments, made for the call path: where all are leaves it copies nothing."""
    for a in args:
        if type(a) not in LEAF_TYPES:
            return flatten(args, "args")
    n = len(args)
    return args, _FLAT[n] if n < len(_FLAT) else _flat(n)


def flatten_like(tree: TreeDef, x: Any, root: str = "x") -> list[Any]:
    """The leaves of `x`, which must have the structure `tree`; the entries of a dict may come in any order. None may
    stand for any part: its leaves are None.

    >>> _, tree = flatten({"w": 1.0, "b": 2.0})
    >>> flatten_like(tree, {"b": 20.0, "w": 10.0})
    [10.0, 20.0]
    """
    leaves: list[Any] = []
    _open_like(tree.spec, x, root, leaves)
    return leaves


def register(
    cls: C,
    to_children: Callable[[Any], tuple[dict[str, Any], Hashable]],
    from_children: Callable[[dict[str, Any], Any], Any],
) -> C:
    """Makes instances of `cls` (not of its subclasses) containers.

    `to_children(x)` returns a dict of the parts by name, which may be containers themselves, and a hashable value for
    whatever else the instance is; from the two `from_children(parts, rest)` makes an instance. The parts it is given
    are not always numbers: check nothing about them there.

    >>> class Ball:
    ...     def __init__(self, mass, name):
    ...         self.mass, self.name = mass, name
    >>> _ = register(Ball, lambda b: ({"mass": b.mass}, b.name), lambda parts, name: Ball(parts["mass"], name))
    >>> leaves, tree = flatten([Ball(2.0, "red")], "balls")
    >>> leaves, tree.paths("balls"), tree.unflatten([3.0])[0].name
    ([2.0], ['balls[0].mass'], 'red')
    """

    def opened(x: Any) -> tuple[Hashable, Sequence[Any]]:
        parts, rest = to_children(x)
        try:
            hash(rest)
        except TypeError:
            raise_at(
                StructureError,
                f"`to_children` of {cls.__qualname__} returned, beside the parts, what has no hash",
                wanted="a hashable value",
                got=f"a value of type {type(rest).__qualname__}",
                repair="return arrays and numbers as parts, and a list as a tuple",
            )
        return (tuple(parts), _exact(rest)), list(parts.values())

    def close(static: Any, children: list[Any]) -> Any:
        names, rest = static
        return from_children(dict(zip(names, children, strict=True)), _value(rest))

    LEAF_TYPES.discard(cls)
    KINDS[cls] = Kind(cls.__qualname__, opened, close, lambda static, n: [f".{name}" for name in static[0]])
    return cls


def leaf_type(cls: C) -> C:
    """Makes instances of `cls` leaves, even if it is a dataclass. Usable as a decorator."""
    KINDS.pop(cls, None)
    LEAF_TYPES.add(cls)
    return cls


# ---- the kinds of containers


def _exact(key: Any) -> Hashable:
    """A key that is equal only to its like: 1, 1.0 and True are one key of a dict, but to a program three values."""
    if type(key) is str:
        return key
    if type(key) is tuple:
        return (tuple, tuple(map(_exact, key)), key)
    return (type(key), repr(key) if isinstance(key, (float, complex)) else None, key)


def _value(exact: Any) -> Any:
    return exact if type(exact) is str else exact[2]


def _open_dict(x: dict[Any, Any]) -> tuple[Hashable, Sequence[Any]]:
    return tuple([k if type(k) is str else _exact(k) for k in x]), list(x.values())


def _close_dict(static: Any, children: list[Any]) -> dict[Any, Any]:
    return dict(zip(map(_value, static), children, strict=True))


def _by_index(static: Any, n: int) -> list[str]:
    return [f"[{i}]" for i in range(n)]


def _by_key(static: Any, n: int) -> list[str]:
    return [f"[{_value(k)!r}]" for k in static]


def _by_name(static: Any, n: int) -> list[str]:
    return [f".{name}" for name in static]


# fmt: off
TUPLE = Kind("tuple",       lambda x: ((), x),  lambda static, xs: tuple(xs),                       _by_index)
LIST  = Kind("list",        lambda x: ((), x),  lambda static, xs: xs,                              _by_index)
DICT  = Kind("dict",        _open_dict,         _close_dict,                                        _by_key)
ODICT = Kind("OrderedDict", _open_dict,         lambda static, xs: OrderedDict(_close_dict(static, xs)), _by_key)
NONE  = Kind("None",        lambda x: ((), ()), lambda static, xs: None,                            _by_index)
# fmt: on


def _namedtuple_kind(cls: type) -> Kind:
    names: tuple[str, ...] = cls._fields  # type: ignore[attr-defined]
    return Kind(cls.__qualname__, lambda x: (names, x), lambda static, xs: tuple.__new__(cls, xs), _by_name)


def _dataclass_kind(cls: type) -> Kind:
    """All that the instance holds: also the fields that `__post_init__` computed, and attributes that are no fields.

    Leaving one out would not fail: the rebuilt instance would read a default of the class instead. Cached
    properties are left out, so that they are computed anew from what the rebuilt instance holds.
    """
    declared = tuple(f.name for f in fields(cls))

    def held(x: Any) -> tuple[str, ...]:
        extra = [name for name in getattr(x, "__dict__", ()) if name not in declared and not name.startswith("__")]
        extra = [name for name in extra if not isinstance(getattr(cls, name, None), cached_property)]
        return (*(name for name in declared if hasattr(x, name)), *extra)

    def opened(x: Any) -> tuple[Hashable, Sequence[Any]]:
        own = getattr(x, "__dict__", {})
        if tuple(own) == declared:  # the usual instance, and the call path
            return declared, list(own.values())
        names = held(x)
        return names, [getattr(x, name) for name in names]

    def close(names: Any, children: list[Any]) -> Any:
        x: Any = object.__new__(cls)
        for name, child in zip(names, children, strict=True):
            object.__setattr__(x, name, child)  # past the guard of a frozen class
        return x

    return Kind(cls.__qualname__, opened, close, _by_name)


# Both tables grow: a type met for the first time is looked at once.
KINDS: dict[type, Kind] = {tuple: TUPLE, list: LIST, dict: DICT, OrderedDict: ODICT, type(None): NONE}
LEAF_TYPES: set[type] = {float, int, bool, complex, str, np.ndarray, np.float64, np.float32, np.int64, np.bool_}


def kind_of(cls: type) -> Kind | None:
    """The kind of this type of container; None for a leaf."""
    if cls in LEAF_TYPES:
        return None
    kind = KINDS.get(cls)
    if kind is not None:
        return kind
    if issubclass(cls, tuple) and isinstance(getattr(cls, "_fields", None), tuple):
        kind = _namedtuple_kind(cls)
    elif issubclass(cls, (tuple, list, dict)):
        base = next(b for b in (tuple, list, dict) if issubclass(cls, b))
        raise_at(
            StructureError,
            f"how to make a {cls.__module__}.{cls.__qualname__} from its parts is not known",
            wanted=f"a {base.__name__}, or a registered class",
            got=f"a subclass of {base.__name__}",
            repair=f"pass a plain {base.__name__}, or say how with jitgrad.register",
        )
    elif is_dataclass(cls):
        kind = _dataclass_kind(cls)
    else:
        LEAF_TYPES.add(cls)
        return None
    return KINDS.setdefault(cls, kind)  # two threads may both have made one: the first to come is everybody's


# ---- walking


class _TooDeep(Exception):
    pass


def _open(x: Any, leaves: list[Any], depth: int) -> Spec:
    cls = type(x)
    kind = None if cls in LEAF_TYPES else KINDS.get(cls) or kind_of(cls)
    if kind is None:
        leaves.append(x)
        return LEAF
    if depth == 0:
        raise _TooDeep
    static, children = kind.open(x)
    return (kind, static, tuple([_open(c, leaves, depth - 1) for c in children]))


def _close(spec: Spec, leaves: Iterator[Any]) -> Any:
    if not spec:
        return next(leaves)
    kind, static, specs = spec
    return kind.close(static, [_close(s, leaves) if s else next(leaves) for s in specs])


def _paths(spec: Spec, name: str) -> Iterator[str]:
    if not spec:
        yield name
        return
    kind, static, specs = spec
    for place, s in zip(kind.places(static, len(specs)), specs, strict=True):
        yield from _paths(s, name + place)


def _flat(n: int) -> TreeDef:
    return TreeDef((TUPLE, (), (LEAF,) * n), n)


_FLAT = tuple(_flat(n) for n in range(17))


def _open_like(spec: Spec, x: Any, name: str, leaves: list[Any]) -> None:
    if x is None:
        leaves.extend(None for _ in _paths(spec, ""))
        return
    kind = kind_of(type(x))
    if kind is not (spec[0] if spec else None):
        wanted = f"a {spec[0].name}" if spec and spec[0] is not NONE else "None" if spec else "a number or an array"
        raise_at(StructureError, f"{name} has another structure", wanted=wanted, got=_describe(x))
    if kind is None:
        leaves.append(x)
        return
    _, static, specs = spec
    got, children = kind.open(x)
    if kind is DICT and got != static and set(got) == set(static):
        got, children = static, [x[_value(key)] for key in static]
    places, got_places = kind.places(static, len(specs)), kind.places(got, len(children))
    if list(places) != list(got_places):
        missing = [p for p in places if p not in got_places]
        beyond = [p for p in got_places if p not in places]
        found = (("without", missing), ("with", beyond))
        lists = [f"{word} {', '.join(name + p for p in ps)}" for word, ps in found if ps]
        how = " and ".join(lists) or "in another order"
        wanted = f"a {kind.name} of {len(specs)}"
        raise_at(StructureError, f"{name} has other parts", wanted=wanted, got=f"{_describe(x)} {how}")
    if got != static:
        raise_at(StructureError, f"{name} differs beside its parts", wanted=repr(static), got=repr(got))
    for place, s, child in zip(places, specs, children, strict=True):
        _open_like(s, child, name + place, leaves)


def _describe(x: Any) -> str:
    kind = kind_of(type(x))
    if kind is None:
        return f"a leaf of type {type(x).__qualname__}"
    return "None" if kind is NONE else f"a {kind.name} of {len(kind.open(x)[1])}"


def _what_is_too_deep(x: Any, name: str, above: dict[int, str]) -> tuple[str, str]:
    """Why `_open` gave up, and the repair. It meets the chain that `_open` followed, so it is not longer on its way."""
    kind = kind_of(type(x))
    if kind is None:
        return "", ""
    if id(x) in above:
        return f"{name} is {above[id(x)]} again: what contains itself has no last leaf", "pass it without the cycle"
    if len(above) == MAX_DEPTH:
        root = next(iter(above.values()))
        return f"{root} nests deeper than {MAX_DEPTH} levels", "pass an array or a flat list instead of a chain"
    static, children = kind.open(x)
    within = {**above, id(x): name}
    for place, child in zip(kind.places(static, len(children)), children, strict=True):
        found = _what_is_too_deep(child, name + place, within)
        if any(found):
            return found
    return "", ""


def _show(spec: Spec) -> str:
    if not spec:
        return "*"
    kind, static, specs = spec
    parts = [f"{place} {_show(s)}" for place, s in zip(kind.places(static, len(specs)), specs, strict=True)]
    return kind.name if kind is NONE else f"{kind.name}({', '.join(parts)})"
