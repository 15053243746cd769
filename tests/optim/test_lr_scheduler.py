"""Learning-rate schedules: every rate of many steps beside PyTorch's, their states, and what they refuse."""

import json
import math

import pytest

import cnnkit
from cnnkit import optim
from cnnkit.optim import lr_scheduler
from cnnkit.optim.lr_scheduler import LRScheduler

STEPS = 60
CASES = {
    "StepLR": [{"step_size": 7}, {"step_size": 1, "gamma": 0.9}],
    "MultiStepLR": [{"milestones": [3, 10, 10, 40]}, {"milestones": [40, 3], "gamma": 0.5}],
    "ConstantLR": [{}, {"factor": 0.25, "total_iters": 12}],
    "LinearLR": [{}, {"start_factor": 0.1, "end_factor": 0.7, "total_iters": 30}],
    "ExponentialLR": [{"gamma": 0.9}],
    "PolynomialLR": [{}, {"total_iters": 50, "power": 2.0}],
    "CosineAnnealingLR": [{"T_max": 50}, {"T_max": 7, "eta_min": 1e-3}, {"T_max": 1}],
    "CosineAnnealingWarmRestarts": [{"T_0": 5}, {"T_0": 4, "T_mult": 2, "eta_min": 1e-4}],
    "OneCycleLR": [{"max_lr": 0.5, "total_steps": 60},
                   {"max_lr": [0.5, 0.1], "epochs": 12, "steps_per_epoch": 6},
                   {"max_lr": 0.5, "total_steps": 61, "anneal_strategy": "linear", "three_phase": True,
                    "pct_start": 0.25}, {"max_lr": 0.5, "total_steps": 70, "cycle_momentum": False,
                                         "div_factor": 10.0, "final_div_factor": 10.0}],
    "CyclicLR": [{"base_lr": 0.01, "max_lr": 0.5, "step_size_up": 7},
                 {"base_lr": [0.01, 0.1], "max_lr": 0.5, "step_size_up": 5, "step_size_down": 9,
                  "mode": "triangular2", "base_momentum": 0.7},
                 {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 4, "mode": "exp_range", "gamma": 0.97,
                  "cycle_momentum": False},
                 {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 4, "scale_fn": lambda x: 1 / (5 + x),
                  "scale_mode": "iterations"}],
    "LambdaLR": [{"lr_lambda": lambda step: 1 / (1 + step)},
                 {"lr_lambda": [lambda step: 0.9 ** step, lambda step: 1.0]}],
    "MultiplicativeLR": [{"lr_lambda": lambda step: 0.95}],
}
every_case = pytest.mark.parametrize(("name", "settings"),
                                     [(n, s) for n, all_settings in CASES.items() for s in all_settings])
FIGURES = [1.0, 0.8, 0.81, 0.8, 0.79995, 0.5, 0.6, 0.7, 0.6, 0.6, 0.6, 0.6, 0.49, 0.5,
           0.5, float("nan"), 0.4] * 3


def ours(kind="SGD", **settings):
    a, b = (cnnkit.tensor([1.0], requires_grad=True) for _ in range(2))
    return getattr(optim, kind)([{"params": [a]}, {"params": [b], "lr": 0.02}], lr=0.3, **settings)


def theirs(torch, kind="SGD", **settings):
    a, b = (torch.nn.Parameter(torch.ones(1)) for _ in range(2))
    return getattr(torch.optim, kind)([{"params": [a]}, {"params": [b], "lr": 0.02}], lr=0.3, **settings)


def rates(optimizer, scheduler, figures=None, steps=STEPS):
    """Each group's rate and momentum before every step, and the rate that the schedule says it set."""
    rates_and_momenta = []
    for step in range(steps if figures is None else len(figures)):
        rates_and_momenta += [value for group in optimizer.param_groups
                              for value in (group["lr"], group.get("momentum", 0.0))]
        rates_and_momenta += scheduler.get_last_lr()
        optimizer.step()
        scheduler.step(*() if figures is None else (figures[step],))
    return rates_and_momenta


