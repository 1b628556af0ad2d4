"""Random tensors. They are drawn at once: a value, not a recorded operation.

`rand`, `randn`, `randint`, `randperm`, `uniform_` and `normal_` give PyTorch's numbers for the same seed (normal ones up to
rounding); the others have the same distributions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import dtypes
from .complexes import reals
from .creation import owned, shape_of
from .device import checked
from .generator import (
    Generator,
    default_generator,
    fork_rng,  # noqa: F401  (torch.random.fork_rng)
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from .inplace import values_of
from .tensor import Tensor

BITS = {dtypes.float64: 53}  # of a uniform number; the others are rounded ones of float32


def _floats(d: Any, kernel_name: str) -> dtypes.dtype:
    found = dtypes.get_default_dtype() if d is None else dtypes.of(d)
    if found.rank != dtypes.FLOAT:
        raise NotImplementedError(f"\"{kernel_name}\" not implemented for '{found.legacy}'")
    return found


def drawn_uniform(
    shape: tuple[int, ...], d: dtypes.dtype, g: Generator | None, low: float = 0.0, high: float = 1.0
) -> np.ndarray:
    """Uniform numbers, rounded as the dtype rounds them."""
    u = (g or default_generator).uniform(math.prod(shape), BITS.get(d, 24)).astype(d.compute)
    kind = d.compute.type
    return (u * kind(high - low) + kind(low)).reshape(shape)


def drawn_normal(shape: tuple[int, ...], d: dtypes.dtype, g: Generator | None) -> np.ndarray:
    return (g or default_generator).normal(math.prod(shape), BITS.get(d, 24)).astype(d.compute).reshape(shape)


# ---- new tensors


def rand(
    *size: Any, generator: Generator | None = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Numbers between 0 and 1.

    >>> import jitgrad.eager as torch
    >>> torch.rand(2, 3).shape
    torch.Size([2, 3])
    """
    checked(device)
    d = _floats(dtype, "check_uniform_bounds")
    return owned(drawn_uniform(shape_of(size), d, generator), d, requires_grad)


