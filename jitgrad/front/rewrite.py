"""Source -> source: control flow, calls and reads become calls of a run-time object; variables stay Python variables.

A branch or the body of a loop becomes a nested function that declares `nonlocal` what it rebinds:

    for i in range(n):                   def _jg_body_1(_jg_item):
        if x[i] > 1:                         nonlocal i, s
            s += x[i]                        i = _jg.named(_jg_item, "i")
                                             def _jg_then_2(): nonlocal s; s += _jg.base(x)[i]; ...
                                             def _jg_else_2(): nonlocal s
                                             _jg.if_(_jg.base(x)[i] > 1, _jg_then_2, _jg_else_2, ("s",))
                                         _jg.for_(_jg.fn(range)(n), _jg_body_1, ("i", "s"), ("s",), None)

So nothing is passed in or out: the run-time object reads and writes the user's variables through the closure cells of
the bodies, a variable without a value is an empty cell, and Python itself raises the NameError at the line that reads.

`convert` compiles this with the user's file name and lines, and gives it the user's globals, closure cells and
defaults. `protocol.Runtime` says what the calls mean.
"""

from __future__ import annotations

import ast
import builtins
import itertools
import weakref
from collections.abc import Iterable, Sequence
from types import CodeType, FunctionType
from typing import Any

from . import fence
from .assemble import RUNTIME, THUNK, compile_function, rename, twin
from .bindings import FUNCTIONS, FunctionNode, Scope, bound, loads, own, parameters, statements
from .jumps import HIDDEN, VALUE, Flow
from .matching import without_match
from .nodes import arguments, constant, copied, copy_place, function, name, put
from .protocol import Names, Pattern, Runtime
from .source import Source, find


def convert(f: FunctionType, runtime: Runtime) -> FunctionType:
    """The function that does what `f` does through `runtime`. Raises NoSource, SyntaxRefused."""
    if is_converted(f):
        return f
    return twin(f, _rewritten(f), {RUNTIME: runtime})


def is_converted(f: FunctionType) -> bool:
    """Did `convert` make it, or a function around it? (No, where there is nothing in it to convert.)"""
    return RUNTIME in f.__code__.co_freevars


def show(f: FunctionType) -> str:
    """The rewritten source: to look at."""
    return ast.unparse(_rewrite(find(f), _not_builtins(f)))


# Conversions, by the identity of the code: equal code of another notebook cell has another file name.
_converted: dict[tuple[int, frozenset[str]], CodeType] = {}
_BUILTINS = frozenset(dir(builtins))


def _rewritten(f: FunctionType) -> CodeType:
    code, taken = f.__code__, _not_builtins(f)
    key = (id(code), taken)
    if key not in _converted:
        source = find(f)
        fence.check(source)
        free = (*code.co_freevars, RUNTIME)
        new = compile_function(_rewrite(source, taken), free, source.private, code, source.imports)
        _converted[key] = rename(new, source.private, code.co_name, getattr(code, "co_qualname", f.__qualname__))
        weakref.finalize(code, _converted.pop, key, None)
    return _converted[key]


def _not_builtins(f: FunctionType) -> frozenset[str]:
    """The names of builtins that mean something else in `f`."""
    return _BUILTINS & (f.__globals__.keys() | f.__code__.co_freevars)


def _rewrite(source: Source, not_builtins: frozenset[str]) -> ast.FunctionDef:
    node = copied(source.node)
    if not isinstance(node, ast.FunctionDef):  # a lambda: the fence refuses async functions
        node = copy_place(function("_jg_lambda", node.args, statements(node)), node)
    return Rewriter(without_match(node), source.private, not_builtins, itertools.count(1)).function()


RAISED = "_jgs_raised"  # an exception whose expression cannot become the body of a lambda

Level = tuple[frozenset[str], frozenset[str]]  # the locals of a scope, and the names it declares global


