"""The tensor: a value, where its gradient goes, and the memory it shares with its views.

A tensor stands for a node of the graph. It gets a `Storage` once it shares: with a view, with `detach()`, with NumPy. Values
are immutable; writing in place gives the storage a new value and a new version, and tensors that share it read their value
from there again, by the `path` of kernels that leads from the storage to them. So a write needs no special rule anywhere: the
new whole is a kernel of the old whole and of what was written.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any
from weakref import ref

import numpy as np

from .grad_fn import grad_fn
from .kernel import Aval, Kernel, kernel
from .modes import modes
from .node import HELD, Edge, Leaf, Node, leaf, record
from .run import known, loaded, stored
from .storage import Storage
from .views import Path, element_strides, layout, put_kernel
from .writable import OTHER_WRITE, check_recordable, check_writable, is_one_of_several, several_views

NON_LEAF_GRAD = (
    "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't be populated during "
    "autograd.backward(). If you indeed want the .grad field to be populated for a non-leaf Tensor, use .retain_grad() on the "
    "non-leaf Tensor. If you access the non-leaf Tensor by mistake, make sure you access the leaf Tensor instead. See "
    "github.com/pytorch/pytorch/pull/30531 for more informations."
)


class Tensor:
    """An array with a gradient. Methods that are operations are added by `jitgrad.eager.methods`."""

    __slots__ = (
        "__dict__", "__weakref__", "_after", "_base", "_edge", "_grad", "_hooks", "_inference", "_leaf", "_needs", "_node",
        "_path", "_retains", "_seen", "_storage",
    )  # fmt: skip

    __array_priority__ = 1000
    _unrecorded = False  # of a view: made where gradients are not recorded
    _place = 0  # of a view that is one of several: which
    _quiet = False  # of `x.data`: what is written here is no new version
    _broken = ""  # of one of several views whose base was written: why it has no gradient any more
    _forbidden = ""  # of a result of a custom Function: why it may not be written

    if TYPE_CHECKING:  # what `methods.py` adds

        def __getattr__(self, name: str) -> Any: ...
        def __getitem__(self, key: Any) -> Tensor: ...
        def __setitem__(self, key: Any, value: Any) -> None: ...
        def __add__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __len__(self) -> int: ...

    _node: Node  # the value, as of version `_seen` of the storage
    _edge: Edge | None  # grad_fn
    _storage: Storage | None
    _path: Path
    _base: Tensor | None  # the tensor whose gradient gets that of this view
    _leaf: Any  # of a leaf that requires a gradient: a weak reference to where it arrives
    _grad: Any

    def __init__(self, node: Any = None, edge: Edge | None = None, *more: Any) -> None:
        self._node, self._edge, self._storage, self._path, self._base = node, edge, None, (), None
        self._leaf = self._grad = None
        self._hooks: dict[int, Any] | None = None
        self._after: dict[int, Any] | None = None
        self._needs = self._retains = False
        self._inference = modes.inference
        self._seen = 0
        try:
            node.owner = ref(self) if node.owner is None else HELD
        except AttributeError:  # torch.Tensor(2, 3)
            self._old_style(*[x for x in (node, edge, *more) if x is not None])

    def _old_style(self, *args: Any) -> None:
        """Be a new tensor of these sizes or with this data (`creation.py`)."""

    # ---- the value

    def _value(self) -> Node:
        """The node of the present value."""
        s = self._storage
        if s is None:
            return self._node
        if s.shared is not None:
            node = s.now(self._path, self._node.aval)
            if node is not None:
                return node
        if self._seen != s.writes:
            self._refresh(s)
        return self._node

    def _refresh(self, s: Storage) -> None:
        """Read the value again after a write to the storage, and the edge if it began a new version."""
        base, changed = self._base, self._node.age is not s.age
        node, edge, path = s.node, None, self._path
        if base is not None:
            node, path = base._value(), path[len(base._path) :]
            edge = base._way(base._current_edge()) if changed and not self._unrecorded else None
            if edge is not None and is_one_of_several(self):
                self._broken = several_views(self, OTHER_WRITE)
        for k in path:
            if edge is None:
                node = record(k, (node,), ())
            else:
                node = edge = record(kernel(k.body, "AsStrided", k.dtypes, **k.options), (node,), (edge,))
        self._node, self._seen, node.owner, node.age = node, s.writes, HELD, s.age
        if base is not None and changed:
            self._edge = edge

    def _share(self) -> Storage:
        if self._storage is None:
            self._storage = Storage(self._node, self._node.aval)
        return self._storage

    def _current_edge(self) -> Edge | None:
        if self._storage is not None and self._base is not None and self._seen != self._storage.writes:
            self._refresh(self._storage)
        return self._edge

    def _gradient_edge(self) -> Edge | None:
        """Where the gradient of this tensor goes; None if nowhere."""
        edge = self._current_edge() if self._base is not None else self._edge
        if self._broken and modes.grad:
            raise RuntimeError(self._broken)
        return self._way(edge)

    def _way(self, edge: Edge | None) -> Edge | None:
        """The edge; of a leaf that requires a gradient, where it arrives."""
        if edge is not None or not self._needs:
            return edge
        found = self._leaf() if self._leaf is not None else None
        if found is None:
            found = Leaf(self)
            if self._hooks:
                found.hooks = self._hooks
            self._leaf = ref(found)
        return found

    # ---- views and writing

    def _view(self, k: Kernel, outs: tuple[Aval, ...]) -> Tensor:
        """A view of this tensor: it sees what is written here, and the other way round. outs: the kernel's type of it."""
        s, edge, path = self._storage or self._share(), None, (*self._path, k)
        grad = modes.grad
        if grad:
            edge = self._gradient_edge() if self._needs or self._base is not None else self._edge
        if edge is not None:
            node = record(k, (self._value(),), (edge,), outs)
        else:
            node = s.now(path, outs[0]) or part_of(self._value(), k, outs)
        out = Tensor(node, None if edge is None else node)
        out._storage, out._path, out._seen, out._base = s, path, s.writes, self
        node.age = s.age
        if not grad:
            out._unrecorded = True
        return out

    def _alias(self) -> Tensor:
        """The same memory without a gradient: detach()."""
        s = self._share()
        out = Tensor(self._value())
        out._storage, out._path, out._seen = s, self._path, s.writes
        return out

    def _layout(self) -> tuple[tuple[int, ...], tuple[int, ...], int]:
        """Shape, strides and offset in the storage, in elements. What is no view lies row after row."""
        s = self._storage
        aval = self._node.aval
        if s is None:
            return layout(aval, None, (), aval)
        return layout(s.aval, None if s.shared is None else element_strides(s.shared), self._path, aval)

    def _data(self) -> Tensor:
        """The same memory without a gradient, written without a new version: `x.data`."""
        out = self._alias()
        out._quiet = True
        return out

    def _check_writable(self) -> None:
        """PyTorch's rules for what may be written in place."""
        check_writable(self)

    def _write(self, new: Tensor, since: int | None = None) -> Tensor:
        """Take over the value (and, where gradients are recorded, the edge) of `new`, which has this tensor's type.

        Of a view, the tensor that it is a view of is written: its value is the old one with the part replaced, and so is the
        way of its gradient. All that share the storage read again when they are asked next. Nodes recorded `since` belong to the
        operation that writes: they may use the old value.
        """
        self._check_writable()
        return self._take(new, new._node.seq if since is None else since)

    def _take(self, new: Tensor, since: int) -> Tensor:
        """`_write` without its check."""
        self._put(new._value(), new._gradient_edge() if modes.grad else None, since)
        return self

    def _put(self, value: Node, edge: Edge | None, since: int) -> None:
        """Take over a value and the way of its gradient."""
        s, root = self._share(), self
        while root._base is not None:
            root = root._base
        if edge is not None and self._base is not None:
            check_recordable(self)
        path = self._path[len(root._path) :]
        if path:
            edges: tuple[Edge | None, ...] = (root._gradient_edge(), edge) if modes.grad else ()
            edges = edges if any(e is not None for e in edges) else ()
            value = record(put_kernel(path, root._node.aval, value.aval), (root._value(), value), edges)
            edge = value if value.edges else None
        s.put(root._path, value, None if self._quiet else since)
        root._node, root._seen, value.owner, value.age = value, s.writes, HELD, s.age
        if modes.grad:
            root._edge = edge

    def _replace(self, new: Tensor) -> None:
        """Be, from now on, on the memory of another tensor (`x.data = new`): the gradient's way stays."""
        storage = new._share()
        self._node, self._storage, self._path, self._seen = new._value(), storage, new._path, storage.writes
        self._base = None

    # ---- what PyTorch says of a tensor

    @property
    def shape(self) -> Any:
        return Size(self._node.aval.shape)

    @property
    def dtype(self) -> Any:
        return self._node.aval.dtype

    @property
    def is_leaf(self) -> bool:
        return self._current_edge() is None

    @property
    def requires_grad(self) -> bool:
        return self._needs or self._current_edge() is not None

    @requires_grad.setter
    def requires_grad(self, on: bool) -> None:
        self.requires_grad_(on)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Track gradients of this leaf from now on (or no more); returns the tensor."""
        if self._current_edge() is not None:
            if not requires_grad:
                raise RuntimeError(
                    "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in a "
                    "subgraph that doesn't require differentiation use var_no_grad = var.detach()."
                )
            return self
        if requires_grad and not self.dtype.differentiable:
            raise RuntimeError("only Tensors of floating point dtype can require gradients")
        if requires_grad and self._inference and not modes.inference:
            raise RuntimeError("Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.")
        self._needs = bool(requires_grad)
        return self

    @property
    def grad_fn(self) -> Any:
        edge = self._current_edge()
        return None if edge is None else grad_fn(edge)

    @property
    def grad(self) -> Any:
        if self._grad is None and self._current_edge() is not None and not self._retains:
            warnings.warn(NON_LEAF_GRAD, UserWarning, stacklevel=2)
        return self._grad

    @grad.setter
    def grad(self, g: Tensor | None) -> None:
        if g is not None:
            _check_grad(self, g)
        self._grad = g

    def _forget_grad(self, entirely: bool) -> None:
        """No gradient any more; or, not entirely, one of zeros."""
        self._grad = None if entirely or self._grad is None else self._grad.detach().zero_()

    @property
    def _version(self) -> int:
        return 0 if self._storage is None or self._quiet else self._storage.version

    def _accumulate(self, g: Tensor, create_graph: bool) -> None:
        """A gradient has arrived at this leaf (or, with `retain_grad`, at this result)."""
        old = self._grad
        if old is None:
            self._grad = g if create_graph else Tensor(g._value())
        elif create_graph:
            self._grad = old + g
        else:
            old._write(old.detach() + g.detach())


class Size(tuple):
    """A shape; a tuple that prints as PyTorch's."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"torch.Size({list(self)})"

    def __getitem__(self, key: Any) -> Any:
        found = tuple.__getitem__(self, key)
        return Size(found) if type(key) is slice else found

    def __add__(self, other: Any) -> Size:
        return Size(tuple.__add__(self, other))

    def __mul__(self, n: Any) -> Size:
        return Size(tuple.__mul__(self, n))

    __rmul__ = __mul__

    def numel(self) -> int:
        n = 1
        for k in self:
            n *= k
        return n


