"""The memory that tensors share: its value, its versions, and what NumPy was lent of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any
from weakref import ref

import numpy as np

from .kernel import Aval
from .node import HELD, Age, Node, leaf, record
from .run import known
from .views import Path, along, put_kernel

WRITERS = {"CopySlices": "torch::autograd::CopySlices", "CopyBackwards": "torch::autograd::CopyBackwards"}


READ_ONLY = "the tensor is on memory that may not be written (of a read-only array or buffer): write to a clone() of it"


class Storage:
    """What tensors share. `node`: the value of the whole. `shared`: memory that NumPy may read and write at any time, then the
    value is there and not in `node`; `lent`: the array that was handed out, if the memory is ours. `age`: the present version, on
    all nodes that were read from here since it began. `writes`: tensors that saw less of them read their value again."""

    __slots__ = ("_node", "age", "aval", "lent", "shared", "writes")

    def __init__(self, node: Node | None, aval: Aval, shared: np.ndarray | None = None) -> None:
        self._node, self.aval, self.age, self.writes = node, aval, Age(0, [0, ""]), 0
        if node is not None:
            node.owner = HELD
            if node.age is None:
                node.age = self.age
        self.shared = shared
        self.lent: Callable[[], Any] | None = None

    def is_shared(self) -> bool:
        """Can anybody but us see the memory? An array that was lent and is gone does not count."""
        if self.shared is None:
            return False
        if self.lent is not None and self.lent() is None:
            self._node, self.shared, self.lent = leaf(self.shared, self.aval), None, None
            self._node.owner, self._node.age = HELD, self.age
            self.writes += 1  # what tensors remember is older than what NumPy wrote
            return False
        return True

    def now(self, path: Path, aval: Aval) -> Node | None:
        """A copy of what shared memory holds at the end of the path; None where nothing is shared."""
        if self.shared is None or not self.is_shared():
            return None
        found = leaf(np.array(along(self.shared, path, self.aval, aval), order="C"), aval)
        found.age = self.age
        return found

    @property
    def version(self) -> int:
        return self.age.version

    @property
    def node(self) -> Node:
        """The value of the whole."""
        return self.now((), self.aval) or self._node  # type: ignore[return-value]

    def put(self, path: Path, node: Node, since: int | None) -> None:
        """Write the value at the end of the path. Nodes recorded before `since` must not read the old value any more."""
        if self.shared is not None and not self.shared.flags.writeable and self.is_shared():
            raise RuntimeError(READ_ONLY)
        self.writes += 1
        if since is not None:
            self.age = self.age.end(since, WRITERS.get(node.kernel.name, node.kernel.name) if node.edges else "")
        if self.is_shared():
            assert self.shared is not None
            along(self.shared, path, self.aval, node.aval)[...] = known(node)
        else:
            self._node = record(put_kernel(path, self.aval, node.aval), (self._node, node), ()) if path else node
            self._node.owner, self._node.age = HELD, self.age

    def lend(self) -> np.ndarray:
        """The memory of the whole; from now on it is shared, as long as somebody holds what is returned."""
        if not self.is_shared():
            node = self._node
            assert node is not None
            buffer = known(node)
            if count_of(node) > 2 or not alone(buffer):
                buffer = np.array(buffer, order="C")  # somebody else may still want the old value
            self.shared, self._node = buffer, None
            self.lent = _gone
        assert self.shared is not None
        if self.lent is None:
            return self.shared
        out = self.lent()
        if out is None:
            out = np.asarray(Lent(self.shared))
            self.lent = ref(out)
        return out


class Lent:
    """Memory that is handed out. NumPy makes this the base of the array, so that views of the array keep the array alive (and
    not the memory alone): as long as the array lives, somebody may write."""

    __slots__ = ("__array_interface__", "memory")

    def __init__(self, memory: np.ndarray) -> None:
        self.memory, self.__array_interface__ = memory, memory.__array_interface__


def _gone() -> None:
    """In the place of a weak reference to an array that is no more."""


def alone(buffer: np.ndarray) -> bool:
    """Is this memory a whole array that no other array is a view of? (Its node, the caller and this function refer to it.)"""
    whole = buffer.base is None and buffer.flags.writeable and buffer.flags.c_contiguous
    return whole and sys.getrefcount(buffer) <= 4


def count_of(node: Node) -> int:
    """How many refer to the node, without the caller's variable."""
    return sys.getrefcount(node) - 3
