"""Memory and values shared with NumPy, DLPack and PyTorch itself."""

import array
import warnings

import numpy as np
import pytest
from scipy import special

import jitgrad.eager as torch

PLAIN = [getattr(torch, d) for d in "float32 float64 float16 complex64 int64 int8 uint8 bool".split()]


@pytest.mark.parametrize("dtype", PLAIN, ids=str)
def test_numpy_both_ways_without_a_copy(dtype):
    t = torch.zeros(2, 3, dtype=dtype)
    a = t[1].numpy()
    a[0] = 1
    assert t.tolist() == [[0, 0, 0], [1, 0, 0]]
    t[1, 2] = 1
    assert a.tolist() == [1, 0, 1]
    back = torch.from_numpy(a)
    back[1] = 1
    assert t.tolist() == [[0, 0, 0], [1, 1, 1]] and back.dtype is dtype


def test_a_view_of_an_array_keeps_sharing_when_the_array_is_gone():
    t = torch.zeros(3)
    a = t.numpy()
    part = a[1:]
    del a
    doubled = t * 2
    t.add_(1)
    part[0] = 7
    assert t.tolist() == [1, 7, 1] and doubled.tolist() == [0, 0, 0]
    window = memoryview(torch.Tensor.numpy(t))
    t[0] = 5
    assert window[0] == 5


def test_array_protocol():
    t = torch.tensor([1.0, 2.0])
    assert np.shares_memory(np.asarray(t), t.numpy())
    assert not np.shares_memory(np.array(t), t.numpy())
    assert np.asarray(t, dtype=np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="Unable to avoid copy"):
        np.asarray(t, dtype=np.float64, copy=False)
    assert np.stack([t, t]).tolist() == [[1, 2], [1, 2]] and np.arange(5)[torch.tensor([1, 3])].tolist() == [1, 3]
    np.testing.assert_allclose(t, [1, 2])


UFUNCS = [
    (np.sin, np.cos), (np.exp, np.exp), (np.sqrt, lambda v: 0.5 / np.sqrt(v)),
    (np.cbrt, lambda v: v ** (-2 / 3) / 3),
    (np.negative, lambda v: -np.ones_like(v)), (np.arctan, lambda v: 1 / (1 + v * v)),
    (special.expit, lambda v: special.expit(v) * special.expit(-v)),
]  # fmt: skip


@pytest.mark.parametrize("f, slope", UFUNCS, ids=[f.__name__ for f, _ in UFUNCS])
def test_ufuncs_are_recorded(f, slope):
    x = torch.tensor([0.5, 1.5], dtype=torch.float64, requires_grad=True)
    y = f(x)
    assert type(y) is torch.Tensor and y.requires_grad
    y.sum().backward()
    v = x.detach().numpy()
    np.testing.assert_allclose(y.detach().numpy(), f(v), rtol=1e-12)
    np.testing.assert_allclose(x.grad.numpy(), slope(v), rtol=1e-12)


def test_operators_with_arrays():
    x = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    a = np.array([3.0, 4.0])
    results = [a + x, a * x, x - a, a - x, a @ x, np.float64(2) * x]
    for y, expected in zip(results, [[4, 6], [3, 8], [-2, -2], [2, 2], 11, [2, 4]]):
        assert isinstance(y, torch.Tensor) and y.requires_grad and y.tolist() == expected
    assert (a > x).tolist() == [True, True] and (a == x).tolist() == [False, False]
    a += x.detach()
    assert type(a) is np.ndarray and a.tolist() == [4, 6]


def test_what_numpy_computes_itself():
    t = torch.tensor([1.0, 2.0, 3.0])
    assert np.add.reduce(t).item() == 6.0 and np.spacing(t).shape == (3,)
    out = np.zeros(3, np.float32)
    assert np.multiply(t, t, out=out) is out and out.tolist() == [1, 4, 9]
    z = torch.tensor([1 + 1j])
    assert np.square(z).tolist() == [2j]
    with pytest.raises(RuntimeError, match="Can't call numpy"):
        np.add.reduce(t.requires_grad_())


def test_buffers():
    raw = bytearray(np.array([1.0, 2.0, 3.0], np.float32).tobytes())
    t = torch.frombuffer(raw, dtype=torch.float32, offset=4, count=2)
    t[0] = 9
    assert np.frombuffer(raw, np.float32).tolist() == [1, 9, 3]
    ints = array.array("i", [1, 2])
    assert torch.frombuffer(ints, dtype=torch.int32).tolist() == [1, 2]


def test_memory_that_may_not_be_written():
    for t in (torch.from_numpy(np.broadcast_to(np.zeros(1), (3,))), torch.frombuffer(bytes(12), dtype=torch.float32)):
        with pytest.raises(RuntimeError, match=r"may not be written .*: write to a clone\(\) of it"):
            t[0] = 1
        t = t.clone()
        t[0] = 1
        assert t.tolist() == [1, 0, 0]


