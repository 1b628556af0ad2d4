"""Sizes: what stands in the shape of a type and in an index.

    dim     ::= int | Dim
    Dim     ::= c + k1 * symbol1 + k2 * symbol2 + ...      an affine form; never a constant (that is an int)
    symbol  ::= Sym                     the size of an argument, or an integer argument of the program
              | Opaque(op, dims)        n * m, n // 2, n % 2, min(n, m), max(0, n - 1): equal if written alike
              | an i64 variable in scope (`core.Var`)

Arithmetic folds, so that equal sizes have equal forms: `n - n + 3` is the int 3.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from operator import is_
from typing import Any, Union

DimLike = Union[int, "Dim"]


@dataclass(frozen=True, eq=False)
class Sym:
    """A size of the program. One compile serves all its values from `low` on; `example` is the value it was traced at."""

    name: str
    low: int = 0
    example: int | None = None

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Opaque:
    """A term that is not affine. Two are equal when they are written alike."""

    op: str
    args: tuple[DimLike, ...]

    @property
    def symbols(self) -> tuple[Any, ...]:
        return tuple([x for a in self.args for x in symbols(a)])

    def __repr__(self) -> str:
        if self.op in INFIX:
            return INFIX[self.op].join(f"({a})" if isinstance(a, Dim) and not a.atomic else str(a) for a in self.args)
        return f"{self.op}({', '.join(map(str, self.args))})"


class Dim:
    """An affine form with at least one symbol. Immutable; equal forms are equal."""

    __slots__ = ("_key", "_symbols", "c", "terms")

    def __init__(self, terms: Mapping[Hashable, int], c: int = 0) -> None:
        self.terms = terms
        self.c = c
        self._key: Any = None
        self._symbols: tuple[Any, ...] | None = None

    @property
    def symbols(self) -> tuple[Any, ...]:
        """Those within opaque terms, too. Found once."""
        if self._symbols is None:
            self._symbols = tuple([x for s in self.terms for x in (s.symbols if isinstance(s, Opaque) else (s,))])
        return self._symbols

    def __hash__(self) -> int:
        if self._key is None:
            self._key = (frozenset(self.terms.items()), self.c)
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Dim) and self.c == other.c and self.terms == other.terms)

    @property
    def atomic(self) -> bool:
        """Prints as one name or call, so needs no parentheses."""
        return not self.c and list(self.terms.values()) == [1] and not _infix(next(iter(self.terms)))

    def __repr__(self) -> str:
        return form(self, lambda s: getattr(s, "hint", None) or repr(s))

    def __add__(self, other: DimLike) -> DimLike:
        return combine(self, other, 1)

    def __sub__(self, other: DimLike) -> DimLike:
        return combine(self, other, -1)

    def __rsub__(self, other: DimLike) -> DimLike:
        return combine(other, self, -1)

    def __neg__(self) -> DimLike:
        return combine(0, self, -1)

    def __mul__(self, other: DimLike) -> DimLike:
        if isinstance(other, int):
            return affine({s: k * other for s, k in self.terms.items()}, self.c * other)
        return opaque("mul", *sorted((self, other), key=repr))

    def __floordiv__(self, other: DimLike) -> DimLike:
        return opaque("floordiv", self, other)

    def __rfloordiv__(self, other: DimLike) -> DimLike:
        return opaque("floordiv", other, self)

    def __mod__(self, other: DimLike) -> DimLike:
        return opaque("mod", self, other)

    def __rmod__(self, other: DimLike) -> DimLike:
        return opaque("mod", other, self)

    __radd__, __rmul__ = __add__, __mul__


WRAP = 1 << 63

FOLD: dict[str, Callable[..., int]] = {
    "mul": lambda a, b: a * b,
    "floordiv": lambda a, b: a // b,
    "mod": lambda a, b: a % b,
    "min": min,
    "max": max,
}
INFIX = {"mul": "*", "floordiv": "//", "mod": "%"}


def _infix(symbol: Any) -> bool:
    return isinstance(symbol, Opaque) and symbol.op in INFIX


def form(d: DimLike, name: Callable[[Any], str]) -> str:
    """The form as text, with a name for each symbol; also valid Python."""
    if isinstance(d, int):
        return str(d)
    out = ""
    for s, k in d.terms.items():
        text = name(s) if not isinstance(s, Opaque) else opaque_text(s, name)
        if abs(k) != 1:
            text = f"{abs(k)}*({text})" if _infix(s) else f"{abs(k)}*{text}"
        elif _infix(s) and (out or k < 0):
            text = f"({text})"
        out += (" - " if k < 0 else " + ") + text if out else ("-" if k < 0 else "") + text
    return out + (f" {'-' if d.c < 0 else '+'} {abs(d.c)}" if d.c else "")


def opaque_text(s: Opaque, name: Callable[[Any], str]) -> str:
    args = [form(a, name) for a in s.args]
    if s.op not in INFIX:
        return f"{s.op}({', '.join(args)})"
    return INFIX[s.op].join(f"({t})" if isinstance(a, Dim) and not a.atomic else t for a, t in zip(s.args, args, strict=True))


def affine(terms: Mapping[Hashable, int], c: int = 0) -> DimLike:
    """The normal form: no zero terms; a constant is an int."""
    terms = {s: k for s, k in terms.items() if k}
    return Dim(terms, c) if terms else c


def of_symbol(s: Hashable) -> Dim:
    return Dim({s: 1})


def combine(a: DimLike, b: DimLike, k: int) -> DimLike:
    """a + k * b"""
    if isinstance(b, int):
        return Dim(a.terms, a.c + k * b) if isinstance(a, Dim) else a + k * b
    if isinstance(a, int) and k == 1:
        return Dim(b.terms, a + b.c)
    (ta, ca), (tb, cb) = parts(a), parts(b)
    terms = dict(ta)
    for s, v in tb.items():
        terms[s] = terms.get(s, 0) + k * v
    return affine(terms, ca + k * cb)


def parts(d: DimLike) -> tuple[Mapping[Any, int], int]:
    return (d.terms, d.c) if isinstance(d, Dim) else ({}, d)


def opaque(op: str, *args: DimLike) -> DimLike:
    """The term op(args), folded where the numbers are known."""
    if all(isinstance(a, int) for a in args):
        return FOLD[op](*args)
    if op in ("min", "max"):
        return _extremum(op, *args)
    if op == "mul" and any(isinstance(a, int) for a in args):
        return args[0] * args[1]
    if op in ("floordiv", "mod"):
        a, b = args
        if isinstance(a, Dim) and isinstance(b, int) and b > 0:
            return _division(op, a, b)
    return of_symbol(Opaque(op, args))


def _division(op: str, a: Dim, k: int) -> DimLike:
    """(k*x + rest) // k is x + rest // k, and its remainder that of the rest."""
    whole = affine({s: v // k for s, v in a.terms.items() if v % k == 0}, a.c // k)
    rest = affine({s: v for s, v in a.terms.items() if v % k}, a.c % k)
    if isinstance(rest, int):
        return whole if op == "floordiv" else rest
    return whole + of_symbol(Opaque(op, (rest, k))) if op == "floordiv" else of_symbol(Opaque(op, (rest, k)))


def _extremum(op: str, a: DimLike, b: DimLike) -> DimLike:
    """min or max, decided where lower bounds prove the order."""
    for x, y in ((a, b), (b, a)):
        bound = low(combine(x, y, -1))
        if bound is not None and bound >= 0:  # x >= y
            return x if op == "max" else y
    return of_symbol(Opaque(op, (a, b)))


def smallest(a: DimLike, b: DimLike) -> DimLike:
    return opaque("min", a, b)


def largest(a: DimLike, b: DimLike) -> DimLike:
    return opaque("max", a, b)


def trips(lo: DimLike, hi: DimLike, step: int) -> DimLike:
    """How often `for i in range(lo, hi, step)` runs (step > 0)."""
    count = combine(hi, lo, -1)
    return largest(0, count if step == 1 else opaque("floordiv", count + (step - 1), step))


def symbols(d: DimLike) -> tuple[Any, ...]:
    """The size symbols and variables of a dim, also those within opaque terms."""
    return d.symbols if isinstance(d, Dim) else ()


def substitute(d: DimLike, swap: Callable[[Any], DimLike | None]) -> DimLike:
    """The dim with `swap(symbol)` in the place of each symbol for which it is not None; itself where it is for none."""
    if isinstance(d, int):
        return d
    news = [_swapped(s, swap) if isinstance(s, Opaque) else swap(s) for s in d.terms]
    if all(new is None for new in news):
        return d
    out: DimLike = d.c
    for (s, k), new in zip(d.terms.items(), news, strict=True):
        out = combine(out, of_symbol(s) if new is None else new, k)
    return out


def _swapped(s: Opaque, swap: Callable[[Any], DimLike | None]) -> DimLike | None:
    args = [substitute(a, swap) for a in s.args]
    return None if all(map(is_, args, s.args)) else opaque(s.op, *args)


def evaluate(d: DimLike, value: Callable[[Any], int]) -> int:
    """The number, given the number of each symbol: in 64 bits, as machine code computes it."""
    if isinstance(d, int):
        return d
    n = d.c + sum(
        k * (FOLD[s.op](*[evaluate(a, value) for a in s.args]) if isinstance(s, Opaque) else int(value(s)))
        for s, k in d.terms.items()
    )
    return n if -WRAP <= n < WRAP else (n + WRAP) % (2 * WRAP) - WRAP


def solve(pairs: Iterable[tuple[DimLike, int]], known: Mapping[Sym, int] | None = None) -> dict[Sym, int]:
    """The symbols for which each form is its number, as far as they follow one by one from the others.

    A form `n` gives n; then one of the form `k*n + (known)` gives its one unknown. The forms are not checked.
    """
    found = dict(known or {})
    waiting = [(d, n) for d, n in pairs if isinstance(d, Dim)]
    while True:
        left = []
        for d, n in waiting:
            unknown = {s for s in symbols(d) if s not in found}
            s = next(iter(unknown), None)
            if s is None:
                continue
            if len(unknown) > 1 or s not in d.terms or _within(s, d):
                left.append((d, n))
                continue
            rest = evaluate(d, lambda t, s=s: 0 if t is s else found[t])  # type: ignore[misc]
            value, odd = divmod(n - rest, d.terms[s])
            if not odd:
                found[s] = value
        if len(left) == len(waiting):
            return found
        waiting = left


def _within(s: Any, d: Dim) -> bool:
    """Does the symbol also stand inside an opaque term?"""
    return any(s in set(symbols(a)) for t in d.terms if isinstance(t, Opaque) for a in t.args)


def low(d: DimLike) -> int | None:
    """A proven lower bound, or None. Upper bounds of symbols are unknown, so -n has none."""
    if isinstance(d, int):
        return d
    total = d.c
    for s, k in d.terms.items():
        bound = _symbol_low(s)
        if bound is None or k < 0:
            return None
        total += k * bound
    return total


def _symbol_low(s: Any) -> int | None:
    if isinstance(s, Sym):
        return s.low
    if not isinstance(s, Opaque):
        return None
    lows = [low(a) for a in s.args]
    if s.op == "max":
        known = [b for b in lows if b is not None]
        return max(known) if known else None
    if s.op == "mod":
        return 0 if lows[1] is not None and lows[1] > 0 else None
    a, b = lows
    if a is None or b is None:
        return None
    if s.op == "min":
        return min(a, b)
    if s.op == "mul":
        return a * b if a >= 0 and b >= 0 else None
    divisor = s.args[1]
    return a // divisor if isinstance(divisor, int) and divisor > 0 else (0 if a >= 0 and b > 0 else None)


def positive(d: DimLike) -> bool:
    bound = low(d)
    return bound is not None and bound > 0
