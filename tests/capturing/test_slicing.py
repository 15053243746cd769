"""Many images go through neighbouring layers a few at a time, to the same bits, in less memory."""

import numpy as np
import pytest
from captured_steps import replayed
from cnnkit_cpu import slicing
from cnnkit_cpu.replay import CNativeCalls

import cnnkit
from cnnkit import nn
from cnnkit.capturing import capture

pytestmark = replayed


class Block(nn.Module):
    """An inverted residual, whose sum reads what another layer has read too."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(24, 48, 1, bias=False), nn.BatchNorm2d(48), nn.ReLU6(),
                                  nn.Conv2d(48, 48, 3, padding=1, groups=48), nn.ReLU(),
                                  nn.Conv2d(48, 24, 1))

    def forward(self, x):
        return x + self.body(x)


class Forked(nn.Module):
    """Results that are read after layers of other kinds."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 32, 3, padding=1), nn.Conv2d(32, 32, 1)
        self.third, self.last = nn.Conv2d(32, 24, 3), nn.Conv2d(24, 16, 1)

    def forward(self, x):
        early = self.second(self.first(x))
        late = self.last(self.third(early))
        return early.sum((2, 3)), late, early


def sequential():
    return nn.Sequential(nn.Conv2d(3, 24, 3, 2, 1), nn.ReLU(), Block(), nn.MaxPool2d(3, 2), Block(),
                         nn.Conv2d(24, 32, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(32, 10))


def behind_another():
    """What a layer that takes all images leaves is read by the run, and by nothing behind it."""
    return nn.Sequential(nn.Conv2d(3, 24, 3, padding=1), nn.Upsample(scale_factor=2),
                         nn.Conv2d(24, 24, 3, 2, padding=1), nn.ReLU(),
                         nn.Conv2d(24, 24, 3, padding=1, groups=24), nn.Conv2d(24, 40, 3, padding=1),
                         nn.Conv2d(40, 24, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def calls_of(model, images, monkeypatch, cache):
    """A captured call that is trusted, how many native calls it makes, and the bytes of its arena."""
    monkeypatch.setattr(slicing, "CACHE", cache)
    run = capture(model.eval())
    with cnnkit.no_grad():
        for _ in range(4):
            run(cnnkit.rand(images, 3, 20, 18))
    plan, = run.plans
    return run, sum(len(step._calls) for step in plan.steps if hasattr(step, "_calls")), plan.arena.nbytes


@pytest.mark.parametrize(("make", "cache"), [(sequential, 30_000), (behind_another, 200_000),
                                              (Forked, 30_000)])
@pytest.mark.parametrize("images", [8, 9, 31])
def test_the_bits_are_those_of_all_images_at_once(make, cache, images, monkeypatch):
    cnnkit.manual_seed(0)
    model = make()
    _, calls, memory = calls_of(model, images, monkeypatch, 1 << 40)
    run, more_calls, less_memory = calls_of(model, images, monkeypatch, cache)
    assert more_calls > calls + 3
    assert make is not sequential or less_memory < memory
    kept = []
    with cnnkit.no_grad():
        for _ in range(3):
            x = cnnkit.rand(images, 3, 20, 18)
            results, expected = run(x), model(x)
            pairs = [*zip(results, expected)] if make is Forked else [(results, expected)]
            kept += [(result, wanted.numpy().copy()) for result, wanted in pairs]
    for result, wanted in kept:
        np.testing.assert_array_equal(result.numpy(), wanted)


def test_one_image_goes_through_each_layer_once(monkeypatch):
    model = sequential()
    assert calls_of(model, 1, monkeypatch, 30_000)[1] == calls_of(model, 1, monkeypatch, 1 << 40)[1]


def test_changed_parameters_count_for_every_image(monkeypatch):
    model = sequential()
    run, _, _ = calls_of(model, 12, monkeypatch, 30_000)
    x = cnnkit.rand(12, 3, 20, 18)
    with cnnkit.no_grad():
        before = run(x).numpy().copy()
        model[0].weight.add_(0.5)
        after = run(x)
        np.testing.assert_array_equal(after.numpy(), model(x).numpy())
    assert (after.numpy() != before).any(axis=1).all()


def test_training_steps_take_all_images_at_once(monkeypatch):
    asked = []
    monkeypatch.setattr(CNativeCalls, "per_image", staticmethod(asked.append))
    model = sequential()

    def learn(x):
        model(x).sum().backward()
    calls = capture(learn), capture(model.eval())
    for step, is_asked in zip(calls, (False, True)):
        model.train(not is_asked)
        for _ in range(3):
            step(cnnkit.rand(8, 3, 20, 18)) if not is_asked else evaluated(step)
        assert bool(asked) is is_asked


def evaluated(step):
    with cnnkit.no_grad():
        return step(cnnkit.rand(8, 3, 20, 18))
