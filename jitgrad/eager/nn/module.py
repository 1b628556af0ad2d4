"""`Module`: a function of tensors with parameters, buffers and parts that are modules."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..creation import empty_like
from ..device import checked
from ..dtypes import dtype as DType
from ..dtypes import float16, float32, float64
from ..dtypes import of as dtype_of
from ..hooks import Handle
from ..tensor import Tensor
from .hooks import Hook, Passage, registered
from .loading import Keys, Loading
from .parameter import Buffer, Parameter

# Tables of hooks, each a dict by the number of the handle.
HOOKS = (
    "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "_state_dict_hooks",
    "_state_dict_pre_hooks", "_load_state_dict_post_hooks", "_load_state_dict_pre_hooks",
)  # fmt: skip


class Module:
    """The base of all networks: assign parameters and modules as attributes, write `forward`, call the module.

    >>> import jitgrad.eager as torch
    >>> class Net(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.layer = torch.nn.Linear(2, 1)
    ...     def forward(self, x):
    ...         return self.layer(x)
    >>> [name for name, p in Net().named_parameters()]
    ['layer.weight', 'layer.bias']
    """

    training: bool
    forward: Callable[..., Any]

    def __init__(self) -> None:
        for name, value in (
            ("training", True), ("_parameters", {}), ("_buffers", {}), ("_transient", set()), ("_modules", {}),
            *((table, {}) for table in HOOKS),
        ):  # fmt: skip
            object.__setattr__(self, name, value)

    # ---- attributes

    def __setattr__(self, name: str, value: Any) -> None:
        tables = self.__dict__
        if isinstance(value, (Parameter, Module)) and "_parameters" not in tables:
            what = "parameters" if isinstance(value, Parameter) else "module"
            raise AttributeError(f"cannot assign {what} before Module.__init__() call")
        if isinstance(value, Parameter):
            self._forget(name)
            self._parameters[name] = value
        elif isinstance(value, Module):
            self._forget(name)
            self._modules[name] = value
        elif isinstance(value, Buffer):
            self.register_buffer(name, value, value.persistent)
        elif name in tables.get("_parameters", {}):
            if value is not None:
                kind = type(value).__name__
                raise TypeError(f"cannot assign '{kind}' as parameter '{name}' (torch.nn.Parameter or None expected)")
            self._parameters[name] = None
        elif name in tables.get("_modules", {}):
            if value is not None:
                kind = type(value).__name__
                raise TypeError(f"cannot assign '{kind}' as child module '{name}' (torch.nn.Module or None expected)")
            self._modules[name] = None
        elif name in tables.get("_buffers", {}):
            if value is not None and not isinstance(value, Tensor):
                kind = type(value).__name__
                raise TypeError(f"cannot assign '{kind}' as buffer '{name}' (torch.Tensor or None expected)")
            self._buffers[name] = value
        else:
            object.__setattr__(self, name, value)

    def _forget(self, name: str) -> None:
        for table in (self.__dict__, self._parameters, self._buffers, self._modules):
            table.pop(name, None)

    def __getattr__(self, name: str) -> Any:
        for table in ("_parameters", "_buffers", "_modules"):
            found = self.__dict__.get(table, {})
            if name in found:
                return found[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __delattr__(self, name: str) -> None:
        for table in (self._parameters, self._buffers, self._modules):
            if name in table:
                del table[name]
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._parameters, *self._buffers, *self._modules})

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter, or None in its place."""
        if param is None:
            self._parameters[name] = None
        else:
            setattr(self, name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is part of the state and not learnt; with persistent=False it is not in `state_dict`."""
        self._forget(name)
        self._buffers[name] = tensor
        (self._transient.discard if persistent else self._transient.add)(name)

    def register_module(self, name: str, module: Module | None) -> None:
        """Add a part."""
        self._modules[name] = module

    add_module = register_module

    # ---- the call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not (self._forward_hooks or self._forward_pre_hooks or self._backward_hooks or self._backward_pre_hooks):
            return self.forward(*args, **kwargs)
        for hook in list(self._forward_pre_hooks.values()):
            new = hook(self, args)
            if new is not None:
                args = new if isinstance(new, tuple) else (new,)
        passage = None
        if self._backward_hooks or self._backward_pre_hooks:
            passage = Passage(self, [*self._backward_pre_hooks.values()], [*self._backward_hooks.values()])
            args = passage.enter(args)
        out = self.forward(*args, **kwargs)
        for hook in list(self._forward_hooks.values()):
            new = hook(self, args, out)
            out = out if new is None else new
        return out if passage is None else passage.leave(out)

    def forward(self, *args: Any, **kwargs: Any) -> Any:  # type: ignore[no-redef]
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    def register_forward_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call `hook(module, args, out)` after each call; what it returns replaces `out`."""
        return Handle(self._forward_hooks, hook)

    def register_forward_pre_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call `hook(module, args)` before each call; what it returns replaces the arguments."""
        return Handle(self._forward_pre_hooks, hook)

    def register_full_backward_hook(self, hook: Hook, prepend: bool = False) -> Handle:
        """Call `hook(module, grad_input, grad_output)` when the gradients of the positional arguments are known; a tuple that it
        returns replaces them. Where no argument requires a gradient, when those of the results are known. Both are tuples with
        None for what is no tensor. The arguments and results of the module must not be written in place.

        >>> import jitgrad.eager as torch
        >>> layer = torch.nn.Tanh()
        >>> handle = layer.register_full_backward_hook(lambda module, grad_input, grad_output: (10 * grad_input[0],))
        >>> x = torch.tensor(0.0, requires_grad=True)
        >>> layer(x).backward(); x.grad
        tensor(10.)
        """
        return registered(self._backward_hooks, hook, prepend)

    def register_full_backward_pre_hook(self, hook: Hook, prepend: bool = False) -> Handle:
        """Call `hook(module, grad_output)` when the gradients of the results are known; a tuple that it returns replaces them."""
        return registered(self._backward_pre_hooks, hook, prepend)

    # ---- what is in it

    def named_modules(self, memo: set[Any] | None = None, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module and all parts, each once, with their dotted names."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        memo.add(self)
        yield prefix, self
        for name, part in self._modules.items():
            if part is not None:
                yield from part.named_modules(memo, f"{prefix}.{name}" if prefix else name)

    def modules(self) -> Iterator[Module]:
        """This module and all parts."""
        return (m for _, m in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The parts, one level down."""
        return ((name, m) for name, m in self._modules.items() if m is not None)

    def children(self) -> Iterator[Module]:
        return (m for _, m in self.named_children())

    def _named(self, table: str, prefix: str, recurse: bool) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for where, module in self.named_modules(prefix=prefix) if recurse else [(prefix, self)]:
            for name, x in getattr(module, table).items():
                if x is not None and id(x) not in seen:
                    seen.add(id(x))
                    yield (f"{where}.{name}" if where else name), x

    def named_parameters(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Parameter]]:
        """The parameters with their dotted names, each once."""
        return self._named("_parameters", prefix, recurse)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Tensor]]:
        """The buffers with their dotted names."""
        return self._named("_buffers", prefix, recurse)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        return (b for _, b in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The part with this dotted name."""
        found: Any = self
        for name in target.split(".") if target else ():
            found = found._attribute(name)
            if not isinstance(found, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return found

    def _attribute(self, name: str) -> Any:
        if not hasattr(self, name):
            raise AttributeError(f"{self._get_name()} has no attribute `{name}`")
        return getattr(self, name)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter with this dotted name."""
        where, _, name = target.rpartition(".")
        found = self.get_submodule(where)._attribute(name)
        if not isinstance(found, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return found

    def get_buffer(self, target: str) -> Tensor:
        """The buffer with this dotted name."""
        where, _, name = target.rpartition(".")
        module = self.get_submodule(where)
        found = module._attribute(name)
        if name not in module._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return found

    # ---- state

    def _state(self) -> Iterator[tuple[str, Tensor]]:
        """What of the state is this module's own."""
        yield from ((name, p) for name, p in self._parameters.items() if p is not None)
        yield from ((name, b) for name, b in self._buffers.items() if b is not None and name not in self._transient)

    def state_dict(self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> OrderedDict[str, Any]:
        """The parameters and persistent buffers by their dotted names. They share memory with the module."""
        out: OrderedDict[str, Any] = OrderedDict() if destination is None else destination
        for hook in list(self._state_dict_pre_hooks.values()):
            hook(self, prefix, keep_vars)
        for name, x in self._state():
            out[prefix + name] = x if keep_vars else x.detach()
        for name, part in self.named_children():
            part.state_dict(destination=out, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in list(self._state_dict_hooks.values()):
            if hook(self, out, prefix, {"version": 1}) is not None:
                raise RuntimeError("state_dict post-hook must return None")
        return out

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> Keys:
        """Copy the values of a state into this module. Raises RuntimeError for names or shapes that do not fit."""
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        return Loading(state_dict).load(self, strict)

    def register_state_dict_pre_hook(self, hook: Hook) -> Handle:
        """Call `hook(module, prefix, keep_vars)` before the state of this module is collected."""
        return Handle(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Hook) -> Handle:
        """Call `hook(module, state_dict, prefix, local_metadata)` after; it may change `state_dict` in place."""
        return Handle(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Hook) -> Handle:
        """Call `hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)` before a
        state is loaded; it may change a copy of the state, and the lists, in place."""
        return Handle(self._load_state_dict_pre_hooks, hook)

    def register_load_state_dict_post_hook(self, hook: Hook) -> Handle:
        """Call `hook(module, incompatible_keys)` after the state was loaded; it may change the two lists of keys in place."""
        return Handle(self._load_state_dict_post_hooks, hook)

    # ---- modes and conversion

    def train(self, mode: bool = True) -> Module:
        """Training mode (dropout drops, batch norm uses the batch) for this module and all parts."""
        for m in self.modules():
            object.__setattr__(m, "training", bool(mode))
        return self

    def eval(self) -> Module:
        """Evaluation mode."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Module:
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters."""
        for p in self.parameters():
            p._forget_grad(set_to_none)

    def apply(self, fn: Callable[[Module], Any]) -> Module:
        """Call `fn` on all parts, then on this module."""
        for part in self.children():
            part.apply(fn)
        fn(self)
        return self

    def to(self, *args: Any, dtype: Any = None, device: Any = None, non_blocking: bool = False) -> Module:
        """Convert the floating parameters and buffers to a dtype; the parameters stay the same objects."""
        for a in args:
            if isinstance(a, DType):
                dtype = a
            elif isinstance(a, Tensor):
                dtype = a.dtype
            elif not isinstance(a, bool):
                device = a
        checked(device)
        if dtype is not None:
            wanted = dtype_of(dtype)
            self._converted(lambda x: x.to(wanted) if x.dtype.is_floating_point else x)
        return self

    def to_empty(self, *, device: Any, recurse: bool = True) -> Module:
        """Parameters and buffers of the same types in new memory, with any values; the parameters stay the same objects."""
        checked(device)
        self._converted(empty_like, recurse)
        return self

    def _converted(self, convert: Callable[[Tensor], Tensor], recurse: bool = True) -> None:
        for m in self.modules() if recurse else [self]:
            for p in m._parameters.values():
                if p is not None:
                    p.data = convert(p.data)
            for name, b in m._buffers.items():
                if b is not None:
                    m._buffers[name] = convert(b)

    def float(self) -> Module:
        return self.to(float32)

    def double(self) -> Module:
        return self.to(float64)

    def half(self) -> Module:
        return self.to(float16)

    def cpu(self) -> Module:
        return self

    def cuda(self, device: Any = None) -> Module:
        """There is no such device: an error that says so."""
        checked("cuda")
        return self

    # ---- text

    def extra_repr(self) -> str:
        """What stands in the brackets of a module without parts."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = self.extra_repr().splitlines()
        parts = [f"({name}): {indented(repr(m))}" for name, m in self._modules.items()]
        lines = extra + parts
        if not lines:
            return f"{self._get_name()}()"
        if len(extra) == 1 and not parts:
            return f"{self._get_name()}({extra[0]})"
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


def indented(text: str) -> str:
    """All lines but the first moved to the right."""
    first, *rest = text.split("\n")
    return "\n".join([first, *("  " + line for line in rest)])
