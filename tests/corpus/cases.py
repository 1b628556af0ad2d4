"""How a function of the corpus is listed."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

CASES: list[Case] = []


@dataclass(frozen=True)
class Case:
    """A function and how its arguments are made for a size n. One program must serve all `sizes`: they are equal to no
    other size of the arguments."""

    name: str
    f: Callable[..., Any]
    make: Callable[[np.random.Generator, int], tuple[Any, ...]]
    sizes: tuple[int, ...] = (7, 10, 13)
    kwargs: dict[str, Any] = field(default_factory=dict)
    single: bool = True  # also in float32
    kinks: bool = False  # a kink may be hit
    gradient: Callable[..., Any] | None = None  # with respect to the first argument, by hand
    hessian: Callable[..., Any] | None = None

    def arguments(self, n: int) -> tuple[Any, ...]:
        return self.make(np.random.default_rng(zlib.crc32(self.name.encode()) + n), n)


def case(make: Callable[..., Any], **more: Any) -> Callable[[Any], Any]:
    """Lists the function below; `make(rng, n)` makes its arguments."""

    def register(f: Any) -> Any:
        CASES.append(Case(f.__name__, f, make, **more))
        return f

    return register


def spd(r: np.random.Generator, n: int) -> np.ndarray:
    """Symmetric and positive definite."""
    a = r.normal(size=(n, n))
    return a @ a.T / n + np.eye(n)
