"""What the transformations do, said once: on the stand-ins of a running trace.

Each is a callable `transformation(*args, **kwargs)` that traces the user's function as a program of its own (`Inner`),
differentiates that, and writes the result into the program being traced. So they nest in any order, and what the function
captured needs no thought. Called outside of a trace, `programs.Function` traces the transformation itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ArgumentError, DTypeError, NotDifferentiable, ShapeError, raise_at
from ..front import promote
from ..front import size as sizes
from ..front.standin import StandIn, describe
from ..front.trace import Inner, inner, wrap_value
from ..front.tree import TreeDef, flatten, flatten_like
from ..ir.build import Value, size, value
from ..ir.core import Type
from ..ir.dims import DimLike
from ..ops.array import reshape, stop, transpose
from ..ops.index import put
from ..ops.loop import loop
from ..transform.ad import push_fn, sweep, tangent_or_zero
from ..transform.pipeline import prepared

Argnums = int | str | tuple[int | str, ...]


@dataclass(frozen=True)
class Chosen:
    """The arguments that are differentiated: their leaves among those of the call."""

    treedef: TreeDef  # of the argument, or of the tuple of arguments
    positions: tuple[int | None, ...]  # leaf of these arguments -> parameter of the program; None: not a float

    @property
    def wrt(self) -> list[int]:
        return [k for k in self.positions if k is not None]

    def tree(self, of: Mapping[int, Any]) -> Any:
        """A tree like the arguments, of one thing for each parameter; None for what is not differentiated."""
        return self.treedef.unflatten([None if k is None else of.get(k) for k in self.positions])


def choose(f: Any, argnums: Argnums, args: tuple[Any, ...], kwargs: dict[str, Any], inside: Inner) -> Chosen:
    """Find the arguments of `argnums`, by position or by name. Leaves are found by place: `f(x, x)` has two."""
    spans = argument_spans(args, kwargs)
    many = isinstance(argnums, tuple)
    picked, positions = [], []
    for which in argnums if many else (argnums,):
        key = argument(f, which, args, kwargs)
        tree, start, stop_ = spans[key]
        found = inside.leaves[start:stop_]
        if not any(map(is_float, found)):
            raise_at(
                DTypeError,
                f"`{name_of(f)}` is differentiated with respect to argument {which!r}, which has no derivative",
                wanted="a float, an array of floats, or a tree of these",
                got=", ".join(map(describe, found)) or "nothing",
                repair="pass floats (1.0, x.astype(float)), or choose other argnums",
            )
        picked.append(tree)
        positions += [inside.params[k] if is_float(inside.leaves[k]) else None for k in range(start, stop_)]
    return Chosen(flatten(tuple(picked) if many else picked[0], "argument")[1], tuple(positions))


def argument_spans(args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[int | str, tuple[Any, int, int]]:
    """For each argument: itself, and where its leaves stand among those of the call."""
    spans: dict[int | str, tuple[Any, int, int]] = {}
    at = 0
    for key, tree in (*enumerate(args), *kwargs.items()):
        n = len(flatten(tree, "argument")[0])
        spans[key] = (tree, at, at + n)
        at += n
    return spans


def is_float(x: Any) -> bool:
    return isinstance(x, StandIn) and x.operand().is_real


def argument(f: Any, which: int | str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int | str:
    """The position, or for a keyword the name, of an argument of this call."""
    if isinstance(which, int) and -len(args) <= which < len(args):
        return which % len(args)
    names = parameter_names(f)
    if isinstance(which, int) and 0 <= which < len(names) and names[which] in kwargs:
        return names[which]
    if isinstance(which, str):
        if which in kwargs:
            return which
        if which in names and names.index(which) < len(args):
            return names.index(which)
    raise_at(
        ArgumentError,
        f"`{name_of(f)}` has no argument {which!r} in this call",
        wanted=f"argnums within the {len(args)} positional arguments, or the name of one that is passed",
        got=f"argnums={which!r}",
        repair="pass that argument explicitly, or correct argnums",
    )


def parameter_names(f: Any) -> list[str]:
    try:
        return list(inspect.signature(f).parameters)
    except (TypeError, ValueError):
        return []


def name_of(f: Any) -> str:
    return getattr(f, "__name__", type(f).__name__)


def one_value(f: Any, out: Any, inside: Inner) -> int:
    """The position among the results of the one real number that `f` returned (with has_aux, first)."""
    if isinstance(out, StandIn) and out.operand().is_real and not out.operand().rank and inside.results[0] is not None:
        return inside.results[0]
    constant = not isinstance(out, StandIn) and not isinstance(out, (tuple, list, dict))
    if constant and out is not None:
        raise_at(
            NotDifferentiable,
            f"`{name_of(f)}` returned a constant, which no argument reaches",
            wanted="a number computed from the arguments",
            got=repr(out),
            repair="return a value that depends on the arguments",
        )
    kind = DTypeError if isinstance(out, StandIn) and not out.operand().rank else ShapeError
    raise_at(
        kind,
        f"`{name_of(f)}` did not return one real number",
        wanted="a float (an array without axes)",
        got="None (is the `return` missing?)" if out is None else describe(out),
        repair="reduce it, np.sum(...) or np.mean(...), or use jacobian or vjp; with has_aux=True return (value, aux)",
    )


@dataclass(frozen=True)
class Gradient:
    f: Callable[..., Any]
    argnums: Argnums = 0
    has_aux: bool = False
    with_value: bool = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        inside = inner(self.f, args, kwargs)
        out, aux = split_aux(self.f, inside.out) if self.has_aux else (inside.out, None)
        at = one_value(self.f, out, inside)
        chosen = choose(self.f, self.argnums, args, kwargs, inside)
        outs, back = reverse(inside, chosen)
        bars = back({at: value(1.0, outs[at].type)})
        grads = chosen.tree({k: wrap_value(b) for k, b in bars.items()})
        results = inside.rebuild(outs)
        if not self.with_value:
            return (grads, results[1]) if self.has_aux else grads
        return results, grads


def split_aux(f: Any, out: Any) -> tuple[Any, Any]:
    if not (isinstance(out, tuple) and len(out) == 2):
        raise_at(
            ArgumentError,
            f"has_aux=True, but `{name_of(f)}` did not return a pair",
            wanted="(value, aux)",
            got=describe(out),
            repair="return the value and what goes with it, or leave has_aux out",
        )
    return out


Bars = Mapping[int, Value]


def reverse(inside: Inner, chosen: Chosen) -> tuple[Sequence[Value], Callable[[Mapping[int, Value]], dict[int, Value]]]:
    """The forward sweep, written here; and `back(bars of results by position)`: the bars of the chosen parameters."""
    fn = prepared(inside.fn)
    wrt = chosen.wrt
    outs, pulled = sweep(fn, inside.args, [k in wrt for k in range(len(fn.params))])

    def back(gs: Mapping[int, Value]) -> dict[int, Value]:
        bars = pulled([gs.get(k) for k in range(len(outs))])
        return {k: tangent_or_zero(bars[k], inside.args[k]) for k in wrt}

    return outs, back


@dataclass(frozen=True)
class Tangent:
    """(primals, tangents) -> (out, tangent of out)"""

    f: Callable[..., Any]

    def __call__(self, primals: Any, tangents: Any) -> Any:
        inside = inner(self.f, tuple(primals), {})
        dots = flatten_like(tuple(primals), tuple(tangents), "tangents")
        tans: dict[int, Value] = {}
        for x, k, t in zip(inside.leaves, inside.params, dots, strict=True):
            if is_float(x) and k is not None and t is not None:
                tans[k] = like(t, x, "the tangent")
        fn = prepared(inside.fn)
        outs, touts = push_fn(fn, inside.args, [tans.get(k) for k in range(len(fn.params))])
        moved = [tangent_or_zero(t, y) if y.type.is_real else None for y, t in zip(outs, touts, strict=True)]
        return inside.rebuild(outs), inside.tangents(moved)


def like(t: Any, x: Any, what: str) -> Value:
    """A tangent or cotangent in the dtype of what it belongs to; its shape must be the same."""
    operand = t.operand() if isinstance(t, StandIn) else promote.lift(t)
    wanted = x.operand().value.type
    same = operand.rank == wanted.rank and all(map(sizes.same, operand.value.shape, wanted.shape))
    if not same:
        raise_at(
            ShapeError,
            f"{what} does not have the shape of what it belongs to",
            wanted=promote.shape_text(wanted.shape),
            got=promote.shape_text(operand.value.shape),
        )
    return promote.convert(operand, wanted.dtype)


@dataclass(frozen=True)
class Pullback:
    """(primals, cotangent of out) -> cotangents of the primals, one for each."""

    f: Callable[..., Any]

    def __call__(self, primals: Any, cotangent: Any) -> Any:
        return Forward(self.f)(*primals)[1](cotangent)


@dataclass(frozen=True)
class Forward:
    """primals -> (out, pullback), within a trace."""

    f: Callable[..., Any]

    def __call__(self, *primals: Any) -> Any:
        inside = inner(self.f, primals, {})
        floats = [k if is_float(x) else None for x, k in zip(inside.leaves, inside.params, strict=True)]
        chosen = Chosen(flatten(primals, "primals")[1], tuple(floats))
        outs, back = reverse(inside, chosen)

        def pullback(cotangent: Any) -> Any:
            gs: dict[int, Value] = {}
            ys = flatten(inside.out)[0]
            for y, j, g in zip(ys, inside.results, flatten_like(inside.out, cotangent, "cotangent"), strict=True):
                if is_float(y) and j is not None and g is not None:
                    g = like(g, y, "the cotangent")
                    gs[j] = gs[j] + g if j in gs else g
            return chosen.tree({k: wrap_value(b) for k, b in back(gs).items()})

        return inside.rebuild(outs), pullback


# ---- matrices: one column (forward) or one row (reverse) for each trip of a loop


@dataclass(frozen=True)
class Jacobian:
    f: Callable[..., Any]
    argnums: Argnums = 0
    mode: str = "auto"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        inside = inner(self.f, args, kwargs)
        chosen = choose(self.f, self.argnums, args, kwargs, inside)
        leaves, out_tree = flatten(inside.out, "result")
        at = [j if is_float(y) else None for y, j in zip(leaves, inside.results, strict=True)]
        real = {j for j in at if j is not None}
        if not real:
            raise_at(
                NotDifferentiable,
                f"`{name_of(self.f)}` returned nothing that has a derivative",
                wanted="floats or arrays of floats, computed from the arguments",
                got=", ".join(map(describe, leaves)) or "nothing",
            )
        blocks = (columns if self._forward(inside, chosen, real) else rows)(inside, chosen, sorted(real))
        made = {j: {k: wrap_value(b) for k, b in row.items()} for j, row in blocks.items()}
        trees = [None if j is None else chosen.tree(made[j]) for j in at]
        return out_tree.unflatten(trees)

    def _forward(self, inside: Inner, chosen: Chosen, real: set[int]) -> bool:
        if self.mode != "auto":
            return self.mode == "forward"
        n_in: DimLike = sum_of(count(inside.args[k].type) for k in chosen.wrt)
        n_out: DimLike = sum_of(count(inside.fn.results[j].type) for j in real)
        return sizes.bool_of("le", n_in, n_out)


def sum_of(dims: Any) -> DimLike:
    total: DimLike = 0
    for d in dims:
        total = total + d
    return total


def count(t: Type) -> DimLike:
    return sizes.number_of_elements(t.shape)


Blocks = dict[int, dict[int, Value]]  # result -> parameter -> the derivative, of shape (*result, *parameter)


def unit(t: Type, k: Value) -> Value:
    """The array of that type which is 1 in cell k (row-major), and 0 elsewhere."""
    flat = value(0.0, Type(t.dtype, (count(t),)))
    return reshape(put(flat, 1.0, k), t.shape)


def columns(inside: Inner, chosen: Chosen, results: Sequence[int]) -> Blocks:
    """Forward mode: a tangent for each cell of each chosen parameter."""
    fn = prepared(inside.fn)
    blocks: Blocks = {j: {} for j in results}
    for p in chosen.wrt:
        t = inside.args[p].type

        def dots(seed: Value, p: int = p) -> tuple[Value, ...]:
            outs, touts = push_fn(fn, inside.args, [seed if k == p else None for k in range(len(fn.params))])
            return tuple(tangent_or_zero(touts[j], outs[j]) for j in results)

        if not t.shape:
            blocks_of_p: Sequence[Value] = dots(value(1.0, t))
        else:
            stacked = loop(value(0), size(count(t)), lambda k, t=t, dots=dots: dots(unit(t, k)), hints=("k",))
            blocks_of_p = [last_first(c, t) for c in stacked]
        for j, b in zip(results, blocks_of_p, strict=True):
            blocks[j][p] = b
    return blocks


def last_first(stacked: Value, t: Type) -> Value:
    """(cells of the parameter, *result) to (*result, *parameter)."""
    moved = transpose(stacked, (*range(1, stacked.rank), 0))
    return reshape(moved, (*stacked.shape[1:], *t.shape))


def rows(inside: Inner, chosen: Chosen, results: Sequence[int]) -> Blocks:
    """Reverse mode: a cotangent for each cell of each result."""
    outs, back = reverse(inside, chosen)
    blocks: Blocks = {}
    for j in results:
        t = outs[j].type

        def bars(seed: Value, j: int = j) -> tuple[Value, ...]:
            found = back({j: seed})
            return tuple(found[k] for k in chosen.wrt)

        if not t.shape:
            of_j: Sequence[Value] = bars(value(1.0, t))
        else:
            stacked = loop(value(0), size(count(t)), lambda k, t=t, bars=bars: bars(unit(t, k)), hints=("k",))
            of_j = [reshape(r, (*t.shape, *r.shape[1:])) for r in stacked]
        blocks[j] = dict(zip(chosen.wrt, of_j, strict=True))
    return blocks


@dataclass(frozen=True)
class HessianProduct:
    """(primals, tangents) -> Hessian times tangents: the tangent of the gradient with respect to every primal."""

    f: Callable[..., Any]

    def __call__(self, primals: Any, tangents: Any) -> Any:
        every = tuple(range(len(primals)))
        return Tangent(Gradient(self.f, every))(primals, tangents)[1]


def stopped(x: Any) -> Any:
    """The stand-in without its derivative."""
    return wrap_value(stop(x.operand().value)) if is_float(x) else x
