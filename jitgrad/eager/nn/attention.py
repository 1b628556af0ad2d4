"""Attention with several heads, and the encoder of the transformer."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from .. import dtypes
from ..masks import where
from ..tensor import Tensor
from . import functional as F
from . import init
from .containers import ModuleList
from .dropout import Dropout
from .functional.attention import attention_weights
from .layers import Linear, parameter
from .module import Module
from .norm import LayerNorm


class NonDynamicallyQuantizableLinear(Linear):
    """A `Linear`; the name is PyTorch's for the last layer of an attention."""


class MultiheadAttention(Module):
    """softmax(q k^T / sqrt(e)) v for several heads of e = embed_dim / num_heads each: (output, weights).

    query: (l, n, embed_dim), key and value: (s, n, .), with batch_first (n, l, embed_dim) and so on; without the axis n for a
    single sequence. Masks are True where nothing may be seen, or numbers that are added.
    """

    def __init__(
        self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True, add_bias_kv: bool = False,
        add_zero_attn: bool = False, kdim: int | None = None, vdim: int | None = None, batch_first: bool = False,
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"embed_dim and num_heads must be greater than 0, got embed_dim={embed_dim} and num_heads={num_heads} instead"
            )
        assert embed_dim % num_heads == 0, "embed_dim must be divisible by num_heads"
        if add_bias_kv or add_zero_attn:
            raise NotImplementedError("MultiheadAttention: add_bias_kv and add_zero_attn are not supported")
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.kdim, self.vdim = embed_dim if kdim is None else kdim, embed_dim if vdim is None else vdim
        self.dropout, self.batch_first = dropout, batch_first
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        if self._qkv_same_embed_dim:
            self.in_proj_weight = parameter((3 * embed_dim, embed_dim), device, dtype)
            for name in ("q", "k", "v"):
                self.register_parameter(f"{name}_proj_weight", None)
        else:
            for name, size in (("q", embed_dim), ("k", self.kdim), ("v", self.vdim)):
                setattr(self, f"{name}_proj_weight", parameter((embed_dim, size), device, dtype))
            self.register_parameter("in_proj_weight", None)
        self.register_parameter("in_proj_bias", parameter((3 * embed_dim,), device, dtype) if bias else None)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias=bias, device=device, dtype=dtype)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for w in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if w is not None:
                init.xavier_uniform_(w)
        if self.in_proj_bias is not None:
            init.constant_(self.in_proj_bias, 0.0)
            init.constant_(self.out_proj.bias, 0.0)

    def _projected(self, query: Tensor, key: Tensor, value: Tensor) -> list[Tensor]:
        """q, k, v, each (n, heads, length, head_dim)."""
        e, bias = self.embed_dim, self.in_proj_bias
        biases = [None] * 3 if bias is None else [bias[k * e : (k + 1) * e] for k in range(3)]
        if self._qkv_same_embed_dim and query is key and key is value:
            whole = F.linear(query, self.in_proj_weight, bias)
            parts = [whole[..., k * e : (k + 1) * e] for k in range(3)]
        else:
            weights = (
                [self.in_proj_weight[k * e : (k + 1) * e] for k in range(3)] if self._qkv_same_embed_dim
                else [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
            )  # fmt: skip
            parts = [F.linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=True)]
        return [p.reshape((*p.shape[:2], self.num_heads, self.head_dim)).permute(1, 2, 0, 3) for p in parts]

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | None = None, need_weights: bool = True,
        attn_mask: Tensor | None = None, average_attn_weights: bool = True, is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        if is_causal and attn_mask is None:
            raise RuntimeError("Need attn_mask if specifying the is_causal hint.")
        single = len(query.shape) == 2
        if len(query.shape) not in (2, 3):
            raise AssertionError(
                f"query should be unbatched 2D or batched 3D tensor but received {len(query.shape)}-D query tensor"
            )
        if query.shape[-1] != self.embed_dim:
            raise AssertionError(f"was expecting embedding dimension of {self.embed_dim}, but got {query.shape[-1]}")
        q, k, v = self._projected(*self._in_time_order(query, key, value, single))
        mask = self._mask(attn_mask, key_padding_mask, q, k, single)
        p = self.dropout if self.training else 0.0
        weights = None
        if need_weights:
            weights = F.dropout(attention_weights(q, k, mask), p, self.training)
            out = weights @ v
        else:
            out = F.scaled_dot_product_attention(q, k, v, mask, p)
        out = self.out_proj(out.permute(2, 0, 1, 3).reshape((q.shape[2], q.shape[0], self.embed_dim)))
        if single:
            out = out.squeeze(1)
        elif self.batch_first:
            out = out.transpose(0, 1)
        if weights is not None:
            weights = weights.mean(1) if average_attn_weights else weights
            weights = weights.squeeze(0) if single else weights
        return out, weights

    def _in_time_order(self, query: Tensor, key: Tensor, value: Tensor, single: bool) -> list[Tensor]:
        """(length, n, features), the same tensors as the same objects."""
        found: dict[int, Tensor] = {}
        for x in (query, key, value):
            if id(x) not in found:
                found[id(x)] = x.unsqueeze(1) if single else x.transpose(0, 1) if self.batch_first else x
        return [found[id(x)] for x in (query, key, value)]

    def _mask(self, attn: Tensor | None, padding: Tensor | None, q: Tensor, k: Tensor, single: bool) -> Tensor | None:
        """What is added to the scores, to be broadcast to (n, heads, l, s)."""
        masks = []
        if attn is not None:
            (n, heads, rows), columns = q.shape[:3], k.shape[2]
            wanted = (rows, columns) if len(attn.shape) == 2 else (n * heads, rows, columns)
            if tuple(attn.shape) != wanted:
                raise RuntimeError(
                    f"The shape of the {len(attn.shape)}D attn_mask is {attn.shape}, but should be {wanted}."
                )
            masks.append(attn if len(attn.shape) == 2 else attn.reshape((n, heads, rows, columns)))
        if padding is not None:
            masks.append((padding.unsqueeze(0) if single else padding)[:, None, None, :])
        added = [where(m, float("-inf"), 0.0).to(q.dtype) if m.dtype is dtypes.bool else m for m in masks]
        return None if not added else added[0] if len(added) == 1 else added[0] + added[1]


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "gelu": F.gelu}


