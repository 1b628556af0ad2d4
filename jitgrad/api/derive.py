"""What the transformations do, said once: on the stand-ins of a running trace.

Each is a callable `transformation(*args, **kwargs)` that traces the user's function as a program of its own (`Inner`),
differentiates that, and writes the result into the program being traced. So they nest in any order, and what the function
captured needs no thought. Called outside of a trace, `programs.Function` traces the transformation itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..errors import ArgumentError, DTypeError, NotDifferentiable, ShapeError, raise_at
from ..front import promote
from ..front import size as sizes
from ..front.standin import Array, Scalar, StandIn, describe
from ..front.tree import flatten, flatten_like
from ..ir.build import Value, value
from ..ops.array import stop
from ..transform.ad import push_fn, sweep, tangent_or_zero
from .chosen import Argnums, Chosen, choose, name_of
from .flat import warn_if_flat
from .inner import Inner, inner, shown


@dataclass(frozen=True)
class Transformation:
    """What all of them share: they look like the function they are made from, and are traced as they are."""

    f: Callable[..., Any]

    _jitgrad_trace_: ClassVar[bool] = True
    suffix: ClassVar[str] = ""

    @property
    def __name__(self) -> str:
        return f"{name_of(self.f)}_{self.suffix}"

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self.f)


@dataclass(frozen=True)
class Gradient(Transformation):
    """(arguments) -> the gradient, or (value, gradient)"""

    argnums: Argnums = 0
    has_aux: bool = False
    with_value: bool = False

    suffix: ClassVar[str] = "grad"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        chosen = choose(self.f, self.argnums, args, kwargs)
        inside = inner(self.f, args, kwargs)
        chosen.check(self.f, inside)
        at = one_value(self.f, inside, self.has_aux)
        outs, back = reverse(inside, chosen.wrt(inside))
        grads = chosen.tree(inside, back({at: value(1.0, outs[at].type)}))
        result = inside.rebuild(outs)
        if self.with_value:
            return result, grads
        return (grads, result[1]) if self.has_aux else grads


def one_value(f: Any, inside: Inner, has_aux: bool) -> int:
    """The place among the results of the one real number that `f` returned (with has_aux, first in a pair)."""
    spec = inside.out_tree.unflatten(list(range(inside.out_tree.size)))
    if has_aux:
        if not (isinstance(spec, tuple) and len(spec) == 2):
            raise_at(
                ArgumentError,
                f"has_aux=True, but `{name_of(f)}` did not return a pair",
                wanted="(value, aux)",
                got=returned(inside),
                repair="return the value and what goes with it, or leave has_aux out",
            )
        spec = spec[0]
    if not isinstance(spec, int) or inside.outs[spec].kind == "static":
        raise_at(
            ShapeError,
            f"`{name_of(f)}` did not return one real number",
            wanted="a float" if not has_aux else "(a float, aux)",
            got=returned(inside),
            repair="is the `return` missing?" if returned(inside) == "None" else "reduce it to one number, or use jacobian",
        )
    if inside.outs[spec].kind == "constant":
        raise_at(
            NotDifferentiable,
            f"`{name_of(f)}` returned a constant, which no argument reaches",
            wanted="a number computed from the arguments",
            got=repr(inside.outs[spec].value),
            repair="return a value that depends on the arguments",
        )
    at = inside.results[spec]
    assert at is not None
    t = inside.fn.results[at].type
    if t.shape or not t.is_real:
        raise_at(
            ShapeError if t.shape else DTypeError,
            f"`{name_of(f)}` did not return one real number",
            wanted="a float (an array without axes)",
            got=shown(t),
            repair="reduce it (np.sum, np.mean), or use jacobian or vjp" if t.shape else "return a float",
        )
    return at


def returned(inside: Inner) -> str:
    """What the function returned, in words."""
    if not inside.outs:
        return "None" if inside.out_tree.unflatten([]) is None else "an empty container"
    parts = [describe(o.value) if j is None else shown(inside.fn.results[j].type) for o, j in inside._places()]
    return ", ".join(parts) + (" (in a container)" if inside.out_tree.spec else "")


Back = Callable[[Mapping[int, Value]], dict[int, Value]]


def reverse(inside: Inner, wrt: Sequence[int], warn: bool = True) -> tuple[Sequence[Value], Back]:
    """The forward sweep, written here; and `back(bars of results by place)`: the bars of the parameters `wrt`. `warn`: of a
    derivative that is 0 everywhere, which is seldom meant."""
    fn = inside.fn
    outs, pulled = sweep(fn, inside.args, [k in wrt for k in range(len(fn.params))])

    def back(gs: Mapping[int, Value]) -> dict[int, Value]:
        bars = pulled([gs.get(k) for k in range(len(outs))])
        if warn:
            warn_if_flat(fn, fn.name, [k for k in wrt if bars[k] is None])
        return {k: tangent_or_zero(bars[k], inside.args[k]) for k in wrt}

    return outs, back


@dataclass(frozen=True)
class Tangent(Transformation):
    """(primals, tangents) -> (out, tangent of out)"""

    suffix: ClassVar[str] = "jvp"

    @property
    def __signature__(self) -> inspect.Signature:
        return PRIMALS_AND_TANGENTS

    def __call__(self, primals: Any, tangents: Any) -> Any:
        inside = inner(self.f, tuple(primals), {})
        dots = flatten_like(flatten(tuple(primals), "primals")[1], tuple(tangents), "tangents")
        tans: dict[int, Value] = {}
        for leaf, (k, t) in enumerate(zip(inside.params, dots, strict=True)):
            if k is not None and t is not None and inside.is_float(leaf):
                tans[k] = like(t, inside.args[k], "a tangent")
            elif is_real(t):
                without(describe(inside.leaves[leaf]), "a tangent")
        outs, touts = push_fn(inside.fn, inside.args, [tans.get(k) for k in range(len(inside.fn.params))])
        moved = [tangent_or_zero(t, y) if y.type.is_real else None for y, t in zip(outs, touts, strict=True)]
        return inside.rebuild(outs), inside.tangents(moved)


def signature(*names: str) -> inspect.Signature:
    return inspect.Signature([inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in names])


PRIMALS_AND_TANGENTS, PRIMALS_AND_COTANGENT = signature("primals", "tangents"), signature("primals", "cotangent")


def like(t: Any, x: Value, what: str) -> Value:
    """A tangent or cotangent in the dtype of what it belongs to; its shape must be the same."""
    operand = t.operand() if isinstance(t, StandIn) else promote.lift(t)
    shape = operand.value.shape
    if len(shape) != x.rank or not all(map(sizes.same, shape, x.shape)):
        raise_at(
            ShapeError,
            f"{what} does not have the shape of what it belongs to",
            wanted=promote.shape_text(x.shape),
            got=promote.shape_text(shape),
        )
    return promote.convert(operand, x.dtype)


def is_real(t: Any) -> bool:
    if isinstance(t, np.ndarray):
        return t.dtype.kind == "f"
    return isinstance(t, (float, np.floating)) or (isinstance(t, StandIn) and t.operand().is_real)


def without(of: str, what: str) -> None:
    raise_at(
        DTypeError,
        f"{what} is given for what has no derivative",
        wanted="None",
        got=f"a float, for {of}",
        repair="make it a float (3.0, x.astype(float)) to differentiate it",
    )


@dataclass(frozen=True)
class Forward(Transformation):
    """primals -> (out, pullback), within a trace"""

    warn: bool = True

    suffix: ClassVar[str] = "vjp"

    def __call__(self, *primals: Any) -> Any:
        inside = inner(self.f, primals, {})
        chosen = Chosen.every(primals)
        outs, back = reverse(inside, chosen.wrt(inside), self.warn)
        result = inside.rebuild(outs)

        def pullback(cotangent: Any) -> Any:
            gs: dict[int, Value] = {}
            given = flatten_like(inside.out_tree, cotangent, "cotangent")
            for j, o, g in zip(inside.real_results(), inside.outs, given, strict=True):
                if j is not None and g is not None:
                    g = like(g, outs[j], "a cotangent")
                    gs[j] = gs[j] + g if j in gs else g
                elif is_real(g) and o.kind != "constant":
                    without(o.dtype or describe(o.value), "a cotangent")
            return chosen.tree(inside, back(gs))

        pullback._jitgrad_trace_ = True  # type: ignore[attr-defined]
        return result, pullback


@dataclass(frozen=True)
class Pullback(Transformation):
    """(primals, cotangent of out) -> cotangents of the primals, one for each"""

    suffix: ClassVar[str] = "pullback"

    @property
    def __signature__(self) -> inspect.Signature:
        return PRIMALS_AND_COTANGENT

    def __call__(self, primals: Any, cotangent: Any) -> Any:
        return Forward(self.f)(*primals)[1](cotangent)


@dataclass(frozen=True)
class HessianProduct(Transformation):
    """(primals, tangents) -> Hessian times tangents: the tangent of the gradient with respect to every primal"""

    suffix: ClassVar[str] = "hvp"

    @property
    def __signature__(self) -> inspect.Signature:
        return PRIMALS_AND_TANGENTS

    def __call__(self, primals: Any, tangents: Any) -> Any:
        parts = [flatten(p, "primals") for p in primals]
        real = tuple(k for k, (leaves, _) in enumerate(parts) if any(map(is_real, leaves)))
        gradient = Gradient(self.f, real or tuple(range(len(primals))))
        products = dict(zip(real, Tangent(gradient)(primals, tangents)[1], strict=True))
        return tuple(products.get(k, tree.unflatten([None] * tree.size)) for k, (_, tree) in enumerate(parts))


def stopped(x: Any) -> Any:
    """The stand-in without its derivative."""
    operand = x.operand()
    if not operand.is_real:
        return x
    v = stop(operand.value)
    return Array.new(v) if isinstance(x, Array) else Scalar(v, x.weak)
