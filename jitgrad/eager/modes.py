"""Whether operations are recorded for differentiation: `no_grad` and its kin, as contexts and as decorators."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class _Modes(threading.local):
    grad = True  # operations get edges
    inference = False  # and their results may never be saved for a return sweep
    anomaly = False  # remember where operations stand, look for nan
    check_nan = True
    watch = False  # operations look at `anomaly` and `saved`
    saved: tuple[Any, ...] = ()  # (pack, unpack): what sees the values that are kept for a return sweep
    refused = ""  # why `saved_tensors_hooks` may not be used
    duals = 0  # how many levels of forward mode are open


modes = _Modes()


class Mode:
    """Sets some modes for a while: a context manager and a decorator. Each entry remembers what it found."""

    def __init__(self, **wanted: Any) -> None:
        self.wanted = wanted
        self.before: list[dict[str, Any]] = []

    def __enter__(self) -> None:
        self.before.append({name: getattr(modes, name) for name in self.wanted})
        for name, on in self.wanted.items():
            setattr(modes, name, on)

    def __exit__(self, *_: object) -> None:
        for name, on in self.before.pop().items():
            setattr(modes, name, on)

    def __call__(self, f: F) -> F:
        if inspect.isgeneratorfunction(f):
            return _generator(self, f)  # type: ignore[return-value]

        @functools.wraps(f)
        def within(*args: Any, **kwargs: Any) -> Any:
            with type(self).again(self):
                return f(*args, **kwargs)

        return within  # type: ignore[return-value]

    @staticmethod
    def again(mode: Mode) -> Mode:
        """One more of the same, for a decorated function that calls itself."""
        return Mode(**mode.wanted)


def _generator(mode: Mode, f: Callable[..., Any]) -> Callable[..., Any]:
    """The mode holds while the generator runs, not while its caller does."""

    @functools.wraps(f)
    def within(*args: Any, **kwargs: Any) -> Any:
        with mode:
            g = f(*args, **kwargs)
        sent = None
        while True:
            try:
                with mode:
                    item = g.send(sent)
            except StopIteration as end:
                return end.value
            sent = yield item

    return within


LOSES = (
    "gradients are switched off within a level of forward mode, where operations are recorded to find the tangents: "
    "what is computed "
    "here would lose its tangent. Leave the level first, or use x.detach() for what is to have none"
)


class Off(Mode):
    """A mode of the user's that stops recording."""

    def __enter__(self) -> None:
        if modes.duals and self.wanted.get("grad") is False:
            raise RuntimeError(LOSES)
        super().__enter__()


class no_grad(Off):
    """Nothing within is recorded for differentiation."""

    def __init__(self, f: Any = None) -> None:
        super().__init__(grad=False)

    def __new__(cls, f: Any = None) -> Any:
        made = object.__new__(cls)  # also as that of `enable_grad`
        if f is None:
            return made
        made.__init__()  # type: ignore[misc]
        return made(f)


class enable_grad(Mode):
    """Within `no_grad`, records again."""

    def __init__(self, f: Any = None) -> None:
        super().__init__(grad=True)

    __new__ = no_grad.__new__  # type: ignore[assignment]


class inference_mode(Off):
    """As `no_grad`; what is made within can never be part of a graph."""

    def __init__(self, mode: Any = True) -> None:
        on = mode if isinstance(mode, bool) else True
        super().__init__(grad=not on, inference=on) if on else super().__init__(inference=False)

    def __new__(cls, mode: Any = True) -> Any:
        made = super().__new__(cls)
        if isinstance(mode, bool):
            return made
        made.__init__()  # type: ignore[misc]
        return made(mode)


class set_grad_enabled(Mode):
    """Sets the mode at once; as a context, puts the old one back at its end."""

    def __init__(self, mode: bool) -> None:
        super().__init__(grad=bool(mode))
        self.before.append({"grad": modes.grad})
        modes.grad = bool(mode)

    def __enter__(self) -> None:
        modes.grad = self.wanted["grad"]

    def __call__(self, f: F) -> F:
        self.__exit__()
        return super().__call__(f)


def is_grad_enabled() -> bool:
    """Are operations recorded for differentiation?"""
    return modes.grad


def is_inference_mode_enabled() -> bool:
    return modes.inference


def is_anomaly_enabled() -> bool:
    return modes.anomaly
