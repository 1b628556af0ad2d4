"""Nested arguments <-> flat leaves: round trips, names, equality of structures, and what is refused."""

from __future__ import annotations

import math
from collections import OrderedDict, defaultdict, namedtuple
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jitgrad.errors import StructureError
from jitgrad.front.tree import MAX_DEPTH, flatten, flatten_args, flatten_like, leaf_type, register

Pair = namedtuple("Pair", "first second")


class State(NamedTuple):
    pos: Any
    vel: Any = 0.0


@dataclass
class Point:
    x: Any
    y: Any = None


@dataclass(frozen=True)
class Disc:
    r: Any
    area: Any = field(init=False, default=-1.0)

    def __post_init__(self):
        object.__setattr__(self, "area", math.pi * self.r**2)


@dataclass(frozen=True)
class Slotted:
    __slots__ = ("a", "b")
    a: Any
    b: Any


class Poly:
    def __init__(self, coefs, degree):
        self.coefs, self.degree = coefs, degree

    def __eq__(self, other):
        return (self.coefs, self.degree) == (other.coefs, other.degree)


register(Poly, lambda p: ({"coefs": p.coefs}, p.degree), lambda parts, degree: Poly(parts["coefs"], degree))

numbers = st.one_of(st.integers(-2, 2), st.booleans(), st.floats(allow_nan=False))
keys = st.one_of(st.text(max_size=3), numbers, st.tuples(numbers))
leaves = st.one_of(st.floats(allow_nan=False), st.integers(), st.booleans(), st.text(max_size=3))


def containers(inner):
    return st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(keys, inner, max_size=4),
        st.dictionaries(keys, inner, max_size=3).map(OrderedDict),
        st.builds(Pair, inner, inner),
        st.builds(State, inner, inner),
        st.builds(Point, inner, inner),
        st.builds(Slotted, inner, inner),
        st.builds(Poly, inner, st.integers(0, 3)),
    )


nested = st.recursive(st.one_of(st.none(), leaves), containers, max_leaves=25)


