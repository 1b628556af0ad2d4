"""Recurrent networks: `RNN`, `LSTM`, `GRU` over sequences, and their cells for single steps."""

from __future__ import annotations

import math
from typing import Any

from ..creation import zeros
from ..joining import cat, stack
from ..tensor import Tensor
from . import functional as F
from . import init
from .functional.recurrent import cell, cell_of_two, layer
from .layers import parameter
from .module import Module

GATES = {"tanh": 1, "relu": 1, "lstm": 4, "gru": 3}


class _Recurrent(Module):
    """num_layers: each takes the outputs of the one before. bidirectional: a second network reads the sequence backwards."""

    mode = ""

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False, proj_size: int = 0, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if not isinstance(hidden_size, int):
            raise TypeError(f"hidden_size should be of type int, got: {type(hidden_size).__name__}")
        if hidden_size <= 0:
            raise ValueError("hidden_size must be greater than zero")
        if num_layers <= 0:
            raise ValueError("num_layers must be greater than zero")
        if isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError("dropout should be a number in range [0, 1] representing the probability of an element being zeroed")
        if proj_size:
            raise NotImplementedError(f"{type(self).__name__}: proj_size is not supported")
        self.input_size, self.hidden_size, self.num_layers, self.bias = input_size, hidden_size, num_layers, bias
        self.batch_first, self.dropout, self.bidirectional = batch_first, float(dropout), bidirectional
        self._sets: list[list[str]] = []  # the names of the parameters, for each layer and direction
        rows = GATES[self.mode] * hidden_size
        for k in range(num_layers):
            for suffix in ("", "_reverse")[: 1 + bidirectional]:
                columns = input_size if k == 0 else hidden_size * (1 + bidirectional)
                shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, columns), "weight_hh": (rows, hidden_size)}
                if bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                self._sets.append([f"{name}_l{k}{suffix}" for name in shapes])
                for name, shape in zip(self._sets[-1], shapes.values(), strict=True):
                    setattr(self, name, parameter(shape, device, dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights uniformly between +-1 / sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    def flatten_parameters(self) -> None:
        """Nothing: memory needs no arrangement here."""

    def _states(self, input: Tensor, hx: Any) -> tuple[Tensor, ...]:
        """The states at the beginning, each (layers * directions, batch, hidden)."""
        two = self.mode == "lstm"
        shape = (len(self._sets), input.shape[1], self.hidden_size)
        if hx is None:
            return tuple([zeros(*shape, dtype=input.dtype) for _ in range(1 + two)])
        given = tuple(hx) if two else (hx,)
        for name, h in zip(("hidden[0]", "hidden[1]") if two else ("hidden",), given, strict=True):
            if tuple(h.shape) != shape:
                what = f"{name} size" if two else "hidden size"
                raise RuntimeError(f"Expected {what} {shape}, got {list(h.shape)}")
        return given

    def forward(self, input: Tensor, hx: Any = None) -> Any:
        if not isinstance(input, Tensor):
            raise TypeError(
                f"{type(self).__name__}: packed sequences are not supported, got {type(input).__name__}; pad the sequences"
            )
        rank = len(input.shape)
        if rank not in (2, 3):
            raise ValueError(f"{type(self).__name__}: Expected input to be 2D or 3D, got {rank}D instead")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.shape[-1]}"
            )
        if rank == 2:
            input = input.unsqueeze(1)
            if hx is not None:
                hx = tuple([h.unsqueeze(1) for h in hx]) if self.mode == "lstm" else hx.unsqueeze(1)
        elif self.batch_first:
            input = input.transpose(0, 1)
        out, ends = self._run(input, self._states(input, hx))
        if rank == 2:
            out, ends = out.squeeze(1), tuple([e.squeeze(1) for e in ends])
        elif self.batch_first:
            out = out.transpose(0, 1)
        return out, ends if self.mode == "lstm" else ends[0]

    def _run(self, x: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        directions = 1 + self.bidirectional
        ends: list[tuple[Tensor, ...]] = []
        for k in range(self.num_layers):
            outs = []
            for back in range(directions):
                at = k * directions + back
                weights = [self._parameters[name] for name in self._sets[at]]
                hs, *end = layer(x, *[s[at] for s in states], *weights, mode=self.mode, back=bool(back))
                outs.append(hs)
                ends.append(tuple(end))
            x = outs[0] if directions == 1 else cat(outs, -1)
            if self.dropout and k < self.num_layers - 1:
                x = F.dropout(x, self.dropout, self.training)
        return x, tuple([stack(some) if len(some) > 1 else some[0].unsqueeze(0) for some in zip(*ends, strict=True)])

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        parts += [f"num_layers={self.num_layers}"] if self.num_layers != 1 else []
        parts += ["bias=False"] if not self.bias else []
        parts += ["batch_first=True"] if self.batch_first else []
        parts += [f"dropout={self.dropout}"] if self.dropout else []
        parts += ["bidirectional=True"] if self.bidirectional else []
        return ", ".join(parts)


class RNN(_Recurrent):
    """h' = tanh(W x + U h + b) along a sequence (time, batch, input_size): (outputs, the last state)."""

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh", bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        object.__setattr__(self, "mode", nonlinearity)
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype)
        self.nonlinearity = nonlinearity


