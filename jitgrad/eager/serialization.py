"""`save` and `load`: tensors, state dicts, and checkpoints built from them, in safetensors files.

Files hold no code. The tensors of a structure are stored under the path that leads to them ("model.0.weight"), so other tools
find them; the structure itself (dictionaries, lists, numbers) is JSON in the metadata. `load` also reads the files that PyTorch's
`torch.save` writes, as far as they hold tensors and plain data.
"""

from __future__ import annotations

import io
import json
import os
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from .checkpoint_files import is_checkpoint, read_checkpoint
from .device import checked
from .safetensors import read, write
from .tensor import Size, Tensor

TREE = "jitgrad"  # the structure, in the metadata
KINDS: dict[type, str] = {dict: "dict", OrderedDict: "ordered", list: "list", tuple: "tuple", Size: "size"}
MAKE: dict[str, Callable[[Any], Any]] = {"dict": dict, "ordered": OrderedDict, "list": list, "tuple": tuple, "size": Size}
SCALARS = (str, int, float, bool, type(None))


def save(obj: Any, f: Any) -> None:
    """Write tensors, and dictionaries, lists and tuples of tensors, numbers, texts and None, to a file.

    f: a path, or a file open for writing bytes.
    Raises TypeError for anything else: of a module save its `state_dict()`.

    >>> import io, jitgrad.eager as torch
    >>> file = io.BytesIO()
    >>> torch.save({"w": torch.ones(2), "epoch": 3}, file)
    >>> torch.load(io.BytesIO(file.getvalue()))
    {'w': tensor([1., 1.]), 'epoch': 3}
    """
    tensors: dict[str, Tensor] = {}
    tree = taken_apart(obj, (), tensors)
    metadata = {TREE: json.dumps(tree), "format": "pt"}
    if hasattr(f, "write"):
        write(f, tensors, metadata)
        return
    with open(os.fspath(f), "wb") as file:
        write(file, tensors, metadata)


def load(f: Any, map_location: Any = None, *, weights_only: bool = True, mmap: bool | None = None) -> Any:
    """What `save` wrote; a foreign safetensors file as a dictionary; a file of PyTorch's `torch.save`.

    Nothing in a file is ever executed, whatever `weights_only` says.
    """
    if map_location is not None and not callable(map_location) and not isinstance(map_location, dict):
        checked(map_location)
    if hasattr(f, "read"):
        data = f.read()
    else:
        with open(os.fspath(f), "rb") as file:
            data = file.read()
    if is_checkpoint(data):
        return read_checkpoint(io.BytesIO(data))
    tensors, metadata = read(data)
    if TREE not in metadata:
        return OrderedDict(tensors)
    return put_together(json.loads(metadata[TREE]), tensors)


def taken_apart(x: Any, path: tuple[str, ...], tensors: dict[str, Tensor]) -> Any:
    """The structure as JSON has it; its tensors go to `tensors`."""
    if isinstance(x, Tensor):
        name = unused(".".join(path) or "tensor", tensors)
        tensors[name] = x
        return {"tensor": name, "grad": x.requires_grad}
    if type(x) in SCALARS:
        return x
    kind = KINDS.get(type(x))
    if kind in ("dict", "ordered"):
        for key in x:
            if type(key) not in SCALARS:
                raise TypeError(f"save takes dictionaries with texts and numbers as keys, not {key!r}")
        return {kind: [[key, taken_apart(value, (*path, str(key)), tensors)] for key, value in x.items()]}
    if kind is not None:
        return {kind: [taken_apart(value, (*path, str(k)), tensors) for k, value in enumerate(x)]}
    repair = "; save its state_dict()" if hasattr(x, "state_dict") else ""
    found = f"{type(x).__name__}{repair}"
    raise TypeError(f"save takes tensors and dictionaries, lists and tuples of them and of plain numbers, not {found}")


def unused(name: str, tensors: dict[str, Tensor]) -> str:
    """A name that no other tensor has ("a.b" may be one key or two)."""
    found, k = name, 1
    while found in tensors or found == "__metadata__":
        k += 1
        found = f"{name}#{k}"
    return found


def put_together(tree: Any, tensors: dict[str, Tensor]) -> Any:
    """The structure with its tensors."""
    if not isinstance(tree, dict):
        return tree
    if "tensor" in tree:
        return tensors[tree["tensor"]].requires_grad_(tree["grad"])
    ((kind, items),) = tree.items()
    if kind in ("dict", "ordered"):
        return MAKE[kind]([(key, put_together(value, tensors)) for key, value in items])
    return MAKE[kind]([put_together(value, tensors) for value in items])


__all__ = ["load", "save"]
