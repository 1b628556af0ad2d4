"""Reading and writing parts of a tensor: `x[key]` and `x[key] = value`.

A key is taken apart as PyTorch does it. Numbers, slices, `...` and None come first and give a view; what is left are tensors,
one for some of the axes of that view. Masks among them become the indices of what is set in them, which has to be known then;
so have indices, whose bounds are checked before anything is recorded.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from . import dtypes
from .creation import owned
from .kernel import Aval, Kernel, kernel
from .node import leaf, now
from .op import Op
from .run import known
from .shapes import FULL, expand, expanded, viewed
from .tensor import Tensor, of_buffer
from .views import _index, view_of

Part = Any  # of a key: a number, None, or ("slice", start, stop, step)
ZERO_DIM = (
    "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a 0-dim tensor to a "
    "number"
)
ONLY = (
    "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got {})"
)
UINT8 = "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead."


# ---- keys


def is_number(k: Any) -> bool:
    return isinstance(k, (int, np.integer)) and not isinstance(k, (bool, np.bool_))


def simple(key: Any, shape: tuple[int, ...]) -> Part | None:
    """The part for a key that is one number or one slice."""
    if isinstance(key, slice):
        if not shape:
            raise IndexError("slice() cannot be applied to a 0-dim tensor.")
        return slice_of(key)
    return checked_one(int(key), shape) if is_number(key) else None


def checked_one(k: int, shape: tuple[int, ...]) -> int:
    if not shape:
        raise IndexError(ZERO_DIM)
    return checked_number(k, 0, shape[0])


def checked_number(k: int, axis: int, n: int) -> int:
    if not -n <= k < n:
        raise IndexError(f"index {k} is out of bounds for dimension {axis} with size {n}")
    return k


def slice_of(k: slice) -> Part:
    ends = [x if x is None else x.__index__() for x in (k.start, k.stop, k.step)]
    if ends[2] is not None and ends[2] <= 0:
        raise ValueError("step must be greater than zero")
    return ("slice", *ends)


def axes_taken(k: Any) -> int:
    """How many axes of the tensor a part of a key stands for."""
    if k is None or k is Ellipsis or isinstance(k, bool):
        return 0
    return max(len(k.shape), 1) if isinstance(k, Tensor) and k.dtype in MASKS and k.shape else int(not is_flag(k))


MASKS = (dtypes.bool, dtypes.uint8)


def is_flag(k: Any) -> bool:
    """One bool: it takes no axis."""
    return isinstance(k, Tensor) and not k.shape and k.dtype in MASKS


SEQUENCE = (
    "Using a non-tuple sequence for multidimensional indexing is deprecated and will be changed in pytorch 2.9; use "
    "x[tuple(seq)] instead of x[seq]. In pytorch 2.9 this will be interpreted as tensor index, x[torch.tensor(seq)], which will "
    "result either in an error or a different result"
)


def listed(key: Any) -> list[Any]:
    """The parts of a key: NumPy's arrays and sequences as tensors, tensors of one integer as numbers."""
    if isinstance(key, list) and any(k is None or isinstance(k, (Tensor, list, tuple, slice, type(...))) for k in key):
        warnings.warn(SEQUENCE, UserWarning, stacklevel=4)
        key = tuple(key)
    return [part_of(k) for k in (key if isinstance(key, tuple) else (key,))]


def part_of(k: Any) -> Any:
    if k is None or k is Ellipsis or isinstance(k, slice):
        return k
    if isinstance(k, (bool, np.bool_)):
        return owned(np.array(bool(k)), dtypes.bool)
    if isinstance(k, (np.ndarray, list, tuple, range)):
        k = index_array(k)
    if isinstance(k, Tensor):
        if k.dtype.rank > dtypes.INTEGER:
            raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
        if k.dtype is dtypes.uint8:
            warnings.warn(UINT8, UserWarning, stacklevel=5)
        return k if k.shape or k.dtype in MASKS else int(known(k._value()))
    if hasattr(k, "__index__"):
        return k.__index__()
    raise (TypeError if isinstance(k, str) else IndexError)(ONLY.format(type(k).__name__))


