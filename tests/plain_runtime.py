"""The run-time protocol with exactly Python's meaning, and a log of what came through it."""

import contextlib
import linecache
import operator

from jitgrad.errors import NoSource, SyntaxRefused
from jitgrad.front.patterns import PATTERNS
from jitgrad.front.rewrite import convert

OPERATORS = {
    "Lt": operator.lt,
    "LtE": operator.le,
    "Gt": operator.gt,
    "GtE": operator.ge,
    "Eq": operator.eq,
    "NotEq": operator.ne,
    "Is": operator.is_,
    "IsNot": operator.is_not,
    "In": lambda a, b: a in b,
    "NotIn": lambda a, b: a not in b,
}


def cells(body):
    return dict(zip(body.__code__.co_freevars, body.__closure__ or ()))


class PlainRuntime:
    def __init__(self, follow=False):
        self.log = []
        self.follow = follow  # convert the functions that are called, too

    def check_names(self, names, *bodies):
        for body in bodies:
            assert set(names) <= set(cells(body)), (names, body.__code__.co_freevars)
            assert [cells(body)[n] for n in names] == [cells(bodies[0])[n] for n in names]

    def if_(self, test, then, orelse, names):
        self.check_names(names, then, orelse)
        self.log.append(("if_", names))
        assert (then if test else orelse)() is None

    def for_(self, iterable, body, names, export, flag):
        self.check_names(names, body)
        assert set(export) <= set(names) and (flag is None or flag in names)
        self.log.append(("for_", names, export, flag))
        for item in iterable:
            assert body(item) is None
            if flag is not None and cells(body)[flag].cell_contents:
                break

    def while_(self, test, body, names, export, flag):
        self.check_names(names, body)
        assert set(export) <= set(names) and (flag is None or flag in names)
        self.log.append(("while_", names, export, flag))
        while test():
            assert body() is None
            if flag is not None and cells(body)[flag].cell_contents:
                break

    def assert_(self, test, message):
        if not test:
            raise AssertionError(message()) if message is not None else AssertionError

    def raise_(self, exception):
        return exception()

    def pattern(self, kind, x, *details):
        found = PATTERNS[kind](x, *details)
        return found if kind != "position" else x if found is None else getattr(x, found)

    def handling(self, kinds):
        return contextlib.nullcontext()

    def manager(self, x):
        return x

    def returned(self, value):
        return value()

    def fn(self, function):
        self.log.append(("fn", getattr(function, "__name__", None)))
        if self.follow and type(function) is type(convert) and not (function.__module__ or "").startswith("jitgrad"):
            with contextlib.suppress(NoSource, SyntaxRefused):
                return convert(function, self)
        return function

    def base(self, x):
        self.log.append(("base", type(x).__name__))
        return x

    def attr(self, x, name):
        self.log.append(("attr", name))
        return getattr(x, name)

    def load(self, name, value):
        self.log.append(("load", name))
        return value

    def named(self, value, pattern):
        self.log.append(("named", pattern))
        return value

    def ifexp(self, test, then, orelse):
        return then() if test else orelse()

    def and_(self, first, *rest):
        for thunk in rest:
            if not first:
                return first
            first = thunk()
        return first

    def or_(self, first, *rest):
        for thunk in rest:
            if first:
                return first
            first = thunk()
        return first

    def not_(self, x):
        return not x

    def chain(self, operators, left, *rest):
        for op, thunk in zip(operators, rest):
            right = thunk()
            result = OPERATORS[op](left, right)
            if not result:
                return result
            left = right
        return result


def from_text(text, filename, **globals):
    """Run a text as a module that `linecache` knows under this name; its namespace."""
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
    exec(compile(text, filename, "exec"), globals)
    return globals
