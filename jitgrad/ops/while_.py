"""while: carries, a condition and a body.

    carry, ..., count, rows, ... = while[carry](init, ..., const, ...) { test, body }


Test and body have the same parameters, (carry, ..., const, ...). `count` is how often the body ran (i64); `rows[k]` is the
row of its k-th run, so the size of rows is `count`. `ragged` as of `loop`. `While` is the only code that knows the layout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..ir.build import Value, bind, trace_open, value
from ..ir.core import BOOL, I64, OPS, Atom, Fn, Let, Op, Var, swap_type
from ..ir.dims import of_symbol
from ..ir.walk import needed, taking, used_in, widen
from .loop import Ragged, ends, kept_pairs, living, row_name, slimmer, stacked
from .table import need


@dataclass(frozen=True)
class While:
    test: Fn
    body: Fn
    init: tuple[Any, ...]
    consts: tuple[Any, ...]
    ragged: Ragged = ()

    @staticmethod
    def of(let: Let, ins: Sequence[Any] | None = None) -> While:
        args = tuple(let.args if ins is None else ins)
        c = let.attrs["carry"]
        return While(let.fns[0], let.fns[1], args[:c], args[c:], let.attrs.get("ragged", ()))

    @property
    def count(self) -> int:
        """How many carries."""
        return len(self.init)

    @property
    def carries(self) -> tuple[Var, ...]:
        return self.body.params[: self.count]

    @property
    def inner(self) -> tuple[Var, ...]:
        return self.body.params[self.count :]

    @property
    def nexts(self) -> tuple[Atom, ...]:
        return self.body.results[: self.count]

    @property
    def rows(self) -> tuple[Atom, ...]:
        return self.body.results[self.count :]

    def bind(self, hints: Sequence[str] = ()) -> tuple[tuple[Value, ...], Value, tuple[Value, ...]]:
        """Write it; the last carries, the count, the rows."""
        names = [*(hints or [p.hint for p in self.carries]), "count", *[row_name(r.hint) for r in self.rows]]
        c = self.count
        attrs: dict[str, Any] = {"carry": c, **({"ragged": self.ragged} if self.ragged else {})}
        out = bind(OPS["while"], *self.init, *self.consts, fns=(self.test, self.body), hints=names, **attrs)
        return out[:c], out[c], out[c + 1 :]


def while_(
    test: Callable[..., Any], step: Callable[..., Any], *init: Any, hints: Sequence[str] = ()
) -> tuple[Value, ...]:
    """While `test(*carries)`, run `next carries, rows = step(*carries)`; the last carries, the count, the rows."""
    first = tuple(map(value, init))
    hints = tuple(hints) or step.__code__.co_varnames[: step.__code__.co_argcount]
    types = [v.type for v in first]
    (t, of_test), (b, of_body) = trace_open(test, types, "test", hints), trace_open(step, types, "body", hints)
    (t, b), captured = widen([t, b], [of_test, of_body], keep=len(first))
    carries, count, rows = While(t, b, first, captured).bind()
    return (*carries, count, *rows)


def _type(*rest: Any, carry: int, ragged: Ragged = ()) -> tuple[Any, ...]:
    *args, test, body = rest
    need(len(test.params) == len(body.params) == len(args), "while", f"bodies of {len(args)} parameters", body.params)
    need(len(test.results) == 1 and test.results[0].type == BOOL, "while", "a test that gives one bool", test.results)
    env = dict(zip(body.params, args, strict=True))
    results = [swap_type(r.type, env) for r in body.results]
    for p, a, r in zip(body.params[:carry], args, results, strict=False):
        need(a.type == r, "while", f"a carry `{p.hint}` of one type", (a, p))
    count = Var(I64, "count")
    last, rows = ends("while", body, args, results, carry, body.params[:carry], of_symbol(count), ragged)
    return (*last, count, *rows)


def _numpy(*rest: Any, carry: int, ragged: Ragged = ()) -> tuple[Any, ...]:
    *args, test, body = rest
    state, consts, rows = tuple(args[:carry]), tuple(args[carry:]), []
    while test(*state, *consts)[0]:
        out = body(*state, *consts)
        state = out[:carry]
        rows.append(out[carry:])
    return (*state, len(rows), *stacked(dict(enumerate(rows)), body.fn.results[carry:], dict(ragged)))


def _trim(let: Let, live: set[Var]) -> Let:
    """Without the dead carries, rows and constants. What the test reads lives; the count always stays."""
    view = While.of(let)
    c = view.count
    test = needed(view.test)
    in_test = used_in(test)
    rows = [k for k in range(len(view.rows)) if let.outs[c + 1 + k] in live]
    keep = {k for k in range(c) if let.outs[k] in live or test.params[k] in in_test} | {j for k, j in view.ragged if k in rows}
    ks, body, used = living(view, keep, rows)
    consts = [k for k, p in enumerate(view.inner) if p in used or test.params[c + k] in in_test]
    positions = [*ks, *[c + k for k in consts]]
    fns = tuple(taking(f, tuple(f.params[k] for k in positions)) for f in (test, body))
    outs = (*[let.outs[k] for k in ks], let.outs[c], *[let.outs[c + 1 + k] for k in rows])
    args = (*[view.init[k] for k in ks], *[view.consts[k] for k in consts])
    attrs = {**let.attrs, "carry": len(ks)}
    if view.ragged:
        attrs["ragged"] = kept_pairs(view.ragged, rows, ks)
    return slimmer(let, outs, args, attrs, fns)


OPS["while"] = Op("while", _type, _numpy, construct=True, trim=_trim)
