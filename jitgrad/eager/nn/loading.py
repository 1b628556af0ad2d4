"""`Module.load_state_dict`: a state matched to the modules of a network, and copied.

Hooks aside, nothing is copied unless everything fits.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ..modes import no_grad
from ..tensor import Tensor
from .hooks import Hook

if TYPE_CHECKING:
    from .module import Module


class _Keys(NamedTuple):
    missing_keys: list[str]
    unexpected_keys: list[str]


class Keys(_Keys):
    """What `load_state_dict` could not match."""

    def __repr__(self) -> str:
        matched = not self.missing_keys and not self.unexpected_keys
        return "<All keys matched successfully>" if matched else "_Incompatible" + super().__repr__()


class Loading:
    """One state that is being loaded."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self.state: dict[str, Any] = OrderedDict(state)  # hooks may change it
        self.metadata = getattr(state, "_metadata", None) or {}
        self.keys = Keys([], [])
        self.errors: list[str] = []
        self.copies: list[tuple[Tensor, Any]] = []
        self.hooks: list[tuple[Module, Hook]] = []  # for afterwards

    def load(self, module: Module, strict: bool) -> Keys:
        self.match(module, self.state, "")
        if not self.hooks:
            self.check(module, strict)
        with no_grad():
            for x, value in self.copies:
                x.copy_(value)
        for part, hook in self.hooks:
            if hook(part, self.keys) is not None:
                raise AssertionError(
                    "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to return new values, if "
                    "incompatible_keys need to be modified, it should be done inplace."
                )
        self.check(module, strict)
        return self.keys

    def match(self, module: Module, state: dict[str, Any], prefix: str) -> None:
        """This module, then its parts: each with what of the state begins with its name."""
        missing, unexpected = self.keys
        for hook in list(module._load_state_dict_pre_hooks.values()):
            hook(module, state, prefix, self.metadata.get(prefix[:-1], {}), True, missing, unexpected, self.errors)
        own, parts = dict(module._state()), dict(module.named_children())
        for name, x in own.items():
            key = prefix + name
            if key not in state:
                missing.append(key)
            elif state[key].shape != x.shape:
                self.errors.append(
                    f"size mismatch for {key}: copying a param with shape {state[key].shape} from checkpoint, the shape in "
                    f"current model is {x.shape}."
                )
            else:
                self.copies.append((x, state[key]))
        for key in state:
            if key.startswith(prefix):
                first, dot, _ = key[len(prefix) :].partition(".")
                if first not in (parts if dot else own):
                    unexpected.append(key)
        for name, part in parts.items():
            inner = f"{prefix}{name}."
            self.match(part, OrderedDict((k, v) for k, v in state.items() if k.startswith(inner)), inner)
        self.hooks += [(module, hook) for hook in module._load_state_dict_post_hooks.values()]

    def check(self, module: Module, strict: bool) -> None:
        lists = (("Missing", self.keys.missing_keys), ("Unexpected", self.keys.unexpected_keys))
        names = [f"{what} key(s) in state_dict: " + ", ".join(f'"{k}"' for k in keys) + ". " for what, keys in lists if keys]
        errors = [*(names if strict else ()), *self.errors]
        if errors:
            text = "\n\t".join(errors)
            raise RuntimeError(f"Error(s) in loading state_dict for {type(module).__name__}:\n\t{text}")
