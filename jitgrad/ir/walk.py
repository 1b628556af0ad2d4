"""Ways over a program: what is used, what is dead, the same over nested programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import update_wrapper
from itertools import chain
from typing import Any, TypeVar
from weakref import WeakSet

from .build import Scope, Value
from .core import Atom, Fn, Let, Size, Var, atom_of, swap_atom, swap_type, type_vars, vars_of
from .dims import Sym, symbols

Node = TypeVar("Node", Let, Fn)
T = TypeVar("T")


def fact(find: Callable[[Node], T]) -> Callable[[Node], T]:
    """What follows from a statement or a program alone, found once. Both are immutable, so it is kept in the object itself, and
    goes with it. (A compilation asks for some of these a hundred thousand times.) Do not change what you are given."""
    name = f"{find.__module__}.{find.__qualname__}"

    def known(x: Node) -> T:
        facts = x.__dict__
        if name not in facts:
            facts[name] = find(x)
        return facts[name]

    return update_wrapper(known, find)


@fact
def inputs(let: Let) -> Sequence[Var]:
    """The variables that a statement needs, in its arguments and in its types (not its own results), in their order.
    Whoever writes statements goes by this: the order of a set differs from process to process."""
    found: dict[Var, None] = {}
    for a in let.args:
        for v in vars_of(a):
            found[v] = None
    for o in let.outs:
        for v in o.type.vars:
            found[v] = None
    return [v for v in found if v not in let.outs]


@fact
def uses(let: Let) -> AbstractSet[Var]:
    """The same as a set."""
    return frozenset(inputs(let))


def result_vars(fn: Fn) -> set[Var]:
    return {v for r in fn.results for v in vars_of(r)}


@fact
def used_in(fn: Fn) -> AbstractSet[Var]:
    """Every variable that the statements, the results, or the types of used parameters mention."""
    used = result_vars(fn).union(*[uses(let) for let in fn.lets])
    todo = [p for p in fn.params if p in used]
    while todo:
        more = set(type_vars(todo.pop().type)) - used
        used |= more
        todo += more
    return used


def needed(fn: Fn) -> Fn:
    """Without the statements whose results nobody uses, and without the dead parts of constructs; itself where all is needed."""
    if fn in _lean:
        return fn
    live, kept = result_vars(fn), []
    live |= {v for p in fn.params for v in type_vars(p.type)}
    for let in reversed(fn.lets):
        if not (any(o in live for o in let.outs) or effectful(let)):
            continue
        if let.op.trim:
            let = let.op.trim(let, live)
        kept.append(let)
        live |= uses(let)
    fn = with_lets(fn, reversed(kept))
    _lean.add(fn)
    return fn


_lean: WeakSet[Fn] = WeakSet()  # the programs of which everything is needed


def giving(fn: Fn, results: tuple[Atom, ...]) -> Fn:
    """The program with these results, and what they need."""
    return needed(fn if results == fn.results else replace(fn, results=results))


def taking(fn: Fn, params: tuple[Var, ...]) -> Fn:
    """The program with those of its parameters only."""
    return fn if len(params) == len(fn.params) else replace(fn, params=params)


@fact
def effectful(let: Let) -> bool:
    """Does it, or a statement within it, raise?"""
    return let.op.effect or any(effectful(inner) for f in let.fns for inner in f.lets)


@fact
def use_counts(fn: Fn) -> Counter[Var]:
    """How often each variable is mentioned by statements and results of this level."""
    return Counter(v for a in chain(*(let.args for let in fn.lets), fn.results) for v in vars_of(a))


def definitions(fn: Fn) -> dict[Var, Let]:
    return {o: let for let in fn.lets for o in let.outs}


def everywhere(fn: Fn) -> Iterator[tuple[Fn, Let]]:
    """Every statement, nested ones too, with the program it stands in."""
    for let in fn.lets:
        yield fn, let
        for f in let.fns:
            yield from everywhere(f)


def with_lets(fn: Fn, lets: Iterable[Let]) -> Fn:
    """The program with these statements; itself where they are the ones it has."""
    lets = tuple(lets)
    return fn if lets == fn.lets else replace(fn, lets=lets)


def with_fns(let: Let, fns: Iterable[Fn]) -> Let:
    """The statement with these bodies; itself where they are the ones it has."""
    fns = tuple(fns)
    return let if fns == let.fns else replace(let, fns=fns)


def map_fns(fn: Fn, f: Callable[[Fn], Fn]) -> Fn:
    """`f` on every nested program, innermost first, then on the program."""
    return f(with_lets(fn, [with_fns(let, [map_fns(g, f) for g in let.fns]) for let in fn.lets]))


def same(a: Fn, b: Fn) -> bool:
    """Is it the same program, in the same variables?"""
    return a is b or (
        a.params == b.params and a.results == b.results and len(a.lets) == len(b.lets) and all(map(_same, a.lets, b.lets))
    )


def _same(a: Let, b: Let) -> bool:
    return a is b or (
        a.op is b.op and a.outs == b.outs and a.args == b.args and a.attrs == b.attrs and all(map(same, a.fns, b.fns))
    )


def alike(a: Fn, b: Fn) -> bool:
    """Is it the same program, in variables of its own that are called the same?"""
    env: dict[Var, Atom] = dict(zip(a.params, b.params, strict=False))
    if not (len(a.params) == len(b.params) and len(a.lets) == len(b.lets) and all(_called_alike(p, env) for p in a.params)):
        return False
    for x, y in zip(a.lets, b.lets, strict=True):
        env.update(zip(x.outs, y.outs, strict=False))
        if not (
            x.op is y.op and len(x.outs) == len(y.outs) and _named(x.args, env) == y.args and x.attrs == y.attrs
            and x.where == y.where and len(x.fns) == len(y.fns) and all(map(alike, x.fns, y.fns))
            and all(_called_alike(o, env) for o in x.outs)
        ):  # fmt: skip
            return False
    return _named(a.results, env) == b.results


def _called_alike(v: Var, env: Mapping[Var, Any]) -> bool:
    return v.hint == env[v].hint and v.size is env[v].size and swap_type(v.type, env) == env[v].type


def _named(atoms: Sequence[Atom], env: Mapping[Var, Atom]) -> tuple[Atom, ...]:
    return tuple([swap_atom(a, env) for a in atoms])


def size_symbols(fn: Fn) -> list[Sym]:
    """The size symbols of a program in the order of their first appearance."""
    seen: dict[Any, None] = {}

    def look(atoms: Iterable[Atom]) -> None:
        for a in atoms:
            for d in a.type.shape:
                seen.update(dict.fromkeys(symbols(d)))
            if isinstance(a, Size):
                seen.update(dict.fromkeys(symbols(a.dim)))

    for p in fn.params:
        look([p])
        if p.size is not None:
            seen[p.size] = None
    for inner, let in everywhere(fn):
        look(let.args)
        look(let.outs)
        if let is inner.lets[0]:
            look(inner.params)
    look(fn.results)
    return [s for s in seen if isinstance(s, Sym)]


def widen(fns: Sequence[Fn], captured: Sequence[Sequence[Value]], keep: int) -> tuple[list[Fn], tuple[Value, ...]]:
    """Bodies that captured different values, given the same parameters: the first `keep`, then the union."""
    every = list(dict.fromkeys(v.atom for values in captured for v in values))
    scope = Scope()
    out = []
    for fn, values in zip(fns, captured, strict=True):
        mine = dict(zip((v.atom for v in values), fn.params[keep:], strict=True))
        for a in every:
            if a not in mine:
                mine[a] = Var(a.type, a.hint)
        sizes = [s for a in every for s in type_vars(a.type) if s not in mine]
        mine.update({s: mine[scope.origin(s)] for s in sizes})  # other names of what was captured
        for a in every:  # the sizes in the types are those of this body
            mine[a].type = swap_type(mine[a].type, mine)
        out.append(replace(fn, params=(*fn.params[:keep], *[mine[a] for a in every])))
    return out, tuple(map(Value, every))


__all__ = ["alike", "atom_of", "definitions", "effectful", "everywhere", "fact", "giving", "inputs", "map_fns", "needed"]
__all__ += ["result_vars", "same", "size_symbols", "taking", "use_counts", "used_in", "uses", "widen", "with_fns", "with_lets"]
