"""cond: one of two branches; and check: a condition that must hold.

    out, ... = cond[split](predicate, arg, ...) { then(arg, ...), else(arg, ...) }

The first `split` arguments are what `then` captured, the rest what `else` captured. `ragged`: pairs (k, j) of results: k is
as long as j says, which may be another length in each branch.

    check[error, message](predicate)        raises that error where the predicate is False; never dead, never moved
    check[error, message, raised](...)      likewise, an exception of the user's: a `Raised`
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import errors
from ..ir.build import Value, bind, trace_open, value
from ..ir.core import BOOL, I64, OPS, Fn, Let, Op, Type, Var, dim_of, swap_type
from ..ir.dims import of_symbol
from ..ir.walk import giving, taking, used_in
from .loop import Ragged, kept_pairs, slimmer
from .table import need


@dataclass(frozen=True)
class Cond:
    predicate: Any
    then: Fn
    then_args: tuple[Any, ...]
    other: Fn
    other_args: tuple[Any, ...]
    ragged: Ragged = ()

    @staticmethod
    def of(let: Let, ins: Sequence[Any] | None = None) -> Cond:
        args = tuple(let.args if ins is None else ins)
        k = 1 + let.attrs["split"]
        return Cond(args[0], let.fns[0], args[1:k], let.fns[1], args[k:], let.attrs.get("ragged", ()))

    @property
    def branches(self) -> tuple[tuple[Fn, tuple[Any, ...]], tuple[Fn, tuple[Any, ...]]]:
        return (self.then, self.then_args), (self.other, self.other_args)

    def bind(self, hints: Sequence[str] = ()) -> tuple[Value, ...]:
        names = hints or [r.hint for r in self.then.results]
        attrs: dict[str, Any] = {"split": len(self.then_args), **({"ragged": self.ragged} if self.ragged else {})}
        args = (self.predicate, *self.then_args, *self.other_args)
        return bind(OPS["cond"], *args, fns=(self.then, self.other), hints=names, **attrs)


def cond(
    predicate: Value, then: Callable[[], Any], other: Callable[[], Any], hints: Sequence[str] = (), ragged: Ragged = ()
) -> tuple[Value, ...]:
    """`then()` or `other()`, by the predicate."""
    a, of_then = trace_open(then, [], "then")
    b, of_other = trace_open(other, [], "other")
    return Cond(predicate, a, of_then, b, of_other, ragged).bind(hints)


def _type(predicate: Any, *rest: Any, split: int, ragged: Ragged = ()) -> tuple[Any, ...]:
    *args, then, other = rest
    need(predicate.type == BOOL, "cond", "a bool", (predicate,))
    sides = []
    sizes = {j: Var(I64, then.results[j].hint) for _, j in ragged}
    for fn, mine in ((then, args[:split]), (other, args[split:])):
        env = dict(zip(fn.params, mine, strict=True))
        types: list[Any] = [r.type for r in fn.results]
        for k, j in ragged:
            r, n = fn.results[k], fn.results[j]
            need(n.type == I64 and r.type.shape[0] == dim_of(n), "cond", "a result as long as another says", (r, n))
            types[k] = Type(r.type.dtype, (of_symbol(sizes[j]), *r.type.shape[1:]))
        sides.append([sizes.get(k, swap_type(t, env)) for k, t in enumerate(types)])
    need(sides[0] == sides[1], "cond", "branches of one type", (*then.results, *other.results))
    return tuple(sides[0])


def _numpy(predicate: Any, *rest: Any, split: int, ragged: Ragged = ()) -> tuple[Any, ...]:
    *args, then, other = rest
    return then(*args[:split]) if predicate else other(*args[split:])


def _trim(let: Let, live: set[Var]) -> Let:
    view = Cond.of(let)
    sizes = {j for k, j in view.ragged if let.outs[k] in live}
    ks = [k for k, o in enumerate(let.outs) if o in live or k in sizes]
    fns, args = [], []
    for fn, mine in view.branches:
        body = giving(fn, tuple(fn.results[k] for k in ks))
        used = used_in(body)
        at = [k for k, p in enumerate(fn.params) if p in used]
        fns.append(taking(body, tuple(fn.params[k] for k in at)))
        args.append(tuple(mine[k] for k in at))
    attrs: dict[str, Any] = {"split": len(args[0])}
    if view.ragged:
        attrs["ragged"] = kept_pairs(view.ragged, ks, ks)
    outs = tuple(let.outs[k] for k in ks)
    return slimmer(let, outs, (view.predicate, *args[0], *args[1]), attrs, tuple(fns))


OPS["cond"] = Op("cond", _type, _numpy, construct=True, trim=_trim)


class Raised(int):
    """The number of an exception of the user's among those of the program; the exception itself goes with it. (A program that
    was parsed from text has the number only: it raises `error`.)"""

    exception: BaseException

    @staticmethod
    def of(number: int, exception: BaseException) -> Raised:
        made = Raised(number)
        made.exception = exception
        return made


def anew(e: BaseException) -> BaseException:
    """The exception once more: it may be raised many times, and whoever raises it writes into it. Its `__init__` has run when
    the user's program made it."""
    kind = type(e)
    try:
        made = kind(*e.args) if kind.__init__ in BUILTIN_INITS else kind.__new__(kind, *e.args)
    except Exception:  # there is no second one of this kind
        return e.with_traceback(None)
    made.args = e.args
    made.__dict__.update(e.__dict__)
    made.__cause__, made.__suppress_context__ = e.__cause__, e.__suppress_context__
    return made


BUILTIN_INITS = {k.__init__ for k in vars(builtins).values() if isinstance(k, type) and issubclass(k, BaseException)}


def check(predicate: Any, message: str, error: str = "IndexOutOfBounds", raised: Raised | None = None) -> None:
    """`error`: a class of `jitgrad.errors`, or a built-in exception."""
    if isinstance(predicate, bool) and predicate:
        return
    more: dict[str, Any] = {} if raised is None else {"raised": raised}
    bind(OPS["check"], value(predicate), error=error, message=message, **more)


def error_class(name: str) -> type[Exception]:
    return getattr(errors, name, None) or getattr(builtins, name)


def _check_numpy(predicate: Any, *, error: str, message: str, raised: int | None = None) -> tuple[()]:
    if not np.all(predicate):
        raise anew(raised.exception) if isinstance(raised, Raised) else error_class(error)(message)
    return ()


OPS["check"] = Op("check", lambda p, *, error, message, raised=None: (), _check_numpy, flat=True, effect=True)
