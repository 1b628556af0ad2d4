"""Tensors as text: the texts that PyTorch 2.13 prints, stored; and random tensors beside PyTorch itself."""

import sys

import numpy as np
import pytest

import jitgrad.eager as torch
import jitgrad.eager.autograd.forward_ad as forward_ad

nan, inf = float("nan"), float("inf")

TEXTS = [
    (lambda: torch.tensor(3.0), "tensor(3.)"),
    (lambda: torch.tensor(-0.0), "tensor(-0.)"),
    (lambda: torch.tensor(3), "tensor(3)"),
    (lambda: torch.tensor(True), "tensor(True)"),
    (lambda: torch.tensor(1.23456789), "tensor(1.2346)"),
    (lambda: torch.tensor([]), "tensor([])"),
    (lambda: torch.zeros(0, 3), "tensor([], size=(0, 3))"),
    (lambda: torch.zeros(0, 3, dtype=torch.int64), "tensor([], size=(0, 3), dtype=torch.int64)"),
    (lambda: torch.tensor([1.0, 2.5]), "tensor([1.0000, 2.5000])"),
    (lambda: torch.tensor([1.0, 200.0, -3.0]), "tensor([  1., 200.,  -3.])"),
    (lambda: torch.tensor([1.0, nan, inf, -inf, -0.0]), "tensor([1., nan, inf, -inf, -0.])"),
    (lambda: torch.tensor([1.5, nan, inf, -inf]), "tensor([1.5000,    nan,    inf,   -inf])"),
    (lambda: torch.tensor([1e-5, 1.0]), "tensor([1.0000e-05, 1.0000e+00])"),
    (lambda: torch.tensor([1.0, 1001.0]), "tensor([1.0000e+00, 1.0010e+03])"),
    (lambda: torch.tensor([1e9]), "tensor([1.0000e+09])"),
    (lambda: torch.tensor([True, False]), "tensor([ True, False])"),
    (lambda: torch.tensor([-1, 100]), "tensor([ -1, 100])"),
    (lambda: torch.tensor([1, 2], dtype=torch.int32), "tensor([1, 2], dtype=torch.int32)"),
    (lambda: torch.tensor([0.1], dtype=torch.float64), "tensor([0.1000], dtype=torch.float64)"),
    (lambda: torch.tensor([0.1], dtype=torch.float16), "tensor([0.1000], dtype=torch.float16)"),
    (lambda: torch.tensor([0.1], dtype=torch.bfloat16), "tensor([0.1001], dtype=torch.bfloat16)"),
    (lambda: torch.tensor([1 + 2j, -1.5 - 0.25j]), "tensor([ 1.0000+2.0000j, -1.5000-0.2500j])"),
    (lambda: torch.tensor(complex(1, -0.0)), "tensor(1.-0.j)"),
    (lambda: torch.tensor([[1.0, 2.0], [3.0, 4.0]]), "tensor([[1., 2.],\n        [3., 4.]])"),
    (lambda: torch.zeros(2, 1, 2), "tensor([[[0., 0.]],\n\n        [[0., 0.]]])"),
    (lambda: torch.arange(1001), "tensor([   0,    1,    2,  ...,  998,  999, 1000])"),
    (
        lambda: torch.arange(2000).reshape(2, 1000),
        "tensor([[   0,    1,    2,  ...,  997,  998,  999],\n        [1000, 1001, 1002,  ..., 1997, 1998, 1999]])",
    ),
    (
        lambda: torch.arange(20.0) * 1.5,
        "tensor([ 0.0000,  1.5000,  3.0000,  4.5000,  6.0000,  7.5000,  9.0000, 10.5000,\n"
        "        12.0000, 13.5000, 15.0000, 16.5000, 18.0000, 19.5000, 21.0000, 22.5000,\n"
        "        24.0000, 25.5000, 27.0000, 28.5000])",
    ),
    (lambda: torch.tensor([1.0], requires_grad=True), "tensor([1.], requires_grad=True)"),
    (lambda: torch.tensor([1.0], requires_grad=True) * 2, "tensor([2.], grad_fn=<MulBackward0>)"),
    (
        lambda: torch.zeros(2, dtype=torch.float64, requires_grad=True),
        "tensor([0., 0.], dtype=torch.float64, requires_grad=True)",
    ),
    (
        lambda: torch.tensor([0.5] * 7, requires_grad=True) * 1,
        "tensor([0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000, 0.5000],\n       grad_fn=<MulBackward0>)",
    ),
    (lambda: torch.nn.Parameter(torch.zeros(2)), "Parameter containing:\ntensor([0., 0.], requires_grad=True)"),
    (
        lambda: torch.tensor([[3.0, 1.0], [4.0, 6.0]]).max(dim=1),
        "torch.return_types.max(\nvalues=tensor([3., 6.]),\nindices=tensor([0, 1]))",
    ),
    (
        lambda: torch.linalg.eigh(torch.eye(2)),
        "torch.return_types.linalg_eigh(\neigenvalues=tensor([1., 1.]),\neigenvectors=tensor([[1., 0.],\n        [0., 1.]]))",
    ),
    (
        lambda: torch.nn.Linear(2, 1, bias=False).requires_grad_(False).apply(lambda m: m.weight.fill_(1)).state_dict(),
        "OrderedDict([('weight', tensor([[1., 1.]]))])"
        if sys.version_info < (3, 12)
        else "OrderedDict({'weight': tensor([[1., 1.]])})",
    ),
    (lambda: torch.zeros(2, 3).shape, "torch.Size([2, 3])"),
    (lambda: torch.float32, "torch.float32"),
    (lambda: torch.device("cuda:0"), "device(type='cuda', index=0)"),
]


