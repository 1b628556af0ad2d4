"""Normalisation: subtract the mean, divide by the standard deviation, over a group of axes; then scale and shift.

    y = (x - mean) / sqrt(var + eps) * weight + bias
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...kernel import Aval, Kernel
from ...modes import no_grad
from ...op import Op, converted, result_dtype
from ...run import soon
from ...tensor import Tensor

# ---- bodies


def _standard(x: Any, axes: tuple[int, ...], eps: float) -> Any:
    centred = x - np.mean(x, axis=axes, keepdims=True)
    return centred / np.sqrt(np.mean(centred * centred, axis=axes, keepdims=True) + eps)


def _affine(y: Any, given: tuple[Any, ...], shape: tuple[int, ...] | None, scale: bool, shift: bool) -> Any:
    """Times the first of what is given, plus the next, each broadcast from this shape."""
    rest = [v if shape is None else v.reshape(shape) for v in given]
    y = y * rest[0] if scale else y
    return y + rest[-1] if shift else y


def _layer(x: Any, *more: Any, axes: tuple[int, ...], eps: float, scale: bool, shift: bool) -> Any:
    return _affine(_standard(x, axes, eps), more, None, scale, shift)


def _rms(x: Any, *more: Any, axes: tuple[int, ...], eps: float, scale: bool) -> Any:
    y = x / np.sqrt(np.mean(x * x, axis=axes, keepdims=True) + eps)
    return y * more[0] if scale else y


def _channels(rank: int) -> tuple[int, ...]:
    return (-1, *(1,) * (rank - 2))


def _others(rank: int) -> tuple[int, ...]:
    return (0, *range(2, rank))


def _batch(x: Any, *more: Any, eps: float, scale: bool, shift: bool) -> Any:
    return _affine(_standard(x, _others(x.ndim), eps), more, _channels(x.ndim), scale, shift)


def _fixed(x: Any, mean: Any, var: Any, *more: Any, eps: float, scale: bool, shift: bool) -> Any:
    shape = _channels(x.ndim)
    y = (x - mean.reshape(shape)) / np.sqrt(var.reshape(shape) + eps)
    return _affine(y, more, shape, scale, shift)


def _moved_mean(old: Any, x: Any, momentum: Any) -> Any:
    return (1.0 - momentum) * old + momentum * np.mean(x, axis=_others(x.ndim))


def _moved_var(old: Any, x: Any, momentum: Any) -> Any:
    axes = _others(x.ndim)
    centred = x - np.mean(x, axis=axes, keepdims=True)
    count = x.shape[0]
    for n in x.shape[2:]:
        count = count * n
    return (1.0 - momentum) * old + momentum * (np.sum(centred * centred, axis=axes) / (count - 1))


def _group(x: Any, *more: Any, groups: int, eps: float, scale: bool, shift: bool) -> Any:
    n, c = x.shape[:2]
    grouped = x.reshape((n, groups, c // groups, *x.shape[2:]))
    y = _standard(grouped, tuple(range(2, grouped.ndim)), eps).reshape(x.shape)
    return _affine(y, more, _channels(x.ndim), scale, shift)


# ---- operations


def _normalised(shape: Any) -> tuple[int, ...]:
    return (int(shape),) if isinstance(shape, int) else tuple(int(n) for n in shape)


def _check_shape(x: Aval, shape: tuple[int, ...], given: dict[str, Aval | None]) -> None:
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got "
            "normalized_shape = []"
        )
    for name, t in given.items():
        if t is not None and t.shape != shape:
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape {list(t.shape)} and "
                f"normalized_shape = {list(shape)}"
            )
    if x.shape[-len(shape) :] != shape:
        wanted = ", ".join(["*", *map(str, shape)])
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [{wanted}], but got input of size{list(x.shape)}"
        )


def _choose_layer(x: Aval, *more: Aval, shape: tuple[int, ...], eps: float, scale: bool, shift: bool) -> Kernel:
    _check_shape(x, shape, {"weight": more[0] if scale else None, "bias": more[-1] if shift else None})
    axes = tuple(range(len(x.shape) - len(shape), len(x.shape)))
    return converted(_layer, "NativeLayerNorm", (x, *more), x.dtype, axes=axes, eps=eps, scale=scale, shift=shift)


def _choose_rms(x: Aval, *more: Aval, shape: tuple[int, ...], eps: float | None, scale: bool) -> Kernel:
    _check_shape(x, shape, {"weight": more[0] if scale else None})
    axes = tuple(range(len(x.shape) - len(shape), len(x.shape)))
    smallest = float(np.finfo(x.dtype.compute).eps) if eps is None else eps
    return converted(_rms, "Mul", (x, *more), x.dtype, axes=axes, eps=smallest, scale=scale)


_layer_op, _rms_op = Op("layer_norm", _choose_layer), Op("rms_norm", _choose_rms)


def _some(*given: Tensor | None) -> list[Tensor]:
    return [t for t in given if t is not None]


def layer_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Mean 0 and variance 1 over the last axes, which have the shape `normalized_shape`; times weight, plus bias.

    >>> import jitgrad.eager as torch
    >>> torch.nn.functional.layer_norm(torch.tensor([[1.0, 3.0]]), (2,), eps=0.0)
    tensor([[-1.,  1.]])
    """
    return _layer_op(
        input, *_some(weight, bias), shape=_normalised(normalized_shape), eps=float(eps), scale=weight is not None,
        shift=bias is not None,
    )  # fmt: skip


