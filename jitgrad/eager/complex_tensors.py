"""Complex tensors: made from reals, taken apart, seen as reals."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import complex_rules, dtypes
from .comparing import eq
from .complexes import absolute, parts
from .complexes import angle as angle_of
from .elementwise import function
from .functions import choose_sign, real_of
from .kernel import Aval, Kernel, kernel
from .op import Op, check_broadcast
from .tensor import Tensor
from .views import _index, _same

WIDER = {dtypes.float32: dtypes.complex64, dtypes.float64: dtypes.complex128}
assert complex_rules.RULES

# ---- seen as reals


def _view_of(x: Tensor, body: Any, node: str, out: dtypes.dtype, **options: Any) -> Tensor:
    k = kernel(body, node, (out,), **options)
    return x._view(k, k.infer((x._node.aval,)))


def view_as_real(input: Tensor) -> Tensor:
    """The real and imaginary parts on a last axis of size 2: a view."""
    if not input.dtype.is_complex:
        raise RuntimeError("view_as_real is only supported for complex tensors")
    return _view_of(input, _same, "ViewAsReal", real_of(input.dtype))


def view_as_complex(input: Tensor) -> Tensor:
    """A tensor of pairs as complex numbers: a view."""
    if input.dtype not in WIDER:
        raise RuntimeError(
            "view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar type: "
            f"{input.dtype.legacy}"
        )
    if not input.shape:
        raise RuntimeError("Input tensor must have one or more dimensions")
    if input.shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    return _view_of(input, _same, "ViewAsComplex", WIDER[input.dtype])


def _part(x: Tensor, at: int) -> Tensor:
    key = (*(("slice", None, None, None),) * len(x.shape), at)
    return _view_of(x, _index, "Select", real_of(x.dtype), key=key)


def real(input: Tensor) -> Tensor:
    """The real parts, as a view; a real tensor is its own."""
    return _part(input, 0) if input.dtype.is_complex else input


def imag(input: Tensor) -> Tensor:
    """The imaginary parts, as a view."""
    if not input.dtype.is_complex:
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return _part(input, 1)


def _set_real(self: Tensor, new: Any) -> None:
    real(self).copy_(new)


def _set_imag(self: Tensor, new: Any) -> None:
    imag(self).copy_(new)


# ---- made from reals


def _joined(re: Any, im: Any) -> Any:
    return np.stack(np.broadcast_arrays(re, im), axis=-1)


def _choose_complex(re: Aval, im: Aval) -> Kernel:
    if re.dtype not in WIDER or im.dtype not in WIDER:
        raise RuntimeError(
            f"Expected both inputs to be Half, Float or Double tensors but got {re.dtype.legacy} and {im.dtype.legacy}"
        )
    if re.dtype is not im.dtype:
        raise RuntimeError(
            f"Expected object of scalar type {re.dtype.legacy} but got scalar type {im.dtype.legacy} for second argument"
        )
    check_broadcast((re, im))
    return kernel(_joined, "Complex", (WIDER[re.dtype],))


_complex = Op("complex", _choose_complex, names=("real", "imag"))


def complex(real: Tensor, imag: Tensor) -> Tensor:
    """real + i imag

    >>> import jitgrad.eager as torch
    >>> torch.complex(torch.tensor([1.0]), torch.tensor([2.0])).tolist()
    [(1+2j)]
    """
    return _complex(real, imag)


def _polar(size: Any, angle: Any) -> Any:
    return _joined(size * np.cos(angle), size * np.sin(angle))


def _choose_polar(size: Aval, angle: Aval) -> Kernel:
    _choose_complex(size, angle)
    return kernel(_polar, "Polar", (WIDER[size.dtype],))


_polars = Op("polar", _choose_polar, names=("abs", "angle"))


def polar(abs: Tensor, angle: Tensor) -> Tensor:
    """The complex number of this size and angle."""
    return _polars(abs, angle)


# ---- functions


def _conj(x: Any) -> Any:
    re, im = parts(x)
    return np.stack([re, -im], axis=-1)


def _sgn(x: Any) -> Any:
    re, im = parts(x)
    size = absolute((re, im))
    safe = np.where(size == 0, 1.0, size)
    return np.stack([re / safe, im / safe], axis=-1)


def _angle(x: Any) -> Any:
    return angle_of(parts(x))


def _real_angle(x: Any) -> Any:
    return np.where(x != x, x, np.where(x < 0, np.pi, 0.0))


_conj_op = Op("conj", lambda t: kernel(_conj, "Conj", (t.dtype,)))
_sgn_op = Op("sgn", lambda t: kernel(_sgn, "Sgn", (t.dtype,)) if t.dtype.is_complex else choose_sign(t, "Sgn"))
_angle_op = Op("angle", lambda t: kernel(_angle, "Angle", (real_of(t.dtype),)))
_real_angle_op = function("angle", _real_angle)


def conj(input: Tensor) -> Tensor:
    """The complex conjugate; of a real tensor, itself."""
    return _conj_op(input) if input.dtype.is_complex else input


def sgn(input: Tensor) -> Tensor:
    """x / |x|, 0 at 0; of real numbers, the sign."""
    return _sgn_op(input)


def angle(input: Tensor) -> Tensor:
    """The angle from the positive real axis; of real numbers, 0 or pi."""
    return _angle_op(input) if input.dtype.is_complex else _real_angle_op(input)


def _identity(input: Tensor) -> Tensor:
    """The tensor: conjugates are never pending here."""
    return input


def isreal(input: Tensor) -> Tensor:
    """Where the imaginary part is 0."""
    return eq(imag(input), 0) if input.dtype.is_complex else eq(input, input)


def vdot(input: Tensor, other: Tensor) -> Tensor:
    """The inner product of two vectors, the first one conjugated."""
    return conj(input).dot(other)


resolve_conj = resolve_neg = _identity
conj_physical = conj
METHODS = {
    "conj": conj, "angle": angle, "isreal": isreal, "vdot": vdot, "resolve_conj": _identity,
    "resolve_neg": _identity, "is_conj": lambda x: False, "is_neg": lambda x: False, "conj_physical": conj,
}  # fmt: skip
PROPERTIES = {
    "real": property(real, _set_real), "imag": property(imag, _set_imag),
}  # fmt: skip

__all__ = [
    "angle", "complex", "conj", "conj_physical", "imag", "isreal", "polar", "real", "resolve_conj", "resolve_neg", "sgn",
    "vdot", "view_as_complex", "view_as_real",
]  # fmt: skip
