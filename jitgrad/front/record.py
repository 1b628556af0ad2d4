"""Loops that are recorded: `for` over a range that the program computes, and `while`.

The body is recorded once, with parameters for the index, for the variables that iterations hand on (`carry.py`) and for the
arrays that it writes. A `for` that may be left early is a `while` whose index is a carry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import ConcretizationError, Unsupported, raise_at
from ..ir.build import Value, apply, size, trace_open, value
from ..ir.core import BOOL, I64, Fn, dim_of
from ..ir.dims import DimLike, combine
from ..ir.walk import widen
from ..ops.loop import Loop
from ..ops.while_ import While
from .body import Body, closed, constants, new_param, recorded
from .carry import Again, Carries, Plan
from .context import current, here
from .places import UNBOUND, Place, Snapshot, Variable
from .raising import raised_by_user
from .scope import Box
from .standin import Scalar
from .truth import together, truth
from .unbound import missing

MAX_ATTEMPTS = 40

Closures = Sequence[Callable[..., Any]]
Bounds = tuple[DimLike, DimLike]


class Raises(Exception):
    """Every iteration raises: `cause` is what the user's program raises."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


@dataclass(frozen=True, eq=False)
class Names:
    """The variables of a loop: those that it may rebind, those of them that are read outside too, and its exit flag."""

    variables: tuple[Variable, ...]
    export: frozenset[str]
    flag: Variable | None
    closures: Closures
    site: Any  # what tells this loop from others

    def left(self) -> Any:
        """The exit flag as it is: False where there is none."""
        x = self.flag.get() if self.flag is not None else False
        return False if x is UNBOUND else x

    def plan(self) -> Plan:
        plans = current().plans
        key = (self.site, *[v.key for v in self.variables])
        if key not in plans:
            plans[key] = Plan(list(self.variables))
        plan: Plan = plans[key]
        plan.places = list(self.variables)  # what else changes is found anew: containers may have been made anew
        return plan


@dataclass(frozen=True, eq=False)
class Course:
    """The items of a `for`: item(i) for lo <= i < hi, upwards or downwards."""

    lo: DimLike
    hi: DimLike
    item: Callable[[Scalar], Any]
    reverse: bool = False
    policy: Any = None  # of the loop: how its derivative spares memory
    parallel: bool = False  # may threads share its iterations?

    @property
    def length(self) -> DimLike:
        return combine(self.hi, self.lo, -1)

    def at(self, k: DimLike) -> Any:
        """The item of the k-th iteration."""
        i = combine(combine(self.hi, 1, -1), k, -1) if self.reverse else combine(self.lo, k, 1)
        return self.item(Scalar(size(i), weak=True))

    def rest(self) -> Course:
        """Without the first iteration."""
        if self.reverse:
            return replace(self, hi=combine(self.hi, 1, -1))
        return replace(self, lo=combine(self.lo, 1, 1))


# ---- one body


def record(
    names: Names, run: Callable[[Any], None], bounds: Bounds | None, runs: Callable[[], bool]
) -> tuple[Body, Carries, Value | None]:
    """Attempts at the body, until its plan stands. `bounds`: of the index; `runs`: is there at least one iteration?"""
    plan = names.plan()
    for _ in range(MAX_ATTEMPTS):
        done = _attempt(plan, names, run, bounds, runs)
        if done is not None:
            return done
    raise_at(
        ConcretizationError,
        "the types of the variables of this loop do not settle",
        wanted=f"types that are the same after at most {MAX_ATTEMPTS} attempts",
        got=", ".join(sorted(p.name for p in plan.places if not p.name.startswith("_jg"))),
        repair="give the variables their final types before the loop",
    )


