"""Complex tensors: values are NumPy's, gradients are dL/dre + i dL/dim; what is not there is refused by name."""

import numpy as np
import pytest

import jitgrad.eager as torch

rng = np.random.default_rng(5)
ARRAYS = {
    "z": rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3)), "w": rng.normal(size=(3, 3)) + 1j * rng.normal(size=(3, 3)),
    "r": rng.normal(size=(3, 3)), "k": np.array(1.5 - 0.5j),
}  # fmt: skip

# expression on tensors, and on NumPy's arrays where that is another one
CASES = [
    ("z + w",), ("z - r",), ("z * w",), ("z / w",), ("r * z",), ("r / z",), ("z + 2",), ("2 * z",), ("z * (1 + 2j)",),
    ("r * (1 + 2j)",),
    ("2 / z",), ("-z",), ("z ** 2",), ("z ** -1",), ("z ** 0.5",), ("z ** w",), ("2 ** z",), ("z * k",), ("z @ w",),
    ("z[0] @ w",),
    ("t.exp(z)", "np.exp(z)"), ("t.log(z)", "np.log(z)"), ("t.sin(z)", "np.sin(z)"), ("t.cos(z)", "np.cos(z)"),
    ("t.tan(z)", "np.tan(z)"),
    ("t.sinh(z)", "np.sinh(z)"), ("t.cosh(z)", "np.cosh(z)"), ("t.tanh(z)", "np.tanh(z)"), ("t.sqrt(z)", "np.sqrt(z)"),
    ("abs(z)",),
    ("t.angle(z)", "np.angle(z)"), ("t.conj(z) * w", "np.conj(z) * w"), ("z.real * 2",), ("z.imag * z",), ("z.sum()",),
    ("z.mean(0)",),
    ("z.cumsum(0)",), ("t.trace(z)", "np.trace(z)"), ("t.outer(z[0], w[0])", "np.outer(z[0], w[0])"),
    ("t.vdot(z[0], w[0])", "np.vdot(z[0], w[0])"),
    ("t.einsum('ij,jk->ik', z, w)", "z @ w"), ("t.addmm(z, w, w, beta=2, alpha=0.5)", "2 * z + 0.5 * w @ w"),
    ("z.reciprocal()", "1 / z"),
    ("t.view_as_real(z)", "np.stack([z.real, z.imag], -1)"), ("t.view_as_complex(t.view_as_real(z) * 2)", "2 * z"),
    ("t.complex(r, 2 * r)", "r + 2j * r"), ("t.polar(r.abs(), r)", "abs(r) * np.exp(1j * r)"), ("t.sgn(z)", "z / abs(z)"),
    ("z.T",), ("z[0]",),
    ("z.add(w, alpha=2)", "z + 2 * w"), ("t.log2(z)", "np.log2(z)"), ("z.norm()", "np.linalg.norm(z)"),
    ("z.mH", "z.conj().T"), ("z.square()", "z * z"),
]  # fmt: skip


def value(expression, arrays):
    return np.asarray(eval(expression, {"np": np, **arrays}))


@pytest.mark.parametrize("case", CASES, ids=lambda c: c[0])
def test_values_and_gradients(case):
    expression, numpy = case[0], case[-1]
    env = {k: torch.tensor(v, requires_grad=True) for k, v in ARRAYS.items()}
    out = eval(expression, {"t": torch, **env})
    wanted = value(numpy, ARRAYS)
    np.testing.assert_allclose(out.detach().numpy(), wanted, rtol=1e-11, atol=1e-12)
    weight = np.random.default_rng(1).normal(size=wanted.shape)
    if np.iscomplexobj(wanted):
        weight = weight + 1j * np.random.default_rng(2).normal(size=wanted.shape)
    grads = torch.autograd.grad(out, list(env.values()), torch.tensor(weight), materialize_grads=True)
    for (k, v), g in zip(ARRAYS.items(), grads, strict=True):
        along = np.random.default_rng(3).normal(size=v.shape)
        for direction in (along, 1j * along) if np.iscomplexobj(v) else (along,):
            ends = [value(numpy, {**ARRAYS, k: v + s * direction}) for s in (1e-6, -1e-6)]
            slope = (np.conj(weight) * (ends[0] - ends[1])).real.sum() / 2e-6
            np.testing.assert_allclose((np.conj(g.numpy()) * direction).real.sum(), slope, rtol=1e-6, atol=1e-7, err_msg=k)


def test_second_order():
    z = torch.tensor([1 + 2j], requires_grad=True)
    (g,) = torch.autograd.grad((z.abs() ** 2).sum(), z, create_graph=True)
    np.testing.assert_allclose(g.detach().numpy(), [2 + 4j], rtol=1e-6)
    (h,) = torch.autograd.grad(torch.view_as_real(g).sum(), z)
    np.testing.assert_allclose(h.numpy(), [2 + 2j], rtol=1e-6)


def test_parts_are_views():
    z = torch.zeros(2, dtype=torch.complex64)
    z.real.fill_(1)
    torch.view_as_real(z)[1, 1] = 5
    assert z.tolist() == [1 + 0j, 1 + 5j]
    z.imag = torch.tensor([2.0, 3.0])
    assert z.tolist() == [1 + 2j, 1 + 3j]


def test_dtypes():
    z = torch.tensor([1j])
    assert z.dtype is torch.complex64 and (z * torch.ones(1, dtype=torch.float64)).dtype is torch.complex128
    assert z.abs().dtype is torch.float32 and z.to(torch.complex128).real.dtype is torch.float64 and (z == z).tolist() == [True]


REFUSED = """t.erf(z); z < z; t.softmax(z, 0); z.max(); z.prod(); t.relu(z); z.clamp(0, 1); t.floor(z); z % 2; t.maximum(z, z);
z.sort(); t.atan2(z, z)"""


@pytest.mark.parametrize("expression", [e.strip() for e in REFUSED.split(";")])
def test_refused(expression):
    with pytest.raises((NotImplementedError, RuntimeError), match="not implemented|not supported"):
        eval(expression, {"t": torch, "z": torch.tensor([1j, 2.0])})
