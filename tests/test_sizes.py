"""One program serves every size: traced at one, run at others; what it assumed is guarded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from jitgrad.api.match import Matcher
from jitgrad.errors import ConcretizationError, JitgradError
from jitgrad.front.trace import Traced, trace_call
from jitgrad.front.tree import flatten
from jitgrad.ir.dims import Sym, of_symbol

from .test_front_array import run


def array(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).normal(size=shape)


def serves(traced: Traced, *args: Any) -> bool:
    return Matcher.of(traced).refuses(flatten((args, {}))[0]) is None


def check(traced: Traced, f: Any, *args: Any) -> bool:
    """Run the program at other arguments, if it is made for them."""
    if not serves(traced, *args):
        return False
    for got, want in zip(run(traced, *args), flatten(f(*args))[0], strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)
        assert np.shape(got) == np.shape(want)
    return True


def differences(x: Any) -> Any:
    return x[1:] - x[:-1], x[2:] - 2 * x[1:-1] + x[:-2]


def halves(x: Any) -> Any:
    n = x.shape[0]
    return x[: n // 2] + x[n // 2 :], x[::2] * x[1::2], x.reshape(-1, 2).sum(axis=1)


def odd(x: Any) -> Any:
    return x[::2], x[1::2], x[len(x) // 2], x[::-2], x[-2:0:-3]


def outer(x: Any, y: Any) -> Any:
    a = x[:, None] * y[None, :]
    return a.reshape(-1), a.T @ x, np.zeros((len(x) + 1, y.size)), a.shape[0] * a.shape[1], a.size - len(x)


def table(x: Any, k: Any) -> Any:
    y = np.zeros((k, len(x)))
    y[0] = x
    y[-1, :k] = 1.0
    return y, k * 2 + len(x), len(x) // 3, len(x) % 3, min(k, len(x)), max(k, len(x), 7), k / 2, k**2


def joined(x: Any, y: Any) -> Any:
    z = np.concatenate([x, y])
    return z[len(x) :] - y, z, np.zeros(len(x) + len(y)) + z


def clipped(x: Any, k: Any) -> Any:
    return x[:k], x[k:], x[-k:]


def windows(x: Any) -> Any:
    return [x[i : i + 3].sum() for i in range(3)], x[-1], x[3]


def square(a: Any) -> Any:
    return a @ a, a + a.T, np.eye(len(a)) - a, a[0] + a[:, -1]


def by_number(x: Any, n: Any) -> Any:
    return sum(x[i] for i in range(n)), np.stack([x] * n)


def flat(a: Any) -> Any:
    return a.reshape(-1)[1:], a.reshape(a.shape[1], a.shape[0]), a.reshape(-1, a.shape[1])


def diagonals(a: Any) -> Any:
    d = np.diagonal(a)
    x = np.ones(a.shape[0])
    x[::2] += d[::2]
    return x, d[1::3] - x[1::3]


def shorter(x: Any, y: Any, k: Any) -> Any:
    n = min(len(x), len(y))
    return x[:n] + y, x[: max(0, n - k)] + y[: n - k]


# function, example, others that the program serves, others that it does not
CASES = [
    (diagonals, (array(7, 8),), [(array(8, 11),), (array(13, 13),)], [(array(9, 8),)]),
    (diagonals, (array(8, 8),), [(array(9, 9),)], [(array(8, 9),)]),
    (shorter, (array(9), array(7), 2), [(array(8), array(8), 3)], [(array(7), array(9), 2), (array(9), array(7), 8)]),
    (differences, (array(9),), [(array(5),), (array(30),)], [(array(4),), (array(3),)]),
    (halves, (array(10),), [(array(6),), (array(26),)], [(array(9),)]),
    (odd, (array(10),), [(array(7),), (array(6),), (array(25),)], []),
    (outer, (array(6), array(8)), [(array(9), array(5)), (array(7), array(7))], [(array(6), array(3))]),
    (table, (array(8), 3), [(array(8), 5), (array(20), 6)], [(array(6), 9), (array(6), 0)]),
    (joined, (array(6), array(8)), [(array(5), array(5)), (array(9), array(5))], []),
    (clipped, (array(9), 3), [(array(6), 5), (array(20), 1)], [(array(6), -2), (array(6), 8), (array(6), 0)]),
    (windows, (array(9),), [(array(5),), (array(50),)], []),
    (square, (array(6, 6),), [(array(5, 5),), (array(9, 9),)], [(array(6, 7),)]),
    (by_number, (array(9), 3), [(array(6), 3)], [(array(9), 4)]),
    (flat, (array(6, 8),), [(array(9, 5),), (array(7, 7),)], []),
]


@pytest.mark.parametrize("f, example, served, others", CASES, ids=lambda v: getattr(v, "__name__", ""))
@pytest.mark.parametrize("small", [True, False])
def test_other_sizes(f: Any, example: Any, served: Any, others: Any, small: bool) -> None:
    traced = trace_call(f, example, small_literals=small)
    assert check(traced, f, *example)
    for args in served:
        assert check(traced, f, *args)
    for args in others if small else ():
        assert not check(traced, f, *args)
    for args in others:  # whatever the program takes, it computes rightly
        check(traced, f, *args)


def test_equal_sizes_share_a_symbol() -> None:
    traced = trace_call(lambda x, y, z: x * y + z[:3].sum(), [array(6), array(6), array(3)])
    assert [str(p.type) for p in traced.fn.params] == ["f64[n]", "f64[n]", "f64[3]"]
    assert not traced.size_guards and not traced.restarts


def test_sizes_are_unified_by_tracing_again() -> None:
    traced = trace_call(lambda x, y: x[1:] * y, [array(7), array(6)])
    assert [str(p.type) for p in traced.fn.params] == ["f64[m + 1]", "f64[m]"]
    assert traced.restarts == 1 and not traced.size_guards


def test_an_integer_argument_that_is_a_size() -> None:
    traced = trace_call(lambda x, n: x + np.zeros(n), [array(6), 6])
    assert traced.restarts == 1
    assert serves(traced, array(9), 9) and not serves(traced, array(9), 8)


def test_conditions_on_sizes_are_guards() -> None:
    def f(x: Any, k: Any) -> Any:
        if x.shape[0] > 3:  # proved
            x = x * 2
        if len(x) > 7 and k != 4:
            x = x + 1
        return x if len(x) % 2 == 0 else -x

    traced = trace_call(f, [array(8), 2])
    assert [f"{d} {op} {n}" for d, op, n in traced.size_guards] == ["n - 7 > 0", "k - 4 != 0", "n%2 == 0"]
    for size, k in [(10, 3), (7, 2), (9, 2), (12, 4)]:
        assert check(traced, f, array(size), k) == (size > 7 and k != 4 and size % 2 == 0)


def test_what_follows_from_no_equation_is_made_for_one_size() -> None:
    f = lambda x, k: np.zeros(k * k + k)[: k * k] + x[: k * k]
    traced = trace_call(f, [array(12), 3])
    assert check(traced, f, array(12), 3)
    g = lambda x, k: np.zeros(k * k) + np.zeros(2 * k + 3)
    traced = trace_call(g, [array(12), 3])
    assert check(traced, g, array(12), 3) and not check(traced, g, array(12), 2)
    assert [str(d) for _, _, d in traced.bindings] == ["n", "3"]
    assert traced.notes == ("`2*k - (k*k) + 3` must be 0, which holds for special sizes only: the program is made for k = 3",)


def test_sizes_that_do_not_fit() -> None:
    with pytest.raises(JitgradError, match="n = 6, m = 7"):
        trace_call(lambda x, y: x + y, [array(6), array(7)])


def test_too_many_numbers() -> None:
    def f(x: Any) -> Any:
        return [x[: k + 5].sum() for k in range(len(x))], {int(len(x) + k): 1 for k in range(70)}

    with pytest.raises(ConcretizationError, match="more than 64 different sizes"):
        trace_call(f, [array(9)])


def test_which_sizes_a_program_serves() -> None:
    n, m = of_symbol(Sym("n", 5)), of_symbol(Sym("m", 0))
    bindings = ((2, 0, n - n // 2), (0, 0, n * 2 + 1), (1, None, m), (0, 1, n * m))
    serves = lambda *leaves: Matcher(bindings, ((n - m, ">", 0),), ("a", "k", "b")).refuses(leaves) is None
    assert serves(np.ones((11, 15)), 3, np.ones(3))
    for shape, k in [((12, 15), 3), ((9, 12), 3), ((11, 16), 3), ((11, 30), 6), ((11, 15), -3)]:
        assert not serves(np.ones(shape), k, np.ones(3))
    assert not serves(np.ones((11, 15)), 3, np.ones(2))
