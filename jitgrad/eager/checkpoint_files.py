"""The files of PyTorch's `torch.save`: a ZIP archive with a pickle of the structure and the memory of each storage as a member.

The pickle is read by an unpickler that knows the few names a file of tensors needs, and refuses all others: nothing in the file
runs. Neither PyTorch nor its classes are needed.
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np

from . import dtypes
from .dtypes import dtype as DType
from .kernel import Aval
from .pickling import placed, storage_of
from .tensor import Size, Storage, Tensor

MAGIC = b"PK\x03\x04"
STORAGES: dict[str, DType] = {
    "DoubleStorage": dtypes.float64, "FloatStorage": dtypes.float32, "HalfStorage": dtypes.float16,
    "BFloat16Storage": dtypes.bfloat16, "LongStorage": dtypes.int64, "IntStorage": dtypes.int32, "ShortStorage": dtypes.int16,
    "CharStorage": dtypes.int8, "ByteStorage": dtypes.uint8, "BoolStorage": dtypes.bool, "ComplexFloatStorage": dtypes.complex64,
    "ComplexDoubleStorage": dtypes.complex128,
}  # fmt: skip


def is_checkpoint(data: bytes) -> bool:
    """Does a file begin like one of these?"""
    return data[:4] == MAGIC


def read_checkpoint(file: BinaryIO) -> Any:
    """What was saved: tensors and plain data. Raises pickle.UnpicklingError for anything else."""
    with zipfile.ZipFile(file) as archive:
        (pickled,) = [n for n in archive.namelist() if n.endswith("/data.pkl")]
        root = pickled.removesuffix("data.pkl")
        order = root + "byteorder"
        if order in archive.namelist() and archive.read(order) != b"little":
            raise pickle.UnpicklingError("the file was written on a big-endian machine")
        with archive.open(pickled) as stream:
            return _Reader(stream, lambda key: archive.read(f"{root}data/{key}")).load()


def tensor_at(
    s: Storage, offset: int, shape: Any, strides: Any, requires_grad: bool, hooks: Any = None, metadata: Any = None
) -> Tensor:
    out = placed(Tensor, s, Aval.of(s.aval.dtype, tuple(shape)), tuple(strides), offset)
    return out.requires_grad_() if requires_grad else out


def parameter_of(data: Tensor, requires_grad: bool, hooks: Any) -> Tensor:
    return data.requires_grad_(requires_grad)


NAMES: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch", "Size"): Size,
    ("torch._utils", "_rebuild_tensor_v2"): tensor_at,
    ("torch._utils", "_rebuild_parameter"): parameter_of,
    **{("torch", name): d for name, d in STORAGES.items()},
    **{("torch", d.name): d for d in STORAGES.values()},
}


class _Reader(pickle.Unpickler):
    """The unpickler. Storages are read once, so that tensors that share memory share it again."""

    def __init__(self, stream: Any, member: Callable[[str], bytes]) -> None:
        super().__init__(stream, encoding="utf-8")
        self.member = member
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in NAMES:
            raise pickle.UnpicklingError(
                f"the file holds a {module}.{name}: load reads tensors and plain data only; save the state_dict() instead"
            )
        return NAMES[module, name]

    def persistent_load(self, pid: Any) -> Storage:
        _, d, key, _, count = pid
        if key not in self.storages:
            values = np.frombuffer(self.member(key), d.storage.newbyteorder("<"), count)
            self.storages[key] = storage_of(np.array(values, d.storage), d)
        return self.storages[key]
