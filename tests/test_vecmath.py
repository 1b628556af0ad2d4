"""Vector mathematics: errors against mpmath, special values against NumPy and SciPy, and what LLVM makes of it."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
import textwrap
from functools import cache

import mpmath as mp
import numba as nb
import numpy as np
import pytest
import scipy.special as sc
from numba.core.errors import TypingError

from jitgrad.emit import vecmath

FLAGS = frozenset({"contract", "reassoc", "nsz"})
DTYPES = (np.float64, np.float32)
INF, NAN = np.inf, np.nan
TWO = {"atan2", "hypot", "logaddexp", "pow", "maximum", "minimum", "copysign"}


@cache
def loop(call: str, arity: int, flags: frozenset[str] | bool = frozenset()):
    """njit of: for every i, out[i] = call, where a and b are the i-th elements of the arguments."""
    args = "ab"[:arity]
    fetch = "\n        ".join(f"{v} = {v}_all[i]" for v in args)
    names = ", ".join(f"{v}_all" for v in args)
    head = f"def f({names}, out):\n    for i in range(out.size):\n"
    text = f"{head}        {fetch}\n        out[i] = {call}"
    scope = dict(vecmath.TABLE)
    exec(text, scope)
    return nb.njit(error_model="numpy", fastmath=set(flags) if isinstance(flags, frozenset) else flags)(scope["f"])


def apply(call: str, *args: np.ndarray, flags=frozenset()) -> np.ndarray:
    out = np.empty_like(args[0])
    loop(call, len(args), flags)(*args, out)
    return out


def called(name: str) -> str:
    return f"{name}(a, b)" if name in TWO else f"{name}(a)"


# Ranges to draw from: uniformly, or with uniform logarithms (both signs where a sign is drawn too).


def lin(low, high):
    return lambda rng, n, least, most: rng.uniform(low, high, n)


def log(low, high):
    def draw(rng, n, least, most):
        return np.exp(rng.uniform(np.log(max(low, least)), np.log(min(high, most)), n))

    return draw


def sym(low, high):
    return lambda rng, n, least, most: log(low, high)(rng, n, least, most) * rng.choice([-1.0, 1.0], n)


def draws(shape, dtype, n=300, seed=0):
    info = np.finfo(dtype)
    rng, limits = np.random.default_rng(seed), (float(info.smallest_subnormal), float(info.max) / 4)
    if dtype == np.float32:
        limits = (1e-38, 1e37)
    return [one(rng, n, *limits).astype(dtype) for one in (shape if isinstance(shape, tuple) else (shape,))]


ANGLES = [lin(-10, 10), sym(1e-20, 1e5), sym(1e5, 1e14), sym(1e14, 1e300)]
LOGS = [log(1e-320, 1e308), lin(0.5, 2)]


def mp_logaddexp(x, z):
    return mp.log(mp.exp(x) + mp.exp(z))


# fmt: off
#     name         exact                                         ulp: float64, float32   drawn from
ACCURACY = [
    ("exp",       mp.exp,                                        1.0, 1.0, [lin(-745, 709.7), lin(-1, 1)]),
    ("expm1",     mp.expm1,                                      2.2, 1.6, [lin(-40, 700), lin(-1, 1), sym(1e-20, 1e-3)]),
    ("log",       mp.log,                                        0.9, 0.9, LOGS),
    ("log2",      lambda x: mp.log(x) / mp.log(2),               0.9, 0.6, LOGS),
    ("log10",     mp.log10,                                      0.9, 0.6, LOGS),
    ("log1p",     mp.log1p,                                      0.9, 0.9, [lin(-0.999, 3), sym(1e-20, 0.5), log(1, 1e300)]),
    ("sin",       mp.sin,                                        1.0, 1.6, ANGLES),
    ("cos",       mp.cos,                                        1.0, 1.6, ANGLES),
    ("tan",       mp.tan,                                        2.2, 0.6, ANGLES),
    ("asin",      mp.asin,                                       2.4, 0.6, [lin(-1, 1), sym(1e-20, 1)]),
    ("acos",      mp.acos,                                       1.5, 0.6, [lin(-1, 1), lin(0.99, 1)]),
    ("atan",      mp.atan,                                       2.5, 0.6, [lin(-3, 3), sym(1e-20, 1e20)]),
    ("sinh",      mp.sinh,                                       1.6, 1.6, [lin(-710, 710), sym(1e-20, 3)]),
    ("cosh",      mp.cosh,                                       1.6, 1.6, [lin(-710, 710), lin(-2, 2)]),
    ("tanh",      mp.tanh,                                       2.4, 2.4, [lin(-3, 3), sym(1e-20, 30)]),
    ("asinh",     mp.asinh,                                      2.0, 0.6, [sym(1e-20, 1e300), lin(-3, 3)]),
    ("acosh",     mp.acosh,                                      2.0, 0.6, [lin(1, 3), log(1, 1e300)]),
    ("atanh",     mp.atanh,                                      2.0, 0.6, [lin(-1, 1), sym(1e-20, 1)]),
    ("cbrt",      lambda x: mp.sign(x) * mp.cbrt(abs(x)),        1.0, 0.6, [sym(1e-320, 1e308), lin(-8, 8)]),
    ("sqrt",      mp.sqrt,                                       0.51, 0.51, [log(1e-320, 1e308)]),
    ("sigmoid",   lambda x: 1 / (1 + mp.exp(-x)),                2.4, 2.4, [lin(-745, 40), lin(-5, 5)]),
    ("erf",       mp.erf,                                        1.5, 1.5, [lin(-3, 3), sym(1e-20, 7)]),
    ("erfc",      mp.erfc,                                       5.0, 0.6, [lin(-6, 6), lin(6, 26.5), sym(1e-20, 1)]),
    ("lgamma",    mp.loggamma,                                   3.0, 0.6, [lin(2.2, 30)]),
    ("atan2",     mp.atan2,                                      2.2, 0.6, [(sym(1e-10, 1e10),) * 2, (lin(-2, 2),) * 2]),
    ("hypot",     mp.hypot,                                      1.1, 0.6, [(sym(1e-200, 1e200),) * 2, (lin(-2, 2),) * 2]),
    ("logaddexp", mp_logaddexp,                                  1.2, 1.2, [(lin(0, 700),) * 2, (lin(1, 3),) * 2]),
    ("pow",       mp.power,                                      1.2, 0.6, [(log(1e-5, 1e5), lin(-40, 40)),
                                                                            (log(1e-300, 1e300), lin(-1, 1)),
                                                                            (lin(0.9, 1.1), lin(-3000, 3000))]),
]
# fmt: on


def ulps(got: np.ndarray, exact: list) -> np.ndarray:
    """Distance in units in the last place of the exact result; denormal results count in the smallest unit."""
    info = np.finfo(got.dtype)
    errors = []
    for y, e in zip(got, exact):
        unit = mp.ldexp(1, max((mp.frexp(e)[1] if e else -9999) - info.nmant - 1, info.minexp - info.nmant))
        overflows = abs(e) >= mp.ldexp(2 - mp.ldexp(1, -info.nmant - 1), info.maxexp - 1)
        right_infinity = overflows and np.isinf(y) and (y > 0) == (e > 0)
        errors.append(0.0 if right_infinity else float(abs(mp.mpf(float(y)) - e) / unit) if np.isfinite(y) else INF)
    return np.array(errors)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name, exact, bound64, bound32, shapes", ACCURACY, ids=[row[0] for row in ACCURACY])
@pytest.mark.parametrize("flags", [frozenset(), FLAGS], ids=["plain", "reassoc"])
def test_error_in_last_place(name, exact, bound64, bound32, shapes, dtype, flags):
    with mp.workprec(140):
        for shape in shapes:
            args = draws(shape, dtype)
            got = apply(called(name), *args, flags=flags)
            assert got.dtype == dtype
            error = ulps(got, [exact(*(mp.mpf(float(v)) for v in row)) for row in zip(*args)])
            worst = int(np.argmax(error))
            assert error[worst] <= (bound64 if dtype == np.float64 else bound32), [float(a[worst]) for a in args]


SPECIAL = [0.0, -0.0, 1, -1, 0.5, -0.5, 2, -2, 3, -3, INF, -INF, NAN, 5e-324, -5e-324, 1e-310, 1e308, -1e308, 710, -710,
           745, -746, 88.8, -103.5, 1e15, -1e15, 1e22, 1e-20, -1e-20, 0.1, 1.5, -1.5, 2.5, 4503599627370497.0]  # fmt: skip
# fmt: off
NUMPY = {
    "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "log2": np.log2, "log10": np.log10, "sin": np.sin,
    "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh,
    "tanh": np.tanh, "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh, "cbrt": np.cbrt, "sign": np.sign,
    "sqrt": np.sqrt, "fabs": np.fabs, "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "rint": np.rint,
    "erf": sc.erf, "erfc": sc.erfc, "digamma": sc.psi, "sigmoid": lambda x: np.exp(-np.logaddexp(x.dtype.type(0), -x)),
    "lgamma": np.vectorize(lambda x: INF if x > 1e300 or (x <= 0 and x == np.floor(x)) else math.lgamma(x)),
    "atan2": np.arctan2, "hypot": np.hypot, "logaddexp": np.logaddexp, "pow": np.power, "copysign": np.copysign,
    "maximum": np.maximum, "minimum": np.minimum,
}
# fmt: on
UNSIGNED_ZERO = {"maximum", "minimum"}  # of zeros of both signs NumPy returns either


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NUMPY)
def test_special_values_are_numpys(name, dtype):
    with np.errstate(all="ignore"):
        x = np.array(SPECIAL).astype(dtype)
        args = [v.ravel().copy() for v in np.meshgrid(x, x)] if name in TWO else [x]
        want = NUMPY[name](*args).astype(dtype)
        got = apply(called(name), *args)
        # rtol: SciPy's digamma is a few 1e-16 off, sigmoid's stand-in loses digits in its tails; atol: NumPy's expm1
        # takes the smallest denormals for zero
        rtol, atol = (1e-12 if dtype == np.float64 else 1e-5), np.finfo(dtype).smallest_subnormal
        near = np.isclose(got, want, rtol=rtol, atol=atol) | (got == want)
    assert np.all(near | (np.isnan(got) & np.isnan(want))), [(*(a[~near] for a in args), got[~near], want[~near])]
    if name not in UNSIGNED_ZERO:
        numbers = ~np.isnan(want)
        np.testing.assert_array_equal(np.signbit(got[numbers]), np.signbit(want[numbers]))


def test_every_function_is_tested_here():
    elsewhere = {"fma", "polygamma"}
    assert set(NUMPY) | elsewhere == set(vecmath.TABLE)


@pytest.mark.parametrize("flags", [FLAGS, True], ids=["reassoc", "fast"])
@pytest.mark.parametrize("name", NUMPY)
def test_callers_flags_change_no_bit(name, flags):
    rng = np.random.default_rng(1)
    x = np.concatenate([SPECIAL, rng.uniform(-3, 3, 200), np.exp(rng.uniform(-600, 600, 200))])
    args = [x, rng.permutation(x)] if name in TWO else [x]
    plain, flagged = apply(called(name), *args), apply(called(name), *args, flags=flags)
    np.testing.assert_array_equal(plain, flagged)


@pytest.mark.parametrize("name", ["exp", "log", "sin", "tanh", "erfc", "pow", "atan2"])
def test_result_does_not_depend_on_the_place_in_the_array(name):
    args = draws((lin(0.1, 4.0), lin(-3.0, 3.0))[: 2 if name in TWO else 1], np.float64, n=37)
    whole = apply(called(name), *args)
    single = [apply(called(name), *(a[i : i + 1].copy() for a in args))[0] for i in range(37)]
    np.testing.assert_array_equal(whole, single)


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_one_huge_angle_among_small_ones(name):
    x = np.linspace(-3, 3, 67)
    x[::7] = 10.0 ** np.arange(14, 24)
    np.testing.assert_allclose(apply(called(name), x), NUMPY[name](x), rtol=1e-15)


# What LLVM makes of it


def code_of(call: str) -> str:
    f = loop(call, 1)
    f(np.ones(3), np.ones(3))
    return f.inspect_llvm(f.signatures[0])


@pytest.mark.parametrize("name", ["exp", "log", "tanh", "erf", "sigmoid", "atan", "digamma"])
def test_loops_become_vector_instructions(name):
    code = code_of(f"{name}(a)")
    assert re.search(r"fmul <\d+ x double>", code)
    assert not re.search(r"call double @(?!llvm\.)", code)


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_rescued_loops_keep_their_vectors(name):
    code = code_of(f"{name}(a)")
    assert re.search(r"fmul <\d+ x double>", code)
    assert re.search(rf"call <(\d+) x double> @jitgrad\.\w+\.rescue\.{name}\.f64\.v\1\(", code)


def test_loops_of_dear_functions_ask_for_wide_vectors():
    assert all(vecmath.WIDE in code_of(call) for call in ("exp(a)", "tanh(a) + 1.0", "sqrt(log(a))"))
    assert all(vecmath.WIDE not in code_of(call) for call in ("a + 1.0", "sqrt(a)", "floor(fabs(a))"))
    assert set(vecmath.TABLE) >= vecmath.CHEAP


# digamma has zeros, near which only the absolute error can be small


@pytest.mark.parametrize("shape", [lin(0.01, 30), log(10, 1e300), log(1e-300, 1e-3), lin(-20.4, 0), lin(-1e6, 0)])
def test_digamma(shape):
    (x,) = draws(shape, np.float64)
    x = x[np.abs(x - np.rint(x)) > 1e-4] if np.any(x < 0) else x
    exact = np.array([float(mp.digamma(mp.mpf(float(v)))) for v in x])
    np.testing.assert_allclose(apply("digamma(a)", x), exact, rtol=1e-13, atol=2e-14)


# Orders high enough, and arguments large enough, that x**-n is no float though its product with n! is one.
@pytest.mark.parametrize("order", [1, 2, 3, 5, 8, 15, 30, 60, 100])
def test_polygamma(order):
    largest = 10.0 ** min(250.0, (270 + math.lgamma(order) / math.log(10)) / order)
    for shape in (lin(0.01, 1), lin(1, 30), log(30, largest), lin(-9.6, 0)):
        (x,) = draws(shape, np.float64, n=60)
        x = x[np.abs(2 * x - np.rint(2 * x)) > 1e-2] if np.any(x < 0) else x  # poles, and zeros at even orders
        exact = np.array([float(mp.polygamma(order, mp.mpf(float(v)))) for v in x])
        assert np.all(exact != 0)
        np.testing.assert_allclose(apply(f"polygamma({order}, a)", x), exact, rtol=1e-12, atol=0)


def test_polygamma_at_special_values():
    x = np.array([0.0, -1, -7, INF, NAN, 1e-320])
    for order in (1, 2):
        np.testing.assert_array_equal(apply(f"polygamma({order}, a)", x), sc.polygamma(order, x))


@pytest.mark.parametrize("call", ["polygamma(0, a)", "polygamma(101, a)", "polygamma(int(a), a)"])
def test_polygamma_refuses_orders_that_it_cannot_do(call):
    with pytest.raises(TypingError, match=r"polygamma\(n, x\) wants a literal n from 1 to 100"):
        apply(call, np.ones(2))


def test_fma_rounds_once():
    x = np.array([1 + 2.0**-30, 3.0])
    assert apply("fma(a, a, -1.0 - 2.0**-29)", x)[0] == 2.0**-60


def test_types_of_results():
    exp, hypot, pow = (vecmath.TABLE[name] for name in ("exp", "hypot", "pow"))

    @nb.njit
    def results(single, double, whole):
        return exp(single), exp(double), exp(whole), hypot(single, double), hypot(single, single), pow(double, whole)

    results(np.float32(1), 1.0, 2)
    (compiled,) = results.overloads.values()
    kinds = [str(t) for t in compiled.signature.return_type]
    assert kinds == ["float32", "float64", "float64", "float64", "float32", "float64"]


def test_names_are_importable():
    from jitgrad.emit.vecmath import exp, polygamma

    assert exp is vecmath.TABLE["exp"] and polygamma is vecmath.TABLE["polygamma"]
    with pytest.raises(AttributeError, match="no attribute 'exq'"):
        vecmath.exq


def test_machine_code_is_cached_for_the_next_process(tmp_path):
    (tmp_path / "cached.py").write_text(textwrap.dedent("""
        import numba as nb
        from jitgrad.emit.vecmath import atan2, exp, fingerprint, polygamma, pow, sin
        @nb.njit(cache=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz"})
        def f(x, out):
            for i in range(out.size):
                out[i] = exp(x[i]) + sin(1e16 * x[i]) + polygamma(2, x[i]) + atan2(x[i], 2.0) + pow(-x[i], 3.0)
    """))
    script = textwrap.dedent("""
        import numpy as np, cached
        x = np.linspace(0.5, 3.0, 21)
        out = np.empty_like(x)
        cached.f(x, out)
        print(sum(cached.f.stats.cache_hits.values()), cached.fingerprint(), out.tobytes().hex())
    """)

    def run() -> list[str]:
        done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, env=env)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), here]), "NUMBA_CACHE_DIR": str(tmp_path / "c")}
    first, second = run(), run()
    assert (first[0], second[0]) == ("0", "1")
    assert first[1:] == second[1:] and first[1] == vecmath.fingerprint()
