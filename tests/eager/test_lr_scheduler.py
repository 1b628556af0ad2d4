"""Schedules of the learning rate: the rates of PyTorch's, epoch by epoch."""

import warnings

import pytest

import jitgrad.eager as jtorch


def optimizer_of(torch, kind="SGD", rates=(0.1, 0.02)):
    groups = [{"params": [torch.ones(1, requires_grad=True)], "lr": lr} for lr in rates]
    return getattr(torch.optim, kind)(groups, **({"momentum": 0.9} if kind == "SGD" else {}))


MAKE = {
    "step": lambda s, o: s.StepLR(o, 3, 0.5),
    "multistep": lambda s, o: s.MultiStepLR(o, [2, 5, 5], 0.3),
    "constant": lambda s, o: s.ConstantLR(o, 0.4, 4),
    "linear": lambda s, o: s.LinearLR(o, 0.25, 0.8, 6),
    "linear to 0": lambda s, o: s.LinearLR(o, 0.25, 0.0, 6),
    "exponential": lambda s, o: s.ExponentialLR(o, 0.9),
    "polynomial": lambda s, o: s.PolynomialLR(o, 7, 2.0),
    "lambda": lambda s, o: s.LambdaLR(o, [lambda t: 0.9**t, lambda t: 1 / (1 + t)]),
    "multiplicative": lambda s, o: s.MultiplicativeLR(o, lambda t: 0.95),
    "cosine": lambda s, o: s.CosineAnnealingLR(o, 5, 0.001),
    "restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, 2, 0.001),
    "one cycle": lambda s, o: s.OneCycleLR(o, 0.3, 30),
    "three phases": lambda s, o: s.OneCycleLR(
        o, [0.3, 0.4], epochs=3, steps_per_epoch=10, three_phase=True, anneal_strategy="linear", final_div_factor=10.0
    ),
    "sequential": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.1, 1.0, 4), s.CosineAnnealingLR(o, 8), s.ExponentialLR(o, 0.5)], [4, 12]
    ),
    "chained": lambda s, o: s.ChainedScheduler([s.ConstantLR(o, 0.1, 4), s.ExponentialLR(o, 0.9)]),
}


def rates(torch, name, kind="SGD", epochs=20):
    """(rate, momentum) of the second group before each step of the schedule."""
    optimizer = optimizer_of(torch, kind)
    scheduler = MAKE[name](torch.optim.lr_scheduler, optimizer)
    out = []
    for _ in range(epochs):
        group = optimizer.param_groups[1]
        assert scheduler.get_last_lr()[1] == group["lr"]
        out.append((group["lr"], group["momentum"] if kind == "SGD" else group["betas"][0]))
        optimizer.step()
        scheduler.step()
    return out, scheduler


# The rate of the second group in the epochs 0, 1, 2, 4, 5, 8, 13, 19, by PyTorch 2.13.
AT = (0, 1, 2, 4, 5, 8, 13, 19)
RATES = {
    "step": [0.02, 0.02, 0.02, 0.01, 0.01, 0.005, 0.00125, 0.0003125],
    "multistep": [0.02, 0.02, 0.006, 0.006, 0.00054, 0.00054, 0.00054, 0.00054],
    "constant": [0.008, 0.008, 0.008, 0.02, 0.02, 0.02, 0.02, 0.02],
    "linear": [0.005, 0.00683333333333, 0.00866666666667, 0.0123333333333, 0.0141666666667, 0.016, 0.016, 0.016],
    "linear to 0": [0.005, 0.00416666666667, 0.00333333333333, 0.00166666666667, 0.000833333333333, 0.0, 0.0, 0.0],
    "exponential": [0.02, 0.018, 0.0162, 0.013122, 0.0118098, 0.0086093442, 0.00508373165666, 0.00270170343535],
    "polynomial": [0.02, 0.014693877551, 0.0102040816327, 0.00367346938776, 0.00163265306122, 0.0, 0.0, 0.0],
    "lambda": [0.02, 0.01, 0.00666666666667, 0.004, 0.00333333333333, 0.00222222222222, 0.00142857142857, 0.001],
    "multiplicative": [0.02, 0.019, 0.01805, 0.016290125, 0.01547561875, 0.0132684086258, 0.0102668416656, 0.00754707205071],
    "cosine": [
        0.02, 0.0181856614466, 0.0134356614466, 0.00281433855344, 0.001, 0.0134356614466, 0.00756433855344, 0.0181856614466,
    ],
    "restarts": [0.02, 0.01525, 0.00575, 0.018727241336, 0.01525, 0.00227275866405, 0.01525, 0.00227275866405],
    "one cycle": [0.012, 0.0229613473184, 0.0541766235091, 0.156, 0.211106414261, 0.3, 0.259957940943, 0.1387911308],
    "three phases": [0.016, 0.064, 0.112, 0.208, 0.256, 0.4, 0.16, 0.0126769230769],
    "sequential": [0.002, 0.0065, 0.011, 0.02, 0.0192387953251, 0.01, 0.01, 0.00015625],
    "chained": [0.002, 0.0018, 0.00162, 0.013122, 0.0118098, 0.0086093442, 0.00508373165666, 0.00270170343535],
}  # fmt: skip


