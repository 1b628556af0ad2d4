"""Reading and writing by keys, masks and index tensors: what PyTorch says of them, values and gradients."""

import numpy as np
import pytest

import jitgrad.eager as torch
from jitgrad.eager import run as running
from jitgrad.eager.run import settings

from .gradients import check
from .said import said, table


@pytest.mark.parametrize(("source", "expected"), table("indexing"))
def test_as_pytorch_says(source, expected):
    assert said(torch, source) == expected


ROWS, COLUMNS = np.array([0, -1, 0]), np.array([3, 1, -2])
MASK = np.array([[True, False, True, True], [False] * 4, [True, True, False, False]])
NONE = np.zeros((3, 4), bool)
GRID = np.array([[0, 1], [2, 0]])
T = torch.tensor
KEYS = {
    "number": 1, "negative": -1, "slice": slice(1, None), "step": slice(None, None, 2), "empty": slice(2, 1),
    "two": (slice(1, 3), 2), "dots": (..., 0), "new": (None, 1), "newer": (slice(None), None, slice(1, None)), "all": ...,
    "rows": ROWS, "columns": (slice(None), COLUMNS), "pairs": (ROWS, COLUMNS), "grid": (GRID, 1), "grids": (GRID, ROWS[:2]),
    "rows_slice": (ROWS, slice(1, 3)), "outer": (ROWS[:, None], COLUMNS), "list": [2, 0], "mask": MASK, "no_mask": NONE,
    "row_mask": np.array([True, False, True]), "column_mask": (slice(None), np.array([True, False, True, False])),
    "mask_number": (np.array([True, False, True]), 1), "dots_rows": (..., COLUMNS), "new_rows": (None, ROWS),
    "mask_pair": (np.array([True, False, True]), np.array([1, 3])),
}  # fmt: skip


def of_tensors(key):
    """The key with tensors in the place of arrays."""
    if isinstance(key, tuple):
        return tuple(of_tensors(k) for k in key)
    return T(key) if isinstance(key, np.ndarray) else key


@pytest.mark.parametrize("name", KEYS)
def test_reading(name):
    key = KEYS[name]
    check(lambda x: x[of_tensors(key)], lambda a: a[key])


WRITTEN = [(name, "tensor") for name in KEYS if name not in ("negative", "all", "empty", "newer", "no_mask", "grids")]
WRITTEN += [(name, kind) for name in ("slice", "mask", "column_mask", "rows") for kind in ("number", "scalar")]


@pytest.mark.parametrize(("name", "kind"), WRITTEN)
def test_writing(name, kind):
    key = KEYS[name]
    if name == "rows":
        key = ROWS[:2]
    if name in ("pairs", "grid", "grids", "outer", "dots_rows", "columns", "rows_slice", "new_rows"):
        key = {
            "pairs": (ROWS[:2], COLUMNS[:2]), "grid": (np.array([[0, 1]]), 1), "grids": (np.array([[0, 1]]), np.array([2, 3])),
            "outer": (ROWS[:2, None], COLUMNS[:2]), "dots_rows": (..., COLUMNS[:2]), "columns": (slice(None), COLUMNS[:2]),
            "rows_slice": (ROWS[:2], slice(1, 3)), "new_rows": (None, ROWS[:2]),
        }[name]  # fmt: skip

    def value_of(z, module):
        part = z[of_tensors(key) if module is torch else key]
        return {"number": 2.5, "scalar": z[0, 0] * 3, "tensor": part * 2 + 1}[kind]

    def with_tensors(x):
        y = x.clone()
        y[of_tensors(key)] = value_of(x, torch)
        return y

    def with_arrays(a):
        b = a.copy()
        b[key] = value_of(a, np)
        return b

    check(with_tensors, with_arrays)


def test_a_number_takes_its_axis_first():
    """PyTorch applies numbers before tensors: the axes of the tensors stay where they are."""
    x = torch.arange(60).reshape(3, 4, 5)
    assert x[0, :, T([1, 2, 0])].shape == (4, 3)
    assert x[T([0, 1]), :, T([1, 2])].shape == (2, 4)
    assert x[:, T([0, 1]), T([1, 2])].shape == (3, 2)


def put_along(a, i, v, axis):
    b = a.copy()
    np.put_along_axis(b, i, v, axis)
    return b


def add_at(a, key, v):
    b = a.copy()
    np.add.at(b, key, v)
    return b


def folded(a, ufunc, source, include):
    """scatter_reduce along axis 1 with REPEATED."""
    b = a.copy()
    for r in range(3):
        for c in range(4):
            got = [source[r, k] for k in range(3) if REPEATED[r, k] == c]
            if got:
                b[r, c] = ufunc.reduce(([a[r, c]] if include else []) + got)
    return b


