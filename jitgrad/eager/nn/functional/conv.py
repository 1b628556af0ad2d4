"""Convolutions: patches times weights, one matrix product for each sample and group.

    y[n, o, p] = bias[o] + sum over c, cell of weight[o, c, cell] * x[n, c, p * stride + cell * dilation - padding]
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...kernel import Aval, Kernel
from ...op import Op, converted
from ...tensor import Tensor
from .patches import Axes, padded, per_axis, places, spread, windows

# ---- bodies


def _convolution(
    x: Any, weight: Any, *bias: Any, kernel: Axes, stride: Axes, before: Axes, after: Axes, dilation: Axes, groups: int
) -> Any:
    n, c, o = x.shape[0], weight.shape[1], weight.shape[0]
    x = padded(x, before, after)
    cells = windows(x, kernel, stride, dilation)
    where = cells[0].shape[2:]
    count = math.prod(kernel)
    columns = np.stack(cells, axis=2) if count > 1 else cells[0]
    if groups == 1:
        y = np.matmul(weight.reshape(o, c * count), columns.reshape(n, c * count, _product(where)))
    else:
        columns = columns.reshape(n, groups, c * count, _product(where))
        y = np.matmul(weight.reshape(groups, o // groups, c * count), columns)
    y = y.reshape((n, o, *where))
    return y + _channels(bias[0], len(kernel)) if bias else y


def _product(sizes: Any) -> Any:
    out = sizes[0]
    for n in sizes[1:]:
        out = out * n
    return out


def _channels(bias: Any, n: int) -> Any:
    return bias.reshape((-1, *(1,) * n))


def _transposed(
    x: Any, weight: Any, *bias: Any, kernel: Axes, stride: Axes, padding: Axes, extra: Axes, dilation: Axes, groups: int
) -> Any:
    """The map that takes a convolution's result to its input: patches are added up where they came from."""
    n, c, where = x.shape[0], x.shape[1], x.shape[2:]
    o, count = weight.shape[1], math.prod(kernel)
    flat = x.reshape(n, groups, c // groups, _product(where))
    columns = np.matmul(weight.reshape(groups, c // groups, o * count).transpose(0, 2, 1), flat)
    columns = columns.reshape((n, groups * o, count, *where))
    size = [
        (w - 1) * s + d * (k - 1) + 1 + e for w, s, d, k, e in zip(where, stride, dilation, kernel, extra, strict=True)
    ]
    y = spread([columns[:, :, k] for k in range(count)], size, kernel, stride, dilation)
    y = y[(..., *[slice(p, m - p) for p, m in zip(padding, size, strict=True)])]
    return y + _channels(bias[0], len(kernel)) if bias else y


# ---- checks, in PyTorch's words


def _check(
    x: Aval, weight: Aval, bias: tuple[Aval, ...], n: int, stride: Axes, dilation: Axes, groups: int, back: bool
) -> None:
    name = f"conv_transpose{n}d" if back else f"conv{n}d"
    if len(x.shape) not in (n + 1, n + 2):
        raise RuntimeError(
            f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {name}, but got input of size: {list(x.shape)}"
        )
    if min(stride) <= 0:
        raise RuntimeError("non-positive stride is not supported")
    if min(dilation) <= 0:
        raise RuntimeError("dilation should be greater than zero")
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")
    if x.dtype is not weight.dtype:
        raise RuntimeError(
            f"Input type (torch.{x.dtype.legacy}Tensor) and weight type (torch.{weight.dtype.legacy}Tensor) should be the "
            "same or input should be a MKLDNN tensor and weight is a dense tensor"
        )
    if len(weight.shape) != n + 2:
        raise RuntimeError(f"weight should have {n + 2} dimensions, but got weight of size: {list(weight.shape)}")
    channels, outs = x.shape[-n - 1], weight.shape[1] * groups if back else weight.shape[0]
    wanted = weight.shape[0] if back else weight.shape[1] * groups
    if channels != wanted:
        raise RuntimeError(
            f"Given {'transposed=1' if back else f'groups={groups}'}, weight of size {list(weight.shape)}, expected "
            f"input{list(x.shape)} to have {wanted} channels, but got {channels} channels instead"
        )
    if weight.shape[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but got weight of size "
            f"{list(weight.shape)} instead"
        )
    if bias and bias[0].shape != (outs,):
        raise RuntimeError(
            f"Given {'transposed=1' if back else f'weight of size {list(weight.shape)}'}, expected bias to be 1-dimensional with "
            f"{outs} elements, but got bias of size {list(bias[0].shape)} instead"
        )


def _shown(sizes: Any) -> str:
    return "(" + " x ".join(map(str, sizes)) + ")"


def _choose(x: Aval, weight: Aval, *bias: Aval, n: int, stride: Axes, padding: Any, dilation: Axes, groups: int) -> Kernel:
    _check(x, weight, bias, n, stride, dilation, groups, back=False)
    kernel = weight.shape[2:]
    if padding == "same":
        if max(stride) > 1:
            raise RuntimeError("padding='same' is not supported for strided convolutions")
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        before = tuple(t // 2 for t in total)
        after = tuple(t - t // 2 for t in total)
    else:
        before = after = (0,) * n if padding == "valid" else padding
    if min(before) < 0:
        raise RuntimeError("negative padding is not supported")
    sizes = [m + b + a for m, b, a in zip(x.shape[-n:], before, after, strict=True)]
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    if any(s > m for s, m in zip(spans, sizes, strict=True)):
        raise RuntimeError(
            f"Calculated padded input size per channel: {_shown(sizes)}. Kernel size: {_shown(spans)}. Kernel size can't be "
            "greater than actual input size"
        )
    return converted(
        _unbatched if len(x.shape) == n + 1 else _convolution, "Convolution", (x, weight, *bias), x.dtype,
        kernel=kernel, stride=stride, before=before, after=after, dilation=dilation, groups=groups,
    )  # fmt: skip


def _unbatched(x: Any, weight: Any, *bias: Any, **options: Any) -> Any:
    return _convolution(x[None], weight, *bias, **options)[0]


def _choose_transposed(
    x: Aval, weight: Aval, *bias: Aval, n: int, stride: Axes, padding: Axes, extra: Axes, dilation: Axes, groups: int
) -> Kernel:
    _check(x, weight, bias, n, stride, dilation, groups, back=True)
    for e, s, d in zip(extra, stride, dilation, strict=True):
        if e >= max(s, d):
            raise RuntimeError(f"output padding must be smaller than either stride or dilation, but got output_padding: {e}")
    return converted(
        _transposed_unbatched if len(x.shape) == n + 1 else _transposed, "Convolution", (x, weight, *bias), x.dtype,
        kernel=weight.shape[2:], stride=stride, padding=padding, extra=extra, dilation=dilation, groups=groups,
    )  # fmt: skip


def _transposed_unbatched(x: Any, weight: Any, *bias: Any, **options: Any) -> Any:
    return _transposed(x[None], weight, *bias, **options)[0]


_conv, _conv_transpose = Op("convolution", _choose), Op("convolution", _choose_transposed)


def _padding(padding: Any, n: int) -> Any:
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise RuntimeError(f"Invalid padding string: '{padding}'")
        return padding
    return per_axis(padding, n, "padding")


def _forward(n: int, x: Tensor, weight: Tensor, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Tensor:
    return _conv(
        x, weight, *(() if bias is None else (bias,)),
        n=n, stride=per_axis(stride, n, "stride"), padding=_padding(padding, n), dilation=per_axis(dilation, n, "dilation"),
        groups=int(groups),
    )  # fmt: skip


def conv1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    """Windows over the last axis times weight. input: (n, c, length) or (c, length); weight: (o, c / groups, k)."""
    return _forward(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Tensor:  # fmt: skip
    """Windows over the last two axes times weight. input: (n, c, h, w) or (c, h, w); weight: (o, c / groups, kh, kw).

    padding: cells of zeros at each end, or "same" (as many as keep the size), or "valid" (none). Raises RuntimeError where
    shapes do not fit.

    >>> import jitgrad.eager as torch
    >>> torch.nn.functional.conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 2, 2))
    tensor([[[[4., 4.],
              [4., 4.]]]])
    """
    return _forward(2, input, weight, bias, stride, padding, dilation, groups)


def _back(
    n: int, x: Tensor, weight: Tensor, bias: Any, stride: Any, padding: Any, extra: Any, groups: int, dilation: Any
) -> Tensor:
    return _conv_transpose(
        x, weight, *(() if bias is None else (bias,)),
        n=n, stride=per_axis(stride, n, "stride"), padding=per_axis(padding, n, "padding"),
        extra=per_axis(extra, n, "output_padding"), dilation=per_axis(dilation, n, "dilation"), groups=int(groups),
    )  # fmt: skip


def conv_transpose1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """The transposed map of `conv1d`. weight: (c, o / groups, k)."""
    return _back(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, output_padding: Any = 0,
    groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """The transposed map of `conv2d`. weight: (c, o / groups, kh, kw)."""
    return _back(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


# ---- patches as columns


def _columns(x: Any, kernel: Axes, stride: Axes, padding: Axes, dilation: Axes) -> Any:
    cells = windows(padded(x, padding, padding), kernel, stride, dilation)
    where = cells[0].shape[-2:]
    columns = np.stack(cells, axis=-3)
    return columns.reshape((*x.shape[:-3], x.shape[-3] * len(cells), where[0] * where[1]))


def _choose_unfold(x: Aval, **options: Any) -> Kernel:
    if len(x.shape) not in (3, 4):
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, but got: "
            f"{list(x.shape)}"
        )
    return converted(_columns, "Im2Col", (x,), x.dtype, **options)


_unfold = Op("unfold", _choose_unfold)


def unfold(input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """The patches of (n, c, h, w) as columns: (n, c * cells of the kernel, places)."""
    kernel, step, pad, wide = (per_axis(v, 2) for v in (kernel_size, stride, padding, dilation))
    return _unfold(input, kernel=kernel, stride=step, padding=pad, dilation=wide)


def _folded(x: Any, size: Axes, kernel: Axes, stride: Axes, padding: Axes, dilation: Axes) -> Any:
    count = math.prod(kernel)
    whole = [m + 2 * p for m, p in zip(size, padding, strict=True)]
    where = [places(m, k, s, 0, d) for m, k, s, d in zip(whole, kernel, stride, dilation, strict=True)]
    cells = x.reshape((*x.shape[:-2], x.shape[-2] // count, count, *where))
    y = spread([cells[..., k, :, :] for k in range(count)], whole, kernel, stride, dilation)
    return y[(..., *[slice(p, p + m) for p, m in zip(padding, size, strict=True)])]


_fold = Op("fold", lambda x, **options: converted(_folded, "Col2Im", (x,), x.dtype, **options))


def fold(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """The transposed map of `unfold`: columns added up where they came from."""
    size, kernel, step, pad, wide = (per_axis(v, 2) for v in (output_size, kernel_size, stride, padding, dilation))
    return _fold(input, size=size, kernel=kernel, stride=step, padding=pad, dilation=wide)


__all__ = ["conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "fold", "unfold"]