def _attempt(
    plan: Plan, names: Names, run: Callable[[Any], None], bounds: Bounds | None, runs: Callable[[], bool]
) -> tuple[Body, Carries, Value | None] | None:
    entry: dict[Place, Any] = {p: p.get() for p in plan.places}
    snapshot = Snapshot(names.closures, plan.places)
    trace = current()
    filled, refusal = set(trace.filled), trace.refusal
    try:
        with recorded("loop") as body:
            i = None
            if bounds is not None:
                i = new_param(body, I64, "t")
                body.boxes.ranges[i.atom] = bounds
            carries = Carries(plan, body, entry, names.export, runs)
            carries.enter()
            run(None if i is None else Scalar(i, weak=True))
            extra = [p for p in snapshot.changed() if p not in entry]
            if extra:
                plan.places += extra
                plan.apart |= {p.key for p in extra}
                raise Again
            carries.leave()
        return body, carries, i
    except Again:
        pass
    except NameError as e:
        if not _read_first(plan, e):
            raise
    except ConcretizationError:
        if not plan.eager:
            raise
        plan.eager = False  # a number that the body assigns on no path that is taken
    except BaseException as e:
        if raised_by_user(e):
            raise Raises(e) from None
        raise
    finally:
        for p, x in entry.items():
            p.put(x)
        snapshot.restore()
        trace.filled = filled
    trace.refusal = refusal
    return None


def _read_first(plan: Plan, e: NameError) -> bool:
    """Is it a variable that was thought to be assigned before it is read?"""
    name = missing(e)
    found = [p for p in plan.places if p.name == name and p.key in plan.dead]
    plan.dead -= {p.key for p in found}
    return bool(found)


@dataclass(eq=False)
class Ready:
    """What a loop is made of: carries (of variables, then of arrays), and the body between them."""

    body: Body
    carries: Carries
    boxes: list[Box]

    @staticmethod
    def of(body: Body, carries: Carries) -> Ready:
        return Ready(body, carries, body.written(current().scope))

    @property
    def params(self) -> list[Value]:
        return [*[r.param for r in self.carries.rows], *[self.body.boxes.entry[b] for b in self.boxes]]

    def results(self) -> list[Value]:
        return [*[r.result for r in self.carries.rows], *[self.body.value(b) for b in self.boxes]]

    def starts(self) -> list[Value]:
        scope = current().scope
        return [*self.carries.starts(), *[scope.read(b) for b in self.boxes]]

    @property
    def hints(self) -> list[str]:
        return [*[r.hint for r in self.carries.rows], *[b.name for b in self.boxes]]

    def close(self, first: Sequence[Value], results: Sequence[Value], name: str) -> tuple[Fn, tuple[Value, ...]]:
        known = {**constants(self.body, self.boxes), **self.carries.constants()}
        params = [v.atom for v in (*first, *self.params)]
        return closed(self.body.writing, params, results, name, known)  # type: ignore[arg-type]

    def flag(self, names: Names) -> int:
        """The place of the exit flag among the carries."""
        assert names.flag is not None
        row = self.carries.flags[names.flag.key]
        return next(k for k, r in enumerate(self.carries.rows) if r is row)

    def finish(self, outs: Sequence[Value]) -> None:
        """Arrays and variables hold what the loop leaves."""
        scope = current().scope
        rows = len(self.carries.rows)
        for box, out in zip(self.boxes, outs[rows:], strict=True):
            scope.write(box, out)
        for box, why in self.body.boxes.poison.items():
            if scope.has(box):
                scope.poison.setdefault(box, why)
        self.carries.put(outs[:rows])


# ---- for


def for_loop(names: Names, course: Course, run: Callable[[Any], None], runs: Callable[[], bool]) -> None:
    """Record the iterations `run(item)`."""
    here()
    bounds = (course.lo, course.hi)
    body, carries, i = record(names, lambda k: run(course.item(k)), bounds, runs)
    assert i is not None
    ready = Ready.of(body, carries)
    flag = carries.ends[names.flag.key] if names.flag is not None else False
    here()
    if flag is False or flag is UNBOUND:
        return _counted(ready, course, i)
    return _left_early(ready, course, i, names)


def _counted(ready: Ready, course: Course, i: Value) -> None:
    rows = ready.carries.rows
    if not rows and not ready.boxes and not ready.body.raises():
        return ready.finish([])
    starts = ready.starts()
    fn, consts = ready.close([i], ready.results(), "body")
    wishes = {"policy": course.policy, "parallel": course.parallel}
    view = Loop(size(course.lo), size(course.hi), tuple(starts), consts, fn, course.reverse, **wishes)
    outs, _ = view.bind(ready.hints)
    return ready.finish(outs)


