"""The methods of tensors: operators, the functions of the tables as methods, and those that write in place.

`x.f(...)` is `f(x, ...)`; `x.f_(...)` writes the result of `f` into `x`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import (
    constants,
    creation,
    dtypes,
    foreign,
    indexing,
    interop,
    math_methods,
    numpy_protocol,
    pickling,
    pointwise,
    printing,
    random,
    shape_methods,
    shapes,
)
from .autograd import backward as _backward
from .device import CPU, checked
from .hooks import METHODS as HOOKS
from .hooks import Handle as Handle
from .inplace import METHODS as WRITING
from .inplace import in_place
from .naming import translated, words_of
from .op import NUMBERS
from .run import known
from .tensor import Tensor

# ---- what is under the tensor


def _buffer(self: Tensor) -> np.ndarray:
    """The value as an array in the storage form of the dtype. Not to be written."""
    return known(self._value())


def numpy(self: Tensor, *, force: bool = False) -> np.ndarray:
    """The memory of the tensor as an array: each sees what is written to the other."""
    if force:
        return self.detach().resolved_numpy()
    if self.requires_grad:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
    return resolved_numpy(self)


def resolved_numpy(self: Tensor) -> np.ndarray:
    if self.dtype is dtypes.bfloat16:
        raise TypeError("Got unsupported ScalarType BFloat16")
    return interop.memory(self)


def item(self: Tensor) -> Any:
    """The one number of a tensor of one element."""
    if self.numel() != 1:
        raise RuntimeError(f"a Tensor with {self.numel()} elements cannot be converted to Scalar")
    d = self.dtype
    value = _buffer(self)
    return (d.load(value) if d is dtypes.bfloat16 and d.load else value).item()


def tolist(self: Tensor) -> Any:
    """Nested lists of Python numbers."""
    d = self.dtype
    value = _buffer(self)
    return (d.load(value) if d is dtypes.bfloat16 and d.load else value).tolist()


def detach(self: Tensor) -> Tensor:
    """The same memory, without a gradient."""
    return self._alias()


def detach_(self: Tensor) -> Tensor:
    """Forget how this tensor was computed."""
    if self._base is not None:
        raise RuntimeError(shape_methods.DETACHED_VIEW)
    self._edge, self._needs = None, False
    return self


def to(self: Tensor, *args: Any, dtype: Any = None, device: Any = None, copy: bool = False, non_blocking: bool = False) -> Tensor:
    """The tensor with another dtype (or on another device); itself if there is nothing to do."""
    for a in args:
        if isinstance(a, Tensor):
            dtype = a.dtype
        elif isinstance(a, dtypes.dtype) or (isinstance(a, type) and a in dtypes.BY_PYTHON):
            dtype = a
        elif not isinstance(a, bool):
            device = a
    checked(device)
    d = self.dtype if dtype is None else dtypes.of(dtype)
    if d is self.dtype:
        return pointwise.clone(self) if copy else self
    return pointwise.cast(self, dtype=d)


def backward(
    self: Tensor, gradient: Any = None, retain_graph: Any = None, create_graph: bool = False, inputs: Any = None
) -> None:
    """Add the gradient of this tensor to the `.grad` of the leaves it depends on."""
    _backward(self, gradient, retain_graph, create_graph, inputs=inputs)


# ---- operators


def operator(f: Callable[..., Any], backwards: bool = False) -> Callable[[Tensor, Any], Any]:
    """A binary operator; NotImplemented for what is no tensor and no number."""

    def apply(self: Tensor, other: Any) -> Any:
        if not isinstance(other, Tensor):
            other = operand(other)
            if other is NotImplemented:
                return other
        return f(other, self) if backwards else f(self, other)

    return apply


def operand(x: Any) -> Any:
    """A Python number as it is, NumPy's as one of those or as a tensor; else NotImplemented."""
    if type(x) in NUMBERS:
        return x
    if isinstance(x, np.generic):
        return x.item()
    if isinstance(x, np.ndarray):
        return creation.from_numpy(x)
    return NotImplemented


FUNCTIONS = math_methods.BOTH
PLAIN = {
    **math_methods.PLAIN, **shape_methods.PLAIN,
}  # fmt: skip
OWN = (
    *HOOKS,
    _buffer, numpy, resolved_numpy, item, tolist, shape_methods.numel, detach, detach_, to, backward,
)  # fmt: skip


