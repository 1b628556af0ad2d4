"""How a loop is taken: recorded, run by Python, or its first iteration run by Python and the rest recorded.

A loop over a Python container runs as Python runs it, every iteration written out; so does a range of at most LONG items. A
longer one is recorded, and written out only if its body needs the index as a number. Where a variable changes its kind in the
first iteration (`best = None`), that is run by Python (*peeled*), if it is known to happen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from ..errors import ConcretizationError, TraceError, raise_at
from ..ir.build import size, value
from ..ir.dims import combine
from .body import recorded
from .builtin import LONG, Iteration, described, iteration, range_
from .calls import boxed_result
from .carry import Unstable, refuse_unstable
from .context import current
from .grids import Grid
from .merge import choose
from .places import Snapshot
from .raising import check_that
from .record import Course, Names, Raises, for_loop, while_loop
from .size import bool_of, example, known, proven
from .standin import Scalar
from .truth import opposite, truth
from .unbound import missing

CAP = 10_000  # iterations that Python runs
FALLBACK = 1_000  # iterations of a range that is written out because its body needs numbers

Body = Callable[[Any], None]


def plain(names: Names, items: Iterable[Any], body: Body) -> None:
    """Outside of a trace."""
    for item in items:
        body(item)
        if names.left():
            return


# ---- for


def run_for(names: Names, iterable: Any, body: Body) -> None:
    if isinstance(iterable, Grid):
        return _grid(names, iterable, body)
    it = iteration(iterable) if described(iterable) else None
    if it is None:
        return _each(names, iterable, body)
    if isinstance(it.length, int) and it.length <= LONG:
        return _each(names, map(it.item, range(it.length)), body)
    return _record(names, course_of(it), body)


def course_of(it: Iteration) -> Course:
    """A range counts itself where its step is 1 or -1; everything else is counted from 0."""
    wishes: dict[str, Any] = {"policy": it.policy, "parallel": it.parallel}
    if it.stop is not None and it.step == 1:
        return Course(it.start, it.stop, lambda i: i, **wishes)
    if it.stop is not None and it.step == -1:
        return Course(combine(it.stop, 1, 1), combine(it.start, 1, 1), lambda i: i, True, **wishes)
    return Course(0, it.length, it.item, **wishes)


def _grid(names: Names, grid: Grid, body: Body) -> None:
    """One loop for each axis."""

    def level(k: int, index: tuple[Any, ...]) -> None:
        if k == len(grid.shape):
            return body(grid.cell(index))
        return run_for(replace(names, site=(names.site, k)), range_(grid.shape[k]), lambda i: level(k + 1, (*index, i)))

    level(0, ())


def _record(names: Names, course: Course, body: Body, peel: bool = True) -> None:
    trace = current()
    refusal = trace.refusal
    try:
        return for_loop(names, course, body, lambda: runs(course))
    except Raises as e:
        return _raise_if_run(course, e)
    except Unstable as e:
        if peel and _peeled(names, course, body):
            return None
        if not _short(course):
            if empty(course):
                return None
            refuse_unstable(str(e))
    except (TraceError, NameError) as e:
        if empty(course):
            trace.refusal = refusal
            return None
        numbers = isinstance(e, ConcretizationError) or (isinstance(e, NameError) and missing(e) in trace.unset)
        if not numbers or not _short(course):
            raise
    trace.refusal = refusal
    return _each(names, map(course.at, range(course.length)), body)  # type: ignore[arg-type]


def _short(course: Course) -> bool:
    return isinstance(course.length, int) and course.length <= FALLBACK


def runs(course: Course) -> bool:
    """Is there at least one iteration? Proved, or guarded."""
    bound = proven(course.length)
    return (bound is not None and bound > 0) or (known(course.length) and bool_of("gt", course.length, 0))


def empty(course: Course) -> bool:
    """No iteration in this call: what is wrong in the body does not matter to it."""
    return known(course.length) and example(course.length) <= 0 and not bool_of("gt", course.length, 0)


def _raise_if_run(course: Course, e: Raises) -> None:
    if runs(course):
        raise e.cause
    none: Any = Scalar(size(course.length)) <= 0  # type: ignore[operator]  # (installed by `dispatch`)
    check_that(none if isinstance(none, Scalar) else Scalar(value(none)), e.cause)


def _peeled(names: Names, course: Course, body: Body) -> bool:
    """The first iteration by Python, the rest recorded."""
    if not runs(course):
        return False
    body(course.at(0))
    left = names.left()
    if isinstance(left, Scalar):
        _unless(left, names, lambda: _record(names, course.rest(), body, peel=False))
    elif not left:
        _record(names, course.rest(), body, peel=False)
    return True


def _unless(left: Scalar, names: Names, go: Callable[[], None]) -> None:
    """Go on where the loop has not been left."""
    flag = names.flag
    assert flag is not None

    def rest() -> None:
        flag.put(False)
        go()

    choose(left, (lambda: flag.put(True), rest), names.variables, (names.closures[0], names.closures[0]))


def _each(names: Names, items: Iterable[Any], body: Body) -> None:
    for k, item in enumerate(items):
        if k >= CAP:
            too_long("`for`")
        left = names.left()
        if isinstance(left, Scalar):
            _unless(left, names, partial(body, boxed_result(item)))
        elif left:
            return
        else:
            body(boxed_result(item))
        _forget(names)


def _forget(names: Names) -> None:
    """What a `break` or `continue` has left without a value in this iteration has none in the next."""
    trace = current()
    for v in names.variables:
        if v.key in trace.filled:
            trace.filled.discard(v.key)
            trace.unset[v.name] = "it is first assigned inside of a loop, not on every path"
            del v.cell.cell_contents


# ---- while


def run_while(names: Names, test: Callable[[], Any], body: Callable[[], None]) -> None:
    tries, trace = 0, current()
    refusal = trace.refusal
    for k in range(CAP):
        left = names.left()
        if left is True:
            return
        goes_on = _asked(test)
        if isinstance(left, Scalar):
            _unless(left, names, lambda: run_while(names, test, body))
            return
        if isinstance(goes_on, Scalar):
            return _recorded_while(names, test, body)
        if not goes_on:
            return
        if tries < 2 and not (k == 0 and _soon_over(names, test, body)):
            tries += 1
            try:
                if while_loop(names, test, body, runs=True):
                    return
                tries = 2
            except Raises as e:
                raise e.cause from None
            except (Unstable, ConcretizationError, NameError) as e:
                if isinstance(e, NameError) and missing(e) not in trace.unset:
                    raise
                trace.refusal = refusal
        body()
        _forget(names)
    too_long("`while`")


def _recorded_while(names: Names, test: Callable[[], Any], body: Callable[[], None]) -> None:
    try:
        while_loop(names, test, body, runs=False)
    except Raises as e:
        check_that(opposite(_asked(test)), e.cause)
    except Unstable as e:
        refuse_unstable(str(e))


def _asked(test: Callable[[], Any]) -> Any:
    """The condition; comparisons of sizes are conditions of the program."""
    trace = current()
    before, trace.record_sizes = trace.record_sizes, True
    try:
        return truth(test())
    finally:
        trace.record_sizes = before


def _soon_over(names: Names, test: Callable[[], Any], body: Callable[[], None]) -> bool:
    """Does Python end the loop within a few iterations? Tried, and undone."""
    snapshot = Snapshot(names.closures, names.variables)
    entry = [(v, v.get()) for v in names.variables]
    trace = current()
    refusal = trace.refusal
    try:
        with recorded("loop"):
            for _ in range(LONG + 1):
                left, goes_on = names.left(), _asked(test)
                if isinstance(left, Scalar) or isinstance(goes_on, Scalar):
                    return False
                if left or not goes_on:
                    return True
                body()
    except Exception:  # whatever it is, it will happen again
        return False
    finally:
        trace.refusal = refusal
        for v, x in entry:
            v.put(x)
        snapshot.restore()
    return False


def too_long(what: str) -> None:
    raise_at(
        ConcretizationError,
        f"a {what} runs more than {CAP} times while tracing, and every iteration would be written out",
        wanted=f"at most {CAP} iterations of a Python loop",
        got="more",
        repair="array operations, or a range of a size that is a symbol",
    )


__all__ = ["plain", "run_for", "run_while"]
