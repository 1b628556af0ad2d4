"""The derivatives of `loop` and `while`, forward and reverse side by side.

Forward: the tangents of the carries are carries, those of the constants are constants.

    c_{i+1} = F(i, c_i, q)             c_dot_{i+1} = dF/dc c_dot_i + dF/dq q_dot

Reverse: a loop over the same range, the other way round. Its carries are the bars of the carries and, for each constant, an
accumulator; what it needs of the primal is remembered in rows (`remember.py`), so the tape is an explicit value.

    c_bar_i = (dF/dc)^T c_bar_{i+1}    q_bar += (dF/dq)^T c_bar_{i+1}

A `while` is a loop whose number of trips is known once it has run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ..ir.build import Value
from ..ir.core import Let
from ..ops.loop import Loop
from .activity import carried
from .ad import PULL, PUSH, Back, Take, Tangent, push_fn, tangent_or_zero
from .decisions import inside, note
from .joint import UNDO, Restore, make_joint, put_back
from .keep import LOOP, WHILE, Kind, bind_step, kept, undone, within


def push_loop(kind: Kind, let: Let, ins: Sequence[Value], tans: Sequence[Tangent]) -> tuple[Any, Any]:
    view = kind.view.of(let, ins)
    c, h, p = view.count, kind.args, kind.params
    carries, out_on = carried(view.body, p, [t is not None for t in tans[h : h + c]], [t is not None for t in tans[h + c :]])
    moving = [k for k in range(c) if carries[k]]
    rows = [k for k in range(c, len(out_on)) if out_on[k]]
    with_tangent = [k for k in range(len(view.consts)) if tans[h + c + k] is not None]
    init_dots = [tangent_or_zero(tans[h + k], view.init[k]) for k in moving]
    const_dots = [tans[h + c + k] for k in with_tangent]

    def step(*args: Value) -> tuple[Value, ...]:
        head, state, dots = args[:p], args[p : p + c], args[p + c :]
        d: dict[int, Tangent] = dict(zip([p + k for k in moving], dots, strict=True))
        d.update(zip([p + c + k for k in with_tangent], const_dots, strict=True))
        outs, touts = push_fn(view.body, (*head, *state, *view.consts), [d.get(k) for k in range(len(view.body.params))])
        new = [tangent_or_zero(touts[k], outs[k]) for k in moving]
        return (*outs[:c], *new, *outs[c:], *[tangent_or_zero(touts[k], outs[k]) for k in rows])

    hints = [*[v.hint for v in view.carries], *[view.carries[k].hint + "_dot" for k in moving]]
    n_rows, by = len(view.rows), dict(view.ragged)
    ragged = (*view.ragged, *[(n_rows + m, by[k - c]) for m, k in enumerate(rows) if k - c in by])
    last, middle, all_rows = bind_step(kind, view, step, (*view.init, *init_dots), hints, ragged)
    dots = dict(zip([*moving, *[kind.outs + k for k in rows]], (*last[c:], *all_rows[n_rows:]), strict=True))
    outs = (*last[:c], *middle, *all_rows[:n_rows])
    return outs, [dots.get(k) for k in range(len(outs))]


def pull_loop(kind: Kind, let: Let, ins: Sequence[Value], want: Sequence[bool]) -> tuple[Sequence[Value], Back]:
    view = kind.view.of(let, ins)
    spare = SPARE.get(view.policy[0]) if kind is LOOP and view.policy else None
    return spare(view, want) if spare else pull_view(kind, view, want)


def pull_view(kind: Kind, view: Any, want: Sequence[bool]) -> tuple[Sequence[Value], Back]:
    """`want`: which of the arguments are active."""
    c, h, p = view.count, kind.args, kind.params
    carries, out_on = carried(view.body, p, list(want[h : h + c]), list(want[h + c :]))
    state = [k for k in range(c) if carries[k]]
    rows = [k for k in range(c, len(out_on)) if out_on[k]]
    consts = [p + c + k for k in range(len(view.consts)) if want[h + c + k]]
    active = [*[False] * p, *carries, *want[h + c :]]
    starts = {c + k: p + j for k, j in view.ragged}
    joint, inner = inside(lambda: make_joint(view.body, active, state, rows, consts, partial(within, kind, view), starts))
    keep = kept(kind, view, joint)
    name = f"for {view.index.hint}" if kind is LOOP else "while"
    note(name, keep.way.way, keep.decided(), inner)
    last, middle, all_rows = keep.forward()
    n_rows = len(view.rows)
    outs = (*last, *middle, *all_rows[:n_rows])

    def back(gs: Sequence[Tangent], take: Take) -> dict[int, Tangent]:
        state_init = [tangent_or_zero(gs[k], last[k]) for k in state]
        row_gs = [gs[kind.outs + k] for k in rows]
        row_outs = [outs[kind.outs + k] for k in rows]
        accs = [tangent_or_zero(take(h + k - p), view.consts[k - p - c]) for k in consts]
        done, before = keep.backward(last, middle, all_rows, state_init, row_gs, row_outs, accs)
        for k, a in before.items():
            put_back(last[k], a)
        bars: dict[int, Tangent] = dict(zip([h + k for k in state], done, strict=False))
        bars.update(zip([h + k - p for k in consts], done[len(state) :], strict=True))
        return bars

    return outs, back


def undo_loop(kind: Kind, let: Let, ins: Sequence[Value], at: Sequence[int]) -> tuple[Sequence[Value], Restore] | None:
    """The loop, and one that puts what it wrote into its carried arrays `at` back."""
    view = kind.view.of(let, ins)
    keep = undone(kind, view, at)
    if keep is None:
        return None
    last, middle, all_rows = keep.forward()
    n_rows = len(view.rows)
    outs = (*last, *middle, *all_rows[:n_rows])
    return outs, lambda now: keep.backward(last, middle, all_rows, now=now)[1]


# ("every", k) and ("binomial", s): by `checkpoint.py`, (view, want) -> as `pull_view`
SPARE: dict[str, Callable[[Loop, Sequence[bool]], tuple[Sequence[Value], Back]]] = {}

for _name, _kind in (("loop", LOOP), ("while", WHILE)):
    PUSH[_name] = partial(push_loop, _kind)
    PULL[_name] = partial(pull_loop, _kind)
    UNDO[_name] = partial(undo_loop, _kind)
