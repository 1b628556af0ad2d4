"""certify(f, *args): what jitgrad computes for a function at a point, against what it can be compared with.

    program = function      the program that was traced, and the function as it is written
    differences             reverse mode along directions, and the slopes of the function (`differences.py`)
    forward = reverse       <y_bar, J x_dot> = <J^T y_bar, x_dot>
    second order            forward over reverse, and the slopes of the gradient
    symmetric               <u, H v> = <v, H u>
    sympy                   reverse mode, and the derivative of the expression
    compiled = interpreted  the machine code, and the interpreter

A function that returns more than one number is projected onto random cotangents. Everything is seeded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from . import symbolic
from .certificate import FAIL, NOT_CHECKED, Certificate, Row
from .compare import EXACT, SINGLE, Compared, along, equal, worst_equal
from .differences import slopes, vector
from .machine import compiled
from .subject import Derivatives, Subject, subject

DIRECTIONS = 2  # along which an input is checked; one of at most FEW numbers is checked along each of them
FEW = 8
NOISE = 1e-4  # beside 1, for what is compared to EXACT of itself
NOTHING = 1e-8  # a number this small beside its neighbours is moved as they are


def certify(f: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Certificate:
    """Check the derivatives of `f` at `(*args, **kwargs)` by every means there is; `print` shows the table.

    `f` returns a float, an array of floats, or a tree of these. Every float among the arguments is an input.

    >>> import numpy as np
    >>> from jitgrad.check import certify
    >>> certify(lambda x: np.sum(np.sin(x) ** 2), np.array([0.3, 0.7])).ok
    True
    """
    return certified(f, args, kwargs, CHECKS)


def certified(f: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], checks: Sequence[Check]) -> Certificate:
    """By these checks only."""
    with np.errstate(all="ignore"):
        point = Point.of(f, args, kwargs)
        rows = [row for check in checks for row in check(point)]
    return Certificate(point.subject.name, tuple(rows))


@dataclass(frozen=True, eq=False)
class Point:
    """The function at its arguments, and its gradient there: what every check starts from."""

    f: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    subject: Subject
    derivatives: Derivatives
    rng: np.random.Generator
    values: list[Any]  # of the real results
    bars: list[Any]  # a cotangent for each
    gradient: list[Any]  # the adjoints of the inputs

    @staticmethod
    def of(f: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Point:
        s = subject(f, args, kwargs)
        rng = np.random.default_rng(0)
        derivatives = Derivatives.of(s)
        values = s.interpreted(s.inputs)
        bars = [np.float64(1.0)] if len(values) == 1 and not np.ndim(values[0]) else [draw(rng, 1.0 / scales(y)) for y in values]
        return Point(f, args, kwargs, s, derivatives, rng, values, bars, derivatives.reverse(s.inputs, bars))

    @property
    def named(self) -> Iterator[tuple[int, str, Any]]:
        """Number among the named inputs, name, value."""
        for n, (k, name) in enumerate(self.subject.names.items()):
            yield n, name, self.subject.inputs[k]

    @property
    def least(self) -> float:
        """A derivative smaller than this, where inputs are measured by their scales, is noise beside the value itself."""
        return NOISE * inner([np.abs(b) for b in self.bars], [np.abs(y) for y in self.values])

    def value_name(self, k: int) -> str:
        return "value" if len(self.values) == 1 else f"value {k}"

    def dots(self) -> list[Any]:
        """Zero tangents for the named inputs."""
        return [np.zeros(np.shape(x))[()] for _, _, x in self.named]

    def moved(self, n: int, step: Any) -> list[Any]:
        """The inputs, the n-th named one elsewhere."""
        xs = list(self.subject.inputs)
        k = list(self.subject.names)[n]
        xs[k] = xs[k] + step
        return xs

    def projected(self, ys: Sequence[Any]) -> float:
        return inner(self.bars, ys)


def inner(xs: Sequence[Any], ys: Sequence[Any]) -> float:
    return float(sum(np.sum(x * y) for x, y in zip(xs, ys, strict=True)))


def scales(x: Any) -> Any:
    """How large each number is; of those that are next to nothing, how large the others are."""
    size = np.sqrt(np.mean(np.square(x))) if np.size(x) else 0.0
    if not np.isfinite(size) or size == 0.0:
        return np.ones(np.shape(x))[()]
    return np.where(np.abs(x) > NOTHING * size, np.abs(x), size)[()]


def draw(rng: np.random.Generator, like: Any) -> Any:
    """Numbers of either sign, each as large as its place in `like`, so that every place counts."""
    return rng.uniform(0.5, 1.0, np.shape(like)) * rng.choice([-1.0, 1.0], np.shape(like)) * scales(like)


def weights(g: Any, x: Any, least: float) -> Any:
    """What an error in each adjoint is measured by: the largest of them, where the inputs are measured by their scales."""
    s = scales(x)
    return np.max(np.abs(g * s), initial=least) / s


# ---- the checks


def program_rows(p: Point) -> Iterator[Row]:
    s = p.subject
    moves = sum(float(np.sum(np.abs(g * x))) for g, (_, _, x) in zip(p.gradient, p.named, strict=True))
    for k, (y, z) in enumerate(zip(p.values, s.written(s.inputs), strict=True)):
        name = p.value_name(k)
        if np.shape(y) != np.shape(z):
            note = f"shapes {np.shape(y)} and {np.shape(z)}"
            yield Row("program = function", name, None, None, None, FAIL, note)
        elif np.size(y):
            size = float(np.max(np.abs(z), initial=0.0)) + 1e-3 * (moves if np.isfinite(moves) else 0.0)
            yield worst_equal(y, z, (SINGLE if s.single else EXACT) * size).row("program = function", name)


def difference_rows(p: Point) -> Iterator[Row]:
    for n, name, x in p.named:
        found = [difference(p, n, d, scale) for d, scale in directions(p, x)]
        count = f"each of {np.size(x)}" if np.size(x) <= FEW else f"{DIRECTIONS} directions"
        worst = max(found, key=lambda c: c.badness)
        yield worst.row("differences", name, "" if np.ndim(x) == 0 else count)


def directions(p: Point, x: Any) -> Iterator[tuple[Any, float]]:
    """Tangents of an input, and what their derivatives are divided by to be read."""
    if np.size(x) > FEW:
        for _ in range(DIRECTIONS):
            yield draw(p.rng, x), 1.0
        return
    steps = np.abs(draw(p.rng, x))
    for place in np.ndindex(np.shape(x)):
        d = np.zeros(np.shape(x))
        d[place] = steps[place]
        yield d[()], float(d[place])


def difference(p: Point, n: int, dot: Any, scale: float) -> Compared:
    s = slopes(lambda t: p.projected(p.subject.value(p.moved(n, t * dot))) / scale)
    products = np.where(dot != 0.0, p.gradient[n], 0.0) * dot / scale
    return along(float(np.sum(products)), s, 0, float(np.sum(np.abs(products))) + p.least / scale)


def transpose_rows(p: Point) -> Iterator[Row]:
    for n, name, x in p.named:
        dots = p.dots()
        dots[n] = draw(p.rng, x)
        tangents = p.derivatives.forward(p.subject.inputs, dots)
        products = p.gradient[n] * dots[n]
        weight = float(np.sum(np.abs(products))) + sum(float(np.sum(np.abs(b * t))) for b, t in zip(p.bars, tangents))
        tolerance = EXACT * (weight + p.least) if np.isfinite(weight) else 0.0
        yield equal(p.projected(tangents), float(np.sum(products)), tolerance).row("forward = reverse", name)


def second_order_rows(p: Point) -> Iterator[Row]:
    for n, name, x in p.named:
        yield second_order(p, n, draw(p.rng, x)).row("second order", name)


def second_order(p: Point, n: int, dot: Any) -> Compared:
    """Each number of the gradient, as one input moves along a direction; the worst."""
    dots = p.dots()
    dots[n] = dot
    found = p.derivatives.forward_over_reverse(p.subject.inputs, p.bars, dots)
    s = slopes(lambda t: flat(p.derivatives.reverse(p.moved(n, t * dot), p.bars)))
    largest = partial(by_input, p, lambda part: np.max(np.abs(part), initial=p.least))
    typical = by_input(p, lambda part: np.sqrt(np.mean(part * part)), s.error)  # among many, some look quiet by chance
    s = replace(s, error=np.maximum(s.error, typical), size=by_input(p, lambda part: np.max(part), s.size))
    pairs = zip(flat(found), largest(flat(found)), strict=True)
    return max((along(float(y), s, k, float(w)) for k, (y, w) in enumerate(pairs)), key=lambda c: c.badness)


def flat(arrays: Sequence[Any]) -> np.ndarray:
    return np.concatenate([vector(a) for a in arrays])


def by_input(p: Point, measure: Callable[[np.ndarray], Any], v: np.ndarray) -> np.ndarray:
    """One measure for the part of each input in a gradient, where the inputs are measured by their scales."""
    units = [vector(scales(x)) for _, _, x in p.named]
    parts = np.split(v, np.cumsum([u.size for u in units])[:-1])
    return np.concatenate([measure(part * u) / u for part, u in zip(parts, units, strict=True)])


def symmetry_rows(p: Point) -> Iterator[Row]:
    u, v = ([draw(p.rng, x) for _, _, x in p.named] for _ in range(2))
    hu, hv = (p.derivatives.forward_over_reverse(p.subject.inputs, p.bars, d) for d in (u, v))
    weight = sum(float(np.sum(np.abs(a * b))) for a, b in zip([*u, *v], [*hv, *hu], strict=True))
    tolerance = EXACT * (weight + p.least) if np.isfinite(weight) else 0.0
    yield equal(inner(u, hv), inner(v, hu), tolerance).row("symmetric", "all inputs")


def sympy_rows(p: Point) -> Iterator[Row]:
    why = symbolic.obstacle(p.subject)
    exact = why or symbolic.derivatives(p.subject, p.bars)
    if isinstance(exact, str):
        yield Row("sympy", "all inputs", None, None, None, NOT_CHECKED, exact)
        return
    for (n, name, x), reference in zip(p.named, exact.values(), strict=True):
        if not np.all(np.isfinite(reference)):
            yield Row("sympy", name, None, None, None, NOT_CHECKED, "sympy's derivative is not finite here")
        else:
            yield worst_equal(p.gradient[n], reference, EXACT * weights(reference, x, p.least)).row("sympy", name)


def compiled_rows(p: Point) -> Iterator[Row]:
    tolerance = SINGLE if p.subject.single else EXACT
    values, gradient = compiled(p.f, p.args, p.kwargs, p.subject, p.bars)
    for k, (found, reference) in enumerate(zip(values, p.values, strict=True)):
        if np.size(reference):
            size = np.max(np.abs(reference))
            yield worst_equal(found, reference, tolerance * size).row("compiled = interpreted", p.value_name(k))
    for n, name, x in p.named:
        if n in gradient:
            measure = tolerance * weights(p.gradient[n], x, p.least)
            yield worst_equal(gradient[n], p.gradient[n], measure).row("compiled = interpreted", name)


Check = Callable[[Point], Iterable[Row]]
WITHOUT_COMPILING: tuple[Check, ...] = (
    program_rows, difference_rows, transpose_rows, second_order_rows, symmetry_rows, sympy_rows,
)  # fmt: skip
CHECKS: tuple[Check, ...] = (*WITHOUT_COMPILING, compiled_rows)

__all__ = ["CHECKS", "WITHOUT_COMPILING", "certified", "certify"]