def index_array(k: Any) -> Tensor:
    def plain(x: Any) -> Any:
        return known(x._value()) if isinstance(x, Tensor) else [plain(y) for y in x] if isinstance(x, (list, tuple, range)) else x

    values = np.asarray(plain(k))
    if not values.size and not isinstance(k, np.ndarray):
        values = values.astype(np.int64)
    return owned(np.array(values), dtypes.of(values.dtype))


def parsed(key: Any, shape: tuple[int, ...]) -> tuple[list[Part], list[tuple[int, Tensor]]]:
    """The basic part, and the tensors with the axis of the result of the basic part that each begins at."""
    parts = listed(key)
    taken = sum(map(axes_taken, parts))
    if taken > len(shape):
        if not shape and len(parts) == 1 and is_number(parts[0]):
            raise IndexError(ZERO_DIM)
        raise IndexError(f"too many indices for tensor of dimension {len(shape)}")
    basic: list[Part] = []
    tensors: list[tuple[int, Tensor]] = []
    axis = out = 0
    for k in parts:
        if k is Ellipsis:
            rest = len(shape) - axis - sum(map(axes_taken, parts[_place(parts, k) + 1 :]))
            basic += [FULL] * rest
            axis, out = axis + rest, out + rest
        elif k is None:
            basic.append(None)
            out += 1
        elif isinstance(k, slice):
            basic.append(slice_of(k))
            axis, out = axis + 1, out + 1
        elif isinstance(k, Tensor):
            wide = axes_taken(k)
            basic += [FULL] * wide if wide else [None]
            tensors.append((out, k if wide else owned(known(k._value()).reshape(1), k.dtype)))
            axis, out = axis + wide, out + max(wide, 1)
        else:
            basic.append(checked_number(k, axis, shape[axis]))
            axis += 1
    return basic, tensors


def _place(parts: Sequence[Any], wanted: Any) -> int:
    return next(at for at, k in enumerate(parts) if k is wanted)


def named(basic: Sequence[Part]) -> str:
    """What PyTorch calls the last step of a basic key."""
    for k in reversed(basic):
        if k != FULL:
            return "Unsqueeze" if k is None else "Slice" if isinstance(k, tuple) else "Select"
    return "Alias"


def basic_view(x: Tensor, basic: Sequence[Part]) -> Tensor:
    return viewed(x, _index, named(basic), key=tuple(basic))


# ---- tensors in a key


def indices_of(tensors: Sequence[tuple[int, Tensor]], shape: tuple[int, ...]) -> tuple[list[Tensor], tuple[int, ...]]:
    """Index tensors without negative numbers, and the axis of each, for an array of this shape."""
    found: list[Tensor] = []
    places: list[int] = []
    for at, t in tensors:
        if t.dtype in MASKS:
            check_mask(t, at, shape)
            for k, values in enumerate(np.nonzero(known(t._value()))):
                found.append(owned(values, dtypes.int64))
                places.append(at + k)
        else:
            found.append(in_bounds(t, at, shape[at]))
            places.append(at)
    try:
        np.broadcast_shapes(*[t.shape for t in found])
    except ValueError:
        shapes = ", ".join(str(list(t.shape)) for t in found)
        raise IndexError(f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}") from None
    return found, tuple(places)


def check_mask(t: Tensor, at: int, shape: tuple[int, ...]) -> None:
    for k, n in enumerate(t.shape):
        if shape[at + k] != n:
            raise IndexError(
                f"The shape of the mask {list(t.shape)} at index {k} does not match the shape of the indexed tensor "
                f"{list(shape)} at index {at + k}"
            )


def in_bounds(t: Tensor, axis: int, n: int, error: type[Exception] = IndexError, wraps: bool = True) -> Tensor:
    """The indices as int64, counted from the front; an error where one is not below n."""
    values = known(t._value())
    if values.size:
        low, high = int(values.min()), int(values.max())
        if high >= n or low < (-n if wraps else 0):
            bad = int(values[(values >= n) | (values < (-n if wraps else 0))].reshape(-1)[0])
            raise error(f"index {bad} is out of bounds for dimension {axis} with size {n}")
        if low < 0:
            return owned(np.where(values < 0, values.astype(np.int64) + n, values), dtypes.int64)
    return t if t.dtype is dtypes.int64 else of_buffer(values.astype(np.int64), Aval.of(dtypes.int64, t.shape))


