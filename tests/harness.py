"""What the tests of the table share: how arguments are drawn, and what is checked of a program.

    check(fn, args)      both modes agree with central differences, and with each other (<y_bar, J t> = <J^T y_bar, t>),
                         for the program and, to second order, for its own adjoint program

Differences are of the interpreter in float64, by Richardson's extrapolation, so 1e-7 relative is asked for.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import jitgrad.ops  # noqa: F401  fills OPS
from jitgrad.ir.core import INTS, OPS, Fn, Op, Type
from jitgrad.ir.interp import NUMPY, interp
from jitgrad.ir.verify import verify
from jitgrad.transform import ad, cond, loop  # noqa: F401  constructs register their rules

TOLERANCE = 1e-7
WRONG = 1.01  # by what a mutated fact is off
STEP = 2e-3


def rng(name: str) -> np.random.Generator:
    """The same draws for one name in every run, whatever else the table holds."""
    return np.random.default_rng(zlib.crc32(name.encode()))


def draw(r: np.random.Generator, t: Type, interval: tuple[float, float] = (-1.5, 1.5)) -> Any:
    """A value of the type; sizes are the examples of their symbols."""
    shape = [d if isinstance(d, int) else next(iter(d.terms)).example for d in t.shape]
    if t.dtype == "bool":
        out = r.random(shape) < 0.5
    elif t.dtype in INTS:
        out = r.integers(1, 4, shape)
    else:
        out = r.uniform(*interval, shape)
    return np.asarray(out, NUMPY[t.dtype])[()]


# ---- the transforms, as functions of lists of arrays


def reals(xs: Sequence[Any]) -> list[int]:
    return [k for k, x in enumerate(xs) if np.asarray(x).dtype.kind == "f"]


def run_jvp(fn: Fn, args: Sequence[Any], dots: Sequence[Any]) -> list[Any]:
    """The tangents of the real results, for tangents of the real arguments."""
    return list(interp(verify(ad.jvp(fn)), *args, *dots)[len(fn.results) :])


def run_vjp(fn: Fn, args: Sequence[Any], bars: Sequence[Any]) -> list[Any]:
    """The adjoints of the real arguments, for adjoints of the real results."""
    return list(interp(verify(ad.vjp(fn)), *args, *bars)[len(fn.results) :])


# ---- differences

# f(x + h t) - f(x - h t) = 2 h J t + O(h^3): two steps h and 2 h remove the third power (L. F. Richardson, 1911).


def differences(fn: Fn, args: Sequence[Any], dots: Sequence[Any], h: float = STEP) -> list[Any]:
    where = reals(args)

    def at(s: float) -> list[Any]:
        moved = list(args)
        for k, t in zip(where, dots, strict=True):
            moved[k] = args[k] + s * t
        outs = interp(fn, *moved)
        return [outs[k] for k in reals(outs)]

    def slope(s: float) -> list[Any]:
        return [(a - b) / (2 * s) for a, b in zip(at(s), at(-s), strict=True)]

    return [(4 * a - b) / 3 for a, b in zip(slope(h), slope(2 * h), strict=True)]


def close(got: Any, want: Any, what: str, tolerance: float = TOLERANCE) -> None:
    scale = 1.0 + np.max(np.abs(want), initial=0.0)
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * scale, err_msg=what)


def dot(xs: Sequence[Any], zs: Sequence[Any]) -> float:
    return float(sum(np.sum(x * z) for x, z in zip(xs, zs, strict=True)))


# ---- checks


def check_first_order(fn: Fn, args: Sequence[Any], r: np.random.Generator, tolerance: float = TOLERANCE) -> None:
    dots = [r.standard_normal(np.shape(args[k])) for k in reals(args)]
    outs = interp(fn, *args)
    bars = [r.standard_normal(np.shape(outs[k])) for k in reals(outs)]
    forward = run_jvp(fn, args, dots)
    backward = run_vjp(fn, args, bars)
    for got, want in zip(forward, differences(fn, args, dots), strict=True):
        close(got, want, f"{fn.name}: forward mode and differences", tolerance)
    close(dot(backward, dots), dot(bars, forward), f"{fn.name}: reverse and forward mode", tolerance / 1000)


def check(fn: Fn, args: Sequence[Any], name: str = "", order: int = 2, tolerance: float = TOLERANCE) -> None:
    """First order, and that of the adjoint program: jvp of vjp and vjp of vjp."""
    r = rng(name or fn.name)
    verify(fn)
    check_first_order(fn, args, r, tolerance)
    if order > 1:
        outs = interp(fn, *args)
        bars = [r.standard_normal(np.shape(outs[k])) for k in reals(outs)]
        check_first_order(ad.vjp(fn), [*args, *bars], r, 10 * tolerance)


# ---- mutation of one fact


def scaled(rule: Callable[..., Any], at: int | None = None) -> Callable[..., Any]:
    """The rule, wrong by a factor: in its argument number `at`, else in its result."""

    def wrong(*args: Any, **attrs: Any) -> Any:
        if at is None:
            return rule(*args, **attrs) * WRONG
        return rule(*args[:at], args[at] * WRONG, *args[at + 1 :], **attrs)

    return wrong


def facts(op: Op) -> dict[tuple[str, int | None], dict[str, Any]]:
    """Every differentiable fact of an op, by field and position, with the fields of an op in which that fact is wrong."""
    out: dict[tuple[str, int | None], dict[str, Any]] = {}
    for k, p in enumerate(op.partials or ()):
        if p is not None:
            ps = list(op.partials or ())
            ps[k] = scaled(p)
            out["partials", k] = {"partials": tuple(ps)}
    for k, rule in op.transposes.items():  # the adjoint of the result comes first, but for a rule of EVERY argument
        out["transposes", k] = {"transposes": {**op.transposes, k: scaled(rule, at=1 if k < 0 else 0)}}
    for k, rule in op.accumulates.items():
        out["accumulates", k] = {"accumulates": {**op.accumulates, k: scaled(rule, at=1)}}
    for k, rule in (op.tangents or {}).items():
        out["tangents", k] = {"tangents": {**(op.tangents or {}), k: scaled(rule, at=0)}}
    if op.definition is not None:
        out["definition", None] = {"definition": scaled(op.definition)}
    return out


def differentiable(op: Op) -> bool:
    return bool(facts(op))


__all__ = ["OPS", "check", "check_first_order", "close", "differences", "draw", "facts", "reals", "rng", "run_jvp", "run_vjp"]
