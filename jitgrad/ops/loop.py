"""loop: `for i in range(lo, hi)`.

    carry, ..., rows, ... = loop[carry, reverse](lo, hi, init, ..., const, ...) { body(i, carry, ..., const, ...) }

The body returns the next carries, then the row of the iteration. `rows[i - lo]` is the row of iteration i, whichever way
the loop runs (`reverse`: from hi - 1 down to lo). `Loop` is the only code that knows how the groups are laid out.

`policy` says how its return sweep is to spare memory (`transform/checkpoint.py`); the meaning of the loop is the same:

    ("every", k)       remember the carries every k iterations, and compute k iterations again at a time
    ("binomial", s)    keep at most s sets of carries at any time
    ("redo",)          remember carries only: the body is computed again
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..ir.build import Value, bind, trace_open, value
from ..ir.core import I64, OPS, Atom, Fn, Let, Op, Type, Var, dim_of, swap_type, type_vars
from ..ir.dims import DimLike, trips
from ..ir.interp import NUMPY
from ..ir.walk import needed, used_in
from .table import is_index, need

Policy = tuple[Any, ...] | None


@dataclass(frozen=True)
class Loop:
    """The named view of a loop. The first four are atoms (`Loop.of(let)`) or Values (`Loop.of(let, ins)`)."""

    lo: Any
    hi: Any
    init: tuple[Any, ...]
    consts: tuple[Any, ...]
    body: Fn
    reverse: bool = False
    policy: Policy = None

    @staticmethod
    def of(let: Let, ins: Sequence[Any] | None = None) -> Loop:
        args = tuple(let.args if ins is None else ins)
        c = let.attrs["carry"]
        policy = let.attrs.get("policy")
        return Loop(args[0], args[1], args[2 : 2 + c], args[2 + c :], let.fns[0], let.attrs["reverse"], policy)

    @property
    def count(self) -> int:
        """How many carries."""
        return len(self.init)

    @property
    def index(self) -> Var:
        return self.body.params[0]

    @property
    def carries(self) -> tuple[Var, ...]:
        return self.body.params[1 : 1 + self.count]

    @property
    def inner(self) -> tuple[Var, ...]:
        """The constants, as the body calls them."""
        return self.body.params[1 + self.count :]

    @property
    def nexts(self) -> tuple[Atom, ...]:
        return self.body.results[: self.count]

    @property
    def rows(self) -> tuple[Atom, ...]:
        return self.body.results[self.count :]

    @property
    def trips(self) -> DimLike:
        """Of a view of atoms."""
        return trips(dim_of(self.lo), dim_of(self.hi), 1)

    def bind(self, hints: Sequence[str] = ()) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
        """Write the loop (a view of Values); its last carries and its rows."""
        names = [*(hints or [p.hint for p in self.carries]), *[row_name(r.hint) for r in self.rows]]
        attrs: dict[str, Any] = {"carry": self.count, "reverse": self.reverse, **({"policy": self.policy} if self.policy else {})}
        out = bind(OPS["loop"], self.lo, self.hi, *self.init, *self.consts, fns=(self.body,), hints=names, **attrs)
        return out[: self.count], out[self.count :]


def row_name(hint: str) -> str:
    return hint if hint.endswith("_rows") else hint + "_rows"


def loop(
    lo: Any,
    hi: Any,
    step: Callable[..., Any],
    *init: Any,
    hints: Sequence[str] = (),
    reverse: bool = False,
    policy: Policy = None,
) -> tuple[Value, ...]:
    """Run `next carries, rows = step(i, *carries)`; the last carries, then the rows."""
    first = tuple(map(value, init))
    hints = tuple(hints) or step.__code__.co_varnames[: step.__code__.co_argcount]
    body, captured = trace_open(step, [I64, *[v.type for v in first]], "body", hints)
    carries, rows = Loop(value(lo), value(hi), first, captured, body, reverse, policy).bind()
    return (*carries, *rows)


def _type(lo: Atom, hi: Atom, *rest: Any, carry: int, reverse: bool, policy: Policy = None) -> tuple[Type, ...]:
    *args, body = rest
    need(is_index(lo) and is_index(hi), "loop", "integer bounds", (lo, hi))
    need(len(body.params) == 1 + len(args), "loop", f"a body of {1 + len(args)} parameters", body.params)
    env = dict(zip(body.params[1:], args, strict=True))
    results = [swap_type(r.type, env) for r in body.results]
    for p, a, r in zip(body.params[1 : 1 + carry], args, results, strict=False):
        need(swap_type(p.type, env) == a.type == r, "loop", f"a carry `{p.hint}` of one type", (p, a, body.results[0]))
    inside = set(body.params) | {o for let in body.lets for o in let.outs}
    for t in results:
        need(not inside & set(type_vars(t)), "loop", "results whose sizes the body does not bind", body.results)
    count = trips(dim_of(lo), dim_of(hi), 1)
    return (*results[:carry], *[Type(t.dtype, (count, *t.shape)) for t in results[carry:]])


def _numpy(lo: int, hi: int, *rest: Any, carry: int, reverse: bool, policy: Policy = None) -> tuple[Any, ...]:
    *args, body = rest
    state, consts = tuple(args[:carry]), tuple(args[carry:])
    rows: dict[int, tuple[Any, ...]] = {}
    for i in reversed(range(lo, hi)) if reverse else range(lo, hi):
        out = body(i, *state, *consts)
        state, rows[i] = out[:carry], out[carry:]
    kinds = body.fn.results[carry:]
    return (*state, *[stack_rows([rows[i][k] for i in sorted(rows)], a.type) for k, a in enumerate(kinds)])


def stack_rows(rows: Sequence[Any], t: Type) -> Any:
    """The rows one below the other; of no rows, an array without cells."""
    if rows:
        return np.stack(rows)
    return np.zeros((0, *[d if isinstance(d, int) else 0 for d in t.shape]), NUMPY[t.dtype])


def _trim(let: Let, live: set[Var]) -> Let:
    """Without the carries, rows and constants that nobody reads. A carry lives if it is read after the loop, or by what
    a living carry becomes."""
    view = Loop.of(let)
    c = view.count
    rows = [k for k in range(len(view.rows)) if let.outs[c + k] in live]
    keep = {k for k in range(c) if let.outs[k] in live}
    while True:
        ks = sorted(keep)
        body = needed(replace(view.body, results=(*[view.nexts[k] for k in ks], *[view.rows[k] for k in rows])))
        used = used_in(body)
        more = {k for k in range(c) if view.carries[k] in used} - keep
        if not more:
            break
        keep |= more
    consts = [k for k, p in enumerate(view.inner) if p in used]
    params = (view.index, *[view.carries[k] for k in ks], *[view.inner[k] for k in consts])
    outs = (*[let.outs[k] for k in ks], *[let.outs[c + k] for k in rows])
    args = (view.lo, view.hi, *[view.init[k] for k in ks], *[view.consts[k] for k in consts])
    attrs = {**let.attrs, "carry": len(ks)}
    return replace(let, outs=outs, args=args, attrs=attrs, fns=(replace(body, params=params),))


OPS["loop"] = Op("loop", _type, _numpy, construct=True, trim=_trim)
