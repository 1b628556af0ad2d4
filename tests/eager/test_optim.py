"""Optimisers: the numbers of PyTorch's, step by step; options, states and errors."""

import warnings

import numpy as np
import pytest

import jitgrad.eager as jtorch
from jitgrad.eager.run import settings


@pytest.fixture(params=[0, 10**9], ids=["compiled", "interpreted"])
def way(request, monkeypatch):
    monkeypatch.setattr(settings, "compile_after", request.param)


def problem(torch):
    """Two parameters of different shapes, a loss that is not convex."""
    A = torch.tensor([[3.0, 1.0, 0.5], [1.0, 2.0, 0.3], [0.5, 0.3, 1.0]], dtype=torch.float64)
    x = torch.tensor([1.0, -2.0, 0.7], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([[0.3], [0.9]], dtype=torch.float64, requires_grad=True)

    def loss():
        z = (A * x).sum(1)
        return (z * z).sum() / 2 + (torch.sin(x) * 2).sum() + ((y - x[:1]) ** 4).sum() + (y * y).sum()

    return x, y, loss


def descend(torch, name, options, steps=6):
    x, y, loss = problem(torch)
    optimizer = getattr(torch.optim, name)([x, y], **options)
    closure = closed(optimizer, loss)
    for _ in range(steps):
        optimizer.step(closure)
    return [*x.tolist(), *(v for row in y.tolist() for v in row)], optimizer


def closed(optimizer, loss):
    """What a step calls: the loss, with its gradients."""

    def closure():
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    return closure


def words(value):
    """The parts of a case that name it."""
    return value if isinstance(value, str) else ""


# The parameters after six steps, by PyTorch 2.13.
STEPS = [
    ("SGD", dict(lr=0.01), [0.80440372676, -1.72492582894, 0.584606252215, 0.316014286339, 0.797323948919]),
    (
        "SGD", dict(lr=0.01, momentum=0.9, dampening=0.1, weight_decay=0.1),
        [0.466704046638, -1.22727085566, 0.374557493202, 0.332412575801, 0.607765555214],
    ),
    (
        "SGD", dict(lr=0.01, momentum=0.9, nesterov=True, foreach=True),
        [0.391077740117, -1.07373637497, 0.285709560131, 0.305679058901, 0.544485219232],
    ),
    ("Adam", dict(lr=0.05), [0.714287352655, -1.70021682268, 0.401184760637, 0.373023706318, 0.602971345013]),
    ("Adam", dict(lr=0.05, amsgrad=True), [0.714287352655, -1.70021682268, 0.401184760637, 0.373023706318, 0.602971345013]),
    (
        "Adam", dict(lr=0.05, weight_decay=0.1, fused=True),
        [0.713701474446, -1.70024521136, 0.401267718116, 0.361195867529, 0.602970454394],
    ),
    ("AdamW", dict(lr=0.05, foreach=False), [0.711676229238, -1.69463114911, 0.399457148726, 0.371612911172, 0.600681421125]),
    ("AdamW", dict(lr=0.05, maximize=True), [1.29709957382, -2.29370230581, 0.998186898581, 0.0117417185044, 1.19831865042]),
    ("RMSprop", dict(), [0.708774863891, -1.64099323865, 0.344913420299, 0.261134169535, 0.565545706533]),
    (
        "RMSprop", dict(centered=True, momentum=0.5),
        [0.545122781191, -1.37070118068, 0.0816252225474, 0.163044578634, 0.336957277483],
    ),
    ("Adagrad", dict(lr=0.1, lr_decay=0.1), [0.74492480803, -1.69420264884, 0.397474044174, 0.28720554637, 0.611360507322]),
    ("Adadelta", dict(lr=2.0, weight_decay=0.1), [0.961928323742, -1.96035702631, 0.66051276589, 0.331780777909, 0.860763416479]),
    ("Adamax", dict(lr=0.05, weight_decay=0.1), [0.759475887032, -1.70311267138, 0.409081025565, 0.371281616094, 0.621744508586]),
    ("NAdam", dict(lr=0.05), [0.789997244414, -1.76101566447, 0.463373695651, 0.319891247371, 0.670237177307]),
    (
        "NAdam", dict(lr=0.05, weight_decay=0.1, decoupled_weight_decay=True),
        [0.763837092546, -1.70674746067, 0.445596213767, 0.305955963092, 0.647895762244],
    ),
    ("RAdam", dict(lr=0.05), [0.311711535469, -0.944381087895, 0.23273889596, 0.313754835119, 0.495743478241]),
    (
        "RAdam", dict(lr=0.05, weight_decay=0.1, maximize=True),
        [5.34070607382, -3.1722498299, 1.24933319525, -2.77620138363, 1.17527878441],
    ),
    ("LBFGS", dict(lr=0.1), [0.145630489032, -0.27931389553, -0.893484219128, 0.00549599827332, 0.00551936813758]),
    (
        "LBFGS", dict(lr=0.5, max_iter=2, history_size=3),
        [0.0590633091706, -0.251184992635, -0.744416566927, -0.0306706860344, 0.0213782406515],
    ),
    (
        "LBFGS", dict(max_iter=3, history_size=2, line_search_fn="strong_wolfe"),
        [0.145593618592, -0.279276738005, -0.893485724719, 0.0054581056862, 0.00545962067606],
    ),
]  # fmt: skip


@pytest.mark.parametrize("name, options, expected", STEPS, ids=words)
def test_steps_are_pytorchs(name, options, expected):
    found, _ = descend(jtorch, name, options)
    assert found == pytest.approx(expected, rel=1e-7, abs=1e-9)  # of NAdam PyTorch keeps a product in float32


@pytest.mark.parametrize("name, options, expected", [STEPS[k] for k in (1, 3, 7, 11)], ids=words)
def test_steps_both_ways(way, name, options, expected):
    assert descend(jtorch, name, options)[0] == pytest.approx(expected, rel=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("name, options, expected", STEPS, ids=words)
def test_the_stored_steps_are_what_pytorch_does_today(name, options, expected):
    torch = pytest.importorskip("torch")
    found, theirs = descend(torch, name, options)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)
    ours = descend(jtorch, name, options)[1]
    assert repr(ours) == repr(theirs)
    a, b = ours.state_dict(), theirs.state_dict()
    assert a["param_groups"] == b["param_groups"]
    assert [set(s) for s in a["state"].values()] == [set(s) - {"al"} for s in b["state"].values()]  # al: scratch


@pytest.mark.parametrize("name, options, expected", STEPS, ids=words)
def test_training_goes_on_from_a_state(name, options, expected):
    """Three steps, the state into a new optimiser with other options, three more."""
    x, y, loss = problem(jtorch)
    first, second = getattr(jtorch.optim, name)([x, y], **options), getattr(jtorch.optim, name)([x, y], lr=0.9)
    closure = closed(first, loss)
    for _ in range(3):
        first.step(closure)
    state = first.state_dict()
    second.load_state_dict({"param_groups": state["param_groups"], "state": plain(state["state"])})
    for _ in range(3):
        second.step(closure)
    assert [*x.tolist(), *y.reshape(-1).tolist()] == pytest.approx(expected, rel=1e-6)


def plain(state):
    """As from a file of NumPy arrays."""

    def array(x):
        if isinstance(x, list):
            return [array(y) for y in x]
        return np.array(x.tolist()) if isinstance(x, jtorch.Tensor) else x

    return {k: {n: array(x) for n, x in s.items()} for k, s in state.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name, options, expected", STEPS, ids=words)
def test_the_state_of_a_pytorch_optimizer_is_taken_over(name, options, expected):
    torch = pytest.importorskip("torch")
    _, theirs = descend(torch, name, options, steps=3)
    before = [p.detach().numpy() for p in theirs.param_groups[0]["params"]]
    x, y, loss = problem(jtorch)
    with jtorch.no_grad():
        x.copy_(jtorch.from_numpy(before[0].copy()))
        y.copy_(jtorch.from_numpy(before[1].copy()))
    optimizer = getattr(jtorch.optim, name)([x, y])
    optimizer.load_state_dict(theirs.state_dict())
    closure = closed(optimizer, loss)
    for _ in range(3):
        optimizer.step(closure)
    assert [*x.tolist(), *y.reshape(-1).tolist()] == pytest.approx(expected, rel=1e-6)


def test_what_a_state_looks_like():
    _, optimizer = descend(jtorch, "Adam", {})
    state = optimizer.state_dict()
    assert list(state) == ["state", "param_groups"] and state["param_groups"][0]["params"] == [0, 1]
    assert repr(state["state"][0]["step"]) == "tensor(6.)" and state["state"][0]["exp_avg"].dtype is jtorch.float64
    assert descend(jtorch, "SGD", {})[1].state_dict()["state"] == {}


def test_groups_have_options_of_their_own():
    a, b, c = (jtorch.ones(1, requires_grad=True) for _ in range(3))
    optimizer = jtorch.optim.SGD([{"params": [a]}, {"params": b, "lr": 0.5}], lr=0.1)
    optimizer.add_param_group({"params": [c], "momentum": 0.9})
    (a + b + c).sum().backward()
    optimizer.step()
    assert [a.item(), b.item(), c.item()] == pytest.approx([0.9, 0.5, 0.9])
    assert [g["momentum"] for g in optimizer.param_groups] == [0, 0, 0.9]
    assert jtorch.optim.SGD([("a", a), ("b", b)]).param_groups[0]["param_names"] == ["a", "b"]


def test_parameters_without_a_gradient_stay():
    a, b = jtorch.ones(1, requires_grad=True), jtorch.ones(1, requires_grad=True)
    optimizer = jtorch.optim.AdamW([a, b], lr=0.1)
    a.sum().backward()
    optimizer.step()
    assert a.item() != 1.0 and b.item() == 1.0 and list(optimizer.state_dict()["state"]) == [0]


def test_zero_grad():
    a = jtorch.ones(2, requires_grad=True)
    optimizer = jtorch.optim.SGD([a])
    a.sum().backward()
    optimizer.zero_grad(set_to_none=False)
    assert a.grad.tolist() == [0.0, 0.0]
    optimizer.zero_grad()
    assert a.grad is None


def test_hooks_of_the_step():
    a = jtorch.ones(1, requires_grad=True)
    for make in (jtorch.optim.SGD, jtorch.optim.LBFGS):
        optimizer, seen = make([a]), []
        first = optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append("before"))
        optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append("after"))
        a.grad = jtorch.ones(1)
        optimizer.step(lambda: jtorch.tensor(1.0))
        first.remove()
        optimizer.step(lambda: jtorch.tensor(1.0))
        assert seen == ["before", "after", "after"]


