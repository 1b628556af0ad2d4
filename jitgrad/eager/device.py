"""Devices. Tensors live on the CPU; asking for another one is an error that says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

KINDS = ("cpu", "cuda")


@dataclass(frozen=True)
class device:
    """A device by its name: "cpu", "cuda:0". Upper case is taken as lower case."""

    type: str
    index: int | None = None

    def __init__(self, spec: Any = None, index: int | None = None, *, type: Any = None) -> None:
        spec = type if spec is None else spec
        if isinstance(spec, device):
            spec, index = spec.type, spec.index
        kind, _, number = str(spec).lower().partition(":")
        if kind not in KINDS:
            raise RuntimeError(f"Expected one of {', '.join(KINDS)} device type at start of device string: {spec}")
        if number and not number.isdigit():
            raise RuntimeError(f"Invalid device string: '{spec}'")
        object.__setattr__(self, "type", kind)
        object.__setattr__(self, "index", int(number) if number else index)

    def __repr__(self) -> str:
        return f"device(type='{self.type}'" + (f", index={self.index})" if self.index is not None else ")")

    def __str__(self) -> str:
        return self.type + (f":{self.index}" if self.index is not None else "")


CPU = device("cpu")


def checked(spec: Any) -> device:
    """The device, if there is one: None means the CPU."""
    if spec is None:
        return CPU
    found = spec if isinstance(spec, device) else device(spec)
    if found.type != "cpu":
        raise RuntimeError(f"there is no device {found}: eager tensors live on the CPU (torch.cuda.is_available() is False)")
    return found
