"""The functions that users call. Each is a decorator and a function; they compose in any order.

Shapes: arguments and results are numbers, arrays, and nested tuples, lists, dicts, named tuples and dataclasses of these.
Integers, bools, strings and other objects pass through undifferentiated. Notation: Griewank & Walther, Evaluating
Derivatives (SIAM, 2008): tangents are x_dot, adjoints (cotangents) x_bar.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from ..errors import ArgumentError, raise_at
from ..front import context
from ..front.standin import StandIn
from ..front.tree import flatten
from . import derive, matrices
from .derive import Argnums
from .programs import Function, plain_copy
from .vmap import Vectorised, settled

_made: WeakKeyDictionary[Any, dict[Any, Function]] = WeakKeyDictionary()


def made(f: Callable[..., Any], what: str, make: Callable[[], Any], *options: Any) -> Function:
    """One `Function` for one function and its options, so that `grad(f)(x)` in a loop compiles once."""
    if not callable(f):
        raise_at(ArgumentError, f"{what} wants a function", wanted="a callable", got=repr(f), repair=f"{what}(f)(x)")
    key = (what, *options)
    try:
        known = _made.setdefault(f, {})
    except TypeError:  # not hashable, or no weak reference
        return Function(f, what, make())
    if key not in known:
        known[key] = Function(f, what, make())
    return known[key]


def checked_argnums(argnums: Any) -> Argnums:
    """A list becomes a tuple; anything but ints and names is refused."""
    found = tuple(argnums) if isinstance(argnums, list) else argnums
    parts = found if isinstance(found, tuple) else (found,)
    good = parts and all(isinstance(a, (int, str, np.integer)) and not isinstance(a, bool) for a in parts)
    if not good:
        raise_at(
            ArgumentError,
            "argnums does not name arguments",
            wanted="an int, a parameter name, or a non-empty tuple of these",
            got=repr(argnums),
        )
    parts = tuple(int(a) if not isinstance(a, str) else a for a in parts)
    return parts if isinstance(found, tuple) else parts[0]


def grad(f: Callable[..., Any] | None = None, *, argnums: Any = 0, has_aux: bool = False) -> Any:
    """The gradient of a function that returns one real number.

    argnums: which arguments to differentiate (an int, a parameter name, or a tuple of these).
    has_aux: `f` returns `(value, aux)`; the result is `(gradient, aux)`.

    Returns a function of the same arguments; its result has the structure and shapes of the chosen argument (a tuple of
    these for a tuple of argnums), with None for what is not a float. One compile serves all sizes.

    Raises ShapeError where `f` returns an array, DTypeError where the argument is an integer or a string, ArgumentError
    for an argnums that is not there.

    >>> import numpy as np, jitgrad as jg
    >>> @jg.grad
    ... def energy(x):
    ...     return np.sum(np.sin(x) ** 2)
    >>> energy(np.array([0.0, np.pi / 4]))
    array([0., 1.])
    """
    which = checked_argnums(argnums)
    if f is None:
        return lambda g: grad(g, argnums=which, has_aux=has_aux)
    return made(f, "grad", lambda: derive.Gradient(f, which, has_aux), which, has_aux)


def value_and_grad(f: Callable[..., Any] | None = None, *, argnums: Any = 0, has_aux: bool = False) -> Any:
    """`(value, gradient)`, or with has_aux `((value, aux), gradient)`, in one program. Otherwise as `grad`.

    >>> import numpy as np, jitgrad as jg
    >>> jg.value_and_grad(lambda x: x * x)(3.0)
    (9.0, 6.0)
    """
    which = checked_argnums(argnums)
    if f is None:
        return lambda g: value_and_grad(g, argnums=which, has_aux=has_aux)
    return made(f, "value_and_grad", lambda: derive.Gradient(f, which, has_aux, True), which, has_aux)


def jit(f: Callable[..., Any] | None = None) -> Any:
    """The function itself, compiled.

    >>> import numpy as np, jitgrad as jg
    >>> jg.jit(lambda x: np.sum(x * x))(np.arange(4.0))
    np.float64(14.0)
    """
    return jit if f is None else made(f, "jit", lambda: f)


def jvp(f: Callable[..., Any], *given: Any) -> Any:
    """Forward mode: `jvp(f, primals, tangents)` is `(f(*primals), the directional derivative along the tangents)`.

    primals: a tuple of arguments. tangents: a tuple of the same structure and shapes (None where there is none).
    `jvp(f)` is the function of `(primals, tangents)`.

    >>> import jitgrad as jg
    >>> jg.jvp(lambda x, z: x * z, (3.0, 4.0), (1.0, 0.0))
    (12.0, 4.0)
    """
    return _applied(made(f, "jvp", lambda: derive.Tangent(f)), "jvp", given)


def hvp(f: Callable[..., Any], *given: Any) -> Any:
    """`hvp(f, primals, tangents)`: the Hessian of `f` (one real number) times the tangents, forward over reverse.

    The result is a tuple like `primals`. Costs a small multiple of `f`; the Hessian is not built (Pearlmutter, 1994).

    >>> import numpy as np, jitgrad as jg
    >>> jg.hvp(lambda x: np.sum(x ** 3), (np.array([1.0, 2.0]),), (np.array([1.0, 1.0]),))
    (array([ 6., 12.]),)
    """
    return _applied(made(f, "hvp", lambda: derive.HessianProduct(f)), "hvp", given)


def _applied(function: Function, what: str, given: tuple[Any, ...]) -> Any:
    if not given:
        return function
    if len(given) != 2 or not all(isinstance(g, (tuple, list)) for g in given) or len(given[0]) != len(given[1]):
        raise_at(
            ArgumentError,
            f"{what} wants the arguments and their tangents",
            wanted=f"{what}(f, (x, ...), (x_dot, ...)), two tuples of equal length",
            got=", ".join(f"{type(g).__name__} of {len(g)}" if isinstance(g, (tuple, list)) else repr(g) for g in given),
        )
    return function(*given)


def vjp(f: Callable[..., Any], *primals: Any) -> Any:
    """Reverse mode: `out, pullback = vjp(f, *primals)`. `pullback(cotangent of out)` is a tuple of cotangents, one for
    each primal.

    The pullback owns copies of the primals, and of the arrays that `f` uses from outside: changing them afterwards does not
    change it. It runs `f` again.

    >>> import numpy as np, jitgrad as jg
    >>> out, pullback = jg.vjp(lambda x: x ** 2, np.array([1.0, 2.0]))
    >>> pullback(np.array([1.0, 10.0]))
    (array([ 2., 40.]),)
    """
    if context.tracing():
        return derive.Forward(f)(*primals)
    kept = plain_copy(primals)
    function = made(f, "vjp", lambda: derive.Pullback(f))
    out, then = made(f, "value", lambda: f).held(*primals)
    return out, lambda cotangent: function.as_then(then, kept, cotangent)


def jacobian(f: Callable[..., Any] | None = None, *, argnums: Any = 0, mode: str = "auto") -> Any:
    """The Jacobian: for each result of shape S and each chosen argument of shape T an array of shape S + T.

    mode: "forward" (a sweep for each cell of the arguments), "reverse" (one for each cell of the results), or "auto" (the
    fewer sweeps). Structure: that of the result, with that of the argument in the place of each leaf.

    >>> import numpy as np, jitgrad as jg
    >>> jg.jacobian(lambda x: x ** 2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    which = checked_argnums(argnums)
    if mode not in ("auto", "forward", "reverse"):
        raise_at(ArgumentError, f"unknown mode {mode!r}", wanted='"auto", "forward" or "reverse"', got=repr(mode))
    if f is None:
        return lambda g: jacobian(g, argnums=which, mode=mode)
    return made(f, "jacobian", lambda: matrices.Jacobian(f, which, mode), which, mode)


def hessian(f: Callable[..., Any] | None = None, *, argnums: Any = 0) -> Any:
    """The matrix of second derivatives of a function that returns one real number: forward over reverse.

    For an argument of shape T the result has the shape T + T; for trees, a tree of trees.

    >>> import numpy as np, jitgrad as jg
    >>> jg.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 3.0]))
    array([[6., 2.],
           [2., 0.]])
    """
    which = checked_argnums(argnums)
    if f is None:
        return lambda g: hessian(g, argnums=which)
    return made(f, "hessian", lambda: matrices.Jacobian(derive.Gradient(f, which), which, "forward"), which)


def vmap(f: Callable[..., Any] | None = None, *, in_axes: Any = 0, out_axes: Any = 0) -> Any:
    """A function of one row, for many rows at once.

    in_axes: the axis of the arguments that runs over the rows; one for all arguments, or a tuple with one for each, None for
    what the rows share; for an argument that is a container also a container of axes. out_axes: where the axis of the rows
    stands in the results, likewise; None: a result that the rows share.

    Composes with `grad` both ways. Products of rows with a shared matrix become one product; a `while` may run longer for
    one row than for another.

    >>> import numpy as np, jitgrad as jg
    >>> per_example = jg.vmap(jg.grad(lambda w, x: np.sum(w * x) ** 2), in_axes=(None, 0))
    >>> per_example(np.array([1.0, 2.0]), np.array([[1.0, 0.0], [0.0, 1.0]]))
    array([[2., 0.],
           [0., 4.]])
    """
    if f is None:
        return lambda g: vmap(g, in_axes=in_axes, out_axes=out_axes)
    axes, out = settled(in_axes, "in_axes"), settled(out_axes, "out_axes")
    return made(f, "vmap", lambda: Vectorised(f, axes, out), axes, out)


def stop_gradient(x: Any) -> Any:
    """The same value, with no derivative: `x` is treated as a constant. Trees are allowed.

    >>> import jitgrad as jg
    >>> jg.grad(lambda x: x * jg.stop_gradient(x))(3.0)
    3.0
    """
    leaves, treedef = flatten(x, "x")
    return treedef.unflatten([derive.stopped(leaf) if isinstance(leaf, StandIn) else leaf for leaf in leaves])
