"""The safetensors format: tensors by name in one file, no code in it, so that loading a foreign file is safe.

    file ::= length of the header (8 bytes, little endian) | header (JSON) | data
    header ::= {name: {"dtype": ..., "shape": [...], "data_offsets": [begin, end]}, ..., "__metadata__": {text: text}}

(https://huggingface.co/docs/safetensors: the format is stable.) What is written here other tools read, and the other way round.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from . import dtypes
from .dtypes import dtype as DType
from .interop import memory, on_memory
from .tensor import Tensor

NAMES: dict[str, DType] = {
    "F64": dtypes.float64, "F32": dtypes.float32, "F16": dtypes.float16, "BF16": dtypes.bfloat16, "I64": dtypes.int64,
    "I32": dtypes.int32, "I16": dtypes.int16, "I8": dtypes.int8, "U8": dtypes.uint8, "BOOL": dtypes.bool, "C64": dtypes.complex64,
}  # fmt: skip
CODES = {d: code for code, d in NAMES.items()}
LONGEST = 100_000_000  # of a header: the limit of the format


def write(file: BinaryIO, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write the tensors in the order of the mapping."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    arrays, end = [], 0
    for name, x in tensors.items():
        if x.dtype not in CODES:
            raise TypeError(f"the safetensors format has no {x.dtype} (of {name!r}): save its real and imaginary part")
        array = np.ascontiguousarray(memory(x.detach()))
        arrays.append(array)
        header[name] = {"dtype": CODES[x.dtype], "shape": list(x.shape), "data_offsets": [end, end + array.nbytes]}
        end += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the data begins at a multiple of 8
    file.write(len(text).to_bytes(8, "little") + text)
    for array in arrays:
        file.write(array.tobytes())


def read(data: bytes) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors by name, in the order of the file, and the metadata. ValueError for what is no such file."""
    n = int.from_bytes(data[:8], "little")
    if len(data) < 8 or n > min(LONGEST, len(data) - 8):
        raise ValueError("this is no safetensors file: its header is longer than the file")
    try:
        header = json.loads(data[8 : 8 + n])
    except ValueError as e:
        raise ValueError("this is no safetensors file: its header is no JSON") from e
    metadata = header.pop("__metadata__", {})
    body = memoryview(data)[8 + n :]
    entries = sorted(header.items(), key=lambda item: item[1]["data_offsets"])
    return {name: _tensor(name, entry, body) for name, entry in entries}, metadata


def _tensor(name: str, entry: dict[str, Any], body: memoryview) -> Tensor:
    d = NAMES.get(entry["dtype"])
    if d is None:
        raise ValueError(f"{name!r} is of dtype {entry['dtype']}, which does not exist here")
    begin, end = entry["data_offsets"]
    shape = tuple(entry["shape"])
    if not 0 <= begin <= end <= len(body) or end - begin != d.itemsize * int(np.prod(shape, dtype=np.int64)):
        raise ValueError(f"the file is damaged: {name!r} of shape {shape} cannot lie at {begin} to {end} of {len(body)} bytes")
    array = np.frombuffer(body[begin:end], d.storage.newbyteorder("<")).reshape(shape)
    return on_memory(np.array(array, d.storage), d)
