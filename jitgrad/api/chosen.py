"""Which arguments a transformation differentiates: `argnums`, by position or by name, as leaves of the call."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ArgumentError, DTypeError, raise_at
from ..front.standin import describe
from ..front.tree import TreeDef, flatten
from ..ir.build import Value
from .inner import Inner

Argnums = int | str | tuple[int | str, ...]


@dataclass(frozen=True)
class Chosen:
    """Leaves of the call, and the structure of the argument (or the tuple of arguments) that they are."""

    treedef: TreeDef
    leaves: tuple[int, ...]
    labels: tuple[tuple[int | str, tuple[int, ...]], ...] = ()  # for messages: an argument and its leaves

    @staticmethod
    def every(args: tuple[Any, ...]) -> Chosen:
        found, treedef = flatten(args, "args")
        return Chosen(treedef, tuple(range(len(found))))

    def wrt(self, inside: Inner) -> list[int]:
        """The parameters of the program."""
        return [k for leaf in self.leaves if inside.is_float(leaf) and (k := inside.params[leaf]) is not None]

    def tree(self, inside: Inner, of: Mapping[int, Value]) -> Any:
        """A tree like the arguments: for each float what `of` has for its parameter, None for everything else."""
        out = []
        for leaf in self.leaves:
            k = inside.params[leaf]
            out.append(inside.like_leaf(leaf, of[k]) if k is not None and inside.is_float(leaf) else None)
        return self.treedef.unflatten(out)

    def check(self, f: Any, inside: Inner) -> None:
        """Every argument that is named has something to differentiate."""
        for which, leaves in self.labels:
            if not any(map(inside.is_float, leaves)):
                raise_at(
                    DTypeError,
                    f"`{name_of(f)}` is differentiated with respect to argument {which!r}, which has no derivative",
                    wanted="a float, an array of floats, or a tree of these",
                    got=", ".join(describe(inside.leaves[k]) for k in leaves) or "nothing",
                    repair="pass floats (1.0, x.astype(float)), or choose other argnums",
                )


def choose(f: Any, argnums: Argnums, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Chosen:
    many = isinstance(argnums, tuple)
    spans = argument_spans(args, kwargs)
    picked, labels = [], []
    for which in argnums if isinstance(argnums, tuple) else (argnums,):
        tree, leaves = spans[argument(f, which, args, kwargs)]
        picked.append(tree)
        labels.append((which, leaves))
    treedef = flatten(tuple(picked) if many else picked[0], "argument")[1]
    return Chosen(treedef, tuple(k for _, leaves in labels for k in leaves), tuple(labels))


def argument_spans(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[int | str, tuple[Any, tuple[int, ...]]]:
    """Each argument, and where its leaves stand among those of the call."""
    spans: dict[int | str, tuple[Any, tuple[int, ...]]] = {}
    given: list[tuple[int | str, Any]] = [*enumerate(args), *kwargs.items()]
    at = 0
    for key, tree in given:
        n = len(flatten(tree, "argument")[0])
        spans[key] = (tree, tuple(range(at, at + n)))
        at += n
    return spans


def argument(f: Any, which: int | str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int | str:
    """The position, or for a keyword the name, of an argument of this call."""
    names = parameter_names(f)
    if isinstance(which, int):
        if -len(args) <= which < len(args):
            return which % len(args)
        if 0 <= which < len(names) and names[which] in kwargs:
            return names[which]
    elif which in kwargs:
        return which
    elif which in names and names.index(which) < len(args):
        return names.index(which)
    raise_at(
        ArgumentError,
        f"`{name_of(f)}` has no argument {which!r} in this call",
        wanted=f"argnums within the {len(args)} positional arguments, or the name of one that is passed",
        got=f"argnums={which!r}",
        repair="pass that argument explicitly, or correct argnums",
    )


def parameter_names(f: Any) -> list[str]:
    try:
        return list(inspect.signature(f).parameters)
    except (TypeError, ValueError):
        return []


def name_of(f: Any) -> str:
    name = getattr(f, "__name__", None) or type(getattr(f, "func", f)).__name__
    return "lambda_" if name == "<lambda>" else name
