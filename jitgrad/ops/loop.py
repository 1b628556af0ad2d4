"""loop: `for i in range(lo, hi)`.

    carry, ..., rows, ... = loop[carry, reverse](lo, hi, init, ..., const, ...) { body(i, carry, ..., const, ...) }

The body returns the next carries, then the row of the iteration. `rows[i - lo]` is the row of iteration i, whichever way
the loop runs (`reverse`: from hi - 1 down to lo). `Loop` is the only code that knows how the groups are laid out.

`ragged`: pairs (k, j). Row k has another length in each iteration: those of all iterations stand one behind the other, in the
order in which these run. Carry j, from 0, counts how many there are: row k of an iteration begins where carry j was before it.

`policy` says how its return sweep is to spare memory (`transform/checkpoint.py`); the meaning of the loop is the same:

    ("every", k)       remember the carries every k iterations, and compute k iterations again at a time
    ("binomial", s)    keep at most s sets of carries at any time
    ("redo",)          remember carries only: the body is computed again

`parallel`: the user asks that threads share the iterations (`numba.prange`). It means nothing here; `lower/parallel.py` does
so where that provably changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..ir.build import Value, bind, trace_open, value
from ..ir.core import I64, OPS, Atom, Fn, Let, Lit, Op, Type, Var, dim_of, swap_type, type_vars
from ..ir.dims import DimLike, combine, of_symbol, trips
from ..ir.interp import NUMPY
from ..ir.walk import giving, taking, used_in
from .table import is_index, need

Policy = tuple[Any, ...] | None
Ragged = tuple[tuple[int, int], ...]


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
    ragged: Ragged = ()
    parallel: bool = False

    @staticmethod
    def of(let: Let, ins: Sequence[Any] | None = None) -> Loop:
        args = tuple(let.args if ins is None else ins)
        c = let.attrs["carry"]
        a = let.attrs
        rest = (let.fns[0], a["reverse"], a.get("policy"), a.get("ragged", ()), a.get("parallel", False))
        return Loop(args[0], args[1], args[2 : 2 + c], args[2 + c :], *rest)

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
    def remembered(self) -> tuple[Var, ...]:
        """The arrays among the carries of which each iteration gives as a row what they were when it began, upwards: the rows
        are where they live (`lower/carries.py`)."""
        if self.reverse or self.parallel:
            return ()
        return tuple(p for p, r in zip(self.carries, self.nexts, strict=True) if p.type.shape and p in self.rows and r is not p)

    @property
    def trips(self) -> DimLike:
        """Of a view of atoms."""
        return trips(dim_of(self.lo), dim_of(self.hi), 1)

    def bind(self, hints: Sequence[str] = ()) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
        """Write the loop (a view of Values); its last carries and its rows."""
        names = [*(hints or [p.hint for p in self.carries]), *[row_name(r.hint) for r in self.rows]]
        attrs: dict[str, Any] = {"carry": self.count, "reverse": self.reverse}
        wishes = ("policy", self.policy), ("ragged", self.ragged), ("parallel", self.parallel)
        attrs.update((k, v) for k, v in wishes if v)
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
    parallel: bool = False,
) -> tuple[Value, ...]:
    """Run `next carries, rows = step(i, *carries)`; the last carries, then the rows."""
    first = tuple(map(value, init))
    hints = tuple(hints) or step.__code__.co_varnames[: step.__code__.co_argcount]
    body, captured = trace_open(step, [I64, *[v.type for v in first]], "body", hints)
    carries, rows = Loop(value(lo), value(hi), first, captured, body, reverse, policy, parallel=parallel).bind()
    return (*carries, *rows)


def _type(
    lo: Atom, hi: Atom, *rest: Any, carry: int, reverse: bool, policy: Policy = None, ragged: Ragged = (), parallel: bool = False
) -> tuple[Any, ...]:
    *args, body = rest
    need(is_index(lo) and is_index(hi), "loop", "integer bounds", (lo, hi))
    need(len(body.params) == 1 + len(args), "loop", f"a body of {1 + len(args)} parameters", body.params)
    env = dict(zip(body.params[1:], args, strict=True))
    results = [swap_type(r.type, env) for r in body.results]
    for p, a, r in zip(body.params[1 : 1 + carry], args, results, strict=False):
        need(swap_type(p.type, env) == a.type == r, "loop", f"a carry `{p.hint}` of one type", (p, a, body.results[0]))
    last, rows = ends("loop", body, args, results, carry, body.params[1 : 1 + carry], trips(dim_of(lo), dim_of(hi), 1), ragged)
    return (*last, *rows)


def ends(
    name: str, body: Fn, args: Sequence[Atom], results: Sequence[Type], carry: int, carries: Sequence[Var], count: DimLike,
    ragged: Ragged,
) -> tuple[list[Any], list[Type]]:  # fmt: skip
    """What a loop leaves, by what its body gives: the types of the last carries (a Var where it is a size), and of the rows."""
    inside = set(body.params) | {o for let in body.lets for o in let.outs}
    by = {carry + k: j for k, j in ragged}
    last: list[Any] = list(results[:carry])
    for k, t in enumerate(results):
        sizes = Type(t.dtype, t.shape[1:]) if k in by else t
        need(not inside & set(type_vars(sizes)), name, "results whose sizes the body does not bind", body.results)
    for k, j in by.items():
        grows = combine(dim_of(body.results[j]), dim_of(carries[j]), -1) if results[j] == I64 else None
        need(args[j] == Lit(0, I64), name, "a ragged row counted from 0", (args[j],))
        need(grows == body.results[k].type.shape[0], name, "a ragged row that a carry counts", (body.results[j], body.results[k]))
        last[j] = last[j] if isinstance(last[j], Var) else Var(I64, carries[j].hint)
    shape = lambda k, t: (of_symbol(last[by[k]]), *t.shape[1:]) if k in by else (count, *t.shape)
    return last, [Type(t.dtype, shape(k, t)) for k, t in enumerate(results[carry:], carry)]


def _numpy(
    lo: int, hi: int, *rest: Any, carry: int, reverse: bool, policy: Policy = None, ragged: Ragged = (), parallel: bool = False
) -> tuple[Any, ...]:
    *args, body = rest
    state, consts = tuple(args[:carry]), tuple(args[carry:])
    rows: dict[int, tuple[Any, ...]] = {}
    for i in reversed(range(lo, hi)) if reverse else range(lo, hi):
        out = body(i, *state, *consts)
        state, rows[i] = out[:carry], out[carry:]
    return (*state, *stacked(rows, body.fn.results[carry:], dict(ragged)))


def stacked(rows: dict[int, tuple[Any, ...]], kinds: Sequence[Atom], ragged: Mapping[int, int]) -> list[Any]:
    """The rows by iteration, given in the order in which these ran: one below the other, a ragged one behind the other."""

    def whole(k: int, t: Type) -> Any:
        mine = [rows[i][k] for i in (rows if k in ragged else sorted(rows))]
        if mine:
            return np.concatenate(mine) if k in ragged else np.stack(mine)
        shape = [d if isinstance(d, int) else 0 for d in t.shape]
        return np.zeros((0, *(shape[1:] if k in ragged else shape)), NUMPY[t.dtype])

    return [whole(k, a.type) for k, a in enumerate(kinds)]


def kept_pairs(ragged: Ragged, rows: Sequence[int], carries: Sequence[int]) -> Ragged:
    """Those of the rows and carries that are left, in their new places."""
    return tuple((rows.index(k), carries.index(j)) for k, j in ragged if k in rows)


def living(view: Any, keep: set[int], rows: Sequence[int]) -> tuple[list[int], Fn, AbstractSet[Var]]:
    """The carries that live (of a loop, or a while): those of `keep`, and those that what a living one becomes is made of; the
    body that gives them and these rows, and the variables that it mentions."""
    while True:
        ks = sorted(keep)
        body = giving(view.body, (*[view.nexts[k] for k in ks], *[view.rows[k] for k in rows]))
        used = used_in(body)
        more = {k for k, p in enumerate(view.carries) if p in used} - keep
        if not more:
            return ks, body, used
        keep = keep | more


def slimmer(let: Let, outs: tuple[Var, ...], args: tuple[Atom, ...], attrs: dict[str, Any], fns: tuple[Fn, ...]) -> Let:
    """The construct with some of its results and arguments; itself where it is all of them."""
    if len(outs) == len(let.outs) and len(args) == len(let.args) and all(f is g for f, g in zip(fns, let.fns, strict=True)):
        return let
    attrs = {k: v for k, v in attrs.items() if k != "ragged" or v}  # written as `bind` writes it
    return replace(let, outs=outs, args=args, attrs=attrs, fns=fns)


def _trim(let: Let, live: set[Var]) -> Let:
    """Without the carries, rows and constants that nobody reads. A carry lives if it is read after the loop, or by what
    a living carry becomes."""
    view = Loop.of(let)
    c = view.count
    rows = [k for k in range(len(view.rows)) if let.outs[c + k] in live]
    keep = {k for k in range(c) if let.outs[k] in live} | {j for k, j in view.ragged if k in rows}
    ks, body, used = living(view, keep, rows)
    consts = [k for k, p in enumerate(view.inner) if p in used]
    params = (view.index, *[view.carries[k] for k in ks], *[view.inner[k] for k in consts])
    outs = (*[let.outs[k] for k in ks], *[let.outs[c + k] for k in rows])
    args = (view.lo, view.hi, *[view.init[k] for k in ks], *[view.consts[k] for k in consts])
    attrs = {**let.attrs, "carry": len(ks)}
    if view.ragged:
        attrs["ragged"] = kept_pairs(view.ragged, rows, ks)
    return slimmer(let, outs, args, attrs, (taking(body, params),))


OPS["loop"] = Op("loop", _type, _numpy, construct=True, trim=_trim)
