"""The tasks of the constructs. A body is a block of its own, scheduled when the construct is written: by then it is
decided where its carries stand (`carries.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from ..ir.core import I64, Atom, Let, Lit, Size, Var, dim_of
from ..ir.dims import DimLike, combine
from ..ir.walk import effectful, everywhere
from ..ops.cond import Cond
from ..ops.loop import Loop
from ..ops.while_ import While
from .block import Block, End
from .carries import Carries, carries, ends, overwrite, root, taped
from .plan import For, Grow, If, Set, Stmt, Store, Window
from .plan import While as PlanWhile
from .pull import scalars_of
from .tasks import Opaque, Place
from .write import Writer

Rows = Mapping[int, tuple[Atom, Var]]  # number -> what an iteration gives, and the array of what all give


def _new_rows(b: Block, rows: Rows, growing: Collection[int]) -> list[Place]:
    """The places of rows; those that grow."""
    found = []
    for k, (_, o) in rows.items():
        place = Place(b.facts.type(o.type), o.hint, growing=k in growing)
        b.stand(o, place)
        if place.growing:
            found.append(place)
    return found


def _ragged_end(w: Writer, r: Atom, o: Var, start: DimLike) -> End:
    """Where a value of unknown length is left: from `start` on in what holds all of them."""
    whole, t = w.window(o), w.facts.type(r.type)
    window = Window(whole.buffer, whole.prefix, (t.shape[0], *w.index(t.shape[1:])), combine(whole.offset, start, 1))
    return End(r, Place(t, o.hint, window, fresh=False, growing=True, asked=False))


def _row_ends(w: Writer, b: Block, rows: Rows, at: DimLike, once: bool, starts: Mapping[int, Var]) -> list[End]:
    out = []
    for k, (r, o) in rows.items():
        if not r.type.shape:
            out.append(End(r))
            continue
        if k in starts:
            out.append(_ragged_end(w, r, o, dim_of(starts[k])))
            continue
        whole = w.window(o)
        t = w.facts.type(r.type)
        window = Window(whole.buffer, whole.cell((at,)), w.index(t.shape))
        whole_place = b.attempt.memory[o].root()
        out.append(End(r, Place(t, o.hint, window, fresh=False, once=once and (whole_place.fresh or whole_place.once))))
    return out


def _store_rows(w: Writer, body: Writer, results: Sequence[Atom], rows: Rows, at: DimLike, carries: Sequence[Var]) -> None:
    """A carry as it entered is stored at the top, so that it can be overwritten early; the rest where it is known."""
    top = 0
    for r, (_, o) in zip(results, rows.values(), strict=True):
        if r.type.shape:
            continue
        whole = w.window(o)
        body.levels[0].insert(top if r in carries else len(body.levels[0]), Store(whole.buffer, whole.cell((at,)), r))
        top += r in carries


def assign(pairs: Sequence[tuple[Var, Atom]]) -> list[Stmt]:
    """All at once: one after the other where none reads what was assigned before, the rest together."""
    todo = [(v, a) for v, a in pairs if v is not a]
    out: list[Stmt] = []
    while todo:
        free = next((p for p in todo if not any(p[0] in scalars_of(a) for v, a in todo if v is not p[0])), None)
        if free is None:
            out.append(Set(tuple(v for v, _ in todo), tuple(a for _, a in todo)))
            break
        out.append(Set((free[0],), (free[1],)))
        todo.remove(free)
    return out


# ---- loop


def _loop(b: Block, let: Let) -> None:
    view = Loop.of(let)
    c = view.count
    tapes = taped(b, view, let.outs[c:])
    found = carries(b, view.carries, view.nexts, view.init, let.outs[:c], tapes)
    starts = {k: view.carries[j] for k, j in view.ragged}
    pairs = zip(view.rows, let.outs[c:], strict=True)
    rows = {k: (r, o) for k, (r, o) in enumerate(pairs) if o not in tapes.values()}
    _new_rows(b, rows, starts)
    lo, hi = b.facts.index(view.lo), b.facts.index(view.hi)
    scalars = [(p, r, a) for p, r, a in zip(view.carries, view.nexts, view.init, strict=True) if not p.type.shape]

    def write(w: Writer) -> None:
        for s in assign([(p, w.atom(a)) for p, _, a in scalars]):
            w.put(s)
        start = w.dim(lo)
        at = combine(dim_of(view.index), start, -1)
        left = [*[End(r) for _, r, _ in scalars], *ends(w, b, found, at), *_row_ends(w, b, rows, at, True, starts)]
        body, results = b.inner(view.body, left).run()
        _store_rows(w, body, results[len(scalars) + len(found.arrays) :], rows, at, view.carries)
        nexts = [(p, r) for (p, _, _), r in zip(scalars, results, strict=False)]
        for s in assign([*nexts, *found.moves()]):
            body.put(s)
        w.put(For(view.index, start, w.dim(hi), tuple(body.levels[0]), view.reverse, parallel=view.parallel))

    needs = [view.lo, view.hi, *[a for _, _, a in scalars], *[a for a in view.consts if not a.type.shape]]
    inits = dict(zip(view.carries, view.init, strict=True))
    _construct(b, let, write, needs, view.consts, found, inits)


def _construct(
    b: Block, let: Let, write: Callable[[Writer], None], needs: Sequence[Atom], consts: Sequence[Atom], found: Carries,
    inits: dict[Var, Atom],
) -> None:  # fmt: skip
    """The task of a loop. It makes its results, and the scalars that it carries: they keep their last values."""
    made = [*[p for p in inits if not p.type.shape], *let.outs]
    writes = [(v, None if v.type.shape else ()) for v in made]
    task = b.task((), Opaque(write), writes, needs, consts, effects=effectful(let))
    overwrite(b, task, found, inits)


# ---- while


def _while(b: Block, let: Let) -> None:
    view = While.of(let)
    c = view.count
    count, rows = let.outs[c], dict(enumerate(zip(view.rows, let.outs[c + 1 :], strict=True)))
    found = carries(b, view.carries, view.nexts, view.init, let.outs[:c], {})
    for p, q in zip(view.test.params, view.carries, strict=False):
        b.facts.alias[p] = q
    starts = {k: view.carries[j] for k, j in view.ragged}
    grown = [p for k, p in enumerate(_new_rows(b, rows, range(len(rows)))) if k not in starts]
    scalars = [(p, r, a) for p, r, a in zip(view.carries, view.nexts, view.init, strict=True) if not p.type.shape]

    def write(w: Writer) -> None:
        for s in assign([(p, w.atom(a)) for p, _, a in scalars]):
            w.put(s)
        w.put(Set((count,), (Lit(0, I64),)))
        at = dim_of(count)
        for place in grown:
            w.standing(place)
        mine = ends(w, b, found, at)
        test, (go,) = b.inner(view.test, [End(view.test.results[0])]).run()
        left = [*[End(r) for _, r, _ in scalars], *mine, *_row_ends(w, b, rows, at, False, starts)]
        body, results = b.inner(view.body, left).run()
        _store_rows(w, body, results[len(scalars) + len(found.arrays) :], rows, at, view.carries)
        nexts = [(p, r) for (p, _, _), r in zip(scalars, results, strict=False)]
        more = Size(at + 1)  # type: ignore[arg-type]
        for s in assign([*nexts, *found.moves(), (count, more)]):
            body.put(s)
        grow = [Grow(p.window.buffer, combine(p.window.offset, more.dim, 1)) for p in grown if p.window]
        w.put(PlanWhile(tuple(test.levels[0]), go, (*grow, *body.levels[0])))

    needs = [*[a for _, _, a in scalars], *[a for a in view.consts if not a.type.shape]]
    inits = dict(zip(view.carries, view.init, strict=True))
    _construct(b, let, write, needs, view.consts, found, inits)


# ---- cond


def _cond(b: Block, let: Let) -> None:
    view = Cond.of(let)
    arrays = [o for o in let.outs if o.type.shape]
    shared = {o: a for k, o in enumerate(let.outs) if o.type.shape and (a := _shared(b, view, k)) is not None}
    numbers = [o for o in let.outs if not o.type.shape]
    taken = list(shared.values())
    ragged = [let.outs[k] for k, _ in view.ragged]
    for o in arrays:
        if o in ragged:
            shared.pop(o, None)
            b.stand(o, Place(b.facts.type(o.type), o.hint, growing=True))
            continue
        if o in shared and (taken.count(shared[o]) > 1 or shared[o] in b.facts.apart):
            del shared[o]
        if o not in shared:
            b.new_place(o)

    def write(w: Writer) -> None:
        predicate = w.atom(view.predicate)
        for o in arrays:
            w.window(o)
        memory = b.attempt.memory
        ours = {o: a for o, a in shared.items() if memory[a] is memory[o]}
        outside = {a: memory[a] for a in ours.values()}
        sides: list[tuple[Stmt, ...]] = []
        for fn in (view.then, view.other):
            pairs = zip(fn.results, let.outs, strict=True)
            ends = [_ragged_end(w, r, o, 0) if o in ragged else _branch_end(w, b, r, o, ours.get(o)) for r, o in pairs]
            side, results = b.inner(fn, ends, loops=0).run()
            memory.update(outside)
            values = [(o, r) for o, r in zip(let.outs, results, strict=True) if o in numbers]
            for s in assign(values):
                side.put(s)
            sides.append(tuple(side.levels[0]))
        w.put(If(predicate, *sides))

    consts = [*view.then_args, *view.other_args]
    needs = [view.predicate, *[a for a in consts if not a.type.shape]]
    writes = [(o, None if o.type.shape else ()) for o in let.outs]
    task = b.task((), Opaque(write), writes, needs, consts, effects=effectful(let))
    for o, a in shared.items():
        b.overwrites(task, a, o, a, None)


def _branch_end(w: Writer, b: Block, r: Atom, o: Var, base: Var | None) -> End:
    if not o.type.shape:
        return End(r)
    if base is not None:
        place = Place(b.facts.type(o.type), base.hint, w.window(o), versions=[base], fresh=False)
        b.attempt.memory[base] = place
        return End(r, place, base)
    return End(r, Place(b.facts.type(o.type), o.hint, w.window(o), fresh=False))


def _shared(b: Block, view: Cond, k: int) -> Var | None:
    """The array outside whose memory a result of both branches could be."""
    roots = [root(b, f.results[k], {o for _, let in everywhere(f) for o in let.outs}) for f in (view.then, view.other)]
    return roots[0] if isinstance(roots[0], Var) and roots[0] is roots[1] and b.facts.stored(roots[0]) else None


CONSTRUCTS: dict[str, Callable[[Block, Let], None]] = {"loop": _loop, "while": _while, "cond": _cond}
