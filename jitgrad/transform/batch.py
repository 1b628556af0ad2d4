"""One program for many arguments at once: `batch` writes `fn` for n rows of its arguments.

A value is batched (its first axis runs over the rows) or shared by all rows. An op on shared values is written once. Each
rule writes an op for all rows at once, so that products with a shared matrix become one product; where there is no rule, as
for loops and branches on the values of a row, the op is written in a loop over the rows, each row on its own. So are, in one
loop, all statements that have to do with arrays whose size differs from row to row: what a `while` remembers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import Unsupported
from ..ir.build import Value, again, apply, at, bind, environment, read, size, value
from ..ir.core import Atom, Fn, Let, Lit, Var, swap_atom, type_vars, vars_of
from ..ir.dims import DimLike
from ..ops.array import broadcast, iota, reshape, swap_last, transpose
from ..ops.index import get
from ..ops.linalg import matmul, solve
from ..ops.loop import loop

Flags = Sequence[bool]
DIFFERS = "the size of an array differs from row to row; vmap wants arrays of one shape for all rows"


@dataclass(frozen=True)
class Rows:
    """What a rule knows: the statement, its arguments here, which of them are batched, and how many rows there are."""

    let: Let
    ins: Sequence[Value]
    on: Flags
    n: DimLike

    def full(self, k: int) -> Value:
        """Argument k with an axis for the rows."""
        x = self.ins[k]
        return x if self.on[k] else spread(x, self.n)

    def all_full(self) -> list[Value]:
        return [self.full(k) for k in range(len(self.ins))]

    def bind(self, args: Sequence[Value], **attrs: object) -> Sequence[Value]:
        return bind(self.let.op, *args, hints=[o.hint for o in self.let.outs], **{**self.let.attrs, **attrs})


Rule = Callable[[Rows], "Sequence[Value] | None"]


def spread(x: Value, n: DimLike) -> Value:
    return broadcast(x, (n, *x.shape), tuple(range(1, x.rank + 1)))


def batch(fn: Fn, args: Sequence[Value], flags: Flags, n: DimLike) -> tuple[list[Value], list[bool]]:
    """The results of `fn` for n rows, written here, and which of them are batched."""
    env = environment(fn, args)
    batched = {p for p, on in zip(fn.params, flags, strict=True) if on}
    for let in fn.lets:
        batched |= set(let.outs) if _depends(let, batched) else set()
    k = 0
    while k < len(fn.lets):
        let, end = fn.lets[k], _end(fn.lets, k, batched)
        if end > k:
            env.update(_together(fn, k, end, env, batched, n))
        else:
            with at(let.where):
                outs = _batched(let, env, batched, n) if _depends(let, batched) else again(let, read(env, let.args))
            env.update((o, v.atom) for o, v in zip(let.outs, outs, strict=True))
        k = max(end, k + 1)
    return [_result(r, env, batched, n) for r in fn.results], [any(v in batched for v in vars_of(r)) for r in fn.results]


def _depends(let: Let, batched: set[Var]) -> bool:
    return any(v in batched for a in let.args for v in vars_of(a))


def _sizes(let: Let, batched: set[Var]) -> set[Var]:
    """The sizes of its arrays that differ from row to row."""
    return {v for x in (*let.args, *let.outs) for v in type_vars(x.type) if v in batched}


def _end(lets: Sequence[Let], k: int, batched: set[Var]) -> int:
    """Where the statements end that have to do with such sizes, if those from k on do; else k."""
    open_, end = _sizes(lets[k], batched), k
    while open_:
        last = max(j for j, let in enumerate(lets) if open_ & _sizes(let, batched))
        open_ = {v for let in lets[end : last + 1] for v in _sizes(let, batched)} if last >= end else set()
        end = last + 1
    return end


def _together(fn: Fn, k: int, end: int, env: dict[Var, Atom], batched: set[Var], n: DimLike) -> dict[Var, Atom]:
    """These statements in one loop over the rows (what all rows share, before it): what others need of them."""
    once = [let for let in fn.lets[k:end] if not _depends(let, batched)]
    for let in once:
        with at(let.where):
            env.update((o, v.atom) for o, v in zip(let.outs, again(let, read(env, let.args)), strict=True))
    lets = [let for let in fn.lets[k:end] if _depends(let, batched)]
    inside = {o for let in lets for o in let.outs}
    others = [*[a for let in fn.lets[end:] for a in let.args], *fn.results]
    needed = list(dict.fromkeys(v for a in others for v in vars_of(a) if v in inside))
    if any(v in batched for x in needed for v in type_vars(x.type)):
        raise Unsupported(DIFFERS)

    def write(row: dict[Var, Atom]) -> Sequence[Value]:
        for let in lets:
            with at(let.where):
                outs = again(let, read(row, let.args))
            row.update((o, v.atom) for o, v in zip(let.outs, outs, strict=True))
        return read(row, needed)

    taken = [v for let in lets for a in let.args for v in vars_of(a) if v not in inside]
    results = _in_a_loop(taken, env, batched, n, write)
    return {v: x.atom for v, x in zip(needed, results, strict=True)}


def _result(r: Atom, env: dict[Var, Atom], batched: set[Var], n: DimLike) -> Value:
    if isinstance(r, (Var, Lit)) or not any(v in batched for v in vars_of(r)):
        return read(env, (r,))[0]
    return _in_a_loop([r], env, batched, n, lambda row: (Value(swap_atom(r, row)),))[0]  # an integer form of batched values


def _batched(let: Let, env: dict[Var, Atom], batched: set[Var], n: DimLike) -> Sequence[Value]:
    mixed = any(not isinstance(a, Var) and any(v in batched for v in vars_of(a)) for a in let.args)
    if not mixed:
        rows = Rows(let, read(env, let.args), [a in batched for a in let.args], n)
        rule = _elementwise if let.op.elementwise else RULES.get(let.op.name)
        outs = rule(rows) if rule else None
        if outs is not None:
            return outs
    return _in_a_loop(let.args, env, batched, n, lambda row: again(let, read(row, let.args)))


def _in_a_loop(
    args: Sequence[Atom], env: dict[Var, Atom], batched: set[Var], n: DimLike, write: Callable[[dict[Var, Atom]], Sequence[Value]]
) -> Sequence[Value]:
    """The statement for each row on its own."""
    used = dict.fromkeys(v for a in args for v in vars_of(a))

    def step(i: Value) -> tuple[Value, ...]:
        row = {v: (_row(Value(env[v]), i).atom if v in batched else env[v]) for v in used}
        row_sizes = {a for v, a in row.items() if v in batched}
        outs = tuple(write(row))
        if any(v in row_sizes for o in outs for v in type_vars(o.type)):
            raise Unsupported(DIFFERS)
        return outs

    return loop(value(0), size(n), step, hints=("row",))


def _row(x: Value, i: Value) -> Value:
    return get(x, i, spec="i" + ":" * (x.rank - 1))


# ---- the rules


def _elementwise(r: Rows) -> Sequence[Value]:
    return r.bind(r.all_full())


def _broadcast(r: Rows) -> Sequence[Value] | None:
    if not r.on[0] or any(r.on[1:]):
        return None
    axes = tuple(k + 1 for k in r.let.attrs["axes"])
    return r.bind([r.ins[0], size(r.n), *r.ins[1:]], axes=(0, *axes))


def _transpose(r: Rows) -> Sequence[Value]:
    return r.bind(r.ins, perm=(0, *[k + 1 for k in r.let.attrs["perm"]]))


def _reshape(r: Rows) -> Sequence[Value] | None:
    return None if any(r.on[1:]) else r.bind([r.ins[0], size(r.n), *r.ins[1:]])


def _concat(r: Rows) -> Sequence[Value]:
    return r.bind(r.all_full(), axis=r.let.attrs["axis"] + 1)


def _reduction(r: Rows) -> Sequence[Value]:
    return r.bind(r.ins, axes=tuple(k + 1 for k in r.let.attrs["axes"]))


def _along(r: Rows) -> Sequence[Value]:
    return r.bind(r.ins, axis=r.let.attrs["axis"] + 1)


def _get(r: Rows) -> Sequence[Value] | None:
    spec = r.let.attrs["spec"]
    if not any(r.on[1:]):
        return r.bind(r.ins, spec=":" + spec)
    if set(spec) - {"i", ":"}:
        return None
    # every single index becomes an index array over the rows; of a batched array also that of its row
    index = iter(r.all_full()[1:])
    args = [iota(r.n)] * r.on[0] + [next(index) for letter in spec if letter == "i"]
    new = "a" * r.on[0] + spec.replace("i", "a")
    cells = bind(r.let.op, r.ins[0], *args, spec=new)[0]
    first = new.index("a")
    return [transpose(cells, (first, *[k for k in range(cells.rank) if k != first]))]


def _put(r: Rows) -> Sequence[Value] | None:
    if any(r.on[2:]):
        return None
    return r.bind([r.full(0), r.full(1), *r.ins[2:]], spec=":" + r.let.attrs["spec"])


def _matmul(r: Rows) -> Sequence[Value]:
    """One product: of batches of matrices, or, with a matrix that the rows share, of two matrices."""
    a, b = r.ins
    ta, tb = r.let.attrs.get("ta", False), r.let.attrs.get("tb", False)
    ranks = tuple(x.type.rank for x in r.let.args[:2])
    if max(ranks) > 2:  # batches already
        return [matmul(r.full(0), r.full(1), ta=ta, tb=tb)]
    if all(r.on):
        left = a if ranks[0] == 2 else reshape(a, (r.n, 1, a.shape[1]))
        right = b if ranks[1] == 2 else reshape(b, (r.n, b.shape[1], 1))
        y = matmul(left, right, ta=ta, tb=tb)
        return [y if ranks == (2, 2) else reshape(y, (r.n, y.shape[1] if ranks[0] == 2 else y.shape[2]))]
    if r.on[0]:
        return [matmul(a, b, tb=tb) if ranks[0] == 1 else _rows_times(swap_last(a) if ta else a, b, tb)]
    if ranks[1] == 1:  # (A x)^T = x^T A^T, and so on
        return [matmul(b, a, tb=not ta)]
    columns = b if tb else swap_last(b)
    return [_rows_times(columns, a, False) if ranks[0] == 1 else swap_last(_rows_times(columns, a, not ta))]


def _rows_times(a: Value, b: Value, tb: bool) -> Value:
    """Batched matrices times a shared matrix or vector: their rows, one below the other, in one product."""
    n, m, k = a.shape
    y = matmul(reshape(a, (n * m, k)), b, tb=tb) if b.rank > 1 else matmul(reshape(a, (n * m, k)), b)
    return reshape(y, (n, m, *y.shape[1:]))


def _solve(r: Rows) -> Sequence[Value] | None:
    a, b = r.ins
    vector = r.let.args[1].type.rank == 1
    if not r.on[0]:
        return [swap_last(solve(a, swap_last(b)))] if vector else None
    b = r.full(1)
    if vector:
        return [reshape(solve(a, reshape(b, (*b.shape, 1))), b.shape)]
    return [solve(a, b)]


def _batches(r: Rows) -> Sequence[Value]:
    """An op whose leading axes are batches anyway."""
    return r.bind(r.ins)


def _check(r: Rows) -> Sequence[Value]:
    return r.bind([apply("all", r.ins[0], axes=tuple(range(r.ins[0].rank)))])


RULES: dict[str, Rule] = {
    "broadcast": _broadcast,
    "transpose": _transpose,
    "reshape": _reshape,
    "concat": _concat,
    **dict.fromkeys(("sum", "prod", "max", "min", "any", "all"), _reduction),
    **dict.fromkeys(("cumsum", "argmax", "argmin"), _along),
    "get": _get,
    "put": _put,
    "add_at": _put,
    "matmul": _matmul,
    "solve": _solve,
    **dict.fromkeys(("inv", "cholesky", "slogdet"), _batches),
    "check": _check,
}

__all__ = ["RULES", "batch"]
