"""What the compiled derivative gives at a point, as the flat lists of a `Subject`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..api.public import jit, value_and_grad, vjp
from ..front.tree import flatten
from .subject import Subject


def compiled(
    f: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], s: Subject, bars: Sequence[Any]
) -> tuple[list[Any], dict[int, Any]]:
    """The real results, and the adjoint of each named input by its number (for a tree of results, of positional ones)."""
    args, kwargs = copied((args, dict(kwargs)))
    if len(s.reals) == 1 and not np.ndim(bars[0]) and len(s.fn.results) == 1:
        which = tuple(k for k, x in (*enumerate(args), *kwargs.items()) if any(map(real, flatten(x)[0])))
        value, grads = value_and_grad(f, argnums=which)(*args, **kwargs)
        return flatten(value)[0], numbered(grads)
    values = [y for y in flatten(jit(f)(*copied(args), **copied(kwargs)))[0] if real(y)]
    out, pullback = vjp(partial(f, **kwargs) if kwargs else f, *args)
    leaves, tree = flatten(out)
    given = iter(bars)
    cotangent = tree.unflatten([cotangent_of(y, next(given)) if real(y) else y for y in leaves])
    return values, numbered(pullback(cotangent))


def numbered(tree: Any) -> dict[int, Any]:
    return dict(enumerate(g for g in flatten(tree)[0] if np.size(g)))


def real(x: Any) -> bool:
    return isinstance(x, (float, np.floating, np.ndarray)) and np.asarray(x).dtype.kind == "f"


def cotangent_of(y: Any, bar: Any) -> Any:
    return np.asarray(bar, np.asarray(y).dtype)[()]


def copied(tree: Any) -> Any:
    leaves, treedef = flatten(tree)
    return treedef.unflatten([x.copy() if isinstance(x, np.ndarray) else x for x in leaves])


__all__ = ["compiled"]
