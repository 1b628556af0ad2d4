"""A program as text, and back: `parse(show(fn))` is `fn` again.

    sizes n >= 5, k
    fn loss(x: f64[n], k: i64 = k) {
      t: f64[n] = sin(x)                                  # user.py:12
      a: f64[n] = loop[carry=1, reverse=False](0, n, t, x) {
        body(i: i64, a: f64[n], x: f64[n]) {
          ...
          return a1
        }
      }
      return t1
    }

A literal is written with its type unless that is the natural one: `2.0` (f64), `3` (i64), `True`, `2.0:f32`, `0.0:f64[n]`.
"""

from __future__ import annotations

import keyword
import os
from collections.abc import Iterable
from typing import Any

from .core import Absent, Atom, Fn, Let, Size, Type, Var
from .dims import DimLike, Sym, form
from .walk import size_symbols

NATURAL: dict[str, tuple[type, ...]] = {"f64": (float, Absent), "i64": (int,), "bool": (bool,)}


class Names(dict):
    """Unique, readable names: the hint, then hint1, hint2, ...; `taken` are never given."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        super().__init__()
        self.used = set(taken)
        self.next: dict[str, int] = {}

    def __missing__(self, v: Any) -> str:
        name = self[v] = self.fresh(v.name if isinstance(v, Sym) else v.hint)
        return name

    def fresh(self, hint: str) -> str:
        stem = identifier(hint)
        name = stem
        while name in self.used:
            k = self.next[stem] = self.next.get(stem, 0) + 1
            name = f"{stem}_{k}" if stem[-1].isdigit() else f"{stem}{k}"
        self.used.add(name)
        return name


def identifier(hint: str) -> str:
    text = "".join(c if c.isalnum() or c == "_" else "_" for c in hint) or "t"
    return text + "_" if keyword.iskeyword(text) or text[0].isdigit() else text


def show(fn: Fn) -> str:
    return "\n".join(Printer(fn).lines) + "\n"


class Printer:
    """Writes one program; names are unique over the whole text, so that a name means one thing."""

    def __init__(self, fn: Fn) -> None:
        self.names = Names(("nan", "inf", "min", "max"))
        self.lines: list[str] = []
        syms = size_symbols(fn)
        if syms:
            self.lines.append("sizes " + ", ".join(f"{self.names[s]} >= {s.low}" for s in syms))
        self.fn(fn, 0, "fn ")

    def fn(self, fn: Fn, pad: int, head: str = "") -> None:
        for p in fn.params:  # types may mention later parameters: name them all first
            self.names[p]
        self.put(pad, f"{head}{fn.name}({', '.join(map(self.param, fn.params))}) {{")
        for let in fn.lets:
            self.let(let, pad + 1)
        self.put(pad + 1, f"return {', '.join(map(self.atom, fn.results))}".rstrip())
        self.put(pad, "}")

    def let(self, let: Let, pad: int) -> None:
        for o in let.outs:
            self.names[o]
        attrs = f"[{', '.join(f'{k}={v!r}' for k, v in let.attrs.items())}]" if let.attrs else ""
        head = ", ".join(map(self.param, let.outs)) + " = " if let.outs else ""
        text = f"{head}{let.op.name}{attrs}({', '.join(map(self.atom, let.args))})"
        place = f"  # {os.path.basename(let.where.filename)}:{let.where.lineno}" if let.where else ""
        self.put(pad, text + (" {" if let.fns else "") + place)
        for f in let.fns:
            self.fn(f, pad + 1)
        if let.fns:
            self.put(pad, "}")

    def put(self, pad: int, text: str) -> None:
        self.lines.append("  " * pad + text)

    def param(self, v: Var) -> str:
        bound = f" = {self.names[v.size]}" if v.size is not None else ""
        return f"{self.names[v]}: {self.type(v.type)}{bound}"

    def dim(self, d: DimLike) -> str:
        return form(d, lambda s: self.names[s])

    def type(self, t: Type) -> str:
        return f"{t.dtype}[{', '.join(map(self.dim, t.shape))}]" if t.shape else t.dtype

    def atom(self, a: Atom) -> str:
        if isinstance(a, Size):
            return self.dim(a.dim)
        if isinstance(a, Var):
            return self.names[a]
        natural = type(a.value) in NATURAL.get(a.type.dtype, ()) and not a.type.shape
        return repr(a.value) if natural else f"{a.value!r}:{self.type(a.type)}"


__all__ = ["Names", "Printer", "identifier", "show"]
