"""Element types: PyTorch's names, how each is stored, in what the arithmetic is done, and what two of them become.

Numba has no arithmetic on halves, and the IR has no complex numbers. So a tensor is *stored* as its dtype says and *computed*
in another type: halves in float32, a complex number as two reals on a last axis. `load` and `store` convert between the
two; they are None where nothing has to be done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Truth = bool  # `bool` is a dtype below
builtin_float = float
Convert = Callable[[np.ndarray], np.ndarray] | None


@dataclass(frozen=True, eq=False)
class dtype:
    """An element type. `storage`: of the memory; `compute`: of the arithmetic; `rank`: bool, integer, float, complex."""

    name: str
    storage: np.dtype
    compute: np.dtype
    rank: int
    legacy: str  # as in torch.FloatTensor
    load: Convert = None
    store: Convert = None

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return self.name

    @property
    def is_floating_point(self) -> Truth:
        return self.rank == FLOAT

    @property
    def is_complex(self) -> Truth:
        return self.rank == COMPLEX

    @property
    def differentiable(self) -> Truth:
        return self.rank >= FLOAT

    @property
    def is_signed(self) -> Truth:
        return self.rank > INTEGER or self.storage.kind == "i"

    @property
    def spoken(self) -> str:
        """The name in some of PyTorch's messages, which is that of C++."""
        return SPOKEN[self.name]

    @property
    def itemsize(self) -> int:
        return self.storage.itemsize


BOOL, INTEGER, FLOAT, COMPLEX = range(4)
SPOKEN = {
    "bool": "bool", "uint8": "unsigned char", "int8": "signed char", "int16": "short int", "int32": "int", "int64": "long int",
    "float16": "c10::Half", "bfloat16": "c10::BFloat16", "float32": "float", "float64": "double",
    "complex64": "c10::complex<float>", "complex128": "c10::complex<double>",
}  # fmt: skip


def float32_to_float16(x: np.ndarray) -> np.ndarray:
    """Too large ones become infinite."""
    with np.errstate(over="ignore"):
        return np.asarray(x).astype(np.float16)


def bfloat16_to_float32(x: np.ndarray) -> np.ndarray:
    """A bfloat16 is the upper half of a float32."""
    return (x.astype(np.uint32) << np.uint32(16)).view(np.float32)


def float32_to_bfloat16(x: np.ndarray) -> np.ndarray:
    """Round to nearest, ties to even, on the bits; a NaN stays one."""
    bits = np.asarray(x, np.float32, order="C").view(np.uint32)
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
    return np.where(np.isnan(x), np.uint32(0x7FC0), rounded).astype(np.uint16)


def _pairs(real: type) -> tuple[Convert, Convert]:
    """A complex array as reals with a last axis (re, im), and back."""
    pair = np.dtype(real)
    whole = np.result_type(pair, np.complex64)
    load = lambda x: np.ascontiguousarray(x).view(pair).reshape(*np.shape(x), 2)
    store = lambda x: np.ascontiguousarray(x, pair).view(whole).reshape(np.shape(x)[:-1])
    return load, store


def _plain(name: str, rank: int, legacy: str) -> dtype:
    return dtype(name, np.dtype(name), np.dtype(name), rank, legacy)


bool = _plain("bool", BOOL, "Bool")
uint8 = _plain("uint8", INTEGER, "Byte")
int8 = _plain("int8", INTEGER, "Char")
int16 = _plain("int16", INTEGER, "Short")
int32 = _plain("int32", INTEGER, "Int")
int64 = _plain("int64", INTEGER, "Long")
float32 = _plain("float32", FLOAT, "Float")
float64 = _plain("float64", FLOAT, "Double")
float16 = dtype(
    "float16", np.dtype("float16"), np.dtype("float32"), FLOAT, "Half",
    lambda x: np.asarray(x).astype(np.float32), float32_to_float16,
)  # fmt: skip
bfloat16 = dtype(
    "bfloat16", np.dtype("uint16"), np.dtype("float32"), FLOAT, "BFloat16", bfloat16_to_float32, float32_to_bfloat16
)
complex64 = dtype("complex64", np.dtype("complex64"), np.dtype("float32"), COMPLEX, "ComplexFloat", *_pairs(np.float32))
complex128 = dtype("complex128", np.dtype("complex128"), np.dtype("float64"), COMPLEX, "ComplexDouble", *_pairs(np.float64))

half, double, short, long, cfloat, cdouble = float16, float64, int16, int64, complex64, complex128
ALL = (bool, uint8, int8, int16, int32, int64, float16, bfloat16, float32, float64, complex64, complex128)
ALIASES = {"float": float32, "double": float64, "half": float16, "int": int32, "long": int64, "short": int16}
ALIASES |= {"cfloat": complex64, "cdouble": complex128}
BY_NUMPY: dict[Any, dtype] = {d.storage: d for d in ALL if d is not bfloat16}
BY_PYTHON: dict[Any, dtype] = {Truth: bool, int: int64, float: float32, complex: complex64}

_default = [float32]


def get_default_dtype() -> dtype:
    return _default[0]


