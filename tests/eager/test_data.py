"""Data sets and loaders: batches, orders (PyTorch's, with the same seed), errors."""

from collections import namedtuple

import numpy as np
import pytest

import jitgrad.eager as jtorch
import jitgrad.eager.utils.data as data

TEN = data.TensorDataset(jtorch.arange(10), jtorch.arange(20).reshape(10, 2))


def numbers(loader):
    return [batch[0].tolist() for batch in loader]


def test_batches():
    assert numbers(data.DataLoader(TEN, batch_size=4)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert numbers(data.DataLoader(TEN, batch_size=4, drop_last=True)) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert [len(data.DataLoader(TEN, batch_size=4, drop_last=d)) for d in (False, True)] == [3, 2]
    x, y = next(iter(data.DataLoader(TEN, batch_size=3)))
    assert x.dtype is jtorch.int64 and y.tolist() == [[0, 1], [2, 3], [4, 5]]
    x[0] = 7
    assert TEN.tensors[0].tolist() == list(range(10))  # a batch is a copy


def test_the_same_orders_as_pytorch_for_a_seed():
    """Stored from PyTorch 2.13."""
    g = jtorch.Generator().manual_seed(3)
    loader = data.DataLoader(TEN, batch_size=4, shuffle=True, generator=g)
    assert numbers(loader) == [[7, 4, 2, 9], [1, 5, 0, 8], [6, 3]]
    assert sorted(k for batch in numbers(loader) for k in batch) == list(range(10)) and numbers(loader) != numbers(loader)
    jtorch.manual_seed(3)
    assert numbers(data.DataLoader(TEN, batch_size=4, shuffle=True)) == [[6, 2, 0, 1], [8, 3, 5, 4], [7, 9]]
    parts = data.random_split(TEN, [7, 3], jtorch.Generator().manual_seed(0))
    assert [p.indices for p in parts] == [[4, 1, 7, 5, 3, 9, 0], [8, 6, 2]]


def draws(torch):
    """All that is random, one after the other."""
    D = torch.utils.data
    out = []
    d = D.TensorDataset(torch.arange(10), torch.arange(20).reshape(10, 2))
    g = torch.Generator().manual_seed(4)
    loader = D.DataLoader(d, batch_size=4, shuffle=True, generator=g)
    out += [[b[1].tolist() for b in loader] for _ in range(3)]
    torch.manual_seed(5)
    loader = D.DataLoader(d, batch_size=3, shuffle=True, drop_last=True)
    out += [[b[0].tolist() for b in loader] for _ in range(3)]
    out.append(list(D.RandomSampler(d, replacement=True, num_samples=40)))
    out.append(list(D.RandomSampler(d, num_samples=25)))
    out.append(list(D.SubsetRandomSampler([3, 4, 5, 9])))
    out.append([p.indices for p in D.random_split(d, [0.33, 0.33, 0.34])])
    out.append(list(D.WeightedRandomSampler([0.1, 0.2, 0.7], 8)))
    out.append(list(D.WeightedRandomSampler([0.1, 0.2, 0.7, 3.0], 3, replacement=False)))
    out.append(torch.rand(3).tolist())
    return out


@pytest.mark.slow
def test_what_is_random_is_as_in_pytorch():
    torch = pytest.importorskip("torch")
    assert draws(jtorch) == draws(torch)


def test_single_samples():
    loader = data.DataLoader([1.5, np.zeros(2), {"a": [np.ones(1)]}], batch_size=None)
    a, b, c = loader
    assert a == 1.5 and b.tolist() == [0.0, 0.0] and c["a"][0].tolist() == [1.0] and len(loader) == 3


def test_samplers():
    assert numbers(data.DataLoader(TEN, sampler=[5, 2, 8], batch_size=2)) == [[5, 2], [8]]
    assert numbers(data.DataLoader(TEN, batch_sampler=[[9], [1, 2]])) == [[9], [1, 2]]
    assert list(data.BatchSampler(data.SequentialSampler(TEN), 4, True)) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    drawn = list(data.WeightedRandomSampler([0.0, 1.0, 0.0], 5))
    assert drawn == [1] * 5


class Squares(data.Dataset):
    def __len__(self):
        return 5

    def __getitem__(self, k):
        if k >= 5:
            raise IndexError
        return k, float(k * k)


class Count(data.IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter(range(self.n))


def test_datasets_of_ones_own():
    batches = list(data.DataLoader(Squares(), batch_size=2))
    assert [b[0].tolist() for b in batches] == [[0, 1], [2, 3], [4]] and batches[1][1].dtype is jtorch.float64
    assert [b.tolist() for b in data.DataLoader(Count(5), batch_size=2)] == [[0, 1], [2, 3], [4]]
    assert [b.tolist() for b in data.DataLoader(Count(5), batch_size=2, drop_last=True)] == [[0, 1], [2, 3]]
    assert list(data.DataLoader(Count(3), batch_size=None)) == [0, 1, 2]
    assert list(Count(2) + Count(3)) == [0, 1, 0, 1, 2]


def test_an_overridden_item_is_used():
    class Doubled(data.TensorDataset):
        def __getitem__(self, k):
            return tuple(2 * x for x in super().__getitem__(k))

    doubled = Doubled(jtorch.arange(3))
    assert numbers(data.DataLoader(doubled, batch_size=3)) == [[0, 2, 4]]
    assert numbers(data.DataLoader(data.Subset(doubled, [2, 0]), batch_size=2)) == [[4, 0]]


def test_several_samples_at_once():
    class Several(Squares):
        def __getitems__(self, indices):
            return [(k, "at once") for k in indices]

    assert list(data.DataLoader(Several(), batch_size=3))[0][1] == ["at once"] * 3


def test_joined_and_cut():
    both = Squares() + TEN
    assert len(both) == 15 and both[4] == (4, 16.0) and both[5][0].item() == 0 and both[-1][0].item() == 9
    part = data.Subset(TEN, [8, 3, 1])
    assert numbers(data.DataLoader(part, batch_size=2)) == [[8, 3], [1]] and part[1][0].item() == 3
    assert data.StackDataset([1, 2], [3, 4])[1] == (2, 4) and data.StackDataset(a=[1, 2], b="xy")[0] == {"a": 1, "b": "x"}
    assert [len(p) for p in data.random_split(range(10), [0.33, 0.33, 0.34])] == [4, 3, 3]


def test_gradients_go_through_a_batch():
    x = jtorch.arange(4.0).requires_grad_()
    for batch in (next(iter(data.DataLoader(d, batch_size=2))) for d in (data.TensorDataset(x), x)):
        batch = batch if isinstance(batch, jtorch.Tensor) else batch[0]
        x.grad = None
        (batch * batch).sum().backward()
        assert x.grad.tolist() == [0.0, 2.0, 0.0, 0.0]


Pair = namedtuple("Pair", "a b")
COLLATED = [
    ([1, 2], "tensor([1, 2])"),
    ([1.5, 2], "tensor([1.5000, 2.0000], dtype=torch.float64)"),
    ([True, False], "tensor([ True, False])"),
    (["a", "b"], "['a', 'b']"),
    ([{"a": 1, "b": 2.0}, {"a": 2, "b": 3.0}], "{'a': tensor([1, 2]), 'b': tensor([2., 3.], dtype=torch.float64)}"),
    ([(1, [2, 3]), (3, [4, 5])], "[tensor([1, 3]), [tensor([2, 4]), tensor([3, 5])]]"),
    ([Pair(1, 2), Pair(3, 4)], "Pair(a=tensor([1, 3]), b=tensor([2, 4]))"),
    ([np.ones(2, np.float32), np.zeros(2, np.float32)], "tensor([[1., 1.],\n        [0., 0.]])"),
    ([np.float32(1), np.float32(2)], "tensor([1., 2.])"),
    ([jtorch.ones(2), jtorch.zeros(2)], "tensor([[1., 1.],\n        [0., 0.]])"),
]


@pytest.mark.parametrize("batch, expected", COLLATED, ids=[e.replace("\n", " ") for _, e in COLLATED])
def test_collate(batch, expected):
    assert repr(data.default_collate(batch)) == expected


def test_a_collate_of_ones_own():
    loader = data.DataLoader(TEN, batch_size=2, collate_fn=lambda batch: sum(int(x) for x, _ in batch))
    assert list(loader) == [1, 5, 9, 13, 17]


ERRORS = [
    (lambda d: d.DataLoader(TEN, shuffle=True, sampler=[1]), ValueError, "sampler option is mutually exclusive with shuffle"),
    (
        lambda d: d.DataLoader(TEN, batch_sampler=[[1]], batch_size=3), ValueError,
        "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last",
    ),
    (
        lambda d: d.DataLoader(TEN, batch_size=0), ValueError,
        "batch_size should be a positive integer value, but got batch_size=0",
    ),
    (
        lambda d: d.DataLoader(TEN, num_workers=-1), ValueError,
        "num_workers option should be non-negative; use num_workers=0 to disable multiprocessing.",
    ),
    (lambda d: d.DataLoader(TEN, timeout=-1), ValueError, "timeout option should be non-negative"),
    (lambda d: d.DataLoader(TEN, persistent_workers=True), ValueError, "persistent_workers option needs num_workers > 0"),
    (
        lambda d: d.DataLoader(TEN, batch_size=None, drop_last=True), ValueError,
        "batch_size=None option disables auto-batching and is mutually exclusive with drop_last",
    ),
    (lambda d: d.RandomSampler([]), ValueError, "num_samples should be a positive integer value, but got num_samples=0"),
    (lambda d: d.RandomSampler(TEN, replacement=1), TypeError, "replacement should be a boolean value, but got replacement=1"),
    (lambda d: d.random_split(TEN, [3, 3]), ValueError, "Sum of input lengths does not equal the length of the input dataset!"),
    (lambda d: d.ConcatDataset([]), AssertionError, "datasets should not be an empty iterable"),
    (lambda d: d.Dataset()[0], NotImplementedError, "Subclasses of Dataset should implement __getitem__."),
    (
        lambda d: list(d.DataLoader([object()])), TypeError,
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found <class 'object'>",
    ),
    (
        lambda d: list(d.DataLoader([[1, 2], [1]], batch_size=2)), RuntimeError,
        "each element in list of batch should be of equal size",
    ),
]  # fmt: skip


@pytest.mark.parametrize("call, error, message", ERRORS, ids=lambda v: v if isinstance(v, str) else "")
def test_errors(call, error, message):
    with pytest.raises(error) as found:
        call(data)
    assert str(found.value) == message


@pytest.mark.slow
@pytest.mark.parametrize("call, error, message", ERRORS, ids=lambda v: v if isinstance(v, str) else "")
def test_errors_are_pytorchs(call, error, message):
    theirs = pytest.importorskip("torch.utils.data")
    with pytest.raises(error) as found:
        call(theirs)
    assert str(found.value) == message


def test_tensors_of_other_lengths():
    with pytest.raises(AssertionError, match="Size mismatch between tensors"):
        data.TensorDataset(jtorch.ones(3), jtorch.ones(4))
    with pytest.raises(RuntimeError, match=r"stack expects each tensor to be equal size, but got \[2\] at"):
        list(data.DataLoader([jtorch.ones(2), jtorch.ones(3)], batch_size=2))


def test_iterable_datasets_have_no_order():
    with pytest.raises(ValueError, match="expected unspecified shuffle option, but got shuffle=True"):
        data.DataLoader(Count(3), shuffle=True)


def test_workers_warn():
    with pytest.warns(UserWarning, match="num_workers=2: jitgrad.eager has no worker processes"):
        loader = data.DataLoader(TEN, batch_size=5, num_workers=2, prefetch_factor=4, pin_memory=True)
    assert numbers(loader) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]] and data.get_worker_info() is None
