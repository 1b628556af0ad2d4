"""Attention: softmax(q k^T * scale + mask) v."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import dtypes
from ...arrays import arange, softmax
from ...kernel import Aval, Kernel
from ...op import Op, converted
from ...tensor import Tensor
from .dropout import keep_mask

MASKED = -math.inf


def _weights(q: Any, k: Any, *mask: Any, scale: float, causal: bool, chosen: bool) -> Any:
    scores = np.matmul(q * scale, np.swapaxes(k, -1, -2))
    if causal:
        rows, columns = scores.shape[-2:]
        scores = np.where(arange(columns) <= arange(rows)[:, None], scores, MASKED)
    if mask:
        scores = np.where(mask[0], scores, MASKED) if chosen else scores + mask[0]
    return softmax(scores, -1)


def _attention(q: Any, k: Any, v: Any, *more: Any, dropped: bool, keep: float, **options: Any) -> Any:
    """With dropout, the last of `more` is the mask of the weights that are kept."""
    *mask, kept = more if dropped else (*more, None)
    weights = _weights(q, k, *mask, **options)
    if dropped:
        weights = weights * (kept.astype(weights.dtype) * (1.0 / keep if keep else 0.0))
    return np.matmul(weights, v)


def _choose(q: Aval, k: Aval, v: Aval, *more: Aval, chosen: bool, **options: Any) -> Kernel:
    if not q.dtype is k.dtype is v.dtype:
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got "
            f"query.dtype: {q.dtype.name} key.dtype: {k.dtype.name} and value.dtype: {v.dtype.name} instead."
        )
    return converted(_attention, "ScaledDotProductFlashAttentionForCpu", (q, k, v), q.dtype, chosen=chosen, **options)


_op = Op("scaled_dot_product_attention", _choose)


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0, is_causal: bool = False,
    scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """softmax(query key^T * scale) value. query: (..., l, e); key: (..., s, e); value: (..., s, v); the result: (..., l, v).

    attn_mask: bools (True takes part), or numbers that are added; broadcasts to (..., l, s). is_causal: row i sees columns up to
    i. dropout_p: of the weights. scale: 1 / sqrt(e) by default. Raises NotImplementedError for enable_gqa.
    """
    if enable_gqa:
        raise NotImplementedError("scaled_dot_product_attention: enable_gqa is not supported; repeat the heads of key and value")
    if is_causal and attn_mask is not None:
        raise RuntimeError("_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True")
    more = [] if attn_mask is None else [attn_mask]
    if dropout_p > 0.0:
        shape = (*query.shape[:-1], key.shape[-2])
        more.append(keep_mask(shape, dropout_p))
    return _op(
        query, key, value, *more,
        scale=1.0 / math.sqrt(query.shape[-1]) if scale is None else float(scale), causal=bool(is_causal),
        chosen=attn_mask is not None and attn_mask.dtype is dtypes.bool, dropped=dropout_p > 0.0, keep=1.0 - dropout_p,
    )  # fmt: skip


# ---- the weights themselves, where they are asked for


def _choose_weights(q: Aval, k: Aval, *mask: Aval, **options: Any) -> Kernel:
    return converted(_weights, "Softmax", (q, k), q.dtype, **options)


_weights_op = Op("attention_weights", _choose_weights)


def attention_weights(query: Tensor, key: Tensor, mask: Tensor | None) -> Tensor:
    """softmax(query key^T / sqrt(e) + mask)"""
    more = () if mask is None else (mask,)
    chosen = mask is not None and mask.dtype is dtypes.bool
    return _weights_op(query, key, *more, scale=1.0 / math.sqrt(query.shape[-1]), causal=False, chosen=chosen)


__all__ = ["scaled_dot_product_attention"]
