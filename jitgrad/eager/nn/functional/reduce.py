"""What becomes of the losses of all cells: their mean, their sum, or nothing."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np


def reduced(values: Any, reduction: str) -> Any:
    """The losses of all cells, taken together. batchmean: the sum over the size of the first axis."""
    if reduction == "none":
        return values
    if reduction == "mean":
        return np.mean(values)
    total = np.sum(values)
    return total / values.shape[0] if reduction == "batchmean" and values.ndim else total


def legacy(size_average: Any, reduce: Any, reduction: str, *more: str) -> str:
    """The reduction that the old arguments mean, where they are used."""
    if size_average is None and reduce is None:
        return valid(reduction, *more)
    average = size_average is None or size_average
    found = "none" if reduce is not None and not reduce else "mean" if average else "sum"
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{found}' instead.", UserWarning, stacklevel=4
    )
    return found


def valid(reduction: str, *more: str) -> str:
    """The reduction, if there is one of this name."""
    if reduction not in ("mean", "sum", "none", *more):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return reduction
