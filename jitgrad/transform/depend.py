"""What the iterations of a loop do to each other: which cells each touches, and whether they may run in any order.

An access is a cell that is read, written, or added to; a cell is a tuple of dims in the terms of the outermost scope. Two
iterations are free of each other if whatever cell both touch they only read, or only add to. What is computed from data is
a symbol of its own in each iteration, so nothing is proven about it. A scalar that is carried must only accumulate. (The
order of a sum is free: that it is reassociated is part of the promise of sums.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..ir.affine import differ
from ..ir.core import Atom, Fn, Let, Var, atom_of, dim_of, swap_dim
from ..ir.dims import DimLike, Sym, combine, of_symbol
from ..ir.walk import effectful, uses
from ..ops.cond import Cond
from ..ops.index import axes_of
from ..ops.loop import Loop
from ..ops.while_ import While

Cell = tuple[DimLike, ...]
Ranges = dict[Any, tuple[DimLike, DimLike]]


@dataclass(frozen=True)
class Around:
    """What is known where a body stands: what its integer constants are outside, and the ranges of the indices."""

    names: Mapping[Var, Atom] = field(default_factory=dict)
    ranges: Mapping[Any, tuple[DimLike, DimLike]] = field(default_factory=dict)

    def dim(self, a: Atom) -> DimLike:
        return swap_dim(dim_of(a), self.names)

    def within(self, let: Let) -> list[Around]:
        """The same within each body of a statement."""
        if let.op.name == "loop":
            view = Loop.of(let)
            ranges = {**self.ranges, view.index: (self.dim(view.lo), self.dim(view.hi))}
            return [Around(self.constants(view.inner, view.consts), ranges)]
        if let.op.name == "while":
            again = While.of(let)
            return [Around(self.constants(fn.params[again.count :], again.consts), self.ranges) for fn in let.fns]
        if let.op.name == "cond":
            return [Around(self.constants(fn.params, args), self.ranges) for fn, args in Cond.of(let).branches]
        return [self for _ in let.fns]

    def constants(self, params: Sequence[Var], args: Sequence[Atom]) -> dict[Var, Atom]:
        pairs = zip(params, args, strict=True)
        return {**self.names, **{p: atom_of(self.dim(a)) for p, a in pairs if is_integer(p)}}


def is_integer(v: Var) -> bool:
    return v.type.dtype == "i64" and not v.type.shape


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

    def statements(self, lets: Sequence[Let], env: dict[Var, Any]) -> None:
        """`env`: integers in terms of those outside."""
        for let in lets:
            touched = [k for k, a in enumerate(let.args) if isinstance(a, Var) and a in self.arrays]
            if touched:
                _LOOK.get(let.op.name, _any)(self, let, touched, env)

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
        s = Sym("k", -(1 << 62))
        self.ranges[s] = (lo, hi)
        return of_symbol(s)


def unknown() -> DimLike:
    """An integer of which nothing is known."""
    return of_symbol(Sym("any", -(1 << 62)))


def _get(f: Look, let: Let, touched: list[int], env: dict[Var, Any]) -> None:
    f.found.append(Access("get", f.cell(let, 1, env)))


def _put(f: Look, let: Let, touched: list[int], env: dict[Var, Any]) -> None:
    if touched != [0]:
        return _any(f, let, touched, env)
    f.found.append(Access("put" if let.op.name == "put" else "add", f.cell(let, 2, env)))
    f.arrays.add(let.outs[0])


def _any(f: Look, let: Let, touched: list[int], env: dict[Var, Any]) -> None:
    """It may read every cell."""
    f.found.append(Access("get", None))


def _loop(f: Look, let: Let, touched: list[int], env: dict[Var, Any]) -> None:
    view = Loop.of(let)
    index = f.symbol(swap_dim(dim_of(view.lo), env), swap_dim(dim_of(view.hi), env))
    inner = {view.index: atom_of(index), **_integers(view.inner, view.consts, env)}
    _body(f, view.body, [view.body.params[k - 1] for k in touched], inner)
    _handed_on(f, let, [(k - 2, view.nexts[k - 2]) for k in touched if 0 <= k - 2 < view.count])


def _while(f: Look, let: Let, touched: list[int], env: dict[Var, Any]) -> None:
    view = While.of(let)
    for fn in (view.test, view.body):
        inner = _integers(fn.params[view.count :], view.consts, env)
        _body(f, fn, [fn.params[k] for k in touched], inner)
    _handed_on(f, let, [(k, view.nexts[k]) for k in touched if k < view.count])


def _handed_on(f: Look, let: Let, nexts: Sequence[tuple[int, Atom]]) -> None:
    """What a loop leaves of an array is that array only if every iteration hands it on: else it is computed anew."""
    f.arrays |= {let.outs[k] for k, r in nexts if r in f.arrays}


def _cond(f: Look, let: Let, touched: list[int], env: dict[Var, Any]) -> None:
    at = 1
    for fn, args in Cond.of(let).branches:
        _body(f, fn, [fn.params[k - at] for k in touched if at <= k < at + len(args)], _integers(fn.params, args, env))
        f.arrays |= {o for o, r in zip(let.outs, fn.results, strict=True) if r in f.arrays}
        at += len(args)


def _body(f: Look, fn: Fn, mine: Sequence[Var], env: dict[Var, Any]) -> None:
    f.arrays |= set(mine)
    for v in (*fn.params, *[o for let in fn.lets for o in let.outs]):
        if is_integer(v) and v not in env:
            env[v] = atom_of(unknown())
    f.statements(fn.lets, env)


def _integers(params: Sequence[Var], args: Sequence[Atom], env: Mapping[Var, Any]) -> dict[Var, Any]:
    pairs = zip(params, args, strict=True)
    return {p: atom_of(swap_dim(dim_of(a), env)) for p, a in pairs if is_integer(p)}


_LOOK = {"get": _get, "put": _put, "add_at": _put, "loop": _loop, "while": _while, "cond": _cond}


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
    later = Sym("later", -(1 << 62))
    lo, hi = around.ranges[view.index]
    ranges: Ranges = {**around.ranges, later: (combine(of_symbol(view.index), 1, 1), hi)}
    now, then = Look({p}, ranges), Look({p}, ranges)
    now.statements(view.body.lets, dict(around.names))
    others = {o: atom_of(unknown()) for let in view.body.lets for o in let.outs if is_integer(o)}
    carried = {c: atom_of(unknown()) for c in view.carries if is_integer(c)}
    then.statements(view.body.lets, {**around.names, **others, **carried, view.index: atom_of(of_symbol(later))})
    if r not in now.arrays or sum(x in now.arrays for x in view.body.results if isinstance(x, Var)) != 1:
        return False
    return all(apart(x, y, ranges) for x in now.found for y in then.found)


CHAINS = {"add": (0, 1), "sub": (0,), "maximum": (0, 1), "minimum": (0, 1)}  # through which arguments a sum runs
FAMILY = {"add": "+", "sub": "+", "maximum": "max", "minimum": "min"}


def accumulates(fn: Fn, p: Atom, r: Atom, how: str | None = None) -> bool:
    """Does `p` become `r` by sums alone (or by maxima alone), seen by nobody else on the way?"""
    return _sum_of(fn, p, r, how) is not None


def _sum_of(fn: Fn, p: Atom, r: Atom, how: str | None) -> str | None:
    """The kind of the accumulation; "" where nothing is added, None where it is none."""
    v, kind = p, how or ""
    while v is not r:
        users = [(let, k) for let in fn.lets for k, a in enumerate(let.args) if v in _mentioned(a)]
        if len({id(let) for let, _ in users}) != 1 or any(v in _mentioned(x) for x in fn.results):
            return None
        let, k = users[0]
        if len(users) > 1 and let.op.name != "cond":
            return None
        step = _step(let, k, kind or None)
        if step is None:
            return None
        v, mine = step
        kind = kind or mine
    seen = any(v in uses(let) for let in fn.lets)  # the sum so far, in whatever order it comes about
    return kind if not seen and sum(v in _mentioned(x) for x in fn.results) == 1 else None


def _mentioned(a: Atom) -> set[Any]:
    from_size = {s for s in getattr(getattr(a, "dim", None), "terms", ())}
    return {a} | from_size if isinstance(a, Var) or from_size else set()


def _step(let: Let, k: int, how: str | None) -> tuple[Var, str] | None:
    """What the sum is called after this statement, and its kind."""
    name = let.op.name
    if name in CHAINS:
        fits = k in CHAINS[name] and (how is None or how == FAMILY[name])
        return (let.outs[0], FAMILY[name]) if fits else None
    if name == "loop":
        view = Loop.of(let)
        if not 2 <= k < 2 + view.count:
            return None
        kind = _sum_of(view.body, view.carries[k - 2], view.nexts[k - 2], how)
        return None if kind is None else (let.outs[k - 2], kind)
    if name == "cond" and k:
        return _branches(let, k, how)
    return None


def _branches(let: Let, k: int, how: str | None) -> tuple[Var, str] | None:
    """Both branches accumulate into the same result."""
    taken = [[p for p, a in zip(fn.params, args, strict=True) if a == let.args[k]] for fn, args in Cond.of(let).branches]
    if any(len(ps) != 1 for ps in taken):
        return None
    sides = [p for (p,) in taken]
    for j, o in enumerate(let.outs):
        kind: str | None = how or ""
        for fn, p in zip(let.fns, sides, strict=True):
            kind = None if kind is None else _sum_of(fn, p, fn.results[j], kind or None)
        if kind is not None:
            return o, kind
    return None
