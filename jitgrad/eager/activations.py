"""The nonlinear functions of networks, each one kernel. Their derivatives at kinks are PyTorch's, which is a matter of which
side of a `where` the kink belongs to: relu'(0) = 0, leaky_relu'(0) = slope, hardtanh' = 0 at both bounds.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from . import arrays, dtypes
from .complexes import computed
from .kernel import Aval, Kernel
from .op import Op
from .pointwise import function
from .reductions import axis_of
from .tensor import Tensor

SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717

# ---- bodies


def _relu(x: Any) -> Any:
    return np.where(x <= 0, 0, x)


def _leaky_relu(x: Any, slope: float) -> Any:
    return np.where(x > 0, x, x * slope)


def _elu(x: Any, alpha: float, scale: float = 1.0, rate: float = 1.0) -> Any:
    low = np.where(x > 0, 0.0, x)  # of large numbers the exponential is infinite, and so would be its slope
    return np.where(x > 0, x * scale, np.expm1(low * rate) * (alpha * scale))


def _gelu(x: Any, approximate: str) -> Any:
    if approximate == "tanh":
        return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)))
    return 0.5 * x * (1.0 + arrays.erf(x * math.sqrt(0.5)))


def _silu(x: Any) -> Any:
    return x * arrays.expit(x)


def _softplus(x: Any, beta: float, threshold: float) -> Any:
    scaled = x * beta
    linear = scaled > threshold
    return np.where(linear, x, np.log1p(np.exp(np.where(linear, 0.0, scaled))) / beta)


def _mish(x: Any) -> Any:
    return x * np.tanh(np.logaddexp(x, 0.0))


def _softsign(x: Any) -> Any:
    return x / (1.0 + np.abs(x))


def _hardtanh(x: Any, low: float, high: float) -> Any:
    return np.where(x <= low, low, np.where(x >= high, high, x))


def _hardsigmoid(x: Any) -> Any:
    return _hardtanh(x + 3.0, 0.0, 6.0) / 6.0


def _hardswish(x: Any) -> Any:
    return np.where(x <= -3.0, 0.0, np.where(x >= 3.0, x, x * (x + 3.0) / 6.0))


def _log_sigmoid(x: Any) -> Any:
    return -np.logaddexp(-x, 0.0)


def _tanhshrink(x: Any) -> Any:
    return x - np.tanh(x)


def _softshrink(x: Any, bound: float) -> Any:
    return np.where(np.abs(x) <= bound, 0.0, x - np.copysign(bound, x))


def _hardshrink(x: Any, bound: float) -> Any:
    return np.where(np.abs(x) <= bound, 0.0, x)


def _threshold(x: Any, threshold: float, value: float) -> Any:
    return np.where(x <= threshold, value, x)


def _prelu(x: Any, weight: Any) -> Any:
    return np.where(x > 0, x, weight * x)


def _glu(x: Any, axis: int) -> Any:
    a, b = np.split(x, 2, axis=axis)
    return a * arrays.expit(b)


# ---- operations


def kept_float(name: str, body: Any, node: str, saves: str = "") -> Op:
    """A function that has no meaning for integers: PyTorch refuses them."""

    kernel_name = {"gelu": "GeluKernelImpl", "softshrink": "softshrink_check", "celu": "elu_cpu"}.get(name, name + "_cpu")

    def choose(t: Aval, **options: Any) -> Kernel:
        if not t.dtype.is_floating_point:
            raise NotImplementedError(f"\"{kernel_name}\" not implemented for '{t.dtype.legacy}'")
        return computed(body, node, (t,), t.dtype, saves=saves, **options)

    return Op(name, choose)


def _choose_relu(t: Aval) -> Kernel:
    if t.dtype is dtypes.bool or t.dtype.is_complex:
        what = "Boolean" if t.dtype is dtypes.bool else "complex"
        raise RuntimeError(f"{what} inputs not supported for relu")
    return computed(_relu, "Relu", (t,), t.dtype, saves="result")


relu = Op("relu", _choose_relu)
_leaky = kept_float("leaky_relu", _leaky_relu, "LeakyRelu")
_elus = kept_float("elu", _elu, "Elu")
_celus = kept_float("celu", _elu, "Celu")
_gelus = kept_float("gelu", _gelu, "Gelu")
silu = kept_float("silu", _silu, "Silu")
mish = kept_float("mish", _mish, "Mish")
_softpluses = kept_float("softplus", _softplus, "Softplus")
softsign = function("softsign", _softsign, "Div")
_hardtanhs = kept_float("hardtanh", _hardtanh, "Hardtanh")
hardsigmoid = kept_float("hardsigmoid", _hardsigmoid, "Hardsigmoid")
hardswish = kept_float("hardswish", _hardswish, "Hardswish")
logsigmoid = kept_float("log_sigmoid", _log_sigmoid, "LogSigmoid")
tanhshrink = function("tanhshrink", _tanhshrink, "Sub")
_softshrinks = kept_float("softshrink", _softshrink, "Softshrink")
_hardshrinks = kept_float("hardshrink", _hardshrink, "Hardshrink")


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where it is positive, else negative_slope * x."""
    return _out(input, _leaky(input, slope=float(negative_slope)), inplace)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where it is positive, else alpha * (exp(x) - 1)."""
    return _out(input, _elus(input, alpha=float(alpha)), inplace)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """`elu`, scaled so that mean 0 and variance 1 stay so."""
    return _out(input, _elus(input, alpha=SELU_ALPHA, scale=SELU_SCALE), inplace)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where it is positive, else alpha * (exp(x / alpha) - 1)."""
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return _out(input, _celus(input, alpha=float(alpha), rate=1.0 / alpha), inplace)


