"""What PyTorch 2.13 says of an expression: shape, strides and name of the node of a tensor, the value, or the error.

The text files hold a line for each expression: `expression | what PyTorch says`. Names in the expressions are those of `names`;
what stands before the last `;` is executed first.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np


def names(T):
    x = T.arange(12.0).reshape(3, 4).requires_grad_()
    return {
        "T": T, "np": np, "x": x, "y": x.clone(), "v": T.arange(3.0).requires_grad_(), "m": T.tensor([[0, 1], [2, 0]]),
        "b": T.arange(12.0).reshape(3, 4) > 3, "l": T.arange(12).reshape(3, 4), "i": T.tensor([0, 2]),
        "x3": T.arange(24.0).reshape(2, 3, 4).requires_grad_(),
    }  # fmt: skip


def of(T, result):
    several = isinstance(result, (tuple, list)) and result and isinstance(result[0], T.Tensor)
    return " ".join(str(one(T, r)) for r in (result if several else [result]))


def one(T, r):
    return (tuple(r.shape), r.stride(), type(r.grad_fn).__name__) if isinstance(r, T.Tensor) else r


def said(T, source):
    space = names(T)
    *before, last = source.split(";")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec(";".join(before), space)
            return of(T, eval(last, space))
        except Exception as e:
            return f"{type(e).__name__} {e}"


def table(name):
    lines = (Path(__file__).parent / f"{name}.txt").read_text().splitlines()
    return [line.split(" | ", 1) for line in lines]
