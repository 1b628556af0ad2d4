"""Making tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import dtypes
from .data import values_of
from .device import checked
from .dtypes import dtype as DType
from .interop import from_numpy, from_torch, is_torch
from .kernel import Aval
from .node import HELD
from .shapes import sizes
from .tensor import Size, Tensor, of_buffer


def owned(values: np.ndarray, d: DType, requires_grad: bool = False) -> Tensor:
    """A tensor of this dtype from an array that nobody else has, or that is copied because of its dtype."""
    if values.dtype != d.storage or d is dtypes.bfloat16:
        if d.store is not None and not d.is_complex:
            values = d.store(np.asarray(values, d.compute))
        else:
            values = values.astype(d.storage)
    out = of_buffer(np.asarray(values, order="C"), Aval.of(d, values.shape))
    if requires_grad:
        if not d.differentiable:
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")
        out._needs = True
    return out


def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False) -> Tensor:
    """A new tensor with a copy of the data: a number, nested lists, an array or a tensor.

    dtype: of the result; by default that of the data, Python floats in the default dtype (float32), integers int64. Raises
    RuntimeError if a gradient is asked for of integers or bools.

    >>> import jitgrad.eager as torch
    >>> torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    tensor([[1., 2.],
            [3., 4.]])
    """
    checked(device)
    data = from_torch(data.detach()) if is_torch(data) else data
    if isinstance(data, Tensor):
        return copied(data.detach(), data.dtype if dtype is None else dtypes.of(dtype), requires_grad)
    values, own = values_of(data)
    return owned(values, own if dtype is None else dtypes.of(dtype), requires_grad)


def copied(data: Tensor, d: DType, requires_grad: bool) -> Tensor:
    out = of_buffer(np.array(data.to(d)._buffer()), Aval.of(d, tuple(data.shape)))
    return out.requires_grad_() if requires_grad else out


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """The data as a tensor, without a copy where that is possible (an array, or a tensor, PyTorch's too, of the right dtype)."""
    checked(device)
    data = from_torch(data) if is_torch(data) else data
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtypes.of(dtype))
    if isinstance(data, np.ndarray) and (dtype is None or dtypes.of(dtype).storage == data.dtype):
        return from_numpy(data)
    return tensor(data, dtype=dtype)


def asarray(
    obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None, requires_grad: bool = False
) -> Tensor:
    """The object as a tensor; copy=True: never on its memory."""
    out = tensor(obj, dtype=dtype, device=device) if copy else as_tensor(obj, dtype, device)
    return out.requires_grad_() if requires_grad else out


def shape_of(size: tuple[Any, ...]) -> tuple[int, ...]:
    """The shape that is asked for; RuntimeError if there is none."""
    found = sizes(size)
    for n in found:
        if n < 0:
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {list(found)}")
    return found


