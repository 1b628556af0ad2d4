"""Plan -> the text of a Python module: scalar statements, `for i in range(n)`, subscripts; never an array expression.

What is computed once and used once at the same level of the loops stands inside the expression that uses it, as long as
that stays short. A load never moves behind a store to the same memory. Names come from the hints of the program.
"""

from __future__ import annotations

import ast
import builtins
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InternalError
from ..ir.core import INTS, Atom, Lit, Size, Type, Var, Where
from ..ir.dims import DimLike, combine, form, symbols
from ..ir.show import Names, identifier
from ..lower.merge import destinations
from ..lower.plan import (
    Alloc,
    Bind,
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
    Stmt,
    Store,
    Update,
    While,
    Window,
    everywhere,
)  # fmt: skip
from ..lower.pull import scalars_of
from ..lower.tidy import reads
from .expression import NUMPY, Literals, call, expression, filled, names_in, number, parsed, same, weight
from .load import Text
from .raised import exception, sites
from .routines import ROUTINES, as_it_is

SIGNATURE = {
    "bool": "boolean", "f64": "float64", "f32": "float32",
    **{k: f"{'u' if k[0] == 'u' else ''}int{k[1:]}" for k in INTS},
}  # fmt: skip

GENERIC = frozenset({"t", "c"})  # hints that are no names: nothing is lost if the value stands in another expression
LONG, SHORT = 8, 3  # how much one expression may hold: of values without a name, of a value with one
IMPORTS = {"inf": "math", "nan": "math"}
TAKEN = {"np", "range", *dir(builtins), *IMPORTS}


@dataclass(frozen=True)
class Pending:
    """A value that waits for its only use."""

    node: ast.expr
    memory: frozenset[Buffer]  # what it loads from
    names: frozenset[str]  # the variables that it reads
    where: Where | None


def emit(plan: Plan, modules: Mapping[str, str]) -> Text:
    """The text of a plan. `modules`: where the functions that it calls are imported from."""
    return _Printer(plan, modules).text()