def test_dlpack():
    t = torch.zeros(3)
    a = np.from_dlpack(t)
    t[1] = 5
    assert a.tolist() == [0, 5, 0] and t.__dlpack_device__() == (1, 0)

    class Other:
        def __init__(self, a):
            self.a = a

        def __dlpack__(self, **asked):
            return self.a.__dlpack__(**asked)

        def __dlpack_device__(self):
            return self.a.__dlpack_device__()

    source = np.arange(4.0)
    back = torch.from_dlpack(Other(source))
    back[0] = 7
    assert source[0] == 7 and back.dtype is torch.float64
    with pytest.raises(BufferError, match=r"Can't export tensors that require gradient, use tensor.detach\(\)"):
        np.from_dlpack(torch.zeros(2, requires_grad=True))
    with pytest.raises(TypeError, match="__dlpack__"):
        torch.from_dlpack([1, 2])


def test_numbers():
    x = torch.tensor(2.5, requires_grad=True)
    for kind in (float, int, complex):
        with pytest.warns(UserWarning, match="^Converting a tensor with requires_grad=True to a scalar"):
            assert kind(x) == kind(2.5)
    assert [10, 20, 30][torch.tensor(1)] == 20 and list(range(torch.tensor(2))) == [0, 1]
    with pytest.raises(TypeError, match="only integer tensors of a single element can be converted to an index"):
        [1, 2][torch.tensor(1.0)]
    assert 2.0 in torch.tensor([1.0, 2.0]) and 3 not in torch.tensor([1, 2])
    with pytest.raises(RuntimeError, match="only supports Tensor or scalar"):
        "a" in torch.tensor([1.0])


@pytest.mark.parametrize(
    "data, dtype",
    [
        ([torch.tensor(1.0), 2], torch.float32), ([torch.tensor(1.0, dtype=torch.float64), 2.0], torch.float64),
        ([np.float64(1), 2], torch.float64), (np.float32(1), torch.float32), ([1, 2.0], torch.float32), ([True, 2], torch.int64),
        ([[1j]], torch.complex64), ([], torch.float32), (np.arange(2), torch.int64),
    ],
    ids=str,
)  # fmt: skip
def test_dtype_of_data(data, dtype):
    assert torch.tensor(data).dtype is dtype is torch.asarray(data).dtype


# ---- PyTorch itself


@pytest.fixture
def peer():
    return pytest.importorskip("torch")


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [*map(str, PLAIN), "torch.bfloat16"])
def test_pytorch_both_ways_without_a_copy(peer, dtype):
    name = dtype.removeprefix("torch.")
    source = peer.zeros(2, 3, dtype=getattr(peer, name))
    for convert in (torch.from_torch, torch.as_tensor, torch.from_dlpack):
        t = convert(source.t())
        t[1, 0] = 1
        assert source[0, 1] == 1 and t.dtype is getattr(torch, name) and t.shape == (3, 2)
        source[0, 1] = 0
        assert t[1, 0].item() == 0
    out = torch.ones(3, dtype=getattr(torch, name))
    theirs = out.to_torch()
    theirs[1] = 0
    out[2] = 0
    assert theirs.dtype is source.dtype and theirs.tolist() == [1, 0, 0] == out.tolist()
    copied = torch.tensor(source)
    copied[0] = 1
    assert source.tolist() == [[0] * 3] * 2


@pytest.mark.slow
def test_gradients_do_not_cross(peer):
    p = peer.ones(2, requires_grad=True)
    assert torch.from_torch(p).requires_grad and torch.ones(2, requires_grad=True).to_torch().requires_grad
    with pytest.raises(RuntimeError, match="does not cross"):
        torch.from_torch(p * 2)
    with pytest.raises(RuntimeError, match="does not cross"):
        (torch.ones(2, requires_grad=True) * 2).to_torch()
    with pytest.raises(TypeError, match="dense"):
        torch.from_torch(peer.ones(2, 2).to_sparse())
    with pytest.raises(TypeError, match="no dtype"):
        torch.from_torch(peer.zeros(2, dtype=peer.uint16))


@pytest.mark.slow
def test_weights_of_pytorch(peer):
    theirs = peer.nn.Linear(3, 2)
    ours = torch.nn.Linear(3, 2)
    ours.load_state_dict(theirs.state_dict())
    x = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    np.testing.assert_allclose(ours(torch.from_numpy(x)).detach().numpy(), theirs(peer.from_numpy(x)).detach().numpy(), rtol=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        theirs.load_state_dict({k: v.to_torch() for k, v in ours.state_dict().items()})