def set_default_dtype(d: dtype) -> None:
    """What Python floats become: float32 or float64."""
    if d not in (float16, bfloat16, float32, float64):
        raise TypeError(f"only floating-point types are supported as the default type, got {d}")
    _default[0] = d


def of(spec: Any) -> dtype:
    """The dtype that a user means: ours, a NumPy one, or a Python type."""
    if isinstance(spec, dtype):
        return spec
    found = BY_PYTHON.get(spec) if isinstance(spec, type) else None
    if found is not None:
        return get_default_dtype() if found is float32 else found
    try:
        return BY_NUMPY[np.dtype(spec)]
    except (KeyError, TypeError):
        raise TypeError(f"there is no tensor dtype for {spec!r}") from None


# Within a rank: which of two is the wider. uint8 with a signed integer is the next wider signed one, two different halves are
# float32 (PyTorch's table of promotion).
_INTEGERS = (int8, int16, int32, int64)
_FLOATS = (float32, float64)


def promote(a: dtype, b: dtype) -> dtype:
    """What an array of `a` and an array of `b` become together."""
    if a is b:
        return a
    if a.rank != b.rank:
        low, high = (a, b) if a.rank < b.rank else (b, a)
        if high.rank < COMPLEX or low.rank < FLOAT:
            return high
        return complex128 if low is float64 else high
    if a.rank == INTEGER:
        signed = [d for d in (a, b) if d is not uint8]
        if len(signed) == 1:
            return int16 if signed[0] is int8 else signed[0]
        return max(a, b, key=_INTEGERS.index)
    if a.rank == FLOAT:
        wide = [d for d in (a, b) if d in _FLOATS]
        return max(wide, key=_FLOATS.index) if wide else float32
    return complex128


RANK_OF = {Truth: BOOL, int: INTEGER, float: FLOAT, complex: COMPLEX}


def default_of(rank: int) -> dtype:
    """The dtype that a Python number of this rank becomes when it raises the rank of a tensor."""
    return (bool, int64, get_default_dtype(), complex128 if get_default_dtype() is float64 else complex64)[rank]


def result_type(arrays: list[dtype], zeros: list[dtype], scalars: list[int]) -> dtype:
    """PyTorch's rule: tensors with axes decide, tensors without axes and Python numbers (`scalars`: their ranks) raise only
    the rank."""
    found: dtype | None = None
    for group in (arrays, zeros, [default_of(r) for r in scalars]):
        joined: dtype | None = None
        for d in group:
            joined = d if joined is None else promote(joined, d)
        if joined is not None and (found is None or joined.rank > found.rank):
            if found is not None and found.rank == FLOAT:
                joined = complex128 if found is float64 else complex64
            found = joined
    assert found is not None
    return found


# ---- limits


class finfo:
    """The limits of a floating point dtype: `eps`, `max`, `min`, `tiny`, `smallest_normal`, `resolution`, `bits`."""

    def __init__(self, type: dtype | None = None) -> None:
        d = get_default_dtype() if type is None else type
        if not isinstance(d, dtype) or d.rank < FLOAT:
            raise TypeError(f"torch.finfo() requires a floating point input type. Use torch.iinfo to handle '{d!r}'")
        self.bits = 16 if d is bfloat16 else np.finfo(d.compute if d.storage != float16.storage else d.storage).bits
        if d is bfloat16:
            self.eps, self.tiny, self.max, self.resolution = 2.0**-7, 2.0**-126, (2 - 2.0**-7) * 2.0**127, 0.01
        else:
            limits = np.finfo(d.storage)
            self.eps, self.tiny = builtin_float(limits.eps), builtin_float(limits.tiny)
            self.max, self.resolution = builtin_float(limits.max), builtin_float(f"1e-{limits.precision}")
        self.min, self.smallest_normal, self.dtype = -self.max, self.tiny, d.name

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )


class iinfo:
    """The limits of an integer dtype: `max`, `min`, `bits`."""

    def __init__(self, type: dtype) -> None:
        if not isinstance(type, dtype) or type.rank != INTEGER:
            raise TypeError(f"torch.iinfo() requires an integer input type. Use torch.finfo to handle '{type!r}'")
        limits = np.iinfo(type.storage)
        self.bits, self.max, self.min, self.dtype = limits.bits, limits.max, limits.min, type.name

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """What tensors of these dtypes become together."""
    for k, d in enumerate((type1, type2)):
        if not isinstance(d, dtype):
            raise TypeError(
                f"promote_types(): argument 'type{k + 1}' (position {k + 1}) must be torch.dtype, not "
                f"{type(d).__name__}"
            )
    return promote(type1, type2)


def can_cast(from_: dtype, to: dtype) -> Truth:
    """May a result of one dtype be written into a tensor of another? Not to a lower kind: float to integer, integer to bool."""
    return from_.rank <= to.rank

__all__ = [
    "bfloat16", "bool", "can_cast", "cdouble", "cfloat", "complex64", "complex128", "double", "dtype", "finfo", "float16",
    "float32", "float64",
    "get_default_dtype", "half", "iinfo", "int16", "int32", "int64", "int8", "long", "promote_types", "set_default_dtype",
    "short", "uint8",
]  # fmt: skip
