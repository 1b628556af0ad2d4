"""A function's AST -> a code object that can stand for the function's own.

The function is compiled inside a factory whose parameters are its free variables, and inside a class where its private
names (`self.__x`) belong to one: so CPython itself decides what is a closure cell and how names are mangled. The
factory is never run: only the code is taken out, and its names are set right. Generated functions bear the name of the
user's function around them, so that a traceback reads as if there were none.
"""

from __future__ import annotations
import __future__

import ast
import copy
import re
import sys
from collections.abc import Iterable, Sequence
from types import CellType, CodeType, FunctionType

from .bindings import FunctionNode
from .nodes import arguments, class_, function, put

RUNTIME = "_jg"  # the closure variable that holds the run-time object
THUNK = "_jg_thunk"  # a parameter by which generated lambdas are told from the user's

_FACTORY, _FUNCTION = "_jg_factory", "_jg_function"
_CLASS_UNDERSCORES = "_________"  # a class's leading underscores play no part in mangling; no user's class has so many
_FUTURE = 0
for _feature in __future__.all_feature_names:
    _FUTURE |= getattr(__future__, _feature).compiler_flag


def compile_function(
    node: FunctionNode, free: Iterable[str], private: str | None, like: CodeType, imports: Sequence[str] = ()
) -> CodeType:
    """The code of a function as it is where `free` are variables of a function around it, in a class `private`.

    `like`: the code that it replaces. `imports`: names that the module imports; CPython compiles `module.f()` otherwise
    than `object.f()`.
    """
    bare = _without_surroundings(node)
    inner: ast.stmt = put(ast.Expr(bare), node) if isinstance(bare, ast.Lambda) else bare
    if private is not None:
        inner = class_(_class_name(private), [inner])
    factory = function(_FACTORY, arguments(*free), [inner])
    known: list[ast.stmt] = [ast.Import([ast.alias(n)]) for n in imports]
    module = ast.Module([put(s, node) for s in (*known, factory)], [])
    code = compile(module, like.co_filename, "exec", flags=like.co_flags & _FUTURE, dont_inherit=True)
    for _ in range(2 if private is None else 3):  # module, factory, class: each holds one code object
        code = next(c for c in code.co_consts if isinstance(c, CodeType))
    return code


def _without_surroundings(node: FunctionNode) -> FunctionNode:
    """The function without what is evaluated around it: decorators, defaults, annotations, type parameters."""
    bare, args = copy.copy(node), copy.copy(node.args)
    args.defaults, args.kw_defaults = [], [None] * len(args.kwonlyargs)
    for field in ("posonlyargs", "args", "kwonlyargs"):
        setattr(args, field, [ast.copy_location(ast.arg(a.arg), a) for a in getattr(args, field)])
    for field in ("vararg", "kwarg"):
        a = getattr(args, field)
        setattr(args, field, a and ast.copy_location(ast.arg(a.arg), a))
    bare.args = args
    if not isinstance(bare, ast.Lambda):
        bare.name, bare.decorator_list, bare.returns = _FUNCTION, [], None
        if hasattr(bare, "type_params"):
            bare.type_params = []
    return bare


def _class_name(private: str) -> str:
    return _CLASS_UNDERSCORES + private.lstrip("_")


def rename(code: CodeType, private: str | None, name: str, qualname: str) -> CodeType:
    """Code out of `compile_function` with the names that the user gave."""
    inner = f"{_class_name(private)}.{_FUNCTION}" if private is not None else _FUNCTION
    prefix = f"{_FACTORY}.<locals>.{inner}"

    def qualified(text: str) -> str:  # 3.10 keeps qualified names as constants, classes do in every version
        if not text.startswith(prefix):
            return text
        return qualname + re.sub(r"\.<locals>\._jg_\w+", "", text[len(prefix) :])

    def tidy(code: CodeType, name: str) -> CodeType:
        thunk = THUNK in code.co_varnames
        name = name if thunk or code.co_name.startswith(RUNTIME) else code.co_name
        consts = tuple(
            tidy(c, name) if isinstance(c, CodeType) else qualified(c) if isinstance(c, str) else c
            for c in code.co_consts
        )
        if sys.version_info < (3, 11):
            return code.replace(co_name=name, co_consts=consts)
        full = qualified(code.co_qualname)
        return code.replace(
            co_name=name, co_consts=consts, co_qualname=full.removesuffix(".<locals>.<lambda>") if thunk else full
        )

    return tidy(code, name)


def twin(f: FunctionType, code: CodeType, extra: dict[str, object]) -> FunctionType:
    """`f` with other code: the same globals and closure cells, plus a cell for each variable of `extra`."""
    cells = dict(zip(f.__code__.co_freevars, f.__closure__ or ()))
    cells |= {variable: CellType(value) for variable, value in extra.items()}
    g = FunctionType(code, f.__globals__, f.__name__, f.__defaults__, tuple(cells[v] for v in code.co_freevars))
    g.__kwdefaults__ = f.__kwdefaults__
    g.__qualname__, g.__module__, g.__doc__ = f.__qualname__, f.__module__, f.__doc__
    g.__dict__.update(f.__dict__)
    if sys.version_info >= (3, 14):  # annotations are evaluated when asked for
        g.__annotate__ = f.__annotate__
    else:
        g.__annotations__ = f.__annotations__
    return g


def fingerprint(code: CodeType) -> tuple[object, ...]:
    """What a code object does, apart from names for display and places: equal source gives equal fingerprints."""
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & 0x2C)
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    return (code.co_code, counts, names, tuple(map(_constant, code.co_consts)))


def _constant(c: object) -> object:
    if isinstance(c, CodeType):
        return fingerprint(c)
    if isinstance(c, tuple):
        return ("tuple", *map(_constant, c))
    if isinstance(c, frozenset):
        return ("frozenset", *sorted(map(repr, c)))
    if isinstance(c, str):  # a qualified name, of a class or (3.10) a function, says where the outermost one stands
        return c.rpartition("<locals>.")[2]
    return (type(c).__name__, repr(c))