@pytest.mark.parametrize("name", MAKE)
def test_rates_are_pytorchs(name):
    found, _ = rates(jtorch, name)
    assert [found[t][0] for t in AT] == pytest.approx(RATES[name], rel=1e-9, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("name", MAKE)
def test_rates_momenta_and_states_as_in_pytorch(name, kind):
    torch = pytest.importorskip("torch")
    (ours, mine), (theirs, other) = rates(jtorch, name, kind, 29), rates(torch, name, kind, 29)
    for a, b in zip(ours, theirs, strict=True):
        assert a == pytest.approx(b, rel=1e-12, abs=1e-15)
    assert mine.state_dict().keys() == other.state_dict().keys()


@pytest.mark.parametrize("name", [n for n in MAKE if n not in ("lambda", "multiplicative")])
def test_a_schedule_goes_on_from_its_state(name):
    optimizer = optimizer_of(jtorch)
    scheduler = MAKE[name](jtorch.optim.lr_scheduler, optimizer)
    for _ in range(5):
        optimizer.step()
        scheduler.step()
    other = optimizer_of(jtorch)
    again = MAKE[name](jtorch.optim.lr_scheduler, other)
    other.load_state_dict(optimizer.state_dict())
    again.load_state_dict(scheduler.state_dict())
    for t in range(5, 20):
        other.step()
        assert (t not in AT) or again.get_last_lr()[1] == pytest.approx(RATES[name][AT.index(t)], rel=1e-9, abs=1e-12)
        again.step()


# resumed by last_epoch: the rate in the next three epochs after rates of 0.1, by PyTorch 2.13
RESUMED = {
    "step": [0.05, 0.05, 0.05],
    "exponential": [0.1, 0.09, 0.081],
    "linear": [0.1, 0.10990990991, 0.11981981982],
    "cosine": [0.1, 0.0473232002624, 0.0129408610844],
}  # fmt: skip


@pytest.mark.parametrize("name, expected", RESUMED.items())
def test_resumed_by_the_number_of_the_last_epoch(name, expected):
    assert resumed(jtorch, name) == pytest.approx(expected, rel=1e-9)


def resumed(torch, name):
    cls, options = {
        "step": ("StepLR", dict(step_size=3, gamma=0.5)), "exponential": ("ExponentialLR", dict(gamma=0.9)),
        "linear": ("LinearLR", dict(start_factor=0.25, end_factor=0.8, total_iters=9)),
        "cosine": ("CosineAnnealingLR", dict(T_max=9, eta_min=0.001)),
    }[name]  # fmt: skip
    optimizer = optimizer_of(torch, rates=(0.1,))
    optimizer.param_groups[0]["initial_lr"] = 0.2
    scheduler = getattr(torch.optim.lr_scheduler, cls)(optimizer, **options, last_epoch=5)
    out = []
    for _ in range(3):
        out.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return out


def test_resuming_needs_the_rate_at_the_start():
    with pytest.raises(KeyError, match="param 'initial_lr' is not specified in param_groups"):
        jtorch.optim.lr_scheduler.StepLR(optimizer_of(jtorch), 3, last_epoch=2)


def test_a_plateau():
    optimizer = optimizer_of(jtorch, rates=(1.0,))
    scheduler = jtorch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1, cooldown=1, min_lr=0.2)
    seen = []
    for loss in [1.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.1]:
        optimizer.step()
        scheduler.step(jtorch.tensor(loss))
        seen.append(scheduler.get_last_lr()[0])
    assert seen == [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25] and scheduler.best == pytest.approx(0.1)
    assert scheduler.state_dict()["num_bad_epochs"] == 0 and not scheduler.in_cooldown