def _left_early(ready: Ready, course: Course, i: Value, names: Names) -> None:
    """`while lo <= i < hi and not flag`"""
    if course.policy:
        raise_at(
            Unsupported,
            "a checkpointed loop is left early",
            wanted="a loop that runs to its end: how often it runs decides where snapshots are taken",
            got="`break` or `return` in its body",
            repair="loop over range without checkpoint, or do nothing in the iterations after the last one",
        )
    assert names.flag is not None
    at = ready.flag(names)
    starts = ready.starts()
    step = -1 if course.reverse else 1
    first = combine(course.hi, 1, -1) if course.reverse else course.lo
    fn, of_body = ready.close([i], [size(dim_of(i.atom) + step), *ready.results()], "body")

    def test(k: Value, *carried: Value) -> Value:
        goes_on = apply("ge", k, size(course.lo)) if course.reverse else apply("lt", k, size(course.hi))
        return apply("and", goes_on, apply("not", carried[at]))

    init = (size(first), *starts)
    asked, of_test = trace_open(test, [v.type for v in init], "test", [i.atom.hint, *ready.hints])
    fns, captured = widen([asked, fn], [of_test, of_body], keep=len(init))
    outs, _, _ = While(fns[0], fns[1], init, captured).bind([i.atom.hint, *ready.hints])
    ready.finish(outs[1:])


# ---- while


def while_loop(names: Names, test: Callable[[], Any], body: Callable[[], None], runs: bool) -> bool:
    """Record `while test(): body()`. `runs`: the test holds at first. False, and nothing done, where neither the test nor the
    flag is computed by the program."""
    here()
    recording, carries, _ = record(names, lambda _: body(), None, lambda: runs)
    ready = Ready.of(recording, carries)
    flag = carries.ends[names.flag.key] if names.flag is not None else False
    here()
    asked, of_test, computed = _test(ready, names, test, flag is not False and flag is not UNBOUND)
    if not computed and not isinstance(flag, Scalar):
        return False
    starts = ready.starts()
    fn, of_body = ready.close([], ready.results(), "body")
    fns, captured = widen([asked, fn], [of_test, of_body], keep=len(starts))
    outs, _, _ = While(fns[0], fns[1], tuple(starts), captured).bind(ready.hints)
    ready.finish(outs)
    return True


def _test(ready: Ready, names: Names, test: Callable[[], Any], flagged: bool) -> tuple[Fn, tuple[Value, ...], bool]:
    """The condition as a program of the carries; is it computed by the program?"""
    rows = len(ready.carries.rows)
    entry = [(p, p.get()) for p in ready.carries.entry]
    trace = current()
    before = trace.record_sizes
    try:
        with recorded("test") as asked:
            params = [new_param(asked, v.type, h) for v, h in zip(ready.params, ready.hints, strict=True)]
            for box, p in zip(ready.boxes, params[rows:], strict=True):
                asked.boxes.store[box] = p
            ready.carries.put(params[:rows])
            trace.record_sizes = True
            snapshot = Snapshot([test], names.variables)
            answer: Any = truth(test())
            if changed := snapshot.changed():
                snapshot.restore()
                _refuse_test(f"`{changed[0].name}` is changed")
            goes_on = _unless(ready, names, params, answer) if flagged else answer
            result = goes_on.value if isinstance(goes_on, Scalar) else value(bool(goes_on), BOOL)
        if asked.boxes.written:
            _refuse_test(f"`{next(iter(asked.boxes.written)).name}` is written")
    finally:
        trace.record_sizes = before
        for place, x in entry:
            place.put(x)
        ready.carries.made.clear()
    fn, captured = closed(asked.writing, [p.atom for p in params], [result], "test", constants(asked, ready.boxes))  # type: ignore[misc]
    return fn, captured, isinstance(answer, Scalar)


def _refuse_test(got: str) -> None:
    raise_at(
        ConcretizationError,
        "the condition of a `while` changes something",
        wanted="a condition that only reads",
        got=got,
        repair="make the change in the body of the loop",
    )


def _unless(ready: Ready, names: Names, params: Sequence[Value], goes_on: Any) -> Any:
    stays = Scalar(apply("not", params[ready.flag(names)]), weak=True)
    return together(stays, goes_on) if isinstance(goes_on, Scalar) else stays if goes_on else False


__all__ = ["Course", "Names", "Raises", "for_loop", "while_loop"]
