"""What depends on parameters alone is made once for given parameters, and anew when their numbers change."""

import numpy as np
import pytest
from captured_steps import NETS, batches, replayed, same

import cnnkit
from cnnkit import nn, optim
from cnnkit.capturing import capture

pytestmark = replayed


def network():
    return nn.Sequential(nn.Conv2d(1, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU6(),
                         nn.Conv2d(24, 24, 3, padding=1, groups=24, bias=False), nn.BatchNorm2d(24),
                         nn.Conv2d(24, 32, 1), nn.Flatten(), nn.Linear(32 * 64, 10))


def made_once(model, monkeypatch):
    """The captured model, after the calls that it takes to trust it; and a list of what is made again."""
    run, x = capture(model.eval()), cnnkit.rand(2, 1, 8, 8)
    with cnnkit.no_grad():
        for _ in range(3):
            run(x)
    plan, = run.plans
    made, calls = [], plan.prepared._calls
    monkeypatch.setattr(plan.prepared, "_calls", type("Noted", (), {
        "run": lambda self, bases: made.append(1) or calls.run(bases)})())
    return run, made


def check(run, model):
    x = cnnkit.rand(2, 1, 8, 8)
    with cnnkit.no_grad():
        assert run(x).numpy().tobytes() == model(x).numpy().tobytes()


def test_filters_are_packed_once(monkeypatch):
    model = network()
    run, made = made_once(model, monkeypatch)
    for _ in range(3):
        check(run, model)
    assert (run.replays, made) == (3, [])


@pytest.mark.parametrize("name", ["0.weight", "0.bias", "1.running_var", "3.weight", "4.bias", "5.weight"])
@pytest.mark.parametrize("change", [
    lambda tensor: tensor.replace_(tensor.numpy() + np.float32(0.25)),
    lambda tensor: tensor.add_(0.25), lambda tensor: tensor.numpy().__iadd__(np.float32(0.25)),
    lambda tensor: tensor.numpy().reshape(-1).__setitem__(-1, 0.25)],
    ids=["another array", "in place", "its memory", "one number in its memory"])
def test_and_anew_when_a_parameter_changes(monkeypatch, name, change):
    model = network()
    run, made = made_once(model, monkeypatch)
    with cnnkit.no_grad():
        change(model.state_dict(keep_vars=True)[name])
    check(run, model)
    check(run, model)
    assert (run.replays, made) == (2, [1])


def test_training_between_two_evaluations_is_seen(monkeypatch):
    model = network()
    run, made = made_once(model, monkeypatch)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    for n, (x, y) in enumerate(batches(3, 2)):
        model.train()
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        model.eval()
        check(run, model)
        assert len(made) == n + 1


def test_a_step_that_trains_packs_its_filters_itself():
    plan, = same(make=NETS["batch norm"]).plans
    assert plan.prepared is None