class _Printer:
    def __init__(self, plan: Plan, modules: Mapping[str, str]) -> None:
        self.plan, self.modules = plan, {**modules, **IMPORTS}
        self.names = Names((*TAKEN, *modules))
        self.title = self.names.fresh(plan.name)
        self.literals = Literals(self.names.fresh)
        self.lines: list[str] = []
        self.used: set[str] = set()
        self.counts: Counter[Var] = Counter()  # how often each value is used in the block that is being printed
        self.pending: dict[Var, Pending] = {}
        self.roots: dict[Buffer, Buffer] = {}
        self.line: tuple[str, int] | None = None
        self.destinations = destinations(plan)
        self.sites = {site.statement: (k, site) for k, site in enumerate(sites(plan))}
        self.free: list[str] = []  # names of indices whose loops have ended

    def text(self) -> Text:
        plan = self.plan
        for p in plan.params:
            self.names[p]
        for b in plan.sizes:
            if isinstance(b.source, Var):
                self.names[b.size] = self.names[b.source]
        for b in plan.sizes:
            self.bind(b)
        self.statements(plan.body, 1, plan.results)
        self.put(1, f"return {self.results()}")
        head = f"def {self.title}({', '.join(self.names[p] for p in plan.params)}):"
        source = "\n".join([*self.header(), head, *self.lines]) + "\n"
        types = ", ".join(signature(p.type) for p in plan.params)
        return Text(self.title, source, f"({types},)" if types else "()")

    def results(self) -> str:
        parts = [ast.unparse(self.window(r) if isinstance(r, Window) else self.atom(r)) for r in self.plan.results]
        return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"

    def header(self) -> list[str]:
        """Imports and constants."""
        lines: dict[str, list[str]] = {}
        used = self.used.union(*(names_in(parsed(text)) for _, text in self.literals.lines.values()))
        for name in sorted(used & set(self.modules)):
            lines.setdefault(self.modules[name], []).append(name)
        out = [f"from {m} import {', '.join(names)}" for m, names in sorted(lines.items())]
        constants = [f"{name} = {text}" for name, text in self.literals.lines.values()]
        if "np" in self.used or constants:
            out.insert(0, "import numpy as np")
        return [*out, "", *([*constants, ""] if constants else []), ""] if out else []

    # ---- pieces

    def put(self, pad: int, text: str | ast.AST, where: Where | None = None) -> None:
        if isinstance(text, ast.AST):
            self.used |= names_in(text)
            text = ast.unparse(text)
        here = where and (where.filename, where.lineno)
        if where and here != self.line:
            self.line = (where.filename, where.lineno)
            text += f"  # {os.path.basename(where.filename)}:{where.lineno}"
        self.lines.append("    " * pad + text)

    def name(self, v: Any) -> ast.Name:
        if v in self.destinations and v not in self.names:
            self.names[v] = self.names[self.destinations[v]]
        return ast.Name(self.names[v])

    def atom(self, a: Atom) -> ast.expr:
        if isinstance(a, Lit):
            node = self.literals.node(a)
            self.used |= names_in(node)
            return node
        if isinstance(a, Size):
            return self.dim(a.dim)
        return self.pending.pop(a).node if a in self.pending else self.name(a)

    def dim(self, d: DimLike) -> ast.expr:
        if isinstance(d, int):
            return number(d)
        waiting = {self.names[v]: self.pending.pop(v).node for v in set(symbols(d)) if v in self.pending}
        node = parsed(form(d, lambda s: self.names[s]))
        return filled(node, waiting) if waiting else node

    def cell(self, b: Buffer, index: Iterable[DimLike]) -> ast.expr:
        parts = [self.dim(d) for d in index]
        return ast.Subscript(self.name(b), parts[0] if len(parts) == 1 else ast.Tuple(parts))

    def window(self, w: Any) -> ast.expr:
        """The array: a row below the leading index; and of a first axis that has more room, what is filled."""
        if not isinstance(w, Window):
            return self.atom(w)
        node = self.cell(w.buffer, w.prefix) if w.prefix else self.name(w.buffer)
        room = w.buffer.type.shape[len(w.prefix) :]
        if w.shape == room and w.offset == 0:
            return node
        if w.shape[1:] != room[1:]:
            raise InternalError(f"a part of `{w.buffer.hint}` of shape {w.shape} is no contiguous memory")
        start = None if w.offset == 0 else self.dim(w.offset)
        return ast.Subscript(node, ast.Slice(start, self.dim(combine(w.offset, w.shape[0], 1))))

    def bind(self, b: Bind) -> None:
        if isinstance(b.source, Var):
            return
        node: ast.expr = parsed(f"{self.names[b.source]}.shape[{b.axis}]")
        if b.rest != 0:
            node = ast.BinOp(node, ast.Sub(), self.dim(b.rest))
        if b.scale != 1:
            node = ast.BinOp(node, ast.FloorDiv(), number(b.scale))
        self.put(1, ast.Assign([self.name(b.size)], node, lineno=0))

    # ---- statements

    def block(self, block: Block, pad: int) -> None:
        mark = len(self.lines)
        self.statements(block, pad)
        self.flush(pad)
        if len(self.lines) == mark:
            self.put(pad, "pass")

    def statements(self, block: Block, pad: int, last: Iterable[Any] = ()) -> None:
        """The statements, and what is read after them: `last`."""
        before, self.counts = self.counts, Counter(v for s in everywhere(block) for v in reads(s))
        self.counts.update(v for a in last if not isinstance(a, Window) for v in scalars_of(a))
        for s in block:
            PRINT[type(s)](self, s, pad)
        self.counts = before

    def flush(self, pad: int, which: Callable[[Pending], bool] = lambda p: True) -> None:
        """Write what is pending now, in its order; with it what is pending and used by it stands already inside."""
        for v in [v for v, p in self.pending.items() if which(p)]:
            p = self.pending.pop(v)
            self.assign(pad, v, p.node, p.where)

    def assign(self, pad: int, v: Any, node: ast.expr, where: Where | None = None) -> None:
        self.put(pad, ast.Assign([self.name(v)], node, lineno=0), where)

    def define(self, pad: int, v: Var, node: ast.expr, memory: frozenset[Buffer], where: Where | None) -> None:
        """A value: pending if it may stand where it is used, else a statement."""
        if v in self.destinations:
            name = self.name(v).id
            self.flush(pad, lambda p: name in p.names)
            self.put(pad, changed(self.name(v), node), where)
            return
        size = weight(node)
        limit = LONG if v.hint in GENERIC or isinstance(node, ast.Subscript) else SHORT
        choice = isinstance(node, ast.IfExp) and v.type.dtype in INTS  # in a subscript, Numba would hand the array round it
        if self.counts[v] == 1 and size <= limit and not choice:
            self.pending[v] = Pending(node, memory, names_in(node), where)
            self.used |= names_in(node)
        else:
            self.assign(pad, v, node, where)

    def scalar(self, s: Scalar, pad: int) -> None:
        memory = self.memory(s.args)
        where = s.where or next((p.where for a in s.args if (p := self.pending.get(a))), None)  # type: ignore[arg-type]
        node = expression(s.op, [self.atom(a) for a in s.args], [a.type for a in s.args], s.out.type, s.attrs, self.literals)
        self.define(pad, s.out, node, memory, where)

    def memory(self, atoms: Iterable[Atom]) -> frozenset[Buffer]:
        none: frozenset[Buffer] = frozenset()
        return none.union(*[self.pending[a].memory for a in atoms if a in self.pending])  # type: ignore[index]

    def load(self, s: Load, pad: int) -> None:
        self.define(pad, s.out, self.cell(s.buffer, s.index), frozenset([self.root(s.buffer)]), None)

    def root(self, b: Buffer) -> Buffer:
        return self.roots.get(b, b)

    def store(self, s: Store, pad: int) -> None:
        value = self.atom(s.value)
        root = self.root(s.buffer)
        self.flush(pad, lambda p: root in p.memory)
        cell = self.cell(s.buffer, s.index)
        self.put(pad, combined(cell, s.how, value, s.value.type), s.where)

    def update(self, s: Update, pad: int) -> None:
        value = self.atom(s.value)
        name = self.names[s.out]
        self.flush(pad, lambda p: name in p.names)
        self.put(pad, combined(self.name(s.out), s.how, value, s.out.type))

    def set(self, s: Set, pad: int) -> None:
        values = [self.atom(a) for a in s.values]
        names = {self.name(v).id for v in s.outs}
        if len(values) == 1 and same(values[0], self.name(s.outs[0])):
            return
        self.flush(pad, lambda p: bool(names & p.names))
        if len(values) > 1:
            self.put(pad, ast.Assign([ast.Tuple([self.name(v) for v in s.outs])], ast.Tuple(values), lineno=0))
        else:
            self.put(pad, changed(self.name(s.outs[0]), values[0]))

    def alloc(self, s: Alloc, pad: int) -> None:
        t = s.buffer.type
        shape: ast.expr = self.dim(t.shape[0]) if t.rank == 1 else ast.Tuple([self.dim(d) for d in t.shape])
        args = [shape] if t.dtype == "f64" else [shape, parsed(NUMPY[t.dtype])]
        name = "zeros" if s.zero else "empty"
        self.assign(pad, s.buffer, call(name if name in self.modules else f"np.{name}", *args))

    def reshape(self, s: Reshape, pad: int) -> None:
        self.roots[s.buffer] = self.root(s.source.buffer)
        window = self.window(s.source)
        if s.source.shape != s.buffer.type.shape:
            window = ast.Call(ast.Attribute(window, "reshape"), [self.dim(d) for d in s.buffer.type.shape], [])
        self.assign(pad, s.buffer, window)

    def for_(self, s: For, pad: int) -> None:
        self.flush(pad)
        one = [combine(s.hi, 1, -1), combine(s.lo, 1, -1), -1]
        args = one if s.reverse else [s.hi] if s.lo == 0 else [s.lo, s.hi]
        text = ", ".join(ast.unparse(self.dim(d)) for d in args)
        name = self.index_name(s.index)
        word = "prange" if s.parallel else "range"
        self.used.add(word)
        self.put(pad, f"for {name} in {word}({text}):{f'  # {s.note}' if s.note else ''}")
        self.block(s.body, pad + 1)
        self.free.append(name)

    def index_name(self, v: Var) -> str:
        """A name for a loop index: that of a loop that has ended, if it is the hint itself."""
        stem = identifier(v.hint)
        if stem in self.free:
            self.free.remove(stem)
            self.names[v] = stem
        elif v in self.names and self.names[v] in self.free:
            self.free.remove(self.names[v])
        elif v in self.names:
            self.names[v] = self.names.fresh(stem)
        return self.names[v]

    def while_(self, s: While, pad: int) -> None:
        self.flush(pad)
        mark = len(self.lines)
        self.statements(s.test, pad + 1, [s.go])
        go = self.atom(s.go)
        self.flush(pad + 1)
        if len(self.lines) == mark:
            self.used |= names_in(go)
            self.put(pad, f"while {ast.unparse(go)}:")
        else:
            self.lines.insert(mark, "    " * pad + "while True:")
            self.put(pad + 1, f"if {ast.unparse(negated(go))}:")
            self.put(pad + 2, "break")
        self.block(s.body, pad + 1)

    def if_(self, s: If, pad: int) -> None:
        go = self.atom(s.predicate)
        self.flush(pad)
        self.used |= names_in(go)
        if not s.then:
            self.put(pad, f"if {ast.unparse(negated(go))}:")
            self.block(s.other, pad + 1)
            return
        self.put(pad, f"if {ast.unparse(go)}:")
        self.block(s.then, pad + 1)
        mark = len(self.lines)
        self.put(pad, "else:")
        self.block(s.other, pad + 1)
        if self.lines[mark + 1 :] == ["    " * (pad + 1) + "pass"]:
            del self.lines[mark:]

    def call(self, s: Call, pad: int) -> None:
        self.flush(pad)
        numbers = [w for w in s.outs if not w.shape]
        arrays = [w for w in s.outs if w.shape]
        name, flags, ins = ROUTINES.get(s.name, as_it_is)(s)
        args = [*[number(f) for f in flags], *[self.window(w) for w in (*ins, *arrays)]]
        made = [*[self.cell(w.buffer, w.prefix) for w in numbers], *[self.name(v) for v in s.scalars]]
        node = call(name, *args)
        self.used |= names_in(node)
        if s in self.sites:
            self.put(pad, f"if {ast.unparse(node)}:", s.where)
            return self.raise_(s, pad + 1)
        if not made:
            return self.put(pad, ast.Expr(node), s.where)
        target = made[0] if len(made) == 1 else ast.Tuple(made)
        self.put(pad, ast.Assign([target], node, lineno=0), s.where)

    def check(self, s: Check, pad: int) -> None:
        go = negated(self.atom(s.predicate))
        self.used |= names_in(go)
        self.put(pad, f"if {ast.unparse(go)}:")
        self.raise_(s, pad + 1)

    def raise_(self, s: Stmt, pad: int) -> None:
        k, site = self.sites[s]
        self.used |= names_in(node := parsed(f"{exception(site.error)}({site.message!r}, {k})"))
        self.put(pad, f"raise {ast.unparse(node)}", site.where)

    def grow(self, s: Grow, pad: int) -> None:
        self.flush(pad, lambda p: bool(p.memory))
        name = self.names[s.buffer]
        count = self.dim(s.count)
        self.put(pad, f"if {ast.unparse(count)} > {name}.shape[0]:")
        self.assign(pad + 1, s.buffer, call("grow", self.name(s.buffer), count))