def rms_norm(input: Tensor, normalized_shape: Any, weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    """Divided by the root of the mean square over the last axes; times weight."""
    return _rms_op(input, *_some(weight), shape=_normalised(normalized_shape), eps=eps, scale=weight is not None)


def _batch_op(body: Any, instance: bool = False) -> Op:
    def choose(x: Aval, *more: Aval, **options: Any) -> Kernel:
        for t in more:
            if t.shape != (x.shape[1],):
                raise RuntimeError(f"expected {x.shape[1]} elements for each channel, not {list(t.shape)}")
        return converted(body, "View" if instance else "NativeBatchNorm", (x, *more), x.dtype, **options)

    return Op("batch_norm", choose)


def _instance(x: Any, *more: Any, eps: float, scale: bool, shift: bool) -> Any:
    y = _standard(x, tuple(range(2, x.ndim)), eps)
    return _affine(y, more, _channels(x.ndim), scale, shift)


def _moving(body: Any) -> Op:
    return Op("moving", lambda old, x, momentum: converted(body, "", (old, x, momentum), result_dtype((old, x))))


_batch_norm, _fixed_norm, _instance_norm = _batch_op(_batch), _batch_op(_fixed), _batch_op(_instance, True)
_new_mean, _new_var = _moving(_moved_mean), _moving(_moved_var)


def batch_norm(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None = None,
    bias: Tensor | None = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Mean 0 and variance 1 of each channel (axis 1); times weight, plus bias.

    training: over the batch, whose mean and (unbiased) variance then move running_mean and running_var by `momentum`; else with
    those. Raises ValueError for a batch with one value for each channel.
    """
    channels = input.shape[1]
    for name, t in (("running_mean", running_mean), ("running_var", running_var), ("weight", weight), ("bias", bias)):
        if t is not None and t.numel() != channels:
            raise RuntimeError(f"{name} should contain {channels} elements not {t.numel()}")
    options: dict[str, Any] = {"eps": float(eps), "scale": weight is not None, "shift": bias is not None}
    if not training:
        if running_mean is None or running_var is None:
            raise RuntimeError("Expected running_mean and running_var to be defined when training=False")
        return _fixed_norm(input, running_mean, running_var, *_some(weight, bias), **options)
    if input.numel() == channels:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {input.shape}")
    if running_mean is not None and running_var is not None:
        with no_grad():
            for old, moved in ((running_mean, _new_mean), (running_var, _new_var)):
                old._write(moved(old, input, float(momentum)).to(old.dtype))
                soon(old._value())
    return _batch_norm(input, *_some(weight, bias), **options)


def instance_norm(
    input: Tensor, running_mean: Tensor | None = None, running_var: Tensor | None = None, weight: Tensor | None = None,
    bias: Tensor | None = None, use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Mean 0 and variance 1 of each channel of each sample; times weight, plus bias. Running statistics are not kept."""
    options: dict[str, Any] = {"eps": float(eps), "scale": weight is not None, "shift": bias is not None}
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise RuntimeError("Expected running_mean and running_var to be defined when use_input_stats=False")
        return _fixed_norm(input, running_mean, running_var, *_some(weight, bias), **options)
    if running_mean is not None or running_var is not None:
        raise NotImplementedError("instance_norm: running statistics are not supported")
    if input.numel() == input.shape[0] * input.shape[1]:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {input.shape}")
    return _instance_norm(input, *_some(weight, bias), **options)


def _choose_group(x: Aval, *more: Aval, groups: int, **options: Any) -> Kernel:
    if x.shape[1] % groups:
        raise RuntimeError(
            f"Expected number of channels in input to be divisible by num_groups, but got input of shape {list(x.shape)} and "
            f"num_groups={groups}"
        )
    for t in more:
        if t.shape != (x.shape[1],):
            raise RuntimeError(
                "Expected weight to be a vector of size equal to the number of channels in input, but got weight of shape "
                f"{list(t.shape)} and input of shape {list(x.shape)}"
            )
    return converted(_group, "NativeGroupNorm", (x, *more), x.dtype, groups=groups, **options)


_group_op = Op("group_norm", _choose_group)


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Mean 0 and variance 1 over each group of channels of each sample; times weight, plus bias (of each channel)."""
    return _group_op(
        input, *_some(weight, bias), groups=int(num_groups), eps=float(eps), scale=weight is not None, shift=bias is not None
    )


__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "rms_norm"]