def randn(
    *size: Any, generator: Generator | None = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Numbers of the standard normal distribution; of a complex dtype, with variance 1."""
    checked(device)
    shape = shape_of(size)
    if dtype is not None and dtypes.of(dtype).is_complex:
        d = dtypes.of(dtype)
        real = dtypes.BY_NUMPY[d.compute]
        pairs = drawn_normal((*shape, 2), real, generator) * d.compute.type(math.sqrt(0.5))
        return owned(pairs.view(d.storage).reshape(shape), d, requires_grad)
    d = _floats(dtype, "normal_kernel_cpu")
    return owned(drawn_normal(shape, d, generator), d, requires_grad)


def randint(
    low: int, high: Any = None, size: Any = None, *, generator: Generator | None = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Integers from low (0, if there is one bound only) up to high, which is left out."""
    checked(device)
    if size is None:
        if not isinstance(high, (tuple, list)):
            raise TypeError(f"randint(): argument 'size' must be tuple of ints, not {type(high).__name__}")
        low, high, size = 0, low, high
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    d = dtypes.int64 if dtype is None else dtypes.of(dtype)
    shape = shape_of((tuple(size),))
    got = (generator or default_generator).integers(math.prod(shape), int(low), int(high))
    return owned(got.reshape(shape), d, requires_grad)


def randperm(
    n: int, *, generator: Generator | None = None, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """The integers below n in random order."""
    checked(device)
    if n < 0:
        raise RuntimeError(f"n must be non-negative, got{n}")
    out = list(range(n))
    words = (generator or default_generator).words(max(n - 1, 0)).tolist()
    for k, word in enumerate(words):
        other = k + word % (n - k)
        out[k], out[other] = out[other], out[k]
    return owned(np.array(out, np.int64), dtypes.int64 if dtype is None else dtypes.of(dtype), requires_grad)


def _like(make: Callable[..., Tensor], name: str, what: str) -> Any:
    def like(
        input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, generator: Generator | None = None
    ) -> Tensor:
        d = input.dtype if dtype is None else dtype
        return make(tuple(input.shape), dtype=d, device=device, requires_grad=requires_grad, generator=generator)

    like.__name__, like.__doc__ = name, f"{what}, in the shape and dtype of another tensor."
    return like


rand_like = _like(rand, "rand_like", "Numbers between 0 and 1")
randn_like = _like(randn, "randn_like", "Numbers of the standard normal distribution")


def randint_like(
    input: Tensor, low: int, high: int | None = None, *, dtype: Any = None, generator: Generator | None = None
) -> Tensor:
    """Integers between bounds, in the shape and dtype of another tensor."""
    low, high = (0, low) if high is None else (low, high)
    return randint(low, high, tuple(input.shape), dtype=input.dtype if dtype is None else dtype, generator=generator)


def normal(
    mean: Any, std: Any = 1.0, size: Any = None, *, generator: Generator | None = None, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Normal numbers with these means and standard deviations: numbers (then `size` is needed) or tensors."""
    checked(device)
    tensors = [x for x in (mean, std) if isinstance(x, Tensor)]
    if not isinstance(std, Tensor):
        check_std(std)
    elif (std._buffer() < 0).any():
        raise RuntimeError("normal expects all elements of std >= 0.0")
    if not tensors:
        if size is None:
            raise TypeError("normal(): missing the argument 'size'")
        shape = shape_of((tuple(size),))
        d = _floats(dtype, "normal_kernel_cpu")
    else:
        shape, d = np.broadcast_shapes(*(tuple(x.shape) for x in tensors)), tensors[0].dtype
    values = drawn_normal(shape, d, generator)
    m, s = (reals("normal", x) for x in (mean, std))
    return owned(np.asarray(values * s + m, d.compute), d, requires_grad)


def check_std(std: float) -> None:
    if std < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")


def bernoulli(input: Tensor, p: float | None = None, *, generator: Generator | None = None) -> Tensor:
    """1 with the probabilities that the tensor holds (or with probability p), else 0."""
    at = reals("bernoulli", input) if p is None else np.full(input.shape, p)
    return owned(_coins(at, generator), input.dtype)


def _coins(p: np.ndarray, g: Generator | None) -> np.ndarray:
    if not ((p >= 0) & (p <= 1)).all():
        raise RuntimeError("Expected p_in >= 0 && p_in <= 1 to be true, but got false.")
    return ((g or default_generator).uniform(p.size, 53).reshape(p.shape) < p).astype(np.float32)


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Places drawn with the weights in each row, with or without putting back."""
    weights = np.asarray(reals("multinomial", input), np.float64)
    if weights.ndim not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if num_samples <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if (weights.sum(-1) <= 0).any():
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    if not replacement and num_samples > weights.shape[-1]:
        raise RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    g, rows = generator or default_generator, np.atleast_2d(weights)
    if replacement:
        edges = np.cumsum(rows, axis=-1)
        u = g.uniform(len(rows) * num_samples, 53).reshape(len(rows), num_samples) * edges[:, -1:]
        at = np.stack([np.searchsorted(e, v, side="right") for e, v in zip(edges, u, strict=True)])
    else:  # of exponential numbers with these rates, the order in which they come
        waits = -np.log1p(-g.uniform(rows.size, 53).reshape(rows.shape))
        with np.errstate(divide="ignore", invalid="ignore"):
            at = np.argsort(np.where(rows > 0, waits / rows, np.inf), axis=-1, kind="stable")[:, :num_samples]
    return owned((at if weights.ndim == 2 else at[0]).astype(np.int64), dtypes.int64)


# ---- in place


def _written(self: Tensor, values: np.ndarray, name: str) -> Tensor:
    return self._write(values_of(self, owned(np.asarray(values).reshape(self.shape), self.dtype), name))


def uniform_(self: Tensor, a: float = 0.0, b: float = 1.0, *, generator: Generator | None = None, **named: float) -> Tensor:
    """Write numbers between a and b (also called `from` and `to`)."""
    a, b = named.get("from", a), named.get("to", b)
    d = _floats(self.dtype, "check_uniform_bounds")
    if a > b:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={a:g} > to={b:g}")
    return _written(self, drawn_uniform(tuple(self.shape), d, generator, a, b), "Uniform")


def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Write normal numbers."""
    check_std(std)
    d = _floats(self.dtype, "normal_kernel_cpu")
    kind = d.compute.type
    return _written(self, drawn_normal(tuple(self.shape), d, generator) * kind(std) + kind(mean), "Normal")


def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Write ones with probability p (a number or a tensor), zeros else."""
    return _written(self, _coins(np.broadcast_to(reals("bernoulli", p), tuple(self.shape)), generator), "Bernoulli")


# One more than the largest integer below which a dtype holds all.
EXACT = {
    dtypes.bool: 2, dtypes.float16: 2**11 + 1, dtypes.bfloat16: 2**8 + 1, dtypes.float32: 2**24 + 1, dtypes.float64: 2**53 + 1,
}  # fmt: skip


def random_(self: Tensor, *bounds: int, generator: Generator | None = None) -> Tensor:
    """Write integers: below a bound, between two, or as many as the dtype holds exactly."""
    d = self.dtype
    if not bounds:
        bounds = (EXACT[d] if d in EXACT else dtypes.iinfo(d).max + 1,)
    low, high = (0, bounds[0]) if len(bounds) == 1 else bounds
    if low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    return _written(self, (generator or default_generator).integers(self.numel(), low, high), "Random")


def _from_uniform(name: str, check: Callable[..., str], f: Callable[..., np.ndarray], what: str) -> Any:
    """A distribution by its quantile function."""

    def fill(self: Tensor, *parameters: float, generator: Generator | None = None) -> Tensor:
        wrong = check(*parameters)
        if wrong:
            raise RuntimeError(f"{name} expects {wrong}")
        if name != "geometric_":
            _floats(self.dtype, name + "cpu")
        u = (generator or default_generator).uniform(self.numel(), 53)
        return _written(self, f(u, *parameters), name.title().strip("_"))

    fill.__name__, fill.__doc__ = name, what
    return fill


exponential_ = _from_uniform(
    "exponential_",
    lambda lambd=1.0: "" if lambd > 0 else f"lambda > 0.0, but found lambda={lambd:g}",
    lambda u, lambd=1.0: -np.log1p(-u) / lambd,
    "Write exponential numbers of this rate.",
)
cauchy_ = _from_uniform(
    "cauchy_",
    lambda median=0.0, sigma=1.0: "" if sigma > 0 else f"sigma > 0.0, but found sigma={sigma:g}",
    lambda u, median=0.0, sigma=1.0: median + sigma * np.tan(np.pi * (u - 0.5)),
    "Write Cauchy numbers of this median and width.",
)
geometric_ = _from_uniform(
    "geometric_",
    lambda p: "" if 0 < p < 1 else f"p to be in (0, 1), but got p={p:g}",
    lambda u, p: np.ceil(np.log1p(-u) / np.log1p(-p)),
    "Write how many trials of probability p the first success takes.",
)


def log_normal_(self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None) -> Tensor:
    """Write numbers whose logarithms are normal."""
    if std <= 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std:g}")
    d = _floats(self.dtype, "log_normal_kernel_cpu")
    return _written(self, np.exp(drawn_normal(tuple(self.shape), d, generator) * std + mean), "LogNormal")


METHODS = (uniform_, normal_, bernoulli_, random_, exponential_, cauchy_, geometric_, log_normal_, bernoulli, multinomial)

__all__ = [
    "Generator", "bernoulli", "default_generator", "get_rng_state", "initial_seed", "manual_seed", "multinomial", "normal",
    "rand",
    "rand_like", "randint", "randint_like", "randn", "randn_like", "randperm", "seed", "set_rng_state",
]  # fmt: skip
