"""One layer of a recurrent network over a whole sequence, as one kernel with a loop over time; and single steps.

    RNN    h' = f(W x + U h + b)                                          f: tanh or relu
    LSTM   i, f, g, o = W x + U h + b in four parts
           c' = s(f) c + s(i) tanh(g),  h' = s(o) tanh(c')                s: the expit function
    GRU    r, z, n = W x + b and U h + d, each in three parts
           n' = tanh(n + s(r) (U h + d)_n),  h' = (1 - s(z)) n' + s(z) h

x: (time, batch, features); W x for all times is one product before the loop. The loop is rewritten as loops of users are, so
its length is no part of the program.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

import numpy as np

from ....front.control import Control
from ....front.rewrite import convert
from ...arrays import expit
from ...kernel import Aval, Kernel, kernel
from ...op import Op

# ---- one step, from what the inputs contribute


def _tanh_step(inputs: Any, states: tuple[Any, ...], u: Any, d: Any) -> tuple[Any, ...]:
    return (np.tanh(_sum(inputs, states[0] @ u.T, d)),)


def _relu_step(inputs: Any, states: tuple[Any, ...], u: Any, d: Any) -> tuple[Any, ...]:
    z = _sum(inputs, states[0] @ u.T, d)
    return (np.where(z <= 0, 0, z),)


def _lstm_step(inputs: Any, states: tuple[Any, ...], u: Any, d: Any) -> tuple[Any, ...]:
    h, c = states
    z, k = _sum(inputs, h @ u.T, d), h.shape[-1]
    i, f, o = expit(z[:, :k]), expit(z[:, k : 2 * k]), expit(z[:, 3 * k :])
    c = f * c + i * np.tanh(z[:, 2 * k : 3 * k])
    return o * np.tanh(c), c


def _gru_step(inputs: Any, states: tuple[Any, ...], u: Any, d: Any) -> tuple[Any, ...]:
    (h,) = states
    k = h.shape[-1]
    own = h @ u.T if d is None else h @ u.T + d
    r, z = expit(inputs[:, :k] + own[:, :k]), expit(inputs[:, k : 2 * k] + own[:, k : 2 * k])
    n = np.tanh(inputs[:, 2 * k :] + r * own[:, 2 * k :])
    return ((1.0 - z) * n + z * h,)


def _sum(a: Any, b: Any, bias: Any) -> Any:
    return a + b if bias is None else a + b + bias


STEPS = {"tanh": _tanh_step, "relu": _relu_step, "lstm": _lstm_step, "gru": _gru_step}
STATES = {"tanh": 1, "relu": 1, "lstm": 2, "gru": 1}
NODES = {"tanh": "Tanh", "relu": "Relu", "lstm": "Mul", "gru": "Add"}

# ---- over time


def _one_state(xs: Any, h: Any, u: Any, d: Any, step: Any) -> Any:
    hs = np.zeros((xs.shape[0], *h.shape), xs.dtype)
    for t in range(xs.shape[0]):
        (h,) = step(xs[t], (h,), u, d)
        hs[t] = h
    return hs, h


def _two_states(xs: Any, h: Any, c: Any, u: Any, d: Any, step: Any) -> Any:
    hs = np.zeros((xs.shape[0], *h.shape), xs.dtype)
    for t in range(xs.shape[0]):
        h, c = step(xs[t], (h, c), u, d)
        hs[t] = h
    return hs, h, c


RUNS: dict[int, Any] = {1: _one_state, 2: _two_states}


def _rewritten(f: FunctionType) -> Any:
    """As the tracer takes a user's function: its loop is a loop of the program."""
    return convert(f, Control(f))


def _layer(x: Any, *more: Any, mode: str, back: bool) -> Any:
    """(outputs, states at the end)"""
    n = STATES[mode]
    states, (w, u, *bias) = more[:n], more[n:]
    x = x[::-1] if back else x
    xs = x @ w.T + bias[0] if bias else x @ w.T
    d = bias[1] if bias else None
    run = _rewritten(RUNS[n])
    hs, *ends = run(xs, *states, u, d, STEPS[mode])
    return (hs[::-1] if back else hs, *ends)


def _choose_layer(*types: Aval, mode: str, back: bool) -> Kernel:
    return kernel(_layer, "Stack", (types[0].dtype,) * (1 + STATES[mode]), mode=mode, back=back)


def _cell(x: Any, *more: Any, mode: str) -> Any:
    n = STATES[mode]
    states, (w, u, *bias) = more[:n], more[n:]
    inputs = x @ w.T + bias[0] if bias else x @ w.T
    out = STEPS[mode](inputs, states, u, bias[1] if bias else None)
    return out if n > 1 else out[0]


def _choose_cell(*types: Aval, mode: str) -> Kernel:
    return kernel(_cell, NODES[mode], (types[0].dtype,) * STATES[mode], mode=mode)


layer = Op("rnn", _choose_layer, several=True)
cell = Op("rnn_cell", _choose_cell)
cell_of_two = Op("rnn_cell", _choose_cell, several=True)
