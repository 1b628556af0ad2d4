"""The meaning of a program on NumPy values (the oracle of every test, and `jit=False`), and of a scalar one on sympy symbols."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from ..errors import InternalError
from .core import Atom, Fn, Let, Lit, Size, Type, Var
from .dims import DimLike, Sym, evaluate, solve

NUMPY = {
    "bool": np.bool_, "i8": np.int8, "i16": np.int16, "i32": np.int32, "i64": np.int64, "u8": np.uint8, "u16": np.uint16,
    "u32": np.uint32, "u64": np.uint64, "f32": np.float32, "f64": np.float64,
}  # fmt: skip


def interp(fn: Fn, *args: Any) -> tuple[Any, ...]:
    """The results of the program. Checks that every value has the type it should have."""
    with np.errstate(all="ignore"):
        return _Run(bind_sizes(fn, args)).fn(fn, args)


def bind_sizes(fn: Fn, args: Sequence[Any]) -> dict[Sym, int]:
    """The number of every size symbol: from the integer arguments that bind one, and from the shapes of the arguments."""
    bound = {p.size: int(a) for p, a in zip(fn.params, args, strict=True) if p.size is not None}
    params = zip(fn.params, args, strict=True)
    return solve((pair for p, a in params for pair in zip(p.type.shape, np.shape(a), strict=True)), bound)


class _Run:
    def __init__(self, sizes: Mapping[Sym, int]) -> None:
        self.sizes = sizes

    def fn(self, fn: Fn, args: Sequence[Any]) -> tuple[Any, ...]:
        env: dict[Var, Any] = {}
        for p, a in zip(fn.params, args, strict=True):
            env[p] = canonical(a, p.type)
        for let in fn.lets:
            ins = [self.read(a, env) for a in let.args]
            bodies = [self.body(f) for f in let.fns]
            try:
                out = let.op.numpy(*ins, *bodies, **let.attrs)
            except Exception as e:
                if let.where and not getattr(e, "__notes__", None) and hasattr(e, "add_note"):
                    e.add_note(f'  File "{let.where.filename}", line {let.where.lineno}')
                raise
            outs = out if isinstance(out, tuple) else (out,)
            for o, v in zip(let.outs, outs, strict=True):
                env[o] = canonical(v, o.type)
            self.check(let, env)
        return tuple(self.read(r, env) for r in fn.results)

    def body(self, f: Fn) -> Any:
        run = lambda *xs: self.fn(f, xs)
        run.fn = f  # type: ignore[attr-defined]
        return run

    def dim(self, d: DimLike, env: Mapping[Var, Any]) -> int:
        return evaluate(d, lambda s: self.sizes[s] if isinstance(s, Sym) else env[s])

    def read(self, a: Atom, env: Mapping[Var, Any]) -> Any:
        if isinstance(a, Var):
            return env[a]
        if isinstance(a, Size):
            return self.dim(a.dim, env)
        x = NUMPY[a.type.dtype](a.value)
        return np.full([self.dim(d, env) for d in a.type.shape], x) if a.type.shape else x

    def check(self, let: Let, env: dict[Var, Any]) -> None:
        for o in let.outs:
            want = tuple(self.dim(d, env) for d in o.type.shape)
            if 0 in want and np.size(env[o]) == 0:
                env[o] = np.zeros(want, NUMPY[o.type.dtype])  # the rows of no iterations do not know their shape
            if np.shape(env[o]) != want:
                raise InternalError(f"`{let.op.name}` gave the shape {np.shape(env[o])}; its type says {o.type} = {want}")


def canonical(v: Any, t: Type) -> Any:
    """The value in the dtype of its type: an array, or a NumPy scalar."""
    if t.shape:
        return np.asarray(v, NUMPY[t.dtype])
    return NUMPY[t.dtype](v)


def interp_sympy(fn: Fn, *args: Any) -> tuple[Any, ...]:
    """The results on sympy expressions: scalars, and object arrays of them. Straight-line programs only."""
    sizes = bind_sizes(fn, args)

    def dim(d: DimLike) -> int:
        return evaluate(d, lambda s: sizes[s])

    def read(a: Atom, env: Mapping[Var, Any]) -> Any:
        if isinstance(a, Var):
            return env[a]
        if isinstance(a, Size):
            return dim(a.dim)
        x = exact(a)
        return np.full([dim(d) for d in a.type.shape], x, dtype=object) if a.type.shape else x

    env = dict(zip(fn.params, args, strict=True))
    for let in fn.lets:
        out = symbolic(let)(*[read(a, env) for a in let.args])
        env.update(zip(let.outs, out if isinstance(out, tuple) else (out,), strict=True))
    return tuple(read(r, env) for r in fn.results)


def exact(a: Lit) -> Any:
    """The literal as an exact sympy number (0.5 is 1/2), so that results simplify."""
    import sympy

    if a.type.dtype == "bool":
        return sympy.true if a.value else sympy.false
    return sympy.nsimplify(a.value, rational=True) if np.isfinite(a.value) else sympy.sympify(a.value)


LETTERS = ("x", "z", "w")  # the arguments of a row in its texts


def symbolic(let: Let) -> Callable[..., Any]:
    """The statement as a function of sympy expressions."""
    op = let.op
    if op.construct or (op.elementwise and op.sympy is None):
        raise InternalError(f"`{op.name}` has no symbolic meaning")
    if isinstance(op.sympy, str):
        names = (*LETTERS[: len(let.args)], *let.attrs)
        f = sympy_function(op.sympy, names)
        return lambda *xs: _elementwise(lambda *c: f(*c, *let.attrs.values()), xs)
    return partial(op.sympy or op.numpy, **let.attrs)


@cache
def sympy_function(text: str, names: tuple[str, ...]) -> Callable[..., Any]:
    """The text as a function of `names`; every other name in it is sympy's."""
    import sympy

    return eval(f"lambda {', '.join(names)}: {text}", dict(vars(sympy)))


def _elementwise(f: Any, xs: Sequence[Any]) -> Any:
    if not any(isinstance(x, np.ndarray) for x in xs):
        return f(*xs)
    cells = np.broadcast(*xs)
    out = np.empty(cells.shape, dtype=object)
    for k, c in zip(np.ndindex(cells.shape), cells, strict=True):
        out[k] = f(*c)
    return out

