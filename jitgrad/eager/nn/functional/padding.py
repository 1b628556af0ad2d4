"""Cells added around a tensor, and tensors made larger: `pad`, `interpolate`, `pixel_shuffle`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...kernel import Aval, Kernel
from ...op import Op, converted
from ...tensor import Tensor

Widths = tuple[tuple[int, int], ...]  # (before, after) for each axis; negative: cells are taken away

MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def _padded(x: Any, widths: Widths, mode: str, value: float) -> Any:
    x = x[tuple(slice(max(-a, 0), -max(-b, 0) or None) for a, b in widths)]
    grown = tuple((max(a, 0), max(b, 0)) for a, b in widths)
    if not any(a or b for a, b in grown):
        return x.copy()
    more: dict[str, Any] = {"constant_values": value} if mode == "constant" else {}
    return np.pad(x, grown, mode, **more)  # type: ignore[call-overload]


def _choose_pad(x: Aval, widths: Widths, mode: str, value: float) -> Kernel:
    rank = sum(w != (0, 0) for w in widths) or 1
    kind = {"reflect": "Reflection", "replicate": "Replication"}.get(mode)
    node = f"{kind}Pad{rank}D" if kind else "ConstantPadNd" if mode == "constant" else "Copy.Slices"
    return converted(_padded, node, (x,), x.dtype, widths=widths, mode=MODES[mode], value=value)


_pad = Op("pad", _choose_pad)

UNSUPPORTED = (
    "Padding size {} is not supported for {}D input tensor.\n"
    "Supported combinations for non-constant padding:\n"
    "  - 2D or 3D input: padding size = 2 (pads last dimension)\n"
    "  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)\n"
    "  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)"
)


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Cells added at the ends of the last axes: (before, after) of the last, then of the one before it, and so on.

    mode: "constant" (of `value`), "reflect", "replicate" or "circular". Negative numbers take cells away.

    >>> import jitgrad.eager as torch
    >>> torch.nn.functional.pad(torch.tensor([1.0, 2.0]), (1, 2))
    tensor([0., 1., 2., 0., 0.])
    """
    rank, given = len(input.shape), tuple(int(n) for n in pad)
    if len(given) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(given) > 2 * rank:
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got padding length "
            f"{len(given)} and input of dimension {rank}"
        )
    if mode not in MODES:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if mode != "constant":
        if value is not None and value != 0:
            raise ValueError(f'Padding mode "{mode}" doesn\'t take in value argument')
        if rank - len(given) // 2 not in (1, 2):
            raise NotImplementedError(UNSUPPORTED.format(len(given), rank))
    pairs = tuple((given[k], given[k + 1]) for k in range(0, len(given), 2))
    widths = ((0, 0),) * (rank - len(pairs)) + pairs[::-1]
    for axis, (a, b) in enumerate(widths):
        n = input.shape[axis]
        if mode == "reflect" and max(a, b) >= n and (a, b) != (0, 0):
            raise RuntimeError(
                "Argument #4: Padding size should be less than the corresponding input dimension, but got: padding "
                f"({a}, {b}) at dimension {axis} of input {list(input.shape)}"
            )
        if n + a + b < 0:
            raise RuntimeError(
                f"The input size {n}, plus negative padding {a} and {b} resulted in a negative output size, which is invalid. "
                f"Check dimension {axis} of your input."
            )
    return _pad(input, widths=widths, mode=mode, value=0.0 if value is None else float(value))


# ---- nearest neighbours


def _nearest(x: Any, index: tuple[tuple[int, ...], ...], sizes: tuple[int, ...]) -> Any:
    for k, (rows, size) in enumerate(zip(index, sizes, strict=True)):
        n, axis = len(rows), x.ndim - len(index) + k
        times = n // size
        if times and rows == tuple(i // times for i in range(n)):
            x = np.repeat(x, times, axis=axis)
        else:
            x = np.take(x, np.array(rows), axis=axis)
    return x


def _choose_nearest(x: Aval, index: tuple[tuple[int, ...], ...]) -> Kernel:
    return converted(_nearest, f"UpsampleNearest{len(index)}D", (x,), x.dtype, index=index, sizes=x.shape[2:])


_nearest_op = Op("interpolate", _choose_nearest)


def interpolate(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None, antialias: bool = False,
) -> Tensor:  # fmt: skip
    """The last axes (all but the first two) of another size, or by a factor; each cell is its nearest old one (below).

    Raises NotImplementedError for the other modes.
    """
    if mode != "nearest":
        raise NotImplementedError(f"interpolate: mode {mode!r} is not supported; 'nearest' is")
    n = len(input.shape) - 2
    if (size is None) == (scale_factor is None):
        raise ValueError("only one of size or scale_factor should be defined" if size is not None else
                         "either size or scale_factor should be defined")  # fmt: skip
    given = size if scale_factor is None else scale_factor
    each = tuple(given) if isinstance(given, (tuple, list)) else (given,) * n
    old = input.shape[2:]
    new = each if scale_factor is None else tuple(int(m * f) for m, f in zip(old, each, strict=True))
    ratios = [1.0 / f if scale_factor is not None and not recompute_scale_factor else m / w
              for m, w, f in zip(old, new, each, strict=True)]  # fmt: skip
    index = tuple(
        tuple(min(int(np.floor(np.float32(k) * np.float32(r))), m - 1) for k in range(int(w)))
        for m, w, r in zip(old, new, ratios, strict=True)
    )
    return _nearest_op(input, index=index)


# ---- channels to cells


def _shuffled(x: Any, factor: int) -> Any:
    *lead, c, h, w = x.shape
    n = len(lead)
    out = x.reshape((*lead, c // factor**2, factor, factor, h, w))
    out = out.transpose((*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return out.reshape((*lead, c // factor**2, h * factor, w * factor))


def _choose_shuffle(x: Aval, factor: int) -> Kernel:
    if len(x.shape) < 3 or x.shape[-3] % factor**2:
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, but "
            f"input.size(-3)={x.shape[-3] if len(x.shape) > 2 else 0} is not divisible by {factor**2}"
        )
    return converted(_shuffled, "PixelShuffle", (x,), x.dtype, factor=factor)


_shuffle = Op("pixel_shuffle", _choose_shuffle)


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(..., c r^2, h, w) -> (..., c, h r, w r)"""
    return _shuffle(input, factor=int(upscale_factor))


__all__ = ["interpolate", "pad", "pixel_shuffle"]
