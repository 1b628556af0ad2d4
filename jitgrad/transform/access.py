"""Which cells a loop writes, and which of them it never writes again.

A cell is a tuple of dims: one index for each axis, in the variables of the enclosing body; an axis that is covered whole, or
the index of an inner loop, is a fresh symbol with a range. What is computed from data is a symbol without a range: about it
only equality of form is known, and only within one iteration.

*Final* cells: a cell that is provably not written later in this iteration, nor in any later one, can be read from the array
as the loop left it. So nothing of it needs to be remembered: LU, triangular solves, trajectories that the user keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from ..ir.affine import differ
from ..ir.core import Atom, Fn, Let, Var, atom_of, dim_of, swap_dim
from ..ir.dims import DimLike, Sym, combine, of_symbol
from ..ir.walk import definitions
from ..ops.cond import Cond
from ..ops.index import axes_of
from ..ops.loop import Loop
from ..ops.while_ import While

Cell = tuple[DimLike, ...]
Ranges = dict[Any, tuple[DimLike, DimLike]]


@dataclass(frozen=True)
class Facts:
    """What is known about integers where a nested loop is differentiated: what the constants of the bodies around it are
    outside of them, and over which ranges their indices run."""

    names: Mapping[Var, Atom] = field(default_factory=dict)
    ranges: Mapping[Any, tuple[DimLike, DimLike]] = field(default_factory=dict)

    def resolved(self, a: Atom) -> DimLike:
        return swap_dim(dim_of(a), self.names)


_facts: ContextVar[Facts | None] = ContextVar("facts", default=None)


def facts() -> Facts:
    return _facts.get() or Facts()


@contextmanager
def assuming(names: Mapping[Var, Atom], ranges: Ranges) -> Iterator[None]:
    """Within: these variables are those outer atoms, and these indices have these ranges."""
    known = facts()
    token = _facts.set(Facts({**known.names, **names}, {**known.ranges, **ranges}))
    try:
        yield
    finally:
        _facts.reset(token)


def integers(params: Sequence[Var], values: Sequence[Atom]) -> dict[Var, Atom]:
    """The integer scalars among the constants of a body: what they are outside."""
    pairs = zip(params, values, strict=True)
    return {p: atom_of(facts().resolved(a)) for p, a in pairs if p.type.dtype == "i64" and not p.type.shape}


class Unknown(Exception):
    """The cells of a statement are not known."""


def fresh(name: str) -> DimLike:
    return of_symbol(Sym(name, -(1 << 62)))


@dataclass
class Finder:
    """Collects the cells that statements read ("get") or write ("put") of an array, whatever it is called on the way."""

    kind: str
    ranges: Ranges = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)

    def symbol(self, lo: DimLike, hi: DimLike) -> DimLike:
        s = Sym("k", -(1 << 62))
        self.ranges[s] = (lo, hi)
        return of_symbol(s)

    def look(self, lets: Sequence[Let], arrays: set[Var], env: dict[Var, Any]) -> None:
        """`arrays` grows by the versions that the statements make. `env`: variables in terms of those outside."""
        for let in lets:
            touched = [k for k, a in enumerate(let.args) if isinstance(a, Var) and a in arrays]
            if not touched:
                continue
            rule = _LOOK.get(let.op.name)
            if rule is None:
                raise Unknown(let.op.name)
            rule(self, let, touched, arrays, env)

    def cell(self, let: Let, first: int, shape: Sequence[DimLike], env: Mapping[Var, Any]) -> Cell:
        """The index of a get or put, whose integer arguments start at `first`."""
        out: list[DimLike] = []
        axes = axes_of(let.attrs["spec"], let.attrs.get("steps", ()), let.args[first:])
        for axis, n in zip(axes, shape, strict=True):
            if axis.letter == "i":
                out.append(self.inside(axis.args[0], env))
            elif axis.letter == ":":
                out.append(self.symbol(0, self.inside_dim(n, env)))
            elif axis.letter == "s":
                k = self.symbol(0, self.inside(axis.args[1], env))
                out.append(combine(self.inside(axis.args[0], env), k, axis.step))
            else:
                out.append(fresh("any"))
        return tuple(out)

    def inside(self, a: Atom, env: Mapping[Var, Any]) -> DimLike:
        return self.inside_dim(dim_of(a), env)

    def inside_dim(self, d: DimLike, env: Mapping[Var, Any]) -> DimLike:
        return swap_dim(d, env)


def _get(f: Finder, let: Let, touched: list[int], arrays: set[Var], env: dict[Var, Any]) -> None:
    if f.kind == "get":
        f.cells.append(f.cell(let, 1, let.args[0].type.shape, env))


def _put(f: Finder, let: Let, touched: list[int], arrays: set[Var], env: dict[Var, Any]) -> None:
    if touched != [0]:
        raise Unknown("an array is put into another")
    if f.kind == "put" or let.op.name == "add_at":
        f.cells.append(f.cell(let, 2, let.args[0].type.shape, env))
    arrays.add(let.outs[0])


def _loop(f: Finder, let: Let, touched: list[int], arrays: set[Var], env: dict[Var, Any]) -> None:
    view = Loop.of(let)
    index = f.symbol(f.inside(view.lo, env), f.inside(view.hi, env))
    inner: dict[Var, Any] = {view.index: atom_of(index)}
    for p, a in zip(view.inner, view.consts, strict=True):
        if p.type.dtype == "i64" and not p.type.shape:
            inner[p] = atom_of(f.inside(a, env))
    _unknown_integers(view.body, inner)
    params = view.body.params[1:]
    f.look(view.body.lets, {params[k - 2] for k in touched}, inner)
    for k in touched:
        if k - 2 < view.count:
            arrays.add(let.outs[k - 2])


def _cond(f: Finder, let: Let, touched: list[int], arrays: set[Var], env: dict[Var, Any]) -> None:
    view = Cond.of(let)
    at = 1
    for fn, args in view.branches:
        mine = {fn.params[k - at] for k in touched if at <= k < at + len(args)}
        pairs = zip(fn.params, args, strict=True)
        inner: dict[Var, Any] = {p: atom_of(f.inside(a, env)) for p, a in pairs if p.type.dtype == "i64" and not p.type.shape}
        _unknown_integers(fn, inner)
        f.look(fn.lets, mine, inner)
        at += len(args)
    arrays |= {o for o in let.outs if o.type.shape}


def _unknown_integers(fn: Fn, env: dict[Var, Any]) -> None:
    """Integers that a body computes from data: another value each time the body runs."""
    for v in (*fn.params, *[o for let in fn.lets for o in let.outs]):
        if v.type.dtype == "i64" and not v.type.shape and v not in env:
            env[v] = atom_of(fresh(v.hint))


_LOOK = {"get": _get, "put": _put, "add_at": _put, "loop": _loop, "cond": _cond}


@dataclass(frozen=True)
class Chain:
    """The versions of a carried array within an iteration, from the carry to what it becomes, and the statements between."""

    carry: Var
    versions: tuple[Var, ...]
    links: tuple[Let, ...]


def chain_of(body: Fn, carry: Var, last: Atom) -> Chain | None:
    """None where the array is replaced, swapped or computed anew."""
    defs = definitions(body)
    versions: list[Var] = []
    links: list[Let] = []
    v: Any = last
    while isinstance(v, Var):
        versions.append(v)
        if v is carry:
            return Chain(carry, tuple(reversed(versions)), tuple(reversed(links)))
        let = defs.get(v)
        if let is None:
            return None
        before = _before(let, v)
        if before is None:
            return None
        links.append(let)
        v = before
    return None


def _before(let: Let, v: Var) -> Atom | None:
    """The version of the array from which the statement makes `v`, if it does so by writing cells."""
    k = let.outs.index(v)
    rule = _BEFORE.get(let.op.name)
    return rule(let, k) if rule else None


def _before_loop(view: Loop | While, k: int) -> Atom | None:
    if k >= view.count or chain_of(view.body, view.carries[k], view.nexts[k]) is None:
        return None
    return view.init[k]


def _before_cond(let: Let, k: int) -> Atom | None:
    """Both branches begin with one array."""
    found: set[Atom | None] = set()
    for fn, args in Cond.of(let).branches:
        names = dict(zip(fn.params, args, strict=True))
        found.add(names.get(root_of(fn, fn.results[k])))  # type: ignore[arg-type]
    return found.pop() if len(found) == 1 else None


def root_of(fn: Fn, a: Atom) -> Atom:
    """The array on which a value was built by writing cells."""
    defs = definitions(fn)
    while isinstance(a, Var) and a in defs:
        before = _before(defs[a], a)
        if before is None:
            break
        a = before
    return a


_BEFORE: dict[str, Callable[[Let, int], Atom | None]] = {
    "put": lambda let, k: let.args[0],
    "add_at": lambda let, k: let.args[0],
    "loop": lambda let, k: _before_loop(Loop.of(let), k),
    "while": lambda let, k: _before_loop(While.of(let), k),
    "cond": _before_cond,
}


class Finals:
    """For one carried array of a loop: which reads may be made from the array as the loop left it."""

    def __init__(
        self, body: Fn, chain: Chain, index: Var, lo: DimLike, hi: DimLike, reverse: bool, names: Mapping[Var, Atom]
    ) -> None:
        """`lo`, `hi`, and what the constants `names` are, in the terms of `facts()`."""
        self.body, self.chain, self.index = body, chain, index
        self.names, self.ranges = dict(names), {**facts().ranges, index: (lo, hi)}
        self.later = (lo, of_symbol(index)) if reverse else (combine(of_symbol(index), 1, 1), hi)
        self.place = {v: m for m, v in enumerate(chain.versions)}

    def safe_get(self, let: Let) -> bool:
        """Is the cell that this `get` reads still what it was when the loop has ended?"""
        finder = self._finder("get")
        try:
            finder.look([let], {let.args[0]}, dict(self.names))  # type: ignore[arg-type]
        except Unknown:
            return False
        return self._safe(self.place[let.args[0]], finder)  # type: ignore[index]

    def safe_value(self, put: Let) -> bool:
        """Can what this `put` wrote be read back when the loop has ended?"""
        if put.op.name != "put" or not set(put.attrs["spec"]) <= {"i", ":"}:
            return False
        finder = self._finder("put")
        finder.look([put], {put.args[0]}, dict(self.names))  # type: ignore[arg-type]
        return self._safe(self.place[put.outs[0]], finder)

    def safe_use(self, let: Let, version: Var) -> bool:
        """May this statement have the final array in the place of that version? (It reads it, and writes nothing of it.)"""
        reads, writes = self._finder("get"), self._finder("put")
        try:
            reads.look([let], {version}, dict(self.names))
            writes.look([let], {version}, dict(self.names))
        except Unknown:
            return False
        return not writes.cells and self._safe(self.place[version], reads)

    def _finder(self, kind: str) -> Finder:
        return Finder(kind, dict(self.ranges))

    def _safe(self, m: int, reads: Finder) -> bool:
        try:
            now, later = self._writes(m, None), self._writes(0, Sym("later", -(1 << 62)))
        except Unknown:
            return False
        return all(
            differ(w, c, {**reads.ranges, **finder.ranges}) for finder in (now, later) for w in finder.cells for c in reads.cells
        )

    def _writes(self, m: int, at: Sym | None) -> Finder:
        """What the links from the m-th on write: in this iteration, or in a later one, `at`."""
        finder = self._finder("put")
        env: dict[Var, Any] = dict(self.names)
        if at is not None:
            finder.ranges[at] = self.later
            env[self.index] = atom_of(of_symbol(at))
            for let in self.body.lets:
                for o in let.outs:
                    if o.type.dtype == "i64" and not o.type.shape:
                        env[o] = atom_of(fresh(o.hint))
        finder.look(self.chain.links[m:], {self.chain.versions[m]}, env)
        return finder
