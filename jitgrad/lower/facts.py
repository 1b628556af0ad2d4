"""What lowering knows about a whole program: definitions, what parameters of bodies stand for, which arrays are stored.

An array is *stored* if it has memory: parameters, results of statements that write cells (put, reductions, library
calls, constructs), and the pulls in `kept`. Kept are results, what a library call reads (unless it is a window of
memory), what a body reads (unless it is an index function of memory), and what a first attempt at a schedule found to be
computed twice although it is dear. Everything else is computed where it is used.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache

from ..ir.core import Atom, Fn, Let, Lit, Op, Size, Type, Var, atom_of, dim_of
from ..ir.dims import DimLike, substitute, symbols
from ..ops.cond import Cond
from ..ops.loop import Loop
from ..ops.while_ import While


class Again(Exception):
    """The facts have grown: schedule again."""


@dataclass
class Facts:
    defs: dict[Var, Let] = field(default_factory=dict)
    alias: dict[Var, Atom] = field(default_factory=dict)  # constants of bodies -> what they are outside
    kept: set[Var] = field(default_factory=set)
    apart: set[Var] = field(default_factory=set)  # arrays over which the next value cannot be written
    torn: set[Var] = field(default_factory=set)  # carries whose next value cannot be left where it was made

    def atom(self, a: Atom) -> Atom:
        """The atom, with constants of bodies replaced by what they stand for."""
        while isinstance(a, Var):
            if a not in self.alias:
                return a
            a = self.alias[a]
        if isinstance(a, Size):
            d = self.dim(a.dim)
            return a if d is a.dim else atom_of(d)
        if isinstance(a, Lit) and a.type.shape:
            return Lit(a.value, self.type(a.type))
        return a

    def dim(self, d: DimLike) -> DimLike:
        if isinstance(d, int) or not any(s in self.alias for s in symbols(d)):
            return d
        return substitute(d, lambda s: dim_of(self.atom(s)) if s in self.alias else None)

    def index(self, a: Atom) -> DimLike:
        return dim_of(self.atom(a))

    def shape(self, t: Type) -> tuple[DimLike, ...]:
        return tuple(self.dim(d) for d in t.shape)

    def type(self, t: Type) -> Type:
        return Type(t.dtype, self.shape(t))

    def stored(self, a: Atom) -> bool:
        if not isinstance(a, Var):
            return False
        return a in self.kept or a not in self.defs or not is_pull(self.defs[a])

    def keep(self, a: Atom) -> bool:
        """Store it from now on; was that news?"""
        a = self.atom(a)
        if not isinstance(a, Var) or not a.type.shape or self.stored(a):
            return False
        self.kept.add(a)
        return True

    def operands(self, v: Var) -> list[Var]:
        """What the rule of a pull reads."""
        return [a for a in map(self.atom, self.defs[v].args) if isinstance(a, Var) and a.type.shape]

    def leaves(self, a: Atom) -> set[Var]:
        """The stored arrays, and the scalars, that the cells of a value are computed from."""
        out: set[Var] = set()
        todo, seen = [self.atom(a)], set()
        while todo:
            v = todo.pop()
            if v in seen:
                continue
            seen.add(v)
            if isinstance(v, Var) and v.type.shape and not self.stored(v):
                todo += map(self.atom, self.defs[v].args)
            elif isinstance(v, Var):
                out.add(v)
            elif isinstance(v, Size):
                out |= {s for s in symbols(v.dim) if isinstance(s, Var)}
        return out

    def free(self, a: Atom) -> bool:
        """An index function of memory: reading a cell through it costs nothing."""
        a = self.atom(a)
        if not isinstance(a, Var) or not a.type.shape or self.stored(a):
            return True
        let = self.defs[a]
        if let.op.elementwise or "a" in let.attrs.get("spec", ""):
            return False
        return all(map(self.free, let.args))

    def viewable(self, a: Atom) -> bool:
        """A contiguous part of memory."""
        a = self.atom(a)
        if not isinstance(a, Var) or not a.type.shape:
            return isinstance(a, Var)
        if self.stored(a):
            return True
        let = self.defs[a]
        spec = let.attrs.get("spec")
        leading = spec is not None and set(spec.lstrip("i")) <= {":"}
        return (leading or let.op.name == "reshape") and self.viewable(let.args[0])

    def dear(self, a: Atom) -> bool:
        """Does a cell cost more than some additions, counted from memory on?"""
        todo, seen, operations = [self.atom(a)], set(), 0
        while todo:
            v = todo.pop()
            if v in seen or not isinstance(v, Var) or not v.type.shape or self.stored(v):
                continue
            seen.add(v)
            let = self.defs[v]
            operations += let.op.elementwise
            if is_dear(let.op) or "a" in let.attrs.get("spec", "") or operations > CHEAP_OPERATIONS:
                return True
            todo += self.operands(v)
        return False


PULLS = frozenset({"broadcast", "transpose", "iota", "get", "reshape"})
CHEAP_OPERATIONS = 8  # so many cost less than memory
CHEAP = frozenset({"abs", "maximum", "minimum", "max", "min", "floor", "ceil", "trunc", "rint", "sign", "copysign"})


def is_pull(let: Let) -> bool:
    """Are its results arrays that can be computed cell by cell?"""
    return let.op.elementwise or let.op.name in PULLS


@cache
def is_dear(op: Op) -> bool:
    """A function call, or a division."""
    if op.source is None:
        return False
    nodes = list(ast.walk(ast.parse(op.source, mode="eval")))
    calls = {n.func.id for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    return bool(calls - CHEAP) or any(isinstance(n, (ast.Div, ast.FloorDiv, ast.Mod, ast.Pow)) for n in nodes)


def joins(old: tuple[DimLike, ...], new: tuple[DimLike, ...]) -> bool:
    """Does a reshape join axes, so that what it reads must be memory? (Splitting and unit axes are index arithmetic.)"""
    old, new = tuple(d for d in old if d != 1), tuple(d for d in new if d != 1)
    rest = list(new)
    for d in old:
        product: DimLike = 1
        while product != d and rest:
            product = product * rest.pop(0)
        if product != d:
            return True
    return bool(rest)


# ---- the survey


def survey(fn: Fn) -> Facts:
    facts = Facts()
    _survey(fn, facts)
    for let in _lets(fn):
        _keep_operands(facts, let)
    return facts


def _lets(fn: Fn) -> Iterator[Let]:
    for let in fn.lets:
        yield let
        for f in let.fns:
            yield from _lets(f)


def _survey(fn: Fn, facts: Facts) -> None:
    for let in fn.lets:
        facts.defs.update((o, let) for o in let.outs)
        for p, a in constants(let):
            facts.alias[p] = a
        for f in let.fns:
            _survey(f, facts)


def constants(let: Let) -> Iterable[tuple[Var, Atom]]:
    """The parameters of its bodies that stand for values outside."""
    rule = CONSTANTS.get(let.op.name)
    return rule(let) if rule else ()


def _of_loop(let: Let) -> Iterable[tuple[Var, Atom]]:
    view = Loop.of(let)
    return zip(view.inner, view.consts, strict=True)


def _of_while(let: Let) -> Iterable[tuple[Var, Atom]]:
    view = While.of(let)
    yield from zip(view.inner, view.consts, strict=True)
    yield from zip(view.test.params[view.count :], view.consts, strict=True)


def _of_cond(let: Let) -> Iterable[tuple[Var, Atom]]:
    for fn, args in Cond.of(let).branches:
        yield from zip(fn.params, args, strict=True)


CONSTANTS = {"loop": _of_loop, "while": _of_while, "cond": _of_cond}


def _keep_operands(facts: Facts, let: Let) -> None:
    if let.op.construct:
        for _, a in constants(let):
            if not facts.free(a):
                facts.keep(a)
    elif let.op.name == "reshape":
        if joins(facts.shape(let.args[0].type), facts.shape(let.outs[0].type)):
            facts.keep(let.args[0])
    elif not is_pull(let) and let.op.name in CALLS:
        for a in let.args:
            a = turned(facts, let, a)
            if not facts.viewable(a):
                facts.keep(a)


CALLS = frozenset({"matmul", "solve", "solve_triangular", "inv", "cholesky", "slogdet"})


def turned(facts: Facts, let: Let, a: Atom) -> Atom:
    """What a product reads: the matrix under a transposition of its last two axes, which the product does itself."""
    a = facts.atom(a)
    if let.op.name == "matmul" and isinstance(a, Var) and a in facts.defs and not facts.stored(a):
        t = facts.defs[a]
        if t.op.name == "transpose" and swaps_last(t.attrs["perm"]):
            return facts.atom(t.args[0])
    return a


def swaps_last(perm: tuple[int, ...]) -> bool:
    r = len(perm)
    return tuple(perm) == (*range(r - 2), r - 1, r - 2)
