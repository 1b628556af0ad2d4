"""Questions about dtypes, and tensors in another dtype by name: `x.double()`, `x.type(...)`."""

from __future__ import annotations

from typing import Any

from . import dtypes
from .elementwise import cast
from .kernel import Aval
from .op import result_dtype
from .tensor import Tensor


def is_tensor(obj: Any) -> bool:
    """Is it a tensor?"""
    return isinstance(obj, Tensor)


def is_floating_point(input: Tensor) -> bool:
    """Are the numbers floats (not integers, not complex)?"""
    return input.dtype.is_floating_point


def is_complex(input: Tensor) -> bool:
    """Are the numbers complex?"""
    return input.dtype.is_complex


def is_signed(input: Tensor) -> bool:
    """Can the dtype hold negative numbers?"""
    return input.dtype.is_signed


def is_nonzero(input: Tensor) -> bool:
    """Is the one number of a tensor other than 0?"""
    return bool(input)


def result_type(tensor1: Any, tensor2: Any) -> dtypes.dtype:
    """The dtype of arithmetic between two tensors or numbers."""
    return result_dtype(tuple(Aval.of(x.dtype, tuple(x.shape)) if isinstance(x, Tensor) else type(x) for x in (tensor1, tensor2)))


def as_dtype(self: Tensor, d: dtypes.dtype) -> Tensor:
    return self if self.dtype is d else cast(self, dtype=d)


def _named(name: str, d: dtypes.dtype) -> Any:
    def convert(self: Tensor, memory_format: Any = None) -> Tensor:
        return as_dtype(self, d)

    convert.__name__, convert.__doc__ = name, f"The tensor as {d.name}; itself, if it is that already."
    return convert


BY_NAME = {
    "float": dtypes.float32, "double": dtypes.float64, "half": dtypes.float16, "bfloat16": dtypes.bfloat16, "int": dtypes.int32,
    "long": dtypes.int64, "short": dtypes.int16, "char": dtypes.int8, "byte": dtypes.uint8, "bool": dtypes.bool,
    "cfloat": dtypes.complex64, "cdouble": dtypes.complex128,
}  # fmt: skip
BY_TYPE = {f"torch.{d.legacy}Tensor": d for d in dtypes.ALL}


def type_(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """Without an argument, the name "torch.FloatTensor"; else the tensor in this dtype."""
    if dtype is None:
        return f"torch.{self.dtype.legacy}Tensor"
    name = getattr(dtype, "__name__", "")  # torch.DoubleTensor is a function here
    if name.endswith("Tensor"):
        dtype = f"torch.{name}"
    if isinstance(dtype, str):
        if dtype not in BY_TYPE:
            raise ValueError(f"invalid type: {dtype!r}")
        dtype = BY_TYPE[dtype]
    return as_dtype(self, dtypes.of(dtype))


def type_as(self: Tensor, other: Tensor) -> Tensor:
    """The tensor in the dtype of another."""
    return as_dtype(self, other.dtype)


METHODS = {
    **{name: _named(name, d) for name, d in BY_NAME.items()}, "type": type_, "type_as": type_as,
    "is_floating_point": is_floating_point,
    "is_complex": is_complex, "is_signed": is_signed, "is_nonzero": is_nonzero,
}  # fmt: skip

__all__ = ["is_complex", "is_floating_point", "is_nonzero", "is_signed", "is_tensor", "result_type"]