@pytest.mark.needs("torch")
@every_case
def test_every_rate_equals_pytorch(name, settings):
    torch = pytest.importorskip("torch")
    a, b = ours(momentum=0.9), theirs(torch, momentum=0.9)
    expected = rates(b, getattr(torch.optim.lr_scheduler, name)(b, **settings))
    assert rates(a, getattr(lr_scheduler, name)(a, **settings)) == pytest.approx(expected,
                                                                                 rel=1e-12, abs=1e-17)


@pytest.mark.needs("torch")
@every_case
def test_a_schedule_that_goes_on_from_an_epoch_equals_pytorch(name, settings):
    torch = pytest.importorskip("torch")
    a, b = ours(momentum=0.9), theirs(torch, momentum=0.9)
    found = []
    for optimizer, module in (a, lr_scheduler), (b, torch.optim.lr_scheduler):
        getattr(module, name)(optimizer, **settings)
        found.append(rates(optimizer, getattr(module, name)(optimizer, **settings, last_epoch=6), steps=20))
    assert found[0] == pytest.approx(found[1], rel=1e-12, abs=1e-17)


@pytest.mark.needs("torch")
@pytest.mark.filterwarnings("ignore:The epoch parameter")
@every_case
def test_steps_to_an_epoch_equal_pytorch(name, settings):
    torch = pytest.importorskip("torch")
    a, b = ours(momentum=0.9), theirs(torch, momentum=0.9)
    found = []
    for optimizer, module in (a, lr_scheduler), (b, torch.optim.lr_scheduler):
        scheduler = getattr(module, name)(optimizer, **settings)
        found.append([])
        for epoch in (1, 4, 5, None, None, 12, 3, None):
            optimizer.step()
            scheduler.step(epoch)
            found[-1] += scheduler.get_last_lr()
    assert found[0] == pytest.approx(found[1], rel=1e-12, abs=1e-17)


@pytest.mark.needs("torch")
@every_case
def test_a_state_of_pytorch_loads_and_goes_back(name, settings):
    torch = pytest.importorskip("torch")
    pairs = []
    for _ in range(2):
        a, b = ours(momentum=0.9), theirs(torch, momentum=0.9)
        pairs.append(((a, getattr(lr_scheduler, name)(a, **settings)),
                      (b, getattr(torch.optim.lr_scheduler, name)(b, **settings))))
    (mine, reference), (back, _) = pairs
    rates(*mine, steps=9)
    rates(*reference, steps=9)
    for there, here in zip(reference, back):
        here.load_state_dict(there.state_dict())
    expected = rates(*mine, steps=20)
    assert rates(*back, steps=20) == pytest.approx(expected, rel=1e-12, abs=1e-17)
    if name == "MultiStepLR":  # PyTorch's own has a Counter of its milestones
        return
    rates(*reference, steps=20)
    optimizer = theirs(torch, momentum=0.9)
    again = optimizer, getattr(torch.optim.lr_scheduler, name)(optimizer, **settings)
    for here, there in zip(back, again):
        there.load_state_dict(here.state_dict())
    assert rates(*again, steps=10) == pytest.approx(rates(*reference, steps=10), rel=1e-12, abs=1e-17)


@pytest.mark.parametrize("settings", CASES["CosineAnnealingWarmRestarts"])
def test_warm_restarts_go_to_parts_of_epochs_as_pytorchs(settings):
    torch = pytest.importorskip("torch")
    found = []
    for optimizer, module in (ours(), lr_scheduler), (theirs(torch), torch.optim.lr_scheduler):
        scheduler = module.CosineAnnealingWarmRestarts(optimizer, **settings)
        found.append([])
        for epoch in range(30):
            for batch in range(3):
                optimizer.step()
                scheduler.step(epoch + batch / 3)
                found[-1] += scheduler.get_last_lr()
    assert found[0] == pytest.approx(found[1], rel=1e-12)