PRINT: dict[type, Callable[[_Printer, Any, int], None]] = {
    Scalar: _Printer.scalar, Load: _Printer.load, Store: _Printer.store, Set: _Printer.set, Update: _Printer.update,
    Alloc: _Printer.alloc, Reshape: _Printer.reshape, For: _Printer.for_, While: _Printer.while_, If: _Printer.if_,
    Call: _Printer.call, Check: _Printer.check, Grow: _Printer.grow,
}  # fmt: skip


def signature(t: Type) -> str:
    dims = f"[{', '.join([':'] * (t.rank - 1) + ['::1'])}]" if t.shape else ""
    return SIGNATURE[t.dtype] + dims


def negated(node: ast.expr) -> ast.expr:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return node.operand
    return ast.UnaryOp(ast.Not(), node)


OPERATORS: dict[str, ast.operator] = {"+": ast.Add(), "*": ast.Mult(), "or": ast.BitOr(), "and": ast.BitAnd()}


def combined(target: Any, how: str, value: ast.expr, t: Type) -> ast.stmt:
    """`target = value`, or with what stands there already."""
    if how == "=":
        return changed(target, value)
    if how in ("max", "min"):
        name = how if t.dtype in INTS else f"{how}imum"
        return ast.Assign([target], call(name, target, value), lineno=0)
    if how == "+" and isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.USub):
        return ast.AugAssign(target, ast.Sub(), value.operand)
    return ast.AugAssign(target, OPERATORS[how], value)


def changed(target: Any, value: ast.expr) -> ast.stmt:
    """`x = x + t` and `x = t + x` as `x += t`."""
    if isinstance(value, ast.BinOp):
        if same(value.left, target):
            return ast.AugAssign(target, value.op, value.right)
        if same(value.right, target) and isinstance(value.op, (ast.Add, ast.Mult)):
            return ast.AugAssign(target, value.op, value.left)
    return ast.Assign([target], value, lineno=0)


__all__ = ["Stmt", "emit", "signature"]
