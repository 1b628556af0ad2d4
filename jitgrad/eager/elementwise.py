"""How operations cell by cell are made: from a NumPy program, with PyTorch's promotion and its refusals.

`saves="result"`: PyTorch keeps the result for the return sweep, so that overwriting it is an error and overwriting the input
is not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import dtypes
from .complexes import computed, converted_parts
from .kernel import Aval, Kernel, kernel
from .op import Op, check_broadcast, result_dtype
from .run import known
from .tensor import Tensor

Choose = Callable[..., Kernel]
INTEGERS = (dtypes.BOOL, dtypes.INTEGER)


def float_dtype(types: tuple[Any, ...]) -> dtypes.dtype:
    """The promoted dtype; integers become the default float."""
    d = result_dtype(types)
    return d if d.rank >= dtypes.FLOAT else dtypes.get_default_dtype()


def missing(kernel_name: str, d: dtypes.dtype) -> NotImplementedError:
    """PyTorch's message where a dtype has no such operation."""
    return NotImplementedError(f"\"{kernel_name}\" not implemented for '{d.legacy}'")


def function(name: str, body: Any, node: str = "", saves: str = "") -> Op:
    """A function of floats: integers become floats."""
    node = node or name.capitalize()
    return Op(name, lambda *types, **options: computed(body, node, types, float_dtype(types), saves=saves, **options))


def arithmetic(
    name: str, body: Any, node: str = "", floating: bool = False, saves: str = "", number: str = "", lacks: Any = ()
) -> Op:
    """An operation of several that broadcast, in their common dtype.

    floating: integers become floats. number: the name of the node where the other argument is a number. lacks: ranks of dtypes
    that have no such operation.
    """
    node = node or name.capitalize()

    def choose(*types: Any, **options: Any) -> Kernel:
        check_broadcast(types)
        to = float_dtype(types) if floating else result_dtype(types)
        if to.rank in lacks:
            raise missing(("div_floor" if name == "floor_divide" else name) + "_cpu", to)
        named = number if number and not all(isinstance(t, Aval) for t in types) else node
        return computed(body, named, types, to, saves=saves, **options)

    return Op(name, choose)


def kept(name: str, body: Any, node: str = "", lacks: Any = (), suffix: str = "_vml_cpu") -> Op:
    """A function that keeps the dtype."""
    node = node or name.capitalize()

    def choose(*types: Any, **options: Any) -> Kernel:
        d = types[0].dtype
        if d.rank in lacks:
            raise missing(name + suffix, d)
        return computed(body, node, types, d, **options)

    return Op(name, choose)


# ---- copying and converting


def _copied(x: Any) -> Any:
    return x.copy()


def _cast(x: Any, to: Any) -> Any:
    return x.astype(to)


def _choose_cast(t: Aval, dtype: dtypes.dtype) -> Kernel:
    if dtype.is_complex or t.dtype.is_complex:
        return kernel(converted_parts, "ToCopy", (dtype,), to=dtype.compute, given=t.dtype.is_complex, wanted=dtype.is_complex)
    return kernel(_cast, "ToCopy", (dtype,), to=dtype.compute)


clone = Op("clone", lambda t: kernel(_copied, "Clone", (t.dtype,)))
_casts = Op("to", _choose_cast)


def cast(x: Tensor, *, dtype: dtypes.dtype) -> Tensor:
    """The tensor in another dtype. Low precision is reached by storing, so what is converted to it is computed at once."""
    out = _casts(x, dtype=dtype)
    if dtype.is_floating_point and dtype.store is not None:
        known(out._value())
    return out
