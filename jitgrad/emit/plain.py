"""A generated text as a plain Python function, to step through: the same module under the same file name, so that a debugger
shows its lines. The functions that it calls are what their rows say they mean in NumPy.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..ir.core import OPS, Op
from ..lower.parallel import THREADS
from . import memory
from .expression import parsed
from .load import Text
from .raised import Site, throw


def plain(text: Text, file: str, places: Sequence[Site] = ()) -> Callable[..., tuple[Any, ...]]:
    """The function of the text, uncompiled. Takes and returns what the compiled one does, at a thousandth of its speed."""
    numbers = _Numbers()
    tree = numbers.visit(ast.parse(text.source))
    scope = {"__name__": f"jitgrad_generated.{text.name}", "__file__": file, **numbers.names}
    exec(compile(tree, file, "exec", dont_inherit=True), scope)
    scope.update((name, f) for name, f in meanings().items() if name in scope)
    function = scope[text.name]

    @functools.wraps(function)
    def run(*args: Any) -> tuple[Any, ...]:
        with np.errstate(all="ignore"):
            try:
                results: tuple[Any, ...] = function(*[np.float64(x) if type(x) is float else x for x in args])
            except Exception as e:
                throw(e, places)
        return results

    return run


class _Numbers(ast.NodeTransformer):
    """Numbers as NumPy's, for which 1 / 0 is infinite; the text that a debugger shows stays what it is."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"float": np.float64}

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        if not isinstance(node.value, float):
            return node
        name = f"<{node.value!r}>"
        self.names[name] = np.float64(node.value)
        return ast.copy_location(ast.Name(name, ast.Load()), node)


@functools.cache
def meanings() -> dict[str, Callable[..., Any]]:
    """What the names in generated texts mean in NumPy."""
    from . import runtime  # with it come Numba's arrays, of which `import jitgrad` has no need

    rows = [(op, parsed(op.source)) for op in OPS.values() if op.source]
    calls = [(op, node) for op, node in rows if isinstance(node, ast.Call) and all(isinstance(a, ast.Name) for a in node.args)]
    return {
        **{node.func.id: _row(op, [a.id for a in node.args]) for op, node in calls},  # type: ignore[attr-defined]
        **{name: getattr(np, name) for name in memory.__all__},
        "prange": range,
        THREADS: lambda: 1,
        **ROUTINES,
        **{name: getattr(f := getattr(runtime, name), "py_func", f) for name in AS_IT_IS},
    }


def _row(op: Op, names: list[str]) -> Callable[..., Any]:
    """A row's function of these arguments: x, z and w are its numbers, all else its attributes."""

    def call(*args: Any) -> Any:
        given = dict(zip(names, args, strict=True))
        return op.numpy(*[x for n, x in given.items() if n in "xzw"], **{n: x for n, x in given.items() if n not in "xzw"})

    return call


def _filled(f: Callable[..., Any]) -> Callable[..., None]:
    """A routine that writes its result into the last argument."""

    def routine(*args: Any) -> None:
        args[-1][...] = f(*args[:-1])

    return routine


def _added(f: Callable[..., Any]) -> Callable[..., None]:
    """Likewise; added to what stands there, but where the number before it is 0."""

    def routine(*args: Any) -> None:
        *given, more, out = args
        out[...] = out + f(*given) if more else f(*given)

    return routine


def _solved(f: Callable[..., Any]) -> Callable[..., bool]:
    """Likewise; the routine tells whether it failed."""

    def routine(*args: Any) -> bool:
        try:
            args[-1][...] = f(*args[:-1])
        except np.linalg.LinAlgError:
            return True
        return False

    return routine


def _product(ta: bool, tb: bool, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a.T if ta else a) @ (b.T if tb else b)


# What calls LAPACK when compiled, in NumPy; the other routines are Python as they are.
AS_IT_IS = ("imm", "imv", "trsv", "trsm", "grow", "row_blocks")
ROUTINES: dict[str, Callable[..., Any]] = {
    "gemm": _filled(_product),
    "gemv": _filled(lambda ta, a, x: (a.T if ta else a) @ x),
    "gemm_add": _added(_product),
    "gemv_add": _added(lambda ta, a, x: (a.T if ta else a) @ x),
    "gesv": _solved(np.linalg.solve),
    "gesm": _solved(np.linalg.solve),
    "inv": _solved(np.linalg.inv),
    "cholesky": _solved(lambda a: np.linalg.cholesky(np.tril(a))),
    "slogdet": lambda a: tuple(np.linalg.slogdet(a)),
}

__all__ = ["meanings", "plain"]
