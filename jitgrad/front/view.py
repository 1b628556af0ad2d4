"""What an array shows of its box: NumPy's views, as data.

    form      the shape in which the box is looked at (that of the box, or a row-major reshape of it)
    axes      for each axis of the form: one cell, or a span of cells
    order     for each axis of the array: the axis of the form along which it runs, or None (np.newaxis: size 1)

Views are composed when they are made: a view of a view is one view. `read` takes the cells out of the box's value,
`write` gives the box's value with these cells replaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..ir.build import Value, size
from ..ir.core import Type
from ..ir.dims import DimLike, low
from ..ops import array, index


@dataclass(frozen=True)
class Cell:
    at: DimLike


@dataclass(frozen=True)
class Span:
    start: DimLike
    size: DimLike
    step: int = 1

    def whole(self, n: DimLike) -> bool:
        return self.start == 0 and self.step == 1 and self.size == n


Axis = Cell | Span
NEW = None  # np.newaxis in a selection


@dataclass(frozen=True)
class View:
    form: tuple[DimLike, ...]
    axes: tuple[Axis, ...]
    order: tuple[int | None, ...]

    @staticmethod
    def of(shape: tuple[DimLike, ...]) -> View:
        return View(shape, tuple(Span(0, n) for n in shape), tuple(range(len(shape))))

    @property
    def shape(self) -> tuple[DimLike, ...]:
        return tuple(1 if k is None else self.axes[k].size for k in self.order)  # type: ignore[union-attr]

    @property
    def unsliced(self) -> bool:
        return all(isinstance(a, Span) and a.whole(n) for a, n in zip(self.axes, self.form, strict=True))

    @property
    def in_order(self) -> bool:
        kept = [k for k in self.order if k is not None]
        return kept == sorted(kept)

    @property
    def is_whole(self) -> bool:
        """Is it the box, in the shape of the form?"""
        return self.unsliced and self.order == tuple(range(len(self.form)))

    @property
    def contiguous(self) -> bool:
        """Every cell of the box in its order, axes of size 1 aside: any reshape of it is a view."""
        return self.unsliced and self.in_order

    @property
    def scattered(self) -> bool:
        """Surely not in the order of memory: a reshape to one axis copies."""
        wide = [k for k, n in zip(self.order, self.shape, strict=True) if k is not None and (low(n) or 0) > 1]
        return wide != sorted(wide)

    @property
    def block(self) -> bool:
        """Surely one piece of memory, in its order: cells, then one span without gaps, then whole axes."""
        rest = list(zip(self.axes, self.form, strict=True))
        while rest and isinstance(rest[0][0], Cell):
            del rest[0]
        gapless = not rest or (isinstance(rest[0][0], Span) and rest[0][0].step == 1)
        return self.in_order and gapless and all(isinstance(a, Span) and a.whole(n) for a, n in rest[1:])

    @property
    def gaps(self) -> bool:
        """Surely not one piece of memory in its order."""
        spans = [a for a in self.axes if isinstance(a, Span)]
        wide = [a for a in spans if (low(a.size) or 0) > 1]
        last_cell = isinstance(self.axes[-1], Cell) and (low(self.form[-1]) or 0) > 1 if self.axes else False
        return self.scattered or any(a.step != 1 for a in wide) or (last_cell and bool(wide))

    # -- views of views

    def select(self, selection: Sequence[Axis | None]) -> View | None:
        """A cell, a span or NEW for each axis of the array in turn. None: an axis of np.newaxis that is emptied."""
        axes = list(self.axes)
        order: list[int | None] = []
        mine = iter(self.order)
        for s in selection:
            if s is NEW:
                order.append(None)
                continue
            k = next(mine)
            if k is None:
                if isinstance(s, Span):
                    if s.size != 1:
                        return None
                    order.append(None)
                continue
            axes[k] = _compose(axes[k], s)
            if isinstance(s, Span):
                order.append(k)
        return replace(self, axes=tuple(axes), order=(*order, *mine))

    def permute(self, perm: Sequence[int]) -> View:
        return replace(self, order=tuple(self.order[k] for k in perm))

    # -- cells

    def read(self, box: Value) -> Value:
        """The cells, out of the value of the box."""
        v = array.reshape(box, self.form)
        if not self.unsliced:
            spec, steps, at = self._notation()
            v = index.get(v, *at, spec=spec, steps=steps, hint=box.atom.hint)
        v = array.transpose(v, self._perm())
        return array.reshape(v, self.shape)

    def write(self, box: Value, v: Value) -> Value:
        """The value of the box with `v` (of this shape and the box's dtype) in these cells."""
        kept = tuple(n for k, n in zip(self.order, self.shape, strict=True) if k is not None)
        perm = self._perm()
        v = array.transpose(array.reshape(v, kept), tuple(perm.index(k) for k in range(len(perm))))
        if not self.unsliced:
            spec, steps, at = self._notation()
            v = index.put(array.reshape(box, self.form), v, *at, spec=spec, steps=steps, hint=box.atom.hint)
        return array.reshape(v, box.shape)

    def _perm(self) -> tuple[int, ...]:
        """The axes of the array (newaxis aside) in terms of the kept axes of the form."""
        kept = [k for k in self.order if k is not None]
        ranked = sorted(kept)
        return tuple(ranked.index(k) for k in kept)

    def _notation(self) -> tuple[str, tuple[int, ...], list[Value]]:
        spec, steps, at = "", [], []
        for a, n in zip(self.axes, self.form, strict=True):
            if isinstance(a, Cell):
                spec += "i"
                at.append(size(a.at))
            elif a.whole(n):
                spec += ":"
            else:
                spec += "s"
                steps.append(a.step)
                at += [size(a.start), size(a.size)]
        return spec, tuple(steps), at

    def type(self, dtype: str) -> Type:
        return Type(dtype, self.shape)


def _compose(outer: Axis, inner: Axis) -> Axis:
    """`inner` within the cells of `outer`."""
    assert isinstance(outer, Span)
    if isinstance(inner, Cell):
        return Cell(outer.start + inner.at * outer.step)
    return Span(outer.start + inner.start * outer.step, inner.size, outer.step * inner.step)
