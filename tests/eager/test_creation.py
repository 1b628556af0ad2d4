"""What tensors are made from, and the errors where they cannot be."""

import numpy as np
import pytest

import jitgrad.eager as torch

ERRORS = [
    ("a", TypeError, "new(): invalid data type 'str'"),
    (["a"], ValueError, "too many dimensions 'str'"),
    (None, RuntimeError, "Could not infer dtype of NoneType"),
    ([None, 1], RuntimeError, "Could not infer dtype of NoneType"),
    ({}, RuntimeError, "Could not infer dtype of dict"),
    ([[1], [1, 2]], ValueError, "expected sequence of length 1 at dim 1 (got 2)"),
    ([[[1, 2]], [[1]]], ValueError, "expected sequence of length 2 at dim 2 (got 1)"),
    ([[1, 2], 3], TypeError, "not a sequence"),
    ([1, [1, 2]], TypeError, "'list' object cannot be interpreted as an integer"),
    (2**70, ValueError, "Overflow when unpacking long long"),
]


@pytest.mark.parametrize("data, error, message", ERRORS, ids=[str(d) for d, *_ in ERRORS])
def test_errors(data, error, message):
    with pytest.raises(error) as e:
        torch.tensor(data)
    assert str(e.value) == message


@pytest.mark.parametrize(
    "data, expected",
    [
        (range(3), [0, 1, 2]), (((1, 2), (3, 4)), [[1, 2], [3, 4]]),
        ([torch.tensor([1, 2]), torch.tensor([3, 4])], [[1, 2], [3, 4]]),
        ([np.array([1.0]), [2.0]], [[1], [2]]), ([[], []], [[], []]), (True, True),
    ],
    ids=str,
)  # fmt: skip
def test_values(data, expected):
    assert torch.tensor(data).tolist() == expected


def test_in_the_dtype_of_a_tensor():
    x = torch.ones(2, dtype=torch.float64)
    for y, values in [
        (x.new_tensor([1]), [1]), (x.new_zeros(2), [0, 0]), (x.new_ones((2, 1)), [[1], [1]]), (x.new_full((2,), 3), [3, 3]),
    ]:  # fmt: skip
        assert y.tolist() == values and y.dtype is torch.float64
    assert x.new_zeros(1, dtype=torch.int64).dtype is torch.int64 and x.new_empty(2, 3).shape == (2, 3)


def test_constructors_of_old():
    assert torch.Tensor([1, 2]).tolist() == [1, 2] and torch.Tensor([1, 2]).dtype is torch.float32
    assert torch.Tensor(2, 3).shape == (2, 3) == torch.Tensor(torch.Size([2, 3])).shape and torch.Tensor().shape == (0,)
    assert type(torch.Tensor((2, 3))) is torch.Tensor and torch.Tensor((2, 3)).tolist() == [2, 3]
    assert torch.LongTensor([1]).dtype is torch.int64 and torch.DoubleTensor(2).shape == (2,)
    assert torch.ones(1).type(torch.DoubleTensor).dtype is torch.float64
    with pytest.raises(TypeError, match=r"new\(\): data must be a sequence \(got float\)"):
        torch.Tensor(1.5)


def test_sizes():
    s = torch.ones(2, 3).shape
    for found, expected in [(s[:1], (2,)), (s + (1,), (2, 3, 1)), (s * 2, (2, 3, 2, 3))]:
        assert type(found) is torch.Size and found == expected
    assert s == (2, 3) and hash(s) == hash((2, 3)) and s[0] == 2 and s.numel() == 6 and repr(s) == "torch.Size([2, 3])"


def test_devices():
    assert torch.device(type="cpu") == torch.device("CPU") == torch.ones(1).device and torch.ones(1).cpu().is_cuda is False
    assert repr(torch.device("cuda", 1)) == "device(type='cuda', index=1)" and torch.ones(1).layout is torch.strided
    with pytest.raises(RuntimeError, match="there is no device cuda"):
        torch.ones(1).cuda()


def test_what_scripts_set_first():
    torch.backends.cudnn.deterministic = True
    torch.use_deterministic_algorithms(True)
    torch.cuda.manual_seed_all(0)
    assert not (torch.cuda.is_available() or torch.backends.mps.is_available()) and torch.are_deterministic_algorithms_enabled()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    assert torch.get_num_threads() == 1
    torch.set_num_threads(before)
    assert torch.__version__.startswith("2.") and torch.conv2d is torch.nn.functional.conv2d


def test_gradients_that_are_assigned():
    x = torch.ones(2, requires_grad=True)
    x.grad = torch.tensor([1.0, 2.0])
    (x * 2).sum().backward()
    assert x.grad.tolist() == [3, 4]
    for g, error, message in [
        (1, TypeError, "assigned grad expected to be a Tensor or None but got grad of type int"),
        (torch.ones(3), RuntimeError, r"attempting to assign a gradient of size '\[3\]' to a tensor of size '\[2\]'\."),
        (torch.ones(2, dtype=torch.float64), RuntimeError, "gradient with dtype 'double' to a tensor with grad_dtype 'Float'"),
    ]:
        with pytest.raises(error, match=message):
            x.grad = g
