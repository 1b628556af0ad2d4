"""An operation on tensors: choosing the kernel by the types of its inputs, recording it, wrapping the result.

What depends on types only (PyTorch's promotion, shapes, errors) is decided once for each combination of them.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import dtypes
from .dtypes import dtype
from .kernel import Aval, Kernel, kernel
from .modes import modes
from .node import Node, leaf, record, results
from .run import pending, run, settings
from .tensor import Tensor

Choose = Callable[..., Kernel]
NUMBERS = (float, int, bool, complex)


CHECK_EVERY = 256  # nodes between two looks at how many wait


class Op:
    """`choose(*types, **options)` gives the kernel; a type is an `Aval`, or of a Python number its Python type.

    several: the operation has a tuple of results. names: of the arguments, which may be given by them.
    """

    __slots__ = ("choose", "known", "name", "named", "names", "several")

    def __init__(self, name: str, choose: Choose, several: bool = False, names: tuple[str, ...] = ("input", "other")) -> None:
        self.name, self.choose, self.several, self.names = name, choose, several, names
        self.named = frozenset((*names, "out"))
        self.known: dict[Any, Choice] = {}

    def __repr__(self) -> str:
        return f"<operation {self.name}>"

    def __call__(self, *given: Any, **options: Any) -> Any:
        if options and not self.named.isdisjoint(options):
            return self._by_name(given, options)
        inputs: list[Any] = []
        types: list[Any] = []
        edges: list[Any] = []
        tracked = inference = False
        for x in given:
            if isinstance(x, Tensor):
                node = x._node if x._storage is None else x._value()
                inputs.append(node)
                types.append(node.aval)
                edge = x._gradient_edge() if x._needs or x._base is not None else x._edge
                edges.append(edge)
                if edge is not None:
                    tracked = True
                if x._inference:
                    inference = True
            else:
                inputs.append(x)
                types.append(type(x))
                edges.append(None)
        key = (*types, *options, *options.values()) if options else tuple(types)
        k, differentiable, fix, outs = self.known.get(key) or self._choose(key, types, options)
        if fix is not None:
            inputs = [x if f is None else f(x) for x, f in zip(inputs, fix, strict=True)]
        if tracked and differentiable and modes.grad:
            if inference:
                raise RuntimeError(INFERENCE)
            node = record(k, inputs, tuple(edges), outs)
            if modes.watch:
                if modes.anomaly:
                    node.trace = traceback.extract_stack()[:-1]
                if modes.saved:
                    return PACK[0](node, given, self.several)
        else:
            node = record(k, inputs, (), outs)
        if node.seq % CHECK_EVERY == 0:
            cut(node)
        if self.several:
            return tuple([Tensor(n, n if n.edges else None) for n in results(node)])
        return Tensor(node, node if node.edges else None)

    def _choose(self, key: Any, given: list[Any], options: dict[str, Any]) -> Choice:
        types = [t if isinstance(t, Aval) else self._number_type(t, at) for at, t in enumerate(given)]
        k = self.choose(*types, **options)
        outs = k.infer(tuple(types))
        floats = all(o.dtype.is_floating_point for o in outs)
        if floats:  # a Python integer among floats is a float: 2 * x is 2.0 * x
            types = [float if t in (int, bool) else t for t in types]
            outs = k.infer(tuple(types))
        fix = tuple([None if g is t else FIXES[t if isinstance(t, type) else complex] for g, t in zip(given, types, strict=True)])
        differentiable = any(o.dtype.differentiable for o in outs)
        found = self.known[key] = (k, differentiable, fix if any(f is not None for f in fix) else None, outs)
        return found

    def _number_type(self, t: type, at: int) -> Any:
        """What a number counts as: NumPy's as Python's, a complex one as a tensor without axes."""
        if issubclass(t, np.generic):
            t = type(t(0).item())
        if t not in dtypes.RANK_OF:
            place = f"argument '{self.names[at]}' (position {at + 1})" if at < len(self.names) else f"argument {at + 1}"
            raise TypeError(f"{self.name}(): {place} must be Tensor, not {t.__name__}")
        return Aval.of(dtypes.default_of(dtypes.COMPLEX), ()) if t is complex else t

    def _by_name(self, given: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Arguments given by name, and `out=`."""
        out = options.pop("out", None)
        values = list(given)
        for name in self.names[len(given) :]:
            if name in options:
                values.append(options.pop(name))
        return into(out, lambda: self(*values, **options), self.name, values)


def into(out: Any, compute: Callable[[], Any], name: str, given: Any) -> Any:
    """The result, written into `out` if there is one."""
    if out is None:
        return compute()
    if modes.grad and any(isinstance(x, Tensor) and x.requires_grad for x in (*given, out)):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of the arguments "
            "requires grad."
        )
    result = compute()
    if result.shape != out.shape:
        raise RuntimeError(
            f"{name}(): out= has shape {list(out.shape)}, the result {list(result.shape)}; a tensor is not resized here"
        )
    if result.dtype.rank > out.dtype.rank:
        raise RuntimeError(f"result type {result.dtype.legacy} can't be cast to the desired output type {out.dtype.legacy}")
    return out._write(result.to(out.dtype))