class Rewriter(ast.NodeTransformer):
    """Rewrites one function; a nested function has a Rewriter of its own."""

    def __init__(
        self,
        node: ast.FunctionDef,
        private: str | None,
        not_builtins: frozenset[str],
        counter: itertools.count[int],
        around: Sequence[Level] = (),
    ) -> None:
        self.node, self.private, self.not_builtins, self.counter = node, private, not_builtins, counter
        self.scope = Scope.of(node)
        self.levels: list[Level] = [*around, (self.scope.locals, self.scope.globals)]
        # A generator keeps its statements: a body that yields cannot become a function.
        self.generator = any(isinstance(x, (ast.Yield, ast.YieldFrom)) for x in own(node.body))
        self.hidden: dict[str, None] = {}

    def function(self) -> ast.FunctionDef:
        node = self.node
        documented = ast.get_docstring(node, clean=False) is not None
        doc, body = node.body[:documented], node.body[documented:]
        if body and not self.generator:
            flow = Flow(body)
            body, self.exits = flow.body, flow.exits
            self.reads, self.captured = loads(body), _captured(body)
        new = self.block(body)
        node.body = [*doc, *(put(s, node) for s in self.head()), *new] or [put(ast.Pass(), node)]
        return node

    def head(self) -> list[ast.stmt]:
        """The declarations, and a binding of every local: bodies may hold all those that the user wrote."""
        out: list[ast.stmt] = []
        if self.scope.globals:
            out.append(ast.Global(sorted(self.scope.globals)))
        if self.scope.nonlocals:
            out.append(ast.Nonlocal(sorted(self.scope.nonlocals)))
        names = [*sorted(self.scope.locals.difference(self.scope.parameters)), *self.hidden]
        if names:  # compiled away, but it makes them variables of this function
            bind = ast.Assign([name(n, ast.Store()) for n in names], ast.Constant(None))
            out.append(ast.If(ast.Constant(False), [bind], []))
        return out

    # -- statements

    def block(self, body: Iterable[ast.stmt]) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for s in body:
            new = self.visit(s)
            out += new if isinstance(new, list) else [new]
        return out

    def body(self, what: str, body: list[ast.stmt], names: Names, at: ast.stmt, *args: str) -> ast.FunctionDef:
        """A nested function of statements that are rewritten already."""
        head: list[ast.stmt] = [ast.Nonlocal(list(names))] if names else []
        made = function(f"{HIDDEN}{what}_{next(self.counter)}", arguments(*args), head + body)
        return put(made, at)

    def rebound(self, body: Sequence[ast.AST]) -> Names:
        names = tuple(n for n in dict.fromkeys((*bound(body), *self.scope.shared)) if n not in self.scope.globals)
        self.hidden.update((n, None) for n in names if n.startswith(HIDDEN))
        return names

    def visit_If(self, s: ast.If) -> Any:
        if self.generator:
            return self.generic_visit(s)
        names = self.rebound(s.body + s.orelse)
        test = self.visit(s.test)
        then = self.body("then", self.block(s.body), names, s)
        orelse = self.body("else", self.block(s.orelse), names, s)
        run = runtime("if_", test, name(then.name), name(orelse.name), self.names(names))
        return [then, orelse, put(ast.Expr(run), s)]

    def visit_For(self, s: ast.For) -> Any:
        if self.generator:
            return self.generic_visit(s)
        item = f"{HIDDEN}item"
        content = [put(ast.Assign([s.target], name(item)), s.target), *s.body]
        return self.loop(s, "for_", s.iter, content, item)

    def visit_While(self, s: ast.While) -> Any:
        return self.generic_visit(s) if self.generator else self.loop(s, "while_", s.test, s.body)

    def loop(self, s: ast.For | ast.While, entry: str, head: ast.expr, content: list[ast.stmt], *args: str) -> Any:
        names, flag = self.rebound(content), self.exits.get(s)
        inside = loads(content if entry == "for_" else [*content, head])
        export = tuple(n for n in names if self.reads[n] > inside[n] or n in self.captured)
        head = self.visit(head)
        body = self.body("body", self.block(content), names, s, *args)
        source = head if entry == "for_" else thunk(head)
        run = runtime(entry, source, name(body.name), self.names(names), self.names(export), ast.Constant(flag))
        return [body, put(ast.Expr(run), s)]

    def visit_Return(self, s: ast.Return) -> ast.stmt:
        if isinstance(s.value, ast.Name) and s.value.id == VALUE:
            return put(ast.Return(runtime("returned", thunk(s.value))), s)
        return self.generic_visit(s)  # type: ignore[return-value]

    def visit_Assert(self, s: ast.Assert) -> ast.stmt:
        if not __debug__:
            return put(ast.Pass(), s)
        message = thunk(self.visit(s.msg)) if s.msg is not None else ast.Constant(None)
        return put(ast.Expr(runtime("assert_", self.visit(s.test), message)), s)

    def visit_Raise(self, s: ast.Raise) -> Any:
        if s.exc is None:
            return s
        exception, cause = self.visit(s.exc), s.cause and self.visit(s.cause)
        if movable(s.exc):
            return put(ast.Raise(runtime("raise_", thunk(exception)), cause), s)
        first = ast.Assign([name(RAISED, ast.Store())], exception)
        return [put(first, s), put(ast.Raise(runtime("raise_", thunk(put(name(RAISED), s))), cause), s)]

    def visit_Try(self, s: ast.Try) -> ast.stmt:
        catching = [h for h in s.handlers if not (isinstance(h.body[0], ast.Raise) and h.body[0].exc is None)]
        kinds = [put(name("BaseException"), h) if h.type is None else copied(h.type) for h in catching]
        self.generic_visit(s)
        if kinds and not self.generator:  # (what a generator raises under a condition is not recorded)
            each = [ast.Starred(self.visit(k), ast.Load()) if isinstance(k, ast.Tuple) else self.visit(k) for k in kinds]
            handling = runtime("handling", thunk(put(ast.Tuple(each, ast.Load()), s)))
            s.body = [put(ast.With([ast.withitem(handling)], s.body), s)]
        return s

    def visit_With(self, s: ast.With) -> ast.stmt:
        self.generic_visit(s)
        for item in s.items:
            item.context_expr = copy_place(runtime("manager", item.context_expr), item.context_expr)
        return s

    def visit_Assign(self, s: ast.Assign) -> ast.stmt:
        patterns = [p for p in map(self.pattern, s.targets) if p is not None]
        s.value = self.visit(s.value)
        s.targets = [self.visit(t) for t in s.targets]
        if patterns:
            s.value = self.named(s.value, patterns[0])
        return s

    def visit_AnnAssign(self, s: ast.AnnAssign) -> ast.stmt:
        if s.value is None:
            return put(ast.Pass(), s)
        return self.visit_Assign(put(ast.Assign([s.target], s.value), s))

    def visit_AugAssign(self, s: ast.AugAssign) -> Any:
        target = s.target
        s.value, s.target = self.visit(s.value), self.visit(target)
        if not isinstance(target, ast.Name):
            return s
        again = ast.Assign([name(target.id, ast.Store())], self.named(put(name(target.id), s), target.id))
        out = [s, put(again, s)]
        if self.is_captured(target.id):  # a nonlocal variable of a function around the converted one: read, too
            out.insert(0, put(ast.Expr(self.visit(put(name(target.id), target))), s))
        return out

    def visit_FunctionDef(self, s: ast.FunctionDef) -> ast.stmt:
        s.decorator_list = [self.visit(d) for d in s.decorator_list]
        self.defaults(s.args)
        return Rewriter(s, self.private, self.not_builtins, self.counter, self.levels).function()

    def visit_ClassDef(self, s: ast.ClassDef) -> ast.stmt:
        return s

    def visit_Nonlocal(self, node: Any) -> ast.stmt:
        return put(ast.Pass(), node)  # stands at the head of the function

    visit_Global = visit_Nonlocal

    # -- expressions

    def visit_IfExp(self, e: ast.IfExp) -> ast.expr:
        if not all(map(movable, (e.body, e.orelse))):
            return self.generic_visit(e)  # type: ignore[return-value]
        then, orelse = thunk(self.visit(e.body)), thunk(self.visit(e.orelse))
        return copy_place(runtime("ifexp", self.visit(e.test), then, orelse), e)

    def visit_BoolOp(self, e: ast.BoolOp) -> ast.expr:
        if not all(map(movable, e.values[1:])):
            return self.generic_visit(e)  # type: ignore[return-value]
        first, *rest = map(self.visit, e.values)
        entry = "and_" if isinstance(e.op, ast.And) else "or_"
        return copy_place(runtime(entry, first, *map(thunk, rest)), e)

    def visit_Compare(self, e: ast.Compare) -> ast.expr:
        if len(e.ops) == 1 or not all(map(movable, e.comparators)):
            return self.generic_visit(e)  # type: ignore[return-value]
        operators = constant(tuple(type(op).__name__ for op in e.ops))
        left, rest = self.visit(e.left), map(thunk, map(self.visit, e.comparators))
        return copy_place(runtime("chain", operators, left, *rest), e)

    def visit_UnaryOp(self, e: ast.UnaryOp) -> ast.expr:
        self.generic_visit(e)
        return copy_place(runtime("not_", e.operand), e) if isinstance(e.op, ast.Not) else e

    def visit_NamedExpr(self, e: ast.NamedExpr) -> ast.expr:
        e.value = self.named(self.visit(e.value), e.target.id)
        return e

    def visit_Name(self, e: ast.Name) -> ast.expr:
        if not isinstance(e.ctx, ast.Load) or not self.is_captured(e.id):
            return e
        return copy_place(runtime("load", ast.Constant(self.mangled(e.id)), e), e)

    def visit_Attribute(self, e: ast.Attribute) -> ast.expr:
        e.value = self.visit(e.value)
        if not isinstance(e.ctx, ast.Load):
            return e
        return copy_place(runtime("attr", e.value, ast.Constant(self.mangled(e.attr))), at_name(e))

    def visit_Subscript(self, e: ast.Subscript) -> ast.expr:
        e.value, e.slice = self.visit(e.value), self.visit(e.slice)
        e.value = copy_place(runtime("base", e.value), e.value)
        return e

    def visit_Call(self, e: ast.Call) -> ast.expr:
        e.args = [self.visit(a) for a in e.args]
        e.keywords = [self.visit(k) for k in e.keywords]
        if isinstance(e.func, ast.Name) and e.func.id == "super" and not self.is_captured("super"):
            if not e.args and (first := parameters(self.node.args)[:1]):  # needs the frame of the method itself
                e.args = [put(name("__class__"), e), put(name(first[0]), e)]
            return e
        if isinstance(e.func, ast.Attribute) and e.func.lineno != e.func.end_lineno:
            ast.copy_location(e, at_name(e.func))
        e.func = self.visit(e.func)
        e.func = copy_place(runtime("fn", e.func), e.func)
        return e

    def visit_Lambda(self, e: ast.Lambda) -> ast.expr:
        self.defaults(e.args)
        self.levels.append((Scope.of(e).locals, frozenset()))
        e.body = self.visit(e.body)
        self.levels.pop()
        return e

    def visit_ListComp(self, node: Any) -> ast.expr:
        first = node.generators[0]
        first.iter = self.visit(first.iter)  # evaluated in the scope around
        self.levels.append((frozenset(n for g in node.generators for n in bound([g.target])), frozenset()))
        for g in node.generators:
            g.target, g.ifs = self.visit(g.target), [self.visit(t) for t in g.ifs]
            if g is not first:
                g.iter = self.visit(g.iter)
        for field in ("elt", "key", "value"):
            if hasattr(node, field):
                setattr(node, field, self.visit(getattr(node, field)))
        self.levels.pop()
        return node

    visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_ListComp

    def defaults(self, args: ast.arguments) -> None:
        args.defaults = [self.visit(d) for d in args.defaults]
        args.kw_defaults = [d and self.visit(d) for d in args.kw_defaults]

    # -- names

    def is_captured(self, id: str) -> bool:
        """Is it a variable from outside of the converted function, and not a builtin?"""
        for local, world in reversed(self.levels):
            if id in world:
                break
            if id in local:
                return False
        jitgrads = id.startswith(HIDDEN) or id in ("__class__", "__debug__")
        return not jitgrads and (id not in _BUILTINS or id in self.not_builtins)

    def mangled(self, id: str) -> str:
        private = id.startswith("__") and not id.endswith("__") and self.private is not None
        return f"_{self.private.lstrip('_')}{id}" if private and self.private else id

    def names(self, names: Names) -> ast.expr:
        return constant(tuple(map(self.mangled, names)))

    def pattern(self, target: ast.expr) -> Pattern:
        """The names that a target gives to the value or its parts; None where there are none."""
        if isinstance(target, ast.Name):
            return None if target.id.startswith("_jg") else self.mangled(target.id)
        if isinstance(target, ast.Starred):
            inner = self.pattern(target.value)
            return "*" + inner if isinstance(inner, str) else None
        if isinstance(target, (ast.Tuple, ast.List)):
            parts = tuple(map(self.pattern, target.elts))
            return parts if any(p is not None for p in parts) else None
        return None

    def named(self, value: ast.expr, pattern: Pattern) -> ast.expr:
        return copy_place(runtime("named", value, ast.Constant(pattern)), value)


