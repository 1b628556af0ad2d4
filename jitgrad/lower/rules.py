"""The tasks of each statement that is not a pull: what writes cells, reductions, library calls, checks.

`RULES[op](block, let)`; those of the constructs stand in `constructs.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..ir.core import BOOL, I64, INTS, Atom, Let, Lit, Type, Var, dim_of
from ..ir.dims import DimLike, symbols
from .block import Block
from .facts import turned
from .plan import Call, Check, For, Index, Stmt, Window
from .tasks import Locate, Opaque, Reduce, Write
from .write import Writer, least

# ---- cells


def _cells(how: str) -> Callable[[Block, Let], None]:
    def rule(b: Block, let: Let) -> None:
        a, v, *args = let.args
        out = let.outs[0]
        axes, index = b.over(v.type)
        at = b.target(args, let.attrs, index)
        new, copy = b.fill_new(a, out.hint)
        task = b.task(axes, Write(out, at, b.cells.at(v, index), how, let.where), [(out, at)])
        b.order.reads(task, new, at)
        b.overwrites(task, a, out, new, copy, v, _rows(b, let) if how == "=" else None)

    return rule


def _rows(b: Block, let: Let) -> Index | None:
    """If the cells of a put are contiguous memory from the start of a row on: the leading index of that row."""
    spec = let.attrs["spec"]
    rest = spec.lstrip("i")
    k = len(spec) - len(rest)
    index = tuple(map(b.facts.index, let.args[2 : 2 + k]))
    if set(rest) <= {":"}:
        return index
    start = rest[0] == "s" and set(rest[1:]) <= {":"} and b.facts.index(let.args[2 + k]) == 0 and let.attrs["steps"] == (1,)
    return index if start else None


def _concat(b: Block, let: Let) -> None:
    out, axis = let.outs[0], let.attrs["axis"]
    b.new_place(out)
    start: DimLike = 0
    for x in let.args:
        axes, index = b.over(x.type)
        at = (*index[:axis], index[axis] + start, *index[axis + 1 :])
        b.task(axes, Write(out, at, b.cells.at(x, index), where=let.where), [(out, at)])
        start = start + b.facts.dim(x.type.shape[axis])


# ---- reductions


def initial(how: str, t: Type) -> Lit:
    """What leaves every value as it is."""
    if how in ("max", "min"):
        return Lit(least(t.dtype, how), t)
    value: Any = how in ("*", "and")
    return Lit(bool(value) if t.dtype == "bool" else int(value) if t.dtype in INTS else float(value), t)


def _reduction(how: str) -> Callable[[Block, Let], None]:
    def rule(b: Block, let: Let) -> None:
        _reduce(b, let.outs[0], let.args[0], let.attrs["axes"], how, let.where)

    return rule


def _reduce(b: Block, out: Var, x: Atom, reduced: tuple[int, ...], how: str, where: Any) -> None:
    axes, index = b.over(x.type)
    if out.type.shape:
        b.new_place(out)
    gone = frozenset(b.axes.index(_axis(index[k])) for k in reduced if index[k] != 0)
    begin = next((d for d in range(len(axes) + 1) if set(range(d, len(axes))) <= gone), len(axes))
    stays = tuple(index[k] for k in range(len(index)) if k not in reduced)
    cell = b.cells.at(x, index)
    if not gone:
        if out.type.shape:
            b.task(axes, Write(out, stays, cell, where=where), [(out, stays)])
        else:
            b.define(out, cell)
        return
    effect = Reduce(out, stays, cell, how, begin, gone, initial(how, x.type.element), where=where)
    b.task(axes, effect, [(out, stays)])


def _axis(d: DimLike) -> Var:
    """The loop index that an index is."""
    (v,) = symbols(d)
    return v


def _cumsum(b: Block, let: Let) -> None:
    x, out, axis = let.args[0], let.outs[0], let.attrs["axis"]
    axes, index = b.over(x.type)
    b.new_place(out)
    cell = b.cells.at(x, index)
    if index[axis] == 0:
        b.task(axes, Write(out, index, cell, where=let.where), [(out, index)])
        return
    depth = b.axes.index(_axis(index[axis]))
    last = depth == len(axes) - 1
    stays = (*index[:axis], *index[axis + 1 :])
    shape = b.facts.shape(x.type)
    total = Var(Type(x.type.dtype, () if last else (*shape[:axis], *shape[axis + 1 :])), out.hint)
    writes = [(out, index)]
    if not last:
        b.new_place(total)
        writes.append((total, stays))
    running = Write(out, index, cell, where=let.where)
    begin = depth if last else len(axes)
    effect = Reduce(
        total, stays, cell, "+", begin, frozenset([depth]), initial("+", x.type.element), running, let.where
    )  # fmt: skip
    task = b.task(axes, effect, writes)
    task.run = depth, let.attrs.get("reverse", False)


def _locate(b: Block, let: Let) -> None:
    x, out, axis = let.args[0], let.outs[0], let.attrs["axis"]
    shape = b.facts.shape(x.type)
    order = [*[k for k in range(len(shape)) if k != axis], axis]
    fresh = iter(b.axes)
    at = {k: 0 if shape[k] == 1 else dim_of(next(fresh)) for k in order}
    axes = tuple(shape[k] for k in order if shape[k] != 1)
    stays = tuple(at[k] for k in order[:-1])
    if out.type.shape:
        b.new_place(out)
    cell = b.cells.at(x, tuple(at[k] for k in range(len(shape))))
    if shape[axis] == 1:
        b.fill(out, Lit(0, out.type)) if out.type.shape else b.facts.alias.update({out: Lit(0, I64)})
        return
    b.task(axes, Locate(out, stays, cell, let.op.name, len(axes) - 1, let.where), [(out, stays)])


# ---- library calls


def _call(b: Block, let: Let) -> None:
    for o in let.outs:
        if o.type.shape:
            b.new_place(o)
    ins = [in_memory(b, turned(b.facts, let, a)) for a in let.args]
    flags = FLAGS.get(let.op.name, _no_flags)(b, let)

    def write(w: Writer) -> None:
        windows = [w.view(a) for a in ins]
        outs = [w.view(o) for o in let.outs if o.type.shape]
        scalars = tuple(o for o in let.outs if not o.type.shape)
        batch = len(windows[0].shape) - (2 if len(windows[0].shape) > 1 else 1)
        if let.op.name in SCALARS and batch:
            outs = [Window(o.buffer, o.prefix, o.shape, o.offset) for o in outs]
        w.levels[-1].append(batched(b, Call(let.op.name, tuple(windows), tuple(outs), scalars, flags, let.where), batch))

    b.task((), Opaque(write), [(o, None if o.type.shape else ()) for o in let.outs], whole=ins, effects=let.op.name != "matmul")


def in_memory(b: Block, a: Atom) -> Atom:
    """A library reads arrays only: one that is filled with a number is made for it."""
    if isinstance(a, Var):
        return a
    made = Var(a.type, "t")
    b.new_place(made)
    b.fill(made, a)
    return made


SCALARS = {"slogdet"}  # the results are numbers: of a batch, arrays of them


def batched(b: Block, call: Call, batch: int) -> Stmt:
    """A loop around the call for each leading axis."""
    axes = b.axes[:batch]
    index = tuple(map(dim_of, axes))

    def part(w: Any) -> Any:
        return Window(w.buffer, w.cell(index), w.shape[batch:])

    if not batch:
        return call
    s: Stmt = Call(call.name, tuple(map(part, call.ins)), tuple(map(part, call.outs)), call.scalars, call.flags, call.where)
    for axis, d in zip(reversed(axes), reversed(call.ins[0].shape[:batch]), strict=True):  # type: ignore[union-attr]
        s = For(axis, 0, d, (s,))
    return s


def _no_flags(b: Block, let: Let) -> tuple[Any, ...]:
    return ()


def _matmul_flags(b: Block, let: Let) -> tuple[Any, ...]:
    """Which of the matrices are taken transposed."""
    out = []
    for a, name in zip(let.args, ("ta", "tb"), strict=True):
        flip = turned(b.facts, let, a) != b.facts.atom(a)
        out.append(bool(let.attrs.get(name, False)) != flip)
    return tuple(out)


FLAGS: dict[str, Callable[[Block, Let], tuple[Any, ...]]] = {
    "matmul": _matmul_flags,
    "solve_triangular": lambda b, let: (let.attrs["lower"], let.attrs["trans"]),
}


# ---- checks


def _check(b: Block, let: Let) -> None:
    p = b.facts.atom(let.args[0])
    if p.type.shape:
        whole = Var(BOOL, "ok")
        _reduce(b, whole, p, tuple(range(p.type.rank)), "and", let.where)
        p = whole

    def write(w: Writer) -> None:
        w.put(Check(w.atom(p), let.attrs["error"], let.attrs["message"], let.where, let.attrs.get("raised")))

    b.task((), Opaque(write), needs=[p], effects=True)


RULES: dict[str, Callable[[Block, Let], None]] = {
    "put": _cells("="),
    "add_at": _cells("+"),
    "concat": _concat,
    "sum": _reduction("+"),
    "prod": _reduction("*"),
    "max": _reduction("max"),
    "min": _reduction("min"),
    "any": _reduction("or"),
    "all": _reduction("and"),
    "cumsum": _cumsum,
    "argmax": _locate,
    "argmin": _locate,
    "check": _check,
    **dict.fromkeys(("matmul", "solve", "solve_triangular", "inv", "cholesky", "slogdet"), _call),
}
