"""return, break, continue -> structured flow: afterwards every statement runs to its end, and flags say what was left.

Three rules, in this order:
  1. An `if` one side of which always jumps takes the rest of its block into the other side. No flag is needed.
  2. Any other statement that a jump leaves is run with flags of its own and followed by `if flag: <the same jump>`, a
     jump of the block around it, to which the rules apply again. The flags are the statement's own, so a jump that is
     abandoned (a `finally` or an `__exit__` raises, and the exception is caught further out) leaves no trace.
  3. A jump that is the last thing its block does is nothing (`continue`) or sets what its surroundings ask for.

A loop's exit flag (`Flow.exits`) is tested after each iteration, by whoever runs the loop. The function's value waits
in the variable VALUE for the one `return` at the end. A path that falls off the end of a function that returns
elsewhere gets a `return None`: so VALUE is bound on every path that ends normally.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence

from .bindings import own
from .nodes import assign, children, name, put

# Names that begin so are not the user's. VALUE holds what the function returns; all other variables are flags.
HIDDEN = "_jg_"
VALUE = "_jg_value"

JUMPS = {ast.Return: "return", ast.Break: "break", ast.Continue: "continue"}
LOOPS = (ast.For, ast.While)

SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

# For each kind of jump that a block may contain: the flags to set.
Exits = Mapping[str, tuple[str, ...]]


def is_flag(name: str) -> bool:
    """Is it a variable that says that a jump happened? Flags are bools, and False where the body of a loop begins."""
    return name.startswith(HIDDEN) and name != VALUE


def leaving(body: Iterable[ast.AST]) -> list[str]:
    """The kinds of jump that leave these statements, each once, in source order."""
    found: dict[str, None] = {}

    def visit(nodes: Iterable[ast.AST], in_loop: bool) -> None:
        for node in nodes:
            kind = JUMPS.get(type(node))
            if kind is not None:
                if kind == "return" or not in_loop:
                    found[kind] = None
            elif isinstance(node, LOOPS):
                visit(node.body, True)
                visit(node.orelse, in_loop)
            elif isinstance(node, (ast.stmt, ast.ExceptHandler)):
                if not isinstance(node, SCOPES):
                    visit(children(node), in_loop)

    visit(body, False)
    return list(found)


def _blocks(s: ast.stmt) -> list[list[ast.stmt]]:
    """The blocks of statements in a compound statement, as the lists that it holds."""
    if isinstance(s, SCOPES):
        return []
    parts = (s, *getattr(s, "handlers", ()))
    fields = ("body", "orelse", "finalbody")
    return [getattr(part, field) for part in parts for field in fields if hasattr(part, field)]


def ends(body: Sequence[ast.stmt]) -> bool:
    """Does every path through this block jump or raise? (No: it may fall off its end, as far as the syntax tells.)"""
    return any(
        isinstance(s, (*JUMPS, ast.Raise)) or (isinstance(s, ast.If) and ends(s.body) and ends(s.orelse)) or _endless(s)
        for s in body
    )


def live(body: Iterable[ast.stmt]) -> list[ast.stmt]:
    """The block without the statements that cannot be reached: the jumps in them would be taken for real."""
    out: list[ast.stmt] = []
    for s in body:
        out.append(s)
        for block in _blocks(s):
            block[:] = live(block)
        if ends([s]):
            break
    return out


def _endless(s: ast.stmt) -> bool:
    return (
        isinstance(s, ast.While)
        and isinstance(s.test, ast.Constant)
        and bool(s.test.value)
        and "break" not in leaving(s.body)
    )


class Flow:
    """Structures the body of one function. `body` is the result, `exits` the exit flag of each loop that has one."""

    def __init__(self, body: list[ast.stmt]) -> None:
        self.exits: dict[ast.stmt, str] = {}
        self.count = 0
        body = live(body)
        returns = [x for x in own(body) if isinstance(x, ast.Return)]
        if not returns or (len(returns) == 1 and returns[0] is body[-1]):
            tail = body[-1:] if returns else []
            self.body = self.block(body[: len(body) - len(tail)], {}) + tail
            return
        if not ends(body):
            body = [*body, put(ast.Return(ast.Constant(None)), body[-1])]
        last = put(ast.Return(name(VALUE)), returns[-1])
        self.body = [*self.block(body, {"return": ()}), last]

    def fresh(self, kind: str) -> str:
        self.count += 1
        return f"{HIDDEN}{kind}_{self.count}"

    def block(self, body: Sequence[ast.stmt], exits: Exits) -> list[ast.stmt]:
        """The statements without jumps. Nothing of the function or of the loop's body runs after this block."""
        out: list[ast.stmt] = []
        for k, s in enumerate(body):
            rest = list(body[k + 1 :])
            if type(s) in JUMPS:
                return out + jump(s, exits)
            if isinstance(s, LOOPS):
                loop, after = self.loop(s)
                out += loop
                if after:
                    return out + self.block(after + rest, exits)
                continue
            kinds = leaving([s])
            if not kinds:
                out.append(self.inside(s, {}))
                continue
            if isinstance(s, ast.If):
                if ends(s.body):
                    s, rest = if_(s.test, s.body, s.orelse + rest, s), []
                elif ends(s.orelse):
                    s, rest = if_(s.test, s.body + rest, s.orelse, s), []
                if not rest:
                    return out + self.sides(s, exits)
            if isinstance(s, ast.With):
                s = split(s)
            flags = {kind: self.fresh(kind) for kind in kinds}
            out += [put(assign(flag, False), s) for flag in flags.values()]
            out.append(self.inside(s, {kind: (flag,) for kind, flag in flags.items()}))
            again = [if_(name(flag), [again_jump(kind, s)], [], s) for kind, flag in flags.items()]
            return out + self.block(again + rest, exits)
        return out

    def sides(self, s: ast.If, exits: Exits) -> list[ast.stmt]:
        """An `if` that is the last of its block: both sides jump as the block does. An idle test of a flag goes."""
        self.inside(s, exits)
        idle = isinstance(s.test, ast.Name) and is_flag(s.test.id) and not s.body and not s.orelse
        return [] if idle else [s]

    def inside(self, s: ast.stmt, exits: Exits) -> ast.stmt:
        """A statement other than a loop, with the blocks in it structured."""
        if isinstance(s, ast.Try) and s.orelse:  # `else` runs if the body came to its end: not after a jump
            kinds = leaving(s.body)
            for flag in dict.fromkeys(f for kind in kinds for f in exits[kind]):
                s.orelse = [if_(name(flag), [], s.orelse, s)]
        for block in _blocks(s):
            block[:] = self.block(block, exits)
        return s

    def loop(self, s: ast.For | ast.While) -> tuple[list[ast.stmt], list[ast.stmt]]:
        """The loop and what must come before it; what must come after it, which is not structured yet."""
        if isinstance(s, ast.While) and any(isinstance(x, ast.NamedExpr) for x in own([s.test])):
            return self.loop_that_binds(s)
        kinds = leaving(s.body)
        endless = _endless(s)
        flags = {kind: self.fresh(kind) for kind in ("break", "return") if kind in kinds}
        sets: dict[str, tuple[str, ...]] = {"continue": ()}
        if flags:
            self.exits[s] = next(iter(flags.values()))  # set by every jump out of the loop
            sets |= {kind: tuple(dict.fromkeys((flag, self.exits[s]))) for kind, flag in flags.items()}
        orelse, s.orelse = s.orelse, []
        s.body = self.block(s.body, sets)
        before: list[ast.stmt] = [put(assign(flag, False), s) for flag in flags.values()]
        after: list[ast.stmt] = []
        if "return" in flags:
            again = again_jump("return", s)
            after.append(again if endless else if_(name(flags["return"]), [again], [], s))
        if orelse:
            after += [if_(name(flags["break"]), [], orelse, s)] if "break" in flags else orelse
        return [*before, s], after

    def loop_that_binds(self, s: ast.While) -> tuple[list[ast.stmt], list[ast.stmt]]:
        """`while (t := ...)`: the test rebinds what the body carries, so it belongs to the body."""
        done = self.fresh("done")
        stop = put(ast.If(ast.UnaryOp(ast.Not(), s.test), [ast.Break()], []), s)
        orelse: list[ast.stmt] = []
        before: list[ast.stmt] = []
        if s.orelse:
            stop.body.insert(0, put(assign(done, True), s))
            before, orelse = [put(assign(done, False), s)], [if_(name(done), s.orelse, [], s)]
        loop, after = self.loop(put(ast.While(put(ast.Constant(True), s.test), [stop, *s.body], []), s))
        return [*before, *loop], after + orelse


