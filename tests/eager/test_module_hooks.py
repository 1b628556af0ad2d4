"""Hooks of modules on gradients and on states, parts by name, `to_empty`. Numbers are closed forms, messages PyTorch's."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import jitgrad
import jitgrad.eager as torch
from jitgrad.eager.run import settings


@pytest.fixture(params=[False, True], ids=["interpreted", "compiled"], autouse=True)
def both(request, monkeypatch):
    if request.param:
        monkeypatch.setattr(settings, "compile_after", 0)


class Two(torch.nn.Module):
    """Of two tensors: their square and triple, a value without a gradient, and a number."""

    def forward(self, a, b):
        return a * a, None if b is None else b * 3, a.detach(), 7


class Seen(list):
    """A hook that writes down what it is given."""

    def __call__(self, module, *grads):
        self.append(tuple([None if g is None else g.tolist() for g in gs] for gs in grads))


def leaf(x, needs=True):
    return torch.tensor(x, requires_grad=needs)


def ones_layer():
    layer = torch.nn.Linear(2, 1, bias=False)
    torch.nn.init.ones_(layer.weight)
    return layer


# ---- on gradients


@pytest.mark.parametrize(
    ("which", "grad_input", "grad_output"),
    [
        ([0], [[2.0, 4.0], [0.0, 0.0]], [[1.0, 1.0], None, None, None]),
        ([1], [[0.0, 0.0], [3.0, 3.0]], [None, [1.0, 1.0], None, None]),
        ([0, 1], [[2.0, 4.0], [3.0, 3.0]], [[1.0, 1.0], [1.0, 1.0], None, None]),
    ],
)
def test_hooks_see_the_gradients_of_all_arguments_and_results(which, grad_input, grad_output):
    m, after, before = Two(), Seen(), Seen()
    m.register_full_backward_hook(after)
    m.register_full_backward_pre_hook(before)
    x, z = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    out = m(x, z)
    assert out[3] == 7 and not out[2].requires_grad and out[0].grad_fn.name() == "BackwardHookFunctionBackward"
    sum(out[k].sum() for k in which).backward()
    assert after == [(grad_input, grad_output)] and before == [(grad_output,)]
    assert x.grad.tolist() == grad_input[0] and z.grad.tolist() == grad_input[1]


def test_what_is_no_tensor_has_no_gradient_and_a_constant_one_of_zeros():
    m, seen = Two(), Seen()
    m.register_full_backward_hook(seen)
    m(leaf([1.0, 2.0]), None)[0].sum().backward()
    fixed = leaf([3.0, 4.0], needs=False)
    m(leaf([1.0, 2.0]), fixed)[0].sum().backward()
    assert [grad_input for grad_input, _ in seen] == [[[2.0, 4.0], None], [[2.0, 4.0], [0.0, 0.0]]]
    assert fixed.grad is None


def test_returned_gradients_replace_in_the_order_of_the_hooks():
    m = Two()
    m.register_full_backward_hook(lambda m, gi, go: (gi[0] * 10, gi[1]))
    m.register_full_backward_hook(lambda m, gi, go: (gi[0] + 1, gi[1]), prepend=True)
    handle = m.register_full_backward_hook(lambda m, gi, go: (gi[0] * 0, gi[1]))
    handle.remove()
    x, z = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    m(x, z)[0].sum().backward()
    assert x.grad.tolist() == [30.0, 50.0]


def test_a_pre_hook_replaces_the_gradient_of_the_result_for_the_parameters_too():
    layer, seen = ones_layer(), Seen()
    layer.register_full_backward_pre_hook(lambda m, go: (go[0] * 5,))
    layer.register_full_backward_pre_hook(lambda m, go: (go[0] + 1,), prepend=True)
    layer.register_full_backward_hook(seen)
    x = leaf([[1.0, 2.0]])
    layer(x).sum().backward()
    assert seen == [([[[10.0, 10.0]]], [[[10.0]]])]
    assert x.grad.tolist() == [[10.0, 10.0]] and layer.weight.grad.tolist() == [[10.0, 20.0]]


def test_without_a_gradient_of_the_arguments_the_hook_runs_at_the_results():
    layer, seen = ones_layer(), Seen()
    layer.register_full_backward_hook(seen)
    with pytest.warns(UserWarning, match="firing when gradients are computed with respect to module outputs"):
        layer(leaf([[1.0, 2.0]], needs=False)).sum().backward()
    assert seen == [([None], [[[1.0]]])] and layer.weight.grad.tolist() == [[1.0, 2.0]]
    layer.register_full_backward_hook(lambda m, gi, go: go)
    with pytest.warns(UserWarning), pytest.raises(RuntimeError, match="no input requires gradient should always return None"):
        layer(leaf([[1.0, 2.0]], needs=False)).sum().backward()


def test_each_call_and_each_sweep_runs_the_hook():
    m, seen = Two(), Seen()
    m.register_full_backward_hook(seen)
    x = leaf(3.0)
    y = m(m(x, None)[0], None)[0]  # x**4
    y.backward(retain_graph=True)
    assert seen == [([18.0, None], [1.0, None, None, None]), ([108.0, None], [18.0, None, None, None])]
    y.backward()
    assert len(seen) == 4 and x.grad.item() == 2 * 4 * 27
    with torch.no_grad():
        assert m(x, None)[0].grad_fn is None
    copy.deepcopy(m)(x, None)[0].backward()
    assert len(seen) == 4  # a copy has a copy of the hook


def test_the_hook_does_not_run_where_the_arguments_are_not_reached():
    layer, seen = ones_layer(), Seen()
    layer.register_full_backward_hook(seen)
    (g,) = torch.autograd.grad(layer(leaf([[1.0, 2.0]])).sum(), layer.weight)
    assert g.tolist() == [[1.0, 2.0]] and seen == []


def test_gradients_of_hooked_gradients():
    tanh = torch.nn.Tanh()
    tanh.register_full_backward_hook(lambda m, gi, go: (2 * gi[0],))
    x = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    (g,) = torch.autograd.grad(tanh(x), x, create_graph=True)
    (h,) = torch.autograd.grad(g, x)
    t = np.tanh(1.0)
    # g = 2 (1 - t^2) is made of x through the step of the arguments only: that one adds no second factor
    assert g.item() == pytest.approx(2 * (1 - t * t), rel=1e-14)
    assert h.item() == pytest.approx(-4 * t * (1 - t * t), rel=1e-14)


def test_hooks_in_a_training_loop_leave_the_numbers_alone():
    plain, hooked = ones_layer(), ones_layer()
    seen = Seen()
    hooked.register_full_backward_hook(seen)
    x = leaf([[1.0, 2.0], [3.0, -1.0]])
    for layer in (plain, hooked):
        step = torch.optim.SGD(layer.parameters(), lr=0.1)
        for _ in range(3):
            step.zero_grad()
            (layer(x) ** 2).sum().backward()
            step.step()
    assert len(seen) == 3
    np.testing.assert_allclose(hooked.weight.detach().numpy(), plain.weight.detach().numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    ("register", "hook", "said"),
    [
        ("register_full_backward_hook", lambda m, gi, go: gi[:1], "Backward hook .* grad_input, got 1, but expected 2"),
        ("register_full_backward_pre_hook", lambda m, go: go[:1], "Backward pre hook .* grad_output, got 1, but expected 4"),
    ],
)
def test_a_wrong_number_of_gradients_is_refused(register, hook, said):
    m = Two()
    getattr(m, register)(hook)
    out = m(leaf([1.0]), leaf([1.0]))
    with pytest.raises(RuntimeError, match=said):
        out[0].sum().backward()


def test_writing_a_result_in_place_is_refused():
    layer = ones_layer()
    layer.register_full_backward_hook(Seen())
    y = layer(leaf([[1.0, 2.0]]))
    with pytest.raises(RuntimeError, match="Output 0 of BackwardHookFunction is a view and is being modified inplace"):
        y += 1


def test_a_result_that_is_no_tensor_is_warned_of():
    class Named(torch.nn.Module):
        def forward(self, x):
            return {"y": x * x}

    m, seen, x = Named(), Seen(), leaf(3.0)
    m.register_full_backward_hook(seen)
    with pytest.warns(UserWarning, match="module output should be a Tensor or a tuple of Tensors but received <class 'dict'>"):
        m(x)["y"].backward()
    assert seen == [] and x.grad.item() == 6.0


def test_traced_code_with_hooks_is_refused():
    class Square(torch.nn.Module):
        def forward(self, x):
            return (x * x).sum()

    m = Square()
    assert jitgrad.grad(lambda x: m(x))(np.ones(2)).tolist() == [2.0, 2.0]
    m.register_full_backward_hook(Seen())
    with pytest.raises(jitgrad.errors.Unsupported, match="a module with hooks on its gradients cannot be called in traced code"):
        jitgrad.grad(lambda x: m(x) + 0.0)(np.ones(2))


# ---- parts by name


def test_parts_by_name():
    net = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.BatchNorm1d(1))
    assert net.get_parameter("0.weight") is net[0].weight
    assert net.get_buffer("1.running_mean") is net[1].running_mean
    assert net.get_submodule("1") is net[1] and net.get_submodule("") is net


@pytest.mark.parametrize(
    ("ask", "name", "said"),
    [
        ("get_parameter", "foo", "Linear has no attribute `foo`"),
        ("get_parameter", "in_features", "`in_features` is not an nn.Parameter"),
        ("get_parameter", "x.weight", "Linear has no attribute `x`"),
        ("get_buffer", "weight", "`weight` is not a buffer"),
        ("get_buffer", "no", "Linear has no attribute `no`"),
        ("get_submodule", "a.b", "Linear has no attribute `a`"),
        ("get_submodule", "weight", "`weight` is not an nn.Module"),
    ],
)
def test_names_that_there_are_not(ask, name, said):
    with pytest.raises(AttributeError) as error:
        getattr(torch.nn.Linear(2, 1), ask)(name)
    assert str(error.value) == said


# ---- on states


def two_layers():
    return torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.Linear(1, 1))


def test_hooks_on_collecting_a_state():
    net, told = two_layers(), []

    def after(module, state, prefix, metadata):
        told.append((list(state), prefix, metadata))
        state[prefix + "more"] = 1

    net[1].register_state_dict_pre_hook(lambda *said: told.append(said[1:]))
    net[1].register_state_dict_post_hook(after)
    handle = net.register_state_dict_post_hook(lambda module, state, prefix, metadata: state.pop("0.bias") and None)
    assert list(net.state_dict()) == ["0.weight", "1.weight", "1.bias", "1.more"]
    assert told == [("1.", False), (["0.weight", "0.bias", "1.weight", "1.bias"], "1.", {"version": 1})]
    handle.remove()
    net.register_state_dict_post_hook(lambda module, state, prefix, metadata: state)
    with pytest.raises(RuntimeError, match="state_dict post-hook must return None"):
        net.state_dict()


def old_state():
    return {"0.old": torch.zeros(1, 1), "0.bias": torch.zeros(1), "1.weight": torch.zeros(1, 1), "1.bias": torch.zeros(1)}


def test_a_hook_renames_what_is_loaded():
    net, told = two_layers(), []

    def before(module, state, prefix, metadata, strict, missing, unexpected, errors):
        told.append((list(state), prefix, metadata, strict, missing[:], unexpected[:], errors[:]))
        state[prefix + "weight"] = state.pop(prefix + "old")

    net[0].register_load_state_dict_pre_hook(before)
    net.register_load_state_dict_post_hook(lambda module, keys: told.append((module[0].weight.item(), keys)))
    state = old_state()
    assert repr(net.load_state_dict(state)) == "<All keys matched successfully>"
    assert told == [(["0.old", "0.bias"], "0.", {}, True, [], [], []), (0.0, ([], []))]
    assert list(state) == list(old_state()) and net[0].weight.item() == 0.0


def test_a_hook_forgives_keys_that_do_not_match():
    net = two_layers()
    before = net[1].weight.item()
    with pytest.raises(RuntimeError) as error:
        net.load_state_dict(old_state())
    assert str(error.value) == (
        "Error(s) in loading state_dict for Sequential:\n"
        '\tMissing key(s) in state_dict: "0.weight". \n\tUnexpected key(s) in state_dict: "0.old". '
    )
    assert net[1].weight.item() == before  # nothing was copied
    found = []
    net[0].register_load_state_dict_post_hook(lambda module, keys: found.append(repr(keys)))
    net.register_load_state_dict_post_hook(lambda module, keys: [k.clear() for k in keys] and None)
    net.load_state_dict(old_state())
    assert found == ["_IncompatibleKeys(missing_keys=['0.weight'], unexpected_keys=['0.old'])"]
    assert net[1].weight.item() == 0.0


def test_what_hooks_on_loading_may_not_do():
    net = two_layers()
    net.register_load_state_dict_pre_hook(lambda *said: said[-1].append("too old"))
    with pytest.raises(RuntimeError, match="Error\\(s\\) in loading state_dict for Sequential:\n\ttoo old"):
        net.load_state_dict(net.state_dict())
    other = two_layers()
    other.register_load_state_dict_post_hook(lambda module, keys: keys)
    with pytest.raises(AssertionError, match="not expected to return new values"):
        other.load_state_dict(other.state_dict())
    with pytest.raises(TypeError, match="Expected state_dict to be dict-like, got <class 'int'>"):
        net.load_state_dict(3)


# ---- new memory


def test_to_empty():
    net = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.BatchNorm1d(1)).double()
    weight, mean = net[0].weight, net[1].running_mean
    assert net.to_empty(device="cpu") is net and net[0].weight is weight and weight.requires_grad
    assert tuple(weight.shape) == (1, 2) and weight.dtype is torch.float64 and net[1].running_mean is not mean
    kept = net[1].running_mean
    net.to_empty(device="cpu", recurse=False)
    assert net[1].running_mean is kept
    with pytest.raises(TypeError):
        net.to_empty("cpu")
