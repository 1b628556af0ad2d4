"""Memory shared with others: NumPy's arrays, DLPack, the tensors of PyTorch itself.

Nothing is copied: each side sees what the other writes. Gradients do not cross, so tensors that are part of a graph are refused
with PyTorch's words.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from . import dtypes
from .dtypes import dtype as DType
from .kernel import Aval
from .tensor import Storage, Tensor, of_buffer
from .views import along

CPU = 1  # DLPack's number of the device


def on_memory(array: np.ndarray, d: DType) -> Tensor:
    """A tensor on the memory of an array in the storage form of the dtype."""
    aval = Aval.of(d, array.shape)
    out = of_buffer(array, aval)
    out._storage = Storage(None, aval, array)
    return out


def memory(x: Tensor) -> np.ndarray:
    """The memory of a tensor as an array in the storage form of its dtype (a bfloat16 is a uint16)."""
    s = x._share()
    return along(s.lend(), x._path, s.aval, x._node.aval)


def looked_at(x: Tensor) -> np.ndarray:
    """The values of a tensor in the storage form of its dtype, to be read at once: memory that NumPy sees too is not copied."""
    s = x._storage
    if s is None or s.shared is None or not s.is_shared():
        return x._buffer()
    return along(s.shared, x._path, s.aval, x._node.aval)


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor on the memory of the array: each sees what is written to the other.

    >>> import numpy as np
    >>> a = np.zeros(2)
    >>> t = from_numpy(a)
    >>> a[0] = 7
    >>> t
    tensor([7., 0.], dtype=torch.float64)
    """
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    if array.dtype not in dtypes.BY_NUMPY:
        raise TypeError(
            f"can't convert np.ndarray of type numpy.{array.dtype.type.__name__}. The only supported types are: float64, "
            "float32, float16, complex64, complex128, int64, int32, int16, int8, uint8, and bool."
        )
    return on_memory(array, dtypes.BY_NUMPY[array.dtype])


def frombuffer(
    buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Tensor:
    """A tensor without copy on what has Python's buffer protocol (bytearray, memoryview, array.array, mmap)."""
    d = dtypes.of(dtype)
    out = on_memory(np.frombuffer(buffer, d.storage, count, offset), d)
    return out.requires_grad_() if requires_grad else out


# ---- DLPack


def dlpack(x: Tensor, **asked: Any) -> Any:
    """The capsule of `__dlpack__`."""
    if x.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    if x.dtype is dtypes.bfloat16:
        raise BufferError("a bfloat16 tensor cannot be exported by DLPack here; use tensor.to_torch() or tensor.float()")
    return memory(x).__dlpack__(**asked)


def dlpack_device(x: Tensor) -> tuple[int, int]:
    """(the CPU, number 0)"""
    return CPU, 0


def from_dlpack(source: Any) -> Tensor:
    """A tensor on the memory of any object that has `__dlpack__`: arrays of NumPy, tensors of PyTorch and others.

    >>> import numpy as np
    >>> a = np.arange(3.0)
    >>> from_dlpack(a).mul_(2).sum(), a
    (tensor(6., dtype=torch.float64), array([0., 2., 4.]))
    """
    if isinstance(source, Tensor):
        return source.detach()
    if is_torch(source):
        return from_torch(source)
    if isinstance(source, np.ndarray):
        return from_numpy(source)
    if not hasattr(source, "__dlpack__"):
        raise TypeError(f"from_dlpack takes an object with __dlpack__, not {type(source).__name__}")
    device = source.__dlpack_device__()[0]
    if int(device) != CPU:
        raise BufferError(f"the memory is not on the CPU (its DLPack device is {int(device)}): copy it there first")
    return from_numpy(np.from_dlpack(source))


# ---- PyTorch itself


def is_torch(x: Any) -> bool:
    """Is it a tensor of PyTorch itself? PyTorch is not imported to find out."""
    peer = sys.modules.get("torch")
    return peer is not None and isinstance(x, getattr(peer, "Tensor", ()))


def from_torch(source: Any) -> Tensor:
    """A tensor on the memory of a CPU tensor of PyTorch. A leaf that requires a gradient gives one that does.

    Raises TypeError for what is no dense CPU tensor or of a dtype that does not exist here, RuntimeError for a result of
    PyTorch's autograd (its graph does not cross: use `detach()`).
    """
    if not is_torch(source):
        raise TypeError(f"from_torch takes a torch.Tensor, not {type(source).__name__}")
    if source.device.type != "cpu" or str(source.layout) != "torch.strided":
        found = f"{source.layout} on {source.device}"
        raise TypeError(f"from_torch takes dense tensors on the CPU, not {found}; use .cpu() or .to_dense()")
    if not source.is_leaf:
        raise RuntimeError("the graph of PyTorch's autograd does not cross: use from_torch(tensor.detach())")
    name = str(source.dtype).partition(".")[2]
    d = getattr(dtypes, name, None)
    if not isinstance(d, DType):
        raise TypeError(f"there is no dtype {source.dtype} here")
    plain = source.detach()
    if d is dtypes.bfloat16:
        plain = plain.view(sys.modules["torch"].int16)
    out = on_memory(plain.numpy().view(d.storage), d)
    return out.requires_grad_() if source.requires_grad else out


def to_torch(x: Tensor) -> Any:
    """A tensor of PyTorch on the same memory. A leaf that requires a gradient gives one that does."""
    if not x.is_leaf:
        raise RuntimeError("the graph of autograd does not cross: use tensor.detach().to_torch()")
    try:
        import torch as peer
    except ImportError as e:
        raise ImportError("to_torch() needs PyTorch: pip install torch") from e
    array = memory(x)
    if x.dtype is dtypes.bfloat16:
        out = peer.from_numpy(array.view(np.int16)).view(peer.bfloat16)
    else:
        out = peer.from_numpy(array)
    return out.requires_grad_() if x.requires_grad else out


METHODS = {"__dlpack__": dlpack, "__dlpack_device__": dlpack_device, "to_torch": to_torch}

__all__ = ["from_dlpack", "from_numpy", "from_torch", "frombuffer"]
