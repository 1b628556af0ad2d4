"""Classes and decorators."""

from __future__ import annotations

import functools

from .cases import CASES, case


class Base:
    k = 2.0

    def go(self, x):
        return x * self.k if x > 1 else x

    @property
    def double(self):
        return self.k * 2

    @classmethod
    def make(cls, *a):
        return cls(*a)


class _Der(Base):
    __count = 0

    def __init__(self, p=3.0):
        super().__init__()
        self.__p = p
        self.q = self.__hidden(p)

    def __hidden(self, x):
        def inner():
            return self.__p + x

        if x > 1:
            return inner()
        return -x

    def go(self, x, *, w=1.5):
        if x > 1.2:
            for _ in range(2):
                x = super().go(x) * self.__p
                __local = x
                if __local > 1e6:
                    return __local
            return x + __local
        return w * x

    @staticmethod
    def twice(x):
        return 2 * x if x else None

    def bump(self):
        for _ in range(3):
            self.__count += 1
            if self.__count > 2:
                _Der.k += 0.0
        return self.__count, __class__.__name__

    def generic(self, f):
        while True:
            return [f(v) for v in (self.__p, self.double, super().double)], (lambda: super(_Der, self).k)()


@case((0.5,), (1.1,), (2.0,), (1e9,))
def classes(x):
    d = _Der.make(2.0)
    return d.go(x), d.go(x, w=2.0), d.twice(x), d.bump(), d.q, d.double, d.generic(_Der.twice), _Der(0).q


CASES += [(f, (_Der(4.0), 2.0)) for f in (_Der.go, Base.go)] + [(_Der.bump, (_Der(),)), (_Der.generic, (_Der(), abs))]


def decorate(k):
    def wrap(f):
        @functools.wraps(f)
        def g(*a, **kw):
            r = f(*a, **kw)
            if isinstance(r, float):
                return r * k
            return r

        return g

    return wrap


@case(([1.0, 2.0],), (None,))
@decorate(3)
@decorate(
    k=2,
)
def decorated(xs, scale=2.0):
    """Has a docstring."""
    s = 0.0
    for v in xs:
        if v > 1:
            s += v * scale
    return s


@case((3,))
def decorators_inside(n):
    @decorate(2)
    def g(x):
        if x > 1:
            return float(x)
        return x

    @functools.lru_cache(None)
    def h(x):
        return 1 if x < 2 else h(x - 1) + h(x - 2)

    return g(n), h(20)


def make_adder(k):
    def add(x):
        nonlocal k
        if x > 0:
            k += x
        return k

    return add


CASES += [(make_adder(2), (3,)), (make_adder(2), (-3,))]
