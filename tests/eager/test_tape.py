"""GradientTape: the behaviour of TensorFlow's."""

import pytest

import jitgrad.eager as torch
from jitgrad.eager.tape import GradientTape, Variable


def test_the_articles_example():
    x = Variable(3.0)
    with GradientTape() as t:
        y = x * x
    assert t.gradient(y, x).item() == 6
    with pytest.raises(RuntimeError) as e:
        t.gradient(y, x)
    assert str(e.value) == "A non-persistent GradientTape can only be used to compute one set of gradients (or jacobians)"


def test_persistent_and_structures():
    x, w = Variable(3.0), Variable([1.0, 2.0])
    with GradientTape(persistent=True) as t:
        y = x * x
        z = y * y
        u = (w * x).sum()
    assert t.gradient(z, x).item() == 108 and t.gradient(y, x).item() == 6
    assert [g.item() for g in t.gradient(z, [x, y])] == [108, 18]
    found = t.gradient([z, u], {"x": x, "w": w})
    assert found["x"].item() == 111 and found["w"].tolist() == [3, 3]
    assert t.gradient(w * 1, w, output_gradients=torch.tensor([1.0, 10.0])).tolist() == [1, 10]


def test_watching():
    c = torch.tensor([1.0, 2.0])
    with GradientTape() as t:
        t.watch(c)
        y = c * c
    assert t.watched_variables()[0] is c and t.gradient(y, c).tolist() == [2, 4]
    x = Variable(2.0)
    with GradientTape(watch_accessed_variables=False, persistent=True) as t:
        y = x * x
    assert t.gradient(y, x) is None and t.gradient(y, x, unconnected_gradients="zero").item() == 0
    with GradientTape() as t, pytest.raises(ValueError, match="has no gradient"):
        t.watch(torch.tensor([1]))
    fixed = Variable(1.0, trainable=False)
    with GradientTape() as t:
        y = fixed * x
    assert t.gradient(y, fixed) is None


def test_stop_recording():
    x = Variable(3.0)
    with GradientTape() as t:
        y = x * 2
        with t.stop_recording():
            z = x * 5
    assert t.gradient([y, z], x).item() == 2


def test_nested_tapes():
    x = Variable(3.0)
    with GradientTape() as outer:
        with GradientTape() as inner:
            y = x**3
        d = inner.gradient(y, x)
    assert d.item() == 27 and outer.gradient(d, x).item() == 18


def test_jacobian():
    x = Variable([1.0, 2.0])
    with GradientTape(persistent=True) as t:
        y = x * x
    assert t.jacobian(y, x).tolist() == [[2, 0], [0, 4]]
    assert t.jacobian(y, Variable(1.0)) is None


def test_records_within_no_grad():
    x = Variable(3.0)
    with torch.no_grad(), GradientTape() as t:
        y = x * x
    assert t.gradient(y, x).item() == 6


def test_variables():
    x = Variable(3.0)
    assert x.assign(5.0) is x and x.item() == 5
    assert x.assign_sub(1.0).item() == 4 and x.assign_add(2.0).item() == 6 and x.is_leaf
    with pytest.raises(ValueError, match="Shape mismatch"):
        x.assign([1.0, 2.0])


def test_gradient_descent():
    x = Variable(10.0)
    for _ in range(3):
        with GradientTape() as t:
            loss = x**2 + 20
        x.assign_sub(0.1 * t.gradient(loss, x))
    assert x.item() == pytest.approx(5.12, rel=1e-6)


def test_a_tape_that_is_active():
    x = Variable(3.0)
    with GradientTape() as t:
        y = x * x
        with pytest.raises(RuntimeError, match="still active"):
            t.gradient(y, x)
        with pytest.raises(ValueError, match="Tape is still active"):
            t.__enter__()
    with pytest.raises(ValueError, match="unconnected_gradients"):
        t.gradient(y, x, unconnected_gradients="maybe")