def same(a, b) -> bool:
    """Equal in value, in types and in the order of dicts, decided without the code under test."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return same(list(a.items()), list(b.items()))
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, (Point, Disc)):
        return same(vars(a), vars(b))
    if isinstance(a, Slotted):
        return same((a.a, a.b), (b.a, b.b))
    if isinstance(a, Poly):
        return same((a.coefs, a.degree), (b.coefs, b.degree))
    return a == b and repr(a) == repr(b)


@settings(max_examples=300)
@given(nested)
def test_round_trip(x):
    flat, tree = flatten(x)
    assert tree.size == len(flat) == len(tree.paths())
    assert not any(isinstance(leaf, (tuple, list, dict, Point, Slotted, Poly, type(None))) for leaf in flat)
    again = tree.unflatten(flat)
    assert same(again, x)
    flat2, tree2 = flatten(again)
    assert tree2 == tree and hash(tree2) == hash(tree) and same(flat2, flat)
    assert same(flatten_like(tree, x), flat)


@settings(max_examples=200)
@given(nested, nested)
def test_structures_are_equal_exactly_if_the_rest_is(x, z):
    """Replacing every leaf by one and the same thing shows the structure alone."""
    (fx, tx), (fz, tz) = flatten(x), flatten(z)
    assert (tx == tz) == same(tx.unflatten([0] * len(fx)), tz.unflatten([0] * len(fz)))


# fmt: off
NAMES = [
    (1.0,                                       ["x"]),
    (None,                                      []),
    ((1.0, [2, 3.0]),                           ["x[0]", "x[1][0]", "x[1][1]"]),
    ({"w1": 1.0, "b": {2: 3, (4, "k"): 5}},     ["x['w1']", "x['b'][2]", "x['b'][(4, 'k')]"]),
    (State([1.0, 2.0], 3.0),                    ["x.pos[0]", "x.pos[1]", "x.vel"]),
    (Point(Pair(1, 2), None),                   ["x.x.first", "x.x.second"]),
    (Disc(2.0),                                 ["x.r", "x.area"]),
    (Slotted(1, 2),                             ["x.a", "x.b"]),
    (Poly([1.0, 2.0], 1),                       ["x.coefs[0]", "x.coefs[1]"]),
]
# fmt: on


@pytest.mark.parametrize("x, names", NAMES, ids=lambda v: type(v).__name__)
def test_each_leaf_has_the_name_that_reads_it(x, names):
    flat, tree = flatten(x)
    assert tree.paths() == names
    assert [eval(name, {"x": x}) for name in tree.paths()] == flat


def test_arguments_are_named_after_the_parameters():
    tree = flatten_args((1.0, {"w": [2.0, 3.0]}, None))[1]
    assert tree.arg_paths(["t", "params", "extra"]) == ["t", "params['w'][0]", "params['w'][1]"]
    with pytest.raises(StructureError, match=r"(?s)wanted: one for each of 3\n.*got:    t, params"):
        tree.arg_paths(["t", "params"])


@pytest.mark.parametrize("n", [0, 1, 2, 16, 17, 40])
def test_flat_arguments_are_passed_on_as_they_are(n):
    args = tuple(np.zeros(2) if i % 2 else float(i) for i in range(n))
    flat, tree = flatten_args(args)
    assert flat is args
    general, same_tree = flatten(args)
    assert all(a is b for a, b in zip(general, args, strict=True))
    assert tree == same_tree and hash(tree) == hash(same_tree) and tree.size == n
    assert tree.unflatten(flat) == args


def test_arrays_pass_through_by_identity_and_may_be_shared():
    a = np.arange(3.0)
    shared = [a]
    flat, tree = flatten({"u": shared, "v": shared, "w": a})
    assert len(flat) == 3 and all(leaf is a for leaf in flat)
    assert all(leaf is a for leaf in flatten(tree.unflatten(flat))[0])


@pytest.mark.parametrize(
    "a, b",
    [
        ((1, 2), [1, 2]),
        ((1, 2), Pair(1, 2)),
        (Pair(1, 2), State(1, 2)),
        ((1,), (1, None)),
        ([], ()),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({1: 0}, {True: 0}),
        ({1: 0}, {1.0: 0}),
        ({0.0: 0}, {-0.0: 0}),
        ({(1,): 0}, {(1.0,): 0}),
        ({"a": 1}, OrderedDict(a=1)),
        (Poly([1.0], 1), Poly([1.0], 2)),
        (Poly([1.0], 1), Poly([1.0], True)),
    ],
)
def test_structures_that_a_program_can_tell_apart_differ(a, b):
    assert flatten(a)[1] != flatten(b)[1]
    assert flatten(a)[1] == flatten(a)[1]


def test_a_dataclass_is_rebuilt_from_all_that_it_holds():
    """`__post_init__` does not run again, what it computed is a leaf, and a class's default does not shine through."""

    @dataclass
    class Model:
        w: Any
        scale = 1.0  # no field: overridden on the instance

        @cached_property
        def doubled(self):
            return 2 * self.w

    m = Model(3.0)
    m.scale = 5.0
    assert m.doubled == 6.0
    flat, tree = flatten(m)
    assert tree.paths("m") == ["m.w", "m.scale"]
    again = tree.unflatten([4.0, 7.0])
    assert (again.w, again.scale, again.doubled) == (4.0, 7.0, 8.0)

    disc = flatten(Disc(1.0))[1].unflatten([2.0, 0.5])
    assert (disc.r, disc.area) == (2.0, 0.5)


def test_what_is_no_container_is_a_leaf():
    class Plain:
        pass

    things = [Plain(), len, Point, np.float32(1), {1, 2}, b"x", range(3), 1 + 2j]
    flat, _ = flatten(things)
    assert all(a is b for a, b in zip(flat, things, strict=True))


def test_a_dataclass_can_be_declared_a_leaf():
    @leaf_type
    @dataclass
    class Box:
        value: float

    box = Box(1.0)
    assert flatten_args((box,))[0] == (box,)
    assert flatten([box])[0] == [box]


def test_registering_replaces_what_was_known():
    class Late:
        def __init__(self, v):
            self.v = v

    late = Late(2.0)
    assert list(flatten_args((late,))[0]) == [late]
    register(Late, lambda x: ({"v": x.v}, None), lambda parts, _: Late(parts["v"]))
    assert flatten_args((late,))[0] == [2.0]


# ---- what is refused


def cyclic_list():
    x = [1.0]
    x.append({"self": [x]})
    return x


def cyclic_dict():
    x = {"a": 1.0}
    x["me"] = x
    return (2.0, x)


def chain(depth):
    x = 1.0
    for _ in range(depth):
        x = [x]
    return x


class Unhashable:
    pass


register(Unhashable, lambda x: ({}, [1]), lambda parts, rest: Unhashable())