def test_schedules_that_users_write_equal_pytorch():
    torch = pytest.importorskip("torch")
    found = []
    for optimizer, module in (ours(), lr_scheduler), (theirs(torch), torch.optim.lr_scheduler):
        class WarmUp(module._LRScheduler):
            def __init__(self, optimizer, steps, after, last_epoch=-1):
                self.steps, self.after = steps, after
                super().__init__(optimizer, last_epoch)

            def get_lr(self):
                if self.last_epoch >= self.steps:
                    self.after.step()
                    return self.after.get_last_lr()
                return [base * (self.last_epoch + 1) / self.steps for base in self.base_lrs]
        found.append(rates(optimizer, WarmUp(optimizer, 5, module.CosineAnnealingLR(optimizer, 30))))
    assert found[0] == pytest.approx(found[1], rel=1e-12)


@pytest.mark.parametrize("settings", [
    {"patience": 2}, {"patience": 0, "cooldown": 3, "factor": 0.5}, {"mode": "max", "patience": 1},
    {"threshold": 0.1, "threshold_mode": "abs", "patience": 1},
    {"mode": "max", "threshold": 0.1, "threshold_mode": "abs"},
    {"patience": 0, "min_lr": [0.01, 0.005]}, {"patience": 0, "eps": 0.05},
])
def test_plateau_equals_pytorch(settings):
    torch = pytest.importorskip("torch")
    a, b = ours(), theirs(torch)
    expected = rates(b, torch.optim.lr_scheduler.ReduceLROnPlateau(b, **settings), FIGURES)
    assert (rates(a, lr_scheduler.ReduceLROnPlateau(a, **settings), FIGURES)
            == pytest.approx(expected, rel=1e-12, abs=1e-17))


def sequence(module, optimizer):
    parts = [module.LinearLR(optimizer, 0.1, total_iters=5), module.CosineAnnealingLR(optimizer, 20),
             module.StepLR(optimizer, 6), module.CosineAnnealingWarmRestarts(optimizer, 4),
             module.LambdaLR(optimizer, lambda step: 1 / (step + 1))]
    return module.SequentialLR(optimizer, parts, milestones=[5, 25, 40, 50])


def chain(module, optimizer):
    return module.ChainedScheduler([module.ConstantLR(optimizer, 0.1, total_iters=4),
                                    module.ExponentialLR(optimizer, 0.9),
                                    module.CosineAnnealingLR(optimizer, 30)])


@pytest.mark.parametrize("make", [sequence, chain])
def test_schedules_of_schedules_equal_pytorch(make):
    torch = pytest.importorskip("torch")
    a, b = ours(), theirs(torch)
    expected = rates(b, make(torch.optim.lr_scheduler, b))
    assert rates(a, make(lr_scheduler, a)) == pytest.approx(expected, rel=1e-12, abs=1e-17)


def test_one_cycle_moves_the_first_beta_of_adam():
    torch = pytest.importorskip("torch")
    a, b = ours("Adam"), theirs(torch, "Adam")
    mine, reference = lr_scheduler.OneCycleLR(a, 0.1, 20), torch.optim.lr_scheduler.OneCycleLR(b, 0.1, 20)
    for _ in range(20):
        assert a.param_groups[1]["betas"] == pytest.approx(b.param_groups[1]["betas"], rel=1e-12)
        b.step()
        mine.step()
        reference.step()


@every_case
def test_a_state_that_went_through_json_goes_on_with_the_same_rates(name, settings):
    first = ours(momentum=0.9)
    scheduler = getattr(lr_scheduler, name)(first, **settings)
    rates(first, scheduler, steps=17)
    state = {"optimizer": first.state_dict(), "scheduler": json.loads(json.dumps(scheduler.state_dict()))}
    expected = rates(first, scheduler, steps=40)
    second = ours(momentum=0.9)
    again = getattr(lr_scheduler, name)(second, **settings)
    second.load_state_dict(state["optimizer"])
    again.load_state_dict(state["scheduler"])
    assert rates(second, again, steps=40) == expected


