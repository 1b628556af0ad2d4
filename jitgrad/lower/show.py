"""A plan as text: the buffers with their types, the loops, what is computed in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..ir.core import Atom, Lit, Size, Var
from ..ir.dims import DimLike, form
from ..ir.show import Names
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
    Scalar,
    Set,
    Store,
    Update,
    While,
    Window,
)  # fmt: skip

COMBINE = {"=": "=", "+": "+=", "*": "*=", "max": "max=", "min": "min=", "or": "|=", "and": "&="}


def show_plan(plan: Plan) -> str:
    return "\n".join(_Printer(plan).lines) + "\n"


Plan.__repr__ = show_plan  # type: ignore[assignment]


class _Printer:
    def __init__(self, plan: Plan) -> None:
        self.names = Names()
        self.lines: list[str] = []
        for p in plan.params:
            self.names[p]
        for b in plan.sizes:
            if isinstance(b.source, Var):
                self.names[b.size] = self.names[b.source]
        self.put(0, f"plan {plan.name}({', '.join(map(self.param, plan.params))})")
        self.block(plan.body, 1)
        self.put(1, f"return {', '.join(self.window(r) if isinstance(r, Window) else self.atom(r) for r in plan.results)}")

    def put(self, pad: int, text: str) -> None:
        self.lines.append("  " * pad + text)

    def block(self, block: Block, pad: int) -> None:
        for s in block:
            SHOW[type(s)](self, s, pad)

    def dim(self, d: DimLike) -> str:
        return form(d, lambda s: self.names[s])

    def index(self, index: tuple[DimLike, ...]) -> str:
        return f"[{', '.join(map(self.dim, index))}]"

    def atom(self, a: Atom) -> str:
        if isinstance(a, Size):
            return self.dim(a.dim)
        return repr(a.value) if isinstance(a, Lit) else self.names[a]

    def window(self, w: Any) -> str:
        if not isinstance(w, Window):
            return self.atom(w)
        start = f"[{self.dim(w.offset)}:]" if w.offset != 0 else ""
        return self.names[w.buffer] + (self.index(w.prefix) if w.prefix else "") + start

    def param(self, p: Var | Buffer) -> str:
        shape = f"[{', '.join(map(self.dim, p.type.shape))}]" if p.type.shape else ""
        return f"{self.names[p]}: {p.type.dtype}{shape}"

    def scalar(self, s: Scalar, pad: int) -> None:
        attrs = f"[{', '.join(f'{k}={v!r}' for k, v in s.attrs.items())}]" if s.attrs else ""
        self.put(pad, f"{self.names[s.out]} = {s.op.name}{attrs}({', '.join(map(self.atom, s.args))})")

    def call(self, s: Call, pad: int) -> None:
        outs = [*map(self.window, s.outs), *[self.names[v] for v in s.scalars]]
        flags = f"[{', '.join(map(repr, s.flags))}]" if s.flags else ""
        self.put(pad, f"{', '.join(outs)} = {s.name}{flags}({', '.join(map(self.window, s.ins))})")

    def loop(self, s: For, pad: int) -> None:
        down = " downwards" if s.reverse else ""
        word = "nest" if s.nest else "parallel for" if s.parallel else "for"
        note = f"  # {s.note}" if s.note else ""
        self.put(pad, f"{word} {self.names[s.index]} in {self.dim(s.lo)}..{self.dim(s.hi)}{down}{note}")
        self.block(s.body, pad + 1)

    def while_(self, s: While, pad: int) -> None:
        self.put(pad, "while")
        self.block(s.test, pad + 1)
        self.put(pad, f"do while {self.atom(s.go)}")
        self.block(s.body, pad + 1)

    def if_(self, s: If, pad: int) -> None:
        self.put(pad, f"if {self.atom(s.predicate)}")
        self.block(s.then, pad + 1)
        if s.other:
            self.put(pad, "else")
            self.block(s.other, pad + 1)


# fmt: off
SHOW: dict[type, Callable[[_Printer, Any, int], None]] = {
    Scalar: _Printer.scalar,
    Load: lambda p, s, pad: p.put(pad, f"{p.names[s.out]} = {p.names[s.buffer]}{p.index(s.index)}"),
    Store: lambda p, s, pad: p.put(pad, f"{p.names[s.buffer]}{p.index(s.index)} {COMBINE[s.how]} {p.atom(s.value)}"),
    Set: lambda p, s, pad: p.put(pad, f"{', '.join(p.names[v] for v in s.outs)} = {', '.join(map(p.atom, s.values))}"),
    Update: lambda p, s, pad: p.put(pad, f"{p.names[s.out]} {COMBINE[s.how]} {p.atom(s.value)}"),
    Alloc: lambda p, s, pad: p.put(pad, f"{'zeros' if s.zero else 'buffer'} {p.param(s.buffer)}"),
    Reshape: lambda p, s, pad: p.put(pad, f"{p.param(s.buffer)} = reshape {p.window(s.source)}"),
    For: _Printer.loop,
    While: _Printer.while_,
    If: _Printer.if_,
    Call: _Printer.call,
    Check: lambda p, s, pad: p.put(pad, f"check {p.atom(s.predicate)} else {s.error}({s.message!r})"),
    Grow: lambda p, s, pad: p.put(pad, f"grow {p.names[s.buffer]} to {p.dim(s.count)}"),
}
# fmt: on
