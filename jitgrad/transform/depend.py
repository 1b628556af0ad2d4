"""Which cells statements touch, and what follows from that: the one analysis of it, for return sweeps and for passes.

An *access* is a set of cells of an array, and what is done to each: it is read ("get"), overwritten ("put") or added to ("add").

    { c(k) : lo <= k < hi }         c: an affine form for each axis

The forms are in the terms of the outermost scope that is known (`Around`): sizes, and the indices of the loops around. What
runs within a statement (an inner index, an axis that is taken whole, a slice) is a symbol k of its own with a range, what is
computed from data is a symbol of which nothing is known. `Look` collects the accesses of statements, whatever the array is
called on the way. Let A(i) be those of iteration i of a loop; in A(i') of another one all that an iteration makes, and what the
loop carries, are symbols of their own, since about numbers of two iterations nothing is known but their ranges.

    x and y are apart       if no cell is in both, or both only read, or both only add: it does not matter which comes first.
                            (Sums may be reassociated: that is part of the promise of sums.) No cell is in both if on one axis
                            the forms differ by 1 or more, whatever the symbols are (`ir/affine.py`).
    any order               if x and y are apart for all x in A(i), y in A(i') with i < i', and scalars only accumulate
                            (`sums.py`): then the iterations may run in any order
    an access is final      if it is apart from all that its iteration writes behind it, and from all that later ones write:
                            the loop leaves the cells as they are now (`final.py`)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..ir.affine import differ, ranged, unknown
from ..ir.core import Atom, Fn, Let, Var, atom_of, dim_of, swap_dim
from ..ir.dims import DimLike, combine, of_symbol
from ..ir.walk import effectful
from ..ops.cond import Cond
from ..ops.index import axes_of
from ..ops.loop import Loop
from ..ops.while_ import While
from .sums import accumulates

Cell = tuple[DimLike, ...]
Ranges = dict[Any, tuple[DimLike, DimLike]]
Env = dict[Var, Any]  # integers, in terms of those outside
Pairs = Sequence[tuple[Var, Atom]]


# ---- where statements stand


@dataclass(frozen=True)
class Body:
    """A body of a construct. `state` and `consts`: its parameters, and what they are where it begins; `gives`: what the
    construct makes of its results (of a loop: if it is what the carry has become). `bounds`: of the index of a loop."""

    fn: Fn
    state: Pairs = ()
    consts: Pairs = ()
    gives: Sequence[tuple[Var, Atom, Var | None]] = ()
    index: Var | None = None
    bounds: tuple[Any, Any] = (0, 0)


def bodies(let: Let) -> list[Body]:
    rule = _BODIES.get(let.op.name)
    return rule(let) if rule else [Body(fn) for fn in let.fns]


def _bodies_of_loop(let: Let) -> list[Body]:
    view = Loop.of(let)
    state, consts = _pairs(view.carries, view.init), _pairs(view.inner, view.consts)
    return [Body(view.body, state, consts, _next(let, view), view.index, (view.lo, view.hi))]


def _bodies_of_while(let: Let) -> list[Body]:
    view, c = While.of(let), While.of(let).count
    sides = ((view.test, ()), (view.body, _next(let, view)))
    return [Body(fn, _pairs(fn.params[:c], view.init), _pairs(fn.params[c:], view.consts), gives) for fn, gives in sides]


def _next(let: Let, view: Loop | While) -> list[tuple[Var, Atom, Var | None]]:
    return list(zip(let.outs[: view.count], view.nexts, view.carries, strict=True))


def _bodies_of_cond(let: Let) -> list[Body]:
    gives = lambda fn: [(o, r, None) for o, r in zip(let.outs, fn.results, strict=True)]
    return [Body(fn, (), _pairs(fn.params, args), gives(fn)) for fn, args in Cond.of(let).branches]


def _pairs(params: Sequence[Var], args: Sequence[Atom]) -> Pairs:
    return list(zip(params, args, strict=True))


_BODIES: dict[str, Callable[[Let], list[Body]]] = {"loop": _bodies_of_loop, "while": _bodies_of_while, "cond": _bodies_of_cond}


@dataclass(frozen=True)
class Around:
    """What is known where a body stands: what its integer constants are outside, and the ranges of the indices."""

    names: Mapping[Var, Atom] = field(default_factory=dict)
    ranges: Mapping[Any, tuple[DimLike, DimLike]] = field(default_factory=dict)

    def dim(self, a: Atom) -> DimLike:
        return swap_dim(dim_of(a), self.names)

    def within(self, let: Let) -> list[Around]:
        """The same within each body of a statement."""
        return [self.inside(body.consts, body.index, body.bounds) for body in bodies(let)]

    def inside(self, consts: Pairs, index: Var | None = None, bounds: tuple[Any, Any] = (0, 0)) -> Around:
        ranges = {} if index is None else {index: (self.dim(bounds[0]), self.dim(bounds[1]))}
        return Around({**self.names, **integers(consts, self.names)}, {**self.ranges, **ranges})


def is_integer(v: Var) -> bool:
    return v.type.dtype == "i64" and not v.type.shape


def integers(pairs: Pairs, env: Mapping[Var, Atom]) -> Env:
    """What the integers among the parameters are outside."""
    return {p: atom_of(swap_dim(dim_of(a), env)) for p, a in pairs if is_integer(p)}


def anything(fn: Fn) -> Env:
    """The integers that a body has: nothing is known about them."""
    every = (*fn.params, *[o for let in fn.lets for o in let.outs])
    return {v: atom_of(unknown()) for v in every if is_integer(v)}


def behind(index: Var, around: Around, reverse: bool = False) -> tuple[DimLike, Ranges]:
    """The index of any iteration that comes after that of `index`, and all ranges."""
    (lo, hi), here, ranges = around.ranges[index], of_symbol(index), dict(around.ranges)
    return ranged(ranges, *((lo, here) if reverse else (combine(here, 1, 1), hi))), ranges


def another(body: Fn, index: Var, around: Around, at: DimLike) -> Env:
    """The integers of the iteration `at`, which are not those of the iteration `index`."""
    return {**anything(body), **around.names, index: atom_of(at)}


# ---- what statements touch


@dataclass(frozen=True)
class Access:
    kind: str  # "get", "put", "add"
    cell: Cell | None  # None: any


@dataclass
class Look:
    """Collects what statements do to an array, whatever it is called on the way."""

    arrays: set[Var]  # grows by the versions that the statements make
    ranges: Ranges
    found: list[Access] = field(default_factory=list)

    def statements(self, lets: Sequence[Let], env: Mapping[Var, Any]) -> None:
        for let in lets:
            if any(isinstance(a, Var) and a in self.arrays for a in let.args):
                _LOOK.get(let.op.name, _any)(self, let, env)

    def cell(self, let: Let, first: int, env: Mapping[Var, Any]) -> Cell:
        """The cell of a get or put whose index starts at argument `first`."""
        out: list[DimLike] = []
        axes = axes_of(let.attrs["spec"], let.attrs.get("steps", ()), let.args[first:])
        for axis, n in zip(axes, let.args[0].type.shape, strict=True):
            if axis.letter == "i":
                out.append(swap_dim(dim_of(axis.args[0]), env))
            elif axis.letter == ":":
                out.append(self.symbol(0, swap_dim(n, env)))
            elif axis.letter == "s":
                k = self.symbol(0, swap_dim(dim_of(axis.args[1]), env))
                out.append(combine(swap_dim(dim_of(axis.args[0]), env), k, axis.step))
            else:
                out.append(unknown())
        return tuple(out)

    def symbol(self, lo: DimLike, hi: DimLike) -> DimLike:
        return ranged(self.ranges, lo, hi)


def _any(f: Look, let: Let, env: Mapping[Var, Any]) -> None:
    """It may read every cell."""
    f.found.append(Access("get", None))


def _cells(kind: str, first: int) -> Callable[[Look, Let, Mapping[Var, Any]], None]:
    """A statement with an index, which begins at argument `first`."""

    def rule(f: Look, let: Let, env: Mapping[Var, Any]) -> None:
        if any(isinstance(a, Var) and a in f.arrays for a in let.args[1:]):  # put into another array, or an index
            _any(f, let, env)
        if let.args[0] in f.arrays:
            f.found.append(Access(kind, f.cell(let, first, env)))
            if kind != "get":
                f.arrays.add(let.outs[0])

    return rule


def _construct(f: Look, let: Let, env: Mapping[Var, Any]) -> None:
    """What a loop leaves of an array is that array only if every iteration hands it on: else it is computed anew. What only
    some of the branches hand on is overwritten by the others."""
    sides: dict[Var, list[bool]] = {}
    for body in bodies(let):
        f.arrays |= {p for p, a in (*body.state, *body.consts) if isinstance(a, Var) and a in f.arrays}
        inner = {**anything(body.fn), **integers(body.consts, env)}
        if body.index is not None:
            lo, hi = (swap_dim(dim_of(a), env) for a in body.bounds)
            inner[body.index] = atom_of(f.symbol(lo, hi))
        f.statements(body.fn.lets, inner)
        for o, r, p in body.gives:
            sides.setdefault(o, []).append(r in f.arrays and (p is None or p in f.arrays))
    for o, handed_on in sides.items():
        if any(handed_on):
            f.arrays.add(o)
            if not all(handed_on):
                f.found.append(Access("put", None))


_LOOK = {
    "get": _cells("get", 1), "put": _cells("put", 2), "add_at": _cells("add", 2),
    "loop": _construct, "while": _construct, "cond": _construct,
}  # fmt: skip


# ---- the questions


def apart(x: Access, y: Access, ranges: Mapping[Any, tuple[DimLike, DimLike]]) -> bool:
    """Does it not matter which of the two comes first?"""
    if x.kind == y.kind and x.kind != "put":
        return True
    return x.cell is not None and y.cell is not None and differ(x.cell, y.cell, ranges)


def any_order(view: Loop, around: Around) -> bool:
    """May the iterations run in any order? `around`: what is known within the body."""
    if view.ragged or any(map(effectful, view.body.lets)):
        return False
    pairs = zip(view.carries, view.nexts, strict=True)
    return all(_free_array(view, p, r, around) if p.type.shape else accumulates(view.body, p, r) for p, r in pairs)


def _free_array(view: Loop, p: Var, r: Atom, around: Around) -> bool:
    later, ranges = behind(view.index, around)
    now, then = Look({p}, ranges), Look({p}, ranges)
    now.statements(view.body.lets, around.names)
    if r not in now.arrays or sum(x in now.arrays for x in view.body.results if isinstance(x, Var)) != 1:
        return False
    then.statements(view.body.lets, another(view.body, view.index, around, later))
    return all(apart(x, y, ranges) for x in now.found for y in then.found)
