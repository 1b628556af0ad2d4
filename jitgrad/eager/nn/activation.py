"""Activations as modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..creation import full
from ..tensor import Tensor
from . import functional as F
from .module import Module
from .parameter import Parameter


class _Activation(Module):
    """A function without parameters. `function`: what it is; `options`: its arguments with their defaults, of which those in
    `shown` print."""

    function: Callable[..., Tensor]
    options: dict[str, Any] = {}
    named = False  # print as name=value

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        names = list(self.options)
        if len(args) > len(names):
            raise TypeError(f"{type(self).__name__}.__init__() takes {len(names) + 1} positional arguments but {len(args) + 1} "
                            "were given")  # fmt: skip
        given = dict(zip(names, args, strict=False))
        for name in kwargs:
            if name not in self.options or name in given:
                raise TypeError(f"{type(self).__name__}.__init__() got an unexpected keyword argument '{name}'")
        for name, value in {**self.options, **given, **kwargs}.items():
            setattr(self, name, value)

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(input, **{name: getattr(self, name) for name in self.options})

    def extra_repr(self) -> str:
        shown = []
        for name in self.options:
            value = getattr(self, name)
            if name == "inplace":
                shown += ["inplace=True"] if value else []
            else:
                shown.append(f"{name}={value!r}" if self.named else str(value))
        return ", ".join(shown)


def _activation(name: str, function: Callable[..., Tensor], named: bool = False, **options: Any) -> type[Module]:
    doc = (function.__doc__ or name).split("\n")[0]
    body = {"function": staticmethod(function), "options": options, "named": named, "__doc__": doc, "__module__": __name__}
    return type(name, (_Activation,), body)


ReLU = _activation("ReLU", F.relu, inplace=False)
ReLU6 = _activation("ReLU6", F.relu6, inplace=False)
ELU = _activation("ELU", F.elu, named=True, alpha=1.0, inplace=False)
SELU = _activation("SELU", F.selu, inplace=False)
CELU = _activation("CELU", F.celu, named=True, alpha=1.0, inplace=False)
GELU = _activation("GELU", F.gelu, named=True, approximate="none")
SiLU = _activation("SiLU", F.silu, inplace=False)
Mish = _activation("Mish", F.mish, inplace=False)
Softplus = _activation("Softplus", F.softplus, named=True, beta=1.0, threshold=20.0)
Softsign = _activation("Softsign", F.softsign)
Softshrink = _activation("Softshrink", F.softshrink, lambd=0.5)
Hardshrink = _activation("Hardshrink", F.hardshrink, lambd=0.5)
Tanhshrink = _activation("Tanhshrink", F.tanhshrink)
Hardtanh = _activation("Hardtanh", F.hardtanh, named=True, min_val=-1.0, max_val=1.0, inplace=False)
Hardsigmoid = _activation("Hardsigmoid", F.hardsigmoid, inplace=False)
Hardswish = _activation("Hardswish", F.hardswish, inplace=False)
LeakyReLU = _activation("LeakyReLU", F.leaky_relu, named=True, negative_slope=0.01, inplace=False)
LogSigmoid = _activation("LogSigmoid", F.logsigmoid)
Sigmoid = _activation("Sigmoid", F.sigmoid)
Tanh = _activation("Tanh", F.tanh)
GLU = _activation("GLU", F.glu, named=True, dim=-1)


class Softmax(_Activation):
    """`softmax` over an axis."""

    function, options, named = staticmethod(F.softmax), {"dim": None}, True


class LogSoftmax(_Activation):
    """`log_softmax` over an axis."""

    function, options, named = staticmethod(F.log_softmax), {"dim": None}, True


class Softmin(_Activation):
    """`softmin` over an axis."""

    function, options, named = staticmethod(F.softmin), {"dim": None}, True


class Softmax2d(Module):
    """`softmax` over the channels of (n, c, h, w)."""

    def forward(self, input: Tensor) -> Tensor:
        if len(input.shape) not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {len(input.shape)}D instead")
        return F.softmax(input, -3)


class Threshold(Module):
    """x where it is above the threshold, else the value."""

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold, self.value, self.inplace = threshold, value, inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, value={self.value}" + (", inplace=True" if self.inplace else "")


class RReLU(Module):
    """x where it is positive, else x times a slope drawn at random."""

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower, self.upper, self.inplace = lower, upper, inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}" + (", inplace=True" if self.inplace else "")


class PReLU(Module):
    """x where it is positive, else weight * x, with one weight or one for each channel."""

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(full((num_parameters,), init, dtype=dtype, device=device))

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


__all__ = [
    "CELU", "ELU", "GELU", "GLU", "Hardshrink", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "LogSigmoid", "LogSoftmax",
    "Mish", "PReLU", "RReLU", "ReLU", "ReLU6", "SELU", "SiLU", "Sigmoid", "Softmax", "Softmax2d", "Softmin", "Softplus",
    "Softshrink", "Softsign", "Tanh", "Tanhshrink", "Threshold",
]  # fmt: skip