def runtime(entry: str, *args: ast.expr) -> ast.Call:
    return ast.Call(ast.Attribute(name(RUNTIME), entry, ast.Load()), list(args), [])


def thunk(e: ast.expr) -> ast.Lambda:
    return put(ast.Lambda(arguments(star=THUNK), e), e)


def movable(e: ast.expr) -> bool:
    """Can the expression become a lambda's body? What binds or yields stays in the function, and is run by Python."""
    return not any(isinstance(x, (ast.NamedExpr, ast.Yield, ast.YieldFrom)) for x in own([e]))


def at_name(e: ast.Attribute) -> ast.expr:
    """The place of `.name`: where CPython puts the reading of an attribute, or a method call, spread over lines."""
    if e.lineno == e.end_lineno or e.end_lineno is None or e.end_col_offset is None:
        return e
    place = ast.copy_location(ast.Constant(None), e)
    place.lineno, place.col_offset = e.end_lineno, max(e.end_col_offset - len(e.attr.encode()), 0)
    return place


def _captured(body: Iterable[ast.AST]) -> frozenset[str]:
    """The names that functions nested in these statements read: they may run at any time."""
    nested: list[FunctionNode | ast.GeneratorExp | ast.ClassDef] = [
        x for x in own(body) if isinstance(x, (*FUNCTIONS, ast.GeneratorExp, ast.ClassDef))
    ]
    return frozenset(loads(nested))