class LSTM(_Recurrent):
    """Long short-term memory along a sequence (time, batch, input_size): (outputs, (the last h, the last c))."""

    mode = "lstm"


class GRU(_Recurrent):
    """Gated recurrent units along a sequence (time, batch, input_size): (outputs, the last state)."""

    mode = "gru"


# ---- single steps


class _Cell(Module):
    mode = ""

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = GATES[self.mode] * hidden_size
        self.weight_ih = parameter((rows, input_size), device, dtype)
        self.weight_hh = parameter((rows, hidden_size), device, dtype)
        self.register_parameter("bias_ih", parameter((rows,), device, dtype) if bias else None)
        self.register_parameter("bias_hh", parameter((rows,), device, dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights uniformly between +-1 / sqrt(hidden_size)."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    def forward(self, input: Tensor, hx: Any = None) -> Any:
        rank, two = len(input.shape), self.mode == "lstm"
        if rank not in (1, 2):
            raise ValueError(f"{type(self).__name__}: Expected input to be 1D or 2D, got {rank}D instead")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"input has inconsistent input_size: got {input.shape[-1]} expected {self.input_size}"
            )
        if rank == 1:
            input = input.unsqueeze(0)
            hx = None if hx is None else tuple([h.unsqueeze(0) for h in hx]) if two else hx.unsqueeze(0)
        if hx is None:
            hx = tuple([zeros(input.shape[0], self.hidden_size, dtype=input.dtype) for _ in range(1 + two)])
        states = tuple(hx) if isinstance(hx, (tuple, list)) else (hx,)
        for h in states:
            if h.shape[-1] != self.hidden_size:
                raise RuntimeError(f"hidden0 has inconsistent hidden_size: got {h.shape[-1]}, expected {self.hidden_size}")
        weights = [w for w in (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh) if w is not None]
        if two:
            h, c = cell_of_two(input, *states, *weights, mode=self.mode)
            return (h, c) if rank == 2 else (h.squeeze(0), c.squeeze(0))
        h = cell(input, *states, *weights, mode=self.mode)
        return h if rank == 2 else h.squeeze(0)

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias else ", bias=False")


class RNNCell(_Cell):
    """h' = tanh(W x + U h + b)"""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity: {nonlinearity}")
        object.__setattr__(self, "mode", nonlinearity)
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self.nonlinearity = nonlinearity

    def extra_repr(self) -> str:
        return super().extra_repr() + ("" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}")


class LSTMCell(_Cell):
    """One step of long short-term memory: (x, (h, c)) -> (h', c')."""

    mode = "lstm"


class GRUCell(_Cell):
    """One step of gated recurrent units: (x, h) -> h'."""

    mode = "gru"


__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell"]
