"""Schedules of schedules: PyTorch's rates, and where they are nested, those that each part has alone."""

import json

import pytest

import cnnkit
from cnnkit import optim
from cnnkit.optim import lr_scheduler

RATES = 0.3, 0.02
PARTS = {
    "step": lambda m, o: m.StepLR(o, 3, 0.5),
    "milestones": lambda m, o: m.MultiStepLR(o, [1, 6], 0.5),
    "exponential": lambda m, o: m.ExponentialLR(o, 0.9),
    "cosine": lambda m, o: m.CosineAnnealingLR(o, 6, 0.01),
    "restarts": lambda m, o: m.CosineAnnealingWarmRestarts(o, 2, 2),
    "linear": lambda m, o: m.LinearLR(o, 0.25, total_iters=4),
    "constant": lambda m, o: m.ConstantLR(o, 0.5, total_iters=3),
    "polynomial": lambda m, o: m.PolynomialLR(o, 5, 2.0),
    "lambda": lambda m, o: m.LambdaLR(o, lambda step: 1 / (1 + step)),
    "multiplicative": lambda m, o: m.MultiplicativeLR(o, lambda step: 0.9),
    "one cycle": lambda m, o: m.OneCycleLR(o, [0.5, 0.2], 40)}
NESTED = {
    "chain": lambda m, o: m.ChainedScheduler([PARTS["constant"](m, o), PARTS["exponential"](m, o)]),
    "chain of a chain": lambda m, o: m.ChainedScheduler([NESTED["chain"](m, o), PARTS["cosine"](m, o)]),
    "sequence": lambda m, o: m.SequentialLR(o, [PARTS["linear"](m, o), PARTS["step"](m, o)], [4]),
    "chain of a sequence": lambda m, o: m.ChainedScheduler([NESTED["sequence"](m, o)])}
MINE = lr_scheduler


def ours():
    parameters = [cnnkit.tensor([1.0], requires_grad=True) for _ in RATES]
    return optim.SGD([{"params": p, "lr": lr} for p, lr in zip(parameters, RATES)], momentum=0.9)


def theirs(torch):
    parameters = [torch.nn.Parameter(torch.ones(1)) for _ in RATES]
    groups = [{"params": p, "lr": lr} for p, lr in zip(parameters, RATES)]
    return torch.optim.SGD(groups, lr=1.0, momentum=0.9)


def rates(optimizer, scheduler, steps=16):
    found = []
    for _ in range(steps):
        found += [group["lr"] for group in optimizer.param_groups] + list(scheduler.get_last_lr())
        optimizer.step()
        scheduler.step()
    return found


def sequence(module, optimizer, names, milestones):
    return module.SequentialLR(optimizer, [PARTS[name](module, optimizer) for name in names], milestones)


@pytest.mark.needs("torch")
@pytest.mark.parametrize("first", PARTS)
def test_two_schedules_one_after_the_other_equal_pytorch(first):
    torch = pytest.importorskip("torch")
    for second in PARTS:
        a, b = ours(), theirs(torch)
        names, milestones = (first, second), [5]
        expected = rates(b, sequence(torch.optim.lr_scheduler, b, names, milestones))
        assert rates(a, sequence(MINE, a, names, milestones)) == pytest.approx(expected, abs=1e-12), second


@pytest.mark.needs("torch")
@pytest.mark.parametrize("first", PARTS)
def test_two_schedules_at_once_equal_pytorch(first):
    torch = pytest.importorskip("torch")
    for second in PARTS:
        a, b = ours(), theirs(torch)
        expected, found = (rates(o, m.ChainedScheduler([PARTS[name](m, o) for name in (first, second)]))
                           for o, m in ((b, torch.optim.lr_scheduler), (a, MINE)))
        assert found == pytest.approx(expected, abs=1e-12), second


def test_a_multiplicative_schedule_goes_on_from_the_rate_that_it_finds():
    optimizer = ours()
    schedule = sequence(MINE, optimizer, ("exponential", "multiplicative"), [2])
    found = rates(optimizer, schedule, 5)[::4]
    assert found == pytest.approx([0.3 * 0.9 ** step for step in range(5)])


@pytest.mark.parametrize("name", [*NESTED, *list(PARTS)[:-2]])  # not those that go on from what they find
@pytest.mark.parametrize("milestone", [0, 5])
def test_a_part_that_begins_at_a_milestone_has_the_rates_that_it_has_alone(name, milestone):
    make = (NESTED | PARTS)[name]
    alone, within = ours(), ours()
    expected = rates(alone, make(MINE, alone), 10)
    before = PARTS["linear"](MINE, within)
    schedule = lr_scheduler.SequentialLR(within, [before, make(MINE, within)], [milestone])
    assert rates(within, schedule, milestone + 10)[4 * milestone:] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", NESTED)
def test_a_part_that_comes_first_has_the_rates_that_it_has_alone(name):
    alone, within = ours(), ours()
    expected = rates(alone, NESTED[name](MINE, alone), 7)
    parts = [NESTED[name](MINE, within), PARTS["step"](MINE, within)]
    schedule = lr_scheduler.SequentialLR(within, parts, [7])
    assert rates(within, schedule, 7) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", NESTED)
@pytest.mark.parametrize("stop", [0, 3, 6, 9])
def test_a_nested_schedule_goes_on_from_its_state(name, stop):
    def make():
        optimizer = ours()
        return optimizer, lr_scheduler.SequentialLR(
            optimizer, [PARTS["linear"](MINE, optimizer), NESTED[name](MINE, optimizer)], [4])

    whole, (optimizer, schedule), (resumed, again) = rates(*make(), 12), make(), make()
    rates(optimizer, schedule, stop)
    resumed.load_state_dict(optimizer.state_dict())
    again.load_state_dict(json.loads(json.dumps(schedule.state_dict())))
    assert rates(resumed, again, 12 - stop) == whole[4 * stop:]