def gelu(input: Tensor, *, approximate: str = "none") -> Tensor:
    """x times the normal distribution function; approximate="tanh": its approximation by tanh."""
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    return _gelus(input, approximate=approximate)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta * x)) / beta; x where beta * x is above the threshold."""
    return _softpluses(input, beta=float(beta), threshold=float(threshold))


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x within the bounds, the nearer bound outside; no slope at the bounds."""
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    return _out(input, _hardtanhs(input, low=float(min_val), high=float(max_val)), inplace)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """x between 0 and 6, the nearer of them outside."""
    return _out(input, _hardtanhs(input, low=0.0, high=6.0), inplace)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x moved towards 0 by lambd, 0 where it is nearer than that."""
    if not 0 <= lambd:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd:g}.")
    return _softshrinks(input, bound=float(lambd))


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x, 0 where its size is at most lambd."""
    return _hardshrinks(input, bound=float(lambd))


def _choose_threshold(t: Aval, threshold: float, value: float) -> Kernel:
    if t.dtype is dtypes.bool or t.dtype.is_complex:
        raise NotImplementedError(f"\"threshold_cpu\" not implemented for '{t.dtype.legacy}'")
    return computed(_threshold, "Threshold", (t,), t.dtype, threshold=threshold, value=value)


_thresholds = Op("threshold", _choose_threshold)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where it is above the threshold, else the value."""
    return _out(input, _thresholds(input, threshold=threshold, value=value), inplace)


def _choose_prelu(x: Aval, weight: Aval, shape: tuple[int, ...]) -> Kernel:
    return computed(_prelu_channels, "PreluKernel", (x, weight), x.dtype, shape=shape)


def _prelu_channels(x: Any, weight: Any, shape: tuple[int, ...]) -> Any:
    return _prelu(x, weight.reshape(shape))


_prelus = Op("prelu", _choose_prelu)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where it is positive, else weight * x; weight has one element, or one for each channel (axis 1)."""
    rank, n = len(input.shape), weight.numel()
    if len(weight.shape) > 1:
        raise RuntimeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {len(weight.shape)}")
    channels = input.shape[1] if rank > 1 else 1
    if n not in (1, channels):
        raise RuntimeError(
            f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {n} and channel size = {channels}."
        )
    if weight.dtype is not input.dtype:
        raise RuntimeError("prelu: Type promoting not supported. Got " + f"{input.dtype.name} and {weight.dtype.name}")
    shape = (1,) * rank if n == 1 else tuple(n if k == 1 else 1 for k in range(rank))
    return _prelus(input, weight, shape=shape)


def _choose_glu(t: Aval, dim: int) -> Kernel:
    if not t.shape:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    axis = axis_of(dim, len(t.shape))
    if t.shape[axis] % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {axis} is size {t.shape[axis]}")
    return computed(_glu, "Glu", (t,), t.dtype, axis=axis)


_glus = Op("glu", _choose_glu)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half along an axis times the sigmoid of the second."""
    return _glus(input, dim=dim)


# ---- over an axis


def _over(name: str, body: Any, node: str) -> Op:
    def choose(t: Aval, dim: int, dtype: Any = None, negated: bool = False) -> Kernel:
        to = t.dtype if dtype is None else dtypes.of(dtype)
        if to.rank < dtypes.FLOAT:
            raise NotImplementedError(f"\"{name}_lastdim_kernel_impl\" not implemented for '{to.legacy}'")
        axis = axis_of(dim, len(t.shape))
        if not t.numel:
            return computed(np.positive, node, (t,), to)
        whole = _negated if negated else _axis if t.shape else _no_axis
        return computed(whole, node, (t,), to, saves="result", f=body, axis=axis)

    return Op(name, choose)


def _axis(x: Any, f: Any, axis: int) -> Any:
    return f(x, axis)


def _negated(x: Any, f: Any, axis: int) -> Any:
    return f(-x, axis) if x.ndim else _no_axis(-x, f, axis)


def _no_axis(x: Any, f: Any, axis: int) -> Any:
    return f(x.reshape(1), 0).reshape(())


_softmaxes = _over("softmax", arrays.softmax, "Softmax")
_log_softmaxes = _over("log_softmax", arrays.log_softmax, "LogSoftmax")


def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """exp(x) divided by its sum over an axis.

    >>> import jitgrad.eager as torch
    >>> torch.softmax(torch.tensor([0.0, 0.0]), 0)
    tensor([0.5000, 0.5000])
    """
    return _softmaxes(input, dim=dim, dtype=dtype)


def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """The logarithm of `softmax`, without overflow."""
    return _log_softmaxes(input, dim=dim, dtype=dtype)


def softmin(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """`softmax` of -x."""
    return _softmaxes(input, dim=dim, dtype=dtype, negated=True)


def _out(x: Tensor, y: Tensor, inplace: bool) -> Tensor:
    return x._write(y) if inplace else y

__all__ = [
    "celu", "hardshrink", "log_softmax", "prelu", "relu", "selu", "softmax", "threshold",
]  # fmt: skip