@pytest.mark.parametrize("made, expected", TEXTS, ids=[e[:40].replace("\n", " ") for _, e in TEXTS])
def test_text(made, expected):
    assert repr(made()) == expected


def test_a_class_of_the_user_prints_under_its_name():
    class Mine(torch.Tensor):
        pass

    x = torch.tensor([1.0, 2.0])
    assert repr(Mine(x._node)) == "Mine([1., 2.])"


@pytest.mark.parametrize(
    "options, expected",
    [
        ({"precision": 2}, "tensor([0.12, 1.00])"),
        ({"sci_mode": True}, "tensor([1.2346e-01, 1.0000e+00])"),
        ({"threshold": 1, "edgeitems": 0}, "tensor([...], size=(2,))"),
        ({"linewidth": 10}, "tensor([0.1235,\n        1.0000])"),
        ({"profile": "short"}, "tensor([0.12, 1.00])"),
        ({"profile": "full"}, "tensor([0.1235, 1.0000])"),
    ],
)
def test_options(options, expected):
    before = torch.get_printoptions()
    with torch.printoptions(**options):
        assert str(torch.tensor([0.123456, 1.0])) == expected
    assert torch.get_printoptions() == before


def test_format():
    x = torch.tensor(2.5, requires_grad=True)
    assert f"{x:.3f} {x}" == "2.500 2.5"
    assert f"{torch.tensor([1.0])}" == "tensor([1.])"
    with pytest.raises(TypeError, match=r"unsupported format string passed to Tensor\.__format__"):
        f"{torch.tensor([1.0]):.3f}"


def test_dual_tensors():
    with forward_ad.dual_level():
        x = forward_ad.make_dual(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
        assert repr(x) == "tensor([1., 2.], tangent=tensor([3., 4.]))"
        assert repr(x * x) == "tensor([1., 4.], tangent=tensor([ 6., 16.]))"
        assert repr(forward_ad.make_dual(torch.tensor(1.0), torch.tensor(3.0))) == "tensor(1., tangent=3.0)"
    assert repr(torch.ones(2)) == "tensor([1., 1.])"


# ---- beside PyTorch

SHAPES = [
    (), (1,), (3,), (7,), (40,), (2, 3), (8, 7), (0,), (2, 0), (1001,), (30, 40), (2000, 1), (1, 1500), (7, 8, 20), (2, 3, 2, 2),
]  # fmt: skip
DTYPES = "float32 float64 float16 bfloat16 complex64 complex128 int64 int32 int16 int8 uint8 bool".split()

CHANGES = [
    {}, {"precision": 2}, {"sci_mode": True}, {"sci_mode": False}, {"linewidth": 50}, {"threshold": 20, "edgeitems": 2},
]  # fmt: skip


def numbers(rng, shape):
    """Ordinary ones, whole ones, one magnitude, many magnitudes, zeros and what is no number."""
    v = rng.standard_normal(shape)
    special = rng.choice([nan, inf, -inf, 0.0, -0.0], size=shape)
    some = [
        v, np.round(v * 10), v * 10.0 ** rng.integers(-12, 12), v * 10.0 ** rng.uniform(-6, 6, shape),
        np.where(rng.random(shape) < 0.3, special, v), np.round(v) * 0, np.round(v * 10.0 ** rng.integers(0, 9)),
    ]  # fmt: skip
    return some[rng.integers(len(some))]


def sample(rng, shape, dtype):
    if dtype.startswith("complex"):
        return (numbers(rng, shape) + 1j * numbers(rng, shape)).astype(dtype)
    if "float" in dtype:
        return numbers(rng, shape).astype("float32" if dtype == "bfloat16" else dtype)
    top = {"bool": 2, "int8": 100, "uint8": 200}.get(dtype, 10 ** rng.integers(1, 5))
    return rng.integers(0 if dtype in ("bool", "uint8") else -top, top, size=shape).astype(dtype)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.filterwarnings("ignore")
def test_random_tensors_print_as_in_pytorch(dtype):
    peer = pytest.importorskip("torch")
    rng = np.random.default_rng(DTYPES.index(dtype))
    for k in range(300):
        values = sample(rng, SHAPES[k % len(SHAPES)], dtype)
        wanted = peer.tensor(values).to(getattr(peer, dtype))
        got = torch.tensor(values, dtype=getattr(torch, dtype))
        options = CHANGES[rng.integers(len(CHANGES))] if k % 3 == 0 else {}
        floating = got.dtype.is_floating_point and k % 2
        peer.set_printoptions(**options)
        with torch.printoptions(**options):
            assert repr(got) == repr(wanted), (values, options)
            if floating:
                assert repr(got.requires_grad_()) == repr(wanted.requires_grad_())
                assert repr(got * 1) == repr(wanted * 1)
        peer.set_printoptions(profile="default")
