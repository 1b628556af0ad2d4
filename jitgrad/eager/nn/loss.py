"""Losses as modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..tensor import Tensor
from . import functional as F
from .functional.reduce import legacy
from .module import Module


class _Loss(Module):
    """A loss with its options. `function`: what it is; `options`: its arguments with their defaults; `tensors`: those that are
    buffers."""

    function: Callable[..., Tensor]
    options: dict[str, Any] = {}
    tensors: tuple[str, ...] = ()
    order: tuple[str, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        if len(args) > len(self.order):
            raise TypeError(f"{type(self).__name__}.__init__() takes at most {len(self.order) + 1} positional arguments")
        given = dict(zip(self.order, args, strict=False))
        for name in kwargs:
            if name not in self.order or name in given:
                raise TypeError(f"{type(self).__name__}.__init__() got an unexpected keyword argument '{name}'")
        given |= kwargs
        average, reduce = given.pop("size_average", None), given.pop("reduce", None)
        values = {**self.options, **given}
        if "reduction" in values and (average is not None or reduce is not None):
            values["reduction"] = legacy(average, reduce, values["reduction"])
        for name, value in values.items():
            if name in self.tensors:
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)

    def forward(self, *inputs: Tensor) -> Tensor:
        return type(self).function(*inputs, **{name: getattr(self, name) for name in self.options})


OLD = ("size_average", "reduce", "reduction")


def _loss(
    name: str, function: Callable[..., Tensor], order: tuple[str, ...], tensors: tuple[str, ...] = (), **options: Any
) -> type:
    doc = (function.__doc__ or name).split("\n")[0]
    body = {
        "function": staticmethod(function), "options": {**options, "reduction": "mean"}, "order": order, "tensors": tensors,
        "__doc__": doc, "__module__": __name__,
    }  # fmt: skip
    return type(name, (_Loss,), body)


MSELoss = _loss("MSELoss", F.mse_loss, OLD)
L1Loss = _loss("L1Loss", F.l1_loss, OLD)
SmoothL1Loss = _loss("SmoothL1Loss", F.smooth_l1_loss, (*OLD, "beta"), beta=1.0)
HuberLoss = _loss("HuberLoss", F.huber_loss, ("reduction", "delta"), delta=1.0)
CrossEntropyLoss = _loss(
    "CrossEntropyLoss", F.cross_entropy, ("weight", "size_average", "ignore_index", "reduce", "reduction", "label_smoothing"),
    ("weight",), weight=None, ignore_index=-100, label_smoothing=0.0,
)  # fmt: skip
NLLLoss = _loss(
    "NLLLoss", F.nll_loss, ("weight", "size_average", "ignore_index", "reduce", "reduction"), ("weight",),
    weight=None, ignore_index=-100,
)  # fmt: skip
BCELoss = _loss("BCELoss", F.binary_cross_entropy, ("weight", *OLD), ("weight",), weight=None)
BCEWithLogitsLoss = _loss(
    "BCEWithLogitsLoss", F.binary_cross_entropy_with_logits, ("weight", *OLD, "pos_weight"), ("weight", "pos_weight"),
    weight=None, pos_weight=None,
)  # fmt: skip
KLDivLoss = _loss("KLDivLoss", F.kl_div, (*OLD, "log_target"), log_target=False)
SoftMarginLoss = _loss("SoftMarginLoss", F.soft_margin_loss, OLD)
MarginRankingLoss = _loss("MarginRankingLoss", F.margin_ranking_loss, ("margin", *OLD), margin=0.0)
HingeEmbeddingLoss = _loss("HingeEmbeddingLoss", F.hinge_embedding_loss, ("margin", *OLD), margin=1.0)
CosineEmbeddingLoss = _loss("CosineEmbeddingLoss", F.cosine_embedding_loss, ("margin", *OLD), margin=0.0)
TripletMarginLoss = _loss(
    "TripletMarginLoss", F.triplet_margin_loss, ("margin", "p", "eps", "swap", *OLD), margin=1.0, p=2.0, eps=1e-6, swap=False
)
PoissonNLLLoss = _loss(
    "PoissonNLLLoss", F.poisson_nll_loss, ("log_input", "full", "size_average", "eps", "reduce", "reduction"),
    log_input=True, full=False, eps=1e-8,
)  # fmt: skip


class GaussianNLLLoss(Module):
    """The negative logarithm of a normal density: (input, target, var)."""

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__()
        self.full, self.eps, self.reduction = full, eps, reduction

    def forward(self, input: Tensor, target: Tensor, var: Tensor) -> Tensor:
        return F.gaussian_nll_loss(input, target, var, full=self.full, eps=self.eps, reduction=self.reduction)


class CosineSimilarity(Module):
    """The cosine of the angle between vectors along an axis."""

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """The norm of the difference of vectors along the last axis."""

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CosineEmbeddingLoss", "CosineSimilarity", "CrossEntropyLoss", "GaussianNLLLoss",
    "HingeEmbeddingLoss", "HuberLoss", "KLDivLoss", "L1Loss", "MSELoss", "MarginRankingLoss", "NLLLoss", "PairwiseDistance",
    "PoissonNLLLoss", "SmoothL1Loss", "SoftMarginLoss", "TripletMarginLoss",
]  # fmt: skip
