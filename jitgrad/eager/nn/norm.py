"""Normalisation as modules."""

from __future__ import annotations

from typing import Any

from ..creation import ones, tensor, zeros
from ..dtypes import int64
from ..tensor import Tensor, of_buffer
from . import functional as F
from .module import Module
from .parameter import Parameter


def _ones(shape: Any, device: Any, dtype: Any) -> Parameter:
    return Parameter(ones(tuple(shape), device=device, dtype=dtype))


def _zeros(shape: Any, device: Any, dtype: Any) -> Parameter:
    return Parameter(zeros(tuple(shape), device=device, dtype=dtype))


class LayerNorm(Module):
    """Mean 0 and variance 1 over the last axes, then times weight, plus bias."""

    def __init__(
        self, normalized_shape: Any, eps: float = 1e-5, elementwise_affine: bool = True, bias: bool = True, device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        shape = self.normalized_shape
        self.register_parameter("weight", _ones(shape, device, dtype) if elementwise_affine else None)
        self.register_parameter("bias", _zeros(shape, device, dtype) if elementwise_affine and bias else None)

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """Divided by the root of the mean square over the last axes, then times weight."""

    def __init__(
        self, normalized_shape: Any, eps: float | None = None, elementwise_affine: bool = True, device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.normalized_shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.register_parameter("weight", _ones(self.normalized_shape, device, dtype) if elementwise_affine else None)

    def forward(self, input: Tensor) -> Tensor:
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Module):
    """Mean 0 and variance 1 over each group of channels, then times weight, plus bias."""

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, device: Any = None, dtype: Any = None,
        *, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self.register_parameter("weight", _ones((num_channels,), device, dtype) if affine else None)
        self.register_parameter("bias", _zeros((num_channels,), device, dtype) if affine and bias else None)

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, bias={self.bias is not None}"


class _Channels(Module):
    """What batch and instance norm share: weight and bias for each channel, and running statistics."""

    ranks: tuple[int, ...] = ()

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
        track_running_stats: bool = True, device: Any = None, dtype: Any = None, *, bias: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        shape = (num_features,)
        self.register_parameter("weight", _ones(shape, device, dtype) if affine else None)
        self.register_parameter("bias", _zeros(shape, device, dtype) if affine and bias else None)
        kept = track_running_stats
        self.register_buffer("running_mean", zeros(shape, device=device, dtype=dtype) if kept else None)
        self.register_buffer("running_var", ones(shape, device=device, dtype=dtype) if kept else None)
        self.register_buffer("num_batches_tracked", tensor(0, dtype=int64) if kept else None)

    def reset_running_stats(self) -> None:
        """Forget the running statistics."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def _check(self, input: Tensor) -> None:
        if len(input.shape) not in self.ranks:
            wanted = " or ".join(f"{n}D" for n in self.ranks)
            raise ValueError(f"expected {wanted} input (got {len(input.shape)}D input)")

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_Channels):
    """Mean 0 and variance 1 of each channel over the batch (in evaluation: of what was seen in training)."""

    def forward(self, input: Tensor) -> Tensor:
        self._check(input)
        momentum = self.momentum
        if self.training and self.num_batches_tracked is not None:
            count = self.num_batches_tracked
            seen = count._buffer() + 1
            count._write(of_buffer(seen, count._node.aval))
            momentum = 1.0 / float(seen) if momentum is None else momentum
        whole = self.training or self.running_mean is None
        keep = self.track_running_stats or not self.training
        return F.batch_norm(
            input, self.running_mean if keep else None, self.running_var if keep else None, self.weight, self.bias, whole,
            0.0 if momentum is None else momentum, self.eps,
        )  # fmt: skip


class BatchNorm1d(_BatchNorm):
    """Batch norm of (n, c) or (n, c, length)."""

    ranks = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch norm of (n, c, h, w)."""

    ranks = (4,)


class BatchNorm3d(_BatchNorm):
    """Batch norm of (n, c, d, h, w)."""

    ranks = (5,)


class _InstanceNorm(_Channels):
    """Mean 0 and variance 1 of each channel of each sample. Running statistics are not supported."""

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, affine: bool = False,
        track_running_stats: bool = False, device: Any = None, dtype: Any = None, *, bias: bool = True,
    ) -> None:  # fmt: skip
        if track_running_stats:
            raise NotImplementedError(f"{type(self).__name__}: track_running_stats is not supported")
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check(input)
        if len(input.shape) == self.ranks[0]:  # one sample
            return F.instance_norm(input.unsqueeze(0), weight=self.weight, bias=self.bias, eps=self.eps).squeeze(0)
        return F.instance_norm(input, weight=self.weight, bias=self.bias, eps=self.eps)


class InstanceNorm1d(_InstanceNorm):
    """Instance norm of (n, c, length) or (c, length)."""

    ranks = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Instance norm of (n, c, h, w) or (c, h, w)."""

    ranks = (3, 4)


__all__ = [
    "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "GroupNorm", "InstanceNorm1d", "InstanceNorm2d", "LayerNorm", "RMSNorm",
]  # fmt: skip
