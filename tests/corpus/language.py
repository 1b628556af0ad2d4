"""What Python offers: records, methods, closures, globals, keywords, derivatives inside of functions that are derived."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np

import jitgrad as jg

from .cases import CASES, Case, case

TEMPERATURE = 0.7
TABLE = np.linspace(0.1, 1.2, 12)


@dataclass
class Layer:
    w: np.ndarray
    b: np.ndarray
    name: str = "dense"

    def __call__(self, x):
        return np.tanh(x @ self.w + self.b)


@dataclass
class Network:
    layers: list = field(default_factory=list)
    scale: float = 1.0


def make_network(r, n):
    shapes = [(5, 6), (6, 2)]
    return Network([Layer(r.normal(size=s) / 2, r.normal(size=s[1]) / 2) for s in shapes], 1.5), r.normal(size=(n, 5))


@case(make_network)
def dataclass_of_layers(net, x):
    for layer in net.layers:
        x = layer(x)
    return net.scale * np.sum(x**2)


class Spring(NamedTuple):
    k: float
    rest: float
    ends: np.ndarray


@case(lambda r, n: ([Spring(2.0, 1.0, r.normal(size=(2, 3))), Spring(0.5, 0.3, r.normal(size=(2, 3)))],), single=False)
def named_tuples_in_a_list(springs):
    return sum(0.5 * s.k * (np.linalg.norm(s.ends[0] - s.ends[1]) - s.rest) ** 2 for s in springs)


class Oscillator:
    def __init__(self, omega, damping):
        self.omega, self.damping = omega, damping
        self.weights = np.array([1.0, 2.0, 0.5, 1.5, 1.0])

    @property
    def squared(self):
        return self.omega**2

    def energy(self, x, v):
        return 0.5 * np.sum(self.weights[0] * v**2 + self.squared * x**2) - self.damping * np.dot(x, v)

    @staticmethod
    def clip(x):
        return np.clip(x, -0.8, 0.8)

    def __call__(self, x):
        return self.energy(self.clip(x), np.sin(x)) + np.sum(self.weights)


CASES.append(Case("bound_method", Oscillator(1.3, 0.1).energy, lambda r, n: (r.normal(size=n), r.normal(size=n))))
CASES.append(Case("callable_object", Oscillator(1.3, 0.1), lambda r, n: (r.normal(size=n),), kinks=True))


def polynomial_fit(degree):
    powers = np.arange(degree + 1)

    def loss(c, x, y):
        return np.sum(((c * x[:, None] ** powers).sum(axis=1) - y) ** 2)

    return loss


CASES.append(
    Case("closure", polynomial_fit(4), lambda r, n: (r.normal(size=5), r.uniform(-1, 1, n), r.normal(size=n)))
)
CASES.append(Case("lambda", lambda x, z: np.sum(np.exp(-x) * z) / TEMPERATURE, lambda r, n: (r.normal(size=n), r.normal(size=n))))


def scaled_power(p, scale, x):
    return scale * np.sum(np.abs(x) ** p)


CASES.append(Case("partial", partial(scaled_power, 3, 0.5), lambda r, n: (r.normal(size=n),)))


@case(lambda r, n: (r.normal(size=n),), kinks=True)
def global_arrays(x):
    energies = np.interp if False else None  # a name that is not used
    k = (np.abs(x) * 3).astype(int)
    return np.sum(TABLE[k] * x**2) / TEMPERATURE


@case(lambda r, n: (r.normal(size=n), r.normal(size=n)), kwargs={"reduction": "mean", "beta": 0.8})
def keywords_and_defaults(x, y, *, beta=1.0, power=2, reduction="sum", weights=None):
    e = np.abs(x - y) ** power * beta
    if weights is not None:
        e = e * weights
    if reduction == "mean":
        return np.mean(e)
    elif reduction == "sum":
        return np.sum(e)
    raise ValueError(reduction)


@case(lambda r, n: (r.normal(size=n), r.normal(size=n), r.normal(size=n)))
def many_arguments(*xs, **options):
    total = np.zeros(len(xs[0]))
    for k, x in enumerate(xs):
        total += (k + 1) * np.sin(x)
    return np.dot(total, total)


@case(lambda r, n: (r.normal(size=n), 0.8))
def gradient_penalty(w, z):
    """A derivative inside, of a function that captures both arguments."""

    def potential(x):
        return np.sum(np.sin(w * x) ** 2) * z

    slope = jg.grad(potential)(z * w)
    return np.sum(slope**2) + potential(w)


@case(lambda r, n: (r.normal(size=n), r.normal(size=n)))
def hessian_vector_inside(x, v):
    f = lambda x: np.sum(x**3) + np.sum(np.cos(x)) * x[0]
    (hv,) = jg.hvp(f, (x,), (v,))
    return hv @ v


@case(lambda r, n: (0.7, 1.3), single=False)
def derivative_of_derivative(x, a):
    f = lambda t: np.sin(a * t) * t
    return jg.grad(jg.grad(f))(x) * a


@case(lambda r, n: (r.normal(size=n), r.normal(size=3)), kinks=True)
def control_flow(x, c):
    total, count = 0.0, 0
    for i, v in enumerate(x):
        if v < -1:
            continue
        if count > 3:
            break
        scale = c[0] if v > 0 else c[1]
        total += scale * v**2 + c[i % 3]
        count += 1
    else:
        total *= 2.0
    return total


def inner_product(a, b):
    """Recursion on the structure."""
    if isinstance(a, dict):
        return sum(inner_product(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return sum(inner_product(x, y) for x, y in zip(a, b))
    return np.sum(a * b)


@case(lambda r, n: ({"a": [r.normal(size=n), 2.0], "b": (r.normal(size=(2, n)), {"c": 3.0})},), single=False)
def recursion_over_trees(tree):
    return inner_product(tree, tree) ** 0.5


@case(lambda r, n: (r.normal(size=(n, n)),))
def in_place_everything(m):
    a = m.copy()
    a[0] *= 2.0
    a[:, 1] -= a[:, 0]
    row = a[2]
    row += 1.0
    a[a.shape[0] - 1, ::2] = 0.5
    np.multiply(a, 1.5, out=a)
    a.T[3] = a[0] * row
    return np.sum(a**2 * np.arange(len(a)))


@case(lambda r, n: (r.normal(size=(n, n)), r.normal(size=n)))
def methods_of_arrays(a, b):
    c = a.T.dot(b).reshape(-1, 1).ravel()[::-1] + b.flatten().copy()
    d = a[..., np.newaxis].squeeze().swapaxes(0, 1).mean(axis=0) * c.clip(-2, 2)
    return (d.sum() + a.diagonal().prod() + c.std() + a[:, [0, 2]].max() + a.min(axis=1).dot(b)).item()


@case(lambda r, n: (r.normal(size=n), {"kind": "soft", "level": 0.2}), kinks=True)
def branches_on_strings(x, options):
    match_ = {"soft": lambda v, t: np.sign(v) * np.maximum(np.abs(v) - t, 0), "hard": lambda v, t: np.where(np.abs(v) > t, v, 0)}
    if (kind := options["kind"]) in match_:
        y = match_[kind](x, options["level"])
    else:
        raise ValueError(f"unknown {kind!r}")
    return sum(y * y)


@case(lambda r, n: (r.normal(size=(3, n)),))
def comprehensions(x):
    squares = [row @ row for row in x]
    pairs = {(i, j): x[i] @ x[j] for i in range(len(x)) for j in range(i)}
    largest = max(squares)
    assert len(pairs) == 3 and all(s >= 0 for s in squares), "wrong"
    return sum(pairs.values()) / largest + min(squares) * any(True for _ in pairs)


@case(lambda r, n: (r.uniform(0.5, 1, n), 2.0))
def raises_where_it_must(x, limit):
    if np.sum(x) > 1000 * limit:
        raise ValueError("too large")
    assert np.all(x > 0), "positive numbers only"
    return np.sum(np.log(x)) * limit if limit > 1 else np.sum(x)


class Ring:
    """Numbers with operators of their own."""

    def __init__(self, re, im):
        self.re, self.im = re, im

    def __mul__(self, other):
        return Ring(self.re * other.re - self.im * other.im, self.re * other.im + self.im * other.re)

    def __add__(self, other):
        return Ring(self.re + other.re, self.im + other.im)

    def __abs__(self):
        return np.hypot(self.re, self.im)


@case(lambda r, n: (r.uniform(-0.1, 0.1, n), r.uniform(-0.1, 0.1, n)))
def operators_of_a_class(x, y):
    """Steps of Mandelbrot's map."""
    c = z = Ring(x, y)
    for _ in range(4):
        z = z * z + c
    return np.sum(abs(z) ** 2)
