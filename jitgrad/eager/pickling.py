"""Tensors copied and pickled: `copy.copy`, `copy.deepcopy`, `pickle`.

A storage is pickled as its values, a tensor as the storage and where its cells lie in it: so tensors that share memory share it
afterwards, as in PyTorch. A graph is never copied.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from .kernel import Aval, kernel
from .node import leaf
from .run import known
from .tensor import Storage, Tensor
from .views import Path, _strided, contiguous, layout

NO_LEAF = (
    "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment.  If you were "
    "attempting to deepcopy a module, this may be because of a torch.nn.utils.weight_norm usage, see "
    "https://github.com/pytorch/pytorch/pull/103001"
)


def path_to(whole: Aval, part: Aval, strides: tuple[int, ...], offset: int) -> Path:
    """The path to cells of a contiguous storage. Kernels see a complex number as two cells."""
    shape = part.shape
    if (whole.dtype, whole.shape, contiguous(shape), 0) == (part.dtype, shape, strides, offset):
        return ()
    if part.dtype.is_complex:
        shape, strides, offset = (*shape, 2), (*(2 * s for s in strides), 1), 2 * offset
    return (kernel(_strided, "AsStrided", (part.dtype,), shape=shape, strides=strides, offset=offset),)


def place_of(x: Tensor) -> tuple[Storage, Aval, tuple[int, ...], int]:
    """The storage, the type, and strides and offset as if the storage were contiguous."""
    s, aval = x._share(), x._node.aval
    _, strides, offset = layout(s.aval, None, x._path, aval)
    return s, aval, strides, offset


def placed(kind: type, s: Storage, aval: Aval, strides: tuple[int, ...], offset: int) -> Tensor:
    """A leaf of this class at a place of a storage."""
    out: Tensor = object.__new__(kind)
    path = path_to(s.aval, aval, strides, offset)
    Tensor.__init__(out, leaf(np.broadcast_to(np.zeros((), aval.dtype.storage), aval.shape), aval))
    out._storage, out._path, out._seen = s, path, -1  # to be read when it is asked for
    return out


def storage_of(values: np.ndarray, d: Any) -> Storage:
    aval = Aval.of(d, values.shape)
    return Storage(leaf(values, aval), aval)


def rebuilt(kind: type, s: Storage, d: Any, shape: tuple[int, ...], strides: Any, offset: int, needs: bool, state: Any) -> Tensor:
    """What a pickled tensor is made from."""
    out = placed(kind, s, Aval.of(d, shape), strides, offset)
    out._needs = needs
    out.__dict__.update(state)
    return out


def reduce_storage(s: Storage) -> Any:
    return storage_of, (np.array(known(s.node), order="C"), s.aval.dtype)


def reduce(self: Tensor, protocol: Any) -> Any:
    """`__reduce_ex__`: without the graph and the gradient, as in PyTorch."""
    s, aval, strides, offset = place_of(self)
    return rebuilt, (type(self), s, aval.dtype, aval.shape, strides, offset, self.requires_grad, dict(self.__dict__))


def deepcopied_storage(s: Storage, memo: dict[int, Any]) -> Storage:
    if id(s) not in memo:
        make, args = reduce_storage(s)
        memo[id(s)] = make(*args)
    return memo[id(s)]


def deepcopied(self: Tensor, memo: dict[int, Any]) -> Tensor:
    """`__deepcopy__`: of leaves, with their gradients."""
    if not self.is_leaf:
        raise RuntimeError(NO_LEAF)
    if id(self) in memo:
        return memo[id(self)]
    s, aval, strides, offset = place_of(self)
    out = memo[id(self)] = placed(type(self), copy.deepcopy(s, memo), aval, strides, offset)
    out._needs = self._needs
    out._grad = copy.deepcopy(self._grad, memo)
    out.__dict__.update(copy.deepcopy(self.__dict__, memo))
    return out


Storage.__reduce__ = reduce_storage  # type: ignore[method-assign, assignment]
Storage.__deepcopy__ = deepcopied_storage  # type: ignore[attr-defined]
METHODS = {"__reduce_ex__": reduce, "__deepcopy__": deepcopied}
