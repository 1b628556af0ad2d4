"""The methods of tensors about shapes, memory and parts."""

from __future__ import annotations

from typing import Any

from . import joining, masks, rows, scatter, shapes, turning
from .elementwise import clone
from .inplace import in_place
from .reductions import axis_of
from .run import known
from .tensor import Tensor
from .views import contiguous

DETACHED_VIEW = (
    "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel (DDP) for training, and "
    "gradient_as_bucket_view is set as True, gradients are views of DDP buckets, and hence detach_() cannot be called on these "
    "gradients. To fix this error, please refer to the Optimizer.zero_grad() function in torch/optim/optimizer.py as the "
    "solution."
)

# ---- what lies where in memory


def stride(self: Tensor, dim: int | None = None) -> Any:
    """How far apart neighbours along each axis (or along `dim`) lie in memory, in elements."""
    strides = self._layout()[1]
    return strides if dim is None else strides[axis_of(dim, len(strides))]


def storage_offset(self: Tensor) -> int:
    """Where in the shared memory the tensor begins, in elements."""
    return self._layout()[2]


def is_contiguous(self: Tensor, memory_format: Any = None) -> bool:
    """Do the elements lie one after the other, row after row?"""
    shape, strides, _ = self._layout()
    if 0 in shape:
        return True
    return all(s == c for s, c, n in zip(strides, contiguous(shape), shape, strict=True) if n != 1)


def contiguous_(self: Tensor, memory_format: Any = None) -> Tensor:
    """The tensor itself if its memory is contiguous, else a copy that is."""
    return self if is_contiguous(self) else clone(self)


def data_ptr(self: Tensor) -> int:
    """The address of the first element. It holds until the tensor is written."""
    s = self._share()
    whole = s.shared if s.shared is not None else known(s.node)
    return int(whole.ctypes.data) + self._layout()[2] * self.dtype.itemsize


def element_size(self: Tensor) -> int:
    """Bytes of an element."""
    return self.dtype.itemsize


def is_set_to(self: Tensor, other: Tensor) -> bool:
    """Are the two on the same memory, in the same way?"""
    return self is other or (
        self._storage is not None and self._storage is other._storage and self._layout() == other._layout()
    )


def numel(self: Tensor) -> int:
    """The number of elements."""
    return self._node.aval.numel


def is_view(self: Tensor) -> bool:
    return self._base is not None


def is_shared(self: Tensor) -> bool:
    """Is the memory shared between processes? Never."""
    return False


def size(self: Tensor, dim: int | None = None) -> Any:
    """The shape, or the length of one axis."""
    return self.shape if dim is None else self.shape[axis_of(dim, len(self.shape))]


def refused(name: str, instead: str) -> Any:
    """A method of PyTorch that changes what memory a tensor stands for."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{name}() is not supported: a tensor keeps its memory. {instead}")

    method.__name__ = name
    return method


def same_size(x: Tensor, other: Tensor) -> bool:
    """Have the two one shape?"""
    return x.shape == other.shape


BOTH = {**masks.BOTH, **scatter.BOTH, **rows.BOTH, "tril": turning.tril, "triu": turning.triu}
PLAIN: dict[str, Any] = {
    **shapes.METHODS, **joining.METHODS, **turning.FUNCTIONS,
    "stride": stride, "storage_offset": storage_offset, "is_contiguous": is_contiguous, "contiguous": contiguous_,
    "data_ptr": data_ptr, "element_size": element_size, "is_set_to": is_set_to, "_is_view": is_view, "is_shared": is_shared,
    "size": size, "nelement": numel, "is_same_size": same_size,
    **masks.PLAIN, **scatter.PLAIN, **rows.PLAIN, **BOTH, **{name + "_": in_place(f, name + "_") for name, f in BOTH.items()},
    "resize_": refused("resize_", "Use x.reshape(...) or a new tensor."), "set_": refused("set_", "Use x.data = other."),
    "resize_as_": refused("resize_as_", "Use x.reshape_as(other)."),
    **{
        name: refused(name, f"Use x = x.{name[:-1]}(...).")
        for name in ("t_", "transpose_", "swapaxes_", "swapdims_", "squeeze_", "unsqueeze_")
    },
}  # fmt: skip
PROPERTIES = shapes.PROPERTIES

__all__ = ["numel"]
