"""Copies, pickles and files of tensors."""

import copy
import io
import json
import pickle
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

import jitgrad.eager as torch

DTYPES = [getattr(torch, d) for d in "float32 float64 float16 bfloat16 complex64 int64 int32 int8 uint8 bool".split()]


def same(a, b):
    return a.dtype is b.dtype and a.shape == b.shape and a.tolist() == b.tolist()


def pickled(x):
    return pickle.loads(pickle.dumps(x))


def filed(x):
    file = io.BytesIO()
    torch.save(x, file)
    return torch.load(io.BytesIO(file.getvalue()))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("again", [pickled, copy.deepcopy, filed])
def test_values_and_types(again, dtype):
    for x in (torch.tensor([[0, 1, 2], [3, 4, 5]]).to(dtype), torch.tensor(1).to(dtype), torch.zeros(0, 3).to(dtype)):
        y = again(x)
        assert same(x, y) and type(y) is torch.Tensor and not y.requires_grad
        z = again(x.t() if x.ndim == 2 else x)
        assert same(x.t() if x.ndim == 2 else x, z)


@pytest.mark.parametrize("again", [pickled, copy.deepcopy])
@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64], ids=str)
def test_what_shares_memory_shares_it_afterwards(again, dtype):
    x = torch.arange(6.0).to(dtype).reshape(2, 3)
    parts = [x, x[1], x.t()[::2]]
    whole, row, columns = again(parts)
    row[0] = 10
    assert whole.tolist() == [[0, 1, 2], [10, 4, 5]] and columns.tolist() == [[0, 10], [2, 5]]
    columns[0, 0] = 7
    assert whole[0, 0].item() == 7 and x[0, 0].item() == 0 and x[1, 0].item() == 3


def test_shared_with_numpy():
    a = np.arange(6.0)[::2]
    t = pickled(torch.from_numpy(a))
    assert t.tolist() == [0, 2, 4]
    t[0] = 9
    assert a[0] == 0


def test_copy_shares_and_deepcopy_does_not():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    x.note = ["mine"]
    (x * x).sum().backward()
    shallow, deep = copy.copy(x), copy.deepcopy(x)
    with torch.no_grad():
        x[0] = 5.0
    assert shallow.tolist() == [5, 2] and deep.tolist() == [1, 2]
    assert deep.requires_grad and deep.is_leaf and deep.grad.tolist() == [2, 4] and deep.grad is not x.grad
    assert deep.note == ["mine"] and deep.note is not x.note
    assert pickled(x).requires_grad and pickled(x).grad is None
    (deep * 3).sum().backward()
    assert deep.grad.tolist() == [5, 7] and x.grad.tolist() == [2, 4]
    with pytest.raises(RuntimeError, match="support the deepcopy protocol"):
        copy.deepcopy(x * 2)


def test_parameters_and_dtypes():
    p = torch.nn.Parameter(torch.ones(2))
    for q in (pickled(p), copy.deepcopy(p)):
        assert type(q) is torch.nn.Parameter and q.requires_grad and repr(q) == repr(p)
    for d in DTYPES:
        assert pickled(d) is d is copy.deepcopy(d)


def test_a_structure():
    state = OrderedDict(weight=torch.ones(2, 2), bias=torch.nn.Parameter(torch.zeros(2)))
    made = {
        "model": state,
        "optimizer": {"state": {0: {"step": torch.tensor(3.0), "nothing": None}}, "groups": [{"lr": 0.1, "betas": (0.9, 0.99)}]},
        "epoch": 7, "note": "last", "model.weight": torch.tensor([5]), 1.5: True,
    }  # fmt: skip
    got = filed(made)
    assert repr(got["optimizer"]) == repr(made["optimizer"]) and type(got["model"]) is OrderedDict
    assert got["epoch"] == 7 and got["note"] == "last" and got[1.5] is True
    assert same(got["model"]["weight"], state["weight"]) and got["model.weight"].tolist() == [5]
    assert got["model"]["bias"].requires_grad and not got["model"]["weight"].requires_grad
    assert same(filed(torch.arange(3)), torch.arange(3))


