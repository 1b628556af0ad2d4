"""How far predictions are from targets, cell by cell: (input, target) -> one number (or, with reduction="none", one per cell).

Every loss is one kernel. What is not smooth has PyTorch's derivative at the kink.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ... import dtypes
from ...arrays import xlogy
from ...kernel import Aval, Kernel
from ...op import Op, check_broadcast, converted, result_dtype
from ...run import known
from ...tensor import Tensor
from .reduce import legacy, reduced, valid

# ---- bodies: one loss for each cell


def _squared(x: Any, t: Any) -> Any:
    return (x - t) * (x - t)


def _absolute(x: Any, t: Any) -> Any:
    return np.abs(x - t)


def _smooth(x: Any, t: Any, beta: float) -> Any:
    d = np.abs(x - t)
    return np.where(d < beta, (0.5 / beta) * (x - t) * (x - t), d - 0.5 * beta)


def _huber(x: Any, t: Any, delta: float) -> Any:
    d = np.abs(x - t)
    return np.where(d < delta, 0.5 * (x - t) * (x - t), delta * (d - 0.5 * delta))


def _log_floor(x: Any) -> Any:
    """log(x), at least -100: a prediction of 0 or 1 does not cost infinitely much."""
    y = np.log(x)
    return np.where(y > -100.0, y, -100.0)


def _cross(x: Any, t: Any) -> Any:
    return -(t * _log_floor(x) + (1.0 - t) * _log_floor(1.0 - x))


def _cross_logits(x: Any, t: Any) -> Any:
    """-(t log s(x) + (1 - t) log s(-x)), with log s(-x) = log s(x) - x"""
    return (1.0 - t) * x + np.logaddexp(-x, 0.0)


def _cross_logits_positive(x: Any, t: Any, positive: Any) -> Any:
    """The same with log s(x) weighted by `positive` where t = 1."""
    return (1.0 - t) * x + (1.0 + (positive - 1.0) * t) * np.logaddexp(-x, 0.0)


def _divergence(x: Any, t: Any) -> Any:
    return xlogy(t, t) - t * x


def _divergence_log(x: Any, t: Any) -> Any:
    return np.exp(t) * (t - x)


def _soft_margin(x: Any, t: Any) -> Any:
    return np.logaddexp(-t * x, 0.0)


def _poisson(x: Any, t: Any, log_input: bool, full: bool, eps: float) -> Any:
    loss = np.exp(x) - t * x if log_input else x - t * np.log(x + eps)
    if not full:
        return loss
    above = np.where(t > 1, t, 2.0)  # Stirling's approximation of log t!
    return loss + np.where(t > 1, above * np.log(above) - above + 0.5 * np.log(2.0 * np.pi * above), 0.0)


def _gaussian(x: Any, t: Any, variance: Any, full: bool, eps: float) -> Any:
    v = np.where(variance > eps, variance, eps)
    loss = 0.5 * (np.log(v) + (x - t) * (x - t) / v)
    return loss + 0.5 * float(np.log(2.0 * np.pi)) if full else loss


def _ranking(x1: Any, x2: Any, t: Any, margin: float) -> Any:
    below = margin - t * (x1 - x2)
    return np.where(below >= 0.0, below, 0.0)


def _hinge(x: Any, t: Any, margin: float) -> Any:
    below = margin - x
    return np.where(t != -1, x, 0.0) + np.where(t != 1, np.where(below >= 0.0, below, 0.0), 0.0)


# ---- a loss of every cell as an operation


def _whole(*arrays: Any, each: Any, reduction: str, weighted: bool = False, options: tuple[tuple[str, Any], ...] = ()) -> Any:
    if not weighted:
        return reduced(each(*arrays, **dict(options)), reduction)
    return reduced(each(*arrays[:-1], **dict(options)) * arrays[-1], reduction)


def loss(name: str, body: Callable[..., Any], node: str | dict[str, str], spread: bool = False) -> Op:
    """node: PyTorch's name of the last step; where that is the reduction, by reduction.

    spread: tensors without axes count like the others for the dtype of the result, as they are broadcast first.
    """

    def choose(*types: Aval, reduction: str, weighted: bool = False, **options: Any) -> Kernel:
        check_broadcast(types)
        to = dtypes.result_type([t.dtype for t in types], [], []) if spread else result_dtype(types)
        if not to.is_floating_point:
            raise NotImplementedError(f"\"{name}_cpu\" not implemented for '{to.legacy}'")
        label = node if isinstance(node, str) else node[reduction]
        return converted(
            _whole, label, types, to, each=body, reduction=reduction, weighted=weighted, options=tuple(options.items())
        )

    return Op(name, choose)


LAST = {"mean": "Mean", "sum": "Sum", "batchmean": "Div"}

_mse = loss("mse", _squared, "MseLoss", spread=True)
_l1 = loss("l1", _absolute, {**LAST, "none": "Abs"}, spread=True)
_smooth_l1 = loss("smooth_l1", _smooth, "SmoothL1Loss", spread=True)
_huber_op = loss("huber", _huber, "HuberLoss")
_bce = loss("binary_cross_entropy", _cross, "BinaryCrossEntropy")
_bce_logits = loss("binary_cross_entropy_with_logits", _cross_logits, "BinaryCrossEntropyWithLogits")
_bce_positive = loss("binary_cross_entropy_with_logits", _cross_logits_positive, "BinaryCrossEntropyWithLogits")
_kl = loss("kl_div", _divergence, {**LAST, "none": "Sub"})
_kl_log = loss("kl_div", _divergence_log, {**LAST, "none": "Mul"})
_soft = loss("soft_margin_loss", _soft_margin, "SoftMarginLoss")
_poisson_op = loss("poisson_nll_loss", _poisson, {**LAST, "none": "Sub"})
_gaussian_op = loss("gaussian_nll_loss", _gaussian, {**LAST, "none": "Mul"})
_ranking_op = loss("margin_ranking_loss", _ranking, {**LAST, "none": "ClampMin"})
_hinge_op = loss("hinge_embedding_loss", _hinge, {**LAST, "none": "Add"})


def warn_sizes(x: Tensor, t: Tensor) -> None:
    if x.shape != t.shape:
        warnings.warn(
            f"Using a target size ({t.shape}) that is different to the input size ({x.shape}). This will likely lead to "
            "incorrect results due to broadcasting. Please ensure they have the same size.",
            UserWarning,
            stacklevel=3,
        )


def _weighted(op: Op, x: Tensor, t: Tensor, weight: Tensor | None, reduction: str, **options: Any) -> Tensor:
    """With a weight for each cell; the mean is that of the weights."""
    if weight is None:
        return op(x, t, reduction=reduction, **options)
    total = op(x, t, weight, reduction="sum" if reduction == "mean" else reduction, weighted=True, **options)
    return total / weight.sum() if reduction == "mean" else total


def mse_loss(
    input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """(input - target)^2.

    >>> import jitgrad.eager as torch
    >>> torch.nn.functional.mse_loss(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 0.0]))
    tensor(2.5000)
    """
    warn_sizes(input, target)
    return _weighted(_mse, input, target, weight, legacy(size_average, reduce, reduction))


def l1_loss(
    input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """|input - target|."""
    warn_sizes(input, target)
    return _weighted(_l1, input, target, weight, legacy(size_average, reduce, reduction))


def smooth_l1_loss(
    input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean", beta: float = 1.0
) -> Tensor:
    """The square over 2 beta where |input - target| is below beta, |input - target| - beta / 2 elsewhere."""
    warn_sizes(input, target)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    reduction = legacy(size_average, reduce, reduction)
    if beta == 0:
        return _l1(input, target, reduction=reduction)
    return _smooth_l1(input, target, reduction=reduction, beta=float(beta))


def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """Half the square where |input - target| is below delta, delta (|input - target| - delta / 2) elsewhere."""
    warn_sizes(input, target)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    return _weighted(_huber_op, input, target, weight, valid(reduction), delta=float(delta))


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """-(target log(input) + (1 - target) log(1 - input)), logarithms at least -100. input: probabilities."""
    if input.shape != target.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) is deprecated. Please "
            "ensure they have the same size."
        )
    if target.dtype is not input.dtype:
        raise RuntimeError(f"Found dtype {target.dtype.legacy} but expected {input.dtype.legacy}")
    reduction = legacy(size_average, reduce, reduction)
    if weight is None:
        return _bce(input, target, reduction=reduction)
    return _bce(input, target, weight, reduction=reduction, weighted=True)


def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean", pos_weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """`binary_cross_entropy` of sigmoid(input), without overflow. pos_weight: of the cells where target is 1."""
    if input.shape != target.shape:
        raise ValueError(f"Target size ({target.shape}) must be the same as input size ({input.shape})")
    more = () if weight is None else (weight,)
    options = {"reduction": legacy(size_average, reduce, reduction), "weighted": weight is not None}
    if pos_weight is None:
        return _bce_logits(input, target, *more, **options)
    return _bce_positive(input, target, pos_weight, *more, **options)


MEAN_OF_KL = (
    "reduction: 'mean' divides the total loss by both the batch size and the support size.'batchmean' divides only by the batch "
    "size, and aligns with the KL div math definition.'mean' will be changed to behave the same as 'batchmean' in the next major "
    "release."
)


def kl_div(
    input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean", log_target: bool = False
) -> Tensor:
    """target (log(target) - input), for logarithms of probabilities as input. log_target: the target is logarithms too.

    reduction="batchmean" is the sum over the first axis' size, which is the divergence.
    """
    reduction = legacy(size_average, reduce, reduction, "batchmean")
    if reduction == "mean":
        warnings.warn(MEAN_OF_KL, UserWarning, stacklevel=2)
    return (_kl_log if log_target else _kl)(input, target, reduction=reduction)


def soft_margin_loss(
    input: Tensor, target: Tensor, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Tensor:
    """log(1 + exp(-target input)), for targets 1 and -1."""
    return _soft(input, target, reduction=legacy(size_average, reduce, reduction))


def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool = True, full: bool = False, size_average: Any = None, eps: float = 1e-8,
    reduce: Any = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """exp(input) - target input (with log_input=False: input - target log(input)); full: with Stirling's log(target!)."""
    reduction = legacy(size_average, reduce, reduction)
    return _poisson_op(input, target, reduction=reduction, log_input=bool(log_input), full=bool(full), eps=float(eps))


def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Tensor, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """(log(var) + (input - target)^2 / var) / 2, for var at least eps; full: with its constant."""
    if (known(var._value()) < 0).any():
        raise ValueError("var has negative entry/entries")
    return _gaussian_op(input, target, var, reduction=valid(reduction), full=bool(full), eps=float(eps))


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, size_average: Any = None, reduce: Any = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """max(0, margin - target (input1 - input2)), for targets 1 and -1."""
    return _ranking_op(input1, input2, target, reduction=legacy(size_average, reduce, reduction), margin=float(margin))


def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Tensor:
    """input where target is 1, max(0, margin - input) where it is -1, their sum elsewhere."""
    return _hinge_op(input, target, reduction=legacy(size_average, reduce, reduction), margin=float(margin))


__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "gaussian_nll_loss", "hinge_embedding_loss", "huber_loss",
    "kl_div", "l1_loss", "margin_ranking_loss", "mse_loss", "poisson_nll_loss", "smooth_l1_loss", "soft_margin_loss",
]  # fmt: skip