def complex_leaf(x: complex) -> Node:
    aval = Aval.of(dtypes.default_of(dtypes.COMPLEX), ())
    return leaf(np.asarray(x, aval.dtype.storage), aval)


Fix = tuple[Any, ...]  # what is done to each number before it is recorded; None: nothing
Choice = tuple[Kernel, bool, "Fix | None", tuple[Aval, ...]]  # kernel, is it differentiable, fix, types of the results
FIXES: dict[Any, Callable[[Any], Any]] = {float: float, int: int, bool: bool, complex: complex_leaf}


PACK: list[Callable[..., Any]] = []  # what `saved_tensors_hooks` does with a recorded node (`autograd/packing.py`)

INFERENCE = (
    "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in computation tracked "
    "by autograd. To work around this, you can make a clone to get a normal tensor and use it in autograd, or use "
    "`torch.no_grad()` instead of `torch.inference_mode()`."
)


def cut(node: Node) -> None:
    """Run what waits if it has become long. What a return sweep will come by is kept, as PyTorch keeps it."""
    waiting = pending([node])
    if len(waiting) > settings.longest:
        run([n for n in waiting if n.edges and len(n.outs) == 1] + [node])


def result_dtype(types: tuple[Any, ...]) -> dtype:
    """PyTorch's promotion of tensors with axes, tensors without, and Python numbers."""
    arrays, zeros, ranks = [], [], []
    for t in types:
        if not isinstance(t, Aval):
            ranks.append(dtypes.RANK_OF[t])
        elif t.shape:
            arrays.append(t.dtype)
        else:
            zeros.append(t.dtype)
    return dtypes.result_type(arrays, zeros, ranks)


def check_broadcast(types: tuple[Any, ...]) -> None:
    """PyTorch's message where two types do not go together."""
    check_shapes([t.shape if isinstance(t, Aval) else () for t in types])


def check_shapes(shapes: Sequence[tuple[int, ...]]) -> None:
    """PyTorch's message where two shapes do not go together."""
    out: list[int] = []
    for shape in shapes:
        wide = max(len(out), len(shape))
        a, b = [1] * (wide - len(out)) + out, [1] * (wide - len(shape)) + list(shape)
        for axis in reversed(range(wide)):
            if a[axis] != b[axis] and 1 not in (a[axis], b[axis]):
                raise RuntimeError(
                    f"The size of tensor a ({a[axis]}) must match the size of tensor b ({b[axis]}) at non-singleton "
                    f"dimension {axis}"
                )
        out = [y if x == 1 else x for x, y in zip(a, b, strict=True)]


def cast_all(*xs: Any, f: Any, to: tuple[Any, ...], **options: Any) -> Any:
    """The body on inputs converted to these NumPy dtypes (None: as they are)."""
    return f(*[x if d is None else cast_one(x, *d) for x, d in zip(xs, to, strict=True)], **options)


def cast_one(x: Any, to: np.dtype, paired: bool) -> Any:
    """Converted; a real number that becomes complex is a pair with 0."""
    x = x.astype(to)
    return np.stack([x, np.zeros_like(x)], axis=-1) if paired else x


def converted(
    body: Any, name: str, types: tuple[Any, ...], to: dtype, out: dtype | None = None, saves: str = "", **options: Any
) -> Kernel:
    """The kernel of a body whose tensors are first converted to the dtype `to`; its result is of the dtype `out`.

    A complex tensor is an array of pairs for the body. Few bodies mean that: see `complexes.computed`.
    """
    if to.is_complex:
        raise NotImplementedError(refusal(name, to))
    return paired(body, name, types, to, out, saves, **options)


def refusal(name: str, d: dtype) -> str:
    """Of an operation without a meaning on complex numbers."""
    return f"\"{name.partition('.')[0].lower()}\" not implemented for '{d.legacy}': complex tensors have no such operation here"


def paired(
    body: Any, name: str, types: tuple[Any, ...], to: dtype, out: dtype | None = None, saves: str = "", **options: Any
) -> Kernel:
    """`converted` of a body that knows of the pairs."""
    need = tuple([conversion(t.dtype, to) if isinstance(t, Aval) else None for t in types])
    outs = (out,) if out is not None else (to,)
    if any(n is not None for n in need):
        return kernel(cast_all, name, outs, saves, f=body, to=need, **options)
    return kernel(body, name, outs, saves, **options)


def conversion(d: dtype, to: dtype) -> tuple[np.dtype, bool] | None:
    """What `cast_one` has to do."""
    paired = to.is_complex and not d.is_complex
    return (to.compute, paired) if paired or d.compute != to.compute else None