def test_an_optimiser_of_ones_own():
    class Sign(jtorch.optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, dict(lr=lr))

        @jtorch.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    p.add_(p.grad.sign(), alpha=-group["lr"])

    x = jtorch.tensor([1.0, -2.0], requires_grad=True)
    optimizer = Sign([x], lr=0.25)
    (x * x).sum().backward()
    optimizer.step()
    assert x.tolist() == [0.75, -1.75]


# Rosenbrock's valley: the end of one call of step and the iterations, by PyTorch 2.13.
VALLEY = [
    (dict(line_search_fn="strong_wolfe", max_iter=100, tolerance_change=1e-20), [1.0, 1.0], 37),
    (dict(line_search_fn="strong_wolfe", max_iter=30, tolerance_change=1e-20), [0.9768773674819872, 0.9525832436377473], 29),
    (dict(lr=1e-2, max_iter=50), [-1.1481729607396676, 1.0568639037276844], 50),
]


@pytest.mark.parametrize("options, end, iterations", VALLEY)
def test_lbfgs_in_rosenbrocks_valley(options, end, iterations):
    x = jtorch.tensor([-1.2, 1.0], dtype=jtorch.float64, requires_grad=True)
    optimizer = jtorch.optim.LBFGS([x], **options)
    start = optimizer.step(valley(x, optimizer))
    assert start.item() == pytest.approx(24.2) and x.tolist() == pytest.approx(end, abs=1e-8)
    assert abs(optimizer.state[x]["n_iter"] - iterations) <= 1