# fmt: off
REFUSED = [
    (cyclic_list(),         "x[1]['self'][0] is x again: what contains itself has no",  "pass it without the cycle"),
    (cyclic_dict(),         "x[1]['me'] is x[1] again",                                 "pass it without the cycle"),
    (chain(MAX_DEPTH + 1),  "x nests deeper than 200 levels",                           "pass an array or a flat list"),
    (defaultdict(int),      "how to make a collections.defaultdict from its parts is", "pass a plain dict, or say how"),
    (Unhashable(),          "`to_children` of Unhashable returned, beside the parts,", "return arrays and numbers"),
]
# fmt: on


@pytest.mark.parametrize("x, headline, repair", REFUSED, ids=["list", "dict", "chain", "defaultdict", "unhashable"])
def test_refused(x, headline, repair):
    with pytest.raises(StructureError) as e:
        flatten(x)
    assert str(e.value).startswith(headline)
    assert f"repair: {repair}" in str(e.value)
    assert "    flatten(x)\n" in str(e.value)  # the user's line


def test_a_container_class_of_the_user_is_refused_with_the_repair():
    class Stack(list):
        pass

    with pytest.raises(StructureError, match=r"(?s)Stack from its parts.* plain list, or .* jitgrad.register"):
        flatten_args((Stack([1.0]),))


def test_the_deepest_that_is_allowed():
    flat, tree = flatten(chain(MAX_DEPTH))
    assert flat == [1.0] and tree.unflatten(flat) == chain(MAX_DEPTH)
    assert tree == flatten(chain(MAX_DEPTH))[1]


def test_the_number_of_leaves_must_fit():
    tree = flatten((1.0, [2.0]))[1]
    for wrong in ([], [1.0], [1.0, 2.0, 3.0]):
        with pytest.raises(StructureError, match=rf"wanted: 2 leaves for TreeDef.*\n *got: +{len(wrong)}"):
            tree.unflatten(wrong)
    with pytest.raises(StructureError, match="wanted: 1 leaves"):
        flatten(1.0)[1].unflatten([])


def test_like_takes_the_entries_of_a_dict_in_any_order():
    tree = flatten({"a": [1.0, 2.0], 3: 4.0})[1]
    assert flatten_like(tree, {3: 40.0, "a": [10.0, 20.0]}) == [10.0, 20.0, 40.0]
    assert flatten_like(tree, {3: 40.0, "a": None}) == [None, None, 40.0]
    assert flatten_like(tree, None) == [None, None, None]


OTHER, PARTS, BESIDE = "has another structure", "has other parts", "differs beside its parts"
ab, ba = OrderedDict(a=1, b=2), OrderedDict(b=2, a=1)
# fmt: off
UNLIKE = [
    (1.0,               [1.0],                f"g {OTHER}",      "a number or an array", "a list of 1"),
    ([1.0],             1.0,                  f"g {OTHER}",      "a list",       "a leaf of type float"),
    ((None, 1.0),       (2.0, 1.0),           f"g[0] {OTHER}",   "None",         "a leaf of type float"),
    (Pair(1, 2),        State(1, 2),          f"g {OTHER}",      "a Pair",       "a State of 2"),
    ({"w": (1.0, 2.0)}, {"w": (1.0,)},        f"g['w'] {PARTS}", "a tuple of 2", "a tuple of 1 without g['w'][1]"),
    ({"w": 1.0},        {"w": 1.0, "b": 2.0}, f"g {PARTS}",      "a dict of 1",  "a dict of 2 with g['b']"),
    ({"w": 1.0},        {"b": 2.0},           f"g {PARTS}",      "a dict of 1",
     "a dict of 1 without g['w'] and with g['b']"),
    (ab,                ba,                   f"g {PARTS}",      "a OrderedDict of 2",
     "a OrderedDict of 2 in another order"),
    (Poly(1.0, 1),      Poly(1.0, 2),         f"g {BESIDE}",
     "(('coefs',), (<class 'int'>, None, 1))", "(('coefs',), (<class 'int'>, None, 2))"),
]
# fmt: on


@pytest.mark.parametrize("like, x, headline, wanted, got", UNLIKE)
def test_like_says_where_the_structures_part(like, x, headline, wanted, got):
    with pytest.raises(StructureError) as e:
        flatten_like(flatten(like)[1], x, "g")
    lines = str(e.value).splitlines()
    assert lines[0] == headline
    assert lines[-2:] == [f"  wanted: {wanted}", f"  got:    {got}"]


def test_a_structure_shows_itself():
    assert repr(flatten(({"w": 1.0}, None, [2.0]))[1]) == "TreeDef(tuple([0] dict(['w'] *), [1] None, [2] list([0] *)))"
