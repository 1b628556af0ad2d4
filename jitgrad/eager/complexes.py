"""Complex arithmetic on pairs of reals.

A complex tensor is computed as reals with a last axis (re, im). `RULES` says for the body of an operation what it is on complex
numbers; derivatives follow by tracing, and are dL/dre + i dL/dim, which is PyTorch's convention. What has no rule is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import dtypes
from .kernel import Aval, Kernel
from .op import converted, paired, refusal
from .tensor import Tensor, numbers

Pair = tuple[Any, Any]  # real and imaginary part
RULES: dict[Any, Callable[..., Any]] = {}  # for a body: on pairs and numbers, gives a pair or a real array


def computed(
    body: Any, name: str, types: tuple[Any, ...], to: dtypes.dtype, out: dtypes.dtype | None = None, saves: str = "",
    **options: Any,
) -> Kernel:
    """`converted`, by the complex rule of the body where the arithmetic is complex."""
    if not to.is_complex:
        refuse_complex(name, types)
        return converted(body, name, types, to, out, saves, **options)
    rule = RULES.get(options.get("fold", body))
    if rule is None:
        refuse_complex(name, types)
        raise NotImplementedError(refusal(name, to))
    return paired(_on_pairs, name, types, to, out, saves, rule=rule, **options)


def refuse_complex(name: str, types: tuple[Any, ...]) -> None:
    for t in types:
        if isinstance(t, Aval) and t.dtype.is_complex:
            raise NotImplementedError(refusal(name, t.dtype))


def reals(name: str, x: Any) -> Any:
    """The numbers of a tensor, which are not complex; anything else as it is."""
    if isinstance(x, Tensor):
        refuse_complex(name, (x._node.aval,))
    return numbers(x)


def _on_pairs(*xs: Any, rule: Any, **options: Any) -> Any:
    out = rule(*[parts(x) for x in xs], **options)
    return joined(out) if isinstance(out, tuple) else out


def parts(x: Any) -> Pair:
    """(real, imaginary)"""
    return (x, 0.0) if isinstance(x, (int, float)) or not x.ndim else (x[..., 0], x[..., 1])


def joined(z: Pair) -> Any:
    """A pair as one array."""
    return np.stack(np.broadcast_arrays(*z), axis=-1)


def rule(*bodies: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: the function is the rule for these bodies."""

    def enter(f: Callable[..., Any]) -> Callable[..., Any]:
        RULES.update(dict.fromkeys(bodies, f))
        return f

    return enter


# ---- arithmetic of pairs


def times(z: Pair, w: Pair) -> Pair:
    return z[0] * w[0] - z[1] * w[1], z[0] * w[1] + z[1] * w[0]


def over(z: Pair, w: Pair) -> Pair:
    """z / w = z conj(w) / |w|^2, where w is first divided by its larger part so that nothing overflows."""
    size = np.maximum(np.abs(w[0]), np.abs(w[1])) if not isinstance(w[0], (int, float)) else abs(w[0])
    a, b = w[0] / size, w[1] / size
    whole = (a * a + b * b) * size
    return (z[0] * a + z[1] * b) / whole, (z[1] * a - z[0] * b) / whole


def exp(z: Pair) -> Pair:
    size = np.exp(z[0])
    return size * np.cos(z[1]), size * np.sin(z[1])


def absolute(z: Pair) -> Any:
    """|z|; no slope at 0."""
    return np.hypot(z[0], z[1])


def angle(z: Pair) -> Any:
    """The angle from the positive real axis; no slope at 0."""
    none = (z[0] == 0) & (z[1] == 0)
    return np.arctan2(z[1], np.where(none, 1.0, z[0]))


def log(z: Pair) -> Pair:
    return np.log(absolute(z)), np.arctan2(z[1], z[0])


def componentwise(f: Any) -> Callable[..., Pair]:
    """A real-linear function, of each part."""

    def apply(*zs: Pair, **options: Any) -> Pair:
        return f(*[z[0] for z in zs], **options), f(*[z[1] for z in zs], **options)

    return apply


def converted_parts(x: Any, to: np.dtype, given: bool, wanted: bool) -> Any:
    """Another precision, or between real and complex: the imaginary part is 0 or is dropped (but counts for a bool)."""
    if given and not wanted:
        return (x[..., 0] != 0) | (x[..., 1] != 0) if to == np.bool_ else x[..., 0].astype(to)
    x = x.astype(to)
    return x if given else np.stack([x, np.zeros_like(x)], axis=-1)