def _key(indices: Sequence[Any], places: tuple[int, ...]) -> tuple[Any, ...]:
    """Index arrays at their places, all of the other axes."""
    at = dict(zip(places, indices, strict=True))
    return tuple(at.get(k, slice(None)) for k in range(max(places) + 1))


def _take(x: Any, *indices: Any, places: tuple[int, ...]) -> Any:
    return x[_key(indices, places)]


def _put(x: Any, value: Any, *indices: Any, places: tuple[int, ...]) -> Any:
    out = x.copy()
    out[_key(indices, places)] = value
    return out


def _add(x: Any, value: Any, *indices: Any, places: tuple[int, ...]) -> Any:
    out = x.copy()
    np.add.at(out, _key(indices, places), value)
    return out


def _put_masked(x: Any, value: Any, mask: Any, after: int) -> Any:
    """The value where the mask is set. The mask stands for the last axes of x before `after` more of them."""
    return np.where(mask.reshape((*mask.shape, *(1,) * after)), value, x).astype(x.dtype)


def _choose_take(x: Aval, *indices: Aval, places: tuple[int, ...], name: str = "Index") -> Kernel:
    return kernel(_take, name, (x.dtype,), places=places)


def _choose_put(
    x: Aval, value: Any, *indices: Aval, places: tuple[int, ...], add: bool = False, name: str = "IndexPut"
) -> Kernel:
    return kernel(_add if add else _put, name, (x.dtype,), places=places)


take = Op("index", _choose_take)
put_at = Op("index_put", _choose_put)
put_masked = Op("index_put", lambda x, v, m, after: kernel(_put_masked, "IndexPut", (x.dtype,), after=after))


