"""The well-formedness of a program: scoping, single assignment, closedness, types. Prints the program around the fault."""

from __future__ import annotations

from ..errors import InternalError
from .core import DTYPES, Fn, Let, Var, swap_type, type_vars, vars_of
from .show import show
from .walk import uses


class IRError(InternalError):
    """A transform wrote an ill-formed program: a bug of ours, never of the user."""


def verify(fn: Fn) -> Fn:
    """The program itself, if it is well formed."""
    _fn(fn, fn)
    return fn


def _fn(fn: Fn, root: Fn) -> None:
    """A nested program sees only its own variables (so two statements may share a body)."""
    bound: set[Var] = set(fn.params)
    _need(len(bound) == len(fn.params), f"a parameter of `{fn.name}` is bound twice", root)
    for p in fn.params:
        _need(set(type_vars(p.type)) <= bound, f"the type of `{p.hint}` of `{fn.name}` mentions an unbound variable", root)
        _need(p.type.dtype in DTYPES, f"`{p.hint}` has the unknown dtype {p.type.dtype}", root)
    for k, let in enumerate(fn.lets):
        _let(let, f"statement {k} (`{let.op.name}`) of `{fn.name}`", bound, root)
    for r in fn.results:
        loose = [v.hint for v in vars_of(r) if v not in bound]
        _need(not loose, f"the return of `{fn.name}` uses unbound variables {loose}", root)


def _let(let: Let, at: str, bound: set[Var], root: Fn) -> None:
    loose = [v.hint for v in uses(let) if v not in bound]
    _need(not loose, f"{at} uses unbound variables {loose}", root)
    _need(not bound & set(let.outs), f"{at} rebinds a variable", root)
    try:
        want = let.op.type(*let.args, *let.fns, **let.attrs)
    except InternalError as e:
        raise IRError(f"{at}: {e}, in\n\n{show(root)}") from e
    _need(len(want) == len(let.outs), f"{at} has {len(let.outs)} results but its rule gives {len(want)}", root)
    own = {w: o for w, o in zip(want, let.outs, strict=True) if isinstance(w, Var)}
    for w, o in zip(want, let.outs, strict=True):
        t = swap_type(w.type if isinstance(w, Var) else w, own)
        _need(t == o.type, f"{at} has a result of type {o.type} but its rule gives {t}", root)
    bound |= set(let.outs)
    for f in let.fns:
        _fn(f, root)


def _need(ok: bool, message: str, root: Fn) -> None:
    if not ok:
        raise IRError(f"{message}, in\n\n{show(root)}")