ALONG = np.array([[0, 2], [3, 0], [1, 1]])
REPEATED = np.array([[0, 2, 0], [3, 3, 3], [1, 0, 2]])
CELLS = np.array([[0, 11], [5, -3]])
CASES = {
    "gather": (lambda x: x.gather(1, T(ALONG)), lambda a: np.take_along_axis(a, ALONG, 1)),
    "gather_less": (lambda x: x.gather(1, T(ALONG[:2])), lambda a: np.take_along_axis(a[:2], ALONG[:2], 1)),
    "gather_rows": (lambda x: torch.gather(x, 0, T(GRID)), lambda a: np.take_along_axis(a[:, :2], GRID, 0)),
    "take_along_dim": (
        lambda x: x.take_along_dim(T([[1], [-1], [0]]), 1), lambda a: np.take_along_axis(a, np.array([[1], [-1], [0]]), 1),
    ),
    "scatter": (
        lambda x: x.scatter(1, T([[1], [0], [3]]), x[:, :1] * 2),
        lambda a: put_along(a, np.array([[1], [0], [3]]), a[:, :1] * 2, 1),
    ),
    "scatter_number": (
        lambda x: x.scatter(0, T([[1, 2, 0, 1]]), 5.0), lambda a: put_along(a, np.array([[1, 2, 0, 1]]), 5.0, 0),
    ),
    "scatter_add": (
        lambda x: x.scatter_add(1, T(REPEATED), x[:, :3] ** 2),
        lambda a: add_at(a, (np.arange(3)[:, None], REPEATED), a[:, :3] ** 2),
    ),
    "scatter_add_reduce": (
        lambda x: x.scatter(1, T(REPEATED), x[:, 1:], reduce="add"),
        lambda a: add_at(a, (np.arange(3)[:, None], REPEATED), a[:, 1:]),
    ),
    **{
        f"scatter_reduce_{name}_{include}": (
            lambda x, name=name, include=include: x.scatter_reduce(1, T(REPEATED), x[:, 1:] * 2, name, include_self=include),
            lambda a, ufunc=ufunc, include=include: folded(a, ufunc, a[:, 1:] * 2, include),
        )
        for name, ufunc in (("sum", np.add), ("prod", np.multiply), ("amax", np.maximum), ("amin", np.minimum))
        for include in (True, False)
    },
    "scatter_mean": (
        lambda x: x.scatter_reduce(1, T(REPEATED), x[:, 1:], "mean", include_self=False),
        lambda a: np.stack([
            [np.mean([a[r, 1 + k] for k in range(3) if REPEATED[r, k] == c] or [a[r, c]]) for c in range(4)] for r in range(3)
        ]),
    ),
    "index_select": (lambda x: x.index_select(1, T([3, 0, 3])), lambda a: a[:, [3, 0, 3]]),
    "index_add": (
        lambda x: x.index_add(0, T([0, 2, 0]), x * x, alpha=2), lambda a: add_at(a, np.array([0, 2, 0]), 2 * a * a),
    ),
    "index_copy": (lambda x: x.index_copy(0, T([2, 0]), x[:2] * 3), lambda a: np.stack([a[1] * 3, a[1], a[0] * 3])),
    "index_fill": (lambda x: x.index_fill(1, T([1]), 2.0), lambda a: np.where(np.arange(4) == 1, 2.0, a)),
    "index_fill_tensor": (lambda x: x.index_fill(1, T([1]), x.sum()), lambda a: np.where(np.arange(4) == 1, a.sum(), a)),
    "index_put": (
        lambda x: x.index_put((T([0, 1]), T([2, 3])), x[2, :2]),
        lambda a: put_along(a.reshape(1, -1), np.array([[2, 7]]), a[2, :2], 1).reshape(3, 4),
    ),
    "index_put_add": (
        lambda x: x.index_put((T(ROWS), T(COLUMNS)), x[:, 0], accumulate=True), lambda a: add_at(a, (ROWS, COLUMNS), a[:, 0]),
    ),
    "take": (lambda x: x.take(T(CELLS)), lambda a: a.reshape(-1)[CELLS]),
    "put": (
        lambda x: x.put(T([1, -1]), x[0, :2]),
        lambda a: put_along(a.reshape(-1), np.array([1, 11]), a[0, :2], 0).reshape(3, 4),
    ),
    "put_add": (
        lambda x: x.put(T([1, 1]), x[0, :2], accumulate=True),
        lambda a: add_at(a.reshape(-1), np.array([1, 1]), a[0, :2]).reshape(3, 4),
    ),
    "masked_fill": (lambda x: x.masked_fill(T(MASK), 2.0), lambda a: np.where(MASK, 2.0, a)),
    "masked_fill_tensor": (lambda x: x.masked_fill(T(MASK), x[0, 0]), lambda a: np.where(MASK, a[0, 0], a)),
    "masked_select": (lambda x: x.masked_select(T(MASK)), lambda a: a[MASK]),
    "masked_select_broadcast": (lambda x: x.masked_select(T(MASK[0])), lambda a: a[np.broadcast_to(MASK[0], a.shape)]),
    "masked_scatter": (
        lambda x: x.masked_scatter(T(MASK), x.flip(0)), lambda a: put_along(
            a.reshape(-1), np.flatnonzero(MASK), a[::-1].reshape(-1)[: MASK.sum()], 0).reshape(3, 4),
    ),
    "where": (lambda x: torch.where(T(MASK), x, x[:, :1] ** 2), lambda a: np.where(MASK, a, a[:, :1] ** 2)),
    "where_number": (lambda x: torch.where(x > 0.5, x * x, 0.0), lambda a: np.where(a > 0.5, a * a, 0.0)),
    "where_method": (lambda x: x.where(T(MASK), -1.0), lambda a: np.where(MASK, a, -1.0)),
    "select_scatter": (lambda x: x.select_scatter(x[0] * 2, 0, -1), lambda a: np.stack([a[0], a[1], a[0] * 2])),
    "slice_scatter": (
        lambda x: x.slice_scatter(x[:, :2], 1, 0, None, 2), lambda a: np.stack([a[:, 0], a[:, 1], a[:, 1], a[:, 3]], 1),
    ),
    "diagonal_scatter": (
        lambda x: x.diagonal_scatter(x[0, :3], 1), lambda a: np.where(np.eye(3, 4, 1) == 1, np.roll(a[0], 1) * 0 + a[
            0, [0, 0, 1, 2]] * np.ones((3, 1)), a),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name):
    check(*CASES[name])


@pytest.mark.parametrize("name", ["gather", "scatter_add", "index_put_add", "masked_select", "where", "scatter_reduce_amax_True"])
def test_compiled(name, monkeypatch):
    monkeypatch.setattr(settings, "compile_after", 0)
    monkeypatch.setattr(running, "entries", {})
    f, g = CASES[name]
    a = np.random.default_rng(1).normal(size=(3, 4))
    x = torch.tensor(a, requires_grad=True)
    y = f(x)
    (y * y).sum().backward()
    np.testing.assert_allclose(y.detach().numpy(), g(a))
    step = 1e-6
    slope = (np.sum(g(a + step * a) ** 2) - np.sum(g(a - step * a) ** 2)) / (2 * step)
    assert float((x.grad * torch.tensor(a)).sum()) == pytest.approx(slope, rel=1e-6)


def test_nonzero():
    x = T([[0.0, 2.0], [3.0, 0.0]])
    assert x.nonzero().tolist() == [[0, 1], [1, 0]]
    assert [k.tolist() for k in torch.nonzero(x, as_tuple=True)] == [[0, 1], [1, 0]]
    assert torch.argwhere(x > 5).shape == (0, 2)
    assert [k.tolist() for k in torch.where(x > 2.5)] == [[1], [0]]


def test_a_mask_of_each_step_is_one_program(monkeypatch):
    """How much a mask selects is data: the program stays the same."""
    entries = {}
    monkeypatch.setattr(running, "entries", entries)
    w = torch.ones(6, requires_grad=True, dtype=torch.float64)
    rng = np.random.default_rng(0)
    for _ in range(5):
        x = T(rng.normal(size=6))
        keep = x > 0
        keep.tolist()
        (w * x)[keep].sum().backward()
    assert max(e.seen for e in entries.values()) >= 4
    assert len(entries) <= 4


def test_numbers_of_tensors_as_indices():
    x = torch.arange(5)
    assert x[T(2)].tolist() == 2 and x[T(1) : T(3)].tolist() == [1, 2]
    assert x[np.int64(-1)].tolist() == 4 and x[np.array([0, 1])].tolist() == [0, 1]
    assert list(range(5))[T(3)] == 3


def test_a_mask_of_bytes_warns():
    with pytest.warns(UserWarning, match="indexing with dtype torch.uint8 is now deprecated"):
        assert torch.arange(3)[torch.tensor([1, 0, 1], dtype=torch.uint8)].tolist() == [0, 2]


def test_lists_in_lists_warn():
    with pytest.warns(UserWarning, match="Using a non-tuple sequence for multidimensional indexing is deprecated"):
        assert torch.arange(6).reshape(2, 3)[[[0, 1], [1, 2]]].tolist() == [1, 5]


def test_iteration_and_membership():
    x = torch.arange(6.0).reshape(3, 2)
    assert [r.tolist() for r in x] == [[0, 1], [2, 3], [4, 5]]
    assert len(x) == 3 and sum(x).tolist() == [6, 9]
    a, b, c = x
    assert c.tolist() == [4, 5]
    with pytest.raises(TypeError, match="iteration over a 0-d tensor"):
        iter(torch.tensor(1.0))
