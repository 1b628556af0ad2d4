"""Questions about sizes, asked while tracing: proved from the forms and lower bounds, else answered by the example.

An answer of the example is recorded as a guard: a later call whose sizes answer otherwise is traced again. `same` does
more: after it says yes the two sizes have one form (the trace starts again with a symbol solved for the others).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import ConcretizationError, ShapeError, raise_at
from ..ir.affine import at_least
from ..ir.build import apply, size
from ..ir.core import Var
from ..ir.dims import Dim, DimLike, Opaque, Sym, combine, evaluate, low, of_symbol, symbols
from .context import current
from .handlers import check

# An integer argument may have any value.
LOWEST = -(1 << 62)
MAX_NUMBERS = 64

COMPARE: dict[str, tuple[str, Callable[[int, int], bool]]] = {
    "lt": ("<", operator.lt),
    "le": ("<=", operator.le),
    "gt": (">", operator.gt),
    "ge": (">=", operator.ge),
    "eq": ("==", operator.eq),
    "ne": ("!=", operator.ne),
}


def known(d: DimLike) -> bool:
    """Does it depend on sizes only, not on values that are computed?"""
    return not any(isinstance(s, Var) for s in symbols(d))


def example(d: DimLike) -> int:
    """The number that a size has in this trace."""
    if not known(d):
        raise_at(
            ConcretizationError,
            f"the number of `{d}` is asked for, which is computed when the program runs",
            wanted="a size that the shapes and integer arguments determine",
            got=f"`{d}`",
            repair="derive sizes from shapes or integer arguments",
        )
    return evaluate(d, lambda s: s.example)


def guard(d: DimLike, op: str, value: int) -> None:
    """Record that `d op value` holds (op: == != < <= > >=)."""
    if isinstance(d, Dim):
        current().size_guards[(d, op, value)] = None


def decided(op: str, a: DimLike, b: DimLike) -> bool | None:
    """A comparison that holds, or fails, for every value of the symbols; None: it depends."""
    d = combine(a, b, -1)
    if isinstance(d, int):
        return COMPARE[op][1](d, 0)
    below, above = low(d), low(combine(0, d, -1))
    if below is not None and below > 0:
        return op in ("gt", "ge", "ne")
    if above is not None and above > 0:
        return op in ("lt", "le", "ne")
    if below == 0 and op in ("ge", "lt"):
        return op == "ge"
    if above == 0 and op in ("le", "gt"):
        return op == "le"
    return None


def bool_of(op: str, a: DimLike, b: DimLike) -> bool:
    """A comparison of sizes as a Python bool (op: lt le gt ge eq ne)."""
    sure = decided(op, a, b)
    if sure is not None:
        return sure
    d = combine(a, b, -1)
    holds = COMPARE[op][1](example(d), 0)
    sign = COMPARE[op if holds else _NEGATED[op]][0]
    guard(d, sign, 0)
    return holds


_NEGATED = {"lt": "ge", "le": "gt", "gt": "le", "ge": "lt", "eq": "ne", "ne": "eq"}


def equal(a: DimLike, b: DimLike) -> bool:
    """Are they one number? Guarded; the forms may stay different (see `same`)."""
    return bool_of("eq", a, b)


def same(a: DimLike, b: DimLike) -> bool:
    """Are they one number? After True both have one form."""
    if a == b:
        return True
    sure = decided("eq", a, b)
    if sure is not None:
        return sure
    d = combine(a, b, -1)
    if not known(d):
        return _same_computed(a, b, d)
    if example(d) != 0:
        guard(d, "!=", 0)
        return False
    return _unify(d)


def _same_computed(a: DimLike, b: DimLike, d: DimLike) -> bool:
    """Sizes that change from iteration to iteration: proved to differ, else the program checks that they are equal."""
    if any((proven(e) or 0) > 0 for e in (d, combine(0, d, -1))):
        return False
    check(apply("eq", size(a), size(b)), f"the sizes {a} and {b} must be equal", "ShapeError")
    return True


def proven(d: DimLike) -> int | None:
    """A lower bound for all values of the sizes and of the indices of the loops around; None: none is known."""
    return at_least(d, current().scope.known_ranges())


def counted(d: DimLike, what: str) -> DimLike:
    """The number of elements along an axis: never negative, which is proven, guarded or checked as the program runs."""
    least = d if isinstance(d, int) else proven(d)
    if least is not None and least >= 0:
        return d
    if not known(d):
        check(apply("ge", size(d), size(0)), f"{what} is negative: {d}", "ShapeError")
    elif not bool_of("ge", d, 0):
        raise_at(ShapeError, f"{what} is negative", wanted="0 or more", got=str(example(d)))
    return d


def static_int(x: DimLike) -> int:
    """The number itself, where Python needs it; guarded."""
    if isinstance(x, int):
        return x
    value = example(x)
    trace = current()
    trace.numbers.add(hash((x, value)))
    if len(trace.numbers) > MAX_NUMBERS:
        raise_at(
            ConcretizationError,
            f"more than {MAX_NUMBERS} different sizes are used as plain numbers",
            wanted="sizes that stay symbols: one compile serves them all",
            got=f"the number {value} of `{x}` is asked for",
            repair="loop with `for i in range(n)` instead of a comprehension or a generator",
        )
    guard(x, "==", value)
    return value


# ---- solving: the example says that d = 0, its form does not


def _unify(d: DimLike) -> bool:
    """Start again with a symbol replaced so that d is 0 by its form."""
    assert isinstance(d, Dim)
    trace = current()
    for s in reversed(list(d.terms)):  # the youngest symbol goes
        if isinstance(s, Sym) and abs(d.terms[s]) == 1 and _alone(s, d):
            rest = combine(d, Dim({s: 1}), -d.terms[s])
            trace.again(s, rest * -d.terms[s])
    for s, other in _ordered(d):  # min(n, m): by which of the two is larger in the example
        more = Sym(f"{s.name}_more", 0, example(combine(of_symbol(s), other, -1)))
        trace.again(s, combine(other, of_symbol(more), 1))
    for s, k in _divided(d):  # n // 2, n % 2: by the remainder that the example has
        value = s.example
        if value is not None and value >= 0 and s.low > LOWEST:
            r = value % k
            part = Sym(f"{s.name}{k}", max(0, -(-(s.low - r) // k)), value // k)
            trace.again(s, combine(r, Dim({part: 1}), k))
    s = next(x for x in symbols(d) if isinstance(x, Sym))
    note = f"`{d}` must be 0, which holds for special sizes only: the program is made for {s} = {s.example}"
    trace.again(s, s.example or 0, note)
    return True


def _alone(s: Sym, d: Dim) -> bool:
    """Does the symbol stand in its own term only?"""
    return not any(x is s for t in d.terms if isinstance(t, Opaque) for a in t.args for x in symbols(a))


def _terms(d: DimLike) -> Iterator[Opaque]:
    """The opaque terms, also those within others."""
    for t in d.terms if isinstance(d, Dim) else ():
        if isinstance(t, Opaque):
            yield t
            for a in t.args:
                yield from _terms(a)


def _ordered(d: DimLike) -> Iterator[tuple[Sym, DimLike]]:
    """The symbols that decide a minimum or maximum, each with what it is at least in the example."""
    for t in _terms(d):
        if t.op in ("min", "max"):
            a, b = t.args
            over = combine(a, b, -1) if example(a) >= example(b) else combine(b, a, -1)
            assert isinstance(over, Dim)
            for s in over.terms:
                if isinstance(s, Sym) and over.terms[s] == 1 and _alone(s, over):
                    yield s, combine(of_symbol(s), over, -1)


def _divided(d: DimLike) -> Iterator[tuple[Sym, int]]:
    """The symbols in quotients and remainders by a number."""
    for t in _terms(d):
        k = t.args[-1]
        if t.op in ("floordiv", "mod") and isinstance(k, int) and k > 1 and isinstance(t.args[0], Dim):
            yield from ((s, k) for s in t.args[0].terms if isinstance(s, Sym))


def number_of_elements(shape: tuple[DimLike, ...]) -> DimLike:
    """Factors in one order: equal numbers have equal forms, whatever the order of the axes."""
    total: Any = 1
    for d in sorted(shape, key=repr):
        total = total * d
    return total


__all__ = ["LOWEST", "bool_of", "decided", "equal", "example", "guard", "known", "number_of_elements", "proven", "same"]
__all__ += ["static_int"]
