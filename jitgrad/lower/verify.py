"""The well-formedness of a plan. Prints the plan around the fault."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import InternalError
from ..ir.core import Var
from .parallel import mentions, outside
from .plan import (
    Alloc,
    Block,
    Buffer,
    Call,
    Check,
    For,
    Grow,
    If,
    Load,
    Plan,
    Reshape,
    Set,
    Stmt,
    Store,
    Update,
    While,
    Window,
    everywhere,
)  # fmt: skip
from .races import judge
from .rows import clash
from .tidy import dim_vars, makes, reads, window_vars
from .touches import Ranges, other_names


class PlanError(InternalError):
    """Lowering wrote an ill-formed plan: a bug of ours, never of the user."""


def verify_plan(plan: Plan) -> Plan:
    """The plan itself, if it is well formed."""
    _Verifier(plan).run()
    return plan


class _Verifier:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.allocated: set[Buffer] = set()  # ever: none twice
        self.ranges: Ranges = {}  # of the indices of the loops so far
        self.roots: dict[Buffer, Buffer] = {}  # of memory with another name, the first one
        self.written: set[Buffer] = {p for p in plan.params if isinstance(p, Buffer)}

    def need(self, ok: bool, message: str) -> None:
        if not ok:
            from .show import show_plan

            raise PlanError(f"{message}, in\n\n{show_plan(self.plan)}")

    def run(self) -> None:
        scalars = {p for p in self.plan.params if isinstance(p, Var)}
        buffers = {p for p in self.plan.params if isinstance(p, Buffer)}
        self.block(self.plan.body, scalars, buffers)
        for r in self.plan.results:
            self.bound(window_vars(r), scalars, "a result")
            if isinstance(r, Window):
                self.need(r.whole and not r.buffer.param and r.buffer in buffers, f"the result {r} is not memory of its own")
        windows = [r.buffer for r in self.plan.results if isinstance(r, Window)]
        self.need(len(set(windows)) == len(windows), "two results share memory")

    def bound(self, used: Iterable[Var], scalars: set[Var], what: str) -> None:
        loose = [v.hint for v in used if v not in scalars]
        self.need(not loose, f"{what} uses unbound scalars {loose}")

    def block(self, block: Block, scalars: set[Var], buffers: set[Buffer]) -> None:
        """Adds to `scalars` and `buffers` what the block binds."""
        for s in block:
            name = type(s).__name__
            if not isinstance(s, While):
                self.bound(reads(s), scalars, f"a {name}")
            self.memory(s, buffers, name)
            if isinstance(s, Update):
                self.need(s.out in scalars, f"`{s.out.hint}` is updated before it is set")
            if isinstance(s, For):
                if s.parallel:
                    self.shared(s)
                if s.blocks:
                    why = clash(s)
                    self.need(not why, why)
                self.ranges[s.index] = (s.lo, s.hi)
                self.block(s.body, scalars | {s.index}, set(buffers))
                self.keep(s.body, scalars)
                continue
            if isinstance(s, While):
                inner = set(scalars)
                self.block(s.test, inner, set(buffers))
                self.bound(reads(s), inner, "the condition of a while")
                self.block(s.body, inner, set(buffers))
                continue
            if isinstance(s, If):
                then, other = set(scalars), set(scalars)
                self.block(s.then, then, set(buffers))
                self.block(s.other, other, set(buffers))
                scalars |= then & other
                continue
            scalars.update(makes(s))

    def shared(self, s: For) -> None:
        """Iterations of a parallel loop do not meet."""
        every = list(everywhere(s.body))
        self.need(not any(isinstance(t, Check) for t in every), "an error is raised within a parallel loop")
        self.need(not any(isinstance(t, For) and t.parallel for t in every), "a parallel loop stands within another")
        total, mine = outside(self.plan), mentions((s,))
        verdict = judge(s, {v for v, n in total.items() if n > mine[v]}, other_names(self.plan.body), self.ranges)
        self.need(not verdict.why, verdict.why)
        names = [*[v.hint for v in verdict.scalars], *[b.hint for b in verdict.arrays]]
        self.need(not names, f"the iterations of a parallel loop add to the same {names}")

    def keep(self, body: Block, scalars: set[Var]) -> None:
        """What a loop binds is unbound after it, unless it was bound before."""

    def memory(self, s: Stmt, buffers: set[Buffer], name: str) -> None:
        if isinstance(s, Alloc):
            self.need(s.buffer not in self.allocated and not s.buffer.param, f"`{s.buffer.hint}` is allocated twice")
            self.allocated.add(s.buffer)
            buffers.add(s.buffer)
            if s.zero:
                self.written.add(s.buffer)
        elif isinstance(s, Reshape):
            self.need(s.source.buffer in buffers, f"`{s.source.buffer.hint}` is reshaped before it is allocated")
            buffers.add(s.buffer)
            self.roots[s.buffer] = self.roots.get(s.source.buffer, s.source.buffer)
            self.written.add(s.buffer)
        elif isinstance(s, (Store, Grow)):
            self.need(s.buffer in buffers, f"`{s.buffer.hint}` is written before it is allocated")
            self.need(not s.buffer.param, f"the parameter `{s.buffer.hint}` is written")
            if isinstance(s, Store):
                self.need(len(s.index) == s.buffer.type.rank, f"an index of `{s.buffer.hint}` has the wrong rank")
                self.need(s.how == "=" or s.buffer in self.written, f"`{s.buffer.hint}` is added to before it is set")
            self.writes(s.buffer)
        elif isinstance(s, Load):
            self.need(s.buffer in buffers and s.buffer in self.written, f"`{s.buffer.hint}` is read before it is written")
            self.need(len(s.index) == s.buffer.type.rank, f"an index of `{s.buffer.hint}` has the wrong rank")
        elif isinstance(s, Call):
            for w in s.ins:
                self.need(not isinstance(w, Window) or w.buffer in self.written, f"{s.name} reads what was not written")
            for w in s.outs:
                self.need(w.buffer in buffers and not w.buffer.param, f"{s.name} writes what is not ours")
                self.writes(w.buffer)

    def writes(self, b: Buffer) -> None:
        self.written.update((b, self.roots.get(b, b)))


__all__ = ["PlanError", "Set", "dim_vars", "verify_plan"]
