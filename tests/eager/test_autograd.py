"""`backward`, hooks, grad modes, what is saved and computed again: the behaviour of PyTorch 2.13, and its words."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

import jitgrad.eager as torch
from jitgrad.eager.run import settings
from jitgrad.eager.utils.checkpoint import checkpoint, checkpoint_sequential

from .own_functions import saving

grad = torch.autograd.grad


def leaf(*values, dtype=torch.float64):
    return torch.tensor(list(values), dtype=dtype, requires_grad=True)


@pytest.fixture(params=[0, 10**9], ids=["compiled", "interpreted"])
def way(request, monkeypatch):
    monkeypatch.setattr(settings, "compile_after", request.param)


def refused(f, text, error=RuntimeError):
    with pytest.raises(error) as e:
        f()
    assert str(e.value) == text


# ---- hooks


def test_hooks_replace_the_gradient(way):
    x = leaf(1.0, 2.0)
    y = x * 2
    y.retain_grad()
    handle = y.register_hook(lambda g: g * 10)
    seen = []
    x.register_hook(lambda g: seen.append(g.tolist()))
    z = y.sum()
    z.backward(retain_graph=True)
    assert y.grad.tolist() == [10, 10] and x.grad.tolist() == [20, 20]
    handle.remove()
    x.grad = None
    z.backward()
    assert y.grad.tolist() == [11, 11], "a retained gradient adds up"
    assert x.grad.tolist() == [2, 2] and seen == [[20, 20], [2, 2]]


def test_hooks_run_for_grad_too():
    x = leaf(1.0)
    x.register_hook(lambda g: g + 1)
    assert grad((x * 3).sum(), x)[0].tolist() == [4]


def test_a_hook_belongs_to_the_gradient_before_a_write():
    x = leaf(1.0, 2.0)
    y = x * 2
    y.register_hook(lambda g: g * 5)
    y.mul_(3)
    seen = []
    y.register_hook(lambda g: seen.append(g.tolist()))
    y.sum().backward()
    assert seen == [[1, 1]] and x.grad.tolist() == [30, 30]


def test_hooks_on_steps():
    x = leaf(1.0, 2.0)
    y = x * 3
    step = (y * 1).sin().grad_fn
    step = (z := y.exp()).grad_fn
    seen = []
    step.register_prehook(lambda gs: (gs[0] * 2,))
    after = step.register_hook(lambda new, old: seen.append((new[0].tolist(), old[0].tolist())))
    z.sum().backward(retain_graph=True)
    e = np.exp([3.0, 6.0])
    np.testing.assert_allclose(x.grad.numpy(), 6 * e)
    np.testing.assert_allclose(seen[0][0], 2 * e)
    assert seen[0][1] == [2, 2]
    after.remove()
    z.sum().backward()
    assert len(seen) == 1
    step = (x * x).grad_fn
    handle = step.register_hook(lambda new, old: tuple(None if g is None else g * 0 for g in new))
    x.grad = None
    del handle
    w = x * x
    w.grad_fn.register_hook(lambda new, old: tuple(g * 0 for g in new))
    w.sum().backward()
    assert x.grad.tolist() == [0, 0]


def test_hooks_on_the_accumulation():
    x = leaf(1.0)
    seen = []
    handle = x.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.item()))
    (x * 3).backward()
    (x * 4).backward()
    handle.remove()
    (x * 5).backward()
    assert seen == [3, 7] and x.grad.tolist() == [12]
    step = (x * 1).grad_fn.next_functions[0][0]
    step.register_hook(lambda new, old: seen.append(old[0].item()))
    (x * 5).backward()
    assert step.name() == "AccumulateGrad" and step.variable is x and seen[-1] == 5


def test_where_hooks_may_stand():
    x, constant = leaf(1.0), torch.ones(2)
    text = "cannot register a hook on a tensor that doesn't require gradient"
    refused(lambda: constant.register_hook(print), text)
    refused(lambda: constant.register_post_accumulate_grad_hook(print), text)
    refused(
        lambda: (x * 2).register_post_accumulate_grad_hook(print),
        "post accumulate grad hooks cannot be registered on non-leaf tensors",
    )
    refused(lambda: constant.retain_grad(), "can't retain_grad on Tensor that has requires_grad=False")


# ---- backward and grad


def test_accumulation_keeps_the_object(way):
    x = leaf(1.0, 2.0)
    (x * 2).sum().backward()
    g = x.grad
    (x * 3).sum().backward()
    assert x.grad is g and g.tolist() == [5, 5]


def test_backward_to_chosen_inputs():
    x, w = leaf(2.0), leaf(3.0)
    y = x**2
    (y * w).sum().backward(inputs=[w])
    assert w.grad.tolist() == [4] and x.grad is None
    z = (x * 2).sum()
    y = x * 2
    y.sum().backward(inputs=y)
    assert y.grad.tolist() == [1] and x.grad is None and z.item() == 4


def test_is_grads_batched():
    x = leaf(1.0, 2.0)
    (g,) = grad(x**2, x, torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64), is_grads_batched=True)
    assert g.tolist() == [[2, 0], [0, 4]]


def test_wrong_arguments():
    x = leaf(1.0, 2.0)
    y = (x * 2).sum()
    refused(lambda: y.backward(inputs=[]), "`inputs` argument to `backward()` cannot be empty.")
    refused(lambda: grad(y, []), "`inputs` argument to `grad()` cannot be empty.")
    refused(lambda: torch.autograd.backward([y, y], [torch.ones(())]), "got 2 tensors and 1 gradients")
    refused(
        lambda: torch.autograd.backward(y, torch.ones(()), grad_variables=torch.ones(())),
        "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to `backward()`. Please only use `grad_tensors`.",
    )
    refused(lambda: grad(y, torch.ones(1)), "One of the differentiated Tensors does not require grad")


def test_variable():
    v = torch.autograd.Variable(torch.ones(2), requires_grad=True)
    assert type(v) is torch.Tensor and v.requires_grad and v.is_leaf
    assert isinstance(torch.ones(1), torch.autograd.Variable) and not isinstance(1, torch.autograd.Variable)


def test_a_gradient_edge():
    x = leaf(1.0)
    node, k = torch.autograd.graph.get_gradient_edge(x * 2)
    assert node.name() == "MulBackward0" and k == 0
    assert torch.autograd.graph.get_gradient_edge(x).node.name() == "AccumulateGrad"
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.autograd.graph.get_gradient_edge(x.detach())


# ---- modes


def test_modes_as_decorators():
    x = leaf(1.0)

    @torch.no_grad()
    def f():
        return (x * 2).requires_grad

    @torch.no_grad
    def g():
        return (x * 2).requires_grad

    @torch.no_grad()
    def items():
        yield torch.is_grad_enabled()
        with torch.enable_grad():
            yield torch.is_grad_enabled()

    assert not f() and not g()
    it = items()
    assert [next(it), torch.is_grad_enabled(), next(it), torch.is_grad_enabled()] == [False, True, True, True]


def test_set_grad_enabled_works_at_once():
    torch.set_grad_enabled(False)
    try:
        assert not torch.is_grad_enabled()
    finally:
        torch.set_grad_enabled(True)
    with torch.set_grad_enabled(False):
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()


def test_inference_tensors():
    x = leaf(1.0)
    with torch.inference_mode():
        i = torch.ones(1, dtype=torch.float64)
        assert i.is_inference() and torch.is_inference(i)
    with pytest.raises(RuntimeError, match=r"^Inference tensors cannot be saved for backward"):
        i * x
    with pytest.raises(RuntimeError, match=r"^Inplace update to inference tensor outside InferenceMode is not allowed"):
        i.add_(1)
    refused(i.requires_grad_, "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.")
    assert not (i + 1).is_inference()


# ---- anomaly mode


def test_anomaly_mode_points_at_the_line():
    x = torch.tensor(0.0, requires_grad=True)
    with pytest.warns(UserWarning, match=r"^Anomaly Detection has been enabled"), torch.autograd.detect_anomaly():
        y = torch.sqrt(x) * 0
        with pytest.warns(UserWarning) as w, pytest.raises(RuntimeError) as e:
            y.backward()
    assert str(e.value) == "Function 'SqrtBackward0' returned nan values in its 0th output."
    text = str(w[0].message)
    assert text.startswith("Error detected in SqrtBackward0. Traceback of forward call that caused the error:\n")
    assert __file__ in text and text.rstrip().endswith("y = torch.sqrt(x) * 0")
    (torch.sqrt(x) * 0).backward()
    assert np.isnan(x.grad.item()), "outside it is silent"


def test_set_detect_anomaly():
    with torch.autograd.set_detect_anomaly(True, check_nan=False):
        x = torch.tensor(0.0, requires_grad=True)
        (torch.sqrt(x) * 0).backward()
    assert np.isnan(x.grad.item()) and not torch.autograd.is_anomaly_enabled()
    torch.autograd.set_detect_anomaly(True)
    assert torch.autograd.is_anomaly_enabled()
    torch.autograd.set_detect_anomaly(False)
    assert not torch.autograd.is_anomaly_enabled()


# ---- what is saved


def counting():
    count = [0, 0]

    def pack(x):
        count[0] += 1
        return x.numpy().copy()

    def unpack(array):
        count[1] += 1
        return torch.from_numpy(array)

    return count, torch.autograd.graph.saved_tensors_hooks(pack, unpack)


def test_saved_tensors_hooks(way):
    x, w = leaf(0.5, 0.3), leaf(1.0, 2.0)
    count, hooks = counting()
    with hooks:
        y = (x * x).exp().sum() + (x @ w).sin() + 3 * x.sum()
    assert count[0] >= 5 and count[1] == 0
    y.backward()
    assert count[1] == count[0]
    v = np.array([0.5, 0.3])
    np.testing.assert_allclose(x.grad.numpy(), np.exp(v * v) * 2 * v + np.cos(v @ [1, 2]) * np.array([1, 2]) + 3)
    with pytest.raises(RuntimeError, match="a second time"):
        y.backward()


def test_what_unpack_gives_is_used():
    x = leaf(2.0)
    with torch.autograd.graph.saved_tensors_hooks(lambda x: None, lambda _: torch.tensor([10.0], dtype=torch.float64)):
        y = x.sin()
    y.backward()
    assert x.grad.item() == pytest.approx(np.cos(10.0))
    with torch.autograd.graph.saved_tensors_hooks(lambda x: None, lambda _: 3):
        y = x.sin()
    with pytest.raises(TypeError, match="unpack_hook expected to be a Tensor"):
        y.backward()


def test_saved_tensors_hooks_and_second_order():
    x = leaf(0.5)
    _, hooks = counting()
    with hooks:
        y = (x**3).sum()
        (d,) = grad(y, x, create_graph=True)
        (dd,) = grad(d.sum(), x)
    assert (d.item(), dd.item()) == pytest.approx((0.75, 3.0))


def test_hooks_and_functions():
    x = leaf(3.0)
    count, hooks = counting()
    with hooks:
        y = saving(lambda x: x**2, lambda g, x: 2 * x * g).apply(x)
    (d,) = grad(y, x, create_graph=True)
    assert count == [1, 1] and d.item() == 6 and grad(d, x)[0].item() == 2


def test_disabled_hooks_and_save_on_cpu():
    with torch.autograd.graph.disable_saved_tensors_hooks("not here"):
        refused(lambda: counting()[1].__enter__(), "not here")
    with torch.autograd.graph.save_on_cpu():
        assert (leaf(1.0) * 2).item() == 2


# ---- computed again


def test_checkpoint(way):
    w, x = leaf(1.0, 2.0), leaf(0.5, 0.3)
    calls = []

    def f(x):
        calls.append(1)
        return ((x * w).exp() * x).sum()

    f(x).backward()
    want = x.grad.tolist(), w.grad.tolist()
    x.grad = w.grad = None
    y = checkpoint(f, x, use_reentrant=False)
    assert len(calls) == 2
    y.backward()
    assert len(calls) == 3
    np.testing.assert_allclose((x.grad.tolist(), w.grad.tolist()), want, rtol=1e-14)
    with pytest.raises(RuntimeError, match="a second time"):
        y.backward()


def test_checkpoint_of_what_is_computed_outside_and_second_order():
    x = leaf(0.5, 2.0)
    h = x * 2
    checkpoint(lambda a: (a * h).sum(), x * 1).backward()
    assert x.grad.tolist() == [2, 8]
    f = lambda x: checkpoint(lambda x: (x**3).sum(), x)
    assert torch.autograd.gradcheck(f, (x,)) and torch.autograd.gradgradcheck(f, (x,))


def test_checkpoint_draws_the_same_numbers():
    x = leaf(1.0, 1.0)
    y = checkpoint(lambda x: x * torch.rand(2, dtype=torch.float64), x)
    after = torch.rand(1).item()
    y.sum().backward()
    assert x.grad.tolist() == y.tolist()
    state = torch.get_rng_state()
    assert torch.rand(1).item() != after
    torch.set_rng_state(state)


def test_checkpoint_sequential():
    x = leaf(0.3)
    y = checkpoint_sequential([torch.sin, torch.exp, torch.cos], 2, x)
    y.backward()
    v = 0.3
    assert y.item() == pytest.approx(np.cos(np.exp(np.sin(v))))
    assert x.grad.item() == pytest.approx(-np.sin(np.exp(np.sin(v))) * np.exp(np.sin(v)) * np.cos(v))


# ---- side by side

SCRIPT = '''
import warnings
warnings.simplefilter("ignore")
def tr(f):
    try: print(f())
    except Exception as e: print(type(e).__name__, "|", e)
x = torch.tensor([1., 2.], requires_grad=True)
class Bad(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x ** 3
    @staticmethod
    def backward(ctx, g):
        return 2 * g * ctx.saved_tensors[0]
y = Bad.apply(x * 1)
print(y, y.grad_fn.name(), [f.name() for f, _ in y.grad_fn.next_functions])
d = torch.tensor([1., 2.], dtype=torch.float64, requires_grad=True)
gradcheck, gradgradcheck = torch.autograd.gradcheck, torch.autograd.gradgradcheck
tr(lambda: gradcheck(Bad.apply, (d,)))
tr(lambda: gradcheck(lambda x: x ** 3, (d,)))
tr(lambda: gradcheck(lambda x: x ** 3, (d.detach().float().requires_grad_(),)))
tr(lambda: gradcheck(lambda x: x, (d.detach(),)))
tr(lambda: gradcheck(lambda x: x.detach(), (d,)))
tr(lambda: gradgradcheck(lambda x: x.exp(), (d,)))
for f in ("jacobian", "hessian"):
    F = getattr(torch.autograd.functional, f)
    tr(lambda: F(lambda a, b: (a * b ** 2).sum(), (d, d.detach() + 1)))
    tr(lambda: F(lambda a, b: a.sum(), (d, d.detach()), strict=True))
tr(lambda: torch.autograd.functional.jacobian(lambda a: (a.exp(), a.sum()), d, create_graph=True)[0].sum())
for f in ("vjp", "jvp", "hvp", "vhp"):
    F = getattr(torch.autograd.functional, f)
    tr(lambda: F(lambda a: (a ** 3).sum() if f[0] == "h" or f == "vhp" else a ** 3, d, torch.ones_like(d)))
    tr(lambda: F(lambda a: (a ** 3).sum() if f[0] == "h" or f == "vhp" else a ** 3, d, torch.ones(3)))
    tr(lambda: F(lambda a: (a ** 3).sum() if f[0] == "h" or f == "vhp" else a ** 3, d))
    tr(lambda: F(lambda a: 3, d))
    tr(lambda: F(lambda a: a, 3))
import importlib
fw = importlib.import_module(torch.autograd.__name__ + ".forward_ad")
with fw.dual_level():
    u = fw.make_dual(torch.tensor([1., 2.]), torch.tensor([1., 0.5]))
    tr(lambda: fw.unpack_dual((u * u).sum() * u))
    tr(lambda: fw.unpack_dual(torch.ones(2)))
    tr(lambda: fw.make_dual(torch.ones(2), torch.ones(3)))
    tr(lambda: fw.make_dual(torch.ones(2, dtype=torch.int64), torch.ones(2)))
    tr(lambda: fw.dual_level().__enter__())
tr(lambda: fw.make_dual(torch.ones(2), torch.ones(2)))
'''


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
def test_the_same_words_as_pytorch(tmp_path):
    out = []
    for package in ("torch", "jitgrad.eager"):
        script = tmp_path / f"with_{package.replace('.', '_')}.py"
        script.write_text(f"import {package} as torch\n{SCRIPT}")
        out.append(subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True).stdout)
    assert out[0] == out[1]




# ---- derivatives that are zero


def test_a_zero_derivative_is_nothing_to_warn_of(recwarn, monkeypatch):
    """Nor does making a pullback touch the filters of warnings, which all threads share."""
    monkeypatch.setattr("warnings.catch_warnings.__enter__", lambda self: pytest.fail("the filters of warnings are changed"))
    x = leaf(0.3, -1.7, 2.5)
    y = torch.relu(x * x - 1.0)
    (g,) = grad(y.sum(), x, create_graph=True)
    (h,) = grad((g * g).sum(), x, create_graph=True)
    torch.where(x > 0.0, torch.ones(3), torch.full((3,), 2.0)).sum().item()
    assert torch.equal(h, torch.where(x * x > 1.0, 8.0 * x, 0.0 * x))
    assert not recwarn.list
