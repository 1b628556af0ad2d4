"""`a[mask]` in an expression: elements whose number depends on the data.

They have no shape, so they are kept as the whole array with the mask, and live as long as nobody asks for one: arithmetic with
numbers, and with elements at the same mask, goes on with the wholes; sums and their kin put the neutral element where the mask
does not hold; `a[mask] = ...` and `a[mask] op= ...` write where it does. All else is refused at its line.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from ..errors import Unsupported, Where, raise_at, user_frame
from ..ir.build import Value
from ..ir.core import FLOATS
from ..ops import array
from . import promote
from .handlers import check
from .index import refuse_mask_read
from .promote import Operand
from .standin import Array, StandIn, involved, unwrap, wrap


class Masked(StandIn):
    """The elements of `whole` where `mask`, an array of its leading axes, holds."""

    __slots__ = ("_mask", "where", "whole")

    def __init__(self, whole: Array, mask: Value, where: Where | None = None) -> None:
        self.whole, self._mask = whole, Array.new(mask)
        self.where = where or user_frame(sys._getframe(1))

    @property
    def mask(self) -> Value:
        return self._mask.read()

    def refuse(self, *_: Any) -> NoReturn:
        """Their number is asked for."""
        refuse_mask_read(self.where)

    def operand(self) -> Operand:
        self.refuse()

    def _dtype(self) -> str:
        return self.whole._dtype()

    __iter__ = __len__ = __getitem__ = refuse


OPERATORS = (
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow, operator.and_,
    operator.or_, operator.xor, operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne, operator.neg,
    operator.pos, operator.invert, abs, np.clip,
)  # fmt: skip
BY_CELLS = frozenset(OPERATORS)

# What stands where the mask does not hold; None: that of the sum, divided by how many there are.
NEUTRAL: dict[Any, Any] = {
    np.sum: 0, np.mean: None, np.prod: 1, np.max: -np.inf, np.amax: -np.inf, np.min: np.inf, np.amin: np.inf, np.any: False,
    np.all: True,
}  # fmt: skip


def by_cells(f: Any) -> bool:
    return f in BY_CELLS if not isinstance(f, np.ufunc) else f.signature is None and f.nout == 1


def call_masked(call: Callable[..., Any], f: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`f(*args)`, masked elements among the arguments."""
    if f in NEUTRAL and len(args) == 1 and not kwargs:
        return reduced(call, f, args[0])
    first = next(x for x in args if isinstance(x, Masked))
    if kwargs or not by_cells(f):
        first.refuse()
    mask = first.mask
    wholes = [x.whole if isinstance(x, Masked) and x.mask.atom == mask.atom else single(x, first) for x in args]
    return Masked(call(f, tuple(wholes), {}), mask, first.where)


def single(x: Any, first: Masked) -> Any:
    """What meets masked elements must be one number: arrays would have to have as many elements as the mask."""
    if isinstance(x, Masked):
        raise_at(
            Unsupported,
            "elements at two masks meet",
            wanted="one mask, computed once: m = ...; a[m] = b[m] * 2.0",
            got="two masks that are not provably the same",
            repair="give the mask a name, or use np.where(mask, new, x)",
        )
    if (involved(x) and not isinstance(x, StandIn)) or (isinstance(x, (StandIn, np.ndarray)) and unwrap(x).rank):
        first.refuse()
    return x


def reduced(call: Callable[..., Any], f: Any, x: Masked) -> Any:
    """The sum, or its like, of the elements."""
    on = spread_mask(x.mask, x.whole)
    zero = NEUTRAL[f]
    if zero is None:
        return call(operator.truediv, (reduced(call, np.sum, x), call(np.sum, (on,), {})), {})
    if isinstance(zero, float):
        if x._dtype() not in FLOATS:
            x.refuse()
        some = call(np.any, (on,), {}).operand().value
        check(some, f"{f.__name__} of no elements: the mask holds nowhere", "ValueError")
    return call(f, (call(np.where, (on, x.whole, zero), {}),), {})


def spread_mask(mask: Value, whole: Array) -> Any:
    """The mask for every element of the array."""
    rank = mask.rank
    return wrap(Operand(array.broadcast(promote.fit(mask, whole.dims[:rank]), whole.dims, tuple(range(rank)))))