def method(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function of tensors as a method."""

    words = {there: here for there, here in words_of(f).items() if there != "input"}

    def call(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        if kwargs and words:
            args = translated(name, words, args, kwargs)
        return f(self, *args, **kwargs)

    call.__name__ = name = getattr(f, "name", None) or f.__name__
    call.__doc__ = f.__doc__
    return call


def iterate(self: Tensor) -> Iterator[Tensor]:
    if not self.shape:
        raise TypeError("iteration over a 0-d tensor")
    return iter(shapes.unbind(self))


def length(self: Tensor) -> int:
    if not self.shape:
        raise TypeError("len() of a 0-d tensor")
    return self.shape[0]


def truth(self: Tensor) -> bool:
    if self.numel() != 1:
        count = "more than one value" if self.numel() else "no values"
        raise RuntimeError(f"Boolean value of Tensor with {count} is ambiguous")
    return bool(item(self))


TRACKED = (
    "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\n"
    "Consider using tensor.detach() first."
)


def number(kind: type) -> Callable[[Tensor], Any]:
    """`float(x)` and its kin."""

    def convert(self: Tensor) -> Any:
        if self.requires_grad:
            warnings.warn(TRACKED, UserWarning, stacklevel=2)
        return kind(item(self))

    return convert


def index(self: Tensor) -> int:
    if self.numel() != 1 or self.dtype.rank > dtypes.INTEGER:
        raise TypeError("only integer tensors of a single element can be converted to an index")
    return int(item(self))


def contains(self: Tensor, x: Any) -> bool:
    if not isinstance(x, Tensor) and type(x) not in NUMBERS:
        raise RuntimeError(f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(x)}.")
    return bool(known((self == x)._value()).any())


SPECIAL: dict[str, Any] = {
    "__iter__": iterate, "__len__": length, "__bool__": truth, "__float__": number(float),
    "__int__": number(int), "__complex__": number(complex), "__index__": index, "__contains__": contains,
    **numpy_protocol.METHODS, **interop.METHODS, **pickling.METHODS, **creation.METHODS, "__hash__": object.__hash__,
    **{f"__{name}__": method(f) for name, f in math_methods.UNARY.items()}, "__jitgrad_function__": staticmethod(foreign.apply),
    "__repr__": printing.text, "__format__": printing.formatted, "__getitem__": indexing.get, "__setitem__": indexing.put,
}  # fmt: skip


def creator(self: Tensor) -> Any:
    raise AttributeError("'Tensor' object has no attribute 'creator': it is called .grad_fn", name="creator", obj=self)


def cpu(self: Tensor, memory_format: Any = None) -> Tensor:
    """The tensor itself: it is on the CPU."""
    return self


def cuda(self: Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = None) -> Tensor:
    """There is no such device: an error that says so."""
    checked("cuda")
    return self


def is_inference(self: Tensor) -> bool:
    """Was it made in inference mode?"""
    return self._inference


def properties() -> dict[str, Any]:
    return {
        "data": property(Tensor._data, lambda x, new: x._replace(new)), "ndim": property(lambda x: len(x.shape)),
        "device": property(lambda x: CPU), **{name: property(f) for name, f in shape_methods.PROPERTIES.items()},
        "is_cuda": property(lambda x: False), "layout": property(lambda x: constants.strided),
        "creator": property(creator), "itemsize": property(lambda x: x.dtype.itemsize),
        "nbytes": property(lambda x: x.dtype.itemsize * x.numel()), "retains_grad": property(lambda x: x._retains),
    }  # fmt: skip


def install() -> None:
    """Give the class its methods."""
    for own in (*OWN, *WRITING, *random.METHODS, is_inference, cpu, cuda):
        setattr(Tensor, own.__name__, own)
    for name, f in (*FUNCTIONS.items(), *PLAIN.items()):
        setattr(Tensor, name, method(f))
    for name, f in FUNCTIONS.items():
        setattr(Tensor, name + "_", in_place(f, name + "_"))
    for name, f in math_methods.BINARY.items():
        setattr(Tensor, f"__{name}__", operator(f))
        setattr(Tensor, f"__r{name}__", operator(f, backwards=True))
        setattr(Tensor, f"__i{name}__", in_place(operator(f), f"__i{name}__"))
    for name, f in math_methods.COMPARE.items():
        setattr(Tensor, f"__{name}__", operator(f))
    for name, value in (*SPECIAL.items(), *properties().items(), *math_methods.PROPERTIES.items()):
        setattr(Tensor, name, value)
    for name in ("dim", "ndimension"):
        setattr(Tensor, name, lambda self: len(self.shape))


install()
