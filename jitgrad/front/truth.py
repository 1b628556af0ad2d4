"""The truth of a value: a Python bool, or a traced one, of what the program computes."""

from __future__ import annotations

from typing import Any

from ..ir.build import apply
from ..ir.core import Lit
from .context import here
from .standin import Array, Scalar


def truth(x: Any) -> Any:
    if isinstance(x, Array):
        if x.dims:
            return bool(x)  # refuses
        x = Scalar(x.read())
    if not isinstance(x, Scalar):
        return bool(x)
    if isinstance(x.value.atom, Lit) or x.is_size:
        return bool(x)
    return x if x._dtype() == "bool" else x != 0


def opposite(t: Scalar) -> Scalar:
    """`not t` of a traced bool. (`~True` is -2 in Python.)"""
    here()
    return Scalar(apply("not", t.value), t.weak)


def together(t: Scalar, z: Scalar) -> Scalar:
    """Both of two traced bools."""
    here()
    return Scalar(apply("and", t.value, z.value), t.weak and z.weak)