def valley(x, optimizer):
    def closure():
        optimizer.zero_grad()
        loss = (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
        loss.backward()
        return loss

    return closure


P = [jtorch.ones(1, requires_grad=True)]
ERRORS = [
    (lambda o: o.SGD(P, lr=-1), ValueError, "Invalid learning rate: -1"),
    (lambda o: o.SGD(P, momentum=-1), ValueError, "Invalid momentum value: -1"),
    (lambda o: o.SGD(P, nesterov=True), ValueError, "Nesterov momentum requires a momentum and zero dampening"),
    (lambda o: o.Adam(P, betas=(1.0, 0.9)), ValueError, "Invalid beta parameter at index 0: 1.0"),
    (lambda o: o.Adam(P, eps=-1), ValueError, "Invalid epsilon value: -1"),
    (lambda o: o.AdamW(P, weight_decay=-1), ValueError, "Invalid weight_decay value: -1"),
    (lambda o: o.Adam(P, foreach=True, fused=True), RuntimeError, "`fused` and `foreach` cannot be `True` together."),
    (lambda o: o.RMSprop(P, alpha=-1), ValueError, "Invalid alpha value: -1"),
    (lambda o: o.Adadelta(P, rho=1.5), ValueError, "Invalid rho value: 1.5"),
    (lambda o: o.NAdam(P, momentum_decay=-1), ValueError, "Invalid momentum_decay value: -1"),
    (lambda o: o.SGD([]), ValueError, "optimizer got an empty parameter list"),
    (
        lambda o: o.SGD(P[0]), TypeError,
        "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
        "torch.FloatTensor",
    ),
    (lambda o: o.SGD([1.0]), TypeError, "optimizer can only optimize Tensors, but one of the params is float"),
    (lambda o: o.SGD([P[0] * 2]), ValueError, "can't optimize a non-leaf Tensor"),
    (lambda o: o.SGD([{"params": P}, {"params": P}]), ValueError, "some parameters appear in more than one parameter group"),
    (
        lambda o: o.SGD([{"params": set(P)}]), TypeError,
        "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets "
        "will change between runs. Please use a list instead.",
    ),
    (
        lambda o: o.LBFGS([{"params": P}, {"params": [jtorch.ones(1)]}]), ValueError,
        "LBFGS doesn't support per-parameter options (parameter groups)",
    ),
    (lambda o: o.LBFGS(P).step(), TypeError, "LBFGS.step() missing 1 required positional argument: 'closure'"),
    (
        lambda o: o.SGD(P).load_state_dict({"state": {}, "param_groups": []}), ValueError,
        "loaded state dict has a different number of parameter groups",
    ),
    (
        lambda o: o.SGD(P).load_state_dict({"state": {}, "param_groups": [{"params": [0, 1]}]}), ValueError,
        "loaded state dict contains a parameter group that doesn't match the size of optimizer's group",
    ),
]  # fmt: skip


@pytest.mark.parametrize("call, error, message", ERRORS, ids=words)
def test_errors(call, error, message):
    with pytest.raises(error) as found:
        call(jtorch.optim)
    assert str(found.value) == message


def test_differentiable_is_refused():
    with pytest.raises(NotImplementedError, match="differentiable=True is not supported"):
        jtorch.optim.Adam(P, differentiable=True)


def test_the_same_parameter_twice_in_a_group_warns():
    with pytest.warns(UserWarning, match="duplicate parameters"):
        jtorch.optim.SGD([P[0], P[0]])


def test_a_rate_may_be_a_tensor():
    x = jtorch.ones(1, requires_grad=True)
    optimizer = jtorch.optim.SGD([x], lr=jtorch.tensor(0.5))
    x.sum().backward()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        optimizer.step()
    assert x.item() == 0.5
