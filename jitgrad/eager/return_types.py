"""Named tuples of tensors, as operations with several results return them; they print as PyTorch's."""

from __future__ import annotations

from collections import namedtuple
from typing import Any


def _text(self: Any) -> str:
    parts = ",\n".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
    return f"torch.return_types.{type(self).__name__}(\n{parts})"


def made(name: str, fields: str) -> Any:
    """The type of the results of one operation."""
    out = namedtuple(name, fields)  # type: ignore[misc]
    out.__repr__ = _text  # type: ignore[method-assign]
    out.__module__ = __name__
    return out


_VALUES = ("max", "min", "median", "nanmedian", "mode", "sort", "topk", "kthvalue", "cummax", "cummin")
globals().update({name: made(name, "values indices") for name in _VALUES})
aminmax = made("aminmax", "min max")
linalg_slogdet = made("linalg_slogdet", "sign logabsdet")
slogdet = made("slogdet", "sign logabsdet")


def __getattr__(name: str) -> Any:
    raise AttributeError(f"no operation with named results is called {name}")
