"""Tensors as text, as PyTorch prints them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .grad_fn import grad_fn
from .run import known


def text(x: Any) -> str:
    values = known(x._value())
    with np.printoptions(precision=4):
        body = np.array2string(values, separator=", ")
    edge = x._current_edge()
    end = f", grad_fn=<{grad_fn(edge).name()}>" if edge is not None else ", requires_grad=True" if x._needs else ""
    return f"tensor({body}{end})"
