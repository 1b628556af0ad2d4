"""Cells: what stands in an array at an index, as scalar statements.

A pure array operation is an index function: `PULL[op]` says how the cell of its result comes from cells of its arguments.
A rule is a generator that asks for cells, `x = yield operand, index`, so that long chains need no deep recursion. Equal
cells are one: (op, arguments) is looked up before a statement is written.

    cell      a scalar variable with a recipe (`Scalar` or `Fetch`), a literal or a size
    index     a dim per axis, over the loop indices of the nest (`axes`), sizes, and integer cells (data-dependent)
    depth     of a cell: how many loops stand around the place where it can be computed first
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import InternalError
from ..ir.core import Atom, Let, Lit, Size, Var, atom_of, dim_of
from ..ir.dims import DimLike, symbols
from ..ops.index import axes_of
from .facts import Facts
from .plan import Index, Scalar

Ask = Generator[tuple[Atom, Index], Atom, Any]


@dataclass(frozen=True, eq=False)
class Fetch:
    """A cell of a stored array; `shape`: the shape as which its memory is read, where that is another."""

    out: Var
    source: Var
    index: Index
    shape: tuple[DimLike, ...] | None = None


Recipe = Scalar | Fetch


class Cells:
    """The cells of one block. `axes[d]` is the index of the loop at depth d of its nests."""

    def __init__(self, facts: Facts, axes: tuple[Var, ...]) -> None:
        self.facts, self.axes = facts, axes
        self.recipes: dict[Var, Recipe] = {}
        self.level: dict[Var, frozenset[int]] = {a: frozenset([d]) for d, a in enumerate(axes)}  # axes a cell depends on
        self.origin: dict[Var, Var] = {}  # cell -> the array whose rule computes it
        self.tasked: set[Var] = set()  # cells that are statements of the block: others wait for these
        self._cells: dict[Any, Atom] = {}
        self._same: dict[Any, Var] = {}

    # ---- asking

    def at(self, a: Atom, index: Index = ()) -> Atom:
        """The cell of an array (or a scalar itself)."""
        found = self._open(a, index)
        return self._run((a, index), found) if isinstance(found, Generator) else found

    def pull(self, v: Var, index: Index = ()) -> Atom:
        """The cell of a pull by its rule, even if the array is stored."""
        let = self.facts.defs[v]
        return self._run(None, self._rule(let)(self, let, index))

    def cell_of(self, args: tuple[Atom, ...], attrs: Any, index: Index) -> Index:
        """Where in an array the cell `index` of a get or put stands."""
        return self._run(None, cell_of(self, args, attrs, index))

    def _run(self, key: Any, found: Ask) -> Any:
        stack = [(key, found)]
        answer: Any = None
        while stack:
            key, rule = stack[-1]
            try:
                want = rule.send(answer)
            except StopIteration as stop:
                stack.pop()
                answer = self._cells[key] = stop.value
                continue
            found = self._open(*want)
            if isinstance(found, Generator):
                stack.append((want, found))
                answer = None
            else:
                answer = found
        return answer

    def _open(self, a: Atom, index: Index) -> Any:
        """The cell, if it is known or needs no statement; else the rule that finds it."""
        a = self.facts.atom(a)
        if isinstance(a, Lit):
            return Lit(a.value, a.type.element) if a.type.shape else a
        if not a.type.shape or isinstance(a, Size):
            return a
        known = self._cells.get((a, index))
        if known is not None:
            return known
        if self.facts.stored(a):
            return self.fetch(a, index)
        let = self.facts.defs[a]
        return self._rule(let)(self, let, index)

    def _rule(self, let: Let) -> Callable[[Cells, Let, Index], Ask]:
        rule = _elementwise if let.op.elementwise else PULL.get(let.op.name)
        if rule is None:
            raise InternalError(f"`{let.op.name}` has no lowering")
        return rule

    # ---- writing recipes

    def fetch(self, a: Var, index: Index, shape: tuple[DimLike, ...] | None = None, out: Var | None = None) -> Var:
        key = ("fetch", a, index, shape)
        if key not in self._same:
            letters = "".join(x.hint for x in self.axes if any(x is s for d in index for s in symbols(d)))
            v = out or Var(a.type.element, f"{a.hint}_{letters}" if letters else a.hint)
            self._keep(key, Fetch(v, a, index, shape), [s for d in index for s in symbols(d)])
        return self._same[key]

    def fetched(self, a: Var, index: Index) -> Var | None:
        """The cell of that fetch, if there is one."""
        return self._same.get(("fetch", a, index, None))

    def scalar(self, let: Let, args: Iterable[Atom], out: Var | None = None) -> Atom:
        """One scalar statement, or the equal one that stands already."""
        args = tuple(args)
        if let.op.name == "stop_gradient":
            return args[0]
        key = (let.op, args, tuple(sorted(let.attrs.items())))
        if key not in self._same:
            source = let.outs[0]
            v = out or Var(source.type.element, source.hint)
            self._keep(key, Scalar(v, let.op, args, let.attrs, let.where), [s for a in args for s in scalars_of(a)])
            if source.type.shape:
                self.origin[v] = source
        return self._same[key]

    def _keep(self, key: Any, recipe: Recipe, used: Iterable[Any]) -> None:
        none: frozenset[int] = frozenset()
        self._same[key] = recipe.out
        self.recipes[recipe.out] = recipe
        self.level[recipe.out] = none.union(*[self.level.get(s, none) for s in used])

    # ---- questions

    def depth(self, a: Atom | DimLike) -> int:
        used = scalars_of(a) if isinstance(a, (Var, Lit, Size)) else symbols(a)
        return max((1 + d for s in used for d in self.level.get(s, ())), default=0)

    def reach(self, atoms: Iterable[Atom], root: Var | None = None) -> tuple[list[Fetch], list[Var]]:
        """What cells need from outside: the fetches, and the scalars that are not cells, or stand as statements (but
        `root`)."""
        fetches, leaves, seen = [], [], set()
        todo = [v for a in atoms for v in scalars_of(self.facts.atom(a))]
        while todo:
            v = todo.pop()
            if v in seen:
                continue
            seen.add(v)
            recipe = self.recipes.get(v)
            if recipe is None or (v in self.tasked and v is not root):
                leaves.append(v)
            elif isinstance(recipe, Fetch):
                fetches.append(recipe)
                todo += [s for d in recipe.index for s in symbols(d) if isinstance(s, Var)]
            else:
                todo += [s for a in recipe.args for s in scalars_of(self.facts.atom(a))]
        return fetches, leaves


def scalars_of(a: Atom) -> Sequence[Var]:
    """The scalar variables that an atom reads."""
    if isinstance(a, Var):
        return (a,)
    return [s for s in symbols(a.dim) if isinstance(s, Var)] if isinstance(a, Size) else ()


# ---- the rules


def _elementwise(c: Cells, let: Let, index: Index) -> Ask:
    args = []
    for a in let.args:
        args.append((yield a, index))
    return c.scalar(let, args)


def _broadcast(c: Cells, let: Let, index: Index) -> Ask:
    return (yield let.args[0], tuple(index[k] for k in let.attrs["axes"]))


def _transpose(c: Cells, let: Let, index: Index) -> Ask:
    perm = let.attrs["perm"]
    return (yield let.args[0], tuple(index[perm.index(k)] for k in range(len(perm))))


def _iota(c: Cells, let: Let, index: Index) -> Ask:
    return atom_of(index[0])
    yield


def _get(c: Cells, let: Let, index: Index) -> Ask:
    where = yield from cell_of(c, let.args[1:], let.attrs, index)
    return (yield let.args[0], where)


def _reshape(c: Cells, let: Let, index: Index) -> Ask:
    a = c.facts.atom(let.args[0])
    old, new = c.facts.shape(a.type), c.facts.shape(let.outs[0].type)
    where = unit_axes(old, new, index)
    if where is None and isinstance(a, Var) and c.facts.stored(a):
        return c.fetch(a, index, new)
    where = where or split_axes(old, new, index)
    if where is None:
        raise InternalError("a reshape that joins axes reads an array that has no memory")
    return (yield a, where)


PULL: dict[str, Callable[[Cells, Let, Index], Ask]] = {
    "broadcast": _broadcast,
    "transpose": _transpose,
    "iota": _iota,
    "get": _get,
    "reshape": _reshape,
}  # the keys are `facts.PULLS`


def cell_of(c: Cells, args: Sequence[Atom], attrs: Any, index: Index) -> Ask:
    """Where in the array the cell `index` of a get or put stands."""
    rest, out, joint = iter(index), [], None
    for axis in axes_of(attrs["spec"], attrs.get("steps", ()), args):
        if axis.letter == ":":
            out.append(next(rest))
        elif axis.letter == "s":
            out.append(c.facts.index(axis.args[0]) + next(rest) * axis.step)
        elif axis.letter == "i":
            out.append(c.facts.index(axis.args[0]))
        else:
            if joint is None:
                joint = tuple(next(rest) for _ in axis.args[0].type.shape)
            out.append(dim_of((yield axis.args[0], joint)))
    return tuple(out)


# ---- reshapes


def unit_axes(old: Index, new: Index, index: Index) -> Index | None:
    """The old index, if the shapes differ in axes of size 1 alone."""
    if [d for d in old if d != 1] != [d for d in new if d != 1]:
        return None
    rest = iter([i for i, d in zip(index, new, strict=True) if d != 1])
    return tuple(0 if d == 1 else next(rest) for d in old)


def split_axes(old: Index, new: Index, index: Index) -> Index | None:
    """The old index, if every old axis is a group of new ones."""
    cells, sizes = list(index), list(new)
    out: list[DimLike] = []
    for d in old:
        at: DimLike = 0
        product: DimLike = 1
        while product != d and sizes:
            at = at * sizes[0] + cells.pop(0)
            product = product * sizes.pop(0)
        if product != d:
            return None
        out.append(at)
    return tuple(out) if all(d == 1 for d in sizes) else None


__all__ = ["PULL", "Cells", "Fetch", "cell_of", "scalars_of"]