def test_the_order_of_the_steps_is_warned_about():
    optimizer = optimizer_of(jtorch)
    scheduler = jtorch.optim.lr_scheduler.StepLR(optimizer, 2)
    with pytest.warns(UserWarning, match=r"^Detected call of `lr_scheduler.step\(\)` before `optimizer.step\(\)`. In"):
        scheduler.step()
    optimizer.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler.step()
    with pytest.warns(UserWarning, match=r"please use `get_last_lr\(\)`"):
        scheduler.get_lr()
    with pytest.warns(UserWarning, match="The epoch parameter in `scheduler.step"):
        scheduler.step(7)
    assert scheduler.get_last_lr() == pytest.approx([1e-4, 2e-5])


def test_restarts_at_fractions_of_an_epoch():
    optimizer = optimizer_of(jtorch, rates=(1.0,))
    scheduler = jtorch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 4, T_mult=2)
    optimizer.step()
    for epoch, expected in ((2.0, 0.5), (4.0, 1.0), (8.0, 0.5), (1.0, 0.8535533905932737), (12.0, 1.0)):
        scheduler.step(epoch)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(expected)


def test_a_rate_that_is_a_tensor_stays_one():
    lr = jtorch.tensor(0.5)
    optimizer = jtorch.optim.SGD([jtorch.ones(1, requires_grad=True)], lr=lr)
    scheduler = jtorch.optim.lr_scheduler.StepLR(optimizer, 1)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is lr and lr.item() == pytest.approx(0.05)


def test_a_schedule_of_ones_own():
    class Halves(jtorch.optim.lr_scheduler.LRScheduler):
        def get_lr(self):
            return [lr / (1 + self.last_epoch) for lr in self.base_lrs]

    optimizer = optimizer_of(jtorch)
    scheduler = Halves(optimizer)
    optimizer.step()
    scheduler.step()
    assert scheduler.get_last_lr() == [0.05, 0.01]


O = optimizer_of(jtorch)
ERRORS = [
    (lambda s: s.StepLR(1.0, 3), TypeError, "float is not an Optimizer"),
    (lambda s: s.LambdaLR(O, [abs]), ValueError, "Expected 2 lr_lambdas, but got 1"),
    (lambda s: s.ConstantLR(O, 2.0), ValueError, "Constant multiplicative factor expected to be between 0 and 1."),
    (
        lambda s: s.LinearLR(O, 0.0), ValueError,
        "Starting multiplicative factor expected to be greater than 0 and less or equal to 1.",
    ),
    (lambda s: s.OneCycleLR(O, 0.1), ValueError, "You must define either total_steps OR (epochs AND steps_per_epoch)"),
    (
        lambda s: s.OneCycleLR(O, [0.1], 10), ValueError,
        "max_lr must have the same length as optimizer.param_groups. max_lr has 1 values, param_groups has 2.",
    ),
    (lambda s: s.CosineAnnealingWarmRestarts(O, 0), ValueError, "Expected positive integer T_0, but got 0"),
    (lambda s: s.ReduceLROnPlateau(O, factor=1.0), ValueError, "Factor should be < 1.0."),
    (lambda s: s.ReduceLROnPlateau(O, mode="x"), ValueError, "mode x is unknown!"),
    (
        lambda s: s.SequentialLR(O, [s.StepLR(O, 1)], [1]), ValueError,
        "Sequential Schedulers expects number of schedulers provided to be one more than the number of milestone "
        "points, but got number of schedulers 1 and the number of milestones to be equal to 1",
    ),
]  # fmt: skip


@pytest.mark.parametrize("call, error, message", ERRORS, ids=lambda v: v if isinstance(v, str) else "")
def test_errors(call, error, message):
    with pytest.raises(error) as found:
        call(jtorch.optim.lr_scheduler)
    assert str(found.value) == message


@pytest.mark.slow
@pytest.mark.parametrize("call, error, message", ERRORS, ids=lambda v: v if isinstance(v, str) else "")
def test_errors_are_pytorchs(call, error, message, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setitem(globals(), "O", optimizer_of(torch))
    with pytest.raises(error) as found:
        call(torch.optim.lr_scheduler)
    assert str(found.value) == message