class TransformerEncoderLayer(Module):
    """Attention to itself, then two linear layers; each added to its input and normalised (norm_first: normalised before)."""

    def __init__(
        self, d_model: int, nhead: int, dim_feedforward: int = 2048, dropout: float = 0.1, activation: Any = F.relu,
        layer_norm_eps: float = 1e-5, batch_first: bool = False, norm_first: bool = False, bias: bool = True,
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        where_ = {"device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first, **where_)
        self.linear1 = Linear(d_model, dim_feedforward, bias, **where_)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, **where_)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias, **where_)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias, **where_)
        self.dropout1, self.dropout2 = Dropout(dropout), Dropout(dropout)
        if isinstance(activation, str):
            if activation not in ACTIVATIONS:
                raise RuntimeError(f"activation should be relu/gelu, not {activation}")
            activation = ACTIVATIONS[activation]
        self.activation = activation

    def forward(
        self, src: Tensor, src_mask: Tensor | None = None, src_key_padding_mask: Tensor | None = None, is_causal: bool = False
    ) -> Tensor:
        x = src
        if self.norm_first:
            x = x + self._attend(self.norm1(x), src_mask, src_key_padding_mask)
            return x + self._feed(self.norm2(x))
        x = self.norm1(x + self._attend(x, src_mask, src_key_padding_mask))
        return self.norm2(x + self._feed(x))

    def _attend(self, x: Tensor, mask: Tensor | None, padding: Tensor | None) -> Tensor:
        return self.dropout1(self.self_attn(x, x, x, attn_mask=mask, key_padding_mask=padding, need_weights=False)[0])

    def _feed(self, x: Tensor) -> Tensor:
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))


class TransformerEncoder(Module):
    """Several copies of an encoder layer, one after the other, and a norm at the end."""

    def __init__(
        self, encoder_layer: TransformerEncoderLayer, num_layers: int, norm: Module | None = None,
        enable_nested_tensor: bool = True, mask_check: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.layers = ModuleList([copy.deepcopy(encoder_layer) for _ in range(num_layers)])
        self.num_layers, self.norm = num_layers, norm

    def forward(
        self, src: Tensor, mask: Tensor | None = None, src_key_padding_mask: Tensor | None = None, is_causal: bool | None = None
    ) -> Tensor:
        for one in self.layers:
            src = one(src, mask, src_key_padding_mask)
        return src if self.norm is None else self.norm(src)


__all__ = ["MultiheadAttention", "TransformerEncoder", "TransformerEncoderLayer"]