def part_of(whole: Node, k: Kernel, outs: tuple[Aval, ...]) -> Node:
    """A view of a value without a gradient. Of known memory it is known too, if the part lies in a row: so what is computed from
    one row of the data is the same program for each row."""
    if whole.buffer is not None and not (whole.aval.dtype.is_complex or outs[0].dtype.is_complex):
        found = k(whole.buffer)
        if found.flags.c_contiguous:
            return leaf(found, outs[0])
    return record(k, (whole,), (), outs)


def _check_grad(x: Tensor, g: Any) -> None:
    if not isinstance(g, Tensor):
        raise TypeError(f"assigned grad expected to be a Tensor or None but got grad of type {type(g).__name__}")
    if g.shape != x.shape:
        raise RuntimeError(
            f"attempting to assign a gradient of size '{list(g.shape)}' to a tensor of size '{list(x.shape)}'. Please ensure "
            "that the gradient and the tensor are the same size"
        )
    if g.dtype is not x.dtype:
        raise RuntimeError(
            f"attempting to assign a gradient with dtype '{g.dtype.legacy.lower()}' to a tensor with grad_dtype "
            f"'{x.dtype.legacy}'. The gradient must match the tensor's grad_dtype (defaults to the tensor's dtype)."
        )


def of_buffer(buffer: np.ndarray, aval: Aval) -> Tensor:
    """A tensor that owns this memory, given in the storage form of its dtype."""
    return Tensor(leaf(buffer, aval))


def zeros_of(aval: Aval) -> Tensor:
    """Zeros of this type."""
    return of_buffer(np.zeros(aval.shape, aval.dtype.storage), aval)


def numbers(x: Any) -> Any:
    """The numbers of a tensor as computation takes them; anything else as it is."""
    if not isinstance(x, Tensor):
        return x
    node = x._value()
    known(node)
    return loaded(node)


__all__ = ["Size", "Storage", "Tensor", "numbers", "of_buffer", "stored", "zeros_of"]