def test_the_file_is_what_the_format_says(tmp_path):
    path = tmp_path / "weights.safetensors"
    torch.save({"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([3], dtype=torch.uint8)}, path)
    data = path.read_bytes()
    n = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + n])
    assert n % 8 == 0 and header["a"] == {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    assert header["b"] == {"dtype": "U8", "shape": [1], "data_offsets": [8, 9]}
    assert np.frombuffer(data[8 + n : 16 + n], "<f4").tolist() == [1, 2] and len(data) == 8 + n + 9
    del header["__metadata__"]
    foreign = json.dumps(header).encode()
    path.write_bytes(len(foreign).to_bytes(8, "little") + foreign + data[8 + n :])
    assert {k: v.tolist() for k, v in torch.load(path).items()} == {"a": [1, 2], "b": [3]}


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "no safetensors file"), (b"\xff" * 20, "longer than the file"), (b"\x04" + b"\0" * 7 + b"oops", "no JSON"),
        (b"\x3d" + b"\0" * 7 + b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,8]}}       ' + b"\0" * 8, "damaged"),
    ],
)  # fmt: skip
def test_damaged_files(data, message):
    with pytest.raises(ValueError, match=message):
        torch.load(io.BytesIO(data))


def test_what_cannot_be_saved():
    with pytest.raises(TypeError, match=r"not Module; save its state_dict\(\)"):
        torch.save(torch.nn.Module(), io.BytesIO())
    with pytest.raises(TypeError, match="keys"):
        torch.save({(1, 2): 3}, io.BytesIO())
    with pytest.raises(TypeError, match="no torch.complex128"):
        torch.save(torch.zeros(1, dtype=torch.complex128), io.BytesIO())


def test_code_in_a_file_does_not_run(tmp_path):
    class Bad:
        def __reduce__(self):
            return print, ("run",)

    path = tmp_path / "bad.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("bad/data.pkl", pickle.dumps(Bad()))
    with pytest.raises(pickle.UnpicklingError, match="builtins.print"):
        torch.load(path, weights_only=False)


@pytest.mark.slow
def test_files_of_pytorch(tmp_path):
    peer = pytest.importorskip("torch")
    path = tmp_path / "model.pt"
    base = peer.arange(6.0)
    made = {"a": base, "part": base[2:4], "t": base.reshape(2, 3).t(), "half": peer.ones(2, dtype=peer.bfloat16), "n": 3,
            "p": peer.nn.Parameter(peer.ones(2)), "z": peer.tensor([1 + 2j]), "shape": base.shape}  # fmt: skip
    peer.save(made, path)
    got = torch.load(path)
    assert {k: v.tolist() if hasattr(v, "tolist") else v for k, v in got.items()} == {
        k: v.tolist() if hasattr(v, "tolist") else v for k, v in made.items()
    }
    got["part"][0] = 50
    assert got["a"][2].item() == 50 and got["p"].requires_grad
    model = peer.nn.Sequential(peer.nn.Linear(3, 2), peer.nn.BatchNorm1d(2))
    peer.save(model.state_dict(), path)
    for name, value in torch.load(path).items():
        assert value.tolist() == model.state_dict()[name].tolist()
    peer.save(model, path)
    with pytest.raises(pickle.UnpicklingError, match="state_dict"):
        torch.load(path)


def trained(steps):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    x = torch.randn(8, 3)
    for _ in range(steps):
        step(model, optimizer, x)
    return model, optimizer, x


def step(model, optimizer, x):
    optimizer.zero_grad()
    (model(x) ** 2).mean().backward()
    optimizer.step()


def test_a_training_run_goes_on_from_a_file():
    model, optimizer, x = trained(3)
    state = filed({"model": model.state_dict(), "optimizer": optimizer.state_dict()})
    other, again, _ = trained(1)
    other.load_state_dict(state["model"])
    again.load_state_dict(state["optimizer"])
    for m, o in ((model, optimizer), (other, again)):
        step(m, o, x)
    for p, q in zip(model.parameters(), other.parameters()):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("again", [pickled, copy.deepcopy])
def test_modules(again):
    model, _, x = trained(1)
    other = again(model)
    assert repr(other) == repr(model)
    np.testing.assert_allclose(other(x).detach().numpy(), model(x).detach().numpy(), rtol=1e-5)
    with torch.no_grad():
        other[0].weight.zero_()
    assert model[0].weight.abs().sum().item() > 0
