"""What is found once about programs; the end of `simplify`: where nothing is said to be left, another pass does nothing."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from typing import Any

import pytest

from jitgrad.ir import verify as verify_module
from jitgrad.ir.build import replay, trace, value
from jitgrad.ir.core import F64, Fn, Let, Type, Var
from jitgrad.ir.dims import Sym, of_symbol
from jitgrad.ir.verify import verify
from jitgrad.ir.walk import alike, everywhere, fact, needed, uses, with_fns, with_lets
from jitgrad.ops.array import transpose
from jitgrad.ops.cond import cond
from jitgrad.ops.index import add_at, get, put
from jitgrad.ops.linalg import matmul
from jitgrad.ops.loop import Loop, loop
from jitgrad.ops.scalar import exp, neg, sin
from jitgrad.transform.pipeline import finished, prepared
from jitgrad.transform.rewrite import rewritten
from jitgrad.transform.settled import Asked, settled
from jitgrad.transform.simplify import First, Simplifier, simplify

from .random_programs import make

N = of_symbol(Sym("n", 5))
VECTOR, MATRIX = Type("f64", (N,)), Type("f64", (N, N))


def program(f: Any, *types: Type) -> Fn:
    names = f.__code__.co_varnames
    return trace(f, [Var(t, h) for t, h in zip(types, names, strict=False)], f.__name__)


def copied(fn: Fn) -> Fn:
    return trace(lambda *xs: replay(fn, *xs), fn.params, fn.name)


def passed(fn: Fn, kind: type[Simplifier]) -> tuple[Fn, bool]:
    """What one pass writes, and whether it is settled."""
    simplifier = kind(fn)
    new = rewritten(simplifier)
    return new, settled(new, simplifier.asked)


# ---- the end of simplify


def a_statement_is_taken_apart(x: Any, z: Any) -> Any:
    """-x * z is -(x * z) if -x has no other use: the first pass cannot know that."""
    return -x * z


def a_use_is_dropped(x: Any, z: Any) -> Any:
    """The other use of -x goes, as what it is for turns out to be x."""
    y = -x
    return neg(y) + y * z


def a_rule_writes(x: Any, z: Any) -> Any:
    """What the rule about products and transposes writes, nobody has looked at."""
    return transpose(matmul(x, transpose(z, (1, 0))), (1, 0))


def a_carry_stays(x: Any, z: Any) -> Any:
    """That the first carry does not change is seen when the body has been written."""
    return loop(0, N, lambda i, a, b: (put(a, get(a, i), i), b + get(a, i) * exp(b)), x, value(0.0))[1] * z


def carries_are_one(x: Any, z: Any) -> Any:
    """Both carries begin as 0, and leave as the same value once the body has been written."""
    return sum(loop(0, N, lambda i, a, b: (a + get(x, i), b + 1.0 * get(x, i)), value(0.0), value(0.0)), start=z)


def a_constant_is_used_later(x: Any, z: Any) -> Any:
    """What used z first in the body is gone."""

    def step(i: Any, s: Any) -> Any:
        sin(z) * exp(get(x, i))
        return s + get(x, i) * z

    return loop(0, N, step, value(0.0))[0]


def a_constant_of_a_branch(x: Any, z: Any) -> Any:
    def then() -> Any:
        exp(z)
        return x * z

    return cond(x < z, then, lambda: x)[0]


def a_row_is_dropped(x: Any, z: Any) -> Any:
    """Then nothing is left of a loop without iterations."""
    last, _ = loop(0, 0, lambda i, s: (exp(s), s), z)
    return last * get(x, 0)


LEFT = [
    (a_row_is_dropped, (VECTOR, F64)),
    (a_statement_is_taken_apart, (F64, F64)),
    (a_use_is_dropped, (F64, F64)),
    (a_rule_writes, (MATRIX, MATRIX)),
    (a_carry_stays, (VECTOR, F64)),
    (carries_are_one, (VECTOR, F64)),
    (a_constant_is_used_later, (VECTOR, F64)),
    (a_constant_of_a_branch, (F64, F64)),
]


@pytest.mark.parametrize(("f", "types"), LEFT, ids=[f.__name__ for f, _ in LEFT])
def test_what_only_another_pass_can_do_is_left(f: Any, types: Any) -> None:
    new, done = passed(program(f, *types), First)
    assert not done
    assert not alike(new, rewritten(Simplifier(new)))


def test_after_what_is_settled_a_pass_does_nothing() -> None:
    last = 0
    for seed in range(80):
        fn = make(seed)
        for kind in (First, Simplifier, Simplifier):
            fn, done = passed(fn, kind)
            if done:
                last += 1
                assert alike(fn, rewritten(Simplifier(fn))), seed
    assert last > 80  # of 240


@pytest.mark.parametrize("seed", range(0, 60, 5))
def test_what_is_simple_comes_back_itself(seed: int) -> None:
    fn = copied(simplify(make(seed)))
    assert simplify(fn) is fn
    done = finished(prepared(fn))
    assert finished(done) is done


def test_a_settled_program_is_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fn = program(lambda x, z: sin(x) * (z * 1.0) + exp(x + 0.0), F64, F64)
    monkeypatch.setattr("jitgrad.transform.simplify.Simplifier", None)  # there is no second pass
    assert [let.op.name for let in simplify(fn).lets] == ["sin", "mul", "exp", "add"]


# ---- the same program in other variables


def nested(x: Any, z: Any) -> Any:
    return loop(0, N, lambda i, s: s + get(x, i) * z, value(0.0))[0]


def test_a_copy_is_alike() -> None:
    fn = program(nested, VECTOR, F64)
    assert alike(fn, copied(fn))
    (let,) = fn.lets
    assert alike(fn, with_lets(fn, [replace(let, fns=(copied(let.fns[0]),))]))


def test_what_differs_is_not_alike() -> None:
    fn = program(nested, VECTOR, F64)
    assert not alike(fn, replace(program(lambda x, w: nested(x, w), VECTOR, F64), name="nested"))  # it is called otherwise
    assert not alike(fn, replace(fn, results=(fn.params[1],)))
    assert not alike(fn, replace(fn, lets=()))
    (let,) = fn.lets
    body = let.fns[0]
    assert not alike(fn, with_lets(fn, [replace(let, attrs={**let.attrs, "reverse": True})]))
    assert not alike(fn, with_lets(fn, [with_fns(let, [replace(body, results=(body.params[1],))])]))
    assert not alike(fn, with_lets(fn, [replace(let, args=(*let.args[:-1], fn.params[0]))]))


# ---- what is found once


def test_a_fact_is_found_once_and_goes_with_its_object() -> None:
    asked = []

    @fact
    def size(let: Let) -> int:
        asked.append(let.op.name)
        return len(let.args)

    fn = program(lambda x, z: x * z, F64, F64)
    let = fn.lets[0]
    assert [size(let), size(let), asked] == [2, 2, ["mul"]]
    assert uses(let) == set(fn.params)
    gone = weakref.ref(let)
    gc.disable()  # it has no need of it
    try:
        del let, fn
        assert gone() is None
    finally:
        gc.enable()


def test_facts_of_one_name_are_two() -> None:
    def first() -> Any:
        @fact
        def found(let: Let) -> str:
            return "first"

        return found

    def second() -> Any:
        @fact
        def found(let: Let) -> str:
            return "second"

        return found

    let = program(lambda x: exp(x), F64).lets[0]
    assert (first()(let), second()(let)) == ("first", "second")


def test_programs_that_passes_know_are_not_kept_alive() -> None:
    fn = verify(simplify(needed(program(nested, VECTOR, F64))))
    gone = [weakref.ref(f) for f in (fn, *[f for _, let in everywhere(fn) for f in let.fns])]
    assert len(gone) == 2
    del fn
    gc.collect()
    assert [r() for r in gone] == [None, None]


def test_what_is_needed_is_not_made_anew() -> None:
    fn = program(nested, VECTOR, F64)
    assert needed(fn) is fn
    dead = trace(lambda x, z: (exp(z), nested(x, z))[1], fn.params, "dead")
    lean = needed(dead)
    assert lean.lets == dead.lets[1:] and needed(lean) is lean


def test_constructs_lose_what_is_dead_and_stay_themselves_otherwise() -> None:
    def f(x: Any, z: Any) -> Any:
        return loop(0, N, lambda i, s, a: (s + get(x, i), add_at(a, z, i)), value(0.0), x)

    fn = program(f, VECTOR, F64)
    (let,) = fn.lets
    assert needed(fn).lets[0] is let
    (left,) = needed(replace(fn, results=fn.results[:1])).lets
    assert Loop.of(left).count == 1


def test_bodies_that_are_well_formed_are_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    fn = verify(program(nested, VECTOR, F64))
    looked = []
    inside = verify_module._let
    monkeypatch.setattr(verify_module, "_let", lambda let, bound: looked.append(let.op.name) or inside(let, bound))
    verify(fn)
    assert looked == []
    verify(replace(fn, name="other"))
    assert looked == ["loop"]


def test_an_ill_formed_statement_around_a_well_formed_body_is_refused() -> None:
    fn = verify(program(nested, VECTOR, F64))
    (let,) = fn.lets
    with pytest.raises(verify_module.IRError):
        verify(with_lets(fn, [replace(let, args=let.args[:-1])]))


def test_nothing_was_asked_of_a_program_without_rules() -> None:
    fn = program(lambda x: exp(sin(x)), F64)
    assert settled(fn, Asked()) and not settled(fn, Asked(again=True))
