"""Simplifications about cells and shapes: one function for each op, from a statement to a shorter value, or None.

`rw.define(atom)` gives the statement behind a value: (op, arguments, attributes).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..ir.affine import differ, within
from ..ir.build import Value, apply, size
from ..ir.core import OPS, Atom, Let, Lit, Type, Var, dim_of
from ..ir.dims import DimLike
from ..ops.array import broadcast, cast, reshape, transpose, zeros_like
from ..ops.index import axes_of, get, notation, put
from ..ops.reduce import kept

Rule = Callable[[Any, Let, Sequence[Value]], Value | None]


def made_by(rw: Any, a: Atom, name: str) -> tuple[tuple[Atom, ...], Any] | None:
    """Arguments and attributes of the statement behind `a`, if it is that op."""
    made = rw.define(a)
    return (made[1], made[2]) if made is not None and made[0].name == name else None


def scalar_index(let_attrs: Any) -> bool:
    return set(let_attrs["spec"]) == {"i"}


def whole(a: Value, index: Sequence[Atom], attrs: Any) -> bool:
    """Does the index name every cell, in order?"""
    axes = axes_of(attrs["spec"], attrs.get("steps", ()), index)
    return all(
        ax.letter == ":" or (ax.letter == "s" and ax.step == 1 and dim_of(ax.args[0]) == 0 and dim_of(ax.args[1]) == d)
        for ax, d in zip(axes, a.shape, strict=True)
    )


def spelled(first: int, rule: Rule) -> Rule:
    """The rule, for an index (from argument `first` on) in which a slice that is the whole axis is written `:`."""

    def shorter(rw: Any, let: Let, ins: Sequence[Value]) -> Value | None:
        axes = axes_of(let.attrs["spec"], let.attrs.get("steps", ()), ins[first:])
        is_whole = [
            ax.letter == "s" and ax.step == 1 and dim_of(ax.args[0].atom) == 0 and dim_of(ax.args[1].atom) == d
            for ax, d in zip(axes, ins[0].shape, strict=True)
        ]
        if not any(is_whole):
            return rule(rw, let, ins)
        spec = "".join(":" if w else ax.letter for ax, w in zip(axes, is_whole, strict=True))
        steps = tuple(ax.step for ax, w in zip(axes, is_whole, strict=True) if ax.letter == "s" and not w)
        index = [a for ax, w in zip(axes, is_whole, strict=True) if not w for a in ax.args]
        return apply(let.op.name, *ins[:first], *index, hint=let.outs[0].hint, **notation(spec, steps, index))

    return shorter


def _get(rw: Any, let: Let, ins: Sequence[Value]) -> Value | None:
    a, index = ins[0], tuple(v.atom for v in ins[1:])
    if whole(a, index, let.attrs):
        return a
    if isinstance(a.atom, Lit):
        return Value(Lit(a.atom.value, let.op.type(a.atom, *index, **let.attrs)[0]))
    if (put_ := made_by(rw, a.atom, "put")) and put_[1] == let.attrs:
        if put_[0][2:] == index and "a" not in let.attrs["spec"]:
            return Value(put_[0][1])
        if scalar_index(let.attrs) and differ([*map(dim_of, put_[0][2:])], [*map(dim_of, index)], rw.ranges):
            return get(Value(put_[0][0]), *ins[1:], spec=let.attrs["spec"])
    if (added := made_by(rw, a.atom, "add_at")) and scalar_index(let.attrs) and scalar_index(added[1]):
        if added[0][2:] == index:
            return get(Value(added[0][0]), *ins[1:]) + Value(added[0][1])
        if differ([*map(dim_of, added[0][2:])], [*map(dim_of, index)], rw.ranges):
            return get(Value(added[0][0]), *ins[1:])
    if (spread := made_by(rw, a.atom, "broadcast")) and not spread[0][0].type.shape:
        t = let.op.type(a.atom, *index, **let.attrs)[0]
        return broadcast(Value(spread[0][0]), t.shape, ())
    if (window := made_by(rw, a.atom, "get")) and not rw.is_overwritten(window[0][0]):
        if scalar_index(let.attrs) and (whole_index := through(window, ins[1:])) is not None:
            return get(Value(window[0][0]), *whole_index)
        if let.attrs["spec"][0] == "i" and set(window[1]["spec"][:1]) == {"s"} and set(window[1]["spec"][1:]) == {":"}:
            (x, start, _), (step,) = window[0], window[1]["steps"]
            return get(Value(x), Value(start) + ins[1] * step, *ins[2:], hint=let.outs[0].hint, **let.attrs)
    if made_by(rw, a.atom, "iota") and let.attrs["spec"] == "i" and within(dim_of(index[0]), a.shape[0], rw.ranges):
        return ins[1]
    return None


def through(window: tuple[tuple[Atom, ...], Any], index: Sequence[Value]) -> list[Value] | None:
    """The index of a cell of a window as an index of the array."""
    args, attrs = window
    axes, mine = axes_of(attrs["spec"], attrs.get("steps", ()), args[1:]), iter(index)
    if any(ax.letter == "a" for ax in axes):
        return None
    from_slice = lambda ax: Value(ax.args[0]) + next(mine) * ax.step
    return [Value(ax.args[0]) if ax.letter == "i" else next(mine) if ax.letter == ":" else from_slice(ax) for ax in axes]


def _put(rw: Any, let: Let, ins: Sequence[Value]) -> Value | None:
    a, v, index = ins[0], ins[1], ins[2:]
    atoms = tuple(i.atom for i in index)
    if whole(a, atoms, let.attrs):
        return v
    if (read := made_by(rw, v.atom, "get")) and read[1] == let.attrs and read[0] == (a.atom, *atoms):
        return a
    before = made_by(rw, a.atom, "put") or made_by(rw, a.atom, "add_at")
    if before and before[1] == let.attrs and before[0][2:] == atoms and "a" not in let.attrs["spec"]:
        return put(Value(before[0][0]), v, *index, **let.attrs)
    return None


def _add_at(rw: Any, let: Let, ins: Sequence[Value]) -> Value | None:
    a, v, index = ins[0], ins[1], ins[2:]
    atoms = tuple(i.atom for i in index)
    if "a" in let.attrs["spec"]:
        return None  # cells may repeat
    if isinstance(a.atom, Lit) and a.atom.has(0.0):
        return put(a, v, *index, **let.attrs)
    if isinstance(v.atom, Lit) and v.atom.has(0.0):
        return a
    if whole(a, atoms, let.attrs):
        return a + v
    before = made_by(rw, a.atom, "put")
    if before and before[1] == let.attrs and before[0][2:] == atoms:
        old = Value(before[0][1])
        return put(Value(before[0][0]), old + v, *index, **let.attrs)
    return None


def _sum(rw: Any, let: Let, ins: Sequence[Value]) -> Value | None:
    x, axes = ins[0], let.attrs["axes"]
    if spread := made_by(rw, x.atom, "broadcast"):
        inner, into = Value(spread[0][0]), spread[1]["axes"]
        if not set(axes) & set(into):  # every summed axis holds copies
            y = broadcast(inner, tuple(x.shape[k] for k in kept(x, axes)), tuple(kept(x, axes).index(k) for k in into))
            return y * times(x, axes, y)
    if isinstance(x.atom, Lit) and x.type.is_real:
        y = Value(Lit(x.atom.value, Type(x.dtype, tuple(x.shape[k] for k in kept(x, axes)))))
        return y if x.atom.has(0.0) else y * times(x, axes, y)
    if all(x.shape[k] == 1 for k in axes):
        return reshape(x, tuple(x.shape[k] for k in kept(x, axes)))
    return None


def times(x: Value, axes: Sequence[int], like: Value) -> Value:
    """How many cells each sum has, as a number of the dtype and shape of `like`."""
    count: DimLike = 1
    for k in axes:
        count = count * x.shape[k]
    return broadcast(cast(size(count), like.dtype), like.shape, ())


def _transpose(rw: Any, let: Let, ins: Sequence[Value]) -> Value | None:
    perm = let.attrs["perm"]
    if perm == tuple(range(len(perm))):
        return ins[0]
    if isinstance(ins[0].atom, Lit):
        return Value(Lit(ins[0].atom.value, Type(ins[0].dtype, tuple(ins[0].shape[k] for k in perm))))
    if inner := made_by(rw, ins[0].atom, "transpose"):
        return transpose(Value(inner[0][0]), tuple(inner[1]["perm"][k] for k in perm))
    if (product := made_by(rw, ins[0].atom, "matmul")) and perm == (1, 0) and rw.used_once(ins[0].atom):
        (a, b), attrs = product  # (A B)' = B' A', the operands as they lie in memory
        if len(a.type.shape) == len(b.type.shape) == 2:
            ta, tb = not attrs.get("tb", False), not attrs.get("ta", False)
            return apply("matmul", Value(b), Value(a), ta=ta, tb=tb)
    return None


def _reshape(rw: Any, let: Let, ins: Sequence[Value]) -> Value | None:
    shape = tuple(dim_of(v.atom) for v in ins[1:])
    if shape == ins[0].shape or isinstance(ins[0].atom, Lit):
        return reshape(ins[0], shape)
    if inner := made_by(rw, ins[0].atom, "reshape"):
        return reshape(Value(inner[0][0]), shape)
    return None


def _broadcast(rw: Any, let: Let, ins: Sequence[Value]) -> Value | None:
    shape, axes = tuple(dim_of(v.atom) for v in ins[1:]), let.attrs["axes"]
    if shape == ins[0].shape:
        return ins[0]
    if isinstance(ins[0].atom, Lit):
        return Value(Lit(ins[0].atom.value, Type(ins[0].dtype, shape)))
    if inner := made_by(rw, ins[0].atom, "broadcast"):
        return broadcast(Value(inner[0][0]), shape, tuple(axes[k] for k in inner[1]["axes"]))
    return None


WIDER = {("f32", "f64"), ("i32", "i64"), ("i32", "f64"), ("bool", "i64"), ("bool", "f64"), ("bool", "f32")}


def _cast(rw: Any, let: Let, ins: Sequence[Value]) -> Value | None:
    dtype = let.attrs["dtype"]
    if ins[0].dtype == dtype:
        return ins[0]
    if (inner := made_by(rw, ins[0].atom, "cast")) and inner[0][0].type.dtype == dtype and (dtype, ins[0].dtype) in WIDER:
        return Value(inner[0][0])
    return None


def _where(rw: Any, let: Let, ins: Sequence[Value]) -> Value | None:
    p, x, z = ins
    if isinstance(p.atom, Lit):
        return x if p.atom.value else z
    if x.atom == z.atom:
        return x
    if inner := made_by(rw, p.atom, "not"):
        return apply("where", Value(inner[0][0]), z, x)
    return None


def _outwards(*places: int) -> Rule:
    """`only(c, g)` among the arguments at these places: only(c, op(..., g, ...)), for an op that is linear there."""

    def rule(rw: Any, let: Let, ins: Sequence[Value]) -> Value | None:
        for k in places:
            if inner := made_by(rw, ins[k].atom, "only"):
                c, g = inner[0]
                return _masked(rw, c, let, [*ins[:k], Value(g), *ins[k + 1 :]])
        return None

    return rule


def _add(rw: Any, let: Let, ins: Sequence[Value]) -> Value | None:
    """Adjoints that are absent at the same places."""
    made = [made_by(rw, x.atom, "only") for x in ins]
    if made[0] and made[1] and made[0][0][0] == made[1][0][0]:
        return _masked(rw, made[0][0][0], let, [Value(made[0][0][1]), Value(made[1][0][1])])
    return _either(rw, *ins) if let.op.name == "add" else None


def _either(rw: Any, a: Value, b: Value) -> Value | None:
    """(x where p, else 0) + (y where not p, else 0): one of the two, without waiting for an addition."""
    first, second = _side(rw, a), _side(rw, b)
    if first is None or second is None:
        return None
    for (p, x), (q, y) in ((first, second), (second, first)):
        if (inverse := made_by(rw, q, "not")) and inverse[0][0] == p:
            return apply("where", Value(p), Value(x), Value(y))
    return None


def _side(rw: Any, a: Value) -> tuple[Atom, Atom] | None:
    """The predicate under which it is something, and what; else it is 0."""
    if made := made_by(rw, a.atom, "only"):
        return made[0][0], made[0][1]
    made = made_by(rw, a.atom, "where")
    return made[0][:2] if made and isinstance(made[0][2], Lit) and made[0][2].has(0.0) else None  # type: ignore[return-value]


def _masked(rw: Any, c: Atom, let: Let, ins: Sequence[Value]) -> Value:
    """only(c, the statement on these), both known to what follows."""
    x = rw.statement(let, ins)[0]
    made = Let((Var(x.type, let.outs[0].hint),), OPS["only"], (c, x.atom), {}, (), let.where)
    return rw.statement(made, [Value(c), x])[0]


def _only(rw: Any, let: Let, ins: Sequence[Value]) -> Value | None:
    c, x = ins
    if isinstance(c.atom, Lit):
        return x if c.atom.value else zeros_like(x)
    if (inner := made_by(rw, x.atom, "only")) and inner[0][0] == c.atom:
        return x
    return None


def _matmul(rw: Any, let: Let, ins: Sequence[Value]) -> Value | None:
    """A transposed operand is a flag, not a copy."""
    flags = {"ta": let.attrs.get("ta", False), "tb": let.attrs.get("tb", False)}
    args = list(ins)
    for k, flag in enumerate(flags):
        inner = made_by(rw, ins[k].atom, "transpose")
        r = ins[k].rank
        if inner and r >= 2 and tuple(inner[1]["perm"]) == (*range(r - 2), r - 1, r - 2):
            args[k] = Value(inner[0][0])
            flags[flag] = not flags[flag]
    return None if args == list(ins) else apply("matmul", *args, **flags)


CELLS: dict[str, Rule] = {
    "get": spelled(1, _get),
    "put": spelled(2, _put),
    "add_at": spelled(2, _add_at),
    "sum": _sum,
    "transpose": _transpose,
    "reshape": _reshape,
    "broadcast": _broadcast,
    "cast": _cast,
    "where": _where,
    "only": _only,
    "mul": _outwards(0, 1),
    "div": _outwards(0),
    "neg": _outwards(0),
    "add": _add,
    "sub": _add,
    "matmul": _matmul,
}