def jump(s: ast.stmt, exits: Exits) -> list[ast.stmt]:
    """A jump as assignments: the value that is returned, then the flags."""
    out: list[ast.stmt] = []
    if isinstance(s, ast.Return) and not (isinstance(s.value, ast.Name) and s.value.id == VALUE):
        out.append(put(ast.Assign([name(VALUE, ast.Store())], s.value or ast.Constant(None)), s))
    return [*out, *[put(assign(flag, True), s) for flag in exits[JUMPS[type(s)]]]]


def split(s: ast.With) -> ast.With:
    """`with a, b` as `with a: with b`: b's exit may raise what a's suppresses, and a jump is abandoned then."""
    body: list[ast.stmt] = s.body if len(s.items) == 1 else [split(put(ast.With(s.items[1:], s.body), s))]
    return put(ast.With(s.items[:1], body), s)


def again_jump(kind: str, at: ast.stmt) -> ast.stmt:
    """The jump that a flag stands for; the value of a `return` is in VALUE already."""
    made: dict[str, Callable[[], ast.stmt]] = {
        "return": lambda: ast.Return(name(VALUE)),
        "break": ast.Break,
        "continue": ast.Continue,
    }
    return put(made[kind](), at)


def if_(test: ast.expr, body: list[ast.stmt], orelse: list[ast.stmt], at: ast.stmt) -> ast.If:
    return put(ast.If(test, body, orelse), at)
