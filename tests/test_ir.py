"""The IR: sizes, literals, building, capture, the printer and parser, the verifier, the interpreter, dead code."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jitgrad.ops  # noqa: F401
from jitgrad.errors import EscapedError, InternalError, Where
from jitgrad.ir.build import Value, apply, at, bind, replay, size, trace, value
from jitgrad.ir.core import F64, I64, OPS, Fn, Let, Lit, Size, Type, Var, atom_of, dim_of
from jitgrad.ir.dims import Dim, Sym, evaluate, largest, low, of_symbol, opaque, smallest, substitute, trips
from jitgrad.ir.interp import bind_sizes, interp
from jitgrad.ir.parse import parse
from jitgrad.ir.show import show
from jitgrad.ir.verify import IRError, verify
from jitgrad.ir.walk import effectful, everywhere, needed, size_symbols, used_in
from jitgrad.ops import array, index, scalar
from jitgrad.ops.cond import check, cond
from jitgrad.ops.loop import Loop, loop
from jitgrad.ops.while_ import while_
from jitgrad.transform import ad

from .programs import EXAMPLES, Example

N, M = Sym("n", 1, 4), Sym("m", 2, 3)
n, m = of_symbol(N), of_symbol(M)
VECTOR = Type("f64", (n,))


# ---- sizes


def test_equal_sizes_have_equal_forms() -> None:
    assert n - n + 3 == 3 and isinstance(n - n + 3, int)
    assert 2 * n + m - n == m + n and hash(2 * n + m - n) == hash(m + n)
    assert (n * m) == (m * n) and n * m != n + m
    assert opaque("floordiv", 7, 2) == 3 and opaque("mod", n, 1) == 0
    assert str(2 * n - m + 1) == "2*n - m + 1" and str((n + 1) * m - 3) in ("m*(n + 1) - 3", "(n + 1)*m - 3")


def test_lower_bounds_decide_extrema() -> None:
    assert low(n + m - 1) == 2 and low(0 - n) is None and low(n * m) == 2
    assert largest(0, n) == n and smallest(n, n + 2) == n and largest(n, 5) != n
    assert trips(0, n, 1) == n and trips(0, n - 1, 1) == n - 1 and low(trips(0, n - 3, 1)) == 0
    assert trips(0, 7, 2) == 4 and trips(5, 2, 1) == 0


symbols = st.sampled_from([n, m, of_symbol(Sym("k", 0))])
dims = st.recursive(
    st.integers(-4, 4) | symbols,
    lambda d: st.builds(lambda f, a, b: f(a, b), st.sampled_from([lambda a, b: a + b, lambda a, b: a - b]), d, d)
    | st.builds(lambda k, a: a * k, st.integers(-3, 3), d)
    | st.builds(lambda a, b: a * b, d, d)
    | st.builds(smallest, d, d)
    | st.builds(largest, d, d)
    | st.builds(lambda a, k: opaque("floordiv", a, k), d, st.integers(1, 4)),
    max_leaves=6,
)


@given(dims, dims, st.integers(1, 9), st.integers(2, 9), st.integers(0, 9))
def test_forms_evaluate_like_numbers(a: Any, b: Any, i: int, j: int, k: int) -> None:
    env = {"n": i, "m": j, "k": k}
    number = lambda d: evaluate(d, lambda s: env[s.name])
    assert number(a + b) == number(a) + number(b)
    assert number(a - b) == number(a) - number(b)
    assert number(largest(a, b)) == max(number(a), number(b))
    assert number(smallest(a, b)) == min(number(a), number(b))
    assert number(substitute(a, lambda s: env[s.name])) == number(a)
    bound = low(a)
    assert bound is None or bound <= number(a)
    assert (a == b) <= (number(a) == number(b))


def test_a_dim_is_an_atom_and_back() -> None:
    v = Var(I64, "i")
    assert atom_of(3) == Lit(3, I64) and atom_of(of_symbol(v)) is v and isinstance(atom_of(n + 1), Size)
    for a in (Lit(3, I64), v, Size(n + 1)):
        assert atom_of(dim_of(a)) == a


# ---- literals


def test_literals_differ_where_numbers_do() -> None:
    assert Lit(0.0, F64) != Lit(-0.0, F64) and Lit(math.nan, F64) == Lit(math.nan, F64)
    assert Lit(1, I64) != Lit(True, Type("bool")) and Lit(1.0, F64) != Lit(1.0, Type("f32"))
    assert Lit(0.0, F64).has(0.0) and not Lit(0.0, F64).has(-0.0)


def test_python_numbers_take_the_type_of_the_other_side() -> None:
    fn = trace(lambda x: 2 * x + 1, [Type("f32", (n,))], "f")
    assert all(t.dtype == "f32" for let in fn.lets for t in (a.type for a in let.args))
    (y,) = interp(fn, np.ones(3, np.float32))
    assert y.dtype == np.float32 and y.tolist() == [3, 3, 3]


def test_index_arithmetic_is_no_statement() -> None:
    fn = trace(lambda i: 2 * i + 1 - i, [I64], "f")
    assert not fn.lets and isinstance(fn.results[0], Size) and interp(fn, 4) == (5,)
    product = trace(lambda i, j: i * j, [I64, I64], "f")  # not affine: a statement
    assert [let.op.name for let in product.lets] == ["mul"] and interp(product, 4, 5) == (20,)


def test_a_big_literal_is_not_folded() -> None:
    fn = trace(lambda: value(1 << 40) * value(1 << 40), [], "f")
    assert len(fn.lets) == 1  # wraps around at run time, as NumPy's does


# ---- building


# fmt: off
OPERATORS: list[tuple[Any, Any]] = [
    (lambda x, z: x + z * 2 - 1, 4.5), (lambda x, z: x / z, 0.75),       (lambda x, z: 1 / z, 0.5), (lambda x, z: x**z, 2.25),
    (lambda x, z: z // x, 1.0),        (lambda x, z: x % z, 1.5),        (lambda x, z: -x, -1.5),   (lambda x, z: 3 - x, 1.5),
    (lambda x, z: x < z, True),        (lambda x, z: x >= z, False),     (lambda x, z: ~(x > z), True),
    (lambda x, z: (x < z) & (z > 4.0), False),                           (lambda x, z: (x < z) | (z > 4.0), True),
]
# fmt: on


@pytest.mark.parametrize(("f", "want"), OPERATORS)
def test_operators(f: Any, want: Any) -> None:
    assert interp(verify(trace(f, [F64, F64], "f")), 1.5, 2.0) == (want,)


def test_a_value_is_no_number_and_has_no_truth() -> None:
    def f(x: Value) -> Value:
        with pytest.raises(InternalError):
            bool(x > 0)
        with pytest.raises(InternalError):
            range(x)
        return x

    trace(f, [F64], "f")


def test_outside_of_a_trace_there_is_nothing_to_write_to() -> None:
    with pytest.raises(EscapedError, match="outside of its trace"):
        bind(OPS["sin"], value(1.0))


def test_a_trace_takes_nothing_from_outside() -> None:
    def outer(x: Value) -> Value:
        with pytest.raises(InternalError, match="enclosing"):
            trace(lambda z: x + z, [F64], "inner")
        return x

    trace(outer, [F64], "outer")


def test_values_of_a_body_do_not_escape() -> None:
    leaked = []

    def f(x: Value) -> Value:
        def body(i: Value, s: Value) -> Value:
            leaked.append(s * x)
            return s + leaked[0]

        loop(0, size(n), body, value(0.0))
        return leaked[0] + x

    with pytest.raises(EscapedError, match="inside a recorded body"):
        trace(f, [F64], "f")


def test_bodies_capture_values_and_the_sizes_of_their_types() -> None:
    """What a body uses from outside becomes a parameter, also the index that only its types mention."""

    def f(a: Value) -> Value:
        def row(i: Value, s: Value) -> Value:
            part = index.get(a, 0, i, spec="s", steps=(1,))  # a[0:i]: a size that is a variable
            return loop(0, size(n), lambda j, u: u + apply("sum", part, axes=(0,)), s)[0]

        return loop(0, size(n), row, value(0.0))[0]

    fn = verify(trace(f, [VECTOR], "f"))
    x = np.arange(1.0, 5.0)
    assert interp(fn, x)[0] == sum(4 * x[:i].sum() for i in range(4))
    inner = next(let for _, let in everywhere(fn) if let.op.name == "loop" and let not in fn.lets)
    assert {p.type for p in inner.fns[0].params} >= {I64, F64} and any(p.type.rank for p in inner.fns[0].params)


def test_replay_writes_the_program_again() -> None:
    fn = trace(lambda x, z: scalar.sin(x) * z, [F64, F64], "f")
    swapped = trace(lambda x, z: replay(fn, z, x), [F64, F64], "g")
    assert interp(swapped, 2.0, 3.0) == interp(fn, 3.0, 2.0)
    other = lambda let, ins: (scalar.cos(*ins),) if let.op.name == "sin" else bind(let.op, *ins)
    cosines = trace(lambda x, z: replay(fn, x, z, each=other), [F64, F64], "h")
    assert interp(cosines, 2.0, 3.0)[0] == np.cos(2.0) * 3.0


# ---- text


LOSS = """\
sizes n >= 1, k >= 0
fn loss(x: f64[n], count: i64 = k) {
  t: f64[n] = sin(x)  # user.py:12
  t1: f64[n] = mul(t, 2.0:f64[n])  # user.py:12
  s: f64 = loop[carry=1, reverse=False](0, n, 0.0, t1) {
    body(i: i64, s1: f64, t2: f64[n]) {
      t3: f64 = get[spec='i'](t2, i)
      t4: f64 = add(s1, t3)
      return t4
    }
  }
  return s, count + 1, 0.0:f64[n]
}
"""


def test_show() -> None:
    def f(x: Value, k: Value) -> tuple[Value, ...]:
        with at(Where("/home/me/user.py", 12, "def f(x):")):
            y = scalar.sin(x) * 2.0
        s = loop(0, size(n), lambda i, s: s + index.get(y, i), value(0.0))[0]
        return s, k + 1, array.zeros_like(x)

    fn = verify(trace(f, [Var(VECTOR, "x"), Var(I64, "count", Sym("k", 0))], "loss"))
    assert show(fn) == LOSS and show(parse(LOSS)) == LOSS


@pytest.mark.parametrize("e", EXAMPLES, ids=lambda e: e.name)
def test_text_parses_back(e: Example) -> None:
    """Also of the derivatives, of which it is the same program: the same numbers come out."""
    for fn in (e.program(), ad.vjp(e.program())):
        again = parse(show(fn))
        assert show(verify(again)) == show(fn)
    args = e.values()
    for a, b in zip(interp(e.program(), *args), interp(parse(show(e.program())), *args)):
        np.testing.assert_array_equal(a, b)


NO_PROGRAMS = ["", "fn f(", "fn f(x: f64) {\n", "fn f(x: f65) {\nreturn x\n}", "fn f(x: f64) {\nt: f64 = sine(x)\nreturn t\n}"]


@pytest.mark.parametrize("text", NO_PROGRAMS)
def test_what_is_no_program_does_not_parse(text: str) -> None:
    with pytest.raises(InternalError):
        parse(text)


# ---- the verifier


def let(op: str, outs: list[Var], *args: Any, **attrs: Any) -> Let:
    return Let(tuple(outs), OPS[op], args, attrs)


X, T, U = Var(F64, "x"), Var(F64, "t"), Var(F64, "u")
SUMS = trace(lambda x: loop(0, size(n), lambda i, s: s + x, value(0.0))[0], [F64], "f")
LOOP = replace(SUMS.lets[0], args=(*SUMS.lets[0].args[:3], X))
# fmt: off
ILL: list[tuple[str, Fn]] = [
    ("uses unbound variables",    Fn("f", (X,), (let("add", [T], X, U),), (T,))),
    ("return .* unbound",         Fn("f", (X,), (), (T,))),
    ("rebinds",                   Fn("f", (X,), (let("sin", [T], X), let("cos", [T], X)), (T,))),
    ("bound twice",               Fn("f", (X, X), (), (X,))),
    ("wants one dtype and shape", Fn("f", (X,), (let("add", [T], X, Lit(1.0, Type("f32"))),), (T,))),
    ("its rule gives f64",        Fn("f", (X,), (let("sin", [Var(VECTOR, "t")], X),), ())),
    ("rule gives 1",              Fn("f", (X,), (let("sin", [T, U], X),), ())),
    ("wants a dtype of",          Fn("f", (), (let("sin", [Var(I64, "t")], Lit(1, I64)),), ())),
    ("mentions an unbound",       Fn("f", (Var(Type("f64", (of_symbol(Var(I64, "i")),)), "x"),), (), ())),
    ("body",                      Fn("f", (X,), (replace(LOOP, fns=(replace(LOOP.fns[0], results=(X,)),)),), ())),
]
# fmt: on


@pytest.mark.parametrize(("message", "fn"), ILL, ids=[k for k, _ in ILL])
def test_ill_formed_programs_are_refused(message: str, fn: Fn) -> None:
    with pytest.raises(IRError, match=message) as e:
        verify(fn)
    assert "fn f(" in str(e.value)  # the program is shown


def test_statements_may_share_a_body() -> None:
    verify(Fn("f", (X,), (LOOP, replace(LOOP, outs=(U,))), (U,)))


# ---- the interpreter


def test_sizes_come_from_shapes_and_integer_arguments() -> None:
    K = Sym("k", 0)
    params = [Var(Type("f64", (2 * n + 1, n + m)), "a"), Var(I64, "k", K)]
    fn = trace(lambda a, k: (size(n), size(m), size(of_symbol(K) + 1), k), params, "f")
    assert bind_sizes(fn, [np.zeros((7, 8)), 9]) == {N: 3, M: 5, K: 9}
    assert interp(fn, np.zeros((7, 8)), 9) == (3, 5, 10, 9)


def test_results_that_are_not_of_their_type_are_refused() -> None:
    fn = trace(scalar.sin, [VECTOR], "f")
    wrong = replace(OPS["sin"], numpy=lambda x: np.sin(x)[:-1])
    broken = replace(fn, lets=(replace(fn.lets[0], op=wrong),))
    with pytest.raises(InternalError, match="gave the shape"):
        interp(broken, np.ones(3))


def test_loops_of_every_trip_count() -> None:
    def f(x: Value) -> tuple[Value, ...]:
        body = lambda i, s: (s * index.get(x, i) + 1.0, s)
        return (*loop(0, size(n), body, value(2.0)), *loop(0, size(n), body, value(2.0), reverse=True))

    fn = verify(trace(f, [VECTOR], "f"))
    for count in (0, 1, 4):
        x = np.arange(1.0, count + 1)
        s, rows, r, back = interp(fn, x)
        want, kept = 2.0, []
        for v in x:
            kept.append(want)
            want = want * v + 1
        assert s == want and rows.tolist() == kept and back.shape == (count,)
        if count:
            assert back[-1] == 2.0  # row i is that of iteration i, also downwards


def test_while_counts_and_keeps_rows() -> None:
    fn = trace(lambda x: while_(lambda s: s < 10.0, lambda s: (s * 2.0, s), x), [F64], "f")
    last, count, rows = interp(verify(fn), 3.0)
    assert (last, count, rows.tolist()) == (12.0, 2, [3.0, 6.0])
    assert interp(fn, 11.0)[1] == 0


def test_cond_runs_one_branch_and_check_raises() -> None:
    def f(x: Value) -> Value:
        def then() -> Value:
            check(x < 5.0, "too large", "ValueError")
            return scalar.sqrt(x)

        return cond(x > 0.0, then, lambda: -x)[0]

    fn = verify(trace(f, [F64], "f"))
    assert interp(fn, 4.0) == (2.0,) and interp(fn, -4.0) == (4.0,)
    with pytest.raises(ValueError, match="too large"):
        interp(fn, 6.0)
    assert effectful(fn.lets[-1])
    dead = replace(fn, results=())
    assert effectful(needed(dead).lets[-1])  # a check stays, whoever uses the results


# ---- dead code


def test_dead_statements_carries_and_rows_go() -> None:
    def f(x: Value) -> Value:
        scalar.sin(x)
        body = lambda i, a, b, c: (a + x, b + c, c * 2.0, b, c)  # a is dead, c lives through b
        outs = loop(0, size(n), body, value(0.0), value(1.0), value(1.0))
        return outs[1] + apply("sum", outs[4], axes=(0,))

    fn = trace(lambda x, z: f(x) + index.get(z, 0), [F64, VECTOR], "f")
    small = verify(needed(fn))
    assert "sin" not in {let.op.name for let in small.lets}
    view = Loop.of(next(let for let in small.lets if let.op.name == "loop"))
    assert [c.hint for c in view.carries] == ["b", "c"] and len(view.rows) == 1
    assert interp(small, 1.0, np.ones(5)) == interp(fn, 1.0, np.ones(5))


def test_used_in_counts_the_variables_of_types() -> None:
    def f(k: Value, x: Value) -> Value:
        return apply("sum", array.fill(x, (dim_of(k.atom),)), axes=(0,))

    fn = trace(f, [I64, F64], "f")
    assert set(fn.params) <= used_in(fn)
    assert size_symbols(fn) == [] and isinstance(fn.lets[0].outs[0].type.shape[0], Dim)
