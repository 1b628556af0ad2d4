"""Losses over classes: `cross_entropy`, `nll_loss`, and those between vectors. The classes lie on axis 1 (of a vector: axis 0).

The entry of the right class is chosen by comparing the class with all numbers of classes: the return sweep is then cell by
cell, and joins that of the softmax.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import dtypes
from ...arrays import arange, log_softmax
from ...kernel import Aval, Kernel, kernel
from ...norms import _pairwise
from ...op import Op, converted, result_dtype
from ...run import known
from ...tensor import Tensor
from .losses import LAST
from .reduce import legacy, reduced

# ---- bodies


def _along(vector: Any, rank: int, axis: int) -> Any:
    """A vector over the classes, to be broadcast."""
    return vector.reshape((1,) * axis + (-1,) + (1,) * (rank - axis - 1))


def _chosen(logs: Any, target: Any, *weight: Any, axis: int, ignore: int, reduction: str, smoothing: float) -> Any:
    """-w[t] log p[t]; the mean is over the weights of the classes that are not ignored.

    With smoothing s: (1 - s) of that, and s / C of -sum over c of w[c] log p[c].
    """
    keep = target != ignore
    hit = _along(arange(logs.shape[axis]), logs.ndim, axis) == np.expand_dims(target, axis)
    w = _along(weight[0], logs.ndim, axis) if weight else 1.0
    loss = -np.sum(np.where(hit, logs * w, 0.0), axis=axis)
    if smoothing:
        every = -np.sum(logs * w, axis=axis)
        loss = (1.0 - smoothing) * loss + (smoothing / logs.shape[axis]) * every
    loss = np.where(keep, loss, 0.0)
    if reduction != "mean":
        return reduced(loss, reduction)
    at = np.sum(np.where(hit, w, 0.0), axis=axis) if weight else 1.0
    return np.sum(loss) / np.sum(np.where(keep, at, 0.0).astype(logs.dtype))


def _chosen_of_scores(x: Any, *more: Any, axis: int, **options: Any) -> Any:
    return _chosen(log_softmax(x, axis), *more, axis=axis, **options)


def _distributed(x: Any, target: Any, *weight: Any, axis: int, reduction: str, smoothing: float) -> Any:
    """-sum over c of w[c] t[c] log p[c], for a distribution t."""
    n = x.shape[axis]
    t = target * (1.0 - smoothing) + smoothing / n if smoothing else target
    terms = log_softmax(x, axis) * t
    loss = -np.sum(terms * _along(weight[0], x.ndim, axis) if weight else terms, axis=axis)
    return reduced(loss, reduction)


# ---- operations


def _axis(x: Aval) -> int:
    return 1 if len(x.shape) > 1 else 0


def _check_weight(x: Aval, weight: tuple[Aval, ...]) -> None:
    n = x.shape[_axis(x)]
    if weight and weight[0].shape != (n,):
        raise RuntimeError(
            f"weight tensor should be defined either for all {n} classes or no classes but got weight tensor of shape: "
            f"{list(weight[0].shape)}"
        )


def _check_sizes(x: Aval, target: Aval) -> None:
    if not x.shape:
        raise RuntimeError("input tensor should be 1D or 2D")
    if target.dtype not in (dtypes.int64, dtypes.uint8):
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {target.dtype.legacy}")
    wanted = x.shape[:1] + x.shape[2:] if len(x.shape) > 1 else ()
    if target.shape == wanted:
        return
    if len(x.shape) == 1:
        raise RuntimeError(f"0D or 1D target tensor expected, multi-target not supported: got {list(target.shape)}")
    if x.shape[:1] != target.shape[:1]:
        got = target.shape[0] if target.shape else 0
        raise ValueError(f"Expected input batch_size ({x.shape[0]}) to match target batch_size ({got}).")
    raise RuntimeError(f"size mismatch (got input: {list(x.shape)} , target: {list(target.shape)}")


def _choice(scores: bool) -> Op:
    body = _chosen_of_scores if scores else _chosen

    def choose(x: Aval, target: Aval, *weight: Aval, reduction: str, ignore: int, smoothing: float = 0.0) -> Kernel:
        _check_sizes(x, target)
        _check_weight(x, weight)
        if not x.dtype.is_floating_point:
            raise NotImplementedError(f"\"nll_loss_out_frame\" not implemented for '{x.dtype.legacy}'")
        node = "Add" if smoothing else "NllLoss" if len(x.shape) < 3 else "NllLoss2D"
        return kernel(
            body, node, (x.dtype,), axis=_axis(x), ignore=ignore, reduction=reduction, smoothing=smoothing
        )

    return Op("nll_loss", choose)


_of_scores, _of_logs = _choice(True), _choice(False)


def _choose_distributed(x: Aval, target: Aval, *weight: Aval, reduction: str, smoothing: float) -> Kernel:
    _check_weight(x, weight)
    node = {"mean": "Div.1", "sum": "Neg", "none": "Neg"}[reduction]
    types = (x, target, *weight)
    return converted(_distributed, node, types, result_dtype(types), axis=_axis(x), reduction=reduction, smoothing=smoothing)


_of_distribution = Op("cross_entropy", _choose_distributed)


def check_classes(input: Tensor, target: Tensor, ignore_index: int) -> None:
    """Raises IndexError for a target that is no class."""
    if target.dtype.rank > dtypes.INTEGER:
        return
    values = known(target._value())
    if not values.size:
        return
    low, high = int(values.min()), int(values.max())
    n = input.shape[1 if len(input.shape) > 1 else 0] if input.shape else 0
    if high >= n or low < 0:
        for bad in values[(values >= n) | (values < 0)].tolist():
            if bad != ignore_index:
                raise IndexError(f"Target {bad} is out of bounds.")


def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None, ignore_index: int = -100,
    reduce: Any = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """-input of the class that target says. input: logarithms of probabilities (n, classes, ...); target: (n, ...), int64.

    weight: of each class. ignore_index: a target that does not count. Raises IndexError for a target that is no class.
    """
    check_classes(input, target, ignore_index)
    more = () if weight is None else (weight,)
    return _of_logs(input, target, *more, reduction=legacy(size_average, reduce, reduction), ignore=int(ignore_index))


def cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None, ignore_index: int = -100,
    reduce: Any = None, reduction: str = "mean", label_smoothing: float = 0.0,
) -> Tensor:  # fmt: skip
    """-log softmax(input) of the class that target says. input: scores (n, classes, ...); target: (n, ...), int64, or
    probabilities in the shape of input.

    weight: of each class. ignore_index: a target that does not count. label_smoothing: how much of the target is spread
    over all classes. Raises IndexError for a target that is no class.

    >>> import jitgrad.eager as torch
    >>> torch.nn.functional.cross_entropy(torch.tensor([[0.0, 0.0]]), torch.tensor([1]))
    tensor(0.6931)
    """
    reduction = legacy(size_average, reduce, reduction)
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing:g}")
    more = () if weight is None else (weight,)
    smoothing = float(label_smoothing)
    if target.shape == input.shape and input.shape:
        if not target.dtype.is_floating_point:
            raise RuntimeError(
                f"Expected floating point type for target with class probabilities, got {target.dtype.legacy}"
            )
        return _of_distribution(input, target, *more, reduction=reduction, smoothing=smoothing)
    check_classes(input, target, ignore_index)
    return _of_scores(input, target, *more, reduction=reduction, ignore=int(ignore_index), smoothing=smoothing)


# ---- between vectors


def _cosine_loss(x: Any, y: Any, t: Any, margin: float, reduction: str) -> Any:
    """1 - cos for t = 1, max(0, cos - margin) for t = -1. |x|^2 and |y|^2 grow by 1e-12, as in PyTorch."""
    x2, y2 = np.sum(x * x, axis=-1) + 1e-12, np.sum(y * y, axis=-1) + 1e-12
    cosine = np.sum(x * y, axis=-1) / np.sqrt(x2 * y2)
    above = cosine - margin
    loss = np.where(t == 1, 1.0 - cosine, 0.0) + np.where(t == -1, np.where(above >= 0.0, above, 0.0), 0.0)
    return reduced(loss, reduction)


def _choose_cosine_loss(x: Aval, y: Aval, t: Aval, margin: float, reduction: str) -> Kernel:
    if len(t.shape) != len(x.shape) - 1:
        raise RuntimeError(
            f"{len(t.shape)}D target tensor expects {len(t.shape) + 1}D input tensors, but found inputs with sizes "
            f"{list(x.shape)} and {list(y.shape)}."
        )
    node = {**LAST, "none": "Add"}[reduction]
    return converted(_cosine_loss, node, (x, y, t), result_dtype((x, y)), margin=margin, reduction=reduction)


_cosine_loss_op = Op("cosine_embedding_loss", _choose_cosine_loss)


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """1 - cos(input1, input2) where target is 1, max(0, cos - margin) where it is -1."""
    reduction = legacy(size_average, reduce, reduction)
    return _cosine_loss_op(input1, input2, target, margin=float(margin), reduction=reduction)


def _triplet(a: Any, b: Any, c: Any, margin: float, p: float, eps: float, swap: bool, reduction: str) -> Any:
    near, far = _pairwise(a, b, p, eps, False), _pairwise(a, c, p, eps, False)
    if swap:
        other = _pairwise(b, c, p, eps, False)
        far = np.where(other < far, other, far)
    d = margin + near - far
    return reduced(np.where(d >= 0.0, d, 0.0), reduction)


def _choose_triplet(*types: Aval, reduction: str, **options: Any) -> Kernel:
    return converted(
        _triplet, {**LAST, "none": "ClampMin"}[reduction], types, result_dtype(types), reduction=reduction, **options
    )


_triplet_op = Op("triplet_margin_loss", _choose_triplet)


def triplet_margin_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2, eps: float = 1e-6,
    swap: bool = False, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """max(0, margin + |anchor - positive| - |anchor - negative|); swap: the nearer of anchor and positive to the negative."""
    return _triplet_op(
        anchor, positive, negative, reduction=legacy(size_average, reduce, reduction),
        margin=float(margin), p=float(p), eps=float(eps), swap=bool(swap),
    )  # fmt: skip


__all__ = [
    "cosine_embedding_loss", "cross_entropy", "nll_loss", "triplet_margin_loss",
]  # fmt: skip
