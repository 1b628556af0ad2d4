"""Modules and parameters in lists and dicts."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from ..tensor import Tensor
from .module import Module, indented
from .parameter import Parameter


def _place(k: Any, n: int) -> int:
    """An index counted from the front."""
    k = operator.index(k)
    if not -n <= k < n:
        raise IndexError(f"index {k} is out of range")
    return k % n


class _Modules(Module):
    """Modules in an order, named by their numbers unless they were given names."""

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def _name(self, k: Any) -> str:
        return next(islice(self._modules, _place(k, len(self)), None))

    def _renumber(self, modules: Iterable[Module]) -> None:
        found = list(modules)
        self._modules.clear()
        for k, m in enumerate(found):
            self.add_module(str(k), m)

    def __setitem__(self, k: Any, module: Module) -> None:
        setattr(self, self._name(k), module)

    def __delitem__(self, k: Any) -> None:
        names = list(self._modules)
        for name in names[k] if isinstance(k, slice) else [self._name(k)]:
            del self._modules[name]
        self._renumber(self._modules.values())

    def append(self, module: Module) -> Any:
        """One more at the end; returns the container."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Any:
        """More at the end; returns the container."""
        for m in modules:
            self.append(m)
        return self

    def insert(self, index: int, module: Module) -> Any:
        """One more before this place; returns the container."""
        found = list(self._modules.values())
        found.insert(index, module)
        self._renumber(found)
        return self

    def pop(self, key: Any) -> Module:
        """Take one out."""
        found = self[key]  # type: ignore[index]
        del self[key]
        return found


class Sequential(_Modules):
    """Modules one after the other: modules as arguments, or an OrderedDict of them.

    >>> import jitgrad.eager as torch
    >>> torch.nn.Sequential(torch.nn.Flatten(), torch.nn.ReLU())
    Sequential(
      (0): Flatten(start_dim=1, end_dim=-1)
      (1): ReLU()
    )
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        given = args[0] if len(args) == 1 and isinstance(args[0], OrderedDict) else {str(k): m for k, m in enumerate(args)}
        for name, module in given.items():
            self.add_module(name, module)

    def __getitem__(self, k: Any) -> Any:
        if isinstance(k, slice):
            return type(self)(OrderedDict(list(self._modules.items())[k]))
        return self._modules[self._name(k)]

    def __add__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            raise ValueError(f"add operator supports only objects of Sequential class, but {type(other)} is given.")
        return Sequential(*self, *other)

    def forward(self, input: Any) -> Any:
        for module in self._modules.values():
            input = module(input)
        return input


class ModuleList(_Modules):
    """A list of modules."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(modules or ())

    def __getitem__(self, k: Any) -> Any:
        if isinstance(k, slice):
            return type(self)(list(self._modules.values())[k])
        return self._modules[self._name(k)]

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])

    def __iadd__(self, other: Iterable[Module]) -> ModuleList:
        return self.extend(other)

    def __repr__(self) -> str:
        if not len(self):
            return f"{self._get_name()}()"
        groups: list[tuple[int, int, str]] = []  # first, last, text: equal neighbours are one line
        for k, text in enumerate(map(repr, self)):
            if groups and groups[-1][2] == text:
                groups[-1] = (groups[-1][0], k, text)
            else:
                groups.append((k, k, text))
        lines = [
            f"({a}): {indented(t)}" if a == b else f"({a}-{b}): {b - a + 1} x {indented(t)}" for a, b, t in groups
        ]
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


class ModuleDict(Module):
    """A dict of modules."""

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Remove all."""
        self._modules.clear()

    def pop(self, key: str) -> Module:
        """Take one out."""
        return self._modules.pop(key)

    def keys(self) -> Any:
        return self._modules.keys()

    def items(self) -> Any:
        return self._modules.items()

    def values(self) -> Any:
        return self._modules.values()

    def update(self, modules: Any) -> None:
        """Add those of a mapping, or of (key, module) pairs."""
        for key, m in modules.items() if isinstance(modules, (Mapping, ModuleDict)) else modules:
            self[key] = m


def _kept(x: Any) -> Any:
    """A tensor as a parameter, anything else as it is."""
    return Parameter(x) if isinstance(x, Tensor) and not isinstance(x, Parameter) else x


def _line(key: Any, x: Any, kind: str = "") -> str:
    if not isinstance(x, Tensor):
        return f"  ({key}): Object of type: {type(x).__name__}"
    size = "x".join(map(str, x.shape))
    return f"  ({key}): {'Parameter' if isinstance(x, Parameter) else 'Tensor'} containing: [{kind or x.dtype} of size {size}]"


class ParameterList(Module):
    """A list of parameters; tensors that are put in become parameters."""

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._size = 0
        self.extend(values or ())

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, k: Any) -> Any:
        if isinstance(k, slice):
            return type(self)([self[i] for i in range(*k.indices(len(self)))])
        return getattr(self, str(_place(k, len(self))))

    def __setitem__(self, k: Any, value: Any) -> None:
        setattr(self, str(_place(k, len(self))), _kept(value))

    def __iter__(self) -> Iterator[Any]:
        return iter([self[k] for k in range(len(self))])

    def __iadd__(self, values: Iterable[Any]) -> ParameterList:
        return self.extend(values)

    def append(self, value: Any) -> ParameterList:
        """One more at the end; returns the list."""
        k = self._size
        self._size += 1
        self[k] = value
        return self

    def extend(self, values: Iterable[Any]) -> ParameterList:
        """More at the end; returns the list."""
        for v in values:
            self.append(v)
        return self

    def extra_repr(self) -> str:
        return "\n".join(_line(k, x) for k, x in enumerate(self))


class ParameterDict(Module):
    """A dict of parameters; tensors that are put in become parameters."""

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self._keys: dict[str, None] = {}
        if parameters is not None:
            self.update(parameters)

    def __getitem__(self, key: str) -> Any:
        if key not in self._keys:
            raise KeyError(key)
        return getattr(self, key)

    def __setitem__(self, key: str, value: Any) -> None:
        self._keys[key] = None
        setattr(self, key, _kept(value))

    def __delitem__(self, key: str) -> None:
        del self._keys[key]
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def keys(self) -> Any:
        return self._keys.keys()

    def items(self) -> Any:
        return [(k, self[k]) for k in self._keys]

    def values(self) -> Any:
        return [self[k] for k in self._keys]

    def update(self, parameters: Any) -> None:
        """Add those of a mapping, or of (key, parameter) pairs."""
        for key, p in parameters.items() if isinstance(parameters, (Mapping, ParameterDict)) else parameters:
            self[key] = p

    def extra_repr(self) -> str:
        return "\n".join(_line(k, x, f"torch.{x.dtype.legacy}Tensor" if isinstance(x, Tensor) else "") for k, x in self.items())


__all__ = ["ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "Sequential"]
