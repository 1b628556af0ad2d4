"""The part of an array that an iteration overwrites again and again becomes an array of its own.

    for i:                                   for i:
        for j in range(i):                       w = a[i]
            for k: a[i, k] -= r * a[j, k]        for j in range(i):
                                                     for k: w[k] -= r * a[j, k]
                                                 a[i] = w

The inner loop carries the row only, and the array is a constant of it: what is remembered is a row where it was the array,
the rows that are read are read as the loop left them, and memory that is read and memory that is written are apart. Every
access must provably be in the window, or a read that is provably beside it; and the window must exist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..ir.affine import differ, within
from ..ir.build import Value, again, apply, read, trace
from ..ir.core import Atom, Fn, Let, Var, atom_of
from ..ir.dims import DimLike, symbols
from ..ir.walk import needed, size_symbols, with_fns, with_lets
from ..ops.cond import Cond
from ..ops.index import axes_of, get, notation, put
from ..ops.loop import Loop
from .depend import Around, Cell, Look
from .rewrite import Rewriter

NOWHERE = Around()


def windows(fn: Fn, around: Around = NOWHERE) -> Fn:
    """Outer loops first: the window of an outer one is the smaller part of the work."""
    lets = []
    for let in fn.lets:
        if let.op.name == "loop":
            let = _windowed(let, around)
        let = with_fns(let, [windows(f, a) for f, a in zip(let.fns, around.within(let), strict=True)])
        lets.append(let)
    return with_lets(fn, lets)


def _windowed(let: Let, around: Around) -> Let:
    view = Loop.of(let)
    for k, p in enumerate(view.carries):
        window = _candidate(view, k) if p.type.rank >= 2 and _overwritten(view.body, p) else None
        places = _places(view, k, window, around.within(let)[0]) if window else None
        if window and places is not None:
            return _windowed(replace(let, fns=(_rewritten(view, k, window, places),)), around)
    return let


@dataclass(frozen=True)
class Window:
    """The cells of an array that have these indices on some of its axes."""

    index: Mapping[int, DimLike]
    rank: int

    def attrs(self) -> dict[str, Any]:
        return {"spec": "".join("i" if k in self.index else ":" for k in range(self.rank))}

    def atoms(self) -> list[Atom]:
        return [atom_of(self.index[k]) for k in sorted(self.index)]


def _overwritten(fn: Fn, p: Var) -> bool:
    """Does a loop within this body go over the same cells, more than one, in each of its iterations?"""
    for inner, k in _carrying(fn, p):
        look = Look({inner.carries[k]}, {})
        look.statements(inner.body.lets, {})
        written = [x.cell for x in look.found if x.kind != "get" and x.cell is not None]
        mentioned = [{s for d in cell for s in symbols(d)} for cell in written]
        if any(inner.index not in found and found & set(look.ranges) for found in mentioned):
            return True
        if _overwritten(inner.body, inner.carries[k]):
            return True
    return False


def _carrying(fn: Fn, p: Var) -> list[tuple[Loop, int]]:
    """The loops in a body that carry a version of the array."""
    look, found = Look({p}, {}), []
    for let in fn.lets:
        if let.op.name == "loop":
            view = Loop.of(let)
            found += [(view, k) for k, a in enumerate(view.init) if isinstance(a, Var) and a in look.arrays]
        look.statements([let], {})
    return found


def _candidate(view: Loop, k: int) -> Window | None:
    """The axes on which all writes have one index, known where an iteration begins."""
    look = Look({view.carries[k]}, {})
    look.statements(view.body.lets, {})
    written: list[Cell | None] = [x.cell for x in look.found if x.kind != "get"]
    known = {view.index, *view.inner, *size_symbols(view.body)}
    index: dict[int, DimLike] = {}
    for axis in range(view.carries[k].type.rank):
        first, *rest = {cell[axis] if cell is not None else None for cell in written} or {None}
        if first is not None and not rest and known.issuperset(symbols(first)):
            index[axis] = first
    rank = view.carries[k].type.rank
    return Window(index, rank) if 0 < len(index) < rank else None


# ---- the proof


class Unknown(Exception):
    """A statement that works on the array in a way that is not followed."""


Places = dict[int, bool]  # statement, by identity -> is it in the window (or beside it)?


def _places(view: Loop, k: int, window: Window, around: Around) -> Places | None:
    """Where each access is; None: not known, or the window may not exist."""
    p = view.carries[k]
    target = {axis: around.dim(atom_of(d)) for axis, d in window.index.items()}
    if not all(within(d, around.dim(atom_of(p.type.shape[axis])), around.ranges) for axis, d in target.items()):
        return None
    finder = _Finder(target, {})
    try:
        arrays = finder.look(view.body, {p}, around)
    except Unknown:
        return None
    mine = [n for n, r in enumerate(view.body.results) if r in arrays]
    return finder.places if mine == [k] else None


@dataclass(frozen=True)
class _Finder:
    target: Mapping[int, DimLike]
    places: Places

    def look(self, fn: Fn, arrays: set[Var], around: Around) -> set[Var]:
        """All versions of the array, given those among the parameters."""
        arrays = set(arrays)
        for let in fn.lets:
            touched = [k for k, a in enumerate(let.args) if isinstance(a, Var) and a in arrays]
            if not touched:
                continue
            if let.op.name not in _RULES:
                raise Unknown(let.op.name)
            arrays |= _RULES[let.op.name](self, let, touched, around)
        return arrays

    def note(self, let: Let, first: int, around: Around) -> bool:
        """A body may stand in two places; its statements are either in the window in both, or in none."""
        inside = self._inside(let, first, around)
        if self.places.setdefault(id(let), inside) != inside:
            raise Unknown("in the window or not")
        return inside

    def _inside(self, let: Let, first: int, around: Around) -> bool:
        axes = axes_of(let.attrs["spec"], let.attrs.get("steps", ()), let.args[first:])
        cells = {k: around.dim(axes[k].args[0]) for k in self.target if axes[k].letter == "i"}
        if cells == self.target and "a" not in let.attrs["spec"]:
            return True
        if not any(differ([d], [self.target[k]], around.ranges) for k, d in cells.items()):
            raise Unknown("in the window or not")
        return False


def _get(f: _Finder, let: Let, touched: Sequence[int], around: Around) -> set[Var]:
    f.note(let, 1, around)
    return set()


def _put(f: _Finder, let: Let, touched: Sequence[int], around: Around) -> set[Var]:
    if list(touched) != [0] or not f.note(let, 2, around):
        raise Unknown("not a write into the window")
    return {let.outs[0]}


def _loop(f: _Finder, let: Let, touched: Sequence[int], around: Around) -> set[Var]:
    view = Loop.of(let)
    (inner,) = around.within(let)
    arrays = f.look(view.body, {view.body.params[k - 1] for k in touched}, inner)
    begins = {k - 2 for k in touched if k - 2 < view.count}
    return _handed_on(let, [(k, r in arrays, k in begins) for k, r in enumerate(view.body.results)])


def _cond(f: _Finder, let: Let, touched: Sequence[int], around: Around) -> set[Var]:
    at, sides = 1, []
    for (fn, args), inner in zip(Cond.of(let).branches, around.within(let), strict=True):
        arrays = f.look(fn, {fn.params[k - at] for k in touched if at <= k < at + len(args)}, inner)
        sides.append([r in arrays for r in fn.results])
        at += len(args)
    return _handed_on(let, [(k, a, b) for k, (a, b) in enumerate(zip(*sides, strict=True))])


def _handed_on(let: Let, results: Sequence[tuple[int, bool, bool]]) -> set[Var]:
    """`results`: is it a version of the array, and in the other branch, or where the loop begins?"""
    if any(a != b for _, a, b in results):
        raise Unknown("an array that is replaced")
    return {let.outs[k] for k, a, _ in results if a}


_RULES = {"get": _get, "put": _put, "add_at": _put, "loop": _loop, "cond": _cond}


# ---- writing it


class _Inside(Rewriter):
    """Writes a body with the window in the place of the array. `array`: as it is where the iteration begins."""

    def __init__(self, fn: Fn, parent: Rewriter | None, kind: str, window: Window, places: Places, array: Value) -> None:
        super().__init__(fn, parent, kind)
        self.window, self.places, self.array = window, places, array

    def child(self, fn: Fn, kind: str) -> Rewriter:
        return _Inside(fn, self, kind, self.window, self.places, self.array)

    def statement(self, let: Let, ins: Sequence[Value]) -> Sequence[Value]:
        inside = self.places.get(id(let))
        if inside is None:
            return again(let, ins)
        if not inside:
            return again(let, (self.array, *ins[1:]))
        first = 1 if let.op.name == "get" else 2
        axes = axes_of(let.attrs["spec"], let.attrs.get("steps", ()), ins[first:])
        rest = [ax for k, ax in enumerate(axes) if k not in self.window.index]
        steps = tuple(ax.step for ax in rest if ax.letter == "s")
        index = [a for ax in rest for a in ax.args]
        attrs = notation("".join(ax.letter for ax in rest), steps, index)
        return [apply(let.op.name, *ins[:first], *index, hint=let.outs[0].hint, **attrs)]


def _rewritten(view: Loop, k: int, window: Window, places: Places) -> Fn:
    def write(*args: Value) -> tuple[Value, ...]:
        array = args[1 + k]
        index = read({p: a.atom for p, a in zip(view.body.params, args, strict=True)}, window.atoms())
        part = get(array, *index, hint=view.carries[k].hint, **window.attrs())
        inside = _Inside(view.body, None, "loop", window, places, array)
        out = inside.run(*args[: 1 + k], part, *args[2 + k :])
        return (*out[:k], put(array, out[k], *index, **window.attrs()), *out[k + 1 :])

    return needed(trace(write, view.body.params, view.body.name))


__all__ = ["windows"]