@pytest.mark.parametrize("make", [sequence, chain])
def test_the_state_of_schedules_of_schedules_goes_on(make):
    first = ours()
    scheduler = make(lr_scheduler, first)
    rates(first, scheduler, steps=23)
    state, settings = json.loads(json.dumps(scheduler.state_dict())), first.state_dict()
    expected = rates(first, scheduler, steps=30)
    second = ours()
    again = make(lr_scheduler, second)
    second.load_state_dict(settings)
    again.load_state_dict(state)
    assert rates(second, again, steps=30) == expected


def test_a_state_is_a_snapshot():
    scheduler = lr_scheduler.MultiStepLR(ours(), [2, 4])
    state = scheduler.state_dict()
    scheduler.step()
    assert state["last_epoch"] == 0
    state["milestones"].append(5)
    assert scheduler.milestones == [2, 4]


def test_plateau_reads_a_tensor_and_nan_is_never_better():
    optimizer = ours()
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
    scheduler.step(cnnkit.tensor(0.5))
    assert optimizer.param_groups[0]["lr"] == 0.3
    scheduler.step(math.nan)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.03)


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda o: LRScheduler("sgd"), TypeError, "str is not an Optimizer"),
    (LRScheduler, NotImplementedError, r"must define get_lr\(\)"),
    (lambda o: LRScheduler(o, 3), KeyError, "'initial_lr' is not specified in param_groups"),
    (lambda o: lr_scheduler.CyclicLR(o, 0.1, 0.2, mode="square"), ValueError, "got 'square'"),
    (lambda o: lr_scheduler.StepLR(o, 0), ValueError, "step_size must be 1 or more, got 0"),
    (lambda o: lr_scheduler.CosineAnnealingLR(o, 0), ValueError, "T_max must be 1 or more"),
    (lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 2.5), ValueError, "T_0 must be a whole number"),
    (lambda o: lr_scheduler.PolynomialLR(o, 0), ValueError, "total_iters must be 1 or more"),
    (lambda o: lr_scheduler.ConstantLR(o, 0), ValueError, "factor must be above 0"),
    (lambda o: lr_scheduler.LinearLR(o, 0), ValueError, "start_factor must be above 0"),
    (lambda o: lr_scheduler.LinearLR(o, 1, 2), ValueError, "end_factor must be from 0 to 1"),
    (lambda o: lr_scheduler.LambdaLR(o, [abs]), ValueError,
     "lr_lambda has 1 values, but the optimizer has 2 parameter groups"),
    (lambda o: lr_scheduler.OneCycleLR(o, 0.1), ValueError, "needs total_steps"),
    (lambda o: lr_scheduler.OneCycleLR(o, 0.1, 0), ValueError, "total_steps must be a whole number"),
    (lambda o: lr_scheduler.OneCycleLR(o, 0.1, 5, pct_start=2), ValueError, "pct_start must be from 0 to 1"),
    (lambda o: lr_scheduler.OneCycleLR(o, 0.1, 5, anneal_strategy="tri"),
     ValueError, "'cos' or 'linear', got 'tri'"),
    (lambda o: [s.step() for s in [lr_scheduler.OneCycleLR(o, 0.1, 5)] * 6], ValueError,
     "made for 5 steps, and this is step 6"),
    (lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=1.0), ValueError, "factor must be below 1"),
    (lambda o: lr_scheduler.ReduceLROnPlateau(o, "least"), ValueError,
     "mode must be 'min' or 'max', got 'least'"),
    (lambda o: lr_scheduler.ReduceLROnPlateau(o).step(), TypeError, "needs the figure to watch"),
    (lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.StepLR(o, 1)], [3]), ValueError,
     "1 schedules need 0 milestones, got 1"),
    (lambda o: lr_scheduler.SequentialLR(o, [], []), ValueError, "need|milestones"),
    (lambda o: lr_scheduler.ChainedScheduler([]), ValueError, "needs at least one schedule"),
    (lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.ReduceLROnPlateau(o)]),
     ValueError, "cannot hold ReduceLROnPlateau"),
    (lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.StepLR(ours(), 1)], o),
     ValueError, "schedule 0 belongs to another"),
])
def test_what_cannot_work_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make(ours())
