"""Fn -> Plan.

    schedule(fn)     the whole of lowering: attempts until the facts stop growing, then `tidy` and `verify`

An attempt that finds a dear value computed in two loops, or over and over in one, stores it (`Facts.kept`) and starts again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..errors import InternalError
from ..ir.core import Fn, Var
from ..ir.dims import DimLike, Opaque, Sym, combine, of_symbol
from ..ir.walk import size_symbols
from .block import Block, End
from .blocks import blocked
from .constructs import CONSTRUCTS
from .facts import Again, Facts, survey
from .joined import joined
from .merge import merged
from .overwritten import overwritten
from .parallel import parallelised
from .plan import Bind, Buffer, Plan, Window
from .rules import RULES
from .strips import stripped
from .tasks import Place
from .tidy import hoisted, tidy
from .trails import trailed
from .turned import turned
from .verify import verify_plan
from .write import Attempt

MAX_ATTEMPTS = 200


def schedule(fn: Fn) -> Plan:
    facts, sizes = survey(fn), size_symbols(fn)
    for _ in range(MAX_ATTEMPTS):
        attempt = Attempt(replace(facts, alias=dict(facts.alias)), {**RULES, **CONSTRUCTS})
        try:
            plan = _attempt(fn, attempt, sizes)
        except Again:
            continue
        if not dear_twice(attempt):
            return verify_plan(_passed(tidy(plan, attempt.zeroed)))
    raise InternalError(f"`{fn.name}`: no schedule after {MAX_ATTEMPTS} attempts")


def _passed(plan: Plan) -> Plan:
    for change in (overwritten, merged, parallelised, blocked, trailed, hoisted, joined, stripped, turned):
        plan = change(plan)
    return plan


def _attempt(fn: Fn, attempt: Attempt, sizes: Sequence[Sym]) -> Plan:
    facts = attempt.facts
    params: list[Var | Buffer] = []
    for p in fn.params:
        if p.type.shape:
            buffer = Buffer(p.type, p.hint, param=True)
            attempt.memory[p] = Place(p.type, p.hint, Window(buffer, (), p.type.shape), versions=[p], fresh=False)
            params.append(buffer)
        else:
            params.append(p)
    ends = [End(r, Place(facts.type(r.type), r.hint)) if r.type.shape else End(r) for r in fn.results]
    writer, scalars = Block(attempt, fn, ends).run()
    results = [s if e.place is None else writer.standing(e.place) for e, s in zip(ends, scalars, strict=True)]
    return Plan(fn.name, tuple(params), bind_sizes(fn, params, sizes), tuple(writer.levels[0]), tuple(results))


def dear_twice(attempt: Attempt) -> bool:
    """Store what is dear and computed more than once. Was there any?

    From the end of the program: a value of which only stored values are made is needed where these are stored, which is
    where they were first; one that is needed in two loops, or at two distances in one, is stored itself.
    """
    facts, seen = attempt.facts, attempt.seen
    again = {v for v, where in seen.items() if len(where) > 1} | attempt.thin
    again = {v for v in again if not facts.stored(v) and facts.dear(v)}
    if not again:
        return False
    users = _users(facts)
    loops = {v: {loop for loop, _ in where} for v, where in seen.items()}
    needed: dict[Var, set[int]] = {}
    store: list[Var] = []
    for v in reversed([v for v in facts.defs if v in again]):
        above = [w for w in users.get(v, ()) if w in loops]
        explained = set().union(*[loops[w] for w in above if w in again])
        mine = set().union(*[needed[w] if w in again else loops[w] for w in above]) | (loops[v] - explained)
        if len(mine) > 1 or len(seen[v]) > len(loops[v]) or v in attempt.thin:
            store.append(v)
            mine = {min(loops[v])}
        needed[v] = mine
    return any([facts.keep(v) for v in store])


def _users(facts: Facts) -> dict[Var, set[Var]]:
    """Who computes with the cells of a value, index functions in between not counted."""
    out: dict[Var, set[Var]] = {}
    for w, let in facts.defs.items():
        if let.op.elementwise and w.type.shape:
            todo = facts.operands(w)
            while todo:
                v = todo.pop()
                out.setdefault(v, set()).add(w)
                if v in facts.defs and not facts.stored(v) and not facts.defs[v].op.elementwise:
                    todo += facts.operands(v)
    return out


def bind_sizes(fn: Fn, params: list[Var | Buffer], used: Sequence[Sym]) -> tuple[Bind, ...]:
    """How each size in use is found: an integer parameter, a dimension `n`, then one of the form k*n + ... with one unknown."""
    out: dict[Sym, Bind] = {}
    dims: list[tuple[DimLike, Buffer, int]] = []
    for p, b in zip(fn.params, params, strict=True):
        if p.size is not None:
            out.setdefault(p.size, Bind(p.size, p))
        if isinstance(b, Buffer):
            dims += [(d, b, k) for k, d in enumerate(p.type.shape)]
    found = True
    while found:
        found = False
        for d, b, k in sorted(dims, key=lambda x: not _plain(x[0])):
            hit = _solve(d, b, k, out)
            if hit is not None:
                out[hit.size] = hit
                found = True
                break
    missing = [s for s in used if s not in out]
    if missing:
        raise InternalError(f"`{fn.name}`: no parameter tells the sizes {missing}")
    return tuple(b for s, b in out.items() if s in used)


def _plain(d: DimLike) -> bool:
    return not isinstance(d, int) and not d.c and list(d.terms.values()) == [1]


def _solve(d: DimLike, b: Buffer, axis: int, known: dict[Sym, Bind]) -> Bind | None:
    if isinstance(d, int) or any(isinstance(s, Opaque) for s in d.terms):
        return None
    unknown = [s for s in d.terms if isinstance(s, Sym) and s not in known]
    if len(unknown) != 1:
        return None
    s = unknown[0]
    k = d.terms[s]
    return Bind(s, b, axis, k, combine(d, of_symbol(s), -k))
