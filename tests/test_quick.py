"""The short way of a call: keys tell apart what one program does not serve; results come in the user's structure."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from dataclasses import dataclass

import numpy as np
import pytest

import jitgrad as jg
from jitgrad.api.quick import DEPTH, key_of, maker
from jitgrad.errors import DTypeError
from jitgrad.front.tree import flatten

Point = namedtuple("Point", "x y")


@dataclass(frozen=True)
class State:
    pos: float
    rest: tuple


def nested(depth: int):
    tree = 1.0
    for _ in range(depth):
        tree = [tree]
    return tree


x3, x4 = np.ones(3), np.ones(4)

# Arguments of which no two may be served by one program without a question.
APART = [
    (),
    (1.0,),
    (1.0, 1.0),
    ((1.0, 1.0),),
    ((1.0,), 1.0),
    ([1.0, 1.0],),
    (1,),
    (2,),
    (True,),
    ("a",),
    (None,),
    (np.float64(1.0),),
    (np.float32(1.0),),
    (np.int64(1),),
    (x3,),
    (x4,),
    (x3.astype(np.float32),),
    (x3.astype(int),),
    (x3[:, None],),
    (x3[None],),
    ({"a": 1.0, "b": 2.0},),
    ({"b": 1.0, "a": 2.0},),
    ({1: 1.0},),
    ({True: 1.0},),
    ({1.0: 1.0},),
    (OrderedDict(a=1.0, b=2.0),),
    (Point(1.0, 1.0),),
    (State(1.0, (1.0,)),),
    (State((1.0,), (1.0,)),),
]


def test_keys_tell_arguments_apart():
    flatten(APART)  # classes met for the first time go the long way
    keys = [key_of(args, {})[0] for args in APART]
    keys += [key_of((1.0,), {"a": 1.0})[0], key_of((1.0,), {"b": 1.0})[0], key_of((), {"a": 1.0})[0]]
    assert None not in keys and len(set(keys)) == len(keys)


def test_equal_calls_have_equal_keys():
    for args in APART:
        assert key_of(args, {})[0] == key_of(tuple(args), {})[0]
    assert key_of((1.0, x3), {})[0] == key_of((2.0, x3 + 1.0), {})[0]


LONG = [x3[::2], np.array(1.0), np.ma.array(x3), np.ones((2, 3)).T, 1j, object(), nested(DEPTH + 1)]


@pytest.mark.parametrize("x", LONG, ids=type)
def test_what_goes_the_long_way(x):
    assert key_of((x,), {})[0] is None and key_of((1.0, [x]), {})[0] is None


def test_leaves_are_those_of_the_tree_without_the_static_ones():
    args, kwargs = (1.0, {"w": x3, "n": 2, "mode": "fast"}, [None, True]), {"z": x4}
    leaves = key_of(args, kwargs)[1]
    assert [id(a) for a in leaves] == [id(a) for a in flatten((args, kwargs))[0] if not isinstance(a, (str, bool))]


TREES = [*(args[0] for args in APART[1:]), (), [], {}, ((), [None, {"a'\n": (1.0,)}]), nested(DEPTH + 3), nested(150)]


@pytest.mark.parametrize("value", TREES, ids=lambda t: str(t)[:30])
def test_results_are_put_together_as_unflatten_does(value):
    leaves, tree = flatten(value)
    new = [float(k) for k in range(len(leaves))]
    make = maker(tree, [f"scale * r[{k}]" for k in range(len(leaves))], {"scale": 2.0})
    made, wanted = make(new), tree.unflatten([2.0 * x for x in new])
    assert type(made) is type(wanted) and flatten(made)[1] == flatten(wanted)[1]
    assert flatten(made)[0] == flatten(wanted)[0]
    assert not leaves or not isinstance(made, (list, dict)) or make(new) is not made


def test_a_program_of_plain_arrays_does_not_serve_masked_ones():
    square = jg.grad(lambda x: np.sum(x * x))
    square(x3)
    with pytest.raises(DTypeError, match="MaskedArray"):
        square(np.ma.array(x3, mask=[False, True, False]))


def test_repeated_calls_notice_what_differs():
    def f(x, n, flag, *, scale):
        return np.sum(x) * n * (scale if flag else -scale)

    g = jg.grad(f)
    for _ in range(2):
        for x in (x3, x4, x3[::2]):
            for n in (2, 3):
                for flag in (True, False):
                    expected = n * (5.0 if flag else -5.0)
                    assert np.array_equal(g(x, n, flag, scale=5.0), np.full(x.shape, expected))
