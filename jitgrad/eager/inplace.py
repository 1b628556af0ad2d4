"""Writing in place: a result takes the place of the value of a tensor. `Tensor._write` does what that means for views."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import creation, dtypes, shapes
from .kernel import Aval, Kernel, kernel
from .modes import modes
from .node import now
from .op import Op, check_broadcast
from .tensor import Tensor
from .views import contiguous


def in_place(f: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The method that writes the result of `f` into the tensor."""

    def call(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        self._check_writable()
        since = now()
        new = f(self, *args, **kwargs)
        if new is NotImplemented:
            return new
        return self._take(fitted(self, new), since)

    call.__name__ = name
    return call


def fitted(x: Tensor, new: Tensor) -> Tensor:
    """A result in the dtype of the tensor that it is written into."""
    if new._node.aval is x._node.aval:
        return new
    if new.shape != x.shape:
        raise RuntimeError(f"output with shape {list(x.shape)} doesn't match the broadcast shape {list(new.shape)}")
    if new.dtype.rank > x.dtype.rank:
        raise RuntimeError(f"result type {new.dtype.legacy} can't be cast to the desired output type {x.dtype.legacy}")
    return new.to(x.dtype)


def _full(x: Any, value: Any) -> Any:
    return np.full_like(x, value)


def _choose_fill(x: Aval, value: Any, name: str) -> Kernel:
    return kernel(_full, name, (x.dtype,))


_fill = Op("fill", _choose_fill)


def fill_(self: Tensor, value: Any) -> Tensor:
    """Write one value everywhere: a number or a tensor without axes."""
    self._check_writable()
    return self._write(filled(self, value, "Fill.2"))


def zero_(self: Tensor) -> Tensor:
    """Write zeros."""
    self._check_writable()
    return self._write(filled(self, 0, "Zero"))


C_NAMES = {name: f"{name}_t" for name in ("uint8", "int8", "int64")}  # for the others, PyTorch takes the common name of the type


def filled(x: Tensor, value: Any, name: str) -> Tensor:
    """One value in the shape of a tensor."""
    if isinstance(value, Tensor):
        if value.shape:
            raise RuntimeError(
                f"fill_ only supports 0-dimension value tensor but got tensor with {len(value.shape)} dimensions."
            )
        return values_of(x, value.to(x.dtype), "Fill.3")
    if isinstance(value, complex) and not x.dtype.is_complex:
        raise RuntimeError(f"value cannot be converted to type {C_NAMES.get(x.dtype.name, x.dtype.spoken)} without overflow")
    if x.dtype.is_complex or (isinstance(value, float) and not x.dtype.differentiable):
        kind = complex if x.dtype.is_complex else int if x.dtype is not dtypes.bool else bool
        return values_of(x, creation.full_like(x, kind(value)), name)
    return _fill(x, value, name=name)


def _broadcast(x: Any, shape: tuple[int, ...], to: Any) -> Any:
    return np.broadcast_to(x, shape).astype(to)


def _replaced(old: Any, x: Any, shape: tuple[int, ...], to: Any) -> Any:
    return np.broadcast_to(x, shape).astype(to)


def _choose_values(*types: Aval, shape: tuple[int, ...], dtype: dtypes.dtype, name: str) -> Kernel:
    """The last of the inputs, converted and broadcast."""
    x = types[-1]
    if len(x.shape) > len(shape):
        raise RuntimeError(f"output with shape {list(shape)} doesn't match the broadcast shape {list(x.shape)}")
    full = (*shape, 2) if dtype.is_complex else shape
    return kernel(_broadcast if len(types) == 1 else _replaced, name, (dtype,), shape=full, to=dtype.compute)


_values = Op("copy", _choose_values)


def values_of(x: Tensor, source: Tensor, name: str) -> Tensor:
    """What takes the place of the value of x. It depends on x where that has a gradient, which is zero then."""
    inputs = (x, source) if modes.grad and x.requires_grad else (source,)
    return _values(*inputs, shape=tuple(x.shape), dtype=x.dtype, name=name)


def copy_(self: Tensor, source: Any, non_blocking: bool = False) -> Tensor:
    """Write the values of another tensor, converted and broadcast."""
    source = source if isinstance(source, Tensor) else creation.as_tensor(source)
    self._check_writable()
    since = now()
    check_broadcast((self._node.aval, source._node.aval))
    if self.dtype.is_complex or source.dtype.is_complex:
        source = shapes.expand(source.to(self.dtype), *self.shape)
    return self._write(values_of(self, source, "CopyBackwards"), since)


def fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Write one value on the diagonal (all axes equal)."""
    if len(self.shape) < 2:
        raise RuntimeError("dimensions must larger than 1")
    if len(self.shape) > 2 and len(set(self.shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    n, step, dense = min(self.shape), sum(self._layout()[1]), sum(contiguous(tuple(self.shape)))
    if wrap and len(self.shape) == 2 and self.shape[0] > self.shape[1]:
        if step != dense:
            raise NotImplementedError("fill_diagonal_(wrap=True) of a view whose cells do not lie row after row")
        n = -(-self.numel() // step)
    fill_(shapes.as_strided(self, (n,), (step,)), fill_value)
    return self


METHODS = (fill_, zero_, copy_, fill_diagonal_)