def filled(value: Any, size: tuple[Any, ...], dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    checked(device)
    d = dtypes.get_default_dtype() if dtype is None else dtypes.of(dtype)
    return owned(np.full(shape_of(size), value, d.storage if d is not dtypes.bfloat16 else np.float32), d, requires_grad)


def zeros(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros of this shape."""
    return filled(0, size, dtype, device, requires_grad)


def ones(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of ones of this shape."""
    return filled(1, size, dtype, device, requires_grad)


def empty(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of this shape; its values mean nothing (here: zeros)."""
    return filled(0, size, dtype, device, requires_grad)


def full(
    size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of one value."""
    found = dtypes.default_of(dtypes.RANK_OF[type(fill_value)]) if dtype is None else dtype
    return filled(fill_value, (size,), found, device, requires_grad)


def _like(value: Any, x: Tensor, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    return filled(value, (tuple(x.shape),), x.dtype if dtype is None else dtype, device, requires_grad)


def zeros_like(x: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros of the shape and dtype of another tensor."""
    return _like(0, x, dtype, device, requires_grad)


def ones_like(x: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones of the shape and dtype of another tensor."""
    return _like(1, x, dtype, device, requires_grad)


def empty_like(x: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of the shape and dtype of another; its values mean nothing."""
    return _like(0, x, dtype, device, requires_grad)


def full_like(
    x: Tensor, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """One value in the shape and dtype of another tensor."""
    return _like(fill_value, x, dtype, device, requires_grad)


def arange(
    start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """start, start + step, ... up to `end`, which is left out."""
    checked(device)
    first, last = (0, start) if end is None else (start, end)
    whole = all(isinstance(v, (int, np.integer)) for v in (first, last, step))
    d = dtypes.of(dtype) if dtype is not None else dtypes.int64 if whole else dtypes.get_default_dtype()
    return owned(np.arange(first, last, step), d, requires_grad)


def linspace(
    start: float, end: float, steps: int, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """`steps` numbers from start to end, both included."""
    checked(device)
    d = dtypes.get_default_dtype() if dtype is None else dtypes.of(dtype)
    return owned(np.linspace(float(start), float(end), int(steps)), d, requires_grad)


def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """The identity matrix, or one of ones on the diagonal of n x m."""
    checked(device)
    return owned(np.eye(n, m), dtypes.get_default_dtype() if dtype is None else dtypes.of(dtype), requires_grad)


# ---- of a tensor: with its dtype


def new_tensor(self: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """A new tensor with a copy of the data, in the dtype of this one."""
    return tensor(data, dtype=self.dtype if dtype is None else dtype, device=device, requires_grad=requires_grad)


def new_full(
    self: Tensor, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of one value, in the dtype of this one."""
    return filled(fill_value, (size,), self.dtype if dtype is None else dtype, device, requires_grad)


def _new(name: str, value: int) -> Any:
    def make(self: Tensor, *size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
        return filled(value, size, self.dtype if dtype is None else dtype, device, requires_grad)

    make.__name__, make.__doc__ = name, f"A tensor of {value}s, in the dtype of this one."
    return make


METHODS = {
    "new_tensor": new_tensor, "new_full": new_full,
    **{name: _new(name, value) for name, value in (("new_zeros", 0), ("new_ones", 1), ("new_empty", 0))},
}  # fmt: skip

# ---- the constructors of old: torch.Tensor(2, 3), torch.LongTensor([1, 2])


def old_style(d: DType, *args: Any) -> Tensor:
    """Of sizes: memory (here: zeros); of data: a copy in this dtype."""
    if not args:
        return empty(0, dtype=d)
    if isinstance(args[0], Size) or all(isinstance(a, (int, np.integer)) for a in args):
        return empty(*args, dtype=d)
    (data,) = args
    if isinstance(data, (int, float, complex)):
        raise TypeError(f"new(): data must be a sequence (got {type(data).__name__})")
    if isinstance(data, Tensor) and data.dtype is not d:
        raise TypeError(f"expected a tensor of {d} (got one of {data.dtype})")
    return as_tensor(data) if isinstance(data, Tensor) else tensor(data, dtype=d)


def _old(d: DType) -> Any:
    def make(*args: Any) -> Tensor:
        return old_style(d, *args)

    make.__name__ = make.__qualname__ = f"{d.legacy}Tensor"
    make.__doc__ = f"A tensor of {d.name}, of the sizes or with the data given."
    return make


def _become(self: Tensor, *args: Any) -> None:
    """`torch.Tensor(...)` by sizes or data."""
    made = old_style(dtypes.get_default_dtype(), *args)
    self._node, self._edge = made._node, None
    made._node.owner = HELD


Tensor._old_style = _become  # type: ignore[method-assign]
globals().update({f"{d.legacy}Tensor": _old(d) for d in dtypes.ALL if not d.is_complex})

__all__ = [
    "arange", "as_tensor", "asarray", "empty", "empty_like", "eye", "full", "full_like", "linspace", "ones", "ones_like",
    "tensor", "zeros", "zeros_like", *(f"{d.legacy}Tensor" for d in dtypes.ALL if not d.is_complex),
]  # fmt: skip
