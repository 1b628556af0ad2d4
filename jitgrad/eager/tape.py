"""`GradientTape` in TensorFlow's shape, over the same recorded graph.

    with GradientTape() as t:
        y = x * x
    t.gradient(y, x)

What is computed from variables is recorded anyhow; the tape says which gradients may be asked for: of variables that track
gradients (trainable ones) and of tensors that it watches.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from .autograd.functional import rows
from .autograd.gradients import grad
from .creation import as_tensor
from .kernel import Aval
from .modes import Mode
from .tensor import Tensor, zeros_of

ONCE = (
    "A non-persistent GradientTape can only be used to compute one set of gradients (or jacobians)"
)
ACTIVE = (
    "Calling GradientTape.gradient on a non-persistent tape while it is still active is not supported: call it after "
    "the `with`, or "
    "make the tape persistent"
)


class Variable(Tensor):
    """A tensor that tracks gradients and is changed by `assign`.

    >>> x = Variable(3.0)
    >>> with GradientTape() as t:
    ...     y = x * x
    >>> t.gradient(y, x)
    tensor(6.)
    """

    def __init__(self, initial_value: Any, trainable: bool = True, dtype: Any = None, name: str = "Variable") -> None:
        x = as_tensor(initial_value, dtype=dtype)
        super().__init__(x.detach().clone()._value())
        self.name, self.trainable = name, trainable and x.dtype.differentiable
        if self.trainable:
            self.requires_grad_()

    def assign(self, value: Any) -> Variable:
        """Take over a value of the same shape."""
        return self._assigned(as_tensor(value, dtype=self.dtype))

    def assign_add(self, delta: Any) -> Variable:
        """Increase by a value."""
        return self._assigned(self.detach() + as_tensor(delta, dtype=self.dtype))

    def assign_sub(self, delta: Any) -> Variable:
        """Decrease by a value."""
        return self._assigned(self.detach() - as_tensor(delta, dtype=self.dtype))

    def _assigned(self, value: Tensor) -> Variable:
        if value.shape != self.shape:
            raise ValueError(
                f"Cannot assign value to variable '{self.name}': Shape mismatch. The variable shape {tuple(self.shape)}, and the "
                f"assigned value shape {tuple(value.shape)} are incompatible."
            )
        with Mode(grad=False):
            self.copy_(value)
        return self

    def value(self) -> Tensor:
        """The present value as a tensor, with its gradient."""
        return self.clone()


class GradientTape:
    """Records what is computed within. As tf.GradientTape.

    persistent: `gradient` may be called several times. watch_accessed_variables: False: only what is watched has a gradient.
    Tapes nest: a gradient taken within an outer tape is recorded by it.
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
        self.persistent, self.all = persistent, watch_accessed_variables
        self._watched: list[Tensor] = []
        self._own: list[Tensor] = []  # that did not track gradients before
        self._used = self._active = False

    def __enter__(self) -> GradientTape:
        if self._active:
            raise ValueError("Tape is still active.")
        self._active, self._mode = True, Mode(grad=True)
        self._mode.__enter__()
        _open.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._active = False
        _open.remove(self)
        self._mode.__exit__()

    def watch(self, tensor: Any) -> None:
        """Track this tensor (or several)."""
        for x in listed(tensor):
            if not isinstance(x, Tensor):
                raise TypeError(f"watch wants tensors; got {type(x).__name__}")
            if not x.dtype.differentiable:
                raise ValueError(f"a tensor of dtype {x.dtype} has no gradient: watch tensors of floats")
            if not x.requires_grad:
                x.requires_grad_()
                self._own.append(x)
            self._watched.append(x)

    def watched_variables(self) -> tuple[Tensor, ...]:
        """What is watched."""
        return tuple(self._watched)

    def reset(self) -> None:
        """Forget what was watched, and begin anew."""
        self._watched, self._used = [], False

    @contextlib.contextmanager
    def stop_recording(self) -> Iterator[None]:
        """Within, nothing is recorded."""
        if not self._active:
            raise ValueError("Tape is not active: stop_recording is for within its `with`.")
        with Mode(grad=False):
            yield

    def gradient(
        self, target: Any, sources: Any, output_gradients: Any = None, unconnected_gradients: str = "none"
    ) -> Any:
        """The gradients of the targets, summed, by the sources, in the structure of the sources.

        output_gradients: weights of the targets (default: ones, also for targets of several elements). unconnected_gradients:
        "none" or "zero" for a source that no target depends on.
        """
        self._take()
        return rebuilt(sources, self._gradient(listed(target), output_gradients, listed(sources), unconnected_gradients))

    def _gradient(self, ys: list[Any], weights: Any, xs: list[Any], unconnected: str) -> list[Any]:
        if unconnected not in ("none", "zero"):
            raise ValueError(f"Unknown value for unconnected_gradients: {unconnected!r}; wanted 'none' or 'zero'")
        given = listed(weights) if weights is not None else [None] * len(ys)
        gs = [ones(y) if g is None else g for y, g in zip(ys, given, strict=True)]
        on = [(y, g) for y, g in zip(ys, gs, strict=True) if isinstance(y, Tensor) and y.requires_grad]
        wanted = [k for k, x in enumerate(xs) if self._has_gradient(x)]
        got: dict[int, Any] = {}
        if on and wanted:
            found = grad(
                [y for y, _ in on], [xs[k] for k in wanted], [g for _, g in on], retain_graph=True, create_graph=bool(_open),
                allow_unused=True,
            )  # fmt: skip
            got = dict(zip(wanted, found, strict=True))
        absent = [None if unconnected == "none" else zeros_of(x._node.aval) for x in xs]
        return [got.get(k) if got.get(k) is not None else absent[k] for k in range(len(xs))]

    def jacobian(self, target: Any, sources: Any, unconnected_gradients: str = "none", **_: Any) -> Any:
        """The Jacobian of a target of shape S by each source of shape T: shape S + T."""
        self._take()
        return rebuilt(sources, [self._block(target, x, unconnected_gradients) for x in listed(sources)])

    def _block(self, y: Tensor, x: Tensor, unconnected: str) -> Tensor | None:
        if self._gradient([y], None, [x], "none")[0] is not None:
            return rows(y, (x,), bool(_open), False, 0)[0]
        return None if unconnected == "none" else zeros_of(Aval.of(x.dtype, (*y.shape, *x.shape)))

    def _has_gradient(self, x: Any) -> bool:
        if not isinstance(x, Tensor):
            raise TypeError(f"a source must be a tensor; got {type(x).__name__}")
        return x.requires_grad and (self.all or any(x is w for w in self._watched))

    def _take(self) -> None:
        if self._used and not self.persistent:
            raise RuntimeError(ONCE)
        if self._active and not self.persistent:
            raise RuntimeError(ACTIVE)
        self._used = True


_open: list[GradientTape] = []  # tapes that are recording: gradients taken now are recorded by them


def ones(y: Any) -> Tensor | None:
    if not isinstance(y, Tensor):
        return None
    return zeros_of(y._node.aval) + 1


def listed(x: Any) -> list[Any]:
    if isinstance(x, dict):
        return list(x.values())
    return list(x) if isinstance(x, (tuple, list)) else [x]


def rebuilt(like: Any, found: list[Any]) -> Any:
    """The results in the structure of the sources."""
    if isinstance(like, dict):
        return dict(zip(like, found, strict=True))
    return type(like)(found) if isinstance(like, (tuple, list)) else found[0]


__all__ = ["GradientTape", "Variable"]
