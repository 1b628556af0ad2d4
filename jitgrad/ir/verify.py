"""The well-formedness of a program: scoping, single assignment, closedness, types. Prints the program around the fault."""

from __future__ import annotations

from weakref import WeakSet

from ..errors import InternalError
from .core import DTYPES, Fn, Let, Var, swap_type, vars_of
from .show import show
from .walk import inputs


class IRError(InternalError):
    """A transform wrote an ill-formed program: a bug of ours, never of the user."""


def verify(fn: Fn) -> Fn:
    """The program itself, if it is well formed."""
    _fn(fn, fn)
    return fn


def _fn(fn: Fn, root: Fn) -> None:
    """A nested program sees only its own variables: two statements may share a body, and what was well formed stays so."""
    if fn in _sound:
        return
    bound: set[Var] = set(fn.params)
    if len(bound) != len(fn.params):
        raise _fault(f"a parameter of `{fn.name}` is bound twice", root)
    for p in fn.params:
        if not bound.issuperset(p.type.vars):
            raise _fault(f"the type of `{p.hint}` of `{fn.name}` mentions an unbound variable", root)
        if p.type.dtype not in DTYPES:
            raise _fault(f"`{p.hint}` has the unknown dtype {p.type.dtype}", root)
    for k, let in enumerate(fn.lets):
        wrong = _let(let, bound)
        if wrong:
            raise _fault(f"statement {k} (`{let.op.name}`) of `{fn.name}` {wrong}", root)
        bound.update(let.outs)
        for f in let.fns:
            _fn(f, root)
    for r in fn.results:
        loose = [v.hint for v in vars_of(r) if v not in bound]
        if loose:
            raise _fault(f"the return of `{fn.name}` uses unbound variables {loose}", root)
    _sound.add(fn)


_sound: WeakSet[Fn] = WeakSet()  # what was found to be well formed


def _let(let: Let, bound: set[Var]) -> str:
    """What is wrong with a statement; "" if nothing. (Every statement is looked at after every pass: no text is made in vain.)"""
    loose = [v.hint for v in inputs(let) if v not in bound]
    if loose:
        return f"uses unbound variables {loose}"
    if not bound.isdisjoint(let.outs):
        return "rebinds a variable"
    try:
        want = let.op.type(*let.args, *let.fns, **let.attrs)
    except InternalError as e:
        return f"is ill-typed: {e}"
    if len(want) != len(let.outs):
        return f"has {len(let.outs)} results but its rule gives {len(want)}"
    own = {w: o for w, o in zip(want, let.outs, strict=True) if isinstance(w, Var)}
    for w, o in zip(want, let.outs, strict=True):
        t = swap_type(w.type if isinstance(w, Var) else w, own)
        if t != o.type:
            return f"has a result of type {o.type} but its rule gives {t}"
    return ""


def _fault(message: str, root: Fn) -> IRError:
    return IRError(f"{message}, in\n\n{show(root)}")
