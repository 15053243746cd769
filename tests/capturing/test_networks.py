"""Whole networks learn the same bits, captured or not: those of the benchmarks, and those with names."""

from pathlib import Path

import numpy as np
import pytest
from captured_steps import NETS, replayed, same

import cnnkit
from cnnkit import functional as F
from cnnkit import models, nn
from cnnkit.capturing import capture
from cnnkit.models import catalogue

pytestmark = replayed
BENCHMARKS = Path(__file__).parents[2] / "asv_benchmarks" / "benchmarks"
SIZES = {"alexnet": 63, "efficientnet_b0": 64, "lenet5": 28}
OTHERS = "unet", "fcn", "fcn_resnet50", "fpn_detector"  # their results are maps, or several
SCORES = [name for name in catalogue.ARCHITECTURES if name not in OTHERS]


def images(shape, count, classes, size=4):
    rng = np.random.default_rng(0)
    return [(cnnkit.tensor(rng.standard_normal((size, *shape), dtype=np.float32)),
             cnnkit.tensor(rng.integers(0, classes, size))) for _ in range(count)]


@pytest.mark.parametrize("name", [name for name in NETS if name not in ("norms", "transposed")])
def test_the_step_is_one_native_list(name):
    plan, = same(make=NETS[name], count=4).plans
    assert (plan.thunks, len(plan.steps)) == ([], 1)


class Branches(nn.Module):
    """Layers side by side, joined; and what is made larger again."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 1), nn.Conv2d(1, 4, 3, padding=1)
        self.last, self.fc = nn.Conv2d(8, 4, 3, padding=1, groups=4), nn.Linear(4 * 256, 10)

    def forward(self, x):
        x = F.leaky_relu(cnnkit.cat([self.first(x), self.second(x)], dim=1), 0.1)
        return self.fc(F.interpolate(self.last(x), scale_factor=2, mode="bilinear").flatten(1))


def test_branches_that_are_joined_and_images_that_are_resized():
    plan, = same(make=Branches, count=5).plans
    assert (plan.thunks, len(plan.steps)) == ([], 1)


@pytest.mark.parametrize("norm", [
    lambda: nn.GroupNorm(2, 8), lambda: nn.GroupNorm(8, 8, affine=False),
    lambda: nn.InstanceNorm2d(8, affine=True)], ids=["groups", "channels", "instances"])
def test_norms_of_groups_are_native(norm):
    plan, = same(make=lambda: nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), norm(), nn.SiLU(), nn.Flatten(),
                                            nn.Linear(512, 10)), count=5).plans
    assert (plan.thunks, len(plan.steps)) == ([], 1)


@pytest.mark.parametrize("name", ["guide", "batch norm", "residual", "depthwise"])
def test_inference_is_one_list_in_memory_that_is_used_again(name):
    model = NETS[name]().eval()
    run = capture(model)
    with cnnkit.no_grad():
        for x, _ in images((1, 8, 8), 5, 10):
            assert run(x).numpy().tobytes() == model(x).numpy().tobytes()
    plan, = run.plans
    assert (run.replays, plan.thunks, len(plan.steps)) == (2, [], 1)


def test_a_deep_network_infers_in_the_memory_of_few_layers():
    model = nn.Sequential(*(layer for _ in range(8) for layer in (nn.Conv2d(4, 4, 3, padding=1), nn.Tanh())))
    run, x = capture(model.eval()), cnnkit.rand(4, 4, 32, 32)
    with cnnkit.no_grad():
        for _ in range(4):
            assert run(x).numpy().tobytes() == model(x).numpy().tobytes()
    plan, = run.plans
    assert plan.arena.nbytes < 4 * x.array.nbytes  # of 16 results, and room for convolutions


def test_statistics_that_are_not_finite_are_not_folded():
    model = NETS["batch norm"]().eval()
    run = capture(model)
    with cnnkit.no_grad():
        for n, (x, _) in enumerate(images((1, 8, 8), 7, 10)):
            model[1].running_mean.numpy()[0] = np.inf if n == 5 else 1.0
            assert run(x).numpy().tobytes() == model(x).numpy().tobytes()
    assert run.replays == 3


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["W1", "W2", "lenet5", "mobilenet", "resnet18", "vgg11"])
def test_the_networks_of_the_benchmarks_learn_the_same_bits(name, monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    from networks import network

    run = same(make=lambda: network(name, nn)[0], data=images(network(name, nn)[1], 6, 10))
    assert (run.replays, run.reasons) == (3, [])


@pytest.mark.heavy
@pytest.mark.parametrize("name", SCORES)
def test_every_network_with_a_name_learns_the_same_bits(name):
    size = SIZES.get(name, 32)

    class Scores(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = models.build(name, {"in_channels": 2, "num_classes": 3, "width_mult": 0.125})

        def forward(self, x):
            scores = self.net(x)
            return scores if isinstance(scores, cnnkit.Tensor) else scores[0]
    run = same(make=Scores, data=images((2, size, size), 5, 3))
    assert (run.replays, run.reasons) == (2, [])


@pytest.mark.heavy
@pytest.mark.parametrize("name", SCORES)
def test_every_network_with_a_name_infers_the_same_bits(name):
    size = SIZES.get(name, 32)
    model = models.build(name, {"in_channels": 2, "num_classes": 3, "width_mult": 0.125}).eval()
    run = capture(model)
    with cnnkit.no_grad():
        for x, _ in images((2, size, size), 5, 3, 2):
            assert run(x).numpy().tobytes() == model(x).numpy().tobytes()
    assert (run.replays, run.reasons) == (2, [])
