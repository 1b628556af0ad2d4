"""Reading and writing parts of a tensor."""

from __future__ import annotations

from typing import Any

from .kernel import kernel
from .pointwise import clone
from .shapes import _index, expand
from .tensor import Tensor


def key_of(key: Any) -> tuple[Any, ...] | None:
    """A key of numbers, slices, `...` and None, as something that can be compared; None if there is more in it."""
    out: list[Any] = []
    for k in key if isinstance(key, tuple) else (key,):
        if k is Ellipsis:
            out.append("...")
        elif isinstance(k, slice):
            out.append(("slice", k.start, k.stop, k.step))
        elif k is None or (isinstance(k, int) and not isinstance(k, bool)):
            out.append(k)
        else:
            return None
    return tuple(out)


def get(x: Tensor, key: Any) -> Tensor:
    """x[key]: a view, if the key has no tensors."""
    basic = key_of(key)
    if basic is None:
        raise NotImplementedError("indices that are tensors")
    return x._view(kernel(_index, "Slice" if any(isinstance(k, tuple) for k in basic) else "Select", key=basic))


def put(x: Tensor, key: Any, value: Any) -> None:
    """x[key] = value"""
    part = get(x, key)
    if isinstance(value, Tensor):
        new = value.to(part.dtype)
        part._write(clone(new if new.shape == part.shape else expand(new, *part.shape)))
    else:
        part.fill_(value)