def result_shape(shape: tuple[int, ...], indices: Sequence[Tensor], places: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of what index tensors take: their axes stand at the first place if they are neighbours, else in front."""
    common = np.broadcast_shapes(*[t.shape for t in indices])
    front = list(places) != list(range(places[0], places[0] + len(places)))
    rest = [n for k, n in enumerate(shape) if k not in places]
    at = 0 if front else places[0]
    return (*rest[:at], *common, *rest[at:])


# ---- x[key]


def fixed(key: Any) -> Any:
    """The key in a form that can be looked up, if it has Python's numbers and slices only; else None.

    A number stays one; all else is a tuple of its parts, and whether it was one before.
    """
    kind = type(key)
    if kind is int:
        return key
    parts = []
    for k in key if kind is tuple else (key,):
        if type(k) is slice:
            k = ("slice", k.start, k.stop, k.step)
            if not ENDS.issuperset(map(type, k[1:])):
                return None
        elif type(k) is not int and k is not None and k is not Ellipsis:
            return None
        parts.append(k)
    return (*parts, kind is tuple)


ENDS = {int, type(None)}


@functools.lru_cache(maxsize=4096)
def fixed_view(whole: Aval, key: Any) -> tuple[Kernel, tuple[Aval, ...]]:
    """The view that a fixed key means."""
    if type(key) is int:
        return one_view(whole, checked_one(key, whole.shape))
    parts = tuple([slice(*k[1:]) if type(k) is tuple else k for k in key[:-1]])
    one = None if key[-1] else simple(parts[0], whole.shape)
    if one is not None:
        return one_view(whole, one)
    basic = parsed(parts if key[-1] else parts[0], whole.shape)[0]
    return view_of(whole, _index, named(basic), key=tuple(basic))


def one_view(whole: Aval, part: Part) -> tuple[Kernel, tuple[Aval, ...]]:
    return view_of(whole, _index, "Select" if type(part) is int else "Slice", key=(part,))


def get(x: Tensor, key: Any) -> Tensor:
    """x[key]: a view, if the key has no tensors."""
    plain = fixed(key)
    if plain is not None:
        return x._view(*fixed_view(x._node.aval, plain))
    shape = x._node.aval.shape
    one = simple(key, shape)
    if one is not None:
        return x._view(*one_view(x._node.aval, one))
    basic, tensors = parsed(key, shape)
    if not tensors:
        return basic_view(x, basic)
    part = x if all(k == FULL for k in basic) else basic_view(x, basic)
    indices, places = indices_of(tensors, part.shape)
    return take(part, *indices, places=places)


# ---- x[key] = value


def put(x: Tensor, key: Any, value: Any) -> None:
    """x[key] = value"""
    if not isinstance(value, (Tensor, int, float, complex, np.generic)):
        module = type(value).__module__
        name = f"{'' if module == 'builtins' else module + '.'}{type(value).__name__}"
        raise TypeError(f"can't assign a {name} to a torch.{x.dtype.legacy}Tensor")
    if isinstance(value, np.generic):
        value = value.item()
    shape = x._node.aval.shape
    one = simple(key, shape)
    basic, tensors = ([one], []) if one is not None else parsed(key, shape)
    since = now()
    part = x if is_whole(basic, shape) else basic_view(x, basic)
    if tensors:
        put_tensors(part, tensors, value, since)
    elif isinstance(value, Tensor):
        value = without_ones(value, len(part.shape))
        expanded(value._node.aval, tuple(part.shape))  # raises where it does not go
        part.copy_(value)
    else:
        part.fill_(value)


def is_whole(basic: Sequence[Part], shape: tuple[int, ...]) -> bool:
    """Does the key take all of every axis?"""
    return all(
        type(k) is tuple and slice(*k[1:]).indices(n) == (0, n, 1) for k, n in zip(basic, shape, strict=False)
    ) and len(basic) <= len(shape)


def without_ones(value: Tensor, rank: int) -> Tensor:
    """Without the leading axes of size one that the target does not have."""
    extra = len(value.shape) - rank
    if extra > 0 and all(n == 1 for n in value.shape[:extra]):
        return value.reshape(tuple(value.shape[extra:]))
    return value


def put_tensors(x: Tensor, tensors: Sequence[tuple[int, Tensor]], value: Any, since: int | None, add: bool = False) -> Tensor:
    """Write (or add) the value at the indices, in place."""
    x._check_writable()
    since = now() if since is None else since
    masked = len(tensors) == 1 and tensors[0][1].dtype in MASKS and not add and not x.dtype.is_complex
    if masked and isinstance(value, Tensor) and value.numel() == 1:
        value = value.to(x.dtype)
    new = as_value(x, value)
    if masked and new.numel() == 1:
        at, mask = tensors[0]
        check_mask(mask, at, x.shape)
        after = len(x.shape) - at - len(mask.shape)
        mask = mask if mask.dtype is dtypes.bool else mask.to(dtypes.bool)
        new = new.reshape(()) if new.shape else new
        return x._write(put_masked(x, new, mask, after=after), since)
    indices, places = indices_of(tensors, x.shape)
    new = without_ones(new, len(wanted := result_shape(x.shape, indices, places)))
    try:
        fits = np.broadcast_shapes(new.shape, wanted) == wanted
    except ValueError:
        fits = False
    if not fits:
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(new.shape)} cannot be broadcast to indexing result of shape "
            f"{list(wanted)}"
        )
    if tuple(new.shape) != wanted:
        new = expand(new, *wanted)
    return x._write(put_at(x, new, *indices, places=places, add=add), since)


def as_value(x: Tensor, value: Any) -> Tensor:
    """What is written, as a tensor of the dtype of x."""
    if not isinstance(value, Tensor):
        aval = Aval.of(x.dtype, ())
        return Tensor(leaf(owned(np.array(value), x.dtype)._buffer(), aval))
    if value.dtype is not x.dtype:
        raise RuntimeError(
            f"Index put requires the source and destination dtypes match, got {x.dtype.legacy} for the destination and "
            f"{value.dtype.legacy} for the source."
        )
    return value
